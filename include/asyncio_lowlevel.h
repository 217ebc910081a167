/* asyncio_lowlevel.h -- what front ends and new primitives are built from: nodes and timers without allocation, one
 * place to wait, operations, the interface of a back end, and the loop one turn at a time.
 *
 * Unstable: names here may change with any release; they carry a symbol version of their own. Functions belong to the
 * loop's thread unless said otherwise. */
#pragma once

#include <asyncio.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ================================================================================================ Nodes and timers */

/* Appends a node to the ready queue: it runs in the next turn. It must be on no list and live until it has run. Never
 * fails. */
ASYNCIO_API void asyncio_loop_schedule(struct asyncio_loop *loop, struct asyncio_node *node);

/* Takes a node off whatever list it is on; harmless when it is on none but was initialised. */
ASYNCIO_API void asyncio_node_cancel(struct asyncio_node *node);

/* Prepares a node: on no list, `run` to be called. */
ASYNCIO_API void asyncio_node_init(struct asyncio_node *node, void (*run)(struct asyncio_node *node), void *context);

/* Appends a node from any thread or signal handler, without a lock or an allocation, and wakes the loop. The node
 * runs at the loop's next poll and cannot be cancelled. Returns: 0; -ASYNCIO_ECLOSED, and the node is untouched. */
ASYNCIO_API int asyncio_loop_post(struct asyncio_loop *loop, struct asyncio_node *node);

/* Arms an initialised timer node at a time of the loop's clock in nanoseconds; INT64_MAX never fires but counts as
 * armed. It must not move in memory until it has run or was disarmed. Returns: 0; -ENOMEM. */
ASYNCIO_API int asyncio_timer_arm(struct asyncio_loop *loop, struct asyncio_timer *timer, int64_t deadline_ns);

/* Disarms a timer, or takes it off the ready queue; harmless when it is not armed. */
ASYNCIO_API void asyncio_timer_disarm(struct asyncio_loop *loop, struct asyncio_timer *timer);

/* True between arming and the moment when it becomes ready. */
ASYNCIO_API bool asyncio_timer_armed(const struct asyncio_timer *timer);

/* The loop's clock in nanoseconds, read afresh. */
ASYNCIO_API int64_t asyncio_loop_now_ns(struct asyncio_loop *loop);

/* ================================================================================================== One place to wait
 *
 * Every wait of a task goes through asyncio_park. What is waited for is data, for dumps, dead-lock reports and the call
 * graph. */

/* What a wait that is not complete answers to a cancel. */
enum asyncio_cancel_answer {
    ASYNCIO_CANCELLED,     /* undone on the spot: the call returns -ECANCELED */
    ASYNCIO_WILL_COMPLETE, /* under way: asyncio_unpark will follow, with -ECANCELED or with what happened */
};

/* What happens to a wait that is complete, whose task has not run yet, and that is cancelled now. */
enum asyncio_late_cancel {
    ASYNCIO_LATE_CANCEL,    /* -ECANCELED is delivered; there is nothing to give back */
    ASYNCIO_LATE_KEEP,      /* the result is delivered; the cancel meets the next wait */
    ASYNCIO_LATE_GIVE_BACK, /* `give_back` is called, then -ECANCELED is delivered */
};

struct asyncio_waiter;

/* A kind of wait; static. */
struct asyncio_wait_kind {
    const char *name; /* completes "waits for ...": "a lock" */
    enum asyncio_late_cancel late;
    enum asyncio_cancel_answer (*cancel)(struct asyncio_waiter *waiter); /* NULL: off its list, ASYNCIO_CANCELLED */
    void (*give_back)(struct asyncio_waiter *waiter);
    void (*describe)(const struct asyncio_waiter *waiter, char *buffer, size_t size); /* may be NULL */
};

/* One wait, on the stack of the task that waits. `link` is for the list of whatever is waited for. */
struct asyncio_waiter {
    struct asyncio_link link;
    const struct asyncio_wait_kind *kind;
    void *object;
    struct asyncio_future *task; /* whose wait it is; set by asyncio_waiter_init */
    int64_t result;              /* what asyncio_park returns */
    bool complete;               /* set by asyncio_unpark and by a cancel; no second completion counts */
    uint64_t ticket;             /* for whoever keeps places in a queue */
};

/* Prepares a wait of the current task. Returns: 0; -ASYNCIO_ENOTASK outside a task. */
ASYNCIO_API int asyncio_waiter_init(struct asyncio_waiter *waiter, const struct asyncio_wait_kind *kind, void *object);

/* Suspends the current task until its waiter is complete. A cancel that is pending on entry is delivered at once: as
 * if it came the moment after, through the kind's hooks. Returns: the waiter's result; -ECANCELED as the kind says. */
ASYNCIO_API int64_t asyncio_park(struct asyncio_waiter *waiter);

/* Completes a wait and makes its task ready; takes the waiter off its list. Does nothing when it is complete
 * already. */
ASYNCIO_API void asyncio_unpark(struct asyncio_waiter *waiter, int64_t result);

/* Delivers a cancel that is pending. Returns: 0; -ECANCELED, which is then no longer pending. */
ASYNCIO_API int asyncio_cancel_point(void);

/* What every I/O call does first, also one that finds its data in a buffer: delivers a cancel that is pending, and
 * after 16 I/O calls since the task last resumed yields once, so that a peer who always has something does not starve
 * the other tasks. Returns: 0; -ECANCELED; -ASYNCIO_ENOTASK outside a task. */
ASYNCIO_ASYNC int asyncio_io_point(void);

/* ========================================================================================================= Operations
 *
 * What a loop asks of its back end. A one-shot operation lives in the memory of whoever waits and completes exactly
 * once; until then its memory, and the buffers that it names, are the kernel's. A standing operation is owned by the
 * handle it watches and completes many times; cancelling a wait on it never cancels it. */

enum asyncio_opcode {
    ASYNCIO_OP_POLL,    /* poll.events; result: the events that are there */
    ASYNCIO_OP_READ,    /* buffer; result: bytes, 0 at the end */
    ASYNCIO_OP_WRITE,   /* buffer; result: bytes */
    ASYNCIO_OP_RECV,    /* buffer, flags of recv(2) */
    ASYNCIO_OP_SEND,    /* buffer, flags of send(2); MSG_NOSIGNAL is always added */
    ASYNCIO_OP_ACCEPT,  /* result: a new fd, non-blocking and close-on-exec */
    ASYNCIO_OP_CONNECT,  /* address; result: 0 */
    ASYNCIO_OP_SENDV,    /* vector: the pieces in one go, as sendmsg(2); result: bytes; MSG_NOSIGNAL is always added */
    ASYNCIO_OP_RECVFROM, /* datagram; result: bytes, and who sent them in *datagram.address unless that is NULL */
    ASYNCIO_OP_SENDTO,   /* datagram; result: bytes; to the connected peer when datagram.address is NULL; -ENOBUFS when
                            a Unix socket that it is not connected to has no room: no event would tell of any */
    ASYNCIO_OP_SENDFILE, /* sendfile: from a regular file to the socket; result: bytes, 0 at the end of the file */
    ASYNCIO_OP_RECVMSGS, /* batch, of a datagram socket: what is there, as recvmmsg(2); result: how many datagrams. An
                            error that comes after one is told by the next operation */
    ASYNCIO_OP_SENDMSGS, /* batch: as many in order as there is room for, as sendmmsg(2); result: how many; the error of
                            the first, -ENOBUFS as with SENDTO */

    /* From here on an operation never waits: submit finishes it at once. */
    ASYNCIO_OP_SOCKET,     /* make; result: fd */
    ASYNCIO_OP_SOCKETPAIR, /* make; result: 0 and make.fds */
    ASYNCIO_OP_PIPE,       /* result: 0 and make.fds: read end, write end */
    ASYNCIO_OP_BIND,       /* address */
    ASYNCIO_OP_LISTEN,     /* argument: backlog */
    ASYNCIO_OP_SHUTDOWN,   /* argument: SHUT_RD, SHUT_WR, SHUT_RDWR */
    ASYNCIO_OP_SOCKNAME,   /* name: where the socket is bound; result: 0 and *name.address */
    ASYNCIO_OP_PEERNAME,   /* name: whom it is connected to; result: 0 and *name.address */
    ASYNCIO_OP_SETSOCKOPT, /* option; result: 0 */
    ASYNCIO_OP_GETSOCKOPT, /* option; result: the size of the value */
    ASYNCIO_OP_STAT,       /* file: of file.path itself, links not followed; result: 0 and the rest of `file` */
    ASYNCIO_OP_UNLINK,     /* file: removes the name file.path; result: 0 */
    ASYNCIO_OP_CLOSE,      /* at once; what waits on the fd completes with -ASYNCIO_ECLOSED in the next poll, which
                              does not block */
    ASYNCIO_OP_FORGET,     /* as CLOSE, but the fd stays open: it leaves the library */
    ASYNCIO_OP_SEND_FDS,   /* fds, over a Unix socket: the bytes with n descriptors; result: bytes; -EAGAIN, whereupon
                              POLL tells when there is room. Not in the simulator: -EINVAL, as RECV_FDS */
    ASYNCIO_OP_RECV_FDS,   /* fds: bytes with as many descriptors as came along, which are closed on exec; result:
                              bytes, 0 at the end; then fds.n; -EAGAIN. All are closed with -EMSGSIZE when n was too
                              small, and with -EMFILE when the process has no more */

    /* From here on: files of the process, which keep whoever asks waiting for a disk and not for an event. A back end
     * that cannot do one itself finishes it at once with -EOPNOTSUPP, and then a thread of the loop's file pool does
     * it, except in the simulator. They are not bound to an fd's directions: any number may be under way. One that has
     * begun is not taken back. Flags are not known to them. */
    ASYNCIO_OP_FILE_OPEN,     /* path, from the directory `fd` or AT_FDCWD: path.flags, which O_CLOEXEC and O_NONBLOCK
                                 are added to, and path.mode; result: fd */
    ASYNCIO_OP_FILE_CLOSE,    /* result: 0 or what close(2) says, and it is closed all the same */
    ASYNCIO_OP_FILE_READ,     /* transfer; result: bytes, 0 at the end */
    ASYNCIO_OP_FILE_WRITE,    /* transfer; result: bytes */
    ASYNCIO_OP_FILE_SYNC,     /* argument: 0: fsync(2), 1: fdatasync(2) */
    ASYNCIO_OP_FILE_TRUNCATE, /* length */
    ASYNCIO_OP_FILE_STAT,     /* path, as OPEN; "": of the fd itself; path.flags as in statx(2); result: 0 and the
                                 kernel's struct statx at path.about */
    ASYNCIO_OP_FILE_COPY,     /* move, as copy_file_range(2); result: bytes */
    ASYNCIO_OP_FILE_SPLICE,   /* move, as splice(2); result: bytes */
    ASYNCIO_OP_FILE_RENAME,   /* path, path.other */
    ASYNCIO_OP_FILE_UNLINK,   /* path; path.flags: 0 or AT_REMOVEDIR */
    ASYNCIO_OP_FILE_MKDIR,    /* path, path.mode */
    ASYNCIO_OP_FILE_LIST,     /* transfer, without offset, as getdents64(2); result: bytes, 0 at the end */
};

enum asyncio_op_flags {
    ASYNCIO_OP_STANDING = 1, /* POLL, ACCEPT, RECV: completes again and again. What a RECV was brought and nobody has
                                taken yet when it is taken back is kept for the next one, as with AHEAD */
    ASYNCIO_OP_FOREIGN = 2,  /* the fd is not the library's: watched by level, never owned */
    ASYNCIO_OP_NOWAIT = 4,   /* submit finishes it at once: with -EAGAIN where it would have to wait, as far as the
                                last poll knows; -EINVAL for CONNECT and with STANDING */
    ASYNCIO_OP_LAZY = 8,     /* RECV, one-shot: a back end that waits for readiness may complete it with -EAGAIN as soon
                                as it is worth another try, which the submitter then makes: whoever answers what it
                                receives has both calls side by side, while the socket is in the cache */
    ASYNCIO_OP_AHEAD = 16,   /* RECV without flags, or POLL for readable: the submitter is this fd's only reader, and
                                the back end may read ahead into memory of its own, which later receives, reads and
                                polls get. It is lost with CLOSE and FORGET */
    ASYNCIO_OP_DEFER = 32,   /* SEND that nobody waits for: a back end that `batches` may put it off until its next
                                poll, which sends it together with others, and say that it succeeded whenever a poll
                                ends. Until it is under way it can be taken back */
};

/* Said with a completion of a standing operation. */
enum asyncio_op_completion {
    ASYNCIO_OP_MORE = 1,   /* more will follow; its absence marks the last one */
    ASYNCIO_OP_BUFFER = 2, /* buffer.data points at result bytes, to be handed back by release */
};

struct asyncio_op_poll {
    uint32_t events; /* enum asyncio_fd_events */
};

struct asyncio_op_buffer {
    void *data;
    size_t size;
    int flags;
};

struct asyncio_op_address {
    const void *data; /* a struct sockaddr */
    size_t size;
};

struct asyncio_op_vector {
    const struct asyncio_bytes *pieces;
    size_t n; /* more than IOV_MAX count as IOV_MAX */
    int flags;
};

struct asyncio_op_datagram {
    void *data;
    size_t size;
    struct asyncio_address *address;
    int flags;
};

struct asyncio_op_batch {
    struct asyncio_datagram *datagrams; /* SENDMSGS only reads them */
    size_t n;                           /* more than 64 count as 64 */
    const struct asyncio_address *to;   /* SENDMSGS: for those whose info.address is empty; NULL: the connected peer */
    bool detailed; /* RECVMSGS: fill in info.destination, without its port, and info.interface; of sockets of the
                      internet for which IP_PKTINFO or IPV6_RECVPKTINFO is on */
};

struct asyncio_op_sendfile {
    int file; /* of the process, in every back end but the simulator, which has none: -EOPNOTSUPP */
    int64_t offset;
    size_t count;
};

struct asyncio_op_name {
    struct asyncio_address *address;
};

struct asyncio_op_option {
    int level, name;
    void *value;
    size_t size;
};

struct asyncio_op_fds {
    void *data; /* SEND_FDS only reads it, and fds */
    size_t size;
    int *fds;
    size_t n; /* 64 at most */
};

struct asyncio_op_file {
    const char *path;
    uint64_t device, inode;
    bool is_socket;
};

struct asyncio_op_make {
    int domain, type, protocol;
    int fds[2];
};

struct asyncio_op_transfer {
    void *data;
    size_t size;
    int64_t offset; /* -1: the file's own position, which moves */
};

struct asyncio_op_path {
    const char *path, *other;
    int flags;
    unsigned mode;
    void *about;
};

struct asyncio_op_move {
    int to; /* from op->fd */
    unsigned flags;
    int64_t from_offset, to_offset; /* -1: the file's own position, or it has none */
    size_t size;
};

struct asyncio_op {
    struct asyncio_link link;                 /* the back end's while it has the operation */
    void (*complete)(struct asyncio_op *op);  /* called from poll, with no task running; it may submit and cancel */
    void *owner;                              /* the submitter's */
    uint8_t opcode, flags, completion, state; /* state: the back end's */
    int fd;
    int64_t result; /* 0 or more, or a negative error */
    union {
        struct asyncio_op_poll poll;
        struct asyncio_op_buffer buffer;
        struct asyncio_op_address address;
        struct asyncio_op_vector vector;
        struct asyncio_op_datagram datagram;
        struct asyncio_op_batch batch;
        struct asyncio_op_sendfile sendfile;
        struct asyncio_op_name name;
        struct asyncio_op_option option;
        struct asyncio_op_fds fds;
        struct asyncio_op_file file;
        struct asyncio_op_make make;
        struct asyncio_op_transfer transfer;
        struct asyncio_op_path path;
        struct asyncio_op_move move;
        int64_t length;
        int argument;
    };
    uint64_t backend[2]; /* the back end's own */
};

struct asyncio_backend;

/* A back end: the only floor that blocks or reads a clock. */
struct asyncio_backend_ops {
    size_t size; /* of this structure */
    const char *name;
    bool simulated; /* its clock jumps: every turn polls, and nothing wakes it but what the program does */
    bool own_fds;   /* the fds of its operations are none of the process */
    bool batches;   /* one system call of a poll does all that was put off: see ASYNCIO_OP_DEFER */

    /* `options` is what follows the colon of "name:options", or NULL. Returns: 0 or a negative error. */
    int (*open)(struct asyncio_backend **ret_backend, const char *options, int64_t start_ns);

    /* No operation may be left. In a forked child it gives up the process's own copies only. */
    void (*close)(struct asyncio_backend *backend);

    /* Monotonic nanoseconds. */
    int64_t (*now)(struct asyncio_backend *backend);

    /* Begins an operation. Returns: true when it is done already, with op->result; complete() is not called for it
     * then. A standing operation returns false unless it failed. */
    bool (*submit)(struct asyncio_backend *backend, struct asyncio_op *op);

    /* Takes an operation back. Returns: true when it is undone now, and complete() will not be called; false when it
     * will be, with -ECANCELED or with what had happened. */
    bool (*cancel)(struct asyncio_backend *backend, struct asyncio_op *op);

    /* Waits until something completes, wake is called or the deadline (of `now`) is reached, INT64_MAX being never,
     * and calls complete() for what is done. With a deadline in the past it only looks. `external`: a thread is at
     * work for the loop, so that the simulator's clock must stand still. It may end early, with nothing done.
     * Returns: 0; -EINTR after a signal; a negative error when the kernel will not poll. */
    int (*poll)(struct asyncio_backend *backend, int64_t deadline_ns, bool external);

    /* Ends a poll that blocks, or the next one. Any thread, any signal handler. */
    void (*wake)(struct asyncio_backend *backend);

    /* Hands back the buffer that a standing receive delivered. */
    void (*release)(struct asyncio_backend *backend, int fd, void *data);

    /* A file descriptor that is readable when poll has work, for embedding; -EOPNOTSUPP. */
    int (*fd)(struct asyncio_backend *backend);

    /* How many operations may yet complete: with none, no timer and no hold, nothing can happen any more. */
    size_t (*pending)(const struct asyncio_backend *backend);
};

/* The back ends that are built in, ended by NULL. */
ASYNCIO_API const struct asyncio_backend_ops *const *asyncio_backends(void);

/* A loop over a back end of the caller's. Returns: as asyncio_new_event_loop. */
ASYNCIO_API int asyncio_new_event_loop_on(struct asyncio_loop **ret_loop, const struct asyncio_backend_ops *ops,
                                          const char *options, const struct asyncio_loop_kw *kw);

/* Begins an operation on the loop's back end. Returns: as `submit`. Once the loop is closed the result is
 * -ASYNCIO_ECLOSED, but a CLOSE still closes an fd of the process: what is left over can be given back. */
ASYNCIO_API bool asyncio_op_submit(struct asyncio_loop *loop, struct asyncio_op *op);

/* Takes it back. Returns: as `cancel`. */
ASYNCIO_API bool asyncio_op_cancel(struct asyncio_loop *loop, struct asyncio_op *op);

/* Does an operation on the running loop from a task, suspending while it cannot be done. A pending cancel is met on
 * entry, before any effect.
 * Returns: its result. Cancelled: it did not happen; when it had happened already, its result is returned and the
 * cancel meets the next wait. */
ASYNCIO_ASYNC int64_t asyncio_op_await(struct asyncio_op *op);

/* The same without asyncio_io_point, for whoever has been through that and then looked again at what the operation is
 * about: while a task yields there, others may close an fd, and its number may come to stand for something else. */
ASYNCIO_ASYNC int64_t asyncio_op_park(struct asyncio_op *op);

/* ========================================================================================================= Signals */

/* What looks out for a signal, for a loop: the place of the process for signals tells it, beside all others that look
 * out for the same. Caller's memory, which must not move. */
struct asyncio_signal_watch {
    /* Called in the loop: so many signals have come since the last call. It may end the watch. */
    void (*received)(struct asyncio_signal_watch *watch, unsigned times);

    struct asyncio_node node;          /* the other fields are the library's */
    struct asyncio_loop *loop;         /* NULL: it has ended, or its loop was closed */
    struct asyncio_signal_watch *next; /* of the same signal */
    int number;
    unsigned arrived; /* signals that `received` was not told of yet */
    bool stands_in, spent;
};

/* Begins to look out for a signal; `received` is set. Until asyncio_unwatch_signal or the loop's close the signal has
 * no other effect. The loop may end in a dead lock all the same: asyncio_loop_hold. Returns: as
 * asyncio_loop_add_signal_handler. */
ASYNCIO_API int asyncio_watch_signal(struct asyncio_signal_watch *watch, struct asyncio_loop *loop, int signal);

/* Ends it: `received` will not be called any more. Harmless on one that has ended, and on one that
 * asyncio_watch_signal has refused. */
ASYNCIO_API void asyncio_unwatch_signal(struct asyncio_signal_watch *watch);

/* ====================================================================================================== Transports */

/* Makes a transport of a connected stream socket of the loop's back end, an fd that is the transport's from then on,
 * also on failure. connection_made follows in a later turn. What was written before it is closed has 30 seconds to be
 * sent.
 * Returns: 0; -EINVAL, also for a protocol that has neither data_received nor get_buffer and buffer_updated; -ENOMEM;
 * -ASYNCIO_ECLOSED for a closed loop. */
ASYNCIO_API int asyncio_transport_open(struct asyncio_loop *loop, int fd, struct asyncio_protocol *protocol,
                                       struct asyncio_transport **ret_transport);

/* ======================================================================================================= Embedding */

/* Runs one turn: polls, until `deadline_ns` at most and not at all when something is ready, then runs what is ready.
 * For a foreign loop that drives this one. Returns: 1 when something ran; 0; a negative error as
 * asyncio_loop_run_forever. */
ASYNCIO_API int asyncio_loop_run_once(struct asyncio_loop *loop, int64_t deadline_ns);

/* When the loop has to run next, by its clock: now when something is ready, INT64_MAX when only its fd can tell. */
ASYNCIO_API int64_t asyncio_loop_next_deadline(struct asyncio_loop *loop);

/* A file descriptor that is readable when the loop has work; borrowed. Returns: -EOPNOTSUPP in the simulator. */
ASYNCIO_API int asyncio_loop_fd(struct asyncio_loop *loop);

/* What a front end hangs into the loop; any of them may be NULL. */
struct asyncio_hooks {
    size_t size;
    void *arg;
    void (*before_block)(void *arg);         /* a poll is going to block: let go of the interpreter's lock */
    void (*after_block)(void *arg);          /* it has ended */
    void (*enter)(void *arg, void *context); /* a node with a context is going to run */
    void (*leave)(void *arg, void *context); /* it has run */
    int (*interrupted)(void *arg);           /* a signal ended a poll; a negative result ends the run with it */
};

/* Sets the hooks; NULL: none. The structure is copied. Returns: 0; -EINVAL. */
ASYNCIO_API int asyncio_loop_set_hooks(struct asyncio_loop *loop, const struct asyncio_hooks *hooks);

/* How many nodes run between two polls while the ready queue is never empty; 64 at first, 1: every turn polls, as
 * CPython's do, and as the simulator always does. Returns: 0; -EINVAL. */
ASYNCIO_API int asyncio_loop_set_poll_interval(struct asyncio_loop *loop, unsigned nodes);

/* ========================================================================================================= Testing */

/* Lets the nth allocation from now fail, counted from 0, and `count` of them in a row; -1: none. Stacks count too. */
ASYNCIO_API void asyncio_fail_allocation(int64_t nth, int64_t count);

/* Allocations so far since the last asyncio_fail_allocation. */
ASYNCIO_API int64_t asyncio_allocations(void);

/* Pieces of memory that are allocated now, for finding leaks. */
ASYNCIO_API int64_t asyncio_allocated(void);

#ifdef __cplusplus
}
#endif
