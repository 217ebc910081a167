/* Streams with TLS: lines, masses, what was agreed on, and an end that is announced (ST-14, TL-03, TL-05, TL-07). */

#include "parity_tls.h"

#define MUCH 300000

static const char *version_of(struct asyncio_streamwriter *writer)
{
    struct asyncio_ssl_info info = {.version = "none"};

    ASYNCIO_IGNORE(asyncio_streamwriter_ssl_info(writer, &info));
    return info.version;
}

static int echo(struct asyncio_streamreader *reader, struct asyncio_streamwriter *writer, void *arg)
{
    char data[10000];
    ssize_t n;

    (void)arg;
    say("server: %s, half close %s", version_of(writer), truth(asyncio_streamwriter_can_write_eof(writer)));
    while ((n = asyncio_streamreader_read(reader, data, sizeof data)) > 0)
        TRY(asyncio_streamwriter_write(writer, data, (size_t)n));
    TRY((int)n);
    say("server: the end, %s", truth(asyncio_streamreader_at_eof(reader)));
    asyncio_streamwriter_close(writer);
    TRY(asyncio_streamwriter_wait_closed(writer));
    say("server: closed");
    return 0;
}

static int say_what_it_knows(struct client *client)
{
    struct asyncio_ssl_certificate *certificate;
    size_t high, low;

    TRY(asyncio_streamwriter_getpeercert(client->writer, &certificate));
    asyncio_streamwriter_get_write_buffer_limits(client->writer, &high, &low);
    say("client: %s, peer %s, half close %s, marks (%zu, %zu)", version_of(client->writer), certificate->common_name,
        truth(asyncio_streamwriter_can_write_eof(client->writer)), low, high);
    asyncio_free(certificate);
    return 0;
}

static int send_much(struct client *client)
{
    static unsigned char much[MUCH];
    ssize_t n;

    for (size_t i = 0; i < MUCH; i++)
        much[i] = (unsigned char)(i * 7 % 251);
    TRY(asyncio_streamwriter_write(client->writer, much, MUCH));
    memset(much, 0, MUCH);
    n = asyncio_streamreader_readexactly(client->reader, much, MUCH);
    TRY((int)n);
    say("much %08x", crc32_of(much, (size_t)n));
    return 0;
}

static int main_task(void *arg)
{
    static const struct asyncio_bytes lines[] = {{"one\n", 4}, {"two\n", 4}, {"three\r\nrest", 11}};
    struct asyncio_ssl_context *serving = server_context("server"), *trusting = client_context("server");
    struct asyncio_server *server;
    struct client client;

    (void)arg;
    TRY(asyncio_start_server(echo, NULL, "127.0.0.1", 0, &server, .ssl = serving));
    TRY(asyncio_open_connection("127.0.0.1", port_of(server), &client.reader, &client.writer, .ssl = trusting,
                                .server_hostname = "localhost"));
    TRY(say_what_it_knows(&client));
    TRY(asyncio_sleep(1));
    TRY(asyncio_streamwriter_writelines(client.writer, lines, COUNT(lines)));
    for (int i = 0; i < 2; i++)
        say("line %s", read_line(client.reader));
    say("until %s", read_until(client.reader, "e\r\n"));
    say("exactly %s", read_exactly(client.reader, 4));
    TRY(send_much(&client));
    TRY(asyncio_sleep(1));
    asyncio_streamwriter_close(client.writer);
    TRY(asyncio_streamwriter_wait_closed(client.writer));
    say("client: closed, %s, %s", truth(asyncio_streamwriter_is_closing(client.writer)), read_rest(client.reader));
    let_go(&client);
    TRY(asyncio_sleep(1));
    asyncio_ssl_context_unref(serving);
    asyncio_ssl_context_unref(trusting);
    return end_server(server);
}

int main(void)
{
    return run_program(main_task);
}
