/* SPDX-License-Identifier: Apache-2.0 */
/* mutate.h - protobuf files made wrong in ways that still look right.
 *
 * Without a schema: what parses as a message to its last byte is taken for one. Edits keep the
 * lengths of the enclosing messages true, so that most results get past the first check. */
#ifndef MS_TESTS_FUZZ_MUTATE_H
#define MS_TESTS_FUZZ_MUTATE_H

#include <stddef.h>
#include <stdint.h>

/* xorshift64*: the same numbers on every host. */
struct rnd {
    uint64_t s;
};
uint64_t rnd_next(struct rnd *r);
size_t rnd_below(struct rnd *r, size_t n); /* n > 0 */

/* Returns a malloc'd variant of the bytes, 1 to 4 edits away; *len is updated. NULL: out of memory.
 */
uint8_t *mutate(const uint8_t *in, size_t *len, struct rnd *r);

#endif
