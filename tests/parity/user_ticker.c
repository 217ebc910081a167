/* A user's program: a ticker that does not drift. Work of any length moves no later tick; missed ticks are counted. */

#include "parity.h"

struct ticker {
    double interval, start;
    int next;
};

static double now(void)
{
    return asyncio_loop_time(asyncio_get_running_loop());
}

static void ticker_init(struct ticker *ticker, double interval)
{
    *ticker = (struct ticker){interval, now(), 1};
}

/* Waits for the next tick. Returns how many were missed before it. */
static int tick(struct ticker *ticker)
{
    double time = now();
    int due = (int)((time - ticker->start) / ticker->interval + 0.000001) + 1;
    int missed = due > ticker->next ? due - ticker->next : 0;

    ticker->next += missed;
    TRY(asyncio_sleep(ticker->start + ticker->next * ticker->interval - time));
    ticker->next++;
    return missed;
}

static int works(double seconds)
{
    return asyncio_sleep(seconds);
}

static int drifts(int count)
{
    for (int number = 0; number < count; number++) {
        TRY(asyncio_sleep(0.5));
        say("a drifting tick %d", number);
        TRY(works(0.03));
    }
    return 0;
}

static int keeps_time(const double *durations, int n)
{
    struct ticker ticker;

    ticker_init(&ticker, 0.5);
    for (int number = 0; number < n; number++) {
        int missed = tick(&ticker);
        TRY(missed);
        say("tick %d, missed %d, works for %.2f", number, missed, durations[number]);
        TRY(works(durations[number]));
    }
    return 0;
}

static int main_task(void *arg)
{
    const double durations[] = {0.03, 0.4, 0.03, 1.2, 0, 0.45, 0.7, 0.03};

    (void)arg;
    TRY(drifts(4));
    double start = now();
    TRY(keeps_time(durations, COUNT(durations)));
    say("eight ticks took %.3f", now() - start);
    return 0;
}

int main(void)
{
    return asyncio_run(main_task, NULL) < 0;
}
