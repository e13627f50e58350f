/* SPDX-License-Identifier: Apache-2.0 */
#include "report/canvas_kind.h"

const double pkm_dash[PKM_DASHES][4] = {{0}, {6, 3, 6, 3}, {1.6, 2.6, 1.6, 2.6}, {8, 3, 1.6, 3}};

pkm_status pkm_canvas_create(pkm_canvas **out, pkm_canvas_format format, int width, int height)
{
    const pkm_canvas_kind *kind = format == PKM_CANVAS_SVG ? &pkm_canvas_svg : &pkm_canvas_png;
    pkm_canvas *canvas;

    PKM_TRY(kind->create(&canvas, width, height));
    canvas->kind = kind;
    *out = canvas;
    return PKM_OK;
}

pkm_status pkm_canvas_finish(pkm_canvas *canvas, pkm_strbuf *out)
{
    return canvas->kind->finish(canvas, out);
}

void pkm_canvas_destroy(pkm_canvas *canvas)
{
    canvas->kind->destroy(canvas);
}

void pkm_canvas_fill(pkm_canvas *canvas, uint32_t color)
{
    canvas->kind->fill(canvas, color);
}

void pkm_canvas_line(pkm_canvas *canvas, pkm_pen pen, const double (*points)[2], int64_t n)
{
    canvas->kind->line(canvas, pen, points, n);
}

void pkm_canvas_dot(pkm_canvas *canvas, pkm_pen pen, double x, double y, double radius)
{
    canvas->kind->dot(canvas, pen, x, y, radius);
}

void pkm_canvas_text(pkm_canvas *canvas, double x, double y, const char *text,
                     pkm_lettering lettering)
{
    canvas->kind->text(canvas, x, y, text, lettering);
}

void pkm_canvas_clip(pkm_canvas *canvas, double x, double y, double width, double height)
{
    canvas->kind->clip(canvas, x, y, width, height);
}

void pkm_canvas_unclip(pkm_canvas *canvas)
{
    canvas->kind->unclip(canvas);
}

void pkm_canvas_begin_run(pkm_canvas *canvas, int run)
{
    if (canvas->kind->begin_run != NULL)
        canvas->kind->begin_run(canvas, run);
}

void pkm_canvas_end_run(pkm_canvas *canvas)
{
    if (canvas->kind->end_run != NULL)
        canvas->kind->end_run(canvas);
}
