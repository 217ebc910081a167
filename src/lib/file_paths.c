/* file_paths.c -- what is done with files by their names. */
#include "files.h"

#include "../base/mem.h"

#include <fcntl.h>
#include <linux/stat.h>
#include <stdlib.h>
#include <sys/random.h>

/* -------------------------------------------------------------------------------------------------------- Opening */

/* Opens what `op` says. Returns: 0 and a file; a negative error. */
static int open_by(struct asyncio_op *op, struct asyncio_file **ret_file)
{
    struct asyncio_file *file;
    int64_t r = asyncio_current_task() ? asyncio__file_new(&file) : -ASYNCIO_ENOTASK;

    if (r < 0)
        return (int)r;
    op->opcode = ASYNCIO_OP_FILE_OPEN;
    op->fd = AT_FDCWD;
    r = asyncio_op_await(op);
    if (r >= 0)
        r = asyncio__file_adopt(file, (int)r);
    if (r < 0)
        asyncio_file_unref(file);
    else
        *ret_file = file;
    return (int)r;
}

int asyncio_file_open(const char *path, int flags, unsigned mode, struct asyncio_file **ret_file)
{
    struct asyncio_op op = {.path = {.path = path, .flags = flags, .mode = mode}};

    return path && ret_file ? open_by(&op, ret_file) : -EINVAL;
}

/* ------------------------------------------------------------------------------------------------------ New names */

#define N_RANDOM 6

/* How many names are tried: they are rarely taken, unless somebody takes them all. */
#define MOST_TRIES 100

static const char pattern[] = "XXXXXX";

/* Where the pattern stands in a path; NULL when it does not. */
static char *find_pattern(char *path)
{
    size_t length = path ? strlen(path) : 0;

    if (length < N_RANDOM || strcmp(path + length - N_RANDOM, pattern) != 0)
        return NULL;
    return path + length - N_RANDOM;
}

static int choose_name(char *place)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
    uint64_t number;

    if (getrandom(&number, sizeof number, 0) != sizeof number)
        return -EIO;
    for (int i = 0; i < N_RANDOM; i++, number /= sizeof letters - 1)
        place[i] = letters[number % (sizeof letters - 1)];
    return 0;
}

/* Makes what nobody else has, by `make`, under one name after the other. */
static int make_new(char *path, int (*make)(const char *path, struct asyncio_file **ret_file),
                    struct asyncio_file **ret_file)
{
    char *place = find_pattern(path);
    int r = place ? -EEXIST : -EINVAL;

    for (int i = 0; r == -EEXIST && i < MOST_TRIES; i++) {
        r = choose_name(place);
        if (r == 0)
            r = make(path, ret_file);
    }
    if (r < 0 && place)
        memcpy(place, pattern, N_RANDOM);
    return r;
}

static int make_file(const char *path, struct asyncio_file **ret_file)
{
    return asyncio_file_open(path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW, 0600, ret_file);
}

static int make_directory(const char *path, struct asyncio_file **ret_file)
{
    (void)ret_file;
    return asyncio_mkdir(path, 0700);
}

int asyncio_mkstemp(char *path, struct asyncio_file **ret_file)
{
    return ret_file ? make_new(path, make_file, ret_file) : -EINVAL;
}

int asyncio_mkdtemp(char *path)
{
    return make_new(path, make_directory, NULL);
}

/* On a file system that has no files without a name: one that loses its name at once. */
static int make_and_unlink(const char *directory, struct asyncio_file **ret_file)
{
    static const char name[] = "/asyncio-XXXXXX";
    size_t length = strlen(directory);
    struct asyncio_file *file;
    char *path = asyncio__malloc(length + sizeof name);
    int r;

    if (!path)
        return -ENOMEM;
    memcpy(path, directory, length);
    memcpy(path + length, name, sizeof name);
    r = asyncio_mkstemp(path, &file);
    if (r == 0)
        r = asyncio_unlink(path);
    if (r == 0) {
        *ret_file = file;
    } else if (find_pattern(path) == NULL) {
        /* Cancelled, or without a thread: a name that is there already is worth a moment. */
        asyncio_op_submit(asyncio_get_running_loop(),
                          &(struct asyncio_op){.opcode = ASYNCIO_OP_UNLINK, .file.path = path});
        asyncio_file_unref(file);
    }
    asyncio__free(path);
    return r;
}

int asyncio_file_temporary(const char *directory, struct asyncio_file **ret_file)
{
    struct asyncio_op op = {.path = {.flags = O_RDWR | O_TMPFILE, .mode = 0600}};
    int r;

    if (!ret_file)
        return -EINVAL;
    if (!directory)
        directory = getenv("TMPDIR");
    if (!directory || !*directory)
        directory = "/tmp";
    op.path.path = directory;
    r = open_by(&op, ret_file);
    /* A kernel or a file system that does not know the flag sees a directory that is to be written to. */
    return r == -EOPNOTSUPP || r == -EISDIR ? make_and_unlink(directory, ret_file) : r;
}

/* ------------------------------------------------------------------------------------------------------------ Names */

static int path_op(enum asyncio_opcode opcode, struct asyncio_op_path path)
{
    struct asyncio_op op = {.opcode = (uint8_t)opcode, .fd = AT_FDCWD, .path = path};

    return path.path ? (int)asyncio_op_await(&op) : -EINVAL;
}

int asyncio_rename(const char *from, const char *to)
{
    return to ? path_op(ASYNCIO_OP_FILE_RENAME, (struct asyncio_op_path){.path = from, .other = to}) : -EINVAL;
}

int asyncio_unlink(const char *path)
{
    return path_op(ASYNCIO_OP_FILE_UNLINK, (struct asyncio_op_path){.path = path});
}

int asyncio_rmdir(const char *path)
{
    return path_op(ASYNCIO_OP_FILE_UNLINK, (struct asyncio_op_path){.path = path, .flags = AT_REMOVEDIR});
}

int asyncio_mkdir(const char *path, unsigned mode)
{
    return path_op(ASYNCIO_OP_FILE_MKDIR, (struct asyncio_op_path){.path = path, .mode = mode});
}

/* ------------------------------------------------------------------------------------------------------------- Stat */

static int64_t ns_of(const struct statx_timestamp *time)
{
    return time->tv_sec * NS_PER_SEC + time->tv_nsec;
}

static void fill_in(struct asyncio_stat_result *result, const struct statx *about)
{
    *result = (struct asyncio_stat_result){
        .device = (uint64_t)about->stx_dev_major << 32 | about->stx_dev_minor,
        .inode = about->stx_ino,
        .size = (int64_t)about->stx_size,
        .blocks = (int64_t)about->stx_blocks,
        .accessed_ns = ns_of(&about->stx_atime),
        .modified_ns = ns_of(&about->stx_mtime),
        .changed_ns = ns_of(&about->stx_ctime),
        .mode = about->stx_mode,
        .links = about->stx_nlink,
        .user = about->stx_uid,
        .group = about->stx_gid,
    };
}

static int stat_path(const char *path, int flags, struct asyncio_stat_result *ret_stat)
{
    struct statx about;
    int r;

    if (!path || !ret_stat)
        return -EINVAL;
    /* As of a path that is empty: nothing. */
    if (!*path)
        return -ENOENT;
    r = path_op(ASYNCIO_OP_FILE_STAT, (struct asyncio_op_path){.path = path, .flags = flags, .about = &about});
    if (r == 0)
        fill_in(ret_stat, &about);
    return r;
}

int asyncio_stat(const char *path, struct asyncio_stat_result *ret_stat)
{
    return stat_path(path, 0, ret_stat);
}

int asyncio_lstat(const char *path, struct asyncio_stat_result *ret_stat)
{
    return stat_path(path, AT_SYMLINK_NOFOLLOW, ret_stat);
}

int asyncio_file_stat(struct asyncio_file *file, struct asyncio_stat_result *ret_stat)
{
    struct statx about;
    struct asyncio_op op = {.opcode = ASYNCIO_OP_FILE_STAT, .path = {.path = "", .about = &about}};
    int r = ret_stat ? (int)asyncio__file_await(file, &op) : -EINVAL;

    if (r == 0)
        fill_in(ret_stat, &about);
    return r;
}
