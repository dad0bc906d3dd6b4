/* SPDX-License-Identifier: Apache-2.0 */
#include "blueprint/blueprint.h"

#include <libgen.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/text.h"
#include "blueprint/field.h"
#include "blueprint/load.h"
#include "blueprint/node.h"
#include "blueprint/rules.h"

void blueprint_free(struct blueprint *blueprint)
{
    if (!blueprint) {
        return;
    }
    load_clear(blueprint);
    node_free(blueprint->tree);
    free(blueprint->file);
    free(blueprint->folder);
    free(blueprint->source);
    free(blueprint);
}

static struct blueprint *begin(const char *bytes, size_t length, const char *path)
{
    struct blueprint *blueprint = text_room(1, sizeof(*blueprint));
    AUTO(drop_free) char *scratch = text_copy(path);

    blueprint->file = text_copy(path);
    blueprint->folder = text_copy(dirname(scratch));
    blueprint->source = text_room(length + 1, 1);
    blueprint->source_length = length;
    memcpy(blueprint->source, bytes, length);
    return blueprint;
}

bool blueprint_parse(const char *bytes, size_t length, const char *path,
                     const struct blueprint_limits *limits, struct blueprint **out,
                     struct findings *findings, struct err *err)
{
    AUTO(drop_blueprint) struct blueprint *blueprint = NULL;
    size_t errors = findings->errors;

    /* A text beyond the ceiling is not copied; node_read refuses it. */
    blueprint = begin(bytes, length > BLUEPRINT_MAX_BYTES ? 0 : length, path);
    blueprint->tree = node_read(bytes, length, findings);
    if (blueprint->tree) {
        load_fields(blueprint->tree, blueprint, findings);
        rules_check(blueprint, limits, findings);
        if (!limits || !limits->form_only) {
            rules_check_files(blueprint, findings);
        }
    }
    if (findings->errors > errors) {
        return err_set(err, ERR_INPUT, "'%s' has %zu error%s", path, findings->errors - errors,
                       findings->errors - errors == 1 ? "" : "s");
    }
    *out = TAKE(blueprint);
    return true;
}

bool blueprint_load(const char *path, const struct blueprint_limits *limits, struct blueprint **out,
                    struct findings *findings, struct err *err)
{
    AUTO(drop_free) char *bytes = NULL;
    size_t length;

    if (!file_read(path, BLUEPRINT_MAX_BYTES, &bytes, &length, err)) {
        return err_add(err, "read the blueprint");
    }
    return blueprint_parse(bytes, length, path, limits, out, findings, err);
}

/* The node at the path, or the nearest one above it that is written. */
static const struct node *place_of(const struct node *tree, const char *where)
{
    const struct node *node = tree;
    struct path_step step;

    while (node && path_next(&where, &step)) {
        const struct node *next = node_step(node, &step);

        if (!next) {
            break;
        }
        node = next;
    }
    return node;
}

void blueprint_find(const struct blueprint *blueprint, struct findings *findings,
                    enum severity severity, const char *where, const char *what, const char *remedy)
{
    const struct node *node = place_of(blueprint->tree, where);

    findings_add(findings, &(struct finding){severity, where, node ? node->line : 0,
                                             node ? node->column : 0, what, remedy});
}

static json_t *show(const struct field *field, const char *base);

static json_t *show_list(const struct field *field, const char *base)
{
    const char *items = *(char *const *)(base + field->offset);
    size_t count = *(const size_t *)(base + field->count_offset);
    json_t *list = json_array();

    for (size_t i = 0; i < count; i++) {
        json_array_append_new(list, show(field->item, items + i * field->item_size));
    }
    return list;
}

/* NULL: there is nothing to show. */
static json_t *show(const struct field *field, const char *base)
{
    if (field->kind == FIELD_SCALAR) {
        return field->type->show(field, base + field->offset);
    }
    if (field->kind == FIELD_LIST) {
        return show_list(field, base);
    }
    json_t *map = json_object();

    for (const struct field *child = field->fields; child->key; child++) {
        json_t *value = show(child, base + field->offset);

        if (value) {
            json_object_set_new(map, child->key, value);
        }
    }
    return map;
}

json_t *blueprint_json(const struct blueprint *blueprint)
{
    return show(&blueprint_root, (const char *)blueprint);
}
