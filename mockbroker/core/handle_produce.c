/* Produce (PROTOCOL 4.1): append each partition's batch, then answer:
 *
 *      acks 0    nothing; the connection is closed when anything failed
 *      acks 1    at once
 *      acks -1   when the high watermark has passed every batch, or with REQUEST_TIMED_OUT when timeout_ms is over
 *
 * A transactional batch needs a transaction that its partition is part of: from v12 on it comes in with the batch, for
 * older clients the coordinator is asked (KIP-890).  A partition that has a batch of the transaction already is known
 * to be in it, so this happens once per transaction and partition.
 *
 * The batches stay where the request's frame has them: the logs take references to it. */
#include "mockbroker/core/authorize.h"
#include "mockbroker/core/cluster.h"
#include "mockbroker/core/rack.h"
#include "mockbroker/core/txn_add.h"
#include "mockbroker/core/validate.h"

#define MAGIC_AT        16
#define ATTRIBUTES_AT   22 /* of a batch: the byte of them that says transactional */
#define PRODUCER_ID_AT  43
#define EPOCH_AT        51
#define ADDS_SINCE      12
#define ABORTABLE_SINCE 11 /* the version that knows TRANSACTION_ABORTABLE */

struct produce;

struct produce_wait { /* one partition that is not yet as far as acks=all asks */
    struct mb_ack ack;
    struct produce *produce;
    struct kci_produce_response__partition_produce_response *result;
};

struct produce { /* in the arena of the request */
    struct mb_request *request;
    struct kci_produce_response response;
    struct produce_wait *waits;
    int32_t wait_count; /* of waits */
    int32_t left;       /* waits that are not over */
    bool begun;         /* all partitions were appended: the last wait may answer */
    bool failed;        /* some partition has an error */
    int16_t refused;    /* the whole of it, with this error */
    const char *why;    /* of refused; NULL: nothing to add */
    int16_t admission;  /* into the transaction, of what was not in it yet; v12+ */
    struct mb_alarm timeout;
};

static void stop_waiting(struct produce *produce)
{
    for (int32_t i = 0; i < produce->wait_count; i++)
        kci_list_remove(&produce->waits[i].ack.link);
    mb_alarm_stop(produce->request->cluster, &produce->timeout);
}

/* Where the new leader is, for errors that come from asking the wrong one (KIP-951). */
static void add_leader_hint(struct produce *produce, const struct mb_partition *partition,
                            struct kci_produce_response__partition_produce_response *result)
{
    struct kci_produce_response *response = &produce->response;
    struct mb_cluster *cluster = produce->request->cluster;
    struct kci_str host;
    int32_t port;
    result->current_leader.leader_id = partition->leader;
    result->current_leader.leader_epoch = partition->leader_epoch;
    for (int32_t i = 0; i < response->node_endpoints_count; i++)
        if (response->node_endpoints[i].node_id == partition->leader)
            return;
    if (!mb_request_endpoint(produce->request, partition->leader, &host, &port))
        return;
    if (!response->node_endpoints)
        response->node_endpoints =
            kci_arena_array(&produce->request->arena, (size_t)cluster->broker_count, sizeof *response->node_endpoints);
    if (!response->node_endpoints)
        return;
    struct kci_produce_response__node_endpoint *node = &response->node_endpoints[response->node_endpoints_count++];
    node->node_id = partition->leader;
    node->host = host;
    node->port = port;
    node->rack = mb_broker_rack(cluster, partition->leader);
}

static void answer(struct produce *produce, int64_t now)
{
    struct mb_request *request = produce->request;
    const struct kci_produce_request *body = request->body;
    stop_waiting(produce);
    if (body->acks == 0 && produce->failed)
        mb_request_hang_up(request, "a produce request with acks=0 failed", now);
    else if (body->acks == 0)
        mb_request_no_answer(request, now);
    else
        mb_request_answer(request, &produce->response, now);
}

/* ---- acks=all
 * -------------------------------------------------------------------------------------------------------- */

static void wait_done(struct mb_ack *ack, int16_t error, int64_t now)
{
    struct produce_wait *wait = KCI_CONTAINER(ack, struct produce_wait, ack);
    struct produce *produce = wait->produce;
    if (error) {
        wait->result->error_code = error;
        wait->result->base_offset = -1;
        wait->result->log_append_time_ms = -1;
    }
    produce->left--;
    if (produce->left == 0 && produce->begun)
        answer(produce, now);
}

static void timed_out(void *owner, int64_t now)
{
    struct produce *produce = owner;
    for (int32_t i = 0; i < produce->wait_count; i++)
        if (kci_list_linked(&produce->waits[i].ack.link)) {
            produce->waits[i].result->error_code = KCI_REQUEST_TIMED_OUT;
            produce->waits[i].result->base_offset = -1;
        }
    answer(produce, now);
}

static void wait_for(struct produce *produce, struct mb_partition *partition, int64_t offset,
                     struct kci_produce_response__partition_produce_response *result)
{
    struct produce_wait *wait = &produce->waits[produce->wait_count++];
    wait->ack.required = offset;
    wait->ack.done = wait_done;
    wait->produce = produce;
    wait->result = result;
    produce->left++;
    mb_partition_ack_add(partition, &wait->ack);
}

/* ---- the request
 * ----------------------------------------------------------------------------------------------------- */

static void set_errors(struct produce *produce, const struct mb_append *append,
                       struct kci_produce_response__partition_produce_response *result)
{
    produce->failed = true;
    result->error_code = append->error;
    result->error_message = kci_str_of(append->message);
    if (!append->record_error_count)
        return;
    result->record_errors =
        kci_arena_array(&produce->request->arena, (size_t)append->record_error_count, sizeof *result->record_errors);
    for (int32_t i = 0; result->record_errors && i < append->record_error_count; i++) {
        result->record_errors[i].batch_index = append->record_errors[i].index;
        result->record_errors[i].batch_index_error_message = kci_str_of(append->record_errors[i].message);
        result->record_errors_count = i + 1;
    }
}

static bool is_transactional(struct kci_bytes records)
{
    return records.size >= KCI_BATCH_HEADER_BYTES && records.data[MAGIC_AT] == 2 &&
           (records.data[ATTRIBUTES_AT] & KCI_BATCH_TRANSACTIONAL);
}

static struct mb_append append_of(struct mb_request *request, struct kci_bytes records)
{
    const struct kci_produce_request *body = request->body;
    return (struct mb_append){ .frame = request->frame,
                               .records = records,
                               .acks = body->acks,
                               .version = request->header.version,
                               .log_start_offset = -1,
                               .arena = &request->arena };
}

/* Whose transaction it is part of. */
static struct mb_txn_claim claim_of(const struct kci_produce_request *body, struct kci_bytes records)
{
    return (struct mb_txn_claim){ body->transactional_id, (int64_t)kci_be64(records.data + PRODUCER_ID_AT),
                                  (int16_t)kci_be16(records.data + EPOCH_AT) };
}

static bool has_producer(struct kci_bytes records)
{
    return is_transactional(records) && (int64_t)kci_be64(records.data + PRODUCER_ID_AT) >= 0;
}

/* What this broker knows of producers, when it leads and the batch is part of a transaction of one; else NULL. */
static const struct mb_producers *producers_of(const struct mb_request *request, const struct mb_partition *partition,
                                               struct kci_bytes records)
{
    if (!has_producer(records) || !partition || partition->leader != request->broker)
        return NULL;
    const struct mb_replica *leader = mb_partition_leader(partition);
    return leader ? &leader->producers : NULL;
}

/* Must the coordinator be asked about it? */
static bool is_new_to_transaction(struct mb_request *request, const struct mb_partition *partition,
                                  struct kci_bytes records)
{
    const struct mb_producers *producers = producers_of(request, partition, records);
    struct mb_append append = append_of(request, records);
    if (!producers || mb_validate_shape(&append))
        return false;
    struct mb_txn_claim claim = claim_of(request->body, records);
    return !mb_producers_in_transaction(producers, claim.producer_id, claim.epoch) &&
           !mb_producers_fenced(producers, claim.producer_id, claim.epoch);
}

/* 0: it may be appended. */
static int16_t check_transaction(const struct produce *produce, const struct mb_partition *partition,
                                 struct kci_bytes records, int64_t now)
{
    struct mb_request *request = produce->request;
    const struct mb_producers *producers = producers_of(request, partition, records);
    if (!producers) /* somebody else leads, or there is nothing to look after */
        return has_producer(records) ? mb_partition_check(partition, request->broker, -1) : KCI_NONE;
    struct mb_txn_claim claim = claim_of(request->body, records);
    if (request->cluster->options.plant == MB_PLANT_ZOMBIES) /* planted defect */
        return KCI_NONE;
    if (mb_producers_fenced(producers, claim.producer_id, claim.epoch))
        return KCI_INVALID_PRODUCER_EPOCH;
    if (mb_producers_in_transaction(producers, claim.producer_id, claim.epoch))
        return KCI_NONE;
    if (request->header.version >= ADDS_SINCE)
        return produce->admission;
    struct mb_txn_ref ref = { kci_str_of(partition->topic->name), partition->index };
    return mb_txn_verify(request->cluster, &claim, &ref,
                         request->header.version >= ABORTABLE_SINCE ? KCI_TRANSACTION_ABORTABLE : KCI_INVALID_TXN_STATE,
                         now);
}

/* In Kafka's order, which shows when several things are wrong. 0: the leader's checks come next. */
static int16_t check(const struct produce *produce, const struct mb_partition *partition, int16_t topic_error,
                     struct mb_append *append, int64_t now)
{
    const struct kci_produce_request *body = produce->request->body;
    append->message = produce->why;
    if (produce->refused)
        return produce->refused;
    if (!partition)
        return topic_error ? topic_error : KCI_UNKNOWN_TOPIC_OR_PARTITION;
    int16_t error = mb_validate_shape(append);
    if (!error && body->transactional_id.data)
        error = check_transaction(produce, partition, append->records, now);
    if (error)
        return error;
    if (body->acks < -1 || body->acks > 1)
        return KCI_INVALID_REQUIRED_ACKS;
    return partition->topic->internal ? KCI_INVALID_TOPIC_EXCEPTION : KCI_NONE;
}

static void append_one(struct produce *produce, struct mb_topic *topic, int16_t topic_error,
                       const struct kci_produce_request__partition_produce_data *data,
                       struct kci_produce_response__partition_produce_response *result, int64_t now)
{
    struct mb_request *request = produce->request;
    const struct kci_produce_request *body = request->body;
    struct mb_partition *partition = topic ? mb_topic_partition(topic, data->index) : NULL;
    struct mb_append append = append_of(request, data->records);
    kci_codec_init(&kci_produce_response__partition_produce_response_schema, result);
    result->index = data->index;
    result->base_offset = -1;
    append.error = check(produce, partition, topic_error, &append, now);
    if (append.error == KCI_INVALID_TXN_STATE || append.error == KCI_TRANSACTION_ABORTABLE)
        append.message = "the partition is not part of the transaction";
    if (!append.error)
        mb_partition_append(partition, request->broker, &append, now);
    result->log_start_offset = append.log_start_offset;
    if (append.error) {
        set_errors(produce, &append, result);
        if (partition && append.error == KCI_NOT_LEADER_OR_FOLLOWER && request->header.version >= 10)
            add_leader_hint(produce, partition, result);
        return;
    }
    const struct mb_replica *leader = mb_partition_leader(partition);
    result->base_offset = append.base_offset;
    result->log_append_time_ms = append.append_time_ms;
    if (body->acks == -1 && leader->high_watermark <= append.last_offset)
        wait_for(produce, partition, append.last_offset + 1, result);
}

static bool may_use_transaction(const struct mb_request *request, struct kci_str id)
{
    return id.data &&
           (!request->cluster->authorizer || mb_authorize(request, MB_ACL_WRITE, MB_ACL_TRANSACTIONAL_ID, id));
}

static struct mb_topic *topic_of(const struct mb_request *request,
                                 const struct kci_produce_request__topic_produce_data *data, int16_t *error)
{
    const struct kci_uuid *id = request->header.version >= 13 ? &data->topic_id : NULL;
    struct mb_topic *topic = mb_topic_resolve(request->cluster, data->name, id, error);
    if (id && !topic)
        *error = KCI_UNKNOWN_TOPIC_ID;
    return topic;
}

/* Is it one of a partition that exists, in the transaction of another producer than `first`? */
static bool is_of_another(struct mb_request *request, const struct mb_topic *topic,
                          const struct kci_produce_request__partition_produce_data *data, struct mb_txn_claim *first)
{
    struct mb_append append = append_of(request, data->records);
    if (!mb_topic_partition(topic, data->index) || !has_producer(data->records) || mb_validate_shape(&append))
        return false;
    struct mb_txn_claim claim = claim_of(request->body, data->records);
    if (first->producer_id < 0)
        *first = claim;
    return claim.producer_id != first->producer_id || claim.epoch != first->epoch;
}

/* A transaction has one producer. */
static bool has_two_producers(struct mb_request *request)
{
    const struct kci_produce_request *body = request->body;
    struct mb_txn_claim first = { .producer_id = -1 };
    for (int32_t t = 0; t < body->topic_data_count; t++) {
        int16_t ignored;
        const struct mb_topic *topic = topic_of(request, &body->topic_data[t], &ignored);
        for (int32_t p = 0; topic && p < body->topic_data[t].partition_data_count; p++)
            if (is_of_another(request, topic, &body->topic_data[t].partition_data[p], &first))
                return true;
    }
    return false;
}

static void refuse(struct produce *produce, int16_t error, const char *why)
{
    produce->refused = error;
    produce->why = why;
}

/* Nothing of the request is done when it has a transactional batch and no transactional id, or one that the client has
 * no right to.  Kafka looks for such a batch by walking over all, and so stops at one that cannot be read. */
static void refuse_whole(struct produce *produce)
{
    struct mb_request *request = produce->request;
    const struct kci_produce_request *body = request->body;
    for (int32_t t = 0; t < body->topic_data_count; t++)
        for (int32_t p = 0; p < body->topic_data[t].partition_data_count; p++) {
            struct mb_append append = append_of(request, body->topic_data[t].partition_data[p].records);
            if (is_transactional(append.records)) {
                if (!may_use_transaction(request, body->transactional_id))
                    refuse(produce, KCI_TRANSACTIONAL_ID_AUTHORIZATION_FAILED, NULL);
                else if (has_two_producers(request))
                    refuse(produce, KCI_INVALID_PRODUCER_ID_MAPPING,
                           "the transactional batches are not of one producer");
                return;
            }
            if (mb_validate_shape(&append) == KCI_CORRUPT_MESSAGE) {
                refuse(produce, KCI_CORRUPT_MESSAGE, append.message);
                return;
            }
        }
}

static bool prepare(struct produce *produce, const struct kci_produce_request *body)
{
    struct kci_arena *arena = &produce->request->arena;
    size_t partitions = 0;
    kci_codec_init(&kci_produce_response_schema, &produce->response);
    produce->response.responses =
        kci_arena_array(arena, (size_t)body->topic_data_count, sizeof *produce->response.responses);
    for (int32_t t = 0; produce->response.responses && t < body->topic_data_count; t++) {
        struct kci_produce_response__topic_produce_response *topic = &produce->response.responses[t];
        size_t count = (size_t)body->topic_data[t].partition_data_count;
        partitions += count;
        topic->name = body->topic_data[t].name;
        topic->topic_id = body->topic_data[t].topic_id;
        topic->partition_responses = kci_arena_array(arena, count, sizeof *topic->partition_responses);
        topic->partition_responses_count = (int32_t)count;
        if (!topic->partition_responses)
            return false;
    }
    produce->response.responses_count = body->topic_data_count;
    produce->waits = body->acks == -1 ? kci_arena_array(arena, partitions, sizeof *produce->waits) : NULL;
    return produce->response.responses && (produce->waits || body->acks != -1);
}

static void append_all(struct produce *produce, int64_t now)
{
    struct mb_request *request = produce->request;
    const struct kci_produce_request *body = request->body;
    for (int32_t t = 0; t < body->topic_data_count; t++) {
        const struct kci_produce_request__topic_produce_data *data = &body->topic_data[t];
        int16_t error;
        struct mb_topic *topic = topic_of(request, data, &error);
        for (int32_t p = 0; p < data->partition_data_count; p++)
            append_one(produce, topic, error, &data->partition_data[p],
                       &produce->response.responses[t].partition_responses[p], now);
    }
    produce->begun = true;
    if (produce->left == 0) {
        answer(produce, now);
        return;
    }
    produce->timeout.fire = timed_out;
    produce->timeout.owner = produce;
    mb_alarm_set(request->cluster, &produce->timeout,
                 now + (int64_t)(body->timeout_ms > 0 ? body->timeout_ms : 0) * 1000);
}

static void admitted(void *owner, int16_t error, int64_t now)
{
    struct produce *produce = owner;
    produce->admission = error;
    append_all(produce, now);
}

/* Into the transaction with every partition that is not in it yet (v12+). A request has one producer. */
static void admit(struct produce *produce, size_t partitions, int64_t now)
{
    struct mb_request *request = produce->request;
    const struct kci_produce_request *body = request->body;
    struct mb_txn_ref *refs = kci_arena_array(&request->arena, partitions, sizeof *refs);
    struct mb_txn_claim claim = { 0 };
    size_t count = 0;
    for (int32_t t = 0; refs && t < body->topic_data_count; t++) {
        const struct kci_produce_request__topic_produce_data *data = &body->topic_data[t];
        int16_t ignored;
        const struct mb_topic *topic = topic_of(request, data, &ignored);
        for (int32_t p = 0; topic && p < data->partition_data_count; p++) {
            const struct mb_partition *partition = mb_topic_partition(topic, data->partition_data[p].index);
            if (!is_new_to_transaction(request, partition, data->partition_data[p].records))
                continue;
            claim = claim_of(body, data->partition_data[p].records);
            refs[count++] = (struct mb_txn_ref){ kci_str_of(topic->name), partition->index };
        }
    }
    if (count)
        mb_txn_admit(request->cluster, &claim, refs, count, admitted, produce, now);
    else
        admitted(produce, refs ? KCI_NONE : KCI_NOT_ENOUGH_REPLICAS, now);
}

void mb_handle_produce(struct mb_request *request, int64_t now)
{
    const struct kci_produce_request *body = request->body;
    if (request->header.version < 3) {
        mb_request_hang_up(request, "Produce v0-2: advertised for old librdkafka, not served any more (KIP-896)", now);
        return;
    }
    struct produce *produce = kci_arena_take(&request->arena, sizeof *produce);
    if (!produce) {
        mb_request_hang_up(request, "no memory for a produce request", now);
        return;
    }
    produce->request = request;
    if (!prepare(produce, body)) {
        mb_request_hang_up(request, "no memory for a produce request", now);
        return;
    }
    size_t partitions = 0;
    for (int32_t t = 0; t < body->topic_data_count; t++)
        partitions += (size_t)body->topic_data[t].partition_data_count;
    refuse_whole(produce);
    if (body->transactional_id.data && request->header.version >= ADDS_SINCE && !produce->refused)
        admit(produce, partitions, now);
    else
        append_all(produce, now);
}
