/* SPDX-License-Identifier: Apache-2.0 */
#include "wait_policy.h"

#include <stdlib.h>
#include <unistd.h>

void wait_policy_apply(char **argv)
{
    /* Long enough for a barrier between equal shares of work, far below a scheduler's time slice.
     */
    static const char spins[] = "1000";

    if (getenv("OMP_WAIT_POLICY") != NULL || getenv("GOMP_SPINCOUNT") != NULL)
        return;
    if (setenv("GOMP_SPINCOUNT", spins, 0) == 0)
        (void)execv("/proc/self/exe", argv);
}
