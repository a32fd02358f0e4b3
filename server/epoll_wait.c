/* SPDX-License-Identifier: Apache-2.0 */
/* epoll_wait.c - lets gRPC core's waiting thread carry the front.
 *
 * The library has no call for "wait for your sockets and mine", and a thread of the front's own
 * means two more wake-ups a call. But it waits by epoll_wait, on one descriptor, one thread at a
 * time, and the dynamic linker takes that function from the program first: so to wait on that
 * descriptor, and on no other, is to go the front's rounds. A library that waits by other means is
 * met by a front with a thread (ms_front_settle); the guard stands before it all the same. */
#include <stdatomic.h>
#include <sys/epoll.h>

#include "server/front.h"

static _Thread_local struct ms_front *finding; /* its server's descriptor */
static struct ms_front *_Atomic carried;
static atomic_int carried_on = -1; /* the descriptor */

void ms_front_take_up(struct ms_front *f)
{
    finding = f;
}

static void find(int epoll)
{
    struct ms_front *f = finding, *none = NULL;

    finding = NULL;
    if (!atomic_compare_exchange_strong(&carried, &none, f))
        return;
    if (ms_front_adopt(f, epoll))
        atomic_store(&carried_on, epoll);
    else
        atomic_store(&carried, NULL);
}

__attribute__((visibility("default"))) int epoll_wait(int epoll, struct epoll_event *e, int max,
                                                      int timeout)
{
    int n;

    if (finding)
        find(epoll);
    if (epoll != atomic_load_explicit(&carried_on, memory_order_acquire))
        return epoll_pwait(epoll, e, max, timeout, NULL);
    struct ms_front *f = atomic_load(&carried);
    if (!ms_front_carry(f, epoll, e, max, timeout, &n)) {
        atomic_store(&carried_on, -1);
        atomic_store(&carried, NULL);
        ms_front_left(f);
    }
    return n;
}
