/* Forwards TCP connections to another host and port, in both directions, until it is told to stop.
 *
 *     tcp_proxy [OPTION...] HOST PORT TARGET-HOST TARGET-PORT      PORT 0 takes one that is free
 *
 *     --most=N            connections at a time, 1000; more wait until one ends
 *     --connect=SECONDS   that the target may take to answer, and a client to shake hands, 10
 *     --idle=SECONDS      that a connection may stay without a byte that moves, 60
 *     --grace=SECONDS     that connections have to end by themselves when the proxy stops, 10; then they are aborted
 *     --cert=FILE         talk TLS with the clients (not with the target), with this certificate
 *     --key=FILE          and this private key, if that is not in the same file
 *
 * SIGTERM and Ctrl-C stop it, a second one without grace. SIGUSR1 prints the counters; so does the end. SIGHUP loads
 * the certificate again.
 *
 * A connection takes bounded memory, however fast one side sends and however slowly the other one reads: writing to who
 * does not read waits, whoever waits does not read either, and the sender's kernel makes the sender wait. */
#include <asyncio.h>

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <unistd.h>

/* What a closed connection may take to send what was written, in seconds. */
enum { CLOSE_TIMEOUT = 5 };

struct proxy {
    const char *host, *target_host, *certificate, *key;
    int port, target_port;
    long most;
    double connect, idle, grace;
    struct asyncio_server *server;
    struct asyncio_ssl_context *tls; /* NULL: clients talk plain TCP */
    /* How connections ended, and what they carried. */
    uint64_t n_done, n_idle, n_broken, n_unreachable, n_stopped;
    uint64_t n_up, n_down; /* bytes to the target, and from it */
};

static void complain(const char *what, int error)
{
    const char *detail = asyncio_error_detail();

    fprintf(stderr, "tcp_proxy: %s: %s\n", what, *detail ? detail : asyncio_strerror(error));
}

/* ----------------------------------------------------------------------------------------------------- A connection */

/* One of the two directions. */
struct direction {
    struct proxy *proxy;
    struct asyncio_streamreader *from;
    struct asyncio_streamwriter *to;
    struct asyncio_timeout *idle; /* of both directions */
    uint64_t *n_bytes;
    bool is_cut; /* who it leads to has hung up before the end */
};

/* Puts off the time-out. When it has expired already that fails, and the cancel is on its way. */
static void show_life(struct direction *direction)
{
    double now = asyncio_loop_time(asyncio_get_running_loop());

    asyncio_timeout_reschedule(direction->idle, now + direction->proxy->idle);
}

/* Passes an end on. TLS has no half connections: there the end of one direction is the end of both. */
static int pass_end(struct asyncio_streamwriter *to)
{
    if (asyncio_streamwriter_can_write_eof(to))
        return asyncio_streamwriter_write_eof(to);
    asyncio_streamwriter_close(to);
    return 0;
}

/* Copies from one side to the other until the one ends. If the other one hangs up before, it may have said something,
 * such as why, which the other direction is still passing on. What else there is to be copied is read and dropped,
 * because closing a connection with something unread resets it, and that may overtake the answer. Returns: 0; the error
 * of a side. */
static int copy(void *arg)
{
    struct direction *direction = arg;
    char buffer[16 * 1024];
    ssize_t n;
    int r;

    while ((n = asyncio_streamreader_read(direction->from, buffer, sizeof buffer)) > 0) {
        if (direction->is_cut)
            continue;
        show_life(direction);
        r = asyncio_streamwriter_write(direction->to, buffer, (size_t)n); /* waits while nobody reads there */
        if (r == -ECONNRESET || r == -EPIPE || r == -ASYNCIO_ECLOSED) {
            direction->is_cut = true;
            continue;
        }
        if (r < 0)
            return r;
        show_life(direction);
        *direction->n_bytes += (uint64_t)n;
    }
    if (n < 0)
        return (int)n;
    return direction->is_cut ? 0 : pass_end(direction->to);
}

/* Copies both ways: one is the group's only child, the other one its body. When one fails, the group cancels the other.
 * Returns: 0 when both sides have ended, 1 when one of them hung up before; -ETIMEDOUT when no byte moved for too long;
 * the error of a side. */
static int exchange(struct direction *up, struct direction *down)
{
    struct asyncio_taskgroup group = {.name = "exchange"};
    struct asyncio_timeout idle;
    int r = asyncio_timeout_enter(&idle, up->proxy->idle);

    up->idle = down->idle = &idle;
    if (r == 0)
        r = asyncio_taskgroup_enter(&group);
    if (r == 0) {
        asyncio_taskgroup_create_task(&group, copy, down, .name = "down");
        r = asyncio_taskgroup_exit(&group, copy(up));
    }
    r = asyncio_timeout_exit(&idle, r);
    return r == 0 ? up->is_cut || down->is_cut : r;
}

/* Connects to the target. Returns: 0, and a reader and a writer; an error, which was told. */
static int connect_to_target(const struct proxy *proxy, struct asyncio_streamreader **ret_reader,
                             struct asyncio_streamwriter **ret_writer)
{
    struct asyncio_timeout timeout;
    char name[300];
    int r = asyncio_timeout_enter(&timeout, proxy->connect);

    /* A target with several addresses: one that is slow to answer does not hold up the next. */
    if (r == 0)
        r = asyncio_open_connection(proxy->target_host, proxy->target_port, ret_reader, ret_writer,
                                    .happy_eyeballs_delay = 0.25, .close_timeout = CLOSE_TIMEOUT);
    r = asyncio_timeout_exit(&timeout, r);
    snprintf(name, sizeof name, "cannot connect to %s, port %d", proxy->target_host, proxy->target_port);
    if (r == -ETIMEDOUT)
        fprintf(stderr, "tcp_proxy: %s: no answer within %g s\n", name, proxy->connect);
    else if (r < 0 && r != -ECANCELED)
        complain(name, r);
    return r;
}

static void count_end(struct proxy *proxy, int r)
{
    if (r == 0)
        proxy->n_done++;
    else if (r == -ETIMEDOUT)
        proxy->n_idle++;
    else if (r == -ECANCELED)
        proxy->n_stopped++;
    else
        proxy->n_broken++;
}

/* Serves a client, whose connection is closed when it returns. */
static int forward(struct asyncio_streamreader *reader, struct asyncio_streamwriter *writer, void *arg)
{
    struct proxy *proxy = arg;
    struct asyncio_streamreader *target_reader;
    struct asyncio_streamwriter *target_writer;
    int r = connect_to_target(proxy, &target_reader, &target_writer);

    if (r < 0) {
        proxy->n_unreachable++;
        asyncio_streamwriter_abort(writer);
        return r == -ECANCELED ? r : 0;
    }
    r = exchange(&(struct direction){.proxy = proxy, .from = reader, .to = target_writer, .n_bytes = &proxy->n_up},
                 &(struct direction){.proxy = proxy, .from = target_reader, .to = writer, .n_bytes = &proxy->n_down});
    /* A reset is passed on as such: nobody shall take half a message for a whole one. */
    if (r < 0 && r != -ETIMEDOUT) {
        asyncio_streamwriter_abort(writer);
        asyncio_streamwriter_abort(target_writer);
    }
    /* What was written to the target is still sent before this client counts as served. */
    asyncio_streamwriter_close(target_writer);
    if (asyncio_streamwriter_wait_closed(target_writer) == -ECANCELED) {
        asyncio_streamwriter_abort(target_writer);
        r = -ECANCELED;
    }
    count_end(proxy, r);
    asyncio_streamreader_unref(target_reader);
    asyncio_streamwriter_unref(target_writer);
    return r == -ECANCELED ? r : 0;
}

/* -------------------------------------------------------------------------------------------------------- The proxy */

static void print_counters(const struct proxy *proxy)
{
    struct asyncio_server_counts counts = asyncio_server_counts(proxy->server);

    printf("connections: %" PRIu64 " accepted, %zu open, %" PRIu64 " done, %" PRIu64 " idle, %" PRIu64
           " broken, %" PRIu64 " unreachable, %" PRIu64 " stopped; bytes: %" PRIu64 " up, %" PRIu64 " down\n",
           counts.accepted, asyncio_server_n_clients(proxy->server), proxy->n_done, proxy->n_idle, proxy->n_broken,
           proxy->n_unreachable, proxy->n_stopped, proxy->n_up, proxy->n_down);
    fflush(stdout);
}

/* A task: lets connections end until the deadline, then aborts them. */
static int stop(void *arg)
{
    const struct proxy *proxy = arg;
    ssize_t n = asyncio_server_stop(proxy->server, proxy->grace);

    return n < 0 ? (int)n : 0;
}

/* Does what a signal asks for. `stopping` is the task that stops the server, once there is one. */
static int obey(struct proxy *proxy, uint32_t signal, struct asyncio_future **stopping)
{
    int r = 0;

    if (signal == SIGUSR1) {
        print_counters(proxy);
    } else if (signal == SIGHUP) {
        if (proxy->tls)
            r = asyncio_ssl_context_load_cert_chain(proxy->tls, proxy->certificate, proxy->key, NULL);
        if (r < 0)
            complain("the old certificate stays", r);
        r = 0;
    } else if (!*stopping) {
        *stopping = asyncio_create_task(stop, proxy, .name = "stop");
    } else {
        r = asyncio_cancel_and_wait(*stopping);
        asyncio_future_unref(*stopping);
        proxy->grace = 0;
        *stopping = asyncio_create_task(stop, proxy, .name = "stop at once");
    }
    return r;
}

/* Obeys signals until one of them has stopped the server. */
static int obey_signals(struct proxy *proxy, int signals)
{
    struct asyncio_future *stopping = NULL;
    struct signalfd_siginfo info;
    int r = 0;

    while (r >= 0) {
        struct asyncio_case cases[] = {ASYNCIO_ON_FD(signals, ASYNCIO_READABLE), ASYNCIO_ON_FUTURE(stopping)};

        r = asyncio_select(cases, stopping ? 2 : 1);
        if (r == 1) {
            r = asyncio_future_result(stopping);
            break;
        }
        while (r >= 0 && read(signals, &info, sizeof info) == sizeof info)
            r = obey(proxy, info.ssi_signo, &stopping);
    }
    asyncio_future_unref(stopping);
    return r;
}

static int load_certificate(struct proxy *proxy)
{
    int r = asyncio_ssl_create_default_context(&proxy->tls, ASYNCIO_SSL_CLIENT_AUTH);

    if (r == 0)
        r = asyncio_ssl_context_load_cert_chain(proxy->tls, proxy->certificate, proxy->key, NULL);
    return r;
}

static int start(struct proxy *proxy)
{
    struct asyncio_address address;
    char name[128];
    int r = proxy->certificate ? load_certificate(proxy) : 0;

    if (r < 0) {
        complain(proxy->certificate, r);
        return r;
    }
    r = asyncio_start_server(forward, proxy, proxy->host, proxy->port, &proxy->server, .backlog = 1024,
                             .max_connections = (size_t)proxy->most, .close_timeout = CLOSE_TIMEOUT, .ssl = proxy->tls,
                             .ssl_handshake_timeout = proxy->tls ? proxy->connect : 0,
                             .ssl_shutdown_timeout = proxy->tls ? CLOSE_TIMEOUT : 0);
    if (r == 0)
        r = asyncio_server_sockname(proxy->server, 0, &address);
    if (r < 0) {
        complain("cannot listen", r);
        return r;
    }
    asyncio_address_format(&address, name, sizeof name);
    printf("serving on %s\n", name);
    fflush(stdout);
    return 0;
}

/* Signals are read from a descriptor, so that they are obeyed in the midst of nothing else. */
static int open_signals(void)
{
    sigset_t signals;

    sigemptyset(&signals);
    sigaddset(&signals, SIGHUP);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGUSR1);
    sigprocmask(SIG_BLOCK, &signals, NULL);
    return signalfd(-1, &signals, SFD_NONBLOCK | SFD_CLOEXEC);
}

static int serve(void *arg)
{
    struct proxy *proxy = arg;
    int signals = open_signals();
    int r = signals < 0 ? -EMFILE : start(proxy);

    if (r == 0)
        r = obey_signals(proxy, signals);
    if (proxy->server)
        print_counters(proxy);
    asyncio_server_unref(proxy->server);
    asyncio_ssl_context_unref(proxy->tls);
    if (signals >= 0)
        close(signals);
    return r;
}

/* ----------------------------------------------------------------------------------------------------- Command line */

/* A connection takes two descriptors. Those that are more than the process may have would be turned away instead of
 * waiting. */
static void make_room(struct proxy *proxy)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
        return;
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    if (limit.rlim_cur == RLIM_INFINITY || (rlim_t)proxy->most <= (limit.rlim_cur - 32) / 2)
        return;
    proxy->most = (long)(limit.rlim_cur - 32) / 2;
    fprintf(stderr, "tcp_proxy: this process may have %ld connections only\n", proxy->most);
}

/* Returns: the number; -1 for what is none. */
static double number_of(const char *text)
{
    char *end;
    double number = strtod(text, &end);

    return end != text && *end == '\0' && number >= 0 ? number : -1;
}

/* Returns: the port; -1 for what is none. */
static int port_of(const char *text)
{
    double number = number_of(text);

    return number <= 65535 ? (int)number : -1;
}

static bool read_options(int argc, char **argv, struct proxy *proxy)
{
    static const struct option names[] = {{"most", 1, NULL, 'm'},
                                          {"connect", 1, NULL, 'c'},
                                          {"idle", 1, NULL, 'i'},
                                          {"grace", 1, NULL, 'g'},
                                          {"cert", 1, NULL, 'C'},
                                          {"key", 1, NULL, 'K'},
                                          {0}};
    double most = 1000;
    int option;

    while ((option = getopt_long(argc, argv, "", names, NULL)) != -1)
        switch (option) {
        case 'm':
            most = number_of(optarg);
            break;
        case 'c':
            proxy->connect = number_of(optarg);
            break;
        case 'i':
            proxy->idle = number_of(optarg);
            break;
        case 'g':
            proxy->grace = number_of(optarg);
            break;
        case 'C':
            proxy->certificate = optarg;
            break;
        case 'K':
            proxy->key = optarg;
            break;
        default:
            return false;
        }
    if (argc - optind != 4 || (proxy->key && !proxy->certificate))
        return false;
    proxy->host = argv[optind];
    proxy->port = port_of(argv[optind + 1]);
    proxy->target_host = argv[optind + 2];
    proxy->target_port = port_of(argv[optind + 3]);
    proxy->most = most <= 1e6 ? (long)most : 0;
    return proxy->most > 0 && proxy->connect > 0 && proxy->idle > 0 && proxy->grace >= 0 && proxy->port >= 0 &&
           proxy->target_port > 0;
}

int main(int argc, char **argv)
{
    struct proxy proxy = {.connect = 10, .idle = 60, .grace = 10};

    if (!read_options(argc, argv, &proxy)) {
        fprintf(stderr, "usage: tcp_proxy [--most=N] [--connect=SECONDS] [--idle=SECONDS] [--grace=SECONDS]\n"
                        "                 [--cert=FILE [--key=FILE]] HOST PORT TARGET-HOST TARGET-PORT\n");
        return 2;
    }
    make_room(&proxy);
    return asyncio_run(serve, &proxy, .keep_sigint = true) < 0;
}
