/* Certificates that are not what the client wants: it is told why, the server makes no protocol of it and goes on
 * (TL-03, N-08, #104). */

#include "parity_tls.h"

static struct asyncio_server *server;

/* A client of whom nothing is told: who of two is told first is not what this is about. */
static int connect_client(const char *trusted, const char *hostname)
{
    static struct teller quiet;
    struct asyncio_ssl_context *trusting = client_context(trusted);
    struct asyncio_transport *transport = NULL;
    int r;

    quiet = (struct teller)TELLER("client", .is_quiet = true);
    r = asyncio_loop_create_connection(LOOP, itself, &quiet, "127.0.0.1", port_of(server), &transport, NULL,
                                       .ssl = trusting, .server_hostname = hostname);
    asyncio_ssl_context_unref(trusting);
    tell("%s is trusted, %s wanted: %s", trusted, hostname, tls_outcome(r));
    TRY(asyncio_sleep(1));
    asyncio_transport_close(transport);
    return asyncio_sleep(1);
}

static int open_stream(struct asyncio_ssl_context *trusting)
{
    struct client client;

    return asyncio_open_connection("127.0.0.1", port_of(server), &client.reader, &client.writer, .ssl = trusting,
                                   .server_hostname = "localhost");
}

static int upgrade_stream(struct asyncio_ssl_context *trusting)
{
    struct client client;
    int r;

    TRY(connect_to(server, &client));
    r = asyncio_streamwriter_start_tls(client.writer, trusting, .server_hostname = "localhost");
    asyncio_streamwriter_close(client.writer);
    let_go(&client);
    return r;
}

static int main_task(void *arg)
{
    static struct teller served = TELLER("server");
    struct asyncio_ssl_context *serving = server_context("server"), *other = client_context("other");

    (void)arg;
    TRY(asyncio_loop_create_server(LOOP, itself, &served, "127.0.0.1", 0, &server, .ssl = serving));
    TRY(connect_client("other", "localhost"));
    TRY(connect_client("server", "elsewhere.test"));
    TRY(connect_client("server", "localhost"));

    /* The same with streams, and in an upgrade. */
    tell("stream: %s", tls_outcome(open_stream(other)));
    TRY(asyncio_sleep(1));
    tell("upgrade: %s", tls_outcome(upgrade_stream(other)));
    TRY(asyncio_sleep(1));
    asyncio_ssl_context_unref(serving);
    asyncio_ssl_context_unref(other);
    return end_server(server);
}

int main(void)
{
    return run_program(main_task);
}
