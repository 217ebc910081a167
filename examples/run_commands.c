/* Runs command lines, some at a time, and prints what each has said when it has ended.
 *
 *     run_commands [--most=N] [--grace=SECONDS] [COMMAND...]      without one, each line of standard input is a command
 *
 *     --most=N           at a time, the number of processors
 *     --grace=SECONDS    that commands have to end when they are asked to, 5; then they are killed
 *
 * A command's output, standard error included, comes as a whole, below a line that says how the command ended; so it is
 * in order of completion, and never mixed. On a terminal a line at the bottom shows what is going on.
 *
 * Ctrl-C and SIGTERM begin no more commands and stop those that run, with all that they have started; a second one
 * kills them. The exit status is 0 when all commands had status 0, else 1, and 130 after Ctrl-C or SIGTERM. */
#include <asyncio.h>

#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct command {
    char *line;
    double began; /* by the loop's clock; 0: it does not run */
};

static struct command *commands;
static size_t n_commands, n_begun, n_done, n_failed;
static long most;
static double grace = 5;
static bool stopping, on_terminal;
static double first_began;

static double now(void)
{
    return asyncio_loop_time(asyncio_get_running_loop());
}

/* -------------------------------------------------------------------------------------------------------- Progress */

static void hide_progress(void)
{
    if (on_terminal)
        fputs("\r\033[K", stderr);
}

/* "3 of 10 done, 1 failed, 4 running for 12 s: make -C docs": the one that has run longest. */
static void show_progress(void)
{
    const struct command *oldest = NULL;

    if (!on_terminal)
        return;
    for (size_t i = 0; i < n_begun && !oldest; i++)
        if (commands[i].began > 0)
            oldest = &commands[i];
    hide_progress();
    fprintf(stderr, "%s%zu of %zu done, %zu failed, %zu running for %.0f s: %.40s", stopping ? "stopping: " : "",
            n_done, n_commands, n_failed, n_begun - n_done, now() - first_began, oldest ? oldest->line : "");
}

static int keep_showing(void *arg)
{
    int r = 0;

    (void)arg;
    while (r == 0) {
        show_progress();
        r = asyncio_sleep(0.5);
    }
    return r;
}

/* -------------------------------------------------------------------------------------------------------- Commands */

static void print_end(const struct command *command, int returncode)
{
    printf("== %s: ", command->line);
    if (stopping)
        printf("stopped");
    else if (returncode < 0)
        printf("%s", strsignal(-returncode));
    else
        printf("exit status %d", returncode);
    printf(", %.2f s\n", now() - command->began);
}

static void print_output(const struct asyncio_communicated *said)
{
    fwrite(said->out, 1, said->out_size, stdout);
    if (said->out_size > 0 && said->out[said->out_size - 1] != '\n')
        putchar('\n');
}

/* Asks a command and all of its process group to end. The others may take longer than the first, but not longer than
 * there is time; when this task is cancelled again, all are killed now. */
static void stop_command(struct asyncio_process *process)
{
    int group = asyncio_process_pid(process);
    double until = now() + grace;

    ASYNCIO_IGNORE(asyncio_process_stop(process, grace));
    while (kill(-group, 0) == 0 && now() < until && asyncio_sleep(0.02) == 0)
        continue;
    kill(-group, SIGKILL);
}

/* Runs one to its end. When this task is cancelled, the command is stopped first. */
static int run_command(struct command *command)
{
    struct asyncio_process *process ASYNCIO_KILLED = NULL;
    struct asyncio_communicated said = {.out = NULL};
    int r;

    /* A group of its own gets no Ctrl-C from the terminal, and can be stopped as a whole. */
    r = asyncio_create_subprocess_shell(&process, command->line, .std_in = ASYNCIO_DEVNULL, .std_out = ASYNCIO_PIPE,
                                        .std_err = ASYNCIO_STDOUT, .new_process_group = true);
    if (r == 0)
        r = asyncio_process_communicate(process, NULL, 0, &said);
    if (process && r == -ECANCELED)
        stop_command(process);
    hide_progress();
    if (r == 0 || r == -ECANCELED)
        print_end(command, said.returncode);
    else
        printf("== %s: %s\n", command->line, asyncio_strerror(r));
    if (r == 0)
        print_output(&said);
    fflush(stdout);
    asyncio_free(said.out);
    n_failed += r != 0 || said.returncode != 0;
    return r;
}

/* Takes one after the other, until there are none, or no more shall begin. */
static int work(void *arg)
{
    int r = 0;

    (void)arg;
    while (r != -ECANCELED && !stopping && n_begun < n_commands) {
        struct command *command = &commands[n_begun++];

        command->began = now();
        show_progress();
        r = run_command(command);
        command->began = 0;
        n_done++;
        show_progress();
    }
    return r == -ECANCELED ? r : 0;
}

/* ------------------------------------------------------------------------------------------------------------ Main */

struct workers {
    struct asyncio_future **tasks;
    size_t n;
};

/* A signal: no more begin, and who waits for a command stops it. The second time who waits for its end kills it. */
static void stop_all(void *arg)
{
    const struct workers *workers = arg;

    stopping = true;
    for (size_t i = 0; i < workers->n; i++)
        asyncio_future_cancel(workers->tasks[i]);
}

static int run_workers(struct workers *workers)
{
    struct asyncio_loop *loop = asyncio_get_running_loop();
    int r = asyncio_loop_add_signal_handler(loop, SIGINT, stop_all, workers);

    if (r == 0)
        r = asyncio_loop_add_signal_handler(loop, SIGTERM, stop_all, workers);
    if (r < 0)
        return r;
    for (; workers->n < (size_t)most; workers->n++)
        workers->tasks[workers->n] = asyncio_create_task(work, NULL);
    r = asyncio_wait(workers->tasks, workers->n, ASYNCIO_FOREVER, ASYNCIO_ALL_COMPLETED);
    asyncio_loop_remove_signal_handler(loop, SIGINT);
    asyncio_loop_remove_signal_handler(loop, SIGTERM);
    return r < 0 ? r : 0;
}

static int run_all(void *arg)
{
    struct workers workers = {.tasks = calloc((size_t)most, sizeof(struct asyncio_future *))};
    int r = workers.tasks ? 0 : -ENOMEM;

    (void)arg;
    if (r == 0) {
        ASYNCIO_JOINED(progress) = asyncio_create_task(keep_showing, NULL);

        first_began = now();
        r = run_workers(&workers);
    }
    hide_progress();
    for (size_t i = 0; i < workers.n; i++)
        asyncio_future_unref(workers.tasks[i]);
    free(workers.tasks);
    return r;
}

static int add_command(char *line)
{
    struct command *more = realloc(commands, (n_commands + 1) * sizeof *more);

    if (!more || !line)
        return -ENOMEM;
    commands = more;
    commands[n_commands++] = (struct command){.line = line};
    return 0;
}

/* Empty lines are none. They are read before anything begins, so nobody waits meanwhile. */
static int read_commands(void)
{
    size_t size = 0;
    char *line = NULL;
    ssize_t n;
    int r = 0;

    while (r == 0 && (n = getline(&line, &size, stdin)) > 0) {
        line[strcspn(line, "\n")] = 0;
        if (*line)
            r = add_command(strdup(line));
    }
    free(line);
    return r;
}

static int read_arguments(int argc, char **argv)
{
    static const struct option options[] = {
        {"most", required_argument, NULL, 'm'}, {"grace", required_argument, NULL, 'g'}, {NULL, 0, NULL, 0}};
    int option, r = 0;

    most = sysconf(_SC_NPROCESSORS_ONLN);
    while ((option = getopt_long(argc, argv, "", options, NULL)) >= 0) {
        if (option == 'm')
            most = strtol(optarg, NULL, 10);
        else if (option == 'g')
            grace = strtod(optarg, NULL);
        else
            return -EINVAL;
    }
    if (most < 1 || most > 10000 || !(grace >= 0))
        return -EINVAL;
    if (optind == argc)
        return read_commands();
    while (r == 0 && optind < argc)
        r = add_command(strdup(argv[optind++]));
    return r;
}

int main(int argc, char **argv)
{
    int r = read_arguments(argc, argv);

    if (r == -EINVAL) {
        fprintf(stderr, "usage: run_commands [--most=N] [--grace=SECONDS] [COMMAND...]\n");
        return 2;
    }
    on_terminal = isatty(STDERR_FILENO);
    if (r == 0)
        r = asyncio_run(run_all, NULL);
    if (r < 0)
        fprintf(stderr, "run_commands: %s\n", asyncio_strerror(r));
    for (size_t i = 0; i < n_commands; i++)
        free(commands[i].line);
    free(commands);
    return stopping ? 130 : r < 0 || n_failed > 0;
}
