/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/ssh_key.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>

#include "base/file.h"
#include "base/text.h"
#include "wire/ssh_argv.h"

/* "SHA256:" and 43 characters of base64; with room for what ssh may print one day. */
#define SSH_FINGERPRINT_SIZE 128u
#define FOLDER_NAME          "quoin-ssh."
#define LEFT_SECONDS         60

unsigned ssh_patience(const struct ssh_target *target)
{
    return target->seconds ? target->seconds : SSH_SECONDS;
}

/* Short, because the path of a unix socket has at most 107 bytes and ssh adds 17 for a moment; and
 * plain, because ssh expands % and splits at blanks. */
static bool folder_is_plain(const char *path)
{
    return path && path[0] == '/' && strlen(path) <= 40 &&
           strspn(path, "/abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-") ==
               strlen(path) &&
           access(path, W_OK) == 0;
}

/* Nobody holds it, and whoever made it had the time to. */
static bool is_left(int fd)
{
    struct stat st;

    return fd >= 0 && fstat(fd, &st) == 0 && st.st_uid == geteuid() &&
           st.st_mtime + LEFT_SECONDS < time(NULL) && flock(fd, LOCK_EX | LOCK_NB) == 0;
}

static void sweep(const char *base)
{
    DIR *folder = opendir(base);
    const struct dirent *entry;
    struct err ignored;

    while (folder && (entry = readdir(folder))) {
        AUTO(drop_free) char *path = text_make("%s/%s", base, entry->d_name);
        AUTO(drop_fd)
        int fd = strncmp(entry->d_name, FOLDER_NAME, strlen(FOLDER_NAME)) == 0
                     ? open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
                     : -1;

        if (is_left(fd)) {
            (void)file_remove_tree(path, &ignored);
        }
    }
    if (folder) {
        closedir(folder);
    }
}

bool ssh_folder_make(struct ssh_folder *out, struct err *err)
{
    const char *runtime = getenv("XDG_RUNTIME_DIR");
    const char *base = folder_is_plain(runtime) ? runtime : "/tmp";
    AUTO(drop_free) char *path = text_make("%s/%sXXXXXX", base, FOLDER_NAME);
    static atomic_flag swept = ATOMIC_FLAG_INIT;

    if (!atomic_flag_test_and_set(&swept)) {
        sweep(base);
    }
    if (!mkdtemp(path)) {
        return err_errno(err, errno, "make a folder for the SSH connection");
    }
    out->held = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    out->path = TAKE(path);
    return (out->held >= 0 && flock(out->held, LOCK_SH | LOCK_NB) == 0) ||
           err_errno(err, errno, "hold '%s'", out->path);
}

void ssh_folder_remove(struct ssh_folder *folder)
{
    struct err ignored;

    if (folder->path) {
        (void)file_remove_tree(folder->path, &ignored);
        (void)close(folder->held);
        free(TAKE(folder->path));
    }
}

int ssh_last_line(const char *said, const char **out)
{
    size_t end = strlen(said);

    while (end > 0 && strchr("\r\n", said[end - 1])) {
        end--;
    }
    size_t start = end;

    while (start > 0 && said[start - 1] != '\n') {
        start--;
    }
    *out = said + start;
    return (int)(end - start);
}

bool ssh_explain(const struct ssh_target *target, const char *said, struct err *err)
{
    const char *line = NULL;
    int length = ssh_last_line(said, &line);

    if (strstr(said, "Host key verification failed") || strstr(said, "host key is known for")) {
        err_set(err, ERR_CLASH, "the host key of '%s' is not a known one", target->address);
        return err_mend(err, "name its fingerprint as ssh.host_key in the blueprint");
    }
    if (strstr(said, "Permission denied") || strstr(said, "Too many authentication failures")) {
        err_set(err, ERR_DENIED, "no login at '%s': %.*s", target->address, length, line);
        return err_mend(err, "check ssh.user and ssh.key; ssh must log in without asking anything");
    }
    err_set(err, ERR_AWAY, "'%s' is not reached by SSH: %.*s", target->address, length, line);
    return err_mend(err, "check its address and that sshd runs there");
}

static const struct {
    const char *name;
    const char *algorithms;
} key_types[] = {
    {"ED25519", "ssh-ed25519"},
    {"ECDSA", "ecdsa-sha2-nistp256,ecdsa-sha2-nistp384,ecdsa-sha2-nistp521"},
    {"RSA", "rsa-sha2-512,rsa-sha2-256"},
};

/* Lets ssh itself shake hands with the host, by the user's own way to it (jump hosts, aliases), and
 * note the key in a file of ours; it stops before it would log in. The key proves itself in this
 * handshake. `*out_log` is what ssh said. */
static bool key_fetch(const struct ssh_target *target, const char *algorithms, const char *known,
                      char **out_log, struct err *err)
{
    AUTO(ssh_argv_clear) struct ssh_argv argv = {0};
    AUTO(drop_run_result) struct run_result result = {0};

    ssh_argv_begin(&argv, target, ssh_patience(target));
    ssh_argv_add(&argv, "-o%s", "StrictHostKeyChecking=accept-new");
    ssh_argv_add(&argv, "-oUserKnownHostsFile=%s", known);
    ssh_argv_add(&argv, "-oHostKeyAlgorithms=%s", algorithms);
    ssh_argv_add(&argv, "-o%s", "ControlPath=none");
    ssh_argv_add(&argv, "-o%s", "GlobalKnownHostsFile=/dev/null");
    ssh_argv_add(&argv, "-o%s", "PreferredAuthentications=none");
    ssh_argv_add(&argv, "-oHostKeyAlias=%s", SSH_HOST_ALIAS);
    ssh_argv_end(&argv, target, "true");
    struct run run = {
        .argv = argv.argv, .seconds = ssh_patience(target) + 2, .keep_environment = true};

    if (!run_program(&run, &result, err)) {
        return false;
    }
    *out_log = TAKE(result.errors);
    return true;
}

/* "256 SHA256:… quoin (ED25519)" */
static bool fingerprint_of(const char *known, char out[SSH_FINGERPRINT_SIZE], struct err *err)
{
    AUTO(drop_free) char *said = NULL;
    struct run run = {.argv = RUN("ssh-keygen", "-l", "-E", "sha256", "-f", known)};

    if (!run_ok(&run, &said, err)) {
        return false;
    }
    const char *start = strstr(said, "SHA256:");
    size_t length = start ? strcspn(start, " \n") : 0;

    if (length == 0 || length >= SSH_FINGERPRINT_SIZE) {
        return err_set(err, ERR_SYSTEM, "ssh-keygen gave no fingerprint");
    }
    memcpy(out, start, length);
    out[length] = '\0';
    return true;
}

/* One kind of key: `*out_there` tells whether the host has one. */
static bool key_offered(const struct ssh_target *target, size_t type, const char *known,
                        char out[SSH_FINGERPRINT_SIZE], bool *out_there, struct err *err)
{
    AUTO(drop_free) char *log = NULL;

    if (!file_remove(known, err) ||
        !key_fetch(target, key_types[type].algorithms, known, &log, err)) {
        return false;
    }
    *out_there = file_exists(known);
    if (*out_there) {
        return fingerprint_of(known, out, err);
    }
    return strstr(log, "no matching host key type") != NULL || ssh_explain(target, log, err);
}

bool ssh_key_pin(const struct ssh_target *target, const char *known, struct err *err)
{
    AUTO(drop_text) struct text others = {0};

    for (size_t i = 0; i < COUNT_OF(key_types); i++) {
        char offered[SSH_FINGERPRINT_SIZE];
        bool there = false;

        if (!key_offered(target, i, known, offered, &there, err)) {
            return false;
        }
        if (there && strcmp(offered, target->host_key) == 0) {
            return true;
        }
        if (there) {
            text_addf(&others, "%s%s (%s)", others.length ? ", " : "", offered, key_types[i].name);
        }
    }
    err_set(err, ERR_CLASH, "the host key of '%s' is %s, and not %s", target->address,
            others.length ? others.bytes : "of no known kind", target->host_key);
    return err_mend(err, "this may be another machine: compare with ssh-keygen -lf "
                         "/etc/ssh/ssh_host_ed25519_key.pub on the host's own console");
}

static bool judges;

static void ask_ssh(void)
{
    AUTO(drop_run_result) struct run_result said = {0};
    const struct run run = {.argv = RUN("ssh", "-G", "-oKnownHostsCommand=none", "--", "localhost"),
                            .keep_environment = true};
    struct err ignored;

    judges = run_program(&run, &said, &ignored) && said.status == 0;
}

bool ssh_key_judges(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;

    (void)pthread_once(&once, ask_ssh);
    return judges;
}

/* ssh tells fingerprint, kind and key; for its question which kinds it should prefer, none. */
bool ssh_key_judge(const struct ssh_target *target, const char *folder, char **out, struct err *err)
{
    static const char program[] =
        "read -r pinned <\"$0.pin\"\n"
        "[ \"$1\" != \"$pinned\" ] || echo \"" SSH_HOST_ALIAS " $2 $3\"\n";
    AUTO(drop_free) char *judge = text_make("%s/judge", folder);
    AUTO(drop_free) char *pin = text_make("%s.pin", judge);
    AUTO(drop_free) char *pinned = text_make("%s\n", target->host_key);

    if (!file_write(judge, program, strlen(program), 0600, err) ||
        !file_write(pin, pinned, strlen(pinned), 0600, err)) {
        return false;
    }
    *out = text_make("/bin/sh %s %%f %%t %%K", judge);
    return true;
}

bool ssh_offered(const struct ssh_target *target, char **out, struct err *err)
{
    AUTO(ssh_folder_remove) struct ssh_folder folder = {0};
    AUTO(drop_text) struct text offered = {0};
    bool ok = ssh_folder_make(&folder, err);
    AUTO(drop_free) char *known = text_make("%s/known", ok ? folder.path : "");

    for (size_t i = 0; ok && i < COUNT_OF(key_types); i++) {
        char fingerprint[SSH_FINGERPRINT_SIZE];
        bool there = false;

        ok = key_offered(target, i, known, fingerprint, &there, err);
        if (ok && there) {
            text_addf(&offered, "%s %s\n", fingerprint, key_types[i].name);
        }
    }
    if (ok) {
        *out = text_take(&offered);
    }
    return ok;
}
