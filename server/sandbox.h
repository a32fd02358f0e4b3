/* SPDX-License-Identifier: Apache-2.0 */
/* sandbox.h - a process that gives up everything but computing. */
#ifndef MS_SERVER_SANDBOX_H
#define MS_SERVER_SANDBOX_H

#include <stddef.h>

#include "base/err.h"

/* From here on this process may use memory, read and write descriptors it has, and end: no files,
 * no network, no other processes (seccomp, where the kernel has it; anything else ends the
 * process). Address space and CPU seconds are bounded. Sanitizer builds keep only the CPU bound,
 * since their run-time needs more than that. UNAVAILABLE when the kernel refuses. */
ms_code ms_sandbox_enter(size_t address_space, unsigned cpu_seconds,
                         struct ms_err *err) MS_WARN_UNUSED;

#endif
