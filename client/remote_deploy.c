/* SPDX-License-Identifier: Apache-2.0 */
/* remote_deploy.c - a model file goes to a daemon as a stream.
 *
 *     us      manifest (paths, sizes, sha256, configuration)
 *     server  need{file, offset} for each file that it lacks
 *     us      chunks from the mapped file, not copied
 *     server  progress ..., deployed; or the stream's status tells why not
 *
 * Two operations are under way at most, one read and one write, each with its own tag on one
 * completion queue; whatever comes next decides what is started next. The stream is not half-closed
 * before the end, since to the server that means that we went away. */
#include <grpc/slice.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/sha256.h"
#include "client/remote.h"
#include "client/source.h"
#include "proto/mindserve.pb-c.h"

enum { CHUNK = 128 << 10 }; /* small: who is served meanwhile waits behind one at most */

/* Tags on the completion queue. */
enum { TAG_SENT = 1, TAG_RECEIVED, TAG_STATUS };

struct push {
    struct ms_remote *r;
    const struct ms_file_source *s;
    const struct mindserve_deploy_options *o;
    struct ms_arena *a; /* of the result */
    struct mindserve_deployed *d;

    grpc_completion_queue *cq;
    grpc_call *call;
    grpc_metadata_array first, last;
    grpc_metadata meta; /* read until the first batch is done */
    grpc_status_code status;
    grpc_slice details;
    grpc_byte_buffer *outgoing, *incoming;
    bool sending, receiving, ended;

    uint64_t *from; /* for each file: next byte to send; its size when nothing is wanted */
    uint64_t done;  /* bytes that the server has, of d->total */
    char step[32];  /* last one that was shown */
    char head[64];  /* of the chunk under way */
    bool cancelled, deployed;
    ms_code code; /* of our own troubles */
    struct ms_err *err;
};

/* ---- the manifest ---- */

static ms_code digest(const struct ms_source_file *f, char hex[MS_SHA256_HEX], struct push *p)
{
    struct ms_sha256 *h = ms_sha256_new();
    uint8_t raw[MS_SHA256_LEN];
    bool ok = h != NULL;

    for (size_t at = 0; ok && at < f->map.len; at += CHUNK) {
        size_t n = f->map.len - at < CHUNK ? f->map.len - at : CHUNK;
        ok = ms_sha256_add(h, f->map.data + at, n);
        if (p->o->progress && !p->o->progress(p->o->progress_arg, "hash", at + n, f->map.len)) {
            ms_sha256_free(h);
            return ms_fail(p->err, MS_CANCELLED, "given up");
        }
    }
    ok = ok && ms_sha256_get(h, raw);
    ms_sha256_free(h);
    if (!ok)
        return ms_fail_oom(p->err, "digest", 0);
    for (int i = 0; i < MS_SHA256_LEN; i++)
        (void)snprintf(hex + 2 * i, 3, "%02x", raw[i]);
    return MS_OK;
}

static ms_code add_files(struct push *p, Mindserve__V1__Manifest *m)
{
    const struct ms_file_source *s = p->s;

    m->files = ms_arena_array(p->a, (size_t)s->n, sizeof *m->files);
    p->from = ms_arena_array(p->a, (size_t)s->n, sizeof *p->from);
    if (!m->files || !p->from)
        return ms_fail_oom(p->err, "manifest", 0);
    for (int i = 0; i < s->n; i++) {
        Mindserve__V1__Manifest__File *f = ms_arena_alloc(p->a, sizeof *f);
        char *hex = ms_arena_alloc(p->a, MS_SHA256_HEX);
        if (!f || !hex)
            return ms_fail_oom(p->err, "manifest", 0);
        mindserve__v1__manifest__file__init(f);
        f->path = s->file[i].location;
        f->size = s->file[i].map.len;
        f->sha256 = hex;
        MS_TRY(digest(&s->file[i], hex, p));
        m->files[i] = f;
        p->from[i] = f->size;
        p->d->total += f->size;
    }
    m->n_files = (size_t)s->n;
    p->done = p->d->total;
    return MS_OK;
}

static char **texts(const char *const *v)
{
    return (char **)(uintptr_t)v;
}

static float *floats(const double *v, int n, struct ms_arena *a)
{
    float *f = ms_arena_array(a, (size_t)n + 1, sizeof *f);

    for (int i = 0; f && i < n; i++)
        f[i] = (float)v[i];
    return f;
}

static Mindserve__V1__ModelConfig__ImageInput *image_of(const struct mindserve_image *in,
                                                        struct ms_arena *a)
{
    Mindserve__V1__ModelConfig__ImageInput *i = ms_arena_alloc(a, sizeof *i);

    if (!i)
        return NULL;
    mindserve__v1__model_config__image_input__init(i);
    i->layout = (char *)(uintptr_t)(in->nhwc ? "NHWC" : "NCHW");
    i->channels = (char *)(uintptr_t)(in->channels ? in->channels : "");
    i->scale = (float)in->scale;
    i->mean = floats(in->mean, in->n_mean, a);
    i->n_mean = (size_t)in->n_mean;
    i->std = floats(in->std, in->n_std, a);
    i->n_std = (size_t)in->n_std;
    i->invert = in->invert;
    return i->mean && i->std ? i : NULL;
}

static ms_code add_config(struct push *p, Mindserve__V1__Manifest *m)
{
    const struct mindserve_config *c = p->o->config;
    Mindserve__V1__ModelConfig *out;
    Mindserve__V1__ModelConfig__Batching *b;

    if (!c)
        return MS_OK;
    out = ms_arena_alloc(p->a, sizeof *out);
    b = ms_arena_alloc(p->a, sizeof *b);
    if (!out || !b)
        return ms_fail_oom(p->err, "manifest", 0);
    mindserve__v1__model_config__init(out);
    mindserve__v1__model_config__batching__init(b);
    if (c->batching) {
        b->_enabled_case = MINDSERVE__V1__MODEL_CONFIG__BATCHING___ENABLED_ENABLED;
        b->enabled = c->batching > 0;
    }
    b->max_size = c->batch_max;
    b->max_delay_us = c->batch_delay_us;
    b->max_queue = c->max_queue;
    b->timeout_us = c->timeout_us;
    out->batching = b;
    out->input_names = texts(c->input_names);
    out->n_input_names = (size_t)c->n_input_names;
    out->output_names = texts(c->output_names);
    out->n_output_names = (size_t)c->n_output_names;
    out->labels = texts(c->labels);
    out->n_labels = (size_t)c->n_labels;
    out->memory_budget = c->memory_budget;
    if (c->passes)
        out->passes = (char *)(uintptr_t)c->passes;
    if (c->image.given && !(out->image = image_of(&c->image, p->a)))
        return ms_fail_oom(p->err, "manifest", 0);
    m->config = out;
    return MS_OK;
}

static ms_code manifest_message(struct push *p, const char *name, struct ms_piece *out)
{
    Mindserve__V1__DeployRequest req = MINDSERVE__V1__DEPLOY_REQUEST__INIT;
    Mindserve__V1__Manifest m = MINDSERVE__V1__MANIFEST__INIT;
    uint8_t *packed;

    m.name = (char *)(uintptr_t)name;
    m.version = p->o->version;
    m.dry_run = p->o->dry_run;
    m.no_wait = p->o->no_wait;
    MS_TRY(add_files(p, &m));
    MS_TRY(add_config(p, &m));
    req.what_case = MINDSERVE__V1__DEPLOY_REQUEST__WHAT_MANIFEST;
    req.manifest = &m;
    out->len = protobuf_c_message_get_packed_size(&req.base);
    packed = ms_arena_alloc(p->a, out->len + 1);
    if (!packed)
        return ms_fail_oom(p->err, "manifest", out->len);
    protobuf_c_message_pack(&req.base, packed);
    out->data = packed;
    return MS_OK;
}

/* ---- the two operations ---- */

static void *tag(uintptr_t t)
{
    return (void *)t;
}

static void give_up(struct push *p, ms_code code)
{
    p->code = code;
    grpc_call_cancel(p->call, NULL);
}

static void send_message(struct push *p, const struct ms_piece *piece, size_t n)
{
    grpc_op op = {.op = GRPC_OP_SEND_MESSAGE};

    p->outgoing = ms_remote_message(piece, n);
    if (!p->outgoing) {
        give_up(p, ms_fail_oom(p->err, "chunk", 0));
        return;
    }
    op.data.send_message.send_message = p->outgoing;
    p->sending = grpc_call_start_batch(p->call, &op, 1, tag(TAG_SENT), NULL) == GRPC_CALL_OK;
}

static void receive(struct push *p)
{
    grpc_op op = {.op = GRPC_OP_RECV_MESSAGE, .data.recv_message.recv_message = &p->incoming};

    p->receiving = grpc_call_start_batch(p->call, &op, 1, tag(TAG_RECEIVED), NULL) == GRPC_CALL_OK;
}

static size_t put_varint(char *to, uint64_t v)
{
    size_t n = 0;

    while (v >= 0x80) {
        to[n++] = (char)(v | 0x80);
        v >>= 7;
    }
    to[n++] = (char)v;
    return n;
}

/* DeployRequest{chunk 2 {file 1, offset 2, data 3}}: the head here, the data where it is mapped. */
static void send_chunk(struct push *p, int file)
{
    const struct ms_source_file *f = &p->s->file[file];
    uint64_t at = p->from[file];
    size_t len = f->map.len - at < CHUNK ? (size_t)(f->map.len - at) : CHUNK, inner = 0, n = 0;
    char body[48];

    body[inner++] = 1 << 3;
    inner += put_varint(body + inner, (uint64_t)file);
    body[inner++] = 2 << 3;
    inner += put_varint(body + inner, at);
    body[inner++] = 3 << 3 | 2;
    inner += put_varint(body + inner, len);
    p->head[n++] = 2 << 3 | 2;
    n += put_varint(p->head + n, inner + len);
    memcpy(p->head + n, body, inner);
    p->from[file] += len;
    p->done += len;
    p->d->sent += len;
    send_message(p, (struct ms_piece[]){{p->head, n + inner}, {f->map.data + at, len}}, 2);
}

static void send_next(struct push *p)
{
    for (int i = 0; i < p->s->n && !p->sending && p->code == MS_OK; i++)
        if (p->from[i] < p->s->file[i].map.len)
            send_chunk(p, i);
}

static void tell(struct push *p, const char *step, uint64_t done, uint64_t total)
{
    if (p->o->progress && p->code == MS_OK &&
        !p->o->progress(p->o->progress_arg, step, done, total))
        give_up(p, ms_fail(p->err, MS_CANCELLED, "given up"));
}

/* ---- what the server says ---- */

static void on_need(struct push *p, const Mindserve__V1__DeployReply__Need *n)
{
    if (n->file >= (uint32_t)p->s->n || n->offset > p->s->file[n->file].map.len) {
        give_up(p, ms_fail(p->err, MS_DATA_LOSS, "the server asks for a file that is not there"));
        return;
    }
    p->done -= p->from[n->file] - n->offset;
    p->from[n->file] = n->offset;
}

static void on_deployed(struct push *p, const Mindserve__V1__Deployed *in)
{
    struct mindserve_deployed *d = p->d;
    struct mindserve_operator *op = ms_arena_array(p->a, in->n_operators + 1, sizeof *op);

    if (!op) {
        give_up(p, ms_fail_oom(p->err, "result", 0));
        return;
    }
    for (size_t i = 0; i < in->n_operators; i++)
        op[i] = (struct mindserve_operator){in->operators[i]->name, in->operators[i]->count,
                                            in->operators[i]->supported};
    d->name = in->name;
    d->version = in->version;
    d->unchanged = in->unchanged;
    d->digest = in->digest;
    d->load_ms = in->load_ms;
    d->memory = in->memory;
    d->operators = op;
    d->n_operators = (int)in->n_operators;
    d->missing = in->missing;
    p->deployed = true;
}

/* The last message stays in the result's arena; the others in one of their own. */
static void on_message(struct push *p, struct ms_arena *scratch)
{
    Mindserve__V1__DeployReply *reply;
    struct ms_bytes in;

    if (ms_remote_bytes(p->incoming, scratch, &in, p->err) != MS_OK ||
        ms_remote_unpack(in, &mindserve__v1__deploy_reply__descriptor, scratch, (void **)&reply,
                         p->err) != MS_OK) {
        give_up(p, p->err->code);
        return;
    }
    if (reply->what_case == MINDSERVE__V1__DEPLOY_REPLY__WHAT_NEED) {
        on_need(p, reply->need);
    } else if (reply->what_case == MINDSERVE__V1__DEPLOY_REPLY__WHAT_PROGRESS) {
        tell(p, reply->progress->step, reply->progress->done, reply->progress->total);
    } else if (reply->what_case == MINDSERVE__V1__DEPLOY_REPLY__WHAT_DEPLOYED) {
        if (ms_remote_unpack(in, &mindserve__v1__deploy_reply__descriptor, p->a, (void **)&reply,
                             p->err) == MS_OK)
            on_deployed(p, reply->deployed);
        else
            give_up(p, p->err->code);
    }
}

static void on_received(struct push *p, bool success)
{
    struct ms_arena scratch;

    p->receiving = false;
    if (!success || !p->incoming)
        return; /* the end: the status tells */
    ms_arena_init(&scratch, 64 << 20);
    on_message(p, &scratch);
    ms_arena_done(&scratch);
    grpc_byte_buffer_destroy(p->incoming);
    p->incoming = NULL;
    receive(p);
}

static void on_sent(struct push *p, bool success)
{
    p->sending = false;
    grpc_byte_buffer_destroy(p->outgoing);
    p->outgoing = NULL;
    if (success && p->d->sent)
        tell(p, "send", p->done, p->d->total);
}

/* ---- the stream ---- */

static bool start(struct push *p)
{
    grpc_op ops[2] = {
        {.op = GRPC_OP_SEND_INITIAL_METADATA,
         .data.send_initial_metadata = {.count = ms_remote_metadata(p->r, &p->meta),
                                        .metadata = &p->meta}},
        {.op = GRPC_OP_RECV_INITIAL_METADATA,
         .data.recv_initial_metadata.recv_initial_metadata = &p->first},
    };
    grpc_op status = {.op = GRPC_OP_RECV_STATUS_ON_CLIENT,
                      .data.recv_status_on_client = {.trailing_metadata = &p->last,
                                                     .status = &p->status,
                                                     .status_details = &p->details}};

    grpc_metadata_array_init(&p->first);
    grpc_metadata_array_init(&p->last);
    p->details = grpc_empty_slice();
    p->status = GRPC_STATUS_INTERNAL;
    p->cq = grpc_completion_queue_create_for_next(NULL);
    p->call = grpc_channel_create_call(p->r->channel, NULL, GRPC_PROPAGATE_DEFAULTS, p->cq,
                                       grpc_slice_from_static_string("/mindserve.v1.Models/Deploy"),
                                       NULL, gpr_inf_future(GPR_CLOCK_REALTIME), NULL);
    return grpc_call_start_batch(p->call, ops, 2, tag(0), NULL) == GRPC_CALL_OK &&
           grpc_call_start_batch(p->call, &status, 1, tag(TAG_STATUS), NULL) == GRPC_CALL_OK;
}

static void pump(struct push *p)
{
    while (!p->ended || p->sending || p->receiving) {
        grpc_event e = grpc_completion_queue_next(p->cq, gpr_inf_future(GPR_CLOCK_REALTIME), NULL);
        if (e.type != GRPC_OP_COMPLETE)
            break;
        if (e.tag == tag(TAG_SENT))
            on_sent(p, e.success);
        else if (e.tag == tag(TAG_RECEIVED))
            on_received(p, e.success);
        else if (e.tag == tag(TAG_STATUS))
            p->ended = true;
        if (!p->sending && !p->ended)
            send_next(p);
    }
}

static void stop(struct push *p)
{
    grpc_event e;

    grpc_call_unref(p->call);
    grpc_completion_queue_shutdown(p->cq);
    do {
        e = grpc_completion_queue_next(p->cq, gpr_inf_future(GPR_CLOCK_REALTIME), NULL);
    } while (e.type != GRPC_QUEUE_SHUTDOWN);
    grpc_completion_queue_destroy(p->cq);
    grpc_metadata_array_destroy(&p->first);
    grpc_metadata_array_destroy(&p->last);
    grpc_slice_unref(p->details);
    if (p->outgoing)
        grpc_byte_buffer_destroy(p->outgoing);
}

static ms_code push(struct push *p, const char *name)
{
    struct ms_piece manifest;
    ms_code code;

    MS_TRY(manifest_message(p, name, &manifest));
    MS_TRY(ms_remote_connect(p->r, p->err));
    if (start(p)) {
        send_message(p, &manifest, 1);
        receive(p);
        pump(p);
    } else {
        p->code = ms_fail(p->err, MS_INTERNAL, "the call could not be started");
    }
    code = p->code;
    if (code == MS_OK)
        code = ms_remote_status(p->r, p->status, p->details, p->err);
    if (code == MS_OK && !p->deployed)
        code = ms_fail(p->err, MS_DATA_LOSS, "the server ended the stream without a result");
    stop(p);
    return code;
}

/* Makes the source open every file that the model refers to. A file that cannot be read goes as it
 * is: what is wrong with it is the server's to say. */
static void open_all(struct ms_file_source *s)
{
    struct ms_reading r;
    struct ms_err ignored;

    if (ms_source_read(s, &r, &ignored) != MS_OK)
        ms_buf_clear(&r.missing);
    ms_reading_done(&r);
}

ms_code ms_remote_deploy(struct mindserve *ms, const char *path,
                         const struct mindserve_deploy_options *o, struct mindserve_deployed **out,
                         struct ms_err *err)
{
    struct push p = {.r = ms_remote(ms), .o = o, .err = err};
    struct ms_file_source *s;
    const char *name;
    ms_code code;

    MS_TRY(ms_source_open(path, &s, err));
    open_all(s);
    p.s = s;
    p.d = ms_result_new(sizeof *p.d, &p.a);
    if (!p.d) {
        ms_source_free(s);
        return ms_fail_oom(err, "result", sizeof *p.d);
    }
    *p.d = (struct mindserve_deployed){.digest = "", .missing = "", .owner = p.a};
    name = o->name ? o->name : ms_stem_name(p.a, path);
    code = name ? push(&p, name) : ms_fail_oom(err, "name", 0);
    if (code != MS_OK && err->reason != MS_REASON_UNREACHABLE)
        ms_err_prefix(err, "%s", s->file[0].location);
    ms_source_free(s);
    if (code != MS_OK) {
        mindserve_deployed_free(p.d);
        return code;
    }
    *out = p.d;
    return MS_OK;
}
