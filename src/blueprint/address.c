/* SPDX-License-Identifier: Apache-2.0 */
#include "blueprint/address.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"

bool address_read(const char *text, struct address *out)
{
    static const int families[] = {AF_INET, AF_INET6};
    struct address found = {0};

    for (size_t i = 0; i < COUNT_OF(families); i++) {
        if (inet_pton(families[i], text, found.bytes) == 1) {
            found.family = families[i];
            found.bits = found.family == AF_INET ? 32 : 128;
            found.prefix = found.bits;
            *out = found;
            return true;
        }
    }
    return false;
}

bool address_read_cidr(const char *text, struct address *out)
{
    const char *slash = strchr(text, '/');
    char host[INET6_ADDRSTRLEN];
    struct address found;
    size_t digits;

    if (!slash || (size_t)(slash - text) >= sizeof(host)) {
        return false;
    }
    memcpy(host, text, (size_t)(slash - text));
    host[slash - text] = '\0';
    digits = strspn(slash + 1, "0123456789");
    if (!address_read(host, &found) || digits == 0 || digits > 3 || slash[1 + digits] ||
        (slash[1] == '0' && digits > 1)) {
        return false;
    }
    found.prefix = (unsigned)strtoul(slash + 1, NULL, 10);
    if (found.prefix == 0 || found.prefix > found.bits) {
        return false;
    }
    *out = found;
    return true;
}

bool address_equal(const struct address *a, const struct address *b)
{
    return a->family == b->family && memcmp(a->bytes, b->bytes, a->bits / 8) == 0;
}

static bool bit(const struct address *address, unsigned number)
{
    return address->bytes[number / 8] >> (7 - number % 8) & 1;
}

bool address_in(const struct address *address, const struct address *network)
{
    if (address->family != network->family) {
        return false;
    }
    for (unsigned i = 0; i < network->prefix; i++) {
        if (bit(address, i) != bit(network, i)) {
            return false;
        }
    }
    return true;
}

bool address_usable(const struct address *address)
{
    static const char *const unusable[] = {"0.0.0.0/8", "127.0.0.0/8",  "224.0.0.0/3",
                                           "::/128",    "::1/128",      "ff00::/8",
                                           "fe80::/10", "::ffff:0:0/96"};
    struct address network;

    for (size_t i = 0; i < COUNT_OF(unusable); i++) {
        if (address_read_cidr(unusable[i], &network) && address_in(address, &network)) {
            return false;
        }
    }
    return true;
}

/* Whether all bits behind the prefix have the given value. */
static bool rest_is(const struct address *cidr, bool value)
{
    for (unsigned i = cidr->prefix; i < cidr->bits; i++) {
        if (bit(cidr, i) != value) {
            return false;
        }
    }
    return true;
}

bool address_is_edge(const struct address *cidr)
{
    return cidr->prefix + 1 < cidr->bits &&
           (rest_is(cidr, false) || (cidr->family == AF_INET && rest_is(cidr, true)));
}

bool address_is_network(const struct address *cidr, char out[64])
{
    struct address network = *cidr;
    char text[INET6_ADDRSTRLEN];

    for (unsigned i = cidr->prefix; i < cidr->bits; i++) {
        network.bytes[i / 8] &= (unsigned char)~(0x80u >> i % 8);
    }
    (void)inet_ntop(network.family, network.bytes, text, sizeof(text));
    (void)snprintf(out, 64, "%s/%u", text, network.prefix);
    return rest_is(cidr, false);
}

static bool is_small(char byte)
{
    return byte >= 'a' && byte <= 'z';
}

bool name_is_label(const char *text, size_t max)
{
    size_t length = strlen(text);

    return length > 0 && length <= max && is_small(text[0]) && text[length - 1] != '-' &&
           strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789-") == length;
}

/* Here upper case is fine, and a digit first. */
static bool is_dns_label(const char *label, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        if (!isascii(label[i]) || (!isalnum((unsigned char)label[i]) && label[i] != '-')) {
            return false;
        }
    }
    return length > 0 && length <= 63 && label[0] != '-' && label[length - 1] != '-';
}

bool name_is_dns(const char *text)
{
    const char *label = text;
    size_t length;

    if (strlen(text) > 253) {
        return false;
    }
    for (;; label += length + 1) {
        length = strcspn(label, ".");
        if (!is_dns_label(label, length)) {
            return false;
        }
        if (!label[length]) {
            return strspn(label, "0123456789") < length;
        }
    }
}

bool name_is_server(const char *text)
{
    const char *colon = strrchr(text, ':');
    AUTO(drop_free) char *host = NULL;
    struct address address;
    size_t digits;

    if (!colon) {
        return false;
    }
    digits = strspn(colon + 1, "0123456789");
    if (digits == 0 || digits > 5 || colon[1 + digits] || colon[1] == '0' ||
        strtoul(colon + 1, NULL, 10) > 65535) {
        return false;
    }
    if (text[0] == '[') {
        host = strndup(text + 1, (size_t)(colon - text - 1));
        size_t length = host ? strlen(host) : 0;

        if (length == 0 || host[length - 1] != ']') {
            return false;
        }
        host[length - 1] = '\0';
        return address_read(host, &address) && address.family == AF_INET6;
    }
    host = strndup(text, (size_t)(colon - text));
    return host &&
           ((address_read(host, &address) && address.family == AF_INET) || name_is_dns(host));
}
