/* A protocol that answers each line, and one that asks: who is told what, in which order (TR-06). */

#include "parity_protocols.h"

static struct asyncio_event gone;
static char line[64];
static size_t n_in_line;

static void answers(struct teller *teller, const void *data, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        line[n_in_line++] = (char)toupper(((const unsigned char *)data)[i]);
        if (line[n_in_line - 1] != '\n')
            continue;
        asyncio_transport_write(teller->transport, line, n_in_line);
        n_in_line = 0;
    }
}

static void has_gone(struct teller *teller)
{
    (void)teller;
    asyncio_event_set(&gone);
}

static void hangs_up_behind_two_lines(struct teller *teller, const void *data, size_t size)
{
    (void)data, (void)size;
    if (teller->n_received == strlen("HELLO\nWORLD\n"))
        asyncio_transport_close(teller->transport);
}

static int main_task(void *arg)
{
    static struct teller served = TELLER("server", .data = answers, .lost = has_gone);
    static struct teller asking = TELLER("client", .data = hangs_up_behind_two_lines);
    const char *path = unix_path("echo");
    struct asyncio_transport *transport;
    struct asyncio_protocol *protocol;
    struct asyncio_server *server;

    (void)arg;
    TRY(asyncio_loop_create_unix_server(LOOP, itself, &served, path, &server));
    TRY(asyncio_sleep(1));
    TRY(asyncio_loop_create_unix_connection(LOOP, itself, &asking, path, &transport, &protocol));
    TRY(asyncio_sleep(1));
    tell("connected, %s, %s, closing %s", teller_of(protocol)->name, truth(asking.transport == transport),
         truth(asyncio_transport_is_closing(transport)));
    TRY(transport_write(transport, "hello\n"));
    TRY(asyncio_sleep(1));
    TRY(transport_write(transport, "world\n"));
    TRY(asyncio_event_wait(&gone));
    tell("over, closing %s", truth(asking.transport == NULL));
    return end_server(server);
}

int main(void)
{
    return run_program(main_task);
}
