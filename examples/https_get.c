/* Downloads a file by https.
 *
 *     https_get [--output FILE] [--ca FILE] [--crl FILE] [--timeout SECONDS] [--tries N] URL
 *
 * Without --output the file goes to standard output. With it, what has come is in FILE.part until all is there; only
 * then it is renamed, so that a part is never taken for the whole. A transfer that breaks off is gone on with where it
 * stopped, after a pause; a try counts as failed, of N (5), when it brought nothing new. The parts are of one version
 * of the file: when it has changed on the server the download begins anew. Nothing for so many SECONDS (30) is a
 * failure too. On a terminal a line shows how far it is.
 *
 * The server's certificate is checked: by the authorities that the machine trusts or, with --ca, that one only; --crl
 * is a list of revoked certificates. Ends with 0 when the file is there, 1 when it is not, 2 for wrong usage, 3 when
 * the certificate was not accepted, 4 when the server answered with an error. */
#include <asyncio.h>

#include <ctype.h>
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MOST_REDIRECTS = 5, MOST_FIELDS = 200, LONGEST_URL = 2000, LONGEST_FIELD = 200, PIECE = 16 * 1024 };

static const double first_pause_s = 0.25, longest_pause_s = 15;

struct url {
    char host[256];
    int port;
    char path[LONGEST_URL]; /* with the query */
};

/* What stands before the body. */
struct answer {
    int status;
    char reason[60];
    bool is_chunked;
    int64_t length;       /* of the body; -1: not told */
    int64_t first, whole; /* of a part: where it begins, and how long the file is; -1: not told */
    char location[LONGEST_URL], etag[LONGEST_FIELD], modified[LONGEST_FIELD], date[LONGEST_FIELD];
};

struct download {
    struct url url;
    const char *output, *ca, *crl;
    double timeout_s;
    int tries;
    struct asyncio_ssl_context *context;
    struct asyncio_timeout patience; /* of the present try */
    FILE *file;                      /* NULL until the first byte is there */
    char *part;                      /* its name; NULL for standard output */
    int64_t offset, whole;           /* bytes that are written; that there will be, -1: not known */
    char version[LONGEST_FIELD];     /* of the file that they are of; "": it cannot be asked for */
    bool has_begun;                  /* a server has answered */
    bool is_shown;                   /* a line of progress stands on the terminal */
    char problem[400];
};

/* The server's errors, in place of an errno: not now, not at all. */
#define LATER   (-EAGAIN)
#define REFUSED (-EBADMSG)

/* --------------------------------------------------------------------------------------------------------- Problems */

/* Notes in words what went wrong. Returns: the error. */
__attribute__((format(printf, 3, 4))) static int fail(struct download *download, int error, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(download->problem, sizeof download->problem, format, arguments);
    va_end(arguments);
    /* What comes from the server shall play no tricks on the terminal. */
    for (char *c = download->problem; *c; c++)
        if (iscntrl((unsigned char)*c))
            *c = '?';
    return error;
}

/* The same with the library's words; to be called before anything else of it. */
static int fail_with(struct download *download, int error)
{
    const char *detail = asyncio_error_detail();

    return fail(download, error, "%s", *detail ? detail : asyncio_strerror(error));
}

/* What is known about an error: whether it may be over after a while, always or once a server has answered (before that
 * it is rather a wrong URL), and what the user can do. */
struct knowledge {
    int error;
    enum { FINAL, PASSING_LATER, PASSING } kind;
    const char *advice;
};

static const struct knowledge *knowledge_of(int error)
{
    static const char clock[] = "Is the clock of this machine right? Else only the server's owner can help.";
    static const char nothing[] = "Do not use this server before its owner has a new certificate.";
    static const struct knowledge all[] = {
        {ECONNRESET, PASSING, ""},
        {EPIPE, PASSING, ""},
        {ASYNCIO_ESSLEOF, PASSING, ""},
        {ASYNCIO_EINCOMPLETEREAD, PASSING, ""},
        {-LATER, PASSING, ""},
        {EHOSTUNREACH, PASSING_LATER, ""},
        {ENETUNREACH, PASSING_LATER, ""},
        {ASYNCIO_EAI_FAIL, PASSING_LATER, ""},
        {ASYNCIO_EAI_TIMEOUT, PASSING_LATER, ""},
        {ECONNREFUSED, PASSING_LATER, "Nobody serves there. Are host and port right?"},
        {ETIMEDOUT, PASSING_LATER, "--timeout SECONDS waits longer."},
        {ASYNCIO_EAI_NONAME, FINAL, "Is the name in the URL written right?"},
        {ASYNCIO_ESSL, FINAL, "Does the server speak TLS at this port?"},
        {ASYNCIO_ECERT_EXPIRED, FINAL, clock},
        {ASYNCIO_ECERT_NOT_YET_VALID, FINAL, clock},
        {ASYNCIO_ECERT_HOSTNAME, FINAL, "Is the name in the URL the right one? If it is, somebody else answers there."},
        {ASYNCIO_ECERT_SELF_SIGNED, FINAL, "If you know whose it is and trust them, give it with --ca FILE."},
        {ASYNCIO_ECERT_UNKNOWN_CA, FINAL, "If you trust its authority, give that one's certificate with --ca FILE."},
        {ASYNCIO_ECERT_REVOKED, FINAL, nothing},
        {ASYNCIO_ECERT_WEAK, FINAL, nothing},
        {ENOSPC, FINAL, "Make room, or choose another place with --output FILE."},
        {0, FINAL, ""},
    };
    const struct knowledge *knowledge = all;

    while (knowledge->error && knowledge->error != -error)
        knowledge++;
    return knowledge;
}

/* ------------------------------------------------------------------------------------------------------------- URLs */

/* Takes an https:// URL apart. Returns: 0; -EINVAL. */
static int parse_url(const char *text, struct url *ret_url)
{
    const char *host = text + strlen("https://"), *host_end, *path;
    char *port_end;
    long port = 443;

    /* A blank or the end of a line would end the request that the path becomes a part of. */
    for (const char *c = text; *c; c++)
        if (!isgraph((unsigned char)*c))
            return -EINVAL;
    if (strncasecmp(text, "https://", strlen("https://")) != 0 || strlen(text) >= LONGEST_URL)
        return -EINVAL;
    path = host + strcspn(host, "/?#");
    host_end = *host == '[' ? strchr(host, ']') : host + strcspn(host, ":/?#@");
    if (!host_end || host_end > path)
        return -EINVAL;
    host += *host == '[';
    snprintf(ret_url->host, sizeof ret_url->host, "%.*s", (int)(host_end - host), host);
    host_end += *host_end == ']';
    if (*host_end == ':') {
        port = strtol(host_end + 1, &port_end, 10);
        host_end = port_end;
    }
    if (host_end != path || !*ret_url->host || port < 1 || port > 65535)
        return -EINVAL;
    ret_url->port = (int)port;
    snprintf(ret_url->path, sizeof ret_url->path, "%s%.*s", *path == '/' ? "" : "/", (int)strcspn(path, "#"), path);
    return 0;
}

/* Changes the URL to where the server has sent us. */
static int follow(struct download *download, const char *location)
{
    struct url *url = &download->url;
    const char *bracket = strchr(url->host, ':') ? "[" : "", *bracket_end = *bracket ? "]" : "";
    char text[2 * LONGEST_URL + 300];
    size_t scheme = strcspn(location, ":/?#");
    /* What a name without a '/' stands beside, and what a query alone is for. */
    int kept = (int)strcspn(url->path, "?");

    while (*location && *location != '?' && url->path[kept - 1] != '/')
        kept--;
    if (location[scheme] == ':' || !*location)
        snprintf(text, sizeof text, "%s", location);
    else if (strncmp(location, "//", 2) == 0)
        snprintf(text, sizeof text, "https:%s", location);
    else
        snprintf(text, sizeof text, "https://%s%s%s:%d%.*s%s", bracket, url->host, bracket_end, url->port,
                 *location == '/' ? 0 : kept, url->path, location);
    if (parse_url(text, url) < 0)
        return fail(download, REFUSED, "the server sends us to '%.200s', which is no URL of https", text);
    return 0;
}

/* ----------------------------------------------------------------------------------------------- Request and answer */

static int send_request(struct download *download, struct asyncio_streamwriter *writer)
{
    const struct url *url = &download->url;
    const char *bracket = strchr(url->host, ':') ? "[" : "", *bracket_end = *bracket ? "]" : "";
    char range[LONGEST_FIELD + 80] = "";

    if (download->offset > 0)
        snprintf(range, sizeof range, "Range: bytes=%" PRId64 "-\r\nIf-Range: %s\r\n", download->offset,
                 download->version);
    return asyncio_streamwriter_printf(writer,
                                       "GET %s HTTP/1.1\r\nHost: %s%s%s:%d\r\nUser-Agent: https_get\r\n"
                                       "Accept: */*\r\nAccept-Encoding: identity\r\nConnection: close\r\n%s\r\n",
                                       url->path, bracket, url->host, bracket_end, url->port, range);
}

/* Reads a line without its end. */
static int read_line(struct download *download, struct asyncio_streamreader *reader, char **ret_line)
{
    ssize_t n = asyncio_streamreader_readline(reader, ret_line);

    if (n == -ASYNCIO_ELIMITOVERRUN)
        return fail(download, -EPROTO, "the server's answer has a line without an end");
    if (n < 0)
        return (int)n;
    if (n == 0 || (*ret_line)[n - 1] != '\n')
        return -ASYNCIO_EINCOMPLETEREAD;
    (*ret_line)[n - (n > 1 && (*ret_line)[n - 2] == '\r' ? 2 : 1)] = '\0';
    return 0;
}

/* A number of bytes, of digits only. Returns: it; -1 when it is none. */
static int64_t parse_size(const char *text, int base)
{
    size_t n = strspn(text, base == 10 ? "0123456789" : "0123456789abcdefABCDEF");

    return n > 0 && n < 16 && !text[n] ? strtoll(text, NULL, base) : -1;
}

static int note_field(struct download *download, struct answer *answer, char *line)
{
    char *value = strchr(line, ':'), *dash, *slash;

    if (!value || value == line)
        return fail(download, -EPROTO, "the server's answer has a line that is none of HTTP: '%.60s'", line);
    *value++ = '\0';
    value += strspn(value, " \t");
    for (size_t n = strlen(value); n > 0 && isspace((unsigned char)value[n - 1]); n--)
        value[n - 1] = '\0';
    if (strcasecmp(line, "Content-Length") == 0) {
        int64_t length = parse_size(value, 10);

        if (length < 0 || (answer->length >= 0 && answer->length != length))
            return fail(download, -EPROTO, "the server announces a length of '%.60s'", value);
        answer->length = length;
    } else if (strcasecmp(line, "Transfer-Encoding") == 0) {
        if (strcasecmp(value, "chunked") != 0)
            return fail(download, -EPROTO, "the server sends in a way that nobody asked for: '%.60s'", value);
        answer->is_chunked = true;
    } else if (strcasecmp(line, "Content-Range") == 0 && strncasecmp(value, "bytes ", 6) == 0) {
        dash = value + strcspn(value, "-");
        slash = dash + strcspn(dash, "/");
        answer->whole = *slash ? parse_size(slash + 1, 10) : -1;
        *dash = '\0';
        answer->first = parse_size(value + 6, 10);
    } else if (strcasecmp(line, "Location") == 0) {
        snprintf(answer->location, sizeof answer->location, "%s", value);
    } else if (strcasecmp(line, "ETag") == 0) {
        snprintf(answer->etag, sizeof answer->etag, "%s", value);
    } else if (strcasecmp(line, "Last-Modified") == 0) {
        snprintf(answer->modified, sizeof answer->modified, "%s", value);
    } else if (strcasecmp(line, "Date") == 0) {
        snprintf(answer->date, sizeof answer->date, "%s", value);
    }
    return 0;
}

/* Reads all that stands before the body. */
static int read_answer(struct download *download, struct asyncio_streamreader *reader, struct answer *answer)
{
    char *line;
    int n = 0, r;

    do {
        /* 100 and the like say only that there is more to come. */
        n++;
        *answer = (struct answer){.length = -1, .first = -1, .whole = -1};
        r = read_line(download, reader, &line);
        if (r == 0 &&
            (sscanf(line, "HTTP/1.%*1[01] %3d %59[^\n]", &answer->status, answer->reason) < 1 || answer->status < 100))
            r = fail(download, -EPROTO, "the server does not speak HTTP/1.1: '%.60s'", line);
        while (r == 0 && (r = read_line(download, reader, &line)) == 0 && *line && n++ < MOST_FIELDS)
            r = note_field(download, answer, line);
    } while (r == 0 && n <= MOST_FIELDS && answer->status < 200);
    if (n > MOST_FIELDS)
        r = fail(download, -EPROTO, "the server's answer does not come to its point");
    return r;
}

/* ----------------------------------------------------------------------------------------------------------- Output */

/* Forgets what has come. */
static int begin_anew(struct download *download)
{
    if (download->offset > 0 && !download->part)
        return fail(download, -ESTALE,
                    "the file on the server has changed, or parts of it cannot be had, and the first "
                    "%" PRId64 " bytes are printed already; use --output FILE",
                    download->offset);
    if (download->offset > 0 && (fflush(download->file) != 0 || ftruncate(fileno(download->file), 0) != 0))
        return fail(download, -errno, "%s: %s", download->part, strerror(errno));
    if (download->offset > 0)
        rewind(download->file);
    download->offset = 0;
    download->whole = -1;
    *download->version = '\0';
    return 0;
}

static int open_output(struct download *download)
{
    if (!download->file)
        download->file = download->part ? fopen(download->part, "wb") : stdout;
    return download->file ? 0 : fail(download, -errno, "%s: %s", download->part, strerror(errno));
}

/* Gives the whole file its name. The order is what makes it safe against a machine that stops in between. */
static int finish_output(struct download *download)
{
    FILE *file = download->file;
    int r = fflush(file) == 0 ? 0 : -errno;

    if (download->part && r == 0 && fsync(fileno(file)) < 0)
        r = -errno;
    if (download->part && fclose(file) != 0 && r == 0)
        r = -errno;
    download->file = NULL;
    if (download->part && r == 0 && rename(download->part, download->output) < 0)
        r = -errno;
    return r < 0 ? fail(download, r, "%s: %s", download->part ? download->part : "standard output", strerror(-r)) : 0;
}

/* Writes the next `size` bytes of the body, or all up to its end when that is negative. Each piece wins time. */
static int take(struct download *download, struct asyncio_streamreader *reader, int64_t size)
{
    struct asyncio_loop *loop = asyncio_get_running_loop();
    char piece[PIECE];

    while (size != 0) {
        ssize_t n = asyncio_streamreader_read(reader, piece, size > 0 && size < PIECE ? (size_t)size : PIECE);

        if (n == 0 && size < 0)
            return 0;
        if (n <= 0)
            return n < 0 ? (int)n : -ASYNCIO_EINCOMPLETEREAD;
        if (fwrite(piece, 1, (size_t)n, download->file) != (size_t)n)
            return fail(download, -errno, "%s: %s", download->part ? download->part : "standard output",
                        strerror(errno));
        download->offset += n;
        size -= size > 0 ? n : 0;
        asyncio_timeout_reschedule(&download->patience, asyncio_loop_time(loop) + download->timeout_s);
    }
    return 0;
}

/* A body of which nobody knew the length when it began: pieces, each with its size before it, the last one empty. */
static int take_chunks(struct download *download, struct asyncio_streamreader *reader)
{
    int64_t size = 1;
    char *line;
    int r = 0;

    while (r == 0 && size > 0) {
        r = read_line(download, reader, &line);
        if (r == 0) {
            line[strcspn(line, "; \t")] = '\0';
            size = parse_size(line, 16);
            r = size < 0 ? fail(download, -EPROTO, "'%.60s' is no size of a chunk", line)
                         : take(download, reader, size);
        }
        /* Behind each piece is an empty line, behind the last one there may be others before it. */
        while (r == 0 && (r = read_line(download, reader, &line)) == 0 && *line)
            if (size > 0)
                r = fail(download, -EPROTO, "a chunk is longer than its size");
    }
    return r;
}

/* ------------------------------------------------------------------------------------------------------------ Tries */

/* Makes sure that what comes fits behind what is there. */
static int prepare(struct download *download, const struct answer *answer)
{
    /* A weak tag does not promise the same bytes, nor does a date when there may have been two versions in its
     * second. */
    const char *version = answer->etag;
    int r = open_output(download);

    if (!*version && *answer->date && strcmp(answer->date, answer->modified) != 0)
        version = answer->modified;
    if (r == 0 && answer->status == 206) {
        if (download->offset == 0 || answer->first != download->offset ||
            (download->whole >= 0 && answer->whole >= 0 && answer->whole != download->whole) ||
            (*version && strcmp(version, download->version) != 0))
            return fail(download, -EPROTO, "the server sends a part that nobody asked for");
        download->whole = download->whole < 0 ? answer->whole : download->whole;
        return 0;
    }
    if (r == 0)
        r = begin_anew(download);
    if (r == 0) {
        download->whole = answer->is_chunked ? -1 : answer->length;
        snprintf(download->version, sizeof download->version, "%s", strncmp(version, "W/", 2) == 0 ? "" : version);
    }
    return r;
}

/* Returns: 0 when the whole file is there; 1 to ask again at another URL; an error. */
static int converse(struct download *download, struct asyncio_streamreader *reader, struct asyncio_streamwriter *writer)
{
    struct answer answer;
    int r = send_request(download, writer);

    if (r == 0)
        r = read_answer(download, reader, &answer);
    if (r < 0)
        return r;
    download->has_begun = true;
    switch (answer.status) {
    case 200:
    case 206:
        break;
    case 301:
    case 302:
    case 303:
    case 307:
    case 308:
        r = follow(download, answer.location);
        return r < 0 ? r : 1;
    default:
        /* 416: the file has become shorter. */
        if (answer.status == 416 && download->offset > 0)
            return begin_anew(download) < 0 ? -ESTALE : 1;
        return fail(download, answer.status >= 500 || answer.status == 429 ? LATER : REFUSED,
                    "the server answered %d %s", answer.status, answer.reason);
    }
    r = prepare(download, &answer);
    if (r == 0)
        r = answer.is_chunked ? take_chunks(download, reader) : take(download, reader, answer.length);
    if (r == 0 && download->whole >= 0 && download->offset != download->whole)
        r = fail(download, -EPROTO, "the server sent %" PRId64 " bytes in place of %" PRId64, download->offset,
                 download->whole);
    return r;
}

/* One connection. Returns: as converse. */
static int connect_and_converse(struct download *download)
{
    struct asyncio_streamreader *reader;
    struct asyncio_streamwriter *writer;
    int r = asyncio_timeout_enter(&download->patience, download->timeout_s);

    if (r == 0) {
        r = asyncio_open_connection(download->url.host, download->url.port, &reader, &writer, .ssl = download->context,
                                    .happy_eyeballs_delay = 0.25, .ssl_shutdown_timeout = 2);
        if (r < 0)
            fail_with(download, r);
    }
    if (r == 0) {
        r = converse(download, reader, writer);
        if (r < 0 && !*download->problem)
            fail_with(download, r);
        if (r < 0)
            asyncio_streamwriter_abort(writer);
        else
            asyncio_streamwriter_close(writer);
        ASYNCIO_IGNORE(asyncio_streamwriter_wait_closed(writer)); /* the file is there; how they part is no matter */
        asyncio_streamreader_unref(reader);
        asyncio_streamwriter_unref(writer);
    }
    r = asyncio_timeout_exit(&download->patience, r);
    return r == -ETIMEDOUT ? fail(download, r, "nothing came for %g seconds", download->timeout_s) : r;
}

/* Returns: 0 when the whole file is there; an error. */
static int try_once(struct download *download)
{
    int r = 1;

    *download->problem = '\0';
    if (download->offset > 0 && !*download->version && (r = begin_anew(download)) < 0)
        return r;
    r = connect_and_converse(download);
    for (int i = 0; i < MOST_REDIRECTS && r == 1; i++)
        r = connect_and_converse(download);
    return r == 1 ? fail(download, REFUSED, "the server sends us from one place to the next") : r;
}

/* Tries until the file is there, or N tries in a row have brought nothing that was not there before. */
static int try_often(struct download *download)
{
    int64_t furthest = 0;
    int n_failed = 0, r;

    while ((r = try_once(download)) < 0) {
        int kind = knowledge_of(r)->kind;
        double pause = first_pause_s;

        n_failed = download->offset > furthest ? 1 : n_failed + 1;
        if (kind == FINAL || (kind == PASSING_LATER && !download->has_begun) || n_failed >= download->tries)
            break;
        furthest = download->offset > furthest ? download->offset : furthest;
        for (int i = 1; i < n_failed && pause < longest_pause_s; i++)
            pause *= 2;
        fprintf(stderr, "%shttps_get: %s; %" PRId64 " bytes are there, next try in %g s\n",
                download->is_shown ? "\r\033[K" : "", download->problem, download->offset, pause);
        r = asyncio_sleep(pause);
        if (r < 0)
            break;
    }
    return r == 0 ? finish_output(download) : r;
}

/* --------------------------------------------------------------------------------------------------------- Progress */

/* Writes a number of bytes as people read it. */
static const char *describe_size(double size, char buffer[16])
{
    static const char *const units[] = {"B", "kB", "MB", "GB", "TB"};
    size_t i = 0;

    for (; size >= 999.5 && i < 4; i++)
        size /= 1000;
    snprintf(buffer, 16, i && size < 99.95 ? "%.1f %s" : "%.0f %s", size, units[i]);
    return buffer;
}

/* One line, over the one before. */
static void draw(const struct download *download, double rate)
{
    static const char full[] = "##############################";
    char have[16], all[16], per_second[16];
    double whole = (double)download->whole, share = whole > 0 ? (double)download->offset / whole : 0;
    int n_full = (int)(share * (int)(sizeof full - 1));

    fprintf(stderr, "\r\033[K%s", describe_size((double)download->offset, have));
    if (whole > 0)
        fprintf(stderr, " of %s [%-30.*s] %3d %%", describe_size(whole, all), n_full, full, (int)(share * 100));
    fprintf(stderr, "  %s/s", describe_size(rate, per_second));
    if (whole > 0 && rate > 0) {
        int64_t left = (int64_t)((whole - (double)download->offset) / rate) + 1;

        fprintf(stderr, "  %" PRId64 ":%02" PRId64 " left", left / 60, left % 60);
    }
}

/* A task: draws until it is cancelled. The rate is that of the last seconds. */
static int show_progress(void *arg)
{
    struct download *download = arg;
    double rate = -1;
    int64_t before = 0;
    int r;

    while ((r = asyncio_sleep(0.2)) == 0) {
        double now = (double)(download->offset > before ? download->offset - before : 0) / 0.2;

        rate = rate < 0 ? now : 0.85 * rate + 0.15 * now;
        before = download->offset;
        download->is_shown = true;
        draw(download, rate);
    }
    if (download->is_shown)
        fprintf(stderr, "\r\033[K");
    return r;
}

/* ------------------------------------------------------------------------------------------------------------- Main */

static int make_context(struct download *download)
{
    int r = asyncio_ssl_create_default_context(&download->context, ASYNCIO_SSL_SERVER_AUTH, .cafile = download->ca);

    if (r < 0)
        return fail(download, r, "%s: %s", download->ca ? download->ca : "no context", asyncio_strerror(r));
    if (download->crl) {
        r = asyncio_ssl_context_load_verify_locations(download->context, download->crl, NULL, NULL);
        if (r < 0)
            return fail(download, r, "%s: %s", download->crl, asyncio_strerror(r));
        r = asyncio_ssl_context_set_verify_flags(download->context, ASYNCIO_SSL_VERIFY_CRL_CHECK_LEAF);
    }
    return r < 0 ? fail_with(download, r) : 0;
}

static int amain(void *arg)
{
    struct download *download = arg;
    int r = make_context(download);

    if (r == 0) {
        /* Cancelled and waited for at the end of the block, before anything else is printed. */
        ASYNCIO_JOINED(progress) = isatty(STDERR_FILENO) ? asyncio_create_task(show_progress, download) : NULL;

        r = try_often(download);
    }
    asyncio_ssl_context_unref(download->context);
    return r;
}

/* Tells how it ended. Returns: the exit status. */
static int report(struct download *download, int r)
{
    const char *problem = r == -EINTR ? "interrupted" : *download->problem ? download->problem : asyncio_strerror(r);
    const char *advice = knowledge_of(r)->advice;

    if (r == 0)
        return 0;
    fprintf(stderr, "https_get: %s\n%s%s", problem, advice, *advice ? "\n" : "");
    if (download->part && download->file) {
        fclose(download->file);
        if (download->offset > 0)
            fprintf(stderr, "The first %" PRId64 " bytes are in %s.\n", download->offset, download->part);
        else
            unlink(download->part);
    }
    if (strcmp(asyncio_errorexception(r), "SSLCertVerificationError") == 0)
        return 3;
    return r == LATER || r == REFUSED ? 4 : 1;
}

/* Returns: 0; -EINVAL. */
static int read_options(int argc, char **argv, struct download *download)
{
    static const struct option names[] = {
        {"output", 1, NULL, 'o'},  {"ca", 1, NULL, 'a'},    {"crl", 1, NULL, 'r'},
        {"timeout", 1, NULL, 't'}, {"tries", 1, NULL, 'n'}, {0},
    };
    int c;

    while ((c = getopt_long(argc, argv, "", names, NULL)) != -1) {
        if (c == 'o')
            download->output = optarg;
        else if (c == 'a')
            download->ca = optarg;
        else if (c == 'r')
            download->crl = optarg;
        else if (c == 't')
            download->timeout_s = strtod(optarg, NULL);
        else if (c == 'n')
            download->tries = (int)strtol(optarg, NULL, 10);
        else
            return -EINVAL;
    }
    if (argc != optind + 1 || !(download->timeout_s > 0) || download->tries < 1)
        return -EINVAL;
    return parse_url(argv[optind], &download->url);
}

int main(int argc, char **argv)
{
    static struct download download = {.timeout_s = 30, .tries = 5, .whole = -1};
    int status;

    if (read_options(argc, argv, &download) < 0) {
        fprintf(stderr, "usage: https_get [--output FILE] [--ca FILE] [--crl FILE] [--timeout SECONDS] [--tries N]\n"
                        "                 https://HOST[:PORT]/PATH\n");
        return 2;
    }
    if (download.output) {
        size_t size = strlen(download.output) + sizeof ".part";

        download.part = malloc(size);
        if (!download.part)
            return 1;
        snprintf(download.part, size, "%s.part", download.output);
    }
    status = report(&download, asyncio_run(amain, &download));
    free(download.part);
    return status;
}
