/* sweep.c -- faults one after the other: the nth allocation, the nth operation fails, for n = 0, 1, 2 ... until a run
 * meets none.
 *
 * What the body expects does not count then, as it may see errors; what counts is that it neither crashes nor hangs
 * nor leaks. */
#include "harness.h"

/* Every fault up to here, then ever fewer. */
#define ALL_UP_TO  400
#define FAR_ENOUGH 1000000

int faults_survived;

struct sum {
    int survived, cut_short;
};

static int64_t next(int64_t n)
{
    return n < ALL_UP_TO ? n + 1 : n + n / 8;
}

static void print_failure(const struct test__case *test, const char *what, int64_t n, const char *output)
{
    printf("not ok %s\n    %s:%d: with %s %lld failing\n", test->name, test->file, test->line, what, (long long)n);
    print_indented(output);
}

/* One kind of fault. Returns: false when a run failed, which has been printed. */
static bool sweep_kind(const struct test__case *test, struct fault *fault, int64_t *n, const char *what,
                       struct sum *sum)
{
    for (*n = 0; *n < FAR_ENOUGH; *n = next(*n)) {
        struct outcome outcome = run_in_child(test, fault);

        if (outcome.verdict == FAILED) {
            print_failure(test, what, *n, outcome.output);
            return false;
        }
        if (shared->ended && !shared->fault_met)
            return true;
        sum->survived++;
        sum->cut_short += outcome.verdict == CUT_SHORT;
        if (options.verbose && outcome.verdict == CUT_SHORT) {
            printf("# %s: cut short with %s %lld failing\n", test->name, what, (long long)*n);
            print_indented(outcome.output);
        }
    }
    return true;
}

enum verdict sweep(const struct test__case *test)
{
    struct fault fault = {NO_FAULT, NO_FAULT};
    struct sum sum = {0, 0};
    struct outcome outcome = run_in_child(test, NULL);

    if (outcome.verdict != PASSED) {
        const char *reason = outcome.verdict == SKIPPED ? shared->skip_reason : "fails without a fault";

        printf("skip %s # %s\n", test->name, reason);
        return SKIPPED;
    }
    if (!sweep_kind(test, &fault, &fault.allocation, "allocation", &sum))
        return FAILED;
    fault.allocation = NO_FAULT;
    if (options.on_sim && !sweep_kind(test, &fault, &fault.operation, "operation", &sum))
        return FAILED;
    faults_survived += sum.survived;
    printf("ok %s # %d faults survived", test->name, sum.survived);
    printf(sum.cut_short ? ", %d of them in runs cut short\n" : "\n", sum.cut_short);
    return PASSED;
}
