/* Seeded pseudo-random numbers (xoshiro256**, state from splitmix64). Repeatable; not for secrets. */
#ifndef KCI_BASE_PRNG_H
#define KCI_BASE_PRNG_H

#include <stdint.h>

struct kci_prng {
    uint64_t s[4];
};

void kci_prng_seed(struct kci_prng *prng, uint64_t seed);
uint64_t kci_prng_next(struct kci_prng *prng);
/* Uniform in [0, bound), without bias; bound >= 1. */
uint64_t kci_prng_below(struct kci_prng *prng, uint64_t bound);
/* True in `num` of `den` cases. */
static inline int kci_prng_chance(struct kci_prng *prng, uint64_t num, uint64_t den)
{
    return kci_prng_below(prng, den) < num;
}

#endif
