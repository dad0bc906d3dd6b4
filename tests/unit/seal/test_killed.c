/* SPDX-License-Identifier: Apache-2.0 */
/* Pours that are killed, and pours that stock tools read. */
#include "disk.h"

#include <pthread.h>
#include <sys/wait.h>

static unsigned writes_left;
static pthread_mutex_t writes_lock = PTHREAD_MUTEX_INITIALIZER;

static void cryptsetup_decrypts_what_was_poured(void **state)
{
    AUTO(drop_fd) int fd = image_make("image");
    AUTO(drop_disk) struct disk disk;
    AUTO(drop_source) struct source source;
    AUTO(drop_secret) struct secret *passphrase = NULL;
    AUTO(drop_free) char *header = scratch_path("detached"), *plain = NULL;
    AUTO(drop_free) unsigned char *expected = text_room(1, SIZE);
    struct pour_result result;
    size_t length = 0;
    struct err err = {0};

    (void)state;
    disk_make(&disk, "stock", SIZE);
    assert_true(source_file(fd, &source, &err));
    struct pour wanted = disk_pour(&disk, &source, SIZE);

    wanted.skip_zero = false; /* under plain LUKS a hole is noise */
    assert_true(pour(&wanted, &result, &err));
    assert_true(header_passphrase(disk.vm_key, DISK, &passphrase, &err));
    const char *const *argv =
        RUN("cryptsetup", "reencrypt", "--decrypt", "--batch-mode", "--force-offline-reencrypt",
            "--resilience", "datashift-checksum", "--header", header, "--key-file", "-", disk.path);

    assert_true(run_ok(&(struct run){.argv = argv, .secret = passphrase}, NULL, &err));
    assert_true(file_read(disk.path, 64 * MIB, &plain, &length, &err));
    assert_true(length >= SIZE);
    assert_true(file_pread(fd, expected, IMAGE, 0, &err));
    assert_memory_equal(plain, expected, SIZE);
}

/* The write after `writes_left` others is cut off in the middle, by a kill. */
static bool killing_write_at(struct image *image, uint64_t offset, const void *bytes, size_t length,
                             image_done *done, void *context, struct err *err)
{
    pthread_mutex_lock(&writes_lock);
    if (writes_left == 0) {
        const struct medium medium = {&file_image_io, image};

        medium_write(&medium, offset, bytes, length < 100000 ? length : 100000, err);
        kill(getpid(), SIGKILL);
    }
    writes_left--;
    pthread_mutex_unlock(&writes_lock);
    return file_image_io.write_at(image, offset, bytes, length, done, context, err);
}

/* A secret does not survive a fork: parent and child make the same one for themselves. */
static void known_key(struct disk *disk)
{
    struct err err = {0};

    secret_free(disk->vm_key);
    assert_true(secret_new(32, &disk->vm_key, &err));
    memset(secret_bytes(disk->vm_key), 7, 32);
}

static int pour_in_child(struct disk *disk, int fd)
{
    int status = 0;
    pid_t child = fork();

    if (child == 0) {
        struct source source;
        struct pour_result result;
        struct image_io io = file_image_io;
        struct err err = {0};

        known_key(disk);
        io.write_at = killing_write_at;
        if (!source_file(fd, &source, &err)) {
            _exit(3);
        }
        struct pour wanted = disk_pour(disk, &source, SIZE);

        wanted.raw.io = &io;
        _exit(pour(&wanted, &result, &err) ? 0 : 2);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    return status;
}

static void a_pour_killed_in_any_write_leaves_nothing_that_opens_and_is_poured_again(void **state)
{
    AUTO(drop_fd) int fd = image_make("image");
    unsigned killed = 0;
    int status = 1;

    (void)state;
    while (status != 0) {
        AUTO(drop_disk) struct disk disk;

        disk_make(&disk, "killed", SIZE);
        writes_left = killed;
        status = pour_in_child(&disk, fd);
        known_key(&disk);
        assert_int_equal(disk_opens(&disk), status == 0);
        assert_true(status == 0 || WIFSIGNALED(status));
        killed += status != 0;
        writes_left = 100;
        assert_int_equal(pour_in_child(&disk, fd), 0);
        assert_true(disk_opens(&disk));
        assert_same_content(&disk, fd);
    }
    assert_int_equal(killed, 5); /* three chunks, the header for comparing, the last header */
}

/* Killed here, all of the payload and the header for the comparison are written. */
static bool kill_reader(void *context, const struct secret *passphrase, struct medium *out,
                        struct err *err)
{
    (void)context, (void)passphrase, (void)out, (void)err;
    kill(getpid(), SIGKILL);
    return false;
}

static void an_unfinished_pour_says_so_itself(void **state)
{
    AUTO(drop_fd) int fd = image_make("image");
    AUTO(drop_disk) struct disk disk;
    AUTO(drop_free) unsigned char *header = text_room(1, HEADER_SIZE);
    AUTO(drop_header_facts) struct header_facts facts = {0};
    int status = 0;
    struct err err = {0};

    (void)state;
    disk_make(&disk, "unfinished", SIZE);
    pid_t child = fork();

    if (child == 0) {
        struct source source;
        struct pour_result result;

        known_key(&disk);
        if (!source_file(fd, &source, &err)) {
            _exit(3);
        }
        struct pour wanted = disk_pour(&disk, &source, SIZE);

        wanted.reader_open = kill_reader;
        _exit(pour(&wanted, &result, &err) ? 1 : 2);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status));
    const struct medium raw = disk_raw(&disk);

    known_key(&disk);
    assert_true(medium_read(&raw, 0, header, HEADER_SIZE, &err));
    assert_true(header_look(header, HEADER_SIZE, DISK, &facts, &err));
    assert_true(facts.unfinished);
    assert_string_equal(facts.envelope, HEADER_UNFINISHED);
    assert_false(disk_opens(&disk));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cryptsetup_decrypts_what_was_poured),
        cmocka_unit_test(a_pour_killed_in_any_write_leaves_nothing_that_opens_and_is_poured_again),
        cmocka_unit_test(an_unfinished_pour_says_so_itself),
    };

    return cmocka_run_group_tests(tests, scratch_begin, scratch_end);
}
