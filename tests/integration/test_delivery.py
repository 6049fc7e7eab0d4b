# SPDX-License-Identifier: Apache-2.0
"""Messages of real nsqd arrive in the stream, all of them and in order."""
from integration.scene import CHANNEL
from rig.emulators import Kinesalite
from rig.kinesis import KEYS
from rig.processes import wait_until

COUNT = 5000


def _deliver(scene, stream, *options, worker_count=1, count=COUNT):
    """Publish half before the bridge starts and half while it runs."""
    nsqd = scene.start_nsqd()
    nsqd.create_channel(scene.topic, CHANNEL)
    published = scene.publish(nsqd, count // 2)
    scene.start_bridge([nsqd], stream, *options, worker_count=worker_count)
    published += scene.publish(nsqd, count - count // 2, first=count // 2)
    scene.wait_until_finished(nsqd)
    return published


def _without_order(published):
    return [(None, body) for _, body in published]


def messages_of_a_user_keep_their_order(scene):
    stream = scene.make_stream()
    published = _deliver(scene, stream, '--partition-key=json:user_id')

    verdict = scene.expect_all(stream, published)

    assert verdict.in_stream == COUNT, verdict


def every_user_record_carries_its_user_as_partition_key(scene):
    stream = scene.make_stream(Kinesalite)
    published = _deliver(scene, stream, '--partition-key=json:user_id')
    user_of = {body: user for user, body in published}

    for record in stream.read().user_records:
        assert record.partition_key == user_of[record.body], record


def two_workers_keep_the_order_of_each_user(scene):
    stream = scene.make_stream()
    published = _deliver(scene, stream, '--partition-key=json:user_id',
                         worker_count=2)

    scene.expect_all(stream, published)


def static_key_keeps_the_order_of_all_messages(scene):
    stream = scene.make_stream()
    published = _deliver(scene, stream, '--partition-key=static:all')

    scene.expect_all(stream, [('all', body) for _, body in published])
    records = stream.read().user_records
    assert len({record.shard_id for record in records}) == 1


def message_id_as_key_spreads_messages_over_all_shards(scene):
    stream = scene.make_stream()
    published = _deliver(scene, stream, '--partition-key=message-id')

    scene.expect_all(stream, _without_order(published))
    records = stream.read().user_records
    assert len({record.shard_id for record in records}) == 4
    assert len({record.partition_key for record in records}) == COUNT


def without_a_key_every_message_arrives(scene):
    stream = scene.make_stream()
    published = _deliver(scene, stream)

    scene.expect_all(stream, _without_order(published))


def stream_of_one_shard_takes_everything(scene):
    stream = scene.make_stream(shard_count=1)
    published = _deliver(scene, stream, '--partition-key=json:user_id')

    scene.expect_all(stream, [('all', body) for _, body in published])


def epoll_delivers_as_io_uring_does(scene):
    stream = scene.make_stream()
    published = _deliver(scene, stream, '--partition-key=json:user_id',
                         '--io=epoll')

    scene.expect_all(stream, published)


def io_uring_delivers_when_asked_for_by_name(scene):
    stream = scene.make_stream()
    published = _deliver(scene, stream, '--partition-key=json:user_id',
                         '--io=io_uring')

    scene.expect_all(stream, published)


def kinesalite_gets_the_same_as_kinesis_local(scene):
    stream = scene.make_stream(Kinesalite)
    published = _deliver(scene, stream, '--partition-key=json:user_id',
                         worker_count=2, count=4 * COUNT)

    scene.expect_all(stream, published)


def two_nsqds_feed_one_stream(scene):
    first, second = scene.start_nsqd(), scene.start_nsqd()
    stream = scene.make_stream()
    scene.start_bridge([first, second], stream, '--partition-key=json:user_id')

    # Order holds per nsqd, so each has users of its own.
    published = scene.publish(first, COUNT, seed=1, user_count=50)
    others = [(f'second {number % 7}',
               b'{"user_id": "second-%d", "number": %d}' % (number % 7, number))
              for number in range(COUNT)]
    second.publish(scene.topic, [body for _, body in others])
    scene.wait_until_finished(first, second)

    scene.expect_all(stream, published + others)


def nsqds_are_found_through_nsqlookupd(scene):
    lookup = scene.start_nsqlookupd()
    nsqd = scene.start_nsqd(lookup=lookup)
    nsqd.create_channel(scene.topic, CHANNEL)
    stream = scene.make_stream()
    scene.start_bridge([nsqd], stream, '--partition-key=json:user_id',
                       lookup=lookup)

    published = scene.publish(nsqd, COUNT)
    scene.wait_until_finished(nsqd)

    scene.expect_all(stream, published)


def bodies_of_any_bytes_and_sizes_arrive_unchanged(scene):
    nsqd = scene.start_nsqd()
    stream = scene.make_stream(Kinesalite)
    scene.start_bridge([nsqd], stream, '--partition-key=static:all')

    # The magic in front makes a lone record look like an aggregate.
    bodies = [b'\xf3\x89\x9a\xc2' + bytes(40), b'\xf3\x89\x9a\xc2', b'x',
              bytes(range(256)), b'\n', b'{', b'"' * 1000]
    bodies += [bytes([number % 251]) * (number * 97 % 60000 + 1)
               for number in range(200)]
    bodies.append(b'large' * 180000)
    bodies = list(dict.fromkeys(bodies))
    for body in bodies:
        nsqd.publish(scene.topic, [body])
        if len(body) < 50:  # on its own in a Kinesis record
            scene.wait_until_finished(nsqd)
    scene.wait_until_finished(nsqd)

    scene.expect_all(stream, [('all', body) for body in bodies])


def nsqd_that_appears_later_is_connected_to(scene):
    nsqd = scene.start_nsqd()
    port = nsqd.tcp_port
    nsqd.end()
    stream = scene.make_stream()
    bridge = scene.run_bridge(
        f'--topic={scene.topic}', f'--channel={CHANNEL}',
        f'--nsqd-tcp-address=127.0.0.1:{port}', f'--stream={stream.name}',
        f'--endpoint-url={stream.endpoint_url}')
    bridge.wait_until_started()
    wait_until(lambda: f'127.0.0.1:{port}' in bridge.program.log(),
               'the absent nsqd is named in the log')

    nsqd = scene.start_nsqd(tcp_port=port)
    nsqd.wait_for_consumer(scene.topic, CHANNEL, 30)
    published = scene.publish(nsqd, 100)
    scene.wait_until_finished(nsqd)

    scene.expect_all(stream, _without_order(published))


def secret_key_is_in_no_log_line_and_no_command_line(scene):
    stream = scene.make_stream()
    _deliver(scene, stream, '--log-level=debug', count=100)
    secret = KEYS['AWS_SECRET_ACCESS_KEY']

    assert secret not in scene.bridge.program.log()
    assert not scene.bridge.finds_in_command_lines(secret)
