/* SPDX-License-Identifier: Apache-2.0 */
/* help.c - the table of options as --help, as docs/options.md and as the commented default file.
 *
 * The two files are committed; tests/config compares them with what comes out here. */
#include <stdio.h>
#include <string.h>

#include "config/tree.h"
#include "config/value.h"

/* The default as a person would see it: texts that are empty show as "". */
static const char *shown_default(const struct ms_option *o)
{
    if (ms_option_is_list(o))
        return "[]";
    return *o->fallback ? o->fallback : "\"\"";
}

/* Wraps help at word ends, each line but the first behind an indent. */
static void wrapped(struct ms_buf *out, const char *text, size_t width, const char *indent)
{
    while (strlen(text) > width) {
        size_t cut = width;
        while (cut > 0 && text[cut] != ' ')
            cut--;
        if (cut == 0)
            break;
        ms_buf_add(out, text, cut);
        ms_buf_printf(out, "\n%s", indent);
        text += cut + 1;
    }
    ms_buf_printf(out, "%s\n", text);
}

static void help_rows(struct ms_buf *out, const char *prefix, const struct ms_option *o, int n,
                      bool defaults)
{
    for (; n > 0; n--, o++) {
        char wants[160];
        ms_option_wants(o, wants, sizeof wants);
        ms_buf_printf(out, "  %s%s", prefix, o->key);
        if (defaults)
            ms_buf_printf(out, " = %s", shown_default(o));
        ms_buf_printf(out, "  (%s)\n      ", wants);
        wrapped(out, o->help, 72, "      ");
    }
}

void ms_config_help(struct ms_buf *out)
{
    int n;
    const struct ms_option *o = ms_options(&n);

    ms_buf_puts(out, "Options of the configuration file and of --set, with their defaults:\n");
    help_rows(out, "", o, n, true);
    ms_buf_puts(out,
                "Options of one model, below models.NAME (a default is what the deployer sent,\n"
                "else the option of the same name above):\n");
    o = ms_model_options(&n);
    help_rows(out, "models.NAME.", o, n, false);
}

/* '|' ends a cell of a table, so choices are listed with commas. */
static void markdown_rows(struct ms_buf *out, const char *prefix, const struct ms_option *o, int n,
                          bool defaults)
{
    ms_buf_printf(out, "| key |%s value | meaning |\n|---|%s---|---|\n",
                  defaults ? " default |" : "", defaults ? "---|" : "");
    for (; n > 0; n--, o++) {
        char wants[160];
        ms_option_wants(o, wants, sizeof wants);
        ms_buf_printf(out, "| `%s%s` |", prefix, o->key);
        if (defaults)
            ms_buf_printf(out, " `%s` |", shown_default(o));
        ms_buf_printf(out, " %s | %s |\n", wants, o->help);
    }
}

void ms_config_markdown(struct ms_buf *out)
{
    int n;
    const struct ms_option *o = ms_options(&n);

    ms_buf_puts(out, "# Options of mindserved\n\n"
                     "Made from `config/options.def` by `mindserved --help-markdown`. Each key can "
                     "stand in the YAML file\n(`config/mindserved.yaml` shows all of them) and "
                     "behind `--set KEY=VALUE`, which wins.\n\n");
    markdown_rows(out, "", o, n, true);
    ms_buf_puts(out, "\n## One model\n\nBelow `models.NAME`. What is not given there is as the "
                     "deployer sent it, else as the option of the same name above.\n\n");
    o = ms_model_options(&n);
    markdown_rows(out, "models.NAME.", o, n, false);
}

/* Groups that this key opens and its predecessor did not have, as YAML lines. */
static int yaml_groups(struct ms_buf *out, const char *last, const char *key)
{
    int depth = 0;
    const char *dot = key;

    while ((dot = strchr(dot, '.')) != NULL) {
        size_t len = (size_t)(dot - key) + 1;
        if (strncmp(last, key, len) != 0) {
            const char *from = key;
            for (const char *p = key; p < dot; p++)
                if (*p == '.')
                    from = p + 1;
            ms_buf_printf(out, "%s%*s%.*s:\n", depth ? "" : "\n", 2 * depth, "", (int)(dot - from),
                          from);
        }
        depth++;
        dot++;
    }
    return depth;
}

void ms_config_yaml(struct ms_buf *out)
{
    int n;
    const struct ms_option *o = ms_options(&n);
    const char *last = "";

    ms_buf_puts(out, "# SPDX-License-Identifier: Apache-2.0\n"
                     "# Configuration of mindserved. Every option stands here with its default; "
                     "what is left out keeps it.\n"
                     "# Sizes take KiB, MiB, GiB; times us, ms, s, min, h. Made from "
                     "config/options.def.\n");
    for (int i = 0; i < n; i++, o++) {
        int depth = yaml_groups(out, last, o->key);
        const char *name = strrchr(o->key, '.') + 1;
        char indent[32];
        snprintf(indent, sizeof indent, "%*s# ", 2 * depth, "");
        ms_buf_puts(out, indent);
        wrapped(out, o->help, 96, indent);
        bool quote = o->type == MS_OPT_TEXT || o->type == MS_OPT_ADDR;
        if (quote && *o->fallback)
            ms_buf_printf(out, "%*s%s: \"%s\"\n", 2 * depth, "", name, o->fallback);
        else
            ms_buf_printf(out, "%*s%s: %s\n", 2 * depth, "", name, shown_default(o));
        last = o->key;
    }
    ms_buf_puts(out, "\n# What one model does otherwise, by its name.\nmodels:\n"
                     "  # resnet50:\n");
    o = ms_model_options(&n);
    last = "";
    for (int i = 0; i < n; i++, o++) {
        const char *dot = strchr(o->key, '.');
        if (dot && strncmp(last, o->key, (size_t)(dot - o->key) + 1) != 0)
            ms_buf_printf(out, "  #   %.*s:\n", (int)(dot - o->key), o->key);
        const char *value = ms_option_is_list(o)     ? "[]"
                            : o->type == MS_OPT_INT  ? "1"
                            : o->type == MS_OPT_SIZE ? "64MiB"
                            : o->type == MS_OPT_TIME ? "1ms"
                                                     : o->fallback;
        ms_buf_printf(out, "  #   %s%s: %s\n", dot ? "  " : "", dot ? dot + 1 : o->key, value);
        last = o->key;
    }
}
