#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The NSQ simulator as a program: two nsqds, a consumer each, faults, an end.

Usage: test_nsq_simulator.py PATH_OF_NSQ_SIMULATOR. A consumer of a few lines,
which shares no code with the simulator, finishes every message; a connection
that is cut on purpose is made again.
"""
import json
import os
import re
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import urllib.error
import urllib.request

MESSAGES = 20000
SCRIPT = [
    {'after': 3000, 'action': 'disconnect_mid_frame'},
    {'after': 4000, 'action': 'disconnect', 'reset': True, 'nsqd': 1},
    {'after': 5000, 'action': 'twin', 'count': 3, 'nsqd': 1},
    {'after': 6000, 'action': 'refuse', 'for_ms': 300},
    {'after': 6000, 'action': 'disconnect'},
]


def consume(port, bodies, failures):
    """One connection until it ends: append bodies by id, and error frames.

    False if nsqd takes none; the refusals are counted in failures.
    """
    try:
        connection = socket.create_connection(('127.0.0.1', port))
    except ConnectionRefusedError:
        return False
    wish = json.dumps({'feature_negotiation': True, 'msg_timeout': 1000}).encode()
    connection.sendall(b'  V2IDENTIFY\n' + struct.pack('>I', len(wish)) + wish +
                       b'SUB test channel\nRDY 100\n')
    stream = connection.makefile('rb', buffering=65536)
    while True:
        try:
            header = stream.read(8)
            size, kind = struct.unpack('>II', header) if len(header) == 8 else (0, 0)
            data = stream.read(size - 4) if size else b''
            if not size or len(data) < size - 4:
                return True
            if kind == 2:
                bodies.setdefault((port, data[10:26]), []).append(data[26:])
                connection.sendall(b'FIN ' + data[10:26] + b'\n')
            elif kind == 1:
                failures.append(data)
            elif data == b'_heartbeat_':
                connection.sendall(b'NOP\n')
        except (ConnectionResetError, BrokenPipeError):
            return True


def consume_until_gone(port, bodies, failures, refusals, gone):
    while not gone.is_set():
        if not consume(port, bodies, failures):
            refusals.append(port)
            gone.wait(0.02)


def get(port, path, body=None):
    try:
        with urllib.request.urlopen(f'http://127.0.0.1:{port}{path}', body) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


def check_pages(port, tcp_ports):
    status, body = get(port, '/lookup?topic=test')
    assert status == 200, body
    assert [p['tcp_port'] for p in json.loads(body)['producers']] == tcp_ports
    assert get(port, '/lookup?topic=other') == (404, b'{"message":"TOPIC_NOT_FOUND"}')
    assert get(port, '/lookup') == (400, b'{"message":"MISSING_ARG_TOPIC"}')
    assert get(port, '/script', b'{"action":"fly"}')[0] == 400
    lines = '\n'.join(json.dumps(fault) for fault in SCRIPT)
    assert get(port, '/script', lines.encode()) == (200, b'OK')
    assert json.loads(get(port, '/stats')[1])['sent'] == 0


def check_history(path, summary):
    with open(path, encoding='ascii') as lines:
        facts = [json.loads(line) for line in lines]
    count = {}
    for fact in facts:
        count[fact['ev']] = count.get(fact['ev'], 0) + 1
    assert count['deliver'] == summary['sent'], count
    assert count['fin'] == MESSAGES, count
    assert count['fault'] == len(SCRIPT), count
    assert [fact['t'] for fact in facts] == sorted(fact['t'] for fact in facts)


def main():
    with tempfile.TemporaryDirectory() as folder:
        history = os.path.join(folder, 'history')
        simulator = subprocess.Popen(
            [sys.argv[1], '--nsqd', '2', '--count', str(MESSAGES), '--exit-when-done',
             '--deadline', '60', '--history', history],
            stdout=subprocess.PIPE, text=True)
        ports = [int(port) for port in re.findall(r'\d+', simulator.stdout.readline())]
        check_pages(ports[-1], ports[:-1])
        bodies, failures, refusals, gone = {}, [], [], threading.Event()
        consumers = [threading.Thread(target=consume_until_gone,
                                      args=(port, bodies, failures, refusals,
                                            gone))
                     for port in ports[:-1]]
        for consumer in consumers:
            consumer.start()
        summary = json.loads(simulator.stdout.read())
        assert simulator.wait() == 0
        gone.set()
        for consumer in consumers:
            consumer.join()
        check_history(history, summary)
    seen = [json.loads(copies[0])['global'] for copies in bodies.values()]
    assert sorted(seen) == list(range(MESSAGES))
    assert all(len(set(copies)) == 1 for copies in bodies.values())
    assert all(failure.startswith(b'E_FIN_FAILED FIN ') for failure in failures)
    assert summary['done'] and summary['messages'] == MESSAGES, summary
    assert refusals.count(ports[0]) > 3, refusals
    assert summary['twins'] == 3 and summary['failed_fins'] <= 3, summary
    assert summary['redelivered'] == summary['timed_out'] > 0, summary


main()
