/* SPDX-License-Identifier: Apache-2.0 */
/* Stopping on SIGINT and SIGTERM: the first asks, the second kills. A closed pipe stops nothing. */
#ifndef PKM_CLI_STOP_H
#define PKM_CLI_STOP_H

/* From now on the first signal is only remembered. */
void stop_catch(void);

/* The signal that asked to stop, 0 if none did. */
int stop_signal(void);

#endif
