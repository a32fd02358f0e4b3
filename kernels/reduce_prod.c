/* SPDX-License-Identifier: Apache-2.0 */
/* reduce_prod.c - products along axes; integers wrap. */
#include "kernels/reduce.h"

static const struct ms_reduction reduction = {.fold = &ms_fold_prod};

MS_REDUCE_OP(reduce_prod, "ReduceProd", "product along axes", MS_NUMERIC);
