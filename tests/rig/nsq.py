# SPDX-License-Identifier: Apache-2.0
"""nsq - a real nsqd and nsqlookupd, and one publisher.

Order on one connection is kept only while the channel lives wholly in memory
or wholly on disk, so every nsqd here has a memory queue that never spills.
"""
import http.client
import json
import os
import pathlib
import socket
import struct

from rig import programs
from rig.processes import Program, wait_until

MESSAGE = 2  # frame type


def _listening(program, kind):
    """The port nsqd or nsqlookupd chose, from its log."""
    found = program.wait_for_line(kind + r': listening on 127\.0\.0\.1:(\d+)')
    return int(found.group(1))


class Nsqlookupd:
    def __init__(self, folder):
        self.program = Program(
            'nsqlookupd',
            [programs.nsqlookupd(), '--tcp-address=127.0.0.1:0',
             '--http-address=127.0.0.1:0', '--broadcast-address=127.0.0.1'],
            pathlib.Path(folder) / 'nsqlookupd.log')
        self.tcp_port = _listening(self.program, 'TCP')
        self.http_port = _listening(self.program, 'HTTP')

    @property
    def http_address(self):
        return f'127.0.0.1:{self.http_port}'

    def end(self):
        self.program.end()


class NsqdClient:
    """One HTTP connection to an nsqd, for one thread."""

    def __init__(self, http_port):
        self.http_port = http_port
        self._http = http.client.HTTPConnection('127.0.0.1', http_port,
                                                timeout=30)

    def _ask(self, method, path, body=None):
        self._http.request(method, path, body)
        reply = self._http.getresponse()
        text = reply.read()
        if reply.status != 200:
            raise RuntimeError(f'nsqd answered {reply.status} to {path}: {text!r}')
        return text

    def publish(self, topic, bodies):
        """Publish in this order: one MPUB over one connection."""
        parts = [struct.pack('>I', len(bodies))]
        for body in bodies:
            parts += [struct.pack('>I', len(body)), body]
        self._ask('POST', f'/mpub?topic={topic}&binary=true', b''.join(parts))


class Nsqd(NsqdClient):
    """One nsqd with a folder of its own. `more` are further flags of nsqd."""

    def __init__(self, folder, lookup=None, tcp_port=0, more=()):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        if lookup:
            more = [f'--lookupd-tcp-address=127.0.0.1:{lookup.tcp_port}', *more]
        self.program = Program(
            'nsqd',
            [programs.nsqd(), f'--tcp-address=127.0.0.1:{tcp_port}',
             '--http-address=127.0.0.1:0', '--https-address=127.0.0.1:0',
             '--broadcast-address=127.0.0.1', f'--data-path={self.folder}',
             '--mem-queue-size=5000000', *more],
            self.folder / f'nsqd-{os.urandom(3).hex()}.log')
        self.tcp_port = _listening(self.program, 'TCP')
        super().__init__(_listening(self.program, 'HTTP'))

    @property
    def tcp_address(self):
        return f'127.0.0.1:{self.tcp_port}'

    def create_channel(self, topic, channel):
        self._ask('POST', f'/topic/create?topic={topic}')
        self._ask('POST', f'/channel/create?topic={topic}&channel={channel}')

    def change_channel(self, action, topic, channel):
        """action: pause, unpause, empty or delete."""
        self._ask('POST', f'/channel/{action}?topic={topic}&channel={channel}')

    def channel(self, topic, channel):
        """nsqd's statistics of one channel; None if there is none."""
        stats = json.loads(self._ask(
            'GET', f'/stats?format=json&topic={topic}&channel={channel}'))
        for found in stats['topics'] or []:
            for one in found['channels']:
                return {**one, 'topic_depth': found['depth']}
        return None

    def consumers(self, topic, channel):
        """How many connections read the channel."""
        found = self.channel(topic, channel)
        return len(found['clients'] or []) if found else 0

    def unfinished(self, topic, channel):
        """Messages nobody has FINed yet: waiting, in flight or deferred."""
        found = self.channel(topic, channel)
        if not found:
            return 0
        return (found['topic_depth'] + found['depth'] +
                found['in_flight_count'] + found['deferred_count'])

    def wait_for_consumer(self, topic, channel, seconds=15):
        wait_until(lambda: self.consumers(topic, channel),
                   f'a consumer of {topic}/{channel} at {self.tcp_address}',
                   seconds)

    def wait_until_finished(self, topic, channel, seconds=30):
        wait_until(lambda: self.unfinished(topic, channel) == 0,
                   f'every message of {topic}/{channel} is finished '
                   f'({self.tcp_address})', seconds)

    def ready_count(self, topic, channel):
        """The sum of RDY of all who read the channel."""
        found = self.channel(topic, channel)
        return sum(client['ready_count'] for client in found['clients'] or [])

    def read_bodies(self, topic, count, seconds=10):
        """Take `count` messages of a topic, as a consumer of its own."""
        bodies = []
        with socket.create_connection(('127.0.0.1', self.tcp_port),
                                      timeout=seconds) as connection:
            connection.sendall(b'  V2SUB %s reader\nRDY %d\n' %
                               (topic.encode(), max(count, 1)))
            stream = connection.makefile('rb')
            while len(bodies) < count:
                size, kind = struct.unpack('>II', stream.read(8))
                frame = stream.read(size - 4)
                if kind == MESSAGE:
                    connection.sendall(b'FIN %s\n' % frame[10:26])
                    bodies.append(frame[26:])
            connection.sendall(b'CLS\n')
            while struct.unpack('>II', stream.read(8)) != (14, 0):
                pass  # until CLOSE_WAIT: the FINs before it were read
        return bodies

    def end(self):
        self._http.close()
        self.program.end()
