/* SPDX-License-Identifier: Apache-2.0 */
/* A real key server on loopback: PyKMIP's, as Debian ships it. */
#ifndef QUOIN_TESTS_PYKMIP_H
#define QUOIN_TESTS_PYKMIP_H

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <time.h>

#include "pki.h"

struct pykmip {
    struct child child;
    int port;
    char server[32];     /* "127.0.0.1:port" */
    const char *version; /* the only one that it speaks, "1.2"; NULL: all that it knows */
};

/* A port that nobody listens at now. */
static inline int free_port(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof(address);
    AUTO(drop_fd) int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_int_equal(bind(fd, (struct sockaddr *)&address, size), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &size), 0);
    return ntohs(address.sin_port);
}

static inline bool somebody_listens(int port)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)port),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    AUTO(drop_fd) int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    return connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0;
}

static inline bool pykmip_missing(void)
{
    struct err err = {0};

    if (run_ok(&(struct run){.argv = RUN("/usr/bin/python3", "-c",
                                         "import kmip.services.server.server")},
               NULL, &err)) {
        return false;
    }
    print_message("python3-pykmip is not installed: skipped\n");
    return true;
}

/* Its main program, but in one process: its policy monitor and manager would outlive us, and hold
 * the port. */
static const char pykmip_main[] =
    "import multiprocessing, sys, types\n"
    "multiprocessing.Manager = lambda: types.SimpleNamespace(dict=dict, shutdown=lambda: None)\n"
    "from kmip.services.server.server import KmipServer\n"
    "from kmip.services.server import engine\n"
    "from kmip.core.messages import contents\n"
    "begin = engine.KmipEngine.__init__\n"
    "def only(self, *a, **k):\n"
    "    begin(self, *a, **k)\n"
    "    version = contents.ProtocolVersion(*map(int, sys.argv[3].split('.')))\n"
    "    self._protocol_versions = [contents.ProtocolVersion(1, 2), version]\n"
    "if sys.argv[3] != '-':\n"
    "    engine.KmipEngine.__init__ = only\n"
    "server = KmipServer(config_path=sys.argv[1], log_path=sys.argv[2])\n"
    "with server:\n"
    "    server.serve()\n";

/* With the certificate FOLDER/CERTIFICATE.pem; its keys lie in FOLDER/NAME.db over restarts. */
static inline void pykmip_start(struct pykmip *out, const char *name, const char *certificate)
{
    AUTO(drop_free) char *conf = text_make("%s/%s.conf", folder_path, name);
    AUTO(drop_free) char *log = text_make("%s/%s.log", folder_path, name);
    AUTO(drop_free) char *policy = text_make("%s/policy", folder_path);
    AUTO(drop_free) char *text = NULL;
    struct err err = {0};

    if (out->port == 0) {
        out->port = free_port();
    }
    (void)snprintf(out->server, sizeof(out->server), "127.0.0.1:%d", out->port);
    assert_true(file_make_folder(policy, 0700, &err));
    text = text_make("[server]\nhostname=127.0.0.1\nport=%d\ncertificate_path=%s/%s.pem\n"
                     "key_path=%s/%s.key\nca_path=%s/ca.pem\nauth_suite=TLS1.2\npolicy_path=%s\n"
                     "enable_tls_client_auth=True\nlogging_level=INFO\ndatabase_path=%s/%s.db\n",
                     out->port, folder_path, certificate, folder_path, certificate, folder_path,
                     policy, folder_path, name);
    assert_true(file_write(conf, text, strlen(text), 0600, &err));
    assert_true(
        child_start(&(struct run){.argv = RUN("/usr/bin/python3", "-W", "ignore", "-c", pykmip_main,
                                              conf, log, out->version ? out->version : "-")},
                    false, &out->child, &err));
    for (int i = 0; i < 1000 && !somebody_listens(out->port); i++) {
        nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
    }
    assert_true(somebody_listens(out->port));
}

static inline void pykmip_stop(struct pykmip *server)
{
    child_stop(&server->child);
}

#endif
