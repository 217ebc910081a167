/* signal_rig.h -- what raises signals, and what is called for them. */
#pragma once

#include "threading.h"

#include <signal.h>

/* A literal as an argument. */
static inline void *text(const char *literal)
{
    return (void *)(uintptr_t)literal;
}

static inline void say(void *arg)
{
    trace("%s", (const char *)arg);
}

static inline void raise_it(void *arg)
{
    raise(number_of(arg));
}

static inline void raise_twice(void *arg)
{
    raise(number_of(arg));
    raise(number_of(arg));
}

static inline void raise_later(struct asyncio_loop *loop, double seconds, int signal_)
{
    EXPECT_INT(asyncio_loop_call_later(loop, seconds, raise_it, number(signal_)), 0);
}

static inline void stop_later(struct asyncio_loop *loop, double seconds)
{
    EXPECT_INT(asyncio_loop_call_later(loop, seconds, stop_loop, loop), 0);
}

static inline bool action_is(int signal_, void (*handler)(int))
{
    struct sigaction action;

    return sigaction(signal_, NULL, &action) == 0 && action.sa_handler == handler;
}

static atomic_int n_handled;

static inline void count_handled(int number_)
{
    (void)number_;
    atomic_fetch_add(&n_handled, 1);
}
