/* SPDX-License-Identifier: Apache-2.0 */
/* conv_tile.c - the tables of micro-kernels.
 *
 * Where 512-bit operations take two turns, 256-bit ones do the same in as much time and may stop
 * in the middle of a block: then narrow groups of channels use halves of the vectors. One broadcast
 * for one full vector would be bound by loads there; for two halves it is not. */
#include "kernels/conv_tile.h"

#define T(name_) v8_##name_
#define TALL 0
#define LANES 8
#include "kernels/vec_avx2.h"
#include "kernels/conv_tile.inc"
#undef T
#undef TALL
#undef LANES

#define T(name_) v16_##name_
#define TALL 1
#define LANES 16
#include "kernels/vec_avx512.h"
#include "kernels/conv_tile.inc"
#undef T

/* 8 lanes of 16, with the 32 registers of AVX-512. */
#define T(name_) half_##name_
#include "kernels/vec_avx2.h"
#undef VTARGET
#define VTARGET MS_TARGET_AVX512
#include "kernels/conv_tile.inc"

size_t ms_conv_tile_unit(enum ms_isa isa)
{
    return isa == MS_ISA_AVX512 && !ms_cpu()->split512 ? 16 : 8;
}

size_t ms_conv_tile_max(enum ms_isa isa, size_t lanes)
{
    if (isa == MS_ISA_AVX512)
        return lanes > 32 ? 9 : 14;
    return lanes == 8 ? 12 : 6;
}

ms_conv_tile_fn ms_conv_tile_pair(enum ms_isa isa, size_t lanes, size_t row)
{
    const bool fits = row >= 1 && 2 * row <= MS_CONV_MR;

    return isa == MS_ISA_AVX512 && lanes == 32 && fits ? v16_pairs[row - 1] : NULL;
}

/* Tiles of 14 x 2 and 9 x 3 have as many products. A step takes about 1.6 and 1.3 cycles beside
 * them (12 loads are fewer than 16), so the better fit to the row decides. */
size_t ms_conv_tile_blocks(enum ms_isa isa, size_t row)
{
    const size_t by_14 = (row + 13) / 14, by_9 = (row + 8) / 9;

    if (ms_conv_tile_pair(isa, 32, row)) /* which are two blocks wide */
        return 2;
    return isa == MS_ISA_AVX512 && 13 * 2 * by_9 <= 16 * 3 * by_14 ? 3 : 2;
}

ms_conv_tile_fn ms_conv_tile(enum ms_isa isa, size_t lanes, size_t mr, enum ms_conv_form form)
{
    if (isa == MS_ISA_AVX2)
        return v8_tiles[form][lanes / 8 - 1][mr - 1];
    if (lanes < 32 && ms_cpu()->split512)
        return half_tiles[form][lanes / 8 - 1][mr - 1];
    return v16_tiles[form][lanes / 16 - 1][mr - 1];
}
