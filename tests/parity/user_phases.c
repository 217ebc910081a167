/* A user's program: the stages of a build, some in turn, some at once, with a summary at the end. */

#include "parity.h"

enum { CONFIGURE, LIBRARY, PROGRAM, MANUAL, PACKAGE, STAGES };

struct stage {
    const char *name;
    double seconds;
    int error;
    const char *status;
};

static int run_stage(void *arg)
{
    struct stage *stage = arg;

    say("%s starts", stage->name);
    stage->status = "interrupted";
    TRY(asyncio_sleep(stage->seconds));
    if (stage->error) {
        stage->status = "failed";
        say("%s fails", stage->name);
        return stage->error;
    }
    stage->status = "ok";
    say("%s ends", stage->name);
    return 0;
}

static int build(struct stage *stages, struct asyncio_taskgroup *group)
{
    TRY(run_stage(&stages[CONFIGURE]));
    TRY(asyncio_taskgroup_enter(group));
    for (int i = LIBRARY; i <= MANUAL; i++)
        asyncio_taskgroup_create_task(group, run_stage, &stages[i]);
    TRY(asyncio_taskgroup_exit(group, 0));
    return run_stage(&stages[PACKAGE]);
}

static void scene(const char *title, int manual_error)
{
    struct stage stages[STAGES] = {
        {"configure", 0.5, 0, "not run"},       {"library", 2.5, 0, "not run"},  {"program", 1.5, 0, "not run"},
        {"manual", 2, manual_error, "not run"}, {"package", 0.25, 0, "not run"},
    };
    struct asyncio_taskgroup group = {.keep_errors = true};
    char summary[128];
    size_t n_errors, length = 0;

    say("%s", title);
    if (build(stages, &group) >= 0) {
        say("built");
    } else {
        asyncio_taskgroup_errors(&group, &n_errors);
        say("not built, %zu error", n_errors);
    }
    asyncio_taskgroup_fini(&group);
    for (int i = 0; i < STAGES; i++)
        length += (size_t)snprintf(summary + length, sizeof summary - length, "%s%s %s", i ? ", " : "", stages[i].name,
                                   stages[i].status);
    say("%s", summary);
}

static int main_task(void *arg)
{
    struct stage lone = {"lone stage", 10, 0, "not run"};

    (void)arg;
    scene("all goes well", 0);
    scene("the manual fails", -5);
    int r = asyncio_wait_for(run_stage, &lone, 1);
    say("with a limit: %s, %s", outcome(r), lone.status);
    return 0;
}

int main(void)
{
    return asyncio_run(main_task, NULL) < 0;
}
