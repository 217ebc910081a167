#include "conn.h"

#include "../base/log.h"
#include "../base/mem.h"
#include "conn_parts.h"

#include <sys/socket.h>

/* ------------------------------------------------------------------------------------------------------- The end */

static void tell_lost(struct asyncio__conn *conn)
{
    struct asyncio__conn_layer *tls = conn->tls;

    assert(conn->state == ASYNCIO__CONN_CLOSED && !conn->is_sending && !conn->is_receiving && !conn->kept.first);
    list_remove(&conn->link);
    if (UNLIKELY(tls))
        asyncio__conn_tls_tell(conn, conn->error ? conn->error : -ASYNCIO_ECLOSED);
    conn->events->lost(conn);
    if (UNLIKELY(tls))
        asyncio__conn_tls_free(tls);
}

void asyncio__conn_tell_lost_when_over(struct asyncio__conn *conn)
{
    if (!conn->is_sending && !conn->is_receiving)
        asyncio__conn_go_on_later(conn);
}

/* A peer that gets a reset does not mistake what it has for the whole. Protocols without one ignore the option. In a
 * forked child the socket is the parent's, too: there it is only let go of. */
static void close_fd(struct asyncio__conn *conn, bool reset)
{
    struct linger linger = {.l_onoff = 1, .l_linger = 0};

    if (reset && !conn->is_pipe && !asyncio__loop_forked(conn->loop))
        asyncio__conn_perform(conn, &(struct asyncio_op){.opcode = ASYNCIO_OP_SETSOCKOPT,
                                                         .option = {SOL_SOCKET, SO_LINGER, &linger, sizeof linger}});
    asyncio__conn_perform(conn, &(struct asyncio_op){.opcode = ASYNCIO_OP_CLOSE});
    conn->fd = -1;
}

void asyncio__conn_shut(struct asyncio__conn *conn, bool reset)
{
    conn->state = ASYNCIO__CONN_CLOSED;
    conn->is_reading = false;
    asyncio_timer_disarm(conn->loop, &conn->timer);
    asyncio_node_cancel(&conn->node);
    asyncio__chunks_clear(&conn->late);
    if (!conn->is_sending)
        asyncio__chunks_clear(&conn->kept);
    if (UNLIKELY(conn->tls))
        asyncio__conn_tls_drop(conn);
    close_fd(conn, reset);
    asyncio__conn_tell_lost_when_over(conn);
}

void asyncio__conn_fail(struct asyncio__conn *conn, int error)
{
    /* A peer that has heard of the end of TLS may hang up as it likes. */
    if (!conn->error && !(UNLIKELY(conn->tls) && asyncio__conn_tls_is_over(conn)))
        conn->error = error;
    if (asyncio__conn_is_push(conn))
        asyncio__conn_shut(conn, conn->error < 0);
    else
        asyncio__chunks_clear(&conn->kept);
}

void asyncio__conn_abort(struct asyncio__conn *conn, int error)
{
    if (conn->state == ASYNCIO__CONN_CLOSED)
        return;
    if (!conn->error)
        conn->error = error;
    asyncio__conn_shut(conn, true);
}

static void took_too_long(struct asyncio_node *node)
{
    asyncio__conn_abort(CONTAINER_OF(node, struct asyncio__conn, timer.node), -ETIMEDOUT);
}

bool asyncio__conn_limit(struct asyncio__conn *conn, int64_t ns)
{
    asyncio_timer_disarm(conn->loop, &conn->timer);
    if (ns == NS_NEVER || asyncio_timer_arm(conn->loop, &conn->timer, ns_add(asyncio__now(conn->loop), ns)) == 0)
        return true;
    asyncio__conn_abort(conn, -ENOMEM);
    return false;
}

void asyncio__conn_close(struct asyncio__conn *conn)
{
    if (conn->state != ASYNCIO__CONN_OPEN)
        return;
    if (LIKELY(!conn->tls)) {
        asyncio__conn_stop_reading(conn);
        asyncio__chunks_clear(&conn->late);
    } else if (conn->owes_secured) {
        asyncio__conn_abort(conn, 0);
        return;
    } else {
        /* What TLS has been given still comes out. */
        asyncio__conn_go_on_later(conn);
    }
    conn->state = ASYNCIO__CONN_CLOSING;
    asyncio__conn_send_at_once(conn);
    asyncio__conn_finish_if_sent(conn);
    /* It may be timed already, as it waits for the peer's end only. */
    if (conn->state != ASYNCIO__CONN_CLOSED && !asyncio_timer_armed(&conn->timer))
        asyncio__conn_limit(conn, conn->close_ns);
}

/* ------------------------------------------------------------------------------------------------------ The whole */

/* The node: the connection is lost, or something was put off so that others had their turn. */
static void go_on(struct asyncio_node *node)
{
    struct asyncio__conn *conn = CONTAINER_OF(node, struct asyncio__conn, node);

    if (conn->state == ASYNCIO__CONN_CLOSED) {
        tell_lost(conn);
        return;
    }
    asyncio__conn_go_on_sending(conn);
    asyncio__conn_go_on_reading(conn);
}

void asyncio__conn_init(struct asyncio__conn *conn, struct asyncio_loop *loop, int fd,
                        const struct asyncio__conn_events *events, int64_t close_ns)
{
    *conn = (struct asyncio__conn){
        .loop = loop,
        .events = events,
        .fd = fd,
        .high = ASYNCIO__CONN_HIGH,
        .low = ASYNCIO__CONN_HIGH / 4,
        .close_ns = close_ns,
    };
    asyncio_node_init(&conn->node, go_on, NULL);
    asyncio_node_init(&conn->timer.node, took_too_long, NULL);
    list_push_back(&loop->conns, &conn->link);
}

/* In a forked child: nothing will be reported here, and what is unsent is the parent's to send. */
static void abandon(struct asyncio__conn *conn)
{
    if (conn->is_sending)
        asyncio_op_cancel(conn->loop, &conn->send);
    if (conn->is_receiving && !conn->is_leaving)
        asyncio_op_cancel(conn->loop, &conn->receive);
    conn->is_sending = conn->is_receiving = false;
    asyncio__chunks_clear(&conn->kept);
    if (conn->tls)
        asyncio__conn_tls_drop(conn);
}

/* Has what is unsent sent as far as the kernel takes it. Returns: whether something of the owner's is left. */
static bool send_last(struct asyncio__conn *conn)
{
    if (conn->state != ASYNCIO__CONN_CLOSED)
        asyncio__conn_send_at_once(conn);
    if (conn->state == ASYNCIO__CONN_CLOSED || (conn->tls && asyncio__conn_tls_is_over(conn)))
        return false;
    if (asyncio__conn_kept(conn) > 0)
        return true;
    if (conn->tls)
        asyncio__conn_tls_say_goodbye(conn);
    return false;
}

static void close_with_loop(struct asyncio__conn *conn)
{
    if (asyncio__loop_forked(conn->loop)) {
        abandon(conn);
    } else if (send_last(conn)) {
        asyncio__log(ASYNCIO_LOG_WARNING, "connection closed with %zu unsent bytes, because its event loop is (fd %d)",
                     asyncio__conn_kept(conn), conn->fd);
        if (!conn->error)
            conn->error = -ASYNCIO_ECLOSED;
    }
    if (conn->state != ASYNCIO__CONN_CLOSED)
        asyncio__conn_shut(conn, conn->error < 0);
}

/* True while the back end has something of a connection. */
static bool any_pending(const struct asyncio_loop *loop)
{
    const struct asyncio_link *link;

    for (link = loop->conns.next; link != &loop->conns; link = link->next) {
        const struct asyncio__conn *conn = CONST_CONTAINER_OF(link, struct asyncio__conn, link);

        if (conn->is_sending || conn->is_receiving)
            return true;
    }
    return false;
}

/* Polls until the back end has nothing more of a connection. The first poll only looks: it tells those, too, who wait
 * on a connection by themselves. */
static void await_reports(struct asyncio_loop *loop)
{
    int64_t until_ns = 0;
    int r;

    do {
        r = loop->ops->poll(loop->backend, until_ns, false);
        until_ns = NS_NEVER;
    } while (any_pending(loop) && (r >= 0 || r == -EINTR));
}

void asyncio__conns_close(struct asyncio_loop *loop)
{
    struct asyncio_link *link, *next;

    /* What is called here may open another. */
    while (!list_empty(&loop->conns)) {
        LIST_FOR_EACH(link, next, &loop->conns)
            close_with_loop(CONTAINER_OF(link, struct asyncio__conn, link));
        if (!asyncio__loop_forked(loop))
            await_reports(loop);
        LIST_FOR_EACH(link, next, &loop->conns) {
            struct asyncio__conn *conn = CONTAINER_OF(link, struct asyncio__conn, link);

            if (conn->state != ASYNCIO__CONN_CLOSED)
                continue;
            asyncio_node_cancel(&conn->node);
            tell_lost(conn);
        }
    }
}
