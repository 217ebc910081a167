/* dns_config.c -- whom to ask for names, and what this machine knows of them itself: resolv.conf, hosts and services,
 * unless the user has set something else.
 *
 * The files are looked at again whenever a look-up begins, so that a change is seen at once. The simulator has none of
 * them: its server is at port 53 of 127.0.0.1, and what is to be in the other files has to be named. */
#include "dns.h"

#include <limits.h>
#include <netdb.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <unistd.h>

#include "../base/address.h"

#define RESOLV_CONF   "/etc/resolv.conf"
#define HOSTS         "/etc/hosts"
#define SERVICES      "/etc/services"
#define DNS_PORT      53
#define LONGEST_LINE  2560
#define DEFAULT_TRIES 2

#define DEFAULT_TIMEOUT_NS (5 * NS_PER_SEC)

struct asyncio__dns *asyncio__dns_of(struct asyncio_loop *loop)
{
    if (!loop->dns) {
        loop->dns = asyncio__calloc(sizeof *loop->dns);
        if (loop->dns)
            list_init(&loop->dns->questions);
    }
    return loop->dns;
}

/* ------------------------------------------------------------------------------------------------------ One server */

/* Splits the port off. Returns: the port; -EINVAL. */
static int take_port(char *text, char **ret_host)
{
    char *colon = strrchr(text, ':'), *end;
    long port;

    *ret_host = text;
    if (*text == '[') {
        end = strchr(text, ']');
        if (!end || (end[1] && end[1] != ':'))
            return -EINVAL;
        *ret_host = text + 1;
        colon = end[1] ? end + 1 : NULL;
        *end = 0;
    } else if (colon && strchr(text, ':') != colon) {
        colon = NULL; /* a bare IPv6 number */
    }
    if (!colon)
        return DNS_PORT;
    *colon = 0;
    port = strtol(colon + 1, &end, 10);
    return *end || end == colon + 1 || port < 1 || port > UINT16_MAX ? -EINVAL : (int)port;
}

int asyncio__dns_read_server(const char *text, struct asyncio_address *ret_address)
{
    char copy[96], *host;
    struct asyncio_address address;
    const char *zone;
    unsigned long scope;
    char *end;
    int port;

    if (strlen(text) >= sizeof copy)
        return -EINVAL;
    snprintf(copy, sizeof copy, "%s", text);
    port = take_port(copy, &host);
    if (port < 0 || asyncio__address_read(&address, host, port, &zone) < 0)
        return -EINVAL;
    if (zone) {
        scope = strtoul(zone, &end, 10);
        if (*end || end == zone)
            scope = if_nametoindex(zone);
        if (scope == 0 || scope > UINT32_MAX)
            return -EINVAL;
        asyncio__address_set_scope(&address, (uint32_t)scope);
    }
    *ret_address = address;
    return 0;
}

/* ----------------------------------------------------------------------------------------------------- resolv.conf */

/* Adds a server, if it is one and there is room: a line that makes no sense must not take the others away. */
static void add_server(struct asyncio__dns_config *config, const char *word)
{
    if (config->n_servers < ARRAY_SIZE(config->servers) &&
        asyncio__dns_read_server(word, &config->servers[config->n_servers]) == 0)
        config->n_servers++;
}

static void set_search(struct asyncio__dns_config *config, char *line)
{
    size_t length = 0;
    const char *word;

    config->search[0] = 0;
    while ((word = asyncio__dns_next_word(&line))) {
        size_t size = strlen(word);

        if (size > 0 && word[size - 1] == '.')
            size--;
        if (size == 0 || length + size + 2 > sizeof config->search)
            continue;
        if (length > 0)
            config->search[length++] = ' ';
        memcpy(config->search + length, word, size);
        length += size;
        config->search[length] = 0;
    }
}

/* Reads "name:7". Returns: false when it is another option. */
static bool read_number(const char *word, const char *name, int most, int *ret_number)
{
    size_t length = strlen(name);
    long number;
    char *end;

    if (strncmp(word, name, length) != 0 || word[length] != ':')
        return false;
    number = strtol(word + length + 1, &end, 10);
    if (!*end && number >= 0)
        *ret_number = (int)min_i64(number, most);
    return true;
}

static void set_options(struct asyncio__dns_config *config, char *line)
{
    const char *word;
    int seconds;

    while ((word = asyncio__dns_next_word(&line))) {
        seconds = 0;
        if (read_number(word, "timeout", 30, &seconds)) {
            if (seconds > 0)
                config->timeout_ns = seconds * NS_PER_SEC;
        } else if (read_number(word, "attempts", 5, &config->attempts)) {
            config->attempts = (int)max_i64(config->attempts, 1);
        } else if (strcmp(word, "rotate") == 0) {
            config->rotate = true;
        } else if (strcmp(word, "use-vc") == 0) {
            config->use_tcp = true;
        } else {
            read_number(word, "ndots", 15, &config->ndots);
        }
    }
}

static void read_resolv_conf(struct asyncio__dns_config *config, const char *text)
{
    char buffer[LONGEST_LINE];

    while (asyncio__dns_next_line(&text, "#;", buffer, sizeof buffer)) {
        char *line = buffer;
        const char *key = asyncio__dns_next_word(&line), *word;

        if (!key)
            continue;
        if (strcmp(key, "nameserver") == 0) {
            word = asyncio__dns_next_word(&line);
            if (word)
                add_server(config, word);
        } else if (strcmp(key, "search") == 0 || strcmp(key, "domain") == 0) {
            set_search(config, line);
        } else if (strcmp(key, "options") == 0) {
            set_options(config, line);
        }
    }
}

/* Without a search list the domain of the machine's own name is one. */
static void search_own_domain(struct asyncio__dns_config *config)
{
    char name[256] = "";
    char *dot;

    if (gethostname(name, sizeof name - 1) < 0)
        return;
    dot = strchr(name, '.');
    if (dot)
        set_search(config, dot + 1);
}

/* ---------------------------------------------------------------------------------------------------------- Config */

static void read_servers(struct asyncio__dns_config *config, const char *text)
{
    char copy[1024], *line = copy;
    const char *word;

    config->n_servers = 0;
    snprintf(copy, sizeof copy, "%s", text);
    for (char *c = copy; *c; c++)
        if (*c == ',')
            *c = ' ';
    while ((word = asyncio__dns_next_word(&line)))
        add_server(config, word);
}

/* What the user has set comes last and counts. */
static void apply_settings(struct asyncio__dns_config *config, const struct asyncio__dns_settings *settings)
{
    char copy[LONGEST_LINE];

    if (settings->servers)
        read_servers(config, settings->servers);
    if (settings->search) {
        snprintf(copy, sizeof copy, "%s", settings->search);
        set_search(config, copy);
    }
    if (settings->timeout_ns)
        config->timeout_ns = settings->timeout_ns;
    if (settings->attempts)
        config->attempts = settings->attempts;
    if (settings->ndots)
        config->ndots = (int)max_i64(settings->ndots, 0);
    config->rotate |= settings->rotate;
    config->use_tcp |= settings->use_tcp;
}

static struct asyncio__dns_config *make_config(const struct asyncio_loop *loop, const struct asyncio__dns *dns)
{
    struct asyncio__dns_config *config = asyncio__calloc(sizeof *config);

    if (!config)
        return NULL;
    config->refs = 1;
    config->ndots = 1;
    config->attempts = DEFAULT_TRIES;
    config->timeout_ns = DEFAULT_TIMEOUT_NS;
    if (dns->resolv_conf.text)
        read_resolv_conf(config, dns->resolv_conf.text);
    if (!config->search[0] && !loop->ops->simulated)
        search_own_domain(config);
    apply_settings(config, &dns->settings);
    if (config->n_servers == 0)
        add_server(config, "127.0.0.1");
    return config;
}

void asyncio__dns_config_unref(struct asyncio__dns_config *config)
{
    if (config && --config->refs == 0)
        asyncio__free(config);
}

/* The path of a file: the one that was set, or that of a real machine; NULL for none. */
static const char *path_of(const struct asyncio_loop *loop, const char *set, const char *usual)
{
    return set ? set : loop->ops->simulated ? NULL : usual;
}

struct asyncio__dns_config *asyncio__dns_config_get(struct asyncio_loop *loop)
{
    struct asyncio__dns *dns = asyncio__dns_of(loop);
    const char *path = dns ? path_of(loop, dns->settings.resolv_conf, RESOLV_CONF) : NULL;
    int r = dns ? 0 : -ENOMEM;

    if (r == 0 && path)
        r = asyncio__dns_file_update(&dns->resolv_conf, path);
    if (r < 0)
        return NULL;
    if (r > 0) {
        asyncio__dns_config_unref(dns->config);
        dns->config = NULL;
    }
    if (!dns->config)
        dns->config = make_config(loop, dns);
    if (dns->config)
        dns->config->refs++;
    return dns->config;
}

static const char *text_of(struct asyncio__dns_file *file, const char *path)
{
    if (!path)
        return "";
    return asyncio__dns_file_update(file, path) < 0 ? NULL : file->text;
}

const char *asyncio__dns_hosts(struct asyncio_loop *loop)
{
    struct asyncio__dns *dns = asyncio__dns_of(loop);

    return dns ? text_of(&dns->hosts, path_of(loop, dns->settings.hosts_file, HOSTS)) : NULL;
}

const char *asyncio__dns_services(struct asyncio_loop *loop)
{
    struct asyncio__dns *dns = asyncio__dns_of(loop);

    return dns ? text_of(&dns->services, path_of(loop, NULL, SERVICES)) : NULL;
}

/* -------------------------------------------------------------------------------------------------------- Settings */

static void free_settings(struct asyncio__dns_settings *settings)
{
    asyncio__free(settings->servers);
    asyncio__free(settings->search);
    asyncio__free(settings->hosts_file);
    asyncio__free(settings->resolv_conf);
    *settings = (struct asyncio__dns_settings){0};
}

static int copy_text(char **ret_copy, const char *text)
{
    *ret_copy = text ? asyncio__strdup(text) : NULL;
    return text && !*ret_copy ? -ENOMEM : 0;
}

/* Returns: 0 when every server of a list can be read; -EINVAL. */
static int check_servers(const char *servers)
{
    char copy[1024], *line = copy;
    struct asyncio_address address;
    const char *word;
    int n = 0;

    if (strlen(servers) >= sizeof copy)
        return -EINVAL;
    snprintf(copy, sizeof copy, "%s", servers);
    for (char *c = copy; *c; c++)
        if (*c == ',')
            *c = ' ';
    while ((word = asyncio__dns_next_word(&line))) {
        if (asyncio__dns_read_server(word, &address) < 0 || ++n > ASYNCIO__DNS_MAX_SERVERS)
            return -EINVAL;
    }
    return n > 0 ? 0 : -EINVAL;
}

int asyncio_loop_set_resolver_kw(struct asyncio_loop *loop, const struct asyncio_resolver_kw *kw)
{
    static const struct asyncio_resolver_kw none = {.size = sizeof none};
    struct asyncio__dns_settings settings = {.servers = NULL};
    struct asyncio__dns *dns;
    int r = asyncio__loop_check(loop);

    kw = kw ? kw : &none;
    if (r == 0)
        r = asyncio__ns_from_seconds(kw->timeout, &settings.timeout_ns);
    if (r == 0 && kw->servers)
        r = check_servers(kw->servers);
    if (r < 0 || kw->attempts < 0)
        return r < 0 ? r : -EINVAL;
    dns = asyncio__dns_of(loop);
    r = dns ? copy_text(&settings.servers, kw->servers) : -ENOMEM;
    if (r == 0)
        r = copy_text(&settings.search, kw->search);
    if (r == 0)
        r = copy_text(&settings.hosts_file, kw->hosts_file);
    if (r == 0)
        r = copy_text(&settings.resolv_conf, kw->resolv_conf);
    if (r < 0) {
        free_settings(&settings);
        return r;
    }
    settings.attempts = kw->attempts;
    settings.ndots = kw->ndots;
    settings.rotate = kw->rotate;
    settings.use_tcp = kw->use_tcp;
    settings.nss = kw->nss;
    free_settings(&dns->settings);
    dns->settings = settings;
    asyncio__dns_file_fini(&dns->resolv_conf);
    asyncio__dns_file_fini(&dns->hosts);
    asyncio__dns_config_unref(dns->config);
    dns->config = NULL;
    return 0;
}

void asyncio__dns_close(struct asyncio_loop *loop)
{
    struct asyncio__dns *dns = loop->dns;

    if (!dns)
        return;
    asyncio__dns_questions_close(loop, &dns->questions);
    asyncio_executor_unref(dns->nss);
    asyncio__dns_config_unref(dns->config);
    asyncio__dns_file_fini(&dns->resolv_conf);
    asyncio__dns_file_fini(&dns->hosts);
    asyncio__dns_file_fini(&dns->services);
    free_settings(&dns->settings);
    asyncio__free(dns);
    loop->dns = NULL;
}
