/* Texts for people are put together piece by piece into a fixed buffer; what does not fit is cut and ends in "...". */
#ifndef KCI_CLUSTER_TEXT_H
#define KCI_CLUSTER_TEXT_H

#include "base/bytes.h"

struct kci_text {
    char *data;  /* borrowed, always NUL-terminated */
    size_t size; /* bytes of data, >= 1 */
    size_t used; /* bytes written without the NUL */
};

struct kci_text kci_text_of(char *data, size_t size);
void kci_text_add(struct kci_text *text, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* A span of microseconds as "350 ms", "1.2 s" or "12 min". */
void kci_text_span(struct kci_text *text, int64_t us);
/* Bytes of a stranger: printable ASCII as it is, everything else as a dot. */
void kci_text_foreign(struct kci_text *text, const uint8_t *data, size_t size);

#endif
