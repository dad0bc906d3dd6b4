/* SPDX-License-Identifier: Apache-2.0 */
/* Changing one value of the file and nothing else: its text is cut at the node's bytes. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/json.h"
#include "base/text.h"
#include "blueprint/blueprint.h"
#include "blueprint/field.h"
#include "blueprint/node.h"

#define PATH_MAX_STEPS 8 /* the deepest field has five */

struct edit {
    const char *source;
    size_t length;
    struct path_step steps[PATH_MAX_STEPS];
    size_t count;   /* of steps */
    char *value;    /* as it will be written */
    size_t at, end; /* the bytes that `text` takes the place of */
    struct text text;
};

static bool read_path(const char *key, struct path_step *out, size_t *out_count, struct err *err)
{
    const char *at = key;
    size_t count = 0;

    while (*at) {
        if (count == PATH_MAX_STEPS || !path_next(&at, &out[count++])) {
            return err_set(err, ERR_INPUT, "'%.64s' is no path of a key, as hosts[0].address is",
                           key);
        }
    }
    *out_count = count;
    return count > 0 ? true : err_set(err, ERR_INPUT, "the path of the key is empty");
}

/* Follows the path as far as it is written. */
static const struct node *follow(const struct node *tree, const struct edit *edit, size_t *out_done)
{
    const struct node *node = tree;
    size_t done = 0;

    while (done < edit->count) {
        const struct node *next = node_step(node, &edit->steps[done]);

        if (!next) {
            break;
        }
        node = next;
        done++;
    }
    *out_done = done;
    return node;
}

static json_t *scalar_json(const struct node *node)
{
    if (node->plain && (strcmp(node->text, "true") == 0 || strcmp(node->text, "false") == 0)) {
        return json_boolean(node->text[0] == 't');
    }
    if (node->plain && node->text[0] && strlen(node->text) < 10 &&
        strspn(node->text, "0123456789") == strlen(node->text)) {
        return json_integer(atol(node->text));
    }
    return json_string(node->text);
}

static json_t *node_json(const struct node *node)
{
    if (node->kind == NODE_SCALAR) {
        return scalar_json(node);
    }
    json_t *value = node->kind == NODE_LIST ? json_array() : json_object();

    for (size_t i = 0; i < node->count; i++) {
        if (node->kind == NODE_LIST) {
            json_array_append_new(value, node_json(node->items[i]));
        } else {
            json_object_set_new(value, node->keys[i]->text, node_json(node->items[i]));
        }
    }
    return value;
}

static bool read_tree(const char *path, char **out_bytes, size_t *out_length, struct node **out,
                      struct err *err)
{
    AUTO(drop_findings) struct findings findings = {0};
    AUTO(drop_free) char *bytes = NULL;
    size_t length;

    if (!file_read(path, BLUEPRINT_MAX_BYTES, &bytes, &length, err)) {
        return err_add(err, "read the blueprint");
    }
    AUTO(drop_node) struct node *tree = node_read(bytes, length, &findings);

    if (!tree || findings.errors > 0) {
        err_set(err, ERR_INPUT, "'%s' line %u: %s", path, findings.items[0].line,
                findings.items[0].what);
        return err_mend(err, "%s", findings.items[0].remedy);
    }
    *out_bytes = TAKE(bytes);
    *out_length = length;
    *out = TAKE(tree);
    return true;
}

bool blueprint_get(const char *path, const char *key, char **out, struct err *err)
{
    AUTO(drop_free) char *bytes = NULL;
    AUTO(drop_node) struct node *tree = NULL;
    AUTO(drop_json) json_t *json = NULL;
    const struct field *field = field_find(key);
    struct edit edit = {0};
    size_t length, done;

    if (!field) {
        return err_set(err, ERR_INPUT, "a blueprint has no key '%.64s'", key);
    }
    if (!read_path(key, edit.steps, &edit.count, err) ||
        !read_tree(path, &bytes, &length, &tree, err)) {
        return false;
    }
    const struct node *node = follow(tree, &edit, &done);

    if (done < edit.count) {
        const char *otherwise = field->fallback ? field->fallback : field->otherwise;

        err_set(err, ERR_ABSENT, "'%s' is not written in '%s'", key, path);
        return otherwise ? err_mend(err, "its default is: %s", otherwise) : false;
    }
    json = node_json(node);
    *out = node->kind == NODE_SCALAR ? text_copy(node->text) : json_write(json);
    return true;
}

/* Whether YAML takes the value for one plain scalar, inside brackets too. */
static bool is_word(const char *value)
{
    static const char safe[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._/@+=~:-";
    size_t length = strlen(value);

    return length > 0 && strspn(value, safe) == length && value[length - 1] != ':' &&
           !strchr("-:@", value[0]);
}

/* Whether YAML takes the word for a number, a boolean, a date or nothing. */
static bool is_other(const char *word)
{
    return node_not_text(
        &(struct node){.kind = NODE_SCALAR, .plain = true, .text = (char *)(uintptr_t)word});
}

/* Quotes text where it needs them; what comes in quotes or brackets is YAML already. */
static bool render(const struct field *field, const char *value, char **out, struct err *err)
{
    if (strpbrk(value, "\r\n\t")) {
        return err_set(err, ERR_INPUT, "a value is one line without tabs");
    }
    if (value[0] && strchr("\"'[{", value[0])) {
        AUTO(drop_findings) struct findings findings = {0};
        AUTO(drop_node) struct node *alone = node_read(value, strlen(value), &findings);

        /* By itself it is one value, so it cannot say more where it is put. */
        if (!alone || findings.errors > 0) {
            return err_set(err, ERR_INPUT, "the value is not YAML: %s", findings.items[0].what);
        }
        *out = text_copy(value);
        return true;
    }
    if (is_word(value) && ((field->type && field->type->bare) || !is_other(value))) {
        *out = text_copy(value);
        return true;
    }
    AUTO(drop_json) json_t *quoted = json_string(value);

    if (!quoted) {
        return err_set(err, ERR_INPUT, "a value is UTF-8");
    }
    *out = json_write(quoted);
    return true;
}

/* The steps from `from` on, in brackets: "{provider: {type: native}}". */
static void write_flow(struct edit *edit, size_t from)
{
    for (size_t i = from; i < edit->count; i++) {
        if (edit->steps[i].is_index) {
            text_add(&edit->text, "[");
        } else {
            text_addf(&edit->text, "{%s: ", edit->steps[i].key);
        }
    }
    text_add(&edit->text, edit->value);
    for (size_t i = edit->count; i > from; i--) {
        text_add(&edit->text, edit->steps[i - 1].is_index ? "]" : "}");
    }
}

/* The same by indentation. */
static void write_block(struct edit *edit, size_t from, size_t indent)
{
    size_t i = from;

    for (; i < edit->count && !edit->steps[i].is_index; i++, indent += 2) {
        text_addf(&edit->text, "\n%*s%s:", (int)indent, "", edit->steps[i].key);
    }
    text_add(&edit->text, " ");
    write_flow(edit, i);
}

static void write_pair(struct edit *edit, size_t from)
{
    text_addf(&edit->text, "%s: ", edit->steps[from].key);
    write_flow(edit, from + 1);
}

/* Behind the last line of the node, so that a comment there stays where it is. */
static size_t line_end(const struct edit *edit, const struct node *node)
{
    const char *feed = memchr(edit->source + node->end, '\n', edit->length - node->end);
    size_t at = feed ? (size_t)(feed - edit->source) : edit->length;

    return at > 0 && edit->source[at - 1] == '\r' ? at - 1 : at;
}

static void insert_flow(struct edit *edit, const struct node *parent, size_t from)
{
    const struct node *last = parent->count > 0 ? parent->items[parent->count - 1] : NULL;

    edit->at = edit->end = last ? last->end : parent->begin + 1;
    text_add(&edit->text, last ? ", " : "");
    if (parent->kind == NODE_MAP) {
        write_pair(edit, from);
    } else {
        write_flow(edit, from + 1);
    }
}

static void insert_block(struct edit *edit, const struct node *parent, size_t from)
{
    edit->at = edit->end = line_end(edit, parent);
    if (parent->kind == NODE_MAP) {
        write_block(edit, from, parent->column - 1);
    } else {
        text_addf(&edit->text, "\n%*s- ", (int)parent->column - 1, "");
        write_flow(edit, from + 1);
    }
}

/* Steps that are not written: all that can be made are keys of a map and the next item of a list.
 */
static bool insert(struct edit *edit, const struct node *parent, size_t from, struct err *err)
{
    const struct path_step *step = &edit->steps[from];
    bool empty = parent->kind == NODE_SCALAR && parent->plain && !parent->text[0];

    for (size_t i = from; i < edit->count; i++) {
        size_t next = i == from && parent->kind == NODE_LIST ? parent->count : 0;

        if (edit->steps[i].is_index && edit->steps[i].index != next) {
            return err_set(err, ERR_ABSENT, "there is no item %zu; the next one would be %zu",
                           edit->steps[i].index, next);
        }
    }
    if (empty) {
        edit->at = edit->end = parent->end;
        text_add(&edit->text, " ");
        write_flow(edit, from);
        return true;
    }
    if (parent->kind != (step->is_index ? NODE_LIST : NODE_MAP)) {
        return err_set(err, ERR_CLASH, "line %u is no %s", parent->line,
                       step->is_index ? "list" : "mapping");
    }
    if (parent->flow) {
        insert_flow(edit, parent, from);
    } else {
        insert_block(edit, parent, from);
    }
    return true;
}

static void replace(struct edit *edit, const struct node *node)
{
    edit->at = node->begin;
    edit->end = node->end;
    while (edit->end > edit->at && strchr(" \r\n", edit->source[edit->end - 1])) {
        edit->end--;
    }
    text_add(&edit->text, edit->at == edit->end ? " " : "");
    text_add(&edit->text, edit->value);
}

static char *splice(struct edit *edit, size_t *out_length)
{
    struct text out = {0};

    text_add_bytes(&out, edit->source, edit->at);
    text_add_bytes(&out, edit->text.bytes, edit->text.length);
    text_add_bytes(&out, edit->source + edit->end, edit->length - edit->end);
    *out_length = out.length;
    return text_take(&out);
}

static bool is_below(const char *where, const char *key, size_t length)
{
    return strncmp(where, key, length) == 0 &&
           (where[length] == '\0' || where[length] == '.' || where[length] == '[');
}

static bool is_among(const struct findings *findings, const struct finding *finding)
{
    for (size_t i = 0; i < findings->count; i++) {
        if (strcmp(findings->items[i].where, finding->where) == 0 &&
            strcmp(findings->items[i].what, finding->what) == 0) {
            return true;
        }
    }
    return false;
}

/* A change may leave its own mapping to be completed ("kmip needs the key 'ca'"): the next change
 * does that. An error in the value itself, or a new one elsewhere, is refused. */
static const struct finding *objection(const struct findings *before, const struct findings *after,
                                       const char *key)
{
    size_t own = strlen(key), parent = own;

    while (parent > 0 && key[parent] != '.' && key[parent] != '[') {
        parent--;
    }
    for (size_t i = 0; i < after->count; i++) {
        const struct finding *finding = &after->items[i];
        bool mine = is_below(finding->where, key, own) || !finding->where[0];

        if (finding->severity == SEVERITY_ERROR &&
            (mine || (!is_among(before, finding) &&
                      !(parent > 0 && is_below(finding->where, key, parent))))) {
            return finding;
        }
    }
    return NULL;
}

static bool write_checked(const char *path, const char *key, const struct edit *edit,
                          const char *bytes, size_t length, const struct blueprint_limits *limits,
                          struct findings *findings, struct err *err)
{
    AUTO(drop_findings) struct findings before = {0};
    AUTO(drop_blueprint) struct blueprint *old = NULL, *new = NULL;
    struct err ignored = {0};
    struct stat st;

    (void)blueprint_parse(edit->source, edit->length, path, limits, &old, &before, &ignored);
    (void)blueprint_parse(bytes, length, path, limits, &new, findings, &ignored);
    const struct finding *finding = objection(&before, findings, key);

    if (finding) {
        err_set(err, ERR_INPUT, "'%s' is not changed: %s: %s", path, finding->where, finding->what);
        return err_mend(err, "%s", finding->remedy);
    }
    return file_write(path, bytes, length, stat(path, &st) == 0 ? st.st_mode & 0777 : 0644, err);
}

bool blueprint_set(const char *path, const char *key, const char *value,
                   const struct blueprint_limits *limits, struct findings *findings,
                   struct err *err)
{
    AUTO(drop_free) char *bytes = NULL, *changed = NULL, *written = NULL;
    AUTO(drop_node) struct node *tree = NULL;
    const struct field *field = field_find(key);
    struct edit edit = {0};
    size_t length, done;
    bool placed = true;

    if (!field) {
        return err_set(err, ERR_INPUT, "a blueprint has no key '%.64s'", key);
    }
    if (!read_path(key, edit.steps, &edit.count, err) ||
        !read_tree(path, &bytes, &edit.length, &tree, err) ||
        !render(field, value, &written, err)) {
        return false;
    }
    edit.source = bytes;
    edit.value = written;
    const struct node *node = follow(tree, &edit, &done);

    if (done == edit.count) {
        replace(&edit, node);
    } else {
        placed = insert(&edit, node, done, err);
    }
    changed = splice(&edit, &length);
    text_clear(&edit.text);
    return placed && write_checked(path, key, &edit, changed, length, limits, findings, err);
}
