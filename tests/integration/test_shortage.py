# SPDX-License-Identifier: Apache-2.0
"""Room, disk and descriptors run short, and no message does."""
import os
import time

from integration.stage import Stage
from rig.processes import wait_until

RINGS = 2 * 4 * 1024 * 1024  # bytes: two shards, each with the least there is


def full_queues_stop_the_flow_and_cost_no_more_memory(scene):
    """(M5) Kinesis refuses everything for a while; then all goes on."""
    stage = Stage(scene, 4000, 9000, 4000, faults=[
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
    stage = Stage(scene, 3000, 250, 3000,
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
        stage = Stage(scene, 3000, 250, 3000,
                      wrapper=['sh', '-c', f'exec "$@" 2>{path}', 'sh'])
        stage.finish()
        assert stage.bridge.stop() == 0
    finally:
        os.close(reader)
        os.close(writer)
    stage.expect_good()


def too_few_descriptors_are_told_in_one_sentence(scene):
    """(M7) and every child is tried again, not given up."""
    stage = Stage(scene, 100, 250, 1000,
                  wrapper=['sh', '-c', 'ulimit -n 150; exec "$@"', 'sh'])

    stage.bridge.program.wait_for_line(
        'child_not_begun reason="cannot move a descriptor: ')
    stage.bridge.program.wait_for_line('child_restarts child=survey')
    assert stage.bridge.program.exit_status is None


def just_enough_descriptors_are_enough(scene):
    """(M7)"""
    stage = Stage(scene, 1000, 250, 3000,
                  wrapper=['sh', '-c', 'ulimit -n 256; exec "$@"', 'sh'])
    stage.finish()
    assert stage.bridge.stop() == 0
    stage.expect_good()
