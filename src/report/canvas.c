/* SPDX-License-Identifier: Apache-2.0 */
#include "report/canvas.h"

#include <cairo-svg.h>
#include <cairo.h>
#include <math.h>

#include "base/alloc.h"

const double pkm_dash[PKM_DASHES][4] = {{0}, {6, 3, 6, 3}, {1.6, 2.6, 1.6, 2.6}, {8, 3, 1.6, 3}};

struct pkm_canvas {
    cairo_surface_t *surface;
    cairo_t *cairo;
    pkm_strbuf bytes; /* what cairo has written */
    pkm_status written;
    pkm_canvas_format format;
};

static cairo_status_t take_bytes(void *user, const unsigned char *data, unsigned int bytes)
{
    pkm_canvas *canvas = user;

    if (canvas->written == PKM_OK)
        canvas->written = pkm_strbuf_append(&canvas->bytes, data, bytes);
    return canvas->written == PKM_OK ? CAIRO_STATUS_SUCCESS : CAIRO_STATUS_WRITE_ERROR;
}

pkm_status pkm_canvas_create(pkm_canvas **out, pkm_canvas_format format, int width, int height)
{
    enum { DENSITY = 2 };
    pkm_canvas *canvas;

    PKM_TRY(pkm_alloc_array((void **)&canvas, 1, sizeof *canvas, "a drawing"));
    canvas->format = format;
    if (format == PKM_CANVAS_SVG) {
        canvas->surface = cairo_svg_surface_create_for_stream(take_bytes, canvas, width, height);
        cairo_svg_surface_set_document_unit(canvas->surface, CAIRO_SVG_UNIT_PX);
    } else {
        canvas->surface =
            cairo_image_surface_create(CAIRO_FORMAT_RGB24, width * DENSITY, height * DENSITY);
        cairo_surface_set_device_scale(canvas->surface, DENSITY, DENSITY);
    }
    canvas->cairo = cairo_create(canvas->surface);
    cairo_set_line_join(canvas->cairo, CAIRO_LINE_JOIN_ROUND);
    *out = canvas;
    return PKM_OK;
}

pkm_status pkm_canvas_finish(pkm_canvas *canvas, pkm_strbuf *out)
{
    cairo_status_t status = cairo_status(canvas->cairo);

    if (status == CAIRO_STATUS_SUCCESS && canvas->format == PKM_CANVAS_PNG)
        status = cairo_surface_write_to_png_stream(canvas->surface, take_bytes, canvas);
    cairo_surface_finish(canvas->surface);
    if (status == CAIRO_STATUS_SUCCESS)
        status = cairo_surface_status(canvas->surface);
    PKM_TRY(canvas->written);
    if (status == CAIRO_STATUS_NO_MEMORY)
        return pkm_fail(PKM_ERR_NOMEM, "out of memory for a drawing");
    if (status != CAIRO_STATUS_SUCCESS)
        return pkm_fail(PKM_ERR_INTERNAL, "cairo cannot draw: %s", cairo_status_to_string(status));
    return pkm_strbuf_append(out, canvas->bytes.data, canvas->bytes.length);
}

void pkm_canvas_destroy(pkm_canvas *canvas)
{
    if (canvas == NULL)
        return;
    cairo_destroy(canvas->cairo);
    cairo_surface_destroy(canvas->surface);
    pkm_strbuf_release(&canvas->bytes);
    pkm_free(canvas);
}

static void set_color(pkm_canvas *canvas, uint32_t color, double alpha)
{
    cairo_set_source_rgba(canvas->cairo, (double)(color >> 16 & 255) / 255,
                          (double)(color >> 8 & 255) / 255, (double)(color & 255) / 255, alpha);
}

void pkm_canvas_fill(pkm_canvas *canvas, uint32_t color)
{
    set_color(canvas, color, 1);
    cairo_paint(canvas->cairo);
}

void pkm_canvas_line(pkm_canvas *canvas, pkm_pen pen, const double (*points)[2], int64_t n)
{
    bool down = false;

    set_color(canvas, pen.color, pen.alpha);
    cairo_set_line_width(canvas->cairo, pen.width);
    cairo_set_dash(canvas->cairo, pkm_dash[pen.dash], pkm_dash[pen.dash][0] > 0 ? 4 : 0, 0);
    for (int64_t i = 0; i < n; i++) {
        bool shown = !isnan(points[i][1]);

        if (shown && down)
            cairo_line_to(canvas->cairo, points[i][0], points[i][1]);
        else if (shown)
            cairo_move_to(canvas->cairo, points[i][0], points[i][1]);
        down = shown;
    }
    cairo_stroke(canvas->cairo);
}

void pkm_canvas_dot(pkm_canvas *canvas, pkm_pen pen, double x, double y, double radius)
{
    set_color(canvas, pen.color, pen.alpha);
    cairo_arc(canvas->cairo, x, y, radius, 0, 2 * acos(-1));
    cairo_fill(canvas->cairo);
}

void pkm_canvas_text(pkm_canvas *canvas, double x, double y, const char *text, double size,
                     pkm_align align, bool bold, double alpha)
{
    cairo_text_extents_t extents;

    cairo_select_font_face(canvas->cairo, "sans-serif", CAIRO_FONT_SLANT_NORMAL,
                           bold ? CAIRO_FONT_WEIGHT_BOLD : CAIRO_FONT_WEIGHT_NORMAL);
    cairo_set_font_size(canvas->cairo, size);
    set_color(canvas, 0, alpha);
    cairo_text_extents(canvas->cairo, text, &extents);
    if (align != PKM_LEFT)
        x -= align == PKM_MIDDLE ? extents.x_advance / 2 : extents.x_advance;
    cairo_move_to(canvas->cairo, x, y);
    cairo_show_text(canvas->cairo, text);
}

void pkm_canvas_clip(pkm_canvas *canvas, double x, double y, double width, double height)
{
    cairo_save(canvas->cairo);
    cairo_rectangle(canvas->cairo, x, y, width, height);
    cairo_clip(canvas->cairo);
}

void pkm_canvas_unclip(pkm_canvas *canvas)
{
    cairo_restore(canvas->cairo);
}
