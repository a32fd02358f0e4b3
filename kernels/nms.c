/* SPDX-License-Identifier: Apache-2.0 */
/* nms.c - NonMaxSuppression: for each image and class, the best boxes that do not overlap.
 *
 * Boxes above score_threshold are taken in the order of their scores (equal ones: lower index
 * first); a box that overlaps one already taken by more than iou_threshold is dropped. Results are
 * rows (image, class, box). A NaN score never passes a threshold; without one it ranks last. */
#include <inttypes.h>
#include <math.h>

#include "base/mem.h"
#include "kernels/facts.h"

struct candidate {
    float score;
    int64_t box;
};

struct found {
    int64_t (*row)[3];
    size_t n, cap;
};

static bool add(const struct ms_task *t, struct found *f, int64_t image, int64_t class, int64_t box)
{
    if (f->n == f->cap) {
        const size_t cap = f->cap ? f->cap * 2 : 256;
        void *grown = ms_reallocarray(f->row, cap, sizeof *f->row);

        if (!grown) {
            ms_task_fail(t, MS_RESOURCE_EXHAUSTED, "out of memory after %zu boxes", f->n);
            return false;
        }
        f->row = grown;
        f->cap = cap;
    }
    f->row[f->n][0] = image;
    f->row[f->n][1] = class;
    f->row[f->n++][2] = box;
    return true;
}

static bool before(const struct candidate *a, const struct candidate *b)
{
    const float x = isnan(a->score) ? -INFINITY : a->score;
    const float y = isnan(b->score) ? -INFINITY : b->score;

    return x > y || (x == y && a->box < b->box);
}

/* Heap sort, best first: the root is the one that comes last. */
static void sink(struct candidate *h, size_t n, size_t i)
{
    const struct candidate e = h[i];

    for (size_t child; (child = 2 * i + 1) < n; i = child) {
        if (child + 1 < n && before(&h[child], &h[child + 1]))
            child++;
        if (!before(&e, &h[child]))
            break;
        h[i] = h[child];
    }
    h[i] = e;
}

static void sort(struct candidate *h, size_t n)
{
    for (size_t i = n / 2; i-- > 0;)
        sink(h, n, i);
    for (; n > 1; n--) {
        const struct candidate last = h[0];

        h[0] = h[n - 1];
        h[n - 1] = last;
        sink(h, n - 1, 0);
    }
}

/* Corners low and high of a box given by two opposite corners or by centre and size. */
static void corners(const float *b, bool center, float *low, float *high)
{
    for (int d = 0; d < 2; d++) {
        if (center) {
            low[d] = b[d] - b[2 + d] / 2.0f;
            high[d] = b[d] + b[2 + d] / 2.0f;
        } else {
            low[d] = fminf(b[d], b[2 + d]);
            high[d] = fmaxf(b[d], b[2 + d]);
        }
    }
}

static bool overlaps(const float *a, const float *b, bool center, float most)
{
    float al[2], ah[2], bl[2], bh[2], side[2];

    corners(a, center, al, ah);
    corners(b, center, bl, bh);
    for (int d = 0; d < 2; d++) {
        side[d] = fminf(ah[d], bh[d]) - fmaxf(al[d], bl[d]);
        if (!(side[d] > 0.0f))
            return false;
    }
    const float common = side[0] * side[1];
    const float both =
        (ah[0] - al[0]) * (ah[1] - al[1]) + (bh[0] - bl[0]) * (bh[1] - bl[1]) - common;

    return both > 0.0f && common / both > most;
}

/* Boxes of one image and class; candidates are sorted. Those taken move to the front. */
static bool take(const struct ms_task *t, const float *boxes, struct candidate *c, size_t n,
                 size_t most, int64_t image, int64_t class, struct found *f)
{
    const bool center = ms_attr_int(t->node, "center_point_box");
    const float iou = t->n_in > 3 && t->in[3] ? (float)ms_tensor_f64(t->in[3], 0) : 0.0f;
    size_t taken = 0;

    for (size_t i = 0; i < n && taken < most; i++) {
        bool keep = true;

        if (ms_task_stopped(t))
            return false;
        for (size_t k = 0; k < taken && keep; k++)
            keep = !overlaps(boxes + c[k].box * 4, boxes + c[i].box * 4, center, iou);
        if (!keep)
            continue;
        c[taken++] = c[i];
        if (!add(t, f, image, class, c[taken - 1].box))
            return false;
    }
    return true;
}

static size_t scratch(const struct ms_task *t)
{
    return (size_t)t->in[0]->shape.dim[1] * sizeof(struct candidate);
}

static void run(const struct ms_task *t)
{
    const int64_t images = t->in[1]->shape.dim[0], classes = t->in[1]->shape.dim[1];
    const int64_t n = t->in[1]->shape.dim[2];
    const int64_t limit = t->n_in > 2 && t->in[2] ? ms_tensor_i64(t->in[2], 0) : 0;
    const bool threshold = t->n_in > 4 && t->in[4];
    const float least = threshold ? (float)ms_tensor_f64(t->in[4], 0) : 0.0f;
    const float *score = t->in[1]->data;
    struct candidate *c = t->scratch;
    struct found f = {0};
    bool ok = true;

    for (int64_t i = 0; i < images && ok; i++)
        for (int64_t k = 0; k < classes && ok; k++, score += n) {
            size_t m = 0;

            if (ms_task_stopped(t)) { /* there may be many images and classes of no boxes */
                ok = false;
                break;
            }
            for (int64_t b = 0; b < n; b++)
                if (!threshold || score[b] > least)
                    c[m++] = (struct candidate){score[b], b};
            sort(c, m);
            ok = take(t, (const float *)t->in[0]->data + i * n * 4, c, m,
                      limit > 0 ? (size_t)limit : 0, i, k, &f);
        }
    const struct ms_shape shape = ms_shape_make((int64_t)f.n, 3);
    struct ms_tensor *y = ok ? t->ctl->output(t, 0, MS_I64, &shape) : NULL;

    for (size_t i = 0; y && i < f.n; i++)
        for (int d = 0; d < 3; d++)
            ((int64_t *)y->data)[i * 3 + (size_t)d] = f.row[i][d];
    ms_free(f.row);
}

static ms_code infer(struct ms_infer *c)
{
    const struct ms_shape *b = &c->in[0].shape, *s = &c->in[1].shape;
    int64_t any;

    MS_TRY(ms_fact_rank(c, 0, 3));
    MS_TRY(ms_fact_rank(c, 1, 3));
    if (b->rank == 3 && s->rank == 3 &&
        (!ms_fact_agree(b->dim[0], s->dim[0], &any) || !ms_fact_agree(b->dim[1], s->dim[2], &any)))
        return ms_fail(c->err, MS_INVALID_ARGUMENT, "boxes and scores are not of the same count");
    if (b->rank == 3 && !ms_is_sym(b->dim[2]) && b->dim[2] != 4)
        return ms_fail(c->err, MS_INVALID_ARGUMENT, "boxes of %" PRId64 " numbers", b->dim[2]);
    ms_fact_fresh(c, 0, MS_I64, 2);
    c->out[0].shape.dim[1] = 3;
    return MS_OK;
}

static const struct ms_attr_spec attrs[] = {
    {.name = "center_point_box",
     .type = MS_ATTR_INT,
     .min = 0,
     .max = 1,
     .doc = "1: boxes are centre and size, not two corners"},
    {0},
};

MS_OP(nms) = {
    .name = "NonMaxSuppression",
    .doc = "the best boxes that do not overlap",
    .min_in = 2,
    .max_in = 5,
    .min_out = 1,
    .max_out = 1,
    .in = {MS_BIT(F32), MS_BIT(F32), MS_BIT(I64), MS_BIT(F32), MS_BIT(F32)},
    .scalars = 1 << 2 | 1 << 3 | 1 << 4,
    .traits = MS_OUT_BY_KERNEL,
    .attrs = attrs,
    .infer = infer,
    .kernels = (const struct ms_kernel[]){{"nms", MS_BIT(F32), MS_ISA_ANY, .scratch = scratch,
                                           .run = run},
                                          {0}},
};
