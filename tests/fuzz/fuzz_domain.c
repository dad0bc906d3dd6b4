/* SPDX-License-Identifier: Apache-2.0 */
/* Any texts as a VM's fields, one a line: refused, or written; and then the XML has exactly the
 * elements that it always has, whatever the texts are. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/base.h"
#include "hv/domain.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static size_t count(const char *text, const char *what)
{
    size_t found = 0;

    for (; (text = strstr(text, what)); text += strlen(what)) {
        found++;
    }
    return found;
}

/* 2 disks; all but the <host/> lines, of which there is one for each server and disk. */
static void judge(const char *xml)
{
    static const struct {
        const char *what;
        size_t times;
    } always[] = {{"<disk ", 2},   {"</disk>", 2},    {"<domain ", 1}, {"</domain>", 1},
                  {"<name>", 1},   {"<source ", 3},   {"<serial>", 2}, {"<secret ", 4},
                  {"<config ", 2}, {"<!", 0},         {"<?", 0},       {"&", 0},
                  {"\"", 0},       {"<interface ", 1}};

    for (size_t i = 0; i < COUNT_OF(always); i++) {
        if (count(xml, always[i].what) != always[i].times) {
            abort();
        }
    }
    if (count(xml, "<") != count(xml, ">") || count(xml, "'") % 2 != 0) {
        abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    AUTO(drop_free) char *text = text_room(1, size + 1);
    AUTO(drop_free) char *xml = NULL;
    const char *lines[10] = {NULL};
    char *rest = memcpy(text, data, size);
    struct err err = {0};

    for (size_t i = 0; i < COUNT_OF(lines) && rest; i++) {
        lines[i] = strsep(&rest, "\n");
    }
    struct domain domain = {
        .uuid = lines[0],
        .name = lines[1],
        .cpus = 1,
        .memory = 1024,
        .bridge = lines[2],
        .storage = {"rbd", lines[3], lines[4], lines[5]},
        .disks = {{lines[6], lines[7], false}, {lines[8], lines[9], true}},
        .disk_count = 2,
    };
    if (domain_xml(&domain, &xml, &err)) {
        judge(xml);
    } else if (err.kind != ERR_INPUT || xml) {
        abort();
    }
    return 0;
}
