# SPDX-License-Identifier: Apache-2.0
"""deaggregation - user records of a Kinesis record, as the KCL takes it apart.

Written from the format's description alone, so that it is a witness:
https://github.com/awslabs/amazon-kinesis-producer/blob/master/aggregation-format.md
An aggregate is F3 89 9A C2, a protobuf message, and the MD5 of that message:

    AggregatedRecord: 1 partition_key_table, 2 explicit_hash_key_table (strings),
                      3 records
    Record:           1 partition_key_index, 2 explicit_hash_key_index,
                      3 data, 4 tags

The KCL delivers whatever is no aggregate as one raw record, and drops a whole
aggregate if one of its records hashes outside the shard (AggregatorUtil).
"""
import hashlib

MAGIC = b'\xf3\x89\x9a\xc2'
WHOLE_RANGE = (0, 2 ** 128 - 1)


def hash_key(partition_key):
    """As Kinesis does: MD5 of the UTF-8 text, as a 128-bit number."""
    return int.from_bytes(hashlib.md5(partition_key).digest(), 'big')


def _varint(data, place):
    value = data[place]
    place += 1
    if value < 0x80:
        return value, place
    value &= 0x7f
    for shift in range(7, 70, 7):
        byte = data[place]
        place += 1
        value |= (byte & 0x7f) << shift
        if byte < 0x80:
            return value, place
    raise ValueError('a varint without end')


def _field(data, place, end):
    """(number, value, place behind it); the value of wire type 2 is bytes."""
    tag, place = _varint(data, place)
    kind = tag & 7
    if kind == 0:
        value, place = _varint(data, place)
    elif kind in (1, 5):
        value, place = None, place + (8 if kind == 1 else 4)
    elif kind == 2:
        length, place = _varint(data, place)
        value, place = data[place:place + length], place + length
    else:
        raise ValueError('an unknown wire type')
    if place > end:
        raise ValueError('a field longer than its message')
    return tag >> 3, value, place


def _record(data):
    """(partition key index, explicit hash key index or None, body)."""
    place, end, found = 0, len(data), {}
    while place < end:
        number, value, place = _field(data, place, end)
        found[number] = value
    return found[1], found.get(2), found[3]  # 1 and 3 are required


def take_apart(partition_key, data):
    """([(partition key, explicit hash key or None, body)], is an aggregate).

    Keys are bytes; explicit hash keys are numbers.
    """
    raw = [(partition_key, None, data)], False
    message = data[4:-16]
    if (data[:4] != MAGIC or len(data) <= 20 or
            hashlib.md5(message).digest() != data[-16:]):
        return raw
    place, end, tables, records = 0, len(message), {1: [], 2: []}, []
    try:
        while place < end:
            number, value, place = _field(message, place, end)
            if number == 3:
                records.append(_record(value))
            elif number in tables:
                tables[number].append(value)
        return [(tables[1][key],
                 None if explicit is None else int(tables[2][explicit]), body)
                for key, explicit, body in records], True
    except (IndexError, KeyError, TypeError, ValueError):
        return raw


def fits(records, first, last, hashes):
    """True if all records of an aggregate hash into the range of a shard.

    hashes: a dictionary of the caller's that remembers hash keys.
    """
    for key, explicit, _ in records:
        if explicit is None:
            explicit = hashes.get(key)
            if explicit is None:
                explicit = hashes[key] = hash_key(key)
        if not first <= explicit <= last:
            return False
    return True
