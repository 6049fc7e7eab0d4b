# SPDX-License-Identifier: Apache-2.0
"""Each process is killed at each step of a message's life.

A build with the option test_hooks has the points of common/crash_points.tbl.
Each gets a bridge of its own between the two simulators, which dies there once
while messages flow, connections break, shards split and requests fail, and
has to go on. The checker then reads what the simulators saw: nothing lost,
order kept, and no copy but of a request that a dead worker had sent and whose
reply it had not taken note of. (P1 to P10)
"""
import concurrent.futures
import pathlib
import re
import subprocess
import threading
import time

from checker.history import Writer, read
from checker.judgement import Judge
from integration.marks import CannotRunHere
from rig import programs
from rig.bridge import Bridge
from rig.processes import NotInTime, wait_until
from rig.simulators import KinesisSimulator, NsqSimulator

TOPIC, CHANNEL, STREAM, RUN, COUNT = 'crash', 'bridge', 'crash', 6, 1500
OPTIONS = (f'--topic={TOPIC}', f'--channel={CHANNEL}', f'--stream={STREAM}',
           '--partition-key=bytes:12:4', '--consumer-opt=msg_timeout,1s',
           '--request-timeout=2s', '--orphan-timeout=500ms')
AT_ONCE = 4
SECONDS = 25  # for one bridge to deliver and stop

# What happens to each bridge; `after` counts requests, or messages.
FAULTS = ({'action': 'throttle', 'after': 3, 'count': 3},
          {'action': 'serialization', 'after': 8, 'count': 1},
          {'action': 'split', 'after': 12, 'count': 1,
           'shard': 'shardId-000000000000'})
CUTS = (400, 900)

# What a point needs beyond that.
MORE_FAULTS = {
    'halved': ({'action': 'validation', 'after': 5, 'count': 2},),
    'stream_lost': ({'action': 'not_found', 'after': 5, 'count': 1},),
    'divided_anew': ({'action': 'throttle', 'after': 8, 'count': 40},),
    'target_changed': ({'action': 'hold_before', 'after': 4, 'count': 3},),
}

# After the split the queues are exchanged, if messages flow for long enough.
SWITCHING = ('queue_dropped', 'layout_dropped', 'ingest_paused',
             'queues_switch')
RATE, SWITCHING_RATE = 3000, 1000

# A queue holds 4 MiB; its end is reached with larger messages only.
SIZE, LARGE_SIZE = 250, 9000
LARGE = ('padding_written',)


class Watch(threading.Thread):
    """Tells the history when the token went, which is when somebody died."""

    def __init__(self, token, history, process):
        super().__init__(daemon=True)
        self._token, self._history = token, history
        self._process = process
        self._is_over = threading.Event()

    def run(self):
        seen = time.monotonic_ns()
        while self._token.exists():
            seen = time.monotonic_ns()
            if self._is_over.wait(0.002):
                return
        # The signal comes right behind the token's end.
        time.sleep(0.01)
        self._history.write('fault', 'kill', who=self._process, since=seen)

    def stop(self):
        self._is_over.set()
        self.join()


class Life:
    """One bridge, the point where it dies, and all that it meets."""

    def __init__(self, folder, build, point, process):
        folder.mkdir()
        self._folder, self._build, self._point = folder, build, point
        self._ended = []
        self.token = folder / 'token'
        self.token.touch()
        self._history = self._own(Writer(folder / 'history-stage'))
        self._history.write('publisher', 'run', run=RUN,
                            partition_key='bytes:12:4')
        self._kinesis = self._own(KinesisSimulator(folder, [
            f'--stream={STREAM}:2', '--delay-ms=10',
            f'--history={folder / "history-kinesis"}']))
        self._nsq = self._own(NsqSimulator(folder, TOPIC, COUNT, [
            '--body=binary', '--keys=50', f'--seed={RUN}',
            f'--rate={SWITCHING_RATE if point in SWITCHING else RATE}',
            f'--size={LARGE_SIZE if point in LARGE else SIZE}',
            f'--history={folder / "history-nsq"}'],
            stays=True))
        for fault in (*FAULTS, *MORE_FAULTS.get(point, ())):
            self._kinesis.misbehave(on='PutRecords', **fault)
        for after in CUTS:
            self._nsq.misbehave(after=after, action='disconnect')
        self._watch = Watch(self.token, self._history, process)
        self._watch.start()
        self.bridge = None
        self._start()

    def _own(self, what):
        self._ended.append(what)
        return what

    def _start(self):
        name = self.bridge.name if self.bridge else None
        self.bridge = self._own(Bridge(
            self._folder,
            [*OPTIONS,
             f'--settle-time={"100ms" if self._point in SWITCHING else 0}',
             f'--nsqd-tcp-address={self._nsq.tcp_address}',
             f'--endpoint-url={self._kinesis.endpoint_url}'],
            {'N2K_CRASH': f'{self._point}:1:{self.token}'}, name=name,
            build=self._build, kind='crash'))

    def _go_on(self):
        """A dead supervisor is started again, as by systemd."""
        if self.bridge.program.exit_status is not None:
            self._start()

    def _is_done(self):
        self._go_on()
        return self._nsq.statistics()['finished'] == COUNT

    def _is_stopped(self):
        if self.bridge.program.exit_status == 0:
            return True
        if self.bridge.program.exit_status is not None:
            self._start()
            self.bridge.wait_until_started()
            self.bridge.program.send(15)
        return False

    def live(self):
        """Deliver everything and stop."""
        wait_until(self._is_done, 'every message is finished', SECONDS)
        self.bridge.program.send(15)
        wait_until(self._is_stopped, 'the bridge has stopped', SECONDS)

    def end(self):
        self._watch.stop()
        for what in reversed(self._ended):
            what.end()

    def judge(self):
        judge = Judge(everything_arrived=True)
        judge.take(read(sorted(self._folder.glob('history-*'))))
        return judge.verdict()


def _points(build):
    text = subprocess.run(
        [programs.of_the_bridge('nsq_to_kinesis', build),
         '--list-crash-points'], capture_output=True, text=True,
        check=True).stdout
    return [line.split('\t')[:2] for line in text.splitlines()]


def _survive(scene, build, point, process):
    """None, or what went wrong."""
    life = Life(scene.folder / point, build, point, process)
    try:
        life.live()
    except (NotInTime, AssertionError) as wrong:
        return f'{wrong}\n{life.bridge.program.last_lines()}'
    finally:
        life.end()
    if life.token.exists():
        return 'nobody passed this point'
    verdict = life.judge()
    return None if verdict.is_good else f'{dict(verdict.violations)}'


def each_process_may_die_at_each_point(scene):
    build = programs.hooks_folder()
    if not build:
        raise CannotRunHere('there is no build with the option test_hooks')
    points = [point for point in _points(build)
              if point[0] not in SHOWN_ELSEWHERE]
    assert len(points) >= 40, points

    with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
        runs = {point: pool.submit(_survive, scene, build, point, process)
                for point, process in points}
        wrong = {point: run.result() for point, run in runs.items()}

    told = '\n'.join(f'{point}: {what}' for point, what in wrong.items()
                     if what)
    assert not told, told


# A message of a megabyte is no message of the checker's kind. Letters:
# test_refused.py; the log of another size: test_redelivery.py.
SHOWN_ELSEWHERE = ('too_large', 'letter_boxed', 'letter_safe', 'letter_noted',
                   'log_copied')


def every_crash_point_stands_in_the_sources_once(scene):
    del scene
    table = (programs.TOP / 'common' / 'crash_points.tbl').read_text()
    rows = re.findall(r'^CRASH\((\w+),', table, re.MULTILINE)
    text = '\n'.join(path.read_text() for folder in
                     ('common', 'shard', 'ingest', 'egress', 'tools')
                     for path in pathlib.Path(programs.TOP / folder).rglob('*.c')
                     if path.name != 'crash_point.c')
    used = re.findall(r'\bCRASH_POINT\((\w+)\);', text)
    assert sorted(used) == sorted(rows), set(used) ^ set(rows)
