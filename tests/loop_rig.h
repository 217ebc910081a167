/* loop_rig.h -- a loop under test, plain or over a wrapped back end that counts polls, keeps their deadlines, moves the
 * clock or fails at will. */
#pragma once

#include "test.h"

#include "base/context.h"
#include "base/list.h"
#include "loop/loop.h"

#include <stdlib.h>

#define INSIDE "it looks inside the loop"

static struct asyncio_loop *loop;

static inline void open_loop(void)
{
    EXPECT_INT(new_loop(&loop), 0);
}

static inline void close_loop(void)
{
    if (loop)
        EXPECT_INT(asyncio_loop_close(loop), 0);
    loop = asyncio_loop_unref(loop);
}

static inline void say(void *arg)
{
    trace("%s", (const char *)arg);
}

static inline void *word(const char *text)
{
    return (void *)(intptr_t)text;
}

static inline void stop(void *arg)
{
    (void)arg;
    asyncio_loop_stop(loop);
}

static inline void soon(asyncio_callback *callback, const char *arg)
{
    EXPECT_INT(asyncio_loop_call_soon(loop, callback, word(arg)), 0);
}

static inline void later(double seconds, asyncio_callback *callback, const char *arg)
{
    EXPECT_INT(asyncio_loop_call_later(loop, seconds, callback, word(arg)), 0);
}

/* Runs what is ready for one turn. */
static inline void one_turn(void)
{
    asyncio_loop_stop(loop);
    EXPECT_INT(asyncio_loop_run_forever(loop), 0);
}

/* Without a timer to stop it the loop would run for ever. */
static inline void run_for(double seconds)
{
    int r = asyncio_loop_call_later(loop, seconds, stop, NULL);

    EXPECT_INT(r, 0);
    if (r == 0)
        EXPECT_INT(asyncio_loop_run_forever(loop), 0);
}

static inline void never_mind(void *arg)
{
    (void)arg;
}

static inline void count_one(void *arg)
{
    ++*(int *)arg;
}

/* A coroutine that nothing will ever wake. */
static inline int wait_for_nothing(void *arg)
{
    struct asyncio_future *never = asyncio_loop_create_future(asyncio_get_running_loop());
    int r = asyncio_await(never);

    (void)arg;
    asyncio_future_unref(never);
    return r;
}

/* ---------------------------------------------------------------------------------------------- A wrapped back end */

static const struct asyncio_backend_ops *inner;
static struct {
    int polls, blocking;
    int64_t deadlines[64]; /* of the last polls that could block */
    int64_t asked_at[64];
    int64_t shift_ns;    /* added to the clock */
    int64_t per_look_ns; /* and to that at each reading */
    int fail;            /* of the next poll */
} watch;

static inline int64_t wrapped_now(struct asyncio_backend *backend)
{
    watch.shift_ns += watch.per_look_ns;
    return inner->now(backend) + watch.shift_ns;
}

static inline int wrapped_poll(struct asyncio_backend *backend, int64_t deadline_ns, bool external)
{
    int64_t now_ns = inner->now(backend);
    int fail = watch.fail;

    watch.polls++;
    if (deadline_ns > now_ns + watch.shift_ns) {
        watch.asked_at[watch.blocking % 64] = now_ns + watch.shift_ns;
        watch.deadlines[watch.blocking++ % 64] = deadline_ns;
    }
    watch.fail = 0;
    /* What a poll that fails has found must not be lost. */
    if (fail) {
        inner->poll(backend, 0, external);
        return fail;
    }
    return inner->poll(backend, deadline_ns == INT64_MAX ? deadline_ns : deadline_ns - watch.shift_ns, external);
}

/* A loop over the back end under test, wrapped. */
static inline void open_wrapped(double start_time, const char *options)
{
    static struct asyncio_backend_ops ops;
    struct asyncio_loop_kw kw = {.size = sizeof kw, .start_time = start_time};
    struct asyncio_loop *plain;

    EXPECT_INT(new_loop(&plain), 0);
    if (!plain)
        return;
    inner = plain->ops;
    asyncio_loop_close(plain);
    asyncio_loop_unref(plain);
    ops = *inner;
    ops.now = wrapped_now;
    ops.poll = wrapped_poll;
    EXPECT_INT(asyncio_new_event_loop_on(&loop, &ops, options, &kw), 0);
    asyncio_loop_set_poll_interval(loop, 1);
    memset(&watch, 0, sizeof watch);
}
