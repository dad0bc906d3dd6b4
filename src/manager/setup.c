/* SPDX-License-Identifier: Apache-2.0 */
#include "manager/setup.h"

#include <errno.h>
#include <string.h>

#include "base/file.h"
#include "base/text.h"

static bool write_text(const char *root, const char *path, const struct text *text, struct err *err)
{
    AUTO(drop_free) char *whole = text_make("%s%s", root, path);

    return file_write(whole, text->bytes, text->length, 0644, err);
}

static bool write_network(const struct identity *identity, const char *root, struct err *err)
{
    AUTO(drop_text) struct text text = {0};

    text_add(&text, "[Match]\n");
    if (identity->mac) {
        text_addf(&text, "MACAddress=%s\n", identity->mac);
    } else {
        text_add(&text, "Type=ether\n");
    }
    text_addf(&text, "\n[Network]\nAddress=%s\n", identity->address);
    if (identity->gateway) {
        text_addf(&text, "Gateway=%s\n", identity->gateway);
    }
    text_add(&text, "DHCP=no\nLinkLocalAddressing=ipv6\nIPv6AcceptRA=no\n");
    return write_text(root, "/run/systemd/network/10-quoin.network", &text, err);
}

static bool write_resolver(const struct identity *identity, const char *root, struct err *err)
{
    AUTO(drop_text) struct text text = {0};

    text_add(&text, "# From the manager's identity.\n");
    for (unsigned i = 0; i < identity->dns_count; i++) {
        text_addf(&text, "nameserver %s\n", identity->dns[i]);
    }
    return write_text(root, "/run/quoin/resolv.conf", &text, err);
}

bool setup_files(const struct identity *identity, const char *root, struct err *err)
{
    return write_network(identity, root, err) && write_resolver(identity, root, err);
}

bool setup_name(const struct identity *identity, struct err *err)
{
    return sethostname(identity->hostname, strlen(identity->hostname)) == 0 ||
           err_errno(err, errno, "set the host name '%s'", identity->hostname);
}
