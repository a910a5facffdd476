/* DeleteTopics, by name or (v6) by id. Internal topics can be deleted, as in Kafka; their coordinators forget what they
 * held. */
#include "mockbroker/core/cluster.h"
#include "mockbroker/core/quota.h"

#define STRICT_QUOTA_SINCE 5
#define TOPICS_MAX         2000 /* of one request: each is compared with all others */

typedef struct kci_delete_topics_response__deletable_topic_result result_out;

/* The topic that row i names; NULL: none. */
static struct mb_topic *named_by(const struct mb_request *request, int32_t i)
{
    const struct kci_delete_topics_request *body = request->body;
    int16_t error;
    if (request->header.version < 6)
        return mb_topic_find(request->cluster, body->topic_names[i]);
    return mb_topic_resolve(request->cluster, body->topics[i].name,
                            body->topics[i].name.data ? NULL : &body->topics[i].topic_id, &error);
}

static struct kci_str name_in(const struct mb_request *request, int32_t i)
{
    const struct kci_delete_topics_request *body = request->body;
    return request->header.version >= 6 ? body->topics[i].name : body->topic_names[i];
}

/* How often is the topic of row i in the request? 0: it was before. */
static int32_t times_named(const struct mb_request *request, int32_t i, int32_t count)
{
    const struct mb_topic *topic = named_by(request, i);
    struct kci_str name = name_in(request, i);
    int32_t times = 0;
    for (int32_t k = 0; k < count; k++) {
        bool same =
            k == i || (topic ? named_by(request, k) == topic : name.data && kci_str_equal(name, name_in(request, k)));
        if (same && k < i)
            return 0;
        times += same;
    }
    return times;
}

static void delete_one(struct mb_request *request, struct kci_str name, const struct kci_uuid *id, result_out *out,
                       int64_t now)
{
    bool both = name.data && id && !kci_uuid_is_zero(id);
    bool neither = !name.data && (!id || kci_uuid_is_zero(id));
    struct mb_topic *topic = mb_topic_resolve(request->cluster, name, name.data ? NULL : id, &out->error_code);
    kci_codec_init(&kci_delete_topics_response__deletable_topic_result_schema, out);
    out->name = name;
    if (id)
        out->topic_id = *id;
    if (both) {
        out->error_code = KCI_INVALID_REQUEST;
        out->error_message = kci_str_of("You may not specify both topic name and topic id.");
    } else if (neither) {
        out->error_code = KCI_INVALID_REQUEST;
        out->error_message = kci_str_of("Neither a name nor an id of a topic.");
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
    int32_t *times = kci_arena_array(&request->arena, (size_t)count, sizeof *times); /* told before any is deleted */
    for (int32_t i = 0; times && i < count; i++)
        times[i] = count <= TOPICS_MAX ? times_named(request, i, count) : 1;
    for (int32_t i = 0; times && response.responses && i < count; i++) {
        if (times[i] == 0)
            continue;
        result_out *out = &response.responses[response.responses_count++];
        if (times[i] == 1) {
            delete_one(request, name_in(request, i), states ? &body->topics[i].topic_id : NULL, out, now);
            continue;
        }
        const struct mb_topic *topic = named_by(request, i);
        kci_codec_init(&kci_delete_topics_response__deletable_topic_result_schema, out);
        out->name = topic ? kci_str_of(kci_arena_text(&request->arena, kci_str_of(topic->name))) : name_in(request, i);
        if (topic)
            out->topic_id = topic->id;
        out->error_code = KCI_INVALID_REQUEST;
        out->error_message = kci_str_of("Duplicate topic name.");
    }
    mb_request_answer(request, &response, now);
}
