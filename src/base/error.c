/* SPDX-License-Identifier: Apache-2.0 */
#include "base/error.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#undef pkm_fail /* of the static analyser, see error.h */
#undef pkm_fail_errno

enum { MESSAGE_BYTES = 1024 };

static _Thread_local char last_message[MESSAGE_BYTES];

const char *pkm_last_error(void)
{
    return last_message;
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
    vsnprintf(last_message, sizeof last_message, format, args);
    va_end(args);
    return status;
}

pkm_status pkm_fail_errno(pkm_status status, const char *format, ...)
{
    int saved = errno;
    size_t used;
    va_list args;

    va_start(args, format);
    vsnprintf(last_message, sizeof last_message, format, args);
    va_end(args);
    used = strlen(last_message);
    errno = saved; /* what %m prints */
    snprintf(last_message + used, sizeof last_message - used, ": %m");
    errno = saved;
    return status;
}

void pkm_error_prefix(const char *format, ...)
{
    char old[MESSAGE_BYTES];
    size_t used;
    va_list args;

    memcpy(old, last_message, sizeof old);
    va_start(args, format);
    vsnprintf(last_message, sizeof last_message, format, args);
    va_end(args);
    used = strlen(last_message);
    snprintf(last_message + used, sizeof last_message - used, ": %s", old);
}
