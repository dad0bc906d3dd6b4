/* SPDX-License-Identifier: Apache-2.0 */
/* Inside manager: the answers behind the routes, one file a noun. */
#ifndef QUOIN_MANAGER_ANSWER_H
#define QUOIN_MANAGER_ANSWER_H

#include "manager/manager.h"

/* Who asks, {"user",…}, or NULL after a reply of 401. The caller owns it. */
json_t *answer_to_whom(struct request *request, struct manager *manager);
/* {"kind","what","remedy"} with a status that no kind has. */
void answer_refusal(struct request *request, unsigned status, const struct err *err);

/* answer_session.c */
void answer_sign_in(struct request *request, void *context);
void answer_session(struct request *request, void *context);
void answer_sign_out(struct request *request, void *context);

/* answer_items.c */
void answer_list(struct request *request, void *context);
void answer_item(struct request *request, void *context);
void answer_create(struct request *request, void *context);
void answer_remove(struct request *request, void *context);

/* The collection `which` as it is now; of events and tasks `limit` of a kind (NULL: all). */
bool answer_find(struct manager *manager, const char *collection, const char *which, json_t **out,
                 struct err *err);

/* answer_rotate.c */
void answer_rotate(struct request *request, void *context);

/* answer_health.c, for machines; but answer_findings, which is for people */
void answer_findings(struct request *request, void *context);
void answer_health(struct request *request, void *context);
void answer_metrics(struct request *request, void *context);

/* answer_openapi.c */
void answer_openapi(struct request *request, void *context);

/* answer_page.c */
void answer_page(struct request *request, void *context);

#endif
