/* staggered.c -- a race of connects, in which each starts a little later than the one before (RFC 8305).
 *
 * Invariants:
 *   - an attempt's fd is open from its begin until it has lost; the winner's is the caller's;
 *   - the race is on the stack of the task that runs it, so nobody leaves before the back end has none of its
 *     operations: losers are taken back and, where that takes time, waited for. */
#include "staggered.h"

#include "../base/mem.h"
#include "../task/task.h"
#include "sockets.h"

#include <stdio.h>

/* What an attempt has failed in. */
enum step { STEP_SOCKET, STEP_BIND, STEP_CHOOSE, STEP_CONNECT };

struct attempt {
    struct asyncio_op op;
    struct race *race;
    const struct asyncio_address *target, *origin; /* origin: the one that it could not be bound to */
    int fd;                                        /* -1: not open */
    bool is_busy;                                  /* the back end has the operation */
    int error;
    enum step step;
};

struct race {
    struct asyncio_waiter waiter;
    struct asyncio_timer timer;
    struct asyncio_loop *loop;
    const struct asyncio__dns_addresses *origins;
    struct attempt *attempts;
    size_t n, n_begun, n_busy;
    struct attempt *winner;
    bool wants_next; /* time for another attempt */
    bool is_ending;  /* only waits for the back end */
};

/* --------------------------------------------------------------------------------------------------------- Attempts */

static void drop(struct attempt *attempt)
{
    if (attempt->fd >= 0)
        asyncio__fd_close(attempt->race->loop, attempt->fd);
    attempt->fd = -1;
}

static void fail(struct attempt *attempt, enum step step, int error)
{
    attempt->step = step;
    attempt->error = error;
    attempt->race->wants_next = true;
    drop(attempt);
}

static void ended(struct attempt *attempt, int result)
{
    struct race *race = attempt->race;

    if (result < 0)
        fail(attempt, STEP_CONNECT, result);
    else if (!race->winner)
        race->winner = attempt;
    else
        drop(attempt);
}

static void completed(struct asyncio_op *op)
{
    struct attempt *attempt = op->owner;
    struct race *race = attempt->race;
    bool is_over;

    attempt->is_busy = false;
    race->n_busy--;
    ended(attempt, (int)op->result);
    is_over = race->winner || (race->wants_next && race->n_begun < race->n);
    if (race->n_busy == 0)
        asyncio_unpark(&race->waiter, race->is_ending && !race->winner ? -ECANCELED : 0);
    else if (is_over && !race->is_ending)
        asyncio_unpark(&race->waiter, 0);
}

/* Returns: true when the attempt's socket is where it is to be; else it has failed. */
static bool bind_attempt(struct attempt *attempt)
{
    const struct asyncio__dns_addresses *origins = attempt->race->origins;
    int error = 0;

    for (size_t i = 0; i < origins->n; i++) {
        const struct asyncio_address *origin = &origins->list[i];
        int r;

        if (asyncio_address_family(origin) != asyncio_address_family(attempt->target))
            continue;
        r = asyncio__fd_bind(attempt->race->loop, attempt->fd, origin);
        if (r == 0)
            return true;
        if (error == 0) {
            error = r;
            attempt->origin = origin;
        }
    }
    if (origins->n == 0)
        return true;
    fail(attempt, error ? STEP_BIND : STEP_CHOOSE, error ? error : -EADDRNOTAVAIL);
    return false;
}

static void begin(struct attempt *attempt)
{
    struct race *race = attempt->race;

    attempt->fd = asyncio__fd_make(race->loop, asyncio_address_family(attempt->target), SOCK_STREAM, 0);
    if (attempt->fd < 0) {
        fail(attempt, STEP_SOCKET, attempt->fd);
        return;
    }
    if (!bind_attempt(attempt))
        return;
    attempt->op = (struct asyncio_op){
        .complete = completed,
        .owner = attempt,
        .opcode = ASYNCIO_OP_CONNECT,
        .fd = attempt->fd,
        .address = {&attempt->target->data, attempt->target->size},
    };
    if (asyncio_op_submit(race->loop, &attempt->op)) {
        ended(attempt, (int)attempt->op.result);
        return;
    }
    attempt->is_busy = true;
    race->n_busy++;
}

/* ------------------------------------------------------------------------------------------------------------ Waits */

/* Takes all attempts back that are under way; some may yet come back by themselves. */
static void take_back(struct race *race)
{
    race->is_ending = true;
    for (size_t i = 0; i < race->n_begun; i++) {
        struct attempt *attempt = &race->attempts[i];

        if (!attempt->is_busy || !asyncio_op_cancel(race->loop, &attempt->op))
            continue;
        attempt->is_busy = false;
        race->n_busy--;
        drop(attempt);
    }
}

static enum asyncio_cancel_answer cancel_race(struct asyncio_waiter *waiter)
{
    struct race *race = waiter->object;

    if (!race->is_ending) {
        take_back(race);
        if (race->n_busy == 0)
            return ASYNCIO_CANCELLED;
    }
    /* If one has got through after all, the cancel is kept for the next wait. */
    asyncio__task_of(waiter->task)->must_cancel = true;
    return ASYNCIO_WILL_COMPLETE;
}

static void describe_race(const struct asyncio_waiter *waiter, char *buffer, size_t size)
{
    const struct race *race = waiter->object;
    char text[80] = "";

    asyncio_address_format(race->attempts[race->n_begun - 1].target, text, sizeof text);
    snprintf(buffer, size, "connect to %s", text);
}

static const struct asyncio_wait_kind race_kind = {
    .name = "connect",
    .late = ASYNCIO_LATE_KEEP,
    .cancel = cancel_race,
    .describe = describe_race,
};

static void run_timer(struct asyncio_node *node)
{
    struct race *race = CONTAINER_OF(node, struct race, timer.node);

    race->wants_next = true;
    asyncio_unpark(&race->waiter, 0);
}

static int wait_for_news(struct race *race)
{
    int r = asyncio_waiter_init(&race->waiter, &race_kind, race);

    return r < 0 ? r : (int)asyncio_park(&race->waiter);
}

/* Waits until an attempt has ended or it is time for another one. Returns: 0; -ECANCELED; -ENOMEM. */
static int wait_for_attempts(struct race *race, int64_t delay_ns)
{
    bool has_timer = race->n_begun < race->n && delay_ns != NS_NEVER;
    int r = 0;

    asyncio_node_init(&race->timer.node, run_timer, NULL);
    if (has_timer)
        r = asyncio_timer_arm(race->loop, &race->timer, ns_add(asyncio__now(race->loop), delay_ns));
    if (r < 0)
        return r;
    r = wait_for_news(race);
    if (has_timer)
        asyncio_timer_disarm(race->loop, &race->timer);
    return r;
}

/* Ends what is under way. A cancel that comes meanwhile meets the next wait. */
static void end(struct race *race)
{
    take_back(race);
    while (race->n_busy > 0)
        ASYNCIO_IGNORE(wait_for_news(race));
    for (size_t i = 0; i < race->n_begun; i++)
        if (&race->attempts[i] != race->winner)
            drop(&race->attempts[i]);
}

/* Runs it. Returns: 0 when somebody has won or nobody can; -ECANCELED; -ENOMEM. */
static int run_race(struct race *race, int64_t delay_ns)
{
    int r = 0;

    while (r == 0 && !race->winner) {
        if (race->wants_next && race->n_begun < race->n) {
            /* Others get their turn between attempts that fail at once. */
            if (race->n_begun > 0 && race->n_busy == 0)
                r = asyncio_io_point();
            race->wants_next = false;
            if (r == 0)
                begin(&race->attempts[race->n_begun++]);
        } else if (race->n_busy > 0) {
            r = wait_for_attempts(race, delay_ns);
        } else {
            break;
        }
    }
    return r;
}

/* ---------------------------------------------------------------------------------------------------------- Outcome */

struct text {
    char of[120];
};

static struct text text_of(const struct asyncio_address *address)
{
    struct text text = {""};

    asyncio_address_format(address, text.of, sizeof text.of);
    return text;
}

/* The machine has no way to addresses of this kind, which says nothing of the peer. */
static bool is_off_the_net(const struct attempt *attempt)
{
    return attempt->error == -ENETUNREACH || attempt->error == -EAFNOSUPPORT;
}

/* Tells why each attempt failed, as far as it fits. Returns: the error of the first one that could get anywhere, else
 * of the first. */
static int report(const struct race *race)
{
    char text[256] = "";
    size_t length = 0, telling = 0;

    for (size_t i = 0; i < race->n_begun && length < sizeof text - 1; i++) {
        const struct attempt *attempt = &race->attempts[i];
        const struct asyncio_address *place = attempt->step == STEP_BIND ? attempt->origin : attempt->target;
        static const char *const verbs[] = {"socket for", "bind to", "connect", "connect"};

        snprintf(text + length, sizeof text - length, "%s%s %s: %s", length > 0 ? "; " : "", verbs[attempt->step],
                 text_of(place).of,
                 attempt->step == STEP_CHOOSE ? "no matching local address" : asyncio_strerror(attempt->error));
        length = strlen(text);
    }
    asyncio__set_detail("%s", text);
    while (telling < race->n_begun && is_off_the_net(&race->attempts[telling]))
        telling++;
    return race->attempts[telling < race->n_begun ? telling : 0].error;
}

int asyncio__connect_staggered(struct asyncio_loop *loop, const struct asyncio__dns_addresses *targets,
                               const struct asyncio__dns_addresses *origins, int64_t delay_ns)
{
    struct race race = {.loop = loop, .origins = origins, .n = targets->n, .wants_next = true};
    int r;

    assert(targets->n > 0);
    race.attempts = asyncio__calloc(targets->n * sizeof *race.attempts);
    if (!race.attempts)
        return -ENOMEM;
    for (size_t i = 0; i < race.n; i++) {
        race.attempts[i].race = &race;
        race.attempts[i].target = &targets->list[i];
        race.attempts[i].fd = -1;
    }
    r = run_race(&race, delay_ns);
    end(&race);
    if (race.winner)
        r = race.winner->fd;
    else if (r == 0)
        r = report(&race);
    asyncio__free(race.attempts);
    return r;
}

int asyncio__interleave(struct asyncio__dns_addresses *addresses, int first)
{
    struct asyncio_address *list = asyncio__malloc(max_size(addresses->n, 1) * sizeof *list);
    int family = addresses->n > 0 ? asyncio_address_family(&addresses->list[0]) : 0;
    size_t places[2] = {0, 0}; /* of the next one of the first family, and of another */
    size_t n = 0;

    if (!list)
        return -ENOMEM;
    while (n < addresses->n) {
        bool wants_other = n >= (size_t)max_i64(first, 1) && (n - (size_t)max_i64(first, 1)) % 2 == 0;

        for (int i = 0; i < 2; i++, wants_other = !wants_other) {
            size_t *place = &places[wants_other];

            while (*place < addresses->n && (asyncio_address_family(&addresses->list[*place]) != family) != wants_other)
                ++*place;
            if (*place < addresses->n) {
                list[n++] = addresses->list[(*place)++];
                break;
            }
        }
    }
    asyncio__free(addresses->list);
    addresses->list = list;
    addresses->capacity = addresses->n;
    return 0;
}
