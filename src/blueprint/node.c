/* SPDX-License-Identifier: Apache-2.0 */
#include "blueprint/node.h"

#include <ctype.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <yaml.h>

#include "base/text.h"
#include "blueprint/source.h"

struct builder {
    yaml_parser_t parser;
    const struct source *source;
    struct findings *findings;
    struct node *open[NODE_MAX_DEPTH]; /* lists and maps that are not ended */
    struct node *keys[NODE_MAX_DEPTH]; /* the key that waits for its value in each */
    size_t depth;
    size_t nodes;
    struct node *root;
    bool over; /* the document was ended */
};

static void say(struct builder *b, const yaml_mark_t *mark, const char *what, const char *remedy)
{
    findings_add(b->findings, &(struct finding){SEVERITY_ERROR, "", (unsigned)mark->line + 1,
                                                (unsigned)mark->column + 1, what, remedy});
}

void node_free(struct node *node)
{
    if (!node) {
        return;
    }
    for (size_t i = 0; i < node->count; i++) {
        node_free(node->items[i]);
        if (node->keys) {
            node_free(node->keys[i]);
        }
    }
    free(node->items);
    free(node->keys);
    free(node->text);
    free(node);
}

struct node *node_get(const struct node *map, const char *key)
{
    if (!map || map->kind != NODE_MAP) {
        return NULL;
    }
    for (size_t i = 0; i < map->count; i++) {
        if (strcmp(map->keys[i]->text, key) == 0) {
            return map->items[i];
        }
    }
    return NULL;
}

static struct node *node_new(struct builder *b, enum node_kind kind, const yaml_event_t *event)
{
    struct node *node = text_room(1, sizeof(*node));

    node->kind = kind;
    node->line = (unsigned)event->start_mark.line + 1;
    node->column = (unsigned)event->start_mark.column + 1;
    node->begin = source_offset(b->source, event->start_mark.index);
    node->end = source_offset(b->source, event->end_mark.index);
    b->nodes++;
    return node;
}

static void append(struct node *parent, struct node *key, struct node *item)
{
    if (parent->count == parent->room) {
        parent->room = parent->room ? parent->room * 2 : 8;
        parent->items = reallocarray(parent->items, parent->room, sizeof(*parent->items));
        if (parent->kind == NODE_MAP) {
            parent->keys = reallocarray(parent->keys, parent->room, sizeof(*parent->keys));
        }
        if (!parent->items || (parent->kind == NODE_MAP && !parent->keys)) {
            abort();
        }
    }
    if (key) {
        parent->keys[parent->count] = key;
    }
    parent->items[parent->count++] = item;
}

/* Why a key cannot stand here, or NULL. */
static const char *key_fault(const struct node *map, const struct node *key, char what[160])
{
    if (map->count >= NODE_MAX_KEYS) {
        return "too many keys in one mapping";
    }
    if (strcmp(key->text, "<<") == 0 && key->plain) {
        return "merge keys ('<<') are not used here";
    }
    if (node_get(map, key->text)) {
        (void)snprintf(what, 160, "the key '%.64s' is here twice", key->text);
        return what;
    }
    return NULL;
}

/* Gives a complete node to what is open; it owns it from now on. */
static bool place(struct builder *b, struct node *node, const yaml_mark_t *mark)
{
    struct node *parent = b->depth > 0 ? b->open[b->depth - 1] : NULL;

    if (!parent) {
        b->root = node;
        return true;
    }
    if (parent->kind == NODE_LIST) {
        append(parent, NULL, node);
        return true;
    }
    struct node **key = &b->keys[b->depth - 1];

    if (*key) {
        char what[160];
        const char *fault = key_fault(parent, *key, what);

        if (!fault) {
            append(parent, TAKE(*key), node);
            return true;
        }
        say(b, &(yaml_mark_t){0, (*key)->line - 1, (*key)->column - 1}, fault,
            "keep one of them, and write each value where it belongs");
        node_free(TAKE(*key));
        node_free(node);
        return true;
    }
    if (node->kind != NODE_SCALAR) {
        say(b, mark, "a key must be a word", "write 'key: value'");
        node_free(node);
        return false;
    }
    *key = node;
    return true;
}

static bool open_node(struct builder *b, struct node *node, const yaml_mark_t *mark)
{
    /* A key that is a mapping has no place in the tree; there is nothing sensible after it. */
    if (b->depth > 0 && b->open[b->depth - 1]->kind == NODE_MAP && !b->keys[b->depth - 1]) {
        say(b, mark, "a key must be a word", "write 'key: value'");
        node_free(node);
        return false;
    }
    if (b->depth == NODE_MAX_DEPTH) {
        say(b, mark, "nested too deeply", "a blueprint needs five levels; take the brackets away");
        node_free(node);
        return false;
    }
    b->keys[b->depth] = NULL;
    b->open[b->depth++] = node;
    return true;
}

static bool close_node(struct builder *b, const yaml_event_t *event)
{
    struct node *node = b->open[--b->depth];

    if (node->flow) {
        node->end = source_offset(b->source, event->end_mark.index);
    } else if (node->count > 0) {
        node->end = node->items[node->count - 1]->end;
    }
    return place(b, node, &event->start_mark);
}

/* Anchors and tags: said once, then the node is taken as if they were not there. */
static void refuse_extras(struct builder *b, const yaml_event_t *event, const void *anchor,
                          const void *tag)
{
    if (anchor) {
        say(b, &event->start_mark, "anchors ('&') are not used here", "write the value out");
    }
    if (tag) {
        say(b, &event->start_mark, "tags ('!') are not used here", "write the value alone");
    }
}

static bool on_scalar(struct builder *b, const yaml_event_t *event)
{
    struct node *node = node_new(b, NODE_SCALAR, event);

    refuse_extras(b, event, event->data.scalar.anchor, event->data.scalar.tag);
    node->plain = event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
    node->text = text_copy((const char *)event->data.scalar.value);
    if (strlen(node->text) != event->data.scalar.length) {
        say(b, &event->start_mark, "a NUL character in a value", "take it away");
        node->bad = true;
    } else if (!source_clean(node->text, event->data.scalar.length)) {
        say(b, &event->start_mark, "a control or direction character in a value", "take it away");
        node->bad = true;
    }
    return place(b, node, &event->start_mark);
}

static bool on_alias(struct builder *b, const yaml_event_t *event)
{
    struct node *node = node_new(b, NODE_SCALAR, event);

    say(b, &event->start_mark, "aliases ('*') are not used here", "write the value out");
    node->text = text_copy("");
    node->bad = true;
    return place(b, node, &event->start_mark);
}

static bool on_document(struct builder *b, const yaml_event_t *event)
{
    if (b->over) {
        say(b, &event->start_mark, "a second document", "keep one document in the file");
        return false;
    }
    if (event->data.document_start.version_directive ||
        event->data.document_start.tag_directives.start !=
            event->data.document_start.tag_directives.end) {
        say(b, &event->start_mark, "directives ('%') are not used here", "take the line away");
    }
    return true;
}

/* False: there is nothing more to read. */
static bool on_event(struct builder *b, const yaml_event_t *event)
{
    struct node *node;

    if (b->nodes >= NODE_MAX_COUNT) {
        say(b, &event->start_mark, "too many values", "a blueprint of a thousand hosts is smaller");
        return false;
    }
    switch (event->type) {
    case YAML_DOCUMENT_START_EVENT:
        return on_document(b, event);
    case YAML_DOCUMENT_END_EVENT:
        b->over = true;
        return true;
    case YAML_SCALAR_EVENT:
        return on_scalar(b, event);
    case YAML_ALIAS_EVENT:
        return on_alias(b, event);
    case YAML_SEQUENCE_START_EVENT:
        node = node_new(b, NODE_LIST, event);
        node->flow = event->data.sequence_start.style == YAML_FLOW_SEQUENCE_STYLE;
        refuse_extras(b, event, event->data.sequence_start.anchor, event->data.sequence_start.tag);
        return open_node(b, node, &event->start_mark);
    case YAML_MAPPING_START_EVENT:
        node = node_new(b, NODE_MAP, event);
        node->flow = event->data.mapping_start.style == YAML_FLOW_MAPPING_STYLE;
        refuse_extras(b, event, event->data.mapping_start.anchor, event->data.mapping_start.tag);
        return open_node(b, node, &event->start_mark);
    case YAML_SEQUENCE_END_EVENT:
    case YAML_MAPPING_END_EVENT:
        return close_node(b, event);
    case YAML_STREAM_END_EVENT:
        return false;
    case YAML_STREAM_START_EVENT:
    case YAML_NO_EVENT:
        break;
    }
    return true;
}

static void say_syntax(struct builder *b)
{
    AUTO(drop_free)
    char *what =
        text_make("not YAML: %s%s%s", b->parser.problem ? b->parser.problem : "cannot be read",
                  b->parser.context ? ", " : "", b->parser.context ? b->parser.context : "");

    say(b, &b->parser.problem_mark, what,
        "look at the indentation (spaces, no tabs), the colons and the quotes around here");
}

static void read_events(struct builder *b)
{
    bool more = true;

    while (more) {
        yaml_event_t event;

        if (!yaml_parser_parse(&b->parser, &event)) {
            say_syntax(b);
            return;
        }
        more = on_event(b, &event);
        yaml_event_delete(&event);
    }
}

static void drop_unfinished(struct builder *b)
{
    while (b->depth > 0) {
        b->depth--;
        node_free(b->keys[b->depth]);
        node_free(b->open[b->depth]);
    }
}

struct node *node_read(const char *bytes, size_t length, struct findings *findings)
{
    AUTO(drop_source) struct source source = {0};
    struct builder b = {.source = &source, .findings = findings};

    if (!source_open(&source, bytes, length, findings)) {
        return NULL;
    }
    if (!yaml_parser_initialize(&b.parser)) {
        abort();
    }
    yaml_parser_set_encoding(&b.parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&b.parser, (const unsigned char *)bytes, length);
    read_events(&b);
    yaml_parser_delete(&b.parser);
    drop_unfinished(&b);
    if (!b.root && findings->errors == 0) {
        say(&b, &(yaml_mark_t){0}, "the file is empty",
            "begin with 'quoin blueprint new', which writes a starter");
    }
    return b.root;
}

bool path_next(const char **path, struct path_step *out)
{
    const char *at = *path;
    size_t length;

    *out = (struct path_step){0};
    if (*at == '[') {
        char *end;

        if (!isdigit((unsigned char)at[1])) {
            return false;
        }
        out->is_index = true;
        out->index = strtoul(at + 1, &end, 10);
        if (*end != ']') {
            return false;
        }
        *path = end + 1;
        return true;
    }
    at += *at == '.';
    length = strcspn(at, ".[");
    if (length == 0 || length >= sizeof(out->key)) {
        return false;
    }
    memcpy(out->key, at, length);
    *path = at + length;
    return true;
}

struct node *node_step(const struct node *node, const struct path_step *step)
{
    if (!step->is_index) {
        return node_get(node, step->key);
    }
    return node && node->kind == NODE_LIST && step->index < node->count ? node->items[step->index]
                                                                        : NULL;
}

/* YAML 1.1 has more kinds of number than anybody expects: 0x10, 1_000, 0o7, 1e3, .inf, 1:30. */
static bool is_number(const char *text)
{
    const char *at = text + (*text == '-' || *text == '+');

    if (strcasecmp(at, ".inf") == 0 || strcasecmp(at, ".nan") == 0) {
        return true;
    }
    if (text_starts(at, "0x") || text_starts(at, "0o") || text_starts(at, "0b")) {
        return at[2] && at[2 + strspn(at + 2, "0123456789abcdefABCDEF_")] == '\0';
    }
    at += strspn(at, "0123456789_:");
    if (at == text || (*text == '.' && !isdigit((unsigned char)text[1]))) {
        return false;
    }
    if (*at == '.') {
        at++;
        at += strspn(at, "0123456789_");
    }
    if (*at == 'e' || *at == 'E') {
        at++;
        at += *at == '-' || *at == '+';
        return isdigit((unsigned char)*at) && at[strspn(at, "0123456789")] == '\0';
    }
    return *at == '\0' && strpbrk(text, "0123456789");
}

static bool is_date(const char *text)
{
    static const char shape[] = "dddd-dd-dd";

    for (size_t i = 0; i < sizeof(shape) - 1; i++) {
        if (shape[i] == 'd' ? !isdigit((unsigned char)text[i]) : text[i] != shape[i]) {
            return false;
        }
    }
    return true;
}

const char *node_not_text(const struct node *node)
{
    static const char *const booleans[] = {"y", "n", "yes", "no", "on", "off", "true", "false"};
    static const char *const nothings[] = {"", "~", "null"};

    if (!node->plain) {
        return NULL;
    }
    for (size_t i = 0; i < COUNT_OF(nothings); i++) {
        if (strcasecmp(node->text, nothings[i]) == 0) {
            return "nothing";
        }
    }
    for (size_t i = 0; i < COUNT_OF(booleans); i++) {
        if (strcasecmp(node->text, booleans[i]) == 0) {
            return "a boolean";
        }
    }
    return is_number(node->text) ? "a number" : is_date(node->text) ? "a date" : NULL;
}
