/* SPDX-License-Identifier: Apache-2.0 */
/* cmd_profile.c - where a model's time goes: step by step, the slowest first. */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/cpu.h"
#include "base/mem.h"
#include "base/peak.h"
#include "cli/input.h"
#include "cli/offline.h"

struct wish {
    const char *file;
    struct ms_cli_inputs inputs;
    uint64_t threads, repeat;
    struct mindserve_options how;
};

enum { OPT_INPUT, OPT_THREADS, OPT_REPEAT, OPT_TUNING, OPT_NUMERICS };
static const struct ms_cli_option options[] = {
    [OPT_INPUT] = {"input", "[IN=]FILE", "tensor for an input: .npy, .pb, .json, .png, .jpg", 'i'},
    [OPT_THREADS] = {"threads", "N", "workers (default: what the machine offers)", 0},
    [OPT_REPEAT] = {"repeat", "N", "runs that are added up (default 10, after one that is not)", 0},
    [OPT_TUNING] = {"tuning", "HOW", "choose algorithms by model, measure or off (default model)",
                    0},
    [OPT_NUMERICS] = {"numerics", "HOW", "fast, or exact: no algorithm that rounds otherwise", 0},
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

/* What a report is made of. */
struct report {
    const struct mindserve_profile *p;
    struct mindserve_step *step; /* the slowest first */
    uint64_t sum;                /* of all steps' ns */
    struct ms_peak peak;         /* of as many threads as the steps had */
    int threads;
};

static double of_sum(const struct report *r, const struct mindserve_step *s)
{
    return r->sum ? (double)s->ns / (double)r->sum : 0;
}

static double of_peak(const struct report *r, const struct mindserve_step *s)
{
    return r->peak.gflops > 0 ? giga_rate(s) / r->peak.gflops : 0;
}

/* What follows the operator's name in that of a kernel ("Conv": conv, "MaxPool": max_pool), or all
 * of it. */
static const char *behind_operator(const char *op, const char *kernel)
{
    const char *k = kernel;

    for (; *op; op++, k++) {
        k += *k == '_';
        if (*k != tolower((unsigned char)*op))
            return kernel;
    }
    return k;
}

/* The algorithm: a kernel's name without the operator in front and the instruction set behind;
 * empty where an operator has but one. */
static void algorithm_of(const struct mindserve_step *s, char to[64])
{
    static const char *const isa[] = {"_avx512", "_avx2", "_plain"};
    const char *name = behind_operator(s->op, s->kernel);
    size_t n = strnlen(name, 63), from = *name == '_' && name > s->kernel;

    for (size_t i = 0; i < sizeof isa / sizeof *isa; i++) {
        size_t m = strlen(isa[i]);
        if (n >= m && memcmp(name + n - m, isa[i], m) == 0)
            n -= m;
    }
    n = n > from ? n - from : 0;
    memcpy(to, name + from, n);
    to[n] = '\0';
}

static void add_text(struct ms_buf *b, const struct report *r)
{
    const struct mindserve_profile *p = r->p;

    ms_buf_printf(b, "%9s %6s %8s %6s %10s %-20s %-30s %-18s %s\n", "us/run", "share", "GF/s",
                  "peak", "bytes", "operator", "kernel", "algorithm", "node");
    for (int i = 0; i < p->n; i++) {
        const struct mindserve_step *s = &r->step[i];
        char algorithm[64];
        algorithm_of(s, algorithm);
        ms_buf_printf(b, "%9.2f %5.1f%% %8.2f %5.1f%% %10llu %-20s %-30s %-18s %s\n",
                      (double)s->ns / 1e3 / p->runs, 100 * of_sum(r, s), giga_rate(s),
                      100 * of_peak(r, s), (unsigned long long)s->bytes, s->op,
                      s->kernel[0] ? s->kernel : "(view)", algorithm[0] ? algorithm : "-",
                      ms_cli_safe(s->node));
    }
    ms_buf_printf(b, "%d steps, %.3f ms in steps, %.3f ms a run, %d runs\n", p->n,
                  (double)r->sum / 1e6 / p->runs, (double)p->total_ns / 1e6 / p->runs, p->runs);
    ms_buf_printf(b, "peak of %d thread%s: %.1f GF/s of multiply-adds, %.1f GB/s from memory\n",
                  r->threads, r->threads == 1 ? "" : "s", r->peak.gflops, r->peak.gbytes);
}

static void add_json(struct ms_buf *b, const struct report *r)
{
    const struct mindserve_profile *p = r->p;

    ms_buf_printf(b,
                  "{\"runs\":%d,\"ms\":%.6g,\"threads\":%d,\"isa\":\"%s\",\"peak_gflops\":%.5g,"
                  "\"memory_gbs\":%.4g,\"steps\":[",
                  p->runs, (double)p->total_ns / 1e6 / p->runs, r->threads,
                  ms_isa_name(ms_cpu()->isa), r->peak.gflops, r->peak.gbytes);
    for (int i = 0; i < p->n; i++) {
        const struct mindserve_step *s = &r->step[i];
        char algorithm[64];
        algorithm_of(s, algorithm);
        ms_buf_puts(b, i ? ",{\"op\":" : "{\"op\":");
        ms_cli_json(b, s->op);
        ms_buf_puts(b, ",\"node\":");
        ms_cli_json(b, s->node);
        ms_buf_puts(b, ",\"kernel\":");
        ms_cli_json(b, s->kernel);
        ms_buf_puts(b, ",\"algorithm\":");
        ms_cli_json(b, algorithm);
        ms_buf_printf(
            b, ",\"us\":%.4g,\"share\":%.4f,\"gflops\":%.4g,\"of_peak\":%.4f,\"bytes\":%llu}",
            (double)s->ns / 1e3 / p->runs, of_sum(r, s), giga_rate(s), of_peak(r, s),
            (unsigned long long)s->bytes);
    }
    ms_buf_puts(b, "]}\n");
}

static int show(struct ms_cli *c, const struct mindserve_profile *p, int threads,
                const struct ms_peak *peak)
{
    struct report r = {.p = p, .threads = threads, .peak = *peak};
    struct ms_buf b;

    r.step = ms_calloc((size_t)p->n + 1, sizeof *r.step);
    if (!r.step)
        return ms_cli_fail(c, "out of memory");
    for (int i = 0; i < p->n; i++) {
        r.step[i] = p->step[i];
        r.sum += p->step[i].ns;
    }
    qsort(r.step, (size_t)p->n, sizeof *r.step, slowest_first);
    ms_buf_init(&b, 256 << 20);
    if (c->json)
        add_json(&b, &r);
    else
        add_text(&b, &r);
    ms_free(r.step);
    return ms_cli_print(c, &b);
}

static int profile(struct ms_cli *c, const struct wish *w, const struct ms_cli_offline *o)
{
    struct mindserve_named named[MS_CLI_MAX_INPUTS];
    struct mindserve_profile *p = NULL;
    const int threads = w->threads ? (int)w->threads : ms_cpu()->usable;
    const struct ms_peak peak = ms_peak_of(threads);
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
        code = show(c, p, threads, &peak);
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
        return take_tuning(c, &w->how.tuning);
    if (what == OPT_NUMERICS) {
        w->how.exact = strcmp(c->value, "exact") == 0;
        if (!w->how.exact && strcmp(c->value, "fast") != 0)
            ms_cli_usage(c, "--numerics %s: must be fast or exact", c->value);
        return w->how.exact || strcmp(c->value, "fast") == 0;
    }
    if (w->file)
        ms_cli_usage(c, "only one FILE, not also %s", c->value);
    return !w->file && (w->file = c->value);
}

static int run(struct ms_cli *c)
{
    struct wish w = {.repeat = 10, .how = MINDSERVE_OPTIONS_INIT};
    struct ms_cli_offline o;
    int what, code;

    while ((what = ms_cli_next(c)) != MS_CLI_END)
        if (what == MS_CLI_BAD || !take(c, what, &w))
            return MS_EXIT_USAGE;
    if (!w.file)
        return ms_cli_usage(c, "FILE is missing; msctl profile --help tells more");
    w.how.threads = (int)w.threads;
    code = ms_cli_offline_load(c, w.file, &w.how, NULL, &o);
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
        "Shows the kernel and algorithm that were chosen for each step on this host, its time, "
        "its\n"
        "share, the rate of its arithmetic, what part that is of the peak of f32 multiply-adds of\n"
        "as many threads, which is measured first, and the bytes that it reads and writes.\n"
        "Algorithms with fewer products than the operator's definition may exceed the peak.\n"
        "--tuning measure tries each layer's algorithms while loading, as runtime.tuning of\n"
        "mindserved does; --numerics as its runtime.numerics. Steps\n"
        "that a run does at once are timed one after the other.\n",
    .examples = "  msctl profile m.onnx --input x.npy\n"
                "  msctl profile m.mindir --input x.npy --threads 1 -o json\n",
    .options = options,
    .run = run,
};
