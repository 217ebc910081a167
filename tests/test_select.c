/* test_select.c -- asyncio_select: the first of several things, and nothing else.
 *
 * Every test of a losing branch looks at what is left behind: items in their order, other waiters, memory, fds. */
#include "crew.h"

#include <unistd.h>

static struct asyncio_queue queue, other;
static struct asyncio_event event;

static struct asyncio_future *new_future(void)
{
    return asyncio_loop_create_future(asyncio_get_running_loop());
}

static int get_one(void *arg)
{
    void *item = NULL;
    int r = asyncio_queue_get(arg, &item);

    trace("%s: %s, %d", me(), said(r), number_of(item));
    return r == -ECANCELED ? r : 0;
}

/* Selects from queue and other, in this order. */
static int get_either(void *arg)
{
    void *item = NULL;
    struct asyncio_case cases[] = {ASYNCIO_ON_GET(&queue, &item), ASYNCIO_ON_GET(&other, &item)};
    int r = asyncio_select(cases, 2);

    (void)arg;
    trace("%s: branch %s, %d", me(), said(r), number_of(item));
    return r == -ECANCELED ? r : 0;
}

/* The next item, or a negative error. */
static int get_now(struct asyncio_queue *from)
{
    void *item = NULL;
    int r = asyncio_queue_get_nowait(from, &item);

    return r < 0 ? r : number_of(item);
}

static void fini_queues(void)
{
    asyncio_queue_fini(&queue);
    asyncio_queue_fini(&other);
    asyncio_event_fini(&event);
}

/* --------------------------------------------------------------------------------------------------------- At once */

static int at_once(void *arg)
{
    struct asyncio_future *future = new_future();
    void *item = NULL;

    (void)arg;
    {
        struct asyncio_case cases[] = {ASYNCIO_ON_FUTURE(future), ASYNCIO_ON_EVENT(&event),
                                       ASYNCIO_ON_GET(&queue, &item), ASYNCIO_ON_TIME(0)};

        EXPECT_INT(asyncio_select(cases, 4), 3);
        EXPECT_INT(cases[3].result, 0);
        EXPECT_INT(asyncio_queue_put_nowait(&queue, number(7)), 0);
        EXPECT_INT(asyncio_select(cases, 4), 2);
        EXPECT_INT(number_of(item), 7);
        asyncio_event_set(&event);
        EXPECT_INT(asyncio_queue_put_nowait(&queue, number(8)), 0);
        EXPECT_INT(asyncio_select(cases, 4), 1);
        EXPECT_INT(asyncio_future_set_result(future, 42, NULL), 0);
        EXPECT_INT(asyncio_select(cases, 4), 0);
        EXPECT_INT(cases[0].result, 42);
    }
    EXPECT_INT(get_now(&queue), 8);
    EXPECT_DOUBLE(asyncio_loop_time(asyncio_get_running_loop()), 0);
    asyncio_future_unref(future);
    return 0;
}

TEST(select_at_once, "of several that can happen at once the one that stands first does; the others are left alone")
{
    EXPECT_INT(run(at_once, NULL), 0);
    fini_queues();
}

static int put_or_get(void *arg)
{
    void *item = NULL;
    struct asyncio_case cases[] = {ASYNCIO_ON_PUT(&queue, NULL), ASYNCIO_ON_GET(&queue, &item), ASYNCIO_ON_TIME(-1)};

    (void)arg;
    asyncio_queue_init(&queue, 1);
    cases[0].item = number(3);
    EXPECT_INT(asyncio_select(cases, 3), 0);
    EXPECT_INT(asyncio_queue_qsize(&queue), 1);
    EXPECT_INT(asyncio_select(cases, 3), 1);
    EXPECT_INT(number_of(item), 3);
    EXPECT_INT(asyncio_queue_qsize(&queue), 0);
    EXPECT_INT(queue.unfinished, 1);
    asyncio_queue_shutdown(&queue, false);
    EXPECT_INT(asyncio_select(cases, 3), 0);
    EXPECT_INT(cases[0].result, -ASYNCIO_EQUEUESHUTDOWN);
    EXPECT_INT(asyncio_select(cases + 1, 2), 0);
    EXPECT_INT(cases[1].result, -ASYNCIO_EQUEUESHUTDOWN);
    return 0;
}

TEST(select_put_and_get, "a branch that happens with an error is the one that happened")
{
    EXPECT_INT(run(put_or_get, NULL), 0);
    fini_queues();
}

static int failed_future(void *arg)
{
    struct asyncio_future *failed = new_future(), *cancelled = new_future(), *invalid = asyncio_create_task(NULL, NULL);
    struct asyncio_case first[] = {ASYNCIO_ON_FUTURE(failed)}, second[] = {ASYNCIO_ON_FUTURE(cancelled)},
                        third[] = {ASYNCIO_ON_FUTURE(invalid)};

    (void)arg;
    EXPECT_INT(asyncio_future_set_exception(failed, -EIO), 0);
    cancel(cancelled);
    EXPECT_INT(asyncio_select(first, 1), 0);
    EXPECT_INT(first[0].result, -EIO);
    EXPECT_INT(asyncio_select(second, 1), 0);
    EXPECT_INT(second[0].result, -ECANCELED);
    EXPECT_INT(asyncio_select(third, 1), 0);
    EXPECT_INT(third[0].result, -EINVAL);
    asyncio_future_unref(failed);
    asyncio_future_unref(cancelled);
    asyncio_future_unref(invalid);
    return 0;
}

TEST(select_failed_futures, "the result is the future's outcome, and its error counts as retrieved")
{
    EXPECT_INT(run(failed_future, NULL), 0);
}

/* --------------------------------------------------------------------------------------------------------- Waiting */

static int set_future_later(void *arg)
{
    int r = asyncio_sleep(1);

    if (r == 0)
        r = asyncio_future_set_result(arg, 5, NULL);
    return r;
}

static int wait_future(void *arg)
{
    struct asyncio_future *future = new_future();
    void *item = NULL;
    struct asyncio_case cases[] = {ASYNCIO_ON_GET(&queue, &item), ASYNCIO_ON_FUTURE(future), ASYNCIO_ON_TIME(2),
                                   ASYNCIO_ON_EVENT(&event)};

    (void)arg;
    spawn(set_future_later, future, "setter");
    EXPECT_INT(asyncio_select(cases, 4), 1);
    EXPECT_INT(cases[1].result, 5);
    trace("first");
    /* Nothing is left behind: the item stays, the event and the queue belong to nobody, the time never comes. */
    EXPECT_PTR(queue.loop, NULL);
    EXPECT_PTR(event.loop, NULL);
    EXPECT_INT(asyncio_queue_put_nowait(&queue, number(1)), 0);
    asyncio_event_set(&event);
    EXPECT_INT(asyncio_sleep(5), 0);
    EXPECT_INT(asyncio_queue_qsize(&queue), 1);
    everybody();
    asyncio_future_unref(future);
    return 0;
}

TEST(select_future, "a future wakes the select")
{
    EXPECT_INT(play(wait_future), 0);
    EXPECT_TRACE("[1.000] first\n");
    fini_queues();
}

static int work(void *arg)
{
    int r = asyncio_sleep(number_of(arg));

    trace("%s: %s", me(), said(r));
    return r < 0 ? r : number_of(arg);
}

static int wait_tasks(void *arg)
{
    struct asyncio_future *slow = spawn(work, number(3), "slow"), *fast = spawn(work, number(1), "fast");
    struct asyncio_case cases[] = {ASYNCIO_ON_FUTURE(slow), ASYNCIO_ON_FUTURE(fast)};

    (void)arg;
    EXPECT_INT(asyncio_select(cases, 2), 1);
    EXPECT_INT(cases[1].result, 1);
    EXPECT(!asyncio_future_done(slow));
    trace("the slow one goes on");
    everybody();
    return 0;
}

TEST(select_tasks, "a task that loses goes on")
{
    EXPECT_INT(play(wait_tasks), 0);
    EXPECT_TRACE("[1.000] fast: 0\n"
                 "[1.000] the slow one goes on\n"
                 "[3.000] slow: 0\n");
}

static int wait_two_times(void *arg)
{
    struct asyncio_case cases[] = {ASYNCIO_ON_TIME(3), ASYNCIO_ON_TIME(1), ASYNCIO_ON_TIME(1),
                                   ASYNCIO_ON_TIME(ASYNCIO_FOREVER)};

    (void)arg;
    EXPECT_INT(asyncio_select(cases, 4), 1);
    trace("first");
    EXPECT_INT(asyncio_select(cases, 1), 0);
    trace("second");
    return 0;
}

TEST(select_times, "the earliest time; of equal ones the first that stands")
{
    EXPECT_INT(run(wait_two_times, NULL), 0);
    EXPECT_TRACE("[1.000] first\n"
                 "[4.000] second\n");
}

static int wait_event_in_select(void *arg)
{
    struct asyncio_case cases[] = {ASYNCIO_ON_EVENT(&event), ASYNCIO_ON_TIME(9)};
    int r = asyncio_select(cases, 2);

    (void)arg;
    trace("%s: branch %s", me(), said(r));
    return 0;
}

static int pulse(void *arg)
{
    struct asyncio_event rubble = {.loop = (struct asyncio_loop *)&rubble};

    (void)arg;
    spawn(wait_event_in_select, NULL, "A");
    spawn(wait_event_in_select, NULL, "B");
    turns(1);
    asyncio_event_set(&event);
    asyncio_event_clear(&event);
    asyncio_event_fini(&event);
    event = rubble;
    everybody();
    EXPECT_PTR(event.loop, rubble.loop);
    return 0;
}

TEST(select_event_pulse, "E-01: set and clear wake a select as they wake a wait; the event is not touched after that")
{
    EXPECT_INT(play(pulse), 0);
    EXPECT_TRACE("[0.000] A: branch 0\n"
                 "[0.000] B: branch 0\n");
}

static int tie(void *arg)
{
    (void)arg;
    spawn(get_either, NULL, "A");
    turns(1);
    EXPECT_INT(asyncio_queue_put_nowait(&other, number(2)), 0);
    EXPECT_INT(asyncio_queue_put_nowait(&queue, number(1)), 0);
    everybody();
    EXPECT_INT(asyncio_queue_qsize(&queue), 0);
    EXPECT_INT(get_now(&other), 2);
    EXPECT_PTR(other.loop, NULL);
    return 0;
}

TEST(select_tie, "both happen before the task runs: the one that stands first counts, the other item stays")
{
    EXPECT_INT(play(tie), 0);
    EXPECT_TRACE("[0.000] A: branch 0, 1\n");
    fini_queues();
}

static int loser_passes_on(void *arg)
{
    (void)arg;
    spawn(get_either, NULL, "A");
    spawn(get_one, &other, "B");
    turns(1);
    /* Both wake A, who takes the first; what it was woken for at the other queue is B's now. */
    EXPECT_INT(asyncio_queue_put_nowait(&other, number(2)), 0);
    EXPECT_INT(asyncio_queue_put_nowait(&queue, number(1)), 0);
    everybody();
    return 0;
}

TEST(select_loser_passes_on, "Q-03: a branch that was woken and loses wakes the next getter of its queue")
{
    EXPECT_INT(play(loser_passes_on), 0);
    EXPECT_TRACE("[0.000] A: branch 0, 1\n"
                 "[0.000] B: 0, 2\n");
    fini_queues();
}

static int overtaken(void *arg)
{
    (void)arg;
    spawn(get_either, NULL, "A");
    spawn(get_one, &queue, "B");
    spawn(get_one, &other, "C");
    turns(1);
    EXPECT_INT(asyncio_queue_put_nowait(&queue, number(1)), 0); /* wakes A */
    EXPECT_INT(get_now(&queue), 1);
    turns(2);
    EXPECT_TRACE("");
    EXPECT_INT(asyncio_queue_put_nowait(&queue, number(2)), 0); /* wakes A again, not B */
    EXPECT_INT(asyncio_queue_put_nowait(&queue, number(3)), 0);
    EXPECT_INT(asyncio_queue_put_nowait(&other, number(4)), 0);
    everybody();
    return 0;
}

TEST(select_overtaken, "D-04: a select whose item is taken by another waits on, at its old place in the queue")
{
    EXPECT_INT(play(overtaken), 0);
    EXPECT_TRACE("[0.000] A: branch 0, 2\n"
                 "[0.000] B: 0, 3\n"
                 "[0.000] C: 0, 4\n");
    fini_queues();
}

static int overtaken_twice(void *arg)
{
    (void)arg;
    spawn(get_either, NULL, "A");
    turns(1);
    for (int i = 0; i < 3; i++) {
        EXPECT_INT(asyncio_queue_put_nowait(&queue, number(1)), 0);
        EXPECT_INT(asyncio_queue_put_nowait(&other, number(1)), 0);
        EXPECT_INT(get_now(&queue), 1);
        EXPECT_INT(get_now(&other), 1);
        turns(2);
    }
    EXPECT_TRACE("");
    EXPECT_INT(asyncio_queue_put_nowait(&other, number(2)), 0);
    everybody();
    return 0;
}

TEST(select_overtaken_everywhere, "D-04: woken in vain by all its branches, again and again, it still waits for each")
{
    EXPECT_INT(play(overtaken_twice), 0);
    EXPECT_TRACE("[0.000] A: branch 1, 2\n");
    fini_queues();
}

static int winner_leaves_the_rest(void *arg)
{
    (void)arg;
    spawn(get_either, NULL, "A");
    spawn(get_one, &queue, "B");
    spawn(get_one, &queue, "C");
    turns(1);
    EXPECT_INT(asyncio_queue_put_nowait(&queue, number(1)), 0); /* wakes A */
    EXPECT_INT(asyncio_queue_put_nowait(&queue, number(2)), 0); /* wakes B */
    turns(1);
    EXPECT(queue.getters.next != &queue.getters);
    EXPECT_INT(asyncio_queue_put_nowait(&queue, number(3)), 0);
    everybody();
    return 0;
}

TEST(select_winner_keeps_its_wake_up,
     "Q-03: the branch that happens has used what it was woken for, and wakes nobody else")
{
    EXPECT_INT(play(winner_leaves_the_rest), 0);
    EXPECT_TRACE("[0.000] A: branch 0, 1\n"
                 "[0.000] B: 0, 2\n"
                 "[0.000] C: 0, 3\n");
    fini_queues();
}

static int put_either(void *arg)
{
    struct asyncio_case cases[] = {ASYNCIO_ON_PUT(&queue, arg), ASYNCIO_ON_PUT(&other, arg)};
    int r = asyncio_select(cases, 2);

    trace("%s: put by branch %s", me(), said(r));
    return r == -ECANCELED ? r : 0;
}

static int waiting_puts(void *arg)
{
    (void)arg;
    asyncio_queue_init(&queue, 1);
    asyncio_queue_init(&other, 1);
    EXPECT_INT(asyncio_queue_put_nowait(&queue, number(1)), 0);
    EXPECT_INT(asyncio_queue_put_nowait(&other, number(2)), 0);
    spawn(put_either, number(10), "A");
    spawn(put_either, number(20), "B");
    turns(1);
    EXPECT_INT(get_now(&other), 2);
    EXPECT_INT(get_now(&queue), 1);
    everybody();
    EXPECT_INT(get_now(&queue), 10);
    EXPECT_INT(get_now(&other), 20);
    EXPECT_INT(queue.unfinished + other.unfinished, 4);
    return 0;
}

TEST(select_waiting_puts, "Q-03: a put that loses passes its slot on")
{
    EXPECT_INT(play(waiting_puts), 0);
    EXPECT_TRACE("[0.000] A: put by branch 0\n"
                 "[0.000] B: put by branch 1\n");
    fini_queues();
}

static int same_queue_twice(void *arg)
{
    void *first = NULL, *second = NULL;
    struct asyncio_case cases[] = {ASYNCIO_ON_GET(&queue, &first), ASYNCIO_ON_GET(&queue, &second)};

    if (arg) {
        EXPECT_INT(asyncio_select(cases, 2), 0);
        trace("%s: %d %d", me(), number_of(first), number_of(second));
        return 0;
    }
    spawn(same_queue_twice, &queue, "A");
    spawn(get_one, &queue, "B");
    turns(1);
    EXPECT_INT(asyncio_queue_put_nowait(&queue, number(1)), 0);
    EXPECT_INT(asyncio_queue_put_nowait(&queue, number(2)), 0);
    everybody();
    return 0;
}

TEST(select_same_queue_twice, "Q-03: two branches at one queue take one item; what the second was woken for goes to "
                              "the next getter")
{
    EXPECT_INT(play(same_queue_twice), 0);
    EXPECT_TRACE("[0.000] A: 1 0\n"
                 "[0.000] B: 0, 2\n");
    fini_queues();
}

static int shutdown_wakes(void *arg)
{
    void *item = NULL;
    struct asyncio_case cases[] = {ASYNCIO_ON_GET(&queue, &item), ASYNCIO_ON_TIME(1)};

    if (arg) {
        EXPECT_INT(asyncio_select(cases, 2), 0);
        EXPECT_INT(cases[0].result, -ASYNCIO_EQUEUESHUTDOWN);
        trace("shut down");
        return 0;
    }
    spawn(shutdown_wakes, &queue, "A");
    turns(1);
    asyncio_queue_shutdown(&queue, false);
    everybody();
    EXPECT_PTR(queue.loop, NULL);
    return 0;
}

TEST(select_shutdown, "Q-05 #12: a queue that is shut down is a branch that happens, with that error")
{
    EXPECT_INT(play(shutdown_wakes), 0);
    EXPECT_TRACE("[0.000] shut down\n");
}

#define MANY 40

static int many_branches(void *arg)
{
    static struct asyncio_event events[MANY];
    struct asyncio_case cases[MANY];
    int r;

    for (int i = 0; i < MANY; i++)
        cases[i] = (struct asyncio_case)ASYNCIO_ON_EVENT(&events[i]);
    if (arg) {
        r = asyncio_select(cases, MANY);
        trace("branch %s", said(r));
        return 0;
    }
    spawn(many_branches, cases, "A");
    turns(1);
    asyncio_event_set(&events[33]);
    everybody();
    for (int i = 0; i < MANY; i++)
        EXPECT_PTR(events[i].loop, NULL);
    return 0;
}

TEST(select_many, "more branches than fit into the frame")
{
    EXPECT_INT(play(many_branches), 0);
    EXPECT_TRACE("[0.000] branch 33\n");
}

/* ------------------------------------------------------------------------------------------------------- Cancelled */

static int wait_for_everything(void *arg)
{
    void *item = NULL;
    struct asyncio_case cases[] = {ASYNCIO_ON_GET(&queue, &item), ASYNCIO_ON_PUT(&other, NULL),
                                   ASYNCIO_ON_EVENT(&event), ASYNCIO_ON_FUTURE(arg), ASYNCIO_ON_TIME(5)};
    int r = asyncio_select(cases, 5);

    trace("%s: %s", me(), said(r));
    return r;
}

static int cancel_waiting(void *arg)
{
    struct asyncio_future *future = new_future(), *a;

    (void)arg;
    asyncio_queue_init(&other, 1);
    EXPECT_INT(asyncio_queue_put_nowait(&other, number(1)), 0);
    a = spawn(wait_for_everything, future, "A");
    turns(1);
    EXPECT(queue.loop && other.loop && event.loop);
    cancel(a);
    everybody();
    EXPECT(!asyncio_future_done(future));
    EXPECT_PTR(queue.loop, NULL);
    EXPECT_PTR(other.loop, NULL);
    EXPECT_PTR(event.loop, NULL);
    EXPECT_INT(asyncio_future_set_result(future, 1, NULL), 0);
    EXPECT_INT(asyncio_sleep(9), 0);
    asyncio_future_unref(future);
    return 0;
}

TEST(park_select_not_complete, "a cancelled select has taken nothing and stands nowhere")
{
    EXPECT_INT(play(cancel_waiting), 0);
    EXPECT_TRACE("[0.000] A: -ECANCELED\n");
    fini_queues();
}

static int cancel_woken(void *arg)
{
    struct asyncio_future *a;

    (void)arg;
    a = spawn(get_either, NULL, "A");
    spawn(get_one, &other, "B");
    turns(1);
    EXPECT_INT(asyncio_queue_put_nowait(&other, number(2)), 0);
    EXPECT_INT(asyncio_queue_put_nowait(&queue, number(1)), 0);
    cancel(a);
    everybody();
    EXPECT_INT(get_now(&queue), 1);
    EXPECT_PTR(queue.loop, NULL);
    return 0;
}

TEST(park_select_complete, "Q-03: cancelled after it was woken: nothing was taken, and every branch passes its "
                           "wake-up on")
{
    EXPECT_INT(play(cancel_woken), 0);
    EXPECT_TRACE("[0.000] A: branch -ECANCELED, 0\n"
                 "[0.000] B: 0, 2\n");
    fini_queues();
}

static int describe_select(void *arg)
{
    struct asyncio_future *future = new_future(), *a;

    (void)arg;
    asyncio_queue_init(&other, 1);
    EXPECT_INT(asyncio_queue_put_nowait(&other, number(1)), 0);
    event.name = "stop";
    queue.name = "jobs";
    a = spawn(wait_for_everything, future, "A");
    turns(1);
    EXPECT(dump_says("the first of: item of queue 'jobs', room in queue, event 'stop', <Future pending"));
    cancel(a);
    everybody();
    asyncio_future_unref(future);
    return 0;
}

TEST(select_in_dumps, "a dump says what a select waits for")
{
    EXPECT_INT(play(describe_select), 0);
    EXPECT_TRACE("[0.000] A: -ECANCELED\n");
    fini_queues();
}

static int for_ever(void *arg)
{
    struct asyncio_case cases[] = {ASYNCIO_ON_EVENT(&event), ASYNCIO_ON_TIME(ASYNCIO_FOREVER)};

    (void)arg;
    return asyncio_select(cases, 2);
}

TEST(select_for_ever, "a select that nothing can wake is a dead lock, and is reported")
{
    EXPECT_INT(run(for_ever, NULL), -EDEADLK);
    EXPECT(strstr(captured_log(), "the first of: event, inf s"));
    fini_queues();
}

static int cancel_with_future_done(void *arg)
{
    struct asyncio_future *future = new_future(), *a;

    (void)arg;
    asyncio_queue_init(&other, 1);
    EXPECT_INT(asyncio_queue_put_nowait(&other, number(1)), 0);
    a = spawn(wait_for_everything, future, "A");
    turns(1);
    /* The callback of the future stands in the ready queue when the select goes. */
    EXPECT_INT(asyncio_future_set_result(future, 1, NULL), 0);
    cancel(a);
    everybody();
    a = spawn(wait_for_everything, future, "B");
    everybody();
    asyncio_future_unref(future);
    return 0;
}

TEST(select_cancelled_as_future_completes, "the future's callback does not come after the select has gone")
{
    EXPECT_INT(play(cancel_with_future_done), 0);
    EXPECT_TRACE("[0.000] A: -ECANCELED\n"
                 "[0.000] B: 3\n");
    fini_queues();
}

static int cancelled_on_entry(void *arg)
{
    struct asyncio_case cases[] = {ASYNCIO_ON_EVENT(&event), ASYNCIO_ON_TIME(1)};

    (void)arg;
    cancel(asyncio_current_task());
    EXPECT_INT(asyncio_select(cases, 2), -ECANCELED);
    EXPECT_PTR(event.loop, NULL);
    asyncio_event_set(&event);
    cancel(asyncio_current_task());
    EXPECT_INT(asyncio_select(cases, 2), 0);
    return asyncio_sleep(0) == -ECANCELED ? 0 : 1;
}

TEST(select_cancel_pending_on_entry, "what need not wait does not look for a cancel; what waits meets it")
{
    EXPECT_INT(run(cancelled_on_entry, NULL), 0);
    fini_queues();
}

/* ------------------------------------------------------------------------------------------------------------- Fds */

static int pipe_fds[2];

static int wait_pipe(void *arg)
{
    struct asyncio_case cases[] = {ASYNCIO_ON_FD(pipe_fds[0], ASYNCIO_READABLE), ASYNCIO_ON_EVENT(&event),
                                   ASYNCIO_ON_TIME(2)};
    int r = asyncio_select(cases, 3);

    (void)arg;
    trace("%s: branch %s, %d", me(), said(r), r < 0 ? 0 : cases[r].result);
    return r == -ECANCELED ? r : 0;
}

static int write_later(void *arg)
{
    int r = asyncio_sleep(1);

    (void)arg;
    EXPECT_INT(write(pipe_fds[1], "x", 1), 1);
    return r;
}

static int select_on_pipe(void *arg)
{
    (void)arg;
    EXPECT_INT(pipe(pipe_fds), 0);
    spawn(wait_pipe, NULL, "A");
    everybody();
    spawn(wait_pipe, NULL, "B");
    spawn(write_later, NULL, "writer");
    everybody();
    spawn(wait_pipe, NULL, "C");
    everybody();
    close(pipe_fds[0]);
    close(pipe_fds[1]);
    return 0;
}

TEST_EPOLL(select_fd, "an fd is a branch like any other; a losing one is no longer watched")
{
    EXPECT_INT(play(select_on_pipe), 0);
    EXPECT_TRACE("[2.000] A: branch 2, 0\n"
                 "[3.000] B: branch 0, 1\n"
                 "[3.000] C: branch 0, 1\n");
}

static int select_pipe_cancelled(void *arg)
{
    struct asyncio_future *a;

    (void)arg;
    EXPECT_INT(pipe(pipe_fds), 0);
    a = spawn(wait_pipe, NULL, "A");
    turns(1);
    cancel(a);
    everybody();
    a = spawn(wait_pipe, NULL, "B");
    turns(1);
    asyncio_event_set(&event);
    everybody();
    asyncio_event_clear(&event);
    EXPECT_INT(write(pipe_fds[1], "x", 1), 1);
    EXPECT_INT(asyncio_wait_fd(pipe_fds[0], ASYNCIO_READABLE), ASYNCIO_READABLE);
    close(pipe_fds[0]);
    close(pipe_fds[1]);
    return 0;
}

TEST_EPOLL(park_select_fd, "cancelled or lost, the fd's operation is taken back")
{
    EXPECT_INT(play(select_pipe_cancelled), 0);
    EXPECT_TRACE("[0.000] A: branch -ECANCELED, 0\n"
                 "[0.000] B: branch 1, 0\n");
    fini_queues();
}

static int wait_pipe_plainly(void *arg)
{
    int r = asyncio_wait_fd(pipe_fds[0], ASYNCIO_READABLE);

    (void)arg;
    trace("%s: %s", me(), said(r));
    return r;
}

static int select_busy_fd(void *arg)
{
    struct asyncio_future *a;

    (void)arg;
    EXPECT_INT(pipe(pipe_fds), 0);
    a = spawn(wait_pipe_plainly, NULL, "A");
    turns(1);
    {
        struct asyncio_case cases[] = {ASYNCIO_ON_EVENT(&event), ASYNCIO_ON_FD(pipe_fds[0], ASYNCIO_READABLE),
                                       ASYNCIO_ON_FD(-1, ASYNCIO_READABLE)};

        EXPECT_INT(asyncio_select(cases, 3), 1);
        EXPECT_INT(cases[1].result, -EBUSY);
        EXPECT_INT(asyncio_select(cases + 2, 1), 0);
        EXPECT_INT(cases[2].result, -EBADF);
    }
    cancel(a);
    everybody();
    close(pipe_fds[0]);
    close(pipe_fds[1]);
    return 0;
}

TEST_EPOLL(select_fd_errors, "the error of an fd is the result of its branch")
{
    EXPECT_INT(play(select_busy_fd), 0);
    EXPECT_TRACE("[0.000] A: -ECANCELED\n");
}

static int rounds_of_other;

static int count_rounds(void *arg)
{
    (void)arg;
    while (rounds_of_other < 3) {
        rounds_of_other++;
        turns(1);
    }
    return 0;
}

static int select_ready_fd(void *arg)
{
    int n = 0;

    (void)arg;
    EXPECT_INT(pipe(pipe_fds), 0);
    EXPECT_INT(write(pipe_fds[1], "x", 1), 1);
    spawn(count_rounds, NULL, "other");
    while (rounds_of_other < 3 && n++ < 1000) {
        struct asyncio_case cases[] = {ASYNCIO_ON_FD(pipe_fds[0], ASYNCIO_READABLE)};

        EXPECT_INT(asyncio_select(cases, 1), 0);
    }
    EXPECT(n < 1000);
    cancel(asyncio_current_task());
    {
        struct asyncio_case cases[] = {ASYNCIO_ON_FD(pipe_fds[0], ASYNCIO_READABLE)};

        EXPECT_INT(asyncio_select(cases, 1), -ECANCELED);
    }
    everybody();
    close(pipe_fds[0]);
    close(pipe_fds[1]);
    return 0;
}

TEST_EPOLL(select_fd_is_fair, "an fd that is always ready does not starve the others, and does not hide a cancel")
{
    EXPECT_INT(play(select_ready_fd), 0);
}

static int select_fd_in_sim(void *arg)
{
    struct asyncio_case cases[] = {ASYNCIO_ON_EVENT(&event), ASYNCIO_ON_FD(0, ASYNCIO_READABLE)};

    (void)arg;
    EXPECT_INT(asyncio_select(cases, 2), 1);
    EXPECT_INT(cases[1].result, -EOPNOTSUPP);
    return 0;
}

TEST_SIM(select_fd_in_simulator, "the simulator has no raw fds, and says so")
{
    EXPECT_INT(run(select_fd_in_sim, NULL), 0);
}

/* A machine with one fd, on which nothing ever happens, and which answers a cancel at its next poll only. */
static struct {
    int64_t now_ns;
    struct asyncio_op *op;
    bool cancelling;
    int64_t answer;
} slow;

static int slow_open(struct asyncio_backend **ret_backend, const char *options, int64_t start_ns)
{
    (void)options;
    slow.now_ns = start_ns;
    *ret_backend = (struct asyncio_backend *)&slow;
    return 0;
}

static void slow_close(struct asyncio_backend *backend)
{
    (void)backend;
    EXPECT_PTR(slow.op, NULL);
}

static int64_t slow_now(struct asyncio_backend *backend)
{
    (void)backend;
    return slow.now_ns;
}

static bool slow_submit(struct asyncio_backend *backend, struct asyncio_op *op)
{
    (void)backend;
    slow.op = op;
    slow.cancelling = false;
    return false;
}

static bool slow_cancel(struct asyncio_backend *backend, struct asyncio_op *op)
{
    (void)backend;
    EXPECT_PTR(slow.op, op);
    EXPECT(!slow.cancelling);
    slow.cancelling = true;
    return false;
}

static int slow_poll(struct asyncio_backend *backend, int64_t deadline_ns, bool external)
{
    struct asyncio_op *op = slow.op;

    (void)backend;
    (void)external;
    if (slow.cancelling) {
        slow.op = NULL;
        slow.cancelling = false;
        op->result = slow.answer;
        trace("the fd is given back");
        op->complete(op);
    } else if (deadline_ns != INT64_MAX && deadline_ns > slow.now_ns) {
        slow.now_ns = deadline_ns;
    }
    return 0;
}

static void slow_wake(struct asyncio_backend *backend)
{
    (void)backend;
}

static size_t slow_pending(const struct asyncio_backend *backend)
{
    (void)backend;
    return slow.op != NULL;
}

static const struct asyncio_backend_ops slow_ops = {
    .size = sizeof(struct asyncio_backend_ops),
    .name = "slow",
    .open = slow_open,
    .close = slow_close,
    .now = slow_now,
    .submit = slow_submit,
    .cancel = slow_cancel,
    .poll = slow_poll,
    .wake = slow_wake,
    .pending = slow_pending,
};

static int select_slowly(void *arg)
{
    struct asyncio_case cases[] = {ASYNCIO_ON_FD(0, ASYNCIO_READABLE), ASYNCIO_ON_EVENT(&event)};
    int r = asyncio_select(cases, 2);

    (void)arg;
    trace("%s: branch %s", me(), said(r));
    r = asyncio_sleep(1);
    trace("%s: slept, %s", me(), said(r));
    return 0;
}

static void run_on_slow_machine(asyncio_coro *fn)
{
    struct asyncio_loop *loop = NULL;

    EXPECT_INT(asyncio_new_event_loop_on(&loop, &slow_ops, NULL, NULL), 0);
    EXPECT_INT(asyncio_loop_run_until_complete(loop, fn, NULL), 0);
    dismiss_crew();
    close_loop(loop);
}

static int lose_slow_fd(void *arg)
{
    struct asyncio_future *a = spawn(select_slowly, NULL, "A");

    (void)arg;
    turns(1);
    asyncio_event_set(&event);
    turns(1);
    /* The event has happened, and A waits for its fd: a cancel finds a select that is over. */
    EXPECT(dump_says("release of an fd"));
    EXPECT_TRACE("");
    cancel(a);
    everybody();
    return 0;
}

TEST_NO_SWEEP(select_releases_slow_fd,
              "an fd that loses is waited for until it is given back; a cancel meanwhile is "
              "kept",
              "a run that fails leaves a suspended task to nobody")
{
    slow.answer = -ECANCELED;
    run_on_slow_machine(lose_slow_fd);
    EXPECT_TRACE("[0.000] the fd is given back\n"
                 "[0.000] A: branch 1\n"
                 "[0.000] A: slept, -ECANCELED\n");
    fini_queues();
}

static int cancel_slow_fd(void *arg)
{
    struct asyncio_future *a = spawn(select_slowly, NULL, "A");

    (void)arg;
    turns(1);
    cancel(a);
    turns(1);
    EXPECT_TRACE("");
    everybody();
    EXPECT_PTR(event.loop, NULL);
    return 0;
}

TEST_NO_SWEEP(select_cancelled_with_slow_fd,
              "a cancelled select, too, waits for its fd, and says that it was cancelled "
              "whatever the fd did at the end",
              "a run that fails leaves a suspended task to nobody")
{
    slow.answer = ASYNCIO_READABLE;
    run_on_slow_machine(cancel_slow_fd);
    EXPECT_TRACE("[0.000] the fd is given back\n"
                 "[0.000] A: branch -ECANCELED\n"
                 "[1.000] A: slept, 0\n");
    fini_queues();
}

/* ---------------------------------------------------------------------------------------------------------- Misuse */

static int select_misuse(void *arg)
{
    void *item = NULL;
    struct asyncio_case good[] = {ASYNCIO_ON_TIME(0)};
    struct asyncio_case bad[] = {
        ASYNCIO_ON_FUTURE(NULL),
        ASYNCIO_ON_GET(NULL, &item),
        ASYNCIO_ON_GET(&queue, NULL),
        ASYNCIO_ON_PUT(NULL, NULL),
        ASYNCIO_ON_EVENT(NULL),
        ASYNCIO_ON_FD(0, 0),
        ASYNCIO_ON_FD(0, 64),
        ASYNCIO_ON_TIME(__builtin_nan("")),
        {.kind = 0},
        {.kind = 99},
    };
    struct asyncio_case own[] = {ASYNCIO_ON_FUTURE(asyncio_current_task())};

    (void)arg;
    EXPECT_INT(asyncio_select(good, 0), -EINVAL);
    EXPECT_INT(asyncio_select(NULL, 1), -EINVAL);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct asyncio_case both[] = {ASYNCIO_ON_TIME(0), bad[i]};

        EXPECT_INT(asyncio_select(both, 2), -EINVAL);
    }
    EXPECT_INT(asyncio_select(own, 1), -EDEADLK);
    return 0;
}

TEST(select_misuse, "no branches, unknown ones and ones without an object are -EINVAL, and nothing happens")
{
    struct asyncio_case good[] = {ASYNCIO_ON_TIME(0)};

    EXPECT_INT(asyncio_select(good, 1), -ASYNCIO_ENOTASK);
    EXPECT_INT(run(select_misuse, NULL), 0);
}

static int park_on_event(void *arg)
{
    (void)arg;
    spawn(wait_event_in_select, NULL, "A");
    spawn(get_one, &queue, "B");
    turns(1);
    return 0;
}

static int select_elsewhere(void *arg)
{
    void *item = NULL;
    struct asyncio_case cases[] = {ASYNCIO_ON_EVENT(&event), ASYNCIO_ON_GET(&queue, &item), ASYNCIO_ON_FUTURE(crew[0])};

    (void)arg;
    for (int i = 0; i < 3; i++)
        EXPECT_INT(asyncio_select(cases + i, 1), -ASYNCIO_EFOREIGNLOOP);
    return 0;
}

TEST_NO_SWEEP(select_foreign_loop, "what another loop waits on is not selected from",
              "a run that fails leaves a suspended task to nobody")
{
    struct asyncio_loop *one = NULL, *two = NULL;

    EXPECT_INT(new_loop(&one), 0);
    EXPECT_INT(new_loop(&two), 0);
    EXPECT_INT(asyncio_loop_run_until_complete(one, park_on_event, NULL), 0);
    EXPECT_INT(asyncio_loop_run_until_complete(two, select_elsewhere, NULL), 0);
    asyncio_event_set(&event);
    EXPECT_INT(asyncio_queue_put_nowait(&queue, NULL), 0);
    EXPECT_INT(asyncio_loop_run_until_complete(one, finish_crew, NULL), 0);
    EXPECT_TRACE("[0.000] A: branch 0\n"
                 "[0.000] B: 0, 0\n");
    dismiss_crew();
    close_loop(one);
    close_loop(two);
    fini_queues();
}

static int without_memory(void *arg)
{
    static struct asyncio_event events[MANY];
    struct asyncio_case cases[MANY];
    struct asyncio_case with_timer[] = {ASYNCIO_ON_EVENT(&events[0]), ASYNCIO_ON_TIME(1), ASYNCIO_ON_EVENT(&events[1])};
    int r;

    (void)arg;
    for (int i = 0; i < MANY; i++)
        cases[i] = (struct asyncio_case)ASYNCIO_ON_EVENT(&events[i]);
    asyncio_fail_allocation(0, 1);
    EXPECT_INT(asyncio_select(cases, MANY), -ENOMEM);
    asyncio_fail_allocation(-1, 0);
    for (int i = 0; i < 2; i++)
        EXPECT_PTR(events[i].loop, NULL);
    asyncio_fail_allocation(0, 1000);
    r = asyncio_select(with_timer, 3);
    asyncio_fail_allocation(-1, 0);
    EXPECT(r == 1 || r == -ENOMEM); /* as the loop has room for a timer or not */
    for (int i = 0; i < 2; i++)
        EXPECT_PTR(events[i].loop, NULL);
    return 0;
}

TEST_NO_SWEEP(select_without_memory, "out of memory: nothing has happened and nothing is left",
              "fails allocations itself")
{
    EXPECT_INT(run(without_memory, NULL), 0);
}

/* Items go through two queues at random; each is got once, whoever is cancelled when. */
static int put_count, got_count;

static int select_stubbornly(void *arg)
{
    (void)arg;
    for (;;) {
        void *item = NULL;
        struct asyncio_case cases[] = {ASYNCIO_ON_GET(&queue, &item), ASYNCIO_ON_GET(&other, &item),
                                       ASYNCIO_ON_EVENT(&event), ASYNCIO_ON_TIME(0.001 * (1 + chance(3)))};
        int r = asyncio_select(cases, 4);

        if (r == 2)
            return 0;
        if (r == 0 || r == 1)
            got_count++;
        if (chance(3) == 0)
            turns(1);
    }
}

static int put_select_stubbornly(void *arg)
{
    for (int i = 0; i < number_of(arg); i++) {
        struct asyncio_case cases[] = {ASYNCIO_ON_PUT(&queue, &queue), ASYNCIO_ON_PUT(&other, &other)};

        while (asyncio_select(cases, 2) < 0)
            ;
        put_count++;
        if (chance(3) == 0)
            turns(1);
    }
    return 0;
}

static int select_stress(void *arg)
{
    (void)arg;
    put_count = got_count = 0;
    asyncio_event_clear(&event);
    asyncio_queue_init(&queue, 1);
    asyncio_queue_init(&other, 2);
    for (int i = 0; i < 5; i++) {
        spawn(put_select_stubbornly, number(40), "producer");
        spawn(select_stubbornly, NULL, "consumer");
    }
    turns(1);
    while (put_count < 200)
        torment(1);
    while (got_count < 200)
        turns(1);
    asyncio_event_set(&event);
    everybody();
    EXPECT_INT(got_count, 200);
    EXPECT_PTR(queue.loop, NULL);
    EXPECT_PTR(other.loop, NULL);
    fini_queues();
    return 0;
}

TEST_NO_SWEEP(select_random_cancels, "Q-03 #9 #10: selects and cancels at random moments lose no item and no slot",
              "too long")
{
    seed_chance(test_seed());
    for (int i = 0; i < 20; i++)
        EXPECT_INT(play(select_stress), 0);
}
