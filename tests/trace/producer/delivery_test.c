/* Stories of records that arrive: the plain way, batching, linger, flush, many partitions, versions, codecs. */
#include "support/script_producer.h"

static struct script_producer sp;

static int setup(void **state)
{
    (void)state;
    script_producer_init(&sp);
    return 0;
}

/* Records reach their partition in order, and their deliveries say where. */
static void test_happy_path(void **state)
{
    (void)state;
    script_producer_create(&sp);
    script_send(&sp, 0, "a");
    script_send(&sp, 0, "b");
    script_send(&sp, 2, "c");
    script_log_is(&sp, 0, "a b");
    script_log_is(&sp, 2, "c");
    script_fates_are(&sp, "a=0 b=1 c=0");
    assert_int_equal(sp.id_requests, 1);
    assert_int_equal(kci_producer_pending(sp.producer), 0);
    assert_int_equal(sp.fates[0].timestamp_ms, sp.peer.now / 1000);
    script_producer_destroy(&sp);
}

/* With linger, records wait for each other exactly so long, and go as one batch. */
static void test_linger_is_exact(void **state)
{
    (void)state;
    sp.settings.linger_ms = 50;
    script_producer_create(&sp);
    script_send(&sp, 0, "a");
    script_advance(&sp.peer, 30);
    script_send(&sp, 0, "b");
    script_advance(&sp.peer, 19);
    script_fates_are(&sp, "");
    script_advance(&sp.peer, 1);
    script_fates_are(&sp, "a=0 b=1");
    assert_int_equal(sp.logs[0].batches, 1);
    script_producer_destroy(&sp);
}

/* A flush sends at once what lingers, and is done when all of it has its fate. */
static void test_flush_ends_linger(void **state)
{
    (void)state;
    sp.settings.linger_ms = 10000;
    script_producer_create(&sp);
    script_send(&sp, 0, "a");
    script_send(&sp, 1, "b");
    uint64_t ticket = kci_producer_flush(sp.producer);
    assert_false(kci_producer_flushed(sp.producer, ticket));
    script_settle(&sp.peer);
    assert_true(kci_producer_flushed(sp.producer, ticket));
    script_fates_are(&sp, "a=0 b=0");
    script_send(&sp, 0, "later"); /* lingers again */
    assert_int_equal(sp.fate_count, 2);
    assert_true(kci_producer_flushed(sp.producer, ticket));
    script_producer_destroy(&sp);
}

/* A hundred flushes in a row, each while the former is not done: each is done when its records are. */
static void test_many_flushes(void **state)
{
    uint64_t tickets[100];
    (void)state;
    sp.settings.linger_ms = 10000;
    script_producer_create(&sp);
    script_send(&sp, 0, "a");
    script_fault(&sp, SCRIPT_HOLD, 0);
    for (size_t i = 0; i < 100; i++)
        tickets[i] = kci_producer_flush(sp.producer);
    script_settle(&sp.peer);
    assert_false(kci_producer_flushed(sp.producer, tickets[0]));
    assert_false(kci_producer_flushed(sp.producer, tickets[99]));
    script_serve_now(&sp, script_pending(&sp.peer, NULL, KCI_API_PRODUCE), true, 0);
    for (size_t i = 0; i < 100; i++)
        assert_true(kci_producer_flushed(sp.producer, tickets[i]));
    script_producer_destroy(&sp);
}

/* While a partition waits for its first answer, what is sent grows one batch; it goes as one when the answer is there.
 */
static void test_batches_grow_while_the_sender_is_behind(void **state)
{
    (void)state;
    sp.settings.batch_size = 200;
    script_producer_create(&sp);
    script_fault(&sp, SCRIPT_HOLD, 0);
    script_send(&sp, 0, "first");
    for (int i = 0; i < 100; i++)
        script_send(&sp, 0, "next");
    script_serve_now(&sp, script_pending(&sp.peer, NULL, KCI_API_PRODUCE), true, 0);
    assert_int_equal(sp.logs[0].end, 101);
    assert_in_range(sp.logs[0].batches, 2, 3); /* the first, one that was full, and all the rest */
    script_producer_destroy(&sp);
}

/* A broker that answers slowly gets few large batches, however many partitions there are: records without a key stay
 * with one while the sender cannot take what waits already. */
static void test_a_slow_broker_gets_few_batches(void **state)
{
    size_t before = 0, after = 0;
    (void)state;
    sp.peer.topics[0].partitions = SCRIPT_LOG_PARTITIONS;
    sp.settings.batch_size = 200;
    script_producer_create(&sp);
    script_warm_up(&sp, SCRIPT_LOG_PARTITIONS);
    for (size_t p = 0; p < SCRIPT_LOG_PARTITIONS; p++)
        before += sp.logs[p].batches;
    script_fault(&sp, SCRIPT_HOLD, 0);
    for (int32_t p = 0; p < 5; p++) /* as many as may be under way */
        script_send(&sp, p, "held");
    for (int i = 0; i < 2000; i++)
        script_send(&sp, KC_PARTITION_ANY, "next");
    script_serve_now(&sp, script_pending(&sp.peer, NULL, KCI_API_PRODUCE), true, 0);
    for (size_t p = 0; p < SCRIPT_LOG_PARTITIONS; p++)
        after += sp.logs[p].batches;
    assert_in_range(after - before, 5 + 2, 5 + 3); /* one that was full, and the rest where one or two more had room */
    assert_int_equal(sp.fate_count, sp.sent);
    script_producer_destroy(&sp);
}

/* A batch that may grow because another one waits does not wait itself: with batch.size bytes it goes, long before its
 * linger is over. */
static void test_a_growing_batch_does_not_wait(void **state)
{
    (void)state;
    sp.settings.batch_size = 200;
    sp.settings.linger_ms = 60000;
    script_producer_create(&sp);
    script_fault(&sp, SCRIPT_ERROR, KCI_NOT_ENOUGH_REPLICAS);
    for (int i = 0; i < 40; i++) /* the first batch is tried again later, and another full one waits behind it */
        script_send(&sp, 0, "refused");
    assert_int_equal(sp.logs[0].end, 0);
    for (int i = 0; i < 20; i++)
        script_send(&sp, 1, "goes");
    assert_in_range(sp.logs[1].end, 9, 20);
    script_advance(&sp.peer, 1000);
    assert_in_range(sp.logs[0].end, 20, 40);
    kci_producer_close(sp.producer);
    script_settle(&sp.peer);
    script_producer_destroy(&sp);
}

/* One request carries all partitions of a broker. */
static void test_partitions_share_a_request(void **state)
{
    struct kci_producer_wait why;
    kc_error error;
    (void)state;
    script_producer_create(&sp);
    script_warm_up(&sp, 3);
    size_t before = sp.produce_requests;
    for (int32_t p = 0; p < 3; p++)
        assert_int_equal(script_queue(&sp, p, "x", &why, &error), KC_OK);
    script_settle(&sp.peer);
    assert_int_equal(sp.produce_requests - before, 1);
    script_producer_destroy(&sp);
}

/* Every version of Produce that a broker may offer carries the records. */
static void test_every_version(void **state)
{
    (void)state;
    for (int16_t version = 3; version <= 13; version++) {
        script_producer_init(&sp);
        sp.peer.version_max[KCI_API_PRODUCE] = version;
        script_producer_create(&sp);
        script_send(&sp, 0, "a");
        script_send(&sp, 1, "b");
        assert_int_equal(sp.peer.requests[sp.peer.request_count - 1].header.version, version);
        script_fates_are(&sp, "a=0 b=0");
        script_producer_destroy(&sp);
    }
}

/* A broker that is too old is named, and the records fail; nothing hangs. */
static void test_no_common_version(void **state)
{
    (void)state;
    sp.peer.version_max[KCI_API_PRODUCE] = 2;
    script_producer_create(&sp);
    script_send(&sp, 0, "a");
    script_fates_are(&sp, "a=NO_VERSION");
    assert_non_null(strstr(sp.fates[0].text, "no version of Produce"));
    script_producer_destroy(&sp);
}

/* zstd may be sent from version 7 on: a broker that is older would store what its readers cannot read. */
static void test_zstd_needs_a_version(void **state)
{
    (void)state;
    for (int16_t version = 6; version <= 7 && kci_codec_built_in(KCI_CODEC_ZSTD); version++) {
        script_producer_init(&sp);
        sp.settings.compression_type = KCI_CODEC_ZSTD;
        sp.peer.version_max[KCI_API_PRODUCE] = version;
        script_producer_create(&sp);
        script_send(&sp, 0, "a");
        script_fates_are(&sp, version < 7 ? "a=NO_VERSION" : "a=0");
        if (version < 7)
            assert_non_null(strstr(sp.fates[0].text, "that allows zstd"));
        script_producer_destroy(&sp);
    }
}

/* Each codec, with timestamps of their own: values and timestamps come back. */
static void test_codecs(void **state)
{
    (void)state;
    for (int32_t codec = KCI_CODEC_NONE; codec < KCI_CODEC_COUNT; codec++) {
        if (!kci_codec_built_in(codec))
            continue;
        script_producer_init(&sp);
        sp.settings.compression_type = codec;
        sp.settings.linger_ms = 5;
        script_producer_create(&sp);
        script_send(&sp, 0, "aaaaaaaaaaaaaaaaaaaaaaa");
        for (int i = 0; i < 500; i++) {
            sp.peer.now += 1000;
            struct kci_producer_wait why;
            kc_error error;
            assert_int_equal(script_queue(&sp, 0, "bbbbbbbbbbbbbbbbbbbbbbb", &why, &error), KC_OK);
        }
        int64_t end = sp.peer.now / 1000;
        script_advance(&sp.peer, 100);
        assert_int_equal(sp.logs[0].end, 501);
        assert_string_equal(sp.logs[0].values[500], "bbbbbbbbbbbbbbbbbbbbbbb");
        assert_int_equal(sp.fates[500].timestamp_ms, end);
        assert_int_equal(sp.fates[499].timestamp_ms, end - 1);
        script_producer_destroy(&sp);
    }
}

/* acks=0: no answer is awaited, and no offset is known. */
static void test_acks_0(void **state)
{
    (void)state;
    sp.settings.acks = 0;
    sp.settings.enable_idempotence = false;
    script_producer_create(&sp);
    script_send(&sp, 0, "a");
    script_send(&sp, 0, "b");
    script_log_is(&sp, 0, "a b");
    script_fates_are(&sp, "a=-1 b=-1");
    assert_int_equal(sp.id_requests, 0);
    script_producer_destroy(&sp);
}

/* A report says which time the record has in the log: its own, or the time of the send when it gave none; with
 * message.timestamp.type=LogAppendTime that of the broker. */
static void test_timestamps_in_reports(void **state)
{
    kc_record record = KC_RECORD_INIT;
    struct kci_producer_wait why;
    size_t accepted;
    (void)state;
    script_producer_create(&sp);
    script_send(&sp, 0, "a");
    assert_int_equal(sp.fates[0].timestamp_ms, sp.peer.now / 1000);
    record.topic = "t";
    record.partition = 0;
    record.timestamp_ms = 1234567890123;
    record.opaque = (void *)(uintptr_t)sp.sent++;
    assert_int_equal(kci_producer_append(sp.producer, &record, 1, &accepted, sp.peer.now, 99, &why, NULL), KC_OK);
    script_settle(&sp.peer);
    assert_int_equal(sp.fates[1].timestamp_ms, 1234567890123);
    sp.append_time_ms = 1700000000000;
    script_send(&sp, 0, "c");
    assert_int_equal(sp.fates[2].timestamp_ms, 1700000000000);
    script_fates_are(&sp, "a=0 =1 c=2");
    script_producer_destroy(&sp);
}

/* Only records with an opaque pointer are reported when that is what was asked for; record number 0 has none. */
static void test_reports_only_what_is_asked_for(void **state)
{
    (void)state;
    sp.settings.delivery_every_record = false;
    script_producer_create(&sp);
    script_send(&sp, 0, "a");
    script_send(&sp, 0, "b");
    script_fates_are(&sp, "b=1");
    sp.fates[sp.fate_count++] = (struct script_fate){ .number = 0 };
    script_producer_destroy(&sp);
}

static size_t acknowledged;
static void count_acknowledged(void *context, const kc_delivery *delivery)
{
    assert_ptr_equal(context, &sp);
    assert_int_equal(delivery->code, KC_OK);
    assert_true(sp.fate_count == 0); /* before the delivery function is told */
    acknowledged++;
}

/* Interceptors see every record, before the delivery function, which still hears only of those that it asked for. */
static void test_interceptors(void **state)
{
    static kc_producer_interceptor interceptor = { .context = &sp, .on_acknowledgement = count_acknowledged };
    (void)state;
    sp.settings.linger_ms = 10;
    sp.settings.delivery_every_record = false;
    sp.settings.producer_interceptors = &interceptor;
    sp.settings.producer_interceptor_count = 1;
    script_producer_create(&sp);
    script_send(&sp, 0, "a"); /* number 0: no opaque */
    script_send(&sp, 0, "b");
    script_send(&sp, 0, "c");
    script_advance(&sp.peer, 20);
    assert_int_equal(acknowledged, 3);
    script_fates_are(&sp, "b=1 c=2");
    sp.fates[sp.fate_count++] = (struct script_fate){ .number = 0 };
    script_producer_destroy(&sp);
}

/* Another producer took over: the record fails, and the handle says so from then on. */
static void test_fenced(void **state)
{
    struct kci_producer_wait why;
    kc_error error;
    (void)state;
    script_producer_create(&sp);
    script_fault(&sp, SCRIPT_ERROR, KCI_PRODUCER_FENCED);
    script_send(&sp, 0, "a");
    script_fates_are(&sp, "a=PRODUCER_FENCED");
    assert_int_equal(script_queue(&sp, 0, "b", &why, &error), KC_ERR_FENCED);
    assert_non_null(strstr(error.text, "PRODUCER_FENCED"));
    script_producer_destroy(&sp);
}

/* Records without key and partition stay together for batch.size bytes, then go on to another partition: all get some.
 */
static void test_sticky(void **state)
{
    char value[100];
    (void)state;
    sp.settings.batch_size = 1000;
    script_producer_create(&sp);
    memset(value, 'x', sizeof value);
    value[23] = 0;
    script_send(&sp, KC_PARTITION_ANY, value);
    for (int i = 0; i < 3000; i++)
        script_send(&sp, KC_PARTITION_ANY, value);
    for (int32_t p = 0; p < 3; p++)
        assert_in_range(sp.logs[p].end, 600, 1400);
    script_producer_destroy(&sp);
}

/* Readiness does not end with the bootstrap connection, which is closed as soon as the brokers are known: who asks a
 * moment later hears the same. */
static void test_ready_without_a_connection(void **state)
{
    (void)state;
    sp.settings.connections_max_idle_ms = 5000;
    script_producer_create(&sp);
    assert_false(kci_producer_connected(sp.producer));
    script_settle(&sp.peer);
    assert_true(kci_producer_connected(sp.producer));
    script_send(&sp, 0, "a");
    script_advance(&sp.peer, 30000);
    assert_false(kci_cluster_connected(sp.producer->cluster)); /* all are idle and closed */
    assert_true(kci_producer_connected(sp.producer));
    script_producer_destroy(&sp);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_happy_path, setup),
        cmocka_unit_test_setup(test_ready_without_a_connection, setup),
        cmocka_unit_test_setup(test_linger_is_exact, setup),
        cmocka_unit_test_setup(test_flush_ends_linger, setup),
        cmocka_unit_test_setup(test_many_flushes, setup),
        cmocka_unit_test_setup(test_batches_grow_while_the_sender_is_behind, setup),
        cmocka_unit_test_setup(test_a_slow_broker_gets_few_batches, setup),
        cmocka_unit_test_setup(test_a_growing_batch_does_not_wait, setup),
        cmocka_unit_test_setup(test_partitions_share_a_request, setup),
        cmocka_unit_test_setup(test_every_version, setup),
        cmocka_unit_test_setup(test_no_common_version, setup),
        cmocka_unit_test_setup(test_zstd_needs_a_version, setup),
        cmocka_unit_test_setup(test_codecs, setup),
        cmocka_unit_test_setup(test_acks_0, setup),
        cmocka_unit_test_setup(test_timestamps_in_reports, setup),
        cmocka_unit_test_setup(test_reports_only_what_is_asked_for, setup),
        cmocka_unit_test_setup(test_interceptors, setup),
        cmocka_unit_test_setup(test_fenced, setup),
        cmocka_unit_test_setup(test_sticky, setup),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
