/* SPDX-License-Identifier: Apache-2.0 */
#include "store/mark.h"

#include <stdio.h>
#include <string.h>

#define MARK_MAGIC "quoin-disk-1 "

void mark_disk_uuid(const char *cluster, const char *identity, char out[UUID_SIZE])
{
    uuid_derive(cluster, identity, out);
}

static bool host_valid(const char *host)
{
    size_t length = strlen(host);

    return length > 0 && length <= MARK_MAX_HOST &&
           strspn(host, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-") ==
               length;
}

bool mark_write(const struct mark *mark, unsigned char out[MARK_SIZE], struct err *err)
{
    if (!uuid_valid(mark->cluster) || !uuid_valid(mark->disk) || !host_valid(mark->host)) {
        return err_set(err, ERR_INPUT, "a disk's mark needs two UUIDs and a host's name");
    }
    memset(out, 0, MARK_SIZE);
    (void)snprintf((char *)out, MARK_SIZE, MARK_MAGIC "%s %s %s\n", mark->cluster, mark->host,
                   mark->disk);
    return true;
}

/* The text up to `end`, which must come within `room`; moves `*at` behind it. */
static bool word(const char **at, const char *stop, char end, char *out, size_t room)
{
    const char *found = memchr(*at, end, (size_t)(stop - *at));

    if (!found || (size_t)(found - *at) >= room || memchr(*at, '\0', (size_t)(found - *at))) {
        return false;
    }
    memcpy(out, *at, (size_t)(found - *at));
    out[found - *at] = '\0';
    *at = found + 1;
    return true;
}

bool mark_read(const unsigned char *head, size_t length, struct mark *out)
{
    const char *at = (const char *)head, *stop = at + length;
    struct mark mark;

    if (length < MARK_SIZE || memcmp(at, MARK_MAGIC, strlen(MARK_MAGIC)) != 0) {
        return false;
    }
    at += strlen(MARK_MAGIC);
    if (!word(&at, stop, ' ', mark.cluster, sizeof(mark.cluster)) ||
        !word(&at, stop, ' ', mark.host, sizeof(mark.host)) ||
        !word(&at, stop, '\n', mark.disk, sizeof(mark.disk)) || !uuid_valid(mark.cluster) ||
        !uuid_valid(mark.disk) || !host_valid(mark.host)) {
        return false;
    }
    *out = mark;
    return true;
}
