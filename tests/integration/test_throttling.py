# SPDX-License-Identifier: Apache-2.0
"""A shard that refuses is asked rarely, holds up nobody, and heals at once."""
import json
import time

from rig.processes import wait_until

KEY = '--partition-key=json:user_id'
COUNT = 10000
SHARD = 'shardId-000000000001'
SECOND = 1000000000


class _History:
    def __init__(self, scene):
        self._path = scene.folder / 'kinesis.jsonl'
        self.option = f'--history={self._path}'

    def lines(self, event):
        # A line that is being written has no end yet.
        whole = self._path.read_text().rpartition('\n')[0].splitlines()
        return [line for line in map(json.loads, whole) if line['ev'] == event]

    def refusals(self):
        """When the shard was asked in vain."""
        return [line['t'] for line in self.lines('fault')
                if line['action'] == 'throttle']


def _most_in_a_second(times):
    return max(sum(1 for t in times if first <= t < first + SECOND)
               for first in times)


def _stored(stream, shard):
    return sum(record.shard_id == shard for record in stream.read().user_records)


def shard_that_refuses_everything_is_asked_twice_a_second_at_most(scene):
    """(K1) (K2) and the others go on as if nothing were."""
    history = _History(scene)
    simulator = scene.start_simulator(more=[history.option])
    stream = scene.make_stream(simulator)
    simulator.misbehave(on='PutRecords', action='throttle', shard=SHARD)
    nsqd = scene.start_nsqd()
    scene.start_bridge([nsqd], stream, KEY, '--max-in-flight=20000')

    published = scene.publish(nsqd, COUNT)
    wait_until(lambda: len(stream.read().user_records) > COUNT // 2,
               'the other shards have their records', 10)
    wait_until(lambda: len(history.refusals()) >= 10,
               'the shard has refused for some seconds', 20)
    simulator.behave()
    healed = time.monotonic()
    scene.wait_until_finished(nsqd)
    recovery = time.monotonic() - healed

    assert _most_in_a_second(history.refusals()) <= 2, history.refusals()
    assert recovery <= 2, recovery
    assert _stored(stream, SHARD) > 0
    scene.expect_all(stream, published)


def shards_at_their_real_limits_take_everything_in_order(scene):
    """(K1) (K2) 1000 records and 1 MiB a second, as Kinesis enforces them."""
    simulator = scene.start_simulator(more=['--enforce-rate'])
    stream = scene.make_stream(simulator, shard_count=2)
    nsqd = scene.start_nsqd()
    scene.start_bridge([nsqd], stream, KEY)

    published = [(f'user-{number % 50}',
                  json.dumps({'user_id': f'user-{number % 50}',
                              'number': number,
                              'filler': 'x' * 1000}).encode())
                 for number in range(8000)]
    for first in range(0, len(published), 500):
        nsqd.publish(scene.topic,
                     [body for _, body in published[first:first + 500]])
    scene.wait_until_finished(nsqd, seconds=60)

    assert simulator.statistics()['records_failed'] > 0
    scene.expect_all(stream, published)
