/* dns.c -- the look-up of a name: what this machine answers itself, and the questions that the rest takes.
 *
 * A name that is not complete is asked for under each domain of the search list in turn, for each family at the same
 * time. The walk ends with the first name that has an address; it also ends when the servers fail, because then nobody
 * knows whether a name that comes later would have been meant. */
#include "dns.h"

#include <stdio.h>
#include <strings.h>

/* A question for each family, in the order of the result. */
enum { IN6, IN, FAMILIES };

struct half {
    struct asyncio__dns_lookup *lookup;
    struct asyncio__dns_question *question; /* NULL: not asked, or answered */
    struct asyncio__dns_answer answer;
    int result;
};

struct asyncio__dns_lookup {
    struct asyncio_loop *loop;
    struct asyncio_node node; /* of the outcome */
    struct asyncio__dns_config *config;
    asyncio__dns_done *done;
    void *owner;
    struct half halves[FAMILIES];
    int n_asked;                  /* questions that are under way */
    struct asyncio__nss_job *nss; /* in place of them; NULL: none */
    int family;
    size_t candidate; /* which name of the search is asked for */
    struct asyncio__dns_result result;
    char name[ASYNCIO__DNS_NAME_SIZE];
};

static void free_lookup(struct asyncio__dns_lookup *lookup)
{
    for (int i = 0; i < FAMILIES; i++)
        asyncio__free(lookup->halves[i].answer.addresses);
    asyncio__free(lookup->result.addresses.list);
    asyncio__dns_config_unref(lookup->config);
    asyncio__free(lookup);
}

static void run_outcome(struct asyncio_node *node)
{
    struct asyncio__dns_lookup *lookup = CONTAINER_OF(node, struct asyncio__dns_lookup, node);

    lookup->done(lookup->owner, &lookup->result);
    free_lookup(lookup);
}

static void cancel_questions(struct asyncio__dns_lookup *lookup)
{
    for (int i = 0; i < FAMILIES; i++) {
        if (lookup->halves[i].question)
            asyncio__dns_question_cancel(lookup->halves[i].question);
        lookup->halves[i].question = NULL;
    }
}

static void finish(struct asyncio__dns_lookup *lookup, int error)
{
    cancel_questions(lookup);
    lookup->result.error = error;
    asyncio__schedule(lookup->loop, &lookup->node);
}

/* Returns: a look-up about nothing yet; NULL when out of memory. */
static struct asyncio__dns_lookup *new_lookup(struct asyncio_loop *loop, const char *name, asyncio__dns_done *done,
                                              void *owner)
{
    struct asyncio__dns_lookup *lookup = asyncio__calloc(sizeof *lookup);

    if (!lookup)
        return NULL;
    lookup->loop = loop;
    for (int i = 0; i < FAMILIES; i++)
        lookup->halves[i].lookup = lookup;
    lookup->done = done;
    lookup->owner = owner;
    asyncio_node_init(&lookup->node, run_outcome, NULL);
    snprintf(lookup->name, sizeof lookup->name, "%s", name);
    snprintf(lookup->result.name, sizeof lookup->result.name, "%s", name);
    return lookup;
}

void asyncio__dns_lookup_cancel(struct asyncio__dns_lookup *lookup)
{
    asyncio_node_cancel(&lookup->node);
    cancel_questions(lookup);
    if (lookup->nss)
        asyncio__nss_cancel(lookup->nss);
    free_lookup(lookup);
}

/* ----------------------------------------------------------------------------------------------------- This machine */

/* RFC 6761: nobody else is asked what "localhost" is, nor what is below it. */
static bool is_localhost(const char *name)
{
    static const char localhost[] = "localhost";
    size_t length = strlen(name), size = sizeof localhost - 1;

    if (length > 0 && name[length - 1] == '.')
        length--;
    if (length < size || strncasecmp(name + length - size, localhost, size) != 0)
        return false;
    return length == size || name[length - size - 1] == '.';
}

static int add_localhost(struct asyncio__dns_lookup *lookup)
{
    static const char *const numbers[FAMILIES] = {"::1", "127.0.0.1"};
    struct asyncio_address address;

    for (int i = 0; i < FAMILIES; i++) {
        int r = asyncio__dns_read_server(numbers[i], &address);

        if (r < 0)
            return r;
        address.data.bytes[2] = address.data.bytes[3] = 0; /* the port */
        if (lookup->family != 0 && lookup->family != asyncio_address_family(&address))
            continue;
        if (asyncio__dns_add(&lookup->result.addresses, &address) < 0)
            return -ENOMEM;
    }
    return 1;
}

/* IPv6 first, else in the order of the file. */
static void put_in6_first(struct asyncio__dns_addresses *addresses)
{
    size_t n_in6 = 0;

    for (size_t i = 0; i < addresses->n; i++) {
        struct asyncio_address address = addresses->list[i];

        if (asyncio_address_family(&address) != AF_INET6)
            continue;
        memmove(&addresses->list[n_in6 + 1], &addresses->list[n_in6], (i - n_in6) * sizeof address);
        addresses->list[n_in6++] = address;
    }
}

/* Returns: how many the hosts file has; -ENOMEM. */
static int look_at_hosts(struct asyncio__dns_lookup *lookup)
{
    const char *hosts = asyncio__dns_hosts(lookup->loop);
    int n;

    if (!hosts)
        return -ENOMEM;
    n = asyncio__dns_find_host(hosts, lookup->name, lookup->family, &lookup->result.addresses, lookup->result.name);
    put_in6_first(&lookup->result.addresses);
    return n;
}

/* ---------------------------------------------------------------------------------------------------------- Search */

/* Writes the nth name under which a name is to be looked for. Returns: false when there are no more. */
static bool candidate(const struct asyncio__dns_lookup *lookup, size_t n, char text[2 * ASYNCIO__DNS_NAME_SIZE])
{
    const struct asyncio__dns_config *config = lookup->config;
    const char *domain = config->search;
    size_t length = strlen(lookup->name), n_domains = *domain ? 1 : 0;
    int dots = 0;

    for (const char *c = config->search; *c; c++)
        n_domains += *c == ' ';
    for (const char *c = lookup->name; *c; c++)
        dots += *c == '.';
    if (length > 0 && lookup->name[length - 1] == '.')
        n_domains = 0;
    if (n > n_domains)
        return false;
    if (dots >= config->ndots || n_domains == 0) {
        /* As it is comes first. */
        if (n-- == 0)
            n = n_domains;
    }
    snprintf(text, 2 * ASYNCIO__DNS_NAME_SIZE, "%s", lookup->name);
    if (n == n_domains)
        return true;
    while (n-- > 0)
        domain = strchr(domain, ' ') + 1;
    snprintf(text + length, 2 * ASYNCIO__DNS_NAME_SIZE - length, ".%.*s",
             (int)min_size(strcspn(domain, " "), ASYNCIO__DNS_NAME_SIZE - 2), domain);
    return true;
}

static void answered(void *owner, int result, struct asyncio__dns_answer *answer, const char *why);

/* Asks for the present candidate. Returns: 0; a negative error. */
static int ask(struct asyncio__dns_lookup *lookup, const char *name)
{
    static const enum asyncio__dns_type types[FAMILIES] = {ASYNCIO__DNS_AAAA, ASYNCIO__DNS_A};
    static const int families[FAMILIES] = {AF_INET6, AF_INET};
    int r = 0;

    lookup->n_asked = 0;
    for (int i = 0; i < FAMILIES && r == 0; i++) {
        struct half *half = &lookup->halves[i];

        half->result = -ASYNCIO_EAI_NODATA;
        if (lookup->family != 0 && lookup->family != families[i])
            continue;
        r = asyncio__dns_ask(lookup->loop, lookup->config, name, types[i], answered, half, &half->question);
        lookup->n_asked += r == 0;
    }
    if (r < 0)
        cancel_questions(lookup);
    return r;
}

/* Asks for the next name of the search that can be asked for. */
static void ask_next(struct asyncio__dns_lookup *lookup)
{
    char text[2 * ASYNCIO__DNS_NAME_SIZE];
    int r = 0;

    while (candidate(lookup, lookup->candidate, text)) {
        lookup->candidate++;
        r = strlen(text) < ASYNCIO__DNS_NAME_SIZE ? ask(lookup, text) : -EINVAL;
        if (r == 0)
            return;
        if (r == -ENOMEM)
            break;
    }
    /* What was found out before counts more than that the last name was none. */
    if (r == -ENOMEM || lookup->result.error == 0)
        lookup->result.error = r < 0 ? r : -ASYNCIO_EAI_NONAME;
    finish(lookup, lookup->result.error);
}

/* --------------------------------------------------------------------------------------------------------- Answers */

/* Which of two failures says more: that a server failed, that the name is there, that it is not. */
static int weight(int error)
{
    if (error == -ASYNCIO_EAI_NONAME)
        return 1;
    return error == -ASYNCIO_EAI_NODATA ? 2 : error < 0 ? 3 : 0;
}

/* Moves what was found into the result. Returns: the error of both halves together. */
static int collect(struct asyncio__dns_lookup *lookup)
{
    int error = 0;

    for (int i = 0; i < FAMILIES; i++) {
        struct half *half = &lookup->halves[i];

        if (half->result == 0)
            snprintf(lookup->result.name, sizeof lookup->result.name, "%s", half->answer.name);
        for (size_t j = 0; j < half->answer.n; j++)
            if (asyncio__dns_add(&lookup->result.addresses, &half->answer.addresses[j]) < 0)
                return -ENOMEM;
        asyncio__free(half->answer.addresses);
        half->answer = (struct asyncio__dns_answer){.n = 0};
        if (weight(half->result) > weight(error))
            error = half->result;
    }
    return lookup->result.addresses.n > 0 ? 0 : error;
}

/* Both are waited for: who takes the first address must not get another one each time. */
static void answered(void *owner, int result, struct asyncio__dns_answer *answer, const char *why)
{
    struct half *half = owner;
    struct asyncio__dns_lookup *lookup = half->lookup;
    int error;

    half->question = NULL;
    half->result = result;
    half->answer = *answer;
    answer->addresses = NULL;
    if (weight(result) > weight(lookup->result.error)) {
        lookup->result.error = result;
        snprintf(lookup->result.why, sizeof lookup->result.why, "%s", why);
    }
    if (--lookup->n_asked > 0)
        return;
    error = collect(lookup);
    if (error == -ASYNCIO_EAI_NONAME || error == -ASYNCIO_EAI_NODATA)
        ask_next(lookup);
    else
        finish(lookup, error);
}

/* ---------------------------------------------------------------------------------------------------------- Begin */

/* True for what could be the name of a host. International ones are asked for in their ASCII form. */
static bool is_name(const char *name)
{
    if (!*name || strlen(name) >= ASYNCIO__DNS_NAME_SIZE)
        return false;
    for (const char *c = name; *c; c++)
        if (*c <= ' ' || *c > '~' || *c == '\\')
            return false;
    return true;
}

static void named(void *owner, int result, struct asyncio__dns_answer *answer, const char *why)
{
    struct half *half = owner;
    struct asyncio__dns_lookup *lookup = half->lookup;

    half->question = NULL;
    if (result == 0)
        snprintf(lookup->result.name, sizeof lookup->result.name, "%s", answer->name);
    snprintf(lookup->result.why, sizeof lookup->result.why, "%s", why);
    finish(lookup, result);
}

/* The C library has answered; this is a node of its own already. */
static void nss_is_done(void *owner, struct asyncio__dns_result *result)
{
    struct asyncio__dns_lookup *lookup = owner;

    lookup->done(lookup->owner, result);
    free_lookup(lookup);
}

/* Asks whoever is to be asked: servers, or the C library. */
static int ask_others(struct asyncio__dns_lookup *lookup, const struct asyncio_address *address, bool nss)
{
    struct asyncio__dns *dns = asyncio__dns_of(lookup->loop);
    struct half *half = &lookup->halves[0];

    if (!dns)
        return -ENOMEM;
    if (nss || dns->settings.nss || !asyncio__dns_is_built_in())
        return asyncio__nss_begin(lookup->loop, lookup->name, address, lookup->family, nss_is_done, lookup,
                                  &lookup->nss);
    lookup->config = asyncio__dns_config_get(lookup->loop);
    if (!lookup->config)
        return -ENOMEM;
    if (address)
        return asyncio__dns_ask(lookup->loop, lookup->config, lookup->name, ASYNCIO__DNS_PTR, named, half,
                                &half->question);
    ask_next(lookup);
    return 0;
}

int asyncio__dns_lookup(struct asyncio_loop *loop, const char *name, int family, bool nss, asyncio__dns_done *done,
                        void *owner, struct asyncio__dns_lookup **ret_lookup)
{
    struct asyncio__dns_lookup *lookup = is_name(name) ? new_lookup(loop, name, done, owner) : NULL;
    int r;

    if (!lookup)
        return is_name(name) ? -ENOMEM : -EINVAL;
    lookup->family = family;
    r = is_localhost(name) ? add_localhost(lookup) : nss ? 0 : look_at_hosts(lookup);
    if (r == 0)
        r = ask_others(lookup, NULL, nss);
    else if (r > 0)
        finish(lookup, 0);
    if (r < 0) {
        free_lookup(lookup);
        return r;
    }
    *ret_lookup = lookup;
    return 0;
}

int asyncio__dns_lookup_name(struct asyncio_loop *loop, const struct asyncio_address *address, bool nss,
                             asyncio__dns_done *done, void *owner, struct asyncio__dns_lookup **ret_lookup)
{
    const char *hosts = nss ? "" : asyncio__dns_hosts(loop);
    struct asyncio__dns_lookup *lookup;
    char name[ASYNCIO__DNS_NAME_SIZE];
    int r = 0;

    asyncio__dns_reverse_name(address, name);
    lookup = hosts ? new_lookup(loop, name, done, owner) : NULL;
    if (!lookup)
        return -ENOMEM;
    if (asyncio__dns_find_name(hosts, address, lookup->result.name))
        finish(lookup, 0);
    else
        r = ask_others(lookup, address, nss);
    if (r < 0) {
        free_lookup(lookup);
        return r;
    }
    *ret_lookup = lookup;
    return 0;
}
