# SPDX-License-Identifier: Apache-2.0
"""Everything at once, and the histories alone decide whether all is well.

Shows (N1) to (N9), (P1) to (P11), (M9) and (K1) to (K7), (K10), (K11) together:
see tests/storm/plan.py for what happens and tests/checker/judgement.py for what
is asked.
"""
import io
import time

from integration.marks import only_long
from storm.run import run_storm

SECONDS, RATE = 45, 5000
AN_HOUR = 3600


def _weather_a_storm(scene, seed):
    folder = scene.folder / f'storm-{seed}'
    folder.mkdir()
    result = run_storm(folder, seed, SECONDS, RATE)
    text = io.StringIO()
    result.write(text)
    print(text.getvalue(), flush=True)

    assert result.is_good, text.getvalue()
    assert result.kill_count >= 60, result.kills
    assert result.exchanges > 0, 'no queues were exchanged'
    assert result.verdict.figures['messages offered'] >= 200000


def storm_of_kills_and_faults_loses_and_reorders_nothing(scene):
    _weather_a_storm(scene, seed=1)


@only_long
def hour_of_storms_loses_and_reorders_nothing(scene):
    begin, seed = time.monotonic(), 2
    while time.monotonic() - begin < AN_HOUR:
        _weather_a_storm(scene, seed)
        seed += 1
