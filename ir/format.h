/* SPDX-License-Identifier: Apache-2.0 */
/* format.h - a reader of a model format: bytes in, graph out. Registered by proto/ at link time and
 * found here by runtime and the library, which do not see proto/. */
#ifndef MS_IR_FORMAT_H
#define MS_IR_FORMAT_H

#include "base/buf.h"
#include "ir/graph.h"
#include "ir/section.h"

/* Where the bytes of a model come from. Everything handed out stays valid (mapped) until the model
 * is freed; readers make tensors that point into it. */
struct ms_source {
    struct ms_bytes main; /* the model file */
    /* A file beside it, for split models and external data: location is what the model says, taken
     * relative to the model's folder and never outside it. NULL: none are available. */
    ms_code (*open)(void *arg, const char *location, struct ms_bytes *out, struct ms_err *err);
    void *arg;
};

struct ms_read_limits {
    int max_depth;       /* nested protobuf messages: 64 */
    int max_graph_depth; /* sub-graphs: 16 */
    size_t max_nodes;    /* after inlining: 64 x file's nodes + 10000 at most */
    size_t max_name;     /* bytes: 1024 */
    size_t max_heap;     /* bytes for messages and graph: 4 x file + 16 MiB by default */
};
/* The defaults above for a file of that many bytes. */
struct ms_read_limits ms_read_limits_default(size_t file_bytes);

struct ms_format {
    const char *name;     /* "mindir", "onnx" */
    const char *platform; /* as model metadata reports it: "mindspore_mindir", "onnx_onnxv1" */
    const char *suffix;   /* ".mindir" */
    bool (*sniff)(struct ms_bytes file);
    /* Reads into a new main graph in arena a. On refusal the error names node and attribute; for
     * missing operators it names as many as fit, and *missing (may be NULL) gets one line for each
     * node that uses one: "node 17 'conv2': operator Foo is not supported\n". */
    ms_code (*read)(const struct ms_source *src, const struct ms_read_limits *lim,
                    struct ms_arena *a, struct ms_graph **g, struct ms_buf *missing,
                    struct ms_err *err);
};

#define MS_FORMAT(id_)                                                                             \
    static const struct ms_format ms_format_##id_;                                                 \
    MS_SECTION_ADD(ms_formats, ms_format_##id_);                                                   \
    static const struct ms_format ms_format_##id_

/* The format whose sniff accepts the bytes; NULL if none does. */
const struct ms_format *ms_format_sniff(struct ms_bytes file);

#endif
