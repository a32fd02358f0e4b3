/* SPDX-License-Identifier: Apache-2.0 */
/* cmd_run.c - run a model file in this process, once or for a while. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/cpu.h"
#include "base/mem.h"
#include "cli/input.h"
#include "cli/offline.h"

struct wish {
    const char *file, *output_dir, *labels;
    struct ms_cli_inputs inputs;
    uint64_t threads, repeat;
    double seconds; /* < 0: repeat counts */
};

enum { OPT_INPUT, OPT_OUTPUT_DIR, OPT_LABELS, OPT_THREADS, OPT_REPEAT, OPT_SECONDS };
static const struct ms_cli_option options[] = {
    [OPT_INPUT] = {"input", "[IN=]FILE", "tensor for an input: .npy, .pb, .json, .png, .jpg", 'i'},
    [OPT_OUTPUT_DIR] = {"output-dir", "DIR", "write each output there as K_NAME.npy", 0},
    [OPT_LABELS] = {"labels", "FILE", "class names, one a line: show the best five", 0},
    [OPT_THREADS] = {"threads", "N", "workers (default: what the machine offers)", 0},
    [OPT_REPEAT] = {"repeat", "N", "run N times and show times (after one that does not count)", 0},
    [OPT_SECONDS] = {"seconds", "S", "the same for S seconds; 0 runs once", 0},
    {0},
};

static bool take_seconds(struct ms_cli *c, double *out)
{
    char *end;

    *out = strtod(c->value, &end);
    if (end != c->value && *end == '\0' && *out >= 0 && *out <= 86400)
        return true;
    ms_cli_usage(c, "--seconds %s: must be a number from 0 to 86400", c->value);
    return false;
}

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
    case OPT_THREADS:
        return ms_cli_number(c, "--threads", 1024, &w->threads);
    case OPT_REPEAT:
        return ms_cli_number(c, "--repeat", 100000000, &w->repeat);
    case OPT_SECONDS:
        return take_seconds(c, &w->seconds);
    default: /* a word */
        if (w->file)
            ms_cli_usage(c, "only one FILE, not also %s", c->value);
        return !w->file && (w->file = c->value);
    }
}

/* Runs as often as was asked for. The result of the last run is kept in *out. */
static int measure(struct ms_cli *c, const struct wish *w, struct mindserve *ms,
                   const struct mindserve_named *in, int n, struct ms_cli_times *times,
                   struct mindserve_outputs **out)
{
    struct mindserve_error err;
    bool many = w->seconds > 0 || (w->seconds < 0 && w->repeat > 1);
    int64_t end = 0;

    for (bool warm = many;; warm = false) {
        int64_t start = ms_now();
        mindserve_outputs_free(*out);
        *out = NULL;
        if (mindserve_infer(ms, "model", 0, in, n, NULL, out, &err) != MINDSERVE_OK)
            return ms_cli_failed(c, &err);
        int64_t now = ms_now();
        if (warm) {
            end = now + (int64_t)(w->seconds * (double)MS_SEC);
            continue;
        }
        if (!ms_cli_times_add(times, (double)(now - start) / (double)MS_MS))
            return ms_cli_fail(c, "out of memory");
        if (!many || (w->seconds > 0 ? now >= end : (uint64_t)times->n >= w->repeat))
            return MS_EXIT_OK;
    }
}

static void add_json(struct ms_buf *b, const struct wish *w, const struct mindserve_outputs *o,
                     const struct ms_cli_times *t, uint64_t load_ms,
                     const struct mindserve_status *s)
{
    ms_buf_puts(b, "{\"outputs\":[");
    for (int k = 0; w->output_dir && k < o->n; k++)
        ms_buf_printf(b, "%s\"%s\"", k ? "," : "", ms_cli_output_file(k, o->output[k].name).text);
    ms_buf_printf(b,
                  "],\"runs\":%d,\"min_ms\":%.6g,\"median_ms\":%.6g,\"p90_ms\":%.6g,"
                  "\"load_ms\":%llu,\"peak_rss_mb\":%.1f,\"threads\":%u,\"isa\":\"%s\"}\n",
                  t->n, ms_cli_times_at(t, 0), ms_cli_times_at(t, 0.5), ms_cli_times_at(t, 0.9),
                  (unsigned long long)load_ms, (double)ms_rss_peak_bytes() / 1e6, s->threads,
                  s->isa);
}

static int report(struct ms_cli *c, const struct wish *w, const struct ms_cli_offline *o,
                  const struct mindserve_outputs *out, struct ms_cli_times *times)
{
    struct ms_cli_labels labels = {0};
    struct mindserve_status *s;
    struct mindserve_error err;
    struct ms_buf b;
    int code = MS_EXIT_OK;

    if (w->labels && (code = ms_cli_labels_read(c, w->labels, &labels)) != MS_EXIT_OK)
        return code;
    if (mindserve_status(o->ms, &s, &err) != MINDSERVE_OK) {
        ms_cli_labels_done(&labels);
        return ms_cli_failed(c, &err);
    }
    ms_buf_init(&b, 64 << 20);
    ms_cli_times_sort(times);
    if (c->json) {
        add_json(&b, w, out, times, o->deployed->load_ms, s);
    } else {
        ms_cli_outputs_text(&b, out, labels.label, labels.n);
        if (times->n > 1)
            ms_buf_printf(&b,
                          "%d runs: min %.3f ms, median %.3f ms, p90 %.3f ms; loaded in %llu ms; "
                          "%u threads, %s\n",
                          times->n, ms_cli_times_at(times, 0), ms_cli_times_at(times, 0.5),
                          ms_cli_times_at(times, 0.9), (unsigned long long)o->deployed->load_ms,
                          s->threads, s->isa);
    }
    mindserve_status_free(s);
    ms_cli_labels_done(&labels);
    return ms_cli_print(c, &b);
}

static int run_loaded(struct ms_cli *c, const struct wish *w, const struct ms_cli_offline *o)
{
    struct mindserve_named named[MS_CLI_MAX_INPUTS];
    struct mindserve_outputs *out = NULL;
    struct ms_cli_times times = {0};
    int code;

    if (o->info->n_inputs > MS_CLI_MAX_INPUTS)
        return ms_cli_fail(c, "the model has more than %d inputs", MS_CLI_MAX_INPUTS);
    code = ms_cli_inputs_read(c, &w->inputs, o->info, named);
    if (code != MS_EXIT_OK)
        return code;
    code = measure(c, w, o->ms, named, o->info->n_inputs, &times, &out);
    if (code == MS_EXIT_OK && w->output_dir)
        code = ms_cli_outputs_write(c, out, w->output_dir);
    if (code == MS_EXIT_OK)
        code = report(c, w, o, out, &times);
    mindserve_outputs_free(out);
    ms_free(times.ms);
    ms_cli_inputs_free(named, o->info->n_inputs);
    return code;
}

static int run(struct ms_cli *c)
{
    struct wish w = {.repeat = 1, .seconds = -1};
    struct mindserve_options how = MINDSERVE_OPTIONS_INIT;
    struct ms_cli_offline o;
    int what, code;

    while ((what = ms_cli_next(c)) != MS_CLI_END)
        if (what == MS_CLI_BAD || !take(c, what, &w))
            return MS_EXIT_USAGE;
    if (!w.file)
        return ms_cli_usage(c, "FILE is missing; msctl run --help tells more");
    if (w.repeat == 0)
        return ms_cli_usage(c, "--repeat 0: must be at least 1");
    how.threads = (int)w.threads;
    code = ms_cli_offline_load(c, w.file, &how, NULL, &o);
    if (code == MS_EXIT_OK)
        code = run_loaded(c, &w, &o);
    ms_cli_offline_done(&o);
    return code;
}

const struct ms_cli_command ms_cmd_run = {
    .name = "run",
    .args = "FILE --input [IN=]FILE... [--output-dir DIR] [--threads N] [--repeat N | --seconds S]",
    .help = "run a model file in this process",
    .examples = "  msctl run digits.onnx --input seven.png --labels digits.txt\n"
                "  msctl run m.mindir --input x=x.npy --output-dir out\n"
                "  msctl run m.onnx --input x.npy --seconds 5 --threads 2 -o json\n",
    .options = options,
    .run = run,
};
