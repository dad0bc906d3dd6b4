/* SPDX-License-Identifier: Apache-2.0 */
#include "../scratch.h"

#include <endian.h>

#include "base/encode.h"
#include "base/frames.h"

#define MIB   (1u << 20)
#define START 56u

/* A stream in memory, given in pieces of at most `piece` bytes. */
struct tape {
    const unsigned char *bytes;
    size_t length, at, piece;
};

static bool tape_read(void *context, void *to, size_t room, size_t *out_length, struct err *err)
{
    struct tape *tape = context;
    size_t left = tape->length - tape->at;

    (void)err;
    *out_length = left < room ? left : room;
    *out_length = tape->piece && *out_length > tape->piece ? tape->piece : *out_length;
    memcpy(to, tape->bytes + tape->at, *out_length);
    tape->at += *out_length;
    return true;
}

static bool record(int fd, const char *sha256, size_t room, struct text *out, struct err *err)
{
    AUTO(drop_frames_out) struct frames_out *frames = NULL;
    AUTO(drop_free) char *piece = text_room(1, room);
    ssize_t length;

    if (!frames_out_new(fd, sha256, &frames, err)) {
        return false;
    }
    while ((length = frames_out_pull(frames, piece, room, err)) > 0) {
        text_add_bytes(out, piece, (size_t)length);
    }
    return length == 0;
}

/* Plays a stream back into `into` (zeros before); false with err on any refusal. */
static bool play(struct tape *tape, unsigned char *into, uint64_t size, struct err *err)
{
    AUTO(drop_frames_in) struct frames_in *frames = NULL;
    AUTO(drop_free) unsigned char *chunk = text_room(1, CHUNK_SIZE);
    uint64_t index, last = 0;
    size_t length;

    if (!frames_in_new(tape_read, tape, &frames, err)) {
        return false;
    }
    assert_int_equal(frames_in_size(frames), size);
    for (;;) {
        memset(chunk, 0xa5, CHUNK_SIZE); /* what is not written to shows */
        if (!frames_in_next(frames, chunk, &index, &length, err)) {
            assert_null(frames_in_digest(frames));
            return false;
        }
        if (length == 0) {
            assert_non_null(frames_in_digest(frames));
            return true;
        }
        assert_true(index >= last && index * CHUNK_SIZE + length <= size);
        last = index + 1;
        memcpy(into + index * CHUNK_SIZE, chunk, length);
    }
}

static void a_round_trip_gives_the_same_content_however_it_is_cut(void **state)
{
    const struct extent extents[] = {{0, 1000}, {5 * MIB, 2 * MIB}, {19 * MIB + 77, 1}};
    const uint64_t size = 21 * MIB + 512;
    const size_t pieces[] = {1u << 16, 4096 + 13, 8 * MIB};
    AUTO(drop_free) unsigned char *plain = text_room(1, size);
    AUTO(drop_fd) int fd = scratch_image("sparse", size, extents, COUNT_OF(extents));
    struct err err = {0};

    (void)state;
    assert_true(file_pread(fd, plain, size, 0, &err));
    for (size_t i = 0; i < COUNT_OF(pieces); i++) {
        AUTO(drop_text) struct text stream = {0};
        AUTO(drop_free) unsigned char *back = text_room(1, size);

        assert_true(record(fd, NULL, pieces[i], &stream, &err));
        /* Three chunks of six are holes. */
        assert_true(stream.length < 13 * (size_t)MIB);
        struct tape tape = {(unsigned char *)stream.bytes, stream.length, 0, pieces[i] / 3};

        assert_true(play(&tape, back, size, &err));
        assert_memory_equal(back, plain, size);
    }
}

static void zeros_and_holes_have_the_same_digest(void **state)
{
    const struct extent extents[] = {{5 * MIB, MIB}};
    AUTO(drop_free) unsigned char *bytes = text_room(1, 12 * MIB);
    AUTO(drop_fd) int sparse = scratch_image("a", 12 * MIB, extents, 1);
    AUTO(drop_fd) int full = scratch_image("b", 12 * MIB, NULL, 0);
    AUTO(drop_text) struct text a = {0}, b = {0};
    struct err err = {0};

    (void)state;
    assert_true(file_pread(sparse, bytes, 12 * MIB, 0, &err));
    assert_true(file_pwrite(full, bytes, 12 * MIB, 0, &err));
    assert_true(record(sparse, NULL, MIB, &a, &err));
    assert_true(record(full, NULL, MIB, &b, &err));
    assert_int_equal(a.length, b.length); /* keys differ, so digests do; the frames do not */
    assert_memory_equal(a.bytes, b.bytes, 24);
}

static void the_end_is_given_only_when_the_sha256_is_right(void **state)
{
    const struct extent extents[] = {{9 * MIB, 5000}};
    AUTO(drop_free) unsigned char *bytes = text_room(1, 10 * MIB);
    AUTO(drop_fd) int fd = scratch_image("hashed", 10 * MIB, extents, 1);
    AUTO(drop_text) struct text right = {0}, upper = {0}, wrong = {0};
    char digest[DIGEST_HEX_SIZE];
    struct err err = {0};

    (void)state;
    assert_true(file_pread(fd, bytes, 10 * MIB, 0, &err));
    digest_hex(bytes, 10 * MIB, digest);
    assert_true(record(fd, digest, MIB, &right, &err));
    for (char *c = digest; *c; c++) {
        *c = *c >= 'a' ? (char)(*c - 32) : *c;
    }
    assert_true(record(fd, digest, MIB, &upper, &err));
    digest[0] = digest[0] == '0' ? '1' : '0';
    assert_false(record(fd, digest, MIB, &wrong, &err));
    assert_int_equal(err.kind, ERR_CLASH);
    assert_int_equal(wrong.length + 44, right.length);
    assert_false(record(fd, "abc", MIB, &wrong, &err));
    assert_int_equal(err.kind, ERR_INPUT);
}

static void an_empty_image_is_refused(void **state)
{
    AUTO(drop_fd) int fd = scratch_image("empty", 0, NULL, 0);
    AUTO(drop_text) struct text stream = {0};
    struct err err = {0};

    (void)state;
    assert_false(record(fd, NULL, MIB, &stream, &err));
    assert_int_equal(err.kind, ERR_INPUT);
}

/* ---- hostile streams ---- */

static void add_number(struct text *text, uint64_t number, size_t bytes)
{
    uint64_t wire = htobe64(number << (64 - 8 * bytes));

    text_add_bytes(text, (const char *)&wire, bytes);
}

static void add_start(struct text *text, const char *magic, unsigned version, uint64_t size)
{
    const char key[CHUNK_KEY_SIZE] = {0};

    text_add_bytes(text, magic, 8);
    add_number(text, version, 4);
    add_number(text, 0, 4);
    add_number(text, size, 8);
    text_add_bytes(text, key, sizeof(key));
}

static void add_frame(struct text *text, uint64_t offset, uint32_t length, size_t bytes)
{
    AUTO(drop_free) char *data = text_room(1, bytes + 1);

    add_number(text, offset, 8);
    add_number(text, length, 4);
    text_add_bytes(text, data, bytes);
}

static void assert_refused(const struct text *stream, uint64_t size)
{
    AUTO(drop_free) unsigned char *back = text_room(1, 32 * MIB);
    struct tape tape = {(unsigned char *)stream->bytes, stream->length, 0, 0};
    struct err err = {0};

    assert_false(play(&tape, back, size, &err));
    assert_int_equal(err.kind, ERR_INPUT);
}

/* A stream of `size` bytes with one or two frames, then its end. */
static void assert_frames_refused(uint64_t size, uint64_t offset, uint32_t length, uint64_t offset2,
                                  uint32_t length2)
{
    AUTO(drop_text) struct text stream = {0};

    add_start(&stream, "QUOINIMG", 1, size);
    add_frame(&stream, offset, length, length <= CHUNK_SIZE ? length : 64);
    if (length2) {
        add_frame(&stream, offset2, length2, length2);
    }
    add_frame(&stream, UINT64_MAX, CONTENT_DIGEST, CONTENT_DIGEST);
    assert_refused(&stream, size);
}

static void frames_that_break_the_rules_are_refused(void **state)
{
    (void)state;
    assert_frames_refused(8 * MIB, 0, 0, 0, 0);                 /* empty */
    assert_frames_refused(32 * MIB, 0, CHUNK_SIZE + 1, 0, 0);   /* too long */
    assert_frames_refused(32 * MIB, 0, UINT32_MAX, 0, 0);       /* far too long */
    assert_frames_refused(32 * MIB, 4 * MIB - 1, 2, 0, 0);      /* over a boundary */
    assert_frames_refused(8 * MIB, 8 * MIB, 1, 0, 0);           /* behind the end */
    assert_frames_refused(8 * MIB + 5, 8 * MIB, 6, 0, 0);       /* over the end */
    assert_frames_refused(8 * MIB, UINT64_MAX - 1, 4096, 0, 0); /* wraps around */
    assert_frames_refused(8 * MIB, 4096, 4096, 4096, 4096);     /* twice */
    assert_frames_refused(8 * MIB, 4096, 4096, 8191, 1);        /* overlaps */
    assert_frames_refused(8 * MIB, 4 * MIB, 4096, 0, 4096);     /* descends */
}

static void a_wrong_start_or_end_is_refused(void **state)
{
    AUTO(drop_text) struct text magic = {0}, version = {0}, empty = {0}, huge = {0}, end = {0};
    AUTO(drop_text) struct text more = {0};

    (void)state;
    add_start(&magic, "QUOINIMX", 1, MIB);
    assert_refused(&magic, MIB);
    add_start(&version, "QUOINIMG", 2, MIB);
    assert_refused(&version, MIB);
    add_start(&empty, "QUOINIMG", 1, 0);
    assert_refused(&empty, 0);
    add_start(&huge, "QUOINIMG", 1, CHUNK_MAX_CONTENT + 1);
    assert_refused(&huge, CHUNK_MAX_CONTENT + 1);
    add_start(&end, "QUOINIMG", 1, MIB);
    add_frame(&end, UINT64_MAX, 31, 31);
    assert_refused(&end, MIB);
    add_start(&more, "QUOINIMG", 1, MIB);
    add_frame(&more, UINT64_MAX, CONTENT_DIGEST, CONTENT_DIGEST + 1);
    assert_refused(&more, MIB);
}

static void a_stream_cut_anywhere_is_refused(void **state)
{
    AUTO(drop_text) struct text stream = {0};
    AUTO(drop_free) unsigned char *back = text_room(1, MIB);
    struct err err = {0};

    (void)state;
    add_start(&stream, "QUOINIMG", 1, MIB);
    add_frame(&stream, 10, 100, 100);
    add_frame(&stream, 5000, 100, 100);
    add_frame(&stream, UINT64_MAX, CONTENT_DIGEST, CONTENT_DIGEST);
    for (size_t length = 0; length < stream.length; length++) {
        struct tape tape = {(unsigned char *)stream.bytes, length, 0, 0};

        assert_false(play(&tape, back, MIB, &err));
        assert_int_equal(err.kind, ERR_INPUT);
    }
    struct tape whole = {(unsigned char *)stream.bytes, stream.length, 0, 0};

    assert_true(play(&whole, back, MIB, &err));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_round_trip_gives_the_same_content_however_it_is_cut),
        cmocka_unit_test(zeros_and_holes_have_the_same_digest),
        cmocka_unit_test(the_end_is_given_only_when_the_sha256_is_right),
        cmocka_unit_test(an_empty_image_is_refused),
        cmocka_unit_test(frames_that_break_the_rules_are_refused),
        cmocka_unit_test(a_wrong_start_or_end_is_refused),
        cmocka_unit_test(a_stream_cut_anywhere_is_refused),
    };

    return cmocka_run_group_tests(tests, scratch_begin, scratch_end);
}
