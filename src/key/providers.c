/* SPDX-License-Identifier: Apache-2.0 */
#include "key/provider.h"

extern const struct key_provider native_provider;
extern const struct key_provider kmip_provider;

const struct key_provider *const key_providers[] = {
    &native_provider,
    &kmip_provider,
    NULL,
};
