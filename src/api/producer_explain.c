/* Texts of time-outs, and health: the sender is asked what stands in the way, since it alone may look at connections and
 * metadata. And the wait for a topic's partitions, which ends in such a text. */
#include "api/producer_handle.h"

#include <stdio.h>

#define EXPLAIN_WAIT_US 100000 /* how long the text of an error may be waited for */

struct question { /* asked of the sender; freed by the last of the two */
    _Atomic(int32_t) references;
    _Atomic(bool) answered;
    kc_producer *producer;
    bool about_health;
    kc_health health; /* the answer: this, or text */
    char topic[256];
    char text[KCI_EXPLAIN_TEXT_BYTES];
};

static void question_drop(struct question *question)
{
    if (atomic_fetch_sub(&question->references, 1) == 1)
        kci_alloc_free(kci_heap_alloc(), question);
}

static struct question *question_new(kc_producer *producer)
{
    struct question *question = kci_alloc_zero(kci_heap_alloc(), 1, sizeof *question);
    if (question) {
        atomic_init(&question->references, 2);
        question->producer = producer;
    }
    return question;
}

static void answer(void *context, int64_t now)
{
    struct question *question = context;
    struct kci_producer *engine = question->producer->engine;
    if (question->about_health)
        kci_producer_health(engine, &question->health, now);
    else
        kci_producer_explain(engine, question->topic[0] ? question->topic : NULL, question->text, sizeof question->text,
                             now);
    atomic_store(&question->answered, true);
    kci_gate_open(question->producer->gate);
    question_drop(question);
}

/* Ask, and wait a moment; true: answered. */
static bool ask(struct question *question)
{
    kc_producer *producer = question->producer;
    if (kci_loop_on_thread(producer->loop)) {
        answer(question, kci_clock_us());
    } else if (kci_loop_post(producer->loop, answer, question)) {
        question_drop(question);
    } else {
        int64_t until = kci_clock_us() + EXPLAIN_WAIT_US;
        for (uint64_t seen;
             seen = kci_gate_now(producer->gate), !atomic_load(&question->answered) && kci_clock_us() < until;)
            kci_gate_wait(producer->gate, seen, until);
    }
    return atomic_load(&question->answered);
}

void kci_handle_explain(kc_producer *producer, const char *topic, char *text, size_t size)
{
    struct question *question = question_new(producer);
    snprintf(text, size, "the sender is busy in a callback");
    if (!question)
        return;
    snprintf(question->topic, sizeof question->topic, "%s", topic ? topic : "");
    if (ask(question))
        snprintf(text, size, "%s", question->text);
    question_drop(question);
}

static void look(kc_producer *producer, kc_health *out)
{
    struct question *question = question_new(producer);
    if (question)
        question->about_health = true;
    if (question && ask(question)) {
        *out = question->health;
    } else { /* no memory, or nobody to ask: what can be seen from here */
        kci_health_glance(producer->engine, out);
        out->reasons |= KC_HEALTH_BUSY;
        if (out->state == KC_HEALTH_USABLE)
            out->state = KC_HEALTH_DEGRADED;
        snprintf(out->text, sizeof out->text,
                 "the sender did not look up within 0.1 s: a callback keeps it, or the "
                 "machine");
    }
    if (question)
        question_drop(question);
}

kc_err kc_producer_health(kc_producer *producer, kc_health *out, kc_error *error)
{
    if (!producer || !out)
        return kci_fail(error, KC_ERR_ARGUMENT, 0, "producer and out must not be NULL");
    kc_err err = kci_handle_forked(producer, error);
    if (err)
        return err;
    atomic_fetch_add(&producer->waiters, 1);
    look(producer, out);
    atomic_fetch_sub(&producer->waiters, 1);
    return KC_OK;
}

kc_err kci_handle_gave_up(kc_producer *producer, const struct kci_producer_wait *why, bool in_callback, kc_error *error)
{
    char text[KCI_EXPLAIN_TEXT_BYTES];
    double seconds = producer->settings->max_block_ms / 1000.0;
    if (in_callback)
        return kci_fail(error, KC_ERR_QUEUE_FULL, 0, "send would have to wait for %s, which a callback must not",
                        why->what == KCI_WAIT_MEMORY ? "memory" : "metadata");
    kci_handle_explain(producer, why->what == KCI_WAIT_MEMORY ? NULL : why->topic, text, sizeof text);
    switch (why->what) {
    case KCI_WAIT_MEMORY:
        return kci_fail(error, KC_ERR_QUEUE_FULL, 0, "buffer.memory (%lld bytes) stayed full for %.1f s: %s",
                        (long long)producer->settings->buffer_memory, seconds, text);
    case KCI_WAIT_PARTITION:
        return kci_fail(error, KC_ERR_TIMED_OUT, 0,
                        "topic %s has %d partitions, and no partition %d appeared within %.1f s: %s", why->topic,
                        (int)why->partition_count, (int)why->partition, seconds, text);
    default:
        return kci_fail(error, KC_ERR_TIMED_OUT, 0, "topic %s was not found in the cluster within %.1f s: %s",
                        why->topic, seconds, text);
    }
}

static kc_err partitions_waiting(kc_producer *producer, const char *topic, int32_t *count, int64_t *deadline,
                                 kc_error *error)
{
    for (;;) {
        uint64_t seen = kci_gate_now(producer->gate);
        kc_err err = kci_producer_partitions(producer->engine, topic, count, error);
        if (err != KC_ERR_QUEUE_FULL)
            return err;
        int64_t now = kci_clock_us();
        bool in_callback = kci_loop_on_thread(producer->loop);
        if (*deadline == 0)
            *deadline = now + (int64_t)producer->settings->max_block_ms * 1000;
        struct kci_producer_wait why = { .what = KCI_WAIT_METADATA, .topic = topic };
        if (in_callback || now >= *deadline)
            return kci_handle_gave_up(producer, &why, in_callback, error);
        kci_gate_wait(producer->gate, seen, *deadline);
    }
}

kc_err kci_handle_partitions(kc_producer *producer, const char *topic, int32_t *count, int64_t *deadline,
                             kc_error *error)
{
    atomic_fetch_add(&producer->waiters, 1);
    kc_err err = partitions_waiting(producer, topic, count, deadline, error);
    atomic_fetch_sub(&producer->waiters, 1);
    return err;
}
