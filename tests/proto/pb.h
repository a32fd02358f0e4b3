/* SPDX-License-Identifier: Apache-2.0 */
/* pb.h - writing protobuf by hand, so that tests can say things that no encoder would. */
#ifndef MS_TESTS_PROTO_PB_H
#define MS_TESTS_PROTO_PB_H

#include <check.h>

#include "base/buf.h"
#include "base/bytes.h"
#include "ir/format.h"

void pb_varint(struct ms_buf *b, uint64_t v);
void pb_int(struct ms_buf *b, unsigned number, int64_t v);
void pb_float(struct ms_buf *b, unsigned number, float v);
void pb_bytes(struct ms_buf *b, unsigned number, const void *data, size_t len);
void pb_str(struct ms_buf *b, unsigned number, const char *s);
/* The content of msg as a field of b; msg is freed. */
void pb_msg(struct ms_buf *b, unsigned number, struct ms_buf *msg);
struct ms_buf pb_new(void);

/* ---- ONNX ---- */

/* Attributes, to be appended to a buffer that goes into onnx_node. */
void onnx_attr_int(struct ms_buf *b, const char *name, int64_t v);
void onnx_attr_float(struct ms_buf *b, const char *name, float v);
void onnx_attr_str(struct ms_buf *b, const char *name, const char *v);
void onnx_attr_ints(struct ms_buf *b, const char *name, const int64_t *v, int n);
void onnx_attr_tensor(struct ms_buf *b, const char *name, struct ms_buf *tensor); /* frees it */
void onnx_attr_graph(struct ms_buf *b, const char *name, struct ms_buf *graph);   /* frees it */

/* Appends a node to a graph. in, out: names between commas ("a,,b" leaves the second out). attrs
 * may be NULL, else it is freed. */
void onnx_node_add(struct ms_buf *graph, const char *op, const char *in, const char *out,
                   struct ms_buf *attrs);
/* The same under field `number` with a domain and a name (functions keep nodes in field 7). */
void onnx_node_full(struct ms_buf *to, unsigned number, const char *domain, const char *name,
                    const char *op, const char *in, const char *out, struct ms_buf *attrs);
/* Appends an f32 input (field 11), output (12) or value_info (13); dims below 0 are unnamed. */
void onnx_value(struct ms_buf *graph, unsigned number, const char *name, int rank,
                const int64_t *dims);
void onnx_value_typed(struct ms_buf *graph, unsigned number, const char *name, int elem_type,
                      int rank, const int64_t *dims);
/* A TensorProto with raw data. */
struct ms_buf onnx_raw(const char *name, int type, int rank, const int64_t *dims, const void *data,
                       size_t bytes);
/* A ModelProto; frees graph. rest (may be NULL, freed) is appended: functions and the like. */
struct ms_buf onnx_model(int64_t opset, struct ms_buf *graph, struct ms_buf *rest);

#define DIMS(...)                                                                                  \
    (int)(sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t)), (int64_t[])                         \
    {                                                                                              \
        __VA_ARGS__                                                                                \
    }

/* ---- reading ---- */

/* A model read from bytes; *r is to be given to loaded_done. */
struct loaded {
    ms_code code;
    struct ms_err err;
    struct ms_arena arena;
    struct ms_graph *g;
    struct ms_buf missing;
};
/* Sniffs and reads; with checked, also sorts, checks and infers. src->main is set from model. */
struct loaded load_model(const struct ms_buf *model, struct ms_source *src, bool checked);
void loaded_done(struct loaded *r);
/* "Flatten Softmax": operators in order, into dst. */
const char *ops_of(const struct ms_graph *g, char *dst, size_t size);

/* True if every operator named (spaces between) is linked in; else prints a SKIP line for the test.
 */
bool have_ops(const char *test, const char *names);

/* The folder of test models: $MS_MODELS or ../shared/models beside the sources; NULL and a SKIP
 * line if there is none. */
const char *models_dir(const char *test);

#endif
