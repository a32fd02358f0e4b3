/* SPDX-License-Identifier: Apache-2.0 */
/* mindserve.h - the library: run models in this process, or in a daemon, with the same calls.
 *
 *     struct mindserve *ms;
 *     struct mindserve_error err;
 *     struct mindserve_options where = MINDSERVE_OPTIONS_INIT;
 *
 *     where.server = "127.0.0.1:8001";              // leave out: models run in this process
 *     if (mindserve_open(&where, &ms, &err))
 *         die(err.text);
 *     mindserve_deploy(ms, "digits.onnx", NULL, NULL, &err);
 *
 *     const int64_t shape[] = {1, 1, 28, 28};
 *     struct mindserve_tensor *x = mindserve_tensor_new(MINDSERVE_F32, 4, shape);
 *     memcpy(mindserve_tensor_data(x), pixels, mindserve_tensor_bytes(x));
 *
 *     struct mindserve_named in = {NULL, x};        // no name: the model's first input
 *     struct mindserve_outputs *out;
 *     if (mindserve_infer(ms, "digits", 0, &in, 1, NULL, &out, &err) == MINDSERVE_OK) {
 *         const float *y = mindserve_tensor_data(out->output[0].tensor);
 *         ...
 *         mindserve_outputs_free(out);
 *     }
 *     mindserve_tensor_free(x);
 *     mindserve_close(ms);
 *
 * Rules that hold everywhere
 * - A call that can fail returns a code, MINDSERVE_OK (0) for success, and fills *err (which may be
 *   NULL) with one line that names the thing and the place. Results are only set on success.
 * - Structs given back are read only and the library's; each has its _free, which takes NULL. Text
 * in them is UTF-8 as it came from the file or the network: escape it before showing it to a
 * person.
 * - Option structs start with their size; make them with the _INIT macros, so that a program built
 *   against this header works with later libraries.
 * - Handles may be used by many threads at once, except by _close and _free.
 * - Nothing is printed, no signal is touched, no global state is kept.
 *
 * Link with `pkg-config --cflags --libs libmindserve`. */
#ifndef MINDSERVE_MINDSERVE_H
#define MINDSERVE_MINDSERVE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define MINDSERVE_API __attribute__((visibility("default")))

/* "0.1.0" */
MINDSERVE_API const char *mindserve_version(void);

/* ---- errors ------------------------------------------------------------------------------- */

/* gRPC's canonical codes. */
typedef enum mindserve_code {
    MINDSERVE_OK = 0,
    MINDSERVE_CANCELLED = 1,
    MINDSERVE_UNKNOWN = 2,
    MINDSERVE_INVALID_ARGUMENT = 3,
    MINDSERVE_DEADLINE_EXCEEDED = 4,
    MINDSERVE_NOT_FOUND = 5,
    MINDSERVE_ALREADY_EXISTS = 6,
    MINDSERVE_PERMISSION_DENIED = 7,
    MINDSERVE_RESOURCE_EXHAUSTED = 8,
    MINDSERVE_FAILED_PRECONDITION = 9,
    MINDSERVE_ABORTED = 10,
    MINDSERVE_OUT_OF_RANGE = 11,
    MINDSERVE_UNIMPLEMENTED = 12,
    MINDSERVE_INTERNAL = 13,
    MINDSERVE_UNAVAILABLE = 14,
    MINDSERVE_DATA_LOSS = 15,
    MINDSERVE_UNAUTHENTICATED = 16
} mindserve_code;

struct mindserve_error {
    mindserve_code code;
    bool unreachable; /* the server could not be reached, so nothing is known of the call */
    char text[512];   /* one line, NUL terminated, safe to print */
};

/* "INVALID_ARGUMENT" and so on; never NULL. */
MINDSERVE_API const char *mindserve_code_name(mindserve_code code);

/* ---- tensors ------------------------------------------------------------------------------ */

enum mindserve_dtype {
    MINDSERVE_NONE = 0,
    MINDSERVE_F32 = 1,
    MINDSERVE_F64 = 2,
    MINDSERVE_F16 = 3,
    MINDSERVE_BF16 = 4,
    MINDSERVE_I8 = 5,
    MINDSERVE_I16 = 6,
    MINDSERVE_I32 = 7,
    MINDSERVE_I64 = 8,
    MINDSERVE_U8 = 9,
    MINDSERVE_U16 = 10,
    MINDSERVE_U32 = 11,
    MINDSERVE_U64 = 12,
    MINDSERVE_BOOL = 13, /* one byte, 0 or 1 */
    MINDSERVE_STRING = 14
};
#define MINDSERVE_MAX_RANK 8

MINDSERVE_API size_t mindserve_dtype_size(enum mindserve_dtype t);      /* bytes; 0 for STRING */
MINDSERVE_API const char *mindserve_dtype_name(enum mindserve_dtype t); /* "f32" */
MINDSERVE_API const char *mindserve_dtype_oip(enum mindserve_dtype t);  /* "FP32" */
MINDSERVE_API enum mindserve_dtype mindserve_dtype_from_name(const char *name); /* either form */

/* A dtype, a shape, and elements row after row in one piece of memory, in this host's byte order.
 */
struct mindserve_tensor;

/* All zero (or empty strings). rank 0 .. 8, each dim >= 0. NULL when memory is out or the size does
 * not fit. */
MINDSERVE_API struct mindserve_tensor *mindserve_tensor_new(enum mindserve_dtype t, int rank,
                                                            const int64_t *dim);
/* Drops one reference; tensors in results are freed with the result. */
MINDSERVE_API void mindserve_tensor_free(struct mindserve_tensor *t);
/* Another reference, for keeping a tensor longer than the result it came in. */
MINDSERVE_API struct mindserve_tensor *mindserve_tensor_ref(struct mindserve_tensor *t);

MINDSERVE_API enum mindserve_dtype mindserve_tensor_dtype(const struct mindserve_tensor *t);
MINDSERVE_API int mindserve_tensor_rank(const struct mindserve_tensor *t);
MINDSERVE_API const int64_t *mindserve_tensor_dims(const struct mindserve_tensor *t);
MINDSERVE_API size_t mindserve_tensor_count(const struct mindserve_tensor *t); /* elements */
MINDSERVE_API size_t mindserve_tensor_bytes(const struct mindserve_tensor *t); /* 0 for STRING */
/* The elements: to be written before the tensor is first given to a call, read after that. NULL for
 * STRING and when there are none. */
MINDSERVE_API void *mindserve_tensor_data(struct mindserve_tensor *t);
/* Element i as a number, whatever its dtype; NaN for STRING. */
MINDSERVE_API double mindserve_tensor_number(const struct mindserve_tensor *t, size_t i);
/* Sets element i; floats are rounded to the dtype. False, and nothing is changed, when the dtype
 * cannot hold the value (a fraction or something too large for an integer) or is STRING. */
MINDSERVE_API bool mindserve_tensor_set_number(struct mindserve_tensor *t, size_t i, double v);
MINDSERVE_API bool mindserve_tensor_set_integer(struct mindserve_tensor *t, size_t i, int64_t v);
/* Element i of a STRING tensor (bytes, followed by a NUL that *len does not count). */
MINDSERVE_API const char *mindserve_tensor_string(const struct mindserve_tensor *t, size_t i,
                                                  size_t *len);
/* Copies len bytes; false when memory is out. */
MINDSERVE_API bool mindserve_tensor_set_string(struct mindserve_tensor *t, size_t i,
                                               const void *bytes, size_t len);

/* Reads a serialised ONNX TensorProto. */
MINDSERVE_API mindserve_code mindserve_tensor_from_pb(const void *bytes, size_t len,
                                                      struct mindserve_tensor **out,
                                                      struct mindserve_error *err);

/* ---- where models run --------------------------------------------------------------------- */

struct mindserve;

/* How a layer's algorithm is chosen when a model is loaded. */
enum mindserve_tuning {
    MINDSERVE_TUNING_MODEL,  /* by what each should cost */
    MINDSERVE_TUNING_OFF,    /* a fixed order */
    MINDSERVE_TUNING_MEASURE /* by running them, which takes time */
};

struct mindserve_options {
    size_t size;
    const char *server;               /* "HOST:PORT" or "unix:PATH" (gRPC); NULL: in this process */
    int threads;                      /* in this process: workers; 0 = what the machine offers */
    int64_t connect_ms;               /* remote: bound on reaching the server; 0 = 5000 */
    const char *token_file;           /* remote: bearer token; NULL = none */
    const char *ca_file;              /* remote: TLS with these roots; NULL = no TLS */
    const char *cert_file, *key_file; /* remote: client certificate */
    size_t max_message;               /* remote: bytes of one reply; 0 = no bound */
    enum mindserve_tuning tuning;     /* in this process */
    bool exact; /* in this process: no algorithm that rounds otherwise than sums of products */
};
#define MINDSERVE_OPTIONS_INIT                                                                     \
    {                                                                                              \
        .size = sizeof(struct mindserve_options)                                                   \
    }

/* Starts workers, or prepares a connection: the server is first contacted by the first call. opts
 * NULL: the defaults. */
MINDSERVE_API mindserve_code mindserve_open(const struct mindserve_options *opts,
                                            struct mindserve **out, struct mindserve_error *err);
/* Ends everything; no call may be running. Results keep their tensors. */
MINDSERVE_API void mindserve_close(struct mindserve *ms);

/* ---- models in and out -------------------------------------------------------------------- */

/* How a picture becomes a tensor; what clients use that accept image files. */
struct mindserve_image {
    bool given;               /* false: all defaults */
    bool nhwc;                /* axes [N,H,W,C]; default [N,C,H,W] */
    const char *channels;     /* "gray", "rgb" (default), "bgr" */
    double scale;             /* value = (pixel * scale - mean) / std; 0 = 1/255 */
    const double *mean, *std; /* none, one, or one for each channel */
    int n_mean, n_std;
    bool invert; /* 255 - pixel first */
};

struct mindserve_config {
    size_t size;
    int batching;            /* 1 on, -1 off, 0 when the model's batch axis allows it */
    uint32_t batch_max;      /* items along the batch axis; 0 = the server's default */
    uint64_t batch_delay_us; /* time a batch may wait to fill */
    uint32_t max_queue;      /* requests; 0 = the server's default */
    uint64_t timeout_us;     /* deadline of requests that bring none; 0 = none */
    uint64_t memory_budget;  /* bytes; 0 = the server's default */
    const char *passes;      /* "all" (NULL), "none", or names: "all,-fold" */
    const char *const *input_names, *const *output_names; /* new names, in order */
    int n_input_names, n_output_names;
    const char *const *labels; /* of a classifier, by index */
    int n_labels;
    struct mindserve_image image;
};
#define MINDSERVE_CONFIG_INIT                                                                      \
    {                                                                                              \
        .size = sizeof(struct mindserve_config)                                                    \
    }

struct mindserve_deploy_options {
    size_t size;
    const char *name;                      /* NULL: the file's stem */
    uint64_t version;                      /* 0: the last + 1 */
    const struct mindserve_config *config; /* NULL: all defaults */
    bool dry_run;                          /* report operators and memory, keep nothing */
    bool no_wait;      /* remote: return when the bytes are stored, do not wait for the load */
    bool report;       /* in this process: count operators also when it is no dry run */
    bool no_self_test; /* in this process: skip warm-up and self-test */
    /* Called from the deploying thread: bytes while step is "hash" or "send", load steps after.
     * Return false to give up (CANCELLED; a daemon keeps the bytes for a while, so that the next
     * attempt resumes). NULL: no progress. */
    bool (*progress)(void *arg, const char *step, uint64_t done, uint64_t total);
    void *progress_arg;
};
#define MINDSERVE_DEPLOY_INIT                                                                      \
    {                                                                                              \
        .size = sizeof(struct mindserve_deploy_options)                                            \
    }

struct mindserve_operator {
    const char *name;
    uint32_t count;
    bool supported;
};

struct mindserve_deployed {
    const char *name;
    uint64_t version;
    bool unchanged;     /* the same bytes and configuration were there already */
    const char *digest; /* sha256 of the manifest; "" in this process */
    uint64_t load_ms;
    uint64_t memory;      /* bytes that the version holds */
    uint64_t sent, total; /* remote: bytes sent now, bytes of all files (the rest was there) */
    const struct mindserve_operator *operators; /* dry run, or report: by name */
    int n_operators;
    const char *missing; /* dry run: what is not supported, a line for each node; else "" */
    void *owner;
};

/* Loads a model file (ONNX or MindIR, with the weight files beside it that it names) and makes it
 * live under its name when it is ready; what was live before stays so until then, and also when
 * this fails. Remote: the bytes are streamed; what the server has already is not sent again. out
 * may be NULL. A dry run that finds operators missing succeeds: see missing. */
MINDSERVE_API mindserve_code mindserve_deploy(struct mindserve *ms, const char *path,
                                              const struct mindserve_deploy_options *opts,
                                              struct mindserve_deployed **out,
                                              struct mindserve_error *err);
MINDSERVE_API void mindserve_deployed_free(struct mindserve_deployed *d);

struct mindserve_versions {
    const uint64_t *version;
    int n;
    void *owner;
};

/* Takes a version out, or with version 0 all of them. out (may be NULL): which. */
MINDSERVE_API mindserve_code mindserve_undeploy(struct mindserve *ms, const char *name,
                                                uint64_t version, struct mindserve_versions **out,
                                                struct mindserve_error *err);
MINDSERVE_API void mindserve_versions_free(struct mindserve_versions *v);

/* Makes the version live that was live before the present one. */
MINDSERVE_API mindserve_code mindserve_rollback(struct mindserve *ms, const char *name,
                                                uint64_t *now, uint64_t *from,
                                                struct mindserve_error *err);

/* ---- running ------------------------------------------------------------------------------ */

struct mindserve_named {
    const char *name; /* NULL among inputs: the input at this position */
    struct mindserve_tensor *tensor;
};

struct mindserve_infer_options {
    size_t size;
    int64_t timeout_ms;         /* 0 = none */
    const char *const *outputs; /* which ones, NULL = all, in the model's order */
    int n_outputs;
    const char *id; /* remote: echoed in logs; NULL = none */
};
#define MINDSERVE_INFER_INIT                                                                       \
    {                                                                                              \
        .size = sizeof(struct mindserve_infer_options)                                             \
    }

struct mindserve_outputs {
    const struct mindserve_named *output;
    int n;
    const char *version; /* that answered */
    void *owner;
};

/* One request. inputs hold either names everywhere or nowhere. The tensors stay the caller's and
 * must not change during the call. version 0: the live one. opts may be NULL. */
MINDSERVE_API mindserve_code mindserve_infer(struct mindserve *ms, const char *name,
                                             uint64_t version, const struct mindserve_named *inputs,
                                             int n_inputs,
                                             const struct mindserve_infer_options *opts,
                                             struct mindserve_outputs **out,
                                             struct mindserve_error *err);
MINDSERVE_API void mindserve_outputs_free(struct mindserve_outputs *o);

struct mindserve_step {
    const char *op, *node, *kernel; /* operator, the node's name in the graph, what ran it */
    uint64_t ns;                    /* over all runs */
    uint64_t runs;
    double flops;   /* of one run */
    uint64_t bytes; /* read and written by one run */
};

struct mindserve_profile {
    const struct mindserve_step *step; /* in the order of the graph */
    int n;
    uint64_t total_ns; /* of all runs, wall clock */
    int runs;
    void *owner;
};

/* Runs `runs` times with every step timed. Only in this process (UNIMPLEMENTED elsewhere). */
MINDSERVE_API mindserve_code mindserve_profile(struct mindserve *ms, const char *name,
                                               uint64_t version,
                                               const struct mindserve_named *inputs, int n_inputs,
                                               int runs, struct mindserve_profile **out,
                                               struct mindserve_error *err);
MINDSERVE_API void mindserve_profile_free(struct mindserve_profile *p);

/* ---- asking ------------------------------------------------------------------------------- */

struct mindserve_model {
    const char *name;
    uint64_t version;
    bool live;
    bool previous;               /* what rollback would make live */
    const char *state;           /* READY LOADING UNLOADING UNAVAILABLE */
    const char *reason;          /* of UNAVAILABLE; "" */
    const char *format;          /* "onnx", "mindir" */
    uint64_t file_bytes, memory; /* of its files; held now */
    const char *digest;
    int64_t created; /* seconds since 1970 */
    uint64_t requests, failures;
};

struct mindserve_models {
    const struct mindserve_model *model; /* by name, then version */
    int n;
    void *owner;
};

MINDSERVE_API mindserve_code mindserve_list(struct mindserve *ms, struct mindserve_models **out,
                                            struct mindserve_error *err);
MINDSERVE_API void mindserve_models_free(struct mindserve_models *m);

struct mindserve_port {
    const char *name;
    enum mindserve_dtype dtype;
    int rank;           /* -1: not known before a request comes */
    const int64_t *dim; /* -1 = variable */
    const char *shape;  /* "[N,1,28,28]": with the names of variable dims where they are known */
};

struct mindserve_pass {
    const char *name;
    uint32_t changed, nodes_before, nodes_after;
    uint64_t bytes_before, bytes_after; /* of constants; 0 from a daemon */
    uint64_t ns;
};

struct mindserve_memory {
    uint64_t weights; /* in the mapped files, shared with the page cache */
    uint64_t packed, plans, graph;
    uint64_t run_peak; /* of one run with the first plan */
};

struct mindserve_info {
    struct mindserve_model model;
    const struct mindserve_port *inputs, *outputs;
    int n_inputs, n_outputs;
    bool batching;
    uint32_t max_batch;
    uint64_t max_delay_us;
    const struct mindserve_pass *passes;
    int n_passes;
    struct mindserve_memory memory;
    const char *graph; /* the optimised graph as text, if it was asked for; else "" */
    const struct mindserve_model *versions; /* all of the name */
    int n_versions;
    const char *const *labels;
    int n_labels;
    struct mindserve_image image;
    void *owner;
};

/* What a model is. version 0: the live one. */
MINDSERVE_API mindserve_code mindserve_show(struct mindserve *ms, const char *name,
                                            uint64_t version, bool graph,
                                            struct mindserve_info **out,
                                            struct mindserve_error *err);
MINDSERVE_API void mindserve_info_free(struct mindserve_info *i);

/* The graph as "text", "dot" or "json"; a daemon gives text only. Free *text with
 * mindserve_text_free. */
MINDSERVE_API mindserve_code mindserve_graph(struct mindserve *ms, const char *name,
                                             uint64_t version, const char *format, char **text,
                                             size_t *len, struct mindserve_error *err);
MINDSERVE_API void mindserve_text_free(char *text);

/* The i-th pass in the order they run: its name, and what it does in *help (may be NULL). NULL
 * beyond the last. */
MINDSERVE_API const char *mindserve_pass_name(int i, const char **help);

struct mindserve_status {
    const char *version;
    uint64_t uptime_s, pid;
    const char *isa; /* "avx512", "avx2", "generic" */
    uint32_t threads;
    uint64_t rss; /* bytes */
    uint32_t models_ready, models_total;
    uint64_t requests, failures, rejected, queued;
    const char *state;                 /* "ready", "draining", "read-only" */
    const char *http, *grpc, *metrics; /* addresses; "" in this process */
    uint64_t store_bytes;
    void *owner;
};

MINDSERVE_API mindserve_code mindserve_status(struct mindserve *ms, struct mindserve_status **out,
                                              struct mindserve_error *err);
MINDSERVE_API void mindserve_status_free(struct mindserve_status *s);

/* ---- a daemon's store (UNIMPLEMENTED in this process) --------------------------------------- */

struct mindserve_store_report {
    uint32_t blobs; /* read again and compared with their digests, or removed */
    uint64_t bytes;
    const char *const *problems;
    int n_problems;
    void *owner;
};

MINDSERVE_API mindserve_code mindserve_store_check(struct mindserve *ms,
                                                   struct mindserve_store_report **out,
                                                   struct mindserve_error *err);
/* Removes what no version refers to. */
MINDSERVE_API mindserve_code mindserve_store_gc(struct mindserve *ms,
                                                struct mindserve_store_report **out,
                                                struct mindserve_error *err);
MINDSERVE_API void mindserve_store_report_free(struct mindserve_store_report *r);

#ifdef __cplusplus
}
#endif

#endif
