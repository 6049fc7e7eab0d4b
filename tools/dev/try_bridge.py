# SPDX-License-Identifier: Apache-2.0
"""try_bridge - publish to a real nsqd, read back what reached the stream.

Everything runs on loopback with its files in a temporary folder and ends with
this program, also on Ctrl-C. The order of the steps is main(). The exit
status is 0 only if every message arrived, in order, although an egress worker
was killed on the way.
"""
import argparse
import os
import pathlib
import signal
import sys
import tempfile
import time

from rig.bridge import Bridge
from rig.emulators import KinesisLocal
from rig.kinesis import Kinesis
from rig.ledger import judge
from rig.messages import make_messages
from rig.nsq import Nsqd, Nsqlookupd
from rig.processes import NotInTime, wait_until
from rig.read_back import read_stream
from try_report import Progress, grouped, latencies_ms, print_table, say

TOPIC, CHANNEL, STREAM = 'clicks', 'nsq_to_kinesis', 'clicks'
SHARD_COUNT, WORKER_COUNT = 4, 2
BATCHES_PER_SECOND = 100


def read_arguments():
    parser = argparse.ArgumentParser(
        prog='tools/try',
        description='Publish messages to a real nsqd, kill an egress worker '
                    'half way, and read everything back from a Kinesis '
                    'emulator.')
    parser.add_argument('--messages', type=int, default=50000, metavar='N',
                        help='how many to publish (default %(default)s)')
    parser.add_argument('--rate', type=int, default=5000, metavar='N',
                        help='messages per second (default %(default)s)')
    parser.add_argument('--users', type=int, default=1000, metavar='N',
                        help='users they belong to (default %(default)s)')
    parser.add_argument('--keep', action='store_true',
                        help='leave everything running afterwards and say '
                             'how to use it; Ctrl-C ends it')
    parser.add_argument('--no-install', action='store_true',
                        help='refuse to install Debian packages')
    arguments = parser.parse_args()
    if min(arguments.messages, arguments.rate, arguments.users) < 1:
        parser.error('--messages, --rate and --users are at least 1')
    return arguments


class Place:
    """The servers, the stream and the bridge, ended in reverse order."""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self._started = []

    def _own(self, started):
        self._started.append(started)
        return started

    def start_servers(self):
        self.lookup = self._own(Nsqlookupd(self.folder))
        self.nsqd = self._own(Nsqd(self.folder / 'nsqd', lookup=self.lookup))
        self.nsqd.create_channel(TOPIC, CHANNEL)
        self.server = self._own(KinesisLocal(self.folder))
        self.kinesis = Kinesis(self.server.endpoint_url)
        self.kinesis.create_stream(STREAM, SHARD_COUNT)

    def start_bridge(self):
        """Returns the seconds until it reads from nsqd."""
        begin = time.monotonic()
        self.bridge = self._own(Bridge(self.folder, [
            f'--topic={TOPIC}', f'--channel={CHANNEL}',
            f'--lookupd-http-address={self.lookup.http_address}',
            f'--stream={STREAM}', f'--endpoint-url={self.server.endpoint_url}',
            f'--egress-workers={WORKER_COUNT}',
            '--partition-key=json:user_id'], kind='try'))
        self.bridge.wait_until_started(WORKER_COUNT)
        self.nsqd.wait_for_consumer(TOPIC, CHANNEL)
        return time.monotonic() - begin

    def end(self):
        for started in reversed(self._started):
            started.end()


class Kill:
    """SIGKILL of worker 0, and how long until another one works."""

    def __init__(self, bridge):
        self._bridge = bridge
        self._begin = None
        self.away_seconds = None

    def strike(self):
        self._begin = time.monotonic()
        self._bridge.kill_worker(0)

    def look(self):
        """Note the time when the next worker 0 says that it is ready."""
        if (self._begin and self.away_seconds is None and
                self._bridge.readiness_count('egress[0]') > 1):
            self.away_seconds = time.monotonic() - self._begin
        return self.away_seconds is not None


def publish(place, arguments, kill):
    """In order, at an even rate; returns (user, body) as published."""
    published = []
    batch = max(1, arguments.rate // BATCHES_PER_SECOND)
    begin = time.monotonic()
    with Progress('publish', arguments.messages) as progress:
        while len(published) < arguments.messages:
            first = len(published)
            due = begin + first / arguments.rate
            while (early := due - time.monotonic()) > 0:
                kill.look()
                time.sleep(min(early, 0.002))
            messages = make_messages(min(batch, arguments.messages - first),
                                     arguments.users, first)
            place.nsqd.publish(TOPIC, [body for _, body in messages])
            published += messages
            if first < arguments.messages / 2 <= len(published):
                kill.strike()
            progress.show(len(published))
    return published, time.monotonic() - begin


def run(place, arguments):
    """Returns True if all is well."""
    say('start', f'nsqd and nsqlookupd, kinesis-local with a stream of '
                 f'{SHARD_COUNT} shards')
    place.start_servers()
    say('bridge', f'ingest and {WORKER_COUNT} egress workers, '
                  'partition key json:user_id')
    start_seconds = place.start_bridge()
    kill = Kill(place.bridge)
    cpu_before = place.bridge.cpu_seconds()

    published, publish_seconds = publish(place, arguments, kill)
    say('publish', f'{grouped(len(published))} messages of '
                   f'{grouped(arguments.users)} users in '
                   f'{publish_seconds:.1f} s; worker 0 killed half way')
    wait_until(kill.look, 'the killed worker is back', 30)
    begin = time.monotonic()
    place.nsqd.wait_until_finished(TOPIC, CHANNEL, 120)
    say('finish', 'nsqd has seen every message finished '
                  f'{time.monotonic() - begin:.1f} s after the last was '
                  'published')
    cpu_seconds = place.bridge.cpu_seconds() - cpu_before
    memory = place.bridge.memory_bytes()

    say('read', 'the stream through GetRecords, taken apart as the KCL does')
    stream = read_stream(place.kinesis, STREAM)
    verdict = judge(published, stream)
    p50, p99 = latencies_ms(stream)
    print_table([
        ('published', grouped(verdict.published)),
        ('in the stream', grouped(verdict.in_stream)),
        ('lost', grouped(verdict.lost)),
        ('duplicates', grouped(verdict.duplicates)),
        ('order violations per key', grouped(verdict.order_violations)),
        ('messages per Kinesis record',
         f'{verdict.in_stream / max(1, stream.kinesis_record_count):.1f}'),
        ('publish to stream, p50', f'{p50:.0f} ms'),
        ('publish to stream, p99', f'{p99:.0f} ms'),
        ('bridge CPU per message',
         f'{cpu_seconds / len(published) * 1e6:.1f} us'),
        ('bridge memory, queues included', f'{memory / 2**20:.0f} MiB'),
        ('start of the bridge', f'{start_seconds * 1000:.0f} ms'),
        ('restart of the killed worker', f'{kill.away_seconds * 1000:.0f} ms'),
    ])
    if verdict.invented:
        print(f'  {grouped(verdict.invented)} records were never published.')
    return verdict.is_good


def explain_kept(place):
    inspector = os.path.relpath(place.bridge.program.arguments[0] + '-inspect')
    name = f'--name={place.bridge.name}'
    print(f'''
  Everything is still running. In another terminal, in this folder:

    publish       curl -d '{{"user_id":"me","text":"hello"}}' \\
                      'http://127.0.0.1:{place.nsqd.http_port}/pub?topic={TOPIC}'
    look inside   {inspector} list {name}
                  {inspector} counters {name}
    read the log  less {place.bridge.program.log_path}
    nsqd          http://127.0.0.1:{place.nsqd.http_port}/stats
    kinesis       {place.server.endpoint_url} (stream {STREAM})

  Ctrl-C here ends it all.''', flush=True)
    signal.pause()


def stop_on_signal(number, _frame):
    raise KeyboardInterrupt


def main():
    arguments = read_arguments()
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, stop_on_signal)
    with tempfile.TemporaryDirectory(prefix='nsq_to_kinesis-try-') as folder:
        place = Place(folder)
        try:
            is_good = run(place, arguments)
            print('  Everything arrived, in order.' if is_good else
                  '  The numbers are wrong.', flush=True)
            if arguments.keep:
                explain_kept(place)
            return 0 if is_good else 1
        except KeyboardInterrupt:
            print('\n  Ending everything ...', flush=True)
            return 130
        except (AssertionError, NotInTime, OSError) as wrong:
            print(f'\n  It did not work: {wrong}', flush=True)
            return 1
        finally:
            place.end()


if __name__ == '__main__':
    sys.exit(main())
