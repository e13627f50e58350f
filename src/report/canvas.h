/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Drawing: the same strokes become SVG, which is written here, or PNG, which cairo makes. Units are
 * CSS pixels from the upper left. Failures are kept and told by pkm_canvas_finish.
 */
#ifndef PKM_REPORT_CANVAS_H
#define PKM_REPORT_CANVAS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/strbuf.h"

typedef struct pkm_canvas pkm_canvas;

typedef enum pkm_canvas_format {
    PKM_CANVAS_SVG, /* an <svg> element, by itself a file as well */
    PKM_CANVAS_PNG  /* two pixels per unit, for today's screens */
} pkm_canvas_format;

/* Without a size limit of its own: width and height are ours. PKM_ERR_UNSUPPORTED: a PNG is asked
 * for, and cairo is not installed. */
pkm_status pkm_canvas_create(pkm_canvas **out, pkm_canvas_format format, int width, int height);
/* Appends the picture to out. */
pkm_status pkm_canvas_finish(pkm_canvas *canvas, pkm_strbuf *out);
void pkm_canvas_destroy(pkm_canvas *canvas);

typedef struct pkm_pen {
    uint32_t color; /* 0xrrggbb; 0 is the ink of the page around an SVG */
    double alpha, width;
    int dash; /* index into pkm_dash */
} pkm_pen;

/* Lengths of dash and gap in units, twice; zeros: a full line. */
enum { PKM_DASHES = 4 };
extern const double pkm_dash[PKM_DASHES][4];

typedef enum pkm_align { PKM_LEFT, PKM_MIDDLE, PKM_RIGHT } pkm_align;

typedef struct pkm_lettering {
    double size, alpha;
    pkm_align align;
    bool bold;
} pkm_lettering;

void pkm_canvas_fill(pkm_canvas *canvas, uint32_t color);
/* Points [n][2]; a NaN breaks the line. */
void pkm_canvas_line(pkm_canvas *canvas, pkm_pen pen, const double (*points)[2], int64_t n);
void pkm_canvas_dot(pkm_canvas *canvas, pkm_pen pen, double x, double y, double radius);
/* Text (UTF-8) on the baseline y, in ink. */
void pkm_canvas_text(pkm_canvas *canvas, double x, double y, const char *text,
                     pkm_lettering lettering);
/* What is drawn from here on shows only inside; until pkm_canvas_unclip. */
void pkm_canvas_clip(pkm_canvas *canvas, double x, double y, double width, double height);
void pkm_canvas_unclip(pkm_canvas *canvas);
/* What is drawn in between is marked in an SVG as that of a run, data-run. */
void pkm_canvas_begin_run(pkm_canvas *canvas, int run);
void pkm_canvas_end_run(pkm_canvas *canvas);

#endif
