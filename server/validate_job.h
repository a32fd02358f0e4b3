/* SPDX-License-Identifier: Apache-2.0 */
/* validate_job.h - what daemon and validating child write to each other. Private to validate*.c. */
#ifndef MS_SERVER_VALIDATE_JOB_H
#define MS_SERVER_VALIDATE_JOB_H

#include "base/buf.h"
#include "server/validate.h"

enum { MS_VALIDATE_MAX_JOB = 16 << 20 };

struct ms_verdict {
    int32_t code, reason;
    char text[512];
};

/* The job: "passes\n", "memory time depth graph-depth pushing files\n", then "sha256 size path\n"
 * for each file. Paths hold no line ends (ms_bundle_path_valid). */
void ms_validate_put(struct ms_buf *b, const struct ms_version *v,
                     const struct ms_validate_opts *o);

#endif
