/* connections.h -- from a host, a path or a socket to a connected fd, for whoever makes streams or a transport of
 * it. */
#pragma once

#include "lib.h"

/* Connects to a host and port, or takes kw->sock, which is given back on failure. Waits; a pending cancel is met first.
 * Returns: a connected fd, which is the caller's, without delay for small pieces; as asyncio_open_connection. */
int asyncio__connect(const char *host, int port, const struct asyncio_connection_kw *kw);

/* The same for a Unix socket. Returns: as asyncio_open_unix_connection. */
int asyncio__connect_unix(const char *path, const struct asyncio_connection_kw *kw);
