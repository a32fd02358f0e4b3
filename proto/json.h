/* SPDX-License-Identifier: Apache-2.0 */
/* json.h - the infer call's REST body to struct ms_request and back.
 *
 * With the binary tensor extension the first header_len bytes are JSON and the rest are the raw
 * bytes of the inputs that say binary_data_size, in their order. NaN and infinities are read as
 * strings or bare words and written as strings. FP16 and BF16 travel as binary only. */
#ifndef MS_PROTO_JSON_H
#define MS_PROTO_JSON_H

#include "proto/predict.h"

/* body must live until the request is answered. header_len: of the header Inference-Header-Content-
 * Length, body.len without it (all JSON). r as for ms_predict_decode; model and version come from
 * the path and are left alone. */
ms_code ms_json_decode(struct ms_predict *p, struct ms_bytes body, size_t header_len,
                       struct ms_request *r, struct ms_err *err) MS_WARN_UNUSED;

/* Pieces of the reply: JSON, then the binary outputs. *header_len is the JSON's length where binary
 * outputs follow, 0 where all is JSON. */
ms_code ms_json_encode(struct ms_predict *p, const struct ms_request *r, struct ms_bytes **part,
                       int *n, size_t *header_len, struct ms_err *err) MS_WARN_UNUSED;

#endif
