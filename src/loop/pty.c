/* pty.c -- terminals for children. */
#include "child.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

/* Opens the other end. It goes by the controller, so that it is the right one in another mount namespace, too. */
static int open_terminal(int controller)
{
    const int flags = O_RDWR | O_NOCTTY | O_CLOEXEC;
    char name[64];
    int fd = ioctl(controller, TIOCGPTPEER, flags);

    if (fd >= 0)
        return fd;
    /* Not known to kernels before 4.13, nor to emulators. */
    if (errno == EMFILE || errno == ENFILE)
        return -errno;
    if (ptsname_r(controller, name, sizeof name) != 0)
        return -errno;
    fd = open(name, flags);
    return fd < 0 ? -errno : fd;
}

int asyncio__pty_open(int rows, int columns, int *ret_controller, int *ret_terminal)
{
    const struct winsize size = {.ws_row = (unsigned short)rows, .ws_col = (unsigned short)columns};
    int controller = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC), terminal;

    if (controller < 0)
        return -errno;
    terminal = grantpt(controller) < 0 || unlockpt(controller) < 0 ? -errno : open_terminal(controller);
    if (terminal < 0) {
        close(controller);
        return terminal;
    }
    if (ioctl(terminal, TIOCSWINSZ, &size) < 0) {
        int r = -errno;

        close(terminal);
        close(controller);
        return r;
    }
    *ret_controller = controller;
    *ret_terminal = terminal;
    return 0;
}
