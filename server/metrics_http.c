/* SPDX-License-Identifier: Apache-2.0 */
/* metrics_http.c - GET /metrics on a listener of its own, never on the inference ports. */
#include <microhttpd.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "server/listen.h"
#include "server/metrics.h"
#include "server/transport.h"

struct instance {
    struct ms_server *srv;
    struct MHD_Daemon *daemon;
    char address[128];
};

enum { MAX_PAGE = 64 << 20, CONNECTIONS = 32, TIMEOUT_S = 10 };

static enum MHD_Result reply(struct MHD_Connection *mhd, unsigned status, char *text, size_t len,
                             const char *type)
{
    struct MHD_Response *r =
        text ? MHD_create_response_from_buffer_with_free_callback(len, text, ms_free)
             : MHD_create_response_from_buffer(0, (void *)(uintptr_t) "", MHD_RESPMEM_PERSISTENT);

    if (!r) {
        ms_free(text);
        return MHD_NO;
    }
    if (type)
        MHD_add_response_header(r, "Content-Type", type);
    if (status == MHD_HTTP_METHOD_NOT_ALLOWED)
        MHD_add_response_header(r, "Allow", "GET, HEAD");
    enum MHD_Result ok = MHD_queue_response(mhd, status, r);
    MHD_destroy_response(r);
    return ok;
}

static enum MHD_Result access_page(void *cls, struct MHD_Connection *mhd, const char *url,
                                   const char *method, const char *version, const char *upload,
                                   size_t *upload_size, void **con_cls)
{
    struct instance *t = cls;
    struct ms_buf b;
    size_t len;

    (void)version;
    (void)upload;
    (void)upload_size;
    (void)con_cls;
    if (strcmp(url, "/metrics") != 0)
        return reply(mhd, MHD_HTTP_NOT_FOUND, NULL, 0, NULL);
    if (strcmp(method, "GET") != 0 && strcmp(method, "HEAD") != 0)
        return reply(mhd, MHD_HTTP_METHOD_NOT_ALLOWED, NULL, 0, NULL);
    ms_buf_init(&b, MAX_PAGE);
    ms_metrics_write(t->srv, &b);
    char *text = ms_buf_take(&b, &len);
    ms_buf_done(&b);
    if (!text)
        return reply(mhd, MHD_HTTP_INTERNAL_SERVER_ERROR, NULL, 0, NULL);
    return reply(mhd, MHD_HTTP_OK, text, len, "text/plain; version=0.0.4; charset=utf-8");
}

static ms_code listen_on(struct ms_server *srv, const char *const *addr, int n,
                         struct ms_transport **out, struct ms_err *err)
{
    struct instance *t;
    int fd;

    if (n != 1)
        return ms_fail(err, MS_INVALID_ARGUMENT, "metrics: one address is wanted");
    t = ms_calloc(1, sizeof *t);
    if (!t)
        return ms_fail_oom(err, "metrics", sizeof *t);
    t->srv = srv;
    if (ms_listen_tcp(addr[0], srv->opts.insecure, &fd, t->address, err) != MS_OK) {
        ms_free(t);
        return ms_err_prefix(err, "metrics");
    }
    t->daemon = MHD_start_daemon(
        MHD_USE_EPOLL_INTERNALLY, 0, NULL, NULL, access_page, t, MHD_OPTION_LISTEN_SOCKET, fd,
        MHD_OPTION_CONNECTION_LIMIT, (unsigned)CONNECTIONS, MHD_OPTION_CONNECTION_TIMEOUT,
        (unsigned)TIMEOUT_S, MHD_OPTION_STRICT_FOR_CLIENT, 1, MHD_OPTION_END);
    if (!t->daemon) {
        close(fd);
        ms_free(t);
        return ms_fail(err, MS_UNAVAILABLE, "metrics: cannot start on '%.100s'", addr[0]);
    }
    *out = (struct ms_transport *)t;
    return MS_OK;
}

static const char *address(const struct ms_transport *t, int i)
{
    return i == 0 ? ((const struct instance *)(const void *)t)->address : "";
}

static void drain(struct ms_transport *t, int64_t deadline)
{
    (void)t; /* observed until the end */
    (void)deadline;
}

static void stop(struct ms_transport *opaque)
{
    struct instance *t = (void *)opaque;

    if (!t)
        return;
    MHD_stop_daemon(t->daemon);
    ms_free(t);
}

const struct ms_transport_ops ms_transport_metrics = {
    .name = "metrics",
    .listen = listen_on,
    .address = address,
    .drain = drain,
    .stop = stop,
};
