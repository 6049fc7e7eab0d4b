# SPDX-License-Identifier: Apache-2.0
"""plan - what a storm does and when, decided by a seed alone.

A storm goes in rounds. In each a few processes are killed or stopped, at last
the supervisor or everything at once, because a supervisor restarts what dies
often more and more slowly. Faults of Kinesis and of nsqd, and reshards, fall
where they may. The last part of the time is calm, so that all can arrive.
"""
import dataclasses
import hashlib
import random

ROUND_SECONDS = 4.0
CALM_SHARE = 0.06
WORKERS = 2

# Rules of the Kinesis simulator's script, on PutRecords.
KINESIS_FAULTS = (
    {'action': 'throttle', 'count': 8}, {'action': 'internal_failure'},
    {'action': 'internal_failure_after'}, {'action': 'throttle_after'},
    {'action': 'throttle_request', 'count': 2}, {'action': 'http_500_before'},
    {'action': 'http_500_after'}, {'action': 'http_503'},
    {'action': 'close_before'}, {'action': 'reset_before'},
    {'action': 'close_after_commit'}, {'action': 'reset_after_commit'},
    {'action': 'close_after_reply'}, {'action': 'cut_reply'},
    {'action': 'cut_head'}, {'action': 'drip', 'time_ms': 5},
    {'action': 'longer_length'}, {'action': 'shorter_length'},
    {'action': 'garbage'}, {'action': 'empty_map'}, {'action': 'deep_reply'},
    {'action': 'wrong_count'}, {'action': 'extra_result'},
    {'action': 'wrong_failed_count'}, {'action': 'wrong_shard'},
    {'action': 'unknown_shard'}, {'action': 'no_shard'}, {'action': 'no_sequence'},
    {'action': 'garbage_sequence'}, {'action': 'long_sequence'},
    {'action': 'late_reset', 'time_ms': 700},
    {'action': 'late_close', 'time_ms': 2500},
    {'action': 'hold_after_commit'}, {'action': 'hold_before'},
    {'action': 'delay', 'delay_ms': 400}, {'action': 'split'},
    {'action': 'expired_token'},
)

# Faults of the NSQ simulator's script.
NSQ_FAULTS = (
    {'action': 'disconnect'}, {'action': 'disconnect', 'reset': True},
    {'action': 'disconnect_mid_frame'}, {'action': 'time_out'},
    {'action': 'twin', 'count': 20}, {'action': 'twin', 'count': 5,
                                      'distance': 40},
    {'action': 'pause', 'for_ms': 300}, {'action': 'malformed_size'},
    {'action': 'malformed_type'}, {'action': 'malformed_id'},
    {'action': 'half_open', 'for_ms': 1500}, {'action': 'drip', 'for_ms': 500},
    {'action': 'refuse', 'for_ms': 400}, {'action': 'error_frame'},
    {'action': 'error_frame', 'close': True},
)


@dataclasses.dataclass(frozen=True)
class Step:
    at: float  # seconds after the beginning
    what: str
    how: tuple  # sorted (name, value) pairs

    def __str__(self):
        how = ' '.join(f'{name}={value}' for name, value in self.how)
        return f'{self.at:8.3f} {self.what} {how}'


def _step(at, what, **how):
    return Step(round(at, 3), what, tuple(sorted(how.items())))


def _one_round(chance, begin, seconds):
    """Kills of single processes, then of the supervisor or of all."""
    count = chance.randrange(4, 6)
    moments = [begin + seconds * (0.05 + 0.7 * (number + chance.random()) /
                                  count) for number in range(count)]
    for at in moments:
        whom = chance.choices(
            ('egress[0]', 'egress[1]', 'egress', 'ingest', 'ingest and egress'),
            (3, 3, 2, 4, 2))[0]
        if chance.random() < 0.12:
            yield _step(at, 'stop', whom=chance.choice(
                ('egress[0]', 'egress[1]', 'ingest')),
                seconds=round(chance.uniform(0.1, 0.8), 3))
        else:
            yield _step(at, 'kill', whom=whom)
    yield _step(begin + 0.85 * seconds, 'kill',
                whom='supervisor' if chance.random() < 0.2 else 'all')


def _scatter(chance, begin, end, every):
    """Moments that are `every` seconds apart on the average."""
    at = begin + chance.expovariate(1 / every)
    while at < end:
        yield at
        at += chance.expovariate(1 / every)


def make_plan(seed, seconds):
    chance = random.Random(seed)
    end = seconds * (1 - CALM_SHARE)
    rounds = max(1, round(end / ROUND_SECONDS))
    steps = []
    for number in range(rounds):
        steps += _one_round(chance, number * end / rounds, end / rounds)
    for at in _scatter(chance, 0.5, end, 0.5):
        rule = dict(chance.choice(KINESIS_FAULTS))
        rule.setdefault('count', chance.randrange(1, 4))
        steps.append(_step(at, 'kinesis', **rule))
    for at in _scatter(chance, 0.5, end, 1.5):
        steps.append(_step(at, 'nsq', **chance.choice(NSQ_FAULTS),
                           nsqd=chance.randrange(2)))
    for at in _scatter(chance, 1, end, 3):
        steps.append(_step(at, 'reshard', place=round(chance.random(), 6),
                           grow=chance.random() < 0.5))
    for at in _scatter(chance, 1, end, 5):
        steps.append(_step(at, chance.choice(('cut', 'cut in a frame',
                                              'silence'))))
    return sorted(steps, key=lambda step: (step.at, str(step)))


def fingerprint(plan):
    text = '\n'.join(map(str, plan))
    return hashlib.sha256(text.encode()).hexdigest()[:16]
