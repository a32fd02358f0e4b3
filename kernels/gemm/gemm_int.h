/* SPDX-License-Identifier: Apache-2.0 */
/* gemm_int.h - C = sum over k of (A - za)(B - zb) for 8-bit A and B, in i32 that wraps around.
 *
 * The sums of raw products are corrected at the end, with sums of columns and rows:
 *
 *     C[i,j] = sum a b + za[i] (K zb[j] - sum_k b[k,j]) - zb[j] sum_k a[i,k]
 *
 * Both operands are copied into groups of neighbouring k that one instruction multiplies and adds:
 * four bytes, A unsigned and B signed (the other kind is moved by 128, and its zero point with
 * it), where the CPU has VNNI; else two 16-bit numbers. No partial sum saturates. Panels of B have
 * 48 columns as in gemm.h: [k / group][48][group], the last one rounded up to 16. */
#ifndef MS_KERNELS_GEMM_INT_H
#define MS_KERNELS_GEMM_INT_H

#include "ir/op.h"
#include "kernels/gemm/gemm.h"

struct ms_int_panel { /* a panel of B */
    const void *b;
    const int32_t *sum; /* of each column */
};

struct ms_int_rows { /* rows of A, at most MS_GEMM_MB, and what the correction needs */
    const void *a;
    size_t row;        /* bytes from row to row */
    const int32_t *za; /* of each row */
    const int32_t *sum;
};

/* How operands are copied, and who multiplies them. */
struct ms_int_form {
    size_t group, bytes; /* numbers of a group; bytes of one */
    bool moved;          /* A is made unsigned, B signed */
    /* c[m x n]: the first n columns of a panel of width w. add: K zb - sum of each column; zb: of
     * each column; both w long. */
    void (*multiply)(size_t m, size_t n, size_t w, size_t groups, const struct ms_int_rows *a,
                     const void *b, const int32_t *add, const int32_t *zb, int32_t *c, size_t ldc);
};
extern const struct ms_int_form ms_int_vnni, ms_int_avxvnni, ms_int_avx2, ms_int_plain;

/* Bytes of a packed panel of w columns with its sums, and of packed rows; false on overflow. */
bool ms_int_panel_bytes(const struct ms_int_form *f, size_t k, size_t w, size_t *bytes);
bool ms_int_rows_bytes(const struct ms_int_form *f, size_t k, size_t *bytes);

/* Columns [0, n) of B, row major with ldb columns, of type t (I8, U8). to is 64-byte aligned. */
struct ms_int_panel ms_int_pack_panel(const struct ms_int_form *f, void *to, const uint8_t *b,
                                      enum ms_dtype t, size_t k, size_t n, size_t ldb);
/* The panel that was packed there. */
struct ms_int_panel ms_int_panel_at(const struct ms_int_form *f, const void *packed, size_t k,
                                    size_t n);
/* Rows [0, m) of A, row major, k long, with their zero points (m of them, or one for all). */
struct ms_int_rows ms_int_pack_rows(const struct ms_int_form *f, void *to, const uint8_t *a,
                                    enum ms_dtype t, size_t m, size_t k, const int32_t *za,
                                    bool each);
/* The rows that were packed there. */
struct ms_int_rows ms_int_rows_at(const struct ms_int_form *f, const void *packed, size_t k);
/* The product of packed rows and a packed panel. zb: zero points of the columns in B's own type (n
 * of them, or one for all). */
void ms_int_product(const struct ms_int_form *f, size_t m, size_t n, size_t k,
                    const struct ms_int_rows *a, const struct ms_int_panel *b, enum ms_dtype b_type,
                    const int32_t *zb, bool each, int32_t *c, size_t ldc);

#endif
