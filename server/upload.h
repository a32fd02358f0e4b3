/* SPDX-License-Identifier: Apache-2.0 */
/* upload.h - a REST body on its way into a push: piece by piece from the transport to the writer
 * thread and back. */
#ifndef MS_SERVER_UPLOAD_H
#define MS_SERVER_UPLOAD_H

#include "server/pace.h"
#include "server/rpc.h"
#include "server/store.h"

struct ms_upload;

struct ms_upload_ops { /* all on the writer thread */
    /* Sets u->push, or u->skip when the bytes are there already and need only be drained. */
    ms_code (*open)(struct ms_upload *u, struct ms_err *err);
    /* The body has ended: answers u->call, or hands it on. May take u->push away. */
    void (*ended)(struct ms_upload *u);
    /* The peer went away after that. May be NULL. */
    void (*cancelled)(struct ms_upload *u);
};

struct ms_upload { /* embedded in the call's arena */
    struct ms_call *call;
    struct ms_store *st;
    const struct ms_upload_ops *ops;
    struct ms_push *push;
    bool skip, over;
    struct ms_job open_job, feed_job, end_job, cancel_job;
    struct ms_bytes data;
    struct ms_pace pace;
};

/* c->user becomes u; asks for the first piece when the push is open. */
void ms_upload_start(struct ms_call *c, struct ms_upload *u, const struct ms_upload_ops *ops);
/* The members of a record whose body is an upload. */
void ms_upload_message(struct ms_call *c, struct ms_bytes piece);
void ms_upload_half_close(struct ms_call *c);
void ms_upload_cancel(struct ms_call *c);

#endif
