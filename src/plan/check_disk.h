/* SPDX-License-Identifier: Apache-2.0 */
/* The disks under check: each by itself, and whether they hold the manager together. */
#ifndef QUOIN_PLAN_CHECK_DISK_H
#define QUOIN_PLAN_CHECK_DISK_H

#include "plan/finder.h"

void check_disks(struct finder *finder);
void check_room(const struct blueprint *blueprint, const struct host_answer *answers,
                struct findings *findings);

#endif
