/* expect.c -- expectations, the transcript and the captured log.
 *
 * A failed expectation prints what it saw and ends the process, which is the test's own. In a swept run it is only
 * counted: the library was made to fail, so the program may see errors, but must not crash, hang or leak. */
#include "harness.h"

#include <inttypes.h>
#include <math.h>
#include <pthread.h>
#include <stdarg.h>
#include <sys/time.h>
#include <unistd.h>

/* A text that grows. */
struct text {
    char *data;
    size_t length, capacity;
};

struct message {
    int level;
    char *text;
};

/* One lock for all of it: threads may trace and log. */
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static struct text trace_text;
static struct message *messages;
static size_t n_messages, messages_capacity;

static const char *const level_names[] = {"DEBUG", "WARNING", "ERROR"};

static void append(struct text *text, const char *data, size_t length)
{
    if (text->length + length + 1 > text->capacity) {
        text->capacity = 2 * (text->length + length + 1);
        text->data = realloc(text->data, text->capacity);
        if (!text->data)
            abort();
    }
    memcpy(text->data + text->length, data, length);
    text->length += length;
    text->data[text->length] = 0;
}

/* ------------------------------------------------------------------------------------------------------ Failure */

/* What goes on after a failed expectation of a swept run may be caught in a loop of the test's own; it has half a
 * second. */
static void fail_softly(void)
{
    struct itimerval limit = {.it_value.tv_usec = 500000};

    if (atomic_fetch_add(&shared->expectations_failed, 1) == 0)
        setitimer(ITIMER_REAL, &limit, NULL);
}

static void end_failed_test(void)
{
    if (current.swept) {
        fail_softly();
        return;
    }
    if (options.no_fork) {
        printf("not ok %s\n", current.test->name);
        if (debugger_of(getpid()))
            raise(SIGTRAP);
    }
    fflush(NULL);
    _exit(1);
}

void test__fail(const char *file, int line, const char *format, ...)
{
    va_list args;

    fprintf(stderr, "%s:%d: ", file, line);
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputc('\n', stderr);
    end_failed_test();
}

void test__skip(const char *reason)
{
    if (!current.swept)
        snprintf(shared->skip_reason, sizeof shared->skip_reason, "%s", reason);
    fflush(NULL);
    if (options.no_fork)
        printf("skip %s # %s\n", current.test->name, reason);
    exit(0);
}

/* ------------------------------------------------------------------------------------------------- Expectations */

void test__expect(const char *file, int line, const char *text, bool holds)
{
    if (!holds)
        test__fail(file, line, "expected: %s", text);
}

/* The name of an error behind its number, or nothing. */
static const char *name_of(long long value, char *buffer, size_t size)
{
    const char *name = value < 0 && value > -100000 ? asyncio_errorname((int)value) : "?";

    buffer[0] = 0;
    if (name[0] != '?')
        snprintf(buffer, size, " (-%s)", name);
    return buffer;
}

void test__expect_int(const char *file, int line, const char *text, long long actual, long long expected)
{
    char actual_name[64], expected_name[64];

    if (actual != expected)
        test__fail(file, line, "%s is %lld%s, expected %lld%s", text, actual,
                   name_of(actual, actual_name, sizeof actual_name), expected,
                   name_of(expected, expected_name, sizeof expected_name));
}

void test__expect_str(const char *file, int line, const char *text, const char *actual, const char *expected)
{
    if (!actual || !expected ? actual != expected : strcmp(actual, expected) != 0)
        test__fail(file, line, "%s is %s%s%s, expected %s%s%s", text, actual ? "\"" : "", actual ? actual : "NULL",
                   actual ? "\"" : "", expected ? "\"" : "", expected ? expected : "NULL", expected ? "\"" : "");
}

void test__expect_double(const char *file, int line, const char *text, double actual, double expected)
{
    bool same = actual == expected || (isnan(actual) && isnan(expected)) || fabs(actual - expected) < 1e-9;

    if (!same)
        test__fail(file, line, "%s is %.9g, expected %.9g", text, actual, expected);
}

void test__expect_ptr(const char *file, int line, const char *text, const void *actual, const void *expected)
{
    if (actual != expected)
        test__fail(file, line, "%s is %p, expected %p", text, actual, expected);
}

/* --------------------------------------------------------------------------------------------------- Transcript */

void trace(const char *format, ...)
{
    struct asyncio_loop *loop = asyncio_get_running_loop();
    char line[2048];
    size_t length = 0, room;
    va_list args;
    int wanted;

    if (loop && !(current.test->flags & TEST__REAL_TIME))
        length = (size_t)snprintf(line, sizeof line, "[%.3f] ", asyncio_loop_time(loop));
    room = sizeof line - 1 - length;
    va_start(args, format);
    wanted = vsnprintf(line + length, room, format, args);
    va_end(args);
    if (wanted > 0)
        length += (size_t)wanted < room ? (size_t)wanted : room - 1;
    line[length++] = '\n';
    pthread_mutex_lock(&mutex);
    append(&trace_text, line, length);
    pthread_mutex_unlock(&mutex);
    if (options.verbose)
        fwrite(line, 1, length, stderr);
}

const char *transcript(void)
{
    return trace_text.data ? trace_text.data : "";
}

void trace_clear(void)
{
    pthread_mutex_lock(&mutex);
    if (trace_text.data)
        trace_text.data[0] = 0;
    trace_text.length = 0;
    pthread_mutex_unlock(&mutex);
}

static size_t line_length(const char *text)
{
    return strcspn(text, "\n");
}

/* Prints a transcript as it would stand in the source, with the line in question marked. */
static void print_marked(const char *title, const char *text, size_t marked)
{
    size_t line = 0;

    fprintf(stderr, "  %s:\n", title);
    while (*text || line == marked) {
        size_t length = line_length(text);

        fprintf(stderr, "  %s ", line == marked ? ">" : " ");
        if (*text) {
            fputc('"', stderr);
            for (size_t i = 0; i < length; i++)
                fprintf(stderr, text[i] == '"' || text[i] == '\\' ? "\\%c" : "%c", text[i]);
            fprintf(stderr, "%s\"\n", text[length] ? "\\n" : "");
        } else {
            fprintf(stderr, "(end)\n");
        }
        text += length + (text[length] == '\n');
        line++;
    }
}

void test__expect_trace(const char *file, int line, const char *expected)
{
    const char *actual = transcript(), *a = actual, *e = expected;
    size_t same = 0;

    if (strcmp(actual, expected) != 0) {
        while (*a && line_length(a) == line_length(e) && strncmp(a, e, line_length(a) + 1) == 0) {
            a += line_length(a) + 1;
            e += line_length(e) + 1;
            same++;
        }
        print_marked("expected", expected, same);
        print_marked("actual", actual, same);
        test__fail(file, line, "the transcript differs from its line %zu on", same + 1);
    }
    trace_clear();
}

/* ---------------------------------------------------------------------------------------------------------- Log */

/* The log also goes to standard error, which is shown when the test fails and looked at when it must die. */
static void capture(int level, const char *text, void *arg)
{
    (void)arg;
    pthread_mutex_lock(&mutex);
    if (n_messages == messages_capacity) {
        messages_capacity = messages_capacity ? 2 * messages_capacity : 16;
        messages = realloc(messages, messages_capacity * sizeof *messages);
        if (!messages)
            abort();
    }
    messages[n_messages].level = level;
    messages[n_messages].text = strdup(text);
    n_messages++;
    pthread_mutex_unlock(&mutex);
    fprintf(stderr, "log: %s: %s\n", level_names[level], text);
}

const char *captured_log(void)
{
    static struct text taken;

    taken.length = 0;
    append(&taken, "", 0);
    pthread_mutex_lock(&mutex);
    for (size_t i = 0; i < n_messages; i++) {
        append(&taken, level_names[messages[i].level], strlen(level_names[messages[i].level]));
        append(&taken, ": ", 2);
        append(&taken, messages[i].text, strlen(messages[i].text));
        append(&taken, "\n", 1);
        free(messages[i].text);
    }
    n_messages = 0;
    pthread_mutex_unlock(&mutex);
    return taken.data;
}

void test__expect_log(const char *file, int line, const char *text)
{
    bool found = false;

    pthread_mutex_lock(&mutex);
    for (size_t i = 0; i < n_messages && !found; i++)
        if (strstr(messages[i].text, text)) {
            found = true;
            free(messages[i].text);
            n_messages--;
            memmove(&messages[i], &messages[i + 1], (n_messages - i) * sizeof messages[0]);
        }
    pthread_mutex_unlock(&mutex);
    if (!found)
        test__fail(file, line, "nothing was logged with \"%s\" in it", text);
}

void check_log_was_read(void)
{
    for (size_t i = 0; i < n_messages; i++)
        if (messages[i].level != ASYNCIO_LOG_DEBUG)
            test__fail(current.test->file, current.test->line, "logged and not expected: %s: %s",
                       level_names[messages[i].level], messages[i].text);
}

void begin_expectations(void)
{
    trace_clear();
    captured_log();
    asyncio_set_log(capture, NULL);
}
