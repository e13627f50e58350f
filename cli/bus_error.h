/* SPDX-License-Identifier: Apache-2.0 */
/* Ending well when a mapped file shrinks under the tool. */
#ifndef PKM_CLI_BUS_ERROR_H
#define PKM_CLI_BUS_ERROR_H

/* From now on such a SIGBUS names the file on stderr and ends the process with CMD_FAILED. */
void bus_error_catch(void);

#endif
