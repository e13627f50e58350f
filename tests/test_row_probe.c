/* SPDX-License-Identifier: Apache-2.0 */
/* bench/row_probe.c and row_table.c: a walk reads and rewrites every row it says, and leaves the
 * bits as they were. */
#include "row_table.h"

#include <string.h>

#include "base/cpu.h"
#include "support/check.h"

enum { N_ROWS = 12, ROW_BYTES = 100, OTHER_BYTES = 4 };

typedef struct two_tables {
    char wide[N_ROWS * ROW_BYTES], narrow[N_ROWS * OTHER_BYTES];
} two_tables;

static void fill(two_tables *tables)
{
    for (int i = 0; i < N_ROWS * ROW_BYTES; i++)
        tables->wide[i] = (char)(i * 31);
    for (int i = 0; i < N_ROWS * OTHER_BYTES; i++)
        tables->narrow[i] = (char)(i * 17);
}

static pkm_row_walk walk_of(two_tables *tables, const int32_t *ids, int64_t n_ids)
{
    return (pkm_row_walk){.n_tables = 2,
                          .table = {tables->wide, tables->narrow},
                          .row_bytes = {ROW_BYTES, OTHER_BYTES},
                          .ids = ids,
                          .n_ids = n_ids,
                          .slice = n_ids};
}

static void check_loop(pkm_row_loop *loop)
{
    static const int32_t ids[] = {3, 0, 7, 11};
    two_tables before, after;
    pkm_row_walk walk = walk_of(&after, ids, 4);
    uint32_t read;

    fill(&before);
    after = before;
    read = loop(&walk, 0, 4);
    assert_int_equal(read, pkm_row_loop_ref(&walk, 0, 4));
    assert_int_not_equal(read, loop(&walk, 0, 3));
    walk.rewrite = true;
    for (int way = 0; way < 9; way++) {
        walk.ask = (pkm_row_ask)(way % 3);
        walk.ahead = way;
        walk.group = way / 3 * 2;
        assert_int_equal(loop(&walk, 0, 4), read);
        assert_memory_equal(&after, &before, sizeof after);
    }
    walk.change = UINT32_MAX; /* every bit of the rows visited, and no other */
    (void)loop(&walk, 1, 4);
    for (int row = 0; row < N_ROWS; row++)
        for (int i = 0; i < ROW_BYTES; i++) {
            int flip = row == 0 || row == 7 || row == 11 ? -1 : 0;

            assert_int_equal(after.wide[row * ROW_BYTES + i],
                             before.wide[row * ROW_BYTES + i] ^ flip);
            assert_int_equal(after.narrow[row * OTHER_BYTES + i % OTHER_BYTES],
                             before.narrow[row * OTHER_BYTES + i % OTHER_BYTES] ^ flip);
        }
}

static void test_loops(void **state)
{
    (void)state;
    check_loop(pkm_row_loop_ref);
#ifdef PKM_X86
    if (pkm_isa_detected() >= PKM_ISA_AVX2)
        check_loop(pkm_row_loop_avx2);
    if (pkm_isa_detected() >= PKM_ISA_AVX512)
        check_loop(pkm_row_loop_avx512);
#endif
}

/* Each row once before the first comes again, a slice by each run. */
static void test_table(void **state)
{
    pkm_row_table table;
    int visits[10] = {0};

    (void)state;
    check_ok(pkm_row_table_create(&table, 10 * 128 + 5));
    check_ok(pkm_row_table_lay(&table, 128, 3 * 128, true));
    assert_int_equal(table.walk.slice, 3);
    assert_int_equal(table.walk.n_ids, 9);
    for (int i = 0; i < 9; i++)
        visits[table.walk.ids[i]]++;
    for (int i = 0; i < 9; i++)
        assert_int_equal(visits[i], 1);
    check_ok(pkm_row_table_lay(&table, 128, 20 * 128, false));
    assert_int_equal(table.walk.slice, 20);
    for (int i = 0; i < 20; i++)
        assert_int_equal(table.walk.ids[i], i % 10);
    pkm_row_table_release(&table);
}

static void keep(const pkm_bench_figure *figure, void *user)
{
    *(double *)user = figure->bytes;
}

static void test_bytes(void **state)
{
    static const int32_t ids[] = {1, 2};
    two_tables before, after;
    pkm_row_walk walk = walk_of(&after, ids, 2);
    double bytes = 0;
    pkm_measure *measure;

    (void)state;
    fill(&before);
    after = before;
    walk.rewrite = true;
    check_ok(pkm_measure_create(&measure, 2));
    check_ok(pkm_row_probe_add(measure, NULL, "probe", &walk, 1));
    check_ok(pkm_measure_run(measure));
    pkm_measure_report(measure, keep, &bytes);
    pkm_measure_destroy(measure);
    assert_true(bytes == 2 * 2 * (ROW_BYTES + OTHER_BYTES)); /* there and back */
    assert_memory_equal(&after, &before, sizeof after);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_loops), cmocka_unit_test(test_table),
                                       cmocka_unit_test(test_bytes)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
