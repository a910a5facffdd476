/* Audit lines become records of audit.topic, sent by a producer that has no plug-ins (so nothing is audited twice) and
 * that never waits (max.block.ms=0, a small buffer): an audit that cannot be kept must not hold up what is audited.
 *
 *   write: log function (audit.log)
 *          topic known? -> what waits, then the line -> producer
 *          not yet      -> waits in `waiting`, up to WAITING_BYTES_MAX
 *   close: waits for the topic and for the producer, up to the deadline of the audited producer's close */
#include "api/audit_sink.h"
#include "api/producer_handle.h"
#include "base/cursor.h"

#include <stdio.h>

#define BUFFER_MEMORY     "4194304" /* bytes of lines without answer */
#define WAITING_BYTES_MAX 262144    /* bytes of lines before the topic is known */
#define CLOSE_US          1000000   /* for the end, when nobody gave a deadline */
#define CLOSE_MS_MAX      30000     /* and when that is far away */

struct kci_audit_sink {
    const struct kci_settings *settings; /* of the audited producer */
    kc_producer *producer;               /* NULL: only the log */
    _Atomic(uint64_t) lost;              /* lines */
    _Atomic(int64_t) close_by;           /* monotonic microseconds; 0: nobody said */
    _Atomic(bool) known;                 /* the topic has partitions, and nothing waits for it any more */
    struct kci_lock lock;                /* guards waiting */
    struct kci_writer waiting;           /* lines, each with its NUL */
};

static void say(const struct kci_audit_sink *sink, enum kci_log_level level, const char *text)
{
    const struct kci_settings *s = sink->settings;
    if (s->log && (int)level <= s->log_level)
        s->log(s->log_context, (int)level, "audit", text);
}

/* Told at 1, 2, 4, 8 ... lost lines. */
static void count_lost(struct kci_audit_sink *sink, const char *why)
{
    uint64_t lost = atomic_fetch_add(&sink->lost, 1) + 1;
    char text[320];
    if (lost & (lost - 1))
        return;
    snprintf(text, sizeof text, "%llu audit lines could not be kept; the last: %s", (unsigned long long)lost, why);
    say(sink, KCI_LOG_WARN, text);
}

static void on_delivery(const kc_delivery *deliveries, size_t count, void *context)
{
    for (size_t i = 0; i < count; i++)
        if (deliveries[i].code)
            count_lost(context, deliveries[i].text ? deliveries[i].text : kc_err_name(deliveries[i].code));
}

static void send_line(struct kci_audit_sink *sink, const char *line, size_t size)
{
    kc_error error;
    size_t taken;
    struct kci_producer_wait why;
    kc_record record = KC_RECORD_INIT;
    record.topic = sink->settings->audit_topic;
    record.value = (kc_bytes){ line, size };
    if (kci_producer_append(sink->producer->engine, &record, 1, &taken, kci_clock_us(), kci_clock_wall_ms(), &why,
                            &error) != KC_OK)
        count_lost(sink, error.text);
}

static void send_lines(struct kci_audit_sink *sink, struct kci_writer *lines)
{
    const char *line = (const char *)lines->data;
    for (size_t left = lines->size; left > 0;) {
        size_t size = strlen(line);
        send_line(sink, line, size);
        line += size + 1;
        left -= size + 1;
    }
    kci_writer_destroy(lines);
}

/* Is the topic known by now? Never waits. */
static bool is_known(struct kci_audit_sink *sink)
{
    int32_t count;
    return atomic_load(&sink->known) ||
           kci_producer_partitions(sink->producer->engine, sink->settings->audit_topic, &count, NULL) == KC_OK;
}

/* Send what waited for the topic; whoever comes first does. */
static void send_waiting(struct kci_audit_sink *sink)
{
    struct kci_writer lines;
    if (atomic_load(&sink->known))
        return;
    kci_lock_take(&sink->lock);
    lines = sink->waiting; /* empty, if somebody was faster */
    sink->waiting = kci_writer_of(kci_heap_alloc(), WAITING_BYTES_MAX);
    atomic_store(&sink->known, true);
    kci_lock_release(&sink->lock);
    send_lines(sink, &lines);
}

enum kept { KEPT, NO_ROOM, KNOWN };

/* KNOWN: by now nobody waits any more, so the line would wait for ever. */
static enum kept keep_waiting(struct kci_audit_sink *sink, const char *line, size_t size)
{
    enum kept kept = KNOWN;
    kci_lock_take(&sink->lock);
    if (!atomic_load(&sink->known)) {
        size_t before = sink->waiting.size;
        kci_writer_bytes(&sink->waiting, line, size + 1);
        kept = sink->waiting.failed ? NO_ROOM : KEPT;
        if (kept == NO_ROOM) {
            sink->waiting.size = before;
            sink->waiting.failed = false;
        }
    }
    kci_lock_release(&sink->lock);
    return kept;
}

void kci_audit_sink_write(void *context, const char *line, size_t size)
{
    struct kci_audit_sink *sink = context;
    if (sink->settings->audit_log)
        say(sink, KCI_LOG_INFO, line);
    if (!sink->producer)
        return;
    enum kept kept = is_known(sink) ? KNOWN : keep_waiting(sink, line, size);
    if (kept == KNOWN) {
        send_waiting(sink);
        send_line(sink, line, size);
    } else if (kept == NO_ROOM) {
        count_lost(sink, "the topic is not known yet, and too much waits for it");
    }
}

void kci_audit_sink_close_by(struct kci_audit_sink *sink, int64_t deadline)
{
    atomic_store(&sink->close_by, deadline);
}

static int32_t time_left(const struct kci_audit_sink *sink)
{
    int64_t now = kci_clock_us(), by = atomic_load(&sink->close_by);
    int64_t ms = by == KCI_NEVER ? CLOSE_MS_MAX : (by - now) / 1000;
    return ms < 0 ? 0 : ms > CLOSE_MS_MAX ? CLOSE_MS_MAX : (int32_t)ms;
}

void kci_audit_sink_close(void *context)
{
    struct kci_audit_sink *sink = context;
    if (!sink)
        return;
    if (sink->producer) {
        int32_t count;
        if (!atomic_load(&sink->close_by))
            kci_audit_sink_close_by(sink, kci_clock_us() + CLOSE_US);
        if (sink->waiting.size &&
            kc_producer_partitions(sink->producer, sink->settings->audit_topic, time_left(sink), &count, NULL) != KC_OK)
            count_lost(sink, "the audit topic was not found before the end");
        else
            send_waiting(sink);
        kc_producer_close(sink->producer, time_left(sink));
    }
    kci_writer_destroy(&sink->waiting);
    kci_alloc_free(kci_heap_alloc(), sink);
}

static kc_err start_producer(struct kci_audit_sink *sink, const kc_config *config, kc_error *error)
{
    /* a cluster of mock brokers is that of the audited producer, not one more */
    const char *const pairs[][2] = { { "interceptor.classes", "" },
                                     { "key.serializer", "bytes" },
                                     { "value.serializer", "bytes" },
                                     { "partitioner.class", "default" },
                                     { "max.block.ms", "0" },
                                     { "buffer.memory", BUFFER_MEMORY },
                                     { "bootstrap.servers", sink->settings->bootstrap_servers },
                                     { "test.mock.num.brokers", "0" },
                                     { "test.mock.cluster", "" },
                                     { "test.mock.topics", "" },
                                     { "test.mock.config", "" } };
    kc_config *own = kci_config_copy_plain(config);
    if (!own)
        return kci_fail(error, KC_ERR_NO_MEMORY, 0, "out of memory for the producer of audit.topic");
    kc_config_set_delivery(own, on_delivery, sink, 0);
    kc_err err = KC_OK;
    for (size_t i = 0; !err && i < sizeof pairs / sizeof pairs[0]; i++)
        err = kc_config_set(own, pairs[i][0], pairs[i][1], error);
    if (!err)
        err = kc_producer_create(&sink->producer, own, error);
    kc_config_destroy(own);
    if (!err)
        is_known(sink); /* begin to look for it */
    return err;
}

kc_err kci_audit_sink_new(struct kci_audit_sink **out, const kc_config *config, const struct kci_settings *settings,
                          kc_error *error)
{
    bool topic = settings->audit_topic && *settings->audit_topic;
    *out = NULL;
    if (!topic && !settings->audit_log)
        return kci_fail(error, KC_ERR_CONFIG, 0,
                        "interceptor.classes names audit: set audit.topic, or audit.log=true and a log function");
    struct kci_audit_sink *sink = kci_alloc_zero(kci_heap_alloc(), 1, sizeof *sink);
    if (!sink)
        return kci_fail(error, KC_ERR_NO_MEMORY, 0, "out of memory for the audit");
    sink->settings = settings;
    kci_lock_init(&sink->lock, kci_lock_system());
    sink->waiting = kci_writer_of(kci_heap_alloc(), WAITING_BYTES_MAX);
    kc_err err = topic ? start_producer(sink, config, error) : KC_OK;
    if (err) {
        kci_alloc_free(kci_heap_alloc(), sink);
        return err;
    }
    *out = sink;
    return KC_OK;
}
