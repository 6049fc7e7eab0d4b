# SPDX-License-Identifier: Apache-2.0
"""runs - one run of the bridge between the two simulators, and its figures.

A run is described by a Load and gives a Run. Processor time is that of the
bridge's processes alone, between two instants in the middle of the run: the
start of the processes and the last, half empty requests are in no figure.
"""
import contextlib
import dataclasses
import http.client
import json
import os
import pathlib
import re
import signal
import subprocess
import tempfile
import time

from rig import programs
from rig.bridge import Bridge
from rig.kinesis import KEYS
from rig.processes import (Program, children_of, command_line_of, wait_until)

TOPIC, STREAM = 'bench', 'bench'
FRAME_BYTES = 34  # size, type, timestamp, attempts and id of an NSQ message
LOOK_AGAIN_SECONDS = 0.02
PATIENCE_SECONDS = 120


@dataclasses.dataclass(frozen=True)
class Load:
    """What is sent, through which bridge. Rate 0: as fast as it goes."""
    size: int = 200
    count: int = 3_000_000
    rate: int = 0
    key: str = 'json:user_id'
    users: int = 1_000_000
    tls: bool = True
    protocol: str = 'cbor'
    workers: int = 2
    shards: int = 16
    nsqds: int = 1
    delay_ms: float = 15
    aggregate: str = '256KiB'
    queue: str = '4MiB'
    in_flight: int = 300_000
    begin_share: float = 0.2  # of the messages: where measuring begins
    more: tuple = ()


@dataclasses.dataclass
class Run:
    """The figures of one run; times per message are in microseconds."""
    messages: int
    messages_per_second: float
    cpu_us: dict            # by process, such as 'egress[0]'
    cpu_seconds_per_second: float
    private_mib: float      # PSS of all processes without shared memory
    latency_us: dict        # p50, p99, p999, max: from nsqd to FIN
    nsq_bytes: int
    body_bytes: int
    wire_bytes: int
    requests: int
    records: int
    record_bytes: int
    syscalls: float         # per 1000 messages; None if nobody may count them

    @property
    def total_cpu_us(self):
        return sum(self.cpu_us.values())


class Servers:
    """The two simulators, ready for one bridge."""

    def __init__(self, folder, load):
        self.folder = pathlib.Path(folder)
        self.certificate = None
        kinesis = ['--port=0', f'--stream={STREAM}:{load.shards}', '--discard',
                   f'--access-key={KEYS["AWS_ACCESS_KEY_ID"]}',
                   f'--secret-key={KEYS["AWS_SECRET_ACCESS_KEY"]}',
                   f'--delay-ms={load.delay_ms}', '--transition-ms=10']
        if load.tls:
            subprocess.run(
                [programs.of_the_bridge('kinesis_simulator'),
                 f'--make-certificate={folder}'], check=True,
                capture_output=True)
            self.certificate = (self.folder / 'server.pem',
                                self.folder / 'server-key.pem')
            kinesis += [f'--certificate={self.certificate[0]}', '--tls-port=0',
                        f'--private-key={self.certificate[1]}']
        self.kinesis = Program(
            'kinesis_simulator',
            [programs.of_the_bridge('kinesis_simulator'), *kinesis],
            self.folder / 'kinesis.log')
        found = self.kinesis.wait_for_line(r'listening http=(\d+) https=(\d+)')
        self._kinesis_port = int(found.group(1))
        scheme, port = (('https', found.group(2)) if load.tls
                        else ('http', found.group(1)))
        self.endpoint = f'{scheme}://127.0.0.1:{port}'
        self.nsq = Program(
            'nsq_simulator',
            [programs.of_the_bridge('nsq_simulator'), f'--topic={TOPIC}',
             f'--count={load.count}',
             f'--size={load.size}', f'--keys={load.users}',
             f'--nsqd={load.nsqds}', f'--rate={load.rate}',
             f'--max-rdy-count={load.in_flight}', '--exit-when-done',
             f'--deadline={PATIENCE_SECONDS}'],
            self.folder / 'nsq.log')
        found = self.nsq.wait_for_line(r'listening tcp=([\d,]+) http=(\d+)')
        self.nsqd_ports = [int(port) for port in found.group(1).split(',')]
        self._nsq_port = int(found.group(2))

    def nsq_statistics(self):
        return _ask(self._nsq_port, '/stats')

    def kinesis_statistics(self):
        return _ask(self._kinesis_port, '/statistics')

    def end(self):
        self.nsq.kill()
        self.kinesis.kill()


def _ask(port, path):
    connection = http.client.HTTPConnection('127.0.0.1', port, timeout=10)
    try:
        connection.request('GET', path)
        return json.loads(connection.getresponse().read())
    finally:
        connection.close()


def bridge_options(load, servers, protocols):
    options = [f'--topic={TOPIC}', '--channel=bench', f'--stream={STREAM}',
               f'--endpoint-url={servers.endpoint}',
               f'--partition-key={load.key}',
               f'--egress-workers={load.workers}',
               f'--aggregate-size={load.aggregate}', '--request-size=4MiB',
               f'--queue-size={load.queue}',
               f'--max-in-flight={load.in_flight}', '--log-level=warning',
               *load.more]
    options += [f'--nsqd-tcp-address=127.0.0.1:{port}'
                for port in servers.nsqd_ports]
    if load.tls:
        options.append(f'--ca-file={servers.folder}/ca.pem')
    if load.protocol in protocols:
        options.append(f'--protocol={load.protocol}')
    return options


def protocols_of_the_bridge():
    """What --protocol may say in this build."""
    text = subprocess.run([programs.of_the_bridge('nsq_to_kinesis'), '--help'],
                          capture_output=True, text=True, check=True).stdout
    return ('json', 'cbor') if '--protocol' in text else ()


# --- what the processes use

def processes_of(bridge):
    """Process numbers by name: supervisor, ingest, egress[0] ..."""
    found = {'supervisor': bridge.program.pid}
    for pid in sorted(children_of(bridge.program.pid)):
        arguments = command_line_of(pid)
        kind = os.path.basename(arguments[0]) if arguments else ''
        if kind.endswith('-ingest'):
            found['ingest'] = pid
        elif kind.endswith('-egress'):
            index = sum(name.startswith('egress') for name in found)
            found[f'egress[{index}]'] = pid
    return found


def cpu_ns_of(pid):
    """Of all its threads, as the scheduler counts: finer than ticks."""
    total = 0
    for path in pathlib.Path(f'/proc/{pid}/task').glob('*/schedstat'):
        with contextlib.suppress(OSError):
            total += int(path.read_text().split()[0])
    return total


def private_mib_of(pids):
    """PSS without shared memory: anonymous pages and programs."""
    kib = 0
    for pid in pids:
        with contextlib.suppress(OSError):
            text = pathlib.Path(f'/proc/{pid}/smaps_rollup').read_text()
            kib += sum(int(number) for number in re.findall(
                r'^Pss_(?:Anon|File):\s+(\d+) kB', text, re.MULTILINE))
    return kib / 1024


class Syscalls:
    """Counts system calls of processes through perf, where it is allowed."""

    def __init__(self, pids):
        self._perf = None
        with contextlib.suppress(OSError):
            self._perf = subprocess.Popen(
                ['perf', 'stat', '-x,', '-e', 'raw_syscalls:sys_enter', '-p',
                 ','.join(map(str, pids))],
                stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)

    def stop(self):
        """The count; None where it is not to be had."""
        if not self._perf:
            return None
        with contextlib.suppress(ProcessLookupError):
            self._perf.send_signal(signal.SIGINT)
        _, text = self._perf.communicate()
        found = re.search(r'^(\d+),', text, re.MULTILINE)
        return int(found.group(1)) if found else None


# --- a run

@contextlib.contextmanager
def started(load, protocols=None):
    """(servers, bridge) that work; both are ended in the end."""
    if protocols is None:
        protocols = protocols_of_the_bridge()
    with tempfile.TemporaryDirectory(prefix='nsq_to_kinesis-bench-') as folder:
        servers = Servers(folder, load)
        bridge = None
        try:
            bridge = Bridge(folder, bridge_options(load, servers, protocols),
                            kind='bench')
            yield servers, bridge
        finally:
            if bridge:
                bridge.end()
            servers.end()


class Meter:
    """What was used and done at one instant."""

    def __init__(self, servers, bridge):
        self.finished = servers.nsq_statistics()['finished']
        self.at = time.monotonic()
        self.cpu_ns = {name: cpu_ns_of(pid)
                       for name, pid in processes_of(bridge).items()}


def wait_for_share(servers, bridge, load, share):
    def is_there():
        if bridge.program.exit_status is not None:
            raise AssertionError('the bridge ended:\n' +
                                 bridge.program.last_lines())
        return (servers.nsq.exit_status is not None or
                servers.nsq_statistics()['finished'] >= share * load.count)
    wait_until(is_there, f'{share:.0%} of {load.count} messages',
               PATIENCE_SECONDS)


def run(load, counts_syscalls=False):
    """Send the load through a bridge of its own."""
    with started(load) as (servers, bridge):
        wait_for_share(servers, bridge, load, load.begin_share)
        before = Meter(servers, bridge)
        pids = list(processes_of(bridge).values())
        syscalls = Syscalls(pids) if counts_syscalls else None
        wait_for_share(servers, bridge, load, 0.95)
        after = Meter(servers, bridge)
        calls = syscalls.stop() if syscalls else None
        private_mib = private_mib_of(pids)
        status = servers.nsq.wait(PATIENCE_SECONDS)
        summary = json.loads(servers.nsq.log().splitlines()[-1])
        if status != 0 or not summary['done']:
            raise AssertionError(f'not everything was finished: {summary}')
        bridge.stop()
        kinesis = servers.kinesis_statistics()
    done = max(1, after.finished - before.finished)
    seconds = after.at - before.at
    cpu = {name: (ns - before.cpu_ns.get(name, 0)) / 1000 / done
           for name, ns in after.cpu_ns.items()}
    return Run(
        messages=load.count, messages_per_second=done / seconds, cpu_us=cpu,
        cpu_seconds_per_second=sum(cpu.values()) * done / 1e6 / seconds,
        private_mib=private_mib, latency_us=summary['latency_us'],
        nsq_bytes=load.count * (load.size + FRAME_BYTES),
        body_bytes=kinesis['put_request_bytes'],
        wire_bytes=kinesis['received_bytes'],
        requests=kinesis['put_records'], records=kinesis['records'],
        record_bytes=kinesis['record_bytes'],
        syscalls=None if calls is None else 1000 * calls / done)


def floor(load, one):
    """The least that the bytes of a run cost; see floor.c. A dictionary."""
    key_length = {'none': 0, 'message-id': 16}.get(load.key, 7)
    command = [programs.of_the_bridge('floor'), one.messages, one.nsq_bytes,
               one.body_bytes, one.requests, key_length, one.record_bytes,
               one.records]
    with tempfile.TemporaryDirectory(prefix='nsq_to_kinesis-bench-') as folder:
        if load.tls:
            subprocess.run([programs.of_the_bridge('kinesis_simulator'),
                            f'--make-certificate={folder}'], check=True,
                           capture_output=True)
            command += [f'{folder}/server.pem', f'{folder}/server-key.pem']
        text = subprocess.run([str(word) for word in command], check=True,
                              capture_output=True, text=True,
                              timeout=60).stdout
    return json.loads(text)
