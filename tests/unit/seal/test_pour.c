/* SPDX-License-Identifier: Apache-2.0 */
#include "disk.h"

#include <pthread.h>

static void a_file_is_poured_and_reads_the_same(void **state)
{
    AUTO(drop_fd) int fd = image_make("image");
    AUTO(drop_disk) struct disk disk;
    AUTO(drop_source) struct source source;
    struct pour_result result;
    struct err err = {0};

    (void)state;
    disk_make(&disk, "poured", SIZE);
    assert_true(source_file(fd, &source, &err));
    struct pour wanted = disk_pour(&disk, &source, SIZE);

    assert_true(pour(&wanted, &result, &err));
    assert_int_equal(result.content, IMAGE);
    assert_int_equal(result.written, 12 * MIB);
    assert_int_equal(result.skipped, 28 * MIB);
    assert_true(result.compared >= 12 * MIB);
    assert_true(disk.opened);
    assert_true(disk_opens(&disk));
    assert_same_content(&disk, fd);
}

/* ---- streams ---- */

struct tape {
    struct frames_out *frames;
    size_t left;       /* bytes until it breaks */
    size_t flip;       /* this many bytes from now one is changed; 0: none */
    atomic_bool *stop; /* set when half of it is read */
};

static bool tape_read(void *context, void *to, size_t room, size_t *out_length, struct err *err)
{
    struct tape *tape = context;
    ssize_t length;

    room = room < tape->left ? room : tape->left;
    length = room ? frames_out_pull(tape->frames, to, room, err) : 0;
    if (length < 0) {
        return false;
    }
    tape->left -= (size_t)length;
    if (tape->flip && tape->flip <= (size_t)length) {
        ((unsigned char *)to)[tape->flip - 1] ^= 1;
        tape->flip = 0;
    } else if (tape->flip) {
        tape->flip -= (size_t)length;
    }
    if (tape->stop && tape->left < SIZE_MAX - 5 * MIB) {
        atomic_store(tape->stop, true);
    }
    *out_length = (size_t)length;
    return true;
}

static bool pour_tape(struct disk *disk, struct tape *tape, int fd, struct pour_result *out,
                      struct err *err)
{
    AUTO(drop_frames_out) struct frames_out *frames = NULL;
    AUTO(drop_source) struct source source = {0};

    assert_true(frames_out_new(fd, NULL, &frames, err));
    tape->frames = frames;
    if (!source_frames(tape_read, tape, &source, err)) {
        return false;
    }
    struct pour wanted = disk_pour(disk, &source, SIZE);

    wanted.stop = tape->stop;
    return pour(&wanted, out, err);
}

static void a_stream_is_poured_and_reads_the_same(void **state)
{
    AUTO(drop_fd) int fd = image_make("image");
    AUTO(drop_disk) struct disk disk;
    struct tape tape = {.left = SIZE_MAX};
    struct pour_result result;
    struct err err = {0};

    (void)state;
    disk_make(&disk, "streamed", SIZE);
    assert_true(pour_tape(&disk, &tape, fd, &result, &err));
    assert_same_content(&disk, fd);
    assert_true(disk_opens(&disk));
}

static void a_stream_changed_in_one_bit_leaves_nothing_that_opens(void **state)
{
    /* In the key, in the first data, in later data, in the digest. */
    const size_t places[] = {30, 56 + 12 + 1, 56 + 12 + 5 * MIB,
                             56 + 3 * 12 + 10 * MIB + 512 + 12 + 30};
    AUTO(drop_fd) int fd = image_make("image");

    (void)state;
    for (size_t i = 0; i < COUNT_OF(places); i++) {
        AUTO(drop_disk) struct disk disk;
        struct tape tape = {.left = SIZE_MAX, .flip = places[i]};
        struct pour_result result;
        struct err err = {0};

        disk_make(&disk, "changed", SIZE);
        assert_false(pour_tape(&disk, &tape, fd, &result, &err));
        assert_int_equal(tape.flip, 0); /* the place was reached */
        assert_true(err.kind == ERR_CLASH || err.kind == ERR_INPUT);
        assert_false(disk_opens(&disk));
        assert_false(disk.opened);
    }
}

static void a_stream_that_ends_early_leaves_nothing_that_opens(void **state)
{
    AUTO(drop_fd) int fd = image_make("image");
    AUTO(drop_disk) struct disk disk;
    struct tape tape = {.left = 6 * MIB};
    struct pour_result result;
    struct err err = {0};

    (void)state;
    disk_make(&disk, "early", SIZE);
    assert_false(pour_tape(&disk, &tape, fd, &result, &err));
    assert_int_equal(err.kind, ERR_INPUT);
    assert_false(disk_opens(&disk));
}

static void a_cancelled_pour_leaves_nothing_that_opens(void **state)
{
    AUTO(drop_fd) int fd = image_make("image");
    AUTO(drop_disk) struct disk disk;
    atomic_bool stop = false;
    struct tape tape = {.left = SIZE_MAX, .stop = &stop};
    struct pour_result result;
    struct err err = {0};

    (void)state;
    disk_make(&disk, "cancelled", SIZE);
    assert_false(pour_tape(&disk, &tape, fd, &result, &err));
    assert_int_equal(err.kind, ERR_AWAY);
    assert_false(disk_opens(&disk));
}

/* ---- holes ---- */

static void without_proven_holes_every_byte_is_written(void **state)
{
    AUTO(drop_fd) int fd = image_make("image");
    AUTO(drop_disk) struct disk disk;
    AUTO(drop_source) struct source source;
    AUTO(drop_free) unsigned char *raw = text_room(1, SIZE);
    struct pour_result result;
    struct err err = {0};

    (void)state;
    disk_make(&disk, "full", SIZE);
    assert_true(source_file(fd, &source, &err));
    struct pour wanted = disk_pour(&disk, &source, SIZE);
    const struct medium medium = disk_raw(&disk);

    wanted.skip_zero = false;
    assert_true(pour(&wanted, &result, &err));
    assert_int_equal(result.written, SIZE);
    assert_int_equal(result.skipped, 0);
    assert_true(medium_read(&medium, HEADER_SIZE, raw, SIZE, &err));
    for (uint64_t at = 0; at < SIZE; at += 4096) {
        assert_false(chunk_is_zero(raw + at, 4096));
    }
    assert_same_content(&disk, fd);
}

static void a_partly_zero_chunk_is_written_whole(void **state)
{
    AUTO(drop_fd) int fd = image_make("image");
    AUTO(drop_disk) struct disk disk;
    AUTO(drop_source) struct source source;
    AUTO(drop_free) unsigned char *raw = text_room(1, SIZE);
    struct pour_result result;
    struct err err = {0};

    (void)state;
    disk_make(&disk, "whole", SIZE);
    assert_true(source_file(fd, &source, &err));
    struct pour wanted = disk_pour(&disk, &source, SIZE);
    const struct medium medium = disk_raw(&disk);

    assert_true(pour(&wanted, &result, &err));
    assert_true(medium_read(&medium, HEADER_SIZE, raw, SIZE, &err));
    for (uint64_t at = 0; at < SIZE; at += 4096) {
        uint64_t chunk = at / CHUNK_SIZE;
        bool written = chunk == 0 || chunk == 2 || chunk == 6;

        assert_int_equal(chunk_is_zero(raw + at, 4096), !written);
    }
}

/* A chunk that has old ciphertext is no hole, even when it is all zeros now. */
static void an_image_poured_twice_holds_nothing_of_the_first(void **state)
{
    const struct extent other[] = {{4 * MIB, 8 * MIB}};
    AUTO(drop_fd) int first = scratch_image("first", IMAGE, other, 1);
    AUTO(drop_fd) int second = image_make("second");
    AUTO(drop_disk) struct disk disk;
    AUTO(drop_source) struct source a = {0}, b = {0};
    struct pour_result result;
    struct err err = {0};

    (void)state;
    disk_make(&disk, "twice", SIZE);
    assert_true(source_file(first, &a, &err));
    struct pour wanted = disk_pour(&disk, &a, SIZE);

    assert_true(pour(&wanted, &result, &err));
    assert_true(source_file(second, &b, &err));
    wanted.source = &b;
    assert_true(pour(&wanted, &result, &err));
    assert_int_equal(result.written, 16 * MIB); /* chunks 0, 2, 6 and zeros over chunk 1 */
    assert_same_content(&disk, second);
}

static void a_blank_disk_and_one_from_memory_are_poured(void **state)
{
    AUTO(drop_disk) struct disk blank, identity;
    AUTO(drop_source) struct source nothing = {0}, memory = {0};
    AUTO(drop_secret) struct secret *document = NULL;
    AUTO(drop_free) unsigned char *plain = NULL, *zeros = NULL;
    struct pour_result result;
    struct err err = {0};

    (void)state;
    disk_make(&blank, "blank", 9 * MIB);
    assert_true(source_blank(&nothing, &err));
    struct pour wanted = disk_pour(&blank, &nothing, 9 * MIB);

    assert_true(pour(&wanted, &result, &err));
    assert_int_equal(result.written, 0);
    zeros = disk_plain(&blank, 9 * MIB);
    assert_true(chunk_is_zero(zeros, 9 * MIB));

    disk_make(&identity, "identity", 16 * MIB);
    assert_true(secret_random(5 * MIB + 1, &document, &err));
    assert_true(source_secret(document, &memory, &err));
    wanted = disk_pour(&identity, &memory, 16 * MIB);
    assert_true(pour(&wanted, &result, &err));
    plain = disk_plain(&identity, 16 * MIB);
    assert_memory_equal(plain, secret_look(document), 5 * MIB + 1);
    assert_true(chunk_is_zero(plain + 5 * MIB + 1, 11 * MIB - 1));
}

/* ---- storage that lies ---- */

/* The reader of `disk`, with one fault. */
static struct fault {
    uint64_t offset; /* one bit of this byte reads wrong */
    size_t at_most;  /* in reads of at most so many bytes; 0: in all */
    bool fails;      /* reads fail instead */
} fault;

static bool faulty_read_at(struct image *image, uint64_t offset, void *bytes, size_t length,
                           image_done *done, void *context, struct err *err)
{
    const struct medium reader = {&file_image_io, image};

    if (fault.fails) {
        return err_set(err, ERR_AWAY, "no disk answers");
    }
    if (!medium_read(&reader, offset, bytes, length, err)) {
        return false;
    }
    if ((fault.at_most == 0 || length <= fault.at_most) && fault.offset >= offset &&
        fault.offset < offset + length) {
        ((unsigned char *)bytes)[fault.offset - offset] ^= 1;
    }
    done(context, NULL);
    return true;
}

static struct image_io faulty_io;

static bool faulty_open(void *context, const struct secret *passphrase, struct medium *out,
                        struct err *err)
{
    faulty_io = file_image_io;
    faulty_io.read_at = faulty_read_at;
    if (!disk_reader_open(context, passphrase, out, err)) {
        return false;
    }
    out->io = &faulty_io;
    return true;
}

static void assert_fault_is_found(const char *says)
{
    AUTO(drop_fd) int fd = image_make("image");
    AUTO(drop_disk) struct disk disk;
    AUTO(drop_source) struct source source;
    struct pour_result result;
    struct err err = {0};

    disk_make(&disk, "faulty", SIZE);
    assert_true(source_file(fd, &source, &err));
    struct pour wanted = disk_pour(&disk, &source, SIZE);

    wanted.reader_open = faulty_open;
    assert_false(pour(&wanted, &result, &err));
    if (!strstr(err.what, says)) {
        fail_msg("'%s' does not say '%s'", err.what, says);
    }
    assert_false(disk_opens(&disk));
}

static void what_comes_back_wrong_is_found_with_its_place(void **state)
{
    (void)state;
    fault = (struct fault){.offset = 0};
    assert_fault_is_found("offset 0 ");
    fault = (struct fault){.offset = 9 * MIB + 70000};
    assert_fault_is_found("offset 8388608 ");
    fault = (struct fault){.offset = 26 * MIB + 600}; /* zeros behind the image's end */
    assert_fault_is_found("offset 25165824 ");
}

/* The trap of DESIGN.md: large reads are right, small ones read noise where zeros should be. */
static void noise_in_small_reads_of_a_hole_is_found(void **state)
{
    (void)state;
    fault = (struct fault){.offset = 4 * MIB + 5, .at_most = 4096};
    assert_fault_is_found("offset 4194304 ");
    fault = (struct fault){.offset = 12 * MIB - 1, .at_most = 4096};
    assert_fault_is_found("offset 12578816 ");
    fault = (struct fault){.offset = SIZE - 1, .at_most = 4096};
    assert_fault_is_found("offset 41938944 ");
}

static void a_reader_that_fails_fails_the_pour(void **state)
{
    (void)state;
    fault = (struct fault){.fails = true};
    assert_fault_is_found("no disk answers");
}

static bool no_reader(void *context, const struct secret *passphrase, struct medium *out,
                      struct err *err)
{
    (void)context, (void)passphrase, (void)out;
    return err_set(err, ERR_AWAY, "the datastore is away");
}

static unsigned writes_left;
static pthread_mutex_t writes_lock = PTHREAD_MUTEX_INITIALIZER;

static bool failing_write_at(struct image *image, uint64_t offset, const void *bytes, size_t length,
                             image_done *done, void *context, struct err *err)
{
    const struct err late = {.kind = ERR_SYSTEM, .what = "the disk is full"};
    bool fails;

    pthread_mutex_lock(&writes_lock);
    fails = writes_left == 0;
    writes_left -= !fails;
    pthread_mutex_unlock(&writes_lock);
    if (fails) { /* begun, and then it went wrong */
        done(context, &late);
        return true;
    }
    return file_image_io.write_at(image, offset, bytes, length, done, context, err);
}

/* Three chunks, the header for comparing, the last header. */
static void a_write_that_fails_anywhere_leaves_nothing_that_opens(void **state)
{
    AUTO(drop_fd) int fd = image_make("image");
    struct image_io io = file_image_io;
    unsigned failed = 0;
    bool done = false;

    (void)state;
    io.write_at = failing_write_at;
    for (unsigned allowed = 0; !done; allowed++) {
        AUTO(drop_disk) struct disk disk;
        AUTO(drop_source) struct source source;
        struct pour_result result;
        struct err err = {0};

        assert_in_range(allowed, 0, 20);
        disk_make(&disk, "failing", SIZE);
        assert_true(source_file(fd, &source, &err));
        struct pour wanted = disk_pour(&disk, &source, SIZE);

        wanted.raw.io = &io;
        writes_left = allowed;
        done = pour(&wanted, &result, &err);
        assert_int_equal(disk_opens(&disk), done);
        failed += !done;
    }
    assert_int_equal(failed, 5);
}

/* ---- refusals ---- */

static bool try(struct disk *disk, struct source *source, uint64_t size, struct err *err)
{
    struct pour wanted = disk_pour(disk, source, size);
    struct pour_result result;

    return pour(&wanted, &result, err);
}

static void what_does_not_fit_is_refused(void **state)
{
    AUTO(drop_fd) int fd = image_make("image");
    AUTO(drop_disk) struct disk disk;
    AUTO(drop_source) struct source source;
    struct err err = {0};

    (void)state;
    disk_make(&disk, "small", 20 * MIB);
    assert_true(source_file(fd, &source, &err));
    assert_false(try(&disk, &source, 20 * MIB, &err)); /* the image is larger */
    assert_int_equal(err.kind, ERR_INPUT);
    assert_false(try(&disk, &source, 28 * MIB, &err)); /* the datastore's image is smaller */
    assert_int_equal(err.kind, ERR_CLASH);
    assert_false(try(&disk, &source, 28 * MIB + 512, &err)); /* no whole sectors */
    assert_int_equal(err.kind, ERR_INPUT);
    assert_false(disk_opens(&disk));
}

static void the_datastore_away_before_the_comparison_fails_the_pour(void **state)
{
    AUTO(drop_fd) int fd = image_make("image");
    AUTO(drop_disk) struct disk disk;
    AUTO(drop_source) struct source source;
    struct pour_result result;
    struct err err = {0};

    (void)state;
    disk_make(&disk, "away", SIZE);
    assert_true(source_file(fd, &source, &err));
    struct pour wanted = disk_pour(&disk, &source, SIZE);

    wanted.reader_open = no_reader;
    assert_false(pour(&wanted, &result, &err));
    assert_int_equal(err.kind, ERR_AWAY);
    assert_false(disk_opens(&disk));
}

/* ---- progress ---- */

static unsigned told_last, told_count;

static void listen(void *context, unsigned percent, const char *what)
{
    (void)context;
    assert_non_null(what);
    told_last = percent;
    told_count++;
}

static void progress_ends_at_a_hundred(void **state)
{
    AUTO(drop_fd) int fd = image_make("image");
    AUTO(drop_disk) struct disk disk;
    AUTO(drop_source) struct source source;
    const struct progress progress = {.tell = listen};
    struct pour_result result;
    struct err err = {0};

    (void)state;
    disk_make(&disk, "told", SIZE);
    assert_true(source_file(fd, &source, &err));
    struct pour wanted = disk_pour(&disk, &source, SIZE);

    wanted.progress = &progress;
    assert_true(pour(&wanted, &result, &err));
    assert_int_equal(told_last, 100);
    assert_true(told_count > 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_file_is_poured_and_reads_the_same),
        cmocka_unit_test(a_stream_is_poured_and_reads_the_same),
        cmocka_unit_test(a_stream_changed_in_one_bit_leaves_nothing_that_opens),
        cmocka_unit_test(a_stream_that_ends_early_leaves_nothing_that_opens),
        cmocka_unit_test(a_cancelled_pour_leaves_nothing_that_opens),
        cmocka_unit_test(without_proven_holes_every_byte_is_written),
        cmocka_unit_test(a_partly_zero_chunk_is_written_whole),
        cmocka_unit_test(an_image_poured_twice_holds_nothing_of_the_first),
        cmocka_unit_test(a_blank_disk_and_one_from_memory_are_poured),
        cmocka_unit_test(what_comes_back_wrong_is_found_with_its_place),
        cmocka_unit_test(noise_in_small_reads_of_a_hole_is_found),
        cmocka_unit_test(a_reader_that_fails_fails_the_pour),
        cmocka_unit_test(a_write_that_fails_anywhere_leaves_nothing_that_opens),
        cmocka_unit_test(what_does_not_fit_is_refused),
        cmocka_unit_test(the_datastore_away_before_the_comparison_fails_the_pour),
        cmocka_unit_test(progress_ends_at_a_hundred),
    };

    return cmocka_run_group_tests(tests, scratch_begin, scratch_end);
}
