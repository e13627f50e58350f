/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Threads: OpenMP behind three functions. Work is cut into blocks whose size does not depend on the
 * number of threads; a block is computed whole by one thread, so bits do not depend on it either.
 */
#ifndef PKM_BASE_THREADS_H
#define PKM_BASE_THREADS_H

#include <stdint.h>

#include "base/error.h"

/* Why a number of threads was chosen; every field is a number of threads, 0 = no such limit. */
typedef struct pkm_thread_choice {
    int threads;  /* in use */
    int asked;    /* pkm_threads_set or PKM_THREADS */
    int affinity; /* cores this process may run on */
    int quota;    /* floor of the cgroup's CPU quota, at least 1 */
    int cores;    /* physical cores */
} pkm_thread_choice;

/* Uses `threads` threads from now on; 0 = min(affinity, quota, cores) or PKM_THREADS. */
pkm_status pkm_threads_set(int threads);

/* PKM_ERR_ARG if PKM_THREADS decides and is no number: asked by what sets up work for threads. */
pkm_status pkm_threads_check(void);

/* The number in use. */
int pkm_threads(void);
pkm_status pkm_threads_choice(pkm_thread_choice *out);

/* The file of the OpenMP runtime in this process, such as "libgomp.so.1". */
const char *pkm_threads_runtime(void);

/* A body computes block `block`; `thread` in [0, pkm_threads()) picks its scratch. It cannot fail.
 */
typedef void (*pkm_block_body)(int64_t block, int thread, void *user);

/*
 * Runs body for every block in [0, n_blocks): contiguous ranges, one per thread. Called from inside
 * a body it runs all of them in order on the calling thread, under the number that thread has
 * already: its scratch stays its own. Every thread computes in the caller's floating-point
 * environment: rounding, denormals.
 */
void pkm_parallel(int64_t n_blocks, pkm_block_body body, void *user);

/*
 * Runs body(user) on the calling thread, with the other threads waiting close by for the calls of
 * pkm_parallel that it makes: for work that is many short loops, since each costs a microsecond
 * then, while a thread that has gone to sleep takes tens of them to come. Only a matter of speed:
 * without a second thread, in a team or in a body already, it is the plain call.
 */
typedef void (*pkm_team_body)(void *user);
void pkm_team(pkm_team_body body, void *user);

/*
 * How many threads a library that uses OpenMP itself gets from the calling thread; returns the
 * number it got before, to be given back.
 */
int pkm_threads_lend(int threads);

#endif
