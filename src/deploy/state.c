/* SPDX-License-Identifier: Apache-2.0 */
#include "deploy/state.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

#define STATE_MAX_BYTES 65536u
/* Of cluster.json: an older quoin does not touch a newer one. */
#define FORMAT 1

static const struct {
    const char *key;
    size_t offset;
} fields[] = {
    {"cluster_id", offsetof(struct state, cluster_id)},
    {"cluster", offsetof(struct state, cluster)},
    {"datacenter", offsetof(struct state, datacenter)},
    {"blueprint", offsetof(struct state, blueprint)},
    {"phase", offsetof(struct state, phase)},
};

static char **field_of(struct state *state, size_t i)
{
    return (char **)((char *)state + fields[i].offset);
}

char *state_folder(const char *wanted)
{
    const char *xdg = getenv("XDG_STATE_HOME");
    const char *home = getenv("HOME");

    if (wanted) {
        return text_copy(wanted);
    }
    if (xdg && xdg[0] == '/') {
        return text_make("%s/quoin", xdg);
    }
    return text_make("%s/.local/state/quoin", home && home[0] == '/' ? home : "/root");
}

static bool lock_taken(struct state *state, struct err *err)
{
    char holder[32] = "";
    ssize_t n = pread(state->lock, holder, sizeof(holder) - 1, 0);

    holder[n > 0 ? n : 0] = '\0';
    err_set(err, ERR_AWAY, "another quoin (process %s) works on cluster '%s'", holder,
            state->cluster);
    return err_mend(err, "wait until it has ended");
}

static bool take_lock(struct state *state, struct err *err)
{
    AUTO(drop_free) char *path = text_make("%s/lock", state->folder);

    state->lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (state->lock < 0) {
        return err_errno(err, errno, "open '%s'", path);
    }
    if (flock(state->lock, LOCK_EX | LOCK_NB) != 0) {
        return lock_taken(state, err);
    }
    if (ftruncate(state->lock, 0) != 0 || dprintf(state->lock, "%d", (int)getpid()) < 0) {
        return err_errno(err, errno, "write '%s'", path);
    }
    return true;
}

static bool load(struct state *state, struct err *err)
{
    AUTO(drop_free) char *path = text_make("%s/cluster.json", state->folder);
    AUTO(drop_free) char *bytes = NULL;
    AUTO(drop_json) json_t *object = NULL;
    size_t length = 0;

    if (!file_exists(path)) {
        state->cluster_id = text_room(UUID_SIZE, 1);
        uuid_make(state->cluster_id);
        return state_save(state, err);
    }
    if (!file_read(path, STATE_MAX_BYTES, &bytes, &length, err) ||
        !json_read(bytes, length, &object, err) || !json_format_known(object, FORMAT, err)) {
        return err_add(err, "the state of cluster '%s'", state->cluster);
    }
    for (size_t i = 0; i < COUNT_OF(fields); i++) {
        free(*field_of(state, i));
        *field_of(state, i) = text_copy(json_string_or(object, fields[i].key, NULL));
    }
    state->deployed = json_is_true(json_object_get(object, "deployed"));
    state->deep = json_incref(json_object_get(object, "deep"));
    if (!state->cluster_id || !uuid_valid(state->cluster_id)) {
        return err_set(err, ERR_INPUT, "'%s' names no cluster id", path);
    }
    return true;
}

static bool open_all(struct state *state, bool make, struct err *err)
{
    AUTO(drop_free) char *known = text_make("%s/cluster.json", state->folder);
    AUTO(drop_free) char *journal = text_make("%s/journal.jsonl", state->folder);

    if (!make && !file_exists(known)) {
        err_set(err, ERR_ABSENT, "no cluster '%s' is known here (%s)", state->cluster,
                state->folder);
        return err_mend(err, "name the folder with --state, or deploy it first");
    }
    if (!file_make_folder(state->folder, 0700, err) || !take_lock(state, err) ||
        !load(state, err)) {
        return false;
    }
    state->journal = open(journal, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    return state->journal >= 0 || err_errno(err, errno, "open '%s'", journal);
}

bool state_open(const char *folder, const char *cluster, bool make, struct state **out,
                struct err *err)
{
    AUTO(drop_state) struct state *state = text_room(1, sizeof(*state));

    state->lock = state->journal = -1;
    state->folder = text_make("%s/%s", folder, cluster);
    state->cluster = text_copy(cluster);
    if (!open_all(state, make, err)) {
        return false;
    }
    *out = TAKE(state);
    return true;
}

bool state_find_one(const char *folder, char **out_cluster, struct err *err)
{
    DIR *dir = opendir(folder);
    AUTO(drop_text) struct text names = {0};
    AUTO(drop_free) char *found = NULL;
    size_t count = 0;

    for (struct dirent *entry; dir && (entry = readdir(dir));) {
        AUTO(drop_free) char *path = text_make("%s/%s/cluster.json", folder, entry->d_name);

        if (entry->d_name[0] != '.' && file_exists(path)) {
            free(found);
            found = text_copy(entry->d_name);
            text_addf(&names, "%s%s", count++ ? ", " : "", entry->d_name);
        }
    }
    if (dir) {
        closedir(dir);
    }
    if (count == 0) {
        err_set(err, ERR_ABSENT, "no cluster is known here (%s)", folder);
        return err_mend(err, "name the folder with --state, or deploy one first");
    }
    if (count > 1) {
        err_set(err, ERR_INPUT, "several clusters are known here: %s", names.bytes);
        return err_mend(err, "name one with --cluster");
    }
    *out_cluster = TAKE(found);
    return true;
}

bool state_save(struct state *state, struct err *err)
{
    AUTO(drop_free) char *path = text_make("%s/cluster.json", state->folder);
    AUTO(drop_json) json_t *object = json_object();

    for (size_t i = 0; i < COUNT_OF(fields); i++) {
        if (*field_of(state, i)) {
            json_object_set_new(object, fields[i].key, json_string(*field_of(state, i)));
        }
    }
    json_object_set_new(object, "format", json_integer(FORMAT));
    json_object_set_new(object, "deployed", json_boolean(state->deployed));
    if (state->deep) {
        json_object_set(object, "deep", state->deep);
    }
    AUTO(drop_free) char *bytes = json_write(object);

    return file_write(path, bytes, strlen(bytes), 0600, err);
}

bool state_note(struct state *state, const json_t *event, struct err *err)
{
    AUTO(drop_free) char *line = json_write(event);
    AUTO(drop_free) char *ended = text_make("%s\n", line);
    ssize_t length = (ssize_t)strlen(ended);

    if (write(state->journal, ended, (size_t)length) != length) {
        return err_errno(err, errno, "write the journal in '%s'", state->folder);
    }
    return true;
}

bool state_write_ca(const struct state *state, const char *pem, struct err *err)
{
    AUTO(drop_free) char *path = text_make("%s/ca.pem", state->folder);

    return file_write(path, pem, strlen(pem), 0644, err);
}

bool state_read_ca(const struct state *state, char **out_pem, struct err *err)
{
    AUTO(drop_free) char *path = text_make("%s/ca.pem", state->folder);

    return file_read(path, STATE_MAX_BYTES, out_pem, NULL, err);
}

bool state_forget(struct state *state, struct err *err)
{
    static const char *const files[] = {"cluster.json", "ca.pem"};

    for (size_t i = 0; i < COUNT_OF(files); i++) {
        AUTO(drop_free) char *path = text_make("%s/%s", state->folder, files[i]);

        if (!file_remove(path, err)) {
            return false;
        }
    }
    return true;
}

void state_free(struct state *state)
{
    if (!state) {
        return;
    }
    for (size_t i = 0; i < COUNT_OF(fields); i++) {
        free(*field_of(state, i));
    }
    json_decref(state->deep);
    drop_fd(&state->lock);
    drop_fd(&state->journal);
    free(state->folder);
    free(state);
}
