/* SPDX-License-Identifier: Apache-2.0 */
/* convert.h - runs of elements from one dtype to another: what Cast means.
 *
 * Every case is defined (C leaves some open):
 *   float -> float      rounded to nearest even; overflow gives an infinity
 *   float -> integer    towards zero, saturated to the type's range; NaN gives 0
 *   integer -> integer  the low bits (wraps), as numpy does
 *   integer -> float    rounded to nearest even
 *   any -> bool         0 gives false, everything else (NaN too) true
 *   bool -> any         0 or 1; a byte other than 0 counts as 1 */
#ifndef MS_KERNELS_CONVERT_H
#define MS_KERNELS_CONVERT_H

#include <stddef.h>

#include "ir/dtype.h"

/* n elements of any dtype but text; y and x must not overlap unless the types are equal. */
void ms_convert(void *y, enum ms_dtype to, const void *x, enum ms_dtype from, size_t n);

#endif
