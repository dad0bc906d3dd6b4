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
#include <sys/wait.h>
#include <unistd.h>

#include "base/base.h"
#include "hv/process.h"

/* Each run its own: what another run left is not ended by this one. */
static char vm[UUID_SIZE], other[UUID_SIZE];

/* A process that stays; it has its arguments when this returns. */
static pid_t start(const char *name, const char *option, const char *uuid)
{
    int ready[2];
    char byte;

    assert_int_equal(pipe(ready), 0);
    pid_t pid = fork();

    assert_true(pid >= 0);
    if (pid == 0) {
        dup2(ready[1], 1);
        signal(SIGTERM, SIG_IGN);
        execl("/bin/sh", name, "-c", "echo; exec 1>&-; while :; do sleep 1; done", "guest=mgr",
              option, uuid, (char *)NULL);
        _exit(127);
    }
    close(ready[1]);
    assert_int_equal(read(ready[0], &byte, 1), 1);
    close(ready[0]);
    return pid;
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
    (void)snprintf(vm, sizeof(vm), "6f1c3a52-0b7e-4b55-9d0e-%012x", (unsigned)getpid());
    (void)snprintf(other, sizeof(other), "7f1c3a52-0b7e-4b55-9d0e-%012x", (unsigned)getpid());
    return 0;
}

static void a_process_that_ignores_signals_is_ended(void **state)
{
    pid_t pid = start("/usr/bin/qemu-system-x86_64", "-uuid", vm);
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
    pid_t one = start("/usr/bin/qemu-system-x86_64", "-uuid", vm);
    pid_t two = start("/usr/bin/qemu-system-aarch64", "-uuid", vm);
    struct err err = {0};

    (void)state;
    assert_true(process_kill(vm, &err));
    assert_false(lives(one) || lives(two));
}

static void nobody_elses_is_ended(void **state)
{
    pid_t its = start("/usr/bin/qemu-system-x86_64", "-uuid", other);
    pid_t named = start("/usr/bin/qemu-system-x86_64", "-name", vm);
    pid_t editor = start("/usr/bin/editor", "-uuid", vm);
    pid_t beside = start("/qemu-system-x86_64/editor", "-uuid", vm);
    struct err err = {0};

    (void)state;
    assert_true(process_kill(vm, &err));
    assert_true(lives(its) && lives(named) && lives(editor) && lives(beside));
    end(its);
    end(named);
    end(editor);
    end(beside);
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_process_that_ignores_signals_is_ended),
        cmocka_unit_test(one_that_stands_still_is_ended),
        cmocka_unit_test(each_of_two_is_ended),
        cmocka_unit_test(nobody_elses_is_ended),
        cmocka_unit_test(none_there_succeeds),
        cmocka_unit_test(what_is_no_uuid_is_refused),
    };

    return cmocka_run_group_tests(tests, begin, NULL);
}
