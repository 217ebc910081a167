/* acceptor.c -- listening sockets, each with a standing accept, and what happens when accepting fails.
 *
 * - A socket of a started acceptor has its accept in the back end, or will get it: when the retry is due, when the
 *   pause ends, or when the accept that was cancelled late has come back.
 * - User's code, that is `accepted` and the loop's exception handler, may close the acceptor: nothing is done with it
 *   afterwards without a look at is_closed. Its memory stays, because `closed` is never called from there. */
#include "acceptor.h"

#include "loop.h"

#include <sys/socket.h>

#define FIRST_RETRY_NS (10 * NS_PER_MSEC)
#define LAST_RETRY_NS  NS_PER_SEC

/* At the limit each client that goes makes room for one, so that accepting fails and succeeds in turn; what fails again
 * so soon is no news. */
#define CALM_AFTER_NS (10 * NS_PER_SEC)

/* Does an operation that never waits. Returns: its result. */
static int perform(const struct asyncio__acceptor *acceptor, struct asyncio_op op)
{
    asyncio_op_submit(acceptor->loop, &op);
    return (int)op.result;
}

static void close_fd(const struct asyncio__acceptor *acceptor, int fd)
{
    perform(acceptor, (struct asyncio_op){.opcode = ASYNCIO_OP_CLOSE, .fd = fd});
}

/* True until the next try is due. */
static bool is_waiting(const struct asyncio__acceptor *acceptor)
{
    return asyncio_timer_armed(&acceptor->retry) || list_linked(&acceptor->retry.node.link);
}

static void wait_before_retry(struct asyncio__acceptor *acceptor)
{
    struct asyncio_loop *loop = acceptor->loop;

    if (is_waiting(acceptor))
        return;
    acceptor->retry_ns = acceptor->retry_ns ? min_i64(2 * acceptor->retry_ns, LAST_RETRY_NS) : FIRST_RETRY_NS;
    /* Without memory for a timer the next turn has to do. */
    if (asyncio_timer_arm(loop, &acceptor->retry, ns_add(asyncio__now(loop), acceptor->retry_ns)) < 0)
        asyncio__schedule(loop, &acceptor->retry.node);
}

/* ----------------------------------------------------------------------------------------------------------- Ending */

/* Tells the owner once the back end has nothing of it any more. A loop that closes runs no nodes. */
static void end_if_over(struct asyncio__acceptor *acceptor)
{
    if (!acceptor->is_closed || list_linked(&acceptor->closed_node.link))
        return;
    for (size_t i = 0; i < acceptor->n; i++)
        if (acceptor->sockets[i].is_accepting || acceptor->sockets[i].fd >= 0)
            return;
    if (asyncio__loop_closed(acceptor->loop))
        acceptor->closed_node.run(&acceptor->closed_node);
    else
        asyncio__schedule(acceptor->loop, &acceptor->closed_node);
}

static void run_closed(struct asyncio_node *node)
{
    struct asyncio__acceptor *acceptor = CONTAINER_OF(node, struct asyncio__acceptor, closed_node);

    list_remove(&acceptor->link);
    acceptor->closed(acceptor);
}

static void close_socket(struct asyncio__listening *listening)
{
    if (listening->fd >= 0)
        close_fd(listening->acceptor, listening->fd);
    listening->fd = -1;
}

/* Ends the accepts, but not yet the listening. The kernel may have told us of clients whom it then does not tell a
 * successor of; they are looked for when the accepts have come to their end, which takes it a moment. */
static void withdraw(struct asyncio__acceptor *acceptor)
{
    asyncio__acceptor_pause(acceptor);
    acceptor->retry_ns = 0;
    wait_before_retry(acceptor);
}

void asyncio__acceptor_close(struct asyncio__acceptor *acceptor)
{
    if (acceptor->is_closed)
        return;
    acceptor->is_closed = true;
    asyncio_timer_disarm(acceptor->loop, &acceptor->retry);
    if (acceptor->shares && !asyncio__loop_closed(acceptor->loop))
        withdraw(acceptor);
    else
        for (size_t i = 0; i < acceptor->n; i++)
            close_socket(&acceptor->sockets[i]);
    if (acceptor->spare_fd >= 0)
        close_fd(acceptor, acceptor->spare_fd);
    acceptor->spare_fd = -1;
    end_if_over(acceptor);
}

/* The back end says no more, as in a forked child: what it had is not its own any more. */
static void abandon(struct asyncio__acceptor *acceptor)
{
    for (size_t i = 0; i < acceptor->n; i++) {
        acceptor->sockets[i].is_accepting = false;
        close_socket(&acceptor->sockets[i]);
    }
    end_if_over(acceptor);
}

void asyncio__acceptors_close(struct asyncio_loop *loop)
{
    struct asyncio_link *link, *next;
    int r = 0;

    LIST_FOR_EACH(link, next, &loop->acceptors) {
        struct asyncio__acceptor *acceptor = LIST_ENTRY(link, struct asyncio__acceptor, link);

        asyncio_node_cancel(&acceptor->closed_node);
        acceptor->is_closed = false;
        asyncio__acceptor_close(acceptor);
    }
    /* The accepts that the closes have ended come back. */
    while (!list_empty(&loop->acceptors) && (r >= 0 || r == -EINTR))
        r = loop->ops->poll(loop->backend, NS_NEVER, false);
    LIST_FOR_EACH(link, next, &loop->acceptors)
        abandon(LIST_ENTRY(link, struct asyncio__acceptor, link));
}

/* ---------------------------------------------------------------------------------------------------------- Failing */

static bool is_exhaustion(int error)
{
    return error == -EMFILE || error == -ENFILE || error == -ENOBUFS || error == -ENOMEM;
}

/* Without one the acceptor works too, but for turning clients away; so this may fail, and is tried again. */
static int take_spare(struct asyncio__acceptor *acceptor)
{
    if (acceptor->spare_fd < 0)
        acceptor->spare_fd = perform(acceptor, (struct asyncio_op){.opcode = ASYNCIO_OP_SOCKET,
                                                                   .make = {.domain = AF_UNIX, .type = SOCK_STREAM}});
    return acceptor->spare_fd < 0 ? acceptor->spare_fd : 0;
}

/* Who waits to be accepted learns at once that there is no room, rather than by a timeout of its own. */
static void turn_clients_away(struct asyncio__listening *listening)
{
    struct asyncio__acceptor *acceptor = listening->acceptor;
    struct asyncio_op accept = {.opcode = ASYNCIO_OP_ACCEPT, .flags = ASYNCIO_OP_NOWAIT, .fd = listening->fd};

    if (take_spare(acceptor) < 0)
        return;
    close_fd(acceptor, acceptor->spare_fd);
    acceptor->spare_fd = -1;
    for (int i = 0; i < acceptor->backlog; i++) {
        int fd = perform(acceptor, accept);

        if (fd < 0)
            break;
        close_fd(acceptor, fd);
        acceptor->counts.shed++;
    }
    take_spare(acceptor);
}

/* Tells of a failure, unless the last one is so near that this is no news. */
static void report(struct asyncio__acceptor *acceptor, const char *message, int error)
{
    int64_t now_ns = asyncio__now(acceptor->loop);
    bool is_news = now_ns >= acceptor->calm_ns;

    acceptor->calm_ns = ns_add(now_ns, CALM_AFTER_NS);
    if (is_news)
        asyncio_loop_call_exception_handler(acceptor->loop, &(const struct asyncio_exception_context){
                                                                .size = sizeof(struct asyncio_exception_context),
                                                                .message = message,
                                                                .error = error,
                                                            });
}

/* The accept of a socket has ended with an error that is not our doing. */
static void failed(struct asyncio__listening *listening, int error)
{
    struct asyncio__acceptor *acceptor = listening->acceptor;

    if (is_exhaustion(error)) {
        acceptor->counts.exhausted++;
        turn_clients_away(listening);
    }
    wait_before_retry(acceptor);
    report(acceptor, is_exhaustion(error) ? "socket.accept() out of system resource" : "socket.accept() failed", error);
}

/* -------------------------------------------------------------------------------------------------------- Accepting */

static void deliver(struct asyncio__acceptor *acceptor, int fd)
{
    int r;

    if (acceptor->is_closed && (!acceptor->shares || asyncio__loop_closed(acceptor->loop))) {
        close_fd(acceptor, fd);
        acceptor->counts.shed++;
        return;
    }
    acceptor->retry_ns = 0;
    if (!acceptor->is_closed)
        take_spare(acceptor);
    r = acceptor->accepted(acceptor, fd);
    if (r == 0) {
        acceptor->counts.accepted++;
    } else {
        acceptor->counts.shed++;
        report(acceptor, "Error on transport creation for incoming connection", r);
    }
}

/* Serves those who wait in the backlog of a socket that somebody else has, too, and leaves it to him. */
static void leave_to_successor(struct asyncio__listening *listening)
{
    struct asyncio__acceptor *acceptor = listening->acceptor;
    struct asyncio_op accept = {.opcode = ASYNCIO_OP_ACCEPT, .flags = ASYNCIO_OP_NOWAIT, .fd = listening->fd};

    if (listening->is_accepting || listening->fd < 0)
        return;
    for (int i = 0; i < acceptor->backlog && !asyncio__loop_closed(acceptor->loop); i++) {
        int fd = perform(acceptor, accept);

        if (fd < 0)
            break;
        deliver(acceptor, fd);
    }
    close_socket(listening);
}

static void begin(struct asyncio__listening *listening);

static void completed(struct asyncio_op *op)
{
    struct asyncio__listening *listening = op->owner;
    struct asyncio__acceptor *acceptor = listening->acceptor;
    int result = (int)op->result;

    listening->is_accepting = op->completion & ASYNCIO_OP_MORE;
    if (result >= 0)
        deliver(acceptor, result);
    else if (result != -ECANCELED && !acceptor->is_closed)
        failed(listening, result);
    if (acceptor->is_closed)
        leave_to_successor(listening);
    begin(listening);
    end_if_over(acceptor);
}

/* Gives the back end a standing accept, unless it has one or must not. */
static void begin(struct asyncio__listening *listening)
{
    const struct asyncio__acceptor *acceptor = listening->acceptor;

    if (listening->is_accepting || !acceptor->is_started || acceptor->is_paused || acceptor->is_closed ||
        is_waiting(acceptor))
        return;
    listening->accept = (struct asyncio_op){
        .complete = completed,
        .owner = listening,
        .opcode = ASYNCIO_OP_ACCEPT,
        .flags = ASYNCIO_OP_STANDING,
        .fd = listening->fd,
    };
    listening->is_accepting = !asyncio_op_submit(acceptor->loop, &listening->accept);
    if (!listening->is_accepting)
        failed(listening, (int)listening->accept.result);
}

static void begin_all(struct asyncio__acceptor *acceptor)
{
    for (size_t i = 0; i < acceptor->n; i++)
        begin(&acceptor->sockets[i]);
}

static void retry(struct asyncio_node *node)
{
    struct asyncio__acceptor *acceptor = CONTAINER_OF(node, struct asyncio__acceptor, retry.node);

    begin_all(acceptor);
    if (!acceptor->is_closed)
        return;
    for (size_t i = 0; i < acceptor->n; i++)
        leave_to_successor(&acceptor->sockets[i]);
    end_if_over(acceptor);
}

int asyncio__acceptor_init(struct asyncio__acceptor *acceptor, struct asyncio_loop *loop,
                           struct asyncio__listening *sockets, size_t n)
{
    acceptor->loop = loop;
    acceptor->sockets = sockets;
    acceptor->n = n;
    acceptor->backlog = 0;
    acceptor->is_started = acceptor->is_paused = acceptor->is_closed = acceptor->shares = false;
    acceptor->retry_ns = 0;
    acceptor->calm_ns = INT64_MIN;
    acceptor->counts = (struct asyncio_server_counts){0};
    asyncio_node_init(&acceptor->retry.node, retry, NULL);
    acceptor->retry.index = SIZE_MAX;
    asyncio_node_init(&acceptor->closed_node, run_closed, NULL);
    acceptor->spare_fd = -1;
    if (take_spare(acceptor) < 0)
        return acceptor->spare_fd;
    for (size_t i = 0; i < n; i++) {
        sockets[i].acceptor = acceptor;
        sockets[i].is_accepting = false;
    }
    list_push_back(&loop->acceptors, &acceptor->link);
    return 0;
}

int asyncio__acceptor_start(struct asyncio__acceptor *acceptor, int backlog, size_t *ret_place)
{
    if (acceptor->is_started)
        return 0;
    for (size_t i = 0; i < acceptor->n; i++) {
        struct asyncio_op listen = {.opcode = ASYNCIO_OP_LISTEN, .fd = acceptor->sockets[i].fd, .argument = backlog};
        int r = perform(acceptor, listen);

        if (r < 0) {
            *ret_place = i;
            return r;
        }
    }
    acceptor->backlog = backlog;
    acceptor->is_started = true;
    begin_all(acceptor);
    return 0;
}

void asyncio__acceptor_pause(struct asyncio__acceptor *acceptor)
{
    acceptor->is_paused = true;
    for (size_t i = 0; i < acceptor->n; i++) {
        struct asyncio__listening *listening = &acceptor->sockets[i];

        if (listening->is_accepting && asyncio_op_cancel(acceptor->loop, &listening->accept))
            listening->is_accepting = false;
    }
}

void asyncio__acceptor_resume(struct asyncio__acceptor *acceptor)
{
    acceptor->is_paused = false;
    begin_all(acceptor);
}
