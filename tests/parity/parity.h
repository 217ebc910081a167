/* parity.h -- what the programs here share. It prints as virtual_clock.py does, so that NAME.c and NAME.py come to one
 * transcript, and has short words for what nearly every program does. */
#pragma once

#include <asyncio.h>

#include <errno.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

/* Leaves the calling function with the error, if there is one. */
#define TRY(call)            \
    do {                     \
        int try_r_ = (call); \
        if (try_r_ < 0)      \
            return try_r_;   \
    } while (0)

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

/* Prints a line of the transcript, with the time of the running loop. */
__attribute__((format(printf, 1, 2))) static inline void say(const char *format, ...)
{
    struct asyncio_loop *loop = asyncio_get_running_loop();
    va_list arguments;

    if (loop)
        printf("[%.3f] ", asyncio_loop_time(loop));
    else
        printf("[-.---] ");
    va_start(arguments, format);
    vprintf(format, arguments);
    va_end(arguments);
    printf("\n");
}

/* A literal as the argument of a task or callback, which nobody will write to. */
static inline void *word(const char *text)
{
    return (void *)(uintptr_t)text;
}

/* A callback that says its argument. */
static inline void say_callback(void *text)
{
    say("%s", (const char *)text);
}

/* The printed form of a result or an error. Valid until the sixteenth next call. */
static inline const char *outcome(int r)
{
    static char texts[16][24];
    static unsigned next;
    char *text = texts[next++ % COUNT(texts)];

    switch (r) {
    case -ECANCELED:
        return "ECANCELED";
    case -ETIMEDOUT:
        return "ETIMEDOUT";
    case -ASYNCIO_EINVALIDSTATE:
        return "InvalidState";
    case -ASYNCIO_EQUEUEEMPTY:
        return "QueueEmpty";
    case -ASYNCIO_EQUEUEFULL:
        return "QueueFull";
    case -ASYNCIO_EQUEUESHUTDOWN:
        return "QueueShutDown";
    case -ASYNCIO_EBROKENBARRIER:
        return "BrokenBarrier";
    case -ASYNCIO_EINCOMPLETEREAD:
        return "IncompleteRead";
    case -ASYNCIO_ELIMITOVERRUN:
        return "LimitOverrun";
    default:
        break;
    }
    if (r < 0)
        snprintf(text, sizeof texts[0], "error %d", -r);
    else
        snprintf(text, sizeof texts[0], "%d", r);
    return text;
}

/* The printed form of what a future holds now. */
static inline const char *outcome_of(struct asyncio_future *future)
{
    return outcome(asyncio_future_result(future));
}

/* Python's words for a truth value; a cancel returns one. */
static inline const char *truth(int r)
{
    return r ? "True" : "False";
}

/* Whether a call that must not be made was refused. */
static inline const char *refused(int r)
{
    return r < 0 ? "refused" : "allowed";
}

/* Waits for a task and drops the reference. */
__attribute__((warn_unused_result)) static inline int take(struct asyncio_future *task)
{
    int r = asyncio_await(task);

    asyncio_future_unref(task);
    return r;
}

/* Waits for several tasks, one after the other, and drops the references. Their outcomes are not wanted. */
static inline void take_all(struct asyncio_future **tasks, size_t n)
{
    for (size_t i = 0; i < n; i++)
        ASYNCIO_IGNORE(take(tasks[i]));
}

static inline void drop_all(struct asyncio_future **tasks, size_t n)
{
    for (size_t i = 0; i < n; i++)
        asyncio_future_unref(tasks[i]);
}

/* A sleep in a task that nobody cancels. */
static inline void nap(double seconds)
{
    ASYNCIO_IGNORE(asyncio_sleep(seconds));
}

/* The names of the errors of a task group that was entered with .keep_errors, in order. Valid until the next call. */
static inline const char *names_of(const struct asyncio_taskgroup *group)
{
    static char text[256];
    size_t n, length = 0;
    const struct asyncio_taskgroup_error *errors = asyncio_taskgroup_errors(group, &n);

    text[0] = '\0';
    for (size_t i = 0; i < n && length < sizeof text; i++)
        length +=
            (size_t)snprintf(text + length, sizeof text - length, "%s%s", i ? ", " : "", outcome(errors[i].error));
    return text;
}

/* Callbacks: a cancel, and a result. */
static inline void cancel_callback(void *future)
{
    asyncio_future_cancel(future);
}

struct later_result {
    struct asyncio_future *future;
    int value;
};

static inline void set_result_callback(void *arg)
{
    struct later_result *later = arg;

    asyncio_future_set_result(later->future, later->value, NULL);
}

/* Small numbers as values of queues and context variables. */
static inline void *item_of(int number)
{
    return (void *)(intptr_t)number;
}

static inline int number_of(const void *item)
{
    return (int)(intptr_t)item;
}

static inline int get_number(const struct asyncio_contextvar *variable, int fallback)
{
    return number_of(asyncio_contextvar_get(variable, item_of(fallback)));
}

static inline void set_number(const struct asyncio_contextvar *variable, int number)
{
    asyncio_contextvar_set(variable, item_of(number), NULL);
}
