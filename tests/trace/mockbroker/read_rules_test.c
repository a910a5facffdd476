/* What may be read, and what is said of what may not (PROTOCOL 4.2): the checks of ListOffsets, OffsetForLeaderEpoch,
 * Fetch and DeleteRecords in Kafka's order, with several of them broken at once.  The answers are those of Apache Kafka 4.3.1. */
#include "support/group_story.h"

#define LIST_NEWEST 11

static struct world world;
static struct client *conn1; /* of broker 1, which leads */

/* "t-0" has six records in two batches, of the times 1000 .. 1002 and 5000 .. 5002, written in the epochs 1 and
 * 4, of which the latter goes on. */
static int setup(void **state)
{
    (void)state;
    world_open(&world, 2, NULL);
    world_topic(&world, "t", 1, 2, "message.timestamp.before.max.ms=9223372036854775807");
    conn1 = world_client(&world, 1);
    for (int i = 0; i < 2; i++) {
        mb_cluster_move_leader(world.cluster, NAME("t"), 0, 2, world.now);
        struct client *leader = i == 0 ? world_client(&world, 2) : conn1;
        if (i == 1)
            mb_cluster_move_leader(world.cluster, NAME("t"), 0, 1, world.now);
        client_produce(leader, "t", 0, -1,
                       world_batch(&world, (struct batch_of){ .count = 3, .timestamp_ms = 1000 + 4000 * i }));
        assert_int_equal(client_produced(leader)->base_offset, 3 * i);
        mb_cluster_move_leader(world.cluster, NAME("t"), 0, 1, world.now);
    }
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    world_close(&world);
    return 0;
}

/* ---- ListOffsets ---- */

static const struct kci_list_offsets_response__list_offsets_partition_response *
list_offsets(struct client *from, int16_t version, const char *topic, int32_t partition, int32_t epoch,
             int64_t timestamp, int8_t isolation)
{
    struct kci_list_offsets_request__list_offsets_partition p = {
        .partition_index = partition, .current_leader_epoch = epoch, .timestamp = timestamp, .max_num_offsets = 1
    };
    struct kci_list_offsets_request__list_offsets_topic t = { .name = kci_str_of(topic),
                                                              .partitions = &p,
                                                              .partitions_count = 1 };
    struct kci_list_offsets_request body;
    kci_codec_init(&kci_list_offsets_request_schema, &body);
    body.replica_id = -1;
    body.isolation_level = isolation;
    body.topics = &t;
    body.topics_count = 1;
    const struct kci_list_offsets_response *answer = client_call(from, KCI_API_LIST_OFFSETS, version, &body);
    return &answer->topics[0].partitions[0];
}

static void offsets_by_time(void **state)
{
    int32_t now = world_look(&world, "t", 0).leader_epoch;
    const struct {
        int16_t version;
        int32_t broker;
        const char *topic;
        int32_t partition, epoch;
        int64_t timestamp;
        int16_t error;
        int64_t offset, found_ms;
    } rows[] = {
        /* numbers that are no times came one by one; that is looked at first */
        { 6, 1, "t", 0, -1, -3, KCI_UNSUPPORTED_VERSION, -1, -1 },
        { 6, 1, "nothing", 0, 99, -3, KCI_UNSUPPORTED_VERSION, -1, -1 },
        { 7, 2, "t", 0, 99, -4, KCI_UNSUPPORTED_VERSION, -1, -1 },
        { 8, 2, "t", 9, -1, -5, KCI_UNSUPPORTED_VERSION, -1, -1 },
        { 10, 1, "t", 0, -1, -6, KCI_UNSUPPORTED_VERSION, -1, -1 },
        { LIST_NEWEST, 1, "nothing", 0, -1, -7, KCI_UNSUPPORTED_VERSION, -1, -1 },
        /* then whether there is such a partition, the epoch, and who leads */
        { LIST_NEWEST, 1, "nothing", 0, 99, -1, KCI_UNKNOWN_TOPIC_OR_PARTITION, -1, -1 },
        { LIST_NEWEST, 2, "t", 9, 99, -1, KCI_UNKNOWN_TOPIC_OR_PARTITION, -1, -1 },
        { LIST_NEWEST, 1, "t", -1, -1, -1, KCI_UNKNOWN_TOPIC_OR_PARTITION, -1, -1 },
        { LIST_NEWEST, 2, "t", 0, now - 1, -1, KCI_FENCED_LEADER_EPOCH, -1, -1 },
        { LIST_NEWEST, 2, "t", 0, now + 1, -1, KCI_UNKNOWN_LEADER_EPOCH, -1, -1 },
        { LIST_NEWEST, 2, "t", 0, now, -1, KCI_NOT_LEADER_OR_FOLLOWER, -1, -1 },
        { LIST_NEWEST, 1, "t", 0, now - 1, -2, KCI_FENCED_LEADER_EPOCH, -1, -1 },
        { LIST_NEWEST, 1, "t", 0, now + 1, 0, KCI_UNKNOWN_LEADER_EPOCH, -1, -1 },
        /* the ends, and what is not to be had here */
        { LIST_NEWEST, 1, "t", 0, now, -1, KCI_NONE, 6, -1 },
        { 1, 1, "t", 0, -1, -1, KCI_NONE, 6, -1 },
        { LIST_NEWEST, 1, "t", 0, -1, -2, KCI_NONE, 0, -1 },
        { LIST_NEWEST, 1, "t", 0, -1, -4, KCI_NONE, 0, -1 },
        { LIST_NEWEST, 1, "t", 0, -1, -3, KCI_NONE, 5, 5002 },
        { LIST_NEWEST, 1, "t", 0, -1, -5, KCI_NONE, -1, -1 },
        { LIST_NEWEST, 1, "t", 0, -1, -6, KCI_NONE, -1, -1 },
        /* the first record that is not earlier */
        { LIST_NEWEST, 1, "t", 0, -1, 0, KCI_NONE, 0, 1000 },
        { LIST_NEWEST, 1, "t", 0, -1, 1002, KCI_NONE, 2, 1002 },
        { LIST_NEWEST, 1, "t", 0, -1, 1003, KCI_NONE, 3, 5000 },
        { LIST_NEWEST, 1, "t", 0, -1, 5001, KCI_NONE, 4, 5001 },
        { LIST_NEWEST, 1, "t", 0, -1, 5003, KCI_NONE, -1, -1 },
    };
    (void)state;
    struct client *other = world_client(&world, 2);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const struct kci_list_offsets_response__list_offsets_partition_response *got =
            list_offsets(rows[i].broker == 1 ? conn1 : other, rows[i].version, rows[i].topic, rows[i].partition,
                         rows[i].epoch, rows[i].timestamp, 0);
        if (got->error_code != rows[i].error || got->offset != rows[i].offset || got->timestamp != rows[i].found_ms)
            fail_msg("row %zu: %s, offset %d of %d", i, kci_error_name(got->error_code), (int)got->offset,
                     (int)got->timestamp);
    }
}

/* Who reads committed records only is told the end of those, and times are looked for below it. */
static void the_end_of_what_is_committed(void **state)
{
    static const struct {
        int64_t timestamp, all, committed;
    } rows[] = { { -1, 7, 6 }, { -2, 0, 0 }, { -3, 6, 5 }, { 9000, 6, -1 }, { 5000, 3, 3 } };
    (void)state;
    struct kci_bytes open = world_batch(
        &world, (struct batch_of){ .producer_id = 5, .timestamp_ms = 9000, .attributes = KCI_BATCH_TRANSACTIONAL });
    struct mb_append append = { .records = open, .acks = -1, .version = INT16_MAX, .internal = true };
    append.frame = kci_frame_new(&world.alloc, (uint32_t)open.size);
    memcpy(append.frame->data, open.data, open.size);
    append.records.data = append.frame->data;
    mb_partition_append(world_partition(&world, "t", 0), 1, &append, world.now);
    kci_frame_release(append.frame);
    world_step(&world);
    assert_code(append.error, KCI_NONE);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        assert_int_equal(list_offsets(conn1, LIST_NEWEST, "t", 0, -1, rows[i].timestamp, 0)->offset, rows[i].all);
        assert_int_equal(list_offsets(conn1, LIST_NEWEST, "t", 0, -1, rows[i].timestamp, 1)->offset, rows[i].committed);
    }
}

/* KIP-207: a new leader does not know where the log ends before its followers have been heard. */
static void a_new_leader_does_not_know_the_end_yet(void **state)
{
    struct world late;
    (void)state;
    world_open_with(&late, (struct mb_options){ .brokers = 3, .replication_delay_us = 100 * MS, .seed = 3 });
    world_topic(&late, "t", 1, 3, NULL);
    struct client *writer = world_client(&late, 1), *reader = world_client(&late, 2);
    client_produce(writer, "t", 0, 1, world_batch(&late, (struct batch_of){ .count = 3 }));
    assert_int_equal(client_produced(writer)->error_code, 0);
    world_at(&late, late.now + 105 * MS); /* they have it, and have not heard that all have it */
    mb_cluster_move_leader(late.cluster, NAME("t"), 0, 2, late.now);
    assert_int_equal(world_look(&late, "t", 0).leader, 2);
    assert_int_equal(world_look(&late, "t", 0).high_watermark, 0);
    assert_code(list_offsets(reader, LIST_NEWEST, "t", 0, -1, -1, 0)->error_code, KCI_OFFSET_NOT_AVAILABLE);
    assert_code(list_offsets(reader, 5, "t", 0, -1, 0, 0)->error_code, KCI_OFFSET_NOT_AVAILABLE);
    assert_code(list_offsets(reader, 4, "t", 0, -1, -1, 0)->error_code, KCI_LEADER_NOT_AVAILABLE);
    assert_int_equal(list_offsets(reader, LIST_NEWEST, "t", 0, -1, -2, 0)->offset, 0); /* where it begins is known */
    world_at(&late, late.now + 1000 * MS);
    assert_int_equal(list_offsets(reader, LIST_NEWEST, "t", 0, -1, -1, 0)->offset, 3);
    world_close(&late);
}

static void a_partition_is_asked_for_once(void **state)
{
    (void)state;
    struct kci_list_offsets_request__list_offsets_partition p[] = {
        { .current_leader_epoch = -1, .timestamp = -1, .max_num_offsets = 1 },
        { .current_leader_epoch = -1, .timestamp = -2, .max_num_offsets = 1 }
    };
    struct kci_list_offsets_request__list_offsets_topic t = { .name = NAME("t"),
                                                              .partitions = p,
                                                              .partitions_count = 2 };
    struct kci_list_offsets_request body;
    kci_codec_init(&kci_list_offsets_request_schema, &body);
    body.replica_id = -1;
    body.topics = &t;
    body.topics_count = 1;
    const struct kci_list_offsets_response *answer = client_call(conn1, KCI_API_LIST_OFFSETS, LIST_NEWEST, &body);
    assert_int_equal(answer->topics[0].partitions_count, 2);
    for (int i = 0; i < 2; i++)
        assert_code(answer->topics[0].partitions[i].error_code, KCI_INVALID_REQUEST);
}

/* ---- OffsetForLeaderEpoch ---- */

static void where_an_epoch_ends(void **state)
{
    static const struct {
        int32_t broker;
        const char *topic;
        int32_t partition, current, asked;
        int16_t error;
        int32_t epoch;
        int64_t end;
    } rows[] = {
        { 1, "nothing", 0, 99, 0, KCI_UNKNOWN_TOPIC_OR_PARTITION, -1, -1 },
        { 2, "t", 9, 99, 0, KCI_UNKNOWN_TOPIC_OR_PARTITION, -1, -1 },
        { 2, "t", 0, 3, 0, KCI_FENCED_LEADER_EPOCH, -1, -1 },
        { 2, "t", 0, 5, 0, KCI_UNKNOWN_LEADER_EPOCH, -1, -1 },
        { 2, "t", 0, 4, 0, KCI_NOT_LEADER_OR_FOLLOWER, -1, -1 },
        { 2, "t", 0, -1, 0, KCI_NOT_LEADER_OR_FOLLOWER, -1, -1 },
        { 1, "t", 0, 3, 4, KCI_FENCED_LEADER_EPOCH, -1, -1 },
        { 1, "t", 0, 5, 4, KCI_UNKNOWN_LEADER_EPOCH, -1, -1 },
        { 1, "t", 0, 4, 4, KCI_NONE, 4, 6 },    /* the latest: the end of the log */
        { 1, "t", 0, -1, 1, KCI_NONE, 1, 3 },   /* where the next one begins */
        { 1, "t", 0, -1, 2, KCI_NONE, 1, 3 },   /* nothing was written in it: the largest before */
        { 1, "t", 0, -1, 0, KCI_NONE, 0, 0 },   /* before all that were written: where the first one begins */
        { 1, "t", 0, -1, 5, KCI_NONE, -1, -1 }, /* later than all */
        { 1, "t", 0, -1, -1, KCI_NONE, -1, -1 },
    };
    (void)state;
    struct client *other = world_client(&world, 2);
    assert_int_equal(world_look(&world, "t", 0).leader_epoch, 4);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct kci_offset_for_leader_epoch_request__offset_for_leader_partition p = {
            .partition = rows[i].partition, .current_leader_epoch = rows[i].current, .leader_epoch = rows[i].asked
        };
        struct kci_offset_for_leader_epoch_request__offset_for_leader_topic t = { .topic = kci_str_of(rows[i].topic),
                                                                                  .partitions = &p,
                                                                                  .partitions_count = 1 };
        struct kci_offset_for_leader_epoch_request body = { .replica_id = -1, .topics = &t, .topics_count = 1 };
        const struct kci_offset_for_leader_epoch_response *answer =
            client_call(rows[i].broker == 1 ? conn1 : other, KCI_API_OFFSET_FOR_LEADER_EPOCH, 4, &body);
        const struct kci_offset_for_leader_epoch_response__epoch_end_offset *got = &answer->topics[0].partitions[0];
        if (got->error_code != rows[i].error || got->leader_epoch != rows[i].epoch || got->end_offset != rows[i].end)
            fail_msg("row %zu: %s, epoch %d ends at %d", i, kci_error_name(got->error_code), (int)got->leader_epoch,
                     (int)got->end_offset);
    }
}

/* ---- Fetch ---- */

/* All of these are answered at once, however long the conn1 would wait for records. */
static void fetch_rules(void **state)
{
    static const struct {
        int32_t broker;
        const char *topic;
        int32_t partition, current, last;
        int64_t offset;
        int16_t error;
        int32_t diverging_epoch;
        int64_t diverging_end;
    } rows[] = {
        { 1, "nothing", 0, 99, 99, 99, KCI_UNKNOWN_TOPIC_OR_PARTITION, -1, -1 },
        { 1, "t", 9, 99, 99, 99, KCI_UNKNOWN_TOPIC_OR_PARTITION, -1, -1 },
        { 1, "t", 0, 3, 99, 99, KCI_FENCED_LEADER_EPOCH, -1, -1 },
        { 1, "t", 0, 5, 99, 99, KCI_UNKNOWN_LEADER_EPOCH, -1, -1 },
        { 1, "t", 0, 4, 99, 99, KCI_OFFSET_OUT_OF_RANGE, -1, -1 }, /* an epoch that was never */
        { 1, "t", 0, 4, 2, 2, KCI_NONE, 1, 3 },  /* nothing was written in epoch 2: the log differs from 3 on */
        { 1, "t", 0, 4, 1, 4, KCI_NONE, 1, 3 },  /* epoch 1 ended before that */
        { 1, "t", 0, 4, 1, 99, KCI_NONE, 1, 3 }, /* said before the offset is looked at */
        { 1, "t", 0, 4, 4, 7, KCI_NONE, 4, 6 },
        { 1, "t", 0, -1, -1, 7, KCI_OFFSET_OUT_OF_RANGE, -1, -1 },
        { 1, "t", 0, -1, -1, -1, KCI_OFFSET_OUT_OF_RANGE, -1, -1 },
    };
    (void)state;
    assert_int_equal(world_look(&world, "t", 0).leader_epoch, 4);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        client_fetch(conn1, (struct fetch_of){ .topic = rows[i].topic,
                                               .partition = rows[i].partition,
                                               .current_leader_epoch = rows[i].current,
                                               .last_fetched_epoch = rows[i].last,
                                               .offset = rows[i].offset,
                                               .min_bytes = 1 << 20,
                                               .max_wait_ms = 100000 });
        const struct kci_fetch_response__partition_data *got = client_fetched(conn1);
        assert_non_null(got);
        if (got->error_code != rows[i].error || got->diverging_epoch.epoch != rows[i].diverging_epoch ||
            got->diverging_epoch.end_offset != rows[i].diverging_end || got->records.size != 0)
            fail_msg("row %zu: %s, diverging from %d at %d", i, kci_error_name(got->error_code),
                     (int)got->diverging_epoch.epoch, (int)got->diverging_epoch.end_offset);
    }
}

/* What ends a wait, and what does not: nothing to wait for, a wait of no length, enough bytes. */
static void fetch_waits(void **state)
{
    static const struct {
        const char *topic; /* NULL: none at all */
        int64_t offset;
        int32_t max_wait_ms, min_bytes;
        bool at_once;
    } rows[] = {
        { NULL, 0, 1000, 1, true }, { "t", 6, 0, 1, true },           { "t", 6, -1, 1, true },
        { "t", 6, 1000, 0, true },  { "t", 6, 1000, -1, true },       { "t", 0, 1000, 1, true },
        { "t", 6, 1000, 1, false }, { "t", 0, 1000, 1 << 20, false },
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        client_fetch(conn1, (struct fetch_of){ .topic = rows[i].topic,
                                               .offset = rows[i].offset,
                                               .max_wait_ms = rows[i].max_wait_ms,
                                               .min_bytes = rows[i].min_bytes });
        const struct kci_fetch_response *got = client_fetched_all(conn1);
        if ((got != NULL) != rows[i].at_once)
            fail_msg("row %zu: %s", i, got ? "answered at once" : "kept waiting");
        if (got)
            continue;
        world_at(&world, world.now + 999 * MS);
        assert_null(client_fetched_all(conn1));
        world_at(&world, world.now + 1 * MS);
        got = client_fetched_all(conn1);
        assert_non_null(got);
        assert_code(got->error_code, KCI_NONE);
    }
}

/* fetch.max.bytes is the broker's limit of an answer, whatever the conn1 asks for. */
static void the_broker_limits_an_answer(void **state)
{
    struct world small;
    (void)state;
    world_open(&small, 1, "fetch.max.bytes=1024");
    world_topic(&small, "t", 1, 1, NULL);
    struct client *conn = world_client(&small, 1);
    struct kci_bytes batch = world_batch(&small, (struct batch_of){ .value_bytes = 300 });
    for (int i = 0; i < 5; i++) {
        client_produce(conn, "t", 0, 1, batch);
        assert_int_equal(client_produced(conn)->base_offset, i);
    }
    client_fetch(conn, (struct fetch_of){ .topic = "t" });
    assert_int_equal(client_fetched(conn)->records.size, 1024 / batch.size * batch.size);
    client_fetch(conn, (struct fetch_of){ .topic = "t", .max_bytes = (int32_t)batch.size });
    assert_int_equal(client_fetched(conn)->records.size, batch.size);
    world_close(&small);
}

/* ---- DeleteRecords ---- */

static void the_beginning_can_be_raised(void **state)
{
    static const struct {
        int32_t broker;
        const char *topic;
        int32_t partition;
        int64_t offset;
        int16_t error;
        int64_t begins;
    } rows[] = {
        { 1, "nothing", 0, 99, KCI_UNKNOWN_TOPIC_OR_PARTITION, -1 },
        { 2, "t", 9, 99, KCI_UNKNOWN_TOPIC_OR_PARTITION, -1 },
        { 1, "__consumer_offsets", 99, 99, KCI_UNKNOWN_TOPIC_OR_PARTITION, -1 },
        { 1, "__consumer_offsets", 0, 99, KCI_INVALID_TOPIC_EXCEPTION, -1 }, /* whoever leads it */
        { 2, "__consumer_offsets", 0, -1, KCI_INVALID_TOPIC_EXCEPTION, -1 },
        { 2, "t", 0, 99, KCI_NOT_LEADER_OR_FOLLOWER, -1 },
        { 1, "compacted", 0, 99, KCI_POLICY_VIOLATION, -1 },
        { 1, "t", 0, -2, KCI_OFFSET_OUT_OF_RANGE, -1 },
        { 1, "t", 0, 7, KCI_OFFSET_OUT_OF_RANGE, -1 },
        { 1, "t", 0, 0, KCI_NONE, 0 },
        { 1, "t", 0, 2, KCI_NONE, 2 },
        { 1, "t", 0, 1, KCI_NONE, 2 },  /* it never goes back */
        { 1, "t", 0, -1, KCI_NONE, 6 }, /* all that is committed */
    };
    (void)state;
    struct client *other = world_client(&world, 2);
    world_topic(&world, "compacted", 1, 1, "cleanup.policy=compact");
    group_coordinator(&world, "g"); /* so that __consumer_offsets is there */
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct kci_delete_records_request__delete_records_partition p = { .partition_index = rows[i].partition,
                                                                          .offset = rows[i].offset };
        struct kci_delete_records_request__delete_records_topic t = { .name = kci_str_of(rows[i].topic),
                                                                      .partitions = &p,
                                                                      .partitions_count = 1 };
        struct kci_delete_records_request body = { .topics = &t, .topics_count = 1, .timeout_ms = 1000 };
        const struct kci_delete_records_response *answer =
            client_call(rows[i].broker == 1 ? conn1 : other, KCI_API_DELETE_RECORDS, 2, &body);
        const struct kci_delete_records_response__delete_records_partition_result *got =
            &answer->topics[0].partitions[0];
        if (got->error_code != rows[i].error || got->low_watermark != rows[i].begins)
            fail_msg("row %zu: %s, begins at %d", i, kci_error_name(got->error_code), (int)got->low_watermark);
        if (got->low_watermark == 2) /* in the middle of a batch: what is before it is not found any more */
            assert_int_equal(list_offsets(conn1, LIST_NEWEST, "t", 0, -1, 1000, 0)->offset, 2);
    }
    assert_int_equal(list_offsets(conn1, LIST_NEWEST, "t", 0, -1, -2, 0)->offset, 6);
    client_fetch(conn1, (struct fetch_of){ .topic = "t", .offset = 5 });
    assert_code(client_fetched(conn1)->error_code, KCI_OFFSET_OUT_OF_RANGE);
}

/* What counts for min_bytes is what an answer could bring: no more of a partition than its own limit, however much comes
 * while it waits; but the first batch, which comes whole, counts as a whole at the first look. And no answer is worth
 * more than what it may bring in all. */
static void the_limits_of_a_wait(void **state)
{
    static const struct {
        int64_t offset;
        int32_t partition_max_bytes, min_bytes, max_bytes;
        bool at_once;
    } rows[] = {
        { 0, 50, 51, 0, true },       { 0, 50, 1 << 20, 0, false },  { 6, 50, 51, 0, false },
        { 0, 0, 1 << 20, 100, true }, { 6, 0, 1 << 20, 100, false },
    };
    (void)state;
    struct client *writer = world_client(&world, 1);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        int64_t end = world_look(&world, "t", 0).log_end;
        client_fetch(conn1, (struct fetch_of){ .topic = "t",
                                               .offset = rows[i].offset ? end : 0,
                                               .partition_max_bytes = rows[i].partition_max_bytes,
                                               .max_bytes = rows[i].max_bytes,
                                               .min_bytes = rows[i].min_bytes,
                                               .max_wait_ms = 1000 });
        const struct kci_fetch_response__partition_data *got = client_fetched(conn1);
        if ((got != NULL) != rows[i].at_once)
            fail_msg("row %zu: %s", i, got ? "answered at once" : "kept waiting");
        for (int k = 0; k < 2 && rows[i].partition_max_bytes && !got; k++) {
            client_produce(writer, "t", 0, 1, world_batch(&world, (struct batch_of){ .count = 3, .timestamp_ms = 9 }));
            assert_code(client_produced(writer)->error_code, KCI_NONE);
            assert_null(client_fetched(conn1));
        }
        world_at(&world, world.now + 1000 * MS);
        assert_true(got || client_fetched(conn1));
    }
}

int main(void)
{
#define RULE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        RULE(offsets_by_time),
        RULE(the_end_of_what_is_committed),
        RULE(a_new_leader_does_not_know_the_end_yet),
        RULE(a_partition_is_asked_for_once),
        RULE(where_an_epoch_ends),
        RULE(fetch_rules),
        RULE(fetch_waits),
        RULE(the_limits_of_a_wait),
        RULE(the_broker_limits_an_answer),
        RULE(the_beginning_can_be_raised),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
