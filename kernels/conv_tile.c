/* SPDX-License-Identifier: Apache-2.0 */
/* conv_tile.c - the tables of micro-kernels. */
#include "kernels/conv_tile.h"

#include "kernels/vec_avx2.h"
#include "kernels/conv_tile.inc"
#include "kernels/vec_avx512.h"
#include "kernels/conv_tile.inc"

size_t ms_conv_tile_max(enum ms_isa isa, size_t nv)
{
    if (isa == MS_ISA_AVX512)
        return 14;
    return nv == 1 ? 12 : 6;
}

ms_conv_tile_fn ms_conv_tile(enum ms_isa isa, size_t nv, size_t mr, bool plain)
{
    return (isa == MS_ISA_AVX512 ? v16_tiles : v8_tiles)[plain][nv - 1][mr - 1];
}
