/* Answers to Produce requests, batch by batch (PROTOCOL 2.5, 2.7).
 *
 *   no answer: connection lost, timed out, malformed     sent again; maybe applied
 *   NONE, DUPLICATE_SEQUENCE_NUMBER                      delivered
 *   MESSAGE_TOO_LARGE and several records                split into smaller batches
 *   OUT_OF_ORDER_SEQUENCE_NUMBER                         sent again; of the first outstanding batch: under a new epoch,
 *                                                        unless maybe applied, as may be what was given up before it
 *   UNKNOWN_PRODUCER_ID                                  the same, unless maybe applied
 *   INVALID_PRODUCER_EPOCH, INVALID_PRODUCER_ID_MAPPING  sent again under a new producer id, unless maybe applied
 *   retriable                                            sent again after a back-off; with newer metadata where Kafka does so
 *   others                                               failed
 *
 * What the answer says about partitions that were not asked for, or says twice, is ignored; a partition that it leaves
 * out was not answered. */
#include "producer/internal.h"

typedef struct kci_produce_response__partition_produce_response partition_answer;
typedef struct kci_produce_response__topic_produce_response topic_answer;

/* ---- one batch ---- */

static struct kci_refusal *refusal_of(struct kci_producer *producer, const partition_answer *answer)
{
    size_t count = answer->record_errors_count > 0 ? (size_t)answer->record_errors_count : 0, text = 0;
    if (!count)
        return NULL;
    for (size_t i = 0; i < count; i++)
        text += answer->record_errors[i].batch_index_error_message.size + 1;
    size_t head = sizeof(struct kci_refusal) + count * sizeof(struct kci_refused);
    struct kci_refusal *refusal = kci_alloc_new(producer->alloc, head + text);
    if (!refusal)
        return NULL; /* then all records get the batch's text */
    char *at = (char *)refusal + head;
    refusal->count = (int32_t)count;
    for (size_t i = 0; i < count; i++) {
        struct kci_str message = answer->record_errors[i].batch_index_error_message;
        refusal->records[i] = (struct kci_refused){ answer->record_errors[i].batch_index, message.data ? at : NULL };
        if (message.size)
            memcpy(at, message.data, message.size);
        at[message.size] = 0;
        at += message.size + 1;
    }
    return refusal;
}

/* With acks=all the leader writes first and waits then: when it is deposed, or loses its disk, while it waits, it
 * answers with the same error as one that wrote nothing. */
static bool is_ambiguous(const struct kci_producer *producer, int16_t error)
{
    return error == KCI_REQUEST_TIMED_OUT || error == KCI_NOT_ENOUGH_REPLICAS_AFTER_APPEND ||
           error == KCI_UNKNOWN_SERVER_ERROR ||
           (producer->settings->acks == -1 &&
            (error == KCI_NOT_LEADER_OR_FOLLOWER || error == KCI_KAFKA_STORAGE_ERROR));
}

/* The sequence, epoch or id was refused: is the batch to be sent again, and how? False: it fails. */
static bool recover(struct kci_producer *producer, struct kci_batch *batch, int16_t error)
{
    struct kci_partition *partition = batch->partition;
    bool first = kci_list_first(&partition->outstanding) == &batch->link;
    if (!producer->idempotent)
        return false;
    switch (error) {
    case KCI_OUT_OF_ORDER_SEQUENCE_NUMBER: /* of the first: it is not in the log, nor is what follows it */
        if (!first)
            return true;
        partition->reset_wanted = true;
        if (!partition->gap_unsure)
            return true;
        partition->reset_error = error; /* they may come there yet, one behind the other */
        return !batch->maybe_applied;
    case KCI_INVALID_PRODUCER_EPOCH:
    case KCI_INVALID_PRODUCER_ID_MAPPING:
    case KCI_UNKNOWN_PRODUCER_ID:
        if (!first)
            return true;
        partition->reset_wanted = true;
        partition->reset_error = error;
        if (error != KCI_UNKNOWN_PRODUCER_ID)
            partition->producer_epoch = INT16_MAX; /* no epoch of this id is any good */
        return !batch->maybe_applied; /* with new numbers the broker would not recognize what it may have already */
    default:
        return false;
    }
}

static void refused(struct kci_producer *producer, struct kci_batch *batch, const partition_answer *answer,
                    int32_t node, int64_t now)
{
    int16_t error = answer->error_code;
    struct kci_str said = answer->error_message;
    struct kci_cause *cause =
        kci_cause_new(producer->alloc, now, "broker %d (%s) answered %s%s%.*s", (int)node,
                      kci_cluster_node_text(producer->cluster, node), kci_error_name(error), said.size ? ": " : "",
                      (int)(said.size < 120 ? said.size : 120), said.data ? said.data : "");
    batch->maybe_applied |= is_ambiguous(producer, error);
    if (kci_error_flags(error) & KCI_ERROR_REFRESH)
        kci_cluster_refresh(producer->cluster, kci_error_name(error), now);
    if (error == KCI_MESSAGE_TOO_LARGE && batch->count > 1 && kci_split(producer, batch, cause)) {
        kci_cause_release(cause);
        return;
    }
    bool again = (kci_error_flags(error) & KCI_ERROR_RETRIABLE) || recover(producer, batch, error);
    if (!again && !batch->refusal)
        batch->refusal = refusal_of(producer, answer);
    kci_fate_attempt_failed(producer, batch, (kc_err)error, again, cause, now);
    if (error == KCI_PRODUCER_FENCED && !atomic_load(&producer->dead)) {
        kci_fail(&producer->fatal, KC_ERR_FENCED, 0, "%s", cause ? cause->text : "another producer took over");
        atomic_store(&producer->dead, true);
        producer->must_notify = true;
    }
    kci_cause_release(cause);
}

/* A batch whose fate was told while the request was under way is freed with it. */
static void released(struct kci_producer *producer, struct kci_batch *batch)
{
    batch->in_request = false;
    if (batch->reported)
        kci_batch_free(batch, &producer->pool, producer->alloc);
}

static void answered(struct kci_producer *producer, struct kci_batch *batch, const partition_answer *answer,
                     int32_t node, int64_t now)
{
    struct kci_partition *partition = batch->partition;
    if (batch->state == KCI_BATCH_DONE) { /* expired meanwhile */
        released(producer, batch);
        return;
    }
    batch->in_request = false;
    if (answer->error_code == KCI_DUPLICATE_SEQUENCE_NUMBER)
        kci_count(&producer->counters.duplicates, 1);
    if (answer->error_code == KCI_NONE || answer->error_code == KCI_DUPLICATE_SEQUENCE_NUMBER) {
        bool led = partition->target && partition->target->node == node;
        partition->pipelined = led && (!batch->sequenced || (batch->producer_id == partition->producer_id &&
                                                             batch->producer_epoch == partition->producer_epoch));
        kci_fate_success(producer, batch, answer->error_code ? -1 : answer->base_offset, answer->log_append_time_ms);
    } else {
        refused(producer, batch, answer, node, now);
    }
}

static void unanswered(struct kci_producer *producer, struct kci_batch *batch, const struct kci_reply *reply,
                       kc_err code, struct kci_cause *cause, int64_t now)
{
    if (batch->state == KCI_BATCH_DONE) {
        released(producer, batch);
        return;
    }
    batch->in_request = false;
    batch->maybe_applied |= reply->maybe_applied || reply->error == KC_OK;
    if (producer->plant == KCI_PLANT_ACK_BEFORE_SENT) {
        kci_fate_success(producer, batch, -1, -1);
        return;
    }
    bool again = (kc_err_traits(code) & KC_RETRIABLE) || code == KC_ERR_MALFORMED || code == KC_ERR_NOT_KAFKA;
    kci_fate_attempt_failed(producer, batch, code, again && code != KC_ERR_CLOSED, cause, now);
}

/* ---- one response ---- */

/* The batch that an answer is about: nearly always the next one. */
static struct kci_batch *find(const struct kci_produce *request, const topic_answer *topic, int32_t index,
                              int16_t version, size_t *next)
{
    for (size_t i = 0; i < request->batch_count; i++, ++*next) {
        if (*next >= request->batch_count)
            *next = 0;
        struct kci_batch *batch = request->batches[*next];
        if (!batch) /* answered, and maybe gone */
            continue;
        const struct kci_topic *ours = batch->partition->topic;
        if (batch->partition->index != index)
            continue;
        /* no info: the batch was given up long ago, and the topic dropped since */
        if (version >= 13 ? ours->info && kci_uuid_equal(&ours->info->id, &topic->topic_id)
                          : kci_str_equal(kci_str_of(ours->name), topic->name))
            return batch;
    }
    return NULL;
}

static void take_hints(struct kci_producer *producer, const struct kci_produce_response *response,
                       const struct kci_topic *topic, const partition_answer *answer, int64_t now)
{
    if ((answer->error_code != KCI_NOT_LEADER_OR_FOLLOWER && answer->error_code != KCI_FENCED_LEADER_EPOCH) ||
        answer->current_leader.leader_id < 0)
        return;
    for (int32_t i = 0; i < response->node_endpoints_count; i++)
        kci_cluster_node_hint(producer->cluster, response->node_endpoints[i].node_id, response->node_endpoints[i].host,
                              response->node_endpoints[i].port, response->node_endpoints[i].rack, now);
    kci_cluster_leader_hint(producer->cluster, kci_str_of(topic->name), answer->index, answer->current_leader.leader_id,
                            answer->current_leader.leader_epoch, now);
}

static void read_response(struct kci_produce *request, const struct kci_reply *reply, int64_t now)
{
    const struct kci_produce_response *response = reply->response;
    struct kci_producer *producer = request->producer;
    size_t next = 0;
    for (int32_t t = 0; t < response->responses_count; t++) {
        const topic_answer *topic = &response->responses[t];
        for (int32_t p = 0; p < topic->partition_responses_count; p++) {
            const partition_answer *answer = &topic->partition_responses[p];
            struct kci_batch *batch = find(request, topic, answer->index, reply->version, &next);
            if (!batch)
                continue;
            struct kci_partition *partition = batch->partition;
            request->batches[next] = NULL;
            answered(producer, batch, answer, reply->node, now);
            take_hints(producer, response, partition->topic, answer, now);
            kci_fate_settle(producer, partition);
            kci_lane_update(producer, partition, now);
        }
    }
}

void kci_response_done(struct kci_call *call, const struct kci_reply *reply, int64_t now)
{
    struct kci_produce *request = call->owner;
    struct kci_producer *producer = request->producer;
    struct kci_cause *cause = NULL;
    kc_err code = reply->error;
    producer->stirred = true;
    kci_list_remove(&request->link);
    if (code == KC_OK && !call->no_reply) {
        read_response(request, reply, now);
        code = KC_ERR_MALFORMED; /* for those that are left */
    }
    for (size_t i = 0; i < request->batch_count; i++) {
        struct kci_batch *batch = request->batches[i];
        if (!batch)
            continue;
        struct kci_partition *partition = batch->partition;
        if (code == KC_OK) { /* acks=0: with the socket is all we learn */
            static const partition_answer sent = { .base_offset = -1, .log_append_time_ms = -1 };
            answered(producer, batch, &sent, reply->node, now);
        } else {
            if (!cause)
                cause = kci_cause_new(producer->alloc, now, "%s",
                                      reply->text ? reply->text : "the answer to the request leaves the partition out");
            unanswered(producer, batch, reply, code, cause, now);
        }
        kci_fate_settle(producer, partition);
        kci_lane_update(producer, partition, now);
    }
    if (code == KC_ERR_TRANSPORT || code == KC_ERR_TIMED_OUT || code == KC_ERR_RESOLVE)
        kci_cluster_refresh(producer->cluster, "a broker did not answer a Produce request", now);
    kci_cause_release(cause);
    kci_list_push(&producer->idle_requests, &request->link);
}
