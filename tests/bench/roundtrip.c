/* SPDX-License-Identifier: Apache-2.0 */
/* roundtrip.c - latency of one request at a time, client included: REST binary and gRPC, the
 * latter by a client of its own as the former, and by the gRPC library's. They take turns, so that
 * all see the same minutes of a host.
 *
 *     roundtrip HTTP_ADDR GRPC_ADDR MODEL INPUT DATATYPE DIMS BYTES N [WAY]
 *     roundtrip 127.0.0.1:8000 127.0.0.1:8001 m IN FP32 1,256 1024 20000
 *
 * Sends zeros. One JSON line: {"echo":{"p50_us":..,"p90_us":..,"p99_us":..},"http":{...},
 * "grpc":{...},"grpc_library":{...},"n":N}. echo is a process that sends as many bytes back over
 * TCP and does nothing else: what the host takes to wake a sleeping thread at either end, which
 * differs by the hour on virtual machines and is a part of the other two. */
#include <grpc/byte_buffer.h>
#include <grpc/grpc.h>
#include <grpc/grpc_security.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>
#include <arpa/inet.h>

#include "base/abseil.h"
#include "base/clock.h"
#include "h2call.h"
#include "proto/oip.pb-c.h"

struct job {
    const char *http, *grpc, *model, *input, *datatype, *dims;
    size_t bytes;
    int n;
};

static int by_value(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

    return x < y ? -1 : x > y;
}

static void report(const char *name, int64_t *t, int n)
{
    qsort(t, (size_t)n, sizeof *t, by_value);
    printf("\"%s\":{\"p50_us\":%.1f,\"p90_us\":%.1f,\"p99_us\":%.1f}", name, (double)t[n / 2] / 1e3,
           (double)t[n * 9 / 10] / 1e3, (double)t[n * 99 / 100] / 1e3);
}

static void die(const char *what)
{
    fprintf(stderr, "roundtrip: %s\n", what);
    exit(1);
}

/* ---- HTTP ---- */

static int dial(const char *addr)
{
    struct sockaddr_in sa = {.sin_family = AF_INET};
    const char *colon = strrchr(addr, ':');
    char host[64];
    int on = 1, fd = socket(AF_INET, SOCK_STREAM, 0);

    snprintf(host, sizeof host, "%.*s", (int)(colon ? colon - addr : 0), addr);
    sa.sin_port = htons((uint16_t)atoi(colon ? colon + 1 : "0"));
    if (inet_pton(AF_INET, host, &sa.sin_addr) != 1 || fd < 0 ||
        connect(fd, (struct sockaddr *)&sa, sizeof sa) != 0)
        die("cannot connect");
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    return fd;
}

static void http_once(int fd, const char *request, size_t len, char *buf, size_t size)
{
    size_t have = 0, want = 0;

    for (size_t at = 0; at < len;) {
        ssize_t n = write(fd, request + at, len - at);
        if (n <= 0)
            die("write");
        at += (size_t)n;
    }
    while (!want || have < want) {
        ssize_t n = read(fd, buf + have, size - have - 1);
        if (n <= 0)
            die("read");
        have += (size_t)n;
        buf[have] = '\0';
        char *end = want ? NULL : strstr(buf, "\r\n\r\n");
        if (!end)
            continue;
        char *length = strcasestr(buf, "content-length:");
        if (strncmp(buf, "HTTP/1.1 200", 12) != 0 || !length)
            die(buf);
        want = (size_t)(end + 4 - buf) + strtoul(length + 15, NULL, 10);
    }
}

struct http {
    int fd;
    char *request, *buf;
    size_t len, size;
};

static void *http_open(const struct job *j)
{
    struct http *h = malloc(sizeof *h);
    const size_t size = j->bytes * 2 + 65536;
    char json[1024];

    if (!h)
        die("out of memory");
    *h = (struct http){dial(j->http), calloc(1, size), malloc(size), 0, size};
    if (!h->request || !h->buf)
        die("out of memory");
    int json_len =
        snprintf(json, sizeof json,
                 "{\"inputs\":[{\"name\":\"%s\",\"shape\":[%s],\"datatype\":\"%s\",\"parameters\":"
                 "{\"binary_data_size\":%zu}}],\"parameters\":{\"binary_data_output\":true}}",
                 j->input, j->dims, j->datatype, j->bytes);
    int head = snprintf(h->request, size,
                        "POST /v2/models/%s/infer HTTP/1.1\r\nHost: x\r\n"
                        "Inference-Header-Content-Length: %d\r\nContent-Length: %zu\r\n\r\n%s",
                        j->model, json_len, (size_t)json_len + j->bytes, json);
    h->len = (size_t)head + j->bytes;
    return h;
}

static void http_call(void *arg)
{
    const struct http *h = arg;

    http_once(h->fd, h->request, h->len, h->buf, h->size);
}

static void http_close(void *arg)
{
    struct http *h = arg;

    close(h->fd);
    free(h->request);
    free(h->buf);
    free(h);
}

/* ---- gRPC ---- */

static const char infer_path[] = "/inference.GRPCInferenceService/ModelInfer";

static grpc_slice message(const struct job *j)
{
    Inference__ModelInferRequest q = INFERENCE__MODEL_INFER_REQUEST__INIT;
    Inference__ModelInferRequest__InferInputTensor in =
        INFERENCE__MODEL_INFER_REQUEST__INFER_INPUT_TENSOR__INIT;
    Inference__ModelInferRequest__InferInputTensor *ins[1] = {&in};
    ProtobufCBinaryData raw = {j->bytes, calloc(1, j->bytes + 1)};
    int64_t dims[8];

    for (const char *p = j->dims; *p && in.n_shape < 8; p += *p == ',') {
        char *end;
        dims[in.n_shape++] = strtoll(p, &end, 10);
        p = end;
    }
    q.model_name = (char *)j->model;
    in.name = (char *)j->input;
    in.datatype = (char *)j->datatype;
    in.shape = dims;
    q.n_inputs = 1;
    q.inputs = ins;
    q.n_raw_input_contents = 1;
    q.raw_input_contents = &raw;
    grpc_slice s = grpc_slice_malloc(inference__model_infer_request__get_packed_size(&q));
    inference__model_infer_request__pack(&q, GRPC_SLICE_START_PTR(s));
    free(raw.data);
    return s;
}

struct grpc {
    struct h2 h2;
    grpc_slice payload;
};

static void *grpc_open(const struct job *j)
{
    struct grpc *g = malloc(sizeof *g);

    if (!g)
        die("out of memory");
    h2_open(&g->h2, dial(j->grpc));
    g->payload = message(j);
    return g;
}

static void grpc_call_once(void *arg)
{
    struct grpc *g = arg;

    if (!h2_call(&g->h2, infer_path, GRPC_SLICE_START_PTR(g->payload),
                 GRPC_SLICE_LENGTH(g->payload)))
        die("the gRPC call failed");
}

static void grpc_close(void *arg)
{
    struct grpc *g = arg;

    close(g->h2.fd);
    grpc_slice_unref(g->payload);
    free(g);
}

/* ---- gRPC, by the library ---- */

struct library {
    grpc_channel *channel;
    grpc_completion_queue *cq;
    grpc_slice payload;
};

static void *library_open(const struct job *j)
{
    struct library *l = malloc(sizeof *l);

    if (!l)
        die("out of memory");
    grpc_init();
    ms_abseil_quiet(); /* clients from elsewhere have none of it */
    grpc_channel_credentials *creds = grpc_insecure_credentials_create();
    grpc_arg minimal = {.type = GRPC_ARG_INTEGER,
                        .key = (char *)GRPC_ARG_MINIMAL_STACK,
                        .value.integer = 1}; /* no retries, no compression */
    const grpc_channel_args args = {1, &minimal};
    *l = (struct library){grpc_channel_create(j->grpc, creds, &args),
                          grpc_completion_queue_create_for_next(NULL), message(j)};
    grpc_channel_credentials_release(creds);
    return l;
}

static void library_once(grpc_channel *ch, grpc_completion_queue *cq, grpc_slice payload)
{
    grpc_slice method = grpc_slice_from_static_string(infer_path);
    grpc_call *call = grpc_channel_create_call(ch, NULL, GRPC_PROPAGATE_DEFAULTS, cq, method, NULL,
                                               gpr_inf_future(GPR_CLOCK_REALTIME), NULL);
    grpc_byte_buffer *out = grpc_raw_byte_buffer_create(&payload, 1), *in = NULL;
    grpc_metadata_array head, tail;
    grpc_status_code status;
    grpc_slice details;
    grpc_op op[6];

    memset(op, 0, sizeof op);
    grpc_metadata_array_init(&head);
    grpc_metadata_array_init(&tail);
    op[0].op = GRPC_OP_SEND_INITIAL_METADATA;
    op[1].op = GRPC_OP_SEND_MESSAGE;
    op[1].data.send_message.send_message = out;
    op[2].op = GRPC_OP_SEND_CLOSE_FROM_CLIENT;
    op[3].op = GRPC_OP_RECV_INITIAL_METADATA;
    op[3].data.recv_initial_metadata.recv_initial_metadata = &head;
    op[4].op = GRPC_OP_RECV_MESSAGE;
    op[4].data.recv_message.recv_message = &in;
    op[5].op = GRPC_OP_RECV_STATUS_ON_CLIENT;
    op[5].data.recv_status_on_client.trailing_metadata = &tail;
    op[5].data.recv_status_on_client.status = &status;
    op[5].data.recv_status_on_client.status_details = &details;
    grpc_call_start_batch(call, op, 6, call, NULL);
    grpc_completion_queue_next(cq, gpr_inf_future(GPR_CLOCK_REALTIME), NULL);
    if (status != GRPC_STATUS_OK || !in)
        die("the gRPC call failed");
    grpc_slice_unref(details);
    grpc_byte_buffer_destroy(in);
    grpc_byte_buffer_destroy(out);
    grpc_metadata_array_destroy(&head);
    grpc_metadata_array_destroy(&tail);
    grpc_call_unref(call);
}

static void library_call(void *arg)
{
    const struct library *l = arg;

    library_once(l->channel, l->cq, l->payload);
}

static void library_close(void *arg)
{
    struct library *l = arg;

    grpc_slice_unref(l->payload);
    grpc_channel_destroy(l->channel);
    grpc_completion_queue_shutdown(l->cq);
    grpc_completion_queue_next(l->cq, gpr_inf_future(GPR_CLOCK_REALTIME), NULL);
    grpc_completion_queue_destroy(l->cq);
    grpc_shutdown();
    free(l);
}

/* ---- echo ---- */

static void reflect(int listening, size_t bytes)
{
    char *buffer = malloc(bytes);
    int on = 1, fd = accept(listening, NULL, NULL);

    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    while (buffer && recv(fd, buffer, bytes, MSG_WAITALL) == (ssize_t)bytes)
        if (send(fd, buffer, bytes, MSG_NOSIGNAL) != (ssize_t)bytes)
            break;
    _exit(0);
}

struct echo {
    int fd;
    size_t bytes;
    char *buffer;
};

static void *echo_open(const struct job *j)
{
    struct sockaddr_in sa = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof sa;
    char address[32];
    struct echo *e = malloc(sizeof *e);
    int listening = socket(AF_INET, SOCK_STREAM, 0);

    if (!e || bind(listening, (struct sockaddr *)&sa, len) != 0 || listen(listening, 1) != 0 ||
        getsockname(listening, (struct sockaddr *)&sa, &len) != 0)
        die("echo");
    if (fork() == 0)
        reflect(listening, j->bytes);
    snprintf(address, sizeof address, "127.0.0.1:%u", ntohs(sa.sin_port));
    *e = (struct echo){dial(address), j->bytes, calloc(1, j->bytes)};
    close(listening);
    if (!e->buffer)
        die("out of memory");
    return e;
}

static void echo_call(void *arg)
{
    const struct echo *e = arg;

    if (send(e->fd, e->buffer, e->bytes, MSG_NOSIGNAL) != (ssize_t)e->bytes ||
        recv(e->fd, e->buffer, e->bytes, MSG_WAITALL) != (ssize_t)e->bytes)
        die("echo ended");
}

static void echo_close(void *arg)
{
    struct echo *e = arg;

    close(e->fd);
    free(e->buffer);
    free(e);
}

/* ---- turns ---- */

static const struct way {
    const char *name;
    void *(*open)(const struct job *j);
    void (*call)(void *arg);
    void (*close)(void *arg);
} ways[] = {
    {"echo", echo_open, echo_call, echo_close},
    {"http", http_open, http_call, http_close},
    {"grpc", grpc_open, grpc_call_once, grpc_close},
    {"grpc_library", library_open, library_call, library_close},
};

enum { WAYS = sizeof ways / sizeof *ways, TURN = 500, WARM = 50 };

/* n calls, after some that are not counted: what ran before left the caches to its own data. */
static void turn(const struct way *w, void *arg, int64_t *t, int n)
{
    for (int i = -WARM; i < n; i++) {
        const int64_t began = ms_now();
        w->call(arg);
        if (i >= 0)
            t[i] = ms_now() - began;
    }
}

static bool is_way(const char *name)
{
    for (size_t w = 0; w < WAYS; w++)
        if (strcmp(name, ways[w].name) == 0)
            return true;
    return false;
}

/* only: the name of one way, NULL for all. */
static void take_turns(const struct job *j, const char *only)
{
    int64_t *t = calloc((size_t)j->n * WAYS, sizeof *t);
    void *state[WAYS] = {NULL};

    if (!t)
        die("N is too large");
    for (size_t w = 0; w < WAYS; w++) /* echo's process is forked before there are threads */
        if (!only || strcmp(only, ways[w].name) == 0)
            state[w] = ways[w].open(j);
    for (int done = 0, now; done < j->n; done += now) {
        now = j->n - done < TURN ? j->n - done : TURN;
        for (size_t w = 0; w < WAYS; w++)
            if (state[w])
                turn(&ways[w], state[w], t + w * (size_t)j->n + done, now);
    }
    printf("{");
    for (size_t w = 0; w < WAYS; w++) {
        if (!state[w])
            continue;
        report(ways[w].name, t + w * (size_t)j->n, j->n);
        printf(",");
        ways[w].close(state[w]);
    }
    printf("\"n\":%d}\n", j->n);
    free(t);
}

int main(int argc, char **argv)
{
    if (argc != 9 && argc != 10) {
        fputs("usage: roundtrip HTTP GRPC MODEL INPUT DATATYPE DIMS BYTES N "
              "[echo|http|grpc|grpc_library]\n",
              stderr);
        return 2;
    }
    const struct job j = {
        argv[1],      argv[2], argv[3], argv[4], argv[5], argv[6], strtoul(argv[7], NULL, 10),
        atoi(argv[8])};
    if (j.n <= 0)
        die("N must be positive");
    if (argv[9] && !is_way(argv[9]))
        die("the ways are echo, http, grpc and grpc_library");
    take_turns(&j, argv[9]);
    return 0;
}
