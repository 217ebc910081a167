/* subprocess.h -- what subprocesses as streams and those as protocols share. */
#pragma once

#include "../loop/child_pipes.h"
#include "streams.h"

/* A child that is going to be started, on the stack of who starts it. */
struct asyncio__start {
    struct asyncio__spawn spawn;
    struct asyncio__child_pipes pipes;
    struct asyncio__spawn_failure failure;
    const char *shell[4]; /* argv of a command line */
};

/* Says what is to be run: argv, or a command of the shell. */
void asyncio__start_program(struct asyncio__start *start, const char *const *argv);
void asyncio__start_shell(struct asyncio__start *start, const char *command);

/* Reads the keywords and opens the pipes; `absent`: what a standard stream that they do not name is. Returns: 0;
 * -EINVAL; -EOPNOTSUPP in the simulator; as asyncio__child_pipes_open. */
int asyncio__start_prepare(struct asyncio__start *start, const struct asyncio_loop *loop, int absent,
                           const struct asyncio_subprocess_kw *kw);

/* Closes what is left of the pipes, and tells the running task why the child was not started, if `error` says so.
 * Returns: `error`. */
int asyncio__start_end(struct asyncio__start *start, int error);

struct asyncio__process_stream {
    struct asyncio_streamreader *reader;
    struct asyncio_streamwriter *writer;
};

struct asyncio_process {
    struct asyncio_loop *loop;
    struct asyncio__child *child;
    struct asyncio__process_stream pipes[3], terminal; /* either half may be NULL */
    bool is_terminal[3];                               /* which of the three the terminal is */
    bool leads_group;                                  /* signals go to its process group */
    bool is_communicating;
    struct asyncio_link waiters; /* tasks that wait for its end */
    int refs;
};
