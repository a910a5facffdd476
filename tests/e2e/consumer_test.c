/* The consumer's public functions over real sockets and threads: waiting, waking, callbacks, time-outs, the end. */
#include <kclient/kclient.h>
#include <mockbroker/mockbroker.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "support/patience.h"

#define TOPIC      "t"
#define PAIRS(...) ((const char *const[]){ __VA_ARGS__, NULL })

static kc_mock *cluster;
static kc_consumer *consumer;
static kc_error error;
static const kc_consumer_interceptor *watcher; /* of the next consumer; NULL: none */

/* Three brokers, a topic of two partitions with `count` records in partition 0, a consumer with these settings. */
static void begin(int count, const char *const *pairs)
{
    char text[200];
    kc_mock_options options = KC_MOCK_OPTIONS_INIT;
    options.brokers = 3;
    options.topics = TOPIC ":2:3";
    if (kc_mock_start(&cluster, &options, text, sizeof text) != 0)
        fail_msg("%s", text);
    kc_config *config = kc_config_new();
    kc_config_set(config, "bootstrap.servers", kc_mock_bootstrap(cluster), NULL);
    kc_config_set(config, "group.id", "g", NULL);
    kc_config_set(config, "auto.offset.reset", "earliest", NULL);
    kc_config_set(config, "heartbeat.interval.ms", "100", NULL);
    if (count) {
        kc_producer *producer;
        assert_int_equal(kc_producer_create(&producer, config, &error), KC_OK);
        for (int i = 0; i < count; i++) {
            kc_header header = { "n", { &i, sizeof i } };
            kc_record record = KC_RECORD_INIT;
            record.topic = TOPIC;
            record.partition = 0;
            record.timestamp_ms = 1000 + i;
            record.value = (kc_bytes){ &i, sizeof i };
            record.headers = &header;
            record.header_count = 1;
            assert_int_equal(kc_producer_send(producer, &record, 1, NULL, &error), KC_OK);
        }
        assert_int_equal(kc_producer_flush(producer, WAIT_MS, &error), KC_OK);
        kc_producer_close(producer, WAIT_MS);
    }
    for (; *pairs; pairs++)
        if (kc_config_set_pair(config, *pairs, &error) != KC_OK)
            fail_msg("%s", error.text);
    if (watcher)
        assert_int_equal(kc_config_add_consumer_interceptor(config, watcher), KC_OK);
    watcher = NULL;
    if (kc_consumer_create(&consumer, config, &error) != KC_OK)
        fail_msg("%s", error.text);
    kc_config_destroy(config);
}

static void assign(int32_t partition, int64_t offset)
{
    kc_topic_partition item = { TOPIC, partition, offset, -1, NULL, KC_OK };
    assert_int_equal(kc_consumer_assign(consumer, &item, 1, &error), KC_OK);
}

static void subscribe(const kc_rebalance_listener *listener)
{
    const char *topic = TOPIC;
    assert_int_equal(kc_consumer_subscribe(consumer, &topic, 1, listener, &error), KC_OK);
}

/* Poll until `count` records or more came; they are 0, 1, 2 ... with a header each. Returns which one is next. */
static int take(int from, int count)
{
    int64_t begun = now_ms();
    for (int until = from + count; from < until;) {
        kc_records *records;
        kc_record_view view;
        if (kc_consumer_poll(consumer, &records, 1000, &error) != KC_OK)
            fail_msg("%s", error.text);
        be_patient(begun);
        while (kc_records_next(records, &view)) {
            kc_bytes name, value;
            assert_int_equal(view.offset, from);
            assert_int_equal(view.timestamp_ms, 1000 + from);
            assert_memory_equal(view.value.data, &from, sizeof from);
            assert_int_equal(kc_record_view_header(&view, 0, &name, &value), KC_OK);
            assert_int_equal(name.size, 1);
            assert_memory_equal(value.data, &from, sizeof from);
            assert_int_equal(kc_record_view_header(&view, 1, &name, &value), KC_ERR_ARGUMENT);
            from++;
        }
        kc_records_release(records);
    }
    return from;
}

static void end(kc_err expected)
{
    assert_int_equal(kc_consumer_close(consumer, WAIT_MS), expected);
    kc_mock_stop(cluster);
}

/* A poll with a time-out of zero does not wait, one with 200 ms waits that long and brings nothing. */
static void poll_keeps_its_time(void **state)
{
    kc_records *records = (void *)1;
    (void)state;
    begin(0, PAIRS("client.id=c"));
    assert_int_equal(kc_consumer_poll(consumer, &records, 0, &error), KC_ERR_STATE);
    assign(0, 0);
    int64_t began = now_ms();
    assert_int_equal(kc_consumer_poll(consumer, &records, 200, &error), KC_OK);
    assert_null(records);
    assert_in_range(now_ms() - began, 199, 200 + SLACK_MS);
    end(KC_OK);
}

static void *wake(void *context)
{
    kc_consumer_wakeup(context);
    return NULL;
}

/* wakeup from another thread ends a poll, once: whether it waits already or only begins, which a hundred turns bring
 * both. */
static void wakeup_ends_a_poll(void **state)
{
    kc_records *records;
    pthread_t thread;
    (void)state;
    begin(0, PAIRS("client.id=c"));
    assign(0, 0);
    for (int turn = 0; turn < 100; turn++) {
        pthread_create(&thread, NULL, wake, consumer);
        assert_int_equal(kc_consumer_poll(consumer, &records, WAIT_MS, &error), KC_ERR_WOKEN);
        pthread_join(thread, NULL);
        assert_int_equal(kc_consumer_poll(consumer, &records, 0, &error), KC_OK);
    }
    end(KC_OK);
}

/* Knocks until it is refused: only then poll is known to be inside. */
static void *intrude(void *context)
{
    kc_err *answer = context;
    do
        *answer = kc_consumer_seek(consumer, TOPIC, 0, 0, NULL);
    while (*answer == KC_OK);
    kc_consumer_wakeup(consumer);
    return NULL;
}

/* A second thread is refused, not let in.  The first to call is in, so a poll that meets the other's seek is refused as
 * well, and asks again. */
static void one_thread_at_a_time(void **state)
{
    kc_records *records;
    pthread_t thread;
    kc_err refused = KC_OK, polled;
    (void)state;
    begin(0, PAIRS("client.id=c"));
    assign(0, 0);
    pthread_create(&thread, NULL, intrude, &refused);
    do
        polled = kc_consumer_poll(consumer, &records, WAIT_MS, &error);
    while (polled == KC_ERR_STATE);
    pthread_join(thread, NULL);
    assert_int_equal(polled, KC_ERR_WOKEN);
    assert_int_equal(refused, KC_ERR_STATE);
    end(KC_OK);
}

static char story[500];

static void tell(const char *what, const kc_topic_partition *partitions, size_t count)
{
    (void)partitions;
    snprintf(story + strlen(story), sizeof story - strlen(story), "%s%zu ", what, count);
}

static void on_assigned(void *context, const kc_topic_partition *partitions, size_t count)
{
    kc_records *records;
    (void)context;
    tell("assigned", partitions, count);
    assert_int_equal(kc_consumer_poll(consumer, &records, 0, &error), KC_ERR_IN_CALLBACK);
    assert_int_equal(kc_consumer_unsubscribe(consumer, &error), KC_ERR_IN_CALLBACK);
    assert_int_equal(kc_consumer_close(consumer, 0), KC_ERR_IN_CALLBACK);
    assert_int_equal(kc_consumer_seek(consumer, TOPIC, 0, 5, &error), KC_OK);
}

static void on_revoked(void *context, const kc_topic_partition *partitions, size_t count)
{
    (void)context;
    tell("revoked", partitions, count);
    if (kc_consumer_commit(consumer, NULL, 0, WAIT_MS, &error) != KC_OK)
        fail_msg("%s", error.text);
}

/* Callbacks run inside poll and close; seek and commit are fine there, what waits for a poll is refused. */
static void callbacks(void **state)
{
    kc_rebalance_listener listener = { .on_assigned = on_assigned, .on_revoked = on_revoked };
    kc_topic_partition item = { TOPIC, 0, 0, -1, NULL, KC_OK };
    (void)state;
    story[0] = 0;
    begin(10, PAIRS("enable.auto.commit=false"));
    subscribe(&listener);
    take(5, 5);
    assert_string_equal(story, "assigned2 ");
    assert_int_equal(kc_consumer_unsubscribe(consumer, &error), KC_OK);
    assert_string_equal(story, "assigned2 revoked2 ");
    assert_int_equal(kc_consumer_committed(consumer, &item, 1, WAIT_MS, &error), KC_OK);
    assert_int_equal(item.offset, 10);
    end(KC_OK);
}

static void on_commit(void *context, kc_err code, const kc_topic_partition *offsets, size_t count)
{
    assert_int_equal(code, KC_OK);
    assert_int_equal(count, 1);
    *(int64_t *)context = *(int64_t *)context * 100 + offsets[0].offset;
}

/* A commit that is refused says more than its code, in its function and nowhere else. */
static void on_refused(void *context, kc_err code, const kc_topic_partition *offsets, size_t count)
{
    (void)offsets, (void)count;
    assert_int_equal(kc_consumer_commit_why(consumer, &error), KC_OK);
    assert_int_equal(error.code, code);
    assert_non_null(strstr(error.text, "committing " TOPIC " [0] at offset 3: broker "));
    assert_non_null(strstr(error.text, "offset.metadata.max.bytes"));
    *(kc_err *)context = code;
}

static void watch_commit(void *context, const kc_topic_partition *offsets, size_t count)
{
    assert_int_equal(count, 1);
    *(int64_t *)context = *(int64_t *)context * 100 + offsets[0].offset;
}

/* Asynchronous commits report in order, to interceptors too; offsets and watermarks are asked from the brokers. */
static void commits_and_offsets(void **state)
{
    kc_topic_partition item = { TOPIC, 0, 3, -1, "note", KC_OK };
    int64_t told = 0, watched = 0, low, high;
    const kc_consumer_interceptor watch = { .name = "watch", .context = &watched, .on_commit = watch_commit };
    (void)state;
    watcher = &watch;
    begin(10, PAIRS("enable.auto.commit=false"));
    assign(0, 0);
    take(0, 10);
    for (int i = 0; i < 3; i++, item.offset++)
        assert_int_equal(kc_consumer_commit_async(consumer, &item, 1, on_commit, &told, &error), KC_OK);
    char note[5000];
    kc_err refusal = KC_OK;
    memset(note, 'n', sizeof note - 1);
    note[sizeof note - 1] = '\0';
    kc_topic_partition noted = { TOPIC, 0, 3, -1, note, KC_OK };
    assert_int_equal(kc_consumer_commit_async(consumer, &noted, 1, on_refused, &refusal, &error), KC_OK);
    item.offset = 7;
    assert_int_equal(kc_consumer_commit(consumer, &item, 1, WAIT_MS, &error), KC_OK);
    assert_int_equal(told, 30405);
    assert_int_equal(watched, 3040507); /* the refused one was none */
    assert_int_equal(refusal, KC_ERR_OFFSET_METADATA_TOO_LARGE);
    assert_int_equal(kc_consumer_commit_why(consumer, &error), KC_ERR_STATE);
    item.offset = 1004;
    assert_int_equal(kc_consumer_offsets_for_times(consumer, &item, 1, WAIT_MS, &error), KC_OK);
    assert_int_equal(item.offset, 4);
    kc_topic_partition ends[] = { { TOPIC, 0, KC_OFFSET_END, -1, NULL, KC_OK },
                                  { TOPIC, 1, KC_OFFSET_BEGINNING, -1, NULL, KC_OK } };
    assert_int_equal(kc_consumer_offsets_for_times(consumer, ends, 2, WAIT_MS, &error), KC_OK);
    assert_int_equal(ends[0].offset, 10);
    assert_int_equal(ends[1].offset, 0);
    item.offset = -5;
    assert_int_equal(kc_consumer_offsets_for_times(consumer, &item, 1, WAIT_MS, &error), KC_ERR_ARGUMENT);
    assert_int_equal(kc_consumer_watermarks(consumer, TOPIC, 0, &low, &high, WAIT_MS, &error), KC_OK);
    assert_int_equal(low, 0);
    assert_int_equal(high, 10);
    end(KC_OK);
}

/* The cluster is gone for good: every call ends in its time and says why; close as well. */
static void the_cluster_is_gone(void **state)
{
    kc_topic_partition item = { TOPIC, 0, 3, -1, NULL, KC_OK };
    int64_t offset, began, high;
    kc_records *records;
    (void)state;
    begin(10, PAIRS("request.timeout.ms=1000"));
    subscribe(NULL);
    take(0, 10);
    kc_mock_stop(cluster);
    began = now_ms();
    assert_int_equal(kc_consumer_commit(consumer, &item, 1, 300, &error), KC_ERR_TIMED_OUT);
    assert_int_equal(kc_consumer_committed(consumer, &item, 1, 300, &error), KC_ERR_TIMED_OUT);
    assert_int_equal(kc_consumer_watermarks(consumer, TOPIC, 0, &offset, &high, 300, &error), KC_ERR_TIMED_OUT);
    assert_int_equal(kc_consumer_poll(consumer, &records, 300, &error), KC_OK);
    assert_null(records);
    assert_int_equal(kc_consumer_close(consumer, 300), KC_ERR_TIMED_OUT);
    assert_in_range(now_ms() - began, 0, 5 * 300 + SLACK_MS);
}

static int closed;
static void on_close(void *context)
{
    (void)context;
    closed++;
}
static int consumed;
static void on_consume(void *context, const kc_record_view *view)
{
    (void)context;
    consumed += view->offset >= 0;
}

/* Records outlive their consumer; interceptors see every record while the consumer lives, and are closed once. */
static void records_outlive_and_interceptors(void **state)
{
    kc_records *records = NULL;
    kc_record_view view;
    (void)state;
    begin(10, PAIRS("enable.auto.commit=false"));
    kc_consumer_close(consumer, WAIT_MS);
    kc_config *config = kc_config_new();
    kc_consumer_interceptor interceptor = { .name = "i", .on_consume = on_consume, .close = on_close };
    kc_config_set(config, "bootstrap.servers", kc_mock_bootstrap(cluster), NULL);
    kc_config_add_consumer_interceptor(config, &interceptor);
    assert_int_equal(kc_consumer_create(&consumer, config, &error), KC_OK);
    kc_config_destroy(config);
    assign(0, 0);
    while (!records)
        assert_int_equal(kc_consumer_poll(consumer, &records, 1000, &error), KC_OK);
    size_t count = kc_records_count(records);
    while (kc_records_next(records, &view))
        continue;
    assert_int_equal(consumed, count);
    end(KC_OK);
    assert_int_equal(closed, 1);
    kc_records_rewind(records);
    for (int i = 0; kc_records_next(records, &view); i++) {
        assert_memory_equal(view.value.data, &i, sizeof i);
        count--;
    }
    assert_int_equal(count, 0);
    kc_records_release(records);
    assert_int_equal(closed, 1);
}

/* Leaders move while we read: nothing is lost, nothing comes twice. */
static void leaders_move(void **state)
{
    (void)state;
    begin(3000, PAIRS("max.poll.records=100"));
    assign(0, 0);
    for (int next = 0, moves = 0; next < 3000; next = take(next, 1))
        if (next >= moves * 500)
            kc_mock_move_leader(cluster, TOPIC, 0, moves++ % 3 + 1);
    end(KC_OK);
}

static void reopen(const char *group)
{
    kc_config *config = kc_config_new();
    kc_config_set(config, "bootstrap.servers", kc_mock_bootstrap(cluster), NULL);
    kc_config_set(config, "group.id", group, NULL);
    kc_config_set(config, "auto.offset.reset", "earliest", NULL);
    kc_config_set(config, "heartbeat.interval.ms", "100", NULL);
    assert_int_equal(kc_consumer_close(consumer, WAIT_MS), KC_OK);
    assert_int_equal(kc_consumer_create(&consumer, config, &error), KC_OK);
    kc_config_destroy(config);
    subscribe(NULL);
}

/* Sharing and broadcast: a group goes on where it was, another group reads all of it for itself. */
static void groups_do_not_share(void **state)
{
    (void)state;
    begin(6, PAIRS("max.poll.records=1"));
    subscribe(NULL);
    take(0, 3);
    reopen("another");
    take(0, 6);
    reopen("g");
    take(3, 3);
    end(KC_OK);
}

static kc_record_view *kept[4];

static void *acknowledge(void *context)
{
    kc_record_view *view = context;
    kc_err result = kc_consumer_ack(consumer, view, 1, NULL);
    kc_record_view_free(view);
    return result == KC_OK ? NULL : view;
}

/* Records are read one by one, kept, and done by other threads in any order; only what is done without a gap is
 * committed. */
static void acknowledged_by_threads(void **state)
{
    pthread_t threads[4];
    void *failed;
    int64_t until = now_ms() + WAIT_MS;
    kc_topic_partition item = { TOPIC, 0, 0, -1, NULL, KC_OK };
    (void)state;
    begin(4, PAIRS("acknowledgement.mode=explicit", "enable.auto.commit=false"));
    assign(0, 0);
    for (int i = 0; i < 4;) {
        kc_record_view view;
        kc_bytes name, value;
        assert_int_equal(kc_consumer_poll_one(consumer, &view, 1000, &error), KC_OK);
        assert_true(now_ms() < until);
        if (!view.topic)
            continue;
        assert_int_equal(view.offset, i);
        assert_int_equal(kc_record_view_detach(&view, &kept[i]), KC_OK);
        assert_null(kept[i]->key.data);
        assert_int_equal(kc_record_view_header(kept[i], 0, &name, &value), KC_OK);
        assert_memory_equal(value.data, &i, sizeof i);
        i++;
    }
    const int first[] = { 3, 0, 1 };
    for (int i = 0; i < 3; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, acknowledge, kept[first[i]]), 0);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(pthread_join(threads[i], &failed), 0);
        assert_null(failed);
    }
    assert_int_equal(kc_consumer_commit(consumer, NULL, 0, WAIT_MS, &error), KC_OK);
    assert_int_equal(kc_consumer_committed(consumer, &item, 1, WAIT_MS, &error), KC_OK);
    assert_int_equal(item.offset, 2);
    assert_null(acknowledge(kept[2]));
    assert_int_equal(kc_consumer_commit(consumer, NULL, 0, WAIT_MS, &error), KC_OK);
    assert_int_equal(kc_consumer_committed(consumer, &item, 1, WAIT_MS, &error), KC_OK);
    assert_int_equal(item.offset, 4);
    end(KC_OK);
}

/* Explicit acknowledgement of all that a poll returned: a commit covers it, and not what was returned after it. */
static void acknowledged_as_they_came(void **state)
{
    kc_topic_partition item = { TOPIC, 0, -1, -1, NULL, KC_OK };
    kc_records *records[2] = { NULL, NULL };
    (void)state;
    begin(4, PAIRS("acknowledgement.mode=explicit", "enable.auto.commit=false", "max.poll.records=2"));
    assign(0, KC_OFFSET_BEGINNING);
    for (int i = 0; i < 2; i++)
        for (int64_t begun = now_ms(); !records[i]; be_patient(begun))
            assert_int_equal(kc_consumer_poll(consumer, &records[i], 1000, &error), KC_OK);
    size_t first = kc_records_count(records[0]);
    assert_int_equal(kc_consumer_ack_records(consumer, records[0], &error), KC_OK);
    assert_int_equal(kc_consumer_ack_records(consumer, NULL, &error), KC_OK); /* a poll that returned none */
    assert_int_equal(kc_consumer_commit(consumer, NULL, 0, WAIT_MS, &error), KC_OK);
    assert_int_equal(kc_consumer_committed(consumer, &item, 1, WAIT_MS, &error), KC_OK);
    assert_int_equal(item.offset, first);
    assert_int_equal(kc_consumer_ack_records(consumer, records[1], &error), KC_OK);
    assert_int_equal(kc_consumer_commit(consumer, NULL, 0, WAIT_MS, &error), KC_OK);
    assert_int_equal(kc_consumer_committed(consumer, &item, 1, WAIT_MS, &error), KC_OK);
    assert_int_equal(item.offset, first + kc_records_count(records[1]));
    kc_records_release(records[0]);
    kc_records_release(records[1]);
    end(KC_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(poll_keeps_its_time),
        cmocka_unit_test(wakeup_ends_a_poll),
        cmocka_unit_test(one_thread_at_a_time),
        cmocka_unit_test(callbacks),
        cmocka_unit_test(commits_and_offsets),
        cmocka_unit_test(the_cluster_is_gone),
        cmocka_unit_test(records_outlive_and_interceptors),
        cmocka_unit_test(leaders_move),
        cmocka_unit_test(acknowledged_by_threads),
        cmocka_unit_test(acknowledged_as_they_came),
        cmocka_unit_test(groups_do_not_share),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
