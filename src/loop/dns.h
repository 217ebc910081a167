/* dns.h -- names and addresses: what the machine's own files say, and what name servers answer.
 *
 * c-ares encodes and decodes what goes over the wire. The conversation is ours: c-ares keeps it on the machine's clock
 * and can take back only all of it, where here it stands on the loop's operations and timers, so that it runs in the
 * simulator too and any look-up can be cancelled at any moment.
 *
 * dns_wire.c has queries and replies, dns_files.c the files of /etc, dns_config.c whom to ask, dns_question.c one
 * question to the servers, dns.c the look-up of a name, which is several questions. */
#pragma once

#include "loop.h"

#include <sys/socket.h>

/* A name in text and its NUL. */
#define ASYNCIO__DNS_NAME_SIZE 256

/* A query: header, name, type, class. */
#define ASYNCIO__DNS_QUERY_SIZE (12 + 255 + 4)

#define ASYNCIO__DNS_MAX_SERVERS 8

enum asyncio__dns_type { ASYNCIO__DNS_A = 1, ASYNCIO__DNS_PTR = 12, ASYNCIO__DNS_AAAA = 28 };

/* ------------------------------------------------------------------------------------------------------ dns_wire.c */

/* What a reply says: addresses with port 0, or of a PTR question the name alone. */
struct asyncio__dns_answer {
    struct asyncio_address *addresses; /* n of them */
    size_t n;
    char name[ASYNCIO__DNS_NAME_SIZE]; /* the canonical one */
};

/* True when the library was built with c-ares. */
bool asyncio__dns_is_built_in(void);

/* Writes a query. Returns: its size; -EINVAL for what is no name; -ASYNCIO_EAI_NONAME for one that must not be asked
 * for, of ".onion"; -ENOMEM. */
int asyncio__dns_encode(const char *name, enum asyncio__dns_type type, uint16_t id,
                        unsigned char ret_query[ASYNCIO__DNS_QUERY_SIZE]);

/* Reads a reply to that query. Returns: 0 and an answer, whose addresses are the caller's to free; -EAGAIN when it is
 * none to that query; -EMSGSIZE when it was cut; -EBADMSG when it makes no sense; -ASYNCIO_EAI_NONAME;
 * -ASYNCIO_EAI_NODATA; -ASYNCIO_EAI_FAIL when the server says that it failed or will not, and `*ret_rcode` how;
 * -ENOMEM. */
int asyncio__dns_decode(const unsigned char *query, size_t query_size, const unsigned char *reply, size_t size,
                        bool may_be_cut, struct asyncio__dns_answer *ret_answer, int *ret_rcode);

/* "SERVFAIL"; "an error" for one that has no name. */
const char *asyncio__dns_rcode_name(int rcode);

/* Writes the name that is asked for to learn the name of an internet address. */
void asyncio__dns_reverse_name(const struct asyncio_address *address, char ret_name[ASYNCIO__DNS_NAME_SIZE]);

/* ----------------------------------------------------------------------------------------------------- dns_files.c */

/* The text of a file, read again when it has changed. Valid when zeroed; what there is no file for is empty. */
struct asyncio__dns_file {
    char *text; /* with NUL, or NULL */
    size_t size;
    uint64_t device, inode;
    int64_t changed_ns, length;
};

/* Reads it if it has changed. Returns: 1 when it had; 0; -ENOMEM. */
int asyncio__dns_file_update(struct asyncio__dns_file *file, const char *path);

/* Forgets it. */
void asyncio__dns_file_fini(struct asyncio__dns_file *file);

/* Takes the next line of a text without its comment, up to `size` - 1 bytes. Returns: false at the end. */
bool asyncio__dns_next_line(const char **text, const char *comment, char *line, size_t size);

/* Takes the next word of a line; NULL when there is none. */
char *asyncio__dns_next_word(char **line);

/* Addresses that grow. */
struct asyncio__dns_addresses {
    struct asyncio_address *list;
    size_t n, capacity;
};

/* Appends one. Returns: 0; -ENOMEM. */
int asyncio__dns_add(struct asyncio__dns_addresses *addresses, const struct asyncio_address *address);

/* Looks for a name in the text of /etc/hosts; family 0: any. Appends its addresses and tells the first name of the
 * first line. Returns: how many; -ENOMEM. */
int asyncio__dns_find_host(const char *text, const char *name, int family, struct asyncio__dns_addresses *addresses,
                           char ret_name[ASYNCIO__DNS_NAME_SIZE]);

/* Looks for the first name of an address, without its port. Returns: false when there is none. */
bool asyncio__dns_find_name(const char *text, const struct asyncio_address *address,
                            char ret_name[ASYNCIO__DNS_NAME_SIZE]);

/* ---------------------------------------------------------------------------------------------------- dns_config.c */

/* Whom to ask, and how; shared by the questions that were begun with it. */
struct asyncio__dns_config {
    int refs;
    struct asyncio_address servers[ASYNCIO__DNS_MAX_SERVERS];
    size_t n_servers;
    char search[2048]; /* domains, one blank between them */
    int ndots, attempts;
    int64_t timeout_ns;
    bool rotate, use_tcp;
};

/* What the user has set in place of what the machine's files say. */
struct asyncio__dns_settings {
    char *servers, *search, *hosts_file, *resolv_conf; /* NULL: not set */
    int64_t timeout_ns;                                /* 0: not set */
    int attempts, ndots;                               /* 0: not set; ndots: negative for 0 */
    bool rotate, use_tcp, nss;
};

/* What a loop has of names; made at first use. */
struct asyncio__dns {
    struct asyncio__dns_settings settings;
    struct asyncio__dns_file resolv_conf, hosts, services;
    struct asyncio__dns_config *config; /* NULL: to be made */
    struct asyncio_link questions;      /* that are not freed yet, so that the loop's close finds them */
    struct asyncio_executor *nss;       /* the threads for NSS; NULL until they are needed */
    uint64_t n_questions;
};

/* The loop's; NULL when out of memory. */
struct asyncio__dns *asyncio__dns_of(struct asyncio_loop *loop);

/* The present configuration. Returns: one reference; NULL when out of memory. */
struct asyncio__dns_config *asyncio__dns_config_get(struct asyncio_loop *loop);
void asyncio__dns_config_unref(struct asyncio__dns_config *config);

/* Reads "1.2.3.4", "1.2.3.4:53", "::1", "[::1]:53" or "fe80::1%2". Returns: 0; -EINVAL. */
int asyncio__dns_read_server(const char *text, struct asyncio_address *ret_address);

/* The text of the hosts file, and of /etc/services; "" when there is none. NULL when out of memory. */
const char *asyncio__dns_hosts(struct asyncio_loop *loop);
const char *asyncio__dns_services(struct asyncio_loop *loop);

/* The port of a service, "http", for a socket type; 0: of any. Returns: 1 to 65535; -ASYNCIO_EAI_SERVICE; -ENOMEM. */
int asyncio__dns_service_port(struct asyncio_loop *loop, const char *service, int type);

/* The name of a port's service. Returns: 0; -ENOENT; -ENOMEM. */
int asyncio__dns_service_name(struct asyncio_loop *loop, int port, int type, char ret_name[64]);

/* -------------------------------------------------------------------------------------------------- dns_question.c */

struct asyncio__dns_question;

/* The outcome: 0 and an answer, whose addresses the callee may take by clearing the pointer; or a negative error and
 * why. Called from a node of its own. The question is freed afterwards. */
typedef void asyncio__dns_answered(void *owner, int result, struct asyncio__dns_answer *answer, const char *why);

/* Asks. Returns: 0; a negative error, as asyncio__dns_encode. */
int asyncio__dns_ask(struct asyncio_loop *loop, struct asyncio__dns_config *config, const char *name,
                     enum asyncio__dns_type type, asyncio__dns_answered *answered, void *owner,
                     struct asyncio__dns_question **ret_question);

/* Takes a question back: `answered` will not be called. */
void asyncio__dns_question_cancel(struct asyncio__dns_question *question);

/* Ends all questions, for the loop's close. */
void asyncio__dns_questions_close(struct asyncio_loop *loop, struct asyncio_link *questions);

/* ----------------------------------------------------------------------------------------------------------- dns.c */

struct asyncio__dns_lookup;
struct asyncio__nss_job;

/* What came of a look-up; lent for the duration of the call, but the list is the callee's when it clears the
 * pointer. */
struct asyncio__dns_result {
    int error;
    struct asyncio__dns_addresses addresses; /* IPv6 first, with port 0 */
    char name[ASYNCIO__DNS_NAME_SIZE];       /* the canonical one */
    char why[192];                           /* after an error: which name, which server */
};

typedef void asyncio__dns_done(void *owner, struct asyncio__dns_result *result);

/* Looks for the addresses of a name, of one family or, when that is 0, of both: "localhost" is this machine, then the
 * hosts file is looked at, then the servers are asked, with the domains of the search list; with `nss` the C library is
 * asked instead of file and servers. `done` is called once, from a node of its own; before the loop closes, or the
 * look-up has been taken back. Returns: 0; -EINVAL for what is no name; -ENOTSUP for NSS in the simulator; -EAGAIN when
 * there is no thread for it; -ENOMEM. */
int asyncio__dns_lookup(struct asyncio_loop *loop, const char *name, int family, bool nss, asyncio__dns_done *done,
                        void *owner, struct asyncio__dns_lookup **ret_lookup);

/* Looks for the name of an internet address. */
int asyncio__dns_lookup_name(struct asyncio_loop *loop, const struct asyncio_address *address, bool nss,
                             asyncio__dns_done *done, void *owner, struct asyncio__dns_lookup **ret_lookup);

/* Takes a look-up back: `done` will not be called. */
void asyncio__dns_lookup_cancel(struct asyncio__dns_lookup *lookup);

/* ------------------------------------------------------------------------------------------------------- dns_nss.c */

/* Asks the C library for the addresses of a name or, unless NULL, for the name of an address. Returns: 0; -ENOTSUP in
 * the simulator; -EAGAIN; -ENOMEM. */
int asyncio__nss_begin(struct asyncio_loop *loop, const char *name, const struct asyncio_address *address, int family,
                       asyncio__dns_done *done, void *owner, struct asyncio__nss_job **ret_job);

/* Takes it back: `done` will not be called. A call that has begun runs on alone. */
void asyncio__nss_cancel(struct asyncio__nss_job *job);
