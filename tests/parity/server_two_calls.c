/* serve_forever is for one task; close from elsewhere cancels it, and a closed server serves no more (SV-02). */

#include "parity_streams.h"

static int nobody(struct asyncio_streamreader *reader, struct asyncio_streamwriter *writer, void *arg)
{
    (void)reader, (void)writer, (void)arg;
    return 0;
}

static void tries(struct asyncio_server *server, const char *name)
{
    int r = asyncio_server_serve_forever(server);

    say("%s: %s", name, r == 0 ? "returns" : r == -ECANCELED ? "cancelled" : "refused");
}

static int tries_first(void *server)
{
    tries(server, "the first");
    return 0;
}

static int main_task(void *arg)
{
    struct asyncio_server *server;

    (void)arg;
    TRY(asyncio_start_server(nobody, NULL, "127.0.0.1", 0, &server));
    struct asyncio_future *task = asyncio_create_task(tries_first, server);
    nap(1);
    tries(server, "a second");
    say("serving %s, done %s", truth(asyncio_server_is_serving(server)), truth(asyncio_future_done(task)));
    nap(1);
    asyncio_server_close(server);
    say("serving %s, done %s", truth(asyncio_server_is_serving(server)), truth(asyncio_future_done(task)));
    TRY(take(task));
    tries(server, "a closed one");
    TRY(asyncio_server_wait_closed(server));
    asyncio_server_unref(server);
    return 0;
}

int main(void)
{
    return asyncio_run(main_task, NULL) < 0;
}
