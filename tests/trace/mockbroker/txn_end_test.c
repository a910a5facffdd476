/* Transactions from their begin to their end: what is committed, what is aborted, and who is fenced. */
#include "support/txn_story.h"

/* Version 2: partitions come in with what is written, each end raises the epoch, readers stop before what is open. */
static void a_commit_makes_all_of_it_stable(void **unused)
{
    struct world s;
    (void)unused;
    world_open(&s, 3, NULL);
    world_topic(&s, "t", 2, 3, NULL);
    struct txn_client c = txn_client_of(&s, "id");
    assert_code(txn_init(&c, false), KCI_NONE);
    assert_int_equal(c.epoch, 0);
    assert_txn_state(&c, "Empty");
    int64_t producer_id = c.producer_id;

    assert_code(txn_produce(&c, "t", 0, 3), KCI_NONE);
    c.sequence = 0; /* sequences are the partition's */
    assert_code(txn_produce(&c, "t", 1, 2), KCI_NONE);
    assert_txn_state(&c, "Ongoing");
    assert_int_equal(txn_describe(&c)->topics[0].partitions_count, 2);
    assert_int_equal(world_look(&s, "t", 0).high_watermark, 3);
    assert_int_equal(world_look(&s, "t", 0).last_stable, 0);
    assert_int_equal(txn_fetch(&s, "t", 0, 0, 1)->records.size, 0);
    assert_true(txn_fetch(&s, "t", 0, 0, 0)->records.size > 0);

    assert_code(txn_end(&c, true), KCI_NONE);
    assert_int_equal(c.producer_id, producer_id);
    assert_int_equal(c.epoch, 1);
    assert_txn_state(&c, "CompleteCommit");
    assert_txn_marker(&s, "t", 0, 3, true, producer_id, 1);
    assert_txn_marker(&s, "t", 1, 2, true, producer_id, 1);
    assert_int_equal(world_look(&s, "t", 0).last_stable, 4);
    const struct kci_fetch_response__partition_data *read = txn_fetch(&s, "t", 0, 0, 1);
    assert_true(read->records.size > 0);
    assert_int_equal(read->aborted_transactions_count, 0);
    assert_int_equal(txn_fetch(&s, "t", 0, 0, 0)->aborted_transactions_count, -1);
    world_close(&s);
}

/* Readers of committed records are told which producer's records of which range do not count. */
static void an_abort_is_told_to_readers(void **unused)
{
    struct world s;
    (void)unused;
    world_open(&s, 1, NULL);
    world_topic(&s, "t", 1, 1, NULL);
    struct txn_client a = txn_client_of(&s, "a"), b = txn_client_of(&s, "b");
    assert_code(txn_init(&a, false), KCI_NONE);
    assert_code(txn_init(&b, false), KCI_NONE);
    int64_t a_id = a.producer_id;
    assert_code(txn_produce(&a, "t", 0, 2), KCI_NONE); /* 0, 1 */
    assert_code(txn_produce(&b, "t", 0, 1), KCI_NONE); /* 2 */
    assert_code(txn_end(&b, true), KCI_NONE);          /* 3 */
    assert_int_equal(world_look(&s, "t", 0).last_stable, 0);
    assert_code(txn_produce(&b, "t", 0, 1), KCI_NONE); /* 4 */
    assert_code(txn_end(&a, false), KCI_NONE);         /* 5 */
    assert_txn_state(&a, "CompleteAbort");
    assert_txn_marker(&s, "t", 0, 5, false, a_id, 1);
    assert_int_equal(world_look(&s, "t", 0).last_stable, 4);
    const struct kci_fetch_response__partition_data *read = txn_fetch(&s, "t", 0, 0, 1);
    assert_int_equal(read->last_stable_offset, 4);
    assert_int_equal(read->aborted_transactions_count, 1);
    assert_int_equal(read->aborted_transactions[0].producer_id, a_id);
    assert_int_equal(read->aborted_transactions[0].first_offset, 0);
    assert_code(txn_end(&b, true), KCI_NONE);                                     /* 6 */
    assert_int_equal(txn_fetch(&s, "t", 0, 5, 1)->aborted_transactions_count, 1); /* its marker is in the range */
    assert_int_equal(txn_fetch(&s, "t", 0, 6, 1)->aborted_transactions_count, 0);
    world_close(&s);
}

/* Version 0, as clients before 4.0: partitions are announced, the epoch stays, sequences go on. */
static void older_clients_announce_their_partitions(void **unused)
{
    struct world s;
    (void)unused;
    world_open(&s, 1, "mock.as.version=3.9");
    world_topic(&s, "t", 2, 1, NULL);
    struct txn_client c = txn_client_of(&s, "id");
    assert_code(txn_init(&c, false), KCI_NONE);
    assert_code(txn_produce_at(&c, c.conn, 10, "t", 0, 1), KCI_INVALID_TXN_STATE);
    assert_code(txn_produce_at(&c, c.conn, 11, "t", 0, 1), KCI_TRANSACTION_ABORTABLE);
    for (int round = 0; round < 2; round++) {
        assert_code(txn_add(&c, "t", 0), KCI_NONE);
        assert_code(txn_produce_at(&c, c.conn, 11, "t", 0, 2), KCI_NONE);
        assert_code(txn_add(&c, "t", 0), KCI_NONE); /* once more is fine */
        assert_code(txn_end_as(&c, 4, true), KCI_NONE);
        assert_code(txn_end_as(&c, 4, true), KCI_NONE); /* the answer was lost */
        assert_code(txn_end_as(&c, 4, false), KCI_INVALID_TXN_STATE);
        assert_txn_marker(&s, "t", 0, round * 3 + 2, true, c.producer_id, 0);
    }
    assert_code(txn_produce_at(&c, c.conn, 11, "t", 0, 1), KCI_TRANSACTION_ABORTABLE); /* late, it would hang in none */
    assert_code(txn_add(&c, "nowhere", 0), KCI_UNKNOWN_TOPIC_OR_PARTITION);
    assert_code(txn_add(&c, "t", 2), KCI_UNKNOWN_TOPIC_OR_PARTITION);
    assert_txn_state(&c, "CompleteCommit");
    world_close(&s);
}

/* A second producer of the id fences the first, whose open transaction is aborted before the second may begin. */
static void a_new_producer_fences_the_old_one(void **unused)
{
    struct world s;
    (void)unused;
    world_open(&s, 1, NULL);
    world_topic(&s, "t", 1, 1, NULL);
    struct txn_client old = txn_client_of(&s, "id"), young = txn_client_of(&s, "id");
    assert_code(txn_init(&old, false), KCI_NONE);
    assert_code(txn_produce(&old, "t", 0, 1), KCI_NONE);
    assert_code(txn_init(&young, false), KCI_CONCURRENT_TRANSACTIONS);
    assert_txn_state(&young, "CompleteAbort");
    assert_txn_marker(&s, "t", 0, 1, false, old.producer_id, 1);
    assert_code(txn_produce(&old, "t", 0, 1), KCI_INVALID_PRODUCER_EPOCH);
    assert_code(txn_init(&young, false), KCI_NONE);
    assert_int_equal(young.producer_id, old.producer_id);
    assert_int_equal(young.epoch, 2);
    assert_code(txn_end(&old, true), KCI_PRODUCER_FENCED);
    assert_code(txn_add(&old, "t", 0), KCI_PRODUCER_FENCED);
    assert_code(txn_init(&old, true), KCI_PRODUCER_FENCED);
    old.producer_id += 100;
    assert_code(txn_end(&old, true), KCI_INVALID_PRODUCER_ID_MAPPING);
    assert_code(txn_produce(&young, "t", 0, 1), KCI_NONE);
    assert_code(txn_end(&young, true), KCI_NONE);
    world_close(&s);
}

/* The table of EndTxn v5: lost answers, ends of nothing, the wrong way. */
static void ends_may_be_asked_for_again(void **unused)
{
    struct world s;
    (void)unused;
    world_open(&s, 1, NULL);
    world_topic(&s, "t", 1, 1, NULL);
    struct txn_client c = txn_client_of(&s, "id");
    assert_code(txn_init(&c, false), KCI_NONE);
    assert_code(txn_end(&c, true), KCI_INVALID_TXN_STATE); /* there is nothing to commit */
    assert_code(txn_end(&c, false), KCI_NONE);             /* an abort of nothing raises the epoch */
    assert_int_equal(c.epoch, 1);
    assert_code(txn_produce(&c, "t", 0, 1), KCI_NONE);
    struct txn_client before = c;
    assert_code(txn_end(&c, true), KCI_NONE);
    struct txn_client again = before;
    assert_code(txn_end(&again, true), KCI_NONE);
    assert_int_equal(again.epoch, c.epoch);
    again = before;
    assert_code(txn_end(&again, false), KCI_INVALID_TXN_STATE);
    assert_code(txn_end(&c, true), KCI_INVALID_TXN_STATE);
    again.epoch -= 1;
    assert_code(txn_end(&again, true), KCI_PRODUCER_FENCED);
    world_close(&s);
}

/* The last epochs: the producer gets a new id, in EndTxn as in InitProducerId. */
static void used_up_epochs_give_a_new_producer_id(void **unused)
{
    struct world s;
    (void)unused;
    world_open(&s, 1, NULL);
    world_topic(&s, "t", 1, 1, NULL);
    struct txn_client c = txn_client_of(&s, "id");
    assert_code(txn_init(&c, false), KCI_NONE);
    struct mb_txn *txn = mb_txns_find(s.cluster->transactions, c.id);
    txn->meta.epoch = c.epoch = MB_TXN_EPOCH_MAX;
    assert_code(txn_produce(&c, "t", 0, 1), KCI_NONE);
    struct txn_client before = c;
    assert_code(txn_end(&c, true), KCI_NONE);
    assert_int_equal(c.epoch, 0);
    assert_int_not_equal(c.producer_id, before.producer_id);
    assert_txn_marker(&s, "t", 0, 1, true, before.producer_id, INT16_MAX);
    struct txn_client again = before;
    assert_code(txn_end(&again, true), KCI_NONE); /* the answer was lost */
    assert_int_equal(again.producer_id, c.producer_id);
    assert_code(txn_produce(&c, "t", 0, 1), KCI_NONE);
    assert_code(txn_end(&c, true), KCI_NONE);

    txn->meta.epoch = c.epoch = MB_TXN_EPOCH_MAX;
    before = c;
    assert_code(txn_init(&c, true), KCI_NONE);
    assert_int_equal(c.epoch, 0);
    assert_int_not_equal(c.producer_id, before.producer_id);
    again = before;
    assert_code(txn_init(&again, true), KCI_NONE); /* the answer was lost */
    assert_int_equal(again.producer_id, c.producer_id);
    assert_int_equal(again.epoch, 0);
    world_close(&s);
}

/* A producer that recovers keeps its id (KIP-360); the answer may be lost. */
static void a_producer_may_raise_its_own_epoch(void **unused)
{
    struct world s;
    (void)unused;
    world_open(&s, 1, NULL);
    struct txn_client c = txn_client_of(&s, "id");
    assert_code(txn_init(&c, false), KCI_NONE);
    struct txn_client before = c;
    assert_code(txn_init(&c, true), KCI_NONE);
    assert_int_equal(c.epoch, 1);
    assert_code(txn_init(&before, true), KCI_NONE);
    assert_int_equal(before.epoch, 1);
    world_close(&s);
}

static void bad_requests_hear_why(void **unused)
{
    struct world s;
    (void)unused;
    world_open(&s, 3, NULL);
    world_topic(&s, "t", 1, 3, NULL);
    struct txn_client c = txn_client_of(&s, "id"), elsewhere = c, empty = c;
    c.timeout_ms = 900001;
    assert_code(txn_init(&c, false), KCI_INVALID_TRANSACTION_TIMEOUT);
    c.timeout_ms = 0;
    assert_code(txn_init(&c, false), KCI_INVALID_TRANSACTION_TIMEOUT);
    c.timeout_ms = 900000;
    empty.id = kci_str_of("");
    assert_code(txn_init(&empty, false), KCI_INVALID_REQUEST);
    elsewhere.conn = group_connect(&s, txn_coordinator(&s, "id") % 3 + 1, "elsewhere");
    assert_code(txn_init(&elsewhere, false), KCI_NOT_COORDINATOR);
    assert_code(txn_describe(&c)->error_code, KCI_TRANSACTIONAL_ID_NOT_FOUND);
    c.producer_id = 7;
    c.epoch = -1;
    assert_code(txn_init(&c, true), KCI_INVALID_REQUEST); /* half an identity */
    c.epoch = 0;
    assert_code(txn_end(&c, true), KCI_INVALID_PRODUCER_ID_MAPPING);
    assert_code(txn_produce(&c, "t", 0, 1), KCI_INVALID_PRODUCER_ID_MAPPING);
    assert_code(txn_init(&c, false), KCI_NONE);
    c.sequence = 5;
    assert_code(txn_produce(&c, "t", 0, 1), KCI_OUT_OF_ORDER_SEQUENCE_NUMBER);
    c.sequence = 0;
    assert_code(txn_produce(&c, "t", 0, 1), KCI_NONE);
    struct kci_bytes outside =
        world_batch(&s, (struct batch_of){ .producer_id = c.producer_id, .epoch = c.epoch, .sequence = c.sequence });
    struct client *leader = group_connect(&s, world_look(&s, "t", 0).leader, "leader");
    client_produce(leader, "t", 0, -1, outside);
    assert_code(client_produced(leader)->error_code, KCI_INVALID_TXN_STATE);
    struct kci_bytes nameless = world_batch(&s, (struct batch_of){ .producer_id = c.producer_id,
                                                                   .epoch = c.epoch,
                                                                   .sequence = c.sequence,
                                                                   .attributes = KCI_BATCH_TRANSACTIONAL });
    client_produce(leader, "t", 0, -1, nameless);
    assert_code(client_produced(leader)->error_code, KCI_TRANSACTIONAL_ID_AUTHORIZATION_FAILED);
    world_close(&s);
}

/* Who waits for committed records is not woken by those of an open transaction, but by its end. */
static void readers_wait_for_the_end(void **unused)
{
    struct world s;
    (void)unused;
    world_open(&s, 1, NULL);
    world_topic(&s, "t", 1, 1, NULL);
    struct txn_client c = txn_client_of(&s, "id");
    struct client *committed = world_client(&s, 1), *all = world_client(&s, 1);
    struct fetch_of fetch = { .topic = "t", .min_bytes = 1, .max_wait_ms = 60000 };
    client_fetch(all, fetch);
    fetch.isolation = 1;
    client_fetch(committed, fetch);
    assert_code(txn_init(&c, false), KCI_NONE);
    assert_code(txn_produce(&c, "t", 0, 3), KCI_NONE);
    assert_true(client_fetched(all)->records.size > 0);
    assert_null(client_fetched(committed));
    assert_code(txn_end(&c, true), KCI_NONE);
    assert_true(client_fetched(committed)->records.size > 0);
    world_close(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_commit_makes_all_of_it_stable),
        cmocka_unit_test(readers_wait_for_the_end),
        cmocka_unit_test(an_abort_is_told_to_readers),
        cmocka_unit_test(older_clients_announce_their_partitions),
        cmocka_unit_test(a_new_producer_fences_the_old_one),
        cmocka_unit_test(ends_may_be_asked_for_again),
        cmocka_unit_test(used_up_epochs_give_a_new_producer_id),
        cmocka_unit_test(a_producer_may_raise_its_own_epoch),
        cmocka_unit_test(bad_requests_hear_why),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
