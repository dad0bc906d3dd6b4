/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A stream of JSON objects, one a line, split as its bytes come. Empty lines are the sign of life
 * of a peer that is at work and are left out.
 */
#ifndef QUOIN_WIRE_LINES_H
#define QUOIN_WIRE_LINES_H

#include "base/json.h"
#include "base/text.h"

/* One event of a step; the longest carries an error and a table of disks. */
#define LINES_MAX (64u * 1024u)

/* False with err filled in ends the stream. `line` is borrowed. */
typedef bool lines_take(void *context, const json_t *line, struct err *err);

/* Begin with `take` and `context` set and the rest zero. */
struct lines {
    lines_take *take;
    void *context;
    struct text rest;
};

bool lines_feed(struct lines *lines, const char *bytes, size_t length, struct err *err);
/* At the stream's end: ERR_AWAY when it broke off inside a line. Frees; fine on a zeroed struct. */
bool lines_end(struct lines *lines, struct err *err);

#endif
