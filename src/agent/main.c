/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <getopt.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <systemd/sd-daemon.h>

#include "agent/keeper.h"
#include "agent/lease.h"
#include "agent/serve.h"

static const struct option options[] = {
    {"state", required_argument, NULL, 's'},
    {"socket", required_argument, NULL, 'l'},
    {"help", no_argument, NULL, 'h'},
    {"version", no_argument, NULL, 'V'},
    {0},
};

static const char help[] = "Usage: quoind [OPTION…]\n"
                           "The agent of one host; started by systemd.\n\n"
                           "      --state DIR     what this host is part of (" HOST_FOLDER ")\n"
                           "      --socket PATH   root's door (" AGENT_SOCKET ")\n"
                           "  -h, --help          this text\n"
                           "      --version       the version";

static bool run(struct agent *agent, const char *socket, struct err *err)
{
    AUTO(drop_server) struct server *local = NULL;
    sigset_t ends;
    pthread_t keeper;
    int number = 0;

    if (!lease_start(agent, err) || !serve_local(agent, socket, &local, err) ||
        !keeper_start(agent, &keeper, err)) {
        return false;
    }
    (void)sd_notify(0, "READY=1");
    log_say(LOG_INFO, "ready");
    sigemptyset(&ends);
    sigaddset(&ends, SIGTERM);
    sigaddset(&ends, SIGINT);
    (void)sigwait(&ends, &number);
    (void)sd_notify(0, "STOPPING=1");
    keeper_stop(agent, keeper);
    return true;
}

/* Threads inherit the mask, so only sigwait sees these. */
static void block_signals(void)
{
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGPIPE);
    (void)pthread_sigmask(SIG_BLOCK, &set, NULL);
}

static int serve(const char *folder, const char *socket)
{
    struct agent agent;
    struct err err = {0};

    block_signals();
    bool ended = secret_guard_process(&err) && agent_open(folder, &agent, &err);

    if (ended) {
        ended = run(&agent, socket, &err);
        agent_close(&agent);
    }
    if (!ended) {
        log_err(&err);
    }
    return err_exit_code(ended ? ERR_NONE : err.kind);
}

/* Blocks of this size or more go back to the system at once: without a fixed limit malloc learns to
 * keep the datastore client's objects of 4 MiB, and a pour takes twice the memory. */
#define MALLOC_GIVES_BACK (1 << 20)

int main(int argc, char **argv)
{
    const char *folder = HOST_FOLDER;
    const char *socket = AGENT_SOCKET;
    int letter;

    (void)mallopt(M_MMAP_THRESHOLD, MALLOC_GIVES_BACK);
    log_begin("quoind", LOG_INFO);
    while ((letter = getopt_long(argc, argv, "h", options, NULL)) != -1) {
        switch (letter) {
        case 's':
            folder = optarg;
            break;
        case 'l':
            socket = optarg;
            break;
        case 'h':
            puts(help);
            return 0;
        case 'V':
            puts("quoind " QUOIN_VERSION);
            return 0;
        default:
            return err_exit_code(ERR_INPUT);
        }
    }
    return serve(folder, socket);
}
