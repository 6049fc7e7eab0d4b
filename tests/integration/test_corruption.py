# SPDX-License-Identifier: Apache-2.0
"""Damaged shared memory is noticed, told, set aside and never sent.

Each kind of damage gets a bridge of its own between the two simulators. It is
done to the queue of a bridge whose processes were all killed, or to one that
is at work; afterwards every message must be in the stream, as it was offered,
and finished. What the damage took was not finished, so nsqd delivers it again.
(M1, M2, M3, P15)
"""
import concurrent.futures
import dataclasses
import mmap
import os
import pathlib
import re
import struct
import time
import typing

from checker.history import Writer, read
from checker.judgement import Judge
from rig.bridge import Bridge
from rig.processes import NotInTime, wait_until
from rig.simulators import KinesisSimulator, NsqSimulator

TOPIC, CHANNEL, STREAM, RUN, COUNT = 'damage', 'bridge', 'damage', 8, 1500
OPTIONS = (f'--topic={TOPIC}', f'--channel={CHANNEL}', f'--stream={STREAM}',
           '--partition-key=bytes:12:4', '--consumer-opt=msg_timeout,1s',
           '--request-timeout=2s')
AT_ONCE = 4
SECONDS = 25  # for one bridge to deliver and stop

# Of shard/queue_layout.h.
VERSION, CAPACITY = 8, 64
COMMITTED, RELEASED, FINISHED = 4096, 4096 + 384, 4096 + 128
RING = 8192
HEADER = 64


class Queue:
    """The bytes of one queue, as anybody could write them."""

    def __init__(self, path):
        self.path = pathlib.Path(path)
        with open(self.path, 'r+b') as file:
            self.bytes = mmap.mmap(file.fileno(), 0)

    def word(self, place):
        return struct.unpack_from('<Q', self.bytes, place)[0]

    def store(self, place, value):
        struct.pack_into('<Q', self.bytes, place, value)

    def turn(self, place, mask=1):
        self.bytes[place] ^= mask

    def waiting(self):
        """Places of the headers of records that are not released, in order."""
        capacity = self.word(CAPACITY)
        position, places = self.word(RELEASED), []
        while position < self.word(COMMITTED):
            place = RING + position % capacity
            length, kind = struct.unpack_from('<IB', self.bytes, place)
            if kind == 1:
                places.append(place)
            position += (length + 7) & ~7
        return places

    def last_waiting(self):
        """The one that is sent last: all of them are whole yet."""
        return self.waiting()[-1]

    def cut(self, length):
        self.bytes.close()
        os.truncate(self.path, length)


def flip_body(queue):
    queue.turn(queue.last_waiting() + HEADER + 20, 0x10)


def _flip_id(queue):
    queue.turn(queue.last_waiting() + 20)


def _change_length(queue):
    queue.turn(queue.last_waiting() + 1)


def _give_verdict(queue):
    queue.bytes[queue.last_waiting() + 5] = 1


def _unlink(queue):
    queue.path.unlink()


@dataclasses.dataclass
class Damage:
    harm: typing.Callable  # takes a Queue
    words: str  # somebody says so
    is_kept: bool | None = True  # as *.damaged; None: as it comes
    needs_kill: bool = False  # nobody notices before a worker is replaced


# What is done to a queue that nobody uses.
AT_REST = {
    'magic': Damage(lambda queue: queue.turn(0), 'not made by this program'),
    'version': Damage(lambda queue: queue.turn(VERSION), 'has version'),
    'capacity': Damage(lambda queue: queue.turn(CAPACITY + 2, 0xff),
                       'sizes cannot be'),
    'truncated': Damage(lambda queue: queue.cut(RING + 4096), 'bytes and says'),
    'emptied': Damage(lambda queue: queue.cut(0), 'only 0 bytes'),
    'body': Damage(flip_body, 'is not what ingest wrote'),
    'id': Damage(_flip_id, 'is not what ingest wrote'),
    'length': Damage(_change_length, 'record'),
    'verdict': Damage(_give_verdict, 'verdict that cannot be'),
    'released': Damage(lambda queue: queue.store(RELEASED, 2 ** 63),
                       'positions that cannot be'),
    'removed': Damage(_unlink, 'queues_missing', is_kept=False),
}

# To one that is at work. The owner of a position that was changed may overwrite
# it with the right one: `released` after ingest has noticed, `committed` always.
IN_USE = {
    'body': Damage(flip_body, 'queue_damaged'),
    'length': Damage(_change_length, 'queue_damaged'),
    'released': Damage(lambda queue: queue.store(RELEASED, 2 ** 62),
                       'cannot be true', is_kept=None),
    'truncated': Damage(lambda queue: queue.cut(RING + 4096), 'segment_gone'),
    'emptied': Damage(lambda queue: queue.cut(0), 'segment_gone'),
    'removed': Damage(_unlink, 'there is no queue', is_kept=False,
                      needs_kill=True),
}


class Life:
    """A bridge that is slow enough for its queues to hold something."""

    def __init__(self, folder):
        folder.mkdir()
        self._folder, self._ended, self.bridge = folder, [], None
        self.history = self._own(Writer(folder / 'history-stage'))
        self.history.write('publisher', 'run', run=RUN,
                           partition_key='bytes:12:4')
        self._kinesis = self._own(KinesisSimulator(folder, [
            f'--stream={STREAM}:2', '--delay-ms=150',
            f'--history={folder / "history-kinesis"}']))
        self._nsq = self._own(NsqSimulator(folder, TOPIC, COUNT, [
            '--body=binary', '--size=250', '--keys=50', f'--seed={RUN}',
            '--rate=3000', f'--history={folder / "history-nsq"}'], stays=True))
        self.start()

    def _own(self, what):
        self._ended.append(what)
        return what

    def start(self):
        name = self.bridge.name if self.bridge else None
        self.bridge = self._own(Bridge(
            self._folder,
            [*OPTIONS, f'--nsqd-tcp-address={self._nsq.tcp_address}',
             f'--endpoint-url={self._kinesis.endpoint_url}'], name=name,
            kind='damage'))

    def log(self):
        return '\n'.join(path.read_text()
                         for path in sorted(self._folder.glob('bridge-*')))

    def queue(self):
        """The second queue, when much waits in it."""
        path = pathlib.Path(
            f'/dev/shm/nsq_to_kinesis.{self.bridge.name}.g1.q1')
        wait_until(path.exists, 'the queue is there')
        wait_until(lambda: self._kinesis.statistics()['records'] >= 2,
                   'records are stored')
        queue = Queue(path)
        wait_until(lambda: len(queue.waiting()) > 80, 'records wait')
        return queue

    def kill_all(self):
        """Every process, at once."""
        since = time.monotonic_ns()
        self.bridge.program.kill()
        self.history.write('fault', 'kill', who='all', since=since)

    def harm(self, damage):
        since = time.monotonic_ns()
        damage.harm(self.queue())
        if damage.needs_kill:
            self.bridge.kill_worker(0)
            self.history.write('fault', 'kill', who='egress[0]', since=since)
        return since

    def note_damage(self, since):
        self.history.write('fault', 'damage', who='queue', since=since)

    def finish(self):
        wait_until(lambda: self._nsq.statistics()['finished'] == COUNT,
                   'every message is finished', SECONDS)
        assert self.bridge.stop() == 0, self.bridge.program.last_lines()

    def judge(self):
        judge = Judge(everything_arrived=True)
        judge.take(read(sorted(self._folder.glob('history-*'))))
        return judge.verdict()

    def end(self):
        for what in reversed(self._ended):
            what.end()


def _expect_told(life, damage):
    """In the log; and set aside, if it can be, for the operator."""
    log = life.log()
    assert damage.words in log, f'{damage.words!r} is missing in:\n{log}'
    kept = [path.name for path in life.bridge.segments()]
    if damage.is_kept:
        assert re.search(r'segment_set_aside segment=\S+\.g1\.q1 ', log), log
        assert [name[-8:] for name in kept] == ['.damaged'], kept
    elif damage.is_kept is False:
        assert not kept, kept


def _judge(life):
    verdict = life.judge()
    assert verdict.is_good, (dict(verdict.violations), dict(verdict.examples))


def _survive_at_rest(folder, damage):
    life = Life(folder)
    try:
        queue = life.queue()
        life.kill_all()
        since = time.monotonic_ns()
        damage.harm(queue)
        life.start()
        life.finish()
        life.note_damage(since)
        _expect_told(life, damage)
    except (NotInTime, AssertionError) as wrong:
        return f'{wrong}\n{life.log()}'
    finally:
        life.end()
    _judge(life)
    return None


def _survive_in_use(folder, damage):
    life = Life(folder)
    try:
        since = life.harm(damage)
        life.finish()
        life.note_damage(since)
        _expect_told(life, damage)
        assert life.log().count('shared_memory_damaged') == 1, 'once'
    except (NotInTime, AssertionError) as wrong:
        return f'{wrong}\n{life.log()}'
    finally:
        life.end()
    _judge(life)
    return None


def _expect_survival(scene, survive, damages):
    with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
        runs = {name: pool.submit(survive, scene.folder / name, damage)
                for name, damage in damages.items()}
        wrong = {}
        for name, run in runs.items():
            try:
                wrong[name] = run.result()
            except AssertionError as why:
                wrong[name] = str(why)
    told = '\n'.join(f'{name}: {why}' for name, why in wrong.items() if why)
    assert not told, told


def damage_at_rest_costs_one_queue_and_no_message(scene):
    _expect_survival(scene, _survive_at_rest, AT_REST)


# What else a bridge leaves, and what is said when it is cut.
OTHERS = {'layout': 'segment_set_aside', 'wakeup': '', 'counters.ingest': '',
          'sources': 'sources_replaced', 'acknowledged': 'log_replaced'}


def _survive_cut(folder, part):
    life = Life(folder)
    try:
        path = life.queue().path.with_name(
            f'nsq_to_kinesis.{life.bridge.name}.{part}')
        life.kill_all()
        since = time.monotonic_ns()
        os.truncate(path, 100)
        life.start()
        life.finish()
        life.note_damage(since)
        assert OTHERS[part] in life.log(), life.log()
    except (NotInTime, AssertionError) as wrong:
        return f'{wrong}\n{life.log()}'
    finally:
        life.end()
    _judge(life)
    return None


def other_segments_that_are_cut_cost_no_message(scene):
    _expect_survival(scene, _survive_cut, {part: part for part in OTHERS})


def damage_in_use_costs_one_queue_and_no_message(scene):
    _expect_survival(scene, _survive_in_use, IN_USE)
