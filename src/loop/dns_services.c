/* dns_services.c -- names of ports. A few that every program means the same by are known here, so that a machine
 * without
 * /etc/services, as many containers are, knows them too; the others stand in that file. */
#include "dns.h"

#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

struct service {
    const char *name;
    int port;
    bool is_tcp, is_udp;
};

static const struct service usual[] = {
    {"http", 80, true, false},  {"https", 443, true, true},  {"domain", 53, true, true},  {"ssh", 22, true, false},
    {"smtp", 25, true, false},  {"imap", 143, true, false},  {"imaps", 993, true, false}, {"pop3", 110, true, false},
    {"ftp", 21, true, false},   {"telnet", 23, true, false}, {"ntp", 123, false, true},   {"echo", 7, true, true},
    {"discard", 9, true, true}, {"daytime", 13, true, true}, {"ldap", 389, true, false},  {"ldaps", 636, true, false},
};

/* True when a service over that protocol is one of that socket type; 0: any type. */
static bool fits(bool is_tcp, bool is_udp, int type)
{
    return type == 0 ? is_tcp || is_udp : type == SOCK_STREAM ? is_tcp : type == SOCK_DGRAM && is_udp;
}

/* A line of the file: "http 80/tcp www". */
struct entry {
    const char *name;
    int port;
    bool is_tcp, is_udp;
    char *aliases;
};

static bool read_entry(char *line, struct entry *ret_entry)
{
    const char *name = asyncio__dns_next_word(&line), *number = asyncio__dns_next_word(&line);
    char *end;
    long port;

    if (!number)
        return false;
    port = strtol(number, &end, 10);
    if (*end != '/' || port < 1 || port > UINT16_MAX)
        return false;
    *ret_entry = (struct entry){
        .name = name,
        .port = (int)port,
        .is_tcp = strcmp(end, "/tcp") == 0,
        .is_udp = strcmp(end, "/udp") == 0,
        .aliases = line,
    };
    return true;
}

static bool is_called(struct entry *entry, const char *service)
{
    const char *word = entry->name;

    while (word && strcmp(word, service) != 0)
        word = asyncio__dns_next_word(&entry->aliases);
    return word;
}

int asyncio__dns_service_port(struct asyncio_loop *loop, const char *service, int type)
{
    const char *text = asyncio__dns_services(loop);
    char line[512];
    struct entry entry;

    if (!text)
        return -ENOMEM;
    while (asyncio__dns_next_line(&text, "#", line, sizeof line))
        if (read_entry(line, &entry) && fits(entry.is_tcp, entry.is_udp, type) && is_called(&entry, service))
            return entry.port;
    for (size_t i = 0; i < ARRAY_SIZE(usual); i++)
        if (strcmp(usual[i].name, service) == 0 && fits(usual[i].is_tcp, usual[i].is_udp, type))
            return usual[i].port;
    return -ASYNCIO_EAI_SERVICE;
}

int asyncio__dns_service_name(struct asyncio_loop *loop, int port, int type, char ret_name[64])
{
    const char *text = asyncio__dns_services(loop);
    char line[512];
    struct entry entry;

    if (!text)
        return -ENOMEM;
    while (asyncio__dns_next_line(&text, "#", line, sizeof line)) {
        if (read_entry(line, &entry) && entry.port == port && fits(entry.is_tcp, entry.is_udp, type)) {
            snprintf(ret_name, 64, "%s", entry.name);
            return 0;
        }
    }
    for (size_t i = 0; i < ARRAY_SIZE(usual); i++) {
        if (usual[i].port == port && fits(usual[i].is_tcp, usual[i].is_udp, type)) {
            snprintf(ret_name, 64, "%s", usual[i].name);
            return 0;
        }
    }
    return -ENOENT;
}
