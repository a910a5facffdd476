/* Random sends before brokers with random faults, many seeds; then everything heals and must arrive.  The log is the
 * judge: what was acknowledged is there, once, at its offset, in order; what surely failed is not; every record has one
 * fate. And the same with each planted defect, which must be caught. */
#include "support/rounds.h"
#include "support/script_producer.h"

#include "base/prng.h"

enum { SENDS = 120, PARTITIONS = 3 };

static struct script_producer sp;
static const char *broken; /* the first thing that does not hold; NULL: all does */

static void claim(bool holds, const char *what)
{
    if (!holds && !broken)
        broken = what;
}

/* Where a value lies in a log, or -1; counts how often. */
static int64_t find(int32_t partition, const char *value, size_t *times)
{
    int64_t at = -1;
    *times = 0;
    for (int64_t i = 0; i < sp.logs[partition].end; i++) {
        if (strcmp(sp.logs[partition].values[i], value))
            continue;
        ++*times;
        if (at < 0)
            at = i;
    }
    return at;
}

static void judge(void)
{
    static bool told[SCRIPT_FATES];
    int64_t last[PARTITIONS] = { -1, -1, -1 };
    memset(told, 0, sizeof told);
    claim(sp.fate_count == sp.sent, "P5: a record has no fate, or two");
    for (size_t i = 0; i < sp.fate_count; i++) {
        const struct script_fate *fate = &sp.fates[i];
        size_t times;
        int64_t at = find(fate->partition, sp.sent_values[fate->number], &times);
        claim(!told[fate->number], "P5: two fates");
        told[fate->number] = true;
        if (sp.settings.enable_idempotence)
            claim(times <= 1, "P2: a duplicate");
        if (fate->code) {
            claim(times == 0 || (fate->traits & KC_MAYBE_APPLIED), "P4: it failed for sure and is in the log");
            continue;
        }
        claim(times >= 1, "P1: it was acknowledged and is not in the log");
        if (!sp.settings.enable_idempotence)
            continue;
        claim(fate->offset < 0 || fate->offset == at, "P7: the offset is wrong");
        claim(at > last[fate->partition], "P3: out of order");
        last[fate->partition] = at;
    }
}

/* P6: when a flush is done, all that was sent before has its fate. */
static void judge_flush(uint64_t ticket, size_t sent_before)
{
    size_t told = 0;
    if (!kci_producer_flushed(sp.producer, ticket))
        return;
    for (size_t i = 0; i < sp.fate_count; i++)
        told += sp.fates[i].number < sent_before;
    claim(told >= sent_before, "P6: flushed, and a record has no fate");
}

static void fault(struct kci_prng *random)
{
    static const int16_t codes[] = { KCI_NOT_ENOUGH_REPLICAS,   KCI_NOT_LEADER_OR_FOLLOWER,
                                     KCI_REQUEST_TIMED_OUT,     KCI_NOT_ENOUGH_REPLICAS_AFTER_APPEND,
                                     KCI_INVALID_RECORD,        KCI_UNKNOWN_TOPIC_OR_PARTITION,
                                     KCI_CORRUPT_MESSAGE,       KCI_UNKNOWN_PRODUCER_ID,
                                     KCI_INVALID_PRODUCER_EPOCH };
    int16_t code = codes[kci_prng_below(random, 9)];
    switch (kci_prng_below(random, 8)) {
    case 0:
        script_fault(&sp, SCRIPT_CLOSE, 0);
        break;
    case 1:
        script_fault(&sp, SCRIPT_APPLY_THEN_CLOSE, 0);
        break;
    case 2:
        script_fault(&sp, SCRIPT_SILENCE, 0);
        break;
    case 3: /* only those by which Kafka says that it may have been applied */
        script_fault(&sp, SCRIPT_APPLY_THEN_ERROR,
                     kci_prng_chance(random, 1, 2) ? KCI_REQUEST_TIMED_OUT : KCI_NOT_ENOUGH_REPLICAS_AFTER_APPEND);
        break;
    case 4:
    case 5:
        script_fault(&sp, SCRIPT_ERROR, code);
        break;
    default:
        script_fault(&sp, SCRIPT_NO_FAULT, 0);
        break;
    }
}

static void run(uint64_t seed, bool idempotent, enum kci_plant plant)
{
    struct kci_prng random;
    kci_prng_seed(&random, seed);
    script_producer_init(&sp);
    sp.peer.brokers = 2;
    sp.settings.enable_idempotence = idempotent;
    sp.settings.linger_ms = (int32_t)kci_prng_below(&random, 3) * 20;
    sp.settings.batch_size = 100 + (int32_t)kci_prng_below(&random, 500);
    sp.settings.buffer_memory = kci_prng_chance(&random, 1, 4) ? 30000 : 32 << 20;
    sp.settings.request_timeout_ms = 1500;
    sp.settings.delivery_timeout_ms = kci_prng_chance(&random, 1, 3) ? 2500 : 60000;
    sp.settings.compression_type = kci_prng_chance(&random, 1, 4) ? KCI_CODEC_GZIP : KCI_CODEC_NONE;
    script_producer_create(&sp);
    sp.producer->plant = plant;
    broken = NULL;
    if (kci_prng_chance(&random, 1, 4))
        sp.batch_bytes_max = 200;
    uint64_t ticket = kci_producer_flush(sp.producer);
    size_t sent_before = 0;
    for (int i = 0; i < SENDS; i++) {
        struct kci_producer_wait why;
        kc_error error;
        char value[SCRIPT_VALUE];
        snprintf(value, sizeof value, "v%d", i);
        if (sp.fault_count < SCRIPT_FAULTS && kci_prng_chance(&random, 1, 2))
            fault(&random);
        if (kci_prng_chance(&random, 1, 20)) {
            sp.peer.topics[0].leader_shift++;
            sp.peer.topics[0].epoch++;
        }
        script_queue(&sp, (int32_t)kci_prng_below(&random, PARTITIONS), value, &why, &error);
        if (kci_prng_chance(&random, 2, 3))
            script_advance(&sp.peer, (int64_t)kci_prng_below(&random, 120));
        judge_flush(ticket, sent_before);
        if (kci_prng_chance(&random, 1, 10)) {
            ticket = kci_producer_flush(sp.producer);
            sent_before = sp.sent;
        }
    }
    sp.fault_first = sp.fault_count; /* healed */
    script_advance(&sp.peer, 200000);
    claim(kci_producer_pending(sp.producer) == 0, "L1: healed, and a record still has no fate");
    claim(kci_producer_flushed(sp.producer, ticket), "L1: healed, and a flush is not done");
    judge();
    kci_producer_destroy(sp.producer, sp.peer.now);
    script_peer_destroy(&sp.peer);
    assert_int_equal(sp.memory.live_blocks, 0);
}

/* No seed breaks a promise. */
static void test_promises_hold(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= TEST_ROUNDS(150); seed++) {
        run(seed, seed % 5 != 0, KCI_PLANT_NONE);
        if (broken)
            fail_msg("seed %llu: %s", (unsigned long long)seed, broken);
    }
}

/* Each planted defect breaks one within a few seeds. */
static void test_planted_defects_are_caught(void **state)
{
    (void)state;
    for (int plant = KCI_PLANT_FRESH_SEQUENCE; plant <= KCI_PLANT_SURE_OF_TIMEOUT; plant++) {
        uint64_t seed = 1;
        for (; seed <= 100; seed++) {
            run(seed, true, (enum kci_plant)plant);
            if (broken)
                break;
        }
        if (!broken)
            fail_msg("defect %d was not caught", plant);
        print_message("defect %d: seed %llu: %s\n", plant, (unsigned long long)seed, broken);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_promises_hold),
        cmocka_unit_test(test_planted_defects_are_caught),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
