/* SPDX-License-Identifier: Apache-2.0 */
/* intdiv.h - integer division with every case defined: Div, FloorDiv and Mod.
 *
 * The processor traps on x / 0 and on INT_MIN / -1. Here x / 0 and x % 0 give 0 and the run fails
 * with INVALID_ARGUMENT; INT_MIN / -1 wraps to INT_MIN and INT_MIN % -1 is 0. */
#ifndef MS_KERNELS_INTDIV_H
#define MS_KERNELS_INTDIV_H

#include "kernels/elementwise.h"

/* A row of elementwise.h whose expression is only reached with b != 0. */
#define MS_DIV_ROW(name_, target_, T_, U_, expr_)                                                  \
    target_ static bool name_(void *yv, const void *av, const void *bv, size_t n, enum ms_row m)   \
    {                                                                                              \
        MS_ROW_TYPES(T_, U_)                                                                       \
        T *y = yv;                                                                                 \
        const T *pa = av, *pb = bv;                                                                \
        const size_t sa = m != MS_ROW_SV, sb = m != MS_ROW_VS;                                     \
        bool bad = false;                                                                          \
        for (size_t i = 0; i < n; i++) {                                                           \
            const T a = pa[i * sa], b = pb[i * sb];                                                \
            bad |= b == 0;                                                                         \
            y[i] = (T)(b == 0 ? 0 : (T)(expr_));                                                   \
        }                                                                                          \
        return bad;                                                                                \
    }

/* Quotient towards zero, and remainder with the sign of a; signed types only. */
#define MS_QUOT(a, b) ((b) == -1 ? (T)(0 - (U)(a)) : (T)((a) / (b)))
#define MS_REM(a, b) ((b) == -1 ? (T)0 : (T)((a) % (b)))
/* Does the quotient have to go one down to be the floor? */
#define MS_INEXACT_BELOW(a, b) (MS_REM(a, b) != 0 && ((a) < 0) != ((b) < 0))

#endif
