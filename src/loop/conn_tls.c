/* conn_tls.c -- connections with TLS: layers of pumps between the owner and the socket, each the wire of the one above.
 *
 * Invariants:
 *   - the layers below the outermost have their handshakes behind them;
 *   - what a pump has for its wire is passed on before the pump is used again;
 *   - what is fed to a pump came from the socket while it was wanted: at most one buffer of the back end's waits there
 *     when the owner stops reading, and the socket is read no further then;
 *   - plain bytes are wiped where they were kept or passed through;
 *   - layers are freed behind `lost` only, as any call from here may end the connection. */
#include "conn_parts.h"

#include "../base/hostile.h"
#include "../base/mem.h"

#include <sys/socket.h>

/* The most that a record holds, and how much is encrypted for one send. */
#define RECORD ((size_t)16 * 1024)
#define BATCH  (4 * RECORD)

/* How long the peer of a failed connection may take to read what was wrong, and to hang up. */
#define LAST_WORDS_NS (2 * NS_PER_SEC)

/* A result: the connection is at its end already, and nothing is left to be done about it here. */
#define BROKEN (-ECANCELED)

enum layer_state {
    SHAKING_HANDS,
    SECURED,
    DOWN, /* it has announced its end */
};

struct asyncio__conn_layer {
    struct asyncio__conn_layer *below; /* NULL: the socket */
    struct asyncio__tls *pump;
    struct asyncio__chunks plain; /* written, and not encrypted yet */
    int64_t shutdown_ns;
    uint8_t state;  /* enum layer_state */
    bool has_ended; /* it gives no more */
};

static bool is_broken(const struct asyncio__conn *conn)
{
    return conn->state == ASYNCIO__CONN_CLOSED || conn->is_lingering;
}

/* --------------------------------------------------------------------------------------------------- What is kept */

/* Returns: as asyncio__chunks_append. */
static int keep(struct asyncio__conn *conn, struct asyncio__conn_layer *layer, const struct asyncio_bytes *pieces,
                size_t n, size_t skip)
{
    size_t before = layer->plain.size;
    int r = asyncio__chunks_append(&layer->plain, pieces, n, skip);

    conn->kept_plain += layer->plain.size - before;
    return r;
}

/* Drops bytes of the first chunk. */
static void drop(struct asyncio__conn *conn, struct asyncio__conn_layer *layer, size_t size)
{
    struct asyncio__chunk *first = layer->plain.first;

    explicit_bzero(first->data + first->start, size);
    asyncio__chunks_take(&layer->plain, size);
    conn->kept_plain -= size;
}

void asyncio__conn_tls_drop(struct asyncio__conn *conn)
{
    for (struct asyncio__conn_layer *layer = conn->tls; layer; layer = layer->below)
        while (layer->plain.first)
            drop(conn, layer, layer->plain.first->end - layer->plain.first->start);
}

void asyncio__conn_tls_free(struct asyncio__conn_layer *layer)
{
    while (layer) {
        struct asyncio__conn_layer *below = layer->below;

        assert(!layer->plain.first);
        asyncio__tls_free(layer->pump);
        asyncio__free(layer);
        layer = below;
    }
}

/* -------------------------------------------------------------------------------------------------------- Downwards */

static bool pour(struct asyncio__conn *conn, struct asyncio__conn_layer *layer);

/* A pump has failed: what it has to say about that is sent, and read by the peer, before the socket is closed: a socket
 * that is closed with bytes unread would take it back. */
static void give_up(struct asyncio__conn *conn, struct asyncio__conn_layer *layer, int error)
{
    size_t size;

    if (conn->is_lingering || error == -ENOMEM) {
        asyncio__conn_abort(conn, error);
        return;
    }
    if (conn->state == ASYNCIO__CONN_CLOSED)
        return;
    asyncio__tls_out(layer->pump, &size);
    if (size == 0) {
        asyncio__conn_abort(conn, error);
        return;
    }
    if (!conn->error)
        conn->error = error;
    conn->is_lingering = true;
    conn->is_reading = false;
    conn->state = ASYNCIO__CONN_CLOSING;
    asyncio__conn_tls_drop(conn);
    if (pour(conn, layer) && asyncio__conn_limit(conn, min_i64(conn->close_ns, LAST_WORDS_NS)))
        asyncio__conn_go_on_later(conn);
}

/* Encrypts for a layer's peer. Returns: how many bytes it took; BROKEN. */
static ssize_t encrypt(struct asyncio__conn *conn, struct asyncio__conn_layer *layer, const unsigned char *data,
                       size_t size)
{
    size_t done = 0;

    while (done < size) {
        ssize_t r = asyncio__tls_write(layer->pump, data + done, min_size(size - done, RECORD));

        if (r == -EAGAIN)
            break;
        if (r < 0) {
            give_up(conn, layer, (int)r);
            return BROKEN;
        }
        done += (size_t)r;
    }
    return (ssize_t)done;
}

/* Gives a layer what the one above has for its wire. Returns: false when the connection has broken. */
static bool give(struct asyncio__conn *conn, struct asyncio__conn_layer *layer, const struct asyncio_bytes *piece)
{
    ssize_t done = 0;

    if (!layer->plain.first)
        done = encrypt(conn, layer, piece->data, piece->size);
    if (done < 0)
        return false;
    if ((size_t)done < piece->size && keep(conn, layer, piece, 1, (size_t)done) < 0) {
        asyncio__conn_abort(conn, -ENOMEM);
        return false;
    }
    return pour(conn, layer);
}

/* Passes on what a pump has for its wire. Returns: false when the connection has broken. */
static bool pour(struct asyncio__conn *conn, struct asyncio__conn_layer *layer)
{
    struct asyncio_bytes piece;

    while ((piece.data = asyncio__tls_out(layer->pump, &piece.size)) && piece.size > 0) {
        if (layer->below && !give(conn, layer->below, &piece))
            return false;
        if (!layer->below) {
            int r = asyncio__conn_put(conn, &piece, 1);

            if (r < 0)
                asyncio__conn_abort(conn, r);
            if (conn->state == ASYNCIO__CONN_CLOSED)
                return false;
        }
        asyncio__tls_out_taken(layer->pump, piece.size);
    }
    return true;
}

static bool takes_plain(const struct asyncio__conn_layer *layer)
{
    return layer->state == SECURED && !layer->plain.first;
}

int asyncio__conn_tls_write(struct asyncio__conn *conn, const struct asyncio_bytes *pieces, size_t n)
{
    struct asyncio__conn_layer *layer = conn->tls;
    size_t done = 0;
    ssize_t taken;
    int r;

    /* A single piece is encrypted from where it lies; several are joined first, so that they share records. */
    while (n == 1 && done < pieces->size && takes_plain(layer) && asyncio__conn_wire_is_free(conn)) {
        taken = encrypt(conn, layer, (const unsigned char *)pieces->data + done, min_size(pieces->size - done, BATCH));
        if (taken < 0 || !pour(conn, layer))
            return conn->error;
        if (taken == 0)
            break;
        done += (size_t)taken;
    }
    if (n > 1 || done < pieces->size) {
        r = keep(conn, layer, pieces, n, done);
        if (r < 0) {
            if (done > 0)
                asyncio__conn_abort(conn, r);
            return r;
        }
    }
    return asyncio__conn_settle(conn);
}

/* Encrypts and puts a batch of what a layer keeps. Returns: whether there was any that could be. */
static bool encrypt_kept(struct asyncio__conn *conn, struct asyncio__conn_layer *layer)
{
    size_t done = 0;

    while (layer->state == SECURED && layer->plain.first && done < BATCH) {
        const struct asyncio__chunk *first = layer->plain.first;
        ssize_t taken =
            encrypt(conn, layer, first->data + first->start, min_size(first->end - first->start, BATCH - done));

        if (taken < 0)
            return false;
        if (taken == 0)
            break;
        drop(conn, layer, (size_t)taken);
        done += (size_t)taken;
    }
    return pour(conn, layer) && done > 0;
}

bool asyncio__conn_tls_encrypt(struct asyncio__conn *conn)
{
    bool any = false;

    for (struct asyncio__conn_layer *layer = conn->tls; layer && !is_broken(conn); layer = layer->below)
        any |= encrypt_kept(conn, layer);
    return any && !is_broken(conn);
}

/* ---------------------------------------------------------------------------------------------------------- Upwards */

static struct asyncio__conn_layer *lowest(const struct asyncio__conn *conn)
{
    struct asyncio__conn_layer *layer = conn->tls;

    while (layer->below)
        layer = layer->below;
    return layer;
}

/* The layer that still gives something; when the connection closes it may be one below the outermost. */
static struct asyncio__conn_layer *source(const struct asyncio__conn *conn)
{
    struct asyncio__conn_layer *layer = conn->tls;

    while (layer && layer->has_ended)
        layer = layer->below;
    return layer;
}

static int pull(struct asyncio__conn *conn, struct asyncio__conn_layer *layer);

/* Plain bytes of a layer, which is fed with those of the layers below. Returns: as asyncio__tls_read; BROKEN. */
static ssize_t read_layer(struct asyncio__conn *conn, struct asyncio__conn_layer *layer, void *data, size_t size)
{
    for (;;) {
        ssize_t r = asyncio__tls_read(layer->pump, data, size);
        int pulled;

        /* Nobody is left to be told. */
        if (r == -ASYNCIO_ESSLEOF)
            return r;
        if (r < 0 && r != -EAGAIN) {
            give_up(conn, layer, (int)r);
            return BROKEN;
        }
        if (!pour(conn, layer))
            return BROKEN;
        if (r != -EAGAIN || !layer->below)
            return r;
        pulled = pull(conn, layer);
        if (pulled < 0)
            return pulled;
    }
}

/* Feeds a layer with what the one below gives. Returns: 0; -EAGAIN; BROKEN. */
static __attribute__((noinline)) int pull(struct asyncio__conn *conn, struct asyncio__conn_layer *layer)
{
    unsigned char data[RECORD];
    ssize_t size;
    int r;

    if (layer->below->has_ended)
        return -EAGAIN;
    size = read_layer(conn, layer->below, data, sizeof data);
    if (size == 0 || size == -ASYNCIO_ESSLEOF) {
        layer->below->has_ended = true;
        asyncio__tls_feed_eof(layer->pump);
        return 0;
    }
    if (size < 0)
        return (int)size;
    r = asyncio__tls_feed(layer->pump, data, (size_t)size);
    explicit_bzero(data, (size_t)size);
    if (r == 0)
        return 0;
    asyncio__conn_abort(conn, r);
    return BROKEN;
}

void asyncio__conn_tls_tell(struct asyncio__conn *conn, int error)
{
    bool owes = conn->owes_secured;

    conn->owes_secured = false;
    if (owes && conn->events->secured)
        conn->events->secured(conn, error);
}

/* Goes on with the handshake. Returns: whether it is over, and data may follow. */
static bool shake_hands(struct asyncio__conn *conn)
{
    struct asyncio__conn_layer *layer = conn->tls;
    int r;

    while ((r = asyncio__tls_handshake(layer->pump)) == -EAGAIN)
        if (!pour(conn, layer) || !layer->below || pull(conn, layer) < 0)
            return false;
    if (r < 0) {
        give_up(conn, layer, r);
        asyncio__conn_tls_tell(conn, conn->error);
        return false;
    }
    layer->state = SECURED;
    asyncio_timer_disarm(conn->loop, &conn->timer);
    /* The last of the handshake and the first data make one send. */
    encrypt_kept(conn, layer);
    if (is_broken(conn))
        return false;
    asyncio__conn_tls_tell(conn, 0);
    return !is_broken(conn) && conn->tls == layer;
}

/* A layer gives no more: 0, or -ASYNCIO_ESSLEOF when that was not announced. */
static void end_layer(struct asyncio__conn *conn, struct asyncio__conn_layer *layer, int error)
{
    bool is_closing = conn->state == ASYNCIO__CONN_CLOSING;

    layer->has_ended = true;
    if (error && !is_closing) {
        asyncio__conn_abort(conn, error);
        return;
    }
    /* Who still receives what comes after his close is told the end of it. */
    if (!error && conn->is_reading && layer == conn->tls) {
        conn->has_ended = true;
        asyncio__conn_stop_reading(conn);
        (void)conn->events->ended(conn);
    }
    if (is_closing)
        asyncio__conn_finish_if_sent(conn);
    else
        asyncio__conn_close(conn);
}

/* Gives the owner what the pumps have, as long as he takes it; once he has closed and does not read it is dropped. */
static void deliver(struct asyncio__conn *conn)
{
    struct asyncio__conn_layer *layer;
    unsigned char own[RECORD];

    while (!is_broken(conn) && (conn->is_reading || conn->state == ASYNCIO__CONN_CLOSING) && (layer = source(conn)) &&
           layer->state != SHAKING_HANDS) {
        bool is_owners = conn->is_reading && layer == conn->tls;
        void *data = own;
        size_t size = sizeof own;
        ssize_t r;

        if (is_owners && conn->events->get_buffer) {
            conn->events->get_buffer(conn, &data, &size);
            if (is_broken(conn) || !conn->is_reading || conn->tls != layer)
                continue;
            assert(data && size > 0);
        }
        r = read_layer(conn, layer, data, size);
        if (r > 0 && is_owners)
            conn->events->received(conn, data, (size_t)r);
        if (r > 0 && data == own)
            explicit_bzero(own, (size_t)r);
        if (r == 0 || r == -ASYNCIO_ESSLEOF)
            end_layer(conn, layer, (int)r);
        else if (r < 0)
            return;
        /* Another call would only say that there is nothing. */
        if (r > 0 && !layer->below && !conn->wire_has_ended && asyncio__tls_fed(layer->pump) == 0)
            return;
    }
}

/* Goes on with whatever the pumps were fed. */
static void drive(struct asyncio__conn *conn)
{
    if (is_broken(conn))
        return;
    if (conn->tls->state != SHAKING_HANDS || shake_hands(conn))
        deliver(conn);
    /* Pumps have their own say, too. */
    if (conn->state != ASYNCIO__CONN_CLOSED)
        asyncio__conn_go_on_sending(conn);
}

/* ------------------------------------------------------------------------------------------------------- The socket */

bool asyncio__conn_tls_wants(const struct asyncio__conn *conn)
{
    if (conn->state == ASYNCIO__CONN_CLOSED || conn->wire_has_ended)
        return false;
    if (conn->state == ASYNCIO__CONN_CLOSING)
        return conn->is_lingering || source(conn);
    return conn->is_reading || conn->tls->state == SHAKING_HANDS;
}

static void feed(struct asyncio__conn *conn, const void *data, size_t size)
{
    int r = asyncio__tls_feed(lowest(conn)->pump, data, size);

    if (r < 0)
        asyncio__conn_abort(conn, r);
    else
        drive(conn);
}

void asyncio__conn_tls_received(struct asyncio__conn *conn, const void *data, size_t size)
{
    struct asyncio_bytes piece = {data, size};
    bool wants;

    if (is_broken(conn))
        return;
    wants = asyncio__conn_tls_wants(conn);
    if (wants && !conn->late.first)
        feed(conn, data, size);
    else if ((wants || conn->state == ASYNCIO__CONN_OPEN) && asyncio__chunks_append(&conn->late, &piece, 1, 0) < 0)
        asyncio__conn_abort(conn, -ENOMEM);
}

void asyncio__conn_tls_wire_ended(struct asyncio__conn *conn, int64_t result)
{
    conn->wire_has_ended = true;
    if (result < 0 && asyncio__conn_tls_is_over(conn)) {
        asyncio__conn_shut(conn, false);
    } else if (result < 0) {
        asyncio__conn_abort(conn, (int)result);
    } else if (conn->is_lingering) {
        asyncio__conn_finish_if_sent(conn);
    } else {
        asyncio__tls_feed_eof(lowest(conn)->pump);
        drive(conn);
    }
}

void asyncio__conn_tls_go_on(struct asyncio__conn *conn)
{
    struct asyncio__chunk *chunk;

    drive(conn);
    if (is_broken(conn)) {
        asyncio__chunks_clear(&conn->late);
    } else if (conn->late.first && asyncio__conn_tls_wants(conn)) {
        chunk = asyncio__chunks_pop(&conn->late);
        feed(conn, chunk->data + chunk->start, chunk->end - chunk->start);
        asyncio__free(chunk);
    }
}

/* ----------------------------------------------------------------------------------------------- Beginning and end */

bool asyncio__conn_tls_is_over(const struct asyncio__conn *conn)
{
    return conn->is_lingering || conn->tls->state == DOWN;
}

/* Announces a layer's end. Returns: false when the connection has broken. */
static bool announce(struct asyncio__conn *conn, struct asyncio__conn_layer *layer)
{
    layer->state = DOWN;
    asyncio__tls_shutdown(layer->pump);
    return pour(conn, layer);
}

bool asyncio__conn_tls_unwrap(struct asyncio__conn *conn)
{
    struct asyncio_op op = {.opcode = ASYNCIO_OP_SHUTDOWN, .argument = SHUT_WR};

    if (conn->is_lingering) {
        bool was_shut = conn->eof_sent;

        conn->eof_sent = true;
        return conn->wire_has_ended || (!was_shut && asyncio__conn_perform(conn, &op) < 0);
    }
    for (struct asyncio__conn_layer *layer = conn->tls; layer; layer = layer->below) {
        if (layer == conn->tls && layer->state != DOWN && !asyncio__conn_limit(conn, layer->shutdown_ns))
            return false;
        if (layer->state != DOWN && (!announce(conn, layer) || conn->kept.first))
            return false;
        if (!layer->has_ended && !conn->wire_has_ended)
            return false;
    }
    return true;
}

void asyncio__conn_tls_say_goodbye(struct asyncio__conn *conn)
{
    for (struct asyncio__conn_layer *layer = conn->tls; layer; layer = layer->below)
        if (layer->state == SHAKING_HANDS || (layer->state == SECURED && !announce(conn, layer)))
            return;
    asyncio__conn_send_at_once(conn);
}

/* Makes a layer that has `data` to begin with. Returns: 0; a negative error. */
static int make_layer(const struct asyncio__conn_tls *tls, const void *data, size_t size,
                      struct asyncio__conn_layer **ret_layer)
{
    struct asyncio__conn_layer *layer = asyncio__calloc(sizeof *layer);
    int r;

    if (!layer)
        return -ENOMEM;
    layer->shutdown_ns = tls->shutdown_ns;
    r = asyncio__tls_new(&tls->options, &layer->pump);
    if (r == 0 && size > 0)
        r = asyncio__tls_feed(layer->pump, data, size);
    if (r < 0)
        asyncio__conn_tls_free(layer);
    else
        *ret_layer = layer;
    return r;
}

int asyncio__conn_start_tls(struct asyncio__conn *conn, const struct asyncio__conn_tls *tls, const void *data,
                            size_t size)
{
    struct asyncio__conn_layer *layer;
    int r;

    assert(asyncio__conn_is_push(conn));
    if (conn->error)
        return conn->error;
    if (conn->state != ASYNCIO__CONN_OPEN)
        return -ASYNCIO_ECLOSED;
    if (conn->eof_asked || conn->owes_secured)
        return -ASYNCIO_EINVALIDSTATE;
    r = make_layer(tls, data, size, &layer);
    if (r < 0)
        return r;
    if (tls->handshake_ns != NS_NEVER &&
        asyncio_timer_arm(conn->loop, &conn->timer, ns_add(asyncio__now(conn->loop), tls->handshake_ns)) < 0) {
        asyncio__conn_tls_free(layer);
        return -ENOMEM;
    }
    if (conn->has_ended) {
        conn->wire_has_ended = true;
        asyncio__tls_feed_eof(layer->pump);
    }
    layer->below = conn->tls;
    conn->tls = layer;
    conn->owes_secured = true;
    asyncio__conn_go_on_later(conn);
    return 0;
}

struct asyncio__tls *asyncio__conn_tls(const struct asyncio__conn *conn)
{
    return conn->tls ? conn->tls->pump : NULL;
}
