/* The only layer that meets the operating system: an event loop that drives engines over sockets, a thread around it,
 * clock, memory, locks, files.  Two kinds of loop, epoll and poll, one face. */
#ifndef KCI_RUNTIME_RUNTIME_H
#define KCI_RUNTIME_RUNTIME_H

#include "base/alloc.h"
#include "base/engine.h"
#include "base/lock.h"
#include "base/storage.h"

#include <stdatomic.h>

/* ---- clock, memory, randomness ---- */
int64_t kci_clock_us(void);                       /* CLOCK_MONOTONIC, microseconds */
int64_t kci_clock_wall_ms(void);                  /* since 1970 */
int64_t kci_clock_wall_us(void);                  /* the same in microseconds */
uint64_t kci_random_seed(void);                   /* from the system */
const struct kci_alloc *kci_heap_alloc(void);     /* malloc, realloc, free */
const struct kci_lock_ops *kci_lock_system(void); /* futex on Linux, mutex and condition elsewhere */

/* A place where application threads wait for something that the I/O thread does: a counter that only rises. */
struct kci_gate;
/* NULL: no memory. Lives until no thread can be inside open or wait any more: one gate for many waits, not one each. */
struct kci_gate *kci_gate_new(const struct kci_alloc *alloc);
void kci_gate_destroy(struct kci_gate *gate);
uint64_t kci_gate_now(struct kci_gate *gate);
/* Wait until the counter differs from `seen` or the monotonic time until_us (KCI_NEVER: no limit) has come. */
void kci_gate_wait(struct kci_gate *gate, uint64_t seen, int64_t until_us);
void kci_gate_open(struct kci_gate *gate); /* counter + 1, wake all; cheap when nobody waits */

/* Counts the calls of other threads that are inside a handle, so that who closes it can wait for them before anything is
 * freed.  All zero: open, nobody inside. */
struct kci_door {
    _Atomic int word; /* door.c */
};
/* false: it is shut, and the caller is not inside. */
bool kci_door_enter(struct kci_door *door);
void kci_door_leave(struct kci_door *door); /* what the door belongs to may be gone on return */
void kci_door_shut(struct kci_door *door);  /* from now on nobody enters */
/* Shut it, and wait until nobody is inside; one thread, once. Those inside must be on their way out. */
void kci_door_wait(struct kci_door *door);

/* ---- the process ---- */
/* Rises by one in a forked child: a handle that was made under another number belongs to the parent. */
uint32_t kci_process_generation(void);
/* Run a function on a thread of its own that nobody joins. 0 or errno. */
int kci_process_spawn(void (*run)(void *context), void *context);
struct kci_thread;
/* Run a function on a thread that kci_thread_join() waits for and frees. 0 or errno. */
int kci_thread_start(struct kci_thread **out, void (*run)(void *context), void *context);
void kci_thread_join(struct kci_thread *thread); /* NULL is fine */

/* ---- shared libraries ---- */
/* Load the library of this file name, from our own folder or where the loader looks. NULL with the reason in why. It is
 * never unloaded. */
void *kci_library_open(const char *name, char *why, size_t why_size);
void *kci_library_symbol(void *library, const char *name); /* NULL: it has no such symbol */

/* ---- the loop: one thread, one loop, any number of engines ---- */
enum kci_loop_kind { KCI_LOOP_BEST, KCI_LOOP_EPOLL, KCI_LOOP_POLL };
struct kci_loop;
struct kci_loop_options {
    enum kci_loop_kind kind;
    int32_t send_buffer_bytes, receive_buffer_bytes; /* of sockets that are opened; -1: the system's */
};
/* 0, or an errno value. */
int kci_loop_create(struct kci_loop **out, const struct kci_alloc *alloc, const struct kci_loop_options *options);
void kci_loop_destroy(struct kci_loop *loop); /* closes all sockets; no events are delivered any more */
/* Add an engine; the transport's events go to it. The transport is valid until the loop is destroyed. */
int kci_loop_add(struct kci_loop *loop, const struct kci_engine *engine, struct kci_transport *transport);
/* Bind an engine that was created after its transport: get the transport first, set the engine later. */
void kci_loop_transport(struct kci_loop *loop, struct kci_transport *transport);
void kci_loop_set_engine(struct kci_loop *loop, const struct kci_engine *engine);
/* Wake the loop so that the engines are stepped. Any thread; cheap when the loop is awake (one atomic). */
void kci_loop_wake(struct kci_loop *loop);
/* One turn: wait for events until the engines' deadline or max_wait_us, deliver, step. */
void kci_loop_turn(struct kci_loop *loop, int64_t max_wait_us);
/* Run turns on a thread of its own until stopped; name is at most 15 bytes. 0 or errno. */
int kci_loop_start(struct kci_loop *loop, const char *name);
/* Ask the thread to end and join it. From the loop's own thread: ends after this turn, does not join. */
void kci_loop_stop(struct kci_loop *loop);
bool kci_loop_on_thread(const struct kci_loop *loop); /* is the caller the loop's thread? */
/* Run posted(context) on the loop's thread before its next step, in the order of posting. Any thread. What was posted
 * before kci_loop_stop() has run when that returns; what nobody runs any more is dropped by destroy. 0, ENOMEM, or
 * ESHUTDOWN: the thread was stopped, and it does not run. */
int kci_loop_post(struct kci_loop *loop, void (*posted)(void *context, int64_t now), void *context);

/* ---- listeners (brokers) ---- */
/* Listen on host:port (port 0: a free one; stored in *port). Accepted connections go to the first engine that has
 * on_accept, with `user`. On the loop's thread, or before it runs. 0 or errno (EADDRNOTAVAIL: no such host here). */
int kci_loop_listen(struct kci_loop *loop, const char *host, uint16_t *port, void *user, uint64_t *listener);
void kci_loop_unlisten(struct kci_loop *loop, uint64_t listener);
/* Hold a port without listening on it (a broker that is down): connections are refused, and no other socket of this
 * machine is given the port. Returns what kci_port_release() takes, or -1 if that could not be done. */
int kci_port_hold(const char *host, uint16_t port);
void kci_port_release(int held); /* -1 is fine */

/* ---- files ---- */
/* A storage over a directory (made if missing, locked until closed). 0 or errno; EBUSY: another process uses it. */
int kci_storage_directory(struct kci_storage *out, const struct kci_alloc *alloc, const char *path);
void kci_storage_close(struct kci_storage *storage);

#endif
