# SPDX-License-Identifier: Apache-2.0
"""measures - each function measures one thing and adds its figures."""
import dataclasses
import functools
import json
import pathlib
import statistics
import subprocess
import tempfile
import time

from bench import runs, stages
from bench.figures import Figure, of_values
from bench.runs import Load
from rig import programs
from rig.bridge import Bridge
from rig.nsq import Nsqd
from rig.processes import wait_until

BYTES_A_RUN = 700_000_000
SIZES = (100, 200, 1000, 4000, 100_000)
COST_BOUNDS = {200: (0.8, 1.5), 1000: (2.2, 3.5)}
LATENCY_RATES = (100, 1_000, 10_000, 50_000, 200_000)
SHARD_COUNTS = (1, 4, 16, 64, 512)
NSQD_COUNTS = (1, 4, 16, 64)
SCALE_ROUNDS_MOST = 2  # a round takes two minutes, all of the benchmark ten


def load_of_size(size, **more):
    count = min(3_000_000, BYTES_A_RUN // (size + runs.FRAME_BYTES))
    return Load(size=size, count=count, **more)


@functools.lru_cache(maxsize=None)
def several(load, repeat):
    """Runs of a load; the figures of several sections come from the same."""
    return [runs.run(load, counts_syscalls=number == 0)
            for number in range(repeat)]


def _add_cost(figures, load, name, repeat, bounds=(None, None)):
    found = several(load, repeat)
    figures.add('cost', of_values(name, 'us', [one.total_cpu_us
                                               for one in found],
                                  goal=bounds[0], limit=bounds[1]))


def cost(figures, repeat):
    """CPU of all bridge processes per message"""
    for size in SIZES:
        _add_cost(figures, load_of_size(size), f'{size} bytes', repeat,
                  COST_BOUNDS.get(size, (None, None)))
    base = load_of_size(200)
    for change, name in (({'key': 'none'}, 'no key'),
                         ({'key': 'message-id'}, 'key message-id'),
                         ({'tls': False}, 'no TLS'),
                         ({'protocol': 'json'}, 'JSON'),
                         ({'aggregate': '50KiB'}, 'aggregates of 50 KiB')):
        _add_cost(figures, dataclasses.replace(base, **change),
                  f'200 bytes, {name}', max(1, repeat - 1))
    found = several(base, repeat)
    for process in sorted(found[0].cpu_us):
        figures.add('cost', of_values(
            f'200 bytes, share of {process}', 'us',
            [one.cpu_us.get(process, 0) for one in found]))


def floor(figures, repeat):
    """The least that the same bytes cost here, and the ratio"""
    base = load_of_size(200)
    found = several(base, repeat)
    least = [runs.floor(base, found[0]) for _ in range(repeat)]
    for part in ('sha256_ns', 'md5_keys_ns', 'md5_trailers_ns', 'aes_gcm_ns',
                 'transport_ns'):
        figures.add('floor', of_values(f'floor, {part[:-3]}', 'ns',
                                       [one[part] for one in least]))
    # AES-GCM is part of the transport, which encrypts.
    totals = [(sum(one.values()) - one['aes_gcm_ns']) / 1000 for one in least]
    bottom = of_values('floor, all of it', 'us', totals)
    figures.add('floor', bottom)
    figures.add('floor', of_values(
        'bridge / floor', 'x',
        [one.total_cpu_us / bottom.value for one in found],
        goal=1.8, limit=2.5))


def stage_shares(figures, repeat):
    """Where the time goes, by stage"""
    base = load_of_size(200)
    total = of_values('', '', [one.total_cpu_us
                               for one in several(base, repeat)]).value
    for stage, value in stages.measure(base, total).items():
        budget = stages.BUDGET_NS.get(stage)
        figures.add('stages', Figure(f'stage {stage}', 1000 * value, 'ns',
                                     goal=budget and budget[0],
                                     limit=budget and budget[1]))


def throughput(figures, repeat):
    """Messages per second through one ingest and two workers"""
    found = several(load_of_size(200), repeat)
    figures.add('throughput', of_values(
        'messages per second, simulators on the same cores', '/s',
        [one.messages_per_second for one in found], goal=1_000_000,
        is_more_better=True))
    figures.add('throughput', of_values(
        'cores the bridge used for it', 'cores',
        [one.cpu_seconds_per_second for one in found]))
    figures.add('throughput', of_values(
        'messages per second of one core', '/s',
        [1e6 / one.total_cpu_us for one in found]))
    calls = [one.syscalls for one in found if one.syscalls is not None]
    if calls:
        figures.add('throughput', of_values('system calls per 1000 messages',
                                            '', calls, goal=5))


def wire(figures, _repeat):
    """Bytes out / payload bytes in, TLS and HTTP included"""
    for name, users, key, bound in (
            ('no key', 1, 'none', 1.05),
            # As many keys for each shard as an aggregate has records.
            ('7-character keys, 5 of 6 distinct', 19_000, 'json:user_id',
             1.09),
            ('7-character keys, all distinct', 1_000_000, 'json:user_id', None),
            ('key message-id', 1, 'message-id', 1.15)):
        load = load_of_size(200, key=key, users=users)
        one = runs.run(dataclasses.replace(load, count=500_000))
        figures.add('wire', Figure(
            f'wire / payload, {name}',
            one.wire_bytes / (one.messages * load.size), 'x', limit=bound))


def latency(figures, _repeat):
    """From nsqd's hand-over to its FIN; the service takes 15 ms"""
    for rate in LATENCY_RATES:
        load = Load(count=max(600, 5 * rate), rate=rate)
        one = runs.run(load)
        for part, goal in (('p50', None), ('p99', 30), ('p999', None),
                           ('max', None)):
            figures.add('latency', Figure(
                f'{rate} messages/s, {part}', one.latency_us[part] / 1000,
                'ms', goal=goal if rate <= 50_000 else None))


# What a record takes of its queue's ring: a 200-byte message, its key, a head.
RING_BYTES_A_MESSAGE = 288
RING_BYTES = 4 * 1024 * 1024


def _scaled(shards, nsqds):
    """Aggregates are full, and pages of shared memory are no news.

    A batch of each queue is on its way at a time, so that the service has to be
    the slower the more shards there are, and --linger no reason to send, or
    batches get small. And a ring that was not once filled has the kernel clear
    a page for every few messages.
    """
    once_around = shards * RING_BYTES // RING_BYTES_A_MESSAGE
    count = once_around + 2_500_000
    return Load(count=count, shards=shards, nsqds=nsqds, aggregate='128KiB',
                in_flight=900_000, delay_ms=shards, more=('--linger=2s',),
                begin_share=(once_around + 500_000) / count)


def scale(figures, repeat):
    """Cost and memory by number of shards and of nsqds"""
    costs = {}
    for what, loads in (
            ('shards', {n: _scaled(n, 1) for n in SHARD_COUNTS}),
            ('nsqds', {n: _scaled(16, n) for n in NSQD_COUNTS})):
        # In turns: a machine that slows down does so for all of them.
        rounds = [{number: runs.run(load) for number, load in loads.items()}
                  for _ in range(min(repeat, SCALE_ROUNDS_MOST))]
        for number in loads:
            found = [one[number] for one in rounds]
            cost_us = of_values(f'{number} {what}, cost', 'us',
                                [one.total_cpu_us for one in found])
            costs[what, number] = cost_us.value
            figures.add('scale', cost_us)
            figures.add('scale', Figure(
                f'{number} {what}, messages per aggregate',
                statistics.median(one.messages / one.records
                                  for one in found), ''))
            figures.add('scale', Figure(
                f'{number} {what}, memory',
                max(one.private_mib for one in found), 'MiB', limit=64))
        own = [value for (kind, _), value in costs.items() if kind == what]
        figures.add('scale', Figure(f'most / least cost over all {what}',
                                    max(own) / min(own), 'x', limit=1.3))
    # The MD5 of one aggregate is one chain; lanes need several at a time.
    full = [costs['shards', number] for number in SHARD_COUNTS if number >= 16]
    figures.add('scale', Figure('most / least cost from 16 shards on',
                                max(full) / min(full), 'x', limit=1.3))


def idle(figures, _repeat):
    """Start, and what it costs to wait for messages"""
    with runs.started(Load(count=1, delay_ms=0)) as (servers, bridge):
        begin = time.monotonic()
        wait_until(lambda: servers.kinesis_statistics()['put_records'] > 0,
                   'the first PutRecords', 20)
        figures.add('idle', Figure('start to first PutRecords',
                                   1000 * (time.monotonic() - begin), 'ms',
                                   limit=100))
        seconds = 5
        before = sum(map(runs.cpu_ns_of, runs.processes_of(bridge).values()))
        time.sleep(seconds)  # what is measured is that nothing happens
        pids = list(runs.processes_of(bridge).values())
        used = sum(map(runs.cpu_ns_of, pids)) - before
        figures.add('idle', Figure('idle CPU', used / 1e7 / seconds,
                                   '% of core', limit=0.3))
        figures.add('idle', Figure('memory without queues, idle',
                                   runs.private_mib_of(pids), 'MiB', limit=64))
    loaded = several(load_of_size(200), 3)
    figures.add('idle', of_values('memory without queues, full load', 'MiB',
                                  [one.private_mib for one in loaded],
                                  limit=64))


def _drain(nsqd, folder, ca_file, endpoint):
    bridge = Bridge(folder, [
        f'--topic={runs.TOPIC}', '--channel=bench', f'--stream={runs.STREAM}',
        f'--nsqd-tcp-address={nsqd.tcp_address}', f'--ca-file={ca_file}',
        f'--endpoint-url={endpoint}', '--egress-workers=2',
        '--partition-key=json:user_id', '--aggregate-size=256KiB',
        '--request-size=4MiB', '--max-in-flight=300000',
        '--log-level=warning'], kind='bench')
    begin = time.monotonic()
    try:
        nsqd.wait_until_finished(runs.TOPIC, 'bench', 300)
        seconds = time.monotonic() - begin
        return seconds, bridge.cpu_seconds()
    finally:
        bridge.end()


def _fill(nsqd, topic, count):
    for first in range(0, count, 5000):
        nsqd.publish(topic, [
            (b'{"user_id":"u%06d","filler":"' % (number % 1_000_000)
             ).ljust(198, b'x') + b'"}'
            for number in range(first, first + 5000)])


def catch_up(figures, _repeat):
    """5 million messages waiting in a real nsqd"""
    count, least = 5_000_000, 1_000_000
    with tempfile.TemporaryDirectory(prefix='nsq_to_kinesis-bench-') as folder:
        servers = runs.Servers(folder, Load(count=1))
        nsqd = Nsqd(pathlib.Path(folder) / 'nsqd',
                    more=['--max-rdy-count=300000'])
        try:
            # A channel has only what was published after it was made.
            nsqd.create_channel('cheapest', 'load')
            _fill(nsqd, 'cheapest', least)
            text = subprocess.run(
                [programs.of_the_bridge('nsq_simulator_load'), 'cheapest',
                 '300000', str(least), str(nsqd.tcp_port)],
                capture_output=True, text=True, check=False, timeout=120)
            nsqd.create_channel(runs.TOPIC, 'bench')
            _fill(nsqd, runs.TOPIC, count)
            seconds, cpu = _drain(nsqd, folder, f'{folder}/ca.pem',
                                  servers.endpoint)
        finally:
            nsqd.end()
            servers.end()
    figures.add('catch-up', Figure('drained from a real nsqd', count / seconds,
                                   '/s'))
    figures.add('catch-up', Figure('CPU per message, real nsqd',
                                   cpu / count * 1e6, 'us'))
    figures.add('catch-up', Figure(
        'the same nsqd with the cheapest consumer',
        json.loads(text.stdout)['messages_per_second'], '/s'))


def hour(figures, _repeat):
    """An hour at 20 000 messages/s: is memory flat?"""
    seconds, rate = 3600, 20_000
    load = Load(count=seconds * rate, rate=rate)
    with runs.started(load) as (servers, bridge):
        runs.wait_for_share(servers, bridge, load, 1 / 60)
        pids = list(runs.processes_of(bridge).values())
        first = runs.private_mib_of(pids)
        wait_until(lambda: servers.nsq.exit_status is not None, 'the end',
                   1.1 * seconds)
        figures.add('hour', Figure('memory growth in an hour',
                                   runs.private_mib_of(pids) - first, 'MiB',
                                   limit=1))


ALL = {'cost': cost, 'floor': floor, 'stages': stage_shares,
       'throughput': throughput, 'wire': wire, 'latency': latency,
       'scale': scale, 'idle': idle, 'catch-up': catch_up, 'hour': hour}

# Those that need an option.
ON_REQUEST = {'catch-up': 'real_nsqd', 'hour': 'long'}
