/* SPDX-License-Identifier: Apache-2.0 */
/* raw.h - elements moved without caring what they mean: unsigned types of each size that may alias
 * anything, and a loop chosen by size. */
#ifndef MS_KERNELS_RAW_H
#define MS_KERNELS_RAW_H

#include <stdint.h>

typedef uint8_t ms_raw8;
typedef uint16_t __attribute__((may_alias)) ms_raw16;
typedef uint32_t __attribute__((may_alias)) ms_raw32;
typedef uint64_t __attribute__((may_alias)) ms_raw64;
typedef struct {
    uint64_t a, b;
} __attribute__((may_alias)) ms_raw128; /* struct ms_bytes */

/* Runs do_(type) with the raw type of size_ bytes (1, 2, 4, 8 or 16). */
#define MS_BY_SIZE(size_, do_)                                                                     \
    do {                                                                                           \
        if ((size_) == 4)                                                                          \
            do_(ms_raw32);                                                                         \
        else if ((size_) == 8)                                                                     \
            do_(ms_raw64);                                                                         \
        else if ((size_) == 1)                                                                     \
            do_(ms_raw8);                                                                          \
        else if ((size_) == 2)                                                                     \
            do_(ms_raw16);                                                                         \
        else                                                                                       \
            do_(ms_raw128);                                                                        \
    } while (0)

#endif
