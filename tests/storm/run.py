# SPDX-License-Identifier: Apache-2.0
"""run - a storm from its plan to its verdict."""
import dataclasses
import time

from checker.history import read
from checker.judgement import Judge
from checker.table import write_table
from rig.processes import NotInTime
from storm.plan import fingerprint, make_plan
from storm.recovery import recoveries
from storm.weather import Weather

CLEAR_UP_SECONDS = 90


@dataclasses.dataclass
class Result:
    seed: int
    plan: list
    verdict: object
    kills: dict  # role: how often
    starts: int  # of the supervisor
    exchanges: int  # of the queues, after reshards
    exit_status: int | None
    recovered: dict  # role: milliseconds, sorted
    trouble: str  # why it did not end as it should; '' if it did
    last_lines: str  # of the bridge's logs

    @property
    def kill_count(self):
        return sum(self.kills.values())

    @property
    def is_good(self):
        return (self.verdict.is_good and not self.trouble and
                self.exit_status == 0)

    def write(self, to):
        kills = ', '.join(f'{role} {count}'
                          for role, count in sorted(self.kills.items()))
        print(f'seed {self.seed}, plan {fingerprint(self.plan)}, '
              f'{len(self.plan)} steps\n'
              f'SIGKILLs: {self.kill_count} ({kills}); the supervisor was '
              f'started {self.starts} times\n'
              f'queues exchanged: {self.exchanges} times', file=to)
        for role, times in self.recovered.items():
            if times:
                print(f'{role} killed to next acceptance: '
                      f'{_percentiles(times)}', file=to)
        if self.trouble or self.exit_status:
            print(f'TROUBLE {self.trouble or "exit status"} '
                  f'{self.exit_status}\n{self.last_lines}', file=to)
        write_table(self.verdict, to)


def _percentiles(times):
    def at(share):
        return times[min(len(times) - 1, int(share * len(times)))]
    return (f'p50 {at(0.5):.0f} ms, p90 {at(0.9):.0f} ms, p99 {at(0.99):.0f} '
            f'ms, most {times[-1]:.0f} ms of {len(times)}')


def run_storm(folder, seed, seconds, rate):
    plan = make_plan(seed, seconds)
    weather = Weather(folder, seed, seconds, rate)
    status, trouble = None, ''
    try:
        begin = time.monotonic()
        for step in plan:
            time.sleep(max(0.0, begin + step.at - time.monotonic()))
            weather.do(step)
        time.sleep(max(0.0, begin + seconds - time.monotonic()))
        try:
            status = weather.clear_up(CLEAR_UP_SECONDS)
        except NotInTime as late:
            trouble = str(late)
        flock = weather.flock
        log = flock.log()
        lines = log.splitlines()
    finally:
        weather.end()
    events = read(weather.histories())
    judge = Judge(everything_arrived=not trouble)
    judge.take(events)
    return Result(seed, plan, judge.verdict(), flock.kills, flock.starts,
                  log.count(' queues_switched '), status, recoveries(events), trouble,
                  '\n'.join(lines[-20:]))
