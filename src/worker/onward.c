/* Headers of records that are sent on: see onward.h.  Names of headers in a fetched record are not NUL-terminated and
 * those to be sent are, so names are copied; first all of the room that is needed is made, then pointers are set: they
 * would not survive a growth in between. */
#include "worker/onward.h"

#include <stdio.h>
#include <stdlib.h>

#define OWN_HEADERS  8
#define NUMBER_BYTES 24 /* a 64-bit number with its NUL */

static bool is(kc_bytes name, const char *text)
{
    return name.size == strlen(text) && memcmp(name.data, text, name.size) == 0;
}

static bool is_ours(kc_bytes name)
{
    static const char *const ours[OWN_HEADERS] = { KC_HEADER_TOPIC,     KC_HEADER_PARTITION, KC_HEADER_OFFSET,
                                                   KC_HEADER_TIMESTAMP, KC_HEADER_ATTEMPTS,  KC_HEADER_CAUSE,
                                                   KC_HEADER_GROUP,     KC_HEADER_RETRY_AT };
    for (size_t i = 0; i < OWN_HEADERS; i++)
        if (is(name, ours[i]))
            return true;
    return false;
}

/* A whole number within limits, or false. */
static bool number_of(kc_bytes value, int64_t minimum, int64_t maximum, int64_t *out)
{
    char text[NUMBER_BYTES], *end;
    if (!value.data || value.size == 0 || value.size >= sizeof text)
        return false;
    memcpy(text, value.data, value.size);
    text[value.size] = 0;
    long long number = strtoll(text, &end, 10);
    if (end != text + value.size || number < minimum || number > maximum)
        return false;
    *out = number;
    return true;
}

static void read_one(struct kci_past *past, kc_bytes name, kc_bytes value)
{
    int64_t number;
    if (is(name, KC_HEADER_TOPIC) && value.data && value.size > 0 && value.size <= KCI_TOPIC_NAME_MAX) {
        memcpy(past->topic_text, value.data, value.size);
        past->topic_text[value.size] = 0;
        past->topic = past->topic_text;
    } else if (is(name, KC_HEADER_PARTITION) && number_of(value, 0, INT32_MAX, &number)) {
        past->partition = (int32_t)number;
    } else if (is(name, KC_HEADER_OFFSET) && number_of(value, 0, INT64_MAX, &number)) {
        past->offset = number;
    } else if (is(name, KC_HEADER_TIMESTAMP) && number_of(value, -1, INT64_MAX, &number)) {
        past->timestamp_ms = number;
    } else if (is(name, KC_HEADER_ATTEMPTS) && number_of(value, 0, INT32_MAX - 1, &number)) {
        past->attempts = (uint32_t)number;
    } else if (is(name, KC_HEADER_RETRY_AT) && number_of(value, 0, INT64_MAX, &number)) {
        past->retry_at_ms = number;
    }
}

void kci_past_read(struct kci_past *past, const kc_record_view *view)
{
    kc_bytes name, value;
    past->topic = view->topic;
    past->partition = view->partition;
    past->offset = view->offset;
    past->timestamp_ms = view->timestamp_ms;
    past->attempts = 0;
    past->retry_at_ms = 0;
    for (uint32_t i = 0; i < view->header_count; i++)
        if (kc_record_view_header(view, i, &name, &value) == KC_OK)
            read_one(past, name, value);
}

int64_t kci_past_retry_at(const kc_record_view *view)
{
    kc_bytes name, value;
    int64_t at = 0;
    for (uint32_t i = 0; i < view->header_count; i++)
        if (kc_record_view_header(view, i, &name, &value) == KC_OK && is(name, KC_HEADER_RETRY_AT))
            number_of(value, 0, INT64_MAX, &at);
    return at;
}

/* Make room for all headers and all text that one record can need. */
static bool make_room(struct kci_onward *o, const kc_record_view *view)
{
    size_t headers = (size_t)view->header_count + OWN_HEADERS;
    size_t text = view->headers_size + view->header_count + (size_t)OWN_HEADERS * NUMBER_BYTES;
    if (headers > o->header_capacity) {
        kc_header *grown = kci_alloc_resize(o->alloc, o->headers, headers * sizeof *grown);
        if (!grown)
            return false;
        o->headers = grown;
        o->header_capacity = headers;
    }
    if (text > o->text_capacity) {
        char *grown = kci_alloc_resize(o->alloc, o->text, text);
        if (!grown)
            return false;
        o->text = grown;
        o->text_capacity = text;
    }
    o->text_size = 0;
    return true;
}

static const char *keep(struct kci_onward *o, const void *data, size_t size)
{
    char *at = o->text + o->text_size;
    if (size)
        memcpy(at, data, size);
    at[size] = 0;
    o->text_size += size + 1;
    return at;
}

static void put_text(struct kci_onward *o, size_t *count, const char *name, const char *value)
{
    o->headers[(*count)++] = (kc_header){ name, { value, strlen(value) } };
}

static void put_number(struct kci_onward *o, size_t *count, const char *name, int64_t value)
{
    char text[NUMBER_BYTES];
    int size = snprintf(text, sizeof text, "%lld", (long long)value);
    put_text(o, count, name, keep(o, text, (size_t)size));
}

bool kci_onward_build(struct kci_onward *o, kc_record *record, const char *topic, const kc_record_view *view,
                      const struct kci_past *past, const char *cause, const char *group)
{
    size_t count = 0;
    if (!make_room(o, view))
        return false;
    for (uint32_t i = 0; i < view->header_count; i++) {
        kc_bytes name, value;
        if (kc_record_view_header(view, i, &name, &value) == KC_OK && !is_ours(name))
            o->headers[count++] = (kc_header){ keep(o, name.data, name.size), value };
    }
    put_text(o, &count, KC_HEADER_TOPIC, past->topic);
    put_number(o, &count, KC_HEADER_PARTITION, past->partition);
    put_number(o, &count, KC_HEADER_OFFSET, past->offset);
    put_number(o, &count, KC_HEADER_TIMESTAMP, past->timestamp_ms);
    put_number(o, &count, KC_HEADER_ATTEMPTS, past->attempts);
    put_text(o, &count, KC_HEADER_CAUSE, cause);
    put_text(o, &count, KC_HEADER_GROUP, group);
    if (past->retry_at_ms)
        put_number(o, &count, KC_HEADER_RETRY_AT, past->retry_at_ms);
    *record = (kc_record)KC_RECORD_INIT;
    record->topic = topic;
    record->key = view->key;
    record->value = view->value;
    record->headers = o->headers;
    record->header_count = count;
    return true;
}

void kci_onward_free(struct kci_onward *o)
{
    kci_alloc_free(o->alloc, o->headers);
    kci_alloc_free(o->alloc, o->text);
    o->headers = NULL;
    o->text = NULL;
    o->header_capacity = o->text_capacity = 0;
}
