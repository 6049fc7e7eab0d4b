# SPDX-License-Identifier: Apache-2.0
"""table - a verdict for the eye."""


def _columns(value):
    if isinstance(value, tuple):
        return f'{value[0]:>12} {value[1]:>12}'
    return f'{value:>12}'


def write_table(verdict, to):
    print(f'{"":<38} {"raw":>12} {"KCL":>12}', file=to)
    for name, value in verdict.figures.items():
        print(f'{name:<38} {_columns(value)}', file=to)
    for cause, count in verdict.causes.most_common():
        print(f'  {"after " + cause:<36} {count:>12}', file=to)
    for kind, count in verdict.violations.most_common():
        print(f'VIOLATION {kind:<28} {count:>12}', file=to)
        for example in verdict.examples[kind]:
            print(f'    {example}', file=to)
    if verdict.is_good:
        print('nothing is wrong', file=to)
