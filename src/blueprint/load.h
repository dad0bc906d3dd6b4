/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From the tree to the structs, along the table of fields: form only. What the fields mean together
 * is looked at by rules.h.
 */
#ifndef QUOIN_BLUEPRINT_LOAD_H
#define QUOIN_BLUEPRINT_LOAD_H

#include "blueprint/blueprint.h"
#include "blueprint/node.h"

/* Fills in all that is well formed, and every default; the rest stays zero and has its finding.
 * Misspelt keys are mended in the tree. */
void load_fields(struct node *tree, struct blueprint *blueprint, struct findings *findings);
/* Frees what load_fields made. */
void load_clear(struct blueprint *blueprint);

#endif
