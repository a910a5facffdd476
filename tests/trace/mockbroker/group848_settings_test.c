/* Settings of one group (kafka-configs --entity-type groups), and the feature without which there is no such group. */
#include "support/group848_story.h"

static void set(struct world *s, const char *key, const char *value)
{
    char text[200];
    struct mb_config_change change = { .name = kci_str_of(key), .value = kci_str_of(value) };
    assert_int_equal(
        mb_alter_resource(s->cluster, MB_RESOURCE_GROUP, NAME("g"), &change, 1, false, false, text, sizeof text), 0);
}

/* The member is told the group's interval, and is gone after the group's session timeout. */
static void a_group_has_its_own_times(void **state)
{
    struct world s;
    (void)state;
    world_open(&s, 1, "offsets.topic.replication.factor=1 offsets.topic.num.partitions=1");
    world_topic(&s, "t", 2, 1, NULL);
    set(&s, "consumer.heartbeat.interval.ms", "7000");
    set(&s, "consumer.session.timeout.ms", "60000");
    struct member m = member_of(&s, 1, "g", "m", "t");
    member_send(&m, 0, SAYS_ALL);
    world_at(&s, s.now + SECOND);
    const struct kci_consumer_group_heartbeat_response *answer = member_answer(&m);
    assert_int_equal(answer->error_code, 0);
    assert_int_equal(answer->heartbeat_interval_ms, 7000);
    m.epoch = answer->member_epoch;
    world_at(&s, s.now + 50 * SECOND); /* the broker's own timeout is 45 s */
    assert_int_equal(member_call(&m, m.epoch, SAYS_NOTHING), 0);
    world_at(&s, s.now + 61 * SECOND);
    assert_int_equal(member_call(&m, m.epoch, SAYS_NOTHING), KCI_UNKNOWN_MEMBER_ID);
    world_close(&s);
}

/* group.version 0: the protocol is not enabled. */
static void without_the_feature_there_is_no_protocol(void **state)
{
    struct world s;
    (void)state;
    world_open(&s, 1, "offsets.topic.replication.factor=1 offsets.topic.num.partitions=1");
    world_topic(&s, "t", 2, 1, NULL);
    mb_feature_set(s.cluster, MB_FEATURE_GROUP, 0);
    struct member m = member_of(&s, 1, "g", "m", "t");
    assert_int_equal(member_call(&m, 0, SAYS_ALL), KCI_UNSUPPORTED_VERSION);
    world_close(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_group_has_its_own_times),
        cmocka_unit_test(without_the_feature_there_is_no_protocol),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
