#include "log.h"

#include <stdarg.h>
#include <stdio.h>

static void log_to_stderr(int level, const char *message, void *arg)
{
    static const char *const names[] = {"debug", "warning", "error"};

    (void)arg;
    fprintf(stderr, "asyncio: %s: %s\n", names[level], message);
}

static asyncio_log *log_function = log_to_stderr;
static void *log_arg;

void asyncio_set_log(asyncio_log *log, void *arg)
{
    log_function = log ? log : log_to_stderr;
    log_arg = arg;
}

void asyncio__log(enum asyncio_log_level level, const char *format, ...)
{
    char message[1024];
    va_list args;

    va_start(args, format);
    vsnprintf(message, sizeof message, format, args);
    va_end(args);
    log_function((int)level, message, log_arg);
}

const char *asyncio_version(void)
{
    return ASYNCIO__TEXT(ASYNCIO_VERSION_MAJOR) "." ASYNCIO__TEXT(ASYNCIO_VERSION_MINOR) "." ASYNCIO__TEXT(
        ASYNCIO_VERSION_PATCH);
}
