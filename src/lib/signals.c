/* signals.c -- waiting for signals in straight-line code.
 *
 * Signals of a number are a bit: that one has come since somebody last waited. A signal that comes while somebody waits
 * is handed to whoever has waited longest, or stays a bit; so nobody waits while a bit is set. */
#include "../base/mem.h"
#include "lib.h"

struct lookout {
    struct asyncio_signal_watch watch;
    struct asyncio_signals *signals;
};

struct lookouts {
    size_t n; /* those that have begun */
    struct lookout each[];
};

static uint64_t bit_of(int number)
{
    return UINT64_C(1) << (number - 1);
}

/* Takes the lowest that is pending. */
static int take(struct asyncio_signals *signals)
{
    int number = __builtin_ctzll(signals->pending) + 1;

    signals->pending &= ~bit_of(number);
    return number;
}

static void hand_out(struct asyncio_signals *signals)
{
    struct asyncio_waiter *waiter;

    while (signals->pending && (waiter = asyncio__first_waiter(&signals->waiters)))
        asyncio__wake(waiter, take(signals));
}

static void signal_received(struct asyncio_signal_watch *watch, unsigned times)
{
    struct asyncio_signals *signals = CONTAINER_OF(watch, struct lookout, watch)->signals;

    (void)times;
    signals->pending |= bit_of(watch->number);
    hand_out(signals);
}

static void signals_give_back(struct asyncio_waiter *waiter)
{
    struct asyncio_signals *signals = waiter->object;

    signals->pending |= bit_of((int)waiter->result);
    hand_out(signals);
}

static void signals_describe(const struct asyncio_waiter *waiter, char *buffer, size_t size)
{
    const struct asyncio_signals *signals = waiter->object;
    const struct lookouts *lookouts = signals->watches;
    size_t length = (size_t)snprintf(buffer, size, "one of the signals");

    for (size_t i = 0; i < lookouts->n && length < size; i++)
        length += (size_t)snprintf(buffer + length, size - length, " %d", lookouts->each[i].watch.number);
}

static const struct asyncio_wait_kind signals_kind = {
    .name = "signal",
    .late = ASYNCIO_LATE_GIVE_BACK,
    .give_back = signals_give_back,
    .describe = signals_describe,
};

int asyncio_signals_init(struct asyncio_signals *signals, const int *numbers, size_t n)
{
    struct lookouts *lookouts;
    int r = 0;

    if (!signals)
        return -EINVAL;
    *signals = (struct asyncio_signals){.loop = NULL};
    if (!numbers || n == 0)
        return -EINVAL;
    if (!asyncio_get_running_loop())
        return -ASYNCIO_ENOLOOP;
    lookouts = asyncio__calloc(sizeof *lookouts + n * sizeof lookouts->each[0]);
    if (!lookouts)
        return -ENOMEM;
    list_init(&signals->waiters);
    signals->loop = asyncio_get_running_loop();
    signals->watches = lookouts;
    for (; r == 0 && lookouts->n < n; lookouts->n++) {
        struct lookout *lookout = &lookouts->each[lookouts->n];

        lookout->signals = signals;
        lookout->watch.received = signal_received;
        r = asyncio_watch_signal(&lookout->watch, signals->loop, numbers[lookouts->n]);
    }
    if (r < 0)
        asyncio_signals_fini(signals);
    return r;
}

int asyncio_signals_wait(struct asyncio_signals *signals)
{
    struct asyncio_waiter waiter;
    struct asyncio_loop *loop;
    int r;

    if (!signals || !signals->loop)
        return -EINVAL;
    r = asyncio__may_wait(signals->loop, &loop);
    if (r < 0)
        return r;
    if (signals->pending)
        return take(signals);
    r = asyncio_waiter_init(&waiter, &signals_kind, signals);
    if (r < 0)
        return r;
    list_push_back(&signals->waiters, &waiter.link);
    asyncio_loop_hold(loop);
    r = (int)asyncio_park(&waiter);
    asyncio_loop_release(loop);
    return r;
}

void asyncio_signals_fini(struct asyncio_signals *signals)
{
    struct lookouts *lookouts = signals ? signals->watches : NULL;

    if (!lookouts)
        return;
    assert(list_empty(&signals->waiters));
    for (size_t i = 0; i < lookouts->n; i++)
        asyncio_unwatch_signal(&lookouts->each[i].watch);
    asyncio__free(lookouts);
    *signals = (struct asyncio_signals){.loop = NULL};
}
