# SPDX-License-Identifier: Apache-2.0
"""Keys are rotated and clocks are wrong; messages wait and none is lost."""
import time

from rig.kinesis import KEYS
from rig.processes import wait_until

KEY = '--partition-key=json:user_id'
COUNT = 2000
ROTATED = {'AWS_ACCESS_KEY_ID': 'AKIDROTATED', 'AWS_SECRET_ACCESS_KEY':
           'bPxRfiCYEXAMPLEKEYwJalrXUtnFEMI/K7MDENG+'}


def _write_keys(path, keys, token=None):
    """As rotating tools do it: a new file takes the place of the old one."""
    new = path.with_suffix('.new')
    new.write_text('[default]\n'
                   f'aws_access_key_id = {keys["AWS_ACCESS_KEY_ID"]}\n'
                   f'aws_secret_access_key = {keys["AWS_SECRET_ACCESS_KEY"]}\n'
                   + (f'aws_session_token = {token}\n' if token else ''))
    new.rename(path)


def _start_with_file(scene):
    """(simulator, stream, nsqd, keys file): no key is in the environment."""
    simulator = scene.start_simulator()
    stream = scene.make_stream(simulator)
    nsqd = scene.start_nsqd()
    keys_file = scene.folder / 'credentials'
    _write_keys(keys_file, KEYS)
    nsqd.create_channel(scene.topic, 'bridge')
    scene.run_bridge(
        f'--topic={scene.topic}', '--channel=bridge', KEY,
        f'--nsqd-tcp-address={nsqd.tcp_address}', f'--stream={stream.name}',
        f'--endpoint-url={stream.endpoint_url}', '--profile=default',
        environment={'AWS_SHARED_CREDENTIALS_FILE': str(keys_file)})
    nsqd.wait_for_consumer(scene.topic, 'bridge')
    return simulator, stream, nsqd, keys_file


def _rotate(simulator, token=''):
    simulator.set(access_key=ROTATED['AWS_ACCESS_KEY_ID'],
                     secret_key=ROTATED['AWS_SECRET_ACCESS_KEY'],
                     session_token=token)


def _rotate_back(simulator):
    """The reader of the stream has the old keys."""
    simulator.set(access_key=KEYS['AWS_ACCESS_KEY_ID'],
                     secret_key=KEYS['AWS_SECRET_ACCESS_KEY'],
                     session_token='')


def keys_that_were_rotated_are_read_again_without_a_pause(scene):
    """(K8)"""
    simulator, stream, nsqd, keys_file = _start_with_file(scene)
    published = scene.publish(nsqd, COUNT)
    scene.wait_until_finished(nsqd)

    _write_keys(keys_file, ROTATED, token='a-new-token')
    _rotate(simulator, token='a-new-token')
    begin = time.monotonic()
    published += scene.publish(nsqd, COUNT, first=COUNT)
    scene.wait_until_finished(nsqd)
    seconds = time.monotonic() - begin

    _rotate_back(simulator)
    assert seconds < 3, seconds
    scene.expect_all(stream, published)


def keys_that_expire_before_new_ones_are_there_are_waited_for(scene):
    """(K8) nothing is FINed meanwhile, and nothing is sent twice."""
    simulator, stream, nsqd, keys_file = _start_with_file(scene)
    published = scene.publish(nsqd, COUNT)
    scene.wait_until_finished(nsqd)

    _rotate(simulator)
    published += scene.publish(nsqd, COUNT, first=COUNT)
    scene.bridge.program.wait_for_line('action=refresh_credentials')
    wait_until(lambda: sum(simulator.statistics()['refused'].values()) >= 3,
               'the old keys were refused again and again', 30)
    assert nsqd.unfinished(scene.topic, 'bridge') == COUNT
    _write_keys(keys_file, ROTATED)
    scene.wait_until_finished(nsqd)

    _rotate_back(simulator)
    scene.expect_all(stream, published)


def broken_file_of_keys_leaves_the_old_ones_in_use(scene):
    """(K8)"""
    simulator, stream, nsqd, keys_file = _start_with_file(scene)
    keys_file.write_text('[default]\naws_access_key_id = AKIDHALF')
    simulator.misbehave(on='PutRecords', action='expired_token', count=1)

    published = scene.publish(nsqd, COUNT)
    scene.wait_until_finished(nsqd)

    assert simulator.statistics()['faults'] == 1
    scene.expect_all(stream, published)


def _shift_clock(scene, seconds):
    simulator = scene.start_simulator()
    stream = scene.make_stream(simulator)
    nsqd = scene.start_nsqd()
    scene.start_bridge([nsqd], stream, KEY)
    published = scene.publish(nsqd, COUNT)
    scene.wait_until_finished(nsqd)

    simulator.set(clock_offset_s=seconds)
    begin = time.monotonic()
    published += scene.publish(nsqd, COUNT, first=COUNT)
    scene.wait_until_finished(nsqd)
    seconds = time.monotonic() - begin

    simulator.set(clock_offset_s=0)
    assert seconds < 3, seconds
    # The very next request has the right time again.
    published += scene.publish(nsqd, COUNT, first=2 * COUNT)
    scene.wait_until_finished(nsqd)
    scene.expect_all(stream, published)


def clock_that_jumps_ahead_is_corrected_by_the_reply(scene):
    """(M8) this host is an hour behind the service."""
    _shift_clock(scene, 3600)


def clock_that_jumps_back_is_corrected_by_the_reply(scene):
    """(M8) this host is an hour ahead of the service."""
    _shift_clock(scene, -3600)


def clock_that_is_wrong_from_the_start_is_corrected(scene):
    """(M8) survey and worker both learn it."""
    simulator = scene.start_simulator(more=['--clock-offset=-7200'])
    simulator.set(clock_offset_s=0)
    stream = scene.make_stream(simulator)
    simulator.set(clock_offset_s=-7200)
    nsqd = scene.start_nsqd()
    scene.start_bridge([nsqd], stream, KEY)

    published = scene.publish(nsqd, COUNT)
    scene.wait_until_finished(nsqd)

    simulator.set(clock_offset_s=0)
    scene.expect_all(stream, published)


def name_that_has_no_address_is_asked_for_again_and_again(scene):
    """(K16) and the survey says which name it is."""
    nsqd = scene.start_nsqd()
    bridge = scene.run_bridge(
        f'--topic={scene.topic}', f'--nsqd-tcp-address={nsqd.tcp_address}',
        '--stream=s', '--endpoint-url=https://kinesis.does-not-exist.invalid/')

    bridge.program.wait_for_line(r'kinesis\.does-not-exist\.invalid', 30)
    assert bridge.program.exit_status is None, bridge.program.log()


def connections_closed_behind_each_reply_cost_nothing(scene):
    """(K18) the first request on a kept connection finds it dead."""
    simulator = scene.start_simulator()
    stream = scene.make_stream(simulator)
    simulator.misbehave(on='PutRecords', action='close_after_reply')
    nsqd = scene.start_nsqd()
    scene.start_bridge([nsqd], stream, KEY)
    published = []

    for first in range(0, COUNT, 200):
        published += scene.publish(nsqd, 200, first=first)
        wait_until(lambda: nsqd.unfinished(scene.topic, 'bridge') == 0,
                   'the last ones are finished')

    assert simulator.statistics()['connections'] >= COUNT // 200
    scene.expect_all(stream, published)
