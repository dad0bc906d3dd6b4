/* SPDX-License-Identifier: Apache-2.0 */
#include "blueprint/finding.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "blueprint/source.h"

static const char *const severities[] = {"error", "warning", "info"};

/* A caret line longer than this helps nobody. */
#define LINE_SHOWN 160

const char *severity_name(enum severity severity)
{
    return severities[severity];
}

/* Text from outside may carry escape sequences, or what JSON cannot; letters beyond ASCII stay. */
static const char *harmless(const char *text)
{
    char *copy = text_copy(text ? text : "");

    source_defuse(copy);
    return copy;
}

static void release(const char *text)
{
    free((void *)(uintptr_t)text);
}

void findings_add(struct findings *findings, const struct finding *finding)
{
    findings->errors += finding->severity == SEVERITY_ERROR;
    if (findings->count == FINDINGS_MAX) {
        findings->left_out++;
        return;
    }
    if (!findings->items) {
        findings->items = text_room(FINDINGS_MAX, sizeof(*findings->items));
    }
    struct finding *item = &findings->items[findings->count++];

    *item = *finding;
    item->where = harmless(finding->where);
    item->what = harmless(finding->what);
    item->remedy = harmless(finding->remedy);
}

enum err_kind findings_kind(const struct findings *findings)
{
    enum err_kind kind = ERR_NONE;

    for (size_t i = 0; i < findings->count; i++) {
        const struct finding *item = &findings->items[i];
        enum err_kind own = item->kind == ERR_NONE ? ERR_INPUT : item->kind;

        if (item->severity != SEVERITY_ERROR) {
            continue;
        }
        if (kind != ERR_NONE && kind != own) {
            return ERR_INPUT;
        }
        kind = own;
    }
    return kind == ERR_NONE ? ERR_INPUT : kind;
}

void findings_clear(struct findings *findings)
{
    for (size_t i = 0; i < findings->count; i++) {
        release(findings->items[i].where);
        release(findings->items[i].what);
        release(findings->items[i].remedy);
    }
    free(findings->items);
    *findings = (struct findings){0};
}

/* The line with the given number, without its end. */
static const char *line_of(const char *source, size_t length, unsigned number, size_t *out_length)
{
    const char *at = source, *end = source + length;

    for (unsigned line = 1; line < number && at < end; line++) {
        const char *feed = memchr(at, '\n', (size_t)(end - at));

        at = feed ? feed + 1 : end;
    }
    const char *feed = memchr(at, '\n', (size_t)(end - at));

    *out_length = (size_t)((feed ? feed : end) - at);
    return at;
}

static bool continues(char byte)
{
    return ((unsigned char)byte & 0xc0) == 0x80;
}

static void show_line(const struct finding *finding, const char *source, size_t length,
                      struct text *out)
{
    size_t line_length, characters = 0;
    const char *line = line_of(source, length, finding->line, &line_length);

    if (line_length == 0 || finding->column > LINE_SHOWN) {
        return;
    }
    text_addf(out, "%5u | ", finding->line);
    for (size_t i = 0; i < line_length && characters <= LINE_SHOWN; i++) {
        characters += !continues(line[i]);
        text_add_bytes(out, (unsigned char)line[i] < 0x20 || line[i] == 0x7f ? " " : line + i, 1);
    }
    text_addf(out, "\n      | %*s\n", (int)finding->column, "^");
}

static void show(const struct finding *finding, const char *file, const char *source, size_t length,
                 struct text *out)
{
    text_add(out, file);
    if (finding->line > 0) {
        text_addf(out, ":%u:%u", finding->line, finding->column);
    }
    text_addf(out, ": %s: ", severity_name(finding->severity));
    if (finding->where[0]) {
        text_addf(out, "%s: ", finding->where);
    }
    text_addf(out, "%s\n", finding->what);
    if (finding->line > 0 && source) {
        show_line(finding, source, length, out);
    }
    if (finding->remedy[0]) {
        text_addf(out, "      = %s\n", finding->remedy);
    }
}

void findings_text(const struct findings *findings, const char *file, const char *source,
                   size_t length, struct text *out)
{
    size_t counts[COUNT_OF(severities)] = {0};

    for (size_t i = 0; i < findings->count; i++) {
        show(&findings->items[i], file, source, length, out);
        counts[findings->items[i].severity]++;
    }
    if (findings->left_out > 0) {
        text_addf(out, "%s: %zu more findings are not shown\n", file, findings->left_out);
    }
    if (findings->count > 0) {
        text_addf(out, "%s: %zu error%s, %zu warning%s\n", file, findings->errors,
                  findings->errors == 1 ? "" : "s", counts[SEVERITY_WARNING],
                  counts[SEVERITY_WARNING] == 1 ? "" : "s");
    }
}

json_t *findings_json(const struct findings *findings)
{
    json_t *list = json_array();

    for (size_t i = 0; i < findings->count; i++) {
        const struct finding *finding = &findings->items[i];

        json_array_append_new(list,
                              json_pack("{s:s, s:s, s:i, s:i, s:s, s:s}", "severity",
                                        severity_name(finding->severity), "where", finding->where,
                                        "line", (int)finding->line, "column", (int)finding->column,
                                        "what", finding->what, "remedy", finding->remedy));
    }
    return json_pack("{s:b, s:o}", "ok", findings->errors == 0, "findings", list);
}
