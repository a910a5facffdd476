/* What the first bytes of a peer say about what it is, when it is not a Kafka broker. */
#ifndef KCI_CLUSTER_SNIFF_H
#define KCI_CLUSTER_SNIFF_H

#include "cluster/text.h"

#define KCI_SNIFF_BYTES 32 /* first bytes that are looked at */

/* True if these bytes are not the beginning of a Kafka response but of something else that we know or that is plain
 * text; what it is and what to do about it is added to `text`. */
bool kci_sniff(const uint8_t *data, size_t size, struct kci_text *text);

#endif
