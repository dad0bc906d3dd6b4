/* SPDX-License-Identifier: Apache-2.0 */
/* A URI that is read is exactly the one that would be written for what was read. */
#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "base/base.h"
#include "wire/role.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    AUTO(drop_free) char *uri = text_make("%.*s", (int)size, (const char *)data);
    struct peer peer;
    struct err err;

    if (role_read(uri, &peer, &err)) {
        AUTO(drop_free) char *again = role_uri(peer.cluster, peer.role, peer.name);

        assert(strcmp(uri, again) == 0);
        assert(peer.role == ROLE_HOST || peer.role == ROLE_MANAGER || peer.role == ROLE_DEPLOYER);
    }
    return 0;
}
