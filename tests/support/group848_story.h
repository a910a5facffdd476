/* Words for stories about groups of the consumer protocol (KIP-848): join, beat, own, leave.  A member is the client's
 * half of the protocol, as simple as can be: it takes over what it is told. */
#ifndef TEST_SUPPORT_GROUP848_STORY_H
#define TEST_SUPPORT_GROUP848_STORY_H

#include "support/group_story.h"

#define MEMBER_PARTITIONS 64

struct member {
    struct world *s;
    struct client *conn;
    struct kci_str group, id, instance_id, regex, assignor; /* data NULL: none */
    struct kci_str topics[4];
    int32_t topic_count; /* -1: null */
    int32_t epoch;
    int32_t rebalance_ms;
    int16_t version;
    int32_t owned[MEMBER_PARTITIONS]; /* partitions of the one topic that most stories have */
    int32_t owned_count;
    struct kci_uuid topic; /* of owned */
    bool told;             /* the last answer had an assignment, in given */
    int32_t given[MEMBER_PARTITIONS];
    int32_t given_count;
};

static inline struct member member_of(struct world *s, int32_t broker, const char *group, const char *id,
                                      const char *topic)
{
    return (struct member){
        .s = s,
        .conn = group_connect(s, broker, id),
        .group = kci_str_of(group),
        .id = kci_str_of(id),
        .topics = { kci_str_of(topic) },
        .topic_count = 1,
        .rebalance_ms = 60000,
        .version = 1,
    };
}

/* What a heartbeat says beyond who it is. */
enum { SAYS_NOTHING, SAYS_OWNED = 1, SAYS_ALL = 3 };

static inline void member_queue(struct member *m, int32_t epoch, int what)
{
    struct kci_consumer_group_heartbeat_request body;
    struct kci_consumer_group_heartbeat_request__topic_partitions own = { .topic_id = m->topic,
                                                                          .partitions = m->owned,
                                                                          .partitions_count = m->owned_count };
    kci_codec_init(&kci_consumer_group_heartbeat_request_schema, &body);
    body.group_id = m->group;
    body.member_id = m->id;
    body.member_epoch = epoch;
    body.instance_id = m->instance_id;
    if (what == SAYS_ALL) {
        body.rebalance_timeout_ms = m->rebalance_ms;
        body.subscribed_topic_names = m->topics;
        body.subscribed_topic_names_count = m->topic_count;
        body.subscribed_topic_regex = m->regex;
        body.server_assignor = m->assignor;
    }
    if (what & SAYS_OWNED) {
        body.topic_partitions = &own;
        body.topic_partitions_count = m->owned_count && epoch != 0 ? 1 : 0;
    }
    client_queue(m->conn, KCI_API_CONSUMER_GROUP_HEARTBEAT, m->version, &body);
}

static inline void member_send(struct member *m, int32_t epoch, int what)
{
    member_queue(m, epoch, what);
    client_push(m->conn, 0);
}

static inline const struct kci_consumer_group_heartbeat_response *member_answer(struct member *m)
{
    const struct kci_consumer_group_heartbeat_response *answer =
        client_answer(m->conn, KCI_API_CONSUMER_GROUP_HEARTBEAT, m->version);
    if (!answer || answer->error_code)
        return answer;
    m->epoch = answer->member_epoch;
    m->told = answer->assignment != NULL;
    if (!m->told)
        return answer;
    m->given_count = 0;
    for (int32_t t = 0; t < answer->assignment->topic_partitions_count; t++)
        for (int32_t p = 0; p < answer->assignment->topic_partitions[t].partitions_count; p++) {
            assert_true(m->given_count < MEMBER_PARTITIONS);
            m->topic = answer->assignment->topic_partitions[t].topic_id;
            m->given[m->given_count++] = answer->assignment->topic_partitions[t].partitions[p];
        }
    return answer;
}

static inline int16_t member_call(struct member *m, int32_t epoch, int what)
{
    member_send(m, epoch, what);
    const struct kci_consumer_group_heartbeat_response *answer = member_answer(m);
    assert_non_null(answer);
    return answer->error_code;
}

/* Owns what it was given: revoked what is not in it, took the rest. */
static inline void member_take(struct member *m)
{
    memcpy(m->owned, m->given, sizeof m->owned);
    m->owned_count = m->given_count;
}

static inline void member_join(struct member *m)
{
    assert_code(member_call(m, 0, SAYS_ALL), KCI_NONE);
    assert_true(m->told);
    member_take(m);
}

/* A heartbeat of a good client: says what it owns if that changed with the last one. */
static inline void member_beat(struct member *m)
{
    bool acknowledges = m->told;
    m->told = false;
    assert_code(member_call(m, m->epoch, acknowledges ? SAYS_OWNED : SAYS_NOTHING), KCI_NONE);
    if (m->told)
        member_take(m);
}

static inline void assert_owns(const struct member *m, const char *partitions)
{
    char text[300] = "";
    for (int32_t i = 0; i < m->owned_count; i++)
        snprintf(text + strlen(text), sizeof text - strlen(text), "%s%d", i ? " " : "", m->owned[i]);
    assert_string_equal(text, partitions);
}

/* Everybody beats `rounds` times, five seconds apart. */
static inline void members_beat(struct member **members, int count, int rounds)
{
    for (int r = 0; r < rounds; r++) {
        world_pass(members[0]->s, 5000);
        for (int i = 0; i < count; i++)
            member_beat(members[i]);
    }
}

static inline const struct kci_consumer_group_describe_response__described_group *members_describe(struct client *conn,
                                                                                                   const char *group)
{
    struct kci_str id = kci_str_of(group);
    struct kci_consumer_group_describe_request body = { .group_ids = &id, .group_ids_count = 1 };
    const struct kci_consumer_group_describe_response *answer =
        client_call(conn, KCI_API_CONSUMER_GROUP_DESCRIBE, 1, &body);
    return &answer->groups[0];
}

#endif
