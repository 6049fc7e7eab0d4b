# SPDX-License-Identifier: Apache-2.0
"""Killed processes lose nothing; asked to stop, the bridge leaves no rest."""
import os
import time

from integration.scene import CHANNEL
from rig.processes import wait_until

KEY = '--partition-key=json:user_id'
BATCH = 500


def _publish_while(scene, nsqd, actions, count=20000):
    """Publish in batches; actions: batch number -> what to do after it."""
    published = []
    for number, first in enumerate(range(0, count, BATCH)):
        published += scene.publish(nsqd, BATCH, first=first)
        if number in actions:
            actions[number]()
    return published


def killed_egress_worker_loses_nothing_and_keeps_order(scene):
    nsqd, stream = scene.start_nsqd(), scene.make_stream()
    bridge = scene.start_bridge([nsqd], stream, KEY, worker_count=2)

    published = _publish_while(scene, nsqd, {
        10: lambda: bridge.kill_worker(0), 20: lambda: bridge.kill_worker(1)})
    scene.wait_until_finished(nsqd)

    scene.expect_all(stream, published, duplicates_allowed=True)


def killed_egress_worker_is_back_within_half_a_second(scene):
    nsqd, stream = scene.start_nsqd(), scene.make_stream()
    bridge = scene.start_bridge([nsqd], stream, KEY)

    begin = time.monotonic()
    bridge.kill_worker(0)
    wait_until(lambda: bridge.readiness_count('egress[0]') == 2,
               'another worker 0 is ready')

    assert time.monotonic() - begin < 0.5


def killed_ingest_loses_nothing(scene):
    # In flight at the killed ingest is in flight at nsqd until msg_timeout.
    nsqd = scene.start_nsqd(more=['--msg-timeout=2s'])
    stream = scene.make_stream()
    bridge = scene.start_bridge([nsqd], stream, KEY)

    published = _publish_while(scene, nsqd, {15: bridge.kill_ingest})
    scene.wait_until_finished(nsqd)

    # A redelivered message may come behind later ones of its key.
    scene.expect_all(stream, [(None, body) for _, body in published],
                     duplicates_allowed=True)


def worker_killed_again_and_again_still_delivers_everything(scene):
    nsqd, stream = scene.start_nsqd(), scene.make_stream()
    bridge = scene.start_bridge([nsqd], stream, KEY)

    def kill():
        wait_until(lambda: bridge.worker(0), 'worker 0')
        bridge.kill_worker(0)
    published = _publish_while(scene, nsqd,
                               {number: kill for number in (5, 10, 15)})
    scene.wait_until_finished(nsqd)

    scene.expect_all(stream, published, duplicates_allowed=True)


def asked_to_stop_it_finishes_what_it_took_and_exits_0(scene):
    nsqd, stream = scene.start_nsqd(), scene.make_stream()
    bridge = scene.start_bridge([nsqd], stream, KEY)
    published = scene.publish(nsqd, 20000)

    status = bridge.stop()
    left = nsqd.channel(scene.topic, CHANNEL)
    verdict_records = stream.read().user_records

    assert status == 0, status
    assert left['in_flight_count'] == 0, left
    assert left['depth'] + len(verdict_records) == len(published), left
    assert len({record.body for record in verdict_records}) == \
        len(verdict_records)


def stopped_and_started_again_it_goes_on_where_it_was(scene):
    nsqd, stream = scene.start_nsqd(), scene.make_stream()
    first = scene.start_bridge([nsqd], stream, KEY)
    published = scene.publish(nsqd, 10000)
    assert first.stop() == 0

    scene.start_bridge([nsqd], stream, KEY)
    published += scene.publish(nsqd, 10000, first=10000)
    scene.wait_until_finished(nsqd)

    scene.expect_all(stream, published)


def idle_bridge_stops_at_once_and_leaves_no_process(scene):
    nsqd, stream = scene.start_nsqd(), scene.make_stream()
    bridge = scene.start_bridge([nsqd], stream, worker_count=2)
    pids = [bridge.ingest(), bridge.worker(0), bridge.worker(1)]

    begin = time.monotonic()
    status = bridge.stop()

    assert status == 0, status
    assert time.monotonic() - begin < 3
    assert not [pid for pid in pids if os.path.exists(f'/proc/{pid}')]


def stopped_bridge_leaves_no_shared_memory(scene):
    nsqd, stream = scene.start_nsqd(), scene.make_stream()
    bridge = scene.start_bridge([nsqd], stream)
    assert bridge.segments()

    assert bridge.stop() == 0

    assert not bridge.segments(), bridge.segments()
