/* SPDX-License-Identifier: Apache-2.0 */
/* request.h - one inference request, as the wire gives it to the runtime and back.
 *
 * Crosses proto/ (decode, encode) and runtime/ (queue, run), which do not see each other. Lives in
 * the call's arena. */
#ifndef MS_IR_REQUEST_H
#define MS_IR_REQUEST_H

#include "ir/tensor.h"

struct ms_req_tensor {
    const char *name;        /* NULL in a positional request (raw body): the i-th input */
    struct ms_tensor tensor; /* borrows data from the call's arena or the received bytes */
};

struct ms_req_output {
    const char *name;
    bool binary; /* REST: as bytes, not JSON */
    int classes; /* classification: k best as text; 0 = off */
};

/* Filled by the runtime, one for each output of the model that was asked for, in that order. */
struct ms_req_result {
    const char *name;         /* borrowed from the model */
    struct ms_tensor *tensor; /* a reference held by the request; dropped by ms_request_done */
    const char *const
        *labels; /* of classes, by index; borrowed from the model until done returns */
    int n_labels;
};

struct ms_req_times { /* ns, monotonic; 0 = not reached */
    int64_t received, queued, started, compute_start, compute_end, done;
    int batch; /* items along the batch axis of the run that served it, 0 if it never ran */
};

struct ms_request {
    const char *model;   /* NUL terminated */
    const char *version; /* "" = the live one */
    const char *id;      /* echoed; may be "" */
    struct ms_req_tensor *in;
    int n_in;
    struct ms_req_output *want; /* outputs asked for; n_want 0 = all */
    int n_want;
    bool binary_default; /* REST: outputs without a wish are binary */
    int64_t deadline;    /* monotonic ns; MS_NEVER = none */
    uint64_t priority;
    int64_t here; /* ns that the submitting thread may be kept for the run itself; 0: not at all */

    /* out */
    struct ms_req_result *out; /* array in the call's arena, made by the runtime */
    int n_out;
    char out_version[24]; /* of the model that answered */
    char out_digest[65];  /* its content, as hex; "" if it has none */
    struct ms_req_times times;

    /* runtime's own */
    struct ms_arena *arena; /* of the call; the runtime allocates results from it */
    void *runtime;          /* queue item */
};

/* Drops the references to results. */
void ms_request_done(struct ms_request *r);

#endif
