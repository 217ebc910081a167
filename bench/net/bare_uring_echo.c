/* bare_uring_echo.c -- the floor: an echo server as good as one writes it by hand on io_uring. Prints its port, then
 * serves until it is killed.
 *
 * One io_uring_enter a turn submits what the last turn's completions asked for and waits for the next ones. Accept and
 * receive are multishot; received bytes lie in buffers of a ring shared by all connections and are sent from there, so
 * that nothing is copied. The ring holds few buffers until they are not enough, because it goes round all of them, and
 * few stay in the cache. Sockets are direct descriptors: they have no number in the process's table, which saves the
 * look-up an operation. A connection has one send at a time, of all that has come meanwhile; when too much is waiting,
 * its receive is cancelled until that is sent. */
#include "wire.h"

#include <errno.h>
#include <linux/io_uring.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#ifndef IORING_SETUP_NO_SQARRAY /* Linux 6.6 */
#define IORING_SETUP_NO_SQARRAY (1U << 16)
#endif

#define SQ_SIZE          4096
#define CQ_SIZE          16384
#define FEW_BUFFERS      64
#define MOST_BUFFERS     1024
#define BUFFER_SIZE      65536
#define MOST_CONNECTIONS 16384
#define MOST_WAITING     32 /* buffers that a connection holds before its receive is stopped */
#define NOBODY           UINT16_MAX

enum { RECV, SEND, ACCEPT, CLOSE, CANCEL };

struct connection {
    bool is_receiving, is_cancelled, is_sending, has_ended;
    uint16_t first, last; /* buffers that wait to be sent, linked by next_buffer; NOBODY for none */
    uint16_t n_waiting, n_sending;
};

/* A send of several buffers; taken from a pool, because few connections ever need one. */
struct gathered {
    struct msghdr message;
    struct iovec pieces[MOST_WAITING];
};

static struct connection connections[MOST_CONNECTIONS];
static struct gathered *gathered[MOST_CONNECTIONS];
static uint16_t next_buffer[MOST_BUFFERS];
static uint32_t buffer_size[MOST_BUFFERS]; /* of what was received */
static char *buffers;
static struct io_uring_buf_ring *buffer_ring;
static uint16_t buffer_tail;
static unsigned n_buffers; /* in use: few, which stay in the processor's cache, until they are not enough */

static int ring_fd, enter_fd;
static unsigned enter_flags;
static struct io_uring_sqe *sqes;
static struct io_uring_cqe *cqes;
static unsigned *sq_head, *sq_tail, *cq_head, *cq_tail;
static unsigned sq_local_tail, n_unsubmitted;
static int listener;
/* Connections whose receive ran out of buffers; they try again when some have come back. */
static uint16_t starved[MOST_CONNECTIONS];
static unsigned n_starved;

static int enter(unsigned n_wait)
{
    unsigned flags = enter_flags | (n_wait ? IORING_ENTER_GETEVENTS : 0);
    long r;

    __atomic_store_n(sq_tail, sq_local_tail, __ATOMIC_RELEASE);
    r = syscall(SYS_io_uring_enter, enter_fd, n_unsubmitted, n_wait, flags, NULL, 0);
    if (r < 0 && errno != EINTR && errno != EAGAIN && errno != EBUSY)
        fail("io_uring_enter");
    if (r > 0)
        n_unsubmitted -= (unsigned)r;
    return (int)r;
}

static struct io_uring_sqe *next_sqe(int kind, unsigned slot)
{
    struct io_uring_sqe *sqe;

    while (n_unsubmitted == SQ_SIZE)
        enter(0);
    sqe = &sqes[sq_local_tail++ & (SQ_SIZE - 1)];
    n_unsubmitted++;
    memset(sqe, 0, sizeof *sqe);
    sqe->user_data = (uint64_t)kind << 32 | slot;
    return sqe;
}

static void start_accept(void)
{
    struct io_uring_sqe *sqe = next_sqe(ACCEPT, 0);

    sqe->opcode = IORING_OP_ACCEPT;
    sqe->fd = listener;
    sqe->ioprio = IORING_ACCEPT_MULTISHOT;
    sqe->file_index = IORING_FILE_INDEX_ALLOC;
}

static void start_receive(unsigned slot)
{
    struct io_uring_sqe *sqe = next_sqe(RECV, slot);

    sqe->opcode = IORING_OP_RECV;
    sqe->flags = IOSQE_FIXED_FILE | IOSQE_BUFFER_SELECT;
    sqe->fd = (int)slot;
    sqe->ioprio = IORING_RECV_MULTISHOT;
    connections[slot].is_receiving = true;
    connections[slot].is_cancelled = false;
}

static void stop_receive(unsigned slot)
{
    struct io_uring_sqe *sqe = next_sqe(CANCEL, slot);

    sqe->opcode = IORING_OP_ASYNC_CANCEL;
    sqe->flags = IOSQE_CQE_SKIP_SUCCESS;
    sqe->addr = (uint64_t)RECV << 32 | slot;
    connections[slot].is_cancelled = true;
}

static void give_back(uint16_t buffer)
{
    struct io_uring_buf *entry = &buffer_ring->bufs[buffer_tail++ & (MOST_BUFFERS - 1)];

    entry->addr = (uint64_t)(uintptr_t)(buffers + (size_t)buffer * BUFFER_SIZE);
    entry->len = BUFFER_SIZE;
    entry->bid = buffer;
}

static void add_buffers(unsigned n)
{
    for (; n && n_buffers < MOST_BUFFERS; n--)
        give_back((uint16_t)n_buffers++);
}

/* Sends all buffers that wait: one as it lies there, several by one gathering send. */
static void start_send(unsigned slot)
{
    struct connection *connection = &connections[slot];
    struct io_uring_sqe *sqe = next_sqe(SEND, slot);
    uint16_t buffer = connection->first;

    sqe->flags = IOSQE_FIXED_FILE;
    sqe->fd = (int)slot;
    sqe->msg_flags = MSG_NOSIGNAL | MSG_WAITALL;
    connection->is_sending = true;
    connection->n_sending = 1;
    if (connection->n_waiting == 1) {
        sqe->opcode = IORING_OP_SEND;
        sqe->addr = (uint64_t)(uintptr_t)(buffers + (size_t)buffer * BUFFER_SIZE);
        sqe->len = buffer_size[buffer];
        return;
    }
    if (!gathered[slot])
        gathered[slot] = calloc(1, sizeof *gathered[slot]);
    if (!gathered[slot])
        fail("memory");
    connection->n_sending = connection->n_waiting < MOST_WAITING ? connection->n_waiting : MOST_WAITING;
    for (unsigned i = 0; i < connection->n_sending; i++, buffer = next_buffer[buffer])
        gathered[slot]->pieces[i] = (struct iovec){buffers + (size_t)buffer * BUFFER_SIZE, buffer_size[buffer]};
    gathered[slot]->message = (struct msghdr){.msg_iov = gathered[slot]->pieces, .msg_iovlen = connection->n_sending};
    sqe->opcode = IORING_OP_SENDMSG;
    sqe->addr = (uint64_t)(uintptr_t)&gathered[slot]->message;
    sqe->len = 1;
}

static void forget_buffers(struct connection *connection, unsigned n)
{
    for (; n; n--, connection->n_waiting--) {
        give_back(connection->first);
        connection->first = next_buffer[connection->first];
    }
}

static void close_if_done(unsigned slot)
{
    struct connection *connection = &connections[slot];
    struct io_uring_sqe *sqe;

    if (!connection->has_ended || connection->is_receiving || connection->is_sending)
        return;
    forget_buffers(connection, connection->n_waiting);
    sqe = next_sqe(CLOSE, slot);
    sqe->opcode = IORING_OP_CLOSE;
    sqe->flags = IOSQE_CQE_SKIP_SUCCESS;
    sqe->file_index = slot + 1;
}

static void on_accept(const struct io_uring_cqe *cqe)
{
    if (cqe->res >= 0) {
        connections[cqe->res] = (struct connection){0};
        start_receive((unsigned)cqe->res);
    }
    if (!(cqe->flags & IORING_CQE_F_MORE))
        start_accept();
}

static void on_receive(unsigned slot, const struct io_uring_cqe *cqe)
{
    struct connection *connection = &connections[slot];
    bool more = cqe->flags & IORING_CQE_F_MORE;

    connection->is_receiving = more;
    if (cqe->res > 0) {
        uint16_t buffer = (uint16_t)(cqe->flags >> IORING_CQE_BUFFER_SHIFT);

        buffer_size[buffer] = (uint32_t)cqe->res;
        if (connection->n_waiting++)
            next_buffer[connection->last] = buffer;
        else
            connection->first = buffer;
        connection->last = buffer;
        if (!connection->is_sending)
            start_send(slot);
        if (more && connection->n_waiting >= MOST_WAITING && !connection->is_cancelled)
            stop_receive(slot);
    } else if (cqe->res == -ENOBUFS) {
        starved[n_starved++] = (uint16_t)slot;
        return;
    } else if (cqe->res != -ECANCELED) {
        connection->has_ended = true;
    }
    if (!more && !connection->has_ended && connection->n_waiting < MOST_WAITING && !connection->is_sending)
        start_receive(slot);
    close_if_done(slot);
}

static void on_send(unsigned slot, const struct io_uring_cqe *cqe)
{
    struct connection *connection = &connections[slot];

    connection->is_sending = false;
    forget_buffers(connection, connection->n_sending);
    if (cqe->res < 0) {
        connection->has_ended = true;
        if (connection->is_receiving && !connection->is_cancelled)
            stop_receive(slot);
    } else if (connection->n_waiting) {
        start_send(slot);
    } else if (!connection->is_receiving && !connection->has_ended) {
        start_receive(slot);
    }
    close_if_done(slot);
}

static void *map(size_t size, off_t offset)
{
    void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, ring_fd, offset);

    if (memory == MAP_FAILED)
        fail("mmap");
    return memory;
}

static void set_up_ring(void)
{
    struct io_uring_params params = {.cq_entries = CQ_SIZE};
    struct io_uring_rsrc_update update = {.offset = UINT32_MAX};
    bool has_array; /* of indices, which newer kernels do without */
    char *rings;

    params.flags = IORING_SETUP_CQSIZE | IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN |
                   IORING_SETUP_SUBMIT_ALL | IORING_SETUP_NO_SQARRAY;
    ring_fd = (int)syscall(SYS_io_uring_setup, SQ_SIZE, &params);
    if (ring_fd < 0 && errno == EINVAL) {
        params.flags &= ~IORING_SETUP_NO_SQARRAY;
        ring_fd = (int)syscall(SYS_io_uring_setup, SQ_SIZE, &params);
    }
    if (ring_fd < 0)
        fail("io_uring_setup");
    has_array = !(params.flags & IORING_SETUP_NO_SQARRAY);
    rings =
        map(has_array ? params.sq_off.array + SQ_SIZE * sizeof(unsigned) : params.cq_off.cqes + CQ_SIZE * sizeof *cqes,
            IORING_OFF_SQ_RING);
    for (unsigned i = 0; has_array && i < SQ_SIZE; i++)
        ((unsigned *)(rings + params.sq_off.array))[i] = i;
    sqes = map(SQ_SIZE * sizeof *sqes, IORING_OFF_SQES);
    sq_head = (unsigned *)(rings + params.sq_off.head);
    sq_tail = (unsigned *)(rings + params.sq_off.tail);
    cq_head = (unsigned *)(rings + params.cq_off.head);
    cq_tail = (unsigned *)(rings + params.cq_off.tail);
    cqes = (struct io_uring_cqe *)(rings + params.cq_off.cqes);
    update.data = (uint64_t)ring_fd;
    enter_fd = ring_fd;
    if (syscall(SYS_io_uring_register, ring_fd, IORING_REGISTER_RING_FDS, &update, 1) == 1) {
        enter_fd = (int)update.offset;
        enter_flags = IORING_ENTER_REGISTERED_RING;
    }
}

static void set_up_tables(void)
{
    struct io_uring_rsrc_register files = {.nr = MOST_CONNECTIONS, .flags = IORING_RSRC_REGISTER_SPARSE};
    struct io_uring_buf_reg ring = {.ring_entries = MOST_BUFFERS};

    if (syscall(SYS_io_uring_register, ring_fd, IORING_REGISTER_FILES2, &files, sizeof files) < 0)
        fail("register files");
    buffer_ring = mmap(NULL, MOST_BUFFERS * sizeof(struct io_uring_buf), PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    buffers =
        mmap(NULL, (size_t)MOST_BUFFERS * BUFFER_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (buffer_ring == MAP_FAILED || buffers == MAP_FAILED)
        fail("mmap");
    ring.ring_addr = (uint64_t)(uintptr_t)buffer_ring;
    if (syscall(SYS_io_uring_register, ring_fd, IORING_REGISTER_PBUF_RING, &ring, 1) < 0)
        fail("register buffers");
    add_buffers(FEW_BUFFERS);
    __atomic_store_n(&buffer_ring->tail, buffer_tail, __ATOMIC_RELEASE);
}

static void dispatch(const struct io_uring_cqe *cqe)
{
    unsigned slot = (unsigned)cqe->user_data;

    switch (cqe->user_data >> 32) {
    case ACCEPT:
        on_accept(cqe);
        break;
    case RECV:
        on_receive(slot, cqe);
        break;
    case SEND:
        on_send(slot, cqe);
        break;
    default:
        break;
    }
}

static void turn(void)
{
    unsigned head = *cq_head, tail;
    uint16_t old_buffer_tail = buffer_tail;

    enter(1);
    tail = __atomic_load_n(cq_tail, __ATOMIC_ACQUIRE);
    for (; head != tail; head++)
        dispatch(&cqes[head & (CQ_SIZE - 1)]);
    __atomic_store_n(cq_head, head, __ATOMIC_RELEASE);
    if (n_starved)
        add_buffers(n_buffers);
    if (buffer_tail == old_buffer_tail)
        return;
    __atomic_store_n(&buffer_ring->tail, buffer_tail, __ATOMIC_RELEASE);
    while (n_starved) {
        unsigned slot = starved[--n_starved];

        if (!connections[slot].is_receiving && !connections[slot].has_ended)
            start_receive(slot);
    }
}

int main(void)
{
    struct rlimit limit = {MOST_CONNECTIONS + 1024, MOST_CONNECTIONS + 1024};

    setrlimit(RLIMIT_NOFILE, &limit);
    listener = listen_on_loopback();
    set_up_ring();
    set_up_tables();
    announce(listener);
    start_accept();
    for (;;)
        turn();
}
