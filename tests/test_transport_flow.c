/* test_transport_flow.c -- transports: what is kept while the peer does not read, and who is told. */
#include "protocols_rig.h"

/* Both ends open, and the server's does not read. */
static void open_deaf(void)
{
    open_plain_ends();
    asyncio_transport_pause_reading(server_end.transport);
    client.is_quiet = server_end.is_quiet = true;
}

/* ------------------------------------------------------------------------------------------------------------ Marks */

static void expect_limits(size_t high, size_t low)
{
    size_t got_high = 1, got_low = 1;

    if (!client.transport)
        return;
    asyncio_transport_get_write_buffer_limits(client.transport, &got_high, &got_low);
    EXPECT_INT(got_high, high);
    EXPECT_INT(got_low, low);
    asyncio_transport_get_write_buffer_limits(client.transport, NULL, NULL);
}

static void set_limits(size_t high, size_t low)
{
    EXPECT_INT(asyncio_transport_set_write_buffer_limits(client.transport, high, low), client.transport ? 0 : -EINVAL);
}

static int limits(void *arg)
{
    (void)arg;
    open_plain_ends();
    expect_limits(64 * 1024, 16 * 1024);
    set_limits(1000, SIZE_MAX);
    expect_limits(1000, 250);
    set_limits(SIZE_MAX, 1000);
    expect_limits(4000, 1000);
    set_limits(SIZE_MAX, SIZE_MAX);
    expect_limits(64 * 1024, 16 * 1024);
    set_limits(SIZE_MAX, SIZE_MAX / 2);
    expect_limits(SIZE_MAX, SIZE_MAX / 2);
    EXPECT_INT(asyncio_transport_set_write_buffer_limits(client.transport, 1, 2), -EINVAL);
    set_limits(0, 0);
    expect_limits(0, 0);
    end_ends();
    return 0;
}

TEST(flow_limits, "TR-03: the marks, what stands for Python's None, and what is refused")
{
    EXPECT_INT(play(limits), 0);
}

static size_t kept_when_paused, kept_when_resumed;

static void note_paused(struct end *end)
{
    kept_when_paused = asyncio_transport_get_write_buffer_size(end->transport);
}

static void note_resumed(struct end *end)
{
    kept_when_resumed = asyncio_transport_get_write_buffer_size(end->transport);
}

static int strictly(void *arg)
{
    size_t size;

    (void)arg;
    open_deaf();
    client.on_paused = note_paused;
    client.on_resumed = note_resumed;
    fill_up(&client, 0);
    size = asyncio_transport_get_write_buffer_size(client.transport);
    set_limits(size, size / 4);
    EXPECT_INT(client.n_paused, 0);
    EXPECT_INT(asyncio_transport_write(client.transport, "x", 1), client.transport ? 0 : -EINVAL);
    if (client.transport) {
        EXPECT_INT(client.n_paused, 1);
        EXPECT_INT(kept_when_paused, size + 1);
        EXPECT_INT(asyncio_transport_write(client.transport, "y", 1), 0);
        EXPECT_INT(client.n_paused, 1);
    }
    set_limits(size + 2, size + 1);
    EXPECT_INT(client.n_resumed, 0);
    set_limits(size + 2, size + 2);
    if (client.transport) {
        EXPECT_INT(client.n_resumed, 1);
        EXPECT_INT(kept_when_resumed, size + 2);
    }
    set_limits(0, 0);
    EXPECT_INT(client.n_paused, client.transport ? 2 : 0);
    asyncio_transport_resume_reading(server_end.transport);
    settle();
    if (client.transport) {
        EXPECT_INT(client.n_resumed, 2);
        EXPECT_INT(kept_when_resumed, 0);
        EXPECT_INT(asyncio_transport_get_write_buffer_size(client.transport), 0);
    }
    end_ends();
    return 0;
}

TEST(flow_strictly, "TR-04 TR-03 TR-16: paused above high, resumed at low, once each, inside the call; new marks count "
                    "at once")
{
    EXPECT_INT(play(strictly), 0);
}

static int by_lines(void *arg)
{
    static char line[2000];
    const struct asyncio_bytes pieces[] = {{line, sizeof line}, {line, sizeof line}, {line, sizeof line}};
    size_t size;

    (void)arg;
    open_deaf();
    client.on_paused = note_paused;
    fill_up(&client, 0);
    size = asyncio_transport_get_write_buffer_size(client.transport);
    set_limits(size + 5999, 0);
    EXPECT_INT(asyncio_transport_writelines(client.transport, pieces, 3), client.transport ? 0 : -EINVAL);
    if (client.transport)
        EXPECT_INT(client.n_paused, 1);
    end_ends();
    return 0;
}

TEST(flow_by_lines, "TR-04 #78: writelines pauses like write")
{
    EXPECT_INT(play(by_lines), 0);
}

static int new_protocol(void *arg)
{
    struct end other = {.protocol = {&data_type}, .name = "O", .is_quiet = true};

    (void)arg;
    open_deaf();
    set_limits(0, 0);
    fill_up(&client, 0);
    EXPECT_INT(client.n_paused, client.transport ? 1 : 0);
    other.n_paused = 1;
    EXPECT_INT(asyncio_transport_set_protocol(client.transport, &other.protocol), client.transport ? 0 : -EINVAL);
    asyncio_transport_resume_reading(server_end.transport);
    settle();
    EXPECT_INT(client.n_resumed, 0);
    if (client.transport)
        EXPECT_INT(other.n_resumed, 1);
    other.transport = client.transport;
    asyncio_transport_abort(client.transport);
    client.transport = NULL;
    settle();
    end_ends();
    return 0;
}

TEST(flow_new_protocol, "TR-01 TR-04: the protocol of the moment is told")
{
    EXPECT_INT(play(new_protocol), 0);
}

/* ---------------------------------------------------------------------------------------------------------- Writing */

static int nothing(void *arg)
{
    char text[] = "changed later\n";
    const struct asyncio_bytes bad[] = {{"a", 1}, {NULL, 1}};
    const struct asyncio_bytes some[] = {{"", 0}, {"one ", 4}, {NULL, 0}, {"line\n", 5}};

    (void)arg;
    open_plain_ends();
    if (!client.transport)
        return 0;
    EXPECT_INT(asyncio_transport_write(client.transport, "", 0), 0);
    EXPECT_INT(asyncio_transport_write(client.transport, NULL, 0), 0);
    EXPECT_INT(asyncio_transport_write(client.transport, NULL, 1), -EINVAL);
    EXPECT_INT(asyncio_transport_writelines(client.transport, NULL, 0), 0);
    EXPECT_INT(asyncio_transport_writelines(client.transport, NULL, 1), -EINVAL);
    EXPECT_INT(asyncio_transport_writelines(client.transport, bad, 2), -EINVAL);
    EXPECT_INT(asyncio_transport_writelines(client.transport, some, 4), 0);
    EXPECT_INT(asyncio_transport_write(client.transport, text, strlen(text)), 0);
    memset(text, '!', sizeof text - 1);
    settle();
    EXPECT_TRACE("[0.000] S got one line\n[0.000] S got changed later\n");
    end_ends();
    return 0;
}

TEST_NO_SWEEP(flow_writing, "TR-05: nothing is nothing, NULL is refused, and the memory is the caller's again",
              "each step's result is what it is about")
{
    EXPECT_INT(play(nothing), 0);
}

#define N_LINES   100
#define LINE_SIZE 6500

static int many_lines(void *arg)
{
    static char line[LINE_SIZE];
    struct asyncio_bytes pieces[N_LINES + 1];
    size_t per_line = test_hostile() ? 20 : LINE_SIZE;

    (void)arg;
    memset(line, 'x', sizeof line);
    for (int i = 0; i < N_LINES; i++)
        pieces[i] = (struct asyncio_bytes){line, per_line};
    pieces[N_LINES] = (struct asyncio_bytes){"end\n", 4};
    open_plain_ends();
    server_end.is_quiet = client.is_quiet = true;
    if (asyncio_transport_writelines(client.transport, pieces, N_LINES + 1) < 0) {
        end_ends();
        return 0;
    }
    asyncio_transport_close(client.transport);
    for (int i = 0; i < 1000 && server_end.n_lost == 0; i++)
        settle();
    EXPECT_INT(server_end.n_received, N_LINES * per_line + 4);
    EXPECT_INT(client.error, 0);
    end_ends();
    return 0;
}

TEST(flow_many_lines, "#77 TR-05: more than one system call can take arrives all the same, and then the end")
{
    EXPECT_INT(play(many_lines), 0);
}

/* ---------------------------------------------------------------------------------------------------------- The end */

static void write_last_words(struct end *end)
{
    EXPECT_INT(asyncio_transport_write(end->transport, "last words\n", 11), 0);
    end->on_resumed = NULL;
}

static int last_words(void *arg)
{
    size_t written;

    (void)arg;
    open_deaf();
    client.on_resumed = write_last_words;
    set_limits(0, 0);
    written = fill_up(&client, 0);
    asyncio_transport_close(client.transport);
    EXPECT_INT(asyncio_transport_write(client.transport, "too late", 8), client.transport ? 0 : -EINVAL);
    asyncio_transport_resume_reading(server_end.transport);
    for (int i = 0; i < 1000 && server_end.n_lost == 0 && server_end.transport; i++)
        settle();
    if (client.n_made && server_end.n_made) {
        EXPECT_INT(server_end.n_received, written + 11);
        EXPECT_INT(client.n_lost, 1);
        EXPECT_INT(client.error, 0);
    }
    end_ends();
    return 0;
}

TEST(flow_last_words, "TR-09 #81: what resume_writing writes after close is still sent")
{
    EXPECT_INT(play(last_words), 0);
}

static void close_in_resume(struct end *end)
{
    asyncio_transport_close(end->transport);
    asyncio_transport_abort(end->transport);
}

static int once(void *arg)
{
    (void)arg;
    open_deaf();
    client.on_resumed = close_in_resume;
    set_limits(0, 0);
    fill_up(&client, 0);
    asyncio_transport_close(client.transport);
    asyncio_transport_resume_reading(server_end.transport);
    for (int i = 0; i < 1000 && server_end.n_lost == 0 && server_end.transport; i++)
        settle();
    EXPECT_INT(client.n_lost, client.n_made);
    end_ends();
    return 0;
}

TEST(flow_lost_once, "TR-09 #82: connection_lost comes once, also when resume_writing closes what is closing")
{
    EXPECT_INT(play(once), 0);
}

static int lost_writes(void *arg)
{
    const struct asyncio_bytes pieces[] = {{"a", 1}, {"b", 1}};
    int log_lines = 0;

    (void)arg;
    test_send_directly("the write itself shall meet the reset");
    open_plain_ends();
    asyncio_transport_pause_reading(client.transport);
    asyncio_transport_abort(server_end.transport);
    settle();
    if (!client.transport)
        return 0;
    EXPECT_TRACE("[0.000] S lost\n");
    for (int i = 1; i <= 7; i++) {
        EXPECT_INT(i % 2 ? asyncio_transport_write(client.transport, "x", 1)
                         : asyncio_transport_writelines(client.transport, pieces, 2),
                   0);
        EXPECT_INT(asyncio_transport_get_write_buffer_size(client.transport), 0);
        /* The first one was sent, and so found out. */
        if (i > 5) {
            EXPECT_LOG("a write to a socket transport that is closed or lost");
            log_lines++;
        }
    }
    EXPECT_INT(log_lines, 2);
    settle();
    EXPECT(client.error == -EPIPE || client.error == -ECONNRESET);
    end_ends();
    return 0;
}

TEST(flow_lost_writes,
     "TR-09 #79 TR-08: writes after the connection was lost are dropped, with a warning from the fifth")
{
    EXPECT_INT(play(lost_writes), 0);
}

static int closing_writes(void *arg)
{
    (void)arg;
    open_plain_ends();
    asyncio_transport_close(client.transport);
    for (int i = 1; i <= 5 && client.transport; i++)
        EXPECT_INT(say(&client, "x"), 0);
    if (client.n_made)
        EXPECT_LOG("a write to a socket transport");
    settle();
    EXPECT_INT(server_end.n_received, 0);
    end_ends();
    return 0;
}

TEST_NO_SWEEP(flow_closing_writes, "TR-09: the same after close", "each step's result is what it is about")
{
    EXPECT_INT(play(closing_writes), 0);
}

static int out_of_memory(void *arg)
{
    int r;

    (void)arg;
    open_deaf();
    fill_up(&client, 0);
    asyncio_fail_allocation(0, 1);
    for (r = 0; r == 0;) {
        static char block[50000];

        r = asyncio_transport_write(client.transport, block, sizeof block);
    }
    asyncio_fail_allocation(-1, 0);
    EXPECT_INT(r, -ENOMEM);
    EXPECT(asyncio_transport_is_closing(client.transport));
    settle();
    EXPECT_LOG("Fatal error on transport");
    EXPECT_INT(client.error, -ENOMEM);
    end_ends();
    return 0;
}

TEST_NO_SWEEP(flow_out_of_memory, "TR-08: an error that is not of the system is reported and ends the connection",
              "it lets an allocation fail itself")
{
    EXPECT_INT(play(out_of_memory), 0);
}

static int too_long(void *arg)
{
    (void)arg;
    open_deaf();
    fill_up(&client, 0);
    asyncio_transport_close(client.transport);
    ASYNCIO_IGNORE(asyncio_sleep(29));
    EXPECT_INT(client.n_lost, 0);
    ASYNCIO_IGNORE(asyncio_sleep(2));
    if (client.n_made)
        EXPECT_INT(client.error, -ETIMEDOUT);
    end_ends();
    return 0;
}

TEST_NO_SWEEP(flow_too_long, "TR-01: what a peer does not read in 30 seconds is not waited for any longer",
              "faults end it earlier")
{
    EXPECT_INT(play(too_long), 0);
}

/* --------------------------------------------------------------------------------------------------------- Fairness */

static int n_turns;

static void count_turn(void *arg)
{
    struct asyncio_loop *loop = asyncio_get_running_loop();

    n_turns++;
    if (n_turns < 1000 && server_end.n_lost == 0)
        EXPECT_INT(asyncio_loop_call_soon(loop, count_turn, arg), 0);
}

static int fair(void *arg)
{
    static char block[1 << 20];
    size_t size = test_hostile() ? 5000 : sizeof block;

    (void)arg;
    open_plain_ends();
    server_end.is_quiet = client.is_quiet = true;
    if (asyncio_transport_write(client.transport, block, size) == 0)
        asyncio_transport_close(client.transport);
    count_turn(NULL);
    for (int i = 0; i < 100 && server_end.n_lost == 0; i++)
        settle();
    if (client.error == 0 && client.n_made && server_end.n_made && server_end.error == 0) {
        EXPECT_INT(server_end.n_received, size);
        EXPECT(n_turns > 2);
    }
    end_ends();
    return 0;
}

TEST(flow_fair, "TR-12: who sends much does not keep the others from their turns")
{
    EXPECT_INT(play(fair), 0);
}
