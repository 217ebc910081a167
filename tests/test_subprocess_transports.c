/* test_subprocess_transports.c -- processes by protocols: what they are told, and what their transports can do. */
#include "process_rig.h"

#include "base/base.h"
#include "loop/loop.h"

/* A protocol that remembers what it is told, in which order does not matter where the kernel has the say. */
struct talker {
    struct asyncio_protocol protocol;
    struct asyncio_transport *transport;
    void (*on_made)(struct talker *talker);
    void (*on_data)(struct talker *talker, int fd);
    char text[3][128]; /* the first that each said */
    size_t size[3];    /* all of it */
    int n_made, n_exited, n_lost, n_paused, n_resumed;
    int n_ended[3], ended[3]; /* how often, with what */
    int error;                /* of connection_lost */
    int returncode;           /* as of connection_lost; -1000: none then */
};

static struct talker talker;

static struct talker *talker_of(struct asyncio_protocol *protocol)
{
    return CONTAINER_OF(protocol, struct talker, protocol);
}

/* What comes between the first and the last. */
static void expect_open(const struct talker *self)
{
    EXPECT_INT(self->n_made, 1);
    EXPECT_INT(self->n_lost, 0);
}

static void made(struct asyncio_protocol *protocol, struct asyncio_transport *transport)
{
    struct talker *self = talker_of(protocol);

    EXPECT_INT(self->n_made++, 0);
    self->transport = transport;
    if (self->on_made)
        self->on_made(self);
}

static void lost(struct asyncio_protocol *protocol, int error)
{
    struct talker *self = talker_of(protocol);

    expect_open(self);
    EXPECT(asyncio_transport_is_closing(self->transport) || self->n_exited == 1);
    self->returncode = -1000;
    asyncio_transport_get_returncode(self->transport, &self->returncode);
    self->n_lost++;
    self->error = error;
    self->transport = NULL;
}

static void data_received(struct asyncio_protocol *protocol, int fd, const void *data, size_t size)
{
    struct talker *self = talker_of(protocol);
    size_t room = sizeof self->text[0] - 1;

    expect_open(self);
    EXPECT(size > 0 && (fd == 1 || fd == 2) && self->n_ended[fd] == 0);
    EXPECT(asyncio_transport_get_pipe_transport(self->transport, fd) != NULL);
    if (self->size[fd] < room)
        memcpy(self->text[fd] + self->size[fd], data, min_size(size, room - self->size[fd]));
    self->size[fd] += size;
    if (self->on_data)
        self->on_data(self, fd);
}

static void pipe_lost(struct asyncio_protocol *protocol, int fd, int error)
{
    struct talker *self = talker_of(protocol);

    expect_open(self);
    EXPECT_INT(self->n_ended[fd]++, 0);
    EXPECT_PTR(asyncio_transport_get_pipe_transport(self->transport, fd), NULL);
    self->ended[fd] = error;
}

static void exited(struct asyncio_protocol *protocol)
{
    expect_open(talker_of(protocol));
    EXPECT_INT(talker_of(protocol)->n_exited++, 0);
    EXPECT(asyncio_transport_get_returncode(talker_of(protocol)->transport, NULL));
}

static void paused(struct asyncio_protocol *protocol)
{
    talker_of(protocol)->n_paused++;
}

static void resumed(struct asyncio_protocol *protocol)
{
    talker_of(protocol)->n_resumed++;
}

static const struct asyncio_protocol_type talker_type = {
    .size = sizeof talker_type,
    .name = "talker",
    .connection_made = made,
    .connection_lost = lost,
    .pause_writing = paused,
    .resume_writing = resumed,
    .pipe_data_received = data_received,
    .pipe_connection_lost = pipe_lost,
    .process_exited = exited,
};

static const struct asyncio_protocol_type silent_type = {.size = sizeof silent_type, .name = "silent"};

static struct asyncio_protocol *make_talker(void *arg)
{
    talker = (struct talker){.protocol = {&talker_type}, .on_made = talker.on_made, .on_data = talker.on_data};
    return arg ? arg : &talker.protocol;
}

static struct asyncio_protocol *make_nothing(void *arg)
{
    *(int *)arg += 1;
    return NULL;
}

#define OPEN_SHELL(command, ...) \
    asyncio_loop_subprocess_shell(asyncio_get_running_loop(), make_talker, NULL, (command), NULL, NULL, ##__VA_ARGS__)

/* Waits until its protocol has been told of its end. */
static void await_lost(void)
{
    for (int i = 0; i < 3000 && talker.n_made > 0 && talker.n_lost == 0; i++)
        ASYNCIO_IGNORE(asyncio_sleep(0.01));
    EXPECT_INT(talker.n_lost, 1);
}

static struct asyncio_transport *pipe_of(int fd)
{
    return asyncio_transport_get_pipe_transport(talker.transport, fd);
}

static int tell(const char *text)
{
    return asyncio_transport_write(pipe_of(0), text, strlen(text));
}

/* ------------------------------------------------------------------------------------------------------ Being told */

TEST_PROCESS(told_of_everything,
             "SP-06 #111: made first; data and end of each pipe and the exit between; lost last, with its code")
{
    struct asyncio_transport *transport = NULL;
    struct asyncio_protocol *protocol = NULL;

    EXPECT_INT(asyncio_loop_subprocess_exec(asyncio_get_running_loop(), make_talker, NULL,
                                            ARGV("sh", "-c", "cat; echo err >&2; exit 7"), &transport, &protocol),
               0);
    EXPECT_PTR(transport, talker.transport);
    EXPECT_PTR(protocol, &talker.protocol);
    EXPECT(exists(asyncio_transport_get_pid(transport)));
    EXPECT(!asyncio_transport_get_returncode(transport, NULL) && !asyncio_transport_is_closing(transport));
    EXPECT(pipe_of(0) && pipe_of(1) && pipe_of(2) && !pipe_of(3) && !pipe_of(-1));
    EXPECT_INT(tell("hello\n"), 0);
    EXPECT_INT(asyncio_transport_write_eof(pipe_of(0)), 0);
    await_lost();
    EXPECT_STR(talker.text[1], "hello\n");
    EXPECT_STR(talker.text[2], "err\n");
    for (int fd = 0; fd < 3; fd++) {
        EXPECT_INT(talker.n_ended[fd], 1);
        EXPECT_INT(talker.ended[fd], 0);
    }
    EXPECT_INT(talker.n_exited, 1);
    EXPECT_INT(talker.error, 0);
    EXPECT_INT(talker.returncode, 7);
    EXPECT(!has_children());
    return 0;
}

TEST_PROCESS(dies_at_once,
             "SP-06 #111: everything is told, in order, also of a child that has ended before the loop looks")
{
    for (int i = 0; i < 20; i++) {
        EXPECT_INT(OPEN_SHELL("echo out; echo err >&2; exit 3", .std_in = i % 2 ? ASYNCIO_DEVNULL : ASYNCIO_PIPE), 0);
        await_lost();
        EXPECT_STR(talker.text[1], "out\n");
        EXPECT_STR(talker.text[2], "err\n");
        EXPECT_INT(talker.n_ended[0], i % 2 == 0);
        EXPECT_INT(talker.n_ended[1] + talker.n_ended[2], 2);
        EXPECT_INT(talker.n_exited, 1);
        EXPECT_INT(talker.returncode, 3);
    }
    return 0;
}

static const struct asyncio_backend_ops *real;

/* Lets a child end before it is looked at. */
static bool submit_late(struct asyncio_backend *backend, struct asyncio_op *op)
{
    siginfo_t info;

    if (op->opcode == ASYNCIO_OP_POLL && op->flags & ASYNCIO_OP_FOREIGN)
        while (waitid((idtype_t)3 /* P_PIDFD */, (id_t)op->fd, &info, WEXITED | WNOWAIT) < 0 && errno == EINTR)
            continue;
    return real->submit(backend, op);
}

TEST_PROCESS(dies_before_made, "SP-06 #111: one that has ended before connection_made has all told after that")
{
    struct asyncio_loop *loop = asyncio_get_running_loop();
    struct asyncio_backend_ops late = *loop->ops;

    real = loop->ops;
    late.submit = submit_late;
    for (int i = 0; i < 2; i++) {
        int io = i == 0 ? ASYNCIO_DEVNULL : ASYNCIO_PIPE;

        loop->ops = &late;
        EXPECT_INT(OPEN_SHELL("echo out; exit 6", .std_in = ASYNCIO_DEVNULL, .std_out = io, .std_err = io), 0);
        loop->ops = real;
        await_lost();
        EXPECT_STR(talker.text[1], i == 0 ? "" : "out\n");
        EXPECT_INT(talker.n_exited, 1);
        EXPECT_INT(talker.returncode, 6);
    }
    return 0;
}

TEST_PROCESS(pipes_outlive_it,
             "SP-06 #108: the exit is told when it comes; the end only when all pipes are closed, too")
{
    int pid;

    EXPECT_INT(OPEN_SHELL("sleep 1000 2>&- & echo $!; exit 2", .std_in = ASYNCIO_DEVNULL), 0);
    while (talker.n_made && (talker.n_exited == 0 || talker.n_ended[2] == 0) && asyncio_sleep(0.01) >= 0)
        continue;
    pid = atoi(talker.text[1]);
    ASYNCIO_IGNORE(asyncio_sleep(1));
    EXPECT_INT(talker.n_lost + talker.n_ended[1], 0);
    if (pid > 0)
        kill(pid, SIGKILL);
    await_lost();
    EXPECT_INT(talker.returncode, 2);
    await_gone(pid);
    return 0;
}

TEST_PROCESS(nothing_to_tell, "SP-06: a protocol need not have any function, and a child no pipe")
{
    struct asyncio_protocol silent = {&silent_type};
    struct asyncio_transport *transport = NULL;
    int pid;

    EXPECT_INT(asyncio_loop_subprocess_shell(asyncio_get_running_loop(), make_talker, &silent, "echo out; exit 1",
                                             &transport, NULL),
               0);
    pid = asyncio_transport_get_pid(transport);
    await_gone(pid);
    EXPECT_INT(OPEN_SHELL("exit 4", .std_in = ASYNCIO_DEVNULL, .std_out = ASYNCIO_DEVNULL, .std_err = ASYNCIO_INHERIT),
               0);
    EXPECT(!pipe_of(0) && !pipe_of(1) && !pipe_of(2));
    await_lost();
    EXPECT_INT(talker.returncode, 4);
    EXPECT_INT(talker.n_exited, 1);
    return 0;
}

TEST_PROCESS(both_in_one, "SP-06: errors that go where the output goes come as output")
{
    EXPECT_INT(OPEN_SHELL("echo out; echo err >&2", .std_err = ASYNCIO_STDOUT), 0);
    EXPECT_PTR(pipe_of(2), NULL);
    await_lost();
    EXPECT_STR(talker.text[1], "out\nerr\n");
    EXPECT_INT(talker.n_ended[2], 0);
    return 0;
}

/* ---------------------------------------------------------------------------------------------------- Flow control */

TEST_PROCESS(full_input, "SP-06 SP-10: that its input is full, and no more, is told to the protocol of the whole")
{
    static const char block[300 * 1024];

    test_spare(ASYNCIO__SHORT_TRANSFERS, "of so much");
    EXPECT_INT(OPEN_SHELL("read line; wc -c"), 0);
    EXPECT_INT(tell("\n"), 0);
    EXPECT_INT(asyncio_transport_write(pipe_of(0), block, sizeof block), 0);
    EXPECT_INT(talker.n_paused, 1);
    asyncio_transport_close(pipe_of(0));
    await_lost();
    EXPECT_INT(talker.n_resumed, 1);
    EXPECT_INT(atoi(talker.text[1]), (int)sizeof block);
    return 0;
}

static void pauses(struct talker *self, int fd)
{
    asyncio_transport_pause_reading(asyncio_transport_get_pipe_transport(self->transport, fd));
}

TEST_PROCESS(paused_output, "SP-06 #113: a pipe whose reading is paused says nothing until it is resumed; then all")
{
    size_t size;

    test_spare(ASYNCIO__SHORT_TRANSFERS, "of so much");
    talker.on_data = pauses;
    EXPECT_INT(OPEN_SHELL("head -c 300000 /dev/zero", .std_in = ASYNCIO_DEVNULL), 0);
    while (talker.n_made && talker.size[1] == 0 && asyncio_sleep(0.01) >= 0)
        continue;
    size = talker.size[1];
    ASYNCIO_IGNORE(asyncio_sleep(1));
    EXPECT_INT(talker.size[1], size);
    EXPECT_INT(talker.n_lost, 0);
    talker.on_data = NULL;
    asyncio_transport_resume_reading(pipe_of(1));
    await_lost();
    EXPECT_INT(talker.size[1], 300000);
    return 0;
}

TEST_PROCESS(input_unread, "SP-06 #116: an input that nobody reads any more is lost, with what was not written")
{
    static const char block[300 * 1024];

    test_spare(ASYNCIO__SHORT_TRANSFERS, "of so much");
    EXPECT_INT(
        OPEN_SHELL("echo ready; read line <&2; exec <&-; echo closed; kill -STOP $$", .std_err = ASYNCIO_DEVNULL), 0);
    ASYNCIO_IGNORE(asyncio_transport_write(pipe_of(0), block, sizeof block));
    while (talker.n_made && talker.n_ended[0] == 0 && asyncio_sleep(0.01) >= 0)
        continue;
    EXPECT_INT(talker.ended[0], -EPIPE);
    EXPECT_INT(talker.n_exited, 0);
    asyncio_transport_close(talker.transport);
    await_lost();
    EXPECT_INT(talker.error, 0);
    return 0;
}

/* ------------------------------------------------------------------------------------------------------ Its end */

TEST_PROCESS(signals, "SP-05 SP-06: terminate, kill and any other; the end says which")
{
    for (int i = 0; i < 3; i++) {
        int expected[] = {-SIGTERM, -SIGKILL, -SIGUSR1};

        EXPECT_INT(OPEN_SHELL("exec cat"), 0);
        EXPECT_INT(asyncio_transport_send_signal(talker.transport, 0), 0);
        EXPECT_INT(asyncio_transport_send_signal(talker.transport, 1000), -EINVAL);
        EXPECT_INT(i == 0   ? asyncio_transport_terminate(talker.transport)
                   : i == 1 ? asyncio_transport_kill(talker.transport)
                            : asyncio_transport_send_signal(talker.transport, SIGUSR1),
                   0);
        await_lost();
        EXPECT_INT(talker.returncode, expected[i]);
        EXPECT_INT(talker.error, 0);
    }
    return 0;
}

TEST_PROCESS(close_kills, "SP-06: close kills a child that runs; the end is told when it has ended, once")
{
    int pid;

    EXPECT_INT(OPEN_SHELL("trap '' TERM HUP; echo ready; exec sleep 1000"), 0);
    pid = asyncio_transport_get_pid(talker.transport);
    asyncio_transport_close(talker.transport);
    asyncio_transport_close(talker.transport);
    EXPECT(asyncio_transport_is_closing(talker.transport));
    EXPECT_INT(talker.n_lost, 0);
    await_lost();
    EXPECT_INT(talker.returncode, -SIGKILL);
    EXPECT_INT(talker.n_ended[0] + talker.n_ended[1] + talker.n_ended[2], 3);
    EXPECT_INT(talker.n_exited, 1);
    EXPECT_INT(talker.error, 0);
    EXPECT(!exists(pid));
    return 0;
}

static void closes_itself(struct talker *self)
{
    asyncio_transport_close(self->transport);
}

static void aborts_itself(struct talker *self)
{
    asyncio_transport_abort(self->transport);
}

TEST_PROCESS(closed_when_made, "SP-06: connection_made may close or abort it")
{
    for (int i = 0; i < 2; i++) {
        talker.on_made = i == 0 ? closes_itself : aborts_itself;
        EXPECT_INT(OPEN_SHELL("exec cat"), 0);
        await_lost();
        EXPECT_INT(talker.returncode, -SIGKILL);
        EXPECT_INT(talker.n_exited, 1);
    }
    return 0;
}

TEST_PROCESS(close_spares_the_dead, "SP-05 SP-06: close leaves alone one that has ended, and its code")
{
    siginfo_t info;

    EXPECT_INT(OPEN_SHELL("read line; exit 9"), 0);
    EXPECT_INT(tell("\n"), 0);
    while (waitid(P_PID, (id_t)asyncio_transport_get_pid(talker.transport), &info, WEXITED | WNOWAIT) < 0 &&
           errno == EINTR)
        continue;
    asyncio_transport_close(talker.transport);
    await_lost();
    EXPECT_INT(talker.returncode, 9);
    return 0;
}

/* -------------------------------------------------------------------------------------------------------- Failures */

TEST_PROCESS(not_started, "SP-01 SP-06 #113: what cannot be run makes no protocol, and leaves nothing")
{
    struct asyncio_loop *loop = asyncio_get_running_loop();
    struct asyncio_transport *transport = NULL;
    int n_made = 0;

    talker.n_made = 0;
    EXPECT_INT(asyncio_loop_subprocess_exec(loop, make_talker, NULL, ARGV("no-such-program"), &transport, NULL),
               -ENOENT);
    EXPECT(strstr(asyncio_error_detail(), "no-such-program") != NULL);
    EXPECT_INT(asyncio_loop_subprocess_exec(loop, make_talker, NULL, NULL, &transport, NULL), -EINVAL);
    EXPECT_INT(asyncio_loop_subprocess_exec(loop, NULL, NULL, CAT, &transport, NULL), -EINVAL);
    EXPECT_INT(asyncio_loop_subprocess_exec(NULL, make_talker, NULL, CAT, &transport, NULL), -EINVAL);
    EXPECT_INT(asyncio_loop_subprocess_shell(loop, make_talker, NULL, NULL, &transport, NULL), -EINVAL);
    EXPECT_INT(asyncio_loop_subprocess_exec(loop, make_talker, NULL, CAT, &transport, NULL, .std_in = -9), -EINVAL);
    EXPECT_INT(talker.n_made, 0);
    EXPECT_INT(asyncio_loop_subprocess_exec(loop, make_nothing, &n_made, CAT, &transport, NULL),
               -ASYNCIO_EINVALIDSTATE);
    EXPECT_INT(n_made, 1);
    EXPECT_PTR(transport, NULL);
    while (has_children() && asyncio_sleep(0.01) >= 0)
        continue;
    return 0;
}

static int opens(void *arg)
{
    (void)arg;
    return OPEN_SHELL("exec cat");
}

TEST_PROCESS(cancelled_opening, "SP-07 #106 #107: a cancel before it is open kills it, and no protocol is made")
{
    struct asyncio_future *opener = spawn(opens, NULL, "opener");

    talker.n_made = 0;
    turns(1);
    cancel(opener);
    EXPECT_INT(asyncio_await(opener), -ECANCELED);
    EXPECT_INT(talker.n_made, 0);
    while (has_children() && asyncio_sleep(0.01) >= 0)
        continue;
    return 0;
}

TEST_PROCESS(not_a_process, "SP-06: other transports have no child; a lost one has none any more")
{
    struct asyncio_transport *whole, *pipe;

    EXPECT_INT(OPEN_SHELL("exec cat"), 0);
    whole = talker.transport;
    pipe = pipe_of(1);
    EXPECT_INT(asyncio_transport_get_pid(pipe), -EINVAL);
    EXPECT(!asyncio_transport_get_returncode(pipe, NULL));
    EXPECT_PTR(asyncio_transport_get_pipe_transport(pipe, 0), NULL);
    EXPECT_INT(asyncio_transport_kill(pipe), -EINVAL);
    EXPECT_INT(asyncio_transport_kill(NULL), -EINVAL);
    EXPECT_INT(asyncio_transport_get_pid(NULL), -EINVAL);
    EXPECT_INT(asyncio_transport_write(whole, "x", 1), whole ? -ENOTSUP : -EINVAL);
    EXPECT(asyncio_transport_fileno(whole) < 0);
    asyncio_transport_abort(whole);
    await_lost();
    return 0;
}

/* -------------------------------------------------------------------------------------------------------- Terminals */

TEST_PROCESS(terminal, "SP-06 R15: what a terminal says comes as output; its end is no error, and ends its input, too")
{
    EXPECT_INT(OPEN_SHELL("read line; echo \"<$line>\"; test -t 2", .std_in = ASYNCIO_PTY, .std_out = ASYNCIO_PTY,
                          .std_err = ASYNCIO_PTY),
               0);
    EXPECT(pipe_of(0) && pipe_of(1) && !pipe_of(2));
    EXPECT_INT(tell("hello\n"), 0);
    await_lost();
    EXPECT_STR(talker.text[1], "hello\r\n<hello>\r\n");
    EXPECT_INT(talker.ended[0], 0);
    EXPECT_INT(talker.ended[1], 0);
    EXPECT_INT(talker.returncode, 0);
    return 0;
}

TEST_PROCESS(terminal_to_read, "SP-06 R15: a terminal that is only read from ends with the child")
{
    EXPECT_INT(OPEN_SHELL("read line; exit 5", .std_in = ASYNCIO_PTY), 0);
    EXPECT_INT(tell("hello\n"), 0);
    await_lost();
    EXPECT_INT(talker.ended[0], 0);
    EXPECT_INT(talker.returncode, 5);
    return 0;
}

/* ------------------------------------------------------------------------------------------------------- Loop's end */

static int pid_left;

static int leaves_it(void *arg)
{
    (void)arg;
    EXPECT_INT(OPEN_SHELL("exec sleep 1000"), 0);
    pid_left = asyncio_transport_get_pid(talker.transport);
    return 0;
}

TEST_EPOLL(loop_closes, "SP-06 SP-09 #112: when the loop closes the child goes on, and the protocol is told")
{
    EXPECT_INT(run(leaves_it, NULL), 0);
    EXPECT_INT(talker.n_lost, talker.n_made);
    if (talker.n_made == 0)
        return;
    EXPECT_INT(talker.error, -ASYNCIO_ECLOSED);
    EXPECT_INT(talker.returncode, -1000);
    EXPECT(exists(pid_left));
    kill(pid_left, SIGKILL);
    EXPECT_INT(waitpid(pid_left, NULL, 0), pid_left);
}

static int in_simulator(void *arg)
{
    (void)arg;
    EXPECT_INT(OPEN_SHELL("exec cat"), -EOPNOTSUPP);
    return 0;
}

TEST_SIM(in_simulator, "SP-06: the simulator has no processes")
{
    EXPECT_INT(asyncio_loop_subprocess_exec(asyncio_get_running_loop(), make_talker, NULL, CAT, NULL, NULL), -EINVAL);
    EXPECT_INT(run(in_simulator, NULL), 0);
}
