/* SPDX-License-Identifier: Apache-2.0 */
/* metrics.c - the statistics cells of calls, and the page of all metrics.
 *
 * A metric's samples must stand together, so the page walks the table of metrics and, for those of
 * models, a snapshot of the registry (references, not copies). Labels are names of deployed models
 * and of our own calls only: nothing a stranger sends can make a new series. */
#include "server/metrics.h"

#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/mem.h"

enum metric {
#define MS_METRIC(id_, name_, type_, help_) METRIC_##id_,
#include "base/stats.def"
#undef MS_METRIC
    N_METRICS
};

static const struct {
    const char *name, *type, *help;
} metrics[] = {
#define MS_METRIC(id_, name_, type_, help_) {name_, type_, help_},
#include "base/stats.def"
#undef MS_METRIC
};

static const char *const protocols[MS_N_PROTOCOLS] = {"grpc", "http"};

/* ---- cells ---- */

struct ms_server_stats *ms_server_stats_new(void)
{
    size_t n = (size_t)ms_rpc_count() * MS_N_PROTOCOLS;
    struct ms_server_stats *s = ms_calloc(1, sizeof *s + n * sizeof s->rpc[0]);

    if (!s)
        return NULL;
    s->n = ms_rpc_count();
    for (size_t i = 0; i < n; i++)
        ms_hist_init_time(&s->rpc[i].seconds);
    return s;
}

void ms_server_stats_free(struct ms_server_stats *s)
{
    ms_free(s);
}

void ms_server_stats_count(struct ms_server *srv, const struct ms_call *c, size_t bytes_out)
{
    ms_code code = c->reply.failed ? c->err.code : MS_OK;
    int protocol = c->wire == MS_WIRE_PROTO ? 0 : 1;

    if (c->index < 0) {
        atomic_fetch_add_explicit(&srv->stats->refused[code], 1, memory_order_relaxed);
        return;
    }
    struct ms_rpc_stats *s = &srv->stats->rpc[c->index * MS_N_PROTOCOLS + protocol];
    atomic_fetch_add_explicit(&s->count[code], 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&s->bytes_in, c->body_len, memory_order_relaxed);
    atomic_fetch_add_explicit(&s->bytes_out, bytes_out, memory_order_relaxed);
    ms_hist_add(&s->seconds, ms_now() - c->received);
}

/* ---- writing ---- */

static void head(struct ms_buf *b, enum metric m)
{
    ms_buf_printf(b, "# HELP %s %s\n# TYPE %s %s\n", metrics[m].name, metrics[m].help,
                  metrics[m].name, metrics[m].type);
}

static void value(struct ms_buf *b, enum metric m, double v)
{
    head(b, m);
    ms_buf_printf(b, "%s %.17g\n", metrics[m].name, v);
}

static void one(struct ms_buf *b, enum metric m, const char *labels, unsigned long long v)
{
    ms_buf_printf(b, "%s{%s} %llu\n", metrics[m].name, labels, v);
}

/* unit divides: 1e9 for ns as seconds, 1 for counts. */
static void histogram(struct ms_buf *b, enum metric m, const char *labels, struct ms_hist *h,
                      double unit)
{
    unsigned long long total = 0;

    for (int i = 0; i <= h->n; i++) {
        total += atomic_load_explicit(&h->count[i], memory_order_relaxed);
        if (i < h->n)
            ms_buf_printf(b, "%s_bucket{%s,le=\"%.9g\"} %llu\n", metrics[m].name, labels,
                          (double)h->bounds[i] / unit, total);
        else
            ms_buf_printf(b, "%s_bucket{%s,le=\"+Inf\"} %llu\n", metrics[m].name, labels, total);
    }
    ms_buf_printf(b, "%s_sum{%s} %.17g\n%s_count{%s} %llu\n", metrics[m].name, labels,
                  (double)atomic_load_explicit(&h->sum, memory_order_relaxed) / unit,
                  metrics[m].name, labels, total);
}

/* A label value: backslash, quote and line feed escaped. */
static void escape_label(char *dst, size_t size, const char *src)
{
    size_t n = 0;

    for (; *src && n + 3 < size; src++) {
        if (*src == '\\' || *src == '"' || *src == '\n')
            dst[n++] = '\\';
        dst[n++] = *src == '\n' ? 'n' : *src;
    }
    dst[n] = '\0';
}

/* ---- the process ---- */

static int open_fds(void)
{
    DIR *d = opendir("/proc/self/fd");
    int n = 0;

    if (!d)
        return 0;
    while (readdir(d))
        n++;
    closedir(d);
    return n - 3; /* ".", ".." and the folder itself */
}

static void process(struct ms_server *srv, struct ms_buf *b)
{
    struct timespec cpu = {0};
    double up = (double)(ms_now() - srv->started) / 1e9;

    head(b, METRIC_BUILD);
    ms_buf_printf(b, "%s{version=\"%s\",isa=\"%s\"} 1\n", metrics[METRIC_BUILD].name,
                  srv->opts.version, ms_isa_name(ms_cpu()->isa));
    value(b, METRIC_UPTIME, up);
    value(b, METRIC_READY, ms_server_ready(srv));
    value(b, METRIC_STORE_RO, atomic_load(&srv->read_only));
    value(b, METRIC_IN_FLIGHT, atomic_load(&srv->in_flight));
    value(b, METRIC_RECEIVE, (double)atomic_load(&srv->admission.used));
    value(b, METRIC_RECEIVE_MAX, (double)srv->admission.limit);
    value(b, METRIC_WAITING, atomic_load(&srv->admission.waiting));
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &cpu);
    value(b, METRIC_RSS, (double)ms_rss_bytes());
    value(b, METRIC_CPU, (double)cpu.tv_sec + (double)cpu.tv_nsec / 1e9);
    value(b, METRIC_FDS, open_fds());
    value(b, METRIC_START, (double)ms_wall() / 1e9 - up);
}

static void memory(struct ms_server *srv, struct ms_buf *b)
{
    struct ms_engine_memory m;

    if (!srv->engine)
        return;
    ms_engine_memory(srv->engine, &m);
    head(b, METRIC_MEMORY);
    one(b, METRIC_MEMORY, "kind=\"weights\"", m.weights);
    one(b, METRIC_MEMORY, "kind=\"packed\"", m.packed);
    one(b, METRIC_MEMORY, "kind=\"plans\"", m.plans);
    one(b, METRIC_MEMORY, "kind=\"graphs\"", m.graphs);
    one(b, METRIC_MEMORY, "kind=\"runs\"", m.runs);
    value(b, METRIC_MEMORY_MAX, (double)m.budget);
    value(b, METRIC_THREADS, ms_engine_threads(srv->engine));
}

/* ---- calls ---- */

/* "ModelInfer", or for REST-only calls the first pattern. */
static const char *call_name(const struct ms_rpc *rpc)
{
    const char *slash = rpc->grpc ? strrchr(rpc->grpc, '/') : NULL;

    return slash ? slash + 1 : rpc->rest[0];
}

static void for_calls(struct ms_server *srv, struct ms_buf *b, enum metric m)
{
    char labels[192];

    head(b, m);
    for (int i = 0; i < srv->stats->n * MS_N_PROTOCOLS; i++) {
        struct ms_rpc_stats *s = &srv->stats->rpc[i];
        const char *name = call_name(ms_rpcs[i / MS_N_PROTOCOLS]);
        unsigned long long calls = 0;

        for (int code = 0; code < MS_N_CODES; code++) {
            unsigned long long n = atomic_load(&s->count[code]);
            calls += n;
            if (m != METRIC_CALLS || !n)
                continue;
            snprintf(labels, sizeof labels, "call=\"%s\",protocol=\"%s\",code=\"%s\"", name,
                     protocols[i % MS_N_PROTOCOLS], ms_code_name((ms_code)code));
            one(b, m, labels, n);
        }
        if (!calls || m == METRIC_CALLS)
            continue;
        snprintf(labels, sizeof labels, "call=\"%s\",protocol=\"%s\"", name,
                 protocols[i % MS_N_PROTOCOLS]);
        if (m == METRIC_CALL_SECONDS)
            histogram(b, m, labels, &s->seconds, 1e9);
        else
            one(b, m, labels, atomic_load(m == METRIC_BYTES_IN ? &s->bytes_in : &s->bytes_out));
    }
}

static void refused(struct ms_server *srv, struct ms_buf *b)
{
    char labels[64];

    head(b, METRIC_REFUSED);
    for (int code = 1; code < MS_N_CODES; code++) {
        snprintf(labels, sizeof labels, "code=\"%s\"", ms_code_name((ms_code)code));
        one(b, METRIC_REFUSED, labels, atomic_load(&srv->stats->refused[code]));
    }
}

static void connections(struct ms_server *srv, struct ms_buf *b)
{
    char labels[96];

    head(b, METRIC_CONNECTIONS);
    for (int p = 0; p < MS_N_PROTOCOLS; p++) {
        snprintf(labels, sizeof labels, "protocol=\"%s\"", protocols[p]);
        one(b, METRIC_CONNECTIONS, labels,
            (unsigned long long)atomic_load(&srv->stats->connections[p]));
    }
    head(b, METRIC_GUARD);
    for (int p = 0; p < MS_N_PROTOCOLS; p++)
        for (int why = MS_GUARD_OK + 1; why < MS_N_GUARD; why++) {
            const struct ms_guard_reason *r = &ms_guard_reasons[why];
            if (!(p == 0 ? r->h2 : r->http))
                continue;
            snprintf(labels, sizeof labels, "protocol=\"%s\",reason=\"%s\"", protocols[p],
                     r->label);
            one(b, METRIC_GUARD, labels, atomic_load(&srv->stats->guard[p][why]));
        }
}

/* ---- models ---- */

struct shown {
    char labels[400]; /* model="...",version="..." */
    enum ms_state state;
    struct ms_model *model; /* a reference; NULL unless loaded */
};

struct snapshot {
    struct shown *v;
    size_t n, cap;
};

static void add_model(void *arg, const struct ms_registry_entry *e)
{
    struct snapshot *s = arg;
    char name[200], version[100];

    if (s->n == s->cap) {
        size_t cap = s->cap ? s->cap * 2 : 16;
        struct shown *v = ms_reallocarray(s->v, cap, sizeof *v);
        if (!v)
            return;
        s->v = v;
        s->cap = cap;
    }
    escape_label(name, sizeof name, e->name);
    escape_label(version, sizeof version, e->version);
    struct shown *x = &s->v[s->n++];
    snprintf(x->labels, sizeof x->labels, "model=\"%s\",version=\"%s\"", name, version);
    x->state = e->state;
    x->model = e->model ? ms_model_ref(e->model) : NULL;
}

static void labelled(struct ms_buf *b, enum metric m, const struct shown *x, const char *key,
                     const char *label, unsigned long long v)
{
    ms_buf_printf(b, "%s{%s,%s=\"%s\"} %llu\n", metrics[m].name, x->labels, key, label, v);
}

static unsigned long long us(struct ms_stat *s)
{
    return atomic_load(&s->ns) / 1000;
}

static void model_bytes(struct ms_buf *b, enum metric m, const struct shown *x)
{
    struct ms_model_memory mem;

    ms_model_memory(x->model, &mem);
    labelled(b, m, x, "kind", "weights", mem.weights);
    labelled(b, m, x, "kind", "packed", mem.packed);
    labelled(b, m, x, "kind", "plans", mem.plans);
    labelled(b, m, x, "kind", "graph", mem.graph);
}

static void model_rejected(struct ms_buf *b, enum metric m, const struct shown *x,
                           struct ms_model_stats *s)
{
    static const char *const reason[MS_N_REJECTS] = {"queue_full", "late", "cancelled", "memory"};

    for (int i = 0; i < MS_N_REJECTS; i++)
        labelled(b, m, x, "reason", reason[i], atomic_load(&s->rejected[i]));
}

static void nv_failure(struct ms_buf *b, enum metric m, const struct shown *x,
                       struct ms_model_stats *s)
{
    labelled(b, m, x, "reason", "REJECTED",
             atomic_load(&s->rejected[MS_REJECT_QUEUE_FULL]) +
                 atomic_load(&s->rejected[MS_REJECT_LATE]) +
                 atomic_load(&s->rejected[MS_REJECT_MEMORY]));
    labelled(b, m, x, "reason", "CANCELED", atomic_load(&s->rejected[MS_REJECT_CANCELLED]));
    labelled(b, m, x, "reason", "BACKEND", atomic_load(&s->fail.count));
    labelled(b, m, x, "reason", "OTHER", 0);
}

static void model_sample(struct ms_buf *b, enum metric m, const struct shown *x)
{
    struct ms_model_stats *s = ms_model_stats(x->model);

    switch (m) {
    case METRIC_MODEL_BYTES:
        model_bytes(b, m, x);
        break;
    case METRIC_MODEL_REQUESTS:
        labelled(b, m, x, "result", "success", atomic_load(&s->success.count));
        labelled(b, m, x, "result", "failure", atomic_load(&s->fail.count));
        break;
    case METRIC_MODEL_REJECTED:
        model_rejected(b, m, x, s);
        break;
    case METRIC_MODEL_ITEMS:
    case METRIC_NV_COUNT:
        one(b, m, x->labels, atomic_load(&s->inferences));
        break;
    case METRIC_MODEL_RUNS:
    case METRIC_NV_EXEC:
        one(b, m, x->labels, atomic_load(&s->executions));
        break;
    case METRIC_MODEL_QUEUE_DEPTH:
    case METRIC_NV_PENDING:
        one(b, m, x->labels, (unsigned long long)ms_model_pending(x->model));
        break;
    case METRIC_MODEL_QUEUE:
        histogram(b, m, x->labels, &s->queue_time, 1e9);
        break;
    case METRIC_MODEL_COMPUTE:
        histogram(b, m, x->labels, &s->compute_time, 1e9);
        break;
    case METRIC_MODEL_BATCH:
        histogram(b, m, x->labels, &s->batch_size, 1);
        break;
    case METRIC_NV_SUCCESS:
        one(b, m, x->labels, atomic_load(&s->success.count));
        break;
    case METRIC_NV_FAILURE:
        nv_failure(b, m, x, s);
        break;
    case METRIC_NV_REQUEST_US:
        one(b, m, x->labels, us(&s->success));
        break;
    case METRIC_NV_QUEUE_US:
        one(b, m, x->labels, us(&s->queue));
        break;
    case METRIC_NV_INPUT_US:
        one(b, m, x->labels, us(&s->compute_input));
        break;
    case METRIC_NV_INFER_US:
        one(b, m, x->labels, us(&s->compute_infer));
        break;
    case METRIC_NV_OUTPUT_US:
        one(b, m, x->labels, us(&s->compute_output));
        break;
    default:
        break;
    }
}

static void models(struct ms_server *srv, struct ms_buf *b)
{
    struct snapshot s = {NULL, 0, 0};

    if (!srv->models)
        return;
    ms_registry_each(srv->models, add_model, &s);
    head(b, METRIC_MODEL_STATE);
    for (size_t i = 0; i < s.n; i++)
        labelled(b, METRIC_MODEL_STATE, &s.v[i], "state", ms_state_name(s.v[i].state), 1);
    for (int m = METRIC_MODEL_BYTES; m < N_METRICS; m++) {
        bool triton = m >= METRIC_NV_SUCCESS;
        if ((m > METRIC_MODEL_BATCH && !triton) || (triton && !srv->opts.triton_metrics))
            continue;
        head(b, (enum metric)m);
        for (size_t i = 0; i < s.n; i++)
            if (s.v[i].model)
                model_sample(b, (enum metric)m, &s.v[i]);
    }
    for (size_t i = 0; i < s.n; i++)
        ms_model_unref(s.v[i].model);
    ms_free(s.v);
}

void ms_metrics_write(struct ms_server *srv, struct ms_buf *b)
{
    process(srv, b);
    memory(srv, b);
    for_calls(srv, b, METRIC_CALLS);
    refused(srv, b);
    connections(srv, b);
    for_calls(srv, b, METRIC_CALL_SECONDS);
    for_calls(srv, b, METRIC_BYTES_IN);
    for_calls(srv, b, METRIC_BYTES_OUT);
    models(srv, b);
    if (srv->collect)
        srv->collect(srv, b);
}
