/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a run says while it works. As text: a line a phase on standard error, and on a terminal a
 * bar below it. As JSON: one line an event on standard output. Everything but progress also goes
 * into the journal of the cluster's state. Hosts that are at work side by side may all speak: one
 * event at a time comes out.
 */
#ifndef QUOIN_DEPLOY_REPORT_H
#define QUOIN_DEPLOY_REPORT_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/base.h"
#include "deploy/state.h"

struct report {
    pthread_mutex_t lock; /* from report_begin on */
    bool begun;
    bool json;
    bool bar;            /* standard error is a terminal that can move its cursor */
    bool colour;         /* NO_COLOR is not set */
    struct state *state; /* borrowed; NULL before there is one */
    const char *phase;   /* borrowed: a name from the table of phases */
    unsigned number, of;
    unsigned before;            /* phases of this run before those that report_phase is told of */
    int64_t began, phase_began; /* CLOCK_MONOTONIC, milliseconds */
    unsigned percent;           /* as last shown */
    bool bar_shown;
    struct err failure; /* of the journal: the next call to report_failed tells it */
};

void report_begin(struct report *report, bool json);
/* Nothing but the lock is given back. */
void report_end(struct report *report);
/* A phase starts: number `number` of `of`. */
void report_phase(struct report *report, const char *phase, unsigned number, unsigned of);
/* A step of it begins, at `host` (may be NULL) on `target` (may be NULL). */
void report_step(struct report *report, const char *kind, const char *host, const char *target);
void report_progress(struct report *report, unsigned percent, const char *what);
/* The step ended; `changed` false: it was done already. */
void report_step_done(struct report *report, const char *kind, bool changed);
/* The same where several hosts are at work. */
void report_host_done(struct report *report, const char *kind, const char *host, bool changed);
/* This host did not get there; the run goes on with the others. */
void report_missing(struct report *report, const char *host, const struct err *err);
/* A step of `host` went well, and there is this to mend nevertheless. */
void report_finding(struct report *report, const char *kind, const char *host, const char *what);
/* The whole run ended. `result` (may be NULL) is put into the event; borrowed. */
void report_done(struct report *report, const json_t *result, const char *summary);
void report_failed(struct report *report, const struct err *err);
/* The current UTC time, RFC 3339 with milliseconds. */
void report_time(char out[32]);

#endif
