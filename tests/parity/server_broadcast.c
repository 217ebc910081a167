/* What one client says, all the others hear; each has a queue and a task that empties it (ST-02, Q-01). */

#include "parity_streams.h"

enum { MOST_MEMBERS = 3, LONGEST = 64 };

struct member {
    char name[16];
    bool is_here;
    struct asyncio_queue queue; /* of texts that the taker frees; NULL is the end */
    struct asyncio_streamwriter *writer;
};

static struct member members[MOST_MEMBERS];

static int n_members(void)
{
    int n = 0;

    for (size_t i = 0; i < MOST_MEMBERS; i++)
        n += members[i].is_here;
    return n;
}

static int sends(void *arg)
{
    struct member *member = arg;
    void *text;

    for (;;) {
        TRY(asyncio_queue_get(&member->queue, &text));
        if (!text)
            return 0;
        int r = asyncio_streamwriter_write(member->writer, text, strlen(text));
        free(text);
        TRY(r);
    }
}

static int tell_others(const struct member *from, const char *line)
{
    for (struct member *member = members; member < members + MOST_MEMBERS; member++)
        if (member->is_here && member != from) {
            char *text = malloc(LONGEST);

            if (!text)
                return -ENOMEM;
            snprintf(text, LONGEST, "%s: %s", from->name, line);
            TRY(asyncio_queue_put_nowait(&member->queue, text));
        }
    return 0;
}

static int joins(struct asyncio_streamreader *reader, struct asyncio_streamwriter *writer, void *arg)
{
    struct member *member = members;
    char *line;
    ssize_t n;

    (void)arg;
    TRY((int)asyncio_streamreader_readline(reader, &line));
    while (member->writer)
        member++;
    sscanf(line, "%15s", member->name);
    member->is_here = true;
    member->writer = writer;
    struct asyncio_future *sender = asyncio_create_task(sends, member);
    while ((n = asyncio_streamreader_readline(reader, &line)) > 0)
        TRY(tell_others(member, line));
    member->is_here = false;
    TRY(asyncio_queue_put_nowait(&member->queue, NULL));
    TRY(take(sender));
    asyncio_queue_fini(&member->queue);
    return (int)n;
}

struct listener {
    const char *name;
    struct client client;
};

static int listens(void *arg)
{
    const struct listener *listener = arg;
    char *line;
    ssize_t n;

    while ((n = asyncio_streamreader_readline(listener->client.reader, &line)) > 0)
        say("%s hears %s", listener->name, quoted(line, n));
    return (int)n;
}

static int main_task(void *arg)
{
    struct listener listeners[] = {{.name = "alice"}, {.name = "bob"}, {.name = "carol"}};
    struct asyncio_future *tasks[COUNT(listeners)];
    struct asyncio_server *server;

    (void)arg;
    TRY(asyncio_start_server(joins, NULL, "127.0.0.1", 0, &server));
    for (size_t i = 0; i < COUNT(listeners); i++) {
        TRY(connect_to(server, &listeners[i].client));
        TRY(asyncio_streamwriter_printf(listeners[i].client.writer, "%s\n", listeners[i].name));
        tasks[i] = asyncio_create_task(listens, &listeners[i]);
        nap(1);
    }
    say("%d members", n_members());
    TRY(write_text(listeners[0].client.writer, "hello, bob\n"));
    nap(1);
    TRY(write_text(listeners[1].client.writer, "hello, alice\nand carol\n"));
    nap(1);
    for (size_t i = 0; i < COUNT(listeners); i++) {
        TRY(asyncio_streamwriter_write_eof(listeners[i].client.writer));
        TRY(take(tasks[i]));
        nap(1);
        say("%d members", n_members());
        TRY(hang_up(&listeners[i].client));
    }
    return end_server(server);
}

int main(void)
{
    return asyncio_run(main_task, NULL) < 0;
}
