#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The layering rule of ARCHITECTURE.md, as a test. Run from the top folder."""
import pathlib
import re
import sys

MAY = {
    'common': {'common'},
    'shard': {'shard', 'common'},
    'ingest': {'ingest', 'shard', 'common'},
    'egress': {'egress', 'shard', 'common'},
    'tools': {'tools', 'shard', 'common'},
}
HOME = {'liburing.h': 'ingest/io_uring.', 'curl/curl.h': 'egress/http_client.'}

wrong = []
for folder, may in MAY.items():
    for path in sorted(pathlib.Path(folder).rglob('*.[ch]')):
        for number, line in enumerate(path.read_text().splitlines(), 1):
            own = re.match(r'\s*#\s*include\s+"([^/"]+)', line)
            other = re.match(r'\s*#\s*include\s+<([^>]+)>', line)
            if own and own.group(1) not in may:
                wrong.append(f'{path}:{number}: {folder}/ may not include {own.group(1)}')
            if other and not str(path).startswith(HOME.get(other.group(1), '')):
                wrong.append(f'{path}:{number}: <{other.group(1)}> has its home elsewhere')
print('\n'.join(wrong))
sys.exit(bool(wrong))
