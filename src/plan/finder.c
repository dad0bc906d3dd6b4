/* SPDX-License-Identifier: Apache-2.0 */
#include "plan/finder.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

__attribute__((format(printf, 1, 0))) static char *say(const char *format, va_list list)
{
    char *what = NULL;

    if (vasprintf(&what, format, list) < 0) {
        abort();
    }
    return what;
}

void find(struct finder *finder, enum severity severity, const char *part, const char *remedy,
          const char *format, ...)
{
    AUTO(drop_free) char *where = text_make("hosts[%zu]%s", finder->number, part);
    va_list list;

    va_start(list, format);
    AUTO(drop_free) char *what = say(format, list);
    va_end(list);
    blueprint_find(finder->blueprint, finder->findings, severity, where, what, remedy);
}

/* Those beyond the ceiling are not kept, so the last one kept may be marked twice: no harm. */
void find_mark(struct finder *finder, enum err_kind kind)
{
    if (finder->findings->count > 0) {
        finder->findings->items[finder->findings->count - 1].kind = kind;
    }
}

void find_kind(struct finder *finder, enum err_kind kind, const char *part, const char *remedy,
               const char *format, ...)
{
    va_list list;

    va_start(list, format);
    AUTO(drop_free) char *what = say(format, list);
    va_end(list);
    find(finder, SEVERITY_ERROR, part, remedy, "%s", what);
    find_mark(finder, kind);
}

void find_at(struct finder *finder, enum severity severity, const char *where, const char *remedy,
             const char *format, ...)
{
    va_list list;

    va_start(list, format);
    AUTO(drop_free) char *what = say(format, list);
    va_end(list);
    blueprint_find(finder->blueprint, finder->findings, severity, where, what, remedy);
}
