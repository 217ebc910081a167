/* The writing end of a pipe: flow control, write_eof that closes once all is written, and who reads being gone (N-12,
 * TR-13). */

#include "parity_pipes.h"

static char much[200 * 1000];

static int opens(struct teller *writer, int *ret_reading)
{
    int writing;

    *writer = (struct teller)TELLER("writer");
    TRY(make_pipe(ret_reading, &writing));
    return asyncio_loop_connect_write_pipe(LOOP, itself, writer, writing, NULL, NULL);
}

static int reads_all(int reading)
{
    char data[65536];
    ssize_t n;
    int size = 0;

    while ((n = pipe_read(reading, data, sizeof data)) != 0) {
        if (n == -EAGAIN)
            TRY(asyncio_sleep(0));
        else if (n < 0)
            return (int)n;
        else
            size += (int)n;
    }
    return size;
}

/* It may come in pieces. */
static ssize_t reads_hello(int reading, char *data)
{
    ssize_t size = 0, n = 1;

    for (; size < 5 && n > 0; size += n)
        n = pipe_read(reading, data + size, (size_t)(5 - size));
    return size;
}

static int writes_to_the_end(void)
{
    struct teller writer;
    size_t high, low;
    char data[100];
    int reading, size;

    TRY(opens(&writer, &reading));
    asyncio_transport_get_write_buffer_limits(writer.transport, &high, &low);
    tell("connected, can write eof %s, marks (%zu, %zu)", truth(asyncio_transport_can_write_eof(writer.transport)), low,
         high);
    TRY(transport_write(writer.transport, "hello"));
    TRY(asyncio_sleep(1));
    tell("kept %zu, arrived %s", asyncio_transport_get_write_buffer_size(writer.transport),
         quoted(data, reads_hello(reading, data)));
    TRY(asyncio_transport_write(writer.transport, much, sizeof much));
    tell("more is kept: %s", truth(asyncio_transport_get_write_buffer_size(writer.transport) > 65536));
    TRY(asyncio_transport_write_eof(writer.transport));
    tell("closing %s", truth(asyncio_transport_is_closing(writer.transport)));
    TRY(transport_write(writer.transport, "too late"));
    TRY(asyncio_transport_write_eof(writer.transport));
    asyncio_transport_close(writer.transport);
    size = reads_all(reading);
    TRY(asyncio_sleep(1));
    tell("arrived: %d", size);
    return pipe_close(reading);
}

static int is_left(bool with_data)
{
    struct teller writer;
    int reading;

    TRY(opens(&writer, &reading));
    if (with_data)
        TRY(asyncio_transport_write(writer.transport, much, sizeof much));
    TRY(asyncio_sleep(1));
    TRY(pipe_close(reading));
    TRY(asyncio_sleep(1));
    tell("closing %s, kept %zu", truth(!writer.transport), asyncio_transport_get_write_buffer_size(writer.transport));
    return 0;
}

static int aborts(void)
{
    struct teller writer;
    int reading;

    TRY(opens(&writer, &reading));
    TRY(asyncio_transport_write(writer.transport, much, sizeof much));
    asyncio_transport_close(writer.transport);
    tell("closed");
    TRY(asyncio_sleep(1));
    asyncio_transport_abort(writer.transport);
    tell("aborted, kept %zu", asyncio_transport_get_write_buffer_size(writer.transport));
    TRY(asyncio_sleep(1));
    return pipe_close(reading);
}

static int main_task(void *arg)
{
    (void)arg;
    TRY(writes_to_the_end());
    TRY(is_left(false));
    TRY(is_left(true));
    return aborts();
}

int main(void)
{
    return run_program(main_task);
}
