/* Who is told what, in which order, with TLS, when one side closes, the other one, or both (TR-06, TL-03, TL-05,
 * TL-07).
 *
 * One side tells, the other one is quiet: who of two is told first of an end is not what this is about. */

#include "parity_tls.h"

static void says_what_it_knows(struct teller *teller)
{
    struct asyncio_ssl_info info = {.version = NULL};
    struct asyncio_ssl_certificate *certificate = NULL;
    size_t high, low;

    ASYNCIO_IGNORE(asyncio_transport_ssl_info(teller->transport, &info));
    ASYNCIO_IGNORE(asyncio_transport_getpeercert(teller->transport, &certificate));
    asyncio_transport_get_write_buffer_limits(teller->transport, &high, &low);
    if (!teller->is_quiet)
        tell("%s: %s, peer %s, half close %s, marks (%zu, %zu)", teller->name, info.version,
             certificate ? certificate->common_name : "None", truth(asyncio_transport_can_write_eof(teller->transport)),
             low, high);
    asyncio_free(certificate);
}

static void answers(struct teller *teller, const void *data, size_t size)
{
    if (((const char *)data)[size - 1] == '\n')
        transport_write(teller->transport, "HELLO\n");
}

static void answers_and_closes(struct teller *teller, const void *data, size_t size)
{
    static const struct asyncio_bytes words[] = {{"good", 4}, {"bye\n", 4}};

    (void)data, (void)size;
    asyncio_transport_writelines(teller->transport, words, COUNT(words));
    asyncio_transport_close(teller->transport);
    if (!teller->is_quiet)
        tell("%s: closing %s", teller->name, truth(asyncio_transport_is_closing(teller->transport)));
}

static struct teller served;

static int one(bool client_tells, const char *closing, int port, struct asyncio_ssl_context *trusting)
{
    struct teller client = TELLER("client", .made = says_what_it_knows, .is_quiet = !client_tells);
    struct asyncio_transport *transport;
    struct asyncio_protocol *protocol;
    bool each = strcmp(closing, "each") == 0, by_server = strcmp(closing, "server") == 0;

    tell("%s tells, %s closes", client_tells ? "client" : "server", closing);
    served = (struct teller)TELLER("server", .made = says_what_it_knows, .is_quiet = client_tells,
                                   .data = by_server ? answers_and_closes : answers);
    TRY(asyncio_loop_create_connection(LOOP, itself, &client, "127.0.0.1", port, &transport, &protocol, .ssl = trusting,
                                       .server_hostname = "localhost"));
    TRY(asyncio_sleep(1));
    if (client_tells)
        tell("client: connected, %s", truth(client.transport == transport));
    TRY(transport_write(transport, "hello\n"));
    TRY(asyncio_sleep(1));
    if (!by_server && !each)
        TRY(transport_write(transport, "last words"));
    if (!by_server)
        asyncio_transport_close(transport);
    if (each)
        asyncio_transport_close(served.transport);
    TRY(asyncio_sleep(1));
    tell("closing %s", truth(client.transport == NULL));
    return 0;
}

static int main_task(void *arg)
{
    static const char *const closing[] = {"client", "server", "each"};
    struct asyncio_ssl_context *serving = server_context("server"), *trusting = client_context("server");
    struct asyncio_server *server;

    (void)arg;
    TRY(asyncio_loop_create_server(LOOP, itself, &served, "127.0.0.1", 0, &server, .ssl = serving));
    for (int tells = 0; tells < 2; tells++)
        for (size_t i = 0; i < COUNT(closing); i++)
            TRY(one(tells == 0, closing[i], port_of(server), trusting));
    asyncio_ssl_context_unref(serving);
    asyncio_ssl_context_unref(trusting);
    return end_server(server);
}

int main(void)
{
    return run_program(main_task);
}
