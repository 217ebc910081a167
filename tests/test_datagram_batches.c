/* test_datagram_batches.c -- many datagrams at a time through endpoints: how many, in which order, what happens to the
 * rest; and that none is lost or doubled where the kernel loses none. */
#include "datagram_rig.h"

#define MANY 32

static char memory[MANY][32];
static struct asyncio_datagram batch[MANY];

static void prepare(size_t n)
{
    for (size_t i = 0; i < n; i++)
        batch[i] = (struct asyncio_datagram){.data = memory[i], .room = sizeof memory[i]};
}

/* Writes the numbers from `first` on. */
static void number_them(size_t n, int first)
{
    prepare(n);
    for (size_t i = 0; i < n; i++)
        batch[i].size = (size_t)snprintf(memory[i], sizeof memory[i], "%d", first + (int)i);
}

static int number_in(const struct asyncio_datagram *datagram)
{
    char text[32] = "";

    memcpy(text, datagram->data, datagram->size < sizeof text ? datagram->size : sizeof text - 1);
    return atoi(text);
}

/* Sends all, however few at a time. */
static int send_all(struct asyncio_datagram_endpoint *endpoint, size_t n)
{
    for (size_t sent = 0; sent < n && !broken;) {
        ssize_t r = asyncio_datagram_send_many(endpoint, batch + sent, n - sent);

        noted((int)r);
        sent += r > 0 ? (size_t)r : 0;
    }
    return broken ? -EIO : 0;
}

static int echo(void *arg)
{
    struct asyncio_address at_one;
    size_t n = 0;

    (void)arg;
    one = open_free("127.0.0.1");
    two = open_to(port_of(one));
    at_one = local_of(one);
    number_them(10, 0);
    EXPECT_INT(send_all(two, 10), 0);
    while (n < 10 && !broken) {
        ssize_t r;

        prepare(MANY);
        r = asyncio_datagram_recv_many(one, batch, MANY);
        EXPECT(noted((int)r) > 0);
        for (ssize_t i = 0; i < r; i++) {
            EXPECT_INT(number_in(&batch[i]), n + (size_t)i);
            EXPECT(same(&batch[i].info.destination, &at_one));
        }
        /* What was received goes back as it is. */
        if (r > 0)
            send_all(one, (size_t)r);
        n += r > 0 ? (size_t)r : 0;
    }
    for (int i = 0; i < 10 && !broken; i++) {
        char text[8];

        snprintf(text, sizeof text, "%d", i);
        EXPECT_STR(heard(two), text);
    }
    EXPECT_INT(asyncio_datagram_recv_many(one, NULL, 0), 0);
    EXPECT_INT(asyncio_datagram_send_many(one, NULL, 0), 0);
    return end();
}

TEST(echo, "a batch that was received is sent back by one call more, in order, each to its sender")
{
    EXPECT_INT(play(echo), 0);
}

static int one_call(void *arg)
{
    (void)arg;
    one = open_free("127.0.0.1");
    two = open_to(port_of(one));
    number_them(MANY, 0);
    EXPECT_INT(noted((int)asyncio_datagram_send_many(two, batch, MANY)), MANY);
    EXPECT_INT(asyncio_sleep(1), 0);
    prepare(MANY);
    EXPECT_INT(broken ? MANY : asyncio_datagram_recv_many(one, batch, MANY), MANY);
    return end();
}

TEST(one_call, "one call sends or receives them all")
{
    test_spare(ASYNCIO__ONE_AT_A_TIME, "it is about many at a time");
    EXPECT_INT(play(one_call), 0);
}

static int errors(void *arg)
{
    static char much[70000];
    struct asyncio_address elsewhere = {0};

    (void)arg;
    one = open_free("127.0.0.1");
    two = open_to(port_of(one));
    EXPECT_INT(asyncio_address_parse(&elsewhere, "127.0.0.1", 9), 0);
    number_them(4, 0);
    batch[1].data = much;
    batch[1].size = sizeof much;
    batch[2].info.address = elsewhere;
    EXPECT_INT(noted((int)asyncio_datagram_send_many(two, batch, 4)), 1);
    EXPECT_INT(asyncio_datagram_send_many(two, batch + 1, 3), -EMSGSIZE);
    EXPECT_INT(asyncio_datagram_send_many(two, batch + 2, 2), -EINVAL);
    EXPECT_INT(noted((int)asyncio_datagram_send_many(two, batch + 3, 1)), 1);
    EXPECT_STR(heard(one), "0");
    EXPECT_STR(heard(one), "3");
    return end();
}

TEST(errors, "what was sent before an error counts; the next call begins with the one that fails")
{
    EXPECT_INT(play(errors), 0);
}

static int room_for_some(void *arg)
{
    ssize_t n, sent;

    (void)arg;
    open_pair();
    n = broken ? 0 : fill(one);
    for (int i = 0; i < 3; i++)
        EXPECT_STR(heard(two), "x");
    number_them(MANY, 0);
    sent = broken ? -EIO : asyncio_datagram_send_many(one, batch, MANY);
    noted((int)sent);
    EXPECT(sent > 0 && sent <= 3);
    for (ssize_t i = 3; i < n; i++)
        EXPECT_STR(heard(two), "x");
    EXPECT_STR(heard(two), "0");
    return end();
}

TEST(room_for_some, "a batch for which there is room in part is sent in part")
{
    EXPECT_INT(play(room_for_some), 0);
}

/* ----------------------------------------------------------------------------------------------------- Ten thousand */

#define TOTAL 10000

static int counters[2]; /* of what each side has received */

/* Sends TOTAL numbers, a few at a time. */
static int producer(void *arg)
{
    struct asyncio_datagram own[MANY];
    char texts[MANY][16];

    for (int sent = 0; sent < TOTAL;) {
        int n = TOTAL - sent < MANY ? TOTAL - sent : MANY;
        ssize_t r;

        for (int i = 0; i < n; i++) {
            own[i] = (struct asyncio_datagram){.data = texts[i]};
            own[i].size = (size_t)snprintf(texts[i], sizeof texts[i], "%d", sent + i);
        }
        r = asyncio_datagram_send_many(arg, own, (size_t)n);
        if (r < 0)
            return (int)r;
        sent += (int)r;
    }
    return 0;
}

static int consumer(void *arg)
{
    int *counter = arg == one ? &counters[0] : &counters[1];
    struct asyncio_datagram own[MANY];
    char texts[MANY][16];

    while (*counter < TOTAL) {
        ssize_t r;

        for (int i = 0; i < MANY; i++)
            own[i] = (struct asyncio_datagram){.data = texts[i], .room = sizeof texts[i]};
        r = asyncio_datagram_recv_many(arg, own, MANY);
        if (r < 0)
            return (int)r;
        for (ssize_t i = 0; i < r; i++)
            EXPECT_INT(number_in(&own[i]), (*counter)++);
    }
    return 0;
}

static int both_ways(void *arg)
{
    (void)arg;
    open_pair();
    spawn(producer, one, "first producer");
    spawn(producer, two, "second producer");
    spawn(consumer, one, "first consumer");
    spawn(consumer, two, "second consumer");
    all_done();
    EXPECT_INT(counters[0], TOTAL);
    EXPECT_INT(counters[1], TOTAL);
    return end();
}

TEST_NO_SWEEP(both_ways, "10,000 datagrams both ways at once: none is lost, none doubled, all in order",
              "a fault ends one side, and the other waits for ever")
{
    test_needs_seconds(30);
    EXPECT_INT(play(both_ways), 0);
}

/* -------------------------------------------------------------------------------------------------------- By chance */

static int collect(void *arg)
{
    int n = 0, refused = 0;

    for (;;) {
        ssize_t r;

        prepare(MANY);
        r = asyncio_datagram_recv_many(arg, batch, MANY);
        if (r == -ASYNCIO_ECLOSED)
            break;
        refused += r == -ECONNREFUSED;
        n += r > 0 ? (int)r : 0;
    }
    trace("received %s, refused %s", n > 0 ? "some" : "none", refused > 0 ? "sometimes" : "never");
    return 0;
}

static int rough_network(void *arg)
{
    struct asyncio_address at_two;
    int refused = 0;

    (void)arg;
    one = open_free("127.0.0.1");
    two = open_to(port_of(one));
    at_two = local_of(two);
    spawn(collect, two, "collector");
    for (int i = 0; i < 300; i++) {
        ASYNCIO_IGNORE(asyncio_datagram_send(one, "to", 2, &at_two));
        refused += asyncio_datagram_send(two, "fro", 3, NULL) == -ECONNREFUSED;
        ASYNCIO_IGNORE(asyncio_sleep(0.001));
    }
    asyncio_datagram_close(two);
    all_done();
    trace("sends refused %s", refused < 300 ? "not always" : "always");
    return end();
}

TEST_SIM_NO_SWEEP(rough_network, "#100: whatever the network loses, doubles and brings back, the endpoint goes on",
                  "it brings faults of its own")
{
    struct asyncio_loop *loop = NULL;
    char name[80];

    snprintf(name, sizeof name, "sim:%llu,lose=20,twice=20,reorder=20,refuse=20,later=30,short=30",
             (unsigned long long)test_seed());
    EXPECT_INT(asyncio_new_event_loop(&loop, .backend = name), 0);
    EXPECT_INT(asyncio_loop_run_until_complete(loop, rough_network, NULL), 0);
    dismiss_crew();
    close_loop(loop);
    EXPECT(strstr(transcript(), "received some, refused sometimes"));
    EXPECT(strstr(transcript(), "not always"));
    trace_clear();
}
