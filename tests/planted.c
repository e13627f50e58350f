/* SPDX-License-Identifier: Apache-2.0 */
/*
 * planted FAULT: one fault of each kind that a sanitizer or valgrind is run to find. What finds
 * them here would find them in the library; what stays silent proves nothing.
 */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/threads.h"

/* So that the compiler cannot see the fault and leave it out. */
static volatile int three = 3;

static void add_unguarded(int64_t block, int thread, void *user)
{
    (void)block;
    (void)thread;
    ++*(int64_t *)user;
}

/* All blocks count in one place. */
static int race(void)
{
    int64_t count = 0;

    if (pkm_threads_set(4) != PKM_OK)
        return 2;
    pkm_parallel(100000, add_unguarded, &count);
    return count < 0;
}

/* A branch on memory that nobody has written. */
static int uninitialised(void)
{
    int *numbers;

    if (pkm_alloc((void **)&numbers, 4 * sizeof *numbers, "a fault") != PKM_OK)
        return 2;
    if (numbers[three] == 1)
        puts("one");
    pkm_free(numbers);
    return 0;
}

/* One byte behind a block. */
static int overflow(void)
{
    char *text;

    if (pkm_alloc((void **)&text, 61 + (size_t)three, "a fault") != PKM_OK)
        return 2;
    memset(text, 0, 61 + (size_t)three);
    text[61 + three] = 1;
    pkm_free(text);
    return 0;
}

/* A signed sum that does not fit. */
static int undefined(void)
{
    int sum = INT_MAX - 2 + three;

    return sum == 0;
}

static int leak(void)
{
    void *lost;

    if (pkm_alloc(&lost, 100, "a fault") != PKM_OK)
        return 2;
    lost = NULL;
    return lost != NULL;
}

static const struct {
    const char *name;
    int (*run)(void);
} faults[] = {
    {"race", race},         {"uninitialised", uninitialised},
    {"overflow", overflow}, {"undefined", undefined},
    {"leak", leak},
};

int main(int argc, char **argv)
{
    for (size_t i = 0; i < sizeof faults / sizeof *faults && argc == 2; i++)
        if (strcmp(argv[1], faults[i].name) == 0)
            return faults[i].run();
    fprintf(stderr, "usage: planted race|uninitialised|overflow|undefined|leak\n");
    return 2;
}
