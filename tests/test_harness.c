/* test_harness.c -- the harness itself: tests that fail in every way it knows, and clocks that jump when they may. */
#include "harness.h"

#include "base/log.h"
#include "base/mem.h"

#include <fcntl.h>
#include <pthread.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

/* -------------------------------------------------------------------------- Bodies that are no tests themselves */

static void body_passes(void)
{
}

static void body_expect(void)
{
    EXPECT(1 + 1 == 3);
}

static void body_int(void)
{
    EXPECT_INT(-ECANCELED, 0);
}

static void body_str(void)
{
    EXPECT_STR(NULL, "text");
}

static void body_trace(void)
{
    trace("one");
    trace("two");
    EXPECT_TRACE("one\nthree\n");
}

static void body_log(void)
{
    asyncio__log(ASYNCIO_LOG_WARNING, "first");
    asyncio__log(ASYNCIO_LOG_WARNING, "second");
    EXPECT_LOG("first");
}

static void body_fd(void)
{
    EXPECT(open("/dev/null", O_RDONLY | O_CLOEXEC) >= 0);
}

static void body_closed_fd(void)
{
    close(0);
}

static void body_memory(void)
{
    EXPECT(asyncio__malloc(1) != NULL);
}

static void body_mapping(void)
{
    struct holdings holdings;

    count_holdings(&holdings);
    if (holdings.mappings == 0)
        FAIL("leaked: mappings cannot be counted here");
    EXPECT(mmap(NULL, 1 << 20, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) != MAP_FAILED);
}

static void *wait_for_ever(void *arg)
{
    (void)arg;
    for (;;)
        pause();
    return NULL;
}

static void body_thread(void)
{
    pthread_t thread;

    EXPECT_INT(pthread_create(&thread, NULL, wait_for_ever, NULL), 0);
}

static void body_child(void)
{
    pid_t pid = fork();

    if (pid == 0)
        for (;;)
            pause();
}

static void body_crash(void)
{
    raise(SIGKILL);
}

static void body_skip(void)
{
    SKIP("not today");
}

static void body_exit(void)
{
    _exit(0);
}

static void body_abort(void)
{
    fputs("farewell\n", stderr);
    signal(SIGABRT, SIG_DFL);
    abort();
}

/* With its allocation failing: as it should be, and not. */
static void body_survives(void)
{
    asyncio__free(asyncio__malloc(1));
}

static void body_leaks_on_fault(void)
{
    void *a = asyncio__malloc(1), *b = asyncio__malloc(1);

    if (a && b)
        asyncio__free(a);
    asyncio__free(b);
}

static void body_dies_after_expectation(void)
{
    void *memory = asyncio__malloc(1);

    EXPECT(memory != NULL);
    if (!memory)
        raise(SIGKILL);
    asyncio__free(memory);
}

static void body_dies_on_fault(void)
{
    void *memory = asyncio__malloc(1);

    if (!memory)
        raise(SIGKILL);
    asyncio__free(memory);
}

static int make_pipe(void *arg)
{
    struct asyncio_op op = {.opcode = ASYNCIO_OP_PIPE};
    int64_t r = asyncio_op_await(&op);

    (void)arg;
    trace("pipe: %d", (int)r);
    for (int i = 0; r == 0 && i < 2; i++) {
        struct asyncio_op end = {.opcode = ASYNCIO_OP_CLOSE, .fd = op.make.fds[i]};

        ASYNCIO_IGNORE(asyncio_op_await(&end));
    }
    return (int)r;
}

static void body_operation(void)
{
    int r = run(make_pipe, NULL);

    EXPECT_INT(r, 0);
    if (r == -EIO)
        raise(SIGKILL);
}

/* Runs a body in a child of this test, which must end so and say that. */
static void expect_swept(struct test__case test, const struct fault *fault, enum verdict verdict, const char *text)
{
    struct outcome outcome = run_in_child(&test, fault);
    bool as_expected = outcome.verdict == verdict && strstr(outcome.output, text);

    if (!as_expected)
        FAIL("%s: verdict %d, expected %d with '%s' in: %s", test.name, (int)outcome.verdict, (int)verdict, text,
             outcome.output);
}

static void expect_verdict(struct test__case test, int64_t allocation, enum verdict verdict, const char *text)
{
    struct fault fault = {allocation, NO_FAULT};

    expect_swept(test, allocation == NO_FAULT ? NULL : &fault, verdict, text);
}

#define CASE(body_, ...) \
    ((struct test__case){.name = #body_, .why = "", .file = __FILE__, .line = __LINE__, .body = body_, __VA_ARGS__})

TEST_NO_SWEEP(failed_expectations_fail_the_test, "each kind says what it saw", "it runs children of its own")
{
    expect_verdict(CASE(body_passes), NO_FAULT, PASSED, "");
    expect_verdict(CASE(body_expect), NO_FAULT, FAILED, "expected: 1 + 1 == 3");
    expect_verdict(CASE(body_int), NO_FAULT, FAILED, "-ECANCELED is -125 (-ECANCELED), expected 0");
    expect_verdict(CASE(body_str), NO_FAULT, FAILED, "NULL is NULL, expected \"text\"");
    expect_verdict(CASE(body_trace), NO_FAULT, FAILED, "> \"three\\n\"");
    expect_verdict(CASE(body_trace), NO_FAULT, FAILED, "> \"two\\n\"");
    expect_verdict(CASE(body_log), NO_FAULT, FAILED, "logged and not expected: WARNING: second");
}

TEST_NO_SWEEP(leaks_fail_the_test, "whatever a test leaves behind", "it runs children of its own")
{
    expect_verdict(CASE(body_fd), NO_FAULT, FAILED, "/dev/null");
    expect_verdict(CASE(body_closed_fd), NO_FAULT, FAILED, "closed: fd 0");
    expect_verdict(CASE(body_memory), NO_FAULT, FAILED, "leaked: 1 pieces of memory");
    expect_verdict(CASE(body_mapping), NO_FAULT, FAILED, "leaked: mappings");
    expect_verdict(CASE(body_thread), NO_FAULT, FAILED, "leaked: 1 threads");
    expect_verdict(CASE(body_child), NO_FAULT, FAILED, "leaked: a child still runs");
}

TEST_NO_SWEEP(ends_are_judged, "by signal, by exit, by skip", "it runs children of its own")
{
    expect_verdict(CASE(body_crash), NO_FAULT, FAILED, "died by signal 9");
    expect_verdict(CASE(body_exit), NO_FAULT, FAILED, "the body ended the process");
    expect_verdict(CASE(body_skip), NO_FAULT, SKIPPED, "");
    expect_verdict(CASE(body_abort, .signal_number = SIGABRT, .text = "farewell"), NO_FAULT, PASSED, "");
    expect_verdict(CASE(body_abort, .signal_number = SIGABRT, .text = "hello"), NO_FAULT, FAILED, "without \"hello\"");
    expect_verdict(CASE(body_abort, .signal_number = SIGTERM, .text = "farewell"), NO_FAULT, FAILED, "must die by");
    expect_verdict(CASE(body_passes, .signal_number = SIGABRT, .text = ""), NO_FAULT, FAILED, "must die by");
}

TEST_NO_SWEEP(swept_runs_are_judged, "expectations do not count, crashes and leaks do", "it runs children of its own")
{
    expect_verdict(CASE(body_survives), 0, PASSED, "");
    EXPECT(shared->fault_met);
    expect_verdict(CASE(body_survives), 1, PASSED, "");
    EXPECT(!shared->fault_met);
    expect_verdict(CASE(body_leaks_on_fault), 1, FAILED, "leaked: 1 pieces of memory");
    expect_verdict(CASE(body_dies_on_fault), 0, FAILED, "died by signal 9");
    expect_verdict(CASE(body_dies_after_expectation), 0, CUT_SHORT, "");
    expect_verdict(CASE(body_log), 5, PASSED, "");
}

TEST_SIM(operations_fail_in_turn, "the first makes the pipe, a fourth there is not")
{
    struct fault fault = {NO_FAULT, 0};

    expect_swept(CASE(body_operation), &fault, CUT_SHORT, "-5 (-EIO), expected 0");
    fault.operation = 1;
    expect_swept(CASE(body_operation), &fault, PASSED, "");
    EXPECT(shared->fault_met);
    fault.operation = 3;
    expect_swept(CASE(body_operation), &fault, PASSED, "");
    EXPECT(!shared->fault_met);
}

TEST(log_is_taken_by_message, "EXPECT_LOG takes one, captured_log the rest")
{
    asyncio__log(ASYNCIO_LOG_ERROR, "one");
    asyncio__log(ASYNCIO_LOG_WARNING, "two");
    asyncio__log(ASYNCIO_LOG_DEBUG, "three");
    EXPECT_LOG("two");
    EXPECT_STR(captured_log(), "ERROR: one\nDEBUG: three\n");
    EXPECT_STR(captured_log(), "");
}

TEST(trace_without_a_loop_has_no_time, "there is none")
{
    trace("%d", 1);
    trace("%s", "two");
    EXPECT_STR(transcript(), "1\ntwo\n");
    EXPECT_TRACE("1\ntwo\n");
    EXPECT_TRACE("");
}

/* ------------------------------------------------------------------------------------------------- Virtual time */

static double real_seconds(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static int sleep_for_days(void *arg)
{
    int r = 0;

    (void)arg;
    trace("begin");
    for (int i = 0; i < 1000 && r == 0; i++)
        r = asyncio_sleep(86400);
    trace("end");
    return r;
}

TEST(sleeping_takes_no_time, "C-01: the clock begins at 0 and jumps")
{
    double begin = real_seconds();

    EXPECT_INT(run(sleep_for_days, NULL), 0);
    EXPECT_TRACE("[0.000] begin\n[86400000.000] end\n");
    EXPECT(real_seconds() - begin < 2.0 * test_slowness());
}

TEST(new_loop_is_on_the_back_end_under_test, "its name says so")
{
    struct asyncio_loop *loop;

    EXPECT_INT(new_loop(&loop), 0);
    EXPECT_STR(asyncio_loop_backend(loop), test_on_sim() ? "sim" : test_on_uring() ? "uring" : "epoll");
    EXPECT_DOUBLE(asyncio_loop_time(loop), 0);
    EXPECT_INT(asyncio_loop_close(loop), 0);
    asyncio_loop_unref(loop);
}

static int work_in_thread(void *arg)
{
    struct timespec span = {.tv_nsec = 30000000};

    (void)arg;
    nanosleep(&span, NULL);
    return 7;
}

static int wait_for_thread(void *arg)
{
    struct asyncio_timeout timeout;
    int r;

    (void)arg;
    r = asyncio_timeout_enter(&timeout, 0.001);
    if (r == 0)
        r = asyncio_to_thread(work_in_thread, NULL);
    r = asyncio_timeout_exit(&timeout, r);
    trace("%d", r);
    return r;
}

TEST(the_clock_stands_while_a_thread_works, "C-20: so that no timeout comes before it")
{
    EXPECT_INT(run(wait_for_thread, NULL), 7);
    EXPECT_TRACE("[0.000] 7\n");
}

static int read_when_ready(void *arg)
{
    const int *fds = arg;
    char byte = 0;
    int r = asyncio_wait_fd(fds[0], ASYNCIO_READABLE);

    if (r > 0 && read(fds[0], &byte, 1) == 1)
        trace("reads %c", byte);
    return r;
}

static int write_later(void *arg)
{
    const int *fds = arg;
    struct asyncio_future *reader = asyncio_create_task(read_when_ready, arg);
    int r = asyncio_sleep(3600);

    trace("writes");
    if (r == 0 && write(fds[1], "x", 1) == 1)
        r = asyncio_await(reader);
    asyncio_future_unref(reader);
    return r;
}

TEST_EPOLL(foreign_fds_in_virtual_time, "what the kernel has comes before the clock jumps on")
{
    int fds[2] = {-1, -1};

    EXPECT_INT(pipe2(fds, O_CLOEXEC), 0);
    EXPECT_INT(run(write_later, fds), ASYNCIO_READABLE);
    EXPECT_TRACE("[3600.000] writes\n[3600.000] reads x\n");
    close(fds[0]);
    close(fds[1]);
}

TEST_REAL(real_time_is_real, "and has no place in a transcript")
{
    double begin = real_seconds();

    trace("no time");
    EXPECT_TRACE("no time\n");
    EXPECT_INT(run(wait_for_thread, NULL), -ETIMEDOUT);
    EXPECT(real_seconds() - begin >= 0.001);
    EXPECT_TRACE("-110\n");
}

TEST_SIM(seed_is_in_the_name, "sim:SEED")
{
    char name[64];

    snprintf(name, sizeof name, "sim:%llu", (unsigned long long)test_seed());
    EXPECT_STR(test_backend(), name);
}

TEST_DIES(dies_by_assertion, SIGABRT, "what it says")
{
    fputs("what it says\n", stderr);
    abort();
}
