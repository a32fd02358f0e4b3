/* SPDX-License-Identifier: Apache-2.0 */
/* eval.c - a run of a single node, without plan, pool or slab. */
#include "runtime/eval.h"

#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "runtime/kernel.h"
#include "runtime/watch.h"

enum { MAX_PORTS = 64 };

struct eval {
    struct ms_ctl ctl; /* first: kernels hand it back */
    struct ms_watched watched;
    struct ms_budget budget;
    ms_code code;
    struct ms_err *err;
};

static void eval_fail(struct ms_ctl *c, const struct ms_node *n, ms_code code, const char *text)
{
    struct eval *e = (struct eval *)c;

    if (e->code == MS_OK)
        e->code = ms_node_fail(n, e->err, code, "%s", text);
    atomic_store(&e->watched.stop, true);
}

static struct ms_tensor *eval_output(const struct ms_task *t, int i, enum ms_dtype dtype,
                                     const struct ms_shape *shape)
{
    struct eval *e = (struct eval *)t->ctl;
    size_t bytes;

    if (!ms_shape_bytes(shape, dtype, &bytes) || !ms_budget_take(&e->budget, bytes)) {
        ms_task_fail(t, MS_RESOURCE_EXHAUSTED, "output %d is too large to fold", i);
        return NULL;
    }
    ms_tensor_unref(t->out[i]);
    t->out[i] = ms_tensor_new(dtype, shape);
    if (!t->out[i])
        ms_task_fail(t, MS_RESOURCE_EXHAUSTED, "out of memory");
    return t->out[i];
}

static struct ms_tensor *copy_of(const struct ms_tensor *t)
{
    struct ms_tensor *c = ms_tensor_new(t->dtype, &t->shape);

    if (c && t->bytes)
        memcpy(c->data, t->data, t->bytes);
    return c;
}

static void eval_give(const struct ms_task *t, int i, struct ms_tensor *tensor)
{
    ms_tensor_unref(t->out[i]);
    t->out[i] = tensor->release ? ms_tensor_ref(tensor) : copy_of(tensor);
    if (!t->out[i])
        ms_task_fail(t, MS_RESOURCE_EXHAUSTED, "out of memory");
}

static bool eval_call(const struct ms_task *t, const struct ms_graph *g,
                      struct ms_tensor *const *in, struct ms_tensor **out)
{
    (void)g;
    (void)in;
    (void)out;
    ms_task_fail(t, MS_UNIMPLEMENTED, "sub-graphs are not folded");
    return false;
}

/* Output tensors of known shape. */
static ms_code make_outputs(struct eval *e, const struct ms_node *n, const struct ms_fact *fact,
                            struct ms_tensor **out)
{
    for (int i = 0; i < n->n_out; i++) {
        size_t bytes;
        if (!ms_shape_bytes(&fact[i].shape, fact[i].dtype, &bytes) ||
            !ms_budget_take(&e->budget, bytes))
            return ms_node_fail(n, e->err, MS_RESOURCE_EXHAUSTED, "too large to fold");
        out[i] = ms_tensor_new(fact[i].dtype, &fact[i].shape);
        if (!out[i])
            return ms_fail_oom(e->err, "folded value", bytes);
    }
    return MS_OK;
}

static ms_code run_kernel(struct eval *e, struct ms_task *t, const struct ms_choice *c)
{
    t->state = c->state;
    t->last = ms_kernel_units(c->kernel, t);
    size_t scratch = c->kernel->scratch ? c->kernel->scratch(t) : 0;
    if (!ms_budget_take(&e->budget, scratch))
        return ms_node_fail(t->node, e->err, MS_RESOURCE_EXHAUSTED, "scratch is too large to fold");
    t->scratch = scratch ? ms_aligned_alloc(scratch) : NULL;
    if (scratch && !t->scratch)
        return ms_fail_oom(e->err, "scratch", scratch);
    ms_watch_begin(&e->watched);
    if (t->last > 0)
        c->kernel->run(t);
    ms_watch_end(&e->watched);
    ms_aligned_free(t->scratch, scratch);
    if (e->code == MS_OK && atomic_load(&e->watched.stop)) {
        e->code = (ms_code)atomic_load(&e->watched.why);
        ms_node_fail(t->node, e->err, e->code, "stopped while folding");
    }
    return e->code;
}

static ms_code view(const struct ms_task *t, struct eval *e)
{
    if (t->in[0] && t->in[0]->bytes == t->out[0]->bytes) {
        if (t->out[0]->bytes)
            memcpy(t->out[0]->data, t->in[0]->data, t->out[0]->bytes);
        return MS_OK;
    }
    return ms_node_fail(t->node, e->err, MS_INTERNAL, "a view changes the number of bytes");
}

static ms_code evaluate(struct eval *e, struct ms_task *t, const struct ms_fact *in,
                        struct ms_fact *fact, struct ms_packed *packed)
{
    struct ms_choice c;
    bool by_kernel = t->node->op->traits & MS_OUT_BY_KERNEL;

    if (!by_kernel)
        MS_TRY(make_outputs(e, t->node, fact, t->out));
    if (t->node->op->traits & MS_VIEW)
        return view(t, e);
    MS_TRY(ms_kernel_choose(t->node, in, fact, &(struct ms_choose){.reference = true, .threads = 1},
                            packed, &c, e->err));
    MS_TRY(run_kernel(e, t, &c));
    for (int i = 0; i < t->n_out; i++)
        if (!t->out[i])
            return ms_node_fail(t->node, e->err, MS_INTERNAL, "output %d was not made", i);
    return MS_OK;
}

/* The facts of inputs and outputs, by the operator's own rule. */
static ms_code facts(const struct ms_node *n, const struct ms_tensor *const *in,
                     struct ms_fact *f_in, struct ms_fact *f_out, struct ms_arena *a,
                     struct ms_err *err)
{
    struct ms_syms syms = {.arena = a};

    for (int i = 0; i < n->n_in; i++)
        f_in[i] =
            in[i] ? (struct ms_fact){.dtype = in[i]->dtype, .shape = in[i]->shape, .value = in[i]}
                  : (struct ms_fact){.dtype = MS_DTYPE_NONE};
    return ms_node_infer(n, f_in, f_out, &syms, a, err);
}

/* Kernels count on addresses that suit the element; constants in a mapped file may lie anywhere.
 * Such ones are copied: release_inputs drops the copies. */
static ms_code align_inputs(const struct ms_node *n, const struct ms_tensor *const *in,
                            struct ms_tensor **use, struct ms_err *err)
{
    for (int i = 0; i < n->n_in; i++) {
        const struct ms_tensor *t = in[i];
        const size_t size = t ? ms_dtype_size(t->dtype) : 1;

        use[i] = (struct ms_tensor *)(uintptr_t)t;
        if (!t || t->bytes == 0 || (uintptr_t)t->data % (size > 8 ? 8 : size) == 0)
            continue;
        use[i] = ms_tensor_new(t->dtype, &t->shape);
        if (!use[i])
            return ms_fail_oom(err, "folding", t->bytes);
        memcpy(use[i]->data, t->data, t->bytes);
    }
    return MS_OK;
}

static void release_inputs(const struct ms_node *n, const struct ms_tensor *const *in,
                           struct ms_tensor **use)
{
    for (int i = 0; i < n->n_in; i++)
        if (use[i] != in[i])
            ms_tensor_unref(use[i]);
}

ms_code ms_eval(void *arg, const struct ms_node *n, const struct ms_tensor *const *in,
                struct ms_tensor **out, size_t max_bytes, struct ms_err *err)
{
    const struct ms_eval_opts *o = arg;
    struct ms_fact f_in[MAX_PORTS], f_out[MAX_PORTS];
    struct ms_tensor *use[MAX_PORTS] = {0};
    struct ms_arena a;
    struct ms_packed packed;
    struct ms_err own;
    struct eval e = {
        .ctl = {.fail = eval_fail, .output = eval_output, .give = eval_give, .call = eval_call},
        .budget.limit = max_bytes,
        .err = err ? err : &own,
    };
    struct ms_task t = {
        .node = n, .in = use, .out = out, .n_in = n->n_in, .n_out = n->n_out, .ctl = &e.ctl};

    for (int i = 0; i < n->n_out; i++)
        out[i] = NULL;
    if (n->n_in > MAX_PORTS || n->n_out > MAX_PORTS ||
        (n->op->traits & (MS_NO_FOLD | MS_SUBGRAPHS)))
        return ms_node_fail(n, err, MS_UNIMPLEMENTED, "is not folded");
    ms_watched_init(&e.watched, o->engine, o->deadline, NULL, o->cancel);
    e.ctl.stop = &e.watched.stop;
    ms_arena_init(&a, (size_t)16 << 20);
    ms_packed_init(&packed, NULL, max_bytes < SIZE_MAX / 4 ? max_bytes * 4 : SIZE_MAX);
    ms_code code = align_inputs(n, in, use, e.err);
    if (code == MS_OK)
        code = facts(n, (const struct ms_tensor *const *)use, f_in, f_out, &a, e.err);
    if (code == MS_OK)
        code = evaluate(&e, &t, f_in, f_out, &packed);
    release_inputs(n, in, use);
    ms_packed_done(&packed);
    ms_arena_done(&a);
    for (int i = 0; code != MS_OK && i < n->n_out; i++) {
        ms_tensor_unref(out[i]);
        out[i] = NULL;
    }
    return code;
}
