/* SPDX-License-Identifier: Apache-2.0 */
/*
 * TTLV: the encoding of KMIP messages (KMIP 1.4, section 9.1; 2.1 adds two types). An item is a tag
 * (3 bytes), a type (1), a length (4) and a value, filled up with zeros to a multiple of 8; a
 * structure's value is items.
 *
 *   42 00 94 | 07 | 00 00 00 02 | '1' '7' 00 00 00 00 00 00      Unique Identifier "17"
 *
 * Pure: no memory is allocated, nothing is read beyond what is given. A message is checked whole
 * before its first item is looked at; the items then point into it. Both reader and writer work in
 * the caller's memory, which is locked when a key goes through it.
 */
#ifndef QUOIN_KEY_TTLV_H
#define QUOIN_KEY_TTLV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/span.h"

/* Structures within structures. The deepest message of the standard has 9. */
#define TTLV_MAX_DEPTH 32u
/* Tag, type and length. */
#define TTLV_HEAD 8u

enum ttlv_type {
    TTLV_STRUCTURE = 1,
    TTLV_INTEGER = 2,
    TTLV_LONG = 3,
    TTLV_BIG = 4,
    TTLV_ENUM = 5,
    TTLV_BOOL = 6,
    TTLV_TEXT = 7,
    TTLV_BYTES = 8,
    TTLV_DATE = 9,
    TTLV_INTERVAL = 10,
    TTLV_DATE_EXTENDED = 11,
};

struct ttlv {
    uint32_t tag;
    enum ttlv_type type;
    uint32_t length; /* of the value, without what fills it up */
    const unsigned char *value;
};

/* Items one after the other. */
struct ttlv_reader {
    const unsigned char *at;
    const unsigned char *end;
};

/* --- reading --------------------------------------------------------------------------------- */

/* Exactly one structure, every item in it of a known type, a right length and filled up with zeros,
 * no deeper than TTLV_MAX_DEPTH. ERR_INPUT otherwise, with the place. */
bool ttlv_read(struct span message, struct ttlv *out, struct err *err);
/* The items of a structure that ttlv_read has checked. */
struct ttlv_reader ttlv_inside(const struct ttlv *structure);
/* false: there is no further one. */
bool ttlv_next(struct ttlv_reader *reader, struct ttlv *out);
/* The first item of this tag in a structure; of another type is as good as absent. */
bool ttlv_find(const struct ttlv *structure, uint32_t tag, enum ttlv_type type, struct ttlv *out);
/* The same, ERR_INPUT when it is not there; `what` names it. */
bool ttlv_get(const struct ttlv *structure, uint32_t tag, enum ttlv_type type, const char *what,
              struct ttlv *out, struct err *err);

/* Of an item of the fitting type. */
int32_t ttlv_integer(const struct ttlv *item);
uint32_t ttlv_enum(const struct ttlv *item);
int64_t ttlv_long(const struct ttlv *item);
bool ttlv_bool(const struct ttlv *item);
/* Text or bytes; text has no NUL at its end. */
struct span ttlv_span(const struct ttlv *item);

/* --- writing --------------------------------------------------------------------------------- */

/* What does not fit is not written, and ttlv_end says so at last. */
struct ttlv_writer {
    unsigned char *bytes;
    size_t room;
    size_t size;
    size_t open[TTLV_MAX_DEPTH]; /* where the open structures begin */
    unsigned depth;
    bool failed;
};

struct ttlv_writer ttlv_writer(unsigned char *bytes, size_t room);
void ttlv_put_begin(struct ttlv_writer *writer, uint32_t tag);
void ttlv_put_end(struct ttlv_writer *writer);
void ttlv_put_integer(struct ttlv_writer *writer, uint32_t tag, int32_t value);
void ttlv_put_enum(struct ttlv_writer *writer, uint32_t tag, uint32_t value);
void ttlv_put_interval(struct ttlv_writer *writer, uint32_t tag, uint32_t seconds);
void ttlv_put_long(struct ttlv_writer *writer, uint32_t tag, int64_t value);
void ttlv_put_date(struct ttlv_writer *writer, uint32_t tag, int64_t seconds);
void ttlv_put_bool(struct ttlv_writer *writer, uint32_t tag, bool value);
void ttlv_put_text(struct ttlv_writer *writer, uint32_t tag, const char *text);
void ttlv_put_bytes(struct ttlv_writer *writer, uint32_t tag, struct span bytes);
/* A big integer: two's complement, most significant byte first, a multiple of 8 bytes. */
void ttlv_put_big(struct ttlv_writer *writer, uint32_t tag, struct span bytes);
/* Every structure is closed and all of it fitted: how many bytes there are. ERR_INPUT otherwise. */
bool ttlv_end(const struct ttlv_writer *writer, size_t *out_size, struct err *err);

#endif
