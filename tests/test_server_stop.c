/* test_server_stop.c -- how a server ends: closing, its clients' ends, waiting for both, stopping gracefully, and the
 * loop's close; and cancels in each of these at every step. */
#include "servers_rig.h"

#define SERVE(client_connected, arg, ...) \
    EXPECT_INT(asyncio_start_unix_server((client_connected), (arg), a_path(), &server, ##__VA_ARGS__), 0)

static int wait_closed(void *arg)
{
    int r = asyncio_server_wait_closed(arg);

    trace("%s: wait_closed: %s", me(), said(r));
    return r;
}

/* ------------------------------------------------------------------------------------------------------ wait_closed */

static int waiting(void *arg)
{
    struct asyncio_socket *one, *two;

    (void)arg;
    SERVE(lingerer, NULL);
    one = call_in();
    two = call_in();
    spawn(wait_closed, server, "a");
    spawn(wait_closed, server, "b");
    EXPECT_INT(asyncio_sleep(1), 0);
    hang_up(one);
    EXPECT_INT(asyncio_sleep(1), 0);
    trace("close");
    asyncio_server_close(server);
    EXPECT_INT(asyncio_sleep(1), 0);
    trace("the last one goes");
    hang_up(two);
    everybody();
    EXPECT_INT(asyncio_server_wait_closed(server), 0);
    end_server();
    return 0;
}

TEST(wait_closed_waits, "SV-04 #93: wait_closed waits, also before close, until it is closed and has no client; each "
                        "waiter is released once")
{
    EXPECT_INT(play(waiting), 0);
    EXPECT_TRACE("[0.000] client 1 begins\n[0.000] client 2 begins\n[1.000] client 1 ends: 0\n[2.000] close\n"
                 "[3.000] the last one goes\n[3.000] client 2 ends: 0\n"
                 "[3.000] a: wait_closed: 0\n[3.000] b: wait_closed: 0\n");
}

static int closed_without_clients(void *arg)
{
    (void)arg;
    SERVE(lingerer, NULL);
    spawn(wait_closed, server, "a");
    EXPECT_INT(asyncio_sleep(1), 0);
    asyncio_server_close(server);
    everybody();
    end_server();
    return 0;
}

TEST(wait_closed_without_clients, "SV-04 #93: without clients, close alone releases who waits")
{
    EXPECT_INT(play(closed_without_clients), 0);
    EXPECT_TRACE("[1.000] a: wait_closed: 0\n");
}

static int works_on(struct asyncio_streamreader *reader, struct asyncio_streamwriter *writer, void *arg)
{
    char byte;

    (void)arg;
    EXPECT_INT(asyncio_streamreader_read(reader, &byte, 1), 0);
    asyncio_streamwriter_close(writer);
    EXPECT_INT(asyncio_sleep(5), 0);
    trace("%s ends", me());
    return 0;
}

static int lost_before_the_end(void *arg)
{
    (void)arg;
    SERVE(works_on, NULL);
    hang_up(call_in());
    EXPECT_INT(asyncio_sleep(1), 0);
    asyncio_server_close(server);
    spawn(wait_closed, server, "a");
    everybody();
    end_server();
    return 0;
}

TEST(wait_closed_waits_for_tasks, "SV-04: a client whose connection is gone counts until its task has ended, too")
{
    EXPECT_INT(play(lost_before_the_end), 0);
    EXPECT_TRACE("[5.000] client 1 ends\n[5.000] a: wait_closed: 0\n");
}

static int waits_for_itself(struct asyncio_streamreader *reader, struct asyncio_streamwriter *writer, void *arg)
{
    (void)reader;
    (void)writer;
    (void)arg;
    asyncio_server_close(server);
    trace("wait_closed: %s", said(asyncio_server_wait_closed(server)));
    trace("stop: %s", said(asyncio_server_stop(server, 5)));
    return 0;
}

static int closed_by_a_client(void *arg)
{
    (void)arg;
    SERVE(waits_for_itself, NULL);
    trace("hears %s", hear_all(call_in()));
    end_server();
    return 0;
}

TEST(from_a_client, "SV-04: a client that would wait for its own end is refused; it can stop the others")
{
    EXPECT_INT(play(closed_by_a_client), 0);
    EXPECT_TRACE("[0.000] wait_closed: -EDEADLK\n[0.000] stop: 0\n[0.000] hears \n");
}

/* ------------------------------------------------------------------------------------------- Scopes and references */

static int last_reference(void *arg)
{
    struct asyncio_socket *caller;

    (void)arg;
    SERVE(echo, NULL);
    caller = call_in();
    EXPECT_STR(echo_of(caller, "before"), "before");
    asyncio_server_ref(server);
    asyncio_server_unref(server);
    EXPECT(asyncio_server_is_serving(server));
    server = asyncio_server_unref(server);
    EXPECT_STR(echo_of(caller, "after"), "after");
    hang_up(caller);
    settle();
    return 0;
}

TEST(last_reference_closes, "SV-06: the last reference closes the server; its clients go on")
{
    EXPECT_INT(play(last_reference), 0);
}

static int gone_while_it_waits(void *arg)
{
    struct asyncio_socket *caller;

    (void)arg;
    SERVE(lingerer, NULL);
    caller = call_in();
    spawn(wait_closed, server, "a");
    settle();
    server = asyncio_server_unref(server);
    settle();
    hang_up(caller);
    everybody();
    return 0;
}

TEST(unref_while_waiting, "SV-04: a server stays while somebody waits for its end, though nobody references it")
{
    EXPECT_INT(play(gone_while_it_waits), 0);
    EXPECT_TRACE("[0.000] client 1 begins\n[0.002] client 1 ends: 0\n[0.002] a: wait_closed: 0\n");
}

static int left_open(void *arg)
{
    SERVE(lingerer, NULL);
    if (arg) {
        call_in();
        settle();
    }
    while (n_callers > 0)
        asyncio_socket_unref(callers[--n_callers]);
    if (arg)
        asyncio_server_close(server);
    return 0;
}

TEST(left_to_the_loop, "SV-03: a loop that is closed closes its servers; they can be asked and unreferenced afterwards")
{
    struct asyncio_address address;

    EXPECT_INT(run(left_open, NULL), 0);
    EXPECT(!asyncio_server_is_serving(server));
    EXPECT_INT(asyncio_server_n_sockets(server), 0);
    EXPECT_INT(asyncio_server_n_clients(server), 0);
    if (server)
        EXPECT_INT(asyncio_server_sockname(server, 0, &address), -ASYNCIO_ECLOSED);
    asyncio_server_close(server);
    asyncio_server_close_clients(server);
    end_server();
    EXPECT_INT(run(left_open, server), 0);
    end_server();
    trace_clear();
}

TEST(left_with_a_client, "SV-03 ST-02: the teardown ends the clients, and the loop's close what is left of the server")
{
    EXPECT_INT(run(left_open, number(1)), 0);
    EXPECT_TRACE("[0.000] client 1 begins\n[0.001] client 1 ends: 0\n");
    end_server();
}

static int closed_in_the_middle(void *arg)
{
    size_t n;

    (void)arg;
    test_spare(ASYNCIO__ONE_AT_A_TIME, "it is about several at a time");
    SERVE(echo, NULL);
    for (int i = 0; i < 3; i++)
        call_in();
    for (int i = 0; i < 20 && asyncio_server_n_clients(server) == 0; i++)
        turns(1);
    asyncio_server_close(server);
    n = asyncio_server_n_clients(server);
    trace("closed with %s, %d were served", n > 0 ? "clients" : "none", n_served);
    while (n_callers > 0)
        hang_up(callers[0]);
    EXPECT_INT(asyncio_server_wait_closed(server), 0);
    trace("%s served", n_served == (int)n ? "all are" : "not all are");
    end_server();
    return 0;
}

TEST(close_while_accepting, "SV-03 #93: clients that were accepted in the turn of the close are served, and waited for")
{
    n_served = 0;
    EXPECT_INT(play(closed_in_the_middle), 0);
    EXPECT_TRACE("[0.000] closed with clients, 0 were served\n[0.000] all are served\n");
}

/* ------------------------------------------------------------------------------------------ close and abort clients */

/* Writes more than the kernel takes, and ends when it has been told. */
static int writer_of_much(struct asyncio_streamreader *reader, struct asyncio_streamwriter *writer, void *arg)
{
    static char block[64 * 1024];
    char byte;
    int r = 0;

    (void)arg;
    for (int i = 0; i < 64 && r == 0; i++)
        r = asyncio_streamwriter_write_nowait(writer, block, sizeof block);
    EXPECT_INT(r, 0);
    r = (int)asyncio_streamreader_read(reader, &byte, 1);
    trace("%s read: %s", me(), said(r));
    return 0;
}

/* How many bytes a caller gets, and the result that ends it. */
static void count_bytes(struct asyncio_socket *caller)
{
    static char block[64 * 1024];
    long long bytes = 0;
    ssize_t n = caller ? 1 : -EBADF;

    while (n > 0) {
        n = asyncio_sock_recv(caller, block, sizeof block);
        bytes += n > 0 ? n : 0;
    }
    trace("%s of it, then %s", bytes == 64 * 64 * 1024 ? "all" : "a part", said(n));
}

static int ended_clients(void *arg)
{
    struct asyncio_socket *caller;

    test_spare(ASYNCIO__SHORT_TRANSFERS, "it is about megabytes");
    SERVE(writer_of_much, NULL);
    caller = call_in();
    settle();
    if (arg)
        asyncio_server_abort_clients(server);
    else
        asyncio_server_close_clients(server);
    EXPECT(asyncio_server_is_serving(server));
    EXPECT_INT(asyncio_sleep(1), 0);
    count_bytes(caller);
    end_server();
    return 0;
}

TEST(close_clients, "SV-05: close_clients closes every connection once all is sent; the server goes on")
{
    EXPECT_INT(run(ended_clients, NULL), 0);
    EXPECT_TRACE("[0.001] client 1 read: 0\n[1.001] all of it, then 0\n");
}

TEST(abort_clients, "SV-05: abort_clients ends every connection at once")
{
    EXPECT_INT(run(ended_clients, number(1)), 0);
    EXPECT(strstr(transcript(), "[0.001] client 1 read: 0\n[1.001] a part of it, then -ECONNRESET\n") != NULL ||
           strstr(transcript(), "[0.001] client 1 read: 0\n[1.001] a part of it, then 0\n") != NULL);
    trace_clear();
}

static int flushing(struct asyncio_streamreader *reader, struct asyncio_streamwriter *writer, void *arg)
{
    static char block[64 * 1024];
    int r = 0;

    (void)reader;
    (void)arg;
    for (int i = 0; i < 64 && r == 0; i++)
        r = asyncio_streamwriter_write_nowait(writer, block, sizeof block);
    return r;
}

static int aborted_while_flushing(void *arg)
{
    (void)arg;
    SERVE(flushing, NULL);
    call_in();
    settle();
    asyncio_server_close(server);
    spawn(wait_closed, server, "a");
    EXPECT_INT(asyncio_sleep(1), 0);
    trace("%zu is left", asyncio_server_n_clients(server));
    asyncio_server_abort_clients(server);
    everybody();
    end_server();
    return 0;
}

TEST(abort_after_the_task, "SV-05 SV-04: a connection that is still being flushed counts, and can be aborted")
{
    EXPECT_INT(play(aborted_while_flushing), 0);
    EXPECT_TRACE("[1.001] 1 is left\n[1.001] a: wait_closed: 0\n");
}

/* ------------------------------------------------------------------------------------------------------------- stop */

/* Works for so many seconds; a negative number: says good-bye when it is cancelled. */
static int worker(struct asyncio_streamreader *reader, struct asyncio_streamwriter *writer, void *arg)
{
    int seconds = number_of(arg), r;

    (void)reader;
    r = asyncio_sleep(abs(seconds));
    trace("%s: %s", me(), said(r));
    if (r < 0 && seconds < 0)
        EXPECT_INT(asyncio_streamwriter_write(writer, "good-bye", 8), 0);
    return r;
}

static int stop_after(void *arg, double seconds, double close_timeout)
{
    SERVE(worker, arg, .close_timeout = close_timeout);
    call_in();
    call_in();
    settle();
    trace("stopped: %s", said(asyncio_server_stop(server, seconds)));
    EXPECT_INT(asyncio_server_n_clients(server), 0);
    trace("hears %s", hear_all(n_callers > 0 ? callers[0] : NULL));
    EXPECT_INT(asyncio_server_stop(server, seconds), 0);
    end_server();
    return 0;
}

static int stop_in_time(void *arg)
{
    (void)arg;
    return stop_after(number(3), 10, 0);
}

static int stop_too_early(void *arg)
{
    (void)arg;
    return stop_after(number(-30), 10, 0);
}

static int stop_at_once(void *arg)
{
    (void)arg;
    return stop_after(number(-30), 0, 0);
}

TEST(stop_in_time, "SV-05 SV-03: who ends by itself in time is not cancelled")
{
    EXPECT_INT(play(stop_in_time), 0);
    EXPECT_TRACE("[3.000] client 1: 0\n[3.000] client 2: 0\n[3.000] stopped: 0\n[3.000] hears \n");
}

TEST(stop_too_early, "SV-05: who does not is cancelled and may still say something")
{
    EXPECT_INT(play(stop_too_early), 0);
    EXPECT_TRACE("[10.001] client 1: -ECANCELED\n[10.001] client 2: -ECANCELED\n[10.001] stopped: 2\n"
                 "[10.001] hears good-bye\n");
}

TEST(stop_at_once, "SV-05: with no seconds they are cancelled at once")
{
    EXPECT_INT(play(stop_at_once), 0);
    EXPECT_TRACE("[0.001] client 1: -ECANCELED\n[0.001] client 2: -ECANCELED\n[0.001] stopped: 2\n"
                 "[0.001] hears good-bye\n");
}

static int stop_a_flood(void *arg)
{
    (void)arg;
    SERVE(flushing, NULL, .close_timeout = 4);
    call_in();
    settle();
    trace("stopped: %s", said(asyncio_server_stop(server, 10)));
    EXPECT_INT(asyncio_server_n_clients(server), 0);
    end_server();
    return 0;
}

TEST(stop_aborts, "SV-05: a peer that does not read what is left is given .close_timeout, then aborted")
{
    EXPECT_INT(play(stop_a_flood), 0);
    EXPECT(strstr(transcript(), "[4.00") != NULL && strstr(transcript(), "stopped: 0") != NULL);
    trace_clear();
}

static int stubborn(struct asyncio_streamreader *reader, struct asyncio_streamwriter *writer, void *arg)
{
    (void)reader;
    (void)writer;
    (void)arg;
    while (asyncio_sleep(20) < 0)
        trace("%s goes on", me());
    trace("%s ends", me());
    return 0;
}

static int stop_the_stubborn(void *arg)
{
    (void)arg;
    SERVE(stubborn, NULL, .close_timeout = 5);
    call_in();
    settle();
    trace("stopped: %s", said(asyncio_server_stop(server, 1)));
    /* A reset over TCP, the end over a Unix socket. */
    ASYNCIO_IGNORE(hear(n_callers > 0 ? callers[0] : NULL, 1) == NULL);
    trace("hears no more");
    EXPECT_INT(asyncio_server_wait_closed(server), 0);
    end_server();
    return 0;
}

TEST(stop_ends,
     "SV-05: a task that ignores its cancel does not keep stop from returning; wait_closed still waits for it")
{
    EXPECT_INT(play(stop_the_stubborn), 0);
    EXPECT_TRACE("[1.001] client 1 goes on\n[6.001] stopped: 1\n[6.001] hears no more\n[21.001] client 1 ends\n");
}

static struct asyncio_streamwriter *kept[8];
static int n_kept;

/* Leaves its writer to somebody else: at once, or when it is cancelled. */
static int keeper(struct asyncio_streamreader *reader, struct asyncio_streamwriter *writer, void *arg)
{
    (void)reader;
    if (n_kept < 8)
        kept[n_kept++] = asyncio_streamwriter_ref(writer);
    if (arg)
        ASYNCIO_IGNORE(asyncio_sleep(1000));
    return 0;
}

static int stop_kept(void *arg)
{
    n_kept = 0;
    SERVE(keeper, arg);
    call_in();
    call_in();
    settle();
    trace("stopped: %s", said(asyncio_server_stop(server, 3)));
    EXPECT_INT(asyncio_server_n_clients(server), 0);
    while (n_kept > 0)
        asyncio_streamwriter_unref(kept[--n_kept]);
    end_server();
    return 0;
}

TEST(stop_closes_what_was_kept, "SV-05: connections without a task are closed, whoever has references")
{
    EXPECT_INT(run(stop_kept, NULL), 0);
    EXPECT_TRACE("[0.001] stopped: 0\n");
    EXPECT_INT(run(stop_kept, number(1)), 0);
    EXPECT_TRACE("[3.001] stopped: 2\n");
}
