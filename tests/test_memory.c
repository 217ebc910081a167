/* test_memory.c -- what things cost while they are idle, and that what a burst took is given back. Memory is what the
 * kernel says is resident, to the page; the figures leave room for what else a process does, and are no benchmark:
 * that is bench/memory. */
#include "test.h"

#include "task/task.h"

#include <fcntl.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#define KIB ((size_t)1024)

/* More than the mappings that a process may have, at two for each guard that is one. */
#define MANY 70000

/* What a sanitizer or Valgrind keeps about memory is memory, too; and the hostile build is poor on purpose. */
static void needs_a_plain_build(void)
{
    if (ASYNCIO__POOL_IS_MALLOC || ASYNCIO__ASAN || ASYNCIO__TSAN || test_slowness() > 4)
        SKIP("memory of this build is not what it is in others");
}

static void needs_guards_without_mappings(struct asyncio_loop *loop)
{
    if (strcmp(asyncio_loop_stack_guard(loop), "madvise") != 0)
        SKIP("this kernel's guards cost mappings");
}

/* Resident memory of this process, in bytes. */
static size_t resident(void)
{
    FILE *file = fopen("/proc/self/smaps_rollup", "r");
    char line[256];
    size_t kib = 0;

    EXPECT(file);
    while (kib == 0 && fgets(line, sizeof line, file))
        sscanf(line, "Rss: %zu kB", &kib);
    fclose(file);
    return kib * KIB;
}

static size_t count_mappings(void)
{
    FILE *file = fopen("/proc/self/maps", "r");
    size_t n = 0;
    int c;

    EXPECT(file);
    while ((c = getc(file)) != EOF)
        n += c == '\n';
    fclose(file);
    return n;
}

static size_t faults(void)
{
    struct rusage usage;

    EXPECT_INT(getrusage(RUSAGE_SELF, &usage), 0);
    return (size_t)usage.ru_minflt;
}

static size_t allocated(void)
{
    struct mallinfo2 heap = mallinfo2();

    return heap.uordblks + heap.hblkhd;
}

/* `size` bytes for n things are at most so many for each. */
static void expect_each(const char *what, size_t size, size_t n, size_t at_most)
{
    if (test_verbose())
        printf("%s: %.1f bytes each\n", what, (double)size / (double)n);
    if (size > n * at_most)
        FAIL("%s: %.1f bytes each, which is more than %zu", what, (double)size / (double)n, at_most);
}

/* ------------------------------------------------------------------------------------------------------------ Tasks */

static struct asyncio_event gate;
static size_t n_parked;

static int park(void *arg)
{
    (void)arg;
    n_parked++;
    return asyncio_event_wait(&gate);
}

/* Parks so many tasks at the closed gate. */
static void park_many(struct asyncio_future **ret_tasks, size_t n)
{
    n_parked = 0;
    asyncio_event_clear(&gate);
    for (size_t i = 0; i < n; i++) {
        struct asyncio_future *task = asyncio_create_task(park, NULL);

        if (ret_tasks)
            ret_tasks[i] = task;
        else
            asyncio_future_unref(task);
    }
    while (n_parked < n)
        EXPECT_INT(asyncio_sleep(0), 0);
}

static void open_gate(void)
{
    asyncio_event_set(&gate);
    while (asyncio_all_tasks(NULL, 0) > 1)
        EXPECT_INT(asyncio_sleep(0), 0);
}

static int parked_main(void *arg)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE), memory, memory_before, faults_before, taken;

    (void)arg;
    needs_guards_without_mappings(asyncio_get_running_loop());
    memory_before = resident();
    faults_before = faults();
    park_many(NULL, MANY);
    taken = faults() - faults_before;
    memory = resident() - memory_before;
    expect_each("a parked task", memory, MANY, page + page / 8);
    EXPECT(count_mappings() < MANY / 100);
    if (test_verbose())
        printf("%zu faults for %zu pages\n", taken, memory / page);
    EXPECT(taken <= memory / page + memory / page * 3 / 10);
    open_gate();
    return 0;
}

TEST_EPOLL(parked_tasks,
           "a parked task costs a page and an eighth, each page is touched once, and guards cost no mappings")
{
    needs_a_plain_build();
    EXPECT_INT(run(parked_main, NULL), 0);
}

/* A child process that writes into the guard of a task's stack dies with that task's name. */
static void expect_guarded(struct asyncio_future *task)
{
    const struct asyncio__stack *stack = asyncio__task_of(task)->stack;
    char expected[64], text[512] = "";
    int status = 0, fds[2];
    size_t length = 0;
    ssize_t n;
    pid_t pid;

    snprintf(expected, sizeof expected, "stack overflow in task '%s'", asyncio_task_get_name(task));
    EXPECT_INT(pipe2(fds, O_CLOEXEC), 0);
    pid = fork();
    if (pid == 0) {
        dup2(fds[1], STDERR_FILENO);
        *(volatile char *)(stack->low - 1) = 1;
        _exit(0);
    }
    close(fds[1]);
    while ((n = read(fds[0], text + length, sizeof text - 1 - length)) > 0)
        length += (size_t)n;
    close(fds[0]);
    EXPECT_INT(waitpid(pid, &status, 0), pid);
    EXPECT(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV);
    if (!strstr(text, expected))
        FAIL("'%s' says nothing of '%s'", text, expected);
}

static int guarded_main(void *arg)
{
    struct asyncio_future **tasks = arg;

    needs_guards_without_mappings(asyncio_get_running_loop());
    park_many(tasks, MANY);
    for (size_t i = 0; i < 3; i++)
        expect_guarded(tasks[i * (MANY - 1) / 2]);
    open_gate();
    for (size_t i = 0; i < MANY; i++)
        asyncio_future_unref(tasks[i]);
    return 0;
}

TEST_EPOLL(parked_tasks_are_guarded, "more tasks than mappings allow have a guard each, which names them")
{
    struct asyncio_future **tasks;

    needs_a_plain_build();
    test_needs_seconds(30);
    tasks = malloc(MANY * sizeof(struct asyncio_future *));
    EXPECT_INT(run(guarded_main, tasks), 0);
    free(tasks);
}

/* ----------------------------------------------------------------------------------------------------- Giving back */

static int nap(void *arg)
{
    uint64_t number = (uint64_t)(uintptr_t)arg;

    return asyncio_sleep(0.001 * (double)(number * 7919 % 5003));
}

/* Tasks that end in no order, with a timer each, and futures and callbacks besides. */
static void burst(size_t n)
{
    struct asyncio_loop *loop = asyncio_get_running_loop();
    struct asyncio_future **futures = malloc(n * sizeof(struct asyncio_future *));

    for (size_t i = 0; i < n; i++) {
        futures[i] = asyncio_loop_create_future(loop);
        asyncio_future_unref(asyncio_create_task(nap, (void *)(uintptr_t)i, .name = i % 2 ? "napper" : NULL));
    }
    while (asyncio_all_tasks(NULL, 0) > 1)
        EXPECT_INT(asyncio_sleep(1), 0);
    for (size_t i = 0; i < n; i++)
        asyncio_future_unref(futures[i * 7919 % n]);
    free(futures);
}

/* Lets seconds pass; in virtual time nothing does that but timers. */
static void be_quiet(int seconds)
{
    for (int i = 0; i < seconds; i++)
        EXPECT_INT(asyncio_sleep(1), 0);
}

static int burst_main(void *arg)
{
    size_t before, peak, after;

    (void)arg;
    burst(100);
    before = resident();
    park_many(NULL, 50000);
    peak = resident();
    open_gate();
    burst(50000);
    be_quiet(60);
    after = resident();
    if (test_verbose())
        printf("resident: %zu KiB before, %zu at the peak, %zu afterwards\n", before / KIB, peak / KIB, after / KIB);
    EXPECT(peak > before + 50000 * 4 * KIB);
    EXPECT(after <= before + before / 10);
    return 0;
}

TEST_EPOLL(a_burst_is_given_back, "a burst followed by quiet ends within a tenth of what was resident before")
{
    needs_a_plain_build();
    test_needs_seconds(30);
    EXPECT_INT(run(burst_main, NULL), 0);
}

/* A back end like the simulator, of which the loop does not know that it is one: time passes also for the sake of
 * memory. Counts polls, and ends the run when the loop would sleep for good. */
static const struct asyncio_backend_ops *sim;
static size_t n_polls;
static struct asyncio_event end_of_sleep;

static int poll_and_count(struct asyncio_backend *backend, int64_t deadline_ns, bool external)
{
    n_polls++;
    if (deadline_ns != NS_NEVER)
        return sim->poll(backend, deadline_ns, external);
    asyncio_event_set(&end_of_sleep);
    return 0;
}

static struct asyncio_backend_ops counting_ops;

static struct asyncio_loop *new_counting_loop(void)
{
    const struct asyncio_backend_ops *const *all = asyncio_backends();
    struct asyncio_loop *loop = NULL;

    while (strcmp((*all)->name, "sim") != 0)
        all++;
    sim = *all;
    counting_ops = *sim;
    counting_ops.simulated = false;
    counting_ops.poll = poll_and_count;
    EXPECT_INT(asyncio_new_event_loop_on(&loop, &counting_ops, "1", NULL), 0);
    return loop;
}

static int sleep_for_good(void *arg)
{
    size_t *polls = arg, before, after;
    double time;

    burst(100);
    before = resident();
    burst(10000);
    asyncio_event_clear(&end_of_sleep);
    n_polls = 0;
    time = asyncio_loop_time(asyncio_get_running_loop());
    EXPECT_INT(asyncio_event_wait(&end_of_sleep), 0);
    *polls = n_polls;
    time = asyncio_loop_time(asyncio_get_running_loop()) - time;
    after = resident();
    if (test_verbose())
        printf("%zu polls, %.0f s; resident: %zu KiB before, %zu afterwards\n", n_polls, time, before / KIB,
               after / KIB);
    EXPECT(time > 3 && time < 30);
    EXPECT(after <= before + before / 10);
    return 0;
}

TEST_EPOLL(an_idle_loop_gives_back, "a loop without timers wakes up to give back, a few times and then never again")
{
    struct asyncio_loop *loop;
    size_t polls = 0;

    needs_a_plain_build();
    test_needs_seconds(30);
    loop = new_counting_loop();
    asyncio_loop_hold(loop);
    EXPECT_INT(asyncio_loop_run_until_complete(loop, sleep_for_good, &polls), 0);
    EXPECT(polls > 3 && polls < 150);
    asyncio_loop_release(loop);
    EXPECT_INT(asyncio_loop_close(loop), 0);
    asyncio_loop_unref(loop);
}

/* Callbacks that are always ready; the clock moves on by itself. */
static int64_t busy_until_ns;

static void be_busy(void *arg)
{
    struct asyncio_loop *loop = asyncio_get_running_loop();

    if (asyncio_loop_time(loop) * 1e9 < (double)busy_until_ns)
        EXPECT_INT(asyncio_loop_call_soon(loop, be_busy, arg), 0);
    else
        asyncio_event_set(&end_of_sleep);
}

static int64_t drift_ns;

static int64_t drifting_now(struct asyncio_backend *backend)
{
    drift_ns += NS_PER_MSEC;
    return sim->now(backend) + drift_ns;
}

static int busy_main(void *arg)
{
    struct asyncio_loop *loop = asyncio_get_running_loop();
    size_t before, after;

    (void)arg;
    burst(100);
    before = resident();
    burst(10000);
    busy_until_ns = (int64_t)(asyncio_loop_time(loop) * 1e9) + 60 * NS_PER_SEC;
    asyncio_event_clear(&end_of_sleep);
    n_polls = 0;
    be_busy(NULL);
    EXPECT_INT(asyncio_event_wait(&end_of_sleep), 0);
    after = resident();
    if (test_verbose())
        printf("%zu polls; resident: %zu KiB before, %zu afterwards\n", n_polls, before / KIB, after / KIB);
    EXPECT(after <= before + before / 10);
    return 0;
}

TEST_EPOLL(a_busy_loop_gives_back, "a loop that never blocks gives back what it does not need")
{
    struct asyncio_loop *loop;

    needs_a_plain_build();
    test_needs_seconds(30);
    loop = new_counting_loop();
    counting_ops.now = drifting_now;
    EXPECT_INT(asyncio_loop_run_until_complete(loop, busy_main, NULL), 0);
    EXPECT_INT(asyncio_loop_close(loop), 0);
    asyncio_loop_unref(loop);
}

/* --------------------------------------------------------------------------------------------------- Without a task */

#define MILLION 1000000

static void nothing(void *arg)
{
    (void)arg;
}

static void arm_timer(struct asyncio_loop *loop, size_t i)
{
    EXPECT_INT(asyncio_loop_call_later(loop, 1 + (double)(i * 7919 % MILLION) / 100, nothing, NULL), 0);
}

static void call_soon(struct asyncio_loop *loop, size_t i)
{
    (void)i;
    EXPECT_INT(asyncio_loop_call_soon(loop, nothing, NULL), 0);
}

/* What a million of something cost, armed on a loop that is closed with them. */
static void expect_million(const char *what, void (*arm)(struct asyncio_loop *loop, size_t i))
{
    struct asyncio_loop *loop = NULL;
    size_t memory, heap;

    EXPECT_INT(new_loop(&loop), 0);
    memory = resident();
    heap = allocated();
    for (size_t i = 0; i < MILLION; i++)
        arm(loop, i);
    expect_each(what, resident() - memory, MILLION, 200);
    expect_each(what, allocated() - heap, MILLION, 200);
    EXPECT_INT(asyncio_loop_close(loop), 0);
    asyncio_loop_unref(loop);
}

TEST_EPOLL(timers_without_a_task, "a million timers take 200 bytes each")
{
    needs_a_plain_build();
    expect_million("a timer", arm_timer);
}

TEST_EPOLL(callbacks_without_a_task, "a million callbacks take 200 bytes each")
{
    needs_a_plain_build();
    expect_million("a callback", call_soon);
}

static struct asyncio_future **made;

static void no_answer(struct asyncio_future *future, void *arg)
{
    (void)future;
    (void)arg;
}

static void make_future(struct asyncio_loop *loop, size_t i)
{
    made[i] = asyncio_loop_create_future(loop);
    EXPECT_INT(asyncio_future_add_done_callback(made[i], no_answer, NULL), 0);
}

TEST_EPOLL(futures_without_a_task, "a million futures with a callback each take 200 bytes each")
{
    needs_a_plain_build();
    made = malloc(MILLION * sizeof(struct asyncio_future *));
    memset(made, 0xff, MILLION * sizeof(struct asyncio_future *));
    expect_million("a future", make_future);
    for (size_t i = 0; i < MILLION; i++)
        asyncio_future_unref(made[i]);
    free(made);
}

/* ------------------------------------------------------------------------------------------------------ Connections */

#define FIRST_CLIENTS 50
#define ALL_CLIENTS   450

static size_t n_waiting;
static int clients[ALL_CLIENTS];

static int answer_lines(struct asyncio_streamreader *reader, struct asyncio_streamwriter *writer, void *arg)
{
    char *line;
    ssize_t n;
    int r = 0;

    (void)arg;
    n_waiting++;
    while (r == 0 && (n = asyncio_streamreader_readline(reader, &line)) > 0) {
        r = asyncio_streamwriter_write(writer, line, (size_t)n);
        n_waiting++;
    }
    return r;
}

static void until_waiting(size_t n)
{
    while (n_waiting < n)
        EXPECT_INT(asyncio_sleep(0.001), 0);
    EXPECT_INT(asyncio_sleep(0.001), 0);
}

/* Each is new, or says a line. */
static void use_client(const char *path, size_t i)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    socklen_t size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(path));

    if (clients[i] > 0) {
        EXPECT_INT(write(clients[i], "hello there\n", 12), 12);
        return;
    }
    memcpy(address.sun_path, path, strlen(path));
    address.sun_path[0] = '\0';
    clients[i] = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    EXPECT_INT(connect(clients[i], (struct sockaddr *)&address, size), 0);
}

static int connections_main(void *arg)
{
    struct asyncio_server *server = NULL;
    size_t before = 0;
    char path[64];

    (void)arg;
    snprintf(path, sizeof path, "@asyncio-memory-%d", (int)getpid());
    EXPECT_INT(asyncio_start_unix_server(answer_lines, NULL, path, &server, .backlog = 100), 0);
    for (size_t i = 0; i < ALL_CLIENTS; i++) {
        if (i == FIRST_CLIENTS)
            before = resident();
        use_client(path, i);
        until_waiting(i + 1);
    }
    expect_each("a connection", resident() - before, ALL_CLIENTS - FIRST_CLIENTS, 6 * KIB);
    for (size_t i = 0; i < ALL_CLIENTS; i++) {
        use_client(path, i);
        until_waiting(ALL_CLIENTS + i + 1);
    }
    expect_each("a served connection", resident() - before, ALL_CLIENTS - FIRST_CLIENTS, 6 * KIB);
    for (size_t i = 0; i < ALL_CLIENTS; i++)
        close(clients[i]);
    EXPECT_INT(asyncio_server_stop(server, 5), 0);
    asyncio_server_unref(server);
    return 0;
}

TEST_EPOLL(idle_connections, "a connection that a task waits on takes 6 KiB, also when it has been served")
{
    needs_a_plain_build();
    test_needs_seconds(30);
    EXPECT_INT(run(connections_main, NULL), 0);
}
