# SPDX-License-Identifier: Apache-2.0
"""read_back - the whole stream as a consumer would see it.

A consumer that follows the KCL drops an aggregate when one of its user
records hashes outside the shard it lies in. We keep such records and count
them, because to that consumer they are lost:
https://github.com/awslabs/amazon-kinesis-client, AggregatorUtil.deaggregate.
"""
import dataclasses
import hashlib

from rig.deaggregate import deaggregate


@dataclasses.dataclass
class Stream:
    user_records: list  # in the order of each shard, shard after shard
    kinesis_record_count: int
    outside_count: int  # user records that hash outside their shard


def hash_key(partition_key):
    """As Kinesis does: MD5 of the UTF-8 text, as a 128-bit number."""
    return int.from_bytes(hashlib.md5(partition_key.encode()).digest(), 'big')


def read_stream(kinesis, name):
    stream = Stream([], 0, 0)
    for shard_id, (first, last) in sorted(kinesis.shards(name).items()):
        for record in kinesis.records_of_shard(name, shard_id):
            stream.kinesis_record_count += 1
            found = deaggregate(shard_id, record)
            stream.user_records += found
            stream.outside_count += sum(
                one.aggregated and
                not first <= hash_key(one.partition_key) <= last
                for one in found)
    return stream
