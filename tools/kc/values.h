/* The values of kc perf: one for all records, or each a piece of a text that a codec makes about a third of.  The same
 * bytes in every run.  rdkafka_perf and the other programs of bench/ make their own in the same way. */
#ifndef KC_TOOL_VALUES_H
#define KC_TOOL_VALUES_H

#include <kclient/kclient.h>
#include <stdbool.h>

struct kct_values {
    char *text;        /* owned */
    size_t size, span; /* bytes of a value; bytes of text in which one begins, 1 when all are the same */
};

/* false: out of memory. */
bool kct_values_make(struct kct_values *values, size_t size, bool varied);
/* The value of a record; valid until the values are freed. */
kc_bytes kct_values_at(const struct kct_values *values, unsigned long long record);
void kct_values_free(struct kct_values *values);

#endif
