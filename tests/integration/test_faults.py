# SPDX-License-Identifier: Apache-2.0
"""Kinesis misbehaves, nothing is lost and order holds.

Here the project's own simulator plays Kinesis, because the emulators written
by others neither check signatures nor fail on demand. Each fault strikes
PutRecords a few times in the middle of the traffic.
"""
from rig.simulators import (KinesisSimulator, KinesisSimulatorTls,
                            NsqSimulator)

KEY = '--partition-key=json:user_id'
COUNT = 10000


def _deliver_through(scene, action, duplicates_allowed, times=5, **rule):
    """Deliver COUNT messages while PutRecords suffers `action`."""
    simulator = scene.start_simulator()
    stream = scene.make_stream(simulator)
    simulator.misbehave(on='PutRecords', action=action, after=3, count=times,
                        **rule)
    nsqd = scene.start_nsqd()
    scene.start_bridge([nsqd], stream, KEY, '--request-timeout=2s')

    published = scene.publish(nsqd, COUNT)
    scene.wait_until_finished(nsqd)

    scene.expect_all(stream, published, duplicates_allowed)


def throttled_records_are_sent_again_in_order(scene):
    _deliver_through(scene, 'throttle', duplicates_allowed=False, times=20)


def records_that_failed_inside_kinesis_are_sent_again_in_order(scene):
    _deliver_through(scene, 'internal_failure', duplicates_allowed=True,
                     times=20)


def throttled_requests_are_sent_again_in_order(scene):
    _deliver_through(scene, 'throttle_request', duplicates_allowed=False)


def requests_refused_with_500_are_sent_again_in_order(scene):
    _deliver_through(scene, 'http_500_before', duplicates_allowed=True)


def requests_that_fail_after_the_put_may_repeat_and_never_lose(scene):
    """(K3)"""
    _deliver_through(scene, 'http_500_after', duplicates_allowed=True)


def requests_answered_503_are_sent_again_in_order(scene):
    _deliver_through(scene, 'http_503', duplicates_allowed=True)


def connection_reset_before_the_put_costs_nothing_but_time(scene):
    _deliver_through(scene, 'reset_before', duplicates_allowed=True)


def connection_reset_after_the_put_may_repeat_and_never_loses(scene):
    _deliver_through(scene, 'reset_after_commit', duplicates_allowed=True)


def reply_cut_in_the_middle_is_not_taken_for_success(scene):
    _deliver_through(scene, 'cut_reply', duplicates_allowed=True)


def garbage_for_a_reply_is_not_taken_for_success(scene):
    _deliver_through(scene, 'garbage', duplicates_allowed=True)


def reply_with_a_wrong_number_of_results_is_not_taken_for_success(scene):
    _deliver_through(scene, 'wrong_count', duplicates_allowed=True)


def _deliver_through_each(scene, *actions):
    """One request after the other suffers one of the actions."""
    simulator = scene.start_simulator()
    stream = scene.make_stream(simulator)
    for action in actions:
        simulator.misbehave(on='PutRecords', action=action, count=1)
    nsqd = scene.start_nsqd()
    scene.start_bridge([nsqd], stream, KEY, '--request-timeout=2s')

    published = scene.publish(nsqd, COUNT)
    scene.wait_until_finished(nsqd)

    assert simulator.statistics()['faults'] >= len(actions)
    scene.expect_all(stream, published, duplicates_allowed=True)


def replies_that_are_not_whole_are_never_taken_for_success(scene):
    """(K4)"""
    _deliver_through_each(scene, 'cut_head', 'cut_reply', 'longer_length',
                          'shorter_length')


def replies_that_are_no_json_are_never_taken_for_success(scene):
    """(K5)"""
    _deliver_through_each(scene, 'garbage', 'empty_reply', 'web_page',
                          'deep_reply', 'huge_reply')


def replies_with_wrong_counts_are_never_taken_for_success(scene):
    """(K2) (K6)"""
    _deliver_through_each(scene, 'empty_map', 'wrong_count', 'extra_result',
                          'wrong_failed_count')


def replies_without_sound_results_are_never_taken_for_success(scene):
    """(K6)"""
    _deliver_through_each(scene, 'no_shard', 'no_sequence',
                          'garbage_sequence', 'long_sequence')


def replies_that_name_another_shard_are_never_taken_for_success(scene):
    """(K6) one that is in no list, and one that cannot hold the record."""
    _deliver_through_each(scene, 'wrong_shard', 'unknown_shard')


def request_that_lands_after_its_retry_repeats_and_keeps_the_order(scene):
    """(K7) the copy comes late, under the tag of the first."""
    _deliver_through(scene, 'late_reset', duplicates_allowed=True, times=2,
                     time_ms=500)


def reply_that_drips_for_longer_than_the_timeout_is_not_waited_for(scene):
    """(K4)"""
    _deliver_through(scene, 'drip', duplicates_allowed=True, times=2,
                     time_ms=100)


def shard_that_is_split_on_the_way_loses_nothing(scene):
    _deliver_through(scene, 'split', duplicates_allowed=True, times=1,
                     shard='shardId-000000000000')


def access_denied_for_a_while_is_waited_out(scene):
    _deliver_through(scene, 'access_denied', duplicates_allowed=False, times=2)


def signatures_and_certificates_are_right_over_tls(scene):
    simulator = scene.start_simulator(KinesisSimulatorTls)
    stream = scene.make_stream(simulator)
    nsqd = scene.start_nsqd()
    scene.start_bridge([nsqd], stream, KEY, f'--ca-file={simulator.ca_file}')

    published = scene.publish(nsqd, COUNT)
    scene.wait_until_finished(nsqd)

    scene.expect_all(stream, published)


def server_with_an_untrusted_certificate_gets_nothing(scene):
    """(K17)"""
    simulator = scene.start_simulator(KinesisSimulatorTls)
    stream = scene.make_stream(simulator)
    bridge = scene.run_bridge(
        f'--topic={scene.topic}', '--nsqd-tcp-address=127.0.0.1:4150',
        f'--stream={stream.name}', f'--endpoint-url={stream.endpoint_url}')

    assert bridge.program.wait(10) == 78, bridge.program.log()
    assert 'certificate' in bridge.program.log().lower()
    assert not bridge.segments()


def wrong_secret_key_is_told_as_such(scene):
    simulator = scene.start_simulator()
    stream = scene.make_stream(simulator)
    bridge = scene.run_bridge(
        f'--topic={scene.topic}', '--nsqd-tcp-address=127.0.0.1:4150',
        f'--stream={stream.name}', f'--endpoint-url={stream.endpoint_url}',
        environment={'AWS_SECRET_ACCESS_KEY': 'not-the-right-one'})

    status, said = bridge.program.wait(10), bridge.program.log()

    assert status == 78, f'{status}: {said}'
    assert 'signature' in said.lower(), said


def denied_survey_says_which_action_is_missing(scene):
    simulator = scene.start_simulator()
    stream = scene.make_stream(simulator)
    simulator.misbehave(on='ListShards', action='access_denied')
    bridge = scene.run_bridge(
        f'--topic={scene.topic}', '--nsqd-tcp-address=127.0.0.1:4150',
        f'--stream={stream.name}', f'--endpoint-url={stream.endpoint_url}')

    status, said = bridge.program.wait(10), bridge.program.log()

    assert status == 78, f'{status}: {said}'
    assert 'kinesis:ListShards' in said, said


def million_messages_pass_without_one_left_behind(scene):
    simulator = scene.start_simulator(more=['--discard', '--count-user-records'])
    stream = scene.make_stream(simulator)
    nsq = scene.own(NsqSimulator(scene.folder, scene.topic, 1000000))
    scene.run_bridge(
        f'--topic={scene.topic}', f'--nsqd-tcp-address={nsq.tcp_address}',
        f'--stream={stream.name}', f'--endpoint-url={stream.endpoint_url}',
        '--max-in-flight=2500')

    status, summary = nsq.wait_for_summary()

    assert status == 0, summary
    assert summary['finished'] == 1000000, summary
    assert summary['redelivered'] == summary['failed_fins'] == 0, summary
