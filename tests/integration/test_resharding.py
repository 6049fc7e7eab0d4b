# SPDX-License-Identifier: Apache-2.0
"""The shards move while messages flow; a KCL consumer sees each message once.

A record that lands on a shard which does not cover all of it is thrown away by
such a consumer, so the bridge sends it again. That copy is all that a reshard
may cost: at most the aggregate that was on its way to the shard.
"""
from integration.scene import CHANNEL
from rig.kinesis import Refused
from rig.processes import wait_until

KEY = '--partition-key=json:user_id'
COUNT = 20000
STEP = 2000
FIRST = 'shardId-000000000000'
AGGREGATE_MOST = 600  # messages of ~105 bytes in an aggregate of 50 KiB


def _start(scene, *options, shard_count=4, more=()):
    simulator = scene.start_simulator(more=more)
    stream = scene.make_stream(simulator, shard_count=shard_count)
    nsqd = scene.start_nsqd()
    scene.start_bridge([nsqd], stream, KEY, *options)
    return simulator, stream, nsqd


def _expect_once(scene, stream, published, reshards):
    """Once in the eyes of KCL; returns what it passed over."""
    dropped = stream.read().dropped_count
    verdict = scene.expect_all(stream, published)
    assert verdict.dropped <= reshards * AGGREGATE_MOST, verdict
    return dropped


def split_on_the_way_costs_at_most_the_aggregate_on_its_way(scene):
    """(K10)"""
    simulator, stream, nsqd = _start(scene)
    simulator.misbehave(on='PutRecords', action='split', shard=FIRST, after=3,
                        count=1)

    published = scene.publish(nsqd, COUNT)
    scene.wait_until_finished(nsqd)

    _expect_once(scene, stream, published, reshards=1)
    assert len(stream.kinesis.shards(stream.name)) == 6


def merge_on_the_way_costs_nothing(scene):
    """(K10) the merged shard covers what either of the two was sent."""
    simulator, stream, nsqd = _start(scene)
    simulator.misbehave(on='PutRecords', action='merge', shard=FIRST, after=3,
                        count=1)

    published = scene.publish(nsqd, COUNT)
    scene.wait_until_finished(nsqd)

    assert _expect_once(scene, stream, published, reshards=1) == 0
    assert len(stream.kinesis.shards(stream.name)) == 5


def list_of_shards_that_is_older_than_the_reply_is_asked_for_again(scene):
    """(K11)"""
    simulator, stream, nsqd = _start(scene)
    simulator.misbehave(on='ListShards', action='stale_shards', time_ms=1500)
    simulator.misbehave(on='PutRecords', action='split', shard=FIRST, after=3,
                        count=1)

    published = scene.publish(nsqd, COUNT)
    scene.wait_until_finished(nsqd)

    _expect_once(scene, stream, published, reshards=1)


def _one_bad_list(scene, action, **rule):
    simulator, stream, nsqd = _start(scene, '--request-timeout=2s')
    simulator.misbehave(on='ListShards', action=action, **rule)
    simulator.misbehave(on='PutRecords', action='split', shard=FIRST, after=3,
                        count=1)

    published = scene.publish(nsqd, COUNT)
    scene.wait_until_finished(nsqd)

    _expect_once(scene, stream, published, reshards=1)
    return simulator


def throttled_list_of_shards_is_asked_for_again(scene):
    """(K11)"""
    _one_bad_list(scene, 'limit_exceeded', count=3)


def expired_page_of_shards_is_asked_for_again(scene):
    """(K11)"""
    _one_bad_list(scene, 'expired_next_token', count=2)


def garbage_for_a_list_of_shards_is_asked_for_again(scene):
    """(K11)"""
    _one_bad_list(scene, 'garbage', count=2)


def queues_that_are_not_concerned_go_on_while_the_list_does_not_come(scene):
    """(K10) (K11) the list is held for as long as the test likes."""
    simulator, stream, nsqd = _start(scene)
    simulator.misbehave(on='ListShards', action='hold_before')
    simulator.misbehave(on='PutRecords', action='split', shard=FIRST, count=1)

    # nsqd hands out 2500 at most: those of one shard leave room for the rest.
    count = 4000
    published = scene.publish(nsqd, count)
    wait_until(lambda: nsqd.unfinished(scene.topic, CHANNEL) < count // 3,
               'three of four shards are served', 8)
    waiting = nsqd.unfinished(scene.topic, CHANNEL)
    simulator.behave()
    scene.wait_until_finished(nsqd, seconds=60)

    assert waiting > 0, 'nobody needed the list'
    _expect_once(scene, stream, published, reshards=1)


def storm_of_reshards_loses_nothing_and_keeps_the_order(scene):
    """(K10) UpdateShardCount again and again."""
    _, stream, nsqd = _start(scene)
    published = []

    counts = [8, 4, 2, 4, 3, 6, 5, 10, 5, 4]
    for count in counts:
        published += scene.publish(nsqd, STEP, first=len(published))
        wait_until(lambda: stream.kinesis.status(stream.name) == 'ACTIVE',
                   'the last change is over')
        stream.kinesis.call('UpdateShardCount', StreamName=stream.name,
                            TargetShardCount=count,
                            ScalingType='UNIFORM_SCALING')
        published += scene.publish(nsqd, STEP, first=len(published))
    scene.wait_until_finished(nsqd, seconds=60)

    # Each change moves up to all shards of before: four queues have one
    # aggregate each on its way.
    _expect_once(scene, stream, published, reshards=4 * len(counts))


def killed_worker_is_followed_by_one_that_learns_the_shards_anew(scene):
    """(K10) (P7) its successor begins with the layout's map."""
    simulator, stream, nsqd = _start(scene)
    published = scene.publish(nsqd, STEP)
    scene.wait_until_finished(nsqd)
    stream.kinesis.call('UpdateShardCount', StreamName=stream.name,
                        TargetShardCount=8, ScalingType='UNIFORM_SCALING')
    published += scene.publish(nsqd, STEP, first=len(published))
    scene.wait_until_finished(nsqd)
    dropped = stream.read().dropped_count
    simulator.misbehave(on='PutRecords', action='hold_after_commit')
    published += scene.publish(nsqd, STEP, first=len(published))
    wait_until(lambda: simulator.statistics()['faults'] > 0,
               'a reply is held')
    scene.bridge.kill_worker(0)
    simulator.behave()
    scene.wait_until_finished(nsqd)

    verdict = scene.expect_all(stream, published, duplicates_allowed=True)
    assert verdict.dropped == dropped, 'the successor began with an old map'
    # What was on its way came twice: with luck two messages that travelled
    # alone, so that tags alone would not show it.
    assert verdict.duplicates > 0, verdict
    copies = {}
    for shard in stream.kinesis.shards(stream.name):
        for record in stream.kinesis.records_of_shard(stream.name, shard):
            if record['PartitionKey'].startswith('b1.'):
                copies.setdefault(record['PartitionKey'], set()).add(
                    record['Data'])
    for tag, data in copies.items():
        assert len(data) == 1, f'{tag} stands for more than one aggregate'


def stream_that_is_deleted_and_made_anew_is_waited_for(scene):
    """(K12) with other shards under the old ids."""
    _, stream, nsqd = _start(scene, shard_count=1)
    scene.publish(nsqd, STEP)
    scene.wait_until_finished(nsqd)

    stream.kinesis.call('DeleteStream', StreamName=stream.name)
    wait_until(lambda: not _exists(stream), 'the stream is gone')
    published = scene.publish(nsqd, COUNT, first=STEP)
    scene.bridge.program.wait_for_line(r'stream_gone')
    stream.kinesis.create_stream(stream.name, 3)
    scene.bridge.program.wait_for_line(r'stream_back', 40)
    scene.wait_until_finished(nsqd)

    verdict = scene.expect_all(stream, published)
    assert verdict.dropped == 0, verdict
    said = scene.bridge.program.log()
    assert said.count('stream_gone') == 1, said
    assert said.count('put_records_failed') <= 1, said


def _exists(stream):
    try:
        stream.kinesis.status(stream.name)
    except Refused as refusal:
        assert refusal.code == 'ResourceNotFoundException', refusal
        return False
    return True
