/* SPDX-License-Identifier: Apache-2.0 */
/* npy.h - numpy's .npy files, versions 1 to 3.
 *
 * Format: numpy/lib/format.py (NEP 1): "\x93NUMPY", version, length, a Python dict as text with
 * 'descr', 'fortran_order' and 'shape', then the elements. Taken: every fixed-size dtype that has a
 * counterpart, in either byte order, C or Fortran order; <U and |S text; bfloat16, which numpy
 * writes as '<V2'. Refused: pickled objects, structured and complex dtypes, anything cut short or
 * followed by more bytes. */
#ifndef MS_CLI_NPY_H
#define MS_CLI_NPY_H

#include "base/err.h"
#include "base/buf.h"
#include "mindserve/mindserve.h"

/* Reads a file's bytes. The error names the place in them. */
ms_code ms_npy_read(const void *bytes, size_t len, struct mindserve_tensor **out,
                    struct ms_err *err) MS_WARN_UNUSED;
/* The file of a tensor, in version 1 and C order. STRING becomes <U (or |S where it is no UTF-8).
 */
ms_code ms_npy_write(struct mindserve_tensor *t, struct ms_buf *out,
                     struct ms_err *err) MS_WARN_UNUSED;

#endif
