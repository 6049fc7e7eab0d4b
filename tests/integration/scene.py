# SPDX-License-Identifier: Apache-2.0
"""scene - what one integration test starts, and that all of it ends.

A test is a function that takes a Scene and whose name is a sentence. Inside:

    nsqd = scene.start_nsqd()
    stream = scene.make_stream()
    bridge = scene.start_bridge([nsqd], stream, '--partition-key=json:user_id')
    published = scene.publish(nsqd, 5000)
    nsqd.wait_until_finished(scene.topic, CHANNEL)
    scene.expect_all(stream, published)

The Kinesis servers are shared by all tests, because kinesis-local takes long
to start; each stream is a test's own.
"""
import dataclasses
import os
import pathlib
import tempfile

from rig.bridge import Bridge
from rig.emulators import KinesisLocal
from rig.kinesis import Kinesis
from rig.ledger import judge
from rig.messages import make_messages
from rig.nsq import Nsqd, Nsqlookupd
from rig.read_back import read_stream
from rig.simulators import KinesisSimulator

CHANNEL = 'bridge'
BATCH = 500  # messages of one MPUB


@dataclasses.dataclass
class Stream:
    name: str
    endpoint_url: str
    kinesis: Kinesis

    def read(self):
        return read_stream(self.kinesis, self.name)


class SharedServers:
    """Kinesis servers by class, each started when first asked for."""

    def __init__(self):
        self._folder = tempfile.TemporaryDirectory(prefix='n2k-servers-')
        self._running = {}

    def get(self, server_class):
        if server_class not in self._running:
            self._running[server_class] = server_class(self._folder.name)
        return self._running[server_class]

    def end(self):
        for server in self._running.values():
            server.end()
        self._folder.cleanup()


class Scene:
    def __init__(self, servers):
        self._servers = servers
        self._folder = tempfile.TemporaryDirectory(prefix='n2k-test-')
        self.folder = pathlib.Path(self._folder.name)
        self._started = []  # ended in the opposite order
        self.topic = f'topic-{os.urandom(3).hex()}'
        self.bridge = None

    def own(self, started):
        """What has an end() is ended with the scene, the last one first."""
        self._started.append(started)
        return started

    def start_nsqd(self, **how):
        return self.own(Nsqd(self.folder / f'nsqd-{len(self._started)}',
                              **how))

    def start_nsqlookupd(self):
        return self.own(Nsqlookupd(self.folder))

    def start_simulator(self, simulator_class=KinesisSimulator, more=()):
        """A Kinesis of this test alone, which may misbehave."""
        return self.own(simulator_class(self.folder, more))

    def make_stream(self, server=KinesisLocal, shard_count=4):
        """In a server, or in the shared one of a class."""
        if isinstance(server, type):
            server = self._servers.get(server)
        stream = Stream(f'stream-{os.urandom(3).hex()}', server.endpoint_url,
                        Kinesis(server.endpoint_url,
                                getattr(server, 'ca_file', None)))
        stream.kinesis.create_stream(stream.name, shard_count)
        return stream

    def run_bridge(self, *options, **how):
        """Start the program with just these options and wait for nothing."""
        self.bridge = self.own(Bridge(self.folder, options, **how))
        return self.bridge

    def start_bridge(self, nsqds, stream, *options, worker_count=1,
                     lookup=None):
        """Start it for the scene's topic; return when every nsqd has it."""
        where = [f'--nsqd-tcp-address={nsqd.tcp_address}' for nsqd in nsqds]
        if lookup:
            where = [f'--lookupd-http-address={lookup.http_address}']
        bridge = self.run_bridge(
            f'--topic={self.topic}', f'--channel={CHANNEL}', *where,
            f'--stream={stream.name}', f'--endpoint-url={stream.endpoint_url}',
            f'--egress-workers={worker_count}', *options)
        bridge.wait_until_started(worker_count)
        for nsqd in nsqds:
            nsqd.wait_for_consumer(self.topic, CHANNEL)
        return bridge

    def publish(self, nsqd, count, first=0, **how):
        """Publish JSON messages of users; returns them as (user, body)."""
        messages = make_messages(count, first=first, **how)
        for start in range(0, count, BATCH):
            nsqd.publish(self.topic,
                         [body for _, body in messages[start:start + BATCH]])
        return messages

    def wait_until_finished(self, *nsqds, seconds=30):
        for nsqd in nsqds:
            nsqd.wait_until_finished(self.topic, CHANNEL, seconds)

    def expect_all(self, stream, published, duplicates_allowed=False):
        """Nothing lost, nothing invented, order kept; returns the verdict."""
        verdict = judge(published, stream.read())
        assert verdict.is_good, verdict
        assert duplicates_allowed or verdict.duplicates == 0, verdict
        return verdict

    def end(self):
        for started in reversed(self._started):
            started.end()
        self._folder.cleanup()
