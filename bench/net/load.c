/* load.c -- the client side of the network benchmarks, the same for every server: one thread, epoll, edge-triggered.
 *
 *     load [-k KIND] -p PORT [-s SERVER_PID] [-c CONNECTIONS] [-b BYTES] [-l LINES] [-w WARM_UP] [-t SECONDS]
 *          [-y SECONDS] [-f] [-T] [-r] [-F FILE]
 *
 * KIND is
 *     echo     on each connection a message is sent, its echo awaited, and so on; with -l a message is so many lines of
 *              so many bytes, each of which is a request
 *     stream   messages are sent without waiting for their echoes
 *     churn    each connection carries one message and its echo and is closed, then another is opened
 *     idle     each connection carries one message and its echo and is left alone
 *     handshake  TLS: each connection shakes hands, waits for the ticket that resumes its session, and is closed, then
 *              another is opened; with -r it resumes the session of the one before
 *     bulk     each connection asks for FILE by HTTP, again and again; a request is a byte of it
 *
 * With -T everything is said over TLS, but for streams and churn. Each byte that comes back is compared. A run has
 * three parts: WARM_UP seconds, SECONDS that are measured (more if the machine is too busy), and SECONDS in which the
 * server's system calls are counted, which makes them dearer. With -f there is one connection more, which floods the
 * server: it sends without waiting and throws away what comes back.
 *
 * Prints one line, a JSON object: requests, seconds, server_ns (processor time of the server, all its threads), p50,
 * p99, p999, max (nanoseconds of a request, to 1.6 %), calls (system calls a request, if they can be counted), flood
 * (bytes echoed to the flooder); for idle: rss and page_tables, bytes that the server has more than before. */
#include "load.h"
#include "load_tls.h"
#include "wire.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>

#define MOST_EVENTS 256
#define STAMP       8 /* bytes at the head of a message that tell it from all others */
/* What streams carry repeats after so many bytes, a prime, so that pieces that are lost or swapped do not fit. */
#define PERIOD       65521
#define STREAM_PIECE (256 * 1024)
/* A measurement goes on until there are three requests a connection and the server has worked so long; but not longer
 * than PATIENCE_NS. Only a machine that is busy with other things needs more than was asked for. */
#define LEAST_SERVER_NS (20 * (uint64_t)1000000)
#define PATIENCE_NS     (10 * (uint64_t)1000000000)

enum kind { ECHO, STREAM, CHURN, IDLE, HANDSHAKE, BULK };

struct connection {
    int fd;
    bool is_flooder;
    bool is_ending; /* it has said so, and waits for the server to do the same */
    char stamp[STAMP];
    uint64_t sent, received; /* bytes of this message; of a stream, of all; of the file */
    uint64_t begin_ns;
    struct tls tls;
    char head[1024]; /* of an answer by HTTP */
    size_t head_size;
    bool is_in_body;
};

static enum kind kind = ECHO;
static int port, server_pid, n_connections = 1, n_lines = 1;
static size_t message_size = 64;
static double warm_up = 0.2, seconds = 1, counted_seconds;
static bool with_flooder, with_tls, resumes;
static const char *file_name;

static int epoll_fd;
static char *message, *reply; /* a message, whose stamp is put in before use; of a stream, PERIOD bytes and more */
static uint64_t n_requests, n_messages, n_streamed, n_flooded, n_idle;
static char *file;
static size_t file_size;
static struct histogram histogram;

static void wrong(const char *what)
{
    fprintf(stderr, "load: %s\n", what);
    exit(3);
}

static bool would_block(ssize_t n)
{
    return n < 0 && (errno == EAGAIN || errno == EINPROGRESS || errno == ENOTCONN);
}

static bool is_counted_in_bytes(void)
{
    return kind == STREAM || kind == BULK;
}

/* ------------------------------------------------------------------------------------------- connections */

/* Closed connections rest for a minute, in which their pair of addresses and ports is taken: so many addresses of
 * loopback are used in turn that there are always free ones. */
static void bind_source(int fd)
{
    static unsigned n;
    struct sockaddr_in source = {.sin_family = AF_INET};
    int one = 1;

    source.sin_addr.s_addr = htonl(0x7f010000u + ((unsigned)getpid() % 1000) * 64 + n++ % 64);
    setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof one);
    if (bind(fd, (struct sockaddr *)&source, sizeof source) < 0)
        fail("bind");
}

static void open_connection(struct connection *connection)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLET, .data.ptr = connection};
    int flags = kind == CHURN || kind == HANDSHAKE ? SOCK_NONBLOCK : 0;
    int one = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | flags, 0);

    if (fd < 0)
        fail("socket");
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    bind_source(fd);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if (connect(fd, (struct sockaddr *)&address, sizeof address) < 0 && errno != EINPROGRESS)
        fail("connect");
    fcntl(fd, F_SETFL, O_NONBLOCK);
    if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0)
        fail("epoll_ctl");
    connection->fd = fd;
    connection->begin_ns = now_ns();
    if (with_tls)
        tls_open(&connection->tls, fd);
}

static ssize_t put(struct connection *connection, const char *data, size_t size)
{
    if (connection->tls.ssl)
        return tls_send(&connection->tls, data, size);
    return send(connection->fd, data, size, MSG_NOSIGNAL);
}

static ssize_t get(struct connection *connection, char *data, size_t size)
{
    if (connection->tls.ssl)
        return tls_recv(&connection->tls, data, size);
    return recv(connection->fd, data, size, 0);
}

/* ---------------------------------------------------------------------------------------------- messages */

/* Sends what is left of the message. Stamp and text leave in one piece. */
static void send_message(struct connection *connection)
{
    while (connection->sent < message_size) {
        ssize_t n;

        memcpy(message, connection->stamp, STAMP);
        n = put(connection, message + connection->sent, message_size - connection->sent);
        if (would_block(n))
            return;
        if (n < 0)
            fail("send");
        connection->sent += (uint64_t)n;
    }
}

static void begin_message(struct connection *connection, uint64_t now)
{
    uint64_t number = n_messages++;

    for (int i = 0; i < STAMP; i++, number >>= 4)
        connection->stamp[i] = (char)('a' + (number & 15));
    connection->sent = connection->received = 0;
    connection->begin_ns = now;
    send_message(connection);
}

/* Returns: whether the reply is whole. */
static bool receive_message(struct connection *connection)
{
    while (connection->received < message_size) {
        size_t wanted = message_size - connection->received;
        ssize_t n = get(connection, reply + connection->received, wanted);

        if (would_block(n))
            return false;
        if (n <= 0)
            wrong("the server hung up");
        memcpy(message, connection->stamp, STAMP);
        if (memcmp(message + connection->received, reply + connection->received, (size_t)n) != 0)
            wrong("the echo is not what was sent");
        connection->received += (uint64_t)n;
        /* A socket is empty then, but TLS gives a record at a time. */
        if ((size_t)n < wanted && !connection->tls.ssl)
            return false;
    }
    return true;
}

static void serve_message(struct connection *connection)
{
    uint64_t now;

    if (connection->sent < message_size)
        send_message(connection);
    if (connection->received == message_size || !receive_message(connection))
        return;
    now = now_ns();
    histogram_add(&histogram, now - connection->begin_ns);
    n_requests += (uint64_t)n_lines;
    n_idle += kind == IDLE;
    if (kind == CHURN) {
        close(connection->fd);
        now = now_ns();
        open_connection(connection);
    }
    if (kind != IDLE)
        begin_message(connection, now);
}

/* ----------------------------------------------------------------------------------------------- streams */

/* Returns: whether there may be more to do without waiting. */
static bool serve_stream(struct connection *connection)
{
    size_t wanted = STREAM_PIECE;
    ssize_t received = recv(connection->fd, reply, wanted, 0), sent;

    if (received == 0 || (received < 0 && !would_block(received)))
        wrong("the server hung up");
    if (received > 0) {
        if (memcmp(message + connection->received % PERIOD, reply, (size_t)received) != 0)
            wrong("the echo is not what was sent");
        connection->received += (uint64_t)received;
        n_streamed += (uint64_t)received;
    }
    sent = send(connection->fd, message + connection->sent % PERIOD, wanted, MSG_NOSIGNAL);
    if (sent < 0 && !would_block(sent))
        fail("send");
    if (sent > 0)
        connection->sent += (uint64_t)sent;
    return received == (ssize_t)wanted || sent == (ssize_t)wanted;
}

/* -------------------------------------------------------------------------------------------- handshakes */

/* Waits until the server has hung up, too, so that no reset tells it of data that nobody wanted. */
static void serve_end(struct connection *connection)
{
    ssize_t n;

    while ((n = recv(connection->fd, reply, STREAM_PIECE, 0)) > 0)
        continue;
    if (would_block(n))
        return;
    close(connection->fd);
    connection->is_ending = false;
    open_connection(connection);
}

static void serve_handshake(struct connection *connection)
{
    char byte;
    ssize_t n = tls_recv(&connection->tls, &byte, 1);

    if (!would_block(n))
        wrong(n ? "the server said something" : "the server hung up");
    if (!connection->tls.has_ticket)
        return;
    histogram_add(&histogram, now_ns() - connection->begin_ns);
    n_requests++;
    tls_close(&connection->tls);
    shutdown(connection->fd, SHUT_WR);
    connection->is_ending = true;
    serve_end(connection);
}

/* ------------------------------------------------------------------------------------------------- files */

static void ask_for_file(struct connection *connection)
{
    static const char request[] = "GET /file HTTP/1.1\r\nHost: localhost\r\n\r\n";

    connection->head_size = 0;
    connection->received = 0;
    connection->is_in_body = false;
    if (put(connection, request, sizeof request - 1) != (ssize_t)sizeof request - 1)
        wrong("a request does not fit into the socket");
}

/* Returns: the part of the body that came with the end of the head, NULL: none. */
static char *end_of_head(struct connection *connection)
{
    char *end, *length;

    connection->head[connection->head_size] = 0;
    end = strstr(connection->head, "\r\n\r\n");
    if (!end && connection->head_size == sizeof connection->head - 1)
        wrong("too long a head");
    if (!end)
        return NULL;
    length = strstr(connection->head, "Content-Length: ");
    if (strncmp(connection->head, "HTTP/1.1 200 ", 13) != 0 || !length || strtoull(length + 16, NULL, 10) != file_size)
        wrong("the answer is not the file");
    connection->is_in_body = true;
    return end + 4;
}

static void check_body(struct connection *connection, const char *data, size_t size)
{
    if (size > file_size - connection->received || memcmp(file + connection->received, data, size) != 0)
        wrong("the file is not what it is to be");
    connection->received += size;
    n_streamed += size;
}

/* Reads until there is no more, or until the file is whole: then nothing is left that would be no event. */
static void serve_bulk(struct connection *connection)
{
    while (!connection->is_in_body || connection->received < file_size) {
        char *place = connection->is_in_body ? reply : connection->head + connection->head_size, *body;
        size_t room = connection->is_in_body ? STREAM_PIECE : sizeof connection->head - 1 - connection->head_size;
        ssize_t n = get(connection, place, room);

        if (would_block(n))
            return;
        if (n <= 0)
            wrong("the server hung up");
        if (connection->is_in_body) {
            check_body(connection, reply, (size_t)n);
            continue;
        }
        connection->head_size += (size_t)n;
        body = end_of_head(connection);
        if (body)
            check_body(connection, body, connection->head_size - (size_t)(body - connection->head));
    }
    ask_for_file(connection);
}

/* Sends as much as the socket takes, within bounds, so that the flooder does not keep the client from the others. What
 * comes back is dropped in the kernel. */
static void serve_flooder(struct connection *connection)
{
    ssize_t n;

    while ((n = recv(connection->fd, NULL, STREAM_PIECE, MSG_TRUNC)) > 0)
        n_flooded += (uint64_t)n;
    if (n == 0 || !would_block(n))
        wrong("the server hung up on the flooder");
    for (int i = 0; i < 4; i++)
        if (send(connection->fd, reply, STREAM_PIECE, MSG_NOSIGNAL) < STREAM_PIECE)
            break;
}

/* -------------------------------------------------------------------------------------------------- runs */

static void begin_talk(struct connection *connection, uint64_t now)
{
    if (kind == BULK)
        ask_for_file(connection);
    else if (kind != STREAM && kind != HANDSHAKE)
        begin_message(connection, now);
}

static void serve_event(struct connection *connection)
{
    if (connection->is_ending) {
        serve_end(connection);
        return;
    }
    if (connection->tls.ssl && !connection->tls.is_shaken) {
        if (!tls_shake_hands(&connection->tls))
            return;
        begin_talk(connection, now_ns());
    }
    if (connection->is_flooder) {
        serve_flooder(connection);
    } else if (kind == HANDSHAKE) {
        serve_handshake(connection);
    } else if (kind == BULK) {
        serve_bulk(connection);
    } else if (kind != STREAM) {
        serve_message(connection);
    } else {
        for (int i = 0; i < 4 && serve_stream(connection); i++)
            continue;
    }
}

/* Serves events until `end_ns`, or until all connections are idle. */
static void serve_until(uint64_t end_ns)
{
    struct epoll_event events[MOST_EVENTS];

    while (now_ns() < end_ns && n_idle < (uint64_t)n_connections) {
        int n = epoll_wait(epoll_fd, events, MOST_EVENTS, 100);

        for (int i = 0; i < n; i++)
            serve_event(events[i].data.ptr);
    }
}

static uint64_t requests_done(void)
{
    if (is_counted_in_bytes())
        return kind == BULK ? n_streamed : n_streamed / message_size;
    return n_requests;
}

/* One part of a run, whose figures are printed if it is the one that is measured. */
static void run_measured(void)
{
    uint64_t begin = now_ns(), done = requests_done(), server = server_pid ? processor_ns(server_pid) : 0;
    uint64_t flooded = n_flooded;

    memset(&histogram, 0, sizeof histogram);
    serve_until(begin + (uint64_t)(seconds * 1e9));
    while (now_ns() - begin < PATIENCE_NS && (requests_done() - done < 3 * (uint64_t)n_connections ||
                                              (server_pid && processor_ns(server_pid) - server < LEAST_SERVER_NS)))
        serve_until(now_ns() + PATIENCE_NS / 200);
    if (server_pid)
        server = processor_ns(server_pid) - server;
    printf("{\"requests\": %llu, \"seconds\": %.6f, \"server_ns\": %llu", (unsigned long long)(requests_done() - done),
           (double)(now_ns() - begin) / 1e9, (unsigned long long)server);
    if (!is_counted_in_bytes())
        printf(", \"p50\": %.0f, \"p99\": %.0f, \"p999\": %.0f, \"max\": %.0f", histogram_at(&histogram, 0.5),
               histogram_at(&histogram, 0.99), histogram_at(&histogram, 0.999), histogram_at(&histogram, 1));
    if (with_flooder)
        printf(", \"flood\": %llu", (unsigned long long)(n_flooded - flooded));
}

static void run_counted(void)
{
    uint64_t done, calls;

    if (counted_seconds <= 0 || !server_pid || !begin_counting_calls(server_pid))
        return;
    done = requests_done();
    serve_until(now_ns() + (uint64_t)(counted_seconds * 1e9));
    done = requests_done() - done;
    calls = end_counting_calls();
    if (done)
        printf(", \"calls\": %.7g", (double)calls / (double)done);
}

static void open_all(struct connection *connections)
{
    uint64_t now;

    for (int i = 0; i < n_connections + with_flooder; i++) {
        connections[i].is_flooder = i == n_connections;
        open_connection(&connections[i]);
        /* The server accepts, so that the queue of those that wait for it stays short. */
        if (i % 64 == 63)
            pause_ns(200000);
    }
    now = now_ns();
    for (int i = 0; i < n_connections && !with_tls; i++)
        begin_talk(&connections[i], now);
}

static void run_idle(struct connection *connections)
{
    uint64_t rss = status_bytes(server_pid, "VmRSS:"), tables = status_bytes(server_pid, "VmPTE:");

    open_all(connections);
    serve_until(now_ns() + 30 * (uint64_t)1000000000);
    if (n_idle < (uint64_t)n_connections)
        wrong("not all idle connections were served");
    pause_ns((uint64_t)(warm_up * 1e9));
    printf("{\"rss\": %lld, \"page_tables\": %lld", (long long)(status_bytes(server_pid, "VmRSS:") - rss),
           (long long)(status_bytes(server_pid, "VmPTE:") - tables));
}

static void load_file(void)
{
    FILE *stream = fopen(file_name, "rb");

    if (!stream || fseek(stream, 0, SEEK_END) < 0)
        fail(file_name);
    file_size = (size_t)ftell(stream);
    rewind(stream);
    file = malloc(file_size + 1);
    if (!file || fread(file, 1, file_size, stream) != file_size)
        fail(file_name);
    fclose(stream);
}

static void make_message(void)
{
    size_t room = (message_size > STREAM_PIECE ? message_size : STREAM_PIECE) + PERIOD;
    uint64_t random = 88172645463325252;

    message = malloc(room);
    reply = malloc(room);
    if (!message || !reply)
        fail("memory");
    for (size_t i = 0; i < room; i++) {
        if (i >= PERIOD) {
            message[i] = message[i - PERIOD];
            continue;
        }
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        message[i] = (char)('A' + (random >> 32) % 26);
    }
    memset(reply, 'f', room);
    for (int i = 1; kind != STREAM && i <= n_lines; i++)
        message[message_size / (size_t)n_lines * (size_t)i - 1] = '\n';
}

static void read_options(int argc, char **argv)
{
    static const char *const kinds[] = {"echo", "stream", "churn", "idle", "handshake", "bulk"};
    int option;

    while ((option = getopt(argc, argv, "k:p:s:c:b:l:w:t:y:fTrF:")) != -1)
        switch (option) {
        case 'k':
            for (kind = ECHO; kind <= BULK && strcmp(optarg, kinds[kind]) != 0;)
                kind++;
            break;
        case 'p':
            port = (int)strtol(optarg, NULL, 10);
            break;
        case 's':
            server_pid = (int)strtol(optarg, NULL, 10);
            break;
        case 'c':
            n_connections = (int)strtol(optarg, NULL, 10);
            break;
        case 'b':
            message_size = strtoul(optarg, NULL, 10);
            break;
        case 'l':
            n_lines = (int)strtol(optarg, NULL, 10);
            break;
        case 'w':
            warm_up = strtod(optarg, NULL);
            break;
        case 't':
            seconds = strtod(optarg, NULL);
            break;
        case 'y':
            counted_seconds = strtod(optarg, NULL);
            break;
        case 'f':
            with_flooder = true;
            break;
        case 'T':
            with_tls = true;
            break;
        case 'r':
            resumes = true;
            break;
        case 'F':
            file_name = optarg;
            break;
        default:
            exit(2);
        }
    message_size *= (size_t)n_lines;
    if (!port || kind > BULK || n_connections < 1 || n_lines < 1 || message_size <= STAMP ||
        (with_tls && (kind == STREAM || kind == CHURN)) || (kind == HANDSHAKE && !with_tls) ||
        (kind == BULK && !file_name)) {
        fprintf(stderr, "load: see the head of load.c\n");
        exit(2);
    }
}

int main(int argc, char **argv)
{
    struct connection *connections;
    struct rlimit limit;

    read_options(argc, argv);
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    connections = calloc((size_t)n_connections + 1, sizeof *connections);
    epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (!connections || epoll_fd < 0)
        fail("memory");
    make_message();
    if (file_name)
        load_file();
    if (with_tls)
        tls_prepare(resumes);
    if (kind == IDLE) {
        run_idle(connections);
    } else {
        open_all(connections);
        serve_until(now_ns() + (uint64_t)(warm_up * 1e9));
        /* Sessions that are to be resumed have to be there. */
        for (int i = 0; resumes && i < 1000 && n_requests < 2 * (uint64_t)n_connections; i++)
            serve_until(now_ns() + PATIENCE_NS / 1000);
        run_measured();
        run_counted();
    }
    printf("}\n");
    return 0;
}
