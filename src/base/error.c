/* SPDX-License-Identifier: Apache-2.0 */
#include "base/error.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#undef pkm_fail /* of the static analyser, see error.h */
#undef pkm_fail_errno

static _Thread_local pkm_error_copy last;

enum { MESSAGE_BYTES = sizeof last.message };

const char *pkm_last_error(void)
{
    return last.message;
}

const char *pkm_status_name(pkm_status status)
{
    static const char *const names[] = {
        "ok",          "argument", "shape",   "memory",        "io",        "format",
        "unsupported", "state",    "numeric", "communication", "cancelled", "internal",
    };
    int index = -(int)status;
    int n_names = (int)(sizeof names / sizeof names[0]);

    return index >= 0 && index < n_names ? names[index] : "unknown";
}

pkm_status pkm_fail(pkm_status status, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vsnprintf(last.message, sizeof last.message, format, args);
    va_end(args);
    last.system = 0;
    return status;
}

pkm_status pkm_fail_errno(pkm_status status, const char *format, ...)
{
    int saved = errno;
    size_t used;
    va_list args;

    va_start(args, format);
    vsnprintf(last.message, sizeof last.message, format, args);
    va_end(args);
    used = strlen(last.message);
    errno = saved; /* what %m prints */
    snprintf(last.message + used, sizeof last.message - used, ": %m");
    errno = last.system = saved;
    return status;
}

int pkm_error_errno(void)
{
    return last.system;
}

void pkm_error_keep(pkm_error_copy *out)
{
    *out = last;
}

void pkm_error_restore(const pkm_error_copy *copy)
{
    last = *copy;
}

void pkm_error_prefix(const char *format, ...)
{
    char old[MESSAGE_BYTES];
    size_t used;
    va_list args;

    memcpy(old, last.message, sizeof old);
    va_start(args, format);
    vsnprintf(last.message, sizeof last.message, format, args);
    va_end(args);
    used = strlen(last.message);
    snprintf(last.message + used, sizeof last.message - used, ": %s", old);
}
