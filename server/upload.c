/* SPDX-License-Identifier: Apache-2.0 */
/* upload.c - one piece in memory at a time; every change of state on the writer thread. Each posted
 * job holds a reference on the call, whose arena holds the upload. */
#include "server/upload.h"

#include <stddef.h>

#include "server/server.h"

#define FROM_JOB(j_, member_)                                                                      \
    ((struct ms_upload *)(void *)((char *)(j_)-offsetof(struct ms_upload, member_)))

static void post(struct ms_upload *u, struct ms_job *j)
{
    ms_call_ref(u->call);
    ms_jobs_post(u->st->writer, j);
}

/* Whatever arrived is kept for a next try. */
static void leave(struct ms_upload *u)
{
    u->over = true;
    if (u->push)
        ms_push_leave(&u->st->blobs, u->push, ms_store_time());
    u->push = NULL;
}

static void fail(struct ms_upload *u)
{
    leave(u);
    ms_call_fail(u->call);
}

static void run_open(struct ms_job *j)
{
    struct ms_upload *u = FROM_JOB(j, open_job);
    struct ms_call *c = u->call;

    if (!u->over) {
        if (u->ops->open(u, &c->err) == MS_OK)
            ms_call_read(c);
        else
            fail(u);
    }
    ms_call_unref(c);
}

static void run_next(struct ms_job *j)
{
    struct ms_upload *u = FROM_JOB(j, pace.job);
    struct ms_call *c = u->call;

    if (!u->over)
        ms_call_read(c);
    ms_call_unref(c);
}

static void go_on(struct ms_upload *u)
{
    ms_call_ref(u->call); /* until the next piece was asked for */
    if (ms_pace_next(&u->pace, u->call->srv, u->st->writer))
        run_next(&u->pace.job);
}

static void run_feed(struct ms_job *j)
{
    struct ms_upload *u = FROM_JOB(j, feed_job);
    struct ms_call *c = u->call;
    ms_code code = MS_OK;

    if (!u->over && !u->skip)
        code = ms_push_write(&u->st->blobs, u->push, u->push->have, u->data.data, u->data.len,
                             ms_store_time(), &c->err);
    if (!u->over && code == MS_OK)
        go_on(u);
    else if (!u->over)
        fail(u);
    ms_call_unref(c);
}

static void run_end(struct ms_job *j)
{
    struct ms_upload *u = FROM_JOB(j, end_job);
    struct ms_call *c = u->call;

    if (!u->over) {
        u->ops->ended(u);
        leave(u);
    }
    ms_call_unref(c);
}

static void run_cancel(struct ms_job *j)
{
    struct ms_upload *u = FROM_JOB(j, cancel_job);
    struct ms_call *c = u->call;

    if (!u->over) {
        ms_fail(&c->err, MS_CANCELLED, "the client went away; what arrived can be resumed");
        fail(u);
    } else if (u->ops->cancelled) {
        u->ops->cancelled(u);
    }
    ms_call_unref(c);
}

void ms_upload_start(struct ms_call *c, struct ms_upload *u, const struct ms_upload_ops *ops)
{
    if (!c->srv->store) {
        ms_fail(&c->err, MS_UNIMPLEMENTED, "this server has no store");
        ms_call_fail(c);
        return;
    }
    u->call = c;
    u->st = c->srv->store;
    u->ops = ops;
    u->open_job.run = run_open;
    u->feed_job.run = run_feed;
    u->end_job.run = run_end;
    u->cancel_job.run = run_cancel;
    u->pace.job.run = run_next;
    c->user = u;
    post(u, &u->open_job);
}

void ms_upload_message(struct ms_call *c, struct ms_bytes piece)
{
    struct ms_upload *u = c->user;

    u->data = piece;
    ms_pace_arrived(&u->pace);
    post(u, &u->feed_job);
}

void ms_upload_half_close(struct ms_call *c)
{
    struct ms_upload *u = c->user;

    post(u, &u->end_job);
}

void ms_upload_cancel(struct ms_call *c)
{
    struct ms_upload *u = c->user;

    if (u)
        post(u, &u->cancel_job);
}
