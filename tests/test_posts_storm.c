/* test_posts_storm.c -- a loop that is closed while eight threads post to it, wait for what they gave it to do, and get
 * signals whose handler posts, too. */
#include "threading.h"

#include <sched.h>
#include <signal.h>

#define POSTERS 8

/* So many of them wait for answers now and then; the others are always at it. */
#define ASKERS 2

/* As many posts of one thread may be outstanding: what has come at the close is dropped, and there should be both. */
#define MOST_OUTSTANDING 2000

static struct asyncio_loop *loop;
static atomic_int n_from_handlers, n_from_handlers_run;

/* What one thread has posted and what of it has run, which is the first part of it, in order. */
struct poster {
    int n;             /* posts to make, unless the loop is closed before */
    int n_taken;       /* the thread's; others read it when it is joined */
    atomic_int n_run;  /* written on the loop's thread */
    bool out_of_order; /* the loop's */
    int n_asked, n_answered, n_too_late;
};

static struct poster posters[POSTERS];

struct parcel {
    struct poster *poster;
    int number;
};

static struct parcel *parcels; /* of all posters, one behind the other; not allocated one by one, as most are dropped */

static void receive(void *arg)
{
    const struct parcel *parcel = arg;

    if (atomic_fetch_add(&parcel->poster->n_run, 1) != parcel->number)
        parcel->poster->out_of_order = true;
}

static void count_run(void *arg)
{
    (void)arg;
    atomic_fetch_add(&n_from_handlers_run, 1);
}

static void post_from_handler(int number_)
{
    (void)number_;
    if (asyncio_loop_call_soon_threadsafe(loop, count_run, NULL) == 0)
        atomic_fetch_add(&n_from_handlers, 1);
}

/* Posts one, now and then with a handle that it lets go of. Returns: as the post. */
static int post(struct poster *poster, struct parcel *parcel)
{
    struct asyncio_handle *handle = NULL;
    int r;

    *parcel = (struct parcel){poster, poster->n_taken};
    if (parcel->number % 5 != 0)
        return asyncio_loop_call_soon_threadsafe(loop, receive, parcel);
    r = asyncio_loop_call_soon_threadsafe(loop, receive, parcel, .ret_handle = &handle);
    asyncio_handle_unref(handle);
    return r;
}

static int double_it(void *arg)
{
    return 2 * number_of(arg);
}

/* Gives the loop something to do and waits for it, as a thread does that has no loop. */
static void ask(struct poster *poster)
{
    struct asyncio_thread_future *future;
    int r = asyncio_run_coroutine_threadsafe(double_it, number(21), loop, &future);

    if (r < 0) {
        EXPECT_INT(r, -ASYNCIO_ECLOSED);
        return;
    }
    poster->n_asked++;
    r = asyncio_thread_future_result(future, PATIENCE_S * test_slowness());
    if (r == 42)
        poster->n_answered++;
    else if (r == -ASYNCIO_ECLOSED || r == -ECANCELED)
        poster->n_too_late++;
    asyncio_thread_future_unref(future);
}

static void *post_many(void *arg)
{
    struct poster *poster = arg;
    struct parcel *first = &parcels[(poster - posters) * poster->n];
    int r = 0;

    while (poster->n_taken < poster->n && r == 0) {
        r = post(poster, &first[poster->n_taken]);
        if (r < 0)
            break;
        poster->n_taken++;
        if (poster->n_taken % 64 == 0)
            raise(SIGUSR1);
        if (poster->n_taken % 512 == 0 && poster < posters + ASKERS)
            ask(poster);
        while (poster->n_taken - atomic_load(&poster->n_run) > MOST_OUTSTANDING && !asyncio_loop_is_closed(loop))
            sched_yield();
    }
    if (r < 0)
        EXPECT_INT(r, -ASYNCIO_ECLOSED);
    asyncio_loop_unref(loop);
    return NULL;
}

static int n_run_of_all(void)
{
    int n = 0;

    for (int i = 0; i < POSTERS; i++)
        n += atomic_load(&posters[i].n_run);
    return n;
}

/* Stops the loop when that many posts have run. */
static void stop_after(void *arg)
{
    if (n_run_of_all() >= number_of(arg))
        asyncio_loop_stop(loop);
    else
        EXPECT_INT(asyncio_loop_call_later(loop, 0.0001, stop_after, arg), 0);
}

static void check(const struct poster *poster)
{
    int n_run = atomic_load(&poster->n_run);

    EXPECT(!poster->out_of_order);
    EXPECT(n_run <= poster->n_taken);
    EXPECT_INT(poster->n_answered + poster->n_too_late, poster->n_asked);
}

/* The loop runs until that many of n posts of each thread have run, and is closed under the others. */
static void storm(int n, int n_until_close)
{
    pthread_t threads[POSTERS];

    EXPECT_INT(new_loop(&loop), 0);
    parcels = calloc((size_t)POSTERS * (size_t)n, sizeof *parcels);
    asyncio_loop_hold(loop);
    for (int i = 0; i < POSTERS; i++) {
        posters[i] = (struct poster){.n = n};
        asyncio_loop_ref(loop);
        threads[i] = start_thread(post_many, &posters[i]);
    }
    EXPECT_INT(asyncio_loop_call_soon(loop, stop_after, number(n_until_close)), 0);
    EXPECT_INT(asyncio_loop_run_forever(loop), 0);
    EXPECT_INT(asyncio_loop_close(loop), 0);
    for (int i = 0; i < POSTERS; i++)
        join_thread(threads[i]);
    for (int i = 0; i < POSTERS; i++)
        check(&posters[i]);
    EXPECT_INT(asyncio_loop_call_soon_threadsafe(loop, count_run, NULL), -ASYNCIO_ECLOSED);
    EXPECT(n_run_of_all() >= n_until_close);
    if (test_verbose())
        for (int i = 0; i < POSTERS; i++)
            printf("%d of %d posts have run, %d of %d questions were answered\n", atomic_load(&posters[i].n_run),
                   posters[i].n_taken, posters[i].n_answered, posters[i].n_asked);
    asyncio_loop_release(loop);
    free(parcels);
    asyncio_loop_unref(loop);
    /* Tasks that had come but had not begun are told of. */
    captured_log();
}

/* The whole number where it counts, under ThreadSanitizer and as users have it; less where only time is lost. */
static int posts_of_each(void)
{
    if (under_thread_sanitizer())
        return 100000;
    return 100000 / (test_slowness() * test_slowness());
}

TEST_REAL(
    closed_in_the_storm,
    "EV-11 #54 #55 C-21: 8 threads x 10^5 posts race with the close; what runs is each one's first part, in order")
{
    int n = posts_of_each();

    test_needs_seconds(120);
    signal(SIGUSR1, post_from_handler);
    storm(n, POSTERS * n / 10 * 8);
    for (int round = 0; round < 20; round++)
        storm(n / 20, POSTERS * (n / 20) * round / 25);
    EXPECT(atomic_load(&n_from_handlers_run) <= atomic_load(&n_from_handlers));
    EXPECT(atomic_load(&n_from_handlers_run) > 0);
    if (test_verbose())
        printf("%d of %d posts of handlers have run\n", atomic_load(&n_from_handlers_run),
               atomic_load(&n_from_handlers));
    signal(SIGUSR1, SIG_DFL);
}
