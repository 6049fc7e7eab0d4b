# SPDX-License-Identifier: Apache-2.0
"""A bridge between two simulators that write down what they see."""
import json
import subprocess

from checker.history import read
from checker.judgement import Judge
from rig import programs
from rig.bridge import Bridge
from rig.processes import wait_until
from rig.simulators import KinesisSimulator, NsqSimulator

TOPIC, STREAM, RUN = 'stage', 'stage', 10


class Stage:
    """A bridge between two simulators that write down what they see."""

    def __init__(self, scene, count, size, rate, wrapper=(), faults=(),
                 nsq_options=(), options=()):
        self._folder = scene.folder
        self._count = count
        self.kinesis = scene.own(KinesisSimulator(scene.folder, [
            f'--stream={STREAM}:2', '--delay-ms=5',
            f'--history={scene.folder / "history-kinesis"}']))
        for fault in faults:
            self.kinesis.misbehave(**fault)
        self.nsq = scene.own(NsqSimulator(scene.folder, TOPIC, count, [
            '--body=binary', f'--size={size}', '--keys=50', f'--seed={RUN}',
            f'--rate={rate}', f'--history={scene.folder / "history-nsq"}', *nsq_options],
            stays=True))
        self.bridge = scene.own(Bridge(scene.folder, [
            f'--topic={TOPIC}', f'--stream={STREAM}',
            '--partition-key=bytes:12:4',
            f'--nsqd-tcp-address={self.nsq.tcp_address}',
            f'--endpoint-url={self.kinesis.endpoint_url}', *options],
            wrapper=wrapper))

    def may_come(self):
        """What RDY allows nsqd to send beyond what is in flight."""
        return sum(max(0, one['rdy'] - one['in_flight'])
                   for one in self.nsq.statistics()['connections'])

    def finish(self, seconds=30):
        wait_until(lambda: self.nsq.statistics()['finished'] == self._count,
                   'every message is finished', seconds)

    def counter(self, name):
        """Its sum over all processes."""
        lines = subprocess.run(
            [programs.of_the_bridge('nsq_to_kinesis-inspect'), 'counters',
             f'--name={self.bridge.name}', '--json'], capture_output=True,
            text=True, check=True).stdout.splitlines()
        return sum(one['value'] for one in map(json.loads, lines)
                   if one.get('name') == name)

    def expect_good(self):
        judge = Judge(everything_arrived=True)
        judge.take(read(sorted(self._folder.glob('history-*'))))
        verdict = judge.verdict()
        assert verdict.is_good, (dict(verdict.violations),
                                 dict(verdict.examples))
