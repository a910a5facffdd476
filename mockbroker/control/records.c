/* /v1/topics/T/P/records: what is in a log, decoded.  Bytes that are UTF-8 are text, others
 * {"base64": "..."}; null is null. */
#include "mockbroker/control/routes.h"

#include "mockbroker/core/digest.h"
#include "protocol/records.h"

#include <stdlib.h>
#include <string.h>

#define COUNT_DEFAULT   100
#define COUNT_MAX       10000       /* records of one answer */
#define BYTES_MAX       (16u << 20) /* of keys and values of one answer: then it ends early */
#define PLAIN_BYTES_MAX (64u << 20) /* of one batch after decompression */

struct listing {
    json_t *records;
    int64_t from, next; /* offset asked for; where to go on */
    size_t left;        /* records that still may come */
    size_t bytes;
};

static json_t *base64_json(struct kci_bytes bytes)
{
    char *text = malloc((bytes.size + 2) / 3 * 4 + 1);
    if (!text)
        return NULL;
    text[mb_base64_print(bytes, text)] = '\0';
    json_t *json = json_pack("{s:s}", "base64", text);
    free(text);
    return json;
}

static json_t *bytes_json(struct kci_bytes bytes)
{
    if (!bytes.data)
        return json_null();
    json_t *text = json_stringn((const char *)bytes.data, bytes.size); /* NULL: not UTF-8 */
    return text ? text : base64_json(bytes);
}

static json_t *headers_json(const struct kci_record_view *record)
{
    json_t *headers = json_array();
    struct kci_reader at = record->headers;
    struct kci_str name;
    struct kci_bytes value;
    while (kci_record_header_next(&at, &name, &value))
        json_array_append_new(headers,
                              json_pack("{s:o, s:o}", "name",
                                        bytes_json((struct kci_bytes){ (const uint8_t *)name.data, name.size }),
                                        "value", bytes_json(value)));
    return headers;
}

static void list_record(struct listing *listing, const struct kci_batch_header *batch,
                        const struct kci_record_view *record)
{
    json_array_append_new(
        listing->records,
        json_pack("{s:I, s:I, s:i, s:I, s:b, s:b, s:o, s:o, s:o}", "offset", (json_int_t)record->offset, "timestamp",
                  (json_int_t)record->timestamp_ms, "leader_epoch", (int)batch->leader_epoch, "producer_id",
                  (json_int_t)batch->producer_id, "transactional", (batch->attributes & KCI_BATCH_TRANSACTIONAL) != 0,
                  "control", (batch->attributes & KCI_BATCH_CONTROL) != 0, "key", bytes_json(record->key), "value",
                  bytes_json(record->value), "headers", headers_json(record)));
    listing->left--;
    listing->bytes += record->key.size + record->value.size;
}

/* false: it cannot be read. */
static bool list_batch(struct listing *listing, struct kci_bytes bytes)
{
    struct kci_batch_iterator it;
    struct kci_record_view record;
    int more = 0;
    if (kci_batch_open(&it, bytes.data, bytes.size, kci_heap_alloc(), PLAIN_BYTES_MAX) != KCI_BATCH_OK)
        return false;
    while (listing->left && listing->bytes < BYTES_MAX && (more = kci_batch_next(&it, &record)) > 0) {
        if (record.offset >= listing->from)
            list_record(listing, &it.header, &record);
        listing->next = record.offset + 1;
    }
    if (more == 0 && listing->left && listing->bytes < BYTES_MAX) /* the batch may be longer than its last record */
        listing->next = it.header.base_offset + it.header.last_offset_delta + 1;
    kci_batch_close(&it);
    return more >= 0;
}

void mb_control_get_records(struct mb_control_request *request, struct mb_cluster *cluster, int64_t now)
{
    struct kci_str topic = kci_str_of(request->segments[2]);
    const char *from = request->query(request, "from"), *max = request->query(request, "max");
    struct mb_partition_view view;
    struct kci_bytes batch;
    int64_t index, count = COUNT_DEFAULT, first;
    (void)now;
    if (!mb_control_number(request, "partition", request->segments[3], INT32_MAX, &index) ||
        (max && !mb_control_number(request, "max", max, COUNT_MAX, &count)))
        return;
    int16_t code = mb_cluster_partition(cluster, topic, (int32_t)index, &view);
    if (code) {
        mb_control_answer_code(request, code);
        return;
    }
    first = view.log_start;
    if (from && !mb_control_number(request, "from", from, INT64_MAX, &first))
        return;
    struct listing listing = { json_array(), first, first < view.log_start ? view.log_start : first, (size_t)count, 0 };
    bool ok = listing.records != NULL;
    while (ok && listing.left && listing.bytes < BYTES_MAX &&
           mb_cluster_batch(cluster, topic, (int32_t)index, listing.next, &batch)) {
        int64_t before = listing.next;
        ok = list_batch(&listing, batch);
        if (listing.next <= before)
            break;
    }
    if (!ok) {
        json_decref(listing.records);
        mb_control_fail(request, 500, NULL, "the batch at offset %lld cannot be read", (long long)listing.next);
        return;
    }
    mb_control_answer(request, 200,
                      json_pack("{s:o, s:I, s:I, s:I}", "records", listing.records, "next", (json_int_t)listing.next,
                                "high_watermark", (json_int_t)view.high_watermark, "log_end",
                                (json_int_t)view.log_end));
}
