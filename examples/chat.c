/* A chat: clients, telnet or nc, send lines, and what one says all others in its room hear.
 *
 *     chat [--idle=SECONDS] [HOST [PORT]]
 *
 * Each client has a task that reads its lines, and one that sends it what stands in its queue. Nobody waits for a
 * client that does not read: when its queue is full, it is told so and dropped. All memory is bounded: the clients, the
 * queues, the lines. */
#define _GNU_SOURCE /* asprintf */
#include <asyncio.h>

#include <ctype.h>
#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

enum { LONGEST_LINE = 512, LONGEST_NAME = 16, MOST_CLIENTS = 1000, MOST_QUEUED = 64, MOST_SHOWN = 50 };

struct member {
    struct member *next;
    struct asyncio_streamreader *reader;
    struct asyncio_streamwriter *writer;
    struct asyncio_queue lines; /* to be sent; who gets one frees it */
    char name[LONGEST_NAME + 1], room[LONGEST_NAME + 1];
    bool is_dropped;
};

struct options {
    const char *host;
    int port;
    double idle;
};

static struct member *members;
static unsigned n_guests;

/* --------------------------------------------------------------------------------------------------- What they hear */

static void empty_queue(struct member *member)
{
    void *line;

    while (asyncio_queue_get_nowait(&member->lines, &line) == 0)
        free(line);
}

/* Who does not read what is said gets no more of it. What it has not been sent yet is followed by the reason, if the
 * server can still send that in time; the task that reads finds the end. */
static void drop(struct member *member)
{
    static const char reason[] = "* you are too slow, good bye\r\n";

    member->is_dropped = true;
    empty_queue(member);
    asyncio_queue_shutdown(&member->lines, false);
    ASYNCIO_IGNORE(asyncio_streamwriter_write_nowait(member->writer, reason, sizeof reason - 1));
    asyncio_streamwriter_close(member->writer);
}

/* Tells everybody in a room but one, without waiting for anybody. */
__attribute__((format(printf, 3, 4))) static void tell_room(const char *room, const struct member *except,
                                                            const char *format, ...)
{
    char line[LONGEST_LINE + 2 * LONGEST_NAME + 32];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    for (struct member *member = members; member; member = member->next) {
        char *copy;

        if (member == except || member->is_dropped || strcmp(member->room, room) != 0)
            continue;
        copy = strdup(line);
        if (!copy || asyncio_queue_put_nowait(&member->lines, copy) < 0) {
            free(copy);
            drop(member);
        }
    }
}

/* Answers a member, and waits until there is room in its queue: it delays itself only. */
__attribute__((format(printf, 2, 3))) static int answer(struct member *member, const char *format, ...)
{
    va_list arguments;
    char *line;
    int r;

    va_start(arguments, format);
    r = vasprintf(&line, format, arguments);
    va_end(arguments);
    if (r < 0)
        return -ENOMEM;
    r = asyncio_queue_put(&member->lines, line);
    if (r < 0)
        free(line);
    return r;
}

/* A task: sends what stands in the queue, until the queue is shut down. */
static int send_lines(void *arg)
{
    struct member *member = arg;
    void *line;
    int r;

    while ((r = asyncio_queue_get(&member->lines, &line)) == 0) {
        r = asyncio_streamwriter_printf(member->writer, "%s\r\n", (char *)line);
        free(line);
        if (r < 0)
            break;
    }
    return r == -ASYNCIO_EQUEUESHUTDOWN ? 0 : r;
}

/* ---------------------------------------------------------------------------------------------------- What they say */

/* Reads a line into `line`, without its end, and with a '?' for each character that could play tricks on a terminal.
 * Returns: 0; 1 for a line that was too long, which is skipped; -ENODATA at the end; an error. */
static int read_line(struct member *member, char line[LONGEST_LINE + 1])
{
    bool is_too_long = false;
    char *data;
    ssize_t n;

    while ((n = asyncio_streamreader_readuntil(member->reader, "\n", 1, &data)) == -ASYNCIO_ELIMITOVERRUN) {
        size_t rest = asyncio_streamreader_consumed(member->reader);

        for (is_too_long = true; rest > 0; rest -= (size_t)n) {
            n = asyncio_streamreader_read(member->reader, line, rest < LONGEST_LINE ? rest : LONGEST_LINE);
            if (n < 0)
                return (int)n;
        }
    }
    if (n < 0)
        return n == -ASYNCIO_EINCOMPLETEREAD ? -ENODATA : (int)n;
    if (is_too_long)
        return 1;
    for (n--; n > 0 && data[n - 1] == '\r'; n--)
        ;
    for (ssize_t i = 0; i < n; i++)
        line[i] = iscntrl((unsigned char)data[i]) ? '?' : data[i];
    line[n] = '\0';
    return 0;
}

static bool is_name(const char *text)
{
    size_t length = strlen(text);

    for (const char *c = text; *c; c++)
        if (!isalnum((unsigned char)*c) && *c != '-' && *c != '_')
            return false;
    return length > 0 && length <= LONGEST_NAME;
}

static const struct member *find(const char *name)
{
    const struct member *member = members;

    while (member && strcmp(member->name, name) != 0)
        member = member->next;
    return member;
}

static int rename_member(struct member *member, const char *name)
{
    if (!is_name(name))
        return answer(member, "* a name has 1 to %d letters, digits, '-' and '_'", LONGEST_NAME);
    if (find(name))
        return answer(member, "* %s is taken", name);
    tell_room(member->room, member, "* %s is now %s", member->name, name);
    memcpy(member->name, name, strlen(name) + 1);
    return answer(member, "* you are now %s", name);
}

static int join_room(struct member *member, const char *room)
{
    if (!is_name(room))
        return answer(member, "* a name has 1 to %d letters, digits, '-' and '_'", LONGEST_NAME);
    tell_room(member->room, member, "* %s leaves", member->name);
    memcpy(member->room, room, strlen(room) + 1);
    tell_room(member->room, member, "* %s comes", member->name);
    return answer(member, "* you are in %s", room);
}

static int list_room(struct member *member)
{
    char names[MOST_SHOWN * (LONGEST_NAME + 1) + 1] = "";
    size_t length = 0, n = 0;

    for (const struct member *other = members; other; other = other->next)
        if (strcmp(other->room, member->room) == 0 && n++ < MOST_SHOWN)
            length += (size_t)snprintf(names + length, sizeof names - length, " %s", other->name);
    return answer(member, "* %zu in %s:%s%s", n, member->room, names, n > MOST_SHOWN ? " ..." : "");
}

/* Returns: 0; -ENODATA when the member wants to go; an error. */
static int obey(struct member *member, const char *line)
{
    if (strncmp(line, "/nick ", 6) == 0)
        return rename_member(member, line + 6);
    if (strncmp(line, "/join ", 6) == 0)
        return join_room(member, line + 6);
    if (strcmp(line, "/who") == 0)
        return list_room(member);
    if (strcmp(line, "/quit") == 0)
        return -ENODATA;
    return answer(member, "* %s/nick NAME, /join ROOM, /who, /quit, /help",
                  strcmp(line, "/help") == 0 ? "" : "no such command; there are ");
}

/* Returns: -ENODATA when the member goes; -ETIMEDOUT; an error. */
static int converse(struct member *member, double idle)
{
    char line[LONGEST_LINE + 1];
    struct asyncio_timeout timeout;
    int r = answer(member, "* welcome, %s; /help tells what there is", member->name);

    while (r == 0) {
        r = asyncio_timeout_enter(&timeout, idle);
        if (r == 0)
            r = asyncio_timeout_exit(&timeout, read_line(member, line));
        if (r == 1) {
            r = answer(member, "* that line is longer than %d bytes", LONGEST_LINE);
        } else if (r == 0 && line[0] == '/') {
            r = obey(member, line);
        } else if (r == 0 && line[0] != '\0') {
            tell_room(member->room, member, "%s: %s", member->name, line);
            /* Those who read shall have it before the next one comes, however many lines have come at once. */
            r = asyncio_sleep(0);
        }
    }
    return r;
}

/* ---------------------------------------------------------------------------------------------------- Coming, going */

static void say_good_bye(struct member *member, int reason)
{
    const char *why = reason == -ETIMEDOUT   ? "you have been silent for long, "
                      : reason == -ECANCELED ? "the server stops, "
                                             : "";
    char *line;

    if (!member->is_dropped && asprintf(&line, "* %sgood bye", why) >= 0)
        if (asyncio_queue_put_nowait(&member->lines, line) < 0)
            free(line);
    asyncio_queue_shutdown(&member->lines, false);
}

static int serve_member(struct asyncio_streamreader *reader, struct asyncio_streamwriter *writer, void *arg)
{
    const struct options *options = arg;
    struct member member = {.reader = reader, .writer = writer, .lines = ASYNCIO_QUEUE_INIT(MOST_QUEUED)};
    struct member **place = &members;
    int r;

    do
        snprintf(member.name, sizeof member.name, "guest%u", ++n_guests);
    while (find(member.name));
    snprintf(member.room, sizeof member.room, "lobby");
    member.next = members;
    members = &member;
    tell_room(member.room, &member, "* %s comes", member.name);
    {
        ASYNCIO_JOINED(sender) = asyncio_create_task(send_lines, &member);

        r = converse(&member, options->idle);
        while (*place != &member)
            place = &(*place)->next;
        *place = member.next;
        tell_room(member.room, &member, "* %s leaves", member.name);
        say_good_bye(&member, r);
        /* What stands in the queue is sent, if the client reads it. */
        ASYNCIO_IGNORE(asyncio_wait(&sender, 1, 1, ASYNCIO_ALL_COMPLETED));
    }
    empty_queue(&member);
    asyncio_queue_fini(&member.lines);
    return r == -ECANCELED ? r : 0;
}

static int serve(void *arg)
{
    const struct options *options = arg;
    struct asyncio_server *server;
    struct asyncio_address address;
    char name[64];
    int r = asyncio_start_server(serve_member, arg, options->host, options->port, &server, .limit = LONGEST_LINE,
                                 .max_connections = MOST_CLIENTS, .close_timeout = 5);

    if (r == 0)
        r = asyncio_server_sockname(server, 0, &address);
    if (r < 0) {
        const char *detail = asyncio_error_detail();

        fprintf(stderr, "chat: %s\n", *detail ? detail : asyncio_strerror(r));
        return r;
    }
    asyncio_address_format(&address, name, sizeof name);
    printf("serving on %s\n", name);
    fflush(stdout);
    r = asyncio_sleep(ASYNCIO_FOREVER); /* Ctrl-C cancels it */
    ASYNCIO_IGNORE(asyncio_server_stop(server, 0));
    asyncio_server_unref(server);
    return r;
}

int main(int argc, char **argv)
{
    static const struct option names[] = {{"idle", 1, NULL, 'i'}, {0}};
    struct options options = {.host = "127.0.0.1", .port = 8889, .idle = 600};
    char *end = NULL;
    int c;

    while ((c = getopt_long(argc, argv, "", names, NULL)) == 'i')
        options.idle = strtod(optarg, NULL);
    if (argc > optind)
        options.host = argv[optind];
    if (argc > optind + 1)
        options.port = (int)strtol(argv[optind + 1], &end, 10);
    if (c != -1 || argc > optind + 2 || (end && *end)) {
        fprintf(stderr, "usage: chat [--idle=SECONDS] [HOST [PORT]]\n");
        return 2;
    }
    return asyncio_run(serve, &options) != -EINTR;
}
