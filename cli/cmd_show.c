/* SPDX-License-Identifier: Apache-2.0 */
/* cmd_show.c - one model of a daemon: inputs, outputs, versions, memory, passes, graph. */
#include <string.h>

#include "base/mem.h"
#include "cli/modeltext.h"

enum { OPT_GRAPH };
static const struct ms_cli_option options[] = {
    [OPT_GRAPH] = {"graph", NULL, "only the optimised graph, as msctl dump prints it", 0},
    {0},
};

static void show_text(struct ms_buf *b, const struct mindserve_info *i)
{
    const struct mindserve_memory *m = &i->memory;
    double ms = 0;

    ms_buf_printf(b, "%s:%llu %s, %s\n", ms_cli_safe(i->model.name),
                  (unsigned long long)i->model.version, ms_cli_safe(i->model.state),
                  ms_cli_safe(i->model.format));
    if (i->model.reason[0])
        ms_buf_printf(b, "reason    %s\n", ms_cli_safe(i->model.reason));
    if (i->model.digest[0])
        ms_buf_printf(b, "digest    %s\n", ms_cli_safe(i->model.digest));
    ms_cli_ports_text(b, "input", i->inputs, i->n_inputs);
    ms_cli_ports_text(b, "output", i->outputs, i->n_outputs);
    ms_buf_printf(b, "memory    weights %s in the file, packed ", ms_cli_bytes(m->weights));
    ms_buf_printf(b, "%s, plans ", ms_cli_bytes(m->packed));
    ms_buf_printf(b, "%s, graph ", ms_cli_bytes(m->plans));
    ms_buf_printf(b, "%s, one run ", ms_cli_bytes(m->graph));
    ms_buf_printf(b, "%s\n", ms_cli_bytes(m->run_peak));
    if (i->batching)
        ms_buf_printf(b, "batching  up to %u items, waits up to %llu us\n", i->max_batch,
                      (unsigned long long)i->max_delay_us);
    else
        ms_buf_puts(b, "batching  no\n");
    if (i->n_labels)
        ms_buf_printf(b, "labels    %d\n", i->n_labels);
    ms_buf_puts(b, "passes   ");
    for (int k = 0; k < i->n_passes; k++) {
        ms += (double)i->passes[k].ns / 1e6;
        if (i->passes[k].changed)
            ms_buf_printf(b, " %s %u,", ms_cli_safe(i->passes[k].name), i->passes[k].changed);
    }
    ms_buf_printf(b, " %d in %.1f ms\n", i->n_passes, ms);
    ms_buf_puts(b, "versions\n");
    ms_cli_model_rows(b, i->versions, i->n_versions);
}

static void show_json(struct ms_buf *b, const struct mindserve_info *i)
{
    ms_buf_puts(b, "{\"model\":");
    ms_cli_model_json(b, &i->model);
    ms_buf_putc(b, ',');
    ms_cli_ports_json(b, "inputs", i->inputs, i->n_inputs);
    ms_buf_putc(b, ',');
    ms_cli_ports_json(b, "outputs", i->outputs, i->n_outputs);
    ms_buf_printf(b, ",\"batching\":%s,\"max_batch\":%u,\"max_delay_us\":%llu,\"passes\":[",
                  i->batching ? "true" : "false", i->max_batch,
                  (unsigned long long)i->max_delay_us);
    for (int k = 0; k < i->n_passes; k++) {
        ms_buf_puts(b, k ? ",{\"pass\":" : "{\"pass\":");
        ms_cli_json(b, i->passes[k].name);
        ms_buf_printf(b, ",\"changed\":%u,\"nodes_before\":%u,\"nodes_after\":%u,\"ns\":%llu}",
                      i->passes[k].changed, i->passes[k].nodes_before, i->passes[k].nodes_after,
                      (unsigned long long)i->passes[k].ns);
    }
    ms_buf_printf(b,
                  "],\"memory\":{\"weights\":%llu,\"packed\":%llu,\"plans\":%llu,\"graph\":%llu,"
                  "\"run_peak\":%llu},\"labels\":[",
                  (unsigned long long)i->memory.weights, (unsigned long long)i->memory.packed,
                  (unsigned long long)i->memory.plans, (unsigned long long)i->memory.graph,
                  (unsigned long long)i->memory.run_peak);
    for (int k = 0; k < i->n_labels; k++) {
        if (k)
            ms_buf_putc(b, ',');
        ms_cli_json(b, i->labels[k]);
    }
    ms_buf_puts(b, "],\"versions\":[");
    for (int k = 0; k < i->n_versions; k++) {
        if (k)
            ms_buf_putc(b, ',');
        ms_cli_model_json(b, &i->versions[k]);
    }
    ms_buf_puts(b, "]}\n");
}

static int show(struct ms_cli *c, struct mindserve *ms, const char *name, uint64_t version,
                bool graph)
{
    struct mindserve_info *i;
    struct mindserve_error err;
    struct ms_buf b;

    if (mindserve_show(ms, name, version, graph, &i, &err) != MINDSERVE_OK)
        return ms_cli_failed(c, &err);
    ms_buf_init(&b, (size_t)1 << 30);
    if (graph && c->json) {
        ms_buf_puts(&b, "{\"graph\":");
        ms_cli_json(&b, i->graph);
        ms_buf_puts(&b, "}\n");
    } else if (graph) {
        ms_buf_puts(&b, i->graph);
    } else if (c->json) {
        show_json(&b, i);
    } else {
        show_text(&b, i);
    }
    mindserve_info_free(i);
    return ms_cli_print(c, &b);
}

static int run(struct ms_cli *c)
{
    const char *word = NULL;
    bool graph = false;
    struct mindserve *ms;
    uint64_t version;
    char *name;
    int what, code;

    while ((what = ms_cli_next(c)) != MS_CLI_END) {
        if (what == MS_CLI_BAD)
            return MS_EXIT_USAGE;
        if (what == OPT_GRAPH)
            graph = true;
        else if (word)
            return ms_cli_usage(c, "only one NAME, not also %s", c->value);
        else
            word = c->value;
    }
    if (!word)
        return ms_cli_usage(c, "NAME is missing; msctl show --help tells more");
    if (!ms_cli_model(c, word, &name, &version))
        return MS_EXIT_USAGE;
    code = ms_cli_remote(c, &ms);
    if (code == MS_EXIT_OK) {
        code = show(c, ms, name, version, graph);
        mindserve_close(ms);
    }
    ms_free(name);
    return code;
}

const struct ms_cli_command ms_cmd_show = {
    .name = "show",
    .args = "NAME[:V] [--graph]",
    .help = "one model of a daemon: inputs, outputs, versions, memory, passes",
    .examples = "  msctl show digits\n  msctl show digits:3 --graph\n  msctl show digits -o json\n",
    .options = options,
    .run = run,
};
