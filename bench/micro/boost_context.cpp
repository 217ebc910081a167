/* boost_context.cpp -- Boost.Context: the bare switch of a well-kept library, with a queue around it as bare.c has. */
#include "bench.h"

#include <boost/context/fiber.hpp>
#include <boost/context/pooled_fixedsize_stack.hpp>
#include <deque>
#include <utility>

namespace {

namespace context = boost::context;

const int most_fibers = 10000;

std::deque<context::fiber> ready;
long rounds;

context::fiber pop()
{
    context::fiber next = std::move(ready.front());

    ready.pop_front();
    return next;
}

/* Switches to the next in the queue; whoever comes back brings the one that it came from, which goes to the tail. */
void yield()
{
    ready.push_back(pop().resume());
}

context::fiber yield_rounds(context::fiber &&from)
{
    ready.push_back(std::move(from));
    for (long i = 0; i < rounds; i++)
        yield();
    return pop();
}

double yield_among(int n, long count)
{
    double begin;

    rounds = count / n;
    /* n - 1 fibers and the thread itself take turns. */
    for (int i = 0; i < n - 1; i++)
        ready.push_back(context::fiber(yield_rounds));
    yield();
    begin = now_ns();
    for (long i = 1; i < rounds; i++)
        yield();
    return (now_ns() - begin) / (double)((rounds - 1) * n);
}

double yield_2(long count)
{
    return yield_among(2, count);
}

double yield_10000(long count)
{
    return yield_among(most_fibers, count);
}

/* Stacks from a pool, as its manual advises who makes many. */
double spawn_join(long count)
{
    context::pooled_fixedsize_stack stacks;
    double begin = now_ns();

    for (long i = 0; i < count; i++) {
        context::fiber fiber(std::allocator_arg, stacks, [](context::fiber &&from) { return std::move(from); });

        std::move(fiber).resume();
    }
    return (now_ns() - begin) / (double)count;
}

} // namespace

int main(int argc, char **argv)
{
    static const struct bench benches[] = {
        {"yield_2", yield_2},
        {"yield_10000", yield_10000},
        {"spawn_join", spawn_join},
        {NULL, NULL},
    };

    return bench_main(benches, argc, argv);
}
