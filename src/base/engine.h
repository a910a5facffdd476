/* The face between an engine (client or broker: no clock, no socket, no thread) and the shell that drives it (runtime,
 * simulator, or in-process pipes).  DESIGN: "No world in the core".
 *
 *      shell --- step / on_*(..., now) --->  engine
 *      shell <-- transport: open send close resolve --- engine
 *
 * Rules that both sides keep:
 *  - All calls of one engine happen on one thread at a time; the transport never calls back into the engine from within
 *    one of its own functions (what happens "at once" is delivered on the next turn).
 *  - Times are int64_t microseconds of a monotonic clock that starts anywhere >= 0.
 *  - A connection is a number that the transport never reuses.  After close(conn), or after on_close was delivered, no
 *    event for it comes any more.
 *  - Bytes are received straight into memory of the engine: the shell asks `on_space` where to put them.
 *  - send() takes what the world can take now and has copied it when it returns; for the rest the engine waits for
 *    on_sent, which says that there is room again.  So a buffer is in use exactly while it is in the engine's own queue. */
#ifndef KCI_BASE_ENGINE_H
#define KCI_BASE_ENGINE_H

#include "base/bytes.h"

typedef uint64_t kci_conn;  /* 0: none */
#define KCI_NEVER INT64_MAX /* a deadline that does not exist */

/* A resolved network address: sockaddr bytes in production, a node number in the simulator. Compare with memcmp over
 * size. */
struct kci_address {
    uint8_t bytes[28];
    uint32_t size;
    char text[56]; /* "10.0.0.5:9092", for people; NUL-terminated */
};
#define KCI_ADDRESSES_MAX 32 /* addresses of one host name that are looked at */

struct kci_engine_ops {
    /* Run all that is due at `now`. Called after every batch of events and when the deadline has come. */
    void (*step)(void *engine, int64_t now);
    /* When step wants to be called again at the latest; KCI_NEVER if only an event can change anything. */
    int64_t (*deadline)(void *engine);
    /* open() succeeded: bytes can flow. */
    void (*on_open)(void *engine, kci_conn conn, void *user, int64_t now);
    /* A peer connected to a listener (brokers only; may be NULL). `user` is the listener's; returns the connection's
     * user pointer, or NULL to refuse. */
    void *(*on_accept)(void *engine, kci_conn conn, void *user, const struct kci_address *peer,
                       const struct kci_address *local, int64_t now);
    /* Where to put what comes next: *size > 0 bytes, valid until the on_bytes that follows. NULL: do not read now
     * (the shell asks again after the next step of this engine). */
    void *(*on_space)(void *engine, kci_conn conn, void *user, size_t *size);
    /* size bytes (>= 1) were put where on_space said. */
    void (*on_bytes)(void *engine, kci_conn conn, void *user, size_t size, int64_t now);
    /* There is room again after a short send(). */
    void (*on_sent)(void *engine, kci_conn conn, void *user, int64_t now);
    /* The connection could not be made, or ended. `reason` is for people ("connection refused"), borrowed for the call.
     */
    void (*on_close)(void *engine, kci_conn conn, void *user, const char *reason, int64_t now);
    /* resolve() is done: count addresses (0: failed, reason says why). May be NULL for engines that never resolve. */
    void (*on_resolved)(void *engine, void *user, const struct kci_address *addresses, size_t count, const char *reason,
                        int64_t now);
};

/* An engine as the shell sees it. */
struct kci_engine {
    void *self;
    const struct kci_engine_ops *ops;
};

struct kci_transport {
    void *context; /* first argument of all below */
    /* Begin to connect; 0 when that fails at once for lack of memory or descriptors. `user` comes back with each event.
     */
    kci_conn (*open)(void *context, const struct kci_address *address, void *user);
    /* Hand over up to count pieces; returns the bytes taken, 0 .. total. Errors come as on_close. */
    size_t (*send)(void *context, kci_conn conn, const struct kci_iov *pieces, size_t count);
    void (*close)(void *context, kci_conn conn);
    /* Look up host; answered by on_resolved with `user`. Several may be under way. */
    void (*resolve)(void *context, const char *host, uint16_t port, void *user);
    /* Brokers only (else NULL): stop or start reading from conn after on_space returned NULL. */
    void (*want_read)(void *context, kci_conn conn);
};

#endif
