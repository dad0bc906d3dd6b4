/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Drives the room hv by hand, on a host: tests/e2e/test-hv runs it there. Keys come from files
 * FOLDER/pass.{ceph,tpm,system,data,identity}; the pool is ds1, the images are NAME-system, ….
 *
 *   hv-probe look UUID                       "running 1700000000"
 *   hv-probe start UUID NAME FOLDER HOST     TCG, one CPU, 256 MiB; HOST:3300 is the monitor
 *   hv-probe stop UUID SECONDS | destroy UUID
 *   hv-probe put UUID [FILE] | gather UUID FILE | clear UUID
 *   hv-probe watch UUID SECONDS              a line for each change of state or files; then look
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "hv/hv.h"

static const char *const disk_names[] = {"system", "data", "identity"};

static void say_state(void *context, const char *uuid, enum hv_state state)
{
    (void)context;
    printf("state %s %s\n", uuid, hv_state_name(state));
    fflush(stdout);
}

static void say_files(void *context, const char *uuid)
{
    (void)context;
    printf("files %s\n", uuid);
    fflush(stdout);
}

static bool probe_look(struct hv *hv, char **words, struct err *err)
{
    struct hv_look look;

    if (!hypervisors[0]->look(hv, words[0], &look, err)) {
        return false;
    }
    printf("%s %lld\n", hv_state_name(look.state), (long long)look.since);
    return true;
}

static bool read_key(const char *folder, const char *name, struct secret **out, struct err *err)
{
    AUTO(drop_free) char *path = text_make("%s/pass.%s", folder, name);

    return secret_read_file(path, 4096, true, out, err);
}

static void describe(char **words, const char *hosts, char *sources[], struct domain *out)
{
    *out = (struct domain){.uuid = words[0],
                           .name = words[1],
                           .cpus = 1,
                           .memory = 256,
                           .bridge = "br0",
                           .started = time(NULL),
                           .storage = {"rbd", "quoin", "/etc/ceph/ceph.conf", hosts},
                           .disk_count = COUNT_OF(disk_names)};
    for (size_t i = 0; i < COUNT_OF(disk_names); i++) {
        sources[i] = text_make("ds1/%s-%s", words[1], disk_names[i]);
        out->disks[i] = (struct domain_disk){disk_names[i], sources[i], i == 2};
    }
}

static bool with_keys(struct hv *hv, char **words,
                      bool (*use)(struct hv *hv, const struct domain *domain,
                                  const struct hv_keys *keys, struct err *err),
                      struct err *err)
{
    AUTO(drop_free) char *hosts = text_make("%s:3300", words[3]);
    AUTO(drop_secret) struct secret *storage = NULL, *tpm = NULL;
    struct secret *keys[COUNT_OF(disk_names)] = {NULL};
    char *sources[COUNT_OF(disk_names)];
    struct domain domain;
    struct hv_keys given = {0};
    bool good = read_key(words[2], "ceph", &storage, err) && read_key(words[2], "tpm", &tpm, err);

    describe(words, hosts, sources, &domain);
    given.storage = storage;
    given.tpm = tpm;
    for (size_t i = 0; i < COUNT_OF(disk_names); i++) {
        good = good && read_key(words[2], disk_names[i], &keys[i], err);
        given.disks[i] = keys[i];
    }
    good = good && use(hv, &domain, &given, err);
    for (size_t i = 0; i < COUNT_OF(disk_names); i++) {
        free(sources[i]);
        secret_free(keys[i]);
    }
    return good;
}

static bool probe_start(struct hv *hv, char **words, struct err *err)
{
    return with_keys(hv, words, hypervisors[0]->start, err);
}

static bool probe_stop(struct hv *hv, char **words, struct err *err)
{
    return hypervisors[0]->stop(hv, words[0], (unsigned)atoi(words[1]), err);
}

static bool probe_destroy(struct hv *hv, char **words, struct err *err)
{
    return hypervisors[0]->destroy(hv, words[0], err);
}

static bool probe_put(struct hv *hv, char **words, struct err *err)
{
    AUTO(drop_secret) struct secret *packed = NULL;

    (void)hv;
    return (!words[1] || secret_read_file(words[1], SECRET_MAX, false, &packed, err)) &&
           files_put(words[0], packed, err);
}

static bool probe_gather(struct hv *hv, char **words, struct err *err)
{
    AUTO(drop_secret) struct secret *packed = NULL;
    AUTO(drop_fd) int fd = -1;

    (void)hv;
    if (!files_gather(words[0], &packed, err)) {
        return false;
    }
    fd = open(words[1], O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    return secret_write(packed, fd, err);
}

static bool probe_clear(struct hv *hv, char **words, struct err *err)
{
    (void)hv;
    return files_clear(words[0], err);
}

static bool probe_watch(struct hv *hv, char **words, struct err *err)
{
    struct files_watch *watch;

    if (!files_watch_start(words[0], say_files, NULL, &watch, err)) {
        return false;
    }
    printf("watching\n");
    fflush(stdout);
    sleep((unsigned)atoi(words[1]));
    files_watch_stop(watch);
    return probe_look(hv, words, err);
}

static const struct {
    const char *name;
    int words;
    bool (*run)(struct hv *hv, char **words, struct err *err);
} verbs[] = {
    {"look", 1, probe_look},   {"start", 4, probe_start},     {"stop", 2, probe_stop},
    {"put", 1, probe_put},     {"destroy", 1, probe_destroy}, {"gather", 2, probe_gather},
    {"clear", 1, probe_clear}, {"watch", 2, probe_watch},
};

int main(int count, char **words)
{
    struct hv *hv = NULL;
    struct err err = {0};
    bool good = false;

    log_begin("hv-probe", LOG_INFO);
    umask(0077); /* as the agent */
    for (size_t i = 0; count > 1 && i < COUNT_OF(verbs); i++) {
        if (!strcmp(verbs[i].name, words[1]) && count >= verbs[i].words + 2) {
            bool told = verbs[i].run == probe_watch;

            good = hypervisors[0]->open(told ? say_state : NULL, NULL, &hv, &err) &&
                   verbs[i].run(hv, words + 2, &err);
            hypervisors[0]->close(hv);
            if (!good) {
                log_err(&err);
            }
            return err_exit_code(err.kind);
        }
    }
    fprintf(stderr, "hv-probe: see the head of tests/e2e/hv-probe.c\n");
    return 2;
}
