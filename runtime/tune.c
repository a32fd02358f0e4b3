/* SPDX-License-Identifier: Apache-2.0 */
/* tune.c - runs the algorithms of one layer against each other.
 *
 * A layer's weights are not in the caches when its turn comes: the other layers' have passed
 * through since. So before each timed run as many bytes are read as the model has weights (at most
 * EVICT). The least of a few runs counts: others only ever make a run slower. */
#include "runtime/tune.h"

#include <pthread.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "ir/graph.h"
#include "runtime/kernel.h"
#include "runtime/tune_book.h"

enum { RUNS = 4, MAX_OPERANDS = 8, EVICT = 32 << 20, MAX_LAYER = 512 << 20 };
#define LONG_RUN (40 * MS_MS) /* one timed run is enough */
#define MAX_FLOPS 50e9        /* a second or so: such a layer is not tried */
#define GAIN 0.97             /* the preferred kernel stays unless another is so much faster */

struct ms_tuner {
    pthread_mutex_t lock;
    char *path;
    bool opened, complained;
    struct ms_tune_book book;
    struct ms_tuner_stats stats;
    uint8_t *evict;
};

struct ms_tuner *ms_tuner_new(const char *path)
{
    struct ms_tuner *t = ms_calloc(1, sizeof *t);

    if (t && path && !(t->path = ms_strdup(path))) {
        ms_free(t);
        return NULL;
    }
    if (t) {
        pthread_mutex_init(&t->lock, NULL);
        ms_tune_book_init(&t->book);
    }
    return t;
}

void ms_tuner_free(struct ms_tuner *t)
{
    if (!t)
        return;
    ms_tune_book_done(&t->book);
    pthread_mutex_destroy(&t->lock);
    ms_free(t->evict);
    ms_free(t->path);
    ms_free(t);
}

void ms_tuner_stats(struct ms_tuner *t, struct ms_tuner_stats *out)
{
    pthread_mutex_lock(&t->lock);
    *out = t->stats;
    pthread_mutex_unlock(&t->lock);
}

void ms_tuner_save(struct ms_tuner *t)
{
    int rc = 0;

    pthread_mutex_lock(&t->lock);
    ms_free(t->evict);
    t->evict = NULL;
    if (t->path && t->book.changed)
        rc = ms_tune_book_write(&t->book, t->path);
    bool complain = rc != 0 && !t->complained;
    t->complained |= complain;
    pthread_mutex_unlock(&t->lock);
    if (complain)
        ms_log(MS_LOG_WARN, "tune", NULL, "what was measured cannot be kept: %s", strerror(-rc));
}

/* ---- a layer's name ---- */

static void name_shape(struct ms_buf *b, const struct ms_fact *f, enum ms_layout l)
{
    ms_buf_printf(b, " %s", ms_dtype_name(f->dtype));
    for (int i = 0; i < f->shape.rank; i++)
        ms_buf_printf(b, "%c%lld", i ? 'x' : ':', (long long)f->shape.dim[i]);
    if (l != MS_PLAIN)
        ms_buf_printf(b, "b%d", (int)l);
}

static void name_attr(struct ms_buf *b, const struct ms_attr *a)
{
    if (a->type == MS_ATTR_INT)
        ms_buf_printf(b, " %s=%lld", a->name, (long long)a->i);
    else if (a->type == MS_ATTR_INTS)
        for (int i = 0; i < a->n; i++)
            ms_buf_printf(b, "%s%s%lld", i ? "," : " ", i ? "" : a->name, (long long)a->ints[i]);
}

/* What the time of a layer depends on: operands, integer attributes, workers. */
static bool name_layer(struct ms_buf *b, const struct ms_node *n, const struct ms_fact *in,
                       struct ms_tensor *const *t, int threads)
{
    ms_buf_puts(b, n->op->name);
    for (int i = 0; i < n->n_in; i++)
        if (t[i])
            name_shape(b, &in[i], t[i]->layout);
        else
            ms_buf_puts(b, " -");
    for (int i = 0; i < n->n_attrs; i++)
        name_attr(b, &n->attrs[i]);
    ms_buf_printf(b, " threads=%d", threads);
    return ms_buf_ok(b);
}

/* ---- one trial ---- */

struct trial {
    const struct ms_prep *prep;
    const struct ms_tune_limits *lim;
    struct ms_fact in[MAX_OPERANDS], out[MAX_OPERANDS]; /* with a size for the batch */
    struct ms_tensor *x[MAX_OPERANDS], *y[MAX_OPERANDS];
    size_t bytes;
    atomic_bool stop;
    struct ms_ctl ctl;
};

static void on_fail(struct ms_ctl *c, const struct ms_node *n, ms_code code, const char *text)
{
    (void)n;
    (void)code;
    (void)text;
    atomic_store((atomic_bool *)(uintptr_t)c->stop, true);
}

static bool sized(struct ms_fact *f)
{
    for (int i = 0; i < f->shape.rank; i++) {
        if (ms_is_sym(f->shape.dim[i]) && i == 0)
            f->shape.dim[i] = 1;
        if (ms_is_sym(f->shape.dim[i]))
            return false;
    }
    return f->shape.rank >= 0 && f->dtype != MS_STRING && f->dtype != MS_DTYPE_NONE;
}

/* Numbers near one hundredth in every float format: no zeros, which a product may be quick with,
 * and nothing that overflows. */
static struct ms_tensor *make(struct trial *t, const struct ms_fact *f, enum ms_layout l)
{
    size_t bytes;

    if (!ms_tensor_size(f->dtype, l, &f->shape, &bytes) || bytes > MAX_LAYER ||
        t->bytes + bytes > t->lim->room)
        return NULL;
    t->bytes += bytes;
    struct ms_tensor *x = ms_tensor_new_as(f->dtype, l, &f->shape);
    if (x && bytes)
        memset(x->data, 0x3c, bytes);
    return x;
}

static enum ms_layout layout_of(const struct ms_value *v)
{
    return v ? ms_layout_host(v->layout) : MS_PLAIN;
}

static bool make_operands(struct trial *t)
{
    const struct ms_node *n = t->prep->node;

    if (n->n_in > MAX_OPERANDS || n->n_out > MAX_OPERANDS ||
        n->op->traits & (MS_OUT_BY_KERNEL | MS_SUBGRAPHS))
        return false;
    for (int i = 0; i < n->n_in; i++) {
        t->in[i] = t->prep->in[i];
        if (!n->in[i].value)
            continue;
        if (t->in[i].value)
            t->x[i] = ms_tensor_ref((struct ms_tensor *)(uintptr_t)t->in[i].value);
        else if (!sized(&t->in[i]) || !(t->x[i] = make(t, &t->in[i], layout_of(n->in[i].value))))
            return false;
    }
    for (int i = 0; i < n->n_out; i++) {
        t->out[i] = t->prep->out[i];
        if (!sized(&t->out[i]) || !(t->y[i] = make(t, &t->out[i], layout_of(n->out[i]))))
            return false;
    }
    return true;
}

static void drop_operands(struct trial *t)
{
    for (int i = 0; i < MAX_OPERANDS; i++) {
        ms_tensor_unref(t->x[i]);
        ms_tensor_unref(t->y[i]);
    }
}

static bool out_of_time(const struct ms_tune_limits *lim)
{
    return (lim->cancel && atomic_load_explicit(lim->cancel, memory_order_relaxed)) ||
           (lim->deadline != MS_NEVER && ms_now() > lim->deadline);
}

/* Reads as much as a model's other layers would. */
static void evict(struct ms_tuner *t, size_t weights)
{
    size_t n = weights < EVICT ? weights : EVICT;
    uint64_t sum = 0;

    if (!t->evict && (t->evict = ms_malloc(EVICT)))
        memset(t->evict, 1, EVICT); /* else all of it were the one page of zeros */
    for (size_t i = 0; t->evict && i < n; i += 64)
        sum += *(const volatile uint8_t *)(t->evict + i);
    (void)sum;
}

static int64_t run_once(const struct ms_kernel *k, struct ms_task *task)
{
    int64_t start = ms_now();

    k->run(task);
    return ms_now() - start;
}

static int64_t time_task(struct ms_tuner *tuner, struct trial *t, const struct ms_kernel *k,
                         struct ms_task *task)
{
    int64_t best = run_once(k, task); /* touches everything: only an upper bound */

    for (int i = 0; i < (best > LONG_RUN ? 1 : RUNS) && !out_of_time(t->lim); i++) {
        evict(tuner, t->lim->weights);
        int64_t ns = run_once(k, task);
        best = i == 0 || ns < best ? ns : best;
    }
    return atomic_load(&t->stop) ? MS_NEVER : best;
}

/* ns of one call on one thread; MS_NEVER when the kernel cannot do it. */
static int64_t time_kernel(struct ms_tuner *tuner, struct trial *t, const struct ms_kernel *k)
{
    struct ms_packed packed;
    struct ms_prep p = *t->prep;
    struct ms_err ignored;
    const void *state = NULL;
    int64_t ns = MS_NEVER;

    ms_packed_init(&packed, NULL, t->lim->room - t->bytes);
    p.arg = &packed; /* what a loser packs is not kept */
    p.in = t->in;
    p.out = t->out;
    if (!k->prepare || k->prepare(&p, &state, &ignored) == MS_OK) {
        struct ms_task task = {.node = p.node,
                               .state = state,
                               .in = t->x,
                               .out = t->y,
                               .n_in = p.node->n_in,
                               .n_out = p.node->n_out,
                               .ctl = &t->ctl};
        size_t scratch = k->scratch ? k->scratch(&task) : 0;
        task.last = k->units                              ? k->units(&task)
                    : p.node->op->traits & MS_ELEMENTWISE ? ms_tensor_count(t->y[0])
                                                          : 1;
        bool fits = (!p.workspace || scratch <= p.workspace) && scratch < t->lim->room;
        if (fits && (!scratch || (task.scratch = ms_aligned_alloc(scratch))))
            ns = time_task(tuner, t, k, &task);
        if (task.scratch)
            ms_aligned_free(task.scratch, scratch);
    }
    ms_packed_done(&packed);
    return ns;
}

/* ---- choosing ---- */

static const struct ms_kernel *named(const struct ms_kernel *const *k, int n, const char *name)
{
    for (int i = 0; name && i < n; i++)
        if (strcmp(k[i]->name, name) == 0)
            return k[i];
    return NULL;
}

static const struct ms_kernel *compare(struct ms_tuner *tuner, struct trial *t,
                                       const struct ms_kernel *const *k, int n, int64_t *best)
{
    const struct ms_kernel *found = NULL;

    *best = MS_NEVER;
    for (int i = 0; i < n; i++) {
        int64_t ns = time_kernel(tuner, t, k[i]);
        if (out_of_time(t->lim))
            return NULL;
        if (ns != MS_NEVER && (!found || (double)ns < (double)*best * GAIN)) {
            *best = ns;
            found = k[i];
        }
    }
    return found;
}

static const struct ms_kernel *choose(struct ms_tuner *tuner, struct trial *t,
                                      const struct ms_kernel *const *k, int n)
{
    const struct ms_node *node = t->prep->node;
    const struct ms_kernel *found = NULL;
    struct ms_buf layer;
    int64_t best;

    ms_buf_init(&layer, 1000);
    if (!tuner->opened && tuner->path)
        (void)ms_tune_book_read(&tuner->book, tuner->path);
    tuner->opened = true;
    if (name_layer(&layer, node, t->in, t->x, t->prep->threads)) {
        found = named(k, n, ms_tune_book_find(&tuner->book, ms_buf_str(&layer)));
        tuner->stats.remembered += found != NULL;
    }
    if (!found && ms_buf_ok(&layer)) {
        int64_t start = ms_now();
        found = compare(tuner, t, k, n, &best);
        if (found)
            ms_tune_book_note(&tuner->book, ms_buf_str(&layer), found->name, best);
        tuner->stats.tried += found != NULL;
        tuner->stats.ns += ms_now() - start;
    }
    ms_buf_done(&layer);
    return found;
}

const struct ms_kernel *ms_tune(struct ms_tuner *tuner, const struct ms_prep *p,
                                const struct ms_kernel *const *k, int n,
                                const struct ms_tune_limits *lim)
{
    struct trial *t = ms_calloc(1, sizeof *t);
    const struct ms_kernel *found = NULL;

    if (!t)
        return NULL;
    t->prep = p;
    t->lim = lim;
    t->ctl = (struct ms_ctl){.stop = &t->stop, .fail = on_fail};
    if (make_operands(t) &&
        (!p->node->op->cost || p->node->op->cost(p->node, t->in, t->out) < MAX_FLOPS)) {
        pthread_mutex_lock(&tuner->lock);
        found = choose(tuner, t, k, n);
        pthread_mutex_unlock(&tuner->lock);
    }
    drop_operands(t);
    ms_free(t);
    return found;
}
