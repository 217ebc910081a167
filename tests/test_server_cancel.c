/* test_server_cancel.c -- cancels at every step of the calls of a server that wait: after no turn, after one, after two
 * ..., until the call comes to its end before. */
#include "servers_rig.h"

#define MOST_STEPS 40

static int n_cancelled, n_ended; /* calls that met their cancel, and that had ended before */

/* Runs a call in a task that is cancelled after so many turns. Returns: what the call did. */
static int cancel_after(asyncio_coro *call, int n)
{
    struct asyncio_future *task = asyncio_create_task(call, NULL);
    int r;

    turns(n);
    asyncio_future_cancel(task);
    ASYNCIO_IGNORE(asyncio_wait(&task, 1, ASYNCIO_FOREVER, ASYNCIO_ALL_COMPLETED));
    r = asyncio_future_result(task);
    asyncio_future_unref(task);
    if (r == -ECANCELED)
        n_cancelled++;
    else
        n_ended++;
    return r;
}

static int start(void *arg)
{
    (void)arg;
    return asyncio_start_unix_server(echo, NULL, a_path(), &server);
}

/* A server with some clients that are served. */
static void start_with_clients(int n)
{
    EXPECT_INT(start(NULL), 0);
    for (int i = 0; i < n; i++)
        EXPECT_STR(echo_of(call_in(), "hello"), "hello");
}

static void end_and_wait(void)
{
    asyncio_server_close(server);
    while (n_callers > 0)
        hang_up(callers[0]);
    if (server)
        EXPECT_INT(asyncio_server_wait_closed(server), 0);
    end_server();
}

/* The name is free again, and a server there works as if nothing had been. */
static void try_again(void)
{
    start_with_clients(1);
    EXPECT_INT(asyncio_server_n_clients(server), 1);
    end_and_wait();
}

static int starting(void *arg)
{
    (void)arg;
    for (int n = 0; n < MOST_STEPS && n_ended == 0; n++) {
        if (cancel_after(start, n) == 0)
            end_and_wait();
        EXPECT_PTR(server, NULL);
        try_again();
    }
    trace("start_server: cancelled in %d steps", n_cancelled);
    return 0;
}

TEST(start_server, "N-15: a start_server that is cancelled leaves nothing behind")
{
    EXPECT_INT(play(starting), 0);
    EXPECT_TRACE("[0.000] start_server: cancelled in 2 steps\n");
}

static int serve_later(void *arg)
{
    (void)arg;
    return asyncio_server_start_serving(server);
}

static int starting_to_serve(void *arg)
{
    (void)arg;
    for (int n = 0; n < MOST_STEPS && n_ended == 0; n++) {
        EXPECT_INT(asyncio_start_unix_server(echo, NULL, a_path(), &server, .no_start_serving = true), 0);
        if (cancel_after(serve_later, n) < 0)
            EXPECT(!asyncio_server_is_serving(server));
        EXPECT_INT(asyncio_server_start_serving(server), 0);
        EXPECT_STR(echo_of(call_in(), "hello"), "hello");
        end_and_wait();
    }
    trace("start_serving: cancelled in %d steps", n_cancelled);
    return 0;
}

TEST(start_serving, "SV-01 N-15: a start_serving that is cancelled has not begun to serve, and may be asked for again")
{
    EXPECT_INT(play(starting_to_serve), 0);
    EXPECT_TRACE("[0.000] start_serving: cancelled in 2 steps\n");
}

/* The clients go by themselves, some turns after the beginning. */
static int go_after_some_turns(void *arg)
{
    turns(number_of(arg));
    while (n_callers > 0)
        hang_up(callers[0]);
    return 0;
}

static int serve_for_ever(void *arg)
{
    (void)arg;
    return asyncio_server_serve_forever(server);
}

static int serving_for_ever(void *arg)
{
    (void)arg;
    for (int n = 0; n < 8; n++) {
        struct asyncio_future *leaver;

        start_with_clients(2);
        leaver = asyncio_create_task(go_after_some_turns, number(4));
        EXPECT_INT(cancel_after(serve_for_ever, n), -ECANCELED);
        /* A task that was cancelled before it began has not closed anything. */
        EXPECT_INT(asyncio_server_is_serving(server), n == 0);
        if (n > 0)
            EXPECT_INT(asyncio_server_n_clients(server), 0);
        ASYNCIO_IGNORE(asyncio_await(leaver));
        asyncio_future_unref(leaver);
        end_and_wait();
    }
    return 0;
}

TEST(serve_forever, "SV-02: whenever serve_forever is cancelled, it closes the server and waits for the clients")
{
    EXPECT_INT(play(serving_for_ever), 0);
}

static int wait_for_end(void *arg)
{
    (void)arg;
    return asyncio_server_wait_closed(server);
}

static int waiting(void *arg)
{
    (void)arg;
    for (int n = 0; n < MOST_STEPS && n_ended == 0; n++) {
        struct asyncio_future *leaver;

        start_with_clients(2);
        asyncio_server_close(server);
        leaver = asyncio_create_task(go_after_some_turns, number(3));
        if (cancel_after(wait_for_end, n) == 0)
            EXPECT_INT(asyncio_server_n_clients(server), 0);
        ASYNCIO_IGNORE(asyncio_await(leaver));
        asyncio_future_unref(leaver);
        end_and_wait();
    }
    EXPECT(n_cancelled > 3 && n_ended == 1);
    return 0;
}

TEST(wait_closed, "SV-04 #93: a wait_closed that is cancelled changes nothing; the next one waits for the same")
{
    EXPECT_INT(play(waiting), 0);
}

static int stop_at_once(void *arg)
{
    (void)arg;
    return (int)asyncio_server_stop(server, 0);
}

static int stopping(void *arg)
{
    (void)arg;
    for (int n = 0; n < MOST_STEPS && n_ended == 0; n++) {
        int r;

        start_with_clients(2);
        r = cancel_after(stop_at_once, n);
        EXPECT_INT(asyncio_server_is_serving(server), n == 0);
        if (r >= 0) {
            EXPECT_INT(r, 2);
            EXPECT_INT(asyncio_server_n_clients(server), 0);
        }
        end_and_wait();
    }
    EXPECT(n_cancelled > 2 && n_ended == 1);
    return 0;
}

TEST(stop, "SV-05: a stop that is cancelled has closed the server; the clients that it has not cancelled go on")
{
    EXPECT_INT(play(stopping), 0);
}

static int clients_cancelled(void *arg)
{
    (void)arg;
    for (int n = 0; n < 12; n++) {
        struct asyncio_future *tasks[8];
        ssize_t n_tasks;

        EXPECT_INT(start(NULL), 0);
        call_in();
        call_in();
        turns(n);
        n_tasks = asyncio_all_tasks(tasks, 8);
        for (ssize_t i = 0; i < n_tasks; i++) {
            if (tasks[i] != asyncio_current_task())
                cancel(tasks[i]);
            asyncio_future_unref(tasks[i]);
        }
        turns(3);
        EXPECT(asyncio_server_is_serving(server));
        EXPECT_STR(echo_of(call_in(), "hello"), "hello");
        end_and_wait();
    }
    return 0;
}

TEST(clients, "ST-02: clients that are cancelled at any step of their beginning end, and the server goes on")
{
    EXPECT_INT(play(clients_cancelled), 0);
}

static int closed_at_any_step(void *arg)
{
    (void)arg;
    for (int n = 0; n < 12; n++) {
        EXPECT_INT(start(NULL), 0);
        for (int i = 0; i < 3; i++)
            call_in();
        turns(n);
        if (n % 2)
            asyncio_server_abort_clients(server);
        if (n % 3)
            asyncio_server_close(server);
        server = asyncio_server_unref(server);
        turns(n % 4);
        while (n_callers > 0)
            hang_up(callers[0]);
    }
    settle();
    return 0;
}

TEST(closed_at_any_step,
     "SV-03 SV-05 #93: a server that is closed and let go of while clients come leaves nothing behind")
{
    EXPECT_INT(play(closed_at_any_step), 0);
}

/* -------------------------------------------------------------------------------------------------------- At random */

static int visitor(void *arg)
{
    struct asyncio_socket *caller = NULL;
    int r = asyncio_sleep(0.001 * chance(20));

    (void)arg;
    if (r == 0)
        r = try_to_call(&caller);
    for (int i = chance(4); i > 0 && caller && r == 0; i--) {
        r = asyncio_sock_sendall(caller, "hello", 5);
        if (r == 0 && chance(2))
            ASYNCIO_IGNORE(hear(caller, 5) == NULL);
        if (r == 0)
            r = asyncio_sleep(0.001 * chance(3));
    }
    hang_up(caller);
    return 0;
}

/* One thing that may happen to a server. */
static void something(void)
{
    struct asyncio_future *tasks[64];
    ssize_t n = asyncio_all_tasks(tasks, 64);

    switch (chance(8)) {
    case 0:
        asyncio_server_close_clients(server);
        break;
    case 1:
        asyncio_server_abort_clients(server);
        break;
    case 2:
        if (tasks[chance((int)n)] != asyncio_current_task())
            for (ssize_t i = 0; i < n; i += 3)
                if (strncmp(asyncio_task_get_name(tasks[i]), "client", 6) == 0)
                    cancel(tasks[i]);
        break;
    case 3:
        if (chance(3) == 0)
            asyncio_server_close(server);
        break;
    }
    for (ssize_t i = 0; i < n; i++)
        asyncio_future_unref(tasks[i]);
}

static int churn(void *arg)
{
    (void)arg;
    EXPECT_INT(asyncio_start_unix_server(echo, NULL, a_path(), &server, .max_connections = (size_t)chance(6)), 0);
    for (int i = 0; i < 24; i++)
        spawn(visitor, NULL, "visitor");
    for (int i = 0; i < 12; i++) {
        something();
        EXPECT_INT(asyncio_sleep(0.002), 0);
    }
    if (chance(2))
        EXPECT(asyncio_server_stop(server, 0.001 * chance(10)) >= 0);
    asyncio_server_close(server);
    EXPECT(everybody());
    EXPECT_INT(asyncio_server_wait_closed(server), 0);
    EXPECT_INT(asyncio_server_n_clients(server), 0);
    end_server();
    return 0;
}

static const char *faults;

static int faulty_machine(struct asyncio_loop **ret_loop)
{
    char backend[160];

    snprintf(backend, sizeof backend, "%s%s", test_backend(), faults);
    return test_on_sim() ? asyncio_new_event_loop(ret_loop, .backend = backend) : new_loop(ret_loop);
}

TEST_NO_SWEEP(anything,
              "SV-03 SV-04 SV-05 R10 #93: whatever happens to a server and its clients, in the end it is over",
              "it is random enough")
{
    static const char *const machines[] = {"", ",later=50,eintr=20", ",delay=700,permute", ",exhaust=30,later=30"};

    for (uint64_t seed = 1; seed <= 40; seed++) {
        seed_chance(test_seed() * 1000 + seed);
        faults = machines[seed % 4];
        EXPECT_INT(asyncio_run(churn, NULL, .loop_factory = faulty_machine), 0);
        dismiss_crew();
        EXPECT(captured_log() != NULL);
    }
}
