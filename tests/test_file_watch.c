/* test_file_watch.c -- watching files: what is told of files and directories, what is lost and said to be, who
 * waits. */
#include "file_rig.h"

#include <stdarg.h>

/* What was heard, line by line; without times, which are of no interest here. */
static char heard[1024];

__attribute__((format(printf, 1, 2))) static void hear(const char *format, ...)
{
    size_t n = strlen(heard);
    va_list args;

    va_start(args, format);
    n += (size_t)vsnprintf(heard + n, sizeof heard - n - 1, format, args);
    va_end(args);
    memcpy(heard + n, "\n", 2);
}

#define EXPECT_HEARD(expected)       \
    do {                             \
        EXPECT_STR(heard, expected); \
        *heard = 0;                  \
    } while (0)

static struct asyncio_file_watch *watch;

/* "3 created+closed name", without the number when it is that of the test's first watch. */
static const char *told(const struct asyncio_file_event *event)
{
    static const char *const names[] = {"modified", "created", "deleted", "gone", "closed", "changed", "lost"};
    static char text[128];
    int n = event->watch == 1 ? 0 : snprintf(text, sizeof text, "%d ", event->watch);
    const char *between = "";

    for (int i = 0; i < 7; i++)
        if (event->events & 1U << i) {
            n += snprintf(text + n, sizeof text - (size_t)n, "%s%s", between, names[i]);
            between = "+";
        }
    snprintf(text + n, sizeof text - (size_t)n, "%s%s", *event->name ? " " : "", event->name);
    return text;
}

/* Writes down the next n events, or what came in place of one. */
static int tell(int n)
{
    struct asyncio_file_event event;
    int r = 0;

    for (; r == 0 && n > 0; n--) {
        r = asyncio_file_watch_next(watch, &event);
        hear("%s", r == 0 ? told(&event) : said(r));
    }
    return r;
}

static int tell_nothing(void *arg)
{
    (void)arg;
    return tell(1);
}

/* Nothing more has happened. */
static void expect_silence(void)
{
    EXPECT_INT(asyncio_wait_for(tell_nothing, NULL, 1), -ETIMEDOUT);
    EXPECT_HEARD("-ECANCELED\n");
}

static void write_to(const char *name, const char *text)
{
    int fd = open(in_directory(name), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);

    EXPECT_INT(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    close(fd);
}

static int add(const char *path, unsigned events)
{
    return asyncio_file_watch_add(watch, path, events);
}

/* Runs with a directory and a watch. */
static void run_watching(asyncio_coro *fn)
{
    begin_directory();
    EXPECT_INT(run(fn, NULL), 0);
    /* The loop has been closed. */
    watch = asyncio_file_watch_unref(watch);
    end_directory();
}

#define EVERYTHING 127U

/* ----------------------------------------------------------------------------------------------------------- Events */

static int directory_events(void *arg)
{
    struct asyncio_file_event first, second;

    (void)arg;
    EXPECT_INT(asyncio_file_watch(&watch), 0);
    EXPECT_INT(add(directory, EVERYTHING), 1);
    write_to("file", "hello");
    tell(3);
    EXPECT_HEARD("created file\nmodified file\nclosed file\n");
    EXPECT_INT(chmod(in_directory("file"), 0644), 0);
    EXPECT_INT(rename(in_directory("file"), in_directory("other")), 0);
    tell(1);
    EXPECT_HEARD("changed file\n");
    EXPECT_INT(asyncio_file_watch_next(watch, &first), 0);
    EXPECT_STR(told(&first), "deleted file");
    EXPECT(first.cookie != 0);
    EXPECT_INT(asyncio_file_watch_next(watch, &second), 0);
    EXPECT_STR(told(&second), "created other");
    EXPECT(second.cookie == first.cookie);
    EXPECT_INT(mkdir(in_directory("below"), 0700), 0);
    EXPECT_INT(rmdir(in_directory("below")), 0);
    EXPECT_INT(unlink(in_directory("other")), 0);
    tell(3);
    EXPECT_HEARD("created below\ndeleted below\ndeleted other\n");
    expect_silence();
    return 0;
}

TEST_EPOLL(directories_watched, "R18: what happens to the names in a directory is told, in order, with its name")
{
    run_watching(directory_events);
}

static int file_events(void *arg)
{
    int only_gone;

    (void)arg;
    write_to("file", "");
    write_to("second", "");
    EXPECT_INT(asyncio_file_watch(&watch), 0);
    EXPECT_INT(add(in_directory("file"), ASYNCIO_FILE_MODIFIED), 1);
    write_to("file", "hello");
    tell(1);
    EXPECT_HEARD("modified\n");
    /* More is asked for of the same file, by another name. */
    EXPECT_INT(link(in_directory("file"), in_directory("link")), 0);
    EXPECT_INT(add(in_directory("link"), ASYNCIO_FILE_CHANGED), 1);
    write_to("file", "more");
    EXPECT_INT(truncate(in_directory("file"), 0), 0);
    EXPECT_INT(unlink(in_directory("link")), 0);
    tell(2);
    EXPECT_HEARD("modified\nchanged\n");
    only_gone = add(in_directory("second"), 0);
    EXPECT_INT(only_gone, 2);
    write_to("second", "unheard");
    EXPECT_INT(rename(in_directory("second"), in_directory("third")), 0);
    tell(1);
    EXPECT_HEARD("2 gone\n");
    EXPECT_INT(unlink(in_directory("file")), 0);
    tell(2);
    EXPECT_HEARD("changed\ngone\n");
    EXPECT_INT(unlink(in_directory("third")), 0);
    tell(1);
    EXPECT_HEARD("2 gone\n");
    expect_silence();
    return 0;
}

TEST_EPOLL(files_watched, "R18: what happens to a file is told, also by another name of it, and its end without asking")
{
    run_watching(file_events);
}

static int leave_directories(void *arg)
{
    int number;

    (void)arg;
    EXPECT_INT(asyncio_file_watch(&watch), 0);
    EXPECT_INT(mkdir(in_directory("below"), 0700), 0);
    EXPECT_INT(add(in_directory("below"), ASYNCIO_FILE_CREATED), 1);
    EXPECT_INT(rmdir(in_directory("below")), 0);
    tell(1);
    EXPECT_HEARD("gone\n");
    EXPECT_INT(asyncio_file_watch_remove(watch, 1), -EINVAL);
    /* What has its name now is another one. */
    EXPECT_INT(mkdir(in_directory("below"), 0700), 0);
    number = add(in_directory("below"), ASYNCIO_FILE_CREATED);
    EXPECT_INT(number, 2);
    write_to("below/file", "");
    tell(1);
    EXPECT_HEARD("2 created file\n");
    EXPECT_INT(unlink(in_directory("below/file")), 0);
    EXPECT_INT(rename(in_directory("below"), in_directory("moved")), 0);
    tell(1);
    EXPECT_HEARD("2 gone\n");
    EXPECT_INT(asyncio_file_watch_remove(watch, number), 0);
    EXPECT_INT(rmdir(in_directory("moved")), 0);
    expect_silence();
    return 0;
}

TEST_EPOLL(directories_that_go, "R18: a directory that is removed or moved is told to be gone")
{
    run_watching(leave_directories);
}

static int remove_watches(void *arg)
{
    (void)arg;
    write_to("a", "");
    write_to("b", "");
    EXPECT_INT(asyncio_file_watch(&watch), 0);
    EXPECT_INT(add(in_directory("a"), ASYNCIO_FILE_MODIFIED), 1);
    EXPECT_INT(add(in_directory("b"), ASYNCIO_FILE_MODIFIED), 2);
    write_to("a", "before");
    EXPECT_INT(asyncio_file_watch_remove(watch, 1), 0);
    write_to("a", "after");
    write_to("b", "after");
    tell(2);
    EXPECT_HEARD("modified\n2 modified\n");
    expect_silence();
    EXPECT_INT(asyncio_file_watch_remove(watch, 1), -EINVAL);
    EXPECT_INT(asyncio_file_watch_remove(watch, 2), 0);
    EXPECT_INT(unlink(in_directory("a")), 0);
    EXPECT_INT(unlink(in_directory("b")), 0);
    expect_silence();
    return 0;
}

TEST_EPOLL(watches_removed, "what came before the end of a watch is told still, and nothing after")
{
    run_watching(remove_watches);
}

/* ------------------------------------------------------------------------------------------------------------- Lost */

/* How many events the kernel keeps. */
static long queue_length(void)
{
    FILE *file = fopen("/proc/sys/fs/inotify/max_queued_events", "re");
    long n = 0;

    if (!file || fscanf(file, "%ld", &n) != 1)
        n = 0;
    if (file)
        fclose(file);
    return n;
}

static int overflow(void *arg)
{
    long n = *(long *)arg, n_seen = 0;
    struct asyncio_file_event event = {0};
    int fds[2];

    EXPECT_INT(asyncio_file_watch(&watch), 0);
    for (int i = 0; i < 2; i++) {
        write_to(i ? "b" : "a", "");
        EXPECT_INT(add(in_directory(i ? "b" : "a"), ASYNCIO_FILE_MODIFIED), i + 1);
        fds[i] = open(in_directory(i ? "b" : "a"), O_WRONLY | O_CLOEXEC);
    }
    /* The kernel makes one of two that are equal, so they take turns. */
    for (long i = 0; i < n + 10; i++)
        EXPECT_INT(pwrite(fds[i % 2], "x", 1, 0), 1);
    while (event.events != ASYNCIO_FILE_LOST) {
        EXPECT_INT(asyncio_file_watch_next(watch, &event), 0);
        n_seen++;
    }
    EXPECT_INT(n_seen, n + 1);
    EXPECT_INT(event.watch, -1);
    EXPECT_STR(event.name, "");
    expect_silence();
    EXPECT_INT(pwrite(fds[0], "x", 1, 0), 1);
    tell(1);
    EXPECT_HEARD("modified\n");
    close(fds[0]);
    close(fds[1]);
    EXPECT_INT(unlink(in_directory("a")), 0);
    EXPECT_INT(unlink(in_directory("b")), 0);
    return 0;
}

TEST_EPOLL(too_many_events, "R18: when the kernel loses events this is told, and it goes on")
{
    long n = queue_length();

    if (n < 1 || n > 100 * 1000)
        SKIP("the kernel keeps too many events");
    begin_directory();
    EXPECT_INT(run(overflow, &n), 0);
    watch = asyncio_file_watch_unref(watch);
    end_directory();
}

/* ---------------------------------------------------------------------------------------------------------- Waiting */

static int wait_here(void *arg)
{
    struct asyncio_file_event event;
    int r = asyncio_file_watch_next(arg, &event);

    hear("%s: %s", me(), r == 0 ? told(&event) : said(r));
    hear("%s: slept %s", me(), said(asyncio_sleep(0)));
    return 0;
}

static int several_tasks(void *arg)
{
    struct asyncio_file_watch *other = NULL;

    (void)arg;
    EXPECT_INT(asyncio_file_watch(&watch), 0);
    EXPECT_INT(asyncio_file_watch(&other), 0);
    EXPECT_INT(add(directory, ASYNCIO_FILE_CREATED), 1);
    EXPECT_INT(asyncio_file_watch_add(other, directory, ASYNCIO_FILE_CREATED), 1);
    spawn(wait_here, watch, "a");
    spawn(wait_here, watch, "b");
    spawn(wait_here, other, "c");
    turns(3);
    EXPECT_HEARD("b: -EBUSY\nb: slept 0\n");
    write_to("file", "");
    EXPECT_INT(asyncio_await(crew[0]), 0);
    EXPECT_INT(asyncio_await(crew[2]), 0);
    *heard = 0;
    EXPECT_INT(unlink(in_directory("file")), 0);
    /* Whoever waits keeps it until there is something to tell, of which the name would not outlast it. */
    spawn(wait_here, other, "d");
    turns(2);
    other = asyncio_file_watch_unref(other);
    write_to("file", "");
    EXPECT_INT(asyncio_await(crew[3]), 0);
    EXPECT_HEARD("d: -ASYNCIO_ECLOSED\nd: slept 0\n");
    EXPECT_INT(unlink(in_directory("file")), 0);
    dismiss_crew();
    return 0;
}

TEST_EPOLL(watching_tasks, "D-05: one task at a time waits for events; each watch has its own")
{
    run_watching(several_tasks);
}

static int cancel_waits(void *arg)
{
    (void)arg;
    EXPECT_INT(asyncio_file_watch(&watch), 0);
    EXPECT_INT(add(directory, ASYNCIO_FILE_CREATED | ASYNCIO_FILE_DELETED), 1);
    spawn(wait_here, watch, "a");
    turns(2);
    cancel(crew[0]);
    turns(2);
    EXPECT_HEARD("a: -ECANCELED\na: slept 0\n");
    /* Two events are read at once; the second is there for who comes next, also after one who was cancelled. */
    write_to("file", "");
    EXPECT_INT(unlink(in_directory("file")), 0);
    tell(1);
    EXPECT_HEARD("created file\n");
    cancel(spawn(wait_here, watch, "b"));
    cancel(asyncio_current_task());
    tell(1);
    EXPECT_HEARD("-ECANCELED\n");
    turns(2);
    tell(1);
    EXPECT_HEARD("deleted file\n");
    expect_silence();
    dismiss_crew();
    return 0;
}

TEST_EPOLL(cancelled_watching, "C-05: a cancel loses no event")
{
    run_watching(cancel_waits);
}

/* Counts the files that were made, until it is cancelled. */
static int count_files(void *arg)
{
    struct asyncio_file_event event;
    int *n = arg, r;

    while ((r = asyncio_file_watch_next(watch, &event)) == 0)
        ++*n;
    return r;
}

static int cancel_anywhere(void *arg)
{
    int n_seen = 0, n_made = 0;

    (void)arg;
    EXPECT_INT(asyncio_file_watch(&watch), 0);
    EXPECT_INT(add(directory, ASYNCIO_FILE_DELETED), 1);
    for (int i = 0; i < 300; i++) {
        struct asyncio_future *task = asyncio_create_task(count_files, &n_seen);

        turns(i % 4);
        for (int j = 0; j < i % 3; j++) {
            char name[16];

            /* Equal ones that nobody has read are one to the kernel. */
            snprintf(name, sizeof name, "%d", n_made++);
            write_to(name, "");
            EXPECT_INT(unlink(in_directory(name)), 0);
        }
        turns(i / 4 % 4);
        EXPECT_INT(asyncio_cancel_and_wait(task), 0);
        asyncio_future_unref(task);
    }
    ASYNCIO_IGNORE(asyncio_wait_for(count_files, &n_seen, 1));
    EXPECT_INT(n_seen, n_made);
    return 0;
}

TEST_EPOLL(cancelled_anywhere, "C-05: whenever a cancel comes, every event is told once")
{
    run_watching(cancel_anywhere);
}

/* ---------------------------------------------------------------------------------------------------------- Misuse */

static int misuse(void *arg)
{
    struct asyncio_file_event event;

    (void)arg;
    EXPECT_INT(asyncio_file_watch(NULL), -EINVAL);
    EXPECT_INT(asyncio_file_watch(&watch), 0);
    EXPECT_INT(asyncio_file_watch_add(NULL, "/", 1), -EINVAL);
    EXPECT_INT(add(NULL, 1), -EINVAL);
    EXPECT_INT(add("/", 128), -EINVAL);
    EXPECT_INT(add(in_directory("none"), 1), -ENOENT);
    EXPECT_INT(asyncio_file_watch_remove(NULL, 1), -EINVAL);
    EXPECT_INT(asyncio_file_watch_remove(watch, 0), -EINVAL);
    EXPECT_INT(asyncio_file_watch_remove(watch, -1), -EINVAL);
    EXPECT_INT(asyncio_file_watch_remove(watch, 7), -EINVAL);
    EXPECT_INT(asyncio_file_watch_next(NULL, &event), -EINVAL);
    EXPECT_INT(asyncio_file_watch_next(watch, NULL), -EINVAL);
    EXPECT_PTR(asyncio_file_watch_ref(watch), watch);
    EXPECT_PTR(asyncio_file_watch_unref(watch), NULL);
    EXPECT_PTR(asyncio_file_watch_ref(NULL), NULL);
    EXPECT_PTR(asyncio_file_watch_unref(NULL), NULL);
    return 0;
}

static int wait_in_another_loop(void *arg)
{
    struct asyncio_file_event event;

    EXPECT_INT(asyncio_file_watch_next(arg, &event), -ASYNCIO_EFOREIGNLOOP);
    return 0;
}

TEST_EPOLL(misused_watches, "wrong arguments, no task, another loop")
{
    struct asyncio_file_event event;

    EXPECT_INT(asyncio_file_watch(&watch), -ASYNCIO_ENOLOOP);
    EXPECT_PTR(watch, NULL);
    begin_directory();
    EXPECT_INT(run(misuse, NULL), 0);
    EXPECT_INT(asyncio_file_watch_next(watch, &event), -ASYNCIO_ENOTASK);
    EXPECT_INT(run(wait_in_another_loop, watch), 0);
    watch = asyncio_file_watch_unref(watch);
    end_directory();
}

static int not_here(void *arg)
{
    (void)arg;
    EXPECT_INT(asyncio_file_watch(&watch), -EOPNOTSUPP);
    EXPECT_PTR(watch, NULL);
    return 0;
}

TEST_SIM(nothing_to_watch, "the simulator has no files to watch")
{
    EXPECT_INT(run(not_here, NULL), 0);
}
