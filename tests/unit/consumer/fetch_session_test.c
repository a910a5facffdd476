/* Fetch sessions: what a request says after what happened before. */
#include "consumer/fetch_session.h"
#include "support/test_alloc.h"
#include "support/unit.h"

#include <stdio.h>

static struct test_alloc memory;
static struct kci_alloc alloc;
static struct kci_subscription s;
static struct kci_fetch_session session;
static struct kci_partition_info partitions[4];
static struct kci_topic_info infos[2];

static struct kci_assigned *partition(const char *topic, int32_t number)
{
    return kci_subscription_find_name(&s, topic, number);
}

/* Topics "a" and "b" with two partitions each, all assigned from offset 0. */
static void begin(void)
{
    memory = (struct test_alloc){ 0 };
    alloc = test_alloc_counting(&memory);
    kci_subscription_init(&s, &alloc, 1);
    kci_fetch_session_init(&session, &alloc, &s, 2);
    kc_topic_partition items[] = { { "a", 0, 0, -1, NULL, KC_OK },
                                   { "a", 1, 0, -1, NULL, KC_OK },
                                   { "b", 0, 0, -1, NULL, KC_OK },
                                   { "b", 1, 0, -1, NULL, KC_OK } };
    assert_true(kci_subscription_assign(&s, items, 4, 0));
    for (int i = 0; i < 2; i++) {
        infos[i] = (struct kci_topic_info){
            .name = i ? "b" : "a", .known = true, .partitions = partitions, .partition_count = 2
        };
        infos[i].id.b[0] = (uint8_t)(i + 1);
        partition(infos[i].name, 0)->topic->info = &infos[i];
    }
}

static void end(void)
{
    kci_fetch_session_destroy(&session);
    kci_subscription_destroy(&s);
    assert_int_equal(memory.live_blocks, 0);
}

/* The request for these partitions ("a0 b1") as text: "id/epoch: topics - forgotten". */
static void expect(const char *wanted, const char *expected)
{
    struct kci_arena arena = kci_arena_of(&alloc, 1 << 20);
    struct kci_fetch_request request;
    struct kci_assigned *list[4];
    size_t count = 0;
    char text[300];
    for (; *wanted; wanted += wanted[2] ? 3 : 2)
        list[count++] = partition((char[]){ wanted[0], 0 }, wanted[1] - '0');
    kci_codec_init(&kci_fetch_request_schema, &request);
    assert_true(kci_fetch_session_build(&session, list, count, 1000, &arena, &request));
    int at = snprintf(text, sizeof text, "%d/%d:", (int)request.session_id, (int)request.session_epoch);
    for (int32_t t = 0; t < request.topics_count; t++)
        for (int32_t p = 0; p < request.topics[t].partitions_count; p++)
            at += snprintf(text + at, sizeof text - (size_t)at, " %.*s%d@%lld", (int)request.topics[t].topic.size,
                           request.topics[t].topic.data, (int)request.topics[t].partitions[p].partition,
                           (long long)request.topics[t].partitions[p].fetch_offset);
    for (int32_t t = 0; t < request.forgotten_topics_data_count; t++)
        at +=
            snprintf(text + at, sizeof text - (size_t)at, " -%.*s%d", (int)request.forgotten_topics_data[t].topic.size,
                     request.forgotten_topics_data[t].topic.data, (int)request.forgotten_topics_data[t].partitions[0]);
    assert_string_equal(text, expected);
    kci_arena_destroy(&arena);
}

/* A full request first, then only what changed; what is not wanted any more is forgotten, and comes back as new. */
static void test_increments(void **state)
{
    (void)state;
    begin();
    expect("a0 a1 b0", "0/0: a0@0 a1@0 b0@0");
    assert_true(kci_fetch_session_answered(&session, KCI_NONE, 9));
    expect("a0 a1 b0", "9/1:");
    assert_true(kci_fetch_session_answered(&session, KCI_NONE, 9));
    partition("a", 1)->fetch_offset = 5;
    expect("a0 a1 b0", "9/2: a1@5");
    assert_true(kci_fetch_session_answered(&session, KCI_NONE, 9));
    expect("a1 b1", "9/3: b1@0 -a0 -b0");
    assert_true(kci_fetch_session_answered(&session, KCI_NONE, 9));
    expect("a1 b1 a0", "9/4: a0@0");
    end();
}

/* A new leader epoch is a change. */
static void test_leader_epoch(void **state)
{
    (void)state;
    begin();
    expect("a0", "0/0: a0@0");
    kci_fetch_session_answered(&session, KCI_NONE, 9);
    partitions[0].leader_epoch = 3;
    expect("a0", "9/1: a0@0");
    partitions[0].leader_epoch = 0;
    end();
}

/* After an error or silence everything is told again; the old session is named, so that the broker can drop it. */
static void test_errors(void **state)
{
    (void)state;
    begin();
    expect("a0 b0", "0/0: a0@0 b0@0");
    kci_fetch_session_answered(&session, KCI_NONE, 9);
    assert_false(kci_fetch_session_answered(&session, KCI_INVALID_FETCH_SESSION_EPOCH, 0));
    expect("a0 b0", "9/0: a0@0 b0@0");
    kci_fetch_session_answered(&session, KCI_NONE, 10);
    assert_false(kci_fetch_session_answered(&session, KCI_FETCH_SESSION_ID_NOT_FOUND, 0));
    expect("a0 b0", "0/0: a0@0 b0@0");
    kci_fetch_session_answered(&session, KCI_NONE, 11);
    kci_fetch_session_reset(&session);
    expect("b0", "11/0: b0@0");
    end();
}

/* A broker without room for sessions answers id 0: every request is a full one, none is an increment to nothing. */
static void test_no_session(void **state)
{
    (void)state;
    begin();
    expect("a0", "0/0: a0@0");
    assert_true(kci_fetch_session_answered(&session, KCI_NONE, 0));
    expect("a0", "0/0: a0@0");
    end();
}

/* A topic that was deleted and created again: the session begins anew with the new id. Without ids as well. */
static void test_topic_ids(void **state)
{
    (void)state;
    begin();
    expect("a0 b0", "0/0: a0@0 b0@0");
    kci_fetch_session_answered(&session, KCI_NONE, 9);
    infos[0].id.b[0] = 77;
    expect("a0 b0", "9/0: a0@0 b0@0");
    kci_fetch_session_answered(&session, KCI_NONE, 10);
    memset(&infos[1].id, 0, sizeof infos[1].id);
    expect("a0 b0", "10/0: a0@0 b0@0");
    assert_false(session.with_ids);
    end();
}

/* The epoch of a session wraps to 1, not to 0, which would end it. */
static void test_wrap(void **state)
{
    (void)state;
    begin();
    expect("a0", "0/0: a0@0");
    kci_fetch_session_answered(&session, KCI_NONE, 9);
    session.epoch = INT32_MAX;
    kci_fetch_session_answered(&session, KCI_NONE, 9);
    expect("a0", "9/1:");
    end();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_increments), cmocka_unit_test(test_leader_epoch), cmocka_unit_test(test_errors),
        cmocka_unit_test(test_no_session), cmocka_unit_test(test_topic_ids),    cmocka_unit_test(test_wrap),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
