/* SPDX-License-Identifier: Apache-2.0 */
/* rpc_stream_infer.c - ModelStreamInfer: requests on one stream, answered in their order.
 *
 * One request of a stream is under way at a time; the next message is read when its answer has been
 * handed over, so a stream never holds more than one request's memory. A request that fails gives a
 * response with error_message and the stream goes on. */
#include <string.h>

#include "proto/oip.pb-c.h"
#include "server/rpc_infer.h"

struct stream {
    struct ms_infer infer; /* of the request under way */
    struct ms_arena arena; /* likewise */
    pthread_mutex_t lock;
    bool busy, closed, cancelled;
};

/* The request is over: end the stream, or ask for the next message. */
static void next(struct ms_call *c, struct stream *s)
{
    ms_infer_done(&s->infer);
    ms_arena_done(&s->arena);
    pthread_mutex_lock(&s->lock);
    s->busy = false;
    bool closed = s->closed, cancelled = s->cancelled;
    pthread_mutex_unlock(&s->lock);
    if (cancelled) {
        ms_fail(&c->err, MS_CANCELLED, "cancelled by the caller");
        ms_call_fail(c);
    } else if (closed) {
        ms_call_reply_empty(c);
    } else {
        ms_call_read(c);
    }
}

static void send_error(struct ms_call *c, const char *text)
{
    Inference__ModelStreamInferResponse m = INFERENCE__MODEL_STREAM_INFER_RESPONSE__INIT;

    m.error_message = (char *)text;
    ms_call_send_msg(c, &m.base);
}

static void done(struct ms_request *r, const struct ms_err *err, void *arg)
{
    struct ms_call *c = arg;
    struct stream *s = c->user;
    struct ms_err local;
    struct ms_bytes *part;
    int n;

    (void)r;
    if (!err &&
        ms_predict_encode(&s->infer.predict, &s->infer.req, true, &part, &n, &local) != MS_OK)
        err = &local;
    if (err)
        send_error(c, err->text);
    else
        ms_call_send(c, part, n);
    next(c, s);
}

static ms_code submit(struct ms_call *c, struct stream *s, struct ms_bytes msg, struct ms_err *err)
{
    struct ms_model *m;

    MS_TRY(ms_predict_decode(&s->infer.predict, &msg, 1, &s->infer.req, err));
    MS_TRY(ms_registry_get(c->srv->models, s->infer.req.model, s->infer.req.version, &m, err));
    ms_code code = ms_submit(m, &s->infer.req, done, c, err);
    ms_model_unref(m);
    return code;
}

static void message(struct ms_call *c, struct ms_bytes msg)
{
    struct stream *s = c->user;
    struct ms_err err;

    ms_arena_init(&s->arena, c->srv->opts.max_message * 2);
    ms_infer_init(&s->infer, c, &s->arena);
    s->infer.predict.charge = NULL; /* bounded by one message a stream */
    pthread_mutex_lock(&s->lock);
    s->busy = true;
    pthread_mutex_unlock(&s->lock);
    if (submit(c, s, msg, &err) != MS_OK) {
        send_error(c, err.text);
        next(c, s);
    }
}

static void half_close(struct ms_call *c)
{
    struct stream *s = c->user;

    pthread_mutex_lock(&s->lock);
    s->closed = true;
    bool idle = !s->busy;
    pthread_mutex_unlock(&s->lock);
    if (idle)
        ms_call_reply_empty(c);
}

static void cancel(struct ms_call *c)
{
    struct stream *s = c->user;

    pthread_mutex_lock(&s->lock);
    s->cancelled = true;
    bool busy = s->busy;
    if (busy)
        ms_cancel(&s->infer.req);
    pthread_mutex_unlock(&s->lock);
    if (busy)
        return; /* done() ends the call */
    ms_fail(&c->err, MS_CANCELLED, "cancelled by the caller");
    ms_call_fail(c);
}

static void release(struct ms_call *c)
{
    struct stream *s = c->user;

    if (!s)
        return;
    pthread_mutex_destroy(&s->lock);
    ms_arena_done(&s->arena);
}

static void handle(struct ms_call *c)
{
    struct stream *s = ms_arena_alloc(&c->arena, sizeof *s);

    if (!s) {
        ms_fail_oom(&c->err, "stream", sizeof *s);
        ms_call_fail(c);
        return;
    }
    pthread_mutex_init(&s->lock, NULL);
    c->user = s;
    ms_call_read(c);
}

const struct ms_rpc ms_rpc_stream_infer = {
    .grpc = "/inference.GRPCInferenceService/ModelStreamInfer",
    .help = "run requests through loaded models, one after the other on a stream",
    .role = MS_ROLE_INFER,
    .flags = MS_RPC_LARGE | MS_RPC_STREAM,
    .handle = handle,
    .message = message,
    .half_close = half_close,
    .cancel = cancel,
    .release = release,
};
