/* A cooperative member (KIP-429) whose subscription grows, and that commits while it gives a partition up. */
#include "support/script_group.h"

static struct script_peer peer;
static struct script_consumer sc;

static void begin(void)
{
    script_consumer_init(&sc, &peer);
    sc.settings.partition_assignment_strategy = "cooperative-sticky";
    script_consumer_create(&sc);
}

/* Answer SyncGroup with partition 0 of "t" and, maybe, partition 2 of "u". */
static void assign_both_topics(bool u)
{
    static int32_t first = 0, third = 2;
    struct kci_consumer_protocol_assignment__topic_partition topics[2] = {
        { .topic = kci_str_of("t"), .partitions = &first, .partitions_count = 1 },
        { .topic = kci_str_of("u"), .partitions = &third, .partitions_count = 1 },
    };
    struct kci_consumer_protocol_assignment assignment;
    struct kci_sync_group_response response;
    uint8_t buffer[128];
    struct kci_writer w = kci_writer_fixed(buffer, sizeof buffer);
    kci_codec_init(&kci_consumer_protocol_assignment_schema, &assignment);
    kci_codec_init(&kci_sync_group_response_schema, &response);
    assignment.assigned_partitions = topics;
    assignment.assigned_partitions_count = 1 + u;
    kci_writer_i16(&w, 3);
    assert_true(kci_codec_encode(&kci_consumer_protocol_assignment_schema, 3, &assignment, &w));
    response.assignment = (struct kci_bytes){ buffer, w.size };
    script_answer(&peer, script_expect(&sc, KCI_API_SYNC_GROUP), &response);
}

/* A topic comes to the subscription: nothing is given back and reading goes on; the member joins and says both topics;
 * what it gets is told, and nothing else; there is no second round, since nothing was given up.  A topic that goes
 * again takes only its own partition along, before the join. */
static void test_a_topic_is_added(void **state)
{
    const char *both[] = { "t", "u" }, *t[] = { "t" };
    (void)state;
    begin();
    script_topic(&peer, "u", 3);
    script_append(&sc, 0, 1);
    script_append(&sc, 2, 1);
    script_join(&sc, 1, "0");
    assert_seen(&sc, "assigned(t-0) t-0:0");
    assert_int_equal(kci_consumer_subscribe(sc.core, both, 2, peer.now, NULL), KC_OK);
    script_poll(&sc);
    assert_noted(&sc, "");
    struct script_request *join = script_pending(&peer, NULL, KCI_API_JOIN_GROUP);
    struct kci_bytes said = ((const struct kci_join_group_request *)join->message)->protocols[0].metadata;
    static const uint8_t topics[] = { 0, 3, 0, 0, 0, 2, 0, 1, 't', 0, 1, 'u' };
    assert_memory_equal(said.data, topics, sizeof topics);
    script_append(&sc, 0, 1);
    script_advance(&peer, 600);
    assert_seen(&sc, "t-0:1"); /* while the others are waited for */
    script_answer_join(&sc, KCI_NONE, 2, "other");
    assign_both_topics(true);
    script_poll(&sc);
    script_advance(&peer, 600); /* its questions wait behind a fetch of "t" that finds nothing */
    script_advance(&peer, 600);
    assert_seen(&sc, "assigned(u-2) u-2:0");
    assert_string_equal(kci_consumer_group_state(sc.core), "STABLE");
    assert_false(script_waits(&sc, KCI_API_JOIN_GROUP));

    assert_int_equal(kci_consumer_subscribe(sc.core, t, 1, peer.now, NULL), KC_OK);
    script_poll(&sc);
    assert_noted(&sc, "revoked(u-2)");
    script_answer_join(&sc, KCI_NONE, 3, "other");
    assign_both_topics(false);
    script_append(&sc, 0, 1);
    script_advance(&peer, 600);
    assert_seen(&sc, "assigned() t-0:2");
    script_consumer_end(&sc);
}

static int16_t refused_with;           /* the answer to the commit inside on_revoked */
static kc_err result;                  /* of that commit */
static int32_t under_generation;       /* that it was sent under */
static bool joined_before, still_ours; /* while the callback ran */

/* A synchronous commit of what goes, as in the application's on_revoked: it waits for its answer in there. */
static void commit_what_goes(struct script_consumer *story, const struct kci_consumer_event *event)
{
    struct kci_operation *operation;
    int64_t offset = -1;
    if (event->kind != KCI_EVENT_REVOKED)
        return;
    still_ours = kci_consumer_position(story->core, "t", 1, &offset, NULL) == KC_OK && offset == 2;
    kc_topic_partition item = { "t", 1, offset, -1, NULL, KC_OK };
    assert_int_equal(kci_consumer_begin_commit(story->core, &operation, &item, 1, peer.now + 5000000, NULL), KC_OK);
    script_step(&peer);
    const struct kci_offset_commit_request *commit = script_pending(&peer, NULL, KCI_API_OFFSET_COMMIT)->message;
    under_generation = commit->generation_id_or_member_epoch;
    script_answer_commit(story, refused_with);
    script_advance(&peer, 200);
    joined_before = script_waits(story, KCI_API_JOIN_GROUP);
    assert_true(kci_consumer_operation_done(story->core, operation, NULL, &result, NULL));
    kci_consumer_operation_end(story->core, operation);
}

/* Both partitions were read, and one of them goes. */
static void give_one_up(int16_t error)
{
    refused_with = error;
    begin();
    sc.in_event = commit_what_goes;
    script_append(&sc, 0, 1);
    script_append(&sc, 1, 2);
    script_join(&sc, 1, "01");
    script_poll_all(&sc);
    sc.seen[0] = 0;
    script_advance(&peer, 3000);
    script_beat(&sc, KCI_REBALANCE_IN_PROGRESS);
    script_poll(&sc);
    script_answer_join(&sc, KCI_NONE, 2, "other");
    script_answer_sync(&sc, KCI_NONE, "0");
    script_poll(&sc);
    assert_true(still_ours);
    assert_false(joined_before); /* the next owner gets it behind the commit, not before */
    assert_int_equal(under_generation, 2);
}

/* The partition is still the member's while on_revoked runs: the commit belongs to the generation that took it away,
 * arrives before the member joins again, and the next owner begins behind it. */
static void test_commit_inside_on_revoked(void **state)
{
    (void)state;
    give_one_up(KCI_NONE);
    assert_int_equal(result, KC_OK);
    assert_int_equal(sc.committed[1], 2);
    assert_noted(&sc, "revoked(t-1) assigned()");
    script_poll(&sc);
    script_answer_join(&sc, KCI_NONE, 3, "other");
    script_answer_sync(&sc, KCI_NONE, "0");
    assert_seen(&sc, "assigned()");
    script_consumer_end(&sc);
}

/* The same, and the group has gone on meanwhile: the commit says so, all that is left is lost, and the member joins
 * under its old id. */
static void test_illegal_generation_inside_on_revoked(void **state)
{
    (void)state;
    give_one_up(KCI_ILLEGAL_GENERATION);
    assert_int_equal(result, KC_ERR_ILLEGAL_GENERATION);
    assert_int_equal(sc.committed[1], -1);
    script_poll(&sc);
    assert_noted(&sc, "revoked(t-1) lost(t-0)");
    const struct kci_join_group_request *join = script_pending(&peer, NULL, KCI_API_JOIN_GROUP)->message;
    assert_true(kci_str_equal(join->member_id, kci_str_of("me")));
    script_answer_join(&sc, KCI_NONE, 4, "other");
    script_answer_sync(&sc, KCI_NONE, "01");
    script_poll(&sc);
    assert_non_null(strstr(sc.seen, "assigned(t-0,t-1)"));
    script_consumer_end(&sc);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_topic_is_added),
        cmocka_unit_test(test_commit_inside_on_revoked),
        cmocka_unit_test(test_illegal_generation_inside_on_revoked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
