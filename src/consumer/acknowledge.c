/* acknowledgement.mode=explicit: the application says which records are done.  A record counts only while its partition
 * is as it was when the record was returned: neither given up, nor assigned anew, nor moved by a seek, which its ticket
 * tells.  What is then committed is the ledger's affair (ledger.c). */
#include "consumer/internal.h"

#include <inttypes.h>

static kc_err stale_ack(kc_error *error, const char *topic, int32_t partition)
{
    return kci_fail(error, KC_ERR_STATE, 0,
                    "%s [%d] was given up, assigned anew or moved by a seek since the record was returned: it will be "
                    "read again",
                    topic ? topic : "(null)", (int)partition);
}

static kc_err not_explicit(const struct kci_consumer *c, kc_error *error)
{
    return c->subscription.explicit_acks
               ? KC_OK
               : kci_fail(error, KC_ERR_CONFIG, 0, "acknowledging records needs acknowledgement.mode=explicit");
}

/* After acknowledgements: whoever waits for room may poll again. */
static void acknowledged(struct kci_consumer *c)
{
    if (!c->acks_awaited)
        return;
    c->acks_awaited = false;
    kci_consumer_tell(c);
}

kc_err kci_consumer_ack(struct kci_consumer *c, const kc_record_view *views, size_t count, kc_error *error)
{
    kci_consumer_lock(c);
    kc_err mode = not_explicit(c, error), result = mode;
    for (size_t i = 0; mode == KC_OK && i < count; i++) {
        const kc_record_view *view = &views[i];
        struct kci_assigned *a =
            view->topic ? kci_subscription_find_name(&c->subscription, view->topic, view->partition) : NULL;
        kc_error *first = result == KC_OK ? error : NULL;
        kc_err code = KC_OK;
        if (!a || a->ticket != view->ticket)
            code = stale_ack(first, view->topic, view->partition);
        else if (view->offset < 0 || view->offset >= a->position)
            code = kci_fail(first, KC_ERR_ARGUMENT, 0, "entry %zu: no poll returned offset %" PRId64 " of %s [%d]", i,
                            view->offset, view->topic, (int)view->partition);
        else
            kci_ledger_acknowledge(&a->ledger, c->alloc, view->offset, view->offset + 1);
        result = result == KC_OK ? code : result;
    }
    acknowledged(c);
    kci_consumer_unlock(c);
    return result;
}

kc_err kci_consumer_ack_records(struct kci_consumer *c, const struct kc_records *records, kc_error *error)
{
    kci_consumer_lock(c);
    kc_err mode = not_explicit(c, error), result = mode;
    for (size_t i = 0; mode == KC_OK && i < records->slice_count; i++) {
        const struct kci_slice *slice = &records->slices[i];
        const struct kci_run *run = slice->run;
        struct kci_assigned *a = kci_subscription_find_name(&c->subscription, run->topic, run->partition);
        if (a && a->ticket == run->ticket)
            kci_ledger_acknowledge(&a->ledger, c->alloc, slice->from, slice->behind);
        else if (result == KC_OK)
            result = stale_ack(error, run->topic, run->partition);
    }
    acknowledged(c);
    kci_consumer_unlock(c);
    return result;
}
