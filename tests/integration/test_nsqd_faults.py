# SPDX-License-Identifier: Apache-2.0
"""What nsqd and nsqlookupd do wrong costs neither a message nor a copy.

The real nsqd does here what it does when it is stopped, killed or told to
forget; the simulator does what a real one does too seldom. Twins, time-outs
and cut connections are in test_redelivery.py.
"""
import http.server
import json
import os
import signal
import threading
import time

from integration.flow import Flow
from integration.scene import CHANNEL
from rig.ledger import judge
from rig.nsq import Nsqd
from rig.processes import free_port, wait_until
from rig.simulators import NsqSimulator

SOON = '--consumer-opt=msg_timeout,2s'
HEARTBEATS = '--consumer-opt=heartbeat_interval,1s'
SLOW = ['--delay-ms=50']
COUNT = 5000


def _bodies(published):
    """Redelivery ends the order that nsqd keeps: none is asked for."""
    return [(None, body) for _, body in published]


def _start(scene, *options, slow=True, nsqd_flags=()):
    simulator = scene.start_simulator(more=SLOW if slow else [])
    stream = scene.make_stream(simulator)
    nsqd = scene.start_nsqd(more=nsqd_flags)
    scene.start_bridge([nsqd], stream, SOON, *options)
    return simulator, stream, nsqd


def _again(scene, nsqd, more=()):
    """The same nsqd, started again."""
    return scene.own(Nsqd(nsqd.folder, tcp_port=nsqd.tcp_port, more=more))


def _wait_for_flight(scene, nsqd):
    wait_until(lambda: nsqd.channel(scene.topic, CHANNEL)['in_flight_count'],
               'messages are in flight')


def nsqd_that_is_restarted_loses_and_repeats_nothing(scene):
    """(N1) What was in flight comes again with the same ids."""
    _, stream, nsqd = _start(scene)
    published = []
    for first in range(0, 3 * COUNT, COUNT):
        published += scene.publish(nsqd, COUNT, first=first)
        _wait_for_flight(scene, nsqd)
        nsqd.end()
        nsqd = _again(scene, nsqd)
    nsqd.wait_for_consumer(scene.topic, CHANNEL)
    scene.wait_until_finished(nsqd)

    scene.expect_all(stream, _bodies(published))
    assert scene.bridge.counter('connections_made') == 4


def nsqd_that_is_killed_makes_no_copies_and_no_stall(scene):
    """(N2) It loses messages of its own, delivers finished ones again, and
    twins, each of which takes a credit of RDY."""
    flags = ['--mem-queue-size=0']
    _, stream, nsqd = _start(scene, nsqd_flags=flags)
    published = []
    for first in range(0, 3 * COUNT, COUNT):
        published += scene.publish(nsqd, COUNT, first=first)
        _wait_for_flight(scene, nsqd)
        nsqd.program.kill()
        nsqd = _again(scene, nsqd, flags)
    nsqd.wait_for_consumer(scene.topic, CHANNEL)
    survivors = scene.publish(nsqd, COUNT, first=len(published))
    scene.wait_until_finished(nsqd)

    verdict = judge(_bodies(published + survivors), stream.read())
    assert not verdict.invented and not verdict.duplicates, verdict
    stored = {record.body for record in stream.read().user_records}
    assert all(body in stored for _, body in survivors), verdict


def channel_that_is_paused_is_waited_for(scene):
    """(N3)"""
    _, stream, nsqd = _start(scene)
    nsqd.change_channel('pause', scene.topic, CHANNEL)
    published = scene.publish(nsqd, COUNT)
    wait_until(lambda: nsqd.channel(scene.topic, CHANNEL)['depth'] == COUNT,
               'they wait in the channel')

    nsqd.change_channel('unpause', scene.topic, CHANNEL)
    scene.wait_until_finished(nsqd)

    scene.expect_all(stream, _bodies(published))
    assert scene.bridge.counter('connections_made') == 1


def channel_that_is_emptied_or_deleted_makes_no_storm(scene):
    """(N3) FINs for what is gone fail, and SUB makes the channel anew."""
    simulator, stream, nsqd = _start(scene)
    published = []
    for action in ('empty', 'delete'):
        simulator.misbehave(on='PutRecords', action='delay', delay_ms=300,
                            count=1)
        published += scene.publish(nsqd, 100, first=len(published))
        _wait_for_flight(scene, nsqd)
        nsqd.change_channel(action, scene.topic, CHANNEL)
        nsqd.wait_for_consumer(scene.topic, CHANNEL)
    after = scene.publish(nsqd, COUNT, first=len(published))
    scene.wait_until_finished(nsqd)

    verdict = judge(_bodies(published + after), stream.read())
    assert not verdict.invented and not verdict.duplicates, verdict
    stored = {record.body for record in stream.read().user_records}
    assert all(body in stored for _, body in after), verdict
    assert scene.bridge.counter('connections_made') <= 4


def nsqd_that_stands_still_is_given_up_within_two_heartbeats(scene):
    """(N5) The other side of the connection looks alive to the kernel."""
    _, stream, nsqd = _start(scene, HEARTBEATS)
    flow = Flow(scene, nsqd)
    flow.wait_for_more(1000)
    published = flow.end()

    os.kill(nsqd.program.pid, signal.SIGSTOP)
    begin = time.monotonic()
    scene.bridge.program.wait_for_line(r'nsqd_lost .*two heartbeat intervals')
    seconds = time.monotonic() - begin
    os.kill(nsqd.program.pid, signal.SIGCONT)

    nsqd.wait_for_consumer(scene.topic, CHANNEL)
    published += scene.publish(nsqd, COUNT, first=len(published))
    scene.wait_until_finished(nsqd)
    scene.expect_all(stream, _bodies(published))
    assert seconds < 2.7, seconds  # two, and a busy machine


def message_held_beyond_max_msg_timeout_is_known_when_it_comes_again(scene):
    """(N9) TOUCH helps up to there; then nsqd delivers it once more."""
    simulator, stream, nsqd = _start(
        scene, slow=False, nsqd_flags=['--max-msg-timeout=3s'])
    simulator.misbehave(on='PutRecords', action='delay', delay_ms=6000,
                        count=1)
    published = scene.publish(nsqd, 500)

    scene.wait_until_finished(nsqd)

    assert nsqd.channel(scene.topic, CHANNEL)['timeout_count'] > 0
    verdict = scene.expect_all(stream, _bodies(published))
    assert verdict.in_stream == 500, verdict
    assert scene.bridge.counter('second_copies') > 0


# --- the simulator

def _run_bridge(scene, stream, nsq, *options):
    scene.run_bridge(
        f'--topic={scene.topic}', f'--stream={stream.name}',
        *[f'--nsqd-tcp-address={address}' for address in nsq.tcp_addresses],
        f'--endpoint-url={stream.endpoint_url}', SOON, *options)


def _survive(scene, *faults, more=(), options=(), count=COUNT):
    """`count` messages pass while the faults happen, each exactly once."""
    stream = scene.make_stream(scene.start_simulator(more=['--delay-ms=20']))
    nsq = scene.own(NsqSimulator(scene.folder, scene.topic, count, more,
                                 stays=True))
    for fault in faults:
        nsq.misbehave(**fault)
    _run_bridge(scene, stream, nsq, *options)

    wait_until(lambda: nsq.statistics()['finished'] == count,
               'every message is finished', 30)

    records = stream.read().user_records
    assert len({record.body for record in records}) == count, len(records)
    assert len(records) == count, len(records)
    return nsq


def connection_that_is_cut_within_a_frame_repeats_nothing(scene):
    """(N4)"""
    _survive(scene, *[
        {'after': after, 'action': 'disconnect_mid_frame', 'reset': reset}
        for after, reset in ((500, False), (1500, True), (2500, False))])

    assert scene.bridge.counter('connections_lost') == 3


def half_open_connection_is_given_up(scene):
    """(N5)"""
    _survive(scene, {'after': 1000, 'action': 'half_open'},
             options=[HEARTBEATS])

    assert 'two heartbeat intervals' in scene.bridge.program.log()


def nsqd_that_drips_does_not_hold_the_others_up(scene):
    """(N6) Ten bytes a second are no frame within two heartbeats."""
    stream = scene.make_stream(scene.start_simulator())
    slow, quick = [scene.own(NsqSimulator(
        scene.folder, scene.topic, COUNT, [f'--seed={seed}'], stays=True))
        for seed in (1, 2)]
    slow.misbehave(action='drip', after=100, for_ms=20000)
    slow.tcp_addresses += quick.tcp_addresses
    _run_bridge(scene, stream, slow, HEARTBEATS)

    wait_until(lambda: quick.statistics()['finished'] == COUNT,
               'the quick one is finished', 10)
    was_finished = slow.statistics()['finished']
    wait_until(lambda: slow.statistics()['finished'] == COUNT,
               'the slow one is finished, on another connection', 15)

    assert was_finished < COUNT, was_finished
    assert len(stream.read().user_records) == 2 * COUNT


def frames_that_are_none_end_their_connection_and_nothing_else(scene):
    """(N7)"""
    faults = [{'action': 'malformed_size', 'size': size}
              for size in (-1, 0, 3, 1 << 30)]
    faults += [{'action': 'malformed_type'}, {'action': 'short_message'},
               {'action': 'malformed_id'}]
    _survive(scene, *[{'after': 500 * number, **fault}
                      for number, fault in enumerate(faults, 1)])

    assert scene.bridge.counter('connections_lost') == len(faults)
    assert scene.bridge.memory_bytes() < 256 << 20


def errors_of_nsqd_end_the_connection_only_if_they_are_fatal(scene):
    """(N8)"""
    identifier = '0d2f4a6b8c0e1f01'
    harmless = [f'E_{word}_FAILED {word} {identifier} failed ID not in flight'
                for word in ('FIN', 'TOUCH', 'REQ')]
    fatal = ['E_INVALID cannot RDY in current state', 'E_BAD_TOPIC',
             'E_SOMETHING_NEW']
    _survive(scene, *[
        {'after': 500 * number, 'action': 'error_frame', 'text': text,
         'close': text in fatal}
        for number, text in enumerate(harmless + fatal, 1)])

    assert scene.bridge.counter('connections_lost') == len(fatal)


def low_max_rdy_count_is_obeyed_also_when_it_changes(scene):
    """RDY above it would be an error that ends the connection."""
    _survive(scene, {'after': 200, 'action': 'low_max_rdy', 'value': 3},
             {'after': 400, 'action': 'disconnect'},
             more=['--max-rdy-count=100'], count=600)

    # One at most asked for too much before it was told.
    assert scene.bridge.counter('connections_lost') <= 2


def ids_that_come_again_with_other_bodies_are_other_messages(scene):
    """(N13) as from an nsqd whose clock was set back, or that was killed."""
    _survive(scene, *[{'after': after, 'action': 'old_ids', 'count': 200}
                      for after in (1000, 3000)])


def topics_with_the_same_ids_are_two(scene):
    """nsqd counts ids for each topic, so that two topics share many."""
    nsqd = scene.start_nsqd()
    stream = scene.make_stream(scene.start_simulator())
    topics = [scene.topic, f'{scene.topic}-other']
    for scene.topic in topics:
        scene.start_bridge([nsqd], stream, '--partition-key=message-id', SOON)

    # An id is a millisecond and a number within it.
    published = [(topic, b'%d of %s' % (number, topic.encode()))
                 for number in range(500) for topic in topics]
    for topic, body in published:
        nsqd.publish(topic, [body])
    for topic in topics:
        nsqd.wait_until_finished(topic, CHANNEL)

    records = stream.read().user_records
    assert {record.body for record in records} == {
        body for _, body in published}
    assert len(records) == len(published), len(records)
    assert len({record.partition_key for record in records}) < len(published)


# --- nsqlookupd

class HttpServer:
    """Answers every request with `status` and `body`; see requests."""

    def __init__(self):
        self.status, self.body, self.requests = 200, b'', 0
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                outer.requests += 1
                self.send_response(outer.status)
                self.send_header('Content-Length', str(len(outer.body)))
                self.end_headers()
                try:
                    self.wfile.write(outer.body)
                except ConnectionError:
                    pass  # it is too much, and cut off

            def log_message(self, *_):
                pass

        self._server = http.server.ThreadingHTTPServer(('127.0.0.1', 0),
                                                       Handler)
        self.address = f'127.0.0.1:{self._server.server_port}'
        threading.Thread(target=self._server.serve_forever,
                         daemon=True).start()

    def answer(self, status, body):
        """Returns when it was asked for twice more, so that one was read."""
        self.status, self.body = status, body
        goal = self.requests + 2
        wait_until(lambda: self.requests >= goal, 'it is asked again')

    def end(self):
        self._server.shutdown()
        self._server.server_close()


def _producers(*ports):
    return json.dumps({'channels': [], 'producers': [
        {'broadcast_address': '127.0.0.1', 'tcp_port': port}
        for port in ports]}).encode()


def nsqlookupd_that_answers_nonsense_disturbs_no_flow(scene):
    """(N11) garbage, errors, too much, nobody, and nsqd that are dead."""
    nsqd = scene.start_nsqd()
    nsqd.create_channel(scene.topic, CHANNEL)
    lookup = scene.own(HttpServer())
    lookup.body = _producers(nsqd.tcp_port)
    stream = scene.make_stream(scene.start_simulator())
    scene.run_bridge(
        f'--topic={scene.topic}', f'--channel={CHANNEL}',
        f'--lookupd-http-address={lookup.address}', f'--stream={stream.name}',
        f'--endpoint-url={stream.endpoint_url}',
        '--consumer-opt=lookupd_poll_interval,100ms',
        '--consumer-opt=lookupd_poll_jitter,0')
    nsqd.wait_for_consumer(scene.topic, CHANNEL)
    flow = Flow(scene, nsqd)

    for status, body in ((200, b'}garbage{'), (500, b'oops'), (404, b'{}'),
                         (200, b' ' * (32 << 20)), (200, _producers()),
                         (200, _producers(free_port(), nsqd.tcp_port))):
        lookup.answer(status, body)
        flow.wait_for_more(500)

    published = flow.end()
    scene.wait_until_finished(nsqd)
    scene.expect_all(stream, _bodies(published))
    assert scene.bridge.counter('connections_made') == 1


def nsqlookupd_that_is_gone_disturbs_no_flow(scene):
    """(N11)"""
    lookup = scene.start_nsqlookupd()
    nsqd = scene.start_nsqd(lookup=lookup)
    nsqd.create_channel(scene.topic, CHANNEL)
    stream = scene.make_stream(scene.start_simulator())
    scene.start_bridge([nsqd], stream, lookup=lookup)
    published = scene.publish(nsqd, COUNT)

    lookup.program.kill()
    published += scene.publish(nsqd, COUNT, first=COUNT)
    scene.wait_until_finished(nsqd)

    scene.expect_all(stream, _bodies(published))
    assert scene.bridge.counter('connections_made') == 1
