/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "manager/answer.h"
#include "manager/page.h"

void answer_page(struct request *request, void *context)
{
    const char *name = request_value(request, "file");
    struct err err = {0};

    (void)context;
    name = name ? name : "index.html";
    for (size_t i = 0; i < page_file_count; i++) {
        const struct page_file *file = &page_files[i];

        if (strcmp(file->name, name) == 0) {
            reply_bytes(request, 200, file->type, NULL, file->bytes, file->length);
            return;
        }
    }
    err_set(&err, ERR_ABSENT, "the page has no file '%.64s'", name);
    reply_err(request, &err);
}
