/* SPDX-License-Identifier: MIT */
#ifndef KOOP_UPKEEP_REPAIR_SCAN_H
#define KOOP_UPKEEP_REPAIR_SCAN_H

#include "base/compiler.h"

/*
 * Look at every row for what this node must hold and lacks, and queue it.
 * A look at a file's END for each row; constant memory.  Clears core->rescan
 * when it came to the end.
 */

struct error;
struct nodecore;

KOOP_MUST int repair_scan(struct nodecore *core, struct error *err);

#endif
