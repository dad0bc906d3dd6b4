/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Run a program: argv, never a shell; a deadline; output with a ceiling. The child gets a clean
 * environment (PATH, HOME, LANG=C.UTF-8), no descriptors but its three, and dies with us.
 */
#ifndef QUOIN_BASE_RUN_H
#define QUOIN_BASE_RUN_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/err.h"
#include "base/secret.h"

/* Each of the two outputs, in bytes; more is an error, not cut. */
#define RUN_MAX_OUTPUT (8u * 1024u * 1024u)

struct run {
    const char *const *argv; /* ended by NULL; argv[0] looked up in PATH */
    const char *input;       /* or NULL */
    size_t input_length;
    const struct secret *secret; /* written to standard input after `input`, or NULL */
    unsigned seconds;            /* deadline; 0 means 60 */
    const char *const
        *environment;      /* "NAME=value" besides the clean ones, ended by NULL, or NULL */
    bool keep_environment; /* pass ours on (ssh needs the user's agent) */
};

struct run_result {
    int status; /* exit status; 128 + signal when killed */
    char *out;  /* NUL-ended */
    size_t out_length;
    char *errors;
};

/* Succeeds whenever the program ran to its end, whatever its status. ERR_ABSENT: no such program;
 * ERR_AWAY: deadline passed (it was killed). The caller drops the result. */
bool run_program(const struct run *run, struct run_result *out, struct err *err);
/* As above, but any status other than 0 is ERR_SYSTEM with the last line of its errors. `out` (may
 * be NULL) gets its standard output; the caller frees. */
bool run_ok(const struct run *run, char **out, struct err *err);
void run_result_clear(struct run_result *result);
__attribute__((unused)) static inline void drop_run_result(struct run_result *result)
{
    run_result_clear(result);
}

/* A program that goes on beside us (a tunnel): our end of its standard input and output, or -1 when
 * not asked for. It dies with us. `child_stop` ends it (SIGTERM, then SIGKILL after a second). */
struct child {
    pid_t pid;
    int to;
    int from;
};
bool child_start(const struct run *run, bool pipes, struct child *out, struct err *err);
void child_stop(struct child *child);

/* argv on the spot: RUN("ip", "link", "show") */
#define RUN(...) ((const char *const[]){__VA_ARGS__, NULL})

#endif
