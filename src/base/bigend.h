/* SPDX-License-Identifier: Apache-2.0 */
/* Big-endian numbers at any address, as wires and formats on disk have them. */
#ifndef QUOIN_BASE_BIGEND_H
#define QUOIN_BASE_BIGEND_H

#include <endian.h>
#include <stdint.h>
#include <string.h>

__attribute__((unused)) static inline uint32_t bigend_get32(const unsigned char *from)
{
    uint32_t number;

    memcpy(&number, from, sizeof(number));
    return be32toh(number);
}

__attribute__((unused)) static inline uint64_t bigend_get64(const unsigned char *from)
{
    uint64_t number;

    memcpy(&number, from, sizeof(number));
    return be64toh(number);
}

__attribute__((unused)) static inline void bigend_put32(unsigned char *to, uint32_t number)
{
    number = htobe32(number);
    memcpy(to, &number, sizeof(number));
}

__attribute__((unused)) static inline void bigend_put64(unsigned char *to, uint64_t number)
{
    number = htobe64(number);
    memcpy(to, &number, sizeof(number));
}

#endif
