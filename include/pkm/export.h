/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PKM_EXPORT_H
#define PKM_EXPORT_H

/* Marks a function as part of the shared library's interface; everything else stays hidden. */
#if defined(__GNUC__)
#define PKM_API __attribute__((visibility("default")))
#else
#define PKM_API
#endif

#endif
