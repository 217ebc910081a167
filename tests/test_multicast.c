/* test_multicast.c -- groups: who has joined hears what is sent to them, and nobody else. On the loopback interface,
 * for which a machine may lack the route that IPv6 takes. */
#include "datagram_rig.h"

#define GROUP "239.255.77.1"
#define OTHER "239.255.77.2"

static struct asyncio_datagram_endpoint *sender;

static int end_all(void)
{
    sender = asyncio_datagram_unref(sender);
    return end();
}

/* A member of the group, bound to its address and that port. */
static struct asyncio_datagram_endpoint *open_member(const char *group, int port)
{
    struct asyncio_datagram_endpoint *endpoint = NULL;

    EXPECT_INT(noted(asyncio_open_datagram_endpoint(&endpoint, .local_host = group, .local_port = port)), 0);
    EXPECT_INT(noted(asyncio_datagram_join(endpoint, group, .interface = "lo")), 0);
    return endpoint;
}

static void open_sender(void)
{
    EXPECT_INT(noted(asyncio_open_datagram_endpoint(&sender, .local_host = "127.0.0.1")), 0);
    EXPECT_INT(noted(asyncio_datagram_set_multicast_interface(sender, "lo")), 0);
}

static struct asyncio_address group_at(const char *group, int port)
{
    struct asyncio_address address = {0};

    EXPECT_INT(asyncio_address_parse(&address, group, port < 0 ? 0 : port), 0);
    return address;
}

/* "nothing" when nothing comes in a while. */
static const char *heard_soon(struct asyncio_datagram_endpoint *endpoint)
{
    struct asyncio_timeout timeout;
    static char text[64];
    ssize_t r;

    if (broken || asyncio_timeout_enter(&timeout, 0.5) < 0)
        return "broken";
    r = asyncio_datagram_recv(endpoint, text, sizeof text - 1, NULL);
    if (r >= 0)
        text[r] = 0;
    r = asyncio_timeout_exit(&timeout, (int)r);
    return r == -ETIMEDOUT ? "nothing" : r < 0 ? said(r) : text;
}

/* ------------------------------------------------------------------------------------------------------- Membership */

static int several_members(void *arg)
{
    struct asyncio_datagram_info info = {.interface = 0};
    struct asyncio_address group, own;

    (void)arg;
    open_sender();
    one = open_member(GROUP, 0);
    group = group_at(GROUP, port_of(one));
    two = open_member(GROUP, port_of(one));
    say(sender, "all of you", &group);
    EXPECT_STR(heard_with(one, 63, &info), "all of you");
    EXPECT(same(&info.destination, &group));
    EXPECT(info.interface > 0);
    EXPECT_STR(heard(two), "all of you");
    /* An answer goes to whoever asked. */
    say(two, "me", &info.address);
    EXPECT_STR(heard_with(sender, 63, &info), "me");
    own = local_of(sender);
    EXPECT(same(&info.destination, &own));
    return end_all();
}

TEST(several_members, "who has joined a group hears what is sent to it, and several share its port")
{
    EXPECT_INT(play(several_members), 0);
}

static int join_and_leave(void *arg)
{
    struct asyncio_address group;

    (void)arg;
    open_sender();
    EXPECT_INT(noted(asyncio_open_datagram_endpoint(&one, .local_host = GROUP)), 0);
    group = group_at(GROUP, port_of(one));
    say(sender, "too early", &group);
    EXPECT_INT(noted(asyncio_datagram_join(one, GROUP, .interface = "lo")), 0);
    EXPECT_INT(asyncio_datagram_join(one, GROUP, .interface = "lo"), -EADDRINUSE);
    say(sender, "in time", &group);
    EXPECT_STR(heard(one), "in time");
    EXPECT_INT(noted(asyncio_datagram_leave(one, GROUP, .interface = "lo")), 0);
    EXPECT_INT(asyncio_datagram_leave(one, GROUP, .interface = "lo"), -EADDRNOTAVAIL);
    say(sender, "too late", &group);
    EXPECT_STR(heard_soon(one), "nothing");
    return end_all();
}

TEST(join_and_leave, "a group is heard from joining to leaving")
{
    EXPECT_INT(play(join_and_leave), 0);
}

static int two_groups(void *arg)
{
    struct asyncio_datagram_info info = {.interface = 0};
    struct asyncio_address first, second;

    (void)arg;
    open_sender();
    EXPECT_INT(noted(asyncio_open_datagram_endpoint(&one, .local_host = "0.0.0.0")), 0);
    EXPECT_INT(noted(asyncio_datagram_join(one, GROUP, .interface = "1")), 0);
    EXPECT_INT(noted(asyncio_datagram_join(one, OTHER, .interface = "1")), 0);
    first = group_at(GROUP, port_of(one));
    second = group_at(OTHER, port_of(one));
    say(sender, "first", &first);
    EXPECT_STR(heard_with(one, 63, &info), "first");
    EXPECT(same(&info.destination, &first));
    say(sender, "second", &second);
    EXPECT_STR(heard_with(one, 63, &info), "second");
    EXPECT(same(&info.destination, &second));
    return end_all();
}

TEST(two_groups, "an endpoint may join several groups, and is told to which one each datagram was sent")
{
    EXPECT_INT(play(two_groups), 0);
}

static int one_source(void *arg)
{
    struct asyncio_address group;

    (void)arg;
    open_sender();
    EXPECT_INT(noted(asyncio_open_datagram_endpoint(&one, .local_host = GROUP)), 0);
    group = group_at(GROUP, port_of(one));
    EXPECT_INT(noted(asyncio_datagram_join(one, GROUP, .interface = "lo", .source = "127.0.0.9")), 0);
    say(sender, "a stranger", &group);
    EXPECT_STR(heard_soon(one), "nothing");
    EXPECT_INT(noted(asyncio_datagram_join(one, GROUP, .interface = "lo", .source = "127.0.0.1")), 0);
    EXPECT_INT(asyncio_datagram_join(one, GROUP, .interface = "lo", .source = "127.0.0.1"), -EADDRINUSE);
    say(sender, "a friend", &group);
    EXPECT_STR(heard(one), "a friend");
    EXPECT_INT(noted(asyncio_datagram_leave(one, GROUP, .interface = "lo", .source = "127.0.0.1")), 0);
    EXPECT_INT(asyncio_datagram_leave(one, GROUP, .interface = "lo", .source = "127.0.0.1"), -EADDRNOTAVAIL);
    say(sender, "nobody", &group);
    EXPECT_STR(heard_soon(one), "nothing");
    return end_all();
}

TEST(one_source, "who joins for one source hears no other")
{
    EXPECT_INT(play(one_source), 0);
}

/* --------------------------------------------------------------------------------------------------------- Settings */

/* An option of the sender that is a number; a negative error. */
static int option(int name)
{
    int value = 0;
    ssize_t r = asyncio_socket_getsockopt(asyncio_datagram_socket(sender), IPPROTO_IP, name, &value, sizeof value);

    return noted((int)r) < 0 ? (int)r : value;
}

static int settings(void *arg)
{
    struct asyncio_address group;

    (void)arg;
    open_sender();
    one = open_member(GROUP, 0);
    group = group_at(GROUP, port_of(one));
    EXPECT_INT(option(IP_MULTICAST_LOOP), 1);
    EXPECT_INT(noted(asyncio_datagram_set_multicast_loop(sender, false)), 0);
    EXPECT_INT(option(IP_MULTICAST_LOOP), 0);
    /* The loopback interface brings back all that it is given. */
    say(sender, "here", &group);
    EXPECT_STR(heard(one), "here");
    EXPECT_INT(noted(asyncio_datagram_set_multicast_ttl(sender, 5)), 0);
    EXPECT_INT(option(IP_MULTICAST_TTL), 5);
    EXPECT_INT(noted(asyncio_datagram_set_multicast_interface(sender, NULL)), 0);
    EXPECT_INT(asyncio_datagram_set_multicast_interface(sender, "no such interface"), -ENODEV);
    EXPECT_INT(asyncio_datagram_set_multicast_interface(sender, "77777"), -ENODEV);
    return end_all();
}

TEST(settings, "whether groups are brought back to this machine, how far they reach, and by which interface")
{
    EXPECT_INT(play(settings), 0);
}

static int mistakes(void *arg)
{
    (void)arg;
    EXPECT_INT(noted(asyncio_open_datagram_endpoint(&one, .family = AF_INET)), 0);
    EXPECT_INT(noted(asyncio_open_datagram_endpoint(&two, .family = AF_UNIX)), 0);
    EXPECT_INT(asyncio_datagram_join(one, "127.0.0.1"), -EINVAL);
    EXPECT_INT(asyncio_datagram_join(one, "no number"), -EINVAL);
    EXPECT_INT(asyncio_datagram_join(one, "ff02::1"), -EINVAL);
    EXPECT_INT(asyncio_datagram_join(one, NULL), -EINVAL);
    EXPECT_INT(asyncio_datagram_join(one, GROUP, .interface = "no such interface"), -ENODEV);
    EXPECT_INT(asyncio_datagram_join(one, GROUP, .interface = "77777"), -ENODEV);
    EXPECT_INT(asyncio_datagram_join(one, GROUP, .source = "::1"), -EINVAL);
    EXPECT_INT(asyncio_datagram_leave(one, "127.0.0.1", .source = "127.0.0.1"), -EINVAL);
    EXPECT_INT(asyncio_datagram_join(two, GROUP), -EINVAL);
    EXPECT_INT(asyncio_datagram_set_multicast_ttl(two, 1), -EOPNOTSUPP);
    EXPECT_INT(asyncio_datagram_set_multicast_ttl(one, 256), -EINVAL);
    EXPECT_INT(asyncio_datagram_set_multicast_ttl(one, -1), -EINVAL);
    asyncio_datagram_close(one);
    EXPECT_INT(asyncio_datagram_join(one, GROUP), -EBADF);
    EXPECT_INT(asyncio_datagram_set_multicast_loop(one, true), -EBADF);
    EXPECT_INT(asyncio_datagram_join(NULL, GROUP), -EINVAL);
    EXPECT_INT(asyncio_datagram_set_multicast_ttl(NULL, 1), -EINVAL);
    EXPECT_INT(asyncio_datagram_set_multicast_loop(NULL, 1), -EINVAL);
    EXPECT_INT(asyncio_datagram_set_multicast_interface(NULL, NULL), -EINVAL);
    return end_all();
}

TEST(mistakes, "what is no group, no interface, or of another family, is refused")
{
    EXPECT_INT(play(mistakes), 0);
}

/* ------------------------------------------------------------------------------------------------------------- IPv6 */

static int with_ipv6(void *arg)
{
    struct asyncio_datagram_info info = {.interface = 0};
    struct asyncio_address group;
    int r;

    (void)arg;
    EXPECT_INT(noted(asyncio_open_datagram_endpoint(&sender, .local_host = "::1")), 0);
    EXPECT_INT(noted(asyncio_datagram_set_multicast_interface(sender, "lo")), 0);
    EXPECT_INT(noted(asyncio_datagram_set_multicast_ttl(sender, 0)), 0);
    EXPECT_INT(noted(asyncio_datagram_set_multicast_loop(sender, true)), 0);
    EXPECT_INT(noted(asyncio_open_datagram_endpoint(&one, .local_host = "::")), 0);
    EXPECT_INT(noted(asyncio_datagram_join(one, "ff01::77:1", .interface = "lo")), 0);
    group = group_at("ff01::77:1%1", port_of(one));
    r = broken ? -EIO : asyncio_datagram_send(sender, "six", 3, &group);
    if (r == -ENETUNREACH || r == -EADDRNOTAVAIL) {
        trace("no route");
        return end_all();
    }
    EXPECT_INT(noted(r), 0);
    EXPECT_STR(heard_with(one, 63, &info), "six");
    EXPECT_INT(asyncio_address_family(&info.destination), broken ? -EINVAL : AF_INET6);
    EXPECT_INT(noted(asyncio_datagram_leave(one, "ff01::77:1", .interface = "lo")), 0);
    return end_all();
}

TEST(with_ipv6, "groups of IPv6 are joined and left in the same way")
{
    EXPECT_INT(play(with_ipv6), 0);
    if (strstr(transcript(), "no route"))
        SKIP("this machine has no route to groups of IPv6 on its loopback interface");
}
