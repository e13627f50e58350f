/* SPDX-License-Identifier: Apache-2.0 */
#include "report/cairo_library.h"

#include <dlfcn.h>
#include <stddef.h>
#include <string.h>

/* In the order of the alphabet, as in the header. */
static const struct {
    const char *name;
    size_t offset; /* in pkm_cairo */
} functions[] = {
    {"cairo_arc", offsetof(pkm_cairo, arc)},
    {"cairo_clip", offsetof(pkm_cairo, clip)},
    {"cairo_create", offsetof(pkm_cairo, create)},
    {"cairo_destroy", offsetof(pkm_cairo, destroy)},
    {"cairo_fill", offsetof(pkm_cairo, fill)},
    {"cairo_image_surface_create", offsetof(pkm_cairo, image_surface_create)},
    {"cairo_line_to", offsetof(pkm_cairo, line_to)},
    {"cairo_move_to", offsetof(pkm_cairo, move_to)},
    {"cairo_paint", offsetof(pkm_cairo, paint)},
    {"cairo_rectangle", offsetof(pkm_cairo, rectangle)},
    {"cairo_restore", offsetof(pkm_cairo, restore)},
    {"cairo_save", offsetof(pkm_cairo, save)},
    {"cairo_scale", offsetof(pkm_cairo, scale)},
    {"cairo_select_font_face", offsetof(pkm_cairo, select_font_face)},
    {"cairo_set_dash", offsetof(pkm_cairo, set_dash)},
    {"cairo_set_font_size", offsetof(pkm_cairo, set_font_size)},
    {"cairo_set_line_join", offsetof(pkm_cairo, set_line_join)},
    {"cairo_set_line_width", offsetof(pkm_cairo, set_line_width)},
    {"cairo_set_source_rgba", offsetof(pkm_cairo, set_source_rgba)},
    {"cairo_show_text", offsetof(pkm_cairo, show_text)},
    {"cairo_status", offsetof(pkm_cairo, status)},
    {"cairo_status_to_string", offsetof(pkm_cairo, status_to_string)},
    {"cairo_stroke", offsetof(pkm_cairo, stroke)},
    {"cairo_surface_destroy", offsetof(pkm_cairo, surface_destroy)},
    {"cairo_surface_write_to_png_stream", offsetof(pkm_cairo, surface_write_to_png_stream)},
    {"cairo_text_extents", offsetof(pkm_cairo, text_extents)},
};

enum { N_FUNCTIONS = sizeof functions / sizeof functions[0] };
_Static_assert(N_FUNCTIONS * sizeof(void *) == sizeof(pkm_cairo), "a row for each function");

pkm_status pkm_cairo_load(pkm_cairo *out)
{
    static const char file[] = "libcairo.so.2";
    /* It stays for good once it is there, as it keeps fonts. */
    void *library = dlopen(file, RTLD_NOW | RTLD_NODELETE);
    pkm_cairo cairo;

    if (library == NULL)
        return pkm_fail(PKM_ERR_UNSUPPORTED,
                        "PNG needs cairo (Debian: libcairo2; SVG needs nothing), which cannot be "
                        "loaded: %s",
                        dlerror());
    for (int i = 0; i < N_FUNCTIONS; i++) {
        void *function = dlsym(library, functions[i].name);

        if (function == NULL) {
            dlclose(library);
            return pkm_fail(PKM_ERR_UNSUPPORTED, "PNG needs cairo: %s has no %s", file,
                            functions[i].name);
        }
        memcpy((char *)&cairo + functions[i].offset, &function, sizeof function);
    }
    dlclose(library);
    *out = cairo;
    return PKM_OK;
}
