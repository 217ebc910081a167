/* Copies a file, whole or not at all.
 *
 *     file_copy FROM TO      TO is a file or a directory
 *
 * The copy grows under a name of its own beside its destination, is brought to the disk and then takes its name, in one
 * step. So whoever looks at TO sees the old file or the new one, and after Ctrl-C, SIGTERM or on a full disk nothing is
 * left of a half copy. It has the permissions of the original. On a terminal a bar shows how far it is.
 *
 * The exit status is 0, 1 after an error, and 130 after Ctrl-C or SIGTERM. */
#include <asyncio.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Copied at a time: a cancel and the bar come in between. */
#define PIECE ((size_t)4 * 1024 * 1024)

struct copy {
    const char *from;
    char to[4096], temporary[4096 + 8];
    int64_t size, done; /* bytes */
    const char *step;   /* what was tried last, and with which file */
    const char *name;
    bool in_place; /* it has its name: a Ctrl-C comes too late */
};

/* -------------------------------------------------------------------------------------------------------- Progress */

#define BAR_WIDTH 40

/* "[##########                              ]  25 %, 3 of 12 MB" */
static void show_progress(const struct copy *copy)
{
    double part = copy->size > 0 ? (double)copy->done / (double)copy->size : 1;
    int filled = (int)(BAR_WIDTH * (part < 1 ? part : 1));

    fprintf(stderr, "\r[%.*s%*s] %3.0f %%, %.0f of %.0f MB", filled, "########################################",
            BAR_WIDTH - filled, "", 100 * part, (double)copy->done / 1e6, (double)copy->size / 1e6);
}

static void hide_progress(void)
{
    fputs("\r\033[K", stderr);
}

/* --------------------------------------------------------------------------------------------------------- Copying */

/* Notes what is tried with a file, for whoever has to say that it went wrong. */
static void note(struct copy *copy, const char *step, const char *name)
{
    copy->step = step;
    copy->name = name;
}

static int copy_bytes(struct copy *copy, struct asyncio_file *from, struct asyncio_file *to)
{
    bool on_terminal = isatty(STDERR_FILENO);
    ssize_t n;

    note(copy, "copying", copy->from);
    do {
        if (on_terminal)
            show_progress(copy);
        n = asyncio_file_copy_range(from, copy->done, to, copy->done, PIECE);
        copy->done += n > 0 ? n : 0;
    } while (n > 0);
    if (on_terminal)
        hide_progress();
    return n < 0 ? (int)n : 0;
}

/* Brings a file, or the names in a directory, to the disk. */
static int sync_directory(const char *path)
{
    char *name = strdup(path), *end = name ? strrchr(name, '/') : NULL;
    struct asyncio_file *directory = NULL;
    int r = name ? 0 : -ENOMEM;

    if (end)
        end[end == name] = 0;
    if (r == 0)
        r = asyncio_file_open(end ? name : ".", O_RDONLY | O_DIRECTORY, 0, &directory);
    if (r == 0)
        r = asyncio_file_fsync(directory);
    asyncio_file_unref(directory);
    free(name);
    return r == -EINVAL ? 0 : r; /* some file systems need none */
}

/* Fills a new file and gives it the name. Whatever goes wrong before, its own name goes. */
static int copy_to_new(struct copy *copy, struct asyncio_file *from, unsigned mode)
{
    struct asyncio_file *to = NULL;
    int r;

    note(copy, "making a file beside", copy->to);
    r = asyncio_mkstemp(copy->temporary, &to);
    if (r < 0)
        return r;
    r = copy_bytes(copy, from, to);
    if (r == 0)
        note(copy, "writing", copy->to);
    if (r == 0 && fchmod(asyncio_file_fileno(to), mode & 07777) < 0)
        r = -errno;
    if (r == 0)
        r = asyncio_file_fsync(to);
    if (r == 0)
        r = asyncio_file_close(to);
    if (r == 0)
        r = asyncio_rename(copy->temporary, copy->to);
    /* At once, so that a second Ctrl-C finds nothing to leave behind. */
    if (r < 0)
        unlink(copy->temporary);
    copy->in_place = r == 0;
    asyncio_file_unref(to);
    return r < 0 ? r : sync_directory(copy->to);
}

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash ? slash + 1 : path;
}

/* Completes the destination's name. Only a regular file is replaced. */
static int look_at_destination(struct copy *copy, const struct asyncio_stat_result *from)
{
    struct asyncio_stat_result about;
    int r;

    note(copy, "looking at", copy->to);
    r = asyncio_stat(copy->to, &about);
    if (r == 0 && S_ISDIR(about.mode)) {
        size_t length = strlen(copy->to);

        snprintf(copy->to + length, sizeof copy->to - length, "/%s", base_name(copy->from));
        r = asyncio_stat(copy->to, &about);
    }
    snprintf(copy->temporary, sizeof copy->temporary, "%s.XXXXXX", copy->to);
    if (r == 0 && (!S_ISREG(about.mode) || (about.device == from->device && about.inode == from->inode)))
        return -EEXIST;
    return r == -ENOENT ? 0 : r;
}

static int copy_file(void *arg)
{
    struct copy *copy = arg;
    struct asyncio_file *from = NULL;
    struct asyncio_stat_result about;
    int r;

    note(copy, "opening", copy->from);
    r = asyncio_file_open(copy->from, O_RDONLY, 0, &from);
    if (r == 0)
        r = asyncio_file_stat(from, &about);
    if (r == 0 && !S_ISREG(about.mode))
        r = S_ISDIR(about.mode) ? -EISDIR : -EINVAL;
    if (r == 0)
        r = look_at_destination(copy, &about);
    if (r == 0) {
        copy->size = about.size;
        r = copy_to_new(copy, from, about.mode);
    }
    asyncio_file_unref(from);
    return r;
}

/* ------------------------------------------------------------------------------------------------------------ Main */

static void stop(void *arg)
{
    asyncio_future_cancel(arg);
}

/* SIGTERM is as Ctrl-C, which cancels by itself. */
static int run(void *arg)
{
    struct asyncio_loop *loop = asyncio_get_running_loop();
    int r = asyncio_loop_add_signal_handler(loop, SIGTERM, stop, asyncio_current_task());

    if (r == 0)
        r = copy_file(arg);
    asyncio_loop_remove_signal_handler(loop, SIGTERM);
    return r == -ECANCELED ? -EINTR : r;
}

int main(int argc, char **argv)
{
    static struct copy copy;
    int r;

    if (argc != 3 || strlen(argv[1]) + strlen(argv[2]) + 2 > sizeof copy.to) {
        fprintf(stderr, "usage: file_copy FROM TO\n");
        return 2;
    }
    copy.from = argv[1];
    snprintf(copy.to, sizeof copy.to, "%s", argv[2]);
    r = asyncio_run(run, &copy);
    if (r == -EINTR && !copy.in_place) {
        fprintf(stderr, "file_copy: stopped, nothing is copied\n");
        return 130;
    }
    if (r < 0 && r != -EINTR) {
        fprintf(stderr, "file_copy: %s %s: %s\n", copy.step, copy.name, asyncio_strerror(r));
        return 1;
    }
    printf("%s: %lld bytes\n", copy.to, (long long)copy.done);
    return 0;
}
