/* Words for stories about mixed groups: a consumer of the classic protocol that speaks the embedded protocol as real
 * ones do, with topic "t" as the only one. */
#ifndef TEST_SUPPORT_GROUP_MIXED_STORY_H
#define TEST_SUPPORT_GROUP_MIXED_STORY_H

#include "support/group848_story.h"

/* ---- the classic half: the embedded protocol, written and read ---- */

/* What a cooperative consumer puts into JoinGroup: topic "t", and what it owns of it. */
struct subscription {
    uint8_t bytes[200];
    size_t size;
};

static inline struct subscription subscription_of(int16_t version, const int32_t *owned, int32_t count)
{
    struct subscription out;
    struct kci_writer w = kci_writer_fixed(out.bytes, sizeof out.bytes);
    kci_writer_i16(&w, version);
    kci_writer_i32(&w, 1);
    kci_writer_i16(&w, 1);
    kci_writer_bytes(&w, "t", 1);
    kci_writer_i32(&w, -1); /* user data */
    if (version >= 1) {
        kci_writer_i32(&w, count ? 1 : 0);
        if (count) {
            kci_writer_i16(&w, 1);
            kci_writer_bytes(&w, "t", 1);
            kci_writer_i32(&w, count);
        }
        for (int32_t i = 0; i < count; i++)
            kci_writer_i32(&w, owned[i]);
    }
    if (version >= 2)
        kci_writer_i32(&w, -1);
    if (version >= 3)
        kci_writer_i16(&w, -1);
    out.size = w.size;
    assert_false(w.failed);
    return out;
}

/* An assignment of topic "t"; `data` is user data, NULL: none. */
static inline struct subscription assignment_of(const char *partitions, const char *data)
{
    struct subscription out;
    struct kci_writer w = kci_writer_fixed(out.bytes, sizeof out.bytes);
    kci_writer_i16(&w, 0);
    kci_writer_i32(&w, 1);
    kci_writer_i16(&w, 1);
    kci_writer_bytes(&w, "t", 1);
    kci_writer_i32(&w, (int32_t)strlen(partitions));
    for (const char *p = partitions; *p; p++)
        kci_writer_i32(&w, *p - '0');
    kci_writer_i32(&w, data ? (int32_t)strlen(data) : -1);
    kci_writer_bytes(&w, data, data ? strlen(data) : 0);
    out.size = w.size;
    return out;
}

struct classic {
    struct group_client c;
    struct subscription metadata;
    int32_t owned[MEMBER_PARTITIONS]; /* of "t" */
    int32_t owned_count;
    bool eager; /* owns nothing when it joins */
};

static inline struct classic classic_of(struct world *s, int32_t broker, const char *id)
{
    struct classic x = { .c = group_client_of(s, broker, "g", id) };
    x.c.protocols[0] = "cooperative-sticky";
    x.c.protocols[1] = "range";
    return x;
}

static inline void classic_speak(struct classic *x)
{
    x->metadata = subscription_of(3, x->owned, x->eager ? 0 : x->owned_count);
    x->c.metadata = (const char *)x->metadata.bytes;
    x->c.raw_size = x->metadata.size;
}

/* "0 1 3", of an assignment in its encoding. */
static inline void classic_take(struct classic *x, struct kci_bytes assignment)
{
    struct kci_reader r = kci_reader_of(assignment.data, assignment.size);
    x->owned_count = 0;
    assert_int_equal(kci_reader_i16(&r), 3); /* the version of its subscription */
    int32_t topics = kci_reader_i32(&r);
    for (int32_t t = 0; t < topics; t++) {
        assert_int_equal(kci_reader_i16(&r), 1);
        assert_memory_equal(kci_reader_take(&r, 1), "t", 1);
        for (int32_t left = kci_reader_i32(&r); left > 0; left--)
            x->owned[x->owned_count++] = kci_reader_i32(&r);
    }
    assert_int_equal(kci_reader_i32(&r), -1);
    assert_int_equal(kci_reader_left(&r), 0);
    assert_false(r.failed);
}

static inline void assert_has(const struct classic *x, const char *partitions)
{
    char text[300] = "";
    for (int32_t i = 0; i < x->owned_count; i++)
        snprintf(text + strlen(text), sizeof text - strlen(text), "%s%d", i ? " " : "", x->owned[i]);
    assert_string_equal(text, partitions);
}

/* Join and sync inside a mixed group: both are answered at once, and nobody leads. */
static inline void classic_rejoin(struct classic *x)
{
    classic_speak(x);
    const struct kci_join_group_response *joined = group_join(&x->c);
    assert_non_null(joined);
    assert_code(joined->error_code, KCI_NONE);
    assert_str(joined->leader, "");
    assert_int_equal(joined->members_count, 0);
    assert_str(joined->protocol_type, "consumer");
    assert_str(joined->protocol_name, x->c.protocols[0]);
    const struct kci_sync_group_response *synced = group_sync(&x->c, NULL, 0);
    assert_non_null(synced);
    assert_code(synced->error_code, KCI_NONE);
    classic_take(x, synced->assignment);
}

/* A heartbeat of a good client: joins again when it is told to. */
static inline void classic_beat(struct classic *x)
{
    int16_t error = group_beat(&x->c);
    if (error == KCI_REBALANCE_IN_PROGRESS)
        classic_rejoin(x);
    else
        assert_code(error, KCI_NONE);
}

/* A classic group of one or two members that share partitions 0 to 3 of "t". */
static inline void classic_settle(struct classic *x, const char *has, struct classic *y, const char *had)
{
    struct classic *both[] = { x, y };
    const char *parts[] = { has, had };
    struct subscription bytes[2];
    const struct kci_join_group_response *joined[2];
    struct kci_sync_group_request__sync_group_request_assignment list[2] = { { .tags = { 0 } } };
    int count = y ? 2 : 1;
    for (int i = 0; i < count; i++) {
        classic_speak(both[i]);
        joined[i] = group_join(&both[i]->c); /* at once, where only it is missing */
    }
    if (!joined[0])
        world_pass(x->c.s, 6000);
    for (int i = 0; i < count; i++) {
        joined[i] = joined[i] ? joined[i] : group_joined(&both[i]->c);
        assert_code(joined[i]->error_code, KCI_NONE);
    }
    for (int i = 0; i < count; i++) {
        bytes[i] = assignment_of(parts[i], NULL);
        list[i].member_id = both[i]->c.member_id;
        list[i].assignment = (struct kci_bytes){ bytes[i].bytes, bytes[i].size };
        both[i]->owned_count = 0;
        for (const char *p = parts[i]; *p; p++)
            both[i]->owned[both[i]->owned_count++] = *p - '0';
    }
    struct kci_sync_group_request body = { .group_id = x->c.group,
                                           .generation_id = x->c.generation,
                                           .member_id = x->c.member_id,
                                           .protocol_type = kci_str_of("consumer"),
                                           .protocol_name = kci_str_of(x->c.protocols[0]),
                                           .assignments = list,
                                           .assignments_count = count };
    if (y)
        group_send_sync(&y->c, NULL, 0);
    client_send(x->c.conn, KCI_API_SYNC_GROUP, 5, &body);
    for (int i = 0; i < count; i++)
        assert_code(group_synced(&both[i]->c)->error_code, KCI_NONE);
}

/* Rounds of heartbeats, five seconds apart, of up to two of each. */
static inline void beat_all(struct member **members, int member_count, struct classic **classics, int classic_count,
                            int rounds)
{
    struct world *s = member_count ? members[0]->s : classics[0]->c.s;
    for (int r = 0; r < rounds; r++) {
        world_pass(s, 5000);
        for (int i = 0; i < member_count; i++)
            member_beat(members[i]);
        for (int i = 0; i < classic_count; i++)
            classic_beat(classics[i]);
    }
}

#endif
