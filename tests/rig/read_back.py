# SPDX-License-Identifier: Apache-2.0
"""read_back - the whole stream as a consumer that follows the KCL sees it.

Such a consumer drops a whole aggregate when one of its user records hashes
outside the shard it lies in, and so does this reader, with a deaggregator
that is not ours. After a reshard the bridge sends such an aggregate again, in
parts that fit; if it did not, its messages would count as lost here.
https://github.com/awslabs/amazon-kinesis-client, AggregatorUtil.deaggregate
"""
import dataclasses
import hashlib

from rig.deaggregate import deaggregate


@dataclasses.dataclass
class Stream:
    user_records: list  # in the order of each shard, shard after shard
    kinesis_record_count: int
    dropped_count: int  # user records of aggregates that reach out of a shard


def hash_key(partition_key):
    """As Kinesis does: MD5 of the UTF-8 text, as a 128-bit number."""
    return int.from_bytes(hashlib.md5(partition_key.encode()).digest(), 'big')


def _fits(user_records, first, last):
    """KCL checks the user records of aggregates only."""
    return all(not one.aggregated or
               first <= hash_key(one.partition_key) <= last
               for one in user_records)


def read_stream(kinesis, name):
    stream = Stream([], 0, 0)
    for shard_id, (first, last) in sorted(kinesis.shards(name).items()):
        for record in kinesis.records_of_shard(name, shard_id):
            stream.kinesis_record_count += 1
            found = deaggregate(shard_id, record)
            if _fits(found, first, last):
                stream.user_records += found
            else:
                stream.dropped_count += len(found)
    return stream
