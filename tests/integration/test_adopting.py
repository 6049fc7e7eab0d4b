# SPDX-License-Identifier: Apache-2.0
"""The supervisor dies, its children go on, and the next one adopts them."""
import os
import signal
import time

from integration.flow import Flow
from integration.scene import CHANNEL
from rig.bridge import Bridge
from rig.processes import is_alive, wait_until

KEY = '--partition-key=json:user_id'
WORKERS = 2


def _kill_supervisor(bridge):
    """SIGKILL it alone; returns the pids of its children."""
    pids = [bridge.ingest(), *map(bridge.worker, range(WORKERS))]
    os.kill(bridge.program.pid, signal.SIGKILL)
    bridge.program.wait(5)
    return pids


def _start_again(scene, bridge):
    # The first words are the program's path and the name.
    return scene.own(Bridge(scene.folder, bridge.program.arguments[2:],
                            name=bridge.name))


def _start(scene, *more):
    # kinesis-local is the slowest of all; what matters here is time.
    stream = scene.make_stream(scene.start_simulator())
    nsqd = scene.start_nsqd(more=['--msg-timeout=3s'])
    bridge = scene.start_bridge([nsqd], stream, KEY, *more,
                                worker_count=WORKERS)
    return nsqd, stream, bridge


def _wait_until_adopted(bridge, count=WORKERS + 1):
    wait_until(lambda: bridge.program.log().count('child_adopted') == count,
               'the children are adopted')


def killed_supervisor_is_replaced_and_its_children_are_adopted(scene):
    """(P10): no gap, no second writer, nothing twice."""
    nsqd, stream, bridge = _start(scene)
    flow = Flow(scene, nsqd)
    flow.wait_for_more(2000)

    before = _kill_supervisor(bridge)
    flow.wait_for_more(2000)
    left = len(flow.published)
    wait_until(lambda: len(stream.read().user_records) >= left,
               'messages go on without a supervisor')
    successor = _start_again(scene, bridge)
    _wait_until_adopted(successor)
    assert before == [successor.ingest(), successor.worker(0),
                      successor.worker(1)]
    flow.wait_for_more(2000)

    published = flow.end()
    scene.wait_until_finished(nsqd)
    assert successor.stop() == 0, successor.program.last_lines()
    wait_until(lambda: not any(map(is_alive, before)), 'all have ended')
    assert not successor.segments(), successor.segments()
    scene.expect_all(stream, published)


def adopted_worker_that_is_killed_is_started_again(scene):
    """(P10): the new supervisor watches what it did not start."""
    nsqd, stream, bridge = _start(scene)
    flow = Flow(scene, nsqd)
    flow.wait_for_more(1000)
    _kill_supervisor(bridge)
    successor = _start_again(scene, bridge)
    _wait_until_adopted(successor)

    begin = time.monotonic()
    successor.kill_worker(1)
    wait_until(lambda: successor.readiness_count('egress[1]') == 1,
               'another worker 1 is ready')
    took = time.monotonic() - begin
    flow.wait_for_more(1000)

    published = flow.end()
    scene.wait_until_finished(nsqd)
    assert took < 0.5, took
    assert successor.stop() == 0, successor.program.last_lines()
    scene.expect_all(stream, published, duplicates_allowed=True)


def supervisor_and_worker_killed_together_are_both_replaced(scene):
    """(P10)"""
    nsqd, stream, bridge = _start(scene)
    flow = Flow(scene, nsqd)
    flow.wait_for_more(1000)

    worker = bridge.worker(0)
    os.kill(bridge.program.pid, signal.SIGKILL)
    os.kill(worker, signal.SIGKILL)
    bridge.program.wait(5)
    successor = _start_again(scene, bridge)
    _wait_until_adopted(successor, WORKERS)
    wait_until(lambda: successor.readiness_count('egress[0]') == 1,
               'another worker 0 is ready')
    flow.wait_for_more(1000)

    published = flow.end()
    scene.wait_until_finished(nsqd)
    assert successor.stop() == 0, successor.program.last_lines()
    scene.expect_all(stream, published, duplicates_allowed=True)


def orphans_with_other_options_are_not_adopted(scene):
    """One sentence, and those who work are left alone."""
    nsqd, stream, bridge = _start(scene)
    before = _kill_supervisor(bridge)

    other = scene.own(Bridge(scene.folder,
                             [*bridge.program.arguments[2:], '--linger=25ms'],
                             name=bridge.name))
    assert other.program.wait(10) == 75, other.program.log()
    assert 'works on with other options' in other.program.log()
    assert all(map(is_alive, before))

    successor = _start_again(scene, bridge)
    _wait_until_adopted(successor)
    published = scene.publish(nsqd, 1000)
    nsqd.wait_until_finished(scene.topic, CHANNEL)
    assert successor.stop() == 0, successor.program.last_lines()
    scene.expect_all(stream, published)
