/* close_clients closes the connections of those who are there, after what was written to them (SV-05). */

#include "parity_streams.h"

static const char *lines[2];
static size_t n_lines;

static int serves(struct asyncio_streamreader *reader, struct asyncio_streamwriter *writer, void *arg)
{
    char *line;

    (void)arg;
    TRY((int)asyncio_streamreader_readline(reader, &line));
    TRY(asyncio_streamwriter_printf(writer, "hello, %s", line));
    lines[n_lines++] = read_line(reader);
    return 0;
}

struct visit {
    const struct asyncio_server *server;
    const char *name;
};

static int visits(void *arg)
{
    const struct visit *visit = arg;
    struct client client;

    TRY(connect_to(visit->server, &client));
    TRY(asyncio_streamwriter_printf(client.writer, "%s\n", visit->name));
    const char *answer = read_rest(client.reader);
    say("%s is answered: %s", visit->name, answer);
    return hang_up(&client);
}

static int main_task(void *arg)
{
    struct asyncio_server *server;

    (void)arg;
    TRY(asyncio_start_server(serves, NULL, "127.0.0.1", 0, &server));
    asyncio_server_close_clients(server);
    struct visit first = {server, "first"}, second = {server, "second"};
    struct asyncio_future *visitor = asyncio_create_task(visits, &first);
    nap(1);
    say("done %s", truth(asyncio_future_done(visitor)));
    asyncio_server_close_clients(server);
    nap(1);
    say("done %s, serving %s", truth(asyncio_future_done(visitor)), truth(asyncio_server_is_serving(server)));
    TRY(take(visitor));
    visitor = asyncio_create_task(visits, &second);
    nap(1);
    say("done %s", truth(asyncio_future_done(visitor)));
    asyncio_server_close(server);
    asyncio_server_close_clients(server);
    TRY(asyncio_server_wait_closed(server));
    TRY(take(visitor));
    say("the server's next lines: %s, %s", lines[0], lines[1]);
    asyncio_server_unref(server);
    return 0;
}

int main(void)
{
    return asyncio_run(main_task, NULL) < 0;
}
