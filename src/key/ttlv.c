/* SPDX-License-Identifier: Apache-2.0 */
#include "key/ttlv.h"

#include "base/bigend.h"

/* The length that a type must have; 0: any that its rule allows. */
static const uint32_t fixed_length[] = {
    [TTLV_INTEGER] = 4,  [TTLV_LONG] = 8, [TTLV_ENUM] = 4,          [TTLV_BOOL] = 8,
    [TTLV_INTERVAL] = 4, [TTLV_DATE] = 8, [TTLV_DATE_EXTENDED] = 8,
};

static size_t filled_up(size_t length)
{
    return (length + 7) & ~(size_t)7;
}

/* --- reading --------------------------------------------------------------------------------- */

static struct ttlv item_at(const unsigned char *at)
{
    return (struct ttlv){
        .tag = bigend_get32(at) >> 8,
        .type = (enum ttlv_type)at[3],
        .length = bigend_get32(at + 4),
        .value = at + TTLV_HEAD,
    };
}

static bool length_suits(const struct ttlv *item)
{
    switch (item->type) {
    case TTLV_STRUCTURE:
        return item->length % 8 == 0;
    case TTLV_BIG:
        return item->length % 8 == 0 && item->length > 0;
    case TTLV_TEXT:
    case TTLV_BYTES:
        return true;
    case TTLV_BOOL:
        return item->length == 8 && bigend_get64(item->value) <= 1;
    default:
        return item->length == fixed_length[item->type];
    }
}

static bool zeros_follow(const struct ttlv *item)
{
    for (size_t i = item->length; i < filled_up(item->length); i++) {
        if (item->value[i] != 0) {
            return false;
        }
    }
    return true;
}

/* An item at `at`, whose value ends no later than `end`. */
static bool item_is_sound(const unsigned char *at, const unsigned char *end, struct ttlv *out)
{
    size_t room = (size_t)(end - at);

    if (room < TTLV_HEAD) {
        return false;
    }
    *out = item_at(at);
    return out->type >= TTLV_STRUCTURE && out->type <= TTLV_DATE_EXTENDED &&
           out->length <= room - TTLV_HEAD && filled_up(out->length) <= room - TTLV_HEAD &&
           length_suits(out) && zeros_follow(out);
}

bool ttlv_read(struct span message, struct ttlv *out, struct err *err)
{
    const unsigned char *start = message.bytes, *at = start;
    const unsigned char *ends[TTLV_MAX_DEPTH + 1] = {start + message.size};
    unsigned depth = 0;
    struct ttlv item;

    if (message.size == 0) {
        return err_set(err, ERR_INPUT, "an empty message");
    }
    while (at < ends[depth]) {
        if (!item_is_sound(at, ends[depth], &item) || (depth == 0 && item.type != TTLV_STRUCTURE)) {
            return err_set(err, ERR_INPUT, "no sound item at byte %zu", (size_t)(at - start));
        }
        if (item.type != TTLV_STRUCTURE) {
            at = item.value + filled_up(item.length);
        } else if (depth == TTLV_MAX_DEPTH) {
            return err_set(err, ERR_INPUT, "more than %u structures in one another",
                           TTLV_MAX_DEPTH);
        } else {
            at = item.value;
            ends[++depth] = item.value + item.length;
        }
        while (depth > 0 && at == ends[depth]) {
            depth--;
        }
        if (depth == 0 && at != ends[0]) {
            return err_set(err, ERR_INPUT, "something follows the message");
        }
    }
    *out = item_at(start);
    return true;
}

struct ttlv_reader ttlv_inside(const struct ttlv *structure)
{
    return (struct ttlv_reader){structure->value, structure->value + structure->length};
}

bool ttlv_next(struct ttlv_reader *reader, struct ttlv *out)
{
    if (reader->at == reader->end) {
        return false;
    }
    *out = item_at(reader->at);
    reader->at = out->value + filled_up(out->length);
    return true;
}

bool ttlv_find(const struct ttlv *structure, uint32_t tag, enum ttlv_type type, struct ttlv *out)
{
    struct ttlv_reader reader = ttlv_inside(structure);
    struct ttlv item;

    while (ttlv_next(&reader, &item)) {
        if (item.tag == tag) {
            if (item.type == type) {
                *out = item;
            }
            return item.type == type;
        }
    }
    return false;
}

bool ttlv_get(const struct ttlv *structure, uint32_t tag, enum ttlv_type type, const char *what,
              struct ttlv *out, struct err *err)
{
    return ttlv_find(structure, tag, type, out) ||
           err_set(err, ERR_INPUT, "the message has no %s (0x%06x)", what, tag);
}

int32_t ttlv_integer(const struct ttlv *item)
{
    return (int32_t)bigend_get32(item->value);
}

uint32_t ttlv_enum(const struct ttlv *item)
{
    return bigend_get32(item->value);
}

int64_t ttlv_long(const struct ttlv *item)
{
    return (int64_t)bigend_get64(item->value);
}

bool ttlv_bool(const struct ttlv *item)
{
    return bigend_get64(item->value) == 1;
}

struct span ttlv_span(const struct ttlv *item)
{
    return span_of(item->value, item->length);
}

/* --- writing --------------------------------------------------------------------------------- */

struct ttlv_writer ttlv_writer(unsigned char *bytes, size_t room)
{
    return (struct ttlv_writer){.bytes = bytes, .room = room};
}

/* Where the value goes, zeros filled up behind it; NULL when it does not fit. */
static unsigned char *put_head(struct ttlv_writer *writer, uint32_t tag, enum ttlv_type type,
                               size_t length)
{
    unsigned char *at = writer->bytes + writer->size;
    size_t left = writer->room - writer->size;

    if (writer->failed || left < TTLV_HEAD || length > left - TTLV_HEAD ||
        filled_up(length) > left - TTLV_HEAD) {
        writer->failed = true;
        return NULL;
    }
    bigend_put32(at, tag << 8 | type);
    bigend_put32(at + 4, (uint32_t)length);
    memset(at + TTLV_HEAD, 0, filled_up(length));
    writer->size += TTLV_HEAD + filled_up(length);
    return at + TTLV_HEAD;
}

void ttlv_put_begin(struct ttlv_writer *writer, uint32_t tag)
{
    if (writer->depth == TTLV_MAX_DEPTH) {
        writer->failed = true;
        return;
    }
    writer->open[writer->depth++] = writer->size;
    (void)put_head(writer, tag, TTLV_STRUCTURE, 0);
}

void ttlv_put_end(struct ttlv_writer *writer)
{
    if (writer->failed || writer->depth == 0) {
        writer->failed = true;
        return;
    }
    size_t start = writer->open[--writer->depth];

    bigend_put32(writer->bytes + start + 4, (uint32_t)(writer->size - start - TTLV_HEAD));
}

static void put32(struct ttlv_writer *writer, uint32_t tag, enum ttlv_type type, uint32_t value)
{
    unsigned char *at = put_head(writer, tag, type, 4);

    if (at) {
        bigend_put32(at, value);
    }
}

static void put64(struct ttlv_writer *writer, uint32_t tag, enum ttlv_type type, uint64_t value)
{
    unsigned char *at = put_head(writer, tag, type, 8);

    if (at) {
        bigend_put64(at, value);
    }
}

static void put_span(struct ttlv_writer *writer, uint32_t tag, enum ttlv_type type,
                     struct span bytes)
{
    unsigned char *at = put_head(writer, tag, type, bytes.size);

    if (at && bytes.size > 0) {
        memcpy(at, bytes.bytes, bytes.size);
    }
}

void ttlv_put_integer(struct ttlv_writer *writer, uint32_t tag, int32_t value)
{
    put32(writer, tag, TTLV_INTEGER, (uint32_t)value);
}

void ttlv_put_enum(struct ttlv_writer *writer, uint32_t tag, uint32_t value)
{
    put32(writer, tag, TTLV_ENUM, value);
}

void ttlv_put_interval(struct ttlv_writer *writer, uint32_t tag, uint32_t seconds)
{
    put32(writer, tag, TTLV_INTERVAL, seconds);
}

void ttlv_put_long(struct ttlv_writer *writer, uint32_t tag, int64_t value)
{
    put64(writer, tag, TTLV_LONG, (uint64_t)value);
}

void ttlv_put_date(struct ttlv_writer *writer, uint32_t tag, int64_t seconds)
{
    put64(writer, tag, TTLV_DATE, (uint64_t)seconds);
}

void ttlv_put_bool(struct ttlv_writer *writer, uint32_t tag, bool value)
{
    put64(writer, tag, TTLV_BOOL, value);
}

void ttlv_put_text(struct ttlv_writer *writer, uint32_t tag, const char *text)
{
    put_span(writer, tag, TTLV_TEXT, span_text(text));
}

void ttlv_put_bytes(struct ttlv_writer *writer, uint32_t tag, struct span bytes)
{
    put_span(writer, tag, TTLV_BYTES, bytes);
}

void ttlv_put_big(struct ttlv_writer *writer, uint32_t tag, struct span bytes)
{
    if (bytes.size % 8 != 0 || bytes.size == 0) {
        writer->failed = true;
        return;
    }
    put_span(writer, tag, TTLV_BIG, bytes);
}

bool ttlv_end(const struct ttlv_writer *writer, size_t *out_size, struct err *err)
{
    if (writer->failed || writer->depth != 0 || writer->size == 0) {
        return err_set(err, ERR_INPUT, "a message does not fit in %zu bytes", writer->room);
    }
    *out_size = writer->size;
    return true;
}
