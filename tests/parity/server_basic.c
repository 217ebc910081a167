/* A server serves several clients at a time, each in a task of its own (ST-02, SV-01). */

#include "parity_streams.h"

static int served;

struct visit {
    const struct asyncio_server *server;
    const char *name;
    double delay;
};

static int greets(struct asyncio_streamreader *reader, struct asyncio_streamwriter *writer, void *arg)
{
    char name[16], *line;

    (void)arg;
    TRY((int)asyncio_streamreader_readline(reader, &line));
    snprintf(name, sizeof name, "%s", line);
    TRY(asyncio_sleep(1));
    TRY(asyncio_streamwriter_printf(writer, "hello, %s", name));
    served++;
    return 0;
}

static int visits(void *arg)
{
    const struct visit *visit = arg;
    struct client client;

    TRY(asyncio_sleep(visit->delay));
    TRY(connect_to(visit->server, &client));
    TRY(asyncio_streamwriter_printf(client.writer, "%s\n", visit->name));
    const char *answer = read_rest(client.reader);
    say("%s is greeted: %s", visit->name, answer);
    return hang_up(&client);
}

static int main_task(void *arg)
{
    struct asyncio_taskgroup group = {0};
    struct asyncio_server *server;

    (void)arg;
    TRY(asyncio_start_server(greets, NULL, "127.0.0.1", 0, &server));
    say("serving %s, sockets %zu", truth(asyncio_server_is_serving(server)), asyncio_server_n_sockets(server));
    say("on a port: %s, this loop's: %s", truth(port_of(server) > 0),
        truth(asyncio_server_get_loop(server) == asyncio_get_running_loop()));
    struct visit all[] = {{server, "alice", 0}, {server, "bob", 0.1}, {server, "carol", 0.2}};
    TRY(asyncio_taskgroup_enter(&group));
    for (size_t i = 0; i < COUNT(all); i++)
        asyncio_taskgroup_create_task(&group, visits, &all[i]);
    TRY(asyncio_taskgroup_exit(&group, 0));
    asyncio_server_close(server);
    TRY(asyncio_server_wait_closed(server));
    say("serving %s, sockets %zu, %d served", truth(asyncio_server_is_serving(server)),
        asyncio_server_n_sockets(server), served);
    asyncio_server_unref(server);
    return 0;
}

int main(void)
{
    return asyncio_run(main_task, NULL) < 0;
}
