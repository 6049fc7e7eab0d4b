# SPDX-License-Identifier: Apache-2.0
"""read_back - the whole stream as a consumer that follows the KCL sees it.

Such a consumer drops a whole aggregate when one of its user records hashes
outside the shard it lies in, and so does this reader, with the checker's
deaggregator. After a reshard the bridge sends such an aggregate again, in
parts that fit; if it did not, its messages would count as lost here.
https://github.com/awslabs/amazon-kinesis-client, AggregatorUtil.deaggregate
"""
import base64
import dataclasses

from checker.deaggregation import fits, take_apart


@dataclasses.dataclass(frozen=True, slots=True)
class UserRecord:
    shard_id: str
    sequence_number: str
    index: int  # in the aggregate; 0 for a plain record
    aggregated: bool
    partition_key: str
    body: bytes
    arrival: float  # seconds since 1970: when Kinesis took the record


@dataclasses.dataclass
class Stream:
    user_records: list  # in the order of each shard, shard after shard
    kinesis_record_count: int
    dropped_count: int  # user records of aggregates that reach out of a shard


def payload_of(data):
    """Kinesalite keeps what came in CBOR as a Node.js Buffer and says so."""
    if isinstance(data, dict):
        return bytes(data['data'])
    return base64.b64decode(data)


def read_stream(kinesis, name):
    stream, hashes = Stream([], 0, 0), {}
    for shard_id, (first, last) in sorted(kinesis.shards(name).items()):
        for record in kinesis.records_of_shard(name, shard_id):
            stream.kinesis_record_count += 1
            found, is_aggregate = take_apart(
                record['PartitionKey'].encode(),
                payload_of(record['Data']))
            if is_aggregate and not fits(found, first, last, hashes):
                stream.dropped_count += len(found)
                continue
            stream.user_records += [
                UserRecord(shard_id, record['SequenceNumber'], index,
                           is_aggregate, key.decode(), body,
                           float(record['ApproximateArrivalTimestamp']))
                for index, (key, _, body) in enumerate(found)]
    return stream
