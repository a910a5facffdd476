/* The admin engine: see admin.h for the flow.  It decides only whether to try again; what a response means is the
 * caller's business.  A request is repeated when the failure is transient (transport, NOT_CONTROLLER, time-out of one
 * attempt) and the deadline has not come; `maybe_applied` tells the caller that an earlier attempt may have been
 * carried out. */
#include "admin/admin.h"
#include <stdio.h>

/* memory that decoding one response may take: a cluster of 100,000 partitions */
#define RESPONSE_BYTES_MAX (64u << 20)
#define NAME_BYTES         320                          /* of a broker and its address in a text */
#define RANDOM_STEP        UINT64_C(0x9e3779b97f4a7c15) /* odd: the jitter walks through all values */

struct kci_admin {
    struct kci_admin_options options;
    struct kci_cluster *cluster;
    struct kci_lock lock;
    struct kci_list submitted; /* under the lock: handed over, not yet seen by the engine */
    bool closed;               /* under the lock: nothing is taken any more */
    struct kci_list active;    /* the engine's */
    uint64_t random;           /* of the back-off's jitter */
};

static void finish(struct kci_admin_op *op)
{
    struct kci_admin *admin = op->admin;
    op->seeking = false;
    kci_list_remove(&op->link);
    atomic_store_explicit(&op->finished, true, memory_order_release); /* from here on it is the submitter's */
    admin->options.notify(admin->options.context);
}

static void finish_failed(struct kci_admin_op *op, kc_err code, const char *text)
{
    kci_fail(&op->error, code, op->maybe_applied ? KC_MAYBE_APPLIED : 0, "%s", text);
    finish(op);
}

static void finish_timed_out(struct kci_admin_op *op, int64_t now)
{
    char cluster[300], text[700];
    kci_cluster_explain(op->admin->cluster, cluster, sizeof cluster, now);
    snprintf(text, sizeof text, "timed out: %u attempts; last: %s", op->attempts, op->last[0] ? op->last : cluster);
    finish_failed(op, KC_ERR_TIMED_OUT, text);
}

static void retry_later(struct kci_admin_op *op, int64_t now)
{
    struct kci_admin *admin = op->admin;
    const struct kci_settings *settings = admin->options.settings;
    struct kci_backoff backoff = { settings->retry_backoff_ms, settings->retry_backoff_max_ms };
    admin->random += RANDOM_STEP;
    op->retry_at = now + kci_backoff_us(backoff, op->attempts - 1, admin->random);
    if (op->retry_at > op->deadline)
        op->retry_at = op->deadline;
}

static void drop_answer(struct kci_admin_op *op)
{
    kci_arena_destroy(&op->arena);
    kci_frame_release(op->frame);
    op->frame = NULL;
    op->response = NULL;
}

static bool decode_answer(struct kci_admin_op *op, const struct kci_reply *reply)
{
    const struct kci_schema *schema = kci_api_find(op->api)->response;
    struct kci_reader body = reply->body;
    op->arena = kci_arena_of(op->admin->options.alloc, RESPONSE_BYTES_MAX);
    op->frame = kci_frame_ref(reply->frame);
    op->response = kci_arena_take(&op->arena, kci_schema_size(schema));
    op->version = reply->version;
    const char *bad_field = "(memory limit)";
    bool decoded =
        op->response && kci_codec_decode(schema, reply->version, &body, &op->arena, op->response, &bad_field);
    if (decoded && kci_reader_left(&body) == 0)
        return true;
    char broker[NAME_BYTES], text[2 * NAME_BYTES];
    kci_cluster_node_name(op->admin->cluster, reply->node, broker, sizeof broker);
    int used = snprintf(text, sizeof text, "%s sent a malformed response to %s v%d: ", broker,
                        kci_api_find(op->api)->name, reply->version);
    if (decoded)
        snprintf(text + used, sizeof text - (size_t)used, "%zu bytes too many", kci_reader_left(&body));
    else
        snprintf(text + used, sizeof text - (size_t)used, "bad field %s", bad_field);
    drop_answer(op);
    finish_failed(op, KC_ERR_MALFORMED, text);
    return false;
}

static bool is_transient(kc_err error)
{
    return error == KC_ERR_TRANSPORT || error == KC_ERR_RESOLVE || error == KC_ERR_NO_MEMORY ||
           error == KC_ERR_TIMED_OUT;
}

static void on_done(struct kci_call *call, const struct kci_reply *reply, int64_t now)
{
    struct kci_admin_op *op = call->owner;
    op->maybe_applied |= reply->error != KC_OK && reply->maybe_applied;
    if (reply->error != KC_OK) {
        snprintf(op->last, sizeof op->last, "%s", reply->text ? reply->text : kc_err_text(reply->error));
        if (reply->error == KC_ERR_TIMED_OUT && now >= op->deadline)
            finish_timed_out(op, now);
        else if (is_transient(reply->error) && !op->once) {
            if (op->group)
                kci_coordinator_lost(&op->coordinator, op->last, now);
            retry_later(op, now);
        } else
            finish_failed(op, reply->error, op->last);
        return;
    }
    if (!decode_answer(op, reply))
        return;
    int16_t code = op->verdict ? op->verdict(op->response) : (int16_t)KCI_NONE;
    if (code == KCI_NONE || !kci_error_flags(code)) {
        op->error.code = KC_OK;
        finish(op);
        return;
    }
    snprintf(op->last, sizeof op->last, "broker %d answered %s", reply->node, kci_error_name(code));
    drop_answer(op);
    if (op->group)
        kci_coordinator_lost(&op->coordinator, op->last, now);
    else
        kci_cluster_refresh(op->admin->cluster, op->last, now);
    retry_later(op, now);
}

/* Whom to ask; false: nobody yet, or never. */
static bool find_node(struct kci_admin_op *op, int32_t *node, int64_t now)
{
    *node = op->node;
    if (!op->group)
        return true;
    if (!op->coordinator.cluster)
        kci_coordinator_init(&op->coordinator, op->admin->cluster, 0, op->group);
    *node = kci_coordinator_node(&op->coordinator, now);
    op->seeking = *node == KCI_NODE_NONE;
    int16_t code = op->coordinator.error;
    if (op->seeking && code != KCI_NONE) {
        snprintf(op->last, sizeof op->last, "the coordinator of group \"%.100s\" cannot be found: %s", op->group,
                 kci_error_name(code));
        if (!kci_error_flags(code) && code != KCI_UNKNOWN_SERVER_ERROR)
            finish_failed(op, (kc_err)code, op->last);
    }
    return *node != KCI_NODE_NONE;
}

static void attempt(struct kci_admin_op *op, int64_t now)
{
    int64_t left_ms = op->deadline == KCI_NEVER ? INT32_MAX : (op->deadline - now + 999) / 1000;
    int32_t timeout_ms = op->admin->options.settings->request_timeout_ms, node;
    if (left_ms <= 0) {
        if (op->group && op->coordinator.cluster)
            kci_coordinator_stop(&op->coordinator, now);
        finish_timed_out(op, now);
        return;
    }
    op->retry_at = KCI_NEVER;
    if (!find_node(op, &node, now))
        return;
    op->call = (struct kci_call){ .api = op->api,
                                  .version_min = op->version_min,
                                  .version_max = op->version_max,
                                  .request = op->request,
                                  .timeout_ms = left_ms < timeout_ms ? (int32_t)left_ms : timeout_ms,
                                  .raw_reply = true,
                                  .done = on_done,
                                  .owner = op };
    op->attempts++;
    kci_cluster_call(op->admin->cluster, node, &op->call, now);
}

static void take_submitted(struct kci_admin *admin)
{
    kci_lock_take(&admin->lock);
    for (struct kci_list *node; (node = kci_list_pop(&admin->submitted)) != NULL;)
        kci_list_push(&admin->active, node);
    kci_lock_release(&admin->lock);
}

static void step(void *self, int64_t now)
{
    struct kci_admin *admin = self;
    take_submitted(admin);
    struct kci_list
        round; /* one op can end another one, whose memory is its submitter's then: hold no place in a list */
    kci_list_init(&round);
    for (struct kci_list *node; (node = kci_list_pop(&admin->active)) != NULL;)
        kci_list_push(&round, node);
    for (struct kci_list *node; (node = kci_list_pop(&round)) != NULL;) {
        struct kci_admin_op *op = KCI_CONTAINER(node, struct kci_admin_op, link);
        kci_list_push(&admin->active, node);
        if (op->retry_at <= now || op->seeking)
            attempt(op, now);
    }
    kci_cluster_step(admin->cluster, now);
}

static int64_t deadline(void *self)
{
    struct kci_admin *admin = self;
    int64_t at = kci_cluster_deadline(admin->cluster);
    KCI_LIST_EACH(node, &admin->active)
    {
        struct kci_admin_op *op = KCI_CONTAINER(node, struct kci_admin_op, link);
        at = op->retry_at < at ? op->retry_at : at;
        int64_t seek_at = op->seeking ? kci_coordinator_deadline(&op->coordinator) : KCI_NEVER;
        seek_at = op->seeking && op->deadline < seek_at ? op->deadline : seek_at;
        at = seek_at < at ? seek_at : at;
    }
    return at;
}

static const struct kci_engine_ops ops = { .step = step,
                                           .deadline = deadline,
                                           .on_open = kci_cluster_on_open,
                                           .on_space = kci_cluster_on_space,
                                           .on_bytes = kci_cluster_on_bytes,
                                           .on_sent = kci_cluster_on_sent,
                                           .on_close = kci_cluster_on_close,
                                           .on_resolved = kci_cluster_on_resolved };

struct kci_engine kci_admin_engine(struct kci_admin *admin)
{
    return (struct kci_engine){ admin, &ops };
}

kc_err kci_admin_create(struct kci_admin **out, const struct kci_admin_options *options, kc_error *error)
{
    *out = NULL;
    struct kci_admin *admin = kci_alloc_zero(options->alloc, 1, sizeof *admin);
    if (!admin)
        return kci_fail(error, KC_ERR_NO_MEMORY, 0, "out of memory while creating the admin client");
    admin->options = *options;
    admin->random = options->seed;
    kci_lock_init(&admin->lock, options->lock_ops);
    kci_list_init(&admin->submitted);
    kci_list_init(&admin->active);
    struct kci_cluster_options cluster = { .alloc = options->alloc,
                                           .settings = options->settings,
                                           .transport = options->transport,
                                           .logger = options->logger,
                                           .seed = options->seed,
                                           .in_flight_max = 5,
                                           .owner = admin };
    kc_err err = kci_cluster_create(&admin->cluster, &cluster, error);
    if (err != KC_OK) {
        kci_alloc_free(options->alloc, admin);
        return err;
    }
    *out = admin;
    return KC_OK;
}

void kci_admin_shut(struct kci_admin *admin, int64_t now)
{
    kci_lock_take(&admin->lock);
    admin->closed = true;
    kci_lock_release(&admin->lock);
    take_submitted(admin);
    for (struct kci_list *node; (node = kci_list_first(&admin->active)) != NULL;) {
        struct kci_admin_op *op = KCI_CONTAINER(node, struct kci_admin_op, link);
        if (op->seeking)
            kci_coordinator_stop(&op->coordinator, now);
        if (op->retry_at != KCI_NEVER || op->seeking)
            finish_failed(op, KC_ERR_CLOSED, "the admin client was closed");
        else
            kci_cluster_cancel(admin->cluster, &op->call, now); /* finishes it, perhaps others */
    }
}

void kci_admin_destroy(struct kci_admin *admin, int64_t now)
{
    if (!admin)
        return;
    kci_admin_shut(admin, now);
    kci_cluster_destroy(admin->cluster, now);
    kci_alloc_free(admin->options.alloc, admin);
}

void kci_admin_submit(struct kci_admin *admin, struct kci_admin_op *op)
{
    op->admin = admin;
    op->retry_at = 0;
    op->coordinator.cluster = NULL;
    op->seeking = false;
    kci_lock_take(&admin->lock);
    bool closed = admin->closed;
    if (!closed)
        kci_list_push(&admin->submitted, &op->link);
    kci_lock_release(&admin->lock);
    if (closed) {
        kci_fail(&op->error, KC_ERR_CLOSED, 0, "the admin client was closed");
        atomic_store_explicit(&op->finished, true, memory_order_release);
        return;
    }
    admin->options.wake(admin->options.context);
}

void kci_admin_op_free(struct kci_admin_op *op)
{
    if (op->response)
        drop_answer(op);
}

void kci_admin_metrics_need(const struct kci_admin *admin, struct kci_metrics_room *room)
{
    kci_cluster_metrics_need(admin->cluster, room);
}

void kci_admin_metrics(const struct kci_admin *admin, kc_metrics *out, const struct kci_metrics_room *room, int64_t now)
{
    kci_cluster_metrics(admin->cluster, out, room, now);
}
