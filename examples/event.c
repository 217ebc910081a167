/* An event that a plain callback sets and two coroutines wait for. */
#include <asyncio.h>

/* Static, because the callback may come when main has ended early. Zeroed memory is an event. */
static struct asyncio_event event;

static void set_event(void *arg)
{
    printf("setting event in callback\n");
    asyncio_event_set(arg);
}

static int wait_for_event(void *arg)
{
    const char *name = asyncio_task_get_name(asyncio_current_task());
    int r;

    (void)arg;
    printf("%s waiting for event\n", name);
    r = asyncio_event_wait(&event);
    if (r < 0)
        return r;
    printf("%s triggered\n", name);
    return 0;
}

static const char *state(void)
{
    return asyncio_event_is_set(&event) ? "True" : "False";
}

static int amain(void *arg)
{
    struct asyncio_taskgroup group = {.name = "waiters"};
    int r;

    (void)arg;
    printf("event start state: %s\n", state());
    r = asyncio_loop_call_later(asyncio_get_running_loop(), 0.1, set_event, &event);
    if (r < 0)
        return r;
    r = asyncio_taskgroup_enter(&group);
    if (r < 0)
        return r;
    asyncio_taskgroup_create_task(&group, wait_for_event, NULL, .name = "coro1");
    asyncio_taskgroup_create_task(&group, wait_for_event, NULL, .name = "coro2");
    r = asyncio_taskgroup_exit(&group, 0);
    if (r < 0)
        return r;
    printf("event end state: %s\n", state());
    asyncio_event_fini(&event);
    return 0;
}

int main(void)
{
    int r = asyncio_run(amain, NULL);

    if (r < 0)
        fprintf(stderr, "event: %s\n", asyncio_strerror(r));
    return r < 0;
}
