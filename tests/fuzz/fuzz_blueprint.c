/* SPDX-License-Identifier: Apache-2.0 */
/* A hostile blueprint: read, checked, shown; never its files. */
#include <stdlib.h>

#include "blueprint/blueprint.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const both[] = {"native", "kmip", NULL};
    const struct blueprint_limits limits = {.providers = both, .form_only = true};
    AUTO(drop_findings) struct findings findings = {0};
    AUTO(drop_blueprint) struct blueprint *blueprint = NULL;
    AUTO(drop_text) struct text text = {0};
    struct err err = {0};

    if (blueprint_parse((const char *)data, size, "fuzz.yaml", &limits, &blueprint, &findings,
                        &err)) {
        json_decref(blueprint_json(blueprint));
    } else if (findings.errors == 0 || blueprint) {
        abort();
    }
    findings_text(&findings, "fuzz.yaml", (const char *)data, size, &text);
    json_t *json = findings_json(&findings);

    if (!json) {
        abort(); /* some text in it is not UTF-8 */
    }
    json_decref(json);
    return 0;
}
