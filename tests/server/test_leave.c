/* SPDX-License-Identifier: Apache-2.0 */
/* test_leave.c - whoever waits for the last call of a transport frees the transport at once. */
#include <pthread.h>
#include <stdlib.h>

#include "server/transport.h"
#include "tests/server/suites.h"

enum { CALLS = 3, ROUNDS = 2000 };

struct house {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    atomic_int inside;
};

static void *leave(void *arg)
{
    struct house *h = arg;

    ms_leave(&h->inside, &h->lock, &h->changed);
    return NULL;
}

static void wait_and_free(struct house *h)
{
    pthread_mutex_lock(&h->lock);
    while (atomic_load(&h->inside) > 0)
        pthread_cond_wait(&h->changed, &h->lock);
    pthread_mutex_unlock(&h->lock);
    pthread_cond_destroy(&h->changed);
    pthread_mutex_destroy(&h->lock);
    free(h);
}

/* A sanitizer sees whoever touches the house when it is gone; without one a wait without end is the
 * failure. */
START_TEST(nobody_comes_back)
{
    for (int i = 0; i < ROUNDS; i++) {
        struct house *h = calloc(1, sizeof *h);
        pthread_t thread[CALLS];

        ck_assert_ptr_nonnull(h);
        pthread_mutex_init(&h->lock, NULL);
        pthread_cond_init(&h->changed, NULL);
        atomic_store(&h->inside, CALLS);
        for (int k = 0; k < CALLS; k++)
            ck_assert_int_eq(pthread_create(&thread[k], NULL, leave, h), 0);
        wait_and_free(h);
        for (int k = 0; k < CALLS; k++)
            pthread_join(thread[k], NULL);
    }
}
END_TEST

Suite *suite_leave(void)
{
    Suite *s = suite_create("leave");
    TCase *t = tcase_create("leave");

    tcase_set_timeout(t, 60);
    tcase_add_test(t, nobody_comes_back);
    suite_add_tcase(s, t);
    return s;
}
