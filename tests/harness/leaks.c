/* leaks.c -- what a process holds before and after a test: fds, memory of the library, threads, mappings, children. */
#include "harness.h"

#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* libc may map a little for reasons of its own. */
#define SPARE_MAPPINGS  8
#define SPARE_ANONYMOUS ((size_t)192 * 1024)

static void count_fds(struct holdings *holdings)
{
    DIR *directory = opendir("/proc/self/fd");
    struct dirent *entry;

    holdings->n_fds = 0;
    if (!directory)
        return;
    while ((entry = readdir(directory))) {
        int fd = atoi(entry->d_name);

        if (entry->d_name[0] == '.' || fd == dirfd(directory) ||
            holdings->n_fds == sizeof holdings->fds / sizeof holdings->fds[0])
            continue;
        holdings->fds[holdings->n_fds++] = fd;
    }
    closedir(directory);
}

static int count_threads(void)
{
    DIR *directory = opendir("/proc/self/task");
    struct dirent *entry;
    int n = 0;

    if (!directory)
        return 1;
    while ((entry = readdir(directory)))
        n += entry->d_name[0] != '.';
    closedir(directory);
    return n;
}

/* Stacks of threads that have ended stay mapped, for the next thread; their size tells them from other mappings. */
static bool is_thread_stack(size_t size)
{
    pthread_attr_t attributes;
    size_t stack_size = 0, guard_size = 0;

    if (pthread_getattr_default_np(&attributes) != 0)
        return false;
    pthread_attr_getstacksize(&attributes, &stack_size);
    pthread_attr_getguardsize(&attributes, &guard_size);
    pthread_attr_destroy(&attributes);
    return size == stack_size || size == guard_size || size == stack_size - guard_size;
}

/* Under an emulator the heap has no name, so that its growth could not be told from a leak; then nothing is counted. */
static void count_mappings(struct holdings *holdings)
{
    char line[512], path[256];
    unsigned long begin, end, inode;
    bool heap_is_named = false;
    FILE *file;

    holdings->mappings = holdings->anonymous = 0;
    if (SANITIZED || under_valgrind())
        return;
    file = fopen("/proc/self/maps", "re");
    if (!file)
        return;
    while (fgets(line, sizeof line, file)) {
        path[0] = 0;
        if (sscanf(line, "%lx-%lx %*s %*s %*s %lu %255s", &begin, &end, &inode, path) < 3)
            continue;
        heap_is_named = heap_is_named || strcmp(path, "[heap]") == 0;
        if (path[0] || is_thread_stack(end - begin))
            continue;
        holdings->mappings++;
        holdings->anonymous += end - begin;
    }
    fclose(file);
    if (!heap_is_named)
        holdings->mappings = holdings->anonymous = 0;
}

void count_holdings(struct holdings *holdings)
{
    holdings->threads = count_threads();
    holdings->memory = asyncio_allocated();
    count_mappings(holdings);
    count_fds(holdings);
}

/* A thread that was joined may be seen for a moment longer. */
static bool threads_are_gone(int expected)
{
    struct timespec moment = {.tv_nsec = 1000000};

    for (int i = 0; i < 500; i++) {
        if (count_threads() <= expected)
            return true;
        nanosleep(&moment, NULL);
    }
    return false;
}

static bool holds(const struct holdings *holdings, int fd)
{
    for (size_t i = 0; i < holdings->n_fds; i++)
        if (holdings->fds[i] == fd)
            return true;
    return false;
}

static int report_fds(const struct holdings *before, const struct holdings *after)
{
    char link[64], target[256];
    int leaks = 0;

    for (size_t i = 0; i < after->n_fds; i++) {
        ssize_t length;

        if (holds(before, after->fds[i]))
            continue;
        snprintf(link, sizeof link, "/proc/self/fd/%d", after->fds[i]);
        length = readlink(link, target, sizeof target - 1);
        target[length < 0 ? 0 : length] = 0;
        fprintf(stderr, "leaked: fd %d, %s\n", after->fds[i], target);
        leaks = 1;
    }
    for (size_t i = 0; i < before->n_fds; i++)
        if (!holds(after, before->fds[i])) {
            fprintf(stderr, "closed: fd %d, which the test did not open\n", before->fds[i]);
            leaks = 1;
        }
    return leaks;
}

static int report_children(void)
{
    int status;
    pid_t pid = waitpid(-1, &status, WNOHANG);

    if (pid < 0)
        return 0;
    if (pid > 0)
        fprintf(stderr, "leaked: child %d has ended and was not waited for\n", (int)pid);
    else
        fprintf(stderr, "leaked: a child still runs\n");
    return 1;
}

int report_leaks(const struct holdings *before)
{
    struct holdings after;
    int leaks = 0;

    if (!threads_are_gone(before->threads + SPARE_THREADS)) {
        fprintf(stderr, "leaked: %d threads\n", count_threads() - before->threads - SPARE_THREADS);
        leaks++;
    }
    count_holdings(&after);
    leaks += report_fds(before, &after);
    leaks += report_children();
    if (after.memory != before->memory) {
        fprintf(stderr, "leaked: %lld pieces of memory\n", (long long)(after.memory - before->memory));
        leaks++;
    }
    if (after.mappings > before->mappings + SPARE_MAPPINGS || after.anonymous > before->anonymous + SPARE_ANONYMOUS) {
        fprintf(stderr, "leaked: mappings: %zu with %zu KiB, before %zu with %zu KiB\n", after.mappings,
                after.anonymous >> 10, before->mappings, before->anonymous >> 10);
        leaks++;
    }
    return leaks;
}

int debugger_of(int pid)
{
    char path[64], line[256];
    int debugger = 0;
    FILE *file;

    snprintf(path, sizeof path, "/proc/%d/status", pid);
    file = fopen(path, "re");
    if (!file)
        return 0;
    while (fgets(line, sizeof line, file))
        if (sscanf(line, "TracerPid: %d", &debugger) == 1)
            break;
    fclose(file);
    return debugger;
}
