/* SPDX-License-Identifier: Apache-2.0 */
/* The API's own description (OpenAPI 3.1), made from the tables that the API itself runs on. */
#ifndef QUOIN_MANAGER_OPENAPI_H
#define QUOIN_MANAGER_OPENAPI_H

#include "base/json.h"

/* A new object. */
json_t *openapi_make(void);

#endif
