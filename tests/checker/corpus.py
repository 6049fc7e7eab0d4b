# SPDX-License-Identifier: Apache-2.0
"""corpus - a history in which all is well, and the ways to spoil it.

The good one has everything a bridge may rightly do: aggregates and lone
records, an ambiguous attempt that is repeated, a reply lost with a killed
worker, an aggregate that a split made reach out of its shard, a redelivery
that ends the order, and a request that lands late.
"""
import base64
import copy
import hashlib

from checker.message import make

RUN = 7
KEYS = 4
MOST = 2 ** 128 - 1
MIDDLE = 2 ** 127


def key_bytes(key):
    return key.to_bytes(4, 'big')


def key_hash(key):
    return int.from_bytes(hashlib.md5(key_bytes(key)).digest(), 'big')


def _length(value):
    assert value < 0x4000
    if value < 0x80:
        return bytes([value])
    return bytes([value & 0x7f | 0x80, value >> 7])


def _field(number, value):
    return bytes([number << 3 | 2]) + _length(len(value)) + value


def body_of(message):
    key, sequence = message
    return make(RUN, key, sequence, sequence * KEYS + key,
                bytes([sequence % 256]) * 20)


def aggregate(messages):
    """As the KPL writes it: a table of keys, then the records."""
    keys = list(dict.fromkeys(key for key, _ in messages))
    text = b''.join(_field(1, key_bytes(key)) for key in keys)
    for message in messages:
        text += _field(3, bytes([0x08, keys.index(message[0])]) +
                       _field(3, body_of(message)))
    return b'\xf3\x89\x9a\xc2' + text + hashlib.md5(text).digest()


class History:
    """Events as the simulators would write them; each a millisecond later."""

    def __init__(self):
        self.events = []
        self.requests = 0
        self.sequence = 0

    def add(self, source, what, **members):
        self.events.append({'t': (len(self.events) + 1) * 1000000,
                            'src': source, 'ev': what, **members})
        return self.events[-1]

    def deliver(self, *messages, attempts=1):
        for key, sequence in messages:
            self.add('nsqd', 'deliver', nsqd=0, connection=1,
                     id=f'{sequence * KEYS + key:016x}', attempts=attempts,
                     key=key, seq=sequence, **{'global': 0})

    def finish(self, *messages):
        for key, sequence in messages:
            self.add('nsqd', 'fin', nsqd=0, connection=1,
                     id=f'{sequence * KEYS + key:016x}', attempts=1, key=key,
                     seq=sequence, **{'global': 0})

    def receive(self):
        self.requests += 1
        self.add('kinesis', 'put_recv', request=self.requests, records=1,
                 bytes=1)
        return self.requests

    def commit(self, request, messages, shard='shardId-000000000000', first=0,
               last=MOST, data=None, tag='b1.x.1.1'):
        self.sequence += 1
        return self.add(
            'kinesis', 'put_commit', request=request, index=0, stream='s',
            shard=shard, first=f'{first:032x}', last=f'{last:032x}',
            sn=str(self.sequence), tag=tag, bytes=1,
            data=base64.b64encode(data or aggregate(messages)).decode())

    def fault(self, request, action, **more):
        self.add('kinesis', 'fault', request=request, action=action, **more)

    def reply(self, request, status=200):
        self.add('kinesis', 'put_reply', request=request, status=status)

    def drop_reply(self, request):
        self.add('kinesis', 'put_reply_dropped', request=request, status=200)

    def put(self, messages, **where):
        """A request that goes well."""
        request = self.receive()
        self.commit(request, messages, **where)
        self.reply(request)
        return request


def messages_from(first, end):
    return [(key, sequence) for sequence in range(first, end)
            for key in range(KEYS)]


def good():
    history = History()
    history.add('publisher', 'run', run=RUN, partition_key='bytes:12:4')

    history.add('kinesis', 'stream', stream='s', shards=2, open=2)
    plain = messages_from(0, 3)
    history.deliver(*plain)
    history.put(plain)
    history.finish(*plain)

    lone = (0, 3)
    history.deliver(lone)
    history.put([lone], data=body_of(lone), tag=key_bytes(0).decode())
    history.finish(lone)

    ambiguous = [(key, 4) for key in range(KEYS)]
    history.deliver(*ambiguous)
    request = history.receive()
    history.commit(request, ambiguous)
    history.fault(request, 'http_500_after')
    history.reply(request, 500)
    history.put(ambiguous)
    history.finish(*ambiguous)

    refused = [(key, 5) for key in range(KEYS)]
    history.deliver(*refused)
    request = history.receive()
    history.commit(request, refused)
    history.fault(request, 'internal_failure_after', index=0,
                  shard='shardId-000000000000')
    history.reply(request)
    history.put(refused)
    history.finish(*refused)

    unread = [(key, 6) for key in range(KEYS)]
    history.deliver(*unread)
    history.put(unread)
    history.add('fault', 'kill', who='egress[0]')
    history.put(unread)
    history.finish(*unread)

    misplaced = [(key, 7) for key in range(KEYS)]
    history.deliver(*misplaced)
    history.put(misplaced, shard='shardId-000000000001', first=0,
                last=MIDDLE - 1)
    history.add('kinesis', 'reshard', stream='s', shards=3, open=2)
    low = [one for one in misplaced if key_hash(one[0]) < MIDDLE]
    high = [one for one in misplaced if key_hash(one[0]) >= MIDDLE]
    history.put(low, shard='shardId-000000000001', first=0, last=MIDDLE - 1)
    history.put(high, shard='shardId-000000000002', first=MIDDLE, last=MOST)
    history.finish(*misplaced)

    again, after = (1, 8), (1, 9)
    history.deliver(again, after)
    history.add('fault', 'kill', who='ingest')
    history.put([after])
    history.deliver(again, attempts=2)
    history.put([again])
    history.finish(after, again)

    late = [(2, 8)]
    history.deliver(*late)
    request = history.receive()
    history.fault(request, 'late_close')
    history.drop_reply(request)
    history.put(late)
    history.finish(*late)
    history.add('kinesis', 'put_landed', request=request)
    history.commit(request, late)

    count = sum(event['ev'] == 'fin' for event in history.events)
    history.add('nsqd', 'end', nsqd=0, published=count, waiting=0, in_flight=0)
    return history.events


# --- how to spoil it

def _find(events, what, number=0, **members):
    found = [event for event in events if event['ev'] == what and
             all(event.get(name) == value for name, value in members.items())]
    return found[number]


def _change(event, messages):
    event['data'] = base64.b64encode(aggregate(messages)).decode()


def _move(events, event, place):
    """To the place of another event, just before it."""
    event['t'] = place['t'] - 1
    events.sort(key=lambda one: one['t'])


def drop_one(events):
    _change(_find(events, 'put_commit'), messages_from(0, 3)[:-1])


def drop_the_copy_before_a_late_landing(events):
    events.remove(_find(events, 'put_commit', -2))


def swap_two(events):
    messages = messages_from(0, 3)
    messages[1], messages[5] = messages[5], messages[1]
    _change(_find(events, 'put_commit'), messages)


def finish_early(events):
    _move(events, _find(events, 'fin'), _find(events, 'put_commit'))


def finish_what_lies_outside(events):
    fin = _find(events, 'fin', seq=7)
    _move(events, fin, _find(events, 'reshard'))


def repeat_one(events):
    messages = messages_from(0, 3)
    _change(_find(events, 'put_commit'), messages + messages[-1:])


def repeat_what_was_accepted(events):
    place = events[-1]['t'] - 10
    request = 1000
    commit = copy.deepcopy(_find(events, 'put_commit'))
    commit.update(t=place + 1, request=request)
    events += [{'t': place, 'src': 'kinesis', 'ev': 'put_recv',
                'request': request, 'records': 1, 'bytes': 1}, commit,
               {'t': place + 2, 'src': 'kinesis', 'ev': 'put_reply',
                'request': request, 'status': 200}]
    events.sort(key=lambda one: one['t'])


def alter_a_byte(events):
    commit = _find(events, 'put_commit')
    data = bytearray(base64.b64decode(commit['data']))
    data[-20] ^= 1
    data[-16:] = hashlib.md5(data[4:-16]).digest()
    commit['data'] = base64.b64encode(data).decode()


def break_an_aggregate(events):
    """Its MD5 is wrong, so that the KCL delivers the aggregate itself."""
    commit = _find(events, 'put_commit')
    data = bytearray(base64.b64decode(commit['data']))
    data[-1] ^= 1
    commit['data'] = base64.b64encode(data).decode()


def write_another_key(events):
    commit = _find(events, 'put_commit')
    text = base64.b64decode(commit['data'])[4:-16]
    text = _field(1, b'\0\0\0\x01') + _field(1, b'\0\0\0\0') + text[12:]
    commit['data'] = base64.b64encode(
        b'\xf3\x89\x9a\xc2' + text + hashlib.md5(text).digest()).decode()


def misplace_a_shard(events):
    """The first aggregate lies on a shard that covers half of it."""
    _find(events, 'put_commit')['last'] = f'{MIDDLE - 1:032x}'


def invent_one(events):
    _change(_find(events, 'put_commit'), messages_from(0, 3) + [(3, 99)])


def take_doubt_for_success(events):
    """What a 500 left in doubt is not sent again."""
    events.remove(_find(events, 'put_commit', 3))


def take_a_refusal_for_success(events):
    events.remove(_find(events, 'put_commit', 5))


def batch_anew(events):
    """What a 500 left in doubt is sent again in other bytes."""
    _change(_find(events, 'put_commit', 3),
            [(key, 4) for key in reversed(range(KEYS))])


def hide_the_kill(events):
    events.remove(_find(events, 'kill', who='egress[0]'))


def kill_another(events):
    _find(events, 'kill', who='egress[0]')['who'] = 'ingest'


def send_later_messages_before_the_kill(events):
    """So the batch that is repeated had been released."""
    kill = _find(events, 'kill', who='egress[0]')
    moved = [event for event in events if event['ev'] == 'deliver' and
             event['seq'] == 7]
    commit = copy.deepcopy(_find(events, 'put_commit', 0))
    _change(commit, [(key, 7) for key in range(KEYS)])
    commit.update(t=kill['t'] - 2, request=2000)
    for event in moved:
        event['t'] = kill['t'] - 5
    events += [{'t': kill['t'] - 3, 'src': 'kinesis', 'ev': 'put_recv',
                'request': 2000, 'records': 1, 'bytes': 1}, commit,
               {'t': kill['t'] - 1, 'src': 'kinesis', 'ev': 'fault',
                'request': 2000, 'action': 'http_500_after'}]
    events.sort(key=lambda one: one['t'])


def forget_to_finish(events):
    events.remove(_find(events, 'fin', -1))


def lose_a_published_message(events):
    _find(events, 'end')['published'] += 1


def publish_and_lose(events):
    events[1:1] = [
        {'t': events[0]['t'] + 1, 'src': 'publisher', 'ev': 'pub', 'batch': 1,
         'messages': [[3, 50]]},
        {'t': events[0]['t'] + 2, 'src': 'publisher', 'ev': 'pub_ok',
         'batch': 1}]
    _find(events, 'end').update(published=_find(events, 'end')['published'] + 1,
                                waiting=1)


def redeliver_nothing(events):
    """Without its second delivery the message broke the order."""
    events.remove(_find(events, 'deliver', attempts=2))


def misspell_an_event(events):
    _find(events, 'fin')['ev'] = 'finn'


# What spoils the history, and the kinds of violation it must show: all of
# them, and no other.
LOST = {'lost (raw)', 'lost (KCL)', 'early FIN'}
FORMULA = {'formula (raw)', 'formula (KCL)'}
BAD = (
    (drop_one, LOST),
    (drop_the_copy_before_a_late_landing,
     {'early FIN', 'unrepeated'} | FORMULA),
    (swap_two, {'order (raw)', 'order (KCL)'}),
    (finish_early, {'early FIN'}),
    (finish_what_lies_outside, {'early FIN'}),
    (repeat_one, {'duplicated'} | FORMULA),
    (repeat_what_was_accepted, {'duplicated'} | FORMULA),
    (alter_a_byte, {'altered'} | LOST),
    (break_an_aggregate, {'invented'} | LOST),
    (write_another_key, {'altered'}),
    (misplace_a_shard, {'lost (KCL)', 'early FIN', 'unrepeated',
                        'formula (raw)'}),
    (invent_one, {'invented'}),
    (take_doubt_for_success, {'unrepeated'} | FORMULA),
    (take_a_refusal_for_success, {'unrepeated'} | FORMULA),
    (batch_anew, {'rebatched'}),
    (hide_the_kill, {'duplicated'} | FORMULA),
    (kill_another, {'duplicated'} | FORMULA),
    (send_later_messages_before_the_kill, {'duplicated'} | FORMULA),
    (forget_to_finish, {'unfinished', 'conservation'}),
    (lose_a_published_message, {'conservation'}),
    (publish_and_lose, {'lost (raw)', 'lost (KCL)', 'unfinished'}),
    (redeliver_nothing, {'order (raw)', 'order (KCL)'}),
    (misspell_an_event, {'unknown event', 'unfinished', 'conservation'}),
)
