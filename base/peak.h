/* SPDX-License-Identifier: Apache-2.0 */
/* peak.h - what this host can do at most, measured: the roofs that kernels are judged by. */
#ifndef MS_BASE_PEAK_H
#define MS_BASE_PEAK_H

struct ms_peak {
    double gflops; /* f32 multiply-adds on registers, two operations each */
    double gbytes; /* reading from memory; 0 when there was no room for the buffer */
};

/* GFLOP/s of the calling thread with the vectors that this process uses (MINDSERVE_ISA counts):
 * the fastest of ten tries of about a millisecond, since others use the machine too. */
double ms_peak_core(void);

/* Both of so many threads at once, no more than there are CPUs or can be started; takes a quarter
 * of a second and, for that long, up to 256 MiB. */
struct ms_peak ms_peak_of(int threads);

#endif
