/* SPDX-License-Identifier: Apache-2.0 */
#include "manager/openapi.h"

#include <string.h>

#include "base/text.h"
#include "manager/api.h"
#include "manager/inventory.h"

/* Collections that are read only, beside inventory_kinds. */
static const struct {
    const char *name, *one, *about;
} read_only[] = {
    {"vms", "virtual machine", "Virtual machines, as their hosts report them"},
    {"tasks", "task", "What was asked for, newest first"},
    {"events", "event", "What happened, newest first"},
};

/* Fields that nobody posts. */
static const struct shown {
    const char *collection, *name, *type, *about;
} shown[] = {
    {"hosts", "state", "string", "up, away or unknown"},
    {"hosts", "since", "string", "since when it is in this state"},
    {"hosts", "seen", "string", "when its agent answered last"},
    {"hosts", "trouble", "string", "why it is away"},
    {"hosts", "skew", "number", "seconds its clock is ahead of the manager's for certain"},
    {"hosts", "certificate_ends", "string", "when its agent's certificate expires"},
    {"hosts", "version", "string", "of its agent"},
    {"hosts", "enrolled", "boolean", "its agent has a certificate"},
    {"hosts", "waiting", "string", "what it waits for"},
    {"hosts", "disks", "array", "its disks in the datastore: id, disk, up"},
    {"datastores", "health", "string", "ok, warn, failed or away"},
    {"datastores", "reasons", "array", "why it is not ok"},
    {"datastores", "bytes_total", "integer", "its size"},
    {"datastores", "bytes_used", "integer", "what of it is used"},
    {"datastores", "replicas", "integer", "copies of each block"},
    {"datastores", "copies", "integer", "copies that are made now"},
    {"datastores", "monitors", "integer", "how many monitors it has"},
    {"datastores", "monitors_in_quorum", "integer", "and of them in the quorum"},
    {"datastores", "osds_total", "integer", "how many disks it has"},
    {"datastores", "osds_up", "integer", "and of them up"},
    {"datastores", "osds", "array", "its disks: id, host, disk, up"},
    {"key-providers", "kek", "string", "the id of the key that new keys are wrapped with"},
    {"key-providers", "state", "string", "what the provider says of itself"},
    {"key-providers", "sealed_by", "string", "tpm or file"},
    {"key-providers", "backup_fetched", "boolean", "a backup of all hosts' keys was fetched"},
    {"key-providers", "trouble", "string", "why it cannot be used"},
    {"key-providers", "remedy", "string", "what to do about that"},
    {"key-providers", "hosts", "array",
     "the same as each host sees it, and when it was used last with success and without"},
    {"vms", "name", "string", "its name"},
    {"vms", "id", "string", "its UUID"},
    {"vms", "host", "string", "the host that reports it"},
    {"vms", "state", "string", "running, paused, crashed, off or unknown"},
    {"vms", "since", "string", "when it was started"},
    {"vms", "encrypted", "boolean", "its key is in an envelope"},
    {"vms", "kek", "string", "the id of the key that the envelope is wrapped with"},
    {"vms", "kek_since", "string", "since when the manager knows that key"},
    {"vms", "envelope", "string",
     "current: under the key that new keys are wrapped with; old: a rotation left it; unknown"},
    {"vms", "generation", "integer", "of the envelope"},
    {"vms", "trouble", "string", "what its host cannot do for it"},
    {"vms", "cpus", "integer", "processors"},
    {"vms", "memory", "integer", "MiB"},
    {"vms", "disks", "array", "name and bytes of each"},
    {"vms", "network", "object", "bridge, address, hostname"},
    {"tasks", "id", "integer", "a number that grows"},
    {"tasks", "kind", "string", "create, remove or rotate"},
    {"tasks", "object", "string", "a collection"},
    {"tasks", "name", "string", "of the object"},
    {"tasks", "actor", "string", "who asked"},
    {"tasks", "state", "string", "running, done or failed"},
    {"tasks", "percent", "integer", "how far it is"},
    {"tasks", "doing", "string", "what is at work now"},
    {"tasks", "error", "string", "why it failed"},
    {"tasks", "remedy", "string", "what to do about that"},
    {"tasks", "began", "string", "RFC 3339"},
    {"tasks", "ended", "string", "RFC 3339"},
    {"events", "id", "integer", "a number that grows"},
    {"events", "at", "string", "RFC 3339"},
    {"events", "severity", "string", "info, warning or error"},
    {"events", "kind", "string", "cluster, or key: a use of a KEK, as a host's audit tells it"},
    {"events", "host", "string", "the host that tells of it"},
    {"events", "object", "string", "a collection, or session"},
    {"events", "name", "string", "of the object"},
    {"events", "actor", "string", "who did it"},
    {"events", "what", "string", "one sentence"},
};

/* What a route without a collection is for. */
static const struct summary {
    const char *method, *path, *id, *about;
    bool open;          /* without signing in */
    const char *status; /* of the answer; NULL: 200 */
    const char *schema; /* of the answer, or NULL */
} summaries[] = {
    {"GET", "/healthz", "health", "It answers", true},
    {"GET", "/metrics", "metrics", "The cluster as numbers (Prometheus)", true},
    {"GET", "/api/v1/openapi.json", "openapi", "This description", true},
    {"GET", "/api/v1/session", "session", "Who is signed in", false},
    {"POST", "/api/v1/session", "signIn", "Sign in", true},
    {"DELETE", "/api/v1/session", "signOut", "Sign out", false, "204"},
    {"GET", "/api/v1/health", "findings", "What is not as it should be, and what to do", false,
     NULL, "health"},
    {"POST", "/api/v1/key-providers/{item}/rotate", "rotate_key-providers",
     "Rotate its KEK: a task in which every host takes part", false, "202", "tasks"},
};

static json_t *typed(const char *type, const char *about, bool nullable)
{
    json_t *schema = nullable
                         ? json_pack("{s:[s, s], s:s}", "type", type, "null", "description", about)
                         : json_pack("{s:s, s:s}", "type", type, "description", about);

    if (strcmp(type, "array") == 0) {
        json_object_set_new(schema, "items", json_object());
    }
    return schema;
}

static json_t *reference(const char *name)
{
    return json_pack("{s:s+}", "$ref", "#/components/schemas/", name);
}

static void add_shown(json_t *properties, const char *collection)
{
    for (size_t i = 0; i < COUNT_OF(shown); i++) {
        if (strcmp(shown[i].collection, collection) == 0) {
            json_object_set_new(properties, shown[i].name,
                                typed(shown[i].type, shown[i].about, true));
        }
    }
}

/* What is posted: every field, and no other. */
static json_t *wish_schema(const struct inventory_kind *kind)
{
    json_t *properties = json_object(), *required = json_pack("[s]", "name");

    json_object_set_new(properties, "name", typed("string", "its name, unique", false));
    for (const struct inventory_field *field = kind->fields; field->name; field++) {
        json_t *schema = typed("string", field->about, false);

        if (field->shape == INVENTORY_UUID) {
            json_object_set_new(schema, "format", json_string("uuid"));
        }
        json_object_set_new(properties, field->name, schema);
        json_array_append_new(required, json_string(field->name));
    }
    return json_pack("{s:s, s:o, s:o, s:b}", "type", "object", "properties", properties, "required",
                     required, "additionalProperties", 0);
}

static json_t *item_schema(const char *collection)
{
    const struct inventory_kind *kind = inventory_kind_find(collection);
    json_t *properties = json_object();

    if (kind) {
        AUTO(drop_json) json_t *wish = wish_schema(kind);

        json_object_update(properties, json_object_get(wish, "properties"));
        json_object_set_new(properties, "id", typed("string", "its UUID", false));
        json_object_set_new(properties, "created_at", typed("string", "RFC 3339", false));
    }
    add_shown(properties, collection);
    return json_pack("{s:s, s:o}", "type", "object", "properties", properties);
}

static json_t *list_schema(const char *collection)
{
    return json_pack("{s:s, s:{s:{s:s, s:o}}, s:[s]}", "type", "object", "properties", "items",
                     "type", "array", "items", reference(collection), "required", "items");
}

static json_t *content(json_t *schema)
{
    return json_pack("{s:{s:o}}", "application/json", "schema", schema);
}

static json_t *answer(const char *about, json_t *schema)
{
    json_t *object = json_pack("{s:s}", "description", about);

    if (schema) {
        json_object_set_new(object, "content", content(schema));
    }
    return object;
}

static void add_errors(json_t *answers, bool open)
{
    json_object_set_new(answers, "4XX",
                        answer("refused: mend the request, or sign in", reference("error")));
    json_object_set_new(answers, "5XX", answer("try again later", reference("error")));
    if (!open) {
        json_object_set_new(answers, "401", answer("not signed in", reference("error")));
    }
}

static json_t *operation(const char *id, const char *about, const char *tag, bool open,
                         json_t *answers)
{
    json_t *object = json_pack("{s:s, s:s, s:[s], s:o}", "operationId", id, "summary", about,
                               "tags", tag, "responses", answers);

    add_errors(answers, open);
    if (open) {
        json_object_set_new(object, "security", json_array());
    }
    return object;
}

static void put(json_t *paths, const char *path, const char *method, json_t *object)
{
    AUTO(drop_free) char *lower = text_copy(method);

    for (char *c = lower; *c; c++) {
        *c |= 0x20;
    }
    if (!json_object_get(paths, path)) {
        json_object_set_new(paths, path, json_object());
    }
    json_object_set_new(json_object_get(paths, path), lower, object);
}

static json_t *sign_in_body(void)
{
    AUTO(drop_json)
    json_t *text = json_pack("{s:s}", "type", "string");

    return json_pack("{s:b, s:o}", "required", 1, "content",
                     content(json_pack("{s:s, s:{s:O, s:O}, s:[s, s], s:b}", "type", "object",
                                       "properties", "user", text, "password", text, "required",
                                       "user", "password", "additionalProperties", 0)));
}

static json_t *item_parameter(void)
{
    return json_pack("[{s:s, s:s, s:b, s:s, s:{s:s}}]", "name", "item", "in", "path", "required", 1,
                     "description", "its name or id", "schema", "type", "string");
}

static json_t *summary_operation(const struct summary *summary, const struct route *route)
{
    const char *status = summary->status ? summary->status : "200";
    json_t *answers = json_pack("{s:o}", status,
                                answer(strcmp(status, "204") == 0   ? "done"
                                       : strcmp(status, "202") == 0 ? "begun: look at the task"
                                                                    : "the answer",
                                       summary->schema ? reference(summary->schema) : NULL));
    json_t *object = operation(summary->id, summary->about, "manager", summary->open, answers);

    if (route->body_max > 0) {
        json_object_set_new(object, "requestBody", sign_in_body());
    }
    if (strstr(route->path, "{item}")) {
        json_object_set_new(object, "parameters", item_parameter());
    }
    return object;
}

static void add_plain(json_t *paths, const struct route *route)
{
    for (size_t i = 0; i < COUNT_OF(summaries); i++) {
        if (strcmp(summaries[i].method, route->method) == 0 &&
            strcmp(summaries[i].path, route->path) == 0) {
            put(paths, route->path, route->method, summary_operation(&summaries[i], route));
        }
    }
}

static bool is_journal(const char *collection)
{
    return strcmp(collection, "events") == 0 || strcmp(collection, "tasks") == 0;
}

static json_t *journal_parameters(void)
{
    return json_pack("[{s:s, s:s, s:s, s:{s:s, s:i, s:i}}, {s:s, s:s, s:s, s:{s:s}}]", "name",
                     "limit", "in", "query", "description", "how many, the newest ones", "schema",
                     "type", "integer", "minimum", 1, "maximum", 1000, "name", "kind", "in",
                     "query", "description", "only those of this kind", "schema", "type", "string");
}

/* The route with its {collection} filled in; for one that posts, only where that is possible. */
static void add_collection(json_t *paths, const struct route *route, const char *collection,
                           const char *one)
{
    bool item = strstr(route->path, "{item}") != NULL;
    bool posts = strcmp(route->method, "POST") == 0, removes = strcmp(route->method, "DELETE") == 0;
    AUTO(drop_free)
    char *path = text_make("/api/v1/%s%s", collection, item ? "/{item}" : "");
    AUTO(drop_free)
    char *id = text_make("%s_%s",
                         posts     ? "create"
                         : removes ? "remove"
                         : item    ? "get"
                                   : "list",
                         collection);
    AUTO(drop_free)
    char *about = text_make("%s %s",
                            posts     ? "Create a"
                            : removes ? "Remove a"
                            : item    ? "One"
                                      : "List: each",
                            one);
    AUTO(drop_free) char *wish = text_make("%s-wish", collection);
    json_t *answers = json_object();

    json_object_set_new(
        answers, removes ? "204" : "200",
        removes ? answer("removed", NULL)
                : answer(posts ? "there already, the same" : "the answer",
                         item || posts ? reference(collection) : list_schema(collection)));
    if (posts) {
        json_object_set_new(answers, "201", answer("created", reference(collection)));
    }
    json_t *object = operation(id, about, collection, false, answers);

    if (posts) {
        json_object_set_new(
            object, "requestBody",
            json_pack("{s:b, s:o}", "required", 1, "content", content(reference(wish))));
    }
    if (item) {
        json_object_set_new(object, "parameters", item_parameter());
    } else if (strcmp(route->method, "GET") == 0 && is_journal(collection)) {
        json_object_set_new(object, "parameters", journal_parameters());
    }
    put(paths, path, route->method, object);
}

static json_t *paths_of_all(void)
{
    json_t *paths = json_object();

    for (size_t i = 0; i < api_route_count; i++) {
        const struct route *route = &api_routes[i];

        if (!strstr(route->path, "{collection}")) {
            add_plain(paths, route);
            continue;
        }
        for (size_t k = 0; k < inventory_kind_count; k++) {
            add_collection(paths, route, inventory_kinds[k].name, inventory_kinds[k].one);
        }
        for (size_t k = 0; k < COUNT_OF(read_only) && strcmp(route->method, "GET") == 0; k++) {
            add_collection(paths, route, read_only[k].name, read_only[k].one);
        }
    }
    return paths;
}

static json_t *health_schema(void)
{
    json_t *finding =
        json_pack("{s:s, s:{s:o, s:o, s:o, s:o, s:o, s:o}}", "type", "object", "properties",
                  "severity", typed("string", "error, warning or info", false), "code",
                  typed("string", "what it is, for programs: host.away", false), "where",
                  typed("string", "a collection and a name in it: hosts/h2", false), "hosts",
                  typed("array", "the hosts it is about", false), "what",
                  typed("string", "one sentence", false), "remedy",
                  typed("string", "what to do about it", false));

    return json_pack("{s:s, s:{s:o, s:{s:s, s:o}}, s:[s, s]}", "type", "object", "properties",
                     "state", typed("string", "ok, warning or error: the worst of them", false),
                     "items", "type", "array", "items", finding, "required", "state", "items");
}

static json_t *schemas(void)
{
    json_t *all = json_object();

    for (size_t i = 0; i < inventory_kind_count; i++) {
        AUTO(drop_free) char *wish = text_make("%s-wish", inventory_kinds[i].name);

        json_object_set_new(all, wish, wish_schema(&inventory_kinds[i]));
        json_object_set_new(all, inventory_kinds[i].name, item_schema(inventory_kinds[i].name));
    }
    for (size_t i = 0; i < COUNT_OF(read_only); i++) {
        json_object_set_new(all, read_only[i].name, item_schema(read_only[i].name));
    }
    json_object_set_new(all, "health", health_schema());
    json_object_set_new(
        all, "error",
        json_pack("{s:s, s:{s:o, s:o, s:o}, s:[s, s, s]}", "type", "object", "properties", "kind",
                  typed("string", "input, denied, absent, clash, away, system or bug", false),
                  "what", typed("string", "what happened", false), "remedy",
                  typed("string", "how to mend it, or empty", false), "required", "kind", "what",
                  "remedy"));
    return all;
}

static json_t *tags(void)
{
    json_t *all = json_array();

    json_array_append_new(all, json_pack("{s:s, s:s}", "name", "manager", "description",
                                         "The manager itself, and signing in"));
    for (size_t i = 0; i < inventory_kind_count; i++) {
        json_array_append_new(all, json_pack("{s:s, s:s}", "name", inventory_kinds[i].name,
                                             "description", inventory_kinds[i].about));
    }
    for (size_t i = 0; i < COUNT_OF(read_only); i++) {
        json_array_append_new(all, json_pack("{s:s, s:s}", "name", read_only[i].name, "description",
                                             read_only[i].about));
    }
    return all;
}

json_t *openapi_make(void)
{
    json_t *info = json_pack("{s:s, s:s, s:s, s:{s:s, s:s}}", "title", "quoin manager", "version",
                             QUOIN_VERSION, "description",
                             "The cluster's data centers, clusters, hosts, datastores, virtual "
                             "machines, key providers, tasks and events.",
                             "license", "name", "Apache-2.0", "identifier", "Apache-2.0");

    return json_pack("{s:s, s:o, s:[{s:s}], s:[{s:[]}], s:o, s:o, s:{s:o, s:{s:{s:s, s:s}}}}",
                     "openapi", "3.1.0", "info", info, "servers", "url", "/", "security", "bearer",
                     "tags", tags(), "paths", paths_of_all(), "components", "schemas", schemas(),
                     "securitySchemes", "bearer", "type", "http", "scheme", "bearer");
}
