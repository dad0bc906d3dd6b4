/* SPDX-License-Identifier: Apache-2.0 */
#include "second.h"

struct agent second;
char *second_address;
static json_t *maps;

/* h1 with its datastore, h2 as its package was installed. */
int second_begin(void **state)
{
    AUTO(drop_free) char *folder = NULL;
    struct err err = {0};

    if (world_begin(state) != 0) {
        return -1;
    }
    make_store();
    (void)step_do("agent.enrol", json_object());
    folder = text_make("%s/second", world.root);
    second_address = text_copy(world.address);
    second_address[strlen("127.")] = '1'; /* 127.64 to 127.127 becomes 127.14 to 127.17 */
    return agent_open(folder, &second, &err) ? 0 : -1;
}

int second_end(void **state)
{
    agent_close(&second);
    free(TAKE(second_address));
    fake_store.hosts = NULL;
    json_decref(TAKE(maps));
    return world_end(state);
}

struct outcome second_as(const char *name, const char *cluster, const char *kind, json_t *params)
{
    AUTO(drop_json) json_t *order = order_of(kind, params);
    struct making making = {.params = NULL};
    struct outcome outcome = {.made = false};
    json_t *host = json_object_get(order, "host");

    json_object_set_new(host, "name", json_string(name));
    json_object_set_new(host, "address", json_string(second_address));
    json_object_set_new(json_object_get(order, "cluster"), "id", json_string(cluster));
    outcome.made = step_make(&second, order, &making, &outcome.err);
    outcome.changed = making.changed;
    outcome.result = making.result;
    return outcome;
}

struct outcome second_try(const char *kind, json_t *params)
{
    return second_as("h2", CLUSTER, kind, params);
}

json_t *second_does(const char *kind, json_t *params)
{
    struct outcome outcome = second_try(kind, params);

    if (!outcome.made) {
        fail_msg("%s: %s", kind, outcome.err.what);
    }
    return outcome.result;
}

void second_did(const char *kind, json_t *params)
{
    json_decref(second_does(kind, params));
}

json_t *first_does(const char *kind, json_t *params)
{
    struct outcome outcome = step_try(kind, params);

    if (!outcome.made) {
        fail_msg("%s: %s", kind, outcome.err.what);
    }
    return outcome.result;
}

json_t *sign_params(const char *request, const char *name)
{
    return json_pack("{s:s, s:s, s:s}", "request", request, "name", name, "address",
                     second_address);
}

json_t *signed_for_second(void)
{
    AUTO(drop_json) json_t *asked = second_does("agent.request", json_pack("{s:s}", "tpm", "off"));

    return first_does("ca.sign", sign_params(json_string_or(asked, "request", ""), "h2"));
}

json_t *shared(void)
{
    AUTO(drop_json) json_t *given = signed_for_second();
    second_did("agent.enrol", json_deep_copy(given));
    json_t *params = first_does(
        "host.share", json_pack("{s:O}", "certificate", json_object_get(given, "certificate")));

    json_object_update_new(params, provider_params());
    return params;
}

json_t *join_params(const json_t *parcel)
{
    json_t *params = store_params();

    json_object_set_new(params, "monitors",
                        json_pack("[{s:s, s:s}, {s:s, s:s}]", "host", "h1", "address",
                                  world.address, "host", "h2", "address", second_address));
    json_object_set(params, "parcel", json_object_get(parcel, "parcel"));
    return params;
}

void second_joins(void)
{
    AUTO(drop_json) json_t *params = shared();

    second_did("provider.open", json_incref(params));
    second_did("store.join", join_params(params));
    maps = json_pack("[{s:s, s:s}, {s:s, s:s}]", "name", "h1", "address", world.address, "name",
                     "h2", "address", second_address);
    fake_store.hosts = maps;
}
