/* SPDX-License-Identifier: Apache-2.0 */
/* cmd_deploy.c - bring a model file to the daemon and wait until it answers. */
#include <string.h>

#include "base/background.h"
#include "base/bytes.h"
#include "cli/modelfile.h"
#include "cli/progress.h"

enum { NICENESS = 10 };

struct wish {
    const char *file, *config;
    struct mindserve_deploy_options o;
};

enum { OPT_NAME, OPT_VERSION, OPT_CONFIG, OPT_DRY_RUN, OPT_NO_WAIT };
static const struct ms_cli_option options[] = {
    [OPT_NAME] = {"name", "NAME", "name to serve it under (default: the file's stem)", 0},
    [OPT_VERSION] = {"version", "V", "version number (default: the last + 1)", 0},
    [OPT_CONFIG] = {"config", "F.yaml", "batching, names, labels, image: the keys of models.NAME",
                    0},
    [OPT_DRY_RUN] = {"dry-run", NULL, "report operators and memory, store nothing", 0},
    [OPT_NO_WAIT] = {"no-wait", NULL, "return when it is stored, before it is loaded", 0},
    {0},
};

static bool take(struct ms_cli *c, int what, struct wish *w)
{
    switch (what) {
    case OPT_NAME:
        w->o.name = c->value;
        if (!ms_model_name_valid(c->value, strlen(c->value)))
            ms_cli_usage(c, "--name %s: letters, digits, '.', '_', '-', at most 128", c->value);
        return ms_model_name_valid(c->value, strlen(c->value));
    case OPT_VERSION:
        return ms_cli_number(c, "--version", INT64_MAX - 1, &w->o.version);
    case OPT_CONFIG:
        w->config = c->value;
        return true;
    case OPT_DRY_RUN:
        return w->o.dry_run = true;
    case OPT_NO_WAIT:
        return w->o.no_wait = true;
    default:
        if (w->file)
            ms_cli_usage(c, "only one FILE, not also %s", c->value);
        return !w->file && (w->file = c->value);
    }
}

static void operators_text(struct ms_buf *b, const struct mindserve_deployed *d)
{
    for (int i = 0; i < d->n_operators; i++)
        ms_buf_printf(b, "%s %u%s\n", ms_cli_safe(d->operators[i].name), d->operators[i].count,
                      d->operators[i].supported ? "" : " not supported");
    for (const char *line = d->missing; *line;) {
        size_t len = strcspn(line, "\n");
        char safe[512];
        ms_buf_printf(b, "%s\n", ms_escape(safe, sizeof safe, line, len));
        line += len + (line[len] != '\0');
    }
    ms_buf_printf(b, "memory %s\n", ms_cli_bytes(d->memory));
}

static void result_text(struct ms_buf *b, const struct wish *w, const struct mindserve_deployed *d)
{
    if (w->o.dry_run) {
        operators_text(b, d);
        return;
    }
    ms_buf_printf(b, "%s:%llu ", ms_cli_safe(d->name), (unsigned long long)d->version);
    if (d->unchanged)
        ms_buf_puts(b, "is unchanged: the same bytes and configuration are there already\n");
    else if (w->o.no_wait)
        ms_buf_printf(b, "is stored, %s sent; it loads now\n", ms_cli_bytes(d->sent));
    else
        ms_buf_printf(b, "is live, %s sent, loaded in %llu ms, ", ms_cli_bytes(d->sent),
                      (unsigned long long)d->load_ms);
    if (!d->unchanged && !w->o.no_wait)
        ms_buf_printf(b, "%s of memory\n", ms_cli_bytes(d->memory));
}

static void result_json(struct ms_buf *b, const struct wish *w, const struct mindserve_deployed *d)
{
    ms_buf_puts(b, "{\"name\":");
    ms_cli_json(b, d->name);
    ms_buf_printf(b,
                  ",\"version\":%llu,\"unchanged\":%s,\"digest\":", (unsigned long long)d->version,
                  d->unchanged ? "true" : "false");
    ms_cli_json(b, d->digest);
    ms_buf_printf(b, ",\"sent\":%llu,\"bytes\":%llu,\"load_ms\":%llu,\"memory\":%llu",
                  (unsigned long long)d->sent, (unsigned long long)d->total,
                  (unsigned long long)d->load_ms, (unsigned long long)d->memory);
    if (w->o.dry_run) {
        ms_buf_puts(b, ",\"operators\":[");
        for (int i = 0; i < d->n_operators; i++) {
            ms_buf_puts(b, i ? ",{\"name\":" : "{\"name\":");
            ms_cli_json(b, d->operators[i].name);
            ms_buf_printf(b, ",\"count\":%u,\"supported\":%s}", d->operators[i].count,
                          d->operators[i].supported ? "true" : "false");
        }
        ms_buf_puts(b, "],\"missing\":");
        ms_cli_json(b, d->missing);
    }
    ms_buf_puts(b, "}\n");
}

static int deploy(struct ms_cli *c, struct wish *w, struct mindserve *ms)
{
    struct mindserve_deployed *d;
    struct ms_cli_progress p;
    struct mindserve_error err;
    mindserve_code code;
    struct ms_buf b;
    int printed;

    ms_cli_progress_init(&p, c);
    w->o.progress = ms_cli_progress_step;
    w->o.progress_arg = &p;
    code = mindserve_deploy(ms, w->file, &w->o, &d, &err);
    ms_cli_progress_done(&p);
    if (code != MINDSERVE_OK)
        return ms_cli_failed(c, &err);
    ms_buf_init(&b, 64 << 20);
    if (c->json)
        result_json(&b, w, d);
    else
        result_text(&b, w, d);
    printed = ms_cli_print(c, &b);
    code = d->missing[0] ? MINDSERVE_UNIMPLEMENTED : MINDSERVE_OK;
    mindserve_deployed_free(d);
    return printed == MS_EXIT_OK && code != MINDSERVE_OK ? MS_EXIT_FAILED : printed;
}

static int run(struct ms_cli *c)
{
    struct wish w = {.o = MINDSERVE_DEPLOY_INIT};
    struct ms_cli_modelfile m = {0};
    struct ms_background *shy = NULL; /* a process that cannot be is as good */
    struct mindserve *ms = NULL;
    struct ms_err err;
    int what, code = MS_EXIT_OK;

    while ((what = ms_cli_next(c)) != MS_CLI_END)
        if (what == MS_CLI_BAD || !take(c, what, &w))
            return MS_EXIT_USAGE;
    if (!w.file)
        return ms_cli_usage(c, "FILE is missing; msctl deploy --help tells more");
    if (w.config) {
        code = ms_cli_modelfile_read(c, w.config, &m);
        w.o.config = &m.config;
    }
    /* Hashing and sending keep a processor busy, perhaps one of the machine that serves. */
    if (ms_background_new(&shy, &err) == MS_OK)
        (void)ms_background_enter(shy, NICENESS);
    ms_background_begin(shy);
    if (code == MS_EXIT_OK)
        code = ms_cli_remote(c, &ms);
    if (code == MS_EXIT_OK)
        code = deploy(c, &w, ms);
    mindserve_close(ms);
    ms_background_free(shy);
    ms_cli_modelfile_done(&m);
    return code;
}

const struct ms_cli_command ms_cmd_deploy = {
    .name = "deploy",
    .args = "FILE [--name NAME] [--version V] [--config F.yaml] [--dry-run] [--no-wait]",
    .help = "bring a model file (and the weight files it names) to a daemon",
    .text =
        "Returns when the version answers, or fails and leaves the old one serving. What the\n"
        "daemon has already is not sent again, and an interrupted deploy goes on where it was.\n",
    .examples = "  msctl deploy digits.onnx\n"
                "  msctl deploy m.mindir --name shop --config shop.yaml\n"
                "  msctl deploy m.onnx --dry-run --server 10.0.0.7:8001\n",
    .options = options,
    .run = run,
};
