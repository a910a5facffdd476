/* Waiting until the brokers know what was done to a topic.
 *
 * The controller answers CreateTopics and DeleteTopics when the change is committed; each broker learns of it a moment
 * later, on its own.  Whoever asks another broker in that moment is told UNKNOWN_TOPIC_OR_PARTITION of a topic that was
 * just created, or is shown one that was deleted.  So after the change every broker is asked for the topic, all at
 * once and those that are behind again and again, until each has caught up or the deadline has come.
 *
 *   list of brokers (from any of them) -> [ask all that are behind] -> all caught up: KC_OK
 *                                            ^------ pause ------'     deadline: which one is behind, and how
 *
 * Only a broker that answers can mislead anybody.  One that cannot be reached is not waited for, and one that is silent
 * for as long as it takes Kafka's controller to call a broker dead (broker.session.timeout.ms) no longer. */
#include "api/admin_known.h"
#include "runtime/runtime.h"
#include <stdio.h>

#define SILENCE_MS_MAX 9000 /* the default of broker.session.timeout.ms */
/* The first pause: brokers learn within a few milliseconds; it doubles up to retry.backoff.ms. */
#define PAUSE_MS_MIN    5
#define METADATA_OLDEST 4 /* from then on a request says that it does not want to create the topic */
#define METADATA_NEWEST 12

struct broker {
    int32_t id;
    bool settled;     /* it has caught up, or nobody can ask it */
    const char *lack; /* what it said when it was asked last; constant text */
    struct kci_admin_op op;
};

/* What a broker that shows the topic like this has yet to learn; NULL: nothing. */
static const char *lack_of_topic(const struct kci_admin_known *wanted,
                                 const struct kci_metadata_response__metadata_response_topic *topic)
{
    static const struct kci_uuid unknown;
    if (topic->error_code == KCI_TOPIC_AUTHORIZATION_FAILED)
        return NULL; /* who may create may not see: nothing to be learned by asking again */
    if (wanted->deleted) {
        bool another = memcmp(&wanted->id, &unknown, sizeof unknown) != 0 &&
                       memcmp(&topic->topic_id, &unknown, sizeof unknown) != 0 &&
                       memcmp(&topic->topic_id, &wanted->id, sizeof unknown) != 0;
        return another || topic->error_code == KCI_UNKNOWN_TOPIC_OR_PARTITION ? NULL : "still knows it";
    }
    if (topic->error_code != KCI_NONE || topic->partitions_count < 1)
        return "does not know it yet";
    if (wanted->partitions > 0 && topic->partitions_count != wanted->partitions)
        return "does not know all its partitions yet";
    for (int32_t i = 0; i < topic->partitions_count; i++)
        if (topic->partitions[i].leader_id < 0)
            return "does not know a leader for each of its partitions yet";
    return NULL;
}

/* The same of the broker's answer, or of there being none. */
static const char *lack_of(const struct kci_admin_known *wanted, const struct broker *broker, bool last_chance)
{
    const char *earlier = broker->lack ? broker->lack : "has not answered";
    if (broker->op.error.code != KC_OK)
        return broker->op.error.code == KC_ERR_TIMED_OUT && last_chance ? earlier : NULL;
    const struct kci_metadata_response *response = broker->op.response;
    return response->topics_count == 1 ? lack_of_topic(wanted, &response->topics[0]) : NULL;
}

/* Ask those that are behind, all at once, and wait for the answers. true: nobody is behind any more. */
static bool ask(kc_admin *admin, const struct kci_admin_known *wanted, struct broker *brokers, size_t count,
                int64_t deadline)
{
    struct kci_metadata_request request;
    kci_codec_init(&kci_metadata_request_schema, &request);
    struct kci_metadata_request__metadata_request_topic topic = { .name = kci_str_of(wanted->topic) };
    request.topics = &topic;
    request.topics_count = 1;
    request.allow_auto_topic_creation = false;
    int64_t silence = kci_admin_handle_deadline(SILENCE_MS_MAX);
    for (size_t i = 0; i < count; i++) {
        if (brokers[i].settled)
            continue;
        brokers[i].op = (struct kci_admin_op){ .api = KCI_API_METADATA,
                                               .version_min = METADATA_OLDEST,
                                               .version_max = METADATA_NEWEST,
                                               .node = brokers[i].id,
                                               .request = &request,
                                               .once = true,
                                               .deadline = deadline < silence ? deadline : silence };
        kci_admin_submit(admin->engine, &brokers[i].op);
    }
    bool all = true;
    for (size_t i = 0; i < count; i++) {
        struct broker *broker = &brokers[i];
        if (broker->settled)
            continue;
        kci_admin_handle_wait(admin, &broker->op);
        broker->lack = lack_of(wanted, broker, deadline <= silence);
        broker->settled = !broker->lack;
        all &= broker->settled;
        kci_admin_op_free(&broker->op);
    }
    return all;
}

static kc_err behind(const struct kci_admin_known *wanted, const struct broker *brokers, size_t count, kc_error *error)
{
    size_t others = 0;
    const struct broker *first = NULL;
    for (size_t i = count; i-- > 0;)
        if (!brokers[i].settled) {
            others += first != NULL;
            first = &brokers[i];
        }
    char more[60] = "";
    if (others)
        snprintf(more, sizeof more, "; %zu more are behind", others);
    return kci_fail(error, KC_ERR_TIMED_OUT, KC_MAYBE_APPLIED, "topic %s was %s, but broker %d %s%s", wanted->topic,
                    wanted->deleted ? "deleted" : "created", (int)first->id, first->lack, more);
}

kc_err kci_admin_known_wait(kc_admin *admin, const struct kci_admin_known *wanted, int64_t deadline, kc_error *error)
{
    kc_error cause;
    kc_cluster *cluster;
    int64_t left_ms = deadline == KCI_NEVER ? -1 : (deadline - kci_clock_us()) / 1000;
    int32_t timeout_ms = left_ms < 0 && deadline != KCI_NEVER ? 0 : (int32_t)left_ms;
    kc_err err = kc_admin_describe(admin, &wanted->topic, 1, timeout_ms, &cluster, &cause);
    if (err != KC_OK)
        return kci_fail(error, err, KC_MAYBE_APPLIED, "topic %s was %s, but whether the brokers know is not known: %s",
                        wanted->topic, wanted->deleted ? "deleted" : "created", cause.text);
    size_t count = cluster->broker_count;
    struct broker *brokers = kci_alloc_zero(kci_heap_alloc(), count ? count : 1, sizeof *brokers);
    for (size_t i = 0; brokers && i < count; i++)
        brokers[i].id = cluster->brokers[i].id;
    kc_cluster_release(cluster);
    if (!brokers)
        return kci_fail(error, KC_ERR_NO_MEMORY, KC_MAYBE_APPLIED, "out of memory for asking %zu brokers", count);
    int64_t pause_us = PAUSE_MS_MIN * 1000;
    while (!ask(admin, wanted, brokers, count, deadline)) {
        int64_t now = kci_clock_us();
        if (now >= deadline) {
            err = behind(wanted, brokers, count, error);
            break;
        }
        int64_t until = now + pause_us;
        kci_gate_wait(admin->gate, kci_gate_now(admin->gate), until < deadline ? until : deadline);
        pause_us *= pause_us < (int64_t)admin->settings->retry_backoff_ms * 1000 ? 2 : 1;
    }
    kci_alloc_free(kci_heap_alloc(), brokers);
    return err;
}
