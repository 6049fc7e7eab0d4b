# SPDX-License-Identifier: Apache-2.0
"""What the stream can never take: requeued, set aside or dropped, never lost.

There are three ways to be refused: ingest sees that a message is larger than
any record, the worker sees that it is with the key that it was given, and the
service says no. A key cannot be refused, because one that is no legal partition
key is hashed. (K14)
"""
import base64
import json

from integration.marks import CannotRunHere
from integration.scene import CHANNEL
from rig import programs
from rig.bridge import Bridge
from rig.nsq import Nsqd
from rig.nsq_relay import NsqRelay
from rig.processes import wait_until

LETTERS = 'refused'
LARGE = b'L' * 2000000
ALMOST = b'A' * (1 << 20)  # fits, but for the shortest of keys
UNWELCOME = b'unwelcome'
TO_TOPIC = ('--on-refused=dead-letter', f'--dead-letter-topic={LETTERS}')
SOON = '--consumer-opt=msg_timeout,1s'


def _small(count, first=0):
    return [b'small %d' % number for number in range(first, first + count)]


class Refusals:
    """A bridge without keys and messages of all kinds on their way to it."""

    def __init__(self, scene, *options, relayed=False, nsqd_flags=(), more_nsqds=(),
                 environment=None, build=None):
        self.scene = scene
        self.simulator = scene.start_simulator()
        self.stream = scene.make_stream(self.simulator, shard_count=1)
        self.nsqd = scene.start_nsqd(
            more=['--max-msg-size=5000000', *nsqd_flags])
        self.relay = scene.own(NsqRelay(self.nsqd)) if relayed else None
        peer = self.relay or self.nsqd
        self.nsqd.create_channel(scene.topic, CHANNEL)
        self.nsqd.create_channel(LETTERS, 'reader')
        self.options = [
            f'--topic={scene.topic}', f'--channel={CHANNEL}',
            *[f'--nsqd-tcp-address={one.tcp_address}'
              for one in (peer, *more_nsqds)],
            f'--stream={self.stream.name}',
            f'--endpoint-url={self.stream.endpoint_url}', '--queue-size=8MiB']
        self.bridge = scene.bridge = scene.own(Bridge(
            scene.folder, [*self.options, *options], environment,
            build=build))
        for one in (self.nsqd, *more_nsqds):
            one.wait_for_consumer(scene.topic, CHANNEL)
        self._small_count = 0

    def publish_small(self, count=50):
        self.nsqd.publish(self.scene.topic, _small(count, self._small_count))
        self._small_count += count

    def publish_refused(self, *bodies):
        for body in bodies:
            self.nsqd.publish(self.scene.topic, [body])

    def refused_count(self):
        return self.bridge.counter('messages_refused')

    def publish_each_kind(self):
        """One message of each kind among small ones; returns their bodies."""
        self.publish_small()
        self.publish_refused(LARGE, ALMOST)
        self.publish_small()
        wait_until(lambda: self.refused_count() == 2, 'both are refused', 20)
        self.wait_for_small()
        self.simulator.misbehave(on='PutRecords', action='validation', count=1)
        self.publish_refused(UNWELCOME)
        wait_until(lambda: self.refused_count() == 3, 'all are refused', 20)
        self.publish_small()
        self.wait_for_small()
        return {LARGE, ALMOST, UNWELCOME}

    def wait_for_small(self):
        def are_there():
            stored = self.stream.read().user_records
            return len(stored) == self._small_count
        wait_until(are_there, 'all small messages are in the stream', 30)

    def wait_until_finished(self):
        self.scene.wait_until_finished(self.nsqd)

    def expect_told(self, then):
        """Counted exactly, and logged once or, in one second, summed up."""
        assert self.refused_count() == 3, self.refused_count()
        lines = [line for line in self.bridge.program.log().splitlines()
                 if 'message_refused' in line]
        assert 1 <= len(lines) <= 3, lines
        assert all(f'then={then}' in line for line in lines), lines

    def letter_depth(self):
        found = self.nsqd.channel(LETTERS, 'reader')
        return found['topic_depth'] + found['depth'] if found else 0

    def read_letters(self):
        """All that were published to the topic of dead letters."""
        return self.nsqd.read_bodies(LETTERS, self.letter_depth())


def refused_messages_go_back_to_nsqd_and_stay_there(scene):
    refusals = Refusals(scene)
    refusals.publish_each_kind()

    channel = wait_until(
        lambda: (found := refusals.nsqd.channel(scene.topic, CHANNEL))[
            'deferred_count'] == 3 and found, 'they are requeued with a delay')

    assert channel['requeue_count'] == 3, channel  # no hot loop
    assert refusals.nsqd.unfinished(scene.topic, CHANNEL) == 3
    refusals.expect_told('requeued')


def refused_message_waits_as_long_as_nsqd_lets_it(scene):
    """nsqd tells nobody its --max-req-timeout, and cuts what is longer."""
    refusals = Refusals(scene, nsqd_flags=['--max-req-timeout=500ms'])
    refusals.publish_refused(LARGE)

    wait_until(lambda: refusals.nsqd.channel(scene.topic, CHANNEL)[
        'requeue_count'] >= 2, 'it is requeued again when it comes back')

    assert 'nsqd_lost' not in refusals.bridge.program.log()
    assert refusals.bridge.counter('connections_made') == 1


def refused_messages_are_dropped_when_so_asked(scene):
    refusals = Refusals(scene, '--on-refused=drop')
    refusals.publish_each_kind()

    refusals.wait_until_finished()

    assert refusals.nsqd.channel(scene.topic, CHANNEL)['requeue_count'] == 0
    refusals.expect_told('dropped')


def refused_messages_are_set_aside_in_a_topic(scene):
    refusals = Refusals(scene, *TO_TOPIC)
    bodies = refusals.publish_each_kind()

    refusals.wait_until_finished()

    letters = refusals.read_letters()
    assert len(letters) == 3 and set(letters) == bodies, len(letters)
    assert refusals.bridge.counter('dead_letters_written') == 3
    refusals.expect_told('dead-lettered')
    assert refusals.bridge.stop() == 0, refusals.bridge.program.last_lines()


def _lines_of(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def refused_messages_are_set_aside_in_a_file(scene):
    path = scene.folder / 'refused.jsonl'
    refusals = Refusals(scene, '--on-refused=dead-letter',
                        f'--dead-letter-file={path}')
    bodies = refusals.publish_each_kind()

    refusals.wait_until_finished()

    lines = _lines_of(path)
    assert len(lines) == 3, len(lines)
    assert {base64.b64decode(line['body_base64']) for line in lines} == bodies
    for line in lines:
        assert line['topic'] == scene.topic and line['channel'] == CHANNEL
        assert line['nsqd'] == refusals.nsqd.tcp_address, line['nsqd']
        assert line['attempts'] == 1 and len(line['message_id']) == 16
    assert ({line['reason'] for line in lines} ==
            {'too large for the stream', 'refused by Kinesis for good'})
    refusals.expect_told('dead-lettered')


def refused_publish_is_tried_again_and_no_message_finished_before(scene):
    refusals = Refusals(scene, *TO_TOPIC, relayed=True)
    refusals.relay.publishing = 'refuse'
    refusals.publish_refused(LARGE)
    refusals.publish_small()

    wait_until(lambda: refusals.relay.publisher_count >= 3, 'it is tried again',
               20)
    refusals.wait_for_small()

    assert refusals.nsqd.unfinished(scene.topic, CHANNEL) == 1
    assert refusals.bridge.counter('dead_letters_written') == 0
    assert refusals.bridge.counter('dead_letter_failures') >= 2
    log = refusals.bridge.program.log()
    assert log.count('dead_letters_wait') == 1 and 'E_BAD_TOPIC' in log, log

    refusals.relay.publishing = 'pass'
    refusals.wait_until_finished()
    assert refusals.read_letters() == [LARGE]
    assert refusals.bridge.counter('messages_refused') == 1


def publish_that_is_cut_off_is_repeated(scene):
    refusals = Refusals(scene, *TO_TOPIC, relayed=True)
    refusals.relay.publishing = 'cut'
    refusals.publish_refused(LARGE)
    wait_until(lambda: refusals.relay.publisher_count >= 2, 'it is cut', 20)

    refusals.relay.publishing = 'pass'
    refusals.wait_until_finished()

    assert refusals.read_letters() == [LARGE]


def publish_whose_answer_is_lost_makes_a_second_letter_and_loses_none(scene):
    refusals = Refusals(scene, *TO_TOPIC, relayed=True)
    refusals.relay.publishing = 'hide'
    refusals.publish_refused(LARGE)
    wait_until(lambda: refusals.letter_depth() >= 1, 'nsqd has the letter', 20)

    refusals.relay.publishing = 'pass'
    refusals.wait_until_finished()

    letters = refusals.read_letters()
    assert len(letters) >= 2 and set(letters) == {LARGE}, len(letters)
    assert refusals.bridge.counter('dead_letters_written') == 1


def message_that_comes_again_while_its_letter_waits_makes_one_letter(scene):
    refusals = Refusals(scene, *TO_TOPIC, SOON, relayed=True)
    refusals.relay.publishing = 'refuse'
    refusals.publish_refused(LARGE)
    wait_until(lambda: refusals.refused_count() == 1, 'it is refused')

    refusals.relay.cut_consumers()
    wait_until(lambda: refusals.bridge.counter('redeliveries_queued') == 1,
               'it has come again', 20)
    refusals.relay.publishing = 'pass'
    refusals.wait_until_finished()

    assert refusals.read_letters() == [LARGE]
    assert refusals.refused_count() == 1


def full_box_of_letters_stops_the_flow_and_loses_nothing(scene):
    """A letter of two megabytes fills the box; each kind has to wait."""
    refusals = Refusals(scene, *TO_TOPIC, relayed=True)
    refusals.relay.publishing = 'refuse'
    refusals.publish_refused(ALMOST, LARGE, LARGE)

    wait_until(lambda: refusals.bridge.counter('dead_letters_held_back') == 1,
               'the box is full', 20)
    wait_until(lambda: refusals.nsqd.ready_count(scene.topic, CHANNEL) == 0,
               'RDY is 0')
    refusals.publish_small()
    assert refusals.nsqd.unfinished(scene.topic, CHANNEL) == 53
    turns = refusals.bridge.counter('turns')
    tries = refusals.relay.publisher_count
    wait_until(lambda: refusals.relay.publisher_count >= tries + 2,
               'the letters are tried again', 20)
    assert refusals.bridge.counter('turns') - turns < 200  # no hot loop

    refusals.relay.publishing = 'pass'
    refusals.wait_until_finished()
    refusals.wait_for_small()
    assert sorted(refusals.read_letters()) == [ALMOST, LARGE, LARGE]
    assert refusals.refused_count() == 3


def nsqd_that_is_gone_with_full_letters_holds_no_other_up(scene):
    other = scene.start_nsqd()
    refusals = Refusals(scene, *TO_TOPIC, SOON, relayed=True,
                        more_nsqds=[other])
    refusals.relay.publishing = 'refuse'
    refusals.publish_refused(ALMOST, LARGE, LARGE, ALMOST)
    wait_until(lambda: other.ready_count(scene.topic, CHANNEL) == 0,
               'RDY is 0 everywhere', 20)

    refusals.nsqd.end()
    other.publish(scene.topic, _small(50))
    scene.wait_until_finished(other)

    nsqd = refusals.nsqd = scene.own(Nsqd(
        refusals.nsqd.folder, tcp_port=refusals.nsqd.tcp_port,
        more=['--max-msg-size=5000000']))
    refusals.relay.publishing = 'pass'
    nsqd.wait_for_consumer(scene.topic, CHANNEL)
    refusals.wait_until_finished()
    assert set(refusals.read_letters()) == {ALMOST, LARGE}
    assert len(refusals.stream.read().user_records) == 50


def full_disk_holds_the_flow_up_and_loses_nothing(scene):
    refusals = Refusals(scene, '--on-refused=dead-letter',
                        '--dead-letter-file=/dev/full', SOON)
    refusals.publish_refused(LARGE, LARGE)
    wait_until(lambda: refusals.bridge.counter('dead_letter_failures') >= 2,
               'the disk is tried again')
    wait_until(lambda: refusals.nsqd.ready_count(scene.topic, CHANNEL) == 0,
               'RDY is 0')
    log = refusals.bridge.program.log()
    assert log.count('dead_letters_wait') == 1, log
    assert refusals.nsqd.unfinished(scene.topic, CHANNEL) == 2

    refusals.bridge.program.kill()
    path = scene.folder / 'refused.jsonl'
    scene.bridge = scene.own(Bridge(
        scene.folder, [*refusals.options, '--on-refused=dead-letter', SOON,
                       f'--dead-letter-file={path}'],
        name=refusals.bridge.name))
    refusals.wait_until_finished()
    assert len(_lines_of(path)) == 2


def _die_at(scene, point, *options):
    """Ingest dies there with the letter of one message, and comes again."""
    build = programs.hooks_folder()
    if not build:
        raise CannotRunHere('there is no build with the option test_hooks')
    token = scene.folder / 'token'
    token.touch()
    refusals = Refusals(
        scene, *options, SOON, build=build,
        environment={'N2K_CRASH': f'{point}:1:{token}'})

    refusals.publish_refused(ALMOST)
    wait_until(lambda: not token.exists(), f'ingest dies at {point}', 20)
    refusals.wait_until_finished()
    return refusals


def ingest_that_dies_with_letters_in_its_box_loses_none(scene):
    refusals = _die_at(scene, 'letter_boxed', *TO_TOPIC)

    assert refusals.read_letters() == [ALMOST]


def ingest_that_dies_between_publish_and_fin_repeats_one_at_worst(scene):
    refusals = _die_at(scene, 'letter_safe', *TO_TOPIC)

    letters = refusals.read_letters()
    assert set(letters) == {ALMOST} and len(letters) <= 2, len(letters)


def ingest_that_dies_between_disk_and_fin_repeats_one_at_worst(scene):
    path = scene.folder / 'refused.jsonl'
    _die_at(scene, 'letter_safe', '--on-refused=dead-letter',
            f'--dead-letter-file={path}')

    assert 1 <= len(_lines_of(path)) <= 2


def letter_that_was_noted_before_ingest_died_is_not_repeated(scene):
    refusals = _die_at(scene, 'letter_noted', *TO_TOPIC)

    assert refusals.read_letters() == [ALMOST]


def dead_letter_file_that_cannot_be_written_stops_the_bridge(scene):
    stream = scene.make_stream(scene.start_simulator())
    bridge = scene.run_bridge(
        f'--topic={scene.topic}', '--nsqd-tcp-address=127.0.0.1:4150',
        f'--stream={stream.name}', f'--endpoint-url={stream.endpoint_url}',
        '--on-refused=dead-letter',
        f'--dead-letter-file={scene.folder}/none/refused')

    status, said = bridge.program.wait(10), bridge.program.log()

    assert status == 78, f'{status}: {said}'
    assert 'none/refused' in said, said
