/* asyncio.h -- asynchronous I/O, event loop and concurrency tools for C, with the names and the rules of Python's
 * asyncio.
 *
 * The chapters follow Python's manual: basics, errors, runners, tasks, waiting for several, timeouts, task groups,
 * futures, context variables, synchronisation, queues, threads, event loop, looking inside.
 *
 * How to read a contract:
 *   - ASYNCIO_ASYNC marks a function that may suspend the calling task, so that others run meanwhile; it must be
 *     called from a task and its result must be used. ASYNCIO_API marks a function that never suspends.
 *   - A function that can fail returns 0 or more, or a negative error: an errno value or one of ASYNCIO_E... below.
 *     errno itself is never used. Outputs are named ret_... and are untouched on failure.
 *   - Every function that may suspend returns -ECANCELED when the task was cancelled. "Cancelled:" says what is true
 *     then. From outside a task such a function returns -ASYNCIO_ENOTASK. With a NULL object a function that can fail
 *     returns -EINVAL; others do nothing, and give NULL, 0 or false. Contracts do not repeat this.
 *   - Times are seconds as double. Zero or less is "now", ASYNCIO_FOREVER is "never", NaN is -EINVAL.
 *   - A macro with keywords, asyncio_create_task(work, &w, .name = "w1"), stands over a function whose name ends in
 *     _kw. What is zero or absent means Python's default. From C++ and other languages the _kw function is called,
 *     with its structure zeroed but for .size; NULL means no keywords.
 *   - Unless said otherwise, a function belongs to the thread that runs its loop, or will run it. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ========================================================================================================== Basics */

#define ASYNCIO_VERSION_MAJOR 0
#define ASYNCIO_VERSION_MINOR 1
#define ASYNCIO_VERSION_PATCH 0

#define ASYNCIO_API   __attribute__((visibility("default")))
#ifndef ASYNCIO__SUSPENDS
#define ASYNCIO__SUSPENDS
#endif
#define ASYNCIO_ASYNC __attribute__((visibility("default"), warn_unused_result)) ASYNCIO__SUSPENDS

/* Says in so many words that a result is not wanted: ASYNCIO_IGNORE(asyncio_sleep(0)). */
#define ASYNCIO_IGNORE(call)               \
    do {                                   \
        if (call) { /* not wanted here */  \
        }                                  \
    } while (0)

/* A time that never comes. */
#define ASYNCIO_FOREVER __builtin_inf()

/* Where in the user's source a thing was made, for messages. */
#define ASYNCIO_HERE              __FILE__ ":" ASYNCIO__TEXT(__LINE__)
#define ASYNCIO__TEXT(x)          ASYNCIO__TEXT_EXPANDED(x)
#define ASYNCIO__TEXT_EXPANDED(x) #x

struct asyncio_loop;
struct asyncio_future;
struct asyncio_context;
struct asyncio_handle;
struct asyncio_executor;
struct asyncio_thread_future;

/* The body of a task, Python's "async def": runs on a stack of its own and may suspend at any depth of calls.
 * Returns: 0 or more as its value, or a negative error; -ECANCELED ends the task as cancelled. */
typedef int asyncio_coro(void *arg);

/* A plain function that the loop calls; it must not suspend. */
typedef void asyncio_callback(void *arg);

/* Links of the lists that the library keeps; public only because callers' structures embed them. */
struct asyncio_link {
    struct asyncio_link *next, *prev;
};

/* A callback in the memory of whoever schedules it: no allocation, one place on one list. asyncio_lowlevel.h has its
 * functions. */
struct asyncio_node {
    struct asyncio_link link;
    void (*run)(struct asyncio_node *node); /* called by the loop when its turn has come; the node is on no list then */
    void *context;                          /* what the loop's enter and leave hooks are given; may be NULL */
};

/* A node with a deadline. */
struct asyncio_timer {
    struct asyncio_node node;
    int64_t deadline_ns;
    uint64_t sequence; /* equal deadlines run in the order in which they were armed */
    size_t index;      /* place in the heap, or which list it is on */
};

/* A piece of memory that is only read. */
struct asyncio_bytes {
    const void *data;
    size_t size;
};

/* Frees memory that the library handed out for that; NULL is allowed. Any thread. */
ASYNCIO_API void asyncio_free(void *memory);

/* Version of the library that is linked, for example "0.1.0"; static. */
ASYNCIO_API const char *asyncio_version(void);

/* The functions that every allocation of the library goes through; realloc and free take NULL as libc's do. */
struct asyncio_allocator {
    void *(*malloc)(size_t size);
    void *(*realloc)(void *memory, size_t size);
    void (*free)(void *memory);
};

/* Replaces the allocator, which is copied; NULL restores libc's. To be called before anything else of the library, as
 * nothing allocated by one may be freed by another.
 * Returns: 0; -EINVAL when a function is missing; -EBUSY when memory is still allocated. */
ASYNCIO_API int asyncio_set_allocator(const struct asyncio_allocator *allocator);

enum asyncio_log_level { ASYNCIO_LOG_DEBUG, ASYNCIO_LOG_WARNING, ASYNCIO_LOG_ERROR };

typedef void asyncio_log(int level, const char *message, void *arg);

/* Where messages for people go (unretrieved errors, slow callbacks, dead locks); NULL restores the default, standard
 * error. The message has no line end and is valid during the call only. The function may be called from any thread,
 * so it is to be set before there are others. */
ASYNCIO_API void asyncio_set_log(asyncio_log *log, void *arg);

/* ============================================================================================================= Errors
 *
 * CancelledError is -ECANCELED and TimeoutError is -ETIMEDOUT. What errno has no word for is here.
 * X(number, name, text, Python's exception) */

#define ASYNCIO_ERRORS(X)                                                                                          \
    X(20001, ASYNCIO_EINVALIDSTATE, "the future or object is not in a state that allows this", "InvalidStateError") \
    X(20002, ASYNCIO_ENOTASK, "this call waits, so it must be made from inside a task", "RuntimeError")             \
    X(20003, ASYNCIO_ENOLOOP, "no running event loop", "RuntimeError")                                              \
    X(20004, ASYNCIO_ERUNNING, "an event loop is already running", "RuntimeError")                                  \
    X(20005, ASYNCIO_ECLOSED, "it is closed: a loop, runner, executor, socket, stream or server", "RuntimeError")      \
    X(20006, ASYNCIO_ESTOPPED, "the event loop stopped before the future completed", "RuntimeError")                \
    X(20007, ASYNCIO_EQUEUEEMPTY, "the queue is empty", "QueueEmpty")                                               \
    X(20008, ASYNCIO_EQUEUEFULL, "the queue is full", "QueueFull")                                                  \
    X(20009, ASYNCIO_EQUEUESHUTDOWN, "the queue has been shut down", "QueueShutDown")                               \
    X(20010, ASYNCIO_EBROKENBARRIER, "the barrier is broken", "BrokenBarrierError")                                 \
    X(20011, ASYNCIO_EFOREIGNLOOP, "the object is attached to a different loop", "RuntimeError")                    \
    X(20012, ASYNCIO_EINCOMPLETEREAD, "the stream ended before all of the data was read", "IncompleteReadError")    \
    X(20013, ASYNCIO_ELIMITOVERRUN, "the separator was not found within the limit", "LimitOverrunError")            \
    X(20014, ASYNCIO_ESENDFILE, "sendfile is not available for this pair of files", "SendfileNotAvailableError")    \
    X(20021, ASYNCIO_EAI_NONAME, "there is no such name", "gaierror")                                               \
    X(20022, ASYNCIO_EAI_NODATA, "the name has no address of the wanted family", "gaierror")                        \
    X(20023, ASYNCIO_EAI_FAIL, "the name servers failed", "gaierror")                                               \
    X(20024, ASYNCIO_EAI_TIMEOUT, "no name server answered in time", "gaierror")                                    \
    X(20025, ASYNCIO_EAI_SERVICE, "there is no such service", "gaierror")                                           \
    X(20031, ASYNCIO_ESSL, "TLS failed", "SSLError")                                                                \
    X(20032, ASYNCIO_ESSLEOF, "the peer hung up without announcing the end of the data", "SSLEOFError")             \
    X(20033, ASYNCIO_ECERT, "the peer's certificate was not accepted", "SSLCertVerificationError")                  \
    X(20034, ASYNCIO_ECERT_EXPIRED, "the peer's certificate has expired", "SSLCertVerificationError")               \
    X(20035, ASYNCIO_ECERT_NOT_YET_VALID, "the peer's certificate is not valid yet", "SSLCertVerificationError")    \
    X(20036, ASYNCIO_ECERT_HOSTNAME, "the peer's certificate is for another host", "SSLCertVerificationError")      \
    X(20037, ASYNCIO_ECERT_SELF_SIGNED, "the peer's certificate is self-signed", "SSLCertVerificationError")        \
    X(20038, ASYNCIO_ECERT_UNKNOWN_CA, "the peer's certificate is of an authority that is not trusted",             \
      "SSLCertVerificationError")                                                                                   \
    X(20039, ASYNCIO_ECERT_REVOKED, "the peer's certificate has been revoked", "SSLCertVerificationError")          \
    X(20040, ASYNCIO_ECERT_WEAK, "the peer's certificate has too weak a key or signature", "SSLCertVerificationError")

enum asyncio_error {
#define ASYNCIO__ERROR_CODE(number, name, text, exception) name = number,
    ASYNCIO_ERRORS(ASYNCIO__ERROR_CODE)
#undef ASYNCIO__ERROR_CODE
};

/* A sentence for an error; takes the number with either sign. Never NULL; valid for ever, except that of an unknown
 * number, which is valid until the thread's next call. */
ASYNCIO_API const char *asyncio_strerror(int error);

/* The name of an error, "ECANCELED" or "ASYNCIO_EQUEUEFULL"; takes either sign; "?" when unknown. */
ASYNCIO_API const char *asyncio_errorname(int error);

/* The exception that Python raises for an error, "TimeoutError"; "OSError" for the ordinary errno values. Takes
 * either sign. */
ASYNCIO_API const char *asyncio_errorexception(int error);

/* What the current task's last failed call had to add: the reason that a cancel was given, the addresses that could not
 * be reached, how much of a file was sent. "" when there is nothing, and outside a task; never NULL. Valid until the
 * task's next call into the library. */
ASYNCIO_API const char *asyncio_error_detail(void);

/* ========================================================================================================= Runners */

/* Keywords of asyncio_new_event_loop. */
struct asyncio_loop_kw {
    size_t size;         /* of this structure */
    const char *backend; /* "epoll", "sim:SEED"; absent: $ASYNCIO_BACKEND, else the best that the machine has */
    bool debug;          /* debug mode from the start; also on when $ASYNCIO_DEBUG is "1" */
    double start_time;   /* the simulator's first reading of its clock, in seconds */
    const void *reserved[4];
};

/* Makes an event loop. Keywords: see struct asyncio_loop_kw. Any thread may create one; it belongs to the thread that
 * runs it.
 * Returns: 0 and one reference; -EINVAL for an unknown back end, a bad option of it or a NaN; -ENOMEM; what the
 * kernel said. */
ASYNCIO_API int asyncio_new_event_loop_kw(struct asyncio_loop **ret_loop, const struct asyncio_loop_kw *kw);

/* Keywords of asyncio_run and asyncio_runner_init. */
struct asyncio_run_kw {
    size_t size;
    const char *backend;                                /* as in struct asyncio_loop_kw */
    bool debug;                                         /* absent: the loop's own setting stays */
    int (*loop_factory)(struct asyncio_loop **ret_loop); /* makes the loop in place of asyncio_new_event_loop */
    /* Seconds that tasks which ignore their cancel may delay the end; absent: 60, negative: none, ASYNCIO_FOREVER: no
     * limit. */
    double teardown_timeout;
    double executor_timeout; /* real seconds to wait for the default executor's jobs; absent: 300, negative: none */
    /* asyncio_runner_run: the context to run in; absent: the runner's own, shared by all its runs. */
    struct asyncio_context *context;
    bool keep_sigint; /* do not turn Ctrl-C into a cancel of the main task */
    const char *source;
    const void *reserved[4];
};

/* Runs a task to its end on a loop of its own, then cancels the tasks that are left, waits for them, stops the
 * executor and closes the loop. The first Ctrl-C cancels the main task, when it comes to the main thread and SIGINT
 * has its default action; the second one, and one that comes when main has ended, has that default action. Keywords:
 * see struct asyncio_run_kw.
 * Returns: what `main` returned; -EINTR when Ctrl-C ended it; -ASYNCIO_ERUNNING inside a running loop; -EDEADLK when
 * every task waits and nothing can wake them (a report of all tasks is logged); errors of asyncio_new_event_loop;
 * -EBUSY when main succeeded but the loop could not be closed, see asyncio_runner_close. */
ASYNCIO_API int asyncio_run_kw(asyncio_coro *main, void *arg, const struct asyncio_run_kw *kw);

/* One loop for many runs. Caller's memory; zeroed it is a runner with default keywords. Fields are the library's. */
struct asyncio_runner {
    int state;
    struct asyncio_loop *loop;
    struct asyncio_context *context;
    struct asyncio_run_kw kw;
    bool set_event_loop;
    const void *reserved[4];
};

/* Prepares a runner; the loop is made at first use. The keywords are copied, but for the text of .backend, which must
 * outlive the runner. Returns: 0; -EINVAL. */
ASYNCIO_API int asyncio_runner_init_kw(struct asyncio_runner *runner, const struct asyncio_run_kw *kw);

/* Runs a task to its end, as asyncio_run does, but leaves loop and other tasks for the next run. Of the keywords only
 * .context counts. Returns: as asyncio_run; -ASYNCIO_ECLOSED after close. */
ASYNCIO_API int asyncio_runner_run_kw(struct asyncio_runner *runner, asyncio_coro *main, void *arg,
                                      const struct asyncio_run_kw *kw);

/* The runner's loop, made if need be; borrowed. Returns: 0; -ASYNCIO_ECLOSED; errors of asyncio_new_event_loop. */
ASYNCIO_API int asyncio_runner_get_loop(struct asyncio_runner *runner, struct asyncio_loop **ret_loop);

/* Cancels and awaits the tasks that are left, stops the executor, closes the loop. Harmless when repeated or never
 * used. Errors of the tasks go to the loop's exception handler.
 * Returns: 0; -ASYNCIO_ERUNNING inside a running loop; -EBUSY when tasks ignored their cancel beyond the teardown's
 * deadline: they are named in the log, and loop and stacks are left alone, because a suspended task is never
 * freed. */
ASYNCIO_API int asyncio_runner_close(struct asyncio_runner *runner);

#ifndef __cplusplus
#define asyncio_new_event_loop(...) \
    ASYNCIO__NEW_EVENT_LOOP(__VA_ARGS__, .size = sizeof(struct asyncio_loop_kw))
#define ASYNCIO__NEW_EVENT_LOOP(ret_loop, ...) \
    asyncio_new_event_loop_kw((ret_loop), &(const struct asyncio_loop_kw){__VA_ARGS__})
#define asyncio_run(...) ASYNCIO__RUN(__VA_ARGS__, .source = ASYNCIO_HERE, .size = sizeof(struct asyncio_run_kw))
#define ASYNCIO__RUN(main, arg, ...) asyncio_run_kw((main), (arg), &(const struct asyncio_run_kw){__VA_ARGS__})
#define asyncio_runner_init(...) ASYNCIO__RUNNER_INIT(__VA_ARGS__, .size = sizeof(struct asyncio_run_kw))
#define ASYNCIO__RUNNER_INIT(runner, ...) \
    asyncio_runner_init_kw((runner), &(const struct asyncio_run_kw){__VA_ARGS__})
#define asyncio_runner_run(...) \
    ASYNCIO__RUNNER_RUN(__VA_ARGS__, .source = ASYNCIO_HERE, .size = sizeof(struct asyncio_run_kw))
#define ASYNCIO__RUNNER_RUN(runner, main, arg, ...) \
    asyncio_runner_run_kw((runner), (main), (arg), &(const struct asyncio_run_kw){__VA_ARGS__})
#endif

/* ============================================================================================================== Tasks
 *
 * A task is a future: whatever takes a struct asyncio_future * takes a task. The loop holds a task until it is done;
 * dropping your reference detaches it and never cancels it. */

/* Keywords of asyncio_create_task and its kin. */
struct asyncio_task_kw {
    size_t size;
    const char *name;                /* copied; absent: "Task-N" */
    struct asyncio_context *context; /* runs in this context itself; absent: in a copy of the caller's */
    asyncio_callback *free_arg;      /* called with arg once, when the task is done, also when it never started */
    size_t stack_size;               /* bytes, 64 KiB of them guard; absent: 256 KiB, which is also the least */
    bool eager_start;                /* runs at once, up to its first suspension, before the call returns */
    bool start_then_cancel; /* if cancelled before its first step, starts and meets -ECANCELED in its first wait */
    const char *source;     /* ASYNCIO_HERE of its creation */
    const void *reserved[2];
};

/* Starts a task on the running loop; nothing of it runs before the caller suspends, unless .eager_start. Keywords:
 * see struct asyncio_task_kw. `arg` must live until the task is done; .free_arg may free it.
 * Returns: one reference, never NULL: when it cannot be made, a failed future that carries -ASYNCIO_ENOLOOP, -EINVAL,
 * -ENOMEM or -ASYNCIO_ECLOSED, so that the error arrives where the task is awaited; .free_arg has been called then.
 * -EBUSY: it was to start eagerly in a context that somebody is in. A task for which no stack can be had at its first
 * step ends with -ENOMEM. */
ASYNCIO_API struct asyncio_future *asyncio_create_task_kw(asyncio_coro *fn, void *arg,
                                                          const struct asyncio_task_kw *kw);

/* The same on a given loop, which need not be running yet; it must be the caller's thread's. Errors also: -EXDEV for
 * an eager start from another thread than the running loop's, and in debug mode for any start. */
ASYNCIO_API struct asyncio_future *asyncio_loop_create_task_kw(struct asyncio_loop *loop, asyncio_coro *fn, void *arg,
                                                               const struct asyncio_task_kw *kw);

/* Suspends the calling task for that many seconds; never less. With zero or less it goes to the tail of the ready
 * queue once. ASYNCIO_FOREVER: until it is cancelled.
 * Returns: 0; -EINVAL for NaN; -ENOMEM. Cancelled: at once. */
ASYNCIO_ASYNC int asyncio_sleep(double seconds);

/* Waits for a future and gives its outcome: the value, or the negative error that it ended with; for a cancelled one
 * -ECANCELED. A future that is done is answered at once, without suspending. A task that awaits itself gets -EDEADLK,
 * a future of another loop -ASYNCIO_EFOREIGNLOOP.
 * Cancelled: the future is cancelled too; when it ends all the same with an outcome, that is returned. A cancel that
 * comes when the future is done, and before the caller runs, is delivered: the outcome stays in the future. */
ASYNCIO_ASYNC int asyncio_await(struct asyncio_future *future);

/* Cancels a task or future and waits until it is done; its error counts as retrieved.
 * Returns: 0, whatever its outcome; -EDEADLK for the calling task itself; -ASYNCIO_EFOREIGNLOOP.
 * Cancelled: it goes on waiting, because the other task may use the caller's memory; the cancel meets the caller's
 * next wait. */
ASYNCIO_ASYNC int asyncio_cancel_and_wait(struct asyncio_future *future);

/* The task that is running, borrowed; NULL in plain callbacks and outside a loop. */
ASYNCIO_API struct asyncio_future *asyncio_current_task(void);

/* The same for a given loop; NULL when it does not run in the calling thread. */
ASYNCIO_API struct asyncio_future *asyncio_loop_current_task(struct asyncio_loop *loop);

/* The tasks of the running loop that are not done, oldest first. Fills up to n references into ret_tasks, which may
 * be NULL when n is 0. Returns: how many there are, which may exceed n; -ASYNCIO_ENOLOOP; -EINVAL. */
ASYNCIO_API ssize_t asyncio_all_tasks(struct asyncio_future **ret_tasks, size_t n);

/* The same for a given loop. Returns also: -EXDEV from another thread while the loop runs. */
ASYNCIO_API ssize_t asyncio_loop_all_tasks(struct asyncio_loop *loop, struct asyncio_future **ret_tasks, size_t n);

/* True when the future is a task. */
ASYNCIO_API bool asyncio_is_task(const struct asyncio_future *future);

/* How many cancels a task has had that were not taken back by asyncio_task_uncancel; 0 for a plain future. */
ASYNCIO_API int asyncio_task_cancelling(const struct asyncio_future *task);

/* Takes one cancel back; the last one also drops a -ECANCELED that is not delivered yet. Returns: how many are left;
 * 0 for a plain future. */
ASYNCIO_API int asyncio_task_uncancel(struct asyncio_future *task);

/* A task's name; valid until the name is changed or the task is freed. "" for a plain future. */
ASYNCIO_API const char *asyncio_task_get_name(const struct asyncio_future *task);

/* Names a task; the text is copied. Returns: 0; -EINVAL when it is no task; -ENOMEM. */
ASYNCIO_API int asyncio_task_set_name(struct asyncio_future *task, const char *name);

/* The function that a task runs; NULL for a plain future and for a task that is done. */
ASYNCIO_API asyncio_coro *asyncio_task_get_coro(const struct asyncio_future *task);

/* The context that a task runs in, one reference; NULL when out of memory or no task. */
ASYNCIO_API struct asyncio_context *asyncio_task_get_context(struct asyncio_future *task);

/* Return addresses of a suspended task, innermost first, up to n. Code without frame pointers ends the list early.
 * Returns: how many; 0 when it has not started, is running or is done; -EINVAL when it is no task. */
ASYNCIO_API ssize_t asyncio_task_get_stack(struct asyncio_future *task, void **ret_addresses, size_t n);

/* Prints what asyncio_task_get_stack finds, one frame a line, at most `limit` frames (0: all). Returns: 0;
 * -EINVAL. */
ASYNCIO_API int asyncio_task_print_stack(struct asyncio_future *task, size_t limit, FILE *file);

/* Bytes of its stack that a task has touched so far, in whole pages; 0 when it has none. */
ASYNCIO_API size_t asyncio_task_stack_used(const struct asyncio_future *task);

/* Makes tasks for asyncio_create_task in place of the library; takes and returns what asyncio_loop_create_task_kw
 * does. */
typedef struct asyncio_future *asyncio_task_factory(struct asyncio_loop *loop, asyncio_coro *fn, void *arg,
                                                    const struct asyncio_task_kw *kw);

/* A task factory that starts every task eagerly. Returns: as asyncio_loop_create_task. */
ASYNCIO_API struct asyncio_future *asyncio_eager_task_factory(struct asyncio_loop *loop, asyncio_coro *fn, void *arg,
                                                              const struct asyncio_task_kw *kw);

/* Sets the loop's task factory; NULL restores the library's own. Returns: 0; -EINVAL; -ENOMEM; -ASYNCIO_ECLOSED; in
 * debug mode -EXDEV from another thread than the running loop's. */
ASYNCIO_API int asyncio_loop_set_task_factory(struct asyncio_loop *loop, asyncio_task_factory *factory);

/* The factory that was set, or NULL. */
ASYNCIO_API asyncio_task_factory *asyncio_loop_get_task_factory(struct asyncio_loop *loop);

#ifndef __cplusplus
#define asyncio_create_task(...) \
    ASYNCIO__CREATE_TASK(__VA_ARGS__, .source = ASYNCIO_HERE, .size = sizeof(struct asyncio_task_kw))
#define ASYNCIO__CREATE_TASK(fn, arg, ...) \
    asyncio_create_task_kw((fn), (arg), &(const struct asyncio_task_kw){__VA_ARGS__})
#define asyncio_loop_create_task(...) \
    ASYNCIO__LOOP_CREATE_TASK(__VA_ARGS__, .source = ASYNCIO_HERE, .size = sizeof(struct asyncio_task_kw))
#define ASYNCIO__LOOP_CREATE_TASK(loop, fn, arg, ...) \
    asyncio_loop_create_task_kw((loop), (fn), (arg), &(const struct asyncio_task_kw){__VA_ARGS__})

/* A task for the rest of the block: at its end the task is cancelled if not done, waited for, and the reference
 * dropped, so that its argument may lie in this frame; NULL is allowed. For example:
 *     ASYNCIO_JOINED(task) = asyncio_create_task(work, &w); */
#define ASYNCIO_JOINED(variable) \
    __attribute__((cleanup(asyncio__joined_cleanup), unused)) struct asyncio_future *variable
#endif

/* Internal to ASYNCIO_JOINED. */
ASYNCIO_API void asyncio__joined_cleanup(struct asyncio_future **task);

/* ============================================================================================= Waiting for several */

/* Keywords of asyncio_gather. */
struct asyncio_gather_kw {
    size_t size;
    bool return_exceptions; /* errors become results like any other */
    const void *reserved[2];
};

/* Waits for n futures; ret_results, which may be NULL, gets their values in the order of the arguments, when the call
 * returns 0. A future given twice is waited for once and its result repeated. n may be 0. Keyword:
 * .return_exceptions.
 * Returns: 0; without .return_exceptions the first error as soon as it happens, -ECANCELED for a future that was
 * cancelled, while the others go on and their errors count as retrieved; -EINVAL; -ASYNCIO_EFOREIGNLOOP; -ENOMEM.
 * Cancelled: each distinct future that is not done is cancelled once. Without .return_exceptions the call returns
 * when the first of them has ended cancelled or failed, with that error; else when all have ended, with
 * -ECANCELED. */
ASYNCIO_ASYNC int asyncio_gather_kw(struct asyncio_future *const *futures, size_t n, int *ret_results,
                                    const struct asyncio_gather_kw *kw);

/* The same as a future, to be shielded, cancelled or awaited later; ret_results must live until it is done. The
 * futures are referenced. Returns: one reference, never NULL, as asyncio_create_task does. */
ASYNCIO_API struct asyncio_future *asyncio_gather_future_kw(struct asyncio_future *const *futures, size_t n,
                                                            int *ret_results, const struct asyncio_gather_kw *kw);

enum asyncio_return_when { ASYNCIO_ALL_COMPLETED, ASYNCIO_FIRST_COMPLETED, ASYNCIO_FIRST_EXCEPTION };

/* Waits until all, the first, or the first failed of n futures is done, or `timeout` seconds are over; never cancels
 * any of them. Use asyncio_future_done to tell who is done. A cancelled future is no failed one. Suspends at least
 * once.
 * Returns: how many distinct ones are done, which is not all when the time was over; -EINVAL when n is 0, a future is
 * NULL, timeout is NaN or return_when is unknown; -ASYNCIO_EFOREIGNLOOP; -ENOMEM.
 * Cancelled: the futures are untouched. */
ASYNCIO_ASYNC int asyncio_wait(struct asyncio_future *const *futures, size_t n, double timeout, int return_when);

/* Runs a coroutine in the calling task and context, for at most that many seconds; ASYNCIO_FOREVER: no limit. With
 * zero or less it is not even started, but others run once.
 * Returns: what it returned; -ETIMEDOUT when the time was over and it gave up with -ECANCELED; -EINVAL for NaN;
 * -ENOMEM.
 * Cancelled: the coroutine is. */
ASYNCIO_ASYNC int asyncio_wait_for(asyncio_coro *fn, void *arg, double timeout);

/* Waits for a future at most that many seconds; one that is done is answered at once.
 * Returns: its outcome; -ETIMEDOUT after it has been cancelled and waited for, unless it ended with another outcome
 * all the same; -EINVAL; -ASYNCIO_EFOREIGNLOOP; -EDEADLK for the calling task itself; -ENOMEM.
 * Cancelled: as asyncio_await. */
ASYNCIO_ASYNC int asyncio_wait_for_future(struct asyncio_future *future, double timeout);

/* An iteration over futures as they complete. Caller's memory. Fields are the library's. */
struct asyncio_as_completed {
    struct asyncio_loop *loop;
    struct asyncio_link done;
    struct asyncio_link waiters;
    struct asyncio__as_completed_entry *entries;
    size_t n, left, given;
    struct asyncio_timer timer;
    bool timed_out;
    const void *reserved[4];
};

/* Begins an iteration over n futures, duplicates once; they are referenced. `timeout` counts in seconds from now, for
 * the whole of it. Ended by asyncio_as_completed_fini, which is harmless after a failure.
 * Returns: 0; -EINVAL; -ASYNCIO_ENOLOOP when no loop runs and no future has one; -ASYNCIO_EFOREIGNLOOP; -ENOMEM. */
ASYNCIO_API int asyncio_as_completed(struct asyncio_as_completed *iteration, struct asyncio_future *const *futures,
                                     size_t n, double timeout);

/* Waits for the next future to complete; ret_future is borrowed and lives until _fini. Several tasks may take from
 * one iteration.
 * Returns: 1; 0 when all have been given; -ETIMEDOUT when the time is over.
 * Cancelled: nothing was taken, the iteration can go on. */
ASYNCIO_ASYNC int asyncio_as_completed_next(struct asyncio_as_completed *iteration, struct asyncio_future **ret_future);

/* The other form: waits for the next outcome itself. Returns: 1 and the outcome in ret_result, which is -ETIMEDOUT
 * for each one that was left when the time was over; 0 when each distinct future has given one. Cancelled: as
 * asyncio_as_completed_next. */
ASYNCIO_ASYNC int asyncio_as_completed_next_result(struct asyncio_as_completed *iteration, int *ret_result);

/* Ends an iteration, at any point; cancels none of the futures. Nobody may wait in it. */
ASYNCIO_API void asyncio_as_completed_fini(struct asyncio_as_completed *iteration);

/* Waits for a future so that a cancel of the caller does not reach it. Returns: its outcome, as asyncio_await.
 * Cancelled: it goes on; an error that it ends with afterwards, and that nobody retrieves, is told to the loop's
 * exception handler. */
ASYNCIO_ASYNC int asyncio_shield(struct asyncio_future *future);

/* The same as a future, which references the inner one and may be cancelled without it; when the inner one is done
 * already, that one itself. Returns: one reference, never NULL: a failed future with -EINVAL or -ENOMEM. */
ASYNCIO_API struct asyncio_future *asyncio_shield_future(struct asyncio_future *future);

#ifndef __cplusplus
#define asyncio_gather(...) ASYNCIO__GATHER(__VA_ARGS__, .size = sizeof(struct asyncio_gather_kw))
#define ASYNCIO__GATHER(futures, n, ret_results, ...) \
    asyncio_gather_kw((futures), (n), (ret_results), &(const struct asyncio_gather_kw){__VA_ARGS__})
#define asyncio_gather_future(...) ASYNCIO__GATHER_FUTURE(__VA_ARGS__, .size = sizeof(struct asyncio_gather_kw))
#define ASYNCIO__GATHER_FUTURE(futures, n, ret_results, ...) \
    asyncio_gather_future_kw((futures), (n), (ret_results), &(const struct asyncio_gather_kw){__VA_ARGS__})
#endif

/* One branch of asyncio_select. Made by the macros below. */
struct asyncio_case {
    int kind;
    int fd;
    unsigned events;
    double seconds;
    void *object;
    void *item;
    void **ret_item;
    int result; /* of the branch that happened: a future's outcome, an fd's events or error, a queue's error, else 0 */
};

enum asyncio_case_kind {
    ASYNCIO_CASE_FUTURE = 1,
    ASYNCIO_CASE_GET,
    ASYNCIO_CASE_PUT,
    ASYNCIO_CASE_EVENT,
    ASYNCIO_CASE_FD,
    ASYNCIO_CASE_TIME,
};

#ifndef __cplusplus
#define ASYNCIO_ON_FUTURE(future)    {.kind = ASYNCIO_CASE_FUTURE, .object = (future)}
#define ASYNCIO_ON_GET(queue, ret)   {.kind = ASYNCIO_CASE_GET, .object = (queue), .ret_item = (ret)}
#define ASYNCIO_ON_PUT(queue, value) {.kind = ASYNCIO_CASE_PUT, .object = (queue), .item = (value)}
#define ASYNCIO_ON_EVENT(event)      {.kind = ASYNCIO_CASE_EVENT, .object = (event)}
#define ASYNCIO_ON_FD(number, mask)  {.kind = ASYNCIO_CASE_FD, .fd = (number), .events = (mask)}
#define ASYNCIO_ON_TIME(after)       {.kind = ASYNCIO_CASE_TIME, .seconds = (after)}
#endif

/* Waits for the first of n branches, without a task for each: a future done, an item got or put, an event set, an fd
 * ready, a time in seconds over. Exactly one branch happens; the others have no effect at all. When several can
 * happen at once, the one that stands first does.
 * Returns: the index of the branch, whose .result is filled; -EINVAL; -ENOMEM; -ASYNCIO_EFOREIGNLOOP; -EDEADLK when
 * the calling task itself is among them. Cancelled: no branch has happened. */
ASYNCIO_ASYNC int asyncio_select(struct asyncio_case *cases, size_t n);

/* ======================================================================================================== Timeouts */

/* A scope that cancels its task at a deadline and turns that cancel into -ETIMEDOUT at its end. Caller's memory, in
 * place until the exit. Fields are the library's. Use:
 *     asyncio_timeout_enter(&t, 5);
 *     r = ...;
 *     return asyncio_timeout_exit(&t, r); */
struct asyncio_timeout {
    int state;
    int cancelling;      /* cancels that the task had on entry */
    bool pending;        /* one of them was not delivered yet */
    uint32_t deliveries; /* cancels that had been delivered on entry */
    uint32_t requests;   /* cancels that had been asked for when the deadline came */
    int64_t deadline_ns;
    struct asyncio_future *task;
    struct asyncio_timer timer;
    const void *reserved[2];
};

/* Enters a scope that ends in that many seconds; ASYNCIO_FOREVER: never. Returns: 0; -EINVAL for NaN;
 * -ASYNCIO_ENOTASK outside a task; -ENOMEM. A scope that could not be entered may be exited all the same. */
ASYNCIO_API int asyncio_timeout_enter(struct asyncio_timeout *timeout, double seconds);

/* Enters a scope that ends at a time of the loop's clock, in seconds. Returns: as asyncio_timeout_enter. */
ASYNCIO_API int asyncio_timeout_enter_at(struct asyncio_timeout *timeout, double when);

/* Moves the deadline of a scope that is entered; `when` is a time of the loop's clock, in seconds. Returns: 0;
 * -EINVAL; -ASYNCIO_EINVALIDSTATE when it is not entered, has expired or is finished; -ENOMEM, and the scope has no
 * deadline any more. */
ASYNCIO_API int asyncio_timeout_reschedule(struct asyncio_timeout *timeout, double when);

/* The deadline by the loop's clock, in seconds; ASYNCIO_FOREVER when there is none. */
ASYNCIO_API double asyncio_timeout_when(const struct asyncio_timeout *timeout);

/* True once the deadline has cancelled the task. */
ASYNCIO_API bool asyncio_timeout_expired(const struct asyncio_timeout *timeout);

/* Leaves a scope whose body ended with r, in the task that entered it. Returns: -ETIMEDOUT when the scope expired, r
 * is -ECANCELED and nobody else cancelled the task; else r. Never suspends. */
ASYNCIO_API int asyncio_timeout_exit(struct asyncio_timeout *timeout, int r);

/* ===================================================================================================== Task groups */

/* One error of a task group. */
struct asyncio_taskgroup_error {
    struct asyncio_future *task; /* NULL for the body */
    int error;
};

/* A scope that owns its tasks: its end waits for all; the first that fails cancels the others and the body. Caller's
 * memory, valid when zeroed. Fields are the library's, but for the first two. */
struct asyncio_taskgroup {
    const char *name; /* for dumps; may be NULL */
    bool keep_errors; /* asyncio_taskgroup_errors is wanted after the exit, and asyncio_taskgroup_fini will be called */
    int state;
    int cancelling; /* cancels that the parent had on entry */
    bool aborting, parent_cancel_requested, cancel_called;
    bool pending;      /* a cancel by others was on its way to the parent when the group asked for its own */
    uint32_t requests; /* cancels of the parent that had been asked for by then */
    struct asyncio_future *parent;
    struct asyncio_link children;
    size_t n_children;
    void *waiter;
    struct asyncio_taskgroup_error *errors;
    size_t n_errors, errors_capacity;
    int first_error;
    const void *reserved[3];
};

/* Enters a group, in the current task. Returns: 0; -ASYNCIO_ENOTASK; -ASYNCIO_EINVALIDSTATE when it was entered
 * before. */
ASYNCIO_API int asyncio_taskgroup_enter(struct asyncio_taskgroup *group);

/* Starts a task in the group; also from children while the exit waits. Keywords: struct asyncio_task_kw.
 * Returns: borrowed, valid until the task is done (take a reference to keep it longer); never NULL: a failed future
 * with -EINVAL without a function, with -ASYNCIO_EINVALIDSTATE when the group is not entered, is finished or is
 * shutting down; with another error of asyncio_create_task, which then makes the group fail as a child's would. */
ASYNCIO_API struct asyncio_future *asyncio_taskgroup_create_task_kw(struct asyncio_taskgroup *group, asyncio_coro *fn,
                                                                    void *arg, const struct asyncio_task_kw *kw);

/* Cancels the children and the body; the group then ends without an error of its own. Harmless when repeated or after
 * the exit; before the entry, it makes the group cancelled on entry. */
ASYNCIO_API void asyncio_taskgroup_cancel(struct asyncio_taskgroup *group);

/* Leaves a group whose body ended with r: waits for all children, however often the task is cancelled meanwhile; an r
 * that is negative cancels them first.
 * Returns: the first child error in the order of completion, else r, where a -ECANCELED that the group itself caused
 * is 0; -ECANCELED when the task was cancelled from outside and nothing failed. When both happened, the error is
 * returned and the next wait meets the cancel. Of a group that this task has not entered: r when negative, else
 * -ASYNCIO_EINVALIDSTATE.
 * Cancelled: the children are. */
ASYNCIO_ASYNC int asyncio_taskgroup_exit(struct asyncio_taskgroup *group, int r);

/* All errors, in the order of completion, the body's last, of a group that was entered with .keep_errors; borrowed,
 * until _fini. ret_n, which may be NULL, gets their number. An error that there was no memory for is left out. */
ASYNCIO_API const struct asyncio_taskgroup_error *asyncio_taskgroup_errors(const struct asyncio_taskgroup *group,
                                                                           size_t *ret_n);

/* Frees what .keep_errors left after the exit: the list of errors and the references to failed tasks. */
ASYNCIO_API void asyncio_taskgroup_fini(struct asyncio_taskgroup *group);

#ifndef __cplusplus
#define asyncio_taskgroup_create_task(...) \
    ASYNCIO__TASKGROUP_CREATE_TASK(__VA_ARGS__, .source = ASYNCIO_HERE, .size = sizeof(struct asyncio_task_kw))
#define ASYNCIO__TASKGROUP_CREATE_TASK(group, fn, arg, ...) \
    asyncio_taskgroup_create_task_kw((group), (fn), (arg), &(const struct asyncio_task_kw){__VA_ARGS__})
#endif

/* ============================================================================================================ Futures
 *
 * A result that is still to come: a value of 0 or more, or a negative error, and beside it one pointer. */

/* Makes a pending future. Returns: one reference, never NULL: a failed future with -ENOMEM, -EINVAL or
 * -ASYNCIO_ECLOSED when it cannot be made. */
ASYNCIO_API struct asyncio_future *asyncio_loop_create_future(struct asyncio_loop *loop);

/* Takes one more reference. Returns: its argument; NULL is allowed. */
ASYNCIO_API struct asyncio_future *asyncio_future_ref(struct asyncio_future *future);

/* Drops a reference. A task goes on running; when the last reference to a failed future goes and nobody has retrieved
 * its error, the loop's exception handler is told. Returns: NULL, always; NULL is allowed. */
ASYNCIO_API struct asyncio_future *asyncio_future_unref(struct asyncio_future *future);

/* True when it has a result, an error or was cancelled. */
ASYNCIO_API bool asyncio_future_done(const struct asyncio_future *future);

/* True when it was cancelled; a future that failed with -ECANCELED was not. */
ASYNCIO_API bool asyncio_future_cancelled(const struct asyncio_future *future);

/* The outcome: the value, the negative error, -ECANCELED when cancelled, -ASYNCIO_EINVALIDSTATE while pending. Counts
 * as retrieved. */
ASYNCIO_API int asyncio_future_result(struct asyncio_future *future);

/* The error alone: 0 when it succeeded; else as asyncio_future_result. */
ASYNCIO_API int asyncio_future_exception(struct asyncio_future *future);

/* The pointer of a result; NULL while pending or failed. Borrowed as whoever set it says. */
ASYNCIO_API void *asyncio_future_pointer(const struct asyncio_future *future);

/* Completes a future with a value of 0 or more, and a pointer that may be NULL and stays whose it was. Returns: 0;
 * -EINVAL for a negative value or a task; -ASYNCIO_EINVALIDSTATE when it is done. */
ASYNCIO_API int asyncio_future_set_result(struct asyncio_future *future, int value, void *pointer);

/* Completes a future with an error, given as a negative number. Returns: 0; -EINVAL for 0 or more or a task;
 * -ASYNCIO_EINVALIDSTATE when it is done. */
ASYNCIO_API int asyncio_future_set_exception(struct asyncio_future *future, int error);

/* Cancels a future; asks a task to end: its present or next wait returns -ECANCELED, once. A task that has not
 * started never runs, unless .start_then_cancel. Returns: 1; 0 when it is done already; -EINVAL. */
ASYNCIO_API int asyncio_future_cancel(struct asyncio_future *future);

/* The same with a reason, which asyncio_error_detail gives to whom the cancel meets; NULL: none. Copied, up to 63
 * bytes. */
ASYNCIO_API int asyncio_future_cancel_with(struct asyncio_future *future, const char *message);

typedef void asyncio_done_callback(struct asyncio_future *future, void *arg);

/* Keywords of functions that schedule a callback. */
struct asyncio_callback_kw {
    size_t size;
    struct asyncio_context *context;    /* runs in this context; absent: in a copy of the present one */
    struct asyncio_handle **ret_handle; /* gets one reference, to cancel it by */
    const char *source;
    const void *reserved[2];
};

/* Calls callback(future, arg) from the loop once the future is done, in the order of registration; never from within
 * this call. The same callback may be added twice. The future is referenced during the callback. Keyword: .context.
 * Returns: 0; -EINVAL; -ENOMEM; the error of a failed future that stands for a failed creation, whose callback is
 * never called. */
ASYNCIO_API int asyncio_future_add_done_callback_kw(struct asyncio_future *future, asyncio_done_callback *callback,
                                                    void *arg, const struct asyncio_callback_kw *kw);

/* Takes away every registration of this callback with this arg; once the future is done there are none. Returns: how
 * many; -EINVAL. */
ASYNCIO_API int asyncio_future_remove_done_callback(struct asyncio_future *future, asyncio_done_callback *callback,
                                                    void *arg);

/* The loop that a future belongs to, borrowed; NULL for the failed futures that stand for a failed creation. */
ASYNCIO_API struct asyncio_loop *asyncio_future_get_loop(const struct asyncio_future *future);

/* Describes a future or task in the manner of Python's repr, cut to `size` bytes. Returns: the length that it would
 * have. */
ASYNCIO_API int asyncio_future_repr(const struct asyncio_future *future, char *buffer, size_t size);

#ifndef __cplusplus
#define asyncio_future_add_done_callback(...) \
    ASYNCIO__ADD_DONE_CALLBACK(__VA_ARGS__, .size = sizeof(struct asyncio_callback_kw))
#define ASYNCIO__ADD_DONE_CALLBACK(future, callback, arg, ...) \
    asyncio_future_add_done_callback_kw((future), (callback), (arg), &(const struct asyncio_callback_kw){__VA_ARGS__})
#endif

/* ================================================================================================== Context variables
 *
 * A value that follows the flow of control: a task starts with a copy of its creator's variables, a callback with a
 * copy of those at its registration; what they set is theirs alone. */

/* A variable; static, and never freed while a context holds it. */
struct asyncio_contextvar {
    const char *name;
    void *(*ref)(void *value);   /* called when one more context holds a value; may be NULL */
    void (*unref)(void *value);  /* called when one less does; may be NULL */
};

/* What asyncio_contextvar_reset needs to undo a set. Caller's memory; not to be copied. Holds references until reset
 * or _fini. */
struct asyncio_contextvar_token {
    const struct asyncio_contextvar *variable;
    struct asyncio_context *context;
    void *old_value;
    bool had_value;
};

/* The value in the current context, borrowed; `fallback` when it has none. */
ASYNCIO_API void *asyncio_contextvar_get(const struct asyncio_contextvar *variable, void *fallback);

/* Sets the value in the current context; `ref` is called for it. ret_token, which may be NULL, is to be ended by
 * _reset or _fini. Returns: 0; -ENOMEM; -EINVAL. */
ASYNCIO_API int asyncio_contextvar_set(const struct asyncio_contextvar *variable, void *value,
                                       struct asyncio_contextvar_token *ret_token);

/* Restores what stood before the set that made the token. Returns: 0; -EINVAL in another context than the set's;
 * -ASYNCIO_EINVALIDSTATE when used before; -ENOMEM. */
ASYNCIO_API int asyncio_contextvar_reset(struct asyncio_contextvar_token *token);

/* Frees a token that will not be reset; harmless after a reset and on a zeroed one. */
ASYNCIO_API void asyncio_contextvar_token_fini(struct asyncio_contextvar_token *token);

/* A copy of the current context, at a cost that does not depend on its size. Returns: one reference; NULL when out of
 * memory. */
ASYNCIO_API struct asyncio_context *asyncio_copy_context(void);

/* Takes one more reference; NULL is allowed. */
ASYNCIO_API struct asyncio_context *asyncio_context_ref(struct asyncio_context *context);

/* Drops a reference. Returns: NULL, always. */
ASYNCIO_API struct asyncio_context *asyncio_context_unref(struct asyncio_context *context);

/* Calls fn(arg) with `context` as the current one; what fn sets stays in it. fn must not suspend. Returns: what fn
 * returned; -EBUSY when a context is entered that somebody is in already; -EINVAL. */
ASYNCIO_API int asyncio_context_run(struct asyncio_context *context, asyncio_coro *fn, void *arg);

/* ========================================================================================================== Addresses
 *
 * Where a socket is bound or connected to. */

/* Room for any address of the kernel; `data` holds a struct sockaddr of `size` bytes. */
struct asyncio_address {
    size_t size;
    union {
        unsigned char bytes[128];
        uint64_t align;
    } data;
};

/* Makes an internet address from "127.0.0.1", "::1", "fe80::1%eth0" or the like and a port from 0 to 65535.
 * Returns: 0; -EINVAL when it is no such number; -ENODEV when there is no such interface. */
ASYNCIO_API int asyncio_address_parse(struct asyncio_address *ret_address, const char *host, int port);

/* Makes the address of a Unix socket. A path that begins with '@' is abstract: no file stands for it.
 * Returns: 0; -EINVAL for none; -ENAMETOOLONG above 107 bytes. */
ASYNCIO_API int asyncio_address_unix(struct asyncio_address *ret_address, const char *path);

/* Writes "127.0.0.1:8080", "[::1]:8080", "[fe80::1%2]:8080" with the number of the interface, a path, '@' and an
 * abstract name, or "" for a Unix socket without one, cut to what fits, with NUL.
 * Returns: the length of the whole text; -EINVAL; -EAFNOSUPPORT for an address of another kind. */
ASYNCIO_API int asyncio_address_format(const struct asyncio_address *address, char *buffer, size_t size);

/* The port of an internet address. Returns: 0 to 65535; -EAFNOSUPPORT; -EINVAL for an empty address. */
ASYNCIO_API int asyncio_address_port(const struct asyncio_address *address);

/* AF_UNIX, AF_INET or AF_INET6. Returns: that; -EINVAL for an empty address. */
ASYNCIO_API int asyncio_address_family(const struct asyncio_address *address);

/* ============================================================================================================== Names
 *
 * From names to addresses and back. Numbers and "localhost" are answered at once, then the hosts file is looked at,
 * then the name servers are asked, for IPv4 and IPv6 at the same time, under the domains of the search list, over TCP
 * where an answer is too long for UDP. No thread takes part, so that any number of look-ups may be under way, and each
 * can be cancelled at any moment. /etc/resolv.conf and /etc/hosts are read again when they have changed. The simulator
 * has neither: its name server is at 127.0.0.1, port 53.
 *
 * A name that there is not, one without an address, servers that fail and servers that are silent are different errors,
 * and asyncio_error_detail says which name and which server it was. */

/* One address that a name stands for. */
struct asyncio_addrinfo {
    int family;   /* AF_INET, AF_INET6 */
    int type;     /* SOCK_STREAM, SOCK_DGRAM, SOCK_RAW */
    int protocol; /* IPPROTO_TCP and so on */
    struct asyncio_address address;
    const char *canonical_name; /* of the first one, if AI_CANONNAME was asked for; else NULL */
};

/* Keywords of asyncio_getaddrinfo. */
struct asyncio_getaddrinfo_kw {
    size_t size;      /* of this structure */
    int family;       /* AF_INET or AF_INET6 only; 0: both */
    int type;         /* SOCK_STREAM and so on only; 0: one of each for every address */
    int protocol;     /* IPPROTO_TCP and so on only; 0: any */
    int flags;        /* AI_PASSIVE, AI_CANONNAME, AI_NUMERICHOST, AI_NUMERICSERV of netdb.h */
    int port;         /* in place of a service */
    bool nss;         /* ask as the C library does (NSS: mDNS, LDAP and what else nsswitch.conf names), in a thread of a
                         small pool kept for this; always so where the library was built without c-ares */
    const void *reserved[4];
};

/* Looks for the addresses of a host: a number, a name, or NULL for this machine: the loopback addresses or, with
 * AI_PASSIVE, the wildcards. `service` is a number, a name ("https"), or NULL for .port. Addresses of IPv6 come first,
 * else in the order in which they were told. International names are given in their ASCII form ("xn--...").
 * Returns: how many, 1 or more, and `*ret_list`, which the caller gives to asyncio_free; -ASYNCIO_EAI_NONAME when there
 * is no such name, or with AI_NUMERICHOST no such number; -ASYNCIO_EAI_NODATA; -ASYNCIO_EAI_FAIL when every server
 * failed or refused; -ASYNCIO_EAI_TIMEOUT; -ASYNCIO_EAI_SERVICE; -EINVAL for other flags, for what is no name or port,
 * and without a host and a service; -EAFNOSUPPORT; -ENOTSUP when no socket has that type and protocol, and for .nss in
 * the simulator; -ENODEV for a zone that there is not; -ENOMEM; -EMFILE; -ENETUNREACH.
 * Cancelled: nothing is left of it, but with .nss a thread may still be at it. */
ASYNCIO_ASYNC int asyncio_getaddrinfo_kw(const char *host, const char *service, struct asyncio_addrinfo **ret_list,
                                         const struct asyncio_getaddrinfo_kw *kw);

#define asyncio_getaddrinfo(...) ASYNCIO__GETADDRINFO(__VA_ARGS__, .size = sizeof(struct asyncio_getaddrinfo_kw))
#define ASYNCIO__GETADDRINFO(host, service, ret_list, ...) \
    asyncio_getaddrinfo_kw((host), (service), (ret_list), &(const struct asyncio_getaddrinfo_kw){__VA_ARGS__})

/* Looks for the names of an internet address and of its port: writes them, with NUL, cut to what fits; either buffer
 * may be NULL. `flags`: NI_NUMERICHOST, NI_NUMERICSERV, NI_NAMEREQD, NI_DGRAM (the service of UDP) and NI_NOFQDN (the
 * name without its domain) of netdb.h. Without a name the host is a number, but with NI_NAMEREQD it is an error.
 * Returns: 0; -ASYNCIO_EAI_NONAME; -EINVAL; -EAFNOSUPPORT; as asyncio_getaddrinfo. Cancelled: nothing is left of it. */
ASYNCIO_ASYNC int asyncio_getnameinfo(const struct asyncio_address *address, char *ret_host, size_t host_size,
                                      char *ret_service, size_t service_size, int flags);

/* Keywords of asyncio_loop_set_resolver. What is absent is as /etc/resolv.conf says. */
struct asyncio_resolver_kw {
    size_t size;             /* of this structure */
    const char *servers;     /* up to 8, as "192.0.2.1, [2001:db8::1]:5353" */
    const char *search;      /* domains, with blanks between them; "": none */
    const char *hosts_file;  /* absent: /etc/hosts */
    const char *resolv_conf; /* absent: /etc/resolv.conf */
    double timeout;          /* seconds for each server in the first round, twice as many in the next; absent: 5 */
    int attempts;            /* rounds; absent: 2 */
    int ndots;               /* a name with so many dots is looked for as it is first; absent: 1; negative: 0 */
    bool rotate;             /* begin with another server each time */
    bool use_tcp;            /* do not try UDP */
    bool nss;                /* every look-up of the loop is as with .nss */
    const void *reserved[4];
};

/* Sets how the loop looks for names from now on; NULL: as the machine does. All is copied. Returns: 0; -EINVAL for a
 * server that is no number and a NaN; -ENOMEM; -ASYNCIO_ECLOSED. */
ASYNCIO_API int asyncio_loop_set_resolver_kw(struct asyncio_loop *loop, const struct asyncio_resolver_kw *kw);

#define asyncio_loop_set_resolver(...) \
    ASYNCIO__SET_RESOLVER(__VA_ARGS__, .size = sizeof(struct asyncio_resolver_kw))
#define ASYNCIO__SET_RESOLVER(loop, ...) \
    asyncio_loop_set_resolver_kw((loop), &(const struct asyncio_resolver_kw){__VA_ARGS__})

/* ================================================================================================================ TLS
 *
 * Who one is and whom one trusts stands in a context, which any number of connections and servers share: keyword .ssl
 * of asyncio_open_connection, asyncio_start_server and their like. The names are those of Python's module ssl. Peers
 * are checked unless one says otherwise: a client wants a certificate of the host's name, in date, signed by an
 * authority that the machine trusts. TLS 1.2 and 1.3. A context belongs to one thread at a time; what connections have
 * of it stays as it was when they began, so that certificates can be renewed while a server runs.
 *
 * Each kind of bad certificate is an error of its own, and asyncio_error_detail says whose certificate it was and what
 * was wrong: "certificate of 'example.com' expired on 2024-05-01". */

struct asyncio_ssl_context;
struct asyncio_ssl_session;

/* What a context is for. */
enum asyncio_ssl_purpose {
    ASYNCIO_SSL_SERVER_AUTH, /* clients, who want to be sure of the server */
    ASYNCIO_SSL_CLIENT_AUTH, /* servers; they ask clients for a certificate only if told so */
};

/* Keywords of asyncio_ssl_create_default_context. Without any of the three a client trusts whom the machine trusts. */
struct asyncio_ssl_default_context_kw {
    size_t size;        /* of this structure */
    const char *cafile; /* certificates of authorities, PEM */
    const char *capath; /* a folder of such, by hash */
    const char *cadata; /* PEM text */
    const void *reserved[4];
};

/* Makes a context with safe settings. May read files. Returns: 0, and one reference; -ENOENT, -EACCES and the like;
 * -ASYNCIO_ESSL for what is no certificate; -ENOMEM; -ENOTSUP where the library was built without OpenSSL. */
ASYNCIO_API int asyncio_ssl_create_default_context_kw(struct asyncio_ssl_context **ret_context,
                                                      enum asyncio_ssl_purpose purpose,
                                                      const struct asyncio_ssl_default_context_kw *kw);

#define asyncio_ssl_create_default_context(...) \
    ASYNCIO__SSL_DEFAULT_CONTEXT(__VA_ARGS__, .size = sizeof(struct asyncio_ssl_default_context_kw))
#define ASYNCIO__SSL_DEFAULT_CONTEXT(ret_context, purpose, ...) \
    asyncio_ssl_create_default_context_kw((ret_context), (purpose), \
                                          &(const struct asyncio_ssl_default_context_kw){__VA_ARGS__})

/* Stands for a default context of clients, which each loop makes when it is first needed: Python's ssl=True. */
#define ASYNCIO_SSL_DEFAULT ((struct asyncio_ssl_context *)(uintptr_t)1)

/* Takes a reference; NULL is allowed. Returns its argument. */
ASYNCIO_API struct asyncio_ssl_context *asyncio_ssl_context_ref(struct asyncio_ssl_context *context);

/* Gives a reference back; NULL is allowed. Keys are wiped with the last one, connections included. Returns NULL. */
ASYNCIO_API struct asyncio_ssl_context *asyncio_ssl_context_unref(struct asyncio_ssl_context *context);

/* Loads one's own certificate, with those between it and the authority behind it, and its private key, both PEM;
 * keyfile NULL: the key is in the same file; password NULL: it has none. A second call renews them: connections that
 * begin after it have the new ones. Returns: 0; -ENOENT, -EACCES and the like; -ASYNCIO_ESSL, with the reason as
 * detail: not PEM, a wrong password, a key that is not the certificate's; -ENOMEM. After an error the old ones stay. */
ASYNCIO_API int asyncio_ssl_context_load_cert_chain(struct asyncio_ssl_context *context, const char *certfile,
                                                    const char *keyfile, const char *password);

/* Trusts more authorities, and takes their revocation lists: a file, a folder by hash, PEM text; each may be NULL, but
 * not all. Returns: as asyncio_ssl_create_default_context. */
ASYNCIO_API int asyncio_ssl_context_load_verify_locations(struct asyncio_ssl_context *context, const char *cafile,
                                                          const char *capath, const char *cadata);

/* Whether the peer's certificate is asked for and checked. */
enum asyncio_ssl_verify_mode {
    ASYNCIO_SSL_CERT_NONE,     /* no; whoever uses it talks to anybody */
    ASYNCIO_SSL_CERT_OPTIONAL, /* servers: if the client has one */
    ASYNCIO_SSL_CERT_REQUIRED,
};

/* Sets that. Returns: 0; -EINVAL, also for CERT_NONE while the host name is to be checked. */
ASYNCIO_API int asyncio_ssl_context_set_verify_mode(struct asyncio_ssl_context *context,
                                                    enum asyncio_ssl_verify_mode mode);

/* Whether the certificate has to name the host; on for clients. Returns: 0; -EINVAL with CERT_NONE. */
ASYNCIO_API int asyncio_ssl_context_set_check_hostname(struct asyncio_ssl_context *context, bool check);

enum asyncio_ssl_verify_flags {
    ASYNCIO_SSL_VERIFY_CRL_CHECK_LEAF = 4,   /* a revocation list is wanted for the peer's certificate */
    ASYNCIO_SSL_VERIFY_CRL_CHECK_CHAIN = 12, /* and for all above it */
    ASYNCIO_SSL_VERIFY_X509_STRICT = 32,
    ASYNCIO_SSL_VERIFY_X509_PARTIAL_CHAIN = 0x80000, /* any certificate that is trusted ends the chain */
};

/* Sets those flags in place of the present ones. Returns: 0; -EINVAL. */
ASYNCIO_API int asyncio_ssl_context_set_verify_flags(struct asyncio_ssl_context *context, unsigned flags);

enum asyncio_ssl_version { ASYNCIO_SSL_TLSV1_2 = 0x303, ASYNCIO_SSL_TLSV1_3 = 0x304 };

/* Sets the oldest and the newest version of the protocol. Returns: 0; -EINVAL. */
ASYNCIO_API int asyncio_ssl_context_set_versions(struct asyncio_ssl_context *context, enum asyncio_ssl_version minimum,
                                                 enum asyncio_ssl_version maximum);

/* Sets the ciphers of TLS 1.2, as OpenSSL writes them. Returns: 0; -ASYNCIO_ESSL when none is left. */
ASYNCIO_API int asyncio_ssl_context_set_ciphers(struct asyncio_ssl_context *context, const char *ciphers);

/* Sets the application protocols, the best first, ended by NULL: {"h2", "http/1.1", NULL}. Returns: 0; -EINVAL for an
 * empty name or one above 255 bytes; -ENOMEM. */
ASYNCIO_API int asyncio_ssl_context_set_alpn_protocols(struct asyncio_ssl_context *context,
                                                       const char *const *protocols);

enum asyncio_ssl_options {
    ASYNCIO_SSL_OP_IGNORE_UNEXPECTED_EOF = 1, /* a peer that hangs up without a word has come to its end */
    ASYNCIO_SSL_OP_NO_TICKET = 2,             /* servers: no session can be resumed */
};

/* Sets those options in place of the present ones. Returns: 0; -EINVAL. */
ASYNCIO_API int asyncio_ssl_context_set_options(struct asyncio_ssl_context *context, unsigned options);

/* Chooses the context for a client that asks for `server_name`, NULL if it asks for none: one that is borrowed, or NULL
 * to turn the client away. Called in the midst of a handshake: it must not suspend. */
typedef struct asyncio_ssl_context *asyncio_ssl_sni_callback(const char *server_name, void *arg);

/* Sets what chooses; NULL: nothing, this context serves every name. Returns: 0; -EINVAL. */
ASYNCIO_API int asyncio_ssl_context_set_sni_callback(struct asyncio_ssl_context *context,
                                                     asyncio_ssl_sni_callback *callback, void *arg);

/* Takes a reference; NULL is allowed. Returns its argument. */
ASYNCIO_API struct asyncio_ssl_session *asyncio_ssl_session_ref(struct asyncio_ssl_session *session);

/* Gives a reference back; NULL is allowed. Returns NULL. */
ASYNCIO_API struct asyncio_ssl_session *asyncio_ssl_session_unref(struct asyncio_ssl_session *session);

/* What was agreed on with the peer; the texts are borrowed, and valid while the connection is. */
struct asyncio_ssl_info {
    const char *version;       /* "TLSv1.3" */
    const char *cipher;        /* "TLS_AES_256_GCM_SHA384" */
    int cipher_bits;
    const char *alpn_protocol; /* NULL: none */
    const char *server_name;   /* that the client asked for; NULL: none */
    bool session_reused;
    bool has_peercert;
    const void *reserved[4];
};

/* The peer's certificate; one piece of memory. */
struct asyncio_ssl_certificate {
    const char *subject, *issuer;     /* "CN=example.com,O=Example" */
    const char *common_name;          /* NULL: none */
    const char *const *subject_names; /* "DNS:example.com", "IP:127.0.0.1"; ended by NULL */
    const char *serial_number;        /* hexadecimal */
    int64_t not_before, not_after;    /* seconds since 1970, UTC */
    const char *fingerprint;          /* SHA-256, hexadecimal, 64 digits */
    const void *der;
    size_t der_size;
};

/* ============================================================================================================ Streams
 *
 * A connection is a reader and a writer, each with a reference of its own. Reads take the data straight into the
 * caller's memory where they can; a reader keeps what came beyond, and one task at a time reads from it. What is
 * written is sent at once as far as the kernel takes it; the rest is kept and sent while other tasks run, and a writer
 * that has kept more than its high-water mark makes whoever writes wait. */

struct asyncio_streamreader;
struct asyncio_streamwriter;
struct asyncio_socket;

/* Keywords of asyncio_open_connection and asyncio_open_unix_connection. */
struct asyncio_connection_kw {
    size_t size; /* of this structure */
    const char *source;
    size_t limit;                /* bytes that a line or what a separator ends may have; 0: 64 KiB */
    struct asyncio_socket *sock; /* a connected stream socket in place of an address; taken over, also on failure */
    const char *local_host;      /* where to connect from */
    int local_port;
    int family; /* AF_INET or AF_INET6 only; 0: either */
    double close_timeout; /* seconds that a closed writer has to send what it has kept; 0: 30; then it is aborted */
    /* Seconds after which the next address is tried while earlier ones have not answered yet (RFC 8305 advises 0.25);
     * 0: only when one has failed; negative: all at once. */
    double happy_eyeballs_delay;
    int interleave; /* take the families in turn, after so many of the first one; 0: 1 with a delay, else in order */
    struct asyncio_ssl_context *ssl;         /* talk TLS; borrowed for the call; or ASYNCIO_SSL_DEFAULT */
    const char *server_hostname; /* TLS: whose certificate is wanted; absent: the host's; "": it is not asked */
    struct asyncio_ssl_session *ssl_session; /* TLS: an earlier connection's, to be resumed */
    double ssl_handshake_timeout;            /* seconds that the handshake may take; 0: 60 */
    double ssl_shutdown_timeout; /* seconds that a closed connection waits for the peer's announcement; 0: 30 */
};

/* Connects to a host and port over TCP, to each of the host's addresses in turn until one answers; a NULL host is this
 * machine, a name is looked up as by asyncio_getaddrinfo. With .happy_eyeballs_delay an address that is slow does not
 * hold up the others: the first that answers is taken, the other attempts are ended before the call returns. Small
 * pieces are sent without delay (TCP_NODELAY).
 * Returns: 0, and a reader and a writer, which the caller unrefs; -EINVAL; the errors of asyncio_getaddrinfo;
 * -EAFNOSUPPORT for a number that is not of the family; -ENOTCONN for a .sock that is not connected, -EBUSY for one on
 * which a task waits; the error of the first address that the machine has a way to, -EADDRNOTAVAIL when no local
 * address is of its family, with those of all addresses in asyncio_error_detail; -ENOMEM; -EMFILE. Cancelled: nothing
 * is left of the attempt; a connection that was made already is returned, and the cancel meets the next wait.
 * With TLS it returns after the handshake. Then also: -EINVAL for keywords of TLS without .ssl, and without a name
 * where there is no host; -ETIMEDOUT; -ECONNRESET; -ASYNCIO_ESSL, -ASYNCIO_ECERT_..., with the reason as detail;
 * -ENOTSUP without OpenSSL. The peer's announcement of its end ends both directions, as there are no halves; an end
 * that it has not announced is -ASYNCIO_ESSLEOF. */
ASYNCIO_ASYNC int asyncio_open_connection_kw(const char *host, int port, struct asyncio_streamreader **ret_reader,
                                             struct asyncio_streamwriter **ret_writer,
                                             const struct asyncio_connection_kw *kw);

/* Connects to a Unix socket; a path that begins with '@' is abstract. Returns: as asyncio_open_connection; -ENOENT;
 * -ECONNREFUSED also when nobody listens there any more or the backlog is full. */
ASYNCIO_ASYNC int asyncio_open_unix_connection_kw(const char *path, struct asyncio_streamreader **ret_reader,
                                                  struct asyncio_streamwriter **ret_writer,
                                                  const struct asyncio_connection_kw *kw);

#define asyncio_open_connection(...) \
    ASYNCIO__OPEN_CONNECTION(__VA_ARGS__, .source = ASYNCIO_HERE, .size = sizeof(struct asyncio_connection_kw))
#define ASYNCIO__OPEN_CONNECTION(host, port, ret_reader, ret_writer, ...) \
    asyncio_open_connection_kw((host), (port), (ret_reader), (ret_writer), \
                               &(const struct asyncio_connection_kw){__VA_ARGS__})
#define asyncio_open_unix_connection(...) \
    ASYNCIO__OPEN_UNIX_CONNECTION(__VA_ARGS__, .source = ASYNCIO_HERE, .size = sizeof(struct asyncio_connection_kw))
#define ASYNCIO__OPEN_UNIX_CONNECTION(path, ret_reader, ret_writer, ...) \
    asyncio_open_unix_connection_kw((path), (ret_reader), (ret_writer), \
                                    &(const struct asyncio_connection_kw){__VA_ARGS__})

/* Keywords of asyncio_streamreader. */
struct asyncio_streamreader_kw {
    size_t size;  /* of this structure */
    size_t limit; /* as in asyncio_connection_kw */
    void (*pause)(void *arg); /* more than twice the limit is kept: whoever feeds shall stop */
    void (*resume)(void *arg); /* the limit or less is kept, or somebody waits for more */
    void *arg;
};

/* Makes a reader without a connection, which gets what asyncio_streamreader_feed_data brings. Bound to the running
 * loop. Returns: 0, and a reader that the caller unrefs; -ASYNCIO_ENOLOOP; -EINVAL for one of .pause and .resume
 * without the other; -ENOMEM. */
ASYNCIO_API int asyncio_streamreader_kw(struct asyncio_streamreader **ret_reader,
                                        const struct asyncio_streamreader_kw *kw);

#define asyncio_streamreader(...) \
    ASYNCIO__STREAMREADER(__VA_ARGS__, .size = sizeof(struct asyncio_streamreader_kw))
#define ASYNCIO__STREAMREADER(ret_reader, ...) \
    asyncio_streamreader_kw((ret_reader), &(const struct asyncio_streamreader_kw){__VA_ARGS__})

/* Takes a reference. Returns its argument. */
ASYNCIO_API struct asyncio_streamreader *asyncio_streamreader_ref(struct asyncio_streamreader *reader);

/* Gives a reference back; NULL is allowed. The connection stays until the writer goes. Returns NULL. */
ASYNCIO_API struct asyncio_streamreader *asyncio_streamreader_unref(struct asyncio_streamreader *reader);

/* Reads what is there, up to `size` bytes, and waits for the first if there is none. These hold for every read:
 * Returns: bytes, 0 at the end of the stream; the error that was set or that ended the connection, first of all, also
 * before data, but with TLS after the data that had come before the connection's end; -ASYNCIO_ESSLEOF for an end that
 * the peer has not announced; -ECONNRESET; -EBUSY while another task reads; -EINVAL; -ENOMEM; -ASYNCIO_ENOTASK;
 * -ASYNCIO_EFOREIGNLOOP. A read of a connection whose writer is closed finds the end, after what had been received.
 * When writing has failed, what the peer said before it hung up can still be read until the writer is closed; with TLS
 * only what had come.
 * Cancelled: nothing has been taken from the stream; if data had come already they are returned and the cancel meets
 * the next wait. */
ASYNCIO_ASYNC ssize_t asyncio_streamreader_read(struct asyncio_streamreader *reader, void *buffer, size_t size);

/* Reads to the end of the stream: `*ret_data` is memory of the library with a NUL behind its last byte, which the
 * caller gives to asyncio_free. Returns: bytes; -ASYNCIO_ELIMITOVERRUN when there are more than `limit`, with what has
 * come kept in the reader (SIZE_MAX: as much as there is); as asyncio_streamreader_read. Cancelled: what has come is
 * kept in the reader. */
ASYNCIO_ASYNC ssize_t asyncio_streamreader_read_to_end(struct asyncio_streamreader *reader, size_t limit,
                                                       char **ret_data);

/* Reads `size` bytes, which may be more than the limit. Returns: size; -ASYNCIO_EINCOMPLETEREAD when the stream ends
 * before, and asyncio_streamreader_partial has what there was; as asyncio_streamreader_read. Cancelled: what has come
 * is kept in the reader; without memory for that it is lost, and every read from now on is -ENOMEM. */
ASYNCIO_ASYNC ssize_t asyncio_streamreader_readexactly(struct asyncio_streamreader *reader, void *buffer, size_t size);

/* Reads up to and with the next '\n'. `*ret_line` points into the reader, has a NUL behind it, may be written to up to
 * that, and is valid until the next read. At the end of the stream the last line may lack its '\n'.
 * Returns: bytes; 0 at the end of the stream; -ASYNCIO_ELIMITOVERRUN when the line is longer than the limit: it is
 * dropped if its end has come, else all that has come is; as asyncio_streamreader_read. Cancelled: what has come is
 * kept in the reader. */
ASYNCIO_ASYNC ssize_t asyncio_streamreader_readline(struct asyncio_streamreader *reader, char **ret_line);

/* Reads up to and with a separator of `size` bytes. `*ret_data` is as asyncio_streamreader_readline's.
 * Returns: bytes; -ASYNCIO_EINCOMPLETEREAD when the stream ends before, and asyncio_streamreader_partial has what there
 * was; -ASYNCIO_ELIMITOVERRUN when more than the limit stands before the separator, with everything kept, and
 * asyncio_streamreader_consumed tells how many bytes hold no separator; as asyncio_streamreader_read. Cancelled: what
 * has come is kept in the reader. */
ASYNCIO_ASYNC ssize_t asyncio_streamreader_readuntil(struct asyncio_streamreader *reader, const void *separator,
                                                     size_t size, char **ret_data);

/* As asyncio_streamreader_readuntil, with the separator out of `n` that makes the result shortest. */
ASYNCIO_ASYNC ssize_t asyncio_streamreader_readuntil_any(struct asyncio_streamreader *reader,
                                                         const struct asyncio_bytes *separators, size_t n,
                                                         char **ret_data);

/* What the last read got before it returned -ASYNCIO_EINCOMPLETEREAD: `*ret_data`, unless NULL, points to it, in the
 * reader or, after asyncio_streamreader_readexactly, in the caller's buffer; valid until the next read. Returns:
 * bytes. */
ASYNCIO_API size_t asyncio_streamreader_partial(const struct asyncio_streamreader *reader, const char **ret_data);

/* How many bytes at the front hold no separator, after -ASYNCIO_ELIMITOVERRUN: readexactly can take them. */
ASYNCIO_API size_t asyncio_streamreader_consumed(const struct asyncio_streamreader *reader);

/* True when the end has been met and everything before it was read. */
ASYNCIO_API bool asyncio_streamreader_at_eof(const struct asyncio_streamreader *reader);

/* Appends data; none at all are ignored. For readers without a connection; what a read has lent stays valid.
 * Returns: 0; -ASYNCIO_EINVALIDSTATE after the end or with a connection; -ENOMEM; -EINVAL. */
ASYNCIO_API int asyncio_streamreader_feed_data(struct asyncio_streamreader *reader, const void *data, size_t size);

/* Ends the stream. For readers without a connection. Returns: 0; -ASYNCIO_EINVALIDSTATE with a connection. */
ASYNCIO_API int asyncio_streamreader_feed_eof(struct asyncio_streamreader *reader);

/* Lets every read from now on return a negative error; one that waits returns at once. Returns: 0; -EINVAL. */
ASYNCIO_API int asyncio_streamreader_set_exception(struct asyncio_streamreader *reader, int error);

/* The error that every read returns: one that was set, or that ended the connection; 0 when there is none. */
ASYNCIO_API int asyncio_streamreader_exception(const struct asyncio_streamreader *reader);

/* Takes a reference. Returns its argument. */
ASYNCIO_API struct asyncio_streamwriter *asyncio_streamwriter_ref(struct asyncio_streamwriter *writer);

/* Gives a reference back; NULL is allowed. The last one closes the writer, with a warning in debug mode if nobody had.
 * Returns NULL. */
ASYNCIO_API struct asyncio_streamwriter *asyncio_streamwriter_unref(struct asyncio_streamwriter *writer);

/* Writes data, then does what asyncio_streamwriter_drain does: waits while the writer has kept more than its
 * high-water mark.
 * Returns: 0; the connection's error, and the data are dropped; -ASYNCIO_ECLOSED after close; -ASYNCIO_EINVALIDSTATE
 * after write_eof; -ENOMEM, and the connection is aborted if a part was sent; -EINVAL; -ASYNCIO_ENOTASK;
 * -ASYNCIO_EFOREIGNLOOP; as asyncio_streamwriter_drain, when the data have been taken.
 * Cancelled: the data have been taken and will be sent: a cancel is looked for only afterwards. */
ASYNCIO_ASYNC int asyncio_streamwriter_write(struct asyncio_streamwriter *writer, const void *data, size_t size);

/* Writes several pieces as asyncio_streamwriter_write does one. */
ASYNCIO_ASYNC int asyncio_streamwriter_writelines(struct asyncio_streamwriter *writer,
                                                  const struct asyncio_bytes *pieces, size_t n);

/* Writes a text as asyncio_streamwriter_write does. Returns: also -EINVAL for a format that cannot be. */
ASYNCIO_ASYNC int asyncio_streamwriter_printf(struct asyncio_streamwriter *writer, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Writes without waiting, as Python's write: what the kernel does not take is kept, however much it is. From any code
 * on the loop's thread. Returns: as asyncio_streamwriter_write, but for -ASYNCIO_ENOTASK. */
ASYNCIO_API int asyncio_streamwriter_write_nowait(struct asyncio_streamwriter *writer, const void *data, size_t size);

/* Waits while the writer has kept more than its high-water mark, until it has sent all but the low-water mark; any
 * number of tasks may. On a writer that is being closed it yields once. Returns: 0, also when the connection ends
 * without an error meanwhile; the error of its reader, first of all; the connection's; -ECONNRESET when the connection
 * was gone before; -ASYNCIO_ENOTASK; -ASYNCIO_EFOREIGNLOOP. Cancelled: nothing is lost. */
ASYNCIO_ASYNC int asyncio_streamwriter_drain(struct asyncio_streamwriter *writer);

/* Ends what is written, once everything has been sent; reading goes on (half close). Returns: 0, also when that was
 * asked before; -ASYNCIO_ECLOSED after close; -ENOTSUP with TLS; the connection's error. */
ASYNCIO_API int asyncio_streamwriter_write_eof(struct asyncio_streamwriter *writer);

/* True when write_eof is possible. */
ASYNCIO_API bool asyncio_streamwriter_can_write_eof(const struct asyncio_streamwriter *writer);

/* Closes the connection, once everything has been sent or .close_timeout is over; a second call does nothing. Who reads
 * finds the end. */
ASYNCIO_API void asyncio_streamwriter_close(struct asyncio_streamwriter *writer);

/* Closes the connection now; what was kept is dropped, and the peer sees a reset. */
ASYNCIO_API void asyncio_streamwriter_abort(struct asyncio_streamwriter *writer);

/* True once close or abort was called or the connection is gone. */
ASYNCIO_API bool asyncio_streamwriter_is_closing(const struct asyncio_streamwriter *writer);

/* Waits until the connection is closed; any number of tasks may. Returns: 0; the error that ended it, -ETIMEDOUT when
 * that was .close_timeout; -ASYNCIO_ENOTASK; -ASYNCIO_EFOREIGNLOOP. Cancelled: nothing is lost. */
ASYNCIO_ASYNC int asyncio_streamwriter_wait_closed(struct asyncio_streamwriter *writer);

/* Sets the marks in bytes: above `high` (-1: 64 KiB, with TLS 512, or four times low), with TLS at it, writing waits
 * until no more than `low` (-1: a quarter of high) is kept. Takes effect at once. Returns: 0; -EINVAL unless high is
 * low at least, and low 0. */
ASYNCIO_API int asyncio_streamwriter_set_write_buffer_limits(struct asyncio_streamwriter *writer, ssize_t high,
                                                             ssize_t low);

/* Reads the marks; either may be NULL. */
ASYNCIO_API void asyncio_streamwriter_get_write_buffer_limits(const struct asyncio_streamwriter *writer,
                                                              size_t *ret_high, size_t *ret_low);

/* How many bytes are kept to be sent. */
ASYNCIO_API size_t asyncio_streamwriter_get_write_buffer_size(const struct asyncio_streamwriter *writer);

/* The addresses of the two ends. Returns: 0; -ENOTCONN when the connection is gone. */
ASYNCIO_API int asyncio_streamwriter_sockname(const struct asyncio_streamwriter *writer,
                                              struct asyncio_address *ret_address);
ASYNCIO_API int asyncio_streamwriter_peername(const struct asyncio_streamwriter *writer,
                                              struct asyncio_address *ret_address);

/* Keywords of asyncio_streamwriter_start_tls; as in asyncio_connection_kw. */
struct asyncio_start_tls_kw {
    size_t size; /* of this structure */
    const char *server_hostname;
    struct asyncio_ssl_session *ssl_session;
    double ssl_handshake_timeout;
    double ssl_shutdown_timeout;
    bool server_side; /* a connection that was opened, not accepted, is to be the server's side all the same */
    const void *reserved[4];
};

/* Changes to TLS on a connection that is open: what was written before is sent as it is, what its reader has kept is
 * taken for the peer's handshake. Drains first. Whoever was accepted by a server is the server's side. On top of TLS it
 * is TLS in TLS. Meanwhile reads are -EBUSY, and what is written is sent after the handshake.
 * Returns: 0; errors of the handshake, which are the connection's end: -ETIMEDOUT, -ECONNRESET, those of TLS with
 * their reasons as detail; errors after which the connection is as it was: as asyncio_streamwriter_drain, -EBUSY
 * while a task reads, -EINVAL, also without a name that the context wants to check, -ASYNCIO_ECLOSED,
 * -ASYNCIO_EINVALIDSTATE after write_eof, -ENOMEM. Cancelled: while it drains the connection goes on as it was, in the
 * handshake it is aborted. */
ASYNCIO_ASYNC int asyncio_streamwriter_start_tls_kw(struct asyncio_streamwriter *writer,
                                                    struct asyncio_ssl_context *context,
                                                    const struct asyncio_start_tls_kw *kw);

#define asyncio_streamwriter_start_tls(...) \
    ASYNCIO__START_TLS(__VA_ARGS__, .size = sizeof(struct asyncio_start_tls_kw))
#define ASYNCIO__START_TLS(writer, context, ...) \
    asyncio_streamwriter_start_tls_kw((writer), (context), &(const struct asyncio_start_tls_kw){__VA_ARGS__})

/* What was agreed on with TLS. Returns: 0; -ASYNCIO_EINVALIDSTATE without TLS, also during its handshake; -ENOTCONN
 * when the connection is gone. */
ASYNCIO_API int asyncio_streamwriter_ssl_info(const struct asyncio_streamwriter *writer,
                                              struct asyncio_ssl_info *ret_info);

/* The peer's certificate, which the caller gives to asyncio_free. Returns: as asyncio_streamwriter_ssl_info; -ENOENT
 * when the peer has shown none; -ENOMEM. */
ASYNCIO_API int asyncio_streamwriter_getpeercert(const struct asyncio_streamwriter *writer,
                                                 struct asyncio_ssl_certificate **ret_certificate);

/* What resumes this session with another connection, as .ssl_session: a client's only. A server of TLS 1.3 sends it
 * after the handshake: read something first; it serves once. As no certificate is shown then, it is not used with
 * another context or server_hostname, nor where more is checked than here: such a handshake is a whole one. Returns: as
 * asyncio_streamwriter_ssl_info, and one reference; -ENOENT when there is none; -ENOMEM. */
ASYNCIO_API int asyncio_streamwriter_ssl_session(const struct asyncio_streamwriter *writer,
                                                 struct asyncio_ssl_session **ret_session);

/* The connection's file descriptor, for getsockopt and the like; borrowed; it must not be closed, read or written.
 * Returns: the fd; -ENOTCONN when the connection is gone. */
ASYNCIO_API int asyncio_streamwriter_fileno(const struct asyncio_streamwriter *writer);

/* ========================================================================================================== Servers
 *
 * A server listens, and serves each client in a task of its own. Somebody is its client from being accepted until the
 * connection is closed and the task has ended, whichever comes last.
 *
 * With TLS the handshake comes first and needs no task. It ends when .ssl_handshake_timeout is over, when the clients'
 * connections are closed or aborted, and when the server stops, which does not wait for it. One that fails is counted,
 * and reported in debug mode only. */

struct asyncio_server;

/* What serves a client, in a task of its own and in a copy of the context in which the server was made. Reader and
 * writer are borrowed: when it returns they are closed, after what was written has been sent, unless it took
 * references; after a negative result they are closed in any case, and one other than -ECANCELED is reported to the
 * loop's exception handler. `arg` has to live until asyncio_server_wait_closed has returned. */
typedef int asyncio_client_connected(struct asyncio_streamreader *reader, struct asyncio_streamwriter *writer,
                                     void *arg);

/* Keywords of asyncio_start_server and asyncio_start_unix_server. */
struct asyncio_server_kw {
    size_t size; /* of this structure */
    const char *source;
    size_t limit;                /* of the readers; 0: 64 KiB */
    const char *const *hosts;    /* several hosts, ended by NULL, in place of the one */
    struct asyncio_socket *sock; /* a bound stream socket in place of an address; taken over, also on failure */
    int family;                  /* of TCP: AF_INET or AF_INET6 only; 0: both */
    int backlog;                 /* connections that wait to be accepted; 0: 100 */
    bool no_reuse_address;       /* without SO_REUSEADDR */
    bool reuse_port;             /* with SO_REUSEPORT; TCP only */
    bool keep_alive;             /* with SO_KEEPALIVE */
    bool no_start_serving;       /* asyncio_server_start_serving or _serve_forever begins to accept */
    bool keep_socket_file;       /* the file of a Unix socket is not removed at the end */
    size_t max_connections;      /* that are served at a time; more wait in the backlog; 0: no limit */
    double close_timeout;        /* as in asyncio_connection_kw */
    struct asyncio_ssl_context *ssl; /* talk TLS; the server takes a reference */
    double ssl_handshake_timeout;    /* as in asyncio_connection_kw */
    double ssl_shutdown_timeout;
};

/* Listens on a host and port and serves each client by client_connected(reader, writer, arg). Host NULL or "" is every
 * address of the machine, port 0 one that is free, which differs between the addresses if there are several. Each
 * address is bound once; one that the machine lacks is passed over while another one can be bound. Names are looked up
 * as by asyncio_getaddrinfo, several of them at the same time. Small pieces are sent without delay (TCP_NODELAY).
 * Accepting goes on by itself when the process or the machine has run out of descriptors or memory: the clients that
 * wait are turned away, and the next try comes after 10 ms to 1 s. The loop's exception handler is told, but not again
 * when it happens again within 10 s.
 * Returns: 0, and a server that the caller unrefs; -EADDRINUSE and other errors of bind and listen, with the address in
 * asyncio_error_detail; -EADDRNOTAVAIL when no address could be bound; -EINVAL; the errors of asyncio_getaddrinfo;
 * -ENOMEM; -EMFILE; -ASYNCIO_ENOTASK. Cancelled: nothing is left of the attempt. */
ASYNCIO_ASYNC int asyncio_start_server_kw(asyncio_client_connected *client_connected, void *arg, const char *host,
                                          int port, struct asyncio_server **ret_server,
                                          const struct asyncio_server_kw *kw);

/* Listens on a Unix socket; a path that begins with '@' is abstract. A socket file that is there already is removed,
 * any other file never. The file is removed at the end if it is still the one that was made here; that of a .sock never
 * is. Returns: as asyncio_start_server. */
ASYNCIO_ASYNC int asyncio_start_unix_server_kw(asyncio_client_connected *client_connected, void *arg, const char *path,
                                               struct asyncio_server **ret_server, const struct asyncio_server_kw *kw);

#define asyncio_start_server(...) \
    ASYNCIO__START_SERVER(__VA_ARGS__, .source = ASYNCIO_HERE, .size = sizeof(struct asyncio_server_kw))
#define ASYNCIO__START_SERVER(client_connected, arg, host, port, ret_server, ...) \
    asyncio_start_server_kw((client_connected), (arg), (host), (port), (ret_server), \
                            &(const struct asyncio_server_kw){__VA_ARGS__})
#define asyncio_start_unix_server(...) \
    ASYNCIO__START_UNIX_SERVER(__VA_ARGS__, .source = ASYNCIO_HERE, .size = sizeof(struct asyncio_server_kw))
#define ASYNCIO__START_UNIX_SERVER(client_connected, arg, path, ret_server, ...) \
    asyncio_start_unix_server_kw((client_connected), (arg), (path), (ret_server), \
                                 &(const struct asyncio_server_kw){__VA_ARGS__})

/* Takes a reference. Returns its argument. */
ASYNCIO_API struct asyncio_server *asyncio_server_ref(struct asyncio_server *server);

/* Gives a reference back; NULL is allowed. The last one closes the server; its clients go on. Returns NULL. */
ASYNCIO_API struct asyncio_server *asyncio_server_unref(struct asyncio_server *server);

/* Begins to accept clients, after a turn of the others; harmless when it does. Returns: 0; -ASYNCIO_ECLOSED; errors of
 * listen, with the address in asyncio_error_detail; -ASYNCIO_ENOTASK. Cancelled: it has not begun. */
ASYNCIO_ASYNC int asyncio_server_start_serving(struct asyncio_server *server);

/* True while it accepts clients. */
ASYNCIO_API bool asyncio_server_is_serving(const struct asyncio_server *server);

/* Serves until it is cancelled, which closes the server, or until somebody closes it, and waits for its clients.
 * Returns: -ECANCELED in both cases, as in Python; -EBUSY when another task is in it; -ASYNCIO_ECLOSED when it is
 * closed already; errors of listen; -ASYNCIO_ENOTASK. Cancelled: the server is closed; a second cancel ends the wait
 * for the clients. */
ASYNCIO_ASYNC int asyncio_server_serve_forever(struct asyncio_server *server);

/* Stops listening; clients stay connected; a second call does nothing. The loop's close closes its servers, too. */
ASYNCIO_API void asyncio_server_close(struct asyncio_server *server);

/* Closes the connections of all present clients, after what was written has been sent. */
ASYNCIO_API void asyncio_server_close_clients(struct asyncio_server *server);

/* Aborts the connections of all present clients. */
ASYNCIO_API void asyncio_server_abort_clients(struct asyncio_server *server);

/* Waits until the server is closed and has no client; any number of tasks may. Returns: 0; -EDEADLK in a client's own
 * task; -ASYNCIO_ENOTASK. Cancelled: nothing is lost. */
ASYNCIO_ASYNC int asyncio_server_wait_closed(struct asyncio_server *server);

/* Stops gracefully: closes the server, lets the tasks of its clients end by themselves for so many seconds, then
 * cancels them, waits until they have ended and their connections have been flushed and closed, at most .close_timeout,
 * and aborts the connections that are left. A task that ignores its cancel is left to asyncio_server_wait_closed. A
 * client's own task may call it and is not counted.
 * Returns: how many clients had to be cancelled; -EINVAL; -ENOMEM; -ASYNCIO_ENOTASK. Cancelled: the server is closed;
 * clients that have not been cancelled yet go on. */
ASYNCIO_ASYNC ssize_t asyncio_server_stop(struct asyncio_server *server, double seconds);

/* The loop that it belongs to, borrowed. */
ASYNCIO_API struct asyncio_loop *asyncio_server_get_loop(const struct asyncio_server *server);

/* How many sockets it listens on; 0 once closed. */
ASYNCIO_API size_t asyncio_server_n_sockets(const struct asyncio_server *server);

/* Where socket `i` of them is bound. Returns: 0; -EINVAL; -ASYNCIO_ECLOSED. */
ASYNCIO_API int asyncio_server_sockname(const struct asyncio_server *server, size_t i,
                                        struct asyncio_address *ret_address);

/* How many clients it has now. */
ASYNCIO_API size_t asyncio_server_n_clients(const struct asyncio_server *server);

/* What happened since the server was made. */
struct asyncio_server_counts {
    uint64_t accepted;  /* clients that were served */
    uint64_t shed;      /* that were turned away for want of descriptors or memory */
    uint64_t exhausted; /* times that accepting ran out of descriptors or memory */
    uint64_t handshakes_failed; /* clients that were accepted and whose TLS handshake went wrong or took too long */
};

/* The counts so far, also of a server that is closed. Returns: them; zeros for NULL. */
ASYNCIO_API struct asyncio_server_counts asyncio_server_counts(const struct asyncio_server *server);

/* ==================================================================================================== Synchronisation
 *
 * Caller's memory, not thread-safe, fair: first come, first served. A primitive belongs to a loop while somebody
 * holds it or waits on it; from another loop meanwhile: -ASYNCIO_EFOREIGNLOOP, and functions without a result assert.
 * All fields are the library's; `name` may be set, for dumps, and is not copied. The _fini functions assert that
 * nobody waits. */

struct asyncio_lock {
    const char *name;
    struct asyncio_link waiters;
    struct asyncio_loop *loop;
    uint64_t owner; /* number of the task that holds it, for dumps; 0: none, or a plain callback */
    bool locked;
    bool handing_over; /* the head waiter has been woken and has not run yet */
    const void *reserved[2];
};

#define ASYNCIO_LOCK_INIT {0}

/* Prepares a lock; zeroed memory is one too. */
ASYNCIO_API void asyncio_lock_init(struct asyncio_lock *lock);

/* Ends the use of a lock: asserts that nobody waits. */
ASYNCIO_API void asyncio_lock_fini(struct asyncio_lock *lock);

/* Takes the lock; behind those who wait already, even in the moment of hand-over. Not re-entrant. Returns: 0.
 * Cancelled: not taken; if it had just been handed over, the next waiter has it. */
ASYNCIO_ASYNC int asyncio_lock_acquire(struct asyncio_lock *lock);

/* Releases the lock and wakes the first waiter; any task or callback may. Returns: 0; -EPERM when it is not
 * locked. */
ASYNCIO_API int asyncio_lock_release(struct asyncio_lock *lock);

/* True while somebody holds it; false in the moment of hand-over. */
ASYNCIO_API bool asyncio_lock_locked(const struct asyncio_lock *lock);

struct asyncio_event {
    const char *name;
    struct asyncio_link waiters;
    struct asyncio_loop *loop;
    bool value;
    const void *reserved[2];
};

#define ASYNCIO_EVENT_INIT {0}

/* Prepares an event, not set; zeroed memory is one too. */
ASYNCIO_API void asyncio_event_init(struct asyncio_event *event);

/* Ends the use of an event: asserts that nobody waits. */
ASYNCIO_API void asyncio_event_fini(struct asyncio_event *event);

/* Waits until the event is set; whoever waits when it is set is woken, even if it is cleared at once. Returns: 0
 * (Python: True).
 * Cancelled: nothing is changed. */
ASYNCIO_ASYNC int asyncio_event_wait(struct asyncio_event *event);

/* Sets the event and wakes all who wait. */
ASYNCIO_API void asyncio_event_set(struct asyncio_event *event);

/* Clears the event. */
ASYNCIO_API void asyncio_event_clear(struct asyncio_event *event);

/* True when set. */
ASYNCIO_API bool asyncio_event_is_set(const struct asyncio_event *event);

struct asyncio_condition {
    const char *name;
    struct asyncio_lock own_lock;
    struct asyncio_lock *lock; /* NULL: own_lock */
    struct asyncio_link waiters;
    size_t n_inside; /* tasks between their release and their return */
    const void *reserved[2];
};

#define ASYNCIO_CONDITION_INIT {0}

/* Prepares a condition over `lock`, or over a lock of its own when NULL; zeroed memory is such a one too. */
ASYNCIO_API void asyncio_condition_init(struct asyncio_condition *condition, struct asyncio_lock *lock);

/* Ends the use of a condition: asserts that nobody waits. */
ASYNCIO_API void asyncio_condition_fini(struct asyncio_condition *condition);

/* asyncio_lock_acquire on the condition's lock. */
ASYNCIO_ASYNC int asyncio_condition_acquire(struct asyncio_condition *condition);

/* asyncio_lock_release on the condition's lock. */
ASYNCIO_API int asyncio_condition_release(struct asyncio_condition *condition);

/* asyncio_lock_locked on the condition's lock. */
ASYNCIO_API bool asyncio_condition_locked(const struct asyncio_condition *condition);

/* Releases the lock, waits to be notified, takes the lock again; may also wake without a cause. Returns: 0; -EPERM
 * when the lock is not held.
 * Cancelled: the lock is held again all the same; a notification that came too is passed on to the next waiter. */
ASYNCIO_ASYNC int asyncio_condition_wait(struct asyncio_condition *condition);

/* Waits until predicate(arg) is not 0; it is called with the lock held, first of all at once. Returns: what it gave
 * last, when positive; its error, when negative; else as asyncio_condition_wait. Cancelled: the lock is held
 * again. */
ASYNCIO_ASYNC int asyncio_condition_wait_for(struct asyncio_condition *condition, int (*predicate)(void *arg),
                                             void *arg);

/* Wakes the first n waiters that are not woken yet; they run when they get the lock. Returns: 0; -EPERM when the lock
 * is not held. */
ASYNCIO_API int asyncio_condition_notify(struct asyncio_condition *condition, size_t n);

/* Wakes all waiters. Returns: as asyncio_condition_notify. */
ASYNCIO_API int asyncio_condition_notify_all(struct asyncio_condition *condition);

struct asyncio_semaphore {
    const char *name;
    struct asyncio_link waiters;
    struct asyncio_loop *loop;
    size_t value;
    size_t bound;  /* of a bounded semaphore, else SIZE_MAX */
    size_t woken;  /* waiters that have been given a unit and have not run yet */
    const void *reserved[2];
};

#define ASYNCIO_SEMAPHORE_INIT(n)         {.value = (n), .bound = SIZE_MAX}
#define ASYNCIO_BOUNDED_SEMAPHORE_INIT(n) {.value = (n), .bound = (n)}

/* Prepares a semaphore with that many units. Returns: 0; -EINVAL when negative. */
ASYNCIO_API int asyncio_semaphore_init(struct asyncio_semaphore *semaphore, long value);

/* Prepares a semaphore that never has more units than at the start. Returns: 0; -EINVAL when negative. */
ASYNCIO_API int asyncio_bounded_semaphore_init(struct asyncio_semaphore *semaphore, long value);

/* Ends the use of a semaphore: asserts that nobody waits. */
ASYNCIO_API void asyncio_semaphore_fini(struct asyncio_semaphore *semaphore);

/* Takes one unit, in strict order of arrival. Returns: 0. Cancelled: not taken; one that had been handed over goes to
 * the next. */
ASYNCIO_ASYNC int asyncio_semaphore_acquire(struct asyncio_semaphore *semaphore);

/* Gives one unit back; any task or callback may. Returns: 0; -EOVERFLOW when a bounded one is full. */
ASYNCIO_API int asyncio_semaphore_release(struct asyncio_semaphore *semaphore);

/* True when it cannot be acquired at once. */
ASYNCIO_API bool asyncio_semaphore_locked(const struct asyncio_semaphore *semaphore);

struct asyncio_barrier {
    const char *name;
    struct asyncio_link waiters; /* arrived, while filling */
    struct asyncio_link blocked; /* newcomers, while draining or resetting */
    struct asyncio_loop *loop;
    size_t parties, count;
    int state;
    const void *reserved[2];
};

#define ASYNCIO_BARRIER_INIT(n) {.parties = (n)}

/* Prepares a barrier for that many tasks. Returns: 0; -EINVAL when less than 1. */
ASYNCIO_API int asyncio_barrier_init(struct asyncio_barrier *barrier, long parties);

/* Ends the use of a barrier: asserts that nobody waits. */
ASYNCIO_API void asyncio_barrier_fini(struct asyncio_barrier *barrier);

/* Waits until all parties have arrived. Returns: the place of arrival, from 0; -ASYNCIO_EBROKENBARRIER after a reset
 * or abort; -EINVAL when it was never initialised.
 * Cancelled: it has left again, the barrier is not broken. */
ASYNCIO_ASYNC int asyncio_barrier_wait(struct asyncio_barrier *barrier);

/* Sends everybody who waits away with -ASYNCIO_EBROKENBARRIER; the barrier can be used again. */
ASYNCIO_API void asyncio_barrier_reset(struct asyncio_barrier *barrier);

/* Breaks the barrier: all who wait and all who come get -ASYNCIO_EBROKENBARRIER, until a reset. */
ASYNCIO_API void asyncio_barrier_abort(struct asyncio_barrier *barrier);

/* How many tasks pass it together. */
ASYNCIO_API size_t asyncio_barrier_parties(const struct asyncio_barrier *barrier);

/* How many have arrived and wait; 0 while they leave. */
ASYNCIO_API size_t asyncio_barrier_n_waiting(const struct asyncio_barrier *barrier);

/* True after an abort. */
ASYNCIO_API bool asyncio_barrier_broken(const struct asyncio_barrier *barrier);

#ifndef __cplusplus
/* Python's "async with" for lock, semaphore and condition: acquires, runs the block, releases however the block is
 * left, by return, break or goto. `r` is an int that gets the result of the acquire; when that is negative the block
 * is skipped.
 *     ASYNCIO_WITH(lock, &lock, r) { ... }
 *     if (r < 0) return r;
 * break and continue inside the block leave the block. */
#define ASYNCIO_WITH(kind, object, r) ASYNCIO__WITH(ASYNCIO__PASTE(asyncio__scope_, __LINE__), kind, object, r)
#define ASYNCIO__WITH(scope, kind, object, r)                                                                  \
    for (struct asyncio__##kind##_scope scope __attribute__((cleanup(asyncio__##kind##_leave))) = {(object), 0}; \
         asyncio__##kind##_once(&scope, &(r));)
#define ASYNCIO__PASTE(a, b)          ASYNCIO__PASTE_EXPANDED(a, b)
#define ASYNCIO__PASTE_EXPANDED(a, b) a##b

#define ASYNCIO__SCOPE(kind)                                                                            \
    struct asyncio__##kind##_scope {                                                                    \
        struct asyncio_##kind *object;                                                                  \
        int state; /* 0: not tried, 1: held, 2: over */                                                 \
    };                                                                                                  \
    __attribute__((unused)) static inline bool asyncio__##kind##_once(                                  \
        struct asyncio__##kind##_scope *scope, int *r)                                                  \
    {                                                                                                   \
        if (scope->state != 0)                                                                          \
            return false;                                                                               \
        *r = asyncio_##kind##_acquire(scope->object);                                                   \
        scope->state = *r < 0 ? 2 : 1;                                                                  \
        return *r >= 0;                                                                                 \
    }                                                                                                   \
    __attribute__((unused)) static inline void asyncio__##kind##_leave(struct asyncio__##kind##_scope *scope) \
    {                                                                                                   \
        if (scope->state == 1)                                                                          \
            asyncio_##kind##_release(scope->object);                                                    \
        scope->state = 2;                                                                               \
    }

ASYNCIO__SCOPE(lock)
ASYNCIO__SCOPE(semaphore)
ASYNCIO__SCOPE(condition)
#undef ASYNCIO__SCOPE
#endif

/* ======================================================================================================= Subprocesses
 *
 * A child of this process, its pipes as streams. It is watched by a pidfd of its own: there is no handler of SIGCHLD,
 * no thread, and nobody else's child is ever waited for. In the simulator, which has no processes, all give
 * -EOPNOTSUPP. For example, the output of a command that is not to outlive this block:
 *
 *     struct asyncio_process *process ASYNCIO_KILLED = NULL;
 *     struct asyncio_communicated said;
 *
 *     r = asyncio_create_subprocess_shell(&process, "git log --oneline | head", .std_out = ASYNCIO_PIPE);
 *     if (r == 0)
 *         r = asyncio_process_communicate(process, NULL, 0, &said);
 *
 * Input of a process is a writer over a pipe: asyncio_streamwriter_close, or write_eof, is its end, for which what is
 * kept has as long as it takes; when the process reads no more it is -EPIPE. It has no address, and no TLS. Output is a
 * reader, which takes from the pipe what is asked of it: a process that says more than a pipe holds, 64 KiB, waits
 * until somebody reads. Of a terminal both belong to the same connection: the writer's close is the end of the
 * terminal, and write_eof is -ENOTSUP. */

struct asyncio_process;

/* What .std_in, .std_out and .std_err may be beside an fd of 1 or more; absent: the parent's own. */
enum asyncio_subprocess_io {
    ASYNCIO_PIPE = -1,    /* a pipe, whose other end is the process's stream */
    ASYNCIO_STDOUT = -2,  /* .std_err only: where standard output goes */
    ASYNCIO_DEVNULL = -3, /* /dev/null */
    ASYNCIO_PTY = -4,     /* a terminal of the child's own, the same for all three that say so; it becomes the
                             controlling one of a new session, and its other end is both streams */
    ASYNCIO_INHERIT = -5, /* the parent's own, as 0 where that does not mean ASYNCIO_PIPE */
};

/* Keywords of asyncio_create_subprocess_exec and asyncio_create_subprocess_shell, and of asyncio_loop_subprocess_exec
 * and asyncio_loop_subprocess_shell, to which a standard stream that is absent is ASYNCIO_PIPE. */
struct asyncio_subprocess_kw {
    size_t size; /* of this structure */
    const char *source;
    int std_in, std_out, std_err; /* an fd, which stays the caller's, or one of enum asyncio_subprocess_io */
    size_t limit;                 /* of the readers' lines, in bytes; 0: 64 KiB */
    const char *cwd;              /* where it starts; absent: the parent's directory */
    const char *const *env;       /* "NAME=value" ..., NULL at the end; absent: the parent's */
    const char *executable;       /* the file to run in place of argv[0], which is then only a name */
    const int *pass_fds;          /* stay open in the child, under the same numbers; no other one above 2 does */
    size_t n_pass_fds;
    bool start_new_session; /* setsid() */
    bool new_process_group; /* setpgid(0, 0); the first of a session leads one anyway */
    bool die_with_parent;   /* killed when the thread that made it ends (PR_SET_PDEATHSIG) */
    int umask;              /* plus 1; 0: the parent's */
    int rows, columns;      /* of the terminal; 0: 24 and 80 */
    const void *reserved[4];
};

/* Runs a program: argv[0], looked for in $PATH unless it has a '/', with the arguments argv, NULL at the end. In the
 * child all signals are unblocked and have their default action; SIGPIPE too. Keywords: see struct
 * asyncio_subprocess_kw.
 * Returns: 0, and one reference; -ENOENT, -EACCES, -ENOEXEC and whatever else exec says, with the step and the file in
 * asyncio_error_detail: nothing is left of the child; -EINVAL; -EMFILE; -EAGAIN when there are too many processes;
 * -ENOMEM; -ASYNCIO_ENOTASK. Cancelled: on entry; a child that was started is always returned. */
ASYNCIO_ASYNC int asyncio_create_subprocess_exec_kw(struct asyncio_process **ret_process, const char *const *argv,
                                                    const struct asyncio_subprocess_kw *kw);

/* Runs a command line of /bin/sh. What comes from outside has no place in it without quotes. Returns: likewise; a
 * command that is not found is the shell's exit status 127. */
ASYNCIO_ASYNC int asyncio_create_subprocess_shell_kw(struct asyncio_process **ret_process, const char *command,
                                                     const struct asyncio_subprocess_kw *kw);

/* Takes one more reference. Returns its argument. */
ASYNCIO_API struct asyncio_process *asyncio_process_ref(struct asyncio_process *process);

/* Drops a reference; NULL is allowed. The last one closes the streams that nobody else has; a child that runs goes on,
 * and is waited for when it ends, so that no zombie is left while the loop runs. Returns: NULL, always. */
ASYNCIO_API struct asyncio_process *asyncio_process_unref(struct asyncio_process *process);

/* Its number; of use only while it runs. */
ASYNCIO_API int asyncio_process_pid(const struct asyncio_process *process);

/* How it ended: its exit status, or minus the number of the signal that killed it; 255, with a warning, when somebody
 * else has waited for it. Returns: true; false while it runs, and nothing is set. */
ASYNCIO_API bool asyncio_process_returncode(const struct asyncio_process *process, int *ret_returncode);

/* Its standard streams, borrowed; NULL for what is neither a pipe nor the terminal. What comes out of a terminal is its
 * standard output, or error where only that is the terminal. */
ASYNCIO_API struct asyncio_streamwriter *asyncio_process_stdin(const struct asyncio_process *process);
ASYNCIO_API struct asyncio_streamreader *asyncio_process_stdout(const struct asyncio_process *process);
ASYNCIO_API struct asyncio_streamreader *asyncio_process_stderr(const struct asyncio_process *process);

/* Waits until it has ended, whether or not its pipes are still open; any number of tasks may. With pipes that nobody
 * reads it may never end: asyncio_process_communicate reads them. Returns: 0, and how it ended, unless NULL;
 * -ASYNCIO_ENOTASK; -ASYNCIO_EFOREIGNLOOP. Cancelled: the process goes on. */
ASYNCIO_ASYNC int asyncio_process_wait(struct asyncio_process *process, int *ret_returncode);

/* What a process has said; both are for asyncio_free, end with a 0 that does not count, and are NULL without a pipe. */
struct asyncio_communicated {
    char *out, *err;
    size_t out_size, err_size;
    int returncode;
};

/* Writes `input` to standard input, if that is a pipe, and closes it; reads what it says on both others until they
 * end, at the same time, so that nobody waits for the other for ever; then waits for its end. That it does not read
 * its input is no error. A terminal is not closed, but sent ^D twice. Returns: 0; -EBUSY when a task reads from its
 * streams or communicates; -EINVAL; errors of reading; -ENOMEM; -ASYNCIO_ENOTASK; -ASYNCIO_EFOREIGNLOOP. Cancelled: the
 * process goes on, and so may a second call: what was read is still to be read, what was not written of the input is
 * not. */
ASYNCIO_ASYNC int asyncio_process_communicate(struct asyncio_process *process, const void *input, size_t size,
                                              struct asyncio_communicated *ret_communicated);

/* Sends it a signal; by its pidfd, so never to a stranger with the same number. Returns: 0; -ESRCH when it has ended;
 * -EINVAL; -EPERM. */
ASYNCIO_API int asyncio_process_send_signal(struct asyncio_process *process, int signal);

/* SIGTERM, SIGKILL. */
ASYNCIO_API int asyncio_process_terminate(struct asyncio_process *process);
ASYNCIO_API int asyncio_process_kill(struct asyncio_process *process);

/* Asks it to end with SIGTERM, gives it `seconds`, then kills it; waits for its end. With 0 or less it is killed at
 * once. Where it leads a process group or session, all of that gets the signals. Returns: 0, also when it had ended;
 * -EINVAL for NaN; -ASYNCIO_ENOTASK; -ASYNCIO_EFOREIGNLOOP. Cancelled: it is killed now, and waited for all the same;
 * the cancel meets the next wait. */
ASYNCIO_ASYNC int asyncio_process_stop(struct asyncio_process *process, double seconds);

/* struct asyncio_process *process ASYNCIO_KILLED = NULL; -- at the end of the block it is killed if it still runs, as
 * by asyncio_process_stop with 0, waited for, and unreferenced. */
#define ASYNCIO_KILLED __attribute__((cleanup(asyncio__process_killed)))

/* Internal to ASYNCIO_KILLED. */
ASYNCIO_API void asyncio__process_killed(struct asyncio_process **process);

/* Waits until a process ends that need not be a child, whose exit status nobody can tell then. Returns: 0; -ESRCH when
 * there is none; -EINVAL; -ENOMEM; -EMFILE; -ASYNCIO_ENOTASK. Cancelled: no longer watched. */
ASYNCIO_ASYNC int asyncio_wait_pid(int pid);

/* For the first process of a container: adopts orphans (PR_SET_CHILD_SUBREAPER) and takes away those that end, until it
 * is cancelled; children of this library are left to their owners, and so are those of others in this process, which
 * must wait for them within a second. Calls reaped(arg, pid, returncode) for each, unless NULL. It is woken by SIGCHLD,
 * as by asyncio_signals_wait, and asks each process in /proc. Returns: -ECANCELED; -EBUSY when a task does it already;
 * -ENOENT without a /proc; -ENOMEM; -ASYNCIO_ENOTASK. */
ASYNCIO_ASYNC int asyncio_reap_orphans(void (*reaped)(void *arg, int pid, int returncode), void *arg);

#ifndef __cplusplus
#define asyncio_create_subprocess_exec(...) \
    ASYNCIO__SUBPROCESS_EXEC(__VA_ARGS__, .source = ASYNCIO_HERE, .size = sizeof(struct asyncio_subprocess_kw))
#define ASYNCIO__SUBPROCESS_EXEC(ret_process, argv, ...) \
    asyncio_create_subprocess_exec_kw((ret_process), (argv), &(const struct asyncio_subprocess_kw){__VA_ARGS__})
#define asyncio_create_subprocess_shell(...) \
    ASYNCIO__SUBPROCESS_SHELL(__VA_ARGS__, .source = ASYNCIO_HERE, .size = sizeof(struct asyncio_subprocess_kw))
#define ASYNCIO__SUBPROCESS_SHELL(ret_process, command, ...) \
    asyncio_create_subprocess_shell_kw((ret_process), (command), &(const struct asyncio_subprocess_kw){__VA_ARGS__})
#endif

/* ============================================================================================================= Queues
 *
 * Queues of pointers; the queue never looks at what they point to and never frees it. */

enum asyncio_queue_kind { ASYNCIO_QUEUE_FIFO, ASYNCIO_QUEUE_LIFO, ASYNCIO_QUEUE_PRIORITY };

/* Negative, zero or positive, as a stands before, beside or behind b. */
typedef int asyncio_compare(const void *a, const void *b);

struct asyncio_queue {
    const char *name;
    size_t maxsize; /* 0: unbounded */
    int kind;
    bool is_shut_down;
    asyncio_compare *compare; /* of a priority queue: the smallest item is first */
    void **items;
    size_t capacity, head, count;
    size_t unfinished;
    uint64_t tickets; /* numbers given to those who wait, so that one who was overtaken keeps its place */
    struct asyncio_link getters, putters, joiners;
    struct asyncio_loop *loop;
    size_t n_woken; /* waiters that have been woken and have not run yet */
    const void *reserved[4];
};

#define ASYNCIO_QUEUE_INIT(n)                   {.maxsize = (n)}
#define ASYNCIO_LIFO_QUEUE_INIT(n)              {.maxsize = (n), .kind = ASYNCIO_QUEUE_LIFO}
#define ASYNCIO_PRIORITY_QUEUE_INIT(n, compare_) {.maxsize = (n), .kind = ASYNCIO_QUEUE_PRIORITY, .compare = (compare_)}

/* Prepares a first-in first-out queue; maxsize of zero or less: unbounded. Zeroed memory is an unbounded queue too. */
ASYNCIO_API void asyncio_queue_init(struct asyncio_queue *queue, long maxsize);

/* Prepares a last-in first-out queue. */
ASYNCIO_API void asyncio_lifo_queue_init(struct asyncio_queue *queue, long maxsize);

/* Prepares a queue that gives the smallest item first; equal ones in no particular order. Returns: 0; -EINVAL without
 * compare. */
ASYNCIO_API int asyncio_priority_queue_init(struct asyncio_queue *queue, long maxsize, asyncio_compare *compare);

/* Frees the queue's own memory: asserts that nobody waits; items left in it are the caller's to free before, by
 * asyncio_queue_get_nowait. */
ASYNCIO_API void asyncio_queue_fini(struct asyncio_queue *queue);

/* Puts an item, waiting while the queue is full. Returns: 0; -ASYNCIO_EQUEUESHUTDOWN; -ENOMEM, the item then still
 * being the caller's. Cancelled: not put; a slot that was free for it goes to the next. */
ASYNCIO_ASYNC int asyncio_queue_put(struct asyncio_queue *queue, void *item);

/* Gets an item, waiting while the queue is empty. Returns: 0; -ASYNCIO_EQUEUESHUTDOWN when it is shut down and empty.
 * Cancelled: nothing was taken; an item that was meant for it goes to the next. */
ASYNCIO_ASYNC int asyncio_queue_get(struct asyncio_queue *queue, void **ret_item);

/* Puts without waiting. Returns: 0; -ASYNCIO_EQUEUEFULL; -ASYNCIO_EQUEUESHUTDOWN; -ENOMEM. */
ASYNCIO_API int asyncio_queue_put_nowait(struct asyncio_queue *queue, void *item);

/* Gets without waiting. Returns: 0; -ASYNCIO_EQUEUEEMPTY; -ASYNCIO_EQUEUESHUTDOWN. */
ASYNCIO_API int asyncio_queue_get_nowait(struct asyncio_queue *queue, void **ret_item);

/* Says that an item that was got has been dealt with. Returns: 0; -EOVERFLOW when called more often than items were
 * put. */
ASYNCIO_API int asyncio_queue_task_done(struct asyncio_queue *queue);

/* Waits until every item that was put has been dealt with. Returns: 0. Cancelled: nothing is changed. */
ASYNCIO_ASYNC int asyncio_queue_join(struct asyncio_queue *queue);

/* Shuts the queue down: puts fail from now on, gets when it is empty; with `immediate` the items are dropped, which
 * count as dealt with. May be repeated. To free dropped items, get them before. Never waits. */
ASYNCIO_API void asyncio_queue_shutdown(struct asyncio_queue *queue, bool immediate);

/* How many items are in it. */
ASYNCIO_API size_t asyncio_queue_qsize(const struct asyncio_queue *queue);

/* True when nothing is in it. */
ASYNCIO_API bool asyncio_queue_empty(const struct asyncio_queue *queue);

/* True when maxsize items are in it; never for an unbounded one. */
ASYNCIO_API bool asyncio_queue_full(const struct asyncio_queue *queue);

/* Its bound; 0 when it has none. */
ASYNCIO_API size_t asyncio_queue_maxsize(const struct asyncio_queue *queue);

/* ========================================================================================================= Threads */

/* Runs fn(arg) in a thread of the loop's default executor, with a copy of the caller's context. Returns: what fn
 * returned; -ASYNCIO_ECLOSED; -ENOMEM; -EAGAIN when no thread can be made; -EBUSY when the executor's queue is full.
 * Cancelled: a job that has not begun never will; one that has begun goes on without the caller and its result is
 * dropped, so its argument must outlive it. */
ASYNCIO_ASYNC int asyncio_to_thread(asyncio_coro *fn, void *arg);

/* Runs fn(arg) in an executor's thread, without the caller's context; NULL: the loop's default executor. Cancelling
 * the future takes a job that has not begun out of the queue, and leaves one that has begun alone: arg must outlive
 * it. In the simulator a job must not wait for a coroutine that sleeps, because time stands still while it runs.
 * Returns: one reference, never NULL; the errors of asyncio_to_thread arrive in it, also -EXDEV in a forked child of
 * the process that made the executor, and -ASYNCIO_ECLOSED when the loop is closed before the job has ended. */
ASYNCIO_API struct asyncio_future *asyncio_loop_run_in_executor(struct asyncio_loop *loop,
                                                                struct asyncio_executor *executor,
                                                                asyncio_coro *fn, void *arg);

/* Keywords of asyncio_thread_pool_executor. */
struct asyncio_executor_kw {
    size_t size;
    size_t max_workers; /* absent: the number of CPUs plus 4, at most 32 */
    const char *name;   /* of its threads, as far as 15 bytes go; absent: "asyncio" */
    size_t max_queued;  /* jobs that may wait for a thread; one more is refused with -EBUSY; absent: no limit */
    const void *reserved[2];
};

/* Makes an executor; its threads start as they are needed, with all signals blocked that others send. Any thread may
 * use it. Keywords: see struct asyncio_executor_kw. Returns: 0 and one reference; -EINVAL; -ENOMEM. */
ASYNCIO_API int asyncio_thread_pool_executor_kw(struct asyncio_executor **ret_executor,
                                                const struct asyncio_executor_kw *kw);

/* Takes one more reference; any thread; NULL is allowed. */
ASYNCIO_API struct asyncio_executor *asyncio_executor_ref(struct asyncio_executor *executor);

/* Drops a reference; the last one shuts it down without waiting. Any thread. Returns: NULL, always. */
ASYNCIO_API struct asyncio_executor *asyncio_executor_unref(struct asyncio_executor *executor);

/* Takes no more jobs and lets those that have begun end; those queued are done too, or end with -ECANCELED when
 * `cancel_queued`. Blocks the thread for up to `seconds` until its threads have ended, so not from a task. Any
 * thread. Returns: 0; -ETIMEDOUT when some run on; -EINVAL for NULL and NaN; -EDEADLK from one of its own threads, when
 * `seconds` is above 0. */
ASYNCIO_API int asyncio_executor_shutdown(struct asyncio_executor *executor, bool cancel_queued, double seconds);

/* How an executor fares. */
struct asyncio_executor_info {
    size_t size; /* of this structure */
    size_t n_threads, n_busy, n_queued;
    uint64_t n_done, n_cancelled, n_refused; /* jobs so far: those that have run, were taken back, found no room */
    double longest_wait;                     /* seconds that a job has waited for a thread, at most, so far */
};

/* Fills it in, as far as `ret_info->size` goes, which has to be set. Any thread. Returns: 0; -EINVAL; -EXDEV in a
 * forked child of the process that made it. */
ASYNCIO_API int asyncio_executor_info(struct asyncio_executor *executor, struct asyncio_executor_info *ret_info);

/* Makes an executor the loop's default; the loop takes a reference. Returns: 0; -EINVAL; -ASYNCIO_ECLOSED. */
ASYNCIO_API int asyncio_loop_set_default_executor(struct asyncio_loop *loop, struct asyncio_executor *executor);

/* Waits until the default executor's jobs are done and its threads have ended; no new ones are taken. The seconds are
 * of real time, also in the simulator. Returns: 0; -ETIMEDOUT after so many seconds, with a report: the threads are
 * left to themselves then; -EINVAL; -ASYNCIO_EFOREIGNLOOP; -ENOMEM; -EAGAIN when there is no thread to wait in.
 * Cancelled: the executor is shut down all the same, only nobody waits for it. */
ASYNCIO_ASYNC int asyncio_loop_shutdown_default_executor(struct asyncio_loop *loop, double seconds);

/* Starts a task on a loop of another thread. Any thread. Keywords: struct asyncio_task_kw; what they point at is
 * copied or referenced, and a .context is not used by the caller's thread meanwhile. Returns: 0 and one reference to
 * what to wait on; -EINVAL; -ASYNCIO_ECLOSED; -ENOMEM; .free_arg is not called then. */
ASYNCIO_API int asyncio_run_coroutine_threadsafe_kw(asyncio_coro *fn, void *arg, struct asyncio_loop *loop,
                                                    struct asyncio_thread_future **ret_future,
                                                    const struct asyncio_task_kw *kw);

/* Blocks this thread until the task is done, at most that many seconds. Any thread but the loop's.
 * Returns: its outcome; -ETIMEDOUT while it goes on, or as its outcome (asyncio_thread_future_done tells); -EDEADLK
 * from the loop's own thread; -ASYNCIO_ECLOSED when the loop was closed before it ended; -EINVAL for NaN. */
ASYNCIO_API int asyncio_thread_future_result(struct asyncio_thread_future *future, double seconds);

/* Asks the task to cancel. Any thread. Returns: 1; 0 when it is done already or the loop is closed. */
ASYNCIO_API int asyncio_thread_future_cancel(struct asyncio_thread_future *future);

/* True when it is done. Any thread. */
ASYNCIO_API bool asyncio_thread_future_done(struct asyncio_thread_future *future);

/* Takes one more reference. Any thread; NULL is allowed. */
ASYNCIO_API struct asyncio_thread_future *asyncio_thread_future_ref(struct asyncio_thread_future *future);

/* Drops a reference; the task goes on. Any thread. Returns: NULL, always. */
ASYNCIO_API struct asyncio_thread_future *asyncio_thread_future_unref(struct asyncio_thread_future *future);

/* A future of the running loop that gets the outcome of a thread future; cancelling it cancels that one. Returns: one
 * reference, never NULL: a failed future with -EINVAL, -ASYNCIO_ENOLOOP or -ENOMEM; it ends with -ASYNCIO_ECLOSED when
 * its loop is closed before the other one is done. */
ASYNCIO_API struct asyncio_future *asyncio_wrap_future(struct asyncio_thread_future *future);

#ifndef __cplusplus
#define asyncio_thread_pool_executor(...) \
    ASYNCIO__THREAD_POOL_EXECUTOR(__VA_ARGS__, .size = sizeof(struct asyncio_executor_kw))
#define ASYNCIO__THREAD_POOL_EXECUTOR(ret_executor, ...) \
    asyncio_thread_pool_executor_kw((ret_executor), &(const struct asyncio_executor_kw){__VA_ARGS__})
#define asyncio_run_coroutine_threadsafe(...) \
    ASYNCIO__RUN_COROUTINE_THREADSAFE(__VA_ARGS__, .source = ASYNCIO_HERE, .size = sizeof(struct asyncio_task_kw))
#define ASYNCIO__RUN_COROUTINE_THREADSAFE(fn, arg, loop, ret_future, ...) \
    asyncio_run_coroutine_threadsafe_kw((fn), (arg), (loop), (ret_future), &(const struct asyncio_task_kw){__VA_ARGS__})
#endif

/* ========================================================================================================= Many cores
 *
 * A task never changes its thread: more cores are more loops, one a thread, each with tasks of its own, and messages in
 * between. */

/* What each worker's main function is called with. */
struct asyncio_worker {
    unsigned index, n; /* which of how many, from 0 */
    void *arg;
    void *reserved;
};

/* Keywords of asyncio_run_workers. */
struct asyncio_workers_kw {
    size_t size;         /* of this structure */
    const char *backend; /* as in struct asyncio_loop_kw */
    bool debug;
    /* Each thread runs on a processor of its own, in turn; so do threads and processes that it starts. */
    bool pinned;
    double teardown_timeout; /* as in struct asyncio_run_kw */
    bool keep_signals;       /* SIGINT and SIGTERM do not cancel the main functions */
    const void *reserved[4];
};

/* Runs main(worker) on n loops at once, each in a thread of its own, the first in this one; 0: one for each processor
 * that this process may use. None begins before all loops are there; each has a copy of the caller's context.
 *
 * The first main that fails cancels the others, each once at most. So does, when this is called in the process's first
 * thread, the first SIGINT or SIGTERM that would have had its default action; a second one of either, and one that
 * comes when all mains have ended, has it. Each loop ends as in asyncio_run. Keywords: see struct asyncio_workers_kw.
 * Returns: the first error, in order of time, that no cancel of another brought about; else -EINTR when a signal ended
 * one, and not when all took the cancel for a wish to stop and returned 0 or more; else 0. -EAGAIN when a thread could
 * not be made, and the errors of asyncio_new_event_loop: none has run then. -EINVAL; -ENOMEM; -ASYNCIO_ERUNNING; -EBUSY
 * as asyncio_run. */
ASYNCIO_API int asyncio_run_workers_kw(unsigned n, int (*main)(struct asyncio_worker *worker), void *arg,
                                       const struct asyncio_workers_kw *kw);

/* Says to the kernel which of the sockets that share a server's port, by .reuse_port, a new connection goes to: the one
 * that began to listen as the kth, from 0, where k is the number of the processor that received it, modulo n. So the
 * connection meets a warm cache where each of n .pinned workers has begun to listen as the kth. When a socket is closed
 * the last one gets its place. Without it the kernel spreads connections evenly.
 * Returns: 0; -ENOTSUP where the kernel cannot, and in the simulator; -EINVAL for n of 0 and a server that shares no
 * port. */
ASYNCIO_API int asyncio_server_steer(struct asyncio_server *server, unsigned n);

/* Messages from any thread to one loop, the first receiver's: pointers, first in, first out from each sender. A send
 * never blocks, needs no memory, and wakes the loop once for all that is there, if somebody waits there. Those of all
 * workers can be made before asyncio_run_workers, and ended after it. Caller's memory. */
struct asyncio_mailbox {
    void *state; /* fields are the library's */
    const void *reserved;
};

/* Makes one, with or without a loop. `limit`: messages that it holds at most; 0: 1024. Returns: 0; -ENOMEM; -EINVAL. */
ASYNCIO_API int asyncio_mailbox_init(struct asyncio_mailbox *mailbox, size_t limit);

/* Ends it: messages that nobody has taken go to drop(message), unless NULL. Nobody may wait in it, or send to it any
 * more. The receivers' thread, or any when their loop is closed. Harmless on one that init has refused. */
ASYNCIO_API void asyncio_mailbox_fini(struct asyncio_mailbox *mailbox, void (*drop)(void *message));

/* Sends a message, not NULL. Any thread, not a signal handler. Returns: 0, and it is the receiver's; -EAGAIN when the
 * mailbox is full; -ASYNCIO_EQUEUESHUTDOWN when it was shut down, or the receivers' loop closed; -EINVAL. */
ASYNCIO_API int asyncio_mailbox_send(struct asyncio_mailbox *mailbox, void *message);

/* No more messages are taken; those that are there can still be received. Any thread. */
ASYNCIO_API void asyncio_mailbox_shutdown(struct asyncio_mailbox *mailbox);

/* Waits for the next message; any number of tasks of one loop, which is no dead lock. Returns: 0;
 * -ASYNCIO_EQUEUESHUTDOWN when it is empty and shut down; -ASYNCIO_EFOREIGNLOOP; -ASYNCIO_ENOTASK; -EINVAL. Cancelled:
 * the message keeps its place. */
ASYNCIO_ASYNC int asyncio_mailbox_receive(struct asyncio_mailbox *mailbox, void **ret_message);

/* ---- Listening sockets for a successor: another process, or the program after exec.
 *
 * Who waits in the backlog is with the socket: while one of the two processes has it open, nobody is refused. */

/* Sends the descriptors of sockets, with a word about them of up to 255 bytes, or NULL, over a connected Unix stream
 * socket; the sockets stay open here. What is sent by other calls stays apart from it. Returns: 0; -EINVAL for none or
 * more than 64, or too long a text; -EBADF for a closed one; -EOPNOTSUPP in the simulator; as asyncio_sock_sendall.
 * Cancelled: nothing was sent; when it was, 0 is returned and the cancel meets the next wait. */
ASYNCIO_ASYNC int asyncio_send_sockets(struct asyncio_socket *to, struct asyncio_socket *const *sockets, size_t n,
                                       const char *text);

/* Receives them. `*n`: how many there is room for, then how many came, each with one reference; of the text, which may
 * be NULL, as much as there is room for. Returns: 0; -ECONNRESET at the end of the stream; -EMSGSIZE when there were
 * more, -EMFILE when the process may not have as many, -EPROTO for what is no such message or no sockets, -ENOMEM: what
 * came is closed here then; -EOPNOTSUPP in the simulator; -EINVAL; as asyncio_sock_recv. Cancelled: none is lost. */
ASYNCIO_ASYNC int asyncio_receive_sockets(struct asyncio_socket *from, struct asyncio_socket **ret_sockets,
                                          size_t *n, char *text, size_t text_size);

/* The sockets that a service manager or a predecessor has left open for this process, from number 3 on: $LISTEN_FDS
 * when $LISTEN_PID is this process; the variables are removed, so that children do not believe them, and nobody asks
 * twice. Returns: how many, and each with one reference, for .sock of a server; 0 when there are none. On failure all
 * is as it was: -EMSGSIZE when there are more than `size`; -EINVAL for a $LISTEN_FDS that is no number; as
 * asyncio_socket_from_fd. */
ASYNCIO_API ssize_t asyncio_listen_sockets(struct asyncio_socket **ret_sockets, size_t size);

/* Another handle of the socket a server listens on, counted from 0, for the calls above: with a descriptor of its own,
 * which goes on listening when the server is closed. The file of a Unix socket is not removed by the server any more.
 * Returns: 0, and one reference; -EINVAL for an index that is none; -EMFILE; -ENOMEM; -EXDEV outside of the server's
 * loop; -EOPNOTSUPP in the simulator. */
ASYNCIO_API int asyncio_server_socket(struct asyncio_server *server, size_t index, struct asyncio_socket **ret_socket);

#ifndef __cplusplus
#define asyncio_run_workers(...) ASYNCIO__RUN_WORKERS(__VA_ARGS__, .size = sizeof(struct asyncio_workers_kw))
#define ASYNCIO__RUN_WORKERS(n, main, arg, ...) \
    asyncio_run_workers_kw((n), (main), (arg), &(const struct asyncio_workers_kw){__VA_ARGS__})
#endif

/* ====================================================================================================== Event loop */

/* The loop that runs in this thread, borrowed; NULL when none does. After a fork the child has none. */
ASYNCIO_API struct asyncio_loop *asyncio_get_running_loop(void);

/* The running loop, or the one that asyncio_set_event_loop gave this thread, borrowed; NULL when there is neither. */
ASYNCIO_API struct asyncio_loop *asyncio_get_event_loop(void);

/* Makes a loop this thread's; it is not referenced, and forgotten when it is closed in this thread. NULL: none. */
ASYNCIO_API void asyncio_set_event_loop(struct asyncio_loop *loop);

/* Takes one more reference. Any thread; NULL is allowed. */
ASYNCIO_API struct asyncio_loop *asyncio_loop_ref(struct asyncio_loop *loop);

/* Drops a reference. The last one closes a loop that is open, with a warning, and frees it, unless tasks are
 * suspended. Any thread, when it is closed. Returns: NULL, always. */
ASYNCIO_API struct asyncio_loop *asyncio_loop_unref(struct asyncio_loop *loop);

/* Runs until asyncio_loop_stop. When every task waits and nothing can wake them, that is reported once, and the run
 * goes on. Returns: 0; -ASYNCIO_ECLOSED; -ASYNCIO_ERUNNING when it or another loop of this thread runs; -EXDEV when
 * it has suspended tasks and belongs to another thread, and in a forked child, unless it has never run; -EINVAL; what
 * the kernel said when polling fails.
 *
 * Forks: a child has its parent's loops in name only. It may close them, which the parent does not notice, or leave
 * them alone, and make its own; of what they have it may drop its references. A child that returns into the run that
 * it forked in finds it ended with -EXDEV. A loop that has never run, with what is scheduled and its signal handlers,
 * is the first one's that uses it: so a daemon may make it before it forks. */
ASYNCIO_API int asyncio_loop_run_forever(struct asyncio_loop *loop);

/* Runs until a coroutine, started as a task, is done. Returns: what it returned; -ASYNCIO_ESTOPPED when the loop was
 * stopped before; -EDEADLK when every task waits and nothing can wake them, with a report; else as
 * asyncio_loop_run_forever. */
ASYNCIO_API int asyncio_loop_run_until_complete(struct asyncio_loop *loop, asyncio_coro *fn, void *arg);

/* The same for a future, which is borrowed. Returns also: -ASYNCIO_EFOREIGNLOOP. */
ASYNCIO_API int asyncio_loop_run_until_complete_future(struct asyncio_loop *loop, struct asyncio_future *future);

/* Lets the loop end after the present turn; before a run, that run is one turn long. */
ASYNCIO_API void asyncio_loop_stop(struct asyncio_loop *loop);

/* Closes a loop: what is scheduled will not run; a task that never started ends as cancelled, and the exception
 * handler is told. Harmless when repeated. Returns: 0, in a forked child always; -EINVAL; -ASYNCIO_ERUNNING; -EXDEV;
 * -EBUSY when tasks are suspended, which are named in the log: cancel them and run the loop first (asyncio_run does).
 */
ASYNCIO_API int asyncio_loop_close(struct asyncio_loop *loop);

/* True between the start and the end of a run; false in a forked child. */
ASYNCIO_API bool asyncio_loop_is_running(const struct asyncio_loop *loop);

/* True once closed. */
ASYNCIO_API bool asyncio_loop_is_closed(const struct asyncio_loop *loop);

/* The loop's clock, in seconds: monotonic, from an arbitrary start; 0 once closed. */
ASYNCIO_API double asyncio_loop_time(struct asyncio_loop *loop);

/* The name of the loop's back end: "epoll", "sim". */
ASYNCIO_API const char *asyncio_loop_backend(const struct asyncio_loop *loop);

/* Why the loop has this back end, in words: "asked for by ASYNCIO_BACKEND". */
ASYNCIO_API const char *asyncio_loop_backend_reason(const struct asyncio_loop *loop);

/* Calls callback(arg) in the next turn, after what was scheduled before. Keywords: struct asyncio_callback_kw.
 * Returns: 0; -EINVAL; -ENOMEM; -ASYNCIO_ECLOSED; -EXDEV from another thread than the running loop's, in debug
 * mode. */
ASYNCIO_API int asyncio_loop_call_soon_kw(struct asyncio_loop *loop, asyncio_callback *callback, void *arg,
                                          const struct asyncio_callback_kw *kw);

/* Calls callback(arg) in so many seconds, not earlier; equal times in the order of these calls. Returns: as
 * asyncio_loop_call_soon; -EINVAL for NaN. */
ASYNCIO_API int asyncio_loop_call_later_kw(struct asyncio_loop *loop, double seconds, asyncio_callback *callback,
                                           void *arg, const struct asyncio_callback_kw *kw);

/* Calls callback(arg) at a time of the loop's clock, in seconds. Returns: as asyncio_loop_call_soon; -EINVAL for
 * NaN. */
ASYNCIO_API int asyncio_loop_call_at_kw(struct asyncio_loop *loop, double when, asyncio_callback *callback, void *arg,
                                        const struct asyncio_callback_kw *kw);

/* asyncio_loop_call_soon for any thread and for signal handlers; wakes the loop. The handle may be cancelled from any
 * thread: a cancel either prevents the call or waits until it is over, unless it comes from the callback itself. A
 * .context is not used by the caller's thread meanwhile. From a signal handler give one, so that none is copied:
 * copying allocates.
 * Returns: 0; -EINVAL; -ENOMEM; -ASYNCIO_ECLOSED. */
ASYNCIO_API int asyncio_loop_call_soon_threadsafe_kw(struct asyncio_loop *loop, asyncio_callback *callback, void *arg,
                                                     const struct asyncio_callback_kw *kw);

/* Cancels a scheduled callback; harmless when it has run, is running or was cancelled. NULL is allowed. */
ASYNCIO_API void asyncio_handle_cancel(struct asyncio_handle *handle);

/* True when it was cancelled before it ran. */
ASYNCIO_API bool asyncio_handle_cancelled(const struct asyncio_handle *handle);

/* The time that a callback was scheduled for, by the loop's clock; NaN for one of call_soon. */
ASYNCIO_API double asyncio_handle_when(const struct asyncio_handle *handle);

/* Takes one more reference; NULL is allowed. */
ASYNCIO_API struct asyncio_handle *asyncio_handle_ref(struct asyncio_handle *handle);

/* Drops a reference; the callback stays scheduled. Returns: NULL, always. */
ASYNCIO_API struct asyncio_handle *asyncio_handle_unref(struct asyncio_handle *handle);

enum asyncio_fd_events { ASYNCIO_READABLE = 1, ASYNCIO_WRITABLE = 4 };

/* Calls callback(arg) whenever fd can be read, until removed; replaces the previous reader. The fd stays the
 * caller's, who removes it before closing. Returns: 0; -EINVAL; -EBADF; -EPERM for a file that cannot be polled; -EBUSY
 * for the fd of a socket or stream of the loop on which a task has waited; -ENOMEM; -ASYNCIO_ECLOSED; -EOPNOTSUPP in
 * the simulator. */
ASYNCIO_API int asyncio_loop_add_reader(struct asyncio_loop *loop, int fd, asyncio_callback *callback, void *arg);

/* Ends the watch. Returns: 1; 0 when there was none. */
ASYNCIO_API int asyncio_loop_remove_reader(struct asyncio_loop *loop, int fd);

/* As asyncio_loop_add_reader, whenever fd can be written. */
ASYNCIO_API int asyncio_loop_add_writer(struct asyncio_loop *loop, int fd, asyncio_callback *callback, void *arg);

/* Ends the watch. Returns: 1; 0 when there was none. */
ASYNCIO_API int asyncio_loop_remove_writer(struct asyncio_loop *loop, int fd);

/* Calls callback(arg) in the loop each time the process receives a signal, until removed; replaces the loop's earlier
 * handler of that signal. Several loops of a process may have one, and each of them is told. System calls that a signal
 * interrupts are restarted. What the signal did before comes back with the last handler's removal, or its loop's
 * close, and in a forked child at once. While there is one, waiting tasks are no dead lock. In asyncio_run a handler of
 * SIGINT takes the place of its cancel of the main task.
 * Returns: 0; -EINVAL for a number that is no signal, for SIGKILL and SIGSTOP, which nobody can catch, and for those
 * that a fault of the program raises, such as SIGSEGV; -ENOMEM; -ASYNCIO_ECLOSED; -EXDEV from another thread than the
 * running loop's, and in a forked child for its parent's loop. */
ASYNCIO_API int asyncio_loop_add_signal_handler(struct asyncio_loop *loop, int signal, asyncio_callback *callback,
                                                void *arg);

/* Ends it: no signal calls it any more, not even one that has come. Returns: 1; 0 when there was none; -EINVAL and
 * -EXDEV likewise. */
ASYNCIO_API int asyncio_loop_remove_signal_handler(struct asyncio_loop *loop, int signal);

/* Signals for straight-line code, which wait for nobody to come:
 *
 *     struct asyncio_signals signals;
 *
 *     r = asyncio_signals_init(&signals, (const int[]){SIGTERM, SIGHUP}, 2);
 *     ...
 *     while ((signal = asyncio_signals_wait(&signals)) == SIGHUP)
 *         reload();
 *     asyncio_signals_fini(&signals);
 *
 * Caller's memory, which must not move. Several may look out for the same signal, beside a handler of the loop. */
struct asyncio_signals {
    struct asyncio_loop *loop; /* fields are the library's */
    void *watches;
    struct asyncio_link waiters; /* empty while a bit is set */
    uint64_t pending;            /* bit n - 1: signal n has come since somebody last waited */
};

/* Begins to look out for `n` signals, at least one, for the running loop. Returns: 0; -EINVAL as with
 * asyncio_loop_add_signal_handler; -ENOMEM; -ASYNCIO_ENOLOOP. */
ASYNCIO_API int asyncio_signals_init(struct asyncio_signals *signals, const int *numbers, size_t n);

/* Waits for the next. One that came several times before somebody waits counts once; the lowest number is first.
 * Returns: its number; -ASYNCIO_ENOTASK; -EINVAL when it was not initialised; -ASYNCIO_EFOREIGNLOOP.
 * Cancelled: no signal is lost. */
ASYNCIO_ASYNC int asyncio_signals_wait(struct asyncio_signals *signals);

/* Ends it; nobody may wait. Harmless on one that init has refused. */
ASYNCIO_API void asyncio_signals_fini(struct asyncio_signals *signals);

/* Waits until a foreign fd can be read or written, for straight-line use of other libraries; `events` as in enum
 * asyncio_fd_events. A pending cancel is met on entry.
 * Returns: the events that are there, also after a hang-up or error on the fd; -EINVAL; -EBADF; -EPERM for a file
 * that cannot be polled; -EBUSY when a task waits for the same fd and direction; -ENOMEM; -EOPNOTSUPP in the
 * simulator.
 * Cancelled: no longer registered; when an event came first it is returned, and the cancel meets the next wait. */
ASYNCIO_ASYNC int asyncio_wait_fd(int fd, unsigned events);

/* Tells the loop that a foreign thread or signal handler may yet wake it, so that waiting tasks are no dead lock.
 * Holds are counted. Any thread. */
ASYNCIO_API void asyncio_loop_hold(struct asyncio_loop *loop);

/* Takes one hold back. Any thread. */
ASYNCIO_API void asyncio_loop_release(struct asyncio_loop *loop);

/* What an exception handler is told. All is borrowed for the duration of the call. */
struct asyncio_exception_context {
    size_t size;
    const char *message;
    int error;                     /* negative; 0 when there is none */
    struct asyncio_future *future; /* or task; may be NULL */
    struct asyncio_handle *handle; /* may be NULL */
    const char *source;            /* where the future was made, in debug mode; may be NULL */
    void *object;                  /* anything else that it is about; may be NULL */
};

typedef void asyncio_exception_handler(struct asyncio_loop *loop, const struct asyncio_exception_context *context,
                                       void *arg);

/* Sets who is told of errors that nobody retrieved; NULL restores the default, which logs them. It runs as a plain
 * callback, in the context of the task that the error is of. */
ASYNCIO_API void asyncio_loop_set_exception_handler(struct asyncio_loop *loop, asyncio_exception_handler *handler,
                                                    void *arg);

/* The handler that was set, or NULL. */
ASYNCIO_API asyncio_exception_handler *asyncio_loop_get_exception_handler(struct asyncio_loop *loop);

/* Logs what happened; for handlers that deal with some errors only. */
ASYNCIO_API void asyncio_loop_default_exception_handler(struct asyncio_loop *loop,
                                                        const struct asyncio_exception_context *context);

/* Tells the loop's exception handler. */
ASYNCIO_API void asyncio_loop_call_exception_handler(struct asyncio_loop *loop,
                                                     const struct asyncio_exception_context *context);

/* Debug mode: checks of threads and arguments, slow callbacks reported, sources of unretrieved errors. */
ASYNCIO_API void asyncio_loop_set_debug(struct asyncio_loop *loop, bool debug);

/* True in debug mode. */
ASYNCIO_API bool asyncio_loop_get_debug(const struct asyncio_loop *loop);

/* How many seconds a callback or a task's step may take in debug mode before it is reported; 0.1 at first. Returns:
 * 0; -EINVAL. */
ASYNCIO_API int asyncio_loop_set_slow_callback_duration(struct asyncio_loop *loop, double seconds);

#ifndef __cplusplus
#define asyncio_loop_call_soon(...) \
    ASYNCIO__CALL_SOON(__VA_ARGS__, .source = ASYNCIO_HERE, .size = sizeof(struct asyncio_callback_kw))
#define ASYNCIO__CALL_SOON(loop, callback, arg, ...) \
    asyncio_loop_call_soon_kw((loop), (callback), (arg), &(const struct asyncio_callback_kw){__VA_ARGS__})
#define asyncio_loop_call_later(...) \
    ASYNCIO__CALL_LATER(__VA_ARGS__, .source = ASYNCIO_HERE, .size = sizeof(struct asyncio_callback_kw))
#define ASYNCIO__CALL_LATER(loop, seconds, callback, arg, ...) \
    asyncio_loop_call_later_kw((loop), (seconds), (callback), (arg), &(const struct asyncio_callback_kw){__VA_ARGS__})
#define asyncio_loop_call_at(...) \
    ASYNCIO__CALL_AT(__VA_ARGS__, .source = ASYNCIO_HERE, .size = sizeof(struct asyncio_callback_kw))
#define ASYNCIO__CALL_AT(loop, when, callback, arg, ...) \
    asyncio_loop_call_at_kw((loop), (when), (callback), (arg), &(const struct asyncio_callback_kw){__VA_ARGS__})
#define asyncio_loop_call_soon_threadsafe(...) \
    ASYNCIO__CALL_SOON_THREADSAFE(__VA_ARGS__, .source = ASYNCIO_HERE, .size = sizeof(struct asyncio_callback_kw))
#define ASYNCIO__CALL_SOON_THREADSAFE(loop, callback, arg, ...) \
    asyncio_loop_call_soon_threadsafe_kw((loop), (callback), (arg), &(const struct asyncio_callback_kw){__VA_ARGS__})
#endif

/* ============================================================================================================ Sockets
 *
 * Sockets without streams around them, as loop.sock_recv and its like in Python. A socket is the library's: it is
 * non-blocking, closed on exec, belongs to the loop that ran when it was made, and works in the simulator too. One task
 * at a time may wait in each direction; a second one gets -EBUSY.
 *
 * These hold for all that wait. Returns: also -ASYNCIO_ECLOSED when the socket is closed meanwhile; -EBADF when it was
 * before; -EBUSY; -ASYNCIO_ENOTASK; -EXDEV outside of the socket's loop; the kernel's errors. Cancelled: it has not
 * happened; when it had happened already, its result is returned and the cancel meets the next wait. So no byte that
 * arrived and no connection that was accepted is ever lost. */

/* Makes a socket: AF_INET, SOCK_STREAM, 0 and so on. Returns: 0, and a socket that the caller unrefs; the errors of
 * socket(2); -ASYNCIO_ENOLOOP; -ENOMEM. */
ASYNCIO_API int asyncio_socket(int domain, int type, int protocol, struct asyncio_socket **ret_socket);

/* Makes two that are connected; AF_UNIX. Returns: as asyncio_socket. */
ASYNCIO_API int asyncio_socketpair(int domain, int type, int protocol, struct asyncio_socket *ret_sockets[2]);

/* Makes a socket of an fd, which it owns from then on, and makes the fd non-blocking and closed on exec.
 * Returns: 0; -ENOTSOCK; -EBADF; -EBUSY when the fd is watched, or belongs to another socket of the loop that a task
 * has waited on; -EOPNOTSUPP in the simulator; -ASYNCIO_ENOLOOP; -ENOMEM; on failure the fd stays the caller's. */
ASYNCIO_API int asyncio_socket_from_fd(int fd, struct asyncio_socket **ret_socket);

/* Takes a reference. Returns its argument. */
ASYNCIO_API struct asyncio_socket *asyncio_socket_ref(struct asyncio_socket *socket);

/* Gives a reference back; NULL is allowed. The last one closes the socket, also when its loop is closed already.
 * Returns NULL. */
ASYNCIO_API struct asyncio_socket *asyncio_socket_unref(struct asyncio_socket *socket);

/* Closes a socket: whoever waits on it gets -ASYNCIO_ECLOSED. A second call does nothing. Returns: 0; errors of
 * close(2), after which it is closed too. */
ASYNCIO_API int asyncio_socket_close(struct asyncio_socket *socket);

/* Takes the fd out of the socket, which is closed then; the fd is non-blocking and the caller's to close.
 * Returns: the fd; -EBUSY while a task waits on it; -EBADF; -EOPNOTSUPP in the simulator. */
ASYNCIO_API int asyncio_socket_detach(struct asyncio_socket *socket);

/* The fd, borrowed, for calls that this library does not have. Returns: the fd; -EBADF when closed. */
ASYNCIO_API int asyncio_socket_fileno(const struct asyncio_socket *socket);

/* As bind(2), listen(2), shutdown(2), getsockname(2), getpeername(2), setsockopt(2). Returns: 0; their errors;
 * -EBADF. */
ASYNCIO_API int asyncio_socket_bind(struct asyncio_socket *socket, const struct asyncio_address *address);
ASYNCIO_API int asyncio_socket_listen(struct asyncio_socket *socket, int backlog);
ASYNCIO_API int asyncio_socket_shutdown(struct asyncio_socket *socket, int how);
ASYNCIO_API int asyncio_socket_getsockname(const struct asyncio_socket *socket, struct asyncio_address *ret_address);
ASYNCIO_API int asyncio_socket_getpeername(const struct asyncio_socket *socket, struct asyncio_address *ret_address);
ASYNCIO_API int asyncio_socket_setsockopt(struct asyncio_socket *socket, int level, int name, const void *value,
                                          size_t size);

/* As getsockopt(2). Returns: the size of the value; its errors; -EBADF. */
ASYNCIO_API ssize_t asyncio_socket_getsockopt(const struct asyncio_socket *socket, int level, int name,
                                              void *ret_value, size_t size);

/* Receives up to `size` bytes, and waits for the first. Returns: bytes, 0 at the end of a stream. */
ASYNCIO_ASYNC ssize_t asyncio_sock_recv(struct asyncio_socket *socket, void *buffer, size_t size);

/* Receives a datagram and, unless NULL, the address of who sent it; what does not fit into the buffer is lost.
 * Returns: bytes. */
ASYNCIO_ASYNC ssize_t asyncio_sock_recvfrom(struct asyncio_socket *socket, void *buffer, size_t size,
                                            struct asyncio_address *ret_address);

/* Sends what the kernel takes at once, and waits until it takes something. Returns: bytes. */
ASYNCIO_ASYNC ssize_t asyncio_sock_send(struct asyncio_socket *socket, const void *data, size_t size);

/* Sends everything, in several parts if need be. Returns: 0; an error, after which nobody knows how much was sent.
 * Cancelled: likewise; who has to know uses asyncio_sock_send. */
ASYNCIO_ASYNC int asyncio_sock_sendall(struct asyncio_socket *socket, const void *data, size_t size);

/* Sends a datagram, to the connected peer when the address is NULL. Returns: bytes. */
ASYNCIO_ASYNC ssize_t asyncio_sock_sendto(struct asyncio_socket *socket, const void *data, size_t size,
                                          const struct asyncio_address *address);

/* Connects. Cancelled: it is unknown whether the connection was made; close the socket. Returns: 0. */
ASYNCIO_ASYNC int asyncio_sock_connect(struct asyncio_socket *socket, const struct asyncio_address *address);

/* Accepts a connection and, unless NULL, tells the peer's address, an empty one when the peer has gone again.
 * Connections that were given up while they waited are passed over. Returns: 0, and a socket that the caller unrefs;
 * -EMFILE, -ENOMEM and the like, and the connection goes on waiting. */
ASYNCIO_ASYNC int asyncio_sock_accept(struct asyncio_socket *socket, struct asyncio_socket **ret_socket,
                                      struct asyncio_address *ret_address);

/* Keywords of asyncio_sock_sendfile. */
struct asyncio_sendfile_kw {
    size_t size;      /* of this structure */
    int64_t offset;   /* of the first byte in the file; the file's own position neither counts nor moves */
    int64_t count;    /* most bytes; 0: to the end of the file */
    bool no_fallback; /* where the kernel cannot send it: -ASYNCIO_ESENDFILE, rather than reading it in a thread */
};

/* Sends a file of the process over a connected stream socket; the simulator always reads it. Returns: bytes; -EINVAL;
 * -ASYNCIO_ESENDFILE; an error, after which asyncio_error_detail begins with how many bytes were sent. Cancelled:
 * likewise, so the cancel's own reason is not told. */
ASYNCIO_ASYNC int64_t asyncio_sock_sendfile_kw(struct asyncio_socket *socket, int file,
                                               const struct asyncio_sendfile_kw *kw);

#define asyncio_sock_sendfile(...) \
    ASYNCIO__SOCK_SENDFILE(__VA_ARGS__, .size = sizeof(struct asyncio_sendfile_kw))
#define ASYNCIO__SOCK_SENDFILE(socket, file, ...) \
    asyncio_sock_sendfile_kw((socket), (file), &(const struct asyncio_sendfile_kw){__VA_ARGS__})

/* ========================================================================================================== Datagrams
 *
 * UDP and Unix datagrams in straight-line code, which Python does not have. An endpoint sends and receives whole
 * messages; with a remote address it is connected: it hears that peer only, and is told when nobody is there. It is
 * a socket of the library with what datagrams need around it; Python's form, with callbacks, is
 * asyncio_loop_create_datagram_endpoint in the next chapter. One task at a time may wait in each direction.
 *
 * An error that the network brings back, -ECONNREFUSED and the like, is the result of one call, whichever comes
 * first; the endpoint goes on. These hold for all that wait: returns also as the calls of the chapter before.
 * Cancelled: it has not happened; when it had happened already, its result is returned and the cancel meets the next
 * wait. So no datagram that arrived is lost. */

struct asyncio_datagram_endpoint;

/* Keywords of asyncio_open_datagram_endpoint and asyncio_loop_create_datagram_endpoint. */
struct asyncio_datagram_endpoint_kw {
    size_t size;                 /* of this structure */
    const char *local_host;      /* where to be reached: a number, a name, ""; with a port only, "": all addresses */
    int local_port;              /* 0: any that is free */
    const char *remote_host;     /* whom to talk to; absent with a port: this machine */
    int remote_port;
    const char *local_path;      /* the same for Unix sockets, in place of hosts and ports; '@' begins an abstract */
    const char *remote_path;     /* name. A socket's file in the way is removed; the endpoint's own stays at the end */
    int family;                  /* of that family only, AF_INET, AF_INET6, AF_UNIX; needed when there is no address */
    bool reuse_port;             /* with SO_REUSEPORT: several endpoints share the port */
    bool allow_broadcast;        /* it may send to broadcast addresses, and is not connected to its remote address */
    struct asyncio_socket *sock; /* a datagram socket in place of all that; taken over, also on failure */
    const void *reserved[4];
};

/* Opens an endpoint. Hosts are looked up as by asyncio_getaddrinfo; of several addresses the first that can be bound
 * and connected is taken, local and remote ones of the same family. Bound to the address of a multicast group it
 * shares the port with others who are bound there (SO_REUSEADDR); nobody can take what is sent to somebody else in
 * this way, which is why there is no keyword for other addresses.
 * Returns: 0, and one reference; -EINVAL, also for a .sock that is none of datagrams, or of another loop; the errors
 * of asyncio_getaddrinfo; -EAFNOSUPPORT, also when no two addresses are of the same family; -EADDRINUSE and others of
 * socket(2), bind(2) and connect(2), for the first address; -ENOENT and -ECONNREFUSED for a .remote_path where nobody
 * is; -ENOMEM. Cancelled: nothing is left of it. */
ASYNCIO_ASYNC int asyncio_open_datagram_endpoint_kw(struct asyncio_datagram_endpoint **ret_endpoint,
                                                    const struct asyncio_datagram_endpoint_kw *kw);

#define asyncio_open_datagram_endpoint(...) \
    ASYNCIO__OPEN_DATAGRAM_ENDPOINT(__VA_ARGS__, .size = sizeof(struct asyncio_datagram_endpoint_kw))
#define ASYNCIO__OPEN_DATAGRAM_ENDPOINT(ret_endpoint, ...) \
    asyncio_open_datagram_endpoint_kw((ret_endpoint), &(const struct asyncio_datagram_endpoint_kw){__VA_ARGS__})

/* Takes a reference; NULL is allowed. Returns its argument. */
ASYNCIO_API struct asyncio_datagram_endpoint *asyncio_datagram_ref(struct asyncio_datagram_endpoint *endpoint);

/* Gives a reference back; NULL is allowed. The last one closes the endpoint. Returns NULL. */
ASYNCIO_API struct asyncio_datagram_endpoint *asyncio_datagram_unref(struct asyncio_datagram_endpoint *endpoint);

/* Closes an endpoint: whoever waits on it gets -ASYNCIO_ECLOSED, later calls -EBADF. A second call does nothing.
 * Returns: 0; errors of close(2), after which it is closed too. */
ASYNCIO_API int asyncio_datagram_close(struct asyncio_datagram_endpoint *endpoint);

/* Its socket, borrowed: for its addresses, its options, its fd. NULL for NULL. */
ASYNCIO_API struct asyncio_socket *asyncio_datagram_socket(const struct asyncio_datagram_endpoint *endpoint);

/* What is known of a datagram beside its bytes. */
struct asyncio_datagram_info {
    struct asyncio_address address;     /* of the other side: who sent it, or whom it is for; empty: a Unix socket
                                           without a name, or the remote address of the endpoint */
    struct asyncio_address destination; /* received: to which address of this machine or of which group it was sent,
                                           with the endpoint's port; empty: unknown, as always with Unix sockets */
    unsigned interface;                 /* received: the number of the interface that it came by; 0: unknown */
    bool truncated;                     /* received: it was longer than the memory for it; the rest is lost */
};

/* One datagram of several. What was received can be sent back as it is. */
struct asyncio_datagram {
    void *data;  /* to be sent, which is only read; or the memory to receive into, */
    size_t room; /* of so many bytes */
    size_t size; /* bytes that are sent, or were received */
    struct asyncio_datagram_info info;
};

/* Waits for a datagram. `ret_info` may be NULL. Returns: bytes; 0 is an empty datagram. */
ASYNCIO_ASYNC ssize_t asyncio_datagram_recv(struct asyncio_datagram_endpoint *endpoint, void *buffer, size_t size,
                                            struct asyncio_datagram_info *ret_info);

/* Waits for a datagram and receives with it what else is there, n at most, in one system call for many: fills in
 * `size` and `info` of each. Returns: how many, 1 or more, or 0 when n is; an error that comes after a datagram is
 * the result of the next call. */
ASYNCIO_ASYNC ssize_t asyncio_datagram_recv_many(struct asyncio_datagram_endpoint *endpoint,
                                                 struct asyncio_datagram *datagrams, size_t n);

/* Sends a datagram, which may be empty, to the endpoint's remote address when the address is NULL; waits for room.
 * Returns: 0; -EINVAL for another address than the remote one of an endpoint that has one; -EDESTADDRREQ, or
 * -ENOTCONN for a Unix socket, without any address; -EMSGSIZE; -ENOBUFS for a Unix socket that is not connected to
 * one whose queue is full; -EACCES for broadcasts without .allow_broadcast. */
ASYNCIO_ASYNC int asyncio_datagram_send(struct asyncio_datagram_endpoint *endpoint, const void *data, size_t size,
                                        const struct asyncio_address *address);

/* Waits until there is room for one and sends as many of n datagrams as the kernel takes, in order, in one system
 * call for many; each to its `info.address`, the rest of `info` does not count. Returns: how many, 1 or more, or 0
 * when n is; the error of the first one as asyncio_datagram_send. One that comes after another was sent ends the
 * call, and meets the next one if that begins with it; what the network brings back meanwhile may go unheard. */
ASYNCIO_ASYNC ssize_t asyncio_datagram_send_many(struct asyncio_datagram_endpoint *endpoint,
                                                 const struct asyncio_datagram *datagrams, size_t n);

/* Keywords of asyncio_datagram_join. */
struct asyncio_multicast_kw {
    size_t size;           /* of this structure */
    const char *interface; /* "eth0", or its number; absent: the one that the machine's routes name */
    const char *source;    /* an address: only what that host sends to the group */
    const void *reserved[2];
};

/* Receives what is sent to a multicast group, "239.1.2.3" or "ff02::123", on one interface, from now on; the
 * endpoint has to be bound to the group's address or to all. May be called for several groups and interfaces.
 * Returns: 0; -EINVAL when it is no group of the endpoint's family; -ENODEV; -EADDRINUSE when it has joined already;
 * -ENOBUFS for too many; -EBADF. */
ASYNCIO_API int asyncio_datagram_join_kw(struct asyncio_datagram_endpoint *endpoint, const char *group,
                                         const struct asyncio_multicast_kw *kw);

#define asyncio_datagram_join(...) ASYNCIO__DATAGRAM_JOIN(__VA_ARGS__, .size = sizeof(struct asyncio_multicast_kw))
#define ASYNCIO__DATAGRAM_JOIN(endpoint, group, ...) \
    asyncio_datagram_join_kw((endpoint), (group), &(const struct asyncio_multicast_kw){__VA_ARGS__})

/* Undoes a join with the same keywords. Returns: 0; -EADDRNOTAVAIL when there was none; as asyncio_datagram_join. */
ASYNCIO_API int asyncio_datagram_leave_kw(struct asyncio_datagram_endpoint *endpoint, const char *group,
                                          const struct asyncio_multicast_kw *kw);

#define asyncio_datagram_leave(...) ASYNCIO__DATAGRAM_LEAVE(__VA_ARGS__, .size = sizeof(struct asyncio_multicast_kw))
#define ASYNCIO__DATAGRAM_LEAVE(endpoint, group, ...) \
    asyncio_datagram_leave_kw((endpoint), (group), &(const struct asyncio_multicast_kw){__VA_ARGS__})

/* How many routers what is sent to groups may pass: 0 to 255, at first 1, so that it stays in the local network.
 * Returns: 0; -EINVAL; -EBADF; -EOPNOTSUPP for Unix sockets. */
ASYNCIO_API int asyncio_datagram_set_multicast_ttl(struct asyncio_datagram_endpoint *endpoint, int ttl);

/* Whether what is sent to groups is also received on this machine; at first it is, and by the loopback interface it
 * always is. Returns: as _set_multicast_ttl. */
ASYNCIO_API int asyncio_datagram_set_multicast_loop(struct asyncio_datagram_endpoint *endpoint, bool loop);

/* By which interface to send to groups: a name or a number; NULL: as the machine's routes say. Returns: also
 * -ENODEV. */
ASYNCIO_API int asyncio_datagram_set_multicast_interface(struct asyncio_datagram_endpoint *endpoint,
                                                         const char *interface);

/* ============================================================================================================== Files
 *
 * Files of the process. No call blocks the loop: on io_uring the kernel does them, else the threads of a pool of their
 * own, which no look-up of names and no job of the program holds up. In the simulator, which has no files, they give
 * -EOPNOTSUPP.
 *
 * These hold for all that wait. Returns: also -ASYNCIO_ENOTASK; -ENOMEM; -EAGAIN when there is no thread; the kernel's
 * errors. Cancelled: it has not happened; when it was under way already its result is returned, and the cancel meets
 * the next wait. So no file that was opened, no byte that was read is ever lost. */

struct asyncio_file;

/* Opens a file, close-on-exec; `flags` as in open(2). `mode`: of a file that is made. Returns: 0, and one reference. */
ASYNCIO_ASYNC int asyncio_file_open(const char *path, int flags, unsigned mode, struct asyncio_file **ret_file);

/* Makes a file that has no name, in `directory`, NULL: $TMPDIR or /tmp. It is gone with its last reference. */
ASYNCIO_ASYNC int asyncio_file_temporary(const char *directory, struct asyncio_file **ret_file);

/* Makes a file of a name that is new: the last six characters of `path`, "XXXXXX", are replaced by others. Only its
 * owner may read it. Returns: 0, and one reference; -EINVAL without that pattern, which a failure leaves as it is. */
ASYNCIO_ASYNC int asyncio_mkstemp(char *path, struct asyncio_file **ret_file);

/* The same with a directory. */
ASYNCIO_ASYNC int asyncio_mkdtemp(char *path);

/* Makes a file of an fd, which it owns from then on. Returns: 0; -EBADF; -ENOMEM; -ASYNCIO_ENOLOOP; on failure the fd
 * stays the caller's. */
ASYNCIO_API int asyncio_file_from_fd(int fd, struct asyncio_file **ret_file);

/* Takes one more reference. Returns its argument. */
ASYNCIO_API struct asyncio_file *asyncio_file_ref(struct asyncio_file *file);

/* Drops a reference; NULL is allowed. The last one closes the file, without waiting and without a word about errors:
 * whoever has written says asyncio_file_close. Returns: NULL, always. */
ASYNCIO_API struct asyncio_file *asyncio_file_unref(struct asyncio_file *file);

/* The fd, borrowed. Returns: the fd; -EBADF when closed. */
ASYNCIO_API int asyncio_file_fileno(const struct asyncio_file *file);

/* Closes it. Returns: 0, also a second time; what close(2) says, such as -EDQUOT and -EIO, which is about what was
 * written: it is closed all the same; -EBUSY while a task waits on it. Cancelled: as above, and the last reference
 * closes it. */
ASYNCIO_ASYNC int asyncio_file_close(struct asyncio_file *file);

/* Reads at the file's position, which one task at a time uses; a second one gets -EBUSY. Returns: bytes, as many as
 * there are, 0 at the end. */
ASYNCIO_ASYNC ssize_t asyncio_file_read(struct asyncio_file *file, void *buffer, size_t size);

/* Writes at the file's position, likewise. Returns: bytes, of a stored file fewer than `size` only when the disk is
 * full or a limit is reached: -ENOSPC, -EDQUOT or -EFBIG come when it takes none. */
ASYNCIO_ASYNC ssize_t asyncio_file_write(struct asyncio_file *file, const void *data, size_t size);

/* Reads at an offset, which moves no position; any number of tasks may. Returns: as asyncio_file_read; -ESPIPE for what
 * has no offsets. */
ASYNCIO_ASYNC ssize_t asyncio_file_pread(struct asyncio_file *file, void *buffer, size_t size, int64_t offset);

/* Writes at an offset, likewise. Returns: as asyncio_file_write; -ESPIPE. */
ASYNCIO_ASYNC ssize_t asyncio_file_pwrite(struct asyncio_file *file, const void *data, size_t size, int64_t offset);

/* Writes everything at the file's position. Returns: 0; an error, -ENOSPC for one, after which a part may have been
 * written. Cancelled: likewise, between two parts. */
ASYNCIO_ASYNC int asyncio_file_writeall(struct asyncio_file *file, const void *data, size_t size);

/* Waits until the disk has what was written. An error means that what was written is in doubt, and a second call does
 * not tell it again. Returns: 0. */
ASYNCIO_ASYNC int asyncio_file_fsync(struct asyncio_file *file);

/* The same without what only describes the file, such as its times. */
ASYNCIO_ASYNC int asyncio_file_fdatasync(struct asyncio_file *file);

/* Makes it so many bytes long. Returns: 0. */
ASYNCIO_ASYNC int asyncio_file_truncate(struct asyncio_file *file, int64_t size);

/* What the kernel knows of a file. */
struct asyncio_stat_result {
    uint64_t device, inode;
    int64_t size, blocks; /* bytes; pieces of 512 bytes that the disk keeps for it */
    int64_t accessed_ns, modified_ns, changed_ns; /* since 1970, UTC */
    uint32_t mode, links, user, group; /* mode: type and permissions, as in <sys/stat.h> */
};

/* Of an open file. Returns: 0. */
ASYNCIO_ASYNC int asyncio_file_stat(struct asyncio_file *file, struct asyncio_stat_result *ret_stat);

/* Of what a path names. Returns: 0; -ENOENT. */
ASYNCIO_ASYNC int asyncio_stat(const char *path, struct asyncio_stat_result *ret_stat);

/* The same, but of a symbolic link itself. */
ASYNCIO_ASYNC int asyncio_lstat(const char *path, struct asyncio_stat_result *ret_stat);

/* Copies `size` bytes between two files at offsets of their own, within the kernel where it can. Returns: how many
 * were copied, 0 at the end. */
ASYNCIO_ASYNC ssize_t asyncio_file_copy_range(struct asyncio_file *from, int64_t from_offset, struct asyncio_file *to,
                                              int64_t to_offset, size_t size);

/* Gives a file another name, in one step: what had that name before loses it. Returns: 0; -ENOENT; -EXDEV. */
ASYNCIO_ASYNC int asyncio_rename(const char *from, const char *to);

/* Removes a name. Returns: 0; -ENOENT; -EISDIR. */
ASYNCIO_ASYNC int asyncio_unlink(const char *path);

/* Removes a directory in which nothing is. Returns: 0; -ENOTEMPTY. */
ASYNCIO_ASYNC int asyncio_rmdir(const char *path);

/* Makes a directory; `mode` as in mkdir(2). Returns: 0; -EEXIST. */
ASYNCIO_ASYNC int asyncio_mkdir(const char *path, unsigned mode);

/* A name in a directory. */
struct asyncio_dirent {
    const char *name;
    uint64_t inode;
    uint32_t type; /* S_IFREG, S_IFDIR ... of <sys/stat.h>; 0: asyncio_lstat knows */
};

/* Lists a directory, "." and ".." left out, in no particular order. Returns: how many, and one piece of memory for
 * asyncio_free, names included. */
ASYNCIO_ASYNC ssize_t asyncio_scandir(const char *path, struct asyncio_dirent **ret_entries);

/* Moves bytes between a pipe and anything else, or two pipes, within the kernel: splice(2). Both are borrowed fds of
 * the process; offsets are -1 for what has none. Returns: how many, 0 at the end. */
ASYNCIO_ASYNC ssize_t asyncio_splice(int from, int64_t from_offset, int to, int64_t to_offset, size_t size);

/* ---- Watching files (inotify). */

struct asyncio_file_watch;

/* What happened, or what is asked for. */
enum asyncio_file_events {
    ASYNCIO_FILE_MODIFIED = 1,
    ASYNCIO_FILE_CREATED = 2,  /* in the directory, also by moving it there */
    ASYNCIO_FILE_DELETED = 4,  /* likewise, also by moving it away */
    ASYNCIO_FILE_GONE = 8,     /* what was watched itself was deleted or moved, its file system unmounted */
    ASYNCIO_FILE_CLOSED = 16,  /* somebody who could write closed it */
    ASYNCIO_FILE_CHANGED = 32, /* permissions, owner, times */
    ASYNCIO_FILE_LOST = 64,    /* too much happened: look at everything afresh; of no path in particular */
};

struct asyncio_file_event {
    int watch;        /* what asyncio_file_watch_add returned; -1 with ASYNCIO_FILE_LOST */
    unsigned events;  /* enum asyncio_file_events */
    uint32_t cookie;  /* the same for the two halves of a rename; else 0 */
    const char *name; /* in the directory that is watched, or ""; valid until the next call */
};

/* Makes a watch, of the running loop. Returns: 0, and one reference; -EMFILE when the user has too many (see
 * /proc/sys/fs/inotify); -EOPNOTSUPP in the simulator; -ASYNCIO_ENOLOOP; -ENOMEM. */
ASYNCIO_API int asyncio_file_watch(struct asyncio_file_watch **ret_watch);

/* Takes one more reference. Returns its argument. */
ASYNCIO_API struct asyncio_file_watch *asyncio_file_watch_ref(struct asyncio_file_watch *watch);

/* Drops a reference; NULL is allowed; the last one ends it. Returns: NULL, always. */
ASYNCIO_API struct asyncio_file_watch *asyncio_file_watch_unref(struct asyncio_file_watch *watch);

/* Watches a file, or what happens to the names in a directory. ASYNCIO_FILE_GONE and _LOST are always told; a file that
 * somebody has open is gone when he has closed it, and one that was moved is still watched where it is now. The same
 * file gets the same number, and the events are added to those asked for before. The path is looked up at once, in the
 * caller's thread. Returns: a number of 1 or more; -ENOENT; -EACCES; -ENOSPC at the user's limit; -EINVAL. */
ASYNCIO_API int asyncio_file_watch_add(struct asyncio_file_watch *watch, const char *path, unsigned events);

/* Ends one; events that have come are still told. Returns: 0; -EINVAL for a number that is none. */
ASYNCIO_API int asyncio_file_watch_remove(struct asyncio_file_watch *watch, int number);

/* Waits for the next event; one task at a time. Returns: 0; -EBUSY; -ASYNCIO_ENOTASK; -ASYNCIO_EFOREIGNLOOP;
 * -ASYNCIO_ECLOSED when the last reference has gone meanwhile. Cancelled: no event is lost. */
ASYNCIO_ASYNC int asyncio_file_watch_next(struct asyncio_file_watch *watch, struct asyncio_file_event *ret_event);

/* =========================================================================================== Transports and protocols
 *
 * Connections as callbacks, without a task: a transport is the connection, a protocol is what the program makes of it.
 * Streams are made of the same, and are what most programs want; transports are for those who write a protocol that has
 * callbacks already, and for front ends. All callbacks run in the loop's thread, never two at once, and never suspend;
 * each in the context in which the transport was made. */

struct asyncio_transport;
struct asyncio_protocol;

/* What a protocol does; static. Any may be NULL that its kind of transport does not need.
 *
 * Order: connection_made; data_received or get_buffer and buffer_updated, again and again; eof_received at most once;
 * connection_lost exactly once, the last of all, unless connection_made was never called. pause_writing and
 * resume_writing in turn, in between, sometimes inside asyncio_transport_write. */
struct asyncio_protocol_type {
    size_t size; /* of this structure */
    const char *name;
    void (*connection_made)(struct asyncio_protocol *protocol, struct asyncio_transport *transport);
    void (*connection_lost)(struct asyncio_protocol *protocol, int error); /* 0: closed by either side in order */
    void (*pause_writing)(struct asyncio_protocol *protocol);
    void (*resume_writing)(struct asyncio_protocol *protocol);

    /* Streams: Python's Protocol. The data are valid during the call. */
    void (*data_received)(struct asyncio_protocol *protocol, const void *data, size_t size);
    bool (*eof_received)(struct asyncio_protocol *protocol); /* true: keep the transport open to write */

    /* In place of data_received: Python's BufferedProtocol. `hint`: bytes that are wanted at least, 0: any. */
    void (*get_buffer)(struct asyncio_protocol *protocol, size_t hint, void **ret_data, size_t *ret_size);
    void (*buffer_updated)(struct asyncio_protocol *protocol, size_t size);

    /* Datagrams: Python's DatagramProtocol. An error concerns one datagram; the transport goes on. */
    void (*datagram_received)(struct asyncio_protocol *protocol, const void *data, size_t size,
                              const struct asyncio_address *address);
    void (*error_received)(struct asyncio_protocol *protocol, int error);

    /* Children: Python's SubprocessProtocol. `fd`: 0, 1 or 2, as the child has it. The data are valid during the call.
     * The end of a pipe comes once for each; the two ends and the child's own come in any order. */
    void (*pipe_data_received)(struct asyncio_protocol *protocol, int fd, const void *data, size_t size);
    void (*pipe_connection_lost)(struct asyncio_protocol *protocol, int fd, int error);
    void (*process_exited)(struct asyncio_protocol *protocol);
};

/* To be embedded in what the program keeps for a connection, whose memory is the program's: it may be freed in
 * connection_lost. */
struct asyncio_protocol {
    const struct asyncio_protocol_type *type;
};

/* Makes a protocol for a new connection. Returns: it; NULL: there is none, and the connection is closed and that
 * reported. Must not suspend. */
typedef struct asyncio_protocol *asyncio_protocol_factory(void *arg);

/* Closes a transport: nothing more is received, what was written is still sent, connection_lost(0) follows in a later
 * turn. Harmless when it is closing. The transport itself is gone after connection_lost. */
ASYNCIO_API void asyncio_transport_close(struct asyncio_transport *transport);

/* Closes at once, dropping what is not sent; connection_lost follows in a later turn. */
ASYNCIO_API void asyncio_transport_abort(struct asyncio_transport *transport);

/* True once it is closing or closed. */
ASYNCIO_API bool asyncio_transport_is_closing(const struct asyncio_transport *transport);

/* Gives the transport's callbacks to another protocol from now on. Returns: 0; -EINVAL for one whose type lacks what
 * the transport needs. */
ASYNCIO_API int asyncio_transport_set_protocol(struct asyncio_transport *transport, struct asyncio_protocol *protocol);

/* The protocol, borrowed. */
ASYNCIO_API struct asyncio_protocol *asyncio_transport_get_protocol(const struct asyncio_transport *transport);

/* The loop, borrowed. */
ASYNCIO_API struct asyncio_loop *asyncio_transport_get_loop(const struct asyncio_transport *transport);

/* True while data are received. */
ASYNCIO_API bool asyncio_transport_is_reading(const struct asyncio_transport *transport);

/* Stops and goes on receiving. Both are harmless when repeated, and do nothing once it is closing. Stopped inside
 * connection_made, nothing is received before it goes on. */
ASYNCIO_API void asyncio_transport_pause_reading(struct asyncio_transport *transport);
ASYNCIO_API void asyncio_transport_resume_reading(struct asyncio_transport *transport);

/* Sends bytes: at once as far as the kernel takes them, the rest is copied and sent later. Never waits. After the
 * connection was lost it does nothing, and warns from the fifth time on. Returns: 0; -EINVAL; -ENOMEM, and the
 * transport is aborted; -ASYNCIO_EINVALIDSTATE after write_eof and while a file is sent. */
ASYNCIO_API int asyncio_transport_write(struct asyncio_transport *transport, const void *data, size_t size);

/* The same for several pieces, in one system call where that is possible. */
ASYNCIO_API int asyncio_transport_writelines(struct asyncio_transport *transport, const struct asyncio_bytes *pieces,
                                             size_t n);

/* Shuts the connection down for writing once everything is sent. Returns: 0, also a second time; -ENOTSUP with TLS. */
ASYNCIO_API int asyncio_transport_write_eof(struct asyncio_transport *transport);

/* True where write_eof is possible: not with TLS. */
ASYNCIO_API bool asyncio_transport_can_write_eof(const struct asyncio_transport *transport);

/* Sets the marks of flow control: pause_writing is called when more than `high` bytes are kept, with TLS as many;
 * resume_writing when no more than `low` are. SIZE_MAX stands for what Python's None does: high 64 KiB, with TLS 512,
 * or four times low; low a quarter of high. Returns: 0; -EINVAL when low is above high. */
ASYNCIO_API int asyncio_transport_set_write_buffer_limits(struct asyncio_transport *transport, size_t high, size_t low);

/* Reads the marks; either may be NULL. */
ASYNCIO_API void asyncio_transport_get_write_buffer_limits(const struct asyncio_transport *transport, size_t *ret_high,
                                                           size_t *ret_low);

/* How many bytes are kept to be sent; in constant time. */
ASYNCIO_API size_t asyncio_transport_get_write_buffer_size(const struct asyncio_transport *transport);

/* The addresses of the two ends, as get_extra_info("sockname") and ("peername"), remembered also after the connection
 * was lost, until connection_lost has returned. Returns: 0; -ENOTCONN; -EAFNOSUPPORT for a pipe. */
ASYNCIO_API int asyncio_transport_sockname(const struct asyncio_transport *transport,
                                           struct asyncio_address *ret_address);
ASYNCIO_API int asyncio_transport_peername(const struct asyncio_transport *transport,
                                           struct asyncio_address *ret_address);

/* The fd, for getsockopt and the like; borrowed; it must not be closed, read or written. Returns: the fd; -ENOTCONN. */
ASYNCIO_API int asyncio_transport_fileno(const struct asyncio_transport *transport);

/* What was agreed on with TLS, and the peer's certificate, for asyncio_free. Returns: 0; -ENOTCONN;
 * -ASYNCIO_EINVALIDSTATE without TLS; -ENOENT when the peer has shown no certificate; -ENOMEM. */
ASYNCIO_API int asyncio_transport_ssl_info(const struct asyncio_transport *transport,
                                           struct asyncio_ssl_info *ret_info);
ASYNCIO_API int asyncio_transport_getpeercert(const struct asyncio_transport *transport,
                                              struct asyncio_ssl_certificate **ret_certificate);

/* ---- Connections by protocols. These wait: they are called in a task of the loop that they are given. Host, path and
 * keywords are those of asyncio_open_connection and asyncio_start_server, but for .limit, which has no meaning here.
 *
 * The factory is asked right before connection_made: with TLS after the handshake. So every protocol that it makes is
 * told of its connection, and of its end. */

/* Connects, and gives the connection to a protocol. Returns: 0 after connection_made was called, and the transport
 * and its protocol, either of which may be NULL; from then on the protocol is told what happens, connection_lost in a
 * later turn at the earliest; -ASYNCIO_EINVALIDSTATE when the factory has made no protocol, -EINVAL when it lacks
 * something; as asyncio_open_connection; -ASYNCIO_EFOREIGNLOOP in a task of another loop. Cancelled: the connection
 * is closed; when connection_made was called already, 0 is returned and the cancel meets the next wait. */
ASYNCIO_ASYNC int asyncio_loop_create_connection_kw(struct asyncio_loop *loop, asyncio_protocol_factory *factory,
                                                    void *arg, const char *host, int port,
                                                    struct asyncio_transport **ret_transport,
                                                    struct asyncio_protocol **ret_protocol,
                                                    const struct asyncio_connection_kw *kw);

/* The same over a Unix socket. Returns: as asyncio_loop_create_connection; as asyncio_open_unix_connection. */
ASYNCIO_ASYNC int asyncio_loop_create_unix_connection_kw(struct asyncio_loop *loop, asyncio_protocol_factory *factory,
                                                         void *arg, const char *path,
                                                         struct asyncio_transport **ret_transport,
                                                         struct asyncio_protocol **ret_protocol,
                                                         const struct asyncio_connection_kw *kw);

#define asyncio_loop_create_connection(...) \
    ASYNCIO__CREATE_CONNECTION(__VA_ARGS__, .source = ASYNCIO_HERE, .size = sizeof(struct asyncio_connection_kw))
#define ASYNCIO__CREATE_CONNECTION(loop, factory, arg, host, port, ret_transport, ret_protocol, ...) \
    asyncio_loop_create_connection_kw((loop), (factory), (arg), (host), (port), (ret_transport), (ret_protocol), \
                                      &(const struct asyncio_connection_kw){__VA_ARGS__})
#define asyncio_loop_create_unix_connection(...) \
    ASYNCIO__CREATE_UNIX_CONNECTION(__VA_ARGS__, .source = ASYNCIO_HERE, .size = sizeof(struct asyncio_connection_kw))
#define ASYNCIO__CREATE_UNIX_CONNECTION(loop, factory, arg, path, ret_transport, ret_protocol, ...) \
    asyncio_loop_create_unix_connection_kw((loop), (factory), (arg), (path), (ret_transport), (ret_protocol), \
                                           &(const struct asyncio_connection_kw){__VA_ARGS__})

/* Keywords of asyncio_loop_connect_accepted_socket. */
struct asyncio_accepted_kw {
    size_t size;                     /* of this structure */
    struct asyncio_ssl_context *ssl; /* talk TLS, as the server's side */
    double ssl_handshake_timeout;    /* as in asyncio_connection_kw */
    double ssl_shutdown_timeout;
    double close_timeout;
    const void *reserved[4];
};

/* Gives a connection that was accepted elsewhere, by asyncio_sock_accept for one, to a protocol. The socket is taken
 * over, also on failure. Returns: as asyncio_loop_create_connection; -ENOTCONN; -EBUSY while a task waits on it. */
ASYNCIO_ASYNC int asyncio_loop_connect_accepted_socket_kw(struct asyncio_loop *loop, asyncio_protocol_factory *factory,
                                                          void *arg, struct asyncio_socket *sock,
                                                          struct asyncio_transport **ret_transport,
                                                          struct asyncio_protocol **ret_protocol,
                                                          const struct asyncio_accepted_kw *kw);

#define asyncio_loop_connect_accepted_socket(...) \
    ASYNCIO__CONNECT_ACCEPTED(__VA_ARGS__, .size = sizeof(struct asyncio_accepted_kw))
#define ASYNCIO__CONNECT_ACCEPTED(loop, factory, arg, sock, ret_transport, ret_protocol, ...) \
    asyncio_loop_connect_accepted_socket_kw((loop), (factory), (arg), (sock), (ret_transport), (ret_protocol), \
                                            &(const struct asyncio_accepted_kw){__VA_ARGS__})

/* Listens, and serves each client by a protocol of its own: a server as asyncio_start_server makes it, without tasks.
 * A client is one until its connection_lost has returned; asyncio_server_stop gives clients its seconds to go by
 * themselves, closes and counts those that are left, and after .close_timeout aborts them. The callbacks run in a
 * copy of the present context. A factory that makes no protocol is reported to the loop's exception handler; a
 * handshake that fails is told in debug mode only. Returns: as asyncio_start_server; -ASYNCIO_EFOREIGNLOOP. */
ASYNCIO_ASYNC int asyncio_loop_create_server_kw(struct asyncio_loop *loop, asyncio_protocol_factory *factory, void *arg,
                                                const char *host, int port, struct asyncio_server **ret_server,
                                                const struct asyncio_server_kw *kw);

/* The same over a Unix socket. Returns: as asyncio_start_unix_server; -ASYNCIO_EFOREIGNLOOP. */
ASYNCIO_ASYNC int asyncio_loop_create_unix_server_kw(struct asyncio_loop *loop, asyncio_protocol_factory *factory,
                                                     void *arg, const char *path, struct asyncio_server **ret_server,
                                                     const struct asyncio_server_kw *kw);

#define asyncio_loop_create_server(...) \
    ASYNCIO__CREATE_SERVER(__VA_ARGS__, .source = ASYNCIO_HERE, .size = sizeof(struct asyncio_server_kw))
#define ASYNCIO__CREATE_SERVER(loop, factory, arg, host, port, ret_server, ...) \
    asyncio_loop_create_server_kw((loop), (factory), (arg), (host), (port), (ret_server), \
                                  &(const struct asyncio_server_kw){__VA_ARGS__})
#define asyncio_loop_create_unix_server(...) \
    ASYNCIO__CREATE_UNIX_SERVER(__VA_ARGS__, .source = ASYNCIO_HERE, .size = sizeof(struct asyncio_server_kw))
#define ASYNCIO__CREATE_UNIX_SERVER(loop, factory, arg, path, ret_server, ...) \
    asyncio_loop_create_unix_server_kw((loop), (factory), (arg), (path), (ret_server), \
                                       &(const struct asyncio_server_kw){__VA_ARGS__})

/* Changes an open transport over a socket to TLS, and gives it to `protocol` from now on; NULL: to the one that it has.
 * It stays the same transport; what was written before is sent as it is, and reading goes on if it was paused.
 * connection_made is not called again. On top of TLS it is TLS in TLS.
 * Returns: 0; -ETIMEDOUT; the errors of TLS, with their reasons in asyncio_error_detail, after which connection_lost
 * follows; -EINVAL; -EBUSY while that is under way already or a file is sent; -ASYNCIO_ECLOSED; -ENOMEM;
 * -ASYNCIO_EFOREIGNLOOP. Cancelled: the transport is aborted. */
ASYNCIO_ASYNC int asyncio_loop_start_tls_kw(struct asyncio_loop *loop, struct asyncio_transport *transport,
                                            struct asyncio_protocol *protocol, struct asyncio_ssl_context *context,
                                            const struct asyncio_start_tls_kw *kw);

#define asyncio_loop_start_tls(...) ASYNCIO__LOOP_START_TLS(__VA_ARGS__, .size = sizeof(struct asyncio_start_tls_kw))
#define ASYNCIO__LOOP_START_TLS(loop, transport, protocol, context, ...) \
    asyncio_loop_start_tls_kw((loop), (transport), (protocol), (context), \
                              &(const struct asyncio_start_tls_kw){__VA_ARGS__})

/* Sends a file through a transport over a socket, behind what was written before: by the kernel where it can, else,
 * and always with TLS, read in a thread piece by piece. Meanwhile reading is paused, pause_writing and resume_writing
 * are not called for it, and whoever writes gets -ASYNCIO_EINVALIDSTATE. `file`: as in asyncio_sock_sendfile, whose
 * keywords these are. Returns: how many bytes were sent; -ASYNCIO_ECLOSED when the transport is closing; -EBUSY when
 * a file is sent already; as asyncio_sock_sendfile; what has ended the connection, -ECONNRESET when nothing else has;
 * -ASYNCIO_EFOREIGNLOOP. Cancelled: -ECANCELED, and a part may have been sent. */
ASYNCIO_ASYNC int64_t asyncio_loop_sendfile_kw(struct asyncio_loop *loop, struct asyncio_transport *transport, int file,
                                               const struct asyncio_sendfile_kw *kw);

#define asyncio_loop_sendfile(...) \
    ASYNCIO__LOOP_SENDFILE(__VA_ARGS__, .size = sizeof(struct asyncio_sendfile_kw))
#define ASYNCIO__LOOP_SENDFILE(loop, transport, file, ...) \
    asyncio_loop_sendfile_kw((loop), (transport), (file), &(const struct asyncio_sendfile_kw){__VA_ARGS__})

/* Makes a transport of one end of a pipe: of an fd of the process that is a FIFO, a stream socket, or a character
 * device such as a terminal; in the simulator, of an fd that ASYNCIO_OP_PIPE or a socket has there. It reads, or it
 * writes; of a socket or terminal for both, the other direction is a second transport's, over a duplicate of the fd.
 *
 * The fd is the transport's, which closes it, also when this fails, but for -EINVAL. It does not block meanwhile; if it
 * did before, it does so again afterwards, because others may share what it stands for, as a shell its terminal.
 * Standard input that is still needed later is given as dup(0).
 *
 * Reading: what ends is told by eof_received, whose answer does not count, and connection_lost(0); the master of a
 * terminal that nobody has open any more by connection_lost(-EIO). Writing: the protocol needs no function at all; when
 * nobody reads any more, connection_lost(-EPIPE) tells so at once if something is kept that nobody will get, else
 * connection_lost(0), for a character device only with the next write. The end of a pipe is the end of the transport:
 * asyncio_transport_write_eof is asyncio_transport_close, which takes as long as it takes until all is written.
 *
 * Returns: 0 after connection_made was called, and both, either of which may be NULL; -EINVAL, also for a regular file
 * and whatever else is no pipe, which asyncio_error_detail tells; -EBADF, also for an fd that is open for the other
 * direction only; -ASYNCIO_EINVALIDSTATE when the factory has made no protocol; -ENOMEM; -ASYNCIO_ENOTASK;
 * -ASYNCIO_EFOREIGNLOOP. Cancelled: the transport is closed; when connection_made was called already, 0 is returned and
 * the cancel meets the next wait. */
ASYNCIO_ASYNC int asyncio_loop_connect_read_pipe(struct asyncio_loop *loop, asyncio_protocol_factory *factory,
                                                 void *arg, int fd, struct asyncio_transport **ret_transport,
                                                 struct asyncio_protocol **ret_protocol);

/* The same for the end that writes. */
ASYNCIO_ASYNC int asyncio_loop_connect_write_pipe(struct asyncio_loop *loop, asyncio_protocol_factory *factory,
                                                  void *arg, int fd, struct asyncio_transport **ret_transport,
                                                  struct asyncio_protocol **ret_protocol);

/* Starts a child and gives it to a protocol: Python's SubprocessTransport and SubprocessProtocol. The keywords are
 * those of asyncio_create_subprocess_exec; a standard stream that they do not name is ASYNCIO_PIPE. The protocol need
 * not have any function. It is told of everything, also of a child that ends at once: connection_made;
 * pipe_data_received; pipe_connection_lost for each pipe; process_exited; then connection_lost(0), when the child has
 * ended and all pipes are closed: a terminal that is only written to is closed when the child has ended, one that is
 * read from when nobody has it open any more. What is written to the child goes to
 * asyncio_transport_get_pipe_transport(transport, 0), whose pause_writing and resume_writing are told to this protocol;
 * closing that is the end of the input.
 *
 * asyncio_transport_close closes the pipes and kills the child if it still runs; connection_lost follows when it has
 * ended. asyncio_transport_abort does the same, and drops what is unwritten. When the loop closes, a child goes on, and
 * connection_lost(-ASYNCIO_ECLOSED) is all that is told of it.
 *
 * Returns: 0 after connection_made was called, and both, either of which may be NULL; as
 * asyncio_create_subprocess_exec; -ASYNCIO_EINVALIDSTATE when the factory has made no protocol: then the child is
 * killed; -ASYNCIO_EFOREIGNLOOP. Cancelled: the child is killed, and waited for by the loop; when connection_made was
 * called already, 0 is returned and the cancel meets the next wait. */
ASYNCIO_ASYNC int asyncio_loop_subprocess_exec_kw(struct asyncio_loop *loop, asyncio_protocol_factory *factory,
                                                  void *arg, const char *const *argv,
                                                  struct asyncio_transport **ret_transport,
                                                  struct asyncio_protocol **ret_protocol,
                                                  const struct asyncio_subprocess_kw *kw);

/* The same for a command line of /bin/sh. */
ASYNCIO_ASYNC int asyncio_loop_subprocess_shell_kw(struct asyncio_loop *loop, asyncio_protocol_factory *factory,
                                                   void *arg, const char *command,
                                                   struct asyncio_transport **ret_transport,
                                                   struct asyncio_protocol **ret_protocol,
                                                   const struct asyncio_subprocess_kw *kw);

#define asyncio_loop_subprocess_exec(...) \
    ASYNCIO__LOOP_SUBPROCESS(asyncio_loop_subprocess_exec_kw, __VA_ARGS__, .source = ASYNCIO_HERE, \
                             .size = sizeof(struct asyncio_subprocess_kw))
#define asyncio_loop_subprocess_shell(...) \
    ASYNCIO__LOOP_SUBPROCESS(asyncio_loop_subprocess_shell_kw, __VA_ARGS__, .source = ASYNCIO_HERE, \
                             .size = sizeof(struct asyncio_subprocess_kw))
#define ASYNCIO__LOOP_SUBPROCESS(function, loop, factory, arg, what, ret_transport, ret_protocol, ...) \
    function((loop), (factory), (arg), (what), (ret_transport), (ret_protocol), \
             &(const struct asyncio_subprocess_kw){__VA_ARGS__})

/* The child's number; of use only while it runs. Returns: it; -EINVAL for another kind of transport. */
ASYNCIO_API int asyncio_transport_get_pid(const struct asyncio_transport *transport);

/* How the child ended, as asyncio_process_returncode; also inside connection_lost. Returns: true; false while it runs,
 * and nothing is set. */
ASYNCIO_API bool asyncio_transport_get_returncode(const struct asyncio_transport *transport, int *ret_returncode);

/* The transport of the child's standard input, output or error, 0 to 2, borrowed until its pipe_connection_lost: for
 * writing and its limits, pausing, closing. Returns: it; NULL for what is no pipe, or no more. */
ASYNCIO_API struct asyncio_transport *asyncio_transport_get_pipe_transport(const struct asyncio_transport *transport,
                                                                           int fd);

/* Sends the child a signal, as asyncio_process_send_signal; SIGTERM; SIGKILL. Returns: 0; -ESRCH when it has ended;
 * -EINVAL; -EPERM. */
ASYNCIO_API int asyncio_transport_send_signal(struct asyncio_transport *transport, int signal);
ASYNCIO_API int asyncio_transport_terminate(struct asyncio_transport *transport);
ASYNCIO_API int asyncio_transport_kill(struct asyncio_transport *transport);

/* Python's StreamReaderProtocol: a protocol that feeds a reader, for straight-line code over a transport that no stream
 * is made for, such as a pipe:
 *
 *     struct asyncio_streamreaderprotocol input;
 *
 *     r = asyncio_streamreaderprotocol_init(&input, 0);
 *     ...
 *     r = asyncio_loop_connect_read_pipe(loop, asyncio_streamreaderprotocol, &input, dup(0), NULL, NULL);
 *     ...
 *     while ((n = asyncio_streamreader_readline(input.reader, &line)) > 0)
 *         ...
 *     r = asyncio_streamreaderprotocol_close(&input);
 *     asyncio_streamreaderprotocol_fini(&input);
 *
 * It is the caller's memory, for one transport at most, and must not move. */
struct asyncio_streamreaderprotocol {
    struct asyncio_protocol protocol;
    struct asyncio_streamreader *reader;    /* what it feeds, from init to fini; borrowed */
    struct asyncio_transport *transport;    /* NULL before connection_made and behind connection_lost */
    int error;                              /* what connection_lost said, or why it was aborted */
    struct asyncio_event room, gone;        /* the library's: nothing pauses writing; connection_lost was called */
};

/* Prepares one; `limit`: of the reader, in bytes, 0: the default. Returns: 0; -EINVAL; -ENOMEM; -ASYNCIO_ENOLOOP. */
ASYNCIO_API int asyncio_streamreaderprotocol_init(struct asyncio_streamreaderprotocol *protocol, size_t limit);

/* Ends one that has no transport, or none any more. NULL is allowed. */
ASYNCIO_API void asyncio_streamreaderprotocol_fini(struct asyncio_streamreaderprotocol *protocol);

/* The factory for the calls above, with the structure as its argument. Returns: its protocol. */
ASYNCIO_API struct asyncio_protocol *asyncio_streamreaderprotocol(void *protocol);

/* Writes to its transport, then waits while too much is kept. Returns: 0; as asyncio_transport_write; what the
 * transport was lost with, -ECONNRESET when that was nothing; -ASYNCIO_ENOTASK. Cancelled: the data are written or
 * kept. */
ASYNCIO_ASYNC int asyncio_streamreaderprotocol_write(struct asyncio_streamreaderprotocol *protocol, const void *data,
                                                     size_t size);

/* Closes its transport, if there is one, and waits until that is lost. Returns: 0; what it was lost with;
 * -ASYNCIO_ENOTASK. Cancelled: it is closing. */
ASYNCIO_ASYNC int asyncio_streamreaderprotocol_close(struct asyncio_streamreaderprotocol *protocol);

/* Python's form of the chapter "Datagrams": makes an endpoint, with the same keywords, whose datagrams the protocol of
 * factory(arg) receives; it needs datagram_received. connection_made has run before this returns. Of the callbacks of
 * streams there are connection_made, connection_lost, pause_writing and resume_writing. An error concerns one datagram:
 * error_received is told of it, if there is one, and the transport goes on.
 * Returns: 0, and both, borrowed: the transport is gone after connection_lost; as asyncio_open_datagram_endpoint;
 * -ASYNCIO_EINVALIDSTATE when the factory gives none, -EINVAL when it lacks datagram_received; -EXDEV outside of the
 * loop. Cancelled: nothing is left of it, but a protocol that was made has connection_lost. */
ASYNCIO_ASYNC int asyncio_loop_create_datagram_endpoint_kw(struct asyncio_loop *loop, asyncio_protocol_factory *factory,
                                                           void *arg, struct asyncio_transport **ret_transport,
                                                           struct asyncio_protocol **ret_protocol,
                                                           const struct asyncio_datagram_endpoint_kw *kw);

#define asyncio_loop_create_datagram_endpoint(...) \
    ASYNCIO__CREATE_DATAGRAM_ENDPOINT(__VA_ARGS__, .size = sizeof(struct asyncio_datagram_endpoint_kw))
#define ASYNCIO__CREATE_DATAGRAM_ENDPOINT(loop, factory, arg, ret_transport, ret_protocol, ...) \
    asyncio_loop_create_datagram_endpoint_kw((loop), (factory), (arg), (ret_transport), (ret_protocol), \
                                             &(const struct asyncio_datagram_endpoint_kw){__VA_ARGS__})

/* Sends a datagram, which may be empty: at once if the kernel takes it, else a copy of it later. Never waits. A NULL
 * address is the remote one. Kept datagrams count 8 bytes more than they have. Errors of the kernel go to
 * error_received. Returns: 0; -EINVAL for another address than the remote one of an endpoint that has one, for none
 * where there is none, and for a transport of streams; -ENOMEM, and nothing has happened. */
ASYNCIO_API int asyncio_transport_sendto(struct asyncio_transport *transport, const void *data, size_t size,
                                         const struct asyncio_address *address);

/* ================================================================================================== Looking inside */

/* Prints the tasks of the running loop, or of this thread's loop, a line each: name, state, what it waits for and who
 * holds that, where it was made. Allocates nothing. Returns: how many; -ASYNCIO_ENOLOOP; -EINVAL. */
ASYNCIO_API int asyncio_print_tasks(FILE *file);

/* The same for a given loop. Returns also: -EXDEV from another thread while it runs. */
ASYNCIO_API int asyncio_loop_print_tasks(struct asyncio_loop *loop, FILE *file);

#define ASYNCIO_STACK_CLASSES 12

/* How much of their stacks tasks have used: for choosing .stack_size, and for finding who uses more than the others. A
 * task that has touched two pages keeps them for as long as it waits. */
struct asyncio_stack_census {
    size_t size;        /* of this structure */
    size_t n_tasks;     /* that were counted */
    size_t most;        /* bytes that one of them used, in whole pages */
    size_t most_of;     /* bytes that its stack has */
    char most_name[64]; /* its name, cut to this size */
    asyncio_coro *coro; /* its function */
    const char *source; /* where it was made, or NULL */
    size_t n_in_class[ASYNCIO_STACK_CLASSES]; /* tasks that used up to 4 KiB; more, up to 8; up to 16 ...; the rest */
};

/* Begins a new census, or ends the present one, whose result stays. While it is on, each new task begins on a stack
 * without pages and is looked at when it ends, which costs two system calls and a page fault more a task; and
 * asyncio_print_tasks says how much each task has used. Returns: 0; -EINVAL; -ENOMEM; -EXDEV from another thread while
 * the loop runs; -ASYNCIO_ECLOSED. */
ASYNCIO_API int asyncio_loop_set_stack_census(struct asyncio_loop *loop, bool enabled);

/* The census so far: tasks that were made since it began, those that have ended and those that live. What was swapped
 * out is not seen. `ret_census->size` has to be set. Returns: 0; -EINVAL; -EXDEV from another thread while the loop
 * runs. */
ASYNCIO_API int asyncio_loop_get_stack_census(struct asyncio_loop *loop, struct asyncio_stack_census *ret_census);

/* Prints the census, a line a class. Returns: 0; -EINVAL; -EXDEV likewise. */
ASYNCIO_API int asyncio_loop_print_stack_census(struct asyncio_loop *loop, FILE *file);

/* How stacks are guarded on this machine: "madvise" (Linux 6.13), "mprotect", "none" when the limit of mappings is
 * reached; "" before the loop has had a task or future. */
ASYNCIO_API const char *asyncio_loop_stack_guard(const struct asyncio_loop *loop);

/* Switches the report of stack overflows, a handler of SIGSEGV that is installed only over the default action, off or
 * on again. */
ASYNCIO_API void asyncio_set_stack_overflow_report(bool enabled);

#ifdef __cplusplus
}
#endif
