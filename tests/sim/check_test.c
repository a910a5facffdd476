/* The checks themselves: for each, the smallest history that violates it, and the same history repaired.  A check that
 * never fails proves nothing. */
#include "check_story.h"

static void nothing_violates_nothing(void **state)
{
    (void)state;
    begin();
    ASSERT_VERDICT("");
    end();
}

static void p1_an_acknowledged_record_is_in_the_log(void **state)
{
    (void)state;
    begin();
    uint32_t counter = sent(0, 0);
    reported(counter, 0, KC_OK, 0, -1, MS);
    ASSERT_VERDICT("P1");
    history.acks_all = false; /* without acks=all this was never promised */
    ASSERT_VERDICT("");
    history.acks_all = true;
    logged(0, 0, counter);
    ASSERT_VERDICT("");
    end();
}

static void p2_a_record_of_an_idempotent_producer_is_there_once(void **state)
{
    (void)state;
    begin();
    uint32_t counter = stored(0, 0);
    ASSERT_VERDICT("");
    logged(0, 1, counter);
    ASSERT_VERDICT("P2");
    history.idempotent = false;
    ASSERT_VERDICT("");
    end();
}

static void p3_records_keep_their_order(void **state)
{
    (void)state;
    begin();
    uint32_t first = sent(0, 0), second = sent(0, 0);
    reported(first, 0, KC_OK, 0, 1, MS);
    reported(second, 0, KC_OK, 0, 0, MS);
    logged(0, 0, second);
    logged(0, 1, first);
    ASSERT_VERDICT("P3");
    history.idempotent = false;
    ASSERT_VERDICT("");
    end();
    begin(); /* other partitions do not matter */
    stored(1, 0);
    stored(0, 0);
    stored(1, 1);
    ASSERT_VERDICT("");
    end();
}

static void p4_what_surely_failed_is_not_in_the_log(void **state)
{
    (void)state;
    begin();
    uint32_t counter = sent(0, 0);
    reported(counter, 0, KC_ERR_TIMED_OUT, 0, -1, MS);
    ASSERT_VERDICT("");
    logged(0, 0, counter);
    ASSERT_VERDICT("P4");
    history.senders.items[0].sends.items[counter].traits = KC_MAYBE_APPLIED;
    ASSERT_VERDICT("");
    end();
}

static void p5_each_record_has_one_report_in_order(void **state)
{
    (void)state;
    begin();
    uint32_t first = sent(0, 0);
    ASSERT_VERDICT("P5"); /* none */
    reported(first, 0, KC_ERR_TIMED_OUT, 0, -1, MS);
    ASSERT_VERDICT("");
    reported(first, 0, KC_ERR_TIMED_OUT, 0, -1, MS);
    ASSERT_VERDICT("P5"); /* two */
    end();
    begin();
    first = sent(0, 0);
    uint32_t second = sent(0, 0), other = sent(1, 0);
    reported(other, 1, KC_ERR_TIMED_OUT, 0, -1, MS); /* another partition may be faster */
    reported(second, 0, KC_ERR_TIMED_OUT, 0, -1, MS);
    reported(first, 0, KC_ERR_TIMED_OUT, 0, -1, MS);
    ASSERT_VERDICT("P5");
    end();
}

static void p7_the_reported_offset_is_the_true_one(void **state)
{
    (void)state;
    begin();
    stored(0, 0);
    uint32_t counter = stored(0, 1);
    ASSERT_VERDICT("");
    history.senders.items[0].sends.items[counter].offset = 0;
    ASSERT_VERDICT("P7");
    history.senders.items[0].sends.items[counter].offset = 7;
    ASSERT_VERDICT("P7");
    end();
}

static void p8_a_key_has_its_partition(void **state)
{
    (void)state;
    begin();
    uint32_t counter = sent(1, 0); /* says the key */
    reported(counter, 0, KC_OK, 0, 0, MS);
    sim_history_logged(&history, 0, (struct sim_logged){ .value = value_of(counter, 1), .offset = 0 });
    history.senders.items[0].sends.items[counter].partition = 0;
    ASSERT_VERDICT("P9"); /* without keys it is cross-talk */
    history.keyed = true;
    ASSERT_VERDICT("P8");
    end();
    begin();
    history.keyed = true;
    stored(1, 0);
    ASSERT_VERDICT("");
    end();
}

static void p10_weaker_promises_are_promises_too(void **state)
{
    (void)state;
    begin();
    history.idempotent = history.acks_all = false;
    uint32_t counter = sent(0, 0);
    reported(counter, 0, KC_OK, 0, -1, MS);
    ASSERT_VERDICT(""); /* the leader may have changed */
    history.acks_leader = true;
    ASSERT_VERDICT("P10");
    logged(0, 0, counter);
    ASSERT_VERDICT("");
    logged(0, 1, counter);
    ASSERT_VERDICT("");
    history.attempts_max = 1; /* retries=0 */
    ASSERT_VERDICT("P10");
    end();
}

static void p9_a_record_is_where_it_was_sent_to_and_whole(void **state)
{
    (void)state;
    begin();
    uint32_t counter = stored(0, 0);
    struct sim_logged *there = &history.logs.items[0].records.items[0];
    there->value = value_of(counter, 1); /* its own words say partition 1 */
    ASSERT_VERDICT("P9");
    there->value = value_of(counter, 0);
    ASSERT_VERDICT("");
    there->value.whole = false;
    ASSERT_VERDICT("P9");
    there->value = value_of(counter + 1, 0); /* nobody sent that */
    ASSERT_VERDICT("P9");
    end();
}

static void a_value_says_when_it_is_damaged(void **state)
{
    uint8_t bytes[SIM_VALUE_HEAD + 40];
    (void)state;
    uint32_t sum = sim_value_write(bytes, sizeof bytes, 3, 77, 5);
    struct sim_value value = sim_value_read(bytes, sizeof bytes);
    assert_true(value.whole && value.producer == 3 && value.counter == 77 && value.partition == 5);
    assert_int_equal(value.checksum, sum);
    assert_false(sim_value_read(bytes, sizeof bytes - 1).whole);
    assert_false(sim_value_read(NULL, 0).whole);
    for (size_t i = 0; i < sizeof bytes; i++) {
        bytes[i] ^= 1;
        assert_false(sim_value_read(bytes, sizeof bytes).whole);
        bytes[i] ^= 1;
    }
}

static void l1_a_report_comes_in_time(void **state)
{
    (void)state;
    begin();
    uint32_t counter = sent(0, 5 * MS);
    reported(counter, 0, KC_ERR_TIMED_OUT, 0, -1, 1005 * MS);
    ASSERT_VERDICT("");
    history.senders.items[0].sends.items[counter].reported_at = 1205 * MS;
    ASSERT_VERDICT("L1");
    end();
}

static void b3_a_log_has_every_offset_once(void **state)
{
    (void)state;
    begin();
    uint32_t counter = stored(0, 0);
    logged(0, 2, counter);
    ASSERT_VERDICT("B3");
    end();
}

static void f1_a_consumer_gets_each_offset_in_order(void **state)
{
    (void)state;
    begin();
    for (int64_t i = 0; i < 4; i++)
        stored(0, i);
    uint32_t hold = held(0, 0, -1, 1); /* has to begin at offset 1 */
    delivered(hold, 1, 1, MS);
    delivered(hold, 2, 2, MS);
    ASSERT_VERDICT("");
    delivered(hold, 2, 2, MS); /* again */
    ASSERT_VERDICT("F1");
    end();
    begin();
    for (int64_t i = 0; i < 4; i++)
        stored(0, i);
    hold = held(0, 0, -1, 1);
    delivered(hold, 0, 0, MS); /* from before the position */
    ASSERT_VERDICT("F1");
    end();
    begin();
    for (int64_t i = 0; i < 4; i++)
        stored(0, i);
    hold = held(0, 0, 1, -1); /* begins where the group's commit says */
    delivered(hold, 1, 1, MS);
    delivered(hold, 3, 3, MS); /* 2 is skipped */
    ASSERT_VERDICT("F1");
    end();
}

static void f5_nobody_goes_back_to_the_beginning_by_himself(void **state)
{
    (void)state;
    begin();
    for (int64_t i = 0; i < 3; i++)
        stored(0, i);
    uint32_t hold = held(0, 0, 1, 1);
    delivered(hold, 1, 1, MS);
    ASSERT_VERDICT("");
    delivered(hold, 0, 0, MS);
    ASSERT_VERDICT("F5");
    end();
}

static void f2_what_is_delivered_is_what_the_log_has(void **state)
{
    (void)state;
    begin();
    stored(0, 0);
    stored(0, 1);
    uint32_t hold = held(0, 0, -1, 0);
    delivered(hold, 0, 0, MS);
    ASSERT_VERDICT("");
    delivered(hold, 1, 0, MS); /* the bytes of another offset */
    ASSERT_VERDICT("F2");
    end();
    begin();
    sent(0, 0);
    reported(0, 0, KC_ERR_TIMED_OUT, KC_MAYBE_APPLIED, -1, MS);
    hold = held(0, 0, -1, 0);
    delivered(hold, 0, 0, MS); /* read, and truncated later: it was never committed */
    ASSERT_VERDICT("F2");
    end();
}

/* Offset 1 was lost and written anew: who has read the old one must not go on behind it. */
static void f4_nobody_goes_on_in_another_history(void **state)
{
    (void)state;
    begin();
    stored(0, 0);
    uint32_t counter = sent(0, 0), hold = held(0, 0, -1, 0);
    reported(counter, 0, KC_OK, 0, 1, MS);
    stored(0, 1);
    stored(0, 2);
    delivered(hold, 0, 0, MS);
    uint32_t gone = (uint32_t)history.deliveries.count;
    sim_history_deliver(&history,
                        (struct sim_delivery){ .hold = hold, .offset = 1, .at = MS, .value = value_of(counter, 0) });
    ASSERT_VERDICT("P1"); /* it is nowhere */
    history.lossy = true;
    sim_history_lost(&history, (struct sim_lost){ .record = { .value = value_of(counter, 0), .offset = 1 } });
    ASSERT_VERDICT("");
    delivered(hold, 2, 3, 2 * MS);
    ASSERT_VERDICT("F4");
    history.deliveries.items[gone + 1] = (struct sim_delivery){ hold, 1, 2 * MS, value_of(2, 0) }; /* back to the cut */
    delivered(hold, 2, 3, 3 * MS);
    ASSERT_VERDICT("");
    end();
}

static void f6_nothing_is_delivered_after_it_was_given_back(void **state)
{
    (void)state;
    begin();
    stored(0, 0);
    uint32_t hold = held(0, 0, 1, 0);
    history.holds.items[hold].to = 5 * MS;
    delivered(hold, 0, 0, 5 * MS);
    ASSERT_VERDICT("");
    history.deliveries.items[0].at = 6 * MS;
    ASSERT_VERDICT("F6");
    end();
}

static void g1_a_partition_has_one_owner_in_a_generation(void **state)
{
    (void)state;
    begin();
    held(1, 0, 7, -1);
    uint32_t kept = held(2, 1, 7, -1);
    held(2, 0, 8, -1); /* a new generation may give it to somebody else */
    held(4, 1, 9, -1); /* cooperative: after its owner kept it for another one and gave it back */
    history.holds.items[kept].generation_last = 8;
    held(3, 0, -1, 0); /* and hand assignments do not count */
    held(4, 0, -1, 0);
    ASSERT_VERDICT("");
    history.holds.items[kept].generation_last = 9;
    ASSERT_VERDICT("G1");
    history.holds.items[kept].generation_last = 8;
    held(2, 0, 7, -1);
    ASSERT_VERDICT("G1");
    history.fixed_members = true;
    ASSERT_VERDICT("G1"); /* both at once */
    history.holds.items[0].to = history.holds.items[history.holds.count - 1].from = 5 * MS;
    ASSERT_VERDICT(""); /* the second took the place of the first */
    history.fixed_members = false;
    ASSERT_VERDICT("G1");
    end();
}

static void g4_who_lost_a_partition_does_not_commit_for_it(void **state)
{
    (void)state;
    begin();
    held(1, 0, 7, -1);
    held(2, 0, 8, -1);
    history.holds.items[1].from = 5 * MS;
    sim_history_accepted(&history, (struct sim_accepted){ 1, 0, 7, 4 * MS });
    ASSERT_VERDICT(""); /* it may have arrived in time */
    sim_history_accepted(&history, (struct sim_accepted){ 2, 0, 8, 6 * MS });
    sim_history_accepted(&history, (struct sim_accepted){ 1, 1, 7, 6 * MS }); /* another partition */
    ASSERT_VERDICT("");
    sim_history_accepted(&history, (struct sim_accepted){ 1, 0, 7, 6 * MS });
    ASSERT_VERDICT("G4");
    end();
}

static void g2_committed_offsets_rise(void **state)
{
    (void)state;
    begin();
    uint32_t hold = held(0, 0, 1, 0);
    for (uint32_t i = 0; i < 3; i++) {
        stored(0, i);
        delivered(hold, i, i, MS);
    }
    sim_history_commit(&history, (struct sim_commit){ 0, 2, 2 });
    sim_history_commit(&history, (struct sim_commit){ 0, 2, 3 });
    sim_history_commit(&history, (struct sim_commit){ 0, 3, 4 });
    ASSERT_VERDICT("");
    sim_history_commit(&history, (struct sim_commit){ 0, 1, 5 });
    ASSERT_VERDICT("G2");
    history.belated_at = 5 * MS; /* one came on a connection that its sender had closed */
    ASSERT_VERDICT("");
    history.belated_at = 6 * MS;
    ASSERT_VERDICT("G2");
    history.commits_rise = false; /* the network held one up */
    ASSERT_VERDICT("");
    end();
}

/* However late a commit comes: when another one has the partition, or the same one has it anew, it is of a member that is
 * gone. */
static void g4_a_late_commit_does_not_count_for_a_new_owner(void **state)
{
    (void)state;
    begin();
    uint32_t first = held(1, 0, 7, 0);
    for (uint32_t i = 0; i < 4; i++)
        stored(0, i);
    for (uint32_t i = 0; i < 3; i++)
        delivered(first, i, i, MS);
    sim_history_commit(&history, (struct sim_commit){ 0, 3, 2 });
    sim_history_commit(&history, (struct sim_commit){ 0, 1, 6 });
    history.belated_at = 3 * MS;
    ASSERT_VERDICT(""); /* of the same owner: it may have passed the other one */
    uint32_t second = held(2, 0, 8, -1);
    history.holds.items[second].from = 5 * MS;
    ASSERT_VERDICT("G4");
    history.commits_rise = false; /* the network held one up */
    ASSERT_VERDICT("G4");
    history.holds.items[second].from = 7 * MS; /* it came before */
    ASSERT_VERDICT("");
    history.holds.items[second].from = 5 * MS;
    delivered(second, 0, 0, 5 * MS); /* it began there itself */
    ASSERT_VERDICT("");
    end();
}

static void g3_only_what_was_delivered_is_committed(void **state)
{
    (void)state;
    begin();
    stored(0, 0);
    stored(0, 1);
    uint32_t member = held(0, 0, 1, 0), reader = held(1, 0, -1, 0);
    delivered(member, 0, 0, 2 * MS);
    delivered(reader, 0, 0, 2 * MS); /* not of the group: counts for nothing */
    delivered(reader, 1, 1, 2 * MS);
    sim_history_commit(&history, (struct sim_commit){ 0, 1, 2 });
    ASSERT_VERDICT("");
    history.commits.items[0].at_ms = 1; /* before the delivery */
    ASSERT_VERDICT("G3");
    history.commits.items[0] = (struct sim_commit){ 0, 2, 3 }; /* offset 1 was delivered to no member */
    ASSERT_VERDICT("G3");
    history.commits.items[0] = (struct sim_commit){ 0, 3, 3 }; /* beyond the log */
    ASSERT_VERDICT("G3");
    end();
}

static void g3_everything_is_delivered_in_the_end(void **state)
{
    (void)state;
    begin();
    stored(0, 0);
    stored(0, 1);
    uint32_t hold = held(0, 0, 1, 0);
    delivered(hold, 0, 0, MS);
    ASSERT_VERDICT(""); /* while nobody says that this is the end */
    history.group = true;
    ASSERT_VERDICT("G3");
    delivered(hold, 1, 1, MS);
    ASSERT_VERDICT("");
    history.reader = true;
    ASSERT_VERDICT("G3");
    end();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_violates_nothing),
        cmocka_unit_test(p1_an_acknowledged_record_is_in_the_log),
        cmocka_unit_test(p2_a_record_of_an_idempotent_producer_is_there_once),
        cmocka_unit_test(p3_records_keep_their_order),
        cmocka_unit_test(p4_what_surely_failed_is_not_in_the_log),
        cmocka_unit_test(p5_each_record_has_one_report_in_order),
        cmocka_unit_test(p7_the_reported_offset_is_the_true_one),
        cmocka_unit_test(p8_a_key_has_its_partition),
        cmocka_unit_test(p10_weaker_promises_are_promises_too),
        cmocka_unit_test(p9_a_record_is_where_it_was_sent_to_and_whole),
        cmocka_unit_test(a_value_says_when_it_is_damaged),
        cmocka_unit_test(l1_a_report_comes_in_time),
        cmocka_unit_test(b3_a_log_has_every_offset_once),
        cmocka_unit_test(f1_a_consumer_gets_each_offset_in_order),
        cmocka_unit_test(f5_nobody_goes_back_to_the_beginning_by_himself),
        cmocka_unit_test(f2_what_is_delivered_is_what_the_log_has),
        cmocka_unit_test(f4_nobody_goes_on_in_another_history),
        cmocka_unit_test(f6_nothing_is_delivered_after_it_was_given_back),
        cmocka_unit_test(g1_a_partition_has_one_owner_in_a_generation),
        cmocka_unit_test(g4_who_lost_a_partition_does_not_commit_for_it),
        cmocka_unit_test(g2_committed_offsets_rise),
        cmocka_unit_test(g4_a_late_commit_does_not_count_for_a_new_owner),
        cmocka_unit_test(g3_only_what_was_delivered_is_committed),
        cmocka_unit_test(g3_everything_is_delivered_in_the_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
