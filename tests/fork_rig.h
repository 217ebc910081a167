/* fork_rig.h -- a loop with something of each kind under way, which goes on when the process has forked. */
#pragma once

#include "threading.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>

/* A loop's life, with something of each kind under way. */
static struct {
    struct asyncio_loop *loop;
    struct asyncio_server *server;
    struct asyncio_streamreader *reader; /* of a connection to the server, which echoes */
    struct asyncio_streamwriter *writer;
    struct asyncio_socket *sockets[2];
    struct asyncio_process *process; /* cat */
    struct asyncio_file *file;
    struct asyncio_executor *executor; /* whose thread waits at the gate */
    struct asyncio_future *job, *receiver, *sleeper, *line;
    struct asyncio_signals signals;
    struct gate begun, go_on;
    atomic_int n_handled, n_posted;
} all;

static inline int echo(struct asyncio_streamreader *reader, struct asyncio_streamwriter *writer, void *arg)
{
    char *line;

    (void)arg;
    while (asyncio_streamreader_readline(reader, &line) > 0) {
        ASYNCIO_IGNORE(asyncio_streamwriter_write(writer, line, strlen(line)));
        ASYNCIO_IGNORE(asyncio_streamwriter_drain(writer));
    }
    return 0;
}

static inline int block(void *arg)
{
    gate_open(&all.begun);
    gate_pass(&all.go_on);
    return number_of(arg);
}

static inline int give_back(void *arg)
{
    return number_of(arg);
}

static inline int receive(void *arg)
{
    char byte;

    return (int)asyncio_sock_recv(arg, &byte, 1);
}

static inline int sleep_a_little(void *arg)
{
    return asyncio_sleep(arg ? 0.05 : 0.001);
}

static inline int read_line(void *arg)
{
    char *line;

    return (int)asyncio_streamreader_readline(arg, &line);
}

static inline void count_signal(void *arg)
{
    atomic_fetch_add((atomic_int *)arg, 1);
}

static inline void open_connection(void)
{
    char path[64];

    snprintf(path, sizeof path, "@asyncio-test-fork-%d", (int)getpid());
    EXPECT_INT(asyncio_start_unix_server(echo, NULL, path, &all.server), 0);
    EXPECT_INT(asyncio_open_unix_connection(path, &all.reader, &all.writer), 0);
}

static inline void begin_all(void)
{
    all.loop = asyncio_get_running_loop();
    gate_init(&all.begun);
    gate_init(&all.go_on);
    open_connection();
    EXPECT_INT(asyncio_socketpair(AF_UNIX, SOCK_STREAM, 0, all.sockets), 0);
    EXPECT_INT(asyncio_create_subprocess_exec(&all.process, ((const char *const[]){"cat", NULL}),
                                              .std_in = ASYNCIO_PIPE, .std_out = ASYNCIO_PIPE),
               0);
    EXPECT_INT(asyncio_file_temporary(NULL, &all.file), 0);
    EXPECT_INT(asyncio_thread_pool_executor(&all.executor, .max_workers = 1), 0);
    EXPECT_INT(asyncio_loop_add_signal_handler(all.loop, SIGUSR1, count_signal, &all.n_handled), 0);
    EXPECT_INT(asyncio_signals_init(&all.signals, (const int[]){SIGUSR2}, 1), 0);
    all.job = asyncio_loop_run_in_executor(all.loop, all.executor, block, number(4));
    all.receiver = asyncio_create_task(receive, all.sockets[0]);
    all.line = asyncio_create_task(read_line, asyncio_process_stdout(all.process));
    gate_pass(&all.begun);
    /* All wait, and on io_uring the kernel has what they wait for. */
    EXPECT_INT(asyncio_sleep(0.001), 0);
    all.sleeper = asyncio_create_task(sleep_a_little, number(1));
    EXPECT_INT(asyncio_sleep(0), 0);
}

/* Awaits a future and gives it back. */
static inline int outcome(struct asyncio_future *future)
{
    int r = asyncio_await(future);

    asyncio_future_unref(future);
    return r;
}

/* The parent goes on as if nothing had happened: what was under way comes to its end. */
static inline void end_all(void)
{
    char buffer[8] = "";
    char *line = NULL;
    int returncode = -1;

    EXPECT_INT(outcome(all.sleeper), 0);
    EXPECT(!asyncio_future_done(all.receiver));
    EXPECT_INT(asyncio_sock_sendall(all.sockets[1], "x", 1), 0);
    EXPECT_INT(outcome(all.receiver), 1);
    EXPECT_INT(asyncio_streamwriter_write(all.writer, "to and fro\n", 11), 0);
    EXPECT_INT(asyncio_streamreader_readline(all.reader, &line), 11);
    EXPECT_STR(line, "to and fro\n");
    EXPECT_INT(asyncio_streamwriter_write(asyncio_process_stdin(all.process), "cat\n", 4), 0);
    EXPECT_INT(outcome(all.line), 4);
    asyncio_streamwriter_close(asyncio_process_stdin(all.process));
    EXPECT_INT(asyncio_process_wait(all.process, &returncode), 0);
    EXPECT_INT(returncode, 0);
    EXPECT_INT(asyncio_file_pwrite(all.file, "file", 4, 0), 4);
    EXPECT_INT(asyncio_file_pread(all.file, buffer, sizeof buffer, 0), 4);
    EXPECT_INT(asyncio_file_close(all.file), 0);
    gate_open(&all.go_on);
    EXPECT_INT(outcome(all.job), 4);
    raise(SIGUSR1);
    raise(SIGUSR2);
    EXPECT_INT(asyncio_signals_wait(&all.signals), SIGUSR2);
    EXPECT_INT(atomic_load(&all.n_handled), 1);
    asyncio_signals_fini(&all.signals);
    EXPECT_INT(asyncio_loop_remove_signal_handler(all.loop, SIGUSR1), 1);
    asyncio_file_unref(all.file);
    asyncio_process_unref(all.process);
    asyncio_executor_unref(all.executor);
    asyncio_socket_unref(all.sockets[0]);
    asyncio_socket_unref(all.sockets[1]);
    asyncio_streamreader_unref(all.reader);
    asyncio_streamwriter_unref(all.writer);
    EXPECT_INT(asyncio_server_stop(all.server, 1), 0);
    asyncio_server_unref(all.server);
}

static inline void expect_child(pid_t pid)
{
    int status = -1;

    EXPECT(pid > 0);
    EXPECT_INT(waitpid(pid, &status, 0), pid);
    EXPECT_INT(status, 0);
}
