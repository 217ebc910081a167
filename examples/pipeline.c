/* Counts the words of files: producers walk through directories, workers read what they find, a queue is in between.
 *
 *     pipeline [--timeout=SECONDS] [--top=N] PATH...
 *
 * Files and directories are read by threads, because that blocks. All else is done by tasks, which take turns, so that
 * what they share needs no lock. */
#define _GNU_SOURCE /* asprintf, tdestroy */
#include <asyncio.h>

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <getopt.h>
#include <search.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { PRODUCERS = 2, WORKERS = 4, LONGEST_WORD = 63, EXIT_TIMED_OUT = 124, EXIT_INTERRUPTED = 130 };

struct word {
    struct word *next;
    size_t count;
    char text[LONGEST_WORD + 1];
};

/* What all tasks share. */
struct census {
    struct asyncio_queue files; /* of paths; who gets one frees it */
    struct word *words;         /* in a list, and by their text in a tree of tsearch(3) */
    void *tree;
    size_t n_words, n_distinct, n_files, n_failed;
    double timeout;
    bool terminal;
    char **roots; /* those that no producer has begun yet, ended by NULL */
};

struct reading {
    const char *path;
    FILE *file;
    char data[32 * 1024];
};

struct listing {
    const char *path;
    struct dirent **entries;
    int n;
};

/* In a thread. Returns: bytes; 0 at the end; a negative error. */
static int read_some(void *arg)
{
    struct reading *reading = arg;
    size_t n;

    if (!reading->file && !(reading->file = fopen(reading->path, "r")))
        return -errno;
    n = fread(reading->data, 1, sizeof reading->data, reading->file);
    return ferror(reading->file) ? -errno : (int)n;
}

/* No hidden entries, no links, which may lead back, and no pipes, which may never end. */
static int is_wanted(const struct dirent *entry)
{
    return entry->d_name[0] != '.' && entry->d_type != DT_LNK && entry->d_type != DT_FIFO;
}

/* In a thread. Returns: 0; -ENOTDIR for a file, another negative error. */
static int list_directory(void *arg)
{
    struct listing *listing = arg;

    listing->n = scandir(listing->path, &listing->entries, is_wanted, alphasort);
    return listing->n < 0 ? -errno : 0;
}

/* Runs fn(arg) in a thread. A cancel waits until the thread has let go of arg, which lies in the caller's frame. */
static int in_thread(asyncio_coro *fn, void *arg)
{
    struct asyncio_future *done = asyncio_loop_run_in_executor(asyncio_get_running_loop(), NULL, fn, arg);
    int r = asyncio_shield(done);

    while (!asyncio_future_done(done))
        ASYNCIO_IGNORE(asyncio_wait(&done, 1, ASYNCIO_FOREVER, ASYNCIO_ALL_COMPLETED));
    asyncio_future_result(done); /* an error that comes after the cancel is of no interest */
    asyncio_future_unref(done);
    return r;
}

/* An error that is about a file is reported and counted. Returns: 0 then; else the error. */
static int file_failed(struct census *census, const char *path, int error)
{
    if (error == -ECANCELED || error == -ENOMEM)
        return error;
    census->n_failed++;
    fprintf(stderr, "%spipeline: %s: %s\n", census->terminal ? "\r\033[K" : "", path, asyncio_strerror(error));
    return 0;
}

/* Puts the files at and below a path into the queue; owns the path. */
static int walk(struct census *census, char *path)
{
    struct listing listing = {.path = path};
    int r = path ? in_thread(list_directory, &listing) : -ENOMEM;

    if (r == -ENOTDIR) {
        r = asyncio_queue_put(&census->files, path);
        if (r == 0)
            return 0;
    } else if (r < 0) {
        r = file_failed(census, path, r);
    }
    for (int i = 0; i < listing.n; i++) {
        char *below = NULL;

        if (r == 0)
            r = asprintf(&below, "%s/%s", path, listing.entries[i]->d_name) < 0 ? -ENOMEM : walk(census, below);
        free(listing.entries[i]);
    }
    free(listing.entries);
    free(path);
    return r;
}

static int produce(void *arg)
{
    struct census *census = arg;
    int r = 0;

    while (*census->roots && r == 0)
        r = walk(census, strdup(*census->roots++));
    return r;
}

static int compare_texts(const void *a, const void *b)
{
    return strcmp(((const struct word *)a)->text, ((const struct word *)b)->text);
}

static int add_word(struct census *census, const struct word *text)
{
    struct word **found = tfind(text, &census->tree, compare_texts), *word;

    if (!found) {
        word = malloc(sizeof *word);
        found = word ? tsearch(memcpy(word, text, sizeof *word), &census->tree, compare_texts) : NULL;
        if (!found)
            return -ENOMEM;
        word->next = census->words;
        census->words = word;
        census->n_distinct++;
    }
    (*found)->count++;
    census->n_words++;
    return 0;
}

/* A word is a run of letters; what is not ASCII counts as one. */
static int count_words(struct census *census, struct reading *reading)
{
    struct word word = {.count = 0};
    size_t length = 0;
    int n, r = 0;

    do {
        n = in_thread(read_some, reading);
        /* The end of a file ends a word. */
        for (int i = 0; i < (n == 0 ? 1 : n) && r == 0; i++) {
            unsigned char c = n == 0 ? '\n' : (unsigned char)reading->data[i];

            if (c >= 0x80 || isalpha(c)) {
                if (length < LONGEST_WORD)
                    word.text[length++] = (char)tolower(c);
            } else if (length > 0) {
                word.text[length] = '\0';
                length = 0;
                r = add_word(census, &word);
            }
        }
    } while (n > 0 && r == 0);
    return n < 0 ? n : r;
}

static int work(void *arg)
{
    struct census *census = arg;
    void *path;
    int r = 0;

    while (r == 0 && (r = asyncio_queue_get(&census->files, &path)) == 0) {
        struct reading reading = {.path = path};

        r = count_words(census, &reading);
        census->n_files += r == 0;
        if (r < 0)
            r = file_failed(census, path, r);
        if (reading.file)
            fclose(reading.file);
        free(path);
    }
    return r == -ASYNCIO_EQUEUESHUTDOWN ? 0 : r;
}

/* The workers end when the producers have, and the queue is empty. */
static int run_pipeline(void *arg)
{
    struct asyncio_taskgroup workers = {.name = "workers"}, producers = {.name = "producers"};
    struct census *census = arg;
    int r = asyncio_taskgroup_enter(&workers);

    if (r < 0)
        return r;
    for (int i = 0; i < WORKERS; i++)
        asyncio_taskgroup_create_task(&workers, work, census);
    r = asyncio_taskgroup_enter(&producers);
    for (int i = 0; i < PRODUCERS && r == 0; i++)
        asyncio_taskgroup_create_task(&producers, produce, census);
    r = asyncio_taskgroup_exit(&producers, r);
    asyncio_queue_shutdown(&census->files, false);
    return asyncio_taskgroup_exit(&workers, r);
}

static int show_progress(void *arg)
{
    const struct census *census = arg;
    int r;

    do {
        fprintf(stderr, "\r%zu files, %zu words", census->n_files, census->n_words);
        r = asyncio_sleep(0.1);
    } while (r == 0);
    fprintf(stderr, "\r\033[K");
    return r;
}

static int count_all(void *arg)
{
    struct census *census = arg;
    /* Ends with this block. */
    ASYNCIO_JOINED(progress) = census->terminal ? asyncio_create_task(show_progress, census) : NULL;

    return asyncio_wait_for(run_pipeline, census, census->timeout);
}

/* The most frequent first; equally frequent ones by the alphabet. */
static int compare_words(const void *a, const void *b)
{
    const struct word *first = *(struct word *const *)a, *second = *(struct word *const *)b;

    if (first->count == second->count)
        return strcmp(first->text, second->text);
    return first->count < second->count ? 1 : -1;
}

static void print_results(const struct census *census, size_t top)
{
    struct word **words = calloc(census->n_distinct + 1, sizeof *words);
    size_t n = 0;

    for (struct word *word = census->words; word && words; word = word->next)
        words[n++] = word;
    if (n > 0)
        qsort(words, n, sizeof *words, compare_words);
    for (size_t i = 0; i < n && i < top; i++)
        printf("%7zu %s\n", words[i]->count, words[i]->text);
    printf("%zu files, %zu words, %zu of them different, %zu unreadable\n", census->n_files, census->n_words,
           census->n_distinct, census->n_failed);
    free(words);
}

int main(int argc, char **argv)
{
    static const struct option options[] = {{"timeout", 1, NULL, 's'}, {"top", 1, NULL, 'n'}, {0}};
    static struct census census = {.files = ASYNCIO_QUEUE_INIT(16), .timeout = ASYNCIO_FOREVER};
    size_t top = 10;
    void *path;
    int c, r;

    while ((c = getopt_long(argc, argv, "", options, NULL)) == 's' || c == 'n')
        if (c == 's')
            census.timeout = strtod(optarg, NULL);
        else
            top = strtoul(optarg, NULL, 10);
    if (c != -1 || optind == argc) {
        fprintf(stderr, "usage: pipeline [--timeout=SECONDS] [--top=N] PATH...\n");
        return 2;
    }
    census.roots = argv + optind;
    census.terminal = isatty(STDERR_FILENO);
    r = asyncio_run(count_all, &census);
    if (r == 0)
        print_results(&census, top);
    else
        fprintf(stderr, "pipeline: %s after %zu files\n", asyncio_strerror(r), census.n_files);
    tdestroy(census.tree, free);
    while (asyncio_queue_get_nowait(&census.files, &path) == 0)
        free(path);
    asyncio_queue_fini(&census.files);
    return r == 0 ? 0 : r == -EINTR ? EXIT_INTERRUPTED : r == -ETIMEDOUT ? EXIT_TIMED_OUT : 1;
}
