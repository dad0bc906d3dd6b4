/* SPDX-License-Identifier: Apache-2.0 */
#include "../vectors.h"

#include "key/ttlv.h"

/* KMIP 1.4, section 9.1.2: the standard's own examples, each inside a structure 420020 here, since
 * a message is one. */
static const struct {
    const char *hex;
    enum ttlv_type type;
} examples[] = {
    {"42002002000000040000000800000000", TTLV_INTEGER},
    {"420020030000000801B69B4BA5749200", TTLV_LONG},
    {"42002004000000100000000003FD35EB6BC2DF4618080000", TTLV_BIG},
    {"4200200500000004000000FF00000000", TTLV_ENUM},
    {"42002006000000080000000000000001", TTLV_BOOL},
    {"420020070000000B48656C6C6F20576F726C640000000000", TTLV_TEXT},
    {"42002008000000030102030000000000", TTLV_BYTES},
    {"42002009000000080000000047DA67F8", TTLV_DATE},
    {"4200200A00000004000D2F0000000000", TTLV_INTERVAL},
    {"42002001000000204200040500000004000000FE000000004200050200000004000000FF00000000",
     TTLV_STRUCTURE},
};

static size_t from_hex(const char *hex, unsigned char *out)
{
    AUTO(drop_free) unsigned char *bytes = NULL;
    size_t size = 0;

    assert_true(decode_hex(hex, &bytes, &size, &(struct err){0}));
    memcpy(out, bytes, size);
    return size;
}

/* The example in a structure. */
static size_t message_of(const char *hex, unsigned char out[256])
{
    size_t size = from_hex(hex, out + TTLV_HEAD);

    memcpy(out, "\x42\x00\x20\x01\0\0\0", 7);
    out[7] = (unsigned char)size;
    return size + TTLV_HEAD;
}

static void put_again(struct ttlv_writer *writer, const struct ttlv *item)
{
    struct ttlv_reader reader;
    struct ttlv inner;
    AUTO(drop_free) char *text = NULL;

    switch (item->type) {
    case TTLV_STRUCTURE:
        ttlv_put_begin(writer, item->tag);
        reader = ttlv_inside(item);
        while (ttlv_next(&reader, &inner)) {
            put_again(writer, &inner);
        }
        ttlv_put_end(writer);
        break;
    case TTLV_INTEGER:
        ttlv_put_integer(writer, item->tag, ttlv_integer(item));
        break;
    case TTLV_LONG:
        ttlv_put_long(writer, item->tag, ttlv_long(item));
        break;
    case TTLV_BIG:
        ttlv_put_big(writer, item->tag, ttlv_span(item));
        break;
    case TTLV_ENUM:
        ttlv_put_enum(writer, item->tag, ttlv_enum(item));
        break;
    case TTLV_BOOL:
        ttlv_put_bool(writer, item->tag, ttlv_bool(item));
        break;
    case TTLV_TEXT:
        text = text_make("%.*s", (int)item->length, (const char *)item->value);
        ttlv_put_text(writer, item->tag, text);
        break;
    case TTLV_BYTES:
        ttlv_put_bytes(writer, item->tag, ttlv_span(item));
        break;
    case TTLV_DATE:
        ttlv_put_date(writer, item->tag, ttlv_long(item));
        break;
    case TTLV_INTERVAL:
        ttlv_put_interval(writer, item->tag, ttlv_enum(item));
        break;
    default:
        fail();
    }
}

static void the_standards_examples_are_read_and_written_again(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(examples); i++) {
        unsigned char message[256], again[256];
        size_t size = message_of(examples[i].hex, message), written = 0;
        struct ttlv_writer writer = ttlv_writer(again, sizeof(again));
        struct ttlv whole, item;
        struct err err = {0};

        assert_true(ttlv_read(span_of(message, size), &whole, &err));
        assert_true(ttlv_find(&whole, 0x420020, examples[i].type, &item));
        put_again(&writer, &whole);
        assert_true(ttlv_end(&writer, &written, &err));
        assert_int_equal(written, size);
        assert_memory_equal(again, message, size);
    }
}

static void values_are_what_the_standard_says(void **state)
{
    unsigned char message[256];
    struct ttlv whole, item;
    struct err err = {0};

    (void)state;
    assert_true(ttlv_read(span_of(message, message_of(examples[1].hex, message)), &whole, &err));
    assert_true(ttlv_get(&whole, 0x420020, TTLV_LONG, "long", &item, &err));
    assert_true(ttlv_long(&item) == 123456789000000000LL);
    assert_true(ttlv_read(span_of(message, message_of(examples[7].hex, message)), &whole, &err));
    assert_true(ttlv_get(&whole, 0x420020, TTLV_DATE, "date", &item, &err));
    assert_true(ttlv_long(&item) == 1205495800LL); /* March 14, 2008, 11:56:40 GMT */
    assert_true(ttlv_read(span_of(message, message_of(examples[8].hex, message)), &whole, &err));
    assert_true(ttlv_get(&whole, 0x420020, TTLV_INTERVAL, "interval", &item, &err));
    assert_int_equal(ttlv_enum(&item), 10 * 24 * 3600);
}

static void a_message_cut_anywhere_is_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(examples); i++) {
        unsigned char message[256];
        size_t size = message_of(examples[i].hex, message);
        struct ttlv whole;

        for (size_t cut = 0; cut < size; cut++) {
            AUTO(drop_free) unsigned char *exact = text_room(cut + !cut, 1);
            struct err err = {0};

            memcpy(exact, message, cut); /* in a room of its own: ASan sees a byte beyond */
            assert_false(ttlv_read(span_of(exact, cut), &whole, &err));
            assert_int_equal(err.kind, ERR_INPUT);
        }
    }
}

static void items_of_another_shape_are_refused(void **state)
{
    static const char *const wrong[] = {
        "42002002000000030000000800000000",         /* an integer of 3 bytes */
        "42002002000000040000000800000001",         /* not filled up with zeros */
        "42002002FFFFFFFF0000000800000000",         /* 4 GiB */
        "420020027FFFFFFC0000000800000000",         /* 2 GiB */
        "42002008FFFFFFFA0102030000000000",         /* filling it up wraps around */
        "42002006000000080000000000000002",         /* neither true nor false */
        "42002000000000040000000800000000",         /* no such type */
        "4200200C000000040000000800000000",         /* no such type */
        "420020040000000400000000",                 /* a big integer of 4 bytes */
        "4200200400000000",                         /* a big integer of none */
        "42002001000000044200040500000000",         /* a structure of no whole items */
        "42002001000000184200040500000004000000FE", /* longer than what is left */
        "42002009000000040000000800000000",         /* a date of 4 bytes */
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(wrong); i++) {
        unsigned char message[256];
        size_t size = message_of(wrong[i], message);
        struct ttlv whole;
        struct err err = {0};

        assert_false(ttlv_read(span_of(message, size), &whole, &err));
        assert_int_equal(err.kind, ERR_INPUT);
    }
}

static void what_is_no_structure_or_is_followed_by_something_is_refused(void **state)
{
    unsigned char bytes[256];
    size_t size = from_hex(examples[0].hex, bytes);
    struct ttlv whole;
    struct err err = {0};

    (void)state;
    assert_false(ttlv_read(span_of(bytes, size), &whole, &err));
    size = message_of(examples[0].hex, bytes);
    memcpy(bytes + size, bytes, size);
    assert_false(ttlv_read(span_of(bytes, 2 * size), &whole, &err));
    assert_int_equal(err.kind, ERR_INPUT);
}

/* 10,000 structures in one another take no more time and no more stack than 33. */
static void nesting_has_a_ceiling(void **state)
{
    enum { DEEP = 10000 };
    AUTO(drop_free) unsigned char *bytes = text_room(DEEP, TTLV_HEAD);
    struct ttlv whole;
    struct err err = {0};

    (void)state;
    for (size_t depth = TTLV_MAX_DEPTH - 1; depth <= DEEP; depth += depth < 33 ? 1 : DEEP - 33) {
        for (size_t i = 0; i < depth; i++) {
            size_t length = (depth - i - 1) * TTLV_HEAD;
            unsigned char *at = bytes + i * TTLV_HEAD;

            memcpy(at, "\x42\x00\x20\x01", 4);
            at[4] = 0;
            at[5] = (unsigned char)(length >> 16);
            at[6] = (unsigned char)(length >> 8);
            at[7] = (unsigned char)length;
        }
        assert_int_equal(ttlv_read(span_of(bytes, depth * TTLV_HEAD), &whole, &err),
                         depth <= TTLV_MAX_DEPTH);
    }
    assert_non_null(strstr(err.what, "32"));
}

static void an_item_of_another_type_is_as_good_as_absent(void **state)
{
    unsigned char message[256];
    struct ttlv whole, item = {0};
    struct err err = {0};

    (void)state;
    assert_true(ttlv_read(span_of(message, message_of(examples[0].hex, message)), &whole, &err));
    assert_false(ttlv_find(&whole, 0x420020, TTLV_TEXT, &item));
    assert_false(ttlv_get(&whole, 0x420021, TTLV_INTEGER, "thing", &item, &err));
    assert_int_equal(err.kind, ERR_INPUT);
    assert_non_null(strstr(err.what, "thing"));
    assert_int_equal(item.tag, 0);
}

static void a_writer_never_writes_beyond_its_room(void **state)
{
    (void)state;
    for (size_t room = 0; room < 56; room++) {
        AUTO(drop_free) unsigned char *bytes = text_room(room + !room, 1);
        struct ttlv_writer writer = ttlv_writer(bytes, room);
        size_t size = 0;
        struct err err = {0};

        ttlv_put_begin(&writer, 0x420020);
        ttlv_put_text(&writer, 0x420021, "Hello World");
        ttlv_put_integer(&writer, 0x420022, 8);
        ttlv_put_end(&writer);
        assert_int_equal(ttlv_end(&writer, &size, &err), room >= 48);
        assert_int_equal(size, room >= 48 ? 48 : 0);
    }
}

static void a_writer_that_was_used_wrongly_says_so(void **state)
{
    unsigned char bytes[4096];
    struct ttlv_writer open = ttlv_writer(bytes, sizeof(bytes)), closed = open, deep = open,
                       empty = open, big = open;
    size_t size = 0;
    struct err err = {0};

    (void)state;
    ttlv_put_begin(&open, 0x420020);
    assert_false(ttlv_end(&open, &size, &err));
    ttlv_put_end(&closed);
    assert_false(ttlv_end(&closed, &size, &err));
    for (unsigned i = 0; i <= TTLV_MAX_DEPTH; i++) {
        ttlv_put_begin(&deep, 0x420020);
    }
    assert_false(ttlv_end(&deep, &size, &err));
    assert_false(ttlv_end(&empty, &size, &err));
    ttlv_put_big(&big, 0x420020, span_text("seven  "));
    assert_false(ttlv_end(&big, &size, &err));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_standards_examples_are_read_and_written_again),
        cmocka_unit_test(values_are_what_the_standard_says),
        cmocka_unit_test(a_message_cut_anywhere_is_refused),
        cmocka_unit_test(items_of_another_shape_are_refused),
        cmocka_unit_test(what_is_no_structure_or_is_followed_by_something_is_refused),
        cmocka_unit_test(nesting_has_a_ceiling),
        cmocka_unit_test(an_item_of_another_type_is_as_good_as_absent),
        cmocka_unit_test(a_writer_never_writes_beyond_its_room),
        cmocka_unit_test(a_writer_that_was_used_wrongly_says_so),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
