/* The checks of logs with holes: the smallest history that violates each, and the same repaired. */
#include "check_story.h"

/* Four records in partition 0; the two in the middle are gone since then. */
static void begin_with_a_hole(int64_t since)
{
    begin();
    history.gaps = history.compacted = true;
    for (int64_t i = 0; i < 4; i++)
        stored(0, i);
    history.logs.items[0].records.items[1].gone_at = since;
    history.logs.items[0].records.items[2].gone_at = since;
}

static void jumped(uint32_t hold, int64_t from, int64_t to, int64_t start, int64_t at)
{
    sim_history_reset(
        &history,
        (struct sim_reset){
            .hold = hold, .before = history.deliveries.count, .at = at, .from = from, .to = to, .start = start });
}

static void f1_only_what_is_gone_is_passed_over(void **state)
{
    (void)state;
    begin_with_a_hole(5 * MS);
    uint32_t hold = held(0, 0, -1, 0);
    delivered(hold, 0, 0, MS);
    delivered(hold, 3, 3, 6 * MS);
    ASSERT_VERDICT("");
    history.logs.items[0].records.items[2].gone_at = 7 * MS; /* it was still there */
    ASSERT_VERDICT("F1");
    history.logs.items[0].records.items[2].gone_at = 5 * MS;
    history.gaps = false; /* nothing may go in such a log */
    ASSERT_VERDICT("F1");
    end();
}

static void f1_who_was_quicker_than_the_cleaner_is_right(void **state)
{
    (void)state;
    begin_with_a_hole(5 * MS);
    uint32_t hold = held(0, 0, -1, 0);
    for (uint32_t i = 0; i < 4; i++)
        delivered(hold, i, i, 6 * MS); /* fetched before */
    ASSERT_VERDICT("");
    end();
}

static void f5_a_reset_is_told_and_has_a_reason(void **state)
{
    (void)state;
    begin_with_a_hole(5 * MS);
    history.logs.items[0].records.items[0].gone_at = 5 * MS;
    uint32_t hold = held(0, 0, -1, 0);
    jumped(hold, 0, 3, 3, 6 * MS);
    delivered(hold, 3, 3, 6 * MS);
    ASSERT_VERDICT("");
    history.resets.items[0].from = 7; /* nobody was there */
    ASSERT_VERDICT("F5");
    history.resets.items[0].from = 0;
    history.resets.items[0].start = 0; /* offset 0 could be read */
    ASSERT_VERDICT("F5");
    history.resets.items[0].start = 3;
    history.logs.items[0].records.items[2].gone_at = 0; /* there was an earlier record to go to */
    ASSERT_VERDICT("F5");
    history.resets_end = true; /* auto.offset.reset=latest does not look for it */
    ASSERT_VERDICT("");
    end();
}

/* Without compaction a log has no holes: what is gone lies before its beginning. */
static void f5_a_jump_to_a_later_beginning_is_told(void **state)
{
    (void)state;
    begin_with_a_hole(5 * MS);
    history.compacted = false;
    uint32_t hold = held(0, 0, -1, 0);
    delivered(hold, 0, 0, MS);
    delivered(hold, 3, 3, 6 * MS);
    ASSERT_VERDICT("F5");
    history.resets.count = 0;
    sim_history_reset(&history, (struct sim_reset){ .before = 1, .at = 6 * MS, .from = 1, .to = 3, .start = 3 });
    ASSERT_VERDICT("");
    end();
}

static void p2_a_record_may_come_again_when_it_was_gone(void **state)
{
    (void)state;
    begin_with_a_hole(5 * MS);
    sim_history_logged(&history, 0, (struct sim_logged){ .value = value_of(1, 0), .offset = 4, .stored_at = 6 * MS });
    history.acks_all = false; /* the report has the first offset */
    history.forgetful = true;
    ASSERT_VERDICT("");
    history.logs.items[0].records.items[4].stored_at = 4 * MS;
    ASSERT_VERDICT("P2");
    end();
}

/* Record 1 is gone and sent again; so is record 3, which is in the log, but was under way behind it. */
static void p2_who_begins_anew_sends_again_what_was_behind(void **state)
{
    (void)state;
    begin_with_a_hole(5 * MS);
    history.acks_all = false; /* the reports have the first offsets */
    history.forgetful = true;
    sim_history_logged(&history, 0, (struct sim_logged){ .value = value_of(1, 0), .offset = 4, .stored_at = 6 * MS });
    sim_history_logged(&history, 0, (struct sim_logged){ .value = value_of(3, 0), .offset = 5, .stored_at = 6 * MS });
    ASSERT_VERDICT("");
    history.logs.items[0].records.items[4].value = value_of(0, 0); /* which was not gone */
    ASSERT_VERDICT("P2");
    history.logs.items[0].records.count--;
    history.logs.items[0].records.items[4].value = value_of(3, 0); /* it alone */
    ASSERT_VERDICT("P2");
    end();
}

static void f5_a_position_that_goes_back_without_a_word(void **state)
{
    (void)state;
    begin_with_a_hole(5 * MS);
    uint32_t hold = held(0, 0, -1, 0);
    for (uint32_t i = 0; i < 3; i++)
        delivered(hold, i, i, MS);
    delivered(hold, 1, 1, 2 * MS);
    ASSERT_VERDICT("F5");
    end();
}

static void f6_the_old_position_does_not_go_on_behind_a_seek(void **state)
{
    (void)state;
    begin();
    for (int64_t i = 0; i < 4; i++)
        stored(0, i);
    uint32_t before = held(0, 0, -1, 0);
    delivered(before, 0, 0, MS);
    delivered(before, 1, 1, MS);
    uint32_t after = held(0, 0, -1, 0); /* a seek to the beginning */
    delivered(after, 2, 2, 2 * MS);
    ASSERT_VERDICT("F6");
    end();
}

static void g3_what_is_gone_need_not_be_delivered(void **state)
{
    (void)state;
    begin_with_a_hole(5 * MS);
    history.group = true;
    uint32_t hold = held(0, 0, 1, 0);
    delivered(hold, 0, 0, MS);
    ASSERT_VERDICT("G3"); /* offset 3 */
    delivered(hold, 3, 3, 6 * MS);
    ASSERT_VERDICT("");
    sim_history_commit(&history, (struct sim_commit){ .partition = 0, .offset = 3, .at_ms = 4 });
    ASSERT_VERDICT("G3"); /* 1 and 2 were still there */
    history.commits.items[0].at_ms = 5;
    ASSERT_VERDICT("");
    end();
}

static void g3_what_a_reset_to_the_end_skips_is_done(void **state)
{
    (void)state;
    begin();
    history.gaps = history.resets_end = history.group = true;
    for (int64_t i = 0; i < 4; i++)
        stored(0, i);
    uint32_t hold = held(0, 0, 1, -1);
    jumped(hold, -1, 3, 0, MS); /* a new group: nothing is committed */
    delivered(hold, 3, 3, 2 * MS);
    ASSERT_VERDICT("");
    history.resets_end = false;
    ASSERT_VERDICT("F5");
    end();
}

static void p1_what_a_later_record_of_its_key_replaced_is_not_lost(void **state)
{
    (void)state;
    begin();
    history.gaps = true;
    uint32_t first = sent(0, 0), second = sent(0, 0);
    reported(first, 0, KC_OK, 0, 0, MS);
    reported(second, 0, KC_OK, 0, 1, MS);
    logged(0, 1, second); /* nobody has seen the first one */
    history.senders.items[0].sends.items[first].key = 7;
    history.logs.items[0].records.items[0].key = 7;
    ASSERT_VERDICT("");
    history.logs.items[0].records.items[0].key = 8;
    ASSERT_VERDICT("P1");
    history.logs.items[0].start = 1; /* too old */
    ASSERT_VERDICT("");
    end();
}

static void p10_what_was_too_old_at_once_is_not_lost(void **state)
{
    (void)state;
    begin();
    history.gaps = history.acks_leader = true;
    history.acks_all = false;
    uint32_t first = sent(0, 0);
    reported(first, 0, KC_OK, 0, 0, MS);
    history.senders.items[0].sends.items[first].key = -1; /* so no later one replaces it */
    stored(0, 1);
    ASSERT_VERDICT("P10");
    history.logs.items[0].start = 1;
    ASSERT_VERDICT("");
    end();
}

/* Written, delivered, and gone before the log was looked at; the producer was closed before an answer came. */
static void f2_what_nobody_has_seen_in_the_log_was_sent(void **state)
{
    (void)state;
    begin();
    history.gaps = history.idempotent = true;
    uint32_t first = sent(0, 0);
    reported(first, 0, KC_ERR_CLOSED, KC_MAYBE_APPLIED, -1, MS);
    uint32_t hold = held(0, 0, -1, 0);
    delivered(hold, 0, first, MS);
    ASSERT_VERDICT("F2"); /* the log has not come that far */
    delivered(hold, 1, stored(0, 1), MS);
    ASSERT_VERDICT("");
    history.senders.items[0].sends.items[first].traits = 0; /* surely not written */
    ASSERT_VERDICT("F2");
    end();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(f1_only_what_is_gone_is_passed_over),
        cmocka_unit_test(f1_who_was_quicker_than_the_cleaner_is_right),
        cmocka_unit_test(f5_a_reset_is_told_and_has_a_reason),
        cmocka_unit_test(f5_a_jump_to_a_later_beginning_is_told),
        cmocka_unit_test(p2_a_record_may_come_again_when_it_was_gone),
        cmocka_unit_test(p2_who_begins_anew_sends_again_what_was_behind),
        cmocka_unit_test(f5_a_position_that_goes_back_without_a_word),
        cmocka_unit_test(f6_the_old_position_does_not_go_on_behind_a_seek),
        cmocka_unit_test(g3_what_is_gone_need_not_be_delivered),
        cmocka_unit_test(g3_what_a_reset_to_the_end_skips_is_done),
        cmocka_unit_test(p1_what_a_later_record_of_its_key_replaced_is_not_lost),
        cmocka_unit_test(p10_what_was_too_old_at_once_is_not_lost),
        cmocka_unit_test(f2_what_nobody_has_seen_in_the_log_was_sent),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
