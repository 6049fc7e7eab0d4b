# SPDX-License-Identifier: Apache-2.0
"""attempts - what the client of Kinesis could know of each request.

An attempt is ambiguous if it stored records and its client was not told so:
the bridge has to send them again, and each becomes a duplicate. So without
read-back

    duplicates == records in ambiguous attempts that did commit

and every other copy needs a killed or stopped worker that had not yet taken
note of a reply.
"""
import bisect
import dataclasses

# Faults of a request that leave the reply true, or only its time or its end.
HARMLESS = {'delay', 'drip', 'close_after_reply', 'split',
            'merge', 'stale_shards'}

# What may be killed or stopped without a copy: only these workers send.
SENDERS = ('egress', 'all', 'bridge')


@dataclasses.dataclass(slots=True)
class Request:
    received: int  # time
    fault: str | None = None
    record_faults: dict | None = None  # index of the record: action
    status: int | None = None  # of the reply, once it has left
    is_late: bool = False

    def doubt(self, index):
        """Why the client cannot know that a record is stored; None: it can."""
        if self.fault and self.fault not in HARMLESS:
            return self.fault
        if self.record_faults and index in self.record_faults:
            return self.record_faults[index]
        if self.is_late:
            return 'late'
        if self.status is None:
            return 'reply dropped'
        return None if self.status == 200 else f'status {self.status}'


@dataclasses.dataclass(slots=True)
class Commit:
    """One Kinesis record that was stored."""
    time: int
    request: Request
    index: int
    shard: str
    fits: bool  # the KCL delivers it
    messages: list  # identities, in their order
    bytes_hash: int  # of its key and data


class Requests:
    """Put requests by number."""

    def __init__(self):
        self._found = {}

    def __getitem__(self, number):
        return self._found[number]

    def on_received(self, event):
        self._found[event['request']] = Request(event['t'])

    def on_landed(self, event):
        self._found[event['request']].is_late = True

    def on_reply(self, event):
        self._found[event['request']].status = event['status']

    def on_fault(self, event):
        request = self._found.get(event.get('request'))
        if not request:
            return  # of a call that puts nothing
        if 'index' in event:
            if request.record_faults is None:
                request.record_faults = {}
            request.record_faults[event['index']] = event['action']
        else:
            request.fault = event['action']


class Reshards:
    """When shards were split and merged; a worker learns of it a little later."""
    LEARNT_NS = 1500000000

    def __init__(self):
        self._times = []

    def on_event(self, event):
        self._times.append(event['t'])

    def were_known_between(self, begin, end):
        """True if a worker may have learnt of new shards between two times."""
        place = bisect.bisect_left(self._times, begin - self.LEARNT_NS)
        return place < len(self._times) and self._times[place] <= end


class Damages:
    """When somebody damaged a queue, and when it had been replaced at last.

    What was in it has to come from nsqd again: as new messages, in other
    aggregates, and once more if it was stored and not FINed.
    """

    def __init__(self):
        self._spans = []

    def on_event(self, event):
        self._spans.append((event.get('since', event['t']), event['t']))

    def are_between(self, begin, end):
        return any(since < end and until >= begin
                   for since, until in self._spans)


class Interruptions:
    """When workers were killed or stopped."""

    def __init__(self):
        self._spans = []  # (begin, end, what), by their ends

    def on_event(self, event):
        """`since` is a time before the signal, `t` one when it had worked."""
        whom = event['who']
        if whom.startswith(SENDERS):
            self._spans.append((event.get('since', event['t']), event['t'],
                                f'{event["ev"]} {whom.partition("[")[0]}'))

    def last_between(self, begin, end):
        """(time, what) of the last one between two times, or None."""
        after = bisect.bisect_right(self._spans, begin, key=lambda one: one[1])
        for since, _, what in reversed(self._spans[after:]):
            if since < end:
                return since, what
        return None
