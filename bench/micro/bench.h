/* bench.h -- what the benchmark programs share: a clock, a row of a table, and main.
 *
 * A program holds a table of benchmarks, ended by an empty row; called with a name it runs that one for `count`
 * operations and prints nanoseconds an operation. Repeating and comparing is run.py's business. */
#pragma once

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct bench {
    const char *name;
    double (*run)(long count); /* returns nanoseconds an operation */
};

/* The processor time of this process, all its threads, which a neighbour on the same machine cannot stretch as it does
 * the time on the wall. */
static inline double now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

#define FIRST_RANDOM UINT64_C(88172645463325252)

/* A small generator, so that random deadlines are the same in every run. */
static inline uint64_t next_random(uint64_t *state)
{
    uint64_t x = *state;

    x ^= x << 13;
    x ^= x >> 7;
    x ^= x << 17;
    return *state = x;
}

/* Lets that much time pass while the loop cannot run. */
static inline void wait_seconds(double seconds)
{
    struct timespec left = {(time_t)seconds, (long)((seconds - (double)(time_t)seconds) * 1e9)};

    if (seconds <= 0)
        return;
    while (nanosleep(&left, &left) < 0)
        ;
}

static inline int bench_main(const struct bench *benches, int argc, char **argv)
{
    if (argc != 3) {
        fprintf(stderr, "usage: %s NAME COUNT\n", argv[0]);
        return 2;
    }
    for (const struct bench *bench = benches; bench->name; bench++)
        if (strcmp(bench->name, argv[1]) == 0) {
            printf("%.3f\n", bench->run(atol(argv[2])));
            return 0;
        }
    fprintf(stderr, "%s: no benchmark '%s'\n", argv[0], argv[1]);
    return 2;
}
