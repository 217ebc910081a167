/* test_stream_worlds.c -- random worlds of clients and servers on a simulated machine with random faults.
 *
 * Each byte that a client sends is a hash of the client and its place; servers send it back in one way or another. What
 * must hold in every world:
 *   - what arrives is, byte for byte and in order, the beginning of what was written, on either way;
 *   - who meets the end of a stream has got everything that its peer wrote: what is cut off shows as an error, but for
 *     a Unix socket that is aborted, which knows no reset;
 *   - without faults, cancels and forced ends nothing fails;
 *   - everybody ends, and nothing is left behind. */
#include "test.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_CLIENTS 6
#define MOST_BYTES  4000
#define LONGEST     600 /* bytes in a call */

/* What one side of a connection knows of it. */
struct side {
    uint64_t written; /* taken by the writer */
    uint64_t maybe;   /* perhaps sent before the writer failed */
    uint64_t got;
    bool met_end;  /* read 0, and not because its own writer was closed */
    bool is_clean; /* closed by close, after everything was written */
    int error;     /* the first of a read or write */
};

struct client {
    int number;
    size_t to_send;
    struct side here, there; /* there: written by the handler */
    int n_handlers;
    struct asyncio_streamreader *reader;
    struct asyncio_streamwriter *writer;
    struct asyncio_future *task;
    bool has_ended;
};

static struct world {
    uint64_t seed, random;
    char backend[200];
    bool has_faults, is_disturbed; /* disturbed: somebody was cancelled, or connections were ended by force */
    bool is_unix;
    struct asyncio_address address;
    char path[64];
    struct asyncio_server *server;
    int n_clients;
    struct client clients[MAX_CLIENTS];
    bool loud;
} world;

#define MUST(condition)                                                                \
    do {                                                                               \
        if (!(condition))                                                              \
            FAIL("world %" PRIu64 " (%s): %s", world.seed, world.backend, #condition); \
    } while (0)

static uint64_t hash(uint64_t x)
{
    x = (x ^ (x >> 31)) * UINT64_C(0xd6e8feb86659fd93);
    x = (x ^ (x >> 29)) * UINT64_C(0xa0761d6478bd642f);
    return x ^ (x >> 32);
}

static int pick(int n)
{
    return (int)(hash(world.random += UINT64_C(0x9e3779b97f4a7c15)) % (uint64_t)n);
}

static bool chance(int one_in)
{
    return pick(one_in) == 0;
}

static void say(const struct client *client, const char *what, int64_t n)
{
    if (world.loud)
        printf("[%8.3f] %d: %s %" PRId64 "\n", asyncio_loop_time(asyncio_get_running_loop()),
               client ? client->number : -1, what, n);
}

/* Every byte but the first, which tells the handler whose stream it is. Lines have 31 bytes. */
static char tag(const struct client *client, uint64_t offset)
{
    if (offset == 0)
        return (char)('0' + client->number);
    if (offset % 31 == 30)
        return '\n';
    return (char)('a' + hash((uint64_t)client->number * 1000003 + offset) % 26);
}

static void check(struct client *client, struct side *side, const char *data, ssize_t n)
{
    for (ssize_t i = 0; i < n; i++)
        MUST(data[i] == tag(client, side->got + (uint64_t)i));
    if (n > 0)
        side->got += (uint64_t)n;
}

static void note_error(struct side *side, int64_t r)
{
    if (r < 0 && !side->error)
        side->error = (int)r;
}

static int nap(void)
{
    return chance(2) ? asyncio_sleep(chance(2) ? 0 : 0.0001 * pick(8)) : 0;
}

/* --------------------------------------------------------------------------------------------------------- Reading */

/* One read of a random sort. Returns: bytes; 0 at the end; an error. */
static ssize_t read_something(struct client *client, struct side *side, struct asyncio_streamreader *reader,
                              const struct asyncio_streamwriter *writer)
{
    char buffer[LONGEST], *data = buffer;
    size_t size = (size_t)(1 + pick(LONGEST));
    ssize_t n;

    switch (pick(4)) {
    case 0:
        n = asyncio_streamreader_readexactly(reader, buffer, size);
        break;
    case 1:
        n = asyncio_streamreader_readline(reader, &data);
        break;
    case 2:
        n = asyncio_streamreader_readuntil(reader, "\n", 1, &data);
        break;
    default:
        n = asyncio_streamreader_read(reader, buffer, size);
    }
    if (n == -ASYNCIO_EINCOMPLETEREAD) {
        const char *partial = NULL;
        size_t got = asyncio_streamreader_partial(reader, &partial);

        check(client, side, partial, (ssize_t)got);
        n = 0;
    } else {
        check(client, side, data, n);
    }
    say(client, side == &client->here ? "client reads" : "handler reads", n);
    side->met_end = n == 0 && !asyncio_streamwriter_is_closing(writer);
    note_error(side, n);
    return n;
}

static int read_replies(void *arg)
{
    struct client *client = arg;
    ssize_t n;

    while ((n = read_something(client, &client->here, client->reader, client->writer)) > 0)
        if ((n = nap()) < 0)
            break;
    return n == -ECANCELED ? -ECANCELED : 0;
}

/* --------------------------------------------------------------------------------------------------------- Serving */

/* Writes the next bytes of a client's stream, in one call of a random sort. */
static int write_something(struct client *client, struct side *side, struct asyncio_streamwriter *writer, size_t size)
{
    char data[LONGEST];
    size_t half = (size_t)pick((int)size + 1);
    struct asyncio_bytes pieces[] = {{data, half}, {data + half, size - half}};
    int r;

    for (size_t i = 0; i < size; i++)
        data[i] = tag(client, side->written + i);
    if (chance(3)) {
        r = asyncio_streamwriter_writelines(writer, pieces, 2);
    } else if (chance(3)) {
        r = asyncio_streamwriter_write_nowait(writer, data, size);
        if (r == 0)
            side->written += size;
        r = r == 0 ? asyncio_streamwriter_drain(writer) : r;
        note_error(side, r);
        return r;
    } else {
        r = asyncio_streamwriter_write(writer, data, size);
    }
    /* A cancel comes after the data were taken. */
    if (r == 0 || r == -ECANCELED)
        side->written += size;
    else if (!side->maybe)
        side->maybe = size;
    say(client, side == &client->here ? "client writes" : "handler writes", r < 0 ? r : (int64_t)size);
    note_error(side, r);
    return r;
}

/* Sends back what has come and was not sent back yet. */
static int echo(struct client *client, struct asyncio_streamwriter *writer)
{
    int r = 0;

    while (r == 0 && client->there.written < client->there.got) {
        uint64_t left = client->there.got - client->there.written;

        r = write_something(client, &client->there, writer, left < LONGEST ? (size_t)left : LONGEST);
    }
    return r;
}

static int handle(struct asyncio_streamreader *reader, struct asyncio_streamwriter *writer, void *arg)
{
    struct client *client;
    bool at_once = chance(2);
    char number;
    ssize_t n = asyncio_streamreader_read(reader, &number, 1);

    (void)arg;
    if (n <= 0)
        return 0;
    MUST(number >= '0' && number < '0' + world.n_clients);
    client = &world.clients[number - '0'];
    MUST(client->n_handlers++ == 0);
    client->there.got = 1;
    if (chance(3))
        EXPECT_INT(asyncio_streamwriter_set_write_buffer_limits(writer, pick(200), -1), 0);
    while ((n = read_something(client, &client->there, reader, writer)) > 0) {
        n = nap();
        if (n == 0 && at_once)
            n = echo(client, writer);
        if (n < 0)
            break;
    }
    if (n == 0)
        n = echo(client, writer);
    client->there.is_clean = n == 0;
    say(client, "handler ends", n);
    if (n == 0 && chance(3)) {
        asyncio_streamwriter_close(writer);
        if (chance(2))
            ASYNCIO_IGNORE(asyncio_streamwriter_wait_closed(writer));
    }
    return n == -ECANCELED ? -ECANCELED : 0;
}

/* --------------------------------------------------------------------------------------------------------- Clients */

static int open_client(struct client *client)
{
    int r = world.is_unix ? asyncio_open_unix_connection(world.path, &client->reader, &client->writer)
                          : asyncio_open_connection("127.0.0.1", asyncio_address_port(&world.address), &client->reader,
                                                    &client->writer, .limit = (size_t)(chance(2) ? 0 : 40 + pick(200)));

    say(client, "opens", r);
    note_error(&client->here, r);
    return r;
}

/* How a client ends what it has said. Returns: whether it still wants to hear the reply. */
static bool end_client(struct client *client)
{
    switch (pick(6)) {
    case 0:
        world.is_disturbed = true;
        return false;
    case 1:
        world.is_disturbed = true;
        asyncio_streamwriter_abort(client->writer);
        return false;
    default:
        ASYNCIO_IGNORE(asyncio_streamwriter_write_eof(client->writer));
        return true;
    }
}

static int talk(struct client *client)
{
    struct asyncio_future *listener;
    int r = 0;

    listener = asyncio_create_task(read_replies, client);
    while (r == 0 && client->here.written < client->to_send) {
        size_t left = client->to_send - (size_t)client->here.written, size = (size_t)(1 + pick(LONGEST));

        r = write_something(client, &client->here, client->writer, size < left ? size : left);
        if (r == 0)
            r = nap();
    }
    if (r == 0 && end_client(client))
        r = asyncio_await(listener);
    client->here.is_clean = !asyncio_streamwriter_is_closing(client->writer);
    asyncio_streamwriter_close(client->writer);
    if (asyncio_cancel_and_wait(listener) < 0)
        r = -ECANCELED;
    asyncio_future_unref(listener);
    if (chance(2))
        note_error(&client->here, asyncio_streamwriter_wait_closed(client->writer));
    return r;
}

static int live(void *arg)
{
    struct client *client = arg;
    int r;

    ASYNCIO_IGNORE(asyncio_sleep(0.0005 * pick(6)));
    r = open_client(client);
    if (r == 0)
        r = talk(client);
    asyncio_streamreader_unref(client->reader);
    asyncio_streamwriter_unref(client->writer);
    client->has_ended = true;
    say(client, "client ends", r);
    return r == -ECANCELED ? r : 0;
}

/* ----------------------------------------------------------------------------------------------------------- Worlds */

static void disturb(void)
{
    if (chance(2))
        return;
    ASYNCIO_IGNORE(asyncio_sleep(0.0005 * pick(12)));
    world.is_disturbed = true;
    switch (pick(6)) {
    case 0:
        asyncio_server_close(world.server);
        break;
    case 1:
        asyncio_server_close_clients(world.server);
        break;
    case 2:
        asyncio_server_abort_clients(world.server);
        break;
    case 3:
        MUST(asyncio_server_stop(world.server, 0.001 * pick(5)) >= 0);
        break;
    default:
        asyncio_future_cancel(world.clients[pick(world.n_clients)].task);
    }
}

/* What is known of both sides once all is over. */
static void account(const struct client *client)
{
    const struct side *here = &client->here, *there = &client->there;

    MUST(client->has_ended);
    MUST(there->got <= here->written + here->maybe && here->got <= there->written + there->maybe);
    MUST(there->written <= there->got);
    if (!world.is_unix || !world.is_disturbed) {
        MUST(!there->met_end || !here->is_clean || there->got == here->written);
        MUST(!there->met_end || here->is_clean || here->error);
        MUST(!here->met_end || !there->is_clean || here->got == there->written);
    }
    if (!world.has_faults && !world.is_disturbed) {
        MUST(!here->error && !there->error);
        MUST(here->written == client->to_send && here->got == client->to_send && there->got == client->to_send);
    }
}

static int start_server(void)
{
    size_t limit = (size_t)(chance(2) ? 0 : 40 + pick(200)), most = (size_t)(chance(3) ? 1 + pick(3) : 0);
    int r;

    snprintf(world.path, sizeof world.path, "@world-%" PRIu64, world.seed);
    if (world.is_unix)
        return asyncio_start_unix_server(handle, NULL, world.path, &world.server, .limit = limit,
                                         .max_connections = most);
    r = asyncio_start_server(handle, NULL, "127.0.0.1", 0, &world.server, .limit = limit, .max_connections = most,
                             .backlog = 1 + pick(8));
    return r < 0 ? r : asyncio_server_sockname(world.server, 0, &world.address);
}

static int world_main(void *arg)
{
    struct asyncio_future *tasks[MAX_CLIENTS];
    size_t n = (size_t)world.n_clients;
    int r = start_server();

    (void)arg;
    say(NULL, "server", r);
    if (r < 0) {
        MUST(world.has_faults);
        return 0;
    }
    for (size_t i = 0; i < n; i++) {
        struct client *client = &world.clients[i];

        *client = (struct client){.number = (int)i, .to_send = (size_t)(2 + pick(MOST_BYTES))};
        /* A client that is cancelled before it begins would never end what it has to account for. */
        client->task = tasks[i] = asyncio_create_task(live, client, .start_then_cancel = true);
    }
    disturb();
    MUST(asyncio_wait(tasks, n, 3600, ASYNCIO_ALL_COMPLETED) == (int)n);
    asyncio_server_close(world.server);
    MUST(asyncio_server_wait_closed(world.server) == 0);
    ASYNCIO_IGNORE(asyncio_sleep(100)); /* for what clients have closed and not waited for */
    for (size_t i = 0; i < n; i++) {
        account(&world.clients[i]);
        asyncio_future_unref(tasks[i]);
    }
    world.server = asyncio_server_unref(world.server);
    return 0;
}

/* A machine with some of the faults. */
static void choose_faults(void)
{
    static const struct {
        const char *name;
        int most;
    } faults[] = {
        {"short", 60}, {"eintr", 30}, {"later", 60},   {"delay", 400}, {"buffer", 3000},
        {"reset", 20}, {"files", 24}, {"exhaust", 30}, {"abort", 20},
    };
    size_t length = (size_t)snprintf(world.backend, sizeof world.backend, "sim:%" PRIu64, world.seed);

    for (size_t i = 0; i < sizeof faults / sizeof faults[0]; i++) {
        /* What breaks connections comes last. */
        bool breaks = i >= 5;

        if (!chance(breaks ? 6 : 3))
            continue;
        world.has_faults |= breaks;
        length += (size_t)snprintf(world.backend + length, sizeof world.backend - length, ",%s=%d", faults[i].name,
                                   (breaks ? 4 : 1) + pick(faults[i].most));
    }
    if (chance(4))
        snprintf(world.backend + length, sizeof world.backend - length, ",permute");
}

static int new_world_loop(struct asyncio_loop **ret_loop)
{
    return asyncio_new_event_loop(ret_loop, .backend = world.backend);
}

/* Running out of descriptors and clients that end with the loop are reported, and only those. */
static void check_log(void)
{
    char *log = strdup(captured_log()), *rest = NULL;

    for (char *line = strtok_r(log, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest))
        if (!strstr(line, "out of system resource") || !world.has_faults)
            FAIL("world %" PRIu64 " (%s) logs: %s", world.seed, world.backend, line);
    free(log);
}

static void run_world(uint64_t seed, bool loud)
{
    int64_t memory = asyncio_allocated();

    memset(&world, 0, sizeof world);
    world.seed = seed;
    world.random = seed * UINT64_C(0xa24baed4963ee407);
    world.loud = loud;
    world.is_unix = chance(4);
    world.n_clients = 1 + pick(MAX_CLIENTS);
    test_replay_seed(seed);
    choose_faults();
    EXPECT_INT(asyncio_run(world_main, NULL, .loop_factory = new_world_loop), 0);
    check_log();
    MUST(asyncio_allocated() == memory);
}

/* $WORLDS is how many there are in all, shared by the tests below; what fits into a few seconds, if nothing is said. */
static void run_worlds(int part, int parts)
{
    const char *wanted = getenv("WORLDS");
    int n = wanted && atoi(wanted) > 0 ? atoi(wanted) : 10000 / test_slowness();

    if (test_seed_given()) {
        if (part > 0)
            SKIP("one world was asked for");
        test_show_output();
        run_world(test_seed(), true);
        return;
    }
    test_needs_seconds(10 + n / 200);
    for (int seed = 1 + part; seed <= n; seed += parts)
        run_world((uint64_t)seed, false);
}

#define WORLDS(part, parts)                                                                                 \
    TEST_SIM_NO_SWEEP(stream_worlds_##part##_of_##parts, "R2 R3 R10: random worlds account for every byte", \
                      "they are random already")                                                            \
    {                                                                                                       \
        run_worlds((part)-1, (parts));                                                                      \
    }

WORLDS(1, 4)
WORLDS(2, 4)
WORLDS(3, 4)
WORLDS(4, 4)
