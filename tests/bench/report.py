# SPDX-License-Identifier: Apache-2.0
"""report - the figures as JSON, as Markdown and as two plots."""
import json
import re

from bench.figures import shown

TITLES = {
    'cost': 'CPU of all bridge processes per message',
    'floor': 'The floor: hashes, and a program that only moves the bytes',
    'stages': 'Where the time goes (200 bytes, JSON key, TLS)',
    'throughput': 'Throughput', 'wire': 'Bytes on the wire',
    'latency': 'Latency from nsqd to FIN, 15 ms service, 10 ms linger',
    'scale': 'Scale', 'idle': 'Start, idling and memory',
    'catch-up': 'Catching up with a real nsqd', 'hour': 'An hour',
}

# What others take for the same 200-byte messages, TLS and service; measured
# beside each other on 2 vCPUs of an AMD EPYC. (least, most) us per message.
OTHERS = {
    'JavaNSQClient + KPL 1.1': (28, 35), 'Bento 1.20': (25, 30),
    'Telegraf 1.39': (21, 23), 'go-nsq + aggregation': (8, 11),
    'Go, hand-written, unordered': (2.3, 3.0),
}


def print_ratios(figures, earlier):
    """Each figure against its earlier value."""
    print('\nnow / earlier')
    for section in figures.sections.values():
        for now in section:
            was = earlier.find(now.name)
            if was and was.value:
                print(f'  {now.name:<52} {now.value / was.value:6.2f}  '
                      f'({shown(was.value)} -> {shown(now.value)} {now.unit})')


def _row(figure):
    spread = ('' if figure.low is None or figure.low == figure.high
              else f'{shown(figure.low)} - {shown(figure.high)}')
    return (f'| {figure.name} | {shown(figure.value)} {figure.unit} | {spread} '
            f'| {shown(figure.goal)} | {shown(figure.limit)} '
            f'| {figure.verdict} |')


def _markdown(result, figures):
    machine = result['machine']
    lines = ['# Benchmark', '',
             'Made by `tools/bench`; do not edit. Medians of several runs, on '
             f'{machine["cores"]} cores of {machine["processor"]}, Linux '
             f'{machine["kernel"]}, {machine["date"]}. The simulators of nsqd '
             'and of Kinesis share these cores with the bridge.', '',
             '![cost](cost.svg)', '', '![latency](latency.svg)', '']
    for section, rows in figures.sections.items():
        lines += [f'## {TITLES[section]}', '',
                  '| figure | median | spread | goal | limit | holds |',
                  '|---|---|---|---|---|---|', *map(_row, rows), '']
    return '\n'.join(lines)


def _plot_cost(figures, path, pyplot):
    names = list(OTHERS)
    own = figures.find('200 bytes')
    least = figures.find('floor, all of it')
    values = [sum(OTHERS[name]) / 2 for name in names]
    if own:
        names.append('nsq_to_kinesis')
        values.append(own.value)
    if least:
        names.append('floor: hashes, kernel, TLS')
        values.append(least.value)
    figure, axes = pyplot.subplots(figsize=(8, 3.2))
    colors = ['#9aa5b1'] * len(OTHERS) + ['#0b6e4f', '#d9a441']
    bars = axes.barh(names, values, color=colors[:len(names)])
    axes.bar_label(bars, [f'{value:.2g}' for value in values], padding=3)
    axes.set_xscale('log')
    axes.set_xlim(right=100)
    axes.invert_yaxis()
    axes.set_xlabel('CPU per 200-byte message, microseconds (logarithmic)')
    axes.spines[['top', 'right']].set_visible(False)
    figure.tight_layout()
    figure.savefig(path)


def _plot_latency(figures, path, pyplot):
    parts = {'p50': {}, 'p99': {}, 'p999': {}}
    for one in figures.sections.get('latency', []):
        found = re.fullmatch(r'(\d+) messages/s, (\w+)', one.name)
        if found and found.group(2) in parts:
            parts[found.group(2)][int(found.group(1))] = one.value
    figure, axes = pyplot.subplots(figsize=(8, 3.2))
    for (part, points), color in zip(parts.items(),
                                     ('#0b6e4f', '#d9a441', '#b23a48')):
        axes.plot(list(points), list(points.values()), marker='o',
                  label=part.replace('p999', 'p99.9'), color=color)
    axes.axhline(30, color='#9aa5b1', linestyle='--',
                 label='goal for p99: linger + service + 5 ms')
    axes.set_xscale('log')
    axes.set_ylim(bottom=0)
    axes.set_xlabel('messages per second')
    axes.set_ylabel('milliseconds from nsqd to FIN')
    axes.legend(frameon=False)
    axes.spines[['top', 'right']].set_visible(False)
    figure.tight_layout()
    figure.savefig(path)


# The README's table: figure, and what a reader calls it.
HEADLINES = {
    '200 bytes': 'CPU per 200-byte message, all processes',
    '1000 bytes': 'CPU per 1000-byte message',
    'bridge / floor': 'of it to what hashes, kernel and TLS alone take',
    'messages per second, simulators on the same cores':
        'messages per second, simulators on the same 2 cores',
    'messages per second of one core': 'messages per second of one core',
    '1000 messages/s, p99': 'nsqd to FIN, p99, at 1 000 messages/s',
    '50000 messages/s, p99': 'nsqd to FIN, p99, at 50 000 messages/s',
    'wire / payload, 7-character keys, 5 of 6 distinct':
        'bytes on the wire / payload, 200 bytes, 7-character keys',
    'start to first PutRecords': 'start to first PutRecords',
    'idle CPU': 'CPU while idle',
    'memory without queues, full load': 'memory without queues, full load',
    'drained from a real nsqd': '5 million waiting messages of a real nsqd',
}

BEGIN, END = '<!-- tools/bench writes this -->', '<!-- until here -->'


def _headlines(figures):
    rows = [(title, figures.find(name)) for name, title in HEADLINES.items()]
    return '\n'.join([
        '| measured | median | goal | limit |', '|---|---|---|---|',
        *(f'| {title} | {shown(one.value)} {one.unit} | {shown(one.goal)} '
          f'| {shown(one.limit)} |' for title, one in rows if one)])


def write_readme(path, folder, figures):
    """Put the headlines and the plots between the two marks."""
    before, found, rest = path.read_text().partition(BEGIN)
    _, closed, after = rest.partition(END)
    if not found or not closed:
        raise ValueError(f'{path} has no place for the benchmark')
    plots = '\n\n'.join(f'![{name}]({folder}/{name}.svg)'
                        for name in ('cost', 'latency'))
    path.write_text(f'{before}{BEGIN}\n\n{_headlines(figures)}\n\n{plots}\n\n'
                    f'{END}{after}')


def write(folder, result, figures):
    import matplotlib  # only here: no other part of the tests needs it
    matplotlib.use('svg')
    matplotlib.rcParams['svg.hashsalt'] = 'nsq_to_kinesis'
    from matplotlib import pyplot

    folder.mkdir(parents=True, exist_ok=True)
    (folder / 'result.json').write_text(json.dumps(result, indent=1) + '\n')
    (folder / 'report.md').write_text(_markdown(result, figures))
    _plot_cost(figures, folder / 'cost.svg', pyplot)
    _plot_latency(figures, folder / 'latency.svg', pyplot)
