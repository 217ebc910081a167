/* Prints the last lines of files, and then what is added to them, as `tail -F` does.
 *
 *     tail_follow [--lines=N] FILE...      N: 10
 *
 * Nothing is looked at again and again: the kernel tells what happens to the files and to the directories that they
 * stand in. A file is followed by its name. When another one takes it, as when a log is rotated, the rest of the old
 * one is printed first, and then the new one from its beginning; one that is not there, or no longer, is waited for;
 * one that has become shorter is printed from its beginning. What is special about a file is told on standard error.
 *
 * Ends with Ctrl-C, or when nobody reads the output any more. */
#include <asyncio.h>

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* How often a directory that is not there is looked for, in seconds: it could be told by nobody. */
#define RETRY_S 0.5

struct followed {
    const char *path;
    char *directory;           /* that it stands in */
    const char *name;          /* there */
    struct asyncio_file *file; /* NULL: it is not there */
    struct asyncio_stat_result about;
    int64_t printed;            /* up to here */
    int watch, directory_watch; /* 0: none */
};

static struct followed *files;
static size_t n_files;
static long n_lines = 10;
static struct asyncio_file_watch *watch;
static struct asyncio_file *output;

/* -------------------------------------------------------------------------------------------------------- Printing */

__attribute__((format(printf, 2, 3))) static void tell(const struct followed *followed, const char *format, ...)
{
    va_list args;

    fprintf(stderr, "tail_follow: %s ", followed->path);
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputc('\n', stderr);
}

/* Of several files, each part of the output begins with a name. */
static int print_name(const struct followed *followed)
{
    static const struct followed *last;
    bool is_first = last == NULL;
    char text[4200];

    if (n_files < 2 || last == followed)
        return 0;
    last = followed;
    snprintf(text, sizeof text, "%s==> %s <==\n", is_first ? "" : "\n", followed->path);
    return asyncio_file_writeall(output, text, strlen(text));
}

/* Prints what there is from `printed` on. */
static int print_rest(struct followed *followed)
{
    char buffer[16 * 1024];
    ssize_t n = 0;
    int r = 0;

    while (r == 0 && (n = asyncio_file_pread(followed->file, buffer, sizeof buffer, followed->printed)) > 0) {
        followed->printed += n;
        r = print_name(followed);
        if (r == 0)
            r = asyncio_file_writeall(output, buffer, (size_t)n);
    }
    return n < 0 ? (int)n : r;
}

/* Goes back from the end to where the last lines begin. */
static int find_last_lines(struct followed *followed)
{
    int64_t at = followed->about.size;
    long n_left = n_lines;
    char buffer[4096];

    followed->printed = n_lines > 0 ? 0 : at;
    while (at > 0 && n_left > 0) {
        size_t size = at < (int64_t)sizeof buffer ? (size_t)at : sizeof buffer;
        ssize_t n = asyncio_file_pread(followed->file, buffer, size, at -= (int64_t)size);

        /* Less than that: somebody makes it shorter. */
        if (n < (ssize_t)size)
            return n < 0 ? (int)n : 0;
        for (size_t i = size; i > 0 && n_left > 0; i--) {
            int64_t place = at + (int64_t)i;

            /* Behind the last one no line begins. */
            if (buffer[i - 1] == '\n' && place != followed->about.size && --n_left == 0)
                followed->printed = place;
        }
    }
    return 0;
}

/* -------------------------------------------------------------------------------------------------------- Following */

/* Two names may stand for one file, while a log is rotated; then its watch is both's. */
static void forget(struct followed *followed)
{
    int number = followed->watch, n_others = 0;

    followed->file = asyncio_file_unref(followed->file);
    followed->watch = 0;
    for (size_t i = 0; i < n_files; i++)
        n_others += files[i].watch == number;
    if (number > 0 && n_others == 0)
        asyncio_file_watch_remove(watch, number);
}

/* Opens what has the name now. Returns: 0; -ENOENT and the like. */
static int begin(struct followed *followed)
{
    int r = asyncio_file_open(followed->path, O_RDONLY, 0, &followed->file);

    if (r < 0)
        return r;
    followed->printed = 0;
    /* First watched, then looked at: so nothing is overlooked. */
    r = asyncio_file_watch_add(watch, followed->path, ASYNCIO_FILE_MODIFIED);
    followed->watch = r < 0 ? 0 : r;
    if (r >= 0)
        r = asyncio_file_stat(followed->file, &followed->about);
    if (r == 0 && S_ISDIR(followed->about.mode))
        r = -EISDIR;
    if (r < 0)
        forget(followed);
    return r;
}

/* What the name stands for may be another file by now. */
static int look_at_name(struct followed *followed)
{
    struct asyncio_stat_result about;
    bool was_there = followed->file != NULL;
    int r = asyncio_stat(followed->path, &about);

    if (r == 0 && was_there && about.inode == followed->about.inode && about.device == followed->about.device)
        return 0;
    if (r == -ECANCELED)
        return r;
    if (was_there) {
        /* The rest of the old one, which is still open. */
        int printed = print_rest(followed);

        if (printed < 0)
            return printed;
        forget(followed);
    }
    if (r == 0)
        r = begin(followed);
    if (r == -ECANCELED)
        return r;
    if (r == 0)
        tell(followed, was_there ? "is another file now" : "has appeared");
    else if (was_there)
        tell(followed, "is gone: %s", asyncio_strerror(r));
    return 0;
}

/* Prints what is new of one. */
static int look_at(struct followed *followed)
{
    int r = look_at_name(followed);

    if (r < 0 || !followed->file)
        return r;
    r = asyncio_file_stat(followed->file, &followed->about);
    if (r == 0 && followed->about.size < followed->printed) {
        tell(followed, "has become shorter");
        followed->printed = 0;
    }
    return r < 0 ? r : print_rest(followed);
}

/* Watches the directory, if it is there. Returns: whether it has come since. */
static bool look_for_directory(struct followed *followed)
{
    int r;

    if (followed->directory_watch > 0)
        return false;
    r = asyncio_file_watch_add(watch, followed->directory, ASYNCIO_FILE_CREATED | ASYNCIO_FILE_DELETED);
    followed->directory_watch = r < 0 ? 0 : r;
    return r > 0;
}

/* What an event says about one file. */
static bool is_about(const struct asyncio_file_event *event, const struct followed *followed)
{
    if (event->events & ASYNCIO_FILE_LOST)
        return true;
    if (event->watch == followed->watch)
        return true;
    return event->watch == followed->directory_watch && (!*event->name || strcmp(event->name, followed->name) == 0);
}

static int handle(const struct asyncio_file_event *event)
{
    int r = 0;

    for (size_t i = 0; i < n_files && r == 0; i++) {
        struct followed *followed = &files[i];

        if (!is_about(event, followed))
            continue;
        if (event->watch == followed->directory_watch && (event->events & ASYNCIO_FILE_GONE)) {
            asyncio_file_watch_remove(watch, followed->directory_watch);
            followed->directory_watch = 0;
            look_for_directory(followed);
        }
        r = look_at(followed);
    }
    return r;
}

/* Looks for directories that are missing. Returns: how many are still; a negative error. */
static int look_for_directories(void)
{
    int n_missing = 0, r = 0;

    for (size_t i = 0; i < n_files && r == 0; i++) {
        if (look_for_directory(&files[i]))
            r = look_at(&files[i]);
        n_missing += files[i].directory_watch == 0;
    }
    return r < 0 ? r : n_missing;
}

static int next_event(void *arg)
{
    return asyncio_file_watch_next(watch, arg);
}

static int follow(void)
{
    int r = 0;

    while (r == 0) {
        struct asyncio_file_event event;
        int n_missing = look_for_directories();

        r = n_missing < 0 ? n_missing : asyncio_wait_for(next_event, &event, n_missing ? RETRY_S : ASYNCIO_FOREVER);
        r = r == 0 ? handle(&event) : r == -ETIMEDOUT ? 0 : r;
    }
    return r;
}

/* ------------------------------------------------------------------------------------------------------------ Main */

static int split_path(struct followed *followed)
{
    const char *slash = strrchr(followed->path, '/');
    size_t length = slash ? (size_t)(slash - followed->path) : 0;

    followed->name = slash ? slash + 1 : followed->path;
    followed->directory = slash ? strndup(followed->path, length > 0 ? length : 1) : strdup(".");
    return followed->directory ? 0 : -ENOMEM;
}

/* Prints the last lines of one that is there. */
static int print_last(struct followed *followed)
{
    int r = split_path(followed);

    if (r < 0)
        return r;
    look_for_directory(followed);
    r = begin(followed);
    if (r == -ECANCELED)
        return r;
    if (r < 0) {
        tell(followed, "cannot be opened: %s", asyncio_strerror(r));
        return 0;
    }
    r = find_last_lines(followed);
    return r < 0 ? r : print_rest(followed);
}

static int follow_all(void *arg)
{
    int r = asyncio_file_watch(&watch);

    (void)arg;
    if (r == 0)
        r = asyncio_file_from_fd(fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 0), &output);
    for (size_t i = 0; i < n_files && r == 0; i++)
        r = print_last(&files[i]);
    if (r == 0)
        r = follow();
    for (size_t i = 0; i < n_files; i++) {
        asyncio_file_unref(files[i].file);
        free(files[i].directory);
    }
    asyncio_file_unref(output);
    asyncio_file_watch_unref(watch);
    return r;
}

static bool read_arguments(int argc, char **argv)
{
    static const struct option options[] = {{"lines", required_argument, NULL, 'n'}, {NULL, 0, NULL, 0}};
    int option;
    char *end;

    while ((option = getopt_long(argc, argv, "n:", options, NULL)) >= 0) {
        if (option != 'n')
            return false;
        n_lines = strtol(optarg, &end, 10);
        if (end == optarg || *end || n_lines < 0)
            return false;
    }
    n_files = (size_t)(argc - optind);
    files = calloc(n_files + 1, sizeof *files);
    for (size_t i = 0; files && i < n_files; i++)
        files[i].path = argv[(size_t)optind + i];
    return files && n_files > 0;
}

int main(int argc, char **argv)
{
    bool is_right = read_arguments(argc, argv);
    int r = is_right ? asyncio_run(follow_all, NULL) : 0;

    free(files);
    if (!is_right) {
        fprintf(stderr, "usage: tail_follow [--lines=N] FILE...\n");
        return 2;
    }
    if (r == -EINTR || r == -EPIPE)
        return r == -EINTR ? 130 : 0;
    fprintf(stderr, "tail_follow: %s\n", asyncio_strerror(r));
    return 1;
}
