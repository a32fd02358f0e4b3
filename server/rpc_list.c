/* SPDX-License-Identifier: Apache-2.0 */
/* rpc_list.c - List: every stored version with its state, memory and counters. */
#include "base/mem.h"
#include "server/manage.h"
#include "server/model_msg.h"

struct list {
    struct ms_call *c;
    Mindserve__V1__ListReply reply;
    size_t cap;
};

static ms_code add(void *arg, const struct ms_version *v, struct ms_err *err)
{
    struct list *l = arg;

    if (l->reply.n_models == l->cap) {
        size_t cap = l->cap ? 2 * l->cap : 64;
        Mindserve__V1__Model **more = ms_reallocarray(l->reply.models, cap, sizeof *more);
        if (!more)
            return ms_fail_oom(err, "list", cap * sizeof *more);
        l->reply.models = more;
        l->cap = cap;
    }
    Mindserve__V1__Model *m = ms_model_msg(l->c, v, NULL);
    if (!m)
        return ms_fail_oom(err, "list", sizeof *m);
    l->reply.models[l->reply.n_models++] = m;
    return MS_OK;
}

static void run(struct ms_store *st, struct ms_call *c)
{
    struct list l = {.c = c, .reply = MINDSERVE__V1__LIST_REPLY__INIT};

    if (ms_db_each(st->db, &c->arena, add, &l, &c->err) == MS_OK)
        ms_call_reply_msg(c, &l.reply.base);
    else
        ms_call_fail(c);
    ms_free(l.reply.models);
}

static void handle(struct ms_call *c)
{
    if (ms_call_decode(c, &mindserve__v1__list_request__descriptor))
        ms_manage_call(c, run);
    else
        ms_call_fail(c);
}

const struct ms_rpc ms_rpc_list = {
    .grpc = "/mindserve.v1.Models/List",
    .rest = {"GET /v2/repository/models"},
    .help = "list every stored version of every model",
    .role = MS_ROLE_OBSERVE,
    .flags = MS_RPC_ALWAYS,
    .handle = handle,
};
