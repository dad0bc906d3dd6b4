/* SPDX-License-Identifier: Apache-2.0 */
#include "hv/hv.h"

#include <string.h>

bool hypervisor_find(const char *type, const struct hypervisor **out, struct err *err)
{
    AUTO(drop_text) struct text types = {0};

    for (size_t i = 0; hypervisors[i]; i++) {
        if (!strcmp(hypervisors[i]->type, type)) {
            *out = hypervisors[i];
            return true;
        }
        text_addf(&types, "%s%s", i > 0 ? ", " : "", hypervisors[i]->type);
    }
    err_set(err, ERR_INPUT, "there is no hypervisor of type '%.64s'", type);
    return err_mend(err, "one of: %s", types.bytes);
}

const char *hv_state_name(enum hv_state state)
{
    static const char *const names[] = {
        [HV_ABSENT] = "off",
        [HV_RUNNING] = "running",
        [HV_PAUSED] = "paused",
        [HV_CRASHED] = "crashed",
    };

    return names[state];
}
