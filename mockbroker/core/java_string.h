/* Two facts about a text as Java sees it, in UTF-16 units; Kafka builds on both. */
#ifndef MB_CORE_JAVA_STRING_H
#define MB_CORE_JAVA_STRING_H

#include "base/bytes.h"

/* String.hashCode: decides which partition of an internal topic a group or a transactional id belongs to. */
int32_t mb_java_string_hash(struct kci_str text);
/* String.length: what limits such as offset.metadata.max.bytes are compared with. */
size_t mb_java_string_length(struct kci_str text);

#endif
