/* SPDX-License-Identifier: Apache-2.0 */
#include "manager/metrics.h"

#include <string.h>

static void head(struct text *out, const char *name, const char *help)
{
    text_addf(out, "# HELP quoin_%s %s\n# TYPE quoin_%s gauge\n", name, help, name);
}

static void add_label(struct text *out, char before, const char *name, const char *value)
{
    text_addf(out, "%c%s=\"", before, name);
    for (; *value; value++) {
        if (*value == '\\' || *value == '"') {
            text_addf(out, "\\%c", *value);
        } else if (*value == '\n') {
            text_add(out, "\\n");
        } else {
            text_add_bytes(out, value, 1);
        }
    }
    text_add(out, "\"");
}

/* What a number is read from: a host, a part of its report, or each of its machines. */
enum from { FROM_HOST, FROM_DATASTORE, FROM_PROVIDER, FROM_VM };

static const struct metric {
    const char *name, *help;
    enum from from;
    const char *key;
    const char *is; /* 1 if the text is this, else 0; NULL: a number or a truth */
} metrics[] = {
    {"host_up", "Whether the host's agent answers.", FROM_HOST, "state", "up"},
    {"host_seen_timestamp_seconds", "When the host's agent answered last.", FROM_HOST, "seen",
     NULL},
    {"datastore_healthy", "Whether the datastore is well, as this host sees it.", FROM_DATASTORE,
     "health", "ok"},
    {"datastore_size_bytes", "Size of the datastore.", FROM_DATASTORE, "bytes_total", NULL},
    {"datastore_used_bytes", "Used bytes of the datastore.", FROM_DATASTORE, "bytes_used", NULL},
    {"key_backup_fetched", "Whether a backup of the host's keys was ever fetched.", FROM_PROVIDER,
     "backup_fetched", NULL},
    {"vm_running", "Whether the virtual machine runs.", FROM_VM, "state", "running"},
    {"vm_encrypted", "Whether the machine's key is in an envelope.", FROM_VM, "encrypted", NULL},
    {"vm_envelope_generation", "Generation of the machine's envelope.", FROM_VM, "generation",
     NULL},
};

static bool value_of(const struct metric *metric, const json_t *from, long long *out)
{
    const json_t *value = json_object_get(from, metric->key);

    if (!value || json_is_null(value)) {
        return false;
    }
    *out = metric->is               ? strcmp(json_string_or(from, metric->key, ""), metric->is) == 0
           : json_is_boolean(value) ? json_is_true(value)
                                    : json_integer_value(value);
    return true;
}

static void add_one(struct text *out, const struct metric *metric, const char *host,
                    const char *label, const json_t *from)
{
    long long value = 0;

    if (!value_of(metric, from, &value)) {
        return;
    }
    text_addf(out, "quoin_%s", metric->name);
    add_label(out, '{', "host", host);
    if (label) {
        add_label(out, ',', label, json_string_or(from, "name", ""));
    }
    text_addf(out, "} %lld\n", value);
}

static void add_host(struct text *out, const struct metric *metric, const char *name,
                     const json_t *host)
{
    const json_t *report = json_object_get(host, "report");
    size_t i;
    json_t *vm;

    switch (metric->from) {
    case FROM_HOST:
        add_one(out, metric, name, NULL, host);
        break;
    case FROM_DATASTORE:
        add_one(out, metric, name, "datastore", json_object_get(report, "datastore"));
        break;
    case FROM_PROVIDER:
        add_one(out, metric, name, "provider", json_object_get(report, "provider"));
        break;
    case FROM_VM:
        json_array_foreach(json_object_get(report, "vms"), i, vm)
        {
            add_one(out, metric, name, "vm", vm);
        }
        break;
    }
}

void metrics_write(const struct metrics_own *own, const json_t *now, struct text *out)
{
    const char *name;
    json_t *host;

    head(out, "build_info", "The manager's version.");
    text_add(out, "quoin_build_info{version=\"" QUOIN_VERSION "\"} 1\n");
    head(out, "start_timestamp_seconds", "When the manager started.");
    text_addf(out, "quoin_start_timestamp_seconds %lld\n", own->began);
    head(out, "certificate_end_timestamp_seconds", "When the manager's certificate ends.");
    text_addf(out, "quoin_certificate_end_timestamp_seconds %lld\n", own->certificate_ends);
    for (size_t i = 0; i < COUNT_OF(metrics); i++) {
        head(out, metrics[i].name, metrics[i].help);
        json_object_foreach((json_t *)(uintptr_t)now, name, host)
        {
            add_host(out, &metrics[i], name, host);
        }
    }
}
