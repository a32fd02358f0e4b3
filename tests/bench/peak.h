/* SPDX-License-Identifier: Apache-2.0 */
/* peak.h - what a core can do at most: multiply-adds on registers, nothing else. */
#ifndef MS_TESTS_BENCH_PEAK_H
#define MS_TESTS_BENCH_PEAK_H

/* GFLOP/s of one core with the vectors that this process uses (MINDSERVE_ISA counts), the fastest
 * of ten tries of about a millisecond; 0 without vectors. */
double bench_peak(void);

#endif
