/* program.cpp -- a C++ program calls the functions behind the keyword macros; built like program.c. */
#include <asyncio.h>
#include <asyncio_lowlevel.h>

#include <cstdio>

static int work(void *arg)
{
    *static_cast<int *>(arg) += 1;
    return asyncio_sleep(0);
}

static int program(void *arg)
{
    asyncio_task_kw keywords = {};

    keywords.size = sizeof keywords;
    keywords.name = "work";
    asyncio_future *task = asyncio_create_task_kw(work, arg, &keywords);
    int r = asyncio_await(task);
    asyncio_future_unref(task);
    return r;
}

int main()
{
    int runs = 0;
    int r = asyncio_run_kw(program, &runs, nullptr);

    std::printf("asyncio %s: sum %d\n", asyncio_version(), runs + 5);
    return r < 0;
}
