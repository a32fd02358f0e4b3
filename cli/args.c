/* SPDX-License-Identifier: Apache-2.0 */
/* args.c - command lines: a command's own options and the global ones, in any order.
 *
 * An own reader rather than argp or getopt: both keep global state, and both have their own idea of
 * exit codes and of what help looks like. */
#include <stdarg.h>
#include <string.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/mem.h"
#include "cli/msctl.h"

/* ---- failing ---- */

static void complain(const struct ms_cli *c, const char *fmt, va_list ap)
    __attribute__((format(printf, 2, 0)));

/* One write, so that the line stays whole when several programs share the terminal. */
static void complain(const struct ms_cli *c, const char *fmt, va_list ap)
{
    char text[2048], safe[4096];

    (void)vsnprintf(text, sizeof text, fmt, ap);
    ms_escape(safe, sizeof safe, text, strlen(text));
    fflush(stdout);
    if (c->command->name)
        fprintf(stderr, "msctl: %s: %s\n", c->command->name, safe);
    else
        fprintf(stderr, "msctl: %s\n", safe);
}

int ms_cli_usage(struct ms_cli *c, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    complain(c, fmt, ap);
    va_end(ap);
    return MS_EXIT_USAGE;
}

int ms_cli_fail(struct ms_cli *c, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    complain(c, fmt, ap);
    va_end(ap);
    return MS_EXIT_FAILED;
}

int ms_cli_failed(struct ms_cli *c, const struct mindserve_error *err)
{
    ms_cli_fail(c, "%s", err->text);
    return err->unreachable ? MS_EXIT_UNREACHABLE : MS_EXIT_FAILED;
}

/* ---- options ---- */

static const struct ms_cli_option global_options[] = {
    {"server", "ADDR", "", 0}, {"token-file", "FILE", "", 0},
    {"ca", "FILE", "", 0},     {"cert", "FILE", "", 0},
    {"key", "FILE", "", 0},    {"output", "text|json", "", 'o'},
    {"quiet", NULL, "", 'q'},  {0},
};

static bool set_global(struct ms_cli *c, int i)
{
    const char **text[] = {&c->server, &c->token_file, &c->ca, &c->cert, &c->key};

    if (i < 5) {
        *text[i] = c->value;
    } else if (i == 6) {
        c->quiet = true;
    } else if (strcmp(c->value, "json") == 0 || strcmp(c->value, "text") == 0) {
        c->json = *c->value == 'j';
    } else {
        ms_cli_usage(c, "-o %s: must be text or json", c->value);
        return false;
    }
    return true;
}

/* Index of the row that `arg` (without dashes, len bytes) names; -1 if none. */
static int find_row(const struct ms_cli_option *rows, const char *arg, size_t len, bool letter)
{
    for (int i = 0; rows[i].name; i++) {
        if (letter && rows[i].letter && rows[i].letter == *arg)
            return i;
        if (!letter && strlen(rows[i].name) == len && strncmp(rows[i].name, arg, len) == 0)
            return i;
    }
    return -1;
}

/* Sets c->value for a row met as c->argv[c->at]; inline_value is what followed '=' or the letter.
 */
static bool take_value(struct ms_cli *c, const struct ms_cli_option *row, const char *inline_value)
{
    const char *given = c->argv[c->at++];

    c->value = inline_value;
    if (!row->arg) {
        if (inline_value)
            ms_cli_usage(c, "%s: --%s takes no value", given, row->name);
        return !inline_value;
    }
    if (!inline_value && c->at < c->argc)
        c->value = c->argv[c->at++];
    if (!c->value)
        ms_cli_usage(c, "%s needs a value (%s)", given, row->arg);
    return c->value != NULL;
}

int ms_cli_next(struct ms_cli *c)
{
    while (c->at < c->argc) {
        const char *arg = c->argv[c->at], *value = NULL;
        bool letter = arg[0] == '-' && arg[1] != '-' && arg[1] != '\0';
        size_t len = strlen(arg);
        int i;

        if (!c->words_only && strcmp(arg, "--") == 0) {
            c->words_only = true;
            c->at++;
            continue;
        }
        if (c->words_only || arg[0] != '-' || arg[1] == '\0') {
            c->value = arg;
            c->at++;
            return MS_CLI_WORD;
        }
        const char *name = arg + (letter ? 1 : 2);
        if (letter && arg[2])
            value = arg + 2;
        if (!letter && (value = strchr(name, '=')))
            value++;
        len = value && !letter ? (size_t)(value - 1 - name) : strlen(name);
        i = find_row(c->command->options, name, len, letter);
        if (i >= 0)
            return take_value(c, &c->command->options[i], value) ? i : MS_CLI_BAD;
        i = find_row(global_options, name, len, letter);
        if (i < 0) {
            ms_cli_usage(c, "there is no option %s%s", arg, c->command->name ? " here" : "");
            return MS_CLI_BAD;
        }
        if (!take_value(c, &global_options[i], value) || !set_global(c, i))
            return MS_CLI_BAD;
    }
    return MS_CLI_END;
}

bool ms_cli_words(struct ms_cli *c, int n, const char **words, const char *names)
{
    int have = 0, what;

    while ((what = ms_cli_next(c)) == MS_CLI_WORD) {
        if (have < n)
            words[have] = c->value;
        have++;
    }
    if (what == MS_CLI_END && have != n)
        ms_cli_usage(c,
                     have < n ? "%s missing; msctl %s --help tells more"
                              : "too many arguments: only %s; msctl %s --help tells more",
                     n ? names : "options", c->command->name);
    return what == MS_CLI_END && have == n;
}

bool ms_cli_number(struct ms_cli *c, const char *what, uint64_t max, uint64_t *out)
{
    if (ms_parse_u64(c->value, strlen(c->value), max, out))
        return true;
    ms_cli_usage(c, "%s %s: must be a number of at most %llu", what, c->value,
                 (unsigned long long)max);
    return false;
}

bool ms_cli_model(struct ms_cli *c, const char *word, char **name, uint64_t *version)
{
    const char *colon = strchr(word, ':');
    size_t len = colon ? (size_t)(colon - word) : strlen(word);

    *version = 0;
    *name = NULL;
    if (!ms_model_name_valid(word, len)) {
        ms_cli_usage(c, "'%s': not a model's name", word);
        return false;
    }
    if (colon && (!ms_parse_u64(colon + 1, strlen(colon + 1), INT64_MAX, version) || !*version)) {
        ms_cli_usage(c, "'%s': the version behind ':' must be a number from 1", word);
        return false;
    }
    *name = ms_strndup(word, len);
    if (!*name)
        ms_cli_fail(c, "out of memory");
    return *name != NULL;
}

void ms_cli_help(const struct ms_cli_command *cmd, FILE *out)
{
    fprintf(out, "usage: msctl %s %s\n%s\n", cmd->name, cmd->args, cmd->help);
    if (cmd->text)
        fprintf(out, "\n%s", cmd->text);
    if (cmd->options[0].name)
        fprintf(out, "\noptions:\n");
    for (const struct ms_cli_option *o = cmd->options; o->name; o++) {
        char left[64];
        (void)snprintf(left, sizeof left, "--%s%s%s", o->name, o->arg ? " " : "",
                       o->arg ? o->arg : "");
        fprintf(out, "  %-22s %s\n", left, o->help);
    }
    fprintf(out, "\noptions of every command: --server ADDR, -o text|json, -q (msctl --help)\n");
    fprintf(out, "\nexamples:\n%s", cmd->examples);
}
