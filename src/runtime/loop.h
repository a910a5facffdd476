/* What the files of the event loop share.  Nothing outside src/runtime includes this.
 *
 *      loop.c          the turn, its engines, create and destroy
 *      loop_thread.c   the thread around it; wake and posted functions from other threads
 *      socket.c        the table of sockets; connect, send, receive, close
 *      listener.c      listening and accepting
 *      poller_*.c      which sockets are ready: epoll, or poll(2)
 *      resolver.c      host names, on helper threads
 *      address.c       sockaddr and errno as text */
#ifndef KCI_RUNTIME_LOOP_H
#define KCI_RUNTIME_LOOP_H

#include "base/list.h"
#include "runtime/runtime.h"

#include <stdatomic.h>
#include <sys/socket.h>

#define KCI_LOOP_ENGINES_MAX    8          /* a client has one, a broker process one */
#define KCI_LOOP_LOST_MAX       32         /* failed look-ups that can be told although memory ran out */
#define KCI_SOCKET_INDEX_BITS   20         /* of a kci_conn; the bits above are a serial number that is never reused */
#define KCI_POLLER_EVENTS_MAX   256        /* sockets that are served in one turn */
#define KCI_SOCKET_PIECES_MAX   1024       /* iovecs of one sendmsg: Linux's and everybody's IOV_MAX */
#define KCI_SOCKET_READS_MAX    16         /* recv calls for one connection before the others get their turn */
#define KCI_SOCKET_BYTES_MAX    (1u << 20) /* likewise bytes */
#define KCI_LISTENER_ACCEPT_MAX 64         /* connections that one listener accepts in one turn */
#define KCI_LISTENER_PAUSE_US   100000     /* out of descriptors: time until the next try */
#define KCI_LISTENER_BACKLOG    1024       /* connections that the kernel keeps for us */

/* One engine of a loop, and the `context` of its transport. */
struct kci_loop_slot {
    struct kci_loop *loop;
    struct kci_engine engine; /* ops NULL: not bound yet */
};

/*              open()              writable, no error
 *     FREE --------------> OPENING --------------> OPEN
 *       |                     | failed              | closed, broken, close()
 *       |--- accept --------- | ----------------> OPEN ---> FREE
 *       |--- listen ---> LISTENING ---> FREE                              */
enum kci_socket_state { KCI_SOCKET_FREE, KCI_SOCKET_OPENING, KCI_SOCKET_OPEN, KCI_SOCKET_LISTENING };

/* BROKEN: nothing can be written any more. HANGUP: the peer will send nothing more, or the same. */
enum { KCI_POLLER_READ = 1, KCI_POLLER_WRITE = 2, KCI_POLLER_HANGUP = 4, KCI_POLLER_BROKEN = 8 };

struct kci_socket {
    struct kci_list node;       /* in loop->ready, loop->paused or loop->free; or nowhere */
    kci_conn id;                /* serial << KCI_SOCKET_INDEX_BITS | index; 0 while FREE */
    struct kci_loop_slot *slot; /* whose events these are; NULL while FREE */
    void *user;                 /* the engine's */
    int state;                  /* enum kci_socket_state */
    int fd;                     /* -1: none (FREE, or open() failed and on_close is due) */
    int error;                  /* errno of a failed connect or send; on_close is due. 0: none */
    uint32_t index;             /* of itself in loop->sockets */
    uint32_t poll_position;     /* poll(2): index in its arrays */
    bool readable;              /* there may be something to receive or accept */
    bool writable;              /* the poller said so, not yet acted upon */
    bool hangup;                /* the peer closed or reset: read to the end, whatever short reads say */
    bool broken;                /* both directions are dead: not worth waiting for space */
    bool want_write;            /* send() was short: on_sent is owed */
    bool paused;                /* on_space said not now; of a listener: out of descriptors */
};

struct kci_poller_event {
    kci_conn id;
    uint32_t flags; /* KCI_POLLER_* */
};

/* Which sockets are ready. Two implementations; the loop neither knows nor asks which. */
struct kci_poller_ops {
    int (*create)(struct kci_loop *loop); /* 0 or errno; adds loop->wake_fd */
    void (*destroy)(struct kci_loop *loop);
    int (*add)(struct kci_loop *loop, struct kci_socket *socket); /* 0 or errno */
    void (*remove)(struct kci_loop *loop, struct kci_socket *socket);
    /* What the socket waits for has changed. */
    void (*update)(struct kci_loop *loop, struct kci_socket *socket);
    /* Wait up to timeout_ms (-1: no limit); fills events, returns their number. */
    size_t (*wait)(struct kci_loop *loop, int timeout_ms, struct kci_poller_event *events);
};
extern const struct kci_poller_ops kci_poller_epoll, kci_poller_poll;

struct kci_post {
    struct kci_post *next;
    void (*run)(void *context, int64_t now);
    void *context;
};

struct kci_resolver;

/*          no wake came since the turn began
 *   AWAKE ---------------------------------> SLEEPING
 *     |  \_____________________________________/  |       each turn begins by going back to AWAKE
 *     '---- wake ----> WOKEN <------- wake -------'  and only this last one writes to wake_fd              */
enum { KCI_LOOP_AWAKE, KCI_LOOP_SLEEPING, KCI_LOOP_WOKEN };

struct kci_loop {
    const struct kci_alloc *alloc; /* borrowed */
    struct kci_loop_options options;
    struct kci_loop_slot slots[KCI_LOOP_ENGINES_MAX];
    size_t slot_count;
    int64_t now; /* of this turn, microseconds */

    const struct kci_poller_ops *poller;
    void *poller_state;                                    /* owned by the poller */
    int wake_fd, wake_write_fd;                            /* an eventfd (both the same) or a pipe */
    struct kci_poller_event events[KCI_POLLER_EVENTS_MAX]; /* of this turn */

    struct kci_socket **sockets; /* owned; by index */
    uint32_t socket_count, socket_capacity;
    uint64_t next_serial;
    struct kci_list free;    /* sockets for reuse */
    struct kci_list ready;   /* something to do without asking the poller */
    struct kci_list paused;  /* OPEN, something to read, no space in the engine */
    bool again;              /* something was delivered after the step: the engines need another */
    int64_t accept_retry_at; /* listeners are out of descriptors until then, microseconds; or KCI_NEVER */

    struct kci_resolver *resolver;                       /* made with the first look-up */
    struct kci_loop_slot *lost_slots[KCI_LOOP_LOST_MAX]; /* look-ups that failed for lack of memory */
    void *lost_users[KCI_LOOP_LOST_MAX];
    size_t lost_count;

    _Atomic int state;         /* KCI_LOOP_* */
    _Atomic int stopping;      /* the thread ends after this turn */
    struct kci_lock post_lock; /* of what is below, but for the thread */
    struct kci_post *posted, **posted_tail;
    bool posts_end; /* the thread was joined: nobody would run what is posted */
    void *thread;   /* owned; NULL: no thread to join */
};

static inline struct kci_socket *kci_socket_of(const struct kci_loop *loop, kci_conn id)
{
    uint32_t index = (uint32_t)(id & (((uint64_t)1 << KCI_SOCKET_INDEX_BITS) - 1));
    struct kci_socket *socket = index < loop->socket_count ? loop->sockets[index] : NULL;
    return id && socket && socket->id == id ? socket : NULL;
}

/* socket.c */
struct kci_socket *kci_socket_new(struct kci_loop *loop, struct kci_loop_slot *slot, int fd, void *user, int state);
void kci_socket_free(struct kci_loop *loop, struct kci_socket *socket); /* closes its descriptor */
void kci_socket_ready(struct kci_loop *loop, struct kci_socket *socket);
void kci_socket_run(struct kci_loop *loop, struct kci_socket *socket); /* act on its flags; may free it */
void kci_socket_resume(struct kci_loop *loop);                         /* ask the paused ones again */
int kci_socket_prepare(const struct kci_loop_options *options, int fd, bool listening); /* options; 0 or errno */
void kci_socket_transport(struct kci_loop_slot *slot, struct kci_transport *transport);

/* listener.c */
void kci_listener_run(struct kci_loop *loop, struct kci_socket *listener);
void kci_listener_retry(struct kci_loop *loop); /* the time of loop->accept_retry_at has come */

/* loop_thread.c */
int kci_wake_create(struct kci_loop *loop); /* 0 or errno */
void kci_wake_destroy(struct kci_loop *loop);
void kci_post_run(struct kci_loop *loop);
void kci_post_drop(struct kci_loop *loop);

/* resolver.c */
void kci_resolver_start(struct kci_loop_slot *slot, const char *host, uint16_t port, void *user);
void kci_resolver_deliver(struct kci_loop *loop);
void kci_resolver_destroy(struct kci_resolver *resolver); /* never waits for the system's resolver */

/* address.c */
void kci_address_from(struct kci_address *out, const struct sockaddr *address, socklen_t size);
/* Of a failed connect, send or receive, for people: "connection refused". */
const char *kci_address_error(int error, char *text, size_t size);
const char *kci_address_lookup_error(int code, int error, char *text, size_t size);

#endif
