/* SPDX-License-Identifier: Apache-2.0 */
/* step.c - one step of a run: its tensors, its shapes if only now known, its pieces. */
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "runtime/engine_impl.h"
#include "runtime/program.h"
#include "runtime/run.h"

/* ---- cut into pieces ---- */

struct pieces {
    struct ms_spread spread; /* first */
    const struct ms_step *step;
    const struct ms_task *task, *before; /* before: of the first of a pair, or NULL */
    size_t units;
};

static void run_kernel(const struct ms_step *s, const struct ms_task *before,
                       const struct ms_task *t)
{
    if (before)
        s->pairing->run(before, t);
    else
        s->kernel->run(t);
}

/* The first unit of chunk i. */
static size_t first_of(const struct pieces *p, int i)
{
    const size_t chunks = (size_t)p->spread.chunks, k = (size_t)i;

    return p->units / chunks * k + p->units % chunks * k / chunks;
}

static void piece(struct ms_spread *s, int from, int end, void *scratch, size_t *memo)
{
    struct pieces *p = (struct pieces *)s;
    struct ms_task t = *p->task;

    t.first = first_of(p, from);
    t.last = first_of(p, end);
    t.scratch = scratch;
    t.memo = memo;
    if (t.first < t.last && !ms_task_stopped(&t))
        run_kernel(p->step, p->before, &t);
}

static void launch(struct ms_run *r, const struct ms_step *s, const struct ms_task *before,
                   struct ms_task *t, size_t units, int chunks, size_t scratch, int width)
{
    struct ms_engine *e = r->plan->part->program->engine;

    t->first = 0;
    t->last = units;
    if (units == 0)
        return;
    if (chunks < 2 || width < 2 || !e) {
        run_kernel(s, before, t);
        return;
    }
    struct pieces p = {
        .spread = {.chunks = chunks,
                   .width = width,
                   .scratch = scratch,
                   .own_scratch = t->scratch,
                   .run = piece},
        .step = s,
        .task = t,
        .before = before,
        .units = units,
    };
    ms_pool_spread(ms_engine_pool(e), &p.spread);
}

/* ---- steps whose shapes appear now ---- */

static struct ms_fact *facts_of(const struct ms_step *s, struct ms_tensor *const *in,
                                struct ms_arena *a)
{
    struct ms_fact *f = ms_arena_array(a, (size_t)s->n_in, sizeof *f);

    for (int i = 0; f && i < s->n_in; i++)
        if (in[i])
            f[i] = (struct ms_fact){.dtype = in[i]->dtype, .shape = in[i]->shape, .value = in[i]};
    return f;
}

static ms_code infer(const struct ms_step *s, struct ms_tensor *const *in, struct ms_fact *fact,
                     struct ms_arena *a, struct ms_err *err)
{
    struct ms_fact *f_in = facts_of(s, in, a);
    struct ms_syms syms = {.arena = a};

    return f_in ? ms_node_infer(s->node, f_in, fact, &syms, a, err)
                : ms_fail_oom(err, "shape inference", 0);
}

/* The operator's rule over operands that appeared while running, where the kernel makes the outputs
 * itself: it may rely on what the rule demands. (Rules of operators with sub-graphs write into
 * those: only the operands are looked at there.) */
static ms_code check_late(const struct ms_step *s, struct ms_tensor *const *in, struct ms_err *err)
{
    struct ms_arena a;

    ms_arena_init(&a, (size_t)64 << 20);
    struct ms_fact *f_in = facts_of(s, in, &a);
    struct ms_fact *f_out = ms_arena_array(&a, (size_t)s->n_out, sizeof *f_out);
    struct ms_syms syms = {.arena = &a};
    ms_code code;

    if (!f_in || !f_out)
        code = ms_fail_oom(err, "shape inference", 0);
    else if (s->node->op->traits & MS_SUBGRAPHS)
        code = ms_node_check_operands(s->node, f_in, err);
    else
        code = ms_node_infer(s->node, f_in, f_out, &syms, &a, err);
    ms_arena_done(&a);
    return code;
}

/* Later steps were planned with what inference told: what appears must not contradict it. */
static bool agrees(const struct ms_tensor *promise, const struct ms_tensor *t)
{
    if (t->dtype != promise->dtype)
        return false;
    if (promise->shape.rank < 0)
        return true;
    if (t->shape.rank != promise->shape.rank)
        return false;
    for (int i = 0; i < t->shape.rank; i++)
        if (!ms_is_sym(promise->shape.dim[i]) && promise->shape.dim[i] != t->shape.dim[i])
            return false;
    return true;
}

static ms_code check_promise(struct ms_run *r, const struct ms_step *s, int i, int slot,
                             const struct ms_tensor *t, struct ms_err *err)
{
    const struct ms_tensor *promise = &r->plan->slot[slot].proto;
    char a[96], b[96];

    if (agrees(promise, t))
        return MS_OK;
    return ms_node_fail(
        s->node, err, MS_INVALID_ARGUMENT, "output %d is %s%s, but shape inference promised %s%s",
        i, ms_dtype_name(t->dtype), ms_shape_text(a, sizeof a, &t->shape, NULL),
        ms_dtype_name(promise->dtype), ms_shape_text(b, sizeof b, &promise->shape, NULL));
}

/* A view, when the input appeared while running; of borrowed memory, a copy. */
static struct ms_tensor *late_view(struct ms_run *r, struct ms_tensor *in,
                                   const struct ms_fact *fact)
{
    size_t bytes;

    if (!ms_shape_bytes(&fact->shape, fact->dtype, &bytes) || bytes != in->bytes)
        return NULL;
    if (in->release)
        return ms_run_view(in, fact->dtype, &fact->shape, 0, bytes);
    struct ms_tensor *t = ms_run_tensor(r, fact->dtype, MS_PLAIN, &fact->shape);
    if (t && bytes)
        memcpy(t->data, in->data, bytes);
    return t;
}

static ms_code make_outputs(struct ms_run *r, const struct ms_step *s, struct ms_tensor **args,
                            struct ms_err *err)
{
    const int *slot = r->plan->operand + s->args + s->n_in;
    struct ms_tensor **out = args + s->n_in;
    struct ms_arena a;

    ms_arena_init(&a, (size_t)64 << 20);
    struct ms_fact *fact = ms_arena_array(&a, (size_t)s->n_out, sizeof *fact);
    ms_code code = fact ? infer(s, args, fact, &a, err) : ms_fail_oom(err, "shapes", 0);
    for (int i = 0; code == MS_OK && i < s->n_out; i++) {
        if (slot[i] < 0)
            continue;
        if (!ms_shape_static(&fact[i].shape)) {
            code = ms_node_fail(s->node, err, MS_INVALID_ARGUMENT,
                                "the shape of output %d cannot be told from the operands", i);
            break;
        }
        out[i] = s->kernel ? ms_run_tensor(r, fact[i].dtype, r->plan->slot[slot[i]].proto.layout,
                                           &fact[i].shape)
                           : late_view(r, args[0], &fact[i]);
        r->table[slot[i]] = out[i];
        code = out[i] ? check_promise(r, s, i, slot[i], out[i], err)
                      : ms_node_fail(s->node, err, MS_RESOURCE_EXHAUSTED,
                                     "output %d does not fit the run's memory budget", i);
    }
    ms_arena_done(&a);
    return code;
}

static void fetch_args(struct ms_run *r, const struct ms_step *s)
{
    const int *slot = r->plan->operand + s->args;
    struct ms_tensor **args = r->args + s->args;

    for (int i = 0; i < s->n_in + s->n_out; i++)
        args[i] = slot[i] < 0 ? NULL : r->table[slot[i]];
}

/* What the kernel made becomes visible; what nobody reads goes. */
static void publish(struct ms_run *r, const struct ms_step *s)
{
    const int *slot = r->plan->operand + s->args + s->n_in;
    struct ms_tensor **out = r->args + s->args + s->n_in;

    struct ms_err err;

    for (int i = 0; i < s->n_out; i++) {
        if (slot[i] < 0) {
            ms_tensor_unref(out[i]);
        } else {
            r->table[slot[i]] = out[i];
            if (!out[i] && !ms_run_stopped(r))
                ms_run_fail(r, s->node, MS_INTERNAL, "an output was not made");
            else if (out[i] && check_promise(r, s, i, slot[i], out[i], &err) != MS_OK)
                ms_run_fail(r, NULL, err.code, err.text);
        }
        out[i] = NULL;
    }
}

static size_t late_scratch(struct ms_run *r, const struct ms_step *s, struct ms_task *t,
                           void **extra)
{
    size_t need = s->kernel->scratch ? s->kernel->scratch(t) : 0;
    size_t most = r->plan->part->program->max_workspace;

    if (need <= r->plan->scratch)
        return need;
    if ((most && need > most) || !ms_budget_take(&r->root->budget, need)) {
        ms_run_fail(r, s->node, MS_RESOURCE_EXHAUSTED, "scratch does not fit the memory budget");
        return 0;
    }
    *extra = ms_aligned_alloc(need);
    if (*extra)
        return need;
    ms_budget_give(&r->root->budget, need);
    ms_run_fail(r, s->node, MS_RESOURCE_EXHAUSTED, "out of memory for scratch");
    return 0;
}

static void run_late(struct ms_run *r, const struct ms_step *s, struct ms_task *t, int width)
{
    size_t bytes = 0;
    void *extra = NULL;
    struct ms_err err;

    fetch_args(r, s);
    ms_code code = s->infer       ? make_outputs(r, s, r->args + s->args, &err)
                   : s->by_kernel ? check_late(s, r->args + s->args, &err)
                                  : MS_OK;
    if (code != MS_OK) {
        ms_run_fail(r, NULL, code, err.text);
        return;
    }
    if (!s->kernel)
        return;
    size_t scratch = late_scratch(r, s, t, &extra);
    if (atomic_load_explicit(r->ctl.stop, memory_order_relaxed))
        return;
    if (extra)
        t->scratch = extra;
    size_t units = ms_kernel_units(s->kernel, t);
    for (int i = 0; i < s->n_in; i++)
        bytes += t->in[i] ? t->in[i]->bytes : 0;
    launch(r, s, NULL, t, units,
           s->by_kernel ? 1
                        : ms_step_chunks(s->kernel, units, (double)units, bytes,
                                         r->plan->part->program->threads),
           scratch, width);
    if (extra) {
        ms_aligned_free(extra, scratch);
        ms_budget_give(&r->root->budget, scratch);
    }
    if (s->by_kernel)
        publish(r, s);
}

static void drop(struct ms_run *r, const struct ms_step *s)
{
    for (int i = 0; i < s->n_drops; i++) {
        int slot = r->plan->list[s->drops + i];
        ms_tensor_unref(r->table[slot]);
        r->table[slot] = NULL;
    }
}

/* ---- timing ---- */

static void note(struct ms_run *r, const struct ms_step *s, int64_t ns)
{
    struct ms_profile *p = r->profile;
    int i = (int)(s - r->plan->step); /* runs of one plan find their row at once */

    if (i >= p->n || p->steps[i].node != s->node)
        for (i = 0; i < p->n && p->steps[i].node != s->node; i++)
            ;
    if (i == p->n) {
        if (p->n == p->cap) {
            int cap = p->cap ? p->cap * 2 : 64;
            struct ms_profile_step *more = ms_reallocarray(p->steps, (size_t)cap, sizeof *more);
            if (!more)
                return;
            p->steps = more;
            p->cap = cap;
        }
        p->steps[p->n++] = (struct ms_profile_step){
            .node = s->node,
            .kernel = s->kernel ? s->kernel->name : "",
            .flops = s->flops,
            .bytes = s->bytes,
        };
    }
    p->steps[i].ns += ns;
    p->steps[i].runs++;
}

static struct ms_task task_of(struct ms_run *r, const struct ms_step *s, void *scratch)
{
    return (struct ms_task){.node = s->node,
                            .state = s->state,
                            .in = r->args + s->args,
                            .out = r->args + s->args + s->n_in,
                            .n_in = s->n_in,
                            .n_out = s->n_out,
                            .scratch = scratch,
                            .ctl = &r->ctl};
}

void ms_run_step(struct ms_run *r, const struct ms_step *s, int width, void *scratch)
{
    struct ms_task t = task_of(r, s, scratch);
    int64_t start = r->profile ? ms_now() : 0;

    if (s->dynamic)
        run_late(r, s, &t, width);
    else
        launch(r, s, NULL, &t, s->units, s->chunks, s->scratch, width);
    if (s->n_drops)
        drop(r, s);
    if (r->profile)
        note(r, s, ms_now() - start);
}

void ms_run_pair(struct ms_run *r, const struct ms_step *s, int width, void *scratch)
{
    const struct ms_task first = task_of(r, s - 1, NULL);
    struct ms_task t = task_of(r, s, scratch);

    launch(r, s, &first, &t, s->pair_units, s->pair_chunks, s->pair_scratch, width);
    drop(r, s - 1);
    drop(r, s);
}
