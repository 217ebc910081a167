/* refuse.c -- runs a program on a kernel that does not let it have io_uring, as many containers do not:
 *
 *     refuse EPERM|ENOSYS PROGRAM ARG...     each of io_uring's system calls fails with that error
 *     refuse SIGSYS PROGRAM ARG...           the first one kills */
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

static const struct {
    const char *name;
    unsigned action;
} refusals[] = {
    {"EPERM", SECCOMP_RET_ERRNO | EPERM},
    {"ENOSYS", SECCOMP_RET_ERRNO | ENOSYS},
    {"SIGSYS", SECCOMP_RET_KILL_PROCESS},
};

static int refuse(unsigned action)
{
    struct sock_filter steps[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_io_uring_setup, 2, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_io_uring_enter, 1, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_io_uring_register, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, action),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {sizeof steps / sizeof steps[0], steps};

    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
        return -1;
    return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program);
}

int main(int argc, char **argv)
{
    size_t i = 0;

    while (argc > 2 && i < sizeof refusals / sizeof refusals[0] && strcmp(argv[1], refusals[i].name) != 0)
        i++;
    if (argc < 3 || i == sizeof refusals / sizeof refusals[0]) {
        fprintf(stderr, "usage: refuse EPERM|ENOSYS|SIGSYS PROGRAM ARG...\n");
        return 2;
    }
    if (refuse(refusals[i].action) < 0) {
        perror("refuse");
        return 2;
    }
    execvp(argv[2], &argv[2]);
    perror(argv[2]);
    return 2;
}
