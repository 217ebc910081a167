/* The reading end of a pipe: what the protocol is told until the end, paused meanwhile, and when it is closed early
 * (N-12, TR-13). */

#include "parity_pipes.h"

static int reads_to_the_end(void)
{
    static struct teller reader = TELLER("reader", .stays = true);
    struct asyncio_transport *transport;
    int reading, writing;

    TRY(make_pipe(&reading, &writing));
    TRY(pipe_write(writing, "early"));
    TRY(asyncio_loop_connect_read_pipe(LOOP, itself, &reader, reading, &transport, NULL));
    tell("connected, %s, reading %s", truth(reader.transport == transport),
         truth(asyncio_transport_is_reading(transport)));
    TRY(asyncio_sleep(1));
    TRY(pipe_write(writing, "late"));
    TRY(asyncio_sleep(1));
    asyncio_transport_pause_reading(transport);
    asyncio_transport_pause_reading(transport);
    TRY(pipe_write(writing, "paused"));
    TRY(asyncio_sleep(1));
    tell("on, reading %s", truth(asyncio_transport_is_reading(transport)));
    asyncio_transport_resume_reading(transport);
    asyncio_transport_resume_reading(transport);
    TRY(asyncio_sleep(1));
    TRY(pipe_write(writing, "last"));
    TRY(pipe_close(writing));
    TRY(asyncio_sleep(1));
    tell("closing %s, reading %s", truth(!reader.transport), truth(asyncio_transport_is_reading(reader.transport)));
    return 0;
}

static void closes(struct teller *teller)
{
    asyncio_transport_close(teller->transport);
}

static int closes_early(void)
{
    static struct teller reader = TELLER("reader", .made = closes);
    int reading, writing;

    TRY(make_pipe(&reading, &writing));
    TRY(pipe_write(writing, "never read"));
    TRY(asyncio_loop_connect_read_pipe(LOOP, itself, &reader, reading, NULL, NULL));
    TRY(asyncio_sleep(1));
    tell("close: closing %s", truth(!reader.transport));
    return pipe_close(writing);
}

static int main_task(void *arg)
{
    (void)arg;
    TRY(reads_to_the_end());
    return closes_early();
}

int main(void)
{
    return run_program(main_task);
}
