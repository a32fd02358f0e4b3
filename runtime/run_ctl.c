/* SPDX-License-Identifier: Apache-2.0 */
/* run_ctl.c - what a run gives to its kernels: tensors on its budget, sub-graphs, a place to fail.
 */
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "runtime/engine_impl.h"
#include "runtime/program.h"
#include "runtime/run.h"
#include "runtime/spare.h"

/* ---- tensors ---- */

/* A tensor that gives its bytes back to the run's budget (while the run lasts) and the account. Its
 * own struct counts too, or a Loop could collect any number of scalars. */
struct counted {
    struct ms_tensor t;
    size_t charged;
    struct ms_budget *budget; /* NULL once it has left its run */
    struct ms_account *account;
};

static void release_counted(struct ms_tensor *t)
{
    struct counted *c = (struct counted *)t;

    if (c->budget)
        ms_budget_give(c->budget, c->charged);
    ms_account_give(c->account, MS_ACCOUNT_RUNS, c->charged);
    ms_spares_give(c->account->spares, t->data, t->bytes);
    ms_account_unref(c->account);
    ms_free(c);
}

static void release_view(struct ms_tensor *t)
{
    ms_tensor_unref(t->owner);
    ms_free(t);
}

static bool book(struct ms_run *r, size_t bytes)
{
    struct ms_program *prog = r->plan->part->program;

    if (!ms_budget_take(&r->root->budget, bytes))
        return false;
    if (ms_account_take(prog->slabs.account, MS_ACCOUNT_RUNS, bytes))
        return true;
    if (ms_engine_shrink(prog->engine) &&
        ms_account_take(prog->slabs.account, MS_ACCOUNT_RUNS, bytes))
        return true;
    ms_budget_give(&r->root->budget, bytes);
    return false;
}

struct ms_tensor *ms_run_tensor(struct ms_run *r, enum ms_dtype dtype, enum ms_layout layout,
                                const struct ms_shape *s)
{
    struct ms_program *prog = r->plan->part->program;
    struct ms_account *account = prog->slabs.account;
    size_t bytes, charged;

    if (!ms_tensor_size(dtype, layout, s, &bytes) ||
        !ms_add(bytes, sizeof(struct counted) + 64, &charged) || !book(r, charged))
        return NULL;
    struct counted *c = ms_calloc(1, sizeof *c);
    void *data = c ? ms_spares_alloc(account->spares, bytes) : NULL;
    if (!data) {
        ms_free(c);
        ms_budget_give(&r->root->budget, charged);
        ms_account_give(account, MS_ACCOUNT_RUNS, charged);
        return NULL;
    }
    if (account->spares && bytes >= MS_MAP_FROM && prog->engine)
        ms_watch_kick(ms_engine_watch(prog->engine), ms_now() + MS_SPARE_NS);
    c->charged = charged;
    if (dtype == MS_STRING) /* elements are pointers: never garbage */
        memset(data, 0, bytes);
    c->t = (struct ms_tensor){.dtype = dtype,
                              .layout = layout,
                              .shape = *s,
                              .bytes = bytes,
                              .data = data,
                              .release = release_counted};
    atomic_init(&c->t.refs, 1);
    c->budget = &r->root->budget;
    c->account = ms_account_ref(account);
    return &c->t;
}

struct ms_tensor *ms_run_view(struct ms_tensor *of, enum ms_dtype dtype, const struct ms_shape *s,
                              size_t offset, size_t bytes)
{
    struct ms_tensor *v = ms_calloc(1, sizeof *v);

    if (!v)
        return NULL;
    *v = (struct ms_tensor){.dtype = dtype,
                            .shape = *s,
                            .bytes = bytes,
                            .data = of->data ? (char *)of->data + offset : NULL,
                            .release = release_view,
                            .owner = ms_tensor_ref(of)};
    atomic_init(&v->refs, 1);
    return v;
}

void ms_run_detach(struct ms_tensor *t)
{
    while (t && t->release == release_view)
        t = t->owner;
    if (!t || t->release != release_counted)
        return;
    struct counted *c = (struct counted *)t;
    if (c->budget)
        ms_budget_give(c->budget, c->charged);
    c->budget = NULL;
}

struct ms_tensor *ms_run_copy(struct ms_run *r, const struct ms_tensor *t)
{
    struct ms_tensor *c = ms_run_tensor(r, t->dtype, t->layout, &t->shape);

    if (c && t->bytes)
        memcpy(c->data, t->data, t->bytes);
    return c;
}

/* ---- what kernels ask for ---- */

void ms_run_fail(struct ms_run *r, const struct ms_node *n, ms_code code, const char *text)
{
    struct ms_run *root = r->root;
    int none = 0;

    if (atomic_compare_exchange_strong(&root->failed, &none, 1)) {
        if (n)
            ms_node_fail(n, &root->err, code, "%s", text);
        else
            ms_fail(&root->err, code, "%s", text);
        atomic_store(&root->failed, 2);
    }
    atomic_store(&root->watched.stop, true);
}

static void ctl_fail(struct ms_ctl *c, const struct ms_node *n, ms_code code, const char *text)
{
    ms_run_fail((struct ms_run *)c, n, code, text);
}

static void fail_memory(const struct ms_task *t, int i, size_t bytes)
{
    ms_task_fail(t, MS_RESOURCE_EXHAUSTED,
                 "output %d of %zu bytes does not fit the run's memory budget", i, bytes);
}

static struct ms_tensor *ctl_output(const struct ms_task *t, int i, enum ms_dtype dtype,
                                    const struct ms_shape *shape)
{
    struct ms_run *r = (struct ms_run *)t->ctl;
    size_t bytes = SIZE_MAX;

    ms_tensor_unref(t->out[i]);
    t->out[i] = ms_run_tensor(r, dtype, MS_PLAIN, shape);
    if (!t->out[i]) {
        (void)ms_shape_bytes(shape, dtype, &bytes);
        fail_memory(t, i, bytes);
    }
    return t->out[i];
}

/* Tensors of the slab and of callers may change or go while the output still lives: those are
 * copied. */
static void ctl_give(const struct ms_task *t, int i, struct ms_tensor *tensor)
{
    struct ms_run *r = (struct ms_run *)t->ctl;
    struct ms_tensor *old = t->out[i];

    t->out[i] = tensor->release ? ms_tensor_ref(tensor) : ms_run_copy(r, tensor);
    ms_tensor_unref(old);
    if (!t->out[i])
        fail_memory(t, i, tensor->bytes);
}

static bool ctl_call(const struct ms_task *t, const struct ms_graph *g, struct ms_tensor *const *in,
                     struct ms_tensor **out)
{
    struct ms_run *r = (struct ms_run *)t->ctl;
    struct ms_part *part = ms_program_part(r->plan->part->program, g);
    struct ms_run_opts o = {.root = r->root, .width = r->width};
    struct ms_plan *plan;
    struct ms_err err;
    ms_code code = MS_INTERNAL;

    for (int i = 0; i < g->n_out; i++)
        out[i] = NULL;
    if (!part) {
        ms_task_fail(t, MS_INTERNAL, "its sub-graph is unknown");
        return false;
    }
    code = ms_part_plan(part, in, &plan, &err);
    if (code == MS_OK) {
        code = ms_plan_run(plan, in, out, &o, &err);
        ms_plan_unref(plan);
    }
    if (code != MS_OK)
        ms_run_fail(r, NULL, code, err.text);
    return code == MS_OK;
}

void ms_run_ctl(struct ms_ctl *c)
{
    *c =
        (struct ms_ctl){.fail = ctl_fail, .output = ctl_output, .give = ctl_give, .call = ctl_call};
}
