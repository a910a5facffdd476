/* Membership by the KIP-848 protocol: what is said to the coordinator, and what the application is told, in which
 * order. How it ends is in modern_end_test.c. */
#include "support/modern_story.h"

/* From nothing to records: the join says everything, on_assigned comes before records, then what is owned is said. */
static void test_first_join(void **state)
{
    char id[64];
    (void)state;
    begin();
    script_append(&sc, 0, 3);
    sc.committed[0] = 1;
    script_subscribe(&sc);
    assert_false(script_waits(&sc, KCI_API_CONSUMER_GROUP_HEARTBEAT)); /* not before the first poll */
    script_poll(&sc);
    expect_state("JOINING");
    const struct kci_consumer_group_heartbeat_request *r = script_modern_beat(&sc);
    assert_int_equal(r->member_epoch, 0);
    assert_int_equal(r->member_id.size, 22); /* made here */
    snprintf(id, sizeof id, "%.*s", (int)r->member_id.size, r->member_id.data);
    assert_int_equal(r->rebalance_timeout_ms, 300000);
    assert_int_equal(r->subscribed_topic_names_count, 1);
    assert_true(kci_str_equal(r->subscribed_topic_names[0], kci_str_of("t")));
    assert_null(r->subscribed_topic_regex.data);
    assert_null(r->server_assignor.data);
    assert_null(r->instance_id.data);
    assert_string_equal(owned(r), "");
    script_answer_modern(&sc, KCI_NONE, 1, "0");
    assert_noted(&sc, "");
    script_poll(&sc);
    assert_noted(&sc, "assigned(t-0)");
    r = script_modern_beat(&sc); /* at once: only what changed */
    assert_int_equal(r->member_epoch, 1);
    assert_true(kci_str_equal(r->member_id, kci_str_of(id)));
    assert_string_equal(owned(r), "0");
    assert_int_equal(r->subscribed_topic_names_count, -1);
    assert_int_equal(r->rebalance_timeout_ms, -1);
    expect_state("STABLE");
    script_answer_modern(&sc, KCI_NONE, 1, NULL);
    assert_seen(&sc, "t-0:1 t-0:2");
    assert_false(script_waits(&sc, KCI_API_CONSUMER_GROUP_HEARTBEAT));
    script_advance(&peer, 5000); /* the interval that the coordinator named */
    r = script_modern_beat(&sc);
    assert_string_equal(owned(r), "-");
    assert_int_equal(r->member_epoch, 1);
    script_consumer_end(&sc);
}

/* A request that was given up came to the coordinator later, and took the answer with what is new along: both believe
 * that the member knows.  Everything is told again each half minute, and then the answer says it, too. */
static void test_everything_is_told_now_and_then(void **state)
{
    const struct kci_consumer_group_heartbeat_request *r;
    (void)state;
    begin();
    join("0");
    for (int i = 0; i < 5; i++) {
        script_advance(&peer, 5000);
        r = script_modern_beat(&sc);
        assert_string_equal(owned(r), "-");
        script_answer_modern(&sc, KCI_NONE, 1, NULL);
    }
    script_advance(&peer, 5000);
    r = script_modern_beat(&sc);
    assert_string_equal(owned(r), "0");
    assert_int_equal(r->subscribed_topic_names_count, 1);
    script_answer_modern(&sc, KCI_NONE, 1, "01");
    script_poll(&sc);
    assert_noted(&sc, "assigned(t-1)");
    script_consumer_end(&sc);
}

/* Who asks for committed offsets says which member it is, and at which epoch; refused, it looks where it stands and
 * asks again. */
static void test_offsets_are_asked_for_as_a_member(void **state)
{
    const int16_t errors[] = { KCI_STALE_MEMBER_EPOCH, KCI_UNKNOWN_MEMBER_ID };
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        begin();
        script_append(&sc, 0, 3);
        sc.committed[0] = 1;
        sc.manual2 = KCI_API_OFFSET_FETCH;
        script_subscribe(&sc);
        script_poll(&sc);
        script_answer_modern(&sc, KCI_NONE, 1, "0");
        script_poll(&sc);
        script_answer_modern(&sc, KCI_NONE, 1, NULL);
        struct script_request *asked = script_pending(&peer, NULL, KCI_API_OFFSET_FETCH);
        const struct kci_offset_fetch_request *r = asked->message;
        assert_int_equal(r->groups[0].member_id.size, 22);
        assert_int_equal(r->groups[0].member_epoch, 1);
        struct kci_offset_fetch_response__offset_fetch_response_group group = { .group_id = r->groups[0].group_id,
                                                                                .error_code = errors[i] };
        struct kci_offset_fetch_response refused = { .groups = &group, .groups_count = 1 };
        script_answer(&peer, asked, &refused);
        assert_int_equal(script_modern_beat(&sc)->member_epoch, 1); /* at once */
        script_answer_modern(&sc, KCI_NONE, 2, NULL);
        sc.manual2 = -1;
        script_advance(&peer, 1000);
        assert_seen(&sc, "assigned(t-0) t-0:1 t-0:2");
        script_consumer_end(&sc);
    }
}

/* Nothing to have is told, too: once. */
static void test_empty_assignment(void **state)
{
    (void)state;
    begin();
    script_subscribe(&sc);
    script_poll(&sc);
    script_answer_modern(&sc, KCI_NONE, 1, "");
    assert_seen(&sc, "assigned()");
    script_answer_modern(&sc, KCI_NONE, 2, NULL);
    assert_seen(&sc, "");
    script_consumer_end(&sc);
}

/* One partition goes, one comes.  The order: commit of what polls returned, on_revoked while it is still ours but not
 * returned any more, on_assigned, what is owned is said.  What stays is read all along. */
static void test_reconcile_order(void **state)
{
    (void)state;
    prepare();
    sc.settings.enable_auto_commit = true;
    script_consumer_create(&sc);
    peer.topics[0].partitions = 3;
    script_append(&sc, 0, 2);
    script_append(&sc, 1, 1);
    join("01");
    script_append(&sc, 0, 1);
    script_advance(&peer, 5000);
    script_answer_modern(&sc, KCI_NONE, 2, "12");
    script_answer_commit(&sc, KCI_NONE); /* the automatic one of the interval */
    assert_int_equal(sc.committed[0], 2);
    script_append(&sc, 1, 1);
    assert_false(script_waits(&sc, KCI_API_OFFSET_COMMIT)); /* the application may still work on records */
    assert_seen(&sc, "revoked(t-0) assigned(t-2) t-1:1");   /* all was committed already: nothing to wait for */
    const struct kci_consumer_group_heartbeat_request *r = script_modern_beat(&sc);
    assert_string_equal(owned(r), "12");
    assert_int_equal(r->member_epoch, 2);
    script_consumer_end(&sc);
}

/* The automatic commit before partitions go carries the epoch of now; the callback waits for its answer. */
static void test_commit_before_revoke(void **state)
{
    (void)state;
    prepare();
    sc.settings.enable_auto_commit = true;
    script_consumer_create(&sc);
    script_append(&sc, 0, 2);
    join("0");
    script_poll_all(&sc);
    sc.settings.auto_commit_interval_ms = 60000;
    script_advance(&peer, 5000);
    script_answer_modern(&sc, KCI_NONE, 1, NULL);
    script_answer_commit(&sc, KCI_NONE);
    script_append(&sc, 0, 1);
    script_advance(&peer, 5000);
    assert_seen(&sc, "t-0:2");
    script_answer_modern(&sc, KCI_NONE, 7, "");
    script_append(&sc, 0, 1);
    script_poll(&sc);
    assert_noted(&sc, "");
    expect_state("PREPARING");
    const struct kci_offset_commit_request *r = script_pending(&peer, NULL, KCI_API_OFFSET_COMMIT)->message;
    assert_int_equal(r->generation_id_or_member_epoch, 7);
    assert_int_equal(r->topics[0].partitions[0].committed_offset, 3);
    script_answer_commit(&sc, KCI_NONE);
    script_poll_all(&sc);
    assert_noted(&sc, "revoked(t-0) assigned()");
    script_consumer_end(&sc);
}

/* No answer, or "elsewhere": the next one goes to whoever is the coordinator then, and says everything once more. */
static void test_coordinator_moves(void **state)
{
    (void)state;
    begin();
    join("0");
    script_advance(&peer, 5000);
    sc.coordinator = 2;
    script_answer_modern(&sc, KCI_NOT_COORDINATOR, 0, NULL);
    script_advance(&peer, 200);
    const struct kci_consumer_group_heartbeat_request *r = script_modern_beat(&sc);
    assert_int_equal(r->member_epoch, 1);
    assert_int_equal(r->subscribed_topic_names_count, 1);
    assert_int_equal(r->rebalance_timeout_ms, 300000);
    assert_string_equal(owned(r), "0");
    script_answer_modern(&sc, KCI_COORDINATOR_LOAD_IN_PROGRESS, 0, NULL);
    script_advance(&peer, 1500);
    script_answer_modern(&sc, KCI_NONE, 1, "0"); /* the same: nothing is told */
    assert_seen(&sc, "");
    expect_state("STABLE");
    script_consumer_end(&sc);
}

/* Version 0: the coordinator makes the id, and it is kept. */
static void test_version_0(void **state)
{
    (void)state;
    begin();
    peer.version_max[KCI_API_CONSUMER_GROUP_HEARTBEAT] = 0;
    script_subscribe(&sc);
    script_poll(&sc);
    struct script_request *r = script_expect(&sc, KCI_API_CONSUMER_GROUP_HEARTBEAT);
    assert_int_equal(((const struct kci_consumer_group_heartbeat_request *)r->message)->member_id.size, 0);
    struct kci_consumer_group_heartbeat_response response;
    kci_codec_init(&kci_consumer_group_heartbeat_response_schema, &response);
    response.member_id = kci_str_of("theirs");
    response.member_epoch = 1;
    response.heartbeat_interval_ms = 5000;
    script_answer(&peer, r, &response);
    script_advance(&peer, 5000);
    assert_true(kci_str_equal(script_modern_beat(&sc)->member_id, kci_str_of("theirs")));
    script_answer_modern(&sc, KCI_UNKNOWN_MEMBER_ID, 0, NULL);
    script_poll(&sc);
    assert_true(kci_str_equal(script_modern_beat(&sc)->member_id, kci_str_of("theirs")));
    script_consumer_end(&sc);
}

/* A new list of topics is told at once, without leaving what we have. */
static void test_subscription_changes(void **state)
{
    const char *topics[] = { "t", "u" };
    kc_error error;
    (void)state;
    begin();
    join("0");
    assert_int_equal(kci_consumer_subscribe(sc.core, topics, 2, peer.now, &error), KC_OK);
    script_step(&peer);
    const struct kci_consumer_group_heartbeat_request *r = script_modern_beat(&sc);
    assert_int_equal(r->subscribed_topic_names_count, 2);
    assert_string_equal(owned(r), "-");
    assert_int_equal(r->member_epoch, 1);
    assert_seen(&sc, "");
    script_consumer_end(&sc);
}

/* Commits carry the member epoch; one that is behind is sent again with the new one. */
static void test_stale_epoch(void **state)
{
    struct kci_operation *operation;
    kc_topic_partition item = { "t", 0, 5, -1, NULL, KC_OK };
    const struct kci_partition_list *items;
    kc_error error;
    kc_err code;
    (void)state;
    begin();
    join("0");
    assert_int_equal(kci_consumer_begin_commit(sc.core, &operation, &item, 1, peer.now + 9000000, &error), KC_OK);
    script_step(&peer);
    const struct kci_offset_commit_request *r = script_pending(&peer, NULL, KCI_API_OFFSET_COMMIT)->message;
    assert_int_equal(r->generation_id_or_member_epoch, 1);
    script_answer_commit(&sc, KCI_STALE_MEMBER_EPOCH);
    assert_false(kci_consumer_operation_done(sc.core, operation, &items, &code, &error));
    script_answer_modern(&sc, KCI_NONE, 2, NULL); /* a refused commit asks at once where we stand */
    script_advance(&peer, 200);
    r = script_pending(&peer, NULL, KCI_API_OFFSET_COMMIT)->message;
    assert_int_equal(r->generation_id_or_member_epoch, 2);
    script_answer_commit(&sc, KCI_NONE);
    assert_true(kci_consumer_operation_done(sc.core, operation, &items, &code, &error));
    assert_int_equal(code, KC_OK);
    assert_int_equal(sc.committed[0], 5);
    kci_consumer_operation_end(sc.core, operation);
    script_consumer_end(&sc);
}

/* A commit that still waits when its partition is revoked is refused: behind the next owner's it would take back what
 * that one committed. */
static void test_commit_over_revocation(void **state)
{
    struct kci_operation *gone, *stays;
    kc_topic_partition items[] = { { "t", 0, 5, -1, NULL, KC_OK }, { "t", 1, 6, -1, NULL, KC_OK } };
    kc_error error;
    kc_err code;
    (void)state;
    begin();
    join("01");
    script_advance(&peer, 5000);
    assert_int_equal(kci_consumer_begin_commit(sc.core, &gone, items, 1, peer.now + 99000000, &error), KC_OK);
    assert_int_equal(kci_consumer_begin_commit(sc.core, &stays, items + 1, 1, peer.now + 99000000, &error), KC_OK);
    script_step(&peer);
    script_answer_modern(&sc, KCI_NONE, 2, "1");
    script_answer_commit(&sc, KCI_COORDINATOR_LOAD_IN_PROGRESS); /* of the first; the second waits behind it */
    script_poll_all(&sc);
    assert_noted(&sc, "revoked(t-0) assigned()");
    script_answer_modern(&sc, KCI_NONE, 2, NULL);
    script_advance(&peer, 1500);
    assert_true(kci_consumer_operation_done(sc.core, gone, NULL, &code, &error));
    assert_int_equal(code, KC_ERR_REBALANCE_IN_PROGRESS);
    script_answer_commit(&sc, KCI_NONE);
    assert_true(kci_consumer_operation_done(sc.core, stays, NULL, &code, &error));
    assert_int_equal(code, KC_OK);
    kci_consumer_operation_end(sc.core, gone);
    kci_consumer_operation_end(sc.core, stays);
    script_consumer_end(&sc);
}

/* A pattern that the coordinator matches: the assignment names a topic that only its id is known of. */
static void test_remote_pattern(void **state)
{
    kc_error error;
    (void)state;
    begin();
    assert_int_equal(kci_consumer_subscribe_pattern(sc.core, "t.*", true, peer.now, &error), KC_OK);
    script_step(&peer);
    script_poll(&sc);
    const struct kci_consumer_group_heartbeat_request *r = script_modern_beat(&sc);
    assert_true(kci_str_equal(r->subscribed_topic_regex, kci_str_of("t.*")));
    assert_int_equal(r->subscribed_topic_names_count, 0);
    script_append(&sc, 1, 1);
    script_answer_modern(&sc, KCI_NONE, 1, "1");
    assert_seen(&sc, "assigned(t-1)"); /* metadata was asked by id meanwhile */
    script_answer_modern(&sc, KCI_NONE, 1, NULL);
    assert_seen(&sc, "t-1:0");
    script_subscribe(&sc); /* back to a list: the pattern is taken back */
    r = script_modern_beat(&sc);
    assert_true(kci_str_equal(r->subscribed_topic_regex, kci_str_of("")));
    assert_int_equal(r->subscribed_topic_names_count, 1);
    script_answer_modern(&sc, KCI_INVALID_REGULAR_EXPRESSION, 0, NULL);
    script_poll(&sc);
    assert_noted(&sc, "lost(t-1) !INVALID_REGULAR_EXPRESSION");
    script_consumer_end(&sc);
}

/* What the coordinator cannot read is told by poll, with what to do; another pattern makes it good. */
static void test_remote_pattern_that_is_none(void **state)
{
    kc_error error;
    (void)state;
    begin();
    assert_int_equal(kci_consumer_subscribe_pattern(sc.core, "(t", true, peer.now, &error), KC_OK);
    script_step(&peer);
    script_poll(&sc);
    script_modern_beat(&sc);
    script_answer_modern(&sc, KCI_INVALID_REGULAR_EXPRESSION, 0, NULL);
    assert_int_equal(script_poll(&sc), KC_ERR_INVALID_REGULAR_EXPRESSION);
    assert_non_null(strstr(sc.last_text, "\"(t\""));
    assert_non_null(strstr(sc.last_text, "RE2 syntax"));
    assert_noted(&sc, "!INVALID_REGULAR_EXPRESSION");
    assert_int_equal(kci_consumer_subscribe_pattern(sc.core, "(t)", true, peer.now, &error), KC_OK);
    script_advance(&peer, 60000);
    script_poll(&sc);
    const struct kci_consumer_group_heartbeat_request *r = script_modern_beat(&sc);
    assert_int_equal(r->member_epoch, 0);
    assert_true(kci_str_equal(r->subscribed_topic_regex, kci_str_of("(t)")));
    script_answer_modern(&sc, KCI_NONE, 1, "0");
    script_poll(&sc);
    assert_noted(&sc, "assigned(t-0)");
    script_consumer_end(&sc);
}

/* The same on a broker that cannot: said at once. */
static void test_remote_pattern_old_broker(void **state)
{
    kc_error error;
    (void)state;
    begin();
    peer.version_max[KCI_API_CONSUMER_GROUP_HEARTBEAT] = 0;
    assert_int_equal(kci_consumer_subscribe_pattern(sc.core, "t.*", true, peer.now, &error), KC_OK);
    script_step(&peer);
    assert_int_equal(script_poll(&sc), KC_ERR_UNSUPPORTED_VERSION);
    assert_non_null(strstr(sc.last_text, "patterns matched by the broker"));
    script_consumer_end(&sc);
}

/* A topic is deleted and made anew under its name: the old one is revoked, the new one assigned. */
static void test_topic_made_anew(void **state)
{
    (void)state;
    begin();
    script_append(&sc, 0, 1);
    join("0");
    peer.topics[0].id.b[0] ^= 0x55;
    script_advance(&peer, 5000);
    script_answer_modern(&sc, KCI_NONE, 2, "0");
    script_poll_all(&sc);
    /* What goes does not wait until the name of the other is known. */
    assert_noted(&sc, "revoked(t-0) assigned() assigned(t-0)");
    script_answer_modern(&sc, KCI_NONE, 2, NULL);
    script_advance(&peer, 600);
    assert_seen(&sc, "t-0:0");
    script_consumer_end(&sc);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_first_join),
        cmocka_unit_test(test_everything_is_told_now_and_then),
        cmocka_unit_test(test_offsets_are_asked_for_as_a_member),
        cmocka_unit_test(test_empty_assignment),
        cmocka_unit_test(test_reconcile_order),
        cmocka_unit_test(test_commit_before_revoke),
        cmocka_unit_test(test_coordinator_moves),
        cmocka_unit_test(test_version_0),
        cmocka_unit_test(test_subscription_changes),
        cmocka_unit_test(test_stale_epoch),
        cmocka_unit_test(test_commit_over_revocation),
        cmocka_unit_test(test_remote_pattern),
        cmocka_unit_test(test_remote_pattern_that_is_none),
        cmocka_unit_test(test_remote_pattern_old_broker),
        cmocka_unit_test(test_topic_made_anew),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
