# SPDX-License-Identifier: Apache-2.0
"""emulators - Kinesis servers written by others, on free loopback ports.

kinesis-local (kinesis-mock) is close to AWS and slow; kinesalite is older and
quicker. Neither checks signatures nor throttles.
"""
import pathlib

from rig import programs
from rig.kinesis import Kinesis
from rig.processes import NotInTime, Program, free_port, wait_until


class _Emulator:
    program: Program
    endpoint_url: str

    def _wait_until_it_answers(self):
        kinesis = Kinesis(self.endpoint_url)

        def answers():
            if self.program.exit_status is not None:
                raise NotInTime(f'{self.program.title} ended:\n'
                                f'{self.program.last_lines()}')
            return kinesis.answers()
        wait_until(answers, f'{self.program.title} answers', 30)

    def end(self):
        # It holds nothing that is worth a graceful stop.
        self.program.kill()


class KinesisLocal(_Emulator):
    def __init__(self, folder, log_level='ERROR'):
        port = free_port()
        home = programs.kinesis_local()
        self.endpoint_url = f'http://127.0.0.1:{port}'
        self.program = Program(
            'kinesis-local',
            ['node', '--require', programs.sheltered_server(), home / 'main.js'],
            pathlib.Path(folder) / 'kinesis-local.log',
            {'KINESIS_MOCK_CERT_PATH': str(home / 'server.json'),
             'KINESIS_MOCK_PLAIN_PORT': str(port),
             'KINESIS_MOCK_TLS_PORT': str(free_port()),
             'CREATE_STREAM_DURATION': '10ms', 'SHARD_LIMIT': '10000',
             'SPLIT_SHARD_DURATION': '10ms', 'MERGE_SHARDS_DURATION': '10ms',
             'LOG_LEVEL': log_level})
        self._wait_until_it_answers()


class Kinesalite(_Emulator):
    def __init__(self, folder):
        port = free_port()
        self.endpoint_url = f'http://127.0.0.1:{port}'
        self.program = Program(
            'kinesalite',
            ['node', '--require', programs.sheltered_server(),
             programs.kinesalite() / 'cli.js', '--port', port,
             '--createStreamMs', '10', '--shardLimit', '10000'],
            pathlib.Path(folder) / 'kinesalite.log')
        self._wait_until_it_answers()
