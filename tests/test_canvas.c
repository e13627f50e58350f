/* SPDX-License-Identifier: Apache-2.0 */
/* SVG, stroke by stroke. */
#include "report/canvas.h"

#include <math.h>
#include <string.h>

#include "support/check.h"

static const pkm_pen red = {.color = 0xff0000, .alpha = 0.5, .width = 1.5, .dash = 1};
static const pkm_pen ink = {.alpha = 1, .width = 1};

/* Draws on a canvas of 20 x 10 and compares what is between the first line and the last. */
static void check_svg(void (*draw)(pkm_canvas *canvas), const char *want)
{
    static const char first[] = "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"20\" "
                                "height=\"10\" viewBox=\"0 0 20 10\" font-family=\"sans-serif\" "
                                "stroke-linejoin=\"round\">\n";
    pkm_strbuf whole = {0}, got = {0};
    pkm_canvas *canvas;

    check_ok(pkm_strbuf_printf(&whole, "%s%s</svg>\n", first, want));
    check_ok(pkm_canvas_create(&canvas, PKM_CANVAS_SVG, 20, 10));
    draw(canvas);
    check_ok(pkm_canvas_finish(canvas, &got));
    pkm_canvas_destroy(canvas);
    assert_string_equal(got.data, whole.data);
    pkm_strbuf_release(&whole);
    pkm_strbuf_release(&got);
}

static void draw_lines(pkm_canvas *canvas)
{
    const double points[][2] = {{0, 1}, {2, 3.04}, {4, NAN}, {6, -1e300}, {8, INFINITY}};

    pkm_canvas_line(canvas, red, points, 5);
    pkm_canvas_line(canvas, ink, points, 0);
}

/* A gap where a value is none; numbers that every viewer knows. */
static void test_lines(void **state)
{
    (void)state;
    check_svg(draw_lines,
              "<path fill=\"none\" stroke-width=\"1.5\" stroke=\"#ff0000\" "
              "stroke-opacity=\"0.5\" stroke-dasharray=\"6 3 6 3\" "
              "d=\"M0.0 1.0 2.0 3.0M6.0 -99999.0 8.0 99999.0\"/>\n"
              "<path fill=\"none\" stroke-width=\"1\" stroke=\"currentColor\" d=\"\"/>\n");
}

static void draw_letters(pkm_canvas *canvas)
{
    pkm_canvas_fill(canvas, 0xffffff);
    pkm_canvas_clip(canvas, 1, 2, 3, 4);
    pkm_canvas_begin_run(canvas, 7);
    pkm_canvas_dot(canvas, red, 1, 2, 3);
    pkm_canvas_end_run(canvas);
    pkm_canvas_unclip(canvas);
    pkm_canvas_text(canvas, 1, 2, "<a> & \"ä\"",
                    (pkm_lettering){.size = 12, .alpha = 0.75, .align = PKM_RIGHT, .bold = true});
}

static void test_letters(void **state)
{
    (void)state;
    check_svg(draw_letters,
              "<rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>\n"
              "<svg x=\"1\" y=\"2\" width=\"3\" height=\"4\" viewBox=\"1 2 3 4\">\n"
              "<g data-run=\"7\">\n"
              "<circle cx=\"1.0\" cy=\"2.0\" r=\"3\" fill=\"#ff0000\" fill-opacity=\"0.5\"/>\n"
              "</g>\n</svg>\n"
              "<text x=\"1.0\" y=\"2.0\" font-size=\"12\" text-anchor=\"end\" "
              "font-weight=\"bold\" fill=\"currentColor\" fill-opacity=\"0.75\">"
              "&lt;a&gt; &amp; &quot;ä&quot;</text>\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lines),
        cmocka_unit_test(test_letters),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
