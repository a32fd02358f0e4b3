/* SPDX-License-Identifier: Apache-2.0 */
/* conv_quads.c - see conv_quads.h. */
#include "kernels/conv_quads.h"

#include "base/mem.h"
#include "kernels/gemm/quad.h"
#include "kernels/vec.h"

enum { LANES = 16, SLACK = 4 * (MS_QUAD_WIDTH + LANES) };

/* ---- the order of a window's quads ---- */

bool ms_quads_order_of(struct ms_quads_order *o, const struct ms_node *n, const struct ms_shape *w,
                       size_t group)
{
    const int last = w->rank - 3;

    if (w->rank < 3 || w->rank > 4)
        return false;
    for (int a = 0; a <= last; a++)
        if (ms_attr_ints_at(n, "strides", a, 1) > MS_QUADS_STRIDE)
            return false;
    *o = (struct ms_quads_order){.group = group,
                                 .depth = (size_t)w->dim[1],
                                 .kh = w->rank == 4 ? (size_t)w->dim[2] : 1,
                                 .kw = (size_t)w->dim[w->rank - 1],
                                 .turns = 1};
    const size_t by_channel = (o->depth + group - 1) / group,
                 by_column = (o->kw + group - 1) / group;
    const int64_t step = (int64_t)group * ms_attr_ints_at(n, "dilations", last, 1);
    o->columns = (by_column == 1 || step % ms_attr_ints_at(n, "strides", last, 1) == 0) &&
                 o->depth * by_column < by_channel * o->kw;
    o->planes = o->columns ? o->depth : by_channel;
    if (o->columns)
        o->turns = by_column;
    return ms_mul(o->planes, o->kh * (o->columns ? by_column : o->kw), &o->steps);
}

static int number(const uint8_t *w, enum ms_dtype t, size_t i)
{
    return !w ? 1 : t == MS_I8 ? (int8_t)w[i] : w[i];
}

/* Number u of the quad of (plane, row, column or turn) into the quad at `to`; returns it. */
static int put(const struct ms_quads_order *o, const uint8_t *w, enum ms_dtype t, uint8_t flip,
               size_t plane, size_t row, size_t col, size_t u, uint8_t *to)
{
    const size_t channel = o->columns ? plane : plane * o->group + u;
    const size_t column = o->columns ? col * o->group + u : col;
    int v = 0;

    if (channel < o->depth && column < o->kw) {
        v = number(w, t, (channel * o->kh + row) * o->kw + column);
        v = o->group == 4 && w ? (int8_t)((uint8_t)v ^ flip) : v;
    }
    if (o->group == 4)
        to[u] = (uint8_t)v;
    else
        memcpy(to + 2 * u, &(int16_t){(int16_t)v}, 2);
    return v;
}

int32_t ms_quads_weights(const struct ms_quads_order *o, const uint8_t *w, enum ms_dtype t,
                         uint8_t flip, uint8_t *to, size_t apart)
{
    const size_t cols = o->columns ? o->turns : o->kw;
    uint32_t sum = 0;

    for (size_t p = 0; p < o->planes; p++)
        for (size_t r = 0; r < o->kh; r++)
            for (size_t c = 0; c < cols; c++, to += apart)
                for (size_t u = 0; u < o->group; u++)
                    sum += (uint32_t)put(o, w, t, flip, p, r, c, u, to);
    return (int32_t)sum;
}

/* ---- the image ---- */

size_t ms_quads_pitch(const struct ms_quads_order *o, int64_t out, int64_t d, int64_t s)
{
    return (size_t)(out + (int64_t)(o->columns ? o->group * (o->turns - 1) : o->kw - 1) * d / s);
}

/* Places of the phases that k taps, dilated by d, meet; returns their number. */
static size_t phases(int8_t *at, int64_t k, int64_t d, int64_t s)
{
    size_t n = 0;

    for (int64_t p = 0; p < s; p++) {
        bool met = false;
        for (int64_t i = 0; i < k && i < s; i++) /* they repeat after s taps */
            met |= i * d % s == p;
        at[p] = (int8_t)(met ? (int)n : -1);
        n += met;
    }
    return n;
}

void ms_quads_of(struct ms_quads *q, const struct ms_quads_order *o, const struct ms_window *w)
{
    *q = (struct ms_quads){.o = *o, .w = *w};
    q->row_phases = phases(q->row_at, w->k[1], w->d[1], w->s[1]);
    q->col_phases = phases(q->col_at, o->columns ? 1 : w->k[2], w->d[2], w->s[2]);
    q->pitch = ms_quads_pitch(o, w->out[2], w->d[2], w->s[2]);
    q->more = (size_t)((w->k[1] - 1) * w->d[1] / w->s[1]);
}

/* Bytes of a padded row that quads of columns read, and no fewer than the row. */
static size_t line_bytes(const struct ms_quads *q)
{
    return (q->pitch + LANES) * (size_t)q->w.s[2] + (q->o.group - 1) * (size_t)q->w.d[2] +
           2 * LANES;
}

bool ms_quads_bytes(const struct ms_quads *q, size_t rows, size_t *plane, size_t *all, size_t *line)
{
    size_t planes;

    if (!ms_mul(rows + q->more, q->pitch * 4, plane) || *plane > SIZE_MAX / 4)
        return false;
    /* an odd number of lines, so that planes do not meet in the same sets of a cache */
    *plane = (ms_align64(*plane) | 64);
    *line = q->o.columns ? line_bytes(q) : 0;
    return ms_mul(q->o.planes, q->row_phases * q->col_phases, &planes) &&
           ms_mul(planes, *plane, all) && *all < SIZE_MAX / 4 && (*all += SLACK);
}

void ms_quads_steps(const struct ms_quads *q, size_t plane, size_t *at)
{
    const struct ms_window *w = &q->w;
    const size_t cols = q->o.columns ? q->o.turns : q->o.kw;

    for (size_t p = 0; p < q->o.planes; p++)
        for (size_t r = 0; r < q->o.kh; r++)
            for (size_t c = 0; c < cols; c++) {
                const size_t down = r * (size_t)w->d[1], s = (size_t)w->s[1];
                const size_t right = c * (q->o.columns ? q->o.group : 1) * (size_t)w->d[2];
                const size_t t = (size_t)w->s[2];
                const size_t a = (p * q->row_phases + (size_t)q->row_at[down % s]) * q->col_phases +
                                 (size_t)q->col_at[right % t];
                *at++ = a * plane + (down / s * q->pitch + right / t) * 4;
            }
}

/* ---- filling it ---- */

/* 16 bytes, stride apart. */
MS_V8 __m128i every(const uint8_t *p, size_t stride)
{
    const __m128i low = _mm_set1_epi16(0xff);
    uint8_t b[LANES];

    if (stride == 1)
        return _mm_loadu_si128((const void *)p);
    if (stride == 2)
        return _mm_packus_epi16(_mm_and_si128(_mm_loadu_si128((const void *)p), low),
                                _mm_and_si128(_mm_loadu_si128((const void *)(p + 16)), low));
    for (size_t i = 0; i < LANES; i++)
        b[i] = p[i * stride];
    return _mm_loadu_si128((const void *)b);
}

/* 16 quads of bytes. */
MS_V8 void four(uint8_t *to, const uint8_t *const p[4], size_t i, size_t stride, __m128i flip)
{
    const __m128i a = every(p[0] + i * stride, stride), b = every(p[1] + i * stride, stride);
    const __m128i c = every(p[2] + i * stride, stride), d = every(p[3] + i * stride, stride);
    const __m128i ab = _mm_xor_si128(_mm_unpacklo_epi8(a, b), flip);
    const __m128i cd = _mm_xor_si128(_mm_unpacklo_epi8(c, d), flip);
    const __m128i ef = _mm_xor_si128(_mm_unpackhi_epi8(a, b), flip);
    const __m128i gh = _mm_xor_si128(_mm_unpackhi_epi8(c, d), flip);

    _mm_storeu_si128((void *)to, _mm_unpacklo_epi16(ab, cd));
    _mm_storeu_si128((void *)(to + 16), _mm_unpackhi_epi16(ab, cd));
    _mm_storeu_si128((void *)(to + 32), _mm_unpacklo_epi16(ef, gh));
    _mm_storeu_si128((void *)(to + 48), _mm_unpackhi_epi16(ef, gh));
}

/* 16 quads of two 16-bit numbers. */
MS_V8 void two(uint8_t *to, const uint8_t *const p[4], size_t i, size_t stride, bool sign)
{
    const __m128i a = every(p[0] + i * stride, stride), b = every(p[1] + i * stride, stride);
    const __m128i lo = _mm_unpacklo_epi8(a, b), hi = _mm_unpackhi_epi8(a, b);

    _mm256_storeu_si256((void *)to, sign ? _mm256_cvtepi8_epi16(lo) : _mm256_cvtepu8_epi16(lo));
    _mm256_storeu_si256((void *)(to + 32),
                        sign ? _mm256_cvtepi8_epi16(hi) : _mm256_cvtepu8_epi16(hi));
}

/* Bytes times n, none over 15. */
MS_V8 __m128i times(__m128i v, size_t n)
{
    return _mm_mullo_epi16(v, _mm_set1_epi16((int16_t)n));
}

/* n quads of bytes `step` apart whose first ones lie `stride` apart, where those of four quads fit
 * 16 bytes; up to 7 more are written. */
MS_TARGET_AVX2 static void spread(uint8_t *to, const uint8_t *p, size_t n, size_t stride,
                                  size_t step, uint8_t flip)
{
    const __m128i base = _mm_setr_epi8(0, 1, 2, 3, 0, 1, 2, 3, 0, 1, 2, 3, 0, 1, 2, 3);
    const __m128i turn = _mm_setr_epi8(0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3);
    const __m128i index = _mm_add_epi8(times(base, step), times(turn, stride));
    const __m256i order = _mm256_broadcastsi128_si256(index);
    const __m256i all = _mm256_set1_epi8((char)flip);
    for (size_t i = 0; i < n; i += 8) {
        const __m128i lo = _mm_loadu_si128((const void *)(p + i * stride));
        const __m128i hi = _mm_loadu_si128((const void *)(p + (i + 4) * stride));
        const __m256i v = _mm256_shuffle_epi8(_mm256_set_m128i(hi, lo), order);
        _mm256_storeu_si256((void *)(to + 4 * i), _mm256_xor_si256(v, all));
    }
}

static void one(uint8_t *to, const uint8_t *const p[4], size_t i, const struct ms_quads *q,
                const struct ms_quads_from *s)
{
    for (size_t u = 0; u < q->o.group; u++) {
        const uint8_t v = p[u][i * (size_t)q->w.s[2]];
        const int16_t word = s->type == MS_I8 ? (int8_t)v : v;
        if (q->o.group == 4)
            to[u] = v ^ s->flip;
        else
            memcpy(to + 2 * u, &word, sizeof word);
    }
}

/* n quads, of the bytes from p[0], p[1]... on; up to 15 more are written behind them, and none is
 * read from end on. */
MS_TARGET_AVX2 static void weave(uint8_t *to, const uint8_t *const p[4], size_t n,
                                 const uint8_t *end, const struct ms_quads *q,
                                 const struct ms_quads_from *s)
{
    const size_t stride = (size_t)q->w.s[2], span = LANES * stride;
    const uint8_t *top = p[0];
    size_t i = 0;

    for (size_t u = 1; u < q->o.group; u++)
        top = p[u] > top ? p[u] : top;
    const size_t room = (size_t)(end - top);
    const __m128i flip = _mm_set1_epi8((char)s->flip);
    if (q->o.group == 4 && stride == 1)
        for (; i < n && i + LANES <= room; i += LANES)
            four(to + 4 * i, p, i, 1, flip);
    else if (q->o.group == 4 && stride == 2)
        for (; i < n && i * 2 + span <= room; i += LANES)
            four(to + 4 * i, p, i, 2, flip);
    else if (q->o.group == 4)
        for (; i < n && i * stride + span <= room; i += LANES)
            four(to + 4 * i, p, i, stride, flip);
    else
        for (; i < n && i * stride + span <= room; i += LANES)
            two(to + 4 * i, p, i, stride, s->type == MS_I8);
    for (; i < n; i++)
        one(to + 4 * i, p, i, q, s);
}

static void edge(uint8_t *to, size_t from, size_t n, const struct ms_quads *q,
                 const struct ms_quads_from *s)
{
    const uint32_t quad = q->o.group == 4 ? (uint32_t)(uint8_t)s->zero * 0x01010101u
                                          : (uint32_t)(uint16_t)s->zero * 0x00010001u;

    for (size_t i = from; i < n; i++)
        memcpy(to + 4 * i, &quad, sizeof quad);
}

static size_t within(int64_t v, size_t lo, size_t hi)
{
    return v < (int64_t)lo ? lo : v > (int64_t)hi ? hi : (size_t)v;
}

/* Columns [lo, hi) of a row of quads lie inside the input, the first of them at column `at` there.
 */
struct inside {
    size_t lo, hi;
    int64_t at;
};

static struct inside inside_of(const struct ms_quads *q, int64_t phase)
{
    const int64_t left = q->w.pb[2] - phase, stride = q->w.s[2], end = q->w.in[2] + left;
    struct inside r = {.lo = within(left > 0 ? (left + stride - 1) / stride : 0, 0, q->pitch)};

    r.hi = within(end > 0 ? (end + stride - 1) / stride : 0, r.lo, q->pitch);
    r.at = (int64_t)r.lo * stride - left;
    return r;
}

/* A row of quads of channels: columns of a phase of input row `row`. */
static void channels(const struct ms_quads *q, const struct ms_quads_from *s, size_t plane,
                     int64_t row, const struct inside *r, uint8_t *to)
{
    const size_t at = (size_t)(row * q->w.in[2] + r->at);
    const uint8_t *p[4];

    edge(to, 0, r->lo, q, s);
    if (r->hi > r->lo) {
        for (size_t u = 0; u < q->o.group; u++) { /* those that lack have weights of 0 */
            const size_t c = plane * q->o.group + u;
            p[u] = s->x + (c < q->o.depth ? c : q->o.depth - 1) * s->in_px + at;
        }
        weave(to + 4 * r->lo, p, r->hi - r->lo, s->end, q, s);
    }
    edge(to, r->hi, q->pitch, q, s);
}

/* Columns [lo, hi) of a padded line are those of the input. */
static struct inside line_of(const struct ms_quads *q)
{
    const size_t bytes = line_bytes(q), lo = within(q->w.pb[2], 0, bytes);

    return (struct inside){lo, within(q->w.pb[2] + q->w.in[2], lo, bytes), 0};
}

/* A row of quads of columns, by way of a line that is padded already. */
static void columns(const struct ms_quads *q, const struct ms_quads_from *s, size_t plane,
                    int64_t row, const struct inside *r, uint8_t *to)
{
    const uint8_t *p[4];

    memcpy(s->line + r->lo, s->x + plane * s->in_px + (size_t)(row * q->w.in[2]), r->hi - r->lo);
    if (q->o.group == 4 && 3 * (q->w.s[2] + q->w.d[2]) < 16) {
        spread(to, s->line, q->pitch, (size_t)q->w.s[2], (size_t)q->w.d[2], s->flip);
        return;
    }
    for (size_t u = 0; u < q->o.group; u++)
        p[u] = s->line + u * (size_t)q->w.d[2];
    weave(to, p, q->pitch, s->line + line_bytes(q), q, s);
}

/* Rows of quads of one channel plane and phase. */
static void rows_of(const struct ms_quads *q, const struct ms_quads_from *s, size_t plane,
                    int64_t down, int64_t right, size_t first, size_t rows, uint8_t *to)
{
    const struct inside r = q->o.columns ? line_of(q) : inside_of(q, right);

    for (size_t j = 0; j < rows; j++, to += q->pitch * 4) {
        const int64_t row = (int64_t)(first + j) * q->w.s[1] + down - q->w.pb[1];
        if (row < 0 || row >= q->w.in[1])
            edge(to, 0, q->pitch, q, s);
        else if (q->o.columns)
            columns(q, s, plane, row, &r, to);
        else
            channels(q, s, plane, row, &r, to);
    }
}

/* Whether rows of quads follow each other as rows of pixels do: windows of one pixel. */
static bool flat(const struct ms_quads *q)
{
    const struct ms_window *w = &q->w;

    return w->k[1] == 1 && w->k[2] == 1 && w->s[1] == 1 && w->s[2] == 1 && w->in[1] == w->out[1] &&
           w->in[2] == w->out[2] && w->pb[1] == 0 && w->pb[2] == 0;
}

void ms_quads_fill(const struct ms_quads *q, const struct ms_quads_from *s, uint8_t *to,
                   size_t plane, size_t first, size_t rows)
{
    struct ms_quads_from from = *s;
    struct ms_quads image = *q;

    if (flat(q)) { /* one row */
        from.x += first * q->pitch;
        image.pitch = rows * q->pitch;
        image.w.in[1] = 1;
        image.w.in[2] = (int64_t)image.pitch;
        first = 0;
        rows = 1;
    }
    if (q->o.columns) /* edges stay in the line; what makes quads flips them again */
        memset(s->line, (uint8_t)s->zero ^ s->flip, line_bytes(q));
    for (size_t p = 0; p < q->o.planes; p++)
        for (int64_t a = 0; a < q->w.s[1]; a++)
            for (int64_t b = 0; b < q->w.s[2]; b++)
                if (q->row_at[a] >= 0 && q->col_at[b] >= 0) {
                    rows_of(&image, &from, p, a, b, first, rows + q->more, to);
                    to += plane;
                }
}
