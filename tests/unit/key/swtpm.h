/* SPDX-License-Identifier: Apache-2.0 */
/* A real TPM in software (swtpm), one process and one folder each. */
#ifndef QUOIN_TESTS_SWTPM_H
#define QUOIN_TESTS_SWTPM_H

#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>

#include "folder.h"

struct swtpm {
    struct child child;
    char folder[160];
    char tcti[256];
};

/* The file is there before anybody listens at it. */
static inline bool swtpm_answers(const char *path)
{
    AUTO(drop_fd) int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_un address = {.sun_family = AF_UNIX};

    (void)snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
    return connect(fd, (const struct sockaddr *)&address, sizeof(address)) == 0;
}

/* A fresh TPM, or the one whose state is in the folder already. */
static inline void swtpm_start(const char *name, struct swtpm *out)
{
    AUTO(drop_free) char *state = NULL;
    AUTO(drop_free) char *server = NULL;
    AUTO(drop_free) char *control = NULL;
    AUTO(drop_free) char *sock = NULL;
    struct err err = {0};

    (void)snprintf(out->folder, sizeof(out->folder), "%s/%s", folder_path, name);
    sock = text_make("%s/sock", out->folder);
    state = text_make("dir=%s", out->folder);
    server = text_make("type=unixio,path=%s", sock);
    control = text_make("type=unixio,path=%s.ctrl", sock);
    (void)snprintf(out->tcti, sizeof(out->tcti), "swtpm:path=%s", sock);
    assert_true(file_make_folder(out->folder, 0700, &err));
    (void)unlink(sock);
    assert_true(
        child_start(&(struct run){.argv = RUN("swtpm", "socket", "--tpm2", "--tpmstate", state,
                                              "--server", server, "--ctrl", control, "--flags",
                                              "not-need-init,startup-clear", "--log", "level=0")},
                    false, &out->child, &err));
    for (int i = 0; i < 500 && !swtpm_answers(sock); i++) {
        nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
    }
    assert_true(file_exists(sock));
}

static inline void swtpm_stop(struct swtpm *swtpm)
{
    child_stop(&swtpm->child);
}

/* What meson takes for "skipped". */
#define SKIPPED 77

static inline bool swtpm_missing(void)
{
    struct err err = {0};

    if (run_ok(&(struct run){.argv = RUN("swtpm", "--version")}, NULL, &err) &&
        run_ok(&(struct run){.argv = RUN("tpm2_getcap", "--version")}, NULL, &err)) {
        return false;
    }
    print_message("swtpm or tpm2-tools is not installed: skipped\n");
    return true;
}

/* A command of tpm2-tools at this TPM, as an operator or an attacker would use it. */
static inline void tpm2(const struct swtpm *swtpm, const char *const *argv)
{
    AUTO(drop_free) char *tcti = text_make("TPM2TOOLS_TCTI=%s", swtpm->tcti);
    const char *const environment[] = {tcti, "TSS2_LOG=all+none", NULL};
    struct err err = {0};

    if (!run_ok(&(struct run){.argv = argv, .environment = environment}, NULL, &err)) {
        fail_msg("%s", err.what);
    }
}

#endif
