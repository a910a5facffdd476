/* The words of stories about transactions: a producer that speaks to one broker with typed structs. */
#ifndef TEST_SUPPORT_TXN_STORY_H
#define TEST_SUPPORT_TXN_STORY_H

#include "mockbroker/core/txn_registry.h"
#include "support/group_story.h"
#include "support/memory_storage.h"

struct txn_client {
    struct world *world;
    struct client *conn; /* to the coordinator, which leads everything in worlds of one broker */
    struct kci_str id;
    int32_t timeout_ms;
    int64_t producer_id; /* as the last answer said */
    int16_t epoch;
    int32_t sequence; /* of the next batch, any partition */
};

static inline int32_t txn_coordinator(struct world *s, const char *id)
{
    struct kci_str key = kci_str_of(id);
    struct client *conn = group_connect(s, 1, "finder");
    struct kci_find_coordinator_request body = { .key_type = 1, .coordinator_keys = &key, .coordinator_keys_count = 1 };
    const struct kci_find_coordinator_response *answer = client_call(conn, KCI_API_FIND_COORDINATOR, 6, &body);
    assert_code(answer->coordinators[0].error_code, KCI_NONE);
    return answer->coordinators[0].node_id;
}

static inline struct txn_client txn_client_of(struct world *s, const char *id)
{
    int32_t broker = txn_coordinator(s, id);
    return (struct txn_client){ s, group_connect(s, broker, id), kci_str_of(id), 60000, -1, -1, 0 };
}

static inline void txn_send_init(struct txn_client *c, bool again)
{
    struct kci_init_producer_id_request body;
    kci_codec_init(&kci_init_producer_id_request_schema, &body);
    body.transactional_id = c->id;
    body.transaction_timeout_ms = c->timeout_ms;
    if (again) {
        body.producer_id = c->producer_id;
        body.producer_epoch = c->epoch;
    }
    client_send(c->conn, KCI_API_INIT_PRODUCER_ID, 5, &body);
}

/* NULL: it has not come. */
static inline const struct kci_init_producer_id_response *txn_inited(struct txn_client *c)
{
    const struct kci_init_producer_id_response *answer = client_answer(c->conn, KCI_API_INIT_PRODUCER_ID, 5);
    if (answer && !answer->error_code) {
        c->producer_id = answer->producer_id;
        c->epoch = answer->producer_epoch;
        c->sequence = 0;
    }
    return answer;
}

/* As a new producer; or with `again`, as one that knows its id (KIP-360). */
static inline int16_t txn_init(struct txn_client *c, bool again)
{
    txn_send_init(c, again);
    const struct kci_init_producer_id_response *answer = txn_inited(c);
    assert_non_null(answer);
    return answer->error_code;
}

static inline void txn_send_add(struct txn_client *c, const char *topic, int32_t partition)
{
    struct kci_add_partitions_to_txn_request__add_partitions_to_txn_topic of = { .name = kci_str_of(topic),
                                                                                 .partitions = &partition,
                                                                                 .partitions_count = 1 };
    struct kci_add_partitions_to_txn_request body = { .v3_and_below_transactional_id = c->id,
                                                      .v3_and_below_producer_id = c->producer_id,
                                                      .v3_and_below_producer_epoch = c->epoch,
                                                      .v3_and_below_topics = &of,
                                                      .v3_and_below_topics_count = 1 };
    client_send(c->conn, KCI_API_ADD_PARTITIONS_TO_TXN, 3, &body);
}

/* NULL: it has not come. */
static inline const struct kci_add_partitions_to_txn_response *txn_added(struct txn_client *c)
{
    return client_answer(c->conn, KCI_API_ADD_PARTITIONS_TO_TXN, 3);
}

/* AddPartitionsToTxn v3. */
static inline int16_t txn_add(struct txn_client *c, const char *topic, int32_t partition)
{
    txn_send_add(c, topic, partition);
    const struct kci_add_partitions_to_txn_response *answer = txn_added(c);
    assert_non_null(answer);
    return answer->results_by_topic_v3_and_below[0].results_by_partition[0].partition_error_code;
}

/* A batch of `count` records of the transaction to a partition that broker of `conn` leads. */
static inline int16_t txn_produce_at(struct txn_client *c, struct client *conn, int16_t version, const char *topic,
                                     int32_t partition, int32_t count)
{
    struct kci_bytes batch = world_batch(c->world, (struct batch_of){ .count = count,
                                                                      .producer_id = c->producer_id,
                                                                      .epoch = c->epoch,
                                                                      .sequence = c->sequence,
                                                                      .attributes = KCI_BATCH_TRANSACTIONAL });
    struct kci_produce_request__partition_produce_data data = { .index = partition, .records = batch };
    struct kci_produce_request__topic_produce_data of = { .name = kci_str_of(topic),
                                                          .partition_data = &data,
                                                          .partition_data_count = 1 };
    struct kci_produce_request request = {
        .transactional_id = c->id, .acks = -1, .timeout_ms = 1000, .topic_data = &of, .topic_data_count = 1
    };
    const struct kci_produce_response *answer = client_call(conn, KCI_API_PRODUCE, version, &request);
    int16_t error = answer->responses[0].partition_responses[0].error_code;
    c->sequence += error ? 0 : count;
    return error;
}

static inline int16_t txn_produce(struct txn_client *c, const char *topic, int32_t partition, int32_t count)
{
    int32_t leader = world_look(c->world, topic, partition).leader;
    return txn_produce_at(c, group_connect(c->world, leader, "producer"), 12, topic, partition, count);
}

/* v5 takes over the id and epoch of the answer. */
static inline int16_t txn_end_as(struct txn_client *c, int16_t version, bool commit)
{
    struct kci_end_txn_request body = {
        .transactional_id = c->id, .producer_id = c->producer_id, .producer_epoch = c->epoch, .committed = commit
    };
    const struct kci_end_txn_response *answer = client_call(c->conn, KCI_API_END_TXN, version, &body);
    if (!answer->error_code && version >= 5) {
        c->producer_id = answer->producer_id;
        c->epoch = answer->producer_epoch;
        c->sequence = 0;
    }
    return answer->error_code;
}
static inline int16_t txn_end(struct txn_client *c, bool commit)
{
    return txn_end_as(c, 5, commit);
}

static inline const struct kci_describe_transactions_response__transaction_state *txn_describe(struct txn_client *c)
{
    struct kci_describe_transactions_request body = { .transactional_ids = &c->id, .transactional_ids_count = 1 };
    const struct kci_describe_transactions_response *answer =
        client_call(c->conn, KCI_API_DESCRIBE_TRANSACTIONS, 0, &body);
    assert_int_equal(answer->transaction_states_count, 1);
    return &answer->transaction_states[0];
}

static inline void assert_txn_state(struct txn_client *c, const char *state)
{
    const struct kci_describe_transactions_response__transaction_state *seen = txn_describe(c);
    assert_code(seen->error_code, KCI_NONE);
    assert_str(seen->transaction_state, state);
}

/* TxnOffsetCommit, of nobody in particular. */
static inline int16_t txn_commit_offset(struct txn_client *c, struct client *conn, int16_t version, const char *group,
                                        const char *topic, int64_t offset)
{
    struct kci_txn_offset_commit_request__txn_offset_commit_request_partition partition = {
        .committed_offset = offset, .committed_leader_epoch = -1, .committed_metadata = NAME("m")
    };
    struct kci_txn_offset_commit_request__txn_offset_commit_request_topic of = { .name = kci_str_of(topic),
                                                                                 .partitions = &partition,
                                                                                 .partitions_count = 1 };
    struct kci_txn_offset_commit_request body;
    kci_codec_init(&kci_txn_offset_commit_request_schema, &body);
    body.transactional_id = c->id;
    body.group_id = kci_str_of(group);
    body.producer_id = c->producer_id;
    body.producer_epoch = c->epoch;
    body.topics = &of;
    body.topics_count = 1;
    const struct kci_txn_offset_commit_response *answer = client_call(conn, KCI_API_TXN_OFFSET_COMMIT, version, &body);
    return answer->topics[0].partitions[0].error_code;
}

/* What a read_committed consumer of the leader gets from `offset`. */
static inline const struct kci_fetch_response__partition_data *
txn_fetch(struct world *s, const char *topic, int32_t partition, int64_t offset, int8_t isolation)
{
    struct client *conn = group_connect(s, world_look(s, topic, partition).leader, "reader");
    client_fetch(conn,
                 (struct fetch_of){ .topic = topic, .partition = partition, .offset = offset, .isolation = isolation });
    const struct kci_fetch_response *answer = client_answer(conn, KCI_API_FETCH, FETCH_VERSION);
    assert_non_null(answer);
    assert_int_equal(answer->responses_count, 1);
    return &answer->responses[0].partitions[0];
}

/* The control batch at an offset of the leader's log. */
static inline void assert_txn_marker(struct world *s, const char *topic, int32_t partition, int64_t offset, bool commit,
                                     int64_t producer_id, int16_t epoch)
{
    struct kci_bytes batch;
    struct kci_batch_iterator it;
    struct kci_record_view marker;
    assert_true(mb_cluster_batch(s->cluster, kci_str_of(topic), partition, offset, &batch));
    assert_true(kci_batch_crc_ok(batch.data, batch.size));
    assert_int_equal(kci_batch_open(&it, batch.data, batch.size, &s->alloc, 0), KCI_BATCH_OK);
    assert_int_equal(it.header.base_offset, offset);
    assert_int_equal(it.header.attributes, KCI_BATCH_TRANSACTIONAL | KCI_BATCH_CONTROL);
    assert_int_equal(it.header.producer_id, producer_id);
    assert_int_equal(it.header.producer_epoch, epoch);
    assert_int_equal(it.header.base_sequence, -1);
    assert_int_equal(kci_batch_next(&it, &marker), 1);
    assert_int_equal(kci_be16(marker.key.data + 2), commit);
    kci_batch_close(&it);
}

#endif
