/* SPDX-License-Identifier: Apache-2.0 */
/* harness.c - see harness.h. Its ms_ctl stands in for the runtime: sub-graphs are evaluated node by
 * node with reference kernels. */
#include "tests/kernels/harness.h"

#include <immintrin.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/mem.h"

static void *must(void *p)
{
    if (!p) {
        fprintf(stderr, "harness: out of memory\n");
        abort();
    }
    return p;
}

/* ---- cases ---- */

void kt_begin(struct kt_case *c, const char *op, int n_out, uint64_t seed)
{
    const struct ms_op *o = ms_op_find(op);

    memset(c, 0, sizeof *c);
    if (!o) {
        fprintf(stderr, "harness: no operator %s\n", op);
        abort();
    }
    ms_arena_init(&c->arena, (size_t)64 << 20);
    c->g = must(ms_graph_new(&c->arena, NULL, "case"));
    c->node = must(ms_graph_node(c->g, NULL, o, "node", NULL, 0, n_out));
    for (int i = 0; i < n_out; i++)
        if (ms_graph_add_output(c->g, c->node->out[i], NULL) != MS_OK)
            abort();
    c->rng = seed * 0x9e3779b97f4a7c15u + 1;
}

void kt_in(struct kt_case *c, struct ms_tensor *t, enum kt_kind kind)
{
    struct ms_value *v = NULL;
    struct ms_err err;

    if (c->n_in >= KT_MAX)
        abort();
    if (t && kind == KT_CONST)
        v = must(ms_graph_constant(c->g, NULL, t));
    else if (t)
        v = must(ms_graph_input(c->g, NULL, t->dtype, &t->shape));
    if (ms_node_add_in(c->node, v, &err) != MS_OK)
        abort();
    c->kind[c->n_in] = kind;
    c->in[c->n_in++] = t;
}

void kt_end(struct kt_case *c)
{
    for (int i = 0; i < c->n_in; i++)
        ms_tensor_unref(c->in[i]);
    ms_arena_done(&c->arena);
}

/* splitmix64 (Steele, Lea, Flood 2014) */
static uint64_t next(uint64_t *s)
{
    uint64_t z = (*s += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

int64_t kt_int(struct kt_case *c, int64_t lo, int64_t hi)
{
    return lo + (int64_t)(next(&c->rng) % (uint64_t)(hi - lo + 1));
}

double kt_real(struct kt_case *c, double lo, double hi)
{
    return lo + (hi - lo) * ((double)(next(&c->rng) >> 11) * 0x1p-53);
}

bool kt_flip(struct kt_case *c)
{
    return next(&c->rng) >> 63;
}

void kt_set(struct ms_tensor *t, size_t i, double v)
{
    void *p = t->data;

    switch (t->dtype) {
    case MS_F32:
        ((float *)p)[i] = (float)v;
        break;
    case MS_F64:
        ((double *)p)[i] = v;
        break;
    case MS_F16:
        ((uint16_t *)p)[i] = ms_f32_to_f16((float)v);
        break;
    case MS_BF16:
        ((uint16_t *)p)[i] = ms_f32_to_bf16((float)v);
        break;
    case MS_U64:
        ((uint64_t *)p)[i] = (uint64_t)v;
        break;
    case MS_BOOL:
        ((uint8_t *)p)[i] = v != 0;
        break;
    default: { /* little endian: the low bytes are the number */
        int64_t n = (int64_t)v;
        memcpy((uint8_t *)p + i * ms_dtype_size(t->dtype), &n, ms_dtype_size(t->dtype));
    }
    }
}

struct ms_tensor *kt_random(struct kt_case *c, enum ms_dtype t, const struct ms_shape *s, double lo,
                            double hi)
{
    struct ms_tensor *x = must(ms_tensor_new(t, s));
    bool real = ms_dtype_kind(t) == MS_KIND_FLOAT;
    size_t n = ms_tensor_count(x);

    if (t == MS_STRING) {
        static const char *const words[] = {"", "a", "b", "zebra"};
        for (size_t i = 0; i < n; i++) {
            const char *w = words[kt_int(c, 0, 3)];
            ((struct ms_bytes *)x->data)[i] = ms_bytes(w, strlen(w));
        }
        return x;
    }
    if (ms_dtype_kind(t) == MS_KIND_UINT && lo < 0)
        lo = 0;
    for (size_t i = 0; i < n; i++)
        kt_set(x, i,
               t == MS_BOOL ? (double)kt_flip(c)
               : real       ? kt_real(c, lo, hi)
                            : (double)kt_int(c, (int64_t)lo, (int64_t)hi));
    return x;
}

/* ---- where tensors lie ---- */

static void release_odd(struct ms_tensor *t)
{
    free(t->owner);
    free(t);
}

/* A tensor that begins so many elements, up to 64 bytes, behind an aligned address, where the bytes
 * before it are 0xa5. */
static struct ms_tensor *odd_tensor(enum ms_dtype dtype, const struct ms_shape *s, uint64_t at)
{
    const size_t size = ms_dtype_size(dtype) > 8 ? 8 : ms_dtype_size(dtype);
    const size_t before = (size_t)(at % (64 / size)) * size;
    struct ms_tensor *t = must(calloc(1, sizeof *t));
    void *memory = NULL;

    if (!ms_tensor_borrow(t, dtype, s, NULL) ||
        posix_memalign(&memory, 64, before + t->bytes + !t->bytes))
        abort();
    memset(memory, 0xa5, before);
    t->data = (uint8_t *)memory + before;
    t->owner = memory;
    t->release = release_odd;
    return t;
}

static bool odd_intact(const struct ms_tensor *t)
{
    const uint8_t *memory = t->owner;

    while (t->release == release_odd && memory < (const uint8_t *)t->data)
        if (*memory++ != 0xa5)
            return false;
    return true;
}

void kt_scatter(struct kt_case *c)
{
    for (int i = 0; i < c->n_in; i++) {
        struct ms_tensor *t = c->in[i];
        if (!t || kt_flip(c))
            continue;
        c->in[i] = odd_tensor(t->dtype, &t->shape, next(&c->rng));
        if (t->bytes)
            memcpy(c->in[i]->data, t->data, t->bytes);
        if (c->kind[i] == KT_CONST)
            ms_in(c->node, i)->constant = c->in[i];
        ms_tensor_unref(t);
    }
}

/* ---- more of cases ---- */

enum ms_dtype kt_dtype(struct kt_case *c, ms_dtypes set)
{
    int k = (int)kt_int(c, 0, __builtin_popcount(set) - 1);

    for (unsigned t = 1; t < MS_N_DTYPES; t++)
        if ((set >> t & 1) && k-- == 0)
            return (enum ms_dtype)t;
    abort();
}

struct ms_shape kt_shape(struct kt_case *c, int rank, int64_t lo, int64_t hi)
{
    struct ms_shape s = {.rank = rank};

    for (int i = 0; i < rank; i++)
        s.dim[i] = kt_int(c, lo, hi);
    return s;
}

struct ms_tensor *kt_ints(enum ms_dtype t, const int64_t *v, int n)
{
    struct ms_shape s = ms_shape_make(n);
    struct ms_tensor *x = must(ms_tensor_new(t, &s));

    for (int i = 0; i < n; i++)
        kt_set(x, (size_t)i, (double)v[i]);
    return x;
}

struct ms_tensor *kt_scalar(enum ms_dtype t, double v)
{
    struct ms_shape s = ms_shape_scalar();
    struct ms_tensor *x = must(ms_tensor_new(t, &s));

    kt_set(x, 0, v);
    return x;
}

ms_code kt_infer(struct kt_case *c, struct ms_err *err)
{
    const struct ms_op *op = c->node->op;

    MS_TRY(ms_graph_check(c->g, err));
    for (int i = 0; i < c->n_in; i++) {
        c->fin[i] = (struct ms_fact){0};
        if (c->in[i])
            c->fin[i] = (struct ms_fact){
                .dtype = c->in[i]->dtype, .shape = c->in[i]->shape, .value = c->in[i]};
    }
    if (op->check)
        MS_TRY(op->check(c->node, err));
    return ms_node_infer(c->node, c->fin, c->fout, c->g->syms, &c->arena, err);
}

/* ---- running ---- */

enum { HELD = 8 };

struct run {
    struct ms_ctl ctl; /* first: a ctl is a run */
    atomic_bool stop;
    struct ms_err *err;
    struct ms_bytes held[HELD]; /* what prepare asked for */
    int n_held;
};

static void on_fail(struct ms_ctl *ctl, const struct ms_node *n, ms_code code, const char *text)
{
    struct run *r = (struct run *)ctl;

    (void)n;
    if (!atomic_exchange(&r->stop, true))
        ms_fail(r->err, code, "%s", text);
}

static struct ms_tensor *on_output(const struct ms_task *t, int i, enum ms_dtype dtype,
                                   const struct ms_shape *shape)
{
    t->out[i] = ms_tensor_new(dtype, shape);
    return t->out[i];
}

static void on_give(const struct ms_task *t, int i, struct ms_tensor *tensor)
{
    t->out[i] = ms_tensor_ref(tensor);
}

static bool eval_graph(struct run *r, const struct ms_graph *g, struct ms_tensor *const *in,
                       struct ms_tensor **out);

static bool on_call(const struct ms_task *t, const struct ms_graph *g, struct ms_tensor *const *in,
                    struct ms_tensor **out)
{
    return eval_graph((struct run *)t->ctl, g, in, out);
}

/* In large pages where that matters, as the runtime has it: they begin at 4 MiB. */
static size_t held_size(size_t bytes)
{
    const size_t least = bytes > 128 << 10 ? 4 << 20 : 0;

    return bytes > least ? bytes : least;
}

static void *on_alloc(const struct ms_prep *p, size_t bytes)
{
    struct run *r = p->arg;
    void *m;

    if (r->n_held == HELD)
        return NULL;
    m = must(ms_aligned_alloc(held_size(bytes)));
    memset(m, 0xff, bytes);
    r->held[r->n_held++] = ms_bytes(m, bytes);
    return m;
}

static void run_done(struct run *r)
{
    for (int i = 0; i < r->n_held; i++)
        ms_aligned_free((void *)(uintptr_t)r->held[i].data, held_size(r->held[i].len));
}

static void run_init(struct run *r, struct ms_err *err)
{
    memset(r, 0, sizeof *r);
    r->ctl = (struct ms_ctl){&r->stop, on_fail, on_output, on_give, on_call};
    r->err = err;
}

/* ---- layouts ---- */

enum ms_layout kt_layout(const struct ms_kernel *k)
{
    return k->isa == MS_ISA_AVX512 ? MS_NCHW16C : MS_NCHW8C;
}

/* Element (n, c, p) of a tensor of c channels in memory and px pixels. */
static size_t place(const struct ms_tensor *t, size_t n, size_t c, size_t p, size_t px)
{
    size_t b = (size_t)t->layout, channels = ms_layout_channels(t->layout, t->shape.dim[1]);

    return b ? n * channels * px + (c / b * px + p) * b + c % b : (n * channels + c) * px + p;
}

struct ms_tensor *kt_convert(const struct ms_tensor *t, enum ms_layout l)
{
    struct ms_tensor *y = must(ms_tensor_new_as(t->dtype, l, &t->shape));
    size_t px = ms_shape_span(&t->shape, 2, t->shape.rank);

    memset(y->data, 0, y->bytes);
    for (size_t n = 0; n < (size_t)t->shape.dim[0]; n++)
        for (size_t c = 0; c < (size_t)t->shape.dim[1]; c++)
            for (size_t p = 0; p < px; p++)
                ((float *)y->data)[place(y, n, c, p, px)] =
                    ((const float *)t->data)[place(t, n, c, p, px)];
    return y;
}

/* Are the channels beyond the last all zero? */
static bool clean_padding(const struct ms_tensor *t)
{
    size_t px = ms_shape_span(&t->shape, 2, t->shape.rank);
    size_t channels = ms_layout_channels(t->layout, t->shape.dim[1]);

    for (size_t n = 0; n < (size_t)t->shape.dim[0]; n++)
        for (size_t c = (size_t)t->shape.dim[1]; c < channels; c++)
            for (size_t p = 0; p < px; p++)
                if (!(((const float *)t->data)[place(t, n, c, p, px)] == 0))
                    return false;
    return true;
}

/* New outputs with NaN in them, or none if the kernel makes them. at: of plain ones, 0: aligned. */
static void make_outputs(const struct ms_node *n, const struct ms_fact *f, enum ms_layout l,
                         uint64_t at, struct ms_tensor **out)
{
    for (int i = 0; i < n->n_out; i++) {
        out[i] = NULL;
        if (n->op->traits & MS_OUT_BY_KERNEL)
            continue;
        if (at && l == MS_PLAIN && f[i].dtype != MS_STRING)
            out[i] = odd_tensor(f[i].dtype, &f[i].shape, next(&at));
        else
            out[i] = must(ms_tensor_new_as(f[i].dtype, l, &f[i].shape));
        memset(out[i]->data, 0xff, out[i]->bytes);
    }
}

enum { MAX_SCRATCH = 1 << 30 };

struct call {
    struct run run;
    struct ms_task task;
    const struct ms_kernel *k;
    size_t units, scratch, memo;
};

static bool call_prepare(struct call *call, const struct ms_kernel *k, const struct ms_node *node,
                         const struct ms_fact *fin, const struct ms_fact *fout, struct ms_err *err)
{
    struct ms_prep prep = {
        .node = node, .in = fin, .out = fout, .alloc = on_alloc, .arg = &call->run, .threads = 2};

    call->k = k;
    call->task.node = node;
    call->task.n_in = node->n_in;
    call->task.n_out = node->n_out;
    call->task.ctl = &call->run.ctl;
    return !k->prepare || k->prepare(&prep, &call->task.state, err) == MS_OK;
}

static void call_size(struct call *call, struct ms_tensor *const *in, struct ms_tensor **out)
{
    call->task.in = in;
    call->task.out = out;
    call->task.first = 0;
    call->task.last = 1;
    call->units = ms_kernel_units(call->k, &call->task);
    call->scratch = call->k->scratch ? call->k->scratch(&call->task) : 0;
}

/* Scratch with a margin behind it that must stay as it is. */
static void call_open(struct call *call)
{
    call->memo = SIZE_MAX;
    call->task.memo = &call->memo;
    call->task.scratch = must(ms_aligned_alloc(call->scratch + 64));
    memset(call->task.scratch, 0xff, call->scratch + 64);
}

static void call_close(struct call *call)
{
    const uint8_t *margin = (const uint8_t *)call->task.scratch + call->scratch;

    for (size_t i = 0; i < 64; i++)
        if (margin[i] != 0xff)
            ms_task_fail(&call->task, MS_INTERNAL, "kernel %s wrote beyond its scratch",
                         call->k->name);
    ms_aligned_free(call->task.scratch, call->scratch + 64);
}

/* A piece finds scratch as the one before it left it only if the kernel took note of that. */
static void call_range(struct call *call, size_t first, size_t last)
{
    if (*call->task.memo == SIZE_MAX)
        memset(call->task.scratch, 0xff, call->scratch);
    call->task.first = first;
    call->task.last = last;
    call->k->run(&call->task);
}

static void call_pieces(struct call *call, uint64_t seed)
{
    enum { PIECES = 7 };
    size_t cut[PIECES + 1] = {0};
    bool done[PIECES] = {false};

    for (int i = 1; i < PIECES; i++)
        cut[i] = (size_t)(next(&seed) % (call->units + 1));
    cut[PIECES] = call->units;
    for (int i = 1; i < PIECES; i++)
        for (int j = i; j > 1 && cut[j] < cut[j - 1]; j--) {
            size_t x = cut[j];
            cut[j] = cut[j - 1];
            cut[j - 1] = x;
        }
    for (int left = PIECES; left > 0; left--) {
        int p = (int)(next(&seed) % (uint64_t)left);
        int i = 0;
        while (done[i] || p-- > 0)
            i++;
        done[i] = true;
        if (left == PIECES / 2) { /* another worker */
            call_close(call);
            call_open(call);
        }
        if (cut[i] < cut[i + 1])
            call_range(call, cut[i], cut[i + 1]);
    }
}

static void call_all(struct call *call, uint64_t split)
{
    if (!split && call->units == 0)
        return;
    call_open(call);
    if (split)
        call_pieces(call, split);
    else
        call_range(call, 0, call->units);
    call_close(call);
}

static bool run_node(struct run *outer, const struct ms_kernel *k, const struct ms_node *node,
                     const struct ms_fact *fin, const struct ms_fact *fout,
                     struct ms_tensor *const *in, enum ms_layout l, struct ms_tensor **out,
                     uint64_t split, struct ms_err *err)
{
    struct call call = {0};

    (void)outer;
    run_init(&call.run, err);
    make_outputs(node, fout, l, split, out);
    bool ok = call_prepare(&call, k, node, fin, fout, err);
    if (ok) {
        call_size(&call, in, out);
        if (call.scratch > MAX_SCRATCH)
            ms_fail(err, MS_RESOURCE_EXHAUSTED, "%s asks for %zu bytes of scratch", k->name,
                    call.scratch);
        if (call.scratch > MAX_SCRATCH)
            atomic_store(&call.run.stop, true);
        else
            call_all(&call, split);
        ok = !atomic_load(&call.run.stop);
    }
    for (int i = 0; i < node->n_out && ok; i++)
        if (!out[i])
            ok = ms_fail(err, MS_INTERNAL, "%s left output %d out", k->name, i) == MS_OK;
        else if (!odd_intact(out[i]))
            ok = ms_fail(err, MS_INTERNAL, "%s wrote before output %d", k->name, i) == MS_OK;
    if (!ok)
        kt_drop(out, node->n_out);
    run_done(&call.run);
    return ok;
}

/* The operands of the node's blocked form, as new references. */
static void blocked_inputs(const struct kt_case *c, const struct ms_kernel *k,
                           struct ms_tensor **in)
{
    unsigned form = ms_node_blocked(c->node);

    for (int i = 0; i < c->n_in; i++)
        if (c->in[i])
            in[i] = form & MS_BLOCKED_IN(i) ? kt_convert(c->in[i], kt_layout(k))
                                            : ms_tensor_ref(c->in[i]);
}

bool kt_run(struct kt_case *c, const struct ms_kernel *k, uint64_t split, struct ms_tensor **out,
            struct ms_err *err)
{
    struct ms_fact fin[KT_MAX];

    for (int i = 0; i < c->n_in; i++) { /* kernels are chosen at load: only constants have values */
        fin[i] = c->fin[i];
        if (c->kind[i] != KT_CONST)
            fin[i].value = NULL;
    }
    if (!k->blocked && !c->blocked)
        return run_node(NULL, k, c->node, fin, c->fout, c->in, MS_PLAIN, out, split, err);
    struct ms_tensor *in[KT_MAX] = {0};
    unsigned form = ms_node_blocked(c->node);
    blocked_inputs(c, k, in);
    bool ok = run_node(NULL, k, c->node, fin, c->fout, in,
                       form & MS_BLOCKED_OUT ? kt_layout(k) : MS_PLAIN, out, split, err);
    for (int i = 0; ok && (form & MS_BLOCKED_OUT) && i < c->node->n_out; i++) {
        struct ms_tensor *y = out[i];
        ok =
            clean_padding(y) ||
            ms_fail(err, MS_INTERNAL, "output %d: the padding's channels are not zero", i) == MS_OK;
        out[i] = kt_convert(y, MS_PLAIN);
        ms_tensor_unref(y);
    }
    if (!ok)
        kt_drop(out, c->node->n_out);
    kt_drop(in, c->n_in);
    return ok;
}

static void flush(const void *data, size_t bytes)
{
    for (size_t at = 0; at < bytes; at += 64)
        _mm_clflush((const char *)data + at);
}

/* Everything that stays the same from call to call leaves the caches. */
static void flush_weights(const struct kt_case *c, const struct call *call)
{
    for (int i = 0; i < call->run.n_held; i++)
        flush(call->run.held[i].data, call->run.held[i].len);
    for (int i = 0; i < c->n_in; i++)
        if (c->kind[i] == KT_CONST && c->in[i])
            flush(c->in[i]->data, c->in[i]->bytes);
    _mm_mfence();
}

int64_t kt_time(struct kt_case *c, const struct ms_kernel *k, int times, bool cold,
                struct ms_err *err)
{
    struct call call = {0};
    struct ms_fact fin[KT_MAX];
    struct ms_tensor *out[KT_MAX];
    int64_t best = -1;

    for (int i = 0; i < c->n_in; i++) {
        fin[i] = c->fin[i];
        if (c->kind[i] != KT_CONST)
            fin[i].value = NULL;
    }
    struct ms_tensor *in[KT_MAX] = {0};
    for (int i = 0; i < c->n_in; i++)
        in[i] = c->in[i] ? ms_tensor_ref(c->in[i]) : NULL;
    if (k->blocked || c->blocked) {
        kt_drop(in, c->n_in);
        blocked_inputs(c, k, in);
    }
    run_init(&call.run, err);
    make_outputs(c->node, c->fout,
                 (k->blocked || c->blocked) && (ms_node_blocked(c->node) & MS_BLOCKED_OUT)
                     ? kt_layout(k)
                     : MS_PLAIN,
                 0, out);
    if (call_prepare(&call, k, c->node, fin, c->fout, err)) {
        call_size(&call, in, out);
        call.task.scratch = must(ms_aligned_alloc(call.scratch + 64));
        call.task.last = call.units;
        for (int i = 0; i <= times; i++) {
            if (cold)
                flush_weights(c, &call);
            int64_t t0 = ms_cpu_time();
            k->run(&call.task);
            int64_t t = ms_cpu_time() - t0;
            if (i > 0 && (best < 0 || t < best))
                best = t;
        }
        ms_aligned_free(call.task.scratch, call.scratch + 64);
    }
    kt_drop(out, c->node->n_out);
    kt_drop(in, c->n_in);
    run_done(&call.run);
    return best;
}

const struct ms_kernel *kt_reference(const struct ms_op *op)
{
    const struct ms_kernel *k = op->kernels;

    while (k && k[0].name && k[1].name)
        k++;
    return k && k->name ? k : NULL;
}

int kt_kernels(struct kt_case *c, const struct ms_kernel **list, int max)
{
    struct ms_fact fin[KT_MAX];
    struct ms_prep prep = {.node = c->node, .in = fin, .out = c->fout, .threads = 2};
    enum ms_dtype t = c->fout[0].dtype;
    int n = 0;

    for (int i = c->n_in - 1; i >= 0; i--) {
        fin[i] = c->fin[i];
        if (c->kind[i] != KT_CONST)
            fin[i].value = NULL;
        if (c->in[i])
            t = c->in[i]->dtype;
    }
    for (const struct ms_kernel *k = c->node->op->kernels; k && k->name && n < max; k++)
        if ((k->dtypes & (1u << t)) && k->isa <= ms_cpu()->isa &&
            (!k->blocked || ms_node_blocked(c->node)) && (!k->applicable || k->applicable(&prep)))
            list[n++] = k;
    return n;
}

void kt_drop(struct ms_tensor **t, int n)
{
    for (int i = 0; i < n; i++) {
        ms_tensor_unref(t[i]);
        t[i] = NULL;
    }
}

/* ---- sub-graphs ---- */

static bool eval_node(struct run *r, const struct ms_node *n, struct ms_tensor **env,
                      struct ms_arena *a)
{
    struct ms_fact fin[KT_MAX] = {0}, fout[KT_MAX] = {0};
    struct ms_tensor *in[KT_MAX] = {0}, *out[KT_MAX] = {0};

    if (n->n_in > KT_MAX || n->n_out > KT_MAX)
        return false;
    for (int i = 0; i < n->n_in; i++) {
        struct ms_value *v = ms_in(n, i);
        if (!v)
            continue;
        in[i] = v->constant ? (struct ms_tensor *)(uintptr_t)v->constant : env[v->id];
        fin[i] = (struct ms_fact){.dtype = in[i]->dtype, .shape = in[i]->shape, .value = in[i]};
    }
    if (ms_node_infer(n, fin, fout, n->graph->syms, a, r->err) != MS_OK)
        return false;
    if (n->op->traits & MS_VIEW) {
        out[0] = must(ms_tensor_new(in[0]->dtype, &fout[0].shape));
        memcpy(out[0]->data, in[0]->data, out[0]->bytes);
    } else if (!run_node(r, kt_reference(n->op), n, fin, fout, in, MS_PLAIN, out, 0, r->err)) {
        return false;
    }
    for (int i = 0; i < n->n_out; i++)
        env[n->out[i]->id] = out[i];
    return true;
}

static bool eval_graph(struct run *r, const struct ms_graph *g, struct ms_tensor *const *in,
                       struct ms_tensor **out)
{
    struct ms_arena a;
    bool ok = true;

    ms_graph_number((struct ms_graph *)(uintptr_t)g);
    struct ms_tensor **env = must(ms_calloc((size_t)g->n_values + 1, sizeof *env));
    ms_arena_init(&a, (size_t)64 << 20);
    for (int i = 0; i < g->n_in; i++)
        env[g->in[i]->id] = ms_tensor_ref(in[i]);
    ms_graph_each (g, n)
        ok = ok && eval_node(r, n, env, &a);
    for (int i = 0; ok && i < g->n_out; i++) {
        struct ms_value *v = g->out[i];
        out[i] =
            ms_tensor_ref(v->constant ? (struct ms_tensor *)(uintptr_t)v->constant : env[v->id]);
    }
    kt_drop(env, g->n_values);
    ms_free(env);
    ms_arena_done(&a);
    if (!ok)
        atomic_store(&r->stop, true);
    return ok;
}

/* ---- batches ---- */

static struct ms_tensor *slice(const struct ms_tensor *t, int64_t i)
{
    struct ms_shape s = t->shape;
    size_t row = t->bytes / (size_t)s.dim[0];

    s.dim[0] = 1;
    struct ms_tensor *y = must(ms_tensor_new(t->dtype, &s));
    memcpy(y->data, (const uint8_t *)t->data + (size_t)i * row, row);
    return y;
}

void kt_item(const struct kt_case *c, int64_t i, struct kt_case *item)
{
    kt_begin(item, c->node->op->name, c->node->n_out, 1);
    for (int k = 0; k < c->n_in; k++)
        kt_in(item,
              !c->in[k]                  ? NULL
              : c->kind[k] == KT_BATCHED ? slice(c->in[k], i)
                                         : ms_tensor_ref(c->in[k]),
              c->kind[k]);
    if (!ms_attr_copy(item->node, c->node))
        abort();
}

/* ---- comparing ---- */

int64_t kt_diff(const struct ms_tensor *a, const struct ms_tensor *b, double rel, double abs_max,
                double floor_abs, double *worst)
{
    size_t n = ms_tensor_count(b);
    double top = 0;

    *worst = 0;
    if (a->dtype != b->dtype || !ms_shape_eq(&a->shape, &b->shape))
        return 0;
    if (ms_dtype_kind(b->dtype) != MS_KIND_FLOAT) {
        if (ms_tensor_eq(a, b))
            return -1;
        for (size_t i = 0; i < n && b->dtype != MS_STRING; i++)
            if (ms_tensor_i64(a, i) != ms_tensor_i64(b, i))
                return (int64_t)i;
        return 0;
    }
    for (size_t i = 0; i < n; i++) {
        double y = fabs(ms_tensor_f64(b, i));
        if (isfinite(y) && y > top)
            top = y;
    }
    for (size_t i = 0; i < n; i++) {
        double x = ms_tensor_f64(a, i), y = ms_tensor_f64(b, i);
        if (isnan(y) ? isnan(x) : x == y)
            continue;
        double d = fabs(x - y), allowed = rel * fabs(y) + abs_max * top + floor_abs;
        if (!(d <= allowed))
            return (int64_t)i;
        if (d / allowed > *worst)
            *worst = d / allowed;
    }
    return -1;
}
