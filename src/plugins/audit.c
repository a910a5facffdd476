/* A line is written when the fate of a record is known, but the key is only known when it is sent.  Between the two the
 * record's opaque pointer is ours: it points to a slot that holds the key's hash, the time, and the opaque pointer of
 * the application, which comes back before anybody else sees the delivery.  (Interceptors that are named come first in
 * the chain, so only named ones could see the slot, and none looks.)
 *
 *   on_send            take a slot, record.opaque -> slot                none free: the record goes on without
 *   on_acknowledgement delivery.opaque is a slot of ours? its content into the line, the opaque pointer back
 *
 * A later interceptor that replaces the opaque pointer costs us the slot until the end; there are enough. */
#include "plugins/audit.h"
#include "base/bytes.h"
#include "base/checksum.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define CLIENT_BYTES 256
#define TOPIC_BYTES  (249 * 6 + 1) /* a name of Kafka's longest, every byte escaped; lines are cut anyway */

struct slot {
    void *opaque;       /* of the application; while free: the next free slot */
    int64_t sent_at;    /* microseconds, wall clock */
    uint32_t key_hash;  /* murmur2 */
    uint32_t key_bytes; /* UINT32_MAX: no key */
    uint64_t value_bytes;
};

struct audit {
    struct kci_audit_options options;
    char client[CLIENT_BYTES]; /* escaped */
    struct kci_lock lock;      /* guards what follows */
    struct slot *free_slot;
    uint32_t used;                            /* slots that were ever taken: memory is touched as needed */
    struct slot slots[KCI_AUDIT_PENDING_MAX]; /* zero pages until then */
};

/* ---- slots ---- */

static struct slot *take_slot(struct audit *audit)
{
    kci_lock_take(&audit->lock);
    struct slot *slot = audit->free_slot;
    if (slot)
        audit->free_slot = slot->opaque;
    else if (audit->used < KCI_AUDIT_PENDING_MAX)
        slot = &audit->slots[audit->used++];
    kci_lock_release(&audit->lock);
    return slot;
}

static void give_slot(struct audit *audit, struct slot *slot)
{
    kci_lock_take(&audit->lock);
    slot->opaque = audit->free_slot;
    audit->free_slot = slot;
    kci_lock_release(&audit->lock);
}

/* The slot that an opaque pointer is, or NULL: it is the application's. */
static struct slot *slot_of(struct audit *audit, void *opaque)
{
    uintptr_t at = (uintptr_t)opaque, first = (uintptr_t)audit->slots;
    if (at < first || at >= first + sizeof audit->slots || (at - first) % sizeof audit->slots[0])
        return NULL;
    return opaque;
}

/* ---- lines ---- */

/* As the inside of a JSON string; cut to size. Bytes that are no ASCII go through: names are UTF-8 already. */
static void escape(const char *text, char *out, size_t size)
{
    size_t used = 0;
    for (; *text && used + 7 < size; text++) {
        unsigned char c = (unsigned char)*text;
        if (c == '"' || c == '\\')
            used += (size_t)snprintf(out + used, size - used, "\\%c", c);
        else if (c < 0x20)
            used += (size_t)snprintf(out + used, size - used, "\\u%04x", c);
        else
            out[used++] = (char)c;
    }
    out[used] = 0;
}

static size_t format(const struct audit *audit, const kc_delivery *delivery, const struct slot *slot, char *line,
                     size_t size)
{
    char topic[TOPIC_BYTES], key[16] = "null", about[160] = "";
    escape(delivery->topic ? delivery->topic : "", topic, sizeof topic);
    if (slot && slot->key_bytes != UINT32_MAX)
        snprintf(key, sizeof key, "\"%08x\"", (unsigned)slot->key_hash);
    if (slot)
        snprintf(about, sizeof about, ",\"key_hash\":%s,\"value_bytes\":%llu,\"sent_us\":%lld", key,
                 (unsigned long long)slot->value_bytes, (long long)slot->sent_at);
    int used = snprintf(line, size,
                        "{\"client\":\"%s\",\"topic\":\"%s\",\"partition\":%d,\"offset\":%lld,\"result\":\"%s\"%s%s,"
                        "\"answered_us\":%lld}",
                        audit->client, topic, (int)delivery->partition, (long long)delivery->offset,
                        delivery->code ? kc_err_name(delivery->code) : "OK",
                        delivery->traits & KC_MAYBE_APPLIED ? ",\"maybe_applied\":true" : "", about,
                        (long long)audit->options.clock());
    return used > 0 && (size_t)used < size ? (size_t)used : 0; /* 0: does not fit; a part of it would be no JSON */
}

/* ---- the interceptor ---- */

static kc_err on_send(void *context, kc_record *record)
{
    struct audit *audit = context;
    struct slot *slot = take_slot(audit);
    if (!slot)
        return KC_OK;
    *slot = (struct slot){ .opaque = record->opaque,
                           .sent_at = audit->options.clock(),
                           .key_hash = record->key.data ? kci_murmur2(record->key.data, record->key.size) : 0,
                           .key_bytes = record->key.data ? (uint32_t)record->key.size : UINT32_MAX,
                           .value_bytes = record->value.size };
    record->opaque = slot;
    return KC_OK;
}

static void on_acknowledgement(void *context, const kc_delivery *delivery)
{
    struct audit *audit = context;
    struct slot *slot = slot_of(audit, delivery->opaque);
    char line[KCI_AUDIT_LINE_BYTES];
    size_t size = format(audit, delivery, slot, line, sizeof line);
    if (slot) {
        ((kc_delivery *)delivery)->opaque = slot->opaque; /* the library's own array, which is not const */
        give_slot(audit, slot);
    }
    if (size)
        audit->options.write(audit->options.context, line, size);
}

static void close_audit(void *context)
{
    struct audit *audit = context;
    audit->options.close(audit->options.context);
    kci_alloc_free(audit->options.alloc, audit);
}

kc_err kci_audit_make(const struct kci_audit_options *options, kc_producer_interceptor *out)
{
    struct audit *audit = kci_alloc_zero(options->alloc, 1, sizeof *audit);
    if (!audit)
        return KC_ERR_NO_MEMORY;
    audit->options = *options;
    audit->options.client_id = NULL;
    escape(options->client_id ? options->client_id : "", audit->client, sizeof audit->client);
    kci_lock_init(&audit->lock, options->lock_ops);
    *out = (kc_producer_interceptor){ .name = "audit",
                                      .context = audit,
                                      .on_send = on_send,
                                      .on_acknowledgement = on_acknowledgement,
                                      .close = close_audit };
    return KC_OK;
}
