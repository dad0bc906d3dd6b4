/* SPDX-License-Identifier: Apache-2.0 */
/* A text that grows. Never for secrets: its memory is ordinary. */
#ifndef QUOIN_BASE_TEXT_H
#define QUOIN_BASE_TEXT_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/auto.h"

/* Zero-initialized is an empty text. `bytes` is always ended by a NUL once anything was added. */
struct text {
    char *bytes;
    size_t length;
    size_t room;
};

/* Out of memory ends the program: these texts are small, and nothing sensible can follow. */
void text_add(struct text *text, const char *string);
void text_add_bytes(struct text *text, const char *bytes, size_t length);
void text_addf(struct text *text, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* The caller frees; the text is empty afterwards. Never NULL. */
char *text_take(struct text *text);
void text_clear(struct text *text);
__attribute__((unused)) static inline void drop_text(struct text *text)
{
    text_clear(text);
}

/* A copy that the caller frees; never NULL but for NULL. */
char *text_copy(const char *string);
/* printf into memory that the caller frees; never NULL. */
char *text_make(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* Memory of `count` times `size` zero bytes; never NULL. */
void *text_room(size_t count, size_t size);
bool text_starts(const char *string, const char *start);
/* One line, and nothing that a terminal obeys: control characters (C0, DEL, and C1 in UTF-8) become
 * blanks. Whatever a peer put into a text cannot forge a second line or move the cursor. */
void text_flatten(char *string);
/* "6.0 GiB": bytes for people, IEC units. `out` holds at least 16 bytes. */
const char *text_size(unsigned long long bytes, char out[16]);

#endif
