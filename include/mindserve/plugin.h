/* SPDX-License-Identifier: Apache-2.0 */
/* plugin.h - the contract between mindserve and a device plugin (an accelerator's backend).
 *
 * A plugin is a shared object in the folder `plugins` of the package's library folder, owned by
 * root; never anything that was pushed. It exports one symbol:
 *
 *     MINDSERVE_PLUGIN_EXPORT const struct mindserve_plugin *mindserve_plugin(void);
 *
 *     static const struct mindserve_plugin plugin = {
 *         .abi = MINDSERVE_PLUGIN_ABI, .size = sizeof plugin,
 *         .name = "example", .open = open_device, ...
 *     };
 *     const struct mindserve_plugin *mindserve_plugin(void) { return &plugin; }
 *
 * Version of the ABI. The major half (ABI >> 16) changes when a plugin has to be rebuilt; the minor
 * half when members are added at the end of a struct. A host takes plugins of its own major version
 * and a minor one that is not newer; what lies beyond a struct's `size` counts as NULL or 0.
 *
 * Calls come from several threads for different streams, from one thread at a time for one stream.
 * A call that fails returns a code other than 0 (gRPC's canonical numbers, as in mindserve.h) and
 * writes one line into `why` (size bytes, NUL terminated). No exception and no signal leaves a
 * plugin, and it starts no thread that computes on the host. This header includes nothing else of
 * ours. */
#ifndef MINDSERVE_PLUGIN_H
#define MINDSERVE_PLUGIN_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define MINDSERVE_PLUGIN_ABI ((1u << 16) | 0u)
#define MINDSERVE_PLUGIN_EXPORT __attribute__((visibility("default")))
#define MINDSERVE_PLUGIN_MAX_RANK 8

struct mindserve_device;  /* the plugin's: one opened device */
struct mindserve_stream;  /* the plugin's: work in order */
struct mindserve_memory;  /* the plugin's: bytes on the device */
struct mindserve_program; /* the plugin's: an operator made ready for given shapes */

/* A tensor as both sides see it. dtype: numbers of enum mindserve_dtype (1 f32, 2 f64, 3 f16, 4
 * bf16, 5 i8 ... 13 bool). Rows lie one after another, without gaps. */
struct mindserve_plugin_tensor {
    size_t size; /* of this struct */
    int32_t dtype;
    int32_t rank;
    int64_t dim[MINDSERVE_PLUGIN_MAX_RANK];
    struct mindserve_memory *memory; /* NULL while only the shape is meant */
    uint64_t offset;                 /* bytes into memory */
};

/* An attribute: exactly one of the lists is set; n is its length. Text is UTF-8, NUL terminated. */
struct mindserve_plugin_attr {
    size_t size;
    const char *name;
    const int64_t *ints;
    const double *floats;
    const char *const *texts;
    int32_t n;
};

/* One operator to make ready: its name and meaning are ONNX's at the latest opset. Inputs and
 * outputs that are left out have dtype 0. */
struct mindserve_plugin_node {
    size_t size;
    const char *op;
    const struct mindserve_plugin_attr *attr;
    const struct mindserve_plugin_tensor *in, *out;
    int32_t n_attr, n_in, n_out;
};

struct mindserve_plugin_device_info {
    size_t size;
    char name[128];
    uint64_t memory_total, memory_free; /* bytes */
};

struct mindserve_plugin {
    uint32_t abi;      /* MINDSERVE_PLUGIN_ABI of the header it was built with */
    uint32_t reserved; /* 0 */
    size_t size;       /* of this struct */
    const char *name;  /* "cuda": [a-z0-9_-], at most 32 bytes */

    /* Devices of this host; 0 if there are none (that is no error). */
    int32_t (*count)(void);
    int32_t (*open)(int32_t index, struct mindserve_device **out, char *why, size_t why_size);
    void (*close)(struct mindserve_device *d);
    int32_t (*info)(struct mindserve_device *d, struct mindserve_plugin_device_info *out, char *why,
                    size_t why_size);

    /* Memory. Copies are ordered within their stream; host memory stays valid until sync. */
    int32_t (*alloc)(struct mindserve_device *d, uint64_t bytes, struct mindserve_memory **out,
                     char *why, size_t why_size);
    void (*free)(struct mindserve_device *d, struct mindserve_memory *m);
    int32_t (*to_device)(struct mindserve_stream *s, struct mindserve_memory *to, uint64_t offset,
                         const void *from, uint64_t bytes, char *why, size_t why_size);
    int32_t (*to_host)(struct mindserve_stream *s, void *to, const struct mindserve_memory *from,
                       uint64_t offset, uint64_t bytes, char *why, size_t why_size);

    int32_t (*stream_open)(struct mindserve_device *d, struct mindserve_stream **out, char *why,
                           size_t why_size);
    void (*stream_close)(struct mindserve_stream *s);
    /* Waits until everything given to the stream is done; reports what failed on the way. */
    int32_t (*sync)(struct mindserve_stream *s, char *why, size_t why_size);

    /* 1 if the operator runs on this device with these dtypes, shapes and attributes. */
    int32_t (*supports)(struct mindserve_device *d, const struct mindserve_plugin_node *n);
    /* Makes it ready (compiles, packs constants) for the shapes given. */
    int32_t (*prepare)(struct mindserve_device *d, const struct mindserve_plugin_node *n,
                       struct mindserve_program **out, char *why, size_t why_size);
    void (*release)(struct mindserve_device *d, struct mindserve_program *p);
    /* Starts it; in and out have memory. Results do not depend on what else runs. */
    int32_t (*run)(struct mindserve_stream *s, const struct mindserve_program *p,
                   const struct mindserve_plugin_tensor *in, int32_t n_in,
                   const struct mindserve_plugin_tensor *out, int32_t n_out, char *why,
                   size_t why_size);
};

/* The one symbol that is looked up. */
MINDSERVE_PLUGIN_EXPORT const struct mindserve_plugin *mindserve_plugin(void);
typedef const struct mindserve_plugin *(*mindserve_plugin_fn)(void);

#ifdef __cplusplus
}
#endif

#endif
