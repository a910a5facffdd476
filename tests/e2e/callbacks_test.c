/* What may be called from where: every public function of a consumer from inside every kind of callback.  Each one works
 * or answers KC_ERR_IN_CALLBACK, and none waits for itself.  The table below is the one of docs/consumer.md; a test
 * compares them. */
#include <kclient/kclient.h>
#include <mockbroker/mockbroker.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "support/patience.h"

static kc_mock *cluster;
static kc_consumer *_Atomic consumer; /* callbacks of the I/O thread look at it, too */
static kc_rebalance_listener listener;
static _Thread_local kc_error error;
static kc_topic_partition place = { "t", 0, 0, -1, NULL, KC_OK };
static kc_record_view any_view = { .topic = "t" };
static const char *const topics[] = { "t" };

/* ---- the calls ---- */

static kc_err subscribe(void)
{
    return kc_consumer_subscribe(consumer, topics, 1, &listener, &error);
}
static kc_err subscribe_pattern(void)
{
    kc_err result = kc_consumer_subscribe_pattern(consumer, "t", &listener, &error);
    return result == KC_OK ? subscribe() : result;
}
static kc_err subscribe_remote_pattern(void)
{
    return kc_consumer_subscribe_remote_pattern(consumer, "t", &listener, &error);
}
static kc_err unsubscribe(void)
{
    return kc_consumer_unsubscribe(consumer, &error);
}
static kc_err enforce_rebalance(void)
{
    return kc_consumer_enforce_rebalance(consumer, "test", &error);
}
static kc_err assign(void)
{
    return kc_consumer_assign(consumer, &place, 1, &error);
}
static kc_err assignment(void)
{
    size_t count;
    return kc_consumer_assignment(consumer, NULL, 0, &count);
}
static kc_err failed(void)
{
    size_t count;
    return kc_consumer_failed(consumer, NULL, 0, &count);
}
static kc_err poll(void)
{
    kc_records *records = NULL;
    kc_err result = kc_consumer_poll(consumer, &records, 0, &error);
    kc_records_release(records);
    return result;
}
static kc_err poll_up_to(void)
{
    kc_records *records = NULL;
    kc_err result = kc_consumer_poll_up_to(consumer, &records, 1, 0, 0, &error);
    kc_records_release(records);
    return result;
}
static kc_err poll_one(void)
{
    kc_record_view view;
    return kc_consumer_poll_one(consumer, &view, 0, &error);
}
static kc_err wakeup(void)
{
    kc_consumer_wakeup(consumer);
    return KC_OK;
}
static kc_err keepalive(void)
{
    return kc_consumer_keepalive(consumer, &error);
}
static kc_err seek(void)
{
    return kc_consumer_seek(consumer, "t", 0, 0, &error);
}
static kc_err position(void)
{
    int64_t offset;
    return kc_consumer_position(consumer, "t", 0, &offset, WAIT_MS, &error);
}
static kc_err pause_it(void)
{
    return kc_consumer_pause(consumer, &place, 1, &error);
}
static kc_err resume_it(void)
{
    return kc_consumer_resume(consumer, &place, 1, &error);
}
static kc_err watermarks(void)
{
    int64_t low, high;
    return kc_consumer_watermarks(consumer, "t", 0, &low, &high, WAIT_MS, &error);
}
static kc_err offsets_for_times(void)
{
    kc_topic_partition item = place;
    return kc_consumer_offsets_for_times(consumer, &item, 1, WAIT_MS, &error);
}
static kc_err commit(void)
{
    return kc_consumer_commit(consumer, &place, 1, WAIT_MS, &error);
}
static kc_err commit_async(void)
{
    return kc_consumer_commit_async(consumer, &place, 1, NULL, NULL, &error);
}
static kc_err commit_why(void)
{
    return kc_consumer_commit_why(consumer, &error);
}
static kc_err committed(void)
{
    kc_topic_partition item = place;
    return kc_consumer_committed(consumer, &item, 1, WAIT_MS, &error);
}
static kc_err ack(void)
{
    return kc_consumer_ack(consumer, &any_view, 1, &error);
}
static kc_err ack_records(void)
{
    return kc_consumer_ack_records(consumer, NULL, &error);
}
static kc_err get_state(void)
{
    kc_consumer_state state;
    memset(&state, 0, sizeof state);
    kc_consumer_get_state(consumer, NULL, 0, &state);
    return state.group ? KC_OK : KC_ERR_IN_CALLBACK;
}
static kc_err get_stats(void)
{
    kc_consumer_stats stats;
    memset(&stats, 0, sizeof stats);
    kc_consumer_get_stats(consumer, &stats);
    return stats.memory_limit ? KC_OK : KC_ERR_IN_CALLBACK;
}
static kc_err metrics(void)
{
    kc_metrics *snapshot = NULL;
    kc_err result = kc_consumer_metrics(consumer, &snapshot, &error);
    kc_metrics_release(snapshot);
    return result;
}
static kc_err get_latency(void)
{
    kc_latency_stats stats;
    return kc_consumer_get_latency(consumer, &stats);
}
static kc_err close_it(void)
{
    return kc_consumer_close(consumer, 0);
}
static kc_err close_as(void)
{
    return kc_consumer_close_as(consumer, KC_CLOSE_LEAVE, 0);
}

/* ---- the table ---- */

enum column {
    IN_POLL,    /* listeners, commit functions, notices, on_commit, deserializers */
    ON_CONSUME, /* on_consume: the thread that visits the records, which is inside no call of the consumer */
    ON_ASSIGN,  /* assign of an assignor: the I/O thread */
    IN_LOG,     /* log function: any thread, a lock may be held */
    COLUMNS
};
static const char *const column_names[COLUMNS] = { "poll's", "on_consume", "assign", "log" };
#define NO KC_ERR_IN_CALLBACK
static const struct {
    const char *name;
    kc_err (*call)(void);
    kc_err in_assigned;   /* what on_assigned gets, where everything is at rest */
    kc_err here[COLUMNS]; /* NO: refused; KC_OK: works, or says what is not legal in any place */
} calls[] = {
    { "subscribe", subscribe, KC_OK, { KC_OK, KC_OK, NO, NO } },
    { "subscribe_pattern", subscribe_pattern, KC_OK, { KC_OK, KC_OK, NO, NO } },
    { "subscribe_remote_pattern", subscribe_remote_pattern, KC_ERR_STATE, { KC_OK, KC_OK, NO, NO } },
    { "unsubscribe", unsubscribe, NO, { NO, KC_OK, NO, NO } },
    { "enforce_rebalance", enforce_rebalance, KC_OK, { KC_OK, KC_OK, NO, NO } },
    { "assign", assign, KC_ERR_STATE, { KC_OK, KC_OK, NO, NO } },
    { "assignment", assignment, KC_OK, { KC_OK, KC_OK, NO, NO } },
    { "failed", failed, KC_OK, { KC_OK, KC_OK, NO, NO } },
    { "poll", poll, NO, { NO, KC_OK, NO, NO } },
    { "poll_up_to", poll_up_to, NO, { NO, KC_OK, NO, NO } },
    { "poll_one", poll_one, NO, { NO, KC_OK, NO, NO } },
    { "wakeup", wakeup, KC_OK, { KC_OK, KC_OK, KC_OK, KC_OK } },
    { "keepalive", keepalive, KC_OK, { KC_OK, KC_OK, KC_OK, NO } },
    { "seek", seek, KC_OK, { KC_OK, KC_OK, NO, NO } },
    { "position", position, KC_OK, { KC_OK, KC_OK, NO, NO } },
    { "pause", pause_it, KC_OK, { KC_OK, KC_OK, NO, NO } },
    { "resume", resume_it, KC_OK, { KC_OK, KC_OK, NO, NO } },
    { "watermarks", watermarks, KC_OK, { KC_OK, KC_OK, NO, NO } },
    { "offsets_for_times", offsets_for_times, KC_OK, { KC_OK, KC_OK, NO, NO } },
    { "commit", commit, KC_OK, { KC_OK, KC_OK, NO, NO } },
    { "commit_async", commit_async, KC_OK, { KC_OK, KC_OK, NO, NO } },
    { "commit_why", commit_why, KC_ERR_STATE, { KC_OK, KC_OK, NO, NO } },
    { "committed", committed, KC_OK, { KC_OK, KC_OK, NO, NO } },
    { "ack", ack, KC_ERR_CONFIG, { KC_OK, KC_OK, KC_OK, NO } },
    { "ack_records", ack_records, KC_OK, { KC_OK, KC_OK, KC_OK, NO } },
    { "get_state", get_state, KC_OK, { KC_OK, KC_OK, KC_OK, NO } },
    { "get_stats", get_stats, KC_OK, { KC_OK, KC_OK, KC_OK, NO } },
    { "metrics", metrics, KC_OK, { KC_OK, KC_OK, KC_OK, NO } },
    { "get_latency", get_latency, KC_ERR_STATE, { KC_OK, KC_OK, KC_OK, KC_OK } },
    { "close", close_it, NO, { NO, KC_OK, NO, NO } },
    { "close_as", close_as, NO, { NO, KC_OK, NO, NO } },
};
#define CALLS (sizeof calls / sizeof calls[0])

/* ---- the callbacks: each one goes through the table the first time it is called ---- */

enum place { ASSIGNED, REVOKED, COMMITTED, NOTICE, COMMIT_SEEN, DESERIALIZE, CONSUME, ASSIGN, LOG, PLACES };
static const char *const place_names[PLACES] = { "on_assigned",     "on_revoked", "commit function",
                                                 "notice function", "on_commit",  "deserialize",
                                                 "on_consume",      "assign",     "log function" };
static const enum column columns[PLACES] = { IN_POLL, IN_POLL,    IN_POLL,   IN_POLL, IN_POLL,
                                             IN_POLL, ON_CONSUME, ON_ASSIGN, IN_LOG };
static _Atomic bool begun[PLACES];
static _Atomic bool done[PLACES];
static _Thread_local bool inside; /* a callback that goes through the table causes others */

/* true: leave this one out here. */
static bool is_no_case(enum place where, size_t i)
{
    bool ends = calls[i].call == close_it || calls[i].call == close_as || calls[i].call == unsubscribe;
    return columns[where] == ON_CONSUME && ends; /* see below */
}

static void go_through(enum place where)
{
    if (!consumer || inside || atomic_exchange(&begun[where], true))
        return;
    inside = true;
    for (size_t i = 0; i < CALLS; i++) {
        if (is_no_case(where, i))
            continue;
        bool refused = calls[i].here[columns[where]] == NO;
        kc_err result = calls[i].call();
        if (refused ? result != NO : result == NO || result == KC_ERR_TIMED_OUT)
            fail_msg("kc_consumer_%s in %s: %s", calls[i].name, place_names[where], kc_err_name(result));
        if (where == ASSIGNED && result != calls[i].in_assigned && result != KC_ERR_WOKEN)
            fail_msg("kc_consumer_%s in on_assigned: %s: %s", calls[i].name, kc_err_name(result), error.text);
    }
    inside = false;
    done[where] = true;
}

static void on_assigned(void *context, const kc_topic_partition *partitions, size_t count)
{
    (void)context, (void)partitions, (void)count;
    go_through(ASSIGNED);
}
static void on_revoked(void *context, const kc_topic_partition *partitions, size_t count)
{
    (void)context, (void)partitions, (void)count;
    go_through(REVOKED);
}
static void on_committed(void *context, kc_err code, const kc_topic_partition *offsets, size_t count)
{
    (void)context, (void)code, (void)offsets, (void)count;
    go_through(COMMITTED);
}
static void on_notice(void *context, const kc_notice *notice)
{
    (void)context, (void)notice;
    go_through(NOTICE);
}
static void on_commit(void *context, const kc_topic_partition *offsets, size_t count)
{
    (void)context, (void)offsets, (void)count;
    go_through(COMMIT_SEEN);
}
static void on_consume(void *context, const kc_record_view *view)
{
    (void)context, (void)view;
    go_through(CONSUME);
}
static kc_err deserialize(void *context, const kc_record_view *record, kc_bytes bytes, kc_buffer *out)
{
    (void)context, (void)record;
    go_through(DESERIALIZE);
    return kc_buffer_append(out, bytes.data, bytes.size);
}
static kc_err give_all(void *context, const kc_assignor_topic *all, size_t topic_count,
                       const kc_assignor_member *members, size_t member_count, kc_assignment_plan *plan)
{
    (void)context, (void)members, (void)member_count;
    go_through(ASSIGN);
    for (size_t t = 0; t < topic_count; t++)
        for (int32_t p = 0; p < all[t].partition_count; p++)
            kc_assignment_give(plan, 0, t, p);
    return KC_OK;
}
static void on_log(void *context, int level, const char *facility, const char *text)
{
    (void)context, (void)level, (void)facility, (void)text;
    go_through(LOG);
}

/* ---- the stories ---- */

static void begin(bool through_the_table)
{
    char text[200];
    kc_producer *producer;
    kc_mock_options options = KC_MOCK_OPTIONS_INIT;
    options.topics = "t:2:1";
    if (kc_mock_start(&cluster, &options, text, sizeof text) != 0)
        fail_msg("%s", text);
    kc_config *config = kc_config_new();
    kc_config_set(config, "bootstrap.servers", kc_mock_bootstrap(cluster), NULL);
    assert_int_equal(kc_producer_create(&producer, config, &error), KC_OK);
    for (int i = 0; i < 10; i++) {
        kc_record record = KC_RECORD_INIT;
        record.topic = "t";
        record.partition = 0;
        record.value = (kc_bytes){ "value", 5 };
        assert_int_equal(kc_producer_send(producer, &record, 1, NULL, &error), KC_OK);
    }
    assert_int_equal(kc_producer_close(producer, WAIT_MS), KC_OK);

    kc_consumer_interceptor watcher = { .name = "watcher", .on_consume = on_consume, .on_commit = on_commit };
    kc_deserializer reader = { "reader", NULL, deserialize, NULL };
    kc_assignor assignor = { .name = "mine", .assign = give_all };
    listener = (kc_rebalance_listener){ NULL, on_assigned, on_revoked, NULL };
    kc_config_set(config, "group.id", "g", NULL);
    kc_config_set(config, "auto.offset.reset", "earliest", NULL);
    kc_config_set(config, "heartbeat.interval.ms", "100", NULL);
    assert_int_equal(kc_config_add_assignor(config, &assignor), KC_OK);
    assert_int_equal(kc_config_set(config, "partition.assignment.strategy", "mine", &error), KC_OK);
    assert_int_equal(kc_config_add_consumer_interceptor(config, &watcher), KC_OK);
    if (through_the_table) {
        kc_config_set_value_deserializer(config, &reader);
        kc_config_set_notice(config, on_notice, NULL);
        kc_config_set_log(config, on_log, NULL, 7);
    }
    kc_consumer *created;
    if (kc_consumer_create(&created, config, &error) != KC_OK)
        fail_msg("%s", error.text);
    consumer = created;
    kc_config_destroy(config);
}

static void every_call_in_every_callback(void **state)
{
    (void)state;
    begin(true);
    assert_int_equal(subscribe(), KC_OK);
    int64_t since = now_ms();
    for (size_t left = PLACES; left > 0; be_patient(since)) {
        kc_records *records = NULL;
        kc_record_view view;
        kc_err result = kc_consumer_poll(consumer, &records, 100, &error);
        if (result != KC_OK && result != KC_ERR_WOKEN)
            fail_msg("poll: %s", error.text);
        while (kc_records_next(records, &view))
            ;
        kc_records_release(records);
        if (done[ASSIGNED] && !done[COMMITTED])
            kc_consumer_commit_async(consumer, &place, 1, on_committed, NULL, &error);
        if (done[COMMITTED] && !done[REVOKED])
            kc_consumer_enforce_rebalance(consumer, "on_revoked is to be called", &error);
        left = 0;
        for (int i = 0; i < PLACES; i++)
            left += !done[i];
    }
    assert_int_equal(kc_consumer_close(consumer, WAIT_MS), KC_OK);
    kc_mock_stop(cluster);
    consumer = NULL;
}

static int closed;

static void close_in_the_middle(void *context, const kc_record_view *view)
{
    (void)context, (void)view;
    if (!closed++)
        assert_int_equal(kc_consumer_close(consumer, WAIT_MS), KC_OK);
}

/* The consumer may go while its records are visited, even from inside: the rest of them can still be read. */
static void closed_while_records_are_visited(void **state)
{
    int seen = 0;
    (void)state;
    for (int i = 0; i < PLACES; i++)
        begun[i] = true; /* not again */
    begin(false);
    kc_config *config = kc_config_new();
    kc_consumer_interceptor first = { .name = "closes", .on_consume = close_in_the_middle },
                            second = { .name = "other" };
    second.on_consume = on_consume;
    assert_int_equal(kc_consumer_close(consumer, WAIT_MS), KC_OK);
    kc_config_set(config, "bootstrap.servers", kc_mock_bootstrap(cluster), NULL);
    kc_config_add_consumer_interceptor(config, &first);
    kc_config_add_consumer_interceptor(config, &second);
    kc_consumer *created;
    assert_int_equal(kc_consumer_create(&created, config, &error), KC_OK);
    consumer = created;
    kc_config_destroy(config);
    assert_int_equal(assign(), KC_OK);
    kc_records *records = NULL;
    kc_record_view view;
    for (int64_t since = now_ms(); !records; be_patient(since))
        assert_int_equal(kc_consumer_poll(consumer, &records, 100, &error), KC_OK);
    while (kc_records_next(records, &view))
        seen++;
    assert_true(seen >= 1);
    assert_int_equal(seen, kc_records_count(records));
    assert_int_equal(closed, 1);
    kc_records_release(records);
    kc_mock_stop(cluster);
    consumer = NULL;
}

static const char *text_of(const char *name)
{
    static char text[200000];
    char path[500];
    const char *source = getenv("KCLIENT_SOURCE");
    snprintf(path, sizeof path, "%s/%s", source ? source : ".", name);
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    text[fread(text, 1, sizeof text - 1, file)] = 0;
    fclose(file);
    return text;
}

/* Every function of the header is in the table, but for the one that makes the consumer. */
static void the_table_has_every_function(void **state)
{
    static const char *const beginnings[] = { "KC_EXPORT kc_err kc_consumer_", "KC_EXPORT void kc_consumer_" };
    const char *header = text_of("include/kclient/consumer.h");
    size_t found = 0;
    (void)state;
    for (size_t kind = 0; kind < 2; kind++) {
        for (const char *at = header; (at = strstr(at, beginnings[kind])); found++) {
            at += strlen(beginnings[kind]);
            size_t size = strcspn(at, "("), i = 0;
            while (i < CALLS && (strlen(calls[i].name) != size || memcmp(calls[i].name, at, size) != 0))
                i++;
            if (i == CALLS && !(size == strlen("create") && memcmp(at, "create", size) == 0))
                fail_msg("kc_consumer_%.*s is not in the table", (int)size, at);
        }
    }
    assert_int_equal(found, CALLS); /* create is more, kc_consumer_metrics() stands in metrics.h */
}

/* docs/consumer.md has this table, row by row. */
static void the_page_has_the_table(void **state)
{
    char row[200];
    const char *page = text_of("docs/consumer.md");
    (void)state;
    for (size_t i = 0; i < CALLS; i++) {
        int used = snprintf(row, sizeof row, "| `%s` |", calls[i].name);
        for (int c = 0; c < COLUMNS; c++)
            used += snprintf(row + used, sizeof row - (size_t)used, " %s |", calls[i].here[c] == NO ? "no" : "yes");
        if (!strstr(page, row))
            fail_msg("docs/consumer.md misses: %s   (%s, %s, %s, %s)", row, column_names[0], column_names[1],
                     column_names[2], column_names[3]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_call_in_every_callback),
        cmocka_unit_test(closed_while_records_are_visited),
        cmocka_unit_test(the_table_has_every_function),
        cmocka_unit_test(the_page_has_the_table),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
