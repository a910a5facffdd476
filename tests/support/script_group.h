/* The group's coordinator in a script_consumer's world: its answers, each given by hand.
 *
 *      script_join(&sc, 1, "01");                   // the classic protocol, as a follower: partitions 0 and 1 of "t"
 *      script_answer_commit(&sc, KCI_NONE);
 *      script_answer_modern(&sc, KCI_NONE, 2, "1"); // KIP-848: epoch 2, partition 1 */
#ifndef TEST_SUPPORT_SCRIPT_GROUP_H
#define TEST_SUPPORT_SCRIPT_GROUP_H

#include "support/script_consumer.h"

/* Answer JoinGroup; leader "" or "me": we are. With MEMBER_ID_REQUIRED the id is given. */
static inline void script_answer_join(struct script_consumer *sc, int16_t error, int32_t generation, const char *leader)
{
    struct script_request *r = script_expect(sc, KCI_API_JOIN_GROUP);
    const struct kci_join_group_request *request = r->message;
    struct kci_join_group_response response;
    struct kci_join_group_response__join_group_response_member member;
    kci_codec_init(&kci_join_group_response_schema, &response);
    kci_codec_init(&kci_join_group_response__join_group_response_member_schema, &member);
    response.error_code = error;
    response.generation_id = error ? -1 : generation;
    response.protocol_type = kci_str_of(sc->protocol_type ? sc->protocol_type : "consumer");
    response.protocol_name = error ? kci_str_of("") : request->protocols[0].name;
    if (sc->protocol_name)
        response.protocol_name = kci_str_of(sc->protocol_name);
    response.member_id = kci_str_of("me");
    response.leader = kci_str_of(leader);
    member.member_id = kci_str_of("me");
    member.metadata = request->protocols[0].metadata;
    if (!error && strcmp(leader, "me") == 0) {
        response.members = &member;
        response.members_count = 1;
    }
    script_answer(sc->peer, r, &response);
}

/* Answer SyncGroup with these partitions of "t": a string such as "01". */
static inline void script_answer_sync(struct script_consumer *sc, int16_t error, const char *partitions)
{
    struct script_request *r = script_expect(sc, KCI_API_SYNC_GROUP);
    struct kci_sync_group_response response;
    struct kci_consumer_protocol_assignment assignment;
    struct kci_consumer_protocol_assignment__topic_partition topic = { .topic = kci_str_of("t") };
    int32_t numbers[SC_PARTITIONS];
    uint8_t buffer[256];
    struct kci_writer w = kci_writer_fixed(buffer, sizeof buffer);
    kci_codec_init(&kci_sync_group_response_schema, &response);
    kci_codec_init(&kci_consumer_protocol_assignment_schema, &assignment);
    for (; *partitions; partitions++)
        numbers[topic.partitions_count++] = *partitions - '0';
    topic.partitions = numbers;
    assignment.assigned_partitions = &topic;
    assignment.assigned_partitions_count = topic.partitions_count > 0;
    kci_writer_i16(&w, 3);
    assert_true(kci_codec_encode(&kci_consumer_protocol_assignment_schema, 3, &assignment, &w));
    response.error_code = error;
    response.protocol_type = kci_str_of(sc->protocol_type ? sc->protocol_type : "consumer");
    response.protocol_name = ((const struct kci_sync_group_request *)r->message)->protocol_name;
    if (sc->protocol_name)
        response.protocol_name = kci_str_of(sc->protocol_name);
    response.assignment = (struct kci_bytes){ buffer, w.size };
    script_answer(sc->peer, r, &response);
}

static inline void script_beat(struct script_consumer *sc, int16_t error)
{
    struct kci_heartbeat_response response;
    kci_codec_init(&kci_heartbeat_response_schema, &response);
    response.error_code = error;
    script_answer(sc->peer, script_expect(sc, KCI_API_HEARTBEAT), &response);
}

static inline void script_answer_leave(struct script_consumer *sc)
{
    struct kci_leave_group_response response;
    kci_codec_init(&kci_leave_group_response_schema, &response);
    script_answer(sc->peer, script_expect(sc, KCI_API_LEAVE_GROUP), &response);
}

/* Answer OffsetCommit with the error of each partition; on success sc->committed follows. */
static inline void script_answer_commit_each(struct script_consumer *sc, const int16_t errors[SC_PARTITIONS])
{
    struct script_request *r = script_expect(sc, KCI_API_OFFSET_COMMIT);
    const struct kci_offset_commit_request *request = r->message;
    struct kci_offset_commit_response response;
    struct kci_offset_commit_response__offset_commit_response_topic topics[4];
    struct kci_offset_commit_response__offset_commit_response_partition partitions[16];
    int32_t used = 0;
    kci_codec_init(&kci_offset_commit_response_schema, &response);
    memset(topics, 0, sizeof topics);
    response.topics = topics;
    response.topics_count = request->topics_count;
    for (int32_t t = 0; t < request->topics_count; t++) {
        topics[t].name = request->topics[t].name;
        topics[t].topic_id = request->topics[t].topic_id;
        topics[t].partitions = &partitions[used];
        for (int32_t p = 0; p < request->topics[t].partitions_count; p++) {
            kci_codec_init(&kci_offset_commit_response__offset_commit_response_partition_schema, &partitions[used]);
            const struct kci_offset_commit_request__offset_commit_request_partition *from =
                &request->topics[t].partitions[p];
            partitions[used].partition_index = from->partition_index;
            int16_t error = errors[from->partition_index];
            partitions[used++].error_code = error;
            topics[t].partitions_count++;
            if (error)
                continue;
            sc->committed[from->partition_index] = from->committed_offset;
            snprintf(sc->notes[from->partition_index], sizeof sc->notes[0], "%.*s", (int)from->committed_metadata.size,
                     from->committed_metadata.data);
        }
    }
    script_answer(sc->peer, r, &response);
}

/* ... with one for every partition. */
static inline void script_answer_commit(struct script_consumer *sc, int16_t error)
{
    int16_t errors[SC_PARTITIONS];
    for (int i = 0; i < SC_PARTITIONS; i++)
        errors[i] = error;
    script_answer_commit_each(sc, errors);
}

/* The KIP-848 heartbeat that waits for the test. */
static inline const struct kci_consumer_group_heartbeat_request *script_modern_beat(struct script_consumer *sc)
{
    struct script_request *r = script_pending(sc->peer, NULL, KCI_API_CONSUMER_GROUP_HEARTBEAT);
    if (!r)
        fail_msg("no heartbeat is there");
    return r->message;
}

/* Answer it: an error, or an epoch and an assignment of partitions of "t" ("01"; NULL: as before). */
static inline void script_answer_modern(struct script_consumer *sc, int16_t error, int32_t epoch,
                                        const char *partitions)
{
    struct script_request *r = script_expect(sc, KCI_API_CONSUMER_GROUP_HEARTBEAT);
    const struct kci_consumer_group_heartbeat_request *request = r->message;
    struct kci_consumer_group_heartbeat_response response;
    struct kci_consumer_group_heartbeat_response__assignment assignment;
    struct kci_consumer_group_heartbeat_response__topic_partitions topic;
    int32_t numbers[SC_PARTITIONS];
    memset(&assignment, 0, sizeof assignment);
    memset(&topic, 0, sizeof topic);
    kci_codec_init(&kci_consumer_group_heartbeat_response_schema, &response);
    response.error_code = error;
    response.member_id = error ? (struct kci_str){ NULL, 0 } : request->member_id;
    response.member_epoch = epoch;
    response.heartbeat_interval_ms = error ? 0 : 5000;
    for (const char *p = partitions ? partitions : ""; *p; p++)
        numbers[topic.partitions_count++] = *p - '0';
    topic.partitions = numbers;
    topic.topic_id = script_topic_row(sc->peer, kci_str_of("t"))->id;
    assignment.topic_partitions = &topic;
    assignment.topic_partitions_count = topic.partitions_count > 0;
    if (partitions)
        response.assignment = &assignment;
    script_answer(sc->peer, r, &response);
}

/* Through the whole dance once, as a follower, up to STABLE with these partitions. */
static inline void script_join(struct script_consumer *sc, int32_t generation, const char *partitions)
{
    script_subscribe(sc);
    script_poll(sc);
    script_answer_join(sc, KCI_NONE, generation, "other");
    script_answer_sync(sc, KCI_NONE, partitions);
    script_poll(sc);
    assert_string_equal(kci_consumer_group_state(sc->core), "STABLE");
}

#endif
