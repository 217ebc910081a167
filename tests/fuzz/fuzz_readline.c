/* fuzz_readline.c -- readline with its own rules for lines that are too long, among the other reads. */
#include "reader_model.h"

static int drive_it(void *arg)
{
    struct drive *drive = arg;
    uint8_t setup = next_byte(drive);

    drive->limit = 1 + next_byte(drive) % 40u;
    open_reader(drive, setup & 1);
    while (drive->input < drive->end)
        step(drive, READLINE);
    close_reader(drive);
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size)
{
    struct drive drive = {.input = input, .end = input + size};

    CHECK(asyncio_run(drive_it, &drive, .backend = "sim:1") == 0);
    return 0;
}
