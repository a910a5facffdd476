/* Our members and mockbroker's coordinator, both engines whole, in one thread and virtual time: the KIP-848 protocol from
 * end to end, told as what each application hears.
 *
 *      consumer engine --- group requests, as bytes ---> broker core
 *           |------------- everything else --------> script (metadata, logs)
 *
 * Each is tested alone against a script elsewhere; here they have to agree. */
#include "support/mock_world.h"
#include "support/script_consumer.h"

#define MEMBERS  3
#define BEGAN_US (1000 * (int64_t)SECOND) /* of script_peer's clock */

static struct world cluster;
static struct {
    struct script_peer peer;
    struct script_consumer sc;
    struct client *line; /* to the coordinator */
    bool alive;          /* its process runs */
} members[MEMBERS];

static bool is_for_the_group(int16_t api)
{
    return api == KCI_API_CONSUMER_GROUP_HEARTBEAT || api == KCI_API_OFFSET_COMMIT || api == KCI_API_OFFSET_FETCH;
}

/* A request goes to the broker as it is, and the answer back. */
static bool serve(struct script_peer *peer, struct script_request *r)
{
    uint8_t length[4];
    size_t i = 0;
    while (&members[i].peer != peer)
        i++;
    if (!is_for_the_group(r->header.api_key))
        return sc_serve_(peer, r);
    struct client *line = members[i].line;
    if (peer->now - BEGAN_US > cluster.now) /* the members take turns, so one may be a little behind */
        world_at(&cluster, peer->now - BEGAN_US);
    kci_put32(length, (uint32_t)r->frame_size);
    client_bytes(line, length, sizeof length);
    client_bytes(line, r->frame, r->frame_size);
    assert_true(line->in_size >= 4 && line->in_size == 4 + (size_t)kci_be32(line->in)); /* answered at once, once */
    r->taken = r->answered = true;
    script_deliver_(peer, r->conn, line->in, line->in_size);
    line->in_size = 0;
    return true;
}

static void start(size_t i, const char *instance)
{
    struct script_consumer *sc = &members[i].sc;
    int64_t now = cluster.now + BEGAN_US;
    script_consumer_init(sc, &members[i].peer);
    members[i].peer.now = now;
    members[i].peer.serve = serve;
    members[i].peer.topics[0].partitions = 3;
    members[i].peer.topics[0].id = mb_topic_find(cluster.cluster, NAME("t"))->id;
    members[i].line = world_client(&cluster, 1);
    sc->seed = 100 + cluster.client_count; /* of its member id */
    sc->settings.group_protocol_consumer = 1;
    sc->settings.group_instance_id = instance;
    sc->settings.enable_auto_commit = true;
    script_consumer_create(sc);
    members[i].alive = true;
    script_subscribe(sc);
}

/* Without a word. */
static void crash(size_t i)
{
    members[i].alive = false;
    script_consumer_end(&members[i].sc);
}

/* All who live go on, and poll. */
static void pass(int seconds)
{
    for (int tick = 0; tick < seconds * 10; tick++)
        for (size_t i = 0; i < MEMBERS; i++)
            if (members[i].alive) {
                script_advance(&members[i].peer, 100);
                script_poll_all(&members[i].sc);
            }
}

static void expect(size_t i, const char *told)
{
    assert_noted(&members[i].sc, told);
}

static void begin(void)
{
    memset(members, 0, sizeof members);
    world_open(&cluster, 1,
               "group.consumer.heartbeat.interval.ms=5000 group.consumer.session.timeout.ms=45000 "
               "offsets.topic.num.partitions=1 offsets.topic.replication.factor=1");
    world_topic(&cluster, "t", 3, 1, NULL);
    world_at(&cluster, SECOND);
}

static void end(void)
{
    for (size_t i = 0; i < MEMBERS; i++)
        if (members[i].alive)
            crash(i);
    world_close(&cluster);
}

static void leave(size_t i, bool for_good)
{
    struct script_consumer *sc = &members[i].sc;
    struct kci_consumer_event event;
    kc_err code;
    kci_consumer_begin_leave(sc->core, for_good, members[i].peer.now, members[i].peer.now + 10 * (int64_t)SECOND);
    script_step(&members[i].peer);
    while (!kci_consumer_left(sc->core, &code)) {
        kci_consumer_next_event(sc->core, &event, members[i].peer.now);
        if (event.kind != KCI_EVENT_NONE)
            sc_run_event_(sc, &event);
        else
            script_advance(&members[i].peer, 10);
    }
    assert_int_equal(code, KC_OK);
}

/* Members come and go one after the other: only what moves is taken away, what is taken is given, and all partitions
 * have an owner in the end. */
static void members_come_and_go(void **state)
{
    (void)state;
    begin();
    start(0, NULL);
    pass(15);
    expect(0, "assigned(t-0,t-1,t-2)");
    start(1, NULL);
    pass(30);
    expect(0, "revoked(t-2) assigned()");
    expect(1, "assigned() assigned(t-2)");
    start(2, NULL);
    pass(30);
    expect(0, "revoked(t-1) assigned()");
    expect(1, "");
    expect(2, "assigned() assigned(t-1)");
    leave(1, true);
    expect(1, "revoked(t-2)");
    crash(1);
    pass(30);
    crash(2); /* found out by its session */
    pass(120);
    members[0].sc.seen[strlen("assigned(t-")] = 0; /* who got that of the leaver first is the assignor's choice */
    expect(0, "assigned(t-");
    struct kci_partition_list all;
    assert_int_equal(kci_consumer_assignment(members[0].sc.core, &all), KC_OK);
    assert_int_equal(all.count, 3);
    kci_partition_list_free(&members[0].sc.alloc, &all);
    end();
}

/* A member is cut off for longer than its session: it is lost, joins again with its id, and gets its share back. */
static void who_was_cut_off_comes_back(void **state)
{
    (void)state;
    begin();
    start(0, NULL);
    start(1, NULL);
    pass(40);
    members[0].sc.seen[0] = members[1].sc.seen[0] = 0;
    members[1].alive = false; /* its process is stopped for a minute */
    pass(60);
    struct kci_partition_list all;
    assert_int_equal(kci_consumer_assignment(members[0].sc.core, &all), KC_OK);
    assert_int_equal(all.count, 3);
    kci_partition_list_free(&members[0].sc.alloc, &all);
    members[1].alive = true;
    members[1].peer.now = members[0].peer.now;
    pass(40);
    assert_int_equal(strncmp(members[1].sc.seen, "lost(", 5), 0);
    assert_non_null(strstr(members[1].sc.seen, "assigned(t-"));
    assert_null(strstr(members[1].sc.seen, "revoked("));
    end();
}

/* A static member restarts within its session: it gets what it had, and the other one hears nothing of it. */
static void a_static_member_restarts(void **state)
{
    struct kci_partition_list before, after;
    (void)state;
    begin();
    start(0, NULL);
    start(1, "i");
    pass(40);
    members[0].sc.seen[0] = members[1].sc.seen[0] = 0;
    assert_int_equal(kci_consumer_assignment(members[0].sc.core, &before), KC_OK);
    leave(1, true);
    crash(1);
    pass(10);
    start(1, "i");
    pass(30);
    expect(0, "");
    assert_int_equal(kci_consumer_assignment(members[1].sc.core, &after), KC_OK);
    assert_int_equal(before.count + after.count, 3);
    kci_partition_list_free(&members[1].sc.alloc, &after);
    kci_partition_list_free(&members[0].sc.alloc, &before);
    end();
}

/* Unsubscribed, and subscribed again at once: with the same id, while the other one has begun to take over. */
static void a_member_leaves_and_is_back(void **state)
{
    struct kci_partition_list mine, theirs;
    (void)state;
    begin();
    start(0, NULL);
    start(1, NULL);
    pass(40);
    for (int round = 0; round < 3; round++) {
        leave(1, false);
        pass(round); /* the other one hears of it, or not */
        script_subscribe(&members[1].sc);
        pass(40);
        assert_int_equal(kci_consumer_assignment(members[0].sc.core, &mine), KC_OK);
        assert_int_equal(kci_consumer_assignment(members[1].sc.core, &theirs), KC_OK);
        assert_int_equal(mine.count + theirs.count, 3);
        assert_true(mine.count >= 1 && theirs.count >= 1);
        kci_partition_list_free(&members[0].sc.alloc, &mine);
        kci_partition_list_free(&members[1].sc.alloc, &theirs);
    }
    assert_null(strstr(members[1].sc.seen, "lost("));
    end();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(members_come_and_go),
        cmocka_unit_test(who_was_cut_off_comes_back),
        cmocka_unit_test(a_static_member_restarts),
        cmocka_unit_test(a_member_leaves_and_is_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
