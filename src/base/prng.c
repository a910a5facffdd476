/* xoshiro256** of Blackman and Vigna, its state filled by splitmix64 so that seeds 0, 1, 2 ... give unrelated streams.
 * Every machine of the core that needs chance has its own, seeded by its owner: a simulation is its seed. */
#include "base/prng.h"

#include <assert.h>

static uint64_t rotate_left(uint64_t x, int bits)
{
    return x << bits | x >> (64 - bits);
}

void kci_prng_seed(struct kci_prng *prng, uint64_t seed)
{
    for (int i = 0; i < 4; i++) {
        seed += 0x9E3779B97F4A7C15u;
        uint64_t z = seed;
        z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9u;
        z = (z ^ z >> 27) * 0x94D049BB133111EBu;
        prng->s[i] = z ^ z >> 31;
    }
}

uint64_t kci_prng_next(struct kci_prng *prng)
{
    uint64_t *s = prng->s, result = rotate_left(s[1] * 5, 7) * 9, shifted = s[1] << 17;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= shifted;
    s[3] = rotate_left(s[3], 45);
    return result;
}

uint64_t kci_prng_below(struct kci_prng *prng, uint64_t bound)
{
    assert(bound >= 1);
    uint64_t reject = (0 - bound) % bound; /* 2^64 mod bound: what is left is a multiple of bound */
    uint64_t value;
    do
        value = kci_prng_next(prng);
    while (value < reject);
    return value % bound;
}
