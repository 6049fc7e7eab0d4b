# SPDX-License-Identifier: Apache-2.0
"""bench - measure the bridge and say how it compares with what was promised.

Everything runs on loopback between the two simulators of tests/support, which
are quicker than the bridge. A run that fails ends the benchmark: there is no
figure of a bridge that lost a message.
"""
import argparse
import json
import os
import pathlib
import platform
import sys
import time

from bench import measures, report
from bench.figures import Figures
from rig import programs

FOLDER = programs.TOP / 'docs' / 'benchmark'


def read_arguments():
    parser = argparse.ArgumentParser(
        prog='tools/bench',
        description='Measure cost, speed, latency and memory of the bridge '
                    'between two simulators; about ten minutes.')
    parser.add_argument('--only', default='', metavar='WORD',
                        help='one of: ' + ', '.join(measures.ALL))
    parser.add_argument('--repeat', type=int, default=3, metavar='N',
                        help='runs of each cost figure (default %(default)s)')
    parser.add_argument('--against', type=pathlib.Path, metavar='FILE',
                        help='compare with the JSON of an earlier run')
    parser.add_argument('--output', type=pathlib.Path, default=FOLDER,
                        metavar='DIR',
                        help='where result.json, report.md and the plots go')
    parser.add_argument('--real-nsqd', action='store_true',
                        help='measure with the real nsqd too, and drain 5 '
                             'million messages that wait in it')
    parser.add_argument('--long', action='store_true',
                        help='an hour of steady flow, to see memory flat')
    parser.add_argument('--no-install', action='store_true',
                        help='refuse to install Debian packages')
    arguments = parser.parse_args()
    if arguments.only and arguments.only not in measures.ALL:
        parser.error(f'--only is one of: {", ".join(measures.ALL)}')
    return arguments


def machine():
    """What the figures depend on most."""
    found = [line.partition(':')[2].strip()
             for line in pathlib.Path('/proc/cpuinfo').read_text().splitlines()
             if line.startswith('model name')]
    return {'processor': found[0] if found else platform.machine(),
            'cores': os.cpu_count(), 'kernel': platform.release(),
            'date': time.strftime('%Y-%m-%d')}


def main():
    arguments = read_arguments()
    figures = Figures()
    wanted = [arguments.only] if arguments.only else [
        name for name in measures.ALL
        if name not in measures.ON_REQUEST or
        getattr(arguments, measures.ON_REQUEST[name])]
    for name in wanted:
        print(f'\n{measures.ALL[name].__doc__.splitlines()[0]}', flush=True)
        measures.ALL[name](figures, arguments.repeat)
    result = {'machine': machine(), 'figures': figures.as_document()}
    if arguments.against:
        earlier = json.loads(arguments.against.read_text())
        report.print_ratios(figures, Figures.of_document(earlier['figures']))
    if not arguments.only:
        report.write(arguments.output, result, figures)
        if arguments.output == FOLDER:
            report.write_readme(programs.TOP / 'README.md',
                                FOLDER.relative_to(programs.TOP), figures)
        print(f'\nWritten: {arguments.output}/report.md, result.json and the '
              'plots')
    return 0


if __name__ == '__main__':
    sys.exit(main())
