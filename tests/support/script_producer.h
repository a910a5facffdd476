/* A producing engine in a script_peer's world, and brokers that keep a true log: batches are checked (CRC, counts),
 * producer ids, epochs and sequences are judged as Kafka does, and what was appended can be looked at.
 *
 *      static struct script_producer sp;
 *      script_producer_init(&sp);  sp.settings.linger_ms = 0;  script_producer_create(&sp);
 *      script_send(&sp, 0, "a");                      // one record to partition 0 of topic "t"; its opaque is its number
 *      script_fault(&sp, SCRIPT_ERROR, KCI_NOT_ENOUGH_REPLICAS);    // the next Produce request, once
 *      script_advance(&sp.peer, 500);
 *      script_log_is(&sp, 0, "a b c");                // partition 0's log, in order
 *      script_fates_are(&sp, "a=0 b=1 c=2");          // deliveries in order: offset, or the name of the error
 *      script_producer_destroy(&sp);                  // nothing leaks; every record has one fate */
#ifndef TEST_SUPPORT_SCRIPT_PRODUCER_H
#define TEST_SUPPORT_SCRIPT_PRODUCER_H

#include "producer/internal.h"
#include "protocol/records.h"
#include "support/script_cluster.h"

#define SCRIPT_LOG_PARTITIONS 16
#define SCRIPT_LOG_RECORDS    8192
#define SCRIPT_VALUE          24
#define SCRIPT_FATES          8192
#define SCRIPT_FAULTS         64

enum script_fault {
    SCRIPT_NO_FAULT,
    SCRIPT_ERROR,            /* not applied, answered with the code */
    SCRIPT_APPLY_THEN_ERROR, /* applied, answered with the code */
    SCRIPT_CLOSE,            /* not applied, connection closed */
    SCRIPT_APPLY_THEN_CLOSE, /* applied, connection closed */
    SCRIPT_HOLD,             /* left for the test: script_pending, script_serve_now */
    SCRIPT_SILENCE,          /* applied, never answered */
};

struct script_batch_seen { /* one of the last five of a producer, as the broker remembers them */
    int32_t first, last;
    int64_t offset;
};

struct script_log {
    char values[SCRIPT_LOG_RECORDS][SCRIPT_VALUE];
    int64_t end;
    int64_t producer_id;
    int16_t epoch;
    struct script_batch_seen seen[5]; /* newest last */
    int32_t seen_count;
    size_t batches, duplicates;
};

struct script_fate {
    size_t number; /* of the record */
    int32_t partition;
    int64_t offset, timestamp_ms;
    kc_err code;
    uint32_t traits;
    char text[500];
};

struct script_producer {
    struct script_peer peer;
    struct kci_settings settings;
    struct kci_producer *producer;
    struct test_alloc memory;
    struct kci_alloc alloc;
    size_t notified, wakes;
    struct script_log logs[SCRIPT_LOG_PARTITIONS];
    struct {
        enum script_fault kind;
        int16_t code;
    } faults[SCRIPT_FAULTS];
    size_t fault_first, fault_count;
    int64_t next_producer_id;
    size_t id_requests, produce_requests;
    int16_t id_error; /* what InitProducerId is answered with, id_errors times */
    int32_t id_errors;
    size_t batch_bytes_max; /* the topic's max.message.bytes; 0: no limit */
    size_t sent;            /* records that append took */
    char sent_values[SCRIPT_FATES][SCRIPT_VALUE];
    size_t fate_count;
    struct script_fate fates[SCRIPT_FATES];
    int32_t hint_leader, hint_epoch; /* KIP-951, with the next NOT_LEADER; hint_leader 0: none */
    const char *hint_host;           /* where it is, with port 9092; NULL: the answer does not say */
    int32_t throttle_ms;             /* in every answer */
    int64_t append_time_ms;          /* the topic has LogAppendTime, and this is it; -1: CreateTime */
};

/* ---- the engine's surroundings ---- */

static inline void script_p_wake_(void *context)
{
    ((struct script_producer *)context)->wakes++;
}
static inline void script_p_notify_(void *context)
{
    ((struct script_producer *)context)->notified++;
}
static inline void script_p_deliver_(const kc_delivery *deliveries, size_t count, void *context)
{
    struct script_producer *sp = context;
    for (size_t i = 0; i < count; i++) {
        assert_true(sp->fate_count < SCRIPT_FATES);
        struct script_fate *fate = &sp->fates[sp->fate_count++];
        *fate = (struct script_fate){ .number = (size_t)(uintptr_t)deliveries[i].opaque,
                                      .partition = deliveries[i].partition,
                                      .offset = deliveries[i].offset,
                                      .timestamp_ms = deliveries[i].timestamp_ms,
                                      .code = deliveries[i].code,
                                      .traits = deliveries[i].traits };
        assert_string_equal(deliveries[i].topic, "t");
        assert_int_equal(deliveries[i].text != NULL, deliveries[i].code != KC_OK);
        if (deliveries[i].text)
            snprintf(fate->text, sizeof fate->text, "%s", deliveries[i].text);
    }
}

/* ---- the broker's log ---- */

/* Judge and append one batch as Kafka does (PROTOCOL 4.1). Returns the error code and *offset. */
static inline int16_t script_append_(struct script_producer *sp, struct script_log *log, struct kci_bytes records,
                                     int64_t *offset)
{
    struct kci_reader reader = kci_reader_of(records.data, records.size);
    struct kci_batch_header h;
    struct kci_batch_iterator it;
    struct kci_record_view view;
    size_t total;
    int next;
    assert_int_equal(kci_batch_peek(&reader, &h, &total), KCI_BATCH_OK);
    assert_int_equal(total, records.size); /* exactly one batch */
    assert_int_equal(h.magic, 2);
    assert_int_equal(h.base_offset, 0);
    assert_int_equal(h.last_offset_delta, h.record_count - 1);
    assert_true(kci_batch_crc_ok(records.data, total));
    if (sp->batch_bytes_max && total > sp->batch_bytes_max)
        return KCI_MESSAGE_TOO_LARGE;
    *offset = log->end;
    if (h.producer_id >= 0) {
        bool known = log->producer_id == h.producer_id;
        int32_t last = (int32_t)(((uint32_t)h.base_sequence + (uint32_t)h.record_count - 1) & INT32_MAX);
        if (known && h.producer_epoch < log->epoch)
            return KCI_INVALID_PRODUCER_EPOCH;
        if (known && h.producer_epoch == log->epoch) {
            for (int32_t i = 0; i < log->seen_count; i++)
                if (log->seen[i].first == h.base_sequence && log->seen[i].last == last) {
                    *offset = log->seen[i].offset;
                    log->duplicates++;
                    return KCI_NONE;
                }
            int32_t expected = (int32_t)(((uint32_t)log->seen[log->seen_count - 1].last + 1) & INT32_MAX);
            if (h.base_sequence != expected)
                return KCI_OUT_OF_ORDER_SEQUENCE_NUMBER;
        } else if (known && h.base_sequence != 0) {
            return KCI_OUT_OF_ORDER_SEQUENCE_NUMBER;
        }
        if (!known || h.producer_epoch != log->epoch)
            log->seen_count = 0;
        log->producer_id = h.producer_id;
        log->epoch = h.producer_epoch;
        if (log->seen_count == 5)
            memmove(log->seen, log->seen + 1, 4 * sizeof log->seen[0]);
        else
            log->seen_count++;
        log->seen[log->seen_count - 1] = (struct script_batch_seen){ h.base_sequence, last, log->end };
    }
    assert_int_equal(kci_batch_open(&it, records.data, total, &sp->peer.alloc, 16 << 20), KCI_BATCH_OK);
    while ((next = kci_batch_next(&it, &view)) > 0) {
        assert_true(log->end < SCRIPT_LOG_RECORDS);
        size_t size = view.value.size < SCRIPT_VALUE - 1 ? view.value.size : SCRIPT_VALUE - 1;
        if (size)
            memcpy(log->values[log->end], view.value.data, size);
        log->values[log->end++][size] = 0;
    }
    assert_int_equal(next, 0);
    kci_batch_close(&it);
    log->batches++;
    return KCI_NONE;
}

/* Apply (or not) and answer a Produce request; force: this code for every partition (KCI_NONE: none). */
static inline void script_produce_answer(struct script_producer *sp, struct script_request *r, bool apply,
                                         int16_t force, bool reply)
{
    const struct kci_produce_request *request = r->message;
    struct kci_arena arena = kci_arena_of(&sp->peer.alloc, 16 << 20);
    struct kci_produce_response response;
    kci_codec_init(&kci_produce_response_schema, &response);
    response.responses = kci_arena_array(&arena, (size_t)request->topic_data_count, sizeof *response.responses);
    response.responses_count = request->topic_data_count;
    response.throttle_time_ms = sp->throttle_ms;
    for (int32_t t = 0; t < request->topic_data_count; t++) {
        const struct kci_produce_request__topic_produce_data *topic = &request->topic_data[t];
        struct kci_produce_response__topic_produce_response *out = &response.responses[t];
        kci_codec_init(&kci_produce_response__topic_produce_response_schema, out);
        out->name = topic->name;
        out->topic_id = topic->topic_id;
        out->partition_responses =
            kci_arena_array(&arena, (size_t)topic->partition_data_count, sizeof *out->partition_responses);
        out->partition_responses_count = topic->partition_data_count;
        for (int32_t p = 0; p < topic->partition_data_count; p++) {
            struct kci_produce_response__partition_produce_response *answer = &out->partition_responses[p];
            int64_t offset = -1;
            int16_t code = force;
            assert_in_range(topic->partition_data[p].index, 0, SCRIPT_LOG_PARTITIONS - 1);
            if (apply) {
                int16_t judged = script_append_(sp, &sp->logs[topic->partition_data[p].index],
                                                topic->partition_data[p].records, &offset);
                code = force ? force : judged;
            }
            kci_codec_init(&kci_produce_response__partition_produce_response_schema, answer);
            answer->index = topic->partition_data[p].index;
            answer->error_code = code;
            answer->base_offset = code ? -1 : offset;
            answer->log_append_time_ms = code ? -1 : sp->append_time_ms;
            if (code == KCI_NOT_LEADER_OR_FOLLOWER && sp->hint_leader) {
                answer->current_leader.leader_id = sp->hint_leader;
                answer->current_leader.leader_epoch = sp->hint_epoch;
            }
        }
    }
    struct kci_produce_response__node_endpoint endpoint;
    if (sp->hint_host) {
        kci_codec_init(&kci_produce_response__node_endpoint_schema, &endpoint);
        endpoint.node_id = sp->hint_leader;
        endpoint.host = kci_str_of(sp->hint_host);
        endpoint.port = 9092;
        response.node_endpoints = &endpoint;
        response.node_endpoints_count = 1;
    }
    if (reply && request->acks != 0)
        script_answer_quietly_(&sp->peer, r, r->header.version, &response);
    r->taken = true;
    kci_arena_destroy(&arena);
}

static inline bool script_producer_serve_(struct script_peer *peer, struct script_request *r)
{
    struct script_producer *sp = peer->context;
    if (r->header.api_key == KCI_API_INIT_PRODUCER_ID) {
        struct kci_init_producer_id_response response;
        kci_codec_init(&kci_init_producer_id_response_schema, &response);
        sp->id_requests++;
        if (sp->id_errors > 0 && sp->id_errors--)
            response.error_code = sp->id_error;
        else
            response.producer_id = sp->next_producer_id++;
        script_answer_quietly_(peer, r, r->header.version, &response);
        return true;
    }
    if (r->header.api_key != KCI_API_PRODUCE)
        return false;
    enum script_fault kind = SCRIPT_NO_FAULT;
    int16_t code = 0;
    sp->produce_requests++;
    if (sp->fault_first < sp->fault_count) {
        kind = sp->faults[sp->fault_first].kind;
        code = sp->faults[sp->fault_first++].code;
    }
    switch (kind) {
    case SCRIPT_NO_FAULT:
        script_produce_answer(sp, r, true, 0, true);
        break;
    case SCRIPT_ERROR:
        script_produce_answer(sp, r, false, code, true);
        break;
    case SCRIPT_APPLY_THEN_ERROR:
        script_produce_answer(sp, r, true, code, true);
        break;
    case SCRIPT_CLOSE:
    case SCRIPT_APPLY_THEN_CLOSE:
        script_produce_answer(sp, r, kind == SCRIPT_APPLY_THEN_CLOSE, 0, false);
        r->conn->state = SCRIPT_CLOSED_BY_US;
        peer->engine.ops->on_close(peer->engine.self, r->conn->id, r->conn->user, "reset by the test", peer->now);
        break;
    case SCRIPT_SILENCE:
        script_produce_answer(sp, r, true, 0, false);
        r->conn->silent = true;
        break;
    case SCRIPT_HOLD:
        r->conn->silent = true; /* nothing behind it is served either */
        return false;
    }
    return true;
}

/* Serve a request that was held, and let its connection go on. */
static inline void script_serve_now(struct script_producer *sp, struct script_request *r, bool apply, int16_t code)
{
    r->conn->silent = false;
    script_produce_answer(sp, r, apply, code, true);
    script_settle(&sp->peer);
}

static inline void script_fault(struct script_producer *sp, enum script_fault kind, int16_t code)
{
    assert_true(sp->fault_count < SCRIPT_FAULTS);
    sp->faults[sp->fault_count].kind = kind;
    sp->faults[sp->fault_count++].code = code;
}

/* ---- life ---- */

static inline void script_producer_init(struct script_producer *sp)
{
    memset(sp, 0, sizeof *sp);
    script_peer_init(&sp->peer);
    sp->peer.auto_connect = sp->peer.auto_versions = sp->peer.auto_metadata = true;
    sp->peer.serve = script_producer_serve_;
    sp->peer.context = sp;
    script_topic(&sp->peer, "t", 3);
    sp->next_producer_id = 100;
    sp->append_time_ms = -1;
    sp->alloc = test_alloc_counting(&sp->memory);
    for (size_t i = 0; i < SCRIPT_LOG_PARTITIONS; i++)
        sp->logs[i].producer_id = -1;
    sp->settings = script_settings();
    sp->settings.acks = -1;
    sp->settings.retries = INT32_MAX;
    sp->settings.delivery_timeout_ms = 120000;
    sp->settings.linger_ms = 0;
    sp->settings.batch_size = 16384;
    sp->settings.buffer_memory = 32 << 20;
    sp->settings.max_block_ms = 60000;
    sp->settings.max_request_size = 1 << 20;
    sp->settings.max_in_flight_requests_per_connection = 5;
    sp->settings.compression_level = KCI_LEVEL_DEFAULT;
    sp->settings.enable_idempotence = true;
    sp->settings.delivery = script_p_deliver_;
    sp->settings.delivery_context = sp;
    sp->settings.delivery_every_record = true;
}

static inline kc_err script_producer_try(struct script_producer *sp, kc_error *error)
{
    struct kci_producer_options options = { .alloc = &sp->alloc,
                                            .settings = &sp->settings,
                                            .transport = script_peer_transport(&sp->peer),
                                            .seed = 7,
                                            .wake = script_p_wake_,
                                            .notify = script_p_notify_,
                                            .context = sp };
    kc_err err = kci_producer_create(&sp->producer, &options, sp->peer.now, error);
    if (!err)
        script_peer_attach(&sp->peer, kci_producer_engine(sp->producer));
    return err;
}

static inline void script_producer_create(struct script_producer *sp)
{
    kc_error error;
    if (script_producer_try(sp, &error))
        fail_msg("%s", error.text);
}

/* Also: every record that was taken has exactly one fate. */
static inline void script_producer_destroy(struct script_producer *sp)
{
    kci_producer_destroy(sp->producer, sp->peer.now);
    script_peer_destroy(&sp->peer);
    assert_int_equal(sp->memory.live_blocks, 0);
    if (!sp->settings.delivery)
        return;
    assert_int_equal(sp->fate_count, sp->sent);
    static bool told[SCRIPT_FATES];
    memset(told, 0, sizeof told);
    for (size_t i = 0; i < sp->fate_count; i++) {
        assert_false(told[sp->fates[i].number]);
        told[sp->fates[i].number] = true;
    }
}

/* ---- sending ---- */

/* Queue one record; its opaque is its number. Nothing moves until the world is stepped. */
static inline kc_err script_queue(struct script_producer *sp, int32_t partition, const char *value,
                                  struct kci_producer_wait *why, kc_error *error)
{
    kc_record record = KC_RECORD_INIT;
    size_t accepted = 0;
    record.topic = "t";
    record.partition = partition;
    record.value = (kc_bytes){ value, strlen(value) };
    record.opaque = (void *)(uintptr_t)sp->sent;
    memcpy(sp->sent_values[sp->sent], value, strlen(value) < SCRIPT_VALUE ? strlen(value) + 1 : SCRIPT_VALUE - 1);
    kc_err err =
        kci_producer_append(sp->producer, &record, 1, &accepted, sp->peer.now, sp->peer.now / 1000, why, error);
    assert_int_equal(accepted, err == KC_OK);
    sp->sent += accepted;
    return err;
}

/* Queue one record, waiting for metadata if need be, and let the world move. */
static inline void script_send(struct script_producer *sp, int32_t partition, const char *value)
{
    struct kci_producer_wait why;
    kc_error error;
    kc_err err = script_queue(sp, partition, value, &why, &error);
    if (err == KC_ERR_QUEUE_FULL && why.what == KCI_WAIT_METADATA) {
        script_settle(&sp->peer);
        err = script_queue(sp, partition, value, &why, &error);
    }
    if (err)
        fail_msg("%s", error.text);
    script_settle(&sp->peer);
}

/* Make the topic known and one batch acknowledged for each partition, so that several may be in flight. */
static inline void script_warm_up(struct script_producer *sp, int32_t partitions)
{
    for (int32_t p = 0; p < partitions; p++)
        script_send(sp, p, "w");
    for (int32_t p = 0; p < partitions; p++)
        assert_int_equal(sp->logs[p].end, 1);
}

/* As if the producer had sent so many records to the partition that this is the next sequence; the broker agrees. */
static inline void script_producer_sequence(struct script_producer *sp, int32_t partition, int32_t next)
{
    struct kci_topic *topic = kci_topic_find(sp->producer, "t");
    kci_topic_partition(topic, partition)->next_sequence = next;
    sp->logs[partition].seen[sp->logs[partition].seen_count - 1].last = next - 1;
}

/* ---- looking ---- */

static inline void script_log_is(struct script_producer *sp, int32_t partition, const char *expected)
{
    char text[4096] = "";
    for (int64_t i = 0; i < sp->logs[partition].end; i++) {
        size_t used = strlen(text);
        snprintf(text + used, sizeof text - used, "%s%s", i ? " " : "", sp->logs[partition].values[i]);
    }
    assert_string_equal(text, expected);
}

static inline void script_fates_are(struct script_producer *sp, const char *expected)
{
    char text[4096] = "";
    for (size_t i = 0; i < sp->fate_count; i++) {
        const struct script_fate *fate = &sp->fates[i];
        size_t used = strlen(text);
        used += (size_t)snprintf(text + used, sizeof text - used, "%s%s=", i ? " " : "", sp->sent_values[fate->number]);
        if (fate->code)
            snprintf(text + used, sizeof text - used, "%s%s", kc_err_name(fate->code),
                     fate->traits & KC_MAYBE_APPLIED ? "?" : "");
        else
            snprintf(text + used, sizeof text - used, "%lld", (long long)fate->offset);
    }
    assert_string_equal(text, expected);
}

/* The first Produce request that waits for an answer. */
static inline struct script_request *script_held(struct script_producer *sp)
{
    struct script_request *r = script_pending(&sp->peer, NULL, KCI_API_PRODUCE);
    assert_non_null(r);
    return r;
}

#endif
