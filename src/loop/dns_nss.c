/* dns_nss.c -- names by way of the C library, which asks whatever nsswitch.conf names: mDNS, LDAP, a daemon.
 *
 * These calls block, and run modules that nobody here knows; so they have threads of their own, a few of them, which
 * take nothing from the user's executor and run on no task's stack. One that is stuck holds up other look-ups of this
 * kind and nothing else. */
#include "dns.h"
#include "executor.h"

#include <netdb.h>
#include <stdio.h>

#define NSS_THREADS 4

struct asyncio__nss_job {
    struct asyncio__job job;
    asyncio__dns_done *done; /* NULL: nobody wants to know any more */
    void *owner;
    int family;
    struct asyncio_address address; /* of a look-up of its name; else empty */
    char name[ASYNCIO__DNS_NAME_SIZE];
    struct asyncio__dns_result result;
};

static struct asyncio__nss_job *of(struct asyncio__job *job)
{
    return CONTAINER_OF(job, struct asyncio__nss_job, job);
}

static int error_of(int status, int system_error)
{
    switch (status) {
    case 0:
        return 0;
    case EAI_NONAME:
        return -ASYNCIO_EAI_NONAME;
#ifdef EAI_NODATA
    case EAI_NODATA:
        return -ASYNCIO_EAI_NODATA;
#endif
    case EAI_AGAIN:
        return -ASYNCIO_EAI_TIMEOUT;
    case EAI_MEMORY:
        return -ENOMEM;
    case EAI_SYSTEM:
        return system_error > 0 ? -system_error : -ASYNCIO_EAI_FAIL;
    default:
        return -ASYNCIO_EAI_FAIL;
    }
}

static int add_all(struct asyncio__dns_result *result, const struct addrinfo *list)
{
    for (int pass = 0; pass < 2; pass++) {
        for (const struct addrinfo *info = list; info; info = info->ai_next) {
            struct asyncio_address address = {.size = info->ai_addrlen};

            /* IPv6 first. */
            if ((info->ai_family == AF_INET6) != (pass == 0) || info->ai_addrlen > sizeof address.data)
                continue;
            memcpy(address.data.bytes, info->ai_addr, info->ai_addrlen);
            if (asyncio__dns_add(&result->addresses, &address) < 0)
                return -ENOMEM;
        }
    }
    return result->addresses.n > 0 ? 0 : -ASYNCIO_EAI_NODATA;
}

static int run(struct asyncio__job *base)
{
    struct asyncio__nss_job *job = of(base);
    struct asyncio__dns_result *result = &job->result;
    struct addrinfo hints = {.ai_family = job->family, .ai_socktype = SOCK_STREAM, .ai_flags = AI_CANONNAME};
    struct addrinfo *list = NULL;
    struct sockaddr_storage storage;
    int status;

    if (job->address.size > 0) {
        memcpy(&storage, job->address.data.bytes, job->address.size);
        status = getnameinfo((const struct sockaddr *)&storage, (socklen_t)job->address.size, result->name,
                             sizeof result->name, NULL, 0, NI_NAMEREQD);
        result->error = error_of(status, errno);
    } else {
        status = getaddrinfo(job->name, NULL, &hints, &list);
        result->error = error_of(status, errno);
    }
    if (list) {
        snprintf(result->name, sizeof result->name, "%s", list->ai_canonname ? list->ai_canonname : job->name);
        result->error = add_all(result, list);
        freeaddrinfo(list);
    }
    if (status != 0)
        snprintf(result->why, sizeof result->why, "%.100s: %s", job->name, gai_strerror(status));
    return 0;
}

static void done(struct asyncio__job *base)
{
    struct asyncio__nss_job *job = of(base);

    if (base->result < 0)
        job->result.error = base->result;
    if (job->done)
        job->done(job->owner, &job->result);
}

/* The loop closes, where nobody waits. */
static void lost(struct asyncio__job *base)
{
    of(base)->done = NULL;
}

static void free_job(struct asyncio__job *base)
{
    asyncio__free(of(base)->result.addresses.list);
    asyncio__free(of(base));
}

static const struct asyncio__job_kind nss_kind = {.run = run, .done = done, .lost = lost, .free = free_job};

int asyncio__nss_begin(struct asyncio_loop *loop, const char *name, const struct asyncio_address *address, int family,
                       asyncio__dns_done *done_, void *owner, struct asyncio__nss_job **ret_job)
{
    const struct asyncio_executor_kw kw = {.size = sizeof kw, .max_workers = NSS_THREADS, .name = "asyncio-nss"};
    struct asyncio__dns *dns = asyncio__dns_of(loop);
    struct asyncio__nss_job *job;
    int r = dns ? 0 : -ENOMEM;

    if (loop->ops->simulated)
        return -ENOTSUP;
    if (r == 0 && !dns->nss)
        r = asyncio_thread_pool_executor_kw(&dns->nss, &kw);
    if (r < 0)
        return r;
    job = asyncio__calloc(sizeof *job);
    if (!job)
        return -ENOMEM;
    snprintf(job->name, sizeof job->name, "%s", name);
    snprintf(job->result.name, sizeof job->result.name, "%s", name);
    if (address)
        job->address = *address;
    job->family = family;
    job->done = done_;
    job->owner = owner;
    r = asyncio__job_submit(&job->job, &nss_kind, loop, dns->nss);
    if (r < 0) {
        asyncio__free(job);
        return r;
    }
    *ret_job = job;
    return 0;
}

void asyncio__nss_cancel(struct asyncio__nss_job *job)
{
    job->done = NULL;
    asyncio__job_cancel(&job->job);
}
