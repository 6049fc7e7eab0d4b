# SPDX-License-Identifier: Apache-2.0
"""Bad input gets one clear sentence and an exit status, and starts nothing."""
import subprocess

from integration.marks import CannotRunHere
from integration.scene import CHANNEL
from rig.processes import free_port, wait_until
from rig.simulators import KinesisSimulatorTls

USAGE, CONFIGURATION = 64, 78
NSQD = '--nsqd-tcp-address=127.0.0.1:4150'


def _expect_refusal(scene, options, words,
                    statuses=(USAGE, CONFIGURATION)):
    """Run it, expect a status and every word in what it says."""
    bridge = scene.run_bridge(*options)
    status = bridge.program.wait(10)
    said = bridge.program.log()

    assert status in statuses, f'{status}: {said}'
    for word in words:
        assert word in said, f'{word!r} is missing in: {said}'
    assert not bridge.segments(), bridge.segments()


def unknown_option_is_named(scene):
    _expect_refusal(scene, ['--topik=t', '--stream=s', NSQD], ['topik'])


def missing_topic_is_named(scene):
    _expect_refusal(scene, ['--stream=s', NSQD], ['topic'])


def missing_stream_is_named(scene):
    _expect_refusal(scene, ['--topic=t', NSQD], ['stream'])


def missing_nsqd_and_nsqlookupd_are_named(scene):
    _expect_refusal(scene, ['--topic=t', '--stream=s'],
                    ['nsqd-tcp-address', 'lookupd-http-address'])


def nsqd_and_nsqlookupd_together_are_refused(scene):
    _expect_refusal(scene, ['--topic=t', '--stream=s', NSQD,
                            '--lookupd-http-address=127.0.0.1:4161'],
                    ['nsqd-tcp-address', 'lookupd-http-address'])


def number_out_of_range_is_refused_with_the_range(scene):
    _expect_refusal(scene, ['--topic=t', '--stream=s', NSQD,
                            '--egress-workers=65'], ['egress-workers', '64'])


def number_that_is_none_is_refused(scene):
    _expect_refusal(scene, ['--topic=t', '--stream=s', NSQD,
                            '--max-in-flight=many'], ['max-in-flight', 'many'])


def unknown_choice_is_refused_with_the_choices(scene):
    _expect_refusal(scene, ['--topic=t', '--stream=s', NSQD, '--io=kqueue'],
                    ['io', 'kqueue', 'epoll'])


def topic_name_nsqd_would_refuse_is_refused(scene):
    _expect_refusal(scene, ['--topic=no spaces', '--stream=s', NSQD],
                    ['topic', 'no spaces'])


def channel_name_nsqd_would_refuse_is_refused(scene):
    _expect_refusal(scene, ['--topic=t', '--channel=a/b', '--stream=s', NSQD],
                    ['channel', 'a/b'])


def unknown_partition_key_is_refused_with_the_kinds(scene):
    _expect_refusal(scene, ['--topic=t', '--stream=s', NSQD,
                            '--partition-key=xml:user'],
                    ['partition-key', 'json:'])


def address_without_a_port_is_refused(scene):
    _expect_refusal(scene, ['--topic=t', '--stream=s',
                            '--nsqd-tcp-address=127.0.0.1:99999'],
                    ['127.0.0.1:99999'])


def plain_http_to_another_host_is_refused(scene):
    _expect_refusal(scene, ['--topic=t', '--stream=s', NSQD,
                            '--endpoint-url=http://192.0.2.1:4567'],
                    ['endpoint-url', 'loopback'])


def ca_file_that_is_absent_is_named(scene):
    stream = scene.make_stream(scene.start_simulator(KinesisSimulatorTls))
    _expect_refusal(scene, ['--topic=t', f'--stream={stream.name}', NSQD,
                            f'--endpoint-url={stream.endpoint_url}',
                            '--ca-file=/nonexistent.pem'],
                    ['/nonexistent.pem'], (CONFIGURATION,))


def missing_credentials_say_where_they_were_looked_for(scene):
    stream = scene.make_stream()
    bridge = scene.run_bridge(
        '--topic=t', NSQD, f'--stream={stream.name}',
        f'--endpoint-url={stream.endpoint_url}',
        environment={'AWS_ACCESS_KEY_ID': '', 'AWS_SECRET_ACCESS_KEY': ''})

    status, said = bridge.program.wait(10), bridge.program.log()

    assert status == CONFIGURATION, f'{status}: {said}'
    assert 'AWS_ACCESS_KEY_ID' in said, said


def missing_stream_is_told_with_region_and_endpoint(scene):
    stream = scene.make_stream()
    _expect_refusal(scene, ['--topic=t', '--stream=absent', NSQD,
                            f'--endpoint-url={stream.endpoint_url}'],
                    ['absent', 'us-east-1', stream.endpoint_url],
                    (CONFIGURATION,))


def http_port_given_as_tcp_port_is_explained(scene):
    nsqd, stream = scene.start_nsqd(), scene.make_stream()
    bridge = scene.run_bridge(
        '--topic=t', f'--nsqd-tcp-address=127.0.0.1:{nsqd.http_port}',
        f'--stream={stream.name}', f'--endpoint-url={stream.endpoint_url}')

    wait_until(lambda: 'HTTP' in bridge.program.log(),
               'the log says that this is an HTTP port')


def absent_nsqd_is_told_once_and_tried_again(scene):
    stream, port = scene.make_stream(), free_port()
    bridge = scene.run_bridge(
        '--topic=t', f'--nsqd-tcp-address=127.0.0.1:{port}',
        f'--stream={stream.name}', f'--endpoint-url={stream.endpoint_url}')
    address = f'127.0.0.1:{port}'
    wait_until(lambda: address in bridge.program.log(), 'nsqd is named')

    # Long enough for several tries; a listener sees that they happen.
    nsqd = scene.start_nsqd(tcp_port=port)
    nsqd.wait_for_consumer('t', 'nsq_to_kinesis', 30)

    told = [line for line in bridge.program.log().splitlines()
            if address in line and 'refused' in line.lower()]
    assert len(told) == 1, told


def shared_memory_that_is_too_small_is_explained_with_numbers(scene):
    # (M4) A mount namespace of its own gives the bridge 1 MiB of /dev/shm.
    small = ['unshare', '--user', '--map-root-user', '--mount', 'sh', '-c',
             'mount -t tmpfs -o size=1m tmpfs /dev/shm && exec "$@"', 'sh']
    if subprocess.run([*small, 'true'], capture_output=True).returncode:
        raise CannotRunHere('no permission for a mount namespace')
    stream = scene.make_stream()
    bridge = scene.run_bridge(
        '--topic=t', NSQD, f'--stream={stream.name}',
        f'--endpoint-url={stream.endpoint_url}', wrapper=small)

    status, said = bridge.program.wait(10), bridge.program.log()

    assert status == CONFIGURATION, f'{status}: {said}'
    for word in ('/dev/shm', '1 MiB', '16 MiB'):
        assert word in said, said


def both_styles_of_options_are_understood(scene):
    nsqd, stream = scene.start_nsqd(), scene.make_stream()
    bridge = scene.run_bridge(
        '-topic', scene.topic, f'-channel={CHANNEL}', '--nsqd-tcp-address',
        nsqd.tcp_address, '-stream', stream.name, '--endpoint-url',
        stream.endpoint_url)

    bridge.wait_until_started()
    nsqd.wait_for_consumer(scene.topic, CHANNEL)


def version_and_help_are_printed_and_exit_0(scene):
    for option, word in (('--version', '0.'), ('--help', '--topic')):
        bridge = scene.run_bridge(option)
        assert bridge.program.wait(5) == 0
        assert word in bridge.program.log()
