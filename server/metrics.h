/* SPDX-License-Identifier: Apache-2.0 */
/* metrics.h - counters of the front, and the page that shows everything.
 *
 * A cell for each record of ms_rpcs and each protocol; models count for themselves
 * (runtime/stats.h). Names, types and help texts are rows of base/stats.def. */
#ifndef MS_SERVER_METRICS_H
#define MS_SERVER_METRICS_H

#include "base/buf.h"
#include "base/hist.h"
#include "server/guard.h"
#include "server/server.h"

enum { MS_N_CODES = 17, MS_N_PROTOCOLS = 2 /* grpc, http */ };

struct ms_rpc_stats {
    atomic_ullong count[MS_N_CODES];
    struct ms_hist seconds; /* ns, from the first byte seen to the answer handed over */
    atomic_ullong bytes_in, bytes_out;
};

struct ms_server_stats {
    int n; /* records */
    atomic_ullong
        refused[MS_N_CODES]; /* calls that never reached a handler: routing, framing, roles */
    atomic_int connections[MS_N_PROTOCOLS];          /* open ones of the TCP listeners */
    atomic_ullong guard[MS_N_PROTOCOLS][MS_N_GUARD]; /* closed by the front */
    struct ms_rpc_stats rpc[];                       /* [record * MS_N_PROTOCOLS + protocol] */
};

struct ms_server_stats *ms_server_stats_new(void); /* NULL when memory is out */
void ms_server_stats_free(struct ms_server_stats *s);
/* Counts an ended call. */
void ms_server_stats_count(struct ms_server *srv, const struct ms_call *c, size_t bytes_out);

/* The text page (Prometheus exposition format 0.0.4). */
void ms_metrics_write(struct ms_server *srv, struct ms_buf *out);

#endif
