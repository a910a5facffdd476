/* The checks of transactions: the smallest history that violates each, and the same repaired.
 *
 * In most of them transaction 0 of the first lease writes one record to each of two partitions. */
#include "check_story.h"

static struct sim_ledger *ledger(void)
{
    return &history.ledger;
}

static uint32_t leased(int32_t id, int16_t epoch, int64_t ends)
{
    return sim_ledger_lease(ledger(), (struct sim_lease){ id, 1000 + id, epoch, { ends, ends, ends } });
}

/* A record is sent; its counter. */
static uint32_t wrote(uint32_t txn, int32_t partition, bool taken)
{
    uint32_t counter = sim_ledger_sent(ledger(), (struct sim_sent){ txn, partition, 0, taken });
    ledger()->sent.items[counter].checksum = value_of(counter, partition).checksum;
    return counter;
}

static void in_log(int32_t partition, int64_t offset, uint32_t counter, enum sim_fate fate)
{
    *sim_ledger_entry(ledger(), partition) = (struct sim_entry){ .value = value_of(counter, partition),
                                                                 .offset = offset,
                                                                 .producer_id = fate == SIM_FATE_PLAIN ? -1 : 1000,
                                                                 .fate = fate };
}

static struct sim_entry *entry(int32_t partition, size_t i)
{
    return &ledger()->books[partition].entries.items[i];
}

/* Transaction 0, with a record in two partitions, committed. */
static struct sim_txn *begin_with_a_transaction(void)
{
    begin();
    sim_ledger_txn(ledger(), (struct sim_txn){ leased(0, 0, 0), SIM_COMMIT, 5 * MS, true, false });
    in_log(0, 0, wrote(0, 0, true), SIM_FATE_COMMITTED);
    in_log(1, 0, wrote(0, 1, true), SIM_FATE_COMMITTED);
    ASSERT_VERDICT("");
    return &ledger()->txns.items[0];
}

static void p9_what_is_in_the_ledger_was_sent_there(void **state)
{
    (void)state;
    begin_with_a_transaction();
    entry(0, 0)->value.whole = false;
    ASSERT_VERDICT("P9");
    entry(0, 0)->value = value_of(1, 1); /* of the other partition */
    ASSERT_VERDICT("P9");
    end();
}

static void p2_a_record_is_there_once(void **state)
{
    (void)state;
    begin_with_a_transaction();
    in_log(0, 1, 0, SIM_FATE_COMMITTED);
    ASSERT_VERDICT("P2");
    ledger()->books[0].entries.count--;
    ASSERT_VERDICT("");
    end();
}

static void t1_all_of_a_transaction_or_nothing(void **state)
{
    (void)state;
    struct sim_txn *txn = begin_with_a_transaction();
    txn->confirmed = false; /* nobody knows how it ended */
    entry(1, 0)->fate = SIM_FATE_ABORTED;
    ASSERT_VERDICT("T1");
    ledger()->books[1].entries.count = 0; /* it was acknowledged */
    ASSERT_VERDICT("T1");
    entry(0, 0)->fate = SIM_FATE_ABORTED;
    ASSERT_VERDICT("");
    end();
}

static void t2_what_the_producer_decided_is_so(void **state)
{
    (void)state;
    struct sim_txn *txn = begin_with_a_transaction();
    txn->decision = SIM_ABORT;
    ASSERT_VERDICT("T2");
    txn->decision = SIM_UNDECIDED;
    ASSERT_VERDICT("T2");
    txn->decision = SIM_COMMIT;
    entry(0, 0)->fate = entry(1, 0)->fate = SIM_FATE_ABORTED;
    ASSERT_VERDICT("T2");
    txn->confirmed = false;
    ASSERT_VERDICT("");
    end();
}

static void t3_who_was_replaced_writes_nothing(void **state)
{
    (void)state;
    begin_with_a_transaction();
    leased(1, 5, 0); /* another transactional id */
    leased(0, 1, 1);
    ASSERT_VERDICT("");
    leased(0, 2, 0);
    ASSERT_VERDICT("T3");
    end();
}

static void t5_offsets_count_when_the_transaction_is_committed(void **state)
{
    (void)state;
    struct sim_txn *txn = begin_with_a_transaction();
    txn->offset_taken = true;
    ASSERT_VERDICT("T5"); /* it is not there */
    sim_ledger_seen(ledger(), (struct sim_seen_offset){ 0, 1, 6 * MS });
    ASSERT_VERDICT("");
    ledger()->seen.items[0].at = 4 * MS; /* before it was to be committed */
    ASSERT_VERDICT("T5");
    ledger()->seen.items[0] = (struct sim_seen_offset){ 1, 1, 6 * MS }; /* of somebody else */
    ASSERT_VERDICT("T5");
    end();
}

static void t5_offsets_do_not_go_back(void **state)
{
    (void)state;
    begin_with_a_transaction();
    sim_ledger_txn(ledger(), (struct sim_txn){ 0, SIM_COMMIT, 7 * MS, true, true });
    sim_ledger_seen(ledger(), (struct sim_seen_offset){ 0, 2, 8 * MS });
    ASSERT_VERDICT("");
    sim_ledger_seen(ledger(), (struct sim_seen_offset){ 0, 1, 9 * MS });
    ASSERT_VERDICT("T5");
    end();
}

/* Partition 0: an aborted record at 0, a plain one at 2, a committed one at 3. */
static uint32_t begin_with_readers(bool committed)
{
    begin();
    sim_ledger_txn(ledger(), (struct sim_txn){ leased(0, 0, 0), SIM_ABORT, 0, true, false });
    sim_ledger_txn(ledger(), (struct sim_txn){ 0, SIM_COMMIT, 0, true, false });
    in_log(0, 0, wrote(0, 0, true), SIM_FATE_ABORTED);
    in_log(0, 2, wrote(SIM_PLAIN, 0, true), SIM_FATE_PLAIN);
    in_log(0, 3, wrote(1, 0, true), SIM_FATE_COMMITTED);
    return sim_ledger_audit(ledger(), (struct sim_audit){ 0, 0, committed, true, 0 });
}

static void got(uint32_t audit, int64_t offset, uint32_t counter)
{
    sim_ledger_audited(ledger(), (struct sim_audited){ audit, offset, MS, false, value_of(counter, 0) });
}

static void f3_read_committed_gets_what_is_committed(void **state)
{
    (void)state;
    uint32_t audit = begin_with_readers(true);
    ASSERT_VERDICT("F3"); /* it got nothing */
    got(audit, 2, 1);
    got(audit, 3, 2);
    ASSERT_VERDICT("");
    ledger()->audited.items[1].early = true;
    ASSERT_VERDICT("F3");
    ledger()->audited.items[1].early = false;
    ledger()->audited.items[1].value = value_of(1, 0);
    ASSERT_VERDICT("F3");
    ledger()->audited.items[0].offset = 0; /* of an aborted transaction */
    ASSERT_VERDICT("F3");
    end();
}

static void f3_a_reader_gets_each_once_in_order(void **state)
{
    (void)state;
    uint32_t audit = begin_with_readers(true);
    got(audit, 3, 2);
    ASSERT_VERDICT("F3"); /* one is missing */
    end();
    audit = begin_with_readers(true);
    got(audit, 2, 1);
    got(audit, 2, 1);
    got(audit, 3, 2);
    ASSERT_VERDICT("F3");
    end();
}

static void f3_read_uncommitted_gets_everything(void **state)
{
    (void)state;
    uint32_t audit = begin_with_readers(false);
    got(audit, 0, 0);
    got(audit, 2, 1);
    got(audit, 3, 2);
    ASSERT_VERDICT("");
    got(audit, 4, 2); /* a marker, perhaps */
    ASSERT_VERDICT("F3");
    end();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(p9_what_is_in_the_ledger_was_sent_there),
        cmocka_unit_test(p2_a_record_is_there_once),
        cmocka_unit_test(t1_all_of_a_transaction_or_nothing),
        cmocka_unit_test(t2_what_the_producer_decided_is_so),
        cmocka_unit_test(t3_who_was_replaced_writes_nothing),
        cmocka_unit_test(t5_offsets_count_when_the_transaction_is_committed),
        cmocka_unit_test(t5_offsets_do_not_go_back),
        cmocka_unit_test(f3_read_committed_gets_what_is_committed),
        cmocka_unit_test(f3_a_reader_gets_each_once_in_order),
        cmocka_unit_test(f3_read_uncommitted_gets_everything),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
