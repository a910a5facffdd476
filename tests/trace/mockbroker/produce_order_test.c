/* What Produce says when several things are wrong at once (PROTOCOL 4.1): the first of Kafka's checks.  The answers are
 * those of Apache Kafka 4.3.1 to the same requests.
 *
 *      all of the request:   a batch that cannot be read, a transactional one that the request has no right to
 *      of each partition:    it exists -> one batch of magic 2 -> it is in the transaction -> acks -> no internal topic
 *                            -> the leader is here -> enough replicas in sync -> what is in the batch */
#include "base/checksum.h"
#include "support/txn_story.h"

enum shape {
    GOOD,
    EMPTY,         /* no bytes */
    CUT,           /* the beginning of a batch */
    TWO,           /* batches */
    MAGIC_1,       /* of a version long gone */
    MAGIC_9,       /* of no version */
    BAD_CRC,       /* of a batch that is fine otherwise */
    CODEC_7,       /* there is none */
    ZSTD,          /* may not be sent before Produce v7 */
    CONTROL,       /* for brokers only */
    OF_TXN,        /* transactional; the partition has not been added */
    OF_TXN_TWO,    /* two such batches */
    OF_TXN_OLD,    /* transactional, of an epoch that is over */
    OF_TXN_NOBODY, /* transactional, without a producer id */
    SHAPES
};

static struct world world;
static struct txn_client producer;

static int setup(void **state)
{
    (void)state;
    world_open(&world, 1, NULL);
    world_topic(&world, "orders", 1, 1, NULL);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    world_close(&world);
    return 0;
}

static struct kci_bytes with(struct kci_bytes batch, size_t at, uint8_t value)
{
    uint8_t *copy = kci_arena_take(&world.arena, batch.size);
    memcpy(copy, batch.data, batch.size);
    copy[at] = value;
    if (at >= 21)
        kci_put32(copy + 17, kci_crc32c(0, copy + 21, batch.size - 21));
    return (struct kci_bytes){ copy, batch.size };
}

static struct kci_bytes twice(struct kci_bytes batch)
{
    uint8_t *copy = kci_arena_take(&world.arena, 2 * batch.size);
    memcpy(copy, batch.data, batch.size);
    memcpy(copy + batch.size, batch.data, batch.size);
    return (struct kci_bytes){ copy, 2 * batch.size };
}

static struct kci_bytes transactional(int64_t producer_id, int epoch)
{
    return world_batch(&world, (struct batch_of){ .producer_id = producer_id,
                                                  .epoch = (int16_t)epoch,
                                                  .attributes = KCI_BATCH_TRANSACTIONAL });
}

static struct kci_bytes batch_of(enum shape shape)
{
    struct kci_bytes good = world_batch(&world, (struct batch_of){ 0 });
    switch (shape) {
    case EMPTY:
        return (struct kci_bytes){ good.data, 0 };
    case CUT:
        return (struct kci_bytes){ good.data, 40 };
    case TWO:
        return twice(good);
    case MAGIC_1:
        return with(good, 16, 1);
    case MAGIC_9:
        return with(good, 16, 9);
    case BAD_CRC:
        return with(good, 17, (uint8_t)(good.data[17] ^ 1));
    case CODEC_7:
        return with(good, 22, 7);
    case ZSTD:
        return with(good, 22, 4);
    case CONTROL:
        return with(good, 22, 32);
    case OF_TXN:
        return transactional(producer.producer_id, producer.epoch);
    case OF_TXN_TWO:
        return twice(transactional(producer.producer_id, producer.epoch));
    case OF_TXN_OLD:
        return transactional(producer.producer_id, producer.epoch - 1);
    case OF_TXN_NOBODY:
        return transactional(0, 0);
    default:
        return good;
    }
}

struct row {
    int16_t version, acks;
    const char *topic;
    int32_t partition;
    enum shape shape;
    const char *transactional_id; /* NULL: none */
    int16_t error;
};

static const struct row rules[] = {
    /* the request as a whole, before it is asked whether there is such a partition */
    { 8, 2, "nothing", 0, MAGIC_9, NULL, KCI_CORRUPT_MESSAGE },
    { 8, -1, "orders", 9, OF_TXN, NULL, KCI_TRANSACTIONAL_ID_AUTHORIZATION_FAILED },
    { 8, 2, "__consumer_offsets", 0, OF_TXN_TWO, NULL, KCI_TRANSACTIONAL_ID_AUTHORIZATION_FAILED },
    /* the partition, before its records */
    { 8, 2, "nothing", 0, TWO, NULL, KCI_UNKNOWN_TOPIC_OR_PARTITION },
    { 8, 2, "orders", 9, MAGIC_1, NULL, KCI_UNKNOWN_TOPIC_OR_PARTITION },
    { 8, 2, "__consumer_offsets", 99, EMPTY, NULL, KCI_UNKNOWN_TOPIC_OR_PARTITION },
    { 8, 2, "a b", 0, OF_TXN, "never", KCI_UNKNOWN_TOPIC_OR_PARTITION },
    /* one whole batch, before anything that is in it, acks, and what the topic is */
    { 8, 2, "orders", 0, EMPTY, NULL, KCI_INVALID_RECORD },
    { 8, 2, "orders", 0, CUT, NULL, KCI_INVALID_RECORD },
    { 8, 2, "__consumer_offsets", 0, TWO, NULL, KCI_INVALID_RECORD },
    { 8, -1, "__consumer_offsets", 0, MAGIC_1, NULL, KCI_INVALID_RECORD },
    { 6, 2, "__consumer_offsets", 0, ZSTD, NULL, KCI_UNSUPPORTED_COMPRESSION_TYPE },
    { 6, 2, "orders", 0, CODEC_7, NULL, KCI_UNKNOWN_SERVER_ERROR },
    { 8, 2, "orders", 0, OF_TXN_TWO, "id", KCI_INVALID_RECORD },
    /* the transaction, before acks and what the topic is */
    { 10, 2, "orders", 0, OF_TXN, "id", KCI_INVALID_TXN_STATE },
    { 11, 2, "__consumer_offsets", 0, OF_TXN, "id", KCI_TRANSACTION_ABORTABLE },
    { 8, 2, "orders", 0, OF_TXN, "never", KCI_INVALID_PRODUCER_ID_MAPPING },
    { 8, 2, "orders", 0, OF_TXN_OLD, "id", KCI_INVALID_PRODUCER_EPOCH },
    /* acks, before what the topic is and what is in the batch */
    { 8, 2, "__consumer_offsets", 0, GOOD, NULL, KCI_INVALID_REQUIRED_ACKS },
    { 8, -2, "orders", 0, BAD_CRC, NULL, KCI_INVALID_REQUIRED_ACKS },
    { 8, 2, "orders", 0, CODEC_7, NULL, KCI_INVALID_REQUIRED_ACKS },
    { 8, 2, "orders", 0, CONTROL, NULL, KCI_INVALID_REQUIRED_ACKS },
    { 8, 2, "orders", 0, OF_TXN_NOBODY, "never", KCI_INVALID_REQUIRED_ACKS },
    { 8, -1, "__consumer_offsets", 0, BAD_CRC, NULL, KCI_INVALID_TOPIC_EXCEPTION },
    { 8, 1, "__transaction_state", 0, CONTROL, NULL, KCI_INVALID_TOPIC_EXCEPTION },
    /* what is in the batch; the CRC first */
    { 8, -1, "orders", 0, BAD_CRC, NULL, KCI_CORRUPT_MESSAGE },
    { 8, -1, "orders", 0, CODEC_7, NULL, KCI_UNKNOWN_SERVER_ERROR },
    { 8, -1, "orders", 0, CONTROL, NULL, KCI_INVALID_RECORD },
    { 8, -1, "orders", 0, GOOD, "never", KCI_NONE },
    { 8, 1, "orders", 0, OF_TXN_NOBODY, "never", KCI_NONE }, /* nobody's transaction is no concern of any */
};

static void the_first_broken_rule_is_what_is_said(void **state)
{
    (void)state;
    struct client *conn = world_client(&world, 1);
    group_coordinator(&world, "g"); /* so that the internal topics are there */
    producer = txn_client_of(&world, "id");
    assert_code(txn_init(&producer, false), KCI_NONE);
    assert_code(txn_init(&producer, false), KCI_NONE); /* so that there is an epoch before this one */
    for (size_t i = 0; i < sizeof rules / sizeof rules[0]; i++) {
        const struct row *row = &rules[i];
        struct kci_produce_request__partition_produce_data data = { .index = row->partition,
                                                                    .records = batch_of(row->shape) };
        struct kci_produce_request__topic_produce_data of = { .name = kci_str_of(row->topic),
                                                              .partition_data = &data,
                                                              .partition_data_count = 1 };
        struct kci_produce_request request = {
            .acks = row->acks, .timeout_ms = 1000, .topic_data = &of, .topic_data_count = 1
        };
        if (row->transactional_id)
            request.transactional_id = kci_str_of(row->transactional_id);
        const struct kci_produce_response *answer = client_call(conn, KCI_API_PRODUCE, row->version, &request);
        int16_t error = answer->responses[0].partition_responses[0].error_code;
        if (error != row->error)
            fail_msg("row %zu: %s instead of %s", i, kci_error_name(error), kci_error_name(row->error));
    }
    assert_int_equal(world_look(&world, "orders", 0).log_end, 2);
}

/* A batch that cannot be read takes all others of its request with it; one whose content is bad does not. */
static void some_errors_are_of_the_whole_request(void **state)
{
    static const struct {
        enum shape second;
        int16_t first_error, second_error;
    } pairs[] = {
        { MAGIC_9, KCI_CORRUPT_MESSAGE, KCI_CORRUPT_MESSAGE },
        { OF_TXN, KCI_TRANSACTIONAL_ID_AUTHORIZATION_FAILED, KCI_TRANSACTIONAL_ID_AUTHORIZATION_FAILED },
        { BAD_CRC, KCI_NONE, KCI_CORRUPT_MESSAGE },
        { MAGIC_1, KCI_NONE, KCI_INVALID_RECORD },
        { EMPTY, KCI_NONE, KCI_INVALID_RECORD },
    };
    (void)state;
    struct client *conn = world_client(&world, 1);
    world_topic(&world, "two", 2, 1, NULL);
    producer = (struct txn_client){ .producer_id = 7 };
    for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++) {
        struct kci_produce_request__partition_produce_data data[] = {
            { .index = 0, .records = batch_of(GOOD) }, { .index = 1, .records = batch_of(pairs[i].second) }
        };
        struct kci_produce_request__topic_produce_data of = { .name = NAME("two"),
                                                              .partition_data = data,
                                                              .partition_data_count = 2 };
        struct kci_produce_request request = {
            .acks = -1, .timeout_ms = 1000, .topic_data = &of, .topic_data_count = 1
        };
        const struct kci_produce_response *answer = client_call(conn, KCI_API_PRODUCE, 12, &request);
        assert_code(answer->responses[0].partition_responses[0].error_code, pairs[i].first_error);
        assert_code(answer->responses[0].partition_responses[1].error_code, pairs[i].second_error);
    }
    assert_int_equal(world_look(&world, "two", 0).log_end, 3);
    assert_int_equal(world_look(&world, "two", 1).log_end, 0);
}

/* A transaction has one producer: batches of two are refused together, unless one has no place to go anyway. */
static void a_transaction_has_one_producer(void **state)
{
    static const struct {
        int32_t second; /* partition */
        int16_t first_error, second_error;
    } pairs[] = {
        { 1, KCI_INVALID_PRODUCER_ID_MAPPING, KCI_INVALID_PRODUCER_ID_MAPPING },
        { 9, KCI_NONE, KCI_UNKNOWN_TOPIC_OR_PARTITION },
    };
    (void)state;
    struct client *conn = world_client(&world, 1);
    world_topic(&world, "two", 2, 1, NULL);
    producer = txn_client_of(&world, "id");
    assert_code(txn_init(&producer, false), KCI_NONE);
    for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++) {
        struct kci_produce_request__partition_produce_data data[] = {
            { .index = 0, .records = transactional(producer.producer_id, producer.epoch) },
            { .index = pairs[i].second, .records = transactional(producer.producer_id + 1, 0) },
        };
        struct kci_produce_request__topic_produce_data of = { .name = NAME("two"),
                                                              .partition_data = data,
                                                              .partition_data_count = 2 };
        struct kci_produce_request request = {
            .transactional_id = producer.id, .acks = -1, .timeout_ms = 1000, .topic_data = &of, .topic_data_count = 1
        };
        const struct kci_produce_response *answer = client_call(conn, KCI_API_PRODUCE, 12, &request);
        assert_code(answer->responses[0].partition_responses[0].error_code, pairs[i].first_error);
        assert_code(answer->responses[0].partition_responses[1].error_code, pairs[i].second_error);
    }
}

/* Produce v13 names topics by id; who asks the wrong broker hears since v10 who leads (KIP-951). */
static void ids_and_hints(void **state)
{
    struct world three;
    static const struct {
        int16_t version, acks;
        int32_t partition;
        bool known; /* the topic's id */
        int16_t error;
        int32_t leader; /* told; -1: no word of it */
    } rows[] = {
        { 13, 2, 9, false, KCI_UNKNOWN_TOPIC_ID, -1 },      { 13, 2, 9, true, KCI_UNKNOWN_TOPIC_OR_PARTITION, -1 },
        { 13, -1, 0, true, KCI_NOT_LEADER_OR_FOLLOWER, 1 }, { 12, 1, 0, true, KCI_NOT_LEADER_OR_FOLLOWER, 1 },
        { 10, 1, 0, true, KCI_NOT_LEADER_OR_FOLLOWER, 1 },  { 9, 1, 0, true, KCI_NOT_LEADER_OR_FOLLOWER, -1 },
        { 13, 2, 0, true, KCI_INVALID_REQUIRED_ACKS, -1 },
    };
    (void)state;
    world_open(&three, 3, NULL);
    world_topic(&three, "t", 1, 2, NULL);
    const struct kci_uuid unknown = { { 9 } };
    struct client *conn = world_client(&three, 3); /* it does not even have a replica */
    assert_int_equal(world_look(&three, "t", 0).leader, 1);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct kci_produce_request__partition_produce_data data = { .index = rows[i].partition,
                                                                    .records =
                                                                        world_batch(&three, (struct batch_of){ 0 }) };
        struct kci_produce_request__topic_produce_data of = { .partition_data = &data, .partition_data_count = 1 };
        struct kci_produce_request request = {
            .acks = rows[i].acks, .timeout_ms = 1000, .topic_data = &of, .topic_data_count = 1
        };
        if (rows[i].version >= 13)
            of.topic_id = rows[i].known ? mb_cluster_topic_id(three.cluster, NAME("t")) : unknown;
        else
            of.name = NAME("t");
        const struct kci_produce_response *answer = client_call(conn, KCI_API_PRODUCE, rows[i].version, &request);
        const struct kci_produce_response__partition_produce_response *got =
            &answer->responses[0].partition_responses[0];
        if (got->error_code != rows[i].error || got->current_leader.leader_id != rows[i].leader ||
            answer->node_endpoints_count != (rows[i].leader >= 0))
            fail_msg("row %zu: %s, leader %d", i, kci_error_name(got->error_code), (int)got->current_leader.leader_id);
    }
    world_close(&three);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_first_broken_rule_is_what_is_said, setup, teardown),
        cmocka_unit_test_setup_teardown(some_errors_are_of_the_whole_request, setup, teardown),
        cmocka_unit_test_setup_teardown(a_transaction_has_one_producer, setup, teardown),
        cmocka_unit_test(ids_and_hints),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
