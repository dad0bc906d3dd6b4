/* SPDX-License-Identifier: Apache-2.0 */
/* A real sshd on a loopback port, run as the current user with a configuration of its own. */
/* clang-format off */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
/* clang-format on */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <pwd.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>

#include "base/base.h"
#include "wire/wire.h"

static struct {
    char folder[64];
    char key[96], other_key[96];
    char usual[128], rsa[128]; /* fingerprints, of the key that is offered first and of another */
    unsigned port;
    struct child sshd;
    struct server *server; /* what a forwarded socket leads to */
    char socket[96];
} world;

static const char *path(const char *name)
{
    static char paths[8][128];
    static unsigned next;
    char *out = paths[next++ % COUNT_OF(paths)];

    (void)snprintf(out, sizeof(paths[0]), "%s/%s", world.folder, name);
    return out;
}

static void key_make(const char *name, const char *type)
{
    struct err err = {0};

    assert_true(run_ok(
        &(struct run){.argv = RUN("ssh-keygen", "-q", "-t", type, "-N", "", "-f", path(name))},
        NULL, &err));
}

static unsigned free_port(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof(address);
    AUTO(drop_fd) int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_int_equal(bind(fd, (const struct sockaddr *)&address, size), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &size), 0);
    return ntohs(address.sin_port);
}

static bool port_answers(unsigned port)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
                                  .sin_port = htons((uint16_t)port)};
    AUTO(drop_fd) int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    return connect(fd, (const struct sockaddr *)&address, sizeof(address)) == 0;
}

static void sshd_start(void)
{
    AUTO(drop_free)
    char *conf =
        text_make("ListenAddress 127.0.0.1\nPort %u\nHostKey %s\nHostKey %s\n"
                  "PidFile none\nUsePAM no\nStrictModes no\nAuthorizedKeysFile %s\n"
                  "PasswordAuthentication no\nKbdInteractiveAuthentication no\nLogLevel VERBOSE\n",
                  world.port, path("host_rsa"), path("host_ed25519"), path("key.pub"));
    struct err err = {0};

    if (geteuid() == 0) {
        assert_true(file_make_folder("/run/sshd", 0755, &err));
    }
    assert_true(file_write(path("sshd_config"), conf, strlen(conf), 0600, &err));
    struct run run = {
        .argv = RUN("/usr/sbin/sshd", "-D", "-f", path("sshd_config"), "-E", path("sshd.log"))};
    assert_true(child_start(&run, false, &world.sshd, &err));
    for (unsigned i = 0; i < 500 && !port_answers(world.port); i++) {
        usleep(10000);
    }
    assert_true(port_answers(world.port));
}

static void hello(struct request *request, void *context)
{
    AUTO(drop_json) json_t *json = json_pack("{s:s}", "hello", request_from(request));

    (void)context;
    reply_json(request, 200, json);
}

static const struct route routes[] = {{"GET", "/hello", ROLE_LOCAL, 0, hello}};

static int begin(void **state)
{
    AUTO(drop_free) char *said = NULL;
    struct err err = {0};

    (void)state;
    memcpy(world.folder, "/tmp/quoin-ssh-test.XXXXXX", 27);
    assert_non_null(mkdtemp(world.folder));
    setenv("XDG_RUNTIME_DIR", world.folder, 1); /* where connections have their folders */
    assert_int_equal(chmod(world.folder, 0755), 0);
    key_make("key", "ed25519");
    key_make("other", "ed25519");
    key_make("host_ed25519", "ed25519");
    key_make("host_rsa", "rsa");
    (void)snprintf(world.key, sizeof(world.key), "%s", path("key"));
    (void)snprintf(world.other_key, sizeof(world.other_key), "%s", path("other"));
    (void)snprintf(world.socket, sizeof(world.socket), "%s", path("socket"));
    assert_true(
        run_ok(&(struct run){.argv = RUN("ssh-keygen", "-lf", path("host_rsa.pub"))}, &said, &err));
    assert_int_equal(sscanf(said, "%*s %127s", world.rsa), 1);
    free(TAKE(said));
    assert_true(run_ok(&(struct run){.argv = RUN("ssh-keygen", "-lf", path("host_ed25519.pub"))},
                       &said, &err));
    assert_int_equal(sscanf(said, "%*s %127s", world.usual), 1);
    world.port = free_port();
    sshd_start();
    struct server_conf conf = {.routes = routes,
                               .route_count = COUNT_OF(routes),
                               .socket = world.socket,
                               .socket_uid = geteuid()};
    assert_true(server_start(&conf, &world.server, &err));
    return 0;
}

static int end(void **state)
{
    struct err err = {0};

    (void)state;
    server_stop(world.server);
    child_stop(&world.sshd);
    assert_true(file_remove_tree(world.folder, &err));
    return 0;
}

static struct ssh_target target(void)
{
    return (struct ssh_target){.address = "127.0.0.1",
                               .port = world.port,
                               .user = getpwuid(geteuid())->pw_name,
                               .key = world.key,
                               .host_key = world.usual,
                               .seconds = 5};
}

static struct ssh *open_ssh(void)
{
    struct ssh_target to = target();
    struct ssh *ssh = NULL;
    struct err err = {0};

    if (!ssh_open(&to, &ssh, &err)) {
        fail_msg("%s", err.what);
    }
    return ssh;
}

static void a_command_arrives_byte_by_byte(void **state)
{
    static const char nasty[] = "a'b \"c\" $(id) `id` \\ * ; & | > < \n\t ~ ! # { } \xc3\xa4";
    AUTO(drop_ssh) struct ssh *ssh = open_ssh();
    AUTO(drop_free) char *out = NULL;
    struct err err = {0};

    (void)state;
    assert_true(ssh_ok(ssh, &(struct run){.argv = RUN("printf", "%s|%s|", nasty, "")}, &out, &err));
    AUTO(drop_free) char *expected = text_make("%s||", nasty);
    assert_string_equal(out, expected);
}

static void input_and_secret_reach_the_command(void **state)
{
    AUTO(drop_ssh) struct ssh *ssh = open_ssh();
    AUTO(drop_secret) struct secret *secret = NULL;
    AUTO(drop_free) char *out = NULL;
    struct err err = {0};

    (void)state;
    assert_true(secret_random(1000, &secret, &err));
    struct run run = {
        .argv = RUN("wc", "-c"), .input = "hello", .input_length = 5, .secret = secret};
    assert_true(ssh_ok(ssh, &run, &out, &err));
    assert_int_equal(atoi(out), 1005);
}

static void a_commands_failure_is_told_from_ours(void **state)
{
    AUTO(drop_ssh) struct ssh *ssh = open_ssh();
    AUTO(drop_run_result) struct run_result result = {0}, own = {0};
    struct err err = {0};

    (void)state;
    assert_true(
        ssh_run(ssh, &(struct run){.argv = RUN("sh", "-c", "echo no >&2; exit 3")}, &result, &err));
    assert_int_equal(result.status, 3);
    assert_string_equal(result.errors, "no\n");
    assert_true(ssh_run(ssh, &(struct run){.argv = RUN("sh", "-c", "exit 255")}, &own, &err));
    assert_int_equal(own.status, 255);
    assert_false(ssh_ok(ssh, &(struct run){.argv = RUN("no-such-program")}, NULL, &err));
    assert_int_equal(err.kind, ERR_ABSENT);
}

static void a_command_past_its_deadline_is_away(void **state)
{
    AUTO(drop_ssh) struct ssh *ssh = open_ssh();
    struct err err = {0};

    (void)state;
    assert_false(ssh_ok(ssh, &(struct run){.argv = RUN("sleep", "20"), .seconds = 1}, NULL, &err));
    assert_int_equal(err.kind, ERR_AWAY);
}

static void another_host_key_than_the_pinned_one_clashes(void **state)
{
    struct ssh_target to = target();
    struct ssh *ssh = NULL;
    struct err err = {0};

    (void)state;
    to.host_key = "SHA256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    assert_false(ssh_open(&to, &ssh, &err));
    assert_int_equal(err.kind, ERR_CLASH);
    assert_non_null(strstr(err.what, to.host_key));
    assert_non_null(strstr(err.what, world.rsa));
    assert_true(err.remedy[0] != '\0');
    assert_null(ssh);
}

/* How often sshd has been spoken to. */
static unsigned connections(void)
{
    AUTO(drop_free) char *log = NULL;
    struct err err = {0};
    unsigned count = 0;

    assert_true(file_read(path("sshd.log"), 16 * 1024 * 1024, &log, NULL, &err));
    for (const char *at = log; (at = strstr(at, "Connection from")); at++) {
        count++;
    }
    return count;
}

static void one_connection_judges_the_key_and_logs_in(void **state)
{
    unsigned before = connections();
    AUTO(drop_ssh) struct ssh *ssh = open_ssh();
    struct err err = {0};

    (void)state;
    assert_true(ssh_ok(ssh, &(struct run){.argv = RUN("true")}, NULL, &err));
    assert_int_equal(connections() - before, 1);
}

static void a_pinned_key_that_is_not_offered_first_is_found(void **state)
{
    struct ssh_target to = target();
    AUTO(drop_ssh) struct ssh *ssh = NULL;
    struct err err = {0};

    (void)state;
    to.host_key = world.rsa;
    assert_true(ssh_open(&to, &ssh, &err));
    assert_true(ssh_ok(ssh, &(struct run){.argv = RUN("true")}, NULL, &err));
}

/* What a shell would obey, and what is part of a fingerprint, are no fingerprint. */
static void a_pin_is_compared_and_never_obeyed(void **state)
{
    AUTO(drop_free) char *cut = text_make("%.20s", world.usual);
    AUTO(drop_free) char *obeyed = text_copy(path("obeyed"));
    AUTO(drop_free) char *order = text_make("$(touch %s)", obeyed);
    const char *const pins[] = {"", "*", "\" = \"\" -o \"", order, "NONE", cut};
    struct ssh_target to = target();

    (void)state;
    for (size_t i = 0; i < COUNT_OF(pins); i++) {
        struct ssh *ssh = NULL;
        struct err err = {0};

        to.host_key = pins[i];
        assert_false(ssh_open(&to, &ssh, &err));
        assert_int_equal(err.kind, ERR_CLASH);
    }
    assert_false(file_exists(obeyed));
}

static void the_fingerprints_a_host_offers_are_shown(void **state)
{
    struct ssh_target to = target();
    AUTO(drop_free) char *offered = NULL;
    struct err err = {0};

    (void)state;
    to.host_key = NULL;
    assert_true(ssh_offered(&to, &offered, &err));
    assert_non_null(strstr(offered, world.rsa));
    assert_non_null(strstr(offered, " RSA\n"));
    assert_non_null(strstr(offered, " ED25519\n"));
    assert_null(strstr(offered, "ECDSA"));
}

static void a_host_nobody_knows_is_not_trusted_without_a_pin(void **state)
{
    struct ssh_target to = target();
    struct ssh *ssh = NULL;
    struct err err = {0};

    (void)state;
    to.host_key = NULL;
    assert_false(ssh_open(&to, &ssh, &err));
    assert_int_equal(err.kind, ERR_CLASH);
    assert_non_null(strstr(err.remedy, "fingerprint"));
}

static void a_wrong_key_is_denied(void **state)
{
    struct ssh_target to = target();
    struct ssh *ssh = NULL;
    struct err err = {0};

    (void)state;
    to.key = world.other_key;
    assert_false(ssh_open(&to, &ssh, &err));
    assert_int_equal(err.kind, ERR_DENIED);
    assert_true(err.remedy[0] != '\0');
}

static void a_port_without_sshd_is_away(void **state)
{
    struct ssh_target to = target();
    struct ssh *ssh = NULL;
    struct err err = {0};

    (void)state;
    to.port = free_port();
    assert_false(ssh_open(&to, &ssh, &err));
    assert_int_equal(err.kind, ERR_AWAY);
    assert_non_null(strstr(err.what, "refused"));
    assert_true(err.remedy[0] != '\0');
}

static void a_peer_that_stays_silent_ends_within_its_deadline(void **state)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof(address);
    AUTO(drop_fd) int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct ssh_target to = target();
    struct ssh *ssh = NULL;
    struct err err = {0};
    time_t start = time(NULL);

    (void)state;
    assert_int_equal(bind(fd, (const struct sockaddr *)&address, size), 0);
    assert_int_equal(listen(fd, 4), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &size), 0);
    to.port = ntohs(address.sin_port);
    to.seconds = 1;
    assert_false(ssh_open(&to, &ssh, &err));
    assert_int_equal(err.kind, ERR_AWAY);
    assert_in_range(time(NULL) - start, 0, 4);
}

static void a_file_is_copied_with_its_mode(void **state)
{
    AUTO(drop_ssh) struct ssh *ssh = open_ssh();
    AUTO(drop_free) char *bytes = text_room(3 * 1024 * 1024 + 17, 1), *back = NULL;
    AUTO(drop_free) char *beside = text_make("%s.quoin-new", path("a 'copy'"));
    struct stat st;
    size_t length = 0;
    struct err err = {0};

    (void)state;
    for (size_t i = 0; i < 3 * 1024 * 1024 + 17; i++) {
        bytes[i] = (char)(i * 7 + i / 251);
    }
    assert_true(file_write(path("from"), bytes, 3 * 1024 * 1024 + 17, 0600, &err));
    assert_true(ssh_copy(ssh, path("from"), path("a 'copy'"), 0640, &err));
    assert_true(file_read(path("a 'copy'"), 4 * 1024 * 1024, &back, &length, &err));
    assert_int_equal(length, 3 * 1024 * 1024 + 17);
    assert_memory_equal(back, bytes, length);
    assert_int_equal(stat(path("a 'copy'"), &st), 0);
    assert_int_equal(st.st_mode & 07777, 0640);
    assert_false(file_exists(beside));
}

static void a_copy_that_fails_leaves_nothing(void **state)
{
    AUTO(drop_ssh) struct ssh *ssh = open_ssh();
    struct err err = {0};

    (void)state;
    assert_true(file_write(path("from"), "x", 1, 0600, &err));
    assert_true(file_make_folder(path("in-the-way/x"), 0755, &err));
    assert_false(ssh_copy(ssh, path("from"), path("in-the-way"), 0640, &err));
    assert_int_equal(err.kind, ERR_SYSTEM);
    assert_false(file_exists(path("in-the-way.quoin-new")));
    assert_true(file_exists(path("in-the-way/x")));
}

static void a_forwarded_socket_leads_to_the_hosts_one(void **state)
{
    AUTO(drop_ssh) struct ssh *ssh = open_ssh();
    AUTO(drop_client) struct client *client = NULL;
    AUTO(drop_free) char *socket = NULL;
    AUTO(drop_json) json_t *json = NULL;
    struct err err = {0};

    (void)state;
    assert_true(ssh_forward(ssh, world.socket, &socket, &err));
    assert_string_not_equal(socket, world.socket);
    assert_true(client_open(&(struct client_conf){.socket = socket}, &client, &err));
    assert_true(
        client_ask(client, &(struct client_call){.method = "GET", .path = "/hello"}, &json, &err));
    assert_memory_equal(json_string_or(json, "hello", ""), "unix:", 5);
}

static void a_forwarded_socket_leads_to_a_port_on_the_host(void **state)
{
    AUTO(drop_ssh) struct ssh *ssh = open_ssh();
    AUTO(drop_free) char *path_here = NULL, *remote = text_make("127.0.0.1:%u", world.port);
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    AUTO(drop_fd) int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    char banner[8];
    struct err err = {0};

    (void)state;
    assert_true(ssh_forward(ssh, remote, &path_here, &err));
    (void)snprintf(address.sun_path, sizeof(address.sun_path), "%s", path_here);
    assert_int_equal(connect(fd, (const struct sockaddr *)&address, sizeof(address)), 0);
    /* What answers there is sshd itself. */
    assert_int_equal(recv(fd, banner, sizeof(banner), MSG_WAITALL), sizeof(banner));
    assert_memory_equal(banner, "SSH-2.0-", sizeof(banner));
}

static void a_connection_that_was_lost_is_away(void **state)
{
    AUTO(drop_ssh) struct ssh *ssh = open_ssh();
    struct err err = {0};

    (void)state;
    /* The host's side of this connection, which is the parent of its commands. */
    (void)ssh_ok(ssh, &(struct run){.argv = RUN("sh", "-c", "kill $PPID")}, NULL, &err);
    usleep(300000);
    assert_false(ssh_ok(ssh, &(struct run){.argv = RUN("true"), .seconds = 10}, NULL, &err));
    assert_int_equal(err.kind, ERR_AWAY);
    assert_non_null(strstr(err.what, "lost"));
}

static void what_a_killed_process_left_is_swept(void **state)
{
    static const struct timespec long_ago[2] = {{.tv_sec = 1}, {.tv_sec = 1}};
    AUTO(drop_free) char *left = text_copy(path("quoin-ssh.test-1"));
    AUTO(drop_free) char *held = text_copy(path("quoin-ssh.test-2"));
    AUTO(drop_free) char *young = text_copy(path("quoin-ssh.test-3"));
    struct err err = {0};

    (void)state;
    assert_true(file_make_folder(left, 0700, &err) && file_make_folder(held, 0700, &err) &&
                file_make_folder(young, 0700, &err));
    assert_int_equal(utimensat(AT_FDCWD, left, long_ago, 0), 0);
    assert_int_equal(utimensat(AT_FDCWD, held, long_ago, 0), 0);
    AUTO(drop_fd) int fd = open(held, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_int_equal(flock(fd, LOCK_SH), 0);
    ssh_close(open_ssh());
    assert_false(file_exists(left));
    assert_true(file_exists(held));
    assert_true(file_exists(young));
    assert_true(file_remove_tree(held, &err) && file_remove_tree(young, &err));
}

static void an_open_connections_folder_is_held(void **state)
{
    AUTO(drop_free) char *socket = NULL;
    AUTO(drop_ssh) struct ssh *ssh = open_ssh();
    struct err err = {0};

    (void)state;
    assert_true(ssh_forward(ssh, world.socket, &socket, &err));
    *strrchr(socket, '/') = '\0';
    AUTO(drop_fd) int fd = open(socket, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_int_equal(flock(fd, LOCK_EX | LOCK_NB), -1);
    assert_int_equal(errno, EWOULDBLOCK);
}

static void closing_leaves_nothing_behind(void **state)
{
    AUTO(drop_free) char *socket = NULL;
    struct ssh *ssh = open_ssh();
    struct err err = {0};

    (void)state;
    assert_true(ssh_forward(ssh, world.socket, &socket, &err));
    *strrchr(socket, '/') = '\0';
    struct stat st;
    assert_int_equal(stat(socket, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0700);
    ssh_close(ssh);
    assert_false(file_exists(socket));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_a_killed_process_left_is_swept), /* by the first connection alone */
        cmocka_unit_test(a_command_arrives_byte_by_byte),
        cmocka_unit_test(input_and_secret_reach_the_command),
        cmocka_unit_test(a_commands_failure_is_told_from_ours),
        cmocka_unit_test(a_command_past_its_deadline_is_away),
        cmocka_unit_test(another_host_key_than_the_pinned_one_clashes),
        cmocka_unit_test(one_connection_judges_the_key_and_logs_in),
        cmocka_unit_test(a_pinned_key_that_is_not_offered_first_is_found),
        cmocka_unit_test(a_pin_is_compared_and_never_obeyed),
        cmocka_unit_test(the_fingerprints_a_host_offers_are_shown),
        cmocka_unit_test(a_host_nobody_knows_is_not_trusted_without_a_pin),
        cmocka_unit_test(a_wrong_key_is_denied),
        cmocka_unit_test(a_port_without_sshd_is_away),
        cmocka_unit_test(a_peer_that_stays_silent_ends_within_its_deadline),
        cmocka_unit_test(a_file_is_copied_with_its_mode),
        cmocka_unit_test(a_copy_that_fails_leaves_nothing),
        cmocka_unit_test(a_forwarded_socket_leads_to_the_hosts_one),
        cmocka_unit_test(a_forwarded_socket_leads_to_a_port_on_the_host),
        cmocka_unit_test(a_connection_that_was_lost_is_away),
        cmocka_unit_test(an_open_connections_folder_is_held),
        cmocka_unit_test(closing_leaves_nothing_behind),
    };

    log_begin("test", LOG_CRIT);
    return cmocka_run_group_tests(tests, begin, end);
}
