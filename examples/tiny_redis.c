/* A small server that redis-cli and redis-benchmark can talk to: texts by key, with a time to live.
 *
 *     tiny_redis [HOST [PORT]]
 *
 * A client may send many requests without waiting. What one read brings is worked off, and the replies are collected
 * and sent together. All memory is bounded: the clients, a request, the replies that wait, and what is stored. */
#define _GNU_SOURCE /* tdestroy */
#include <asyncio.h>

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <search.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum {
    MOST_CLIENTS = 1000,
    MOST_WORDS = 64,
    FIRST_INPUT = 16 * 1024,
    LARGEST_INPUT = 128 * 1024, /* and so the largest request */
    LARGEST_OUTPUT = 16 * 1024,
    LARGEST_STORE = 64 * 1024 * 1024,
    MOST_SECONDS = 2000 * 1000 * 1000, /* to live */
    SWEPT_AT_ONCE = 200,
};

struct item {
    struct item *next, *previous; /* in the ring of those that expire; NULL if this one does not */
    double expires;               /* in the loop's time */
    char *value;
    size_t value_size, key_size;
    const char *key; /* behind this structure */
};

struct client {
    struct asyncio_streamreader *reader;
    struct asyncio_streamwriter *writer;
    char *input;
    size_t input_size, input_room;
    size_t output_size;
    bool is_leaving;
    char output[LARGEST_OUTPUT];
};

static void *store; /* the root of a tree of tsearch(3) */
static size_t store_size;
static struct item expiring = {.next = &expiring, .previous = &expiring};
static uint64_t n_clients, n_requests;

/* ------------------------------------------------------------------------------------------------------------ Store */

static double now(void)
{
    return asyncio_loop_time(asyncio_get_running_loop());
}

static int compare_keys(const void *a, const void *b)
{
    const struct item *first = a, *second = b;
    size_t common = first->key_size < second->key_size ? first->key_size : second->key_size;
    int order = memcmp(first->key, second->key, common);

    return order ? order : (first->key_size > second->key_size) - (first->key_size < second->key_size);
}

/* When `expires` is 0, it never does. */
static void set_expiry(struct item *item, double expires)
{
    if (item->next) {
        item->next->previous = item->previous;
        item->previous->next = item->next;
        item->next = item->previous = NULL;
    }
    item->expires = expires;
    if (expires > 0) {
        item->next = &expiring;
        item->previous = expiring.previous;
        item->previous->next = expiring.previous = item;
    }
}

static void free_item(void *arg)
{
    struct item *item = arg;

    free(item->value);
    free(item);
}

static void remove_item(struct item *item)
{
    tdelete(item, &store, compare_keys);
    set_expiry(item, 0);
    store_size -= sizeof *item + item->key_size + item->value_size;
    free_item(item);
}

static struct item *find(struct asyncio_bytes key)
{
    struct item wanted = {.key = key.data, .key_size = key.size}, **found = tfind(&wanted, &store, compare_keys);

    if (!found)
        return NULL;
    if ((*found)->expires > 0 && (*found)->expires <= now()) {
        remove_item(*found);
        return NULL;
    }
    return *found;
}

/* Stores a copy. An item that is there keeps its expiry. Returns: the item; NULL when the store is full. */
static struct item *put(struct asyncio_bytes key, struct asyncio_bytes value)
{
    struct item *item = find(key);
    size_t size = value.size + (item ? 0 : sizeof *item + key.size);
    size_t old_size = item ? item->value_size : 0;
    char *copy = store_size - old_size + size <= LARGEST_STORE ? malloc(value.size + 1) : NULL;

    if (!copy)
        return NULL;
    memcpy(copy, value.data, value.size);
    if (!item) {
        item = calloc(1, sizeof *item + key.size);
        if (item) {
            item->key = memcpy(item + 1, key.data, key.size);
            item->key_size = key.size;
        }
        if (!item || !tsearch(item, &store, compare_keys)) {
            free(item);
            free(copy);
            return NULL;
        }
    }
    free(item->value);
    item->value = copy;
    item->value_size = value.size;
    store_size += size - old_size;
    return item;
}

/* A task: those that expire are removed when somebody asks for them, and here when nobody does. */
static int sweep(void *arg)
{
    (void)arg;
    for (;;) {
        int r = asyncio_sleep(0.1);

        if (r < 0)
            return r;
        for (int i = 0; i < SWEPT_AT_ONCE && expiring.next != &expiring; i++) {
            struct item *item = expiring.next;

            if (item->expires <= now())
                remove_item(item);
            else
                set_expiry(item, item->expires); /* to the end of the ring */
        }
    }
}

/* ---------------------------------------------------------------------------------------------------------- Replies */

static int flush(struct client *client)
{
    size_t size = client->output_size;

    client->output_size = 0;
    return size > 0 ? asyncio_streamwriter_write(client->writer, client->output, size) : 0;
}

/* Adds to the output, or sends it with these pieces when they do not fit. They are taken before anybody else runs. */
static int reply(struct client *client, const struct asyncio_bytes *pieces, size_t n)
{
    struct asyncio_bytes all[4] = {{client->output, client->output_size}};
    size_t size = client->output_size;

    for (size_t i = 0; i < n; i++)
        size += pieces[i].size;
    if (size > sizeof client->output) {
        memcpy(all + 1, pieces, n * sizeof *pieces);
        client->output_size = 0;
        return asyncio_streamwriter_writelines(client->writer, all, n + 1);
    }
    for (size_t i = 0; i < n; i++) {
        memcpy(client->output + client->output_size, pieces[i].data, pieces[i].size);
        client->output_size += pieces[i].size;
    }
    return 0;
}

static int reply_line(struct client *client, const char *line)
{
    struct asyncio_bytes pieces[] = {{line, strlen(line)}, {"\r\n", 2}};

    return reply(client, pieces, 2);
}

static int reply_number(struct client *client, int64_t number)
{
    char line[32];

    snprintf(line, sizeof line, ":%" PRId64, number);
    return reply_line(client, line);
}

static int reply_text(struct client *client, struct asyncio_bytes text)
{
    char head[32];
    struct asyncio_bytes pieces[] = {{head, 0}, text, {"\r\n", 2}};

    pieces[0].size = (size_t)snprintf(head, sizeof head, "$%zu\r\n", text.size);
    return reply(client, pieces, 3);
}

/* --------------------------------------------------------------------------------------------------------- Commands */

static const char *const not_an_integer = "-ERR value is not an integer or out of range";
static const char *const out_of_memory = "-OOM command not allowed when used memory > 'maxmemory'.";

static bool is_word(struct asyncio_bytes word, const char *text)
{
    return word.size == strlen(text) && strncasecmp(word.data, text, word.size) == 0;
}

static bool to_number(struct asyncio_bytes word, int64_t *ret_number)
{
    char text[24], *end;

    if (word.size == 0 || word.size >= sizeof text)
        return false;
    memcpy(text, word.data, word.size);
    text[word.size] = '\0';
    errno = 0;
    *ret_number = strtoll(text, &end, 10);
    return (isdigit((unsigned char)text[0]) || text[0] == '-') && end == text + word.size && errno == 0;
}

static int ping(struct client *client, const struct asyncio_bytes *words, size_t n)
{
    return n == 2 ? reply_text(client, words[1]) : reply_line(client, "+PONG");
}

static int echo(struct client *client, const struct asyncio_bytes *words, size_t n)
{
    (void)n;
    return reply_text(client, words[1]);
}

static int get(struct client *client, const struct asyncio_bytes *words, size_t n)
{
    const struct item *item = find(words[1]);

    (void)n;
    return item ? reply_text(client, (struct asyncio_bytes){item->value, item->value_size}) : reply_line(client, "$-1");
}

/* SET key value [EX seconds] */
static int set(struct client *client, const struct asyncio_bytes *words, size_t n)
{
    struct item *item;
    int64_t seconds = 0;

    if (n == 4 || (n == 5 && !is_word(words[3], "EX")))
        return reply_line(client, "-ERR syntax error");
    if (n == 5 && !to_number(words[4], &seconds))
        return reply_line(client, not_an_integer);
    if (n == 5 && (seconds <= 0 || seconds > MOST_SECONDS))
        return reply_line(client, "-ERR invalid expire time in 'set' command");
    item = put(words[1], words[2]);
    if (!item)
        return reply_line(client, out_of_memory);
    set_expiry(item, n == 5 ? now() + (double)seconds : 0);
    return reply_line(client, "+OK");
}

static int del(struct client *client, const struct asyncio_bytes *words, size_t n)
{
    int64_t removed = 0;

    for (size_t i = 1; i < n; i++) {
        struct item *item = find(words[i]);

        if (item) {
            remove_item(item);
            removed++;
        }
    }
    return reply_number(client, removed);
}

static int incr(struct client *client, const struct asyncio_bytes *words, size_t n)
{
    const struct item *item = find(words[1]);
    int64_t number = 0;
    char text[24];

    (void)n;
    if (item && !to_number((struct asyncio_bytes){item->value, item->value_size}, &number))
        return reply_line(client, not_an_integer);
    if (number == INT64_MAX)
        return reply_line(client, "-ERR increment or decrement would overflow");
    snprintf(text, sizeof text, "%" PRId64, ++number);
    if (!put(words[1], (struct asyncio_bytes){text, strlen(text)}))
        return reply_line(client, out_of_memory);
    return reply_number(client, number);
}

static int expire(struct client *client, const struct asyncio_bytes *words, size_t n)
{
    struct item *item = find(words[1]);
    int64_t seconds;

    (void)n;
    if (!to_number(words[2], &seconds) || seconds > MOST_SECONDS)
        return reply_line(client, not_an_integer);
    if (item && seconds <= 0)
        remove_item(item);
    else if (item)
        set_expiry(item, now() + (double)seconds);
    return reply_number(client, item != NULL);
}

static int ttl(struct client *client, const struct asyncio_bytes *words, size_t n)
{
    const struct item *item = find(words[1]);

    (void)n;
    if (!item)
        return reply_number(client, -2);
    return reply_number(client, item->expires > 0 ? (int64_t)(item->expires - now() + 0.5) : -1);
}

static int quit(struct client *client, const struct asyncio_bytes *words, size_t n)
{
    (void)words, (void)n;
    client->is_leaving = true;
    return reply_line(client, "+OK");
}

/* redis-cli asks for the list of commands, and does without it. */
static int command(struct client *client, const struct asyncio_bytes *words, size_t n)
{
    (void)words, (void)n;
    return reply_line(client, "*0");
}

/* redis-benchmark asks for two settings. */
static int config(struct client *client, const struct asyncio_bytes *words, size_t n)
{
    int r;

    if (n != 3 || !is_word(words[1], "GET"))
        return reply_line(client, "-ERR only CONFIG GET is known");
    r = reply_line(client, "*2");
    if (r == 0)
        r = reply_text(client, words[2]);
    return r < 0 ? r : reply_text(client, (struct asyncio_bytes){"", 0});
}

static const struct {
    const char *name;
    size_t least, most; /* words, with the name */
    int (*run)(struct client *client, const struct asyncio_bytes *words, size_t n);
} commands[] = {
    {"GET", 2, 2, get},
    {"SET", 3, 5, set},
    {"INCR", 2, 2, incr},
    {"DEL", 2, MOST_WORDS, del},
    {"EXPIRE", 3, 3, expire},
    {"TTL", 2, 2, ttl},
    {"PING", 1, 2, ping},
    {"ECHO", 2, 2, echo},
    {"QUIT", 1, 1, quit},
    {"COMMAND", 1, MOST_WORDS, command},
    {"CONFIG", 2, MOST_WORDS, config},
};

static int run(struct client *client, const struct asyncio_bytes *words, size_t n)
{
    n_requests++;
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++)
        if (is_word(words[0], commands[i].name)) {
            if (n < commands[i].least || n > commands[i].most)
                return reply_line(client, "-ERR wrong number of arguments");
            return commands[i].run(client, words, n);
        }
    return reply_line(client, "-ERR unknown command");
}

/* --------------------------------------------------------------------------------------------------------- Requests */

/* What stands between two places of the input; NULL where the input ends before a line does. */
struct input {
    const char *at, *end;
};

/* Reads a line of '*' or '$' and a number. Returns: 1; 0 when it has not all come; -EPROTO. */
static int parse_number(struct input *input, char type, long most, long *ret_number)
{
    const char *line_end = memchr(input->at, '\n', (size_t)(input->end - input->at));
    char *end;

    if (!line_end)
        return input->end - input->at > 32 ? -EPROTO : 0;
    /* strtol stops at the '\r' at the latest. */
    *ret_number = strtol(input->at + 1, &end, 10);
    if (*input->at != type || end == input->at + 1 || end + 1 != line_end || *end != '\r' || *ret_number > most)
        return -EPROTO;
    input->at = line_end + 1;
    return 1;
}

/* A request of words of any bytes, each with its size. */
static int parse_array(struct input *input, struct asyncio_bytes *words, size_t *ret_n)
{
    long count = 0, size;
    int r = parse_number(input, '*', MOST_WORDS, &count);

    for (long i = 0; i < count && r == 1; i++) {
        r = input->at < input->end ? parse_number(input, '$', LARGEST_INPUT, &size) : 0;
        if (r == 1 && size < 0)
            return -EPROTO;
        if (r == 1 && input->end - input->at < size + 2)
            return 0;
        if (r == 1) {
            words[(*ret_n)++] = (struct asyncio_bytes){input->at, (size_t)size};
            input->at += size + 2;
        }
    }
    return r;
}

/* A request as people type it: a line of words. */
static int parse_line(struct input *input, struct asyncio_bytes *words, size_t *ret_n)
{
    const char *line_end = memchr(input->at, '\n', (size_t)(input->end - input->at));

    if (!line_end)
        return 0;
    while (input->at < line_end) {
        size_t length = strcspn(input->at, " \t\r\n");

        if (length > 0 && *ret_n == MOST_WORDS)
            return -EPROTO;
        if (length > 0)
            words[(*ret_n)++] = (struct asyncio_bytes){input->at, length};
        input->at += length + 1;
    }
    input->at = line_end + 1;
    return 1;
}

/* Works off all requests of the input that have come. Returns: 0; -EPROTO; an error. */
static int work_off(struct client *client)
{
    struct input input = {client->input, client->input + client->input_size};
    const char *done = input.at;
    int r = 1;

    while (r == 1 && input.at < input.end && !client->is_leaving) {
        struct asyncio_bytes words[MOST_WORDS];
        size_t n = 0;

        r = *input.at == '*' ? parse_array(&input, words, &n) : parse_line(&input, words, &n);
        if (r == 1) {
            done = input.at;
            if (n > 0 && (r = run(client, words, n)) == 0)
                r = 1;
        }
    }
    client->input_size = (size_t)(client->input + client->input_size - done);
    memmove(client->input, done, client->input_size);
    return r < 0 ? r : 0;
}

/* Reads what there is, and makes room for it first. Returns: bytes, 0 at the end; -EPROTO for too large a request. */
static int read_more(struct client *client)
{
    ssize_t n;

    if (client->input_size == client->input_room) {
        size_t room = client->input_room ? client->input_room * 2 : FIRST_INPUT;
        char *input = room <= LARGEST_INPUT ? realloc(client->input, room + 1) : NULL;

        if (!input)
            return -EPROTO;
        client->input = input;
        client->input_room = room;
    }
    n = asyncio_streamreader_read(client->reader, client->input + client->input_size,
                                  client->input_room - client->input_size);
    if (n > 0)
        client->input_size += (size_t)n;
    /* The functions of <string.h> and <stdlib.h> end there. */
    client->input[client->input_size] = '\0';
    return (int)n;
}

static int serve_client(struct asyncio_streamreader *reader, struct asyncio_streamwriter *writer, void *arg)
{
    struct client *client = calloc(1, sizeof *client);
    int r;

    (void)arg;
    if (!client)
        return -ENOMEM;
    n_clients++;
    client->reader = reader;
    client->writer = writer;
    while ((r = read_more(client)) > 0 && (r = work_off(client)) == 0 && (r = flush(client)) == 0 &&
           !client->is_leaving)
        ;
    if (r == -EPROTO)
        r = reply_line(client, "-ERR Protocol error");
    if (r == 0)
        r = flush(client);
    free(client->input);
    free(client);
    return r == -ECANCELED ? r : 0; /* what happens to a client is no error of the server */
}

static int serve(void *arg)
{
    const char *const *address_words = arg;
    struct asyncio_server *server;
    struct asyncio_address address;
    char name[64];
    int r = asyncio_start_server(serve_client, NULL, address_words[0], atoi(address_words[1]), &server,
                                 .max_connections = MOST_CLIENTS);

    if (r == 0)
        r = asyncio_server_sockname(server, 0, &address);
    if (r < 0) {
        const char *detail = asyncio_error_detail();

        fprintf(stderr, "tiny_redis: %s\n", *detail ? detail : asyncio_strerror(r));
        return r;
    }
    asyncio_address_format(&address, name, sizeof name);
    printf("serving on %s\n", name);
    fflush(stdout);
    r = sweep(NULL); /* until Ctrl-C cancels it */
    ASYNCIO_IGNORE(asyncio_server_stop(server, 0));
    asyncio_server_unref(server);
    return r;
}

int main(int argc, char **argv)
{
    const char *address[] = {argc > 1 ? argv[1] : "127.0.0.1", argc > 2 ? argv[2] : "6380"};
    int r;

    if (argc > 3 || strspn(address[1], "0123456789") != strlen(address[1])) {
        fprintf(stderr, "usage: tiny_redis [HOST [PORT]]\n");
        return 2;
    }
    r = asyncio_run(serve, address);
    tdestroy(store, free_item);
    if (r != -EINTR)
        return 1;
    printf("%" PRIu64 " clients, %" PRIu64 " requests\n", n_clients, n_requests);
    return 0;
}
