/* test_cxx.cpp -- C++ on top of the library: exceptions are one task's own while others run, and the functions behind
 * the keyword macros. */
#include "test.h"

#include <cerrno>
#include <cstring>
#include <exception>
#include <stdexcept>
#include <string>

#define SEES_FAULTS "it throws what it meets"

/* A task made as C++ has to: without the macros. */
static asyncio_future *spawn(asyncio_coro *fn, void *arg, const char *name)
{
    asyncio_task_kw keywords = {};

    keywords.size = sizeof keywords;
    keywords.name = name;
    return asyncio_create_task_kw(fn, arg, &keywords);
}

static const char *me()
{
    return asyncio_task_get_name(asyncio_current_task());
}

static void nap(double seconds)
{
    int r = asyncio_sleep(seconds);

    if (r < 0)
        throw std::runtime_error(asyncio_errorname(r));
}

/* Runs n tasks of one function with the numbers 1 to n, and waits for all. */
static int crowd(asyncio_coro *fn, int n)
{
    static int numbers[16];
    asyncio_future *tasks[16] = {};
    int r;

    for (int i = 0; i < n; i++) {
        char name[2] = {char('a' + i), 0};

        numbers[i] = i + 1;
        tasks[i] = spawn(fn, &numbers[i], name);
    }
    r = asyncio_gather_kw(tasks, size_t(n), nullptr, nullptr);
    for (int i = 0; i < n; i++)
        asyncio_future_unref(tasks[i]);
    return r;
}

/* ------------------------------------------------------------------------------------------------------- Exceptions */

static int throw_between_naps(void *arg)
{
    int number = *static_cast<int *>(arg), caught = 0;

    for (int i = 0; i < 20; i++) {
        try {
            nap(i % number ? 0 : 0.001 * number);
            throw i * number;
        } catch (int value) {
            caught += value == i * number;
        }
    }
    return caught == 20 ? 0 : -EBADMSG;
}

static int many_throw(void *)
{
    return crowd(throw_between_naps, 10);
}

TEST_NO_SWEEP(cxx_throw_and_catch, "T-05: ten tasks throw and catch exceptions of their own between their waits",
              SEES_FAULTS)
{
    EXPECT_INT(run(many_throw, nullptr), 0);
}

/* Sleeps inside of its catch blocks, so that several tasks are in one at the same time and leave them in another
 * order. */
static int sleep_in_catch(void *arg)
{
    int number = *static_cast<int *>(arg);

    try {
        throw std::runtime_error(std::string("of ") + me());
    } catch (const std::runtime_error &outer) {
        nap(1.0 * (5 - number));
        try {
            throw std::logic_error(std::string("inner of ") + me());
        } catch (const std::logic_error &inner) {
            nap(0.3 * number);
            trace("%s: %s", me(), inner.what());
        }
        nap(0.1);
        trace("%s: %s, %d", me(), outer.what(), std::current_exception() != nullptr);
    }
    EXPECT(std::current_exception() == nullptr);
    return 0;
}

static int many_sleep_in_catch(void *)
{
    return crowd(sleep_in_catch, 4);
}

TEST_NO_SWEEP(
    cxx_nested_catch_blocks,
    "T-05: four tasks sleep inside of nested catch blocks and leave them in another order than they entered them",
    SEES_FAULTS)
{
    EXPECT_INT(run(many_sleep_in_catch, nullptr), 0);
    EXPECT_TRACE("[2.200] d: inner of d\n[2.300] d: of d, 1\n"
                 "[2.900] c: inner of c\n[3.000] c: of c, 1\n"
                 "[3.600] b: inner of b\n[3.700] b: of b, 1\n"
                 "[4.300] a: inner of a\n[4.400] a: of a, 1\n");
}

static int rethrow_later(void *arg)
{
    int number = *static_cast<int *>(arg);

    try {
        try {
            throw std::out_of_range(me());
        } catch (const std::exception &) {
            nap(0.1 * (4 - number));
            throw;
        }
    } catch (const std::out_of_range &again) {
        nap(0.01 * number);
        trace("%s: %s", me(), again.what());
        return 0;
    }
    return -EBADMSG;
}

static int many_rethrow(void *)
{
    return crowd(rethrow_later, 3);
}

TEST_NO_SWEEP(cxx_rethrow,
              "T-05: an exception is thrown again after a wait in its catch block, and is still the task's own",
              SEES_FAULTS)
{
    EXPECT_INT(run(many_rethrow, nullptr), 0);
    EXPECT_TRACE("[0.130] c: c\n[0.220] b: b\n[0.310] a: a\n");
}

static int keep_pointer(void *arg)
{
    std::exception_ptr kept;

    try {
        throw *static_cast<int *>(arg);
    } catch (...) {
        kept = std::current_exception();
        nap(0.5);
        EXPECT(std::current_exception() == kept);
    }
    nap(0.5);
    try {
        std::rethrow_exception(kept);
    } catch (int number) {
        return number == *static_cast<int *>(arg) ? 0 : -EBADMSG;
    }
    return -EBADMSG;
}

static int many_keep_pointers(void *)
{
    return crowd(keep_pointer, 5);
}

TEST_NO_SWEEP(cxx_exception_pointers,
              "T-05: the current exception is the task's own before and after a wait, and can be kept beyond the block",
              SEES_FAULTS)
{
    EXPECT_INT(run(many_keep_pointers, nullptr), 0);
}

/* Waits while its frame is being unwound. */
struct slow_to_leave {
    ~slow_to_leave()
    {
        EXPECT_INT(std::uncaught_exceptions(), 1);
        ASYNCIO_IGNORE(asyncio_sleep(1));
        EXPECT_INT(std::uncaught_exceptions(), 1);
        trace("%s leaves", me());
    }
};

static int unwind_slowly(void *)
{
    try {
        slow_to_leave guard;

        throw 1;
    } catch (int) {
        trace("%s catches", me());
    }
    EXPECT_INT(std::uncaught_exceptions(), 0);
    return 0;
}

static int look_on(void *)
{
    for (int i = 0; i < 3; i++) {
        EXPECT_INT(std::uncaught_exceptions(), 0);
        EXPECT(std::current_exception() == nullptr);
        nap(0.5);
    }
    return 0;
}

static int unwind_beside_others(void *)
{
    asyncio_future *tasks[] = {spawn(look_on, nullptr, "onlooker"), spawn(unwind_slowly, nullptr, "first"),
                               spawn(unwind_slowly, nullptr, "second")};
    int r = asyncio_gather_kw(tasks, 3, nullptr, nullptr);

    for (asyncio_future *task : tasks)
        asyncio_future_unref(task);
    return r;
}

TEST_NO_SWEEP(cxx_wait_in_destructor,
              "T-05: a destructor that waits while the stack is unwound: others have no exception under way",
              SEES_FAULTS)
{
    EXPECT_INT(run(unwind_beside_others, nullptr), 0);
    EXPECT_TRACE("[1.000] first leaves\n[1.000] first catches\n[1.000] second leaves\n[1.000] second catches\n");
}

static void throwing_callback(void *arg)
{
    EXPECT(std::current_exception() == nullptr);
    try {
        throw std::string("in a callback");
    } catch (const std::string &text) {
        trace("%s", text.c_str());
    }
    ++*static_cast<int *>(arg);
}

static int callback_during_catch(void *)
{
    int n_called = 0;

    try {
        throw 42;
    } catch (int value) {
        EXPECT_INT(asyncio_loop_call_later_kw(asyncio_get_running_loop(), 1, throwing_callback, &n_called, nullptr), 0);
        nap(2);
        EXPECT_INT(value, 42);
    }
    return n_called == 1 ? 0 : -EBADMSG;
}

TEST_NO_SWEEP(cxx_callbacks, "T-05: a plain callback throws and catches while a task waits in a catch block",
              SEES_FAULTS)
{
    EXPECT_INT(run(callback_during_catch, nullptr), 0);
    EXPECT_TRACE("[1.000] in a callback\n");
}

static int deep(int depth)
{
    std::string filler(size_t(depth), 'x');

    nap(0);
    if (depth == 0)
        throw std::runtime_error("from the depth");
    return deep(depth - 1) + int(filler.size());
}

static int throw_from_depth(void *)
{
    try {
        return deep(50);
    } catch (const std::runtime_error &error) {
        return std::strcmp(error.what(), "from the depth") == 0 ? 0 : -EBADMSG;
    }
}

static int many_throw_from_depth(void *)
{
    return crowd(throw_from_depth, 8);
}

TEST_NO_SWEEP(cxx_unwinds_many_frames, "T-05: unwinding passes fifty frames with destructors, each of which has waited",
              SEES_FAULTS)
{
    EXPECT_INT(run(many_throw_from_depth, nullptr), 0);
}

static int let_it_out(void *)
{
    nap(0.1);
    throw std::runtime_error("nobody catches this");
}

TEST_DIES(cxx_uncaught, SIGABRT, "nobody catches this")
{
    ASYNCIO_IGNORE(run(let_it_out, nullptr));
}

/* --------------------------------------------------------------------------------------------------------- Keywords */

static int count(void *arg)
{
    ++*static_cast<int *>(arg);
    return asyncio_sleep(0);
}

static void count_free(void *arg)
{
    *static_cast<int *>(arg) += 100;
}

static int all_keywords(void *arg)
{
    asyncio_loop *loop = asyncio_get_running_loop();
    asyncio_handle *handle = nullptr;
    asyncio_task_kw task_keywords = {};
    asyncio_callback_kw callback_keywords = {};
    struct asyncio_gather_kw gather_keywords = {};
    asyncio_future *task;
    int results[1] = {-1}, n = 0;

    task_keywords.size = sizeof task_keywords;
    task_keywords.free_arg = count_free;
    task = asyncio_create_task_kw(count, &n, &task_keywords);
    gather_keywords.size = sizeof gather_keywords;
    gather_keywords.return_exceptions = true;
    EXPECT_INT(asyncio_gather_kw(&task, 1, results, &gather_keywords), 0);
    EXPECT_INT(results[0], 0);
    EXPECT_INT(n, 101);
    asyncio_future_unref(task);
    callback_keywords.size = sizeof callback_keywords;
    callback_keywords.ret_handle = &handle;
    EXPECT_INT(asyncio_loop_call_later_kw(loop, 1, count_free, &n, &callback_keywords), 0);
    asyncio_handle_cancel(handle);
    asyncio_handle_unref(handle);
    EXPECT_INT(asyncio_loop_call_soon_kw(loop, count_free, &n, nullptr), 0);
    EXPECT_INT(asyncio_sleep(2), 0);
    EXPECT_INT(n, 201);
    (void)arg;
    return 0;
}

TEST_NO_SWEEP(cxx_keywords, "T-01: the functions behind the macros take zeroed keywords from C++, or none", SEES_FAULTS)
{
    EXPECT_INT(run(all_keywords, nullptr), 0);
}

static int never_served(asyncio_streamreader *, asyncio_streamwriter *, void *)
{
    return 0;
}

static int keywords_of_tls(void *)
{
    asyncio_connection_kw connection = {};
    asyncio_start_tls_kw start = {};
    asyncio_server_kw serving = {};
    asyncio_streamreader *reader = nullptr;
    asyncio_streamwriter *writer = nullptr;
    asyncio_server *server = nullptr;

    connection.size = sizeof connection;
    connection.server_hostname = "localhost";
    EXPECT_INT(asyncio_open_connection_kw("127.0.0.1", 1, &reader, &writer, &connection), -EINVAL);
    connection.ssl = ASYNCIO_SSL_DEFAULT;
    connection.server_hostname = nullptr;
    EXPECT_INT(asyncio_open_unix_connection_kw("@nobody", &reader, &writer, &connection), -EINVAL);
    serving.size = sizeof serving;
    serving.ssl_handshake_timeout = 1;
    EXPECT_INT(asyncio_start_server_kw(never_served, nullptr, "127.0.0.1", 0, &server, &serving), -EINVAL);
    start.size = sizeof start;
    start.server_side = true;
    EXPECT_INT(asyncio_streamwriter_start_tls_kw(writer, ASYNCIO_SSL_DEFAULT, &start), -EINVAL);
    return 0;
}

TEST_NO_SWEEP(cxx_keywords_of_tls, "N-01: the keywords of TLS from C++", SEES_FAULTS)
{
    EXPECT_INT(run(keywords_of_tls, nullptr), 0);
}

TEST_NO_SWEEP(cxx_run, "R-01: asyncio_run and a runner from C++", SEES_FAULTS)
{
    struct asyncio_run_kw keywords = {};
    asyncio_runner runner = {};
    int n = 0;

    keywords.size = sizeof keywords;
    keywords.loop_factory = new_loop;
    EXPECT_INT(asyncio_run_kw(count, &n, &keywords), 0);
    EXPECT_INT(asyncio_runner_init_kw(&runner, &keywords), 0);
    EXPECT_INT(asyncio_runner_run_kw(&runner, count, &n, nullptr), 0);
    EXPECT_INT(asyncio_runner_run_kw(&runner, count, &n, nullptr), 0);
    EXPECT_INT(asyncio_runner_close(&runner), 0);
    EXPECT_INT(n, 3);
}
