/* SPDX-License-Identifier: Apache-2.0 */
/* util.h - models written as graph text, for tests of the runtime. */
#ifndef MS_TESTS_RUNTIME_UTIL_H
#define MS_TESTS_RUNTIME_UTIL_H

#include "runtime/registry.h"

/* Loads the text form of a graph (format "text" is registered by util.c). NULL: *err says why. */
struct ms_model *load_text(struct ms_engine *e, const char *text, const struct ms_model_opts *o,
                           struct ms_err *err);
/* The same, which must succeed. */
struct ms_model *must_load(struct ms_engine *e, const char *text);
struct ms_engine *must_engine(int threads);

struct ms_tensor *tensor_f32(const float *v, int rank, const int64_t *dim);
#define f32_of(v_, ...)                                                                            \
    tensor_f32((v_), (int)(sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t)),                    \
               (int64_t[]){__VA_ARGS__})
/* Pseudo-random values in [-1, 1). */
struct ms_tensor *tensor_random(uint64_t seed, int rank, const int64_t *dim);
#define random_of(seed_, ...)                                                                      \
    tensor_random((seed_), (int)(sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t)),              \
                  (int64_t[]){__VA_ARGS__})

/* How often release callbacks of sources were called. */
extern atomic_int releases;

#endif
