# SPDX-License-Identifier: Apache-2.0
"""The judge itself: a wrong stream is called wrong."""
import base64
import hashlib

from aws_kinesis_agg.deaggregator import iter_deaggregate_records

from integration.scene import CHANNEL
from rig.emulators import Kinesalite
from rig.ledger import judge
from rig.read_back import Stream, UserRecord, payload_of

PUBLISHED = [('ann', b'1'), ('bob', b'2'), ('ann', b'3'), ('bob', b'4')]


def _stream(*bodies):
    return Stream([UserRecord('shard-0', '1', 0, True, 'key', body, 0.0)
                   for body in bodies], 1, 0)


def stream_in_another_order_of_keys_is_good(scene):
    verdict = judge(PUBLISHED, _stream(b'2', b'4', b'1', b'3'))

    assert verdict.is_good and verdict.duplicates == 0, verdict


def missing_message_counts_as_lost(scene):
    verdict = judge(PUBLISHED, _stream(b'1', b'2', b'4'))

    assert verdict.lost == 1 and not verdict.is_good, verdict


def message_behind_a_later_one_of_its_key_violates_order(scene):
    verdict = judge(PUBLISHED, _stream(b'3', b'2', b'1', b'4'))

    assert verdict.order_violations == 1 and not verdict.is_good, verdict


def repeated_aggregate_is_duplicates_and_no_violation(scene):
    verdict = judge(PUBLISHED, _stream(b'1', b'2', b'1', b'2', b'3', b'4'))

    assert verdict.duplicates == 2 and verdict.is_good, verdict


def altered_message_is_one_lost_and_one_invented(scene):
    verdict = judge(PUBLISHED, _stream(b'1', b'2', b'3x', b'4'))

    assert (verdict.lost, verdict.invented) == (1, 1), verdict
    assert not verdict.is_good


def aggregate_that_reaches_out_of_its_shard_is_passed_over(scene):
    # The hash key of "k" is 0x8ce4b16b22b58894aa86c421e8759df3.
    protobuf = b'\x0a\x01k' b'\x1a\x05\x08\x00\x1a\x01a'
    body = b'\xf3\x89\x9a\xc2' + protobuf + hashlib.md5(protobuf).digest()
    stream = scene.make_stream(Kinesalite, shard_count=2)
    for hash_key_of_put in ('0', str(2**127)):
        stream.kinesis.call(
            'PutRecord', StreamName=stream.name, PartitionKey='any',
            ExplicitHashKey=hash_key_of_put,
            Data=base64.b64encode(body).decode())

    read = stream.read()

    assert read.kinesis_record_count == 2 and read.dropped_count == 1, read
    assert [one.shard_id for one in read.user_records] == \
        ['shardId-000000000001']


def _by_the_library(record):
    """(partition key, body) of each user record, as AWS Labs' library has it.

    It is what others read our aggregates with. It reports the first explicit
    hash key for records that have none, so that is not asked.
    """
    return [(one['kinesis']['partitionKey'],
             base64.b64decode(one['kinesis']['data']))
            for one in iter_deaggregate_records({'kinesis': {
                'kinesisSchemaVersion': '1.0',
                'sequenceNumber': record['SequenceNumber'],
                'partitionKey': record['PartitionKey'],
                'approximateArrivalTimestamp': 0.0,
                'data': base64.b64encode(payload_of(record['Data']))}})]


def library_of_others_reads_what_the_checker_reads(scene):
    nsqd, stream = scene.start_nsqd(), scene.make_stream(Kinesalite)
    nsqd.create_channel(scene.topic, CHANNEL)
    scene.publish(nsqd, 2000)
    scene.start_bridge([nsqd], stream, '--partition-key=json:user_id')
    scene.wait_until_finished(nsqd)

    by_the_library = [
        found for shard in sorted(stream.kinesis.shards(stream.name))
        for record in stream.kinesis.records_of_shard(stream.name, shard)
        for found in _by_the_library(record)]
    records = stream.read().user_records

    assert any(one.aggregated for one in records)
    assert [(one.partition_key, one.body) for one in records] == by_the_library
