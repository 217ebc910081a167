/* A handler that fails is told to the exception handler, its client is closed, and the server goes on (ST-02). */

#include "parity_streams.h"

static void on_error(struct asyncio_loop *loop, const struct asyncio_exception_context *context, void *arg)
{
    (void)loop, (void)arg;
    say("exception handler: %s", outcome(context->error));
}

static int fails(struct asyncio_streamreader *reader, struct asyncio_streamwriter *writer, void *arg)
{
    char *line;

    (void)arg;
    TRY((int)asyncio_streamreader_readline(reader, &line));
    int number = line[0] - '0';
    TRY(write_text(writer, "a part of the answer"));
    if (number)
        TRY(asyncio_sleep(1));
    return -number;
}

static int main_task(void *arg)
{
    static const char *const numbers[] = {"5\n", "0\n", "7\n"};
    struct asyncio_server *server;
    struct client client;

    (void)arg;
    asyncio_loop_set_exception_handler(asyncio_get_running_loop(), on_error, NULL);
    TRY(asyncio_start_server(fails, NULL, "127.0.0.1", 0, &server));
    for (size_t i = 0; i < COUNT(numbers); i++) {
        TRY(connect_to(server, &client));
        TRY(write_text(client.writer, numbers[i]));
        const char *answer = read_rest(client.reader);
        nap(1);
        say("the client has %s, serving %s", answer, truth(asyncio_server_is_serving(server)));
        TRY(hang_up(&client));
    }
    return end_server(server);
}

int main(void)
{
    return asyncio_run(main_task, NULL) < 0;
}
