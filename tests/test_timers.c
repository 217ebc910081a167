/* test_timers.c -- the heap and the wheel of src/loop/timers.c: by hand, against a model, and through a loop. */
#include "test.h"

#include "base/list.h"
#include "loop/timers.h"

#include <stdlib.h>

#define BY_HAND "it drives the timers by hand; without_memory lets them fail"

#define SLOT_NS(level) (INT64_C(1) << (TIMER_TICK_SHIFT + TIMER_SLOT_BITS * (level)))

static struct asyncio__timers timers;

/* A timer that knows its name. */
struct named {
    struct asyncio_timer timer;
    const char *name;
    bool armed; /* what the model says */
    uint64_t place;
};

static struct named *named_of(struct asyncio_link *link)
{
    return (struct named *)(void *)CONTAINER_OF(link, struct asyncio_timer, node.link);
}

static void arm(struct named *named, int64_t deadline_ns)
{
    list_init(&named->timer.node.link);
    EXPECT_INT(asyncio__timers_arm(&timers, &named->timer, deadline_ns), 0);
}

/* Expires what is due and says who it was. */
static void expire(int64_t now_ns)
{
    struct asyncio_link ready, *link;
    size_t n;

    list_init(&ready);
    n = asyncio__timers_expire(&timers, now_ns, &ready);
    EXPECT_INT(n, list_count(&ready));
    while ((link = list_pop_front(&ready)))
        trace("%s", named_of(link)->name);
}

static void expect_none_left(void)
{
    EXPECT_INT(timers.armed, 0);
    EXPECT_INT(timers.heap_count, 0);
    for (int level = 0; level < TIMER_LEVELS; level++)
        EXPECT_INT(timers.occupied[level], 0);
    EXPECT(list_empty(&timers.never));
    EXPECT_INT(asyncio__timers_next(&timers), INT64_MAX);
    asyncio__timers_fini(&timers);
}

/* --------------------------------------------------------------------------------------------------------- By hand */

TEST_NO_SWEEP(timers_equal_deadlines,
              "D-01 EV-12: eight timers of one deadline come in the order of arming, near or far", BY_HAND)
{
    static const int64_t deadlines[] = {5, 3 * SLOT_NS(0), 2 * SLOT_NS(1) + 7, 9 * SLOT_NS(3), SLOT_NS(5) + 1};
    static const char *const names[] = {"a", "b", "c", "d", "e", "f", "g", "h"};
    struct named named[8] = {0};

    for (size_t i = 0; i < ARRAY_SIZE(deadlines); i++) {
        asyncio__timers_init(&timers, 0);
        for (int j = 0; j < 8; j++) {
            named[j].name = names[j];
            arm(&named[j], deadlines[i]);
        }
        expire(deadlines[i] - 1);
        EXPECT_TRACE("");
        expire(deadlines[i]);
        EXPECT_TRACE("a\nb\nc\nd\ne\nf\ng\nh\n");
        expect_none_left();
    }
}

TEST_NO_SWEEP(timers_rearmed_go_behind, "D-01: whoever is armed again with an equal deadline goes behind the others",
              BY_HAND)
{
    struct named a = {.name = "a"}, b = {.name = "b"}, c = {.name = "c"};

    asyncio__timers_init(&timers, 0);
    arm(&a, 100);
    arm(&b, 100);
    arm(&c, 100);
    asyncio__timers_disarm(&timers, &a.timer);
    arm(&a, 100);
    expire(1000);
    EXPECT_TRACE("b\nc\na\n");
    expect_none_left();
}

TEST_NO_SWEEP(timers_mixed_distances, "EV-04: near and far ones come by deadline, however they were kept", BY_HAND)
{
    struct named second = {.name = "second"}, year = {.name = "year"}, ms = {.name = "ms"}, hour = {.name = "hour"};
    int64_t s = NS_PER_SEC;

    asyncio__timers_init(&timers, 0);
    arm(&year, 365 * 86400 * s);
    EXPECT_INT(asyncio__timers_next(&timers), 365 * 86400 * s);
    arm(&hour, 3600 * s);
    EXPECT_INT(asyncio__timers_next(&timers), 3600 * s);
    arm(&second, s);
    EXPECT_INT(asyncio__timers_next(&timers), s);
    arm(&ms, NS_PER_MSEC);
    EXPECT_INT(asyncio__timers_next(&timers), NS_PER_MSEC);
    expire(366 * 86400 * s);
    EXPECT_TRACE("ms\nsecond\nhour\nyear\n");
    expect_none_left();
}

/* Deadlines around a boundary of a level, armed in a shuffled order, seen from a clock that starts at `start_ns`. */
static void cross_boundary(int64_t start_ns, int level)
{
    int64_t boundary = (start_ns / SLOT_NS(level) + 2) * SLOT_NS(level);
    struct named after = {.name = "after"}, at = {.name = "at"}, before = {.name = "before"}, next = {.name = "next"};

    asyncio__timers_init(&timers, start_ns);
    arm(&after, boundary + 1);
    arm(&next, boundary + SLOT_NS(level));
    arm(&before, boundary - 1);
    arm(&at, boundary);
    EXPECT_INT(asyncio__timers_next(&timers), boundary - 1);
    expire(boundary - 2);
    EXPECT_TRACE("");
    expire(boundary - 1);
    EXPECT_TRACE("before\n");
    EXPECT_INT(asyncio__timers_next(&timers), boundary);
    expire(boundary);
    EXPECT_TRACE("at\n");
    EXPECT_INT(asyncio__timers_next(&timers), boundary + 1);
    expire(boundary + SLOT_NS(level) - 1);
    EXPECT_TRACE("after\n");
    expire(boundary + SLOT_NS(level));
    EXPECT_TRACE("next\n");
    expect_none_left();
}

TEST_NO_SWEEP(timers_cascade,
              "EV-04 D-02: at the boundary of a slot of every level nobody is early or late by a nanosecond", BY_HAND)
{
    static const int64_t starts[] = {
        0, 1, SLOT_NS(0) - 1, SLOT_NS(0), SLOT_NS(2) - 1, INT64_C(1700000000) * NS_PER_SEC};

    for (size_t i = 0; i < ARRAY_SIZE(starts); i++)
        for (int level = 0; level < TIMER_LEVELS - 1; level++)
            cross_boundary(starts[i], level);
}

TEST_NO_SWEEP(timers_one_by_one_through_levels, "EV-04: a clock that creeps finds each far timer at its nanosecond",
              BY_HAND)
{
    static struct named named[64];
    int64_t deadline = 0;

    asyncio__timers_init(&timers, 0);
    for (int i = 0; i < 64; i++) {
        named[i].name = "due";
        deadline += SLOT_NS(0) * (1 + i) + i;
        arm(&named[i], deadline);
    }
    deadline = 0;
    for (int i = 0; i < 64; i++) {
        deadline += SLOT_NS(0) * (1 + i) + i;
        EXPECT_INT(asyncio__timers_next(&timers), deadline);
        expire(deadline - 1);
        EXPECT_TRACE("");
        expire(deadline);
        EXPECT_TRACE("due\n");
    }
    expect_none_left();
}

TEST_NO_SWEEP(timers_never, "EV-14: INT64_MAX is armed, never due, and no reason to wait; one nanosecond less is due",
              BY_HAND)
{
    struct named never = {.name = "never"}, last = {.name = "last"};

    asyncio__timers_init(&timers, 0);
    arm(&never, INT64_MAX);
    EXPECT(asyncio_timer_armed(&never.timer));
    EXPECT_INT(asyncio__timers_next(&timers), INT64_MAX);
    arm(&last, INT64_MAX - 1);
    EXPECT_INT(asyncio__timers_next(&timers), INT64_MAX - 1);
    expire(INT64_MAX - 2);
    EXPECT_TRACE("");
    expire(INT64_MAX - 1);
    EXPECT_TRACE("last\n");
    EXPECT(asyncio_timer_armed(&never.timer));
    asyncio__timers_disarm(&timers, &never.timer);
    EXPECT(!asyncio_timer_armed(&never.timer));
    expect_none_left();
}

TEST_NO_SWEEP(timers_in_the_past,
              "EV-12: what lies in the past, also before the clock's zero, is due at once and in order", BY_HAND)
{
    struct named a = {.name = "a"}, b = {.name = "b"}, c = {.name = "c"}, d = {.name = "d"};

    asyncio__timers_init(&timers, 1000);
    arm(&d, 1000);
    arm(&c, 0);
    arm(&b, -5);
    arm(&a, INT64_MIN);
    EXPECT_INT(asyncio__timers_next(&timers), INT64_MIN);
    expire(1000);
    EXPECT_TRACE("a\nb\nc\nd\n");
    expect_none_left();
}

TEST_NO_SWEEP(timers_disarmed_are_gone,
              "EV-01: a cancelled timer leaves nothing behind: not in heap, wheel or next deadline", BY_HAND)
{
    struct named near = {.name = "near"}, far = {.name = "far"}, farther = {.name = "farther"};

    asyncio__timers_init(&timers, 0);
    arm(&near, 10);
    arm(&far, 100 * SLOT_NS(0));
    arm(&farther, 100 * SLOT_NS(2));
    asyncio__timers_disarm(&timers, &near.timer);
    EXPECT_INT(asyncio__timers_next(&timers), 100 * SLOT_NS(0));
    asyncio__timers_disarm(&timers, &far.timer);
    EXPECT_INT(asyncio__timers_next(&timers), 100 * SLOT_NS(2));
    asyncio__timers_disarm(&timers, &farther.timer);
    EXPECT(!asyncio_timer_armed(&near.timer) && !asyncio_timer_armed(&far.timer));
    expire(INT64_MAX - 1);
    EXPECT_TRACE("");
    expect_none_left();
}

TEST_NO_SWEEP(timers_taken,
              "R-11: a loop that closes takes the timers one by one, also those that never fire, until there is none",
              BY_HAND)
{
    struct named named[20] = {0};
    size_t n = 0;

    asyncio__timers_init(&timers, 0);
    for (int i = 0; i < 20; i++)
        arm(&named[i], i % 7 == 3 ? INT64_MAX : (int64_t)i * i * i * SLOT_NS(0) / 3);
    while (asyncio__timers_take(&timers))
        n++;
    EXPECT_INT(n, 20);
    for (int i = 0; i < 20; i++)
        EXPECT(!asyncio_timer_armed(&named[i].timer));
    expect_none_left();
}

/* ---------------------------------------------------------------------------------------------------------- Memory */

/* Growing by one moves all of them each time. */
#define MANY (test_hostile() ? 2000 : 20000)

static struct named *arm_many(int64_t first_ns, int64_t step_ns)
{
    struct named *many = calloc(MANY, sizeof *many);

    for (int i = 0; many && i < MANY; i++)
        arm(&many[i], first_ns + step_ns * i);
    return many;
}

TEST_NO_SWEEP(timers_give_memory_back,
              "EV-01: after a burst the heap shrinks, whether its timers were cancelled or fired", BY_HAND)
{
    struct named *many;
    struct asyncio_link ready;

    asyncio__timers_init(&timers, 0);
    many = arm_many(1, 1);
    EXPECT(timers.heap_capacity >= MANY);
    for (int i = 0; i < MANY; i++)
        asyncio__timers_disarm(&timers, &many[i].timer);
    EXPECT(timers.heap_capacity <= MANY / 8);
    free(many);
    many = arm_many(1, 1);
    list_init(&ready);
    for (int i = 0; i < MANY; i += 100)
        asyncio__timers_expire(&timers, i + 100, &ready);
    EXPECT_INT(list_count(&ready), MANY);
    EXPECT(timers.heap_capacity <= MANY / 8);
    free(many);
    expect_none_left();
}

TEST_NO_SWEEP(timers_far_stay_out_of_the_heap,
              "EV-01: arming and cancelling far ones does not touch the heap, which sorts", BY_HAND)
{
    struct named near = {.name = "near"}, *many;

    asyncio__timers_init(&timers, 0);
    arm(&near, 1);
    many = arm_many(SLOT_NS(1), 1000);
    EXPECT_INT(timers.heap_count, 1);
    EXPECT_INT(asyncio__timers_next(&timers), 1);
    for (int i = 0; i < MANY; i++)
        asyncio__timers_disarm(&timers, &many[i].timer);
    EXPECT_INT(timers.heap_count, 1);
    expire(1);
    EXPECT_TRACE("near\n");
    free(many);
    expect_none_left();
}

TEST_NO_SWEEP(timers_without_memory,
              "an arm that fails leaves its timer and the others as they were; what is armed cannot fail", BY_HAND)
{
    static struct named named[200];
    int refused = 0, fired = 0;
    struct asyncio_link ready;

    test_spare(ASYNCIO__TINY_CAPACITIES, "it counts how often there is something to allocate");
    asyncio__timers_init(&timers, 0);
    for (int i = 0; i < 200; i++) {
        asyncio_fail_allocation(0, 1);
        if (asyncio__timers_arm(&timers, &named[i].timer, SLOT_NS(i % 5) * (i + 1)) < 0) {
            EXPECT(!asyncio_timer_armed(&named[i].timer));
            refused++;
            asyncio_fail_allocation(-1, 0);
            arm(&named[i], SLOT_NS(i % 5) * (i + 1));
        }
    }
    /* Nothing can be had from here on: moving them from the wheel into the heap must not need it. */
    asyncio_fail_allocation(0, INT64_MAX);
    list_init(&ready);
    for (int64_t now_ns = 1; timers.armed > 0; now_ns *= 2)
        fired += (int)asyncio__timers_expire(&timers, now_ns, &ready);
    asyncio_fail_allocation(-1, 0);
    EXPECT(refused > 0 && refused < 10);
    EXPECT_INT(fired, 200);
    expect_none_left();
}

/* ------------------------------------------------------------------------------------------------- Against a model */

#define MODEL_TIMERS 150

static uint64_t random_state;

static uint64_t random_bits(void)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return random_state;
}

/* A span of up to two to the nth nanoseconds, n at random: as often nanoseconds as years. */
static int64_t random_span(unsigned most_bits)
{
    return (int64_t)(random_bits() >> (64 - 1 - random_bits() % most_bits));
}

/* Whom the model wants next; NULL when nobody is due. */
static struct named *model_first(struct named *all, int64_t now_ns)
{
    struct named *first = NULL;

    for (int i = 0; i < MODEL_TIMERS; i++) {
        struct named *each = &all[i];

        if (!each->armed || each->timer.deadline_ns > now_ns || each->timer.deadline_ns == INT64_MAX)
            continue;
        if (!first || each->timer.deadline_ns < first->timer.deadline_ns ||
            (each->timer.deadline_ns == first->timer.deadline_ns && each->place < first->place))
            first = each;
    }
    return first;
}

static void model_arm(struct named *named, int64_t now_ns)
{
    static uint64_t place;
    int64_t deadline_ns = now_ns;

    switch (random_bits() % 8) {
    case 0: /* now */
        break;
    case 1: /* the very end of a slot of some level */
        deadline_ns = (now_ns / SLOT_NS(random_bits() % 6) + 2) * SLOT_NS(random_bits() % 3) - 1;
        break;
    case 2: /* a tie with another */
        deadline_ns = now_ns + (int64_t)(random_bits() % 3) * SLOT_NS(0);
        break;
    case 3:
        deadline_ns = random_bits() % 8 ? now_ns - random_span(40) : INT64_MAX;
        break;
    default:
        deadline_ns = now_ns + random_span(58);
    }
    arm(named, deadline_ns);
    named->armed = true;
    named->place = place++;
}

static void model_expire(struct named *all, int64_t now_ns)
{
    struct asyncio_link ready, *link;
    struct named *first;

    list_init(&ready);
    asyncio__timers_expire(&timers, now_ns, &ready);
    while ((link = list_pop_front(&ready))) {
        first = model_first(all, now_ns);
        if (first != named_of(link))
            FAIL("at %lld: %p fired, the model has %p", (long long)now_ns, (void *)named_of(link), (void *)first);
        named_of(link)->armed = false;
    }
    EXPECT_PTR(model_first(all, now_ns), NULL);
}

static void play_model(uint64_t seed, int64_t start_ns)
{
    static struct named all[MODEL_TIMERS];
    int64_t now_ns = start_ns;

    test_replay_seed(seed);
    random_state = seed * UINT64_C(0x9E3779B97F4A7C15) + 1;
    memset(all, 0, sizeof all);
    asyncio__timers_init(&timers, now_ns);
    for (int step = 0; step < 3000; step++) {
        struct named *each = &all[random_bits() % MODEL_TIMERS], *first;

        EXPECT_INT(asyncio_timer_armed(&each->timer) && each->place, each->armed && each->place);
        if (!each->armed) {
            model_arm(each, now_ns);
        } else if (random_bits() % 3 == 0) {
            asyncio__timers_disarm(&timers, &each->timer);
            each->armed = false;
        }
        if (random_bits() % 4 == 0) {
            first = model_first(all, INT64_MAX);
            EXPECT_INT(asyncio__timers_next(&timers), first ? first->timer.deadline_ns : INT64_MAX);
        }
        if (random_bits() % 8 == 0) {
            now_ns = ns_add(now_ns, random_span(step % 100 == 0 ? 56 : 34));
            model_expire(all, now_ns);
        }
    }
    while (asyncio__timers_take(&timers))
        ;
    asyncio__timers_fini(&timers);
}

TEST_NO_SWEEP(
    timers_random,
    "EV-04 D-01 D-02: arms, cancels and expiries at random, from nanoseconds to years, as a sorted list has it",
    BY_HAND)
{
    uint64_t first = test_seed(), n = test_seed_given() ? 1 : 60;

    test_needs_seconds(30);
    for (uint64_t seed = first; seed < first + n; seed++)
        play_model(seed, seed % 3 == 0   ? 0
                         : seed % 3 == 1 ? INT64_C(17000000) * NS_PER_SEC
                                         : INT64_C(1700000000) * NS_PER_SEC);
}

/* -------------------------------------------------------------------------------------------------- Through a loop */

static struct asyncio_loop *loop;

static void timer_ran(struct asyncio_node *node)
{
    trace("%s", ((struct named *)(void *)CONTAINER_OF(node, struct asyncio_timer, node))->name);
}

static void named_init(struct named *named, const char *name)
{
    *named = (struct named){.name = name};
    asyncio_node_init(&named->timer.node, timer_ran, NULL);
}

static void stop(void *arg)
{
    (void)arg;
    asyncio_loop_stop(loop);
}

static void run_until(double when)
{
    EXPECT_INT(asyncio_loop_call_at(loop, when, stop, NULL), 0);
    EXPECT_INT(asyncio_loop_run_forever(loop), 0);
}

static void close_it(void)
{
    if (loop)
        EXPECT_INT(asyncio_loop_close(loop), 0);
    loop = asyncio_loop_unref(loop);
}

TEST(timer_nodes,
     "EV-12: timers in the caller's memory fire once and can be armed again; what is allocated is the wheel's alone")
{
    struct named a, b;
    int64_t before;

    named_init(&a, "a");
    named_init(&b, "b");
    new_loop(&loop);
    EXPECT_INT(asyncio_timer_arm(loop, &a.timer, 2 * NS_PER_SEC), 0);
    before = asyncio_allocated();
    EXPECT_INT(asyncio_timer_arm(loop, &b.timer, 1 * NS_PER_SEC), 0);
    EXPECT(asyncio_allocated() <= before + 1);
    EXPECT(asyncio_timer_armed(&b.timer));
    run_until(3);
    EXPECT(!asyncio_timer_armed(&a.timer) && !asyncio_timer_armed(&b.timer));
    EXPECT_INT(asyncio_timer_arm(loop, &a.timer, 4 * NS_PER_SEC), 0);
    run_until(5);
    EXPECT_TRACE("[1.000] b\n[2.000] a\n[4.000] a\n");
    close_it();
}

TEST(timer_node_zeroed, "a timer that was never armed can be disarmed: those that are armed are left alone")
{
    struct named never = {0}, armed;

    named_init(&armed, "armed");
    new_loop(&loop);
    EXPECT_INT(asyncio_timer_arm(loop, &armed.timer, 1), 0);
    asyncio_node_init(&never.timer.node, timer_ran, NULL);
    EXPECT(!asyncio_timer_armed(&never.timer));
    asyncio_timer_disarm(loop, &never.timer);
    asyncio_timer_disarm(loop, &never.timer);
    EXPECT(asyncio_timer_armed(&armed.timer));
    run_until(1);
    EXPECT_TRACE("[0.000] armed\n");
    asyncio_timer_disarm(loop, &armed.timer);
    close_it();
}

static struct named victim;

static void disarm_victim(struct asyncio_node *node)
{
    (void)node;
    trace("disarms");
    asyncio_timer_disarm(loop, &victim.timer);
}

TEST(timer_disarmed_when_due,
     "EV-06: a timer that is due and waits for its turn can still be disarmed by an earlier one")
{
    struct named killer = {0};

    asyncio_node_init(&killer.timer.node, disarm_victim, NULL);
    named_init(&victim, "victim");
    new_loop(&loop);
    EXPECT_INT(asyncio_timer_arm(loop, &killer.timer, NS_PER_SEC), 0);
    EXPECT_INT(asyncio_timer_arm(loop, &victim.timer, NS_PER_SEC), 0);
    run_until(2);
    EXPECT_TRACE("[1.000] disarms\n");
    close_it();
}

TEST(timer_forever, "EV-14: a timer that never fires is armed until it is disarmed or the loop is closed")
{
    struct named forever, disarmed;

    named_init(&forever, "forever");
    named_init(&disarmed, "disarmed");
    new_loop(&loop);
    EXPECT_INT(asyncio_timer_arm(loop, &forever.timer, INT64_MAX), 0);
    EXPECT_INT(asyncio_timer_arm(loop, &disarmed.timer, INT64_MAX), 0);
    EXPECT_INT(asyncio_loop_next_deadline(loop), INT64_MAX);
    run_until(1e9);
    EXPECT(asyncio_timer_armed(&forever.timer));
    asyncio_timer_disarm(loop, &disarmed.timer);
    EXPECT(!asyncio_timer_armed(&disarmed.timer));
    EXPECT_TRACE("");
    close_it();
}

static double last_when;
static int last_number, n_late, n_run;

struct shot {
    double when;
    int number;
};

static void shot_ran(void *arg)
{
    const struct shot *shot = arg;

    n_run++;
    if (asyncio_loop_time(loop) < shot->when)
        FAIL("%d is early", shot->number);
    n_late += asyncio_loop_time(loop) > shot->when;
    if (shot->when < last_when || (shot->when == last_when && shot->number < last_number))
        FAIL("%d, due at %.9f, came after %d, due at %.9f", shot->number, shot->when, last_number, last_when);
    last_when = shot->when;
    last_number = shot->number;
}

TEST_NO_SWEEP(timers_many_through_the_loop,
              "EV-04 EV-12 D-01 D-02: thousands of call_at at random times, many equal, come in order and on time",
              "too many faults")
{
    static struct shot shots[5000];

    random_state = test_seed() * UINT64_C(0x9E3779B97F4A7C15) + 1;
    new_loop(&loop);
    for (int i = 0; i < 5000; i++) {
        shots[i] = (struct shot){(double)(random_bits() % 700) * (i % 2 ? 0.25 : 3600.0), i};
        EXPECT_INT(asyncio_loop_call_at(loop, shots[i].when, shot_ran, &shots[i]), 0);
    }
    last_when = -1;
    run_until(700 * 3600);
    EXPECT_INT(n_run, 5000);
    EXPECT_INT(n_late, 0);
    close_it();
}

TEST_NO_SWEEP(timers_arm_without_memory,
              "EV-12: call_later that gets no memory says so, and what was scheduled before runs",
              "it lets allocations fail itself")
{
    int refused = 0;

    new_loop(&loop);
    for (int i = 0; i < 200; i++) {
        asyncio_fail_allocation(i % 4, 1);
        refused += asyncio_loop_call_later(loop, 1, stop, NULL) == -ENOMEM;
        asyncio_fail_allocation(-1, 0);
    }
    EXPECT(refused >= 50);
    EXPECT_INT(asyncio_loop_run_forever(loop), 0);
    close_it();
}
