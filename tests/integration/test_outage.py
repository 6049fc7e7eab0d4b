# SPDX-License-Identifier: Apache-2.0
"""Kinesis is gone for several msg_timeouts, and nothing comes of it."""
import time

from integration.marks import only_long
from integration.stage import Stage
from rig.processes import wait_until

MSG_TIMEOUT = 2  # seconds
MOST_MEMORY = 64 << 20  # of all processes, the queues included
MOST_GROWTH = 1 << 20
MOST_CPU = 0.05  # of one core


def _wait(seconds):
    end = time.monotonic() + seconds
    wait_until(lambda: time.monotonic() > end, 'time has passed', seconds + 5)


def _lose_kinesis(scene, seconds, **fault):
    """While messages flow; judged when it is back and all has arrived."""
    stage = Stage(scene, 4000, 9000, 4000,
                  nsq_options=[f'--msg-timeout={1000 * MSG_TIMEOUT}'],
                  options=['--request-timeout=1s'])
    wait_until(lambda: stage.nsq.statistics()['finished'] > 400,
               'messages flow')
    stage.kinesis.misbehave(on='PutRecords', count=10**6, **fault)
    # The queues are full a moment later, at this rate.
    wait_until(lambda: stage.nsq.statistics()['sent'] > 1000 and
               stage.may_come() == 0, 'RDY lets nothing come', 3)
    sent = stage.nsq.statistics()['sent']
    _wait(MSG_TIMEOUT)  # buffers of the first failures, once
    memory, cpu = stage.bridge.memory_bytes(), stage.bridge.cpu_seconds()
    _wait(seconds)
    growth = stage.bridge.memory_bytes() - memory
    cpu = stage.bridge.cpu_seconds() - cpu

    assert stage.nsq.statistics()['sent'] == sent < 4000
    assert stage.nsq.statistics()['timed_out'] == 0, stage.nsq.statistics()
    assert memory <= MOST_MEMORY, memory
    assert growth < MOST_GROWTH, growth
    assert cpu < MOST_CPU * seconds, cpu

    stage.kinesis.behave()
    stage.finish()
    assert stage.bridge.stop() == 0
    # Each message was delivered once: TOUCH kept it.
    assert stage.nsq.statistics()['timed_out'] == 0, stage.nsq.statistics()
    stage.expect_good()


def kinesis_that_does_not_answer_costs_time_alone(scene):
    _lose_kinesis(scene, 3 * MSG_TIMEOUT, action='hold_before')


def kinesis_that_resets_every_connection_costs_time_alone(scene):
    _lose_kinesis(scene, 3 * MSG_TIMEOUT, action='reset_before')


@only_long
def kinesis_that_is_gone_for_minutes_costs_time_alone(scene):
    _lose_kinesis(scene, 300, action='hold_before')
