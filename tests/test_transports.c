/* test_transports.c -- transports over stream sockets: the order of callbacks, reading, the end. */
#include "protocols_rig.h"

/* ------------------------------------------------------------------------------------------------------------ Order */

static void say_hi_and_go(struct end *end)
{
    EXPECT_INT(say(end, "hi\n"), 0);
    asyncio_transport_close(end->transport);
}

static int order(void *arg)
{
    (void)arg;
    prepare_ends();
    client.on_made = say_hi_and_go;
    open_ends();
    return 0;
}

TEST(transport_order, "TR-06 TR-07: made, data, the end, lost, once each; without a say the other end closes itself")
{
    EXPECT_INT(play(order), 0);
    EXPECT_TRACE("[0.000] S made\n[0.000] C made\n[0.000] C lost\n[0.000] S got hi\n[0.000] S eof\n[0.000] S lost\n");
}

static int made_later(void *arg)
{
    int fds[2];

    (void)arg;
    prepare_ends();
    make_pair(fds);
    if (fds[0] < 0)
        return 0;
    open_end(&server_end, fds[0]);
    open_end(&client, fds[1]);
    trace("opened");
    turns(1);
    trace("a turn later");
    asyncio_transport_close(client.transport);
    trace("closed");
    turns(3);
    settle();
    return 0;
}

TEST(transport_made_later, "TR-01 TR-06: connection_made and connection_lost come in later turns, never inside a call")
{
    EXPECT_INT(play(made_later), 0);
    EXPECT_TRACE("[0.000] opened\n[0.000] S made\n[0.000] C made\n[0.000] a turn later\n[0.000] closed\n"
                 "[0.000] C lost\n[0.000] S eof\n[0.000] S lost\n");
}

/* -------------------------------------------------------------------------------------------------------- The end */

static int half_open(void *arg)
{
    (void)arg;
    open_plain_ends();
    server_end.stays = true;
    EXPECT(asyncio_transport_can_write_eof(client.transport));
    EXPECT_INT(say(&client, "question\n"), 0);
    EXPECT_INT(asyncio_transport_write_eof(client.transport), 0);
    EXPECT_INT(asyncio_transport_write_eof(client.transport), 0);
    EXPECT_INT(say(&client, "more\n"), -ASYNCIO_EINVALIDSTATE);
    settle();
    EXPECT(!asyncio_transport_is_closing(server_end.transport));
    EXPECT_INT(say(&server_end, "answer\n"), 0);
    settle();
    asyncio_transport_close(server_end.transport);
    settle();
    EXPECT_TRACE("[0.000] S got question\n[0.000] S eof\n[0.000] C got answer\n[0.000] S lost\n[0.000] C eof\n"
                 "[0.000] C lost\n");
    end_ends();
    return 0;
}

TEST(transport_half_open, "TR-03 TR-07: true from eof_received keeps the connection open to write")
{
    EXPECT_INT(play(half_open), 0);
}

static int closing(void *arg)
{
    struct asyncio_transport *transport;

    (void)arg;
    open_plain_ends();
    transport = client.transport;
    EXPECT(!asyncio_transport_is_closing(transport));
    EXPECT(asyncio_transport_is_reading(transport));
    EXPECT_INT(say(&server_end, "too late\n"), 0);
    EXPECT_INT(say(&client, "in time\n"), 0);
    asyncio_transport_close(transport);
    asyncio_transport_close(transport);
    if (transport) {
        EXPECT(asyncio_transport_is_closing(transport));
        EXPECT(!asyncio_transport_is_reading(transport));
    }
    asyncio_transport_resume_reading(transport);
    asyncio_transport_pause_reading(transport);
    EXPECT_INT(asyncio_transport_write_eof(transport), transport ? 0 : -EINVAL);
    settle();
    EXPECT_INT(client.n_received, 0);
    EXPECT_INT(client.n_lost, client.n_made);
    end_ends();
    return 0;
}

TEST(transport_closing,
     "TR-01 TR-02: close stops reading and sends what was written; repeated, and on what is closing, "
     "calls do nothing")
{
    EXPECT_INT(play(closing), 0);
}

static void close_server_end(void *arg)
{
    (void)arg;
    asyncio_transport_close(server_end.transport);
}

static int closing_before_data(void *arg)
{
    (void)arg;
    open_plain_ends();
    EXPECT_INT(say(&client, "too late\n"), 0);
    if (asyncio_loop_call_soon(asyncio_get_running_loop(), close_server_end, NULL) < 0)
        close_server_end(NULL);
    settle();
    EXPECT_INT(server_end.n_received, 0);
    EXPECT_INT(server_end.n_lost, server_end.n_made);
    end_ends();
    return 0;
}

TEST(transport_closing_before_data, "TR-01 TR-06: what was ready before the data came runs first, and may close")
{
    EXPECT_INT(play(closing_before_data), 0);
}

static int aborting(void *arg)
{
    (void)arg;
    open_plain_ends();
    asyncio_transport_pause_reading(server_end.transport);
    fill_up(&client, 0);
    EXPECT(asyncio_transport_get_write_buffer_size(client.transport) > 0);
    asyncio_transport_abort(client.transport);
    EXPECT_INT(asyncio_transport_get_write_buffer_size(client.transport), 0);
    settle();
    EXPECT_TRACE("[0.000] C lost\n");
    end_ends();
    return 0;
}

TEST(transport_abort, "TR-03: abort drops what is kept, and connection_lost says nothing of an error")
{
    EXPECT_INT(play(aborting), 0);
}

static void close_it(struct end *end)
{
    asyncio_transport_close(end->transport);
}

static void abort_it(struct end *end)
{
    asyncio_transport_abort(end->transport);
}

static int closed_inside(void *arg)
{
    prepare_ends();
    server_end.on_made = arg ? abort_it : close_it;
    client.on_ended = abort_it;
    open_ends();
    settle();
    EXPECT_TRACE("[0.000] S made\n[0.000] C made\n[0.000] S lost\n[0.000] C eof\n[0.000] C lost\n");
    open_plain_ends();
    server_end.on_line = arg ? abort_it : close_it;
    EXPECT_INT(say(&client, "one\ntwo\n"), 0);
    settle();
    EXPECT_INT(server_end.n_lost, server_end.n_made);
    EXPECT_INT(client.n_lost, client.n_made);
    end_ends();
    return 0;
}

static int close_inside(void *arg)
{
    (void)arg;
    return closed_inside(NULL);
}

static int abort_inside(void *arg)
{
    return closed_inside(&arg);
}

TEST(transport_closed_inside, "TR-06 TR-09: a transport may be closed inside any callback")
{
    EXPECT_INT(play(close_inside), 0);
}

TEST(transport_aborted_inside, "TR-06 TR-09: or aborted")
{
    EXPECT_INT(play(abort_inside), 0);
}

/* ---------------------------------------------------------------------------------------------------------- Reading */

static void pause_it(struct end *end)
{
    EXPECT(asyncio_transport_is_reading(end->transport));
    asyncio_transport_pause_reading(end->transport);
    asyncio_transport_pause_reading(end->transport);
    EXPECT(!asyncio_transport_is_reading(end->transport));
}

static int paused_in_made(void *arg)
{
    (void)arg;
    prepare_ends();
    server_end.on_made = pause_it;
    open_ends();
    EXPECT_INT(say(&client, "hello\n"), 0);
    settle();
    EXPECT_INT(server_end.n_received, 0);
    asyncio_transport_close(client.transport);
    settle();
    trace("nothing has come");
    asyncio_transport_resume_reading(server_end.transport);
    asyncio_transport_resume_reading(server_end.transport);
    settle();
    return 0;
}

TEST(transport_paused_in_made, "TR-02: paused inside connection_made nothing is received, the end neither; both are "
                               "idempotent")
{
    EXPECT_INT(play(paused_in_made), 0);
    EXPECT_TRACE("[0.000] S made\n[0.000] C made\n[0.000] C lost\n[0.000] nothing has come\n[0.000] S got hello\n"
                 "[0.000] S eof\n[0.000] S lost\n");
}

static int paused_in_data(void *arg)
{
    (void)arg;
    open_plain_ends();
    server_end.on_received = pause_it;
    EXPECT_INT(say(&client, "one\n"), 0);
    settle();
    EXPECT_INT(say(&client, "two\n"), 0);
    settle();
    EXPECT(server_end.n_received < 8);
    server_end.on_received = NULL;
    asyncio_transport_resume_reading(server_end.transport);
    settle();
    EXPECT_TRACE("[0.000] S got one\n[0.000] S got two\n");
    end_ends();
    return 0;
}

TEST(transport_paused_in_data, "TR-02: paused inside data_received the rest waits for resume_reading")
{
    EXPECT_INT(play(paused_in_data), 0);
}

static int buffered(void *arg)
{
    (void)arg;
    open_plain_ends();
    EXPECT_INT(asyncio_transport_set_protocol(server_end.transport, &client.protocol),
               server_end.transport ? 0 : -EINVAL);
    EXPECT_PTR(asyncio_transport_get_protocol(server_end.transport), server_end.transport ? &client.protocol : NULL);
    EXPECT_INT(asyncio_transport_set_protocol(server_end.transport, &server_end.protocol),
               server_end.transport ? 0 : -EINVAL);
    server_end.protocol.type = &buffered_type;
    EXPECT_INT(asyncio_transport_set_protocol(server_end.transport, &server_end.protocol),
               server_end.transport ? 0 : -EINVAL);
    EXPECT_INT(say(&client, "a text of more than sixteen bytes\n"), 0);
    settle();
    server_end.protocol.type = &data_type;
    EXPECT_INT(asyncio_transport_set_protocol(server_end.transport, &server_end.protocol),
               server_end.transport ? 0 : -EINVAL);
    EXPECT_INT(say(&client, "and back\n"), 0);
    settle();
    EXPECT_TRACE("[0.000] S got a text of more than sixteen bytes\n[0.000] S got and back\n");
    EXPECT_INT(asyncio_transport_set_protocol(server_end.transport, NULL), -EINVAL);
    end_ends();
    return 0;
}

TEST(transport_buffered, "TR-10: get_buffer and buffer_updated in place of data_received; set_protocol chooses anew")
{
    EXPECT_INT(play(buffered), 0);
}

static void become_buffered(struct end *end)
{
    end->protocol.type = end->protocol.type == &data_type ? &buffered_type : &data_type;
    EXPECT_INT(asyncio_transport_set_protocol(end->transport, &end->protocol), 0);
}

static int switched_inside(void *arg)
{
    (void)arg;
    open_plain_ends();
    server_end.on_received = become_buffered;
    for (int i = 0; i < 4; i++) {
        EXPECT_INT(say(&client, "abcdefghijklmnopqrstuvwxyz\n"), 0);
        if (i % 2)
            settle();
    }
    asyncio_transport_close(client.transport);
    settle();
    EXPECT_TRACE("[0.000] S got abcdefghijklmnopqrstuvwxyz\n[0.000] S got abcdefghijklmnopqrstuvwxyz\n"
                 "[0.000] S got abcdefghijklmnopqrstuvwxyz\n[0.000] S got abcdefghijklmnopqrstuvwxyz\n"
                 "[0.000] C lost\n[0.000] S eof\n[0.000] S lost\n");
    end_ends();
    return 0;
}

TEST(transport_switched_inside, "TR-10: the way of reading may change inside a callback, and nothing is lost")
{
    EXPECT_INT(play(switched_inside), 0);
}

static void no_buffer(struct asyncio_protocol *protocol, size_t hint, void **ret_data, size_t *ret_size)
{
    (void)protocol;
    (void)hint;
    *ret_data = client.memory;
    *ret_size = 0;
}

static int empty_buffer(void *arg)
{
    struct asyncio_protocol_type type = buffered_type;

    (void)arg;
    type.get_buffer = no_buffer;
    prepare_ends();
    server_end.protocol.type = &type;
    open_ends();
    EXPECT_INT(say(&client, "hello\n"), 0);
    settle();
    EXPECT_LOG("protocol.get_buffer() call failed");
    EXPECT_TRACE("[0.000] S made\n[0.000] C made\n[0.000] S lost: ENOBUFS\n[0.000] C lost: ECONNRESET\n");
    end_ends();
    return 0;
}

TEST(transport_empty_buffer, "TR-10: no memory to read into is an error that is reported and ends the connection")
{
    EXPECT_INT(play(empty_buffer), 0);
}

/* -------------------------------------------------------------------------------------------------------- Questions */

static int questions(void *arg)
{
    struct asyncio_address address;
    int value = 0;

    (void)arg;
    open_plain_ends();
    if (client.transport) {
        EXPECT_INT(asyncio_transport_sockname(client.transport, &address), 0);
        EXPECT_INT(asyncio_address_family(&address), AF_UNIX);
        EXPECT_INT(asyncio_transport_peername(client.transport, &address), 0);
        EXPECT(asyncio_transport_fileno(client.transport) >= 0);
        EXPECT_PTR(asyncio_transport_get_loop(client.transport), asyncio_get_running_loop());
        EXPECT_INT(asyncio_transport_ssl_info(client.transport, &(struct asyncio_ssl_info){.version = NULL}),
                   -ASYNCIO_EINVALIDSTATE);
        asyncio_transport_abort(client.transport);
        EXPECT_INT(asyncio_transport_fileno(client.transport), -ENOTCONN);
        EXPECT_INT(asyncio_transport_peername(client.transport, &address), 0);
    }
    (void)value;
    end_ends();
    return 0;
}

TEST(transport_questions, "TR-14: its addresses and its fd, where Python gives a socket that may not be closed")
{
    EXPECT_INT(play(questions), 0);
}

static int bad_arguments(void *arg)
{
    const struct asyncio_protocol_type deaf = {.size = sizeof deaf};
    const struct asyncio_protocol_type sizeless = {.data_received = end_received};
    struct asyncio_protocol protocol = {&deaf};
    struct asyncio_transport *transport = NULL;
    struct asyncio_loop *loop = asyncio_get_running_loop();
    struct asyncio_address address;
    int fds[2];

    (void)arg;
    make_pair(fds);
    EXPECT_INT(asyncio_transport_open(loop, fds[0], &protocol, &transport), -EINVAL);
    protocol.type = &sizeless;
    EXPECT_INT(asyncio_transport_open(loop, fds[1], &protocol, &transport), -EINVAL);
    EXPECT_INT(asyncio_transport_open(loop, -1, &client.protocol, &transport), -EINVAL);
    EXPECT_INT(asyncio_transport_write(NULL, "", 0), -EINVAL);
    EXPECT_INT(asyncio_transport_write_eof(NULL), -EINVAL);
    EXPECT_INT(asyncio_transport_fileno(NULL), -EINVAL);
    EXPECT_INT(asyncio_transport_sockname(NULL, &address), -EINVAL);
    EXPECT_INT(asyncio_transport_peername(NULL, &address), -EINVAL);
    EXPECT_INT(asyncio_transport_set_write_buffer_limits(NULL, 0, 0), -EINVAL);
    EXPECT_PTR(asyncio_transport_get_protocol(NULL), NULL);
    EXPECT_PTR(asyncio_transport_get_loop(NULL), NULL);
    EXPECT(!asyncio_transport_is_closing(NULL));
    EXPECT(!asyncio_transport_is_reading(NULL));
    EXPECT(!asyncio_transport_can_write_eof(NULL));
    asyncio_transport_close(NULL);
    asyncio_transport_abort(NULL);
    return 0;
}

TEST(transport_bad_arguments, "TR-01 #83: a protocol that lacks what a transport needs is refused, and the fd closed")
{
    EXPECT_INT(play(bad_arguments), 0);
}

/* --------------------------------------------------------------------------------------------------------- Contexts */

static struct asyncio_contextvar colour = {.name = "colour"};

static void say_colour(struct end *end)
{
    trace("%s is %s", end->name, (const char *)asyncio_contextvar_get(&colour, (void *)(intptr_t) "grey"));
}

static int contexts(void *arg)
{
    (void)arg;
    prepare_ends();
    server_end.on_made = server_end.on_line = server_end.on_ended = server_end.on_lost = say_colour;
    EXPECT_INT(asyncio_contextvar_set(&colour, (void *)(intptr_t) "red", NULL), 0);
    open_ends();
    EXPECT_INT(asyncio_contextvar_set(&colour, (void *)(intptr_t) "blue", NULL), 0);
    EXPECT_INT(say(&client, "x\n"), 0);
    asyncio_transport_close(client.transport);
    settle();
    return 0;
}

TEST(transport_contexts, "X-01 TR-06: all callbacks run in the context in which the transport was made")
{
    EXPECT_INT(play(contexts), 0);
    EXPECT_TRACE("[0.000] S made\n[0.000] S is red\n[0.000] C made\n[0.000] C lost\n[0.000] S got x\n[0.000] S is red\n"
                 "[0.000] S eof\n[0.000] S is red\n[0.000] S lost\n[0.000] S is red\n");
}

/* ------------------------------------------------------------------------------------------------- The loop's close */

static int leave_open(void *arg)
{
    (void)arg;
    open_plain_ends();
    asyncio_transport_pause_reading(server_end.transport);
    fill_up(&client, 0);
    return 0;
}

TEST(transport_left_open,
     "TR-15: who is left open hears of it when the loop is closed, with a warning for unsent bytes")
{
    EXPECT_INT(play(leave_open), 0);
    EXPECT_LOG("unsent bytes");
    EXPECT_TRACE("S lost\nC lost: ASYNCIO_ECLOSED\n");
}
