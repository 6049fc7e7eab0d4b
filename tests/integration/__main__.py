# SPDX-License-Identifier: Apache-2.0
"""Run the integration tests.

    PYTHONPATH=tests PYTHON -m integration [--only PATTERN] [--long]
                                           [--report FILE] [--list]

PYTHON is the one of the reader that tools/dev/setup makes; N2K_BUILD names
the build folder. A test is a function of a test_*.py file whose only
parameter is `scene`; its name, read as a sentence, is its title. A function
marked with @only_long runs with --long. FILE gets one JSON line per test.
"""
import argparse
import importlib
import inspect
import json
import pathlib
import re
import signal
import sys
import time
import traceback

from integration.marks import CannotRunHere
from integration.scene import Scene, SharedServers


def stop_on_signal(number, _frame):
    # An exception runs every clean-up on its way out; the default would not.
    raise KeyboardInterrupt(signal.Signals(number).name)


def all_tests():
    """(title, function), file by file, in the order of the file."""
    found = []
    for path in sorted(pathlib.Path(__file__).parent.glob('test_*.py')):
        module = importlib.import_module(f'integration.{path.stem}')
        found += [
            (name.replace('_', ' '), one) for name, one in vars(module).items()
            if inspect.isfunction(one) and one.__module__ == module.__name__
            and list(inspect.signature(one).parameters) == ['scene']]
    return found


def run_one(test, servers):
    """('passed', None), or ('skipped' or 'FAILED', why)."""
    scene = Scene(servers)
    try:
        test(scene)
        return 'passed', None
    except CannotRunHere as reason:
        return 'skipped', str(reason)
    except Exception:  # whatever it is, the next test shall run
        why = traceback.format_exc()
        if scene.bridge:
            why += f'the bridge said last:\n{scene.bridge.program.last_lines()}'
        return 'FAILED', why
    finally:
        scene.end()


def main():
    parser = argparse.ArgumentParser(prog='integration')
    parser.add_argument('--only', default='', metavar='PATTERN')
    parser.add_argument('--long', action='store_true')
    parser.add_argument('--list', action='store_true')
    parser.add_argument('--report', metavar='FILE')
    arguments = parser.parse_args()
    chosen = [(title, test) for title, test in all_tests()
              if re.search(arguments.only, title)
              and (arguments.long or not getattr(test, 'is_long', False))]
    if arguments.list:
        print('\n'.join(title for title, _ in chosen))
        return 0
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, stop_on_signal)

    servers, failed = SharedServers(), 0
    report = open(arguments.report, 'w') if arguments.report else None
    try:
        for title, test in chosen:
            begin = time.monotonic()
            result, why = run_one(test, servers)
            seconds = time.monotonic() - begin
            failed += result == 'FAILED'
            print(f'  {result:7} {seconds:6.1f} s  {title}', flush=True)
            if why:
                print('\n'.join(f'      {line}' for line in why.splitlines()),
                      flush=True)
            if report:
                print(json.dumps({'title': title, 'result': result,
                                  'seconds': seconds}),
                      file=report, flush=True)
    finally:
        servers.end()
    return 1 if failed else 0


sys.exit(main())
