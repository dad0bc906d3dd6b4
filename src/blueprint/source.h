/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The text of a blueprint before YAML sees it: its size, its encoding, and where each character
 * lies, because libyaml counts characters and an editor needs bytes.
 */
#ifndef QUOIN_BLUEPRINT_SOURCE_H
#define QUOIN_BLUEPRINT_SOURCE_H

#include <stdint.h>

#include "blueprint/finding.h"

struct source {
    const char *bytes;
    size_t length;
    uint32_t *offsets; /* of each character, or NULL when every character is one byte */
    size_t characters;
};

/* Strict UTF-8 (RFC 3629) without NUL, control (but tab and line feed, and a carriage return before
 * it), line and paragraph separator, bidirectional and invisible characters, at most
 * BLUEPRINT_MAX_BYTES; each fault is a finding with its place, the first of them only. `bytes` is
 * borrowed. */
bool source_open(struct source *source, const char *bytes, size_t length,
                 struct findings *findings);
void source_close(struct source *source);
__attribute__((unused)) static inline void drop_source(struct source *source)
{
    source_close(source);
}

/* The byte at which character number `index` begins. */
size_t source_offset(const struct source *source, size_t index);
/* The same rules for a piece of text, in which escapes such as "\u202e" are undone already. */
bool source_clean(const char *bytes, size_t length);
/* Puts '?' in place of every byte that is against them, and of line feeds and tabs. */
void source_defuse(char *text);

#endif
