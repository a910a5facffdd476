/* Out of memory at every place, of the requests that keep something besides groups: each is handled with the first, second,
 * third ... allocation failing.  Its client gets an answer or a closed connection, at once or when time-outs are over, nothing
 * leaks, and afterwards the same works; what a reader of committed records sees is all of a transaction or nothing. */
#include "mockbroker/core/telemetry.h"
#include "support/txn_story.h"

#define ALLOCATIONS_MAX 400 /* of one request: more would mean that the loop does not end */
#define RECORDS         3   /* of each transaction */

struct scene {
    struct world s;
    struct txn_client c; /* with a transaction begun on t-0 */
    struct client *conn;
};

static void begun(struct scene *scene)
{
    world_open(&scene->s, 1, NULL);
    group_topic(&scene->s, "t", 2);
    scene->c = txn_client_of(&scene->s, "x");
    assert_code(txn_init(&scene->c, false), KCI_NONE);
    assert_code(txn_add(&scene->c, "t", 0), KCI_NONE);
    assert_code(txn_produce(&scene->c, "t", 0, RECORDS), KCI_NONE);
    scene->conn = group_connect(&scene->s, 1, "again");
}

/* One request with allocation n failing; true: it did fail. */
static bool without(struct scene *scene, size_t n, int16_t key, int16_t version, const void *body)
{
    struct client *conn = scene->conn;
    client_queue(conn, key, version, body);
    scene->s.memory.count = 0;
    scene->s.memory.fail_at = n;
    client_push(conn, 0);
    scene->s.memory.fail_at = 0;
    bool failed = scene->s.memory.count >= n;
    client_push(conn, 0);
    world_pass(&scene->s, 120000);
    if (!client_answer(conn, key, version) && !conn->closed)
        fail_msg("%s: no answer with allocation %zu failing", kci_api_find(key)->name, n);
    return failed;
}

/* What is committed of a partition, in whole transactions. */
static int64_t committed(struct scene *scene, int32_t partition)
{
    const struct kci_fetch_response__partition_data *data = txn_fetch(&scene->s, "t", partition, 0, 1);
    assert_code(data->error_code, KCI_NONE);
    return data->last_stable_offset;
}

/* Whatever happened: the next producer of that id ends what was open, and commits. */
static void the_next_one_commits(struct scene *scene)
{
    struct txn_client next = txn_client_of(&scene->s, "x");
    int16_t error = txn_init(&next, false);
    for (int i = 0; error == KCI_CONCURRENT_TRANSACTIONS && i < 100; i++) {
        world_pass(&scene->s, 1000);
        error = txn_init(&next, false);
    }
    assert_code(error, KCI_NONE);
    int64_t before = committed(scene, 1);
    assert_int_equal(before, world_look(&scene->s, "t", 1).log_end); /* nothing hangs */
    assert_int_equal(committed(scene, 0), world_look(&scene->s, "t", 0).log_end);
    assert_code(txn_add(&next, "t", 1), KCI_NONE);
    assert_code(txn_produce(&next, "t", 1, RECORDS), KCI_NONE);
    assert_code(txn_end(&next, true), KCI_NONE);
    world_pass(&scene->s, 1000);
    assert_int_equal(committed(scene, 1), before + RECORDS + 1);
}

static void everywhere(bool (*run)(struct scene *scene, size_t n))
{
    static struct scene scene;
    bool failed = true;
    size_t n = 1;
    for (; failed; n++) {
        assert_true(n < ALLOCATIONS_MAX);
        memset(&scene, 0, sizeof scene);
        begun(&scene);
        failed = run(&scene, n);
        the_next_one_commits(&scene);
        world_close(&scene.s);
    }
    assert_true(n > 2); /* it allocates, and each did fail once */
}

static bool init(struct scene *scene, size_t n)
{
    struct kci_init_producer_id_request body;
    kci_codec_init(&kci_init_producer_id_request_schema, &body);
    body.transactional_id = kci_str_of("y"); /* a new one */
    body.transaction_timeout_ms = 60000;
    return without(scene, n, KCI_API_INIT_PRODUCER_ID, 5, &body);
}

static bool init_again(struct scene *scene, size_t n) /* fences, and aborts what is open */
{
    struct kci_init_producer_id_request body;
    kci_codec_init(&kci_init_producer_id_request_schema, &body);
    body.transactional_id = scene->c.id;
    body.transaction_timeout_ms = 60000;
    return without(scene, n, KCI_API_INIT_PRODUCER_ID, 5, &body);
}

static bool add_partition(struct scene *scene, size_t n)
{
    int32_t partition = 1;
    struct kci_add_partitions_to_txn_request__add_partitions_to_txn_topic of = { .name = kci_str_of("t"),
                                                                                 .partitions = &partition,
                                                                                 .partitions_count = 1 };
    struct kci_add_partitions_to_txn_request body = { .v3_and_below_transactional_id = scene->c.id,
                                                      .v3_and_below_producer_id = scene->c.producer_id,
                                                      .v3_and_below_producer_epoch = scene->c.epoch,
                                                      .v3_and_below_topics = &of,
                                                      .v3_and_below_topics_count = 1 };
    return without(scene, n, KCI_API_ADD_PARTITIONS_TO_TXN, 3, &body);
}

static bool produce(struct scene *scene, size_t n)
{
    struct kci_bytes batch = world_batch(&scene->s, (struct batch_of){ .count = RECORDS,
                                                                       .producer_id = scene->c.producer_id,
                                                                       .epoch = scene->c.epoch,
                                                                       .sequence = scene->c.sequence,
                                                                       .attributes = KCI_BATCH_TRANSACTIONAL });
    struct kci_produce_request__partition_produce_data data = { .index = 1, .records = batch };
    struct kci_produce_request__topic_produce_data of = { .name = kci_str_of("t"),
                                                          .partition_data = &data,
                                                          .partition_data_count = 1 };
    struct kci_produce_request body = {
        .transactional_id = scene->c.id, .acks = -1, .timeout_ms = 1000, .topic_data = &of, .topic_data_count = 1
    };
    return without(scene, n, KCI_API_PRODUCE, 12, &body); /* adds the partition by itself (KIP-890) */
}

static bool add_offsets(struct scene *scene, size_t n)
{
    struct kci_add_offsets_to_txn_request body = { .transactional_id = scene->c.id,
                                                   .producer_id = scene->c.producer_id,
                                                   .producer_epoch = scene->c.epoch,
                                                   .group_id = kci_str_of("g") };
    return without(scene, n, KCI_API_ADD_OFFSETS_TO_TXN, 3, &body);
}

static bool end_with(struct scene *scene, size_t n, bool commit)
{
    struct kci_end_txn_request body = { .transactional_id = scene->c.id,
                                        .producer_id = scene->c.producer_id,
                                        .producer_epoch = scene->c.epoch,
                                        .committed = commit };
    return without(scene, n, KCI_API_END_TXN, 5, &body);
}

static bool commit(struct scene *scene, size_t n)
{
    return end_with(scene, n, true);
}

static bool abort_it(struct scene *scene, size_t n)
{
    return end_with(scene, n, false);
}

static bool list(struct scene *scene, size_t n)
{
    struct kci_list_transactions_request body;
    kci_codec_init(&kci_list_transactions_request_schema, &body);
    return without(scene, n, KCI_API_LIST_TRANSACTIONS, 1, &body);
}

static bool describe(struct scene *scene, size_t n)
{
    struct kci_describe_transactions_request body = { .transactional_ids = &scene->c.id, .transactional_ids_count = 1 };
    return without(scene, n, KCI_API_DESCRIBE_TRANSACTIONS, 0, &body);
}

static bool alter_scram(struct scene *scene, size_t n)
{
    struct kci_alter_user_scram_credentials_request body;
    struct kci_alter_user_scram_credentials_request__scram_credential_upsertion both[2];
    for (int8_t i = 0; i < 2; i++)
        both[i] = (struct kci_alter_user_scram_credentials_request__scram_credential_upsertion){
            .name = kci_str_of(i ? "bert" : "anna"),
            .mechanism = MB_SCRAM_SHA_256,
            .iterations = 4096,
            .salt = { (const uint8_t *)"salt", 4 },
            .salted_password = { (const uint8_t *)"secret", 6 }
        };
    kci_codec_init(&kci_alter_user_scram_credentials_request_schema, &body);
    body.upsertions = both;
    body.upsertions_count = 2;
    return without(scene, n, KCI_API_ALTER_USER_SCRAM_CREDENTIALS, 0, &body);
}

static bool describe_scram(struct scene *scene, size_t n)
{
    struct kci_describe_user_scram_credentials_request body;
    assert_true(mb_scram_users_set(&scene->s.cluster->scram_users, kci_str_of("anna"), MB_SCRAM_SHA_256, 4096,
                                   (struct kci_bytes){ (const uint8_t *)"salt", 4 },
                                   (struct kci_bytes){ (const uint8_t *)"secret", 6 }));
    kci_codec_init(&kci_describe_user_scram_credentials_request_schema, &body);
    body.users_count = -1;
    return without(scene, n, KCI_API_DESCRIBE_USER_SCRAM_CREDENTIALS, 0, &body);
}

static bool subscribe_telemetry(struct scene *scene, size_t n)
{
    struct kci_get_telemetry_subscriptions_request body = { .client_instance_id = { { 0 } } };
    return without(scene, n, KCI_API_GET_TELEMETRY_SUBSCRIPTIONS, 0, &body);
}

static bool push_telemetry(struct scene *scene, size_t n)
{
    static const uint8_t otlp[] = { 0x0a, 0x09, 0x12, 0x07, 0x12, 0x05, 0x0a, 0x03, 'a', '.', 'b' };
    struct kci_get_telemetry_subscriptions_request ask = { .client_instance_id = { { 0 } } };
    const struct kci_get_telemetry_subscriptions_response *told =
        client_call(group_connect(&scene->s, 1, "again"), KCI_API_GET_TELEMETRY_SUBSCRIPTIONS, 0, &ask);
    struct kci_push_telemetry_request body = { .client_instance_id = told->client_instance_id,
                                               .subscription_id = told->subscription_id,
                                               .metrics = { otlp, sizeof otlp } };
    return without(scene, n, KCI_API_PUSH_TELEMETRY, 0, &body);
}

static void transactions(void **state)
{
    static bool (*const requests[])(struct scene *, size_t) = { init,   init_again, add_partition, produce, add_offsets,
                                                                commit, abort_it,   list,          describe };
    (void)state;
    for (size_t i = 0; i < sizeof requests / sizeof requests[0]; i++)
        everywhere(requests[i]);
}

static void scram_and_telemetry(void **state)
{
    static bool (*const requests[])(struct scene *, size_t) = { alter_scram, describe_scram, subscribe_telemetry,
                                                                push_telemetry };
    (void)state;
    for (size_t i = 0; i < sizeof requests / sizeof requests[0]; i++)
        everywhere(requests[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(transactions),
        cmocka_unit_test(scram_and_telemetry),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
