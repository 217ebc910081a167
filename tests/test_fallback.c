/* test_fallback.c -- R1: io_uring where the kernel lets us have it, else epoll, and the reason in words. The suite
 * `refused` runs this where it does not (refuse.c). */
#include "test.h"

#include <errno.h>
#include <linux/io_uring.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

/* What the kernel says when it is asked without the library. Returns: 0; a negative error. */
static int ask_kernel(void)
{
    struct io_uring_params params = {0};
    int fd = (int)syscall(SYS_io_uring_setup, 1, &params);

    if (fd < 0)
        return -errno;
    close(fd);
    return 0;
}

static int one_turn(void *arg)
{
    return asyncio_sleep(arg ? 1 : 0);
}

/* Makes a loop, runs it, and says what it stands on. */
static void trace_loop(const char *backend)
{
    struct asyncio_loop *loop;

    EXPECT_INT(asyncio_new_event_loop(&loop, .backend = backend), 0);
    trace("%s: %s", asyncio_loop_backend(loop), asyncio_loop_backend_reason(loop));
    EXPECT_INT(asyncio_loop_run_until_complete(loop, one_turn, NULL), 0);
    asyncio_loop_close(loop);
    asyncio_loop_unref(loop);
}

static void expect_loops(const char *asked, const char *best)
{
    static const char *const names[] = {"uring", "uring:entries=8", "auto"};
    char expected[400];

    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        bool is_auto = strcmp(names[i], "auto") == 0;

        trace_loop(names[i]);
        snprintf(expected, sizeof expected, "%s\n", is_auto ? best : asked);
        EXPECT_TRACE(expected);
    }
    setenv("ASYNCIO_BACKEND", "auto", 1);
    trace_loop(NULL);
    snprintf(expected, sizeof expected, "%s\n", best);
    EXPECT_TRACE(expected);
}

TEST_REAL(backend_and_reason, "R1: a refusal is no error: the loop runs on epoll, and tells why")
{
    static const char forbidden[] =
        "epoll: epoll, as io_uring is forbidden here, by a sandbox or by kernel.io_uring_disabled";
    static const char missing[] = "epoll: epoll, as the kernel has no io_uring";

    switch (ask_kernel()) {
    case 0:
        expect_loops("uring: asked for by the program", "uring: io_uring works here");
        break;
    case -EPERM:
        expect_loops(forbidden, forbidden);
        break;
    case -ENOSYS:
        expect_loops(missing, missing);
        break;
    default:
        SKIP("the kernel refuses io_uring for another reason");
    }
}

TEST_REAL(nobody_asked, "R1: epoll is the default, and says how to ask for io_uring, which is not even tried")
{
    unsetenv("ASYNCIO_BACKEND");
    trace_loop(NULL);
    EXPECT_TRACE("epoll: the default; ASYNCIO_BACKEND=uring asks for io_uring\n");
}
