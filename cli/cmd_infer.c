/* SPDX-License-Identifier: Apache-2.0 */
/* cmd_infer.c - ask a model of a daemon. */
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "cli/input.h"
#include "cli/offline.h"

struct wish {
    const char *model, *output_dir, *labels;
    struct ms_cli_inputs inputs;
    uint64_t repeat;
    bool print_request;
    char *name; /* of model, with */
    uint64_t version;
};

enum { OPT_INPUT, OPT_OUTPUT_DIR, OPT_LABELS, OPT_REPEAT, OPT_PRINT_REQUEST };
static const struct ms_cli_option options[] = {
    [OPT_INPUT] = {"input", "[IN=]FILE", "tensor for an input: .npy, .pb, .json, .png, .jpg", 'i'},
    [OPT_OUTPUT_DIR] = {"output-dir", "DIR", "write each output there as K_NAME.npy", 0},
    [OPT_LABELS] = {"labels", "FILE", "class names, one a line (default: the model's)", 0},
    [OPT_REPEAT] = {"repeat", "N", "ask N times, one after another, and show times", 0},
    [OPT_PRINT_REQUEST] = {"print-request", NULL, "print the REST request (JSON) instead of asking",
                           0},
    {0},
};

static bool take(struct ms_cli *c, int what, struct wish *w)
{
    switch (what) {
    case OPT_INPUT:
        return ms_cli_input_add(c, &w->inputs);
    case OPT_OUTPUT_DIR:
        w->output_dir = c->value;
        return true;
    case OPT_LABELS:
        w->labels = c->value;
        return true;
    case OPT_REPEAT:
        return ms_cli_number(c, "--repeat", 100000000, &w->repeat);
    case OPT_PRINT_REQUEST:
        w->print_request = true;
        return true;
    default: /* a word */
        if (w->model)
            ms_cli_usage(c, "only one NAME, not also %s", c->value);
        return !w->model && (w->model = c->value);
    }
}

static int ask(struct ms_cli *c, const struct wish *w, struct mindserve *ms,
               const struct mindserve_named *in, int n, struct ms_cli_times *times,
               struct mindserve_outputs **out)
{
    struct mindserve_error err;

    for (uint64_t k = 0; k < w->repeat; k++) {
        int64_t start = ms_now();
        mindserve_outputs_free(*out);
        *out = NULL;
        if (mindserve_infer(ms, w->name, w->version, in, n, NULL, out, &err) != MINDSERVE_OK)
            return ms_cli_failed(c, &err);
        if (!ms_cli_times_add(times, (double)(ms_now() - start) / (double)MS_MS))
            return ms_cli_fail(c, "out of memory");
    }
    return MS_EXIT_OK;
}

static void answer_json(struct ms_buf *b, const struct wish *w, const struct mindserve_outputs *out,
                        const struct ms_cli_times *times)
{
    ms_buf_printf(b, "{\"model\":\"%s\",\"version\":", w->name);
    ms_cli_json(b, out->version);
    ms_buf_puts(b, ",\"outputs\":");
    ms_cli_outputs_json(b, out);
    ms_buf_puts(b, ",\"files\":[");
    for (int k = 0; w->output_dir && k < out->n; k++)
        ms_buf_printf(b, "%s\"%s\"", k ? "," : "", ms_cli_output_file(k, out->output[k].name).text);
    ms_buf_printf(b, "],\"runs\":%d,\"min_ms\":%.6g,\"median_ms\":%.6g,\"p90_ms\":%.6g}\n",
                  times->n, ms_cli_times_at(times, 0), ms_cli_times_at(times, 0.5),
                  ms_cli_times_at(times, 0.9));
}

static int answer(struct ms_cli *c, const struct wish *w, const struct mindserve_info *info,
                  const struct mindserve_outputs *out, struct ms_cli_times *times)
{
    struct ms_cli_labels labels = {0};
    struct ms_buf b;
    int code = MS_EXIT_OK;

    if (w->labels)
        code = ms_cli_labels_read(c, w->labels, &labels);
    if (code == MS_EXIT_OK && w->output_dir)
        code = ms_cli_outputs_write(c, out, w->output_dir);
    if (code == MS_EXIT_OK) {
        ms_buf_init(&b, 64 << 20);
        ms_cli_times_sort(times);
        if (c->json) {
            answer_json(&b, w, out, times);
        } else {
            ms_cli_outputs_text(&b, out, w->labels ? labels.label : info->labels,
                                w->labels ? labels.n : info->n_labels);
            if (times->n > 1)
                ms_buf_printf(&b, "%d requests: min %.3f ms, median %.3f ms, p90 %.3f ms\n",
                              times->n, ms_cli_times_at(times, 0), ms_cli_times_at(times, 0.5),
                              ms_cli_times_at(times, 0.9));
        }
        code = ms_cli_print(c, &b);
    }
    ms_cli_labels_done(&labels);
    return code;
}

/* One input as the Open Inference Protocol writes it in JSON. */
static void request_input(struct ms_buf *b, const struct mindserve_port *port,
                          const struct mindserve_tensor *t)
{
    const int64_t *dim = mindserve_tensor_dims(t);
    bool whole = mindserve_tensor_dtype(t) >= MINDSERVE_I8;

    ms_buf_puts(b, "{\"name\":");
    ms_cli_json(b, port->name);
    ms_buf_printf(b, ",\"datatype\":\"%s\",\"shape\":[",
                  mindserve_dtype_oip(mindserve_tensor_dtype(t)));
    for (int d = 0; d < mindserve_tensor_rank(t); d++)
        ms_buf_printf(b, "%s%lld", d ? "," : "", (long long)dim[d]);
    ms_buf_puts(b, "],\"data\":[");
    for (size_t i = 0; i < mindserve_tensor_count(t); i++)
        ms_buf_printf(b, whole ? "%s%.0f" : "%s%.9g", i ? "," : "", mindserve_tensor_number(t, i));
    ms_buf_puts(b, "]}");
}

/* The request that curl --data-binary @- can send to /v2/models/NAME/infer; a model with labels is
 * asked for its five best classes. */
static int print_request(struct ms_cli *c, const struct mindserve_info *info,
                         const struct mindserve_named *in)
{
    struct ms_buf b;

    ms_buf_init(&b, (size_t)1 << 30);
    ms_buf_puts(&b, "{\"inputs\":[");
    for (int i = 0; i < info->n_inputs; i++) {
        ms_buf_puts(&b, i ? "," : "");
        request_input(&b, &info->inputs[i], in[i].tensor);
    }
    ms_buf_putc(&b, ']');
    if (info->n_labels > 0 && info->n_outputs > 0) {
        ms_buf_puts(&b, ",\"outputs\":[{\"name\":");
        ms_cli_json(&b, info->outputs[0].name);
        ms_buf_printf(&b, ",\"parameters\":{\"classification\":%d}}]",
                      info->n_labels < 5 ? info->n_labels : 5);
    }
    ms_buf_puts(&b, "}\n");
    return ms_cli_print(c, &b);
}

static int infer(struct ms_cli *c, const struct wish *w, struct mindserve *ms)
{
    struct mindserve_named named[MS_CLI_MAX_INPUTS];
    struct mindserve_outputs *out = NULL;
    struct ms_cli_times times = {0};
    struct mindserve_info *info;
    struct mindserve_error err;
    int code;

    if (mindserve_show(ms, w->name, w->version, false, &info, &err) != MINDSERVE_OK)
        return ms_cli_failed(c, &err);
    if (strcmp(info->model.state, "READY") != 0)
        code =
            ms_cli_fail(c, "%s:%llu is %s%s%s", w->name, (unsigned long long)info->model.version,
                        info->model.state, info->model.reason[0] ? ": " : "", info->model.reason);
    else if (info->n_inputs > MS_CLI_MAX_INPUTS)
        code = ms_cli_fail(c, "the model has more than %d inputs", MS_CLI_MAX_INPUTS);
    else
        code = ms_cli_inputs_read(c, &w->inputs, info, named);
    if (code == MS_EXIT_OK && w->print_request) {
        code = print_request(c, info, named);
        ms_cli_inputs_free(named, info->n_inputs);
    } else if (code == MS_EXIT_OK) {
        code = ask(c, w, ms, named, info->n_inputs, &times, &out);
        if (code == MS_EXIT_OK)
            code = answer(c, w, info, out, &times);
        ms_cli_inputs_free(named, info->n_inputs);
    }
    mindserve_outputs_free(out);
    mindserve_info_free(info);
    ms_free(times.ms);
    return code;
}

static int run(struct ms_cli *c)
{
    struct wish w = {.repeat = 1};
    struct mindserve *ms;
    int what, code;

    while ((what = ms_cli_next(c)) != MS_CLI_END)
        if (what == MS_CLI_BAD || !take(c, what, &w))
            return MS_EXIT_USAGE;
    if (!w.model)
        return ms_cli_usage(c, "NAME is missing; msctl infer --help tells more");
    if (w.repeat == 0)
        return ms_cli_usage(c, "--repeat 0: must be at least 1");
    if (!ms_cli_model(c, w.model, &w.name, &w.version))
        return MS_EXIT_USAGE;
    code = ms_cli_remote(c, &ms);
    if (code == MS_EXIT_OK) {
        code = infer(c, &w, ms);
        mindserve_close(ms);
    }
    ms_free(w.name);
    return code;
}

const struct ms_cli_command ms_cmd_infer = {
    .name = "infer",
    .args = "NAME[:V] --input [IN=]FILE... [--output-dir DIR] [--labels FILE] [--repeat N]",
    .help = "ask a model of a daemon",
    .text =
        "Pictures are scaled as the model's configuration says. Shows shapes and first values,\n"
        "or the five best classes where there are labels.\n",
    .examples = "  msctl infer digits --input seven.png\n"
                "  msctl infer shop:3 --input user=u.npy --input item=i.npy --output-dir out\n"
                "  msctl infer digits --input x.npy --repeat 1000\n",
    .options = options,
    .run = run,
};
