/* test.h -- what a test is written with.
 *
 * A test is a transcript: it calls trace() where something happens and compares with EXPECT_TRACE, times included, on
 * a clock that jumps. Each runs in a process of its own, forked from a warmed one, on every back end, and fails when
 * it leaves a file descriptor, memory, a thread, a mapping, a child or an unread warning behind:
 *
 *     static int sleeper(void *arg) { int r = asyncio_sleep(3600); trace("slept: %d", r); return r; }
 *
 *     TEST(sleep_an_hour, "C-01: resumes when the time has come")
 *     {
 *         EXPECT_INT(run(sleeper, NULL), 0);
 *         EXPECT_TRACE("[3600.000] slept: 0\n");
 *     }
 *
 * Everything here may be called from a task, a callback or a thread. A failed expectation ends the test there and
 * then. */
#pragma once

#include "base/hostile.h"

#include <asyncio.h>
#include <asyncio_lowlevel.h>

#include <signal.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ----------------------------------------------------------------------------------------------- Defining tests
 *
 * `why` names the ids that the test stands for and what must hold: "L-02 #2: a newcomer queues behind the waiters".
 * tests/check_ids.py reads it, so an id must be written out in the source. */

/* Runs on every back end, always in virtual time. */
#define TEST(name, why) TEST__DEFINE(name, why, TEST__PLAIN, 0, NULL, NULL)

/* Must die by a signal, with that text on standard error; what the library logs goes there too. */
#define TEST_DIES(name, signal_number, text) \
    TEST__DEFINE(name, "dies: " text, TEST__NO_SWEEP, signal_number, text, NULL)

/* Uses real time and real fds, as threads and signals do: on epoll only, with the real clock; trace() has no times
 * then. */
#define TEST_REAL(name, why) \
    TEST__DEFINE(name, why, TEST__NO_SWEEP | TEST__NO_SIM | TEST__REAL_TIME, 0, NULL, "real time and real fds")

/* Uses raw fds, which the simulator has none of: on epoll, in virtual time. */
#define TEST_EPOLL(name, why) TEST__DEFINE(name, why, TEST__NO_SIM, 0, NULL, "raw fds")

/* Asks for what only the simulator has: a seed, a fault, a delay. */
#define TEST_SIM(name, why) TEST__DEFINE(name, why, TEST__NO_EPOLL, 0, NULL, "needs the simulator")

/* As TEST_SIM, but left out of the fault sweep for that reason. */
#define TEST_SIM_NO_SWEEP(name, why, reason) TEST__DEFINE(name, why, TEST__NO_EPOLL | TEST__NO_SWEEP, 0, NULL, reason)

/* As TEST, but left out of the fault sweep for that reason. */
#define TEST_NO_SWEEP(name, why, reason) TEST__DEFINE(name, why, TEST__NO_SWEEP, 0, NULL, reason)

/* ------------------------------------------------------------------------------------------------- Expectations
 *
 * During a fault sweep a failed expectation does not end the test: it goes on as straight as it can, so that its
 * cleanup runs and leaks show. Write tests so that they survive this: outputs initialised, pointers that may be NULL
 * passed to the library only, and what a test made given back at its end, not in a callback that may never run. */

#define EXPECT(condition) test__expect(__FILE__, __LINE__, #condition, !!(condition))

/* Integers, enumerations, bool; a negative value is printed with its error's name. */
#define EXPECT_INT(actual, expected) \
    test__expect_int(__FILE__, __LINE__, #actual, (long long)(actual), (long long)(expected))

/* Texts; NULL equals NULL only. */
#define EXPECT_STR(actual, expected) test__expect_str(__FILE__, __LINE__, #actual, (actual), (expected))

/* Times and other doubles, equal to within a nanosecond. */
#define EXPECT_DOUBLE(actual, expected) \
    test__expect_double(__FILE__, __LINE__, #actual, (double)(actual), (double)(expected))

/* Pointers, equal. */
#define EXPECT_PTR(actual, expected) test__expect_ptr(__FILE__, __LINE__, #actual, (actual), (expected))

/* Fails the test with a message of its own. */
#define FAIL(...) test__fail(__FILE__, __LINE__, __VA_ARGS__)

/* Ends the test as skipped. */
#define SKIP(reason) test__skip(reason)

/* Appends "[time] text\n" to the transcript, the time being that of the running loop; without a running loop just the
 * text. */
void trace(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* The transcript since the last EXPECT_TRACE must be this; clears it. */
#define EXPECT_TRACE(expected) test__expect_trace(__FILE__, __LINE__, (expected))

/* The transcript so far, for tests that look for a part of it; valid until the next call. */
const char *transcript(void);

/* Forgets the transcript. */
void trace_clear(void);

/* What the library has logged, a message each: "WARNING: text\n"; takes it, so that it is not there the next time.
 * Warnings and errors that nobody has taken fail the test at its end. Valid until the next call. */
const char *captured_log(void);

/* A message with this text in it must have been logged; takes the first such one and leaves the others. */
#define EXPECT_LOG(text) test__expect_log(__FILE__, __LINE__, (text))

/* ------------------------------------------------------------------------------------------------------ Running */

/* Runs a coroutine as asyncio_run does, on the back end under test, in virtual time. Returns: its result, or
 * asyncio_run's errors. */
int run(asyncio_coro *fn, void *arg);

/* A loop on the back end under test, in virtual time that starts at 0. NULL in ret_loop when it fails. It is a
 * .loop_factory, too: run(main, NULL) with one keyword more is asyncio_run(main, NULL, .loop_factory = new_loop,
 * .debug = true). */
int new_loop(struct asyncio_loop **ret_loop);

/* "epoll", or "sim:SEED" with the seed in it. */
const char *test_backend(void);

/* True on the simulator. */
bool test_on_sim(void);

/* True on io_uring; false where that was asked for and is refused, and epoll has taken its place. */
bool test_on_uring(void);

/* The seed of this run, 1 if none was asked for. */
uint64_t test_seed(void);

/* True when a seed was asked for by option or environment, so that random tests replay just that one. */
bool test_seed_given(void);

/* A failure or crash from now on is printed with "replay: make sim SEED=seed". */
void test_replay_seed(uint64_t seed);

/* Gives this test that many seconds of real time in all, in place of the usual ten. */
void test_needs_seconds(double seconds);

/* Prints what this test writes also when it passes. */
void test_show_output(void);

/* True when more is to be printed. */
bool test_verbose(void);

/* How much slower than usual this build is: 1; about 10 to 30 under sanitizers and Valgrind. */
int test_slowness(void);

/* True in the hostile build. Its tests expect the same of the library, but see fewer bytes at a time, and -ECANCELED
 * later. */
bool test_hostile(void);

/* Spares the rest of this test some of enum asyncio__hostility, because it is about the very thing; `why` is for
 * readers. A second call replaces the first. */
void test_spare(unsigned hostilities, const char *why);

/* Lets nothing that is written in the rest of this test be put off, as io_uring does with little. */
void test_send_directly(const char *why);

/* ----------------------------------------------------------------------------------------------------- Internal */

enum test__flags {
    TEST__PLAIN = 0,
    TEST__NO_SWEEP = 1,
    TEST__NO_SIM = 2,
    TEST__NO_EPOLL = 4,
    TEST__REAL_TIME = 8,
};

struct test__case {
    const char *name, *why, *file;
    int line;
    void (*body)(void);
    int flags;
    int signal_number;  /* that it must die by; 0: none */
    const char *text;   /* that must be on standard error then */
    const char *reason; /* of what it is exempt from */
};

/* The section holds pointers, so that no padding between the entries can be met. */
#define TEST__DEFINE(name_, why_, flags_, signal_, text_, reason_)                                                  \
    static void test__body_##name_(void);                                                                           \
    static const struct test__case test__case_##name_ = {#name_,   why_,    __FILE__, __LINE__, test__body_##name_, \
                                                         (flags_), signal_, text_,    reason_};                     \
    __attribute__((used, section("asyncio_tests"))) static const struct test__case *const test__entry_##name_ =     \
        &test__case_##name_;                                                                                        \
    static void test__body_##name_(void)

void test__expect(const char *file, int line, const char *text, bool holds);
void test__expect_int(const char *file, int line, const char *text, long long actual, long long expected);
void test__expect_str(const char *file, int line, const char *text, const char *actual, const char *expected);
void test__expect_double(const char *file, int line, const char *text, double actual, double expected);
void test__expect_ptr(const char *file, int line, const char *text, const void *actual, const void *expected);
void test__expect_trace(const char *file, int line, const char *expected);
void test__expect_log(const char *file, int line, const char *text);
void test__fail(const char *file, int line, const char *format, ...) __attribute__((format(printf, 3, 4)));
void test__skip(const char *reason) __attribute__((noreturn));

#ifdef __cplusplus
}
#endif
