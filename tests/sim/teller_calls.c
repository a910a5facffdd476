/* What a teller says: one request for each step, and what the answers mean to a producer, as Kafka's clients have it
 * (PROTOCOL 2, 4.8).  Without transaction.version 2 it speaks the versions of before KIP-890: partitions and groups are
 * added to the transaction first, and epochs stay when it ends. */
#include "tellers.h"

#include "protocol/records.h"

#include <assert.h>
#include <stdio.h>

#define BATCH_BYTES_MAX 100000

static struct sim_history *history_of(struct sim_teller *t)
{
    return &t->all->stage->history;
}

/* ---- answers ---- */

/* A code of the coordinator's, or of a leader's. */
static enum sim_outcome judge(struct sim_teller *t, int16_t code)
{
    if (code)
        sim_note(&t->all->stage->world, "%s hears %s in step %d", t->name, kci_error_name(code), t->step);
    switch (code) {
    case KCI_NONE:
        return SIM_DONE;
    case KCI_NOT_COORDINATOR:
    case KCI_COORDINATOR_NOT_AVAILABLE:
    case KCI_COORDINATOR_LOAD_IN_PROGRESS:
    case KCI_CONCURRENT_TRANSACTIONS:
    case KCI_NOT_LEADER_OR_FOLLOWER:
    case KCI_LEADER_NOT_AVAILABLE:
    case KCI_UNKNOWN_TOPIC_OR_PARTITION:
    case KCI_NOT_ENOUGH_REPLICAS:
    case KCI_KAFKA_STORAGE_ERROR:
        return SIM_AGAIN;
    case KCI_REQUEST_TIMED_OUT:
    case KCI_NOT_ENOUGH_REPLICAS_AFTER_APPEND:
        return SIM_NOT_KNOWN;
    case KCI_PRODUCER_FENCED:
    case KCI_INVALID_PRODUCER_EPOCH:
        return SIM_FENCED;
    case KCI_TRANSACTION_ABORTABLE:
        return SIM_GIVE_UP;
    case KCI_INVALID_TXN_STATE: /* up to v11 of Produce, what TRANSACTION_ABORTABLE is later; of an end of nothing */
        if (!t->modern)
            return SIM_GIVE_UP;
        if (t->step == SIM_TELLER_END && t->commit) /* the time-out has aborted it, and its epoch is the one before */
            return SIM_FENCED;
        break;
    default:
        break;
    }
    sim_violation(&t->all->stage->verdict, "T0", "%s hears %s in step %d", t->name, kci_error_name(code), t->step);
    return SIM_FENCED;
}

static enum sim_outcome take_init(struct sim_teller *t, const struct kci_init_producer_id_response *response)
{
    enum sim_outcome outcome = judge(t, response->error_code);
    if (outcome != SIM_DONE)
        return outcome;
    t->producer_id = response->producer_id;
    t->epoch = response->producer_epoch;
    memset(t->sequence, 0, sizeof t->sequence);
    struct sim_lease lease = { .id = t->id, .producer_id = t->producer_id, .epoch = t->epoch };
    for (int32_t p = 0; p < SIM_LEDGER_PARTITIONS; p++)
        lease.ends[p] = sim_vault_end(&t->all->stage->bank->vault, p);
    t->lease = sim_ledger_lease(&history_of(t)->ledger, lease);
    return SIM_DONE;
}

static enum sim_outcome take_produce(struct sim_teller *t, const struct kci_produce_response *response)
{
    if (response->responses_count != 1 || response->responses[0].partition_responses_count != 1)
        return judge(t, KCI_UNKNOWN_SERVER_ERROR);
    enum sim_outcome outcome = judge(t, response->responses[0].partition_responses[0].error_code);
    for (uint32_t i = 0; outcome == SIM_DONE && i < t->count; i++)
        history_of(t)->ledger.sent.items[t->first + i].taken = true;
    return outcome;
}

static enum sim_outcome take_add(struct sim_teller *t, const struct kci_add_partitions_to_txn_response *response)
{
    if (response->results_by_topic_v3_and_below_count != 1 ||
        response->results_by_topic_v3_and_below[0].results_by_partition_count != 1)
        return judge(t, KCI_UNKNOWN_SERVER_ERROR);
    return judge(t, response->results_by_topic_v3_and_below[0].results_by_partition[0].partition_error_code);
}

static enum sim_outcome take_offsets(struct sim_teller *t, const struct kci_txn_offset_commit_response *response)
{
    if (response->topics_count != 1 || response->topics[0].partitions_count != 1)
        return judge(t, KCI_UNKNOWN_SERVER_ERROR);
    return judge(t, response->topics[0].partitions[0].error_code);
}

static enum sim_outcome take_end(struct sim_teller *t, const struct kci_end_txn_response *response)
{
    enum sim_outcome outcome = judge(t, response->error_code);
    if (outcome == SIM_DONE && t->modern) {
        t->producer_id = response->producer_id;
        t->epoch = response->producer_epoch;
        memset(t->sequence, 0, sizeof t->sequence);
    }
    return outcome;
}

static enum sim_outcome take(struct sim_teller *t, const struct kci_reply *reply)
{
    switch (t->step) {
    case SIM_TELLER_INIT:
        return take_init(t, reply->response);
    case SIM_TELLER_ADD:
        return take_add(t, reply->response);
    case SIM_TELLER_PLAIN:
    case SIM_TELLER_PRODUCE:
        return take_produce(t, reply->response);
    case SIM_TELLER_ADD_GROUP:
        return judge(t, ((const struct kci_add_offsets_to_txn_response *)reply->response)->error_code);
    case SIM_TELLER_OFFSETS:
        return take_offsets(t, reply->response);
    case SIM_TELLER_END:
        return take_end(t, reply->response);
    default:
        return SIM_FENCED;
    }
}

static void on_done(struct kci_call *call, const struct kci_reply *reply, int64_t now)
{
    struct sim_teller *t = call->owner;
    t->calling = false;
    if (t->closing)
        return;
    enum sim_outcome outcome = reply->error == KC_OK  ? take(t, reply)
                               : reply->maybe_applied ? SIM_NOT_KNOWN
                                                      : SIM_AGAIN;
    if (outcome == SIM_AGAIN || outcome == SIM_NOT_KNOWN) {
        kci_cluster_refresh(t->cluster, "an answer", now);
        bool of_group = t->step == SIM_TELLER_OFFSETS;
        if (of_group)
            kci_coordinator_lost(&t->group_coordinator, "an answer", now);
        else if (t->step != SIM_TELLER_PRODUCE && t->step != SIM_TELLER_PLAIN)
            kci_coordinator_lost(&t->coordinator, "an answer", now);
    }
    sim_teller_answered(t, outcome, now);
}

/* ---- requests ---- */

void sim_teller_batch(struct sim_teller *t, int32_t partition, uint32_t count)
{
    struct sim_stage *stage = t->all->stage;
    static uint8_t values[SIM_TELLER_MAX][SIM_TELLER_SIZE];
    struct kci_record records[SIM_TELLER_MAX] = { { .timestamp_ms = 0 } };
    bool plain = t->step == SIM_TELLER_PLAIN;
    assert(count <= SIM_TELLER_MAX);
    t->partition = partition;
    t->count = count;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t counter = sim_ledger_sent(&stage->history.ledger,
                                           (struct sim_sent){ plain ? SIM_PLAIN : t->txn, partition, 0, false });
        size_t size = SIM_VALUE_HEAD + (size_t)kci_prng_below(&t->prng, SIM_TELLER_SIZE - SIM_VALUE_HEAD);
        stage->history.ledger.sent.items[counter].checksum =
            sim_value_write(values[i], size, (uint32_t)t->id, counter, partition);
        records[i].timestamp_ms = SIM_WALL_MS + stage->world.now / SIM_MS;
        records[i].value = (struct kci_bytes){ values[i], size };
        t->first = i ? t->first : counter;
    }
    struct kci_batch_header header = { .leader_epoch = -1,
                                       .magic = 2,
                                       .attributes = plain ? 0 : KCI_BATCH_TRANSACTIONAL,
                                       .producer_id = plain ? -1 : t->producer_id,
                                       .producer_epoch = plain ? -1 : t->epoch,
                                       .base_sequence = plain ? -1 : t->sequence[partition] };
    kci_writer_destroy(&t->batch);
    t->batch = kci_writer_of(stage->alloc, BATCH_BYTES_MAX);
    enum kci_batch_error error = kci_batch_write(&t->batch, &header, records, count, KCI_LEVEL_DEFAULT);
    assert(error == KCI_BATCH_OK);
    (void)error;
    if (!plain)
        t->sequence[partition] += (int32_t)count;
}

static void ask_init(struct sim_teller *t)
{
    kci_codec_init(&kci_init_producer_id_request_schema, &t->request.init);
    t->request.init.transactional_id = kci_str_of(t->txn_id);
    t->request.init.transaction_timeout_ms = t->all->stage->workload.txn_timeout_ms;
    if (t->again) {
        t->request.init.producer_id = t->producer_id;
        t->request.init.producer_epoch = t->epoch;
    }
}

static void ask_add(struct sim_teller *t)
{
    t->add_topic = (struct kci_add_partitions_to_txn_request__add_partitions_to_txn_topic){
        .name = kci_str_of(SIM_LEDGER), .partitions = &t->partition, .partitions_count = 1
    };
    t->request.add = (struct kci_add_partitions_to_txn_request){ .v3_and_below_transactional_id = kci_str_of(t->txn_id),
                                                                 .v3_and_below_producer_id = t->producer_id,
                                                                 .v3_and_below_producer_epoch = t->epoch,
                                                                 .v3_and_below_topics = &t->add_topic,
                                                                 .v3_and_below_topics_count = 1 };
}

static void ask_produce(struct sim_teller *t)
{
    t->produce_partition =
        (struct kci_produce_request__partition_produce_data){ .index = t->partition,
                                                              .records = { t->batch.data, t->batch.size } };
    t->produce_topic = (struct kci_produce_request__topic_produce_data){ .name = kci_str_of(SIM_LEDGER),
                                                                         .partition_data = &t->produce_partition,
                                                                         .partition_data_count = 1 };
    t->request.produce = (struct kci_produce_request){
        .acks = -1, .timeout_ms = t->settings.request_timeout_ms, .topic_data = &t->produce_topic, .topic_data_count = 1
    };
    if (t->step == SIM_TELLER_PRODUCE)
        t->request.produce.transactional_id = kci_str_of(t->txn_id);
}

static void ask_add_group(struct sim_teller *t)
{
    t->request.add_group = (struct kci_add_offsets_to_txn_request){ .transactional_id = kci_str_of(t->txn_id),
                                                                    .producer_id = t->producer_id,
                                                                    .producer_epoch = t->epoch,
                                                                    .group_id = kci_str_of(t->group) };
}

static void ask_offsets(struct sim_teller *t)
{
    kci_codec_init(&kci_txn_offset_commit_request_schema, &t->request.offsets);
    t->offset_partition = (struct kci_txn_offset_commit_request__txn_offset_commit_request_partition){
        .committed_offset = (int64_t)t->txn + 1, .committed_leader_epoch = -1, .committed_metadata = kci_str_of("")
    };
    t->offset_topic = (struct kci_txn_offset_commit_request__txn_offset_commit_request_topic){
        .name = kci_str_of(SIM_LEDGER), .partitions = &t->offset_partition, .partitions_count = 1
    };
    t->request.offsets.transactional_id = kci_str_of(t->txn_id);
    t->request.offsets.group_id = kci_str_of(t->group);
    t->request.offsets.producer_id = t->producer_id;
    t->request.offsets.producer_epoch = t->epoch;
    t->request.offsets.generation_id_or_member_epoch = -1;
    t->request.offsets.member_id = kci_str_of("");
    t->request.offsets.topics = &t->offset_topic;
    t->request.offsets.topics_count = 1;
}

static void ask_end(struct sim_teller *t)
{
    struct sim_stage *stage = t->all->stage;
    struct sim_txn *txn = &stage->history.ledger.txns.items[t->txn];
    t->request.end = (struct kci_end_txn_request){ .transactional_id = kci_str_of(t->txn_id),
                                                   .producer_id = t->producer_id,
                                                   .producer_epoch = t->epoch,
                                                   .committed = t->commit };
    if (txn->decision == SIM_UNDECIDED)
        txn->decided_at = stage->world.now;
    txn->decision = t->commit ? SIM_COMMIT : SIM_ABORT;
}

/* Who is to get it; KCI_NODE_NONE: not known now. */
static int32_t target(struct sim_teller *t, int64_t now)
{
    if (t->step == SIM_TELLER_OFFSETS)
        return kci_coordinator_node(&t->group_coordinator, now);
    if (t->step != SIM_TELLER_PRODUCE && t->step != SIM_TELLER_PLAIN)
        return kci_coordinator_node(&t->coordinator, now);
    const struct kci_topic_info *topic = kci_cluster_topic(t->cluster, kci_str_of(SIM_LEDGER));
    if (topic && topic->partitions && t->partition < topic->partition_count &&
        topic->partitions[t->partition].leader >= 0)
        return topic->partitions[t->partition].leader;
    kci_cluster_refresh(t->cluster, "no leader", now);
    return KCI_NODE_NONE;
}

bool sim_teller_call(struct sim_teller *t, int64_t now)
{
    static const struct {
        int16_t api, classic_min, classic_max, modern_min, modern_max;
        void (*ask)(struct sim_teller *teller);
    } rows[SIM_TELLER_STEPS] = {
        [SIM_TELLER_INIT] = { KCI_API_INIT_PRODUCER_ID, 3, 4, 5, 5, ask_init },
        [SIM_TELLER_PLAIN] = { KCI_API_PRODUCE, 9, 11, 12, 12, ask_produce },
        [SIM_TELLER_ADD] = { KCI_API_ADD_PARTITIONS_TO_TXN, 2, 3, 2, 3, ask_add },
        [SIM_TELLER_PRODUCE] = { KCI_API_PRODUCE, 9, 11, 12, 12, ask_produce },
        [SIM_TELLER_ADD_GROUP] = { KCI_API_ADD_OFFSETS_TO_TXN, 2, 3, 2, 4, ask_add_group },
        [SIM_TELLER_OFFSETS] = { KCI_API_TXN_OFFSET_COMMIT, 3, 4, 5, 5, ask_offsets },
        [SIM_TELLER_END] = { KCI_API_END_TXN, 2, 4, 5, 5, ask_end },
    };
    int32_t node = target(t, now);
    assert(rows[t->step].ask && !t->calling);
    if (node == KCI_NODE_NONE)
        return false;
    rows[t->step].ask(t);
    t->call = (struct kci_call){ .api = rows[t->step].api,
                                 .version_min = t->modern ? rows[t->step].modern_min : rows[t->step].classic_min,
                                 .version_max = t->modern ? rows[t->step].modern_max : rows[t->step].classic_max,
                                 .request = &t->request,
                                 .timeout_ms = t->settings.request_timeout_ms,
                                 .done = on_done,
                                 .owner = t };
    t->calling = true;
    kci_cluster_call(t->cluster, node, &t->call, now);
    return true;
}
