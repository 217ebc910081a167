/* process.c -- a process for each test: forked from the runner, watched, and judged by how it ends.
 *
 * The child writes to a file in memory instead of a pipe, so that neither a full pipe nor a grandchild that keeps it
 * open can stop anybody. It is the leader of a process group, which dies as a whole when its time is over. */
#include "harness.h"

#include "backend/sim.h"

#include <fcntl.h>
#include <stdarg.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define SHOWN_OUTPUT ((size_t)256 * 1024)

struct shared *shared;
struct current current;

static int output_fd = -1;
static char output[SHOWN_OUTPUT + 256];
static sigset_t usual_mask;

void begin_processes(void)
{
    output_fd = memfd_create("test output", MFD_CLOEXEC);
    shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (output_fd < 0 || shared == MAP_FAILED || fcntl(output_fd, F_SETFL, O_APPEND) < 0) {
        perror("test harness");
        exit(2);
    }
}

static bool fault_was_met(void)
{
    if (current.fault.allocation != NO_FAULT)
        return asyncio_allocations() > current.fault.allocation;
    return current.fault.operation != NO_FAULT && asyncio__sim_operations() > current.fault.operation;
}

/* The body and the checks after it. Returns: the exit status. */
static int run_body(const struct test__case *test)
{
    struct holdings before;
    int leaks;

    test_spare(current.swept ? ASYNCIO__SHORT_TRANSFERS : 0, "a fault inside a word is more than tests expect");
    begin_expectations();
    count_holdings(&before);
    asyncio_fail_allocation(current.fault.allocation, current.fault.allocation == NO_FAULT ? 0 : 1);
    asyncio__sim_fail_operation(current.fault.operation, current.fault.operation == NO_FAULT ? 0 : 1);
    test->body();
    shared->fault_met = fault_was_met();
    asyncio_fail_allocation(-1, 0);
    asyncio__sim_fail_operation(-1, 0);
    if (!current.swept)
        check_log_was_read();
    leaks = report_leaks(&before);
    shared->ended = true;
    return leaks ? 1 : 0;
}

void run_here(const struct test__case *test)
{
    current = (struct current){.test = test, .fault = {NO_FAULT, NO_FAULT}};
    if (run_body(test) != 0)
        exit(1);
}

static void become_child(const struct test__case *test, const struct fault *fault)
{
    struct rlimit no_core = {0, 0};
    int null = open("/dev/null", O_RDONLY);

    setpgid(0, 0);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    dup2(null, 0);
    dup2(output_fd, 1);
    dup2(output_fd, 2);
    if (null > 2)
        close(null);
    /* A shell may have started us with Ctrl-C ignored, which the library respects. */
    signal(SIGINT, SIG_DFL);
    signal(SIGHUP, SIG_DFL);
    signal(SIGPIPE, SIG_DFL);
    sigprocmask(SIG_SETMASK, &usual_mask, NULL);
    current = (struct current){.test = test, .swept = fault != NULL, .fault = {NO_FAULT, NO_FAULT}};
    if (fault)
        current.fault = *fault;
    if (fault || test->signal_number)
        setrlimit(RLIMIT_CORE, &no_core);
}

static double seconds_now(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* Waits for the child, at most until the time is over. Returns: whether it has ended. */
static bool wait_until(pid_t pid, int *status, double end)
{
    sigset_t child;

    sigemptyset(&child);
    sigaddset(&child, SIGCHLD);
    for (;;) {
        double left = end - seconds_now();
        struct timespec limit;

        if (waitpid(pid, status, WNOHANG) == pid)
            return true;
        if (left <= 0)
            return false;
        limit.tv_sec = (time_t)left;
        limit.tv_nsec = (long)((left - (double)limit.tv_sec) * 1e9);
        sigtimedwait(&child, NULL, &limit);
    }
}

/* Reads what the child printed, the end of it when it is long. Returns: the length. */
static size_t read_output(void)
{
    off_t size = lseek(output_fd, 0, SEEK_END), begin = size > (off_t)SHOWN_OUTPUT ? size - (off_t)SHOWN_OUTPUT : 0;
    ssize_t length = pread(output_fd, output, SHOWN_OUTPUT, begin);

    length = length < 0 ? 0 : length;
    output[length] = 0;
    return (size_t)length;
}

static void add_output(const char *format, ...) __attribute__((format(printf, 1, 2)));

static void add_output(const char *format, ...)
{
    size_t length = strlen(output);
    va_list args;

    va_start(args, format);
    vsnprintf(output + length, sizeof output - length, format, args);
    va_end(args);
}

/* A test that must die: by that signal and with that text. Sanitizers catch some signals, and end with a report of
 * their own. */
static enum verdict judge_death(const struct test__case *test, int status)
{
    bool died = WIFSIGNALED(status) && WTERMSIG(status) == test->signal_number;

    if (SANITIZED && WIFEXITED(status) && WEXITSTATUS(status) != 0 && strstr(output, "Sanitizer:"))
        return PASSED;
    if (!died) {
        add_output("must die by signal %d (%s), but %s %d\n", test->signal_number, strsignal(test->signal_number),
                   WIFSIGNALED(status) ? "died by" : "ended with status",
                   WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
        return FAILED;
    }
    if (!strstr(output, test->text)) {
        add_output("died as it must, but without \"%s\"\n", test->text);
        return FAILED;
    }
    return PASSED;
}

static enum verdict judge_end(const struct test__case *test, int status)
{
    bool cut_short = atomic_load(&shared->expectations_failed) > 0;

    if (test->signal_number && !shared->skip_reason[0])
        return judge_death(test, status);
    if (WIFSIGNALED(status)) {
        add_output("died by signal %d (%s)\n", WTERMSIG(status), strsignal(WTERMSIG(status)));
        return cut_short ? CUT_SHORT : FAILED;
    }
    if (shared->skip_reason[0])
        return SKIPPED;
    if (WEXITSTATUS(status) == 0 && shared->ended)
        return PASSED;
    if (!shared->ended && current.swept)
        return WEXITSTATUS(status) == 0 ? PASSED : cut_short ? CUT_SHORT : FAILED;
    if (WEXITSTATUS(status) == 0)
        add_output("the body ended the process\n");
    else if (strlen(output) == 0)
        add_output("ended with status %d\n", WEXITSTATUS(status));
    return FAILED;
}

static enum verdict tell_seed(enum verdict verdict)
{
    if (verdict == FAILED && shared->has_replay_seed)
        add_output("replay: make sim SEED=%llu\n", (unsigned long long)shared->replay_seed);
    return verdict;
}

static enum verdict judge(const struct test__case *test, int status)
{
    return tell_seed(judge_end(test, status));
}

/* A test that was still running. */
static enum verdict judge_late(void)
{
    return tell_seed(atomic_load(&shared->expectations_failed) > 0 ? CUT_SHORT : FAILED);
}

/* A test's group may have left processes behind, which would hold what the next one needs. */
static void kill_group(pid_t pid)
{
    kill(-pid, SIGKILL);
}

/* Waits for the child until it ends or its time is over. Returns: whether it has ended by itself. */
static bool watch(pid_t pid, int *status, double begin, double limit)
{
    while (!wait_until(pid, status, begin + limit)) {
        if (debugger_of(pid) || debugger_of(getpid()))
            limit += 10;
        else if (shared->seconds_wanted > limit)
            limit = shared->seconds_wanted;
        if (seconds_now() < begin + limit)
            continue;
        kill_group(pid);
        waitpid(pid, status, 0);
        read_output();
        add_output("still running after %.0f s\n", limit);
        return false;
    }
    kill_group(pid);
    read_output();
    return true;
}

static void run_as_child(const struct test__case *test, const struct fault *fault)
{
    int status;

    become_child(test, fault);
    status = run_body(test);
    fflush(NULL);
    if (fault)
        _exit(status);
    exit(status);
}

struct outcome run_in_child(const struct test__case *test, const struct fault *fault)
{
    double begin = seconds_now(), limit = (fault ? 5 : 10) * test_slowness();
    struct outcome outcome = {.verdict = FAILED, .output = output};
    struct current saved = current;
    sigset_t child;
    int status = 0;
    pid_t pid;

    /* Blocked, so that waiting with a time limit cannot miss it. */
    sigemptyset(&child);
    sigaddset(&child, SIGCHLD);
    sigprocmask(SIG_BLOCK, &child, &usual_mask);
    memset(shared, 0, sizeof *shared);
    output[0] = 0;
    if (ftruncate(output_fd, 0) < 0)
        perror("test harness");
    fflush(NULL);
    pid = fork();
    if (pid == 0)
        run_as_child(test, fault);
    current.swept = fault != NULL;
    if (pid < 0) {
        add_output("fork: %s\n", strerror(errno));
    } else {
        setpgid(pid, pid);
        outcome.verdict = watch(pid, &status, begin, limit) ? judge(test, status) : judge_late();
    }
    current = saved;
    sigprocmask(SIG_SETMASK, &usual_mask, NULL);
    outcome.seconds = seconds_now() - begin;
    return outcome;
}
