/* sim_names.c -- the simulated machine's addresses: who is bound to them, and which of them go together.
 *
 * Its hosts are itself: 127.0.0.0/8, ::1 and the wildcards; datagrams can be sent to groups and broadcast, too; streams
 * and datagrams have ports of their own. The names of AF_UNIX are texts: there are no folders and no links, and no file
 * but the sockets. A name that is a path outlives its socket until it is unlinked, or the machine ends. Who may bind
 * what is as on Linux, but for ports that its connections keep busy when their listener is gone: here they are free. */
#include "sim.h"

#include <netinet/in.h>
#include <stdio.h>
#include <sys/un.h>

#define FIRST_FREE_PORT 49152

/* All files are on one disk. */
#define DEVICE 1

#define PATH_OFFSET offsetof(struct sockaddr_un, sun_path)

static const unsigned char zeros[16];
static const unsigned char loopback[16] = {[15] = 1};
static const unsigned char mapped[12] = {[10] = 0xff, [11] = 0xff};

void asyncio__sim_names_init(struct asyncio_backend *sim)
{
    list_init(&sim->nodes);
    for (size_t i = 0; i < ARRAY_SIZE(sim->ports); i++)
        list_init(&sim->ports[i]);
}

void asyncio__sim_names_fini(struct asyncio_backend *sim)
{
    struct asyncio_link *link;

    while ((link = list_pop_front(&sim->nodes)))
        asyncio__free(CONTAINER_OF(link, struct asyncio__sim_node, link));
}

/* ---------------------------------------------------------------------------------------------- Reading and writing */

static bool is_wildcard(const struct asyncio__sim_name *name)
{
    return memcmp(name->bytes, zeros, name->size) == 0;
}

static bool is_ours(const struct asyncio__sim_name *name)
{
    if (is_wildcard(name))
        return true;
    return name->domain == AF_INET ? name->bytes[0] == 127 : memcmp(name->bytes, loopback, sizeof loopback) == 0;
}

static bool same_name(const struct asyncio__sim_name *one, const struct asyncio__sim_name *two)
{
    return one->size == two->size && memcmp(one->bytes, two->bytes, one->size) == 0;
}

/* A path ends where its text does; an abstract name, which begins with NUL, where its address does. */
static int read_path(const char *bytes, size_t size, struct asyncio__sim_name *name)
{
    size_t length = size - PATH_OFFSET;

    if (length > sizeof name->bytes)
        return -EINVAL;
    bytes += PATH_OFFSET;
    if (length > 0 && *bytes)
        length = strnlen(bytes, length);
    name->size = length;
    memcpy(name->bytes, bytes, length);
    return 0;
}

static int read_host(const char *bytes, size_t size, struct asyncio__sim_name *name)
{
    struct sockaddr_in in;

    if (size < sizeof in)
        return -EINVAL;
    memcpy(&in, bytes, sizeof in);
    name->port = ntohs(in.sin_port);
    name->size = sizeof in.sin_addr;
    memcpy(name->bytes, &in.sin_addr, name->size);
    return 0;
}

static int read_host6(const struct asyncio__sim_file *file, const char *bytes, size_t size,
                      struct asyncio__sim_name *name)
{
    struct sockaddr_in6 in6;

    if (size < sizeof in6)
        return -EINVAL;
    memcpy(&in6, bytes, sizeof in6);
    name->port = ntohs(in6.sin6_port);
    name->size = sizeof in6.sin6_addr;
    memcpy(name->bytes, &in6.sin6_addr, name->size);
    if (memcmp(name->bytes, mapped, sizeof mapped) != 0)
        return 0;
    /* An IPv4 address in another coat. */
    name->domain = AF_INET;
    name->size = 4;
    memmove(name->bytes, name->bytes + sizeof mapped, 4);
    return file->options.v6only ? -ENETUNREACH : 0;
}

int asyncio__sim_read_name(const struct asyncio__sim_file *file, const void *data, size_t size,
                           struct asyncio__sim_name *ret_name)
{
    struct asyncio__sim_name *name = ret_name;
    sa_family_t family;
    int r;

    *name = (struct asyncio__sim_name){.domain = file->domain};
    if (!data || size < sizeof family)
        return -EINVAL;
    memcpy(&family, data, sizeof family);
    if (family != file->domain)
        return file->domain == AF_UNIX ? -EINVAL : -EAFNOSUPPORT;
    if (family == AF_UNIX)
        return read_path(data, size, name);
    r = family == AF_INET ? read_host(data, size, name) : read_host6(file, data, size, name);
    if (r < 0)
        return r;
    if (file->kind == ASYNCIO__SIM_DATAGRAM && (asyncio__sim_is_group(name) || asyncio__sim_is_broadcast(name)))
        return 0;
    return is_ours(name) ? 0 : -EADDRNOTAVAIL;
}

static size_t write_path(const struct asyncio__sim_name *name, unsigned char *bytes)
{
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    size_t size = PATH_OFFSET + name->size;

    memcpy(bytes, &un, PATH_OFFSET);
    memcpy(bytes + PATH_OFFSET, name->bytes, name->size);
    /* Linux counts the NUL behind a path. */
    if (name->size > 0 && name->bytes[0])
        bytes[size++] = 0;
    return size;
}

void asyncio__sim_write_name(const struct asyncio__sim_file *file, const struct asyncio__sim_name *name,
                             struct asyncio_address *ret_address)
{
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(name->port)};
    struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_port = htons(name->port)};
    unsigned char *bytes = ret_address->data.bytes;

    switch (file->domain) {
    case AF_UNIX:
        ret_address->size = write_path(name, bytes);
        return;
    case AF_INET:
        memcpy(&in.sin_addr, name->bytes, sizeof in.sin_addr);
        memcpy(bytes, &in, sizeof in);
        ret_address->size = sizeof in;
        return;
    default:
        if (name->domain == AF_INET) {
            memcpy(&in6.sin6_addr, mapped, sizeof mapped);
            memcpy(&in6.sin6_addr.s6_addr[sizeof mapped], name->bytes, 4);
        } else {
            memcpy(&in6.sin6_addr, name->bytes, sizeof in6.sin6_addr);
        }
        memcpy(bytes, &in6, sizeof in6);
        ret_address->size = sizeof in6;
    }
}

/* ----------------------------------------------------------------------------------------------------------- Ports */

static struct asyncio_link *ports_like(struct asyncio_backend *sim, uint16_t port)
{
    return &sim->ports[port % ASYNCIO__SIM_PORT_LISTS];
}

/* True when a socket that is bound to `host` also gets what is sent to `to`. */
static bool covers(const struct asyncio__sim_name *host, bool v6only, const struct asyncio__sim_name *to)
{
    if (host->domain == to->domain)
        return is_wildcard(host) || same_name(host, to);
    return host->domain == AF_INET6 && is_wildcard(host) && !v6only;
}

int asyncio__sim_fit(const struct asyncio__sim_file *file, int type, const struct asyncio__sim_name *name)
{
    if (asyncio__sim_type(file) != type || file->local.port != name->port ||
        !covers(&file->local, file->options.v6only, name))
        return 0;
    if (file->local.domain != name->domain)
        return 1;
    return is_wildcard(&file->local) ? 2 : 3;
}

/* True when a file may not have its port, or listen there, because another has it. */
static bool conflict(const struct asyncio__sim_file *file, const struct asyncio__sim_file *other)
{
    const struct asyncio__sim_sockopts *options = &file->options, *others = &other->options;

    if (file->local.port != other->local.port || asyncio__sim_type(file) != asyncio__sim_type(other))
        return false;
    if (!covers(&file->local, options->v6only, &other->local) && !covers(&other->local, others->v6only, &file->local))
        return false;
    if (options->reuse_port && others->reuse_port)
        return false;
    return other->kind == ASYNCIO__SIM_LISTENER || !options->reuse_address || !others->reuse_address;
}

bool asyncio__sim_same_place(const struct asyncio__sim_name *one, const struct asyncio__sim_name *two)
{
    return one->domain == two->domain && one->port == two->port && same_name(one, two);
}

bool asyncio__sim_is_taken(struct asyncio_backend *sim, const struct asyncio__sim_file *file)
{
    struct asyncio_link *list = ports_like(sim, file->local.port), *link, *next;

    LIST_FOR_EACH(link, next, list) {
        const struct asyncio__sim_file *other = CONTAINER_OF(link, struct asyncio__sim_file, bound_link);

        if (other != file && conflict(file, other))
            return true;
    }
    return false;
}

/* Chooses the next port that nobody has at all. Returns: false when there is none. */
static bool choose_port(struct asyncio_backend *sim, struct asyncio__sim_file *file)
{
    for (int tries = FIRST_FREE_PORT; tries <= UINT16_MAX; tries++) {
        bool is_free = true;
        struct asyncio_link *link, *next;

        sim->last_port = sim->last_port < FIRST_FREE_PORT || sim->last_port == UINT16_MAX
                             ? FIRST_FREE_PORT
                             : (uint16_t)(sim->last_port + 1);
        LIST_FOR_EACH(link, next, ports_like(sim, sim->last_port)) {
            const struct asyncio__sim_file *other = CONTAINER_OF(link, struct asyncio__sim_file, bound_link);

            if (other->local.port == sim->last_port)
                is_free = false;
        }
        if (is_free) {
            file->local.port = sim->last_port;
            return true;
        }
    }
    return false;
}

static int bind_port(struct asyncio_backend *sim, struct asyncio__sim_file *file, const struct asyncio__sim_name *name)
{
    bool is_free;

    file->local = *name;
    is_free = name->port ? !asyncio__sim_is_taken(sim, file) : choose_port(sim, file);
    if (!is_free) {
        file->local = (struct asyncio__sim_name){0};
        return -EADDRINUSE;
    }
    list_push_back(ports_like(sim, file->local.port), &file->bound_link);
    return 0;
}

void asyncio__sim_resolve_wildcard(struct asyncio__sim_name *name)
{
    if (!is_wildcard(name))
        return;
    if (name->domain == AF_INET)
        memcpy(name->bytes, (const unsigned char[]){127, 0, 0, 1}, 4);
    else
        memcpy(name->bytes, loopback, sizeof loopback);
}

int asyncio__sim_bind_anywhere(struct asyncio_backend *sim, struct asyncio__sim_file *file)
{
    struct asyncio__sim_name name = {.domain = file->domain, .size = file->domain == AF_INET ? 4 : 16};

    return file->local.domain ? 0 : bind_port(sim, file, &name);
}

int asyncio__sim_find_source(const struct asyncio__sim_file *file, const struct asyncio__sim_name *peer,
                             struct asyncio__sim_name *ret_name)
{
    bool is_several =
        is_wildcard(&file->local) || asyncio__sim_is_group(&file->local) || asyncio__sim_is_broadcast(&file->local);

    *ret_name = file->local;
    if (file->local.domain && !is_several)
        return file->local.domain == peer->domain ? 0 : -ENETUNREACH;
    memset(ret_name->bytes, 0, peer->size);
    ret_name->domain = peer->domain;
    ret_name->size = peer->size;
    asyncio__sim_resolve_wildcard(ret_name);
    return 0;
}

int asyncio__sim_bind_to_reach(struct asyncio_backend *sim, struct asyncio__sim_file *file,
                               const struct asyncio__sim_name *peer)
{
    struct asyncio__sim_name name;
    int r = asyncio__sim_find_source(file, peer, &name);

    if (r < 0)
        return r;
    if (!file->local.domain)
        return bind_port(sim, file, &name) < 0 ? -EADDRNOTAVAIL : 0;
    if (is_wildcard(&file->local))
        file->local = name;
    return 0;
}

/* ------------------------------------------------------------------------------------------------------------ Paths */

struct asyncio__sim_node *asyncio__sim_find_node(struct asyncio_backend *sim, const struct asyncio__sim_name *name,
                                                 int type)
{
    struct asyncio_link *link, *next;

    LIST_FOR_EACH(link, next, &sim->nodes) {
        struct asyncio__sim_node *node = CONTAINER_OF(link, struct asyncio__sim_node, link);

        /* Abstract names of streams and of datagrams are apart. */
        if (same_name(&node->name, name) && (name->bytes[0] || node->type == type))
            return node;
    }
    return NULL;
}

/* Makes up an abstract name, as Linux does for who binds to none. */
static void choose_abstract(struct asyncio_backend *sim, int type, struct asyncio__sim_name *name)
{
    char text[8];

    do {
        snprintf(text, sizeof text, "%05x", (unsigned)(sim->last_abstract++ & 0xfffff));
        name->size = 6;
        name->bytes[0] = 0;
        memcpy(name->bytes + 1, text, 5);
    } while (asyncio__sim_find_node(sim, name, type));
}

static int bind_path(struct asyncio_backend *sim, struct asyncio__sim_file *file, struct asyncio__sim_name *name)
{
    struct asyncio__sim_node *node;
    int type = asyncio__sim_type(file);

    if (name->size == 0)
        choose_abstract(sim, type, name);
    if (asyncio__sim_find_node(sim, name, type))
        return -EADDRINUSE;
    node = asyncio__calloc(sizeof *node);
    if (!node)
        return -ENOMEM;
    node->name = *name;
    node->type = type;
    node->inode = ++sim->last_inode;
    node->file = file;
    list_push_back(&sim->nodes, &node->link);
    file->node = node;
    file->local = *name;
    return 0;
}

/* The file of a path; NULL. */
static struct asyncio__sim_node *find_path(struct asyncio_backend *sim, const char *path)
{
    struct asyncio__sim_name name = {.domain = AF_UNIX, .size = path ? strlen(path) : 0};

    if (name.size == 0 || name.size > sizeof name.bytes)
        return NULL;
    memcpy(name.bytes, path, name.size);
    return asyncio__sim_find_node(sim, &name, 0);
}

int64_t asyncio__sim_stat(struct asyncio_backend *sim, struct asyncio_op_file *file)
{
    const struct asyncio__sim_node *node = find_path(sim, file->path);

    if (!node)
        return -ENOENT;
    file->device = DEVICE;
    file->inode = node->inode;
    file->is_socket = true;
    return 0;
}

static void free_node(struct asyncio__sim_node *node)
{
    list_remove(&node->link);
    if (node->file)
        node->file->node = NULL;
    asyncio__free(node);
}

int64_t asyncio__sim_unlink(struct asyncio_backend *sim, const char *path)
{
    struct asyncio__sim_node *node = find_path(sim, path);

    if (!node)
        return -ENOENT;
    free_node(node);
    return 0;
}

/* --------------------------------------------------------------------------------------------------------- Binding */

int64_t asyncio__sim_bind(struct asyncio_backend *sim, struct asyncio__sim_file *file,
                          const struct asyncio_op_address *address)
{
    struct asyncio__sim_name name;
    int r = asyncio__sim_read_name(file, address->data, address->size, &name);

    if (r < 0)
        return r == -ENETUNREACH ? -EINVAL : r;
    if (file->local.domain || (file->kind != ASYNCIO__SIM_SOCKET && file->kind != ASYNCIO__SIM_DATAGRAM))
        return -EINVAL;
    return file->domain == AF_UNIX ? bind_path(sim, file, &name) : bind_port(sim, file, &name);
}

void asyncio__sim_unbind(struct asyncio__sim_file *file)
{
    list_remove(&file->bound_link);
    if (!file->node)
        return;
    if (file->node->name.bytes[0])
        file->node->file = NULL;
    else
        free_node(file->node);
}
