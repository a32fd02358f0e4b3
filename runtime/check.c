/* SPDX-License-Identifier: Apache-2.0 */
/* check.c - the first half of a load, for its verdict only. */
#include "base/clock.h"
#include "base/mem.h"
#include "ir/op.h"
#include "runtime/eval.h"
#include "runtime/model_impl.h"

struct kept {
    struct ms_tensor *tensor;
    struct kept *next;
};

struct check {
    const struct ms_source *src;
    const struct ms_model_opts *o;
    struct ms_arena arena;
    struct kept *kept;
    size_t kept_bytes, max_heap;
    struct ms_err *err;
};

static bool keep(void *arg, struct ms_tensor *t)
{
    struct check *k = arg;
    struct kept *e;

    size_t bytes = t->data ? t->bytes : 0;
    if (bytes > k->max_heap - k->kept_bytes)
        return false;
    e = ms_malloc(sizeof *e);
    if (!e)
        return false;
    k->kept_bytes += bytes;
    *e = (struct kept){t, k->kept}; /* with the reference of the pass that made it */
    k->kept = e;
    return true;
}

static ms_code optimise(struct check *k, struct ms_graph *g)
{
    struct ms_eval_opts eval = {.deadline = k->o->load_deadline, .cancel = k->o->cancel};
    struct ms_pass_report report[MS_MAX_PASSES];
    struct ms_pass_ctx c;
    int n;

    ms_pass_ctx_init(&c, g, k->src->main.len);
    c.eval = ms_eval;
    c.eval_arg = &eval;
    c.keep = keep;
    c.keep_arg = k;
    c.recipes = true;
    c.deadline = k->o->load_deadline;
    MS_TRY(ms_passes_run(g, k->o->passes ? k->o->passes : "all", &c, report, &n, k->err));
    return ms_graph_infer(g, k->err);
}

static ms_code check(struct check *k)
{
    struct ms_read_limits lim = ms_model_read_limits(k->o, k->src->main.len, k->max_heap);
    const struct ms_format *format = ms_format_sniff(k->src->main);
    struct ms_graph *g;

    if (!format)
        return ms_fail(k->err, MS_INVALID_ARGUMENT, "the file is in no model format known here");
    ms_arena_init(&k->arena, lim.max_heap);
    MS_TRY(format->read(k->src, &lim, &k->arena, &g, k->o->missing, k->err));
    MS_TRY(ms_graph_check(g, k->err));
    MS_TRY(ms_graph_infer(g, k->err));
    return optimise(k, g);
}

ms_code ms_model_check(const struct ms_source *src, const struct ms_model_opts *o, size_t max_heap,
                       struct ms_err *err)
{
    struct check k = {.src = src, .o = o, .max_heap = max_heap, .err = err};
    ms_code code = check(&k);

    while (k.kept) {
        struct kept *e = k.kept;
        k.kept = e->next;
        ms_tensor_unref(e->tensor);
        ms_free(e);
    }
    ms_arena_done(&k.arena);
    return code;
}
