/* SPDX-License-Identifier: Apache-2.0 */
/* gemm_int.c - packing and the plain product; see gemm_int.h. */
#include "kernels/gemm/gemm_int.h"

#include <immintrin.h>
#include <string.h>

#include "base/mem.h"

static size_t groups_of(const struct ms_int_form *f, size_t k)
{
    return k / f->group + (k % f->group != 0);
}

static bool data_bytes(const struct ms_int_form *f, size_t k, size_t rows, size_t *bytes)
{
    return k < SIZE_MAX - 64 &&
           !__builtin_mul_overflow(groups_of(f, k) * f->group, rows * f->bytes, bytes) &&
           *bytes < SIZE_MAX / 2;
}

bool ms_int_panel_bytes(const struct ms_int_form *f, size_t k, size_t w, size_t *bytes)
{
    if (!data_bytes(f, k, w, bytes))
        return false;
    *bytes = ms_align64(*bytes) + w * sizeof(int32_t);
    return true;
}

bool ms_int_rows_bytes(const struct ms_int_form *f, size_t k, size_t *bytes)
{
    if (!data_bytes(f, k, MS_GEMM_MB, bytes))
        return false;
    *bytes = ms_align64(*bytes) + 2 * MS_GEMM_MB * sizeof(int32_t);
    return true;
}

/* What is added to a number of that type so that it has the form's sign. */
static int move_a(const struct ms_int_form *f, enum ms_dtype t)
{
    return f->moved && t == MS_I8 ? 128 : 0;
}

static int move_b(const struct ms_int_form *f, enum ms_dtype t)
{
    return f->moved && t == MS_U8 ? -128 : 0;
}

static int raw(const uint8_t *p, enum ms_dtype t)
{
    return t == MS_I8 ? (int8_t)*p : *p;
}

static void put(const struct ms_int_form *f, void *to, size_t at, int v)
{
    if (f->bytes == 1)
        ((uint8_t *)to)[at] = (uint8_t)v;
    else
        ((int16_t *)to)[at] = (int16_t)v;
}

struct ms_int_panel ms_int_panel_at(const struct ms_int_form *f, const void *packed, size_t k,
                                    size_t n)
{
    size_t bytes = groups_of(f, k) * f->group * ms_gemm_width(n) * f->bytes;

    return (struct ms_int_panel){
        packed, (const int32_t *)(const void *)((const uint8_t *)packed + ms_align64(bytes))};
}

#ifdef __SSE2__
/* Four rows of 16 bytes (b, ldb apart) to 16 groups of four; adds each column's to sum. */
static void pack_quads(uint8_t *to, const uint8_t *b, size_t ldb, __m128i flip, int32_t *sum)
{
    __m128i r[4], low = _mm_setzero_si128(), high = low;

    for (size_t i = 0; i < 4; i++) {
        r[i] = _mm_xor_si128(_mm_loadu_si128((const void *)(b + i * ldb)), flip);
        const __m128i sign = _mm_cmpgt_epi8(_mm_setzero_si128(), r[i]);
        low = _mm_add_epi16(low, _mm_unpacklo_epi8(r[i], sign));
        high = _mm_add_epi16(high, _mm_unpackhi_epi8(r[i], sign));
    }
    const __m128i a = _mm_unpacklo_epi8(r[0], r[1]), c = _mm_unpackhi_epi8(r[0], r[1]);
    const __m128i d = _mm_unpacklo_epi8(r[2], r[3]), e = _mm_unpackhi_epi8(r[2], r[3]);
    const __m128i out[4] = {_mm_unpacklo_epi16(a, d), _mm_unpackhi_epi16(a, d),
                            _mm_unpacklo_epi16(c, e), _mm_unpackhi_epi16(c, e)};
    const __m128i half[4] = {_mm_srai_epi32(_mm_unpacklo_epi16(low, low), 16),
                             _mm_srai_epi32(_mm_unpackhi_epi16(low, low), 16),
                             _mm_srai_epi32(_mm_unpacklo_epi16(high, high), 16),
                             _mm_srai_epi32(_mm_unpackhi_epi16(high, high), 16)};
    for (size_t i = 0; i < 4; i++) {
        __m128i *s = (void *)(sum + 4 * i);
        _mm_storeu_si128((void *)(to + 16 * i), out[i]);
        _mm_storeu_si128(s, _mm_add_epi32(_mm_loadu_si128(s), half[i]));
    }
}

/* 8 numbers of type t as 16 bits: the low ones of v, or the high ones. */
static __m128i words(__m128i v, enum ms_dtype t, bool high)
{
    const __m128i zero = _mm_setzero_si128();
    const __m128i sign = t == MS_I8 ? _mm_cmpgt_epi8(zero, v) : zero;

    return high ? _mm_unpackhi_epi8(v, sign) : _mm_unpacklo_epi8(v, sign);
}

/* Two rows of 16 bytes to 16 pairs of 16-bit numbers; adds each column's to sum. */
static void pack_pairs(uint8_t *to, const uint8_t *b, size_t ldb, enum ms_dtype t, int32_t *sum)
{
    const __m128i x = _mm_loadu_si128((const void *)b), ones = _mm_set1_epi16(1);
    const __m128i y = _mm_loadu_si128((const void *)(b + ldb));
    const __m128i xl = words(x, t, false), xh = words(x, t, true);
    const __m128i yl = words(y, t, false), yh = words(y, t, true);
    const __m128i out[4] = {_mm_unpacklo_epi16(xl, yl), _mm_unpackhi_epi16(xl, yl),
                            _mm_unpacklo_epi16(xh, yh), _mm_unpackhi_epi16(xh, yh)};

    for (size_t i = 0; i < 4; i++) {
        __m128i *s = (void *)(sum + 4 * i);
        _mm_storeu_si128((void *)(to + 16 * i), out[i]);
        _mm_storeu_si128(s, _mm_add_epi32(_mm_loadu_si128(s), _mm_madd_epi16(out[i], ones)));
    }
}

/* Whole groups and whole vectors of columns; *rows, *columns: so many are done. */
static void pack_fast(const struct ms_int_form *f, uint8_t *to, const uint8_t *b, enum ms_dtype t,
                      int move, size_t k, size_t n, size_t w, size_t ldb, int32_t *sum,
                      size_t *rows, size_t *columns)
{
    const __m128i flip = _mm_set1_epi8(move ? (char)0x80 : 0);

    *rows = k / f->group * f->group;
    *columns = n / 16 * 16;
    for (size_t q = 0; q < *rows; q += f->group)
        for (size_t j = 0; j < *columns; j += 16) {
            uint8_t *at = to + (q / f->group * w + j) * 4;
            if (f->bytes == 1)
                pack_quads(at, b + q * ldb + j, ldb, flip, sum + j);
            else
                pack_pairs(at, b + q * ldb + j, ldb, t, sum + j);
        }
}
#else
static void pack_fast(const struct ms_int_form *f, uint8_t *to, const uint8_t *b, enum ms_dtype t,
                      int move, size_t k, size_t n, size_t w, size_t ldb, int32_t *sum,
                      size_t *rows, size_t *columns)
{
    *rows = *columns = 0;
}
#endif

struct ms_int_panel ms_int_pack_panel(const struct ms_int_form *f, void *to, const uint8_t *b,
                                      enum ms_dtype t, size_t k, size_t n, size_t ldb)
{
    const struct ms_int_panel p = ms_int_panel_at(f, to, k, n);
    const size_t w = ms_gemm_width(n), g = f->group;
    const int move = move_b(f, t);
    int32_t *sum = (int32_t *)(uintptr_t)p.sum;

    size_t rows, columns;

    if (k % g || n != w)
        memset(to, 0, groups_of(f, k) * g * w * f->bytes);
    memset(sum, 0, w * sizeof *sum);
    pack_fast(f, to, b, t, move, k, n, w, ldb, sum, &rows, &columns);
    for (size_t q = 0; q < k; q++, b += ldb)
        for (size_t j = q < rows ? columns : 0; j < n; j++) {
            const int v = raw(b + j, t) + move;
            put(f, to, (q / g * w + j) * g + q % g, v);
            sum[j] = (int32_t)((uint32_t)sum[j] + (uint32_t)v);
        }
    return p;
}

static void pack_words(int16_t *to, const uint8_t *a, enum ms_dtype t, size_t k)
{
    size_t q = 0;
#ifdef __SSE2__
    for (; q + 16 <= k; q += 16) {
        const __m128i v = _mm_loadu_si128((const void *)(a + q));
        _mm_storeu_si128((void *)(to + q), words(v, t, false));
        _mm_storeu_si128((void *)(to + q + 8), words(v, t, true));
    }
#endif
    for (; q < k; q++)
        to[q] = (int16_t)raw(a + q, t);
}

static void pack_row(const struct ms_int_form *f, void *to, const uint8_t *a, enum ms_dtype t,
                     size_t k)
{
    const int move = move_a(f, t);
    const size_t padded = groups_of(f, k) * f->group;

    if (f->bytes == 1 && !move)
        memcpy(to, a, k);
    else if (f->bytes == 1)
        for (size_t q = 0; q < k; q++)
            ((uint8_t *)to)[q] = a[q] ^ 0x80;
    else
        pack_words(to, a, t, k);
    memset((uint8_t *)to + k * f->bytes, 0, (padded - k) * f->bytes);
}

static uint32_t sum_bytes(const uint8_t *p, size_t n)
{
    uint32_t sum = 0;
    size_t i = 0;
#ifdef __SSE2__
    __m128i acc = _mm_setzero_si128();

    for (; i + 16 <= n; i += 16)
        acc = _mm_add_epi64(
            acc, _mm_sad_epu8(_mm_loadu_si128((const void *)(p + i)), _mm_setzero_si128()));
    sum = (uint32_t)_mm_cvtsi128_si32(acc) + (uint32_t)_mm_cvtsi128_si32(_mm_srli_si128(acc, 8));
#endif
    for (; i < n; i++)
        sum += p[i];
    return sum;
}

static uint32_t sum_words(const int16_t *p, size_t n)
{
    uint32_t sum = 0;
    size_t i = 0;
#ifdef __SSE2__
    const __m128i ones = _mm_set1_epi16(1);
    __m128i acc = _mm_setzero_si128();
    uint32_t part[4];

    for (; i + 8 <= n; i += 8)
        acc = _mm_add_epi32(acc, _mm_madd_epi16(_mm_loadu_si128((const void *)(p + i)), ones));
    _mm_storeu_si128((void *)part, acc);
    sum = part[0] + part[1] + part[2] + part[3];
#endif
    for (; i < n; i++)
        sum += (uint32_t)p[i];
    return sum;
}

static int32_t sum_row(const struct ms_int_form *f, const void *row, size_t k)
{
    return (int32_t)(f->bytes == 1 ? sum_bytes(row, k) : sum_words(row, k));
}

struct ms_int_rows ms_int_rows_at(const struct ms_int_form *f, const void *packed, size_t k)
{
    const size_t row = groups_of(f, k) * f->group * f->bytes;
    const int32_t *z =
        (const int32_t *)(const void *)((const uint8_t *)packed + ms_align64(row * MS_GEMM_MB));

    return (struct ms_int_rows){packed, row, z, z + MS_GEMM_MB};
}

struct ms_int_rows ms_int_pack_rows(const struct ms_int_form *f, void *to, const uint8_t *a,
                                    enum ms_dtype t, size_t m, size_t k, const int32_t *za,
                                    bool each)
{
    const struct ms_int_rows r = ms_int_rows_at(f, to, k);
    int32_t *z = (int32_t *)(uintptr_t)r.za, *sum = (int32_t *)(uintptr_t)r.sum;

    for (size_t i = 0; i < m; i++) {
        uint8_t *at = (uint8_t *)to + i * r.row;
        pack_row(f, at, a + i * k, t, k);
        z[i] = za[each ? i : 0] + move_a(f, t);
        sum[i] = sum_row(f, at, k);
    }
    return r;
}

void ms_int_product(const struct ms_int_form *f, size_t m, size_t n, size_t k,
                    const struct ms_int_rows *a, const struct ms_int_panel *b, enum ms_dtype b_type,
                    const int32_t *zb, bool each, int32_t *c, size_t ldc)
{
    const size_t w = ms_gemm_width(n);
    int32_t add[MS_GEMM_NR], zero[MS_GEMM_NR];

    for (size_t j = 0; j < w; j++) {
        zero[j] = j < n ? zb[each ? j : 0] + move_b(f, b_type) : 0;
        add[j] = (int32_t)((uint32_t)k * (uint32_t)zero[j] - (uint32_t)b->sum[j]);
    }
    f->multiply(m, n, w, groups_of(f, k), a, b->b, add, zero, c, ldc);
}

/* ---- plain ---- */

enum { COLS = 16 };

static void multiply(size_t m, size_t n, size_t w, size_t groups, const struct ms_int_rows *a,
                     const void *b, const int32_t *add, const int32_t *zb, int32_t *c, size_t ldc)
{
    for (size_t i = 0; i < m; i++) {
        const int16_t *x = (const void *)((const uint8_t *)a->a + i * a->row);
        const uint32_t za = (uint32_t)a->za[i], sum = (uint32_t)a->sum[i];
        for (size_t at = 0; at < n; at += COLS) {
            const int16_t *p = (const int16_t *)b + at * 2;
            uint32_t acc[COLS] = {0};
            for (size_t q = 0; q < groups; q++, p += 2 * w)
                for (size_t j = 0; j < COLS; j++)
                    acc[j] += (uint32_t)(x[2 * q] * p[2 * j] + x[2 * q + 1] * p[2 * j + 1]);
            for (size_t j = 0; j < COLS && at + j < n; j++)
                c[i * ldc + at + j] =
                    (int32_t)(acc[j] + za * (uint32_t)add[at + j] - (uint32_t)zb[at + j] * sum);
        }
    }
}

const struct ms_int_form ms_int_plain = {.group = 2, .bytes = 2, .multiply = multiply};
