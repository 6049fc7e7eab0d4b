# SPDX-License-Identifier: Apache-2.0
"""message - a body that says who it is and whether it is whole.

    magic "N2K1" (4) | run (8) | key (4) | number in key (8) | number (8)
    | length of the body (4) | crc32 of the body with this field 0 (4) | filler

Big endian. `nsq_simulator --body binary` makes such bodies, and so does make().
"""
import struct
import zlib

HEADER = struct.Struct('>4sQIQQII')
MAGIC = b'N2K1'
KEY_OFFSET, KEY_LENGTH = 12, 4  # for --partition-key=bytes:12:4
_NO_CRC = bytes(4)


class Foreign(Exception):
    """These bytes are no message of ours."""


class Altered(Exception):
    """The message was whole once."""


def _sum(body):
    return zlib.crc32(body[40:], zlib.crc32(_NO_CRC, zlib.crc32(body[:36])))


def make(run, key, sequence, number, filler):
    length = HEADER.size + len(filler)
    body = HEADER.pack(MAGIC, run, key, sequence, number, length, 0) + filler
    return body[:36] + struct.pack('>I', _sum(body)) + body[40:]


def read(body):
    """(run, key, number in key)."""
    if body[:4] != MAGIC:
        raise Foreign(f'a body that begins with {body[:8].hex()}')
    if len(body) < HEADER.size:
        raise Altered(f'{len(body)} bytes are left of a message')
    _, run, key, sequence, _, length, crc = HEADER.unpack_from(body)
    if length != len(body) or crc != _sum(body):
        raise Altered(f'message {sequence} of key {key}')
    return run, key, sequence
