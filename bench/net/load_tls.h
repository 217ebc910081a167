/* load_tls.h -- TLS for the load generator: OpenSSL on non-blocking sockets. All servers meet the same client: TLS 1.3,
 * TLS_AES_128_GCM_SHA256, X25519. The server's certificate is not checked, but that it has its key is. */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

/* A connection's part; zeroed at first. The session outlives connections, so that the next one may resume it. */
struct tls {
    struct ssl_st *ssl; /* NULL: the connection talks plain */
    struct ssl_session_st *session;
    bool is_shaken;  /* the handshake is over */
    bool has_ticket; /* the server has sent what resumes the session */
};

#if WITH_TLS

/* Prepares everything, once. `resumes`: each connection resumes the session of the one before it. */
void tls_prepare(bool resumes);

/* Begins TLS on a socket that is connected or is going to be. */
void tls_open(struct tls *tls, int fd);

/* Goes on with the handshake. Returns: whether it is over. */
bool tls_shake_hands(struct tls *tls);

/* As send and recv of a non-blocking socket: -1 and EAGAIN in errno when there is nothing to be done now. */
ssize_t tls_send(struct tls *tls, const void *data, size_t size);
ssize_t tls_recv(struct tls *tls, void *data, size_t size);

/* Announces the end and forgets the connection, but for the session. */
void tls_close(struct tls *tls);

#else

#include <stdio.h>
#include <stdlib.h>

static inline void tls_prepare(bool resumes)
{
    fprintf(stderr, "load: built without OpenSSL%s\n", resumes ? ", which resumes sessions" : "");
    exit(1);
}

static inline void tls_open(struct tls *tls, int fd)
{
    (void)tls, (void)fd;
}

static inline bool tls_shake_hands(struct tls *tls)
{
    return tls->is_shaken;
}

static inline ssize_t tls_send(struct tls *tls, const void *data, size_t size)
{
    (void)tls, (void)data, (void)size;
    return -1;
}

static inline ssize_t tls_recv(struct tls *tls, void *data, size_t size)
{
    (void)tls, (void)data, (void)size;
    return -1;
}

static inline void tls_close(struct tls *tls)
{
    (void)tls;
}
#endif
