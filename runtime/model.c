/* SPDX-License-Identifier: Apache-2.0 */
/* model.c - a loaded model: what it says of itself, how it is run at once, how it goes. */
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "runtime/model_impl.h"
#include "runtime/spare.h"

struct ms_model *ms_model_ref(struct ms_model *m)
{
    atomic_fetch_add_explicit(&m->refs, 1, memory_order_relaxed);
    return m;
}

static void unlist(struct ms_model *m)
{
    struct ms_engine *e = m->engine;

    pthread_mutex_lock(&e->models_lock);
    if (m->listed) {
        if (m->next)
            m->next->prev = m->prev;
        if (m->prev)
            m->prev->next = m->next;
        else
            e->models = m->next;
        e->n_models--;
    }
    pthread_mutex_unlock(&e->models_lock);
}

static void model_free(struct ms_model *m)
{
    struct ms_pool *pool = m->engine->pool;
    struct ms_spares *spares = m->engine->account->spares;

    unlist(m);
    ms_queue_done(&m->queue);
    ms_program_done(&m->program);
    for (struct ms_kept *k = m->kept, *next; k; k = next) {
        next = k->next;
        ms_tensor_unref(k->tensor);
        ms_free(k);
    }
    ms_arena_done(&m->arena);
    if (m->account) {
        ms_account_give(m->account, MS_ACCOUNT_GRAPHS, m->graph_bytes);
        ms_account_give(m->account, MS_ACCOUNT_WEIGHTS, m->weight_booked);
    }
    ms_account_unref(m->account);
    if (m->release)
        m->release(m->release_arg);
    ms_free(m->name);
    ms_free(m->version);
    ms_free(m);
    ms_pool_trim(pool);
    ms_spares_drop(spares, INT64_MAX);
    ms_mem_trim();
}

void ms_model_unref(struct ms_model *m)
{
    if (m && atomic_fetch_sub_explicit(&m->refs, 1, memory_order_acq_rel) == 1)
        model_free(m);
}

/* ---- what it is ---- */

const char *ms_model_name(const struct ms_model *m)
{
    return m->name;
}

const char *ms_model_version(const struct ms_model *m)
{
    return m->version;
}

const struct ms_format *ms_model_format(const struct ms_model *m)
{
    return m->format;
}

const struct ms_graph *ms_model_graph(const struct ms_model *m)
{
    return m->graph;
}

const struct ms_port *ms_model_inputs(const struct ms_model *m, int *n)
{
    *n = m->n_in;
    return m->in;
}

const struct ms_port *ms_model_outputs(const struct ms_model *m, int *n)
{
    *n = m->n_out;
    return m->out;
}

bool ms_model_batchable(const struct ms_model *m)
{
    return m->batchable;
}

const struct ms_batching *ms_model_batching(const struct ms_model *m)
{
    return &m->batching;
}

const struct ms_pass_report *ms_model_passes(const struct ms_model *m, int *n)
{
    *n = m->n_passes;
    return m->passes;
}

void ms_model_memory(const struct ms_model *m, struct ms_model_memory *out)
{
    *out = (struct ms_model_memory){
        .weights = m->weight_bytes,
        .packed = ms_account_held(m->account, MS_ACCOUNT_PACKED),
        .plans = ms_account_held(m->account, MS_ACCOUNT_PLANS),
        .graph = ms_account_held(m->account, MS_ACCOUNT_GRAPHS),
        .run_peak = atomic_load(&m->program.run_peak),
    };
}

struct ms_model_stats *ms_model_stats(struct ms_model *m)
{
    return &m->stats;
}

/* ---- inputs ---- */

static ms_code check_dims(const struct ms_model *m, int i, const struct ms_shape *s,
                          struct ms_err *err)
{
    const struct ms_port *p = &m->in[i];
    char want[128], got[128];

    bool ok = p->shape.rank < 0 || p->shape.rank == s->rank;
    for (int d = 0; ok && p->shape.rank >= 0 && d < s->rank; d++)
        ok = ms_is_sym(p->shape.dim[d]) ? s->dim[d] >= 0 : s->dim[d] == p->shape.dim[d];
    if (ok)
        return MS_OK;
    return ms_fail(err, MS_INVALID_ARGUMENT, "input '%s' has shape %s, the model expects %s",
                   p->name, ms_shape_text(got, sizeof got, s, NULL),
                   ms_shape_text(want, sizeof want, &p->shape, m->graph->syms));
}

/* Dims that carry the same name must have the same size. */
static ms_code check_symbols(const struct ms_model *m, struct ms_tensor *const *in,
                             struct ms_err *err)
{
    enum { MAX = 64 };
    struct {
        int64_t sym, size;
    } seen[MAX];
    int n = 0;

    for (int i = 0; i < m->n_in; i++)
        for (int d = 0; d < m->in[i].shape.rank; d++) {
            int64_t sym = m->in[i].shape.dim[d];
            int k = 0;
            if (!ms_is_sym(sym))
                continue;
            while (k < n && seen[k].sym != sym)
                k++;
            if (k < n && seen[k].size != in[i]->shape.dim[d])
                return ms_fail(err, MS_INVALID_ARGUMENT,
                               "input '%s': dim %d is %lld, but another input has %lld for the "
                               "same dimension",
                               m->in[i].name, d, (long long)in[i]->shape.dim[d],
                               (long long)seen[k].size);
            if (k == n && n < MAX) {
                seen[n].sym = sym;
                seen[n++].size = in[i]->shape.dim[d];
            }
        }
    return MS_OK;
}

ms_code ms_model_check_inputs(const struct ms_model *m, struct ms_tensor *const *in,
                              struct ms_err *err)
{
    for (int i = 0; i < m->n_in; i++) {
        size_t bytes;
        if (!in[i])
            return ms_fail(err, MS_INVALID_ARGUMENT, "input '%s' is missing", m->in[i].name);
        if (in[i]->dtype != m->in[i].dtype)
            return ms_fail(err, MS_INVALID_ARGUMENT, "input '%s' is %s, the model expects %s",
                           m->in[i].name, ms_dtype_oip(in[i]->dtype), ms_dtype_oip(m->in[i].dtype));
        if (!ms_shape_static(&in[i]->shape))
            return ms_fail(err, MS_INVALID_ARGUMENT, "input '%s' has no fixed shape",
                           m->in[i].name);
        MS_TRY(check_dims(m, i, &in[i]->shape, err));
        if (!ms_shape_bytes(&in[i]->shape, in[i]->dtype, &bytes) || bytes != in[i]->bytes ||
            in[i]->layout != MS_PLAIN)
            return ms_fail(err, MS_INVALID_ARGUMENT,
                           "input '%s' has %zu bytes, its shape needs %zu", m->in[i].name,
                           in[i]->bytes, bytes);
    }
    return check_symbols(m, in, err);
}

/* ---- running ---- */

ms_code ms_model_execute(struct ms_model *m, struct ms_tensor *const *in, struct ms_tensor **out,
                         const struct ms_run_opts *o, struct ms_err *err)
{
    struct ms_plan *plan;

    MS_TRY(ms_part_plan(&m->program.parts[0], in, &plan, err));
    ms_code code = ms_plan_run(plan, in, out, o, err);
    ms_plan_unref(plan);
    return code;
}

/* A copy at an address that suits the element, if in's does not; else a reference or the tensor
 * itself. */
static struct ms_tensor *aligned(struct ms_tensor *in)
{
    size_t size = ms_dtype_size(in->dtype);
    struct ms_tensor *t;

    if ((uintptr_t)in->data % (size > 8 ? 8 : size) == 0)
        return in;
    t = ms_tensor_new(in->dtype, &in->shape);
    if (t)
        memcpy(t->data, in->data, in->bytes);
    return t;
}

ms_code ms_model_run(struct ms_model *m, struct ms_tensor *const *in, struct ms_tensor **out,
                     int width, int64_t deadline, const atomic_bool *cancel,
                     struct ms_profile *profile, struct ms_err *err)
{
    struct ms_run_opts o = {.width = width > 0 ? width : m->engine->opts.threads,
                            .deadline = deadline,
                            .cancel = cancel,
                            .profile = profile};

    for (int i = 0; i < m->n_out; i++)
        out[i] = NULL;
    MS_TRY(ms_model_check_inputs(m, in, err));
    struct ms_tensor **own = ms_calloc((size_t)m->n_in, sizeof(struct ms_tensor *));
    if (!own)
        return ms_fail_oom(err, "run", (size_t)m->n_in * sizeof *own);
    ms_code code = MS_OK;
    for (int i = 0; i < m->n_in && code == MS_OK; i++)
        if (!(own[i] = aligned(in[i])))
            code = ms_fail_oom(err, "input", in[i]->bytes);
    if (code == MS_OK) {
        struct ms_pool *pool = m->engine->pool;
        const bool guest = ms_pool_enter(pool); /* else all workers have work: none to send away */
        code = ms_model_execute(m, own, out, &o, err);
        if (guest)
            ms_pool_leave(pool);
    }
    for (int i = 0; i < m->n_in; i++)
        if (own[i] != in[i])
            ms_tensor_unref(own[i]);
    ms_free(own);
    return code;
}

void ms_profile_done(struct ms_profile *p)
{
    ms_free(p->steps);
    *p = (struct ms_profile){0};
}
