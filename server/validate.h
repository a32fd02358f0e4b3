/* SPDX-License-Identifier: Apache-2.0 */
/* validate.h - reading a pushed model first in a short-lived process that may do nothing else.
 *
 * The daemon starts itself anew with --validate; the child maps the files, enters the sandbox,
 * reads, checks and optimises, says what it found and ends. What it says is a verdict, never data
 * that is built upon: the daemon reads the same bytes again. A crash there is INVALID_ARGUMENT. */
#ifndef MS_SERVER_VALIDATE_H
#define MS_SERVER_VALIDATE_H

#include <stdatomic.h>
#include <stdint.h>

#include "base/err.h"
#include "server/store_db.h"

struct ms_validate_opts {
    const char *passes; /* NULL = all */
    int max_depth, max_graph_depth;
    size_t memory; /* of messages, graph and folded constants */
    int64_t time;  /* ns */
    bool pushing;  /* files that are no blobs yet lie in tmp/ */
    const atomic_bool *cancel;
};

/* Any thread; waits. dir is the state folder. */
ms_code ms_validate(int dir, const struct ms_version *v, const struct ms_validate_opts *o,
                    struct ms_err *err) MS_WARN_UNUSED;

/* The child's main: job on descriptor 0, verdict to 1, state folder on 3. Returns the exit code. */
int ms_validate_child(void);

#endif
