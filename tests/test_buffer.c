/* test_buffer.c -- bytes that are kept in order: what goes in comes out, and memory follows. */
#include "crew.h"

#include "base/buffer.h"
#include "base/mem.h"

static struct asyncio__buffer buffer;

/* What is kept, as a text. */
static const char *kept(void)
{
    static char text[64];

    snprintf(text, sizeof text, "%.*s", (int)buffer.size, buffer.size > 0 ? asyncio__buffer_front(&buffer) : "");
    return text;
}

TEST(buffer_in_order, "what is appended is kept behind, what is prepended in front; it is taken from the front")
{
    char data[16] = "";

    EXPECT_INT(asyncio__buffer_append(&buffer, "cd", 2), 0);
    EXPECT_INT(asyncio__buffer_append(&buffer, "ef", 2), 0);
    EXPECT_INT(asyncio__buffer_append(&buffer, NULL, 0), 0);
    EXPECT_INT(asyncio__buffer_prepend(&buffer, "ab", 2), 0);
    EXPECT_STR(kept(), "abcdef");
    EXPECT_INT(asyncio__buffer_take(&buffer, data, 3), 3);
    EXPECT_STR(data, "abc");
    EXPECT_INT(asyncio__buffer_prepend(&buffer, "bc", 2), 0);
    EXPECT_INT(asyncio__buffer_prepend(&buffer, NULL, 0), 0);
    EXPECT_STR(kept(), "bcdef");
    asyncio__buffer_consume(&buffer, 1);
    EXPECT_INT(asyncio__buffer_take(&buffer, data, sizeof data), 4);
    EXPECT_STR(kept(), "");
    EXPECT_INT(asyncio__buffer_take(&buffer, data, sizeof data), 0);
    asyncio__buffer_fini(&buffer);
    EXPECT_PTR(buffer.data, NULL);
    asyncio__buffer_fini(&buffer);
}

TEST(buffer_room, "room that was asked for is there, consumed room is used again, and a NUL always fits")
{
    EXPECT_INT(asyncio__buffer_reserve(&buffer, 100), 0);
    EXPECT(buffer.data == NULL || asyncio__buffer_room(&buffer) >= 100);
    if (!buffer.data)
        return;
    memset(asyncio__buffer_end(&buffer), 'x', 101);
    asyncio__buffer_added(&buffer, 100);
    *asyncio__buffer_end(&buffer) = '\0';
    for (int i = 0; i < 1000; i++) {
        asyncio__buffer_consume(&buffer, 60);
        EXPECT_INT(asyncio__buffer_append(&buffer, "012345678901234567890123456789012345678901234567890123456789", 60),
                   0);
    }
    EXPECT_INT(buffer.size, 100);
    EXPECT_INT(buffer.capacity, 100);
    asyncio__buffer_fini(&buffer);
}

TEST(buffer_grows, "memory is doubled, so that bytes that come one by one are moved a few times")
{
    int64_t before = asyncio_allocations();
    void *last = NULL;
    int n_moved = 0;

    test_spare(ASYNCIO__TINY_CAPACITIES, "they grow by as little as possible");
    for (int i = 0; i < 100000; i++) {
        EXPECT_INT(asyncio__buffer_append(&buffer, "x", 1), 0);
        n_moved += buffer.data != last;
        last = buffer.data;
    }
    EXPECT(asyncio_allocations() - before < 25);
    EXPECT(n_moved < 25);
    EXPECT_INT(buffer.size, 100000);
    asyncio__buffer_fini(&buffer);
}

TEST(buffer_without_memory, "a buffer that cannot grow keeps what it has")
{
    char *data;

    EXPECT_INT(asyncio__buffer_append(&buffer, "abcdef", 6), 0);
    asyncio__buffer_consume(&buffer, 3);
    asyncio_fail_allocation(0, 100);
    EXPECT_INT(asyncio__buffer_reserve(&buffer, 1000), -ENOMEM);
    EXPECT_INT(asyncio__buffer_append(&buffer, "0123456789", 10), -ENOMEM);
    EXPECT_INT(asyncio__buffer_prepend(&buffer, "0123456789", 10), -ENOMEM);
    EXPECT_INT(asyncio__buffer_reserve(&buffer, SIZE_MAX), -ENOMEM);
    EXPECT_INT(asyncio__buffer_reserve(&buffer, PTRDIFF_MAX), -ENOMEM);
    EXPECT_STR(kept(), "def");
    data = asyncio__buffer_give_away(&buffer);
    EXPECT_STR(data, "def");
    EXPECT_PTR(asyncio__buffer_give_away(&buffer), NULL);
    asyncio_fail_allocation(-1, 1);
    asyncio_free(data);
    EXPECT_INT(asyncio__buffer_reserve(&buffer, SIZE_MAX), -ENOMEM);
    EXPECT_PTR(buffer.data, NULL);
}

TEST(buffer_given_away, "what is given away has a NUL behind it, and the buffer is as new")
{
    char *data;

    EXPECT_INT(asyncio__buffer_reserve(&buffer, 5000), 0);
    EXPECT_INT(asyncio__buffer_append(&buffer, "skipped text", 12), 0);
    asyncio__buffer_consume(&buffer, buffer.size > 8 ? 8 : 0);
    data = asyncio__buffer_give_away(&buffer);
    EXPECT_STR(data, "text");
    asyncio_free(data);
    EXPECT_PTR(buffer.data, NULL);
    EXPECT_INT(buffer.capacity, 0);
    data = asyncio__buffer_give_away(&buffer);
    EXPECT_STR(data, "");
    asyncio_free(data);
}

TEST_NO_SWEEP(buffer_at_random, "whatever is done, it is a sequence of bytes", "a model without failures")
{
    static char model[20000], data[300];
    size_t size = 0;

    seed_chance(test_seed());
    test_replay_seed(test_seed());
    for (int step = 0; step < 200000; step++) {
        size_t n = (size_t)chance(chance(20) ? 20 : (int)sizeof data), taken = n < size ? n : size;

        for (size_t i = 0; i < n; i++)
            data[i] = (char)(step + (int)i);
        switch (size > 9000 ? 3 : chance(5)) {
        case 0:
        case 1:
            EXPECT_INT(asyncio__buffer_append(&buffer, data, n), 0);
            memcpy(model + size, data, n);
            size += n;
            break;
        case 2:
            EXPECT_INT(asyncio__buffer_prepend(&buffer, data, n), 0);
            memmove(model + n, model, size);
            memcpy(model, data, n);
            size += n;
            break;
        case 3:
            taken = chance(50) ? taken : size;
            asyncio__buffer_consume(&buffer, taken);
            memmove(model, model + taken, size - taken);
            size -= taken;
            break;
        default:
            EXPECT_INT(asyncio__buffer_reserve(&buffer, n), 0);
            EXPECT(asyncio__buffer_room(&buffer) >= n);
        }
        if (buffer.size != size || (size > 0 && memcmp(asyncio__buffer_front(&buffer), model, size) != 0))
            FAIL("step %d", step);
        if (buffer.capacity > 60000)
            FAIL("%zu bytes for %zu", buffer.capacity, size);
    }
    asyncio__buffer_fini(&buffer);
}
