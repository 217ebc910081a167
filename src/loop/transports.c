#include "transports.h"

#include "../base/context.h"
#include "../base/log.h"
#include "../base/mem.h"
#include "loop.h"

/* From which write on after the connection was lost there is a warning. */
#define LOST_WRITES 5

/* Does what calls the protocol in the transport's context. */
#define IN_CONTEXT(transport, call)                             \
    do {                                                        \
        struct asyncio__context_entry entry_;                   \
                                                                \
        asyncio__context_enter(&entry_, &(transport)->context); \
        call;                                                   \
        asyncio__context_leave(&entry_);                        \
    } while (0)

static void report(struct asyncio_transport *transport, const char *message, int error)
{
    asyncio_loop_call_exception_handler(transport->loop, &(const struct asyncio_exception_context){
                                                             .size = sizeof(struct asyncio_exception_context),
                                                             .message = message,
                                                             .error = error,
                                                             .object = transport,
                                                         });
}

/* -------------------------------------------------------------------------------------------------------- Protocols */

bool asyncio__protocol_is_of_streams(const struct asyncio_protocol_type *type)
{
    return type->data_received || (type->get_buffer && type->buffer_updated);
}

bool asyncio__transport_accepts(const struct asyncio_transport *transport, const struct asyncio_protocol *protocol)
{
    const struct asyncio_protocol_type *type = protocol ? protocol->type : NULL;

    return type && type->size >= sizeof *type && transport->kind->accepts(type);
}

void asyncio__protocol_pause_writing(struct asyncio_transport *transport)
{
    struct asyncio_protocol *protocol = transport->protocol;

    transport->is_writing_paused = true;
    if (protocol->type->pause_writing)
        IN_CONTEXT(transport, protocol->type->pause_writing(protocol));
}

void asyncio__protocol_resume_writing(struct asyncio_transport *transport)
{
    struct asyncio_protocol *protocol = transport->protocol;

    transport->is_writing_paused = false;
    if (protocol->type->resume_writing)
        IN_CONTEXT(transport, protocol->type->resume_writing(protocol));
}

void asyncio__protocol_data_received(struct asyncio_transport *transport, const void *data, size_t size)
{
    struct asyncio_protocol *protocol = transport->protocol;

    IN_CONTEXT(transport, protocol->type->data_received(protocol, data, size));
}

bool asyncio__protocol_eof_received(struct asyncio_transport *transport)
{
    struct asyncio_protocol *protocol = transport->protocol;
    bool stays = false;

    if (protocol->type->eof_received)
        IN_CONTEXT(transport, stays = protocol->type->eof_received(protocol));
    return stays;
}

bool asyncio__protocol_get_buffer(struct asyncio_transport *transport, size_t hint, void **ret_data, size_t *ret_size)
{
    struct asyncio_protocol *protocol = transport->protocol;
    void *data = NULL;
    size_t size = 0;

    IN_CONTEXT(transport, protocol->type->get_buffer(protocol, hint, &data, &size));
    if (!data || size == 0) {
        report(transport, "Fatal error: protocol.get_buffer() call failed.", -ENOBUFS);
        return false;
    }
    *ret_data = data;
    *ret_size = size;
    return true;
}

void asyncio__protocol_buffer_updated(struct asyncio_transport *transport, size_t size)
{
    struct asyncio_protocol *protocol = transport->protocol;

    IN_CONTEXT(transport, protocol->type->buffer_updated(protocol, size));
}

void asyncio__protocol_datagram_received(struct asyncio_transport *transport, const void *data, size_t size,
                                         const struct asyncio_address *address)
{
    struct asyncio_protocol *protocol = transport->protocol;

    IN_CONTEXT(transport, protocol->type->datagram_received(protocol, data, size, address));
}

void asyncio__protocol_error_received(struct asyncio_transport *transport, int error)
{
    struct asyncio_protocol *protocol = transport->protocol;

    if (protocol->type->error_received)
        IN_CONTEXT(transport, protocol->type->error_received(protocol, error));
}

void asyncio__protocol_pipe_data_received(struct asyncio_transport *transport, int fd, const void *data, size_t size)
{
    struct asyncio_protocol *protocol = transport->protocol;

    if (protocol->type->pipe_data_received)
        IN_CONTEXT(transport, protocol->type->pipe_data_received(protocol, fd, data, size));
}

void asyncio__protocol_pipe_connection_lost(struct asyncio_transport *transport, int fd, int error)
{
    struct asyncio_protocol *protocol = transport->protocol;

    if (protocol->type->pipe_connection_lost)
        IN_CONTEXT(transport, protocol->type->pipe_connection_lost(protocol, fd, error));
}

void asyncio__protocol_process_exited(struct asyncio_transport *transport)
{
    struct asyncio_protocol *protocol = transport->protocol;

    if (protocol->type->process_exited)
        IN_CONTEXT(transport, protocol->type->process_exited(protocol));
}

/* ------------------------------------------------------------------------------------------------------ Life cycle */

static void begin(struct asyncio_node *node)
{
    struct asyncio_transport *transport = CONTAINER_OF(node, struct asyncio_transport, node);

    transport->kind->begin(transport);
}

int asyncio__transport_init(struct asyncio_transport *transport, struct asyncio_loop *loop,
                            const struct asyncio__transport_kind *kind,
                            const struct asyncio__transport_options *options)
{
    transport->kind = kind;
    transport->loop = loop;
    asyncio_node_init(&transport->node, begin, NULL);
    if (!options->factory && !asyncio__transport_accepts(transport, options->protocol))
        return -EINVAL;
    transport->protocol = options->factory ? NULL : options->protocol;
    transport->factory = options->factory;
    transport->arg = options->arg;
    transport->opened = options->opened;
    transport->lost = options->lost;
    transport->opened_owner = transport->lost_owner = options->owner;
    transport->high = transport->default_high = ASYNCIO__TRANSPORT_HIGH;
    transport->low = ASYNCIO__TRANSPORT_HIGH / 4;
    transport->sockname_error = transport->peername_error = -EAFNOSUPPORT;
    return asyncio__context_choose(NULL, &transport->context);
}

static void free_transport(struct asyncio_transport *transport)
{
    asyncio_context_unref(transport->context);
    asyncio__free(transport);
}

void asyncio__transport_discard(struct asyncio_transport *transport)
{
    asyncio_node_cancel(&transport->node);
    free_transport(transport);
}

void asyncio__transport_begin(struct asyncio_transport *transport)
{
    asyncio__schedule(transport->loop, &transport->node);
}

void asyncio__transport_tell(struct asyncio_transport *transport, int error)
{
    void (*opened)(struct asyncio_transport * transport, void *owner, int error) = transport->opened;

    transport->opened = NULL;
    if (opened)
        opened(transport, transport->opened_owner, error);
}

/* Asks the factory for a protocol. Returns: 0; -ASYNCIO_EINVALIDSTATE; -EINVAL. */
static int make_protocol(struct asyncio_transport *transport)
{
    struct asyncio_protocol *protocol;

    transport->is_asked = true;
    IN_CONTEXT(transport, protocol = transport->factory(transport->arg));
    if (!asyncio__transport_accepts(transport, protocol))
        return protocol ? -EINVAL : -ASYNCIO_EINVALIDSTATE;
    transport->protocol = protocol;
    if (transport->kind->switched)
        transport->kind->switched(transport);
    return 0;
}

int asyncio__transport_made(struct asyncio_transport *transport)
{
    int r = transport->protocol ? 0 : make_protocol(transport);
    struct asyncio_protocol *protocol = transport->protocol;

    if (r < 0) {
        asyncio__transport_tell(transport, r);
        return r;
    }
    transport->is_made = true;
    asyncio__transport_tell(transport, 0);
    if (protocol->type->connection_made)
        IN_CONTEXT(transport, protocol->type->connection_made(protocol, transport));
    return 0;
}

/* What can happen to any connection is its protocol's business; running out of memory is more than that. */
static void tell_why(struct asyncio_transport *transport, int error)
{
    if (error == -ENOMEM)
        report(transport, "Fatal error on transport", error);
    else if (error < 0 && transport->loop->debug)
        asyncio__log(ASYNCIO_LOG_DEBUG, "a %s transport is lost: %s", transport->kind->name, asyncio_strerror(error));
}

void asyncio__transport_lost(struct asyncio_transport *transport, int error)
{
    struct asyncio_protocol *protocol = transport->protocol;

    asyncio_node_cancel(&transport->node);
    transport->is_lost = true;
    asyncio__transport_hold(transport);
    tell_why(transport, error);
    asyncio__transport_tell(transport, error < 0 ? error : -ECONNABORTED);
    if (transport->is_made && protocol->type->connection_lost)
        IN_CONTEXT(transport, protocol->type->connection_lost(protocol, error));
    transport->protocol = NULL;
    if (transport->lost)
        transport->lost(transport, transport->lost_owner);
    asyncio__transport_drop(transport);
}

void asyncio__transport_drop(struct asyncio_transport *transport)
{
    if (--transport->n_holds == 0 && transport->is_lost)
        free_transport(transport);
}

/* ---------------------------------------------------------------------------------------------------------- Reading */

bool asyncio_transport_is_reading(const struct asyncio_transport *transport)
{
    return transport && transport->kind->pause_reading && !transport->reading_paused &&
           !asyncio_transport_is_closing(transport);
}

void asyncio_transport_pause_reading(struct asyncio_transport *transport)
{
    if (!asyncio_transport_is_reading(transport))
        return;
    transport->reading_paused = true;
    transport->kind->pause_reading(transport);
}

void asyncio_transport_resume_reading(struct asyncio_transport *transport)
{
    if (!transport || !transport->reading_paused || asyncio_transport_is_closing(transport))
        return;
    transport->reading_paused = false;
    transport->kind->resume_reading(transport);
}

/* ---------------------------------------------------------------------------------------------------------- Writing */

int asyncio_transport_writelines(struct asyncio_transport *transport, const struct asyncio_bytes *pieces, size_t n)
{
    if (!transport || (!pieces && n > 0))
        return -EINVAL;
    for (size_t i = 0; i < n; i++)
        if (!pieces[i].data && pieces[i].size > 0)
            return -EINVAL;
    if (transport->filler)
        return -ASYNCIO_EINVALIDSTATE;
    return transport->kind->write ? transport->kind->write(transport, pieces, n) : -ENOTSUP;
}

int asyncio_transport_write(struct asyncio_transport *transport, const void *data, size_t size)
{
    return asyncio_transport_writelines(transport, &(const struct asyncio_bytes){data, size}, 1);
}

int asyncio__transport_lost_write(struct asyncio_transport *transport)
{
    if (++transport->n_lost_writes >= LOST_WRITES)
        asyncio__log(ASYNCIO_LOG_WARNING, "a write to a %s transport that is closed or lost", transport->kind->name);
    return 0;
}

int asyncio_transport_write_eof(struct asyncio_transport *transport)
{
    if (!transport)
        return -EINVAL;
    return transport->kind->write_eof ? transport->kind->write_eof(transport) : -ENOTSUP;
}

bool asyncio_transport_can_write_eof(const struct asyncio_transport *transport)
{
    return transport && transport->kind->can_write_eof && transport->kind->can_write_eof(transport);
}

void asyncio__transport_pause_if_high(struct asyncio_transport *transport, size_t size)
{
    if (!transport->is_writing_paused && size > transport->high)
        asyncio__protocol_pause_writing(transport);
}

void asyncio__transport_resume_if_low(struct asyncio_transport *transport, size_t size)
{
    if (transport->is_writing_paused && size <= transport->low)
        asyncio__protocol_resume_writing(transport);
}

int asyncio_transport_set_write_buffer_limits(struct asyncio_transport *transport, size_t high, size_t low)
{
    if (!transport)
        return -EINVAL;
    if (high == SIZE_MAX && (low == SIZE_MAX || __builtin_mul_overflow(low, 4, &high)))
        high = low == SIZE_MAX ? transport->default_high : SIZE_MAX;
    if (low == SIZE_MAX)
        low = high / 4;
    if (high < low)
        return -EINVAL;
    transport->high = high;
    transport->low = low;
    if (transport->kind->limits_changed && !transport->is_lost)
        transport->kind->limits_changed(transport);
    return 0;
}

void asyncio_transport_get_write_buffer_limits(const struct asyncio_transport *transport, size_t *ret_high,
                                               size_t *ret_low)
{
    if (transport && ret_high)
        *ret_high = transport->high;
    if (transport && ret_low)
        *ret_low = transport->low;
}

size_t asyncio_transport_get_write_buffer_size(const struct asyncio_transport *transport)
{
    return transport && transport->kind->write_buffer_size ? transport->kind->write_buffer_size(transport) : 0;
}

/* ----------------------------------------------------------------------------------------------------------- Ending */

void asyncio_transport_close(struct asyncio_transport *transport)
{
    if (transport && !transport->is_lost)
        transport->kind->close(transport);
}

void asyncio_transport_abort(struct asyncio_transport *transport)
{
    if (transport && !transport->is_lost)
        transport->kind->abort(transport, 0);
}

bool asyncio_transport_is_closing(const struct asyncio_transport *transport)
{
    return transport && (transport->is_lost || transport->kind->is_closing(transport));
}

/* -------------------------------------------------------------------------------------------------------- Questions */

int asyncio_transport_set_protocol(struct asyncio_transport *transport, struct asyncio_protocol *protocol)
{
    if (!transport || !asyncio__transport_accepts(transport, protocol))
        return -EINVAL;
    transport->protocol = protocol;
    if (transport->kind->switched && !transport->is_lost)
        transport->kind->switched(transport);
    return 0;
}

struct asyncio_protocol *asyncio_transport_get_protocol(const struct asyncio_transport *transport)
{
    return transport ? transport->protocol : NULL;
}

struct asyncio_loop *asyncio_transport_get_loop(const struct asyncio_transport *transport)
{
    return transport ? transport->loop : NULL;
}

static int ask_name(struct asyncio_loop *loop, int opcode, int fd, struct asyncio_address *ret_address)
{
    struct asyncio_op op = {.opcode = (uint8_t)opcode, .fd = fd, .name.address = ret_address};

    asyncio_op_submit(loop, &op);
    return (int)op.result;
}

void asyncio__transport_learn_names(struct asyncio_transport *transport, int fd)
{
    transport->sockname_error = ask_name(transport->loop, ASYNCIO_OP_SOCKNAME, fd, &transport->sockname);
    transport->peername_error = ask_name(transport->loop, ASYNCIO_OP_PEERNAME, fd, &transport->peername);
}

int asyncio_transport_sockname(const struct asyncio_transport *transport, struct asyncio_address *ret_address)
{
    if (!transport || !ret_address)
        return -EINVAL;
    if (transport->sockname_error == 0)
        *ret_address = transport->sockname;
    return transport->sockname_error;
}

int asyncio_transport_peername(const struct asyncio_transport *transport, struct asyncio_address *ret_address)
{
    if (!transport || !ret_address)
        return -EINVAL;
    if (transport->peername_error == 0)
        *ret_address = transport->peername;
    return transport->peername_error;
}

int asyncio_transport_fileno(const struct asyncio_transport *transport)
{
    return transport ? transport->kind->fileno(transport) : -EINVAL;
}

/* The TLS of a transport that is open. Returns: 0; -ENOTCONN; -ASYNCIO_EINVALIDSTATE. */
static int find_tls(const struct asyncio_transport *transport, const struct asyncio__tls **ret_tls)
{
    if (!transport)
        return -EINVAL;
    if (transport->is_lost || transport->kind->fileno(transport) < 0)
        return -ENOTCONN;
    *ret_tls = transport->kind->tls ? transport->kind->tls(transport) : NULL;
    return *ret_tls ? 0 : -ASYNCIO_EINVALIDSTATE;
}

int asyncio_transport_ssl_info(const struct asyncio_transport *transport, struct asyncio_ssl_info *ret_info)
{
    const struct asyncio__tls *tls;
    int r = ret_info ? find_tls(transport, &tls) : -EINVAL;

    if (r == 0)
        asyncio__tls_info(tls, ret_info);
    return r;
}

int asyncio_transport_getpeercert(const struct asyncio_transport *transport,
                                  struct asyncio_ssl_certificate **ret_certificate)
{
    const struct asyncio__tls *tls;
    int r = ret_certificate ? find_tls(transport, &tls) : -EINVAL;

    return r < 0 ? r : asyncio__tls_peercert(tls, ret_certificate);
}
