/* fuzz_dns.c -- what name servers may say: replies as they are read, a server in the simulator that says anything over
 * UDP and TCP, and the files that tell of names. */
#include "loop/dns.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

#define CHECK(condition) ((condition) ? (void)0 : broken(#condition, __LINE__))

static void broken(const char *text, int line)
{
    fprintf(stderr, "line %d: broken: %s\n", line, text);
    abort();
}

/* The input, taken from the front. */
struct input {
    const uint8_t *at, *end;
};

static uint8_t next_byte(struct input *input)
{
    return input->at < input->end ? *input->at++ : 0;
}

/* Takes up to n bytes. */
static size_t take(struct input *input, uint8_t *bytes, size_t n)
{
    size_t size = min_size(n, (size_t)(input->end - input->at));

    if (size > 0)
        memcpy(bytes, input->at, size);
    input->at += size;
    return size;
}

/* ---------------------------------------------------------------------------------------------------------- Replies */

static void check_answer(const struct asyncio__dns_answer *answer, enum asyncio__dns_type type)
{
    CHECK(memchr(answer->name, 0, sizeof answer->name));
    CHECK(type == ASYNCIO__DNS_PTR || answer->n > 0);
    for (size_t i = 0; i < answer->n && type != ASYNCIO__DNS_PTR; i++) {
        CHECK(asyncio_address_family(&answer->addresses[i]) == (type == ASYNCIO__DNS_A ? AF_INET : AF_INET6));
        CHECK(asyncio_address_port(&answer->addresses[i]) == 0);
    }
}

/* A reply that begins as it should and goes on as the input says. */
static void read_reply(struct input *input)
{
    static const enum asyncio__dns_type types[] = {ASYNCIO__DNS_A, ASYNCIO__DNS_AAAA, ASYNCIO__DNS_PTR};
    enum asyncio__dns_type type = types[next_byte(input) % 3];
    unsigned char query[ASYNCIO__DNS_QUERY_SIZE], reply[1024];
    struct asyncio__dns_answer answer = {.n = 0};
    uint8_t setup = next_byte(input);
    int size = asyncio__dns_encode("a.test", type, 7, query), rcode = 0, r;
    size_t length = (size_t)size;

    CHECK(size > 0);
    memcpy(reply, query, length);
    reply[2] = 0x80 | (setup & 2);
    reply[3] = setup >> 4;
    reply[7] = next_byte(input);
    /* Sometimes the beginning is the input's too. */
    if (setup & 1)
        length = 0;
    length += take(input, reply + length, sizeof reply - length);
    r = asyncio__dns_decode(query, (size_t)size, reply, length, setup & 4, &answer, &rcode);
    if (r == 0)
        check_answer(&answer, type);
    else
        CHECK(r == -EAGAIN || r == -EBADMSG || r == -EMSGSIZE || r == -ASYNCIO_EAI_NODATA || r == -ASYNCIO_EAI_NONAME ||
              r == -ASYNCIO_EAI_FAIL);
    CHECK(r == 0 || !answer.addresses);
    asyncio_free(answer.addresses);
}

/* --------------------------------------------------------------------------------------------------- A conversation */

static struct input said;
static struct asyncio_socket *udp, *listener;

/* Answers a query with up to three datagrams: its header and question or not, then what the input says. */
static int serve_udp(void *arg)
{
    unsigned char data[700];
    struct asyncio_address from = {0};
    ssize_t n;

    (void)arg;
    while ((n = asyncio_sock_recvfrom(udp, data, 300, &from)) >= 0) {
        for (int i = next_byte(&said) % 4; i > 0; i--) {
            uint8_t setup = next_byte(&said);
            size_t size = setup & 1 ? 0 : (size_t)n;

            data[2] = 0x80 | (setup & 2);
            data[3] = (setup >> 2) & 7;
            data[7] = next_byte(&said) % 8;
            size += take(&said, data + size, setup >> 3);
            if (asyncio_sock_sendto(udp, data, size, &from) < 0)
                return 0;
        }
    }
    return 0;
}

static int serve_tcp(void *arg)
{
    struct asyncio_socket *socket = NULL;
    unsigned char data[400];

    (void)arg;
    while (asyncio_sock_accept(listener, &socket, NULL) == 0) {
        ssize_t n = asyncio_sock_recv(socket, data, 300);
        size_t size = n > 2 && next_byte(&said) % 2 ? (size_t)n : 0;

        if (size > 2)
            data[4] = 0x80;
        size += take(&said, data + size, next_byte(&said) % 64);
        if (n > 0)
            ASYNCIO_IGNORE(asyncio_sock_sendall(socket, data, size));
        socket = asyncio_socket_unref(socket);
    }
    return 0;
}

static int bind_server(int type, struct asyncio_socket **ret_socket)
{
    struct asyncio_address address;
    int r = asyncio_socket(AF_INET, type, 0, ret_socket);

    if (r == 0)
        r = asyncio_address_parse(&address, "127.0.0.1", 53);
    return r < 0 ? r : asyncio_socket_bind(*ret_socket, &address);
}

static int converse(void *arg)
{
    struct asyncio_addrinfo *list = NULL;
    struct asyncio_future *servers[2];
    int r;

    (void)arg;
    CHECK(bind_server(SOCK_DGRAM, &udp) == 0 && bind_server(SOCK_STREAM, &listener) == 0);
    CHECK(asyncio_socket_listen(listener, 5) == 0);
    servers[0] = asyncio_create_task(serve_udp, NULL);
    servers[1] = asyncio_create_task(serve_tcp, NULL);
    r = asyncio_getaddrinfo("a.test", "80", &list);
    CHECK(r > 0 || r == -ASYNCIO_EAI_NODATA || r == -ASYNCIO_EAI_NONAME || r == -ASYNCIO_EAI_FAIL ||
          r == -ASYNCIO_EAI_TIMEOUT);
    for (int i = 0; i < r; i++)
        CHECK(asyncio_address_port(&list[i].address) == 80);
    asyncio_free(list);
    udp = asyncio_socket_unref(udp);
    listener = asyncio_socket_unref(listener);
    for (int i = 0; i < 2; i++) {
        ASYNCIO_IGNORE(asyncio_cancel_and_wait(servers[i]));
        asyncio_future_unref(servers[i]);
    }
    return 0;
}

/* ------------------------------------------------------------------------------------------------------------ Files */

static void read_files(struct input *input)
{
    struct asyncio__dns_addresses addresses = {.n = 0};
    char name[ASYNCIO__DNS_NAME_SIZE] = "", text[400];
    struct asyncio_address address;
    size_t size = take(input, (uint8_t *)text, sizeof text - 1);
    int n;

    text[size] = 0;
    n = asyncio__dns_find_host(text, "a", 0, &addresses, name);
    CHECK(n >= 0 && (size_t)n == addresses.n);
    CHECK(n == 0 || asyncio__dns_find_name(text, &addresses.list[0], name));
    asyncio_free(addresses.list);
    if (asyncio__dns_read_server(text, &address) == 0)
        CHECK(asyncio_address_port(&address) > 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct input input = {bytes, bytes + size};
    int64_t allocated = asyncio_allocated();

    switch (next_byte(&input) % 3) {
    case 0:
        read_reply(&input);
        break;
    case 1:
        said = input;
        CHECK(asyncio_run(converse, NULL, .backend = "sim:1") == 0);
        break;
    default:
        read_files(&input);
    }
    CHECK(asyncio_allocated() == allocated);
    return 0;
}
