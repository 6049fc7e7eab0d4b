# SPDX-License-Identifier: Apache-2.0
"""history - the lines that simulators, publishers and injectors wrote.

One JSON object a line, from any number of files. "t" is CLOCK_MONOTONIC in
nanoseconds, so the files of one host are one history when they are sorted.
"""
import json
import time

LINES_AT_ONCE = 4096


class Unreadable(Exception):
    """A history with a hole proves nothing."""


def _read_lines(path, number, lines):
    try:
        return json.loads(b'[' + b','.join(lines) + b']')
    except ValueError:
        pass
    for place, line in enumerate(lines, number):
        try:
            json.loads(line)
        except ValueError as wrong:
            raise Unreadable(f'{path}, line {place}: {wrong}') from None
    raise Unreadable(f'{path}: lines {number} and following')


def read(paths):
    """All events in the order of their time."""
    events = []
    for path in paths:
        with open(path, 'rb') as file:
            lines = file.read().split(b'\n')
        if lines.pop():
            raise Unreadable(f'{path}: the last line has no end')
        for start in range(0, len(lines), LINES_AT_ONCE):
            events += _read_lines(path, start + 1,
                                  lines[start:start + LINES_AT_ONCE])
    try:
        events.sort(key=lambda event: event['t'])
    except (KeyError, TypeError):
        raise Unreadable('a line is no event with a time') from None
    return events


class Writer:
    """Appends events: one write(2) a line, so that none is lost or torn."""

    def __init__(self, path):
        self._file = open(path, 'ab', buffering=0)

    def write(self, source, what, **members):
        event = {'t': time.monotonic_ns(), 'src': source, 'ev': what, **members}
        self._file.write(json.dumps(event, separators=(',', ':')).encode() +
                         b'\n')

    def end(self):
        self._file.close()
