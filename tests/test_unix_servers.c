/* test_unix_servers.c -- servers on Unix sockets: what happens to the files that stand for them. */
#include "servers_rig.h"

#include "loop/loop.h"

#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>

/* In the simulator paths are its own; elsewhere they lie in a directory of this test. */
static char directory[40];

static void make_directory(void)
{
    snprintf(directory, sizeof directory, "%s", "/tmp/servers-XXXXXX");
    if (!test_on_sim())
        EXPECT_PTR(mkdtemp(directory), directory);
}

/* The directory has to be empty. */
static void remove_directory(void)
{
    if (!test_on_sim())
        EXPECT_INT(rmdir(directory), 0);
}

static const char *path_of(const char *name)
{
    static char path[80];

    snprintf(path, sizeof path, "%s/%s", directory, name);
    return path;
}

static struct asyncio_op_file look_at(const char *path, int *ret_r)
{
    struct asyncio_op op = {.opcode = ASYNCIO_OP_STAT, .file = {.path = path}};

    asyncio_op_submit(asyncio_get_running_loop(), &op);
    *ret_r = (int)op.result;
    return op.file;
}

static int unlink_file(const char *path)
{
    struct asyncio_op op = {.opcode = ASYNCIO_OP_UNLINK, .file = {.path = path}};

    asyncio_op_submit(asyncio_get_running_loop(), &op);
    return (int)op.result;
}

/* "a socket", "another file", "nothing". */
static const char *what_is(const char *path)
{
    int r;
    struct asyncio_op_file file = look_at(path, &r);

    return r == -ENOENT ? "nothing" : r < 0 ? said(r) : file.is_socket ? "a socket" : "another file";
}

#define SERVE_AT(name, ...) EXPECT_INT(asyncio_start_unix_server(echo, NULL, path_of(name), &server, ##__VA_ARGS__), 0)

static void echo_once(void)
{
    EXPECT_STR(echo_of(call_in(), "hello"), "hello");
}

static int in_directory(asyncio_coro *fn)
{
    int r;

    make_directory();
    r = play(fn);
    remove_directory();
    return r;
}

/* A bound socket that nobody unlinks, as a server that died leaves it. */
static struct asyncio_socket *bind_at(const char *path)
{
    struct asyncio_address address;
    struct asyncio_socket *socket = NULL;

    EXPECT_INT(asyncio_address_unix(&address, path), 0);
    EXPECT_INT(asyncio_socket(AF_UNIX, SOCK_STREAM, 0, &socket), 0);
    EXPECT_INT(asyncio_socket_bind(socket, &address), 0);
    return socket;
}

/* --------------------------------------------------------------------------------------------- The file's beginning */

static int plain(void *arg)
{
    struct asyncio_address address = {.size = 0};
    char text[128] = "";

    (void)arg;
    SERVE_AT("a");
    EXPECT_STR(what_is(path_of("a")), "a socket");
    EXPECT_INT(asyncio_server_sockname(server, 0, &address), 0);
    asyncio_address_format(&address, text, sizeof text);
    EXPECT_STR(text, path_of("a"));
    echo_once();
    asyncio_server_close(server);
    EXPECT_STR(what_is(path_of("a")), "nothing");
    end_server();
    unlink_file(path_of("a"));
    return 0;
}

TEST(removed_at_the_end, "N-09 #94: the socket's file is there while the server listens, and removed when it is closed")
{
    EXPECT_INT(in_directory(plain), 0);
}

static int stale(void *arg)
{
    (void)arg;
    asyncio_socket_unref(bind_at(path_of("a")));
    EXPECT_STR(what_is(path_of("a")), "a socket");
    SERVE_AT("a");
    echo_once();
    end_server();
    EXPECT_STR(what_is(path_of("a")), "nothing");
    unlink_file(path_of("a"));
    return 0;
}

TEST(stale_file, "N-09: a socket file that is there already is removed before bind")
{
    EXPECT_INT(in_directory(stale), 0);
}

static int other_file(void *arg)
{
    char expected[128];
    FILE *file;

    (void)arg;
    file = fopen(path_of("a"), "we");
    EXPECT(file != NULL);
    if (file)
        fclose(file);
    EXPECT_INT(asyncio_start_unix_server(echo, NULL, path_of("a"), &server), -EADDRINUSE);
    snprintf(expected, sizeof expected, "bind %s: Address already in use", path_of("a"));
    EXPECT_STR(asyncio_error_detail(), expected);
    EXPECT_STR(what_is(path_of("a")), "another file");
    unlink(path_of("a"));
    /* A link to a socket is no socket either. */
    asyncio_socket_unref(bind_at(path_of("b")));
    EXPECT_INT(symlink("b", path_of("a")), 0);
    EXPECT_INT(asyncio_start_unix_server(echo, NULL, path_of("a"), &server), -EADDRINUSE);
    EXPECT_STR(what_is(path_of("b")), "a socket");
    unlink(path_of("a"));
    unlink(path_of("b"));
    return 0;
}

TEST_EPOLL(other_files, "N-09 #94: no other file is ever removed; the error names the path")
{
    EXPECT_INT(in_directory(other_file), 0);
}

static int bad_paths(void *arg)
{
    char path[120];

    (void)arg;
    memset(path, 'x', sizeof path - 1);
    path[sizeof path - 1] = 0;
    EXPECT_INT(asyncio_start_unix_server(echo, NULL, path, &server), -ENAMETOOLONG);
    EXPECT_INT(asyncio_start_unix_server(echo, NULL, "", &server), -EINVAL);
    EXPECT_PTR(server, NULL);
    return 0;
}

TEST(bad_paths, "ST-03: a path that cannot be an address is refused")
{
    EXPECT_INT(play(bad_paths), 0);
}

/* --------------------------------------------------------------------------------------------------- The file's end */

static int taken_over(void *arg)
{
    struct asyncio_server *second = NULL;

    (void)arg;
    SERVE_AT("a");
    EXPECT_INT(asyncio_start_unix_server(echo, NULL, path_of("a"), &second), 0);
    asyncio_server_close(server);
    EXPECT_STR(what_is(path_of("a")), "a socket");
    end_server();
    server = second;
    echo_once();
    end_server();
    EXPECT_STR(what_is(path_of("a")), "nothing");
    unlink_file(path_of("a"));
    return 0;
}

TEST(taken_over, "N-09 #94: a server that lost its name to another one does not remove that one's file")
{
    EXPECT_INT(in_directory(taken_over), 0);
}

static int kept(void *arg)
{
    (void)arg;
    SERVE_AT("a", .keep_socket_file = true);
    end_server();
    EXPECT_STR(what_is(path_of("a")), "a socket");
    EXPECT_INT(unlink_file(path_of("a")), 0);
    return 0;
}

TEST(kept_file, "N-09: with .keep_socket_file it stays")
{
    EXPECT_INT(in_directory(kept), 0);
}

static int handed_over(void *arg)
{
    (void)arg;
    EXPECT_INT(asyncio_start_unix_server(echo, NULL, NULL, &server, .sock = bind_at(path_of("a"))), 0);
    echo_once();
    end_server();
    EXPECT_STR(what_is(path_of("a")), "a socket");
    EXPECT_INT(unlink_file(path_of("a")), 0);
    return 0;
}

TEST(handed_over, "D-08 #94: the file of a socket that was handed over is not the server's to remove")
{
    EXPECT_INT(in_directory(handed_over), 0);
}

static int gone_before(void *arg)
{
    (void)arg;
    SERVE_AT("a");
    EXPECT_INT(unlink_file(path_of("a")), 0);
    asyncio_server_close(server);
    EXPECT_INT(asyncio_server_wait_closed(server), 0);
    end_server();
    return 0;
}

TEST(gone_before, "#94: a file that is gone already is no error, and nobody waits for it")
{
    EXPECT_INT(in_directory(gone_before), 0);
}

/* An unlink that fails: the directory has become read-only. Root may do everything, so this is another back end. */
static bool (*inner_submit)(struct asyncio_backend *backend, struct asyncio_op *op);

static bool submit_without_unlink(struct asyncio_backend *backend, struct asyncio_op *op)
{
    if (op->opcode != ASYNCIO_OP_UNLINK)
        return inner_submit(backend, op);
    op->result = -EACCES;
    return true;
}

static int cannot_be_removed(void *arg)
{
    (void)arg;
    SERVE_AT("a");
    asyncio_server_close(server);
    EXPECT_LOG("could not be removed: Permission denied");
    EXPECT_INT(asyncio_server_wait_closed(server), 0);
    end_server();
    return 0;
}

TEST_NO_SWEEP(cannot_be_removed, "#94: a file that cannot be removed is reported, and nobody waits for ever",
              "what is logged is what it is about")
{
    struct asyncio_loop_kw kw = {.size = sizeof kw};
    struct asyncio_backend_ops ops;
    struct asyncio_loop *loop;

    make_directory();
    EXPECT_INT(new_loop(&loop), 0);
    ops = *loop->ops;
    inner_submit = ops.submit;
    ops.submit = submit_without_unlink;
    close_loop(loop);
    EXPECT_INT(asyncio_new_event_loop_on(&loop, &ops, NULL, &kw), 0);
    EXPECT_INT(asyncio_loop_run_until_complete(loop, cannot_be_removed, NULL), 0);
    close_loop(loop);
    if (!test_on_sim())
        EXPECT_INT(unlink(path_of("a")), 0);
    remove_directory();
}

static int abstract(void *arg)
{
    struct asyncio_server *second = NULL;

    (void)arg;
    EXPECT_INT(asyncio_start_unix_server(echo, NULL, a_path(), &server), 0);
    EXPECT_STR(what_is(a_path()), "nothing");
    EXPECT_INT(asyncio_start_unix_server(echo, NULL, a_path(), &second), -EADDRINUSE);
    echo_once();
    asyncio_server_unref(second);
    end_server();
    EXPECT_INT(asyncio_start_unix_server(echo, NULL, a_path(), &server), 0);
    end_server();
    return 0;
}

TEST(abstract, "N-09: an abstract name has no file, and is free again when the server is closed")
{
    EXPECT_INT(play(abstract), 0);
}

static int failing_later(void *arg)
{
    (void)arg;
    cancel(asyncio_current_task());
    EXPECT_INT(asyncio_start_unix_server(echo, NULL, path_of("a"), &server), -ECANCELED);
    EXPECT_PTR(server, NULL);
    EXPECT_STR(what_is(path_of("a")), "nothing");
    return 0;
}

TEST(cancelled_start, "N-15 #94: nothing is left of a server whose start was cancelled, its file neither")
{
    EXPECT_INT(in_directory(failing_later), 0);
}

static int failing_start(void *arg)
{
    int n_failed = 0, r = -ENOMEM;

    (void)arg;
    for (int n = 0; n < 50 && r == -ENOMEM; n++) {
        asyncio_fail_allocation(n, 1);
        r = asyncio_start_unix_server(echo, NULL, path_of("a"), &server);
        asyncio_fail_allocation(-1, 0);
        n_failed += r < 0;
        if (r == -ENOMEM)
            EXPECT_STR(what_is(path_of("a")), "nothing");
    }
    EXPECT_INT(r, 0);
    EXPECT(n_failed > 2);
    end_server();
    EXPECT_STR(what_is(path_of("a")), "nothing");
    return 0;
}

TEST_NO_SWEEP(failed_start, "N-09 #94: nor of one that could not be made after all",
              "it lets allocations fail by itself")
{
    EXPECT_INT(in_directory(failing_start), 0);
    /* Accepting may have been out of memory, too, and goes on by itself. */
    EXPECT(captured_log() != NULL);
}

/* ------------------------------------------------------------------------------------------------- The loop's end */

static int left_open(void *arg)
{
    (void)arg;
    SERVE_AT("a");
    return 0;
}

TEST(closed_by_the_loop, "N-09: the file is removed also when it is the loop's close that closes the server")
{
    EXPECT_INT(in_directory(left_open), 0);
    end_server();
}

static int forks(void *arg)
{
    int status = -1;
    pid_t pid;

    (void)arg;
    SERVE_AT("a");
    fflush(NULL);
    pid = fork();
    if (pid == 0) {
        asyncio_server_close(server);
        _exit(0);
    }
    EXPECT_INT(waitpid(pid, &status, 0), pid);
    EXPECT_STR(what_is(path_of("a")), "a socket");
    echo_once();
    end_server();
    return 0;
}

TEST_EPOLL(in_a_child, "R20 #94: a forked child does not remove its parent's file")
{
    EXPECT_INT(in_directory(forks), 0);
}
