/* SPDX-License-Identifier: Apache-2.0 */
#include "manager/answer.h"
#include "manager/openapi.h"

void answer_openapi(struct request *request, void *context)
{
    AUTO(drop_json) json_t *body = openapi_make();

    (void)context;
    reply_json(request, 200, body);
}
