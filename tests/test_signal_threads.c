/* test_signal_threads.c -- signals in real time: sent by threads to loops of threads, at any moment, in storms. */
#include "signal_rig.h"

/* ----------------------------------------------------------------------------------------- Real time, other threads */

static void *signals_process(void *arg)
{
    pause_thread(0.02);
    kill(getpid(), number_of(arg));
    return NULL;
}

static void stops(void *arg)
{
    trace("signal");
    asyncio_loop_stop(arg);
}

/* A loop that has nothing else to do is woken out of its poll by a signal that another thread gets. */
static void wake_blocked_loop(void)
{
    struct asyncio_loop *loop = NULL;
    sigset_t usr1, before;
    pthread_t thread;

    EXPECT_INT(new_loop(&loop), 0);
    EXPECT_INT(asyncio_loop_add_signal_handler(loop, SIGUSR1, stops, loop), 0);
    thread = start_thread(signals_process, number(SIGUSR1));
    EXPECT_INT(asyncio_loop_run_forever(loop), 0);
    join_thread(thread);
    /* Also when this thread has it blocked. */
    sigemptyset(&usr1);
    sigaddset(&usr1, SIGUSR1);
    thread = start_thread(signals_process, number(SIGUSR1));
    pthread_sigmask(SIG_BLOCK, &usr1, &before);
    EXPECT_INT(asyncio_loop_run_forever(loop), 0);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    join_thread(thread);
    close_loop(loop);
    EXPECT(strstr(transcript(), "signal"));
    trace_clear();
}

TEST_REAL(wakes_a_blocked_loop, "SG-03 #65: a signal ends a poll that blocks, whichever thread gets it")
{
    wake_blocked_loop();
}

TEST_SIM_NO_SWEEP(wakes_the_simulator, "SG-03: so it does in the simulator, which has nothing else to wait for then",
                  "it is about threads")
{
    wake_blocked_loop();
}

static void counts(void *arg)
{
    ++*(int *)arg;
}

TEST_REAL(loops_in_threads, "#65 SG-03: each of several loops is told, whichever thread runs it; none hangs")
{
    struct asyncio_loop *loops[3] = {NULL};
    pthread_t threads[3];
    int n[3] = {0};

    for (int i = 0; i < 3; i++) {
        EXPECT_INT(new_loop(&loops[i]), 0);
        EXPECT_INT(asyncio_loop_add_signal_handler(loops[i], SIGUSR2, counts, &n[i]), 0);
        EXPECT_INT(asyncio_loop_add_signal_handler(loops[i], SIGUSR1, stop_loop, loops[i]), 0);
    }
    for (int i = 0; i < 3; i++)
        threads[i] = start_thread(run_other_loop, loops[i]);
    for (int i = 0; i < 100; i++)
        raise(SIGUSR2);
    raise(SIGUSR1);
    for (int i = 0; i < 3; i++) {
        join_thread(threads[i]);
        close_loop(loops[i]);
        EXPECT_INT(n[i], 100);
    }
    EXPECT(action_is(SIGUSR2, SIG_DFL));
}

/* ----------------------------------------------------------------------------------------------------------- Storms */

#define N_LOOPS   4
#define N_SENDERS 2
#define N_SIGNALS 10000

/* Then it is over, whatever has come until then. */
#define LONGEST_STORM_S 20

static struct storm {
    struct asyncio_loop *loop;
    pthread_t thread;
    int n_changes;      /* how often the watch of SIGUSR1 came and went */
    int n_told, n_real; /* SIGUSR1; the realtime signal, of which none may be lost */
    double until;       /* by the loop's clock */
    bool watching;
} storms[N_LOOPS];

static atomic_int n_sent;
static atomic_bool given_up;

static void change_watch(void *arg)
{
    struct storm *storm = arg;

    if (storm->watching)
        EXPECT_INT(asyncio_loop_remove_signal_handler(storm->loop, SIGUSR1), 1);
    else
        EXPECT_INT(asyncio_loop_add_signal_handler(storm->loop, SIGUSR1, counts, &storm->n_told), 0);
    storm->watching = !storm->watching;
    storm->n_changes++;
    if (asyncio_loop_time(storm->loop) >= storm->until)
        atomic_store(&given_up, true);
    if (storm->n_real >= N_SIGNALS || atomic_load(&given_up))
        asyncio_loop_stop(storm->loop);
    else
        EXPECT_INT(asyncio_loop_call_later(storm->loop, storm->n_changes % 3 == 0 ? 0 : 0.0001, change_watch, storm),
                   0);
}

static void *run_in_the_storm(void *arg)
{
    struct storm *storm = arg;

    storm->until = asyncio_loop_time(storm->loop) + LONGEST_STORM_S * test_slowness();
    EXPECT_INT(asyncio_loop_add_signal_handler(storm->loop, SIGRTMIN, counts, &storm->n_real), 0);
    EXPECT_INT(asyncio_loop_call_soon(storm->loop, change_watch, storm), 0);
    EXPECT_INT(asyncio_loop_run_forever(storm->loop), 0);
    return NULL;
}

static void *send_signals(void *arg)
{
    int mine;

    (void)arg;
    while ((mine = atomic_fetch_add(&n_sent, 1)) < N_SIGNALS) {
        /* Too many in the queue of the kernel. */
        while (sigqueue(getpid(), SIGRTMIN, (union sigval){0}) < 0 && !atomic_load(&given_up))
            pause_thread(0.0001);
        pthread_kill(mine % 2 ? pthread_self() : storms[mine / 2 % N_LOOPS].thread, SIGUSR1);
    }
    return NULL;
}

TEST_REAL(storm,
          "SG-03 R22 #65: 10,000 signals from threads to four loops, with watches that come and go; none is lost")
{
    pthread_t senders[N_SENDERS];

    test_needs_seconds(60);
    signal(SIGUSR1, count_handled);
    signal(SIGRTMIN, SIG_IGN);
    for (int i = 0; i < N_LOOPS; i++)
        EXPECT_INT(new_loop(&storms[i].loop), 0);
    for (int i = 0; i < N_LOOPS; i++)
        storms[i].thread = start_thread(run_in_the_storm, &storms[i]);
    /* A realtime signal that comes before the last loop looks out would be missed by it. */
    for (int i = 0; i < N_LOOPS; i++)
        while (!asyncio_loop_is_running(storms[i].loop))
            pause_thread(0.001);
    for (int i = 0; i < N_SENDERS; i++)
        senders[i] = start_thread(send_signals, NULL);
    for (int i = 0; i < N_SENDERS; i++)
        join_thread(senders[i]);
    if (under_thread_sanitizer()) {
        pause_thread(0.1);
        atomic_store(&given_up, true);
    }
    for (int i = 0; i < N_LOOPS; i++) {
        join_thread(storms[i].thread);
        close_loop(storms[i].loop);
        if (under_thread_sanitizer())
            EXPECT(storms[i].n_real > 0);
        else
            EXPECT_INT(storms[i].n_real, N_SIGNALS);
        EXPECT(storms[i].n_changes > 10);
    }
    EXPECT(action_is(SIGUSR1, count_handled) && action_is(SIGRTMIN, SIG_IGN));
}
