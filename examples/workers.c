/* A small web server on all processors: one loop a processor, all listening on the same port.
 *
 *     workers [--workers=N] [--grace=SECONDS] [--steer] [HOST [PORT]]      port 0 takes one that is free
 *
 * Each answers every GET with its number, and keeps connections open. SIGTERM or Ctrl-C stops it gracefully: first no
 * worker listens any more, then each request that is under way gets its answer, which says that the connection ends;
 * who has asked for nothing by then may stay until the grace is over. --steer binds each worker to a processor, and has
 * the kernel give it the connections that come in there. */
#include <asyncio.h>

#include <errno.h>
#include <inttypes.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

struct options {
    const char *host;
    int port;
    unsigned n; /* workers; 0: one for each processor */
    double grace;
    bool steer;
};

enum { MOST_WORKERS = 256 };

/* What belongs to one worker: the others only send to its mailbox. */
struct desk {
    struct asyncio_mailbox mailbox;
    unsigned index;
    uint64_t n_clients, n_requests;
};

static struct desk desks[MOST_WORKERS];
static atomic_uint n_listening;
static atomic_bool stops; /* set once nobody listens any more, so that who is sent away cannot come back to another */

/* ---------------------------------------------------------------------------------------------------------- Clients */

/* Whether a line of a request's head says that the client wants no other request. */
static bool wants_to_leave(const char *head)
{
    return strstr(head, "\r\nConnection: close\r\n") || strstr(head, " HTTP/1.0\r\n");
}

static int answer(struct asyncio_streamwriter *writer, unsigned index, const char *status, bool leaves)
{
    char body[32];
    int size = snprintf(body, sizeof body, "worker %u\n", index);

    return asyncio_streamwriter_printf(writer,
                                       "HTTP/1.1 %s\r\n"
                                       "Content-Type: text/plain\r\n"
                                       "Content-Length: %d\r\n"
                                       "Connection: %s\r\n"
                                       "\r\n"
                                       "%s",
                                       status, size, leaves ? "close" : "keep-alive", body);
}

/* Serves a client. When it returns, its connection is closed. */
static int serve_client(struct asyncio_streamreader *reader, struct asyncio_streamwriter *writer, void *arg)
{
    struct desk *desk = arg;
    bool leaves = false;
    char *head;
    ssize_t r;

    desk->n_clients++;
    while (!leaves) {
        r = asyncio_streamreader_readuntil(reader, "\r\n\r\n", 4, &head);
        if (r < 0)
            break; /* it has left, or asks for more than anybody may */
        head[r - 2] = '\0';
        leaves = wants_to_leave(head) || atomic_load(&stops);
        if (strncmp(head, "GET ", 4) != 0) {
            leaves = true; /* a body may follow, which is not for us */
            r = answer(writer, desk->index, "405 Method Not Allowed", leaves);
        } else {
            r = answer(writer, desk->index, "200 OK", leaves);
        }
        if (r < 0)
            break;
        desk->n_requests++;
    }
    return 0;
}

/* ---------------------------------------------------------------------------------------------------------- Workers */

static int complain(int error)
{
    const char *detail = asyncio_error_detail();

    fprintf(stderr, "workers: %s\n", *detail ? detail : asyncio_strerror(error));
    return error;
}

/* One begins to listen after the other: the first may have to find a port, which is the others', too. */
static int listen_in_turn(struct asyncio_worker *worker, struct asyncio_server **ret_server)
{
    struct options *options = worker->arg;
    struct asyncio_address address;
    char name[128];
    void *go;
    int r = 0;

    if (worker->index > 0)
        r = asyncio_mailbox_receive(&desks[worker->index].mailbox, &go);
    if (r < 0)
        return r; /* another one has failed, and says so */
    r = asyncio_start_server(serve_client, &desks[worker->index], options->host, options->port, ret_server,
                             .reuse_port = true, .backlog = 1000);
    if (r == 0)
        r = asyncio_server_sockname(*ret_server, 0, &address);
    if (r < 0)
        return complain(r);
    options->port = asyncio_address_port(&address);
    atomic_fetch_add(&n_listening, 1);
    if (worker->index + 1 < worker->n)
        return asyncio_mailbox_send(&desks[worker->index + 1].mailbox, options);
    if (options->steer && (r = asyncio_server_steer(*ret_server, worker->n)) < 0)
        return complain(r);
    asyncio_address_format(&address, name, sizeof name);
    printf("serving on %s\n", name);
    fflush(stdout);
    return 0;
}

static int work(struct asyncio_worker *worker)
{
    const struct options *options = worker->arg;
    struct asyncio_server *server = NULL;
    int r;

    desks[worker->index].index = worker->index;
    r = listen_in_turn(worker, &server);
    if (r == 0)
        r = asyncio_sleep(ASYNCIO_FOREVER); /* until all are cancelled: by a signal, or because one has failed */
    if (server) {
        asyncio_server_close(server);
        if (atomic_fetch_sub(&n_listening, 1) == 1)
            atomic_store(&stops, true);
        ASYNCIO_IGNORE(asyncio_server_stop(server, options->grace));
    }
    asyncio_server_unref(server);
    return r;
}

static void report(unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        if (desks[i].n_clients > 0)
            printf("worker %u: %" PRIu64 " clients, %" PRIu64 " requests\n", i, desks[i].n_clients,
                   desks[i].n_requests);
}

/* ------------------------------------------------------------------------------------------------------------ Words */

/* The number behind "--name="; negative: the word is another one, or it is no number. */
static double number_of(const char *word, const char *name)
{
    size_t length = strlen(name);
    char *end;
    double number;

    if (strncmp(word, name, length) != 0)
        return -1;
    number = strtod(word + length, &end);
    return end == word + length || *end || !(number < 1e6) ? -1 : number;
}

static bool read_words(int argc, char **argv, struct options *options)
{
    int place = 1;

    for (; place < argc && strncmp(argv[place], "--", 2) == 0; place++) {
        double n = number_of(argv[place], "--workers="), grace = number_of(argv[place], "--grace=");

        if (n >= 1 && n <= MOST_WORKERS)
            options->n = (unsigned)n;
        else if (grace >= 0)
            options->grace = grace;
        else if (strcmp(argv[place], "--steer") == 0)
            options->steer = true;
        else
            return false;
    }
    if (place < argc)
        options->host = argv[place++];
    if (place < argc) {
        options->port = (int)number_of(argv[place++], "");
        if (options->port < 0 || options->port > 65535)
            return false;
    }
    return place == argc;
}

int main(int argc, char **argv)
{
    struct options options = {.host = "127.0.0.1", .port = 8080, .grace = 5};
    int r = 0;

    if (!read_words(argc, argv, &options)) {
        fprintf(stderr, "usage: workers [--workers=N] [--grace=SECONDS] [--steer] [HOST [PORT]]\n");
        return 2;
    }
    /* Mailboxes need no loop, so they are there before any worker is. */
    for (unsigned i = 0; i < MOST_WORKERS && r == 0; i++)
        r = asyncio_mailbox_init(&desks[i].mailbox, 1);
    if (r == 0)
        r = asyncio_run_workers(options.n, work, &options, .pinned = options.steer);
    for (unsigned i = 0; i < MOST_WORKERS; i++)
        asyncio_mailbox_fini(&desks[i].mailbox, NULL);
    report(MOST_WORKERS);
    if (r == -EINTR)
        return 0;
    if (r < 0)
        fprintf(stderr, "workers: %s\n", asyncio_strerror(r));
    return r < 0;
}
