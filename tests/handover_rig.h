/* handover_rig.h -- what the tests of sockets for a successor share. */
#pragma once

#include "threading.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

static struct asyncio_address address; /* of what is handed over */

/* A test whose body is a task. */
#define TEST_HANDOVER(name, why)             \
    static int body_of_##name(void *arg);    \
    TEST_EPOLL(name, why)                    \
    {                                        \
        EXPECT_INT(play(body_of_##name), 0); \
    }                                        \
    static int body_of_##name(void *arg __attribute__((unused)))

/* Waits for a child. Returns: its status; -1: it did not end by itself. */
static inline int end_of_process(pid_t pid)
{
    int status = -1;

    EXPECT_INT(waitpid(pid, &status, 0), pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}
