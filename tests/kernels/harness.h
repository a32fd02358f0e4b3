/* SPDX-License-Identifier: Apache-2.0 */
/* harness.h - runs one operator outside the runtime: for tests of kernels and their benchmark.
 *
 *     struct kt_case c;
 *     kt_begin(&c, "Conv");
 *     kt_in(&c, kt_random(&c, MS_F32, &shape, -1, 1), KT_BATCHED);
 *     kt_in(&c, kt_random(&c, MS_F32, &wshape, -1, 1), KT_CONST);
 *     ms_attr_set_int(c.node, "group", 2);
 *     if (kt_infer(&c, &err) == MS_OK && kt_run(&c, kernel, 0, out, &err)) ...
 *     kt_drop(out, c.node->n_out);
 *     kt_end(&c);
 *
 * Out of memory aborts: this is a test. */
#ifndef MS_TESTS_KERNELS_HARNESS_H
#define MS_TESTS_KERNELS_HARNESS_H

#include "ir/op.h"

enum { KT_MAX = 16 };

enum kt_kind {
    KT_VALUE = 0,
    KT_CONST = 1,   /* known at load: kernels may pack it */
    KT_BATCHED = 2, /* dim 0 is the batch, and so is dim 0 of every output */
};

struct kt_case {
    struct ms_arena arena;
    struct ms_graph *g;
    struct ms_node *node;
    struct ms_tensor *in[KT_MAX]; /* owned; NULL = left out */
    enum kt_kind kind[KT_MAX];
    int n_in;
    struct ms_fact fin[KT_MAX], fout[KT_MAX]; /* after kt_infer */
    uint64_t rng;
    double tol_abs, tol_rel; /* set by a generator to override its row's; 0 = not */
    double tol_floor;        /* allowed whatever the results: rounding of what cancelled out */
    double tol_rms;          /* the same for the root mean square of many; 0: no more is known */
    bool blocked;            /* kt_run: the blocked form, for kernels that serve both */
};

void kt_begin(struct kt_case *c, const char *op, int n_out, uint64_t seed);
void kt_in(struct kt_case *c, struct ms_tensor *t, enum kt_kind kind); /* takes the reference */
void kt_end(struct kt_case *c);

/* Random numbers of the case: a whole number of [lo, hi], a uniform one of [lo, hi). */
int64_t kt_int(struct kt_case *c, int64_t lo, int64_t hi);
double kt_real(struct kt_case *c, double lo, double hi);
bool kt_flip(struct kt_case *c);

/* Tensors: uniform in [lo, hi] (whole numbers for integer types, 0 or 1 for bool); from numbers. */
struct ms_tensor *kt_random(struct kt_case *c, enum ms_dtype t, const struct ms_shape *s, double lo,
                            double hi);
struct ms_tensor *kt_ints(enum ms_dtype t, const int64_t *v, int n); /* 1-d */
struct ms_tensor *kt_scalar(enum ms_dtype t, double v);              /* 0-d */
void kt_set(struct ms_tensor *t, size_t i, double v);

/* Moves operands to addresses that suit their elements and nothing larger, each at random: plain
 * tensors of callers, files and views may begin anywhere else. They end where their memory ends. */
void kt_scatter(struct kt_case *c);

/* Facts of the outputs; what the operator's check and infer refuse comes back as error. */
ms_code kt_infer(struct kt_case *c, struct ms_err *err);

/* The operator's kernels that can run this case on this host, best first, reference last. */
int kt_kernels(struct kt_case *c, const struct ms_kernel **list, int max);

/* Prepares and runs a kernel. split 0: all units in one call; else a seed: the range is cut at
 * random places, the pieces run in random order, and plain outputs lie at addresses that suit no
 * more than their elements. Outputs are new references (NULL where the
 * kernel failed, then false). Memory that a kernel must not rely on is filled with NaN patterns. */
bool kt_run(struct kt_case *c, const struct ms_kernel *k, uint64_t split, struct ms_tensor **out,
            struct ms_err *err);
/* Kernels of blocked tensors get and give those: operands are converted on the way in and out, and
 * the channels of the padding must come out as zeros. The layout that k's instruction set has. */
enum ms_layout kt_layout(const struct ms_kernel *k);
/* The same values in another layout; a new reference. */
struct ms_tensor *kt_convert(const struct ms_tensor *t, enum ms_layout l);
/* As kt_run with everything prepared once, then run `times` times; the fastest, in ns of this
 * thread's time (others use the machine too). -1: failed. cold: constants and what was prepared
 * from them come from memory in every run. */
int64_t kt_time(struct kt_case *c, const struct ms_kernel *k, int times, bool cold,
                struct ms_err *err);
/* The operator's reference kernel. */
const struct ms_kernel *kt_reference(const struct ms_op *op);
void kt_drop(struct ms_tensor **t, int n);

/* The same case with only item i of the batch: constants and attributes alike. */
void kt_item(const struct kt_case *c, int64_t i, struct kt_case *item);

/* Differences: the first element beyond abs(a-b) <= rel * abs(b) + abs * max(abs b) +
 * floor; -1 = none.
 * Integers, bool and strings must be equal, NaN and infinities in the same places. */
int64_t kt_diff(const struct ms_tensor *a, const struct ms_tensor *b, double rel, double abs_max,
                double floor_abs, double *worst);

/* test_act.c: activation functions over all magnitudes; the number of failures. */
int kt_check_acts(bool verbose);

/* ---- rows of check_kernels ---- */

/* How to make random cases of an operator: one row an operator, in the test file of its family. */
struct kt_row {
    const char *op; /* NULL ends the table */
    /* Builds a case; NULL: the generic one for elementwise operators, whose inputs are uniform in
     * [lo, hi]. */
    void (*gen)(struct kt_case *c);
    double rel, abs; /* allowed difference to the reference, see kt_diff */
    double floor;    /* and this much whatever the results */
    double lo, hi;   /* both 0: -4, 4 */
    /* A case for --bench; NULL = none. i from 0 until false. */
    bool (*bench)(struct kt_case *c, int i);
};
#define KT_ROWS(id_)                                                                               \
    static const struct kt_row id_[];                                                              \
    static const struct kt_row *const id_##_first = id_;                                           \
    MS_SECTION_ADD(kt_rows, id_##_first);                                                          \
    static const struct kt_row id_[]

/* A random member of a set; of rank `rank` a shape with dims in [lo, hi]. */
enum ms_dtype kt_dtype(struct kt_case *c, ms_dtypes set);
struct ms_shape kt_shape(struct kt_case *c, int rank, int64_t lo, int64_t hi);

#endif
