/* SPDX-License-Identifier: Apache-2.0 */
/* memplan.h - offsets for buffers that live at different times, in one slab. */
#ifndef MS_RUNTIME_MEMPLAN_H
#define MS_RUNTIME_MEMPLAN_H

#include <stdbool.h>
#include <stddef.h>

struct ms_buffer {
    size_t bytes;
    int first, last; /* steps between which it must not be touched, both included */
    size_t offset;   /* set by ms_memplan; a multiple of 64 */
};

/* Places n buffers so that no two whose lives meet overlap. *size: bytes of the slab; *bound: bytes
 * that no plan can be below (the most alive at one step). False when memory is out or sizes
 * overflow. */
bool ms_memplan(struct ms_buffer *b, int n, size_t *size, size_t *bound);

#endif
