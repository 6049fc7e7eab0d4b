# SPDX-License-Identifier: Apache-2.0
"""Mistakes made on purpose are noticed, each by the checker and for its reason.

A build with the option test_hooks has the mistakes of common/seeded_bugs.tbl
and makes the one that the environment names. Each is put into a situation in
which it matters; the same situation without it must be judged good, so that it
is the mistake that is noticed and not the situation.
"""
import dataclasses
import io
import os
import re
import signal
import time
import typing

from checker.history import Writer, read
from checker.judgement import Judge
from checker.table import write_table
from integration.marks import CannotRunHere
from integration.test_corruption import Queue, flip_body
from rig import programs
from rig.bridge import Bridge
from rig.processes import NotInTime, wait_until
from rig.simulators import KinesisSimulator, NsqSimulator

TOPIC, CHANNEL, STREAM, RUN = 'bugs', 'bridge', 'bugs', 5
OPTIONS = (f'--topic={TOPIC}', f'--channel={CHANNEL}', f'--stream={STREAM}',
           '--partition-key=bytes:12:4', '--consumer-opt=msg_timeout,1s',
           '--request-timeout=2s', '--orphan-timeout=500ms')


@dataclasses.dataclass
class Situation:
    """What a bridge is put into, and for how long it may take."""
    happens: typing.Callable  # takes a Stage, while messages flow
    count: int = 3000
    rate: int = 3000
    size: int = 120  # bytes of a message
    delay_ms: int = 10
    seconds: float = 15  # then it is given up
    options: tuple = ()


class Stage:
    def __init__(self, scene, situation, folder, build, bug):
        folder.mkdir()
        self._folder, self._build = folder, build
        self.environment = {'N2K_SEEDED_BUG': bug} if bug else {}
        self.history = scene.own(Writer(folder / 'history-stage'))
        self.history.write('publisher', 'run', run=RUN,
                           partition_key='bytes:12:4')
        self.kinesis = scene.own(KinesisSimulator(folder, [
            f'--stream={STREAM}:2', f'--delay-ms={situation.delay_ms}',
            f'--history={folder / "history-kinesis"}']))
        self.nsq = scene.own(NsqSimulator(folder, TOPIC, situation.count, [
            '--body=binary', f'--size={situation.size}', '--keys=50',
            f'--seed={RUN}', f'--rate={situation.rate}',
            f'--history={folder / "history-nsq"}'], stays=True))
        self._options = [
            *OPTIONS, *situation.options,
            f'--nsqd-tcp-address={self.nsq.tcp_address}',
            f'--endpoint-url={self.kinesis.endpoint_url}']
        self._scene, self._count = scene, situation.count
        self.bridge = None
        self.start_bridge()

    def start_bridge(self):
        """The first, or another of the same name."""
        name = self.bridge.name if self.bridge else None
        self.bridge = self._scene.own(Bridge(
            self._folder, self._options, self.environment, name=name,
            build=self._build, kind='bugs'))

    def note(self, what, who):
        self.history.write('fault', what, who=who)

    def wait_until_sent(self, count):
        wait_until(lambda: self.nsq.statistics()['sent'] >= count,
                   f'{count} messages are sent')

    def wait_until_stored(self, count):
        wait_until(lambda: self.kinesis.statistics()['records'] >= count,
                   f'{count} Kinesis records are stored')

    def is_done(self):
        return self.nsq.statistics()['finished'] == self._count

    def verdict(self):
        """Of a history that must be complete."""
        judge = Judge(everything_arrived=True)
        judge.take(read(sorted(self._folder.glob('history-*'))))
        return judge.verdict()


def _run(scene, situation, bug):
    """Returns the verdict on a run with a bug, or with None."""
    build = programs.hooks_folder()
    if not build:
        raise CannotRunHere('there is no build with the option test_hooks')
    stage = Stage(scene, situation, scene.folder / f'bug-{bug}', build, bug)
    try:
        situation.happens(stage)
        wait_until(stage.is_done, 'every message is finished',
                   situation.seconds)
        stage.bridge.stop()
    except NotInTime:
        if not bug:  # a bug may well stop the flow
            raise
    finally:
        stage.bridge.program.kill()
    return stage.verdict()


def _told(verdict):
    text = io.StringIO()
    write_table(verdict, text)
    return text.getvalue()


def _expect(scene, bug, situation, *kinds):
    """One of the kinds, or all of a tuple, is what the checker must find."""
    verdict = _run(scene, situation, None)
    assert verdict.is_good, 'without the bug:\n' + _told(verdict)

    verdict = _run(scene, situation, bug)

    for kind in kinds:
        assert kind in verdict.violations, f'{kind}:\n{_told(verdict)}'


# --- situations

def _nothing(_stage):
    pass


def _fail(**rule):
    """PutRecords fails so, after some requests."""
    def happens(stage):
        stage.kinesis.misbehave(on='PutRecords', after=5, **rule)
    return happens


def _give_old_ids(stage):
    stage.nsq.misbehave(after=1000, action='old_ids', count=500)


def _split(stage):
    for shard in range(2):
        stage.kinesis.misbehave(on='PutRecords', action='split', count=1,
                                after=5 + 10 * shard,
                                shard=f'shardId-{shard:012}')


def _disconnect(stage):
    for after in (800, 1600, 2400):
        stage.nsq.misbehave(after=after, action='disconnect')


def _kill_worker_with_a_request(stage):
    stage.wait_until_stored(5)
    stage.kinesis.misbehave(on='PutRecords', action='hold_before', count=1)
    wait_until(lambda: stage.kinesis.statistics()['faults'] > 0,
               'a request is held')
    stage.bridge.kill_worker(0)
    stage.note('kill', 'egress[0]')


def _kill_ingest(stage):
    for count in (800, 1600, 2400):
        stage.wait_until_sent(count)
        killed = stage.bridge.kill_ingest()
        stage.note('kill', 'ingest')
        wait_until(lambda: stage.bridge.ingest() not in (None, killed),
                   'ingest runs again')


def _replace_a_stopped_worker(stage):
    """SIGSTOP the worker, replace everything else, SIGCONT it.

    The next supervisor would adopt the worker, and end it before it starts
    another, so what tells of the worker is lost, too.
    """
    stage.wait_until_stored(5)
    stopped = stage.bridge.worker(0)
    os.kill(stopped, signal.SIGSTOP)
    try:
        others = [stage.bridge.program.pid, stage.bridge.ingest()]
        for pid in others:
            os.kill(pid, signal.SIGKILL)
        stage.bridge.program.wait(5)
        stage.note('kill', 'all')
        stage.bridge.lose_roster()
        stage.start_bridge()
        if stage.environment:
            wait_until(lambda: stage.bridge.readiness_count('egress[0]'),
                       'another worker has the queues')
    finally:
        os.kill(stopped, signal.SIGCONT)
        stage.note('stop', 'egress[0]')


def _flip_a_body(stage):
    stage.wait_until_stored(2)
    queue = Queue('/dev/shm/nsq_to_kinesis.'
                  f'{stage.bridge.name}.g1.q1')
    wait_until(lambda: len(queue.waiting()) > 50, 'records wait')
    since = time.monotonic_ns()
    flip_body(queue)
    if not stage.environment:
        stage.bridge.program.wait_for_line('segment_set_aside')
    stage.history.write('fault', 'damage', who='queue', since=since)


# --- the bugs

def message_finished_before_it_is_stored_is_noticed(scene):
    _expect(scene, 'early_fin', Situation(_nothing), 'early FIN')


def message_known_by_its_id_alone_is_noticed(scene):
    _expect(scene, 'id_only_key', Situation(_give_old_ids),
            'lost (raw)', 'early FIN')


def shard_that_nobody_checks_is_noticed(scene):
    _expect(scene, 'no_shard_check', Situation(_split),
            'lost (KCL)', 'early FIN')


def failed_batch_sent_again_from_its_end_is_noticed(scene):
    _expect(scene, 'overtaking', Situation(_fail(
        action='throttle', count=20), rate=6000), 'order (raw)')


def failed_batch_sent_again_with_what_came_since_is_noticed(scene):
    _expect(scene, 'rebatching', Situation(_fail(
        action='http_500_after', count=6)), 'rebatched')


def worker_that_was_replaced_and_goes_on_is_noticed(scene):
    """(P11)"""
    _expect(scene, 'no_owner_check', Situation(
        _replace_a_stopped_worker, rate=1000), 'duplicated')


def failed_record_taken_for_accepted_is_noticed(scene):
    _expect(scene, 'failed_is_accepted', Situation(_fail(
        action='throttle', count=5)), 'lost (raw)', 'early FIN')


def lost_fin_of_a_message_that_comes_again_is_noticed(scene):
    _expect(scene, 'lost_fin', Situation(_disconnect, delay_ms=50, seconds=8),
            'unfinished')


def wrong_number_of_results_taken_for_success_is_noticed(scene):
    _expect(scene, 'count_mismatch', Situation(_fail(
        action='wrong_count', count=4)), 'unrepeated')


def step_too_far_at_the_wrap_is_noticed(scene):
    _expect(scene, 'wrap', Situation(
        _nothing, count=8000, rate=4000, size=2000, seconds=8), 'unfinished')


def shards_never_listed_again_are_noticed(scene):
    _expect(scene, 'stale_map', Situation(_split, seconds=8), 'unfinished')


def batch_given_up_after_a_second_is_noticed(scene):
    _expect(scene, 'expiry', Situation(_fail(
        action='hold_before', count=2)), 'lost (raw)', 'early FIN')


def batch_forgotten_with_its_worker_is_noticed(scene):
    _expect(scene, 'forgotten_intent', Situation(_kill_worker_with_a_request),
            'lost (raw)', 'early FIN')


def damaged_record_that_is_sent_is_noticed(scene):
    """(M3)"""
    _expect(scene, 'no_checksum', Situation(
        _flip_a_body, delay_ms=150, seconds=8), 'altered')


def finished_messages_that_nobody_noted_are_noticed(scene):
    _expect(scene, 'no_log', Situation(_kill_ingest, delay_ms=100),
            'duplicated')


def record_with_the_key_of_another_is_noticed(scene):
    _expect(scene, 'key_index', Situation(_nothing), 'altered')


def every_seeded_bug_has_a_test(scene):
    table = (programs.TOP / 'common' / 'seeded_bugs.tbl').read_text()
    text = (programs.TOP / 'tests' / 'integration' /
            'test_seeded_bugs.py').read_text()

    rows = re.findall(r'^BUG\((\w+),', table, re.MULTILINE)

    assert len(rows) >= 12, rows
    for row in rows:
        assert f"_expect(scene, '{row}'," in text, row
