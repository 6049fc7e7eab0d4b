# SPDX-License-Identifier: Apache-2.0
"""After a reshard the bridge exchanges its queues for those of the new shards.

It does so by itself, when the shards have been the same for --settle-time, while
messages go on coming: nothing is lost, late in its order, or twice for a KCL.
"""
import json
import os
import signal
import subprocess

from integration.test_scaling import STREAM, Flow
from rig import programs
from rig.kinesis import Kinesis
from rig.processes import wait_until

SETTLE = '--settle-time=300ms'
MSG_TIMEOUT = '--consumer-opt=msg_timeout,2s'
SHARDS = 4


class Switching(Flow):
    def __init__(self, scene, count, *options, **how):
        super().__init__(scene, count, rate=2000, shards=SHARDS,
                         options=(SETTLE, *options), **how)
        self._stream = Kinesis(self.kinesis.endpoint_url)

    def reshard(self, count):
        self._stream.call('UpdateShardCount', StreamName=STREAM,
                          TargetShardCount=count,
                          ScalingType='UNIFORM_SCALING')

    def queue_count(self):
        """As the inspector shows it; 0 while it finds none."""
        text = subprocess.run(
            [programs.of_the_bridge('nsq_to_kinesis-inspect'), 'list',
             f'--name={self.bridge.name}', '--json'],
            capture_output=True, text=True, check=False).stdout
        return sum('queue' in json.loads(line) for line in text.splitlines())

    def wait_for_queues(self, count, seconds=20):
        wait_until(lambda: self.queue_count() == count and
                   self.bridge.ingest(), f'there are {count} queues', seconds)

    def wait_for_line(self, pattern, seconds=15):
        return self.bridge.program.wait_for_line(pattern, seconds)

    def said(self, word):
        return self.bridge.program.log().count(f' {word} ')

    def kill(self, who, pid):
        assert self.said('queues_switched') == 0, 'too late'
        self.history.write('fault', 'kill', who=who)
        os.kill(pid, signal.SIGKILL)

    def expect_more(self, count=500):
        """So many, or all that are left."""
        self.wait_until_finished(min(
            self.nsq.statistics()['finished'] + count, self._count))

    def expect_good(self):
        verdict = self.judge()
        assert verdict.is_good, verdict.violations
        assert not self.bridge.segments()
        return verdict


def queues_follow_the_shards_when_they_are_split_and_merged(scene):
    """(K10) UpdateShardCount up and down, two workers, messages flow."""
    flow = Switching(scene, 12_000, workers=2)
    took = []

    for switch, count in enumerate((8, 4, 3)):
        flow.reshard(count)
        flow.wait_for_queues(count)
        wait_until(lambda: flow.said('queues_switched') == switch + 1,
                   'the bridge says so')
        flow.expect_more()
    for line in flow.bridge.program.log().splitlines():
        if ' queues_switched ' in line:
            took.append(int(line.rpartition('took_ms=')[2]))
    verdict = flow.expect_good()

    print(f'    three exchanges took {took} ms')
    assert verdict.figures['duplicates'][1] == 0, verdict.figures
    assert flow.said('queues_not_switched') == 0


def reshard_that_is_taken_back_costs_nothing(scene):
    """The ranges decide, not the names of the shards."""
    flow = Switching(scene, 5000, '--settle-time=2s')

    flow.reshard(8)
    flow.wait_for_line(r'shards_changed shards=8')
    flow.reshard(4)
    flow.wait_for_line(r'shards_changed shards=4')
    flow.expect_good()

    assert flow.said('queues_switch') == 0


def queues_that_cannot_be_emptied_are_kept_and_exchanged_later(scene):
    """Kinesis is away just then: one line, and the next try succeeds."""
    flow = Switching(scene, 9000, MSG_TIMEOUT, '--drain-timeout=1s')

    flow.reshard(8)
    flow.wait_for_line(r'shards_changed shards=8')
    flow.kinesis.misbehave(on='PutRecords', action='http_503')
    flow.wait_for_line(r'queues_not_switched queues=4 ')
    flow.kinesis.behave()
    flow.expect_more()
    flow.wait_for_queues(8)
    flow.expect_more()

    flow.expect_good()


def nsqd_that_does_not_answer_the_farewell_is_subscribed_to_again(scene):
    """CLS was said when the exchange is given up: the connection is renewed."""
    flow = Switching(scene, 9000, '--drain-timeout=1s')

    flow.reshard(8)
    flow.wait_for_line(r'shards_changed shards=8')
    flow.nsq.program.send(signal.SIGSTOP)
    flow.wait_for_line(r' ingest draining ')
    flow.wait_for_line(r' ingest resumed ')
    flow.nsq.program.send(signal.SIGCONT)
    wait_until(lambda: flow.bridge.counter('connections_renewed') == 1,
               'the connection is renewed')
    flow.expect_more()
    flow.wait_for_queues(8)

    verdict = flow.expect_good()
    assert verdict.figures['duplicates'][1] == 0, verdict.figures


def stream_that_cannot_be_looked_at_keeps_its_queues(scene):
    """DescribeStreamSummary is not allowed any more, PutRecords is."""
    flow = Switching(scene, 12_000)

    flow.kinesis.misbehave(on='DescribeStreamSummary', action='access_denied')
    flow.reshard(8)
    flow.wait_for_line(r' queues_kept .*DescribeStreamSummary')
    flow.expect_more()
    assert flow.queue_count() == SHARDS
    flow.kinesis.behave()
    flow.wait_for_queues(8)
    flow.expect_more()

    flow.expect_good()


def _begin_slowly(scene, delay_ms=300):
    """The queues are being emptied, and that takes a while."""
    flow = Switching(scene, 9000, MSG_TIMEOUT, workers=2)
    flow.kinesis.misbehave(on='PutRecords', action='delay', delay_ms=delay_ms)
    flow.reshard(8)
    flow.wait_for_line(r' queues_switch ')
    return flow


def _end(flow):
    flow.kinesis.behave()
    flow.wait_for_queues(8)
    flow.expect_more()
    flow.expect_good()


def worker_killed_while_the_queues_are_emptied_is_replaced(scene):
    """(P7)"""
    flow = _begin_slowly(scene)
    flow.kill('egress[0]', flow.bridge.worker(0))
    _end(flow)


def ingest_killed_while_the_queues_are_emptied_is_replaced(scene):
    """(P3) the exchange is given up and made later."""
    flow = _begin_slowly(scene)
    flow.kill('ingest', flow.bridge.ingest())
    flow.wait_for_line(r'queues_not_switched')
    _end(flow)


def supervisor_killed_while_the_queues_are_emptied_is_replaced(scene):
    """(P10) ingest goes on alone, and the next supervisor hears of the shards."""
    flow = _begin_slowly(scene)
    flow.kill('supervisor', flow.bridge.program.pid)
    flow.bridge.program.wait(5)
    flow.start(2, name=flow.bridge.name)
    _end(flow)


def supervisor_killed_while_the_survey_looks_is_replaced(scene):
    """(P10) nobody else is alive then; the next one begins with the survey."""
    flow = Switching(scene, 9000, MSG_TIMEOUT)
    flow.kinesis.misbehave(on='DescribeStreamSummary', action='hold_before')
    flow.reshard(8)
    wait_until(lambda: flow.bridge.program.log().count(
        'child_started child=survey') == 2, 'the survey looks again')
    flow.kill('supervisor', flow.bridge.program.pid)
    flow.bridge.program.wait(5)
    flow.start(1, name=flow.bridge.name)
    _end(flow)


def settle_time_of_zero_keeps_the_queues(scene):
    flow = Switching(scene, 4000, '--settle-time=0')

    flow.reshard(8)
    flow.wait_for_line(r'shards_changed shards=8')
    flow.expect_more(1000)
    assert flow.queue_count() == SHARDS
    flow.expect_good()
