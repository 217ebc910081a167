/* What can go wrong in the simulator, at its user's wish: options, determinism, faults. */
#include "rig.h"

#include "backend/sim.h"

#include <stdlib.h>

/* --------------------------------------------------------------------------------------------------------- Options */

TEST_NO_SWEEP(options, "what may follow the seed, and what may not", RIG)
{
    static const char *const good[] = {
        NULL,
        "",
        "0",
        "18446744073709551615",
        ",short=3",
        "7,short=100,eintr=100,reset=1000,delay=1000000000,later=100,fail=0,files=0,buffer=1",
        "7,permute",
        "7,permute=0",
        "7,exhaust=100,abort=100,buffers=1,lose=100,twice=100,reorder=100",
        "1,fail=9223372036854775807"};
    static const char *const bad[] = {
        "x",         "7x",          "7 ",         "-1",          "18446744073709551616", "7,",         "7,short",
        "7,short=",  "7,short=101", "7,short=3 ", "7,shor=3",    "7,short=3,",           "7,buffer=0", "7,fail=-1",
        "7;short=3", "7,permute=2", "7,short==3", "7,eintr=1e3", "7,buffers=0",          "7,lose",     "7,abort=101"};
    const char *text, *reason;

    EXPECT_INT(asyncio__backend_choose("sim", &ops, &text, &reason), 0);
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        if (ops->open(&backend, good[i], 0) != 0)
            FAIL("%s is refused", good[i]);
        close_rig();
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        if (ops->open(&backend, bad[i], 0) != -EINVAL)
            FAIL("%s is taken", bad[i]);
}

/* ----------------------------------------------------------------------------------------------------- Determinism */

/* Some traffic over a few pairs, whose transcript holds every result and time. */
static void play(const char *asked)
{
    struct probe readers[6] = {0}, writers[6] = {0};
    static const char *const names[] = {"a", "b", "c", "d", "e", "f"};
    int fds[6];

    trace_clear();
    open_rig(asked);
    for (int i = 0; i < 6; i += 2)
        make_pair(&fds[i]);
    for (int round = 0; round < 12; round++) {
        for (int i = 0; i < 6; i++) {
            if (round == 0 || readers[i].ended)
                start_recv(&readers[i], names[i], fds[i]);
            else if (round % 5 == 4 && ops->cancel(backend, &readers[i].op))
                readers[i].ended = true;
            if (round == 0 || writers[i].ended)
                start(&writers[i], names[i],
                      (struct asyncio_op){.opcode = ASYNCIO_OP_SEND,
                                          .fd = fds[i],
                                          .buffer = {.data = writers[i].data, .size = (size_t)(5 + i + round)}});
        }
        EXPECT_INT(ops->poll(backend, ops->now(backend) + 100000, false), 0);
        trace("at %lld", (long long)ops->now(backend));
    }
    for (int i = 0; i < 6; i++)
        close_fd(fds[i]);
    while (ops->pending(backend) > 0)
        EXPECT_INT(ops->poll(backend, INT64_MAX, false), 0);
    close_rig();
}

#define ALL_FAULTS "short=40,eintr=30,reset=20,delay=300,later=40,buffer=200,permute"

TEST_NO_SWEEP(same_seed_same_transcript, "the same seed and options give the same transcript", RIG)
{
    static const char *const all[] = {"sim:1", "sim:1,permute", "sim:1," ALL_FAULTS, "sim:77," ALL_FAULTS};

    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        char *first;

        play(all[i]);
        first = strdup(transcript());
        play(all[i]);
        EXPECT_STR(transcript(), first);
        free(first);
    }
}

static bool differ(const char *one, const char *two)
{
    char *first;
    bool different;

    play(one);
    first = strdup(transcript());
    play(two);
    different = strcmp(first, transcript()) != 0;
    free(first);
    return different;
}

TEST_NO_SWEEP(seed_decides_faults,
              "another seed gives another transcript when a fault is on, and the same when none is", RIG)
{
    static const char *const faults[] = {"short=40", "eintr=40", "reset=50", "delay=300", "later=40", "permute"};

    EXPECT(!differ("sim:1", "sim:2"));
    EXPECT(!differ("sim:1,buffer=100,files=20", "sim:2,buffer=100,files=20"));
    for (size_t i = 0; i < sizeof faults / sizeof faults[0]; i++) {
        bool different = false;
        char one[64], two[64];

        for (int seed = 2; seed < 6; seed++) {
            snprintf(one, sizeof one, "sim:1,%s", faults[i]);
            snprintf(two, sizeof two, "sim:%d,%s", seed, faults[i]);
            different = different || differ(one, two);
        }
        if (!different)
            FAIL("%s: the seed makes no difference", faults[i]);
    }
}

/* ---------------------------------------------------------------------------------------------------------- Faults */

TEST_NO_SWEEP(fault_short, "short=100: every transfer of two bytes or more is cut, none to nothing", RIG)
{
    char data[64] = {0};
    int fds[2];

    open_rig("sim:3,short=100");
    make_pair(fds);
    for (int i = 0; i < 50; i++) {
        struct asyncio_op send = {.opcode = ASYNCIO_OP_SEND, .fd = fds[0], .buffer = {data, 50, 0}};
        int64_t sent, left;

        EXPECT(ops->submit(backend, &send));
        sent = left = send.result;
        EXPECT(sent > 0 && sent < 50);
        while (left > 0) {
            int64_t n = recv_now(fds[1], data, sizeof data);

            EXPECT(n > 0 && (n < left || left == 1));
            left -= n;
        }
    }
    close_fd(fds[0]);
    close_fd(fds[1]);
    make_pipe(fds);
    /* What a pipe promises to take in one piece stays whole. */
    EXPECT_INT(call((struct asyncio_op){.opcode = ASYNCIO_OP_WRITE, .fd = fds[1], .buffer = {data, 64, 0}}), 64);
    close_fd(fds[0]);
    close_fd(fds[1]);
    close_rig();
}

TEST_NO_SWEEP(fault_eintr, "eintr=100: an operation takes one poll more, and no time", RIG)
{
    struct probe reader = {0};
    int fds[2];

    open_rig("sim:1,eintr=100");
    make_pair(fds);
    struct asyncio_op send = {.opcode = ASYNCIO_OP_SEND, .fd = fds[0], .buffer = {.data = reader.data, .size = 1}};
    EXPECT(!start_recv(&reader, "waits", fds[1]));
    look_often();
    struct probe writer = {0};
    EXPECT(!start(&writer, "writes", send));
    look();
    EXPECT_TRACE("writes: 1\n");
    look();
    EXPECT_TRACE("");
    look();
    EXPECT_TRACE("waits: 1\n");
    EXPECT_INT(ops->now(backend), 0);
    close_fd(fds[0]);
    close_fd(fds[1]);
    close_rig();
}

TEST_NO_SWEEP(fault_reset, "reset=1000: the first transfer finds the connection reset; the peer hears of it too", RIG)
{
    struct probe reader = {0}, writer = {0};
    int fds[2];

    open_rig("sim:1,reset=1000");
    make_pair(fds);
    start(&writer, "writer",
          (struct asyncio_op){.opcode = ASYNCIO_OP_SEND, .fd = fds[0], .buffer = {.data = writer.data, .size = 1}});
    start(&writer, "writer",
          (struct asyncio_op){.opcode = ASYNCIO_OP_SEND, .fd = fds[1], .buffer = {.data = writer.data, .size = 1}});
    start_recv(&reader, "reader", fds[1]);
    EXPECT_TRACE("writer: -ECONNRESET at once\nwriter: -ECONNRESET at once\nreader: -ECONNRESET at once\n");
    close_fd(fds[0]);
    close_fd(fds[1]);
    make_pipe(fds);
    EXPECT(!start_read(&reader, "pipe", fds[0]));
    EXPECT(ops->cancel(backend, &reader.op));
    close_fd(fds[0]);
    close_fd(fds[1]);
    close_rig();
}

TEST_NO_SWEEP(fault_delay, "delay=N: completions arrive up to so many microseconds later, in the order of their times",
              RIG)
{
    struct probe readers[20] = {0};
    int fds[20][2], arrived = 0;
    int64_t before_ns = 0;

    open_rig("sim:1,delay=1000");
    for (int i = 0; i < 20; i++) {
        make_pair(fds[i]);
        EXPECT(!start_recv(&readers[i], "reader", fds[i][0]));
    }
    for (int i = 0; i < 20; i++)
        send_text(fds[i][1], "x");
    look();
    while (arrived < 20) {
        int now_arrived = 0;

        EXPECT_INT(ops->poll(backend, INT64_MAX, false), 0);
        EXPECT(ops->now(backend) >= before_ns);
        before_ns = ops->now(backend);
        for (int i = 0; i < 20; i++)
            now_arrived += readers[i].ended;
        EXPECT(now_arrived > arrived);
        arrived = now_arrived;
    }
    EXPECT(before_ns > 100000 && before_ns <= 1000000);
    for (int i = 0; i < 20; i++) {
        close_fd(fds[i][0]);
        close_fd(fds[i][1]);
    }
    close_rig();
}

TEST_NO_SWEEP(fault_later, "later=100: what could be done at once completes in a poll", RIG)
{
    struct probe reader = {0};
    int fds[2];

    open_rig("sim:1,later=100");
    make_pair(fds);
    struct probe writer = {0};
    EXPECT(!start(
        &writer, "writer",
        (struct asyncio_op){.opcode = ASYNCIO_OP_SEND, .fd = fds[0], .buffer = {.data = writer.data, .size = 3}}));
    look();
    EXPECT(!start_recv(&reader, "reader", fds[1]));
    look();
    EXPECT_TRACE("writer: 3\nreader: 3\n");
    close_fd(fds[0]);
    close_fd(fds[1]);
    close_rig();
}

TEST_NO_SWEEP(late_cancel, "later=N: a cancel may come too late; then the result arrives, and no byte is lost", RIG)
{
    int undone = 0, cancelled = 0, happened = 0, left = 0;
    int fds[2];

    open_rig("sim:9,later=50");
    for (int i = 0; i < 200; i++) {
        struct probe reader = {0}, writer = {0};
        int64_t n;

        make_pair(fds);
        start(&writer, "writer",
              (struct asyncio_op){.opcode = ASYNCIO_OP_SEND, .fd = fds[0], .buffer = {.data = writer.data, .size = 3}});
        if (!start_recv(&reader, "reader", fds[1])) {
            if (ops->cancel(backend, &reader.op)) {
                undone++;
            } else {
                EXPECT(!ops->cancel(backend, &reader.op));
                wait_for(&reader, 1);
                if (reader.op.result == -ECANCELED)
                    cancelled++;
                else
                    happened += reader.op.result == 3;
            }
        }
        while (!writer.ended)
            look();
        n = reader.op.result == 3 && reader.ended ? 3 : 0;
        while (n < 3) {
            struct probe rest = {0};

            if (!start_recv(&rest, "rest", fds[1]))
                wait_for(&rest, 1);
            EXPECT_INT(rest.op.result, 3);
            n += 3;
            left++;
        }
        close_fd(fds[0]);
        close_fd(fds[1]);
    }
    EXPECT(undone > 10 && cancelled > 10 && happened > 5 && left > 20);
    trace_clear();
    close_rig();
}

TEST_NO_SWEEP(late_cancel_of_standing,
              "a standing operation that is cancelled late ends with -ECANCELED, after what has come", RIG)
{
    struct probe standing = {0};
    int fds[2], late = 0;

    open_rig("sim:9,later=50");
    for (int i = 0; i < 60; i++) {
        make_pair(fds);
        EXPECT(!start_standing_recv(&standing, "standing", fds[0]));
        look_often();
        if (!ops->cancel(backend, &standing.op)) {
            late++;
            wait_for(&standing, 1);
            EXPECT(standing.ended);
            EXPECT_TRACE("standing: -ECANCELED\n");
        }
        EXPECT_TRACE("");
        close_fd(fds[0]);
        close_fd(fds[1]);
    }
    EXPECT(late > 10 && late < 50);
    close_rig();
}

static void cancel_and_count(struct probe *probe)
{
    static int late;

    if (probe->op.completion & ASYNCIO_OP_MORE) {
        if (!ops->cancel(backend, &probe->op))
            late++;
        else
            probe->ended = true;
    }
    trace("late %d", late);
}

TEST_NO_SWEEP(late_cancel_inside, "cancelled late in its own complete(), a standing operation still ends once", RIG)
{
    struct probe standing = {.then = cancel_and_count};
    int fds[2];

    open_rig("sim:1,later=100");
    make_pair(fds);
    EXPECT(!start_standing_recv(&standing, "standing", fds[0]));
    struct probe writer = {0};
    EXPECT(!start(
        &writer, "writer",
        (struct asyncio_op){.opcode = ASYNCIO_OP_SEND, .fd = fds[1], .buffer = {.data = writer.data, .size = 3}}));
    look_often();
    EXPECT_TRACE("writer: 3\nstanding: 3 more\nlate 1\nstanding: -ECANCELED\nlate 1\n");
    close_fd(fds[0]);
    close_fd(fds[1]);
    close_rig();
}

TEST_NO_SWEEP(fault_fail, "fail=N: the Nth operation fails with -EIO, at once; a close closes all the same", RIG)
{
    struct probe reader = {0};
    int fds[2];

    open_rig("sim:1,fail=2");
    make_pair(fds);
    EXPECT(!start_recv(&reader, "first", fds[0]));
    EXPECT(ops->cancel(backend, &reader.op));
    EXPECT(start_recv(&reader, "second", fds[0]));
    EXPECT(!start_recv(&reader, "third", fds[0]));
    EXPECT(ops->cancel(backend, &reader.op));
    EXPECT_TRACE("second: -EIO at once\n");
    close_fd(fds[0]);
    close_fd(fds[1]);
    close_rig();

    open_rig("sim:1,fail=1");
    make_pair(fds);
    EXPECT_INT(close_fd(fds[0]), -EIO);
    EXPECT_INT(close_fd(fds[0]), -EBADF);
    close_fd(fds[1]);
    close_rig();
}

TEST_NO_SWEEP(fail_operation_sweep, "the nth operation of a thread fails, over all its machines, and can be counted",
              RIG)
{
    int met = 0;

    for (int n = 0;; n++) {
        int fd;

        asyncio__sim_fail_operation(n, 1);
        for (int machine = 0; machine < 2; machine++) {
            open_rig("sim:1");
            fd = make_socket(AF_UNIX);
            EXPECT(fd > 0 || fd == -EIO);
            if (fd > 0)
                close_fd(fd);
            close_rig();
        }
        if (asyncio__sim_operations() <= n)
            break;
        met++;
    }
    asyncio__sim_fail_operation(-1, 0);
    EXPECT_INT(met, 4);
}

TEST_NO_SWEEP(fault_buffer, "buffer=N: so many bytes fit, then a sender waits", RIG)
{
    struct probe writer = {0};
    char data[64];
    int fds[2];

    open_rig("sim:1,buffer=10");
    make_pair(fds);
    struct asyncio_op send = {.opcode = ASYNCIO_OP_SEND, .fd = fds[0], .buffer = {.data = writer.data, .size = 8}};
    start(&writer, "writer", send);
    start(&writer, "writer", send);
    EXPECT(!start(&writer, "writer", send));
    EXPECT_INT(recv_now(fds[1], data, 3), 3);
    look();
    EXPECT_TRACE("writer: 8 at once\nwriter: 2 at once\nwriter: 3\n");
    close_fd(fds[0]);
    close_fd(fds[1]);
    close_rig();
}

TEST_NO_SWEEP(fault_permute, "permute: the completions of one poll come in any order, each once", RIG)
{
    struct probe readers[4] = {0};
    static const char *const names[] = {"a", "b", "c", "d"};
    int fds[4][2], orders = 0;
    char seen[64][40];

    open_rig("sim:5,permute");
    for (int i = 0; i < 4; i++)
        make_pair(fds[i]);
    for (int round = 0; round < 64; round++) {
        bool is_new = true;

        for (int i = 0; i < 4; i++)
            EXPECT(!start_recv(&readers[i], names[i], fds[i][0]));
        for (int i = 0; i < 4; i++)
            send_text(fds[i][1], "x");
        look();
        for (int i = 0; i < 4; i++)
            EXPECT(readers[i].ended);
        for (int i = 0; i < orders; i++)
            is_new = is_new && strcmp(seen[i], transcript()) != 0;
        if (is_new)
            snprintf(seen[orders++], sizeof seen[0], "%s", transcript());
        trace_clear();
    }
    /* Of 24 that there are. */
    EXPECT(orders > 15);
    for (int i = 0; i < 4; i++) {
        close_fd(fds[i][0]);
        close_fd(fds[i][1]);
    }
    close_rig();
}

TEST_NO_SWEEP(
    later_without_waiting,
    "later=100: what is not to wait is put off too, but not twice in a row; what cannot be done does not count", RIG)
{
    struct asyncio_op poll = {.opcode = ASYNCIO_OP_POLL, .flags = ASYNCIO_OP_NOWAIT, .poll.events = ASYNCIO_WRITABLE};
    int fds[2];

    open_rig("sim:1,later=100");
    make_pair(fds);
    poll.fd = fds[0];
    EXPECT_INT(call(poll), -EAGAIN);
    EXPECT_INT(call(poll), ASYNCIO_WRITABLE);
    EXPECT_INT(call(poll), -EAGAIN);
    /* Each direction on its own. */
    poll.poll.events = ASYNCIO_READABLE;
    EXPECT_INT(call(poll), -EAGAIN);
    poll.poll.events = ASYNCIO_WRITABLE;
    EXPECT_INT(call(poll), ASYNCIO_WRITABLE);
    close_fd(fds[0]);
    close_fd(fds[1]);
    close_rig();
}

TEST_NO_SWEEP(close_beside_late_cancel,
              "a close ends what waits with -ASYNCIO_ECLOSED; what was cancelled before that, late, with -ECANCELED",
              RIG)
{
    struct probe cancelled = {0}, waiting = {0};
    int fds[2], late = 0;

    open_rig("sim:9,later=50");
    while (late < 5) {
        make_pair(fds);
        EXPECT(!start_standing_recv(&cancelled, "cancelled", fds[0]));
        EXPECT(!start_standing_recv(&waiting, "waiting", fds[1]));
        look_often();
        if (!ops->cancel(backend, &cancelled.op)) {
            late++;
            close_fd(fds[0]);
            close_fd(fds[1]);
            look();
            EXPECT_TRACE("cancelled: -ECANCELED\nwaiting: -ASYNCIO_ECLOSED\n");
        } else {
            close_fd(fds[1]);
            look();
            EXPECT_TRACE("waiting: -ASYNCIO_ECLOSED\n");
            close_fd(fds[0]);
        }
    }
    close_rig();
}

/* Everything that allocates, with each allocation failing in turn. */
static int64_t use_everything(void)
{
    struct sockaddr_in address = port_address(80);
    struct sockaddr_un path = unix_address("everything");
    struct asyncio_op pipe = {.opcode = ASYNCIO_OP_PIPE, .make.fds = {-1, -1}};
    struct asyncio_op pair = {.opcode = ASYNCIO_OP_SOCKETPAIR, .make = {AF_UNIX, SOCK_DGRAM, 0, {-1, -1}}};
    struct probe probe = {0};
    int listener = make_socket(AF_INET), client = make_socket(AF_INET);
    int64_t first_error = listener < 0 ? listener : client;

    if (first_error >= 0) {
        bind_to(listener, &address, sizeof address);
        listen_on(listener, 1);
        start_connect(&probe, "connect", client, &address, sizeof address);
        first_error = probe.op.result;
        if (first_error == 0) {
            start(&probe, "send",
                  (struct asyncio_op){
                      .opcode = ASYNCIO_OP_SEND, .fd = client, .buffer = {.data = probe.data, .size = 3}});
            first_error = probe.op.result;
        }
    }
    ops->submit(backend, &pipe);
    if (first_error >= 0)
        first_error = pipe.result;
    ops->submit(backend, &pair);
    if (first_error >= 0)
        first_error = pair.result;
    if (first_error >= 0) {
        first_error = bind_to(pair.make.fds[0], &path, sizeof path);
        start(&probe, "datagram",
              (struct asyncio_op){
                  .opcode = ASYNCIO_OP_SEND, .fd = pair.make.fds[0], .buffer = {.data = probe.data, .size = 3}});
        if (first_error >= 0)
            first_error = probe.op.result;
    }
    for (int fd = 1000; fd < 1010; fd++)
        close_fd(fd);
    return first_error;
}

TEST_NO_SWEEP(without_memory, "each allocation of the machine can fail: -ENOMEM, nothing half made, nothing lost", RIG)
{
    int failures = 0;

    for (;;) {
        int64_t r;

        open_rig("sim:1");
        asyncio_fail_allocation(failures, 1);
        r = use_everything();
        asyncio_fail_allocation(-1, 0);
        close_rig();
        if (r >= 0)
            break;
        EXPECT_INT(r, -ENOMEM);
        failures++;
    }
    EXPECT(failures >= 6);
}
