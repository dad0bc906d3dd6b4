/* SPDX-License-Identifier: Apache-2.0 */
/* Bytes that are read in their order. They are borrowed, and may be those of a secret. */
#ifndef QUOIN_BASE_CURSOR_H
#define QUOIN_BASE_CURSOR_H

#include <stddef.h>

struct cursor {
    const unsigned char *at;
    size_t left;
};

/* Steps over `size` bytes and gives their place; NULL, and nothing is stepped over, where fewer are
 * left. */
__attribute__((unused)) static inline const unsigned char *cursor_take(struct cursor *cursor,
                                                                       size_t size)
{
    const unsigned char *at = cursor->at;

    if (size > cursor->left) {
        return NULL;
    }
    cursor->at += size;
    cursor->left -= size;
    return at;
}

#endif
