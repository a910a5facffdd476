/* Offsets: who may commit when, what is kept, what is told, and when it is forgotten. */
#include "support/group_story.h"

#define DAY_MS (24LL * 3600 * 1000)

/* The rules of OffsetCommit for each state of the group (PROTOCOL.md 4.6). */
static void who_may_commit_depends_on_the_state(void **unused)
{
    struct world s;
    (void)unused;
    world_open(&s, 1, NULL);
    group_topic(&s, "t", 2);
    struct group_client a = group_client_of(&s, 1, "g", "a"), outsider = group_client_of(&s, 1, "g", "x");
    assert_code(group_commit(&outsider, "t", 0, 7), KCI_NONE); /* no group yet: a simple one is made */
    assert_int_equal(group_committed(&outsider, "t", 0), 7);
    outsider.generation = 3;
    assert_code(group_commit(&outsider, "t", 0, 8), KCI_UNKNOWN_MEMBER_ID);
    outsider.group = kci_str_of("unknown");
    assert_code(group_commit(&outsider, "t", 0, 8), KCI_GROUP_ID_NOT_FOUND);
    assert_code(group_commit_with(&outsider, "t", 0, 8, "", 8), KCI_ILLEGAL_GENERATION);
    outsider.group = kci_str_of("g");
    outsider.generation = -1;

    assert_null(group_join(&a));
    world_pass(&s, 3000);
    assert_non_null(group_joined(&a));
    assert_code(group_commit(&a, "t", 0, 9), KCI_REBALANCE_IN_PROGRESS); /* Completing */
    struct group_part part = { a.member_id, "A" };
    assert_assigned(group_sync(&a, &part, 1), "A");
    assert_code(group_commit(&a, "t", 0, 10), KCI_NONE); /* Stable */
    assert_code(group_commit(&outsider, "t", 0, 11), KCI_UNKNOWN_MEMBER_ID);
    a.generation--;
    assert_code(group_commit(&a, "t", 0, 11), KCI_ILLEGAL_GENERATION);
    a.generation++;
    struct group_client b = group_client_of(&s, 1, "g", "b");
    assert_null(group_join(&b));
    assert_code(group_commit(&a, "t", 0, 12), KCI_NONE); /* Preparing: the old owner finishes its work */
    assert_int_equal(group_committed(&a, "t", 0), 12);
    world_close(&s);
}

/* A commit is a sign of life. */
static void commits_keep_the_session_alive(void **unused)
{
    struct world s;
    (void)unused;
    world_open(&s, 1, NULL);
    group_topic(&s, "t", 1);
    struct group_client a = group_client_of(&s, 1, "g", "a");
    group_settle_one(&a);
    for (int i = 0; i < 5; i++) {
        world_pass(&s, 9000);
        assert_code(group_commit(&a, "t", 0, i), KCI_NONE);
    }
    world_pass(&s, 10100);
    assert_code(group_commit(&a, "t", 0, 9), KCI_UNKNOWN_MEMBER_ID);
    world_close(&s);
}

/* Each partition has its own result: what does not exist, what carries too much, what is fine. */
static void each_partition_is_answered_for_itself(void **unused)
{
    struct world s;
    (void)unused;
    char large[4100];
    world_open(&s, 3, NULL);
    group_topic(&s, "t", 2);
    struct group_client c = group_client_of(&s, group_coordinator(&s, "g"), "g", "c");
    memset(large, 'x', sizeof large);
    large[4097] = 0;
    assert_code(group_commit_with(&c, "t", 0, 1, large, 9), KCI_OFFSET_METADATA_TOO_LARGE);
    large[4096] = 0;
    assert_code(group_commit_with(&c, "t", 0, 1, large, 9), KCI_NONE);
    for (int i = 0; i + 1 < 4096 * 2;
         i += 2) /* 4096 characters of two bytes each are not too large: Java counts units */
        if (i + 2 < (int)sizeof large)
            memcpy(large + i, "\xc3\xa9", 2);
    large[4098] = 0;
    assert_code(group_commit_with(&c, "t", 0, 2, large, 9), KCI_NONE);
    assert_code(group_commit(&c, "t", 2, 1), KCI_UNKNOWN_TOPIC_OR_PARTITION);
    assert_code(group_commit(&c, "t", -1, 1), KCI_UNKNOWN_TOPIC_OR_PARTITION);
    assert_code(group_commit(&c, "nope", 0, 1), KCI_UNKNOWN_TOPIC_OR_PARTITION);
    struct group_client lost = c;
    lost.conn = group_connect(&s, group_coordinator(&s, "g") % 3 + 1, "lost");
    assert_code(group_commit(&lost, "t", 0, 1), KCI_NOT_COORDINATOR);
    assert_code(group_commit(&lost, "nope", 0, 1), KCI_UNKNOWN_TOPIC_OR_PARTITION); /* the topic is looked at first */
    world_close(&s);
}

/* v10 names topics by id, in both directions. */
static void topics_by_id(void **unused)
{
    struct world s;
    (void)unused;
    world_open(&s, 1, NULL);
    group_topic(&s, "t", 1);
    struct client *conn = group_connect(&s, 1, "c");
    struct kci_uuid id = mb_cluster_topic_id(s.cluster, kci_str_of("t")), other = { { 1, 2, 3 } };
    struct kci_offset_commit_request__offset_commit_request_partition p[] = {
        { .committed_offset = 42, .commit_timestamp = -1, .committed_leader_epoch = 3 }
    };
    struct kci_offset_commit_request__offset_commit_request_topic t[] = {
        { .topic_id = id, .partitions = p, .partitions_count = 1 },
        { .topic_id = other, .partitions = p, .partitions_count = 1 }
    };
    struct kci_offset_commit_request commit = { .group_id = kci_str_of("g"),
                                                .generation_id_or_member_epoch = -1,
                                                .retention_time_ms = -1,
                                                .topics = t,
                                                .topics_count = 2 };
    const struct kci_offset_commit_response *done = client_call(conn, KCI_API_OFFSET_COMMIT, 10, &commit);
    assert_true(kci_uuid_equal(&done->topics[0].topic_id, &id));
    assert_code(done->topics[0].partitions[0].error_code, KCI_NONE);
    assert_code(done->topics[1].partitions[0].error_code, KCI_UNKNOWN_TOPIC_ID);

    int32_t zero = 0;
    struct kci_offset_fetch_request__offset_fetch_request_topics ask[] = {
        { .topic_id = other, .partition_indexes = &zero, .partition_indexes_count = 1 },
        { .topic_id = id, .partition_indexes = &zero, .partition_indexes_count = 1 }
    };
    struct kci_offset_fetch_request__offset_fetch_request_group groups[] = {
        { .group_id = kci_str_of("g"), .member_epoch = -1, .topics = ask, .topics_count = 2 },
        { .group_id = kci_str_of("g"), .member_epoch = -1, .topics_count = -1 },
        { .group_id = kci_str_of("none"), .member_epoch = -1, .topics = ask + 1, .topics_count = 1 }
    };
    struct kci_offset_fetch_request fetch = { .groups = groups, .groups_count = 3 };
    const struct kci_offset_fetch_response *got = client_call(conn, KCI_API_OFFSET_FETCH, 10, &fetch);
    assert_code(got->groups[0].topics[0].partitions[0].error_code, KCI_UNKNOWN_TOPIC_ID);
    assert_int_equal(got->groups[0].topics[1].partitions[0].committed_offset, 42);
    assert_int_equal(got->groups[0].topics[1].partitions[0].committed_leader_epoch, 3);
    assert_int_equal(got->groups[1].topics_count, 1);
    assert_true(kci_uuid_equal(&got->groups[1].topics[0].topic_id, &id));
    assert_int_equal(got->groups[2].topics[0].partitions[0].committed_offset, -1);
    assert_code(got->groups[2].error_code, KCI_NONE);
    world_close(&s);
}

/* Every version of OffsetFetch tells the same offset; "nothing" is -1 with empty metadata, and no error. */
static void every_version_of_fetch_agrees(void **unused)
{
    struct world s;
    (void)unused;
    world_open(&s, 3, NULL);
    group_topic(&s, "t", 2);
    int32_t home = group_coordinator(&s, "g");
    struct group_client c = group_client_of(&s, home, "g", "c");
    struct client *lost = group_connect(&s, home % 3 + 1, "lost");
    assert_code(group_commit(&c, "t", 1, 5), KCI_NONE);
    int32_t indexes[] = { 0, 1 };
    for (int16_t version = 1; version <= 7; version++) {
        struct kci_offset_fetch_request__offset_fetch_request_topic t = { .name = kci_str_of("t"),
                                                                          .partition_indexes = indexes,
                                                                          .partition_indexes_count = 2 };
        struct kci_offset_fetch_request body = { .group_id = c.group, .topics = &t, .topics_count = 1 };
        const struct kci_offset_fetch_response *answer = client_call(c.conn, KCI_API_OFFSET_FETCH, version, &body);
        assert_code(answer->error_code, KCI_NONE);
        assert_int_equal(answer->topics[0].partitions[0].committed_offset, -1);
        assert_str(answer->topics[0].partitions[0].metadata, "");
        assert_int_equal(answer->topics[0].partitions[1].committed_offset, 5);
        assert_str(answer->topics[0].partitions[1].metadata, "note");
        assert_int_equal(answer->topics[0].partitions[1].committed_leader_epoch, version >= 5 ? 5 : -1);
        answer = client_call(lost, KCI_API_OFFSET_FETCH, version, &body);
        if (version == 1) /* no place for an error of the group */
            assert_code(answer->topics[0].partitions[1].error_code, KCI_NOT_COORDINATOR);
        else
            assert_code(answer->error_code, KCI_NOT_COORDINATOR);
        body.topics_count = -1;
        if (version >= 2) {
            answer = client_call(c.conn, KCI_API_OFFSET_FETCH, version, &body);
            assert_int_equal(answer->topics_count, 1);
            assert_int_equal(answer->topics[0].partitions_count, 1);
        }
    }
    assert_int_equal(group_committed(&c, "t", 1), 5);
    world_close(&s);
}

/* A commit is answered when it is committed in the log, and read only from then on. */
static void a_commit_is_answered_when_it_is_replicated(void **unused)
{
    struct world s;
    (void)unused;
    world_open_with(&s, (struct mb_options){ .brokers = 3, .replication_delay_us = 50 * MS });
    group_topic(&s, "t", 1);
    int32_t home = group_coordinator(&s, "g");
    struct group_client c = group_client_of(&s, home, "g", "c"), reader = group_client_of(&s, home, "g", "reader");
    struct kci_offset_commit_request__offset_commit_request_partition p = { .committed_offset = 3,
                                                                            .commit_timestamp = -1 };
    struct kci_offset_commit_request__offset_commit_request_topic t = { .name = kci_str_of("t"),
                                                                        .partitions = &p,
                                                                        .partitions_count = 1 };
    struct kci_offset_commit_request body = { .group_id = c.group,
                                              .generation_id_or_member_epoch = -1,
                                              .retention_time_ms = -1,
                                              .topics = &t,
                                              .topics_count = 1 };
    client_send(c.conn, KCI_API_OFFSET_COMMIT, 9, &body);
    assert_null(client_answer(c.conn, KCI_API_OFFSET_COMMIT, 9));
    assert_int_equal(group_committed(&reader, "t", 0), -1);
    world_pass(&s, 500);
    const struct kci_offset_commit_response *answer = client_answer(c.conn, KCI_API_OFFSET_COMMIT, 9);
    assert_non_null(answer);
    assert_code(answer->topics[0].partitions[0].error_code, KCI_NONE);
    assert_int_equal(group_committed(&reader, "t", 0), 3);
    world_close(&s);
}

/* Retention (KIP-211): counted from when the group became empty, and not while it lives. */
static void offsets_expire_after_the_group_is_empty(void **unused)
{
    struct world s;
    (void)unused;
    world_open(&s, 1, NULL);
    group_topic(&s, "t", 1);
    struct group_client a = group_client_of(&s, 1, "g", "a"), simple = group_client_of(&s, 1, "simple", "x");
    a.metadata = "\x00\x01\x00\x00\x00\x01\x00\x01t\x00\x00\x00\x00";
    a.raw_size = 13; /* a subscription to t */
    a.session_ms = 1800000;
    group_settle_one(&a);
    assert_code(group_commit(&a, "t", 0, 1), KCI_NONE);
    assert_code(group_commit(&simple, "t", 0, 2), KCI_NONE);
    for (int hour = 0; hour < 8 * 24 * 3; hour++) { /* eight days of heartbeats */
        world_pass(&s, 20 * 60 * 1000);
        assert_code(group_beat(&a), KCI_NONE);
    }
    assert_int_equal(group_committed(&a, "t", 0), 1);       /* it lives */
    assert_int_equal(group_committed(&simple, "t", 0), -1); /* seven days after its commit */
    assert_code(group_leave(&a), KCI_NONE);
    world_pass(&s, 7 * DAY_MS - 1000);
    assert_int_equal(group_committed(&a, "t", 0), 1);
    world_pass(&s, 11 * 60 * 1000);
    assert_int_equal(group_committed(&a, "t", 0), -1);
    assert_code(group_describe(&a)->error_code, KCI_GROUP_ID_NOT_FOUND);
    world_close(&s);
}

/* A commit of v2-4 may say itself how long it is to be kept. */
static void old_commits_carry_their_own_expiry(void **unused)
{
    struct world s;
    (void)unused;
    world_open(&s, 1, NULL);
    group_topic(&s, "t", 1);
    struct group_client c = group_client_of(&s, 1, "g", "c");
    struct kci_offset_commit_request__offset_commit_request_partition p = { .committed_offset = 3,
                                                                            .commit_timestamp = -1 };
    struct kci_offset_commit_request__offset_commit_request_topic t = { .name = kci_str_of("t"),
                                                                        .partitions = &p,
                                                                        .partitions_count = 1 };
    struct kci_offset_commit_request body = { .group_id = c.group,
                                              .generation_id_or_member_epoch = -1,
                                              .retention_time_ms = 3600 * 1000,
                                              .topics = &t,
                                              .topics_count = 1 };
    client_call(c.conn, KCI_API_OFFSET_COMMIT, 2, &body);
    world_pass(&s, 50 * 60 * 1000);
    assert_int_equal(group_committed(&c, "t", 0), 3);
    world_pass(&s, 30 * 60 * 1000);
    assert_int_equal(group_committed(&c, "t", 0), -1);
    world_close(&s);
}

/* When a topic is deleted, its offsets go: a new topic of the same name begins at the beginning. */
static void deleted_topics_take_their_offsets_along(void **unused)
{
    struct world s;
    (void)unused;
    world_open(&s, 1, NULL);
    group_topic(&s, "t", 2);
    group_topic(&s, "u", 1);
    struct group_client c = group_client_of(&s, 1, "g", "c");
    assert_code(group_commit(&c, "t", 0, 1), KCI_NONE);
    assert_code(group_commit(&c, "t", 1, 1), KCI_NONE);
    assert_code(group_commit(&c, "u", 0, 2), KCI_NONE);
    assert_code(mb_cluster_delete_topic(s.cluster, kci_str_of("t"), s.now), KCI_NONE);
    world_step(&s);
    group_topic(&s, "t", 2);
    const struct kci_offset_fetch_response__offset_fetch_response_group *all = group_fetch_all(&c);
    assert_int_equal(all->topics_count, 1);
    assert_str(all->topics[0].name, "u");
    world_close(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_may_commit_depends_on_the_state),
        cmocka_unit_test(commits_keep_the_session_alive),
        cmocka_unit_test(each_partition_is_answered_for_itself),
        cmocka_unit_test(topics_by_id),
        cmocka_unit_test(every_version_of_fetch_agrees),
        cmocka_unit_test(a_commit_is_answered_when_it_is_replicated),
        cmocka_unit_test(offsets_expire_after_the_group_is_empty),
        cmocka_unit_test(old_commits_carry_their_own_expiry),
        cmocka_unit_test(deleted_topics_take_their_offsets_along),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
