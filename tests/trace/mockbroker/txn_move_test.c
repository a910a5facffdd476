/* Transactions outlive their coordinator, and a restart; time ends those that their producers forgot. */
#include "mockbroker/core/group_registry.h"
#include "mockbroker/core/group_txn.h"
#include "support/txn_story.h"

static const char transactions[] = "__transaction_state";

/* The coordinator's partition goes to the next broker; the client follows. */
static void move(struct world *s, struct txn_client *c)
{
    int32_t home = mb_txns_home_of(s->cluster->transactions, c->id);
    int32_t next = world_look(s, transactions, home).leader % 3 + 1;
    assert_code(mb_cluster_move_leader(s->cluster, kci_str_of(transactions), home, next, s->now), KCI_NONE);
    world_step(s);
    c->conn = group_connect(s, next, "moved");
}

/* A move in each state that lasts: what was open stays open, what had ended has ended. */
static void a_move_changes_nothing(void **unused)
{
    struct world s;
    (void)unused;
    world_open(&s, 3, NULL);
    world_topic(&s, "t", 1, 3, NULL);
    struct txn_client c = txn_client_of(&s, "id");
    assert_code(txn_init(&c, false), KCI_NONE);
    struct client *before = c.conn;
    move(&s, &c);
    assert_txn_state(&c, "Empty");
    struct txn_client late = c;
    late.conn = before;
    assert_code(txn_end(&late, true), KCI_NOT_COORDINATOR);
    assert_code(txn_produce(&c, "t", 0, 2), KCI_NONE);
    move(&s, &c);
    assert_txn_state(&c, "Ongoing");
    assert_int_equal(txn_describe(&c)->topics_count, 1);
    assert_code(txn_produce(&c, "t", 0, 1), KCI_NONE);
    assert_code(txn_end(&c, true), KCI_NONE);
    move(&s, &c);
    assert_txn_state(&c, "CompleteCommit");
    assert_int_equal(txn_describe(&c)->producer_epoch, c.epoch);
    assert_code(txn_produce(&c, "t", 0, 1), KCI_NONE);
    assert_code(txn_end(&c, false), KCI_NONE);
    move(&s, &c);
    assert_txn_state(&c, "CompleteAbort");
    assert_int_equal(world_look(&s, "t", 0).last_stable, 6);
    assert_int_equal(txn_fetch(&s, "t", 0, 4, 1)->aborted_transactions_count, 1);
    world_close(&s);
}

/* Who takes over may find that a partition is in the transaction, by a record that may yet be lost with it: no answer rests
 * on that before it counts.  The partition would get no marker from the next one, who does not know of it. */
static void what_may_be_lost_is_not_said(void **unused)
{
    struct world s;
    struct mb_partition_view view;
    (void)unused;
    world_open_with(&s, (struct mb_options){ .brokers = 3,
                                             .config = "transaction.state.log.num.partitions=1",
                                             .replication_delay_us = 5000 });
    world_topic(&s, "t", 3, 1, NULL);
    struct txn_client c = txn_client_of(&s, "id");
    int32_t first = world_look(&s, transactions, 0).leader, next = first % 3 + 1, other = next % 3 + 1, mine = 0;
    while (world_look(&s, "t", mine).leader != next)
        mine++;
    assert_code(mb_cluster_broker_stop(s.cluster, other, false, s.now), KCI_NONE);
    txn_send_init(&c, false);
    while (!txn_inited(&c))
        world_pass(&s, 1);
    txn_send_add(&c, "t", mine);
    while (!txn_added(&c))
        world_pass(&s, 1);

    assert_code(mb_cluster_broker_stop(s.cluster, first, false, s.now), KCI_NONE);
    assert_code(mb_cluster_partition(s.cluster, kci_str_of(transactions), 0, &view), KCI_NONE);
    assert_int_equal(view.leader, next);
    assert_true(view.high_watermark < view.log_end);
    c.conn = group_connect(&s, next, "c");
    assert_code(txn_add(&c, "t", mine), KCI_COORDINATOR_LOAD_IN_PROGRESS);
    assert_code(txn_end(&c, true), KCI_COORDINATOR_LOAD_IN_PROGRESS);
    world_pass(&s, 3000);
    assert_code(txn_add(&c, "t", mine), KCI_COORDINATOR_LOAD_IN_PROGRESS);

    assert_code(mb_cluster_broker_start(s.cluster, first, s.now), KCI_NONE);
    world_pass(&s, 1000);
    assert_code(txn_add(&c, "t", mine), KCI_NONE);
    assert_txn_state(&c, "Ongoing");
    assert_int_equal(txn_describe(&c)->topics_count, 1);
    world_close(&s);
}

/* The decision is made and the partition has no leader: the new coordinator writes the marker when there is one. */
static void a_decision_is_carried_out_by_whoever_coordinates(void **unused)
{
    struct world s;
    (void)unused;
    for (int commit = 0; commit < 2; commit++) {
        world_open(&s, 3, NULL);
        world_topic(&s, "t", 1, 1, NULL);
        struct txn_client c = txn_client_of(&s, "id");
        assert_code(txn_init(&c, false), KCI_NONE);
        assert_code(txn_produce(&c, "t", 0, 1), KCI_NONE);
        int32_t holder = world_look(&s, "t", 0).leader;
        int32_t home = mb_txns_home_of(s.cluster->transactions, c.id);
        int64_t producer_id = c.producer_id;
        int32_t other = holder % 3 + 1, third = other % 3 + 1;
        mb_cluster_move_leader(s.cluster, kci_str_of(transactions), home, other, s.now);
        c.conn = group_connect(&s, other, "c");
        assert_code(mb_cluster_broker_stop(s.cluster, holder, false, s.now), KCI_NONE);
        assert_code(txn_end(&c, commit), KCI_NONE);
        assert_txn_state(&c, commit ? "PrepareCommit" : "PrepareAbort");
        struct txn_client again = c;
        again.epoch--;
        assert_code(txn_end(&again, commit), KCI_CONCURRENT_TRANSACTIONS);
        assert_code(txn_init(&again, false), KCI_CONCURRENT_TRANSACTIONS);
        assert_code(mb_cluster_move_leader(s.cluster, kci_str_of(transactions), home, third, s.now), KCI_NONE);
        c.conn = group_connect(&s, third, "c");
        world_pass(&s, 1000);
        assert_txn_state(&c, commit ? "PrepareCommit" : "PrepareAbort");
        assert_code(mb_cluster_broker_start(s.cluster, holder, s.now), KCI_NONE);
        world_pass(&s, 1000);
        assert_txn_state(&c, commit ? "CompleteCommit" : "CompleteAbort");
        assert_txn_marker(&s, "t", 0, 1, commit, producer_id, c.epoch);
        assert_int_equal(world_look(&s, "t", 0).last_stable, 2);
        world_close(&s);
    }
}

/* Everything is read back from the data directory: open and ended transactions, aborted ranges, offsets that wait. */
static void a_restart_remembers(void **unused)
{
    static struct memory_storage files;
    struct kci_storage storage = memory_storage_of(&files);
    struct world s;
    (void)unused;
    world_open_with(&s, (struct mb_options){ .brokers = 1, .storage = &storage });
    world_topic(&s, "t", 1, 1, NULL);
    struct txn_client a = txn_client_of(&s, "a"), b = txn_client_of(&s, "b");
    assert_code(txn_init(&a, false), KCI_NONE);
    assert_code(txn_init(&b, false), KCI_NONE);
    assert_code(txn_produce(&a, "t", 0, 1), KCI_NONE); /* 0 */
    assert_code(txn_end(&a, false), KCI_NONE);         /* 1 */
    assert_code(txn_produce(&b, "t", 0, 1), KCI_NONE); /* 2 */
    group_coordinator(&s, "g");
    assert_code(txn_commit_offset(&b, b.conn, 5, "g", "t", 7), KCI_NONE);
    int64_t started_ms = txn_describe(&b)->transaction_start_time_ms;
    world_close(&s);

    world_open_with(&s, (struct mb_options){ .brokers = 1, .storage = &storage });
    world_step(&s);
    a.world = b.world = &s;
    a.conn = b.conn = group_connect(&s, 1, "again");
    assert_txn_state(&a, "CompleteAbort");
    assert_txn_state(&b, "Ongoing");
    assert_true(txn_describe(&b)->transaction_start_time_ms == started_ms);
    assert_int_equal(world_look(&s, "t", 0).last_stable, 2);
    assert_int_equal(txn_fetch(&s, "t", 0, 0, 1)->aborted_transactions_count, 1);
    struct group_client g = group_client_of(&s, group_coordinator(&s, "g"), "g", "g");
    assert_true(mb_group_txn_has(mb_groups_find(s.cluster->groups, kci_str_of("g")), kci_str_of("t"), 0));
    assert_code(txn_end(&b, true), KCI_NONE);
    assert_int_equal(group_committed(&g, "t", 0), 7);
    assert_int_equal(world_look(&s, "t", 0).last_stable, 4);
    assert_code(txn_produce(&a, "t", 0, 1), KCI_NONE);
    assert_code(txn_end(&a, true), KCI_NONE);
    world_close(&s);
    memory_storage_free(&files);
}

/* Longer than transaction.timeout.ms: aborted, and its producer is fenced; a new one goes on. */
static void what_is_open_for_too_long_is_aborted(void **unused)
{
    struct world s;
    (void)unused;
    world_open(&s, 1, NULL);
    world_topic(&s, "t", 1, 1, NULL);
    struct txn_client c = txn_client_of(&s, "id");
    c.timeout_ms = 5000;
    assert_code(txn_init(&c, false), KCI_NONE);
    assert_code(txn_produce(&c, "t", 0, 1), KCI_NONE);
    world_pass(&s, 4900);
    assert_txn_state(&c, "Ongoing");
    world_pass(&s, 10200);
    assert_txn_state(&c, "CompleteAbort");
    assert_txn_marker(&s, "t", 0, 1, false, c.producer_id, c.epoch + 1);
    assert_code(txn_produce(&c, "t", 0, 1), KCI_INVALID_PRODUCER_EPOCH);
    struct txn_client fenced = c;
    fenced.epoch--;
    assert_code(txn_end(&fenced, true), KCI_PRODUCER_FENCED);
    assert_code(txn_init(&c, false), KCI_NONE);
    assert_int_equal(c.epoch, 2);
    assert_code(txn_produce(&c, "t", 0, 1), KCI_NONE);
    world_close(&s);
}

/* Nobody used the id for transactional.id.expiration.ms: it is forgotten, also after a restart. */
static void ids_expire(void **unused)
{
    struct world s;
    (void)unused;
    world_open(&s, 3, NULL);
    world_topic(&s, "t", 1, 3, NULL);
    struct txn_client c = txn_client_of(&s, "id");
    assert_code(txn_init(&c, false), KCI_NONE);
    world_pass(&s, 604800000 + 3600000 + 1000);
    assert_code(txn_describe(&c)->error_code, KCI_TRANSACTIONAL_ID_NOT_FOUND);
    move(&s, &c);
    assert_code(txn_describe(&c)->error_code, KCI_TRANSACTIONAL_ID_NOT_FOUND);
    assert_code(txn_end(&c, true), KCI_INVALID_PRODUCER_ID_MAPPING);
    assert_code(txn_init(&c, false), KCI_NONE);
    assert_int_equal(c.epoch, 0);
    world_close(&s);
}

/* Offsets of a transaction count when it commits, never when it aborts; who wants stable ones is told to wait. */
static void offsets_count_with_the_transaction(void **unused)
{
    struct world s;
    (void)unused;
    world_open(&s, 3, NULL);
    world_topic(&s, "t", 1, 3, NULL);
    struct txn_client c = txn_client_of(&s, "id");
    int32_t home = group_coordinator(&s, "g");
    struct client *coordinator = group_connect(&s, home, "c");
    struct group_client g = group_client_of(&s, home, "g", "g");
    assert_code(txn_init(&c, false), KCI_NONE);
    assert_code(txn_commit_offset(&c, coordinator, 3, "g", "t", 5), KCI_INVALID_TXN_STATE);
    assert_code(txn_commit_offset(&c, coordinator, 4, "g", "t", 5), KCI_TRANSACTION_ABORTABLE);
    assert_code(txn_commit_offset(&c, coordinator, 5, "g", "t", 5), KCI_NONE);
    struct kci_offset_fetch_request__offset_fetch_request_topics topic = { .name = NAME("t"),
                                                                           .partition_indexes = (int32_t[]){ 0 },
                                                                           .partition_indexes_count = 1 };
    struct kci_offset_fetch_request__offset_fetch_request_group group = {
        .group_id = NAME("g"), .member_epoch = -1, .topics = &topic, .topics_count = 1
    };
    struct kci_offset_fetch_request body = { .groups = &group, .groups_count = 1, .require_stable = true };
    const struct kci_offset_fetch_response *answer = client_call(coordinator, KCI_API_OFFSET_FETCH, 8, &body);
    assert_code(answer->groups[0].topics[0].partitions[0].error_code, KCI_UNSTABLE_OFFSET_COMMIT);
    assert_code(txn_end(&c, false), KCI_NONE);
    assert_int_equal(group_committed(&g, "t", 0), -1);
    assert_code(txn_commit_offset(&c, coordinator, 5, "g", "t", 6), KCI_NONE);
    assert_code(txn_end(&c, true), KCI_NONE);
    answer = client_call(coordinator, KCI_API_OFFSET_FETCH, 8, &body);
    assert_code(answer->groups[0].topics[0].partitions[0].error_code, KCI_NONE);
    assert_int_equal(answer->groups[0].topics[0].partitions[0].committed_offset, 6);

    struct kci_add_offsets_to_txn_request add = {
        .transactional_id = c.id, .producer_id = c.producer_id, .producer_epoch = c.epoch, .group_id = NAME("g")
    };
    const struct kci_add_offsets_to_txn_response *added = client_call(c.conn, KCI_API_ADD_OFFSETS_TO_TXN, 3, &add);
    assert_code(added->error_code, KCI_NONE);
    assert_code(txn_commit_offset(&c, coordinator, 3, "g", "t", 9), KCI_NONE);
    assert_code(txn_end_as(&c, 4, true), KCI_NONE);
    assert_int_equal(group_committed(&g, "t", 0), 9);
    world_close(&s);
}

/* Filters of ListTransactions: state, producer id, how long it is open, pattern; each broker tells of its own. */
static void lists_are_filtered(void **unused)
{
    struct world s;
    (void)unused;
    world_open(&s, 1, NULL);
    world_topic(&s, "t", 1, 1, NULL);
    struct txn_client a = txn_client_of(&s, "open-1"), b = txn_client_of(&s, "idle-1");
    assert_code(txn_init(&a, false), KCI_NONE);
    assert_code(txn_init(&b, false), KCI_NONE);
    assert_code(txn_produce(&a, "t", 0, 1), KCI_NONE);
    struct kci_str states[] = { kci_str_of("Ongoing"), kci_str_of("Strange") };
    struct kci_list_transactions_request body;
    kci_codec_init(&kci_list_transactions_request_schema, &body);
    const struct kci_list_transactions_response *answer = client_call(a.conn, KCI_API_LIST_TRANSACTIONS, 2, &body);
    assert_int_equal(answer->transaction_states_count, 2);
    body.state_filters = states;
    body.state_filters_count = 2;
    answer = client_call(a.conn, KCI_API_LIST_TRANSACTIONS, 2, &body);
    assert_int_equal(answer->transaction_states_count, 1);
    assert_str(answer->transaction_states[0].transactional_id, "open-1");
    assert_str(answer->transaction_states[0].transaction_state, "Ongoing");
    assert_int_equal(answer->unknown_state_filters_count, 1);
    kci_codec_init(&kci_list_transactions_request_schema, &body);
    body.producer_id_filters = &b.producer_id;
    body.producer_id_filters_count = 1;
    answer = client_call(a.conn, KCI_API_LIST_TRANSACTIONS, 2, &body);
    assert_int_equal(answer->transaction_states_count, 1);
    assert_str(answer->transaction_states[0].transactional_id, "idle-1");
    kci_codec_init(&kci_list_transactions_request_schema, &body);
    body.duration_filter = 1000;
    answer = client_call(a.conn, KCI_API_LIST_TRANSACTIONS, 2, &body);
    assert_int_equal(answer->transaction_states_count, 1); /* as in Kafka: what never began counts as begun long ago */
    assert_str(answer->transaction_states[0].transactional_id, "idle-1");
    world_pass(&s, 2000);
    answer = client_call(a.conn, KCI_API_LIST_TRANSACTIONS, 2, &body);
    assert_int_equal(answer->transaction_states_count, 2);
    kci_codec_init(&kci_list_transactions_request_schema, &body);
    body.transactional_id_pattern = kci_str_of("idle-.*");
    answer = client_call(a.conn, KCI_API_LIST_TRANSACTIONS, 2, &body);
    assert_int_equal(answer->transaction_states_count, 1);
    body.transactional_id_pattern = kci_str_of("(");
    answer = client_call(a.conn, KCI_API_LIST_TRANSACTIONS, 2, &body);
    assert_code(answer->error_code, KCI_INVALID_REGULAR_EXPRESSION);
    world_close(&s);
}

/* TxnOffsetCommit for a member of a group: its code, given this generation, member id and length of the metadata. */
static int16_t commit_as(struct txn_client *c, struct client *coordinator, struct kci_str group, int32_t generation,
                         struct kci_str member, int32_t partition_index, size_t metadata)
{
    static char text[5000];
    struct kci_txn_offset_commit_request__txn_offset_commit_request_partition partition = {
        .partition_index = partition_index, .committed_offset = 3, .committed_leader_epoch = -1
    };
    struct kci_txn_offset_commit_request__txn_offset_commit_request_topic topic = { .name = NAME("t"),
                                                                                    .partitions = &partition,
                                                                                    .partitions_count = 1 };
    struct kci_txn_offset_commit_request body;
    memset(text, 'm', sizeof text);
    partition.committed_metadata = (struct kci_str){ text, metadata };
    kci_codec_init(&kci_txn_offset_commit_request_schema, &body);
    body.transactional_id = c->id;
    body.group_id = group;
    body.producer_id = c->producer_id;
    body.producer_epoch = c->epoch;
    body.generation_id_or_member_epoch = generation;
    body.member_id = member;
    body.topics = &topic;
    body.topics_count = 1;
    const struct kci_txn_offset_commit_response *answer = client_call(coordinator, KCI_API_TXN_OFFSET_COMMIT, 5, &body);
    return answer->topics[0].partitions[0].error_code;
}

/* Who may commit inside a transaction: PROTOCOL 4.6, row by row. Those of before KIP-447 say nothing of themselves. */
static void transactional_commits_are_fenced_by_the_group(void **unused)
{
    struct world s;
    (void)unused;
    world_open(&s, 3, NULL);
    world_topic(&s, "t", 1, 3, NULL);
    struct txn_client c = txn_client_of(&s, "id");
    int32_t home = group_coordinator(&s, "g");
    struct client *coordinator = group_connect(&s, home, "c");
    struct group_client g = group_client_of(&s, home, "g", "member");
    const struct kci_str group = NAME("g"), nobody = NAME("");
    assert_code(txn_init(&c, false), KCI_NONE);
    assert_code(commit_as(&c, coordinator, group, 1, NAME("x"), 0, 1), KCI_ILLEGAL_GENERATION); /* no such group */
    group_settle_one(&g);
    const struct kci_str me = g.member_id;
    static const struct {
        int32_t generation; /* added to that of the group; -100: none */
        bool known;         /* the member */
        int32_t partition;
        size_t metadata;
        int16_t code;
    } rows[] = {
        { 0, true, 0, 1, KCI_NONE },
        { -100, false, 0, 1, KCI_NONE },
        { 1, true, 0, 1, KCI_ILLEGAL_GENERATION },
        { -1, true, 0, 1, KCI_ILLEGAL_GENERATION },
        { 0, false, 0, 1, KCI_UNKNOWN_MEMBER_ID },
        { 0, true, 7, 1, KCI_UNKNOWN_TOPIC_OR_PARTITION },
        { 0, true, 0, 4096, KCI_NONE },
        { 0, true, 0, 4097, KCI_OFFSET_METADATA_TOO_LARGE },
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        int32_t generation = rows[i].generation == -100 ? -1 : g.generation + rows[i].generation;
        struct kci_str member = rows[i].known ? me : rows[i].generation == -100 ? nobody : NAME("stranger");
        int16_t code = commit_as(&c, coordinator, group, generation, member, rows[i].partition, rows[i].metadata);
        if (code != rows[i].code)
            fail_msg("row %zu: %s instead of %s", i, kci_error_name(code), kci_error_name(rows[i].code));
    }
    world_close(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_move_changes_nothing),
        cmocka_unit_test(what_may_be_lost_is_not_said),
        cmocka_unit_test(a_decision_is_carried_out_by_whoever_coordinates),
        cmocka_unit_test(a_restart_remembers),
        cmocka_unit_test(what_is_open_for_too_long_is_aborted),
        cmocka_unit_test(ids_expire),
        cmocka_unit_test(offsets_count_with_the_transaction),
        cmocka_unit_test(transactional_commits_are_fenced_by_the_group),
        cmocka_unit_test(lists_are_filtered),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
