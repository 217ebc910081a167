/* test_names.c -- what the machine's own files say of names, names of addresses, and names by way of the C library. */
#include "dns_rig.h"

#include "loop/dns.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

static const struct entry entries[] = {
    {"one.test", .in = {"10.0.0.1"}},
    {"one.a.test", .in = {"10.0.0.2"}},
    {"1.0.0.10.in-addr.arpa", .ptr = "one.test"},
    {"1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa", .ptr = "six.test"},
    {"9.0.0.10.in-addr.arpa", .ptr = "aliased.test", .manner = CHAIN},
    {"3.0.0.10.in-addr.arpa", .manner = SAYS_SERVFAIL},
    {"4.0.0.10.in-addr.arpa", .manner = DROP},
    {0},
};

static int play_names(asyncio_coro *fn)
{
    if (!asyncio__dns_is_built_in())
        SKIP("built without c-ares");
    return play(fn);
}

static int end(void)
{
    stop_nameservers();
    return 0;
}

/* Files are the machine's on every back end, where they are named. */
static char folder[] = "/tmp/asyncio-names-XXXXXX", hosts[64], resolv_conf[64];

static void make_folder(void)
{
    EXPECT_PTR(mkdtemp(folder), folder);
    snprintf(hosts, sizeof hosts, "%s/hosts", folder);
    snprintf(resolv_conf, sizeof resolv_conf, "%s/resolv.conf", folder);
}

static void write_file(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

    EXPECT(fd >= 0);
    EXPECT_INT(write(fd, text, strlen(text)), strlen(text));
    close(fd);
}

static void remove_folder(void)
{
    unlink(hosts);
    unlink(resolv_conf);
    rmdir(folder);
}

/* ------------------------------------------------------------------------------------------------------------ Hosts */

static int read_hosts(void *arg)
{
    struct asyncio_addrinfo *list = NULL;

    (void)arg;
    EXPECT_INT(begin_names(entries), 0);
    EXPECT_INT(asyncio_loop_set_resolver(asyncio_get_running_loop(), .servers = server_list(), .search = "",
                                         .hosts_file = hosts, .resolv_conf = "/nonexistent"),
               0);
    EXPECT_STR(look_up("box", 0), "3 [2001:db8::7] 10.7.0.1 10.7.0.2");
    EXPECT_STR(look_up("BOX.Test.", AF_INET), "1 10.7.0.1");
    EXPECT_INT(asyncio_getaddrinfo("alias", NULL, &list, .type = SOCK_STREAM, .flags = AI_CANONNAME), 1);
    EXPECT_STR(list ? list->canonical_name : NULL, "box.test");
    asyncio_free(list);
    EXPECT_STR(asked, "");
    /* What the file does not have, and what it has of the other family only, the servers may. */
    EXPECT_STR(look_up("one.test", 0), "1 10.0.0.1");
    EXPECT_STR(look_up("bad", 0), "-ASYNCIO_EAI_NONAME");
    EXPECT_STR(asked + strlen(asked) - 5, "bad A");
    write_file(hosts, "10.9.9.9 box");
    EXPECT_STR(look_up("box", 0), "1 10.9.9.9");
    unlink(hosts);
    EXPECT_STR(look_up("box", 0), "-ASYNCIO_EAI_NONAME");
    return end();
}

TEST(hosts_file, "R6: the hosts file is asked before the servers, by each of its names, and read again when it changes")
{
    make_folder();
    write_file(hosts, "# 10.1.1.1 box\n"
                      "10.7.0.1\tbox.test   box alias # bad\n"
                      "\n"
                      "not-an-address bad\n"
                      "10.7.0.2 box\r\n"
                      "10.7.0.3\n"
                      "2001:db8::7 other box");
    EXPECT_INT(play_names(read_hosts), 0);
    remove_folder();
}

/* ------------------------------------------------------------------------------------------------------ resolv.conf */

static int read_resolv_conf(void *arg)
{
    struct asyncio_loop *loop = asyncio_get_running_loop();
    char text[300];

    (void)arg;
    EXPECT_INT(begin_names(entries), 0);
    snprintf(text, sizeof text,
             "; a comment\nnameserver nonsense\nnameserver 127.0.0.1:%d\nsearch b.test a.test. # more\n"
             "options ndots:2 timeout:1 attempts:3 rotate unheard-of\n",
             servers[0].port);
    write_file(resolv_conf, text);
    EXPECT_INT(asyncio_loop_set_resolver(loop, .hosts_file = "/nonexistent", .resolv_conf = resolv_conf), 0);
    EXPECT_STR(look_up("one", AF_INET), "1 10.0.0.2");
    EXPECT_STR(asked, "one.b.test A, one.a.test A");
    asked[0] = 0;
    EXPECT_STR(look_up("one.test", AF_INET), "1 10.0.0.1");
    EXPECT_STR(asked, "one.test.b.test A, one.test.a.test A, one.test A");
    servers[0].manner = DROP;
    EXPECT_STR(look_up("one.", AF_INET), "-ASYNCIO_EAI_TIMEOUT");
    trace("three tries of one, two and four seconds");
    servers[0].manner = ANSWER;
    snprintf(text, sizeof text, "nameserver 127.0.0.1:%d\noptions use-vc\ndomain test\n", servers[0].port);
    write_file(resolv_conf, text);
    asked[0] = 0;
    EXPECT_STR(look_up("one", AF_INET), "1 10.0.0.1");
    EXPECT_STR(asked, "one.test A over TCP");
    return end();
}

TEST(resolv_conf, "R6: servers, search list and options of resolv.conf, read again when it changes")
{
    make_folder();
    EXPECT_INT(play_names(read_resolv_conf), 0);
    remove_folder();
    EXPECT_TRACE("[7.000] three tries of one, two and four seconds\n");
}

TEST(resolver_settings, "R6: servers that cannot be, and what belongs to no loop, are refused")
{
    struct asyncio_loop *loop = NULL;
    struct asyncio_address address = {0};
    char text[80] = "";

    EXPECT_INT(new_loop(&loop), 0);
    EXPECT_INT(asyncio_loop_set_resolver(loop, .servers = "10.0.0.1, [::1]:5353 ::2"), 0);
    EXPECT_INT(asyncio_loop_set_resolver(loop, .servers = ""), -EINVAL);
    EXPECT_INT(asyncio_loop_set_resolver(loop, .servers = "example.org"), -EINVAL);
    EXPECT_INT(asyncio_loop_set_resolver(loop, .servers = "1.2.3.4:"), -EINVAL);
    EXPECT_INT(asyncio_loop_set_resolver(loop, .servers = "1.2.3.4:70000"), -EINVAL);
    EXPECT_INT(asyncio_loop_set_resolver(loop, .servers = "[::1"), -EINVAL);
    EXPECT_INT(asyncio_loop_set_resolver(loop, .servers = "[::1]5"), -EINVAL);
    EXPECT_INT(asyncio_loop_set_resolver(loop, .timeout = __builtin_nan("")), -EINVAL);
    EXPECT_INT(asyncio_loop_set_resolver(loop, .attempts = -1), -EINVAL);
    EXPECT_INT(asyncio_loop_set_resolver_kw(loop, NULL), 0);
    EXPECT_INT(asyncio_loop_set_resolver_kw(NULL, NULL), -EINVAL);
    EXPECT_INT(asyncio__dns_read_server("fe80::1%7", &address), 0);
    asyncio_address_format(&address, text, sizeof text);
    EXPECT_STR(text, "[fe80::1%7]:53");
    asyncio_loop_close(loop);
    EXPECT_INT(asyncio_loop_set_resolver_kw(loop, NULL), loop ? -ASYNCIO_ECLOSED : -EINVAL);
    asyncio_loop_unref(loop);
}

/* ----------------------------------------------------------------------------------------------- Names of addresses */

/* "one.test http": names of an address and its port. */
static const char *name_of(const char *host, int port, int flags)
{
    static char text[200];
    char name[80] = "?", service[40] = "?";
    struct asyncio_address address = {0};
    int r;

    EXPECT_INT(asyncio_address_parse(&address, host, port), 0);
    r = asyncio_getnameinfo(&address, name, sizeof name, service, sizeof service, flags);
    if (r < 0)
        return said(r);
    snprintf(text, sizeof text, "%s %s", name, service);
    return text;
}

static int find_names(void *arg)
{
    struct asyncio_address address = {0};
    char text[4] = "";

    (void)arg;
    EXPECT_INT(begin_names(entries), 0);
    EXPECT_INT(asyncio_loop_set_resolver(asyncio_get_running_loop(), .servers = server_list(), .search = "",
                                         .hosts_file = hosts, .resolv_conf = "/nonexistent"),
               0);
    EXPECT_STR(name_of("10.7.0.1", 80, 0), "box.test http");
    EXPECT_STR(name_of("10.7.0.1", 80, NI_NOFQDN | NI_NUMERICSERV), "box 80");
    EXPECT_STR(asked, "");
    EXPECT_STR(name_of("10.0.0.1", 443, 0), "one.test https");
    EXPECT_STR(name_of("2001:db8::1", 123, NI_DGRAM), "six.test ntp");
    EXPECT_STR(name_of("10.0.0.9", 64999, 0), "aliased.test 64999");
    asked[0] = 0;
    EXPECT_STR(name_of("10.0.0.1", 64999, NI_NUMERICHOST), "10.0.0.1 64999");
    EXPECT_STR(name_of("fe80::1%7", 22, NI_NUMERICHOST), "fe80::1%7 ssh");
    EXPECT_STR(asked, "");
    EXPECT_STR(name_of("10.0.0.2", 22, 0), "10.0.0.2 ssh");
    EXPECT_STR(name_of("10.0.0.2", 22, NI_NAMEREQD), "-ASYNCIO_EAI_NONAME");
    EXPECT_STR(name_of("10.0.0.3", 22, 0), "-ASYNCIO_EAI_FAIL");
    EXPECT_STR(detail(), "3.0.0.10.in-addr.arpa: server 127.0.0.1:P: SERVFAIL");
    EXPECT_STR(name_of("10.0.0.4", 22, 0), "-ASYNCIO_EAI_TIMEOUT");
    trace("the silent one");
    EXPECT_STR(name_of("10.0.0.1", 22, 0x4000), "-EINVAL");
    EXPECT_STR(name_of("10.0.0.1", 22, NI_NUMERICHOST | NI_NAMEREQD), "-EINVAL");
    EXPECT_INT(asyncio_getnameinfo(NULL, text, sizeof text, NULL, 0, 0), -EINVAL);
    EXPECT_INT(asyncio_getnameinfo(&address, text, sizeof text, NULL, 0, 0), -EINVAL);
    EXPECT_INT(asyncio_address_unix(&address, "/x"), 0);
    EXPECT_INT(asyncio_getnameinfo(&address, text, sizeof text, NULL, 0, 0), -EAFNOSUPPORT);
    EXPECT_INT(asyncio_address_parse(&address, "10.0.0.1", 80), 0);
    EXPECT_INT(asyncio_getnameinfo(&address, text, sizeof text, NULL, 0, NI_NUMERICHOST), 0);
    EXPECT_STR(text, "10.");
    EXPECT_INT(asyncio_getnameinfo(&address, NULL, 0, NULL, 0, 0), 0);
    return end();
}

TEST(getnameinfo,
     "EV-21: names of addresses from the hosts file and from servers, of ports, numbers where there are none")
{
    struct asyncio_address address = {0};

    EXPECT_INT(asyncio_address_parse(&address, "10.0.0.1", 80), 0);
    EXPECT_INT(asyncio_getnameinfo(&address, NULL, 0, NULL, 0, 0), -ASYNCIO_ENOTASK);
    make_folder();
    write_file(hosts, "10.7.0.1 box.test box\n");
    EXPECT_INT(play_names(find_names), 0);
    remove_folder();
    EXPECT_TRACE("[15.000] the silent one\n");
}

static int look_for_long(void *arg)
{
    struct asyncio_address address = {0};
    char text[80];

    (void)arg;
    EXPECT_INT(asyncio_address_parse(&address, "10.0.0.4", 80), 0);
    return asyncio_getnameinfo(&address, text, sizeof text, NULL, 0, 0);
}

static int cancel_name(void *arg)
{
    (void)arg;
    EXPECT_INT(begin_names(entries), 0);
    EXPECT_INT(asyncio_wait_for(look_for_long, NULL, 1), -ETIMEDOUT);
    return end();
}

TEST(getnameinfo_cancel, "R6: the look-up of a name ends with the caller's time")
{
    EXPECT_INT(play_names(cancel_name), 0);
}

/* -------------------------------------------------------------------------------------------------- Without tasks */

struct wish {
    const char *name;
    struct asyncio__dns_lookup *lookup; /* while it is under way */
};

static void told(void *owner, struct asyncio__dns_result *result)
{
    struct wish *wish = owner;

    wish->lookup = NULL;
    trace("%s: %s", wish->name, said(result->error < 0 ? result->error : (int)result->addresses.n));
}

static void take_back(struct wish *wish)
{
    if (wish->lookup)
        asyncio__dns_lookup_cancel(wish->lookup);
    wish->lookup = NULL;
}

TEST(lookup_without_tasks, "R6: the loop alone can look for names; what is taken back when it closes leaves nothing")
{
    static struct wish wishes[] = {{"localhost", NULL}, {"a.test", NULL}, {"b.test", NULL}, {"c.test", NULL}};
    struct asyncio_loop *loop = NULL;

    if (!asyncio__dns_is_built_in())
        SKIP("built without c-ares");
    EXPECT_INT(new_loop(&loop), 0);
    EXPECT_INT(asyncio_loop_set_resolver(loop, .servers = "127.0.0.1:9", .hosts_file = "/nonexistent"), 0);
    for (int i = 0; i < 4 && loop; i++)
        EXPECT_INT(asyncio__dns_lookup(loop, wishes[i].name, 0, false, told, &wishes[i], &wishes[i].lookup), 0);
    take_back(&wishes[1]);
    if (loop)
        EXPECT(asyncio_loop_run_once(loop, 0) >= 0);
    for (int i = 0; i < 4; i++)
        take_back(&wishes[i]);
    EXPECT_TRACE("[0.000] localhost: 2\n");
    asyncio_loop_close(loop);
    asyncio_loop_unref(loop);
}

/* ---------------------------------------------------------------------------------------------------- The C library */

static int ask_the_c_library(void *arg)
{
    struct asyncio_addrinfo *list = NULL;
    int n;

    (void)arg;
    /* A number in a form that only the C library knows: neither a server nor a file is needed. */
    n = asyncio_getaddrinfo("127.1", "80", &list, .type = SOCK_STREAM, .nss = true);
    EXPECT_INT(n, 1);
    EXPECT_INT(n == 1 ? asyncio_address_port(&list->address) : 0, 80);
    asyncio_free(list);
    n = asyncio_getaddrinfo("no-such-name.invalid", "80", &list, .nss = true);
    EXPECT(n == -ASYNCIO_EAI_NONAME || n == -ASYNCIO_EAI_TIMEOUT || n == -ASYNCIO_EAI_FAIL || n == -ASYNCIO_EAI_NODATA);
    EXPECT(strstr(asyncio_error_detail(), "no-such-name.invalid: "));
    EXPECT_INT(asyncio_loop_set_resolver(asyncio_get_running_loop(), .nss = true), 0);
    list = NULL;
    EXPECT_INT(asyncio_getaddrinfo("127.2", "80", &list, .type = SOCK_STREAM), 1);
    asyncio_free(list);
    return 0;
}

TEST_REAL(nss, "R6 R18: names by way of the C library, where that is asked for, in threads of their own")
{
    test_needs_seconds(60);
    EXPECT_INT(run(ask_the_c_library, NULL), 0);
}

static int ask_in_vain(void *arg)
{
    struct asyncio_addrinfo *list = NULL;

    (void)arg;
    return asyncio_getaddrinfo("127.1", "80", &list, .nss = true);
}

TEST_SIM(nss_in_the_simulator, "R6: the simulated machine has no C library to ask")
{
    EXPECT_INT(run(ask_in_vain, NULL), -ENOTSUP);
}

static int looker(void *arg)
{
    struct asyncio_addrinfo *list = NULL;
    int r = asyncio_getaddrinfo("127.1", "80", &list, .nss = true);

    (void)arg;
    asyncio_free(list);
    return r;
}

static int cancel_the_c_library(void *arg)
{
    struct asyncio_future *tasks[20];

    (void)arg;
    for (int i = 0; i < 20; i++)
        tasks[i] = asyncio_create_task(looker, NULL);
    turns(2);
    for (int i = 0; i < 20; i++)
        cancel(tasks[i]);
    ASYNCIO_IGNORE(asyncio_wait(tasks, 20, ASYNCIO_FOREVER, ASYNCIO_ALL_COMPLETED));
    for (int i = 0; i < 20; i++)
        asyncio_future_unref(tasks[i]);
    return 0;
}

TEST_REAL(nss_cancel, "R6 R18: a look-up in a thread can be cancelled, whether it has begun or not")
{
    EXPECT_INT(run(cancel_the_c_library, NULL), 0);
}
