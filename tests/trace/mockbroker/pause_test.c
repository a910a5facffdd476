/* Stories of steering: brokers that stall, groups that rebalance without a reason, faults with a switch. */
#include "mockbroker/core/fault.h"
#include "support/group_story.h"

/* A stalled leader: nothing is answered and nothing replicated, then others lead, and what comes back follows. */
static void a_paused_leader_is_silent_and_then_replaced(void **state)
{
    struct world world;
    (void)state;
    world_open(&world, 3, NULL);
    world_topic(&world, "orders", 1, 3, NULL);
    struct client *client = world_client(&world, 1), *other = world_client(&world, 2);
    struct kci_bytes batch = world_batch(&world, (struct batch_of){ .count = 1 });
    client_produce(client, "orders", 0, -1, batch);
    assert_int_equal(client_produced(client)->error_code, 0);
    assert_int_equal(mb_cluster_broker_pause(world.cluster, 1, world.now), 0);
    assert_int_equal(mb_cluster_broker_pause(world.cluster, 1, world.now), 0); /* it is what was asked for */
    client_produce(client, "orders", 0, -1, batch);
    struct client *late = world_client(&world, 1); /* the kernel takes it */
    assert_non_null(late->user);
    world_at(&world, 8999 * MS);
    assert_null(client_produced(client));
    assert_int_equal(world_look(&world, "orders", 0).leader, 1);
    world_at(&world, 9000 * MS); /* broker.session.timeout.ms */
    assert_int_equal(world_look(&world, "orders", 0).leader, 2);
    assert_int_equal(world_look(&world, "orders", 0).isr_count, 2);
    assert_false(client->closed);
    client_produce(other, "orders", 0, -1, batch);
    assert_int_equal(client_produced(other)->base_offset, 1);
    assert_int_equal(mb_cluster_broker_resume(world.cluster, 1, world.now), 0);
    world_at(&world, 9001 * MS);
    assert_true(client->wants_space); /* the broker reads again */
    client_push(client, 0);
    assert_int_equal(client_produced(client)->error_code, KCI_NOT_LEADER_OR_FOLLOWER); /* read only now */
    assert_int_equal(world_look(&world, "orders", 0).isr_count, 3);
    assert_int_equal(world_look(&world, "orders", 0).log_end, 2);
    world_close(&world);
}

/* A short stall: who paused before its session was over still leads, and goes on with what had come meanwhile. */
static void a_short_pause_costs_only_time(void **state)
{
    struct world world;
    (void)state;
    world_open(&world, 2, NULL);
    world_topic(&world, "orders", 1, 2, NULL);
    struct client *client = world_client(&world, 1), *eager = world_client(&world, 1);
    struct kci_bytes batch = world_batch(&world, (struct batch_of){ .count = 1 });
    assert_int_equal(mb_cluster_broker_pause(world.cluster, 2, world.now), 0); /* the follower */
    client_produce(client, "orders", 0, -1, batch);
    client_produce(eager, "orders", 0, 1, batch);
    assert_null(client_produced(client));
    assert_int_equal(client_produced(eager)->error_code, 0);
    assert_int_equal(world_look(&world, "orders", 0).high_watermark, 0);
    world_at(&world, 500 * MS);
    assert_int_equal(mb_cluster_broker_resume(world.cluster, 2, world.now), 0);
    world_at(&world, 501 * MS);
    assert_int_equal(client_produced(client)->error_code, 0);
    assert_int_equal(world_look(&world, "orders", 0).high_watermark, 2);
    world_at(&world, 60 * SECOND); /* no fence is left over */
    assert_int_equal(world_look(&world, "orders", 0).isr_count, 2);
    world_close(&world);
}

/* What else may be asked of a paused broker: stop it, start it; and of a stopped one: not to pause. */
static void paused_brokers_stop_and_start(void **state)
{
    struct world world;
    (void)state;
    world_open(&world, 2, NULL);
    world_topic(&world, "orders", 1, 2, NULL);
    struct client *client = world_client(&world, 1);
    assert_int_equal(mb_cluster_broker_pause(world.cluster, 3, world.now), KCI_BROKER_ID_NOT_REGISTERED);
    assert_int_equal(mb_cluster_broker_pause(world.cluster, 1, world.now), 0);
    assert_int_equal(mb_cluster_broker_stop(world.cluster, 1, false, world.now), 0);
    assert_true(client->closed);
    assert_int_equal(mb_cluster_broker_pause(world.cluster, 1, world.now), KCI_BROKER_NOT_AVAILABLE);
    assert_int_equal(mb_cluster_broker_resume(world.cluster, 1, world.now), KCI_BROKER_NOT_AVAILABLE);
    assert_int_equal(mb_cluster_broker_start(world.cluster, 1, world.now), 0);
    assert_int_equal(mb_cluster_broker_pause(world.cluster, 2, world.now), 0);
    world_at(&world, 20 * SECOND);
    assert_int_equal(world_look(&world, "orders", 0).leader, 1);
    assert_int_equal(mb_cluster_broker_start(world.cluster, 2, world.now), 0); /* fenced: this resumes it */
    assert_int_equal(world_look(&world, "orders", 0).isr_count, 2);
    assert_int_equal(mb_cluster_broker_pause(world.cluster, 2, world.now), 0); /* and is closed like this */
    world_close(&world);
}

/* Asked to rebalance, a group does; a member thrown out is as unknown as one that fell silent. */
static void groups_are_steered(void **state)
{
    struct world s;
    (void)state;
    world_open(&s, 1, NULL);
    struct group_client a = group_client_of(&s, 1, "g", "a"), b = group_client_of(&s, 1, "g", "b");
    assert_int_equal(mb_cluster_group_rebalance(s.cluster, NAME("g"), s.now), KCI_GROUP_ID_NOT_FOUND);
    group_settle_two(&a, &b);
    assert_int_equal(mb_cluster_group_rebalance(s.cluster, NAME("g"), s.now), 0);
    assert_code(group_beat(&a), KCI_REBALANCE_IN_PROGRESS);
    assert_null(group_join(&a));
    assert_int_equal(mb_cluster_group_kick(s.cluster, NAME("g"), NAME("nobody"), s.now), KCI_UNKNOWN_MEMBER_ID);
    assert_int_equal(mb_cluster_group_kick(s.cluster, NAME("g"), b.member_id, s.now), 0);
    world_at(&s, s.now + 1);
    assert_int_equal(group_joined(&a)->members_count, 1);
    assert_code(group_beat(&b), KCI_UNKNOWN_MEMBER_ID);
    assert_code(group_leave(&a), KCI_NONE);
    assert_int_equal(mb_cluster_group_rebalance(s.cluster, NAME("g"), s.now), KCI_UNKNOWN_MEMBER_ID);
    world_close(&s);
}

/* Off: it happens no more and what it holds goes on; on: its count begins again, its totals stay. */
static void faults_are_switched(void **state)
{
    struct world world;
    char why[200];
    int32_t id;
    (void)state;
    world_open(&world, 1, NULL);
    world_topic(&world, "orders", 1, 1, NULL);
    struct client *client = world_client(&world, 1);
    struct kci_bytes batch = world_batch(&world, (struct batch_of){ .count = 1 });
    assert_int_equal(mb_fault_add(world.cluster,
                                  kci_str_of("{\"match\":{\"api\":\"Produce\"},\"count\":1,\"action\":\"barrier\"}"),
                                  &id, why, sizeof why, world.now),
                     0);
    for (int64_t round = 1; round <= 3; round++) {
        client_produce(client, "orders", 0, -1, batch);
        assert_null(client_produced(client));
        assert_true(mb_fault_switch(world.cluster, id, false, world.now)); /* spent already: the barrier still holds */
        assert_int_equal(mb_fault_release(world.cluster, id, -1, world.now), 1);
        world_at(&world, world.now + 1);
        assert_int_equal(client_produced(client)->base_offset, 2 * round - 2);
        client_produce(client, "orders", 0, -1, batch);
        assert_int_equal(client_produced(client)->base_offset, 2 * round - 1);
        assert_true(mb_fault_switch(world.cluster, id, true, world.now));
    }
    assert_false(mb_fault_switch(world.cluster, id + 1, true, world.now));
    client_produce(client, "orders", 0, -1, batch);
    assert_null(client_produced(client));
    mb_fault_remove_all(world.cluster, world.now);
    assert_int_equal(mb_fault_add(world.cluster, kci_str_of("{\"match\":{\"api\":\"Produce\"},\"action\":\"barrier\"}"),
                                  &id, why, sizeof why, world.now),
                     0);
    world_at(&world, world.now + 1);
    assert_int_equal(client_produced(client)->base_offset, 6);
    client_produce(client, "orders", 0, -1, batch);
    assert_null(client_produced(client));
    assert_true(mb_fault_switch(world.cluster, id, false, world.now));
    world_at(&world, world.now + 1);
    assert_int_equal(client_produced(client)->base_offset, 7);
    world_close(&world);
}

/* A batch that is sent again waits for what it waited for before, not for what was appended meanwhile. */
static void a_duplicate_does_not_wait_for_later_batches(void **state)
{
    struct world world;
    (void)state;
    world_open(&world, 3, NULL);
    world_topic(&world, "orders", 1, 3, NULL);
    struct client *first = world_client(&world, 1), *second = world_client(&world, 1), *again = world_client(&world, 1);
    struct kci_bytes batch[2];
    for (int32_t i = 0; i < 2; i++)
        batch[i] = world_batch(&world, (struct batch_of){ .count = 1, .producer_id = 5, .sequence = i });
    assert_int_equal(mb_cluster_broker_pause(world.cluster, 2, world.now), 0);
    assert_int_equal(mb_cluster_broker_pause(world.cluster, 3, world.now), 0);
    client_produce(first, "orders", 0, -1, batch[0]);
    assert_int_equal(mb_cluster_broker_resume(world.cluster, 2, world.now), 0); /* it gets the first one only */
    world_at(&world, world.now + 1);
    assert_int_equal(mb_cluster_broker_pause(world.cluster, 2, world.now), 0);
    client_produce(second, "orders", 0, -1, batch[1]);
    client_produce(again, "orders", 0, -1, batch[0]);
    assert_null(client_produced(first));
    assert_null(client_produced(again));
    assert_int_equal(mb_cluster_broker_resume(world.cluster, 3, world.now), 0); /* it gets both */
    world_at(&world, world.now + 1);
    assert_int_equal(world_look(&world, "orders", 0).high_watermark, 1);
    assert_int_equal(client_produced(first)->base_offset, 0);
    assert_int_equal(client_produced(again)->base_offset, 0);
    assert_null(client_produced(second));
    assert_int_equal(mb_cluster_broker_resume(world.cluster, 2, world.now), 0);
    world_at(&world, world.now + 1);
    assert_int_equal(client_produced(second)->base_offset, 1);
    world_close(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_paused_leader_is_silent_and_then_replaced),
        cmocka_unit_test(a_short_pause_costs_only_time),
        cmocka_unit_test(a_duplicate_does_not_wait_for_later_batches),
        cmocka_unit_test(paused_brokers_stop_and_start),
        cmocka_unit_test(groups_are_steered),
        cmocka_unit_test(faults_are_switched),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
