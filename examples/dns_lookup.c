/* Looks for the addresses of hosts, all at the same time, within a time limit.
 *
 *     dns_lookup [--server=ADDRESS[:PORT]] [--seconds=N] HOST...
 *
 * A line a host, in the order of the arguments: "HOST: ADDRESS...", or "HOST: " and why there is none. */
#include <asyncio.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

enum { MOST_HOSTS = 100, LONGEST_LINE = 4000 };

struct lookup {
    const char *host;
    char line[LONGEST_LINE];
};

static struct lookup lookups[MOST_HOSTS];
static int n_lookups;
static const char *server;
static double seconds = 10;

static int by_text(const void *a, const void *b)
{
    return strcmp(a, b);
}

/* Writes the addresses as a line, sorted, so that it does not depend on who was asked. */
static int describe(struct lookup *lookup, const struct asyncio_addrinfo *list, int n)
{
    char(*texts)[80] = calloc((size_t)n, sizeof *texts);
    size_t length = strlen(lookup->line);

    if (!texts)
        return -ENOMEM;
    for (int i = 0; i < n; i++) {
        char *begin = texts[i], *end;

        /* "127.0.0.1:0" and "[::1]:0": without port and brackets. */
        asyncio_address_format(&list[i].address, texts[i], sizeof texts[i]);
        end = strrchr(begin, *begin == '[' ? ']' : ':');
        if (end)
            *end = 0;
        if (*begin == '[')
            memmove(begin, begin + 1, strlen(begin));
    }
    qsort(texts, (size_t)n, sizeof *texts, by_text);
    for (int i = 0; i < n && length < sizeof lookup->line - 82; i++)
        length += (size_t)snprintf(lookup->line + length, sizeof lookup->line - length, " %s", texts[i]);
    free(texts);
    return 0;
}

static int look_up(void *arg)
{
    struct lookup *lookup = arg;
    struct asyncio_addrinfo *list;
    int n = asyncio_getaddrinfo(lookup->host, NULL, &list, .type = SOCK_STREAM);

    if (n < 0)
        return n;
    snprintf(lookup->line, sizeof lookup->line, "%s:", lookup->host);
    n = describe(lookup, list, n);
    asyncio_free(list);
    return n;
}

/* Each host has a time limit of its own. What went wrong is told in its line. */
static int look_up_in_time(void *arg)
{
    struct lookup *lookup = arg;
    int r = asyncio_wait_for(look_up, lookup, seconds);

    if (r == -ECANCELED)
        return r;
    if (r == -ETIMEDOUT)
        snprintf(lookup->line, sizeof lookup->line, "%s: not within %g seconds", lookup->host, seconds);
    else if (r < 0)
        snprintf(lookup->line, sizeof lookup->line, "%s: %s", lookup->host, asyncio_strerror(r));
    return 0;
}

static int amain(void *arg)
{
    struct asyncio_future *tasks[MOST_HOSTS];
    int r = 0;

    (void)arg;
    if (server)
        r = asyncio_loop_set_resolver(asyncio_get_running_loop(), .servers = server, .search = "");
    if (r < 0)
        return r;
    for (int i = 0; i < n_lookups; i++)
        tasks[i] = asyncio_create_task(look_up_in_time, &lookups[i]);
    r = asyncio_wait(tasks, (size_t)n_lookups, ASYNCIO_FOREVER, ASYNCIO_ALL_COMPLETED);
    for (int i = 0; i < n_lookups; i++)
        asyncio_future_unref(tasks[i]);
    return r;
}

int main(int argc, char **argv)
{
    int r;

    for (int i = 1; i < argc; i++) {
        if (strncmp(argv[i], "--server=", 9) == 0)
            server = argv[i] + 9;
        else if (strncmp(argv[i], "--seconds=", 10) == 0)
            seconds = strtod(argv[i] + 10, NULL);
        else if (argv[i][0] != '-' && n_lookups < MOST_HOSTS)
            lookups[n_lookups++].host = argv[i];
    }
    if (n_lookups == 0) {
        fprintf(stderr, "usage: dns_lookup [--server=ADDRESS[:PORT]] [--seconds=N] HOST...\n");
        return 2;
    }
    r = asyncio_run(amain, NULL);
    if (r < 0) {
        fprintf(stderr, "dns_lookup: %s\n", asyncio_strerror(r));
        return 1;
    }
    for (int i = 0; i < n_lookups; i++)
        printf("%s\n", lookups[i].line);
    return 0;
}
