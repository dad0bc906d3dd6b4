/* SPDX-License-Identifier: Apache-2.0 */
/* A path that is found is the route's with its values put in, and no value can climb out of it. */
#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "base/base.h"
#include "wire/route.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void answer(struct request *request, void *context)
{
    (void)request;
    (void)context;
}

static const struct route routes[] = {
    {"GET", "/", 1, 0, answer},
    {"GET", "/v1/vms/{vm}", 1, 0, answer},
    {"GET", "/v1/vms/{vm}/disks/{disk}", 1, 0, answer},
    {"GET", "/{a}/{b}/{c}/{d}", 1, 0, answer},
    {"GET", "/{a}/{b}/{c}/{d}/{e}", 1, 0, answer},
};

static char *filled_in(const struct route_values *values)
{
    struct text text = {0};
    unsigned next = 0;

    for (const char *at = values->path; *at; at++) {
        if (*at == '{') {
            text_add(&text, values->value[next++]);
            at = strchr(at, '}');
        } else {
            text_add_bytes(&text, at, 1);
        }
    }
    return text_take(&text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    AUTO(drop_free) char *path = text_make("%.*s", (int)size, (const char *)data);
    const struct route *route = NULL;
    struct route_values values;

    if (route_find(routes, COUNT_OF(routes), "GET", path, &route, &values) == ROUTE_FOUND) {
        AUTO(drop_free) char *again = filled_in(&values);

        assert(strcmp(path, again) == 0);
        for (unsigned i = 0; i < values.count; i++) {
            assert(values.value[i][0] && !strchr(values.value[i], '/'));
            assert(strcmp(values.value[i], ".") != 0 && strcmp(values.value[i], "..") != 0);
        }
    }
    return 0;
}
