/* SPDX-License-Identifier: Apache-2.0 */
/* background.c - SCHED_IDLE, and the thread that helps those whom it starves. */
#include "base/background.h"

#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"

#define LOOK_EVERY (100 * MS_MS)
enum {
    THREADS = 64, /* looked after at a time; further ones only wait longer */
    STARVED = 10, /* percent: who got less of the time starves */
};

struct watched {
    pid_t tid;
    int niceness;      /* while nobody helps it */
    bool helped;       /* it is not of SCHED_IDLE for now */
    bool seen;         /* in the present look */
    unsigned long cpu; /* clock ticks until the last look */
};

struct ms_background {
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    atomic_int begun;
    bool asleep, quit; /* with the lock */
    bool may_idle;
    int niceness; /* of who made this: what those who starve get */
    int n;
    struct watched watched[THREADS];
};

static int set_policy(pid_t tid, int policy)
{
    struct sched_param p = {.sched_priority = 0};

    return sched_setscheduler(tid, policy, &p);
}

/* ---- one look ---- */

/* proc_pid_stat(5): the state and the processor time of a thread. False: it has ended. */
static bool read_thread_stat(pid_t tid, char *state, unsigned long *cpu)
{
    char path[64], text[512];
    unsigned long user, system;

    (void)snprintf(path, sizeof path, "/proc/self/task/%d/stat", (int)tid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    ssize_t len = read(fd, text, sizeof text - 1);
    close(fd);
    text[len > 0 ? len : 0] = '\0';
    const char *rest = strrchr(text, ')'); /* a name may have anything in it */
    if (!rest || sscanf(rest + 1, " %c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", state,
                        &user, &system) != 3)
        return false;
    *cpu = user + system;
    return true;
}

static struct watched *find(struct ms_background *b, pid_t tid, bool add)
{
    for (int i = 0; i < b->n; i++)
        if (b->watched[i].tid == tid)
            return &b->watched[i];
    if (!add || b->n == THREADS)
        return NULL;
    b->watched[b->n] = (struct watched){.tid = tid};
    return &b->watched[b->n++];
}

/* Half of a processor that somebody else wants, every other look. Merely no longer idle, but nice,
 * it would get a tenth of that: too little for a large model's load to end in time on a server that
 * is busy without pause. */
static void help(struct ms_background *b, struct watched *w)
{
    w->niceness = getpriority(PRIO_PROCESS, (id_t)w->tid);
    (void)setpriority(PRIO_PROCESS, (id_t)w->tid, b->niceness); /* refused: a tenth, then */
    w->helped = set_policy(w->tid, SCHED_OTHER) == 0;
}

static void stop_helping(struct watched *w)
{
    (void)set_policy(w->tid, SCHED_IDLE);
    (void)setpriority(PRIO_PROCESS, (id_t)w->tid, w->niceness);
    w->helped = false;
}

/* One of SCHED_IDLE that wants to run and had none of the time gets a share until the next look;
 * one that had its share goes back. */
static void look_at_thread(struct ms_background *b, pid_t tid)
{
    const unsigned long least =
        (unsigned long)(sysconf(_SC_CLK_TCK) * LOOK_EVERY / MS_SEC * STARVED / 100);
    bool idle = sched_getscheduler(tid) == SCHED_IDLE;
    struct watched *w = find(b, tid, idle);
    unsigned long cpu;
    char state;

    if (!w || !read_thread_stat(tid, &state, &cpu))
        return;
    if (!idle) {
        if (w->helped)
            stop_helping(w);
    } else if (w->seen && state == 'R' && cpu - w->cpu <= least) {
        help(b, w);
    }
    w->seen = true;
    w->cpu = cpu;
}

static void look_at_all(struct ms_background *b)
{
    DIR *tasks = opendir("/proc/self/task");
    struct dirent *e;
    int kept = 0;

    while (tasks && (e = readdir(tasks)) != NULL) {
        pid_t tid = (pid_t)strtol(e->d_name, NULL, 10);
        if (tid > 0)
            look_at_thread(b, tid);
    }
    if (tasks)
        closedir(tasks);
    for (int i = 0; i < b->n; i++)
        if (sched_getscheduler(b->watched[i].tid) >= 0)
            b->watched[kept++] = b->watched[i];
    b->n = kept;
}

/* ---- the thread ---- */

/* With the lock, which is free meanwhile: until the next look is due, or there is reason to end. */
static void pause_looking(struct ms_background *b)
{
    int64_t ns = ms_now() + LOOK_EVERY;
    const struct timespec until = {ns / MS_SEC, ns % MS_SEC};

    while (!b->quit && ms_now() < ns)
        pthread_cond_timedwait(&b->wake, &b->lock, &until);
}

static void *run(void *arg)
{
    struct ms_background *b = arg;

    pthread_mutex_lock(&b->lock);
    while (!b->quit) {
        b->asleep = atomic_load(&b->begun) == 0;
        if (b->asleep) {
            pthread_cond_wait(&b->wake, &b->lock);
            continue;
        }
        pthread_mutex_unlock(&b->lock);
        look_at_all(b);
        pthread_mutex_lock(&b->lock);
        pause_looking(b);
    }
    pthread_mutex_unlock(&b->lock);
    return NULL;
}

/* Tried in a thread that does nothing else: there may be no way back. */
static void *try_idle(void *arg)
{
    char state;
    unsigned long cpu;
    int rc = setpriority(PRIO_PROCESS, (id_t)gettid(), 10);

    *(bool *)arg = rc == 0 && set_policy(0, SCHED_IDLE) == 0 && set_policy(0, SCHED_OTHER) == 0 &&
                   read_thread_stat(gettid(), &state, &cpu);
    return NULL;
}

static int start(struct ms_background *b)
{
    sigset_t all, old;
    pthread_t trial;

    sigfillset(&all); /* signals are the main thread's */
    pthread_sigmask(SIG_SETMASK, &all, &old);
    if (pthread_create(&trial, NULL, try_idle, &b->may_idle) == 0)
        pthread_join(trial, NULL);
    int rc = b->may_idle ? pthread_create(&b->thread, NULL, run, b) : 0;
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    if (rc == 0 && b->may_idle)
        pthread_setname_np(b->thread, "ms-background");
    return rc;
}

ms_code ms_background_new(struct ms_background **out, struct ms_err *err)
{
    struct ms_background *b = ms_calloc(1, sizeof *b);
    pthread_condattr_t attr;

    if (!b)
        return ms_fail_oom(err, "background", sizeof *b);
    b->niceness = getpriority(PRIO_PROCESS, 0);
    pthread_mutex_init(&b->lock, NULL);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&b->wake, &attr);
    pthread_condattr_destroy(&attr);
    int rc = start(b);
    if (rc != 0) {
        b->may_idle = false;
        ms_background_free(b);
        return ms_fail(err, MS_RESOURCE_EXHAUSTED, "starting a thread: %s", strerror(rc));
    }
    *out = b;
    return MS_OK;
}

void ms_background_free(struct ms_background *b)
{
    if (!b)
        return;
    if (b->may_idle) {
        pthread_mutex_lock(&b->lock);
        b->quit = true;
        pthread_cond_signal(&b->wake);
        pthread_mutex_unlock(&b->lock);
        pthread_join(b->thread, NULL);
    }
    pthread_cond_destroy(&b->wake);
    pthread_mutex_destroy(&b->lock);
    ms_free(b);
}

bool ms_background_enter(struct ms_background *b, int niceness)
{
    /* Linux keeps both by thread. A failure only means that the work is less shy. */
    (void)setpriority(PRIO_PROCESS, (id_t)gettid(), niceness);
    return b && b->may_idle && set_policy(0, SCHED_IDLE) == 0;
}

void ms_background_leave(void)
{
    (void)set_policy(0, SCHED_OTHER);
}

void ms_background_begin(struct ms_background *b)
{
    if (!b || !b->may_idle || atomic_fetch_add(&b->begun, 1) > 0)
        return;
    pthread_mutex_lock(&b->lock);
    if (b->asleep)
        pthread_cond_signal(&b->wake);
    pthread_mutex_unlock(&b->lock);
}

void ms_background_end(struct ms_background *b)
{
    if (b && b->may_idle)
        atomic_fetch_sub(&b->begun, 1);
}
