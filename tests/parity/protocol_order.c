/* connection_made, data_received, eof_received, connection_lost: each in a turn of its own, and what was called soon in
 * between; seen from the one who hangs up, then from the other (TR-06). */

#include "parity_protocols.h"

static char lines[8][64];

static void tell_callback(void *text)
{
    tell("%s", (const char *)text);
}

static void later(const struct teller *teller, const char *text)
{
    static unsigned n;
    char *line = lines[n++ % COUNT(lines)];

    snprintf(line, sizeof lines[0], "%s: %s", teller->name, text);
    asyncio_loop_call_soon(LOOP, tell_callback, line);
}

static void writes_and_hangs_up(struct teller *teller)
{
    later(teller, "a turn behind connection_made");
    transport_write(teller->transport, "hi");
    asyncio_transport_close(teller->transport);
    tell("%s: closing %s", teller->name, truth(asyncio_transport_is_closing(teller->transport)));
}

static void hangs_up(struct teller *teller, const void *data, size_t size)
{
    (void)data, (void)size;
    if (teller->n_received < strlen("hello"))
        return;
    later(teller, "a turn behind data_received");
    tell("%s: data_received", teller->name);
    asyncio_transport_close(teller->transport);
}

static void is_made(struct teller *teller)
{
    later(teller, "a turn behind connection_made");
}

static void has_ended(struct teller *teller)
{
    later(teller, "a turn behind eof_received");
}

static void has_gone(struct teller *teller)
{
    later(teller, "a turn behind connection_lost");
}

static int visits(const char *name, void *served, void *asking)
{
    const char *path = unix_path(name);
    struct asyncio_transport *transport;
    struct asyncio_server *server;
    bool hung_up;

    TRY(asyncio_loop_create_unix_server(LOOP, itself, served, path, &server));
    TRY(asyncio_loop_create_unix_connection(LOOP, itself, asking, path, &transport, NULL));
    hung_up = asyncio_transport_is_closing(transport);
    TRY(asyncio_sleep(1));
    if (!hung_up)
        TRY(transport_write(transport, "hello"));
    TRY(asyncio_sleep(1));
    if (!hung_up && strcmp(name, "three") != 0)
        asyncio_transport_close(transport);
    TRY(asyncio_sleep(1));
    return end_server(server);
}

static int main_task(void *arg)
{
    static struct teller one = TELLER("one", .made = writes_and_hangs_up, .lost = has_gone);
    static struct teller two = TELLER("two", .made = is_made, .eof = has_ended);
    static struct teller three = TELLER("three", .data = hangs_up, .lost = has_gone);
    static struct sum sums[] = {{.protocol = {&sum_type}}, {.protocol = {&sum_type}}, {.protocol = {&sum_type}}};

    (void)arg;
    TRY(visits("one", &sums[0], &one));
    TRY(visits("two", &two, &sums[1]));
    return visits("three", &three, &sums[2]);
}

int main(void)
{
    return run_program(main_task);
}
