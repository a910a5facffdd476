/* Metadata that cannot be, that is not all, and that is much. */
#include "support/metadata_story.h"

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
        cmocka_unit_test(test_odd_partitions), cmocka_unit_test(test_odd_brokers),     cmocka_unit_test(test_racks),
        cmocka_unit_test(test_left_out),       cmocka_unit_test(test_many_partitions),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
