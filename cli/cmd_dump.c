/* SPDX-License-Identifier: Apache-2.0 */
/* cmd_dump.c - the graph of a model file after the passes. */
#include <string.h>

#include "cli/offline.h"

enum { OPT_PASSES, OPT_REPORT, OPT_FORMAT };
static const struct ms_cli_option options[] = {
    [OPT_PASSES] = {"passes", "all|none|LIST",
                    "which passes (default all); all,-NAME leaves one out", 0},
    [OPT_REPORT] = {"report", NULL, "what each pass did, instead of the graph", 0},
    [OPT_FORMAT] = {"format", "text|dot|json", "form of the graph (default text)", 0},
    {0},
};

static void report_text(struct ms_buf *b, const struct mindserve_info *i)
{
    ms_buf_printf(b, "%-28s %8s %8s %8s %14s %9s\n", "pass", "changed", "nodes", "after",
                  "const bytes", "ms");
    for (int k = 0; k < i->n_passes; k++) {
        const struct mindserve_pass *p = &i->passes[k];
        ms_buf_printf(b, "%-28s %8u %8u %8u %+14lld %9.3f\n", p->name, p->changed, p->nodes_before,
                      p->nodes_after, (long long)p->bytes_after - (long long)p->bytes_before,
                      (double)p->ns / 1e6);
    }
}

static void report_json(struct ms_buf *b, const struct mindserve_info *i)
{
    ms_buf_puts(b, "[");
    for (int k = 0; k < i->n_passes; k++) {
        const struct mindserve_pass *p = &i->passes[k];
        ms_buf_puts(b, k ? ",{\"pass\":" : "{\"pass\":");
        ms_cli_json(b, p->name);
        ms_buf_printf(
            b,
            ",\"changed\":%u,\"nodes_before\":%u,\"nodes_after\":%u,\"bytes_before\":%llu,"
            "\"bytes_after\":%llu,\"ns\":%llu}",
            p->changed, p->nodes_before, p->nodes_after, (unsigned long long)p->bytes_before,
            (unsigned long long)p->bytes_after, (unsigned long long)p->ns);
    }
    ms_buf_puts(b, "]\n");
}

static int dump(struct ms_cli *c, const struct ms_cli_offline *o, bool report, const char *format)
{
    struct mindserve_error err;
    struct ms_buf b;
    char *text;
    size_t len;

    ms_buf_init(&b, (size_t)1 << 30);
    if (report) {
        if (c->json)
            report_json(&b, o->info);
        else
            report_text(&b, o->info);
        return ms_cli_print(c, &b);
    }
    if (mindserve_graph(o->ms, "model", 0, format, &text, &len, &err) != MINDSERVE_OK)
        return ms_cli_failed(c, &err);
    ms_buf_add(&b, text, len);
    mindserve_text_free(text);
    return ms_cli_print(c, &b);
}

static int run(struct ms_cli *c)
{
    struct mindserve_config config = MINDSERVE_CONFIG_INIT;
    struct mindserve_options how = MINDSERVE_OPTIONS_INIT;
    struct mindserve_deploy_options opts = MINDSERVE_DEPLOY_INIT;
    const char *file = NULL, *format = NULL;
    struct ms_cli_offline o;
    bool report = false;
    int what, code;

    while ((what = ms_cli_next(c)) != MS_CLI_END) {
        if (what == MS_CLI_BAD)
            return MS_EXIT_USAGE;
        if (what == OPT_PASSES)
            config.passes = c->value;
        else if (what == OPT_REPORT)
            report = true;
        else if (what == OPT_FORMAT)
            format = c->value;
        else if (file)
            return ms_cli_usage(c, "only one FILE, not also %s", c->value);
        else
            file = c->value;
    }
    if (!file)
        return ms_cli_usage(c, "FILE is missing; msctl dump --help tells more");
    if (!format)
        format = c->json ? "json" : "text";
    if (strcmp(format, "text") != 0 && strcmp(format, "dot") != 0 && strcmp(format, "json") != 0)
        return ms_cli_usage(c, "--format %s: must be text, dot or json", format);
    how.threads = 1;
    opts.config = &config;
    opts.no_self_test = true;
    code = ms_cli_offline_load(c, file, &how, &opts, &o);
    if (code == MS_EXIT_OK)
        code = dump(c, &o, report, format);
    ms_cli_offline_done(&o);
    return code;
}

const struct ms_cli_command ms_cmd_dump = {
    .name = "dump",
    .args = "FILE [--passes all|none|LIST] [--report] [--format text|dot|json]",
    .help = "the graph of a model file after the passes",
    .text = "Constants are shown as dtype, shape and sha256. The text equals what a daemon shows\n"
            "with `msctl show NAME --graph`, byte for byte.\n",
    .examples = "  msctl dump m.onnx\n"
                "  msctl dump m.onnx --passes none --format dot | dot -Tsvg > m.svg\n"
                "  msctl dump m.mindir --report\n"
                "  msctl dump m.mindir --passes all,-fold\n",
    .options = options,
    .run = run,
};
