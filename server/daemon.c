/* SPDX-License-Identifier: Apache-2.0 */
/* daemon.c - order of birth: server state, workers, registry, store, listeners; models load behind
 * it. Order of death: the reverse, after a drain. */
#include "server/daemon.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/un.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include "base/cpu.h"
#include "base/log.h"
#include "base/mem.h"
#include "server/version.h"

#define WRITER_MAY_STALL (120 * MS_SEC) /* a slow disk's fsync is no reason to be restarted */

static int say(int status, const struct ms_err *err)
{
    fprintf(stderr, "mindserved: %s\n", err->text);
    return status;
}

/* ---- up ---- */

static void server_opts(const struct ms_config *c, struct ms_server_opts *o)
{
    ms_server_opts_init(o);
    o->version = MS_VERSION;
    o->max_message = (size_t)c->limits_message;
    o->receive_budget = (size_t)c->limits_receive_budget;
    o->max_connections = (int)c->listen_max_connections;
    o->max_per_address = (int)c->listen_max_connections_per_address;
    o->grpc_threads = (int)c->listen_grpc_threads;
    o->http_threads = (int)c->listen_http_threads;
    o->header_timeout = c->listen_header_timeout;
    o->idle_timeout = c->listen_idle_timeout;
    o->stall_timeout = c->listen_stall_timeout;
    o->body_min_rate = c->listen_min_rate;
    o->max_requests = (int)c->limits_requests;
    o->max_tensors = (int)c->limits_tensors;
    o->max_rank = (int)c->limits_rank;
    o->json_depth = (int)c->limits_json_depth;
    o->busy_poll = c->listen_busy_poll == MS_BUSY_POLL_AUTO;
    o->insecure = c->listen_insecure;
    o->triton_metrics = c->metrics_triton_names;
}

/* path: room for the file beside the store that keeps what tuning has measured. */
static void engine_opts(const struct ms_config *c, struct ms_engine_opts *o, char path[PATH_MAX])
{
    static const enum ms_tuning tuning[] = {[MS_TUNING_OFF] = MS_TUNE_OFF,
                                            [MS_TUNING_MODEL] = MS_TUNE_MODEL,
                                            [MS_TUNING_MEASURE] = MS_TUNE_MEASURE};

    ms_engine_opts_init(o);
    o->threads = (int)c->runtime_threads;
    o->memory_budget = (size_t)c->runtime_memory;
    o->model_budget = (size_t)c->runtime_model_memory;
    o->run_budget = (size_t)c->runtime_run_memory;
    o->max_workspace_bytes = (size_t)c->runtime_max_workspace_bytes;
    o->max_plans = (int)c->runtime_max_plans;
    o->exact = c->runtime_numerics == MS_NUMERICS_EXACT;
    o->tuning = tuning[c->runtime_tuning];
    if (snprintf(path, PATH_MAX, "%s/tuning", c->store_path) < PATH_MAX)
        o->tuning_path = path;
}

static void store_opts(const struct ms_config *c, struct ms_store_opts *o)
{
    ms_store_opts_init(o, c->store_path);
    o->quota = c->store_quota;
    o->reserve = c->store_reserve;
    o->push_keep = c->store_push_keep / MS_SEC;
    o->push_idle = c->store_push_idle;
    o->gc_age = c->store_gc_age / MS_SEC;
    o->gc_interval = c->store_gc_interval;
    o->max_pushes = (int)c->store_max_pushes;
    o->keep_versions = (int)c->store_keep_versions;
    o->max_files = (int)c->store_max_files;
}

static ms_code start_engine(struct ms_daemon *d, struct ms_err *err)
{
    static const char *const isa[] = {NULL, "avx512", "avx2", "generic"};
    struct ms_server_opts so;
    struct ms_engine_opts eo;
    char path[PATH_MAX];

    /* Before anybody asks ms_cpu(), which reads it once; a person's own setting wins. */
    if (isa[d->config->runtime_isa])
        (void)setenv("MINDSERVE_ISA", isa[d->config->runtime_isa], 0);
    server_opts(d->config, &so);
    MS_TRY(ms_server_init(&d->srv, &so, err));
    d->have_srv = true;
    d->srv.config = d->config;
    engine_opts(d->config, &eo, path);
    MS_TRY(ms_engine_new(&eo, &d->srv.engine, err));
    d->srv.models = ms_registry_new();
    return d->srv.models ? MS_OK : ms_fail_oom(err, "registry", 0);
}

static ms_code start_store(struct ms_daemon *d, struct ms_err *err)
{
    struct ms_store_opts o;

    store_opts(d->config, &o);
    MS_TRY(ms_store_open(&o, &d->store, err));
    d->srv.store = d->store;
    d->srv.repo = &ms_manage_repo;
    return ms_manage_start(d->store, &d->srv, d->config, err);
}

/* Where the admin socket goes; "" = nowhere. A path longer than a socket's address may be is only
 * fatal when it was asked for. */
static ms_code admin_path(struct ms_daemon *d, struct ms_err *err)
{
    const char *want = d->config->listen_admin, *state = d->config->store_path;
    bool chosen = strcmp(want, "auto") != 0;
    int n;

    *d->admin = '\0';
    if (strcmp(want, "off") == 0)
        return MS_OK;
    if (chosen)
        n = snprintf(d->admin, sizeof d->admin, "%s", want);
    else if (strcmp(state, MS_SYSTEM_STATE) == 0 && access("/run/mindserve", W_OK) == 0)
        n = snprintf(d->admin, sizeof d->admin, "/run/mindserve/admin.sock");
    else
        n = snprintf(d->admin, sizeof d->admin, "%s/admin.sock", state);
    if (n < (int)sizeof((struct sockaddr_un){0}.sun_path))
        return MS_OK;
    *d->admin = '\0';
    if (chosen)
        return ms_fail(err, MS_INVALID_ARGUMENT, "listen.admin: the path is too long for a socket");
    ms_log(MS_LOG_WARN, "listen", NULL,
           "no admin socket: the path of the state folder is too long for one");
    return MS_OK;
}

/* A transport that could not listen has freed itself. */
static ms_code listen_on(struct ms_daemon *d, const struct ms_transport_ops *ops,
                         const char *const *addr, int n, struct ms_transport **out,
                         struct ms_err *err)
{
    ms_code code = n ? ops->listen(&d->srv, addr, n, out, err) : MS_OK;

    if (code != MS_OK)
        *out = NULL;
    return code;
}

static ms_code listen_grpc(struct ms_daemon *d, struct ms_err *err)
{
    char admin[160];
    const char *addr[2];
    int n = 0;

    if (strcmp(d->config->listen_grpc, "off") != 0)
        addr[n++] = d->config->listen_grpc;
    if (*d->admin) {
        snprintf(admin, sizeof admin, "unix:%s", d->admin);
        addr[n++] = admin;
    }
    return listen_on(d, &ms_transport_grpc, addr, n, &d->grpc, err);
}

static ms_code listen_one(struct ms_daemon *d, const struct ms_transport_ops *ops, const char *addr,
                          struct ms_transport **out, struct ms_err *err)
{
    return listen_on(d, ops, &addr, strcmp(addr, "off") != 0, out, err);
}

static ms_code start_listeners(struct ms_daemon *d, struct ms_err *err)
{
    MS_TRY(admin_path(d, err));
    MS_TRY(listen_one(d, &ms_transport_http, d->config->listen_http, &d->http, err));
    MS_TRY(listen_one(d, &ms_transport_metrics, d->config->listen_metrics, &d->metrics, err));
    MS_TRY(listen_grpc(d, err));
    struct ms_server *s = &d->srv;
    if (d->http)
        snprintf(s->address.http, sizeof s->address.http, "%s",
                 ms_transport_http.address(d->http, 0));
    if (d->metrics)
        snprintf(s->address.metrics, sizeof s->address.metrics, "%s",
                 ms_transport_metrics.address(d->metrics, 0));
    if (d->grpc && strcmp(d->config->listen_grpc, "off") != 0)
        snprintf(s->address.grpc, sizeof s->address.grpc, "%s",
                 ms_transport_grpc.address(d->grpc, 0));
    return MS_OK;
}

/* Each connection of a TCP listener takes three descriptors: the peer's, and the pair behind it. */
static void raise_descriptors(const struct ms_config *c)
{
    rlim_t want = (rlim_t)c->listen_max_connections * 2 * 3 + 2048;
    struct rlimit r;

    if (getrlimit(RLIMIT_NOFILE, &r) != 0 || r.rlim_cur >= want)
        return;
    r.rlim_cur = want < r.rlim_max ? want : r.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &r) != 0 || r.rlim_cur < want)
        ms_log(MS_LOG_WARN, "listen", ms_log_fields(MS_LOG_NUM("limit", r.rlim_cur)),
               "the limit of open files is too low for listen.max_connections");
}

int ms_daemon_start(struct ms_daemon *d)
{
    struct ms_err err = {0};

    raise_descriptors(d->config);
    if (start_engine(d, &err) != MS_OK)
        return say(MS_EXIT_FAILED, &err);
    if (start_store(d, &err) != MS_OK)
        return say(MS_EXIT_CANNOT_OPEN, &err);
    if (start_listeners(d, &err) != MS_OK)
        return say(err.code == MS_INVALID_ARGUMENT ? MS_EXIT_USAGE : MS_EXIT_CANNOT_OPEN, &err);
    return MS_EXIT_OK;
}

/* ---- ready ---- */

static void put_endpoint(struct ms_buf *b, const char *key, const char *value)
{
    ms_buf_printf(b, "%s\"%s\":", b->len > 1 ? "," : "", key);
    if (*value)
        ms_buf_json(b, value, strlen(value));
    else
        ms_buf_puts(b, "null");
}

/* Whoever sees the file sees all of it: written aside, then renamed. */
static ms_code write_endpoints(struct ms_daemon *d, const char *path, struct ms_err *err)
{
    char aside[4096];
    struct ms_buf b;

    if (snprintf(aside, sizeof aside, "%s.%ld", path, (long)getpid()) >= (int)sizeof aside)
        return ms_fail(err, MS_INVALID_ARGUMENT, "--endpoints-file: the path is too long");
    ms_buf_init(&b, 4096);
    ms_buf_puts(&b, "{");
    put_endpoint(&b, "http", d->srv.address.http);
    put_endpoint(&b, "grpc", d->srv.address.grpc);
    put_endpoint(&b, "metrics", d->srv.address.metrics);
    put_endpoint(&b, "admin", d->admin);
    ms_buf_printf(&b, ",\"pid\":%ld}\n", (long)getpid());
    int fd = open(aside, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    bool ok = fd >= 0 && ms_buf_ok(&b) && write(fd, b.data, b.len) == (ssize_t)b.len;
    int saved = errno;
    if (fd >= 0)
        ok = close(fd) == 0 && ok;
    ok = ok && rename(aside, path) == 0;
    if (!ok && fd >= 0)
        (void)unlink(aside);
    ms_buf_done(&b);
    return ok ? MS_OK
              : ms_fail(err, MS_UNAVAILABLE, "--endpoints-file %s: %s", path,
                        strerror(errno ? errno : saved));
}

struct count {
    int ready, other;
    char last[160];
};

static void count_model(void *arg, const struct ms_registry_entry *e)
{
    struct count *c = arg;

    if (e->state != MS_STATE_READY)
        c->other++;
    else if (strcmp(c->last, e->name) != 0) /* entries come in order of name */
        c->ready++;
    snprintf(c->last, sizeof c->last, "%s", e->state == MS_STATE_READY ? e->name : "");
}

static void print_ready(struct ms_daemon *d)
{
    const struct ms_server *s = &d->srv;
    struct count c = {0};

    ms_registry_each(d->srv.models, count_model, &c);
    printf("mindserved %s ready in %lld ms:", MS_VERSION,
           (long long)((ms_now() - d->begun) / MS_MS));
    if (*s->address.http)
        printf(" http %s,", s->address.http);
    if (*s->address.grpc)
        printf(" grpc %s,", s->address.grpc);
    if (*s->address.metrics)
        printf(" metrics %s,", s->address.metrics);
    printf(" %d model%s", c.ready, c.ready == 1 ? "" : "s");
    if (c.other)
        printf(", %d unavailable", c.other);
    printf("\n");
    fflush(stdout);
}

int ms_daemon_announce(struct ms_daemon *d)
{
    struct ms_err err = {0};

    ms_server_set_state(&d->srv, MS_SERVER_READY);
    if (d->args->endpoints_file && write_endpoints(d, d->args->endpoints_file, &err) != MS_OK)
        return say(MS_EXIT_FAILED, &err);
    print_ready(d);
    sd_notify(0, "READY=1");
    return MS_EXIT_OK;
}

/* ---- changes ---- */

static bool keep_old(struct ms_daemon *d)
{
    struct ms_config **more = ms_reallocarray(d->old, (size_t)d->n_old + 1, sizeof *more);

    if (!more)
        return false;
    d->old = more;
    d->old[d->n_old++] = d->config;
    return true;
}

void ms_daemon_reload(struct ms_daemon *d)
{
    struct ms_config *c;
    struct ms_err err;

    sd_notifyf(0, "RELOADING=1\nMONOTONIC_USEC=%lld", (long long)(ms_now() / MS_US));
    if (ms_args_config(d->args, &c, &err) != MS_OK) {
        ms_log(MS_LOG_ERROR, "reload", NULL, "kept the old configuration: %s", err.text);
    } else if (!keep_old(d)) {
        ms_config_free(c);
        ms_log(MS_LOG_ERROR, "reload", NULL, "kept the old configuration: out of memory");
    } else {
        d->config = c;
        ms_manage_config(d->store, c);
        ms_log_setup((enum ms_log_level)c->log_level, c->log_format != 0);
        ms_log(MS_LOG_INFO, "reload", NULL,
               "read the configuration: log at once, models and batching at their next load, "
               "the rest at the next start");
    }
    sd_notify(0, "READY=1");
}

/* ---- down ---- */

void ms_daemon_drain(struct ms_daemon *d)
{
    int64_t deadline;

    sd_notify(0, "STOPPING=1");
    ms_log(MS_LOG_INFO, "stop", NULL, "draining");
    ms_server_set_state(&d->srv, MS_SERVER_LEAVING);
    if (d->config->listen_drain_delay > 0)
        usleep((useconds_t)(d->config->listen_drain_delay / MS_US));
    ms_server_set_state(&d->srv, MS_SERVER_DRAINING);
    ms_manage_close(d->store, false);
    deadline = ms_now() + d->config->listen_drain_timeout;
    if (d->http)
        ms_transport_http.drain(d->http, deadline);
    if (d->grpc)
        ms_transport_grpc.drain(d->grpc, deadline);
}

void ms_daemon_stop(struct ms_daemon *d)
{
    /* Every call that waits for the store gets its answer, or transports would wait for it. */
    if (d->store && d->store->writer)
        ms_manage_close(d->store, true);
    ms_transport_http.stop(d->http);
    ms_transport_grpc.stop(d->grpc);
    ms_transport_metrics.stop(d->metrics);
    if (d->store && d->store->writer)
        ms_manage_stop(d->store);
    ms_registry_free(d->srv.models);
    ms_engine_free(d->srv.engine);
    ms_store_close(d->store);
    if (d->have_srv)
        ms_server_done(&d->srv);
    if (*d->admin)
        (void)unlink(d->admin);
    for (int i = 0; i < d->n_old; i++)
        ms_config_free(d->old[i]);
    ms_free(d->old);
    ms_config_free(d->config);
}

bool ms_daemon_alive(struct ms_daemon *d)
{
    unsigned long workers = ms_engine_beat(d->srv.engine), writer = ms_jobs_beat(d->store->writer);
    bool alive = workers != d->worker_beat;

    if (writer != d->writer_beat)
        d->writer_moved = ms_now();
    d->worker_beat = workers;
    d->writer_beat = writer;
    return alive && ms_now() - d->writer_moved < WRITER_MAY_STALL;
}
