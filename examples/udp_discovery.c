/* Finds services on the local network: who offers some answers whoever asks a multicast group.
 *
 *     udp_discovery serve NAME=PORT...    answers for these until Ctrl-C
 *     udp_discovery find [NAME...]        asks for these, or for all, and prints what is found
 *
 *     --group=239.255.77.7    the group            --port=7788       its port; serve: 0 takes one that is free
 *     --interface=NAME        the network          --seconds=1       find: how long to wait for answers
 *
 * A question is "find NAME" or "find *", an answer "here NAME PORT": where it comes from is where the service is. As
 * datagrams get lost, a question is repeated after 50, 100, 200 ... milliseconds, and answers count once. */
#include <asyncio.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define MOST        32   /* services, offered or found */
#define DATAGRAM    128  /* bytes of the longest question or answer */
#define AT_A_TIME   16   /* questions that are taken with one system call */
#define FIRST_PAUSE 0.05 /* seconds until a question is repeated for the first time */

struct service {
    char name[64];
    char place[80]; /* when found: "127.0.0.1:8080" */
    int port;
};

static const char *group = "239.255.77.7", *interface;
static int group_port = 7788;
static double seconds = 1;

static struct service services[MOST]; /* that are offered, or were found */
static int n_services;
static const char *wanted[MOST]; /* names that are looked for; none: all */
static int n_wanted;

static int complain(const char *what, int r)
{
    const char *detail = asyncio_error_detail();

    fprintf(stderr, "udp_discovery: %s: %s\n", what, *detail ? detail : asyncio_strerror(r));
    return r;
}

/* ---------------------------------------------------------------------------------------------------------- Serving */

/* Answers a question, for each service that it is about. */
static int answer(struct asyncio_datagram_endpoint *endpoint, const struct asyncio_datagram *question)
{
    char text[DATAGRAM], name[64];
    int r = 0;

    snprintf(text, sizeof text, "%.*s", (int)question->size, (const char *)question->data);
    if (sscanf(text, "find %63s", name) != 1)
        return 0;
    for (int i = 0; i < n_services && r >= 0; i++) {
        if (strcmp(name, "*") != 0 && strcmp(name, services[i].name) != 0)
            continue;
        snprintf(text, sizeof text, "here %.63s %d", services[i].name, services[i].port);
        r = asyncio_datagram_send(endpoint, text, strlen(text), &question->info.address);
    }
    return r == -ECANCELED ? r : 0; /* who cannot be answered must not stop the others */
}

static int answer_all(struct asyncio_datagram_endpoint *endpoint)
{
    static char memory[AT_A_TIME][DATAGRAM];
    struct asyncio_datagram questions[AT_A_TIME];
    ssize_t n, i;
    int r = 0;

    while (r == 0) {
        for (i = 0; i < AT_A_TIME; i++)
            questions[i] = (struct asyncio_datagram){.data = memory[i], .room = DATAGRAM};
        n = asyncio_datagram_recv_many(endpoint, questions, AT_A_TIME);
        if (n == -ECANCELED)
            r = (int)n;
        for (i = 0; i < n && r == 0; i++)
            r = answer(endpoint, &questions[i]);
    }
    return r;
}

static int serve(void *arg)
{
    struct asyncio_datagram_endpoint *endpoint;
    struct asyncio_address address;
    char text[80];
    int r;

    (void)arg;
    /* Bound to the group's address, the port is shared with whoever else serves on this machine. */
    r = asyncio_open_datagram_endpoint(&endpoint, .local_host = group, .local_port = group_port);
    if (r < 0)
        return complain("open", r);
    r = asyncio_datagram_join(endpoint, group, .interface = interface);
    if (r == 0)
        r = asyncio_socket_getsockname(asyncio_datagram_socket(endpoint), &address);
    if (r < 0) {
        complain("join", r);
    } else {
        asyncio_address_format(&address, text, sizeof text);
        printf("serving on %s\n", text);
        fflush(stdout);
        r = answer_all(endpoint); /* Ctrl-C cancels it */
    }
    asyncio_datagram_unref(endpoint);
    return r;
}

/* ---------------------------------------------------------------------------------------------------------- Finding */

/* Takes a note of an answer, if it is one and new. */
static void note(const char *text, const struct asyncio_address *from)
{
    struct asyncio_address address = *from;
    struct service new;
    char host[80], *end;

    if (sscanf(text, "here %63s %d", new.name, &new.port) != 2 || n_services == MOST)
        return;
    /* The port of the answer is not that of the service. */
    asyncio_address_format(&address, host, sizeof host);
    end = strrchr(host, ':');
    if (end)
        *end = 0;
    snprintf(new.place, sizeof new.place, "%.60s:%d", host, new.port);
    for (int i = 0; i < n_services; i++)
        if (strcmp(services[i].name, new.name) == 0 && strcmp(services[i].place, new.place) == 0)
            return;
    services[n_services++] = new;
}

static int has_been_found(const char *name)
{
    for (int i = 0; i < n_services; i++)
        if (strcmp(services[i].name, name) == 0)
            return 1;
    return 0;
}

/* True when nothing is left to wait for. */
static int is_complete(void)
{
    for (int i = 0; i < n_wanted; i++)
        if (!has_been_found(wanted[i]))
            return 0;
    return n_wanted > 0;
}

/* Asks for what has not been found yet. */
static int ask(struct asyncio_datagram_endpoint *endpoint)
{
    char text[DATAGRAM];
    int r = n_wanted == 0 ? asyncio_datagram_send(endpoint, "find *", 6, NULL) : 0;

    for (int i = 0; i < n_wanted && r == 0; i++) {
        if (has_been_found(wanted[i]))
            continue;
        snprintf(text, sizeof text, "find %s", wanted[i]);
        r = asyncio_datagram_send(endpoint, text, strlen(text), NULL);
    }
    return r;
}

/* Takes answers until a time of the loop's clock. */
static int listen_until(struct asyncio_datagram_endpoint *endpoint, double when)
{
    struct asyncio_datagram_info info;
    struct asyncio_timeout timeout;
    char text[DATAGRAM];
    ssize_t n;
    int r = asyncio_timeout_enter_at(&timeout, when);

    while (r == 0 && !is_complete()) {
        n = asyncio_datagram_recv(endpoint, text, sizeof text - 1, &info);
        if (n < 0) {
            r = (int)n;
        } else {
            text[n] = 0;
            note(text, &info.address);
        }
    }
    r = asyncio_timeout_exit(&timeout, r);
    return r == -ETIMEDOUT ? 0 : r;
}

static int ask_again_and_again(struct asyncio_datagram_endpoint *endpoint)
{
    struct asyncio_loop *loop = asyncio_get_running_loop();
    double end = asyncio_loop_time(loop) + seconds, pause = FIRST_PAUSE, now;
    int r = 0;

    while (r == 0 && !is_complete() && (now = asyncio_loop_time(loop)) < end) {
        r = ask(endpoint);
        if (r == 0)
            r = listen_until(endpoint, now + pause < end ? now + pause : end);
        pause *= 2;
    }
    return r;
}

static int find(void *arg)
{
    struct asyncio_datagram_endpoint *endpoint;
    int r;

    (void)arg;
    /* Answers come from others than the group: so it is only the default address, not one to be connected to. */
    r = asyncio_open_datagram_endpoint(&endpoint, .remote_host = group, .remote_port = group_port,
                                       .allow_broadcast = true);
    if (r < 0)
        return complain("open", r);
    r = asyncio_datagram_set_multicast_interface(endpoint, interface);
    if (r == 0)
        r = ask_again_and_again(endpoint);
    if (r < 0)
        complain("find", r);
    asyncio_datagram_unref(endpoint);
    return r;
}

/* ----------------------------------------------------------------------------------------------------- Command line */

static int by_name(const void *one, const void *other)
{
    const struct service *a = one, *b = other;
    int order = strcmp(a->name, b->name);

    return order != 0 ? order : strcmp(a->place, b->place);
}

/* Prints what was found. Returns: the exit status. */
static int report(void)
{
    qsort(services, (size_t)n_services, sizeof *services, by_name);
    for (int i = 0; i < n_services; i++)
        printf("%s at %s\n", services[i].name, services[i].place);
    for (int i = 0; i < n_wanted; i++)
        if (!has_been_found(wanted[i]))
            fprintf(stderr, "udp_discovery: nobody offers %s\n", wanted[i]);
    return is_complete() || (n_wanted == 0 && n_services > 0) ? 0 : 1;
}

/* Takes an option or a service. Returns: 0 when it is none. */
static int take(const char *text, int serves)
{
    struct service *service = &services[n_services];

    if (strncmp(text, "--group=", 8) == 0)
        group = text + 8;
    else if (strncmp(text, "--port=", 7) == 0)
        group_port = atoi(text + 7);
    else if (strncmp(text, "--interface=", 12) == 0)
        interface = text + 12;
    else if (strncmp(text, "--seconds=", 10) == 0)
        seconds = strtod(text + 10, NULL);
    else if (text[0] == '-' || n_services == MOST || n_wanted == MOST)
        return 0;
    else if (!serves)
        wanted[n_wanted++] = text;
    else if (sscanf(text, "%63[^=]=%d", service->name, &service->port) == 2)
        n_services++;
    else
        return 0;
    return 1;
}

int main(int argc, char **argv)
{
    int serves = argc > 1 && strcmp(argv[1], "serve") == 0, r = 1;

    for (int i = 2; i < argc && r; i++)
        r = take(argv[i], serves);
    if (argc < 2 || !r || (serves ? n_services == 0 : strcmp(argv[1], "find") != 0)) {
        fprintf(stderr, "usage: udp_discovery serve NAME=PORT... | find [NAME...]  [--group=ADDRESS] [--port=N] "
                        "[--interface=NAME] [--seconds=N]\n");
        return 2;
    }
    r = asyncio_run(serves ? serve : find, NULL);
    if (serves)
        return r == -EINTR ? 0 : 1;
    return r < 0 ? 1 : report();
}
