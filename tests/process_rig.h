/* process_rig.h -- processes, and what they say. */
#pragma once

#include "crew.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define ARGV(...) ((const char *const[]){__VA_ARGS__, NULL})

/* A process that reads until its input ends, and so does not end by itself. */
#define CAT ARGV("cat")

/* A test whose body is a task. */
#define TEST_PROCESS(name, why)              \
    static int body_of_##name(void *arg);    \
    TEST_EPOLL(name, why)                    \
    {                                        \
        EXPECT_INT(play(body_of_##name), 0); \
    }                                        \
    static int body_of_##name(void *arg __attribute__((unused)))

/* What a reader still brings until its end, or the name of the error; valid until the next call. */
static inline const char *rest_of(struct asyncio_streamreader *reader)
{
    static char text[1024];
    char *rest = NULL;
    ssize_t r = asyncio_streamreader_read_to_end(reader, SIZE_MAX, &rest);

    snprintf(text, sizeof text, "%s", r < 0 ? asyncio_errorname((int)r) : rest);
    asyncio_free(rest);
    return text;
}

/* Its next line, or the name of the error; valid until the next read. */
static inline const char *line_of(struct asyncio_streamreader *reader)
{
    char *line = NULL;
    ssize_t r = asyncio_streamreader_readline(reader, &line);

    return r < 0 ? asyncio_errorname((int)r) : line;
}

/* How a process ends; -1000 when that cannot be known. */
static inline int end_of(struct asyncio_process *process)
{
    int returncode = -1000;

    EXPECT_INT(asyncio_process_wait(process, &returncode), 0);
    return returncode;
}

static inline int wait_quietly(struct asyncio_process *process)
{
    return asyncio_process_wait(process, NULL);
}

/* Whether there is a process of that number, if only as a zombie. */
static inline bool exists(int pid)
{
    return pid > 0 && kill(pid, 0) == 0;
}

/* Waits until there is none any more. */
static inline void await_gone(int pid)
{
    while (exists(pid) && asyncio_sleep(0.01) >= 0)
        continue;
}

/* Whether the process has a child, running or not. */
static inline bool has_children(void)
{
    siginfo_t info;

    return waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) == 0;
}

/* What a command line says on its standard output, and how it ends; valid until the next call. */
#define SAID_BY(command, ...)                                                                                         \
    ({                                                                                                                \
        struct asyncio_process *process_ ASYNCIO_KILLED = NULL;                                                       \
        const char *text_;                                                                                            \
                                                                                                                      \
        EXPECT_INT(asyncio_create_subprocess_shell(&process_, (command), .std_out = ASYNCIO_PIPE, ##__VA_ARGS__), 0); \
        text_ = rest_of(asyncio_process_stdout(process_));                                                            \
        EXPECT_INT(end_of(process_), 0);                                                                              \
        text_;                                                                                                        \
    })
