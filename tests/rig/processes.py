# SPDX-License-Identifier: Apache-2.0
"""processes - start a program, await what it does, end it.

Every program runs in a session of its own, so that Ctrl-C reaches only us and
we decide the order in which things end. Only processes started here, and
their children, are ever signalled, by their number. Waiting means looking at
a condition again every few milliseconds; nothing sleeps for a guessed time.
"""
import os
import pathlib
import re
import signal
import socket
import subprocess
import time

LOOK_AGAIN_SECONDS = 0.01


class NotInTime(Exception):
    """What we waited for did not happen."""


def wait_until(condition, what, seconds=10):
    """Return the first true value of condition()."""
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        if time.monotonic() > deadline:
            raise NotInTime(f'after {seconds:g} seconds still not: {what}')
        time.sleep(LOOK_AGAIN_SECONDS)
    return value


def free_port():
    """A loopback port that nobody listens on at the moment."""
    with socket.socket() as listener:
        listener.bind(('127.0.0.1', 0))
        return listener.getsockname()[1]


class Program:
    """One running program; its standard error and output go to log_path."""

    def __init__(self, title, arguments, log_path, environment=None):
        self.title = title
        self.arguments = [str(argument) for argument in arguments]
        self.log_path = pathlib.Path(log_path)
        self._log = open(self.log_path, 'ab')
        self._popen = subprocess.Popen(
            self.arguments, stdin=subprocess.DEVNULL, stdout=self._log,
            stderr=self._log, start_new_session=True,
            env=None if environment is None else {**os.environ, **environment})
        self.pid = self._popen.pid

    @property
    def exit_status(self):
        """None while it runs; negative: the signal that ended it."""
        return self._popen.poll()

    def log(self):
        return self.log_path.read_text(errors='replace')

    def last_lines(self, count=15):
        return '\n'.join(self.log().splitlines()[-count:])

    def wait_for_line(self, pattern, seconds=10):
        """Return the match of the first line of the log that has pattern."""
        def match():
            found = re.search(pattern, self.log())
            if not found and self.exit_status is not None:
                raise NotInTime(f'{self.title} ended with {self.exit_status} '
                                f'before {pattern!r}:\n{self.last_lines()}')
            return found
        try:
            return wait_until(match, pattern, seconds)
        except NotInTime as late:
            raise NotInTime(f'{self.title}: {late}') from None

    def wait(self, seconds=30):
        """Return the exit status once it has ended."""
        try:
            return self._popen.wait(seconds)
        except subprocess.TimeoutExpired:
            raise NotInTime(f'{self.title} is still running after {seconds:g} '
                            f'seconds:\n{self.last_lines()}') from None

    def send(self, number):
        if self.exit_status is None:
            os.kill(self.pid, number)

    def end(self, seconds=10):
        """Ask it to stop; if it does not, end it and its children."""
        self.send(signal.SIGTERM)
        try:
            self.wait(seconds)
        except NotInTime:
            pass
        self.kill()

    def kill(self):
        """End it and whatever it started, at once."""
        try:
            os.killpg(self.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self._popen.wait()
        self._log.close()


def children_of(pid):
    """Process numbers of the children of pid; empty if it has ended."""
    numbers = []
    for path in pathlib.Path(f'/proc/{pid}/task').glob('*/children'):
        try:
            numbers += [int(word) for word in path.read_text().split()]
        except OSError:
            pass
    return numbers


def command_line_of(pid):
    """Arguments of pid; empty if it has ended."""
    try:
        text = pathlib.Path(f'/proc/{pid}/cmdline').read_bytes().decode()
    except OSError:
        return []
    return text.split('\0')[:-1]


def pids_with_argument(argument):
    """Process numbers of all that have this word in their command line."""
    numbers = (int(path.name) for path in pathlib.Path('/proc').glob('[0-9]*'))
    return sorted(pid for pid in numbers if argument in command_line_of(pid))


def is_alive(pid):
    """Whether it runs; one that nobody has waited for does not."""
    try:
        return _stat_fields(pid)[0] not in 'ZX'
    except OSError:
        return False


def _stat_fields(pid):
    """Fields of /proc/PID/stat from the third on, see proc(5)."""
    text = pathlib.Path(f'/proc/{pid}/stat').read_text()
    return text.rpartition(')')[2].split()


def cpu_seconds_of(pid, with_ended_children=False):
    """User and system time of pid, and of the children it has waited for."""
    try:
        fields = _stat_fields(pid)
    except OSError:
        return 0.0
    ticks = sum(int(fields[place])
                for place in ((11, 12, 13, 14) if with_ended_children
                              else (11, 12)))
    return ticks / os.sysconf('SC_CLK_TCK')


def _smaps_bytes_of(pid, what):
    try:
        text = pathlib.Path(f'/proc/{pid}/smaps_rollup').read_text()
    except OSError:
        return 0
    found = re.search(rf'^{what}:\s+(\d+) kB', text, re.MULTILINE)
    return int(found.group(1)) * 1024 if found else 0


def memory_bytes_of(pid):
    """Proportional set size of pid: shared pages are counted by shares."""
    return _smaps_bytes_of(pid, 'Pss')


def heap_bytes_of(pid):
    """What belongs to no file: it does not depend on who else is running."""
    return _smaps_bytes_of(pid, 'Anonymous')
