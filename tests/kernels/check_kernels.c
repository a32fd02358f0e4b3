/* SPDX-License-Identifier: Apache-2.0 */
/* check_kernels.c - every kernel of every operator against its reference.
 *
 * Walks the operator registry. For random cases of each operator it runs all kernels that this CPU
 * can run and checks that
 *   - results agree with the MS_ISA_ANY reference within the operator's error,
 *   - running the units in one call or in random pieces and order gives the same bits,
 *   - an item's result has the same bits alone as within its batch.
 * Operators without a row in a table and without the elementwise trait are named and counted.
 *
 *     check_kernels [--cases N] [--seed S] [--op NAME] [--bench [--op NAME]] [--seconds T] */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "tests/kernels/harness.h"

extern const void *const __start_kt_rows[];
extern const void *const __stop_kt_rows[];

enum { MAX_KERNELS = 24 };

static struct {
    long cases, checks, refused, failed, skipped;
    uint64_t seed;
    bool verbose;
} total;

static const struct kt_row *row_of(const char *op)
{
    ms_section_each (kt_rows, it)
        for (const struct kt_row *r = *(const struct kt_row *const *)*it; r->op; r++)
            if (strcmp(r->op, op) == 0)
                return r;
    return NULL;
}

/* ---- generic cases ---- */

/* One dtype for all inputs that may have it; later inputs broadcast to the first. */
static void gen_elementwise(struct kt_case *c, const struct kt_row *row)
{
    const struct ms_op *op = c->node->op;
    enum ms_dtype t = kt_dtype(c, op->in[0] ? op->in[0] : MS_FLOATS);
    double lo = row && (row->lo != 0 || row->hi != 0) ? row->lo : -4;
    double hi = row && (row->lo != 0 || row->hi != 0) ? row->hi : 4;
    int max = op->max_in < 0 ? op->min_in + 2 : op->max_in;
    int n = (int)kt_int(c, op->min_in, max);
    struct ms_shape s = kt_shape(c, (int)kt_int(c, 0, 4), 1, 9);

    if (s.rank > 0 && kt_flip(c))
        s.dim[s.rank - 1] = kt_int(c, 1, 70);
    const bool channels = s.rank >= 3 && kt_int(c, 0, 2) == 0; /* for the blocked form */
    if (channels)
        s.dim[1] = kt_flip(c) ? 16 * kt_int(c, 1, 2) : kt_int(c, 5, 20);
    if (kt_int(c, 0, 30) == 0 && s.rank > 0)
        s.dim[0] = 0;
    for (int i = 0; i < n; i++) {
        struct ms_shape b = s;
        ms_dtypes allowed = ms_op_in_dtypes(op, i);
        enum ms_dtype ti = !allowed || (allowed >> t & 1) ? t : kt_dtype(c, allowed);
        bool constant = channels && i > 0 && kt_flip(c);
        if (constant) { /* one number, or one a channel */
            for (int d = 0; d < b.rank; d++)
                b.dim[d] = d == 1 && kt_int(c, 0, 3) ? b.dim[d] : 1;
        } else if (channels && i > 0 && kt_flip(c)) {
            for (int d = 2; d < b.rank; d++) /* one pixel for all */
                b.dim[d] = kt_flip(c) ? 1 : b.dim[d];
        } else if (i > 0) {
            int drop = (int)kt_int(c, 0, b.rank);
            drop = kt_flip(c) ? 0 : drop;
            memmove(b.dim, b.dim + drop, sizeof b.dim - (size_t)drop * sizeof *b.dim);
            b.rank -= drop;
            for (int d = 0; d < b.rank; d++)
                if (kt_int(c, 0, 2) == 0)
                    b.dim[d] = 1;
        }
        kt_in(c, kt_random(c, ti, &b, lo, hi), constant ? KT_CONST : KT_VALUE);
    }
}

/* ---- one case ---- */

static void report(const struct kt_case *c, const struct ms_kernel *k, uint64_t seed,
                   const char *what)
{
    char a[128], b[128];

    total.failed++;
    printf("FAIL %s kernel %s: %s (--op %s --seed %llu --cases 1)\n", c->node->op->name,
           k ? k->name : "-", what, c->node->op->name, (unsigned long long)seed);
    for (int i = 0; i < c->n_in; i++)
        if (c->in[i])
            printf("     in %d: %s %s\n", i, ms_dtype_name(c->in[i]->dtype),
                   ms_shape_text(a, sizeof a, &c->in[i]->shape, NULL));
    for (int i = 0; i < c->node->n_attrs; i++) {
        const struct ms_attr *at = &c->node->attrs[i];
        printf("     %s:", at->name);
        if (at->type == MS_ATTR_INT)
            printf(" %lld", (long long)at->i);
        for (int k2 = 0; at->type == MS_ATTR_INTS && k2 < at->n; k2++)
            printf(" %lld", (long long)at->ints[k2]);
        if (at->type == MS_ATTR_STRING)
            printf(" %s", (const char *)at->s.data);
        if (at->type == MS_ATTR_FLOAT)
            printf(" %g", at->f);
        printf("\n");
    }
    for (int i = 0; i < c->node->n_out; i++)
        printf("     out %d: %s %s\n", i, ms_dtype_name(c->fout[i].dtype),
               ms_shape_text(b, sizeof b, &c->fout[i].shape, NULL));
}

static double rel_of(const struct kt_case *c, const struct kt_row *row, enum ms_dtype t)
{
    double rel = c->tol_rel > 0 ? c->tol_rel : row ? row->rel : 0;

    if (t == MS_F16)
        return rel + 0x1p-10;
    if (t == MS_BF16)
        return rel + 0x1p-7;
    return rel + (t == MS_F64 ? 1e-12 : 3e-7);
}

static double abs_of(const struct kt_case *c, const struct kt_row *row)
{
    return (c->tol_abs > 0 ? c->tol_abs : row ? row->abs : 0) + 1e-37;
}

/* The norm of all differences against that of the results. */
static void compare_norms(const struct kt_case *c, const struct ms_kernel *k,
                          const struct ms_tensor *y, const struct ms_tensor *ref, double rel,
                          uint64_t seed)
{
    const double floor = c->tol_rms > 0 ? c->tol_rms : c->tol_floor;
    size_t n = ms_tensor_count(ref);
    double error = 0, norm = 0;
    char text[200];

    for (size_t i = 0; i < n; i++) {
        double d = ms_tensor_f64(y, i) - ms_tensor_f64(ref, i);
        error += d * d;
        norm += ms_tensor_f64(ref, i) * ms_tensor_f64(ref, i);
    }
    total.checks++;
    if (sqrt(error) <= rel * sqrt(norm) + floor * sqrt((double)n))
        return;
    snprintf(text, sizeof text, "the error's norm is %.3g, the result's %.3g, of %zu elements",
             sqrt(error), sqrt(norm), n);
    report(c, k, seed, text);
}

enum { MANY = 1000 }; /* elements, for their mean square to be near what is expected */

/* Output i of k against the reference's. */
static void compare(const struct kt_case *c, const struct kt_row *row, const struct ms_kernel *k,
                    struct ms_tensor **y, struct ms_tensor **ref, uint64_t seed)
{
    char text[200];

    for (int i = 0; i < c->node->n_out; i++) {
        if (k->inexact) {
            compare_norms(c, k, y[i], ref[i], 1e-5, seed);
            continue;
        }
        if (c->tol_rms > 0 && ref[i]->dtype == MS_F32 && ms_tensor_count(ref[i]) >= MANY)
            compare_norms(c, k, y[i], ref[i], 3e-7, seed);
        double worst, rel = rel_of(c, row, ref[i]->dtype);
        int64_t at = kt_diff(y[i], ref[i], rel, abs_of(c, row),
                             c->tol_floor + (row ? row->floor : 0), &worst);
        total.checks++;
        if (at < 0)
            continue;
        snprintf(text, sizeof text, "output %d element %lld is %.9g, reference %.9g", i,
                 (long long)at, ms_tensor_f64(y[i], (size_t)at), ms_tensor_f64(ref[i], (size_t)at));
        report(c, k, seed, text);
    }
}

static bool same_bits(const struct ms_tensor *a, const struct ms_tensor *b)
{
    return a->bytes == b->bytes && memcmp(a->data, b->data, a->bytes) == 0;
}

static void check_split(struct kt_case *c, const struct ms_kernel *k, struct ms_tensor **y,
                        uint64_t seed)
{
    struct ms_tensor *z[KT_MAX] = {0};
    struct ms_err err = {0};

    if (!kt_run(c, k, seed * 2 + 1, z, &err)) {
        report(c, k, seed, err.text);
        return;
    }
    for (int i = 0; i < c->node->n_out; i++, total.checks++)
        if (!same_bits(z[i], y[i]))
            report(c, k, seed, "the split of units changes the result");
    kt_drop(z, c->node->n_out);
}

static void check_item(struct kt_case *c, const struct ms_kernel *k, struct ms_tensor **y,
                       uint64_t seed)
{
    struct kt_case one;
    struct ms_tensor *z[KT_MAX] = {0};
    struct ms_err err = {0};
    int64_t n = 0;

    for (int i = 0; i < c->n_in; i++)
        if (c->in[i] && c->kind[i] == KT_BATCHED)
            n = c->in[i]->shape.dim[0];
    if (n < 2)
        return;
    int64_t at = (int64_t)(seed % (uint64_t)n);
    kt_item(c, at, &one);
    kt_scatter(&one);
    one.blocked = c->blocked;
    if (kt_infer(&one, &err) != MS_OK || !kt_run(&one, k, 0, z, &err)) {
        report(c, k, seed, err.text);
    } else {
        for (int i = 0; i < c->node->n_out; i++, total.checks++)
            if (memcmp(z[i]->data, (const uint8_t *)y[i]->data + (size_t)at * z[i]->bytes,
                       z[i]->bytes) != 0)
                report(c, k, seed, "an item of the batch differs from the item alone");
        kt_drop(z, c->node->n_out);
    }
    kt_end(&one);
}

static void check_kernel(struct kt_case *c, const struct kt_row *row, const struct ms_kernel *k,
                         struct ms_tensor **ref, uint64_t seed)
{
    struct ms_tensor *y[KT_MAX] = {0};
    struct ms_err err = {0};

    if (!kt_run(c, k, 0, y, &err)) {
        report(c, k, seed, err.text);
        return;
    }
    compare(c, row, k, y, ref, seed);
    check_split(c, k, y, seed);
    check_item(c, k, y, seed);
    kt_drop(y, c->node->n_out);
}

static void one_case(const struct ms_op *op, const struct kt_row *row, uint64_t seed)
{
    const struct ms_kernel *list[MAX_KERNELS];
    struct ms_tensor *ref[KT_MAX] = {0};
    struct kt_case c;
    struct ms_err err = {0};

    kt_begin(&c, op->name, op->max_out < 0 || op->min_out == op->max_out ? op->min_out : 1, seed);
    if (row && row->gen)
        row->gen(&c);
    else
        gen_elementwise(&c, row);
    kt_scatter(&c);
    total.cases++;
    if (kt_infer(&c, &err) != MS_OK) {
        total.refused++;
        if (total.verbose)
            printf("refused %s (seed %llu): %s\n", op->name, (unsigned long long)seed, err.text);
        kt_end(&c);
        return;
    }
    int n = kt_kernels(&c, list, MAX_KERNELS);
    if (n == 0) {
        report(&c, NULL, seed, "no kernel takes this case");
    } else if (!kt_run(&c, list[n - 1], 0, ref, &err)) {
        total.refused++;
        if (total.verbose)
            printf("refused while running %s (seed %llu): %s\n", op->name, (unsigned long long)seed,
                   err.text);
    } else {
        for (int i = 0; i < n; i++)
            check_kernel(&c, row, list[i], ref, seed);
        c.blocked = (op->traits & MS_ANY_LAYOUT) && list[0]->dtypes >> MS_F32 & 1 &&
                    ms_node_blocked(c.node);
        for (int i = 0; c.blocked && i < n; i++)
            if (list[i]->isa != MS_ISA_ANY && !list[i]->blocked)
                check_kernel(&c, row, list[i], ref, seed);
        kt_drop(ref, op->max_out < 0 ? c.node->n_out : c.node->n_out);
    }
    kt_end(&c);
}

/* ---- hostile attributes ---- */

static int64_t hostile_int(struct kt_case *c)
{
    static const int64_t list[] = {0,  -1, 1,       2,         3,         -3,        7,
                                   64, -9, 1 << 20, INT32_MAX, INT32_MIN, INT64_MAX, INT64_MIN};

    return list[kt_int(c, 0, (int64_t)(sizeof list / sizeof *list) - 1)];
}

/* One attribute of the table gets numbers that nobody should send. */
static void spoil(struct kt_case *c)
{
    const struct ms_attr_spec *s = c->node->op->attrs;
    int64_t v[8];
    int n = 0;

    while (s && s[n].name)
        n++;
    if (n == 0)
        return;
    s += kt_int(c, 0, n - 1);
    n = (int)kt_int(c, 0, 7);
    for (int i = 0; i < n; i++)
        v[i] = kt_flip(c) ? hostile_int(c) : 1;
    if (s->type == MS_ATTR_INT)
        ms_attr_set_int(c->node, s->name, hostile_int(c));
    else if (s->type == MS_ATTR_INTS)
        ms_attr_set_ints(c->node, s->name, v, n);
    else if (s->type == MS_ATTR_FLOAT)
        ms_attr_set_float(c->node, s->name, kt_flip(c) ? 0 : -1e38);
}

/* Whatever passes the checks must run without harm; what it gives is not looked at. */
static void hostile_case(const struct ms_op *op, const struct kt_row *row, uint64_t seed)
{
    const struct ms_kernel *list[MAX_KERNELS];
    struct ms_err err = {0};
    struct kt_case c;
    size_t size = 0, all = 0;

    kt_begin(&c, op->name, op->max_out < 0 || op->min_out == op->max_out ? op->min_out : 1, seed);
    if (row && row->gen)
        row->gen(&c);
    else
        gen_elementwise(&c, row);
    spoil(&c);
    kt_scatter(&c);
    if (kt_infer(&c, &err) == MS_OK) {
        for (int i = 0; i < c.node->n_out; i++)
            if (!ms_shape_count(&c.fout[i].shape, &size) || (all += size) > 1 << 16)
                all = 1 << 20;
        int n = all <= 1 << 16 ? kt_kernels(&c, list, MAX_KERNELS) : 0;
        for (int i = 0; i < n; i++) {
            struct ms_tensor *y[KT_MAX] = {0};
            if (kt_run(&c, list[i], 0, y, &err))
                kt_drop(y, c.node->n_out);
        }
    }
    total.checks++;
    kt_end(&c);
}

static void check_op(const struct ms_op *op, long cases, uint64_t seed, int64_t until)
{
    const struct kt_row *row = row_of(op->name);
    long refused = total.refused, before = total.cases;

    if (!op->kernels || (!row && !(op->traits & MS_ELEMENTWISE))) {
        total.skipped++;
        printf("skip %s: %s\n", op->name, op->kernels ? "no cases" : "no kernels");
        return;
    }
    for (long i = 0; i < cases && ms_now() < until; i++)
        one_case(op, row, seed + (uint64_t)i);
    for (long i = 0; op->attrs && i < cases && ms_now() < until; i++)
        hostile_case(op, row, seed + (uint64_t)i);
    if (total.cases - before > 4 && (total.refused - refused) * 10 > (total.cases - before) * 9)
        printf("note %s: nearly all cases refused\n", op->name);
}

/* ---- benchmark ---- */

static void bench_op(const struct ms_op *op, const struct kt_row *row)
{
    const struct ms_kernel *list[MAX_KERNELS];
    struct ms_err err = {0};
    char a[96], b[96];

    for (int i = 0;; i++) {
        struct kt_case c;
        kt_begin(&c, op->name, 1, 1);
        if (!row->bench(&c, i)) {
            kt_end(&c);
            return;
        }
        if (kt_infer(&c, &err) != MS_OK) {
            printf("%s: %s\n", op->name, err.text);
            kt_end(&c);
            continue;
        }
        double flops = op->cost ? op->cost(c.node, c.fin, c.fout)
                                : (double)ms_shape_span(&c.fout[0].shape, 0, c.fout[0].shape.rank);
        double bytes = (double)ms_shape_span(&c.fout[0].shape, 0, c.fout[0].shape.rank) * 4;
        for (int k = 0; k < c.n_in; k++)
            bytes += c.in[k] ? (double)c.in[k]->bytes : 0;
        int n = kt_kernels(&c, list, MAX_KERNELS);
        for (int k = 0; k < n; k++) {
            if (list[k]->isa == MS_ISA_ANY && flops > 3e7)
                continue;
            int64_t ns = kt_time(&c, list[k], flops > 1e9 ? 5 : 40, false, &err);
            printf("%-24s %-26s %-22s %9.1f us %7.1f GF/s %6.1f GB/s\n", list[k]->name,
                   ms_shape_text(a, sizeof a, &c.in[0]->shape, NULL),
                   c.n_in > 1 && c.in[1] ? ms_shape_text(b, sizeof b, &c.in[1]->shape, NULL) : "",
                   (double)ns * 1e-3, flops / (double)ns, bytes / (double)ns);
            fflush(stdout);
        }
        kt_end(&c);
    }
}

int main(int argc, char **argv)
{
    long cases = 60;
    double seconds = 20;
    const char *only = NULL;
    bool bench = false;

    for (int i = 1; i < argc; i++) {
        const char *v = i + 1 < argc ? argv[i + 1] : "";
        if (strcmp(argv[i], "--cases") == 0)
            cases = atol(v);
        else if (strcmp(argv[i], "--seed") == 0)
            total.seed = strtoull(v, NULL, 0);
        else if (strcmp(argv[i], "--op") == 0)
            only = v;
        else if (strcmp(argv[i], "--seconds") == 0)
            seconds = atof(v);
        bench |= strcmp(argv[i], "--bench") == 0;
        total.verbose |= strcmp(argv[i], "--verbose") == 0;
    }
    size_t n_ops = 0;
    while (ms_op_at(n_ops))
        n_ops++;
    int64_t end = ms_now() + (int64_t)(seconds * 1e9);
    for (size_t i = 0; i < n_ops; i++) {
        const struct ms_op *op = ms_op_at(i);
        const struct kt_row *row = row_of(op->name);
        if (only && strcmp(only, op->name) != 0)
            continue;
        int64_t now = ms_now(); /* an even share of what is left */
        if (bench && row && row->bench)
            bench_op(op, row);
        else if (!bench)
            check_op(op, cases, total.seed, now + (end - now) / (int64_t)(only ? 1 : n_ops - i));
    }
    if (bench)
        return 0;
    if (!only || strcmp(only, "activations") == 0)
        total.failed += kt_check_acts(total.verbose);
    printf("%s: %zu operators, %ld cases, %ld checks, %ld refused, %ld without cases, %ld failed\n",
           ms_isa_name(ms_cpu()->isa), n_ops, total.cases, total.checks, total.refused,
           total.skipped, total.failed);
    return total.failed ? 1 : 0;
}
