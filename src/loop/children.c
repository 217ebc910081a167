/* children.c -- finding children that nobody here has made. The kernel tells of one that has ended, but not of all, and
 * not every kernel lists the children of a process; so each process that there is gets asked whether it is one. */
#include "children.h"

#include "../base/hostile.h"
#include "../base/mem.h"

#include <dirent.h>
#include <stdlib.h>
#include <sys/wait.h>

#define PIDS_LEAST 16

static int add(struct asyncio__pids *pids, int pid)
{
    if (pids->n == pids->capacity) {
        size_t capacity = asyncio__grown(pids->capacity, pids->n + 1, PIDS_LEAST);
        int *all = asyncio__realloc(pids->all, capacity * sizeof *all);

        if (!all)
            return -ENOMEM;
        pids->all = all;
        pids->capacity = capacity;
    }
    pids->all[pids->n++] = pid;
    return 0;
}

/* Asks without taking anything. */
static bool has_ended(idtype_t which, int pid)
{
    siginfo_t info = {0};

    return waitid(which, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT) == 0 && info.si_pid != 0;
}

/* The number that a name in /proc is; 0 when it is none. */
static int pid_from(const char *name)
{
    char *end;
    long pid = strtol(name, &end, 10);

    return *end || pid <= 0 || pid > INT32_MAX ? 0 : (int)pid;
}

int asyncio__children_find_ended(struct asyncio__pids *pids)
{
    struct dirent *entry;
    DIR *folder;
    int r = 0;

    if (!has_ended(P_ALL, 0))
        return 0;
    folder = opendir("/proc");
    if (!folder)
        return -errno;
    while (r == 0 && (entry = readdir(folder))) {
        int pid = pid_from(entry->d_name);

        if (pid && has_ended(P_PID, pid))
            r = add(pids, pid);
    }
    closedir(folder);
    return r;
}
