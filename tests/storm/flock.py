# SPDX-License-Identifier: Apache-2.0
"""flock - one bridge that is kept running while its processes are killed.

Its name stays, so whoever starts next finds the segments of the last. A
supervisor that was killed leaves its children to themselves; the next one is
started at once and again until it stays, because it may have to wait for them.
"""
import os
import re
import signal
import threading
import time

from rig.bridge import Bridge
from rig.processes import children_of, command_line_of

LOOK_AGAIN_SECONDS = 0.01


def _role_of(pid):
    """'ingest', 'egress[1]', 'survey', or None if it has ended."""
    arguments = command_line_of(pid)
    kind = os.path.basename(arguments[0]) if arguments else ''
    if kind == 'nsq_to_kinesis-ingest':
        return 'ingest'
    if kind != 'nsq_to_kinesis-egress':
        return None
    if '--survey' in arguments:
        return 'survey'
    index = re.search(r'--worker-index[= ](\d+)', ' '.join(arguments))
    return f'egress[{index.group(1) if index else 0}]'


def _is_gone(pid):
    """Ended, if perhaps not yet waited for."""
    try:
        with open(f'/proc/{pid}/stat', encoding='ascii', errors='replace') as file:
            return file.read().rpartition(')')[2].split()[0] in 'ZX'
    except OSError:
        return True


class Flock:
    def __init__(self, folder, options, history):
        self._folder, self._options, self._history = folder, options, history
        self._bridge = Bridge(folder, options, kind='storm')
        self._name = self._bridge.name
        self._orphans = set()  # children of supervisors that were killed
        self._ended_logs = []
        self._keeping = True
        self._lock = threading.Lock()
        self.kills = {}  # role: how often
        self.starts = 1
        self._keeper = threading.Thread(target=self._keep, daemon=True)
        self._keeper.start()

    def _keep(self):
        while self._keeping:
            with self._lock:
                if self._keeping and self._bridge.program.exit_status is not None:
                    self._start_again()
            time.sleep(LOOK_AGAIN_SECONDS)

    def _start_again(self):
        self._ended_logs.append(self._bridge.program.log_path)
        self._bridge = Bridge(self._folder, self._options, kind='storm',
                              name=self._name)
        self.starts += 1

    # --- who there is

    def _found(self):
        """role: pid, of all that run."""
        found = {'supervisor': self._bridge.program.pid}
        if self._bridge.program.exit_status is not None:
            found = {}
        self._orphans = {pid for pid in self._orphans if not _is_gone(pid)}
        for pid in [*children_of(self._bridge.program.pid), *self._orphans]:
            role = None if _is_gone(pid) else _role_of(pid)
            if role:
                found[role] = pid
        return found

    def _pids_of(self, whom):
        found = self._found()
        wanted = {'egress': lambda role: role.startswith('egress'),
                  'ingest and egress': lambda role: role != 'supervisor',
                  'all': lambda role: True}.get(whom, whom.__eq__)
        return {role: pid for role, pid in found.items() if wanted(role)}

    def _await(self, whom, seconds=3):
        """Those who are meant, once there is one of them."""
        deadline = time.monotonic() + seconds
        while not (found := self._pids_of(whom)) and \
                time.monotonic() < deadline:
            time.sleep(LOOK_AGAIN_SECONDS)
        return found

    # --- what happens to them

    def kill(self, whom):
        """SIGKILL; returns when they are gone."""
        found = self._await(whom)
        with self._lock:
            found = self._pids_of(whom) or found
            if 'supervisor' in found:
                self._orphans.update(children_of(found['supervisor']))
            begin = time.monotonic_ns()
            for role, pid in found.items():
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    continue
                self.kills[role] = self.kills.get(role, 0) + 1
            deadline = time.monotonic() + 5
            while not all(map(_is_gone, found.values())) and \
                    time.monotonic() < deadline:
                time.sleep(0.0005)
            for role in found:
                self._history.write('fault', 'kill', who=role, since=begin)

    def stop(self, whom, seconds):
        """SIGSTOP for a while."""
        begin = time.monotonic_ns()
        for pid in self._await(whom).values():
            try:
                os.kill(pid, signal.SIGSTOP)
            except ProcessLookupError:
                continue
            threading.Timer(seconds, self._go_on, (whom, pid, begin)).start()

    def _go_on(self, whom, pid, begin):
        try:
            if _role_of(pid) == whom:
                os.kill(pid, signal.SIGCONT)
        except ProcessLookupError:
            pass
        self._history.write('fault', 'stop', who=whom, since=begin)

    # --- the end

    def finish(self, seconds=60):
        """SIGTERM; returns the exit status of the supervisor."""
        with self._lock:
            self._keeping = False
        self._keeper.join()
        return self._bridge.stop(seconds)

    def log(self):
        return ''.join(path.read_text(errors='replace') for path in
                       [*self._ended_logs, self._bridge.program.log_path])

    def end(self):
        with self._lock:
            self._keeping = False
        self._keeper.join()
        self._bridge.end()
        for pid in self._orphans:
            if not _is_gone(pid) and _role_of(pid):
                os.kill(pid, signal.SIGKILL)
        for path in self._bridge.segments():
            path.unlink(missing_ok=True)
