/* What is written before close arrives, what is written behind it does not (ST-11, ST-13). */

#include "parity_streams.h"

static int reads_all(struct asyncio_streamreader *reader, struct asyncio_streamwriter *writer, void *arg)
{
    (void)writer, (void)arg;
    TRY(asyncio_sleep(1));
    say("the server has %s", read_rest(reader));
    return 0;
}

static int main_task(void *arg)
{
    struct asyncio_server *server;
    struct client client;

    (void)arg;
    TRY(asyncio_start_server(reads_all, NULL, "127.0.0.1", 0, &server));
    TRY(connect_to(server, &client));
    TRY(write_text(client.writer, "before"));
    asyncio_streamwriter_close(client.writer);
    /* Python drops it without a word; here the error tells. */
    write_text(client.writer, "behind");
    say("closing %s", truth(asyncio_streamwriter_is_closing(client.writer)));
    TRY(asyncio_streamwriter_wait_closed(client.writer));
    write_text(client.writer, "long behind");
    say("read: %s", read_some(client.reader, 10));
    let_go(&client);
    return end_server(server);
}

int main(void)
{
    return asyncio_run(main_task, NULL) < 0;
}
