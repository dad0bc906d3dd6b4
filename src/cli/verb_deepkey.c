/* SPDX-License-Identifier: Apache-2.0 */
/* quoin key rotate --deep: other keys and other images under the VMs, while they run, another KEK.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cli/open.h"
#include "deploy/deepkey.h"

/* Bytes a second: digits, and K, M or G for powers of 1024. The agent takes no more. */
#define MAX_LIMIT ((unsigned long long)1 << 40)

static bool read_limit(const char *text, uint64_t *out, struct err *err)
{
    static const char units[] = "KMG";
    char *end = NULL;

    *out = 0;
    if (!text) {
        return true;
    }
    errno = 0;
    unsigned long long value = strtoull(text, &end, 10);
    const char *unit = *end ? strchr(units, *end) : NULL;
    unsigned shift = unit ? 10 * (unsigned)(unit - units + 1) : 0;

    if (errno != 0 || end == text || strchr("-+ ", *text) || (*end && (!unit || end[1])) ||
        value == 0 || value > MAX_LIMIT >> shift) {
        err_set(err, ERR_INPUT, "'%.40s' is no number of bytes a second", text);
        return err_mend(err, "for example --limit 50M");
    }
    *out = value << shift;
    return true;
}

static void print_vm(const json_t *vm, bool dry_run)
{
    json_t *disk;
    size_t i;

    bool earlier = json_is_true(json_object_get(vm, "earlier"));

    printf("%-12s on %s, %s%s\n", json_string_or(vm, "name", ""), json_string_or(vm, "host", ""),
           json_is_true(json_object_get(vm, "live")) ? "while it runs" : "off",
           earlier ? "; done before the interruption" : "");
    json_array_foreach(json_object_get(vm, "disks"), i, disk)
    {
        char size[16];

        printf("  %-12s %s\n", json_string_or(disk, "name", ""),
               text_size((unsigned long long)json_integer_value(
                             json_object_get(disk, dry_run || earlier ? "bytes" : "written")),
                         size));
    }
    if (!dry_run && !earlier) {
        printf("  in %.1f s, the guest stood still for %.1f s\n",
               (double)json_integer_value(json_object_get(vm, "took_ms")) / 1000,
               (double)json_integer_value(json_object_get(vm, "paused_ms")) / 1000);
    }
}

static void print_all(const json_t *result, bool dry_run)
{
    json_t *vm;
    size_t i;

    json_array_foreach(json_object_get(result, "vms"), i, vm)
    {
        print_vm(vm, dry_run);
    }
    if (dry_run) {
        printf("Each disk would get another key and another image; then KEK %s would give way to a "
               "new one. Nothing was changed.\n",
               json_string_or(result, "retired", "-"));
        return;
    }
    printf("All disks have other keys; what the old keys opened is gone. They are under KEK %s "
           "now.\n",
           json_string_or(result, "kek", "-"));
    if (strcmp(json_string_or(result, "type", ""), "native") == 0) {
        puts("An older backup of the keys does not open them: quoin key backup --file FILE");
    }
}

bool verb_key_deep(struct cli *cli, struct err *err)
{
    AUTO(drop_session) struct session session = {0};
    AUTO(drop_json) json_t *result = NULL;
    uint64_t limit = 0;

    if (!read_limit(cli->limit, &limit, err) || !session_known(cli, &session, err)) {
        return false;
    }
    /* The result is one document: progress is for a terminal only. */
    session.report.json = false;
    session.report.bar = session.report.bar && !cli->dry;
    if (!deploy_deepkey(&session.deploy, limit, cli->dry, &result, err)) {
        return err_add(err, "change the keys");
    }
    session.report.phase = NULL;
    if (session.report.bar_shown) {
        fputs("\r\033[K", stderr);
    }
    if (cli->json) {
        cli_print_json(result);
    } else {
        print_all(result, cli->dry);
    }
    return true;
}
