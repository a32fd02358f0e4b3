/* SPDX-License-Identifier: Apache-2.0 */
/* daemon.h - the process: everything it is made of, brought up and taken down in order. */
#ifndef MS_SERVER_DAEMON_H
#define MS_SERVER_DAEMON_H

#include "server/args.h"
#include "server/manage.h"
#include "server/transport.h"

enum { MS_EXIT_OK = 0, MS_EXIT_FAILED = 1, MS_EXIT_USAGE = 2, MS_EXIT_CANNOT_OPEN = 3 };

struct ms_daemon {
    const struct ms_args *args;
    struct ms_config *config;
    struct ms_config **old; /* replaced by SIGHUP: others may still read them */
    int n_old;
    struct ms_server srv;
    bool have_srv;
    struct ms_store *store;
    struct ms_transport *grpc, *http, *metrics;
    char admin[128]; /* path of the socket, "" = none */
    int64_t begun;   /* monotonic ns */
    unsigned long worker_beat, writer_beat;
    int64_t writer_moved;
};

/* Brings everything up but the models, which load in the background. Returns an exit code and says
 * on stderr what is wrong. d is zeroed but args, config and begun. */
int ms_daemon_start(struct ms_daemon *d);
/* All models are settled: tells stdout, the endpoints file and the service manager. */
int ms_daemon_announce(struct ms_daemon *d);
/* SIGHUP. */
void ms_daemon_reload(struct ms_daemon *d);
/* SIGTERM: stops taking work, finishes what there is. */
void ms_daemon_drain(struct ms_daemon *d);
/* Takes down whatever is up. */
void ms_daemon_stop(struct ms_daemon *d);
/* Is everything that should make progress making it? Called about every period. */
bool ms_daemon_alive(struct ms_daemon *d);

#endif
