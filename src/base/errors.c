/* errors.c -- what errors are called: by this library, in a sentence, and in Python. */
#include "base.h"

#include <stdio.h>

struct error {
    int number;
    const char *name, *text, *exception;
};

static const struct error own_errors[] = {
#define ROW(number, name, text, exception) {number, #name, text, exception},
    ASYNCIO_ERRORS(ROW)
#undef ROW
};

/* Python has exceptions of their own for these errno values (PEP 3151); all others are OSError. */
static const struct error python_errors[] = {
    {ECANCELED, NULL, "the operation was cancelled", "CancelledError"},
    {ETIMEDOUT, NULL, "the time was over", "TimeoutError"},
    {EINVAL, NULL, NULL, "ValueError"},
    {ENOMEM, NULL, NULL, "MemoryError"},
    {EINTR, NULL, "interrupted", "KeyboardInterrupt"},
    {EPERM, NULL, NULL, "RuntimeError"},
    {EDEADLK, NULL, "every task waits, and nothing can wake them", "RuntimeError"},
    {EXDEV, NULL, "this call belongs to the thread that runs the loop", "RuntimeError"},
    {EOVERFLOW, NULL, "given back more often than taken", "ValueError"},
    {EPIPE, NULL, NULL, "BrokenPipeError"},
    {ECONNRESET, NULL, NULL, "ConnectionResetError"},
    {ECONNREFUSED, NULL, NULL, "ConnectionRefusedError"},
    {ECONNABORTED, NULL, NULL, "ConnectionAbortedError"},
    {ENOENT, NULL, NULL, "FileNotFoundError"},
    {EEXIST, NULL, NULL, "FileExistsError"},
    {EACCES, NULL, NULL, "PermissionError"},
    {ESRCH, NULL, NULL, "ProcessLookupError"},
    {ECHILD, NULL, NULL, "ChildProcessError"},
};

static const struct error *find(const struct error *table, size_t n, int number)
{
    for (size_t i = 0; i < n; i++)
        if (table[i].number == number)
            return &table[i];
    return NULL;
}

/* INT_MIN has no positive twin; as an error it is as unknown as any other. */
static int positive(int error)
{
    return error < 0 && error != INT32_MIN ? -error : error;
}

const char *asyncio_strerror(int error)
{
    static _Thread_local char unknown[32];
    int number = positive(error);
    const struct error *row = find(own_errors, ARRAY_SIZE(own_errors), number);
    const char *text;

    if (!row)
        row = find(python_errors, ARRAY_SIZE(python_errors), number);
    if (row && row->text)
        return row->text;
#if defined(__GLIBC__)
    text = strerrordesc_np(number);
#else
    text = number > 0 && number < 4096 ? strerror(number) : NULL;
#endif
    if (text)
        return text;
    snprintf(unknown, sizeof unknown, "unknown error %d", error);
    return unknown;
}

const char *asyncio_errorname(int error)
{
    int number = positive(error);
    const struct error *row = find(own_errors, ARRAY_SIZE(own_errors), number);
    const char *name;

    if (row)
        return row->name;
#if defined(__GLIBC__)
    name = strerrorname_np(number);
#else
    name = NULL;
#endif
    return name ? name : "?";
}

const char *asyncio_errorexception(int error)
{
    int number = positive(error);
    const struct error *row = find(own_errors, ARRAY_SIZE(own_errors), number);

    if (!row)
        row = find(python_errors, ARRAY_SIZE(python_errors), number);
    return row ? row->exception : "OSError";
}
