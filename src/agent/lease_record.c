/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/lease_record.h"

#include <arpa/inet.h>
#include <string.h>

char *lease_name(const char *uuid)
{
    return text_make("lease.%s", uuid);
}

char *lease_record_name(const char *uuid)
{
    return text_make("holder.%s", uuid);
}

bool lease_record_read(const struct store_backend *backend, struct store *store, const char *uuid,
                       json_t **out, uint64_t *out_version, struct err *err)
{
    AUTO(drop_free) char *name = lease_record_name(uuid);
    AUTO(drop_free) char *bytes = NULL;
    struct err failed = {0};
    size_t length = 0;

    *out = NULL;
    *out_version = 0;
    if (!backend->objects->read(store, name, &bytes, &length, out_version, &failed)) {
        *err = failed.kind == ERR_ABSENT ? *err : failed;
        return failed.kind == ERR_ABSENT;
    }
    AUTO(drop_json) json_t *record = NULL;

    if (!json_read(bytes, length, &record, err) || !lease_record_check(record, err)) {
        return err_add(err, "the record of lease '%s'", uuid);
    }
    *out = TAKE(record);
    return true;
}

bool lease_record_write(const struct store_backend *backend, struct store *store, const char *uuid,
                        const json_t *record, uint64_t *version, struct err *err)
{
    AUTO(drop_free) char *name = lease_record_name(uuid);
    AUTO(drop_free) char *bytes = json_write(record);

    return backend->objects->write(store, name, bytes, strlen(bytes), *version, version, err) ||
           err_add(err, "the record of lease '%s'", uuid);
}

/* ---- what it may say ---- */

/* 4 or 16 bytes; 0: no address. */
static size_t read_address(const char *text, unsigned char out[16])
{
    return inet_pton(AF_INET, text, out) == 1 ? 4 : inet_pton(AF_INET6, text, out) == 1 ? 16 : 0;
}

bool lease_address_valid(const char *address)
{
    unsigned char bytes[16];

    return read_address(address, bytes) > 0;
}

bool lease_address_equal(const char *a, const char *b)
{
    unsigned char left[16], right[16];
    size_t length = read_address(a, left);

    return length > 0 && length == read_address(b, right) && memcmp(left, right, length) == 0;
}

/* Said from the second on. */
#define FORMAT 1
/* A name of DNS. */
#define HOST_MAX 253u

static bool check_one(const json_t *one, struct err *err)
{
    const char *host, *address;

    if (!json_get_string(one, "host", HOST_MAX, &host, err) ||
        !json_get_string(one, "address", INET6_ADDRSTRLEN, &address, err)) {
        return false;
    }
    return (host[0] && lease_address_valid(address)) ||
           err_set(err, ERR_INPUT, "'%s' is not the address of a host", address);
}

static bool check_list(const json_t *record, const char *key, size_t max, struct err *err)
{
    const json_t *list = NULL, *one = NULL;
    size_t i;

    if (!json_get_array(record, key, max, &list, err)) {
        return false;
    }
    json_array_foreach(list, i, one)
    {
        if (!check_one(one, err)) {
            return err_add(err, "%s[%zu]", key, i);
        }
    }
    return true;
}

bool lease_record_check(const json_t *record, struct err *err)
{
    const json_t *holder = json_object_get(record, "holder");
    int64_t number = 0;

    if (!json_format_known(record, FORMAT, err)) {
        err->kind = ERR_INPUT; /* a clash would say that another host has the lease */
        return false;
    }
    if (!json_get_integer(record, "term", 0, INT64_MAX / 2, &number, err) ||
        !json_get_integer(record, "count", 0, INT64_MAX / 2, &number, err) ||
        !check_list(record, "fence", LEASE_MAX_FENCE, err) ||
        !check_list(record, "fenced", LEASE_MAX_FENCED, err)) {
        return false;
    }
    return !holder || json_is_null(holder) || check_one(holder, err) || err_add(err, "holder");
}

static const char *holder_field(const json_t *record, const char *key)
{
    return json_string_or(json_object_get(record, "holder"), key, "");
}

const char *lease_record_host(const json_t *record)
{
    return holder_field(record, "host");
}

const char *lease_record_address(const json_t *record)
{
    return holder_field(record, "address");
}

static bool names(const json_t *list, const char *address)
{
    const json_t *one = NULL;
    size_t i;

    json_array_foreach(list, i, one)
    {
        if (strcmp(json_string_or(one, "address", ""), address) == 0) {
            return true;
        }
    }
    return false;
}

static void add_to_fence(json_t *list, const json_t *one, const char *host, const char *address)
{
    const char *there = json_string_or(one, "address", "");

    /* Of ourselves nothing older runs: our kernel is new, or our agent holds what runs. */
    if (there[0] && strcmp(there, address) != 0 && !names(list, there) &&
        strcmp(json_string_or(one, "host", ""), host) != 0) {
        json_array_append_new(list, json_deep_copy(one));
    }
}

static json_t *array_or_empty(const json_t *record, const char *key)
{
    const json_t *list = json_object_get(record, key);

    return json_is_array(list) ? json_deep_copy(list) : json_array();
}

json_t *lease_record_taken(const json_t *record, const char *host, const char *address)
{
    const json_t *before = json_object_get(record, "fence"), *one = NULL;
    json_t *fence = json_array();
    size_t i;

    json_array_foreach(before, i, one)
    {
        add_to_fence(fence, one, host, address);
    }
    add_to_fence(fence, json_object_get(record, "holder"), host, address);
    return json_pack("{s:{s:s, s:s}, s:I, s:i, s:o, s:o}", "holder", "host", host, "address",
                     address, "term",
                     json_integer_value(json_object_get(record, "term")) + (json_int_t)1, "count",
                     0, "fence", fence, "fenced", array_or_empty(record, "fenced"));
}

void lease_record_count(json_t *record)
{
    json_int_t count = json_integer_value(json_object_get(record, "count"));

    json_object_set_new(record, "count", json_integer(count + 1));
}

const json_t *lease_record_next(const json_t *record)
{
    return json_array_get(json_object_get(record, "fence"), 0);
}

void lease_record_fenced(json_t *record, int64_t at)
{
    json_t *fence = json_object_get(record, "fence"), *fenced = json_object_get(record, "fenced");
    AUTO(drop_json) json_t *one = json_incref(json_array_get(fence, 0));

    json_array_remove(fence, 0);
    json_object_set_new(one, "at", json_integer(at));
    json_array_append(fenced, one);
    if (json_array_size(fenced) > LEASE_MAX_FENCED) {
        json_array_remove(fenced, 0);
    }
}

json_t *lease_record_given(const json_t *record, const char *host, const char *address)
{
    json_t *copy = json_deep_copy(record);

    json_object_set_new(copy, "holder", json_pack("{s:s, s:s}", "host", host, "address", address));
    lease_record_count(copy);
    return copy;
}

json_t *lease_record_dropped(const json_t *record)
{
    json_t *copy = json_deep_copy(record);

    json_object_set_new(copy, "holder", json_null());
    lease_record_count(copy);
    return copy;
}
