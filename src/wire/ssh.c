/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/ssh.h"

#include <assert.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>

#include "base/file.h"
#include "base/text.h"
#include "wire/ssh_argv.h"
#include "wire/ssh_key.h"

/* What is copied is held in memory on its way; packages and files, never disk images. */
#define COPY_MAX         (256u * 1024u * 1024u)
#define COPY_SECONDS     600u
#define LOG_MAX          (64u * 1024u)
#define POLL_NANOSECONDS 10000000L

struct ssh {
    struct ssh_target target; /* its strings are ours */
    struct ssh_folder folder; /* known_hosts, the control socket, forwarded sockets */
    struct child master;
    unsigned forwards;
};

static void target_copy(struct ssh_target *to, const struct ssh_target *from)
{
    *to = *from;
    to->address = text_copy(from->address);
    to->user = text_copy(from->user);
    to->key = text_copy(from->key);
    to->host_key = text_copy(from->host_key);
}

static void target_clear(struct ssh_target *target)
{
    free((void *)(uintptr_t)target->address);
    free((void *)(uintptr_t)target->user);
    free((void *)(uintptr_t)target->key);
    free((void *)(uintptr_t)target->host_key);
}

static bool master_ended(const struct ssh *ssh)
{
    siginfo_t info = {0};

    return waitid(P_PID, (id_t)ssh->master.pid, &info, WEXITED | WNOHANG | WNOWAIT) != 0 ||
           info.si_pid != 0;
}

/* The control socket appears once the login is through. */
static bool master_wait(const struct ssh *ssh, const char *control, const char *log,
                        struct err *err)
{
    AUTO(drop_free) char *said = NULL;
    struct err ignored;
    long polls = (long)(ssh_patience(&ssh->target) + 2) * (1000000000L / POLL_NANOSECONDS);

    for (; polls > 0 && !master_ended(ssh); polls--) {
        if (file_exists(control)) {
            return true;
        }
        nanosleep(&(struct timespec){0, POLL_NANOSECONDS}, NULL);
    }
    if (!file_read(log, LOG_MAX, &said, NULL, &ignored)) {
        said = text_copy("it said nothing");
    }
    return ssh_explain(&ssh->target, polls > 0 ? said : "the login did not end in time", err);
}

/* `option` names what is known: a file, or who judges. NULL: as the user has configured. */
static bool master_start(struct ssh *ssh, const char *option, struct err *err)
{
    AUTO(ssh_argv_clear) struct ssh_argv argv = {0};
    AUTO(drop_free) char *control = text_make("%s/c", ssh->folder.path);
    AUTO(drop_free) char *log = text_make("%s/log", ssh->folder.path);

    ssh_argv_begin(&argv, &ssh->target, ssh_patience(&ssh->target));
    ssh_argv_add(&argv, "%s", "-MN");
    ssh_argv_add(&argv, "-E%s", log);
    ssh_argv_add(&argv, "-oControlPath=%s", control);
    ssh_argv_add(&argv, "-o%s", "StrictHostKeyChecking=yes");
    if (option) {
        ssh_argv_add(&argv, "-o%s", option);
        /* The first of each counts: nothing but `option` makes a key known. */
        ssh_argv_add(&argv, "-o%s", "UserKnownHostsFile=/dev/null");
        ssh_argv_add(&argv, "-o%s", "GlobalKnownHostsFile=/dev/null");
        ssh_argv_add(&argv, "-o%s", "VerifyHostKeyDNS=no");
        ssh_argv_add(&argv, "-o%s", "FingerprintHash=sha256");
        if (ssh_key_judges()) {
            ssh_argv_add(&argv, "-o%s", "KnownHostsCommand=none");
        }
        ssh_argv_add(&argv, "-oHostKeyAlias=%s", SSH_HOST_ALIAS);
    }
    ssh_argv_end(&argv, &ssh->target, NULL);
    struct run run = {.argv = argv.argv, .keep_environment = true};

    return child_start(&run, false, &ssh->master, err) && master_wait(ssh, control, log, err);
}

static bool start_judged(struct ssh *ssh, struct err *err)
{
    AUTO(drop_free) char *judge = NULL;

    if (!ssh_key_judge(&ssh->target, ssh->folder.path, &judge, err)) {
        return false;
    }
    AUTO(drop_free) char *option = text_make("KnownHostsCommand=%s", judge);

    return master_start(ssh, option, err);
}

/* One connection mostly does: the key is judged in the handshake, before the login. A pinned key of
 * another kind than the host offers first, and an ssh that has no such judge, need more. */
static bool start_pinned(struct ssh *ssh, struct err *err)
{
    AUTO(drop_free) char *known = text_make("%s/known", ssh->folder.path);
    AUTO(drop_free) char *log = text_make("%s/log", ssh->folder.path);
    AUTO(drop_free) char *option = text_make("UserKnownHostsFile=%s", known);
    struct err clash = {0};

    if (ssh_key_judges()) {
        if (start_judged(ssh, &clash)) {
            return true;
        }
        if (clash.kind != ERR_CLASH) {
            *err = clash;
            return false;
        }
        child_stop(&ssh->master);
    }
    return file_remove(log, err) && ssh_key_pin(&ssh->target, known, err) &&
           master_start(ssh, option, err);
}

bool ssh_open(const struct ssh_target *target, struct ssh **out, struct err *err)
{
    AUTO(drop_ssh) struct ssh *ssh = text_room(1, sizeof(*ssh));

    target_copy(&ssh->target, target);
    if (!ssh_folder_make(&ssh->folder, err) ||
        !(target->host_key ? start_pinned(ssh, err) : master_start(ssh, NULL, err))) {
        return false;
    }
    *out = TAKE(ssh);
    return true;
}

void ssh_close(struct ssh *ssh)
{
    if (!ssh) {
        return;
    }
    child_stop(&ssh->master);
    ssh_folder_remove(&ssh->folder);
    target_clear(&ssh->target);
    free(ssh);
}

/* Through the master, and only so: without it ssh would connect anew, hence a way that leads
 * nowhere. */
static void argv_through(struct ssh_argv *argv, const struct ssh *ssh)
{
    ssh_argv_add(argv, "%s", "ssh");
    ssh_argv_add(argv, "%s", "-T");
    ssh_argv_add(argv, "-oControlPath=%s/c", ssh->folder.path);
    ssh_argv_add(argv, "-o%s", "BatchMode=yes");
    ssh_argv_add(argv, "-o%s", "ProxyJump=none");
    ssh_argv_add(argv, "-o%s", "ProxyCommand=false");
    ssh_argv_add(argv, "-o%s", "LogLevel=ERROR");
}

static bool lost(const struct ssh *ssh, struct err *err)
{
    err_set(err, ERR_AWAY, "the SSH connection to '%s' was lost", ssh->target.address);
    return err_mend(err, "check the network and that the host runs, then try again");
}

bool ssh_run(struct ssh *ssh, const struct run *run, struct run_result *out, struct err *err)
{
    AUTO(ssh_argv_clear) struct ssh_argv argv = {0};
    AUTO(drop_free) char *command = ssh_quote(run->argv);
    struct run here = *run;
    struct run_result result = {0};

    assert(!run->environment);
    argv_through(&argv, ssh);
    ssh_argv_end(&argv, &ssh->target, command);
    here.argv = argv.argv;
    here.keep_environment = true;
    if (!run_program(&here, &result, err)) {
        return err_add(err, "'%s' on '%s'", run->argv[0], ssh->target.address);
    }
    /* 255 is ssh's own failure, or the command's. */
    if (result.status == 255 && master_ended(ssh)) {
        run_result_clear(&result);
        return lost(ssh, err);
    }
    *out = result;
    return true;
}

bool ssh_ok(struct ssh *ssh, const struct run *run, char **out, struct err *err)
{
    AUTO(drop_run_result) struct run_result result = {0};

    if (!ssh_run(ssh, run, &result, err)) {
        return false;
    }
    if (result.status != 0) {
        const char *line = NULL;
        int length = ssh_last_line(result.errors[0] ? result.errors : result.out, &line);

        return err_set(err, result.status == 127 ? ERR_ABSENT : ERR_SYSTEM,
                       "'%s' on '%s' ended with %d: %.*s", run->argv[0], ssh->target.address,
                       result.status, length, line);
    }
    if (out) {
        *out = TAKE(result.out);
    }
    return true;
}

static bool put_in_place(struct ssh *ssh, const char *beside, const char *to, mode_t mode,
                         struct err *err)
{
    char octal[8];

    (void)snprintf(octal, sizeof(octal), "%04o", (unsigned)mode & 07777);
    return ssh_ok(ssh, &(struct run){.argv = RUN("chmod", "--", octal, beside)}, NULL, err) &&
           ssh_ok(ssh, &(struct run){.argv = RUN("mv", "-fT", "--", beside, to)}, NULL, err);
}

bool ssh_copy(struct ssh *ssh, const char *from, const char *to, mode_t mode, struct err *err)
{
    AUTO(drop_free) char *bytes = NULL, *beside = text_make("%s.quoin-new", to);
    AUTO(drop_free) char *of = text_make("of=%s", beside);
    size_t length = 0;

    if (!file_read(from, COPY_MAX, &bytes, &length, err)) {
        return false;
    }
    struct run run = {.argv = RUN("dd", of, "bs=1M", "conv=fsync", "status=none"),
                      .input = bytes,
                      .input_length = length,
                      .seconds = COPY_SECONDS};

    if (!ssh_ok(ssh, &run, NULL, err) || !put_in_place(ssh, beside, to, mode, err)) {
        struct err ignored;

        (void)ssh_ok(ssh, &(struct run){.argv = RUN("rm", "-f", "--", beside)}, NULL, &ignored);
        return err_add(err, "copy '%s' to '%s' on '%s'", from, to, ssh->target.address);
    }
    return true;
}

bool ssh_forward(struct ssh *ssh, const char *remote, char **out_socket, struct err *err)
{
    AUTO(ssh_argv_clear) struct ssh_argv argv = {0};
    AUTO(drop_free) char *socket = text_make("%s/f%u", ssh->folder.path, ssh->forwards);

    argv_through(&argv, ssh);
    ssh_argv_add(&argv, "%s", "-Oforward");
    ssh_argv_add(&argv, "-L%s:%s", socket, remote);
    ssh_argv_end(&argv, &ssh->target, NULL);
    if (!run_ok(&(struct run){.argv = argv.argv, .keep_environment = true}, NULL, err)) {
        return master_ended(ssh)
                   ? lost(ssh, err)
                   : err_add(err, "lead a socket to '%s' on '%s'", remote, ssh->target.address);
    }
    ssh->forwards++;
    *out_socket = TAKE(socket);
    return true;
}
