/* SPDX-License-Identifier: Apache-2.0 */
#include "manager/answer.h"

void answer_health(struct request *request, void *context)
{
    AUTO(drop_json) json_t *body = json_pack("{s:b, s:s}", "ok", 1, "version", QUOIN_VERSION);

    (void)context;
    reply_json(request, 200, body);
}
