/* Topic patterns that the broker matches (SubscribedTopicRegex of KIP-848). */
#ifndef MB_CORE_MODERN_REGEX_H
#define MB_CORE_MODERN_REGEX_H

#include "base/alloc.h"
#include "base/bytes.h"

#define MB_REGEX_BYTES_MAX 4096 /* of a pattern: topic names have 249 characters, patterns are hand-written */

struct mb_modern_regex; /* compiled */

/* NULL: not a pattern of the RE2 syntax (*bad is true), or no memory. */
struct mb_modern_regex *mb_modern_regex_compile(const struct kci_alloc *alloc, struct kci_str pattern, bool *bad);
/* Is the whole name matched? A match that costs too much is none. */
bool mb_modern_regex_match(struct mb_modern_regex *regex, struct kci_str name);
void mb_modern_regex_free(struct mb_modern_regex *regex); /* NULL is fine */
/* Once; false where there is no memory, too. */
bool mb_modern_regex_matches(const struct kci_alloc *alloc, struct kci_str pattern, struct kci_str name);

#endif
