/* What a client knows of topics, when it asks, and whom it believes. */
#include "support/script_cluster.h"

static struct script_peer peer;
static struct script_cluster sc;

static void begin(int32_t brokers)
{
    script_cluster_init(&sc, &peer);
    peer.auto_connect = peer.auto_versions = peer.auto_metadata = true;
    peer.brokers = brokers;
}

static const struct kci_topic_info *want(const char *name)
{
    const struct kci_topic_info *topic = kci_cluster_want_topic(sc.cluster, kci_str_of(name), peer.now);
    assert_non_null(topic);
    return topic;
}

/* Requests for metadata so far. */
static size_t asked(void)
{
    size_t n = 0;
    for (size_t i = 0; i < peer.request_count; i++)
        n += peer.requests[i].header.api_key == KCI_API_METADATA;
    return n;
}

static const struct kci_metadata_request *last_asked(void)
{
    for (size_t i = peer.request_count; i-- > 0;)
        if (peer.requests[i].header.api_key == KCI_API_METADATA)
            return peer.requests[i].message;
    fail_msg("metadata was never asked for");
    return NULL;
}

/* A wanted topic is asked for at once and becomes known, with id, leaders, epochs and replicas. */
static void test_known(void **state)
{
    (void)state;
    begin(3);
    script_topic(&peer, "t", 4);
    script_cluster_create(&sc);
    const struct kci_topic_info *t = want("t");
    assert_false(t->known);
    assert_null(t->partitions);
    script_settle(&peer);
    assert_true(t->known);
    assert_int_equal(t->error, KCI_NONE);
    assert_int_equal(t->partition_count, 4);
    for (int32_t p = 0; p < 4; p++) {
        assert_int_equal(t->partitions[p].id, p);
        assert_int_equal(t->partitions[p].leader, p % 3 + 1);
        assert_int_equal(t->partitions[p].leader_epoch, 5);
        assert_int_equal(t->partitions[p].replica_count, 1);
        assert_int_equal(t->partitions[p].replicas[0], p % 3 + 1);
        assert_int_equal(t->partitions[p].isr[0], p % 3 + 1);
    }
    assert_ptr_equal(kci_cluster_topic(sc.cluster, kci_str_of("t")), t);
    assert_ptr_equal(kci_cluster_topic_by_id(sc.cluster, &peer.topics[0].id), t);
    assert_int_equal(sc.metadata_events, 1);
    assert_int_equal(last_asked()->topics_count, 1);
    assert_true(last_asked()->allow_auto_topic_creation);
    assert_int_equal(peer.requests[1].header.version, 13);
    script_cluster_destroy(&sc);
}

/* Topics are counted: the last forget forgets. A new one is asked for alone. */
static void test_want_and_forget(void **state)
{
    (void)state;
    begin(1);
    script_topic(&peer, "a", 1);
    script_topic(&peer, "b", 1);
    sc.settings.allow_auto_create_topics = false;
    script_cluster_create(&sc);
    const struct kci_topic_info *a = want("a");
    assert_ptr_equal(want("a"), a);
    script_settle(&peer);
    want("b");
    script_settle(&peer);
    assert_int_equal(asked(), 2);
    assert_int_equal(last_asked()->topics_count, 1);
    assert_true(kci_str_equal(last_asked()->topics[0].name, kci_str_of("b")));
    assert_false(last_asked()->allow_auto_topic_creation);
    kci_cluster_forget_topic(sc.cluster, kci_str_of("a"));
    assert_non_null(kci_cluster_topic(sc.cluster, kci_str_of("a")));
    kci_cluster_forget_topic(sc.cluster, kci_str_of("a"));
    assert_null(kci_cluster_topic(sc.cluster, kci_str_of("a")));
    assert_null(kci_cluster_topic_by_id(sc.cluster, &peer.topics[0].id));
    kci_cluster_forget_topic(sc.cluster, kci_str_of("a"));
    kci_cluster_refresh(sc.cluster, "a test", peer.now);
    script_advance(&peer, 200);
    assert_int_equal(last_asked()->topics_count, 1);
    script_cluster_destroy(&sc);
}

/* A topic forgotten while the request is on its way: its answer is nobody's. */
static void test_forgotten_on_the_way(void **state)
{
    (void)state;
    begin(1);
    peer.auto_metadata = false;
    script_topic(&peer, "a", 1);
    script_cluster_create(&sc);
    want("a");
    script_settle(&peer);
    kci_cluster_forget_topic(sc.cluster, kci_str_of("a"));
    script_answer_metadata(&peer, script_take(&peer, NULL, KCI_API_METADATA));
    script_settle(&peer);
    assert_int_equal(sc.metadata_events, 1);
    assert_null(kci_cluster_topic(sc.cluster, kci_str_of("a")));
    script_cluster_destroy(&sc);
}

/* A topic that does not exist is asked for again with growing pauses while it is wanted, its error in sight; once it is
 * there, it is known and the client is quiet. */
static void test_unknown_topic(void **state)
{
    (void)state;
    begin(1);
    script_cluster_create(&sc);
    const struct kci_topic_info *t = want("late");
    script_settle(&peer);
    assert_true(t->known);
    assert_int_equal(t->error, KCI_UNKNOWN_TOPIC_OR_PARTITION);
    script_advance(&peer, 10000);
    assert_in_range(asked(), 10, 16); /* 100, 200, 400, 800, then every second */
    script_topic(&peer, "late", 2);
    script_advance(&peer, 1300);
    assert_int_equal(t->error, KCI_NONE);
    assert_int_equal(t->partition_count, 2);
    size_t before = asked();
    script_advance(&peer, 60000);
    assert_int_equal(asked(), before);
    script_cluster_destroy(&sc);
}

/* An error that asking again will not change (authorization) is asked again only by refresh or by age. */
static void test_final_error(void **state)
{
    (void)state;
    begin(1);
    script_topic(&peer, "secret", 1);
    peer.topics[0].error = KCI_TOPIC_AUTHORIZATION_FAILED;
    script_cluster_create(&sc);
    const struct kci_topic_info *t = want("secret");
    script_advance(&peer, 10000);
    assert_int_equal(t->error, KCI_TOPIC_AUTHORIZATION_FAILED);
    assert_int_equal(asked(), 1);
    peer.topics[0].error = KCI_NONE;
    kci_cluster_refresh(sc.cluster, "the user tries again", peer.now);
    script_settle(&peer);
    assert_int_equal(t->error, KCI_NONE);
    script_cluster_destroy(&sc);
}

/* An error does not take away what was known. */
static void test_partitions_outlive_errors(void **state)
{
    (void)state;
    begin(1);
    script_topic(&peer, "t", 3);
    script_cluster_create(&sc);
    const struct kci_topic_info *t = want("t");
    script_settle(&peer);
    peer.topics[0].error = KCI_LEADER_NOT_AVAILABLE;
    kci_cluster_refresh(sc.cluster, "a test", peer.now);
    script_advance(&peer, 150);
    assert_int_equal(t->error, KCI_LEADER_NOT_AVAILABLE);
    assert_int_equal(t->partition_count, 3);
    assert_int_equal(t->partitions[2].leader, 1);
    script_cluster_destroy(&sc);
}

/* Of two answers the one with the higher leader epoch is right, whichever comes last. */
static void test_older_epoch(void **state)
{
    (void)state;
    begin(3);
    script_topic(&peer, "t", 3);
    script_cluster_create(&sc);
    const struct kci_topic_info *t = want("t");
    script_settle(&peer);
    uint64_t generation = t->generation;
    peer.topics[0].epoch = 4; /* a broker that lags behind */
    peer.topics[0].leader_shift = 1;
    kci_cluster_refresh(sc.cluster, "a test", peer.now);
    script_advance(&peer, 121);
    assert_int_equal(asked(), 2);
    assert_int_equal(t->partitions[0].leader, 1);
    assert_int_equal(t->partitions[0].leader_epoch, 5);
    assert_int_equal(t->generation, generation);
    peer.topics[0].epoch = 6;
    kci_cluster_refresh(sc.cluster, "a test", peer.now);
    script_advance(&peer, 300);
    assert_int_equal(t->partitions[0].leader, 2);
    assert_int_equal(t->partitions[0].leader_epoch, 6);
    assert_true(t->generation > generation);
    script_cluster_destroy(&sc);
}

/* Deleted and created again: another id, and epochs that begin anew count. */
static void test_recreated(void **state)
{
    (void)state;
    begin(3);
    script_topic(&peer, "t", 3);
    script_cluster_create(&sc);
    const struct kci_topic_info *t = want("t");
    script_settle(&peer);
    struct kci_uuid old = peer.topics[0].id;
    peer.topics[0].id.b[7] = 9;
    peer.topics[0].epoch = 0;
    peer.topics[0].partitions = 2;
    peer.topics[0].leader_shift = 2;
    kci_cluster_refresh(sc.cluster, "a test", peer.now);
    script_advance(&peer, 121);
    assert_int_equal(t->partition_count, 2);
    assert_int_equal(t->partitions[0].leader, 3);
    assert_int_equal(t->partitions[0].leader_epoch, 0);
    assert_null(kci_cluster_topic_by_id(sc.cluster, &old));
    assert_ptr_equal(kci_cluster_topic_by_id(sc.cluster, &peer.topics[0].id), t);
    script_cluster_destroy(&sc);
}

/* Fewer partitions under the same id are an old answer. */
static void test_fewer_partitions(void **state)
{
    (void)state;
    begin(1);
    script_topic(&peer, "t", 8);
    script_cluster_create(&sc);
    const struct kci_topic_info *t = want("t");
    script_settle(&peer);
    peer.topics[0].partitions = 4;
    kci_cluster_refresh(sc.cluster, "a test", peer.now);
    script_advance(&peer, 121);
    assert_int_equal(t->partition_count, 8);
    assert_int_equal(t->partitions[7].leader, 1);
    script_cluster_destroy(&sc);
}

/* Old brokers give no ids and epochs that cannot be trusted: their last word counts. */
static void test_old_broker(void **state)
{
    (void)state;
    begin(3);
    peer.version_max[KCI_API_METADATA] = 8;
    script_topic(&peer, "t", 3);
    script_cluster_create(&sc);
    const struct kci_topic_info *t = want("t");
    script_settle(&peer);
    assert_true(kci_uuid_is_zero(&t->id));
    assert_int_equal(t->partitions[0].leader_epoch, -1);
    peer.topics[0].epoch = 1;
    peer.topics[0].leader_shift = 1;
    peer.topics[0].partitions = 2;
    kci_cluster_refresh(sc.cluster, "a test", peer.now);
    script_advance(&peer, 121);
    assert_int_equal(t->partition_count, 2);
    assert_int_equal(t->partitions[0].leader, 2);
    script_cluster_destroy(&sc);
}

/* A leader hint (KIP-951) is taken when it is newer, and a metadata answer that is older than the hint does not undo
 * it. */
static void test_leader_hint(void **state)
{
    (void)state;
    begin(2);
    script_topic(&peer, "t", 2);
    script_cluster_create(&sc);
    const struct kci_topic_info *t = want("t");
    script_settle(&peer);
    struct kci_str name = kci_str_of("t");
    size_t events = sc.metadata_events;
    assert_false(kci_cluster_leader_hint(sc.cluster, name, 0, 2, 5, peer.now));
    assert_false(kci_cluster_leader_hint(sc.cluster, name, 0, -1, 6, peer.now));
    assert_false(kci_cluster_leader_hint(sc.cluster, name, 2, 2, 6, peer.now));
    assert_false(kci_cluster_leader_hint(sc.cluster, kci_str_of("x"), 0, 2, 6, peer.now));
    assert_int_equal(sc.metadata_events, events);
    assert_true(kci_cluster_leader_hint(sc.cluster, name, 0, 9, 6, peer.now));
    kci_cluster_node_hint(sc.cluster, 9, kci_str_of("b9"), 9092, kci_str_of("r"), peer.now);
    assert_int_equal(t->partitions[0].leader, 9);
    assert_int_equal(sc.metadata_events, events + 1);
    assert_string_equal(kci_cluster_node_text(sc.cluster, 9), "b9:9092");
    kci_cluster_refresh(sc.cluster, "a test", peer.now);
    script_advance(&peer, 121);
    assert_int_equal(t->partitions[0].leader, 9);
    script_cluster_destroy(&sc);
}

/* Refreshes that bring nothing new are further and further apart; news makes them quick again. */
static void test_refresh_backs_off(void **state)
{
    (void)state;
    begin(1);
    script_topic(&peer, "t", 1);
    script_cluster_create(&sc);
    want("t");
    script_settle(&peer);
    for (size_t i = 0; i < 1000; i++) { /* somebody asks all the time for ten seconds */
        kci_cluster_refresh(sc.cluster, "a test", peer.now);
        script_advance(&peer, 10);
    }
    assert_in_range(asked(), 10, 17);
    size_t before = asked();
    peer.topics[0].epoch = 6;
    for (size_t i = 0; i < 150; i++) {
        kci_cluster_refresh(sc.cluster, "a test", peer.now);
        script_advance(&peer, 10);
    }
    assert_in_range(asked() - before, 3, 5); /* within 1.2 s the news, then 100 and 200 ms after it */
    script_cluster_destroy(&sc);
}

/* By itself metadata is renewed at its maximum age. */
static void test_max_age(void **state)
{
    (void)state;
    begin(1);
    script_topic(&peer, "t", 1);
    script_cluster_create(&sc);
    want("t");
    script_settle(&peer);
    size_t steps = peer.steps;
    script_advance(&peer, 299999);
    assert_int_equal(asked(), 1);
    assert_in_range(peer.steps - steps, 1, 5); /* an idle client sleeps */
    script_advance(&peer, 1);
    assert_int_equal(asked(), 2);
    script_advance(&peer, 300000);
    assert_int_equal(asked(), 3);
    script_cluster_destroy(&sc);
}

/* An answer without brokers comes from a broker that is just starting: nobody is forgotten. */
static void test_no_brokers(void **state)
{
    (void)state;
    begin(2);
    script_topic(&peer, "t", 2);
    script_cluster_create(&sc);
    const struct kci_topic_info *t = want("t");
    script_settle(&peer);
    peer.brokers = 0;
    peer.topics[0].partitions = 0;
    kci_cluster_refresh(sc.cluster, "a test", peer.now);
    script_advance(&peer, 121);
    assert_int_equal(t->partition_count, 2);
    assert_string_equal(kci_cluster_node_text(sc.cluster, 2), "b2:9092");
    peer.brokers = 2;
    peer.topics[0].partitions = 3;
    script_advance(&peer, 2000);
    assert_int_equal(t->partition_count, 3);
    script_cluster_destroy(&sc);
}

/* A broker moved to another address: the old connection ends and the next request goes to the new one. */
static void test_moved_broker(void **state)
{
    struct script_call call, second;
    (void)state;
    begin(1);
    script_topic(&peer, "t", 1);
    script_cluster_create(&sc);
    want("t");
    script_call_init(&call);
    script_call_init(&second);
    script_call(&sc, 1, &call);
    struct script_conn *old = script_conn_to(&peer, "b1:9092");
    assert_non_null(script_pending(&peer, old, KCI_API_HEARTBEAT));
    kci_cluster_node_hint(sc.cluster, 1, kci_str_of("new"), 9999, kci_str_of(NULL), peer.now);
    kci_cluster_call(sc.cluster, 1, &second.call, peer.now);
    script_settle(&peer);
    assert_int_equal(old->state, SCRIPT_CLOSED_BY_CLIENT);
    assert_int_equal(call.error, KC_ERR_TRANSPORT);
    assert_true(call.maybe_applied);
    script_answer_heartbeat(&peer, script_take(&peer, script_conn_to(&peer, "new:9999"), KCI_API_HEARTBEAT), 0);
    assert_int_equal(second.error, KC_OK);
    script_cluster_destroy(&sc);
}

/* All known brokers are gone, and the cluster lives elsewhere now: the bootstrap servers lead there (KIP-899). */
static void test_rebootstrap(void **state)
{
    (void)state;
    begin(1);
    sc.settings.bootstrap_servers = "boot:9092";
    script_topic(&peer, "t", 1);
    script_cluster_create(&sc);
    const struct kci_topic_info *t = want("t");
    struct script_call call;
    script_call_init(&call);
    script_call(&sc, 1, &call);
    assert_null(script_conn_to(&peer, "boot:9092")); /* it has done its work */
    peer.auto_connect = false;
    script_close(&peer, script_conn_to(&peer, "b1:9092"), "connection reset by peer");
    assert_int_equal(call.error, KC_ERR_TRANSPORT);
    for (size_t i = 0; i < 50 && !(script_resolving(&peer) && strcmp(script_resolving(&peer), "boot") == 0); i++) {
        if (script_resolving(&peer))
            script_resolved(&peer, 0, "no such host");
        script_advance(&peer, 20);
    }
    assert_string_equal(script_resolving(&peer), "boot");
    peer.auto_connect = true;
    peer.brokers = 2;
    peer.topics[0].epoch = 7;
    peer.topics[0].leader_shift = 1;
    script_advance(&peer, 1500);
    assert_int_equal(t->partitions[0].leader, 2);
    script_cluster_destroy(&sc);
}

/* The same, forbidden by metadata.recovery.strategy=none. */
static void test_no_rebootstrap(void **state)
{
    (void)state;
    begin(1);
    sc.settings.bootstrap_servers = "boot:9092";
    sc.settings.metadata_recovery_rebootstrap = false;
    script_topic(&peer, "t", 1);
    script_cluster_create(&sc);
    want("t");
    script_settle(&peer);
    peer.auto_connect = false;
    kci_cluster_refresh(sc.cluster, "a test", peer.now);
    for (size_t i = 0; i < 500; i++) {
        if (script_resolving(&peer)) {
            assert_string_equal(script_resolving(&peer), "b1");
            script_resolved(&peer, 0, "no such host");
        }
        script_advance(&peer, 20);
    }
    script_cluster_destroy(&sc);
}

/* A broker says that the client must bootstrap again (KIP-1102): the brokers known so far are not asked any more. */
static void test_told_to_rebootstrap(void **state)
{
    struct kci_metadata_response response;
    (void)state;
    begin(1);
    sc.settings.bootstrap_servers = "boot:9092";
    script_topic(&peer, "t", 1);
    script_cluster_create(&sc);
    want("t");
    script_settle(&peer);
    peer.auto_metadata = false;
    kci_cluster_refresh(sc.cluster, "a test", peer.now);
    script_advance(&peer, 121);
    struct script_request *r = script_take(&peer, script_conn_to(&peer, "b1:9092"), KCI_API_METADATA);
    kci_codec_init(&kci_metadata_response_schema, &response);
    response.error_code = KCI_REBOOTSTRAP_REQUIRED;
    script_answer(&peer, r, &response);
    script_advance(&peer, 300);
    script_answer_metadata(&peer, script_take(&peer, script_conn_to(&peer, "boot:9092"), KCI_API_METADATA));
    script_settle(&peer);
    assert_int_equal(sc.metadata_events, 2);
    script_cluster_destroy(&sc);
}

/* No answer for the whole trigger time, though connections come up: bootstrap again. */
static void test_rebootstrap_trigger(void **state)
{
    (void)state;
    begin(1);
    sc.settings.bootstrap_servers = "boot:9092";
    sc.settings.metadata_recovery_rebootstrap_trigger_ms = 40000;
    script_topic(&peer, "t", 1);
    script_cluster_create(&sc);
    want("t");
    script_settle(&peer);
    peer.auto_metadata = false; /* b1 takes requests and never answers */
    kci_cluster_refresh(sc.cluster, "a test", peer.now);
    script_advance(&peer, 59000);
    assert_null(script_conn_to(&peer, "boot:9092"));
    script_advance(&peer, 3000); /* the second time-out is after the trigger */
    assert_non_null(script_conn_to(&peer, "boot:9092"));
    script_cluster_destroy(&sc);
}

/* ---- hostile answers
 * -------------------------------------------------------------------------------------------------------- */

#define PARTITION(i, l, e)                                                                                             \
    {                                                                                                                  \
        .partition_index = (i), .leader_id = (l), .leader_epoch = (e)                                                  \
    }

/* A topic's answer with one broker and these partitions is given to the next request. */
static void give(struct kci_metadata_response__metadata_response_partition *partitions, int32_t count)
{
    struct kci_metadata_response__metadata_response_broker broker = { .node_id = 1,
                                                                      .host = kci_str_of("b1"),
                                                                      .port = 9092 };
    struct kci_metadata_response__metadata_response_topic topic = {
        .name = kci_str_of("t"), .topic_id = { { 1 } }, .partitions = partitions, .partitions_count = count
    };
    struct kci_metadata_response response;
    kci_codec_init(&kci_metadata_response_schema, &response);
    response.brokers = &broker;
    response.brokers_count = 1;
    response.topics = &topic;
    response.topics_count = 1;
    script_answer(&peer, script_take(&peer, NULL, KCI_API_METADATA), &response);
}

/* Indexes that cannot be are left out, of two answers about one partition the newer counts, and a hole is a partition
 * without a leader: asked about again. */
static void test_odd_partitions(void **state)
{
    struct kci_metadata_response__metadata_response_partition odd[] = { PARTITION(-1, 1, 1), PARTITION(INT32_MAX, 1, 1),
                                                                        PARTITION(3, 1, 7),  PARTITION(0, 1, 4),
                                                                        PARTITION(0, 1, 5),  PARTITION(1, -7, 2) };
    (void)state;
    begin(1);
    peer.auto_metadata = false;
    script_cluster_create(&sc);
    const struct kci_topic_info *t = want("t");
    script_settle(&peer);
    give(odd, 6);
    assert_int_equal(t->partition_count, 4);
    assert_int_equal(t->partitions[0].leader_epoch, 5);
    assert_int_equal(t->partitions[1].leader, KCI_NODE_NONE);
    assert_int_equal(t->partitions[2].leader, KCI_NODE_NONE);
    assert_int_equal(t->partitions[2].error, KCI_UNKNOWN_TOPIC_OR_PARTITION);
    assert_int_equal(t->partitions[3].leader, 1);
    script_advance(&peer, 130);
    odd[3].leader_epoch = 5;
    odd[5].leader_id = 1;
    odd[0].partition_index = 2;
    give(odd, 6);
    assert_int_equal(t->partitions[1].leader, 1);
    assert_int_equal(t->partitions[2].leader, 1);
    script_advance(&peer, 60000);
    assert_null(script_pending(&peer, NULL, KCI_API_METADATA)); /* nothing is missing any more */
    script_cluster_destroy(&sc);
}

/* Brokers whose names or ports nobody can connect to are not taken, the others are. */
static void test_odd_brokers(void **state)
{
    struct kci_metadata_response__metadata_response_broker brokers[] = {
        { .node_id = 2, .host = kci_str_of(""), .port = 9092 },
        { .node_id = 3, .host = kci_str_of("a\nb"), .port = 9092 },
        { .node_id = 4, .host = kci_str_of("b4"), .port = 0 },
        { .node_id = 5, .host = kci_str_of("b5"), .port = 65536 },
        { .node_id = -5, .host = kci_str_of("b6"), .port = 9092 },
        { .node_id = INT32_MAX, .host = kci_str_of("b7"), .port = 1 },
        { .node_id = 1, .host = kci_str_of("fe80::1"), .port = 9 },
    };
    struct kci_metadata_response response;
    (void)state;
    begin(1);
    peer.auto_metadata = false;
    script_cluster_create(&sc);
    want("t");
    script_settle(&peer);
    kci_codec_init(&kci_metadata_response_schema, &response);
    response.brokers = brokers;
    response.brokers_count = 7;
    script_answer(&peer, script_take(&peer, NULL, KCI_API_METADATA), &response);
    for (int32_t id = 2; id <= 5; id++)
        assert_string_equal(kci_cluster_node_text(sc.cluster, id), "?");
    assert_string_equal(kci_cluster_node_text(sc.cluster, -5), "?");
    assert_string_equal(kci_cluster_node_text(sc.cluster, INT32_MAX), "?");
    assert_string_equal(kci_cluster_node_text(sc.cluster, 1), "[fe80::1]:9");
    script_cluster_destroy(&sc);
}

/* Racks are those of the last metadata; one that is too long to compare, or none, reads as empty. */
static void test_racks(void **state)
{
    static const char long_rack[] = "0123456789012345678901234567890123456789012345678901234567890123456789";
    struct kci_metadata_response__metadata_response_broker brokers[] = {
        { .node_id = 1, .host = kci_str_of("b1"), .port = 1, .rack = kci_str_of("eu-1a") },
        { .node_id = 2, .host = kci_str_of("b2"), .port = 1 },
        { .node_id = 3, .host = kci_str_of("b3"), .port = 1, .rack = kci_str_of(long_rack) },
    };
    struct kci_metadata_response response;
    (void)state;
    begin(1);
    peer.auto_metadata = false;
    script_cluster_create(&sc);
    want("t");
    script_settle(&peer);
    kci_codec_init(&kci_metadata_response_schema, &response);
    response.brokers = brokers;
    response.brokers_count = 3;
    script_answer(&peer, script_take(&peer, NULL, KCI_API_METADATA), &response);
    assert_string_equal(kci_cluster_node_rack(sc.cluster, 1), "eu-1a");
    assert_string_equal(kci_cluster_node_rack(sc.cluster, 2), "");
    assert_string_equal(kci_cluster_node_rack(sc.cluster, 3), "");
    assert_string_equal(kci_cluster_node_rack(sc.cluster, 99), "");
    kci_cluster_node_hint(sc.cluster, 2, kci_str_of("b2"), 1, kci_str_of("eu-1b"), peer.now);
    assert_string_equal(kci_cluster_node_rack(sc.cluster, 2), "eu-1b");
    script_cluster_destroy(&sc);
}

/* An answer that leaves out what was asked for: asked again, and nothing is known. */
static void test_left_out(void **state)
{
    struct kci_metadata_response__metadata_response_broker broker = { .node_id = 1,
                                                                      .host = kci_str_of("b1"),
                                                                      .port = 9092 };
    struct kci_metadata_response response;
    (void)state;
    begin(1);
    peer.auto_metadata = false;
    script_cluster_create(&sc);
    const struct kci_topic_info *t = want("t");
    script_settle(&peer);
    kci_codec_init(&kci_metadata_response_schema, &response);
    response.brokers = &broker;
    response.brokers_count = 1;
    script_answer(&peer, script_take(&peer, NULL, KCI_API_METADATA), &response);
    assert_false(t->known);
    script_advance(&peer, 130);
    script_take(&peer, NULL, KCI_API_METADATA);
    script_cluster_destroy(&sc);
}

/* Ten thousand partitions, then a hundred refreshes: no more than linear work. */
static void test_many_partitions(void **state)
{
    (void)state;
    begin(3);
    script_topic(&peer, "wide", 10000);
    script_cluster_create(&sc);
    const struct kci_topic_info *t = want("wide");
    script_settle(&peer);
    assert_int_equal(t->partition_count, 10000);
    for (int32_t i = 0; i < 100; i++) {
        peer.topics[0].epoch++;
        kci_cluster_refresh(sc.cluster, "a test", peer.now);
        script_advance(&peer, 121);
    }
    assert_int_equal(t->partitions[9999].leader_epoch, 105);
    script_cluster_destroy(&sc);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_known),
        cmocka_unit_test(test_want_and_forget),
        cmocka_unit_test(test_forgotten_on_the_way),
        cmocka_unit_test(test_unknown_topic),
        cmocka_unit_test(test_final_error),
        cmocka_unit_test(test_partitions_outlive_errors),
        cmocka_unit_test(test_older_epoch),
        cmocka_unit_test(test_recreated),
        cmocka_unit_test(test_fewer_partitions),
        cmocka_unit_test(test_old_broker),
        cmocka_unit_test(test_leader_hint),
        cmocka_unit_test(test_refresh_backs_off),
        cmocka_unit_test(test_max_age),
        cmocka_unit_test(test_no_brokers),
        cmocka_unit_test(test_moved_broker),
        cmocka_unit_test(test_rebootstrap),
        cmocka_unit_test(test_no_rebootstrap),
        cmocka_unit_test(test_told_to_rebootstrap),
        cmocka_unit_test(test_rebootstrap_trigger),
        cmocka_unit_test(test_odd_partitions),
        cmocka_unit_test(test_odd_brokers),
        cmocka_unit_test(test_racks),
        cmocka_unit_test(test_left_out),
        cmocka_unit_test(test_many_partitions),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
