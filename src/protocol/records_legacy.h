/* Message sets v0 and v1, read only: what records.c hands over for a batch whose magic is not 2. */
#ifndef KCI_PROTOCOL_RECORDS_LEGACY_H
#define KCI_PROTOCOL_RECORDS_LEGACY_H

#include "protocol/records.h"

/* Fill a header from the message at data, which has at least kci_records_legacy_min(magic) bytes. */
void kci_records_legacy_header(const uint8_t *data, struct kci_batch_header *header);
/* Least bytes of a whole message of that magic. */
size_t kci_records_legacy_min(int8_t magic);
/* it->header is set; go on as kci_batch_open does. */
enum kci_batch_error kci_records_legacy_open(struct kci_batch_iterator *it, const uint8_t *data, size_t total,
                                             struct kci_compressor *c, size_t plain_max);
/* As kci_batch_next. */
int kci_records_legacy_next(struct kci_batch_iterator *it, struct kci_record_view *view);

/* Decompress the payload of a batch into it->plain and point it->records at it. Also used for v2. */
enum kci_batch_error kci_records_unpack(struct kci_batch_iterator *it, struct kci_bytes packed,
                                        struct kci_compressor *c, size_t plain_max);

#endif
