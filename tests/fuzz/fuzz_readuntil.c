/* fuzz_readuntil.c -- readuntil with up to three separators, among the other reads. */
#include "reader_model.h"

static int drive_it(void *arg)
{
    struct drive *drive = arg;
    char letters[MOST_SEPARATORS][4];
    uint8_t setup = next_byte(drive);

    drive->limit = 1 + next_byte(drive) % 40u;
    drive->n_separators = 1 + (setup >> 1) % MOST_SEPARATORS;
    for (size_t i = 0; i < drive->n_separators; i++) {
        size_t size = 1 + next_byte(drive) % 4u;

        for (size_t k = 0; k < size; k++)
            letters[i][k] = next_letter(drive);
        drive->separators[i] = (struct asyncio_bytes){letters[i], size};
    }
    open_reader(drive, setup & 1);
    while (drive->input < drive->end)
        step(drive, READUNTIL);
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
