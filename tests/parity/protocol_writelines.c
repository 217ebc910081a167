/* writelines: several pieces, an empty one, none, more than one system call takes; they arrive in order (TR-05,
 * #77). */

#include "parity_protocols.h"

#define BIG   6500
#define MANY  3000
#define CYCLE 251

static unsigned char memory[CYCLE][BIG];

static int main_task(void *arg)
{
    static const struct asyncio_bytes few[] = {{"one", 3}, {"", 0}, {"two", 3}, {"three", 5}};
    static struct asyncio_bytes pieces[MANY];
    static struct sum sink = {.protocol = {&sum_type}};
    static struct teller asking = TELLER("client");
    const char *path = unix_path("lines");
    struct asyncio_transport *transport;
    struct asyncio_server *server;

    (void)arg;
    for (int i = 0; i < CYCLE; i++)
        memset(memory[i], i, BIG);
    TRY(asyncio_loop_create_unix_server(LOOP, itself, &sink, path, &server));
    TRY(asyncio_loop_create_unix_connection(LOOP, itself, &asking, path, &transport, NULL));
    TRY(asyncio_transport_writelines(transport, few, COUNT(few)));
    TRY(asyncio_transport_writelines(transport, NULL, 0));
    TRY(asyncio_sleep(1));
    sum_tells(&sink);
    for (int i = 0; i < 100; i++)
        pieces[i] = (struct asyncio_bytes){memory[i % CYCLE], BIG};
    TRY(asyncio_transport_writelines(transport, pieces, 100));
    TRY(transport_write(transport, "the end"));
    TRY(asyncio_sleep(1));
    sum_tells(&sink);
    for (int i = 0; i < MANY; i++)
        pieces[i] = (struct asyncio_bytes){memory[i % CYCLE], 1};
    TRY(asyncio_transport_writelines(transport, pieces, MANY));
    asyncio_transport_close(transport);
    TRY(asyncio_sleep(1));
    sum_tells(&sink);
    return end_server(server);
}

int main(void)
{
    return run_program(main_task);
}
