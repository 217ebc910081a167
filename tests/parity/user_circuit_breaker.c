/* A user's program: a circuit breaker. After three failures it refuses calls for 1.9 s, then lets one call try. */

#include "parity.h"

#define REFUSED 111

struct service {
    double delay;
    bool down;
    int handled;
};

enum state { CLOSED, OPEN, HALF_OPEN };

struct breaker {
    int most_failures;
    double rest;
    enum state state;
    int failures;
    double opened_at;
};

struct request {
    struct service *service;
    int number;
};

static int handle(void *arg)
{
    const struct request *request = arg;
    struct service *service = request->service;

    service->handled++;
    TRY(asyncio_sleep(service->delay));
    return service->down ? -5 : request->number * 2;
}

static void change(struct breaker *breaker, enum state state)
{
    static const char *const names[] = {"closed", "open", "half open"};

    say("the breaker is %s", names[state]);
    breaker->state = state;
}

static int breaker_call(struct breaker *breaker, struct request *request)
{
    struct asyncio_loop *loop = asyncio_get_running_loop();

    if (breaker->state == OPEN && asyncio_loop_time(loop) >= breaker->opened_at + breaker->rest)
        change(breaker, HALF_OPEN);
    else if (breaker->state != CLOSED)
        return -REFUSED;
    int r = asyncio_wait_for(handle, request, 0.25);
    if (r == -ECANCELED)
        return r;
    if (r < 0) {
        breaker->failures++;
        if (breaker->state == HALF_OPEN || breaker->failures == breaker->most_failures) {
            breaker->opened_at = asyncio_loop_time(loop);
            change(breaker, OPEN);
        }
        return r;
    }
    breaker->failures = 0;
    if (breaker->state == HALF_OPEN)
        change(breaker, CLOSED);
    return r;
}

static int client(void *arg)
{
    struct breaker breaker = {.most_failures = 3, .rest = 1.9};

    for (int number = 0; number < 16; number++) {
        int r = breaker_call(&breaker, &(struct request){arg, number});
        if (r == -ECANCELED)
            return r;
        say("request %d: %s", number, outcome(r));
        TRY(asyncio_sleep(0.4));
    }
    return 0;
}

static int weather(void *arg)
{
    struct service *service = arg;

    TRY(asyncio_sleep(1));
    say("the service is down");
    service->down = true;
    TRY(asyncio_sleep(1.2));
    say("the service hangs");
    service->delay = 100;
    TRY(asyncio_sleep(2.5));
    say("the service is well");
    service->delay = 0.1;
    service->down = false;
    return 0;
}

static int main_task(void *arg)
{
    struct service service = {.delay = 0.1};
    struct asyncio_taskgroup group = {0};

    (void)arg;
    TRY(asyncio_taskgroup_enter(&group));
    asyncio_taskgroup_create_task(&group, client, &service);
    asyncio_taskgroup_create_task(&group, weather, &service);
    TRY(asyncio_taskgroup_exit(&group, 0));
    say("the service has handled %d requests", service.handled);
    return 0;
}

int main(void)
{
    return asyncio_run(main_task, NULL) < 0;
}
