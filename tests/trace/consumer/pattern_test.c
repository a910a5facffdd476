/* Topics by pattern, matched here: what is subscribed, when it is looked at again, with both group protocols. */
#include "consumer/member_data.h"
#include "support/script_group.h"

static struct script_peer peer;
static struct script_consumer sc;
static kc_error error;

static void begin(bool modern)
{
    script_consumer_init(&sc, &peer);
    sc.settings.group_protocol_consumer = modern;
    script_topic(&peer, "other", 1);
    script_consumer_create(&sc);
}

static kc_err subscribe(const char *pattern)
{
    kc_err result = kci_consumer_subscribe_pattern(sc.core, pattern, false, peer.now, &error);
    script_step(&peer);
    return result;
}

/* The topics in the JoinGroup that waits for the test, "a,b". */
static const char *joined_with(void)
{
    static char text[100];
    const struct kci_join_group_request *request = script_pending(&peer, NULL, KCI_API_JOIN_GROUP)->message;
    struct kci_arena arena = kci_arena_of(&peer.alloc, 1 << 20);
    struct kci_member member;
    assert_true(kci_member_data_read(request->protocols[0].metadata, &arena, &member));
    text[0] = 0;
    for (int32_t i = 0; i < member.topic_count; i++)
        snprintf(text + strlen(text), sizeof text - strlen(text), "%s%.*s", i ? "," : "", (int)member.topics[i].size,
                 member.topics[i].data);
    kci_arena_destroy(&arena);
    return text;
}

/* The first join says what matches; a topic that appears later is found with the age of the metadata, and joined for.
 */
static void test_classic(void **state)
{
    (void)state;
    begin(false);
    assert_int_equal(subscribe("t|new-.*"), KC_OK);
    script_poll(&sc);
    assert_string_equal(joined_with(), "t");
    script_answer_join(&sc, KCI_NONE, 1, "other");
    script_answer_sync(&sc, KCI_NONE, "0");
    assert_seen(&sc, "assigned(t-0)");
    script_topic(&peer, "new-1", 1);
    for (int i = 0; i < 120; i++) { /* a while longer than metadata.max.age.ms, 300 s */
        script_advance(&peer, 3000);
        if (script_waits(&sc, KCI_API_HEARTBEAT))
            script_beat(&sc, KCI_NONE);
        script_poll(&sc);
        if (script_waits(&sc, KCI_API_JOIN_GROUP))
            break;
    }
    assert_noted(&sc, "revoked(t-0)");
    assert_string_equal(joined_with(), "new-1,t");
    script_consumer_end(&sc);
}

/* The same with the coordinator assigning: the list is told, nobody is revoked. */
static void test_modern(void **state)
{
    (void)state;
    begin(true);
    assert_int_equal(subscribe("[t-z]"), KC_OK);
    script_poll(&sc);
    const struct kci_consumer_group_heartbeat_request *r = script_modern_beat(&sc);
    assert_int_equal(r->subscribed_topic_names_count, 1);
    assert_null(r->subscribed_topic_regex.data); /* it is matched here */
    script_answer_modern(&sc, KCI_NONE, 1, "0");
    assert_seen(&sc, "assigned(t-0)");
    script_answer_modern(&sc, KCI_NONE, 1, NULL);
    script_topic(&peer, "u", 1);
    for (int i = 0; i < 80; i++) {
        script_advance(&peer, 5000);
        script_poll(&sc);
        r = script_modern_beat(&sc);
        if (r->subscribed_topic_names_count > 1) /* everything is told now and then: one name is no news */
            break;
        script_answer_modern(&sc, KCI_NONE, 1, NULL);
    }
    assert_int_equal(r->subscribed_topic_names_count, 2);
    assert_noted(&sc, "");
    script_consumer_end(&sc);
}

/* The brokers' own topics are left out, unless they are asked for with exclude.internal.topics=false. */
static void test_internal(void **state)
{
    (void)state;
    for (int exclude = 0; exclude < 2; exclude++) {
        script_consumer_init(&sc, &peer);
        sc.settings.exclude_internal_topics = exclude;
        script_topic(&peer, "__consumer_offsets", 1);
        script_consumer_create(&sc);
        assert_int_equal(subscribe(".*"), KC_OK);
        script_poll(&sc);
        assert_string_equal(joined_with(), exclude ? "t" : "__consumer_offsets,t");
        script_consumer_end(&sc);
    }
}

/* A new pattern, and back to a list. */
static void test_replaced(void **state)
{
    const char *topic = "t";
    (void)state;
    begin(true);
    assert_int_equal(subscribe("nothing-.*"), KC_OK);
    script_poll(&sc);
    assert_int_equal(script_modern_beat(&sc)->subscribed_topic_names_count, 0);
    script_answer_modern(&sc, KCI_NONE, 1, "");
    assert_seen(&sc, "assigned()");
    script_answer_modern(&sc, KCI_NONE, 1, NULL);
    assert_int_equal(subscribe("oth.*"), KC_OK);
    while (script_modern_beat(&sc)->subscribed_topic_names_count == 0) /* of before the names were there */
        script_answer_modern(&sc, KCI_NONE, 1, NULL);
    assert_true(kci_str_equal(script_modern_beat(&sc)->subscribed_topic_names[0], kci_str_of("other")));
    script_answer_modern(&sc, KCI_NONE, 2, NULL);
    assert_int_equal(kci_consumer_subscribe(sc.core, &topic, 1, peer.now, &error), KC_OK);
    script_step(&peer);
    assert_true(kci_str_equal(script_modern_beat(&sc)->subscribed_topic_names[0], kci_str_of("t")));
    script_consumer_end(&sc);
}

/* What cannot be used is said at once, and changes nothing. */
static void test_refused(void **state)
{
    (void)state;
    begin(false);
    assert_int_equal(subscribe("(a"), KC_ERR_ARGUMENT);
    assert_non_null(strstr(error.text, "not closed"));
    assert_int_equal(subscribe(""), KC_ERR_ARGUMENT);
    assert_int_equal(kci_consumer_subscribe_pattern(sc.core, "t", true, peer.now, &error), KC_ERR_STATE);
    assert_non_null(strstr(error.text, "group.protocol=consumer"));
    assert_string_equal(kci_consumer_group_state(sc.core), "IDLE");
    script_assign(&sc, 0, 0);
    assert_int_equal(subscribe("t"), KC_ERR_STATE);
    script_consumer_end(&sc);
}

/* A leave forgets the pattern: nothing is asked any more. */
static void test_unsubscribed(void **state)
{
    kc_err code;
    (void)state;
    begin(false);
    assert_int_equal(subscribe("t"), KC_OK);
    kci_consumer_begin_leave(sc.core, false, peer.now, peer.now + 1000000);
    script_step(&peer);
    assert_true(kci_consumer_left(sc.core, &code));
    size_t before = peer.request_count;
    script_advance(&peer, 310000);
    for (size_t i = before; i < peer.request_count; i++)
        if (peer.requests[i].header.api_key == KCI_API_METADATA)
            assert_true(((const struct kci_metadata_request *)peer.requests[i].message)->topics_count >= 0);
    script_consumer_end(&sc);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_classic),  cmocka_unit_test(test_modern),  cmocka_unit_test(test_internal),
        cmocka_unit_test(test_replaced), cmocka_unit_test(test_refused), cmocka_unit_test(test_unsubscribed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
