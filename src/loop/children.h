/* children.h -- children of the process, whoever made them. */
#pragma once

#include "child.h"

/* How a child ended: its exit status, or minus the number of the signal. */
int asyncio__returncode_of(const siginfo_t *info);

/* Takes away a child of the process that has ended, unless it is one that a loop watches. Returns: 1, and how it
 * ended; 0 while it runs; -EEXIST when a loop watches it; -EAGAIN while one is being made; -ECHILD when it is none of
 * the process's. Any thread. */
int asyncio__child_take_strange(int pid, int *ret_returncode);

/* Numbers of processes; zeroed: none. */
struct asyncio__pids {
    int *all;
    size_t n, capacity;
};

/* Adds all children of the process that have ended and that nobody has waited for yet, and leaves them as they are.
 * Costs as much as there are processes, when there is one. Returns: 0; -ENOMEM; what opening /proc says. */
int asyncio__children_find_ended(struct asyncio__pids *pids);
