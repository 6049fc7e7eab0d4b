# SPDX-License-Identifier: Apache-2.0
"""marks - what a test function may be marked with, and say."""


def only_long(test):
    """Runs with --long only: it takes more than about half a minute."""
    test.is_long = True
    return test


class CannotRunHere(Exception):
    """This machine lacks what the test needs; the reason is told."""
