/* SPDX-License-Identifier: Apache-2.0 */
/* strassen.c - one level of Strassen's algorithm: seven products of halves instead of eight.
 *
 *     P1 = (A11 + A22) (B11 + B22)      C11 = P1 + P4 - P5 + P7
 *     P2 = (A21 + A22)  B11             C12 = P3 + P5
 *     P3 =  A11        (B12 - B22)      C21 = P2 + P4
 *     P4 =  A22        (B21 - B11)      C22 = P1 - P2 + P3 + P6
 *     P5 = (A11 + A12)  B22
 *     P6 = (A21 - A11) (B11 + B12)
 *     P7 = (A12 - A22) (B21 + B22)
 *
 * Which half a row of A lies in decides how it is rounded, so a row's result depends on the number
 * of rows, and with it on the batch: no kernel of an operator may use this. It is here to be
 * measured beside the plain product (bench_gemm). */
#include <stdint.h>

#include "base/mem.h"
#include "kernels/gemm/gemm.h"

enum { PRODUCTS = 7 };

/* A half is a quarter of the matrix: (row, column). sign 0: only the first. */
struct sum {
    uint8_t row, col, row2, col2;
    int8_t sign;
};
static const struct sum of_a[PRODUCTS] = {{0, 0, 1, 1, 1}, {1, 0, 1, 1, 1}, {0, 0, 0, 0, 0},
                                          {1, 1, 0, 0, 0}, {0, 0, 0, 1, 1}, {1, 0, 0, 0, -1},
                                          {0, 1, 1, 1, -1}};
static const struct sum of_b[PRODUCTS] = {{0, 0, 1, 1, 1},  {0, 0, 0, 0, 0}, {0, 1, 1, 1, -1},
                                          {1, 0, 0, 0, -1}, {1, 1, 0, 0, 0}, {0, 0, 0, 1, 1},
                                          {1, 0, 1, 1, 1}};
/* By product: what it adds to C11, C12, C21, C22. */
static const int8_t to_c[PRODUCTS][4] = {{1, 0, 0, 1},  {0, 0, 1, -1}, {0, 1, 0, 1}, {1, 0, 1, 0},
                                         {-1, 1, 0, 0}, {0, 0, 0, 1},  {1, 0, 0, 0}};

/* The h x w sum of two quarters of x, whose elements are rs and cs apart, to dense rows. */
static void add_quarters(const struct sum *s, const float *x, size_t h, size_t w, size_t rs,
                         size_t cs, float *to)
{
    const float *p = x + s->row * h * rs + s->col * w * cs;
    const float *q = x + s->row2 * h * rs + s->col2 * w * cs, sign = s->sign;

    for (size_t i = 0; i < h; i++, p += rs, q += rs, to += w)
        if (!s->sign)
            for (size_t j = 0; j < w; j++)
                to[j] = p[j * cs];
        else
            for (size_t j = 0; j < w; j++)
                to[j] = p[j * cs] + sign * q[j * cs];
}

bool ms_gemm_strassen_bytes(size_t m, size_t n, size_t k, size_t *packed, size_t *scratch)
{
    size_t a, b, c;

    if (m % 2 || n % 2 || k % 2 || !ms_gemm_packed_bytes(k / 2, n / 2, packed) ||
        !ms_mul(*packed, PRODUCTS, packed) || !ms_mul(m / 2, k / 2, &a) ||
        !ms_mul(k / 2, n / 2, &b) || !ms_mul(m / 2, n / 2, &c))
        return false;
    a = a > b ? a : b;
    return ms_add(a, c, &a) && ms_mul(a, sizeof(float), scratch);
}

void ms_gemm_strassen_pack(float *dst, const float *b, size_t k, size_t n, float *scratch)
{
    size_t each = 0;

    if (!ms_gemm_packed_bytes(k / 2, n / 2, &each))
        return;
    for (int i = 0; i < PRODUCTS; i++, dst += each / sizeof *dst) {
        add_quarters(&of_b[i], b, k / 2, n / 2, n, 1, scratch);
        ms_gemm_pack(dst, scratch, k / 2, n / 2, n / 2, 1);
    }
}

/* Adds a product to the quarters of C that it is part of; the first that comes sets one. */
static void scatter(int product, const float *p, size_t h, size_t w, float *c, size_t ldc,
                    bool set[4])
{
    for (int q = 0; q < 4; q++) {
        const float sign = to_c[product][q];
        float *to = c + (size_t)(q / 2) * h * ldc + (size_t)(q % 2) * w;
        if (to_c[product][q] == 0)
            continue;
        for (size_t i = 0; i < h; i++, to += ldc)
            for (size_t j = 0; j < w; j++)
                to[j] = (set[q] ? to[j] : 0) + sign * p[i * w + j];
        set[q] = true;
    }
}

void ms_gemm_strassen(enum ms_isa isa, size_t m, size_t n, size_t k, const float *a,
                      const float *packed, float *c, float *scratch)
{
    const struct ms_gemm_tail none = {.none = true};
    const size_t h = m / 2, w = n / 2, d = k / 2;
    const size_t room = h * d > d * w ? h * d : d * w;
    float *product = scratch + room;
    bool set[4] = {false};
    size_t each = 0;

    if (!ms_gemm_packed_bytes(d, w, &each))
        return;
    for (int i = 0; i < PRODUCTS; i++, packed += each / sizeof *packed) {
        const bool one = of_a[i].sign == 0;
        if (!one)
            add_quarters(&of_a[i], a, h, d, k, 1, scratch);
        const struct ms_gemm g = {ms_gemm_panel(isa),
                                  h,
                                  w,
                                  d,
                                  one ? k : d,
                                  1,
                                  w,
                                  one ? a + of_a[i].row * h * k + of_a[i].col * d : scratch,
                                  packed,
                                  product,
                                  &none,
                                  0};
        ms_gemm_run(&g, 0, ms_gemm_units(h, w));
        scatter(i, product, h, w, c, n, set);
    }
}
