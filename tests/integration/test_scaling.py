# SPDX-License-Identifier: Apache-2.0
"""Other numbers of workers while messages flow: nothing lost, nothing twice."""
import os
import re
import signal
import subprocess

from checker.history import Writer, read
from checker.judgement import Judge
from rig import programs
from rig.bridge import Bridge
from rig.processes import wait_until
from rig.simulators import KinesisSimulator, NsqSimulator

TOPIC, CHANNEL, STREAM, RUN = 'scaling', 'bridge', 'scaling', 11
SHARDS = 8


class Flow:
    """Messages on their way through one bridge, and a history of it."""

    def __init__(self, scene, count, rate=4000, workers=1, shards=SHARDS,
                 options=()):
        self._scene, self._count = scene, count
        self._options = options
        self.history = scene.own(Writer(scene.folder / 'history-stage'))
        self.history.write('publisher', 'run', run=RUN,
                           partition_key='bytes:12:4')
        self.kinesis = scene.own(KinesisSimulator(scene.folder, [
            f'--stream={STREAM}:{shards}', '--delay-ms=15',
            f'--history={scene.folder / "history-kinesis"}']))
        self.nsq = scene.own(NsqSimulator(scene.folder, TOPIC, count, [
            '--body=binary', '--size=200', '--keys=200', f'--seed={RUN}',
            f'--rate={rate}',
            f'--history={scene.folder / "history-nsq"}'], stays=True))
        self.start(workers)
        self.wait_until_finished(count // 10)

    def start(self, workers, name=None):
        self.bridge = self._scene.own(Bridge(self._scene.folder, [
            f'--topic={TOPIC}', f'--channel={CHANNEL}', f'--stream={STREAM}',
            '--partition-key=bytes:12:4', f'--egress-workers={workers}',
            f'--nsqd-tcp-address={self.nsq.tcp_address}',
            f'--endpoint-url={self.kinesis.endpoint_url}', *self._options],
            name=name))

    def wait_until_finished(self, count):
        wait_until(lambda: self.nsq.statistics()['finished'] >= count,
                   f'{count} messages are finished', 30)

    def scale(self, workers):
        """(exit status, what it said)"""
        done = subprocess.run(
            [programs.of_the_bridge('nsq_to_kinesis'), 'scale', str(workers),
             f'--name={self.bridge.name}'], capture_output=True, text=True,
            check=False, timeout=60)
        return done.returncode, done.stdout + done.stderr

    def expect_scaled(self, workers):
        """Returns how many milliseconds it took."""
        status, said = self.scale(workers)
        assert status == 0, said
        found = re.fullmatch(
            rf'{workers} workers share {SHARDS} queues, (\d+) ms later\n', said)
        assert found, said
        running = [self.bridge.worker(index) is not None
                   for index in range(SHARDS)]
        assert running == [index < workers for index in range(SHARDS)], running
        return int(found.group(1))

    def judge(self):
        self.wait_until_finished(self._count)
        assert self.bridge.stop() == 0, self.bridge.program.last_lines()
        judge = Judge(everything_arrived=True)
        judge.take(read(sorted(self._scene.folder.glob('history-*'))))
        return judge.verdict()


def bridge_is_scaled_up_and_down_while_messages_flow(scene):
    flow = Flow(scene, 12_000)
    took = []

    for workers in (4, 2, 8, 1, 3):
        before = flow.nsq.statistics()['finished']
        took.append(flow.expect_scaled(workers))
        flow.wait_until_finished(before + 500)
    verdict = flow.judge()

    print(f'    five scalings took {took} ms')
    assert verdict.is_good, verdict.violations
    assert verdict.figures['duplicates'] == (0, 0), verdict.figures
    assert not flow.bridge.segments()


def worker_killed_while_scaling_costs_no_more_than_elsewhere(scene):
    flow = Flow(scene, 8000, workers=4)

    for workers in (2, 5):
        flow.history.write('fault', 'kill', who='egress[0]')
        os.kill(flow.bridge.worker(0), signal.SIGKILL)
        flow.expect_scaled(workers)
    verdict = flow.judge()

    assert verdict.is_good, verdict.violations


def scaled_bridge_keeps_its_workers_when_its_supervisor_is_replaced(scene):
    flow = Flow(scene, 8000)
    flow.expect_scaled(3)

    os.kill(flow.bridge.program.pid, signal.SIGKILL)
    flow.bridge.program.wait(5)
    flow.start(1, name=flow.bridge.name)
    wait_until(lambda: flow.scale(3)[0] == 0, 'the next supervisor answers')
    os.kill(flow.bridge.worker(2), signal.SIGKILL)
    flow.history.write('fault', 'kill', who='egress[2]')
    wait_until(lambda: flow.bridge.worker(2), 'the third worker is back')
    verdict = flow.judge()

    assert verdict.is_good, verdict.violations


def what_cannot_be_is_refused_in_one_sentence(scene):
    flow = Flow(scene, 1000)

    for words, status, sentence in (
            ([], 64, 'it is written nsq_to_kinesis scale WORKERS'),
            (['many'], 64, 'it is written nsq_to_kinesis scale WORKERS'),
            (['0'], 64, 'there can be 1 to 64 workers'),
            (['9', f'--name={flow.bridge.name}'], 75,
             '9 workers cannot share 8 queues'),
            (['2', '--name=nobody'], 75, 'bridge "nobody" does not run here')):
        done = subprocess.run(
            [programs.of_the_bridge('nsq_to_kinesis'), 'scale', *words],
            capture_output=True, text=True, check=False, timeout=30)
        assert done.returncode == status, done
        assert sentence in done.stderr and done.stderr.count('\n') == 1, done
    assert flow.judge().is_good
