/* SPDX-License-Identifier: Apache-2.0 */
/* report.h - which operators a model file uses, and which of them nobody has. */
#ifndef MS_CLIENT_REPORT_H
#define MS_CLIENT_REPORT_H

#include "client/client.h"
#include "client/source.h"

/* Fills operators and missing of a result from what reading a file gave. *lacking: some operator is
 * missing. */
ms_code ms_report_operators(const struct ms_reading *r, struct ms_arena *a,
                            struct mindserve_deployed *d, bool *lacking,
                            struct ms_err *err) MS_WARN_UNUSED;

#endif
