/* idle_clients.c -- connects COUNT times to a port of this machine; "served": says a line on each and reads the answer.
 * Stays until it is killed. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

static int fail(const char *what)
{
    perror(what);
    return 1;
}

int main(int argc, char **argv)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct rlimit files;
    char answer[64];

    if (argc != 4)
        return 2;
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    address.sin_port = htons((uint16_t)atoi(argv[2]));
    for (long i = 0; i < atol(argv[3]); i++) {
        int fd = socket(AF_INET, SOCK_STREAM, 0);

        if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof address) < 0)
            return fail("connect");
        if (strcmp(argv[1], "served") == 0 && (write(fd, "hello there\n", 12) != 12 || read(fd, answer, 64) != 12))
            return fail("served");
    }
    pause();
    return 0;
}
