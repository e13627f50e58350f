/* SPDX-License-Identifier: Apache-2.0 */
#include "input_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static bool is_stdin(const char *path)
{
    return path == NULL || strcmp(path, "-") == 0;
}

const char *input_name(const char *path)
{
    return is_stdin(path) ? "standard input" : path;
}

/* Opens a regular file; errno says why not, 0 if it is something else. */
static FILE *open_regular(const char *path)
{
    /* O_NONBLOCK: opening a pipe must not wait for a writer before it can be refused. */
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    struct stat info;

    if (fd < 0)
        return NULL;
    if (fstat(fd, &info) == 0 && S_ISREG(info.st_mode))
        return fdopen(fd, "rb");
    (void)close(fd);
    errno = 0;
    return NULL;
}

FILE *input_open(const cmd_input *input, const char *path)
{
    FILE *file = is_stdin(path) ? stdin : open_regular(path);

    if (file == NULL && errno == 0)
        (void)cmd_fail(input,
                       "%s: is a folder, a pipe or a device: expected a regular file "
                       "(-: standard input)",
                       path);
    else if (file == NULL)
        (void)cmd_fail(input, "%s: cannot open: %s", path, strerror(errno));
    return file;
}

/* Reads to the end of file into a buffer that doubles; NULL with errno set, EFBIG beyond `most`. */
static char *read_all(FILE *file, size_t most, size_t *bytes)
{
    size_t capacity = 1 << 16, used = 0;
    char *data = malloc(capacity);

    while (data != NULL && used <= most) {
        size_t got = fread(data + used, 1, capacity - used - 1, file);
        char *larger;

        used += got;
        if (got == 0)
            break;
        if (capacity - used > 1)
            continue;
        capacity *= 2;
        larger = realloc(data, capacity);
        if (larger == NULL)
            free(data);
        data = larger;
    }
    if (data != NULL && used > most)
        errno = EFBIG;
    if (data != NULL && (ferror(file) || used > most)) {
        free(data);
        return NULL;
    }
    if (data != NULL)
        data[used] = '\0';
    *bytes = used;
    return data;
}

char *input_read(const cmd_input *input, const char *path, size_t most, size_t *bytes)
{
    FILE *file = input_open(input, path);
    char *data;

    if (file == NULL)
        return NULL;
    data = read_all(file, most, bytes);
    if (data == NULL && errno == EFBIG)
        (void)cmd_fail(input, "%s: more than %zu bytes", input_name(path), most);
    else if (data == NULL)
        (void)cmd_fail(input, "%s: cannot read: %s", input_name(path), strerror(errno));
    if (file != stdin)
        (void)fclose(file);
    return data;
}
