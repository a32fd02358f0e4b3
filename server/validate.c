/* SPDX-License-Identifier: Apache-2.0 */
/* validate.c - the daemon's side: starts the child, waits for its verdict, never longer than told.
 */
#include "server/validate.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "server/validate_job.h"

#define GRACE (2 * MS_SEC) /* the child watches its own time first */

/* The job as a file in memory: a pipe could fill up while nobody reads. */
static int write_job(const struct ms_version *v, const struct ms_validate_opts *o,
                     struct ms_err *err)
{
    struct ms_buf b;
    int fd = memfd_create("validate", MFD_CLOEXEC);

    if (fd < 0) {
        ms_fail(err, MS_UNAVAILABLE, "validate: memfd: %s", strerror(errno));
        return -1;
    }
    ms_buf_init(&b, MS_VALIDATE_MAX_JOB);
    ms_validate_put(&b, v, o);
    bool ok = ms_buf_ok(&b);
    for (size_t at = 0; ok && at < b.len;) {
        ssize_t n = write(fd, b.data + at, b.len - at);
        ok = n > 0 || (n < 0 && errno == EINTR);
        at += n > 0 ? (size_t)n : 0;
    }
    ms_buf_done(&b);
    if (ok && lseek(fd, 0, SEEK_SET) == 0)
        return fd;
    ms_fail(err, MS_RESOURCE_EXHAUSTED, "validate: the list of files is too long");
    close(fd);
    return -1;
}

static int spawn(int job, int verdict, int dir, pid_t *pid)
{
    char *const argv[] = {"mindserved", "--validate", NULL};
    posix_spawn_file_actions_t fa;
    posix_spawnattr_t attr;
    sigset_t none, all;
    int rc;

    sigemptyset(&none);
    sigfillset(&all);
    posix_spawn_file_actions_init(&fa);
    posix_spawnattr_init(&attr);
    posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    posix_spawnattr_setsigmask(&attr, &none);
    posix_spawnattr_setsigdefault(&attr, &all);
    rc = posix_spawn_file_actions_adddup2(&fa, job, 0);
    if (rc == 0)
        rc = posix_spawn_file_actions_adddup2(&fa, verdict, 1);
    if (rc == 0)
        rc = posix_spawn_file_actions_adddup2(&fa, dir, 3);
    if (rc == 0)
        rc = posix_spawn_file_actions_addclosefrom_np(&fa, 4);
    if (rc == 0)
        rc = posix_spawn(pid, "/proc/self/exe", &fa, &attr, argv, environ);
    posix_spawnattr_destroy(&attr);
    posix_spawn_file_actions_destroy(&fa);
    return rc;
}

/* Reads the verdict. False when it did not come in time or not whole. */
static bool await(int fd, const struct ms_validate_opts *o, struct ms_verdict *out, bool *late)
{
    int64_t deadline = o->time == MS_NEVER ? MS_NEVER : ms_now() + o->time + GRACE;
    size_t have = 0;

    *late = false;
    while (have < sizeof *out) {
        struct pollfd p = {.fd = fd, .events = POLLIN};
        if (o->cancel && atomic_load(o->cancel))
            return false;
        if (ms_now() > deadline) {
            *late = true;
            return false;
        }
        int rc = poll(&p, 1, 50);
        if (rc < 0 && errno != EINTR)
            return false;
        if (rc <= 0)
            continue;
        ssize_t n = read(fd, (char *)out + have, sizeof *out - have);
        if (n == 0 || (n < 0 && errno != EINTR))
            return false;
        have += n > 0 ? (size_t)n : 0;
    }
    return true;
}

static ms_code explain(int status, bool late, const struct ms_validate_opts *o, struct ms_err *err)
{
    if (o->cancel && atomic_load(o->cancel))
        return ms_fail(err, MS_CANCELLED, "the load was cancelled");
    if (late || (WIFSIGNALED(status) && WTERMSIG(status) == SIGXCPU))
        return ms_fail(err, MS_DEADLINE_EXCEEDED, "reading the model takes too long");
    if (WIFSIGNALED(status))
        return ms_fail(err, MS_INVALID_ARGUMENT,
                       "reading the model ended its process with signal %d: it is refused",
                       WTERMSIG(status));
    return ms_fail(err, MS_INTERNAL, "validate: the process ended with %d and without a verdict",
                   WIFEXITED(status) ? WEXITSTATUS(status) : -1);
}

static ms_code collect(pid_t pid, int fd, const struct ms_validate_opts *o, struct ms_err *err)
{
    struct ms_verdict v;
    bool late;
    int status = 0;
    bool whole = await(fd, o, &v, &late);

    /* Waiting alone would hang where it still runs; a verdict means that it has ended or will. */
    if (!whole && (late || (o->cancel && atomic_load(o->cancel))))
        (void)kill(pid, SIGKILL);
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    if (!whole)
        return explain(status, late, o, err);
    v.text[sizeof v.text - 1] = '\0';
    if (v.code == MS_OK)
        return MS_OK;
    if (v.code < 0 || v.code > MS_UNAUTHENTICATED)
        return ms_fail(err, MS_INTERNAL, "validate: a verdict that is none");
    return ms_fail_because(err, (ms_code)v.code, (enum ms_reason)(v.reason & 3), "%s", v.text);
}

ms_code ms_validate(int dir, const struct ms_version *v, const struct ms_validate_opts *o,
                    struct ms_err *err)
{
    int pipe_fd[2];
    pid_t pid;
    int job = write_job(v, o, err);

    if (job < 0)
        return err->code;
    if (pipe2(pipe_fd, O_CLOEXEC) != 0) {
        close(job);
        return ms_fail(err, MS_UNAVAILABLE, "validate: pipe: %s", strerror(errno));
    }
    int rc = spawn(job, pipe_fd[1], dir, &pid);
    close(job);
    close(pipe_fd[1]);
    ms_code code = rc == 0 ? collect(pid, pipe_fd[0], o, err)
                           : ms_fail(err, MS_UNAVAILABLE, "validate: starting: %s", strerror(rc));
    close(pipe_fd[0]);
    return code;
}
