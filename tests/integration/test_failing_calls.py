# SPDX-License-Identifier: Apache-2.0
"""The n-th call of a kind fails, once, in each process, for all n.

A library that is preloaded (tests/support/failing_calls.c) counts the calls of
one process and lets one fail, as when memory, descriptors or the network are
short. Each bridge lives between two simulators of its own; whatever failed, it
has to deliver every message, as it was and in order, finish it, and stop. Who
cannot go on says so in one sentence and is started again. (M7, P13)
"""
import concurrent.futures
import os
import re
import shutil
import socket
import struct
import threading
import time

from checker.history import Writer, read
from checker.judgement import Judge
from rig import programs
from rig.bridge import Bridge
from rig.processes import NotInTime, is_alive, wait_until
from rig.simulators import (KinesisSimulator, KinesisSimulatorTls,
                            NsqSimulator)

TOPIC, CHANNEL, STREAM, RUN, COUNT = 'calls', 'bridge', 'calls', 9, 300
OPTIONS = (f'--topic={TOPIC}', f'--channel={CHANNEL}', f'--stream={STREAM}',
           '--partition-key=bytes:12:4', '--consumer-opt=msg_timeout,1s',
           '--request-timeout=2s', '--orphan-timeout=500ms')
AT_ONCE = 4
SECONDS = 20  # for one bridge to deliver and stop
UNREAD_NS = 20_000_000

TABLE = programs.TOP / 'tests' / 'support' / 'failing_calls.tbl'
CALLS = re.findall(r'^CALL\((\w+),', TABLE.read_text(), re.MULTILINE)


def _library():
    return next(programs.build_folder().rglob('libfailing_calls.so'))


class Counts:
    """What the library counted in one life."""

    def __init__(self, path):
        words = struct.unpack(f'<{len(CALLS) + 2}Q', path.read_bytes()
                              .ljust(8 * (len(CALLS) + 2), b'\0'))
        self.processes, self.failed_pid = words[0], words[-1]
        self.calls = dict(zip(CALLS, words[1:-1]))


class Watch(threading.Thread):
    """Tells the history that a process died of the call that failed."""

    def __init__(self, counts, history, role):
        super().__init__(daemon=True)
        self._counts, self._history, self._role = counts, history, role
        self._is_over = threading.Event()

    def run(self):
        seen = since = time.monotonic_ns()
        while not (pid := Counts(self._counts).failed_pid):
            since, seen = seen, time.monotonic_ns()
            if self._is_over.wait(0.002):
                return
        # A reply that was sent before may have been unread when it failed.
        since -= UNREAD_NS
        while is_alive(pid):
            if self._is_over.wait(0.002):
                return
        # Nobody but the role counts as a sender for the checker.
        self._history.write('fault', 'kill', who=self._role, since=since)

    def stop(self):
        self._is_over.set()
        self.join()


class Life:
    """One bridge in which call number `number` of one role fails."""

    def __init__(self, folder, call, number, role, more=(),
                 server=KinesisSimulator, faults=()):
        folder.mkdir()
        self._folder, self._ended, self._more = folder, [], [*more]
        # Out of memory, getaddrinfo() of glibc 2.36 ends the process itself.
        self._needs_names = call == 'getaddrinfo'
        self._counts = folder / 'counts'
        self._counts.touch()
        self._environment = {
            'LD_PRELOAD': str(_library()),
            'FAILING_CALLS': f'{call}:{number}:{role}',
            'FAILING_CALLS_COUNTS': str(self._counts)}
        self.history = self._own(Writer(folder / 'history-stage'))
        self.history.write('publisher', 'run', run=RUN,
                           partition_key='bytes:12:4')
        self._kinesis = self._own(server(folder, [
            f'--stream={STREAM}:2', '--delay-ms=5',
            f'--history={folder / "history-kinesis"}']))
        for fault in faults:
            self._kinesis.misbehave(**fault)
        # Where TLS was broken for a whole process, that takes time to see.
        self._seconds = SECONDS + (20 if self._kinesis.ca_file else 0)
        if self._kinesis.ca_file:
            self._more.append(f'--ca-file={self._kinesis.ca_file}')
        self._nsq = self._own(NsqSimulator(folder, TOPIC, COUNT, [
            '--body=binary', '--size=250', '--keys=20', f'--seed={RUN}',
            '--rate=3000', f'--history={folder / "history-nsq"}'], stays=True))
        self._watch = Watch(self._counts, self.history, role)
        self._watch.start()
        self.bridge = None
        self._start()

    def _own(self, what):
        self._ended.append(what)
        return what

    def _start(self):
        name = self.bridge.name if self.bridge else None
        where = [f'--nsqd-tcp-address={self._nsq.tcp_address}',
                 f'--endpoint-url={self._kinesis.endpoint_url}']
        if self._needs_names:
            where = [word.replace('127.0.0.1', 'localhost') for word in where]
        self.bridge = self._own(Bridge(
            self._folder, [*OPTIONS, *self._more, *where], self._environment,
            name=name, kind='calls'))

    @property
    def endpoint_url(self):
        return self._kinesis.endpoint_url

    def lose_kinesis(self):
        self._kinesis.end()

    def log(self):
        return '\n'.join(path.read_text()
                         for path in sorted(self._folder.glob('bridge-*')))

    def _is_done(self):
        if self.bridge.program.exit_status is not None:
            self._start()  # as systemd does
        return self._nsq.statistics()['finished'] == COUNT

    def _is_stopped(self):
        if self.bridge.program.exit_status == 0:
            return True
        if self.bridge.program.exit_status is not None:
            self._start()
            self.bridge.wait_until_started()
            self.bridge.program.send(15)
        return False

    def statuses(self):
        """How its processes ended, that ended before they were to."""
        return re.findall(r'child_ended child=\S+ pid=\d+ '
                          r'((?:status|signal)=(?!0)\w+)', self.log())

    def live(self):
        wait_until(self._is_done, 'every message is finished', self._seconds)
        self.bridge.program.send(15)
        wait_until(self._is_stopped, 'the bridge has stopped', self._seconds)

    def counts(self):
        return Counts(self._counts)

    def end(self):
        self._watch.stop()
        for what in reversed(self._ended):
            what.end()

    def judge(self):
        judge = Judge(everything_arrived=True)
        judge.take(read(sorted(self._folder.glob('history-*'))))
        return judge.verdict()


def _complaint(life, role):
    """What was wrong with a life, or None."""
    verdict = life.judge()
    log, statuses = life.log(), life.statuses()
    if role == 'supervisor':  # it ends children that it cannot watch
        statuses = [one for one in statuses if one != 'signal=KILL']
    if not verdict.is_good:
        return f'{dict(verdict.violations)} {dict(verdict.examples)}\n{log}'
    if any(status.startswith('signal') for status in statuses):
        return f'{statuses}\n{log}'
    if statuses and not re.search(r' (fatal|error) .*(why|reason)=', log):
        return f'{statuses} and no sentence\n{log}'
    return None


def _survive(folder, call, number, role, more=(), server=KinesisSimulator):
    """(counts, None or what went wrong)."""
    life = Life(folder, call, number, role, more, server)
    try:
        life.live()
        counts = life.counts()
    except (NotInTime, AssertionError) as wrong:
        return life.counts(), f'{wrong}\n{life.log()}'
    finally:
        life.end()
    complaint = _complaint(life, role)
    shutil.rmtree(folder)
    return counts, complaint


def _numbers(count, all_until, steps):
    """All numbers to `all_until`, then about so many up to the last."""
    if os.environ.get('N2K_LONG'):
        return list(range(1, count + 1))
    stride = max(1, (count - all_until) // steps)
    return [*range(1, min(all_until, count) + 1),
            *range(all_until + stride, count + 1, stride)]


def _sweep(scene, role, calls, all_until=40, steps=15, more=(),
           server=KinesisSimulator):
    """A life for each number of each call, as many as a whole life makes."""
    whole, wrong = _survive(scene.folder / 'whole', calls[0], 0, role, more,
                            server)
    assert not wrong and whole.processes == 1 and not whole.failed_pid, wrong
    with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
        lives = {(call, number): pool.submit(
            _survive, scene.folder / f'{call}-{number}', call, number, role,
            more, server)
                 for call in calls
                 for number in _numbers(whole.calls[call], all_until, steps)}
        results = {which: life.result() for which, life in lives.items()}
    told = '\n'.join(f'{call} {number}: {what}' for (call, number), (_, what)
                     in results.items() if what)
    assert not told, told
    # No two lives make quite the same calls, but most must have met theirs.
    met = sum(counts.failed_pid != 0 for counts, _ in results.values())
    assert lives and met > 0.8 * len(lives), f'{met} of {len(lives)}'


SYSTEM = tuple(call for call in CALLS if call != 'allocate')


def supervisor_bears_each_call_that_fails(scene):
    _sweep(scene, 'supervisor', SYSTEM)


def survey_bears_each_call_that_fails(scene):
    _sweep(scene, 'survey', SYSTEM)


def ingest_bears_each_call_that_fails(scene):
    _sweep(scene, 'ingest', SYSTEM)


def ingest_with_epoll_bears_each_call_that_fails(scene):
    _sweep(scene, 'ingest', ('connect', 'send', 'recv', 'write', 'epoll_ctl',
                             'epoll_wait'), 20, 8, more=('--io=epoll',))


def egress_bears_each_call_that_fails(scene):
    _sweep(scene, 'egress', SYSTEM)


def names_that_cannot_be_looked_up_are_tried_again(scene):
    for role in ('survey', 'ingest', 'egress'):
        counts, wrong = _survive(scene.folder / role, 'getaddrinfo', 1, role)
        assert not wrong, wrong
        assert counts.failed_pid or role != 'ingest', 'nobody asked'


def ingest_bears_each_allocation_that_fails(scene):
    _sweep(scene, 'ingest', ('allocate',), all_until=200)


# Most of these are OpenSSL's, and of no consequence.
def survey_bears_allocations_that_fail(scene):
    _sweep(scene, 'survey', ('allocate',), steps=60)


def egress_bears_allocations_that_fail(scene):
    _sweep(scene, 'egress', ('allocate',), steps=60)


def _refuse_tls(listener):
    """Answer whatever comes with something that is no TLS."""
    while True:
        try:
            connection, _ = listener.accept()
        except OSError:
            return
        with connection:
            connection.recv(4096)  # or closing would be a reset
            connection.sendall(b'HTTP/1.1 400 Bad Request\r\n\r\n')


def worker_without_tls_lets_another_try(scene):
    """An allocation that failed may have broken it for the whole process."""
    # Slow, so that there is something to send afterwards.
    life = Life(scene.folder / 'life', 'allocate', 0, 'egress',
                server=KinesisSimulatorTls,
                faults=[{'on': 'PutRecords', 'action': 'delay',
                         'delay_ms': 5000, 'count': 10**6}])
    port = int(life.endpoint_url.rpartition(':')[2])
    try:
        life.bridge.wait_until_started()
        life.lose_kinesis()
        with socket.create_server(('127.0.0.1', port)) as listener:
            threading.Thread(target=_refuse_tls, args=(listener,),
                             daemon=True).start()
            life.bridge.program.wait_for_line(
                r'fatal egress\[0\] stopping why="TLS with the endpoint fails',
                60)  # ten seconds, and the wait before the next try
            wait_until(lambda: life.bridge.readiness_count('egress[0]') > 1,
                       'another worker tries')
    finally:
        life.end()


def egress_with_tls_bears_calls_that_fail(scene):
    _sweep(scene, 'egress', ('allocate', 'open', 'socket', 'connect', 'send',
                             'recv', 'write'), all_until=10, steps=20,
           server=KinesisSimulatorTls)
