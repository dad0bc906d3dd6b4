/* SPDX-License-Identifier: Apache-2.0 */
/* Who asks: the kernel's word on a unix socket, a client certificate on TLS. */
#include <arpa/inet.h>
#include <gnutls/gnutls.h>
#include <gnutls/x509.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "wire/certificate_der.h"
#include "wire/request.h"

static bool peer_of_socket(struct request *request, int fd, struct err *err)
{
    struct ucred who;
    socklen_t size = sizeof(who);

    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &size) != 0) {
        return err_set(err, ERR_DENIED, "nobody knows who is at the socket");
    }
    (void)snprintf(request->from, sizeof(request->from), "unix:%u", (unsigned)who.uid);
    if (who.uid != 0 && who.uid != request->conf->socket_uid) {
        err_set(err, ERR_DENIED, "user %u may not use this socket", (unsigned)who.uid);
        return err_mend(err, "run as root");
    }
    request->peer = (struct peer){.role = ROLE_LOCAL};
    (void)snprintf(request->peer.name, sizeof(request->peer.name), "uid-%u", (unsigned)who.uid);
    return true;
}

/* libmicrohttpd and GnuTLS alone would accept a certificate meant for servers: say what it is for.
 */
static bool chain_is_good(gnutls_session_t session, struct err *err)
{
    static char oid[] = GNUTLS_KP_TLS_WWW_CLIENT;
    gnutls_typed_vdata_st purpose = {GNUTLS_DT_KEY_PURPOSE_OID, (unsigned char *)oid, 0};
    unsigned status = 0;
    int code = gnutls_certificate_verify_peers(session, &purpose, 1, &status);

    if (code < 0) {
        return err_set(err, ERR_DENIED, "the client certificate cannot be checked: %s",
                       gnutls_strerror(code));
    }
    if (status != 0) {
        gnutls_datum_t why = {0};

        (void)gnutls_certificate_verification_status_print(status, GNUTLS_CRT_X509, &why, 0);
        err_set(err, ERR_DENIED, "the client certificate is refused: %s",
                why.data ? (const char *)why.data : "it is not valid");
        gnutls_free(why.data);
        return err_mend(err, "check its dates and that this cluster's CA signed it for clients");
    }
    return true;
}

static bool peer_of_certificate(struct request *request, gnutls_session_t session, struct err *err)
{
    struct certificate_facts facts;
    unsigned count = 0;
    const gnutls_datum_t *chain = gnutls_certificate_get_peers(session, &count);

    if (!request->conf->authority || !chain || count == 0) {
        request->peer = (struct peer){.role = ROLE_ANONYMOUS};
        return true;
    }
    if (!chain_is_good(session, err) ||
        !certificate_read_der(chain[0].data, chain[0].size, &facts, err)) {
        err->kind = ERR_DENIED;
        return false;
    }
    if (!facts.client || !facts.has_peer) {
        return err_set(err, ERR_DENIED, "the client certificate '%s' names no role in a cluster",
                       facts.common_name);
    }
    if (!request->conf->cluster || strcmp(facts.peer.cluster, request->conf->cluster) != 0) {
        return err_set(err, ERR_DENIED, "the client certificate is of another cluster, %s",
                       facts.peer.cluster);
    }
    request->peer = facts.peer;
    return true;
}

static void address_of(struct request *request)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(request->connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
    const struct sockaddr *address = info ? info->client_addr : NULL;

    if (address && address->sa_family == AF_INET) {
        (void)inet_ntop(AF_INET, &((const struct sockaddr_in *)(const void *)address)->sin_addr,
                        request->from, sizeof(request->from));
    } else if (address && address->sa_family == AF_INET6) {
        (void)inet_ntop(AF_INET6, &((const struct sockaddr_in6 *)(const void *)address)->sin6_addr,
                        request->from, sizeof(request->from));
    }
}

bool peer_find(struct request *request, struct err *err)
{
    const union MHD_ConnectionInfo *tls =
        MHD_get_connection_info(request->connection, MHD_CONNECTION_INFO_GNUTLS_SESSION);
    const union MHD_ConnectionInfo *socket =
        MHD_get_connection_info(request->connection, MHD_CONNECTION_INFO_CONNECTION_FD);

    address_of(request);
    if (tls && tls->tls_session) {
        return peer_of_certificate(request, tls->tls_session, err);
    }
    return socket ? peer_of_socket(request, socket->connect_fd, err)
                  : err_set(err, ERR_BUG, "a connection without a socket");
}
