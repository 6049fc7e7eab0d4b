# SPDX-License-Identifier: Apache-2.0
"""recovery - how long a killed process was missed, from the history.

A worker is back when a record of an epoch that was never seen is accepted: the
epoch in the tag, b1.<instance>.<queue>.<epoch>.<part>, grows with each worker
that takes a queue. Ingest is back when it is given the first message on a connection
made after the kill. A process that dies again soon is restarted later and later
on purpose, so only its first death under each supervisor counts.
"""


def _groups(events):
    """since: the roles that were killed together."""
    found = {}
    for event in events:
        if event['ev'] == 'kill':
            found.setdefault(event['since'], set()).add(event['who'])
    return found


def _title(roles, killed_before):
    """What a kill is counted as; None if it is not."""
    if 'supervisor' in roles:
        return 'everything' if len(roles) > 1 else None
    kinds = {role.partition('[')[0] for role in roles}
    if roles & killed_before or len(kinds) > 1:
        return None
    return kinds.pop()


class _Stopwatch:
    def __init__(self):
        self.since = {}  # title: when it was killed
        self.found = {'egress': [], 'ingest': [], 'everything': []}

    def start(self, title, roles, since):
        for role in {role.partition('[')[0] for role in roles}:
            self.since.pop(role, None)
        if title:
            self.since[title] = since

    def stop(self, title, now):
        since = self.since.pop(title, None)
        if since is not None:
            self.found[title].append((now - since) / 1e6)


def recoveries(events):
    """title: sorted milliseconds."""
    groups, watch = _groups(events), _Stopwatch()
    killed, epochs, fresh = set(), set(), set()
    for event in events:
        what = event['ev']
        if what == 'kill' and event['since'] in groups:
            roles = groups.pop(event['since'])
            watch.start(_title(roles, killed), roles, event['since'])
            killed = set() if 'supervisor' in roles else killed | roles
            fresh.clear()
        elif what == 'put_commit' and event['tag'].startswith('b1.'):
            epoch = event['tag'].rpartition('.')[0]
            if epoch not in epochs:
                epochs.add(epoch)
                watch.stop('egress', event['t'])
                watch.stop('everything', event['t'])
        elif what == 'sub':
            fresh.add((event['nsqd'], event['connection']))
        elif what == 'deliver' and (event['nsqd'],
                                    event['connection']) in fresh:
            watch.stop('ingest', event['t'])
    return {title: sorted(times) for title, times in watch.found.items()}
