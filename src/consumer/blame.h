/* What a broker's refusal is about, who said it, what it means and what to do: one line for people. */
#ifndef KCI_CONSUMER_BLAME_H
#define KCI_CONSUMER_BLAME_H

#include <kclient/error.h>
#include <stddef.h>
#include <stdint.h>

#define KCI_WHY_BYTES 480 /* of such a line, with NUL: what fits into a kc_error */

struct kci_consumer;

/* What to do about an error of Kafka's, as the end of a sentence; "": nothing that can be said in general. */
const char *kci_blame_advice(int16_t error);
/* "committing t [0] at offset 3: broker 1 (b1:9092) answered OFFSET_METADATA_TOO_LARGE: the text ... is too long;
 * shorten it ..." into `text`. The I/O thread's.
 *   node     who answered; KCI_NODE_NONE: not known
 *   what...  what was tried, a printf format */
void kci_blame(const struct kci_consumer *c, char *text, size_t size, int32_t node, int16_t error, const char *what,
               ...) __attribute__((format(printf, 6, 7)));
/* The same as an error that the next poll reports. */
void kci_blame_raise(struct kci_consumer *c, int32_t node, int16_t error, const char *what, ...)
    __attribute__((format(printf, 4, 5)));

#endif
