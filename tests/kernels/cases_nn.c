/* SPDX-License-Identifier: Apache-2.0 */
/* cases_nn.c - random cases of network layers: convolution, products, pooling, normalisation,
 * recurrence, activations, quantisation. */
#include <string.h>

#include "tests/kernels/harness.h"

static const char *const fused[] = {"",          "",          "Relu",        "Clip",
                                    "LeakyRelu", "HardSwish", "HardSigmoid", "Sigmoid",
                                    "Tanh",      "Swish",     "Gelu"};

static void set_act(struct kt_case *c)
{
    const char *name = fused[kt_int(c, 0, 10)];

    ms_attr_set_str(c->node, "activation", name);
    if (strcmp(name, "Clip") == 0) {
        ms_attr_set_float(c->node, "act_a", 0);
        ms_attr_set_float(c->node, "act_b", 1.5);
    }
}

/* f32 mostly, at times another of the set */
static enum ms_dtype mostly_f32(struct kt_case *c, ms_dtypes set)
{
    return kt_int(c, 0, 5) ? MS_F32 : kt_dtype(c, set);
}

/* Sums of k products of numbers below 1, rounded to f32 at each step. A rounding is off by a part
 * of u = 2^-24 of the sum so far, and that walks at random with steps of variance 1/9. The walk's
 * mean square makes the root mean square of an error 0.1 k u. Of the walks that end near 0, whose
 * results allow for no more than this, the integral of the square of a Brownian bridge is over x
 * with a chance of about e^(-pi^2 x / 2); so an error over t k u has one of about e^(-22 t): for t
 * = 1.2 less than one in 10^11, where 200,000 cases have fewer than 10^9 elements. */
static void expect_sums(struct kt_case *c, int64_t k)
{
    const double u = 0x1p-24;

    c->tol_floor = u * (1 + 1.2 * (double)k);
    c->tol_rms = u * (1 + 0.4 * (double)k);
}

static void set_ints(struct kt_case *c, const char *name, int n, int64_t lo, int64_t hi)
{
    int64_t v[6];

    for (int i = 0; i < n; i++)
        v[i] = kt_int(c, lo, hi);
    ms_attr_set_ints(c->node, name, v, n);
}

static void set_window(struct kt_case *c, int rank, int64_t pad)
{
    static const char *const autos[] = {"SAME_UPPER", "SAME_LOWER", "VALID"};

    if (kt_flip(c))
        set_ints(c, "strides", rank, 1, 3);
    if (kt_int(c, 0, 3) == 0)
        set_ints(c, "dilations", rank, 1, 2);
    if (kt_int(c, 0, 4) == 0)
        ms_attr_set_str(c->node, "auto_pad", autos[kt_int(c, 0, 2)]);
    else if (kt_flip(c))
        set_ints(c, "pads", 2 * rank, 0, pad);
}

static int some_rank(struct kt_case *c)
{
    return kt_int(c, 0, 3) ? 2 : (int)kt_int(c, 1, 3);
}

/* At times the channels of x are shuffled first, mostly where windows have one element. */
static void set_shuffle(struct kt_case *c, int64_t channels, const struct ms_shape *w)
{
    const int64_t groups = kt_int(c, 2, 6), one = ms_shape_span(w, 2, w->rank) == 1;

    if (channels % groups == 0 && kt_int(c, 0, one ? 1 : 5) == 0)
        ms_attr_set_int(c->node, "shuffle", groups);
}

static void gen_conv(struct kt_case *c)
{
    enum ms_dtype t = mostly_f32(c, MS_FLOATS);
    int rank = some_rank(c);
    int64_t group = kt_flip(c) ? 1 : kt_int(c, 1, 5);
    int64_t icg = kt_int(c, 1, 9), ocg = kt_int(c, 1, kt_flip(c) ? 40 : 5);
    bool depthwise = kt_int(c, 0, 2) == 0, deep = !depthwise && kt_int(c, 0, 3) == 0;

    if (depthwise) {
        group = kt_int(c, 1, kt_flip(c) ? 20 : 50);
        icg = 1;
        ocg = kt_int(c, 0, 2) ? 1 : 2;
    }
    if (deep) { /* several blocks of channels, whole ones at times */
        icg = kt_flip(c) ? 16 * kt_int(c, 1, 3) : kt_int(c, 10, 50);
        ocg = kt_flip(c) ? 16 * kt_int(c, 1, 5) : kt_int(c, 10, 70);
    }
    struct ms_shape x = kt_shape(c, rank + 2, 1, rank == 3 ? 6 : rank == 1 ? 70 : deep ? 12 : 20);
    struct ms_shape w = kt_shape(c, rank + 2, 1, 4);
    if (rank == 2 && kt_int(c, 0, 3) == 0) /* the windows that have kernels of their own */
        w.dim[2] = w.dim[3] = kt_int(c, 1, deep ? 2 : 3) * 2 - 1;
    if (rank == 2 && kt_int(c, 0, 3) == 0)
        x.dim[3] = kt_int(c, 20, 75);
    const bool point = kt_int(c, 0, 7) == 0;
    for (int i = 2; point && i < w.rank; i++)
        w.dim[i] = 1;
    if (kt_int(c, 0, 12) == 0) { /* long sums, the hardest for tiled algorithms */
        group = kt_int(c, 1, 2);
        icg = kt_flip(c) ? 512 : kt_int(c, 250, 512);
        ocg = kt_int(c, 0, 3) ? 24 : 160; /* at times more than tiles meet at once */
        w = ms_shape_make(0, 0, 3, 3);
        x = ms_shape_make(1, 512, 8, 8);
        rank = 2;
    }
    if (kt_int(c, 0, 40) == 0) { /* filters beyond L2, and more tiles than a block of them has */
        group = 1;
        icg = kt_int(c, 90, 128);
        ocg = kt_int(c, 90, 128);
        w = ms_shape_make(0, 0, 3, 3);
        x = ms_shape_make(1, 1, kt_int(c, 18, 24), kt_int(c, 18, 24));
        rank = 2;
    }
    if (kt_int(c, 0, 12) == 0) { /* rows so short that a tile takes two */
        group = kt_int(c, 1, 2);
        icg = kt_int(c, 10, 50);
        ocg = kt_int(c, 17, 70);
        w = ms_shape_make(0, 0, kt_int(c, 1, 3), 3);
        x = ms_shape_make(1, 1, kt_int(c, 3, 9), kt_int(c, 6, 9));
        rank = 2;
    }
    const bool wide = rank == 2 && kt_int(c, 0, 12) == 0; /* windows for frequencies */
    if (wide) {
        group = 1;
        icg = kt_int(c, 5, 40);
        ocg = kt_int(c, 5, 40);
        w = ms_shape_make(0, 0, kt_int(c, 7, 11), kt_int(c, 7, 11));
        x = ms_shape_make(1, 1, kt_int(c, 11, 40), kt_int(c, 11, 40));
    }
    x.dim[0] = kt_int(c, 1, 3);
    x.dim[1] = group * icg;
    w.dim[0] = group * ocg;
    w.dim[1] = icg;
    if (kt_int(c, 0, 30) == 0)
        x.dim[kt_int(c, 0, rank + 1)] = 0; /* empty: refused or nothing to do */
    expect_sums(c, icg * (int64_t)ms_shape_span(&w, 2, w.rank));
    kt_in(c, kt_random(c, t, &x, -1, 1), KT_BATCHED);
    kt_in(c, kt_random(c, t, &w, -1, 1), kt_int(c, 0, 5) ? KT_CONST : KT_VALUE);
    ms_attr_set_int(c->node, "group", group);
    set_shuffle(c, x.dim[1], &w);
    set_window(c, rank, 2);
    if (wide) {
        ms_attr_set_ints(c->node, "strides", (int64_t[]){1, 1}, 2);
        ms_attr_set_ints(c->node, "dilations", (int64_t[]){1, 1}, 2);
    }
    set_act(c);
    struct ms_shape b = ms_shape_make(w.dim[0]);
    bool residual = kt_int(c, 0, 2) == 0;
    if (kt_flip(c) || residual)
        kt_in(c, kt_flip(c) ? kt_random(c, t, &b, -1, 1) : NULL, KT_CONST);
    struct ms_err err;
    if (residual && kt_infer(c, &err) == MS_OK)
        kt_in(c, kt_random(c, t, &c->fout[0].shape, -1, 1), KT_BATCHED);
    if (t == MS_F16 || t == MS_BF16)
        c->tol_abs = t == MS_F16 ? 1e-3 : 1e-2;
}

static void gen_conv_transpose(struct kt_case *c)
{
    enum ms_dtype t = mostly_f32(c, MS_FLOATS);
    int rank = some_rank(c);
    int64_t group = kt_int(c, 1, 3), icg = kt_int(c, 1, 6), ocg = kt_int(c, 1, 9);
    struct ms_shape x = kt_shape(c, rank + 2, 1, rank == 3 ? 4 : 12);
    struct ms_shape w = kt_shape(c, rank + 2, 1, 4);

    x.dim[0] = kt_int(c, 1, 3);
    x.dim[1] = w.dim[0] = group * icg;
    if (kt_int(c, 0, 9) == 0) /* more than a block */
        ocg = kt_int(c, 60, 70);
    w.dim[1] = ocg;
    kt_in(c, kt_random(c, t, &x, -1, 1), KT_BATCHED);
    kt_in(c, kt_random(c, t, &w, -1, 1), KT_CONST);
    ms_attr_set_int(c->node, "group", group);
    set_window(c, rank, 1);
    if (kt_flip(c))
        set_ints(c, "output_padding", rank, 0, 1);
    set_act(c);
    struct ms_shape b = ms_shape_make(group * ocg);
    if (kt_flip(c))
        kt_in(c, kt_random(c, t, &b, -1, 1), KT_CONST);
}

static void gen_gemm(struct kt_case *c)
{
    enum ms_dtype t = mostly_f32(c, MS_FLOATS);
    int64_t m = kt_int(c, 1, 30), n = kt_int(c, 1, kt_flip(c) ? 20 : 130), k = kt_int(c, 0, 70);
    int64_t ta = kt_int(c, 0, 1), tb = kt_int(c, 0, 1);
    struct ms_shape a = ta ? ms_shape_make(k, m) : ms_shape_make(m, k);
    struct ms_shape b = tb ? ms_shape_make(n, k) : ms_shape_make(k, n);
    struct ms_shape bias[] = {ms_shape_make(n),    ms_shape_make(1, n), ms_shape_make(m, 1),
                              ms_shape_make(m, n), ms_shape_scalar(),   ms_shape_make(1)};
    int kind = (int)kt_int(c, 0, 6);

    expect_sums(c, k);
    kt_in(c, kt_random(c, t, &a, -1, 1), ta ? KT_VALUE : KT_BATCHED);
    kt_in(c, kt_random(c, t, &b, -1, 1), kt_flip(c) ? KT_CONST : KT_VALUE);
    if (kind < 6)
        kt_in(c, kt_random(c, t, &bias[kind], -1, 1),
              kind == 2 || kind == 3 ? (ta ? KT_VALUE : KT_BATCHED) : KT_CONST);
    ms_attr_set_int(c->node, "transA", ta);
    ms_attr_set_int(c->node, "transB", tb);
    if (kt_flip(c)) {
        ms_attr_set_float(c->node, "alpha", kt_real(c, -2, 2));
        ms_attr_set_float(c->node, "beta", kt_real(c, -2, 2));
    }
    set_act(c);
}

static void matmul_shapes(struct kt_case *c, struct ms_shape *a, struct ms_shape *b, bool ta,
                          bool tb)
{
    int64_t m = kt_int(c, 1, 20), n = kt_int(c, 1, kt_flip(c) ? 20 : 130), k = kt_int(c, 0, 70);
    int ra = (int)kt_int(c, 1, 4), rb = (int)kt_int(c, 1, 4);

    *a = kt_shape(c, ra, 1, 3);
    *b = kt_shape(c, rb, 1, 3);
    for (int i = 1; i <= 4; i++) /* batch dims, from behind: equal or 1 */
        if (ra - 2 - i >= 0 && rb - 2 - i >= 0 && a->dim[ra - 2 - i] != b->dim[rb - 2 - i])
            *(kt_flip(c) ? &a->dim[ra - 2 - i] : &b->dim[rb - 2 - i]) = 1;
    if (ra == 1)
        a->dim[0] = k;
    else
        a->dim[ra - 2 + ta] = m, a->dim[ra - 1 - ta] = k;
    if (rb == 1)
        b->dim[0] = k;
    else
        b->dim[rb - 2 + tb] = k, b->dim[rb - 1 - tb] = n;
}

static void gen_matmul(struct kt_case *c)
{
    enum ms_dtype t = mostly_f32(c, MS_FLOATS | MS_BIT(I32) | MS_BIT(I64));
    bool ta = kt_int(c, 0, 3) == 0, tb = kt_flip(c);
    struct ms_shape a, b;
    struct ms_err err;

    matmul_shapes(c, &a, &b, ta, tb);
    expect_sums(c, a.dim[a.rank - 1 - (a.rank > 1 && ta)]);
    bool batched = a.rank >= 2 && !(a.rank == 2 && ta) && b.rank <= 2;
    kt_in(c, kt_random(c, t, &a, -1, 1), batched ? KT_BATCHED : KT_VALUE);
    kt_in(c, kt_random(c, t, &b, -1, 1), kt_flip(c) ? KT_CONST : KT_VALUE);
    ms_attr_set_int(c->node, "transA", ta);
    ms_attr_set_int(c->node, "transB", tb);
    if (ms_dtype_kind(t) != MS_KIND_FLOAT || b.rank < 2)
        return;
    set_act(c);
    struct ms_shape bias = ms_shape_make(b.dim[b.rank - 1 - tb]);
    bool residual = kt_int(c, 0, 3) == 0;
    if (kt_flip(c) || residual)
        kt_in(c, kt_flip(c) ? kt_random(c, t, &bias, -1, 1) : NULL, KT_CONST);
    if (residual && kt_infer(c, &err) == MS_OK)
        kt_in(c, kt_random(c, t, &c->fout[0].shape, -1, 1), batched ? KT_BATCHED : KT_VALUE);
}

/* [batch, heads, rows, width], or [batch, rows, heads width]. */
static struct ms_shape heads_shape(bool four, int64_t b, int64_t h, int64_t rows, int64_t width)
{
    return four ? ms_shape_make(b, h, rows, width) : ms_shape_make(b, rows, h * width);
}

static void attention_mask(struct kt_case *c, enum ms_dtype t, const int64_t *scores)
{
    struct ms_shape m = {.rank = (int)kt_int(c, 0, 4)};
    bool batched = m.rank == 4;

    for (int i = 0; i < m.rank; i++) {
        m.dim[i] = scores[4 - m.rank + i];
        if (kt_int(c, 0, 2) == 0)
            m.dim[i] = 1;
    }
    if (batched && m.dim[0] != scores[0])
        batched = false;
    if (kt_flip(c)) {
        kt_in(c, kt_random(c, t, &m, -2, 2), batched ? KT_BATCHED : KT_VALUE);
        return;
    }
    struct ms_tensor *take = kt_random(c, MS_BOOL, &m, 0, 1);
    size_t cols = m.rank ? (size_t)m.dim[m.rank - 1] : 1;
    for (size_t i = 0; i < ms_tensor_count(take); i += cols)
        kt_set(take, i, 1); /* a row without any key has no answer */
    kt_in(c, take, batched ? KT_BATCHED : KT_VALUE);
}

static void gen_attention(struct kt_case *c)
{
    enum ms_dtype t = mostly_f32(c, MS_FLOATS);
    int64_t b = kt_int(c, 1, 3), hk = kt_int(c, 1, 3), h = hk * kt_int(c, 1, 2);
    int64_t rows = kt_int(c, 1, kt_flip(c) ? 9 : 150), keys = kt_int(c, 1, kt_flip(c) ? 9 : 130);
    int64_t d = kt_int(c, 1, kt_flip(c) ? 9 : 70), dv = kt_int(c, 1, kt_flip(c) ? 9 : 110);
    bool four = kt_flip(c);
    struct ms_shape q = heads_shape(four, b, h, rows, d), k = heads_shape(four, b, hk, keys, d);
    struct ms_shape v = heads_shape(four, b, hk, keys, dv);

    kt_in(c, kt_random(c, t, &q, -1, 1), KT_BATCHED);
    kt_in(c, kt_random(c, t, &k, -1, 1), KT_BATCHED);
    kt_in(c, kt_random(c, t, &v, -1, 1), KT_BATCHED);
    if (!four) {
        ms_attr_set_int(c->node, "q_num_heads", h);
        ms_attr_set_int(c->node, "kv_num_heads", hk);
    }
    if (kt_flip(c))
        ms_attr_set_float(c->node, "scale", kt_real(c, -0.5, 0.5));
    if (kt_int(c, 0, 3) == 0)
        ms_attr_set_int(c->node, "is_causal", 1);
    if (kt_flip(c))
        attention_mask(c, t, (int64_t[]){b, h, rows, keys});
}

static void pool_input(struct kt_case *c, ms_dtypes set)
{
    int rank = some_rank(c);
    struct ms_shape x = kt_shape(c, rank + 2, 1, rank == 3 ? 7 : 20);

    x.dim[0] = kt_int(c, 1, 3);
    if (kt_flip(c))
        x.dim[rank + 1] = kt_int(c, 1, 70);
    if (kt_int(c, 0, 30) == 0)
        x.dim[kt_int(c, 0, rank + 1)] = 0;
    kt_in(c, kt_random(c, mostly_f32(c, set), &x, -3, 3), KT_BATCHED);
    set_ints(c, "kernel_shape", rank, 1, 4);
    set_window(c, rank, 1);
    ms_attr_set_int(c->node, "ceil_mode", kt_int(c, 0, 1));
}

static void gen_max_pool(struct kt_case *c)
{
    pool_input(c, MS_FLOATS | MS_BIT(I8) | MS_BIT(U8));
}

static void gen_average_pool(struct kt_case *c)
{
    c->tol_floor = 4e-7; /* means of numbers up to 3 */
    pool_input(c, MS_FLOATS);
    ms_attr_set_int(c->node, "count_include_pad", kt_int(c, 0, 1));
}

static void gen_lp_pool(struct kt_case *c)
{
    pool_input(c, MS_FLOATS);
    ms_attr_set_int(c->node, "p", kt_int(c, 1, 3));
}

static void gen_global_pool(struct kt_case *c)
{
    c->tol_floor = 2e-7; /* means of numbers up to 3 */
    struct ms_shape x = kt_shape(c, (int)kt_int(c, 3, 5), 1, 9);

    kt_in(c, kt_random(c, mostly_f32(c, MS_FLOATS), &x, -3, 3), KT_BATCHED);
}

static void gen_adaptive_pool(struct kt_case *c)
{
    c->tol_floor = 4e-7;
    int rank = some_rank(c);
    struct ms_shape x = kt_shape(c, rank + 2, 1, 9);

    kt_in(c, kt_random(c, mostly_f32(c, MS_FLOATS), &x, -3, 3), KT_BATCHED);
    set_ints(c, "output_size", rank, 1, 8);
}

static void channel_input(struct kt_case *c, int factors)
{
    enum ms_dtype t = mostly_f32(c, MS_FLOATS);
    struct ms_shape x = kt_shape(c, (int)kt_int(c, 2, 5), 1, 7);

    if (kt_flip(c))
        x.dim[1] = kt_int(c, 8, 40);
    struct ms_shape s = ms_shape_make(x.dim[1]);
    if (x.rank > 2 && kt_flip(c))
        x.dim[x.rank - 1] = kt_int(c, 1, 70);
    kt_in(c, kt_random(c, t, &x, -3, 3), KT_BATCHED);
    for (int i = 0; i < factors; i++)
        kt_in(c, kt_random(c, t, &s, i == 3 ? 0.1 : -1, 2), KT_CONST);
}

static void gen_batch_norm(struct kt_case *c)
{
    channel_input(c, 4);
}

static void gen_instance_norm(struct kt_case *c)
{
    channel_input(c, 2);
}

static void gen_group_norm(struct kt_case *c)
{
    enum ms_dtype t = mostly_f32(c, MS_FLOATS);
    int64_t g = kt_int(c, 1, 4);
    struct ms_shape x = kt_shape(c, (int)kt_int(c, 2, 5), 1, 7);

    x.dim[1] = g * kt_int(c, 1, 4);
    struct ms_shape s = ms_shape_make(kt_flip(c) ? x.dim[1] : g);
    kt_in(c, kt_random(c, t, &x, -3, 3), KT_BATCHED);
    kt_in(c, kt_random(c, t, &s, -1, 2), KT_CONST);
    kt_in(c, kt_random(c, t, &s, -1, 2), KT_CONST);
    ms_attr_set_int(c->node, "num_groups", g);
}

static void row_input(struct kt_case *c, bool bias)
{
    enum ms_dtype t = mostly_f32(c, MS_FLOATS);
    struct ms_shape x = kt_shape(c, (int)kt_int(c, 2, 4), 1, 9);
    int axis = (int)kt_int(c, 1, x.rank - 1);

    x.dim[x.rank - 1] = kt_int(c, 1, 100);
    struct ms_shape s = {.rank = x.rank - axis};
    memcpy(s.dim, x.dim + axis, (size_t)s.rank * sizeof *s.dim);
    kt_in(c, kt_random(c, t, &x, -3, 3), KT_BATCHED);
    kt_in(c, kt_random(c, t, &s, -1, 2), KT_CONST);
    if (bias && kt_flip(c))
        kt_in(c, kt_random(c, t, &s, -1, 2), KT_CONST);
    ms_attr_set_int(c->node, "axis", kt_flip(c) ? axis : axis - x.rank);
}

static void gen_layer_norm(struct kt_case *c)
{
    row_input(c, true);
}

static void gen_rms_norm(struct kt_case *c)
{
    row_input(c, false);
}

static void gen_lrn(struct kt_case *c)
{
    channel_input(c, 0);
    ms_attr_set_int(c->node, "size", kt_int(c, 1, 6));
    ms_attr_set_float(c->node, "alpha", kt_real(c, 0, 0.5));
    ms_attr_set_float(c->node, "beta", kt_flip(c) ? 0.75 : kt_real(c, 0.1, 1));
    ms_attr_set_float(c->node, "bias", kt_real(c, 1, 2));
}

static void gen_axis(struct kt_case *c)
{
    struct ms_shape x = kt_shape(c, (int)kt_int(c, 1, 4), 1, 9);

    if (kt_flip(c))
        x.dim[x.rank - 1] = kt_int(c, 1, 150);
    if (kt_int(c, 0, 30) == 0)
        x.dim[kt_int(c, 0, x.rank - 1)] = 0;
    int64_t axis = kt_int(c, -x.rank, x.rank - 1);
    kt_in(c, kt_random(c, mostly_f32(c, MS_FLOATS), &x, -6, 6),
          axis > 0 || (axis < 0 && axis + x.rank > 0) ? KT_BATCHED : KT_VALUE);
    ms_attr_set_int(c->node, "axis", axis);
}

static void gen_mvn(struct kt_case *c)
{
    struct ms_shape x = kt_shape(c, 4, 1, 7);

    kt_in(c, kt_random(c, mostly_f32(c, MS_FLOATS), &x, -3, 3), KT_VALUE);
    if (kt_flip(c))
        set_ints(c, "axes", 2, -4, 3);
}

static void recurrent(struct kt_case *c, int gates, int last)
{
    static const char *const dirs[] = {"forward", "reverse", "bidirectional"};
    enum ms_dtype t = mostly_f32(c, MS_BIT(F32) | MS_BIT(F64) | MS_BIT(F16));
    int64_t steps = kt_int(c, 1, 6), batch = kt_int(c, 1, 4), in = kt_int(c, 1, 20);
    int64_t h = kt_int(c, 1, 40), dir = kt_int(c, 0, 2), d = dir == 2 ? 2 : 1;
    int64_t first = kt_int(c, 0, 1);
    struct ms_shape x = first ? ms_shape_make(batch, steps, in) : ms_shape_make(steps, batch, in);
    struct ms_shape w = ms_shape_make(d, gates * h, in), r = ms_shape_make(d, gates * h, h);
    struct ms_shape b = ms_shape_make(d, 2 * gates * h), p = ms_shape_make(d, 3 * h);
    struct ms_shape s = first ? ms_shape_make(batch, d, h) : ms_shape_make(d, batch, h);
    struct ms_shape len = ms_shape_make(batch);
    enum kt_kind kind = first ? KT_BATCHED : KT_VALUE;

    kt_in(c, kt_random(c, t, &x, -1, 1), kind);
    kt_in(c, kt_random(c, t, &w, -0.5, 0.5), kt_int(c, 0, 4) ? KT_CONST : KT_VALUE);
    kt_in(c, kt_random(c, t, &r, -0.5, 0.5), kt_int(c, 0, 4) ? KT_CONST : KT_VALUE);
    kt_in(c, kt_flip(c) ? kt_random(c, t, &b, -1, 1) : NULL, KT_CONST);
    kt_in(c, kt_flip(c) ? kt_random(c, MS_I32, &len, 0, (double)steps) : NULL, kind);
    kt_in(c, kt_flip(c) ? kt_random(c, t, &s, -1, 1) : NULL, kind);
    if (last > 6) {
        kt_in(c, kt_flip(c) ? kt_random(c, t, &s, -1, 1) : NULL, kind);
        kt_in(c, kt_flip(c) ? kt_random(c, t, &p, -1, 1) : NULL, KT_CONST);
    }
    ms_attr_set_int(c->node, "hidden_size", h);
    ms_attr_set_int(c->node, "layout", first);
    ms_attr_set_str(c->node, "direction", dirs[dir]);
    if (kt_int(c, 0, 3) == 0)
        ms_attr_set_float(c->node, "clip", 0.7);
    if (t == MS_F16)
        c->tol_abs = 2e-3;
}

static void gen_lstm(struct kt_case *c)
{
    recurrent(c, 4, 8);
    if (kt_int(c, 0, 3) == 0)
        ms_attr_set_int(c->node, "input_forget", 1);
}

static void gen_gru(struct kt_case *c)
{
    recurrent(c, 3, 6);
    ms_attr_set_int(c->node, "linear_before_reset", kt_int(c, 0, 1));
}

static void gen_rnn(struct kt_case *c)
{
    recurrent(c, 1, 6);
}

static void gen_prelu(struct kt_case *c)
{
    enum ms_dtype t = mostly_f32(c, MS_FLOATS);
    struct ms_shape x = kt_shape(c, (int)kt_int(c, 1, 4), 1, 20), s = x;
    int drop = (int)kt_int(c, 0, x.rank);

    memmove(s.dim, s.dim + drop, sizeof s.dim - (size_t)drop * sizeof *s.dim);
    s.rank -= drop;
    for (int d = 0; d < s.rank; d++)
        if (kt_flip(c))
            s.dim[d] = 1;
    if (x.rank > 2 && kt_flip(c)) /* one a channel */
        for (int d = 0; d < s.rank; d++)
            s.dim[d] = d == 1 - drop ? x.dim[1] : 1;
    kt_in(c, kt_random(c, t, &x, -3, 3), KT_VALUE);
    kt_in(c, kt_random(c, t, &s, -1, 1), KT_CONST);
}

static void gen_clip(struct kt_case *c)
{
    enum ms_dtype t = mostly_f32(c, MS_NUMERIC);
    struct ms_shape x = kt_shape(c, 2, 1, 40);

    kt_in(c, kt_random(c, t, &x, -9, 9), KT_VALUE);
    kt_in(c, kt_flip(c) ? kt_scalar(t, 1) : NULL, KT_CONST);
    kt_in(c, kt_flip(c) ? kt_scalar(t, 4) : NULL, KT_CONST);
}

static void gen_reorder(struct kt_case *c)
{
    struct ms_shape x = kt_shape(c, 4, 1, 20);

    kt_in(c, kt_random(c, MS_F32, &x, -9, 9), KT_BATCHED);
}

static void quant_scale(struct kt_case *c, enum ms_dtype real, enum ms_dtype q,
                        const struct ms_shape *x)
{
    int axis = (int)kt_int(c, 0, x->rank - 1);
    struct ms_shape s = kt_flip(c) ? ms_shape_scalar() : ms_shape_make(x->dim[axis]);

    kt_in(c, kt_random(c, real, &s, 0.01, 0.1), KT_CONST);
    kt_in(c, kt_random(c, q, &s, 0, 100), KT_CONST);
    ms_attr_set_int(c->node, "axis", axis);
}

static void gen_quantize(struct kt_case *c)
{
    struct ms_shape x = kt_shape(c, 3, 1, 9);

    kt_in(c, kt_random(c, MS_F32, &x, -9, 9), KT_VALUE);
    quant_scale(c, MS_F32, kt_flip(c) ? MS_U8 : MS_I8, &x);
}

static void gen_dequantize(struct kt_case *c)
{
    struct ms_shape x = kt_shape(c, 3, 1, 9);
    enum ms_dtype q = kt_flip(c) ? MS_U8 : MS_I8;

    kt_in(c, kt_random(c, q, &x, -100, 100), KT_VALUE);
    quant_scale(c, MS_F32, q, &x);
}

static void gen_dynamic_quantize(struct kt_case *c)
{
    struct ms_shape x = kt_shape(c, 3, 1, 9);

    kt_in(c, kt_random(c, MS_F32, &x, -9, 9), KT_VALUE);
}

/* None, one, or one for each of n. */
static struct ms_tensor *zero_points(struct kt_case *c, enum ms_dtype t, int64_t n)
{
    const struct ms_shape s = ms_shape_make(n);

    switch (kt_int(c, 0, 2)) {
    case 0:
        return NULL;
    case 1:
        return kt_scalar(t, 7);
    default:
        return kt_random(c, t, &s, -128, 255);
    }
}

static void gen_matmul_integer(struct kt_case *c)
{
    enum ms_dtype ta = kt_flip(c) ? MS_U8 : MS_I8, tb = kt_flip(c) ? MS_U8 : MS_I8;
    struct ms_shape a, b;

    matmul_shapes(c, &a, &b, false, false);
    kt_in(c, kt_random(c, ta, &a, -128, 255), KT_VALUE);
    kt_in(c, kt_random(c, tb, &b, -128, 255), kt_flip(c) ? KT_CONST : KT_VALUE);
    kt_in(c, zero_points(c, ta, a.rank < 2 ? 1 : a.dim[a.rank - 2]), KT_CONST);
    kt_in(c, zero_points(c, tb, b.rank < 2 ? 1 : b.dim[b.rank - 1]), KT_CONST);
}

/* Small ones of all kinds; some with rows longer than a vector, some with many channels. */
static void integer_conv_shapes(struct kt_case *c, struct ms_shape *x, struct ms_shape *w)
{
    const bool deep = kt_int(c, 0, 7) == 0;
    int64_t group = kt_int(c, 1, 3), ocg = deep ? kt_int(c, 60, 80) : kt_int(c, 1, 7);

    *x = kt_shape(c, 4, 3, 12);
    *w = kt_shape(c, 4, 1, 3);
    if (!deep && kt_int(c, 0, 3) == 0) {
        x->dim[3] = kt_int(c, 17, 40);
        w->dim[3] = kt_int(c, 1, 7);
    }
    x->dim[0] = kt_int(c, 1, 3);
    w->dim[0] = group * ocg;
    w->dim[1] = deep ? kt_int(c, 16, 50) : kt_int(c, 1, 5);
    x->dim[1] = group * w->dim[1];
    ms_attr_set_int(c->node, "group", group);
}

static void gen_conv_integer(struct kt_case *c)
{
    enum ms_dtype ta = kt_flip(c) ? MS_U8 : MS_I8, tb = kt_flip(c) ? MS_U8 : MS_I8;
    struct ms_shape x, w;

    integer_conv_shapes(c, &x, &w);
    kt_in(c, kt_random(c, ta, &x, -128, 255), KT_BATCHED);
    kt_in(c, kt_random(c, tb, &w, -128, 255), kt_flip(c) ? KT_CONST : KT_VALUE);
    kt_in(c, kt_flip(c) ? kt_scalar(ta, 7) : NULL, KT_CONST);
    kt_in(c, zero_points(c, tb, w.dim[0]), KT_CONST);
    set_window(c, 2, 2);
}

static struct ms_tensor *some_zero(struct kt_case *c, enum ms_dtype t, int64_t n)
{
    const struct ms_shape s = ms_shape_make(n);

    return kt_flip(c) ? kt_scalar(t, 7) : kt_random(c, t, &s, -128, 255);
}

static struct ms_tensor *some_scale(struct kt_case *c, int64_t n)
{
    const struct ms_shape s = ms_shape_make(n);

    return kt_flip(c) ? kt_scalar(MS_F32, 0.037) : kt_random(c, MS_F32, &s, 0.01, 0.2);
}

/* Scales and zero points of x (rows of them or one), w with its own, and the result. */
static void quantised(struct kt_case *c, const struct ms_shape *x, const struct ms_shape *w,
                      int64_t rows, int64_t columns, int batched)
{
    enum ms_dtype ta = kt_flip(c) ? MS_U8 : MS_I8, tb = kt_flip(c) ? MS_U8 : MS_I8;

    kt_in(c, kt_random(c, ta, x, -128, 255), batched);
    kt_in(c, some_scale(c, rows), KT_CONST);
    kt_in(c, some_zero(c, ta, rows), KT_CONST);
    kt_in(c, kt_random(c, tb, w, -128, 255), kt_flip(c) ? KT_CONST : KT_VALUE);
    kt_in(c, some_scale(c, columns), KT_CONST);
    kt_in(c, kt_flip(c) ? kt_scalar(tb, tb == MS_U8 ? 128 : 0) : some_zero(c, tb, columns),
          KT_CONST);
    kt_in(c, kt_scalar(MS_F32, kt_flip(c) ? 0.9 : 3.3), KT_CONST);
    kt_in(c, kt_flip(c) ? kt_scalar(MS_U8, 131) : kt_scalar(MS_I8, -3), KT_CONST);
}

static void gen_qlinear_matmul(struct kt_case *c)
{
    struct ms_shape a, b;

    matmul_shapes(c, &a, &b, false, false);
    quantised(c, &a, &b, a.rank < 2 ? 1 : a.dim[a.rank - 2], b.rank < 2 ? 1 : b.dim[b.rank - 1],
              KT_VALUE);
}

static void gen_qlinear_conv(struct kt_case *c)
{
    struct ms_shape x, w;

    integer_conv_shapes(c, &x, &w);
    quantised(c, &x, &w, 1, w.dim[0], KT_BATCHED);
    if (kt_flip(c))
        kt_in(c, kt_random(c, MS_I32, &(struct ms_shape){.rank = 1, .dim = {w.dim[0]}}, -900, 900),
              KT_CONST);
    set_window(c, 2, 2);
}

/* ---- benchmark cases: layers of ResNet-50, VGG, MobileNetV2, BERT ---- */

static bool bench_conv(struct kt_case *c, int i)
{
    static const int16_t list[][8] = {
        /* N, IC, size, OC, kernel, stride, pad, group */
        {1, 3, 224, 64, 7, 2, 3, 1},    {1, 64, 56, 64, 3, 1, 1, 1},
        {1, 128, 28, 128, 3, 1, 1, 1},  {1, 256, 14, 256, 3, 1, 1, 1},
        {1, 512, 7, 512, 3, 1, 1, 1},   {1, 64, 56, 256, 1, 1, 0, 1},
        {1, 256, 56, 64, 1, 1, 0, 1},   {1, 1024, 14, 256, 1, 1, 0, 1},
        {1, 512, 7, 2048, 1, 1, 0, 1},  {1, 256, 56, 512, 1, 2, 0, 1},
        {1, 128, 56, 128, 3, 2, 1, 1},  {1, 3, 224, 64, 3, 1, 1, 1},
        {1, 64, 224, 64, 3, 1, 1, 1},   {1, 512, 28, 512, 3, 1, 1, 1},
        {1, 32, 112, 32, 3, 1, 1, 32},  {1, 144, 56, 144, 3, 1, 1, 144},
        {1, 96, 112, 96, 3, 2, 1, 96},  {1, 384, 14, 384, 3, 1, 1, 384},
        {1, 960, 7, 960, 3, 1, 1, 960}, {1, 16, 112, 96, 1, 1, 0, 1},
        {1, 320, 7, 1280, 1, 1, 0, 1},  {1, 136, 28, 136, 1, 1, 0, 4},
        {1, 24, 56, 112, 1, 1, 0, 4},   {1, 96, 56, 24, 1, 1, 0, 1},
        {1, 3, 224, 24, 3, 2, 1, 1},    {1, 272, 14, 272, 1, 1, 0, 4},
    };
    if (i >= (int)(sizeof list / sizeof *list))
        return false;
    const int16_t *v = list[i];
    struct ms_shape x = ms_shape_make(v[0], v[1], v[2], v[2]);
    struct ms_shape w = ms_shape_make(v[3], v[1] / v[7], v[4], v[4]), b = ms_shape_make(v[3]);
    kt_in(c, kt_random(c, MS_F32, &x, -1, 1), KT_BATCHED);
    kt_in(c, kt_random(c, MS_F32, &w, -1, 1), KT_CONST);
    kt_in(c, kt_random(c, MS_F32, &b, -1, 1), KT_CONST);
    ms_attr_set_int(c->node, "group", v[7]);
    ms_attr_set_ints(c->node, "strides", (int64_t[]){v[5], v[5]}, 2);
    ms_attr_set_ints(c->node, "pads", (int64_t[]){v[6], v[6], v[6], v[6]}, 4);
    ms_attr_set_str(c->node, "activation", "Relu");
    return true;
}

static bool bench_gemm(struct kt_case *c, int i)
{
    static const int16_t list[][4] = {{1, 1000, 2048, 1}, {1, 4096, 4096, 1},  {16, 768, 768, 0},
                                      {128, 768, 768, 0}, {128, 3072, 768, 0}, {128, 768, 3072, 0}};
    if (i >= (int)(sizeof list / sizeof *list))
        return false;
    const int16_t *v = list[i];
    struct ms_shape a = ms_shape_make(v[0], v[2]), n = ms_shape_make(v[1]);
    struct ms_shape b = v[3] ? ms_shape_make(v[1], v[2]) : ms_shape_make(v[2], v[1]);
    kt_in(c, kt_random(c, MS_F32, &a, -1, 1), KT_BATCHED);
    kt_in(c, kt_random(c, MS_F32, &b, -1, 1), KT_CONST);
    kt_in(c, kt_random(c, MS_F32, &n, -1, 1), KT_CONST);
    ms_attr_set_int(c->node, "transB", v[3]);
    return true;
}

static bool bench_matmul(struct kt_case *c, int i)
{
    if (i > 2)
        return false;
    struct ms_shape a =
        i == 0 ? ms_shape_make(1, 128, 768) : ms_shape_make(1, 12, 128, i == 1 ? 64 : 128);
    struct ms_shape b = i == 0 ? ms_shape_make(768, 768) : ms_shape_make(1, 12, 128, 64);
    kt_in(c, kt_random(c, MS_F32, &a, -1, 1), KT_BATCHED);
    kt_in(c, kt_random(c, MS_F32, &b, -1, 1), i ? KT_VALUE : KT_CONST);
    ms_attr_set_int(c->node, "transB", i == 1);
    return true;
}

static bool bench_attention(struct kt_case *c, int i)
{
    static const int16_t list[][4] = {{1, 128, 12, 64}, {1, 128, 12, 32}, {1, 512, 12, 64}};
    if (i >= (int)(sizeof list / sizeof *list))
        return false;
    const int16_t *v = list[i];
    struct ms_shape x = ms_shape_make(v[0], v[1], v[2] * v[3]), m = ms_shape_make(v[0], 1, 1, v[1]);
    for (int k = 0; k < 3; k++)
        kt_in(c, kt_random(c, MS_F32, &x, -1, 1), KT_BATCHED);
    kt_in(c, kt_random(c, MS_F32, &m, -1, 1), KT_BATCHED);
    ms_attr_set_int(c->node, "q_num_heads", v[2]);
    ms_attr_set_int(c->node, "kv_num_heads", v[2]);
    return true;
}

static bool bench_rows(struct kt_case *c, int i)
{
    if (i > 0)
        return false;
    struct ms_shape x = ms_shape_make(1, 12, 128, 128);
    kt_in(c, kt_random(c, MS_F32, &x, -1, 1), KT_BATCHED);
    return true;
}

static bool bench_layer_norm(struct kt_case *c, int i)
{
    if (i > 0)
        return false;
    struct ms_shape x = ms_shape_make(1, 128, 768), s = ms_shape_make(768);
    kt_in(c, kt_random(c, MS_F32, &x, -1, 1), KT_BATCHED);
    kt_in(c, kt_random(c, MS_F32, &s, -1, 1), KT_CONST);
    kt_in(c, kt_random(c, MS_F32, &s, -1, 1), KT_CONST);
    return true;
}

static bool bench_pool(struct kt_case *c, int i)
{
    static const int16_t list[][4] = {{64, 112, 3, 2}, {64, 224, 2, 2}, {192, 28, 3, 1}};
    if (i >= 3)
        return false;
    const int16_t *v = list[i];
    struct ms_shape x = ms_shape_make(1, v[0], v[1], v[1]);
    int64_t p = v[2] / 2 * (v[2] & 1);
    kt_in(c, kt_random(c, MS_F32, &x, -1, 1), KT_BATCHED);
    ms_attr_set_ints(c->node, "kernel_shape", (int64_t[]){v[2], v[2]}, 2);
    ms_attr_set_ints(c->node, "strides", (int64_t[]){v[3], v[3]}, 2);
    ms_attr_set_ints(c->node, "pads", (int64_t[]){p, p, p, p}, 4);
    return true;
}

static bool bench_global(struct kt_case *c, int i)
{
    if (i > 0)
        return false;
    struct ms_shape x = ms_shape_make(1, 2048, 7, 7);
    kt_in(c, kt_random(c, MS_F32, &x, -1, 1), KT_BATCHED);
    return true;
}

static bool bench_lrn(struct kt_case *c, int i)
{
    if (i > 0)
        return false;
    struct ms_shape x = ms_shape_make(1, 64, 56, 56);
    kt_in(c, kt_random(c, MS_F32, &x, -1, 1), KT_BATCHED);
    ms_attr_set_int(c->node, "size", 5);
    return true;
}

static bool bench_lstm(struct kt_case *c, int i)
{
    if (i > 0)
        return false;
    struct ms_shape x = ms_shape_make(16, 1, 128), w = ms_shape_make(1, 512, 128);
    kt_in(c, kt_random(c, MS_F32, &x, -1, 1), KT_VALUE);
    kt_in(c, kt_random(c, MS_F32, &w, -.1, .1), KT_CONST);
    kt_in(c, kt_random(c, MS_F32, &w, -.1, .1), KT_CONST);
    return true;
}

KT_ROWS(rows) = {
    {.op = "AdaptiveAveragePool", .gen = gen_adaptive_pool, .rel = 1e-6, .abs = 1e-6},
    {.op = "Attention", .gen = gen_attention, .rel = 4e-6, .abs = 4e-6, .bench = bench_attention},
    {.op = "AveragePool", .gen = gen_average_pool, .rel = 1e-6, .abs = 1e-6, .bench = bench_pool},
    /* x scale / sqrt(var), up to 18, is rounded before the bias cancels it */
    {.op = "BatchNormalization", .gen = gen_batch_norm, .rel = 1e-6, .floor = 2e-6},
    {.op = "Celu", .rel = 1e-6},
    {.op = "Clip", .gen = gen_clip},
    {.op = "Conv", .gen = gen_conv, .rel = 2e-6, .abs = 2e-6, .bench = bench_conv},
    {.op = "ConvInteger", .gen = gen_conv_integer},
    {.op = "ConvTranspose", .gen = gen_conv_transpose, .rel = 2e-6, .abs = 2e-6},
    {.op = "DequantizeLinear", .gen = gen_dequantize},
    {.op = "DynamicQuantizeLinear", .gen = gen_dynamic_quantize},
    {.op = "Elu", .rel = 1e-6},
    {.op = "Erf", .rel = 1e-6},
    {.op = "Gelu", .rel = 4e-6, .bench = bench_rows},
    {.op = "Gemm", .gen = gen_gemm, .rel = 2e-6, .abs = 2e-6, .bench = bench_gemm},
    {.op = "GlobalAveragePool",
     .gen = gen_global_pool,
     .rel = 1e-6,
     .abs = 1e-6,
     .bench = bench_global},
    {.op = "GlobalLpPool", .gen = gen_global_pool, .rel = 1e-6, .abs = 1e-6},
    {.op = "GlobalMaxPool", .gen = gen_global_pool},
    {.op = "GroupNormalization", .gen = gen_group_norm, .rel = 2e-6, .abs = 2e-6},
    {.op = "GRU", .gen = gen_gru, .rel = 4e-6, .abs = 4e-6},
    {.op = "HardSigmoid", .floor = 1e-7},
    {.op = "HardSwish", .floor = 4e-7},
    {.op = "Hardmax", .gen = gen_axis},
    {.op = "InstanceNormalization", .gen = gen_instance_norm, .rel = 4e-6, .abs = 4e-6},
    {.op = "LRN", .gen = gen_lrn, .rel = 2e-6, .bench = bench_lrn},
    {.op = "LSTM", .gen = gen_lstm, .rel = 4e-6, .abs = 4e-6, .bench = bench_lstm},
    {.op = "LayerNormalization",
     .gen = gen_layer_norm,
     .rel = 2e-6,
     .abs = 2e-6,
     .bench = bench_layer_norm},
    {.op = "LogSoftmax", .gen = gen_axis, .rel = 1e-6, .abs = 1e-6},
    {.op = "LpNormalization", .gen = gen_axis, .rel = 1e-6},
    {.op = "LpPool", .gen = gen_lp_pool, .rel = 1e-6},
    {.op = "MatMul", .gen = gen_matmul, .rel = 2e-6, .abs = 2e-6, .bench = bench_matmul},
    {.op = "MatMulInteger", .gen = gen_matmul_integer},
    {.op = "MaxPool", .gen = gen_max_pool, .bench = bench_pool},
    {.op = "MeanVarianceNormalization", .gen = gen_mvn, .rel = 2e-6, .abs = 2e-6},
    {.op = "Mish", .rel = 1e-6},
    {.op = "PRelu", .gen = gen_prelu},
    {.op = "QLinearConv", .gen = gen_qlinear_conv},
    {.op = "QLinearMatMul", .gen = gen_qlinear_matmul},
    {.op = "QuantizeLinear", .gen = gen_quantize},
    {.op = "RMSNormalization", .gen = gen_rms_norm, .rel = 2e-6},
    {.op = "RNN", .gen = gen_rnn, .rel = 4e-6, .abs = 4e-6},
    {.op = "Reorder", .gen = gen_reorder},
    {.op = "Selu", .rel = 1e-6},
    {.op = "Sigmoid", .rel = 1e-6},
    {.op = "Softmax", .gen = gen_axis, .rel = 2e-6, .bench = bench_rows},
    {.op = "Softplus", .rel = 1e-6},
    {.op = "Softsign", .rel = 1e-6},
    {.op = "Swish", .rel = 1e-6},
    {.op = "Tanh", .rel = 1e-6},
    {0},
};
