/* Which thread a key goes to: always the same one, and not all keys of a partition to one. */
#include "base/checksum.h"
#include "worker/internal.h"

#include "support/unit.h"

#include <stdio.h>

/* The same key, the same thread; within the limits. */
static void a_key_stays(void **state)
{
    (void)state;
    for (uint32_t threads = 1; threads <= 256; threads++) {
        uint32_t first = kci_deal_choose((kc_bytes){ "customer-7", 10 }, threads);
        assert_in_range(first, 0, threads - 1);
        assert_int_equal(kci_deal_choose((kc_bytes){ "customer-7", 10 }, threads), first);
    }
    assert_int_equal(kci_deal_choose((kc_bytes){ "", 0 }, 4), kci_deal_choose((kc_bytes){ "x", 0 }, 4));
}

/* The keys that Kafka's partitioner puts into one partition of four still spread over four threads. */
static void keys_of_one_partition_spread(void **state)
{
    int counts[4] = { 0 }, keys = 0;
    char key[20];
    (void)state;
    for (int i = 0; keys < 4000; i++) {
        size_t size = (size_t)snprintf(key, sizeof key, "%d", i);
        if ((kci_murmur2(key, size) & 0x7fffffff) % 4 != 0)
            continue;
        counts[kci_deal_choose((kc_bytes){ key, size }, 4)]++;
        keys++;
    }
    for (int i = 0; i < 4; i++)
        assert_in_range(counts[i], 700, 1300);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_key_stays),
        cmocka_unit_test(keys_of_one_partition_spread),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
