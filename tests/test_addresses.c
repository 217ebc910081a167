/* test_addresses.c -- addresses: read, written, and what stands behind a host. */
#include "test.h"

#include "lib/sockets.h"

#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

/* What an address is as a text; valid until the next call. */
static const char *written(const struct asyncio_address *address)
{
    static char text[200];
    int r = asyncio_address_format(address, text, sizeof text);

    if (r < 0)
        return asyncio_errorname(r);
    EXPECT_INT(r, strlen(text));
    return text;
}

/* A host and a port, read and written again. */
static const char *echo(const char *host, int port)
{
    struct asyncio_address address = {0};
    int r = asyncio_address_parse(&address, host, port);

    return r < 0 ? asyncio_errorname(r) : written(&address);
}

static const char *echo_path(const char *path)
{
    struct asyncio_address address = {0};
    int r = asyncio_address_unix(&address, path);

    return r < 0 ? asyncio_errorname(r) : written(&address);
}

/* --------------------------------------------------------------------------------------------------------- Reading */

TEST(address_of_four_bytes, "N-01: an IPv4 number and a port are what the kernel takes")
{
    struct asyncio_address address = {0};
    struct sockaddr_in in;

    EXPECT_INT(asyncio_address_parse(&address, "127.0.0.1", 8080), 0);
    EXPECT_INT(address.size, sizeof in);
    memcpy(&in, &address.data, sizeof in);
    EXPECT_INT(in.sin_family, AF_INET);
    EXPECT_INT(ntohs(in.sin_port), 8080);
    EXPECT_INT(ntohl(in.sin_addr.s_addr), INADDR_LOOPBACK);
    EXPECT_INT(asyncio_address_family(&address), AF_INET);
    EXPECT_INT(asyncio_address_port(&address), 8080);
    EXPECT_STR(written(&address), "127.0.0.1:8080");
    EXPECT_STR(echo("255.255.255.255", 65535), "255.255.255.255:65535");
    EXPECT_STR(echo("0.0.0.0", 0), "0.0.0.0:0");
}

TEST(address_of_sixteen_bytes, "N-01: an IPv6 number and a port are what the kernel takes")
{
    struct asyncio_address address = {0};
    struct sockaddr_in6 in6;

    EXPECT_INT(asyncio_address_parse(&address, "::1", 443), 0);
    EXPECT_INT(address.size, sizeof in6);
    memcpy(&in6, &address.data, sizeof in6);
    EXPECT_INT(in6.sin6_family, AF_INET6);
    EXPECT_INT(ntohs(in6.sin6_port), 443);
    EXPECT(memcmp(&in6.sin6_addr, &in6addr_loopback, sizeof in6addr_loopback) == 0);
    EXPECT_INT(in6.sin6_scope_id, 0);
    EXPECT_INT(asyncio_address_family(&address), AF_INET6);
    EXPECT_INT(asyncio_address_port(&address), 443);
    EXPECT_STR(written(&address), "[::1]:443");
    EXPECT_STR(echo("2001:DB8:0:0:0:0:0:1", 1), "[2001:db8::1]:1");
    EXPECT_STR(echo("::ffff:192.0.2.1", 1), "[::ffff:192.0.2.1]:1");
    EXPECT_STR(echo("::", 0), "[::]:0");
    EXPECT_STR(echo("1234:5678:9abc:def0:1234:5678:255.255.255.255", 1), "[1234:5678:9abc:def0:1234:5678:ffff:ffff]:1");
}

TEST(address_with_a_zone, "N-01: an interface is given by number or by name; it is written as a number")
{
    struct asyncio_address address = {0};
    struct sockaddr_in6 in6;
    char host[64], expected[64], name[IF_NAMESIZE] = "";

    EXPECT_INT(asyncio_address_parse(&address, "fe80::1%7", 80), 0);
    memcpy(&in6, &address.data, sizeof in6);
    EXPECT_INT(in6.sin6_scope_id, 7);
    EXPECT_STR(written(&address), "[fe80::1%7]:80");
    EXPECT_STR(echo("fe80::1%0", 80), "[fe80::1]:80");
    EXPECT_STR(echo("fe80::1%4294967295", 80), "[fe80::1%4294967295]:80");
    EXPECT_STR(echo("fe80::1%4294967296", 80), "EINVAL");
    EXPECT_STR(echo("fe80::1%99999999999999999999999", 80), "EINVAL");
    EXPECT_STR(echo("fe80::1%7x", 80), "EINVAL");
    EXPECT_STR(echo("fe80::1%", 80), "EINVAL");
    EXPECT_STR(echo("fe80::1%no-such-if", 80), "ENODEV");
    EXPECT_STR(echo("127.0.0.1%7", 80), "EINVAL");
    if (!if_indextoname(1, name))
        return;
    snprintf(host, sizeof host, "fe80::1%%%s", name);
    snprintf(expected, sizeof expected, "[fe80::1%%%u]:80", if_nametoindex(name));
    EXPECT_STR(echo(host, 80), expected);
}

TEST(address_that_is_none, "N-01: what is no number, and a port that is none, is refused; the output is untouched")
{
    static const char *const hosts[] = {
        "",      "localhost", "example.org", "127.0.0.1 ",   " 127.0.0.1", "127.0.0.1.1",
        "127.1", "256.0.0.1", "[::1]",       "::1::",        ":",          "1:2:3:4:5:6:7:8:9",
        "%",     "%1",        "::1]:80",     "127.0.0.1:80", "\xff\xfe",
    };
    struct asyncio_address address = {.size = 77};
    char long_host[1000];

    for (size_t i = 0; i < sizeof hosts / sizeof hosts[0]; i++)
        if (asyncio_address_parse(&address, hosts[i], 80) != -EINVAL)
            FAIL("'%s' is taken for a number", hosts[i]);
    memset(long_host, '1', sizeof long_host - 1);
    long_host[sizeof long_host - 1] = 0;
    EXPECT_INT(asyncio_address_parse(&address, long_host, 80), -EINVAL);
    EXPECT_INT(asyncio_address_parse(&address, "127.0.0.1", -1), -EINVAL);
    EXPECT_INT(asyncio_address_parse(&address, "127.0.0.1", 65536), -EINVAL);
    EXPECT_INT(asyncio_address_parse(&address, NULL, 80), -EINVAL);
    EXPECT_INT(asyncio_address_parse(NULL, "127.0.0.1", 80), -EINVAL);
    EXPECT_INT(address.size, 77);
}

TEST(address_of_a_path, "N-09: a path stands for itself, one with '@' for an abstract name")
{
    struct asyncio_address address = {0};
    struct sockaddr_un un = {0};
    char path[110];

    EXPECT_INT(asyncio_address_unix(&address, "/tmp/s"), 0);
    EXPECT_INT(address.size, offsetof(struct sockaddr_un, sun_path) + sizeof "/tmp/s");
    memcpy(&un, &address.data, address.size);
    EXPECT_INT(un.sun_family, AF_UNIX);
    EXPECT_STR(un.sun_path, "/tmp/s");
    EXPECT_STR(written(&address), "/tmp/s");
    EXPECT_INT(asyncio_address_family(&address), AF_UNIX);
    EXPECT_INT(asyncio_address_port(&address), -EAFNOSUPPORT);

    EXPECT_INT(asyncio_address_unix(&address, "@name"), 0);
    EXPECT_INT(address.size, offsetof(struct sockaddr_un, sun_path) + 5);
    EXPECT(memcmp(address.data.bytes + offsetof(struct sockaddr_un, sun_path), "\0name", 5) == 0);
    EXPECT_STR(written(&address), "@name");

    memset(path, 'x', sizeof path);
    path[107] = 0;
    EXPECT_STR(echo_path(path), path);
    path[0] = '@';
    EXPECT_STR(echo_path(path), path);
    path[107] = 'x';
    path[108] = 0;
    EXPECT_STR(echo_path(path), "ENAMETOOLONG");
    path[0] = 'x';
    EXPECT_STR(echo_path(path), "ENAMETOOLONG");
    EXPECT_STR(echo_path(""), "EINVAL");
    EXPECT_STR(echo_path("@"), "EINVAL");
    EXPECT_INT(asyncio_address_unix(&address, NULL), -EINVAL);
    EXPECT_INT(asyncio_address_unix(NULL, "x"), -EINVAL);
}

/* --------------------------------------------------------------------------------------------------------- Writing */

TEST(address_cut_short, "N-01: a text that does not fit is cut and ends with NUL; its length is that of the whole")
{
    struct asyncio_address address = {0};
    char text[8];

    EXPECT_INT(asyncio_address_parse(&address, "::1", 8080), 0);
    memset(text, 'x', sizeof text);
    EXPECT_INT(asyncio_address_format(&address, text, sizeof text), strlen("[::1]:8080"));
    EXPECT_STR(text, "[::1]:8");
    EXPECT_INT(asyncio_address_format(&address, text, 1), strlen("[::1]:8080"));
    EXPECT_STR(text, "");
    EXPECT_INT(asyncio_address_format(&address, NULL, 0), strlen("[::1]:8080"));
    EXPECT_INT(asyncio_address_format(&address, NULL, 1), -EINVAL);
    EXPECT_INT(asyncio_address_unix(&address, "@abstract"), 0);
    EXPECT_INT(asyncio_address_format(&address, text, sizeof text), strlen("@abstract"));
    EXPECT_STR(text, "@abstra");
}

/* An address as the kernel might give it. */
static struct asyncio_address raw(const void *data, size_t size)
{
    struct asyncio_address address = {.size = size};

    memcpy(&address.data, data, size < sizeof address.data ? size : sizeof address.data);
    return address;
}

TEST(address_of_the_kernel, "N-09: names without NUL, with NUL inside, and none at all")
{
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    struct asyncio_address address;
    char expected[sizeof un.sun_path + 1];

    address = raw(&un, offsetof(struct sockaddr_un, sun_path));
    EXPECT_STR(written(&address), "");
    memset(un.sun_path, 'p', sizeof un.sun_path);
    memset(expected, 'p', sizeof un.sun_path);
    expected[sizeof un.sun_path] = 0;
    address = raw(&un, sizeof un);
    EXPECT_STR(written(&address), expected);
    memcpy(un.sun_path, "\0a\0b", 4);
    address = raw(&un, offsetof(struct sockaddr_un, sun_path) + 4);
    EXPECT_STR(written(&address), "@a@b");
}

TEST(address_that_is_broken, "N-01: nothing beyond an address's size is read")
{
    struct asyncio_address address = {0};
    struct sockaddr_in in = {.sin_family = AF_INET};
    struct sockaddr_in6 in6 = {.sin6_family = AF_INET6};
    struct sockaddr other = {.sa_family = AF_PACKET};
    char text[100];

    EXPECT_INT(asyncio_address_family(&address), -EINVAL);
    EXPECT_INT(asyncio_address_port(&address), -EINVAL);
    EXPECT_INT(asyncio_address_format(&address, text, sizeof text), -EINVAL);
    address.size = 1;
    EXPECT_INT(asyncio_address_family(&address), -EINVAL);
    address = raw(&in, sizeof in - 1);
    EXPECT_INT(asyncio_address_family(&address), AF_INET);
    EXPECT_INT(asyncio_address_port(&address), -EINVAL);
    EXPECT_INT(asyncio_address_format(&address, text, sizeof text), -EINVAL);
    address = raw(&in6, sizeof in);
    EXPECT_INT(asyncio_address_port(&address), -EINVAL);
    EXPECT_INT(asyncio_address_format(&address, text, sizeof text), -EINVAL);
    address.size = sizeof address.data + 1;
    EXPECT_INT(asyncio_address_family(&address), -EINVAL);
    address = raw(&other, sizeof other);
    EXPECT_INT(asyncio_address_family(&address), AF_PACKET);
    EXPECT_INT(asyncio_address_port(&address), -EAFNOSUPPORT);
    EXPECT_INT(asyncio_address_format(&address, text, sizeof text), -EAFNOSUPPORT);
    EXPECT_INT(asyncio_address_family(NULL), -EINVAL);
    EXPECT_INT(asyncio_address_port(NULL), -EINVAL);
    EXPECT_INT(asyncio_address_format(NULL, text, sizeof text), -EINVAL);
}

/* ----------------------------------------------------------------------------------------------------------- Hosts */

/* What stands behind a host, with blanks between. */
static const char *behind(const char *host, int port, int family)
{
    static char text[300];
    struct asyncio_address addresses[2];
    int n = asyncio__addresses_of(host, port, family, addresses);

    if (n < 0)
        return asyncio_errorname(n);
    text[0] = 0;
    for (int i = 0; i < n; i++)
        snprintf(text + strlen(text), sizeof text - strlen(text), "%s%s", i > 0 ? " " : "", written(&addresses[i]));
    return text;
}

TEST(addresses_behind_a_host, "N-02 N-06: of localhost both, of no host the wildcards, of a number itself")
{
    EXPECT_STR(behind("localhost", 80, 0), "[::1]:80 127.0.0.1:80");
    EXPECT_STR(behind("LocalHost", 80, 0), "[::1]:80 127.0.0.1:80");
    EXPECT_STR(behind("localhost", 80, AF_INET), "127.0.0.1:80");
    EXPECT_STR(behind("localhost", 80, AF_INET6), "[::1]:80");
    EXPECT_STR(behind(NULL, 0, 0), "[::]:0 0.0.0.0:0");
    EXPECT_STR(behind("", 1, 0), "[::]:1 0.0.0.0:1");
    EXPECT_STR(behind("", 1, AF_INET), "0.0.0.0:1");
    EXPECT_STR(behind("192.0.2.1", 65535, 0), "192.0.2.1:65535");
    EXPECT_STR(behind("::2", 2, AF_INET6), "[::2]:2");
}

TEST(addresses_behind_none, "N-02: a name is not looked up; a family that the host does not have is told")
{
    EXPECT_STR(behind("example.org", 80, 0), "EOPNOTSUPP");
    EXPECT_STR(behind("256.0.0.1", 80, 0), "EOPNOTSUPP");
    EXPECT_STR(behind("localhost.", 80, 0), "EOPNOTSUPP");
    EXPECT_STR(behind("fe80::1%no-such-if", 80, 0), "ENODEV");
    EXPECT_STR(behind("127.0.0.1", 80, AF_INET6), "EAFNOSUPPORT");
    EXPECT_STR(behind("::1", 80, AF_INET), "EAFNOSUPPORT");
    EXPECT_STR(behind("localhost", 80, AF_UNIX), "EAFNOSUPPORT");
    EXPECT_STR(behind("localhost", -1, 0), "EINVAL");
    EXPECT_STR(behind(NULL, 65536, 0), "EINVAL");
}
