/* SPDX-License-Identifier: Apache-2.0 */
#include "deploy/report.h"

#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define BAR_CELLS 24u

void report_time(char out[32])
{
    struct timespec now;
    struct tm tm;
    char seconds[24];

    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &tm);
    (void)strftime(seconds, sizeof(seconds), "%Y-%m-%dT%H:%M:%S", &tm);
    (void)snprintf(out, 32, "%s.%03dZ", seconds, (int)(now.tv_nsec / 1000000));
}

void report_begin(struct report *report, bool json)
{
    const char *term = getenv("TERM");
    const char *no_colour = getenv("NO_COLOR");

    *report = (struct report){.json = json, .began = clock_ms()};
    report->bar = !json && isatty(STDERR_FILENO) && term && strcmp(term, "dumb") != 0;
    report->colour = report->bar && !(no_colour && no_colour[0]);
    report->begun = pthread_mutex_init(&report->lock, NULL) == 0;
}

void report_end(struct report *report)
{
    if (report->begun) {
        (void)pthread_mutex_destroy(&report->lock);
        report->begun = false;
    }
}

static void lock(struct report *report)
{
    if (report->begun) {
        (void)pthread_mutex_lock(&report->lock);
    }
}

static void unlock(struct report *report)
{
    if (report->begun) {
        (void)pthread_mutex_unlock(&report->lock);
    }
}

/* Takes `event`. Progress is shown, not kept. */
static void tell(struct report *report, json_t *event, bool keep)
{
    char at[32];

    report_time(at);
    json_object_set_new(event, "at", json_string(at));
    if (report->json) {
        AUTO(drop_free) char *line = json_write(event);

        puts(line);
        (void)fflush(stdout);
    }
    if (keep && report->state && report->failure.kind == ERR_NONE) {
        struct err err = {0};

        if (!state_note(report->state, event, &err)) {
            report->failure = err;
        }
    }
    json_decref(event);
}

static void clear_bar(struct report *report)
{
    if (report->bar_shown) {
        fputs("\r\033[K", stderr);
        report->bar_shown = false;
    }
}

static const char *tint(const struct report *report, const char *code)
{
    return report->colour ? code : "";
}

static void end_phase(struct report *report)
{
    if (report->phase && !report->json) {
        clear_bar(report);
        fprintf(stderr, "%s[%2u/%u]%s %-10s %sdone%s in %.1f s\n", tint(report, "\033[1m"),
                report->number, report->of, tint(report, "\033[0m"), report->phase,
                tint(report, "\033[32m"), tint(report, "\033[0m"),
                (double)(clock_ms() - report->phase_began) / 1000);
    }
    report->phase = NULL;
}

static void progress(struct report *report, unsigned percent, const char *what);

void report_phase(struct report *report, const char *phase, unsigned number, unsigned of)
{
    lock(report);
    end_phase(report);
    number += report->before;
    of += report->before;
    report->phase = phase;
    report->number = number;
    report->of = of;
    report->phase_began = clock_ms();
    tell(report,
         json_pack("{s:s, s:s, s:i, s:i}", "event", "phase", "phase", phase, "number", (int)number,
                   "of", (int)of),
         true);
    progress(report, 0, "begin");
    unlock(report);
}

void report_step(struct report *report, const char *kind, const char *host, const char *target)
{
    json_t *event =
        json_pack("{s:s, s:s*, s:s, s:s*, s:s*, s:s}", "event", "step", "phase", report->phase,
                  "kind", kind, "host", host, "target", target, "state", "begun");

    lock(report);
    tell(report, event, true);
    report->percent = 101;
    progress(report, 0, kind);
    unlock(report);
}

static void draw_bar(struct report *report, unsigned percent, const char *what)
{
    char bar[BAR_CELLS + 1];
    unsigned full = percent * BAR_CELLS / 100;

    memset(bar, '-', BAR_CELLS);
    memset(bar, '#', full);
    bar[BAR_CELLS] = '\0';
    fprintf(stderr, "\r\033[K[%2u/%u] %-10s [%s] %3u %% %.32s", report->number, report->of,
            report->phase ? report->phase : "", bar, percent, what);
    (void)fflush(stderr);
    report->bar_shown = true;
}

static void progress(struct report *report, unsigned percent, const char *what)
{
    percent = percent > 100 ? 100 : percent;
    if (report->json && percent != report->percent) {
        tell(report,
             json_pack("{s:s, s:s*, s:i, s:s}", "event", "progress", "phase", report->phase,
                       "percent", (int)percent, "what", what),
             false);
    }
    if (report->bar) {
        draw_bar(report, percent, what);
    }
    report->percent = percent;
}

void report_progress(struct report *report, unsigned percent, const char *what)
{
    lock(report);
    progress(report, percent, what);
    unlock(report);
}

void report_step_done(struct report *report, const char *kind, bool changed)
{
    report_host_done(report, kind, NULL, changed);
}

void report_host_done(struct report *report, const char *kind, const char *host, bool changed)
{
    lock(report);
    tell(report,
         json_pack("{s:s, s:s*, s:s, s:s*, s:s, s:b}", "event", "step", "phase", report->phase,
                   "kind", kind, "host", host, "state", "done", "changed", changed),
         true);
    unlock(report);
}

void report_missing(struct report *report, const char *host, const struct err *err)
{
    lock(report);
    clear_bar(report);
    tell(report,
         json_pack("{s:s, s:s*, s:s, s:o}", "event", "missing", "phase", report->phase, "host",
                   host, "error", json_of_err(err)),
         true);
    if (!report->json) {
        fprintf(stderr, "%squoin: warning:%s host '%s' is left out: %s\n", tint(report, "\033[33m"),
                tint(report, "\033[0m"), host, err->what);
    }
    unlock(report);
}

void report_finding(struct report *report, const char *kind, const char *host, const char *what)
{
    lock(report);
    clear_bar(report);
    tell(report,
         json_pack("{s:s, s:s*, s:s, s:s, s:s}", "event", "finding", "phase", report->phase, "kind",
                   kind, "host", host, "what", what),
         true);
    if (!report->json) {
        fprintf(stderr, "%squoin: warning:%s host '%s': %s\n", tint(report, "\033[33m"),
                tint(report, "\033[0m"), host, what);
    }
    unlock(report);
}

void report_done(struct report *report, const json_t *result, const char *summary)
{
    json_t *event = json_pack("{s:s, s:f}", "event", "done", "seconds",
                              (double)(clock_ms() - report->began) / 1000);

    end_phase(report);
    if (result) {
        json_object_update_missing(event, (json_t *)(uintptr_t)result);
    }
    tell(report, event, true);
    if (!report->json) {
        printf("%s\n", summary);
    }
}

void report_failed(struct report *report, const struct err *err)
{
    json_t *event = json_pack("{s:s, s:s*, s:o, s:i}", "event", "failed", "phase", report->phase,
                              "error", json_of_err(err), "exit", err_exit_code(err->kind));

    clear_bar(report);
    tell(report, event, true);
    if (!report->json) {
        fprintf(stderr, "%squoin: error:%s %s%s%s\n", tint(report, "\033[31m"),
                tint(report, "\033[0m"), report->phase ? report->phase : "",
                report->phase ? ": " : "", err->what);
        if (err->remedy[0]) {
            fprintf(stderr, "  remedy: %s\n", err->remedy);
        }
    }
    report->phase = NULL;
}
