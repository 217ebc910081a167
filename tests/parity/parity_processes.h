/* parity_processes.h -- what the programs with processes share. These take real time, so their lines have none. */
#pragma once

#include "parity.h"

#define ARGV(...) ((const char *const[]){__VA_ARGS__, NULL})

/* The printed form of bytes, in `text`. */
static inline const char *quote(char *text, size_t room, const char *data, size_t size)
{
    size_t length = 0;

    text[length++] = '"';
    for (size_t i = 0; i < size && length + 4 < room; i++) {
        if (data[i] == '\n') {
            text[length++] = '\\';
            text[length++] = 'n';
        } else {
            text[length++] = data[i];
        }
    }
    text[length++] = '"';
    text[length] = '\0';
    return text;
}

/* The printed form of the next line. Valid until the next call. */
static inline const char *line_of(struct asyncio_streamreader *reader)
{
    static char text[128];
    char *line;
    ssize_t size = asyncio_streamreader_readline(reader, &line);

    return size < 0 ? asyncio_errorname((int)size) : quote(text, sizeof text, line, (size_t)size);
}

/* The printed form of all that still comes. Valid until the next call. */
static inline const char *rest_of(struct asyncio_streamreader *reader)
{
    static char text[128];
    char *data;
    ssize_t size = asyncio_streamreader_read_to_end(reader, SIZE_MAX, &data);

    if (size < 0)
        return asyncio_errorname((int)size);
    quote(text, sizeof text, data, (size_t)size);
    asyncio_free(data);
    return text;
}

static inline int run_program(asyncio_coro *program)
{
    int r = asyncio_run(program, NULL);

    if (r < 0)
        fprintf(stderr, "%s\n", asyncio_strerror(r));
    return r < 0;
}
