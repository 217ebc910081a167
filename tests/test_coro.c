/* test_coro.c -- the switch: what it keeps, where a coroutine's stack begins and ends, and who may run on it. */
#include "test.h"

#include "coro/stacks.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>
#include <unwind.h>

#define NO_SWEEP_REASON "no stack, no test; test_stacks.c sees to failing allocations"

static struct asyncio__stacks pool;
static struct asyncio__coro loop; /* the thread's own stack */

static void begin(void)
{
    EXPECT_INT(asyncio__stacks_init(&pool, 0), 0);
    asyncio__coro_thread(&loop);
}

static void end(void)
{
    asyncio__stacks_fini(&pool);
}

/* A coroutine under test, which gives its stack back when it ends. */
struct worker {
    struct asyncio__coro co;
    struct asyncio__stack *stack;
    asyncio__coro_entry *entry;
    int number, rounds;
    bool ended;
    double sum;
};

static void start_worker(struct worker *worker, asyncio__coro_entry *entry)
{
    worker->stack = asyncio__stack_get(&pool, 0);
    EXPECT(worker->stack);
    asyncio__coro_start(&worker->co, worker->stack, entry, worker);
}

/* The rest of ending, asyncio__coro_exit(), has to be done by the entry function itself. */
static void before_exit(struct worker *worker)
{
    worker->ended = true;
    asyncio__stack_put(&pool, worker->stack);
}

static void resume(struct worker *worker)
{
    asyncio__coro_switch(&loop, &worker->co);
}

static void suspend(struct worker *worker)
{
    asyncio__coro_switch(&worker->co, &loop);
}

/* ------------------------------------------------------------------------------------------------------- the order */

static void two_steps(void *arg)
{
    struct worker *worker = arg;

    trace("%d begins", worker->number);
    suspend(worker);
    trace("%d goes on", worker->number);
    suspend(worker);
    trace("%d ends", worker->number);
    before_exit(worker);
    asyncio__coro_exit(&worker->co, &loop);
}

TEST_NO_SWEEP(switches_back_and_forth, "a coroutine goes on where it was suspended", NO_SWEEP_REASON)
{
    struct worker workers[2] = {{.number = 1}, {.number = 2}};

    begin();
    start_worker(&workers[0], two_steps);
    start_worker(&workers[1], two_steps);
    for (int round = 0; round < 3; round++) {
        resume(&workers[1]);
        resume(&workers[0]);
    }
    EXPECT_TRACE("2 begins\n1 begins\n2 goes on\n1 goes on\n2 ends\n1 ends\n");
    EXPECT(workers[0].ended && workers[1].ended);
    end();
}

static struct worker chain[4];

static void pass_on(void *arg)
{
    struct worker *worker = arg;
    struct worker *next = worker + 1;

    trace("%d", worker->number);
    before_exit(worker);
    asyncio__coro_exit(&worker->co, next == chain + ARRAY_SIZE(chain) ? &loop : &next->co);
}

TEST_NO_SWEEP(exits_to_another_coroutine, "a coroutine may end by starting the next one", NO_SWEEP_REASON)
{
    begin();
    for (size_t i = 0; i < ARRAY_SIZE(chain); i++) {
        chain[i].number = (int)i;
        start_worker(&chain[i], pass_on);
    }
    resume(&chain[0]);
    EXPECT_TRACE("0\n1\n2\n3\n");
    end();
}

/* ------------------------------------------------------------------------------------------- what the switch keeps */

/* Keeps more values alive across switches than there are registers, in every kind of register that keeps any. */
static void juggle(struct worker *worker, struct asyncio__coro *from, struct asyncio__coro *to)
{
    uint64_t seed = (uint64_t)worker->number;
    uint64_t a = seed * 3, b = seed * 5, c = seed * 7, d = seed * 11, e = seed * 13, f = seed * 17, g = seed * 19;
    uint64_t h = seed * 23, i = seed * 29, j = seed * 31, k = seed * 37, l = seed * 41, m = seed * 43, n = seed * 47;
    double p = (double)a, q = (double)b, r = (double)c, s = (double)d, t = (double)e, u = (double)f, v = (double)g;
    long double x = (long double)seed / 3, y = (long double)seed / 7;
    uint64_t integers = a + b + c + d + e + f + g + h + i + j + k + l + m + n;

    for (int round = 1; round <= worker->rounds; round++) {
        asyncio__coro_switch(from, to);
        a++, b++, c++, d++, e++, f++, g++, h++, i++, j++, k++, l++, m++, n++;
        p++, q++, r++, s++, t++, u++, v++;
        EXPECT_INT(a + b + c + d + e + f + g + h + i + j + k + l + m + n, integers + 14 * (uint64_t)round);
        EXPECT(p == (double)a && q == (double)b && r == (double)c && s == (double)d && t == (double)e);
        EXPECT(u == (double)f && v == (double)g);
        EXPECT(x == (long double)seed / 3 && y == (long double)seed / 7);
    }
}

static void juggle_on_stack(void *arg)
{
    struct worker *worker = arg;

    juggle(worker, &worker->co, &loop);
    before_exit(worker);
    asyncio__coro_exit(&worker->co, &loop);
}

TEST_NO_SWEEP(registers_survive, "whatever is in registers comes back, on both sides of a switch", NO_SWEEP_REASON)
{
    struct worker worker = {.number = 1234567, .rounds = 100};
    struct worker self = {.number = 89101112, .rounds = 101};

    begin();
    start_worker(&worker, juggle_on_stack);
    juggle(&self, &loop, &worker.co);
    EXPECT(worker.ended);
    end();
}

/* Adds up doubles that live across switches: in registers, where the compiler has some that are saved. */
static void add_up(void *arg)
{
    struct worker *worker = arg;
    double a = worker->number, b = a * 2, c = a * 3, d = a * 4;

    for (int i = 0; i < worker->rounds; i++) {
        a += 0.5;
        b += 0.25;
        suspend(worker);
        c += a;
        d += b;
    }
    worker->sum = a + b + c + d;
    before_exit(worker);
    asyncio__coro_exit(&worker->co, &loop);
}

TEST_NO_SWEEP(thousands_take_turns, "each of thousands keeps its own locals", NO_SWEEP_REASON)
{
    size_t count = ASYNCIO__TSAN ? 500 : 5000;
    struct worker *workers = calloc(count, sizeof *workers);

    begin();
    for (size_t i = 0; i < count; i++) {
        workers[i].number = (int)i;
        workers[i].rounds = 4;
        start_worker(&workers[i], add_up);
    }
    for (int round = 0; round <= 4; round++)
        for (size_t i = 0; i < count; i++)
            resume(&workers[i]);
    for (size_t i = 0; i < count; i++) {
        double n = (double)i;

        EXPECT(workers[i].ended);
        EXPECT_DOUBLE(workers[i].sum, n + 2 + (2 * n + 1) + (3 * n + 4 * n + 5) + (4 * n + 8 * n + 2.5));
    }
    free(workers);
    end();
}

static void aligned(void *arg)
{
    struct worker *worker = arg;
    _Alignas(16) volatile float four[4] = {1, 2, 3, 4};
    volatile uintptr_t address = (uintptr_t)four;
    char text[64];

#if defined(__x86_64__)
    __asm__ volatile("movaps %0, %%xmm0" : : "m"(four) : "xmm0"); /* faults where the stack is not aligned */
#endif
    EXPECT_INT(address % 16, 0);
    snprintf(text, sizeof text, "%.2f %d %.3f %.1f", 1.5, 7, -0.125, (double)four[3]);
    trace("%s", text);
    before_exit(worker);
    asyncio__coro_exit(&worker->co, &loop);
}

TEST_NO_SWEEP(stack_is_aligned, "aligned locals and doubles as variable arguments work on a new stack", NO_SWEEP_REASON)
{
    struct worker workers[17] = {{.number = 0}};

    begin();
    for (size_t i = 0; i < ARRAY_SIZE(workers); i++) { /* one of each colour */
        start_worker(&workers[i], aligned);
        resume(&workers[i]);
        EXPECT(workers[i].ended);
        EXPECT_TRACE("1.50 7 -0.125 4.0\n");
    }
    end();
}

/* Fills its frame, suspends at the bottom of the recursion, and checks the frame on the way up. */
__attribute__((noinline)) static int descend(struct worker *worker, int depth)
{
    volatile char frame[1000];
    int below;

    for (size_t i = 0; i < sizeof frame; i++)
        frame[i] = (char)depth;
    if (depth == 0)
        suspend(worker);
    below = depth ? descend(worker, depth - 1) : 0;
    for (size_t i = 0; i < sizeof frame; i++)
        EXPECT_INT(frame[i], (char)depth);
    return below + 1;
}

static void go_deep(void *arg)
{
    struct worker *worker = arg;

    worker->rounds = descend(worker, worker->number);
    before_exit(worker);
    asyncio__coro_exit(&worker->co, &loop);
}

TEST_NO_SWEEP(deep_frames, "most of the stack can be used, and is kept while suspended", NO_SWEEP_REASON)
{
    int depth = ASYNCIO__ASAN || ASYNCIO__TSAN ? 60 : 120;
    struct worker workers[2] = {{.number = depth}, {.number = depth - 1}};

    begin();
    start_worker(&workers[0], go_deep);
    start_worker(&workers[1], go_deep);
    for (int round = 0; round < 2; round++) {
        resume(&workers[0]);
        resume(&workers[1]);
    }
    EXPECT_INT(workers[0].rounds, depth + 1);
    EXPECT_INT(workers[1].rounds, depth);
    end();
}

/* --------------------------------------------------------------------------------------------- the life of a stack */

static void once(void *arg)
{
    struct worker *worker = arg;
    volatile char frame[300];

    for (size_t i = 0; i < sizeof frame; i++)
        frame[i] = (char)worker->number;
    worker->sum += frame[299];
    before_exit(worker);
    asyncio__coro_exit(&worker->co, &loop);
}

TEST_NO_SWEEP(one_stack_serves_many, "a stack that was put while running serves the next coroutine", NO_SWEEP_REASON)
{
    struct worker worker = {.number = 1};
    struct asyncio__stack *first = NULL;

    begin();
    for (int i = 0; i < 5000; i++) {
        start_worker(&worker, once);
        if (!first)
            first = worker.stack;
        EXPECT_PTR(worker.stack, first);
        resume(&worker);
    }
    EXPECT_DOUBLE(worker.sum, 5000);
    end();
}

static struct asyncio__coro names[3];

/* Does the work of three coroutines one after the other on one stack, each under its own name. */
static void adopt(void *arg)
{
    struct worker *worker = arg;

    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        asyncio__coro_move(&names[i], i ? &names[i - 1] : &worker->co);
        if (i)
            memset(&names[i - 1], 0xee, sizeof names[0]); /* its old name is gone */
        trace("as %zu", i);
        asyncio__coro_switch(&names[i], &loop);
    }
    trace("end");
    before_exit(worker);
    asyncio__coro_exit(&names[2], &loop);
}

TEST_NO_SWEEP(a_running_coroutine_is_renamed, "the next task is adopted without a switch", NO_SWEEP_REASON)
{
    struct worker worker = {0};

    begin();
    start_worker(&worker, adopt);
    resume(&worker);
    for (size_t i = 0; i < ARRAY_SIZE(names); i++)
        asyncio__coro_switch(&loop, &names[i]);
    EXPECT_TRACE("as 0\nas 1\nas 2\nend\n");
    EXPECT(worker.ended);
    end();
}

/* What a thread with a loop of its own needs. */
struct thread_world {
    struct asyncio__stacks pool;
    struct asyncio__coro loop, co;
    struct asyncio__stack *stack;
    int steps;
};

static void step(void *arg)
{
    struct thread_world *world = arg;

    while (world->steps < 1000) {
        world->steps++;
        asyncio__coro_switch(&world->co, &world->loop);
    }
    asyncio__stack_put(&world->pool, world->stack);
    asyncio__coro_exit(&world->co, &world->loop);
}

static void *run_world(void *arg)
{
    struct thread_world *world = arg;

    EXPECT_INT(asyncio__stacks_init(&world->pool, 0), 0);
    asyncio__coro_thread(&world->loop);
    world->stack = asyncio__stack_get(&world->pool, 0);
    EXPECT(world->stack);
    asyncio__coro_start(&world->co, world->stack, step, world);
    for (int i = 0; i < 1001; i++)
        asyncio__coro_switch(&world->loop, &world->co);
    asyncio__stacks_fini(&world->pool);
    return NULL;
}

TEST_REAL(threads_do_not_meet, "each thread switches among its own")
{
    struct thread_world worlds[4] = {{.steps = 0}};
    pthread_t threads[ARRAY_SIZE(worlds)];

    for (size_t i = 0; i < ARRAY_SIZE(worlds); i++)
        EXPECT_INT(pthread_create(&threads[i], NULL, run_world, &worlds[i]), 0);
    for (size_t i = 0; i < ARRAY_SIZE(worlds); i++) {
        EXPECT_INT(pthread_join(threads[i], NULL), 0);
        EXPECT_INT(worlds[i].steps, 1000);
    }
}

/* -------------------------------------------------------------------------------------------- the end of the stack */

struct frames {
    int count;
    uintptr_t last;
};

static _Unwind_Reason_Code count_frame(struct _Unwind_Context *context, void *arg)
{
    struct frames *frames = arg;

    frames->last = _Unwind_GetIP(context);
    return ++frames->count < 100 ? _URC_NO_REASON : _URC_END_OF_STACK;
}

void asyncio__coro_trampoline(void);

static void walk(void *arg)
{
    struct worker *worker = arg;
    struct frames frames = {0};
    void **frame = __builtin_frame_address(0);

    _Unwind_Backtrace(count_frame, &frames);
    EXPECT(frames.count <= 4); /* this one, what the sanitizer adds, the trampoline, and a 0 in some unwinders */
    if (frames.last)
        EXPECT(frames.last - (uintptr_t)asyncio__coro_trampoline < 64);
    worker->rounds = 0;
    for (; frame && worker->rounds < 100; frame = *frame)
        worker->rounds++;
    before_exit(worker);
    asyncio__coro_exit(&worker->co, &loop);
}

TEST_NO_SWEEP(unwinding_ends, "call frame information and frame pointers end at the trampoline", NO_SWEEP_REASON)
{
    struct worker worker = {0};

    begin();
    start_worker(&worker, walk);
    resume(&worker);
    EXPECT(worker.ended);
    EXPECT(worker.rounds <= 3);
    end();
}

/* Runs gdb on this process. Returns: whether it could look inside, with what it said in `text`. */
static bool ask_gdb(char *text, size_t size)
{
    char pid[24];
    size_t length = 0;
    int ends[2], status;
    ssize_t n;
    pid_t child;

    snprintf(pid, sizeof pid, "%d", (int)getpid());
    EXPECT_INT(pipe(ends), 0);
    (void)prctl(PR_SET_PTRACER, PR_SET_PTRACER_ANY); /* Yama would only let our parent look */
    child = fork();
    if (child == 0) {
        dup2(ends[1], STDOUT_FILENO);
        dup2(ends[1], STDERR_FILENO);
        close(ends[0]);
        execlp("gdb", "gdb", "-nx", "-batch", "-p", pid, "-ex", "bt", (char *)NULL);
        _exit(127);
    }
    close(ends[1]);
    while ((n = read(ends[0], text + length, size - 1 - length)) > 0)
        length += (size_t)n;
    text[length] = '\0';
    close(ends[0]);
    EXPECT_INT(waitpid(child, &status, 0), child);
    return WIFEXITED(status) && WEXITSTATUS(status) == 0 && strstr(text, "leaf_for_gdb");
}

static char gdb_text[64 * 1024];
static bool gdb_ran;

__attribute__((noinline)) static void leaf_for_gdb(void)
{
    gdb_ran = ask_gdb(gdb_text, sizeof gdb_text);
    __asm__ volatile("");
}

static void stop_for_gdb(void *arg)
{
    struct worker *worker = arg;

    leaf_for_gdb();
    before_exit(worker);
    asyncio__coro_exit(&worker->co, &loop);
}

TEST_REAL(gdb_stops_at_the_trampoline, "a debugger shows the coroutine's frames and nothing below")
{
    struct worker worker = {0};
    const char *leaf, *entry, *trampoline;

    if (ASYNCIO__ASAN || ASYNCIO__TSAN)
        SKIP("sanitizers do not like debuggers");
    begin();
    start_worker(&worker, stop_for_gdb);
    resume(&worker);
    end();
    if (!gdb_ran)
        SKIP("no gdb, or it may not attach");
    leaf = strstr(gdb_text, "leaf_for_gdb");
    EXPECT(leaf);
    entry = strstr(leaf, "stop_for_gdb");
    EXPECT(entry);
    trampoline = strstr(entry, "coro_trampoline"); /* gdb takes the __ of an assembler file for Ada */
    EXPECT(trampoline);
    EXPECT(!strstr(trampoline, "\n#"));
    EXPECT(!strstr(gdb_text, "Backtrace stopped"));
}
