/* test_getaddrinfo.c -- getaddrinfo against name servers that answer, lie, dawdle, cut, and say nothing. */
#include "dns_rig.h"

#include "loop/dns.h"

static const struct entry entries[] = {
    {"one.test", .in = {"10.0.0.1"}},
    {"six.test", .in6 = {"2001:db8::6"}},
    {"both.test", .in = {"10.0.0.1", "10.0.0.2"}, .in6 = {"2001:db8::1", "2001:db8::2"}},
    {"empty.test"},
    {"www.example.test", .in = {"10.0.0.3"}},
    {"target.test", .in = {"10.0.0.9"}},
    {"chain.test", .in = {"10.0.0.9"}, .manner = CHAIN},
    {"loop.test", .manner = CNAME_LOOP},
    {"drop.test", .in = {"10.0.0.1"}, .manner = DROP},
    {"first.test", .in = {"10.0.0.1"}, .manner = DROP_FIRST},
    {"late.test", .in = {"10.0.0.1"}, .manner = LATE},
    {"cut.test", .in = {"10.0.0.1"}, .manner = CUT, .n_more = 200},
    {"drip.test", .in = {"10.0.0.1"}, .manner = DRIP},
    {"hangup.test", .in = {"10.0.0.1"}, .manner = HANG_UP},
    {"id.test", .in = {"10.0.0.1"}, .manner = WRONG_ID},
    {"onlyid.test", .in = {"10.0.0.1"}, .manner = ONLY_WRONG_ID},
    {"name.test", .in = {"10.0.0.1"}, .manner = WRONG_NAME},
    {"nothing.test", .in = {"10.0.0.1"}, .manner = EMPTY},
    {"flood.test", .in = {"10.0.0.1"}, .manner = FLOOD},
    {"fail.test", .in = {"10.0.0.1"}, .manner = SAYS_SERVFAIL},
    {"refused.test", .in = {"10.0.0.1"}, .manner = SAYS_REFUSED},
    {"formerr.test", .in = {"10.0.0.1"}, .manner = SAYS_FORMERR},
    {"garbage.test", .in = {"10.0.0.1"}, .manner = GARBAGE},
    {"big.test", .in = {"10.0.0.1"}, .manner = OVERSIZED},
    {"half.test", .in = {"10.0.0.1"}, .manner_of_in6 = SAYS_SERVFAIL},
    {"halfempty.test", .manner_of_in6 = SAYS_SERVFAIL},
    {0},
};

/* Runs a test's main coroutine, unless the library has nobody to ask by. */
static int play_names(asyncio_coro *fn)
{
    if (!asyncio__dns_is_built_in())
        SKIP("built without c-ares");
    return play(fn);
}

static int begin(void)
{
    return begin_names(entries);
}

static int end(void)
{
    stop_nameservers();
    return 0;
}

/* ---------------------------------------------------------------------------------------------------- What is there */

static int find_names(void *arg)
{
    (void)arg;
    EXPECT_INT(begin(), 0);
    EXPECT_STR(look_up("one.test", AF_INET), "1 10.0.0.1");
    EXPECT_STR(asked, "one.test A");
    EXPECT_STR(look_up("both.test", 0), "4 [2001:db8::1] [2001:db8::2] 10.0.0.1 10.0.0.2");
    EXPECT_STR(look_up("both.test", AF_INET6), "2 [2001:db8::1] [2001:db8::2]");
    EXPECT_STR(look_up("ONE.test.", 0), "1 10.0.0.1");
    EXPECT_STR(look_up("six.test", 0), "1 [2001:db8::6]");
    EXPECT_STR(look_up("chain.test", 0), "1 10.0.0.9");
    return end();
}

TEST(getaddrinfo, "EV-21: a name has the addresses that its server tells, IPv6 first, through aliases, in any case")
{
    EXPECT_INT(play_names(find_names), 0);
}

static int kinds(void *arg)
{
    struct asyncio_addrinfo *list = NULL;

    (void)arg;
    EXPECT_INT(begin(), 0);
    EXPECT_INT(asyncio_getaddrinfo("one.test", "80", &list, .family = AF_INET), 3);
    for (int i = 0; list && i < 3; i++)
        trace("%d %d %d %d", list[i].type, list[i].protocol, asyncio_address_port(&list[i].address),
              list[i].canonical_name != NULL);
    asyncio_free(list);
    list = NULL;
    EXPECT_INT(asyncio_getaddrinfo("one.test", "https", &list, .family = AF_INET, .type = SOCK_STREAM), 1);
    EXPECT_INT(list ? asyncio_address_port(&list->address) : -1, 443);
    asyncio_free(list);
    list = NULL;
    EXPECT_INT(asyncio_getaddrinfo("chain.test", NULL, &list, .port = 7, .type = SOCK_DGRAM, .flags = AI_CANONNAME), 1);
    EXPECT_INT(list ? asyncio_address_port(&list->address) : -1, 7);
    EXPECT_STR(list ? list->canonical_name : NULL, "target.test");
    asyncio_free(list);
    return end();
}

TEST(getaddrinfo_kinds, "EV-21: each address for each type of socket, ports by number and by service, canonical name")
{
    EXPECT_INT(play_names(kinds), 0);
    EXPECT_TRACE("[0.000] 1 6 80 0\n"
                 "[0.000] 2 17 80 0\n"
                 "[0.000] 3 0 80 0\n");
}

static int numbers(void *arg)
{
    struct asyncio_addrinfo *list = NULL;

    (void)arg;
    EXPECT_INT(begin(), 0);
    EXPECT_STR(look_up("127.0.0.1", 0), "1 127.0.0.1");
    EXPECT_STR(look_up("::1", 0), "1 [::1]");
    EXPECT_STR(look_up("::1", AF_INET), "-EAFNOSUPPORT");
    EXPECT_STR(look_up("fe80::1%7", AF_INET6), "1 [fe80::1%7]");
    EXPECT_STR(look_up("localhost", 0), "2 [::1] 127.0.0.1");
    EXPECT_STR(look_up("LocalHost.", AF_INET), "1 127.0.0.1");
    EXPECT_STR(look_up("any.localhost", AF_INET), "1 127.0.0.1");
    EXPECT_INT(asyncio_getaddrinfo(NULL, "80", &list, .type = SOCK_STREAM, .flags = AI_PASSIVE), 2);
    asyncio_free(list);
    list = NULL;
    EXPECT_INT(asyncio_getaddrinfo(NULL, "80", &list, .family = AF_INET, .type = SOCK_STREAM), 1);
    asyncio_free(list);
    EXPECT_STR(asked, "");
    return end();
}

TEST(getaddrinfo_numbers, "EV-21: numbers, no host and localhost are answered at home, and nobody is asked")
{
    EXPECT_INT(play_names(numbers), 0);
}

static int misuse(void *arg)
{
    struct asyncio_addrinfo *list = NULL;
    char long_name[300];

    (void)arg;
    memset(long_name, 'a', sizeof long_name - 1);
    long_name[sizeof long_name - 1] = 0;
    EXPECT_INT(begin(), 0);
    EXPECT_INT(asyncio_getaddrinfo(NULL, NULL, &list), -EINVAL);
    EXPECT_INT(asyncio_getaddrinfo("one.test", "80", NULL), -EINVAL);
    EXPECT_INT(asyncio_getaddrinfo("one.test", "70000", &list), -EINVAL);
    EXPECT_INT(asyncio_getaddrinfo("one.test", "80", &list, .port = 80), -EINVAL);
    EXPECT_INT(asyncio_getaddrinfo("one.test", "80", &list, .flags = 0x4000), -EINVAL);
    EXPECT_INT(asyncio_getaddrinfo("one.test", "80", &list, .family = AF_UNIX), -EAFNOSUPPORT);
    EXPECT_INT(asyncio_getaddrinfo("one.test", "80", &list, .type = SOCK_STREAM, .protocol = IPPROTO_UDP), -ENOTSUP);
    EXPECT_INT(asyncio_getaddrinfo("one.test", "no-such-service", &list), -ASYNCIO_EAI_SERVICE);
    EXPECT_STR(asyncio_error_detail(), "no-such-service: there is no such service");
    EXPECT_INT(asyncio_getaddrinfo("one.test", "http", &list, .flags = AI_NUMERICSERV), -ASYNCIO_EAI_SERVICE);
    EXPECT_INT(asyncio_getaddrinfo("one.test", "80", &list, .flags = AI_NUMERICHOST), -ASYNCIO_EAI_NONAME);
    EXPECT_STR(look_up("", 0), "-EINVAL");
    EXPECT_STR(look_up("a b", 0), "-EINVAL");
    EXPECT_STR(look_up("a..b", 0), "-EINVAL");
    EXPECT_STR(look_up("m\xc3\xbcnchen.test", 0), "-EINVAL");
    EXPECT_STR(look_up(long_name, 0), "-EINVAL");
    EXPECT_PTR(list, NULL);
    EXPECT_STR(asked, "");
    return end();
}

TEST(getaddrinfo_misuse, "EV-21: what cannot be asked is refused before anybody is")
{
    struct asyncio_addrinfo *list = NULL;

    EXPECT_INT(asyncio_getaddrinfo("127.0.0.1", "80", &list), -ASYNCIO_ENOTASK);
    EXPECT_INT(play_names(misuse), 0);
}

/* --------------------------------------------------------------------------------------------------------- Failures */

static int failures(void *arg)
{
    (void)arg;
    EXPECT_INT(begin(), 0);
    EXPECT_STR(look_up("missing.test", 0), "-ASYNCIO_EAI_NONAME");
    EXPECT_STR(detail(), "missing.test: server 127.0.0.1:P: there is no such name");
    EXPECT_STR(look_up("empty.test", 0), "-ASYNCIO_EAI_NODATA");
    EXPECT_STR(detail(), "empty.test: server 127.0.0.1:P: it has no address of that family");
    EXPECT_STR(look_up("one.test", AF_INET6), "-ASYNCIO_EAI_NODATA");
    EXPECT_STR(look_up("loop.test", 0), "-ASYNCIO_EAI_NODATA");
    EXPECT_STR(look_up("fail.test", 0), "-ASYNCIO_EAI_FAIL");
    EXPECT_STR(detail(), "fail.test: server 127.0.0.1:P: SERVFAIL");
    EXPECT_STR(look_up("refused.test", 0), "-ASYNCIO_EAI_FAIL");
    EXPECT_STR(detail(), "refused.test: server 127.0.0.1:P: REFUSED");
    EXPECT_STR(look_up("formerr.test", 0), "-ASYNCIO_EAI_FAIL");
    EXPECT_STR(detail(), "formerr.test: server 127.0.0.1:P: FORMERR");
    EXPECT_STR(look_up("garbage.test", AF_INET), "-ASYNCIO_EAI_FAIL");
    EXPECT_STR(detail(), "garbage.test: server 127.0.0.1:P: an answer that makes no sense");
    trace("all but the silent");
    EXPECT_STR(look_up("drop.test", AF_INET), "-ASYNCIO_EAI_TIMEOUT");
    EXPECT_STR(detail(), "drop.test: no answer from 127.0.0.1:P");
    trace("after two tries, of five and ten seconds");
    return end();
}

TEST(getaddrinfo_failures, "R6: no such name, no address, servers that fail and that are silent are told apart, with "
                           "name and server")
{
    EXPECT_INT(play_names(failures), 0);
    EXPECT_TRACE("[0.000] all but the silent\n"
                 "[15.000] after two tries, of five and ten seconds\n");
    EXPECT_STR(asyncio_errorexception(-ASYNCIO_EAI_TIMEOUT), "gaierror");
}

static int half_failures(void *arg)
{
    (void)arg;
    EXPECT_INT(begin(), 0);
    EXPECT_STR(look_up("half.test", 0), "1 10.0.0.1");
    EXPECT_STR(look_up("halfempty.test", 0), "-ASYNCIO_EAI_FAIL");
    return end();
}

TEST(getaddrinfo_half, "R6: one family is enough; without it a server that failed is no name without addresses")
{
    EXPECT_INT(play_names(half_failures), 0);
}

static int liars(void *arg)
{
    (void)arg;
    EXPECT_INT(begin(), 0);
    EXPECT_STR(look_up("id.test", AF_INET), "1 10.0.0.1");
    EXPECT_STR(look_up("name.test", AF_INET), "1 10.0.0.1");
    EXPECT_STR(look_up("nothing.test", AF_INET), "1 10.0.0.1");
    EXPECT_STR(look_up("big.test", AF_INET), "1 10.0.0.1");
    EXPECT_STR(look_up("flood.test", AF_INET), "-ASYNCIO_EAI_FAIL");
    trace("at once");
    EXPECT_STR(look_up("onlyid.test", AF_INET), "-ASYNCIO_EAI_TIMEOUT");
    return end();
}

TEST(getaddrinfo_liars, "R6: a reply with another number, another question or nothing in it is passed over, "
                        "but who sees many of them does not believe what comes then")
{
    EXPECT_INT(play_names(liars), 0);
    EXPECT_TRACE("[0.000] at once\n");
}

static int slow(void *arg)
{
    (void)arg;
    EXPECT_INT(begin(), 0);
    EXPECT_STR(look_up("late.test", 0), "1 10.0.0.1");
    trace("late");
    asked[0] = 0;
    servers[0].n_asked = 0;
    EXPECT_STR(look_up("first.test", 0), "1 10.0.0.1");
    trace("asked again");
    EXPECT_INT(servers[0].n_asked, 4);
    return end();
}

TEST(getaddrinfo_slow, "R6: a late answer counts; a question that got lost is asked again; both families at once")
{
    EXPECT_INT(play_names(slow), 0);
    EXPECT_TRACE("[3.000] late\n"
                 "[8.000] asked again\n");
}

static int slow_in_debug_mode(void *arg)
{
    (void)arg;
    EXPECT_INT(begin(), 0);
    asyncio_loop_set_debug(asyncio_get_running_loop(), true);
    EXPECT_STR(look_up("late.test", AF_INET), "1 10.0.0.1");
    EXPECT_LOG("look-up of late.test took 3.000 seconds");
    return end();
}

TEST(getaddrinfo_debug, "EV-17: in debug mode a look-up that takes long is told of")
{
    EXPECT_INT(play_names(slow_in_debug_mode), 0);
}

/* -------------------------------------------------------------------------------------------------------------- TCP */

static int over_tcp(void *arg)
{
    (void)arg;
    EXPECT_INT(begin(), 0);
    EXPECT_INT(strncmp(look_up("cut.test", AF_INET), "201 10.0.0.1 10.1.0.0 ", 22), 0);
    EXPECT_STR(asked, "cut.test A, cut.test A over TCP");
    EXPECT_STR(look_up("drip.test", AF_INET), "1 10.0.0.1");
    EXPECT_STR(look_up("hangup.test", AF_INET), "-ASYNCIO_EAI_FAIL");
    EXPECT(strstr(detail(), "hangup.test: server 127.0.0.1:P: "));
    asked[0] = 0;
    EXPECT_INT(asyncio_loop_set_resolver(asyncio_get_running_loop(), .servers = server_list(), .search = "",
                                         .hosts_file = "/nonexistent", .use_tcp = true),
               0);
    EXPECT_STR(look_up("one.test", AF_INET), "1 10.0.0.1");
    EXPECT_STR(asked, "one.test A over TCP");
    return end();
}

TEST(getaddrinfo_tcp, "R6: what is cut is asked for again over TCP, however slowly it comes; without UDP if wanted")
{
    EXPECT_INT(play_names(over_tcp), 0);
}

/* ----------------------------------------------------------------------------------------------------- Many servers */

static int several(void *arg)
{
    struct asyncio_loop *loop = asyncio_get_running_loop();

    (void)arg;
    EXPECT_INT(begin(), 0);
    EXPECT_INT(start_nameserver(&servers[1], entries), 0);
    EXPECT_INT(start_nameserver(&servers[2], entries), 0);
    EXPECT_INT(asyncio_loop_set_resolver(loop, .servers = server_list(), .search = "", .hosts_file = "/nonexistent",
                                         .timeout = 2, .attempts = 2),
               0);
    servers[0].manner = SAYS_SERVFAIL;
    servers[1].manner = DROP;
    EXPECT_STR(look_up("one.test", AF_INET), "1 10.0.0.1");
    trace("the third one, after the second one was silent");
    servers[0].manner = LATE;
    EXPECT_STR(look_up("one.test", AF_INET), "1 10.0.0.1");
    trace("the first one, late, while the second one is asked");
    servers[1].manner = servers[2].manner = DROP;
    EXPECT_STR(look_up("one.test", AF_INET), "1 10.0.0.1");
    trace("the first one, while the second one is asked");
    servers[0].manner = DROP;
    servers[2].manner = SAYS_REFUSED;
    EXPECT_STR(look_up("one.test", AF_INET), "-ASYNCIO_EAI_FAIL");
    EXPECT_STR(detail(), "one.test: server 127.0.0.1:R: REFUSED");
    servers[2].manner = DROP;
    EXPECT_STR(look_up("one.test", AF_INET), "-ASYNCIO_EAI_TIMEOUT");
    EXPECT_STR(detail(), "one.test: no answer from 127.0.0.1:R, nor from 2 more");
    return end();
}

TEST(getaddrinfo_servers, "R6: the next server is asked when one fails at once and when it is silent; late ones count")
{
    EXPECT_INT(play_names(several), 0);
    EXPECT_TRACE("[2.000] the third one, after the second one was silent\n"
                 "[5.000] the first one, late, while the second one is asked\n"
                 "[8.000] the first one, while the second one is asked\n");
}

/* Nobody listens there: the kernel says so, and nobody has to wait. */
static int nobody(void *arg)
{
    (void)arg;
    EXPECT_INT(begin(), 0);
    servers[0].udp = asyncio_socket_unref(servers[0].udp);
    turns(5);
    EXPECT_STR(look_up("one.test", AF_INET), "-ASYNCIO_EAI_FAIL");
    trace("%s", detail());
    return end();
}

TEST_EPOLL(getaddrinfo_nobody, "R6: where no server listens there is no waiting")
{
    EXPECT_INT(play_names(nobody), 0);
    EXPECT_TRACE("[0.000] one.test: server 127.0.0.1:P: Connection refused\n");
}

/* ----------------------------------------------------------------------------------------------------------- Search */

static int search(void *arg)
{
    struct asyncio_loop *loop = asyncio_get_running_loop();

    (void)arg;
    EXPECT_INT(begin(), 0);
    EXPECT_INT(asyncio_loop_set_resolver(loop, .servers = server_list(), .search = "nowhere.test example.test",
                                         .hosts_file = "/nonexistent"),
               0);
    EXPECT_STR(look_up("www", AF_INET), "1 10.0.0.3");
    EXPECT_STR(asked, "www.nowhere.test A, www.example.test A");
    asked[0] = 0;
    EXPECT_STR(look_up("one.test", AF_INET), "1 10.0.0.1");
    EXPECT_STR(asked, "one.test A");
    asked[0] = 0;
    EXPECT_STR(look_up("no.where", AF_INET), "-ASYNCIO_EAI_NONAME");
    EXPECT_STR(asked, "no.where A, no.where.nowhere.test A, no.where.example.test A");
    asked[0] = 0;
    EXPECT_STR(look_up("www.", AF_INET), "-ASYNCIO_EAI_NONAME");
    EXPECT_STR(asked, "www A");
    asked[0] = 0;
    EXPECT_INT(asyncio_loop_set_resolver(loop, .servers = server_list(), .search = "test", .ndots = 2,
                                         .hosts_file = "/nonexistent"),
               0);
    EXPECT_STR(look_up("www.example", AF_INET), "1 10.0.0.3");
    EXPECT_STR(asked, "www.example.test A");
    asked[0] = 0;
    /* A server that fails ends the search: the name may be one that it would have known. */
    EXPECT_STR(look_up("fail", AF_INET), "-ASYNCIO_EAI_FAIL");
    EXPECT_STR(asked, "fail.test A");
    return end();
}

TEST(getaddrinfo_search, "R6: the search list, ndots, names with a dot at their end")
{
    EXPECT_INT(play_names(search), 0);
}

/* ----------------------------------------------------------------------------------------------------------- Cancel */

static int late_looker(void *arg)
{
    trace("%s: %s", me(), look_up(arg, 0));
    return 0;
}

static int cancels(void *arg)
{
    struct asyncio_future *task;

    (void)arg;
    EXPECT_INT(begin(), 0);
    task = spawn(late_looker, (void *)(uintptr_t) "drop.test", "one");
    turns(3);
    cancel(task);
    spawn(late_looker, (void *)(uintptr_t) "drip.test", "two");
    cancel(spawn(late_looker, (void *)(uintptr_t) "one.test", "three"));
    ASYNCIO_IGNORE(asyncio_sleep(0.01));
    cancel(crew[1]);
    everybody();
    return end();
}

TEST(getaddrinfo_cancel,
     "R6 C-11: a look-up ends at once when it is cancelled, over UDP and over TCP, and leaves nothing")
{
    EXPECT_INT(play_names(cancels), 0);
    EXPECT(strstr(transcript(), "[0.000] one: -ECANCELED\n"));
    EXPECT(strstr(transcript(), "[0.010] two: -ECANCELED\n"));
}

static int look_for_long(void *arg)
{
    struct asyncio_addrinfo *list = NULL;

    (void)arg;
    return asyncio_getaddrinfo("drop.test", "80", &list);
}

static int deadline(void *arg)
{
    (void)arg;
    EXPECT_INT(begin(), 0);
    EXPECT_INT(asyncio_wait_for(look_for_long, NULL, 0.5), -ETIMEDOUT);
    trace("over");
    return end();
}

TEST(getaddrinfo_deadline, "R6: the caller's time limit covers the look-up")
{
    EXPECT_INT(play_names(deadline), 0);
    EXPECT_TRACE("[0.500] over\n");
}

static int many(void *arg)
{
    (void)arg;
    EXPECT_INT(begin(), 0);
    for (int i = 0; i < 50; i++)
        spawn(late_looker, (void *)(uintptr_t)(i % 2 ? "both.test" : "missing.test"), "many");
    everybody();
    EXPECT_INT(servers[0].n_asked, 100);
    return end();
}

TEST(getaddrinfo_many, "R6 R18: many look-ups at a time, without a thread")
{
    EXPECT_INT(play_names(many), 0);
}

/* ----------------------------------------------------------------------------------------------------------- Worlds */

static int n_right, n_silent, n_cancelled;

/* What comes of it is what the table says, or nobody answered. */
static int look_up_any(void *arg)
{
    static const struct {
        const char *name, *result;
    } expected[] = {
        {"both.test", "2 10.0.0.1 10.0.0.2"},  {"chain.test", "1 10.0.0.9"},
        {"cut.test", "201 10.0.0.1 10.1.0.0"}, {"id.test", "1 10.0.0.1"},
        {"drip.test", "1 10.0.0.1"},           {"missing.test", "-ASYNCIO_EAI_NONAME"},
        {"empty.test", "-ASYNCIO_EAI_NODATA"}, {"late.test", "1 10.0.0.1"},
    };
    int which = chance((int)(sizeof expected / sizeof expected[0]));
    const char *result = look_up(expected[which].name, AF_INET);

    (void)arg;
    if (strncmp(result, expected[which].result, strlen(expected[which].result)) == 0)
        n_right++;
    else if (strcmp(result, "-ECANCELED") == 0)
        n_cancelled++;
    else if (strcmp(result, "-ASYNCIO_EAI_TIMEOUT") == 0)
        n_silent++;
    else
        FAIL("%s: %s", expected[which].name, result);
    return 0;
}

static int lossy_world(void *arg)
{
    (void)arg;
    EXPECT_INT(begin(), 0);
    for (int i = 0; i < 20; i++)
        spawn(look_up_any, NULL, "looker");
    for (int i = 0; i < 6; i++) {
        ASYNCIO_IGNORE(asyncio_sleep((double)chance(20) / 10));
        cancel(crew[chance(20)]);
    }
    everybody();
    return end();
}

TEST_SIM_NO_SWEEP(
    getaddrinfo_worlds,
    "R6: datagrams are lost, doubled, overtaken, everything is late, and look-ups are cancelled: an answer "
    "is right or there is none",
    "its worlds have faults of their own")
{
    if (!asyncio__dns_is_built_in())
        SKIP("built without c-ares");
    for (uint64_t seed = test_seed(); seed < test_seed() + (test_seed_given() ? 1 : 30); seed++) {
        char backend[120];

        snprintf(backend, sizeof backend,
                 "sim:%llu,lose=25,twice=20,reorder=30,delay=300000,later=50,eintr=20,short=50,permute",
                 (unsigned long long)seed);
        test_replay_seed(seed);
        seed_chance(seed);
        EXPECT_INT(asyncio_run(lossy_world, NULL, .backend = backend), 0);
        dismiss_crew();
    }
    if (!test_seed_given()) {
        EXPECT(n_right > 100);
        EXPECT(n_silent > 0);
        EXPECT(n_cancelled > 10);
    }
}
