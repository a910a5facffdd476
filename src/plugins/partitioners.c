/* Partitioners by name.  Those that librdkafka has give the same partition for the same key as there:
 *
 *   consistent          CRC-32 of the key, modulo partitions; no key counts as an empty one
 *   consistent_random   the same; without a key, or with an empty one: sticky
 *   murmur2             31 bits of Kafka's murmur2, modulo partitions; no key counts as an empty one
 *   murmur2_random      the same; without a key: sticky.  This is the producer's own rule, so it has no table here
 *   fnv1a               FNV-1a as a signed number without its sign (Sarama's way), modulo partitions
 *   fnv1a_random        the same; without a key: sticky
 *   random              any, record by record
 *   roundrobin          the next one, per topic (Java)
 *
 * "Sticky" is KC_PARTITION_STICKY: random, but a batch at a time, as librdkafka does it, too. */
#include "plugins/partitioners.h"
#include "base/checksum.h"
#include "base/map.h"

#include <stdatomic.h>
#include <string.h>

#define FNV_OFFSET 0x811C9DC5u
#define FNV_PRIME  0x01000193u

/* ---- by key ---- */

static int32_t remainder_of(uint32_t hash, int32_t count)
{
    return (int32_t)(hash % (uint32_t)count);
}

static int32_t consistent(void *context, const kc_record *record, int32_t count)
{
    (void)context;
    return remainder_of(kci_crc32(0, record->key.data, record->key.size), count);
}

static int32_t consistent_random(void *context, const kc_record *record, int32_t count)
{
    return record->key.size ? consistent(context, record, count) : KC_PARTITION_STICKY;
}

static int32_t murmur2(void *context, const kc_record *record, int32_t count)
{
    (void)context;
    return remainder_of(kci_murmur2(record->key.data ? record->key.data : "", record->key.size) & INT32_MAX, count);
}

static int32_t fnv1a(void *context, const kc_record *record, int32_t count)
{
    const uint8_t *bytes = record->key.data;
    uint32_t hash = FNV_OFFSET;
    (void)context;
    for (size_t i = 0; i < record->key.size; i++)
        hash = (hash ^ bytes[i]) * FNV_PRIME;
    return remainder_of(hash >> 31 ? 0u - hash : hash, count);
}

static int32_t fnv1a_random(void *context, const kc_record *record, int32_t count)
{
    return record->key.data ? fnv1a(context, record, count) : KC_PARTITION_STICKY;
}

/* ---- regardless of the key ---- */

struct random_choice {
    const struct kci_alloc *alloc;
    _Atomic(uint64_t) state; /* a counter; what is drawn is a mix of it */
};

static int32_t random_partition(void *context, const kc_record *record, int32_t count)
{
    struct random_choice *choice = context;
    uint64_t z = atomic_fetch_add_explicit(&choice->state, UINT64_C(0x9E3779B97F4A7C15), memory_order_relaxed);
    (void)record;
    z = (z ^ z >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ z >> 27) * UINT64_C(0x94D049BB133111EB);
    z ^= z >> 31;
    return (int32_t)((z >> 32) * (uint32_t)count >> 32);
}

static void random_close(void *context)
{
    struct random_choice *choice = context;
    kci_alloc_free(choice->alloc, choice);
}

/* One counter per topic: with a single one, topics that are sent to in turn would get every second partition. */
struct round_robin {
    const struct kci_alloc *alloc;
    struct kci_lock lock;
    struct kci_map turns; /* topic -> the next turn + 1; under lock */
};

static int32_t round_robin(void *context, const kc_record *record, int32_t count)
{
    struct round_robin *robin = context;
    size_t size = strlen(record->topic);
    kci_lock_take(&robin->lock);
    uintptr_t turn = (uintptr_t)kci_map_get(&robin->turns, record->topic, size);
    if (turn == 0)
        turn = 1;
    /* Out of memory: this topic stays at its turn until there is some again, which is no reason to fail a record. */
    kci_map_set(&robin->turns, record->topic, size, (void *)(turn == UINTPTR_MAX ? 1 : turn + 1));
    kci_lock_release(&robin->lock);
    return (int32_t)((turn - 1) % (uintptr_t)count);
}

static void round_robin_close(void *context)
{
    struct round_robin *robin = context;
    kci_map_destroy(&robin->turns);
    kci_alloc_free(robin->alloc, robin);
}

/* ---- by number ---- */

static kc_err make_random(const struct kci_alloc *alloc, uint64_t seed, kc_partitioner *out)
{
    struct random_choice *choice = kci_alloc_zero(alloc, 1, sizeof *choice);
    if (!choice)
        return KC_ERR_NO_MEMORY;
    choice->alloc = alloc;
    atomic_init(&choice->state, seed);
    *out = (kc_partitioner){ "random", choice, random_partition, random_close };
    return KC_OK;
}

static kc_err make_round_robin(const struct kci_alloc *alloc, const struct kci_lock_ops *lock_ops, uint64_t seed,
                               kc_partitioner *out)
{
    struct round_robin *robin = kci_alloc_zero(alloc, 1, sizeof *robin);
    if (!robin)
        return KC_ERR_NO_MEMORY;
    robin->alloc = alloc;
    kci_lock_init(&robin->lock, lock_ops);
    robin->turns = kci_map_of(alloc, seed);
    *out = (kc_partitioner){ "roundrobin", robin, round_robin, round_robin_close };
    return KC_OK;
}

kc_err kci_partitioners_make(enum kci_partitioner which, const struct kci_alloc *alloc,
                             const struct kci_lock_ops *lock_ops, uint64_t seed, kc_partitioner *out)
{
    *out = (kc_partitioner){ 0 };
    switch (which) {
    case KCI_PARTITIONER_DEFAULT:
    case KCI_PARTITIONER_STICKY:
    case KCI_PARTITIONER_MURMUR2_RANDOM:
        break;
    case KCI_PARTITIONER_ROUNDROBIN:
        return make_round_robin(alloc, lock_ops, seed, out);
    case KCI_PARTITIONER_RANDOM:
        return make_random(alloc, seed, out);
    case KCI_PARTITIONER_CONSISTENT:
        *out = (kc_partitioner){ "consistent", NULL, consistent, NULL };
        break;
    case KCI_PARTITIONER_CONSISTENT_RANDOM:
        *out = (kc_partitioner){ "consistent_random", NULL, consistent_random, NULL };
        break;
    case KCI_PARTITIONER_MURMUR2:
        *out = (kc_partitioner){ "murmur2", NULL, murmur2, NULL };
        break;
    case KCI_PARTITIONER_FNV1A:
        *out = (kc_partitioner){ "fnv1a", NULL, fnv1a, NULL };
        break;
    case KCI_PARTITIONER_FNV1A_RANDOM:
        *out = (kc_partitioner){ "fnv1a_random", NULL, fnv1a_random, NULL };
        break;
    }
    return KC_OK;
}

bool kci_partitioners_spreads(enum kci_partitioner which)
{
    return which == KCI_PARTITIONER_ROUNDROBIN || which == KCI_PARTITIONER_RANDOM;
}
