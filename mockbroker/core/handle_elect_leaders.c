/* ElectLeaders (KIP-460): preferred (0) or unclean (1) elections, of named partitions or of all; with all, those that
 * need none are not mentioned, but their topics are. */
#include "mockbroker/core/cluster.h"

#include <stdio.h>

enum { PREFERRED = 0, UNCLEAN = 1 };

typedef struct kci_elect_leaders_response__replica_election_result topic_out;
typedef struct kci_elect_leaders_response__partition_result partition_out;

static void add(topic_out *topic, int32_t index, int16_t error)
{
    partition_out *out = &topic->partition_result[topic->partition_result_count++];
    kci_codec_init(&kci_elect_leaders_response__partition_result_schema, out);
    out->partition_id = index;
    out->error_code = error;
    out->error_message = kci_str_of(error ? kci_error_text(error) : NULL);
}

static void elect_all(struct mb_request *request, struct kci_elect_leaders_response *response, bool unclean,
                      int64_t now)
{
    struct mb_cluster *cluster = request->cluster;
    struct mb_topic *topic;
    size_t topics = 0;
    for (size_t at = 0; mb_topic_next(cluster, &at) != NULL;)
        topics++;
    response->replica_election_results =
        kci_arena_array(&request->arena, topics, sizeof *response->replica_election_results);
    for (size_t at = 0; response->replica_election_results && (topic = mb_topic_next(cluster, &at)) != NULL;) {
        topic_out *out = &response->replica_election_results[response->replica_election_results_count];
        kci_codec_init(&kci_elect_leaders_response__replica_election_result_schema, out);
        out->topic = kci_str_of(kci_arena_text(&request->arena, kci_str_of(topic->name)));
        out->partition_result =
            kci_arena_array(&request->arena, (size_t)topic->partition_count, sizeof *out->partition_result);
        for (int32_t i = 0; out->partition_result && i < topic->partition_count; i++) {
            int16_t error = mb_election_run(topic->partitions[i], unclean, now);
            if (error != KCI_ELECTION_NOT_NEEDED)
                add(out, i, error);
        }
        response->replica_election_results_count++;
    }
}

/* `unknown`: a text about a kind of election that there is not, or NULL. */
static void elect_named(struct mb_request *request, struct kci_elect_leaders_response *response, bool unclean,
                        const char *unknown, int64_t now)
{
    const struct kci_elect_leaders_request *body = request->body;
    response->replica_election_results = kci_arena_array(&request->arena, (size_t)body->topic_partitions_count,
                                                         sizeof *response->replica_election_results);
    for (int32_t t = 0; response->replica_election_results && t < body->topic_partitions_count; t++) {
        const struct kci_elect_leaders_request__topic_partitions *asked = &body->topic_partitions[t];
        topic_out *out = &response->replica_election_results[response->replica_election_results_count++];
        struct mb_topic *topic = mb_topic_find(request->cluster, asked->topic);
        kci_codec_init(&kci_elect_leaders_response__replica_election_result_schema, out);
        out->topic = asked->topic;
        out->partition_result =
            kci_arena_array(&request->arena, (size_t)asked->partitions_count, sizeof *out->partition_result);
        for (int32_t i = 0; out->partition_result && i < asked->partitions_count; i++) {
            struct mb_partition *partition = topic ? mb_topic_partition(topic, asked->partitions[i]) : NULL;
            if (unknown)
                add(out, asked->partitions[i], KCI_INVALID_REQUEST);
            else
                add(out, asked->partitions[i],
                    partition ? mb_election_run(partition, unclean, now) : KCI_UNKNOWN_TOPIC_OR_PARTITION);
            if (unknown)
                out->partition_result[i].error_message = kci_str_of(unknown);
        }
    }
}

void mb_handle_elect_leaders(struct mb_request *request, int64_t now)
{
    const struct kci_elect_leaders_request *body = request->body;
    struct kci_elect_leaders_response response;
    bool unclean = request->header.version >= 1 && body->election_type == UNCLEAN;
    bool known = unclean || request->header.version == 0 || body->election_type == PREFERRED;
    char text[40];
    snprintf(text, sizeof text, "Unknown election type %d", body->election_type);
    kci_codec_init(&kci_elect_leaders_response_schema, &response);
    if (!known && body->topic_partitions_count != 0) /* Kafka tells it partition by partition, too */
        response.error_code = KCI_INVALID_REQUEST;
    if (body->topic_partitions_count >= 0)
        elect_named(request, &response, unclean, known ? NULL : text, now);
    else if (known)
        elect_all(request, &response, unclean, now);
    mb_request_answer(request, &response, now);
}
