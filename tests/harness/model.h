/* model.h -- what the primitives promise, as plain data beside them, for tests that do things at random.
 *
 * Whoever waits stands in a line, from before the call until after it. So at each return the promise can be checked
 * (first come, first served; nothing given twice), and when nothing moves any more everybody in a line must have a
 * reason to stand there: that is how a lost wake-up is found.
 *
 * A promise that is broken calls *model_broken with the rule in words. */
#pragma once

#include "test.h"

extern void (*model_broken)(const char *rule, const char *what);

/* One wait of a task, on its stack. */
struct model_place {
    struct model_place *next, *prev;
    struct asyncio_future *task;
    int cancelling; /* cancels that the task had had when it came; -1: one was pending, so that it will not wait */
    size_t mark;    /* of the kind: what it looks at must have changed since */
    bool notified;  /* by a condition */
};

/* Those who wait for one thing, in the order of arrival. */
struct model_line {
    struct model_place *first, *last;
    const void *model;
    const char *what;
    bool (*may_stand)(const struct model_line *line, const struct model_place *place);
};

/* True when the current task's next wait will be cancelled. */
bool model_cancel_is_pending(void);

void model_join(struct model_line *line, struct model_place *place, size_t mark);

/* Takes a place away again. `served`: it got what it waited for, so nobody may stand before it but those who are
 * being cancelled. */
void model_leave(struct model_line *line, struct model_place *place, bool served);

/* How many stand there who are not being cancelled. */
size_t model_count(const struct model_line *line);

/* Nothing can move: everybody must have a reason to wait. */
void model_check_still(const struct model_line *line);

/* ------------------------------------------------------------------------------------------------- The promises */

struct model_lock {
    const void *holder;
    struct model_line line;
};

void model_lock_init(struct model_lock *lock);
void model_lock_take(struct model_lock *lock, const void *who);
void model_lock_give(struct model_lock *lock, const void *who);

struct model_semaphore {
    long units, bound;
    struct model_line line;
};

void model_semaphore_init(struct model_semaphore *semaphore, long units, long bound);
void model_semaphore_take(struct model_semaphore *semaphore);

/* r: what the release gave. */
void model_semaphore_give(struct model_semaphore *semaphore, int r);

struct model_condition {
    struct model_lock *lock;
    struct model_line line;
};

void model_condition_init(struct model_condition *condition, struct model_lock *lock);
void model_condition_notify(struct model_condition *condition, size_t n);

/* A wait has returned r, and its place was left. */
void model_condition_returned(struct model_condition *condition, const struct model_place *place, int r);

struct model_event {
    bool is_set;
    size_t n_set; /* how often it has been set */
    struct model_line line;
};

void model_event_init(struct model_event *event);
void model_event_set(struct model_event *event, bool value);

/* A wait has returned 0 that began when n_set was `mark`. */
void model_event_returned(const struct model_event *event, size_t mark);

struct model_barrier {
    size_t parties, arrived, n_broken; /* n_broken: how often it was reset or aborted */
    size_t passed[8];                  /* by place */
    bool broken;
    struct model_line line;
};

/* The mark of a place at a barrier that others are leaving; else the mark is n_broken. */
#define MODEL_BLOCKED SIZE_MAX

void model_barrier_init(struct model_barrier *barrier, size_t parties);
void model_barrier_break(struct model_barrier *barrier, bool for_good);

/* A wait has returned r that began when n_broken was `mark`. */
void model_barrier_returned(struct model_barrier *barrier, int r, size_t mark);

#define MODEL_QUEUE_ITEMS 256

struct model_queue {
    int kind;
    size_t maxsize, count, unfinished;
    size_t n_zero; /* how often `unfinished` has come down to 0 */
    bool is_shut_down;
    int items[MODEL_QUEUE_ITEMS]; /* oldest first */
    struct model_line getters, putters, joiners;
};

void model_queue_init(struct model_queue *queue, int kind, size_t maxsize);
bool model_queue_can_get(const struct model_queue *queue);
bool model_queue_can_put(const struct model_queue *queue);

/* A put or a get has returned r; `item` is what went in or came out. */
void model_queue_put(struct model_queue *queue, int item, int r);
void model_queue_get(struct model_queue *queue, int item, int r);
void model_queue_done(struct model_queue *queue, int r);
void model_queue_joined(const struct model_queue *queue, size_t mark);
void model_queue_shutdown(struct model_queue *queue, bool immediate);
