/* The user's deserializers: what the application sees of them, and what a record that one of them refuses does. */
#include "consumer/internal.h"
#include "support/script_group.h"

static struct script_peer peer;
static struct script_consumer sc;
static kc_error error;

static int64_t refused[SC_PARTITIONS]; /* offset that is refused; -1: none */
static int calls;

/* Gives the bytes back as they are, so that the script recognises its records. */
static kc_err copy_or_refuse(void *context, const kc_record_view *record, kc_bytes bytes, kc_buffer *out)
{
    (void)context;
    calls++;
    assert_string_equal(record->topic, "t");
    assert_ptr_equal(record->value.data, bytes.data);
    if (record->offset == refused[record->partition])
        return KC_ERR_MALFORMED;
    return kc_buffer_append(out, bytes.data, bytes.size);
}

static kc_err never(void *context, const kc_record_view *record, kc_bytes bytes, kc_buffer *out)
{
    (void)context, (void)record, (void)bytes, (void)out;
    fail_msg("a null is no object");
    return KC_OK;
}

static void begin(void)
{
    script_consumer_init(&sc, &peer);
    script_want_notices(&sc);
    sc.settings.value_deserializer = (kc_deserializer){ "copy", NULL, copy_or_refuse, NULL };
    sc.settings.key_deserializer = (kc_deserializer){ "never", NULL, never, NULL }; /* the script's keys are null */
    for (int i = 0; i < SC_PARTITIONS; i++)
        refused[i] = -1;
    calls = 0;
}

static void seek(int32_t partition, int64_t offset)
{
    assert_int_equal(kci_consumer_seek(sc.core, "t", partition, offset, peer.now, &error), KC_OK);
    script_advance(&peer, sc.settings.fetch_max_wait_ms); /* the fetch that was under way comes back */
}

static void expect_failed(int32_t partition, int64_t offset)
{
    struct kci_partition_list list;
    assert_int_equal(kci_consumer_failed(sc.core, &list), KC_OK);
    assert_int_equal(list.count, 1);
    assert_string_equal(list.items[0].topic, "t");
    assert_int_equal(list.items[0].partition, partition);
    assert_int_equal(list.items[0].offset, offset);
    assert_int_equal(list.items[0].code, KC_ERR_SERIALIZATION);
    kci_partition_list_free(&sc.alloc, &list);
}

/* What comes before the refused record is returned, poll says so until a seek, and the seek goes on behind it. */
static void test_refused(void **state)
{
    struct kci_partition_list none;
    (void)state;
    begin();
    script_consumer_create(&sc);
    refused[0] = 3;
    script_append(&sc, 0, 2);
    script_append(&sc, 0, 3);
    script_append(&sc, 0, 1);
    script_assign(&sc, 0, 0);
    assert_seen(&sc, "t-0:0 t-0:1 t-0:2 unreadable(t-0:3) !SERIALIZATION");
    assert_non_null(strstr(sc.last_text, "deserializer copy refused the value of the record at offset 3 of t [0]: "
                                         "MALFORMED. Seek to 4"));
    assert_seen(&sc, "!SERIALIZATION");
    expect_failed(0, 3);
    seek(0, 4);
    assert_seen(&sc, "t-0:4 t-0:5");
    assert_int_equal(kci_consumer_failed(sc.core, &none), KC_OK);
    assert_int_equal(none.count, 0);
    script_consumer_end(&sc);
}

/* The first record of all, and the same one again after a seek to it. */
static void test_nothing_before(void **state)
{
    (void)state;
    begin();
    script_consumer_create(&sc);
    refused[0] = 0;
    script_append(&sc, 0, 2);
    script_assign(&sc, 0, 0);
    assert_seen(&sc, "unreadable(t-0:0) !SERIALIZATION");
    seek(0, 0);
    assert_seen(&sc, "unreadable(t-0:0) !SERIALIZATION");
    refused[0] = -1; /* the schema is known by now */
    seek(0, 0);
    assert_seen(&sc, "t-0:0 t-0:1");
    script_consumer_end(&sc);
}

/* A partition that stands still holds up no other one. */
static void test_others_go_on(void **state)
{
    kc_topic_partition both[] = { { "t", 0, 0, -1, NULL, KC_OK }, { "t", 1, 0, -1, NULL, KC_OK } };
    (void)state;
    begin();
    script_consumer_create(&sc);
    refused[0] = 1;
    script_append(&sc, 0, 3);
    script_append(&sc, 1, 2);
    assert_int_equal(kci_consumer_assign(sc.core, both, 2, peer.now, &error), KC_OK);
    script_step(&peer);
    script_poll(&sc);
    script_poll(&sc);
    assert_non_null(strstr(sc.seen, "t-1:0 t-1:1"));
    assert_non_null(strstr(sc.seen, "unreadable(t-0:1)"));
    assert_null(strstr(sc.seen, "t-0:1 "));
    sc.seen[0] = 0;
    script_append(&sc, 1, 1);
    script_step(&peer);
    script_poll(&sc);
    assert_noted(&sc, "t-1:2");
    expect_failed(0, 1);
    script_consumer_end(&sc);
}

static void step_over(struct script_consumer *consumer, const struct kci_consumer_event *event)
{
    const kc_notice *notice = &event->notice;
    if (event->kind == KCI_EVENT_NOTICE)
        assert_int_equal(kci_consumer_seek(consumer->core, notice->topic, notice->partition, notice->from_offset + 1,
                                           peer.now, &error),
                         KC_OK);
}

/* A seek inside the notice is all it takes: poll never fails. */
static void test_stepped_over_in_the_notice(void **state)
{
    (void)state;
    begin();
    sc.in_event = step_over;
    script_consumer_create(&sc);
    refused[0] = 1;
    script_append(&sc, 0, 4);
    script_assign(&sc, 0, 0);
    assert_seen(&sc, "t-0:0 unreadable(t-0:1)");
    script_advance(&peer, sc.settings.fetch_max_wait_ms);
    assert_seen(&sc, "t-0:2 t-0:3");
    script_consumer_end(&sc);
}

/* Nothing behind the refused record is committed, and what was returned before it can still be acknowledged. */
static void test_commits_stop_there(void **state)
{
    struct kci_operation *operation;
    kc_consumer_state look;
    kc_record_view view;
    (void)state;
    begin();
    sc.settings.acknowledge_explicitly = 1;
    sc.settings.max_unacknowledged_records = 1000;
    sc.keep = true;
    script_consumer_create(&sc);
    refused[0] = 2;
    script_append(&sc, 0, 4);
    script_join(&sc, 1, "0");
    assert_seen(&sc, "assigned(t-0) reset(t-0:NO_OFFSET -1001/-1>0) t-0:0 t-0:1 unreadable(t-0:2) !SERIALIZATION");
    for (int64_t done = 0; done < 2; done++) {
        kci_records_rewind(sc.kept);
        while (kci_records_next(sc.kept, &view))
            if (view.offset == done)
                assert_int_equal(kci_consumer_ack(sc.core, &view, 1, &error), KC_OK);
        assert_int_equal(kci_consumer_begin_commit(sc.core, &operation, NULL, 0, peer.now + 1000000, &error), KC_OK);
        script_step(&peer);
        script_answer_commit(&sc, KCI_NONE);
        assert_int_equal(sc.committed[0], done + 1);
        kci_consumer_operation_end(sc.core, operation);
    }
    kci_consumer_state(sc.core, "t", 0, peer.now, &look);
    assert_int_equal(look.unacknowledged, 0); /* what was not returned is not waited for */
    script_consumer_end(&sc);
}

static kc_err number_of(void *context, const kc_record_view *record, kc_bytes bytes, kc_buffer *out)
{
    int64_t number = record->offset * 10;
    (void)context, (void)bytes;
    return record->offset % 2 ? kc_buffer_append(out, &number, sizeof number) : KC_OK;
}

/* Objects begin at an address for any type, an empty one is none that is null, each is made once however often the
 * set is visited, and their bytes are counted until the set is released. */
static void test_objects(void **state)
{
    struct kci_consumer_event event;
    kc_records *records = NULL;
    kc_record_view view;
    kc_consumer_stats stats;
    (void)state;
    begin();
    sc.settings.value_deserializer = (kc_deserializer){ NULL, NULL, number_of, NULL };
    script_consumer_create(&sc);
    script_append(&sc, 0, 100);
    script_assign(&sc, 0, 0);
    kci_consumer_poll_enter(sc.core, peer.now);
    assert_int_equal(kci_consumer_poll(sc.core, &records, &event, peer.now, &error), KC_OK);
    kci_consumer_stats(sc.core, &stats);
    uint64_t before = stats.memory_used;
    assert_int_equal(kci_consumer_deserialize(sc.core, &records, peer.now, &error), KC_OK);
    kci_consumer_stats(sc.core, &stats);
    assert_true(stats.memory_used >= before + 100 * sizeof(int64_t));
    assert_int_equal(records->count, 100);
    for (int round = 0; round < 2; round++, kci_records_rewind(records))
        for (int64_t i = 0; kci_records_next(records, &view); i++) {
            assert_int_equal(view.offset, i);
            assert_null(view.key.data);
            assert_non_null(view.value.data);
            assert_int_equal((uintptr_t)view.value.data % sizeof(int64_t), 0);
            assert_int_equal(view.value.size, i % 2 ? sizeof(int64_t) : 0);
            if (i % 2)
                assert_int_equal(*(const int64_t *)view.value.data, i * 10);
        }
    kci_records_release(records);
    kci_consumer_stats(sc.core, &stats);
    assert_true(stats.memory_used <= before);
    script_consumer_end(&sc);
}

static kc_err endless(void *context, const kc_record_view *record, kc_bytes bytes, kc_buffer *out)
{
    (void)context, (void)record, (void)bytes;
    for (int i = 0; i < 200000; i++)
        kc_buffer_append(out, "0123456789", 10); /* its result is ignored: the library remembers */
    return KC_OK;
}

/* An object has a limit as well: fetch.memory.max. */
static void test_too_large(void **state)
{
    (void)state;
    begin();
    sc.settings.fetch_memory_max = 1 << 20;
    sc.settings.value_deserializer = (kc_deserializer){ "endless", NULL, endless, NULL };
    script_consumer_create(&sc);
    script_append(&sc, 0, 1);
    script_assign(&sc, 0, 0);
    assert_seen(&sc, "unreadable(t-0:0) !SERIALIZATION");
    assert_non_null(strstr(sc.last_text, "NO_MEMORY"));
    script_consumer_end(&sc);
}

enum { LARGE = 400000 };

static kc_err to_large(void *context, const kc_record_view *record, kc_bytes bytes, kc_buffer *out)
{
    (void)context, (void)record, (void)bytes;
    for (int i = 0; i < LARGE / 10; i++)
        if (kc_buffer_append(out, "0123456789", 10) != KC_OK)
            return KC_ERR_NO_MEMORY;
    return KC_OK;
}

/* One poll: how many records it returned, which go on from offset `from` and are as large as they should be. */
static int poll_large(int64_t from)
{
    struct kci_consumer_event event;
    kc_records *records = NULL;
    kc_record_view view;
    int count = 0;
    kci_consumer_poll_enter(sc.core, peer.now);
    assert_int_equal(kci_consumer_poll(sc.core, &records, &event, peer.now, &error), KC_OK);
    assert_int_equal(event.kind, KCI_EVENT_NONE);
    assert_int_equal(kci_consumer_deserialize(sc.core, &records, peer.now, &error), KC_OK);
    for (; records && kci_records_next(records, &view); count++) {
        assert_int_equal(view.offset, from + count);
        assert_int_equal(view.value.size, LARGE);
    }
    kci_records_release(records);
    kci_consumer_poll_leave(sc.core, peer.now);
    script_step(&peer);
    script_advance(&peer, sc.settings.fetch_max_wait_ms);
    return count;
}

/* Objects that do not all fit beside each other come with as many polls as they need: nobody refused them. */
static void test_more_than_there_is_room_for(void **state)
{
    int64_t at = 0;
    int polls = 0;
    (void)state;
    begin();
    sc.settings.fetch_memory_max = 1 << 20;
    sc.settings.value_deserializer = (kc_deserializer){ "large", NULL, to_large, NULL };
    script_consumer_create(&sc);
    script_append(&sc, 0, 5);
    script_assign(&sc, 0, 0);
    for (; at < 5 && polls < 20; polls++)
        at += poll_large(at);
    assert_int_equal(at, 5);
    assert_true(polls > 1); /* 2,000,000 bytes of objects, and room for 1,048,576 */
    script_consumer_end(&sc);
}

/* Whatever there is no memory for: none of the records is lost. */
static void test_no_memory(void **state)
{
    static const char *const rest[] = { "t-0:0 t-0:1 t-0:2", "t-0:1 t-0:2", "t-0:2", "" };
    (void)state;
    for (size_t n = 1; n < 12; n++) {
        struct kci_consumer_event event;
        kc_records *records = NULL;
        begin();
        script_consumer_create(&sc);
        script_append(&sc, 0, 2);
        script_append(&sc, 0, 1);
        script_assign(&sc, 0, 0);
        kci_consumer_poll_enter(sc.core, peer.now);
        assert_int_equal(kci_consumer_poll(sc.core, &records, &event, peer.now, &error), KC_OK);
        sc.memory.count = 0;
        sc.memory.fail_at = n;
        kc_err result = kci_consumer_deserialize(sc.core, &records, peer.now, &error);
        sc.memory.fail_at = 0;
        assert_true(result == KC_OK || (result == KC_ERR_NO_MEMORY && !records));
        size_t got = records ? records->count : 0;
        kci_records_release(records);
        kci_consumer_poll_leave(sc.core, peer.now);
        script_advance(&peer, 600);
        assert_seen(&sc, rest[got]); /* nobody refused one of them */
        assert_int_equal(sc.core->stats.records_returned, 3);
        assert_int_equal(kci_meter_total(&sc.core->tally.records), 3);
        script_consumer_end(&sc);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_nothing_before),
        cmocka_unit_test(test_others_go_on),
        cmocka_unit_test(test_stepped_over_in_the_notice),
        cmocka_unit_test(test_commits_stop_there),
        cmocka_unit_test(test_objects),
        cmocka_unit_test(test_too_large),
        cmocka_unit_test(test_more_than_there_is_room_for),
        cmocka_unit_test(test_no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
