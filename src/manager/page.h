/* SPDX-License-Identifier: Apache-2.0 */
/* The page's files, inside the program; page/embed.py writes the table from the folder page. */
#ifndef QUOIN_MANAGER_PAGE_H
#define QUOIN_MANAGER_PAGE_H

#include <stddef.h>

struct page_file {
    const char *name; /* "index.html" */
    const char *type; /* Content-Type */
    const unsigned char *bytes;
    size_t length;
};

extern const struct page_file page_files[];
extern const size_t page_file_count;

#endif
