/* Directories of logs (KIP-113): what replicas weigh, and where they may go.  A broker has one directory. */
#include "support/group_story.h"

static struct world world;
static struct client *conn;

static int setup(void **state)
{
    (void)state;
    world_open(&world, 2, NULL);
    world_topic(&world, "both", 2, 2, NULL); /* broker 1 leads one of them */
    world_topic(&world, "none", 1, 1, NULL); /* has no replica on broker 2 once it is moved */
    mb_cluster_reassign(world.cluster, NAME("none"), 0, (int32_t[]){ 1 }, 1, world.now);
    world_at(&world, world.now + 1 * SECOND);
    conn = world_client(&world, 2);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    world_close(&world);
    return 0;
}

/* ---- DescribeLogDirs ---- */

static const struct kci_describe_log_dirs_response__describe_log_dirs_result *
describe(const char *topic, const int32_t *partitions, int32_t count)
{
    struct kci_describe_log_dirs_request__describable_log_dir_topic t = { .topic = kci_str_of(topic ? topic : ""),
                                                                          .partitions =
                                                                              (int32_t *)(uintptr_t)partitions,
                                                                          .partitions_count = count };
    struct kci_describe_log_dirs_request body = { .topics = &t, .topics_count = topic ? 1 : -1 };
    const struct kci_describe_log_dirs_response *answer = client_call(conn, KCI_API_DESCRIBE_LOG_DIRS, 4, &body);
    assert_int_equal(answer->error_code, KCI_NONE);
    assert_int_equal(answer->results_count, 1);
    assert_int_equal(answer->results[0].error_code, KCI_NONE);
    assert_true(kci_str_equal(answer->results[0].log_dir, NAME("memory-2")));
    return &answer->results[0];
}

/* All that this broker has, or what is named of it; what it does not have is left out without an error. */
static void replicas_are_weighed(void **state)
{
    (void)state;
    struct client *leader = world_client(&world, 1);
    struct kci_bytes batch = world_batch(&world, (struct batch_of){ .count = 3 });
    mb_cluster_move_leader(world.cluster, NAME("both"), 0, 1, world.now);
    client_produce(leader, "both", 0, -1, batch);
    assert_int_equal(client_produced(leader)->error_code, KCI_NONE);
    const struct kci_describe_log_dirs_response__describe_log_dirs_result *all = describe(NULL, NULL, 0);
    assert_int_equal(all->topics_count, 1);
    assert_true(kci_str_equal(all->topics[0].name, NAME("both")));
    assert_int_equal(all->topics[0].partitions_count, 2);
    assert_int_equal(all->topics[0].partitions[0].partition_size, batch.size);
    assert_int_equal(all->topics[0].partitions[0].offset_lag, 0);
    assert_int_equal(all->topics[0].partitions[1].partition_size, 0);
    assert_int_equal(describe("both", (int32_t[]){ 1, 7, -1 }, 3)->topics[0].partitions_count, 1);
    assert_int_equal(describe("none", (int32_t[]){ 0 }, 1)->topics_count, 0);
    assert_int_equal(describe("unknown", (int32_t[]){ 0 }, 1)->topics_count, 0);
}

/* ---- AlterReplicaLogDirs ---- */

typedef struct kci_alter_replica_log_dirs_request__alter_replica_log_dir dir;
typedef struct kci_alter_replica_log_dirs_request__alter_replica_log_dir_topic dir_topic;

static const struct kci_alter_replica_log_dirs_response *alter(dir *dirs, int32_t count)
{
    struct kci_alter_replica_log_dirs_request body = { .dirs = dirs, .dirs_count = count };
    return client_call(conn, KCI_API_ALTER_REPLICA_LOG_DIRS, 2, &body);
}

static void where_a_replica_may_go(void **state)
{
    static const struct {
        const char *path, *topic;
        int32_t partition;
        int16_t error;
    } rows[] = {
        { "memory-2", "both", 1, KCI_NONE }, /* it is there */
        { "memory-2", "both", 2, KCI_UNKNOWN_TOPIC_OR_PARTITION },
        { "memory-2", "both", -1, KCI_UNKNOWN_TOPIC_OR_PARTITION },
        { "memory-2", "unknown", 0, KCI_UNKNOWN_TOPIC_OR_PARTITION },
        { "memory-2", "none", 0, KCI_REPLICA_NOT_AVAILABLE },
        { "memory-1", "both", 1, KCI_LOG_DIR_NOT_FOUND },
        { "", "unknown", 9, KCI_LOG_DIR_NOT_FOUND },
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        int32_t partition = rows[i].partition;
        dir_topic topic = { .name = kci_str_of(rows[i].topic), .partitions = &partition, .partitions_count = 1 };
        dir one = { .path = kci_str_of(rows[i].path), .topics = &topic, .topics_count = 1 };
        const struct kci_alter_replica_log_dirs_response *answer = alter(&one, 1);
        assert_int_equal(answer->results_count, 1);
        assert_int_equal(answer->results[0].partitions[0].partition_index, partition);
        if (answer->results[0].partitions[0].error_code != rows[i].error)
            fail_msg("row %zu: %s", i, kci_error_name(answer->results[0].partitions[0].error_code));
    }
}

/* A topic is told once, whatever directories it was named for, and not at all without partitions. */
static void a_topic_of_two_directories(void **state)
{
    int32_t indexes[] = { 0, 1 };
    dir_topic twice[] = { { .name = NAME("both"), .partitions = indexes, .partitions_count = 2 },
                          { .name = NAME("none"), .partitions = NULL, .partitions_count = 0 } };
    dir dirs[] = { { .path = NAME("memory-2"), .topics = twice, .topics_count = 2 },
                   { .path = NAME("elsewhere"), .topics = twice, .topics_count = 1 } };
    (void)state;
    const struct kci_alter_replica_log_dirs_response *answer = alter(dirs, 2);
    assert_int_equal(answer->results_count, 1);
    assert_int_equal(answer->results[0].partitions_count, 4);
    assert_int_equal(answer->results[0].partitions[1].error_code, KCI_NONE);
    assert_int_equal(answer->results[0].partitions[3].error_code, KCI_LOG_DIR_NOT_FOUND);
}

/* Too many of anything ends the connection before anything is compared, and no other connection. */
static void more_than_anybody_has(void **state)
{
    static dir many[1001];
    (void)state;
    for (size_t i = 0; i < sizeof many / sizeof many[0]; i++)
        many[i].path = NAME("memory-2");
    struct kci_alter_replica_log_dirs_request body = { .dirs = many, .dirs_count = 1001 };
    client_send(conn, KCI_API_ALTER_REPLICA_LOG_DIRS, 2, &body);
    assert_true(conn->closed);
    conn = world_client(&world, 2);
    body.dirs_count = 1000;
    assert_int_equal(alter(many, 1000)->results_count, 0);
}

int main(void)
{
#define STORY(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        STORY(replicas_are_weighed),
        STORY(where_a_replica_may_go),
        STORY(a_topic_of_two_directories),
        STORY(more_than_anybody_has),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
