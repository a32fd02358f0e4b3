/* SPDX-License-Identifier: Apache-2.0 */
/* grpc.c - the gRPC C core server: queues, threads, drain and stop.
 *
 * Whoever asks a completion queue does the library's socket work meanwhile, so a request is read,
 * decoded and queued for the workers without changing threads. On a small machine that is the
 * front's thread, which asks without waiting after every round of its own: a request is relayed,
 * decoded, perhaps run, and its answer relayed by one thread. On a larger one each queue has a
 * thread that sleeps in it. One thread serves four processors. */
#include <grpc/grpc.h>
#include <grpc/grpc_security.h>
#include <grpc/support/log.h>
#include <stdio.h>
#include <string.h>

#include "base/abseil.h"
#include "base/log.h"
#include "base/mem.h"
#include "server/grpc_call.h"
#include "server/guard.h"

enum { SLOTS = 32, MAX_THREADS = 4, CPUS_PER_THREAD = 4 };
enum { LOOKS = 2, LOOKS_MAX = 1 << 14 };

static bool look_once(void *arg)
{
    struct ms_grpc_thread *w = arg;

    w->event = grpc_completion_queue_next(w->cq, gpr_inf_past(GPR_CLOCK_REALTIME), NULL);
    return w->event.type != GRPC_QUEUE_TIMEOUT;
}

static grpc_event next(struct ms_grpc_thread *w)
{
    if (ms_busy_poll(w->poll, look_once, w))
        return w->event;
    return grpc_completion_queue_next(w->cq, gpr_inf_future(GPR_CLOCK_REALTIME), NULL);
}

static void handle(const grpc_event *ev)
{
    struct ms_grpc_tag *tag = ev->tag;

    if (tag->event != MS_GRPC_DOWN) {
        ms_grpc_event(tag, ev->success != 0);
        return;
    }
    struct ms_grpc_instance *t = (void *)((char *)tag - offsetof(struct ms_grpc_instance, down));
    pthread_mutex_lock(&t->lock);
    t->shutdown_done = true;
    pthread_cond_broadcast(&t->changed);
    pthread_mutex_unlock(&t->lock);
}

static void *serve(void *arg)
{
    for (;;) {
        grpc_event ev = next(arg);
        if (ev.type == GRPC_QUEUE_SHUTDOWN)
            return NULL;
        handle(&ev);
    }
}

/* ---- on the front's thread ---- */

static _Thread_local const struct ms_grpc_instance *driven;

/* An answer is relayed before anything else is looked at. One look of the library sees to one
 * socket; and one may see to none, when another thread has left a note that it should look. */
bool ms_grpc_run(struct ms_grpc_instance *t, int to_see)
{
    driven = t;
    t->wrote = false;
    t->looks = to_see < LOOKS_MAX - t->looks ? t->looks + to_see : LOOKS_MAX;
    for (int least = LOOKS; t->looks + least > 0 && !t->wrote;) {
        grpc_event ev =
            grpc_completion_queue_next(t->cq[0], gpr_inf_past(GPR_CLOCK_REALTIME), NULL);
        if (ev.type == GRPC_QUEUE_SHUTDOWN)
            break;
        if (ev.type != GRPC_QUEUE_TIMEOUT)
            handle(&ev);
        else if (t->looks > 0)
            t->looks--;
        else
            least--;
    }
    while (t->owed > (t->wrote ? SLOTS / 2 : 0)) {
        t->owed--;
        ms_grpc_accept(t, t->cq[0]);
    }
    driven = NULL;
    return t->wrote;
}

void ms_grpc_left(struct ms_grpc_instance *t, bool sends)
{
    if (driven == t)
        t->wrote |= sends;
    else if (t->within)
        (void)ms_grpc_front_wake(t);
}

static void *watch(void *arg)
{
    struct ms_grpc_instance *t = arg;

    while (!atomic_load(&t->stopping)) {
        struct timespec at;
        ms_grpc_reap(t);
        clock_gettime(CLOCK_MONOTONIC, &at);
        at.tv_sec++;
        pthread_mutex_lock(&t->lock);
        if (!atomic_load(&t->stopping))
            pthread_cond_timedwait(&t->changed, &t->lock, &at);
        pthread_mutex_unlock(&t->lock);
    }
    return NULL;
}

/* The library's own messages: only errors reach the log, as one event. */
static void log_core(gpr_log_func_args *a)
{
    if (a->severity == GPR_LOG_SEVERITY_ERROR)
        ms_log(MS_LOG_DEBUG, "grpc-core", NULL, "%s", a->message);
}

static grpc_server *new_server(const struct ms_server_opts *o)
{
    grpc_arg arg[] = {
        {.type = GRPC_ARG_INTEGER, .key = (char *)GRPC_ARG_ALLOW_REUSEPORT, .value.integer = 0},
        {.type = GRPC_ARG_INTEGER,
         .key = (char *)GRPC_ARG_MAX_CONCURRENT_STREAMS,
         .value.integer = MS_H2_STREAMS},
        {.type = GRPC_ARG_INTEGER,
         .key = (char *)GRPC_ARG_MAX_RECEIVE_MESSAGE_LENGTH,
         .value.integer = (int)o->max_message},
        {.type = GRPC_ARG_INTEGER,
         .key = (char *)GRPC_ARG_MAX_SEND_MESSAGE_LENGTH,
         .value.integer = -1},
        {.type = GRPC_ARG_INTEGER,
         .key = (char *)GRPC_ARG_MAX_METADATA_SIZE,
         .value.integer = 16384},
        {.type = GRPC_ARG_INTEGER,
         .key = (char *)GRPC_ARG_SERVER_HANDSHAKE_TIMEOUT_MS,
         .value.integer = (int)(o->header_timeout / MS_MS)},
        {.type = GRPC_ARG_INTEGER,
         .key = (char *)GRPC_ARG_KEEPALIVE_TIME_MS,
         .value.integer = 60000},
        {.type = GRPC_ARG_INTEGER,
         .key = (char *)GRPC_ARG_KEEPALIVE_TIMEOUT_MS, /* also TCP_USER_TIMEOUT of its sockets */
         .value.integer = (int)(o->stall_timeout / MS_MS)},
        {.type = GRPC_ARG_INTEGER,
         .key = (char *)GRPC_ARG_HTTP2_MAX_PING_STRIKES,
         .value.integer = 4},
        {.type = GRPC_ARG_INTEGER,
         .key = (char *)GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS,
         .value.integer = 5000},
        {.type = GRPC_ARG_INTEGER,
         .key = (char *)GRPC_ARG_HTTP2_HPACK_TABLE_SIZE_DECODER,
         .value.integer = 4096},
        {.type = GRPC_ARG_INTEGER,
         .key = (char *)GRPC_ARG_MAX_CONNECTION_IDLE_MS,
         .value.integer = 3600 * 1000},
        /* every call's deadline is ours, and so are its metrics */
        {.type = GRPC_ARG_INTEGER,
         .key = (char *)GRPC_ARG_ENABLE_DEADLINE_CHECKS,
         .value.integer = 0},
        {.type = GRPC_ARG_INTEGER, .key = (char *)GRPC_ARG_ENABLE_CHANNELZ, .value.integer = 0},
        /* replies are sent as they are; requests inflated by us, within limits */
        {.type = GRPC_ARG_INTEGER,
         .key = (char *)GRPC_ARG_ENABLE_PER_MESSAGE_COMPRESSION,
         .value.integer = 0},
        {.type = GRPC_ARG_INTEGER,
         .key = (char *)GRPC_ARG_ENABLE_PER_MESSAGE_DECOMPRESSION,
         .value.integer = 0},
    };
    grpc_channel_args args = {sizeof arg / sizeof *arg, arg};

    return grpc_server_create(&args, NULL);
}

static void stop(struct ms_transport *opaque);

static ms_code start_threads(struct ms_grpc_instance *t, struct ms_err *err)
{
    pthread_condattr_t attr;

    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&t->changed, &attr);
    pthread_condattr_destroy(&attr);
    grpc_server_start(t->server);
    for (int i = 0; i < t->n_threads; i++) {
        for (int k = 0; k < SLOTS; k++)
            if (!ms_grpc_accept(t, t->cq[i]))
                return ms_fail_oom(err, "grpc call slots", 0);
    }
    for (int i = 0; i < t->n_threads && !t->within; i++) {
        struct ms_grpc_thread *w = &t->thread[i];
        w->cq = t->cq[i];
        w->poll = &t->poll;
        if (pthread_create(&w->id, NULL, serve, w) != 0)
            return ms_fail(err, MS_UNAVAILABLE, "grpc: cannot start a thread");
    }
    t->has_janitor = pthread_create(&t->janitor, NULL, watch, t) == 0;
    if (!t->has_janitor)
        return ms_fail(err, MS_UNAVAILABLE, "grpc: cannot start a thread");
    return ms_grpc_front_start(t, err);
}

static ms_code prepare(struct ms_grpc_instance *t, const char *const *addr, int n,
                       struct ms_err *err)
{
    int threads = t->srv->opts.grpc_threads;

    if (threads <= 0)
        threads = (ms_cpu()->usable + CPUS_PER_THREAD - 1) / CPUS_PER_THREAD;
    if (threads > MAX_THREADS)
        threads = MAX_THREADS;
    t->cq = ms_calloc((size_t)threads, sizeof *t->cq);
    t->thread = ms_calloc((size_t)threads, sizeof *t->thread);
    t->address = ms_calloc((size_t)n + 1, sizeof *t->address);
    if (!t->cq || !t->thread || !t->address)
        return ms_fail_oom(err, "grpc", sizeof *t);
    t->server = new_server(&t->srv->opts);
    for (; t->n_threads < threads; t->n_threads++) {
        t->cq[t->n_threads] = grpc_completion_queue_create_for_next(NULL);
        grpc_server_register_completion_queue(t->server, t->cq[t->n_threads], NULL);
    }
    t->within = threads == 1;
    for (; t->n_address < n; t->n_address++)
        MS_TRY(ms_grpc_front_bind(t, addr[t->n_address], t->address[t->n_address], err));
    return MS_OK;
}

/* Nobody else asks it any more. */
static void drain_queue(grpc_completion_queue *cq)
{
    const gpr_timespec never = gpr_inf_future(GPR_CLOCK_REALTIME);

    grpc_completion_queue_shutdown(cq);
    while (grpc_completion_queue_next(cq, never, NULL).type != GRPC_QUEUE_SHUTDOWN)
        ;
    grpc_completion_queue_destroy(cq);
}

/* Undoes prepare before any thread runs. */
static void abandon(struct ms_grpc_instance *t)
{
    if (t->server && t->n_threads) {
        grpc_server_shutdown_and_notify(t->server, t->cq[0], &t->down);
        grpc_completion_queue_next(t->cq[0], gpr_inf_future(GPR_CLOCK_REALTIME), NULL);
        grpc_server_destroy(t->server);
    }
    ms_grpc_front_stop(t);
    for (int i = 0; i < t->n_threads; i++)
        drain_queue(t->cq[i]);
    ms_free(t->cq);
    ms_free(t->thread);
    ms_free(t->address);
    pthread_mutex_destroy(&t->lock);
    ms_free(t);
    grpc_shutdown();
}

static ms_code listen_on(struct ms_server *srv, const char *const *addr, int n,
                         struct ms_transport **out, struct ms_err *err)
{
    struct ms_grpc_instance *t = ms_calloc(1, sizeof *t);

    if (!t)
        return ms_fail_oom(err, "grpc", sizeof *t);
    gpr_set_log_function(log_core);
    grpc_init();
    ms_abseil_quiet();
    t->srv = srv;
    ms_busy_poll_init(&t->poll, srv->opts.busy_poll);
    t->down.event = MS_GRPC_DOWN;
    pthread_mutex_init(&t->lock, NULL);
    ms_code code = prepare(t, addr, n, err);
    if (code != MS_OK) {
        abandon(t);
        return code;
    }
    *out = (struct ms_transport *)t;
    code = start_threads(t, err);
    if (code != MS_OK)
        stop(*out);
    return code;
}

static const char *address(const struct ms_transport *opaque, int i)
{
    const struct ms_grpc_instance *t = (const void *)opaque;

    return i < t->n_address ? t->address[i] : "";
}

/* With the lock held. What the library's own threads do for a shutdown wakes nobody. */
static void wait_a_little(struct ms_grpc_instance *t, int64_t deadline)
{
    int64_t until = ms_now() + 10 * MS_MS;

    until = until < deadline ? until : deadline;
    struct timespec at = {.tv_sec = until / MS_SEC, .tv_nsec = until % MS_SEC};
    pthread_cond_timedwait(&t->changed, &t->lock, &at);
    if (!t->within || ms_grpc_front_wake(t))
        return;
    pthread_mutex_unlock(&t->lock);
    (void)ms_grpc_run(t, 0);
    pthread_mutex_lock(&t->lock);
}

/* Starts the shutdown if that has not been done, then waits for it, at most until the deadline. */
static void shut_down(struct ms_grpc_instance *t, int64_t deadline)
{
    pthread_mutex_lock(&t->lock);
    bool first = !t->shutdown_started;
    t->shutdown_started = true;
    pthread_mutex_unlock(&t->lock);
    if (first)
        ms_grpc_front_quiesce(t);
    if (first)
        grpc_server_shutdown_and_notify(t->server, t->cq[0], &t->down);
    pthread_mutex_lock(&t->lock);
    while (!t->shutdown_done && ms_now() < deadline)
        wait_a_little(t, deadline);
    pthread_mutex_unlock(&t->lock);
}

static void drain(struct ms_transport *opaque, int64_t deadline)
{
    shut_down((void *)opaque, deadline);
}

static void stop(struct ms_transport *opaque)
{
    struct ms_grpc_instance *t = (void *)opaque;

    if (!t)
        return;
    atomic_store(&t->stopping, true);
    shut_down(t, ms_now());
    grpc_server_cancel_all_calls(t->server);
    shut_down(t, ms_now() + 3600 * MS_SEC);
    pthread_mutex_lock(&t->lock);
    pthread_cond_broadcast(&t->changed);
    while (atomic_load(&t->live) > 0)
        wait_a_little(t, MS_NEVER);
    pthread_mutex_unlock(&t->lock);
    ms_grpc_front_stop(t);
    for (int i = 0; i < t->n_threads; i++)
        if (!t->thread[i].id)
            drain_queue(t->cq[i]);
        else
            grpc_completion_queue_shutdown(t->cq[i]);
    for (int i = 0; i < t->n_threads; i++)
        if (t->thread[i].id) {
            pthread_join(t->thread[i].id, NULL);
            grpc_completion_queue_destroy(t->cq[i]);
        }
    if (t->has_janitor)
        pthread_join(t->janitor, NULL);
    grpc_server_destroy(t->server);
    ms_free(t->cq);
    ms_free(t->thread);
    ms_free(t->address);
    pthread_cond_destroy(&t->changed);
    pthread_mutex_destroy(&t->lock);
    ms_free(t);
    grpc_shutdown();
}

const struct ms_transport_ops ms_transport_grpc = {
    .name = "grpc",
    .listen = listen_on,
    .address = address,
    .drain = drain,
    .stop = stop,
};
