/* SPDX-License-Identifier: Apache-2.0 */
/* What secret.h promises, seen from outside: by the kernel, by a child, by a core dump's rules. */
#include "../scratch.h"

#include <stdio.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "base/secret_open.h"

/* The VmFlags of the mapping that holds `address`, as the kernel tells them. */
static void vm_flags(const void *address, char *out, size_t size)
{
    FILE *maps = fopen("/proc/self/smaps", "re");
    char line[512]; /* the flags are 3 bytes each */
    bool here = false;

    assert_non_null(maps);
    out[0] = '\0';
    while (fgets(line, sizeof(line), maps)) {
        unsigned long from = 0, to = 0;

        if (sscanf(line, "%lx-%lx ", &from, &to) == 2) {
            here = (uintptr_t)address >= from && (uintptr_t)address < to;
        } else if (here && strncmp(line, "VmFlags:", 8) == 0) {
            (void)snprintf(out, size, "%s", line + 8);
            break;
        }
    }
    (void)fclose(maps);
}

static void a_secret_is_locked_left_out_of_dumps_and_wiped_on_fork(void **state)
{
    static const size_t sizes[] = {1, 32, 4096, 100000, 4 * 1024 * 1024};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(sizes); i++) {
        AUTO(drop_secret) struct secret *secret = NULL;
        char first[512], last[512];
        struct err err = {0};

        assert_true(secret_new(sizes[i], &secret, &err));
        vm_flags(secret_bytes(secret), first, sizeof(first));
        vm_flags(secret_bytes(secret) + sizes[i] - 1, last, sizeof(last));
        assert_string_equal(first, last);
        assert_non_null(strstr(first, " lo "));
        assert_non_null(strstr(first, " dd "));
        assert_non_null(strstr(first, " wf "));
    }
}

static void a_new_secret_is_zero(void **state)
{
    AUTO(drop_secret) struct secret *secret = NULL;
    static const unsigned char zero[64];
    struct err err = {0};

    (void)state;
    assert_true(secret_new(64, &secret, &err));
    assert_int_equal(secret_size(secret), 64);
    assert_memory_equal(secret_look(secret), zero, 64);
}

static void a_child_does_not_see_the_bytes(void **state)
{
    AUTO(drop_secret) struct secret *secret = NULL;
    int status = 0;
    struct err err = {0};

    (void)state;
    assert_true(secret_new(64, &secret, &err));
    memset(secret_bytes(secret), 0x5a, 64);
    pid_t pid = fork();
    if (pid == 0) {
        const unsigned char *bytes = secret_look(secret);
        int seen = 0;

        for (int i = 0; i < 64; i++) {
            seen |= bytes[i];
        }
        _exit(seen);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    assert_int_equal(secret_look(secret)[63], 0x5a);
}

/* In a child: its limit cannot be raised again. */
static int without_lockable_memory(void)
{
    const struct rlimit none = {0, 0};
    struct secret *secret = NULL;
    struct err err = {0};

    if (setrlimit(RLIMIT_MEMLOCK, &none) != 0 || (geteuid() == 0 && setuid(65534) != 0)) {
        return 2;
    }
    return !secret_new(32, &secret, &err) && err.kind == ERR_SYSTEM && !secret &&
                   strstr(err.remedy, "LimitMEMLOCK")
               ? 0
               : 1;
}

static void a_secret_that_cannot_be_locked_is_refused(void **state)
{
    int status = 0;

    (void)state;
    pid_t pid = fork();
    if (pid == 0) {
        _exit(without_lockable_memory());
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
}

static void a_size_of_nothing_or_too_much_is_refused(void **state)
{
    static const size_t sizes[] = {0, SECRET_MAX + 1u, SIZE_MAX};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(sizes); i++) {
        struct secret *secret = NULL;
        struct err err = {0};

        assert_false(secret_new(sizes[i], &secret, &err));
        assert_int_equal(err.kind, ERR_INPUT);
        assert_null(secret);
    }
}

static void random_secrets_differ(void **state)
{
    AUTO(drop_secret) struct secret *a = NULL, *b = NULL, *copy = NULL;
    struct err err = {0};

    (void)state;
    assert_true(secret_random(32, &a, &err) && secret_random(32, &b, &err));
    assert_true(secret_copy(a, &copy, &err));
    assert_false(secret_equal(a, b));
    assert_true(secret_equal(a, copy));
    secret_cut(copy, 31);
    assert_false(secret_equal(a, copy));
}

static void hexadecimal_digits_lead_back_to_the_secret(void **state)
{
    (void)state;
    for (size_t size = 1; size < 100; size++) {
        AUTO(drop_secret) struct secret *secret = NULL, *hex = NULL, *back = NULL;
        struct err err = {0};

        assert_true(secret_random(size, &secret, &err) && secret_to_hex(secret, &hex, &err));
        assert_int_equal(secret_size(hex), 2 * size);
        assert_true(secret_from_hex(hex, &back, &err));
        assert_true(secret_equal(secret, back));
    }
}

static struct secret *secret_of(const char *text)
{
    struct secret *secret = NULL;
    struct err err = {0};

    assert_true(secret_new(strlen(text), &secret, &err));
    memcpy(secret_bytes(secret), text, strlen(text));
    return secret;
}

static void what_is_not_hexadecimal_is_refused(void **state)
{
    static const char *const wrong[] = {"0", "0g", "g0", "0 ", "abc", "\xff\xff"};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(wrong); i++) {
        AUTO(drop_secret) struct secret *hex = secret_of(wrong[i]), *back = NULL;
        struct err err = {0};

        assert_false(secret_from_hex(hex, &back, &err));
        assert_int_equal(err.kind, ERR_INPUT);
        assert_null(back);
    }
}

static void cutting_wipes_what_is_cut(void **state)
{
    AUTO(drop_secret) struct secret *secret = secret_of("password\n");

    (void)state;
    secret_cut(secret, 8);
    assert_int_equal(secret_size(secret), 8);
    assert_memory_equal(secret_look(secret), "password\0", 9);
    secret_cut(secret, 100);
    assert_int_equal(secret_size(secret), 8);
}

static bool read_file(const char *name, const char *content, mode_t mode, bool line,
                      struct secret **out, struct err *err)
{
    AUTO(drop_free) char *path = scratch_path(name);

    assert_true(file_write(path, content, strlen(content), mode, err));
    return secret_read_file(path, 16, line, out, err);
}

static void a_closed_file_is_read_and_its_newline_cut_if_asked(void **state)
{
    AUTO(drop_secret) struct secret *line = NULL, *all = NULL;
    struct err err = {0};

    (void)state;
    assert_true(read_file("s", "word\n\n", 0600, true, &line, &err));
    assert_int_equal(secret_size(line), 5);
    assert_memory_equal(secret_look(line), "word\n", 5);
    assert_true(read_file("s", "word\n", 0400, false, &all, &err));
    assert_int_equal(secret_size(all), 5);
}

static void a_file_that_others_may_touch_is_denied(void **state)
{
    static const mode_t modes[] = {0604, 0640, 0602, 0620, 0601, 0777};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(modes); i++) {
        struct secret *secret = NULL;
        struct err err = {0};

        assert_false(read_file("s", "word", modes[i], false, &secret, &err));
        assert_int_equal(err.kind, ERR_DENIED);
        assert_non_null(strstr(err.remedy, "chmod 600"));
        assert_null(secret);
    }
}

/* `sudo quoin` works on the files of whoever called it. */
static void root_reads_a_users_closed_file_and_another_user_does_not(void **state)
{
    AUTO(drop_free) char *path = scratch_path("theirs");
    AUTO(drop_secret) struct secret *read = NULL;
    struct secret *secret = NULL;
    struct err err = {0};

    (void)state;
    if (geteuid() != 0) {
        skip();
    }
    assert_true(file_write(path, "word", 4, 0600, &err));
    assert_int_equal(chown(path, 65534, 65534), 0);
    assert_true(secret_read_file(path, 16, false, &read, &err));
    assert_int_equal(seteuid(65533), 0);
    bool denied = !secret_read_file(path, 16, false, &secret, &err);
    assert_int_equal(seteuid(0), 0);
    assert_true(denied);
    assert_int_equal(err.kind, ERR_DENIED);
}

static void a_file_too_long_or_empty_is_refused(void **state)
{
    AUTO(drop_secret) struct secret *just = NULL;
    struct secret *secret = NULL;
    struct err err = {0};

    (void)state;
    assert_true(read_file("s", "0123456789abcdef", 0600, false, &just, &err));
    assert_false(read_file("s", "0123456789abcdefg", 0600, false, &secret, &err));
    assert_int_equal(err.kind, ERR_INPUT);
    assert_false(read_file("s", "", 0600, false, &secret, &err));
    assert_int_equal(err.kind, ERR_INPUT);
    assert_false(read_file("s", "\n", 0600, true, &secret, &err));
    assert_int_equal(err.kind, ERR_INPUT);
    assert_false(secret_read_file(scratch_folder, 16, false, &secret, &err));
    assert_false(secret_read_file("/dev/zero", 16, false, &secret, &err));
    assert_null(secret);
}

static void a_pipe_carries_a_secret_whole(void **state)
{
    AUTO(drop_secret) struct secret *secret = NULL, *back = NULL;
    int pipe_ends[2];
    struct err err = {0};

    (void)state;
    assert_true(secret_random(60000, &secret, &err));
    assert_int_equal(pipe(pipe_ends), 0);
    assert_true(secret_write(secret, pipe_ends[1], &err));
    close(pipe_ends[1]);
    assert_true(secret_read(pipe_ends[0], 60000, &back, &err));
    close(pipe_ends[0]);
    assert_true(secret_equal(secret, back));
}

static int guarded(void)
{
    struct rlimit core;
    struct err err = {0};

    if (!secret_guard_process(&err) || getrlimit(RLIMIT_CORE, &core) != 0) {
        return 2;
    }
    return core.rlim_max == 0 && prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) == 0 ? 0 : 1;
}

static void a_guarded_process_leaves_no_core(void **state)
{
    int status = 0;

    (void)state;
    pid_t pid = fork();
    if (pid == 0) {
        _exit(guarded());
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_secret_is_locked_left_out_of_dumps_and_wiped_on_fork),
        cmocka_unit_test(a_new_secret_is_zero),
        cmocka_unit_test(a_child_does_not_see_the_bytes),
        cmocka_unit_test(a_secret_that_cannot_be_locked_is_refused),
        cmocka_unit_test(a_size_of_nothing_or_too_much_is_refused),
        cmocka_unit_test(random_secrets_differ),
        cmocka_unit_test(hexadecimal_digits_lead_back_to_the_secret),
        cmocka_unit_test(what_is_not_hexadecimal_is_refused),
        cmocka_unit_test(cutting_wipes_what_is_cut),
        cmocka_unit_test(a_closed_file_is_read_and_its_newline_cut_if_asked),
        cmocka_unit_test(a_file_that_others_may_touch_is_denied),
        cmocka_unit_test(root_reads_a_users_closed_file_and_another_user_does_not),
        cmocka_unit_test(a_file_too_long_or_empty_is_refused),
        cmocka_unit_test(a_pipe_carries_a_secret_whole),
        cmocka_unit_test(a_guarded_process_leaves_no_core),
    };

    return cmocka_run_group_tests(tests, scratch_begin, scratch_end);
}
