/* test_handover_servers.c -- sockets of servers that go to a successor, in this process and in another. */
#include "handover_rig.h"

/* ---------------------------------------------------------------------------------------------------- From a server */

/* Answers each byte with the letter that the server was made with. */
static int answer(struct asyncio_streamreader *reader, struct asyncio_streamwriter *writer, void *arg)
{
    char byte;

    while (asyncio_streamreader_read(reader, &byte, 1) == 1)
        if (asyncio_streamwriter_write(writer, arg, 1) < 0)
            break;
    asyncio_streamwriter_close(writer);
    return asyncio_streamwriter_wait_closed(writer);
}

static int serve(const char *letter, struct asyncio_socket *socket, struct asyncio_server **ret_server)
{
    return asyncio_start_server(answer, (void *)(uintptr_t)letter, socket ? NULL : "127.0.0.1", 0, ret_server,
                                .sock = socket);
}

/* The letter that a new connection is answered with; 0: it was not answered. */
static char ask(const struct asyncio_address *of)
{
    struct asyncio_socket *socket = NULL;
    char letter = 0;

    if (asyncio_socket(asyncio_address_family(of), SOCK_STREAM, 0, &socket) < 0)
        return 0;
    if (asyncio_sock_connect(socket, of) < 0 || asyncio_sock_sendall(socket, "?", 1) < 0 ||
        asyncio_sock_recv(socket, &letter, 1) != 1)
        letter = 0;
    asyncio_socket_unref(socket);
    return letter;
}

TEST_HANDOVER(sockets_of_servers,
              "R14: a server's socket goes on listening for a successor when the server has stopped")
{
    struct asyncio_server *old = NULL, *new = NULL;
    struct asyncio_socket *socket = NULL;

    EXPECT_INT(serve("a", NULL, &old), 0);
    EXPECT_INT(asyncio_server_sockname(old, 0, &address), 0);
    EXPECT_INT(ask(&address), 'a');
    EXPECT_INT(asyncio_server_socket(old, 1, &socket), -EINVAL);
    EXPECT_INT(asyncio_server_socket(old, 0, NULL), -EINVAL);
    EXPECT_INT(asyncio_server_socket(NULL, 0, &socket), -EINVAL);
    EXPECT_INT(asyncio_server_socket(old, 0, &socket), 0);
    EXPECT_INT(asyncio_server_stop(old, 5), 0);
    EXPECT_INT(serve("b", socket, &new), 0);
    EXPECT_INT(asyncio_server_socket(old, 0, &socket), -EINVAL);
    EXPECT_INT(ask(&address), 'b');
    asyncio_server_unref(old);
    asyncio_server_unref(new);
    return 0;
}

/* A connection that is made before the loop sees anything of it. */
static int connect_raw(void)
{
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    EXPECT_INT(connect(fd, (const struct sockaddr *)&address.data, (socklen_t)address.size), 0);
    return fd;
}

/* On io_uring the kernel may have accepted whom the loop has not seen yet. */
TEST_HANDOVER(late_clients, "R14: who was accepted just before a server with a successor stops is served to the end")
{
    struct asyncio_server *old = NULL, *new = NULL;
    struct asyncio_socket *socket = NULL;
    int fds[20];
    char letter;

    EXPECT_INT(serve("a", NULL, &old), 0);
    EXPECT_INT(asyncio_server_sockname(old, 0, &address), 0);
    EXPECT_INT(asyncio_server_socket(old, 0, &socket), 0);
    for (int i = 0; i < 20; i++) {
        fds[i] = connect_raw();
        EXPECT_INT(send(fds[i], "?", 1, 0), 1);
    }
    for (int i = 0; i < 20; i++)
        shutdown(fds[i], SHUT_WR);
    EXPECT_INT(asyncio_server_stop(old, 5), 0);
    EXPECT_INT(serve("b", socket, &new), 0);
    for (int i = 0; i < 20; i++) {
        EXPECT_INT(asyncio_wait_fd(fds[i], ASYNCIO_READABLE), ASYNCIO_READABLE);
        EXPECT_INT(recv(fds[i], &letter, 1, 0), 1);
        close(fds[i]);
    }
    asyncio_server_unref(old);
    EXPECT_INT(asyncio_server_stop(new, 5), 0);
    asyncio_server_unref(new);
    return 0;
}

TEST_HANDOVER(files_of_unix_servers, "R14: the file of a Unix socket stays when a successor has the socket")
{
    char path[] = "/tmp/asyncio-handover-XXXXXX", name[64];
    struct asyncio_server *old = NULL, *new = NULL;
    struct asyncio_socket *socket = NULL;

    EXPECT(mkdtemp(path) != NULL);
    snprintf(name, sizeof name, "%s/socket", path);
    EXPECT_INT(asyncio_start_unix_server(answer, (void *)(uintptr_t) "a", name, &old), 0);
    EXPECT_INT(asyncio_server_socket(old, 0, &socket), 0);
    EXPECT_INT(asyncio_server_stop(old, 5), 0);
    EXPECT_INT(asyncio_start_unix_server(answer, (void *)(uintptr_t) "b", NULL, &new, .sock = socket), 0);
    EXPECT_INT(asyncio_address_unix(&address, name), 0);
    EXPECT_INT(ask(&address), 'b');
    asyncio_server_unref(old);
    asyncio_server_unref(new);
    EXPECT_INT(unlink(name), 0);
    EXPECT_INT(rmdir(path), 0);
    return 0;
}

/* ------------------------------------------------------------------------------------------- From process to process
 *
 * An old process serves until it is told, by a byte, to hand over, and on until the new one does. That serves until its
 * connection to their starter ends. */

struct processes {
    int to_old[2], between[2], to_new[2]; /* Unix sockets */
};

static struct asyncio_socket *socket_of(int fd)
{
    struct asyncio_socket *socket = NULL;

    if (asyncio_socket_from_fd(fd, &socket) < 0)
        _exit(90);
    return socket;
}

static int be_old(void *arg)
{
    const struct processes *processes = arg;
    struct asyncio_socket *starter = socket_of(processes->to_old[1]), *successor = socket_of(processes->between[0]);
    struct asyncio_socket *listening = NULL;
    struct asyncio_server *server = NULL;
    char byte;

    if (serve("a", NULL, &server) < 0 || asyncio_server_sockname(server, 0, &address) < 0 ||
        asyncio_sock_sendall(starter, &address, sizeof address) < 0 || asyncio_sock_recv(starter, &byte, 1) != 1)
        return 91;
    if (asyncio_server_socket(server, 0, &listening) < 0 || asyncio_send_sockets(successor, &listening, 1, "echo") < 0)
        return 92;
    asyncio_socket_unref(listening);
    if (asyncio_sock_recv(successor, &byte, 1) != 1 || asyncio_server_stop(server, PATIENCE_S) != 0)
        return 93;
    asyncio_server_unref(server);
    asyncio_socket_unref(successor);
    asyncio_socket_unref(starter);
    return 0;
}

static int be_new(void *arg)
{
    const struct processes *processes = arg;
    struct asyncio_socket *starter = socket_of(processes->to_new[1]), *predecessor = socket_of(processes->between[1]);
    struct asyncio_socket *listening = NULL;
    struct asyncio_server *server = NULL;
    size_t n = 1;
    char byte;

    if (asyncio_receive_sockets(predecessor, &listening, &n, &byte, 1) < 0 || serve("b", listening, &server) < 0)
        return 94;
    if (asyncio_sock_sendall(predecessor, "!", 1) < 0 || asyncio_sock_recv(starter, &byte, 1) != 0)
        return 95;
    if (asyncio_server_stop(server, PATIENCE_S) != 0)
        return 96;
    asyncio_server_unref(server);
    asyncio_socket_unref(predecessor);
    asyncio_socket_unref(starter);
    return 0;
}

/* The child keeps its own two ends only, so that each connection ends with the processes that it is of. */
static pid_t start_process(asyncio_coro *fn, struct processes *processes, int to_starter, int to_other)
{
    const int fds[] = {processes->to_old[0],  processes->to_old[1], processes->between[0],
                       processes->between[1], processes->to_new[0], processes->to_new[1]};
    pid_t pid = fork();

    if (pid == 0) {
        for (size_t i = 0; i < sizeof fds / sizeof fds[0]; i++)
            if (fds[i] != to_starter && fds[i] != to_other)
                close(fds[i]);
        _exit(asyncio_run(fn, processes, .backend = test_backend()));
    }
    return pid;
}

static int n_answers[256];
static bool is_over;

static int ask_all_the_time(void *arg)
{
    (void)arg;
    while (!is_over && n_answers[0] == 0)
        n_answers[(unsigned char)ask(&address)]++;
    return 0;
}

static int put_under_load(void *arg)
{
    const struct processes *processes = arg;

    for (int i = 0; i < 8; i++)
        spawn(ask_all_the_time, NULL, "client");
    while (n_answers['a'] < 200 && n_answers[0] == 0)
        EXPECT_INT(asyncio_sleep(0.001), 0);
    EXPECT_INT(write(processes->to_old[0], "!", 1), 1);
    while (n_answers['b'] < 400 && n_answers[0] == 0)
        EXPECT_INT(asyncio_sleep(0.001), 0);
    is_over = true;
    everybody();
    return 0;
}

TEST_REAL(handover_under_load,
          "R14: a process takes a socket over from another one while clients come: each is answered")
{
    struct processes processes;
    pid_t old, new;

    test_needs_seconds(60);
    EXPECT_INT(socketpair(AF_UNIX, SOCK_STREAM, 0, processes.to_old), 0);
    EXPECT_INT(socketpair(AF_UNIX, SOCK_STREAM, 0, processes.between), 0);
    EXPECT_INT(socketpair(AF_UNIX, SOCK_STREAM, 0, processes.to_new), 0);
    old = start_process(be_old, &processes, processes.to_old[1], processes.between[0]);
    new = start_process(be_new, &processes, processes.to_new[1], processes.between[1]);
    close(processes.to_old[1]);
    close(processes.between[0]);
    close(processes.between[1]);
    close(processes.to_new[1]);
    EXPECT_INT(recv(processes.to_old[0], &address, sizeof address, MSG_WAITALL), sizeof address);
    EXPECT_INT(run(put_under_load, &processes), 0);
    dismiss_crew();
    close(processes.to_new[0]);
    EXPECT_INT(end_of_process(old), 0);
    EXPECT_INT(end_of_process(new), 0);
    close(processes.to_old[0]);
    EXPECT_INT(n_answers[0], 0);
    EXPECT(n_answers['a'] > 0 && n_answers['b'] > 0);
}

/* --------------------------------------------------------------------------------------------------------- Steering */

static int try_to_steer(void *arg)
{
    struct asyncio_server *alone = NULL, *sharing = NULL;

    (void)arg;
    if (serve("a", NULL, &alone) == 0)
        EXPECT_INT(asyncio_server_steer(alone, 2), test_on_sim() ? -ENOTSUP : -EINVAL);
    if (asyncio_start_server(answer, NULL, "127.0.0.1", 0, &sharing, .reuse_port = true) == 0)
        EXPECT_INT(asyncio_server_steer(sharing, 2), test_on_sim() ? -ENOTSUP : 0);
    EXPECT_INT(asyncio_server_steer(sharing, 0), -EINVAL);
    EXPECT_INT(asyncio_server_steer(NULL, 1), -EINVAL);
    asyncio_server_unref(alone);
    asyncio_server_unref(sharing);
    return 0;
}

TEST(steering, "R21: only a server that shares its port can be steered")
{
    EXPECT_INT(run(try_to_steer, NULL), 0);
}

static const char *const letters[] = {"0", "1", "2", "3"};

TEST_HANDOVER(steered_connections, "R21: connections go to the socket whose turn the receiving processor's number is")
{
    struct asyncio_server *servers[4];
    cpu_set_t before, one;
    int n_asked = 0;

    for (int i = 0; i < 4; i++) {
        EXPECT_INT(asyncio_start_server(answer, (void *)(uintptr_t)letters[i], "127.0.0.1",
                                        i ? asyncio_address_port(&address) : 0, &servers[i], .reuse_port = true),
                   0);
        EXPECT_INT(asyncio_server_sockname(servers[i], 0, &address), 0);
    }
    EXPECT_INT(asyncio_server_steer(servers[0], 4), 0);
    EXPECT_INT(sched_getaffinity(0, sizeof before, &before), 0);
    /* What goes over the loopback is received where it was sent. */
    for (int cpu = 0; cpu < CPU_SETSIZE && n_asked < 4; cpu++) {
        if (!CPU_ISSET(cpu, &before))
            continue;
        CPU_ZERO(&one);
        CPU_SET(cpu, &one);
        EXPECT_INT(sched_setaffinity(0, sizeof one, &one), 0);
        for (int i = 0; i < 10; i++)
            EXPECT_INT(ask(&address), '0' + cpu % 4);
        n_asked++;
    }
    EXPECT_INT(sched_setaffinity(0, sizeof before, &before), 0);
    for (int i = 0; i < 4; i++)
        asyncio_server_unref(servers[i]);
    return 0;
}
