/* test_server_exhaustion.c -- servers of a process, or a simulated machine, that has no descriptors left: who is turned
 * away, who is told, and that it goes on by itself. */
#include "servers_rig.h"

#include <sys/resource.h>

#define FEW_FDS 64

/* How many descriptors there may be at a time, as long as a run lasts. */
static struct rlimit usual_limit;

static int few_fds(struct asyncio_loop **ret_loop)
{
    char backend[160];

    if (!test_on_sim())
        return new_loop(ret_loop);
    snprintf(backend, sizeof backend, "%s,files=%d", test_backend(), FEW_FDS);
    return asyncio_new_event_loop(ret_loop, .backend = backend);
}

static int run_with_few_fds(asyncio_coro *fn)
{
    struct rlimit limit;
    int r;

    EXPECT_INT(getrlimit(RLIMIT_NOFILE, &usual_limit), 0);
    limit = usual_limit;
    limit.rlim_cur = FEW_FDS;
    if (!test_on_sim())
        EXPECT_INT(setrlimit(RLIMIT_NOFILE, &limit), 0);
    r = asyncio_run(fn, NULL, .loop_factory = few_fds);
    if (!test_on_sim())
        EXPECT_INT(setrlimit(RLIMIT_NOFILE, &usual_limit), 0);
    dismiss_crew();
    return r;
}

/* Sockets that do nothing but be there. */
static struct asyncio_socket *fillers[FEW_FDS];
static int n_fillers;

static void use_up(void)
{
    while (n_fillers < FEW_FDS && asyncio_socket(AF_UNIX, SOCK_STREAM, 0, &fillers[n_fillers]) == 0)
        n_fillers++;
}

static void give_back(int n)
{
    for (; n > 0 && n_fillers > 0; n--)
        asyncio_socket_unref(fillers[--n_fillers]);
}

/* Clients that have their descriptors before there are none, and connect afterwards. */
static void make_callers(int n)
{
    for (; n > 0; n--)
        if (asyncio_socket(AF_UNIX, SOCK_STREAM, 0, &callers[n_callers]) == 0)
            n_callers++;
}

static struct asyncio_socket *let_connect(int i)
{
    struct asyncio_address address = {.size = 0};
    struct asyncio_socket *caller = i < n_callers ? callers[i] : NULL;

    EXPECT_INT(asyncio_server_sockname(server, 0, &address), 0);
    if (caller)
        EXPECT_INT(asyncio_sock_connect(caller, &address), 0);
    return caller;
}

static void serve(size_t max_connections)
{
    listen_for_reports();
    EXPECT_INT(
        asyncio_start_unix_server(echo, NULL, a_path(), &server, .backlog = 10, .max_connections = max_connections), 0);
}

static void end_all(void)
{
    give_back(n_fillers);
    end_server();
    settle();
}

static void trace_counts(void)
{
    struct asyncio_server_counts counts = asyncio_server_counts(server);

    trace("%d accepted, %d shed", (int)counts.accepted, (int)counts.shed);
    /* A try may fail although nobody waits: the kernel looks for a descriptor first. */
    EXPECT(counts.exhausted <= counts.accepted + counts.shed);
    EXPECT((counts.exhausted > 0) == (counts.shed > 0));
}

static void expect_echo(struct asyncio_socket *caller)
{
    EXPECT_STR(echo_of(caller, "hello"), "hello");
}

/* ----------------------------------------------------------------------------------------------------- Descriptors */

static int turned_away(void *arg)
{
    (void)arg;
    serve(0);
    make_callers(6);
    use_up();
    for (int i = 0; i < 3; i++)
        let_connect(i);
    for (int i = 0; i < 3; i++)
        trace("hears %s", hear(i < n_callers ? callers[i] : NULL, 1));
    trace_counts();
    EXPECT_INT(asyncio_sleep(1), 0);
    give_back(4);
    for (int i = 3; i < 6; i++)
        expect_echo(let_connect(i));
    trace_counts();
    end_all();
    return 0;
}

TEST(turned_away,
     "D-07 N-07 R16: without a free descriptor clients are turned away at once, with one report; when there "
     "are some again, clients are served")
{
    EXPECT_INT(run_with_few_fds(turned_away), 0);
    EXPECT_TRACE("[0.000] reported: socket.accept() out of system resource, -EMFILE\n"
                 "[0.000] hears the end\n[0.000] hears the end\n[0.000] hears the end\n"
                 "[0.000] 0 accepted, 3 shed\n"
                 "[1.000] 3 accepted, 3 shed\n");
}

static int a_long_time(void *arg)
{
    (void)arg;
    serve(0);
    make_callers(20);
    use_up();
    for (int i = 0; i < 12; i++) {
        let_connect(i);
        EXPECT_INT(asyncio_sleep(5), 0);
    }
    trace_counts();
    give_back(8);
    for (int i = 12; i < 20; i++)
        expect_echo(let_connect(i));
    trace_counts();
    end_all();
    return 0;
}

TEST(a_long_time, "D-07 R16: a minute without descriptors: one report, one try for each client that comes, and every "
                  "later client is served")
{
    EXPECT_INT(run_with_few_fds(a_long_time), 0);
    EXPECT_TRACE("[0.000] reported: socket.accept() out of system resource, -EMFILE\n"
                 "[60.000] 0 accepted, 12 shed\n"
                 "[60.000] 8 accepted, 12 shed\n");
}

static int to_and_fro(void *arg)
{
    (void)arg;
    serve(0);
    make_callers(24);
    use_up();
    /* One descriptor is free: every other client gets it, and gives it back. */
    give_back(1);
    for (int i = 0; i < 12; i++) {
        expect_echo(let_connect(0));
        let_connect(1);
        trace("hears %s", hear(n_callers > 1 ? callers[1] : NULL, 1));
        EXPECT_INT(asyncio_sleep(0.5), 0);
        hang_up(n_callers > 0 ? callers[0] : NULL);
        hang_up(n_callers > 0 ? callers[0] : NULL);
        settle();
        use_up();
        give_back(1);
    }
    trace_counts();
    end_all();
    return 0;
}

TEST(at_the_limit,
     "D-07 N-07: a server that lives at its limit, where accepting fails and succeeds in turn, is reported once")
{
    EXPECT_INT(run_with_few_fds(to_and_fro), 0);
    EXPECT(strstr(transcript(), "12 accepted, 12 shed") != NULL);
    if (strstr(transcript(), "reported"))
        EXPECT(!strstr(strstr(transcript(), "reported") + 1, "reported"));
    trace_clear();
}

static int below_the_gate(void *arg)
{
    (void)arg;
    serve(2);
    make_callers(4);
    use_up();
    give_back(2);
    expect_echo(let_connect(0));
    expect_echo(let_connect(1));
    let_connect(2);
    EXPECT_INT(asyncio_sleep(1), 0);
    trace_counts();
    hang_up(n_callers > 0 ? callers[0] : NULL);
    trace("hears %s", echo_of(n_callers > 1 ? callers[1] : NULL, "hello"));
    trace_counts();
    end_all();
    return 0;
}

TEST(below_the_gate, "R10 D-07: with .max_connections below the limit nobody is ever turned away")
{
    EXPECT_INT(run_with_few_fds(below_the_gate), 0);
    EXPECT_TRACE("[1.000] 2 accepted, 0 shed\n[1.000] hears hello\n"
                 "[1.000] 3 accepted, 0 shed\n");
}

static int no_room_for_a_server(void *arg)
{
    (void)arg;
    use_up();
    EXPECT_INT(asyncio_start_unix_server(echo, NULL, a_path(), &server), -EMFILE);
    /* One for the socket that listens, none to spare. */
    give_back(1);
    EXPECT_INT(asyncio_start_unix_server(echo, NULL, a_path(), &server), -EMFILE);
    EXPECT_PTR(server, NULL);
    give_back(1);
    EXPECT_INT(asyncio_start_unix_server(echo, NULL, a_path(), &server), 0);
    end_all();
    return 0;
}

TEST(no_room_for_a_server,
     "D-07: a server that cannot even have its spare descriptor is refused, and leaves nothing behind")
{
    EXPECT_INT(run_with_few_fds(no_room_for_a_server), 0);
}

static int closed_meanwhile(void *arg)
{
    (void)arg;
    serve(0);
    make_callers(1);
    use_up();
    let_connect(0);
    settle();
    asyncio_server_close(server);
    EXPECT_INT(asyncio_server_wait_closed(server), 0);
    trace_counts();
    end_all();
    return 0;
}

TEST(closed_meanwhile, "D-07 SV-04: a server can be closed while it waits for descriptors")
{
    EXPECT_INT(run_with_few_fds(closed_meanwhile), 0);
    EXPECT_TRACE("[0.000] reported: socket.accept() out of system resource, -EMFILE\n"
                 "[0.001] 0 accepted, 1 shed\n");
}

/* ---------------------------------------------------------------------------------------------------------- Memory */

static int failing_clients(void *arg)
{
    int served = 0;

    test_spare(ASYNCIO__TINY_CAPACITIES, "it knows how many allocations serving takes");
    (void)arg;
    listen_for_reports();
    EXPECT_INT(asyncio_start_unix_server(echo, NULL, a_path(), &server), 0);
    for (int i = 0; i < 40; i++) {
        struct asyncio_socket *caller = call_in();

        asyncio_fail_allocation(i / 2, 1);
        turns(3);
        asyncio_fail_allocation(-1, 0);
        if (caller && asyncio_sock_sendall(caller, "hello", 5) == 0)
            served += strcmp(hear(caller, 5), "hello") == 0;
        hang_up(caller);
        EXPECT_INT(asyncio_sleep(20), 0);
    }
    EXPECT(served > 0);
    EXPECT_INT(asyncio_server_n_clients(server), 0);
    EXPECT_INT(asyncio_server_counts(server).accepted + asyncio_server_counts(server).shed, 40);
    end_server();
    return 0;
}

TEST_NO_SWEEP(without_memory,
              "#83 N-08: a client for whom there is no memory is closed and reported, and the server goes on",
              "it lets allocations fail by itself")
{
    EXPECT_INT(play(failing_clients), 0);
    EXPECT(strstr(transcript(), "reported: Error on transport creation for incoming connection, -ENOMEM") != NULL);
    trace_clear();
}

/* ----------------------------------------------------------------------------------------------- Faults at random */

static const char *faults;
static bool is_lossy; /* connections come to grief before they are accepted */

static int faulty_machine(struct asyncio_loop **ret_loop)
{
    char backend[160];

    snprintf(backend, sizeof backend, "%s,%s", test_backend(), faults);
    return asyncio_new_event_loop(ret_loop, .backend = backend);
}

static int visits(void *arg)
{
    struct asyncio_server_counts counts;
    int n_heard = 0;

    (void)arg;
    listen_for_reports();
    n_served = 0;
    EXPECT_INT(asyncio_start_unix_server(echo, NULL, a_path(), &server), 0);
    for (int i = 0; i < 60; i++) {
        struct asyncio_socket *caller = call_in();

        if (i % 3 == 0)
            EXPECT_INT(asyncio_sleep(0.05), 0);
        if (asyncio_sock_sendall(caller, "hello", 5) == 0 && strcmp(hear(caller, 5), "hello") == 0)
            n_heard++;
        hang_up(caller);
        settle();
    }
    EXPECT_INT(asyncio_sleep(5), 0);
    counts = asyncio_server_counts(server);
    EXPECT(n_heard > 5);
    if (!is_lossy)
        EXPECT_INT(counts.accepted + counts.shed, 60);
    EXPECT_INT(counts.accepted, n_served);
    EXPECT_INT(asyncio_server_n_clients(server), 0);
    end_server();
    return 0;
}

static void visit_machine(const char *with_faults, bool with_losses)
{
    faults = with_faults;
    is_lossy = with_losses;
    EXPECT_INT(asyncio_run(visits, NULL, .loop_factory = faulty_machine), 0);
    trace_clear();
}

TEST_SIM_NO_SWEEP(exhausted_at_random,
                  "D-07 R16: of accepts that fail every now and then no client is lost without a trace",
                  "faults of its own")
{
    visit_machine("exhaust=40", false);
    visit_machine("exhaust=40,later=50,eintr=30,permute", false);
}

TEST_SIM_NO_SWEEP(aborted_at_random, "N-07: connections that were given up before they were accepted are passed over",
                  "faults of its own")
{
    visit_machine("abort=40", true);
    visit_machine("abort=20,exhaust=20,later=30,delay=300", true);
}
