# SPDX-License-Identifier: Apache-2.0
"""Room, disk and descriptors run short, and no message does."""
import json
import os
import subprocess
import time

from checker.history import read
from checker.judgement import Judge
from rig import programs
from rig.bridge import Bridge
from rig.processes import wait_until
from rig.simulators import KinesisSimulator, NsqSimulator

TOPIC, STREAM, RUN = 'shortage', 'shortage', 10
RINGS = 2 * 4 * 1024 * 1024  # bytes: two shards, each with the least there is


class _Stage:
    """A bridge between two simulators that write down what they see."""

    def __init__(self, scene, count, size, rate, wrapper=(), faults=()):
        self._folder = scene.folder
        self._count = count
        self.kinesis = scene.own(KinesisSimulator(scene.folder, [
            f'--stream={STREAM}:2', '--delay-ms=5',
            f'--history={scene.folder / "history-kinesis"}']))
        for fault in faults:
            self.kinesis.misbehave(**fault)
        self.nsq = scene.own(NsqSimulator(scene.folder, TOPIC, count, [
            '--body=binary', f'--size={size}', '--keys=50', f'--seed={RUN}',
            f'--rate={rate}', f'--history={scene.folder / "history-nsq"}'],
            stays=True))
        self.bridge = scene.own(Bridge(scene.folder, [
            f'--topic={TOPIC}', f'--stream={STREAM}',
            '--partition-key=bytes:12:4',
            f'--nsqd-tcp-address={self.nsq.tcp_address}',
            f'--endpoint-url={self.kinesis.endpoint_url}'], wrapper=wrapper))

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


def full_queues_stop_the_flow_and_cost_no_more_memory(scene):
    """(M5) Kinesis refuses everything for a while; then all goes on."""
    stage = _Stage(scene, 4000, 9000, 4000, faults=[
        {'on': 'PutRecords', 'action': 'http_503', 'count': 10**6}])
    # At this rate the queues are full a moment later.
    wait_until(lambda: stage.nsq.statistics()['sent'] > 400, 'messages flow')
    wait_until(lambda: stage.may_come() == 0, 'RDY lets nothing come', 1.5)

    sent = stage.nsq.statistics()['sent']
    heap, cpu = stage.bridge.heap_bytes(), stage.bridge.cpu_seconds()
    begin = time.monotonic()
    wait_until(lambda: time.monotonic() - begin > 3, 'time has passed')
    cpu = stage.bridge.cpu_seconds() - cpu

    assert stage.nsq.statistics()['sent'] == sent < 4000
    assert sent * 9000 < 2 * RINGS, sent
    assert stage.bridge.heap_bytes() - heap < 1 << 20
    assert cpu < 0.05 * 3, cpu
    stage.kinesis.behave()
    stage.finish()
    assert stage.bridge.stop() == 0
    assert stage.nsq.statistics()['timed_out'] == 0, stage.nsq.statistics()
    stage.expect_good()


def full_disk_under_the_log_costs_lines_and_no_message(scene):
    """(M6)"""
    stage = _Stage(scene, 3000, 250, 3000,
                   wrapper=['sh', '-c', 'exec "$@" 2>/dev/full', 'sh'])
    stage.finish()

    wait_until(lambda: stage.counter('log_lines_dropped') > 0,
               'dropped lines are counted')
    assert stage.bridge.stop() == 0
    assert stage.bridge.program.log() == ''
    stage.expect_good()


def log_that_nobody_reads_holds_up_no_message(scene):
    """(M6) a pipe that is full from the start."""
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    try:
        while True:
            os.write(writer, bytes(4096))
    except BlockingIOError:
        pass
    os.set_blocking(writer, True)
    path = f'/proc/{os.getpid()}/fd/{writer}'
    try:
        stage = _Stage(scene, 3000, 250, 3000,
                       wrapper=['sh', '-c', f'exec "$@" 2>{path}', 'sh'])
        stage.finish()
        assert stage.bridge.stop() == 0
    finally:
        os.close(reader)
        os.close(writer)
    stage.expect_good()


def too_few_descriptors_are_told_in_one_sentence(scene):
    """(M7) and every child is tried again, not given up."""
    stage = _Stage(scene, 100, 250, 1000,
                   wrapper=['sh', '-c', 'ulimit -n 150; exec "$@"', 'sh'])

    stage.bridge.program.wait_for_line(
        'child_not_begun reason="cannot move a descriptor: ')
    stage.bridge.program.wait_for_line('child_restarts child=survey')
    assert stage.bridge.program.exit_status is None


def just_enough_descriptors_are_enough(scene):
    """(M7)"""
    stage = _Stage(scene, 1000, 250, 3000,
                   wrapper=['sh', '-c', 'ulimit -n 256; exec "$@"', 'sh'])
    stage.finish()
    assert stage.bridge.stop() == 0
    stage.expect_good()
