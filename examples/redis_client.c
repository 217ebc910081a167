/* A client of Redis that sends its requests without waiting for the replies.
 *
 *     redis_client HOST PORT                         a thousand SET, GET and INCR each
 *     redis_client HOST PORT COMMAND [ARGUMENT...]   one command of yours
 *
 * One task sends, another reads the replies: a server that does not get rid of its replies stops reading. */
#include <asyncio.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* A reply may be nested so deep, and its tree may take so much memory, whatever the server promises. */
enum { ROUNDS = 1000, DEEPEST = 16, LARGEST = 64 * 1024 * 1024 };

/* What is wrong when the peer does not speak Redis' protocol. */
#define NOT_REDIS (-EPROTO)

struct connection {
    struct asyncio_streamreader *reader;
    struct asyncio_streamwriter *writer;
    int argc;
    char **argv;
};

/* The first byte of a reply is its type: '+' and '-' are a line and an error; ':' ',' '(' '#' numbers and truth, '$'
 * '=' '!' texts of any bytes, '*' '~' '>' lists, '%' a list of keys and values; '_' is nothing. */
struct reply {
    char type;
    bool is_null;
    size_t n;            /* of bytes of the text, or of items */
    char *text;          /* with a NUL behind it */
    struct reply *items; /* n of them, or fewer when reading failed: the others are zero */
};

/* ---------------------------------------------------------------------------------------------------------- Replies */

static void free_reply(struct reply *reply)
{
    for (size_t i = 0; reply->items && i < reply->n; i++)
        free_reply(&reply->items[i]);
    free(reply->items);
    free(reply->text);
    memset(reply, 0, sizeof *reply);
}

/* Reads a line without its "\r\n", valid until the next read. Returns: 0; an error. */
static int read_head(struct asyncio_streamreader *reader, char **ret_line)
{
    ssize_t n = asyncio_streamreader_readuntil(reader, "\r\n", 2, ret_line);

    if (n < 0)
        return (int)n;
    (*ret_line)[n - 2] = '\0';
    return n > 2 ? 0 : NOT_REDIS;
}

/* The number of things of so many bytes each that are announced; they are taken off the room that is left.
 * Returns: 0 or more; -1 for "nothing"; NOT_REDIS. */
static long read_size(const char *text, size_t each, size_t *room)
{
    char *end;
    long size = strtol(text, &end, 10);

    if (end == text || *end || size < -1 || (size > 0 && (size_t)size > *room / each))
        return NOT_REDIS;
    *room -= size > 0 ? (size_t)size * each : 0;
    return size;
}

static int read_text(struct asyncio_streamreader *reader, struct reply *reply, size_t size)
{
    ssize_t n;

    reply->n = size;
    reply->text = malloc(size + 2);
    if (!reply->text)
        return -ENOMEM;
    n = asyncio_streamreader_readexactly(reader, reply->text, size + 2);
    if (n < 0)
        return (int)n;
    if (memcmp(reply->text + size, "\r\n", 2) != 0)
        return NOT_REDIS;
    reply->text[size] = '\0';
    return 0;
}

/* Returns: 0; NOT_REDIS; an error. */
static int read_nested(struct asyncio_streamreader *reader, struct reply *reply, int depth, size_t *room)
{
    char *line;
    long size;
    int r = depth < DEEPEST ? read_head(reader, &line) : NOT_REDIS;

    memset(reply, 0, sizeof *reply);
    if (r < 0)
        return r;
    reply->type = line[0];
    switch (reply->type) {
    case '_':
        reply->is_null = true;
        return 0;
    case '+':
    case '-':
    case ':':
    case ',':
    case '(':
    case '#':
        reply->n = strlen(line + 1);
        reply->text = strdup(line + 1);
        return reply->text ? 0 : -ENOMEM;
    case '$':
    case '=':
    case '!':
        size = read_size(line + 1, 1, room);
        reply->is_null = size == -1;
        return reply->is_null ? 0 : size < 0 ? NOT_REDIS : read_text(reader, reply, (size_t)size);
    case '*':
    case '~':
    case '>':
    case '%':
        size = read_size(line + 1, 2 * sizeof *reply, room);
        reply->is_null = size == -1;
        if (size < 0)
            return reply->is_null ? 0 : NOT_REDIS;
        reply->n = (size_t)size * (reply->type == '%' ? 2 : 1);
        reply->items = calloc(reply->n + 1, sizeof *reply->items);
        if (!reply->items)
            return -ENOMEM;
        for (size_t i = 0; i < reply->n && r == 0; i++)
            r = read_nested(reader, &reply->items[i], depth + 1, room);
        return r;
    default:
        return NOT_REDIS;
    }
}

/* Reads a reply, which is freed by free_reply, also on failure. Returns: 0; NOT_REDIS; an error. */
static int read_reply(struct asyncio_streamreader *reader, struct reply *reply)
{
    size_t room = LARGEST;

    return read_nested(reader, reply, 0, &room);
}

static void print_reply(const struct reply *reply, int depth)
{
    printf("%*s", depth * 2, "");
    if (reply->is_null) {
        printf("(nothing)\n");
    } else if (reply->items) {
        printf("%zu items\n", reply->n);
        for (size_t i = 0; i < reply->n; i++)
            print_reply(&reply->items[i], depth + 1);
    } else {
        printf("%s", reply->type == '-' || reply->type == '!' ? "error: " : "");
        fwrite(reply->text, 1, reply->n, stdout);
        printf("\n");
    }
}

/* --------------------------------------------------------------------------------------------------------- Requests */

static int send_request(struct asyncio_streamwriter *writer, int n, char **words)
{
    int r = asyncio_streamwriter_printf(writer, "*%d\r\n", n);

    for (int i = 0; i < n && r == 0; i++)
        r = asyncio_streamwriter_printf(writer, "$%zu\r\n%s\r\n", strlen(words[i]), words[i]);
    return r;
}

/* A task. One piece for each three requests; the writer waits when it has kept too much. */
static int send_all(void *arg)
{
    struct connection *connection = arg;
    int r = 0;

    for (int i = 0; i < ROUNDS && r == 0; i++)
        r = asyncio_streamwriter_printf(connection->writer,
                                        "*3\r\n$3\r\nSET\r\n$8\r\nkey-%04d\r\n$10\r\nvalue-%04d\r\n"
                                        "*2\r\n$3\r\nGET\r\n$8\r\nkey-%04d\r\n"
                                        "*2\r\n$4\r\nINCR\r\n$7\r\ncounter\r\n",
                                        i, i, i);
    return r;
}

/* Reads the replies, and checks them: they come in the order of the requests. */
static int read_all(struct connection *connection)
{
    static const char *const names[] = {"SET", "GET", "INCR"};
    struct reply reply = {0};
    char value[16];
    int n_errors = 0, r = 0;

    for (int i = 0; i < 3 * ROUNDS && r == 0; i++) {
        r = read_reply(connection->reader, &reply);
        snprintf(value, sizeof value, "value-%04d", i / 3);
        if (r == 0 && (!reply.text || reply.type == '-' || (i % 3 == 1 && strcmp(reply.text, value) != 0)))
            n_errors++;
        if (r == 0 && i >= 3 * ROUNDS - 3) {
            printf("%s: ", names[i % 3]);
            print_reply(&reply, 0);
        }
        free_reply(&reply);
    }
    if (r == 0)
        printf("%d replies, %d of them wrong\n", 3 * ROUNDS, n_errors);
    return r;
}

static int send_and_read(struct connection *connection)
{
    struct asyncio_taskgroup group = {0};
    int r = asyncio_taskgroup_enter(&group);

    if (r < 0)
        return r;
    asyncio_taskgroup_create_task(&group, send_all, connection);
    return asyncio_taskgroup_exit(&group, read_all(connection));
}

static int run_command(struct connection *connection)
{
    struct reply reply = {0};
    int r = send_request(connection->writer, connection->argc, connection->argv);

    if (r == 0)
        r = read_reply(connection->reader, &reply);
    if (r == 0)
        print_reply(&reply, 0);
    free_reply(&reply);
    return r;
}

static int amain(void *arg)
{
    struct connection *connection = arg;
    int r = asyncio_open_connection(connection->argv[0], atoi(connection->argv[1]), &connection->reader,
                                    &connection->writer);

    if (r == 0) {
        connection->argc -= 2;
        connection->argv += 2;
        r = connection->argc > 0 ? run_command(connection) : send_and_read(connection);
        asyncio_streamwriter_close(connection->writer);
        asyncio_streamreader_unref(connection->reader);
        asyncio_streamwriter_unref(connection->writer);
    }
    if (r < 0) {
        const char *detail = asyncio_error_detail();

        fprintf(stderr, "redis_client: %s\n", *detail ? detail : asyncio_strerror(r));
    }
    return r;
}

int main(int argc, char **argv)
{
    struct connection connection = {.argc = argc - 1, .argv = argv + 1};

    if (argc < 3) {
        fprintf(stderr, "usage: redis_client HOST PORT [COMMAND [ARGUMENT...]]\n");
        return 2;
    }
    return asyncio_run(amain, &connection) < 0;
}
