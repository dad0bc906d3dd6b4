/* SPDX-License-Identifier: Apache-2.0 */
#include "blueprint/load.h"

#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "blueprint/field.h"

struct loader {
    struct findings *findings;
    const char *folder;
    struct text path; /* of the field at hand */
};

static void read_field(struct loader *loader, const struct field *field, struct node *node,
                       char *base);

static void say(struct loader *loader, const struct node *node, const char *what,
                const char *remedy)
{
    if (!node->bad) {
        findings_add(loader->findings,
                     &(struct finding){SEVERITY_ERROR, loader->path.bytes ? loader->path.bytes : "",
                                       node->line, node->column, what, remedy});
    }
}

static void path_cut(struct loader *loader, size_t length)
{
    if (loader->path.bytes) {
        loader->path.bytes[length] = '\0';
        loader->path.length = length;
    }
}

/* Longer keys are not misspelt ones of ours. */
#define WORD_MAX 31

/* How many single-letter changes, swaps of neighbours among them, make one word the other. */
static size_t distance(const char *a, const char *b)
{
    size_t d[WORD_MAX + 1][WORD_MAX + 1], la = strlen(a), lb = strlen(b);

    if (la > WORD_MAX || lb > WORD_MAX) {
        return SIZE_MAX;
    }
    for (size_t i = 0; i <= la; i++) {
        for (size_t j = 0; j <= lb; j++) {
            size_t best = i == 0 || j == 0 ? i + j : d[i - 1][j - 1] + (a[i - 1] != b[j - 1]);

            if (i > 0 && d[i - 1][j] + 1 < best) {
                best = d[i - 1][j] + 1;
            }
            if (j > 0 && d[i][j - 1] + 1 < best) {
                best = d[i][j - 1] + 1;
            }
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] &&
                d[i - 2][j - 2] + 1 < best) {
                best = d[i - 2][j - 2] + 1;
            }
            d[i][j] = best;
        }
    }
    return d[la][lb];
}

/* The field that a misspelt key was meant to be, among those that are not written; or NULL. */
static const struct field *nearest(const struct field *map, const struct node *node,
                                   const char *key)
{
    size_t best = strlen(key) < 4 ? 2 : 3; /* one change in a short word, two in a long one */
    const struct field *found = NULL;

    for (const struct field *field = map->fields; field->key; field++) {
        size_t changes = distance(key, field->key);

        if (changes < best && !node_get(node, field->key)) {
            best = changes;
            found = field;
        }
    }
    return found;
}

static char *keys_of(const struct field *map)
{
    struct text text = {0};

    for (const struct field *field = map->fields; field->key; field++) {
        text_addf(&text, "%s%s", text.length ? ", " : "", field->key);
    }
    return text_take(&text);
}

static const struct field *say_unknown(struct loader *loader, const struct field *map,
                                       const struct node *node, const struct node *key)
{
    const struct field *meant = nearest(map, node, key->text);
    AUTO(drop_free) char *what = text_make("there is no key '%.64s' here", key->text);
    AUTO(drop_free) char *keys = keys_of(map);
    AUTO(drop_free)
    char *remedy = meant ? text_make("did you mean '%s'?", meant->key)
                         : text_make("take it away; the keys here are %s", keys);

    say(loader, key, what, remedy);
    return meant;
}

/* The node of each field of a map. A misspelt key is mended in the tree, so that its value is
 * looked at too and nothing is said to be missing. */
#define MAP_MAX_FIELDS 16

static void find_nodes(struct loader *loader, const struct field *map, struct node *node,
                       struct node *out[MAP_MAX_FIELDS])
{
    for (size_t i = 0; i < node->count; i++) {
        struct node *key = node->keys[i];
        const struct field *field = field_in(map, key->text);

        if (!field && !key->bad) {
            field = say_unknown(loader, map, node, key);
            if (field) {
                free(key->text);
                key->text = text_copy(field->key);
            }
        }
        if (field) {
            out[field - map->fields] = node->items[i];
        }
    }
}

/* How it could be written: "cluster: {name: edge-01}", as far as the first key of each mapping. */
static void add_example(struct text *out, const struct field *field)
{
    if (field->key) {
        text_addf(out, "%s: ", field->key);
    }
    if (field->kind == FIELD_MAP) {
        text_add(out, "{");
        add_example(out, field->fields);
        text_add(out, ", …}");
    } else if (field->kind == FIELD_LIST) {
        text_add(out, "[");
        add_example(out, field->item);
        text_add(out, ", …]");
    } else if (field->fallback) {
        text_add(out, field->fallback);
    } else if (field->choices) {
        text_add(out, field->choices[0]);
    } else if (field->type == &type_integer) {
        text_addf(out, "%llu", (unsigned long long)field->min);
    } else {
        text_add(out, field->type->example);
    }
}

static char *example_of(const struct field *field)
{
    struct text out = {0};

    add_example(&out, field);
    return text_take(&out);
}

static void say_missing(struct loader *loader, const struct field *field, const struct node *node)
{
    AUTO(drop_free) char *example = example_of(field);
    AUTO(drop_free) char *what = text_make("the key '%s' is missing", field->key);
    AUTO(drop_free) char *remedy = text_make("add '%s' (%s)", example, field->about);

    say(loader, node, what, remedy);
}

/* `node` is NULL for an optional map that is not written: only the defaults are set then. */
static void read_map(struct loader *loader, const struct field *map, struct node *node, char *base)
{
    struct node *nodes[MAP_MAX_FIELDS] = {0};
    size_t length = loader->path.length;

    if (node) {
        find_nodes(loader, map, node, nodes);
    }
    for (const struct field *field = map->fields; field->key; field++) {
        struct node *found = nodes[field - map->fields];

        if (!found && node && field->required) {
            say_missing(loader, field, node);
        }
        text_addf(&loader->path, "%s%s", length ? "." : "", field->key);
        read_field(loader, field, found, base);
        path_cut(loader, length);
    }
}

static void read_list(struct loader *loader, const struct field *list, struct node *node,
                      char *base)
{
    size_t count = node->count, length = loader->path.length;

    if (count < list->min || count > list->max) {
        AUTO(drop_free)
        char *what =
            text_make("has %zu item%s, must have %llu to %llu", count, count == 1 ? "" : "s",
                      (unsigned long long)list->min, (unsigned long long)list->max);

        say(loader, node, what, list->about);
        count = count > list->max ? list->max : count;
    }
    char *items = text_room(count, list->item_size);

    *(char **)(base + list->offset) = items;
    *(size_t *)(base + list->count_offset) = count;
    for (size_t i = 0; i < count; i++) {
        text_addf(&loader->path, "[%zu]", i);
        read_field(loader, list->item, node->items[i], items + i * list->item_size);
        path_cut(loader, length);
    }
}

static char *shape_of(const struct field *field)
{
    struct text text = {0};
    char low[16], high[16];

    text_add(&text, field->type->shape);
    for (size_t i = 0; field->choices && field->choices[i]; i++) {
        text_addf(&text, "%s %s", i ? "," : "", field->choices[i]);
    }
    if (field->type == &type_integer) {
        text_addf(&text, " from %llu to %llu", (unsigned long long)field->min,
                  (unsigned long long)field->max);
    } else if (field->type == &type_size) {
        text_addf(&text, ", from %s to %s", text_size(field->min, low),
                  text_size(field->max, high));
    } else if (field->type == &type_duration) {
        text_addf(&text, ", at most %llud", (unsigned long long)field->max / 86400);
    }
    return text_take(&text);
}

static void say_shape(struct loader *loader, const struct field *field, const struct node *node)
{
    AUTO(drop_free) char *shape = shape_of(field);
    AUTO(drop_free) char *example = example_of(field);
    AUTO(drop_free) char *what = NULL, *remedy = NULL;
    size_t length = strlen(node->text);

    if (length == 0) {
        what = text_make("is empty, must be %s", shape);
    } else if (field->type->schema[0] == 's' && field->max > 0 && field->max < length &&
               field->type != &type_size && field->type != &type_duration) {
        what =
            text_make("has %zu characters, may have %llu", length, (unsigned long long)field->max);
    } else {
        what = text_make("'%.64s%s' is not %s", node->text, length > 64 ? "…" : "", shape);
    }
    remedy = field->about ? text_make("write it as in '%s' (%s)", example, field->about)
                          : text_make("write it as in '%s'", example);
    say(loader, node, what, remedy);
}

static void say_not_text(struct loader *loader, const struct node *node, const char *kind)
{
    AUTO(drop_free)
    char *what = text_make("'%.64s' without quotes is %s in YAML, not text", node->text, kind);
    AUTO(drop_free) char *remedy = text_make("put it in quotes: \"%.64s\"", node->text);

    say(loader, node, what, remedy);
}

static void read_scalar(struct loader *loader, const struct field *field, struct node *node,
                        char *base)
{
    const struct field_type *type = field->type;
    const char *kind = type->bare || !node->text[0] ? NULL : node_not_text(node);

    if (node->bad) {
        return;
    }
    if (!type->read(field, node->text, loader->folder, base + field->offset)) {
        say_shape(loader, field, node);
    } else if (kind) {
        say_not_text(loader, node, kind);
    } else if (!node->plain && type->schema[0] != 's') {
        say(loader, node, "is text, because it stands in quotes", "take the quotes away");
    }
}

static void say_kind(struct loader *loader, const struct field *field, const struct node *node)
{
    static const char *const wants[] = {"a mapping ('key: value')", "a list ('- item')",
                                        "one value"};
    static const char *const is[] = {"one value", "a list", "a mapping"};
    AUTO(drop_free) char *example = example_of(field);
    bool empty = node->kind == NODE_SCALAR && node->plain && !node->text[0];
    AUTO(drop_free)
    char *what =
        text_make("must be %s, not %s", wants[field->kind], empty ? "nothing" : is[node->kind]);
    AUTO(drop_free) char *remedy = text_make("write it as in '%s'", example);

    say(loader, node, what, remedy);
}

static void read_default(struct loader *loader, const struct field *field, char *base)
{
    if (field->kind == FIELD_MAP) {
        read_map(loader, field, NULL, base + field->offset);
    } else if (field->fallback &&
               !field->type->read(field, field->fallback, loader->folder, base + field->offset)) {
        abort(); /* a default that does not fit its own field */
    }
}

static void read_field(struct loader *loader, const struct field *field, struct node *node,
                       char *base)
{
    static const enum node_kind kinds[] = {NODE_MAP, NODE_LIST, NODE_SCALAR};

    if (!node) {
        read_default(loader, field, base);
    } else if (node->kind != kinds[field->kind]) {
        say_kind(loader, field, node);
    } else if (field->kind == FIELD_MAP) {
        read_map(loader, field, node, base + field->offset);
    } else if (field->kind == FIELD_LIST) {
        read_list(loader, field, node, base);
    } else {
        read_scalar(loader, field, node, base);
    }
}

void load_fields(struct node *tree, struct blueprint *blueprint, struct findings *findings)
{
    struct loader loader = {.findings = findings, .folder = blueprint->folder};

    read_field(&loader, &blueprint_root, tree, (char *)blueprint);
    text_clear(&loader.path);
}

static void clear_field(const struct field *field, char *base)
{
    if (field->kind == FIELD_MAP) {
        for (const struct field *child = field->fields; child->key; child++) {
            clear_field(child, base + field->offset);
        }
    } else if (field->kind == FIELD_LIST) {
        char *items = *(char **)(base + field->offset);

        for (size_t i = 0; i < *(size_t *)(base + field->count_offset); i++) {
            clear_field(field->item, items + i * field->item_size);
        }
        free(items);
    } else if (field->type->drop) {
        field->type->drop(base + field->offset);
    }
}

void load_clear(struct blueprint *blueprint)
{
    clear_field(&blueprint_root, (char *)blueprint);
}
