/* SPDX-License-Identifier: Apache-2.0 */
/* What a format does for canvas.h; each function is the one there of the same name. */
#ifndef PKM_REPORT_CANVAS_KIND_H
#define PKM_REPORT_CANVAS_KIND_H

#include "report/canvas.h"

typedef struct pkm_canvas_kind {
    pkm_status (*create)(pkm_canvas **out, int width, int height);
    pkm_status (*finish)(pkm_canvas *canvas, pkm_strbuf *out);
    void (*destroy)(pkm_canvas *canvas);
    void (*fill)(pkm_canvas *canvas, uint32_t color);
    void (*line)(pkm_canvas *canvas, pkm_pen pen, const double (*points)[2], int64_t n);
    void (*dot)(pkm_canvas *canvas, pkm_pen pen, double x, double y, double radius);
    void (*text)(pkm_canvas *canvas, double x, double y, const char *text, pkm_lettering lettering);
    void (*clip)(pkm_canvas *canvas, double x, double y, double width, double height);
    void (*unclip)(pkm_canvas *canvas);
    void (*begin_run)(pkm_canvas *canvas, int run); /* these NULL: the format knows no parts */
    void (*end_run)(pkm_canvas *canvas);
} pkm_canvas_kind;

/* The first member of every canvas. */
struct pkm_canvas {
    const pkm_canvas_kind *kind;
};

extern const pkm_canvas_kind pkm_canvas_svg, pkm_canvas_png;

#endif
