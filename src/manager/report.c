/* SPDX-License-Identifier: Apache-2.0 */
#include "manager/report.h"

#include <string.h>

/* Of one list: virtual machines of a host, disks of a machine, OSDs of a cluster. */
#define LIST_MAX 1024u
#define TEXT_MAX 1024u

enum kind { TEXT, NUMBER, TRUTH, OBJECT, LIST, REASONS };

struct shape {
    const char *name;
    enum kind kind;
    const struct shape *of; /* OBJECT, LIST: ended by a zero entry */
};

static const struct shape cluster_shape[] = {
    {"id", TEXT}, {"name", TEXT}, {"datacenter", TEXT}, {0}};

static const struct shape osd_shape[] = {
    {"id", NUMBER}, {"host", TEXT}, {"disk", TEXT}, {"up", TRUTH}, {0}};

static const struct shape store_host_shape[] = {
    {"name", TEXT}, {"monitor", TEXT}, {"paused", TRUTH}, {0}};

static const struct shape datastore_shape[] = {{"type", TEXT},
                                               {"name", TEXT},
                                               {"health", TEXT},
                                               {"reasons", REASONS},
                                               {"bytes_total", NUMBER},
                                               {"bytes_used", NUMBER},
                                               {"replicas", NUMBER},
                                               {"copies", NUMBER},
                                               {"monitors", NUMBER},
                                               {"monitors_in_quorum", NUMBER},
                                               {"osds_total", NUMBER},
                                               {"osds_up", NUMBER},
                                               {"hosts", LIST, store_host_shape},
                                               {"osds", LIST, osd_shape},
                                               {0}};

static const struct shape provider_shape[] = {{"name", TEXT},
                                              {"type", TEXT},
                                              {"kek", TEXT},
                                              {"state", TEXT},
                                              {"sealed_by", TEXT},
                                              {"backup_fetched", TRUTH},
                                              {"trouble", TEXT},
                                              {"remedy", TEXT},
                                              {"last_success", NUMBER},
                                              {"last_failure", NUMBER},
                                              {"finding", TEXT},
                                              {"found", NUMBER},
                                              {0}};

static const struct shape certificate_shape[] = {{"name", TEXT}, {"ends", NUMBER}, {0}};

static const struct shape events_shape[] = {{"source", TEXT}, {"next", NUMBER}, {0}};

static const struct shape disk_shape[] = {{"name", TEXT}, {"bytes", NUMBER}, {0}};

static const struct shape network_shape[] = {
    {"bridge", TEXT}, {"address", TEXT}, {"hostname", TEXT}, {0}};

static const struct shape lease_shape[] = {{"state", TEXT}, {"renewed", NUMBER}, {0}};

static const struct shape vm_shape[] = {{"name", TEXT},
                                        {"id", TEXT},
                                        {"state", TEXT},
                                        {"encrypted", TRUTH},
                                        {"kek", TEXT},
                                        {"recovery", TEXT},
                                        {"generation", NUMBER},
                                        {"since", NUMBER},
                                        {"cached", NUMBER},
                                        {"lease", OBJECT, lease_shape},
                                        {"trouble", TEXT},
                                        {"cpus", NUMBER},
                                        {"memory", NUMBER},
                                        {"disks", LIST, disk_shape},
                                        {"network", OBJECT, network_shape},
                                        {0}};

static const struct shape recovery_shape[] = {{"state", TEXT},   {"id", TEXT},    {"made", TEXT},
                                              {"fetched", TEXT}, {"held", TRUTH}, {0}};

static const struct shape status_shape[] = {{"version", TEXT},
                                            {"host", TEXT},
                                            {"address", TEXT},
                                            {"cluster", OBJECT, cluster_shape},
                                            {"time", NUMBER},
                                            {"datastore", OBJECT, datastore_shape},
                                            {"provider", OBJECT, provider_shape},
                                            {"recovery", OBJECT, recovery_shape},
                                            {"vms", LIST, vm_shape},
                                            {"certificates", LIST, certificate_shape},
                                            {"events", OBJECT, events_shape},
                                            {"enrolled", TRUTH},
                                            {"waiting", TEXT},
                                            {"waiting_remedy", TEXT},
                                            {0}};

static bool copy_object(const struct shape *shape, const json_t *from, json_t **out,
                        struct err *err);

static bool copy_list(const struct shape *of, const json_t *from, json_t **out, struct err *err)
{
    AUTO(drop_json) json_t *list = json_array();

    if (!json_is_array(from) || json_array_size(from) > LIST_MAX) {
        return err_set(err, ERR_INPUT, "not a list of at most %u", LIST_MAX);
    }
    for (size_t i = 0; i < json_array_size(from); i++) {
        json_t *item = NULL;

        if (!copy_object(of, json_array_get(from, i), &item, err)) {
            return false;
        }
        json_array_append_new(list, item);
    }
    *out = TAKE(list);
    return true;
}

/* A list of texts, or one text with "; " between them, becomes a list. */
static bool copy_reasons(const json_t *from, json_t **out, struct err *err)
{
    AUTO(drop_json) json_t *list = json_array();
    const char *text = json_string_value(from);

    for (size_t i = 0; i < json_array_size(from) && i < LIST_MAX; i++) {
        const char *reason = json_string_value(json_array_get(from, i));

        json_array_append_new(list,
                              json_string(reason && strlen(reason) <= TEXT_MAX ? reason : "?"));
    }
    if (!text && !json_is_array(from)) {
        return err_set(err, ERR_INPUT, "not a list of texts");
    }
    while (text && *text) {
        const char *end = strstr(text, "; ");
        size_t length = end ? (size_t)(end - text) : strlen(text);

        json_array_append_new(list, json_stringn(text, length < TEXT_MAX ? length : 0));
        text += length + (end ? 2 : 0);
    }
    *out = TAKE(list);
    return true;
}

static bool copy_value(const struct shape *shape, const json_t *from, json_t **out, struct err *err)
{
    switch (shape->kind) {
    case TEXT:
        *out = json_is_string(from) && json_string_length(from) <= TEXT_MAX
                   ? json_string(json_string_value(from))
                   : NULL;
        break;
    case NUMBER:
        *out = json_is_integer(from) ? json_integer(json_integer_value(from)) : NULL;
        break;
    case TRUTH:
        *out = json_is_boolean(from) ? json_boolean(json_is_true(from)) : NULL;
        break;
    case OBJECT:
        return copy_object(shape->of, from, out, err);
    case LIST:
        return copy_list(shape->of, from, out, err);
    case REASONS:
        return copy_reasons(from, out, err);
    }
    return *out || err_set(err, ERR_INPUT, "of another type, or too long");
}

static bool copy_object(const struct shape *shape, const json_t *from, json_t **out,
                        struct err *err)
{
    AUTO(drop_json) json_t *object = json_object();

    if (!json_is_object(from)) {
        return err_set(err, ERR_INPUT, "not an object");
    }
    for (; shape->name; shape++) {
        const json_t *value = json_object_get(from, shape->name);
        json_t *copy = NULL;

        if (!value || json_is_null(value)) {
            copy = json_null();
        } else if (!copy_value(shape, value, &copy, err)) {
            return err_add(err, "'%s'", shape->name);
        }
        json_object_set_new(object, shape->name, copy);
    }
    *out = TAKE(object);
    return true;
}

bool report_make(const json_t *status, json_t **out, struct err *err)
{
    return copy_object(status_shape, status, out, err) ||
           err_add(err, "the agent's status is not understood");
}

bool report_is_of(const json_t *report, const char *cluster_id, const char *host, struct err *err)
{
    const char *id = json_string_or(json_object_get(report, "cluster"), "id", "");
    const char *name = json_string_or(report, "host", "");

    if (strcmp(id, cluster_id) != 0 || strcmp(name, host) != 0) {
        err_set(err, ERR_CLASH, "host '%.63s' of cluster '%.36s' answers there", name, id);
        return err_mend(err, "check the host's address");
    }
    return true;
}
