/* Who may do what in a group: each API that names a member, in each state of the group, with every combination of member
 * id, instance id and generation (PROTOCOL 4.5 to 4.7).  So several rules are broken at once in most rows, and the order
 * of the checks shows.  The answers are those of Apache Kafka 4.3.1 to the same requests.
 *
 *      members   "s" is the static member "i", "d" a dynamic one, "x" is unknown, "" none; instance "j" is unknown
 *      answers   one letter each for the generations (or epochs) -1, -2, one too old, the right one, one too new
 *                .  NONE                      u  UNKNOWN_MEMBER_ID       f  FENCED_INSTANCE_ID   g  ILLEGAL_GENERATION
 *                r  REBALANCE_IN_PROGRESS     s  STALE_MEMBER_EPOCH      n  GROUP_ID_NOT_FOUND   v  UNSUPPORTED_VERSION
 *                -  not asked: it would be a good request, and change the state */
#include "support/group848_story.h"
#include "support/txn_story.h"

enum { HEARTBEAT, SYNC, COMMIT_8, COMMIT_9, TXN_COMMIT, APIS };
static const char *const api_names[APIS] = { "Heartbeat", "SyncGroup", "OffsetCommit 8", "OffsetCommit 9",
                                             "TxnOffsetCommit" };

struct row {
    const char *member, *instance;
    const char *answers[APIS];
};

/* clang-format off */
static const struct row absent[] = {
    { "", NULL, { "uuuuu", "uuuuu", "..ggg", "..nnn", "..ggg" } },
    { "", "i", { "uuuuu", "uuuuu", "..ggg", "..nnn", "..ggg" } },
    { "", "j", { "uuuuu", "uuuuu", "..ggg", "..nnn", "..ggg" } },
    { "x", NULL, { "uuuuu", "uuuuu", "..ggg", "..nnn", "..ggg" } },
    { "x", "i", { "uuuuu", "uuuuu", "..ggg", "..nnn", "..ggg" } },
    { "x", "j", { "uuuuu", "uuuuu", "..ggg", "..nnn", "..ggg" } },
};
static const struct row preparing[] = {
    { "", NULL, { "uuuuu", "uuuuu", "uuuuu", "uuuuu", "..uuu" } },
    { "", "i", { "fffff", "fffff", "fffff", "fffff", "fffff" } },
    { "", "j", { "uuuuu", "uuuuu", "uuuuu", "uuuuu", "uuuuu" } },
    { "x", NULL, { "uuuuu", "uuuuu", "uuuuu", "uuuuu", "uuuuu" } },
    { "x", "i", { "fffff", "fffff", "fffff", "fffff", "fffff" } },
    { "x", "j", { "uuuuu", "uuuuu", "uuuuu", "uuuuu", "uuuuu" } },
    { "s", NULL, { "gggrg", "gggrg", "ggg.g", "ggg.g", "ggg.g" } },
    { "s", "i", { "gggrg", "gggrg", "ggg.g", "ggg.g", "ggg.g" } },
    { "s", "j", { "uuuuu", "uuuuu", "uuuuu", "uuuuu", "uuuuu" } },
    { "d", NULL, { "gggrg", "gggrg", "ggg.g", "ggg.g", "ggg.g" } },
    { "d", "i", { "fffff", "fffff", "fffff", "fffff", "fffff" } },
    { "d", "j", { "uuuuu", "uuuuu", "uuuuu", "uuuuu", "uuuuu" } },
};
static const struct row completing[] = {
    { "", NULL, { "uuuuu", "uuuuu", "uuuuu", "uuuuu", "..uuu" } },
    { "", "i", { "fffff", "fffff", "fffff", "fffff", "fffff" } },
    { "", "j", { "uuuuu", "uuuuu", "uuuuu", "uuuuu", "uuuuu" } },
    { "x", NULL, { "uuuuu", "uuuuu", "uuuuu", "uuuuu", "uuuuu" } },
    { "x", "i", { "fffff", "fffff", "fffff", "fffff", "fffff" } },
    { "x", "j", { "uuuuu", "uuuuu", "uuuuu", "uuuuu", "uuuuu" } },
    { "s", NULL, { "ggg.g", "ggg-g", "gggrg", "gggrg", "ggg.g" } },
    { "s", "i", { "ggg.g", "ggg-g", "gggrg", "gggrg", "ggg.g" } },
    { "s", "j", { "uuuuu", "uuuuu", "uuuuu", "uuuuu", "uuuuu" } },
    { "d", NULL, { "ggg.g", "ggg-g", "gggrg", "gggrg", "ggg.g" } },
    { "d", "i", { "fffff", "fffff", "fffff", "fffff", "fffff" } },
    { "d", "j", { "uuuuu", "uuuuu", "uuuuu", "uuuuu", "uuuuu" } },
};
static const struct row stable[] = {
    { "", NULL, { "uuuuu", "uuuuu", "uuuuu", "uuuuu", "..uuu" } },
    { "", "i", { "fffff", "fffff", "fffff", "fffff", "fffff" } },
    { "", "j", { "uuuuu", "uuuuu", "uuuuu", "uuuuu", "uuuuu" } },
    { "x", NULL, { "uuuuu", "uuuuu", "uuuuu", "uuuuu", "uuuuu" } },
    { "x", "i", { "fffff", "fffff", "fffff", "fffff", "fffff" } },
    { "x", "j", { "uuuuu", "uuuuu", "uuuuu", "uuuuu", "uuuuu" } },
    { "s", NULL, { "ggg.g", "ggg.g", "ggg.g", "ggg.g", "ggg.g" } },
    { "s", "i", { "ggg.g", "ggg.g", "ggg.g", "ggg.g", "ggg.g" } },
    { "s", "j", { "uuuuu", "uuuuu", "uuuuu", "uuuuu", "uuuuu" } },
    { "d", NULL, { "ggg.g", "ggg.g", "ggg.g", "ggg.g", "ggg.g" } },
    { "d", "i", { "fffff", "fffff", "fffff", "fffff", "fffff" } },
    { "d", "j", { "uuuuu", "uuuuu", "uuuuu", "uuuuu", "uuuuu" } },
};
static const struct row empty[] = {
    { "", NULL, { "uuuuu", "uuuuu", "..uuu", "..uuu", "..uuu" } },
    { "", "i", { "uuuuu", "uuuuu", "..uuu", "..uuu", "..uuu" } },
    { "", "j", { "uuuuu", "uuuuu", "..uuu", "..uuu", "..uuu" } },
    { "x", NULL, { "uuuuu", "uuuuu", "..uuu", "..uuu", "..uuu" } },
    { "x", "i", { "uuuuu", "uuuuu", "..uuu", "..uuu", "..uuu" } },
    { "x", "j", { "uuuuu", "uuuuu", "..uuu", "..uuu", "..uuu" } },
    { "s", NULL, { "uuuuu", "uuuuu", "..uuu", "..uuu", "..uuu" } },
    { "s", "i", { "uuuuu", "uuuuu", "..uuu", "..uuu", "..uuu" } },
    { "s", "j", { "uuuuu", "uuuuu", "..uuu", "..uuu", "..uuu" } },
    { "d", NULL, { "uuuuu", "uuuuu", "..uuu", "..uuu", "..uuu" } },
    { "d", "i", { "uuuuu", "uuuuu", "..uuu", "..uuu", "..uuu" } },
    { "d", "j", { "uuuuu", "uuuuu", "..uuu", "..uuu", "..uuu" } },
};
static const struct row modern[] = {
    { "", NULL, { "uuuuu", "uuuuu", "uuuuu", "uuuuu", ".uuuu" } },
    { "", "i", { "fffff", "fffff", "uuuuu", "uuuuu", "uuuuu" } },
    { "", "j", { "uuuuu", "uuuuu", "uuuuu", "uuuuu", "uuuuu" } },
    { "x", NULL, { "uuuuu", "uuuuu", "uuuuu", "uuuuu", "uuuuu" } },
    { "x", "i", { "fffff", "fffff", "uuuuu", "uuuuu", "uuuuu" } },
    { "x", "j", { "uuuuu", "uuuuu", "uuuuu", "uuuuu", "uuuuu" } },
    { "d", NULL, { "uuuuu", "uuuuu", "vvvvv", "ss..s", "gg..g" } },
    { "d", "i", { "fffff", "fffff", "vvvvv", "ss..s", "gg..g" } },
    { "d", "j", { "uuuuu", "uuuuu", "vvvvv", "ss..s", "gg..g" } },
    { "s", NULL, { "uuuuu", "uuuuu", "vvvvv", "sss.s", "ggg.g" } },
    { "s", "i", { "uuuuu", "uuuuu", "vvvvv", "sss.s", "ggg.g" } },
    { "s", "j", { "uuuuu", "uuuuu", "vvvvv", "sss.s", "ggg.g" } },
};
static const struct row modern_empty[] = {
    { "", NULL, { "uuuuu", "uuuuu", "..uuu", "..uuu", "..uuu" } },
    { "", "i", { "uuuuu", "uuuuu", "..uuu", "..uuu", "..uuu" } },
    { "", "j", { "uuuuu", "uuuuu", "..uuu", "..uuu", "..uuu" } },
    { "x", NULL, { "uuuuu", "uuuuu", "..uuu", "..uuu", "..uuu" } },
    { "x", "i", { "uuuuu", "uuuuu", "..uuu", "..uuu", "..uuu" } },
    { "x", "j", { "uuuuu", "uuuuu", "..uuu", "..uuu", "..uuu" } },
    { "d", NULL, { "uuuuu", "uuuuu", "..uuu", "..uuu", "..uuu" } },
    { "d", "i", { "uuuuu", "uuuuu", "..uuu", "..uuu", "..uuu" } },
    { "d", "j", { "uuuuu", "uuuuu", "..uuu", "..uuu", "..uuu" } },
};
/* clang-format on */

struct story {
    struct world world;
    struct txn_client txn;
    struct group_client s, d;
    int groups; /* made up for the state in which there is none */
};

static void open_story(struct story *story)
{
    world_open(&story->world, 1, NULL);
    group_topic(&story->world, "t", 2);
    group_coordinator(&story->world, "g");
    story->txn = txn_client_of(&story->world, "txn");
    assert_code(txn_init(&story->txn, false), KCI_NONE);
    story->s = group_client_of(&story->world, 1, "g", "s");
    story->s.instance_id = kci_str_of("i");
    story->d = group_client_of(&story->world, 1, "g", "d");
    story->groups = 0;
}

static int16_t code_of(char letter)
{
    switch (letter) {
    case 'u':
        return KCI_UNKNOWN_MEMBER_ID;
    case 'f':
        return KCI_FENCED_INSTANCE_ID;
    case 'g':
        return KCI_ILLEGAL_GENERATION;
    case 'r':
        return KCI_REBALANCE_IN_PROGRESS;
    case 's':
        return KCI_STALE_MEMBER_EPOCH;
    case 'n':
        return KCI_GROUP_ID_NOT_FOUND;
    case 'v':
        return KCI_UNSUPPORTED_VERSION;
    default:
        return KCI_NONE;
    }
}

static int16_t commit_in_transaction(struct story *story, const struct group_client *who)
{
    struct kci_txn_offset_commit_request__txn_offset_commit_request_partition partition = {
        .committed_offset = 1, .committed_leader_epoch = -1, .committed_metadata = NAME("")
    };
    struct kci_txn_offset_commit_request__txn_offset_commit_request_topic topic = { .name = NAME("t"),
                                                                                    .partitions = &partition,
                                                                                    .partitions_count = 1 };
    struct kci_txn_offset_commit_request body;
    kci_codec_init(&kci_txn_offset_commit_request_schema, &body);
    body.transactional_id = story->txn.id;
    body.producer_id = story->txn.producer_id;
    body.producer_epoch = story->txn.epoch;
    body.group_id = who->group;
    body.member_id = who->member_id;
    body.group_instance_id = who->instance_id;
    body.generation_id_or_member_epoch = who->generation;
    body.topics = &topic;
    body.topics_count = 1;
    const struct kci_txn_offset_commit_response *answer = client_call(who->conn, KCI_API_TXN_OFFSET_COMMIT, 5, &body);
    return answer->topics[0].partitions[0].error_code;
}

static int16_t ask(struct story *story, int api, struct group_client *who)
{
    switch (api) {
    case HEARTBEAT:
        return group_beat(who);
    case SYNC: {
        const struct kci_sync_group_response *answer = group_sync(who, NULL, 0);
        assert_non_null(answer);
        return answer->error_code;
    }
    case TXN_COMMIT:
        return commit_in_transaction(story, who);
    default:
        return group_commit_with(who, "t", 0, 1, "", api == COMMIT_8 ? 8 : 9);
    }
}

static struct kci_str id_of(const struct story *story, const char *member)
{
    return *member == 's' ? story->s.member_id : *member == 'd' ? story->d.member_id : kci_str_of(member);
}

/* Each row of the table, with `right` as the right generation. */
static void play(struct story *story, const char *state, const struct row *rows, size_t count, int32_t right)
{
    const int32_t generations[] = { -1, -2, right - 1, right, right + 1 };
    struct group_client who = group_client_of(&story->world, 1, "g", "asks");
    for (size_t i = 0; i < count * APIS * 5; i++) {
        const struct row *row = &rows[i / 5 / APIS];
        int api = (int)(i / 5 % APIS);
        char expected = row->answers[api][i % 5], fresh[16];
        who.member_id = id_of(story, row->member);
        who.instance_id = row->instance ? kci_str_of(row->instance) : (struct kci_str){ NULL, 0 };
        who.generation = generations[i % 5];
        if (rows == absent) { /* a commit of a group that is not makes one */
            snprintf(fresh, sizeof fresh, "g%d", story->groups++);
            who.group = kci_str_of(fresh);
        }
        int16_t code = expected == '-' ? KCI_NONE : ask(story, api, &who);
        if (code != code_of(expected))
            fail_msg("%s, %s of member '%s', instance %s, generation %d: %s instead of %s", state, api_names[api],
                     row->member, row->instance ? row->instance : "none", (int)who.generation, kci_error_name(code),
                     kci_error_name(code_of(expected)));
    }
}
#define PLAY(story, table, right) play(story, #table, table, sizeof table / sizeof table[0], right)

/* Two members of the classic protocol, from nothing to nobody. */
static void classic_groups(void **unused)
{
    struct story story;
    struct group_client *s = &story.s, *d = &story.d;
    (void)unused;
    open_story(&story);
    PLAY(&story, absent, 5);
    group_settle_one(s);
    assert_null(group_join(d));
    PLAY(&story, preparing, 1);
    assert_non_null(group_join(s));
    assert_non_null(group_joined(d));
    assert_int_equal(d->generation, 2);
    PLAY(&story, completing, 2);
    struct group_part parts[] = { { s->member_id, "S" }, { d->member_id, "D" } };
    assert_null(group_sync(d, NULL, 0));
    assert_assigned(group_sync(s, parts, 2), "S");
    assert_assigned(group_synced(d), "D");
    PLAY(&story, stable, 2);
    assert_code(group_leave(d), KCI_NONE);
    assert_code(group_leave(s), KCI_NONE);
    PLAY(&story, empty, 2);
    world_close(&story.world);
}

/* Two members of the consumer protocol: partition 0 is d's since epoch 2, and both are at 3. */
static void groups_of_the_consumer_protocol(void **unused)
{
    struct story story;
    (void)unused;
    open_story(&story);
    story.s.member_id = kci_str_of("s");
    story.d.member_id = kci_str_of("d");
    struct member d = member_of(&story.world, 1, "g", "d", "t"), s = member_of(&story.world, 1, "g", "s", "t");
    struct member *both[] = { &d, &s };
    s.instance_id = kci_str_of("i");
    member_join(&d);
    world_pass(&story.world, 5000);
    member_join(&s);
    members_beat(both, 2, 4);
    assert_owns(&d, "0");
    assert_owns(&s, "1");
    assert_int_equal(d.epoch, 3);
    PLAY(&story, modern, 3);
    assert_code(member_call(&d, -1, SAYS_NOTHING), KCI_NONE);
    assert_code(member_call(&s, -1, SAYS_NOTHING), KCI_NONE);
    PLAY(&story, modern_empty, 3);
    world_close(&story.world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(classic_groups),
        cmocka_unit_test(groups_of_the_consumer_protocol),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
