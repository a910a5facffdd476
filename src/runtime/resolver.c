/* Host names to addresses.  Numeric ones are answered without a thread; the others on helper threads, because the
 * system's resolver blocks, for half a minute when the name server is gone, and cannot be interrupted.
 *
 *      loop thread: resolve -> waiting --- helper takes ---> getaddrinfo --- helper puts ---> done -> on_resolved
 *
 * At most HELPERS_MAX helpers, started when there is something to do and gone when there is not.  They are detached: a
 * loop that is destroyed marks the resolver closed and lets go of it; the last one to let go frees it, and a helper
 * that comes back late finds nobody to tell.  So destroy never waits for a name server.  For the same reason all of
 * this lives in the C library's heap: a helper may outlast the loop's allocator. */
#include "runtime/loop.h"

#include <errno.h>
#include <netdb.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#define HELPERS_MAX 4   /* names that are looked up at the same time */
#define HOST_MAX    256 /* bytes of a host name with the NUL; DNS allows 253 */
#define REASON_MAX  128 /* bytes of a failure's text */

struct lookup {
    struct kci_list node;       /* in waiting or done; or nowhere: a helper has it */
    struct kci_loop_slot *slot; /* whose on_resolved; not touched by helpers */
    void *user;
    char host[HOST_MAX];
    uint16_t port;
    char reason[REASON_MAX];
    size_t count; /* addresses found */
    struct kci_address addresses[KCI_ADDRESSES_MAX];
};

struct kci_resolver {
    pthread_mutex_t mutex;   /* of everything below */
    struct kci_loop *loop;   /* NULL: closed, the loop is gone */
    struct kci_list waiting; /* struct lookup */
    struct kci_list done;
    int helpers;           /* threads alive */
    _Atomic bool any_done; /* lets a turn skip the mutex */
};

static void free_lookups(struct kci_list *list)
{
    for (struct kci_list *node; (node = kci_list_pop(list)) != NULL;)
        kci_alloc_free(kci_heap_alloc(), KCI_CONTAINER(node, struct lookup, node));
}

static void free_resolver(struct kci_resolver *resolver)
{
    free_lookups(&resolver->waiting);
    free_lookups(&resolver->done);
    pthread_mutex_destroy(&resolver->mutex);
    kci_alloc_free(kci_heap_alloc(), resolver);
}

/* Ask the system. numeric_only: answers at once; false if `host` is a name. */
static bool ask(struct lookup *lookup, bool numeric_only)
{
    struct addrinfo hints = { .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM };
    struct addrinfo *found = NULL;
    char service[8];
    hints.ai_flags = AI_NUMERICSERV | (numeric_only ? AI_NUMERICHOST : 0);
    snprintf(service, sizeof service, "%u", (unsigned)lookup->port);
    int code = getaddrinfo(lookup->host, service, &hints, &found);
    if (code) {
        char text[REASON_MAX];
        if (numeric_only)
            return false;
        snprintf(lookup->reason, sizeof lookup->reason, "%s", kci_address_lookup_error(code, errno, text, sizeof text));
        return true;
    }
    for (struct addrinfo *at = found; at && lookup->count < KCI_ADDRESSES_MAX; at = at->ai_next)
        if (at->ai_family == AF_INET || at->ai_family == AF_INET6)
            kci_address_from(&lookup->addresses[lookup->count++], at->ai_addr, at->ai_addrlen);
    freeaddrinfo(found);
    if (lookup->count == 0)
        snprintf(lookup->reason, sizeof lookup->reason, "%s", "the host name has no IPv4 or IPv6 address");
    return true;
}

/* With the mutex held. */
static void put_done(struct kci_resolver *resolver, struct lookup *lookup)
{
    kci_list_push(&resolver->done, &lookup->node);
    atomic_store(&resolver->any_done, true);
    if (resolver->loop)
        kci_loop_wake(resolver->loop);
}

static void *run_helper(void *argument)
{
    struct kci_resolver *resolver = argument;
    pthread_mutex_lock(&resolver->mutex);
    for (struct kci_list *node; resolver->loop && (node = kci_list_pop(&resolver->waiting)) != NULL;) {
        struct lookup *lookup = KCI_CONTAINER(node, struct lookup, node);
        pthread_mutex_unlock(&resolver->mutex);
        ask(lookup, false);
        pthread_mutex_lock(&resolver->mutex);
        put_done(resolver, lookup);
    }
    bool last = --resolver->helpers == 0 && !resolver->loop;
    pthread_mutex_unlock(&resolver->mutex);
    if (last)
        free_resolver(resolver);
    return NULL;
}

/* With the mutex held. */
static int start_helper(struct kci_resolver *resolver)
{
    pthread_t id;
    pthread_attr_t attributes;
    sigset_t all, before;
    int error = pthread_attr_init(&attributes);
    if (error)
        return error;
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    sigfillset(&all); /* signals belong to the application's threads */
    pthread_sigmask(SIG_SETMASK, &all, &before);
    error = pthread_create(&id, &attributes, run_helper, resolver);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attributes);
    resolver->helpers += error == 0;
    return error;
}

static struct kci_resolver *resolver_of(struct kci_loop *loop)
{
    struct kci_resolver *resolver = loop->resolver;
    if (resolver)
        return resolver;
    resolver = kci_alloc_zero(kci_heap_alloc(), 1, sizeof *resolver);
    if (!resolver)
        return NULL;
    if (pthread_mutex_init(&resolver->mutex, NULL)) {
        kci_alloc_free(kci_heap_alloc(), resolver);
        return NULL;
    }
    kci_list_init(&resolver->waiting);
    kci_list_init(&resolver->done);
    atomic_init(&resolver->any_done, false);
    resolver->loop = loop;
    return loop->resolver = resolver;
}

/* With the mutex held. */
static void dispatch(struct kci_resolver *resolver, struct lookup *lookup)
{
    if (lookup->count || lookup->reason[0] || ask(lookup, true)) {
        put_done(resolver, lookup);
        return;
    }
    kci_list_push(&resolver->waiting, &lookup->node);
    int error = resolver->helpers < HELPERS_MAX ? start_helper(resolver) : 0;
    if (error && resolver->helpers == 0) { /* with others alive, one of those comes to it */
        kci_list_remove(&lookup->node);
        snprintf(lookup->reason, sizeof lookup->reason, "no thread to ask the system's resolver (error %d)", error);
        put_done(resolver, lookup);
    }
}

void kci_resolver_start(struct kci_loop_slot *slot, const char *host, uint16_t port, void *user)
{
    struct kci_loop *loop = slot->loop;
    struct kci_resolver *resolver = resolver_of(loop);
    struct lookup *lookup = resolver ? kci_alloc_zero(kci_heap_alloc(), 1, sizeof *lookup) : NULL;
    if (!lookup) {
        if (loop->lost_count < KCI_LOOP_LOST_MAX) {
            loop->lost_slots[loop->lost_count] = slot;
            loop->lost_users[loop->lost_count++] = user;
        }
        return;
    }
    lookup->slot = slot;
    lookup->user = user;
    lookup->port = port;
    if (strlen(host) >= sizeof lookup->host)
        snprintf(lookup->reason, sizeof lookup->reason, "the host name is longer than %d bytes", HOST_MAX - 1);
    else
        memcpy(lookup->host, host, strlen(host) + 1);
    pthread_mutex_lock(&resolver->mutex);
    dispatch(resolver, lookup);
    pthread_mutex_unlock(&resolver->mutex);
}

/* What a callback loses anew is told in the next turn. */
static void deliver_lost(struct kci_loop *loop)
{
    size_t count = loop->lost_count;
    for (size_t i = 0; i < count; i++) {
        const struct kci_engine *engine = &loop->lost_slots[i]->engine;
        engine->ops->on_resolved(engine->self, loop->lost_users[i], NULL, 0, "out of memory", loop->now);
    }
    loop->lost_count -= count;
    memmove(loop->lost_slots, loop->lost_slots + count, loop->lost_count * sizeof loop->lost_slots[0]);
    memmove(loop->lost_users, loop->lost_users + count, loop->lost_count * sizeof loop->lost_users[0]);
}

static struct kci_list *pop_done(struct kci_resolver *resolver)
{
    pthread_mutex_lock(&resolver->mutex);
    struct kci_list *node = kci_list_pop(&resolver->done);
    pthread_mutex_unlock(&resolver->mutex);
    return node;
}

void kci_resolver_deliver(struct kci_loop *loop)
{
    struct kci_resolver *resolver = loop->resolver;
    struct kci_list last; /* marks the end of this turn's part */
    if (loop->lost_count)
        deliver_lost(loop);
    if (!resolver || !atomic_exchange(&resolver->any_done, false))
        return;
    pthread_mutex_lock(&resolver->mutex);
    kci_list_push(&resolver->done, &last);
    pthread_mutex_unlock(&resolver->mutex);
    for (struct kci_list *node; (node = pop_done(resolver)) != &last;) {
        struct lookup *lookup = KCI_CONTAINER(node, struct lookup, node);
        const struct kci_engine *engine = &lookup->slot->engine;
        engine->ops->on_resolved(engine->self, lookup->user, lookup->addresses, lookup->count,
                                 lookup->count ? NULL : lookup->reason, loop->now);
        kci_alloc_free(kci_heap_alloc(), lookup);
    }
}

void kci_resolver_destroy(struct kci_resolver *resolver)
{
    if (!resolver)
        return;
    pthread_mutex_lock(&resolver->mutex);
    resolver->loop = NULL;
    bool last = resolver->helpers == 0;
    pthread_mutex_unlock(&resolver->mutex);
    if (last)
        free_resolver(resolver);
}
