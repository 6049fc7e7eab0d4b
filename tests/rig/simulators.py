# SPDX-License-Identifier: Apache-2.0
"""simulators - the project's own Kinesis and NSQ, quick and able to misbehave.

Unlike the emulators the Kinesis one checks signatures and does what a script
tells it; what a script may say stands in kinesis_simulator_script.h.
"""
import http.client
import json
import pathlib
import subprocess

from rig import programs
from rig.kinesis import KEYS
from rig.processes import Program


def _ask(port, method, path, body=None):
    connection = http.client.HTTPConnection('127.0.0.1', port, timeout=10)
    try:
        connection.request(method, path, body)
        reply = connection.getresponse()
        text = reply.read()
    finally:
        connection.close()
    if reply.status >= 300:
        raise RuntimeError(f'{method} {path}: {reply.status} {text!r}')
    return text


class KinesisSimulator:
    ca_file = None
    _scheme = 'http'

    def __init__(self, folder, more=()):
        self.program = Program(
            'kinesis_simulator',
            [programs.of_the_bridge('kinesis_simulator'), '--port=0',
             f'--access-key={KEYS["AWS_ACCESS_KEY_ID"]}',
             f'--secret-key={KEYS["AWS_SECRET_ACCESS_KEY"]}',
             '--transition-ms=10', *more],
            pathlib.Path(folder) / f'kinesis_simulator-{id(self)}.log')
        ports = self.program.wait_for_line(r'listening http=(\d+) https=(\d+)')
        self._http_port = int(ports.group(1))
        self._port = int(ports.group(2 if self._scheme == 'https' else 1))
        self.endpoint_url = f'{self._scheme}://127.0.0.1:{self._port}'

    def misbehave(self, **rule):
        """Add one rule to the script."""
        self._ask('POST', '/script', json.dumps(rule))

    def behave(self):
        self._ask('DELETE', '/script')

    def statistics(self):
        return json.loads(self._ask('GET', '/statistics'))

    def set(self, **settings):
        """See kinesis_simulator_settings.c."""
        self._ask('POST', '/settings', json.dumps(settings))

    def _ask(self, method, path, body=None):
        return _ask(self._http_port, method, path, body)

    def end(self):
        self.program.kill()


class KinesisSimulatorTls(KinesisSimulator):
    """The same over HTTPS; ca_file signs its certificate."""
    _scheme = 'https'

    def __init__(self, folder, more=()):
        certificates = pathlib.Path(folder) / f'certificates-{id(self)}'
        certificates.mkdir()
        subprocess.run([programs.of_the_bridge('kinesis_simulator'),
                        f'--make-certificate={certificates}'], check=True,
                       capture_output=True)
        self.ca_file = certificates / 'ca.pem'
        super().__init__(folder, [
            f'--certificate={certificates}/server.pem',
            f'--private-key={certificates}/server-key.pem', '--tls-port=0',
            *more])


class NsqSimulator:
    """Serves `count` messages of its own making; see its --help.

    stays: it goes on when every message is finished, until it is ended.
    """

    def __init__(self, folder, topic, count, more=(), stays=False):
        until = [] if stays else ['--exit-when-done', '--deadline=120']
        self.program = Program(
            'nsq_simulator',
            [programs.of_the_bridge('nsq_simulator'), f'--topic={topic}',
             f'--count={count}', *until, *more],
            pathlib.Path(folder) / f'nsq_simulator-{id(self)}.log')
        ports = self.program.wait_for_line(
            r'listening tcp=([\d,]+) http=(\d+)')
        self.tcp_addresses = [f'127.0.0.1:{port}'
                              for port in ports.group(1).split(',')]
        self.tcp_address = self.tcp_addresses[0]
        self._http_port = int(ports.group(2))

    def misbehave(self, **fault):
        """Add one fault to the script."""
        _ask(self._http_port, 'POST', '/script', json.dumps(fault))

    def statistics(self):
        return json.loads(_ask(self._http_port, 'GET', '/stats'))

    def wait_for_summary(self, seconds=120):
        """(exit status, the numbers it prints at its end)."""
        status = self.program.wait(seconds)
        return status, json.loads(self.program.log().splitlines()[-1])

    def end(self):
        self.program.kill()
