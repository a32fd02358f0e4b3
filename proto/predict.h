/* SPDX-License-Identifier: Apache-2.0 */
/* predict.h - the Open Inference Protocol's infer call: bytes to struct ms_request and back.
 *
 * Two wire forms, one struct. Protobuf is read by hand from the pieces in which it arrived: a
 * tensor that lies in one piece and is aligned is used where it is, any other is gathered once.
 * JSON is in json.h. Tensors of a request point into the received bytes or into memory of struct
 * ms_predict; both must live until the request is answered. */
#ifndef MS_PROTO_PREDICT_H
#define MS_PROTO_PREDICT_H

#include "base/arena.h"
#include "base/err.h"
#include "ir/request.h"

enum { MS_PREDICT_TENSORS = 1024 }; /* default of ms_predict.max_tensors */

struct ms_predict_block;

/* Where decoding and encoding put what they make. */
struct ms_predict {
    struct ms_arena *arena; /* structs, names */
    int max_tensors;        /* inputs, and outputs asked for: MS_PREDICT_TENSORS; names are compared
                               pair by pair, so a few thousand at most */
    int max_rank;           /* dimensions of a tensor: MS_MAX_RANK, or less */
    int json_depth;         /* nesting of JSON: MS_JSCAN_DEPTH, or less */
    /* May so many more bytes be held for this call? NULL: yes. */
    bool (*charge)(void *arg, size_t bytes);
    void *arg;
    struct ms_predict_block *blocks; /* big buffers */
};
void ms_predict_init(struct ms_predict *p, struct ms_arena *a);
/* Frees the buffers; not the arena. */
void ms_predict_done(struct ms_predict *p);
/* Bytes aligned to 64 with undefined contents, charged; NULL: err is filled. */
void *ms_predict_alloc(struct ms_predict *p, size_t bytes, struct ms_err *err);

/* Decodes an inference.ModelInferRequest. r must be zeroed but for arena, deadline (the
 * transport's; the parameter `timeout` can only shorten it) and times.received. */
ms_code ms_predict_decode(struct ms_predict *p, const struct ms_bytes *part, int n,
                          struct ms_request *r, struct ms_err *err) MS_WARN_UNUSED;

/* Encodes an inference.ModelInferResponse of an answered request: pieces in the arena, of which the
 * tensors' are the results' own bytes. wrapped: as field infer_response of a
 * ModelStreamInferResponse. */
ms_code ms_predict_encode(struct ms_predict *p, const struct ms_request *r, bool wrapped,
                          struct ms_bytes **part, int *n, struct ms_err *err) MS_WARN_UNUSED;

/* ---- shared with json.c ---- */

/* A parameter's value. */
struct ms_predict_value {
    enum {
        MS_VALUE_NONE,
        MS_VALUE_BOOL,
        MS_VALUE_INT,
        MS_VALUE_UINT,
        MS_VALUE_TEXT,
        MS_VALUE_DOUBLE
    } kind;
    int64_t i; /* BOOL, INT */
    uint64_t u;
    double d;
    struct ms_bytes text;
};
/* Applies one parameter of a request, input or output; unknown ones are ignored, except that names
 * starting with "triton_" (but for the one that perf_analyzer sends) and what is not offered here
 * (shared memory, sequences) are refused. */
ms_code ms_predict_request_param(struct ms_request *r, struct ms_bytes key,
                                 const struct ms_predict_value *v, struct ms_err *err);
ms_code ms_predict_input_param(const char *input, struct ms_bytes key,
                               const struct ms_predict_value *v, int64_t *binary_size,
                               struct ms_err *err);
ms_code ms_predict_output_param(struct ms_req_output *o, struct ms_bytes key,
                                const struct ms_predict_value *v, struct ms_err *err);

/* dtype by its protocol name, dims checked (rank, no negative, bytes do not overflow). */
ms_code ms_predict_describe(const struct ms_predict *p, struct ms_req_tensor *t,
                            struct ms_bytes datatype, const int64_t *dim, size_t rank,
                            struct ms_err *err);
/* Makes a tensor of a described input from its raw little-endian bytes, which come in pieces
 * beginning `skip` bytes into part[0]. Exactly len bytes must be wanted by its shape. */
ms_code ms_predict_raw(struct ms_predict *p, struct ms_req_tensor *t, const struct ms_bytes *part,
                       size_t skip, size_t len, struct ms_err *err);
/* RESOURCE_EXHAUSTED, too large: for more inputs or outputs than max_tensors. */
ms_code ms_predict_too_many(const struct ms_predict *p, struct ms_err *err);
/* No name twice. */
ms_code ms_predict_names(const struct ms_request *r, struct ms_err *err);
/* Raw little-endian bytes of a result: its own, or for text a serialised copy. */
ms_code ms_predict_raw_result(struct ms_predict *p, const struct ms_tensor *t, struct ms_bytes *out,
                              struct ms_err *err);
/* What the request wants of the named output; NULL if it did not say. */
const struct ms_req_output *ms_predict_wish(const struct ms_request *r, const char *name);

/* classify.c: the k best of each row as text "score:index", or "score:index:label" where the result
 * has labels, a new text tensor in *out (struct in the arena). INVALID_ARGUMENT for outputs that
 * hold no numbers. */
ms_code ms_predict_classify(struct ms_predict *p, const struct ms_req_result *r, int k,
                            struct ms_tensor **out, struct ms_err *err);

#endif
