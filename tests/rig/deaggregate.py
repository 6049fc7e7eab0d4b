# SPDX-License-Identifier: Apache-2.0
"""deaggregate - Kinesis records to user records, by a library not ours.

The library is aws-kinesis-agg of PyPI, published by AWS Labs for Lambda. Its
answer is the truth about what the bridge wrote. Two of its ways matter here:
what does not parse as an aggregate is one user record, raw; and it reports
the first explicit hash key for records that have none, so nobody looks at
its explicit hash keys.
"""
import base64
import dataclasses

from aws_kinesis_agg.deaggregator import iter_deaggregate_records


@dataclasses.dataclass(frozen=True, slots=True)
class UserRecord:
    shard_id: str
    sequence_number: str
    index: int  # in the aggregate; 0 for a plain record
    aggregated: bool
    partition_key: str
    body: bytes
    arrival: float  # seconds since 1970: when Kinesis took the record


def deaggregate(shard_id, record):
    """User records of one record as GetRecords returns it, in order."""
    envelope = {'kinesis': {
        'kinesisSchemaVersion': '1.0',
        'sequenceNumber': record['SequenceNumber'],
        'partitionKey': record['PartitionKey'],
        'approximateArrivalTimestamp': record['ApproximateArrivalTimestamp'],
        'data': record['Data']}}
    return [
        UserRecord(shard_id, record['SequenceNumber'],
                   one['kinesis'].get('subSequenceNumber', 0),
                   one['kinesis'].get('aggregated', False),
                   one['kinesis']['partitionKey'],
                   base64.b64decode(one['kinesis']['data']),
                   float(record['ApproximateArrivalTimestamp']))
        for one in iter_deaggregate_records(envelope)]
