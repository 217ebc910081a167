/* The limit of a line is the server's for its clients, and each client's own (ST-01, ST-02). */

#include "parity_streams.h"

static int reads_short_lines(struct asyncio_streamreader *reader, struct asyncio_streamwriter *writer, void *arg)
{
    (void)arg;
    say("the server: %s", read_until(reader, "\n"));
    say("the server: %s", read_until(reader, "\n"));
    say("the server: %s", read_exactly(reader, 10));
    return write_text(writer, "12345\n123456\n");
}

static int main_task(void *arg)
{
    struct asyncio_server *server;
    struct client client;

    (void)arg;
    TRY(asyncio_start_server(reads_short_lines, NULL, "127.0.0.1", 0, &server, .limit = 8));
    TRY(asyncio_open_connection("127.0.0.1", port_of(server), &client.reader, &client.writer, .limit = 5));
    TRY(asyncio_streamwriter_write(client.writer, "12345678\n123456789\n", 19));
    nap(1);
    say("the client: %s", read_until(client.reader, "\n"));
    say("the client: %s", read_until(client.reader, "\n"));
    say("the client: %s", read_rest(client.reader));
    TRY(hang_up(&client));
    return end_server(server);
}

int main(void)
{
    return asyncio_run(main_task, NULL) < 0;
}
