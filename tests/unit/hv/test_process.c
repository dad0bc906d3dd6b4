/* SPDX-License-Identifier: Apache-2.0 */
/* hv/process.h: with shells that are called as libvirt calls QEMU. */
/* clang-format off */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
/* clang-format on */
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/base.h"
#include "hv/process.h"

/* Each run its own: what another run left is not ended by this one. */
static char vm[UUID_SIZE], other[UUID_SIZE];

/* Programs of these names; each is a shell. */
static char folder[] = "/tmp/quoin-process.XXXXXX";
static const char *const programs[] = {"qemu-system-x86_64", "qemu-system-aarch64", "editor"};

#define NOBODY 65534

/* A process of `user` that stays; it has its arguments when this returns. */
static pid_t start_as(uid_t user, const char *program, const char *option, const char *uuid)
{
    AUTO(drop_free) char *path = text_make("%s/%s", folder, program);
    int ready[2];
    char byte;

    assert_int_equal(pipe(ready), 0);
    pid_t pid = fork();

    assert_true(pid >= 0);
    if (pid == 0) {
        dup2(ready[1], 1);
        signal(SIGTERM, SIG_IGN);
        if (user == 0 || setuid(user) == 0) {
            execl(path, path, "-c", "echo; exec 1>&-; while :; do sleep 1; done", "guest=mgr",
                  option, uuid, (char *)NULL);
        }
        _exit(127);
    }
    close(ready[1]);
    assert_int_equal(read(ready[0], &byte, 1), 1);
    close(ready[0]);
    return pid;
}

static pid_t start(const char *program, const char *option, const char *uuid)
{
    return start_as(0, program, option, uuid);
}

static bool lives(pid_t pid)
{
    return waitpid(pid, NULL, WNOHANG) == 0;
}

static void end(pid_t pid)
{
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
}

static int begin(void **state)
{
    (void)state;
    assert_non_null(mkdtemp(folder));
    assert_int_equal(chmod(folder, 0755), 0);
    for (size_t i = 0; i < COUNT_OF(programs); i++) {
        AUTO(drop_free) char *path = text_make("%s/%s", folder, programs[i]);

        assert_int_equal(symlink("/bin/sh", path), 0);
    }
    (void)snprintf(vm, sizeof(vm), "6f1c3a52-0b7e-4b55-9d0e-%012x", (unsigned)getpid());
    (void)snprintf(other, sizeof(other), "7f1c3a52-0b7e-4b55-9d0e-%012x", (unsigned)getpid());
    return 0;
}

static void a_process_that_ignores_signals_is_ended(void **state)
{
    pid_t pid = start("qemu-system-x86_64", "-uuid", vm);
    struct err err = {0};

    (void)state;
    assert_true(process_kill(vm, &err));
    assert_false(lives(pid));
}

static void one_that_stands_still_is_ended(void **state)
{
    pid_t pid = start("qemu-system-x86_64", "-uuid", vm);
    struct err err = {0};

    (void)state;
    kill(pid, SIGSTOP);
    assert_true(process_kill(vm, &err));
    assert_false(lives(pid));
}

static void each_of_two_is_ended(void **state)
{
    pid_t one = start("qemu-system-x86_64", "-uuid", vm);
    pid_t two = start("qemu-system-aarch64", "-uuid", vm);
    struct err err = {0};

    (void)state;
    assert_true(process_kill(vm, &err));
    assert_false(lives(one) || lives(two));
}

static void nobody_elses_is_ended(void **state)
{
    pid_t its = start("qemu-system-x86_64", "-uuid", other);
    pid_t named = start("qemu-system-x86_64", "-name", vm);
    pid_t editor = start("editor", "-uuid", vm);
    pid_t beside = start_as(NOBODY, "qemu-system-x86_64", "-uuid", vm);
    struct err err = {0};

    (void)state;
    assert_true(process_kill(vm, &err));
    assert_true(lives(its) && lives(named) && lives(editor) && lives(beside));
    end(its);
    end(named);
    end(editor);
    end(beside);
}

static void a_signal_waits_for_nobody(void **state)
{
    pid_t pid = start("qemu-system-x86_64", "-uuid", vm);
    struct err err = {0};

    (void)state;
    assert_true(process_signal(vm, &err));
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    assert_true(process_signal(vm, &err));
}

static void none_there_succeeds(void **state)
{
    struct err err = {0};

    (void)state;
    assert_true(process_kill(vm, &err));
    assert_true(process_kill(vm, &err));
}

static void what_is_no_uuid_is_refused(void **state)
{
    struct err err = {0};

    (void)state;
    assert_false(process_kill("mgr", &err));
    assert_int_equal(err.kind, ERR_INPUT);
}

static int finish(void **state)
{
    struct err err = {0};

    (void)state;
    return file_remove_tree(folder, &err) ? 0 : -1;
}

int main(void)
{
    if (geteuid() != 0) {
        print_message("not root\n");
        return 77;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_process_that_ignores_signals_is_ended),
        cmocka_unit_test(one_that_stands_still_is_ended),
        cmocka_unit_test(each_of_two_is_ended),
        cmocka_unit_test(nobody_elses_is_ended),
        cmocka_unit_test(a_signal_waits_for_nobody),
        cmocka_unit_test(none_there_succeeds),
        cmocka_unit_test(what_is_no_uuid_is_refused),
    };

    return cmocka_run_group_tests(tests, begin, finish);
}
