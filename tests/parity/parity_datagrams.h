/* parity_datagrams.h -- what the programs about datagrams share: a protocol that tells what it is told. */
#pragma once

#include "parity_protocols.h"

#include <sys/socket.h>

struct datagrams {
    struct asyncio_protocol protocol;
    const char *name;
    bool answers;                        /* each datagram, in capitals */
    struct asyncio_address peer;         /* whose datagrams are expected */
    struct asyncio_transport *transport; /* NULL once it is lost */
};

static inline bool same_address(const struct asyncio_address *one, const struct asyncio_address *two)
{
    return one->size == two->size && memcmp(&one->data, &two->data, one->size) == 0;
}

static inline void datagrams_made(struct asyncio_protocol *protocol, struct asyncio_transport *transport)
{
    struct datagrams *self = (struct datagrams *)protocol;

    self->transport = transport;
    tell("%s: connection_made()", self->name);
}

static inline void datagrams_lost(struct asyncio_protocol *protocol, int error)
{
    struct datagrams *self = (struct datagrams *)protocol;

    self->transport = NULL;
    tell("%s: connection_lost(%s)", self->name, error_name(error));
}

static inline void datagrams_error(struct asyncio_protocol *protocol, int error)
{
    tell("%s: error_received(%s)", ((struct datagrams *)protocol)->name, error_name(error));
}

static inline void answer(struct datagrams *self, const char *data, size_t size, const struct asyncio_address *address)
{
    char capitals[64];

    for (size_t i = 0; i < size; i++)
        capitals[i] = (char)toupper((unsigned char)data[i]);
    asyncio_transport_sendto(self->transport, capitals, size, address);
}
