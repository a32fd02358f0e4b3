/* SPDX-License-Identifier: Apache-2.0 */
/* abseil.c - see abseil.h. By name: it is C++, and not linked where there is no gRPC. */
#include "base/abseil.h"

#include <dlfcn.h>
#include <string.h>

enum { IGNORE = 0 }; /* absl::OnDeadlockCycle::kIgnore */

void ms_abseil_quiet(void)
{
    void *found = dlsym(RTLD_DEFAULT, "_ZN4absl7debian329SetMutexDeadlockDetectionModeENS0_"
                                      "15OnDeadlockCycleE");
    void (*set)(int);

    if (!found)
        return;
    memcpy(&set, &found, sizeof set);
    set(IGNORE);
}
