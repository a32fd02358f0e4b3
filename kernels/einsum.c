/* SPDX-License-Identifier: Apache-2.0 */
/* einsum.c - sums of products named by an equation: "bij,bjk->bik".
 *
 * Each letter is an index; those that the output lacks are summed. A letter twice in one operand
 * walks its diagonal; "..." stands for leading dims that broadcast; without "->" the output is the
 * letters that occur once, in alphabetical order, behind the "...". Every operand gets a stride for
 * each index, and one loop does them all, accumulating in f64 (integers in 64 bits, wrapping) with
 * the summed indices in the order of their first appearance. A unit is an output element. The
 * general case; einsum_gemm.c does products of two operands fast. */
#include "kernels/einsum.h"

#include <inttypes.h>
#include <string.h>

#include "kernels/copy.h"
#include "kernels/facts.h"
#include "kernels/half.h"

enum {
    MAX_OPERANDS = MS_EINSUM_OPERANDS,
    MAX_INDEX = MS_EINSUM_INDEX,
    DOTS = 256, /* labels from here on are dims of "..." counted from the last */
};

struct term {
    int label[MS_MAX_RANK], n;
    bool dots; /* has "..." */
    int at;    /* labels before it */
};

struct equation {
    struct term in[MAX_OPERANDS], out;
    int n_in;
    bool explicit_out;
};

static const char *parse_term(const char *s, struct term *t)
{
    *t = (struct term){0};
    for (; *s && *s != ',' && !(s[0] == '-' && s[1] == '>'); s++) {
        if (*s == ' ')
            continue;
        if (s[0] == '.' && s[1] == '.' && s[2] == '.' && !t->dots) {
            t->dots = true;
            t->at = t->n;
            s += 2;
        } else if (((*s >= 'a' && *s <= 'z') || (*s >= 'A' && *s <= 'Z')) && t->n < MS_MAX_RANK) {
            t->label[t->n++] = *s;
        } else {
            return NULL;
        }
    }
    return s;
}

static bool parse(const char *s, struct equation *e)
{
    memset(e, 0, sizeof *e);
    for (;;) {
        if (e->n_in == MAX_OPERANDS || !(s = parse_term(s, &e->in[e->n_in++])))
            return false;
        if (*s != ',')
            break;
        s++;
    }
    if (*s == '\0')
        return true;
    e->explicit_out = true;
    s = parse_term(s + 2, &e->out);
    return s && *s == '\0';
}

/* "..." of a term replaced by labels for as many dims as the operand has left. */
static bool expand(struct term *t, int rank)
{
    const int n = rank - t->n;

    if (n < 0 || (n > 0 && !t->dots) || rank > MS_MAX_RANK)
        return false;
    memmove(t->label + t->at + n, t->label + t->at, (size_t)(t->n - t->at) * sizeof *t->label);
    for (int i = 0; i < n; i++)
        t->label[t->at + i] = DOTS + n - 1 - i;
    t->n = rank;
    return true;
}

static int count_label(const struct equation *e, int label)
{
    int n = 0;

    for (int k = 0; k < e->n_in; k++)
        for (int i = 0; i < e->in[k].n; i++)
            n += e->in[k].label[i] == label;
    return n;
}

/* The output's labels: those given, with its "..." as wide as the widest operand's. */
static bool settle_output(struct equation *e)
{
    int dots = 0;

    for (int k = 0; k < e->n_in; k++)
        for (int i = 0; i < e->in[k].n; i++)
            if (e->in[k].label[i] >= DOTS && e->in[k].label[i] - DOTS + 1 > dots)
                dots = e->in[k].label[i] - DOTS + 1;
    if (!e->explicit_out) {
        e->out.dots = true;
        for (int c = 'A'; c <= 'z'; c++)
            if (count_label(e, c) == 1) {
                if (e->out.n == MS_MAX_RANK)
                    return false;
                e->out.label[e->out.n++] = c;
            }
    }
    for (int i = 0; i < e->out.n; i++) {
        if (count_label(e, e->out.label[i]) == 0)
            return false;
        for (int k = 0; k < i; k++)
            if (e->out.label[k] == e->out.label[i])
                return false;
    }
    return !e->out.dots || expand(&e->out, e->out.n + dots);
}

/* ---- indices ---- */

static int find(const struct ms_einsum *p, int label)
{
    for (int i = 0; i < p->n_out + p->n_sum; i++)
        if (p->label[i] == label)
            return i;
    return -1;
}

/* Labels of the output and of the sum; false if there are too many. Dims are left -1. */
static bool list_labels(const struct equation *e, struct ms_einsum *p)
{
    memset(p, 0, sizeof *p);
    for (int i = 0; i < e->out.n; i++)
        p->label[p->n_out++] = e->out.label[i];
    for (int k = 0; k < e->n_in; k++)
        for (int i = 0; i < e->in[k].n; i++) {
            if (find(p, e->in[k].label[i]) >= 0)
                continue;
            if (p->n_out + p->n_sum == MAX_INDEX)
                return false;
            p->label[p->n_out + p->n_sum++] = e->in[k].label[i];
        }
    for (int i = 0; i < MAX_INDEX; i++)
        p->dim[i] = -1;
    return true;
}

/* Sizes of all indices; a 1 broadcasts. Returns the operand whose dims contradict, or -1. */
static int find_dims(const struct equation *e, struct ms_einsum *p,
                     const struct ms_shape *const *shape)
{
    for (int k = 0; k < e->n_in; k++)
        for (int i = 0; i < e->in[k].n; i++) {
            int64_t *d = &p->dim[find(p, e->in[k].label[i])];
            const int64_t n = shape[k]->dim[i];

            if (*d == -1 || *d == 1)
                *d = n;
            else if (n != 1 && !ms_fact_agree(*d, n, d))
                return k;
        }
    return -1;
}

static void find_strides(const struct equation *e, struct ms_einsum *p,
                         const struct ms_shape *const *shape)
{
    ptrdiff_t step[MS_MAX_RANK];

    for (int k = 0; k < e->n_in; k++) {
        ms_row_strides(shape[k], step);
        for (int i = 0; i < e->in[k].n; i++)
            if (shape[k]->dim[i] != 1)
                p->stride[k][find(p, e->in[k].label[i])] += step[i];
    }
}

static bool prepare(const struct ms_node *n, const struct ms_shape *const *shape, int n_in,
                    struct equation *e, struct ms_einsum *p)
{
    if (!parse(ms_attr_str(n, "equation"), e) || e->n_in != n_in)
        return false;
    for (int k = 0; k < n_in; k++)
        if (!expand(&e->in[k], shape[k]->rank))
            return false;
    return settle_output(e) && list_labels(e, p);
}

/* ---- the loop ---- */

struct cursor {
    int64_t i[MAX_INDEX];
    ptrdiff_t off[MAX_OPERANDS];
};

/* The next combination of summed indices; false after the last. */
static bool next(const struct ms_einsum *p, struct cursor *c, int n_in)
{
    for (int d = p->n_out + p->n_sum - 1; d >= p->n_out; d--) {
        const int64_t back = ++c->i[d] < p->dim[d] ? 0 : p->dim[d];

        for (int k = 0; k < n_in; k++)
            c->off[k] += p->stride[k][d] * (ptrdiff_t)(1 - back);
        if (!back)
            return true;
        c->i[d] = 0;
    }
    return false;
}

static double sum_floats(const struct ms_task *t, const struct ms_einsum *p, struct cursor *c)
{
    double sum = 0.0;
    size_t n = 0;

    do {
        double v = 1.0;

        if (++n % 65536 == 0 && ms_task_stopped(t))
            break;
        for (int k = 0; k < t->n_in; k++)
            v *= ms_tensor_f64(t->in[k], (size_t)c->off[k]);
        sum += v;
    } while (next(p, c, t->n_in));
    return sum;
}

static uint64_t sum_ints(const struct ms_task *t, const struct ms_einsum *p, struct cursor *c)
{
    uint64_t sum = 0;
    size_t n = 0;

    do {
        uint64_t v = 1;

        if (++n % 65536 == 0 && ms_task_stopped(t))
            break;
        for (int k = 0; k < t->n_in; k++)
            v *= (uint64_t)ms_tensor_i64(t->in[k], (size_t)c->off[k]);
        sum += v;
    } while (next(p, c, t->n_in));
    return sum;
}

static void store(const struct ms_task *t, const struct ms_einsum *p, struct cursor *c, size_t u,
                  bool empty)
{
    struct ms_tensor *y = t->out[0];
    const size_t size = ms_dtype_size(y->dtype);

    if (ms_dtype_kind(y->dtype) != MS_KIND_FLOAT) {
        const uint64_t v = empty ? 0 : sum_ints(t, p, c);

        memcpy((uint8_t *)y->data + u * size, &v, size); /* the low bytes: little endian */
        return;
    }
    const double v = empty ? 0.0 : sum_floats(t, p, c);
    const float f = (float)v;

    if (y->dtype == MS_F64)
        ((double *)y->data)[u] = v;
    else if (y->dtype == MS_F32)
        ((float *)y->data)[u] = f;
    else
        ms_half_narrow(y->dtype, (uint16_t *)y->data + u, &f, 1);
}

bool ms_einsum_of(struct ms_einsum *p, const struct ms_task *t)
{
    const struct ms_shape *shape[MAX_OPERANDS];
    struct equation e;

    for (int k = 0; k < t->n_in; k++)
        shape[k] = &t->in[k]->shape;
    if (!prepare(t->node, shape, t->n_in, &e, p) || find_dims(&e, p, shape) >= 0)
        return false;
    find_strides(&e, p, shape);
    return true;
}

static void run(const struct ms_task *t)
{
    struct ms_einsum p;
    bool empty = false;

    if (!ms_einsum_of(&p, t)) {
        ms_task_fail(t, MS_INVALID_ARGUMENT, "the equation does not fit the operands");
        return;
    }
    for (int d = p.n_out; d < p.n_out + p.n_sum; d++)
        empty |= p.dim[d] == 0;
    for (size_t u = t->first; u < t->last && !ms_task_stopped(t); u++) {
        struct cursor c = {0};
        size_t rest = u;

        for (int d = p.n_out - 1; d >= 0; d--) {
            const ptrdiff_t i = (ptrdiff_t)(rest % (size_t)p.dim[d]);

            rest /= (size_t)p.dim[d];
            for (int k = 0; k < t->n_in; k++)
                c.off[k] += i * p.stride[k][d];
        }
        store(t, &p, &c, u, empty);
    }
}

static ms_code check(const struct ms_node *n, struct ms_err *err)
{
    struct equation e;

    if (n->n_in > MAX_OPERANDS || !parse(ms_attr_str(n, "equation"), &e) || e.n_in != n->n_in)
        return ms_fail(err, MS_INVALID_ARGUMENT, "equation '%s' for %d operands",
                       ms_attr_str(n, "equation"), n->n_in);
    return MS_OK;
}

static ms_code infer(struct ms_infer *c)
{
    const struct ms_shape *shape[MAX_OPERANDS];
    struct equation e;
    struct ms_einsum p;

    for (int k = 0; k < c->node->n_in; k++) {
        MS_TRY(ms_fact_same_dtype(c, k, 0));
        shape[k] = &c->in[k].shape;
        if (shape[k]->rank < 0)
            return ms_fact_unknown(c, 0, c->in[0].dtype);
    }
    if (!prepare(c->node, shape, c->node->n_in, &e, &p))
        return ms_fail(c->err, MS_INVALID_ARGUMENT, "equation '%s' does not fit the operands",
                       ms_attr_str(c->node, "equation"));
    const int wrong = find_dims(&e, &p, shape);
    if (wrong >= 0)
        return ms_fail(c->err, MS_INVALID_ARGUMENT,
                       "operand %d has other sizes than those before it", wrong);
    c->out[0].dtype = c->in[0].dtype;
    c->out[0].shape = ms_shape_of(p.n_out, p.dim);
    return MS_OK;
}

static double cost(const struct ms_node *n, const struct ms_fact *in, const struct ms_fact *out)
{
    double most = (double)ms_shape_span(&out->shape, 0, out->shape.rank), all = 1.0;

    for (int k = 0; k < n->n_in; k++)
        all *= (double)ms_shape_span(&in[k].shape, 0, in[k].shape.rank);
    return all > most ? 4.0 * all : 4.0 * most;
}

static const struct ms_attr_spec attrs[] = {
    {.name = "equation", .type = MS_ATTR_STRING, .required = true, .doc = "such as \"ij,jk->ik\""},
    {0},
};

#define GEMM(isa_, s_)                                                                             \
    {                                                                                              \
        .name = "einsum_gemm_" #s_, .dtypes = MS_BIT(F32), .isa = isa_,                            \
        .applicable = ms_einsum_gemm_applicable, .units = ms_einsum_gemm_units,                    \
        .scratch = ms_einsum_gemm_scratch, .run = ms_einsum_gemm_##s_                              \
    }

MS_OP(einsum) = {
    .name = "Einsum",
    .doc = "sums of products named by an equation",
    .min_in = 1,
    .max_in = MAX_OPERANDS,
    .min_out = 1,
    .max_out = 1,
    .in = {MS_NUMERIC},
    .attrs = attrs,
    .check = check,
    .infer = infer,
    .cost = cost,
    .kernels =
        (const struct ms_kernel[]){
            GEMM(MS_ISA_AVX512, avx512),
            GEMM(MS_ISA_AVX2, avx2),
            GEMM(MS_ISA_ANY, plain),
            {"einsum", MS_NUMERIC, MS_ISA_ANY, .units = ms_units_elements, .run = run},
            {0},
        },
};
