/* SPDX-License-Identifier: Apache-2.0 */
/* PNG by cairo; tests/cli/plot.sh has what is said where it is missing. */
#include <string.h>

#include "report/canvas.h"
#include "support/check.h"
#include "support/faults.h"

/* A picture of 30 x 20 with one of every stroke. */
static pkm_status draw(pkm_strbuf *out)
{
    const double points[][2] = {{1, 1}, {20, 15}};
    const pkm_pen pen = {.color = 0x0072b2, .alpha = 0.5, .width = 2, .dash = 3};
    pkm_canvas *canvas;
    pkm_status status;

    PKM_TRY(pkm_canvas_create(&canvas, PKM_CANVAS_PNG, 30, 20));
    pkm_canvas_fill(canvas, 0xffffff);
    pkm_canvas_clip(canvas, 0, 0, 25, 20);
    pkm_canvas_line(canvas, pen, points, 2);
    pkm_canvas_begin_run(canvas, 0);
    pkm_canvas_dot(canvas, pen, 10, 10, 3);
    pkm_canvas_end_run(canvas);
    pkm_canvas_unclip(canvas);
    for (pkm_align align = PKM_LEFT; align <= PKM_RIGHT; align++)
        pkm_canvas_text(canvas, 15, 12, "ä", (pkm_lettering){9, 1, align, align == PKM_LEFT});
    status = pkm_canvas_finish(canvas, out);
    pkm_canvas_destroy(canvas);
    return status;
}

/* Two pixels per unit, and the same bytes every time. */
static void test_picture(void **state)
{
    pkm_strbuf one = {0}, two = {0};

    (void)state;
    check_ok(draw(&one));
    assert_memory_equal(one.data, "\x89PNG\r\n\x1a\n", 8);
    assert_memory_equal(one.data + 16, "\0\0\0\x3c\0\0\0\x28", 8); /* 60 x 40 */
    check_ok(draw(&two));
    assert_int_equal(one.length, two.length);
    assert_memory_equal(one.data, two.data, one.length);
    pkm_strbuf_release(&one);
    pkm_strbuf_release(&two);
}

/* Whichever of our allocations fails. */
static void test_out_of_memory(void **state)
{
    fault_holdings had, has;
    pkm_strbuf out = {0};
    bool failed = true;

    (void)state;
    faults_install();
    had = faults_holdings(".");
    for (int nth = 1; failed; nth++) {
        pkm_status status;

        faults_arm(&(fault){FAULT_ALLOC, FAULT_ONCE, 0, nth});
        status = draw(&out);
        failed = faults_disarm();
        assert_int_equal(status, failed ? PKM_ERR_NOMEM : PKM_OK);
        pkm_strbuf_release(&out);
        has = faults_holdings(".");
        assert_int_equal(has.blocks, had.blocks);
    }
    faults_remove();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_picture),
        cmocka_unit_test(test_out_of_memory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
