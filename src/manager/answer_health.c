/* SPDX-License-Identifier: Apache-2.0 */
/* For machines that look whether we are well, without signing in. */
#include "base/text.h"
#include "manager/answer.h"
#include "manager/live.h"
#include "manager/metrics.h"
#include "plan/health.h"
#include "wire/certificate.h"

void answer_health(struct request *request, void *context)
{
    AUTO(drop_json) json_t *body = json_pack("{s:b, s:s}", "ok", 1, "version", QUOIN_VERSION);

    (void)context;
    reply_json(request, 200, body);
}

void answer_metrics(struct request *request, void *context)
{
    struct manager *manager = context;
    AUTO(drop_json) json_t *now = watch_look(manager->watch);
    AUTO(drop_text) struct text text = {0};
    struct certificate_facts facts = {0};
    struct metrics_own own = {.began = manager->began};
    struct err ignored = {0};

    if (certificate_read(manager->identity->tls_certificate, &facts, &ignored)) {
        own.certificate_ends = facts.not_after;
    }
    metrics_write(&own, now, &text);
    reply_bytes(request, 200, "text/plain; version=0.0.4; charset=utf-8", NULL, text.bytes,
                text.length);
}

void answer_findings(struct request *request, void *context)
{
    struct manager *manager = context;
    AUTO(drop_json) json_t *session = answer_to_whom(request, manager);

    if (!session) {
        return;
    }
    AUTO(drop_json) json_t *now = watch_look(manager->watch);
    AUTO(drop_json)
    json_t *view = live_view(now, manager->identity->cluster_id, time(NULL));
    AUTO(drop_json) json_t *findings = health_look(view);
    AUTO(drop_json)
    json_t *body = json_pack("{s:s, s:O}", "state", health_worst(findings), "items", findings);

    reply_json(request, 200, body);
}
