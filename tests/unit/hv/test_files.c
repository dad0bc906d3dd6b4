/* SPDX-License-Identifier: Apache-2.0 */
/* In a mount namespace of its own, with empty folders in memory where a host has its VMs' files. */
/* clang-format off */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
/* clang-format on */
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <time.h>

#include "base/base.h"
#include "base/secret_open.h"
#include "hv/files.h"
#include "hv/place.h"

#define VM    "6f1c3a52-0b7e-4b55-9d0e-3f1f2a9d7c11"
#define NVRAM "/run/quoin-vm/" VM "/nvram.fd"
#define TPM   "/var/lib/libvirt/swtpm/" VM "/tpm2"
#define STATE TPM "/tpm2-00.permall"

static bool fenced; /* false: not root; then these tests are skipped */

static int fence(void **state)
{
    (void)state;
    umask(0077); /* as in the agent's unit */
    fenced = unshare(CLONE_NEWNS) == 0 && mount("", "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
             mount("tmpfs", "/run", "tmpfs", 0, NULL) == 0 &&
             mount("tmpfs", "/var/lib", "tmpfs", 0, NULL) == 0;
    return 0;
}

static int empty(void **state)
{
    struct err err = {0};

    (void)state;
    if (!fenced) {
        return 0;
    }
    return file_remove_tree(FILES_NVRAM_FOLDER, &err) && file_remove_tree("/var/lib/libvirt", &err)
               ? 0
               : -1;
}

static void need_fence(void)
{
    if (!fenced) {
        print_message("not root\n");
        skip();
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

static void assert_file(const char *path, const char *wanted)
{
    AUTO(drop_free) char *bytes = NULL;
    size_t length;
    struct err err = {0};

    assert_true(file_read(path, FILES_MAX_SIZE, &bytes, &length, &err));
    assert_string_equal(bytes, wanted);
}

static void write_bytes(const char *path, const char *bytes)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, bytes, strlen(bytes)), strlen(bytes));
    close(fd);
}

static void put_text(const char *text)
{
    AUTO(drop_secret) struct secret *packed = secret_of(text);
    struct err err = {0};

    assert_true(files_put(VM, packed, &err));
}

#define FILES "QFILES1\nvtpm 5\nstatenvram 9\nvariables"

static void what_was_gathered_is_put_in_place_and_gathers_the_same(void **state)
{
    AUTO(drop_secret) struct secret *packed = secret_of(FILES), *again = NULL;
    struct err err = {0};
    struct stat is;

    (void)state;
    need_fence();
    assert_true(files_put(VM, packed, &err));
    assert_file(NVRAM, "variables");
    assert_file(STATE, "state");
    assert_int_equal(stat(NVRAM, &is), 0);
    assert_int_equal(is.st_mode & 07777, 0600);
    assert_int_equal(stat(STATE, &is), 0);
    assert_int_equal(is.st_mode & 07777, 0600);
    assert_int_equal(stat(TPM, &is), 0);
    assert_int_equal(is.st_mode & 07777, 0700);
    assert_int_equal(stat("/run/quoin-vm/" VM, &is), 0);
    assert_int_equal(is.st_mode & 07777, 0711);
    assert_int_equal(stat("/run/quoin-vm", &is), 0);
    assert_int_equal(is.st_mode & 07777, 0711);
    assert_true(files_gather(VM, &again, &err));
    assert_true(secret_equal(packed, again));
}

static void the_state_belongs_to_the_user_of_swtpm(void **state)
{
    uid_t user;
    gid_t group;
    struct err err = {0};
    struct stat is;

    (void)state;
    need_fence();
    assert_true(place_owner(&places[0], &user, &group, &err));
    put_text(FILES);
    assert_int_equal(stat(STATE, &is), 0);
    assert_int_equal(is.st_uid, user);
    assert_int_equal(is.st_gid, group);
}

static void putting_files_replaces_all_that_was_there(void **state)
{
    (void)state;
    need_fence();
    put_text(FILES);
    write_bytes(TPM "/tpm2-00.volatilestate", "old");
    put_text("QFILES1\nnvram 3\nnew");
    assert_file(NVRAM, "new");
    assert_false(file_exists(TPM));
}

static void a_first_start_has_fresh_variables_and_no_tpm(void **state)
{
    AUTO(drop_secret) struct secret *packed = NULL;
    struct err err = {0};

    (void)state;
    need_fence();
    if (!file_exists(places[1].fresh)) {
        print_message("no ovmf\n");
        skip();
    }
    assert_true(files_put(VM, NULL, &err));
    assert_false(file_exists("/var/lib/libvirt/swtpm/" VM));
    assert_true(files_gather(VM, &packed, &err));
    assert_true(secret_size(packed) > 500000);
}

static void broken_files_change_nothing(void **state)
{
    AUTO(drop_secret) struct secret *broken = secret_of("QFILES1\nnvram 99\nx");
    struct err err = {0};

    (void)state;
    need_fence();
    put_text(FILES);
    assert_false(files_put(VM, broken, &err));
    assert_int_equal(err.kind, ERR_INPUT);
    assert_file(NVRAM, "variables");
}

static void nothing_to_gather_is_absent(void **state)
{
    AUTO(drop_secret) struct secret *packed = NULL;
    struct err err = {0};

    (void)state;
    need_fence();
    assert_false(files_gather(VM, &packed, &err));
    assert_int_equal(err.kind, ERR_ABSENT);
}

static void clearing_leaves_nothing_and_can_be_done_twice(void **state)
{
    struct err err = {0};

    (void)state;
    need_fence();
    put_text(FILES);
    assert_true(files_clear(VM, &err));
    assert_false(file_exists("/run/quoin-vm/" VM));
    assert_false(file_exists("/var/lib/libvirt/swtpm/" VM));
    assert_true(files_clear(VM, &err));
}

/* As swtpm could, were it taken over: its folder is its own. */
static void a_link_or_a_second_name_is_not_followed(void **state)
{
    AUTO(drop_secret) struct secret *packed = NULL;
    struct err err = {0};

    (void)state;
    need_fence();
    put_text(FILES);
    write_bytes("/run/shadow", "hunter2");
    assert_int_equal(unlink(STATE), 0);
    assert_int_equal(symlink("/run/shadow", STATE), 0);
    assert_false(files_gather(VM, &packed, &err));
    assert_null(packed);
    assert_true(files_clear(VM, &err));
    assert_file("/run/shadow", "hunter2");

    put_text(FILES);
    assert_int_equal(unlink(NVRAM), 0);
    assert_int_equal(link("/run/shadow", NVRAM), 0);
    assert_false(files_gather(VM, &packed, &err));
    assert_int_equal(err.kind, ERR_DENIED);
    assert_true(files_clear(VM, &err));
    assert_file("/run/shadow", "hunter2");
}

static void the_files_of_a_running_machine_are_left_alone(void **state)
{
    AUTO(drop_secret) struct secret *packed = secret_of(FILES);
    struct flock lock = {.l_type = F_RDLCK, .l_whence = SEEK_SET, .l_start = 100, .l_len = 1};
    struct err err = {0};
    int fd;

    (void)state;
    need_fence();
    assert_true(files_put(VM, packed, &err));
    fd = open(NVRAM, O_RDWR);
    assert_int_equal(fcntl(fd, F_OFD_SETLK, &lock), 0); /* as QEMU does */
    assert_false(files_put(VM, packed, &err));
    assert_int_equal(err.kind, ERR_CLASH);
    assert_false(files_clear(VM, &err));
    assert_int_equal(err.kind, ERR_CLASH);
    assert_file(NVRAM, "variables");
    close(fd);
    assert_true(files_clear(VM, &err));
}

static void what_is_no_uuid_names_no_file(void **state)
{
    AUTO(drop_secret) struct secret *packed = NULL;
    struct err err = {0};

    (void)state;
    need_fence();
    assert_false(files_clear("../../etc", &err));
    assert_int_equal(err.kind, ERR_INPUT);
    assert_false(files_put("..", NULL, &err));
    assert_false(files_gather("", &packed, &err));
}

static void *write_all_the_time(void *stop)
{
    int fd = open(NVRAM, O_RDWR);
    unsigned char value = 0;

    while (!atomic_load((atomic_bool *)stop)) {
        unsigned char bytes[9];

        memset(bytes, value++, sizeof(bytes));
        (void)!pwrite(fd, bytes, 4, 0);
        nanosleep(&(struct timespec){.tv_nsec = 2000000}, NULL);
        (void)!pwrite(fd, bytes + 4, 5, 4);
        nanosleep(&(struct timespec){.tv_nsec = value % 8 ? 2000000 : 60000000}, NULL);
    }
    close(fd);
    return NULL;
}

static void what_is_gathered_is_of_one_moment(void **state)
{
    atomic_bool stop = false;
    pthread_t thread;
    struct err err = {0};

    (void)state;
    need_fence();
    put_text("QFILES1\nnvram 9\nAAAAAAAAA");
    assert_int_equal(pthread_create(&thread, NULL, write_all_the_time, &stop), 0);
    for (unsigned i = 0; i < 10; i++) {
        AUTO(drop_secret) struct secret *packed = NULL;
        const unsigned char *bytes;

        assert_true(files_gather(VM, &packed, &err));
        bytes = secret_look(packed) + secret_size(packed) - 9;
        for (unsigned j = 1; j < 9; j++) {
            assert_int_equal(bytes[j], bytes[0]);
        }
    }
    atomic_store(&stop, true);
    pthread_join(thread, NULL);
}

static void count_change(void *context, const char *uuid)
{
    if (!strcmp(uuid, VM)) {
        atomic_fetch_add((atomic_uint *)context, 1);
    }
}

static void rest_ms(unsigned ms)
{
    nanosleep(&(struct timespec){.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000}, NULL);
}

static void several_writes_are_told_once_and_soon(void **state)
{
    atomic_uint count = 0;
    struct files_watch *watch = NULL;
    struct err err = {0};

    (void)state;
    need_fence();
    put_text(FILES);
    assert_true(files_watch_start(VM, count_change, &count, &watch, &err));
    for (unsigned i = 0; i < 5; i++) {
        write_bytes(NVRAM, "changed");
        rest_ms(50);
    }
    assert_int_equal(atomic_load(&count), 0);
    rest_ms(1500);
    assert_int_equal(atomic_load(&count), 1);

    /* As swtpm does it: another file, renamed. */
    write_bytes(TPM "/TMP2-00.permall", "new");
    rest_ms(1500);
    assert_int_equal(atomic_load(&count), 1);
    assert_int_equal(rename(TPM "/TMP2-00.permall", STATE), 0);
    rest_ms(1500);
    assert_int_equal(atomic_load(&count), 2);
    files_watch_stop(watch);
    write_bytes(NVRAM, "again");
    rest_ms(1500);
    assert_int_equal(atomic_load(&count), 2);
}

static void what_changed_before_the_watch_is_told_once(void **state)
{
    atomic_uint count = 0;
    struct files_watch *watch = NULL;
    struct err err = {0};

    (void)state;
    need_fence();
    assert_true(files_watch_start(VM, count_change, &count, &watch, &err));
    rest_ms(2500);
    assert_int_equal(atomic_load(&count), 1);
    files_watch_stop(watch);
}

static void endless_writes_are_told_after_five_seconds(void **state)
{
    atomic_uint count = 0;
    struct files_watch *watch = NULL;
    struct err err = {0};

    (void)state;
    need_fence();
    put_text(FILES);
    assert_true(files_watch_start(VM, count_change, &count, &watch, &err));
    for (unsigned i = 0; i < 56; i++) {
        write_bytes(NVRAM, "changed");
        rest_ms(100);
    }
    assert_int_equal(atomic_load(&count), 1);
    files_watch_stop(watch);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(what_was_gathered_is_put_in_place_and_gathers_the_same, empty),
        cmocka_unit_test_setup(the_state_belongs_to_the_user_of_swtpm, empty),
        cmocka_unit_test_setup(putting_files_replaces_all_that_was_there, empty),
        cmocka_unit_test_setup(a_first_start_has_fresh_variables_and_no_tpm, empty),
        cmocka_unit_test_setup(broken_files_change_nothing, empty),
        cmocka_unit_test_setup(nothing_to_gather_is_absent, empty),
        cmocka_unit_test_setup(clearing_leaves_nothing_and_can_be_done_twice, empty),
        cmocka_unit_test_setup(a_link_or_a_second_name_is_not_followed, empty),
        cmocka_unit_test_setup(the_files_of_a_running_machine_are_left_alone, empty),
        cmocka_unit_test_setup(what_is_no_uuid_names_no_file, empty),
        cmocka_unit_test_setup(what_is_gathered_is_of_one_moment, empty),
        cmocka_unit_test_setup(several_writes_are_told_once_and_soon, empty),
        cmocka_unit_test_setup(what_changed_before_the_watch_is_told_once, empty),
        cmocka_unit_test_setup(endless_writes_are_told_after_five_seconds, empty),
    };

    return cmocka_run_group_tests(tests, fence, NULL);
}
