/* SPDX-License-Identifier: Apache-2.0 */
/* selftest.c - before a model goes live: a first plan, warm runs, and the proof of its batch axis.
 *
 * Batching joins requests along dim 0. That is right only where rows do not see each other, so it
 * is demanded that every input and output carries the same symbol there and nothing is left to the
 * run, and then tried: two random rows together must give, bit for bit, what each gives alone (the
 * first has done so in the warm-up).
 *
 * A refusal that the data may have caused (an index out of range: inputs are made up) proves
 * nothing against the model; running out of time or memory, and our own errors, do.
 *
 * All of it is done by the thread that loads, which gives way to whoever is served: on the workers
 * a large model would hold every processor for milliseconds at a time. So it is not the clock on
 * the wall that bounds it, but the time that this thread has had. */
#include <pthread.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "runtime/model_impl.h"

enum { ROWS = 2, TRIES = 6 };

struct tester {
    struct ms_model *m;
    const struct ms_model_opts *o;
    int64_t deadline;
    struct ms_work work;
    uint64_t seed;
    struct ms_err *err;
    struct ms_tensor **in, **out; /* of the warm-up that succeeded; else NULL */
};

/* splitmix64 (Steele, Lea, Flood 2014): the same inputs on every host and at every load. */
static uint64_t next(uint64_t *seed)
{
    uint64_t z = *seed += 0x9e3779b97f4a7c15u;

    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

static void store(struct ms_tensor *t, size_t i, uint64_t bits)
{
    float f = (float)((double)(bits >> 11) * 0x1p-53 * 2.0 - 1.0); /* [-1, 1) */
    double d = (double)f;
    uint16_t half = t->dtype == MS_F16 ? ms_f32_to_f16(f) : ms_f32_to_bf16(f);
    uint64_t small = bits >> 63; /* integers are indices or masks more often than not: 0 or 1 */
    char *at = (char *)t->data + i * ms_dtype_size(t->dtype);

    if (t->dtype == MS_F32)
        memcpy(at, &f, sizeof f);
    else if (t->dtype == MS_F64)
        memcpy(at, &d, sizeof d);
    else if (t->dtype == MS_F16 || t->dtype == MS_BF16)
        memcpy(at, &half, sizeof half);
    else if (t->dtype != MS_STRING)
        memcpy(at, &small, ms_dtype_size(t->dtype)); /* little endian */
}

/* A shape for a port: `rows` for the first dim, `other` for further symbols. */
static struct ms_shape concrete(const struct ms_shape *s, int64_t rows, int64_t other)
{
    struct ms_shape c = *s;

    if (c.rank < 0)
        return ms_shape_make(rows);
    for (int d = 0; d < c.rank; d++)
        if (ms_is_sym(c.dim[d]))
            c.dim[d] = d == 0 ? rows : other;
    return c;
}

static void drop(struct ms_tensor **t, int n)
{
    for (int i = 0; t && i < n; i++)
        ms_tensor_unref(t[i]);
    ms_free(t);
}

static struct ms_tensor **make_inputs(struct tester *t, int64_t rows, int64_t other)
{
    struct ms_model *m = t->m;
    struct ms_tensor **in = ms_calloc((size_t)m->n_in, sizeof(struct ms_tensor *));

    for (int i = 0; in && i < m->n_in; i++) {
        struct ms_shape s = concrete(&m->in[i].shape, rows, other);
        size_t bytes;
        if (ms_shape_bytes(&s, m->in[i].dtype, &bytes) && bytes <= m->program.run_budget)
            in[i] = ms_tensor_new(m->in[i].dtype, &s);
        if (!in[i]) {
            drop(in, m->n_in);
            return NULL;
        }
        size_t count = ms_tensor_count(in[i]);
        for (size_t k = 0; k < count; k++)
            store(in[i], k, next(&t->seed));
    }
    return in;
}

static ms_code run(struct tester *t, struct ms_tensor *const *in, struct ms_tensor ***out,
                   struct ms_err *err)
{
    struct ms_run_opts o = {
        .width = 1, .deadline = t->deadline, .work = &t->work, .cancel = t->o->cancel};

    *out = ms_calloc((size_t)t->m->n_out, sizeof(struct ms_tensor *));
    if (!*out)
        return ms_fail_oom(err, "self-test", 0);
    MS_TRY(ms_model_check_inputs(t->m, in, err));
    return ms_model_execute(t->m, in, *out, &o, err);
}

/* Does a failure speak against the model, or only against made-up inputs? */
static bool fatal(ms_code code)
{
    return code == MS_DEADLINE_EXCEEDED || code == MS_CANCELLED || code == MS_INTERNAL;
}

/* ---- the batch axis ---- */

static bool same_first_symbol(const struct ms_model *m)
{
    if (m->n_in == 0 || m->n_out == 0 || m->in[0].shape.rank < 1)
        return false;
    int64_t sym = m->in[0].shape.dim[0];
    bool same = ms_is_sym(sym);
    for (int i = 0; same && i < m->n_in; i++)
        same = m->in[i].shape.rank >= 1 && m->in[i].shape.dim[0] == sym;
    for (int i = 0; same && i < m->n_out; i++)
        same = m->out[i].shape.rank >= 1 && m->out[i].shape.dim[0] == sym;
    return same;
}

/* Row r of each tensor as tensors of their own (copies). */
static struct ms_tensor **row_of(struct ms_tensor *const *all, int n, int64_t r)
{
    struct ms_tensor **row = ms_calloc((size_t)n, sizeof(struct ms_tensor *));

    for (int i = 0; row && i < n; i++) {
        struct ms_shape s = all[i]->shape;
        size_t bytes = all[i]->bytes / (size_t)s.dim[0];
        s.dim[0] = 1;
        row[i] = ms_tensor_new(all[i]->dtype, &s);
        if (!row[i]) {
            drop(row, n);
            return NULL;
        }
        if (bytes)
            memcpy(row[i]->data, (char *)all[i]->data + (size_t)r * bytes, bytes);
    }
    return row;
}

static bool rows_equal(struct ms_tensor *const *all, struct ms_tensor *const *one, int n, int64_t r)
{
    for (int i = 0; i < n; i++) {
        struct ms_shape s = all[i]->shape;
        if (s.rank < 1 || s.dim[0] != ROWS || all[i]->dtype == MS_STRING)
            return false;
        size_t bytes = all[i]->bytes / ROWS;
        s.dim[0] = 1;
        if (!ms_shape_eq(&s, &one[i]->shape) ||
            (bytes && memcmp((char *)all[i]->data + (size_t)r * bytes, one[i]->data, bytes) != 0))
            return false;
    }
    return true;
}

/* Row 0 of each tensor of all is made that of one. */
static void put_first(struct ms_tensor *const *all, struct ms_tensor *const *one, int n)
{
    for (int i = 0; i < n; i++)
        if (one[i]->bytes)
            memcpy(all[i]->data, one[i]->data, one[i]->bytes);
}

/* Sets *proven. An error is one that speaks against the model; not to finish in time only leaves
 * the proof open, since one run has been seen to end. */
static ms_code prove_batch(struct tester *t, int64_t other, bool *proven)
{
    struct ms_model *m = t->m;
    struct ms_tensor **in = make_inputs(t, ROWS, other), **all = NULL;
    struct ms_err err;
    ms_code code = MS_RESOURCE_EXHAUSTED;

    if (in) {
        put_first(in, t->in, m->n_in);
        code = run(t, in, &all, &err);
    }
    *proven = code == MS_OK && rows_equal(all, t->out, m->n_out, 0);
    for (int64_t r = 1; *proven && r < ROWS; r++) {
        struct ms_tensor **row = row_of(in, m->n_in, r), **one = NULL;
        code = row ? run(t, row, &one, &err) : MS_RESOURCE_EXHAUSTED;
        *proven = code == MS_OK && rows_equal(all, one, m->n_out, r);
        drop(one, m->n_out);
        drop(row, m->n_in);
    }
    drop(all, m->n_out);
    drop(in, m->n_in);
    if (!fatal(code) || code == MS_DEADLINE_EXCEEDED)
        return MS_OK;
    if (t->err)
        *t->err = err;
    return code;
}

static bool has_text(const struct ms_model *m)
{
    for (int i = 0; i < m->n_in; i++)
        if (m->in[i].dtype == MS_STRING)
            return true;
    return false;
}

/* True if the plan for these inputs leaves nothing to the run. */
static bool plan_is_static(struct tester *t, struct ms_tensor *const *in)
{
    struct ms_plan *p;
    struct ms_err ignored;

    if (ms_part_plan(&t->m->program.parts[0], in, &p, &ignored) != MS_OK)
        return false;
    bool is = p->n_late == 0;
    ms_plan_unref(p);
    return is;
}

/* ---- all of it ---- */

/* One run on made-up inputs. Sizes for symbols beyond the first dim are guesses: the first that the
 * graph takes. *other: that size, 0 if none did. */
static ms_code warm_up(struct tester *t, int64_t *other, bool *is_static)
{
    static const int64_t guess[TRIES] = {1, 8, 16, 32, 64, 224};

    *other = 0;
    for (int k = 0; k < TRIES && !*other; k++) {
        struct ms_tensor **in = make_inputs(t, 1, guess[k]), **out = NULL;
        struct ms_err err;
        ms_code code = in ? run(t, in, &out, &err) : MS_RESOURCE_EXHAUSTED;
        if (code == MS_OK) {
            *other = guess[k];
            *is_static = plan_is_static(t, in);
            t->in = in;
            t->out = out;
            return MS_OK;
        }
        drop(out, t->m->n_out);
        drop(in, t->m->n_in);
        if (fatal(code)) {
            if (t->err)
                *t->err = err;
            return code;
        }
    }
    return MS_OK;
}

static ms_code test(struct tester *t)
{
    const struct ms_model_opts *o = t->o;
    int64_t other;
    bool is_static = false;

    if (o->progress)
        o->progress(o->progress_arg, "warm-up", 0, 1);
    MS_TRY(warm_up(t, &other, &is_static));
    if (o->progress)
        o->progress(o->progress_arg, "self-test", 0, 1);
    if (other && is_static && same_first_symbol(t->m) && !has_text(t->m))
        MS_TRY(prove_batch(t, other, &t->m->batchable));
    if (o->progress)
        o->progress(o->progress_arg, "self-test", 1, 1);
    return MS_OK;
}

ms_code ms_model_self_test(struct ms_model *m, const struct ms_model_opts *o, struct ms_err *err)
{
    struct tester t = {.m = m, .o = o, .seed = 1, .err = err};

    if (o->self_test_ns > 0) {
        t.deadline = ms_now() + o->self_test_ns;
        t.work.until = ms_cpu_time() + o->self_test_ns;
        t.work.latest = o->load_deadline;
        (void)pthread_getcpuclockid(pthread_self(), &t.work.clock); /* of a thread that lives */
        ms_code code = test(&t);
        drop(t.in, m->n_in);
        drop(t.out, m->n_out);
        if (code == MS_DEADLINE_EXCEEDED)
            return ms_fail(err, code, "the self-test did not finish in time");
        if (code != MS_OK) {
            ms_err_prefix(err, "self-test");
            return code;
        }
    }
    m->batching.enabled = m->batching.enabled && m->batchable;
    return MS_OK;
}
