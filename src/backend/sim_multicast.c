/* sim_multicast.c -- the simulated machine's datagrams for several: which sockets hear what is sent to a multicast
 * group or broadcast.
 *
 * As on Linux, a group is joined by a socket, from any source or from one; it hears what is sent to its port then, if
 * it is bound to the group's address or to all. Broadcasts are heard by who is bound to all or to that very address. */
#include "sim.h"

#include <netinet/in.h>

/* The loopback's, and the one that routes name; there is no other. */
enum { MOST_INTERFACE = 1 };

bool asyncio__sim_is_group(const struct asyncio__sim_name *name)
{
    if (name->domain == AF_INET)
        return (name->bytes[0] & 0xf0) == 0xe0;
    return name->domain == AF_INET6 && name->bytes[0] == 0xff;
}

bool asyncio__sim_is_broadcast(const struct asyncio__sim_name *name)
{
    static const unsigned char all[3] = {255, 255, 255};

    return name->domain == AF_INET && (name->bytes[0] == 255 || name->bytes[0] == 127) &&
           memcmp(name->bytes + 1, all, sizeof all) == 0;
}

bool asyncio__sim_is_membership(const struct asyncio_op_option *option)
{
    if (option->level != IPPROTO_IP && option->level != IPPROTO_IPV6)
        return false;
    return option->name == MCAST_JOIN_GROUP || option->name == MCAST_LEAVE_GROUP ||
           option->name == MCAST_JOIN_SOURCE_GROUP || option->name == MCAST_LEAVE_SOURCE_GROUP;
}

/* Reads what is to be joined or left. Returns: 0; -EINVAL; -ENODEV. */
static int read_membership(const struct asyncio__sim_file *file, const struct asyncio_op_option *option,
                           struct asyncio__sim_group *ret_group)
{
    struct group_source_req with_source = {.gsr_interface = 0};
    struct group_req without = {.gr_interface = 0};
    int r;

    *ret_group = (struct asyncio__sim_group){.group.domain = 0};
    if (file->kind != ASYNCIO__SIM_DATAGRAM || option->level != (file->domain == AF_INET ? IPPROTO_IP : IPPROTO_IPV6))
        return -EINVAL;
    if (option->name == MCAST_JOIN_GROUP || option->name == MCAST_LEAVE_GROUP) {
        if (option->size < sizeof without)
            return -EINVAL;
        memcpy(&without, option->value, sizeof without);
        with_source.gsr_interface = without.gr_interface;
        with_source.gsr_group = without.gr_group;
    } else {
        if (option->size < sizeof with_source)
            return -EINVAL;
        memcpy(&with_source, option->value, sizeof with_source);
        r = asyncio__sim_read_name(file, &with_source.gsr_source, sizeof with_source.gsr_source, &ret_group->source);
        if (r < 0 && r != -EADDRNOTAVAIL)
            return -EINVAL;
        ret_group->source.port = 0;
    }
    r = asyncio__sim_read_name(file, &with_source.gsr_group, sizeof with_source.gsr_group, &ret_group->group);
    ret_group->group.port = 0;
    if (r < 0 || !asyncio__sim_is_group(&ret_group->group))
        return -EINVAL;
    return with_source.gsr_interface > MOST_INTERFACE ? -ENODEV : 0;
}

/* Where a membership stands; n_groups when it does not. */
static size_t find(const struct asyncio__sim_file *file, const struct asyncio__sim_group *asked)
{
    size_t i = 0;

    while (i < file->n_groups && !(asyncio__sim_same_place(&file->groups[i].group, &asked->group) &&
                                   asyncio__sim_same_place(&file->groups[i].source, &asked->source)))
        i++;
    return i;
}

int64_t asyncio__sim_set_membership(struct asyncio__sim_file *file, const struct asyncio_op_option *option)
{
    bool joins = option->name == MCAST_JOIN_GROUP || option->name == MCAST_JOIN_SOURCE_GROUP;
    struct asyncio__sim_group asked, *larger;
    int r = read_membership(file, option, &asked);
    size_t place;

    if (r < 0)
        return r;
    place = find(file, &asked);
    if (!joins) {
        if (place == file->n_groups)
            return -EADDRNOTAVAIL;
        file->groups[place] = file->groups[--file->n_groups];
        return 0;
    }
    if (place < file->n_groups)
        return -EADDRINUSE;
    larger = asyncio__realloc(file->groups, (file->n_groups + 1) * sizeof *larger);
    if (!larger)
        return -ENOMEM;
    larger[file->n_groups++] = asked;
    file->groups = larger;
    return 0;
}

static bool has_joined(const struct asyncio__sim_file *file, const struct asyncio__sim_name *to,
                       const struct asyncio__sim_name *from)
{
    struct asyncio__sim_name group = *to, source = *from;

    group.port = source.port = 0;
    for (size_t i = 0; i < file->n_groups; i++) {
        const struct asyncio__sim_group *joined = &file->groups[i];

        if (asyncio__sim_same_place(&joined->group, &group) &&
            (!joined->source.domain || asyncio__sim_same_place(&joined->source, &source)))
            return true;
    }
    return false;
}

bool asyncio__sim_hears(const struct asyncio__sim_file *file, const struct asyncio__sim_name *to,
                        const struct asyncio__sim_name *from)
{
    if (asyncio__sim_fit(file, SOCK_DGRAM, to) == 0)
        return false;
    if (file->remote.domain && !asyncio__sim_same_place(&file->remote, from))
        return false;
    return asyncio__sim_is_broadcast(to) || has_joined(file, to, from);
}

void asyncio__sim_leave_groups(struct asyncio__sim_file *file)
{
    asyncio__free(file->groups);
    file->groups = NULL;
    file->n_groups = 0;
}
