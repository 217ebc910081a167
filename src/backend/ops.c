/* ops.c -- the system calls behind the operations.
 *
 * Nothing here blocks on an fd that the library made, and nothing raises SIGPIPE. A call that a signal interrupts is
 * made again. errno stays inside: results are negative errors. */
#include "ops.h"

#include "../base/hostile.h"

#include <fcntl.h>
#include <limits.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

/* Makes a call again until no signal interrupts it. */
#define RETRY(call)                              \
    ({                                           \
        int64_t result_;                         \
        do                                       \
            result_ = (call);                    \
        while (result_ < 0 && errno == EINTR);   \
        result_ < 0 ? -(int64_t)errno : result_; \
    })

/* A flag of pwritev2(2) that Linux has from 6.18 on. */
#ifndef RWF_NOSIGNAL
#define RWF_NOSIGNAL 0x100
#endif

enum { UNKNOWN, SUPPORTED, UNSUPPORTED };

static atomic_int rwf_nosignal = UNKNOWN;

/* The pieces of a caller are the kernel's as they are. */
static_assert(sizeof(struct asyncio_bytes) == sizeof(struct iovec) &&
                  offsetof(struct asyncio_bytes, data) == offsetof(struct iovec, iov_base) &&
                  offsetof(struct asyncio_bytes, size) == offsetof(struct iovec, iov_len) &&
                  sizeof(((struct asyncio_bytes *)0)->size) == sizeof(((struct iovec *)0)->iov_len),
              "struct asyncio_bytes is laid out as struct iovec");

/* An address takes any that the kernel has. */
static_assert(sizeof(((struct asyncio_address *)0)->data) >= sizeof(struct sockaddr_storage),
              "struct asyncio_address holds every kind");

static int64_t call_write(const struct asyncio_op *op)
{
    return RETRY(write(op->fd, op->buffer.data, op->buffer.size));
}

static int64_t call_sendfile(const struct asyncio_op *op)
{
    off_t offset = op->sendfile.offset;

    return RETRY(sendfile(op->fd, op->sendfile.file, &offset, op->sendfile.count));
}

/* A call that transfers `size` bytes, without SIGPIPE on any kernel: the signal is blocked meanwhile, and one that the
 * call caused is taken away. It may come with a result that is only short, as a sendfile is many calls for the socket.
 */
static int64_t call_with_signal_blocked(int64_t (*call)(const struct asyncio_op *op), const struct asyncio_op *op,
                                        size_t size)
{
    static const struct timespec at_once;
    sigset_t sigpipe, old, pending;
    bool was_pending = false;
    int64_t result;

    sigemptyset(&sigpipe);
    sigaddset(&sigpipe, SIGPIPE);
    pthread_sigmask(SIG_BLOCK, &sigpipe, &old);
    if (sigismember(&old, SIGPIPE) == 1 && sigpending(&pending) == 0)
        was_pending = sigismember(&pending, SIGPIPE) == 1;
    result = call(op);
    if ((result == -EPIPE || (result >= 0 && (size_t)result < size)) && !was_pending)
        RETRY(sigtimedwait(&sigpipe, NULL, &at_once));
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    return result;
}

static int64_t perform_write(const struct asyncio_op *op)
{
    struct iovec vector = {op->buffer.data, op->buffer.size};
    int support = atomic_load_explicit(&rwf_nosignal, memory_order_relaxed);
    int64_t result;

    if (support == UNSUPPORTED)
        return call_with_signal_blocked(call_write, op, op->buffer.size);
    /* The offset of -1 is the file's own position. */
    result = RETRY(syscall(SYS_pwritev2, op->fd, &vector, 1L, -1L, -1L, RWF_NOSIGNAL));
    if (result != -EOPNOTSUPP && result != -ENOSYS) {
        if (support == UNKNOWN && result >= 0)
            atomic_store_explicit(&rwf_nosignal, SUPPORTED, memory_order_relaxed);
        return result;
    }
    /* An old kernel, or a file that knows no flags at all. */
    if (support == UNKNOWN)
        atomic_store_explicit(&rwf_nosignal, UNSUPPORTED, memory_order_relaxed);
    return call_with_signal_blocked(call_write, op, op->buffer.size);
}

static int64_t perform_poll(const struct asyncio_op *op)
{
    struct pollfd query = {.fd = op->fd};
    unsigned events = 0;
    int64_t result;

    if (op->poll.events & ASYNCIO_READABLE)
        query.events |= POLLIN;
    if (op->poll.events & ASYNCIO_WRITABLE)
        query.events |= POLLOUT;
    result = RETRY(poll(&query, 1, 0));
    if (result < 0)
        return result;
    if (query.revents & POLLNVAL)
        return -EBADF;
    if (query.revents & (POLLERR | POLLHUP))
        return op->poll.events;
    if (query.revents & POLLIN)
        events |= ASYNCIO_READABLE;
    if (query.revents & POLLOUT)
        events |= ASYNCIO_WRITABLE;
    return events ? (int64_t)events : -EAGAIN;
}

static int64_t perform_accept(const struct asyncio_op *op)
{
    int64_t result;

    /* A connection that was given up in the queue is nobody's concern. */
    do
        result = RETRY(accept4(op->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC));
    while (result == -ECONNABORTED);
    return result;
}

static int64_t connect_outcome(struct asyncio_op *op)
{
    struct pollfd query = {.fd = op->fd, .events = POLLOUT};
    socklen_t size = sizeof(int);
    int64_t result;
    int error = 0;

    /* The event may be older than the connect: an unconnected socket counts as writable. */
    result = RETRY(poll(&query, 1, 0));
    if (result == 0)
        return -EAGAIN;
    if (result > 0)
        result = RETRY(getsockopt(op->fd, SOL_SOCKET, SO_ERROR, &error, &size));
    return result < 0 ? result : -error;
}

static int64_t perform_connect(struct asyncio_op *op)
{
    const struct sockaddr *address = op->address.data;

    if (op->state & ASYNCIO__OP_CONNECTING)
        return connect_outcome(op);
    if (connect(op->fd, address, (socklen_t)op->address.size) == 0)
        return 0;
    /* An interrupted connect goes on by itself. */
    if (errno == EINPROGRESS || errno == EINTR) {
        op->state |= ASYNCIO__OP_CONNECTING;
        return -EAGAIN;
    }
    /* The backlog of a Unix socket is full. No event would tell when that has changed, so it is refused, as on the
     * BSDs. */
    return errno == EAGAIN ? -ECONNREFUSED : -errno;
}

/* True for what may be cut anywhere: a stream socket or a pipe. */
static bool is_stream(int fd)
{
    struct stat about;
    socklen_t size = sizeof(int);
    int type;

    if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) == 0)
        return type == SOCK_STREAM;
    return fstat(fd, &about) == 0 && S_ISFIFO(about.st_mode);
}

/* Sends the first few bytes of the pieces, in hostile builds. */
static int64_t send_few(const struct asyncio_op *op)
{
    char few[8];
    size_t total = 0, n = 0, size;

    for (size_t i = 0; i < op->vector.n; i++)
        total += op->vector.pieces[i].size;
    size = min_size(asyncio__write_size(total), sizeof few);
    for (size_t i = 0; n < size; i++) {
        size_t part = min_size(op->vector.pieces[i].size, size - n);

        if (part > 0)
            memcpy(few + n, op->vector.pieces[i].data, part);
        n += part;
    }
    return RETRY(send(op->fd, few, n, op->vector.flags | MSG_NOSIGNAL));
}

static int64_t perform_sendv(const struct asyncio_op *op)
{
    /* The C libraries do not agree on the field's type, but that fits in all of them. */
    struct msghdr message = {
        .msg_iov = (struct iovec *)(uintptr_t)op->vector.pieces,
        .msg_iovlen = (uint16_t)min_size(op->vector.n, IOV_MAX),
    };

    if (asyncio__hostile(ASYNCIO__SHORT_TRANSFERS) && is_stream(op->fd))
        return send_few(op);
    return RETRY(sendmsg(op->fd, &message, op->vector.flags | MSG_NOSIGNAL));
}

/* Where the kernel puts an address. */
static struct sockaddr *place_for(struct asyncio_address *address)
{
    return (struct sockaddr *)address->data.bytes;
}

/* What the kernel has put there is so long; of a name that does not fit, it says how long the whole would be. */
static void set_size(struct asyncio_address *address, socklen_t size)
{
    address->size = min_size(size, sizeof address->data);
}

static int64_t perform_recvfrom(const struct asyncio_op *op)
{
    const struct asyncio_op_datagram *datagram = &op->datagram;
    struct asyncio_address *address = datagram->address;
    socklen_t size = sizeof address->data;
    int64_t result;

    if (!address)
        return RETRY(recv(op->fd, datagram->data, datagram->size, datagram->flags));
    result = RETRY(recvfrom(op->fd, datagram->data, datagram->size, datagram->flags, place_for(address), &size));
    if (result >= 0)
        set_size(address, size);
    return result;
}

static int64_t send_datagram(const struct asyncio_op *op)
{
    const struct asyncio_op_datagram *datagram = &op->datagram;
    struct asyncio_address *address = datagram->address;

    return RETRY(sendto(op->fd, datagram->data, datagram->size, datagram->flags | MSG_NOSIGNAL,
                        address ? place_for(address) : NULL, address ? (socklen_t)address->size : 0));
}

static bool is_writable(int fd)
{
    struct pollfd query = {.fd = fd, .events = POLLOUT};

    return RETRY(poll(&query, 1, 0)) == 1 && query.revents == POLLOUT;
}

static bool is_unix(const struct asyncio_address *address)
{
    sa_family_t family = AF_UNSPEC;

    if (address && address->size >= sizeof family)
        memcpy(&family, address->data.bytes, sizeof family);
    return family == AF_UNIX;
}

/* Sends, `to` an address or the connected peer. When the queue of a Unix socket is full that this one is not connected
 * to, no event would tell of room there, as this one counts as writable all the while, so it is an error, as on the
 * BSDs. A second try rules out that it has just become writable. */
static int64_t send_where_room_is_told(const struct asyncio_op *op, int64_t (*send_it)(const struct asyncio_op *op),
                                       const struct asyncio_address *to)
{
    int64_t result = send_it(op);

    if (result != -EAGAIN || !is_unix(to))
        return result;
    if (is_writable(op->fd))
        result = send_it(op);
    return result == -EAGAIN && is_writable(op->fd) ? -ENOBUFS : result;
}

static int64_t perform_sendto(const struct asyncio_op *op)
{
    return send_where_room_is_told(op, send_datagram, op->datagram.address);
}

/* --------------------------------------------------------------------------------------------- Batches of datagrams */

/* What the kernel is told of a batch. */
struct batch {
    struct mmsghdr headers[ASYNCIO__OP_BATCH];
    struct iovec vectors[ASYNCIO__OP_BATCH];
};

/* Room for what the kernel says beside the address; whatever else is asked of it by options has place, too. */
union control {
    struct cmsghdr align;
    char bytes[128];
};

static unsigned size_of(const struct asyncio_op_batch *batch)
{
    return (unsigned)min_size(batch->n, (size_t)asyncio__at_a_time(ASYNCIO__OP_BATCH));
}

/* Takes the address that a datagram was sent to, and the interface it came by. */
static void read_control(struct msghdr *header, struct asyncio_datagram_info *info)
{
    struct sockaddr_in in = {.sin_family = AF_INET};
    struct sockaddr_in6 in6 = {.sin6_family = AF_INET6};
    struct in6_pktinfo about6;
    struct in_pktinfo about;

    for (struct cmsghdr *part = CMSG_FIRSTHDR(header); part; part = asyncio__next_control(header, part)) {
        if (part->cmsg_level == IPPROTO_IP && part->cmsg_type == IP_PKTINFO) {
            memcpy(&about, CMSG_DATA(part), sizeof about);
            in.sin_addr = about.ipi_addr;
            memcpy(info->destination.data.bytes, &in, sizeof in);
            info->destination.size = sizeof in;
            info->interface = (unsigned)about.ipi_ifindex;
        } else if (part->cmsg_level == IPPROTO_IPV6 && part->cmsg_type == IPV6_PKTINFO) {
            memcpy(&about6, CMSG_DATA(part), sizeof about6);
            in6.sin6_addr = about6.ipi6_addr;
            if (IN6_IS_ADDR_LINKLOCAL(&in6.sin6_addr) || IN6_IS_ADDR_MC_LINKLOCAL(&in6.sin6_addr))
                in6.sin6_scope_id = about6.ipi6_ifindex;
            memcpy(info->destination.data.bytes, &in6, sizeof in6);
            info->destination.size = sizeof in6;
            info->interface = about6.ipi6_ifindex;
        }
    }
}

static int64_t perform_recvmsgs(const struct asyncio_op *op)
{
    const struct asyncio_op_batch *batch = &op->batch;
    union control controls[ASYNCIO__OP_BATCH];
    unsigned n = size_of(batch);
    struct batch asked;
    int64_t result;

    for (unsigned i = 0; i < n; i++) {
        struct asyncio_datagram *datagram = &batch->datagrams[i];

        asked.vectors[i] = (struct iovec){datagram->data, datagram->room};
        asked.headers[i].msg_hdr = (struct msghdr){
            .msg_name = place_for(&datagram->info.address),
            .msg_namelen = sizeof datagram->info.address.data,
            .msg_iov = &asked.vectors[i],
            .msg_iovlen = 1,
            /* Elsewhere descriptors that came along would be nobody's. */
            .msg_control = batch->detailed ? &controls[i] : NULL,
            .msg_controllen = batch->detailed ? sizeof controls[i] : 0,
        };
    }
    result = RETRY(recvmmsg(op->fd, asked.headers, n, 0, NULL));
    for (int64_t i = 0; i < result; i++) {
        struct asyncio_datagram *datagram = &batch->datagrams[i];
        struct msghdr *header = &asked.headers[i].msg_hdr;

        datagram->size = asked.headers[i].msg_len;
        datagram->info.truncated = header->msg_flags & MSG_TRUNC;
        datagram->info.destination.size = 0;
        datagram->info.interface = 0;
        set_size(&datagram->info.address, header->msg_namelen);
        if (batch->detailed)
            read_control(header, &datagram->info);
    }
    return result;
}

/* Whom a datagram of a batch is for; NULL: the connected peer. */
static const struct asyncio_address *target_of(const struct asyncio_op_batch *batch, size_t i)
{
    const struct asyncio_address *address = &batch->datagrams[i].info.address;

    return address->size > 0 ? address : batch->to;
}

static int64_t send_batch(const struct asyncio_op *op)
{
    const struct asyncio_op_batch *batch = &op->batch;
    unsigned n = size_of(batch);
    struct batch asked;

    for (unsigned i = 0; i < n; i++) {
        const struct asyncio_address *to = target_of(batch, i);

        asked.vectors[i] = (struct iovec){batch->datagrams[i].data, batch->datagrams[i].size};
        asked.headers[i].msg_hdr = (struct msghdr){
            .msg_name = to ? (void *)(uintptr_t)to->data.bytes : NULL,
            .msg_namelen = to ? (socklen_t)to->size : 0,
            .msg_iov = &asked.vectors[i],
            .msg_iovlen = 1,
        };
    }
    return RETRY(sendmmsg(op->fd, asked.headers, n, MSG_NOSIGNAL));
}

static int64_t perform_sendmsgs(const struct asyncio_op *op)
{
    return send_where_room_is_told(op, send_batch, op->batch.n > 0 ? target_of(&op->batch, 0) : NULL);
}

/* ----------------------------------------------------------------------------------------------- What never waits */

static int64_t perform_name(const struct asyncio_op *op)
{
    struct asyncio_address *address = op->name.address;
    socklen_t size = sizeof address->data;
    int64_t result;

    if (op->opcode == ASYNCIO_OP_SOCKNAME)
        result = RETRY(getsockname(op->fd, place_for(address), &size));
    else
        result = RETRY(getpeername(op->fd, place_for(address), &size));
    if (result == 0)
        set_size(address, size);
    return result;
}

static int64_t perform_option(const struct asyncio_op *op)
{
    const struct asyncio_op_option *option = &op->option;
    socklen_t size = (socklen_t)option->size;
    int64_t result;

    if (option->size > INT_MAX)
        return -EINVAL;
    if (op->opcode == ASYNCIO_OP_SETSOCKOPT)
        return RETRY(setsockopt(op->fd, option->level, option->name, option->value, size));
    result = RETRY(getsockopt(op->fd, option->level, option->name, option->value, &size));
    return result < 0 ? result : (int64_t)size;
}

static int64_t perform_stat(struct asyncio_op *op)
{
    struct stat about;
    int64_t result = RETRY(lstat(op->file.path, &about));

    if (result < 0)
        return result;
    op->file.device = about.st_dev;
    op->file.inode = about.st_ino;
    op->file.is_socket = S_ISSOCK(about.st_mode);
    return 0;
}

static int64_t perform_make(struct asyncio_op *op)
{
    int type = op->make.type | SOCK_NONBLOCK | SOCK_CLOEXEC;

    switch (op->opcode) {
    case ASYNCIO_OP_SOCKET:
        return RETRY(socket(op->make.domain, type, op->make.protocol));
    case ASYNCIO_OP_SOCKETPAIR:
        return RETRY(socketpair(op->make.domain, type, op->make.protocol, op->make.fds));
    default:
        return RETRY(pipe2(op->make.fds, O_NONBLOCK | O_CLOEXEC));
    }
}

static int64_t perform_close(const struct asyncio_op *op)
{
    /* Linux has closed the fd also when it says EINTR; closing it again would hit somebody else's. */
    if (close(op->fd) < 0 && errno != EINTR)
        return -errno;
    return 0;
}

/* Letting go of an fd is the back end's affair; the fd has to be one. */
static int64_t perform_forget(const struct asyncio_op *op)
{
    int64_t result = RETRY(fcntl(op->fd, F_GETFD));

    return result < 0 ? result : 0;
}

/* Operations that never wait. */
static int64_t perform_at_once(struct asyncio_op *op)
{
    switch (op->opcode) {
    case ASYNCIO_OP_SOCKET:
    case ASYNCIO_OP_SOCKETPAIR:
    case ASYNCIO_OP_PIPE:
        return perform_make(op);
    case ASYNCIO_OP_BIND:
        return RETRY(bind(op->fd, (const struct sockaddr *)op->address.data, (socklen_t)op->address.size));
    case ASYNCIO_OP_LISTEN:
        return RETRY(listen(op->fd, op->argument));
    case ASYNCIO_OP_SHUTDOWN:
        return RETRY(shutdown(op->fd, op->argument));
    case ASYNCIO_OP_SOCKNAME:
    case ASYNCIO_OP_PEERNAME:
        return perform_name(op);
    case ASYNCIO_OP_SETSOCKOPT:
    case ASYNCIO_OP_GETSOCKOPT:
        return perform_option(op);
    case ASYNCIO_OP_STAT:
        return perform_stat(op);
    case ASYNCIO_OP_UNLINK:
        return RETRY(unlink(op->file.path));
    case ASYNCIO_OP_CLOSE:
        return perform_close(op);
    case ASYNCIO_OP_FORGET:
        return perform_forget(op);
    case ASYNCIO_OP_SEND_FDS:
    case ASYNCIO_OP_RECV_FDS:
        return asyncio__fds_perform(op);
    default:
        return -EINVAL;
    }
}

static int64_t perform(struct asyncio_op *op)
{
    const struct asyncio_op_buffer *buffer = &op->buffer;

    switch (op->opcode) {
    case ASYNCIO_OP_POLL:
        return perform_poll(op);
    case ASYNCIO_OP_READ:
        return RETRY(read(op->fd, buffer->data, buffer->size));
    case ASYNCIO_OP_WRITE:
        return perform_write(op);
    case ASYNCIO_OP_RECV:
        return RETRY(recv(op->fd, buffer->data, buffer->size, buffer->flags));
    case ASYNCIO_OP_SEND:
        return RETRY(send(op->fd, buffer->data, buffer->size, buffer->flags | MSG_NOSIGNAL));
    case ASYNCIO_OP_ACCEPT:
        return perform_accept(op);
    case ASYNCIO_OP_CONNECT:
        return perform_connect(op);
    case ASYNCIO_OP_SENDV:
        return perform_sendv(op);
    case ASYNCIO_OP_RECVFROM:
        return perform_recvfrom(op);
    case ASYNCIO_OP_SENDTO:
        return perform_sendto(op);
    case ASYNCIO_OP_RECVMSGS:
        return perform_recvmsgs(op);
    case ASYNCIO_OP_SENDMSGS:
        return perform_sendmsgs(op);
    case ASYNCIO_OP_SENDFILE:
        return call_with_signal_blocked(call_sendfile, op, op->sendfile.count);
    default:
        return asyncio__op_is_file(op) ? asyncio__file_perform(op) : perform_at_once(op);
    }
}

/* Does a part of an operation on a stream, in hostile builds. What is only looked at stays whole, and so does a write
 * that a pipe takes in one piece. */
static int64_t perform_part(struct asyncio_op *op)
{
    bool reads = op->opcode == ASYNCIO_OP_READ || (op->opcode == ASYNCIO_OP_RECV && op->buffer.flags == 0);
    bool writes = (op->opcode == ASYNCIO_OP_WRITE && op->buffer.size > PIPE_BUF) ||
                  (op->opcode == ASYNCIO_OP_SEND && !(op->buffer.flags & MSG_OOB));
    struct asyncio_op part = *op;

    if ((!reads && !writes && op->opcode != ASYNCIO_OP_SENDFILE) || !is_stream(op->fd))
        return perform(op);
    if (op->opcode == ASYNCIO_OP_SENDFILE)
        part.sendfile.count = asyncio__write_size(op->sendfile.count);
    else if (reads)
        part.buffer.size = asyncio__read_size(op->buffer.size);
    else
        part.buffer.size = asyncio__write_size(op->buffer.size);
    return perform(&part);
}

int64_t asyncio__op_perform(struct asyncio_op *op)
{
    return asyncio__hostile(ASYNCIO__SHORT_TRANSFERS) ? perform_part(op) : perform(op);
}
