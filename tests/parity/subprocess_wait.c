/* Processes and their ends: returncode, waits, signals, streams (SP-01, SP-02, SP-03, SP-05). */
#include "parity_processes.h"

#include <signal.h>

static struct asyncio_process *shared;

static int waits(void *name)
{
    int code, r = asyncio_process_wait(shared, &code);

    if (r == -ECANCELED)
        printf("%s: cancelled\n", (const char *)name);
    else
        printf("%s: %d\n", (const char *)name, code);
    return r;
}

static const char *code_of(const struct asyncio_process *process)
{
    static char text[16];
    int code;

    if (!asyncio_process_returncode(process, &code))
        return "None";
    snprintf(text, sizeof text, "%d", code);
    return text;
}

static int signalled(int number)
{
    struct asyncio_process *process ASYNCIO_KILLED = NULL;
    int code;

    TRY(asyncio_create_subprocess_exec(&process, ARGV("cat"), .std_in = ASYNCIO_PIPE));
    printf("running: %s\n", code_of(process));
    if (number == SIGTERM)
        TRY(asyncio_process_terminate(process));
    else if (number == SIGKILL)
        TRY(asyncio_process_kill(process));
    else
        TRY(asyncio_process_send_signal(process, number));
    TRY(asyncio_process_wait(process, &code));
    printf("signal %d: %d, %s\n", number, code, code_of(process));
    if (asyncio_process_kill(process) == -ESRCH)
        printf("gone\n");
    return 0;
}

/* Any number of tasks wait; a wait that is cancelled changes nothing. What it has said can be read afterwards. */
static int is_waited_for(void)
{
    struct asyncio_process *process ASYNCIO_KILLED = NULL;
    static const char *const names[] = {"waiter 0", "waiter 1", "waiter 2"};
    struct asyncio_future *waiters[COUNT(names)];
    struct asyncio_streamreader *out;
    int code;

    TRY(asyncio_create_subprocess_exec(&process, ARGV("cat"), .std_in = ASYNCIO_PIPE, .std_out = ASYNCIO_PIPE));
    shared = process;
    for (size_t i = 0; i < COUNT(names); i++)
        waiters[i] = asyncio_create_task(waits, word(names[i]));
    TRY(asyncio_sleep(0));
    asyncio_future_cancel(waiters[1]);
    TRY(asyncio_sleep(0));
    printf("running: %s, %s\n", code_of(process), asyncio_process_stderr(process) ? "a stream" : "None");
    TRY(asyncio_streamwriter_write(asyncio_process_stdin(process), "one\ntwo", 7));
    asyncio_streamwriter_close(asyncio_process_stdin(process));
    take_all(waiters, COUNT(waiters));
    printf("ended: %s\n", code_of(process));
    out = asyncio_process_stdout(process);
    printf("%s, ", line_of(out));
    printf("%s, ", rest_of(out));
    printf("%s\n", truth(asyncio_streamreader_at_eof(out)));
    TRY(asyncio_process_wait(process, &code));
    printf("again: %d\n", code);
    return 0;
}

static int to_and_fro(void)
{
    static const char *const texts[] = {"a\n", "b c\n"};
    struct asyncio_process *process ASYNCIO_KILLED = NULL;
    int code;

    TRY(asyncio_create_subprocess_shell(&process, "while read x; do echo \"<$x>\"; done", .std_in = ASYNCIO_PIPE,
                                        .std_out = ASYNCIO_PIPE));
    for (size_t i = 0; i < COUNT(texts); i++) {
        TRY(asyncio_streamwriter_write(asyncio_process_stdin(process), texts[i], strlen(texts[i])));
        printf("%s\n", line_of(asyncio_process_stdout(process)));
    }
    TRY(asyncio_streamwriter_write_eof(asyncio_process_stdin(process)));
    printf("%s, ", rest_of(asyncio_process_stdout(process)));
    TRY(asyncio_process_wait(process, &code));
    printf("%d\n", code);
    return 0;
}

static int main_task(void *arg)
{
    struct asyncio_process *process ASYNCIO_KILLED = NULL;
    struct asyncio_process *none = NULL;
    int code;

    (void)arg;
    TRY(is_waited_for());
    TRY(to_and_fro());
    TRY(asyncio_create_subprocess_shell(&process, "no-such-command", .std_err = ASYNCIO_DEVNULL));
    TRY(asyncio_process_wait(process, &code));
    printf("%d\n", code);
    if (asyncio_create_subprocess_exec(&none, ARGV("no-such-program")) == -ENOENT)
        printf("not found\n");
    TRY(signalled(SIGTERM));
    TRY(signalled(SIGKILL));
    return signalled(SIGUSR1);
}

int main(void)
{
    return run_program(main_task);
}
