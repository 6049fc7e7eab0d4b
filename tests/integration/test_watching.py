# SPDX-License-Identifier: Apache-2.0
"""Children that hang are found out; those that die are back in no time."""
import os
import signal
import time

from integration.flow import Flow
from rig.bridge import Bridge
from rig.processes import is_alive, wait_until

KEY = '--partition-key=json:user_id'
ROUNDS = 12


def _start(scene, *more, worker_count=2):
    stream = scene.make_stream(scene.start_simulator())
    nsqd = scene.start_nsqd(more=['--msg-timeout=3s'])
    return nsqd, stream, scene.start_bridge([nsqd], stream, KEY, *more,
                                            worker_count=worker_count)


def worker_that_stood_still_for_a_moment_goes_on(scene):
    """(M9): stopped for less than --hung-timeout; the same one goes on."""
    nsqd, stream, bridge = _start(scene)
    flow = Flow(scene, nsqd)
    worker = bridge.worker(0)

    os.kill(worker, signal.SIGSTOP)
    flow.wait_for_more(2000)
    os.kill(worker, signal.SIGCONT)

    published = flow.end()
    scene.wait_until_finished(nsqd)
    assert bridge.worker(0) == worker
    assert bridge.stop() == 0, bridge.program.last_lines()
    # A reply that waited longer than --request-timeout is not in this.
    scene.expect_all(stream, published)


def _hang(scene, find, child):
    nsqd, stream, bridge = _start(scene, '--hung-timeout=2s')
    flow = Flow(scene, nsqd)
    flow.wait_for_more(1000)
    hung = find(bridge)

    os.kill(hung, signal.SIGSTOP)
    wait_until(lambda: bridge.readiness_count(child) == 2,
               f'another {child} is ready', 15)
    was_alive = is_alive(hung)
    try:
        os.kill(hung, signal.SIGCONT)
    except ProcessLookupError:
        pass
    flow.wait_for_more(1000)

    published = flow.end()
    scene.wait_until_finished(nsqd)
    assert not was_alive  # never two writers
    assert f'child_hung child={child} ' in bridge.program.log()
    assert bridge.stop() == 0, bridge.program.last_lines()
    return stream, published


def worker_that_hangs_is_ended_before_another_takes_its_queues(scene):
    """(P11, M9)"""
    stream, published = _hang(scene, lambda bridge: bridge.worker(1),
                              'egress[1]')

    scene.expect_all(stream, published, duplicates_allowed=True)


def ingest_that_hangs_is_ended_before_another_takes_its_queues(scene):
    """(P11, M9)"""
    stream, published = _hang(scene, lambda bridge: bridge.ingest(), 'ingest')

    # A redelivered message may come behind later ones of its key.
    scene.expect_all(stream, [(None, body) for _, body in published])


def signal_to_the_whole_process_group_stops_the_bridge_calmly(scene):
    """(P14): as systemd sends it."""
    nsqd, stream, bridge = _start(scene)
    published = scene.publish(nsqd, 5000)
    scene.wait_until_finished(nsqd)

    os.killpg(bridge.program.pid, signal.SIGTERM)

    assert bridge.program.wait(30) == 0, bridge.program.last_lines()
    assert 'child_restarts' not in bridge.program.log()
    scene.expect_all(stream, published)


def _stored(simulator):
    return sum(shard['user_records']
               for shards in simulator.statistics()['streams'].values()
               for shard in shards)


def _tell(what, times):
    times = sorted(times)
    at = {percent: times[min(len(times) - 1, len(times) * percent // 100)]
          for percent in (50, 90, 99)}
    print(f'    {what}, {len(times)} kills: ' + ', '.join(
        f'p{percent} {1000 * value:.0f} ms' for percent, value in at.items()))
    return at[99]


def recovery_from_each_kill_takes_less_than_half_a_second(scene):
    """(P9, P10): from the kill to the next message that is stored.

    Each round has a supervisor of its own, because one that has just started
    a child again lets it wait when it dies again at once."""
    simulator = scene.start_simulator(more=['--count-user-records'])
    stream = scene.make_stream(simulator)
    nsqd = scene.start_nsqd(more=['--msg-timeout=1s'])
    bridge = scene.start_bridge([nsqd], stream, KEY)
    options = bridge.program.arguments[2:]
    took = {'supervisor': [], 'egress': [], 'ingest': []}
    count = 0

    def measure(what):
        """Until a message is stored that was published after the kill."""
        nonlocal count
        begin, before = time.monotonic(), count
        while _stored(simulator) == before:
            # nsqd may still give the first to the connection of the dead.
            scene.publish(nsqd, 1, first=count)
            count += 1
            time.sleep(0.002)
            assert time.monotonic() < begin + 20, f'no recovery: {what}'
        took[what].append(time.monotonic() - begin)
        scene.wait_until_finished(nsqd)
        wait_until(lambda: _stored(simulator) >= count, 'all are stored')

    for _ in range(ROUNDS):
        os.kill(bridge.program.pid, signal.SIGKILL)
        measure('supervisor')
        bridge.program.wait(5)
        bridge = scene.own(Bridge(scene.folder, options, name=bridge.name))
        wait_until(lambda: bridge.program.log().count('child_adopted') == 2,
                   'both are adopted')
        bridge.kill_worker(0)
        measure('egress')
        bridge.kill_ingest()
        measure('ingest')

    slowest = {what: _tell(what, times) for what, times in took.items()}
    assert bridge.stop() == 0, bridge.program.last_lines()
    # Generous, for a busy machine; what is printed is what it takes.
    assert slowest['supervisor'] < 0.25, took
    assert slowest['egress'] < 1 and slowest['ingest'] < 1, took
