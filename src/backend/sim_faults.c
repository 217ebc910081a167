/* sim_faults.c -- what the user of the simulated machine asks for, and chance.
 *
 * Random numbers are drawn for faults that are on, and for nothing else: with a seed alone the machine is plainly
 * deterministic, and a fault that is off leaves the transcripts of all others as they are. */
#include "sim.h"

#include <limits.h>

/* ------------------------------------------------------------------------------------------------------ Randomness */

uint64_t asyncio__sim_random(struct asyncio_backend *sim, uint64_t bound)
{
    uint64_t x;

    /* A counter with an odd step, scrambled: every seed gives a stream of full length. */
    sim->random += UINT64_C(0x9e3779b97f4a7c15);
    x = sim->random;
    x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
    return (x ^ (x >> 31)) % bound;
}

bool asyncio__sim_chance(struct asyncio_backend *sim, enum asyncio__sim_option option, uint64_t out_of)
{
    return sim->option[option] > 0 && asyncio__sim_random(sim, out_of) < (uint64_t)sim->option[option];
}

int64_t asyncio__sim_latency_ns(struct asyncio_backend *sim)
{
    uint64_t most_us = (uint64_t)sim->option[ASYNCIO__SIM_DELAY];

    return most_us ? (int64_t)asyncio__sim_random(sim, most_us + 1) * NS_PER_USEC : 0;
}

/* Sweeps count over all machines of the thread, as a program may have several. */
static _Thread_local int64_t sweep_counted, sweep_first = -1, sweep_count;

void asyncio__sim_fail_operation(int64_t nth, int64_t count)
{
    sweep_counted = 0;
    sweep_first = nth;
    sweep_count = count;
}

int64_t asyncio__sim_operations(void)
{
    return sweep_counted;
}

bool asyncio__sim_is_to_fail(struct asyncio_backend *sim)
{
    int64_t nth = sweep_counted++;

    if (sim->n_submitted++ == sim->option[ASYNCIO__SIM_FAIL])
        return true;
    return sweep_first >= 0 && nth >= sweep_first && nth - sweep_first < sweep_count;
}

/* --------------------------------------------------------------------------------------------------------- Options */

static const struct {
    const char *name;
    int64_t initial, least, most;
} options_known[ASYNCIO__SIM_OPTIONS] = {
    [ASYNCIO__SIM_SHORT] = {"short", 0, 0, 100},
    [ASYNCIO__SIM_EINTR] = {"eintr", 0, 0, 100},
    [ASYNCIO__SIM_RESET] = {"reset", 0, 0, 1000},
    [ASYNCIO__SIM_DELAY] = {"delay", 0, 0, NS_PER_SEC},
    [ASYNCIO__SIM_LATER] = {"later", 0, 0, 100},
    [ASYNCIO__SIM_FAIL] = {"fail", -1, 0, INT64_MAX},
    [ASYNCIO__SIM_FILES] = {"files", INT_MAX / 2, 0, INT_MAX / 2},
    [ASYNCIO__SIM_BUFFER] = {"buffer", 64 * 1024, 1, INT_MAX},
    [ASYNCIO__SIM_PERMUTE] = {"permute", 0, 0, 1},
    [ASYNCIO__SIM_EXHAUST] = {"exhaust", 0, 0, 100},
    [ASYNCIO__SIM_ABORT] = {"abort", 0, 0, 100},
    [ASYNCIO__SIM_BUFFERS] = {"buffers", INT_MAX, 1, INT_MAX},
    [ASYNCIO__SIM_LOSE] = {"lose", 0, 0, 100},
    [ASYNCIO__SIM_TWICE] = {"twice", 0, 0, 100},
    [ASYNCIO__SIM_REORDER] = {"reorder", 0, 0, 100},
    [ASYNCIO__SIM_REFUSE] = {"refuse", 0, 0, 100},
};

/* Reads decimal digits and moves behind them. Returns: false when there are none or too many. */
static bool read_number(const char **text, uint64_t most, uint64_t *ret_number)
{
    const char *start = *text;
    uint64_t number = 0;

    for (; **text >= '0' && **text <= '9'; (*text)++) {
        uint64_t digit = (uint64_t)(**text - '0');

        if (digit > most || number > (most - digit) / 10)
            return false;
        number = number * 10 + digit;
    }
    *ret_number = number;
    return *text > start;
}

/* Reads one "name=number", or "permute", and moves behind it. */
static bool read_option(struct asyncio_backend *sim, const char **text)
{
    size_t length = strcspn(*text, "=,");

    for (int i = 0; i < ASYNCIO__SIM_OPTIONS; i++) {
        const char *name = options_known[i].name;
        uint64_t number = 1;

        if (strlen(name) != length || strncmp(name, *text, length) != 0)
            continue;
        *text += length;
        if (**text == '=') {
            (*text)++;
            if (!read_number(text, (uint64_t)options_known[i].most, &number))
                return false;
        } else if (i != ASYNCIO__SIM_PERMUTE) {
            return false;
        }
        sim->option[i] = (int64_t)number;
        return sim->option[i] >= options_known[i].least;
    }
    return false;
}

int asyncio__sim_read_options(struct asyncio_backend *sim, const char *text)
{
    for (int i = 0; i < ASYNCIO__SIM_OPTIONS; i++)
        sim->option[i] = options_known[i].initial;
    if (!text || !*text)
        return 0;
    if (*text != ',' && !read_number(&text, UINT64_MAX, &sim->random))
        return -EINVAL;
    while (*text == ',') {
        text++;
        if (!read_option(sim, &text))
            return -EINVAL;
    }
    return *text ? -EINVAL : 0;
}
