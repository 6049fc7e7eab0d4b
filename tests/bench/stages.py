# SPDX-License-Identifier: Apache-2.0
"""stages - where the processor time goes, beside the budget of the design.

perf samples the bridge's processes; each sample belongs to a function, and a
table says to which stage a function belongs. What the table does not know is
'rest', so that nothing is hidden.
"""
import re
import subprocess
import tempfile
import time

from bench import runs

SAMPLES_PER_SECOND = 1999

# (process, library or kernel, function) -> stage; the first row that fits.
ROWS = [(re.compile(process), re.compile(place), re.compile(function), stage)
        for process, place, function, stage in (
    ('ingest', r'\[kernel|\[unknown', '', 'receive and FIN in the kernel'),
    ('egress', r'\[kernel|\[unknown', '', 'send in the kernel'),
    ('', r'\[kernel|\[unknown', '', 'rest'),
    ('ingest', '', r'^(md5|partition_key|json_|scan|router|hash_key|shard_map)',
     'key and MD5'),
    ('egress', '', r'^md5', 'trailer MD5'),
    # Debian's libcrypto has no names for its assembly: the two are one stage,
    # and the SHA-256 that goes beside the MD5 of a trailer is in it too.
    ('', 'libcrypto|libssl', '', 'SHA-256 and TLS'),
    ('egress', '', r'base64|put_records|cbor|request_|body_hash', 'request body'),
    ('egress', '', r'aggregat|batch|key_index|memcpy|memmove', 'aggregate copy'),
    ('ingest', '', r'finish|redeliver|acknowledg|touch|fin', 'FIN and log'),
    # Nor has its xxHash for what does not leave the library.
    ('', 'libxxhash', '', 'queue in and out'),
    ('', '', r'^(queue_|XXH|XXH3|released|wakeup)', 'queue in and out'),
    ('ingest', '', r'memcpy|memmove', 'queue in and out'),
    ('ingest', '', r'nsq|frame|arriv|io_|receive|take_|message',
     'receive and parse'),
    ('', '', '', 'rest'),
)]

# DESIGN 8, nanoseconds per 200-byte message; (least, most).
BUDGET_NS = {
    'receive and parse': (120, 120), 'key and MD5': (60, 110),
    'queue in and out': (30, 30), 'FIN and log': (40, 40),
    'aggregate copy': (20, 20), 'trailer MD5': (60, 260),
    'SHA-256 and TLS': (170, 170), 'send in the kernel': (80, 80),
    'rest': (50, 50),
}


def stage_of(process, place, function):
    return next(stage for one, where, name, stage in ROWS
                if one.search(process) and where.search(place) and
                name.search(function))


def _counts(text, names):
    """{stage: samples} of the lines of `perf script`."""
    counts = {}
    for line in text.splitlines():
        found = re.match(r'\s*(\d+)\s+[0-9a-f]+\s+(.*?)(?:\+0x[0-9a-f]+)?\s+'
                         r'\(([^)]*)\)\s*$', line)
        if found:
            pid, function, place = found.groups()
            stage = stage_of(names.get(int(pid), ''), place, function)
            counts[stage] = counts.get(stage, 0) + 1
    return counts


def measure(load, total_cpu_us, seconds=3):
    """{stage: us per message}, or {} where perf may not look."""
    with runs.started(load) as (servers, bridge), \
            tempfile.NamedTemporaryFile(suffix='.perf') as samples:
        runs.wait_for_share(servers, bridge, load, load.begin_share)
        names = {pid: name for name, pid in runs.processes_of(bridge).items()}
        try:
            perf = subprocess.Popen(
                ['perf', 'record', '-q', '-e', 'cpu-clock', '-F',
                 str(SAMPLES_PER_SECOND), '-o', samples.name, '-p',
                 ','.join(map(str, names))],
                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        except OSError:
            return {}
        # perf decides when it has seen enough; the bridge goes on meanwhile.
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline and servers.nsq.exit_status is None:
            time.sleep(runs.LOOK_AGAIN_SECONDS)
        perf.send_signal(2)
        perf.wait(30)
        done = subprocess.run(
            ['perf', 'script', '-i', samples.name, '-F', 'pid,ip,sym,dso'],
            capture_output=True, text=True, check=False)
    counts = _counts(done.stdout, names)
    total = sum(counts.values())
    return {stage: total_cpu_us * count / total
            for stage, count in sorted(counts.items(), key=lambda one: -one[1])
            } if total else {}
