# SPDX-License-Identifier: Apache-2.0
"""flow - messages that keep coming while a test does something to the bridge."""
import threading

from rig.processes import wait_until


class Flow:
    """Publishes in steps without an end, until it is told to."""

    def __init__(self, scene, nsqd, step=100, pause=0.01):
        self._scene, self._nsqd, self._step = scene, nsqd, step
        self._pause = pause
        self.published = []
        self._ends = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self):
        while not self._ends.wait(self._pause):
            self.published += self._scene.publish(
                self._nsqd, self._step, first=len(self.published))

    def wait_for_more(self, count):
        goal = len(self.published) + count
        wait_until(lambda: len(self.published) >= goal, 'more is published')

    def end(self):
        """Stop publishing; returns all that was published."""
        self._ends.set()
        self._thread.join()
        return self.published
