/* wait_closed waits until the server is closed and has no client, whoever asks and when (SV-04, #93). */

#include "parity_streams.h"

struct waiting {
    struct asyncio_server *server;
    const char *name;
};

static int serves(struct asyncio_streamreader *reader, struct asyncio_streamwriter *writer, void *arg)
{
    char byte;

    (void)writer, (void)arg;
    TRY((int)asyncio_streamreader_read(reader, &byte, 1));
    return asyncio_sleep(1);
}

static int waits(void *arg)
{
    const struct waiting *waiting = arg;

    TRY(asyncio_server_wait_closed(waiting->server));
    say("%s: closed", waiting->name);
    return 0;
}

static int main_task(void *arg)
{
    struct asyncio_server *server;
    struct client first, second;

    (void)arg;
    TRY(asyncio_start_server(serves, NULL, "127.0.0.1", 0, &server));
    struct waiting before = {server, "who waits before"}, behind = {server, "who waits behind"};
    struct waiting other = {server, "who is cancelled"}, own = {server, "main"};
    struct asyncio_future *early = asyncio_create_task(waits, &before);
    nap(1);
    TRY(connect_to(server, &first));
    TRY(connect_to(server, &second));
    nap(1);
    say("before the close: done %s", truth(asyncio_future_done(early)));
    asyncio_server_close(server);
    struct asyncio_future *late = asyncio_create_task(waits, &behind);
    struct asyncio_future *cancelled = asyncio_create_task(waits, &other);
    nap(1);
    asyncio_future_cancel(cancelled);
    say("with two clients: done %s, %s", truth(asyncio_future_done(early)), truth(asyncio_future_done(late)));
    asyncio_streamwriter_close(first.writer);
    nap(2);
    say("with one client: done %s, %s, %s", truth(asyncio_future_done(early)), truth(asyncio_future_done(late)),
        truth(asyncio_future_cancelled(cancelled)));
    asyncio_streamwriter_close(second.writer);
    TRY(take(early));
    TRY(take(late));
    TRY(waits(&own));
    asyncio_future_unref(cancelled);
    let_go(&first);
    let_go(&second);
    asyncio_server_unref(server);
    return 0;
}

int main(void)
{
    return asyncio_run(main_task, NULL) < 0;
}
