/* A record that a deserializer refused: its partition stops there, until a seek.
 *
 * Poll had moved the position behind the record when it collected it; here it goes back, under the lock, unless the
 * partition was given up or moved meanwhile (its ticket tells).  What was returned before the record stays returned:
 * tickets and acknowledgements of it are as good as before, so this is no seek.  Whoever wanted to be told is told with
 * KC_NOTICE_UNREADABLE, which runs in the same poll; a seek in there is all it takes to go on. */
#include "consumer/unreadable.h"
#include "consumer/internal.h"
#include "consumer/notice.h"
#include "consumer/objects.h"

#include <inttypes.h>

struct telling {
    struct kci_consumer *c;
    int64_t now;
};

static void refused(void *context, const struct kci_unreadable *record)
{
    const struct telling *telling = context;
    struct kci_consumer *c = telling->c;
    kci_consumer_lock(c);
    struct kci_assigned *a = kci_subscription_find_name(&c->subscription, record->topic, record->partition);
    c->stats.records_returned -= record->dropped;
    if (a && a->ticket == record->ticket) {
        if (record->next_time) {
            kci_assigned_again(&c->subscription, a, record->offset, record->epoch_before, telling->now);
            kci_consumer_want_step(c);
            kci_consumer_unlock(c);
            return;
        }
        kci_assigned_drop(a);
        kci_ledger_forget(&a->ledger, c->alloc, record->offset);
        a->position = a->fetch_offset = record->offset;
        a->epoch = a->fetch_epoch = record->epoch_before;
        kci_assigned_fail(&c->subscription, a, KC_ERR_SERIALIZATION, telling->now,
                          "deserializer %.*s refused the %s of the record at offset %" PRId64 " of %s [%d]: %s. "
                          "Seek to %" PRId64 " to go on without it",
                          KCI_OBJECT_NAME_MAX, record->name, record->what, record->offset, record->topic,
                          (int)record->partition, kc_err_name(record->code), record->offset + 1);
        kci_notice_unreadable(c, a);
        kci_consumer_tell(c);
    }
    kci_consumer_unlock(c);
}

/* There is no memory for the objects: as if the records had never been collected. */
static void put_back(struct kci_consumer *c, const struct kc_records *records, int64_t now)
{
    kci_consumer_lock(c);
    for (size_t i = records->slice_count; i-- > 0;) { /* backwards: the first of each partition is the last word */
        const struct kci_slice *slice = &records->slices[i];
        struct kci_assigned *a = kci_subscription_find_name(&c->subscription, slice->run->topic, slice->run->partition);
        if (!a || a->ticket != slice->run->ticket)
            continue;
        kci_assigned_again(&c->subscription, a, slice->from, slice->epoch_before, now);
    }
    kci_consumer_want_step(c);
    c->stats.records_returned -= records->count;
    kci_consumer_unlock(c);
}

/* The application gets these. */
static void count(struct kci_consumer *c, const struct kc_records *records)
{
    kci_consumer_lock(c);
    for (size_t i = 0; i < records->slice_count; i++) {
        const char *name = records->slices[i].run->topic;
        struct kci_consumer_topic *topic = kci_map_get_str(&c->subscription.topics_by_name, kci_str_of(name));
        if (topic) /* else it was given up meanwhile, and nobody asks for its numbers */
            kci_tally_records(c, topic, (size_t)records->slices[i].count);
    }
    kci_consumer_unlock(c);
}

kc_err kci_consumer_deserialize(struct kci_consumer *c, struct kc_records **records, int64_t now, kc_error *error)
{
    struct telling telling = { c, now };
    if (!*records || !kci_objects_needed(c->settings))
        return KC_OK;
    bool made = kci_objects_make(*records, c->settings, refused, &telling);
    if (!made)
        put_back(c, *records, now);
    if (made && (*records)->count) {
        count(c, *records);
        return KC_OK;
    }
    kci_records_release(*records);
    *records = NULL;
    return made ? KC_OK : kci_fail(error, KC_ERR_NO_MEMORY, 0, "out of memory for what deserializers make");
}

static bool is_failed(const struct kci_assigned *a)
{
    return a->state == KCI_POSITION_FAILED && kci_list_empty(&a->runs);
}

kc_err kci_consumer_failed(struct kci_consumer *c, struct kci_partition_list *out)
{
    kci_consumer_lock(c);
    bool ok = kci_subscription_list(&c->subscription, is_failed, out);
    for (size_t i = 0; ok && i < out->count; i++) {
        kc_topic_partition *item = &out->items[i];
        item->code = kci_subscription_find_name(&c->subscription, item->topic, item->partition)->error;
    }
    kci_consumer_unlock(c);
    return ok ? KC_OK : KC_ERR_NO_MEMORY;
}
