/* SPDX-License-Identifier: Apache-2.0 */
#include "base/side.h"

#include <pthread.h>
#include <stdatomic.h>

#include "base/text.h"

struct side {
    size_t count;
    atomic_size_t next;
    void (*each)(void *context, size_t number);
    void *context;
};

static void *work(void *context)
{
    struct side *side = context;

    for (size_t number = side->next++; number < side->count; number = side->next++) {
        side->each(side->context, number);
    }
    return NULL;
}

void side_by_side(size_t count, unsigned at_once, void (*each)(void *context, size_t number),
                  void *context)
{
    struct side side = {.count = count, .each = each, .context = context};
    size_t wanted = count < at_once ? count : at_once, started = 0;
    AUTO(drop_free) pthread_t *threads = text_room(wanted + 1, sizeof(*threads));

    /* The caller is one of them. */
    while (started + 1 < wanted && pthread_create(&threads[started], NULL, work, &side) == 0) {
        started++;
    }
    (void)work(&side);
    while (started > 0) {
        (void)pthread_join(threads[--started], NULL);
    }
}
