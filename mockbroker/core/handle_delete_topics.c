/* DeleteTopics, by name or (v6) by id. Internal topics can be deleted, as in Kafka; their coordinators forget what they
 * held. */
#include "mockbroker/core/cluster.h"
#include "mockbroker/core/quota.h"

#define STRICT_QUOTA_SINCE 5

typedef struct kci_delete_topics_response__deletable_topic_result result_out;

static void delete_one(struct mb_request *request, struct kci_str name, const struct kci_uuid *id, result_out *out,
                       int64_t now)
{
    bool both = name.data && id && !kci_uuid_is_zero(id);
    struct mb_topic *topic = mb_topic_resolve(request->cluster, name, name.data ? NULL : id, &out->error_code);
    kci_codec_init(&kci_delete_topics_response__deletable_topic_result_schema, out);
    out->name = name;
    if (id)
        out->topic_id = *id;
    if (both) {
        out->error_code = KCI_INVALID_REQUEST;
        out->error_message = kci_str_of("You may not specify both topic name and topic id.");
    } else if (!topic) {
        out->error_code = name.data || !id ? KCI_UNKNOWN_TOPIC_OR_PARTITION : KCI_UNKNOWN_TOPIC_ID;
        out->error_message = kci_str_of(kci_error_text(out->error_code));
    } else if (!mb_cluster_property(request->cluster, "delete.topic.enable")) {
        out->error_code = KCI_TOPIC_DELETION_DISABLED;
        out->error_message = kci_str_of("Topic deletion is disabled.");
    } else {
        out->error_code = mb_quota_at_mutation(request, topic->partition_count, STRICT_QUOTA_SINCE, now);
        out->name = kci_str_of(kci_arena_text(&request->arena, kci_str_of(topic->name)));
        out->topic_id = topic->id;
        if (out->error_code)
            out->error_message = kci_str_of(kci_error_text(out->error_code));
        else
            mb_topic_delete(topic, now);
    }
}

void mb_handle_delete_topics(struct mb_request *request, int64_t now)
{
    const struct kci_delete_topics_request *body = request->body;
    struct kci_delete_topics_response response;
    bool states = request->header.version >= 6;
    int32_t count = states ? body->topics_count : body->topic_names_count;
    kci_codec_init(&kci_delete_topics_response_schema, &response);
    response.responses = kci_arena_array(&request->arena, (size_t)count, sizeof *response.responses);
    for (int32_t i = 0; response.responses && i < count; i++)
        delete_one(request, states ? body->topics[i].name : body->topic_names[i],
                   states ? &body->topics[i].topic_id : NULL, &response.responses[response.responses_count++], now);
    mb_request_answer(request, &response, now);
}
