/* SPDX-License-Identifier: Apache-2.0 */
/* What the manager answers: one table of routes. The context of each is struct manager. */
#ifndef QUOIN_MANAGER_API_H
#define QUOIN_MANAGER_API_H

#include "wire/server.h"

extern const struct route api_routes[];
extern const size_t api_route_count;
/* With every answer, the page's and the errors' too: name, value, …, NULL. */
extern const char *const api_headers[];

#endif
