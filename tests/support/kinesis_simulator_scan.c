/* SPDX-License-Identifier: Apache-2.0 */

#include "tests/support/kinesis_simulator_scan.h"

#include "tests/support/kinesis_simulator_scan_ways.h"

static const struct simulator_scan_way *
way_of(const struct simulator_scan *scan)
{
    return scan->protocol == SIMULATOR_CBOR ? &simulator_scan_cbor
                                            : &simulator_scan_json;
}

bool simulator_scan_enter_map(struct simulator_scan *scan,
                              struct simulator_level *level)
{
    *level = (struct simulator_level){ .is_map = true };
    return way_of(scan)->enter(scan, level);
}

bool simulator_scan_enter_array(struct simulator_scan *scan,
                                struct simulator_level *level)
{
    *level = (struct simulator_level){ .is_map = false };
    return way_of(scan)->enter(scan, level);
}

enum simulator_step simulator_scan_next(struct simulator_scan *scan,
                                        struct simulator_level *level,
                                        struct bytes *name)
{
    return way_of(scan)->next(scan, level, name);
}

bool simulator_scan_take_null(struct simulator_scan *scan)
{
    return way_of(scan)->take_null(scan);
}

bool simulator_scan_text(struct simulator_scan *scan, struct bytes *text)
{
    return way_of(scan)->text(scan, text);
}

bool simulator_scan_blob(struct simulator_scan *scan, struct bytes *blob)
{
    return way_of(scan)->blob(scan, blob);
}

bool simulator_scan_skip(struct simulator_scan *scan)
{
    return way_of(scan)->skip(scan, 0);
}

bool simulator_scan_is_at_end(struct simulator_scan *scan)
{
    return way_of(scan)->is_at_end(scan);
}
