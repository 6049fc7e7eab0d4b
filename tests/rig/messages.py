# SPDX-License-Identifier: Apache-2.0
"""messages - JSON messages of many users, each message unique.

    {"user_id": "user-0042", "number": 1234, "published_at": 1767225600.123, ...}

`number` grows over all messages, so it grows per user too.
"""
import json
import random
import time

TEXTS = ('signed in', 'looked at a page', 'put a thing into the basket',
         'paid with a card', 'wrote a review that says all is well',
         'asked for help and got it within the hour')


def make_messages(count, user_count=100, first=0, seed=1):
    """(user, body) in the order to publish; the same seed, the same list.

    published_at is the time of this call: make them when you publish them.
    """
    chance = random.Random(seed * 1000003 + first)
    made = []
    for number in range(first, first + count):
        user = f'user-{chance.randrange(user_count):04}'
        made.append((user, json.dumps({
            'user_id': user, 'number': number,
            'published_at': round(time.time(), 6),
            'did': chance.choice(TEXTS)}).encode()))
    return made
