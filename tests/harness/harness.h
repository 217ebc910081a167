/* harness.h -- what the files of the harness know of each other; tests include test.h only. */
#pragma once

#include "test.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Sanitizers map memory as they like, are slow, and end a crash with an exit status of their own. ThreadSanitizer has
 * a thread. */
#ifdef __has_feature
#define HAS_FEATURE(name) __has_feature(name)
#else
#define HAS_FEATURE(name) 0
#endif
#if defined(__SANITIZE_THREAD__) || HAS_FEATURE(thread_sanitizer)
#define SANITIZED     true
#define SPARE_THREADS 1
#elif defined(__SANITIZE_ADDRESS__) || HAS_FEATURE(address_sanitizer) || HAS_FEATURE(memory_sanitizer)
#define SANITIZED     true
#define SPARE_THREADS 0
#else
#define SANITIZED     false
#define SPARE_THREADS 0
#endif

#define NO_FAULT INT64_C(-1)

/* What the command line asks for, read once by main. */
struct options {
    bool on_sim, seed_given, verbose, list, no_fork, sweep;
    uint64_t seed;
    const char *only;  /* a name, with * and ? if wanted; NULL: all */
    const char *uring; /* "uring" or "uring:OPTIONS" when that was asked for */
    char backend[64];  /* what test_backend gives */
};

extern struct options options;

/* What is to go wrong in one run of a body; NO_FAULT where nothing is. */
struct fault {
    int64_t allocation; /* the nth allocation fails */
    int64_t operation;  /* the nth operation of the simulator fails */
};

/* How a child tells the runner what its exit status cannot say; a page shared by both. */
struct shared {
    atomic_int expectations_failed; /* in a swept run, where they do not end it */
    bool fault_met;                 /* the fault that was wanted has happened */
    bool ended;                     /* the body has run to its end and every check was made */
    char skip_reason[200];
    double seconds_wanted; /* for a test that needs longer than others */
    bool show_output;
    bool has_replay_seed;
    uint64_t replay_seed; /* what a failure is replayed with */
};

extern struct shared *shared;

/* The kind of time and the fault of the test that runs in this process. */
struct current {
    const struct test__case *test;
    struct fault fault;
    bool swept;
};

extern struct current current;

/* ------------------------------------------------------------------------------------------------------ loops.c */

bool under_valgrind(void);

/* ----------------------------------------------------------------------------------------------------- expect.c */

/* Starts to capture the log, with an empty transcript. */
void begin_expectations(void);

/* Fails the test when warnings were logged that it has not taken. */
void check_log_was_read(void);

/* ------------------------------------------------------------------------------------------------------ leaks.c */

/* What a process holds. */
struct holdings {
    size_t n_fds;
    int fds[256];
    int threads;
    int64_t memory;   /* pieces that the library has allocated */
    size_t mappings;  /* without a file, heap and thread stacks left out; 0 where they cannot be told apart */
    size_t anonymous; /* their bytes */
};

void count_holdings(struct holdings *holdings);

/* Prints what is held now and was not before. Returns: how many kinds of it there are. */
int report_leaks(const struct holdings *before);

/* Pid of the process's debugger; 0 without. */
int debugger_of(int pid);

/* ---------------------------------------------------------------------------------------------------- process.c */

enum verdict { PASSED, FAILED, SKIPPED, CUT_SHORT };

/* How a run went. The text is valid until the next run. */
struct outcome {
    enum verdict verdict;
    const char *output; /* what the child printed, and why it failed */
    double seconds;
};

/* Makes what the children write to and share with this process. */
void begin_processes(void);

/* Runs one body in a child and waits for it. CUT_SHORT: a swept run that died after an expectation had failed, which
 * proves nothing. */
struct outcome run_in_child(const struct test__case *test, const struct fault *fault);

/* Runs one body in this process; ends the process when it fails. */
void run_here(const struct test__case *test);

/* ------------------------------------------------------------------------------------------------------ sweep.c */

/* In all sweeps so far. */
extern int faults_survived;

/* Reruns a body with every allocation and, on the simulator, every operation failing in turn. Prints its line.
 * Returns: the verdict. */
enum verdict sweep(const struct test__case *test);

/* Prints an outcome's text, each line indented. */
void print_indented(const char *text);

/* ---------------------------------------------------------------------------------------------- virtual_epoll.c */

/* The epoll back end with a clock that starts at 0 and jumps when nothing else can happen; NULL without epoll. */
const struct asyncio_backend_ops *virtual_epoll(void);
