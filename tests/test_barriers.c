/* test_barriers.c -- Barrier.
 *
 * What is waited for is static, as each test has a process of its own: no task outlives the frame it lies in. */
#include "crew.h"

static struct asyncio_barrier barrier;

/* Passes the barrier that many times. */
static int pass(void *arg)
{
    int r = 0;

    for (int i = 0; i < number_of(arg); i++) {
        r = asyncio_barrier_wait(&barrier);
        trace("%s: %s", me(), said(r));
        if (r < 0)
            return r == -ECANCELED ? r : 0;
    }
    return 0;
}

static int one_party(void *arg)
{
    (void)arg;
    EXPECT_INT(asyncio_barrier_init(&barrier, 1), 0);
    EXPECT_INT(asyncio_barrier_parties(&barrier), 1);
    for (int i = 0; i < 3; i++) {
        EXPECT_INT(asyncio_barrier_wait(&barrier), 0);
        EXPECT_INT(asyncio_barrier_n_waiting(&barrier), 0);
        EXPECT(!asyncio_barrier_broken(&barrier));
    }
    EXPECT_PTR(barrier.loop, NULL);
    return 0;
}

TEST(barrier_of_one, "B-01: a barrier for one is passed at once, again and again")
{
    EXPECT_INT(run(one_party, NULL), 0);
    asyncio_barrier_fini(&barrier);
}

static int three_parties(void *arg)
{
    static struct asyncio_barrier made = ASYNCIO_BARRIER_INIT(3);

    (void)arg;
    barrier = made;
    spawn(pass, number(1), "A");
    turns(1);
    EXPECT_INT(asyncio_barrier_n_waiting(&barrier), 1);
    EXPECT(barrier.loop);
    spawn(pass, number(1), "B");
    turns(1);
    EXPECT_INT(asyncio_barrier_n_waiting(&barrier), 2);
    spawn(pass, number(1), "C");
    turns(1);
    EXPECT_INT(asyncio_barrier_n_waiting(&barrier), 0);
    everybody();
    EXPECT(!asyncio_barrier_broken(&barrier));
    EXPECT_PTR(barrier.loop, NULL);
    return 0;
}

TEST(barrier_places, "B-01 #15: the last arrival runs first, then the others in their order; each gets its place")
{
    EXPECT_INT(play(three_parties), 0);
    EXPECT_TRACE("[0.000] C: 2\n"
                 "[0.000] A: 0\n"
                 "[0.000] B: 1\n");
    asyncio_barrier_fini(&barrier);
}

static int three_rounds(void *arg)
{
    (void)arg;
    EXPECT_INT(asyncio_barrier_init(&barrier, 3), 0);
    spawn(pass, number(3), "A");
    spawn(pass, number(3), "B");
    spawn(pass, number(3), "C");
    everybody();
    return 0;
}

TEST(barrier_again_and_again, "B-01 B-02 #15: who comes back while others are leaving waits for the next round")
{
    EXPECT_INT(play(three_rounds), 0);
    EXPECT_TRACE("[0.000] C: 2\n"
                 "[0.000] A: 0\n"
                 "[0.000] B: 1\n"
                 "[0.000] B: 2\n"
                 "[0.000] C: 0\n"
                 "[0.000] A: 1\n"
                 "[0.000] A: 2\n"
                 "[0.000] B: 0\n"
                 "[0.000] C: 1\n");
    asyncio_barrier_fini(&barrier);
}

static int look(void *arg)
{
    int r = asyncio_barrier_wait(&barrier);

    (void)arg;
    trace("%s: %s, %d inside, %d waiting", me(), said(r), (int)barrier.count, (int)asyncio_barrier_n_waiting(&barrier));
    return 0;
}

static int draining(void *arg)
{
    (void)arg;
    EXPECT_INT(asyncio_barrier_init(&barrier, 3), 0);
    spawn(look, NULL, "A");
    spawn(look, NULL, "B");
    spawn(look, NULL, "C");
    spawn(look, NULL, "D"); /* comes while the others have not gone */
    turns(1);
    EXPECT_INT(asyncio_barrier_n_waiting(&barrier), 0);
    turns(1);
    EXPECT_INT(asyncio_barrier_n_waiting(&barrier), 1);
    spawn(look, NULL, "E");
    spawn(look, NULL, "F");
    everybody();
    return 0;
}

TEST(barrier_draining, "B-02 #15: newcomers are blocked until all have left; nobody waits meanwhile")
{
    EXPECT_INT(play(draining), 0);
    EXPECT_TRACE("[0.000] C: 2, 2 inside, 0 waiting\n"
                 "[0.000] A: 0, 1 inside, 0 waiting\n"
                 "[0.000] B: 1, 1 inside, 1 waiting\n"
                 "[0.000] F: 2, 2 inside, 0 waiting\n"
                 "[0.000] D: 0, 1 inside, 0 waiting\n"
                 "[0.000] E: 1, 0 inside, 0 waiting\n");
}

static int many_blocked(void *arg)
{
    static const char *const names[] = {"A", "B", "C", "D", "E", "F", "G", "H"};

    (void)arg;
    EXPECT_INT(asyncio_barrier_init(&barrier, 2), 0);
    for (int i = 0; i < 8; i++)
        spawn(pass, number(1), names[i]);
    everybody();
    EXPECT_INT(asyncio_barrier_n_waiting(&barrier), 0);
    EXPECT_PTR(barrier.loop, NULL);
    return 0;
}

TEST(barrier_many_blocked, "B-01 B-02 #15: those who are blocked form the next rounds in their order, and nobody hangs")
{
    EXPECT_INT(play(many_blocked), 0);
    EXPECT_TRACE("[0.000] B: 1\n"
                 "[0.000] A: 0\n"
                 "[0.000] D: 1\n"
                 "[0.000] C: 0\n"
                 "[0.000] F: 1\n"
                 "[0.000] E: 0\n"
                 "[0.000] H: 1\n"
                 "[0.000] G: 0\n");
    asyncio_barrier_fini(&barrier);
}

static int second_barrier_passed;
static struct asyncio_barrier second;

static int pass_both(void *arg)
{
    static int returning;
    int r = asyncio_barrier_wait(&barrier);

    (void)arg;
    if (r >= 0 && returning++ >= 2) {
        r = asyncio_barrier_wait(&second);
        second_barrier_passed += r >= 0;
    }
    return r < 0 ? r : asyncio_barrier_wait(&barrier);
}

static int two_barriers(void *arg)
{
    (void)arg;
    EXPECT_INT(asyncio_barrier_init(&barrier, 5), 0);
    EXPECT_INT(asyncio_barrier_init(&second, 3), 0);
    for (int i = 0; i < 5; i++)
        spawn(pass_both, NULL, "crew");
    everybody();
    EXPECT_INT(second_barrier_passed, 3);
    EXPECT_INT(asyncio_barrier_n_waiting(&barrier), 0);
    return 0;
}

TEST(barrier_rewait_while_draining, "B-02 #15: two who come back at once do not disturb those who go by another "
                                    "barrier")
{
    EXPECT_INT(play(two_barriers), 0);
}

/* -------------------------------------------------------------------------------------------------------- Cancelled */

static int cancel_while_filling(void *arg)
{
    struct asyncio_future *a;

    (void)arg;
    EXPECT_INT(asyncio_barrier_init(&barrier, 3), 0);
    a = spawn(pass, number(1), "A");
    spawn(pass, number(1), "B");
    turns(1);
    cancel(a);
    EXPECT_INT(asyncio_barrier_n_waiting(&barrier), 1);
    EXPECT(!asyncio_barrier_broken(&barrier));
    spawn(pass, number(1), "C");
    turns(1);
    EXPECT_INT(asyncio_barrier_n_waiting(&barrier), 2);
    spawn(pass, number(1), "D");
    everybody();
    return 0;
}

TEST(park_barrier_not_complete, "B-05 B-01 #15: who is cancelled while the barrier fills leaves it; the places are "
                                "given anew")
{
    EXPECT_INT(play(cancel_while_filling), 0);
    EXPECT_TRACE("[0.000] A: -ECANCELED\n"
                 "[0.000] D: 2\n"
                 "[0.000] B: 0\n"
                 "[0.000] C: 1\n");
    asyncio_barrier_fini(&barrier);
}

static int cancel_only_one(void *arg)
{
    struct asyncio_future *a;

    (void)arg;
    EXPECT_INT(asyncio_barrier_init(&barrier, 2), 0);
    a = spawn(pass, number(1), "A");
    turns(1);
    cancel(a);
    EXPECT_INT(asyncio_barrier_n_waiting(&barrier), 0);
    EXPECT_PTR(barrier.loop, NULL);
    everybody();
    cancel(asyncio_current_task());
    EXPECT_INT(asyncio_barrier_wait(&barrier), -ECANCELED);
    EXPECT_INT(asyncio_barrier_n_waiting(&barrier), 0);
    EXPECT(!asyncio_barrier_broken(&barrier));
    EXPECT_PTR(barrier.loop, NULL);
    return 0;
}

TEST(barrier_cancel_the_only_one, "B-05: the barrier is empty again, and belongs to no loop")
{
    EXPECT_INT(play(cancel_only_one), 0);
    EXPECT_TRACE("[0.000] A: -ECANCELED\n");
}

static int cancel_leaving(void *arg)
{
    struct asyncio_future *a;

    (void)arg;
    EXPECT_INT(asyncio_barrier_init(&barrier, 3), 0);
    a = spawn(pass, number(1), "A");
    spawn(pass, number(1), "B");
    turns(1);
    EXPECT_INT(asyncio_barrier_wait(&barrier), 2);
    cancel(a);
    spawn(pass, number(1), "D");
    spawn(pass, number(1), "E");
    turns(3);
    EXPECT_INT(asyncio_barrier_n_waiting(&barrier), 2);
    EXPECT_INT(asyncio_barrier_wait(&barrier), 2);
    everybody();
    EXPECT_PTR(barrier.loop, NULL);
    return 0;
}

TEST(park_barrier_complete, "B-02 #15: who is cancelled after it was let through counts as gone; the next round begins")
{
    EXPECT_INT(play(cancel_leaving), 0);
    EXPECT_TRACE("[0.000] A: -ECANCELED\n"
                 "[0.000] B: 1\n"
                 "[0.000] D: 0\n"
                 "[0.000] E: 1\n");
    asyncio_barrier_fini(&barrier);
}

static int cancel_last_leaving(void *arg)
{
    struct asyncio_future *a;

    (void)arg;
    EXPECT_INT(asyncio_barrier_init(&barrier, 2), 0);
    a = spawn(pass, number(1), "A");
    turns(1);
    EXPECT_INT(asyncio_barrier_wait(&barrier), 1);
    cancel(a);
    spawn(pass, number(1), "B");
    spawn(pass, number(1), "C");
    everybody();
    return 0;
}

TEST(barrier_cancel_the_last_to_leave, "B-02 #15: the cancel of the last one who has yet to leave lets the blocked "
                                       "ones in")
{
    EXPECT_INT(play(cancel_last_leaving), 0);
    EXPECT_TRACE("[0.000] A: -ECANCELED\n"
                 "[0.000] C: 1\n"
                 "[0.000] B: 0\n");
    asyncio_barrier_fini(&barrier);
}

static int cancel_when_blocked(void *arg)
{
    struct asyncio_future *c;

    (void)arg;
    EXPECT_INT(asyncio_barrier_init(&barrier, 2), 0);
    spawn(pass, number(1), "A");
    spawn(pass, number(1), "B");
    c = spawn(pass, number(1), "C");
    spawn(pass, number(1), "D");
    turns(1);
    /* B has passed, A is let through but has not run, C and D are blocked. */
    cancel(c);
    turns(2);
    EXPECT_INT(asyncio_barrier_n_waiting(&barrier), 1);
    EXPECT_INT(asyncio_barrier_wait(&barrier), 1);
    everybody();
    return 0;
}

TEST(park_barrier_blocked, "B-02 #15: a cancel of one who is blocked leaves the others blocked in their order")
{
    EXPECT_INT(play(cancel_when_blocked), 0);
    EXPECT_TRACE("[0.000] B: 1\n"
                 "[0.000] A: 0\n"
                 "[0.000] C: -ECANCELED\n"
                 "[0.000] D: 0\n");
    asyncio_barrier_fini(&barrier);
}

/* -------------------------------------------------------------------------------------------------- Reset and abort */

static int reset_empty(void *arg)
{
    (void)arg;
    EXPECT_INT(asyncio_barrier_init(&barrier, 1), 0);
    asyncio_barrier_reset(&barrier);
    EXPECT_INT(asyncio_barrier_n_waiting(&barrier), 0);
    EXPECT(!asyncio_barrier_broken(&barrier));
    return asyncio_barrier_wait(&barrier);
}

TEST(barrier_reset_empty, "B-03: resetting an empty barrier changes nothing")
{
    EXPECT_INT(run(reset_empty, NULL), 0);
}

static int reset_filling(void *arg)
{
    (void)arg;
    EXPECT_INT(asyncio_barrier_init(&barrier, 3), 0);
    spawn(pass, number(1), "A");
    spawn(pass, number(1), "B");
    turns(1);
    asyncio_barrier_reset(&barrier);
    asyncio_barrier_reset(&barrier);
    EXPECT_INT(asyncio_barrier_n_waiting(&barrier), 0);
    EXPECT(!asyncio_barrier_broken(&barrier));
    spawn(pass, number(1), "C");
    spawn(pass, number(1), "D");
    turns(1);
    EXPECT_INT(asyncio_barrier_n_waiting(&barrier), 2);
    spawn(pass, number(1), "E");
    everybody();
    return 0;
}

TEST(barrier_reset_while_filling, "B-02 B-03 #15: who waits is sent away, who comes meanwhile is blocked, and it can "
                                  "be used again")
{
    EXPECT_INT(play(reset_filling), 0);
    EXPECT_TRACE("[0.000] A: -ASYNCIO_EBROKENBARRIER\n"
                 "[0.000] B: -ASYNCIO_EBROKENBARRIER\n"
                 "[0.000] E: 2\n"
                 "[0.000] C: 0\n"
                 "[0.000] D: 1\n");
    asyncio_barrier_fini(&barrier);
}

static int newcomer_of_reset(void *arg)
{
    (void)arg;
    EXPECT_INT(asyncio_barrier_init(&barrier, 2), 0);
    spawn(pass, number(1), "A");
    turns(1);
    spawn(pass, number(1), "B"); /* runs before A, which is made ready after it */
    asyncio_barrier_reset(&barrier);
    spawn(pass, number(1), "C");
    everybody();
    return 0;
}

TEST(barrier_newcomer_while_resetting, "B-02 #15: a newcomer is blocked until those who were sent away have left")
{
    EXPECT_INT(play(newcomer_of_reset), 0);
    EXPECT_TRACE("[0.000] A: -ASYNCIO_EBROKENBARRIER\n"
                 "[0.000] C: 1\n"
                 "[0.000] B: 0\n");
}

/* Resets or aborts the barrier when that many have yet to leave. */
static void (*half_way)(struct asyncio_barrier *barrier);
static size_t half_way_at;

static int pass_and_interfere(void *arg)
{
    int r = asyncio_barrier_wait(&barrier);

    (void)arg;
    trace("%s: %s", me(), said(r));
    if (r >= 0 && barrier.count == half_way_at) {
        trace("%s interferes", me());
        half_way(&barrier);
    }
    return 0;
}

static int interfere_half_drained(void *arg)
{
    static const char *const names[] = {"A", "B", "C", "D", "E"};

    (void)arg;
    EXPECT_INT(asyncio_barrier_init(&barrier, 5), 0);
    half_way_at = 2;
    for (int i = 0; i < 5; i++)
        spawn(pass_and_interfere, NULL, names[i]);
    everybody();
    EXPECT_INT(asyncio_barrier_n_waiting(&barrier), 0);
    EXPECT_PTR(barrier.loop, NULL);
    return 0;
}

TEST(barrier_reset_half_drained, "B-03 #15: a reset while some have left sends the others away")
{
    half_way = asyncio_barrier_reset;
    EXPECT_INT(play(interfere_half_drained), 0);
    EXPECT(!asyncio_barrier_broken(&barrier));
    EXPECT_TRACE("[0.000] E: 4\n"
                 "[0.000] A: 0\n"
                 "[0.000] B: 1\n"
                 "[0.000] B interferes\n"
                 "[0.000] C: -ASYNCIO_EBROKENBARRIER\n"
                 "[0.000] D: -ASYNCIO_EBROKENBARRIER\n");
    asyncio_barrier_fini(&barrier);
}

TEST(barrier_abort_half_drained, "B-04 #15: an abort while some have left sends the others away")
{
    half_way = asyncio_barrier_abort;
    EXPECT_INT(play(interfere_half_drained), 0);
    EXPECT(asyncio_barrier_broken(&barrier));
    EXPECT_TRACE("[0.000] E: 4\n"
                 "[0.000] A: 0\n"
                 "[0.000] B: 1\n"
                 "[0.000] B interferes\n"
                 "[0.000] C: -ASYNCIO_EBROKENBARRIER\n"
                 "[0.000] D: -ASYNCIO_EBROKENBARRIER\n");
    asyncio_barrier_fini(&barrier);
}

static int passes;

/* As in CPython's test of the same case: half of the crew is blocked when one of the rest interferes. */
static int half_blocked(void *arg)
{
    int r = asyncio_barrier_wait(&barrier);

    (void)arg;
    if (r == -ASYNCIO_EBROKENBARRIER) {
        trace("%s sent away", me());
        r = asyncio_barrier_wait(&barrier);
    } else if (++passes > 2) {
        trace("%s interferes", me());
        half_way(&barrier);
        r = asyncio_barrier_wait(&barrier);
    } else {
        trace("%s comes back", me());
        r = asyncio_barrier_wait(&barrier);
    }
    trace("%s: %s", me(), said(r));
    return 0;
}

static int interfere_half_blocked(void *arg)
{
    static const char *const names[] = {"A", "B", "C", "D", "E"};

    (void)arg;
    EXPECT_INT(asyncio_barrier_init(&barrier, 5), 0);
    for (int i = 0; i < 5; i++)
        spawn(half_blocked, NULL, names[i]);
    everybody();
    EXPECT_INT(asyncio_barrier_n_waiting(&barrier), 0);
    return 0;
}

TEST(barrier_reset_half_blocked, "B-03 #15: those who are blocked stay, and all five meet in the next round")
{
    half_way = asyncio_barrier_reset;
    EXPECT_INT(play(interfere_half_blocked), 0);
    EXPECT(!asyncio_barrier_broken(&barrier));
    EXPECT_TRACE("[0.000] E comes back\n"
                 "[0.000] A comes back\n"
                 "[0.000] B interferes\n"
                 "[0.000] C sent away\n"
                 "[0.000] D sent away\n"
                 "[0.000] D: 4\n"
                 "[0.000] E: 0\n"
                 "[0.000] A: 1\n"
                 "[0.000] B: 2\n"
                 "[0.000] C: 3\n");
    asyncio_barrier_fini(&barrier);
}

TEST(barrier_abort_half_blocked, "B-04 #15: an abort sends away those who are blocked, those who leave and those who "
                                 "come")
{
    half_way = asyncio_barrier_abort;
    EXPECT_INT(play(interfere_half_blocked), 0);
    EXPECT(asyncio_barrier_broken(&barrier));
    EXPECT_TRACE("[0.000] E comes back\n"
                 "[0.000] A comes back\n"
                 "[0.000] B interferes\n"
                 "[0.000] B: -ASYNCIO_EBROKENBARRIER\n"
                 "[0.000] C sent away\n"
                 "[0.000] C: -ASYNCIO_EBROKENBARRIER\n"
                 "[0.000] D sent away\n"
                 "[0.000] D: -ASYNCIO_EBROKENBARRIER\n"
                 "[0.000] E: -ASYNCIO_EBROKENBARRIER\n"
                 "[0.000] A: -ASYNCIO_EBROKENBARRIER\n");
    asyncio_barrier_fini(&barrier);
}

static int reset_when_drained(void *arg)
{
    int r;

    (void)arg;
    r = asyncio_barrier_wait(&barrier);
    EXPECT(r >= 0);
    if (++passes == 3) {
        trace("%s resets", me());
        asyncio_barrier_reset(&barrier);
    }
    r = asyncio_barrier_wait(&barrier);
    trace("%s: %s", me(), said(r));
    return 0;
}

static int reset_at_the_end_of_draining(void *arg)
{
    (void)arg;
    EXPECT_INT(asyncio_barrier_init(&barrier, 3), 0);
    spawn(reset_when_drained, NULL, "A");
    spawn(reset_when_drained, NULL, "B");
    spawn(reset_when_drained, NULL, "C");
    turns(2);
    EXPECT_TRACE("[0.000] B resets\n");
    spawn(pass, number(1), "D");
    spawn(pass, number(1), "E");
    everybody();
    return 0;
}

TEST(barrier_reset_after_draining, "B-03 #15: who was blocked has arrived when the last one leaves, so a reset after "
                                   "that sends it away")
{
    EXPECT_INT(play(reset_at_the_end_of_draining), 0);
    EXPECT_TRACE("[0.000] C: -ASYNCIO_EBROKENBARRIER\n"
                 "[0.000] A: -ASYNCIO_EBROKENBARRIER\n"
                 "[0.000] E: 2\n"
                 "[0.000] B: 0\n"
                 "[0.000] D: 1\n");
}

static int abort_filling(void *arg)
{
    (void)arg;
    EXPECT_INT(asyncio_barrier_init(&barrier, 3), 0);
    spawn(pass, number(1), "A");
    spawn(pass, number(1), "B");
    turns(1);
    asyncio_barrier_abort(&barrier);
    EXPECT(asyncio_barrier_broken(&barrier));
    EXPECT_INT(asyncio_barrier_n_waiting(&barrier), 0);
    EXPECT_INT(asyncio_barrier_wait(&barrier), -ASYNCIO_EBROKENBARRIER);
    everybody();
    EXPECT_INT(asyncio_barrier_wait(&barrier), -ASYNCIO_EBROKENBARRIER);
    EXPECT_PTR(barrier.loop, NULL);
    trace("reset");
    asyncio_barrier_reset(&barrier);
    EXPECT(!asyncio_barrier_broken(&barrier));
    spawn(pass, number(1), "C");
    spawn(pass, number(1), "D");
    spawn(pass, number(1), "E");
    everybody();
    return 0;
}

TEST(barrier_abort_then_reset, "B-04: broken for all who wait and all who come, until a reset")
{
    EXPECT_INT(play(abort_filling), 0);
    EXPECT_TRACE("[0.000] A: -ASYNCIO_EBROKENBARRIER\n"
                 "[0.000] B: -ASYNCIO_EBROKENBARRIER\n"
                 "[0.000] reset\n"
                 "[0.000] E: 2\n"
                 "[0.000] C: 0\n"
                 "[0.000] D: 1\n");
    asyncio_barrier_fini(&barrier);
}

static int abort_reset_at_once(void *arg)
{
    (void)arg;
    EXPECT_INT(asyncio_barrier_init(&barrier, 2), 0);
    spawn(pass, number(1), "A");
    turns(1);
    asyncio_barrier_abort(&barrier);
    asyncio_barrier_reset(&barrier);
    EXPECT(!asyncio_barrier_broken(&barrier));
    spawn(pass, number(1), "B");
    spawn(pass, number(1), "C");
    everybody();
    return 0;
}

TEST(barrier_abort_and_reset_in_one_step, "B-02 B-04 #15: who was sent away by the abort leaves before the next round"
                                          " fills")
{
    EXPECT_INT(play(abort_reset_at_once), 0);
    EXPECT_TRACE("[0.000] A: -ASYNCIO_EBROKENBARRIER\n"
                 "[0.000] C: 1\n"
                 "[0.000] B: 0\n");
    asyncio_barrier_fini(&barrier);
}

static int cancel_sent_away(void *arg)
{
    struct asyncio_future *a;

    (void)arg;
    EXPECT_INT(asyncio_barrier_init(&barrier, 3), 0);
    a = spawn(pass, number(1), "A");
    spawn(pass, number(1), "B");
    turns(1);
    asyncio_barrier_reset(&barrier);
    cancel(a);
    everybody();
    EXPECT_INT(barrier.count, 0);
    EXPECT_PTR(barrier.loop, NULL);
    return asyncio_barrier_n_waiting(&barrier) == 0 ? 0 : 1;
}

TEST(barrier_cancel_after_reset, "B-03 B-05 #15: a cancel that meets one who is being sent away is delivered; it has "
                                 "left all the same")
{
    EXPECT_INT(play(cancel_sent_away), 0);
    EXPECT_TRACE("[0.000] A: -ECANCELED\n"
                 "[0.000] B: -ASYNCIO_EBROKENBARRIER\n");
    asyncio_barrier_fini(&barrier);
}

static int cancel_blocked_when_aborted(void *arg)
{
    struct asyncio_future *c;

    (void)arg;
    EXPECT_INT(asyncio_barrier_init(&barrier, 2), 0);
    spawn(pass, number(1), "A");
    spawn(pass, number(1), "B");
    c = spawn(pass, number(1), "C");
    turns(1);
    asyncio_barrier_abort(&barrier);
    cancel(c);
    everybody();
    EXPECT_INT(barrier.count, 0);
    EXPECT_PTR(barrier.loop, NULL);
    return 0;
}

TEST(barrier_cancel_blocked_after_abort, "B-04 #15: one who was blocked and never arrived is not counted out when it "
                                         "is cancelled late")
{
    EXPECT_INT(play(cancel_blocked_when_aborted), 0);
    EXPECT_TRACE("[0.000] B: 1\n"
                 "[0.000] A: -ASYNCIO_EBROKENBARRIER\n"
                 "[0.000] C: -ECANCELED\n");
    asyncio_barrier_fini(&barrier);
}

static int abort_on_error(void *arg)
{
    int r = asyncio_barrier_wait(&barrier);

    (void)arg;
    if (r == 2) {
        asyncio_barrier_abort(&barrier);
        trace("%s aborts", me());
        return 0;
    }
    if (r >= 0)
        r = asyncio_barrier_wait(&barrier);
    trace("%s: %s", me(), said(r));
    return 0;
}

static int abort_when_one_fails(void *arg)
{
    static const char *const names[] = {"A", "B", "C", "D", "E"};

    (void)arg;
    EXPECT_INT(asyncio_barrier_init(&barrier, 5), 0);
    for (int i = 0; i < 5; i++)
        spawn(abort_on_error, NULL, names[i]);
    everybody();
    EXPECT(asyncio_barrier_broken(&barrier));
    return 0;
}

TEST(barrier_abort_when_one_fails, "B-04 #15: the one that fails releases all the others, wherever they are")
{
    EXPECT_INT(play(abort_when_one_fails), 0);
    EXPECT_TRACE("[0.000] C aborts\n"
                 "[0.000] D: -ASYNCIO_EBROKENBARRIER\n"
                 "[0.000] E: -ASYNCIO_EBROKENBARRIER\n"
                 "[0.000] A: -ASYNCIO_EBROKENBARRIER\n"
                 "[0.000] B: -ASYNCIO_EBROKENBARRIER\n");
    asyncio_barrier_fini(&barrier);
}

/* ------------------------------------------------------------------------------------------------------------- Rest */

static int barrier_with_timeout(void *arg)
{
    struct asyncio_timeout timeout;

    (void)arg;
    EXPECT_INT(asyncio_barrier_init(&barrier, 2), 0);
    EXPECT_INT(asyncio_timeout_enter(&timeout, 1), 0);
    EXPECT_INT(asyncio_timeout_exit(&timeout, asyncio_barrier_wait(&barrier)), -ETIMEDOUT);
    trace("timed out");
    return asyncio_barrier_n_waiting(&barrier) == 0 ? 0 : 1;
}

TEST(barrier_timeout, "B-05: a wait that times out has left the barrier")
{
    EXPECT_INT(run(barrier_with_timeout, NULL), 0);
    EXPECT_TRACE("[1.000] timed out\n");
}

static int barrier_misuse(void *arg)
{
    (void)arg;
    return asyncio_barrier_wait(&barrier);
}

TEST(barrier_misuse,
     "B-01: less than one party or more than an int, no barrier and one that is only zeroed are -EINVAL, no task is "
     "-ENOTASK")
{
    EXPECT_INT(asyncio_barrier_init(&barrier, 0), -EINVAL);
    EXPECT_INT(asyncio_barrier_init(&barrier, -3), -EINVAL);
    EXPECT_INT(asyncio_barrier_init(&barrier, INT32_MAX + 1L), -EINVAL);
    EXPECT_INT(asyncio_barrier_init(NULL, 1), -EINVAL);
    EXPECT_INT(asyncio_barrier_wait(NULL), -EINVAL);
    EXPECT_INT(run(barrier_misuse, NULL), -EINVAL);
    EXPECT_INT(asyncio_barrier_parties(NULL), 0);
    EXPECT_INT(asyncio_barrier_n_waiting(NULL), 0);
    EXPECT(!asyncio_barrier_broken(NULL));
    asyncio_barrier_reset(NULL);
    asyncio_barrier_abort(NULL);
    asyncio_barrier_fini(NULL);
    EXPECT_INT(asyncio_barrier_init(&barrier, 1), 0);
    EXPECT_INT(asyncio_barrier_wait(&barrier), -ASYNCIO_ENOTASK);
}

static int park_at_barrier(void *arg)
{
    (void)arg;
    spawn(pass, number(1), "A");
    turns(1);
    return 0;
}

static int wait_at_barrier(void *arg)
{
    (void)arg;
    return asyncio_barrier_wait(&barrier);
}

TEST_NO_SWEEP(barrier_foreign_loop, "B-01: bound to a loop while somebody is inside",
              "a run that fails leaves a suspended task to nobody")
{
    struct asyncio_loop *one = NULL, *two = NULL;

    EXPECT_INT(asyncio_barrier_init(&barrier, 2), 0);
    EXPECT_INT(new_loop(&one), 0);
    EXPECT_INT(new_loop(&two), 0);
    EXPECT_INT(asyncio_loop_run_until_complete(one, park_at_barrier, NULL), 0);
    EXPECT_INT(asyncio_loop_run_until_complete(two, wait_at_barrier, NULL), -ASYNCIO_EFOREIGNLOOP);
    EXPECT_INT(asyncio_loop_run_until_complete(one, wait_at_barrier, NULL), 1);
    EXPECT_INT(asyncio_loop_run_until_complete(one, finish_crew, NULL), 0);
    EXPECT_TRACE("[0.000] A: 0\n");
    EXPECT_PTR(barrier.loop, NULL);
    dismiss_crew();
    close_loop(one);
    close_loop(two);
}

static int rounds_done;

static int hardened_party(void *arg)
{
    while (rounds_done < number_of(arg)) {
        int r = asyncio_barrier_wait(&barrier);

        if (r == 2)
            rounds_done++;
        if (r >= 0)
            EXPECT(r < 3);
        turns(chance(2));
    }
    return 0;
}

static int barrier_stress(void *arg)
{
    (void)arg;
    rounds_done = 0;
    EXPECT_INT(asyncio_barrier_init(&barrier, 3), 0);
    for (int i = 0; i < 10; i++)
        spawn(hardened_party, number(60), "party");
    turns(1); /* cancelled before its first step, a task never runs */
    while (rounds_done < 60) {
        torment(3);
        if (chance(20) == 0)
            asyncio_barrier_reset(&barrier);
        if (chance(20) == 0)
            asyncio_barrier_abort(&barrier);
        if (asyncio_barrier_broken(&barrier) && chance(3) == 0)
            asyncio_barrier_reset(&barrier);
    }
    /* Those who still wait for a round that will not come. */
    asyncio_barrier_abort(&barrier);
    everybody();
    EXPECT_INT(barrier.count, 0);
    EXPECT_PTR(barrier.loop, NULL);
    asyncio_barrier_fini(&barrier);
    return 0;
}

TEST_NO_SWEEP(barrier_random_cancels, "B-02 B-05 #15: cancels, resets and aborts at random moments leave no one behind",
              "too long")
{
    seed_chance(test_seed());
    for (int i = 0; i < 20; i++)
        EXPECT_INT(play(barrier_stress), 0);
}

static int describe_barrier(void *arg)
{
    (void)arg;
    EXPECT_INT(asyncio_barrier_init(&barrier, 2), 0);
    barrier.name = "start";
    spawn(pass, number(1), "A");
    turns(1);
    EXPECT(dump_says("barrier 'start' where 1 of 2 have arrived"));
    spawn(pass, number(1), "B");
    spawn(pass, number(1), "C");
    turns(1);
    EXPECT(dump_says("barrier 'start' that 1 have yet to leave"));
    turns(1);
    asyncio_barrier_abort(&barrier);
    return everybody();
}

TEST(barrier_in_dumps, "B-01 B-02: a dump says which barrier a task waits at, and for how many")
{
    EXPECT_INT(play(describe_barrier), true);
    EXPECT_TRACE("[0.000] B: 1\n"
                 "[0.000] A: 0\n"
                 "[0.000] C: -ASYNCIO_EBROKENBARRIER\n");
}

#ifndef NDEBUG
static int fini_barrier_early(void *arg)
{
    EXPECT_INT(asyncio_barrier_init(&barrier, 2), 0);
    spawn(pass, number(1), "A");
    turns(1);
    if (arg)
        EXPECT_INT(asyncio_barrier_wait(&barrier), 1);
    asyncio_barrier_fini(&barrier);
    return 0;
}

TEST_DIES(barrier_fini_with_waiters, SIGABRT, "asyncio_barrier_fini")
{
    ASYNCIO_IGNORE(run(fini_barrier_early, NULL));
}

TEST_DIES(barrier_fini_while_draining, SIGABRT, "asyncio_barrier_fini")
{
    ASYNCIO_IGNORE(run(fini_barrier_early, &barrier));
}
#endif
