/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A node of the YAML text: scalar, list or map, each with its place. Built from libyaml's events
 * under our own ceilings (THREATS T5). The subset is what a person writes: one document of UTF-8
 * without control or bidirectional characters; no anchors, aliases, tags, merge keys, directives or
 * repeated keys. Each of these is a finding, and reading goes on where it can.
 */
#ifndef QUOIN_BLUEPRINT_NODE_H
#define QUOIN_BLUEPRINT_NODE_H

#include "blueprint/finding.h"

#define NODE_MAX_DEPTH 32     /* the blueprint needs 5; libyaml's time grows with its square */
#define NODE_MAX_COUNT 100000 /* a thousand hosts with thirty fields each fit three times */
#define NODE_MAX_KEYS  64     /* of one map; so looking for repeated keys stays cheap */

enum node_kind { NODE_SCALAR, NODE_LIST, NODE_MAP };

struct node {
    enum node_kind kind;
    bool plain; /* a scalar without quotes */
    bool flow;  /* a list or map in brackets */
    bool bad;   /* a finding was made of it already: say nothing more */
    unsigned line, column;
    size_t begin, end;   /* its bytes in the source; without what follows its last scalar */
    char *text;          /* of a scalar */
    struct node **keys;  /* of a map: scalars */
    struct node **items; /* of a list; of a map: the values */
    size_t count, room;
};

/* NULL when nothing can be made of the text: then there is a finding. The caller frees. */
struct node *node_read(const char *source, size_t length, struct findings *findings);
void node_free(struct node *node);
DROP(node, struct node *, node_free);

/* NULL: no such key, or no map. */
struct node *node_get(const struct node *map, const char *key);
/* One segment of a path such as "hosts[0].ssh.user": moves `*path` on and gives the key ("hosts",
 * copied to `key`) or the index. False at the end or when it is malformed (`**path` is not NUL). */
struct path_step {
    bool is_index;
    size_t index;
    char key[64];
};
bool path_next(const char **path, struct path_step *out);
struct node *node_step(const struct node *node, const struct path_step *step);
/* Whether other YAML readers take this unquoted scalar for something that is no text: a number, a
 * boolean, a date, nothing. The word for it ("a number"), or NULL. */
const char *node_not_text(const struct node *node);

#endif
