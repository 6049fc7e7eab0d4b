# SPDX-License-Identifier: Apache-2.0
"""ledger - what was published against what is in the stream.

A message is known by its whole body, which the tests make unique; so an
altered message shows as one lost and one invented. Order is judged on the
first copy of each message: a repeated aggregate repeats its messages behind
themselves, which is a duplicate and not a change of order.
"""
import dataclasses


@dataclasses.dataclass
class Verdict:
    published: int
    in_stream: int  # user records, copies included
    lost: int
    invented: int  # in the stream, never published
    duplicates: int  # copies beyond the first
    order_violations: int  # first copies that came after a later one of a key
    dropped: int  # user records a KCL consumer passes over, see read_back

    @property
    def is_good(self):
        return not (self.lost or self.invented or self.order_violations)


def judge(published, stream):
    """published: (key, body) in the order of publishing, bodies unique.

    key says what must keep its order; None: no order is asked for. stream:
    see read_back.
    """
    place = {body: (key, number)
             for number, (key, body) in enumerate(published)}
    assert len(place) == len(published), 'bodies must be unique'
    seen, latest = set(), {}
    invented = duplicates = violations = 0
    for record in stream.user_records:
        if record.body not in place:
            invented += 1
        elif record.body in seen:
            duplicates += 1
        else:
            seen.add(record.body)
            key, number = place[record.body]
            if key is not None:
                violations += number < latest.get(key, -1)
                latest[key] = max(number, latest.get(key, -1))
    return Verdict(len(published), len(stream.user_records),
                   len(published) - len(seen), invented, duplicates,
                   violations, stream.dropped_count)
