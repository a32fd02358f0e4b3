/* SPDX-License-Identifier: Apache-2.0 */
/* conv.c - every algorithm on every shape, and what the choice at load made of it.
 *
 *     bench_conv [--cap BYTES] [--json FILE] [--seconds S] [--net NAME]
 *
 * Shapes are those of known networks and odd ones from a fixed seed. Each candidate that this host
 * could run is timed on one thread (fastest of several calls, candidates taking turns); the choice
 * is the one the runtime makes when a model is loaded. Regret is the chosen one's time over the
 * best one's, warm (weights in the cache from the call before) and cold (weights from memory, as in
 * a network whose weights do not stay in the cache). Beside it: the regret of always taking patches
 * into a packed product, what a bound on scratch (--cap) does to the choice, and direct convolution
 * against the peak of multiply-adds that a loop on registers reaches in the same run. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/peak.h"
#include "runtime/kernel.h"
#include "tests/kernels/harness.h"

enum { MAX_SHAPES = 512, MAX_KERNELS = 16, ODD = 150 };

struct shape {
    const char *net;
    int ic, oc, k, stride, h, w, group, times; /* times: how often a network has it */
};

/* Stems and depthwise layers are kernels of their own without a choice. */
static const struct shape known[] = {
    /* ResNet-50 */
    {"resnet50", 64, 64, 1, 1, 56, 56, 1, 1},
    {"resnet50", 64, 64, 3, 1, 56, 56, 1, 3},
    {"resnet50", 64, 256, 1, 1, 56, 56, 1, 4},
    {"resnet50", 256, 64, 1, 1, 56, 56, 1, 2},
    {"resnet50", 256, 128, 1, 1, 56, 56, 1, 1},
    {"resnet50", 128, 128, 3, 2, 56, 56, 1, 1},
    {"resnet50", 128, 512, 1, 1, 28, 28, 1, 4},
    {"resnet50", 256, 512, 1, 2, 56, 56, 1, 1},
    {"resnet50", 512, 128, 1, 1, 28, 28, 1, 3},
    {"resnet50", 128, 128, 3, 1, 28, 28, 1, 3},
    {"resnet50", 512, 256, 1, 1, 28, 28, 1, 1},
    {"resnet50", 256, 256, 3, 2, 28, 28, 1, 1},
    {"resnet50", 256, 1024, 1, 1, 14, 14, 1, 6},
    {"resnet50", 512, 1024, 1, 2, 28, 28, 1, 1},
    {"resnet50", 1024, 256, 1, 1, 14, 14, 1, 5},
    {"resnet50", 256, 256, 3, 1, 14, 14, 1, 5},
    {"resnet50", 1024, 512, 1, 1, 14, 14, 1, 1},
    {"resnet50", 512, 512, 3, 2, 14, 14, 1, 1},
    {"resnet50", 512, 2048, 1, 1, 7, 7, 1, 3},
    {"resnet50", 1024, 2048, 1, 2, 14, 14, 1, 1},
    {"resnet50", 2048, 512, 1, 1, 7, 7, 1, 2},
    {"resnet50", 512, 512, 3, 1, 7, 7, 1, 2},
    /* VGG-19 */
    {"vgg19", 64, 64, 3, 1, 224, 224, 1, 1},
    {"vgg19", 64, 128, 3, 1, 112, 112, 1, 1},
    {"vgg19", 128, 128, 3, 1, 112, 112, 1, 1},
    {"vgg19", 128, 256, 3, 1, 56, 56, 1, 1},
    {"vgg19", 256, 256, 3, 1, 56, 56, 1, 3},
    {"vgg19", 256, 512, 3, 1, 28, 28, 1, 1},
    {"vgg19", 512, 512, 3, 1, 28, 28, 1, 3},
    {"vgg19", 512, 512, 3, 1, 14, 14, 1, 4},
    /* ResNeXt, ShuffleNet */
    {"grouped", 128, 128, 3, 1, 56, 56, 32, 1},
    {"grouped", 256, 256, 3, 1, 28, 28, 32, 1},
    {"grouped", 512, 512, 3, 1, 14, 14, 32, 1},
    {"grouped", 240, 240, 1, 1, 28, 28, 3, 1},
};

/* Families: every combination of the lists. */
struct family {
    const char *net;
    int ic[6], oc[6], k[3], stride[2], side[4];
};
static const struct family families[] = {
    {"mobilenet", {16, 32, 96, 144, 192, 384}, {16, 24, 64, 96}, {1}, {1}, {112, 56, 28, 14}},
    {"inception", {192, 256, 480}, {32, 64, 96, 192}, {1, 3}, {1}, {28, 14}},
    {"inception", {24, 32, 48}, {64, 128}, {5}, {1}, {28, 14}},
    {"yolo", {32, 128, 512}, {64, 256}, {3}, {1, 2}, {104, 52, 26, 13}},
    {"factored", {64, 128}, {96, 192}, {7}, {1}, {17, 35}},
    {"wide", {32, 64}, {32, 64}, {7, 9, 11}, {1}, {28, 56}},
};

static struct shape list[MAX_SHAPES];
static int n_list;

static void put(struct shape s)
{
    if (n_list < MAX_SHAPES)
        list[n_list++] = s;
}

#define EACH(v_, a_) for (size_t v_ = 0; v_ < sizeof(a_) / sizeof *(a_) && (a_)[v_]; v_++)

static void make_shapes(void)
{
    struct kt_case rng = {.rng = 12345};

    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        put(known[i]);
    for (size_t f = 0; f < sizeof families / sizeof *families; f++) {
        const struct family *m = &families[f];
        EACH(a, m->ic)
        EACH(b, m->oc)
        EACH(c, m->k)
        EACH(d, m->stride)
        EACH(e, m->side)
        put((struct shape){m->net, m->ic[a], m->oc[b], m->k[c], m->stride[d], m->side[e],
                           m->side[e], 1, 1});
    }
    for (int i = 0; i < ODD; i++) {
        const int k = (int)kt_int(&rng, 1, 5);

        put((struct shape){"odd", (int)kt_int(&rng, 5, 300), (int)kt_int(&rng, 5, 300), k,
                           (int)kt_int(&rng, 1, 2), (int)kt_int(&rng, k, 70),
                           (int)kt_int(&rng, k, 70), 1, 1});
    }
}

/* ---- one shape ---- */

struct result {
    double ns[2][MAX_KERNELS]; /* warm, cold */
    const char *name[MAX_KERNELS];
    int n, chosen, capped, gemm, direct;
    size_t scratch; /* of the capped one */
    double flops;
};

static void make_case(struct kt_case *c, const struct shape *s)
{
    const struct ms_shape x = ms_shape_make(1, s->ic, s->h, s->w);
    const struct ms_shape w = ms_shape_make(s->oc, s->ic / s->group, s->k, s->k);
    const struct ms_shape b = ms_shape_make(s->oc);
    const int64_t pad = s->k / 2;

    kt_begin(c, "Conv", 1, 7);
    kt_in(c, kt_random(c, MS_F32, &x, -1, 1), KT_BATCHED);
    kt_in(c, kt_random(c, MS_F32, &w, -1, 1), KT_CONST);
    kt_in(c, kt_random(c, MS_F32, &b, -1, 1), KT_CONST);
    ms_attr_set_ints(c->node, "strides", (int64_t[]){s->stride, s->stride}, 2);
    ms_attr_set_ints(c->node, "pads", (int64_t[]){pad, pad, pad, pad}, 4);
    ms_attr_set_int(c->node, "group", s->group);
}

/* Bytes of scratch that a call of the chosen kernel would ask for. */
static size_t scratch_of(const struct kt_case *c, const struct ms_choice *got)
{
    struct ms_tensor t[4] = {0}, *in[3] = {&t[0], &t[1], &t[2]}, *out[1] = {&t[3]};
    const struct ms_task task = {
        .node = c->node, .state = got->state, .in = in, .out = out, .n_in = 3, .n_out = 1};
    const unsigned form = got->kernel->blocked ? ms_node_blocked(c->node) : 0;

    for (int i = 0; i < 4; i++) {
        const struct ms_fact *f = i < 3 ? &c->fin[i] : &c->fout[0];
        const unsigned bit = i < 3 ? MS_BLOCKED_IN(i) : MS_BLOCKED_OUT;

        t[i].dtype = f->dtype;
        t[i].shape = f->shape;
        t[i].layout = form & bit ? kt_layout(got->kernel) : MS_PLAIN;
    }
    return got->kernel->scratch ? got->kernel->scratch(&task) : 0;
}

/* What the runtime would take, as an index into list; -1 if it is not among them. */
static int choice(struct kt_case *c, const struct ms_kernel *const *k, int n, size_t cap,
                  size_t *scratch)
{
    const struct ms_choose how = {.threads = 1, .workspace = cap};
    struct ms_packed packed;
    struct ms_choice got;
    struct ms_err err;
    int found = -1;

    ms_packed_init(&packed, NULL, (size_t)4 << 30);
    c->node->out[0]->layout = ms_node_blocked(c->node) ? MS_BLOCKED_LAYOUT : MS_PLAIN;
    if (ms_kernel_choose(c->node, c->fin, c->fout, &how, &packed, &got, &err) == MS_OK)
        for (int i = 0; i < n; i++)
            found = k[i] == got.kernel ? i : found;
    *scratch = found >= 0 ? scratch_of(c, &got) : 0;
    c->node->out[0]->layout = MS_PLAIN;
    ms_packed_done(&packed);
    return found;
}

static bool measure(const struct shape *s, struct result *r, double seconds, size_t cap)
{
    const struct ms_kernel *k[MAX_KERNELS];
    struct ms_err err = {0};
    struct kt_case c;
    int n = 0;

    memset(r, 0, sizeof *r);
    r->gemm = r->direct = -1;
    make_case(&c, s);
    if (kt_infer(&c, &err) == MS_OK)
        n = kt_kernels(&c, k, MAX_KERNELS);
    for (int i = 0; i < n; i++) /* of this host's instruction set, without the reference */
        if (k[i]->isa == ms_cpu()->isa && (k[i]->isa != MS_ISA_ANY || i == n - 1))
            k[r->n++] = k[i];
    r->flops = 2.0 * s->oc * (s->ic / s->group) * s->k * s->k *
               (double)ms_shape_span(&c.fout[0].shape, 2, 4);
    const int times = (int)fmin(200, fmax(3, seconds * 30e9 / r->flops));
    for (int round = 0; round < 3; round++)
        for (int i = 0; i < 2 * r->n; i++) {
            const bool cold = i >= r->n;
            double *best = &r->ns[cold][i % r->n];
            const double ns =
                (double)kt_time(&c, k[i % r->n], cold ? (times + 3) / 4 : times, cold, &err);
            if (ns > 0 && (!round || ns < *best))
                *best = ns;
        }
    for (int i = 0; i < r->n; i++) {
        r->name[i] = k[i]->name;
        r->gemm = strstr(k[i]->name, "conv_gemm") ? i : r->gemm;
        r->direct = strstr(k[i]->name, "conv_direct") ? i : r->direct;
    }
    r->chosen = choice(&c, k, r->n, 0, &r->scratch);
    r->capped = choice(&c, k, r->n, cap, &r->scratch);
    kt_end(&c);
    return r->n > 0 && r->chosen >= 0;
}

/* ---- the report ---- */

static int by_value(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;

    return x < y ? -1 : x > y;
}

static double best_of(const struct result *r, int cold)
{
    double best = HUGE_VAL;

    for (int i = 0; i < r->n; i++)
        best = r->ns[cold][i] > 0 && r->ns[cold][i] < best ? r->ns[cold][i] : best;
    return best;
}

static void regret(const char *what, const struct result *r, int n, int step, int cold,
                   int (*which)(const struct result *))
{
    double v[MAX_SHAPES], sum = 0;
    int k = 0;

    for (int i = step - 1; i < n; i += step)
        if (which(&r[i]) >= 0)
            v[k++] = r[i].ns[cold][which(&r[i])] / best_of(&r[i], cold);
    for (int i = 0; i < k; i++)
        sum += v[i];
    qsort(v, (size_t)k, sizeof *v, by_value);
    if (k)
        printf("%-44s %s, %4d shapes, mean %.3f, median %.3f, p95 %.3f, worst %.3f\n", what,
               cold ? "cold" : "warm", k, sum / k, v[k / 2], v[(int)(k * 0.95)], v[k - 1]);
}

static int chosen(const struct result *r)
{
    return r->chosen;
}

static int gemm(const struct result *r)
{
    return r->gemm;
}

static int capped(const struct result *r)
{
    return r->capped;
}

static void wins(const struct result *r, int n)
{
    struct {
        const char *name;
        int won[2], taken;
    } row[MAX_KERNELS * 2];
    int rows = 0;

    for (int i = 0; i < n; i++)
        for (int k = 0; k < r[i].n; k++) {
            int at = 0;
            while (at < rows && strcmp(row[at].name, r[i].name[k]) != 0)
                at++;
            if (at == rows && rows < MAX_KERNELS * 2)
                row[rows++].name = r[i].name[k], memset(row[at].won, 0, sizeof row[at].won),
                row[at].taken = 0;
            for (int cold = 0; cold < 2; cold++)
                row[at].won[cold] += r[i].ns[cold][k] == best_of(&r[i], cold);
            row[at].taken += r[i].chosen == k;
        }
    for (int i = 0; i < rows; i++)
        printf("%-30s fastest on %4d warm, %4d cold, chosen on %4d\n", row[i].name, row[i].won[0],
               row[i].won[1], row[i].taken);
}

static void resnet(const struct result *r, int n, double top)
{
    double flops = 0, ns = 0, took[2] = {0};

    for (int i = 0; i < n; i++)
        if (strcmp(list[i].net, "resnet50") == 0 && r[i].direct >= 0) {
            flops += r[i].flops * list[i].times;
            ns += r[i].ns[0][r[i].direct] * list[i].times;
            took[0] += r[i].ns[0][r[i].chosen] * list[i].times;
            took[1] += r[i].ns[1][r[i].chosen] * list[i].times;
        }
    if (ns > 0 && top > 0)
        printf("ResNet-50 without its stem: direct %.2f ms, %.1f GF/s, %.1f %% of the peak of "
               "%.1f; chosen %.2f ms, %.2f cold\n",
               ns / 1e6, flops / ns, 100 * flops / ns / top, top, took[0] / 1e6, took[1] / 1e6);
}

static void write_times(FILE *f, const struct result *r, const char *name, int cold)
{
    fprintf(f, ",\"%s\":{", name);
    for (int k = 0; k < r->n; k++)
        fprintf(f, "%s\"%s\":%.2f", k ? "," : "", r->name[k], r->ns[cold][k] / 1e3);
    fprintf(f, "}");
}

static void write_json(const char *path, const struct result *r, int n, double top)
{
    FILE *f = fopen(path, "w");

    if (!f) {
        fprintf(stderr, "bench_conv: cannot write %s\n", path);
        return;
    }
    fprintf(f, "{\"cpu\":\"%s\",\"peak_gflops\":%.2f,\"shapes\":[", ms_cpu()->model, top);
    for (int i = 0; i < n; i++) {
        const struct shape *s = &list[i];
        fprintf(f,
                "%s\n{\"net\":\"%s\",\"ic\":%d,\"oc\":%d,\"k\":%d,\"stride\":%d,\"h\":%d,\"w\":%d,",
                i ? "," : "", s->net, s->ic, s->oc, s->k, s->stride, s->h, s->w);
        fprintf(f, "\"group\":%d,\"chosen\":\"%s\"", s->group, r[i].name[r[i].chosen]);
        write_times(f, &r[i], "us", 0);
        write_times(f, &r[i], "cold_us", 1);
        fprintf(f, "}");
    }
    fprintf(f, "\n]}\n");
    fclose(f);
}

int main(int argc, char **argv)
{
    static struct result r[MAX_SHAPES];
    const char *json = NULL, *net = NULL;
    double seconds = 0.004;
    size_t cap = 1 << 20;
    int n = 0, violations = 0;

    for (int i = 1; i + 1 < argc; i += 2) {
        if (strcmp(argv[i], "--json") == 0)
            json = argv[i + 1];
        else if (strcmp(argv[i], "--cap") == 0)
            cap = strtoull(argv[i + 1], NULL, 10);
        else if (strcmp(argv[i], "--seconds") == 0)
            seconds = atof(argv[i + 1]);
        else if (strcmp(argv[i], "--net") == 0)
            net = argv[i + 1];
    }
    make_shapes();
    double top = 0;
    for (int i = 0; i < n_list; i++) {
        if (net && strcmp(list[i].net, net) != 0)
            continue;
        if (measure(&list[i], &r[n], seconds, cap))
            list[n++] = list[i];
        else
            violations++;
        if (n % 16 == 1 || top == 0) /* again and again: others use this machine too */
            top = fmax(top, ms_peak_core());
    }
    printf("%s, one thread, %d shapes, peak of multiply-adds %.1f GF/s\n", ms_cpu()->model, n, top);
    wins(r, n);
    for (int cold = 0; cold < 2; cold++) {
        regret("the choice at load", r, n, 1, cold, chosen);
        regret("  every third shape (nothing was fitted to it)", r, n, 3, cold, chosen);
        regret("always patches into a packed product", r, n, 1, cold, gemm);
        regret("with a bound on scratch", r, n, 1, cold, capped);
    }
    int over = 0;
    for (int i = 0; i < n; i++)
        over += r[i].capped < 0 || r[i].scratch > cap;
    printf("%-44s %4d shapes over %zu bytes\n", "", over, cap);
    resnet(r, n, top);
    if (json)
        write_json(json, r, n, top);
    if (violations)
        printf("%d shapes got no kernel\n", violations);
    return violations != 0;
}
