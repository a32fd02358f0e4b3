/* SPDX-License-Identifier: Apache-2.0 */
/* pace.h - a push leaves the processors to those who are being served.
 *
 * Pushed bytes keep a relay, a protocol library, a writer and, on the same machine, a client busy:
 * as many threads as a small machine has processors, so that a request waits for a time slice of
 * one of them. While requests come in, the next piece of a push is asked for only when the last one
 * has taken no more than half of the time since it was asked for. A network that is slower
 * than that never meets a pause, and neither does a push to a server that has nothing else to do.
 */
#ifndef MS_SERVER_PACE_H
#define MS_SERVER_PACE_H

#include "server/jobs.h"

struct ms_server;

struct ms_pace {
    struct ms_job job;      /* asks for the next piece; its run is the owner's */
    int64_t asked, arrived; /* monotonic ns, of the piece at hand */
};

/* A request to infer has come: pushes make room for a while. Any thread. */
void ms_pace_serving(struct ms_server *s, int64_t now);
/* A piece has come from the transport. */
void ms_pace_arrived(struct ms_pace *p);
/* The piece is done with. True: the next one is to be asked for now. False: p->job will run on q
 * for that, or at once when q is to end. */
bool ms_pace_next(struct ms_pace *p, struct ms_server *s, struct ms_jobs *q);

#endif
