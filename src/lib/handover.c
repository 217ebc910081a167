/* handover.c -- listening sockets that go from process to process: by a Unix socket or by inheritance; and which of the
 * sockets that share a port gets a connection.
 *
 * A message is a head of fixed size and a text, which come in one piece, as nothing so short is ever cut; the
 * descriptors come with it. The kernel ends a receive behind bytes that had descriptors with them, so what follows is
 * untouched. */
#include "../base/mem.h"
#include "../loop/loop.h"
#include "servers.h"
#include "sockets.h"

#include <fcntl.h>
#include <linux/filter.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define MOST_SOCKETS 64
#define MOST_TEXT    255
#define FIRST_FD     3

/* The mark tells that somebody speaks of something else. */
struct message {
    char mark[4];
    unsigned char n_sockets, text_size;
    char text[MOST_TEXT];
};

static const char mark[4] = {'a', 'i', 'o', 'S'};

#define HEAD_SIZE offsetof(struct message, text)

/* ------------------------------------------------------------------------------------------------- By a Unix socket */

/* Does an operation with descriptors as soon as it can be done. */
static ASYNCIO__SUSPENDS int64_t transfer(struct asyncio_socket *socket, struct asyncio_op *op)
{
    struct asyncio_loop *loop = asyncio_get_running_loop();
    unsigned event = op->opcode == ASYNCIO_OP_SEND_FDS ? ASYNCIO_WRITABLE : ASYNCIO_READABLE;
    int64_t r = asyncio__socket_begin_wait(socket);

    if (r < 0)
        return r;
    do {
        struct asyncio_op poll = {.opcode = ASYNCIO_OP_POLL, .poll.events = event};

        r = asyncio__socket_await(socket, &poll);
        if (r < 0)
            break;
        op->fd = asyncio_socket_fileno(socket);
        r = op->fd < 0 ? -ASYNCIO_ECLOSED : asyncio_op_submit(loop, op) ? op->result : -EIO;
    } while (r == -EAGAIN);
    return asyncio__socket_end_wait(socket, r);
}

/* Returns: 0; what is wrong with a socket that is to carry descriptors. */
static int check_carrier(const struct asyncio_socket *socket)
{
    const struct asyncio_loop *loop = asyncio_get_running_loop();

    if (!socket)
        return -EINVAL;
    return loop && loop->ops->own_fds ? -EOPNOTSUPP : 0;
}

int asyncio_send_sockets(struct asyncio_socket *to, struct asyncio_socket *const *sockets, size_t n, const char *text)
{
    size_t size = text ? strlen(text) : 0;
    struct message message = {.n_sockets = (unsigned char)n, .text_size = (unsigned char)size};
    int fds[MOST_SOCKETS];
    struct asyncio_op op = {.opcode = ASYNCIO_OP_SEND_FDS, .fds = {&message, HEAD_SIZE + size, fds, n}};
    int64_t r = check_carrier(to);

    if (r < 0)
        return (int)r;
    if (!sockets || n == 0 || n > MOST_SOCKETS || size > MOST_TEXT)
        return -EINVAL;
    for (size_t i = 0; i < n; i++) {
        fds[i] = asyncio_socket_fileno(sockets[i]);
        if (fds[i] < 0)
            return fds[i];
    }
    memcpy(message.mark, mark, sizeof mark);
    if (size > 0)
        memcpy(message.text, text, size);
    r = transfer(to, &op);
    return r < 0 ? (int)r : 0;
}

/* Makes sockets of n descriptors. Returns: 0; a negative error, and all are as they were. */
static int make_sockets(const int *fds, size_t n, struct asyncio_socket **ret_sockets)
{
    struct asyncio_socket *sockets[MOST_SOCKETS];
    size_t made = 0;
    int r = 0;

    for (; made < n && r == 0; made += r == 0)
        r = asyncio_socket_from_fd(fds[made], &sockets[made]);
    if (r == 0) {
        memcpy(ret_sockets, sockets, n * sizeof sockets[0]);
        return 0;
    }
    while (made > 0) {
        ASYNCIO_IGNORE(asyncio_socket_detach(sockets[--made]));
        asyncio_socket_unref(sockets[made]);
    }
    return r;
}

static bool is_message(const struct message *message, int64_t size, size_t n)
{
    return size >= (int64_t)HEAD_SIZE && memcmp(message->mark, mark, sizeof mark) == 0 &&
           size == (int64_t)HEAD_SIZE + message->text_size && n == message->n_sockets && n > 0;
}

int asyncio_receive_sockets(struct asyncio_socket *from, struct asyncio_socket **ret_sockets, size_t *n, char *text,
                            size_t text_size)
{
    struct message message;
    int fds[MOST_SOCKETS];
    struct asyncio_op op = {.opcode = ASYNCIO_OP_RECV_FDS, .fds = {&message, sizeof message, fds, 0}};
    int64_t r = check_carrier(from);

    if (r < 0)
        return (int)r;
    if (!ret_sockets || !n || (!text && text_size > 0))
        return -EINVAL;
    op.fds.n = min_size(*n, MOST_SOCKETS);
    r = transfer(from, &op);
    if (r <= 0)
        return r == 0 ? -ECONNRESET : (int)r;
    r = is_message(&message, r, op.fds.n) ? make_sockets(fds, op.fds.n, ret_sockets) : -EPROTO;
    if (r < 0) {
        for (size_t i = 0; i < op.fds.n; i++)
            asyncio__fd_close(asyncio_get_running_loop(), fds[i]);
        return r == -ENOTSOCK ? -EPROTO : (int)r;
    }
    *n = op.fds.n;
    if (text_size > 0)
        snprintf(text, text_size, "%.*s", (int)message.text_size, message.text);
    return 0;
}

/* --------------------------------------------------------------------------------------------------- By inheritance */

/* A number from an environment variable. Returns: it; 0 when it is not set; -EINVAL when it is none. */
static long number_from(const char *variable)
{
    const char *text = getenv(variable);
    char *end;
    long number;

    if (!text)
        return 0;
    number = strtol(text, &end, 10);
    return end == text || *end || number < 0 ? -EINVAL : number;
}

ssize_t asyncio_listen_sockets(struct asyncio_socket **ret_sockets, size_t size)
{
    long n = number_from("LISTEN_FDS");
    int fds[MOST_SOCKETS], r = 0;

    if (!ret_sockets && size > 0)
        return -EINVAL;
    if (!asyncio_get_running_loop())
        return -ASYNCIO_ENOLOOP;
    if (number_from("LISTEN_PID") != getpid())
        n = 0;
    if (n < 0)
        return -EINVAL;
    if ((size_t)n > min_size(size, MOST_SOCKETS))
        return -EMSGSIZE;
    for (int i = 0; i < n; i++)
        fds[i] = FIRST_FD + i;
    if (n > 0)
        r = make_sockets(fds, (size_t)n, ret_sockets);
    if (r < 0)
        return r;
    unsetenv("LISTEN_PID");
    unsetenv("LISTEN_FDS");
    unsetenv("LISTEN_FDNAMES");
    return n;
}

/* ---------------------------------------------------------------------------------------------------- Of a server */

int asyncio_server_socket(struct asyncio_server *server, size_t index, struct asyncio_socket **ret_socket)
{
    int fd, r;

    if (!server || !ret_socket || index >= server->sockets.n || server->acceptor.is_closed)
        return -EINVAL;
    if (asyncio_get_running_loop() != server->loop)
        return -EXDEV;
    if (server->loop->ops->own_fds)
        return -EOPNOTSUPP;
    fd = fcntl(server->sockets.listening[index].fd, F_DUPFD_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    r = asyncio_socket_from_fd(fd, ret_socket);
    if (r < 0) {
        asyncio__fd_close(server->loop, fd);
        return r;
    }
    server->acceptor.shares = true;
    asyncio__free(server->sockets.path);
    server->sockets.path = NULL;
    return 0;
}

/* A program for the kernel, which it runs for each new connection: the processor's number, modulo n. */
static int steer(struct asyncio_loop *loop, int fd, unsigned n)
{
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (unsigned)(SKF_AD_OFF + SKF_AD_CPU)),
        BPF_STMT(BPF_ALU | BPF_MOD | BPF_K, n),
        BPF_STMT(BPF_RET | BPF_A, 0),
    };
    struct sock_fprog program = {.len = ARRAY_SIZE(code), .filter = code};
    int shared = 0;
    struct asyncio_op ask = {
        .opcode = ASYNCIO_OP_GETSOCKOPT,
        .fd = fd,
        .option = {SOL_SOCKET, SO_REUSEPORT, &shared, sizeof shared},
    };
    struct asyncio_op attach = {
        .opcode = ASYNCIO_OP_SETSOCKOPT,
        .fd = fd,
        .option = {SOL_SOCKET, SO_ATTACH_REUSEPORT_CBPF, &program, sizeof program},
    };

    if (!asyncio_op_submit(loop, &ask) || ask.result < 0 || !shared)
        return -EINVAL;
    return asyncio_op_submit(loop, &attach) && attach.result == 0 ? 0 : -ENOTSUP;
}

int asyncio_server_steer(struct asyncio_server *server, unsigned n)
{
    int r = 0;

    if (!server || n == 0 || server->sockets.n == 0 || server->acceptor.is_closed)
        return -EINVAL;
    if (server->loop->ops->own_fds)
        return -ENOTSUP;
    for (size_t i = 0; i < server->sockets.n && r == 0; i++)
        r = steer(server->loop, server->sockets.listening[i].fd, n);
    return r;
}
