/* Handlers of signals: each signal is a call, the latest handler gets it, a removed one none (SG-01, SG-02, SG-03). */

#include "parity.h"

#include <signal.h>

static struct asyncio_contextvar colour = {.name = "colour"};

static void send_callback(void *number)
{
    raise(number_of(number));
}

static void set_callback(void *event)
{
    asyncio_event_set(event);
}

static void paint(const char *name)
{
    ASYNCIO_IGNORE(asyncio_contextvar_set(&colour, word(name), NULL));
}

static const char *painted(void)
{
    return asyncio_contextvar_get(&colour, word("none"));
}

static void says_colour(void *arg)
{
    (void)arg;
    say("in %s", painted());
    paint("blue");
}

static int main_task(void *arg)
{
    struct asyncio_loop *loop = asyncio_get_running_loop();
    struct asyncio_event came = ASYNCIO_EVENT_INIT;

    (void)arg;
    TRY(asyncio_loop_add_signal_handler(loop, SIGUSR1, say_callback, word("USR1")));
    TRY(asyncio_loop_add_signal_handler(loop, SIGUSR2, say_callback, word("USR2")));
    raise(SIGUSR1);
    nap(1);
    raise(SIGUSR2);
    raise(SIGUSR1);
    raise(SIGUSR1);
    say("sent three");
    nap(1);

    raise(SIGUSR1);
    TRY(asyncio_loop_add_signal_handler(loop, SIGUSR1, say_callback, word("another")));
    nap(1);
    raise(SIGUSR1);
    say("removed: %s", truth(asyncio_loop_remove_signal_handler(loop, SIGUSR1)));
    say("removed: %s", truth(asyncio_loop_remove_signal_handler(loop, SIGUSR1)));
    nap(1);

    TRY(asyncio_loop_add_signal_handler(loop, SIGUSR1, set_callback, &came));
    TRY(asyncio_loop_call_later(loop, 0.5, send_callback, item_of(SIGUSR1)));
    TRY(asyncio_event_wait(&came));
    say("came");
    paint("red");
    TRY(asyncio_loop_add_signal_handler(loop, SIGUSR1, says_colour, NULL));
    paint("green");
    raise(SIGUSR1);
    nap(1);
    raise(SIGUSR1);
    nap(1);
    say("and here %s", painted());
    say("removed: %s", truth(asyncio_loop_remove_signal_handler(loop, SIGUSR1)));

    say("KILL: %s", refused(asyncio_loop_add_signal_handler(loop, SIGKILL, say_callback, word(""))));
    say("STOP: %s", refused(asyncio_loop_add_signal_handler(loop, SIGSTOP, say_callback, word(""))));
    say("0: %s", refused(asyncio_loop_add_signal_handler(loop, 0, say_callback, word(""))));
    say("1000: %s", refused(asyncio_loop_add_signal_handler(loop, 1000, say_callback, word(""))));
    return 0;
}

int main(void)
{
    return asyncio_run(main_task, NULL) < 0;
}
