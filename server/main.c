/* SPDX-License-Identifier: Apache-2.0 */
/* main.c - mindserved: the command line, signals, and waiting.
 *
 * The main thread does nothing else: it reads signals from a descriptor, looks whether the models
 * of the start are settled, and feeds the service manager's watchdog. */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include "base/log.h"
#include "server/daemon.h"
#include "server/validate.h"

/* After the first SIGTERM the next one ends the process at once. */
static void exit_now(int sig)
{
    (void)sig;
    _exit(MS_EXIT_OK);
}

static int block_signals(void)
{
    sigset_t set;

    signal(SIGPIPE, SIG_IGN);
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGHUP);
    sigprocmask(SIG_BLOCK, &set, NULL); /* before any thread: they all inherit it */
    return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

static void allow_second_signal(void)
{
    struct sigaction now = {.sa_handler = exit_now};
    sigset_t set;

    sigaction(SIGTERM, &now, NULL);
    sigaction(SIGINT, &now, NULL);
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    pthread_sigmask(SIG_UNBLOCK, &set, NULL);
}

/* Handles what came; true when the daemon is to stop. */
static bool take_signals(struct ms_daemon *d, int fd)
{
    struct signalfd_siginfo s;

    while (read(fd, &s, sizeof s) == sizeof s) {
        if (s.ssi_signo != SIGHUP)
            return true;
        ms_daemon_reload(d);
    }
    return false;
}

/* Until a signal says stop, or an error. */
static int serve(struct ms_daemon *d, int signals)
{
    struct pollfd p = {.fd = signals, .events = POLLIN};
    uint64_t watchdog_us = 0;
    int64_t next_ping = MS_NEVER;
    bool ready = false;

    if (sd_watchdog_enabled(0, &watchdog_us) > 0 && watchdog_us >= 1000)
        next_ping = ms_now();
    for (;;) {
        int64_t now = ms_now();
        if (!ready && ms_manage_loading(d->store) == 0 && ms_manage_required_ready(d->store)) {
            int status = ms_daemon_announce(d);
            if (status != MS_EXIT_OK)
                return status;
            ready = true;
        }
        if (next_ping != MS_NEVER && now >= next_ping) {
            if (ms_daemon_alive(d))
                sd_notify(0, "WATCHDOG=1");
            next_ping = now + (int64_t)watchdog_us * MS_US / 3;
        }
        int64_t wait = next_ping == MS_NEVER ? 3600 * MS_SEC : next_ping - now;
        if (!ready && wait > MS_MS)
            wait = MS_MS;
        struct timespec timeout = {wait / MS_SEC, wait % MS_SEC};
        if (ppoll(&p, 1, &timeout, NULL) < 0 && errno != EINTR)
            return MS_EXIT_FAILED;
        if (take_signals(d, signals))
            return MS_EXIT_OK;
    }
}

static int run(struct ms_daemon *d)
{
    int signals = block_signals();

    if (signals < 0) {
        fprintf(stderr, "mindserved: signalfd: %s\n", strerror(errno));
        return MS_EXIT_FAILED;
    }
    int status = ms_daemon_start(d);
    if (status == MS_EXIT_OK) {
        status = serve(d, signals);
        allow_second_signal();
        ms_daemon_drain(d);
    }
    ms_daemon_stop(d);
    close(signals);
    return status;
}

static int show(void (*write_to)(struct ms_buf *out))
{
    struct ms_buf b;

    ms_buf_init(&b, 1 << 20);
    write_to(&b);
    fputs(ms_buf_str(&b), stdout);
    ms_buf_done(&b);
    return fflush(stdout) == 0 ? MS_EXIT_OK : MS_EXIT_FAILED;
}

static int configured(const struct ms_args *args)
{
    struct ms_daemon d = {.args = args, .begun = ms_now()};
    struct ms_err err;

    if (ms_args_config(args, &d.config, &err) != MS_OK) {
        fprintf(stderr, "mindserved: %s\n", err.text);
        return MS_EXIT_USAGE;
    }
    if (args->action == MS_CHECK_CONFIG) {
        printf("the configuration is valid\n");
        ms_config_free(d.config);
        return MS_EXIT_OK;
    }
    ms_log_setup((enum ms_log_level)d.config->log_level, d.config->log_format != 0);
    return run(&d);
}

int main(int argc, char **argv)
{
    struct ms_args args;
    int status;

    if (argc == 2 && strcmp(argv[1], "--validate") == 0)
        return ms_validate_child();
    ms_args_parse(&args, argc, argv);
    switch (args.action) {
    case MS_SHOW_MARKDOWN:
        status = show(ms_config_markdown);
        break;
    case MS_SHOW_YAML:
        status = show(ms_config_yaml);
        break;
    default:
        status = configured(&args);
    }
    ms_args_done(&args);
    return status;
}
