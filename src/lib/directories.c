/* directories.c -- what stands in a directory. */
#include "files.h"

#include "../base/hostile.h"
#include "../base/mem.h"

#include <dirent.h>
#include <fcntl.h>

#define AT_ONCE ((size_t)32 * 1024)

/* What the kernel writes of a name, and how the next one is found. */
struct record {
    uint64_t inode;
    int64_t offset;
    uint16_t size;
    uint8_t type;
    char name[];
};

/* Names that were read so far: entries whose `name` is a place in `names` until all are known, as memory moves. */
struct listing {
    struct asyncio_dirent *entries;
    size_t n, capacity;
    char *names;
    size_t names_size, names_capacity;
};

static int grow(struct listing *listing, size_t name_size)
{
    size_t wanted = listing->names_size + name_size;

    if (listing->n == listing->capacity) {
        size_t n = asyncio__grown(listing->capacity, listing->n + 1, 32);
        struct asyncio_dirent *entries = asyncio__realloc(listing->entries, n * sizeof *entries);

        if (!entries)
            return -ENOMEM;
        listing->entries = entries;
        listing->capacity = n;
    }
    if (wanted > listing->names_capacity) {
        size_t n = asyncio__grown(listing->names_capacity, wanted, 1024);
        char *names = asyncio__realloc(listing->names, n);

        if (!names)
            return -ENOMEM;
        listing->names = names;
        listing->names_capacity = n;
    }
    return 0;
}

static bool is_dots(const char *name)
{
    return strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
}

/* Takes the names of what was read. */
static int add_all(struct listing *listing, const char *buffer, size_t size)
{
    for (size_t at = 0; at < size;) {
        const struct record *record = (const void *)(buffer + at);
        size_t name_size = strlen(record->name) + 1;

        at += record->size;
        if (is_dots(record->name))
            continue;
        if (grow(listing, name_size) < 0)
            return -ENOMEM;
        listing->entries[listing->n++] = (struct asyncio_dirent){
            .name = (const char *)(uintptr_t)listing->names_size,
            .inode = record->inode,
            .type = record->type == DT_UNKNOWN ? 0 : (uint32_t)DTTOIF(record->type),
        };
        memcpy(listing->names + listing->names_size, record->name, name_size);
        listing->names_size += name_size;
    }
    return 0;
}

static int read_all(struct asyncio_file *directory, struct listing *listing, char *buffer)
{
    int64_t r = 1;

    while (r > 0) {
        struct asyncio_op op = {.opcode = ASYNCIO_OP_FILE_LIST, .transfer = {.data = buffer, .size = AT_ONCE}};
        int added;

        r = asyncio__file_await(directory, &op);
        added = r > 0 ? add_all(listing, buffer, (size_t)r) : 0;
        if (added < 0)
            r = added;
    }
    return (int)r;
}

/* Makes one piece of memory of all. Returns: 0; -ENOMEM. */
static int join(const struct listing *listing, struct asyncio_dirent **ret_entries)
{
    size_t entries_size = listing->n * sizeof(struct asyncio_dirent);
    struct asyncio_dirent *entries = asyncio__malloc(max_size(entries_size + listing->names_size, 1));
    char *names = (char *)entries + entries_size;

    if (!entries)
        return -ENOMEM;
    if (listing->n > 0) {
        memcpy(entries, listing->entries, entries_size);
        memcpy(names, listing->names, listing->names_size);
    }
    for (size_t i = 0; i < listing->n; i++)
        entries[i].name = names + (uintptr_t)entries[i].name;
    *ret_entries = entries;
    return 0;
}

ssize_t asyncio_scandir(const char *path, struct asyncio_dirent **ret_entries)
{
    struct asyncio_file *directory = NULL;
    struct listing listing = {.entries = NULL};
    char *buffer;
    int r;

    if (!path || !ret_entries)
        return -EINVAL;
    r = asyncio_file_open(path, O_RDONLY | O_DIRECTORY, 0, &directory);
    if (r < 0)
        return r;
    buffer = asyncio__malloc(AT_ONCE);
    r = buffer ? read_all(directory, &listing, buffer) : -ENOMEM;
    if (r == 0)
        r = join(&listing, ret_entries);
    asyncio__free(buffer);
    asyncio__free(listing.entries);
    asyncio__free(listing.names);
    asyncio_file_unref(directory);
    return r < 0 ? r : (ssize_t)listing.n;
}
