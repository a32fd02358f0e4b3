/* SPDX-License-Identifier: Apache-2.0 */
/* cmd_profile.c - where a model's time goes: step by step, the slowest first. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "cli/input.h"
#include "cli/offline.h"

struct wish {
    const char *file;
    struct ms_cli_inputs inputs;
    uint64_t threads, repeat;
    enum mindserve_tuning tuning;
};

enum { OPT_INPUT, OPT_THREADS, OPT_REPEAT, OPT_TUNING };
static const struct ms_cli_option options[] = {
    [OPT_INPUT] = {"input", "[IN=]FILE", "tensor for an input: .npy, .pb, .json, .png, .jpg", 'i'},
    [OPT_THREADS] = {"threads", "N", "workers (default: what the machine offers)", 0},
    [OPT_REPEAT] = {"repeat", "N", "runs that are added up (default 10, after one that is not)", 0},
    [OPT_TUNING] = {"tuning", "HOW", "choose algorithms by model, measure or off (default model)",
                    0},
    {0},
};

static int slowest_first(const void *a, const void *b)
{
    const struct mindserve_step *x = a, *y = b;

    return (x->ns < y->ns) - (x->ns > y->ns);
}

static double giga_rate(const struct mindserve_step *s)
{
    return s->ns ? s->flops * (double)s->runs / (double)s->ns : 0;
}

static void add_text(struct ms_buf *b, const struct mindserve_step *step, int n, uint64_t sum,
                     const struct mindserve_profile *p)
{
    ms_buf_printf(b, "%9s %6s %8s %10s %-20s %-28s %s\n", "us/run", "share", "GF/s", "bytes",
                  "operator", "kernel", "node");
    for (int i = 0; i < n; i++) {
        const struct mindserve_step *s = &step[i];
        ms_buf_printf(b, "%9.2f %5.1f%% %8.2f %10llu %-20s %-28s %s\n",
                      (double)s->ns / 1e3 / p->runs, sum ? 100.0 * (double)s->ns / (double)sum : 0,
                      giga_rate(s), (unsigned long long)s->bytes, s->op,
                      s->kernel[0] ? s->kernel : "(view)", ms_cli_safe(s->node));
    }
    ms_buf_printf(b, "%d steps, %.3f ms in steps, %.3f ms a run, %d runs\n", n,
                  (double)sum / 1e6 / p->runs, (double)p->total_ns / 1e6 / p->runs, p->runs);
}

static void add_json(struct ms_buf *b, const struct mindserve_step *step, int n, uint64_t sum,
                     const struct mindserve_profile *p)
{
    ms_buf_printf(b, "{\"runs\":%d,\"ms\":%.6g,\"steps\":[", p->runs,
                  (double)p->total_ns / 1e6 / p->runs);
    for (int i = 0; i < n; i++) {
        const struct mindserve_step *s = &step[i];
        ms_buf_puts(b, i ? ",{\"op\":" : "{\"op\":");
        ms_cli_json(b, s->op);
        ms_buf_puts(b, ",\"node\":");
        ms_cli_json(b, s->node);
        ms_buf_puts(b, ",\"kernel\":");
        ms_cli_json(b, s->kernel);
        ms_buf_printf(b, ",\"us\":%.4g,\"share\":%.4f,\"gflops\":%.4g,\"bytes\":%llu}",
                      (double)s->ns / 1e3 / p->runs, sum ? (double)s->ns / (double)sum : 0,
                      giga_rate(s), (unsigned long long)s->bytes);
    }
    ms_buf_puts(b, "]}\n");
}

static int show(struct ms_cli *c, const struct mindserve_profile *p)
{
    struct mindserve_step *step = ms_calloc((size_t)p->n + 1, sizeof *step);
    uint64_t sum = 0;
    struct ms_buf b;

    if (!step)
        return ms_cli_fail(c, "out of memory");
    for (int i = 0; i < p->n; i++) {
        step[i] = p->step[i];
        sum += step[i].ns;
    }
    qsort(step, (size_t)p->n, sizeof *step, slowest_first);
    ms_buf_init(&b, 256 << 20);
    if (c->json)
        add_json(&b, step, p->n, sum, p);
    else
        add_text(&b, step, p->n, sum, p);
    ms_free(step);
    return ms_cli_print(c, &b);
}

static int profile(struct ms_cli *c, const struct wish *w, const struct ms_cli_offline *o)
{
    struct mindserve_named named[MS_CLI_MAX_INPUTS];
    struct mindserve_profile *p = NULL;
    struct mindserve_error err;
    int code;

    if (o->info->n_inputs > MS_CLI_MAX_INPUTS)
        return ms_cli_fail(c, "the model has more than %d inputs", MS_CLI_MAX_INPUTS);
    code = ms_cli_inputs_read(c, &w->inputs, o->info, named);
    if (code != MS_EXIT_OK)
        return code;
    /* the first run makes the plan */
    if (mindserve_profile(o->ms, "model", 0, named, o->info->n_inputs, 1, &p, &err) != MINDSERVE_OK)
        code = ms_cli_failed(c, &err);
    mindserve_profile_free(p);
    p = NULL;
    if (code == MS_EXIT_OK && mindserve_profile(o->ms, "model", 0, named, o->info->n_inputs,
                                                (int)w->repeat, &p, &err) != MINDSERVE_OK)
        code = ms_cli_failed(c, &err);
    if (code == MS_EXIT_OK)
        code = show(c, p);
    mindserve_profile_free(p);
    ms_cli_inputs_free(named, o->info->n_inputs);
    return code;
}

static bool take_tuning(struct ms_cli *c, enum mindserve_tuning *out)
{
    static const char *const name[] = {[MINDSERVE_TUNING_MODEL] = "model",
                                       [MINDSERVE_TUNING_OFF] = "off",
                                       [MINDSERVE_TUNING_MEASURE] = "measure"};

    for (int i = 0; i < 3; i++)
        if (strcmp(c->value, name[i]) == 0) {
            *out = (enum mindserve_tuning)i;
            return true;
        }
    ms_cli_usage(c, "--tuning %s: must be model, measure or off", c->value);
    return false;
}

static bool take(struct ms_cli *c, int what, struct wish *w)
{
    if (what == OPT_INPUT)
        return ms_cli_input_add(c, &w->inputs);
    if (what == OPT_THREADS)
        return ms_cli_number(c, "--threads", 1024, &w->threads);
    if (what == OPT_REPEAT)
        return ms_cli_number(c, "--repeat", 1000000, &w->repeat);
    if (what == OPT_TUNING)
        return take_tuning(c, &w->tuning);
    if (w->file)
        ms_cli_usage(c, "only one FILE, not also %s", c->value);
    return !w->file && (w->file = c->value);
}

static int run(struct ms_cli *c)
{
    struct wish w = {.repeat = 10};
    struct ms_cli_offline o;
    int what, code;

    while ((what = ms_cli_next(c)) != MS_CLI_END)
        if (what == MS_CLI_BAD || !take(c, what, &w))
            return MS_EXIT_USAGE;
    if (!w.file)
        return ms_cli_usage(c, "FILE is missing; msctl profile --help tells more");
    code = ms_cli_offline_load(c, w.file, (int)w.threads, w.tuning, NULL, &o);
    if (code == MS_EXIT_OK)
        code = profile(c, &w, &o);
    ms_cli_offline_done(&o);
    return code;
}

const struct ms_cli_command ms_cmd_profile = {
    .name = "profile",
    .args = "FILE --input [IN=]FILE... [--threads N] [--repeat N]",
    .help = "time of each operator of a model file, the slowest first",
    .text =
        "Shows the kernel that was chosen for each step on this host, its time, its share, the\n"
        "rate of its arithmetic and the bytes that it reads and writes. --tuning measure tries\n"
        "each layer's algorithms while loading, as runtime.tuning of mindserved does.\n"
        "Steps that a run does at once are timed one after the other.\n",
    .examples = "  msctl profile m.onnx --input x.npy\n"
                "  msctl profile m.mindir --input x.npy --threads 1 -o json\n",
    .options = options,
    .run = run,
};
