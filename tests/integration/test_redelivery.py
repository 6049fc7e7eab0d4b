# SPDX-License-Identifier: Apache-2.0
"""What nsqd delivers again is not sent to Kinesis again.

Redelivery ends the order that nsqd keeps, so it is not asked for here.
"""
import json

from integration.marks import CannotRunHere
from integration.scene import CHANNEL
from rig import programs
from rig.bridge import Bridge
from rig.processes import wait_until
from rig.simulators import KinesisSimulator, NsqSimulator

# The least that nsqd allows is one second; it looks every five.
SOON = '--consumer-opt=msg_timeout,2s'
COUNT = 20000
SLOW = ['--delay-ms=50']


def _publish(scene, nsqd, count, first=0):
    return [(None, body) for _, body in
            scene.publish(nsqd, count, first=first)]


def _wait_for_new_ingest(scene, killed):
    wait_until(lambda: scene.bridge.ingest() not in (None, killed),
               'ingest runs again', 20)


def ingest_killed_while_messages_flow_loses_and_repeats_nothing(scene):
    nsqd = scene.start_nsqd()
    stream = scene.make_stream(scene.start_simulator(more=SLOW))
    scene.start_bridge([nsqd], stream, SOON)
    published = []

    for start in range(0, COUNT, COUNT // 4):
        published += _publish(scene, nsqd, COUNT // 4, start)
        _wait_for_new_ingest(scene, scene.bridge.kill_ingest())
        nsqd.wait_for_consumer(scene.topic, CHANNEL)
    scene.wait_until_finished(nsqd)

    verdict = scene.expect_all(stream, published)
    assert verdict.in_stream == COUNT, verdict


def ingest_killed_with_full_queues_loses_and_repeats_nothing(scene):
    nsqd = scene.start_nsqd()
    simulator = scene.start_simulator()
    stream = scene.make_stream(simulator)
    simulator.misbehave(on='PutRecords', action='throttle_request', count=20)
    scene.start_bridge([nsqd], stream, SOON, '--queue-size=64KiB')
    published = _publish(scene, nsqd, COUNT)

    for _ in range(2):
        wait_until(lambda: nsqd.channel(scene.topic, CHANNEL)[
            'in_flight_count'] > 0, 'messages are in flight')
        _wait_for_new_ingest(scene, scene.bridge.kill_ingest())
    scene.wait_until_finished(nsqd)

    scene.expect_all(stream, published)


def all_processes_killed_together_lose_nothing(scene):
    nsqd = scene.start_nsqd()
    stream = scene.make_stream(scene.start_simulator(more=SLOW))
    scene.start_bridge([nsqd], stream, SOON)
    published = _publish(scene, nsqd, COUNT // 2)

    killed = scene.bridge.kill_ingest()
    scene.bridge.kill_worker(0)
    published += _publish(scene, nsqd, COUNT // 2, COUNT // 2)
    _wait_for_new_ingest(scene, killed)
    scene.wait_until_finished(nsqd)

    # What the worker had on its way may be repeated, what ingest had may not.
    scene.expect_all(stream, published, duplicates_allowed=True)


def _run_simulated_nsqd(scene, faults, more=()):
    """Returns (summary, log of the bridge); the stream must be exact."""
    script = scene.folder / 'faults'
    script.write_text('\n'.join(json.dumps(fault) for fault in faults))
    stream = scene.make_stream(scene.start_simulator(more=['--delay-ms=20']))
    nsq = scene.own(NsqSimulator(scene.folder, scene.topic, COUNT,
                                 [f'--script={script}', *more]))
    scene.run_bridge(
        f'--topic={scene.topic}', f'--nsqd-tcp-address={nsq.tcp_address}',
        f'--stream={stream.name}', f'--endpoint-url={stream.endpoint_url}',
        SOON)

    status, summary = nsq.wait_for_summary()

    assert status == 0, summary
    records = stream.read().user_records
    assert len({record.body for record in records}) == COUNT, len(records)
    assert len(records) == COUNT, len(records)
    return summary, scene.bridge.program.log()


def window_of_another_size_remembers_what_the_old_one_knew(scene):
    """(P3) And a death between the copy and its name forgets nothing."""
    build = programs.hooks_folder()
    if not build:
        raise CannotRunHere('there is no build with the option test_hooks')
    nsqd = scene.start_nsqd()
    stream = scene.make_stream(scene.start_simulator())
    options = [f'--topic={scene.topic}', f'--channel={CHANNEL}', SOON,
               f'--nsqd-tcp-address={nsqd.tcp_address}',
               f'--stream={stream.name}',
               f'--endpoint-url={stream.endpoint_url}']
    name = None
    # All is stored and noted, no FIN is sent; then the log is copied twice.
    for point, window in (('noted:100', 4096), ('log_copied:1', 65536)):
        token = scene.folder / f'token-{window}'
        token.touch()
        scene.bridge = scene.own(Bridge(
            scene.folder, [*options, f'--redelivery-window={window}'],
            {'N2K_CRASH': f'{point}:{token}'}, name=name, build=build))
        if not name:
            nsqd.wait_for_consumer(scene.topic, CHANNEL)
            published = _publish(scene, nsqd, 100)
            name = scene.bridge.name
        wait_until(lambda: not token.exists(), f'ingest dies at {point}')
        if window == 4096:
            scene.bridge.program.kill()
    scene.wait_until_finished(nsqd)

    verdict = scene.expect_all(stream, published)
    assert verdict.in_stream == 100, verdict
    assert scene.bridge.counter('redeliveries_finished') > 0


def window_that_is_too_small_for_the_rate_is_told_once(scene):
    stream = scene.make_stream(scene.start_simulator())
    nsqd = scene.start_nsqd()
    scene.start_bridge([nsqd], stream, SOON, '--redelivery-window=1024')

    scene.bridge.program.wait_for_line('nsqd_subscribed')
    first = 0
    while scene.bridge.counter('redelivery_window_wanted') <= 1024:
        _publish(scene, nsqd, 1000, first)
        first += 1000
    _publish(scene, nsqd, 1000, first)
    scene.wait_until_finished(nsqd)

    assert scene.bridge.program.log().count('redelivery_window_small') == 1


def connection_that_is_cut_repeats_nothing(scene):
    """(N4)"""
    summary, _ = _run_simulated_nsqd(scene, [
        {'after': after, 'action': 'disconnect'}
        for after in (3000, 6000, 9000)])

    assert summary['redelivered'] > 0, summary


def connection_that_is_reset_repeats_nothing(scene):
    """(N4)"""
    summary, _ = _run_simulated_nsqd(scene, [
        {'after': after, 'action': 'disconnect', 'reset': True}
        for after in (3000, 6000, 9000)])

    assert summary['redelivered'] > 0, summary


def messages_that_time_out_in_nsqd_are_not_repeated(scene):
    """(N9)"""
    summary, _ = _run_simulated_nsqd(scene, [
        {'after': after, 'action': 'time_out'} for after in (3000, 9000)])

    assert summary['redelivered'] > 0, summary


def twins_are_sent_once(scene):
    """(N2)"""
    _run_simulated_nsqd(scene, [
        {'after': 2000, 'action': 'twin', 'count': 100},
        {'after': 4000, 'action': 'twin', 'count': 100, 'distance': 30}])


def twins_that_take_every_credit_do_not_stall_the_flow(scene):
    """(N2)"""
    _, log = _run_simulated_nsqd(
        scene, [{'after': after, 'action': 'twin', 'count': 400}
                for after in (2000, 6000, 10000)],
        ['--max-rdy-count=500'])

    # The last connection is lost, when the simulator ends.
    assert 'nsqd_renews' in log and log.count('nsqd_lost') <= 1, log


def credits_that_leak_from_a_low_ready_do_not_stall_the_flow(scene):
    """(N2) RDY of each nsqd is 4, and a twin takes one of them."""
    stream = scene.make_stream(scene.start_simulator())
    nsq = scene.own(NsqSimulator(
        scene.folder, scene.topic, COUNT, ['--nsqd=10', '--rate=20000'],
        stays=True))
    nsq.misbehave(action='twin', after=300, count=4)
    scene.run_bridge(
        f'--topic={scene.topic}', '--max-in-flight=40',
        *[f'--nsqd-tcp-address={address}' for address in nsq.tcp_addresses],
        f'--stream={stream.name}', f'--endpoint-url={stream.endpoint_url}')

    wait_until(lambda: nsq.statistics()['finished'] == COUNT,
               'every message is finished', 20)

    records = stream.read().user_records
    assert len(records) == COUNT, len(records)
    assert scene.bridge.counter('connections_renewed') >= 1
    assert scene.bridge.counter('connections_lost') == 0


def two_nsqds_with_the_same_ids_are_two(scene):
    """(N12) as with two of the same node id."""
    stream = scene.make_stream(scene.start_simulator())
    nsq = scene.own(NsqSimulator(scene.folder, scene.topic, COUNT,
                                 ['--nsqd=2', '--equal-ids']))
    ports = nsq.program.wait_for_line(r'listening tcp=(\d+),(\d+)').groups()
    scene.run_bridge(
        f'--topic={scene.topic}',
        *[f'--nsqd-tcp-address=127.0.0.1:{port}' for port in ports],
        f'--stream={stream.name}', f'--endpoint-url={stream.endpoint_url}')

    status, summary = nsq.wait_for_summary()

    assert status == 0, summary
    records = stream.read().user_records
    assert len({record.body for record in records}) == COUNT, len(records)


def messages_held_longer_than_msg_timeout_are_touched_in_time(scene):
    """(N9)"""
    nsqd = scene.start_nsqd()
    simulator = scene.start_simulator()
    stream = scene.make_stream(simulator)
    simulator.misbehave(on='PutRecords', action='delay', delay_ms=8000)
    scene.start_bridge([nsqd], stream, '--consumer-opt=msg_timeout,3s')
    published = _publish(scene, nsqd, 500)

    scene.wait_until_finished(nsqd)

    channel = nsqd.channel(scene.topic, CHANNEL)
    assert channel['timeout_count'] == 0, channel
    verdict = scene.expect_all(stream, published)
    assert verdict.in_stream == 500, verdict
