/* SPDX-License-Identifier: Apache-2.0 */
/* testcase.c - a folder of reference data against the library. */
#include "cli/testcase.h"

#include <dirent.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "cli/input.h"

enum { MAX_SETS = 1000, MAX_PATH = 4096 };

static void verdict(struct ms_cli_result *r, enum ms_cli_verdict v, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

static void verdict(struct ms_cli_result *r, enum ms_cli_verdict v, const char *fmt, ...)
{
    va_list ap;

    r->verdict = v;
    va_start(ap, fmt);
    (void)vsnprintf(r->why, sizeof r->why, fmt, ap);
    va_end(ap);
    r->why[strcspn(r->why, "\n")] = '\0';
}

/* What the library cannot do yet is a skip, everything else that it says a failure. */
static void refused(struct ms_cli_result *r, const char *where, const struct mindserve_error *err)
{
    verdict(r, err->code == MINDSERVE_UNIMPLEMENTED ? MS_CLI_SKIP : MS_CLI_FAIL, "%s%s", where,
            err->text);
}

/* ---- the folder ---- */

static bool ends_with(const char *s, const char *end)
{
    size_t n = strlen(s), m = strlen(end);

    return n > m && strcmp(s + n - m, end) == 0;
}

/* Smaller is better; 0 = no model. */
static int rank_of(const char *name)
{
    if (strcmp(name, "model.onnx") == 0)
        return 1;
    if (ends_with(name, ".onnx"))
        return 2;
    if (ends_with(name, "_graph.mindir"))
        return 3;
    return ends_with(name, ".mindir") ? 4 : 0;
}

bool ms_cli_case_model(const char *dir, char *name, size_t size)
{
    DIR *d = opendir(dir);
    int best = 0;

    *name = '\0';
    if (!d)
        return true;
    for (const struct dirent *e; (e = readdir(d));) {
        int rank = rank_of(e->d_name);
        if (!rank || strlen(e->d_name) >= size)
            continue;
        if (best == 0 || rank < best || (rank == best && strcmp(e->d_name, name) < 0)) {
            best = rank;
            memcpy(name, e->d_name, strlen(e->d_name) + 1);
        }
    }
    closedir(d);
    return true;
}

/* DIR/test_data_set_N/KIND_K.npy or .pb; false if there is neither. */
static bool data_path(char path[MAX_PATH], const char *dir, int set, const char *kind, int k)
{
    static const char *const suffix[] = {"npy", "pb"};

    for (int i = 0; i < 2; i++) {
        int n =
            snprintf(path, MAX_PATH, "%s/test_data_set_%d/%s_%d.%s", dir, set, kind, k, suffix[i]);
        if (n < MAX_PATH && access(path, F_OK) == 0)
            return true;
    }
    return false;
}

static bool has_set(const char *dir, int set)
{
    char path[MAX_PATH];
    int n = snprintf(path, sizeof path, "%s/test_data_set_%d", dir, set);

    return n < MAX_PATH && access(path, F_OK) == 0;
}

/* ---- one data set ---- */

struct bench {
    const char *dir;
    struct mindserve *ms;
    const struct mindserve_info *info;
    const struct ms_cli_bounds *bounds;
    struct ms_cli_result *r;
};

static bool read_inputs(const struct bench *b, int set, struct mindserve_named *in)
{
    char path[MAX_PATH];
    struct ms_err err;

    for (int k = 0; k < b->info->n_inputs; k++) {
        const struct mindserve_port *port = &b->info->inputs[k];
        in[k] = (struct mindserve_named){port->name, NULL};
        if (!data_path(path, b->dir, set, "input", k)) {
            verdict(b->r, MS_CLI_FAIL, "set %d: there is no input_%d for '%s'", set, k,
                    ms_cli_safe(port->name));
            return false;
        }
        if (ms_cli_tensor_read(path, port, NULL, &in[k].tensor, &err) != MS_OK ||
            ms_cli_tensor_fit(&in[k].tensor, port, &err) != MS_OK) {
            verdict(b->r, MS_CLI_FAIL, "set %d: input_%d: %s", set, k, err.text);
            return false;
        }
    }
    return true;
}

/* A reference that stores bfloat16 as u16 is compared as what it means. */
static bool read_output(const struct bench *b, const char *path, struct mindserve_tensor *got,
                        struct mindserve_tensor **want, struct ms_err *err)
{
    const struct mindserve_port as_got = {
        .name = "", .dtype = mindserve_tensor_dtype(got), .rank = -1, .shape = ""};

    (void)b;
    if (ms_cli_tensor_read(path, &as_got, NULL, want, err) != MS_OK)
        return false;
    if (as_got.dtype == MINDSERVE_BF16 && mindserve_tensor_dtype(*want) == MINDSERVE_U16)
        return ms_cli_tensor_fit(want, &as_got, err) == MS_OK;
    return true;
}

static bool compare_outputs(const struct bench *b, int set, const struct mindserve_outputs *out)
{
    char path[MAX_PATH];
    struct ms_err err;
    bool same = true;

    if (!data_path(path, b->dir, set, "output", 0)) {
        verdict(b->r, MS_CLI_SKIP, "set %d: runs, but there is no output_0 to compare with", set);
        return false;
    }
    for (int k = 0; k < out->n && same; k++) {
        struct mindserve_tensor *want = NULL, *got = out->output[k].tensor;
        struct ms_buf why;

        if (!data_path(path, b->dir, set, "output", k)) {
            verdict(b->r, MS_CLI_FAIL, "set %d: there is no output_%d for '%s'", set, k,
                    ms_cli_safe(out->output[k].name));
            return false;
        }
        ms_buf_init(&why, 4096);
        if (!read_output(b, path, got, &want, &err)) {
            verdict(b->r, MS_CLI_FAIL, "set %d: output_%d: %s", set, k, err.text);
            same = false;
        } else if (!ms_cli_compare(got, want, b->bounds, &why)) {
            verdict(b->r, MS_CLI_FAIL, "set %d: output_%d '%s': %s", set, k,
                    ms_cli_safe(out->output[k].name), ms_buf_str(&why));
            same = false;
        }
        mindserve_tensor_free(want);
        ms_buf_done(&why);
    }
    return same;
}

static bool run_set(const struct bench *b, int set)
{
    struct mindserve_named in[MS_CLI_MAX_INPUTS] = {{0}};
    struct mindserve_outputs *out = NULL;
    struct mindserve_error err;
    bool same = false;

    if (read_inputs(b, set, in)) {
        if (mindserve_infer(b->ms, "model", 0, in, b->info->n_inputs, NULL, &out, &err) ==
            MINDSERVE_OK)
            same = compare_outputs(b, set, out);
        else
            refused(b->r, "run: ", &err);
    }
    mindserve_outputs_free(out);
    ms_cli_inputs_free(in, b->info->n_inputs);
    return same;
}

static void run_sets(const struct bench *b)
{
    int sets = 0;

    if (b->info->n_inputs > MS_CLI_MAX_INPUTS) {
        verdict(b->r, MS_CLI_SKIP, "the model has %d inputs", b->info->n_inputs);
        return;
    }
    for (int set = 0; set < MAX_SETS && has_set(b->dir, set); set++, sets++)
        if (!run_set(b, set))
            return;
    if (sets == 0)
        verdict(b->r, MS_CLI_SKIP, "loads, but there is no test_data_set_0");
    else
        verdict(b->r, MS_CLI_PASS, "%s", "");
}

/* Results of operators that rescale to 8 bits are exact but for the last rounding. */
static bool rescales(const struct mindserve_deployed *d)
{
    for (int i = 0; i < d->n_operators; i++)
        if (strncmp(d->operators[i].name, "QLinear", 7) == 0 ||
            strcmp(d->operators[i].name, "DynamicQuantizeLinear") == 0)
            return true;
    return false;
}

/* A network adds up the roundings of its operators, so a small element beside a large one says
 * little; a single operator is held to its own elements. */
static bool is_network(const struct mindserve_deployed *d)
{
    enum { OPERATORS = 16, WEIGHTS = 64 << 10 };
    uint64_t n = 0;

    for (int i = 0; i < d->n_operators; i++)
        n += (uint64_t)d->operators[i].count;
    return n >= OPERATORS && d->memory >= WEIGHTS;
}

void ms_cli_case_run(const char *dir, const char *model, int threads,
                     const struct ms_cli_bounds *bounds, struct ms_cli_result *r)
{
    struct mindserve_deploy_options opts = MINDSERVE_DEPLOY_INIT;
    struct mindserve_options where = MINDSERVE_OPTIONS_INIT;
    struct ms_cli_bounds own = *bounds;
    struct mindserve_deployed *d = NULL;
    struct mindserve_info *info = NULL;
    struct mindserve *ms = NULL;
    struct mindserve_error err;
    char path[MAX_PATH];

    (void)snprintf(path, sizeof path, "%s/%s", dir, model);
    opts.name = "model";
    opts.report = true;
    opts.no_self_test = true;
    where.threads = threads;
    if (mindserve_open(&where, &ms, &err) != MINDSERVE_OK ||
        mindserve_deploy(ms, path, &opts, &d, &err) != MINDSERVE_OK ||
        mindserve_show(ms, "model", 0, false, &info, &err) != MINDSERVE_OK) {
        refused(r, "", &err);
    } else {
        own.quantised = rescales(d);
        own.network = !own.chosen && is_network(d);
        run_sets(&(struct bench){dir, ms, info, &own, r});
    }
    mindserve_info_free(info);
    mindserve_deployed_free(d);
    mindserve_close(ms);
}
