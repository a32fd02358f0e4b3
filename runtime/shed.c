/* SPDX-License-Identifier: Apache-2.0 */
/* shed.c - MADV_DONTNEED, but only where it cannot lose data.
 *
 * On anonymous memory that advice throws contents away, so the kernel is asked first what the
 * bytes are: a mapping with an inode that nobody may write has no contents of its own. */
#include "runtime/shed.h"

#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

enum { BIG = 32 << 20, EVERY_MS = 5 };

/* Is [from, to) inside one read-only mapping of a file? */
static bool is_file(uintptr_t from, uintptr_t to)
{
    char line[512];
    bool is = false;
    FILE *f = fopen("/proc/self/maps", "re");

    while (f && !is && fgets(line, sizeof line, f)) {
        unsigned long a, b, offset, inode;
        char perms[8], device[16];
        if (sscanf(line, "%lx-%lx %7s %lx %15s %lu", &a, &b, perms, &offset, device, &inode) == 6)
            is = a <= from && to <= b && perms[1] == '-' && inode != 0;
    }
    if (f)
        fclose(f);
    return is;
}

void ms_shed_init(struct ms_shed *s, const void *data, size_t len)
{
    const uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
    uintptr_t from = ((uintptr_t)data + page - 1) & ~(page - 1);
    uintptr_t to = ((uintptr_t)data + len) & ~(page - 1);

    memset(s, 0, sizeof *s);
    if (to > from && is_file(from, to)) {
        s->file = from;
        s->file_end = to;
    }
}

/* The whole pages of a range that lie in the file. */
static bool clip(const struct ms_shed *s, const void *data, size_t len, uintptr_t *from,
                 uintptr_t *to)
{
    const uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);

    *from = ((uintptr_t)data + page - 1) & ~(page - 1);
    *to = ((uintptr_t)data + len) & ~(page - 1);
    if (*from < s->file)
        *from = s->file;
    if (*to > s->file_end)
        *to = s->file_end;
    return *from < *to;
}

void ms_shed_now(const struct ms_shed *s, const void *data, size_t len)
{
    uintptr_t from, to;

    if (clip(s, data, len, &from, &to))
        (void)madvise((void *)from, to - from, MADV_DONTNEED);
}

static void *loop(void *arg)
{
    struct ms_shed *s = arg;
    const struct timespec nap = {.tv_nsec = EVERY_MS * 1000000L};

    while (!atomic_load(&s->stop)) {
        nanosleep(&nap, NULL);
        (void)madvise((void *)s->from, s->to - s->from, MADV_DONTNEED);
    }
    return NULL;
}

void ms_shed_begin(struct ms_shed *s, const void *data, size_t len)
{
    uintptr_t from, to;

    if (len < BIG || s->running || !clip(s, data, len, &from, &to))
        return;
    s->from = from;
    s->to = to;
    atomic_store(&s->stop, false);
    s->running = pthread_create(&s->thread, NULL, loop, s) == 0;
}

void ms_shed_end(struct ms_shed *s)
{
    if (!s->running)
        return;
    atomic_store(&s->stop, true);
    pthread_join(s->thread, NULL);
    s->running = false;
}
