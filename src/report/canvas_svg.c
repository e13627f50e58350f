/* SPDX-License-Identifier: Apache-2.0 */
/* SVG 1.1 without ids and style sheets, so that several pictures can stand in a page. */
#include <math.h>

#include "base/alloc.h"
#include "report/canvas_kind.h"
#include "report/markup.h"

typedef struct svg_canvas {
    pkm_canvas base;
    pkm_strbuf text;
    pkm_status status; /* of all that was appended */
} svg_canvas;

static void keep(svg_canvas *svg, pkm_status status)
{
    if (svg->status == PKM_OK)
        svg->status = status;
}

static pkm_status create(pkm_canvas **out, int width, int height)
{
    svg_canvas *svg;

    PKM_TRY(pkm_alloc_array((void **)&svg, 1, sizeof *svg, "a drawing"));
    keep(svg, pkm_strbuf_printf(&svg->text,
                                "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" "
                                "height=\"%d\" viewBox=\"0 0 %d %d\" font-family=\"sans-serif\" "
                                "stroke-linejoin=\"round\">\n",
                                width, height, width, height));
    *out = &svg->base;
    return PKM_OK;
}

static pkm_status finish(pkm_canvas *canvas, pkm_strbuf *out)
{
    svg_canvas *svg = (svg_canvas *)canvas;

    PKM_TRY(svg->status);
    PKM_TRY(pkm_strbuf_append(out, svg->text.data, svg->text.length));
    return pkm_strbuf_printf(out, "</svg>\n");
}

static void destroy(pkm_canvas *canvas)
{
    svg_canvas *svg = (svg_canvas *)canvas;

    pkm_strbuf_release(&svg->text);
    pkm_free(svg);
}

/* ` stroke="#0072b2" stroke-opacity="0.3"`, or fill. */
static void put_paint(svg_canvas *svg, const char *what, uint32_t color, double alpha)
{
    if (color == 0)
        keep(svg, pkm_strbuf_printf(&svg->text, " %s=\"currentColor\"", what));
    else
        keep(svg, pkm_strbuf_printf(&svg->text, " %s=\"#%06x\"", what, color));
    if (alpha < 1)
        keep(svg, pkm_strbuf_printf(&svg->text, " %s-opacity=\"%g\"", what, alpha));
}

static void fill(pkm_canvas *canvas, uint32_t color)
{
    svg_canvas *svg = (svg_canvas *)canvas;

    keep(svg, pkm_strbuf_printf(&svg->text, "<rect width=\"100%%\" height=\"100%%\""));
    put_paint(svg, "fill", color, 1);
    keep(svg, pkm_strbuf_printf(&svg->text, "/>\n"));
}

/* A tenth of a unit is seen nowhere; what is far outside is not seen at all, and viewers know no
 * numbers of any size. */
static double tenths(double place)
{
    const double far = 99999;

    return fmax(-far, fmin(place, far));
}

/* The data of a path, M where a line begins. */
static void put_points(svg_canvas *svg, const double (*points)[2], int64_t n)
{
    bool down = false;

    for (int64_t i = 0; i < n; i++) {
        bool shown = !isnan(points[i][1]);

        if (shown)
            keep(svg, pkm_strbuf_printf(&svg->text, "%s%.1f %.1f", down ? " " : "M",
                                        tenths(points[i][0]), tenths(points[i][1])));
        down = shown;
    }
}

static void line(pkm_canvas *canvas, pkm_pen pen, const double (*points)[2], int64_t n)
{
    svg_canvas *svg = (svg_canvas *)canvas;
    const double *dash = pkm_dash[pen.dash];

    keep(svg, pkm_strbuf_printf(&svg->text, "<path fill=\"none\" stroke-width=\"%g\"", pen.width));
    put_paint(svg, "stroke", pen.color, pen.alpha);
    if (dash[0] > 0)
        keep(svg, pkm_strbuf_printf(&svg->text, " stroke-dasharray=\"%g %g %g %g\"", dash[0],
                                    dash[1], dash[2], dash[3]));
    keep(svg, pkm_strbuf_printf(&svg->text, " d=\""));
    put_points(svg, points, n);
    keep(svg, pkm_strbuf_printf(&svg->text, "\"/>\n"));
}

static void dot(pkm_canvas *canvas, pkm_pen pen, double x, double y, double radius)
{
    svg_canvas *svg = (svg_canvas *)canvas;

    keep(svg, pkm_strbuf_printf(&svg->text, "<circle cx=\"%.1f\" cy=\"%.1f\" r=\"%g\"", tenths(x),
                                tenths(y), radius));
    put_paint(svg, "fill", pen.color, pen.alpha);
    keep(svg, pkm_strbuf_printf(&svg->text, "/>\n"));
}

static void text(pkm_canvas *canvas, double x, double y, const char *text, pkm_lettering lettering)
{
    static const char *const anchors[] = {
        [PKM_LEFT] = "start", [PKM_MIDDLE] = "middle", [PKM_RIGHT] = "end"};
    svg_canvas *svg = (svg_canvas *)canvas;

    keep(svg, pkm_strbuf_printf(&svg->text,
                                "<text x=\"%.1f\" y=\"%.1f\" font-size=\"%g\" text-anchor=\"%s\"%s",
                                x, y, lettering.size, anchors[lettering.align],
                                lettering.bold ? " font-weight=\"bold\"" : ""));
    put_paint(svg, "fill", 0, lettering.alpha);
    keep(svg, pkm_strbuf_printf(&svg->text, ">"));
    keep(svg, pkm_markup_text(&svg->text, text));
    keep(svg, pkm_strbuf_printf(&svg->text, "</text>\n"));
}

/* An <svg> inside another clips, and needs no name. */
static void clip(pkm_canvas *canvas, double x, double y, double width, double height)
{
    svg_canvas *svg = (svg_canvas *)canvas;

    keep(svg, pkm_strbuf_printf(&svg->text,
                                "<svg x=\"%g\" y=\"%g\" width=\"%g\" height=\"%g\" "
                                "viewBox=\"%g %g %g %g\">\n",
                                x, y, width, height, x, y, width, height));
}

static void unclip(pkm_canvas *canvas)
{
    svg_canvas *svg = (svg_canvas *)canvas;

    keep(svg, pkm_strbuf_printf(&svg->text, "</svg>\n"));
}

static void begin_run(pkm_canvas *canvas, int run)
{
    svg_canvas *svg = (svg_canvas *)canvas;

    keep(svg, pkm_strbuf_printf(&svg->text, "<g data-run=\"%d\">\n", run));
}

static void end_run(pkm_canvas *canvas)
{
    svg_canvas *svg = (svg_canvas *)canvas;

    keep(svg, pkm_strbuf_printf(&svg->text, "</g>\n"));
}

const pkm_canvas_kind pkm_canvas_svg = {
    .create = create,
    .finish = finish,
    .destroy = destroy,
    .fill = fill,
    .line = line,
    .dot = dot,
    .text = text,
    .clip = clip,
    .unclip = unclip,
    .begin_run = begin_run,
    .end_run = end_run,
};
