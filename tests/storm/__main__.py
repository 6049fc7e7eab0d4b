# SPDX-License-Identifier: Apache-2.0
"""Run a bridge through a storm and judge it from the histories alone.

    tools/storm --seed N --seconds S [--rate N] [--keep FOLDER] [--plan]

Real programs, a real nsqd and the simulators. Processes are killed and
stopped, connections cut, Kinesis and nsqd fail and the stream is resharded at
times that the seed decides: the same seed, the same plan. --plan prints it. More
than a minute is several storms, with the seeds that follow.
Exit status: 0 nothing is wrong, 1 something is.
"""
import argparse
import math
import pathlib
import sys
import tempfile
import traceback

from storm.plan import fingerprint, make_plan
from storm.run import run_storm

SECONDS_AT_ONCE = 60


def main():
    parser = argparse.ArgumentParser(prog='tools/storm')
    parser.add_argument('--seed', type=int, default=1, metavar='N')
    parser.add_argument('--seconds', type=float, default=45, metavar='S')
    parser.add_argument('--rate', type=int, default=5000, metavar='N',
                        help='messages a second')
    parser.add_argument('--keep', metavar='FOLDER',
                        help='leave logs and histories there')
    parser.add_argument('--plan', action='store_true',
                        help='print what would happen, and end')
    arguments = parser.parse_args()
    if arguments.plan:
        plan = make_plan(arguments.seed, arguments.seconds)
        print('\n'.join(map(str, plan)))
        print(f'plan {fingerprint(plan)}')
        return 0
    is_good = True
    for number, seconds in enumerate(parts_of(arguments.seconds)):
        is_good &= run_part(arguments, arguments.seed + number, seconds)
    return 0 if is_good else 1


def parts_of(seconds):
    """A history should fit into memory: long storms are several."""
    count = max(1, math.ceil(seconds / SECONDS_AT_ONCE))
    return [seconds / count] * count


def run_part(arguments, seed, seconds):
    with tempfile.TemporaryDirectory(prefix='n2k-storm-') as folder:
        if arguments.keep:
            folder = f'{arguments.keep}/{seed}'
        folder = pathlib.Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        if any(folder.iterdir()):
            print(f'{folder} is not empty: histories must not mix')
            return False
        try:
            result = run_storm(folder, seed, seconds, arguments.rate)
        except Exception:  # not finished in time, a program that is missing
            traceback.print_exc()
            return False
    result.write(sys.stdout)
    sys.stdout.flush()
    return result.is_good


sys.exit(main())
