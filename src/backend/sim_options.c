/* sim_options.c -- setsockopt and getsockopt of the simulated machine: the options that programs commonly set.
 *
 * What is set is remembered and told again, as Linux would tell it. Address reuse, IPV6_V6ONLY, an abortive SO_LINGER,
 * SO_BROADCAST and the memberships of groups have their effect; the others have none that could be seen here. The only
 * interface is the loopback's, number 1. */
#include "sim.h"

#include <netinet/in.h>
#include <netinet/tcp.h>

/* Linux's limits: it takes twice what is asked for, for its own needs. */
enum {
    MOST_BUFFER = 212992,
    LEAST_SEND_BUFFER = 4608,
    LEAST_RECEIVE_BUFFER = 2304,
};

enum { LOOPBACK_INTERFACE = 1 };

void asyncio__sim_sockopts_init(struct asyncio__sim_sockopts *options)
{
    options->send_buffer = options->receive_buffer = MOST_BUFFER;
    options->multicast_loop = options->multicast_ttl = 1;
}

static int buffer_size(int asked, int least)
{
    int size = asked < 0 || asked > MOST_BUFFER ? 2 * MOST_BUFFER : 2 * asked;

    return size < least ? least : size;
}

static bool is_internet(const struct asyncio__sim_file *file)
{
    return file->domain != AF_UNIX;
}

/* True for this option of a datagram socket of the internet, under its name in the socket's family. */
static bool is_named(const struct asyncio__sim_file *file, const struct asyncio_op_option *option, int name4, int name6)
{
    if (file->kind != ASYNCIO__SIM_DATAGRAM)
        return false;
    return file->domain == AF_INET ? option->level == IPPROTO_IP && option->name == name4
                                   : option->level == IPPROTO_IPV6 && option->name == name6;
}

/* What is on or off; NULL when it is something else or this socket does not have it. */
static int *find_switch(struct asyncio__sim_file *file, const struct asyncio_op_option *option)
{
    struct asyncio__sim_sockopts *options = &file->options;

    if (option->level == IPPROTO_TCP && option->name == TCP_NODELAY)
        return is_internet(file) && asyncio__sim_type(file) == SOCK_STREAM ? &options->no_delay : NULL;
    if (option->level == IPPROTO_IPV6 && option->name == IPV6_V6ONLY)
        return file->domain == AF_INET6 ? &options->v6only : NULL;
    if (is_named(file, option, IP_PKTINFO, IPV6_RECVPKTINFO))
        return &options->tells_destination;
    if (is_named(file, option, IP_MULTICAST_LOOP, IPV6_MULTICAST_LOOP))
        return &options->multicast_loop;
    if (option->level != SOL_SOCKET)
        return NULL;
    switch (option->name) {
    case SO_REUSEADDR:
        return &options->reuse_address;
    case SO_REUSEPORT:
        return &options->reuse_port;
    case SO_KEEPALIVE:
        return &options->keep_alive;
    case SO_BROADCAST:
        return &options->broadcast;
    default:
        return NULL;
    }
}

/* Sets which interface what is sent to groups goes by: a number, or for IPv4 a structure. */
static int64_t set_interface(struct asyncio__sim_file *file, const struct asyncio_op_option *option, int value)
{
    struct ip_mreqn about;

    if (file->domain == AF_INET) {
        if (option->size < sizeof about)
            return -EINVAL;
        memcpy(&about, option->value, sizeof about);
        value = about.imr_ifindex;
    }
    if (value < 0 || value > LOOPBACK_INTERFACE)
        return -ENODEV;
    file->options.multicast_interface = value;
    return 0;
}

static int64_t set_ttl(struct asyncio__sim_file *file, int value)
{
    if (value < -1 || value > 255)
        return -EINVAL;
    file->options.multicast_ttl = value < 0 ? 1 : value;
    return 0;
}

static int64_t set_other(struct asyncio__sim_file *file, const struct asyncio_op_option *option, int value)
{
    struct asyncio__sim_sockopts *options = &file->options;

    if (is_named(file, option, IP_MULTICAST_IF, IPV6_MULTICAST_IF))
        return set_interface(file, option, value);
    if (is_named(file, option, IP_MULTICAST_TTL, IPV6_MULTICAST_HOPS))
        return set_ttl(file, value);
    if (option->level != SOL_SOCKET)
        return -ENOPROTOOPT;
    switch (option->name) {
    case SO_SNDBUF:
        options->send_buffer = buffer_size(value, LEAST_SEND_BUFFER);
        return 0;
    case SO_RCVBUF:
        options->receive_buffer = buffer_size(value, LEAST_RECEIVE_BUFFER);
        return 0;
    case SO_LINGER:
        if (option->size < sizeof options->linger)
            return -EINVAL;
        memcpy(&options->linger, option->value, sizeof options->linger);
        options->linger.l_onoff = options->linger.l_onoff != 0;
        return 0;
    default:
        return -ENOPROTOOPT;
    }
}

int64_t asyncio__sim_setsockopt(struct asyncio__sim_file *file, const struct asyncio_op_option *option)
{
    int *on = find_switch(file, option), value;

    if (option->level != SOL_SOCKET && !is_internet(file))
        return -EOPNOTSUPP;
    if (asyncio__sim_is_membership(option))
        return asyncio__sim_set_membership(file, option);
    if (option->size < sizeof value)
        return -EINVAL;
    memcpy(&value, option->value, sizeof value);
    if (!on)
        return set_other(file, option, value);
    /* Which ports a socket shares is settled once it has one. */
    if (on == &file->options.v6only && file->local.port)
        return -EINVAL;
    *on = value != 0;
    return 0;
}

static int protocol_of(const struct asyncio__sim_file *file)
{
    if (!is_internet(file))
        return 0;
    return asyncio__sim_type(file) == SOCK_STREAM ? IPPROTO_TCP : IPPROTO_UDP;
}

/* What is a number. Returns: 0; -ENOPROTOOPT. */
static int get_number(struct asyncio__sim_file *file, const struct asyncio_op_option *option, int *ret_value)
{
    const int *on = find_switch(file, option);

    if (on) {
        *ret_value = *on;
        return 0;
    }
    if (is_named(file, option, IP_MULTICAST_TTL, IPV6_MULTICAST_HOPS)) {
        *ret_value = file->options.multicast_ttl;
        return 0;
    }
    if (option->level != SOL_SOCKET)
        return -ENOPROTOOPT;
    switch (option->name) {
    case SO_SNDBUF:
        *ret_value = file->options.send_buffer;
        return 0;
    case SO_RCVBUF:
        *ret_value = file->options.receive_buffer;
        return 0;
    case SO_ERROR:
        *ret_value = -asyncio__sim_take_error(file);
        return 0;
    case SO_TYPE:
        *ret_value = asyncio__sim_type(file);
        return 0;
    case SO_DOMAIN:
        *ret_value = file->domain;
        return 0;
    case SO_PROTOCOL:
        *ret_value = protocol_of(file);
        return 0;
    case SO_ACCEPTCONN:
        *ret_value = file->kind == ASYNCIO__SIM_LISTENER;
        return 0;
    default:
        return -ENOPROTOOPT;
    }
}

int64_t asyncio__sim_getsockopt(struct asyncio__sim_file *file, const struct asyncio_op_option *option)
{
    const void *data;
    int value = 0, r;
    size_t size;

    if (option->level != SOL_SOCKET && !is_internet(file))
        return -EOPNOTSUPP;
    if (option->level == SOL_SOCKET && option->name == SO_LINGER) {
        data = &file->options.linger;
        size = sizeof file->options.linger;
    } else {
        r = get_number(file, option, &value);
        if (r < 0)
            return r;
        data = &value;
        size = sizeof value;
    }
    size = min_size(size, option->size);
    if (size > 0)
        memcpy(option->value, data, size);
    return (int64_t)size;
}
