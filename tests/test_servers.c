/* test_servers.c -- servers: who is served and how, what ends a server, and what is left of it then. */
#include "servers_rig.h"

#include <netinet/tcp.h>

/* Starts a server on an abstract Unix socket. */
#define SERVE(client_connected, arg, ...) \
    EXPECT_INT(asyncio_start_unix_server((client_connected), (arg), a_path(), &server, ##__VA_ARGS__), 0)

/* ------------------------------------------------------------------------------------------------------- Serving */

static int two_clients(void *arg)
{
    struct asyncio_socket *one, *two;

    (void)arg;
    SERVE(echo, NULL);
    one = call_in();
    two = call_in();
    trace("one hears %s", echo_of(one, "first"));
    trace("two hears %s", echo_of(two, "second"));
    trace("one hears %s", echo_of(one, "third"));
    EXPECT_INT(asyncio_server_n_clients(server), 2);
    hang_up(one);
    hang_up(two);
    asyncio_server_close(server);
    EXPECT_INT(asyncio_server_wait_closed(server), 0);
    EXPECT_INT(asyncio_server_n_clients(server), 0);
    EXPECT_INT(asyncio_server_counts(server).accepted, 2);
    EXPECT_INT(asyncio_server_counts(server).shed, 0);
    EXPECT_INT(n_served, 2);
    end_server();
    return 0;
}

TEST(serves, "ST-02 ST-03: each client is served by a task of its own")
{
    EXPECT_INT(play(two_clients), 0);
    EXPECT_TRACE("[0.000] one hears first\n[0.000] two hears second\n[0.000] one hears third\n");
}

static int sender(struct asyncio_streamreader *reader, struct asyncio_streamwriter *writer, void *arg)
{
    (void)reader;
    trace("%s serves %s", me(), (const char *)arg);
    return asyncio_streamwriter_write(writer, "farewell", 8);
}

static int names_and_arguments(void *arg)
{
    (void)arg;
    SERVE(sender, word("an argument"));
    trace("hears %s", hear_all(call_in()));
    trace("hears %s", hear_all(call_in()));
    end_server();
    return 0;
}

TEST(closed_on_return, "ST-02: when client_connected returns, what it wrote is sent and the connection closed")
{
    EXPECT_INT(play(names_and_arguments), 0);
    EXPECT_TRACE("[0.000] client 1 serves an argument\n[0.000] hears farewell\n[0.000] client 2 serves an argument\n"
                 "[0.000] hears farewell\n");
}

static int a_crowd(void *arg)
{
    (void)arg;
    n_served = 0;
    SERVE(echo, NULL, .backlog = 250);
    for (int i = 0; i < 200; i++)
        call_in();
    for (int i = 0; i < n_callers; i++) {
        char text[8];

        snprintf(text, sizeof text, "%d", i);
        EXPECT_STR(echo_of(callers[i], text), text);
    }
    EXPECT_INT(asyncio_server_n_clients(server), 200);
    while (n_callers > 0)
        hang_up(callers[0]);
    asyncio_server_close(server);
    EXPECT_INT(asyncio_server_wait_closed(server), 0);
    EXPECT_INT(n_served, 200);
    EXPECT_INT(asyncio_server_counts(server).accepted, 200);
    end_server();
    return 0;
}

TEST_NO_SWEEP(serves_a_crowd, "#84: two hundred clients at once", "two hundred clients take their time")
{
    EXPECT_INT(play(a_crowd), 0);
}

static struct asyncio_streamwriter *kept;

static int keeper(struct asyncio_streamreader *reader, struct asyncio_streamwriter *writer, void *arg)
{
    (void)reader;
    (void)arg;
    kept = asyncio_streamwriter_ref(writer);
    return 0;
}

static int kept_writer(void *arg)
{
    struct asyncio_socket *caller;

    (void)arg;
    SERVE(keeper, NULL);
    caller = call_in();
    for (int i = 0; i < 50 && !kept; i++)
        turns(1);
    settle();
    if (kept) {
        EXPECT(!asyncio_streamwriter_is_closing(kept));
        EXPECT_INT(asyncio_server_n_clients(server), 1);
        EXPECT_INT(asyncio_streamwriter_write(kept, "later", 5), 0);
        trace("hears %s", hear(caller, 5));
        kept = asyncio_streamwriter_unref(kept);
        trace("hears %s", hear(caller, 1));
        settle();
        EXPECT_INT(asyncio_server_n_clients(server), 0);
    }
    end_server();
    return 0;
}

TEST(kept_references, "ST-02: a connection that client_connected took a reference of stays, and is the server's client")
{
    kept = NULL;
    EXPECT_INT(play(kept_writer), 0);
    kept = asyncio_streamwriter_unref(kept);
    EXPECT_TRACE("[0.001] hears later\n[0.001] hears the end\n");
}

/* --------------------------------------------------------------------------------------------------- Ends of tasks */

static int failing(struct asyncio_streamreader *reader, struct asyncio_streamwriter *writer, void *arg)
{
    (void)reader;
    asyncio_streamwriter_unref(kept);
    kept = asyncio_streamwriter_ref(writer);
    ASYNCIO_IGNORE(asyncio_streamwriter_write(writer, "oh", 2));
    return number_of(arg);
}

static int failing_server(void *arg)
{
    listen_for_reports();
    SERVE(failing, arg);
    trace("hears %s", hear_all(call_in()));
    kept = asyncio_streamwriter_unref(kept);
    trace("hears %s", hear_all(call_in()));
    kept = asyncio_streamwriter_unref(kept);
    end_server();
    return 0;
}

TEST(failing_handler,
     "ST-02: an error is reported with its task, the connection closed though a reference was taken, and "
     "the server goes on")
{
    kept = NULL;
    EXPECT_INT(run(failing_server, number(-EDOM)), 0);
    kept = asyncio_streamwriter_unref(kept);
    EXPECT_TRACE("[0.000] reported: Unhandled exception in client_connected_cb, -EDOM, of client 1\n"
                 "[0.000] hears oh\n"
                 "[0.000] reported: Unhandled exception in client_connected_cb, -EDOM, of client 2\n"
                 "[0.000] hears oh\n");
}

TEST(cancelled_handler, "ST-02: -ECANCELED closes the connection and is not reported")
{
    kept = NULL;
    EXPECT_INT(run(failing_server, number(-ECANCELED)), 0);
    kept = asyncio_streamwriter_unref(kept);
    EXPECT_TRACE("[0.000] hears oh\n[0.000] hears oh\n");
}

/* Cancels all tasks but one's own. */
static void cancel_others(void)
{
    struct asyncio_future *tasks[8];
    ssize_t n = asyncio_all_tasks(tasks, 8);

    for (ssize_t i = 0; i < n; i++) {
        if (tasks[i] != asyncio_current_task())
            cancel(tasks[i]);
        asyncio_future_unref(tasks[i]);
    }
}

static int cancelled_clients(void *arg)
{
    struct asyncio_socket *caller;

    (void)arg;
    listen_for_reports();
    SERVE(lingerer, NULL);
    caller = call_in();
    settle();
    cancel_others();
    trace("hears %s", hear_all(caller));
    asyncio_server_close(server);
    EXPECT_INT(asyncio_server_wait_closed(server), 0);
    end_server();
    return 0;
}

TEST(cancelled_tasks, "ST-02: a task that is cancelled ends its client without a word")
{
    EXPECT_INT(play(cancelled_clients), 0);
    EXPECT_TRACE("[0.000] client 1 begins\n[0.001] client 1 ends: -ECANCELED\n[0.001] hears \n");
}

static struct asyncio_future *cancelling_factory(struct asyncio_loop *loop, asyncio_coro *fn, void *arg,
                                                 const struct asyncio_task_kw *kw)
{
    struct asyncio_future *task;

    asyncio_loop_set_task_factory(loop, NULL);
    task = asyncio_loop_create_task_kw(loop, fn, arg, kw);
    asyncio_future_cancel(task);
    return task;
}

static int never_begun(void *arg)
{
    (void)arg;
    SERVE(lingerer, NULL);
    asyncio_loop_set_task_factory(asyncio_get_running_loop(), cancelling_factory);
    trace("hears %s", hear_all(call_in()));
    asyncio_server_close(server);
    EXPECT_INT(asyncio_server_wait_closed(server), 0);
    end_server();
    asyncio_loop_set_task_factory(asyncio_get_running_loop(), NULL);
    return 0;
}

TEST(task_that_never_begins, "ST-02: nor does one that is cancelled before it begins leave its connection open")
{
    EXPECT_INT(play(never_begun), 0);
    EXPECT_TRACE("[0.000] hears \n");
}

static int eager_clients(void *arg)
{
    struct asyncio_socket *caller;

    (void)arg;
    listen_for_reports();
    SERVE(failing, number(-EDOM));
    asyncio_loop_set_task_factory(asyncio_get_running_loop(), asyncio_eager_task_factory);
    caller = call_in();
    trace("hears %s", hear_all(caller));
    kept = asyncio_streamwriter_unref(kept);
    asyncio_server_close(server);
    EXPECT_INT(asyncio_server_wait_closed(server), 0);
    end_server();
    return 0;
}

TEST(eager_tasks, "ST-02 T-14: tasks that start eagerly serve as well, and may end before they are known")
{
    kept = NULL;
    EXPECT_INT(play(eager_clients), 0);
    kept = asyncio_streamwriter_unref(kept);
    EXPECT_TRACE("[0.000] reported: Unhandled exception in client_connected_cb, -EDOM, of client 1\n"
                 "[0.000] hears oh\n");
}

static struct asyncio_contextvar who = {.name = "who"};

static int asks_who(struct asyncio_streamreader *reader, struct asyncio_streamwriter *writer, void *arg)
{
    (void)reader;
    (void)writer;
    (void)arg;
    trace("who: %s", (const char *)asyncio_contextvar_get(&who, word("nobody")));
    EXPECT_INT(asyncio_contextvar_set(&who, word("a client"), NULL), 0);
    return 0;
}

static int contexts(void *arg)
{
    (void)arg;
    EXPECT_INT(asyncio_contextvar_set(&who, word("the maker"), NULL), 0);
    SERVE(asks_who, NULL);
    EXPECT_INT(asyncio_contextvar_set(&who, word("somebody else"), NULL), 0);
    hear_all(call_in());
    hear_all(call_in());
    end_server();
    return 0;
}

TEST(context_of_clients, "X-01: each client runs in a copy of the context in which the server was started")
{
    EXPECT_INT(play(contexts), 0);
    EXPECT_TRACE("[0.000] who: the maker\n[0.000] who: the maker\n");
}

/* ------------------------------------------------------------------------------------------------ Starting to serve */

static int starting_late(void *arg)
{
    struct asyncio_socket *caller = NULL;
    struct asyncio_address address;

    (void)arg;
    SERVE(echo, NULL, .no_start_serving = true);
    EXPECT(!asyncio_server_is_serving(server));
    EXPECT_INT(asyncio_server_n_sockets(server), 1);
    EXPECT_PTR(asyncio_server_get_loop(server), asyncio_get_running_loop());
    EXPECT_INT(asyncio_server_sockname(server, 0, &address), 0);
    EXPECT_INT(asyncio_server_sockname(server, 1, &address), -EINVAL);
    EXPECT_INT(asyncio_socket(AF_UNIX, SOCK_STREAM, 0, &caller), 0);
    EXPECT_INT(asyncio_sock_connect(caller, &address), -ECONNREFUSED);
    asyncio_socket_unref(caller);
    EXPECT_INT(asyncio_server_start_serving(server), 0);
    EXPECT_INT(asyncio_server_start_serving(server), 0);
    EXPECT(asyncio_server_is_serving(server));
    caller = call_in();
    EXPECT_STR(echo_of(caller, "hello"), "hello");
    asyncio_server_close(server);
    asyncio_server_close(server);
    EXPECT(!asyncio_server_is_serving(server));
    EXPECT_INT(asyncio_server_n_sockets(server), 0);
    EXPECT_INT(asyncio_server_sockname(server, 0, &address), -ASYNCIO_ECLOSED);
    EXPECT_INT(asyncio_server_start_serving(server), -ASYNCIO_ECLOSED);
    EXPECT_INT(asyncio_server_serve_forever(server), -ASYNCIO_ECLOSED);
    end_server();
    return 0;
}

TEST(start_serving, "SV-01 SV-03: serving begins when it is asked for; closed, a server has no sockets")
{
    EXPECT_INT(play(starting_late), 0);
}

static int serve(void *arg)
{
    int r = asyncio_server_serve_forever(arg);

    trace("%s: serve_forever: %s%s%s", me(), said(r), *asyncio_error_detail() ? ", " : "", asyncio_error_detail());
    return r == -EBUSY ? 0 : r;
}

static int serving_forever(void *arg)
{
    struct asyncio_future *task;
    struct asyncio_socket *caller;

    (void)arg;
    SERVE(lingerer, NULL, .no_start_serving = true);
    task = spawn(serve, server, "one");
    spawn(serve, server, "two");
    settle();
    EXPECT(asyncio_server_is_serving(server));
    caller = call_in();
    EXPECT_INT(asyncio_sleep(1), 0);
    ASYNCIO_IGNORE(asyncio_future_cancel_with(task, "time is over"));
    turns(2);
    trace("serving: %s", asyncio_server_is_serving(server) ? "yes" : "no");
    EXPECT_INT(asyncio_sleep(1), 0);
    trace("%s", asyncio_future_done(task) ? "done" : "it waits for its client");
    ASYNCIO_IGNORE(asyncio_future_cancel_with(spawn(serve, server, "three"), "another reason"));
    hang_up(caller);
    everybody();
    end_server();
    return 0;
}

TEST(serve_forever, "SV-02: a second call is refused; a cancel closes the server and waits for its clients")
{
    EXPECT_INT(play(serving_forever), 0);
    EXPECT_TRACE("[0.000] two: serve_forever: -EBUSY\n[0.001] client 1 begins\n[1.001] serving: no\n"
                 "[2.001] it waits for its client\n[2.001] client 1 ends: 0\n"
                 "[2.001] one: serve_forever: -ECANCELED, time is over\n");
}

static int closed_from_elsewhere(void *arg)
{
    struct asyncio_future *task;

    (void)arg;
    SERVE(lingerer, NULL);
    task = spawn(serve, server, "one");
    settle();
    asyncio_server_close(server);
    everybody();
    EXPECT(asyncio_future_cancelled(task));
    end_server();
    return 0;
}

TEST(serve_forever_closed, "SV-02: who closes the server ends serve_forever")
{
    EXPECT_INT(play(closed_from_elsewhere), 0);
    EXPECT_TRACE("[0.001] one: serve_forever: -ECANCELED\n");
}

static int cancelled_twice(void *arg)
{
    struct asyncio_future *task;

    (void)arg;
    SERVE(lingerer, NULL);
    call_in();
    task = spawn(serve, server, "one");
    settle();
    cancel(task);
    settle();
    cancel(task);
    everybody();
    EXPECT_INT(asyncio_server_n_clients(server), 1);
    end_server();
    return 0;
}

TEST(serve_forever_twice_cancelled, "SV-02: a second cancel ends the wait for the clients, which go on")
{
    EXPECT_INT(play(cancelled_twice), 0);
    EXPECT_TRACE("[0.000] client 1 begins\n[0.002] one: serve_forever: -ECANCELED\n[0.002] client 1 ends: 0\n");
}

/* ----------------------------------------------------------------------------------------------- How many at a time */

static int a_gate(void *arg)
{
    (void)arg;
    SERVE(lingerer, NULL, .max_connections = 2);
    for (int i = 0; i < 5; i++)
        call_in();
    EXPECT_INT(asyncio_sleep(1), 0);
    EXPECT_INT(asyncio_server_n_clients(server), 2);
    for (int i = 0; i < 4; i++) {
        hang_up(callers[0]);
        EXPECT_INT(asyncio_sleep(1), 0);
    }
    end_server();
    settle();
    return 0;
}

TEST(max_connections, "R10: no more clients than that at a time; the others wait, and none is lost")
{
    EXPECT_INT(play(a_gate), 0);
    EXPECT_TRACE("[0.000] client 1 begins\n[0.000] client 2 begins\n"
                 "[1.000] client 1 ends: 0\n[1.000] client 3 begins\n"
                 "[2.000] client 2 ends: 0\n[2.000] client 4 begins\n"
                 "[3.000] client 3 ends: 0\n[3.000] client 5 begins\n"
                 "[4.000] client 4 ends: 0\n[5.000] client 5 ends: 0\n");
}

static int most_at_once, at_once;

static int counter(struct asyncio_streamreader *reader, struct asyncio_streamwriter *writer, void *arg)
{
    int r;

    (void)reader;
    (void)writer;
    (void)arg;
    at_once++;
    most_at_once = at_once > most_at_once ? at_once : most_at_once;
    r = asyncio_sleep(0.01);
    at_once--;
    n_served += r == 0;
    return r;
}

static int a_narrow_gate(void *arg)
{
    (void)arg;
    SERVE(counter, NULL, .max_connections = 3);
    for (int i = 0; i < 40; i++)
        call_in();
    EXPECT_INT(asyncio_sleep(10), 0);
    end_server();
    return 0;
}

TEST_NO_SWEEP(max_connections_of_many, "R10: a crowd passes through a narrow gate", "forty clients take their time")
{
    n_served = most_at_once = 0;
    EXPECT_INT(play(a_narrow_gate), 0);
    EXPECT_INT(n_served, 40);
    EXPECT_INT(most_at_once, 3);
}

/* ---------------------------------------------------------------------------------------------------------- Misuse */

static int misuse_inside(void *arg)
{
    struct asyncio_address address;
    double nan = __builtin_nan("");

    (void)arg;
    EXPECT_INT(asyncio_start_unix_server(NULL, NULL, a_path(), &server), -EINVAL);
    EXPECT_INT(asyncio_start_unix_server(echo, NULL, NULL, &server), -EINVAL);
    EXPECT_INT(asyncio_start_unix_server(echo, NULL, a_path(), NULL), -EINVAL);
    EXPECT_INT(asyncio_start_unix_server(echo, NULL, a_path(), &server, .backlog = -1), -EINVAL);
    EXPECT_INT(asyncio_start_unix_server(echo, NULL, a_path(), &server, .family = AF_INET), -EINVAL);
    EXPECT_INT(asyncio_start_unix_server(echo, NULL, a_path(), &server, .close_timeout = nan), -EINVAL);
    EXPECT_INT(asyncio_start_server(echo, NULL, NULL, 0, &server, .family = AF_UNIX), -EINVAL);
    EXPECT_INT(asyncio_start_server(echo, NULL, NULL, 65536, &server), -EINVAL);
    EXPECT_INT(asyncio_start_server(echo, NULL, "127.0.0.1", 0, &server, .hosts = (const char *[]){NULL}), -EINVAL);
    EXPECT_INT(asyncio_server_start_serving(NULL), -EINVAL);
    EXPECT_INT(asyncio_server_serve_forever(NULL), -EINVAL);
    EXPECT_INT(asyncio_server_wait_closed(NULL), -EINVAL);
    EXPECT_INT(asyncio_server_stop(NULL, 0), -EINVAL);
    EXPECT_INT(asyncio_server_sockname(NULL, 0, &address), -EINVAL);
    EXPECT_PTR(server, NULL);
    SERVE(echo, NULL);
    EXPECT_INT(asyncio_server_stop(server, nan), -EINVAL);
    EXPECT_INT(asyncio_server_sockname(server, 0, NULL), -EINVAL);
    EXPECT(asyncio_server_is_serving(server));
    end_server();
    return 0;
}

TEST(misuse, "SV-01 ST-03: arguments that make no sense are refused, and so are calls outside of a task")
{
    EXPECT_INT(asyncio_start_unix_server(echo, NULL, a_path(), &server), -ASYNCIO_ENOTASK);
    EXPECT_PTR(server, NULL);
    EXPECT_PTR(asyncio_server_ref(NULL), NULL);
    EXPECT_PTR(asyncio_server_unref(NULL), NULL);
    asyncio_server_close(NULL);
    asyncio_server_close_clients(NULL);
    asyncio_server_abort_clients(NULL);
    EXPECT(!asyncio_server_is_serving(NULL));
    EXPECT_INT(asyncio_server_n_sockets(NULL), 0);
    EXPECT_INT(asyncio_server_n_clients(NULL), 0);
    EXPECT_INT(asyncio_server_counts(NULL).accepted, 0);
    EXPECT_PTR(asyncio_server_get_loop(NULL), NULL);
    EXPECT_INT(play(misuse_inside), 0);
}
