/* dns_rig.h -- a name server of the test's own, on the loopback of whichever machine the test runs on: it says what the
 * test wants, late, cut, for somebody else, or not at all.
 *
 * What it knows is a table of names; the rest does not exist. Every question that comes is noted in `asked`. */
#pragma once

#include "crew.h"

#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>

enum manner {
    ANSWER,        /* as it should */
    DROP,          /* says nothing */
    DROP_FIRST,    /* says nothing the first time */
    LATE,          /* answers three seconds later */
    CUT,           /* cuts the answer to the question, over UDP */
    WRONG_ID,      /* lies with another number, then answers as it should */
    ONLY_WRONG_ID, /* lies with another number */
    WRONG_NAME,    /* answers another question and lies, then as it should */
    SAYS_SERVFAIL,
    SAYS_REFUSED,
    SAYS_FORMERR, /* the header alone */
    GARBAGE,      /* the right header, and nonsense behind it */
    OVERSIZED,    /* 4,000 bytes without being asked for more than 512 */
    CNAME_LOOP,   /* a is b, b is a */
    CHAIN,        /* the name is another one's */
    EMPTY,        /* a datagram of no bytes, then as it should */
    FLOOD,        /* lies with a hundred other numbers, then answers as it should */
    HANG_UP,      /* as CUT, then closes the connection without an answer */
    DRIP,         /* as CUT, then a byte at a time */
};

struct entry {
    const char *name; /* without the dot at its end */
    const char *in[4], *in6[4];
    const char *ptr;
    enum manner manner;
    int n_more;        /* so many more addresses of IPv4, 10.1.x.y */
    int manner_of_in6; /* in place of `manner` for AAAA; 0: the same */
};

struct nameserver {
    struct asyncio_socket *udp, *listener;
    const struct entry *entries; /* ended by one without a name */
    int port;
    int n_asked, n_tcp;
    enum manner manner; /* when not ANSWER, that of all names */
};

static char asked[2000];
static struct nameserver servers[3];

/* ------------------------------------------------------------------------------------------------------------ Wire */

struct packet_buffer {
    unsigned char bytes[6000];
    size_t size;
};

static inline void put(struct packet_buffer *packet, const void *data, size_t size)
{
    if (packet->size + size > sizeof packet->bytes)
        return;
    memcpy(packet->bytes + packet->size, data, size);
    packet->size += size;
}

static inline void put16(struct packet_buffer *packet, unsigned number)
{
    unsigned char bytes[] = {(unsigned char)(number >> 8), (unsigned char)number};

    put(packet, bytes, 2);
}

static inline void put_name(struct packet_buffer *packet, const char *name)
{
    while (*name) {
        size_t length = strcspn(name, ".");
        unsigned char size = (unsigned char)length;

        put(packet, &size, 1);
        put(packet, name, length);
        name += length + (name[length] == '.');
    }
    put(packet, "", 1);
}

/* A record; a name of NULL is that of the question. */
static inline void put_record(struct packet_buffer *packet, const char *name, int type, const void *data, size_t size)
{
    if (name)
        put_name(packet, name);
    else
        put16(packet, 0xc00c);
    put16(packet, (unsigned)type);
    put16(packet, 1);
    put16(packet, 0);
    put16(packet, 60);
    put16(packet, (unsigned)size);
    put(packet, data, size);
    packet->bytes[7]++;
    if (packet->bytes[7] == 0)
        packet->bytes[6]++;
}

static inline void put_alias(struct packet_buffer *packet, const char *name, const char *other)
{
    struct packet_buffer data = {.size = 0};

    put_name(&data, other);
    put_record(packet, name, 5, data.bytes, data.size);
}

static inline void put_number(struct packet_buffer *packet, const char *name, const char *number)
{
    struct asyncio_address address = {0};
    bool is_in6 = strchr(number, ':');

    EXPECT_INT(asyncio_address_parse(&address, number, 0), 0);
    put_record(packet, name, is_in6 ? 28 : 1, address.data.bytes + (is_in6 ? 8 : 4), is_in6 ? 16 : 4);
}

/* Reads name and type of a question. Returns: where it ends; 0 when it is none. */
static inline size_t read_question(const unsigned char *query, size_t size, char name[256], int *ret_type)
{
    size_t at = 12, length = 0;

    while (at < size && query[at] != 0) {
        if (at + 1 + query[at] >= size || length + query[at] + 1u >= 255)
            return 0;
        memcpy(name + length, query + at + 1, query[at]);
        length += query[at];
        name[length++] = '.';
        at += 1u + query[at];
    }
    name[length > 0 ? length - 1 : 0] = 0;
    if (at + 5 > size)
        return 0;
    *ret_type = query[at + 1] << 8 | query[at + 2];
    return at + 5;
}

/* ---------------------------------------------------------------------------------------------------------- Answers */

static inline const struct entry *find_entry(const struct nameserver *server, const char *name)
{
    for (const struct entry *entry = server->entries; entry && entry->name; entry++)
        if (strcasecmp(entry->name, name) == 0)
            return entry;
    return NULL;
}

static inline enum manner manner_of(const struct nameserver *server, const struct entry *entry, int type)
{
    if (server->manner != ANSWER)
        return server->manner;
    if (entry && type == 28 && entry->manner_of_in6)
        return (enum manner)entry->manner_of_in6;
    return entry ? entry->manner : ANSWER;
}

static inline void put_answers(struct packet_buffer *packet, const struct entry *entry, int type, enum manner manner)
{
    const char *owner = manner == CHAIN ? "target.test" : NULL;
    struct packet_buffer data = {.size = 0};
    char number[32];

    if (manner == CHAIN)
        put_alias(packet, NULL, "target.test");
    for (int i = 0; type == 1 && i < 4 && entry->in[i]; i++)
        put_number(packet, owner, entry->in[i]);
    for (int i = 0; type == 1 && i < entry->n_more; i++) {
        snprintf(number, sizeof number, "10.1.%d.%d", i / 256, i % 256);
        put_number(packet, owner, number);
    }
    for (int i = 0; type == 28 && i < 4 && entry->in6[i]; i++)
        put_number(packet, owner, entry->in6[i]);
    if (type == 12 && entry->ptr) {
        put_name(&data, entry->ptr);
        put_record(packet, owner, 12, data.bytes, data.size);
    }
}

static inline void make_reply(const unsigned char *query, size_t question_end, const struct entry *entry, int type,
                              enum manner manner, struct packet_buffer *reply)
{
    static const unsigned char junk[] = {0xc0, 0xff, 0xff, 0xff, 0x3f, 0x80};
    int rcode = entry ? 0 : 3;

    reply->size = 0;
    put(reply, query, question_end);
    memset(reply->bytes + 6, 0, 6);
    if (manner == SAYS_SERVFAIL || manner == SAYS_REFUSED || manner == SAYS_FORMERR)
        rcode = manner == SAYS_SERVFAIL ? 2 : manner == SAYS_REFUSED ? 5 : 1;
    reply->bytes[2] = 0x85;
    reply->bytes[3] = (unsigned char)(0x80 | rcode);
    if (manner == SAYS_FORMERR) {
        reply->size = 12;
        memset(reply->bytes + 4, 0, 8);
    }
    if (rcode != 0)
        return;
    if (manner == GARBAGE) {
        put(reply, junk, sizeof junk);
        reply->bytes[7] = 7;
    } else if (manner == CNAME_LOOP) {
        put_alias(reply, NULL, "b.test");
        put_alias(reply, "b.test", entry->name);
    } else {
        put_answers(reply, entry, type, manner);
    }
    while (manner == OVERSIZED && reply->size < 4000)
        put_record(reply, NULL, 16, "\3fat", 4);
}

static inline void note(struct nameserver *server, const char *name, int type, bool is_tcp)
{
    const char *kind = type == 1 ? "A" : type == 28 ? "AAAA" : type == 12 ? "PTR" : "?";
    size_t length = strlen(asked);

    server->n_asked++;
    server->n_tcp += is_tcp;
    snprintf(asked + length, sizeof asked - length, "%s%s %s%s", length > 0 ? ", " : "", name, kind,
             is_tcp ? " over TCP" : "");
}

/* ------------------------------------------------------------------------------------------------------------- UDP */

struct late_reply {
    struct nameserver *server;
    struct packet_buffer packet;
    struct asyncio_address to;
};

static inline int send_late(void *arg)
{
    struct late_reply *late = arg;

    ASYNCIO_IGNORE(asyncio_sleep(3));
    if (late->server->udp)
        ASYNCIO_IGNORE((int)asyncio_sock_sendto(late->server->udp, late->packet.bytes, late->packet.size, &late->to));
    return 0;
}

static inline void reply_over_udp(struct nameserver *server, const unsigned char *query, size_t size,
                                  const struct asyncio_address *from)
{
    static struct packet_buffer reply;
    const struct entry *entry;
    enum manner manner;
    size_t end;
    char name[256] = "";
    int type = 0;

    end = read_question(query, size, name, &type);
    EXPECT(end > 0);
    note(server, name, type, false);
    entry = find_entry(server, name);
    manner = manner_of(server, entry, type);
    if (manner == DROP || (manner == DROP_FIRST && server->n_asked <= 2))
        return;
    make_reply(query, end, entry, type, manner, &reply);
    if (manner == CUT || manner == HANG_UP || manner == DRIP) {
        reply.size = end;
        reply.bytes[2] |= 2;
        memset(reply.bytes + 6, 0, 2);
    }
    if (manner == WRONG_ID || manner == ONLY_WRONG_ID || manner == WRONG_NAME) {
        unsigned char *changed = &reply.bytes[manner == WRONG_NAME ? 13 : 1], *address = &reply.bytes[reply.size - 1];

        *changed ^= 1;
        *address ^= 0x40;
        ASYNCIO_IGNORE((int)asyncio_sock_sendto(server->udp, reply.bytes, reply.size, from));
        *changed ^= 1;
        *address ^= 0x40;
    }
    for (int i = 0; manner == FLOOD && i < 100; i++) {
        reply.bytes[0] ^= 1;
        ASYNCIO_IGNORE((int)asyncio_sock_sendto(server->udp, reply.bytes, reply.size, from));
        reply.bytes[0] ^= 1;
    }
    if (manner == EMPTY)
        ASYNCIO_IGNORE((int)asyncio_sock_sendto(server->udp, "", 0, from));
    if (manner == LATE) {
        struct late_reply *late = malloc(sizeof *late);

        *late = (struct late_reply){server, reply, *from};
        asyncio_future_unref(asyncio_create_task(send_late, late, .free_arg = free));
        return;
    }
    if (manner != ONLY_WRONG_ID)
        ASYNCIO_IGNORE((int)asyncio_sock_sendto(server->udp, reply.bytes, reply.size, from));
}

static inline int serve_udp(void *arg)
{
    struct nameserver *server = arg;
    struct asyncio_address from = {0};
    unsigned char query[600];
    ssize_t size;

    while ((size = asyncio_sock_recvfrom(server->udp, query, sizeof query, &from)) >= 0)
        reply_over_udp(server, query, (size_t)size, &from);
    return 0;
}

/* ------------------------------------------------------------------------------------------------------------- TCP */

static inline bool receive_all(struct asyncio_socket *socket, unsigned char *data, size_t size)
{
    size_t n = 0;
    ssize_t r = 1;

    while (n < size && r > 0) {
        r = asyncio_sock_recv(socket, data + n, size - n);
        n += r > 0 ? (size_t)r : 0;
    }
    return n == size;
}

static inline void reply_over_tcp(struct nameserver *server, struct asyncio_socket *socket)
{
    static struct packet_buffer reply;
    unsigned char length[2], query[600];
    const struct entry *entry;
    enum manner manner;
    size_t size, end;
    char name[256] = "";
    int type = 0;

    if (!receive_all(socket, length, 2))
        return;
    size = (size_t)length[0] << 8 | length[1];
    if (size > sizeof query || !receive_all(socket, query, size))
        return;
    end = read_question(query, size, name, &type);
    note(server, name, type, true);
    entry = find_entry(server, name);
    manner = manner_of(server, entry, type);
    if (manner == HANG_UP || end == 0)
        return;
    make_reply(query, end, entry, type, manner, &reply);
    length[0] = (unsigned char)(reply.size >> 8);
    length[1] = (unsigned char)reply.size;
    if (asyncio_sock_sendall(socket, length, 2) < 0)
        return;
    if (manner == DRIP) {
        for (size_t i = 0; i < reply.size; i++) {
            if (asyncio_sock_sendall(socket, reply.bytes + i, 1) < 0)
                return;
            ASYNCIO_IGNORE(asyncio_sleep(0.001));
        }
    } else {
        ASYNCIO_IGNORE(asyncio_sock_sendall(socket, reply.bytes, reply.size));
    }
}

static inline int serve_tcp(void *arg)
{
    struct nameserver *server = arg;
    struct asyncio_socket *socket = NULL;

    while (asyncio_sock_accept(server->listener, &socket, NULL) == 0) {
        reply_over_tcp(server, socket);
        socket = asyncio_socket_unref(socket);
    }
    return 0;
}

/* ------------------------------------------------------------------------------------------------------------ Life */

/* Starts a server at any port of 127.0.0.1. */
static inline int start_nameserver(struct nameserver *server, const struct entry *entries)
{
    struct asyncio_address address = {0};

    *server = (struct nameserver){.entries = entries};
    if (asyncio_socket(AF_INET, SOCK_DGRAM, 0, &server->udp) < 0 ||
        asyncio_socket(AF_INET, SOCK_STREAM, 0, &server->listener) < 0)
        return -EIO;
    /* One number for both. */
    for (int tries = 0; tries < 20; tries++) {
        EXPECT_INT(asyncio_address_parse(&address, "127.0.0.1", 0), 0);
        if (asyncio_socket_bind(server->listener, &address) < 0 ||
            asyncio_socket_getsockname(server->listener, &address) < 0)
            return -EIO;
        if (asyncio_socket_bind(server->udp, &address) == 0)
            break;
        asyncio_socket_unref(server->listener);
        server->listener = NULL;
        if (asyncio_socket(AF_INET, SOCK_STREAM, 0, &server->listener) < 0)
            return -EIO;
    }
    server->port = asyncio_address_port(&address);
    if (asyncio_socket_listen(server->listener, 10) < 0)
        return -EIO;
    asyncio_future_unref(asyncio_create_task(serve_udp, server, .name = "udp"));
    asyncio_future_unref(asyncio_create_task(serve_tcp, server, .name = "tcp"));
    return 0;
}

static inline void stop_nameservers(void)
{
    for (int i = 0; i < 3; i++) {
        servers[i].udp = asyncio_socket_unref(servers[i].udp);
        servers[i].listener = asyncio_socket_unref(servers[i].listener);
    }
    turns(10);
}

/* "127.0.0.1:PORT, ..." of the servers that have been started. */
static inline const char *server_list(void)
{
    static char text[100];
    size_t length = 0;

    text[0] = 0;
    for (int i = 0; i < 3 && servers[i].port; i++)
        length +=
            (size_t)snprintf(text + length, sizeof text - length, "%s127.0.0.1:%d", i > 0 ? ", " : "", servers[i].port);
    return text;
}

/* Starts one server and has the loop ask it, with no file of the machine. */
static inline int begin_names(const struct entry *entries)
{
    asked[0] = 0;
    if (start_nameserver(&servers[0], entries) < 0)
        return -EIO;
    return asyncio_loop_set_resolver(asyncio_get_running_loop(), .servers = server_list(), .search = "",
                                     .hosts_file = "/nonexistent", .resolv_conf = "/nonexistent");
}

/* "3: 10.0.0.1 10.0.0.2 ::1" or "-ASYNCIO_EAI_NODATA": what a look-up of one kind of socket gave. */
static inline const char *look_up(const char *name, int family)
{
    static char text[400];
    struct asyncio_addrinfo *list = NULL;
    int n = asyncio_getaddrinfo(name, NULL, &list, .family = family, .type = SOCK_STREAM);
    size_t length = (size_t)snprintf(text, sizeof text, "%s", said(n));

    for (int i = 0; i < n; i++) {
        char address[80] = "";

        asyncio_address_format(&list[i].address, address, sizeof address);
        *strrchr(address, ':') = 0;
        length += (size_t)snprintf(text + length, sizeof text - length, " %s", address);
        if (length >= sizeof text - 1)
            break;
    }
    asyncio_free(list);
    return text;
}

/* The last error's detail, with the servers' ports written as P, Q, R. */
static inline const char *detail(void)
{
    static char text[300];
    const char *from = asyncio_error_detail();
    size_t n = 0;

    while (*from && n < sizeof text - 3) {
        bool is_port = false;

        for (int i = 0; i < 3 && !is_port; i++) {
            char number[12];

            snprintf(number, sizeof number, ":%d", servers[i].port);
            if (servers[i].port && strncmp(from, number, strlen(number)) == 0) {
                text[n++] = ':';
                text[n++] = (char)('P' + i);
                from += strlen(number);
                is_port = true;
            }
        }
        if (!is_port)
            text[n++] = *from++;
    }
    text[n] = 0;
    return text;
}
