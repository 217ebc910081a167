/* test_unix_datagrams.c -- endpoints on Unix sockets: names, files that stand for them, queues that are full. */
#include "datagram_rig.h"

static int unix_names(void *arg)
{
    struct asyncio_datagram_info info;
    const char *name = abstract_name("server");

    (void)arg;
    EXPECT_INT(noted(asyncio_open_datagram_endpoint(&one, .local_path = name)), 0);
    EXPECT_INT(noted(asyncio_open_datagram_endpoint(&two, .remote_path = name)), 0);
    say(two, "from nobody", NULL);
    EXPECT_STR(heard_with(one, 63, &info), "from nobody");
    if (!broken)
        EXPECT_INT(info.address.size == 0 && info.destination.size == 0 && info.interface == 0, true);
    two = asyncio_datagram_unref(two);
    EXPECT_INT(noted(asyncio_open_datagram_endpoint(&two, .local_path = abstract_name("client"), .remote_path = name)),
               0);
    say(two, "from somebody", NULL);
    EXPECT_STR(heard_with(one, 63, &info), "from somebody");
    say(one, "answer", &info.address);
    EXPECT_STR(heard(two), "answer");
    two = asyncio_datagram_unref(two);
    EXPECT_INT(asyncio_open_datagram_endpoint(&two, .remote_path = abstract_name("nobody")), -ECONNREFUSED);
    EXPECT_INT(asyncio_open_datagram_endpoint(&two, .remote_path = "/there/is/nothing"), -ENOENT);
    return end();
}

TEST(unix_names, "N-10: Unix datagrams find their way by name; a sender without one has an empty address")
{
    EXPECT_INT(play(unix_names), 0);
}

/* In the simulator paths are its own; elsewhere they lie in a directory of this test. */
static char directory[40];

static int stale_path(void *arg)
{
    char path[64];

    (void)arg;
    snprintf(path, sizeof path, "%s/socket", directory);
    for (int i = 0; i < 2; i++) {
        EXPECT_INT(noted(asyncio_open_datagram_endpoint(&one, .local_path = path)), 0);
        EXPECT_INT(noted(broken ? -EIO : asyncio_open_datagram_endpoint(&two, .remote_path = path)), 0);
        say(two, "hello", NULL);
        EXPECT_STR(heard(one), "hello");
        end();
    }
    return 0;
}

static int other_file(void *arg)
{
    EXPECT_INT(asyncio_open_datagram_endpoint(&one, .local_path = arg), -EADDRINUSE);
    return end();
}

TEST(stale_path, "N-10: the file of a socket that has died is no hindrance")
{
    snprintf(directory, sizeof directory, "%s", "/tmp/datagrams-XXXXXX");
    if (!test_on_sim())
        EXPECT_PTR(mkdtemp(directory), directory);
    EXPECT_INT(play(stale_path), 0);
    if (!test_on_sim()) {
        char path[64];

        snprintf(path, sizeof path, "%s/socket", directory);
        EXPECT_INT(unlink(path), 0);
        EXPECT_INT(rmdir(directory), 0);
    }
}

TEST_EPOLL(other_file, "N-10: a file that is no socket stays")
{
    char path[] = "/tmp/datagrams-XXXXXX";
    int file = mkstemp(path);

    EXPECT(file >= 0);
    EXPECT_INT(run(other_file, path), 0);
    EXPECT_INT(access(path, F_OK), 0);
    close(file);
    unlink(path);
}

static int say_more(void *arg)
{
    trace("%s: %s", me(), said(asyncio_datagram_send(arg, "more", 4, NULL)));
    return 0;
}

static int full_queue(void *arg)
{
    int n;

    (void)arg;
    open_pair();
    n = broken ? 0 : fill(one);
    EXPECT(broken || n > 0);
    spawn(say_more, one, "sender");
    EXPECT_INT(asyncio_sleep(1), 0);
    for (int i = 0; i < n && !broken; i++)
        EXPECT_STR(heard(two), "x");
    if (broken)
        asyncio_datagram_close(one);
    all_done();
    EXPECT_STR(heard(two), "more");
    return end();
}

TEST(full_queue, "a send to a Unix peer that does not read waits for room, and nothing is lost")
{
    EXPECT_INT(play(full_queue), 0);
    EXPECT_TRACE("[1.000] sender: 0\n");
}

static int full_stranger(void *arg)
{
    const char *name = abstract_name("full");
    struct asyncio_address to;
    int r = 0;

    (void)arg;
    EXPECT_INT(noted(asyncio_open_datagram_endpoint(&one, .local_path = name)), 0);
    EXPECT_INT(noted(asyncio_open_datagram_endpoint(&two, .family = AF_UNIX)), 0);
    EXPECT_INT(asyncio_address_unix(&to, name), 0);
    for (int i = 0; i < 100000 && r == 0; i++)
        r = broken ? -ENOBUFS : asyncio_datagram_send(two, "x", 1, &to);
    EXPECT_INT(r, -ENOBUFS);
    return end();
}

TEST(full_stranger, "#76: where nobody would tell of room, a full queue is an error and no endless try")
{
    EXPECT_INT(play(full_stranger), 0);
}
