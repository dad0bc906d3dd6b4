/* SPDX-License-Identifier: Apache-2.0 */
/* Borrowed bytes: where and how many. Owns nothing; never for the bytes of a secret. */
#ifndef QUOIN_BASE_SPAN_H
#define QUOIN_BASE_SPAN_H

#include <stddef.h>
#include <string.h>

struct span {
    const void *bytes; /* may be NULL when `size` is 0 */
    size_t size;
};

__attribute__((unused)) static inline struct span span_of(const void *bytes, size_t size)
{
    return (struct span){bytes, size};
}

/* The characters of a text, without its NUL. */
__attribute__((unused)) static inline struct span span_text(const char *text)
{
    return (struct span){text, strlen(text)};
}

#define SPAN_NONE ((struct span){NULL, 0})

#endif
