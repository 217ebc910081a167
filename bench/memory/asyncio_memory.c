/* asyncio_memory.c -- what things cost in memory while they are idle, and what is left of them afterwards.
 *
 *     asyncio_memory backend|tasks|burst|timers|futures|callbacks|connections|served COUNT
 *
 * Prints lines of a metric, a value and a unit. Written as a user would write it, with the public header only.
 * Resident memory is what the kernel counts in smaps_rollup, which is exact. */
#include <asyncio.h>

#include <errno.h>
#include <malloc.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static long count;

static void must(int r)
{
    if (r >= 0)
        return;
    fprintf(stderr, "asyncio_memory failed: %s\n", asyncio_strerror(r));
    exit(1);
}

static void print(const char *metric, double value, const char *unit)
{
    printf("%s\t%.3f\t%s\n", metric, value, unit);
}

/* --------------------------------------------------------------------------------------------------------- Measures */

/* A line "Name:   N kB" of one of the process's files in /proc, in bytes. */
static double proc_bytes(const char *path, const char *name)
{
    FILE *file = fopen(path, "r");
    char line[256];
    double kib = -1;

    while (file && kib < 0 && fgets(line, sizeof line, file))
        if (strncmp(line, name, strlen(name)) == 0)
            kib = strtod(line + strlen(name), NULL);
    if (file)
        fclose(file);
    return kib * 1024;
}

static long lines_of(const char *path)
{
    FILE *file = fopen(path, "r");
    long n = 0;
    int c;

    while (file && (c = getc(file)) != EOF)
        n += c == '\n';
    if (file)
        fclose(file);
    return n;
}

struct memory {
    double resident, page_tables, allocated;
    double faults;
    double cpu_ns;
};

static double cpu_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static struct memory look(void)
{
    struct mallinfo2 heap = mallinfo2();
    struct memory memory = {.cpu_ns = cpu_ns()};
    struct rusage usage;

    getrusage(RUSAGE_SELF, &usage);
    memory.faults = (double)usage.ru_minflt;
    memory.resident = proc_bytes("/proc/self/smaps_rollup", "Rss:");
    memory.page_tables = proc_bytes("/proc/self/status", "VmPTE:");
    memory.allocated = (double)(heap.uordblks + heap.hblkhd);
    return memory;
}

static void print_growth(const struct memory *before, const struct memory *now)
{
    double n = (double)count;

    print("resident", (now->resident - before->resident) / n, "B");
    print("page tables", (now->page_tables - before->page_tables) / n, "B");
    print("allocated", (now->allocated - before->allocated) / n, "B");
}

/* Lets the loop be idle, as a program is in a quiet hour, for that many seconds. */
static void be_quiet(double seconds)
{
    must(asyncio_sleep(seconds));
}

/* ------------------------------------------------------------------------------------------------------------ Tasks */

static struct asyncio_event gate, second_gate;
static long n_parked;

static int park_twice(void *arg)
{
    int r;

    (void)arg;
    n_parked++;
    r = asyncio_event_wait(&gate);
    if (r < 0)
        return r;
    n_parked++;
    return asyncio_event_wait(&second_gate);
}

/* Runs the others until all have got there. */
static void until_parked(long n)
{
    while (n_parked < n)
        must(asyncio_sleep(0));
}

static void create_tasks(void)
{
    n_parked = 0;
    for (long i = 0; i < count; i++)
        asyncio_future_unref(asyncio_create_task(park_twice, NULL));
    until_parked(count);
}

/* All parked at once; all woken, and parked again; all ended. */
static int tasks(void *arg)
{
    struct memory before, parked, now;
    double begin, page = (double)sysconf(_SC_PAGESIZE);

    (void)arg;
    before = look();
    create_tasks();
    parked = look();
    print_growth(&before, &parked);
    print("mappings", (double)lines_of("/proc/self/maps"), "1");
    print("faults a page", (parked.faults - before.faults) / ((parked.resident - before.resident) / page), "1");
    print("create", (parked.cpu_ns - before.cpu_ns) / (double)count, "ns");
    if (strcmp(asyncio_loop_stack_guard(asyncio_get_running_loop()), "none") == 0)
        must(-ENOTSUP);
    begin = cpu_ns();
    asyncio_event_set(&gate);
    until_parked(2 * count);
    print("wake", (cpu_ns() - begin) / (double)count, "ns");
    begin = cpu_ns();
    asyncio_event_set(&second_gate);
    while (asyncio_all_tasks(NULL, 0) > 1)
        must(asyncio_sleep(0));
    print("end", (cpu_ns() - begin) / (double)count, "ns");
    now = look();
    print("resident at the end", (now.resident - before.resident) / (double)count, "B");
    return 0;
}

/* What a burst leaves: the program has had a few tasks before, and is quiet afterwards. */
static int burst(void *arg)
{
    struct memory before, peak, after;
    double took_ns = 0;
    int seconds = 0;

    (void)arg;
    count /= 100;
    create_tasks();
    asyncio_event_set(&gate);
    asyncio_event_set(&second_gate);
    be_quiet(0.1);
    asyncio_event_clear(&gate);
    asyncio_event_clear(&second_gate);
    count *= 100;
    before = look();
    create_tasks();
    peak = look();
    asyncio_event_set(&gate);
    asyncio_event_set(&second_gate);
    while (asyncio_all_tasks(NULL, 0) > 1)
        must(asyncio_sleep(0));
    after = look();
    for (; seconds < 20 && after.resident > 1.1 * before.resident; seconds++) {
        double begin = cpu_ns();

        be_quiet(1);
        took_ns += cpu_ns() - begin;
        after = look();
    }
    print("resident afterwards, to before", after.resident / before.resident, "1");
    print("seconds of quiet", seconds, "1");
    print("resident before", before.resident, "B");
    print("resident at the peak", peak.resident, "B");
    print("resident afterwards", after.resident, "B");
    print("giving back", took_ns / (double)count, "ns");
    return 0;
}

/* --------------------------------------------------------------------------------------------------- Without a task */

static void nothing(void *arg)
{
    (void)arg;
}

static int timers(void *arg)
{
    struct memory before = look(), now;
    uint64_t state = 1;

    (void)arg;
    for (long i = 0; i < count; i++) {
        state = state * 6364136223846793005u + 1442695040888963407u;
        must(asyncio_loop_call_later(asyncio_get_running_loop(), 60 + (double)(state >> 33) / (double)(1u << 31) * 3540,
                                     nothing, NULL));
    }
    now = look();
    print_growth(&before, &now);
    return 0;
}

static int futures(void *arg)
{
    struct asyncio_future **made = malloc((size_t)count * sizeof *made);
    struct memory before, now;

    (void)arg;
    memset(made, 0xff, (size_t)count * sizeof *made);
    before = look();
    for (long i = 0; i < count; i++)
        made[i] = asyncio_loop_create_future(asyncio_get_running_loop());
    now = look();
    print_growth(&before, &now);
    for (long i = 0; i < count; i++)
        asyncio_future_unref(made[i]);
    free(made);
    return 0;
}

static int callbacks(void *arg)
{
    struct memory before = look(), now;

    (void)arg;
    for (long i = 0; i < count; i++)
        must(asyncio_loop_call_soon(asyncio_get_running_loop(), nothing, NULL));
    now = look();
    print_growth(&before, &now);
    return 0;
}

/* ------------------------------------------------------------------------------------------------------ Connections */

static bool is_served;
static long n_waiting;

static int serve(struct asyncio_streamreader *reader, struct asyncio_streamwriter *writer, void *arg)
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

/* The clients: a process of its own, which has no loop. Connects them, has each served if that is wanted, and stays
 * until it is killed. */
static void clients(const char *program, int port)
{
    char port_text[16], count_text[16];

    snprintf(port_text, sizeof port_text, "%d", port);
    snprintf(count_text, sizeof count_text, "%ld", count);
    execl(program, program, is_served ? "served" : "idle", port_text, count_text, (char *)NULL);
    _exit(127);
}

static char clients_program[4096];

static int connections(void *arg)
{
    struct asyncio_address address;
    struct asyncio_server *server;
    struct memory before, now;
    long all = is_served ? 2 * count : count;
    pid_t pid;

    (void)arg;
    must(asyncio_start_server(serve, NULL, "127.0.0.1", 0, &server, .backlog = 1024));
    must(asyncio_server_sockname(server, 0, &address));
    before = look();
    pid = fork();
    if (pid == 0)
        clients(clients_program, asyncio_address_port(&address));
    while (n_waiting < all)
        must(asyncio_sleep(0.01));
    must(asyncio_sleep(0.1));
    now = look();
    print_growth(&before, &now);
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    asyncio_server_close_clients(server);
    must((int)asyncio_server_stop(server, 5));
    asyncio_server_unref(server);
    return 0;
}

static int served(void *arg)
{
    is_served = true;
    return connections(arg);
}

/* Which back end it is, and why it is not the one that was asked for. */
static int backend(void *arg)
{
    const struct asyncio_loop *loop = asyncio_get_running_loop();

    (void)arg;
    printf("%s\n%s\n", asyncio_loop_backend(loop), asyncio_loop_backend_reason(loop));
    return 0;
}

/* As many descriptors as may be had; a few are the process's own. */
static void need_files(long n)
{
    struct rlimit files;

    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    if ((rlim_t)n + 32 <= files.rlim_cur)
        return;
    fprintf(stderr, "the limit of open files is %llu (ulimit -Hn)\n", (unsigned long long)files.rlim_cur);
    exit(1);
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        asyncio_coro *run;
    } benches[] = {
        {"backend", backend},         {"tasks", tasks},     {"burst", burst},
        {"timers", timers},           {"futures", futures}, {"callbacks", callbacks},
        {"connections", connections}, {"served", served},
    };
    const char *slash;

    if (argc != 3) {
        fprintf(stderr, "usage: %s NAME COUNT\n", argv[0]);
        return 2;
    }
    slash = strrchr(argv[0], '/');
    snprintf(clients_program, sizeof clients_program, "%.*sidle_clients", slash ? (int)(slash + 1 - argv[0]) : 0,
             argv[0]);
    count = atol(argv[2]);
    if (strcmp(argv[1], "connections") == 0 || strcmp(argv[1], "served") == 0)
        need_files(count);
    for (size_t i = 0; i < sizeof benches / sizeof benches[0]; i++)
        if (strcmp(benches[i].name, argv[1]) == 0) {
            must(asyncio_run(benches[i].run, NULL));
            return 0;
        }
    fprintf(stderr, "%s: no benchmark '%s'\n", argv[0], argv[1]);
    return 2;
}
