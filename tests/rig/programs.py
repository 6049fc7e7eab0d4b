# SPDX-License-Identifier: Apache-2.0
"""programs - where the programs lie that tests and tools/try start.

Ours lie in a meson build folder, named by N2K_BUILD. What others wrote lies in
the cache that tools/dev/setup fills; its folders are named by version, and
the newest one counts.
"""
import os
import pathlib

TOP = pathlib.Path(__file__).resolve().parents[2]


def build_folder():
    return pathlib.Path(os.environ.get('N2K_BUILD', TOP / 'build'))


def _in_cache(pattern):
    cache = pathlib.Path(os.environ.get('XDG_CACHE_HOME') or
                         pathlib.Path.home() / '.cache') / 'nsq_to_kinesis'
    found = sorted(cache.glob(pattern))
    if not found:
        raise FileNotFoundError(f'{cache}/{pattern} is missing: run '
                                'tools/dev/setup nsq emulators reader')
    return found[-1]


def nsqd():
    return _in_cache('nsq-*/nsqd')


def nsqlookupd():
    return _in_cache('nsq-*/nsqlookupd')


def kinesis_local():
    return _in_cache('emulators-*/node_modules/kinesis-local')


def kinesalite():
    return _in_cache('emulators-*/node_modules/kinesalite')


def sheltered_server():
    """Keeps a Node.js server on loopback and away from resets."""
    return TOP / 'tests' / 'rig' / 'sheltered_server.js'


def hooks_folder():
    """A build with the option test_hooks, or None if there is none."""
    folder = pathlib.Path(os.environ.get('N2K_BUILD_HOOKS',
                                         TOP / 'build-test-hooks'))
    return folder if folder.exists() else None


def of_the_bridge(name, folder=None):
    """Path of one of our own programs, such as nsq_to_kinesis.

    The installed one first, because its children lie beside it there; the
    simulators are not installed.
    """
    folder = folder or build_folder()
    for path in (*sorted(folder.glob(f'installed/**/{name}')),
                 *sorted(folder.rglob(name))):
        if path.is_file() and os.access(path, os.X_OK):
            return path
    raise FileNotFoundError(f'{name} is not built in {folder}')
