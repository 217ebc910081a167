/* signals.c -- the one place of the process for signals: which loops look out for which, and what they did before.
 *
 * The kernel calls one handler for all of them, in any thread at any time. It takes no lock and allocates nothing: it
 * goes through the list of a signal's watches, counts the delivery in each and posts the watch's node to its loop.
 *
 * Invariants:
 *   - the table is changed under `lock`, by a thread that has all signals blocked, so that no handler waits for it;
 *   - while the handler is installed, the list is not empty: a watch is linked before the handler is installed, and
 *     the former disposition is restored before the last one is unlinked;
 *   - a handler that runs is counted in `in_handler`; what was unlinked stays in memory until nobody is counted;
 *   - a node is posted when its watch's `arrived` goes from 0 to 1, and takes them all when it runs;
 *   - a forked child begins with no watch and all former dispositions. Those of its parent's loops are on list 0, with
 *     the signal's number negated, until their owners end them or the child takes the loop over. */
#include "signals.h"

#include "handles.h"

#include "../base/context.h"

#include <sched.h>
#include <signal.h>
#include <unistd.h>

#define MOST_SIGNALS 64

/* More do not come while the last watch ends. */
#define MOST_PASSED_ON 16

struct entry {
    struct asyncio_signal_watch *first; /* in the order in which they began; handlers read it and `next` at any time */
    struct sigaction former;            /* valid while ours is installed */
    void (*former_handler)(int);        /* of the last `former`; handlers read it at any time */
    atomic_uint n_passed_on;            /* since ours was last installed */
};

static struct entry table[MOST_SIGNALS + 1];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static sigset_t forkers_mask; /* valid while a fork has the lock */
static atomic_int in_handler;
static atomic_int owner; /* the process that the installed handlers are of */

/* ----------------------------------------------------------------------------------------------------- The handler */

static struct asyncio_signal_watch *load(struct asyncio_signal_watch *const *place)
{
    return __atomic_load_n(place, __ATOMIC_SEQ_CST);
}

static void store(struct asyncio_signal_watch **place, struct asyncio_signal_watch *watch)
{
    __atomic_store_n(place, watch, __ATOMIC_SEQ_CST);
}

static void tell(struct asyncio_signal_watch *watch)
{
    if (__atomic_fetch_add(&watch->arrived, 1, __ATOMIC_SEQ_CST) == 0)
        asyncio_loop_post(watch->loop, &watch->node);
}

enum audience { NOBODY, SOMEBODY, SPENT };

/* Tells whoever looks out for a signal: those that stand in for its default action only if nobody else does. */
static enum audience tell_all(int number)
{
    struct asyncio_signal_watch *const *first = &table[number].first, *watch;
    enum audience audience = NOBODY;

    for (watch = load(first); watch; watch = load(&watch->next)) {
        if (watch->stands_in)
            continue;
        tell(watch);
        audience = SOMEBODY;
    }
    for (watch = audience == NOBODY ? load(first) : NULL; watch; watch = load(&watch->next)) {
        if (__atomic_exchange_n(&watch->spent, true, __ATOMIC_SEQ_CST)) {
            audience = SPENT;
        } else {
            tell(watch);
            audience = SOMEBODY;
        }
    }
    return audience;
}

static void on_signal(int number);

static bool is_ours(const struct sigaction *action)
{
    return !(action->sa_flags & SA_SIGINFO) && action->sa_handler == on_signal;
}

/* The signal came while the last watch ended: it goes where it would have gone a moment later, be it to one that has
 * begun since. Not when a handler that is there instead may have called ours; and one that was over ours before, and so
 * comes back while it still calls ours, does not go round for ever. */
static void pass_on(int number)
{
    struct entry *entry = &table[number];
    struct sigaction present;

    if (sigaction(number, NULL, &present) < 0)
        return;
    if (!is_ours(&present) && present.sa_handler != __atomic_load_n(&entry->former_handler, __ATOMIC_SEQ_CST))
        return;
    if (atomic_fetch_add(&entry->n_passed_on, 1) < MOST_PASSED_ON)
        raise(number);
}

/* What is raised here comes when the handler is over. */
static void have_default_action(int number)
{
    struct sigaction by_default = {.sa_handler = SIG_DFL};

    sigemptyset(&by_default.sa_mask);
    sigaction(number, &by_default, NULL);
    raise(number);
}

static void on_signal(int number)
{
    int saved_errno = errno;
    enum audience audience;

    /* A child that was made past pthread_atfork, by vfork or clone, may even share our memory. */
    if (getpid() != atomic_load(&owner))
        return;
    atomic_fetch_add(&in_handler, 1);
    audience = tell_all(number);
    atomic_fetch_sub(&in_handler, 1);
    if (audience == NOBODY)
        pass_on(number);
    else if (audience == SPENT)
        have_default_action(number);
    errno = saved_errno;
}

/* ------------------------------------------------------------------------------------------------------- The table */

static void lock_table(sigset_t *ret_mask)
{
    sigset_t all;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, ret_mask);
    pthread_mutex_lock(&lock);
}

static void unlock_table(const sigset_t *mask)
{
    pthread_mutex_unlock(&lock);
    pthread_sigmask(SIG_SETMASK, mask, NULL);
}

static void append(struct entry *entry, struct asyncio_signal_watch *watch)
{
    struct asyncio_signal_watch **place = &entry->first;

    while (*place)
        place = &(*place)->next;
    store(place, watch);
}

static void unlink_watch(struct entry *entry, const struct asyncio_signal_watch *watch)
{
    struct asyncio_signal_watch **place = &entry->first;

    while (*place && *place != watch)
        place = &(*place)->next;
    if (*place)
        store(place, watch->next);
}

/* Not by SA_RESETHAND and the like, which tools that keep books of handlers do not see. */
static int install(struct entry *entry, int number, const struct sigaction *present)
{
    struct sigaction ours = {.sa_handler = on_signal, .sa_flags = SA_RESTART | SA_ONSTACK};

    sigfillset(&ours.sa_mask);
    entry->former = *present;
    atomic_store(&entry->n_passed_on, 0);
    __atomic_store_n(&entry->former_handler, present->sa_handler, __ATOMIC_SEQ_CST);
    atomic_store(&owner, getpid());
    return sigaction(number, &ours, NULL) < 0 ? -errno : 0;
}

/* What somebody else has installed over ours stays. */
static void restore(const struct entry *entry, int number)
{
    struct sigaction present;

    if (sigaction(number, NULL, &present) == 0 && is_ours(&present))
        sigaction(number, &entry->former, NULL);
}

static bool is_default(const struct sigaction *action)
{
    return !(action->sa_flags & SA_SIGINFO) && action->sa_handler == SIG_DFL;
}

/* With the lock. */
static int link_watch(struct asyncio_signal_watch *watch)
{
    struct entry *entry = &table[watch->number];
    struct sigaction present;
    int r = 0;

    if (sigaction(watch->number, NULL, &present) < 0)
        return -EINVAL;
    if (watch->stands_in && !is_default(is_ours(&present) ? &entry->former : &present))
        return -EBUSY;
    append(entry, watch);
    if (!is_ours(&present))
        r = install(entry, watch->number, &present);
    if (r < 0)
        unlink_watch(entry, watch);
    return r;
}

/* ----------------------------------------------------------------------------------------------------------- Forks */

static void before_fork(void)
{
    sigset_t mask;

    lock_table(&mask);
    forkers_mask = mask;
}

static void after_fork(void)
{
    sigset_t mask = forkers_mask;

    unlock_table(&mask);
}

static void after_fork_in_child(void)
{
    for (int number = 1; number <= MOST_SIGNALS; number++) {
        struct asyncio_signal_watch *first = table[number].first;

        if (!first)
            continue;
        restore(&table[number], number);
        table[number].first = NULL;
        append(&table[0], first);
        for (; first; first = first->next)
            first->number = -first->number;
    }
    /* Whoever was in the handler is a thread of the parent's. */
    atomic_store(&in_handler, 0);
    after_fork();
}

static void watch_forks(void)
{
    pthread_atfork(before_fork, after_fork, after_fork_in_child);
}

/* --------------------------------------------------------------------------------------------------------- Watches */

/* Nobody can catch the first two; the others are the program's own faults, and go on after a handler that returns. */
static bool can_be_watched(int number)
{
    static const int exempt[] = {SIGKILL, SIGSTOP, SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGSYS};

    for (size_t i = 0; i < ARRAY_SIZE(exempt); i++)
        if (number == exempt[i])
            return false;
    return number > 0 && number <= MOST_SIGNALS;
}

static void run_watch(struct asyncio_node *node)
{
    struct asyncio_signal_watch *watch = CONTAINER_OF(node, struct asyncio_signal_watch, node);

    watch->received(watch, __atomic_exchange_n(&watch->arrived, 0, __ATOMIC_SEQ_CST));
}

static int watch_signal(struct asyncio_signal_watch *watch, struct asyncio_loop *loop, int number, bool stands_in)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    sigset_t mask;
    int r;

    if (!watch)
        return -EINVAL;
    watch->loop = NULL;
    r = asyncio__loop_check(loop);
    if (r < 0)
        return r;
    if (!asyncio__loop_is_mine(loop))
        return -EXDEV;
    if (!can_be_watched(number))
        return -EINVAL;
    r = asyncio__loop_take_over(loop);
    if (r < 0)
        return r;
    pthread_once(&once, watch_forks);
    asyncio_node_init(&watch->node, run_watch, NULL);
    watch->loop = loop;
    watch->next = NULL;
    watch->number = number;
    watch->arrived = 0;
    watch->stands_in = stands_in;
    watch->spent = false;
    lock_table(&mask);
    r = link_watch(watch);
    unlock_table(&mask);
    if (r < 0)
        watch->loop = NULL;
    return r;
}

int asyncio_watch_signal(struct asyncio_signal_watch *watch, struct asyncio_loop *loop, int number)
{
    return watch_signal(watch, loop, number, false);
}

int asyncio__watch_default_signal(struct asyncio_signal_watch *watch, struct asyncio_loop *loop, int number)
{
    return watch_signal(watch, loop, number, true);
}

void asyncio_unwatch_signal(struct asyncio_signal_watch *watch)
{
    struct asyncio_loop *loop = watch ? watch->loop : NULL;
    struct entry *entry;
    sigset_t mask;

    if (!loop)
        return;
    lock_table(&mask);
    entry = &table[watch->number > 0 ? watch->number : 0];
    if (watch->number > 0 && entry->first == watch && !watch->next)
        restore(entry, watch->number);
    unlink_watch(entry, watch);
    while (atomic_load(&in_handler) > 0)
        sched_yield();
    unlock_table(&mask);
    /* From here on nobody posts it; it may have been posted. */
    if (!asyncio__posts_refused(loop))
        asyncio__posts_collect(loop);
    asyncio_node_cancel(&watch->node);
    watch->loop = NULL;
}

/* -------------------------------------------------------------------------------------------------------- Handlers */

/* What a handler calls. A call keeps it while the handler is given another or removed. */
struct reaction {
    int refs;
    asyncio_callback *callback;
    void *arg;
    struct asyncio_context *context;
};

struct handler {
    struct asyncio_signal_watch watch;
    struct reaction *reaction;
    bool running, removed;
};

static struct reaction *reaction_new(asyncio_callback *callback, void *arg)
{
    struct reaction *reaction = asyncio__malloc(sizeof *reaction);

    if (!reaction)
        return NULL;
    *reaction = (struct reaction){.refs = 1, .callback = callback, .arg = arg};
    if (asyncio__context_choose(NULL, &reaction->context) < 0) {
        asyncio__free(reaction);
        return NULL;
    }
    return reaction;
}

static void reaction_unref(struct reaction *reaction)
{
    if (--reaction->refs > 0)
        return;
    asyncio_context_unref(reaction->context);
    asyncio__free(reaction);
}

static void free_if_over(struct handler *handler)
{
    if (!handler->removed || handler->running)
        return;
    reaction_unref(handler->reaction);
    asyncio__free(handler);
}

static void handler_received(struct asyncio_signal_watch *watch, unsigned times)
{
    struct handler *handler = CONTAINER_OF(watch, struct handler, watch);

    handler->running = true;
    while (times-- > 0 && !handler->removed) {
        struct reaction *reaction = handler->reaction;

        reaction->refs++;
        asyncio__call_in_context(&reaction->context, reaction->callback, reaction->arg);
        reaction_unref(reaction);
    }
    handler->running = false;
    free_if_over(handler);
}

/* A watch of the loop that is on the list of `number`; one of a handler, if `handlers` is asked for. */
static struct asyncio_signal_watch *find(const struct asyncio_loop *loop, int number, bool handlers)
{
    struct asyncio_signal_watch *watch;
    sigset_t mask;

    lock_table(&mask);
    for (watch = table[number].first; watch; watch = watch->next)
        if (watch->loop == loop && (!handlers || watch->received == handler_received))
            break;
    unlock_table(&mask);
    return watch;
}

static struct handler *find_handler(const struct asyncio_loop *loop, int number)
{
    struct asyncio_signal_watch *watch = find(loop, number, true);

    return watch ? CONTAINER_OF(watch, struct handler, watch) : NULL;
}

static int handler_begin(struct asyncio_loop *loop, int number, struct reaction *reaction)
{
    struct handler *handler = asyncio__malloc(sizeof *handler);
    int r;

    if (!handler)
        return -ENOMEM;
    *handler = (struct handler){.watch.received = handler_received, .reaction = reaction};
    r = asyncio_watch_signal(&handler->watch, loop, number);
    if (r < 0)
        asyncio__free(handler);
    else
        asyncio_loop_hold(loop);
    return r;
}

static void handler_end(struct handler *handler)
{
    struct asyncio_loop *loop = handler->watch.loop;

    asyncio_unwatch_signal(&handler->watch);
    asyncio_loop_release(loop);
    handler->removed = true;
    free_if_over(handler);
}

int asyncio_loop_add_signal_handler(struct asyncio_loop *loop, int signal, asyncio_callback *callback, void *arg)
{
    struct reaction *reaction;
    struct handler *handler;
    int r = asyncio__loop_check(loop);

    if (r < 0)
        return r;
    if (!asyncio__loop_is_mine(loop))
        return -EXDEV;
    if (!callback || !can_be_watched(signal))
        return -EINVAL;
    r = asyncio__loop_take_over(loop);
    if (r < 0)
        return r;
    reaction = reaction_new(callback, arg);
    if (!reaction)
        return -ENOMEM;
    handler = find_handler(loop, signal);
    if (handler) {
        reaction_unref(handler->reaction);
        handler->reaction = reaction;
        return 0;
    }
    r = handler_begin(loop, signal, reaction);
    if (r < 0)
        reaction_unref(reaction);
    return r;
}

int asyncio_loop_remove_signal_handler(struct asyncio_loop *loop, int signal)
{
    struct handler *handler;
    int r;

    if (!loop || !can_be_watched(signal))
        return -EINVAL;
    if (asyncio__loop_closed(loop))
        return 0;
    if (!asyncio__loop_is_mine(loop))
        return -EXDEV;
    r = asyncio__loop_take_over(loop);
    if (r < 0)
        return r;
    handler = find_handler(loop, signal);
    if (!handler)
        return 0;
    handler_end(handler);
    return 1;
}

void asyncio__signals_take_over(struct asyncio_loop *loop)
{
    struct asyncio_signal_watch **place = &table[0].first, *watch;
    sigset_t mask;

    lock_table(&mask);
    while ((watch = *place)) {
        if (watch->loop == loop) {
            store(place, watch->next);
            store(&watch->next, NULL);
            watch->number = -watch->number;
            link_watch(watch);
        } else {
            place = &watch->next;
        }
    }
    unlock_table(&mask);
}

void asyncio__signals_close(struct asyncio_loop *loop)
{
    struct asyncio_signal_watch *watch;

    for (int number = 0; number <= MOST_SIGNALS; number++) {
        while (load(&table[number].first) && (watch = find(loop, number, false))) {
            if (watch->received == handler_received)
                handler_end(CONTAINER_OF(watch, struct handler, watch));
            else
                asyncio_unwatch_signal(watch);
        }
    }
}
