/* dns_files.c -- the files in which the machine tells of names: how they are read, and how a hosts file is searched. */
#include "dns.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../base/address.h"

/* More than that is no list of names. */
#define LONGEST_FILE ((int64_t)64 * 1024 * 1024)

/* Reads up to `length` bytes. Returns: how many; a negative error. */
static ssize_t read_all(int fd, char *text, size_t length)
{
    size_t size = 0;
    ssize_t r = 1;

    while (r > 0 && size < length) {
        r = read(fd, text + size, length - size);
        if (r < 0 && errno == EINTR)
            r = 1;
        else if (r > 0)
            size += (size_t)r;
    }
    return r < 0 ? -errno : (ssize_t)size;
}

static int64_t changed_ns(const struct stat *info)
{
    return (int64_t)info->st_mtim.tv_sec * NS_PER_SEC + info->st_mtim.tv_nsec;
}

static bool is_same(const struct asyncio__dns_file *file, const struct stat *info)
{
    return file->text && file->device == info->st_dev && file->inode == info->st_ino &&
           file->changed_ns == changed_ns(info) && file->length == info->st_size;
}

void asyncio__dns_file_fini(struct asyncio__dns_file *file)
{
    asyncio__free(file->text);
    *file = (struct asyncio__dns_file){0};
}

/* What cannot be read is like what is not there: the name is looked for elsewhere. */
int asyncio__dns_file_update(struct asyncio__dns_file *file, const char *path)
{
    struct stat info = {0};
    bool is_there = stat(path, &info) == 0 && S_ISREG(info.st_mode) && info.st_size <= LONGEST_FILE;
    size_t length = is_there ? (size_t)info.st_size : 0;
    ssize_t size = 0;
    char *text;
    int fd;

    if (!is_there)
        info = (struct stat){0};
    if (is_same(file, &info))
        return 0;
    text = asyncio__malloc(length + 1);
    if (!text)
        return -ENOMEM;
    fd = is_there ? open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK) : -1;
    if (fd >= 0) {
        size = read_all(fd, text, length);
        close(fd);
    }
    text[max_i64(size, 0)] = 0;
    asyncio__free(file->text);
    *file = (struct asyncio__dns_file){
        .text = text,
        .size = (size_t)max_i64(size, 0),
        .device = info.st_dev,
        .inode = info.st_ino,
        .changed_ns = changed_ns(&info),
        .length = info.st_size,
    };
    return 1;
}

/* ----------------------------------------------------------------------------------------------------------- Lines */

bool asyncio__dns_next_line(const char **text, const char *comment, char *line, size_t size)
{
    const char *begin = *text, *end = strchr(begin, '\n');
    size_t length = end ? (size_t)(end - begin) : strlen(begin);

    if (!*begin)
        return false;
    *text = end ? end + 1 : begin + length;
    length = min_size(length, size - 1);
    memcpy(line, begin, length);
    line[length] = 0;
    line[strcspn(line, comment)] = 0;
    return true;
}

char *asyncio__dns_next_word(char **line)
{
    char *word = *line + strspn(*line, " \t\r");
    size_t length = strcspn(word, " \t\r");

    if (length == 0)
        return NULL;
    *line = word + length;
    if (**line)
        *(*line)++ = 0;
    return word;
}

int asyncio__dns_add(struct asyncio__dns_addresses *addresses, const struct asyncio_address *address)
{
    if (addresses->n == addresses->capacity) {
        size_t capacity = asyncio__grown(addresses->capacity, addresses->n + 1, 4);
        struct asyncio_address *list = asyncio__realloc(addresses->list, capacity * sizeof *list);

        if (!list)
            return -ENOMEM;
        addresses->list = list;
        addresses->capacity = capacity;
    }
    addresses->list[addresses->n++] = *address;
    return 0;
}

/* ------------------------------------------------------------------------------------------------------------ Hosts */

/* Longer than any line with sense; what is beyond is cut. */
#define LINE_SIZE 1024

/* The length of a name without the dot at its end. */
static size_t bare_length(const char *name)
{
    size_t length = strlen(name);

    return length > 0 && name[length - 1] == '.' ? length - 1 : length;
}

static bool is_same_name(const char *one, const char *other)
{
    size_t length = bare_length(one);

    return length == bare_length(other) && strncasecmp(one, other, length) == 0;
}

/* Reads the address that a line begins with; a zone is not looked at. */
static bool read_address(char **line, struct asyncio_address *ret_address)
{
    const char *word = asyncio__dns_next_word(line), *zone;

    return word && asyncio__address_read(ret_address, word, 0, &zone) == 0;
}

int asyncio__dns_find_host(const char *text, const char *name, int family, struct asyncio__dns_addresses *addresses,
                           char ret_name[ASYNCIO__DNS_NAME_SIZE])
{
    char buffer[LINE_SIZE];
    int n = 0;

    while (asyncio__dns_next_line(&text, "#", buffer, sizeof buffer)) {
        char *line = buffer, *first, *word;
        struct asyncio_address address;

        if (!read_address(&line, &address))
            continue;
        word = first = asyncio__dns_next_word(&line);
        while (word && !is_same_name(word, name))
            word = asyncio__dns_next_word(&line);
        if (!word || (family != 0 && family != asyncio_address_family(&address)))
            continue;
        if (asyncio__dns_add(addresses, &address) < 0)
            return -ENOMEM;
        if (n++ == 0)
            snprintf(ret_name, ASYNCIO__DNS_NAME_SIZE, "%s", first);
    }
    return n;
}

/* The host of an internet address, and its size. */
static const void *host_of(const struct asyncio_address *address, size_t *ret_size)
{
    bool is_in6 = asyncio_address_family(address) == AF_INET6;

    *ret_size = is_in6 ? 16 : 4;
    return address->data.bytes +
           (is_in6 ? offsetof(struct sockaddr_in6, sin6_addr) : offsetof(struct sockaddr_in, sin_addr));
}

static bool is_same_host(const struct asyncio_address *one, const struct asyncio_address *other)
{
    size_t size, other_size;
    const void *host = host_of(one, &size), *other_host = host_of(other, &other_size);

    return size == other_size && memcmp(host, other_host, size) == 0;
}

bool asyncio__dns_find_name(const char *text, const struct asyncio_address *address,
                            char ret_name[ASYNCIO__DNS_NAME_SIZE])
{
    char buffer[LINE_SIZE];

    while (asyncio__dns_next_line(&text, "#", buffer, sizeof buffer)) {
        char *line = buffer;
        const char *name;
        struct asyncio_address other;

        if (!read_address(&line, &other) || !is_same_host(&other, address))
            continue;
        name = asyncio__dns_next_word(&line);
        if (!name)
            continue;
        snprintf(ret_name, ASYNCIO__DNS_NAME_SIZE, "%s", name);
        return true;
    }
    return false;
}
