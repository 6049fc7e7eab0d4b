# SPDX-License-Identifier: Apache-2.0
"""publisher - publishes numbered messages to a real nsqd at a steady rate.

Each key has one publisher, so numbers in a key are in the order of
publishing. A batch is noted before it is sent and when nsqd has said OK.
"""
import random
import threading
import time

from checker.message import make

BATCH_SECONDS = 0.1


class Publisher:
    def __init__(self, nsqd, topic, history, *, run, keys, rate, seed):
        """keys: a range of key numbers nobody else uses; rate: per second."""
        self._nsqd, self._topic, self._history = nsqd, topic, history
        self._run, self._rate = run, rate
        self._next = dict.fromkeys(keys, 0)
        self._chance = random.Random(seed)
        self.count = 0
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._publish, daemon=True)
        self._thread.start()

    def _make_batch(self, count):
        names, bodies = [], []
        for key in self._chance.choices(list(self._next), k=count):
            sequence, self._next[key] = self._next[key], self._next[key] + 1
            names.append((key, sequence))
            bodies.append(make(self._run, key, sequence, self.count,
                               self._chance.randbytes(
                                   self._chance.randrange(300))))
            self.count += 1
        return names, bodies

    def _publish(self):
        batch, begin = 0, time.monotonic()
        while not self._stopping.wait(BATCH_SECONDS):
            due = int((time.monotonic() - begin) * self._rate) - self.count
            if due < 1:
                continue
            names, bodies = self._make_batch(min(due, 2000))
            batch += 1
            self._history.write('publisher', 'pub', batch=batch,
                                messages=names)
            self._nsqd.publish(self._topic, bodies)
            self._history.write('publisher', 'pub_ok', batch=batch)

    def end(self):
        self._stopping.set()
        self._thread.join()
