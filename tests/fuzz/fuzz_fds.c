/* fuzz_fds.c -- the table of fds: sockets of the library and foreign ones are opened, watched, read, closed and opened
 * again under the same numbers, on the kernel's back end, in an order that a fuzzer invents.
 *
 * Each socket knows what its peer has sent. A completion must bring the next bytes of just that, an operation must end
 * exactly once, a second one in a direction must be refused, and a closed fd must be of no more consequence. */
#include "base/base.h"

#include <asyncio_lowlevel.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#define N_ENDS 12 /* two and two are connected */

enum { READING, WRITING, N_DIRECTIONS };

struct end;

/* An operation that waits on an end. */
struct wait {
    struct asyncio_op op;
    struct end *end;
    bool is_submitted, was_closed;
    unsigned char buffer[64];
};

struct end {
    int fd; /* -1: closed */
    bool is_foreign, is_watched;
    uint64_t id;             /* of the stream of bytes that this end sends */
    uint64_t sent, received; /* received: of the peer's */
    bool has_ended;          /* sends no more */
    struct wait waits[N_DIRECTIONS];
    struct end *peer;
    int n_called; /* times that the watch of a foreign end ran */
};

static struct end ends[N_ENDS];
static struct asyncio_loop *loop;
static uint64_t last_id;
static const uint8_t *input, *input_end;

#define CHECK(condition)                                                            \
    do {                                                                            \
        if (!(condition)) {                                                         \
            fprintf(stderr, "%s:%d: broken: %s\n", __FILE__, __LINE__, #condition); \
            abort();                                                                \
        }                                                                           \
    } while (0)

/* Stands in for libc's, to hear of a close of what is not open. */
int close(int fd)
{
    int r = (int)syscall(SYS_close, fd);

    CHECK(r == 0 || errno != EBADF);
    return r;
}

static uint8_t next_byte(void)
{
    return input < input_end ? *input++ : 0;
}

static unsigned char tag(uint64_t id, uint64_t offset)
{
    return (unsigned char)((id * UINT64_C(0x9e3779b97f4a7c15) + offset * UINT64_C(0xd6e8feb86659fd93)) >> 56);
}

static int64_t call(struct asyncio_op op)
{
    CHECK(asyncio_op_submit(loop, &op));
    return op.result;
}

/* ------------------------------------------------------------------------------------------------------ Completions */

static void check_bytes(struct end *end, const unsigned char *data, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        CHECK(data[i] == tag(end->peer->id, end->received + (uint64_t)i));
    end->received += (uint64_t)n;
    CHECK(end->received <= end->peer->sent);
}

static void check_result(struct wait *wait, int64_t result)
{
    struct end *end = wait->end;

    if (wait->was_closed) {
        CHECK(result == -ASYNCIO_ECLOSED);
        return;
    }
    if (result < 0) {
        CHECK(result == -ECONNRESET || result == -EPIPE);
        return;
    }
    if (wait->op.opcode == ASYNCIO_OP_RECV && result > 0)
        check_bytes(end, wait->op.buffer.data, result);
    if (wait->op.opcode == ASYNCIO_OP_RECV && result == 0)
        CHECK(end->peer->has_ended);
    if (wait->op.opcode == ASYNCIO_OP_SEND)
        end->sent += (uint64_t)result;
}

static void is_complete(struct asyncio_op *op)
{
    struct wait *wait = op->owner;

    CHECK(wait->is_submitted);
    CHECK(wait->was_closed || wait->end->fd == op->fd);
    wait->is_submitted = op->completion & ASYNCIO_OP_MORE;
    /* What a socket sends is known only afterwards, so the peer may have it sooner; the count is corrected here. */
    check_result(wait, op->result);
}

static void submit(struct end *end, int direction, uint8_t opcode, unsigned flags, size_t size)
{
    struct wait *wait = &end->waits[direction];
    bool is_busy = wait->is_submitted;
    struct wait second;

    if (end->fd < 0 || end->is_foreign)
        return;
    if (is_busy)
        wait = &second;
    *wait = (struct wait){.end = end};
    wait->op = (struct asyncio_op){.opcode = opcode,
                                   .flags = (uint8_t)flags,
                                   .fd = end->fd,
                                   .complete = is_complete,
                                   .owner = wait,
                                   .buffer = {.data = wait->buffer, .size = size}};
    if (opcode == ASYNCIO_OP_POLL)
        wait->op.poll.events = direction == READING ? ASYNCIO_READABLE : ASYNCIO_WRITABLE;
    if (opcode == ASYNCIO_OP_SEND)
        for (size_t i = 0; i < size; i++)
            wait->buffer[i] = tag(end->id, end->sent + i);
    wait->is_submitted = !asyncio_op_submit(loop, &wait->op);
    if (is_busy) {
        CHECK(!wait->is_submitted && wait->op.result == -EBUSY);
        return;
    }
    if (!wait->is_submitted && wait->op.result != -EAGAIN)
        check_result(wait, wait->op.result);
}

static void cancel(struct end *end, int direction)
{
    struct wait *wait = &end->waits[direction];

    if (wait->is_submitted && !wait->was_closed && asyncio_op_cancel(loop, &wait->op))
        wait->is_submitted = false;
}

/* ---------------------------------------------------------------------------------------------- Opening and closing */

static void was_called(void *arg)
{
    struct end *end = arg;

    CHECK(end->fd >= 0 && end->is_watched);
    end->n_called++;
}

static void watch(struct end *end, bool on)
{
    if (end->fd < 0 || !end->is_foreign)
        return;
    if (on)
        CHECK(asyncio_loop_add_reader(loop, end->fd, was_called, end) == 0);
    else
        CHECK(asyncio_loop_remove_reader(loop, end->fd) == end->is_watched);
    end->is_watched = on;
}

/* Operations of the end that was here before have completed, or their memory is not to be touched. */
static bool is_free(const struct end *end)
{
    return end->fd < 0 && !end->waits[READING].is_submitted && !end->waits[WRITING].is_submitted;
}

static void open_pair(struct end *pair, bool is_foreign)
{
    struct asyncio_op make = {.opcode = ASYNCIO_OP_SOCKETPAIR, .make = {AF_UNIX, SOCK_STREAM, 0, {-1, -1}}};
    int fds[2];

    if (!is_free(&pair[0]) || !is_free(&pair[1]))
        return;
    if (is_foreign) {
        CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds) == 0);
    } else {
        CHECK(asyncio_op_submit(loop, &make) && make.result == 0);
        memcpy(fds, make.make.fds, sizeof fds);
    }
    for (int i = 0; i < 2; i++)
        pair[i] = (struct end){.fd = fds[i], .is_foreign = is_foreign, .id = ++last_id, .peer = &pair[1 - i]};
}

static void close_end(struct end *end, bool forget)
{
    if (end->fd < 0)
        return;
    end->has_ended = true;
    if (end->is_foreign) {
        if (end->is_watched)
            watch(end, false);
        close(end->fd);
        end->fd = -1;
        return;
    }
    for (int d = 0; d < N_DIRECTIONS; d++)
        end->waits[d].was_closed = end->waits[d].is_submitted;
    CHECK(call((struct asyncio_op){.opcode = forget ? ASYNCIO_OP_FORGET : ASYNCIO_OP_CLOSE, .fd = end->fd}) == 0);
    if (forget)
        close(end->fd);
    end->fd = -1;
}

/* Bytes for, and from, a foreign end, past the library. */
static void talk(struct end *end)
{
    unsigned char byte = tag(end->id, end->sent);

    if (end->fd >= 0 && end->is_foreign && send(end->fd, &byte, 1, MSG_NOSIGNAL) == 1)
        end->sent++;
    if (end->fd >= 0 && end->is_foreign && recv(end->fd, &byte, 1, 0) == 1)
        check_bytes(end, &byte, 1);
}

/* ----------------------------------------------------------------------------------------------------------- Steps */

static void step(void)
{
    uint8_t code = next_byte(), which = next_byte();
    struct end *end = &ends[which % N_ENDS];
    int direction = which & 0x80 ? WRITING : READING;
    size_t size = 1 + which / N_ENDS;

    switch (code % 14) {
    case 0:
        open_pair(&ends[which % (N_ENDS / 2) * 2], which & 0x40);
        break;
    case 1:
    case 2:
        submit(end, WRITING, ASYNCIO_OP_SEND, code & 0x80 ? ASYNCIO_OP_NOWAIT : 0, size);
        break;
    case 3:
    case 4:
        submit(end, READING, ASYNCIO_OP_RECV, code & 0x80 ? ASYNCIO_OP_NOWAIT : 0, size);
        break;
    case 5:
        submit(end, direction, ASYNCIO_OP_POLL, code & 0x80 ? ASYNCIO_OP_STANDING : 0, 0);
        break;
    case 6:
    case 7:
        cancel(end, direction);
        break;
    case 8:
        close_end(end, which & 0x20);
        break;
    case 9:
        watch(end, which & 0x10);
        break;
    case 10:
        talk(end);
        break;
    default:
        CHECK(asyncio_loop_run_once(loop, 0) >= 0);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    input = data;
    input_end = data + size;
    CHECK(asyncio_new_event_loop(&loop, .backend = "epoll") == 0);
    for (int i = 0; i < N_ENDS; i++)
        ends[i] = (struct end){.fd = -1, .peer = &ends[i ^ 1]};
    while (input < input_end)
        step();
    for (int i = 0; i < N_ENDS; i++)
        close_end(&ends[i], i & 1);
    for (int i = 0; i < 3; i++)
        CHECK(asyncio_loop_run_once(loop, 0) >= 0);
    for (int i = 0; i < N_ENDS; i++)
        CHECK(is_free(&ends[i]));
    CHECK(asyncio_loop_close(loop) == 0);
    asyncio_loop_unref(loop);
    return 0;
}
