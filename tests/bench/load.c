/* SPDX-License-Identifier: Apache-2.0 */
/* load.c - mindserve-load: requests to one model, over gRPC (the library) or REST with binary
 * tensors (a socket), and how long they take.
 *
 *     mindserve-load --grpc 127.0.0.1:8001 --model m --input x=x.npy -c 8 --seconds 5
 *     mindserve-load --http 127.0.0.1:8000 --model m --input x=x.npy --rate 2000 -c 64
 *
 * Every connection is a thread with one request under way. Without --rate each asks again as soon
 * as it was answered (closed loop). With it requests are due at fixed times, shared out over the
 * connections, and latency counts from when a request was due: a server that stalls is charged for
 * those that had to wait (no coordinated omission). Prints one JSON line. */
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/bytes.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/vfs.h"
#include "cli/npy.h"
#include "mindserve/mindserve.h"

#include <fcntl.h>

enum { MAX_INPUTS = 16, MAX_THREADS = 4096, MAX_REPLY = 1 << 28 };

struct plan {
    const char *grpc, *http, *model;
    struct mindserve_named in[MAX_INPUTS];
    char *name[MAX_INPUTS];
    int n_in;
    uint64_t connections;
    double seconds, warm, rate; /* rate 0: closed loop */
    struct ms_buf head, body;   /* of the REST request */
    int64_t begin, count_from, end;
};

struct worker {
    const struct plan *p;
    pthread_t thread;
    uint64_t index;
    struct mindserve *ms;
    int fd;
    struct ms_buf reply;
    double *us; /* latencies that count */
    size_t n, cap;
    uint64_t errors;
    char why[256]; /* the first error */
};

/* ---- one request over gRPC ---- */

static bool ask_grpc(struct worker *w)
{
    const struct plan *p = w->p;
    struct mindserve_outputs *out = NULL;
    struct mindserve_error err;

    if (mindserve_infer(w->ms, p->model, 0, p->in, p->n_in, NULL, &out, &err) != MINDSERVE_OK) {
        (void)snprintf(w->why, sizeof w->why, "%.250s", err.text);
        return false;
    }
    mindserve_outputs_free(out);
    return true;
}

/* ---- one request over REST ---- */

static int dial(const char *address)
{
    const char *colon = strrchr(address, ':');
    struct addrinfo hint = {.ai_socktype = SOCK_STREAM}, *found = NULL;
    char host[256];
    int fd = -1, on = 1;

    if (!colon || (size_t)(colon - address) >= sizeof host)
        return -1;
    memcpy(host, address, (size_t)(colon - address));
    host[colon - address] = '\0';
    if (getaddrinfo(host, colon + 1, &hint, &found) != 0)
        return -1;
    fd = socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && connect(fd, found->ai_addr, found->ai_addrlen) != 0) {
        close(fd);
        fd = -1;
    }
    if (fd >= 0)
        (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    freeaddrinfo(found);
    return fd;
}

static bool send_all(int fd, const char *data, size_t len, int flags)
{
    while (len > 0) {
        ssize_t n = send(fd, data, len, MSG_NOSIGNAL | flags);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        data += n;
        len -= (size_t)n;
    }
    return true;
}

/* Reads more of the reply; false at the end of the connection. */
static bool read_some(struct worker *w)
{
    char chunk[65536];
    ssize_t n;

    do {
        n = recv(w->fd, chunk, sizeof chunk, 0);
    } while (n < 0 && errno == EINTR);
    if (n <= 0)
        return false;
    ms_buf_add(&w->reply, chunk, (size_t)n);
    return ms_buf_ok(&w->reply);
}

/* Bytes of head and body together once the head is complete; 0 before. */
static size_t reply_size(const struct ms_buf *b)
{
    const char *end = memmem(ms_buf_str(b), b->len, "\r\n\r\n", 4), *at;
    uint64_t body = 0;

    if (!end)
        return 0;
    at = strcasestr(ms_buf_str(b), "\r\nContent-Length:");
    if (at && at < end) {
        at += sizeof "\r\nContent-Length:" - 1;
        at += strspn(at, " ");
        if (!ms_parse_u64(at, strcspn(at, "\r"), MAX_REPLY, &body))
            return 0;
    }
    return (size_t)(end + 4 - ms_buf_str(b)) + (size_t)body;
}

static bool ask_rest(struct worker *w)
{
    const struct plan *p = w->p;
    size_t size = 0;

    if (w->fd < 0)
        w->fd = dial(p->http);
    ms_buf_clear(&w->reply);
    if (w->fd < 0 || !send_all(w->fd, ms_buf_str(&p->head), p->head.len, MSG_MORE) ||
        !send_all(w->fd, ms_buf_str(&p->body), p->body.len, 0)) {
        (void)snprintf(w->why, sizeof w->why, "connection: %s", strerror(errno));
    } else {
        while (((size = reply_size(&w->reply)) == 0 || w->reply.len < size) && read_some(w)) {
        }
        if (size && w->reply.len == size && strncmp(ms_buf_str(&w->reply), "HTTP/1.1 200", 12) == 0)
            return true;
        (void)snprintf(w->why, sizeof w->why, "%.60s", ms_buf_str(&w->reply));
        w->why[strcspn(w->why, "\r\n")] = '\0';
        if (size && w->reply.len == size)
            return false; /* refused; the connection is good */
    }
    if (w->fd >= 0)
        close(w->fd);
    w->fd = -1;
    return false;
}

static void make_rest(struct plan *p)
{
    struct ms_buf json, raw;

    ms_buf_init(&json, 1 << 20);
    ms_buf_init(&raw, MAX_REPLY);
    ms_buf_puts(&json, "{\"parameters\":{\"binary_data_output\":true},\"inputs\":[");
    for (int i = 0; i < p->n_in; i++) {
        struct mindserve_tensor *t = p->in[i].tensor;
        ms_buf_puts(&json, i ? ",{\"name\":" : "{\"name\":");
        ms_buf_json(&json, p->in[i].name, strlen(p->in[i].name));
        ms_buf_printf(&json, ",\"datatype\":\"%s\",\"shape\":[",
                      mindserve_dtype_oip(mindserve_tensor_dtype(t)));
        for (int k = 0; k < mindserve_tensor_rank(t); k++)
            ms_buf_printf(&json, k ? ",%lld" : "%lld", (long long)mindserve_tensor_dims(t)[k]);
        ms_buf_printf(&json, "],\"parameters\":{\"binary_data_size\":%zu}}",
                      mindserve_tensor_bytes(t));
        ms_buf_add(&raw, mindserve_tensor_data(t), mindserve_tensor_bytes(t));
    }
    ms_buf_puts(&json, "]}");
    ms_buf_printf(&p->head,
                  "POST /v2/models/%s/infer HTTP/1.1\r\nHost: %s\r\n"
                  "Content-Type: application/octet-stream\r\n"
                  "Inference-Header-Content-Length: %zu\r\nContent-Length: %zu\r\n\r\n",
                  p->model, p->http, json.len, json.len + raw.len);
    ms_buf_add(&p->body, ms_buf_str(&json), json.len);
    ms_buf_add(&p->body, ms_buf_str(&raw), raw.len);
    ms_buf_done(&json);
    ms_buf_done(&raw);
}

/* ---- a connection ---- */

static bool keep(struct worker *w, double us)
{
    if (w->n == w->cap) {
        size_t cap = w->cap ? w->cap * 2 : 4096;
        double *grown = ms_reallocarray(w->us, cap, sizeof *grown);
        if (!grown)
            return false;
        w->us = grown;
        w->cap = cap;
    }
    w->us[w->n++] = us;
    return true;
}

static void sleep_until(int64_t at)
{
    struct timespec t = {.tv_sec = at / MS_SEC, .tv_nsec = at % MS_SEC};

    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL) == EINTR) {
    }
}

static void *work(void *arg)
{
    struct worker *w = arg;
    const struct plan *p = w->p;
    double gap = p->rate > 0 ? (double)MS_SEC / p->rate : 0;

    for (uint64_t k = 0;; k++) {
        int64_t due = ms_now();
        if (gap > 0) {
            due = p->begin + (int64_t)(gap * (double)(k * p->connections + w->index));
            if (due < p->end)
                sleep_until(due);
        }
        if (due >= p->end)
            return NULL;
        bool ok = p->grpc ? ask_grpc(w) : ask_rest(w);
        int64_t now = ms_now();
        if (due < p->count_from)
            continue;
        if (!ok)
            w->errors++;
        else if (!keep(w, (double)(now - due) / 1e3))
            return NULL;
    }
}

static bool start(struct worker *w, const struct plan *p, uint64_t index)
{
    struct mindserve_options o = MINDSERVE_OPTIONS_INIT;
    struct mindserve_error err;

    *w = (struct worker){.p = p, .index = index, .fd = -1};
    ms_buf_init(&w->reply, MAX_REPLY);
    o.server = p->grpc;
    if (p->grpc && mindserve_open(&o, &w->ms, &err) != MINDSERVE_OK) {
        fprintf(stderr, "mindserve-load: %s\n", err.text);
        return false;
    }
    return pthread_create(&w->thread, NULL, work, w) == 0;
}

/* ---- the sum ---- */

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static double at_rank(const double *us, size_t n, double q)
{
    return n == 0 ? 0 : us[(size_t)(q * (double)(n - 1) + 0.5)];
}

static int report(const struct plan *p, const struct worker *w)
{
    size_t n = 0, at = 0;
    uint64_t errors = 0;
    double sum = 0, *us;
    const char *why = "";

    for (uint64_t i = 0; i < p->connections; i++) {
        n += w[i].n;
        errors += w[i].errors;
        why = w[i].errors ? w[i].why : why;
    }
    us = ms_calloc(n + 1, sizeof *us);
    if (!us)
        return 1;
    for (uint64_t i = 0; i < p->connections; i++) {
        if (w[i].n)
            memcpy(us + at, w[i].us, w[i].n * sizeof *us);
        at += w[i].n;
    }
    for (size_t i = 0; i < n; i++)
        sum += us[i];
    qsort(us, n, sizeof *us, ascending);
    printf("{\"protocol\":\"%s\",\"model\":\"%s\",\"concurrency\":%llu,\"rate\":%g,"
           "\"seconds\":%g,\"requests\":%zu,\"errors\":%llu,\"throughput\":%.1f,\"mean_us\":%.1f,"
           "\"p50_us\":%.1f,\"p90_us\":%.1f,\"p99_us\":%.1f,\"max_us\":%.1f}\n",
           p->grpc ? "grpc" : "rest", p->model, (unsigned long long)p->connections, p->rate,
           p->seconds, n, (unsigned long long)errors, (double)n / p->seconds,
           n ? sum / (double)n : 0, at_rank(us, n, 0.5), at_rank(us, n, 0.9), at_rank(us, n, 0.99),
           at_rank(us, n, 1));
    ms_free(us);
    if (errors)
        fprintf(stderr, "mindserve-load: %llu errors, for example: %s\n",
                (unsigned long long)errors, why);
    return errors || n == 0;
}

static int run(struct plan *p)
{
    struct worker *w = ms_calloc(p->connections, sizeof *w);
    uint64_t started = 0;
    int code = 1;

    if (!w)
        return 1;
    p->begin = ms_now() + 10 * MS_MS;
    p->count_from = p->begin + (int64_t)(p->warm * (double)MS_SEC);
    p->end = p->count_from + (int64_t)(p->seconds * (double)MS_SEC);
    while (started < p->connections && start(&w[started], p, started))
        started++;
    for (uint64_t i = 0; i < started; i++)
        pthread_join(w[i].thread, NULL);
    if (started == p->connections)
        code = report(p, w);
    for (uint64_t i = 0; i < started; i++) {
        mindserve_close(w[i].ms);
        if (w[i].fd >= 0)
            close(w[i].fd);
        ms_buf_done(&w[i].reply);
        ms_free(w[i].us);
    }
    ms_free(w);
    return code;
}

/* ---- the command line ---- */

static int usage(void)
{
    fprintf(stderr, "usage: mindserve-load --grpc ADDR | --http ADDR --model NAME "
                    "--input NAME=FILE.npy... [-c N] [--seconds S] [--warm S] [--rate R]\n");
    return 2;
}

static bool add_input(struct plan *p, const char *word)
{
    const char *eq = strchr(word, '=');
    struct ms_mapping m;
    struct ms_err err;
    ms_code code;

    if (!eq || p->n_in == MAX_INPUTS || ms_map_file(AT_FDCWD, eq + 1, false, &m, &err) != MS_OK) {
        fprintf(stderr, "mindserve-load: %s: wants NAME=FILE.npy\n", word);
        return false;
    }
    code = ms_npy_read(m.data, m.len, &p->in[p->n_in].tensor, &err);
    ms_unmap(&m);
    if (code != MS_OK) {
        fprintf(stderr, "mindserve-load: %s: %s\n", eq + 1, err.text);
        return false;
    }
    p->name[p->n_in] = ms_strndup(word, (size_t)(eq - word));
    p->in[p->n_in].name = p->name[p->n_in];
    return p->in[p->n_in++].name != NULL;
}

static bool number(const char *s, double min, double *out)
{
    char *end;

    *out = strtod(s, &end);
    return end != s && *end == '\0' && *out >= min && *out <= 1e9;
}

static bool take(struct plan *p, const char *option, const char *value)
{
    if (strcmp(option, "--grpc") == 0)
        return (p->grpc = value) != NULL;
    if (strcmp(option, "--http") == 0)
        return (p->http = value) != NULL;
    if (strcmp(option, "--model") == 0)
        return (p->model = value) != NULL;
    if (strcmp(option, "--input") == 0)
        return add_input(p, value);
    if (strcmp(option, "-c") == 0)
        return ms_parse_u64(value, strlen(value), MAX_THREADS, &p->connections) && p->connections;
    if (strcmp(option, "--seconds") == 0)
        return number(value, 0.001, &p->seconds);
    if (strcmp(option, "--warm") == 0)
        return number(value, 0, &p->warm);
    return strcmp(option, "--rate") == 0 && number(value, 0, &p->rate);
}

int main(int argc, char **argv)
{
    struct plan p = {.connections = 1, .seconds = 5, .warm = 0.5};
    int code;

    for (int i = 1; i < argc; i += 2)
        if (i + 1 >= argc || !take(&p, argv[i], argv[i + 1]))
            return usage();
    if (!p.grpc == !p.http || !p.model || !ms_model_name_valid(p.model, strlen(p.model)))
        return usage();
    ms_buf_init(&p.head, 1 << 16);
    ms_buf_init(&p.body, MAX_REPLY);
    if (p.http)
        make_rest(&p);
    code = run(&p);
    ms_buf_done(&p.head);
    ms_buf_done(&p.body);
    for (int i = 0; i < p.n_in; i++) {
        mindserve_tensor_free(p.in[i].tensor);
        ms_free(p.name[i]);
    }
    return code;
}
