/* SPDX-License-Identifier: Apache-2.0 */
/* abseil.h - a setting of a library that gRPC core brings along. */
#ifndef MS_BASE_ABSEIL_H
#define MS_BASE_ABSEIL_H

/* Debian builds Abseil with assertions, and so with a search for deadlocks, which looks at every
 * lock that gRPC core takes: 5 % of a small call at either end. Turns it off for the whole process,
 * and is therefore for programs, not for libraries. Does nothing elsewhere. */
void ms_abseil_quiet(void);

#endif
