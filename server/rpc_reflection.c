/* SPDX-License-Identifier: Apache-2.0 */
/* rpc_reflection.c - gRPC server reflection, v1 and v1alpha: the same messages under two names.
 *
 * The descriptors are a FileDescriptorSet made by protoc at build time. Nothing is parsed at start:
 * a question walks the bytes. Our files import nothing, so each answer is one file. Field numbers
 * are those of google/protobuf/descriptor.proto. */
#include <stdio.h>
#include <string.h>

#include "proto/wirescan.h"
#include "proto/reflection.pb-c.h"
#include "server/descriptors.h"
#include "server/server.h"

enum { FILE_NAME = 1, FILE_PACKAGE = 2, FILE_MESSAGE = 4, FILE_ENUM = 5, FILE_SERVICE = 6 };

typedef Grpc__Reflection__V1__ServerReflectionRequest Request;
typedef Grpc__Reflection__V1__ServerReflectionResponse Response;

/* The next sub-message or text of field `number`; false at the end. */
static bool next_of(struct ms_bytes *in, uint32_t number, struct ms_bytes *out)
{
    struct ms_wire_item item;

    while (ms_wire_next(in, &item))
        if (item.number == number && item.type == MS_WIRE_LENGTH) {
            *out = item.bytes;
            return true;
        }
    return false;
}

static struct ms_bytes first_of(struct ms_bytes in, uint32_t number)
{
    struct ms_bytes out = {NULL, 0};

    next_of(&in, number, &out);
    return out;
}

static struct ms_bytes all_files(void)
{
    return ms_bytes(ms_descriptors, ms_descriptors_len);
}

static bool same(struct ms_bytes a, const char *s, size_t len)
{
    return a.len == len && memcmp(a.data, s, len) == 0;
}

/* Is `name` ("Message", "Message.Nested", "Service.Method") declared in a descriptor whose fields
 * of number a, b, c hold declarations? Nested messages are fields 3 and 4 of a message, methods
 * field 2 of a service; the depth is that of the dots, at most 8. */
static bool declares(struct ms_bytes in, const uint32_t kinds[3], const char *name, int depth)
{
    static const uint32_t in_message[3] = {3, 4, 0}, in_service[3] = {2, 0, 0};
    size_t len = strcspn(name, ".");
    struct ms_bytes child;

    for (int k = 0; k < 3 && kinds[k] && depth < 8; k++) {
        struct ms_bytes rest = in;
        while (next_of(&rest, kinds[k], &child)) {
            if (!same(first_of(child, 1), name, len))
                continue;
            if (!name[len])
                return true;
            return declares(child, kinds[k] == FILE_SERVICE && depth == 0 ? in_service : in_message,
                            name + len + 1, depth + 1);
        }
    }
    return false;
}

static bool file_has(struct ms_bytes file, const char *symbol)
{
    static const uint32_t top[3] = {FILE_MESSAGE, FILE_ENUM, FILE_SERVICE};
    struct ms_bytes package = first_of(file, FILE_PACKAGE);

    if (strlen(symbol) <= package.len + 1 || memcmp(symbol, package.data, package.len) != 0 ||
        symbol[package.len] != '.')
        return false;
    return declares(file, top, symbol + package.len + 1, 0);
}

static bool find_file(const char *name, const char *symbol, struct ms_bytes *file)
{
    struct ms_bytes set = all_files();

    while (next_of(&set, 1, file))
        if (name ? same(first_of(*file, FILE_NAME), name, strlen(name)) : file_has(*file, symbol))
            return true;
    return false;
}

/* ---- answers ---- */

static void send_error(struct ms_call *c, Response *r, const char *what)
{
    Grpc__Reflection__V1__ErrorResponse e = GRPC__REFLECTION__V1__ERROR_RESPONSE__INIT;

    e.error_code = MS_NOT_FOUND;
    e.error_message = (char *)what;
    r->message_response_case =
        GRPC__REFLECTION__V1__SERVER_REFLECTION_RESPONSE__MESSAGE_RESPONSE_ERROR_RESPONSE;
    r->error_response = &e;
    ms_call_send_msg(c, &r->base);
}

static void send_file(struct ms_call *c, Response *r, const char *name, const char *symbol)
{
    Grpc__Reflection__V1__FileDescriptorResponse f =
        GRPC__REFLECTION__V1__FILE_DESCRIPTOR_RESPONSE__INIT;
    struct ms_bytes file;

    if (!find_file(name, symbol, &file)) {
        send_error(c, r, name ? "no such file" : "no such symbol");
        return;
    }
    ProtobufCBinaryData data = {file.len, (uint8_t *)(uintptr_t)file.data};
    f.n_file_descriptor_proto = 1;
    f.file_descriptor_proto = &data;
    r->message_response_case =
        GRPC__REFLECTION__V1__SERVER_REFLECTION_RESPONSE__MESSAGE_RESPONSE_FILE_DESCRIPTOR_RESPONSE;
    r->file_descriptor_response = &f;
    ms_call_send_msg(c, &r->base);
}

enum { MAX_SERVICES = 16 };

static void send_services(struct ms_call *c, Response *r)
{
    Grpc__Reflection__V1__ListServiceResponse list =
        GRPC__REFLECTION__V1__LIST_SERVICE_RESPONSE__INIT;
    Grpc__Reflection__V1__ServiceResponse one[MAX_SERVICES], *all[MAX_SERVICES];
    char names[MAX_SERVICES][96];
    struct ms_bytes set = all_files(), file, service;
    size_t n = 0;

    while (next_of(&set, 1, &file)) {
        struct ms_bytes package = first_of(file, FILE_PACKAGE);
        while (n < MAX_SERVICES && next_of(&file, FILE_SERVICE, &service)) {
            struct ms_bytes name = first_of(service, 1);
            snprintf(names[n], sizeof names[n], "%.*s.%.*s", (int)package.len,
                     (const char *)package.data, (int)name.len, (const char *)name.data);
            grpc__reflection__v1__service_response__init(&one[n]);
            one[n].name = names[n];
            all[n] = &one[n];
            n++;
        }
    }
    list.n_service = n;
    list.service = all;
    r->message_response_case =
        GRPC__REFLECTION__V1__SERVER_REFLECTION_RESPONSE__MESSAGE_RESPONSE_LIST_SERVICES_RESPONSE;
    r->list_services_response = &list;
    ms_call_send_msg(c, &r->base);
}

static void answer(struct ms_call *c, Request *q)
{
    Response r = GRPC__REFLECTION__V1__SERVER_REFLECTION_RESPONSE__INIT;

    r.valid_host = q->host;
    r.original_request = q;
    switch (q->message_request_case) {
    case GRPC__REFLECTION__V1__SERVER_REFLECTION_REQUEST__MESSAGE_REQUEST_FILE_BY_FILENAME:
        send_file(c, &r, q->file_by_filename, NULL);
        break;
    case GRPC__REFLECTION__V1__SERVER_REFLECTION_REQUEST__MESSAGE_REQUEST_FILE_CONTAINING_SYMBOL:
        send_file(c, &r, NULL, q->file_containing_symbol);
        break;
    case GRPC__REFLECTION__V1__SERVER_REFLECTION_REQUEST__MESSAGE_REQUEST_LIST_SERVICES:
        send_services(c, &r);
        break;
    default:
        send_error(c, &r, "there are no extensions");
        break;
    }
}

/* ---- the stream ---- */

/* A question's memory must not pile up in the call's arena: it gets one of its own. */
static void message(struct ms_call *c, struct ms_bytes msg)
{
    struct ms_arena saved = c->arena;

    ms_arena_init(&c->arena, 1 << 20);
    Request *q =
        ms_call_unpack(c, &grpc__reflection__v1__server_reflection_request__descriptor, msg);
    if (q)
        answer(c, q);
    ms_arena_done(&c->arena);
    c->arena = saved;
    if (q)
        ms_call_read(c);
    else
        ms_call_fail(c);
}

static void start(struct ms_call *c)
{
    ms_call_read(c);
}

static void half_close(struct ms_call *c)
{
    ms_call_reply_empty(c);
}

static void cancel(struct ms_call *c)
{
    ms_fail(&c->err, MS_CANCELLED, "cancelled by the caller");
    ms_call_fail(c);
}

#define REFLECTION(name_, package_)                                                                \
    const struct ms_rpc name_ = {                                                                  \
        .grpc = "/" package_ ".ServerReflection/ServerReflectionInfo",                             \
        .help = "descriptors of the services",                                                     \
        .role = MS_ROLE_OBSERVE,                                                                   \
        .flags = MS_RPC_ALWAYS | MS_RPC_STREAM,                                                    \
        .handle = start,                                                                           \
        .message = message,                                                                        \
        .half_close = half_close,                                                                  \
        .cancel = cancel,                                                                          \
    }

REFLECTION(ms_rpc_reflection_v1, "grpc.reflection.v1");
REFLECTION(ms_rpc_reflection_v1alpha, "grpc.reflection.v1alpha");
