/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Faults on purpose: the n-th call of one kind fails, once, from then on, or every other time. The
 * calls are those of base/io.h, and allocation (jansson's too).
 */
#ifndef PKM_TESTS_FAULTS_H
#define PKM_TESTS_FAULTS_H

#include <stdbool.h>
#include <stdint.h>

typedef enum fault_call {
    FAULT_OPEN,
    FAULT_READ,
    FAULT_WRITE,
    FAULT_TRUNCATE,
    FAULT_SYNC,
    FAULT_CLOSE, /* closes all the same, as the system does */
    FAULT_MAP,
    FAULT_RENAME,
    FAULT_LINK,
    FAULT_REMOVE,
    FAULT_MAKE_FOLDER,
    FAULT_SPACE,
    FAULT_ALLOC
} fault_call;

typedef enum fault_mode { FAULT_ONCE, FAULT_FOR_EVER, FAULT_EVERY_OTHER } fault_mode;

typedef struct fault {
    fault_call call;
    fault_mode mode;
    int error;   /* errno; 0: half of what is read or written, no free space */
    int64_t nth; /* first call to fail, counted from 1 */
} fault;

/* From here on calls go through the table of faults, which syncs nothing: no test loses power. */
void faults_install(void);
void faults_remove(void);

/* Until disarmed; one at a time, while one thread runs. */
void faults_arm(const fault *what);
/* Whether it struck. Fails the test if a file whose sync failed was synced again. */
bool faults_disarm(void);

/* What this process holds: heap, descriptors, mappings of files under `dir`. */
typedef struct fault_holdings {
    int64_t blocks;
    int files, maps;
} fault_holdings;

fault_holdings faults_holdings(const char *dir);

#endif
