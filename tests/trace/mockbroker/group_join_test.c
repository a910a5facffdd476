/* JoinGroup, check by check in Kafka's order, and how a first generation comes to be. */
#include "support/group_story.h"

#define CLIENTS 8

/* Each request breaks one rule more than the one before it, from the last rule to the first: the first rule that is
 * broken in Kafka's order is the one that is reported. */
static void the_first_broken_rule_is_reported(void **unused)
{
    struct world s;
    (void)unused;
    world_open(&s, 3, "group.max.size=1");
    int32_t home = group_coordinator(&s, "g");
    struct group_client a = group_client_of(&s, home, "g", "a"), x = group_client_of(&s, home, "g", "x");
    group_settle_one(&a);

    x.group = kci_str_of("g");
    x.protocols[0] = "no-such-protocol";
    x.member_id = a.member_id;
    assert_code(group_join_error(&x), KCI_INCONSISTENT_GROUP_PROTOCOL);
    x.member_id = kci_str_of("");
    assert_code(group_join_error(&x), KCI_GROUP_MAX_SIZE_REACHED);
    x.group = kci_str_of("h");
    x.member_id = kci_str_of("nobody");
    struct group_client at_home = x;
    at_home.conn = group_connect(&s, group_coordinator(&s, "h"), "x");
    assert_code(group_join_error(&at_home), KCI_UNKNOWN_MEMBER_ID);
    x.conn = group_connect(&s, group_coordinator(&s, "h") % 3 + 1, "x");
    assert_code(group_join_error(&x), KCI_NOT_COORDINATOR);
    x.session_ms = 5999;
    assert_code(group_join_error(&x), KCI_INVALID_SESSION_TIMEOUT);
    x.session_ms = 1800001;
    assert_code(group_join_error(&x), KCI_INVALID_SESSION_TIMEOUT);
    x.group = kci_str_of("");
    assert_code(group_join_error(&x), KCI_INVALID_GROUP_ID);
    world_close(&s);
}

/* A group that does not exist yet takes anybody with a protocol type and at least one protocol. */
static void an_empty_group_wants_a_protocol(void **unused)
{
    struct world s;
    (void)unused;
    world_open(&s, 1, NULL);
    struct group_client a = group_client_of(&s, 1, "g", "a");
    a.protocols[0] = NULL;
    assert_code(group_join_error(&a), KCI_INCONSISTENT_GROUP_PROTOCOL);
    a.protocols[0] = "range";
    a.protocol_type = "";
    assert_code(group_join_error(&a), KCI_INCONSISTENT_GROUP_PROTOCOL);
    a.protocol_type = "connect";
    group_send_join(&a);
    assert_code(group_joined(&a)->error_code, KCI_MEMBER_ID_REQUIRED);
    world_close(&s);
}

/* KIP-394: a dynamic member of v4+ gets an id first, made of its client id and a UUID.  A rebalance waits for ids that
 * are given out, and they are forgotten after the session timeout. */
static void a_new_member_is_given_an_id_first(void **unused)
{
    struct world s;
    (void)unused;
    world_open(&s, 1, NULL);
    struct group_client a = group_client_of(&s, 1, "g", "a"), b = group_client_of(&s, 1, "g", "my-client"),
                        late = group_client_of(&s, 1, "g", "late");
    group_settle_one(&a);
    group_send_join(&b);
    const struct kci_join_group_response *answer = group_joined(&b);
    assert_code(answer->error_code, KCI_MEMBER_ID_REQUIRED);
    assert_int_equal(answer->member_id.size, strlen("my-client-") + 36);
    assert_memory_equal(answer->member_id.data, "my-client-", 10);
    assert_int_equal(answer->member_id.data[10 + 14], '4'); /* a random UUID */
    assert_code(group_beat(&a), KCI_NONE);                  /* nobody has joined yet */
    late.session_ms = 6000;
    group_send_join(&late);
    assert_code(group_joined(&late)->error_code, KCI_MEMBER_ID_REQUIRED);
    assert_null(group_join(&b));
    assert_null(group_join(&a)); /* all members are in, but not yet `late` */
    world_pass(&s, 5900);
    assert_null(group_joined(&a));
    world_pass(&s, 200); /* its id has expired */
    assert_int_equal(group_joined(&a)->members_count, 2);
    assert_int_equal(group_joined(&b)->generation_id, 2);
    assert_code(group_join_error(&late), KCI_UNKNOWN_MEMBER_ID);
    world_close(&s);
}

/* v0 to v3 know no MEMBER_ID_REQUIRED: the id comes with the first generation. */
static void old_clients_join_at_once(void **unused)
{
    struct world s;
    (void)unused;
    world_open(&s, 1, "group.initial.rebalance.delay.ms=0");
    for (int16_t version = 0; version <= 3; version++) {
        static const char *const groups[] = { "g0", "g1", "g2", "g3" };
        struct group_client a = group_client_of(&s, 1, groups[version], "old");
        a.join_version = version;
        group_send_join(&a);
        world_pass(&s, 0);
        const struct kci_join_group_response *answer = group_joined(&a);
        assert_non_null(answer);
        assert_code(answer->error_code, KCI_NONE);
        assert_int_equal(answer->generation_id, 1);
        assert_str(answer->protocol_name, "range");
        assert_true(kci_str_equal(answer->leader, answer->member_id));
    }
    world_close(&s);
}

/* Who is first waits for others; each newcomer extends the wait, but never beyond the rebalance timeout. */
static void the_initial_delay_gathers_members(void **unused)
{
    struct world s;
    (void)unused;
    world_open(&s, 1, NULL); /* Kafka's 3 s */
    struct group_client c[CLIENTS];
    for (int i = 0; i < CLIENTS; i++) {
        c[i] = group_client_of(&s, 1, "g", "c");
        c[i].rebalance_ms = 10000;
    }
    assert_null(group_join(&c[0]));
    for (int i = 1; i < 5; i++) { /* at 2, 4, 6, 8 s */
        world_pass(&s, 2000);
        assert_null(group_join(&c[i]));
        assert_null(group_joined(&c[0]));
    }
    world_pass(&s, 1900);
    assert_null(group_joined(&c[0])); /* 9.9 s */
    world_pass(&s, 100);
    const struct kci_join_group_response *lead = group_joined(&c[0]);
    assert_non_null(lead);
    assert_int_equal(lead->members_count, 5);
    assert_str(lead->protocol_type, "consumer");
    assert_false(lead->skip_assignment);
    for (int i = 1; i < 5; i++) {
        const struct kci_join_group_response *follow = group_joined(&c[i]);
        assert_int_equal(follow->generation_id, 1);
        assert_int_equal(follow->members_count, 0);
        assert_true(kci_str_equal(follow->leader, c[0].member_id));
    }
    world_close(&s);
}

/* The protocol is the one that most members put first among those that all have. */
static void members_vote_for_the_protocol(void **unused)
{
    struct world s;
    (void)unused;
    world_open(&s, 1, NULL);
    struct group_client a = group_client_of(&s, 1, "g", "a"), b = group_client_of(&s, 1, "g", "b"),
                        c = group_client_of(&s, 1, "g", "c");
    const char *offers[3][3] = { { "sticky", "range", "roundrobin" },
                                 { "roundrobin", "range" },
                                 { "range", "roundrobin" } };
    memcpy(a.protocols, offers[0], sizeof offers[0]);
    memcpy(b.protocols, offers[1], sizeof offers[1]);
    memcpy(c.protocols, offers[2], sizeof offers[2]);
    assert_null(group_join(&a));
    assert_null(group_join(&b));
    assert_null(group_join(&c));
    world_pass(&s, 6000);
    assert_str(group_joined(&a)->protocol_name, "range"); /* sticky is not for all */
    struct group_client d = group_client_of(&s, 1, "g", "d");
    d.protocols[0] = "sticky";
    assert_code(group_join_error(&d), KCI_INCONSISTENT_GROUP_PROTOCOL);
    d.protocols[0] = "range";
    d.protocol_type = "connect";
    assert_code(group_join_error(&d), KCI_INCONSISTENT_GROUP_PROTOCOL);
    world_close(&s);
}

/* A name that one member offers twice counts once: otherwise the group would believe that all have it. */
static void repeated_protocols_count_once(void **unused)
{
    struct world s;
    (void)unused;
    world_open(&s, 1, NULL);
    struct group_client a = group_client_of(&s, 1, "g", "a"), b = group_client_of(&s, 1, "g", "b");
    a.protocols[0] = a.protocols[1] = "range";
    a.protocols[2] = "sticky";
    b.protocols[0] = "sticky";
    assert_null(group_join(&a));
    assert_null(group_join(&b));
    world_pass(&s, 6000);
    assert_str(group_joined(&a)->protocol_name, "sticky");
    world_close(&s);
}

/* While a JoinGroup is parked its client may lose patience and come back on a new connection: the old request is
 * answered and only the new one counts. */
static void a_second_join_replaces_the_first(void **unused)
{
    struct world s;
    (void)unused;
    world_open(&s, 1, NULL);
    struct group_client a = group_client_of(&s, 1, "g", "a"), again;
    assert_null(group_join(&a));
    again = a;
    again.conn = group_connect(&s, 1, "a");
    assert_null(group_join(&again));
    assert_code(group_joined(&a)->error_code, KCI_REBALANCE_IN_PROGRESS);
    world_pass(&s, 3000);
    assert_int_equal(group_joined(&again)->members_count, 1);
    world_close(&s);
}

/* A client that hangs up while it waits stays a member until its session is over, as in Kafka; the others are not held
 * up. */
static void a_vanished_joiner_is_removed_by_its_session(void **unused)
{
    struct world s;
    (void)unused;
    world_open(&s, 1, NULL);
    struct group_client a = group_client_of(&s, 1, "g", "a"), b = group_client_of(&s, 1, "g", "b");
    assert_null(group_join(&a));
    assert_null(group_join(&b));
    client_hang_up(b.conn);
    world_pass(&s, 6000);
    assert_int_equal(group_joined(&a)->members_count, 2);
    struct group_part part = { a.member_id, "A" };
    assert_assigned(group_sync(&a, &part, 1), "A");
    struct group_client *all[] = { &a };
    group_pass_beating(all, 1, 9000);
    assert_code(group_beat(&a), KCI_NONE);
    group_pass_beating(all, 1, 1500);
    assert_code(group_beat(&a), KCI_REBALANCE_IN_PROGRESS);
    world_close(&s);
}

/* What a member says of itself is bytes: empty, binary or nonsense, it is handed to the leader as it came. */
static void metadata_is_opaque(void **unused)
{
    struct world s;
    (void)unused;
    static const char nonsense[] = "\xff\x00\xfe\x7f\xff\xff\xff\xff";
    world_open(&s, 1, NULL);
    struct group_client a = group_client_of(&s, 1, "g", "a");
    a.metadata = nonsense;
    a.raw_size = sizeof nonsense;
    assert_null(group_join(&a));
    world_pass(&s, 3000);
    const struct kci_join_group_response *lead = group_joined(&a);
    assert_int_equal(lead->members[0].metadata.size, sizeof nonsense);
    assert_memory_equal(lead->members[0].metadata.data, nonsense, sizeof nonsense);
    struct group_part part = { a.member_id, "\x01" };
    assert_assigned(group_sync(&a, &part, 1), "\x01");
    assert_int_equal(group_describe(&a)->members[0].member_metadata.size, sizeof nonsense);
    group_topic(&s, "t", 1); /* a subscription that cannot be read may be to anything */
    struct kci_offset_delete_request__offset_delete_request_partition p = { .partition_index = 0 };
    struct kci_offset_delete_request__offset_delete_request_topic t = { .name = kci_str_of("t"),
                                                                        .partitions = &p,
                                                                        .partitions_count = 1 };
    struct kci_offset_delete_request body = { .group_id = a.group, .topics = &t, .topics_count = 1 };
    const struct kci_offset_delete_response *answer = client_call(a.conn, KCI_API_OFFSET_DELETE, 0, &body);
    assert_code(answer->topics[0].partitions[0].error_code, KCI_GROUP_SUBSCRIBED_TO_TOPIC);
    world_close(&s);
}

/* Metadata beyond what could ever be written is refused before it takes memory; an assignment that is too large for the
 * log is an error for those who wait, and the group begins anew. */
static void too_much_is_refused(void **unused)
{
    struct world s;
    (void)unused;
    world_open(&s, 1, NULL);
    struct group_client a = group_client_of(&s, 1, "g", "a");
    size_t size = (4u << 20) + 1;
    char *large = kci_arena_take(&s.arena, size);
    a.metadata = memset(large, 'x', size);
    a.raw_size = size;
    assert_code(group_join_error(&a), KCI_UNKNOWN_SERVER_ERROR);
    a.metadata = "m";
    a.raw_size = 0;
    assert_null(group_join(&a));
    world_pass(&s, 3000);
    assert_non_null(group_joined(&a));
    large[size - 1] = 0;
    struct group_part part = { a.member_id, large };
    assert_code(group_sync(&a, &part, 1)->error_code, KCI_UNKNOWN_SERVER_ERROR);
    assert_code(group_beat(&a), KCI_REBALANCE_IN_PROGRESS);
    assert_int_equal(group_join(&a)->generation_id, 2);
    part = (struct group_part){ a.member_id, "A" };
    assert_assigned(group_sync(&a, &part, 1), "A");
    world_close(&s);
}

/* group.max.size counts members while the group is settled. */
static void a_full_group_takes_nobody(void **unused)
{
    struct world s;
    (void)unused;
    world_open(&s, 1, "group.max.size=2");
    struct group_client a = group_client_of(&s, 1, "g", "a"), b = group_client_of(&s, 1, "g", "b"),
                        c = group_client_of(&s, 1, "g", "c");
    group_settle_two(&a, &b);
    assert_code(group_join_error(&c), KCI_GROUP_MAX_SIZE_REACHED);
    assert_code(group_leave(&b), KCI_NONE);
    assert_null(group_join(&c));
    world_close(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_broken_rule_is_reported),
        cmocka_unit_test(an_empty_group_wants_a_protocol),
        cmocka_unit_test(a_new_member_is_given_an_id_first),
        cmocka_unit_test(old_clients_join_at_once),
        cmocka_unit_test(the_initial_delay_gathers_members),
        cmocka_unit_test(members_vote_for_the_protocol),
        cmocka_unit_test(repeated_protocols_count_once),
        cmocka_unit_test(a_second_join_replaces_the_first),
        cmocka_unit_test(a_vanished_joiner_is_removed_by_its_session),
        cmocka_unit_test(metadata_is_opaque),
        cmocka_unit_test(too_much_is_refused),
        cmocka_unit_test(a_full_group_takes_nobody),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
