# SPDX-License-Identifier: Apache-2.0
"""PutRecords in CBOR and in JSON, against three servers and a decoder.

CBOR is what the AWS SDK for Java sends to Kinesis and what AWS documents
nowhere, so both forms are tried on every server there is, and auto has to find
back to JSON wherever CBOR is refused.
"""
import base64
import json
import subprocess

import cbor2

from rig import programs
from rig.emulators import Kinesalite, KinesisLocal

KEY = '--partition-key=json:user_id'
COUNT = 5000


def _deliver(scene, server, *options):
    nsqd, stream = scene.start_nsqd(), scene.make_stream(server)
    bridge = scene.start_bridge([nsqd], stream, KEY, *options)
    published = scene.publish(nsqd, COUNT)
    scene.wait_until_finished(nsqd)
    scene.expect_all(stream, published)
    return bridge


def kinesis_local_takes_cbor(scene):
    _deliver(scene, KinesisLocal, '--protocol=cbor')


def kinesalite_takes_cbor(scene):
    _deliver(scene, Kinesalite, '--protocol=cbor')


def kinesis_local_takes_json(scene):
    _deliver(scene, KinesisLocal, '--protocol=json')


def auto_is_cbor_where_nobody_objects(scene):
    simulator = scene.start_simulator()
    bridge = _deliver(scene, simulator)
    found = simulator.statistics()
    assert found['cbor_requests'] >= found['put_records'] > 0, found
    assert 'protocol_switched' not in bridge.program.log()


def _deliver_refused(scene, action, *options, times=1):
    """One PutRecords in the middle is refused; returns (requests, log)."""
    simulator = scene.start_simulator()
    simulator.misbehave(on='PutRecords', action=action, after=3, count=times)
    bridge = _deliver(scene, simulator, *options)
    return simulator.statistics(), bridge.program.log()


def refused_cbor_becomes_json_without_a_duplicate(scene):
    """(K5)"""
    found, log = _deliver_refused(scene, 'serialization')
    assert 0 < found['cbor_requests'] <= 4, found
    assert found['put_records'] > found['cbor_requests'], found
    assert log.count('protocol_switched') == 1, log


def status_415_becomes_json(scene):
    found, log = _deliver_refused(scene, 'unsupported_media_type')
    assert found['put_records'] > found['cbor_requests'] > 0, found
    assert log.count('protocol_switched') == 1, log


def cbor_by_order_stays_cbor(scene):
    found, log = _deliver_refused(scene, 'serialization', '--protocol=cbor')
    assert found['cbor_requests'] >= found['put_records'] > 0, found
    assert 'protocol_switched' not in log, log


def both_forms_say_the_same_to_a_decoder_of_others(_scene):
    """Hundreds of requests of random shape, decoded by cbor2 and by json."""
    lines = subprocess.run(
        [programs.of_the_bridge('put_records_twins'), '7', '300'],
        capture_output=True, text=True, check=True).stdout.splitlines()
    assert len(lines) == 600, len(lines)
    for cbor_line, json_line in zip(lines[::2], lines[1::2]):
        from_json = json.loads(json_line)
        for record in from_json['Records']:
            record['Data'] = base64.b64decode(record['Data'], validate=True)
        assert cbor2.loads(bytes.fromhex(cbor_line)) == from_json
