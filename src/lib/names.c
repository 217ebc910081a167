/* names.c -- a task that waits for look-ups: one, or several at the same time. */
#include "names.h"

#include "../task/task.h"
#include "sockets.h"

#include <arpa/inet.h>
#include <netinet/in.h>

struct search;

/* One of the names. */
struct item {
    struct search *search;
    struct asyncio__dns_lookup *lookup; /* while it is under way */
    struct asyncio__dns_result result;
};

/* A wait, on the stack of the task: until all have been found or one has not. */
struct search {
    struct asyncio_waiter waiter;
    struct item *items;
    size_t n, n_busy;
    const char *name; /* one that is looked for */
};

static void found(void *owner, struct asyncio__dns_result *result)
{
    struct item *item = owner;
    struct search *search = item->search;

    item->lookup = NULL;
    item->result = *result;
    result->addresses = (struct asyncio__dns_addresses){.n = 0};
    search->n_busy--;
    if (item->result.error < 0 || search->n_busy == 0)
        asyncio_unpark(&search->waiter, item->result.error);
}

static void describe_search(const struct asyncio_waiter *waiter, char *buffer, size_t size)
{
    const struct search *search = waiter->object;

    snprintf(buffer, size, "look-up of %s", search->name);
}

/* A cancel needs no hook: the task takes back what is under way. */
static const struct asyncio_wait_kind search_kind = {
    .name = "look-up of a name",
    .late = ASYNCIO_LATE_KEEP,
    .describe = describe_search,
};

/* Takes back what is under way, and frees what was found. */
static void give_up(struct search *search)
{
    for (size_t i = 0; i < search->n; i++) {
        if (search->items[i].lookup)
            asyncio__dns_lookup_cancel(search->items[i].lookup);
        asyncio__free(search->items[i].result.addresses.list);
    }
}

/* In debug mode a look-up that takes long is told of, as a slow callback is. */
static int wait_for(struct search *search)
{
    struct asyncio_loop *loop = asyncio_get_running_loop();
    int64_t begin_ns = asyncio__now(loop), took_ns;
    int r = (int)asyncio_park(&search->waiter);

    took_ns = asyncio__now(loop) - begin_ns;
    if (loop->debug && took_ns >= loop->slow_ns)
        asyncio__log(ASYNCIO_LOG_DEBUG, "look-up of %s took %.3f seconds", search->name,
                     asyncio__seconds_from_ns(took_ns));
    return r;
}

/* Waits for what has been begun, unless `r` says that something could not be. Returns: `r`; what came of the rest; then
 * nothing is left of it when that is an error. */
static int finish(struct search *search, int r)
{
    if (r == 0 && search->n_busy > 0)
        r = wait_for(search);
    if (r >= 0)
        return 0;
    for (size_t i = 0; i < search->n && r != -ECANCELED; i++)
        if (search->items[i].result.error == r)
            asyncio__set_detail("%s", search->items[i].result.why);
    give_up(search);
    return r;
}

int asyncio__find_name(const char *host, const struct asyncio_address *address, int family, bool nss,
                       struct asyncio__dns_result *ret_result)
{
    struct asyncio_loop *loop = asyncio_get_running_loop();
    char text[64] = "";
    struct item item = {.lookup = NULL};
    struct search search = {.items = &item, .n = 1, .n_busy = 1, .name = host ? host : text};
    int r = asyncio_waiter_init(&search.waiter, &search_kind, &search);

    item.search = &search;
    if (r == 0 && host)
        r = asyncio__dns_lookup(loop, host, family, nss, found, &item, &item.lookup);
    else if (r == 0 && address)
        r = asyncio__dns_lookup_name(loop, address, nss, found, &item, &item.lookup);
    if (address)
        asyncio_address_format(address, text, sizeof text);
    r = finish(&search, r);
    if (r == 0)
        *ret_result = item.result;
    return r;
}

/* ---------------------------------------------------------------------------------------------------- Several hosts */

void asyncio__set_port(struct asyncio_address *address, int port)
{
    uint16_t number = htons((uint16_t)port);

    /* It is at the same place in both families. */
    _Static_assert(offsetof(struct sockaddr_in, sin_port) == offsetof(struct sockaddr_in6, sin6_port), "ports");
    memcpy(address->data.bytes + offsetof(struct sockaddr_in, sin_port), &number, sizeof number);
}

/* Finds what is known already, or begins to look. Returns: 0; a negative error. */
static int begin(struct item *item, const char *host, int port, int family)
{
    struct search *search = item->search;
    struct asyncio_address known[2];
    int n = asyncio__addresses_of(host, port, family, known), r = 0;

    if (n == -ENOTSUP) {
        r = asyncio__dns_lookup(asyncio_get_running_loop(), host, family, false, found, item, &item->lookup);
        search->n_busy += r == 0;
        search->name = host;
    } else if (n < 0) {
        r = n;
    }
    for (int i = 0; i < n && r == 0; i++)
        r = asyncio__dns_add(&item->result.addresses, &known[i]);
    if (r < 0)
        asyncio__set_detail("host '%s': %s", host ? host : "", asyncio_strerror(r));
    return r;
}

/* Moves everything into one list. */
static int join(struct search *search, int port, struct asyncio__dns_addresses *all)
{
    for (size_t i = 0; i < search->n; i++) {
        struct asyncio__dns_addresses *addresses = &search->items[i].result.addresses;

        for (size_t j = 0; j < addresses->n; j++) {
            asyncio__set_port(&addresses->list[j], port);
            if (asyncio__dns_add(all, &addresses->list[j]) < 0)
                return -ENOMEM;
        }
    }
    return 0;
}

int asyncio__find_addresses(const char *const *hosts, size_t n, int port, int family,
                            struct asyncio__dns_addresses *ret_addresses)
{
    struct item *items = asyncio__calloc(max_size(n, 1) * sizeof *items);
    struct search search = {.items = items, .n = n};
    struct asyncio__dns_addresses all = {.n = 0};
    int r = asyncio_waiter_init(&search.waiter, &search_kind, &search);

    if (!items)
        return -ENOMEM;
    for (size_t i = 0; i < n && r == 0; i++) {
        items[i].search = &search;
        r = begin(&items[i], hosts[i], port, family);
    }
    r = finish(&search, r);
    if (r == 0) {
        r = join(&search, port, &all);
        give_up(&search);
    }
    asyncio__free(items);
    if (r < 0)
        asyncio__free(all.list);
    else
        *ret_addresses = all;
    return r;
}
