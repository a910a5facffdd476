/* One cluster, one loop, one thread.  The cluster's engine lives on the loop's thread from the moment that it runs;
 * other threads reach it only through mb_shell_call, which posts a function and waits on the shell's gate.
 *
 *      start:  loop -> storage -> engine (replays the logs) -> listeners -> topics -> thread
 *      stop:   thread ends -> engine (writes what must be written, closes connections) -> storage -> loop
 *
 * Until the thread runs, and after it has ended, the caller's thread is the engine's.
 *
 * A broker that is down keeps its port (kci_port_hold): otherwise the system could give it to somebody else's
 * connection and the broker could not come back. */
#include "mockbroker/shell.h"

#include "mockbroker/core/fault.h"
#include "mockbroker/core/journal.h"
#include "mockbroker/core/view.h"
#include "mockbroker/host_port.h"
#include "mockbroker/topic_spec.h"
#include "protocol/error.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define ADDRESS_MAX (MB_SHELL_HOST_MAX + 10) /* "[host]:65535,": a separator and the NUL included */

/* A test cluster has no members to wait for: groups form at once unless the configuration says otherwise. */
#define REBALANCE_DELAY "group.initial.rebalance.delay.ms"

struct listener {
    struct mb_shell *shell;
    int32_t broker;
    uint16_t port; /* that it has, or had when it was open */
    uint16_t told; /* to clients: another one where --advertise says so */
    uint64_t id;   /* of the loop; 0: not open */
    int held;      /* the port while the broker is down; -1: not held */
};

struct mb_shell {
    struct kci_loop *loop;
    struct kci_gate *gate; /* opened when a call has been made */
    struct mb_cluster *cluster;
    struct mb_clock clock;      /* what the cluster takes for time */
    struct kci_gate *nap;       /* never opened: to wait for time alone */
    struct kci_storage storage; /* context NULL: in memory */
    struct kci_logger logger;
    char host[MB_SHELL_HOST_MAX];       /* to listen on */
    char told_host[MB_SHELL_HOST_MAX];  /* in bootstrap */
    char advertised[MB_SHELL_HOST_MAX]; /* to clients */
    struct listener *listeners;         /* owned, MB_SHELL_BROKERS_MAX of them; of broker i + 1 */
    int32_t brokers;                    /* at the start; any thread may read it */
    uint16_t first_port;                /* 0: free ones */
    uint16_t first_told;                /* port of the first broker that clients are told; 0: that where it listens */
    bool ready;                         /* listeners follow the brokers from now on */
    int listen_error; /* errno of the last listener that did not open; written and read on the broker's thread */
    char *bootstrap;  /* owned */
};

const char *mb_shell_listen_error(int error)
{
    switch (error) {
    case EADDRINUSE:
        return "address already in use";
    case EADDRNOTAVAIL:
        return "not an address of this machine";
    case EACCES:
    case EPERM:
        return "permission denied";
    case EMFILE:
    case ENFILE:
        return "too many open descriptors";
    case ENOMEM:
    case ENOBUFS:
        return "out of memory";
    default:
        return "the system does not let us";
    }
}

static const char *directory_error_text(int error)
{
    switch (error) {
    case EACCES:
    case EPERM:
        return "permission denied";
    case EROFS:
        return "the file system is read-only";
    case EBUSY:
        return "in use by another process";
    case ENOTDIR:
    case EEXIST:
        return "not a directory";
    case ENOSPC:
        return "no space left";
    case ENAMETOOLONG:
        return "the name is too long";
    case ENOENT:
        return "no such directory";
    default:
        return "the system does not let us";
    }
}

/* ---- listeners ---- */

static int open_listener(struct listener *listener)
{
    struct mb_shell *shell = listener->shell;
    uint16_t port = listener->port;
    if (listener->id)
        return 0;
    kci_port_release(listener->held);
    listener->held = -1;
    int error = kci_loop_listen(shell->loop, shell->host, &port, (void *)(intptr_t)listener->broker, &listener->id);
    if (!error) /* a free one, if none was asked for */
        listener->port = port;
    return error;
}

static void close_listener(struct listener *listener)
{
    if (!listener->id)
        return;
    kci_loop_unlisten(listener->shell->loop, listener->id);
    listener->id = 0;
    listener->held = kci_port_hold(listener->shell->host, listener->port);
}

/* What clients are told of a listener that has just opened; its port is told as it is when it moved. */
static void tell_address(struct listener *listener, bool moved)
{
    struct mb_shell *shell = listener->shell;
    int32_t told = shell->first_told && !moved ? shell->first_told + listener->broker - 1 : listener->port;
    listener->told = told <= UINT16_MAX ? (uint16_t)told : listener->port;
    mb_cluster_set_address(shell->cluster, listener->broker, shell->advertised, listener->told);
}

/* A broker that is there for the first time gets the port that follows from its id, or a free one. */
static int first_listen(struct mb_shell *shell, int32_t broker, bool exactly)
{
    struct listener *listener = &shell->listeners[broker - 1];
    int32_t port = shell->first_port ? shell->first_port + broker - 1 : 0;
    *listener = (struct listener){
        .shell = shell, .broker = broker, .port = port <= UINT16_MAX ? (uint16_t)port : 0, .held = -1
    };
    int error = open_listener(listener);
    bool taken = error == EADDRINUSE && listener->port && !exactly;
    if (taken) {
        listener->port = 0;
        error = open_listener(listener);
    }
    if (!error)
        tell_address(listener, taken);
    return error;
}

/* The engine says that a broker went down or came back. */
static void broker_changed(void *context, int32_t broker, bool open)
{
    struct mb_shell *shell = context;
    if (!shell->ready || broker < 1 || broker > MB_SHELL_BROKERS_MAX)
        return;
    struct listener *listener = &shell->listeners[broker - 1];
    if (!listener->shell) {
        shell->listen_error = first_listen(shell, broker, false);
        return;
    }
    if (!open) {
        close_listener(listener);
        return;
    }
    shell->listen_error = open_listener(listener);
    if (shell->listen_error)
        kci_log(&shell->logger, KCI_LOG_ERROR, "listener", "broker %d cannot listen on %s:%u: %s", (int)broker,
                shell->host, (unsigned)listener->port, mb_shell_listen_error(shell->listen_error));
}

static int open_listeners(struct mb_shell *shell, char *text, size_t text_size)
{
    for (int32_t id = 1; id <= shell->brokers; id++) {
        enum mb_broker_state state;
        if (!mb_view_broker(shell->cluster, id, &state)) /* decommissioned, in an earlier life */
            continue;
        if (shell->first_port && shell->first_port + id - 1 > UINT16_MAX) {
            snprintf(text, text_size, "broker %d would need a port above 65535", (int)id);
            return -1;
        }
        int error = first_listen(shell, id, true);
        if (error) {
            char at[ADDRESS_MAX];
            mb_host_port_print(at, sizeof at, shell->host, shell->listeners[id - 1].port);
            snprintf(text, text_size, "cannot listen on %s: %s", at, mb_shell_listen_error(error));
            return -1;
        }
        if (state == MB_BROKER_STOPPED)
            close_listener(&shell->listeners[id - 1]);
    }
    return 0;
}

static int print_bootstrap(struct mb_shell *shell)
{
    size_t size = (size_t)shell->brokers * ADDRESS_MAX, used = 0;
    shell->bootstrap = malloc(size);
    if (!shell->bootstrap)
        return -1;
    for (int32_t i = 0; i < shell->brokers; i++) {
        if (!shell->listeners[i].shell)
            continue;
        used += (size_t)snprintf(shell->bootstrap + used, size - used, "%s", used ? "," : "");
        used += (size_t)mb_host_port_print(shell->bootstrap + used, size - used, shell->told_host,
                                           shell->listeners[i].told);
    }
    return 0;
}

/* ---- start and stop ---- */

static int make_topic(struct mb_shell *shell, const char *spec, char *text, size_t text_size)
{
    struct mb_topic_spec topic;
    struct mb_partition_view view;
    const char *wrong = mb_topic_spec_parse(&topic, spec, strlen(spec));
    int16_t error = 0;
    if (!wrong && mb_cluster_partition(shell->cluster, kci_str_of(topic.name), 0, &view) == 0)
        return 0; /* from the data directory: starting twice with the same command line is fine */
    if (!wrong) {
        error = mb_cluster_create_topic(shell->cluster, kci_str_of(topic.name), topic.partitions,
                                        topic.replication_factor, topic.configs, topic.config_count, kci_clock_us());
        wrong = error ? kci_error_text(error) : NULL;
    }
    if (!wrong)
        return 0;
    snprintf(text, text_size, "topic \"%s\": %s", spec, wrong);
    return error ? error : -1;
}

/* The configuration with our own default in front: what comes later wins. NULL: no memory. */
static char *with_defaults(const char *config)
{
    static const char ours[] = REBALANCE_DELAY "=0\n";
    size_t size = config ? strlen(config) : 0;
    char *all = malloc(sizeof ours + size);
    if (!all)
        return NULL;
    memcpy(all, ours, sizeof ours - 1);
    if (size)
        memcpy(all + sizeof ours - 1, config, size);
    all[sizeof ours - 1 + size] = '\0';
    return all;
}

/* slow_sync: the whole cluster waits for its disk. */
static void stall(void *context, int64_t us)
{
    struct mb_shell *shell = context;
    int64_t until = kci_clock_us() + us;
    uint64_t seen = kci_gate_now(shell->nap);
    while (kci_clock_us() < until)
        kci_gate_wait(shell->nap, seen, until);
}

static int create_cluster(struct mb_shell *shell, const struct mb_shell_options *options, char *text, size_t text_size)
{
    struct mb_options engine_options = {
        .alloc = kci_heap_alloc(),
        .storage = shell->storage.context ? &shell->storage : NULL,
        .logger = options->logger,
        .seed = options->seed,
        .brokers = options->brokers,
        .listener = broker_changed,
        .listener_context = shell,
        .stall = stall,
        .stall_context = shell,
    };
    char *config = with_defaults(options->config);
    int64_t now = kci_clock_us();
    if (!config) {
        snprintf(text, text_size, "out of memory");
        return -1;
    }
    engine_options.config = config;
    engine_options.wall_offset_us = kci_clock_wall_ms() * 1000 - now;
    kci_loop_transport(shell->loop, &engine_options.transport);
    int error = mb_cluster_create(&shell->cluster, &engine_options, now, text, text_size);
    free(config);
    if (error)
        return -1;
    mb_clock_init(&shell->clock, now);
    struct kci_engine engine = mb_cluster_engine(shell->cluster);
    engine = mb_clock_engine(&shell->clock, &engine);
    kci_loop_set_engine(shell->loop, &engine);
    return 0;
}

static int open_directory(struct mb_shell *shell, const char *path, char *text, size_t text_size)
{
    int error = kci_storage_directory(&shell->storage, kci_heap_alloc(), path);
    if (error)
        snprintf(text, text_size, "data directory %s: %s", path, directory_error_text(error));
    return error;
}

/* Faults and journal from the start; topics are there already, for what looks at them. */
static int arm(struct mb_shell *shell, const struct mb_shell_options *options, char *text, size_t text_size)
{
    char why[MB_SHELL_TEXT_MAX / 2];
    if (options->journal_bytes && mb_journal_set(shell->cluster, options->journal_bytes)) {
        snprintf(text, text_size, "the journal: %zu bytes are out of bounds (%zu to %zu), or there is no memory",
                 options->journal_bytes, MB_JOURNAL_BYTES_MIN, MB_JOURNAL_BYTES_MAX);
        return -1;
    }
    if (options->faults &&
        mb_fault_add(shell->cluster, kci_str_of(options->faults), NULL, why, sizeof why, kci_clock_us())) {
        snprintf(text, text_size, "faults: %s", why);
        return -1;
    }
    return 0;
}

/* Everything up to the thread; what was made is freed by mb_shell_stop. 0, -1 or Kafka's error code. */
static int prepare(struct mb_shell *shell, const struct mb_shell_options *options, char *text, size_t text_size)
{
    uint16_t port;
    if (!mb_host_port_parse(options->listen, shell->host, sizeof shell->host, &port)) {
        snprintf(text, text_size, "\"%s\" is not HOST:PORT", options->listen);
        return -1;
    }
    snprintf(shell->advertised, sizeof shell->advertised, "%s", shell->host);
    if (options->advertise &&
        !mb_host_port_advertised(options->advertise, shell->advertised, sizeof shell->advertised, &shell->first_told)) {
        snprintf(text, text_size, "\"%s\" is not HOST[:PORT]", options->advertise);
        return -1;
    }
    snprintf(shell->told_host, sizeof shell->told_host, "%s", mb_host_port_reachable(shell->advertised));
    snprintf(text, text_size, "out of memory");
    shell->gate = kci_gate_new(kci_heap_alloc());
    shell->nap = kci_gate_new(kci_heap_alloc());
    if (!shell->gate || !shell->nap || kci_loop_create(&shell->loop, kci_heap_alloc(), NULL))
        return -1;
    if (options->data_dir && open_directory(shell, options->data_dir, text, text_size))
        return -1;
    if (create_cluster(shell, options, text, text_size))
        return -1;
    snprintf(text, text_size, "out of memory");
    shell->listeners = calloc(MB_SHELL_BROKERS_MAX, sizeof *shell->listeners);
    if (!shell->listeners)
        return -1;
    struct mb_cluster_view view;
    mb_view_cluster(shell->cluster, &view); /* the data directory may know of more brokers than the options */
    shell->brokers = view.brokers;
    shell->first_port = port;
    if (open_listeners(shell, text, text_size) || print_bootstrap(shell))
        return -1;
    shell->ready = true;
    for (size_t i = 0; i < options->topic_count; i++) {
        int error = make_topic(shell, options->topics[i], text, text_size);
        if (error)
            return error;
    }
    return arm(shell, options, text, text_size);
}

int mb_shell_start(struct mb_shell **out, const struct mb_shell_options *options, char *text, size_t text_size)
{
    struct mb_shell *shell = calloc(1, sizeof *shell);
    if (!shell) {
        snprintf(text, text_size, "out of memory");
        return -1;
    }
    shell->logger = options->logger;
    int error = prepare(shell, options, text, text_size);
    if (!error && kci_loop_start(shell->loop, "mockbroker")) {
        snprintf(text, text_size, "cannot start a thread");
        error = -1;
    }
    if (error) {
        mb_shell_stop(shell);
        return error;
    }
    *out = shell;
    return 0;
}

void mb_shell_stop(struct mb_shell *shell)
{
    if (!shell)
        return;
    if (shell->loop)
        kci_loop_stop(shell->loop);
    shell->ready = false;
    if (shell->cluster)
        mb_cluster_destroy(shell->cluster, mb_clock_now(&shell->clock, kci_clock_us()));
    for (int32_t i = 0; shell->listeners && i < MB_SHELL_BROKERS_MAX; i++)
        kci_port_release(shell->listeners[i].shell ? shell->listeners[i].held : -1);
    kci_storage_close(&shell->storage);
    kci_loop_destroy(shell->loop);
    kci_gate_destroy(shell->gate);
    kci_gate_destroy(shell->nap);
    free(shell->listeners);
    free(shell->bootstrap);
    free(shell);
}

/* ---- from other threads ---- */

struct call {
    struct mb_shell *shell;
    void (*run)(struct mb_cluster *cluster, void *context, int64_t now);
    void *context;
    _Atomic bool done; /* set last: the caller's stack is gone afterwards */
};

static void run_call(void *context, int64_t now)
{
    struct call *call = context;
    struct kci_gate *gate = call->shell->gate;
    call->run(call->shell->cluster, call->context, mb_clock_now(&call->shell->clock, now));
    atomic_store(&call->done, true);
    kci_gate_open(gate);
}

int mb_shell_call(struct mb_shell *shell, void (*run)(struct mb_cluster *cluster, void *context, int64_t now),
                  void *context)
{
    struct call call = { shell, run, context, false };
    uint64_t seen = kci_gate_now(shell->gate);
    if (kci_loop_on_thread(shell->loop)) {
        run(shell->cluster, context, mb_clock_now(&shell->clock, kci_clock_us()));
        return 0;
    }
    if (kci_loop_post(shell->loop, run_call, &call))
        return -1;
    while (!atomic_load(&call.done)) {
        kci_gate_wait(shell->gate, seen, KCI_NEVER);
        seen = kci_gate_now(shell->gate);
    }
    return 0;
}

struct start {
    struct mb_shell *shell;
    int32_t broker;
    int32_t port; /* -1: as before; 0: a free one */
    int16_t error;
    int listen_error; /* errno */
};

/* The listener opens first: a broker that nobody could reach does not start. */
static void start_broker(struct mb_cluster *cluster, void *context, int64_t now)
{
    struct start *start = context;
    struct listener *listener = &start->shell->listeners[start->broker - 1];
    enum mb_broker_state state;
    if (mb_view_broker(cluster, start->broker, &state) && state == MB_BROKER_STOPPED && !listener->id) {
        uint16_t before = listener->port;
        bool moves = start->port >= 0 && start->port != before;
        if (moves)
            listener->port = (uint16_t)start->port;
        start->listen_error = open_listener(listener);
        start->port = listener->port;
        if (start->listen_error) {
            listener->port = before;
            listener->held = kci_port_hold(start->shell->host, before);
            return;
        }
        if (moves)
            tell_address(listener, true);
    }
    start->error = mb_cluster_broker_start(cluster, start->broker, now);
}

int mb_shell_broker_start(struct mb_shell *shell, int32_t id, int32_t port, char *text, size_t text_size)
{
    struct start start = { .shell = shell, .broker = id, .port = port };
    if (id < 1 || id > MB_SHELL_BROKERS_MAX) {
        snprintf(text, text_size, "%s", kci_error_text(KCI_BROKER_ID_NOT_REGISTERED));
        return KCI_BROKER_ID_NOT_REGISTERED;
    }
    if (mb_shell_call(shell, start_broker, &start)) {
        snprintf(text, text_size, "out of memory");
        return -1;
    }
    if (start.listen_error) {
        snprintf(text, text_size, "broker %d cannot listen on port %d: %s", (int)id, (int)start.port,
                 mb_shell_listen_error(start.listen_error));
        return -1;
    }
    snprintf(text, text_size, "%s", start.error ? kci_error_text(start.error) : "");
    return start.error;
}

static void add_broker(struct mb_cluster *cluster, void *context, int64_t now)
{
    struct start *start = context;
    int32_t ignored;
    char text[100];
    start->shell->listen_error = 0;
    start->error = mb_cluster_broker_add(cluster, &start->broker, now);
    start->listen_error = start->shell->listen_error;
    if (start->listen_error) /* it holds nothing yet, so it can go */
        mb_cluster_broker_decommission(cluster, start->broker, false, &ignored, text, sizeof text, now);
}

int mb_shell_broker_add(struct mb_shell *shell, int32_t *id, char *text, size_t text_size)
{
    struct start start = { .shell = shell };
    if (mb_shell_call(shell, add_broker, &start)) {
        snprintf(text, text_size, "out of memory");
        return -1;
    }
    if (start.listen_error) {
        snprintf(text, text_size, "a new broker cannot listen: %s", mb_shell_listen_error(start.listen_error));
        return -1;
    }
    *id = start.broker;
    snprintf(text, text_size, "%s", start.error ? kci_error_text(start.error) : "");
    return start.error;
}

const char *mb_shell_bootstrap(const struct mb_shell *shell)
{
    return shell->bootstrap;
}

int32_t mb_shell_brokers(const struct mb_shell *shell)
{
    return shell->brokers;
}

void mb_shell_address(const struct mb_shell *shell, int32_t id, const char **host, uint16_t *port)
{
    *host = shell->told_host;
    *port = shell->listeners[id - 1].told;
}

struct mb_clock *mb_shell_clock(struct mb_shell *shell)
{
    return &shell->clock;
}
