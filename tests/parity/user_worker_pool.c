/* A user's program: a pool of workers that try each job again, with a growing pause, until they give it up. */

#include "parity.h"

#define MOST_TRIES 4
#define JOBS       6

struct job {
    int number;
    double seconds;
    int failures, tries;
};

static struct asyncio_queue jobs = ASYNCIO_QUEUE_INIT(0);
static int results[JOBS];

static int attempt(void *arg)
{
    struct job *job = arg;

    job->tries++;
    TRY(asyncio_sleep(job->seconds));
    return job->tries <= job->failures ? -100 : job->number * 100;
}

/* Gives the result in ret_result, -1 when the job was given up; an error only when the worker is cancelled. */
static int process(const char *name, struct job *job, int *ret_result)
{
    double pause = 0.1;

    for (;;) {
        int r = asyncio_wait_for(attempt, job, 1);
        if (r == -ECANCELED)
            return r;
        if (r >= 0) {
            say("%s: job %d gives %d at try %d", name, job->number, r, job->tries);
            *ret_result = r;
            return 0;
        }
        if (r == -ETIMEDOUT)
            say("%s: job %d takes too long at try %d", name, job->number, job->tries);
        else
            say("%s: job %d fails with %d at try %d", name, job->number, job->number, job->tries);
        if (job->tries == MOST_TRIES) {
            say("%s: job %d is given up", name, job->number);
            *ret_result = -1;
            return 0;
        }
        TRY(asyncio_sleep(pause));
        pause *= 2;
    }
}

static int worker(void *name)
{
    void *item;

    for (;;) {
        TRY(asyncio_queue_get(&jobs, &item));
        struct job *job = item;
        TRY(process(name, job, &results[job->number]));
        asyncio_queue_task_done(&jobs);
    }
}

static int main_task(void *arg)
{
    struct job all[JOBS] = {{0, 0.25, 0, 0}, {1, 0.13, 2, 0}, {2, 0.37, 9, 0},
                            {3, 5, 0, 0},    {4, 0.41, 1, 0}, {5, 0.07, 3, 0}};

    (void)arg;
    for (int i = 0; i < JOBS; i++)
        TRY(asyncio_queue_put_nowait(&jobs, &all[i]));
    struct asyncio_future *workers[] = {
        asyncio_create_task(worker, word("able")),
        asyncio_create_task(worker, word("baker")),
        asyncio_create_task(worker, word("charlie")),
    };
    TRY(asyncio_queue_join(&jobs));
    for (size_t i = 0; i < COUNT(workers); i++)
        asyncio_future_cancel(workers[i]);
    TRY(asyncio_gather(workers, COUNT(workers), NULL, .return_exceptions = true));
    drop_all(workers, COUNT(workers));
    say("results: %d %d %d %d %d %d", results[0], results[1], results[2], results[3], results[4], results[5]);
    asyncio_queue_fini(&jobs);
    return 0;
}

int main(void)
{
    return asyncio_run(main_task, NULL) < 0;
}
