/* SPDX-License-Identifier: Apache-2.0 */
#include "../scratch.h"

#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>

static void a_file_is_read_as_it_was_written(void **state)
{
    AUTO(drop_free) char *path = scratch_path("a");
    AUTO(drop_free) char *back = NULL;
    struct stat st;
    size_t length = 0;
    struct err err = {0};

    (void)state;
    assert_true(file_write(path, "x\0y", 3, 0640, &err));
    assert_true(file_read(path, 3, &back, &length, &err));
    assert_int_equal(length, 3);
    assert_memory_equal(back, "x\0y", 4);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0640);
}

static void a_file_over_the_ceiling_is_refused(void **state)
{
    AUTO(drop_free) char *path = scratch_path("a");
    char *back = NULL;
    struct err err = {0};

    (void)state;
    assert_true(file_write(path, "four", 4, 0600, &err));
    assert_false(file_read(path, 3, &back, NULL, &err));
    assert_int_equal(err.kind, ERR_INPUT);
    assert_null(back);
    /* Also one that says it has no size, and never ends. */
    assert_false(file_read("/dev/zero", 100000, &back, NULL, &err));
    assert_int_equal(err.kind, ERR_INPUT);
}

static void a_file_of_proc_is_read_to_its_end(void **state)
{
    AUTO(drop_free) char *back = NULL;
    size_t length = 0;
    struct err err = {0};

    (void)state;
    assert_true(file_read("/proc/self/status", 65536, &back, &length, &err));
    assert_true(length > 100);
}

static void what_is_not_there_is_absent(void **state)
{
    AUTO(drop_free) char *path = scratch_path("nothing/at/all");
    char *back = NULL;
    struct err err = {0};

    (void)state;
    assert_false(file_read(path, 10, &back, NULL, &err));
    assert_int_equal(err.kind, ERR_ABSENT);
    assert_false(file_write(path, "x", 1, 0600, &err));
    assert_int_equal(err.kind, ERR_ABSENT);
    assert_false(file_exists(path));
    assert_true(file_remove(path, &err));
    assert_true(file_remove_tree(path, &err));
}

#define SIZE (1024 * 1024)

static void write_for_ever(const char *path)
{
    struct err err = {0};

    for (char fill = 'a';; fill = fill == 'z' ? 'a' : (char)(fill + 1)) {
        char *bytes = text_room(SIZE, 1);

        memset(bytes, fill, SIZE);
        if (!file_write(path, bytes, SIZE, 0600, &err)) {
            _exit(1);
        }
        free(bytes);
    }
}

static void assert_whole(const char *path)
{
    AUTO(drop_free) char *back = NULL;
    size_t length = 0;
    struct err err = {0};

    assert_true(file_read(path, SIZE, &back, &length, &err));
    assert_int_equal(length, SIZE);
    for (size_t i = 1; i < SIZE; i++) {
        assert_int_equal(back[i], back[0]);
    }
}

static void a_writer_killed_at_any_moment_leaves_the_old_or_the_new_file(void **state)
{
    AUTO(drop_free) char *path = scratch_path("killed");
    AUTO(drop_free) char *first = text_room(SIZE, 1);
    struct err err = {0};

    (void)state;
    memset(first, 'A', SIZE);
    assert_true(file_write(path, first, SIZE, 0600, &err));
    for (unsigned i = 0; i < 40; i++) {
        int status = 0;
        pid_t pid = fork();

        if (pid == 0) {
            write_for_ever(path);
        }
        nanosleep(&(struct timespec){0, 1000000L + 700000L * i}, NULL);
        assert_int_equal(kill(pid, SIGKILL), 0);
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFSIGNALED(status));
        assert_whole(path);
    }
}

static void a_write_that_fails_keeps_the_old_file(void **state)
{
    AUTO(drop_free) char *path = scratch_path("folder-in-the-way");
    AUTO(drop_free) char *inside = scratch_path("folder-in-the-way/x");
    struct err err = {0};

    (void)state;
    assert_true(file_make_folder(inside, 0700, &err));
    assert_false(file_write(path, "x", 1, 0600, &err));
    assert_true(file_exists(inside));
    AUTO(drop_free) char *out = NULL;
    assert_true(
        run_ok(&(struct run){.argv = RUN("find", scratch_folder, "-name", "folder-in-the-way.*")},
               &out, &err));
    assert_string_equal(out, "");
}

static void folders_are_made_down_to_the_last(void **state)
{
    AUTO(drop_free) char *path = scratch_path("p/q/r");
    struct stat st;
    struct err err = {0};

    (void)state;
    assert_true(file_make_folder(path, 0700, &err));
    assert_int_equal(stat(path, &st), 0);
    assert_true(S_ISDIR(st.st_mode));
    assert_int_equal(st.st_mode & 07777, 0700);
    assert_true(file_make_folder(path, 0755, &err));
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0700);
}

static void removing_a_tree_does_not_follow_links(void **state)
{
    AUTO(drop_free) char *kept = scratch_path("kept");
    AUTO(drop_free) char *tree = scratch_path("tree");
    AUTO(drop_free) char *inside = scratch_path("tree/inside");
    AUTO(drop_free) char *link = scratch_path("tree/inside/link");
    AUTO(drop_free) char *file = scratch_path("kept/file");
    struct err err = {0};

    (void)state;
    assert_true(file_make_folder(kept, 0700, &err) && file_make_folder(inside, 0700, &err));
    assert_true(file_write(file, "x", 1, 0600, &err));
    assert_int_equal(symlink(kept, link), 0);
    assert_true(file_remove_tree(tree, &err));
    assert_false(file_exists(tree));
    assert_true(file_exists(file));
}

static void exactly_the_bytes_at_an_offset_are_read_and_written(void **state)
{
    int fd = scratch_image("at", 100, NULL, 0);
    char back[4];
    struct err err = {0};

    (void)state;
    assert_true(file_pwrite(fd, "abcd", 4, 96, &err));
    assert_true(file_pread(fd, back, 4, 96, &err));
    assert_memory_equal(back, "abcd", 4);
    assert_false(file_pread(fd, back, 4, 97, &err));
    assert_int_equal(err.kind, ERR_SYSTEM);
    close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_file_is_read_as_it_was_written),
        cmocka_unit_test(a_file_over_the_ceiling_is_refused),
        cmocka_unit_test(a_file_of_proc_is_read_to_its_end),
        cmocka_unit_test(what_is_not_there_is_absent),
        cmocka_unit_test(a_writer_killed_at_any_moment_leaves_the_old_or_the_new_file),
        cmocka_unit_test(a_write_that_fails_keeps_the_old_file),
        cmocka_unit_test(folders_are_made_down_to_the_last),
        cmocka_unit_test(removing_a_tree_does_not_follow_links),
        cmocka_unit_test(exactly_the_bytes_at_an_offset_are_read_and_written),
    };

    return cmocka_run_group_tests(tests, scratch_begin, scratch_end);
}
