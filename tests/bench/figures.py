# SPDX-License-Identifier: Apache-2.0
"""figures - numbers with a name, a unit, a spread, and what they should be."""
import dataclasses
import statistics


@dataclasses.dataclass
class Figure:
    name: str
    value: float          # the median
    unit: str
    low: float = None
    high: float = None
    goal: float = None    # at most, or at least if is_more_better
    limit: float = None
    is_more_better: bool = False

    def _holds(self, bound):
        return (self.value >= bound if self.is_more_better
                else self.value <= bound)

    @property
    def verdict(self):
        if self.goal is not None and self._holds(self.goal):
            return 'goal'
        if self.limit is not None:
            return 'limit' if self._holds(self.limit) else 'MISSED'
        return '' if self.goal is None else 'missed'


def of_values(name, unit, values, **more):
    values = sorted(values)
    return Figure(name, statistics.median(values), unit, values[0], values[-1],
                  **more)


class Figures:
    """All of a benchmark, in the order in which they were measured."""

    def __init__(self):
        self.sections = {}

    def add(self, section, figure):
        self.sections.setdefault(section, []).append(figure)
        bounds = ' '.join(
            f'{word} {bound:g}' for word, bound in
            (('goal', figure.goal), ('limit', figure.limit))
            if bound is not None)
        print(f'  {figure.name:<52} {shown(figure.value):>12} '
              f'{figure.unit:<9} {bounds} {figure.verdict}', flush=True)

    def find(self, name):
        return next((one for figures in self.sections.values()
                     for one in figures if one.name == name), None)

    def as_document(self):
        return {section: [dataclasses.asdict(one) for one in figures]
                for section, figures in self.sections.items()}

    @staticmethod
    def of_document(document):
        found = Figures()
        found.sections = {section: [Figure(**one) for one in figures]
                          for section, figures in document.items()}
        return found


def shown(value):
    """Three digits that matter, thousands apart; ratios end in hundredths."""
    if value is None:
        return ''
    if abs(value) >= 1000:
        return f'{value:,.0f}'.replace(',', ' ')
    if abs(value) >= 100:
        return f'{value:.0f}'
    return f'{value:.2f}' if 1 <= abs(value) < 10 else f'{value:.3g}'
