/* Where reading begins, and whether it may go on: committed offsets, resets, truncated logs. */
#include "consumer/internal.h"
#include "support/script_group.h"

static struct script_peer peer;
static struct script_consumer sc;

static void begin(enum kci_offset_reset reset)
{
    script_consumer_init(&sc, &peer);
    sc.settings.auto_offset_reset = reset;
    script_consumer_create(&sc);
    script_append(&sc, 0, 5);
}

/* The committed offset wins; without one the policy decides. */
static void test_begin(void **state)
{
    (void)state;
    begin(KCI_RESET_LATEST);
    sc.committed[0] = 3;
    script_assign(&sc, 0, KC_OFFSET_NONE);
    assert_seen(&sc, "t-0:3 t-0:4");
    script_consumer_end(&sc);

    begin(KCI_RESET_LATEST);
    script_assign(&sc, 0, KC_OFFSET_NONE);
    script_append(&sc, 0, 1);
    script_step(&peer);
    assert_seen(&sc, "t-0:5");
    script_consumer_end(&sc);

    begin(KCI_RESET_EARLIEST);
    sc.logs[0].start = 2;
    script_assign(&sc, 0, KC_OFFSET_NONE);
    assert_seen(&sc, "t-0:2 t-0:3 t-0:4");
    script_consumer_end(&sc);
}

/* No offset and no policy: an error until the application seeks. */
static void test_no_policy(void **state)
{
    (void)state;
    begin(KCI_RESET_NONE);
    script_assign(&sc, 0, KC_OFFSET_NONE);
    script_poll(&sc);
    script_poll(&sc);
    assert_noted(&sc, "!NO_OFFSET !NO_OFFSET");
    assert_int_equal(kci_consumer_seek(sc.core, "t", 0, KC_OFFSET_BEGINNING, peer.now, NULL), KC_OK);
    script_step(&peer);
    assert_seen(&sc, "t-0:0 t-0:1 t-0:2 t-0:3 t-0:4");
    script_consumer_end(&sc);
}

/* Without a group there is no committed offset to ask for. */
static void test_no_group(void **state)
{
    (void)state;
    script_consumer_init(&sc, &peer);
    sc.settings.group_id = NULL;
    script_consumer_create(&sc);
    script_append(&sc, 0, 1);
    script_assign(&sc, 0, KC_OFFSET_NONE);
    assert_seen(&sc, "t-0:0");
    struct kci_operation *operation;
    assert_int_equal(kci_consumer_begin_commit(sc.core, &operation, NULL, 0, peer.now, NULL), KC_ERR_STATE);
    const char *topic = "t";
    assert_int_equal(kci_consumer_subscribe(sc.core, &topic, 1, peer.now, NULL), KC_ERR_STATE);
    script_consumer_end(&sc);
}

/* Look up where a moment is, go there, and the first record is exactly the first of that moment: by hand from the
 * beginning of an assignment, and as a member inside on_assigned.  Before all records is the first, behind all the end,
 * from where on what comes is read.  Record n was written at 1000 + n. */
static const struct {
    int64_t time, offset; /* the question, and its answer */
    const char *then;     /* what polls return from there on */
} moments[] = {
    { 1003, 3, "t-0:3 t-0:4" }, /* in the middle of the batch */
    { 1000, 0, "t-0:0 t-0:1 t-0:2 t-0:3 t-0:4" },
    { 1004, 4, "t-0:4" },
    { 9999, KC_OFFSET_END, "" },
};
#define MOMENTS (sizeof moments / sizeof moments[0])

static int64_t look_up(int64_t time)
{
    kc_topic_partition item = { "t", 0, time, -1, NULL, KC_OK };
    const struct kci_partition_list *answer = NULL;
    struct kci_operation *operation;
    kc_err code = KC_ERR_TIMED_OUT;
    assert_int_equal(kci_consumer_begin_offsets(sc.core, &operation, &item, 1, peer.now + 1000000, NULL), KC_OK);
    script_step(&peer);
    assert_true(kci_consumer_operation_done(sc.core, operation, &answer, &code, NULL));
    assert_int_equal(code, KC_OK);
    int64_t offset = answer->items[0].offset;
    kci_consumer_operation_end(sc.core, operation);
    return offset;
}

static size_t moment;

static void seek_to_the_moment(struct script_consumer *story, const struct kci_consumer_event *event)
{
    if (event->kind == KCI_EVENT_ASSIGNED)
        assert_int_equal(kci_consumer_seek(story->core, "t", 0, look_up(moments[moment].time), peer.now, NULL), KC_OK);
}

/* Nothing of before the moment; then what is written afterwards. */
static void expect_from_the_moment(const char *before)
{
    char expected[200];
    script_poll_all(&sc);
    script_advance(&peer, 600); /* a question may wait behind a fetch that finds nothing */
    script_append(&sc, 0, 1);
    script_advance(&peer, 600);
    const char *then = moments[moment].then;
    snprintf(expected, sizeof expected, "%s%s%s%st-0:5", before, *before ? " " : "", then, *then ? " " : "");
    assert_seen(&sc, expected);
    script_consumer_end(&sc);
}

static void test_seek_by_time(void **state)
{
    (void)state;
    for (moment = 0; moment < MOMENTS; moment++) {
        begin(KCI_RESET_NONE);
        int64_t offset = look_up(moments[moment].time);
        assert_int_equal(offset, moments[moment].offset);
        script_assign(&sc, 0, offset);
        expect_from_the_moment("");

        begin(KCI_RESET_EARLIEST);
        sc.committed[0] = 2; /* the seek wins */
        sc.in_event = seek_to_the_moment;
        script_join(&sc, 1, "0");
        expect_from_the_moment("assigned(t-0)");
    }
}

/* The offset is gone from the log: the policy decides, or it is an error. */
static void test_out_of_range(void **state)
{
    (void)state;
    begin(KCI_RESET_EARLIEST);
    sc.logs[0].start = 3;
    script_assign(&sc, 0, 1);
    assert_seen(&sc, "t-0:3 t-0:4");
    script_consumer_end(&sc);

    begin(KCI_RESET_LATEST); /* only what comes from now on */
    sc.logs[0].start = 3;
    script_assign(&sc, 0, 1);
    assert_seen(&sc, "");
    script_append(&sc, 0, 1);
    script_advance(&peer, 1000);
    assert_seen(&sc, "t-0:5");
    script_consumer_end(&sc);

    begin(KCI_RESET_LATEST); /* behind the end is out of range as well */
    script_assign(&sc, 0, 9);
    assert_seen(&sc, "");
    script_append(&sc, 0, 1);
    script_advance(&peer, 1000);
    assert_seen(&sc, "t-0:5");
    script_consumer_end(&sc);

    begin(KCI_RESET_NONE);
    sc.logs[0].start = 3;
    script_assign(&sc, 0, 1);
    assert_seen(&sc, "!OFFSET_OUT_OF_RANGE");
    script_consumer_end(&sc);
}

/* Offsets that are not available for a moment are asked again, never taken for missing. */
static void test_transient(void **state)
{
    struct kci_offset_fetch_response response;
    struct kci_offset_fetch_response__offset_fetch_response_group group;
    (void)state;
    begin(KCI_RESET_LATEST);
    sc.manual = KCI_API_OFFSET_FETCH;
    sc.committed[0] = 4;
    script_assign(&sc, 0, KC_OFFSET_NONE);
    kci_codec_init(&kci_offset_fetch_response_schema, &response);
    kci_codec_init(&kci_offset_fetch_response__offset_fetch_response_group_schema, &group);
    response.groups = &group;
    response.groups_count = 1;
    group.error_code = KCI_COORDINATOR_LOAD_IN_PROGRESS;
    script_answer(&peer, script_expect(&sc, KCI_API_OFFSET_FETCH), &response);
    sc.manual = -1;
    script_advance(&peer, 2000);
    assert_seen(&sc, "t-0:4");
    script_consumer_end(&sc);
}

/* A transaction that commits offsets is open (KIP-447): the member asks for stable ones only, and waits instead of
 * beginning where the transaction may turn out to have been. */
static void test_unstable(void **state)
{
    struct kci_offset_fetch_response response;
    struct kci_offset_fetch_response__offset_fetch_response_group group;
    struct kci_offset_fetch_response__offset_fetch_response_topics topic;
    struct kci_offset_fetch_response__offset_fetch_response_partitions partition;
    (void)state;
    begin(KCI_RESET_LATEST);
    sc.manual = KCI_API_OFFSET_FETCH;
    sc.committed[0] = 4;
    script_assign(&sc, 0, KC_OFFSET_NONE);
    for (int round = 0; round < 5; round++) {
        struct script_request *r = script_expect(&sc, KCI_API_OFFSET_FETCH);
        assert_true(((const struct kci_offset_fetch_request *)r->message)->require_stable);
        kci_codec_init(&kci_offset_fetch_response_schema, &response);
        kci_codec_init(&kci_offset_fetch_response__offset_fetch_response_group_schema, &group);
        kci_codec_init(&kci_offset_fetch_response__offset_fetch_response_topics_schema, &topic);
        kci_codec_init(&kci_offset_fetch_response__offset_fetch_response_partitions_schema, &partition);
        response.groups = &group;
        response.groups_count = 1;
        group.group_id = kci_str_of("g");
        group.topics = &topic;
        group.topics_count = 1;
        topic.name = kci_str_of("t");
        topic.topic_id = script_topic_row(&peer, kci_str_of("t"))->id;
        topic.partitions = &partition;
        topic.partitions_count = 1;
        partition.committed_offset = -1;
        partition.error_code = KCI_UNSTABLE_OFFSET_COMMIT;
        script_answer(&peer, r, &response);
        assert_seen(&sc, "");
        script_advance(&peer, 2000);
    }
    sc.manual = -1;
    script_answer_offset_fetch(&sc, script_expect(&sc, KCI_API_OFFSET_FETCH));
    script_step(&peer);
    assert_seen(&sc, "t-0:4");
    script_consumer_end(&sc);
}

/* A new leader: before fetching on, its log is compared with what was read. */
static void answer_epoch(int32_t asked_under, int32_t epoch, int64_t end_offset)
{
    struct kci_offset_for_leader_epoch_response response;
    struct kci_offset_for_leader_epoch_response__offset_for_leader_topic_result topic;
    struct kci_offset_for_leader_epoch_response__epoch_end_offset partition;
    struct script_request *r = script_expect(&sc, KCI_API_OFFSET_FOR_LEADER_EPOCH);
    const struct kci_offset_for_leader_epoch_request *request = r->message;
    assert_int_equal(request->topics[0].partitions[0].leader_epoch, 5);
    assert_int_equal(request->topics[0].partitions[0].current_leader_epoch, asked_under);
    kci_codec_init(&kci_offset_for_leader_epoch_response_schema, &response);
    kci_codec_init(&kci_offset_for_leader_epoch_response__offset_for_leader_topic_result_schema, &topic);
    kci_codec_init(&kci_offset_for_leader_epoch_response__epoch_end_offset_schema, &partition);
    partition.leader_epoch = epoch;
    partition.end_offset = end_offset;
    topic.topic = kci_str_of("t");
    topic.partitions = &partition;
    topic.partitions_count = 1;
    response.topics = &topic;
    response.topics_count = 1;
    script_answer(&peer, r, &response);
}

static void new_leader(enum kci_offset_reset reset)
{
    begin(reset);
    script_assign(&sc, 0, 0);
    script_poll_all(&sc);
    sc.seen[0] = 0;
    sc.logs[0].error = KCI_FENCED_LEADER_EPOCH;
    peer.topics[0].epoch = 6;
    peer.topics[0].leader_shift = 1; /* the other broker */
    script_advance(&peer, 2000);
    sc.logs[0].error = KCI_NONE;
    assert_string_equal(kci_consumer_position_state(sc.core, "t", 0, peer.now, NULL), "VALIDATING");
}

static void test_new_leader(void **state)
{
    (void)state;
    new_leader(KCI_RESET_EARLIEST); /* it has all that we read */
    answer_epoch(6, 5, 5);
    script_append(&sc, 0, 1);
    script_advance(&peer, 2000);
    assert_seen(&sc, "t-0:5");
    script_consumer_end(&sc);

    new_leader(KCI_RESET_EARLIEST); /* its log was cut at 3: go on there */
    answer_epoch(6, 5, 3);
    script_advance(&peer, 2000);
    assert_seen(&sc, "t-0:3 t-0:4");
    script_consumer_end(&sc);

    new_leader(KCI_RESET_EARLIEST); /* it knows nothing of our history */
    answer_epoch(6, -1, -1);
    script_advance(&peer, 2000);
    assert_seen(&sc, "t-0:0 t-0:1 t-0:2 t-0:3 t-0:4");
    script_consumer_end(&sc);

    new_leader(KCI_RESET_NONE); /* without a policy it is the application's business */
    answer_epoch(6, 5, 3);
    assert_seen(&sc, "!OFFSET_OUT_OF_RANGE");
    assert_non_null(strstr(sc.last_text, "truncated"));
    script_consumer_end(&sc);
}

/* The leader that was asked is deposed before its answer is here: what its log was like no longer counts, the next
 * leader is asked. */
static void test_deposed_leader(void **state)
{
    (void)state;
    const enum kci_offset_reset policies[] = { KCI_RESET_EARLIEST, KCI_RESET_NONE };
    for (size_t i = 0; i < 2; i++) {
        new_leader(policies[i]);
        peer.topics[0].epoch = 7;
        peer.topics[0].leader_shift = 0; /* and back */
        kci_cluster_refresh(sc.core->cluster, "the test says so", peer.now);
        script_advance(&peer, 2000);
        answer_epoch(6, 5, 3); /* it was cut, but another one leads by now */
        script_advance(&peer, 2000);
        assert_seen(&sc, "");
        answer_epoch(7, 5, 5); /* which has all that we read */
        script_append(&sc, 0, 1);
        script_advance(&peer, 2000);
        assert_seen(&sc, "t-0:5");
        script_consumer_end(&sc);
    }
}

/* A topic that may not be read is an error of poll, also when it was assigned by hand. */
static void test_not_permitted(void **state)
{
    (void)state;
    begin(KCI_RESET_EARLIEST);
    peer.topics[0].error = KCI_TOPIC_AUTHORIZATION_FAILED;
    script_assign(&sc, 0, 0);
    script_poll(&sc);
    assert_noted(&sc, "!TOPIC_AUTHORIZATION_FAILED");
    script_consumer_end(&sc);
}

/* What is wrong with a call is said at once. */
static void test_usage(void **state)
{
    kc_topic_partition bad = { "t", -1, 0, -1, NULL, KC_OK };
    const char *empty = "", *topic = "t";
    kc_error error;
    (void)state;
    begin(KCI_RESET_EARLIEST);
    script_poll(&sc);
    assert_noted(&sc, "!STATE");
    assert_int_equal(kci_consumer_assign(sc.core, &bad, 1, peer.now, NULL), KC_ERR_ARGUMENT);
    assert_int_equal(kci_consumer_subscribe(sc.core, &empty, 1, peer.now, NULL), KC_ERR_ARGUMENT);
    script_assign(&sc, 0, 0);
    assert_int_equal(kci_consumer_seek(sc.core, "t", 0, -5, peer.now, NULL), KC_ERR_ARGUMENT);
    assert_int_equal(kci_consumer_seek(sc.core, NULL, 0, 5, peer.now, &error), KC_ERR_ARGUMENT);
    assert_string_equal(error.text, "topic is NULL");
    assert_int_equal(kci_consumer_seek(sc.core, "t", 1, 5, peer.now, NULL), KC_ERR_STATE); /* not assigned */
    assert_int_equal(kci_consumer_subscribe(sc.core, &topic, 1, peer.now, NULL), KC_ERR_STATE);
    assert_int_equal(kci_consumer_assign(sc.core, NULL, 0, peer.now, NULL), KC_OK);
    assert_int_equal(kci_consumer_subscribe(sc.core, &topic, 1, peer.now, NULL), KC_OK);
    bad.partition = 0;
    assert_int_equal(kci_consumer_assign(sc.core, &bad, 1, peer.now, NULL), KC_ERR_STATE);
    script_consumer_end(&sc);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_begin),         cmocka_unit_test(test_no_policy),
        cmocka_unit_test(test_no_group),      cmocka_unit_test(test_out_of_range),
        cmocka_unit_test(test_transient),     cmocka_unit_test(test_unstable),
        cmocka_unit_test(test_new_leader),    cmocka_unit_test(test_deposed_leader),
        cmocka_unit_test(test_not_permitted), cmocka_unit_test(test_usage),
        cmocka_unit_test(test_seek_by_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
