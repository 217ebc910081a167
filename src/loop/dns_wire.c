/* dns_wire.c -- queries and replies of the domain name system; the only home of c-ares.
 *
 * Who it is that answers is checked here, before c-ares reads the rest: number, question and direction must be those of
 * the query. */
#include "dns.h"

#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <strings.h>

#define HEADER_SIZE 12

enum rcode { NOERROR, FORMERR, SERVFAIL, NXDOMAIN, NOTIMP, REFUSED };

const char *asyncio__dns_rcode_name(int rcode)
{
    static const char *const names[] = {"NOERROR", "FORMERR", "SERVFAIL", "NXDOMAIN", "NOTIMP", "REFUSED"};

    return rcode >= 0 && (size_t)rcode < ARRAY_SIZE(names) ? names[rcode] : "an error";
}

void asyncio__dns_reverse_name(const struct asyncio_address *address, char ret_name[ASYNCIO__DNS_NAME_SIZE])
{
    struct sockaddr_in6 in6;
    struct sockaddr_in in;
    size_t length = 0;

    if (asyncio_address_family(address) == AF_INET) {
        const unsigned char *bytes = (const unsigned char *)&in.sin_addr;

        memcpy(&in, address->data.bytes, sizeof in);
        snprintf(ret_name, ASYNCIO__DNS_NAME_SIZE, "%u.%u.%u.%u.in-addr.arpa", bytes[3], bytes[2], bytes[1], bytes[0]);
        return;
    }
    memcpy(&in6, address->data.bytes, sizeof in6);
    for (int i = 15; i >= 0; i--) {
        unsigned byte = in6.sin6_addr.s6_addr[i];

        length += (size_t)snprintf(ret_name + length, ASYNCIO__DNS_NAME_SIZE - length, "%x.%x.", byte & 15, byte >> 4);
    }
    snprintf(ret_name + length, ASYNCIO__DNS_NAME_SIZE - length, "ip6.arpa");
}

#if ASYNCIO__HAVE_CARES

#include <ares.h>

bool asyncio__dns_is_built_in(void)
{
    return true;
}

int asyncio__dns_encode(const char *name, enum asyncio__dns_type type, uint16_t id,
                        unsigned char ret_query[ASYNCIO__DNS_QUERY_SIZE])
{
    unsigned char *query;
    int size, status = ares_create_query(name, 1, (int)type, id, 1, &query, &size, 0);

    if (status == ARES_ENOMEM)
        return -ENOMEM;
    if (status == ARES_ENOTFOUND)
        return -ASYNCIO_EAI_NONAME;
    if (status != ARES_SUCCESS)
        return -EINVAL;
    if (size > ASYNCIO__DNS_QUERY_SIZE)
        size = -EINVAL;
    else
        memcpy(ret_query, query, (size_t)size);
    ares_free_string(query);
    return size;
}

/* True for a reply to the query. Of the bytes of the question those of the name may differ in case. One that could not
 * read the query may leave the question out. */
static bool is_reply(const unsigned char *query, size_t query_size, const unsigned char *reply, size_t size)
{
    static const unsigned char one[2] = {0, 1}, none[2] = {0, 0};
    size_t name_end = query_size - 4;

    if (size < HEADER_SIZE || memcmp(query, reply, 2) != 0 || (reply[2] & 0xf8) != 0x80)
        return false;
    if (size == HEADER_SIZE && (reply[3] & 15) == FORMERR && memcmp(reply + 4, none, 2) == 0)
        return true;
    if (size < query_size || memcmp(reply + 4, one, 2) != 0)
        return false;
    for (size_t i = HEADER_SIZE; i < name_end; i++) {
        unsigned char a = query[i], b = reply[i];

        a = a >= 'A' && a <= 'Z' ? (unsigned char)(a + 32) : a;
        b = b >= 'A' && b <= 'Z' ? (unsigned char)(b + 32) : b;
        if (a != b)
            return false;
    }
    return memcmp(query + name_end, reply + name_end, 4) == 0;
}

/* Copies what c-ares has read. */
static int take(const struct hostent *host, struct asyncio__dns_answer *answer)
{
    size_t n = 0;

    while (host->h_addr_list && host->h_addr_list[n])
        n++;
    answer->addresses = n > 0 ? asyncio__calloc(n * sizeof *answer->addresses) : NULL;
    if (n > 0 && !answer->addresses)
        return -ENOMEM;
    snprintf(answer->name, sizeof answer->name, "%s", host->h_name ? host->h_name : "");
    for (answer->n = 0; answer->n < n; answer->n++) {
        struct asyncio_address *address = &answer->addresses[answer->n];
        struct sockaddr_in in = {.sin_family = AF_INET};
        struct sockaddr_in6 in6 = {.sin6_family = AF_INET6};

        if (host->h_addrtype == AF_INET) {
            memcpy(&in.sin_addr, host->h_addr_list[answer->n], sizeof in.sin_addr);
            address->size = sizeof in;
            memcpy(address->data.bytes, &in, sizeof in);
        } else {
            memcpy(&in6.sin6_addr, host->h_addr_list[answer->n], sizeof in6.sin6_addr);
            address->size = sizeof in6;
            memcpy(address->data.bytes, &in6, sizeof in6);
        }
    }
    return 0;
}

static int read_records(enum asyncio__dns_type type, const unsigned char *reply, size_t size,
                        struct asyncio__dns_answer *ret_answer)
{
    struct asyncio__dns_answer answer = {.n = 0};
    struct hostent *host = NULL;
    int status, r;

    if (type == ASYNCIO__DNS_A)
        status = ares_parse_a_reply(reply, (int)size, &host, NULL, NULL);
    else if (type == ASYNCIO__DNS_AAAA)
        status = ares_parse_aaaa_reply(reply, (int)size, &host, NULL, NULL);
    else
        status = ares_parse_ptr_reply(reply, (int)size, NULL, 0, AF_INET, &host);
    if (status == ARES_SUCCESS && host)
        r = take(host, &answer);
    else if (status == ARES_SUCCESS || status == ARES_ENODATA)
        r = -ASYNCIO_EAI_NODATA;
    else
        r = status == ARES_ENOMEM ? -ENOMEM : -EBADMSG;
    if (host)
        ares_free_hostent(host);
    if (r == 0 && type != ASYNCIO__DNS_PTR && answer.n == 0)
        r = -ASYNCIO_EAI_NODATA;
    if (r == 0)
        *ret_answer = answer;
    return r;
}

int asyncio__dns_decode(const unsigned char *query, size_t query_size, const unsigned char *reply, size_t size,
                        bool may_be_cut, struct asyncio__dns_answer *ret_answer, int *ret_rcode)
{
    int type = query[query_size - 4] << 8 | query[query_size - 3], rcode;

    if (!is_reply(query, query_size, reply, size))
        return -EAGAIN;
    rcode = reply[3] & 15;
    *ret_rcode = rcode;
    if (rcode == NXDOMAIN)
        return -ASYNCIO_EAI_NONAME;
    if (rcode != NOERROR)
        return -ASYNCIO_EAI_FAIL;
    if (may_be_cut && (reply[2] & 2))
        return -EMSGSIZE;
    return read_records((enum asyncio__dns_type)type, reply, size, ret_answer);
}

#else

bool asyncio__dns_is_built_in(void)
{
    return false;
}

int asyncio__dns_encode(const char *name, enum asyncio__dns_type type, uint16_t id,
                        unsigned char ret_query[ASYNCIO__DNS_QUERY_SIZE])
{
    (void)name;
    (void)type;
    (void)id;
    (void)ret_query;
    return -ENOTSUP;
}

int asyncio__dns_decode(const unsigned char *query, size_t query_size, const unsigned char *reply, size_t size,
                        bool may_be_cut, struct asyncio__dns_answer *ret_answer, int *ret_rcode)
{
    (void)query;
    (void)query_size;
    (void)reply;
    (void)size;
    (void)may_be_cut;
    (void)ret_answer;
    (void)ret_rcode;
    return -ENOTSUP;
}

#endif
