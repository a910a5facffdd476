/* A running cluster: the broker engine of core/, on a loop and a thread of its own, with its listeners and its data
 * directory.  The library (embed.c) and the program (main.c, control/) are two faces of this. */
#ifndef MB_SHELL_H
#define MB_SHELL_H

#include "mockbroker/clock.h"
#include "mockbroker/core/broker.h"
#include "runtime/runtime.h"

#define MB_SHELL_BROKERS_MAX 100  /* as in struct mb_options */
#define MB_SHELL_HOST_MAX    256  /* bytes of a host with the NUL */
#define MB_SHELL_TEXT_MAX    1200 /* bytes of a reason that tells everything */

struct mb_shell;

struct mb_shell_options {
    int32_t brokers;
    const char *listen;        /* "HOST:PORT" of the first broker; port 0: free ones for all */
    const char *advertise;     /* HOST[:PORT] that clients are told, PORT for the first broker and the next ones for the
                                  others; NULL: where they connected to */
    const char *const *topics; /* NAME[:PARTITIONS[:RF[:key=value,...]]] */
    size_t topic_count;
    const char *config;   /* broker properties, blanks or newlines between them; NULL: none */
    const char *data_dir; /* NULL: in memory */
    uint64_t seed;
    const char *faults;   /* JSON, to arm from the start; NULL: none */
    size_t journal_bytes; /* 0: no journal */
    struct kci_logger logger;
};

/* Listeners are open and topics made when this returns. 0, or -1 with the reason in text. */
int mb_shell_start(struct mb_shell **out, const struct mb_shell_options *options, char *text, size_t text_size);
/* Clean shutdown; joins the thread, frees. NULL is fine. */
void mb_shell_stop(struct mb_shell *shell);

/* "host:port,..." of the brokers that were there at the start; lives as long as the shell. */
const char *mb_shell_bootstrap(const struct mb_shell *shell);
int32_t mb_shell_brokers(const struct mb_shell *shell); /* the highest id at the start */
/* Where broker `id` listens, by the name that bootstrap has; port 0: it is gone. Of brokers that came later: on the
 * broker's thread only. */
void mb_shell_address(const struct mb_shell *shell, int32_t id, const char **host, uint16_t *port);

/* Run call(cluster, context, now) on the broker's thread and wait until it has returned; on that very thread it runs at
 * once. -1: no memory. */
int mb_shell_call(struct mb_shell *shell, void (*call)(struct mb_cluster *cluster, void *context, int64_t now),
                  void *context);
/* The cluster's clock; use it on the broker's thread only, with the real time from kci_clock_us(). */
struct mb_clock *mb_shell_clock(struct mb_shell *shell);
/* Why a socket does not listen, for people. error: errno */
const char *mb_shell_listen_error(int error);
/* Start a broker again, listener and all, on `port`: -1 as before, 0 a free one. Kafka's error code, or -1 with the reason
 * in text (the port was taken). */
int mb_shell_broker_start(struct mb_shell *shell, int32_t id, int32_t port, char *text, size_t text_size);
/* One more broker, with its listener. As above. */
int mb_shell_broker_add(struct mb_shell *shell, int32_t *id, char *text, size_t text_size);

#endif
