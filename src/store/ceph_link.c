/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/secret_open.h"
#include "store/ceph.h"

/* A keyring holds one entity: its name, key and capabilities. */
#define MAX_KEYRING 4096u

static const struct {
    int number;
    enum err_kind kind;
} kinds[] = {{ENOENT, ERR_ABSENT},    {EACCES, ERR_DENIED},  {EPERM, ERR_DENIED},
             {ETIMEDOUT, ERR_AWAY},   {ENOTCONN, ERR_AWAY},  {ECONNREFUSED, ERR_AWAY},
             {EAGAIN, ERR_AWAY},      {ESHUTDOWN, ERR_AWAY}, {EEXIST, ERR_CLASH},
             {EBUSY, ERR_CLASH},      {EINVAL, ERR_INPUT},   {ENAMETOOLONG, ERR_INPUT},
             {EHOSTUNREACH, ERR_AWAY}};

bool ceph_errno(struct err *err, int number, const char *format, ...)
{
    AUTO(drop_free) char *what = NULL;
    enum err_kind kind = ERR_SYSTEM;
    va_list arguments;

    number = number < 0 ? -number : number;
    va_start(arguments, format);
    if (vasprintf(&what, format, arguments) < 0) {
        abort();
    }
    va_end(arguments);
    for (size_t i = 0; i < COUNT_OF(kinds); i++) {
        kind = kinds[i].number == number ? kinds[i].kind : kind;
    }
    (void)err_set(err, kind, "%s: %s", what,
                  number == ESHUTDOWN ? "this client was fenced" : strerror(number));
    if (kind == ERR_AWAY) {
        return err_mend(err, "Look at the daemons (systemctl status 'ceph*') and try again.");
    }
    return number == ENOSPC ? err_mend(err, "Add disks, or remove what is not needed.") : false;
}

bool ceph_connect(const struct store_conf *conf, const char *user, unsigned seconds, rados_t *out,
                  struct err *err)
{
    AUTO(drop_free) char *path = ceph_path(conf, "/etc/ceph/ceph.conf");
    AUTO(drop_free) char *key = ceph_path(conf, "/etc/ceph/ceph.client.%s.keyring", user);
    AUTO(drop_free) char *name = text_make("client.%s", user);
    AUTO(drop_rados) rados_t cluster = NULL;
    char limit[16];

    (void)snprintf(limit, sizeof(limit), "%u", seconds);
    const char *const options[][2] = {
        {"keyring", key},
        {"client_mount_timeout", limit},
        {"rados_mon_op_timeout", limit},
        {"rados_osd_op_timeout", limit},
        {"log_to_stderr", "false"},
        {"err_to_stderr", "false"},
        {"log_file", ""},
        {"admin_socket", ""},
        {"rbd_concurrent_management_ops", "64"}, /* pieces of an image removed at once */
        {"rbd_cache", "false"}, /* of ours alone: a pour is written once, a header read back */
    };

    if (!file_exists(path) || !file_exists(key)) {
        return err_set(err, ERR_ABSENT, "there is no datastore on this host");
    }
    int r = rados_create2(&cluster, "ceph", name, 0);

    r = r < 0 ? r : rados_conf_read_file(cluster, path);
    for (size_t i = 0; r >= 0 && i < COUNT_OF(options); i++) {
        r = rados_conf_set(cluster, options[i][0], options[i][1]);
    }
    r = r < 0 ? r : rados_connect(cluster);
    if (r < 0) {
        return ceph_errno(err, r, "reach the datastore's monitors");
    }
    *out = TAKE(cluster);
    return true;
}

/* The answer, in memory of librados that the caller gives back by drop_answer. */
struct answer {
    char *bytes, *status;
    size_t length, status_length;
};

static void drop_answer(struct answer *answer)
{
    if (answer->bytes) {
        explicit_bzero(answer->bytes, answer->length); /* it may have been a key */
        rados_buffer_free(answer->bytes);
    }
    rados_buffer_free(answer->status);
}

/* `host`: the monitor of that name; NULL: any. */
static bool ask(rados_t cluster, const char *host, json_t *command, struct answer *out,
                struct err *err)
{
    AUTO(drop_json) json_t *mine = command;
    AUTO(drop_free) char *text = json_write(mine);
    const char *argument = text;
    int r = host ? rados_mon_command_target(cluster, host, &argument, 1, NULL, 0, &out->bytes,
                                            &out->length, &out->status, &out->status_length)
                 : rados_mon_command(cluster, &argument, 1, NULL, 0, &out->bytes, &out->length,
                                     &out->status, &out->status_length);

    if (r >= 0) {
        return true;
    }
    return ceph_errno(err, r, "datastore: %s: %.*s", json_string_or(mine, "prefix", "?"),
                      (int)(out->status_length < 200 ? out->status_length : 200),
                      out->status ? out->status : "");
}

bool ceph_command(rados_t cluster, json_t *command, json_t **out, struct err *err)
{
    AUTO(drop_answer) struct answer answer = {0};

    if (out) {
        json_object_set_new(command, "format", json_string("json"));
    }
    return ask(cluster, NULL, command, &answer, err) &&
           (!out || json_read(answer.bytes, answer.length, out, err));
}

bool ceph_tell_monitor(rados_t cluster, const char *host, json_t *command, struct err *err)
{
    AUTO(drop_answer) struct answer answer = {0};

    return ask(cluster, host, command, &answer, err);
}

bool ceph_write_private(const char *path, const void *bytes, size_t length, uid_t owner,
                        gid_t group, struct err *err)
{
    AUTO(drop_free) char *beside = text_make("%s.new", path);
    AUTO(drop_fd)
    int fd = open(beside, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);

    if (fd < 0 || fchmod(fd, 0600) != 0 || fchown(fd, owner, group) != 0) {
        return err_errno(err, errno, "make '%s'", beside);
    }
    if (!file_pwrite(fd, bytes, length, 0, err)) {
        return false;
    }
    if (fsync(fd) != 0 || rename(beside, path) != 0) {
        return err_errno(err, errno, "write '%s'", path);
    }
    return true;
}

bool ceph_fetch(rados_t cluster, json_t *command, const char *path, uid_t owner, gid_t group,
                struct err *err)
{
    AUTO(drop_answer) struct answer answer = {0};

    return ask(cluster, NULL, command, &answer, err) &&
           ceph_write_private(path, answer.bytes, answer.length, owner, group, err);
}

bool ceph_keyring_fetch(rados_t cluster, const char *entity, json_t *caps, const char *path,
                        uid_t owner, gid_t group, struct err *err)
{
    json_t *command =
        json_pack("{ss ss so}", "prefix", "auth get-or-create", "entity", entity, "caps", caps);

    return ceph_fetch(cluster, command, path, owner, group, err) ||
           err_add(err, "keyring of %s", entity);
}

bool ceph_keyring_key(const char *path, struct secret **out, struct err *err)
{
    AUTO(drop_secret) struct secret *file = NULL, *key = NULL;

    if (!secret_read_file(path, MAX_KEYRING, false, &file, err)) {
        return false;
    }
    static const char word[] = "key = ";
    const unsigned char *bytes = secret_look(file), *stop = bytes + secret_size(file);
    const unsigned char *from = memmem(bytes, secret_size(file), word, strlen(word));

    from = from ? from + strlen(word) : stop;
    const unsigned char *end = memchr(from, '\n', (size_t)(stop - from));
    size_t length = (size_t)((end ? end : stop) - from);

    if (length == 0) {
        return err_set(err, ERR_SYSTEM, "'%s' holds no key", path);
    }
    if (!secret_new(length, &key, err)) {
        return false;
    }
    memcpy(secret_bytes(key), from, length);
    *out = TAKE(key);
    return true;
}
