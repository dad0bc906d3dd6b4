/* SPDX-License-Identifier: Apache-2.0 */
#include "key/provider.h"

extern const struct key_provider native_provider;

const struct key_provider *const key_providers[] = {
    &native_provider,
    NULL,
};
