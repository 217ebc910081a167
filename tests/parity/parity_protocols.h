/* parity_protocols.h -- what the programs about transports and protocols share: a protocol that tells what it is told,
 * as virtual_clock.py has one, and short words for connections. */
#pragma once

#include "parity_streams.h"

/* ---------------------------------------------------------------------------------------------------------- Telling */

/* What a teller has received and not told yet: pieces that follow each other are one, as the kernel may cut them
 * anywhere. */
static struct {
    const char *name; /* whose; NULL: nothing */
    double when;
    size_t size;
    char data[120];
} told_late;

/* Tells what was received. */
static inline void tell_received(void)
{
    const char *name = told_late.name;

    told_late.name = NULL;
    if (name)
        printf("[%.3f] %s: data_received(%s)\n", told_late.when, name, quoted(told_late.data, (ssize_t)told_late.size));
}

/* say(), behind what was received before. */
#define tell(...)         \
    do {                  \
        tell_received();  \
        say(__VA_ARGS__); \
    } while (0)

static inline void tell_data(const char *name, const void *data, size_t size)
{
    double now = asyncio_loop_time(asyncio_get_running_loop());

    if (!told_late.name || strcmp(told_late.name, name) != 0 || told_late.when < now) {
        tell_received();
        told_late.name = name;
        told_late.when = now;
        told_late.size = 0;
    }
    for (size_t i = 0; i < size && told_late.size < sizeof told_late.data; i++)
        told_late.data[told_late.size++] = ((const char *)data)[i];
}

/* The printed form of what connection_lost says. */
static inline const char *error_name(int error)
{
    switch (error) {
    case 0:
        return "None";
    case -ECONNRESET:
        return "ECONNRESET";
    case -ECONNREFUSED:
        return "ECONNREFUSED";
    case -EPIPE:
        return "EPIPE";
    default:
        return outcome(error);
    }
}

/* A protocol that tells what it is told. What else it is to do then is a function of its own. */
struct teller {
    struct asyncio_protocol protocol;
    const char *name;
    bool stays;    /* what eof_received returns */
    bool is_quiet; /* it tells nothing */
    void (*made)(struct teller *teller);
    void (*data)(struct teller *teller, const void *data, size_t size);
    void (*eof)(struct teller *teller);
    void (*lost)(struct teller *teller);
    void (*resumed)(struct teller *teller);
    struct asyncio_transport *transport; /* NULL once it is lost */
    size_t n_received;
};

static inline struct teller *teller_of(struct asyncio_protocol *protocol)
{
    return (struct teller *)protocol;
}

static inline void teller_says(const struct teller *teller, const char *text)
{
    if (!teller->is_quiet)
        tell("%s: %s", teller->name, text);
}

static inline void teller_made(struct asyncio_protocol *protocol, struct asyncio_transport *transport)
{
    struct teller *teller = teller_of(protocol);

    teller->transport = transport;
    teller_says(teller, "connection_made()");
    if (teller->made)
        teller->made(teller);
}

static inline void teller_lost(struct asyncio_protocol *protocol, int error)
{
    struct teller *teller = teller_of(protocol);

    if (!teller->is_quiet)
        tell("%s: connection_lost(%s)", teller->name, error_name(error));
    teller->transport = NULL;
    if (teller->lost)
        teller->lost(teller);
}

static inline void teller_data(struct asyncio_protocol *protocol, const void *data, size_t size)
{
    struct teller *teller = teller_of(protocol);

    teller->n_received += size;
    if (!teller->is_quiet)
        tell_data(teller->name, data, size);
    if (teller->data)
        teller->data(teller, data, size);
}

static inline bool teller_eof(struct asyncio_protocol *protocol)
{
    struct teller *teller = teller_of(protocol);

    teller_says(teller, "eof_received()");
    if (teller->eof)
        teller->eof(teller);
    return teller->stays;
}

static inline void teller_paused(struct asyncio_protocol *protocol)
{
    teller_says(teller_of(protocol), "pause_writing()");
}

static inline void teller_resumed(struct asyncio_protocol *protocol)
{
    struct teller *teller = teller_of(protocol);

    teller_says(teller, "resume_writing()");
    if (teller->resumed)
        teller->resumed(teller);
}

static const struct asyncio_protocol_type teller_type = {
    .size = sizeof(struct asyncio_protocol_type),
    .name = "teller",
    .connection_made = teller_made,
    .connection_lost = teller_lost,
    .pause_writing = teller_paused,
    .resume_writing = teller_resumed,
    .data_received = teller_data,
    .eof_received = teller_eof,
};

#define TELLER(...)                                     \
    {                                                   \
        .protocol = {&teller_type}, .name = __VA_ARGS__ \
    }

/* A factory: gives the protocol that it is given. */
static inline struct asyncio_protocol *itself(void *protocol)
{
    return protocol;
}

/* ------------------------------------------------------------------------------------------------------ Summing up */

/* A protocol that says nothing but, when asked, what it has received. */
struct sum {
    struct asyncio_protocol protocol;
    struct asyncio_transport *transport; /* NULL once it is lost */
    bool pauses;                         /* it reads nothing until it is told to */
    size_t n_received, n_kept;
    unsigned char data[1 << 20]; /* the first of it */
};

static inline void sum_made(struct asyncio_protocol *protocol, struct asyncio_transport *transport)
{
    struct sum *sum = (struct sum *)protocol;

    sum->transport = transport;
    if (sum->pauses)
        asyncio_transport_pause_reading(transport);
}

static inline void sum_lost(struct asyncio_protocol *protocol, int error)
{
    (void)error;
    ((struct sum *)protocol)->transport = NULL;
}

static inline void sum_data(struct asyncio_protocol *protocol, const void *data, size_t size)
{
    struct sum *sum = (struct sum *)protocol;
    size_t kept = sizeof sum->data - sum->n_kept < size ? sizeof sum->data - sum->n_kept : size;

    memcpy(sum->data + sum->n_kept, data, kept);
    sum->n_kept += kept;
    sum->n_received += size;
}

static const struct asyncio_protocol_type sum_type = {
    .size = sizeof(struct asyncio_protocol_type),
    .name = "sum",
    .connection_made = sum_made,
    .connection_lost = sum_lost,
    .data_received = sum_data,
};

static inline void sum_tells(struct sum *sum)
{
    tell("received %zu bytes, %08x", sum->n_kept, crc32_of(sum->data, sum->n_kept));
    sum->n_kept = 0;
}

/* ------------------------------------------------------------------------------------------------------ Short words */

static inline int transport_write(struct asyncio_transport *transport, const char *text)
{
    return asyncio_transport_write(transport, text, strlen(text));
}

/* Runs a program, and tells what is left to be told. */
static inline int run_program(asyncio_coro *program)
{
    int r = asyncio_run(program, NULL);

    tell_received();
    return r < 0;
}

/* For calls that take a loop. */
#define LOOP asyncio_get_running_loop()
