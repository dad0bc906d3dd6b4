/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <getopt.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <systemd/sd-daemon.h>

#include "base/log.h"
#include "manager/manager.h"
#include "manager/setup.h"

#define HTTPS_PORT 443u
/* Threads wait more than they allocate: else each of a hundred keeps memory of its own. */
#define ARENAS 2

enum {
    OPT_SETUP = 256,
    OPT_IDENTITY,
    OPT_DATA,
    OPT_ADDRESS,
    OPT_PORT,
    OPT_AGENT_PORT,
    OPT_VERSION
};

static const struct option options[] = {
    {"setup", no_argument, NULL, OPT_SETUP},
    {"identity", required_argument, NULL, OPT_IDENTITY},
    {"data", required_argument, NULL, OPT_DATA},
    {"address", required_argument, NULL, OPT_ADDRESS},
    {"port", required_argument, NULL, OPT_PORT},
    {"agent-port", required_argument, NULL, OPT_AGENT_PORT},
    {"help", no_argument, NULL, 'h'},
    {"version", no_argument, NULL, OPT_VERSION},
    {0},
};

static const char usage[] =
    "usage: quoin-manager --setup --identity FILE\n"
    "       quoin-manager --identity FILE --data DIR [--address ADDRESS] [--port PORT]\n"
    "\n"
    "  --setup             write the network's configuration and set the host name, then end\n"
    "  --identity FILE     the identity disk, or a file with its document\n"
    "  --data DIR          where the database is kept\n"
    "  --address ADDRESS   to listen on; all, if not given\n"
    "  --port PORT         to listen on; 443, if not given\n"
    "  --agent-port PORT   where the hosts' agents answer; 7443, if not given\n"
    "  --help, --version\n";

/* What the command line asks for. */
struct asked {
    struct manager_conf conf;
    bool setup, help, version;
};

static bool read_port(const char *text, unsigned *out, struct err *err)
{
    char *end = NULL;
    unsigned long port = strtoul(text, &end, 10);

    if (*end != '\0' || end == text || port > 65535) {
        return err_set(err, ERR_INPUT, "'%s' is no port", text);
    }
    *out = (unsigned)port;
    return true;
}

static bool set_option(struct asked *asked, int option, struct err *err)
{
    switch (option) {
    case OPT_SETUP:
        asked->setup = true;
        return true;
    case OPT_IDENTITY:
        asked->conf.identity = optarg;
        return true;
    case OPT_DATA:
        asked->conf.data = optarg;
        return true;
    case OPT_ADDRESS:
        asked->conf.address = optarg;
        return true;
    case OPT_PORT:
        return read_port(optarg, &asked->conf.port, err);
    case OPT_AGENT_PORT:
        return read_port(optarg, &asked->conf.agent_port, err);
    case OPT_VERSION:
        asked->version = true;
        return true;
    case 'h':
        asked->help = true;
        return true;
    default:
        err_set(err, ERR_INPUT, "an option is unknown or lacks its value");
        return err_mend(err, "see quoin-manager --help");
    }
}

static bool read_options(int argc, char **argv, struct asked *asked, struct err *err)
{
    int option;

    opterr = 0;
    while ((option = getopt_long(argc, argv, "h", options, NULL)) != -1) {
        if (!set_option(asked, option, err)) {
            return false;
        }
    }
    if (asked->help || asked->version) {
        return true;
    }
    if (optind < argc || !asked->conf.identity || asked->setup == (asked->conf.data != NULL)) {
        err_set(err, ERR_INPUT, "say --setup --identity FILE, or --identity FILE --data DIR");
        return err_mend(err, "see quoin-manager --help");
    }
    return true;
}

static bool setup(const struct asked *asked, struct err *err)
{
    AUTO(drop_identity) struct identity *identity = NULL;

    return identity_load(asked->conf.identity, &identity, err) && setup_files(identity, "", err) &&
           setup_name(identity, err);
}

/* Blocked before any thread starts, so that all of them leave the signal to sigwait. */
static void signals_block(sigset_t *set)
{
    sigemptyset(set);
    sigaddset(set, SIGTERM);
    sigaddset(set, SIGINT);
    (void)pthread_sigmask(SIG_BLOCK, set, NULL);
}

static bool run(const struct asked *asked, struct err *err)
{
    AUTO(drop_manager) struct manager *manager = NULL;
    sigset_t set;
    int number = 0;

    (void)umask(0077);
    signals_block(&set);
    if (!manager_open(&asked->conf, &manager, err)) {
        return false;
    }
    log_say(LOG_INFO, "answers on port %u", manager_port(manager));
    (void)sd_notify(0, "READY=1");
    while (sigwait(&set, &number) != 0) {
        /* Only a wrong set makes it fail, and ours is right. */
    }
    (void)sd_notify(0, "STOPPING=1");
    log_say(LOG_INFO, "ends: %s", strsignal(number));
    return true;
}

int main(int argc, char **argv)
{
    struct asked asked = {.conf = {.port = HTTPS_PORT}};
    struct err err = {0};

    (void)mallopt(M_ARENA_MAX, ARENAS);
    log_begin("quoin-manager", LOG_INFO);
    if (!secret_guard_process(&err) || !read_options(argc, argv, &asked, &err)) {
        log_err(&err);
        return err_exit_code(err.kind);
    }
    if (asked.help || asked.version) {
        fputs(asked.help ? usage : "quoin-manager " QUOIN_VERSION "\n", stdout);
        return 0;
    }
    if (!(asked.setup ? setup : run)(&asked, &err)) {
        log_err(&err);
        return err_exit_code(err.kind);
    }
    return 0;
}
