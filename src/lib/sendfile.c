/* sendfile.c -- files over sockets: by the kernel where it can, else read piece by piece in a thread, as reading a file
 * blocks. */
#include "sendfile.h"
#include "sockets.h"
#include "threads.h"

#include <stdatomic.h>
#include <sys/socket.h>
#include <unistd.h>

/* Most that is sent in one go, so that neither a disk nor memory is kept busy for long. */
#define PIECE ((size_t)256 * 1024)

/* A piece of a file, read in a thread, which may go on after its caller was cancelled. */
struct piece {
    atomic_int refs;
    int file;
    int64_t offset;
    size_t size;
    unsigned char data[PIECE];
};

/* How much the next piece has at most; 0: all is sent. */
static size_t next_size(const struct asyncio__transfer *transfer)
{
    if (transfer->count == 0)
        return PIECE;
    return (size_t)min_i64(transfer->count - transfer->sent, (int64_t)PIECE);
}

/* Returns: 0 when all is sent; a negative error. */
static int64_t send_by_kernel(struct asyncio__transfer *transfer)
{
    struct asyncio_op op = {.opcode = ASYNCIO_OP_SENDFILE, .sendfile.file = transfer->file};
    int64_t r = 1;

    while (r > 0) {
        op.sendfile.offset = transfer->offset + transfer->sent;
        op.sendfile.count = next_size(transfer);
        r = op.sendfile.count > 0 ? transfer->perform(transfer, &op) : 0;
        transfer->sent += max_i64(r, 0);
    }
    return r;
}

static int read_piece(void *arg)
{
    struct piece *piece = arg;
    ssize_t r;

    do
        r = pread(piece->file, piece->data, piece->size, piece->offset);
    while (r < 0 && errno == EINTR);
    return r < 0 ? -errno : (int)r;
}

static void unref_piece(void *arg)
{
    struct piece *piece = arg;

    if (atomic_fetch_sub(&piece->refs, 1) == 1)
        asyncio__free(piece);
}

/* Returns: as send_by_kernel. */
static int64_t send_pieces(struct asyncio__transfer *transfer, struct piece *piece)
{
    size_t sent;
    int64_t r;

    while ((piece->size = next_size(transfer)) > 0) {
        piece->offset = transfer->offset + transfer->sent;
        atomic_fetch_add(&piece->refs, 1);
        r = asyncio__to_thread(read_piece, piece, unref_piece);
        if (r <= 0)
            return r;
        r = transfer->send(transfer, piece->data, (size_t)r, &sent);
        transfer->sent += (int64_t)sent;
        if (r < 0)
            return r;
    }
    return 0;
}

static int64_t send_by_reading(struct asyncio__transfer *transfer)
{
    struct piece *piece = asyncio__malloc(sizeof *piece);
    int64_t r;

    if (!piece)
        return -ENOMEM;
    atomic_init(&piece->refs, 1);
    piece->file = transfer->file;
    r = send_pieces(transfer, piece);
    unref_piece(piece);
    return r;
}

/* Whether an error of the first piece says that the kernel cannot send this file, rather than that it went wrong. */
static bool is_unavailable(const struct asyncio__transfer *transfer, int64_t error)
{
    return transfer->sent == 0 && (error == -EINVAL || error == -ENOSYS || error == -EOPNOTSUPP);
}

bool asyncio__transfer_plan(struct asyncio__transfer *transfer, const struct asyncio_sendfile_kw *kw)
{
    transfer->offset = kw ? kw->offset : 0;
    transfer->count = kw ? kw->count : 0;
    return transfer->offset >= 0 && transfer->count >= 0;
}

int64_t asyncio__transfer(struct asyncio__transfer *transfer, bool no_fallback)
{
    int64_t r = transfer->perform ? send_by_kernel(transfer) : -EOPNOTSUPP;

    if (is_unavailable(transfer, r))
        r = no_fallback ? -ASYNCIO_ESENDFILE : send_by_reading(transfer);
    if (r < 0)
        asyncio__set_detail("%lld bytes were sent", (long long)transfer->sent);
    return r < 0 ? r : transfer->sent;
}

/* ---------------------------------------------------------------------------------------------------------- Sockets */

struct socket_transfer {
    struct asyncio__transfer transfer;
    struct asyncio_socket *socket;
};

static struct asyncio_socket *socket_of(struct asyncio__transfer *transfer)
{
    return CONTAINER_OF(transfer, struct socket_transfer, transfer)->socket;
}

static int64_t perform(struct asyncio__transfer *transfer, struct asyncio_op *op)
{
    return asyncio__socket_await(socket_of(transfer), op);
}

static int64_t send_all(struct asyncio__transfer *transfer, const void *data, size_t size, size_t *ret_sent)
{
    return asyncio__socket_send_all(socket_of(transfer), data, size, ret_sent);
}

int64_t asyncio_sock_sendfile_kw(struct asyncio_socket *socket, int file, const struct asyncio_sendfile_kw *kw)
{
    struct socket_transfer self = {
        .transfer = {.perform = perform, .send = send_all, .file = file},
        .socket = socket,
    };
    int64_t r;

    if (!socket || asyncio__socket_type(socket) != SOCK_STREAM || !asyncio__transfer_plan(&self.transfer, kw))
        return -EINVAL;
    r = asyncio__socket_begin_wait(socket);
    if (r < 0)
        return r;
    return asyncio__socket_end_wait(socket, asyncio__transfer(&self.transfer, kw && kw->no_fallback));
}
