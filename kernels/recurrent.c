/* SPDX-License-Identifier: Apache-2.0 */
/* recurrent.c - see recurrent.h. Inputs: X, W, R, B, sequence_lens, initial_h, then the operator's.
 */
#include "kernels/recurrent.h"

#include <strings.h>

#include "base/mem.h"
#include "kernels/wide.h"

/* Names that the standard knows, and which of alpha and beta each one takes. */
static const struct {
    const char *name;
    bool alpha, beta;
} known[] = {
    {"Affine", true, true},           {"Elu", true, false},
    {"HardSigmoid", true, true},      {"LeakyRelu", true, false},
    {"Relu", false, false},           {"ScaledTanh", true, true},
    {"Sigmoid", false, false},        {"Softplus", false, false},
    {"Softsign", false, false},       {"Tanh", false, false},
    {"ThresholdedRelu", true, false},
};

static int find_known(const char *name)
{
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (strcasecmp(known[i].name, name) == 0)
            return (int)i;
    return -1;
}

static int directions(const struct ms_node *n)
{
    return strcmp(ms_attr_str(n, "direction"), "bidirectional") == 0 ? 2 : 1;
}

ms_code ms_recurrent_check(const struct ms_node *n, int acts, struct ms_err *err)
{
    const struct ms_attr *a = ms_attr_get(n, "activations");

    if (!a)
        return MS_OK;
    if (a->n != acts * directions(n))
        return ms_fail(err, MS_INVALID_ARGUMENT, "attribute activations has %d names, not %d", a->n,
                       acts * directions(n));
    for (int i = 0; i < a->n; i++)
        if (find_known((const char *)a->strings[i].data) < 0)
            return ms_fail(err, MS_INVALID_ARGUMENT, "attribute activations: '%s' is not known",
                           (const char *)a->strings[i].data);
    return MS_OK;
}

/* Input i, if present with known rank, must have these dims (negative = any). */
static ms_code check_shape(struct ms_infer *c, int i, int rank, int64_t d0, int64_t d1, int64_t d2)
{
    const int64_t want[] = {d0, d1, d2};

    if (i < 0 || !ms_infer_has(c, i) || c->in[i].shape.rank < 0)
        return MS_OK;
    const struct ms_shape *s = &c->in[i].shape;
    bool fits = s->rank == rank;
    for (int k = 0; fits && k < rank; k++)
        fits = want[k] < 0 || s->dim[k] < 0 || s->dim[k] == want[k];
    return fits ? MS_OK : ms_fail(c->err, MS_INVALID_ARGUMENT, "input %d has a wrong shape", i);
}

static ms_code check_types(struct ms_infer *c)
{
    for (int i = 1; i < c->node->n_in; i++)
        if (i != 4 && ms_infer_has(c, i) && c->in[i].dtype != c->in[0].dtype)
            return ms_fail(c->err, MS_INVALID_ARGUMENT, "input %d is %s, input 0 is %s", i,
                           ms_dtype_name(c->in[i].dtype), ms_dtype_name(c->in[0].dtype));
    for (int i = 0; i < c->node->n_out; i++)
        c->out[i].dtype = c->in[0].dtype;
    return MS_OK;
}

ms_code ms_recurrent_infer(struct ms_infer *c, int gates, int c_in, int p_in)
{
    const struct ms_shape *x = &c->in[0].shape, *rw = &c->in[2].shape;
    bool first = ms_attr_int(c->node, "layout") != 0;
    int64_t dirs = directions(c->node), hidden = ms_attr_int(c->node, "hidden_size");

    MS_TRY(check_types(c));
    if (x->rank < 0 || rw->rank < 0)
        return MS_OK;
    if (x->rank != 3 || rw->rank != 3)
        return ms_fail(c->err, MS_INVALID_ARGUMENT, "X and R must have rank 3");
    if (hidden > 0 && rw->dim[2] >= 0 && rw->dim[2] != hidden)
        return ms_fail(c->err, MS_INVALID_ARGUMENT, "hidden_size is %lld, the weights are for %lld",
                       (long long)hidden, (long long)rw->dim[2]);
    hidden = rw->dim[2];
    if (hidden > 1 << 24)
        return ms_fail(c->err, MS_INVALID_ARGUMENT, "a state of %lld elements", (long long)hidden);
    int64_t steps = x->dim[first], batch = x->dim[!first], rows = hidden < 0 ? -1 : gates * hidden;
    MS_TRY(check_shape(c, 1, 3, dirs, rows, x->dim[2]));
    MS_TRY(check_shape(c, 2, 3, dirs, rows, hidden));
    MS_TRY(check_shape(c, 3, 2, dirs, rows < 0 ? -1 : 2 * rows, 0));
    MS_TRY(check_shape(c, 4, 1, batch, 0, 0));
    for (int k = 0; k < 2; k++)
        MS_TRY(check_shape(c, k ? c_in : 5, 3, first ? batch : dirs, first ? dirs : batch, hidden));
    MS_TRY(check_shape(c, p_in, 2, dirs, hidden < 0 ? -1 : 3 * hidden, 0));
    struct ms_shape state =
        first ? ms_shape_make(batch, dirs, hidden) : ms_shape_make(dirs, batch, hidden);
    for (int i = 0; i < c->node->n_out; i++)
        c->out[i].shape = i > 0   ? state
                          : first ? ms_shape_make(batch, steps, dirs, hidden)
                                  : ms_shape_make(steps, dirs, batch, hidden);
    return MS_OK;
}

double ms_recurrent_cost(const struct ms_node *n, const struct ms_fact *in,
                         const struct ms_fact *out)
{
    double items = (double)in[0].shape.dim[0] * (double)in[0].shape.dim[1];

    (void)n, (void)out;
    return 2.0 * items *
           ((double)ms_shape_span(&in[1].shape, 0, 3) + (double)ms_shape_span(&in[2].shape, 0, 3));
}

/* Parameters are consumed in order by the functions that take them. */
static void read_acts(struct ms_recurrent *r, const struct ms_node *n, const char *const *defaults)
{
    const struct ms_attr *names = ms_attr_get(n, "activations");
    const struct ms_attr *alpha = ms_attr_get(n, "activation_alpha");
    const struct ms_attr *beta = ms_attr_get(n, "activation_beta");
    int na = 0, nb = 0;

    for (int i = 0; i < r->acts * r->dirs; i++) {
        int k = find_known(names ? (const char *)names->strings[i].data : defaults[i % r->acts]);
        const struct ms_act_fn *fn = ms_act_find(known[k].name);
        double a = fn->a, b = fn->b;
        if (known[k].alpha && alpha && na < alpha->n)
            a = alpha->floats[na++];
        if (known[k].beta && beta && nb < beta->n)
            b = beta->floats[nb++];
        r->act[i] = ms_act_make(known[k].name, a, b, ms_cpu()->isa);
    }
}

void ms_recurrent_of(struct ms_recurrent *r, const struct ms_task *t, int gates,
                     const char *const *defaults, int acts, const char *flag)
{
    const struct ms_node *n = t->node;
    const struct ms_shape *x = &t->in[0]->shape;

    memset(r, 0, sizeof *r);
    r->layout1 = ms_attr_int(n, "layout") != 0;
    r->steps = (size_t)x->dim[r->layout1];
    r->batch = (size_t)x->dim[!r->layout1];
    r->input = (size_t)x->dim[2];
    r->hidden = (size_t)t->in[2]->shape.dim[2];
    r->dirs = directions(n);
    r->gates = gates;
    r->acts = acts;
    r->reverse_first = strcmp(ms_attr_str(n, "direction"), "reverse") == 0;
    r->flag = flag && ms_attr_int(n, flag) != 0;
    r->clip = ms_attr_float(n, "clip");
    read_acts(r, n, defaults);
}

bool ms_recurrent_length(const struct ms_recurrent *r, const struct ms_task *t, size_t n,
                         size_t *len)
{
    *len = r->steps;
    if (t->n_in <= 4 || !t->in[4])
        return true;
    int64_t v = ms_tensor_i64(t->in[4], n);
    if (v < 0 || (size_t)v > r->steps) {
        ms_task_fail(t, MS_INVALID_ARGUMENT, "sequence %zu has length %lld of %zu", n, (long long)v,
                     r->steps);
        return false;
    }
    *len = (size_t)v;
    return true;
}

size_t ms_recurrent_x(const struct ms_recurrent *r, size_t s, size_t n)
{
    return (r->layout1 ? n * r->steps + s : s * r->batch + n) * r->input;
}

size_t ms_recurrent_y(const struct ms_recurrent *r, size_t s, int dir, size_t n)
{
    size_t dirs = (size_t)r->dirs, d = (size_t)dir;

    return (r->layout1 ? (n * r->steps + s) * dirs + d : (s * dirs + d) * r->batch + n) * r->hidden;
}

size_t ms_recurrent_h(const struct ms_recurrent *r, int dir, size_t n)
{
    size_t dirs = (size_t)r->dirs, d = (size_t)dir;

    return (r->layout1 ? n * dirs + d : d * r->batch + n) * r->hidden;
}

/* ---- reference ---- */

double ms_recurrent_act(const struct ms_recurrent_step *s, int k, double v)
{
    double clip = s->r->clip;

    if (clip > 0)
        v = v > clip ? clip : v < -clip ? -clip : v;
    return ms_act_ref(&s->r->act[s->dir * s->r->acts + k], v);
}

static void affine(double *y, const double *w, const double *x, const double *b, size_t rows,
                   size_t n)
{
    for (size_t i = 0; i < rows; i++, w += n) {
        double sum = 0;
        for (size_t k = 0; k < n; k++)
            sum += w[k] * x[k];
        y[i] = sum + (b ? b[i] : 0);
    }
}

static const double *data_of(const struct ms_task *t, int i)
{
    return i >= 0 && i < t->n_in && t->in[i] ? t->in[i]->data : NULL;
}

static double *out_of(const struct ms_task *t, int i)
{
    return i < t->n_out && t->out[i] ? t->out[i]->data : NULL;
}

/* One item in one direction. */
static void walk(const struct ms_task *t, const struct ms_recurrent *r, int dir, size_t n, int c_in,
                 int p_in, ms_recurrent_cell cell)
{
    size_t hidden = r->hidden, rows = (size_t)r->gates * hidden, len;
    double *gx = t->scratch, *gh = gx + rows, *h = gh + rows, *c = h + hidden;
    const double *x = data_of(t, 0), *w = data_of(t, 1), *rw = data_of(t, 2), *b = data_of(t, 3);
    const double *h0 = data_of(t, 5), *c0 = data_of(t, c_in), *p = data_of(t, p_in);
    double *y = out_of(t, 0), *yh = out_of(t, 1), *yc = out_of(t, 2);
    size_t d = (size_t)dir, at = ms_recurrent_h(r, dir, n);
    bool back = dir == 1 || r->reverse_first;
    struct ms_recurrent_step s = {r, dir, gx, gh, rw + d * rows * hidden, NULL, NULL, h, c};

    if (!ms_recurrent_length(r, t, n, &len))
        return;
    if (b)
        s.rb = b + (2 * d + 1) * rows;
    if (p)
        s.p = p + 3 * d * hidden;
    for (size_t i = 0; i < hidden; i++) {
        h[i] = h0 ? h0[at + i] : 0;
        c[i] = c0 ? c0[at + i] : 0;
    }
    for (size_t i = 0; i < r->steps && !ms_task_stopped(t); i++) {
        size_t step = i < len && back ? len - 1 - i : i;
        if (i < len) {
            affine(gx, w + d * rows * r->input, x + ms_recurrent_x(r, step, n),
                   b ? b + 2 * d * rows : NULL, rows, r->input);
            affine(gh, s.rw, h, s.rb, rows, hidden);
            cell(&s);
        }
        for (size_t k = 0; y && k < hidden; k++)
            y[ms_recurrent_y(r, step, dir, n) + k] = i < len ? h[k] : 0;
    }
    for (size_t i = 0; i < hidden; i++) {
        if (yh)
            yh[at + i] = h[i];
        if (yc)
            yc[at + i] = c[i];
    }
}

void ms_recurrent_ref(const struct ms_task *t, const struct ms_recurrent *r, int c_in, int p_in,
                      ms_recurrent_cell cell)
{
    for (int dir = 0; dir < r->dirs; dir++)
        for (size_t n = 0; n < r->batch && !ms_task_stopped(t); n++)
            walk(t, r, dir, n, c_in, p_in, cell);
}

size_t ms_recurrent_ref_scratch(const struct ms_task *t, int gates)
{
    size_t hidden = (size_t)t->in[2]->shape.dim[2], sum;

    if (!ms_add(ms_wide_scratch(t), ((size_t)gates * 2 + 2) * hidden * sizeof(double) + 64, &sum))
        return SIZE_MAX;
    return sum;
}
