#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The checker accepts a good history and refuses each bad one, rightly.

Usage: PYTHONPATH=tests python3 test_checker.py
"""
import hashlib
import io
import json
import pathlib
import subprocess
import sys
import tempfile
import time
import unittest

from checker import corpus
from checker.deaggregation import MAGIC, fits, hash_key, take_apart
from checker.history import Unreadable, Writer, read
from checker.judgement import Judge
from checker.table import write_table


def judge(events, complete=True):
    one = Judge(complete)
    one.take(events)
    return one.verdict()


def told(verdict):
    text = io.StringIO()
    write_table(verdict, text)
    return text.getvalue()


class Histories(unittest.TestCase):
    def test_good_history_is_good(self):
        verdict = judge(corpus.good())

        self.assertTrue(verdict.is_good, told(verdict))
        # Ambiguous: 500, a refusal that is none, a late landing (9 messages);
        # an unread reply and a split (8), the latter in the raw view only.
        self.assertEqual(verdict.figures['duplicates'], (17, 13))
        self.assertEqual(verdict.figures['duplicates by the formula'], (17, 13))
        self.assertEqual(verdict.figures['ambiguous attempts that did commit'],
                         3)
        self.assertEqual(dict(verdict.causes), {
            'http_500_after': 4, 'internal_failure_after': 4, 'late_close': 1,
            'kill egress': 4, 'reshard': 4})

    def test_each_bad_history_is_refused_for_its_reason(self):
        for spoil, kinds in corpus.BAD:
            with self.subTest(spoil.__name__):
                events = corpus.good()
                spoil(events)
                verdict = judge(events)
                self.assertEqual(set(verdict.violations), kinds, told(verdict))

    def test_history_that_goes_on_need_not_be_finished(self):
        events = corpus.good()
        end = next(place for place, event in enumerate(events)
                   if event['ev'] == 'fin')
        verdict = judge(events[:end], complete=False)

        self.assertTrue(verdict.is_good, told(verdict))

    def test_publishing_without_an_answer_may_arrive_or_not(self):
        for arrives in (True, False):
            history = corpus.History()
            history.add('publisher', 'pub', batch=1, messages=[[1, 0]])
            if arrives:
                history.put([(1, 0)])
            self.assertTrue(judge(history.events).is_good)

    def test_million_events_take_seconds(self):
        count = 30000  # of messages, in aggregates of a hundred
        history = corpus.History()
        for first in range(0, count // corpus.KEYS, 25):
            messages = corpus.messages_from(first, first + 25)
            history.deliver(*messages)
            history.put(messages)
            history.finish(*messages)
        events = 2 * count + 3 * count // 100

        begin = time.process_time()
        verdict = judge(history.events)
        seconds = time.process_time() - begin

        self.assertTrue(verdict.is_good, told(verdict))
        self.assertLess(seconds * 1e6 / events, 10)


class Files(unittest.TestCase):
    def setUp(self):
        self._folder = tempfile.TemporaryDirectory()
        self.addCleanup(self._folder.cleanup)
        self.path = pathlib.Path(self._folder.name, 'history')

    def write(self, events):
        self.path.write_text(''.join(json.dumps(event) + '\n'
                                     for event in events))

    def run_checker(self, *options):
        return subprocess.run(
            [sys.executable, '-m', 'checker', *options, self.path],
            capture_output=True, text=True, check=False)

    def test_files_are_one_history(self):
        second = self.path.with_name('second')
        writers = Writer(self.path), Writer(second)
        for number in range(4):
            writers[number % 2].write('fault', 'note', number=number)
        for writer in writers:
            writer.end()

        found = [event['number'] for event in read([self.path, second])]

        self.assertEqual(found, [0, 1, 2, 3])

    def test_torn_line_is_refused(self):
        self.write(corpus.good())
        whole = self.path.read_bytes()
        for wrong in (whole[:-10], whole + b'{"t":1\n', whole + b'{}\n'):
            self.path.write_bytes(wrong)
            self.assertRaises(Unreadable, read, [self.path])

    def test_exit_status_says_what_was_found(self):
        events = corpus.good()
        self.write(events)
        self.assertEqual(self.run_checker('--complete').returncode, 0)
        corpus.finish_early(events)
        self.write(events)
        done = self.run_checker('--complete')
        self.assertEqual(done.returncode, 1)
        self.assertIn('VIOLATION early FIN', done.stdout)
        self.path.write_text('nonsense\n')
        self.assertEqual(self.run_checker().returncode, 2)


class Deaggregation(unittest.TestCase):
    @staticmethod
    def wrap(text):
        return MAGIC + text + hashlib.md5(text).digest()

    def test_aggregate_is_taken_apart(self):
        text = (b'\x0a\x01k' b'\x0a\x02kk' b'\x12\x015'
                b'\x1a\x05\x08\x00\x1a\x01a'
                b'\x1a\x07\x08\x01\x10\x00\x1a\x01b'
                b'\x1a\x09\x1a\x01c\x08\x00\x22\x02\x0a\x00')

        self.assertEqual(take_apart(b'outer', self.wrap(text)), (
            [(b'k', None, b'a'), (b'kk', 5, b'b'), (b'k', None, b'c')], True))

    def test_what_is_no_aggregate_is_one_record(self):
        good = self.wrap(b'\x0a\x01k\x1a\x05\x08\x00\x1a\x01a')
        for data in (
                b'', b'text', MAGIC, good[1:], good[:-1], good[:-1] + b'\0',
                MAGIC + hashlib.md5(b'').digest(),  # sixteen bytes behind it
                self.wrap(b'\x1a\x03\x1a\x01a'),  # no partition key index
                self.wrap(b'\x1a\x02\x08\x00'),  # no data
                self.wrap(b'\x1a\x05\x08\x01\x1a\x01a'),  # none at that index
                self.wrap(b'\x0a\x09k'),  # longer than it is
                self.wrap(b'\x0a\x01k\x1a\x05\x08\x00\x1a\x05a'),
                self.wrap(b'\xff' * 11), self.wrap(b'\x0f')):
            self.assertEqual(take_apart(b'key', data),
                             ([(b'key', None, data)], False), data)

    def test_hash_keys_decide_what_fits(self):
        # RFC 1321 knows md5("a"); MD5 as a 128-bit number is in the API
        # reference of PutRecord.
        place = 0x0cc175b9c0f1b6a831c399e269772661
        self.assertEqual(hash_key(b'a'), place)
        self.assertTrue(fits([(b'a', None, b'')], place, place, {}))
        self.assertFalse(fits([(b'a', None, b'')], 0, place - 1, {}))
        self.assertFalse(fits([(b'a', None, b''), (b'a', 1, b'')],
                              place, place, {}))
        self.assertTrue(fits([(b'a', 1, b'')], 0, 1, {}))


unittest.main()
