/* A handler that is cancelled is nobody's error; its client is closed, and the server goes on (ST-02). */

#include "parity_streams.h"

static struct asyncio_future *handler;

static void on_error(struct asyncio_loop *loop, const struct asyncio_exception_context *context, void *arg)
{
    (void)loop, (void)context, (void)arg;
    say("the exception handler is called");
}

static int serves(struct asyncio_streamreader *reader, struct asyncio_streamwriter *writer, void *arg)
{
    char byte;

    (void)arg;
    handler = asyncio_current_task();
    TRY(write_text(writer, "welcome"));
    int r = (int)asyncio_streamreader_read(reader, &byte, 1);
    if (r == -ECANCELED) {
        say("the handler is cancelled");
        TRY(asyncio_sleep(1));
        TRY(write_text(writer, ", and good bye"));
        return r;
    }
    say("the client goes");
    return r;
}

static int main_task(void *arg)
{
    struct asyncio_server *server;
    struct client client;

    (void)arg;
    asyncio_loop_set_exception_handler(asyncio_get_running_loop(), on_error, NULL);
    TRY(asyncio_start_server(serves, NULL, "127.0.0.1", 0, &server));
    TRY(connect_to(server, &client));
    nap(1);
    asyncio_future_cancel(handler);
    const char *answer = read_rest(client.reader);
    nap(1);
    say("the client has %s, serving %s", answer, truth(asyncio_server_is_serving(server)));
    TRY(hang_up(&client));

    TRY(connect_to(server, &client));
    say("the next has %s", read_exactly(client.reader, 7));
    TRY(hang_up(&client));
    TRY(end_server(server));
    say("closed");
    return 0;
}

int main(void)
{
    return asyncio_run(main_task, NULL) < 0;
}
