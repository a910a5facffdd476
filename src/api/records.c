/* Public functions of records that were fetched. Any thread; nothing here knows the consumer. */
#include "consumer/records.h"
#include "consumer/record_walk.h"
#include "runtime/runtime.h"

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

/* One block: the view, then what it points to. */
kc_err kc_record_view_detach(const kc_record_view *view, kc_record_view **out)
{
    if (!view || !view->topic || !out)
        return KC_ERR_ARGUMENT;
    size_t topic_size = strlen(view->topic) + 1;
    kc_record_view *copy = kci_alloc_new(kci_heap_alloc(), sizeof *copy + topic_size + view->key.size +
                                                               view->value.size + view->headers_size + 1);
    *out = copy;
    if (!copy)
        return KC_ERR_NO_MEMORY;
    *copy = *view;
    char *at = (char *)(copy + 1);
    copy->topic = memcpy(at, view->topic, topic_size);
    at += topic_size;
    if (view->key.data) /* null stays null, empty stays empty */
        copy->key.data = view->key.size ? memcpy(at, view->key.data, view->key.size) : at;
    at += view->key.size;
    if (view->value.data)
        copy->value.data = view->value.size ? memcpy(at, view->value.data, view->value.size) : at;
    at += view->value.size;
    copy->headers = view->headers_size ? memcpy(at, view->headers, view->headers_size) : at;
    return KC_OK;
}

void kc_record_view_free(kc_record_view *detached)
{
    kci_alloc_free(kci_heap_alloc(), detached);
}
