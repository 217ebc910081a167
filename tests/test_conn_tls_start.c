/* How TLS begins on a connection at the loop's floor: behind plain bytes, in the midst of anything, inside TLS; and
 * what is left of what it kept. */
#include "conn_tls_rig.h"

#include <malloc.h>

/* -------------------------------------------------------------------------------------------------------- start_tls */

TEST(plain_before, "TL-01 ST-15: what was written before TLS goes first, as it is, and TLS begins behind it")
{
    unsigned char memory[3200];
    size_t size = 0;
    int64_t r;

    open_ends("later=40", make_pair, false, &lent);
    EXPECT_INT(write_some(&subject, 3000), 0);
    EXPECT_INT(start_tls(&subject), 0);
    EXPECT_INT(write_some(&subject, 1000), 0);
    run_for(1);
    for (int i = 0; server.is_open && i < 10000 && size < sizeof memory; i++) {
        r = recv_now(server.conn.fd, memory + size, sizeof memory - size);
        size += r > 0 ? (size_t)r : 0;
        one_turn();
    }
    EXPECT(size > 3000);
    if (size > 3000) {
        struct asyncio__conn_tls tls = tls_of(&server);

        check_tagged(memory, 0, 3000);
        server.received = 3000;
        /* The rest is the beginning of the handshake, which the owner hands over. */
        start_reading_of(&server);
        EXPECT_INT(start_tls_with(&server, &tls, memory + 3000, size - 3000), 0);
    }
    run_for(1);
    EXPECT_TRACE("[1.000] client: secured\n[1.000] server: secured\n");
    EXPECT_INT(server.received, 4000);
    end_tls_rig();
}

/* A line in plain, answered by the server, then TLS. */
static void begin_inside(struct subject *self)
{
    if (self->received < 100 || self->conn.tls)
        return;
    EXPECT_INT(self->received, 100);
    if (self == &server)
        EXPECT_INT(write_some(self, 100), 0);
    EXPECT_INT(start_tls(self), 0);
}

TEST(begin_in_received, "ST-15 #101: started in received, with more of the peer's bytes still to come")
{
    FOR_BOTH(events)
    {
        open_ends("later=40,short=30", make_pair, false, events);
        subject.on_received = server.on_received = begin_inside;
        subject.memory_size = server.memory_size = 100;
        start_reading_of(&subject);
        start_reading_of(&server);
        EXPECT_INT(write_some(&subject, 100), 0);
        run_for(1);
        EXPECT_INT(subject.secured, 1);
        EXPECT_INT(server.secured, 1);
        EXPECT_INT(write_some(&subject, 1000), 0);
        EXPECT_INT(write_some(&server, 1000), 0);
        run_for(1);
        EXPECT_INT(subject.received, 1100);
        EXPECT_INT(server.received, 1100);
        end_tls_rig();
    }
}

TEST(begin_late, "ST-15 #101: the peer's handshake that came while reading was stopped is not lost")
{
    FOR_BOTH(events)
    {
        open_ends("later=80,delay=50", make_pair, false, events);
        start_reading_of(&server);
        run_for(1);
        start_reading_of(&subject);
        EXPECT_INT(start_tls(&subject), 0);
        run_for(0);
        stop_reading_of(&server);
        run_for(1);
        if (server.received == 0)
            EXPECT_INT(start_tls(&server), 0);
        start_reading_of(&server);
        run_for(1);
        EXPECT_INT(server.received, 0);
        end_tls_rig();
    }
}

#define BEFORE ((size_t)1 << 20)

/* Reads so much in plain and not a byte more, then TLS. */
static void begin_behind(struct subject *self)
{
    size_t rest = BEFORE - min_size(self->received, BEFORE);

    self->memory_size = rest ? min_size(rest, sizeof self->memory) : sizeof self->memory;
    if (rest == 0 && !self->conn.tls)
        EXPECT_INT(start_tls(self), 0);
}

TEST_NO_SWEEP(begin_paused, "TL-06 #102: TLS may begin while writing is paused",
              "too much goes through it; `begin_late` is swept")
{
    test_spare(ASYNCIO__SHORT_TRANSFERS, "it moves a mass");
    open_ends(NULL, make_pair, false, &into);
    set_limits(1000, 0);
    EXPECT_INT(write_some(&subject, BEFORE), 0);
    EXPECT_INT(subject.paused, 1);
    EXPECT_INT(start_tls(&subject), 0);
    EXPECT_INT(write_some(&subject, 1000), 0);
    server.on_received = begin_behind;
    start_reading_of(&server);
    run_for(1);
    EXPECT_INT(subject.secured, 1);
    EXPECT_INT(server.secured, 1);
    EXPECT_INT(server.received, BEFORE + 1000);
    EXPECT_INT(subject.resumed, 1);
    end_tls_rig();
}

TEST(misuse, "TL-07: no half close, no TLS on what is closed, broken or half closed, nor during a handshake")
{
    open_ends(NULL, make_pair, false, &lent);
    start_reading_of(&subject);
    EXPECT_INT(start_tls(&subject), 0);
    EXPECT_INT(start_tls(&subject), -ASYNCIO_EINVALIDSTATE);
    EXPECT_INT(write_eof(), -ENOTSUP);
    close_one(&subject);
    EXPECT_INT(start_tls(&subject), -ASYNCIO_ECLOSED);
    run_for(1);
    EXPECT(!server.is_open || asyncio__conn_tls(&server.conn) == NULL);
    EXPECT(!server.is_open || asyncio__conn_write_eof(&server.conn) == 0);
    EXPECT_INT(start_tls(&server), -ASYNCIO_EINVALIDSTATE);
    abort_one(&server, -EPROTO);
    EXPECT_INT(start_tls(&server), -EPROTO);
    end_tls_rig();
}

TEST_NO_SWEEP(without_memory, "a TLS that finds no memory leaves the connection as it was", "it lets allocations fail")
{
    int r = -ENOMEM;

    open_ends(NULL, make_pair, false, &lent);
    start_reading_of(&subject);
    start_reading_of(&server);
    for (int i = 0; i < 1000 && r == -ENOMEM; i++) {
        asyncio_fail_allocation(i, 1);
        r = start_tls(&subject);
        asyncio_fail_allocation(-1, 0);
        EXPECT(r == 0 || r == -ENOMEM);
        if (r < 0 && i == 0) {
            EXPECT_INT(write_some(&subject, 100), 0);
            run_for(1);
            EXPECT_INT(server.received, 100);
        }
    }
    EXPECT_INT(start_tls(&server), 0);
    run_for(1);
    EXPECT_INT(subject.secured, 1);
    EXPECT_INT(server.secured, 1);
    end_tls_rig();
}

/* ------------------------------------------------------------------------------------------------------- TLS in TLS */

TEST(tls_in_tls, "TL-06 #104: TLS in TLS: the second begins inside the first, and each end is announced")
{
    FOR_BOTH(events)
    {
        open_secured("later=30,short=20", events);
        EXPECT_INT(write_some(&subject, 5000), 0);
        run_for(1);
        EXPECT_INT(start_tls(&subject), 0);
        EXPECT_INT(start_tls(&server), 0);
        EXPECT_INT(write_some(&subject, 50000), 0);
        EXPECT_INT(write_some(&server, 40000), 0);
        run_for(1);
        EXPECT_TRACE("[2.000] client: secured\n[2.000] server: secured\n");
        EXPECT_INT(server.received, 55000);
        EXPECT_INT(subject.received, 40000);
        EXPECT_INT(start_tls(&server), 0);
        EXPECT_INT(start_tls(&subject), 0);
        EXPECT_INT(write_some(&server, 100), 0);
        run_for(1);
        EXPECT_INT(subject.received, 40100);
        trace_clear();
        close_one(&server);
        run_for(1);
        EXPECT(strncmp(transcript(), "[4.000] client: ended\n", 22) == 0);
        EXPECT_INT(subject.lost + server.lost, 2);
        EXPECT(!strstr(transcript(), "lost: "));
        end_tls_rig();
    }
}

TEST_NO_SWEEP(tls_in_tls_blocked, "TL-06: the layers hold back what a busy wire does not take",
              "too much goes through it; `tls_in_tls` is swept")
{
    open_secured("buffer=3000,short=40,later=40", &into);
    EXPECT_INT(start_tls(&subject), 0);
    EXPECT_INT(start_tls(&server), 0);
    set_limits(200000, 1000);
    stop_reading_of(&server);
    write_on(&subject);
    run_for(100);
    EXPECT(asyncio__conn_kept(&subject.conn) < 204000);
    EXPECT(subject.conn.kept.size < 100000);
    start_reading_of(&server);
    run_for(100);
    EXPECT_INT(server.received, subject.written);
    end_tls_rig();
}

/* ---------------------------------------------------------------------------------------------------------- Secrets */

#define SECRET "the cat is in the bag"

static int leaks;

/* What is freed is looked through first. */
static void look_through(void *memory)
{
    if (memory && memmem(memory, malloc_usable_size(memory), SECRET, strlen(SECRET)))
        leaks++;
    free(memory);
}

TEST_NO_SWEEP(wiped, "TL-01: plain bytes that were kept are wiped before they are freed", "it replaces the allocator")
{
    static const struct asyncio_allocator watching = {malloc, realloc, look_through};
    static char secrets[10 * sizeof SECRET];
    struct asyncio_bytes piece = {secrets, sizeof secrets};

    for (size_t i = 0; i < 10; i++)
        memcpy(secrets + i * sizeof SECRET, SECRET, sizeof SECRET);
    EXPECT_INT(asyncio_set_allocator(&watching), 0);
    for (int how = 0; how < 3; how++) {
        open_ends(NULL, make_pair, false, &lent);
        EXPECT_INT(start_tls(&subject), 0);
        EXPECT_INT(asyncio__conn_write(&subject.conn, &piece, 1), 0);
        if (how == 0) {
            /* It is sent, and what the server does not read stays encrypted. */
            EXPECT_INT(start_tls(&server), 0);
            run_for(1);
        } else if (how == 1) {
            abort_one(&subject, 0);
        }
        end_tls_rig();
    }
    EXPECT_INT(leaks, 0);
}
