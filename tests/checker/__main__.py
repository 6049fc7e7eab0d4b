# SPDX-License-Identifier: Apache-2.0
"""Check histories of simulators, publishers and injectors.

    PYTHONPATH=tests python3 -m checker [--complete] HISTORY...

All histories of one run together, because they are one history. --complete:
the run ended when everything should have arrived and been finished. Prints a
table. Exit status: 0 nothing is wrong, 1 something is, 2 unreadable.
"""
import argparse
import sys

from checker.history import Unreadable, read
from checker.judgement import Judge
from checker.table import write_table


def main():
    parser = argparse.ArgumentParser(prog='checker')
    parser.add_argument('--complete', action='store_true')
    parser.add_argument('histories', nargs='+', metavar='HISTORY')
    arguments = parser.parse_args()
    judge = Judge(arguments.complete)
    try:
        judge.take(read(arguments.histories))
    except (OSError, Unreadable) as wrong:
        print(f'checker: {wrong}', file=sys.stderr)
        return 2
    verdict = judge.verdict()
    write_table(verdict, sys.stdout)
    return 0 if verdict.is_good else 1


sys.exit(main())
