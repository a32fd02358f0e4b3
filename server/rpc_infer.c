/* SPDX-License-Identifier: Apache-2.0 */
/* rpc_infer.c - ModelInfer: tensors in, tensors out, through the queue.
 *
 * Runs on a transport thread and never waits: it decodes, queues and returns. done() runs later on
 * a worker thread and answers from there; for a model whose run takes less than waking one, at once
 * on this thread. The call's memory owns everything between the two. */
#include <string.h>

#include "proto/json.h"
#include "server/busy_poll.h"
#include "server/front.h"
#include "server/pace.h"
#include "server/rpc_infer.h"

#define ALONE (200 * MS_US)
#define IN_A_CROWD (10 * MS_US)

static struct ms_infer *of(struct ms_call *c)
{
    return c->user;
}

static bool charge(void *arg, size_t bytes)
{
    return ms_call_charge(arg, bytes);
}

/* Since the calling thread was asked last, had it one peer alone? One that is no front's cannot
 * tell, but whether it has waited. */
static bool is_lone(void)
{
    static _Thread_local long seen;
    long n = ms_front_lone() >= 0 ? ms_front_lone() : ms_sleeps() + ms_busy_poll_waits();
    bool is = n != seen;

    seen = n;
    return is;
}

/* How long a run may keep this thread. If nothing has piled up behind the request, for long; else
 * only what takes less than handing it over. A gRPC worker also sends its answer, which takes
 * longer than that. */
static int64_t here(const struct ms_call *c)
{
    if (is_lone())
        return ALONE;
    return c->wire == MS_WIRE_JSON ? IN_A_CROWD : 0;
}

void ms_infer_init(struct ms_infer *f, struct ms_call *c, struct ms_arena *a)
{
    memset(f, 0, sizeof *f);
    ms_predict_init(&f->predict, a);
    f->predict.charge = charge;
    f->predict.arg = c;
    f->predict.max_tensors = c->srv->opts.max_tensors;
    f->predict.max_rank = c->srv->opts.max_rank;
    f->predict.json_depth = c->srv->opts.json_depth;
    f->req.arena = a;
    f->req.deadline = c->deadline;
    f->req.here = here(c);
    f->req.times.received = ms_now();
    ms_pace_serving(c->srv, f->req.times.received);
}

void ms_infer_done(struct ms_infer *f)
{
    ms_request_done(&f->req);
    ms_predict_done(&f->predict);
}

/* ---- REST ---- */

/* A raw request (header length 0): the body is the only input's data. Its shape is the model's, a
 * variable batch axis being 1 and one other variable axis what the length makes of it. */
static ms_code raw_body(struct ms_call *c, struct ms_infer *f, const struct ms_model *m)
{
    int n;
    const struct ms_port *port = ms_model_inputs(m, &n);
    struct ms_req_tensor *in = ms_arena_alloc(&c->arena, sizeof *in);
    int64_t dim[MS_MAX_RANK];
    int open = -1;

    if (n != 1 || port->shape.rank < 0)
        return ms_fail(&c->err, MS_INVALID_ARGUMENT,
                       "a raw request needs a model with one input, '%.100s' has %d", c->model, n);
    if (!in)
        return ms_fail_oom(&c->err, "request", sizeof *in);
    size_t bytes = port->dtype == MS_STRING ? c->body_len : ms_dtype_size(port->dtype);
    for (int i = 0; i < port->shape.rank; i++) {
        dim[i] = ms_is_sym(port->shape.dim[i]) ? 1 : port->shape.dim[i];
        if (ms_is_sym(port->shape.dim[i]) && i > 0)
            open = open < 0 ? i : MS_MAX_RANK;
        if (!ms_mul(bytes, (size_t)dim[i], &bytes))
            return ms_fail(&c->err, MS_INVALID_ARGUMENT, "the model's input shape overflows");
    }
    if (open == MS_MAX_RANK)
        return ms_fail(&c->err, MS_INVALID_ARGUMENT,
                       "a raw request cannot tell the %d variable axes of the input", 2);
    if (open > 0 && bytes && c->body_len % bytes == 0)
        dim[open] = (int64_t)(c->body_len / bytes);
    in->name = port->name;
    f->req.in = in;
    f->req.n_in = 1;
    f->req.id = "";
    f->req.binary_default = true;
    const char *type = ms_dtype_oip(port->dtype);
    MS_TRY(ms_predict_describe(&f->predict, in, ms_bytes(type, strlen(type)), dim,
                               (size_t)port->shape.rank, &c->err));
    return ms_predict_raw(&f->predict, in, c->body, 0, c->body_len, &c->err);
}

static ms_code decode_rest(struct ms_call *c, struct ms_infer *f, bool *raw)
{
    const char *text = ms_call_header(c, "inference-header-content-length");
    uint64_t len = c->body_len;

    f->req.model = ms_call_param(c, "model_name");
    f->req.version = ms_call_param(c, "model_version");
    if (text && !ms_parse_u64(text, strlen(text), SIZE_MAX, &len))
        return ms_fail(&c->err, MS_INVALID_ARGUMENT,
                       "Inference-Header-Content-Length is no number");
    *raw = text && len == 0;
    if (*raw)
        return MS_OK;
    return ms_json_decode(&f->predict, c->n_body ? c->body[0] : ms_bytes("", 0), (size_t)len,
                          &f->req, &c->err);
}

static ms_code encode_rest(struct ms_call *c, struct ms_infer *f, struct ms_bytes **part, int *n)
{
    size_t header;
    char text[24];

    MS_TRY(ms_json_encode(&f->predict, &f->req, part, n, &header, &c->err));
    if (header) {
        snprintf(text, sizeof text, "%zu", header);
        ms_call_set_header(c, "Inference-Header-Content-Length", text);
        c->reply.content_type = "application/octet-stream";
    }
    return MS_OK;
}

/* ---- both ---- */

static void done(struct ms_request *r, const struct ms_err *err, void *arg)
{
    struct ms_call *c = arg;
    struct ms_infer *f = of(c);
    struct ms_bytes *part;
    int n;

    (void)r;
    if (err) {
        c->err = *err;
        ms_call_fail(c);
        return;
    }
    ms_code code = c->wire == MS_WIRE_JSON
                       ? encode_rest(c, f, &part, &n)
                       : ms_predict_encode(&f->predict, &f->req, false, &part, &n, &c->err);
    if (code == MS_OK && *f->req.out_digest) /* which bytes answered: versions may change hands */
        ms_call_set_header(c, "x-mindserve-model-digest", f->req.out_digest);
    if (code == MS_OK)
        ms_call_reply(c, part, n);
    else
        ms_call_fail(c);
}

static ms_code start(struct ms_call *c)
{
    struct ms_infer *f = ms_arena_alloc(&c->arena, sizeof *f);
    struct ms_model *m;
    bool raw = false;

    if (!f)
        return ms_fail_oom(&c->err, "request", sizeof *f);
    ms_infer_init(f, c, &c->arena);
    c->user = f;
    if (c->wire == MS_WIRE_JSON)
        MS_TRY(decode_rest(c, f, &raw));
    else
        MS_TRY(ms_predict_decode(&f->predict, c->body, c->n_body, &f->req, &c->err));
    c->model = f->req.model;
    MS_TRY(ms_registry_get(c->srv->models, f->req.model, f->req.version, &m, &c->err));
    ms_code code = raw ? raw_body(c, f, m) : MS_OK;
    if (code == MS_OK)
        code = ms_submit(m, &f->req, done, c, &c->err); /* after MS_OK c may be gone */
    ms_model_unref(m);
    return code;
}

static void handle(struct ms_call *c)
{
    if (start(c) != MS_OK)
        ms_call_fail(c);
}

static void cancel(struct ms_call *c)
{
    ms_cancel(&of(c)->req);
}

static void release(struct ms_call *c)
{
    if (of(c))
        ms_infer_done(of(c));
}

const struct ms_rpc ms_rpc_infer = {
    .grpc = "/inference.GRPCInferenceService/ModelInfer",
    .rest = {"POST /v2/models/{model_name}/infer",
             "POST /v2/models/{model_name}/versions/{model_version}/infer"},
    .help = "run one request through a loaded model",
    .role = MS_ROLE_INFER,
    .flags = MS_RPC_LARGE,
    .handle = handle,
    .cancel = cancel,
    .release = release,
};
