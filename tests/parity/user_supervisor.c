/* A user's program: a supervisor that restarts failed children, more and more slowly, and gives up on hopeless ones. */

#include "parity.h"

#define MOST_RESTARTS 3

struct child {
    const char *name;
    double lifetime;
    int failures, starts;
};

static int run_child(struct child *child)
{
    child->starts++;
    say("%s starts for the %d. time", child->name, child->starts);
    TRY(asyncio_sleep(child->lifetime));
    if (child->starts <= child->failures)
        return -child->starts;
    say("%s has done its work", child->name);
    return 0;
}

static int supervise(void *arg)
{
    struct child *child = arg;
    double pause = 0.25;

    for (int i = 0; i <= MOST_RESTARTS; i++) {
        int r = run_child(child);
        if (r >= 0)
            return 0;
        if (r == -ECANCELED) {
            say("%s is stopped", child->name);
            return r;
        }
        say("%s fails with %d", child->name, -r);
        TRY(asyncio_sleep(pause));
        pause *= 2;
    }
    say("%s is hopeless", child->name);
    return 1;
}

static int main_task(void *arg)
{
    struct child children[] = {
        {"steady", 1.5, 0, 0},
        {"shaky", 0.3, 2, 0},
        {"hopeless", 0.1, 100, 0},
        {"endless", 1000, 0, 0},
    };
    struct asyncio_future *tasks[COUNT(children)], *waiting[3];
    size_t n_waiting = 3;
    int hopeless = 0;

    (void)arg;
    for (size_t i = 0; i < COUNT(children); i++)
        tasks[i] = asyncio_create_task(supervise, &children[i], .name = children[i].name);
    memcpy(waiting, tasks, sizeof waiting);
    while (n_waiting > 0) {
        size_t left = 0;
        TRY(asyncio_wait(waiting, n_waiting, ASYNCIO_FOREVER, ASYNCIO_FIRST_COMPLETED));
        for (size_t i = 0; i < n_waiting; i++) {
            if (asyncio_future_done(waiting[i])) {
                say("the supervisor of %s is done", asyncio_task_get_name(waiting[i]));
                hopeless += asyncio_future_result(waiting[i]);
            } else {
                waiting[left++] = waiting[i];
            }
        }
        n_waiting = left;
    }
    say("%d of %zu are hopeless", hopeless, COUNT(children));
    TRY(asyncio_cancel_and_wait(tasks[3]));
    say("starts: %d %d %d %d", children[0].starts, children[1].starts, children[2].starts, children[3].starts);
    drop_all(tasks, COUNT(tasks));
    return 0;
}

int main(void)
{
    return asyncio_run(main_task, NULL) < 0;
}
