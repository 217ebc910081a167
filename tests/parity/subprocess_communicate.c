/* Talking to processes until they end: apart, much at a time, unread, cancelled (SP-04, SP-10). */
#include "parity_processes.h"

#define MUCH ((size_t)1 << 20)

static char much[MUCH];

static const char *shown(const char *data, size_t size)
{
    static char texts[2][128];
    static unsigned next;
    char *text = texts[next++ % 2];

    if (!data)
        return "None";
    if (size >= 100)
        snprintf(text, sizeof texts[0], "%zu bytes", size);
    else
        quote(text, sizeof texts[0], data, size);
    return text;
}

static void tell(const struct asyncio_communicated *said)
{
    printf("%s, ", shown(said->out, said->out_size));
    printf("%s, %d\n", shown(said->err, said->err_size), said->returncode);
}

static void forget(struct asyncio_communicated *said)
{
    asyncio_free(said->out);
    asyncio_free(said->err);
}

static int talk(struct asyncio_process *process, const char *command, const void *data, size_t size)
{
    struct asyncio_communicated said;

    TRY(asyncio_process_communicate(process, data, size, &said));
    printf("%s: ", command);
    tell(&said);
    if (said.out_size == MUCH)
        printf("the same: %s\n", truth(memcmp(said.out, much, MUCH) == 0));
    forget(&said);
    return 0;
}

#define TALK(command, data, size, ...)                                             \
    do {                                                                           \
        struct asyncio_process *process_ ASYNCIO_KILLED = NULL;                    \
                                                                                   \
        TRY(asyncio_create_subprocess_shell(&process_, (command), ##__VA_ARGS__)); \
        TRY(talk(process_, (command), (data), (size)));                            \
    } while (0)

static int twice(void)
{
    struct asyncio_process *process ASYNCIO_KILLED = NULL;
    struct asyncio_communicated said;

    TRY(asyncio_create_subprocess_shell(&process, "echo once; exit 2", .std_out = ASYNCIO_PIPE));
    for (int i = 0; i < 2; i++) {
        TRY(asyncio_process_communicate(process, NULL, 0, &said));
        tell(&said);
        forget(&said);
    }
    return 0;
}

static int main_task(void *arg)
{
    (void)arg;
    TALK("cat; echo err >&2; exit 5", "hello\n", 6, .std_in = ASYNCIO_PIPE, .std_out = ASYNCIO_PIPE,
         .std_err = ASYNCIO_PIPE);
    TALK("cat; echo err >&2", "hello\n", 6, .std_in = ASYNCIO_PIPE, .std_out = ASYNCIO_PIPE, .std_err = ASYNCIO_STDOUT);
    TALK("cat", NULL, 0, .std_in = ASYNCIO_PIPE, .std_out = ASYNCIO_PIPE);
    TALK("exit 3", NULL, 0);
    for (size_t i = 0; i < MUCH; i++)
        much[i] = (char)i;
    TALK("tee /dev/stderr", much, MUCH, .std_in = ASYNCIO_PIPE, .std_out = ASYNCIO_PIPE, .std_err = ASYNCIO_PIPE);
    TALK("exec <&-; echo unread; exit 1", much, MUCH, .std_in = ASYNCIO_PIPE, .std_out = ASYNCIO_PIPE);
    TALK("kill -TERM $$", much, MUCH, .std_in = ASYNCIO_PIPE, .std_out = ASYNCIO_PIPE);
    return twice();
}

int main(void)
{
    return run_program(main_task);
}
