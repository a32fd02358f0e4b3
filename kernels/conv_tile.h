/* SPDX-License-Identifier: Apache-2.0 */
/* conv_tile.h - micro-kernels of blocked convolution: a few pixels of one to three blocks of output
 * channels, all sums in registers from the first product to the one store.
 *
 *     y[j][p] = clamp(bias[j] + sum over blocks b, taps t, channels c of x[b][p at t][c]
 * w[b][t][c][j]
 *               + residual[j][p])
 *
 * x and y are channel-blocked, so neighbouring pixels lie one vector apart and every address is a
 * base plus a constant. Weights are packed in the order in which they are used. */
#ifndef MS_KERNELS_CONV_TILE_H
#define MS_KERNELS_CONV_TILE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/cpu.h"

enum {
    MS_CONV_NV = 3, /* most blocks of output channels of a tile */
    MS_CONV_MR = 14,
    /* Weights are a stream that often comes from memory: asked for so many floats ahead, across the
     * pages where hardware prefetchers stop. Beyond the end it is harmless. */
    MS_CONV_AHEAD = 4096,
    MS_CONV_LINES = 2, /* of a cache, asked for at once: a core waits for about ten */
};

/* What the tiles of one call share. */
struct ms_conv_tiling {
    const size_t *tap; /* where a tap's element is, from its pixel's first one, in floats */
    size_t taps;
    size_t x_block, y_block; /* floats from one block of channels to the next */
    size_t row;              /* floats from a row of x to the next; only pairs of rows need it */
    float lo, hi;            /* clamp; -inf, inf: none */
    bool resume;             /* sums go on from y (what a call stored without clamp), not bias */
    /* Weights to bring nearer meanwhile, from `ahead` on: so many lines before each tap of a block,
     * or some each step, which moves on by so many floats (0: no step does): one line up to 16
     * floats, else as many as its weights fill. See ms_conv_look_ahead. */
    const float *ahead;
    size_t ahead_lines, ahead_step;
};

/* The input channels that a tile sums over: whole blocks, but for the ends. */
struct ms_conv_reach {
    size_t blocks;
    size_t first, last; /* channels [first, ...) of the first block, [..., last) of the last */
};

/* A panel is the weights that several tiles read one after the other. Only the first of them would
 * read it from memory, faster than memory gives, and the others leave memory idle: so all of them
 * ask for an even part of the next panel. */
struct ms_conv_panel {
    const float *w, *next; /* next: NULL if what comes next is not known, or has no room in L2 */
    size_t steps, lanes;   /* floats: their product */
    size_t block;          /* steps of a tap of a block; 0: the tiles have no blocks */
    size_t lines, step;    /* of `next`, that a tap of a block or a step asks for */
    size_t part;           /* floats of it that a tile asks for */
    bool fetched;          /* was `next` of the panel before */
};
/* How tiles of the panel ask for `each` floats a step: some lines before a tap, which takes fewer
 * operations where they are few, and always with taps of 8 steps, which are short; or some floats
 * each step. The other one is 0. */
static inline void ms_conv_panel_ask(const struct ms_conv_panel *p, size_t each, size_t *lines,
                                     size_t *step)
{
    const size_t a_tap = (each * p->block + 15) / 16;

    *lines = p->block == 8 || a_tap <= MS_CONV_LINES ? a_tap : 0;
    *step = *lines ? 0 : each;
}
/* w, next, steps, lanes, block and fetched are set; so many tiles will read it. */
static inline void ms_conv_panel_share(struct ms_conv_panel *p, size_t tiles)
{
    const size_t shared = p->fetched ? tiles : tiles - 1;
    const size_t each = shared ? (p->lanes + shared - 1) / shared : p->lanes;

    ms_conv_panel_ask(p, each, &p->lines, &p->step);
    p->part = p->lines ? p->lines * 16 * ((p->steps + p->block - 1) / p->block) : each * p->steps;
}
/* Sets m->ahead for tile i of those that read the panel. */
static inline void ms_conv_look_ahead(struct ms_conv_tiling *m, const struct ms_conv_panel *p,
                                      size_t i)
{
    const size_t from = (i - !p->fetched) * p->part, floats = p->steps * p->lanes;

    m->ahead_lines = m->ahead_step = 0;
    if (i == 0 && !p->fetched) {
        const size_t part = floats / 4; /* small panels: not beyond their end */
        m->ahead = p->w + (part < MS_CONV_AHEAD ? part : MS_CONV_AHEAD);
        ms_conv_panel_ask(p, p->lanes, &m->ahead_lines, &m->ahead_step);
    } else if (p->next && from < floats) {
        m->ahead = p->next + from;
        m->ahead_lines = p->lines;
        m->ahead_step = p->step;
    } else {
        m->ahead = p->w; /* it is there already: those that ask each step get the same again */
    }
}

/* Neighbouring pixels cut evenly into tiles; the first `more` have one more than `each`. To be kept
 * where the same number comes again: some processors take longer for a division of 64 bits than for
 * a tile's step. */
struct ms_conv_cut {
    size_t tiles, each, more;
};
static inline struct ms_conv_cut ms_conv_cut_of(size_t pixels, size_t most)
{
    const size_t tiles = (pixels + most - 1) / most, each = tiles ? pixels / tiles : 0;

    return (struct ms_conv_cut){tiles, each, pixels - tiles * each};
}

/* n blocks of output channels in groups of at most `most`; the last ones have one block less where
 * that leaves none by itself: 7 blocks are 3 + 2 + 2. */
struct ms_conv_groups {
    size_t n, most, groups;
    size_t full; /* groups of `most` blocks; they come first */
};
/* n and most at least 1. */
static inline struct ms_conv_groups ms_conv_groups_of(size_t n, size_t most)
{
    const size_t groups = (n + most - 1) / most, less = groups * most - n;

    return (struct ms_conv_groups){n, most, groups, less < groups ? groups - less : 0};
}
/* The first block of group g; n for the group behind the last. No division: it is asked for every
 * panel. */
static inline size_t ms_conv_group_at(const struct ms_conv_groups *s, size_t g)
{
    const size_t full = g < s->full ? g : s->full;
    const size_t at = full * s->most + (g - full) * (s->most - 1);

    return at < s->n ? at : s->n;
}

/* How a tile finds what it multiplies. */
enum ms_conv_form {
    MS_CONV_BLOCKS, /* the blocks of a reach, for each of them the taps */
    MS_CONV_PLAIN,  /* pixels side by side, one float each; taps run over channels as well */
    MS_CONV_LISTED, /* pixels of a block; taps are channels, of any blocks in any order */
};

/* x: the first pixel's channel 0 of the first block; bias: one vector a block; res NULL or laid out
 * like y. */
typedef void (*ms_conv_tile_fn)(const struct ms_conv_tiling *m, const struct ms_conv_reach *k,
                                const float *x, const float *w, const float *bias, const float *res,
                                float *y);

/* Output channels that tiles come in multiples of: a block, or half of one where that is as fast
 * for its size (struct ms_cpu.split512). */
size_t ms_conv_tile_unit(enum ms_isa isa);
/* How many blocks of output channels to take together where rows of so many pixels are cut evenly
 * into tiles; 0: not known. */
size_t ms_conv_tile_blocks(enum ms_isa isa, size_t row);
/* Most pixels of a tile of so many output channels: one unit, or some blocks. A half block may
 * begin in the middle of one. */
size_t ms_conv_tile_max(enum ms_isa isa, size_t lanes);
/* The micro-kernel for mr pixels (1 to the maximum) and lanes. Only MS_CONV_BLOCKS has a reach. */
ms_conv_tile_fn ms_conv_tile(enum ms_isa isa, size_t lanes, size_t mr, enum ms_conv_form form);
/* The micro-kernel for two rows of `row` pixels each, MS_CONV_BLOCKS only: short rows leave most of
 * a tile unused, and then weights take longer to come than their products. x is the first row, the
 * second lies m->row floats behind it; in y and res the two are neighbours. NULL: there is none. */
ms_conv_tile_fn ms_conv_tile_pair(enum ms_isa isa, size_t lanes, size_t row);

#endif
