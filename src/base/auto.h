/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ownership made visible: AUTO(drop_x) frees a thing where its scope ends, TAKE() hands it on.
 * DROP(x, struct x *, x_free) defines drop_x for a type whose x_free(NULL) is fine.
 */
#ifndef QUOIN_BASE_AUTO_H
#define QUOIN_BASE_AUTO_H

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define AUTO(drop) __attribute__((cleanup(drop)))

#define TAKE(thing)                                                                                \
    __extension__({                                                                                \
        __typeof__(thing) taken_ = (thing);                                                        \
        (thing) = NULL;                                                                            \
        taken_;                                                                                    \
    })

#define TAKE_FD(fd)                                                                                \
    __extension__({                                                                                \
        int taken_ = (fd);                                                                         \
        (fd) = -1;                                                                                 \
        taken_;                                                                                    \
    })

#define DROP(name, type, free_)                                                                    \
    __attribute__((unused)) static inline void drop_##name(type *thing)                            \
    {                                                                                              \
        if (*thing) {                                                                              \
            free_(*thing);                                                                         \
        }                                                                                          \
    }                                                                                              \
    struct err

DROP(file, FILE *, fclose);

/* For any pointer that free() frees. */
__attribute__((unused)) static inline void drop_free(void *thing)
{
    free(*(void **)thing);
}

__attribute__((unused)) static inline void drop_fd(int *fd)
{
    if (*fd >= 0) {
        close(*fd);
    }
}

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

#endif
