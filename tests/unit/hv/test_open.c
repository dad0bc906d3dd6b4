/* SPDX-License-Identifier: Apache-2.0 */
/* hv/libvirt_open.c: daemons that say nothing, by a socket of the test's; libvirt's own test driver
 * for one that answers. */
/* clang-format off */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
/* clang-format on */
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/base.h"
#include "hv/libvirt.h"

#define SOON_MS 300
/* A busy machine may take so long for what takes moments. */
#define PATIENCE_MS 30000

static char folder[] = "/tmp/quoin-open.XXXXXX";
static char *path, *uri;
static int door;

static int begin(void **state)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    struct err err = {0};

    (void)state;
    assert_true(libvirt_loop_start(&err));
    memcpy(folder + sizeof(folder) - 7, "XXXXXX", 6);
    assert_non_null(mkdtemp(folder));
    path = text_make("%s/socket", folder);
    uri = text_make("qemu+unix:///system?socket=%s", path);
    (void)snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
    door = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(door, (struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(listen(door, 4), 0);
    return 0;
}

static int end(void **state)
{
    struct err err = {0};

    (void)state;
    close(door);
    assert_true(file_remove_tree(folder, &err));
    free(path);
    free(uri);
    return 0;
}

static void a_daemon_that_answers_is_connected_to(void **state)
{
    AUTO(drop_attempt) struct libvirt_attempt *attempt = NULL;
    AUTO(drop_connection) virConnectPtr connection = NULL;
    struct err err = {0};

    (void)state;
    assert_true(libvirt_open_in_time("test:///default", PATIENCE_MS, &attempt, &connection, &err));
    assert_non_null(connection);
    assert_null(attempt);
}

static void one_that_is_not_there_is_said_at_once(void **state)
{
    AUTO(drop_attempt) struct libvirt_attempt *attempt = NULL;
    AUTO(drop_connection) virConnectPtr connection = NULL;
    struct err err = {0};

    (void)state;
    assert_int_equal(unlink(path), 0);
    assert_false(libvirt_open_in_time(uri, PATIENCE_MS, &attempt, &connection, &err));
    assert_int_equal(err.kind, ERR_AWAY);
    assert_null(attempt);
    assert_null(connection);
}

/* One that is stopped: the kernel takes the connection, nobody answers. */
static void one_that_says_nothing_is_away_in_time(void **state)
{
    AUTO(drop_attempt) struct libvirt_attempt *attempt = NULL;
    AUTO(drop_connection) virConnectPtr connection = NULL;
    int64_t began = clock_ms();
    struct err err = {0};

    (void)state;
    assert_false(libvirt_open_in_time(uri, SOON_MS, &attempt, &connection, &err));
    assert_int_equal(err.kind, ERR_AWAY);
    assert_true(clock_ms() - began >= SOON_MS);
    /* Who asks next does not wait again, and begins nothing beside it. */
    const struct libvirt_attempt *before = attempt;

    assert_false(libvirt_open_in_time(uri, SOON_MS, &attempt, &connection, &err));
    assert_ptr_equal(attempt, before);
    AUTO(drop_fd) int one = accept(door, NULL, NULL);

    assert_true(one >= 0);
    assert_int_equal(fcntl(door, F_SETFL, O_NONBLOCK), 0);
    assert_int_equal(accept(door, NULL, NULL), -1);
    /* It ends, and the one after it begins anew. */
    close(TAKE_FD(one));
    int64_t end = clock_ms() + PATIENCE_MS;

    while (attempt && clock_ms() < end) {
        assert_false(libvirt_open_in_time(uri, PATIENCE_MS, &attempt, &connection, &err));
    }
    assert_null(attempt);
    assert_int_equal(err.kind, ERR_AWAY);
}

static void an_attempt_that_nobody_waits_for_ends_by_itself(void **state)
{
    struct libvirt_attempt *attempt = NULL;
    AUTO(drop_connection) virConnectPtr connection = NULL;
    struct err err = {0};

    (void)state;
    assert_false(libvirt_open_in_time(uri, SOON_MS, &attempt, &connection, &err));
    libvirt_attempt_drop(TAKE(attempt));
    AUTO(drop_fd) int one = accept(door, NULL, NULL);

    assert_true(one >= 0);
    shutdown(one, SHUT_WR);
    /* The thread says goodbye: it closes its end. */
    char byte;

    while (recv(one, &byte, 1, 0) > 0) {
    }
}

#define IT(test) cmocka_unit_test_setup_teardown(test, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IT(a_daemon_that_answers_is_connected_to),
        IT(one_that_is_not_there_is_said_at_once),
        IT(one_that_says_nothing_is_away_in_time),
        IT(an_attempt_that_nobody_waits_for_ends_by_itself),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
