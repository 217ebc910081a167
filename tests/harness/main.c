/* main.c -- the runner: finds the tests that the linker has collected, runs those that are asked for, prints a line
 * each. */
#include "harness.h"

#include <fnmatch.h>
#include <getopt.h>
#include <malloc.h>
#include <unistd.h>

extern const struct test__case *const __start_asyncio_tests[] __attribute__((weak));
extern const struct test__case *const __stop_asyncio_tests[] __attribute__((weak));

struct options options = {.seed = 1};

static int n_passed, n_failed, n_skipped;

static void usage(void)
{
    puts("usage: test [--backend=epoll|uring[:OPTIONS]|sim[:SEED]] [--seed=N] [--list] [--only=NAME]\n"
         "            [--no-fork] [--verbose] [--sweep]\n"
         "  --backend  what the loops stand on; $ASYNCIO_TEST_SEED is the seed when none is given\n"
         "  --only     the tests of that name; * and ? stand for any text\n"
         "  --no-fork  in one process, for debuggers, best with --only; ends at the first failure or skip\n"
         "  --sweep    reruns each test with every allocation and operation failing in turn");
}

static bool read_seed(const char *text)
{
    char *end;

    errno = 0;
    options.seed = strtoull(text, &end, 10);
    options.seed_given = true;
    return *text && !*end && errno == 0;
}

static bool read_backend(const char *text)
{
    options.uring = strncmp(text, "uring", 5) == 0 && (!text[5] || text[5] == ':') ? text : NULL;
    if (options.uring || strcmp(text, "epoll") == 0)
        return true;
    options.on_sim = strncmp(text, "sim", 3) == 0 && (text[3] == 0 || text[3] == ':');
    return options.on_sim && (!text[3] || read_seed(text + 4));
}

static bool read_options(int argc, char **argv)
{
    static const struct option names[] = {
        {"backend", required_argument, NULL, 'b'}, {"seed", required_argument, NULL, 's'},
        {"only", required_argument, NULL, 'o'},    {"list", no_argument, NULL, 'l'},
        {"no-fork", no_argument, NULL, 'n'},       {"verbose", no_argument, NULL, 'v'},
        {"sweep", no_argument, NULL, 'w'},         {NULL, 0, NULL, 0},
    };
    const char *seed = getenv("ASYNCIO_TEST_SEED");
    bool right = !seed || !*seed || read_seed(seed);
    int option;

    while ((option = getopt_long(argc, argv, "", names, NULL)) != -1) {
        switch (option) {
        case 'b':
            right = read_backend(optarg) && right;
            break;
        case 's':
            right = read_seed(optarg) && right;
            break;
        case 'o':
            options.only = optarg;
            break;
        case 'l':
            options.list = true;
            break;
        case 'n':
            options.no_fork = true;
            break;
        case 'v':
            options.verbose = true;
            break;
        case 'w':
            options.sweep = true;
            break;
        default:
            right = false;
        }
    }
    if (options.on_sim)
        snprintf(options.backend, sizeof options.backend, "sim:%llu", (unsigned long long)options.seed);
    else
        snprintf(options.backend, sizeof options.backend, "%s", options.uring ? options.uring : "epoll");
    return right && optind == argc;
}

/* The linker keeps no order worth relying on; the source has one. */
static int by_place(const void *a, const void *b)
{
    const struct test__case *x = *(const struct test__case *const *)a, *y = *(const struct test__case *const *)b;
    int files = strcmp(x->file, y->file);

    return files ? files : (x->line > y->line) - (x->line < y->line);
}

/* Why a test is not run as asked; NULL when it is. "" stands for no word about it at all. */
static const char *exemption(const struct test__case *test)
{
    if (test->flags & (options.on_sim ? TEST__NO_SIM : TEST__NO_EPOLL))
        return options.sweep ? "" : test->reason;
    if (options.no_fork && test->signal_number && !options.only)
        return "it dies, so it is run in this process only when it is asked for by name";
#ifdef NDEBUG
    if (test->signal_number == SIGABRT)
        return "built without assertions";
#endif
    if (options.sweep && (test->flags & TEST__NO_SWEEP))
        return test->signal_number || (test->flags & TEST__REAL_TIME) ? "" : test->reason;
    return NULL;
}

void print_indented(const char *text)
{
    while (*text) {
        size_t length = strcspn(text, "\n");

        printf("    %.*s\n", (int)length, text);
        text += length + (text[length] == '\n');
    }
}

static enum verdict run_one(const struct test__case *test)
{
    struct outcome outcome;

    if (options.no_fork) {
        run_here(test);
        printf("ok %s\n", test->name);
        return PASSED;
    }
    outcome = run_in_child(test, NULL);
    if (outcome.verdict == SKIPPED)
        printf("skip %s # %s\n", test->name, shared->skip_reason);
    else
        printf("%s %s\n", outcome.verdict == PASSED ? "ok" : "not ok", test->name);
    if (outcome.verdict == FAILED)
        printf("    %s:%d: %s\n", test->file, test->line, test->why);
    if (outcome.verdict == FAILED || options.verbose || shared->show_output)
        print_indented(outcome.output);
    return outcome.verdict;
}

static void run_all(const struct test__case **tests, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const char *reason = exemption(tests[i]);
        enum verdict verdict = SKIPPED;

        if (reason && !*reason)
            continue;
        if (reason)
            printf("skip %s # %s\n", tests[i]->name, reason);
        else
            verdict = options.sweep ? sweep(tests[i]) : run_one(tests[i]);
        n_passed += verdict == PASSED;
        n_failed += verdict == FAILED;
        n_skipped += verdict == SKIPPED;
        fflush(stdout);
    }
    if (options.sweep)
        printf("# %d faults survived\n", faults_survived);
    printf("# %d passed, %d failed, %d skipped\n", n_passed, n_failed, n_skipped);
}

static int nothing(void *arg)
{
    (void)arg;
    return asyncio_sleep(0);
}

/* What libraries make once and keep shall exist before anything is counted. */
static void warm_up(void)
{
    static const struct test__case warming = {.name = "warm-up", .why = ""};
    struct holdings holdings;
    int r;

    /* One heap for all threads, so that no thread maps one of its own. */
    mallopt(M_ARENA_MAX, 1);
    current.test = &warming;
    r = run(nothing, NULL);
    if (r < 0)
        printf("# an empty run fails: %s\n", asyncio_strerror(r));
    count_holdings(&holdings);
}

int main(int argc, char **argv)
{
    size_t n = (size_t)(__stop_asyncio_tests - __start_asyncio_tests), n_chosen = 0;
    const struct test__case **tests = calloc(n + 1, sizeof *tests);

    if (!tests || !read_options(argc, argv)) {
        usage();
        return 2;
    }
    for (size_t i = 0; i < n; i++)
        if (!options.only || fnmatch(options.only, __start_asyncio_tests[i]->name, 0) == 0)
            tests[n_chosen++] = __start_asyncio_tests[i];
    qsort(tests, n_chosen, sizeof tests[0], by_place);
    if (options.list) {
        for (size_t i = 0; i < n_chosen; i++)
            printf("%s # %s\n", tests[i]->name, tests[i]->why);
        return 0;
    }
    unsetenv("ASYNCIO_BACKEND");
    unsetenv("ASYNCIO_DEBUG");
    setvbuf(stdout, NULL, _IOLBF, 0);
    begin_processes();
    warm_up();
    run_all(tests, n_chosen);
    free(tests);
    if (options.only && n_chosen == 0)
        printf("no test is called %s\n", options.only);
    return n_failed || n_chosen == 0;
}
