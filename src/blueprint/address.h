/* SPDX-License-Identifier: Apache-2.0 */
/* Addresses and names of the network: IPv4, IPv6 (RFC 4291), DNS names (RFC 1035, 1123), CIDR. */
#ifndef QUOIN_BLUEPRINT_ADDRESS_H
#define QUOIN_BLUEPRINT_ADDRESS_H

#include <stdbool.h>
#include <stddef.h>

struct address {
    int family; /* AF_INET or AF_INET6 */
    unsigned char bytes[16];
    unsigned bits;   /* 32 or 128 */
    unsigned prefix; /* of a CIDR, else `bits` */
};

/* "10.77.0.11", "fd00::11"; no zone, no prefix. */
bool address_read(const char *text, struct address *out);
/* "10.77.0.0/24" */
bool address_read_cidr(const char *text, struct address *out);
bool address_equal(const struct address *a, const struct address *b);
bool address_in(const struct address *address, const struct address *network);
/* A host can have it: not unspecified, loopback, link-local IPv6, multicast or broadcast. */
bool address_usable(const struct address *address);
/* The network's own address, or its broadcast address (IPv4, prefixes shorter than 31). */
bool address_is_edge(const struct address *cidr);
/* All bits behind the prefix are zero; `out`, of 64 bytes, gets "NETWORK/PREFIX" as it should be.
 */
bool address_is_network(const struct address *cidr, char out[64]);

/* A letter, then letters, digits and hyphens, no hyphen last; lower case; at most `max` bytes. */
bool name_is_label(const char *text, size_t max);
/* Labels and dots, at most 253 bytes, the last label not all digits (then it was meant as IPv4). */
bool name_is_dns(const char *text);
/* "HOST:PORT" or "[IPv6]:PORT" */
bool name_is_server(const char *text);

#endif
