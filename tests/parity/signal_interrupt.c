/* Ctrl-C cancels the main task, unless the program has a handler of its own for it (R-04, SG-01). */

#include "parity.h"

#include <signal.h>

static void press(void *arg)
{
    (void)arg;
    raise(SIGINT);
}

static int sleeps(void *arg)
{
    int r;

    (void)arg;
    TRY(asyncio_loop_call_later(asyncio_get_running_loop(), 1, press, NULL));
    r = asyncio_sleep(10);
    say("sleeps: %s", outcome(r));
    nap(1);
    say("cleaned up");
    return r;
}

static int swallows(void *arg)
{
    (void)arg;
    TRY(asyncio_loop_call_later(asyncio_get_running_loop(), 1, press, NULL));
    say("swallows: %s", outcome(asyncio_sleep(10)));
    return 7;
}

static int listens(void *arg)
{
    (void)arg;
    TRY(asyncio_loop_add_signal_handler(asyncio_get_running_loop(), SIGINT, say_callback, word("handler")));
    for (int i = 0; i < 3; i++) {
        press(NULL);
        nap(1);
    }
    return 8;
}

static void play(asyncio_coro *main_task)
{
    int r = asyncio_run(main_task, NULL);

    if (r == -EINTR)
        say("interrupted");
    else
        say("result: %s", outcome(r));
}

int main(void)
{
    /* A shell may have started us with Ctrl-C ignored, which is respected. */
    signal(SIGINT, SIG_DFL);
    play(sleeps);
    play(swallows);
    play(listens);
    return 0;
}
