/* SPDX-License-Identifier: Apache-2.0 */
/* recurrent_fast.c - see recurrent_fast.h.
 *
 * W meets all steps of all items in one product before time is walked; R meets the items' states at
 * each step. Both are packed at load. A unit is a direction; an item's numbers never meet
 * another's. GRU's third gate has a product of its own, since the reset gate stands before it. */
#include "kernels/recurrent_fast.h"

#include "base/mem.h"
#include "kernels/gemm/gemm.h"

/* Packed weights: for each direction W, the rows of R but GRU's last third, and that third. */
struct weights {
    size_t rows, first; /* gates x hidden; those of the first product of R */
    size_t hidden, input;
    size_t w, ra, rb; /* floats of each part */
    const float *packed;
};

static bool sizes_of(struct weights *z, const struct ms_shape *w, const struct ms_shape *r)
{
    size_t bw, ba, bb;

    z->rows = (size_t)r->dim[1];
    z->hidden = (size_t)r->dim[2];
    z->input = (size_t)w->dim[2];
    z->first = z->rows == 3 * z->hidden ? 2 * z->hidden : z->rows;
    if (!ms_gemm_packed_bytes(z->input, z->rows, &bw) ||
        !ms_gemm_packed_bytes(z->hidden, z->first, &ba) ||
        !ms_gemm_packed_bytes(z->hidden, z->rows - z->first, &bb))
        return false;
    z->w = bw / sizeof(float);
    z->ra = ba / sizeof(float);
    z->rb = bb / sizeof(float);
    return true;
}

bool ms_recurrent_fast_applicable(const struct ms_prep *p)
{
    return p->in[1].value && p->in[2].value && p->in[2].shape.dim[2] > 0 &&
           p->in[1].shape.dim[2] > 0;
}

ms_code ms_recurrent_fast_prepare(const struct ms_prep *p, const void **state, struct ms_err *err)
{
    const struct ms_tensor *w = p->in[1].value, *r = p->in[2].value;
    struct weights *z = p->alloc(p, sizeof *z);
    size_t dirs = (size_t)w->shape.dim[0], all;

    if (!z || !sizes_of(z, &w->shape, &r->shape) ||
        !ms_mul((z->w + z->ra + z->rb) * sizeof(float), dirs, &all))
        return ms_fail(err, MS_RESOURCE_EXHAUSTED, "the packed weights are too large");
    float *to = p->alloc(p, all);
    if (!to)
        return ms_fail_oom(err, "packed weights", all);
    z->packed = to;
    for (size_t d = 0; d < dirs; d++) {
        const float *rd = (const float *)r->data + d * z->rows * z->hidden;
        ms_gemm_pack(to, (const float *)w->data + d * z->rows * z->input, z->input, z->rows, 1,
                     z->input);
        ms_gemm_pack(to + z->w, rd, z->hidden, z->first, 1, z->hidden);
        ms_gemm_pack(to + z->w + z->ra, rd + z->first * z->hidden, z->hidden, z->rows - z->first, 1,
                     z->hidden);
        to += z->w + z->ra + z->rb;
    }
    *state = z;
    return MS_OK;
}

size_t ms_recurrent_fast_units(const struct ms_task *t)
{
    return (size_t)t->in[1]->shape.dim[0];
}

size_t ms_recurrent_fast_scratch(const struct ms_task *t)
{
    const struct ms_shape *x = &t->in[0]->shape, *r = &t->in[2]->shape;
    size_t rows = (size_t)r->dim[1], hidden = (size_t)r->dim[2], n;
    bool first = ms_attr_int(t->node, "layout") != 0;
    size_t items = (size_t)x->dim[0] * (size_t)x->dim[1], batch = (size_t)x->dim[!first];

    /* gx of all steps; gh, h, c, rh of the batch */
    if (!ms_mul(items + batch, rows, &n) || !ms_add(n, batch * 3 * hidden, &n) ||
        !ms_mul(n, sizeof(float), &n))
        return SIZE_MAX;
    return n;
}

void ms_recurrent_act_row(const struct ms_recurrent_item *it, int k, float *v, size_t n)
{
    float clip = (float)it->r->clip;

    for (size_t i = 0; clip > 0 && i < n; i++)
        v[i] = v[i] > clip ? clip : v[i] < -clip ? -clip : v[i];
    it->act[k].row(v, v, n, it->act[k].a, it->act[k].b);
}

/* c = a B + bias, m rows of k */
static void product(ms_gemm_panel_fn panel, float *c, size_t ldc, const float *a, const float *b,
                    const float *bias, size_t m, size_t n, size_t k)
{
    struct ms_gemm_tail tail = {.alpha = 1, .beta = 1, .col = bias, .none = !bias};
    struct ms_gemm g = {panel, m, n, k, k, 1, ldc, a, b, c, &tail, 0};

    tail.act = ms_act_make("", 0, 0, MS_ISA_ANY);
    ms_gemm_run(&g, 0, ms_gemm_units(m, n));
}

struct walk {
    const struct ms_task *t;
    const struct ms_recurrent *r;
    const struct weights *z;
    const float *packed, *rbias, *p;
    float *gx, *gh, *h, *c, *rh;
    ms_gemm_panel_fn panel;
    ms_recurrent_item_fn fn;
    int dir;
    bool back;
};

static void start(struct walk *w, int c_in)
{
    const struct ms_task *t = w->t;
    const float *h0 = t->n_in > 5 && t->in[5] ? t->in[5]->data : NULL;
    const float *c0 = c_in >= 0 && t->n_in > c_in && t->in[c_in] ? t->in[c_in]->data : NULL;
    size_t hidden = w->z->hidden;

    for (size_t n = 0; n < w->r->batch; n++) {
        size_t at = ms_recurrent_h(w->r, w->dir, n);
        for (size_t i = 0; i < hidden; i++) {
            w->h[n * hidden + i] = h0 ? h0[at + i] : 0;
            w->c[n * hidden + i] = c0 ? c0[at + i] : 0;
        }
    }
}

static void finish(struct walk *w)
{
    const struct ms_task *t = w->t;
    size_t hidden = w->z->hidden;

    for (size_t n = 0; n < w->r->batch; n++) {
        size_t at = ms_recurrent_h(w->r, w->dir, n);
        if (t->n_out > 1 && t->out[1])
            memcpy((float *)t->out[1]->data + at, w->h + n * hidden, hidden * sizeof(float));
        if (t->n_out > 2 && t->out[2])
            memcpy((float *)t->out[2]->data + at, w->c + n * hidden, hidden * sizeof(float));
    }
}

static void each_item(struct walk *w, size_t i, bool second)
{
    size_t hidden = w->z->hidden, rows = w->z->rows, len;
    const struct ms_act *act = w->r->act + w->dir * w->r->acts;
    float *y = w->t->out[0] ? w->t->out[0]->data : NULL;

    for (size_t n = 0; n < w->r->batch; n++) {
        if (!ms_recurrent_length(w->r, w->t, n, &len))
            return;
        size_t step = i < len && w->back ? len - 1 - i : i;
        struct ms_recurrent_item it = {w->r,
                                       act,
                                       w->gx + ms_recurrent_x(w->r, step, n) / w->z->input * rows,
                                       w->gh + n * rows,
                                       w->p,
                                       w->h + n * hidden,
                                       w->c + n * hidden,
                                       w->rh + n * hidden};
        if (i < len)
            w->fn(&it, second);
        if (!y || (w->z->first < rows && !second))
            continue;
        float *to = y + ms_recurrent_y(w->r, step, w->dir, n);
        if (i < len)
            memcpy(to, it.h, hidden * sizeof *to);
        else
            memset(to, 0, hidden * sizeof *to);
    }
}

static void step(struct walk *w, size_t i)
{
    const struct weights *z = w->z;

    product(w->panel, w->gh, z->rows, w->h, w->packed + z->w, w->rbias, w->r->batch, z->first,
            z->hidden);
    each_item(w, i, false);
    if (z->first == z->rows)
        return;
    product(w->panel, w->gh + z->first, z->rows, w->r->flag ? w->h : w->rh,
            w->packed + z->w + z->ra, w->rbias ? w->rbias + z->first : NULL, w->r->batch,
            z->rows - z->first, z->hidden);
    each_item(w, i, true);
}

void ms_recurrent_fast(const struct ms_task *t, struct ms_recurrent *r, int c_in, int p_in,
                       ms_recurrent_item_fn fn, enum ms_isa isa)
{
    const struct weights *z = t->state;
    const float *b = t->n_in > 3 && t->in[3] ? t->in[3]->data : NULL;
    const float *p = p_in >= 0 && t->n_in > p_in && t->in[p_in] ? t->in[p_in]->data : NULL;
    size_t items = r->steps * r->batch;

    for (int i = 0; i < r->acts * r->dirs; i++)
        r->act[i].row = r->act[i].fn->row[isa];
    for (size_t u = t->first; u < t->last && !ms_task_stopped(t); u++) {
        struct walk w = {.t = t, .r = r, .z = z, .fn = fn, .dir = (int)u};
        w.panel = ms_gemm_panel(isa);
        w.packed = z->packed + u * (z->w + z->ra + z->rb);
        w.rbias = b ? b + (2 * u + 1) * z->rows : NULL;
        w.p = p ? p + 3 * u * z->hidden : NULL;
        w.back = u == 1 || r->reverse_first;
        w.gx = t->scratch;
        w.gh = w.gx + items * z->rows;
        w.h = w.gh + r->batch * z->rows;
        w.c = w.h + r->batch * z->hidden;
        w.rh = w.c + r->batch * z->hidden;
        product(w.panel, w.gx, z->rows, t->in[0]->data, w.packed, b ? b + 2 * u * z->rows : NULL,
                items, z->rows, z->input);
        start(&w, c_in);
        for (size_t i = 0; i < r->steps && !ms_task_stopped(t); i++)
            step(&w, i);
        finish(&w);
    }
}
