/* SPDX-License-Identifier: Apache-2.0 */
/* remote.c - the channel to a daemon: plain or TLS, TCP or unix socket. */
#include "client/remote.h"

#include <grpc/grpc_security.h>
#include <string.h>

#include "base/mem.h"
#include "base/vfs.h"

#include <fcntl.h>

static void close_remote(struct mindserve *ms)
{
    struct ms_remote *r = ms_remote(ms);

    if (r->channel)
        grpc_channel_destroy(r->channel);
    grpc_shutdown();
    ms_free(r->server);
    ms_free(r->authorization);
    ms_free(r);
}

static const struct ms_client_ops ops = {
    .where = "by a server",
    .close = close_remote,
    .deploy = ms_remote_deploy,
    .undeploy = ms_remote_undeploy,
    .rollback = ms_remote_rollback,
    .infer = ms_remote_infer,
    .list = ms_remote_list,
    .show = ms_remote_show,
    .graph = ms_remote_graph,
    .status = ms_remote_server_status,
    .store_check = ms_remote_store_check,
    .store_gc = ms_remote_store_gc,
};

/* A small text file: certificates, keys, tokens. */
static ms_code read_text(const char *path, char **out, struct ms_err *err)
{
    enum { MAX_TEXT = 1 << 20 };
    struct ms_mapping m;

    MS_TRY(ms_map_file(AT_FDCWD, path, false, &m, err));
    *out = m.len <= MAX_TEXT ? ms_strndup((const char *)m.data, m.len) : NULL;
    ms_unmap(&m);
    return *out ? MS_OK : ms_fail(err, MS_RESOURCE_EXHAUSTED, "%s: too large", path);
}

static ms_code read_token(struct ms_remote *r, const char *path, struct ms_err *err)
{
    static const char bearer[] = "Bearer ";
    char *token;
    size_t len;

    if (!path)
        return MS_OK;
    MS_TRY(read_text(path, &token, err));
    len = strcspn(token, " \t\r\n");
    r->authorization = ms_calloc(1, sizeof bearer + len);
    if (r->authorization) {
        memcpy(r->authorization, bearer, sizeof bearer - 1);
        memcpy(r->authorization + sizeof bearer - 1, token, len);
    }
    ms_free(token);
    return r->authorization ? MS_OK : ms_fail_oom(err, "token", len);
}

static ms_code credentials(const struct mindserve_options *o, grpc_channel_credentials **out,
                           struct ms_err *err)
{
    grpc_ssl_pem_key_cert_pair pair = {0};
    char *ca = NULL, *cert = NULL, *key = NULL;
    ms_code code = MS_OK;

    if (!o->ca_file) {
        if (o->cert_file || o->key_file)
            return ms_fail(err, MS_INVALID_ARGUMENT, "a client certificate needs --ca too");
        *out = grpc_insecure_credentials_create();
        return MS_OK;
    }
    if (!o->cert_file != !o->key_file)
        return ms_fail(err, MS_INVALID_ARGUMENT, "certificate and key belong together");
    code = read_text(o->ca_file, &ca, err);
    if (code == MS_OK && o->cert_file)
        code = read_text(o->cert_file, &cert, err);
    if (code == MS_OK && o->key_file)
        code = read_text(o->key_file, &key, err);
    if (code == MS_OK) {
        pair.cert_chain = cert;
        pair.private_key = key;
        *out = grpc_ssl_credentials_create(ca, cert ? &pair : NULL, NULL, NULL);
        if (!*out)
            code = ms_fail(err, MS_INVALID_ARGUMENT, "the certificates cannot be used");
    }
    ms_free(ca);
    ms_free(cert);
    if (key)
        explicit_bzero(key, strlen(key));
    ms_free(key);
    return code;
}

static grpc_arg int_arg(const char *key, int value)
{
    return (grpc_arg){
        .type = GRPC_ARG_INTEGER, .key = (char *)(uintptr_t)key, .value.integer = value};
}

static ms_code make_channel(struct ms_remote *r, const struct mindserve_options *o,
                            struct ms_err *err)
{
    int max = o->max_message && o->max_message < INT32_MAX ? (int)o->max_message : -1;
    grpc_arg arg[] = {
        int_arg(GRPC_ARG_MAX_RECEIVE_MESSAGE_LENGTH, max),
        int_arg(GRPC_ARG_MAX_SEND_MESSAGE_LENGTH, -1),
        int_arg(GRPC_ARG_ENABLE_HTTP_PROXY, 0), /* a proxy for the web is none for this */
        int_arg(GRPC_ARG_ENABLE_RETRIES, 0),    /* an infer that failed late may have run */
        int_arg(GRPC_ARG_SERVICE_CONFIG_DISABLE_RESOLUTION, 1),
        int_arg(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, 100),
        int_arg(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1), /* two handles are two connections */
    };
    grpc_channel_args args = {sizeof arg / sizeof *arg, arg};
    grpc_channel_credentials *c = NULL;

    MS_TRY(credentials(o, &c, err));
    r->channel = grpc_channel_create(r->server, c, &args);
    grpc_channel_credentials_release(c);
    return r->channel ? MS_OK : ms_fail(err, MS_INVALID_ARGUMENT, "server '%s'", r->server);
}

ms_code ms_remote_open(const struct mindserve_options *o, struct mindserve **out,
                       struct ms_err *err)
{
    struct ms_remote *r = ms_calloc(1, sizeof *r);
    ms_code code;

    if (!r)
        return ms_fail_oom(err, "client", sizeof *r);
    grpc_init();
    r->base.ops = &ops;
    r->connect_ms = o->connect_ms > 0 ? o->connect_ms : 5000;
    r->server = ms_strdup(o->server);
    code = r->server ? read_token(r, o->token_file, err) : ms_fail_oom(err, "client", 0);
    if (code == MS_OK && strncmp(o->server, "unix:", 5) != 0 && !strrchr(o->server, ':'))
        code = ms_fail(err, MS_INVALID_ARGUMENT, "server '%s': must be HOST:PORT or unix:PATH",
                       o->server);
    if (code == MS_OK)
        code = make_channel(r, o, err);
    if (code != MS_OK) {
        close_remote(&r->base);
        return code;
    }
    *out = &r->base;
    return MS_OK;
}
