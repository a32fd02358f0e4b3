/* SPDX-License-Identifier: Apache-2.0 */
/* remote_call.c - unary calls, and what streams share with them. */
#include <grpc/byte_buffer_reader.h>
#include <grpc/slice.h>
#include <string.h>

#include "base/mem.h"
#include "client/remote.h"

/* ---- reaching the server ---- */

static gpr_timespec in_ms(int64_t ms)
{
    return ms > 0
               ? gpr_time_add(gpr_now(GPR_CLOCK_MONOTONIC), gpr_time_from_millis(ms, GPR_TIMESPAN))
               : gpr_inf_future(GPR_CLOCK_MONOTONIC);
}

static ms_code unreachable(struct ms_remote *r, struct ms_err *err)
{
    return ms_fail_because(err, MS_UNAVAILABLE, MS_REASON_UNREACHABLE,
                           "server %s cannot be reached", r->server);
}

ms_code ms_remote_connect(struct ms_remote *r, struct ms_err *err)
{
    grpc_connectivity_state s = grpc_channel_check_connectivity_state(r->channel, 1);
    gpr_timespec end = in_ms(r->connect_ms);
    grpc_completion_queue *cq;
    int changed = 1;

    if (s == GRPC_CHANNEL_READY)
        return MS_OK;
    cq = grpc_completion_queue_create_for_pluck(NULL);
    while (changed && (s == GRPC_CHANNEL_IDLE || s == GRPC_CHANNEL_CONNECTING)) {
        grpc_channel_watch_connectivity_state(r->channel, s, end, cq, r);
        changed =
            grpc_completion_queue_pluck(cq, r, gpr_inf_future(GPR_CLOCK_REALTIME), NULL).success;
        s = grpc_channel_check_connectivity_state(r->channel, 1);
    }
    grpc_completion_queue_shutdown(cq);
    grpc_completion_queue_destroy(cq);
    return s == GRPC_CHANNEL_READY ? MS_OK : unreachable(r, err);
}

size_t ms_remote_metadata(const struct ms_remote *r, grpc_metadata *m)
{
    if (!r->authorization)
        return 0;
    *m = (grpc_metadata){.key = grpc_slice_from_static_string("authorization"),
                         .value = grpc_slice_from_static_string(r->authorization)};
    return 1;
}

ms_code ms_remote_status(struct ms_remote *r, grpc_status_code status, grpc_slice details,
                         struct ms_err *err)
{
    size_t len = GRPC_SLICE_LENGTH(details);

    if (status == GRPC_STATUS_OK)
        return MS_OK;
    /* a connection that broke is not an answer of the server */
    if (status == GRPC_STATUS_UNAVAILABLE &&
        grpc_channel_check_connectivity_state(r->channel, 0) != GRPC_CHANNEL_READY)
        return unreachable(r, err);
    if (len == 0)
        return ms_fail(err, (ms_code)status, "%s", ms_code_name((ms_code)status));
    return ms_fail(err, (ms_code)status, "%.*s", (int)(len < 500 ? len : 500),
                   (const char *)GRPC_SLICE_START_PTR(details));
}

/* ---- messages ---- */

grpc_byte_buffer *ms_remote_message(const struct ms_piece *piece, size_t n)
{
    enum { SMALL = 4096 };
    grpc_slice *slice = ms_calloc(n + 1, sizeof *slice);
    grpc_byte_buffer *b;
    size_t used = 0;

    if (!slice)
        return NULL;
    for (size_t i = 0; i < n; i++) {
        if (piece[i].len == 0)
            continue;
        slice[used++] = piece[i].len <= SMALL
                            ? grpc_slice_from_copied_buffer(piece[i].data, piece[i].len)
                            : grpc_slice_from_static_buffer(piece[i].data, piece[i].len);
    }
    b = grpc_raw_byte_buffer_create(slice, used);
    for (size_t i = 0; i < used; i++)
        grpc_slice_unref(slice[i]);
    ms_free(slice);
    return b;
}

ms_code ms_remote_bytes(grpc_byte_buffer *b, struct ms_arena *a, struct ms_bytes *out,
                        struct ms_err *err)
{
    size_t len = grpc_byte_buffer_length(b), at = 0;
    uint8_t *copy = ms_arena_alloc(a, len + 1);
    grpc_byte_buffer_reader reader;
    grpc_slice slice;

    if (!copy)
        return ms_fail_oom(err, "reply", len);
    if (!grpc_byte_buffer_reader_init(&reader, b))
        return ms_fail(err, MS_DATA_LOSS, "the reply cannot be decompressed");
    while (at < len && grpc_byte_buffer_reader_next(&reader, &slice)) {
        size_t n = GRPC_SLICE_LENGTH(slice);
        n = n < len - at ? n : len - at;
        memcpy(copy + at, GRPC_SLICE_START_PTR(slice), n);
        at += n;
        grpc_slice_unref(slice);
    }
    grpc_byte_buffer_reader_destroy(&reader);
    *out = ms_bytes(copy, at);
    return MS_OK;
}

static void *arena_alloc(void *arg, size_t size)
{
    return ms_arena_alloc(arg, size);
}

static void arena_free(void *arg, void *p)
{
    (void)arg;
    (void)p; /* dies with the arena */
}

ms_code ms_remote_unpack(struct ms_bytes in, const ProtobufCMessageDescriptor *d,
                         struct ms_arena *a, void **out, struct ms_err *err)
{
    ProtobufCAllocator alloc = {arena_alloc, arena_free, a};

    *out = protobuf_c_message_unpack(d, &alloc, in.len, in.data);
    return *out ? MS_OK : ms_fail(err, MS_DATA_LOSS, "the server's reply is not a %s", d->name);
}

/* ---- unary ---- */

struct unary {
    grpc_call *call;
    grpc_completion_queue *cq;
    grpc_metadata_array first, last;
    grpc_byte_buffer *sent, *reply;
    grpc_status_code status;
    grpc_slice details;
};

static void unary_run(struct unary *u, struct ms_remote *r, const char *method, int64_t timeout_ms)
{
    grpc_metadata meta;
    grpc_op ops[6] = {
        {.op = GRPC_OP_SEND_INITIAL_METADATA,
         .data.send_initial_metadata = {.count = ms_remote_metadata(r, &meta), .metadata = &meta}},
        {.op = GRPC_OP_SEND_MESSAGE, .data.send_message.send_message = u->sent},
        {.op = GRPC_OP_SEND_CLOSE_FROM_CLIENT},
        {.op = GRPC_OP_RECV_INITIAL_METADATA,
         .data.recv_initial_metadata.recv_initial_metadata = &u->first},
        {.op = GRPC_OP_RECV_MESSAGE, .data.recv_message.recv_message = &u->reply},
        {.op = GRPC_OP_RECV_STATUS_ON_CLIENT,
         .data.recv_status_on_client = {.trailing_metadata = &u->last,
                                        .status = &u->status,
                                        .status_details = &u->details}},
    };

    grpc_metadata_array_init(&u->first);
    grpc_metadata_array_init(&u->last);
    u->details = grpc_empty_slice();
    u->status = GRPC_STATUS_INTERNAL;
    u->cq = grpc_completion_queue_create_for_pluck(NULL);
    u->call = grpc_channel_create_call(r->channel, NULL, GRPC_PROPAGATE_DEFAULTS, u->cq,
                                       grpc_slice_from_static_string(method), NULL,
                                       in_ms(timeout_ms), NULL);
    if (grpc_call_start_batch(u->call, ops, 6, u, NULL) == GRPC_CALL_OK)
        grpc_completion_queue_pluck(u->cq, u, gpr_inf_future(GPR_CLOCK_REALTIME), NULL);
}

static void unary_done(struct unary *u)
{
    grpc_call_unref(u->call);
    grpc_completion_queue_shutdown(u->cq);
    grpc_completion_queue_destroy(u->cq);
    grpc_metadata_array_destroy(&u->first);
    grpc_metadata_array_destroy(&u->last);
    grpc_slice_unref(u->details);
    grpc_byte_buffer_destroy(u->sent);
}

ms_code ms_remote_unary(struct ms_remote *r, const char *method, const struct ms_piece *piece,
                        size_t n, int64_t timeout_ms, grpc_byte_buffer **reply, struct ms_err *err)
{
    struct unary u = {0};
    ms_code code;

    MS_TRY(ms_remote_connect(r, err));
    u.sent = ms_remote_message(piece, n);
    if (!u.sent)
        return ms_fail_oom(err, "request", 0);
    unary_run(&u, r, method, timeout_ms);
    code = ms_remote_status(r, u.status, u.details, err);
    if (code == MS_OK && !u.reply)
        code = ms_fail(err, MS_DATA_LOSS, "the server answered without a message");
    unary_done(&u);
    if (code != MS_OK) {
        if (u.reply)
            grpc_byte_buffer_destroy(u.reply);
        return code;
    }
    *reply = u.reply;
    return MS_OK;
}

ms_code ms_remote_ask(struct ms_remote *r, const char *method, const ProtobufCMessage *request,
                      const ProtobufCMessageDescriptor *descriptor, int64_t timeout_ms,
                      struct ms_arena *a, void **reply, struct ms_err *err)
{
    size_t len = protobuf_c_message_get_packed_size(request);
    uint8_t *packed = ms_arena_alloc(a, len + 1);
    grpc_byte_buffer *b;
    struct ms_bytes in;
    ms_code code;

    if (!packed)
        return ms_fail_oom(err, "request", len);
    protobuf_c_message_pack(request, packed);
    MS_TRY(ms_remote_unary(r, method, &(struct ms_piece){packed, len}, 1, timeout_ms, &b, err));
    code = ms_remote_bytes(b, a, &in, err);
    grpc_byte_buffer_destroy(b);
    return code == MS_OK ? ms_remote_unpack(in, descriptor, a, reply, err) : code;
}
