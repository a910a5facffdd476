/* Fetching within fetch.memory.max: what is slow, too large, compressed beyond measure, or not to be had. */
#include "consumer/internal.h"
#include "support/script_consumer.h"

static struct script_peer peer;
static struct script_consumer sc;

/* A batch that would decompress beyond the ceiling is refused, not inflated. */
static void test_bomb(void **state)
{
    (void)state;
    script_consumer_init(&sc, &peer);
    sc.settings.fetch_memory_max = 1 << 20;
    script_consumer_create(&sc);
    struct kci_batch_header header = script_plain_batch();
    header.attributes = KCI_CODEC_GZIP;
    script_append_with(&sc, 0, 100000, header); /* some 1.5 MB of plain records */
    script_assign(&sc, 0, 0);
    script_poll(&sc);
    script_advance(&peer, 600); /* the fetch that was ahead is parked at the broker: it is fetched alone */
    assert_seen(&sc, "!RECORD_TOO_LARGE");
    assert_non_null(
        strstr(sc.last_text, "does not fit into fetch.memory.max, 1048576 bytes, when decompressed: raise that"));
    assert_true(sc.memory.peak_bytes < (1 << 20) + (8 << 20));
    script_append(&sc, 0, 2);
    assert_int_equal(kci_consumer_seek(sc.core, "t", 0, 100000, peer.now, NULL), KC_OK);
    script_advance(&peer, 600);
    assert_seen(&sc, "t-0:100000 t-0:100001");
    script_consumer_end(&sc);

    script_consumer_init(&sc, &peer); /* with the limit that the text asks for, it is read */
    sc.settings.fetch_memory_max = 16 << 20;
    sc.settings.max_poll_records = 1000000;
    script_consumer_create(&sc);
    script_append_with(&sc, 0, 100000, header);
    script_assign(&sc, 0, 0);
    kc_consumer_stats stats;
    script_poll(&sc);
    kci_consumer_stats(sc.core, &stats);
    assert_int_equal(stats.records_returned, 100000);
    script_consumer_end(&sc);
}

/* A batch that is larger than the whole ceiling, but needs no decompression, passes alone. */
static void test_larger_than_the_ceiling(void **state)
{
    kc_consumer_stats stats;
    (void)state;
    script_consumer_init(&sc, &peer);
    sc.settings.fetch_memory_max = 1 << 20;
    sc.settings.max_poll_records = 1000000;
    script_consumer_create(&sc);
    script_append(&sc, 0, 100000); /* some 1.5 MB */
    script_append(&sc, 0, 2);
    script_assign(&sc, 0, 0);
    for (int i = 0; i < 10; i++) {
        sc.seen[0] = 0; /* not all fits there */
        script_poll(&sc);
        script_advance(&peer, 600);
    }
    kci_consumer_stats(sc.core, &stats);
    assert_int_equal(stats.records_returned, 100002);
    script_consumer_end(&sc);
}

/* A slow application: fetching stops below the ceiling, and goes on when records are released. */
static void test_ceiling(void **state)
{
    kc_consumer_stats stats;
    (void)state;
    script_consumer_init(&sc, &peer);
    sc.settings.fetch_memory_max = 1 << 20;
    sc.settings.max_partition_fetch_bytes = 128 << 10;
    sc.settings.max_poll_records = 1000;
    script_consumer_create(&sc);
    for (int i = 0; i < 60; i++)
        script_append(&sc, 0, 1500); /* some 25 KB each, 1.5 MB in all */
    script_assign(&sc, 0, 0);
    kc_records *held[2000];
    size_t count = 0, records = 0;
    for (int i = 0; i < 200; i++) {
        sc.keep = true;
        script_poll(&sc);
        sc.seen[0] = 0;
        if (sc.kept)
            held[count++] = sc.kept;
        sc.kept = NULL;
        kci_consumer_stats(sc.core, &stats);
        assert_true(stats.memory_used <= stats.memory_limit);
        script_advance(&peer, 10);
    }
    assert_true(count < 90);
    for (size_t i = 0; i < count; i++) {
        records += held[i]->count;
        kci_records_release(held[i]);
    }
    sc.keep = false;
    kci_consumer_stats(sc.core, &stats);
    uint64_t before = stats.records_returned;
    assert_int_equal(before, records);
    for (int i = 0; i < 200; i++) {
        script_poll(&sc);
        sc.seen[0] = 0;
        script_advance(&peer, 10);
    }
    kci_consumer_stats(sc.core, &stats);
    assert_int_equal(stats.records_returned, 60 * 1500);
    script_consumer_end(&sc);
}

/* Memory for one fetch at a time: brokers take turns, also when the first always has more. */
static void test_brokers_take_turns_when_memory_is_short(void **state)
{
    kc_topic_partition items[] = { { "t", 0, 0, -1, NULL, KC_OK }, { "t", 1, 0, -1, NULL, KC_OK } };
    char asked[100] = "";
    (void)state;
    script_consumer_init(&sc, &peer);
    sc.settings.max_partition_fetch_bytes = 80 << 10;
    sc.settings.fetch_memory_max = 160 << 10; /* a quarter is kept for decompression */
    sc.park_fetch = true;
    script_consumer_create(&sc);
    assert_int_equal(kci_consumer_assign(sc.core, items, 2, peer.now, NULL), KC_OK);
    script_step(&peer);
    for (int i = 0; i < 6; i++) {
        script_append(&sc, 0, 10);
        script_append(&sc, 1, 10);
        struct script_request *r = script_expect(&sc, KCI_API_FETCH);
        assert_false(script_waits(&sc, KCI_API_FETCH)); /* there is memory for one */
        snprintf(asked + strlen(asked), sizeof asked - strlen(asked), "%.2s ", r->conn->address);
        assert_true(script_answer_fetch(&sc, r, false));
        script_settle(&peer);
        script_poll_all(&sc);
        sc.seen[0] = 0;
    }
    assert_string_equal(asked, "b1 b2 b1 b2 b1 b2 ");
    script_consumer_end(&sc);
}

/* Out of memory at every place while assigning and fetching: an error or a delay, never a crash or a leak. */
static void test_out_of_memory(void **state)
{
    (void)state;
    for (size_t n = 1; n < 200; n++) {
        script_consumer_init(&sc, &peer);
        struct kci_consumer_options options = {
            .alloc = &sc.alloc, .settings = &sc.settings, .transport = script_peer_transport(&peer), .seed = 1
        };
        kc_topic_partition item = { "t", 0, 0, -1, NULL, KC_OK };
        script_append(&sc, 0, 2);
        sc.memory.fail_at = n;
        if (kci_consumer_create(&sc.core, &options, NULL) == KC_OK) {
            script_peer_attach(&peer, kci_consumer_engine(sc.core));
            if (kci_consumer_assign(sc.core, &item, 1, peer.now, NULL) == KC_OK) {
                for (int i = 0; i < 10; i++) {
                    script_advance(&peer, 2000);
                    script_poll_all(&sc);
                }
                if (!strstr(sc.seen, "t-0:0 t-0:1"))
                    fail_msg("allocation %zu failed and nothing was read: \"%s\"", n, sc.seen);
            }
        }
        script_consumer_end(&sc);
    }
}

/* What was read leaves its memory to the next answer, and counts until an answer without records says that none is needed
 * soon. */
static void test_kept_until_caught_up(void **state)
{
    kc_consumer_stats stats;
    (void)state;
    script_consumer_init(&sc, &peer);
    sc.settings.fetch_memory_max = 1 << 20;
    script_consumer_create(&sc);
    script_append(&sc, 0, 1500); /* some 25 KB each */
    script_append(&sc, 0, 1500);
    sc.park_fetch = true;
    script_assign(&sc, 0, 0);
    assert_true(script_answer_fetch(&sc, script_expect(&sc, KCI_API_FETCH), false));
    script_settle(&peer);
    for (int i = 0; i < 10; i++) {
        script_poll_all(&sc);
        sc.seen[0] = 0;
    }
    struct script_request *next = script_expect(&sc, KCI_API_FETCH);
    kci_consumer_stats(sc.core, &stats);
    assert_int_equal(stats.records_returned, 3000);
    assert_in_range(kci_keep_bytes(&sc.core->shared->keep), 40 << 10, 64 << 10);
    assert_true(stats.memory_used > kci_keep_bytes(&sc.core->shared->keep)); /* and the next fetch has its place */
    assert_true(script_answer_fetch(&sc, next, true));
    script_settle(&peer);
    assert_int_equal(kci_keep_bytes(&sc.core->shared->keep), 0);
    script_consumer_end(&sc);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bomb),          cmocka_unit_test(test_larger_than_the_ceiling),
        cmocka_unit_test(test_ceiling),       cmocka_unit_test(test_brokers_take_turns_when_memory_is_short),
        cmocka_unit_test(test_out_of_memory), cmocka_unit_test(test_kept_until_caught_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
