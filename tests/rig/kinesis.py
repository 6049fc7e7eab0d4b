# SPDX-License-Identifier: Apache-2.0
"""kinesis - the few Kinesis calls a test needs, signed for real.

Signature Version 4 as AWS describes it:
https://docs.aws.amazon.com/IAM/latest/UserGuide/create-signed-request.html
The keys are those of KEYS, which every server of ours accepts.
"""
import base64
import contextlib
import datetime
import hashlib
import hmac
import http.client
import json
import ssl
import urllib.parse

from rig.processes import wait_until

REGION = 'us-east-1'
KEYS = {'AWS_ACCESS_KEY_ID': 'AKIDEXAMPLE',
        'AWS_SECRET_ACCESS_KEY': 'wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY'}
CONTENT_TYPE = 'application/x-amz-json-1.1'


class Refused(Exception):
    """Kinesis answered with an error; .code is its name."""

    def __init__(self, status, body):
        try:
            reply = json.loads(body)
        except ValueError:
            reply = {}
        self.code = str(reply.get('__type', status)).rpartition('#')[2]
        super().__init__(f'{self.code}: '
                         f'{reply.get("message", reply.get("Message", body))}')


def _signature_headers(host, target, body):
    now = datetime.datetime.now(datetime.timezone.utc)
    day, time = now.strftime('%Y%m%d'), now.strftime('%Y%m%dT%H%M%SZ')
    headers = {'content-type': CONTENT_TYPE, 'host': host,
               'x-amz-date': time, 'x-amz-target': target}
    names = ';'.join(sorted(headers))
    lines = ''.join(f'{name}:{headers[name]}\n' for name in sorted(headers))
    request = '\n'.join(['POST', '/', '', lines, names,
                         hashlib.sha256(body).hexdigest()])
    scope = f'{day}/{REGION}/kinesis/aws4_request'
    text = '\n'.join(['AWS4-HMAC-SHA256', time, scope,
                      hashlib.sha256(request.encode()).hexdigest()])
    key = ('AWS4' + KEYS['AWS_SECRET_ACCESS_KEY']).encode()
    for part in scope.split('/'):
        key = hmac.digest(key, part.encode(), 'sha256')
    signature = hmac.digest(key, text.encode(), 'sha256').hex()
    headers['authorization'] = (
        f'AWS4-HMAC-SHA256 Credential={KEYS["AWS_ACCESS_KEY_ID"]}/{scope}, '
        f'SignedHeaders={names}, Signature={signature}')
    return headers


class Kinesis:
    """One endpoint. Each call has its own connection: none goes stale."""

    def __init__(self, endpoint_url, ca_file=None):
        self.endpoint_url = endpoint_url
        self._host = urllib.parse.urlsplit(endpoint_url).netloc
        self._tls = (ssl.create_default_context(cafile=ca_file)
                     if endpoint_url.startswith('https') else None)

    def _connect(self):
        if self._tls:
            return http.client.HTTPSConnection(self._host, timeout=60,
                                               context=self._tls)
        return http.client.HTTPConnection(self._host, timeout=60)

    def call(self, action, **request):
        body = json.dumps(request).encode()
        with contextlib.closing(self._connect()) as connection:
            connection.request('POST', '/', body, _signature_headers(
                self._host, f'Kinesis_20131202.{action}', body))
            reply = connection.getresponse()
            text = reply.read()
        if reply.status != 200:
            raise Refused(reply.status, text)
        return json.loads(text) if text else {}

    def answers(self):
        """True once the server is up."""
        try:
            self.call('ListStreams')
        except OSError:
            return False
        return True

    def create_stream(self, name, shard_count):
        self.call('CreateStream', StreamName=name, ShardCount=shard_count)
        wait_until(lambda: self.status(name) == 'ACTIVE',
                   f'stream {name} is ACTIVE', 20)

    def status(self, name):
        return self.call('DescribeStreamSummary', StreamName=name)[
            'StreamDescriptionSummary']['StreamStatus']

    def shards(self, name):
        """Shard id -> (first hash key, last hash key), closed ones too."""
        found, more = {}, {'StreamName': name}
        while more:
            reply = self.call('ListShards', **more)
            for shard in reply['Shards']:
                span = shard['HashKeyRange']
                found[shard['ShardId']] = (int(span['StartingHashKey']),
                                           int(span['EndingHashKey']))
            token = reply.get('NextToken')
            more = {'NextToken': token} if token else None
        return found

    def put_records(self, name, records):
        """records: (partition key, bytes); returns the reply."""
        return self.call('PutRecords', StreamName=name, Records=[
            {'PartitionKey': key, 'Data': base64.b64encode(body).decode()}
            for key, body in records])

    def records_of_shard(self, name, shard_id):
        """Every record of the shard as it is now, in the shard's order."""
        iterator = self.call(
            'GetShardIterator', StreamName=name, ShardId=shard_id,
            ShardIteratorType='TRIM_HORIZON')['ShardIterator']
        while iterator:
            reply = self.call('GetRecords', ShardIterator=iterator, Limit=1000)
            yield from reply['Records']
            if not reply['Records'] and not reply.get('MillisBehindLatest'):
                return
            iterator = reply.get('NextShardIterator')
