/* Processes by protocols: what is told in which order, and what the transport can do (SP-06). The ends of the pipes and
 * the exit come in any order, so they are told together. */
#include "parity_processes.h"

struct told {
    struct asyncio_protocol protocol;
    struct asyncio_transport *transport;
    struct asyncio_future *lost;
    char data[3][64];
    size_t size[3];
    char ends[4][32]; /* of the pipes, and of the process */
};

static struct told *told_of(struct asyncio_protocol *protocol)
{
    return (struct told *)(void *)protocol;
}

static const char *code_of(const struct asyncio_transport *transport)
{
    static char text[16];
    int code;

    if (!asyncio_transport_get_returncode(transport, &code))
        return "None";
    snprintf(text, sizeof text, "%d", code);
    return text;
}

static void made(struct asyncio_protocol *protocol, struct asyncio_transport *transport)
{
    told_of(protocol)->transport = transport;
    printf("made, [%s, %s, %s]\n", truth(!!asyncio_transport_get_pipe_transport(transport, 0)),
           truth(!!asyncio_transport_get_pipe_transport(transport, 1)),
           truth(!!asyncio_transport_get_pipe_transport(transport, 2)));
}

static void data_received(struct asyncio_protocol *protocol, int fd, const void *data, size_t size)
{
    struct told *told = told_of(protocol);

    memcpy(told->data[fd] + told->size[fd], data, size);
    told->size[fd] += size;
}

static void pipe_lost(struct asyncio_protocol *protocol, int fd, int error)
{
    char *end = told_of(protocol)->ends[fd + 1];

    snprintf(end, sizeof told_of(protocol)->ends[0], "pipe %d: %s", fd, error ? asyncio_errorname(error) : "None");
}

static void exited(struct asyncio_protocol *protocol)
{
    struct told *told = told_of(protocol);

    snprintf(told->ends[0], sizeof told->ends[0], "exited: %s", code_of(told->transport));
}

static void lost(struct asyncio_protocol *protocol, int error)
{
    struct told *told = told_of(protocol);
    char out[128], err[128];

    printf("said %s and %s\n", quote(out, sizeof out, told->data[1], told->size[1]),
           quote(err, sizeof err, told->data[2], told->size[2]));
    for (size_t i = 0; i < COUNT(told->ends); i++)
        if (told->ends[i][0])
            printf("%s%s", i > 0 ? "; " : "", told->ends[i]);
    printf("\nlost, %s, %s\n", error ? asyncio_errorname(error) : "None", code_of(told->transport));
    asyncio_future_set_result(told->lost, 0, NULL);
}

static const struct asyncio_protocol_type told_type = {
    .size = sizeof told_type,
    .name = "told",
    .connection_made = made,
    .connection_lost = lost,
    .pipe_data_received = data_received,
    .pipe_connection_lost = pipe_lost,
    .process_exited = exited,
};

static struct asyncio_protocol *make(void *arg)
{
    struct told *told = arg;

    *told = (struct told){.protocol = {&told_type}};
    told->lost = asyncio_loop_create_future(asyncio_get_running_loop());
    return &told->protocol;
}

#define START(told, command, ...) \
    TRY(asyncio_loop_subprocess_shell(asyncio_get_running_loop(), make, (told), (command), NULL, NULL, ##__VA_ARGS__))

static int main_task(void *arg)
{
    struct told told;

    (void)arg;
    START(&told, "cat; echo err >&2; exit 7");
    TRY(asyncio_transport_write(asyncio_transport_get_pipe_transport(told.transport, 0), "hello\n", 6));
    asyncio_transport_close(asyncio_transport_get_pipe_transport(told.transport, 0));
    TRY(take(told.lost));

    printf("dies at once\n");
    START(&told, "exit 3", .std_in = ASYNCIO_DEVNULL);
    TRY(take(told.lost));

    printf("is closed\n");
    START(&told, "exec cat");
    asyncio_transport_close(told.transport);
    printf("closing %s\n", truth(asyncio_transport_is_closing(told.transport)));
    TRY(take(told.lost));

    printf("is terminated\n");
    START(&told, "exec cat");
    TRY(asyncio_transport_terminate(told.transport));
    TRY(take(told.lost));

    printf("has no pipe\n");
    START(&told, "exit 1", .std_in = ASYNCIO_DEVNULL, .std_out = ASYNCIO_DEVNULL, .std_err = ASYNCIO_INHERIT);
    return take(told.lost);
}

int main(void)
{
    return run_program(main_task);
}
