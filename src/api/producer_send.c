/* kc_producer_send: append; if it must wait, for the gate, up to max.block.ms; again.  One clock read per call: the
 * wall clock is derived from the monotonic one, and compared with it once per millisecond. */
#include "api/producer_handle.h"
#include "plugins/partitioners.h"

#define WALL_REFRESH_US 1000 /* the wall clock is read at most once in this time */

static int64_t wall_of(kc_producer *producer, int64_t now)
{
    int64_t read_at = atomic_load_explicit(&producer->wall_read_at, memory_order_acquire);
    if (read_at == 0 || now - read_at >= WALL_REFRESH_US || now < read_at) {
        atomic_store_explicit(&producer->wall_offset_us, kci_clock_wall_ms() * 1000 - now, memory_order_relaxed);
        atomic_store_explicit(&producer->wall_read_at, now, memory_order_release);
    }
    return (now + atomic_load_explicit(&producer->wall_offset_us, memory_order_relaxed)) / 1000;
}

/* Where this thread stands among those who wait for memory. */
static void stand(kc_producer *producer, struct kci_pool_place *place, bool *standing, bool wanted)
{
    if (*standing && kci_producer_line_leave(producer->engine, place))
        kci_gate_open(producer->gate); /* it is somebody else's turn */
    if (wanted)
        kci_producer_line_enter(producer->engine, place);
    *standing = wanted;
}

/* One more wait, for what `why` says. false: it may not wait any longer. */
static bool wait_once(kc_producer *producer, const struct kci_producer_wait *why, bool in_callback, uint64_t seen,
                      int64_t now, int64_t deadline)
{
    bool memory = why->what == KCI_WAIT_MEMORY;
    if (in_callback || now >= deadline) {
        if (memory)
            atomic_fetch_add_explicit(&producer->buffer_exhausted, 1, memory_order_relaxed);
        return false;
    }
    kci_gate_wait(producer->gate, seen, deadline);
    if (memory)
        atomic_fetch_add_explicit(&producer->buffer_wait_us, (uint64_t)(kci_clock_us() - now), memory_order_relaxed);
    return true;
}

/* The rest of append: wait and try again, until *deadline (0: max.block.ms from now).  Who waits for memory stands in a
 * line; who got some and needs more goes to its end, so that one large call does not keep the others out. */
static kc_err append_waiting(kc_producer *producer, const kc_record *records, size_t count, size_t *accepted,
                             int64_t *deadline, kc_error *error)
{
    struct kci_producer_wait why;
    struct kci_pool_place place;
    bool in_callback = kci_loop_on_thread(producer->loop), standing = false;
    kc_err err;
    for (;;) {
        size_t taken;
        uint64_t seen = kci_gate_now(producer->gate);
        int64_t now = kci_clock_us();
        err = kci_producer_append_in_turn(producer->engine, standing ? &place : NULL, records + *accepted,
                                          count - *accepted, &taken, now, wall_of(producer, now), &why, error);
        *accepted += taken;
        if (err == KC_OK || why.what == KCI_WAIT_NOTHING)
            break;
        if (*deadline == 0)
            *deadline = now + (int64_t)producer->settings->max_block_ms * 1000;
        bool wanted = why.what == KCI_WAIT_MEMORY && !in_callback;
        if (standing != wanted || taken) {
            stand(producer, &place, &standing, wanted);
            if (wanted)
                continue; /* once more, with the place: perhaps it is the first one */
        }
        if (!wait_once(producer, &why, in_callback, seen, now, *deadline)) {
            err = kci_handle_gave_up(producer, &why, in_callback, error);
            break;
        }
    }
    stand(producer, &place, &standing, false);
    return err;
}

/* Append, waiting up to max.block.ms in all: *deadline is 0 until the first wait. */
static kc_err append(kc_producer *producer, const kc_record *records, size_t count, size_t *accepted, int64_t *deadline,
                     kc_error *error)
{
    struct kci_producer_wait why;
    int64_t now = kci_clock_us();
    kc_err err =
        kci_producer_append(producer->engine, records, count, accepted, now, wall_of(producer, now), &why, error);
    if (err == KC_OK || why.what == KCI_WAIT_NOTHING)
        return err;
    atomic_fetch_add(&producer->waiters, 1);
    err = append_waiting(producer, records, count, accepted, deadline, error);
    atomic_fetch_sub(&producer->waiters, 1);
    return err;
}

/* Partitioners that spread regardless of the record should not hit a partition that cannot be sent to. */
static bool may_move(const kc_producer *producer, const kc_record *before, const kc_record *after, int32_t count)
{
    return producer->builtin.partitioner && before->partition == KC_PARTITION_ANY && after->partition >= 0 &&
           after->partition < count &&
           kci_partitioners_spreads((enum kci_partitioner)producer->settings->partitioner_class);
}

/* One record through the plugged-in functions. */
static kc_err send_plugged(kc_producer *producer, struct kci_plug *plug, const kc_record *record, int64_t *deadline,
                           kc_error *error)
{
    int32_t count = 0;
    size_t accepted;
    kci_plug_intercept(plug, record, &producer->logger);
    if (!plug->record.topic || !plug->record.topic[0])
        return kci_fail(error, KC_ERR_ARGUMENT, 0, "invalid record: the topic has no name");
    kc_err err = kci_handle_partitions(producer, plug->record.topic, &count, deadline, error);
    if (!err)
        err = kci_plug_serialize(plug, error);
    if (!err)
        err = kci_plug_partition(plug, count, error);
    if (!err && may_move(producer, record, &plug->record, count))
        plug->record.partition = kci_producer_available(producer->engine, plug->record.topic, plug->record.partition);
    return err ? err : append(producer, &plug->record, 1, &accepted, deadline, error);
}

static kc_err send_all_plugged(kc_producer *producer, const kc_record *records, size_t count, size_t *accepted,
                               kc_error *error)
{
    kc_error own;
    kc_err err = KC_OK;
    int64_t deadline = 0;
    if (kci_plug_inside(producer->settings))
        return kci_fail(error, KC_ERR_IN_CALLBACK, 0,
                        "a function that is plugged into a producer must not send to it: that would never end");
    error = error ? error : &own;
    struct kci_plug plug = kci_plug_of(producer->settings, kci_heap_alloc());
    kci_plug_enter(&plug);
    for (; err == KC_OK && *accepted < count; *accepted += err == KC_OK) {
        err = send_plugged(producer, &plug, &records[*accepted], &deadline, error);
        if (err)
            kci_plug_refused(&plug, error);
    }
    kci_plug_leave(&plug);
    kci_plug_destroy(&plug);
    return err;
}

static kc_err send_records(kc_producer *producer, const kc_record *records, size_t count, size_t *accepted,
                           int64_t *deadline, kc_error *error)
{
    if (producer->plugged) { /* waits as a whole: user functions may take their time */
        atomic_fetch_add(&producer->waiters, 1);
        kc_err err = send_all_plugged(producer, records, count, accepted, error);
        atomic_fetch_sub(&producer->waiters, 1);
        return err;
    }
    return append(producer, records, count, accepted, deadline, error);
}

/* First, there must be room for deliveries. Who waited for it counts as waiting to the end of the call: the producer
 * may have been closed meanwhile, and is not freed before. */
static kc_err send_polled(kc_producer *producer, const kc_record *records, size_t count, size_t *accepted,
                          kc_error *error)
{
    int64_t deadline = 0;
    atomic_fetch_add(&producer->waiters, 1);
    kc_err err = kci_polled_room(producer, &deadline, error);
    if (!err)
        err = send_records(producer, records, count, accepted, &deadline, error);
    atomic_fetch_sub(&producer->waiters, 1);
    return err;
}

kc_err kc_producer_send(kc_producer *producer, const kc_record *records, size_t count, size_t *accepted,
                        kc_error *error)
{
    size_t taken = 0, *out = accepted ? accepted : &taken;
    int64_t deadline = 0;
    *out = 0;
    if (!producer || (!records && count))
        return kci_fail(error, KC_ERR_ARGUMENT, 0, "producer and records must not be NULL");
    kc_err err = kci_handle_forked(producer, error);
    if (err)
        return err;
    if (producer->polled.capacity)
        return send_polled(producer, records, count, out, error);
    return send_records(producer, records, count, out, &deadline, error);
}
