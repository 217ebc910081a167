/* Both ends of a connection know both addresses (ST-16). */

#include "parity_streams.h"

typedef int end_of(const struct asyncio_streamwriter *writer, struct asyncio_address *ret_address);

/* "127.0.0.1 8888" as Python's tuple would be printed. */
static int name_of(end_of *end, const struct asyncio_streamwriter *writer, char *text, size_t size)
{
    struct asyncio_address address;

    TRY(end(writer, &address));
    TRY(asyncio_address_format(&address, text, size));
    *strrchr(text, ':') = ' ';
    return 0;
}

static int tells(struct asyncio_streamreader *reader, struct asyncio_streamwriter *writer, void *arg)
{
    char name[64];

    (void)reader, (void)arg;
    TRY(name_of(asyncio_streamwriter_peername, writer, name, sizeof name));
    TRY(asyncio_streamwriter_printf(writer, "%s\n", name));
    TRY(name_of(asyncio_streamwriter_sockname, writer, name, sizeof name));
    return asyncio_streamwriter_printf(writer, "%s\n", name);
}

static int main_task(void *arg)
{
    static end_of *const ends[] = {asyncio_streamwriter_sockname, asyncio_streamwriter_peername};
    static const char *const names[] = {"sockname", "peername"};
    struct asyncio_server *server;
    struct client client;
    char name[64], *line;
    int port = 0;

    (void)arg;
    TRY(asyncio_start_server(tells, NULL, "127.0.0.1", 0, &server));
    TRY(connect_to(server, &client));
    for (size_t i = 0; i < COUNT(ends); i++) {
        TRY(name_of(ends[i], client.writer, name, sizeof name));
        TRY((int)asyncio_streamreader_readline(client.reader, &line));
        size_t length = strlen(name);
        bool same = strncmp(line, name, length) == 0 && strcmp(line + length, "\n") == 0;
        sscanf(strchr(name, ' '), "%d", &port);
        *strchr(name, ' ') = '\0';
        say("%s: %s, the server says the same: %s", names[i], name, truth(same));
    }
    say("the server's port: %s", truth(port == port_of(server)));
    say("the end: %s", read_line(client.reader));
    TRY(hang_up(&client));
    return end_server(server);
}

int main(void)
{
    return asyncio_run(main_task, NULL) < 0;
}
