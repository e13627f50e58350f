/* SPDX-License-Identifier: Apache-2.0 */
/* PNG, drawn by cairo. */
#include <math.h>

#include "base/alloc.h"
#include "report/cairo_library.h"
#include "report/canvas_kind.h"

typedef struct png_canvas {
    pkm_canvas base;
    pkm_cairo cairo;
    cairo_surface_t *surface;
    cairo_t *context;
    pkm_strbuf bytes; /* what cairo has written */
    pkm_status written;
} png_canvas;

static cairo_status_t take_bytes(void *user, const unsigned char *data, unsigned int bytes)
{
    png_canvas *png = user;

    if (png->written == PKM_OK)
        png->written = pkm_strbuf_append(&png->bytes, data, bytes);
    return png->written == PKM_OK ? CAIRO_STATUS_SUCCESS : CAIRO_STATUS_WRITE_ERROR;
}

static pkm_status create(pkm_canvas **out, int width, int height)
{
    enum { DENSITY = 2 };
    pkm_cairo cairo;
    png_canvas *png;

    PKM_TRY(pkm_cairo_load(&cairo));
    PKM_TRY(pkm_alloc_array((void **)&png, 1, sizeof *png, "a drawing"));
    png->cairo = cairo;
    png->surface =
        cairo.image_surface_create(CAIRO_FORMAT_RGB24, width * DENSITY, height * DENSITY);
    png->context = cairo.create(png->surface);
    cairo.scale(png->context, DENSITY, DENSITY);
    cairo.set_line_join(png->context, CAIRO_LINE_JOIN_ROUND);
    *out = &png->base;
    return PKM_OK;
}

static pkm_status finish(pkm_canvas *canvas, pkm_strbuf *out)
{
    png_canvas *png = (png_canvas *)canvas;
    cairo_status_t status = png->cairo.status(png->context);

    if (status == CAIRO_STATUS_SUCCESS)
        status = png->cairo.surface_write_to_png_stream(png->surface, take_bytes, png);
    PKM_TRY(png->written);
    if (status == CAIRO_STATUS_NO_MEMORY)
        return pkm_fail(PKM_ERR_NOMEM, "out of memory for a drawing");
    if (status != CAIRO_STATUS_SUCCESS)
        return pkm_fail(PKM_ERR_INTERNAL, "cairo cannot draw: %s",
                        png->cairo.status_to_string(status));
    return pkm_strbuf_append(out, png->bytes.data, png->bytes.length);
}

static void destroy(pkm_canvas *canvas)
{
    png_canvas *png = (png_canvas *)canvas;

    png->cairo.destroy(png->context);
    png->cairo.surface_destroy(png->surface);
    pkm_strbuf_release(&png->bytes);
    pkm_free(png);
}

static void set_color(png_canvas *png, uint32_t color, double alpha)
{
    png->cairo.set_source_rgba(png->context, (double)(color >> 16 & 255) / 255,
                               (double)(color >> 8 & 255) / 255, (double)(color & 255) / 255,
                               alpha);
}

static void fill(pkm_canvas *canvas, uint32_t color)
{
    png_canvas *png = (png_canvas *)canvas;

    set_color(png, color, 1);
    png->cairo.paint(png->context);
}

static void line(pkm_canvas *canvas, pkm_pen pen, const double (*points)[2], int64_t n)
{
    png_canvas *png = (png_canvas *)canvas;
    bool down = false;

    set_color(png, pen.color, pen.alpha);
    png->cairo.set_line_width(png->context, pen.width);
    png->cairo.set_dash(png->context, pkm_dash[pen.dash], pkm_dash[pen.dash][0] > 0 ? 4 : 0, 0);
    for (int64_t i = 0; i < n; i++) {
        bool shown = !isnan(points[i][1]);

        if (shown && down)
            png->cairo.line_to(png->context, points[i][0], points[i][1]);
        else if (shown)
            png->cairo.move_to(png->context, points[i][0], points[i][1]);
        down = shown;
    }
    png->cairo.stroke(png->context);
}

static void dot(pkm_canvas *canvas, pkm_pen pen, double x, double y, double radius)
{
    png_canvas *png = (png_canvas *)canvas;

    set_color(png, pen.color, pen.alpha);
    png->cairo.arc(png->context, x, y, radius, 0, 2 * acos(-1));
    png->cairo.fill(png->context);
}

static void text(pkm_canvas *canvas, double x, double y, const char *text, pkm_lettering lettering)
{
    png_canvas *png = (png_canvas *)canvas;
    cairo_text_extents_t extents;

    png->cairo.select_font_face(png->context, "sans-serif", CAIRO_FONT_SLANT_NORMAL,
                                lettering.bold ? CAIRO_FONT_WEIGHT_BOLD : CAIRO_FONT_WEIGHT_NORMAL);
    png->cairo.set_font_size(png->context, lettering.size);
    set_color(png, 0, lettering.alpha);
    png->cairo.text_extents(png->context, text, &extents);
    if (lettering.align != PKM_LEFT)
        x -= lettering.align == PKM_MIDDLE ? extents.x_advance / 2 : extents.x_advance;
    png->cairo.move_to(png->context, x, y);
    png->cairo.show_text(png->context, text);
}

static void clip(pkm_canvas *canvas, double x, double y, double width, double height)
{
    png_canvas *png = (png_canvas *)canvas;

    png->cairo.save(png->context);
    png->cairo.rectangle(png->context, x, y, width, height);
    png->cairo.clip(png->context);
}

static void unclip(pkm_canvas *canvas)
{
    png_canvas *png = (png_canvas *)canvas;

    png->cairo.restore(png->context);
}

const pkm_canvas_kind pkm_canvas_png = {
    .create = create,
    .finish = finish,
    .destroy = destroy,
    .fill = fill,
    .line = line,
    .dot = dot,
    .text = text,
    .clip = clip,
    .unclip = unclip,
};
