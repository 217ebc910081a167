/* Results in the order in which they become ready, not in the order in which the work was started. */
#include <asyncio.h>

#define PHASES 3

struct phase {
    int number;
    char result[32];
};

static int run_phase(void *arg)
{
    struct phase *phase = arg;
    int r;

    printf("in phase %d\n", phase->number);
    r = asyncio_sleep(0.5 - 0.1 * phase->number);
    if (r < 0)
        return r;
    printf("done with phase %d\n", phase->number);
    snprintf(phase->result, sizeof phase->result, "phase %d result", phase->number);
    return phase->number;
}

/* Each task returns the number of its phase, which leads back to the result. */
static int collect(struct asyncio_future **tasks, struct phase *phases, const char **ret_results)
{
    struct asyncio_as_completed iteration;
    struct asyncio_future *done;
    int n = 0, r = asyncio_as_completed(&iteration, tasks, PHASES, ASYNCIO_FOREVER);

    if (r < 0)
        return r;
    while ((r = asyncio_as_completed_next(&iteration, &done)) > 0) {
        int number = asyncio_future_result(done);

        if (number < 0) {
            r = number;
            break;
        }
        printf("received answer '%s'\n", phases[number].result);
        ret_results[n++] = phases[number].result;
    }
    asyncio_as_completed_fini(&iteration);
    return r < 0 ? r : n;
}

static int amain(void *arg)
{
    struct phase phases[PHASES];
    struct asyncio_future *tasks[PHASES];
    const char *results[PHASES];
    int r;

    (void)arg;
    printf("starting main\n");
    for (int i = 0; i < PHASES; i++) {
        phases[i].number = i;
        tasks[i] = asyncio_create_task(run_phase, &phases[i]);
    }
    printf("waiting for phases to complete\n");
    r = collect(tasks, phases, results);
    if (r >= 0) {
        printf("results: [");
        for (int i = 0; i < r; i++)
            printf("%s'%s'", i > 0 ? ", " : "", results[i]);
        printf("]\n");
    }
    /* The tasks work in this frame's memory: none may outlive it, whatever happened. */
    for (int i = 0; i < PHASES; i++) {
        ASYNCIO_IGNORE(asyncio_cancel_and_wait(tasks[i]));
        asyncio_future_unref(tasks[i]);
    }
    return r < 0 ? r : 0;
}

int main(void)
{
    struct asyncio_loop *loop;
    int r = asyncio_new_event_loop(&loop);

    if (r == 0) {
        r = asyncio_loop_run_until_complete(loop, amain, NULL);
        asyncio_loop_close(loop);
        asyncio_loop_unref(loop);
    }
    if (r < 0)
        fprintf(stderr, "as_completed: %s\n", asyncio_strerror(r));
    return r < 0;
}
