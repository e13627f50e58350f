/* SPDX-License-Identifier: Apache-2.0 */
/* The standard streams: safe to use from the start, and their loss noticed at the end. */
#ifndef PKM_CLI_STREAMS_H
#define PKM_CLI_STREAMS_H

/* Before anything is opened: a file must not get the place of a closed standard stream, where
 * messages would be written into it. Such a stream becomes one that fails when it is used. A limit
 * on the size of files is met like a full disk, by a message. */
void streams_open(void);

/* The exit code of a program that would end with `code`: a result that did not reach its reader (a
 * full disk, a closed descriptor) is a failure. A reader that left, as `head` does, knows that it
 * did: no message, and the code of a program that SIGPIPE ended. */
int streams_close(int code);

#endif
