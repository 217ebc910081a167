/* net_rig.h -- sockets on a back end that is driven by hand, each step waited for. */
#pragma once

#include "rig.h"

#include <arpa/inet.h>

/* The address of a host, as a number, and a port. */
static inline struct asyncio_address at(const char *host, int port)
{
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_port = htons((uint16_t)port)};
    struct asyncio_address address = {.size = sizeof in};

    if (inet_pton(AF_INET, host, &in.sin_addr) == 1) {
        memcpy(address.data.bytes, &in, sizeof in);
        return address;
    }
    EXPECT_INT(inet_pton(AF_INET6, host, &in6.sin6_addr), 1);
    memcpy(address.data.bytes, &in6, sizeof in6);
    address.size = sizeof in6;
    return address;
}

/* The address of a Unix socket; a path that begins with '@' is abstract. */
static inline struct asyncio_address at_path(const char *path)
{
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    struct asyncio_address address;

    snprintf(un.sun_path, sizeof un.sun_path, "%s", path);
    address.size = offsetof(struct sockaddr_un, sun_path) + strlen(path) + (path[0] != '@');
    if (path[0] == '@')
        un.sun_path[0] = 0;
    memcpy(address.data.bytes, &un, sizeof un);
    return address;
}

static inline int domain_of(const struct asyncio_address *address)
{
    sa_family_t family = AF_UNSPEC;

    if (address->size >= sizeof family)
        memcpy(&family, address->data.bytes, sizeof family);
    return family;
}

/* Ports are at the same place in both families. */
static inline int port_of(const struct asyncio_address *address)
{
    struct sockaddr_in in;

    memcpy(&in, address->data.bytes, sizeof in);
    return ntohs(in.sin_port);
}

/* The host of an address; valid until the next call. */
static inline const char *host_of(const struct asyncio_address *address)
{
    static char text[INET6_ADDRSTRLEN];
    size_t offset = domain_of(address) == AF_INET ? offsetof(struct sockaddr_in, sin_addr)
                                                  : offsetof(struct sockaddr_in6, sin6_addr);

    return inet_ntop(domain_of(address), address->data.bytes + offset, text, sizeof text);
}

static inline int make_typed(int domain, int type)
{
    return (int)call((struct asyncio_op){.opcode = ASYNCIO_OP_SOCKET, .make = {.domain = domain, .type = type}});
}

static inline int64_t bind_at(int fd, const struct asyncio_address *address)
{
    return bind_to(fd, address->data.bytes, address->size);
}

static inline int64_t set_option(int fd, int level, int name, int value)
{
    return call(
        (struct asyncio_op){.opcode = ASYNCIO_OP_SETSOCKOPT, .fd = fd, .option = {level, name, &value, sizeof value}});
}

/* The value of an option that is a number of 0 or more; a negative error. */
static inline int64_t get_option(int fd, int level, int name)
{
    int value = -1;
    int64_t result = call(
        (struct asyncio_op){.opcode = ASYNCIO_OP_GETSOCKOPT, .fd = fd, .option = {level, name, &value, sizeof value}});

    return result < 0 ? result : value;
}

static inline struct asyncio_address name_of(int opcode, int fd)
{
    struct asyncio_address address = {0};

    EXPECT_INT(call((struct asyncio_op){.opcode = (uint8_t)opcode, .fd = fd, .name.address = &address}), 0);
    return address;
}

static inline struct asyncio_address local_of(int fd)
{
    return name_of(ASYNCIO_OP_SOCKNAME, fd);
}

static inline struct asyncio_address peer_of(int fd)
{
    return name_of(ASYNCIO_OP_PEERNAME, fd);
}

static inline int port_at(int fd)
{
    struct asyncio_address address = local_of(fd);

    return port_of(&address);
}

static inline bool same_address(struct asyncio_address one, struct asyncio_address two)
{
    return one.size == two.size && memcmp(one.data.bytes, two.data.bytes, one.size) == 0;
}

/* Does an operation and waits for it. Returns: its result. */
static inline int64_t finish(struct asyncio_op op)
{
    struct probe probe = {0};

    if (!start(&probe, "finish", op))
        wait_for(&probe, 1);
    trace_clear();
    return result_of(&probe);
}

/* Does it without waiting, after what is under way has been heard of. */
static inline int64_t finish_now(struct asyncio_op op)
{
    look_often();
    op.flags |= ASYNCIO_OP_NOWAIT;
    return call(op);
}

static inline int64_t connect_at(int fd, const struct asyncio_address *address)
{
    return finish(
        (struct asyncio_op){.opcode = ASYNCIO_OP_CONNECT, .fd = fd, .address = {address->data.bytes, address->size}});
}

static inline int accept_one(int listener)
{
    return (int)finish((struct asyncio_op){.opcode = ASYNCIO_OP_ACCEPT, .fd = listener});
}

static inline int64_t send_bytes(int fd, size_t size)
{
    static char bytes[70000];

    return finish((struct asyncio_op){.opcode = ASYNCIO_OP_SEND, .fd = fd, .buffer = {bytes, size, 0}});
}

static inline int64_t recv_bytes(int fd)
{
    static char bytes[70000];

    return finish((struct asyncio_op){.opcode = ASYNCIO_OP_RECV, .fd = fd, .buffer = {bytes, sizeof bytes, 0}});
}

/* A bound socket that listens, or a bound datagram socket. */
static inline int open_at(const struct asyncio_address *address, int type)
{
    int fd = make_typed(domain_of(address), type);

    EXPECT_INT(bind_at(fd, address), 0);
    if (type == SOCK_STREAM)
        EXPECT_INT(listen_on(fd, 100), 0);
    return fd;
}

static inline int64_t connect_new(const struct asyncio_address *address, int *ret_fd)
{
    int64_t result;

    *ret_fd = make_socket(domain_of(address));
    result = connect_at(*ret_fd, address);
    if (result < 0) {
        close_fd(*ret_fd);
        *ret_fd = -1;
    }
    return result;
}
