#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The plan of a storm: usage PYTHONPATH=tests python3 test_plan.py"""
import unittest

from storm.plan import CALM_SHARE, fingerprint, make_plan


class Plan(unittest.TestCase):
    def test_same_seed_makes_the_same_plan(self):
        self.assertEqual(make_plan(7, 45), make_plan(7, 45))
        # A change of the plan makes earlier seeds worthless: note it.
        self.assertEqual(fingerprint(make_plan(1, 45)), 'c3f4a0f2b30c1d36')

    def test_other_seeds_make_other_plans(self):
        self.assertEqual(len({fingerprint(make_plan(seed, 45))
                              for seed in range(50)}), 50)

    def test_every_plan_kills_each_kind_and_ends_calmly(self):
        for seed in range(50):
            plan = make_plan(seed, 45)
            killed = {dict(step.how)['whom'] for step in plan
                      if step.what == 'kill'}
            self.assertLessEqual({'all', 'ingest'}, killed)
            self.assertTrue(killed & {'egress', 'egress[0]', 'egress[1]'})
            self.assertLess(plan[-1].at, 45 * (1 - CALM_SHARE) + 0.001)
            self.assertEqual(plan, sorted(plan, key=lambda step: step.at))


unittest.main()
