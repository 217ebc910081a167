/* sim.c -- the back end over a simulated machine: a clock that jumps, and operations that complete in a poll.
 *
 * The machine is closed: nothing happens in it but by its own operations, and by wake. Invariants:
 *
 * - Time moves only in poll, and only when nothing is due: to the next completion or to the deadline. While a thread
 *   is at work outside, it stands.
 * - An operation waits in the slots of its file, or is settled: its result stands. It is on the due list, which is
 *   ordered by time, while there is something for poll to do about it.
 * - Nothing depends on addresses, real time or environment.
 * - complete() may do anything to this back end but poll and close it: nothing is held across it but `current`. */
#include "sim.h"

#include "backends.h"

#include "../base/log.h"

static const unsigned direction_mask[ASYNCIO__SIM_DIRECTIONS] = {ASYNCIO_READABLE, ASYNCIO_WRITABLE};

/* In op->state. */
enum op_state {
    IN_SLOT = 1,
    DUE = 2,
    SETTLED = 4,
    INTERRUPTED = 8, /* not twice in a row, so that it comes to an end */
    LEAVING = 16,    /* taken back late: it cannot be undone any more */
    STARVING = 32,   /* waits for a buffer */
};

/* --------------------------------------------------------------------------------------------------------- Opening */

static int sim_open(struct asyncio_backend **ret_backend, const char *options, int64_t start_ns)
{
    struct asyncio_backend *sim = asyncio__calloc(sizeof *sim);
    int r;

    if (!sim)
        return -ENOMEM;
    r = asyncio__sim_read_options(sim, options);
    if (r == 0)
        r = asyncio__waker_open(&sim->waker);
    if (r < 0) {
        asyncio__free(sim);
        return r;
    }
    sim->now_ns = start_ns;
    list_init(&sim->due);
    list_init(&sim->starving);
    asyncio__sim_names_init(sim);
    asyncio__pool_init(&sim->buffers, ASYNCIO__RECV_BUFFER_SIZE);
    *ret_backend = sim;
    return 0;
}

static void sim_close(struct asyncio_backend *sim)
{
    bool forked = asyncio__waker_forked(&sim->waker);
    size_t left;

    assert(sim->n_ops == 0 || forked);
    left = asyncio__sim_net_fini(sim);
    if (left > 0 && !forked)
        asyncio__log(ASYNCIO_LOG_WARNING, "%zu file descriptors were left open in the simulated machine", left);
    asyncio__waker_close(&sim->waker);
    /* Buffers that the parent of this process holds will not be handed back here. */
    if (forked)
        sim->buffers.in_use = 0;
    asyncio__pool_fini(&sim->buffers);
    asyncio__free(sim);
}

static int64_t sim_now(struct asyncio_backend *sim)
{
    return sim->now_ns;
}

/* -------------------------------------------------------------------------------------------- Operations that wait */

static int64_t due_ns(struct asyncio_link *link)
{
    return (int64_t)CONTAINER_OF(link, struct asyncio_op, link)->backend[0];
}

static void feed(struct asyncio_op *op)
{
    if (!(op->state & STARVING))
        return;
    op->state &= (uint8_t)~STARVING;
    list_remove(&op->link);
}

/* Puts an operation on the due list, behind those of the same time; does nothing when it is there. */
static void make_due(struct asyncio_backend *sim, struct asyncio_op *op, int64_t after_ns)
{
    int64_t when_ns = ns_add(sim->now_ns, after_ns);
    struct asyncio_link *before = sim->due.prev;

    if (op->state & DUE)
        return;
    feed(op);
    op->state |= DUE;
    op->backend[0] = (uint64_t)when_ns;
    while (before != &sim->due && due_ns(before) > when_ns)
        before = before->prev;
    list_push_front(before, &op->link);
    sim->n_due++;
}

static void make_undue(struct asyncio_backend *sim, struct asyncio_op *op)
{
    if (!(op->state & DUE))
        return;
    op->state &= (uint8_t)~DUE;
    list_remove(&op->link);
    sim->n_due--;
}

static void put_into_slots(struct asyncio__sim_file *file, const struct asyncio_op *op, struct asyncio_op *occupant)
{
    for (int d = 0; d < ASYNCIO__SIM_DIRECTIONS; d++)
        if (asyncio__op_directions(op) & direction_mask[d])
            file->waiting[d] = occupant;
}

static void take_out_of_slots(struct asyncio_backend *sim, struct asyncio_op *op)
{
    if (!(op->state & IN_SLOT))
        return;
    put_into_slots(asyncio__sim_file(sim, op->fd), op, NULL);
    op->state &= (uint8_t)~IN_SLOT;
}

static bool is_busy(const struct asyncio__sim_file *file, const struct asyncio_op *op)
{
    for (int d = 0; d < ASYNCIO__SIM_DIRECTIONS; d++)
        if ((asyncio__op_directions(op) & direction_mask[d]) && file->waiting[d])
            return true;
    return false;
}

/* Lets the result stand, to be reported by a poll. */
static void settle(struct asyncio_backend *sim, struct asyncio_op *op, int64_t result, int64_t after_ns)
{
    take_out_of_slots(sim, op);
    make_undue(sim, op);
    if (sim->current == op)
        sim->current = NULL;
    op->state |= SETTLED;
    op->result = result;
    make_due(sim, op, after_ns);
}

void asyncio__sim_notify(struct asyncio_backend *sim, struct asyncio__sim_file *file, unsigned directions)
{
    for (int d = 0; d < ASYNCIO__SIM_DIRECTIONS; d++)
        if ((directions & direction_mask[d]) && file->waiting[d])
            make_due(sim, file->waiting[d], asyncio__sim_latency_ns(sim));
}

void asyncio__sim_close_waits(struct asyncio_backend *sim, struct asyncio__sim_file *file)
{
    for (int d = 0; d < ASYNCIO__SIM_DIRECTIONS; d++) {
        struct asyncio_op *op = file->waiting[d];

        if (op)
            settle(sim, op, op->state & LEAVING ? -ECANCELED : -ASYNCIO_ECLOSED, 0);
    }
}

/* Does an operation that never waits. */
static bool finish_now(struct asyncio_backend *sim, struct asyncio_op *op, bool fails)
{
    int64_t result = -EIO;

    if (asyncio__op_is_file(op))
        return asyncio__op_finish(op, -EOPNOTSUPP);
    /* A close that fails has closed all the same. */
    if (!fails || op->opcode == ASYNCIO_OP_CLOSE || op->opcode == ASYNCIO_OP_FORGET)
        result = asyncio__sim_perform(sim, op);
    return asyncio__op_finish(op, fails ? -EIO : result);
}

/* Does an operation that is not to wait. A fault puts it off, but not twice in a row, so that trying again helps. */
static bool finish_without_waiting(struct asyncio_backend *sim, struct asyncio__sim_file *file, struct asyncio_op *op)
{
    unsigned directions = asyncio__op_directions(op);

    if (!(file->put_off & directions) && asyncio__sim_chance(sim, ASYNCIO__SIM_LATER, 100)) {
        file->put_off |= directions;
        return asyncio__op_finish(op, -EAGAIN);
    }
    file->put_off &= ~directions;
    return asyncio__op_finish(op, asyncio__sim_perform(sim, op));
}

static bool sim_submit(struct asyncio_backend *sim, struct asyncio_op *op)
{
    bool fails = asyncio__sim_is_to_fail(sim), standing = op->flags & ASYNCIO_OP_STANDING, later;
    struct asyncio__sim_file *file;
    int64_t result;

    op->state = 0;
    op->completion = 0;
    if (!asyncio__op_waits(op))
        return finish_now(sim, op, fails);
    result = fails ? -EIO : asyncio__op_check(op);
    if (result >= 0 && asyncio__waker_forked(&sim->waker))
        result = -ASYNCIO_ECLOSED;
    if (result < 0)
        return asyncio__op_finish(op, result);
    if (op->flags & ASYNCIO_OP_FOREIGN)
        return asyncio__op_finish(op, -EOPNOTSUPP);
    file = asyncio__sim_file(sim, op->fd);
    if (!file)
        return asyncio__op_finish(op, -EBADF);
    if (is_busy(file, op))
        return asyncio__op_finish(op, -EBUSY);
    if (op->flags & ASYNCIO_OP_NOWAIT)
        return finish_without_waiting(sim, file, op);
    later = standing || asyncio__sim_chance(sim, ASYNCIO__SIM_LATER, 100);
    if (!later && asyncio__sim_chance(sim, ASYNCIO__SIM_EINTR, 100)) {
        op->state |= INTERRUPTED;
        later = true;
    }
    if (!later) {
        result = asyncio__sim_perform(sim, op);
        if (result != -EAGAIN)
            return asyncio__op_finish(op, result);
    }
    put_into_slots(file, op, op);
    op->state |= IN_SLOT;
    sim->n_ops++;
    if (later)
        make_due(sim, op, asyncio__sim_latency_ns(sim));
    return false;
}

/* Ends an operation's waiting; its memory is its owner's again. */
static void dequeue(struct asyncio_backend *sim, struct asyncio_op *op)
{
    take_out_of_slots(sim, op);
    make_undue(sim, op);
    feed(op);
    if (sim->current == op)
        sim->current = NULL;
    op->state = 0;
    sim->n_ops--;
}

static bool sim_cancel(struct asyncio_backend *sim, struct asyncio_op *op)
{
    int64_t result = -EAGAIN;
    bool late;

    assert(op->state & (IN_SLOT | SETTLED));
    if (op->state & LEAVING)
        return false;
    late = (asyncio__hostile(ASYNCIO__LATE_CANCELS) && !(op->flags & ASYNCIO_OP_STANDING)) ||
           (!(op->state & SETTLED) && asyncio__sim_chance(sim, ASYNCIO__SIM_LATER, 100));
    if ((op->state & SETTLED) || !late) {
        dequeue(sim, op);
        return true;
    }
    /* The cancel is under way, and what it meets may have happened already. */
    op->state |= LEAVING;
    if (op->flags & ASYNCIO_OP_STANDING) {
        make_due(sim, op, asyncio__sim_latency_ns(sim));
        return false;
    }
    if (asyncio__sim_random(sim, 2))
        result = asyncio__sim_perform(sim, op);
    settle(sim, op, result == -EAGAIN ? -ECANCELED : result, asyncio__sim_latency_ns(sim));
    return false;
}

static void sim_release(struct asyncio_backend *sim, int fd, void *data)
{
    (void)fd;
    asyncio__pool_put(&sim->buffers, data);
    sim->n_lent--;
    /* Who needs none after all must not keep it from the next: all try. */
    while (!list_empty(&sim->starving))
        make_due(sim, CONTAINER_OF(sim->starving.next, struct asyncio_op, link), 0);
}

/* ------------------------------------------------------------------------------------------------------ Completing */

static void complete(struct asyncio_backend *sim, struct asyncio_op *op, int64_t result)
{
    dequeue(sim, op);
    op->result = result;
    op->completion = 0;
    op->complete(op);
}

/* Does a standing operation once; a receive gets a buffer from the pool. */
static int64_t attempt_standing(struct asyncio_backend *sim, struct asyncio_op *op)
{
    int64_t result;

    if (op->opcode != ASYNCIO_OP_RECV)
        return asyncio__sim_perform(sim, op);
    if (sim->n_lent >= (size_t)sim->option[ASYNCIO__SIM_BUFFERS]) {
        op->state |= STARVING;
        list_push_back(&sim->starving, &op->link);
        return -EAGAIN;
    }
    op->buffer.size = ASYNCIO__RECV_BUFFER_SIZE;
    op->buffer.data = asyncio__pool_get(&sim->buffers);
    if (!op->buffer.data)
        return -ENOMEM;
    sim->n_lent++;
    result = asyncio__sim_perform(sim, op);
    if (result <= 0) {
        sim_release(sim, op->fd, op->buffer.data);
        op->buffer.data = NULL;
    }
    return result;
}

/* Tries a standing operation until it has to wait; what does not come to an end goes on in the next poll. */
static void run_standing(struct asyncio_backend *sim, struct asyncio_op *op)
{
    bool leaving = op->state & LEAVING;
    int burst = leaving || op->opcode == ASYNCIO_OP_POLL ? 1 : asyncio__at_a_time(ASYNCIO__OP_BURST);
    int64_t result = 0;

    sim->current = op;
    for (int i = 0; i < burst && result != -EAGAIN; i++) {
        result = attempt_standing(sim, op);
        if (result == -EAGAIN)
            break;
        if (result < 0 || (result == 0 && op->opcode == ASYNCIO_OP_RECV)) {
            complete(sim, op, result);
            return;
        }
        op->result = result;
        op->completion = ASYNCIO_OP_MORE | (op->opcode == ASYNCIO_OP_RECV ? ASYNCIO_OP_BUFFER : 0);
        op->complete(op);
        if (sim->current != op)
            return;
        if (!leaving && (op->state & LEAVING))
            break;
    }
    sim->current = NULL;
    if (leaving)
        complete(sim, op, -ECANCELED);
    else if (result != -EAGAIN)
        make_due(sim, op, 0);
}

static void run_op(struct asyncio_backend *sim, struct asyncio_op *op)
{
    int64_t result;

    make_undue(sim, op);
    if (op->state & SETTLED) {
        complete(sim, op, op->result);
        return;
    }
    if (!(op->state & INTERRUPTED) && asyncio__sim_chance(sim, ASYNCIO__SIM_EINTR, 100)) {
        op->state |= INTERRUPTED;
        make_due(sim, op, 0);
        return;
    }
    op->state &= (uint8_t)~INTERRUPTED;
    if (op->flags & ASYNCIO_OP_STANDING) {
        run_standing(sim, op);
        return;
    }
    result = asyncio__sim_perform(sim, op);
    if (result != -EAGAIN)
        complete(sim, op, result);
}

/* Shuffles a list as if each element were given a random number of 32 bits and they were sorted by it, a bit a pass. */
static void shuffle(struct asyncio_backend *sim, struct asyncio_link *list)
{
    struct asyncio_link ones, *link, *next;

    if (list_empty(list) || list->next == list->prev)
        return;
    for (int pass = 0; pass < 32; pass++) {
        list_init(&ones);
        LIST_FOR_EACH(link, next, list) {
            if (asyncio__sim_random(sim, 2)) {
                list_unlink(link);
                list_push_back(&ones, link);
            }
        }
        list_splice_back(list, &ones);
    }
}

/* Runs what is due now, but not what becomes due meanwhile: that is the next poll's. */
static void run_due(struct asyncio_backend *sim)
{
    struct asyncio_link batch, *link;

    list_init(&batch);
    while (!list_empty(&sim->due) && due_ns(sim->due.next) <= sim->now_ns) {
        link = sim->due.next;
        list_unlink(link);
        list_push_back(&batch, link);
    }
    if (sim->option[ASYNCIO__SIM_PERMUTE])
        shuffle(sim, &batch);
    while ((link = list_pop_front(&batch)))
        run_op(sim, CONTAINER_OF(link, struct asyncio_op, link));
}

static int sim_poll(struct asyncio_backend *sim, int64_t deadline_ns, bool external)
{
    int64_t next_ns = list_empty(&sim->due) ? NS_NEVER : due_ns(sim->due.next);
    bool woken = asyncio__waker_disarm(&sim->waker);
    int r = 0;

    if (asyncio__waker_forked(&sim->waker))
        return -ASYNCIO_ECLOSED;
    if (woken || min_i64(next_ns, deadline_ns) <= sim->now_ns) {
        /* A look, at the present time. */
    } else if (external || min_i64(next_ns, deadline_ns) == NS_NEVER) {
        r = asyncio__waker_wait(&sim->waker);
    } else {
        sim->now_ns = min_i64(next_ns, deadline_ns);
    }
    run_due(sim);
    return r;
}

static void sim_wake(struct asyncio_backend *sim)
{
    asyncio__waker_wake(&sim->waker);
}

static int sim_fd(struct asyncio_backend *sim)
{
    (void)sim;
    return -EOPNOTSUPP;
}

/* The operations that can still complete. Others wait for something that nobody is left to do, as all who could are
 * in this machine: so a loop finds dead locks through sockets as it finds those through locks. */
static size_t sim_pending(const struct asyncio_backend *sim)
{
    return sim->n_due;
}

const struct asyncio_backend_ops asyncio__sim = {
    .size = sizeof(struct asyncio_backend_ops),
    .name = "sim",
    .simulated = true,
    .own_fds = true,
    .open = sim_open,
    .close = sim_close,
    .now = sim_now,
    .submit = sim_submit,
    .cancel = sim_cancel,
    .poll = sim_poll,
    .wake = sim_wake,
    .release = sim_release,
    .fd = sim_fd,
    .pending = sim_pending,
};
