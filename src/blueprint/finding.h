/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A finding: one thing that check has to say, with its place in the blueprint and how to mend it.
 * Findings are gathered, never thrown: a blueprint with ten mistakes gets ten of them in one pass.
 */
#ifndef QUOIN_BLUEPRINT_FINDING_H
#define QUOIN_BLUEPRINT_FINDING_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "base/text.h"

/* More than anybody reads; a hostile file must not make us write megabytes. Later ones are counted,
 * not kept. */
#define FINDINGS_MAX 200

enum severity {
    SEVERITY_ERROR,   /* a deploy would fail or do harm: nothing is begun */
    SEVERITY_WARNING, /* works, and will hurt later */
    SEVERITY_INFO,
};

struct finding {
    enum severity severity;
    const char *where; /* "hosts[0].disks[1]"; empty for the file as a whole; never NULL */
    unsigned line;     /* from 1; 0 when there is no place */
    unsigned column;   /* from 1, in characters */
    const char *what;
    const char *remedy; /* one sentence; never NULL */
    enum err_kind kind; /* of an error, as an exit code; ERR_NONE: mend the request */
};

/* Zero-initialized is an empty list. */
struct findings {
    struct finding *items;
    size_t count;
    size_t errors; /* those of SEVERITY_ERROR, kept or not */
    size_t left_out;
};

/* All texts are copied; bytes that a terminal would obey are replaced by '?'. */
void findings_add(struct findings *findings, const struct finding *finding);
void findings_clear(struct findings *findings);
__attribute__((unused)) static inline void drop_findings(struct findings *findings)
{
    findings_clear(findings);
}

/* The kind that all its errors share, ERR_INPUT when they differ: the exit code of what was refused
 * for them. */
enum err_kind findings_kind(const struct findings *findings);
/* "error", "warning", "info" */
const char *severity_name(enum severity severity);

/* For people: "FILE:LINE:COLUMN: error: WHERE: WHAT", the line of `source` with a caret below it,
 * and the remedy; then a line with the sum. `source` (the blueprint's text, or NULL) has `length`
 * bytes. */
void findings_text(const struct findings *findings, const char *file, const char *source,
                   size_t length, struct text *out);
/* CONTRACT's `check`: {"ok":…,"findings":[…]}; a new reference. */
json_t *findings_json(const struct findings *findings);

#endif
