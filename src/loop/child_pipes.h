/* child_pipes.h -- what a child has as its standard streams: the ends that it gets, and the other ends, which stay
 * here. */
#pragma once

#include "child.h"

struct asyncio__child_pipes {
    int theirs[3];     /* as struct asyncio__spawn has them */
    bool is_opened[3]; /* it is to be closed once the child has it */
    int ours[3];       /* the other ends of pipes, which do not block; -1: there is none */
    int terminal;      /* the child's; -1: none */
    int controller;    /* its other end, which does not block */
};

/* Opens what is wanted: fds of the process, and what enum asyncio_subprocess_io has. Returns: 0; -EINVAL for what is
 * neither; -EMFILE, -ENFILE and the like: then nothing is open. */
int asyncio__child_pipes_open(struct asyncio__child_pipes *pipes, const int wanted[3], int rows, int columns);

/* Closes what the child has got, or will never get. */
void asyncio__child_pipes_close_theirs(struct asyncio__child_pipes *pipes);

/* Closes everything that nobody has taken. Who takes one of ours says so by -1. */
void asyncio__child_pipes_close(struct asyncio__child_pipes *pipes);
