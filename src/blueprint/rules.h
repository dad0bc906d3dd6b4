/* SPDX-License-Identifier: Apache-2.0 */
/* What the fields of a blueprint mean together: fits, duplicates, and the files that it names. */
#ifndef QUOIN_BLUEPRINT_RULES_H
#define QUOIN_BLUEPRINT_RULES_H

#include "blueprint/blueprint.h"

/* Fills in the defaults that depend on other fields, then adds a finding for each rule that is
 * broken. A field that is not well formed is NULL or zero, and passes: it has its finding. */
void rules_check(struct blueprint *blueprint, const struct blueprint_limits *limits,
                 struct findings *findings);
/* The files: there, plain, closed to others where they hold a secret; fills in image_bytes. */
void rules_check_files(struct blueprint *blueprint, struct findings *findings);

#endif
