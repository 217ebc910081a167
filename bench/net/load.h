/* load.h -- what the load generator measures with: clocks, a histogram of times, counts of a server's system calls and
 * its memory. */
#pragma once

#include <dirent.h>
#include <linux/perf_event.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static inline uint64_t read_clock(clockid_t clock)
{
    struct timespec time;

    if (clock_gettime(clock, &time) < 0)
        return 0;
    return (uint64_t)time.tv_sec * 1000000000 + (uint64_t)time.tv_nsec;
}

static inline uint64_t now_ns(void)
{
    return read_clock(CLOCK_MONOTONIC);
}

/* Processor time of another process, of all its threads, those that have ended included. The clock's number is what
 * clock_getcpuclockid makes of a process. */
static inline uint64_t processor_ns(int pid)
{
    return read_clock((clockid_t)((~(unsigned)pid << 3) | 2));
}

static inline void pause_ns(uint64_t ns)
{
    struct timespec time = {(time_t)(ns / 1000000000), (long)(ns % 1000000000)};

    nanosleep(&time, NULL);
}

/* A line of /proc/PID/status, in bytes; 0 when it is not there. */
static inline int64_t status_bytes(int pid, const char *name)
{
    char line[256];
    int64_t value = 0;
    FILE *file;

    snprintf(line, sizeof line, "/proc/%d/status", pid);
    file = fopen(line, "r");
    while (file && fgets(line, sizeof line, file))
        if (strncmp(line, name, strlen(name)) == 0)
            value = strtoll(line + strlen(name), NULL, 10) * 1024;
    if (file)
        fclose(file);
    return value;
}

/* --------------------------------------------------------------------------------------------- histogram */

/* As HdrHistogram's: 64 buckets for each power of two, so that a time is known to 1/64 of itself. */
#define SUB_BITS    6
#define SUB_BUCKETS (1 << SUB_BITS)

struct histogram {
    uint64_t n;
    uint64_t counts[(64 - SUB_BITS) * SUB_BUCKETS];
};

static inline void histogram_add(struct histogram *histogram, uint64_t ns)
{
    unsigned shift = ns < 2 * SUB_BUCKETS ? 0 : 63 - (unsigned)__builtin_clzll(ns) - SUB_BITS;

    histogram->counts[shift * SUB_BUCKETS + (ns >> shift)]++;
    histogram->n++;
}

/* The time that this share of all is no longer than. */
static inline double histogram_at(const struct histogram *histogram, double share)
{
    uint64_t wanted = (uint64_t)(share * (double)histogram->n + 0.5), seen = 0;
    unsigned i = 0;

    while (i < sizeof histogram->counts / sizeof histogram->counts[0] && (seen += histogram->counts[i]) < wanted)
        i++;
    if (i < 2 * SUB_BUCKETS)
        return i;
    return (double)(SUB_BUCKETS + i % SUB_BUCKETS) * (double)(1ull << (i / SUB_BUCKETS - 1));
}

/* ------------------------------------------------------------------------------------------ system calls */

#define MOST_THREADS 64

static int call_counters[MOST_THREADS], n_call_counters;

static inline int open_call_counter(int thread)
{
    static const char *const places[] = {"/sys/kernel/tracing", "/sys/kernel/debug/tracing"};
    struct perf_event_attr attributes = {.type = PERF_TYPE_TRACEPOINT, .size = sizeof attributes, .inherit = 1};
    char path[128], number[32] = "";

    for (unsigned i = 0; i < 2 && !number[0]; i++) {
        FILE *file;

        snprintf(path, sizeof path, "%s/events/raw_syscalls/sys_enter/id", places[i]);
        file = fopen(path, "r");
        if (file && !fgets(number, sizeof number, file))
            number[0] = 0;
        if (file)
            fclose(file);
    }
    attributes.config = strtoull(number, NULL, 10);
    if (!attributes.config)
        return -1;
    return (int)syscall(SYS_perf_event_open, &attributes, thread, -1, -1, PERF_FLAG_FD_CLOEXEC);
}

/* Counts the system calls of all threads of a process with the kernel's tracepoint, as `perf stat -e
 * raw_syscalls:sys_enter` does. Returns: whether that is possible here. */
static inline bool begin_counting_calls(int pid)
{
    struct dirent *entry;
    char path[64];
    DIR *threads;

    snprintf(path, sizeof path, "/proc/%d/task", pid);
    threads = opendir(path);
    while (threads && n_call_counters < MOST_THREADS && (entry = readdir(threads))) {
        int thread = (int)strtol(entry->d_name, NULL, 10);

        if (thread <= 0)
            continue;
        call_counters[n_call_counters] = open_call_counter(thread);
        if (call_counters[n_call_counters] < 0)
            break;
        n_call_counters++;
    }
    if (threads)
        closedir(threads);
    return n_call_counters > 0;
}

static inline uint64_t end_counting_calls(void)
{
    uint64_t sum = 0, count;

    while (n_call_counters) {
        if (read(call_counters[--n_call_counters], &count, sizeof count) == sizeof count)
            sum += count;
        close(call_counters[n_call_counters]);
    }
    return sum;
}
