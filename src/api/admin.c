/* The public admin functions: build a request, hand it to the engine's thread, wait, translate the answer. */
#include "admin/admin.h"
#include "api/admin_known.h"
#include "api/config.h"
#include "api/metrics.h"
#include "api/mock_cluster.h"
#include "runtime/runtime.h"
#include <kclient/kclient.h>
#include <stdio.h>

#define CONFIGS_MAX 200 /* of one new topic: more than Kafka has keys */

static void wake(void *context)
{
    kci_loop_wake(((kc_admin *)context)->loop);
}
static void notify(void *context)
{
    kci_gate_open(((kc_admin *)context)->gate);
}

kc_err kc_admin_create(kc_admin **out, const kc_config *config, kc_error *error)
{
    if (!out)
        return kci_fail(error, KC_ERR_ARGUMENT, 0, "out must not be NULL");
    *out = NULL;
    kc_admin *admin = kci_alloc_zero(kci_heap_alloc(), 1, sizeof *admin);
    if (!admin)
        return kci_fail(error, KC_ERR_NO_MEMORY, 0, "out of memory while creating the admin client");
    admin->generation = kci_process_generation();
    kc_err err = kci_config_settings(config, KCI_ROLE_ADMIN, &admin->settings, error);
    if (err == KC_OK)
        err = kci_mock_cluster_join(&admin->mock, admin->settings, error);
    if (err != KC_OK) {
        kc_admin_close(admin);
        return err;
    }
    struct kci_loop_options loop_options = { KCI_LOOP_BEST, admin->settings->send_buffer_bytes,
                                             admin->settings->receive_buffer_bytes };
    struct kci_admin_options options = { .alloc = kci_heap_alloc(),
                                         .settings = admin->settings,
                                         .logger = { admin->settings->log ? kci_config_write_log : NULL,
                                                     admin->settings, (enum kci_log_level)admin->settings->log_level },
                                         .seed = kci_random_seed(),
                                         .lock_ops = kci_lock_system(),
                                         .wake = wake,
                                         .notify = notify,
                                         .context = admin };
    admin->gate = kci_gate_new(kci_heap_alloc());
    int no_loop = admin->gate ? kci_loop_create(&admin->loop, kci_heap_alloc(), &loop_options) : 1;
    if (!no_loop) {
        kci_loop_transport(admin->loop, &options.transport);
        err = kci_admin_create(&admin->engine, &options, error);
        if (err == KC_OK) {
            struct kci_engine engine = kci_admin_engine(admin->engine);
            kci_loop_set_engine(admin->loop, &engine);
            no_loop = kci_loop_start(admin->loop, "kc-admin");
        }
    }
    if (no_loop && err == KC_OK)
        err = kci_fail(error, KC_ERR_NO_MEMORY, 0, "a thread or descriptor for the admin client could not be had");
    if (err != KC_OK) {
        kc_admin_close(admin);
        return err;
    }
    *out = admin;
    return KC_OK;
}

void kc_admin_close(kc_admin *admin)
{
    if (!admin || admin->generation != kci_process_generation())
        return; /* its thread, sockets and locks are the parent's: nothing can be freed */
    kci_door_shut(&admin->door);
    if (admin->loop)
        kci_loop_stop(admin->loop);
    if (admin->engine)
        kci_admin_shut(admin->engine, kci_clock_us());
    kci_door_wait(&admin->door); /* those that waited for an answer are on their way out */
    kci_admin_destroy(admin->engine, kci_clock_us());
    if (admin->loop)
        kci_loop_destroy(admin->loop);
    kci_gate_destroy(admin->gate);
    kci_mock_cluster_leave(admin->mock);
    kci_config_settings_free(admin->settings);
    kci_alloc_free(kci_heap_alloc(), admin);
}

int64_t kci_admin_handle_deadline(int32_t timeout_ms)
{
    return timeout_ms < 0 ? KCI_NEVER : kci_clock_us() + (int64_t)timeout_ms * 1000;
}

kc_err kci_admin_handle_enter(const kc_admin *admin, kc_error *error)
{
    if (admin->generation != kci_process_generation())
        return kci_fail(error, KC_ERR_FORKED, 0,
                        "the admin client belongs to the parent process: create one after fork()");
    if (!kci_door_enter(&((kc_admin *)(uintptr_t)admin)->door))
        return kci_fail(error, KC_ERR_CLOSED, 0, "the admin client was closed");
    return KC_OK;
}

kc_err kci_admin_handle_leave(const kc_admin *admin, kc_err result)
{
    kci_door_leave(&((kc_admin *)(uintptr_t)admin)->door);
    return result;
}

/* The engine keeps the deadline. */
void kci_admin_handle_wait(kc_admin *admin, const struct kci_admin_op *op)
{
    for (;;) {
        uint64_t seen = kci_gate_now(admin->gate);
        if (atomic_load_explicit(&op->finished, memory_order_acquire))
            return;
        kci_gate_wait(admin->gate, seen, KCI_NEVER);
    }
}

kc_err kci_admin_handle_run(kc_admin *admin, struct kci_admin_op *op, kc_error *error)
{
    if (kci_admin_handle_enter(admin, &op->error) == KC_OK) {
        kci_admin_submit(admin->engine, op);
        kci_admin_handle_wait(admin, op);
        kci_admin_handle_leave(admin, KC_OK);
    }
    if (op->error.code != KC_OK && error)
        *error = op->error;
    return op->error.code;
}

/* What the broker said of one topic, as an error of ours. */
static kc_err topic_error(kc_error *error, const struct kci_admin_op *op, const char *verb, const char *topic,
                          int16_t code, struct kci_str message)
{
    if (code == KCI_NONE)
        return KC_OK;
    bool repeated = code == KCI_TOPIC_ALREADY_EXISTS && op->maybe_applied;
    return kci_fail(error, (kc_err)code, 0, "%s topic %s: %s: %.*s%s", verb, topic, kci_error_name(code),
                    (int)(message.data ? message.size : strlen(kci_error_text(code))),
                    message.data ? message.data : kci_error_text(code),
                    repeated ? " (an earlier attempt, whose answer was lost, may have created it)" : "");
}

static int16_t create_verdict(const void *response)
{
    const struct kci_create_topics_response *r = response;
    int16_t code = r->topics_count == 1 ? r->topics[0].error_code : KCI_NONE;
    return code == KCI_REQUEST_TIMED_OUT || code == KCI_NOT_CONTROLLER ? code : KCI_NONE;
}

static kc_err fill_configs(const kc_new_topic *topic, struct kci_create_topics_request__creatable_topic_config *configs,
                           kc_error *error)
{
    for (size_t i = 0; i < topic->config_count; i++) {
        const char *equals = topic->configs[i] ? strchr(topic->configs[i], '=') : NULL;
        if (!equals)
            return kci_fail(error, KC_ERR_ARGUMENT, 0, "topic configuration \"%.80s\": key=value is needed",
                            topic->configs[i] ? topic->configs[i] : "");
        configs[i].name = (struct kci_str){ topic->configs[i], (size_t)(equals - topic->configs[i]) };
        configs[i].value = kci_str_of(equals + 1);
    }
    return KC_OK;
}

static kc_err create_topic(kc_admin *admin, const kc_new_topic *topic, int32_t timeout_ms, kc_error *error)
{
    struct kci_create_topics_request__creatable_topic_config configs[CONFIGS_MAX];
    memset(configs, 0, sizeof configs);
    kc_err err = fill_configs(topic, configs, error);
    if (err != KC_OK)
        return err;
    struct kci_create_topics_request__creatable_topic creatable = { .name = kci_str_of(topic->name),
                                                                    .num_partitions = topic->partitions,
                                                                    .replication_factor = topic->replication_factor,
                                                                    .configs = configs,
                                                                    .configs_count = (int32_t)topic->config_count };
    struct kci_create_topics_request request = { .topics = &creatable,
                                                 .topics_count = 1,
                                                 .timeout_ms = timeout_ms < 0 ? 60000 : timeout_ms };
    struct kci_admin_op op = { .api = KCI_API_CREATE_TOPICS,
                               .version_min = 2,
                               .version_max = 7,
                               .node = KCI_NODE_CONTROLLER,
                               .request = &request,
                               .deadline = kci_admin_handle_deadline(timeout_ms),
                               .verdict = create_verdict };
    err = kci_admin_handle_run(admin, &op, error);
    if (err == KC_OK) {
        const struct kci_create_topics_response *response = op.response;
        err = response->topics_count == 1
                  ? topic_error(error, &op, "create", topic->name, response->topics[0].error_code,
                                response->topics[0].error_message)
                  : kci_fail(error, KC_ERR_MALFORMED, 0, "the broker answered for %d topics instead of 1",
                             response->topics_count);
    }
    kci_admin_op_free(&op);
    struct kci_admin_known wanted = { .topic = topic->name, .partitions = topic->partitions };
    return err == KC_OK ? kci_admin_known_wait(admin, &wanted, op.deadline, error) : err;
}

kc_err kc_admin_create_topic(kc_admin *admin, const kc_new_topic *topic, int32_t timeout_ms, kc_error *error)
{
    if (!admin || !topic || !topic->name || !*topic->name || topic->config_count > CONFIGS_MAX)
        return kci_fail(error, KC_ERR_ARGUMENT, 0,
                        "admin, topic and its name must be given, and at most %d configurations", CONFIGS_MAX);
    kc_err err = kci_admin_handle_enter(admin, error);
    return err ? err : kci_admin_handle_leave(admin, create_topic(admin, topic, timeout_ms, error));
}

static int16_t delete_verdict(const void *response)
{
    const struct kci_delete_topics_response *r = response;
    int16_t code = r->responses_count == 1 ? r->responses[0].error_code : KCI_NONE;
    return code == KCI_REQUEST_TIMED_OUT || code == KCI_NOT_CONTROLLER ? code : KCI_NONE;
}

static kc_err delete_topic(kc_admin *admin, const char *name, int32_t timeout_ms, kc_error *error)
{
    struct kci_admin_known wanted = { .topic = name, .deleted = true };
    struct kci_str topic = kci_str_of(name);
    struct kci_delete_topics_request__delete_topic_state state = { .name = topic };
    struct kci_delete_topics_request request = { .topics = &state, /* what v6 has in place of names; it tells the id */
                                                 .topics_count = 1,
                                                 .timeout_ms = timeout_ms < 0 ? 60000 : timeout_ms };
    struct kci_admin_op op = { .api = KCI_API_DELETE_TOPICS,
                               .version_min = 6,
                               .version_max = 6,
                               .node = KCI_NODE_CONTROLLER,
                               .request = &request,
                               .deadline = kci_admin_handle_deadline(timeout_ms),
                               .verdict = delete_verdict };
    kc_err err = kci_admin_handle_run(admin, &op, error);
    if (err == KC_ERR_NO_VERSION) { /* Kafka before 2.8 */
        request.topics_count = 0;
        request.topic_names = &topic;
        request.topic_names_count = 1;
        op = (struct kci_admin_op){ .api = KCI_API_DELETE_TOPICS,
                                    .version_min = 1,
                                    .version_max = 5,
                                    .node = KCI_NODE_CONTROLLER,
                                    .request = &request,
                                    .deadline = op.deadline,
                                    .verdict = delete_verdict };
        err = kci_admin_handle_run(admin, &op, error);
    }
    if (err == KC_OK) {
        const struct kci_delete_topics_response *response = op.response;
        err = response->responses_count == 1
                  ? topic_error(error, &op, "delete", name, response->responses[0].error_code,
                                response->responses[0].error_message)
                  : kci_fail(error, KC_ERR_MALFORMED, 0, "the broker answered for %d topics instead of 1",
                             response->responses_count);
        if (err == KC_OK)
            wanted.id = response->responses[0].topic_id;
    }
    kci_admin_op_free(&op);
    return err == KC_OK ? kci_admin_known_wait(admin, &wanted, op.deadline, error) : err;
}

kc_err kc_admin_delete_topic(kc_admin *admin, const char *name, int32_t timeout_ms, kc_error *error)
{
    if (!admin || !name || !*name)
        return kci_fail(error, KC_ERR_ARGUMENT, 0, "admin and name must be given");
    kc_err err = kci_admin_handle_enter(admin, error);
    return err ? err : kci_admin_handle_leave(admin, delete_topic(admin, name, timeout_ms, error));
}

/* ---- describe: the metadata response, copied into one arena that the user frees
 * ------------------------------------------ */

struct described {
    kc_cluster view; /* first: what the user holds */
    struct kci_arena arena;
};

static void copy_partitions(struct kci_arena *arena, kc_topic_description *to,
                            const struct kci_metadata_response__metadata_response_topic *from)
{
    kc_partition_description *partitions = kci_arena_array(arena, (size_t)from->partitions_count, sizeof *partitions);
    to->partitions = partitions;
    to->partition_count = partitions ? (size_t)from->partitions_count : 0;
    for (size_t i = 0; i < to->partition_count; i++) {
        const struct kci_metadata_response__metadata_response_partition *p = &from->partitions[i];
        size_t replicas = (size_t)p->replica_nodes_count, isr = (size_t)p->isr_nodes_count;
        int32_t *ids = kci_arena_array(arena, replicas + isr, sizeof *ids);
        partitions[i] = (kc_partition_description){ .id = p->partition_index,
                                                    .leader = p->leader_id,
                                                    .leader_epoch = p->leader_epoch,
                                                    .code = (kc_err)p->error_code };
        if (!ids)
            continue;
        if (replicas)
            memcpy(ids, p->replica_nodes, replicas * sizeof *ids);
        if (isr)
            memcpy(ids + replicas, p->isr_nodes, isr * sizeof *ids);
        partitions[i].replicas = ids;
        partitions[i].replica_count = replicas;
        partitions[i].isr = ids + replicas;
        partitions[i].isr_count = isr;
    }
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const kc_topic_description *)a)->name, ((const kc_topic_description *)b)->name);
}

static void sort_topics(kc_topic_description *topics, size_t count)
{
    /* shell sort: no allocation, and the arrays are short */
    for (size_t gap = count / 2; gap > 0; gap /= 2)
        for (size_t i = gap; i < count; i++)
            for (size_t j = i; j >= gap && by_name(&topics[j - gap], &topics[j]) > 0; j -= gap) {
                kc_topic_description swap = topics[j];
                topics[j] = topics[j - gap];
                topics[j - gap] = swap;
            }
}

static kc_cluster *copy_cluster(const struct kci_metadata_response *from)
{
    struct described *described = kci_alloc_zero(kci_heap_alloc(), 1, sizeof *described);
    if (!described)
        return NULL;
    struct kci_arena *arena = &described->arena;
    *arena = kci_arena_of(kci_heap_alloc(), SIZE_MAX);
    kc_cluster *to = &described->view;
    to->cluster_id = from->cluster_id.data ? kci_arena_text(arena, from->cluster_id) : NULL;
    to->controller = from->controller_id;
    kc_broker_description *brokers = kci_arena_array(arena, (size_t)from->brokers_count, sizeof *brokers);
    kc_topic_description *topics = kci_arena_array(arena, (size_t)from->topics_count, sizeof *topics);
    to->brokers = brokers;
    to->broker_count = brokers ? (size_t)from->brokers_count : 0;
    to->topics = topics;
    to->topic_count = topics ? (size_t)from->topics_count : 0;
    for (size_t i = 0; i < to->broker_count; i++) {
        brokers[i].id = from->brokers[i].node_id;
        brokers[i].host = kci_arena_text(arena, from->brokers[i].host);
        brokers[i].port = (uint16_t)from->brokers[i].port;
        brokers[i].rack = from->brokers[i].rack.data ? kci_arena_text(arena, from->brokers[i].rack) : NULL;
    }
    for (size_t i = 0; i < to->topic_count; i++) {
        topics[i].name = kci_arena_text(arena, from->topics[i].name);
        topics[i].internal = from->topics[i].is_internal;
        topics[i].code = (kc_err)from->topics[i].error_code;
        copy_partitions(arena, &topics[i], &from->topics[i]);
        if (!topics[i].name)
            topics[i].name = "";
    }
    if (arena->failed) { /* it has holes */
        kc_cluster_release(to);
        return NULL;
    }
    sort_topics(topics, to->topic_count);
    return to;
}

kc_err kc_admin_describe(kc_admin *admin, const char *const *names, size_t count, int32_t timeout_ms, kc_cluster **out,
                         kc_error *error)
{
    if (!admin || !out || count > 100000)
        return kci_fail(error, KC_ERR_ARGUMENT, 0, "admin and out must be given, and at most 100000 names");
    *out = NULL;
    struct kci_metadata_request request;
    kci_codec_init(&kci_metadata_request_schema, &request);
    request.allow_auto_topic_creation = false;
    request.topics_count = names ? (int32_t)count : -1;
    if (names && count) {
        request.topics = kci_alloc_zero(kci_heap_alloc(), count, sizeof *request.topics);
        if (!request.topics)
            return kci_fail(error, KC_ERR_NO_MEMORY, 0, "out of memory while asking for %zu topics", count);
        for (size_t i = 0; i < count; i++)
            request.topics[i].name = kci_str_of(names[i] ? names[i] : "");
    }
    struct kci_admin_op op = { .api = KCI_API_METADATA,
                               .version_min = 4,
                               .version_max = 12,
                               .node = KCI_NODE_ANY,
                               .request = &request,
                               .deadline = kci_admin_handle_deadline(timeout_ms) };
    kc_err err = kci_admin_handle_run(admin, &op, error);
    if (err == KC_OK && !(*out = copy_cluster(op.response)))
        err = kci_fail(error, KC_ERR_NO_MEMORY, 0, "out of memory while describing the cluster");
    kci_admin_op_free(&op);
    kci_alloc_free(kci_heap_alloc(), request.topics);
    return err;
}

void kc_cluster_release(kc_cluster *cluster)
{
    if (!cluster)
        return;
    struct described *described = (struct described *)(void *)cluster;
    kci_arena_destroy(&described->arena);
    kci_alloc_free(kci_heap_alloc(), described);
}

static void metrics_need(void *admin, struct kci_metrics_room *room)
{
    kci_admin_metrics_need(((kc_admin *)admin)->engine, room);
}

static void metrics_fill(void *admin, kc_metrics *out, const struct kci_metrics_room *room, int64_t now)
{
    kci_admin_metrics(((kc_admin *)admin)->engine, out, room, now);
}

kc_err kc_admin_metrics(const kc_admin *admin, kc_metrics **out, kc_error *error)
{
    if (!admin || !out)
        return kci_fail(error, KC_ERR_ARGUMENT, 0, "admin and out must not be NULL");
    *out = NULL;
    kc_err err = kci_admin_handle_enter(admin, error);
    if (err != KC_OK)
        return err;
    struct kci_metrics_source source = { "admin", admin->settings, (void *)(uintptr_t)admin, metrics_need,
                                         metrics_fill };
    return kci_admin_handle_leave(admin, kci_metrics_snapshot(&source, out, error));
}
