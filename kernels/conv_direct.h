/* SPDX-License-Identifier: Apache-2.0 */
/* conv_direct.h - what conv_direct_pack.c prepares and conv_direct.c runs with. */
#ifndef MS_KERNELS_CONV_DIRECT_H
#define MS_KERNELS_CONV_DIRECT_H

#include "kernels/conv.h"
#include "kernels/conv_tile.h"

/* A group of output channels that tiles compute together, as prepare packs it. */
struct ms_direct_group {
    size_t channel, lanes; /* first output channel; so many, padding included */
    struct ms_conv_reach reach;
    size_t from;   /* first block of input channels */
    size_t weight; /* where its weights begin, in floats */
    size_t list;   /* where the list of its channels begins; reach then cuts them like blocks */
};

struct ms_direct_state {
    size_t groups;
    const struct ms_direct_group *group;
    const uint32_t *list; /* channels of x, group by group; NULL: not listed */
    size_t longest;       /* channels of a group, at most */
    const float *bias;    /* padded to whole blocks */
    const float *w;
    size_t bytes;     /* of weights */
    size_t pieces;    /* units that a call should have at least, to be shared out evenly */
    size_t threads;   /* that share them */
    size_t workspace; /* most bytes of scratch of a call; 0: no bound */
};

static inline size_t ms_direct_width(enum ms_isa isa)
{
    return isa == MS_ISA_AVX512 ? 16 : 8;
}

#endif
