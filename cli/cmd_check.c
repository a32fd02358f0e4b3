/* SPDX-License-Identifier: Apache-2.0 */
/* cmd_check.c - what a model file needs: operators, shapes, memory; and what speaks against it. */
#include <string.h>

#include "cli/modeltext.h"
#include "cli/offline.h"

static const struct ms_cli_option options[] = {{0}};

/* What may surprise somebody who deploys this. add() gets one sentence each. */
static void warnings(const struct mindserve_info *i,
                     void (*add)(struct ms_buf *b, const char *text), struct ms_buf *b)
{
    bool variable = false, unknown = false, ragged = false;

    for (int k = 0; k < i->n_inputs; k++) {
        const struct mindserve_port *p = &i->inputs[k];
        unknown = unknown || p->rank < 0;
        ragged = ragged || (p->rank > 0 && p->dim[0] < 0);
        for (int d = 0; d < p->rank; d++)
            variable = variable || (d > 0 && p->dim[d] < 0);
    }
    if (unknown)
        add(b, "an input's rank is not known: every new shape costs a plan");
    if (variable)
        add(b, "dimensions other than the batch are variable: every new shape costs a plan");
    if (!i->batching && !ragged)
        add(b, "the batch size is fixed: requests are not joined");
    else if (!i->batching)
        add(b, "dim 0 is variable but not a proven batch axis: requests are not joined");
}

static void warning_text(struct ms_buf *b, const char *text)
{
    ms_buf_printf(b, "warning: %s\n", text);
}

static void warning_json(struct ms_buf *b, const char *text)
{
    if (b->data[b->len - 1] != '[')
        ms_buf_putc(b, ',');
    ms_cli_json(b, text);
}

static void operators_text(struct ms_buf *b, const struct mindserve_deployed *d)
{
    ms_buf_puts(b, "operators");
    for (int k = 0; k < d->n_operators; k++)
        ms_buf_printf(b, "%s %s %u%s", k ? "," : "", ms_cli_safe(d->operators[k].name),
                      d->operators[k].count, d->operators[k].supported ? "" : " (missing)");
    ms_buf_putc(b, '\n');
}

static void show_text(struct ms_buf *b, const struct ms_cli_offline *o)
{
    const struct mindserve_info *i = o->info;

    ms_buf_printf(b, "format    %s, %s\n", i->model.format, ms_cli_bytes(i->model.file_bytes));
    ms_cli_ports_text(b, "input", i->inputs, i->n_inputs);
    ms_cli_ports_text(b, "output", i->outputs, i->n_outputs);
    operators_text(b, o->deployed);
    ms_buf_printf(b, "memory    weights %s in the file", ms_cli_bytes(i->memory.weights));
    ms_buf_printf(b, ", packed %s", ms_cli_bytes(i->memory.packed));
    ms_buf_printf(b, ", plans and graph %s", ms_cli_bytes(i->memory.plans + i->memory.graph));
    ms_buf_printf(b, ", one run %s\n", ms_cli_bytes(i->memory.run_peak));
    ms_buf_printf(b, "batching  %s\n", i->batching ? "yes" : "no");
    warnings(i, warning_text, b);
}

static void operators_json(struct ms_buf *b, const struct mindserve_deployed *d)
{
    ms_buf_puts(b, "\"operators\":[");
    for (int k = 0; k < d->n_operators; k++) {
        ms_buf_puts(b, k ? ",{\"name\":" : "{\"name\":");
        ms_cli_json(b, d->operators[k].name);
        ms_buf_printf(b, ",\"count\":%u,\"supported\":%s}", d->operators[k].count,
                      d->operators[k].supported ? "true" : "false");
    }
    ms_buf_putc(b, ']');
}

static void show_json(struct ms_buf *b, const struct ms_cli_offline *o)
{
    const struct mindserve_info *i = o->info;

    ms_buf_printf(b, "{\"ok\":true,\"format\":\"%s\",\"file_bytes\":%llu,", i->model.format,
                  (unsigned long long)i->model.file_bytes);
    operators_json(b, o->deployed);
    ms_buf_putc(b, ',');
    ms_cli_ports_json(b, "inputs", i->inputs, i->n_inputs);
    ms_buf_putc(b, ',');
    ms_cli_ports_json(b, "outputs", i->outputs, i->n_outputs);
    ms_buf_printf(b,
                  ",\"memory\":{\"weights\":%llu,\"packed\":%llu,\"plans\":%llu,\"graph\":%llu,"
                  "\"run_peak\":%llu},\"batching\":%s,\"warnings\":[",
                  (unsigned long long)i->memory.weights, (unsigned long long)i->memory.packed,
                  (unsigned long long)i->memory.plans, (unsigned long long)i->memory.graph,
                  (unsigned long long)i->memory.run_peak, i->batching ? "true" : "false");
    warnings(i, warning_json, b);
    ms_buf_puts(b, "]}\n");
}

/* What is missing, one line for each node. Always a failure. */
static int show_missing(struct ms_cli *c, const char *file, const struct mindserve_deployed *d)
{
    const char *slash = strrchr(file, '/');
    unsigned nodes = 0;

    for (int k = 0; k < d->n_operators; k++)
        nodes += d->operators[k].supported ? 0 : d->operators[k].count;
    for (const char *line = d->missing; *line;) {
        size_t len = strcspn(line, "\n");
        ms_cli_fail(c, "%s: %.*s", slash ? slash + 1 : file, (int)(len < 400 ? len : 400), line);
        line += len + (line[len] != '\0');
    }
    return ms_cli_fail(c, "%s: %d operators are not supported, in %u nodes",
                       slash ? slash + 1 : file, d->n_operators, nodes);
}

/* Why a file was refused: a dry run knows all operators that are missing, not only the first. */
static int refused(struct ms_cli *c, struct mindserve *ms, const char *file,
                   const struct mindserve_error *why)
{
    struct mindserve_deploy_options opts = MINDSERVE_DEPLOY_INIT;
    struct mindserve_deployed *dry;
    struct mindserve_error err;
    int code;

    opts.dry_run = true;
    if (why->code != MINDSERVE_UNIMPLEMENTED ||
        mindserve_deploy(ms, file, &opts, &dry, &err) != MINDSERVE_OK)
        return ms_cli_failed(c, why);
    code = dry->missing[0] ? show_missing(c, file, dry) : ms_cli_failed(c, why);
    mindserve_deployed_free(dry);
    return code;
}

static int check(struct ms_cli *c, const char *file, struct ms_cli_offline *o)
{
    struct mindserve_deploy_options opts = MINDSERVE_DEPLOY_INIT;
    struct mindserve_error err;
    struct ms_buf b;

    opts.name = "model";
    opts.report = true;
    if (mindserve_deploy(o->ms, file, &opts, &o->deployed, &err) != MINDSERVE_OK)
        return refused(c, o->ms, file, &err);
    if (mindserve_show(o->ms, "model", 0, false, &o->info, &err) != MINDSERVE_OK)
        return ms_cli_failed(c, &err);
    ms_buf_init(&b, 16 << 20);
    if (c->json)
        show_json(&b, o);
    else
        show_text(&b, o);
    return ms_cli_print(c, &b);
}

static int run(struct ms_cli *c)
{
    struct ms_cli_offline o = {0};
    const char *file = NULL;
    int code;

    if (!ms_cli_words(c, 1, &file, "FILE"))
        return MS_EXIT_USAGE;
    code = ms_cli_local(c, NULL, &o.ms);
    if (code == MS_EXIT_OK)
        code = check(c, file, &o);
    ms_cli_offline_done(&o);
    return code;
}

const struct ms_cli_command ms_cmd_check = {
    .name = "check",
    .args = "FILE",
    .help = "load a model file here: operators, what is missing, shapes, memory, warnings",
    .examples = "  msctl check m.onnx\n  msctl check m.mindir -o json\n",
    .options = options,
    .run = run,
};
