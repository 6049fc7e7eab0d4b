# SPDX-License-Identifier: Apache-2.0
"""weather - a bridge, its sources and its stream, and what happens to them.

    publisher ─► nsqd ─► witness ─┐
                  NSQ simulator 0 ─┼─► bridge ─► Kinesis simulator
                  NSQ simulator 1 ─┘

Whoever sees something writes it to a history of its own; the bridge writes
none.
"""
import pathlib

from checker.history import Writer
from rig.kinesis import Kinesis, Refused
from rig.nsq import Nsqd, NsqdClient
from rig.nsq_witness import NsqWitness
from rig.processes import wait_until
from rig.simulators import KinesisSimulator, NsqSimulator
from storm.flock import Flock
from storm.plan import WORKERS
from storm.publisher import Publisher

TOPIC, CHANNEL, STREAM = 'storm', 'bridge', 'storm'
SHARDS, SHARDS_MOST = 4, 8
SIMULATED_KEYS = 400
REAL_KEYS = range(1000000, 1000040)
SIMULATED_SHARE = 0.8  # of the messages
OPTIONS = ('--partition-key=bytes:12:4', f'--egress-workers={WORKERS}',
           '--consumer-opt=msg_timeout,2s', '--orphan-timeout=1s',
           '--consumer-opt=heartbeat_interval,1s', '--request-timeout=1500ms',
           '--queue-size=1MiB', '--settle-time=1s')


class Weather:
    def __init__(self, folder, seed, seconds, rate):
        self.folder = pathlib.Path(folder)
        self._started = []
        try:
            self._start(seed, seconds, rate)
        except BaseException:
            self.end()
            raise

    def _own(self, started):
        self._started.append(started)
        return started

    def _history_of(self, name):
        return self.folder / f'history-{name}'

    def _start(self, seed, seconds, rate):
        self.run = seed
        self.history = self._own(Writer(self._history_of('storm')))
        self.history.write('publisher', 'run', run=seed,
                           partition_key='bytes:12:4')
        self.kinesis = self._own(KinesisSimulator(
            self.folder, [f'--stream={STREAM}:{SHARDS}', '--delay-ms=2',
                          f'--seed={seed}',
                          f'--history={self._history_of("kinesis")}']))
        self.service = Kinesis(self.kinesis.endpoint_url)
        simulated = int(rate * SIMULATED_SHARE)
        self.nsq = self._own(NsqSimulator(
            self.folder, TOPIC, simulated * int(seconds),
            ['--nsqd=2', '--body=binary', '--size=150', f'--rate={simulated}',
             f'--keys={SIMULATED_KEYS}', f'--seed={seed}', '--equal-ids',
             f'--history={self._history_of("nsq")}'], stays=True))
        self.nsqd = self._own(Nsqd(self.folder / 'nsqd'))
        self.nsqd.create_channel(TOPIC, CHANNEL)
        self.witness = self._own(NsqWitness(self.nsqd.tcp_port, self.history,
                                            2))
        self.flock = self._own(Flock(self.folder, [
            f'--topic={TOPIC}', f'--channel={CHANNEL}', f'--stream={STREAM}',
            f'--endpoint-url={self.kinesis.endpoint_url}',
            *[f'--nsqd-tcp-address={address}' for address in
              (*self.nsq.tcp_addresses, self.witness.tcp_address)],
            *OPTIONS], self.history))
        self.publisher = self._own(Publisher(
            NsqdClient(self.nsqd.http_port), TOPIC, self.history, run=seed,
            keys=REAL_KEYS, rate=rate - simulated, seed=seed))
        self._published = simulated * int(seconds)

    def histories(self):
        return sorted(self.folder.glob('history-*'))

    # --- what a step of the plan does

    def do(self, step):
        how = dict(step.how)
        if step.what == 'kill':
            self.flock.kill(how['whom'])
        elif step.what == 'stop':
            self.flock.stop(how['whom'], how['seconds'])
        elif step.what == 'kinesis':
            self.kinesis.misbehave(on='PutRecords', **how)
        elif step.what == 'nsq':
            self.nsq.misbehave(**how)
        elif step.what == 'reshard':
            self._reshard(how['place'], how['grow'])
        elif step.what == 'silence':
            self.witness.fall_silent(1.5)
        else:
            self.witness.cut(in_frame=step.what == 'cut in a frame')

    def _reshard(self, place, grow):
        """Split one open shard, or merge it with its neighbour above."""
        reply = self.service.call('ListShards', StreamName=STREAM)['Shards']
        shards = sorted((int(one['HashKeyRange']['StartingHashKey']),
                         int(one['HashKeyRange']['EndingHashKey']),
                         one['ShardId']) for one in reply
                        if 'EndingSequenceNumber' not in
                        one['SequenceNumberRange'])
        chosen = int(place * (len(shards) - 1))
        first, last, name = shards[chosen]
        try:
            if (grow or len(shards) < 3) and len(shards) < SHARDS_MOST:
                self.service.call('SplitShard', StreamName=STREAM,
                                  ShardToSplit=name, NewStartingHashKey=str(
                                      (first + last) // 2))
            else:
                self.service.call('MergeShards', StreamName=STREAM,
                                  ShardToMerge=name,
                                  AdjacentShardToMerge=shards[chosen + 1][2])
        except Refused as refusal:
            self.history.write('fault', 'note', what=str(refusal))

    # --- the end

    def clear_up(self, seconds):
        """No more faults; wait until everything is finished, and note it."""
        self.kinesis.behave()
        self.publisher.end()
        wait_until(lambda: self.nsq.statistics()['finished'] ==
                   self._published, 'all simulated messages are finished',
                   seconds)
        self.nsqd.wait_until_finished(TOPIC, CHANNEL, seconds)
        status = self.flock.finish()
        left = self.nsqd.channel(TOPIC, CHANNEL)
        self.history.write('nsqd', 'end', nsqd=2,
                           published=self.publisher.count,
                           waiting=left['depth'] + left['topic_depth'],
                           in_flight=left['in_flight_count'])
        numbers = self.nsq.statistics()
        self.history.write('nsqd', 'end', nsqd=0, published=self._published,
                           waiting=self._published - numbers['finished'] -
                           numbers['unfinished'],
                           in_flight=numbers['unfinished'])
        return status

    def end(self):
        for started in reversed(self._started):
            started.end()
        self._started = []
