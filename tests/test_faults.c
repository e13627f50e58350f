/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every call that can fail does: the n-th of each kind, for n = 1, 2, ... until the operation
 * completes without meeting it, once and from then on. After each: what was good before still is,
 * what claims success is whole, nothing is held that was not before, and the message names the
 * file and the cause.
 *
 * n goes up in growing steps; PKM_FAULTS=all takes every one.
 */
#include "support/faults.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "support/check.h"
#include "support/operations.h"

static const struct {
    const char *name;
    fault_call call;
    int error;
} faults[] = {
    {"open", FAULT_OPEN, EMFILE},         {"read", FAULT_READ, EIO},
    {"write", FAULT_WRITE, ENOSPC},       {"write", FAULT_WRITE, EIO},
    {"truncate", FAULT_TRUNCATE, EIO},    {"fsync", FAULT_SYNC, EIO},
    {"close", FAULT_CLOSE, EIO},          {"mmap", FAULT_MAP, ENOMEM},
    {"rename", FAULT_RENAME, EIO},        {"link", FAULT_LINK, EIO},
    {"link", FAULT_LINK, EPERM},          {"remove", FAULT_REMOVE, EIO},
    {"mkdir", FAULT_MAKE_FOLDER, ENOSPC}, {"statvfs", FAULT_SPACE, EIO},
    {"statvfs", FAULT_SPACE, 0},          {"malloc", FAULT_ALLOC, 0},
};

enum { N_FAULTS = sizeof faults / sizeof faults[0] };

/* Names the file and the cause; memory has no file, and of texts that cannot be read none is left.
 */
static void check_message(const fault *what, const char *message)
{
    const char *cause = what->call == FAULT_ALLOC ? "out of memory" : strerror(what->error);

    if (what->call == FAULT_SPACE && what->error == 0)
        cause = "free";
    if (strstr(message, cause) == NULL && strstr(message, "unreadable files") == NULL)
        fail_msg("'%s' does not say '%s'", message, cause);
    if (what->call != FAULT_ALLOC && strstr(message, operations_dir()) == NULL)
        fail_msg("'%s' names no file", message);
}

static char doing[128]; /* for the reader of a failure */

/* Does an operation that goes on say what such a fault has cost? */
static bool is_told(const fault *what)
{
    return what->mode != FAULT_EVERY_OTHER &&
           (what->call == FAULT_WRITE || what->call == FAULT_SYNC || what->call == FAULT_RENAME ||
            what->call == FAULT_SPACE || what->call == FAULT_MAKE_FOLDER);
}

/* One round; false when the fault did not strike: there are no more such calls. */
static bool strike(const operation *op, const fault *what)
{
    fault_holdings had = faults_holdings(operations_dir()), has;
    pkm_error_copy error;
    pkm_status status;
    bool struck;

    op->prepare();
    faults_arm(what);
    status = op->run();
    struck = faults_disarm();
    pkm_error_keep(&error);
    if (status != PKM_OK && !struck)
        fail_msg("%s fails without a fault: %s", op->name, error.message);
    if (status != PKM_OK && what->mode == FAULT_EVERY_OTHER)
        fail_msg("%s gives up: %s", op->name, error.message);
    if (status != PKM_OK)
        check_message(what, error.message);
    if (status == PKM_OK && struck && op->tells && is_told(what))
        assert_int_not_equal(operations_warnings(), 0);
    op->check(status, what->call != FAULT_OPEN && what->call != FAULT_REMOVE);
    has = faults_holdings(operations_dir());
    if (has.blocks != had.blocks || has.files != had.files || has.maps != had.maps)
        fail_msg("held afterwards: %+" PRId64 " blocks, %+d files, %+d mappings",
                 has.blocks - had.blocks, has.files - had.files, has.maps - had.maps);
    return struck;
}

/* All places of one fault; returns how many were tried. */
static int64_t sweep(const operation *op, int row, fault_mode mode)
{
    static const char *const modes[] = {"once", "for ever", "every other time"};
    fault what = {faults[row].call, mode, faults[row].error, 1};
    bool all = getenv("PKM_FAULTS") != NULL;
    int64_t rounds = 0;

    for (;;) {
        snprintf(doing, sizeof doing, "%s: %s (%s) %s from call %" PRId64 " on", op->name,
                 faults[row].name, strerror(what.error), modes[mode], what.nth);
        if (!strike(op, &what))
            break;
        rounds++;
        what.nth += all ? 1 : 1 + what.nth / 12;
    }
    doing[0] = '\0';
    return rounds;
}

static void test_operation(void **state)
{
    const operation *op = *state;
    int64_t rounds = 0;

    for (int row = 0; row < N_FAULTS; row++)
        rounds += sweep(op, row, FAULT_ONCE) + sweep(op, row, FAULT_FOR_EVER);
    assert_int_not_equal(rounds, 0);
    print_message("%s: %" PRId64 " faults\n", op->name, rounds);
}

/* A training whose second look at free space, the first one before a save, finds this. */
static pkm_status train_on(int error, fault_mode mode)
{
    fault what = {FAULT_SPACE, mode, error, 2};
    const operation *op = operation_find("train");
    pkm_status status;

    op->prepare();
    faults_arm(&what);
    status = op->run();
    assert_true(faults_disarm());
    return status;
}

/* A full disk costs checkpoints, but not the last one; other failures end it when two come in a
 * row. */
static void test_policy(void **state)
{
    (void)state;
    check_ok(train_on(0, FAULT_ONCE));
    assert_int_equal(operations_warnings(), 1);
    check_fails(train_on(0, FAULT_FOR_EVER), PKM_ERR_IO, "saving step 3 failed",
                "no checkpoint yet", "are free", NULL);
    assert_int_equal(operations_warnings(), 2);
    check_ok(train_on(EIO, FAULT_ONCE));
    assert_int_equal(operations_warnings(), 1);
    check_fails(train_on(EIO, FAULT_FOR_EVER), PKM_ERR_IO, "saving step 2 failed",
                "Input/output error", NULL);
    assert_int_equal(operations_warnings(), 1);
}

/* Signals and short transfers are no faults: everything is done all the same. */
static void test_interruptions(void **state)
{
    static const fault storms[] = {
        {FAULT_OPEN, FAULT_EVERY_OTHER, EINTR, 1},  {FAULT_READ, FAULT_EVERY_OTHER, EINTR, 1},
        {FAULT_WRITE, FAULT_EVERY_OTHER, EINTR, 1}, {FAULT_READ, FAULT_EVERY_OTHER, 0, 1},
        {FAULT_WRITE, FAULT_EVERY_OTHER, 0, 1},
    };

    (void)state;
    for (int op = 0; op < N_OPERATIONS; op++)
        for (size_t i = 0; i < sizeof storms / sizeof storms[0]; i++) {
            snprintf(doing, sizeof doing, "%s: storm %zu", operations[op].name, i);
            (void)strike(&operations[op], &storms[i]);
        }
    doing[0] = '\0';
}

static int say_where(void **state)
{
    (void)state;
    (void)faults_disarm();
    operations_abort();
    if (doing[0] != '\0')
        print_message("at %s\n", doing);
    doing[0] = '\0';
    return 0;
}

static int create_world(void **state)
{
    (void)state;
    faults_install();
    operations_create();
    return 0;
}

static int destroy_world(void **state)
{
    (void)state;
    operations_destroy();
    faults_remove();
    return 0;
}

int main(void)
{
    struct CMUnitTest tests[N_OPERATIONS + 2];

    for (int i = 0; i < N_OPERATIONS; i++)
        tests[i] = (struct CMUnitTest){operations[i].name, test_operation, NULL, say_where,
                                       (void *)&operations[i]};
    tests[N_OPERATIONS] =
        (struct CMUnitTest){"interruptions", test_interruptions, NULL, say_where, NULL};
    tests[N_OPERATIONS + 1] = (struct CMUnitTest){"policy", test_policy, NULL, say_where, NULL};
    return _cmocka_run_group_tests("faults", tests, N_OPERATIONS + 2, create_world, destroy_world);
}
