/* crew.h -- tasks with names, for tests where it matters in which order several of them get something. */
#pragma once

#include "test.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CREW_MAX 256

/* Every task that spawn has made, in order; play gives them back. */
static struct asyncio_future *crew[CREW_MAX];
static int crew_size;

static inline struct asyncio_future *spawn(asyncio_coro *fn, void *arg, const char *name)
{
    struct asyncio_future *task = asyncio_create_task(fn, arg, .name = name);

    if (crew_size == CREW_MAX)
        FAIL("the crew is full");
    else
        crew[crew_size++] = task;
    return task;
}

/* The name of the task that runs. */
static inline const char *me(void)
{
    return asyncio_task_get_name(asyncio_current_task());
}

/* "0", "-ECANCELED": a result as transcripts show it. Valid until the second next call. */
static inline const char *said(int64_t r)
{
    static char buffers[2][40];
    static int turn;
    char *buffer = buffers[turn = !turn];

    if (r < 0)
        snprintf(buffer, sizeof buffers[0], "-%s", asyncio_errorname((int)r));
    else
        snprintf(buffer, sizeof buffers[0], "%d", (int)r);
    return buffer;
}

/* Lets the others run, n times; cancels that come meanwhile are forgotten. */
static inline void turns(int n)
{
    while (n-- > 0)
        ASYNCIO_IGNORE(asyncio_sleep(0));
}

static inline void cancel(struct asyncio_future *task)
{
    ASYNCIO_IGNORE(asyncio_future_cancel(task));
}

/* Waits until every task of the crew has ended. Returns: false when it was given up, as happens when a fault has
 * left them stuck. */
static inline bool everybody(void)
{
    for (int i = 0; i < crew_size; i++)
        if (asyncio_wait(&crew[i], 1, ASYNCIO_FOREVER, ASYNCIO_ALL_COMPLETED) < 0)
            return false;
    return true;
}

static inline void dismiss_crew(void)
{
    while (crew_size > 0)
        asyncio_future_unref(crew[--crew_size]);
}

/* Runs a coroutine as run does, then drops the references to its crew. */
static inline int play(asyncio_coro *fn)
{
    int r = run(fn, NULL);

    dismiss_crew();
    return r;
}

/* True when the list of tasks has this text in it. */
static inline bool dump_says(const char *text)
{
    char *dump = NULL;
    size_t size = 0;
    FILE *file = open_memstream(&dump, &size);
    bool found = false;

    if (file && asyncio_print_tasks(file) >= 0 && fflush(file) == 0) {
        found = strstr(dump, text) != NULL;
        if (!found)
            fprintf(stderr, "no \"%s\" in:\n%s", text, dump);
    }
    if (file)
        fclose(file);
    free(dump);
    return found;
}

/* A number as a task's argument. */
static inline void *number(intptr_t n)
{
    return (void *)n;
}

static inline int number_of(const void *arg)
{
    return (int)(intptr_t)arg;
}

static inline void close_loop(struct asyncio_loop *loop)
{
    if (loop)
        EXPECT_INT(asyncio_loop_close(loop), 0);
    asyncio_loop_unref(loop);
}

/* Waits for the crew: what is left to do on a loop that was stopped between two runs. */
static inline int finish_crew(void *arg)
{
    (void)arg;
    everybody();
    return 0;
}

/* A small generator; the same numbers for the same seed. */
static uint64_t chance_state;

static inline void seed_chance(uint64_t seed)
{
    chance_state = seed * UINT64_C(0x9E3779B97F4A7C15) + 1;
}

/* From 0 to n - 1. */
static inline int chance(int n)
{
    chance_state ^= chance_state << 13;
    chance_state ^= chance_state >> 7;
    chance_state ^= chance_state << 17;
    return (int)(chance_state % (uint64_t)n);
}

/* Cancels members of the crew at random while they work. */
static inline void torment(int steps)
{
    for (int i = 0; i < steps; i++) {
        for (int j = chance(3); j > 0; j--)
            cancel(crew[chance(crew_size)]);
        turns(1);
    }
}
