/* SPDX-License-Identifier: Apache-2.0 */
/* look.sh with its question; facts.h says what is promised. */
#include <string.h>

#include "base/text.h"
#include "plan/facts.h"

static const char script[] = {
#include "look.sh.inc"
    0};

/* Words of package names, host names, addresses and ports: nothing that a shell obeys. */
static bool add_words(struct text *out, const char *variable, const char *const *words,
                      struct err *err)
{
    text_addf(out, "%s='", variable);
    for (size_t i = 0; words && words[i]; i++) {
        if (!words[i][0] || words[i][strspn(words[i], "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnop"
                                                      "qrstuvwxyz0123456789.:+_-")]) {
            return err_set(err, ERR_INPUT, "'%.64s' cannot be asked of a host", words[i]);
        }
        text_addf(out, "%s%s", i ? " " : "", words[i]);
    }
    text_add(out, "'\n");
    return true;
}

bool facts_script(const struct facts_question *question, char **out, struct err *err)
{
    AUTO(drop_text) struct text text = {0};

    if (!add_words(&text, "packages", question->packages, err) ||
        !add_words(&text, "names", question->names, err) ||
        !add_words(&text, "ports", question->ports, err) ||
        !add_words(&text, "servers", question->servers, err)) {
        return false;
    }
    text_addf(&text, "boot=%s\n", question->no_boot ? "no" : "yes");
    text_add(&text, script);
    *out = text_take(&text);
    return true;
}
