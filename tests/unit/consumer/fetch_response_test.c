/* The straight-line parser of Fetch responses against the schema's encoder, in every version, and against damage. */
#include "consumer/fetch_response.h"
#include "protocol/error.h"
#include "protocol/messages.h"
#include "support/test_alloc.h"
#include "support/unit.h"

static struct test_alloc memory;
static struct kci_alloc alloc;

/* Two topics, the first with two partitions, one of them with everything that a version can say. */
static struct kci_writer encode(int16_t version)
{
    struct kci_fetch_response__fetchable_topic_response topics[2];
    struct kci_fetch_response__partition_data partitions[3];
    struct kci_fetch_response__aborted_transaction aborted[2];
    struct kci_fetch_response__node_endpoint endpoint;
    struct kci_fetch_response response;
    memory = (struct test_alloc){ 0 };
    alloc = test_alloc_counting(&memory);
    struct kci_writer w = kci_writer_of(&alloc, 1 << 20);
    kci_codec_init(&kci_fetch_response_schema, &response);
    for (int i = 0; i < 2; i++) {
        kci_codec_init(&kci_fetch_response__fetchable_topic_response_schema, &topics[i]);
        kci_codec_init(&kci_fetch_response__aborted_transaction_schema, &aborted[i]);
        topics[i].topic = kci_str_of(i ? "second" : "first");
        topics[i].topic_id.b[0] = (uint8_t)(10 + i);
        aborted[i].producer_id = 100 + i;
        aborted[i].first_offset = 7 - i;
    }
    for (int i = 0; i < 3; i++) {
        kci_codec_init(&kci_fetch_response__partition_data_schema, &partitions[i]);
        partitions[i].partition_index = i;
        partitions[i].high_watermark = 1000 + i;
    }
    partitions[1].records = (struct kci_bytes){ (const uint8_t *)"bytes", 5 };
    partitions[1].aborted_transactions = aborted;
    partitions[1].aborted_transactions_count = 2;
    partitions[1].last_stable_offset = 55;
    if (version >= 12) {
        partitions[1].diverging_epoch.epoch = 4;
        partitions[1].diverging_epoch.end_offset = 40;
        partitions[1].current_leader.leader_id = 3;
        partitions[1].current_leader.leader_epoch = 9;
    }
    if (version >= 11)
        partitions[1].preferred_read_replica = 2;
    partitions[2].error_code = KCI_NOT_LEADER_OR_FOLLOWER;
    topics[0].partitions = partitions;
    topics[0].partitions_count = 2;
    topics[1].partitions = &partitions[2];
    topics[1].partitions_count = 1;
    response.responses = topics;
    response.responses_count = 2;
    if (version >= 7)
        response.session_id = 77;
    if (version >= 16) {
        kci_codec_init(&kci_fetch_response__node_endpoint_schema, &endpoint);
        endpoint.node_id = 3;
        endpoint.host = kci_str_of("h");
        endpoint.port = 9;
        response.node_endpoints = &endpoint;
        response.node_endpoints_count = 1;
    }
    assert_true(kci_codec_encode(&kci_fetch_response_schema, version, &response, &w));
    return w;
}

static void check(int16_t version)
{
    struct kci_fetch_reading r;
    struct kci_fetch_partition p;
    struct kci_fetch_endpoint endpoint;
    int64_t producer_id, first_offset;
    struct kci_writer w = encode(version);
    assert_true(kci_fetch_response_begin(&r, kci_reader_of(w.data, w.size), version));
    assert_int_equal(r.session_id, version >= 7 ? 77 : 0);
    assert_int_equal(kci_fetch_response_next(&r, &p), 1);
    assert_int_equal(p.partition, 0);
    assert_int_equal(p.high_watermark, 1000);
    assert_int_equal(p.records.size, 0);
    assert_int_equal(p.leader, -1);
    assert_int_equal(kci_fetch_response_next(&r, &p), 1);
    assert_int_equal(p.partition, 1);
    assert_memory_equal(p.records.data, "bytes", 5);
    assert_int_equal(p.last_stable_offset, 55);
    assert_int_equal(p.aborted_count, 2);
    assert_true(kci_fetch_response_aborted(&p.aborted, version, &producer_id, &first_offset));
    assert_true(kci_fetch_response_aborted(&p.aborted, version, &producer_id, &first_offset));
    assert_int_equal(producer_id, 101);
    assert_int_equal(first_offset, 6);
    assert_int_equal(p.diverging_offset, version >= 12 ? 40 : -1);
    assert_int_equal(p.leader, version >= 12 ? 3 : -1);
    assert_int_equal(p.leader_epoch, version >= 12 ? 9 : -1);
    assert_int_equal(p.preferred_replica, version >= 11 ? 2 : -1);
    assert_int_equal(kci_fetch_response_next(&r, &p), 1);
    assert_int_equal(p.error, KCI_NOT_LEADER_OR_FOLLOWER);
    if (version >= KCI_FETCH_VERSION_IDS)
        assert_int_equal(p.topic_id.b[0], 11);
    else
        assert_true(kci_str_equal(p.topic, kci_str_of("second")));
    assert_int_equal(kci_fetch_response_next(&r, &p), 0);
    assert_int_equal(kci_fetch_response_endpoint(&r, &endpoint), version >= 16);
    if (version >= 16)
        assert_int_equal(endpoint.node + endpoint.port, 12);
    assert_int_equal(kci_reader_left(&r.r), 0);
    kci_writer_destroy(&w);
    assert_int_equal(memory.live_blocks, 0);
}

/* Every version that is fetched with says what the schema's encoder wrote. */
static void test_versions(void **state)
{
    (void)state;
    for (int16_t version = KCI_FETCH_VERSION_MIN; version <= KCI_FETCH_VERSION_MAX; version++)
        check(version);
}

/* Read everything, whatever it is; the number of partitions, or -1: malformed. */
static int walk(const uint8_t *data, size_t size, int16_t version)
{
    struct kci_fetch_reading r;
    struct kci_fetch_partition p;
    struct kci_fetch_endpoint endpoint;
    int got, count = 0;
    if (!kci_fetch_response_begin(&r, kci_reader_of(data, size), version))
        return -1;
    while ((got = kci_fetch_response_next(&r, &p)) > 0) {
        int64_t a, b;
        for (int32_t i = 0; i < p.aborted_count; i++)
            assert_true(kci_fetch_response_aborted(&p.aborted, version, &a, &b));
        count++;
    }
    while (got == 0 && kci_fetch_response_endpoint(&r, &endpoint))
        count++;
    return got < 0 ? -1 : count;
}

/* Cut at every byte: malformed, never read beyond. */
static void test_cut(void **state)
{
    (void)state;
    for (int16_t version = KCI_FETCH_VERSION_MIN; version <= KCI_FETCH_VERSION_MAX; version++) {
        struct kci_writer w = encode(version);
        for (size_t size = 0; size < w.size; size++) {
            uint8_t *copy = malloc(size + 1);
            memcpy(copy, w.data, size);
            assert_int_equal(walk(copy, size, version), -1);
            free(copy);
        }
        kci_writer_destroy(&w);
    }
}

/* Every byte damaged: any answer is fine, as long as it comes and stays within the bytes. */
static void test_damaged(void **state)
{
    (void)state;
    for (int16_t version = KCI_FETCH_VERSION_MIN; version <= KCI_FETCH_VERSION_MAX; version += 7) {
        struct kci_writer w = encode(version);
        for (size_t at = 0; at < w.size; at++)
            for (int value = 0; value < 256; value += 5) {
                uint8_t old = w.data[at];
                w.data[at] = (uint8_t)value;
                walk(w.data, w.size, version);
                w.data[at] = old;
            }
        kci_writer_destroy(&w);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_versions),
        cmocka_unit_test(test_cut),
        cmocka_unit_test(test_damaged),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
