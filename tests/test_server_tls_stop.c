/* test_server_tls_stop.c -- how a server with TLS ends, with clients who make it hard: those that stall in the
 * handshake, do not read, or do not answer. */
#include "servers_rig.h"
#include "tls_rig.h"

static const char block[100000];

/* Does what the client asks for by a letter. */
static int serve(struct asyncio_streamreader *reader, struct asyncio_streamwriter *writer, void *arg)
{
    char wish;
    ssize_t r = asyncio_streamreader_read(reader, &wish, 1);

    (void)arg;
    if (r == 1 && wish == 'w') /* Write for ever. */
        do
            r = asyncio_streamwriter_write(writer, block, sizeof block);
        while (r == 0);
    else if (r == 1 && wish == 'i') /* Idle. */
        r = asyncio_streamreader_read(reader, &wish, 1);
    trace("%s ends: %s", me(), said(r));
    return r < 0 ? -ECANCELED : 0;
}

static struct speaker speakers[8];
static int n_speakers;

/* A client by hand who shakes hands and says a letter; from then on it neither reads nor answers. */
static void speak_up(const char *wish)
{
    struct asyncio_socket *socket = call_in();
    struct speaker *speaker = &speakers[n_speakers++];
    int r = speak(speaker, socket);

    if (r == 0)
        r = shake_hands(speaker);
    if (r == 0)
        r = say_tls(speaker, wish);
    EXPECT_INT(r, 0);
    settle();
}

static int end_all(void)
{
    while (n_speakers > 0)
        fall_silent(&speakers[--n_speakers]);
    settle();
    end_server();
    drop_contexts();
    return 0;
}

#define SERVE(...)                                                                                                   \
    do {                                                                                                             \
        if (have_contexts())                                                                                         \
            EXPECT_INT(asyncio_start_server(serve, NULL, "127.0.0.1", 0, &server, .ssl = tls_server, ##__VA_ARGS__), \
                       0);                                                                                           \
    } while (0)

static int stopped(void *arg)
{
    (void)arg;
    SERVE(.close_timeout = 2);
    call_in();       /* stalls in the handshake */
    speak_up("i");   /* idle, and will not answer */
    speak_up("w");   /* does not read */
    speak_up("bye"); /* its task has ended, and it does not answer */
    EXPECT_INT(asyncio_server_n_clients(server), 4);
    EXPECT_INT(asyncio_sleep(1), 0);
    trace("stop");
    trace("stopped: %s", said(asyncio_server_stop(server, 3)));
    EXPECT_INT(asyncio_server_n_clients(server), 0);
    return end_all();
}

TEST_NO_SWEEP(stop_with_bad_clients,
              "SV-04 TL-02 TL-05: a graceful stop lets tasks end, cancels them, gives connections their time to be "
              "flushed and answered, and aborts what is left",
              "what comes of a fault is not what it looks for")
{
    EXPECT_INT(play(stopped), 0);
    EXPECT_STR(strstr(transcript(), " stop\n"),
               " stop\n[4.003] client 1 ends: -ECANCELED\n[4.003] client 2 ends: -ECANCELED\n[6.003] stopped: 2\n");
    trace_clear();
}

static int stopped_in_handshakes(void *arg)
{
    (void)arg;
    SERVE(.close_timeout = 2);
    for (int i = 0; i < 3; i++)
        call_in();
    EXPECT_INT(asyncio_sleep(1), 0);
    trace("stop");
    trace("stopped: %s", said(asyncio_server_stop(server, 3)));
    EXPECT_INT(asyncio_server_n_clients(server), 0);
    EXPECT_INT(asyncio_server_counts(server).handshakes_failed, 0);
    return end_all();
}

TEST(stop_in_handshakes, "SV-04 N-08: a stop does not wait for handshakes, and what it has broken off has not failed")
{
    EXPECT_INT(play(stopped_in_handshakes), 0);
    EXPECT_TRACE("[1.000] stop\n[1.000] stopped: 0\n");
}

static int in_order(void *arg)
{
    struct asyncio_streamreader *reader = NULL;
    struct asyncio_streamwriter *writer = NULL;
    struct asyncio_address address = {.size = 0};
    char byte;

    (void)arg;
    SERVE(.close_timeout = 2);
    EXPECT_INT(asyncio_server_sockname(server, 0, &address), 0);
    EXPECT_INT(!tls_client ? -ENOMEM
                           : asyncio_open_connection("127.0.0.1", asyncio_address_port(&address), &reader, &writer,
                                                     .ssl = tls_client),
               0);
    EXPECT_INT(asyncio_streamwriter_write(writer, "i", 1), 0);
    EXPECT_INT(asyncio_sleep(1), 0);
    trace("stopped: %s", said(asyncio_server_stop(server, 1)));
    trace("client: %s", said(asyncio_streamreader_read(reader, &byte, 1)));
    trace("client: %s", said(asyncio_streamwriter_wait_closed(writer)));
    asyncio_streamreader_unref(reader);
    asyncio_streamwriter_unref(writer);
    return end_all();
}

TEST(stop_with_a_good_client, "SV-04 TL-05: a client that answers has seen the end in order before the stop returns")
{
    EXPECT_INT(play(in_order), 0);
    EXPECT_TRACE("[2.000] client 1 ends: -ECANCELED\n[2.000] stopped: 1\n[2.000] client: 0\n[2.000] client: 0\n");
}

/* Ends all connections in the way of the argument, whoever is there. */
static int ended_by(void *arg)
{
    void (*end)(struct asyncio_server *) = number_of(arg) ? asyncio_server_abort_clients : asyncio_server_close_clients;

    SERVE(.ssl_shutdown_timeout = 4);
    call_in();
    speak_up("i");
    EXPECT_INT(asyncio_sleep(1), 0);
    EXPECT_INT(asyncio_server_n_clients(server), 2);
    end(server);
    settle();
    EXPECT_STR(hear(callers[0], 1), "-ECONNRESET");
    trace("%d clients", (int)asyncio_server_n_clients(server));
    EXPECT_INT(asyncio_sleep(5), 0);
    trace("%d clients", (int)asyncio_server_n_clients(server));
    EXPECT_INT(asyncio_server_counts(server).handshakes_failed, 0);
    return end_all();
}

TEST_NO_SWEEP(close_clients_in_handshakes,
              "SV-06 TL-02 TL-03: closing all clients aborts handshakes, and gives the others their time "
              "to answer",
              "what comes of a fault is not what it looks for")
{
    EXPECT_INT(run(ended_by, number(0)), 0);
    EXPECT(strstr(transcript(), "client 1 ends: 0\n"));
    EXPECT(strstr(transcript(), " 1 clients\n"));
    EXPECT(strstr(transcript(), " 0 clients\n"));
    trace_clear();
}

TEST_NO_SWEEP(abort_clients_in_handshakes, "SV-06 TL-03: aborting all clients aborts handshakes, too",
              "what comes of a fault is not what it looks for")
{
    EXPECT_INT(run(ended_by, number(1)), 0);
    EXPECT(strstr(transcript(), "client 1 ends: 0\n"));
    EXPECT(!strstr(transcript(), " 1 clients\n"));
    trace_clear();
}

static struct asyncio_streamreader *caller_reader;
static struct asyncio_streamwriter *caller_writer;

static int loop_closed(void *arg)
{
    struct asyncio_address address = {.size = 0};

    (void)arg;
    SERVE(.close_timeout = 2);
    EXPECT_INT(asyncio_server_sockname(server, 0, &address), 0);
    EXPECT_INT(asyncio_open_connection("127.0.0.1", asyncio_address_port(&address), &caller_reader, &caller_writer), 0);
    settle();
    EXPECT_INT(asyncio_server_n_clients(server), 1);
    return 0;
}

TEST(loop_closed_in_handshakes, "#104: the loop's close ends handshakes")
{
    EXPECT_INT(play(loop_closed), 0);
    asyncio_streamreader_unref(caller_reader);
    asyncio_streamwriter_unref(caller_writer);
    end_all();
}
