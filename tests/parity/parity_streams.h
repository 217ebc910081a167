/* parity_streams.h -- what the programs about streams and servers share: short words for connections and reads. */
#pragma once

#include "parity.h"

#include <ctype.h>
#include <stdlib.h>
#include <unistd.h>

/* One end of a connection. */
struct client {
    struct asyncio_streamreader *reader;
    struct asyncio_streamwriter *writer;
};

/* The printed form of bytes, or of a read's error. Valid until the eighth next call. */
static inline const char *quoted(const char *data, ssize_t n)
{
    static char texts[8][160];
    static unsigned next;
    char *text = texts[next++ % COUNT(texts)];
    size_t length = 0;

    if (n < 0)
        return outcome((int)n);
    text[length++] = '"';
    for (ssize_t i = 0; i < n && length < sizeof texts[0] - 4; i++)
        switch (data[i]) {
        case '\r':
        case '\n':
            text[length++] = '\\';
            text[length++] = data[i] == '\r' ? 'r' : 'n';
            break;
        default:
            text[length++] = data[i];
        }
    text[length++] = '"';
    text[length] = '\0';
    return text;
}

/* What zlib.crc32 gives. */
static inline uint32_t crc32_of(const void *data, size_t size)
{
    uint32_t crc = ~UINT32_C(0);

    for (const unsigned char *byte = data; size > 0; byte++, size--) {
        crc ^= *byte;
        for (int bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ (crc & 1 ? UINT32_C(0xedb88320) : 0);
    }
    return ~crc;
}

/* Reads, and gives the printed form of what comes. */
static inline const char *read_some(struct asyncio_streamreader *reader, size_t size)
{
    char buffer[128];

    return quoted(buffer, asyncio_streamreader_read(reader, buffer, size));
}

static inline const char *read_exactly(struct asyncio_streamreader *reader, size_t size)
{
    char buffer[128];

    return quoted(buffer, asyncio_streamreader_readexactly(reader, buffer, size));
}

static inline const char *read_line(struct asyncio_streamreader *reader)
{
    char *line = NULL;
    ssize_t n = asyncio_streamreader_readline(reader, &line);

    return quoted(line, n);
}

static inline const char *read_until(struct asyncio_streamreader *reader, const char *separator)
{
    char *data = NULL;
    ssize_t n = asyncio_streamreader_readuntil(reader, separator, strlen(separator), &data);

    return quoted(data, n);
}

static inline const char *read_rest(struct asyncio_streamreader *reader)
{
    char *data = NULL;
    ssize_t n = asyncio_streamreader_read_to_end(reader, SIZE_MAX, &data);
    const char *text = quoted(data, n);

    asyncio_free(data);
    return text;
}

/* What the last read had when the end of the stream came. */
static inline const char *partial(struct asyncio_streamreader *reader)
{
    const char *data = NULL;
    size_t n = asyncio_streamreader_partial(reader, &data);

    return quoted(data, (ssize_t)n);
}

/* Python's write: does not wait. */
static inline int write_text(struct asyncio_streamwriter *writer, const char *text)
{
    return asyncio_streamwriter_write_nowait(writer, text, strlen(text));
}

/* The port that a server listens on. */
static inline int port_of(const struct asyncio_server *server)
{
    struct asyncio_address address;
    int r = asyncio_server_sockname(server, 0, &address);

    return r < 0 ? r : asyncio_address_port(&address);
}

/* A connection to a server of this process. */
static inline int connect_to(const struct asyncio_server *server, struct client *client)
{
    return asyncio_open_connection("127.0.0.1", port_of(server), &client->reader, &client->writer);
}

/* An abstract address for a Unix socket of this process. Valid until the next call. */
static inline const char *unix_path(const char *name)
{
    static char path[64];

    snprintf(path, sizeof path, "@asyncio-parity-%s-%d", name, (int)getpid());
    return path;
}

static inline int connect_unix(const char *path, struct client *client)
{
    return asyncio_open_unix_connection(path, &client->reader, &client->writer);
}

static inline void let_go(struct client *client)
{
    client->reader = asyncio_streamreader_unref(client->reader);
    client->writer = asyncio_streamwriter_unref(client->writer);
}

/* Closes a connection, waits until it is closed, and drops the references. */
static inline int hang_up(struct client *client)
{
    asyncio_streamwriter_close(client->writer);
    int r = asyncio_streamwriter_wait_closed(client->writer);

    let_go(client);
    return r;
}

/* The end of Python's "async with server": closes it, waits for its clients, and drops the reference. */
static inline int end_server(struct asyncio_server *server)
{
    asyncio_server_close(server);
    int r = asyncio_server_wait_closed(server);

    asyncio_server_unref(server);
    return r;
}
