/* SPDX-License-Identifier: Apache-2.0 */
/* Any JSON as an agent's status: refused, or made into something that reads again the same. */
#include <stdint.h>
#include <stdlib.h>

#include "base/text.h"
#include "manager/live.h"
#include "manager/metrics.h"
#include "manager/report.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    AUTO(drop_json) json_t *status = NULL, *report = NULL, *again = NULL;
    AUTO(drop_text) struct text text = {0};
    const struct metrics_own own = {0};
    struct err err = {0};

    if (!json_read((const char *)data, size, &status, &err) ||
        !report_make(status, &report, &err)) {
        return 0;
    }
    if (!report_make(report, &again, &err) || !json_equal(report, again)) {
        abort();
    }
    AUTO(drop_json)
    json_t *now =
        json_pack("{s:{s:s, s:i, s:O}}", "h1", "state", "up", "seen", 1, "report", report);
    AUTO(drop_json) json_t *keks = json_pack("[{s:s, s:i}]", "kek", "native:1:2", "since", 1);
    AUTO(drop_json) json_t *vms = live_vms(now, keks);

    metrics_write(&own, now, &text);
    /* It goes out as JSON whatever came in. */
    AUTO(drop_free) char *out = json_write(vms);

    return out[0] == '[' ? 0 : 1;
}
