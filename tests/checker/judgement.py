# SPDX-License-Identifier: Apache-2.0
"""judgement - from the events alone: what the bridge did wrong.

Two views of the stream: raw is every record, KCL is what a consumer that
follows the KCL gets, which drops an aggregate that reaches out of its shard.
What is checked, in each view where it makes a difference:

    lost         offered and finished, or all was to arrive; not in the stream
    invented     in the stream, never offered
    altered      not the bytes that were offered, or another partition key
    order        first copies of a key that contradict every delivery
    duplicated   a copy that no ambiguous attempt and no kill explains
    unrepeated   stored, not told so, taken as told: there is no other copy
    early FIN    finished before a shard that covers it had accepted it
    rebatched    sent again in other bytes, although the shards were the same
    unfinished   all was to be finished, and this was not
    conservation published is not finished and waiting and in flight

A message is identified by key << 44 | number in key. Time is an event's place
in the history, which is sorted.
"""
import base64
import bisect
import collections
import dataclasses

from checker.attempts import (Commit, Damages, Interruptions, Requests,
                              Reshards)
from checker.deaggregation import fits, hash_key, take_apart
from checker.message import KEY_LENGTH, KEY_OFFSET, Altered, Foreign, read

EXAMPLES = 3  # told of each kind


def identity(key, sequence):
    return key << 44 | sequence


def name_of(message):
    return f'message {message & (1 << 44) - 1} of key {message >> 44}'


class View:
    """First copies in their order, of one way to look at the stream."""

    def __init__(self, title):
        self.title = title
        self.records = 0
        self.copies = {}  # identity: commits, in the order of the stream
        self.places = {}  # key: of the delivery the last first copy came from

    @property
    def duplicates(self):
        return self.records - len(self.copies)


@dataclasses.dataclass
class Verdict:
    violations: collections.Counter
    examples: dict  # kind: sentences
    figures: dict  # name: (raw, KCL) or a number
    causes: collections.Counter  # why the duplicates of the raw view exist

    @property
    def is_good(self):
        return not self.violations


class Judge:
    def __init__(self, everything_arrived=False):
        """everything_arrived: the history ends when all should be finished."""
        self._must_arrive = everything_arrived
        self._run = self._key_rule = None
        self._hashes = {}  # of partition keys
        self._offered = {}  # identity: place of the offer
        self._unsure = {}  # pub without an answer: batch: messages
        self._deliveries = {}  # identity: place or places
        self._place = 0
        self._finished = {}
        self._ends = []
        self._requests = Requests()
        self._interruptions = Interruptions()
        self._reshards = Reshards()
        self._damages = Damages()
        self._commits = []
        self._views = (View('raw'), View('KCL'))
        self._sent = collections.defaultdict(list)  # key: (time, number)
        self._violations = collections.Counter()
        self._examples = collections.defaultdict(list)
        self._causes = collections.Counter()
        self._counts = collections.Counter()
        self._handlers = {
            'run': self._on_run, 'pub': self._on_pub, 'pub_ok': self._on_pub_ok,
            'deliver': self._on_deliver, 'fin': self._on_fin,
            'put_recv': self._requests.on_received,
            'put_commit': self._on_commit,
            'put_landed': self._requests.on_landed,
            'put_reply': self._requests.on_reply,
            'put_reply_dropped': self._on_nothing,
            'fault': self._requests.on_fault,
            'kill': self._interruptions.on_event,
            'stop': self._interruptions.on_event,
            'reshard': self._reshards.on_event,
            'damage': self._damages.on_event,
            'end': self._ends.append,
            **dict.fromkeys(('req', 'touch', 'time_out', 'fin_failed',
                             'req_failed', 'touch_failed', 'sub', 'close',
                             'stream', 'note'),
                            self._on_nothing)}

    def _accuse(self, kind, what):
        self._violations[kind] += 1
        if len(self._examples[kind]) < EXAMPLES:
            self._examples[kind].append(what)

    # --- what the witnesses saw

    def take(self, events):
        handlers, counts = self._handlers, self._counts
        for event in events:
            what = event.get('ev')
            handler = handlers.get(what)
            if handler is None:
                self._accuse('unknown event', f'{what!r}')
                continue
            counts[what] += 1
            handler(event)

    def _on_nothing(self, event):
        pass

    def _on_run(self, event):
        self._run = event['run']
        self._key_rule = event.get('partition_key')

    def _on_pub(self, event):
        """Offered, and perhaps taken: it may arrive and need not."""
        self._unsure[event['batch']] = messages = [
            identity(*one) for one in event['messages']]
        for message in messages:
            self._place += 1
            self._offered[message] = self._place

    def _on_pub_ok(self, event):
        del self._unsure[event['batch']]

    def _on_deliver(self, event):
        message = event['key'] << 44 | event['seq']
        self._place += 1
        before = self._deliveries.get(message)
        if before is None:
            self._deliveries[message] = self._place
            self._offered.setdefault(message, self._place)
        elif isinstance(before, list):
            before.append(self._place)
        else:
            self._deliveries[message] = [before, self._place]

    def _on_fin(self, event):
        message = event['key'] << 44 | event['seq']
        if message in self._finished:
            return
        self._finished[message] = event['t']
        if message in self._views[1].copies:
            return
        where = ('lies where the KCL drops it'
                 if message in self._views[0].copies else
                 'was on no shard yet')
        self._accuse('early FIN', f'{name_of(message)} {where} when it was '
                                  'finished')

    def _read_messages(self, records):
        """Identities of what is whole and was offered."""
        found = []
        for key, _, body in records:
            try:
                run, number, sequence = read(body)
            except Foreign as what:
                self._accuse('invented', str(what))
                continue
            except Altered as what:
                self._accuse('altered', str(what))
                continue
            message = number << 44 | sequence
            if self._key_rule:
                self._check_key(key, body, message)
            if message in self._offered and self._run in (None, run):
                found.append(message)
            else:
                self._accuse('invented', f'{name_of(message)} of run {run} was '
                                         'not offered')
        return found

    def _check_key(self, key, body, message):
        """Keys are the four bytes, or their MD5 where those are no text."""
        wanted = body[KEY_OFFSET:KEY_OFFSET + KEY_LENGTH]
        if key == wanted:
            return
        if key.decode('ascii', 'replace') != f'{hash_key(wanted):032x}':
            self._accuse('altered', f'{name_of(message)} has the partition key '
                                    f'{key!r}')

    def _on_commit(self, event):
        records, is_aggregate = take_apart(
            event['tag'].encode(), base64.b64decode(event['data']))
        is_inside = not is_aggregate or fits(
            records, int(event['first'], 16), int(event['last'], 16),
            self._hashes)
        messages = self._read_messages(records)
        commit = Commit(event['t'], self._requests[event['request']],
                        event['index'], event['shard'], is_inside, messages,
                        hash((event['tag'], event['data'])))
        self._commits.append(commit)
        for view in self._views if is_inside else self._views[:1]:
            self._look(view, commit)

    def _look(self, view, commit):
        view.records += len(commit.messages)
        for message in commit.messages:
            before = view.copies.get(message)
            if before is not None:
                before.append(commit)
                continue
            view.copies[message] = [commit]
            self._check_order(view, message)
            if view is self._views[1]:
                self._sent[message >> 44].append((commit.time, message))

    def _check_order(self, view, message):
        """First copies must follow some choice of their deliveries."""
        key = message >> 44
        last = view.places.get(key, 0)
        places = self._deliveries.get(message) or self._offered[message]
        if not isinstance(places, list):
            if places < last:
                self._accuse(f'order ({view.title})', f'{name_of(message)} '
                             'comes behind one that was delivered after it')
            else:
                view.places[key] = places
            return
        later = bisect.bisect_right(places, last)
        if later < len(places):
            view.places[key] = places[later]
        else:
            self._accuse(f'order ({view.title})', f'{name_of(message)} comes '
                         'behind one that was delivered after all its '
                         'deliveries')

    # --- the end

    def _excuse(self, earlier, later, message):
        """Who was killed so that a record was sent that had been accepted."""
        if self._damages.are_between(earlier.time, later.request.received):
            return 'damage'
        found = self._interruptions.last_between(earlier.time,
                                                 later.request.received)
        if not found:
            return None
        # One batch of a queue is on its way at a time: had a later message of
        # the key been sent, the earlier batch would have been released.
        sent = self._sent[message >> 44]
        for time, other in sent[bisect.bisect_right(sent,
                                                    (earlier.time + 1,)):]:
            if time >= found[0]:
                break
            if other > message:
                return None
        return found[1]

    def _check_bytes(self, commits):
        """A batch that may be in the stream is sent again byte for byte."""
        for earlier, later in zip(commits, commits[1:]):
            if (earlier.bytes_hash != later.bytes_hash and earlier.fits and
                    not self._reshards.were_known_between(
                        earlier.request.received, later.time) and
                    not self._damages.are_between(earlier.request.received,
                                                  later.time)):
                self._accuse('rebatched', f'{name_of(earlier.messages[0])} and '
                             f'{len(earlier.messages) - 1} more')

    def _judge_copies(self, message, commits, is_kcl):
        """Attribute each further copy; returns how many the formula foresees."""
        foreseen = 0
        if len(commits) > 1:
            commits = sorted(commits, key=lambda one: one.request.received)
            if not is_kcl:
                self._check_bytes(commits)
        for place, commit in enumerate(commits):
            cause = commit.request.doubt(commit.index)
            if cause is None and not commit.fits:
                cause = 'reshard'
            is_last = place + 1 == len(commits)
            if cause is None and not is_last:
                cause = self._excuse(commit, commits[place + 1], message)
                if cause is None:
                    if not is_kcl:
                        self._causes['none'] += 1
                        self._accuse('duplicated', f'{name_of(message)} was '
                                     'sent again although it had been accepted')
                    continue
            if cause is None:
                continue
            foreseen += 1
            if not is_last and not is_kcl:
                self._causes[cause] += 1
            if is_last and not is_kcl and (message in self._finished or
                                           self._must_arrive):
                self._accuse('unrepeated', f'{name_of(message)}: the only '
                             f'sign that it is stored is a reply that says '
                             f'otherwise ({cause})')
        return foreseen

    def _judge_views(self, wanted):
        formula = []
        for view in self._views:
            for message in wanted - view.copies.keys():
                self._accuse(f'lost ({view.title})', name_of(message))
            formula.append(sum(
                self._judge_copies(message, commits, view is self._views[1])
                for message, commits in view.copies.items()))
        return tuple(formula)

    def _judge_ends(self, wanted):
        if self._must_arrive and self._counts['fin']:
            for message in wanted - self._finished.keys():
                self._accuse('unfinished', name_of(message))
        if not self._ends:
            return
        published = sum(end['published'] for end in self._ends)
        left = sum(end['waiting'] + end['in_flight'] for end in self._ends)
        if published != len(self._finished) + left:
            self._accuse('conservation', f'{published} published, '
                         f'{len(self._finished)} finished, {left} left')

    def verdict(self):
        unsure = {message for batch in self._unsure.values()
                  for message in batch} - self._deliveries.keys()
        sure = self._offered.keys() - unsure
        wanted = sure if self._must_arrive else sure & self._finished.keys()
        formula = self._judge_views(wanted)
        self._judge_ends(wanted)
        for view, foreseen in zip(self._views, formula):
            if self._must_arrive and view.duplicates != foreseen:
                self._accuse(f'formula ({view.title})', f'{view.duplicates} '
                             f'duplicates where {foreseen} are foreseen')
        ambiguous = {id(one.request) for one in self._commits
                     if one.request.doubt(one.index)}
        figures = {
            'messages offered': len(self._offered),
            'messages finished': len(self._finished),
            'Kinesis records': len(self._commits),
            'user records': tuple(view.records for view in self._views),
            'messages in the stream': tuple(len(view.copies)
                                            for view in self._views),
            'duplicates': tuple(view.duplicates for view in self._views),
            'duplicates by the formula': formula,
            'ambiguous attempts that did commit': len(ambiguous),
            'faults': self._counts['fault'],
            'kills': self._counts['kill'],
        }
        return Verdict(self._violations, self._examples, figures, self._causes)
