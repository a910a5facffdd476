/* A consumer engine alone in a script_peer's world, with logs to fetch from, and an account of what the application
 * sees.
 *
 *      static struct script_peer peer;
 *      static struct script_consumer sc;
 *      script_consumer_init(&sc, &peer);           // settings may be changed now; topic "t" has 2 partitions
 *      script_consumer_create(&sc);
 *      script_append(&sc, 0, 0, 3);                // partition 0 has records 0, 1, 2 (values "v0" ...), in one batch
 *      script_assign(&sc, 0, 0);                   // partition 0 from offset 0
 *      assert_seen(&sc, "t-0:0 t-0:1 t-0:2");      // polls, visits the records, runs and notes events
 *
 * Answered by itself: metadata, FindCoordinator (broker sc->coordinator), ListOffsets, OffsetFetch (sc->committed),
 * Fetch where there is data (else it stays parked).  Everything else, and what sc->manual names, is left for the test
 * (script_take). */
#ifndef TEST_SUPPORT_SCRIPT_CONSUMER_H
#define TEST_SUPPORT_SCRIPT_CONSUMER_H

#include "consumer/consumer.h"
#include "consumer/records.h"
#include "consumer/unreadable.h"
#include "support/script_cluster.h"

#define SC_PARTITIONS 4
#define SC_BATCHES    64
#define SC_LOG_BYTES  4096

struct script_log {
    struct {
        int64_t base, next;
        uint8_t *bytes;
        size_t size;
    } batches[SC_BATCHES];
    size_t count;
    int64_t start, end;
    int64_t open_at; /* where the first open transaction begins; 0: none */
    struct kci_fetch_response__aborted_transaction aborted[SC_BATCHES]; /* told to whoever reads committed */
    int32_t aborted_count;
    int16_t error; /* answered instead of data */
};

struct script_consumer {
    struct script_peer *peer;
    struct kci_settings settings;
    struct kci_consumer *core;
    struct test_alloc memory;
    struct kci_alloc alloc;
    struct script_log logs[SC_PARTITIONS]; /* of topic "t" */
    int32_t coordinator;
    int64_t committed[SC_PARTITIONS];          /* -1: none */
    char notes[SC_PARTITIONS][32];             /* the texts that were committed with them */
    const char *protocol_type, *protocol_name; /* in answers to joins and syncs, instead of those that are right */
    int16_t manual;                            /* API that is left to the test; -1: none */
    int16_t manual2;
    bool park_fetch;     /* Fetch is left to the test */
    int32_t throttle_ms; /* in answers to Fetch */
    int64_t read_limit;  /* records returned by one poll */
    size_t notified;
    char seen[SC_LOG_BYTES];
    kc_err last_error;
    char last_text[500];
    uint32_t last_traits;
    kc_records *kept; /* the last records that a poll returned, when keep is set */
    bool keep;
    uint64_t seed; /* of the engine; 0: 1 */
    void (*in_event)(struct script_consumer *sc, const struct kci_consumer_event *event);
};

static inline void sc_note(struct script_consumer *sc, const char *format, ...)
{
    va_list args;
    size_t used = strlen(sc->seen);
    if (used && used + 1 < sizeof sc->seen)
        strcat(sc->seen, " "), used++;
    va_start(args, format);
    vsnprintf(sc->seen + used, sizeof sc->seen - used, format, args);
    va_end(args);
}

static inline void sc_notify_(void *context)
{
    ((struct script_consumer *)context)->notified++;
}

/* ---- the broker's side ---- */

/* A batch of `count` records from the end of a partition on; attributes as in KCI_BATCH_*. */
static inline void script_append_with(struct script_consumer *sc, int32_t partition, int32_t count,
                                      struct kci_batch_header header)
{
    struct script_log *log = &sc->logs[partition];
    struct kci_writer w = kci_writer_of(&sc->peer->alloc, 1u << 28);
    struct kci_record *records = calloc((size_t)count, sizeof *records);
    char(*values)[24] = calloc((size_t)count, sizeof *values);
    for (int32_t i = 0; i < count; i++) {
        snprintf(values[i], sizeof values[i], "v%lld", (long long)log->end + i);
        records[i].timestamp_ms = 1000 + log->end + i;
        records[i].value = (struct kci_bytes){ (const uint8_t *)values[i], strlen(values[i]) };
    }
    header.base_offset = log->end;
    header.magic = 2;
    header.last_offset_delta = count - 1;
    assert_int_equal(kci_batch_write(&w, &header, records, (size_t)count, KCI_LEVEL_DEFAULT), KCI_BATCH_OK);
    assert_true(log->count < SC_BATCHES);
    log->batches[log->count].base = log->end;
    log->batches[log->count].bytes = w.data;
    log->batches[log->count].size = w.size;
    log->end += count;
    log->batches[log->count++].next = log->end;
    free(records);
    free(values);
}

static inline struct kci_batch_header script_plain_batch(void)
{
    return (struct kci_batch_header){ .leader_epoch = 5, .producer_id = -1, .producer_epoch = -1, .base_sequence = -1 };
}

static inline void script_append(struct script_consumer *sc, int32_t partition, int32_t count)
{
    script_append_with(sc, partition, count, script_plain_batch());
}

/* A transaction ends: type 0 abort, 1 commit. An abort is told with the offset where it began. */
static inline void script_append_marker(struct script_consumer *sc, int32_t partition, int64_t producer_id,
                                        int16_t type, int64_t began_at)
{
    struct script_log *log = &sc->logs[partition];
    struct kci_writer w = kci_writer_of(&sc->peer->alloc, 1u << 20);
    struct kci_batch_header header = script_plain_batch();
    const uint8_t key[4] = { 0, 0, 0, (uint8_t)type };
    struct kci_record record = { 1000, { key, 4 }, { (const uint8_t *)"\0\0\0\0\0\0", 6 }, NULL, 0 };
    header.base_offset = log->end;
    header.magic = 2;
    header.attributes = KCI_BATCH_CONTROL | KCI_BATCH_TRANSACTIONAL;
    header.producer_id = producer_id;
    assert_int_equal(kci_batch_write(&w, &header, &record, 1, KCI_LEVEL_DEFAULT), KCI_BATCH_OK);
    assert_true(log->count < SC_BATCHES);
    log->batches[log->count].base = log->end;
    log->batches[log->count].bytes = w.data;
    log->batches[log->count].size = w.size;
    log->batches[log->count++].next = ++log->end;
    if (type == 0) {
        struct kci_fetch_response__aborted_transaction *aborted = &log->aborted[log->aborted_count++];
        kci_codec_init(&kci_fetch_response__aborted_transaction_schema, aborted);
        aborted->producer_id = producer_id;
        aborted->first_offset = began_at;
    }
}

static inline int64_t script_last_stable_(const struct script_log *log)
{
    return log->open_at ? log->open_at : log->end;
}

static inline struct kci_writer script_data_(struct script_consumer *sc, const struct script_log *log, int64_t offset,
                                             int64_t limit, size_t max_bytes, bool first)
{
    struct kci_writer w = kci_writer_of(&sc->peer->alloc, 1u << 28);
    for (size_t i = 0; i < log->count && log->batches[i].base < limit; i++)
        if (log->batches[i].next > offset && ((first && w.size == 0) || w.size + log->batches[i].size <= max_bytes))
            kci_writer_bytes(&w, log->batches[i].bytes, log->batches[i].size);
        else if (log->batches[i].next > offset)
            break;
    return w;
}

/* Answer a Fetch from the logs, without a session, within both its limits but for the first batch (KIP-74).
 * `even_empty`: also if there is nothing. true: answered. */
static inline bool script_answer_fetch(struct script_consumer *sc, struct script_request *r, bool even_empty)
{
    const struct kci_fetch_request *request = r->message;
    struct kci_arena arena = kci_arena_of(&sc->peer->alloc, 1u << 28);
    struct kci_writer data[SC_PARTITIONS];
    struct kci_fetch_response response;
    size_t used = 0, left = (size_t)request->max_bytes;
    bool any = even_empty, first = true;
    kci_codec_init(&kci_fetch_response_schema, &response);
    response.throttle_time_ms = sc->throttle_ms;
    response.responses = kci_arena_array(&arena, (size_t)request->topics_count, sizeof *response.responses);
    for (int32_t t = 0; t < request->topics_count; t++) {
        struct kci_fetch_response__fetchable_topic_response *topic = &response.responses[response.responses_count++];
        topic->topic = request->topics[t].topic;
        topic->topic_id = request->topics[t].topic_id;
        topic->partitions =
            kci_arena_array(&arena, (size_t)request->topics[t].partitions_count, sizeof *topic->partitions);
        for (int32_t p = 0; p < request->topics[t].partitions_count; p++) {
            const struct kci_fetch_request__fetch_partition *from = &request->topics[t].partitions[p];
            struct kci_fetch_response__partition_data *to = &topic->partitions[topic->partitions_count++];
            const struct script_log *log = &sc->logs[from->partition];
            kci_codec_init(&kci_fetch_response__partition_data_schema, to);
            to->partition_index = from->partition;
            to->high_watermark = log->end;
            to->last_stable_offset = script_last_stable_(log);
            if (request->isolation_level == 1) {
                to->aborted_transactions = (struct kci_fetch_response__aborted_transaction *)log->aborted;
                to->aborted_transactions_count = log->aborted_count;
            }
            to->log_start_offset = log->start;
            to->error_code = log->error;
            if (!log->error && (from->fetch_offset < log->start || from->fetch_offset > log->end))
                to->error_code = KCI_OFFSET_OUT_OF_RANGE;
            size_t most = (size_t)from->partition_max_bytes < left ? (size_t)from->partition_max_bytes : left;
            data[used] =
                to->error_code
                    ? kci_writer_of(&sc->peer->alloc, 0)
                    : script_data_(sc, log, from->fetch_offset,
                                   request->isolation_level == 1 ? script_last_stable_(log) : log->end, most, first);
            first &= data[used].size == 0;
            left -= data[used].size < left ? data[used].size : left;
            to->records = (struct kci_bytes){ data[used].data, data[used].size };
            any |= to->error_code || data[used].size;
            used++;
        }
    }
    if (any)
        script_answer_quietly_(sc->peer, r, r->header.version, &response);
    while (used)
        kci_writer_destroy(&data[--used]);
    kci_arena_destroy(&arena);
    return any;
}

static inline void script_answer_list_offsets(struct script_consumer *sc, struct script_request *r)
{
    const struct kci_list_offsets_request *request = r->message;
    struct kci_list_offsets_response__list_offsets_topic_response topics[4];
    struct kci_list_offsets_response__list_offsets_partition_response partitions[16];
    struct kci_list_offsets_response response;
    int32_t used = 0;
    kci_codec_init(&kci_list_offsets_response_schema, &response);
    memset(topics, 0, sizeof topics);
    response.topics = topics;
    response.topics_count = request->topics_count;
    for (int32_t t = 0; t < request->topics_count; t++) {
        topics[t].name = request->topics[t].name;
        topics[t].partitions = &partitions[used];
        for (int32_t p = 0; p < request->topics[t].partitions_count; p++) {
            const struct kci_list_offsets_request__list_offsets_partition *from = &request->topics[t].partitions[p];
            struct kci_list_offsets_response__list_offsets_partition_response *to = &partitions[used++];
            const struct script_log *log = &sc->logs[from->partition_index];
            kci_codec_init(&kci_list_offsets_response__list_offsets_partition_response_schema, to);
            to->partition_index = from->partition_index;
            int64_t end = request->isolation_level == 1 ? script_last_stable_(log) : log->end;
            to->offset = from->timestamp == -1 ? end : from->timestamp == -2 ? log->start : from->timestamp - 1000;
            if (to->offset > log->end)
                to->offset = -1;
            topics[t].partitions_count++;
        }
    }
    script_answer_quietly_(sc->peer, r, r->header.version, &response);
}

static inline void script_answer_offset_fetch(struct script_consumer *sc, struct script_request *r)
{
    const struct kci_offset_fetch_request *request = r->message;
    struct kci_offset_fetch_response__offset_fetch_response_group group;
    struct kci_offset_fetch_response__offset_fetch_response_topics topics[4];
    struct kci_offset_fetch_response__offset_fetch_response_partitions partitions[16];
    struct kci_offset_fetch_response response;
    int32_t used = 0;
    assert_true(r->header.version >= 8);
    kci_codec_init(&kci_offset_fetch_response_schema, &response);
    kci_codec_init(&kci_offset_fetch_response__offset_fetch_response_group_schema, &group);
    memset(topics, 0, sizeof topics);
    response.groups = &group;
    response.groups_count = 1;
    group.group_id = request->groups[0].group_id;
    group.topics = topics;
    group.topics_count = request->groups[0].topics_count;
    for (int32_t t = 0; t < group.topics_count; t++) {
        topics[t].name = request->groups[0].topics[t].name;
        topics[t].topic_id = request->groups[0].topics[t].topic_id;
        topics[t].partitions = &partitions[used];
        for (int32_t p = 0; p < request->groups[0].topics[t].partition_indexes_count; p++) {
            struct kci_offset_fetch_response__offset_fetch_response_partitions *to = &partitions[used++];
            kci_codec_init(&kci_offset_fetch_response__offset_fetch_response_partitions_schema, to);
            to->partition_index = request->groups[0].topics[t].partition_indexes[p];
            to->committed_offset = sc->committed[to->partition_index];
            to->metadata = kci_str_of(sc->notes[to->partition_index]);
            topics[t].partitions_count++;
        }
    }
    script_answer_quietly_(sc->peer, r, r->header.version, &response);
}

static inline bool sc_serve_(struct script_peer *peer, struct script_request *r)
{
    struct script_consumer *sc = peer->context;
    if (r->header.api_key == sc->manual || r->header.api_key == sc->manual2)
        return false;
    switch (r->header.api_key) {
    case KCI_API_FIND_COORDINATOR:
        script_answer_coordinator(peer, r, sc->coordinator, 0);
        return true;
    case KCI_API_LIST_OFFSETS:
        script_answer_list_offsets(sc, r);
        return true;
    case KCI_API_OFFSET_FETCH:
        script_answer_offset_fetch(sc, r);
        return true;
    case KCI_API_FETCH:
        return !sc->park_fetch &&
               script_answer_fetch(
                   sc, r, peer->now - r->at >= ((const struct kci_fetch_request *)r->message)->max_wait_ms * 1000);
    default:
        return false;
    }
}

/* ---- the application's side ---- */

static inline void script_consumer_init(struct script_consumer *sc, struct script_peer *peer)
{
    memset(sc, 0, sizeof *sc);
    sc->peer = peer;
    script_peer_init(peer);
    peer->auto_connect = peer->auto_versions = peer->auto_metadata = true;
    peer->brokers = 2;
    peer->serve = sc_serve_;
    peer->context = sc;
    script_topic(peer, "t", 2);
    sc->alloc = test_alloc_counting(&sc->memory);
    sc->coordinator = 1;
    sc->manual = sc->manual2 = -1;
    for (int i = 0; i < SC_PARTITIONS; i++)
        sc->committed[i] = -1;
    sc->settings = script_settings();
    sc->settings.group_id = "g";
    sc->settings.session_timeout_ms = 45000;
    sc->settings.heartbeat_interval_ms = 3000;
    sc->settings.max_poll_interval_ms = 300000;
    sc->settings.partition_assignment_strategy = "range";
    sc->settings.max_poll_records = 500;
    sc->settings.auto_commit_interval_ms = 5000;
    sc->settings.auto_offset_reset = KCI_RESET_EARLIEST;
    sc->settings.fetch_min_bytes = 1;
    sc->settings.fetch_max_bytes = 50 << 20;
    sc->settings.fetch_max_wait_ms = 500;
    sc->settings.max_partition_fetch_bytes = 1 << 20;
    sc->settings.fetch_memory_max = 64 << 20;
    sc->settings.check_crcs = true;
}

static inline void sc_notice_(void *context, const kc_notice *notice)
{
    (void)context; /* the core only looks whether there is a function; noted in sc_run_event_ */
    (void)notice;
}
/* Notices are wanted: they are noted like events. Before script_consumer_create. */
static inline void script_want_notices(struct script_consumer *sc)
{
    sc->settings.notice = sc_notice_;
}

static inline void script_consumer_create(struct script_consumer *sc)
{
    struct kci_consumer_options options = { .alloc = &sc->alloc,
                                            .settings = &sc->settings,
                                            .transport = script_peer_transport(sc->peer),
                                            .seed = sc->seed ? sc->seed : 1,
                                            .notify = sc_notify_,
                                            .notify_context = sc };
    kc_error error;
    if (kci_consumer_create(&sc->core, &options, &error) != KC_OK)
        fail_msg("create: %s", error.text);
    script_peer_attach(sc->peer, kci_consumer_engine(sc->core));
}

/* Destroy; nothing may be left. */
static inline void script_consumer_end(struct script_consumer *sc)
{
    kci_consumer_destroy(sc->core, sc->peer->now);
    kci_records_release(sc->kept);
    sc->kept = NULL;
    for (int i = 0; i < SC_PARTITIONS; i++)
        while (sc->logs[i].count)
            kci_alloc_free(&sc->peer->alloc, sc->logs[i].batches[--sc->logs[i].count].bytes);
    script_peer_destroy(sc->peer);
    assert_int_equal(sc->memory.live_blocks, 0);
}

/* Assign one partition of "t". */
static inline void script_assign(struct script_consumer *sc, int32_t partition, int64_t offset)
{
    kc_topic_partition item = { "t", partition, offset, -1, NULL, KC_OK };
    kc_error error;
    if (kci_consumer_assign(sc->core, &item, 1, sc->peer->now, &error) != KC_OK)
        fail_msg("assign: %s", error.text);
    script_step(sc->peer);
}

static inline void sc_run_event_(struct script_consumer *sc, struct kci_consumer_event *event)
{
    static const char *const names[] = { "", "assigned", "revoked", "lost", "commit" };
    char list[256] = "";
    for (size_t i = 0; i < event->partitions.count; i++)
        snprintf(list + strlen(list), sizeof list - strlen(list), "%s%s-%d", i ? "," : "",
                 event->partitions.items[i].topic, (int)event->partitions.items[i].partition);
    const kc_notice *notice = &event->notice;
    if (event->kind == KCI_EVENT_NOTICE && notice->kind == KC_NOTICE_RESET)
        sc_note(sc, "reset(%s-%d:%s %lld/%d>%lld)", notice->topic, (int)notice->partition, notice->reason,
                (long long)notice->from_offset, (int)notice->from_epoch, (long long)notice->to_offset);
    else if (event->kind == KCI_EVENT_NOTICE && notice->kind == KC_NOTICE_UNREADABLE)
        sc_note(sc, "unreadable(%s-%d:%lld)", notice->topic, (int)notice->partition, (long long)notice->from_offset);
    else if (event->kind == KCI_EVENT_NOTICE)
        sc_note(sc, "%s(%s:%s)",
                notice->kind == KC_NOTICE_STALLED     ? "stalled"
                : notice->kind == KC_NOTICE_POLL_LATE ? "late"
                                                      : "recovered",
                notice->topic ? notice->topic : "group", notice->reason);
    else if (event->kind == KCI_EVENT_COMMITTED)
        sc_note(sc, "commit(%s:%s)", kc_err_name(event->code), list);
    else
        sc_note(sc, "%s(%s)", names[event->kind], list);
    if (sc->in_event)
        sc->in_event(sc, event);
    kci_consumer_event_done(sc->core, event, sc->peer->now);
    script_step(sc->peer);
}

/* One poll with time-out 0: events are run and noted until there are records, an error or nothing. */
static inline kc_err script_poll(struct script_consumer *sc)
{
    struct kci_consumer_event event;
    kc_records *records = NULL;
    kc_error error = { 0 };
    kc_record_view view;
    kci_consumer_poll_enter(sc->core, sc->peer->now);
    script_step(sc->peer);
    for (bool again = true; again;) {
        event.kind = KCI_EVENT_NONE;
        sc->last_error = kci_consumer_woken(sc->core)
                             ? KC_ERR_WOKEN
                             : kci_consumer_poll(sc->core, &records, &event, sc->peer->now, &error);
        again = event.kind != KCI_EVENT_NONE;
        if (again)
            sc_run_event_(sc, &event);
        if (records) {
            sc->last_error = kci_consumer_deserialize(sc->core, &records, sc->peer->now, &error);
            again = sc->last_error == KC_OK && !records;
        }
    }
    kci_consumer_poll_leave(sc->core, sc->peer->now);
    if (sc->last_error != KC_OK) {
        sc_note(sc, "!%s", kc_err_name(sc->last_error));
        snprintf(sc->last_text, sizeof sc->last_text, "%s", error.text);
        sc->last_traits = error.traits;
    }
    while (records && kci_records_next(records, &view)) {
        char value[24];
        snprintf(value, sizeof value, "v%lld", (long long)view.offset);
        assert_int_equal(view.value.size, strlen(value));
        assert_memory_equal(view.value.data, value, view.value.size);
        sc_note(sc, "%s-%d:%lld", view.topic, (int)view.partition, (long long)view.offset);
    }
    if (sc->keep && records) {
        kci_records_release(sc->kept);
        sc->kept = records;
    } else {
        kci_records_release(records);
    }
    script_step(sc->peer);
    return sc->last_error;
}

/* Poll until a poll brings nothing more. */
static inline void script_poll_all(struct script_consumer *sc)
{
    for (int i = 0; i < 100; i++) {
        size_t before = strlen(sc->seen);
        if (script_poll(sc) != KC_OK || strlen(sc->seen) == before)
            return;
    }
}

/* What was noted since the last time. */
static inline void assert_noted(struct script_consumer *sc, const char *expected)
{
    char seen[SC_LOG_BYTES];
    memcpy(seen, sc->seen, sizeof seen);
    sc->seen[0] = 0;
    assert_string_equal(seen, expected);
}

static inline void assert_seen(struct script_consumer *sc, const char *expected)
{
    script_poll_all(sc);
    assert_noted(sc, expected);
}

static inline void script_subscribe(struct script_consumer *sc)
{
    const char *topics[] = { "t" };
    kc_error error;
    if (kci_consumer_subscribe(sc->core, topics, 1, sc->peer->now, &error) != KC_OK)
        fail_msg("subscribe: %s", error.text);
    script_step(sc->peer);
}

/* The oldest request of this API that waits for the test. */
static inline struct script_request *script_expect(struct script_consumer *sc, int16_t api)
{
    struct script_request *r = script_pending(sc->peer, NULL, api);
    if (!r)
        fail_msg("no request of API %d is there", api);
    r->taken = true;
    return r;
}

static inline bool script_waits(struct script_consumer *sc, int16_t api)
{
    return script_pending(sc->peer, NULL, api) != NULL;
}

#endif
