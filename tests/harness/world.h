/* world.h -- worlds made of a seed: actors that wait, hold, put, get, time out, fail and cancel each other at random,
 * beside a model of what the primitives promise.
 *
 * world.c has the state of a world and what an actor does with the primitives; test_worlds.c what it does with tasks,
 * and the beginning and end of a world. Every act returns 0 or more, or the error that it met. */
#pragma once

#include "model.h"

#include <errno.h>
#include <string.h>

#define MAX_ACTORS  32
#define MAX_BOMBS   12
#define MAX_DEPTH   3
#define MAX_ITEMS   1000
#define N_LOCKS     2
#define N_QUEUES    3
#define N_FUTURES   2
#define MAX_PARTIES 4

/* All times are multiples of this, so that things often happen at once, and end long before the world stands still. */
#define TICK  0.125
#define STILL 1000.0

/* A timeout scope that an actor is in. */
struct scope {
    struct scope *outer;
    struct asyncio_timeout timeout;
};

struct actor {
    int number;
    struct asyncio_future *task; /* one reference */
    struct actor *parent;        /* whose cancel reaches this one too; NULL when shielded */
    struct scope *scopes;
    int actions_left, swallows_left;
    int error; /* that it ends with, if nothing else happens; 0: none */
    int started, ended, freed, end_order;
    double end_time;
    int cancels, other_cancels, cancels_met; /* those sent to it, those that its scopes may send, those delivered */
    int returned;
};

/* A callback that does something at its time. */
struct bomb {
    int kind, number, n_run;
    double when;
    bool cancelled;
    struct asyncio_handle *handle;
};

struct world {
    uint64_t seed, random;
    bool loud, ending;
    struct actor actors[MAX_ACTORS];
    struct bomb bombs[MAX_BOMBS];
    size_t n_actors, n_bombs;
    int n_ended, next_item, next_value;
    double last_bomb_when;
    int last_bomb;

    struct asyncio_lock locks[N_LOCKS];
    struct asyncio_semaphore semaphore;
    struct asyncio_condition condition; /* over the first lock */
    struct asyncio_event event;
    struct asyncio_barrier barrier;
    struct asyncio_queue queues[N_QUEUES];
    struct asyncio_future *futures[N_FUTURES];
    struct model_lock lock_models[N_LOCKS];
    struct model_semaphore semaphore_model;
    struct model_condition condition_model;
    struct model_event event_model;
    struct model_barrier barrier_model;
    struct model_queue queue_models[N_QUEUES];
    size_t n_put_past[N_QUEUES], n_got_past[N_QUEUES]; /* puts and gets that passed by somebody who waited */
};

extern struct world world;

/* --------------------------------------------------------------------------------------------- Chance and words */

/* 0 to n - 1. */
int pick(int n);

bool chance(int one_in);

/* A small number of ticks, often none. */
double some_time(void);

double now(void);

/* A line of the replay's story. */
void say(const struct actor *actor, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Fails the test, with the world's seed. */
void world_broken(const char *rule, const char *what);

#define MUST(condition, what, rule)   \
    do {                              \
        if (!(condition))             \
            world_broken(rule, what); \
    } while (0)

/* --------------------------------------------------------------------------------------------------- Cancelling */

/* An actor has been given -ECANCELED by a wait of its own. */
void met_cancel(struct actor *actor);

/* Cancels an actor at random. `by` may be NULL. */
void cancel_somebody(const struct actor *by);

/* No deadline of the actor's scopes may have passed since then: a wait ends when its time comes. */
void check_scopes(const struct actor *actor, double since);

/* --------------------------------------------------------------------------------------------------------- Acts */

/* Anything at random, nested up to MAX_DEPTH; set by test_worlds.c. */
extern int (*world_act)(struct actor *actor, int depth);

/* One wait, which a cancel ends at once. */
struct wait {
    struct model_place place;
    struct model_line *line;
    double since;
};

void begin_wait(struct actor *actor, struct wait *wait, struct model_line *line, size_t mark, const char *verb);

/* `in_order`: whoever waits longer has to be served before. */
void end_wait(struct actor *actor, struct wait *wait, int r, bool in_order);

int nap(struct actor *actor, double seconds);
int act_lock(struct actor *actor, int depth);
int act_semaphore(struct actor *actor, int depth);
int act_condition(struct actor *actor, int depth);
int act_event(struct actor *actor, int depth);
int act_barrier(struct actor *actor, int depth);
int act_queue(struct actor *actor, int depth);

/* Parts that callbacks can do, too; the actor is NULL then. */
void set_event(const struct actor *actor, bool value);
void break_barrier(const struct actor *actor);
int put_item(struct actor *actor, int i, bool wait_for_room);
int get_item(struct actor *actor, int i, bool wait_for_item);

/* An item has come out of a queue by a way of its own. */
void got_item(const struct actor *actor, int i, const void *item, int r);

/* Sets up and takes down the primitives; at the end nobody may wait and everything must be as the model has it. */
void world_init_primitives(void);
void world_check_still(void);
void world_fini_primitives(void);
