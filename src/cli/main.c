/* SPDX-License-Identifier: Apache-2.0 */
#include <getopt.h>
#include <locale.h>
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"

enum {
    OPT_OFFLINE = 256,
    OPT_STATE,
    OPT_CLUSTER,
    OPT_PLAN,
    OPT_DESTROY,
    OPT_PASSWORD,
    OPT_CA,
    OPT_TO,
    OPT_DETAIL,
    OPT_DRY,
    OPT_WITH,
    OPT_DEEP,
    OPT_LIMIT,
    OPT_VERSION
};

/* One table for parsing and for the help. `everywhere`: every verb takes it. */
static const struct cli_option {
    const char *name;
    int letter;
    const char *value; /* what its argument is called, or NULL */
    const char *summary;
    bool everywhere;
} cli_options[] = {
    {"output", 'o', "FORMAT", "text or json", true},
    {"state", OPT_STATE, "DIR", "where clusters are kept ($XDG_STATE_HOME/quoin)", true},
    {"cluster", OPT_CLUSTER, "NAME", "which cluster, when several are known", true},
    {"verbose", 'v', NULL, "say more", true},
    {"help", 'h', NULL, "this text", true},
    {"version", OPT_VERSION, NULL, "the version", true},
    {"yes", 'y', NULL, "do not ask before wiping the disks of the plan", false},
    {"plan", OPT_PLAN, "HASH", "allow exactly the plan of this hash", false},
    {"offline", OPT_OFFLINE, NULL, "look at the file alone, at no host", false},
    {"to", OPT_TO, "BLUEPRINT", "whose key provider to move to", false},
    {"yes-destroy", OPT_DESTROY, "NAME", "the cluster's name: all of it will be lost", false},
    {"file", 'f', "FILE", "write to, or read from, this file", false},
    {"detail", OPT_DETAIL, NULL, "also infos, and each host's own words", false},
    {"dry-run", OPT_DRY, NULL, "say what would be done, and do nothing", false},
    {"with", OPT_WITH, "HOST", "the host that takes its place", false},
    {"ca", OPT_CA, "FILE", "write the cluster CA's certificate to this file", false},
    {"password-file", OPT_PASSWORD, "FILE", "the password, in a file that only you can read",
     false},
    {"deep", OPT_DEEP, NULL, "other VM and data keys: all data encrypted anew", false},
    {"limit", OPT_LIMIT, "RATE", "at most so many bytes a second: 50M", false},
};

static bool takes(const struct verb *verb, const struct cli_option *option)
{
    AUTO(drop_free) char *list = text_make(",%s,", verb->options ? verb->options : "");
    AUTO(drop_free) char *name = text_make(",%s,", option->name);

    return option->everywhere || strstr(list, name);
}

static void print_options(const struct verb *verb)
{
    for (size_t i = 0; i < COUNT_OF(cli_options); i++) {
        const struct cli_option *option = &cli_options[i];
        AUTO(drop_free)
        char *head = text_make("--%s%s%s", option->name, option->value ? " " : "",
                               option->value ? option->value : "");

        if (verb ? takes(verb, option) : option->everywhere) {
            printf("  %s%c%s %-22s %s\n", option->letter < 256 ? "-" : " ",
                   option->letter < 256 ? option->letter : ' ', option->letter < 256 ? "," : " ",
                   head, option->summary);
        }
    }
}

static void print_help(const struct verb *verb)
{
    if (verb) {
        printf("Usage: quoin %s %s\n%s.\n\n", verb->name, verb->words, verb->summary);
    } else {
        puts("Usage: quoin VERB [OPTION…] [WORD…]\n"
             "Lays the first stone of a virtualization cluster: its manager, born encrypted.\n");
        for (const struct verb *v = verbs; v->name; v++) {
            AUTO(drop_free) char *head = text_make("%s %s", v->name, v->words);

            printf("  %-29s %s\n", head, v->summary);
        }
        putchar('\n');
    }
    print_options(verb);
    if (!verb) {
        puts("\nExit: 0 done, 2 mend the request, 3 denied, 4 absent, 5 there but different,\n"
             "6 a peer did not answer, 7 this machine or a host failed, 70 a fault in quoin.");
    }
}

/* The verb is one word or two; *out_words says how many. */
static const struct verb *find_verb(int count, char **words, int *out_words)
{
    for (const struct verb *verb = verbs; count > 0 && verb->name; verb++) {
        AUTO(drop_free) char *two = text_make("%s %s", words[0], count > 1 ? words[1] : "");
        bool both = strchr(verb->name, ' ') != NULL;

        if (strcmp(verb->name, both ? two : words[0]) == 0) {
            *out_words = both ? 2 : 1;
            return verb;
        }
    }
    return NULL;
}

static bool set_option(struct cli *cli, int letter, struct err *err)
{
    switch (letter) {
    case 'o':
        if (strcmp(optarg, "json") != 0 && strcmp(optarg, "text") != 0) {
            return err_set(err, ERR_INPUT, "there is no output format '%s': text or json", optarg);
        }
        cli->json = strcmp(optarg, "json") == 0;
        return true;
    case 'v':
        cli->verbose = true;
        return true;
    case 'y':
        cli->yes = true;
        return true;
    case 'f':
        cli->output = optarg;
        return true;
    case OPT_DRY:
        cli->dry = true;
        return true;
    case OPT_WITH:
        cli->with = optarg;
        return true;
    case OPT_DETAIL:
        cli->detail = true;
        return true;
    case OPT_DEEP:
        cli->deep = true;
        return true;
    case OPT_LIMIT:
        cli->limit = optarg;
        return true;
    case OPT_OFFLINE:
        cli->offline = true;
        return true;
    case OPT_TO:
        cli->to = optarg;
        return true;
    case OPT_STATE:
        cli->state = optarg;
        return true;
    case OPT_CLUSTER:
        cli->cluster = optarg;
        return true;
    case OPT_PLAN:
        cli->plan = optarg;
        return true;
    case OPT_DESTROY:
        cli->destroy = optarg;
        return true;
    case OPT_CA:
        cli->ca = optarg;
        return true;
    case OPT_PASSWORD:
        cli->password_file = optarg;
        return true;
    default:
        return false;
    }
}

/* What the command line asked for besides what `struct cli` holds. */
struct asked {
    bool help, version;
    bool used[COUNT_OF(cli_options)];
};

static bool note_option(struct cli *cli, struct asked *asked, int letter, struct err *err)
{
    for (size_t i = 0; i < COUNT_OF(cli_options); i++) {
        asked->used[i] |= cli_options[i].letter == letter;
    }
    if (letter == 'h' || letter == OPT_VERSION) {
        asked->help |= letter == 'h';
        asked->version |= letter == OPT_VERSION;
        return true;
    }
    return set_option(cli, letter, err);
}

/* getopt tells a letter, also of a long option that lacks its value; else the word lies behind it.
 */
static bool refuse_option(char **argv, struct err *err)
{
    const char *word = argv[optind - 1];
    bool known = false;

    for (size_t i = 0; i < COUNT_OF(cli_options); i++) {
        known |= cli_options[i].letter == optopt;
    }
    bool letter = optopt > 0 && optopt < 256 && !(known && text_starts(word, "--"));
    AUTO(drop_free) char *said = letter ? text_make("-%c", optopt) : text_copy(word);

    err_set(err, ERR_INPUT, "option '%.64s' is unknown, or lacks its value", said);
    return err_mend(err, "see quoin --help");
}

/* Options may stand before the verb, between words and after them. */
static bool read_options(int argc, char **argv, struct cli *cli, struct asked *asked,
                         struct err *err)
{
    struct option long_options[COUNT_OF(cli_options) + 1] = {{0}};
    char letters[2 * COUNT_OF(cli_options) + 1] = "";
    size_t n = 0;
    int letter;

    for (size_t i = 0; i < COUNT_OF(cli_options); i++) {
        const struct cli_option *option = &cli_options[i];

        long_options[i] =
            (struct option){option->name, option->value ? 1 : 0, NULL, option->letter};
        if (option->letter < 256) {
            letters[n++] = (char)option->letter;
            if (option->value) {
                letters[n++] = ':';
            }
        }
    }
    opterr = 0;
    while ((letter = getopt_long(argc, argv, letters, long_options, NULL)) != -1) {
        if (letter == '?') {
            return refuse_option(argv, err);
        }
        if (!note_option(cli, asked, letter, err)) {
            return false;
        }
    }
    cli->count = argc - optind;
    cli->words = argv + optind;
    return true;
}

static bool check_use(const struct verb *verb, const struct cli *cli, const struct asked *asked,
                      struct err *err)
{
    for (size_t i = 0; i < COUNT_OF(cli_options); i++) {
        if (asked->used[i] && !takes(verb, &cli_options[i])) {
            return err_set(err, ERR_INPUT, "'quoin %s' takes no --%s", verb->name,
                           cli_options[i].name);
        }
    }
    if (cli->count < verb->min_words || cli->count > verb->max_words) {
        return err_set(err, ERR_INPUT, "usage: quoin %s %s", verb->name, verb->words);
    }
    return true;
}

static int fail(const struct cli *cli, const struct err *err)
{
    if (cli->json && !cli->told) {
        AUTO(drop_json) json_t *object = json_pack("{s:o}", "error", json_of_err(err));

        cli_print_json(object);
    }
    if (!cli->told) {
        fprintf(stderr, "quoin: error: %s\n", err->what);
        if (err->remedy[0]) {
            fprintf(stderr, "  remedy: %s\n", err->remedy);
        }
    }
    return err_exit_code(err->kind);
}

/* "new, show, …": what may follow this word; "" where nothing does. The caller frees. */
static char *second_words(const char *first)
{
    struct text text = {0};
    size_t length = strlen(first);

    for (const struct verb *verb = verbs; verb->name; verb++) {
        if (strncmp(verb->name, first, length) == 0 && verb->name[length] == ' ') {
            text_addf(&text, "%s%s", text.length ? ", " : "", verb->name + length + 1);
        }
    }
    return text_take(&text);
}

static int without_verb(const struct cli *cli, const struct asked *asked)
{
    struct err err = {0};

    if (asked->version) {
        puts("quoin " QUOIN_VERSION);
        return 0;
    }
    if (asked->help || cli->count == 0) {
        print_help(NULL);
        return asked->help ? 0 : err_exit_code(ERR_INPUT);
    }
    AUTO(drop_free) char *seconds = second_words(cli->words[0]);

    if (seconds[0]) {
        err_set(&err, ERR_INPUT, "there is no verb '%s%s%s'", cli->words[0],
                cli->count > 1 ? " " : "", cli->count > 1 ? cli->words[1] : "");
        err_mend(&err, "quoin %s is followed by one of: %s", cli->words[0], seconds);
    } else {
        err_set(&err, ERR_INPUT, "there is no verb '%s'", cli->words[0]);
        err_mend(&err, "see quoin --help");
    }
    return fail(cli, &err);
}

int main(int argc, char **argv)
{
    struct cli cli = {0};
    struct asked asked = {0};
    struct err err = {0};
    int words = 0;

    (void)setlocale(LC_CTYPE, "C.UTF-8");
    if (!secret_guard_process(&err) || !read_options(argc, argv, &cli, &asked, &err)) {
        return fail(&cli, &err);
    }
    const struct verb *verb = find_verb(cli.count, cli.words, &words);

    if (!verb || asked.version) {
        return without_verb(&cli, &asked);
    }
    cli.count -= words;
    cli.words += words;
    if (asked.help) {
        print_help(verb);
        return 0;
    }
    if (!check_use(verb, &cli, &asked, &err)) {
        return fail(&cli, &err);
    }
    log_begin("quoin", cli.verbose ? LOG_DEBUG : LOG_INFO);
    return verb->run(&cli, &err) ? cli.exit : fail(&cli, &err);
}
