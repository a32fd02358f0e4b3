/* SPDX-License-Identifier: Apache-2.0 */
/* local_infer.c - one request in this process.
 *
 * Runs on the calling thread with the pool's help, past the queue: a caller that wants concurrency
 * brings its own threads, and joining requests to batches is the daemon's business. */
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "client/local.h"
#include "ir/op.h"

/* Puts the given tensors into the model's order. slot: one for each input, zeroed. */
static ms_code bind(const struct ms_model *m, const struct mindserve_named *in, int n_in,
                    struct ms_tensor **slot, struct ms_err *err)
{
    int n;
    const struct ms_port *port = ms_model_inputs(m, &n);

    if (n_in > n)
        return ms_fail(err, MS_INVALID_ARGUMENT, "expected %d inputs, got %d", n, n_in);
    for (int i = 0; i < n_in; i++) {
        int k = i;
        if (in[i].name)
            for (k = 0; k < n && strcmp(port[k].name, in[i].name) != 0;)
                k++;
        if (k >= n)
            return ms_fail(err, MS_INVALID_ARGUMENT, "the model has no input '%.120s'", in[i].name);
        slot[k] = ms_tensor_of(in[i].tensor);
    }
    for (int k = 0; k < n; k++)
        if (!slot[k])
            return ms_fail(err, MS_INVALID_ARGUMENT, "input '%.120s' is missing", port[k].name);
    return MS_OK;
}

/* Which of the model's outputs are wanted: order[i] is the model's number of the i-th result. */
static ms_code choose(const struct ms_model *m, const struct mindserve_infer_options *o, int *order,
                      int *n_order, struct ms_err *err)
{
    int n;
    const struct ms_port *port = ms_model_outputs(m, &n);

    if (!o->outputs) {
        for (int i = 0; i < n; i++)
            order[i] = i;
        *n_order = n;
        return MS_OK;
    }
    if (o->n_outputs > n)
        return ms_fail(err, MS_INVALID_ARGUMENT, "the model has only %d outputs", n);
    for (int i = 0; i < o->n_outputs; i++) {
        int k = 0;
        while (k < n && strcmp(port[k].name, o->outputs[i]) != 0)
            k++;
        if (k == n)
            return ms_fail(err, MS_INVALID_ARGUMENT, "the model has no output '%.120s'",
                           o->outputs[i]);
        order[i] = k;
    }
    *n_order = o->n_outputs;
    return MS_OK;
}

/* What a result may hold on to: own strings, everything else as the runtime made it. */
static struct mindserve_tensor *own(struct ms_tensor *t)
{
    if (t->dtype == MS_STRING)
        return ms_handle_of(ms_strings_copy(t));
    return ms_handle_of(ms_tensor_ref(t));
}

static ms_code collect(const struct ms_model *m, struct ms_tensor *const *out, const int *order,
                       int n, struct ms_arena *a, struct mindserve_outputs *r, struct ms_err *err)
{
    int n_ports;
    const struct ms_port *port = ms_model_outputs(m, &n_ports);
    struct mindserve_named *named = ms_arena_array(a, (size_t)n + 1, sizeof *named);

    r->version = ms_arena_strdup(a, ms_model_version(m));
    r->output = named;
    if (!named || !r->version)
        return ms_fail_oom(err, "outputs", 0);
    for (int i = 0; i < n; i++) {
        named[i].name = ms_arena_strdup(a, port[order[i]].name);
        named[i].tensor = own(out[order[i]]);
        if (!named[i].tensor || !named[i].name) {
            mindserve_tensor_free(named[i].tensor);
            return ms_fail_oom(err, "outputs", 0);
        }
        r->n++;
    }
    return MS_OK;
}

/* Pointers a call needs, from the result's arena. */
struct call {
    struct ms_tensor **in, **out;
    int *order;
    int n_in, n_out, n_order;
};

static ms_code prepare(const struct ms_model *m, const struct mindserve_named *in, int n_in,
                       struct ms_arena *a, struct call *c, struct ms_err *err)
{
    ms_model_inputs(m, &c->n_in);
    ms_model_outputs(m, &c->n_out);
    c->in = ms_arena_array(a, (size_t)c->n_in + 1, sizeof *c->in);
    c->out = ms_arena_array(a, (size_t)c->n_out + 1, sizeof *c->out);
    c->order = ms_arena_array(a, (size_t)c->n_out + 1, sizeof *c->order);
    if (!c->in || !c->out || !c->order)
        return ms_fail_oom(err, "request", 0);
    return bind(m, in, n_in, c->in, err);
}

static ms_code run(struct ms_model *m, const struct mindserve_infer_options *o, struct call *c,
                   struct ms_arena *a, struct mindserve_outputs *r, struct ms_err *err)
{
    int64_t deadline = o->timeout_ms > 0 ? ms_now() + o->timeout_ms * MS_MS : MS_NEVER;
    ms_code code;

    MS_TRY(choose(m, o, c->order, &c->n_order, err));
    MS_TRY(ms_model_run(m, c->in, c->out, 0, deadline, NULL, NULL, err));
    code = collect(m, c->out, c->order, c->n_order, a, r, err);
    for (int i = 0; i < c->n_out; i++)
        ms_tensor_unref(c->out[i]);
    return code;
}

ms_code ms_local_infer(struct mindserve *ms, const char *name, uint64_t version,
                       const struct mindserve_named *in, int n_in,
                       const struct mindserve_infer_options *o, struct mindserve_outputs **out,
                       struct ms_err *err)
{
    struct ms_local_version *v;
    struct ms_arena *a = NULL;
    struct mindserve_outputs *r;
    struct call c;
    ms_code code;

    MS_TRY(ms_local_get(ms_local(ms), name, version, &v, err));
    r = ms_result_new(sizeof *r, &a);
    if (!r) {
        ms_local_put(v);
        return ms_fail_oom(err, "result", sizeof *r);
    }
    r->owner = a;
    code = prepare(v->model, in, n_in, a, &c, err);
    if (code == MS_OK)
        code = run(v->model, o, &c, a, r, err);
    atomic_fetch_add(code == MS_OK ? &v->requests : &v->failures, 1);
    ms_local_put(v);
    if (code != MS_OK) {
        mindserve_outputs_free(r);
        return code;
    }
    *out = r;
    return MS_OK;
}

/* ---- profile ---- */

static ms_code steps_of(const struct ms_profile *p, struct ms_arena *a, struct mindserve_profile *r,
                        struct ms_err *err)
{
    struct mindserve_step *step = ms_arena_array(a, (size_t)p->n + 1, sizeof *step);

    if (!step)
        return ms_fail_oom(err, "profile", 0);
    for (int i = 0; i < p->n; i++) {
        const struct ms_profile_step *s = &p->steps[i];
        step[i] = (struct mindserve_step){
            .op = s->node->op->name,
            .node = ms_arena_strdup(a, s->node->name ? s->node->name : ""),
            .kernel = s->kernel ? s->kernel : "",
            .ns = (uint64_t)s->ns,
            .runs = (uint64_t)s->runs,
            .flops = s->flops,
            .bytes = s->bytes,
        };
        if (!step[i].node)
            return ms_fail_oom(err, "profile", 0);
    }
    r->step = step;
    r->n = p->n;
    return MS_OK;
}

static ms_code run_timed(struct ms_model *m, struct call *c, int runs, struct ms_arena *a,
                         struct mindserve_profile *r, struct ms_err *err)
{
    struct ms_profile p = {0};
    ms_code code = MS_OK;
    int64_t start = ms_now();

    for (int k = 0; k < runs && code == MS_OK; k++) {
        code = ms_model_run(m, c->in, c->out, 0, MS_NEVER, NULL, &p, err);
        for (int i = 0; code == MS_OK && i < c->n_out; i++)
            ms_tensor_unref(c->out[i]);
    }
    r->total_ns = (uint64_t)(ms_now() - start);
    r->runs = runs;
    if (code == MS_OK)
        code = steps_of(&p, a, r, err);
    ms_profile_done(&p);
    return code;
}

ms_code ms_local_profile(struct mindserve *ms, const char *name, uint64_t version,
                         const struct mindserve_named *in, int n_in, int runs,
                         struct mindserve_profile **out, struct ms_err *err)
{
    struct ms_local_version *v;
    struct ms_arena *a = NULL;
    struct mindserve_profile *r;
    struct call c;
    ms_code code;

    MS_TRY(ms_local_get(ms_local(ms), name, version, &v, err));
    r = ms_result_new(sizeof *r, &a);
    if (!r) {
        ms_local_put(v);
        return ms_fail_oom(err, "result", sizeof *r);
    }
    r->owner = a;
    code = prepare(v->model, in, n_in, a, &c, err);
    if (code == MS_OK)
        code = run_timed(v->model, &c, runs > 0 ? runs : 1, a, r, err);
    ms_local_put(v);
    if (code != MS_OK) {
        mindserve_profile_free(r);
        return code;
    }
    *out = r;
    return MS_OK;
}
