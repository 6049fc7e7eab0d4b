# SPDX-License-Identifier: Apache-2.0
"""run_tests - build and run every test, and add up what passed.

A stage is one line of the summary. What counts as one test: a case of Check,
a style check, an integration test. A test program that dies or is stopped by
a sanitizer counts as one failure more than its cases show.
"""
import argparse
import collections
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import time

Result = collections.namedtuple('Result', 'title passed failed skipped why')

CHECK_LINE = re.compile(r'\d+%: Checks: (\d+), Failures: (\d+), Errors: (\d+)')
SHOWN_LINES = 25  # of the output of a failed test
SKIPPED = 77  # the exit status of a test that cannot run here

# What two threads share in the product two processes share; the thread
# sanitizer sees threads only, so it runs the tests that have them.
THREADED = r'queue|wake|acknowledgement|counters|lease'

# Warnings are errors only without sanitizers: what those insert makes gcc 12
# warn about conversions that nobody wrote.
BUILDS = {
    'build-test': ['-Dwerror=true'],
    'build-test-address': ['-Db_sanitize=address,undefined',
                           '-Db_lundef=false'],
    'build-test-hooks': ['-Dwerror=true', '-Dtest_hooks=true',
                         '-Dtests=false'],
    'build-test-thread': ['-Db_sanitize=thread', '-Db_lundef=false'],
}

SANITIZER_OPTIONS = {
    'ASAN_OPTIONS': 'abort_on_error=1:detect_stack_use_after_return=1',
    'UBSAN_OPTIONS': 'halt_on_error=1:print_stacktrace=1',
    'TSAN_OPTIONS': 'halt_on_error=1:second_deadlock_stack=1',
}


def read_arguments():
    parser = argparse.ArgumentParser(
        prog='tools/test', description='Build and run every test.')
    parser.add_argument('--only', default='', metavar='PATTERN',
                        help='only tests whose title matches this regular '
                             'expression')
    parser.add_argument('--long', action='store_true',
                        help='more of what depends on chance, and the tests '
                             'that take long')
    parser.add_argument('--no-install', action='store_true',
                        help='refuse to install Debian packages')
    return parser.parse_args()


def build(folder):
    """Configure and compile with gcc; ends everything if that fails."""
    environment = {**os.environ, 'CC': os.environ.get('CC', 'gcc')}
    done = subprocess.run(['tools/dev/build', folder, *BUILDS[folder]],
                          env=environment, check=False)
    if done.returncode:
        print(f'{folder} does not build\n0 passed, 1 failed')
        sys.exit(1)


def meson_titles(folder, suite, pattern):
    """Titles of the suite's tests that match the pattern."""
    text = subprocess.run(['meson', 'introspect', '--tests', folder],
                          check=True, capture_output=True, text=True).stdout
    return [test['name'] for test in json.loads(text)
            if any(one.endswith(':' + suite) for one in test['suite'])
            and re.search(pattern, test['name'])]


def result_of_meson(test):
    """One line of meson's testlog.json, counted."""
    output = test.get('stdout', '') + test.get('stderr', '')
    cases = failed = 0
    for checks, failures, errors in CHECK_LINE.findall(output):
        cases += int(checks)
        failed += int(failures) + int(errors)
    is_ok = test['result'] in ('OK', 'EXPECTEDFAIL')
    if test['result'] == 'SKIP':
        return Result(test['name'], 0, 0, 1, output)
    if is_ok:
        return Result(test['name'], max(1, cases) - failed, failed, 0, '')
    if failed == 0:  # it died: that is a failure Check did not count
        failed, cases = 1, cases + 1
    return Result(test['name'], cases - failed, failed, 0,
                  f'{test["result"]}\n{output}')


def run_meson(folder, suite, arguments, pattern=''):
    """Run the tests of a suite whose titles match both patterns."""
    titles = [title for title in meson_titles(folder, suite, arguments.only)
              if re.search(pattern, title)]
    if not titles:
        return []
    environment = {**os.environ, **SANITIZER_OPTIONS}
    if arguments.long:
        environment['N2K_LONG'] = '1'
    log = pathlib.Path(folder, 'meson-logs', 'testlog.json')
    log.unlink(missing_ok=True)
    # Sanitizers make a test several times slower.
    factor = (4 if folder != 'build-test' else 1) * (10 if arguments.long else 1)
    done = subprocess.run(
        ['meson', 'test', '-C', folder, '--no-rebuild', '--suite', suite,
         f'--timeout-multiplier={factor}', *titles],
        env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        text=True, check=False)
    if not log.exists():
        return [Result(suite, 0, 1, 0, done.stdout)]
    return [result_of_meson(json.loads(line))
            for line in log.read_text().splitlines()]


def run_tidy(arguments):
    """Let clang-tidy look at the programs."""
    title = 'clang-tidy finds nothing in the programs'
    if not re.search(arguments.only, title):
        return []
    done = subprocess.run(['tools/dev/check_tidy', 'build-test'],
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          text=True, check=False)
    is_ok = done.returncode == 0
    findings = '\n'.join(line for line in done.stdout.splitlines()
                         if re.search(r': (error|warning): ', line))
    return [Result(title, is_ok, not is_ok, 0, findings or done.stdout)]


def run_fuzzers(arguments):
    """Let libFuzzer run each target for some seconds."""
    title = 'fuzzers find nothing'
    if not arguments.long or not re.search(arguments.only, title):
        return []
    done = subprocess.run(['tools/dev/fuzz_smoke'], stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, check=False)
    is_ok = done.returncode == 0
    return [Result(title, is_ok, not is_ok, 0, done.stdout)]


def run_arm64(arguments):
    """Run what is written for arm64 in an emulator."""
    title = 'arm64 vectors agree with the scalar code'
    if not re.search(arguments.only, title):
        return []
    done = subprocess.run(['tools/dev/test_arm64'], stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, check=False)
    if done.returncode == SKIPPED:
        print(f'  skipped  {title}: {done.stdout.strip()}', flush=True)
        return [Result(title, 0, 0, 1, '')]
    is_ok = done.returncode == 0
    return [Result(title, is_ok, not is_ok, 0, done.stdout)]


def run_integration(arguments):
    """Run tests/integration against build-test."""
    with tempfile.NamedTemporaryFile(suffix='.json') as report:
        command = [sys.executable, '-m', 'integration', '--report',
                   report.name, '--only', arguments.only]
        environment = {**os.environ,
                       'N2K_BUILD': os.path.abspath('build-test'),
                       'N2K_BUILD_HOOKS': os.path.abspath('build-test-hooks')}
        if arguments.long:
            command.append('--long')
            environment['N2K_LONG'] = '1'
        done = subprocess.run(command, env=environment, check=False)
        results = []
        for line in report.read().decode().splitlines():
            one = json.loads(line)
            kind = one['result']
            results.append(Result(one['title'], kind == 'passed',
                                  kind == 'FAILED', kind == 'skipped', ''))
    if done.returncode not in (0, 1):
        results.append(Result('the integration runner', 0, 1, 0,
                              f'ended with {done.returncode}'))
    return results


class Summary:
    """Adds up the stages and prints a line for each as it ends."""

    def __init__(self):
        self.passed = self.failed = 0
        self._lines = []

    def stage(self, name, run, *parameters):
        print(f'{name} ...', flush=True)
        begin = time.monotonic()
        results = run(*parameters)
        seconds = time.monotonic() - begin
        passed = sum(one.passed for one in results)
        failed = sum(one.failed for one in results)
        skipped = sum(one.skipped for one in results)
        self.passed += passed
        self.failed += failed
        self._lines.append(f'{name:<44} {passed:5} passed {failed:3} failed '
                           f'{f"{skipped} skipped " if skipped else ""}'
                           f'{seconds:6.0f} s')
        for one in results:
            if one.failed and one.why:
                lines = one.why.strip().splitlines()[-SHOWN_LINES:]
                print(f'  FAILED  {one.title}')
                print('\n'.join(f'      {line}' for line in lines), flush=True)

    def close(self):
        print()
        print('\n'.join(self._lines))
        print(f'\n{self.passed} passed, {self.failed} failed', flush=True)


def main():
    arguments = read_arguments()
    summary = Summary()
    for folder in BUILDS:
        print(f'building {folder} ...', flush=True)
        build(folder)
    summary.stage('style', run_meson, 'build-test', 'style', arguments)
    summary.stage('clang-tidy', run_tidy, arguments)
    summary.stage('unit', run_meson, 'build-test', 'unit', arguments)
    summary.stage('unit, address and undefined sanitizers', run_meson,
                  'build-test-address', 'unit', arguments)
    summary.stage('unit, thread sanitizer', run_meson,
                  'build-test-thread', 'unit', arguments, THREADED)
    summary.stage('arm64', run_arm64, arguments)
    if arguments.long:
        summary.stage('fuzzers', run_fuzzers, arguments)
    summary.stage('integration', run_integration, arguments)
    summary.close()
    return 1 if summary.failed or not summary.passed else 0


if __name__ == '__main__':
    sys.exit(main())
