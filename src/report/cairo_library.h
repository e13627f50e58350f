/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cairo, loaded when a PNG is asked for: who embeds the library, and whoever draws none, neither
 * needs it nor waits for it and what it brings along.
 */
#ifndef PKM_REPORT_CAIRO_LIBRARY_H
#define PKM_REPORT_CAIRO_LIBRARY_H

#include <cairo.h>

#include "base/error.h"

/* cairo's functions, without cairo_ before their names. */
typedef struct pkm_cairo {
    __typeof__(cairo_arc) *arc;
    __typeof__(cairo_clip) *clip;
    __typeof__(cairo_create) *create;
    __typeof__(cairo_destroy) *destroy;
    __typeof__(cairo_fill) *fill;
    __typeof__(cairo_image_surface_create) *image_surface_create;
    __typeof__(cairo_line_to) *line_to;
    __typeof__(cairo_move_to) *move_to;
    __typeof__(cairo_paint) *paint;
    __typeof__(cairo_rectangle) *rectangle;
    __typeof__(cairo_restore) *restore;
    __typeof__(cairo_save) *save;
    __typeof__(cairo_scale) *scale;
    __typeof__(cairo_select_font_face) *select_font_face;
    __typeof__(cairo_set_dash) *set_dash;
    __typeof__(cairo_set_font_size) *set_font_size;
    __typeof__(cairo_set_line_join) *set_line_join;
    __typeof__(cairo_set_line_width) *set_line_width;
    __typeof__(cairo_set_source_rgba) *set_source_rgba;
    __typeof__(cairo_show_text) *show_text;
    __typeof__(cairo_status) *status;
    __typeof__(cairo_status_to_string) *status_to_string;
    __typeof__(cairo_stroke) *stroke;
    __typeof__(cairo_surface_destroy) *surface_destroy;
    __typeof__(cairo_surface_write_to_png_stream) *surface_write_to_png_stream;
    __typeof__(cairo_text_extents) *text_extents;
} pkm_cairo;

/* Threads: any. PKM_ERR_UNSUPPORTED says what is to be installed. */
pkm_status pkm_cairo_load(pkm_cairo *out);

#endif
