# SPDX-License-Identifier: Apache-2.0
"""try_report - what tools/try shows: steps, a progress bar, one table."""
import json
import sys
import time

BAR_CELLS = 30
REDRAWS_PER_SECOND = 10


def grouped(number):
    return f'{number:,}'.replace(',', ' ')


def say(step, text):
    print(f'  {step:<9} {text}', flush=True)


class Progress:
    """A bar on a terminal, silence elsewhere; gone when it is done."""

    def __init__(self, step, total):
        self._step = step
        self._total = total
        self._next_redraw = 0.0
        self._is_shown = sys.stdout.isatty()

    def __enter__(self):
        return self

    def show(self, count):
        now = time.monotonic()
        if not self._is_shown or now < self._next_redraw:
            return
        self._next_redraw = now + 1 / REDRAWS_PER_SECOND
        cells = BAR_CELLS * count // self._total
        print(f'\r  {self._step:<9} [{"#" * cells:<{BAR_CELLS}}] '
              f'{100 * count // self._total:3} %  {grouped(count)}',
              end='', flush=True)

    def __exit__(self, *_):
        if self._is_shown:
            print('\r\033[K', end='', flush=True)


def latencies_ms(stream):
    """(p50, p99) from published_at to ApproximateArrivalTimestamp.

    Both are wall time of this machine. The first copy of a message counts.
    """
    first = {}
    for record in stream.user_records:
        first[record.body] = min(record.arrival,
                                 first.get(record.body, record.arrival))
    waits = sorted(1000 * (arrival - json.loads(body)['published_at'])
                   for body, arrival in first.items())
    if not waits:
        return 0.0, 0.0
    return waits[len(waits) // 2], waits[len(waits) * 99 // 100]


def print_table(rows):
    """Rows of (what, number), numbers flush right."""
    print()
    left = max(len(what) for what, _ in rows)
    right = max(len(number) for _, number in rows)
    for what, number in rows:
        print(f'  {what:<{left}}   {number:>{right}}')
    print(flush=True)
