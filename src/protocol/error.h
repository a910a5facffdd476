/* Kafka's error codes: numbers, names, what Kafka says of them, and what a client may do (PROTOCOL.md section 1). */
#ifndef KCI_PROTOCOL_ERROR_H
#define KCI_PROTOCOL_ERROR_H

#include "base/bytes.h"

/* X(number, NAME, flags, text); flags: R retriable, M retriable after a metadata refresh, 0 neither. */
enum { KCI_ERROR_RETRIABLE = 1, KCI_ERROR_REFRESH = 2 };
#include "protocol/error_list.h" /* KCI_ERROR_LIST(X): -1 .. 136 */

enum kci_error_code {
#define KCI_ERROR_ENUM(number, name, flags, text) KCI_##name = (number),
    KCI_ERROR_LIST(KCI_ERROR_ENUM)
#undef KCI_ERROR_ENUM
};

/* "NOT_LEADER_OR_FOLLOWER", or "UNKNOWN_ERROR_CODE" for a number that is not in the list. */
const char *kci_error_name(int16_t code);
const char *kci_error_text(int16_t code);
/* KCI_ERROR_* bits; unknown codes have none. */
int kci_error_flags(int16_t code);

#endif
