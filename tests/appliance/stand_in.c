/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A small program that keeps to the seam of docs/manager-identity.md, so that the image is tested
 * by itself: it writes the network from the identity, counts its starts on the data disk, says that
 * it is ready and answers on port 443 (plain TCP).
 */
#include <arpa/inet.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

static json_t *identity_read(const char *path)
{
    static char text[1048577];
    FILE *file = fopen(path, "re");
    json_t *doc = NULL;

    if (file && fread(text, 1, sizeof text - 1, file) > 0) {
        doc = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
    }
    if (file) {
        fclose(file);
    }
    return doc;
}

static int setup(json_t *doc)
{
    const char *address = "", *gateway = "", *hostname = "";
    FILE *network, *resolv;

    if (json_unpack(doc, "{s:{s:s,s:s},s:{s:s}}", "network", "address", &address, "gateway",
                    &gateway, "manager", "hostname", &hostname) < 0) {
        return 2;
    }
    network = fopen("/run/systemd/network/10-quoin.network", "we");
    resolv = fopen("/run/quoin/resolv.conf", "we");
    if (!network || !resolv || sethostname(hostname, strlen(hostname)) < 0) {
        return 7;
    }
    fprintf(network, "[Match]\nType=ether\n[Network]\nAddress=%s\nGateway=%s\nDHCP=no\n", address,
            gateway);
    return fclose(network) || fclose(resolv) ? 7 : 0;
}

static int starts_count(const char *data)
{
    char path[256];
    int starts = 0;
    FILE *file;

    snprintf(path, sizeof path, "%s/starts", data);
    file = fopen(path, "re");
    if (file) {
        if (fscanf(file, "%d", &starts) != 1) {
            starts = -1;
        }
        fclose(file);
    }
    file = fopen(path, "we");
    if (!file || fprintf(file, "%d\n", starts + 1) < 0 || fclose(file)) {
        return -1;
    }
    return starts + 1;
}

static int serve(const char *data)
{
    struct sockaddr_in6 any = {.sin6_family = AF_INET6, .sin6_port = htons(443)};
    int starts = starts_count(data);
    int door = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (starts < 1 || bind(door, (struct sockaddr *)&any, sizeof any) < 0 || listen(door, 4) < 0) {
        perror("serve");
        return 7;
    }
    sd_notify(0, "READY=1");
    for (;;) {
        int peer = accept(door, NULL, NULL);

        dprintf(peer, "start %d\n", starts);
        close(peer);
    }
}

int main(int argc, char **argv)
{
    bool is_setup = argc == 4 && strcmp(argv[1], "--setup") == 0;
    json_t *doc = argc >= 4 ? identity_read(argv[is_setup ? 3 : 2]) : NULL;

    if (!doc) {
        fputs("no identity\n", stderr);
        return 2;
    }
    return is_setup ? setup(doc) : serve(argv[4]);
}
