/* test_transport_tls.c -- transports with TLS: the same protocols, and what is different for them. */
#include "servers_of_protocols.h"

#include "certificates.h"

static struct asyncio_ssl_context *trusting, *serving;

#define COSTLY "handshakes take long, and the other tests here have the same ones swept"

/* Lets a handshake, or an end, go its ways. */
static void come_to_rest(void)
{
    for (int i = 0; i < 20; i++)
        settle();
}

static int play_tls(asyncio_coro *fn)
{
    struct certificates certificates;
    int r;

    test_needs_seconds(60);
    certificates_init(&certificates);
    trusting = client_context(&certificates);
    serving = server_context(&certificates, "server");
    r = play(fn);
    trusting = asyncio_ssl_context_unref(trusting);
    serving = asyncio_ssl_context_unref(serving);
    certificates_fini(&certificates);
    return r;
}

static int open_tls_server(void)
{
    n_ends = 0;
    return asyncio_loop_create_server(this_loop(), make_end, NULL, "127.0.0.1", 0, &server, .ssl = serving);
}

static int connect_tls(struct end *end, const char *hostname)
{
    return asyncio_loop_create_connection(this_loop(), make_client, end, "127.0.0.1", server_port(), NULL, NULL,
                                          .ssl = trusting, .server_hostname = hostname);
}

static void expect_marks(const struct asyncio_transport *transport, size_t high, size_t low)
{
    size_t high_now = 0, low_now = 0;

    asyncio_transport_get_write_buffer_limits(transport, &high_now, &low_now);
    EXPECT_INT(high_now, high);
    EXPECT_INT(low_now, low);
}

/* A client and the server's end, both there. */
static void open_both(void)
{
    prepare_ends();
    EXPECT_INT(open_tls_server(), 0);
    EXPECT_INT(connect_tls(&client, "localhost"), 0);
    come_to_rest();
    EXPECT_INT(n_ends, 1);
}

static void end_both(void)
{
    asyncio_transport_abort(client.transport);
    asyncio_server_abort_clients(server);
    end_server();
    come_to_rest();
}

/* ------------------------------------------------------------------------------------------------------ The same */

/* Who of two is told first of the end is open. */
static bool in_order(const char *first, const char *second, const char *third)
{
    const char *at = strstr(transcript(), first);

    at = at ? strstr(at, second) : NULL;
    return at && strstr(at, third);
}

static int order(void *arg)
{
    (void)arg;
    open_both();
    EXPECT_STR(strstr(transcript(), "C made") ? "made" : "not made", "made");
    trace_clear();
    EXPECT_INT(say(&client, "hi\n"), 0);
    asyncio_transport_close(client.transport);
    come_to_rest();
    EXPECT(in_order("S1 got hi\n", "S1 eof\n", "S1 lost\n"));
    EXPECT(in_order("C eof\n", "C lost\n", ""));
    trace_clear();
    end_both();
    return 0;
}

TEST_NO_SWEEP(tls_order, "TR-06 TL-03 TL-05: made after the handshake, then as without TLS", COSTLY)
{
    EXPECT_INT(play_tls(order), 0);
}

static void say_all(struct end *end)
{
    struct asyncio_ssl_info info = {.version = NULL};

    EXPECT_INT(asyncio_transport_ssl_info(end->transport, &info), 0);
    trace("%s knows %s", end->name, info.version ? info.version : "nothing");
}

static int knowing(void *arg)
{
    struct asyncio_ssl_certificate *certificate = NULL;
    struct asyncio_ssl_info info;

    (void)arg;
    prepare_ends();
    client.on_made = say_all;
    EXPECT_INT(open_tls_server(), 0);
    EXPECT_INT(connect_tls(&client, "localhost"), 0);
    come_to_rest();
    EXPECT(strstr(transcript(), "C knows TLSv1.3") != NULL);
    trace_clear();
    EXPECT_INT(asyncio_transport_getpeercert(client.transport, &certificate), 0);
    if (certificate)
        EXPECT_STR(certificate->common_name, "localhost");
    asyncio_free(certificate);
    EXPECT_INT(asyncio_transport_getpeercert(ends[0].transport, &certificate), -ENOENT);
    EXPECT_INT(asyncio_transport_ssl_info(ends[0].transport, &info), 0);
    EXPECT_STR(info.server_name, "localhost");
    EXPECT(!asyncio_transport_can_write_eof(client.transport));
    EXPECT_INT(asyncio_transport_write_eof(client.transport), -ENOTSUP);
    asyncio_transport_abort(client.transport);
    EXPECT_INT(asyncio_transport_ssl_info(client.transport, &info), -ENOTCONN);
    EXPECT_INT(asyncio_transport_getpeercert(client.transport, &certificate), -ENOTCONN);
    end_both();
    return 0;
}

TEST(tls_knowing, "TL-03 TL-07 TR-03: what was agreed on is known in connection_made; no half close")
{
    EXPECT_INT(play_tls(knowing), 0);
}

static void expect_no_pause(struct end *end)
{
    expect_marks(end->transport, 512 * 1024, 128 * 1024);
    EXPECT_INT(asyncio_transport_set_write_buffer_limits(end->transport, 0, 0), 0);
    EXPECT_INT(end->n_paused, 0);
    EXPECT_INT(asyncio_transport_set_write_buffer_limits(end->transport, SIZE_MAX, SIZE_MAX), 0);
    expect_marks(end->transport, 512 * 1024, 128 * 1024);
}

static void prepare_marks(struct end *end)
{
    end->on_made = expect_no_pause;
}

static int marks(void *arg)
{
    (void)arg;
    test_spare(ASYNCIO__SHORT_TRANSFERS, "something may be kept");
    prepare_end = prepare_marks;
    prepare_ends();
    client.on_made = expect_no_pause;
    EXPECT_INT(open_tls_server(), 0);
    EXPECT_INT(connect_tls(&client, "localhost"), 0);
    come_to_rest();
    EXPECT_INT(client.n_made, 1);
    EXPECT_INT(n_ends, 1);
    end_both();
    return 0;
}

TEST_NO_SWEEP(tls_marks, "TL-04 TR-03: the marks are 512 and 128 KiB on both sides; nothing kept is never too much",
              COSTLY)
{
    EXPECT_INT(play_tls(marks), 0);
}

static void be_buffered(struct end *end)
{
    end->protocol.type = &buffered_type;
    end->room = 5;
}

static int buffered(void *arg)
{
    (void)arg;
    prepare_end = be_buffered;
    open_both();
    trace_clear();
    EXPECT_INT(say(&client, "a text of more than a few bytes\n"), 0);
    come_to_rest();
    asyncio_transport_close(client.transport);
    come_to_rest();
    EXPECT(in_order("S1 got a text of more than a few bytes\n", "S1 eof\n", "S1 lost\n"));
    EXPECT(in_order("C eof\n", "C lost\n", ""));
    trace_clear();
    end_both();
    return 0;
}

TEST(tls_buffered, "TR-10 #103: get_buffer and buffer_updated with TLS: every byte is there")
{
    EXPECT_INT(play_tls(buffered), 0);
}

static void stay(struct end *end)
{
    end->stays = true;
}

static int staying(void *arg)
{
    (void)arg;
    prepare_end = stay;
    open_both();
    trace_clear();
    asyncio_transport_close(client.transport);
    come_to_rest();
    EXPECT_LOG("returning true from eof_received() has no effect when using ssl");
    EXPECT_INT(ends[0].n_lost, 1);
    EXPECT_INT(client.n_lost, 1);
    end_both();
    return 0;
}

TEST_NO_SWEEP(tls_staying, "TR-07: true from eof_received has no effect with TLS, and that is said", COSTLY)
{
    EXPECT_INT(play_tls(staying), 0);
}

static void pause_it(struct end *end)
{
    end->is_quiet = true;
    asyncio_transport_pause_reading(end->transport);
}

static int paused(void *arg)
{
    size_t written;

    (void)arg;
    prepare_ends();
    client.is_quiet = true;
    open_both();
    pause_it(&ends[0]);
    EXPECT_INT(asyncio_transport_set_write_buffer_limits(client.transport, 64 * 1024, SIZE_MAX), 0);
    written = fill_up(&client, 64 * 1024);
    EXPECT_INT(client.n_paused, 1);
    EXPECT_INT(client.n_resumed, 0);
    asyncio_transport_close(client.transport);
    asyncio_transport_resume_reading(ends[0].transport);
    for (int i = 0; i < 10000 && ends[0].n_lost == 0; i++)
        settle();
    EXPECT_INT(client.n_resumed, 1);
    EXPECT_INT(ends[0].n_received, written);
    EXPECT_INT(ends[0].error, 0);
    EXPECT_INT(client.error, 0);
    end_both();
    return 0;
}

TEST_NO_SWEEP(tls_paused, "TR-02 TR-04 TL-05: flow control through TLS, and nothing is lost by a close", COSTLY)
{
    EXPECT_INT(play_tls(paused), 0);
}

/* ------------------------------------------------------------------------------------------------------ Handshakes */

static int not_accepted(void *arg)
{
    int r;

    (void)arg;
    prepare_ends();
    EXPECT_INT(open_tls_server(), 0);
    r = connect_tls(&client, "elsewhere.test");
    EXPECT_INT(r, -ASYNCIO_ECERT_HOSTNAME);
    EXPECT(strstr(asyncio_error_detail(), "localhost") != NULL);
    come_to_rest();
    EXPECT_INT(client.n_made, 0);
    EXPECT_INT(n_ends, 0);
    EXPECT_INT(asyncio_server_counts(server).handshakes_failed, 1);
    EXPECT_INT(asyncio_server_n_clients(server), 0);
    end_both();
    return 0;
}

TEST(tls_not_accepted, "N-08 TL-03 #104 #83: a handshake that fails: the reason is told, no protocol is made")
{
    EXPECT_INT(play_tls(not_accepted), 0);
}

static int told_in_debug(void *arg)
{
    (void)arg;
    prepare_ends();
    asyncio_loop_set_debug(this_loop(), true);
    EXPECT_INT(open_tls_server(), 0);
    EXPECT_INT(connect_tls(&client, "elsewhere.test"), -ASYNCIO_ECERT_HOSTNAME);
    come_to_rest();
    EXPECT_LOG("TLS handshake with a client failed");
    end_both();
    return 0;
}

TEST_NO_SWEEP(tls_told_in_debug, "N-08: servers tell of handshakes that fail in debug mode", COSTLY)
{
    EXPECT_INT(play_tls(told_in_debug), 0);
}

static int silent(void *arg)
{
    int r;

    (void)arg;
    prepare_ends();
    EXPECT_INT(open_server(), 0);
    r = asyncio_loop_create_connection(this_loop(), make_client, &client, "127.0.0.1", server_port(), NULL, NULL,
                                       .ssl = trusting, .server_hostname = "localhost", .ssl_handshake_timeout = 7);
    EXPECT_INT(r, -ETIMEDOUT);
    EXPECT_DOUBLE((int)asyncio_loop_time(this_loop()), 7);
    come_to_rest();
    EXPECT_INT(client.n_made, 0);
    EXPECT_INT(ends[0].n_lost, 1);
    end_both();
    return 0;
}

TEST_NO_SWEEP(tls_silent, "TL-02: a peer that says nothing is not waited for longer than the keyword says", COSTLY)
{
    EXPECT_INT(play_tls(silent), 0);
}

static int outcome;

static int connect_it(void *arg)
{
    return outcome = connect_tls(arg, "localhost");
}

static int cancelled(void *arg)
{
    bool any_cancelled = false, any_made = false;

    (void)arg;
    for (int n = 0; n < 40; n++) {
        struct asyncio_future *task;

        prepare_ends();
        outcome = -ECANCELED;
        EXPECT_INT(open_tls_server(), 0);
        task = spawn(connect_it, &client, "connects");
        turns(n);
        cancel(task);
        come_to_rest();
        EXPECT_INT(client.n_made, outcome == 0);
        any_cancelled |= outcome == -ECANCELED;
        any_made |= outcome == 0;
        end_both();
        for (int i = 0; i < n_ends; i++)
            EXPECT_INT(ends[i].n_made, ends[i].n_lost);
    }
    EXPECT(any_cancelled);
    EXPECT(any_made || test_hostile());
    return 0;
}

TEST_NO_SWEEP(tls_cancelled, "N-15 #104: cancelled after any number of turns nothing is left, and nothing logged",
              COSTLY)
{
    EXPECT_INT(play_tls(cancelled), 0);
}

static int stopped(void *arg)
{
    struct asyncio_socket *caller = NULL;
    struct asyncio_address address;
    int r;

    (void)arg;
    EXPECT_INT(open_tls_server(), 0);
    r = asyncio_server_sockname(server, 0, &address);
    if (r == 0)
        r = asyncio_socket(AF_INET, SOCK_STREAM, 0, &caller);
    if (r == 0)
        r = asyncio_sock_connect(caller, &address);
    EXPECT_INT(r, 0);
    come_to_rest();
    EXPECT_INT(asyncio_server_n_clients(server), 1);
    EXPECT_INT(asyncio_server_stop(server, 10), 0);
    EXPECT(asyncio_loop_time(this_loop()) < 1);
    EXPECT_INT(n_ends, 0);
    asyncio_socket_unref(caller);
    end_both();
    return 0;
}

TEST_NO_SWEEP(tls_stopped, "SV-05 #104: a client that stalls in its handshake does not hold up a server that stops",
              COSTLY)
{
    EXPECT_INT(play_tls(stopped), 0);
}

/* ------------------------------------------------------------------------------------------------------- start_tls */

static void answer_starttls(struct end *end)
{
    EXPECT_INT(say(end, "ready\n"), 0);
}

struct side {
    struct end *end;
    struct asyncio_ssl_context *context;
    bool is_server;
    int result;
};

static int start_side(void *arg)
{
    struct side *side = arg;

    side->result =
        asyncio_loop_start_tls(this_loop(), side->end->transport, NULL, side->context, .server_side = side->is_server,
                               .server_hostname = side->is_server ? NULL : "localhost");
    return 0;
}

/* Both ends change to TLS. */
static void start_both(void)
{
    struct side sides[2] = {{&server_end, serving, true, 1}, {&client, trusting, false, 1}};
    struct asyncio_future *tasks[2];

    tasks[0] = spawn(start_side, &sides[0], "server");
    tasks[1] = spawn(start_side, &sides[1], "client");
    come_to_rest();
    EXPECT(asyncio_future_done(tasks[0]) && asyncio_future_done(tasks[1]));
    EXPECT_INT(sides[0].result, 0);
    EXPECT_INT(sides[1].result, 0);
}

static int starting(void *arg)
{
    struct asyncio_ssl_info info = {.version = NULL};

    (void)arg;
    open_plain_ends();
    server_end.on_line = answer_starttls;
    EXPECT_INT(say(&client, "starttls\n"), 0);
    settle();
    EXPECT_TRACE("[0.000] S got starttls\n[0.000] C got ready\n");
    server_end.on_line = NULL;
    asyncio_transport_pause_reading(client.transport);
    start_both();
    trace_clear();
    EXPECT_INT(asyncio_transport_ssl_info(client.transport, &info), 0);
    EXPECT_STR(info.version, "TLSv1.3");
    EXPECT(asyncio_transport_is_reading(client.transport));
    EXPECT_INT(client.n_made, 1);
    EXPECT_INT(say(&client, "secret\n"), 0);
    settle();
    EXPECT_INT(say(&server_end, "word\n"), 0);
    settle();
    EXPECT_TRACE("[0.002] S got secret\n[0.002] C got word\n");
    start_both();
    trace_clear();
    EXPECT_INT(say(&client, "twice\n"), 0);
    come_to_rest();
    asyncio_transport_close(client.transport);
    come_to_rest();
    EXPECT_INT(client.n_lost, 1);
    EXPECT_INT(client.error, 0);
    EXPECT_INT(server_end.error, 0);
    EXPECT(strstr(transcript(), "S got twice") != NULL);
    end_ends();
    come_to_rest();
    return 0;
}

TEST(tls_starting, "N-13 ST-15 #101 #104: an open transport changes to TLS on both sides, and to TLS in TLS")
{
    EXPECT_INT(play_tls(starting), 0);
}

static int start_full(void *arg)
{
    struct side sides[2] = {{&server_end, serving, true, 1}, {&client, trusting, false, 1}};
    size_t written;

    (void)arg;
    open_plain_ends();
    client.is_quiet = server_end.is_quiet = true;
    asyncio_transport_pause_reading(server_end.transport);
    EXPECT_INT(asyncio_transport_set_write_buffer_limits(client.transport, 0, 0), 0);
    written = fill_up(&client, 0);
    EXPECT_INT(client.n_paused, 1);
    spawn(start_side, &sides[1], "client");
    settle();
    asyncio_transport_resume_reading(server_end.transport);
    for (int i = 0; i < 10000 && server_end.n_received < written; i++)
        settle();
    /* What comes next is the handshake, which is the server's from now on. */
    EXPECT_INT(client.n_resumed, 1);
    asyncio_transport_abort(server_end.transport);
    come_to_rest();
    EXPECT(sides[1].result < 0);
    end_ends();
    return 0;
}

TEST_NO_SWEEP(tls_start_full,
              "#102 N-13: a transport that is full may start TLS: what was written goes first, as it is", COSTLY)
{
    EXPECT_INT(play_tls(start_full), 0);
}

static int start_fails(void *arg)
{
    struct side sides[2] = {{&server_end, serving, true, 1}, {&client, trusting, false, 1}};
    struct asyncio_future *task;

    (void)arg;
    open_plain_ends();
    EXPECT_INT(asyncio_loop_start_tls(this_loop(), client.transport, NULL, NULL), -EINVAL);
    task = spawn(start_side, &sides[1], "client");
    settle();
    EXPECT_INT(asyncio_loop_start_tls(this_loop(), client.transport, NULL, trusting, .server_hostname = "localhost"),
               -EBUSY);
    EXPECT_INT(asyncio_loop_sendfile(this_loop(), client.transport, 0), -EBUSY);
    cancel(task);
    settle();
    EXPECT_INT(sides[1].result, -ECANCELED);
    EXPECT_INT(client.n_lost, 1);
    come_to_rest();
    EXPECT_INT(asyncio_loop_start_tls(this_loop(), server_end.transport, NULL, trusting), -EINVAL);
    end_ends();
    return 0;
}

TEST_NO_SWEEP(tls_start_fails, "N-13 N-15: cancelled, the transport is aborted and its protocol told", COSTLY)
{
    EXPECT_INT(play_tls(start_fails), 0);
}

static int start_when_marked(void *arg)
{
    struct side side = {&client, trusting, false, 1};
    char thousand[1000] = "";

    (void)arg;
    open_plain_ends();
    client.is_quiet = true;
    EXPECT_INT(asyncio_transport_set_write_buffer_limits(client.transport, 1000, 400), 0);
    spawn(start_side, &side, "client");
    settle();
    expect_marks(client.transport, 1000, 400);
    /* The handshake is not answered: all is kept. */
    EXPECT_INT(asyncio_transport_write(client.transport, thousand, 999), 0);
    EXPECT_INT(client.n_paused, 0);
    EXPECT_INT(asyncio_transport_write(client.transport, thousand, 1), 0);
    EXPECT_INT(client.n_paused, 1);
    EXPECT_INT(asyncio_transport_set_write_buffer_limits(client.transport, 1000, 1000), 0);
    EXPECT_INT(client.n_resumed, 0);
    EXPECT_INT(asyncio_transport_set_write_buffer_limits(client.transport, 1001, 1000), 0);
    EXPECT_INT(client.n_resumed, 1);
    EXPECT_INT(asyncio_transport_set_write_buffer_limits(client.transport, SIZE_MAX, SIZE_MAX), 0);
    expect_marks(client.transport, 512 * 1024, 128 * 1024);
    end_ends();
    come_to_rest();
    return 0;
}

TEST_NO_SWEEP(tls_start_when_marked,
              "TL-04: marks that were set stay when TLS is started; from then on as much as the high one pauses",
              COSTLY)
{
    EXPECT_INT(play_tls(start_when_marked), 0);
}

/* -------------------------------------------------------------------------------------------------------- sendfile */

static int send_file(void *arg)
{
    char path[] = "/tmp/transport-XXXXXX";
    int fd = mkstemp(path);
    int64_t n;

    (void)arg;
    EXPECT(fd >= 0);
    unlink(path);
    EXPECT_INT(write(fd, "line one\nline two\n", 18), 18);
    open_both();
    trace_clear();
    EXPECT_INT(asyncio_loop_sendfile(this_loop(), client.transport, fd, .no_fallback = true), -ASYNCIO_ESENDFILE);
    n = asyncio_loop_sendfile(this_loop(), client.transport, fd, .offset = 5);
    EXPECT_INT(n, 13);
    come_to_rest();
    EXPECT(strstr(transcript(), "S1 got one\n") && strstr(transcript(), "S1 got line two\n"));
    end_both();
    close(fd);
    return 0;
}

TEST_NO_SWEEP(tls_sendfile, "N-14: with TLS a file is read and sent piece by piece", COSTLY)
{
    EXPECT_INT(play_tls(send_file), 0);
}
