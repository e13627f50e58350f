/* SPDX-License-Identifier: Apache-2.0 */
/* How threads wait for each other. */
#ifndef PKM_CLI_WAIT_POLICY_H
#define PKM_CLI_WAIT_POLICY_H

/*
 * Makes OpenMP's threads sleep soon at a barrier, unless the user's environment says how they
 * should wait: by default they spin for milliseconds, which on a machine with another busy process
 * takes the very core the awaited thread needs (training then runs 3 times slower). OpenMP reads
 * its settings before main, so this starts the program once more; where that fails, it goes on.
 */
void wait_policy_apply(char **argv);

#endif
