/* Public functions of records that were fetched. Any thread; nothing here knows the consumer. */
#include "consumer/records.h"
#include "consumer/record_walk.h"

int kc_records_next(kc_records *records, kc_record_view *view)
{
    return records ? kci_records_next(records, view) : 0; /* a poll that brought nothing reads like an empty one */
}

size_t kc_records_count(const kc_records *records)
{
    return records ? records->count : 0;
}

void kc_records_rewind(kc_records *records)
{
    if (records)
        kci_records_rewind(records);
}

void kc_records_release(kc_records *records)
{
    kci_records_release(records);
}

kc_err kc_record_view_header(const kc_record_view *view, uint32_t i, kc_bytes *name, kc_bytes *value)
{
    if (!view || !name || !value || i >= view->header_count)
        return KC_ERR_ARGUMENT;
    const uint8_t *at = view->headers; /* checked when the batch arrived */
    for (uint32_t skipped = 0; skipped <= i; skipped++) {
        at = kci_walk_blob(at, name);
        at = kci_walk_blob(at, value);
    }
    return KC_OK;
}
