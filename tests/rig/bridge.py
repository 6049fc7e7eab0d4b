# SPDX-License-Identifier: Apache-2.0
"""bridge - one nsq_to_kinesis with its children, as a user starts it."""
import json
import os
import pathlib
import re
import signal
import subprocess

from rig import programs
from rig.kinesis import KEYS, REGION
from rig.processes import (Program, children_of, command_line_of,
                           cpu_seconds_of, heap_bytes_of, memory_bytes_of,
                           pids_with_argument, wait_until)

# Nothing of the machine's own AWS set-up may leak into a test.
ENVIRONMENT = {**KEYS, 'AWS_REGION': REGION, 'AWS_CONFIG_FILE': '/dev/null',
               'AWS_SHARED_CREDENTIALS_FILE': '/dev/null',
               'AWS_EC2_METADATA_DISABLED': 'true'}


class Bridge:
    """options: a list of command line words, complete but for --name.

    wrapper: words in front of the command, for a program that ends in exec.
    name: of a bridge that was, whose segments shall be found again.
    build: folder of the programs, if not that of all tests.
    """

    def __init__(self, folder, options, environment=None, wrapper=(),
                 kind='test', name=None, build=None):
        self.name = name or f'{kind}-{os.urandom(4).hex()}'
        self.program = Program(
            'nsq_to_kinesis',
            [*wrapper, programs.of_the_bridge('nsq_to_kinesis', build),
             f'--name={self.name}', *options],
            pathlib.Path(folder) / f'bridge-{self.name}-{id(self)}.log',
            {**ENVIRONMENT, **(environment or {})})

    def _children(self, kind):
        """(pid, arguments) of the running children of one program.

        Found by the bridge's name: adopted ones have another parent."""
        found = []
        for pid in pids_with_argument(f'--name={self.name}'):
            arguments = command_line_of(pid)
            if (arguments and os.path.basename(arguments[0]) ==
                    f'nsq_to_kinesis-{kind}'):
                found.append((pid, arguments))
        return found

    def ingest(self):
        """Process number of ingest; None if it does not run."""
        return next((pid for pid, _ in self._children('ingest')), None)

    def worker(self, index):
        """Process number of an egress worker; None if it does not run."""
        for pid, arguments in self._children('egress'):
            text = ' '.join(arguments)
            found = re.search(r'--worker-index[= ](\d+)', text)
            if '--survey' not in arguments and index == (
                    int(found.group(1)) if found else 0):
                return pid
        return None

    def wait_until_started(self, worker_count=1, seconds=15):
        def started():
            if self.program.exit_status is not None:
                raise AssertionError(
                    f'the bridge ended with {self.program.exit_status}:\n'
                    f'{self.program.last_lines()}')
            return self.ingest() and all(
                self.worker(index) for index in range(worker_count))
        wait_until(started, 'ingest and egress are running', seconds)

    def readiness_count(self, child):
        """How often a child, such as egress[0], said that it works."""
        return self.program.log().count(f'child_ready child={child} ')

    def kill_worker(self, index):
        """SIGKILL one egress worker; returns its process number."""
        pid = self.worker(index)
        os.kill(pid, signal.SIGKILL)
        return pid

    def kill_ingest(self):
        pid = self.ingest()
        os.kill(pid, signal.SIGKILL)
        return pid

    def _pids(self):
        return [self.program.pid, *children_of(self.program.pid)]

    def cpu_seconds(self):
        """Of all its processes so far, those that ended among them."""
        return (cpu_seconds_of(self.program.pid, with_ended_children=True) +
                sum(map(cpu_seconds_of, children_of(self.program.pid))))

    def memory_bytes(self):
        return sum(map(memory_bytes_of, self._pids()))

    def counter(self, name, process='ingest'):
        """One counter of a process as it is now, or was at its end."""
        text = subprocess.run(
            [programs.of_the_bridge('nsq_to_kinesis-inspect'), 'counters',
             f'--name={self.name}', '--json'],
            capture_output=True, text=True, check=True).stdout
        for line in text.splitlines():
            row = json.loads(line)
            if (row['process'], row['name']) == (process, name):
                return row['value']
        raise KeyError(f'{process} has no counter {name}')

    def heap_bytes(self):
        """Of all its processes, shared memory and programs not counted."""
        return sum(map(heap_bytes_of, self._pids()))

    def finds_in_command_lines(self, text):
        return any(text in word for pid in self._pids()
                   for word in command_line_of(pid))

    def stop(self, seconds=30):
        """SIGTERM as an operator sends it; returns the exit status."""
        self.program.send(signal.SIGTERM)
        return self.program.wait(seconds)

    def segments(self):
        """Shared memory that carries this bridge's name."""
        return sorted(pathlib.Path('/dev/shm').glob(
            f'nsq_to_kinesis.{self.name}.*'))

    def lose_roster(self):
        """Nothing tells the next supervisor who still works."""
        pathlib.Path(
            f'/dev/shm/nsq_to_kinesis.{self.name}.lock').write_bytes(b'')

    def end(self):
        """End it if it still runs and take its shared memory away."""
        if self.program.exit_status is None:
            self.program.end(5)
        else:
            self.program.kill()
        for path in self.segments():
            path.unlink(missing_ok=True)
