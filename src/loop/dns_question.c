/* dns_question.c -- one question to the name servers: over UDP, over TCP where the answer is too long for that.
 *
 * A question keeps a conversation with each server that it has come to. It goes on to the next one when a server fails,
 * and when a try has taken too long; an answer of an earlier one counts all the same. Each conversation has a socket of
 * its own, connected, so that only the server can be heard and its port cannot be guessed.
 *
 * Invariants:
 *   - the question's memory stays until the back end has none of its operations;
 *   - nothing of the owner's is called but from the question's own node, so that no call of ours meets its end. */
#include "dns.h"

#include <stdio.h>
#include <sys/random.h>

/* More than any server may send over UDP that was not asked for more. */
#define UDP_SIZE 4096
#define TCP_SIZE (2 + 65535)

/* So many datagrams that are no reply are no accident: somebody tries to guess. */
#define MAX_STRANGERS 64

struct conversation {
    struct asyncio__dns_question *question;
    struct asyncio_op out, in; /* connecting and sending; receiving */
    int fd;                    /* -1: none */
    bool is_tcp, is_connected, is_out_busy, is_in_busy, has_failed;
    size_t sent, received;
    unsigned strangers;
    unsigned char *buffer;
};

struct asyncio__dns_question {
    struct asyncio_link link; /* of the loop's */
    struct asyncio_loop *loop;
    struct asyncio__dns_config *config;
    struct asyncio_timer timer;      /* of the present try, then of the outcome */
    asyncio__dns_answered *answered; /* NULL: nobody wants to know any more */
    void *owner;
    size_t first, tries, current; /* server that was begun with, tries so far, conversation of the present one */
    bool is_over, wants_next;
    bool is_late; /* some server did not answer in time */
    int refusal;  /* what a server that failed said, an rcode or a negative error; 0: none did */
    size_t refuser;
    int local_error; /* why a server could not be asked */
    int result;
    struct asyncio__dns_answer answer;
    size_t n_busy; /* operations that the back end has */
    size_t query_size;
    unsigned char query[2 + ASYNCIO__DNS_QUERY_SIZE]; /* behind its length, as TCP has it */
    char name[ASYNCIO__DNS_NAME_SIZE];
    struct conversation conversations[2 * ASYNCIO__DNS_MAX_SERVERS]; /* UDP with each server, then TCP */
};

static void free_if_over(struct asyncio__dns_question *question)
{
    if (!question->is_over || question->answered || question->n_busy > 0)
        return;
    for (size_t i = 0; i < ARRAY_SIZE(question->conversations); i++)
        asyncio__free(question->conversations[i].buffer);
    list_remove(&question->link);
    asyncio__free(question->answer.addresses);
    asyncio__dns_config_unref(question->config);
    asyncio__free(question);
}

static void hang_up(struct conversation *conversation)
{
    struct asyncio_op op = {.opcode = ASYNCIO_OP_CLOSE, .fd = conversation->fd};

    if (conversation->fd < 0)
        return;
    conversation->fd = -1;
    asyncio_op_submit(conversation->question->loop, &op);
}

/* Ends all conversations; the outcome is told from a node. */
static void finish(struct asyncio__dns_question *question, int result)
{
    struct asyncio_loop *loop = question->loop;

    if (question->is_over)
        return;
    question->is_over = true;
    question->result = result;
    for (size_t i = 0; i < ARRAY_SIZE(question->conversations); i++)
        hang_up(&question->conversations[i]);
    asyncio_timer_disarm(loop, &question->timer);
    if (question->answered)
        asyncio__schedule(loop, &question->timer.node);
}

/* --------------------------------------------------------------------------------------------------------- Outcome */

/* No server is left to ask. What a server said counts more than that another one was silent. */
static void give_up(struct asyncio__dns_question *question)
{
    if (question->refusal)
        finish(question, -ASYNCIO_EAI_FAIL);
    else if (question->is_late)
        finish(question, -ASYNCIO_EAI_TIMEOUT);
    else
        finish(question, question->local_error ? question->local_error : -ASYNCIO_EAI_FAIL);
}

static void describe(const struct asyncio__dns_question *question, char *text, size_t size)
{
    size_t which = question->refusal ? question->refuser : question->current;
    const struct asyncio_address *server = &question->config->servers[which % ASYNCIO__DNS_MAX_SERVERS];
    char place[64] = "", others[40] = "";
    const char *what;

    asyncio_address_format(server, place, sizeof place);
    if (question->config->n_servers > 1)
        snprintf(others, sizeof others, ", nor from %zu more", question->config->n_servers - 1);
    if (question->result == -ASYNCIO_EAI_TIMEOUT) {
        snprintf(text, size, "%.70s: no answer from %s%s", question->name, place, others);
        return;
    }
    if (question->result == -ASYNCIO_EAI_NONAME || question->result == -ASYNCIO_EAI_NODATA)
        what = question->result == -ASYNCIO_EAI_NONAME ? "there is no such name" : "it has no address of that family";
    else if (question->refusal == -EBADMSG)
        what = "an answer that makes no sense";
    else if (question->refusal > 0)
        what = asyncio__dns_rcode_name(question->refusal);
    else
        what = asyncio_strerror(question->refusal ? question->refusal : question->result);
    snprintf(text, size, "%.90s: server %s: %s", question->name, place, what);
}

static void run_outcome(struct asyncio__dns_question *question)
{
    asyncio__dns_answered *answered = question->answered;
    char why[256] = "";

    if (question->result < 0)
        describe(question, why, sizeof why);
    question->answered = NULL;
    answered(question->owner, question->result, &question->answer, why);
    free_if_over(question);
}

/* --------------------------------------------------------------------------------------------------- Conversations */

/* A server has failed, for good. `error`: an rcode, or a negative error. */
static void fail(struct conversation *conversation, int error)
{
    struct asyncio__dns_question *question = conversation->question;
    size_t place = (size_t)(conversation - question->conversations);
    size_t server = place % ASYNCIO__DNS_MAX_SERVERS;

    hang_up(conversation);
    conversation->has_failed = true;
    question->conversations[server].has_failed = true;
    if (error > 0 || error == -EBADMSG || error == -ECONNRESET || error == -ECONNREFUSED) {
        question->refusal = error;
        question->refuser = server;
    } else {
        question->local_error = error;
    }
    if (question->current % ASYNCIO__DNS_MAX_SERVERS == server)
        question->wants_next = true;
}

static int arm(struct asyncio__dns_question *question)
{
    const struct asyncio__dns_config *config = question->config;
    int64_t timeout_ns = config->timeout_ns;

    /* Each round is given twice the time of the one before. */
    for (size_t round = (question->tries - 1) / config->n_servers; round > 0; round--)
        timeout_ns = ns_add(timeout_ns, timeout_ns);
    asyncio_timer_disarm(question->loop, &question->timer);
    return asyncio_timer_arm(question->loop, &question->timer, ns_add(asyncio__now(question->loop), timeout_ns));
}

static int converse(struct conversation *conversation, const struct asyncio_address *server, bool is_tcp);

/* The answer was too long. */
static void go_on_over_tcp(struct conversation *conversation)
{
    struct asyncio__dns_question *question = conversation->question;
    size_t server = (size_t)(conversation - question->conversations);
    struct conversation *tcp = &question->conversations[server + ASYNCIO__DNS_MAX_SERVERS];
    int r;

    hang_up(conversation);
    question->current = server + ASYNCIO__DNS_MAX_SERVERS;
    r = arm(question);
    if (r == 0)
        r = converse(tcp, &question->config->servers[server], true);
    if (r < 0)
        fail(tcp, r);
}

/* Something has come. Returns: true when more is to be received. */
static bool hear(struct conversation *conversation, const unsigned char *reply, size_t size)
{
    struct asyncio__dns_question *question = conversation->question;
    int rcode = 0;
    int r = asyncio__dns_decode(question->query + 2, question->query_size, reply, size, !conversation->is_tcp,
                                &question->answer, &rcode);

    if (r == -EAGAIN && !conversation->is_tcp && ++conversation->strangers < MAX_STRANGERS)
        return true;
    if (r == -EMSGSIZE)
        go_on_over_tcp(conversation);
    else if (r == -EAGAIN || r == -EBADMSG)
        fail(conversation, -EBADMSG);
    else if (r == -ASYNCIO_EAI_FAIL)
        fail(conversation, rcode);
    else {
        question->current = (size_t)(conversation - question->conversations);
        finish(question, r);
    }
    return false;
}

/* Takes what was received. Returns: true when more is to be. */
static bool received(struct conversation *conversation, int64_t result)
{
    size_t size;

    if (result < 0 || (result == 0 && conversation->is_tcp)) {
        fail(conversation, result < 0 ? (int)result : -ECONNRESET);
        return false;
    }
    if (!conversation->is_tcp)
        return hear(conversation, conversation->buffer, (size_t)result);
    conversation->received += (size_t)result;
    if (conversation->received < 2)
        return true;
    size = (size_t)conversation->buffer[0] << 8 | conversation->buffer[1];
    if (conversation->received < 2 + size)
        return true;
    return hear(conversation, conversation->buffer + 2, size);
}

static void in_done(struct asyncio_op *op);
static void out_done(struct asyncio_op *op);

static void receive(struct conversation *conversation)
{
    struct asyncio__dns_question *question = conversation->question;
    size_t capacity = conversation->is_tcp ? TCP_SIZE : UDP_SIZE;

    while (conversation->fd >= 0 && !conversation->is_in_busy) {
        conversation->in = (struct asyncio_op){
            .complete = in_done,
            .owner = conversation,
            .opcode = ASYNCIO_OP_RECV,
            .fd = conversation->fd,
            .buffer = {conversation->buffer + conversation->received, capacity - conversation->received, 0},
        };
        if (!asyncio_op_submit(question->loop, &conversation->in)) {
            conversation->is_in_busy = true;
            question->n_busy++;
        } else if (!received(conversation, conversation->in.result)) {
            return;
        }
    }
}

/* Takes what came of connecting or sending. Returns: true when there is more to send. */
static bool is_unsent(struct conversation *conversation, int64_t result)
{
    size_t size = conversation->question->query_size + (conversation->is_tcp ? 2 : 0);

    if (result < 0) {
        fail(conversation, (int)result);
        return false;
    }
    if (!conversation->is_connected)
        conversation->is_connected = true;
    else
        conversation->sent += (size_t)result;
    if (conversation->sent < size)
        return true;
    receive(conversation);
    return false;
}

/* Connects, then sends. */
static void send_more(struct conversation *conversation)
{
    struct asyncio__dns_question *question = conversation->question;
    size_t server = (size_t)(conversation - question->conversations) % ASYNCIO__DNS_MAX_SERVERS;
    const struct asyncio_address *address = &question->config->servers[server];
    unsigned char *query = question->query + (conversation->is_tcp ? 0 : 2);

    while (conversation->fd >= 0) {
        conversation->out = (struct asyncio_op){
            .complete = out_done,
            .owner = conversation,
            .opcode = conversation->is_connected ? ASYNCIO_OP_SEND : ASYNCIO_OP_CONNECT,
            .fd = conversation->fd,
        };
        if (conversation->is_connected)
            conversation->out.buffer = (struct asyncio_op_buffer){
                .data = query + conversation->sent,
                .size = question->query_size + (conversation->is_tcp ? 2 : 0) - conversation->sent,
            };
        else
            conversation->out.address = (struct asyncio_op_address){&address->data, address->size};
        if (!asyncio_op_submit(question->loop, &conversation->out)) {
            conversation->is_out_busy = true;
            question->n_busy++;
            return;
        }
        if (!is_unsent(conversation, conversation->out.result))
            return;
    }
}

/* Begins a conversation, or says the same again. Returns: 0; a negative error. */
static int converse(struct conversation *conversation, const struct asyncio_address *server, bool is_tcp)
{
    struct asyncio_op op = {
        .opcode = ASYNCIO_OP_SOCKET,
        .make = {.domain = asyncio_address_family(server), .type = is_tcp ? SOCK_STREAM : SOCK_DGRAM},
    };

    if (conversation->fd >= 0) {
        if (is_tcp || conversation->is_out_busy || !conversation->is_connected)
            return 0;
        conversation->sent = 0;
        send_more(conversation);
        return 0;
    }
    if (!conversation->buffer)
        conversation->buffer = asyncio__malloc(is_tcp ? TCP_SIZE : UDP_SIZE);
    if (!conversation->buffer)
        return -ENOMEM;
    asyncio_op_submit(conversation->question->loop, &op);
    if (op.result < 0)
        return (int)op.result;
    conversation->fd = (int)op.result;
    conversation->is_tcp = is_tcp;
    send_more(conversation);
    return 0;
}

/* ----------------------------------------------------------------------------------------------------------- Tries */

/* The conversation with a server that is to be taken up: over TCP where UDP did not do. */
static struct conversation *choose(struct asyncio__dns_question *question, size_t server)
{
    struct conversation *udp = &question->conversations[server], *tcp = udp + ASYNCIO__DNS_MAX_SERVERS;

    if (udp->has_failed)
        return NULL;
    return tcp->fd >= 0 || question->config->use_tcp ? tcp : udp;
}

static void ask_next(struct asyncio__dns_question *question)
{
    const struct asyncio__dns_config *config = question->config;
    struct conversation *conversation;
    size_t server;
    int r;

    question->wants_next = false;
    do {
        if (question->tries >= (size_t)config->attempts * config->n_servers) {
            give_up(question);
            return;
        }
        server = (question->first + question->tries++) % config->n_servers;
        conversation = choose(question, server);
    } while (!conversation);
    question->current = (size_t)(conversation - question->conversations);
    r = arm(question);
    if (r < 0) {
        finish(question, r);
        return;
    }
    r = converse(conversation, &config->servers[server], question->current >= ASYNCIO__DNS_MAX_SERVERS);
    if (r < 0)
        fail(conversation, r);
}

/* What every way in ends with. */
static void go_on(struct asyncio__dns_question *question)
{
    while (question->wants_next && !question->is_over)
        ask_next(question);
    free_if_over(question);
}

static void in_done(struct asyncio_op *op)
{
    struct conversation *conversation = op->owner;

    conversation->is_in_busy = false;
    conversation->question->n_busy--;
    if (conversation->fd >= 0 && received(conversation, op->result))
        receive(conversation);
    go_on(conversation->question);
}

static void out_done(struct asyncio_op *op)
{
    struct conversation *conversation = op->owner;

    conversation->is_out_busy = false;
    conversation->question->n_busy--;
    if (conversation->fd >= 0 && is_unsent(conversation, op->result))
        send_more(conversation);
    go_on(conversation->question);
}

static void run_timer(struct asyncio_node *node)
{
    struct asyncio__dns_question *question = CONTAINER_OF(node, struct asyncio__dns_question, timer.node);

    if (question->is_over) {
        run_outcome(question);
        return;
    }
    question->is_late = true;
    question->wants_next = true;
    go_on(question);
}

/* Numbers that cannot be guessed; in the simulator, that are the same in each run. */
static uint16_t choose_id(const struct asyncio_loop *loop, struct asyncio__dns *dns)
{
    uint64_t number = ++dns->n_questions * UINT64_C(0x9e3779b97f4a7c15);
    uint16_t id = (uint16_t)(number >> 40);

    /* Without the kernel's numbers the port alone has to do. */
    if (!loop->ops->simulated)
        while (getrandom(&id, sizeof id, 0) < 0 && errno == EINTR) {
        }
    return id;
}

int asyncio__dns_ask(struct asyncio_loop *loop, struct asyncio__dns_config *config, const char *name,
                     enum asyncio__dns_type type, asyncio__dns_answered *answered, void *owner,
                     struct asyncio__dns_question **ret_question)
{
    struct asyncio__dns *dns = asyncio__dns_of(loop);
    struct asyncio__dns_question *question = dns ? asyncio__calloc(sizeof *question) : NULL;
    int r;

    if (!question)
        return -ENOMEM;
    r = asyncio__dns_encode(name, type, choose_id(loop, dns), question->query + 2);
    if (r < 0) {
        asyncio__free(question);
        return r;
    }
    question->query_size = (size_t)r;
    question->query[0] = (unsigned char)(r >> 8);
    question->query[1] = (unsigned char)r;
    question->loop = loop;
    question->config = config;
    config->refs++;
    question->answered = answered;
    question->owner = owner;
    snprintf(question->name, sizeof question->name, "%s", name);
    asyncio_node_init(&question->timer.node, run_timer, NULL);
    question->timer.index = SIZE_MAX;
    for (size_t i = 0; i < ARRAY_SIZE(question->conversations); i++) {
        question->conversations[i].question = question;
        question->conversations[i].fd = -1;
    }
    if (config->rotate)
        question->first = dns->n_questions % config->n_servers;
    list_push_back(&dns->questions, &question->link);
    question->wants_next = true;
    go_on(question);
    *ret_question = question;
    return 0;
}

void asyncio__dns_question_cancel(struct asyncio__dns_question *question)
{
    question->answered = NULL;
    finish(question, -ECANCELED);
    asyncio_timer_disarm(question->loop, &question->timer);
    free_if_over(question);
}

void asyncio__dns_questions_close(struct asyncio_loop *loop, struct asyncio_link *questions)
{
    struct asyncio_link *link, *next;
    int r = 0;

    LIST_FOR_EACH(link, next, questions)
        asyncio__dns_question_cancel(LIST_ENTRY(link, struct asyncio__dns_question, link));
    /* What the kernel had of them comes back. */
    while (!list_empty(questions) && (r >= 0 || r == -EINTR))
        r = loop->ops->poll(loop->backend, NS_NEVER, false);
    LIST_FOR_EACH(link, next, questions) {
        struct asyncio__dns_question *question = LIST_ENTRY(link, struct asyncio__dns_question, link);

        question->n_busy = 0;
        free_if_over(question);
    }
}
