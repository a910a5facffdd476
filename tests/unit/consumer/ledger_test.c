/* Contiguous progress: whatever is acknowledged in whatever order, nothing behind a gap counts. */
#include "base/prng.h"
#include "consumer/ledger.h"
#include "support/test_alloc.h"
#include "support/unit.h"

static struct test_alloc memory;
static struct kci_alloc alloc;
static struct kci_ledger ledger;

static void begin(void)
{
    memset(&memory, 0, sizeof memory);
    alloc = test_alloc_counting(&memory);
    kci_ledger_init(&ledger);
}

static void end(void)
{
    kci_ledger_clear(&ledger, &alloc);
    assert_int_equal(memory.live_blocks, 0);
}

/* Records from..to, without holes, of epoch 5 behind one of epoch 4. */
static void note(int64_t from, int64_t to)
{
    for (int64_t offset = from; offset <= to; offset++)
        kci_ledger_note(&ledger, &alloc, offset, 5, offset == from ? 4 : 5, (uint32_t)(to - offset));
}

static void expect(int64_t offset, int32_t epoch_before)
{
    int64_t found = -1;
    int32_t epoch = -1;
    assert_true(kci_ledger_progress(&ledger, &found, &epoch));
    assert_int_equal(found, offset);
    assert_int_equal(epoch, epoch_before);
}

static void expect_all_done(void)
{
    int64_t offset;
    int32_t epoch;
    assert_false(kci_ledger_progress(&ledger, &offset, &epoch));
    assert_int_equal(ledger.unacknowledged, 0);
}

static void done(int64_t offset)
{
    assert_int_equal(kci_ledger_acknowledge(&ledger, &alloc, offset, offset + 1), 1);
}

/* Out of order: progress waits for the first. */
static void test_out_of_order(void **state)
{
    (void)state;
    begin();
    expect_all_done();
    note(10, 13);
    expect(10, 4);
    done(11);
    done(13);
    expect(10, 4);
    done(10);
    expect(12, 5);
    done(12);
    expect_all_done();
    end();
}

/* What compaction left out is not waited for, also where an offset is far away. */
static void test_holes(void **state)
{
    (void)state;
    begin();
    note(10, 11);
    note(15, 15);
    note(INT64_C(1) << 40, INT64_C(1) << 40);
    done(10);
    done(11);
    expect(15, 5);
    done(15);
    expect(INT64_C(1) << 40, 4);
    assert_int_equal(kci_ledger_acknowledge(&ledger, &alloc, 12, 15), 0);
    assert_int_equal(kci_ledger_acknowledge(&ledger, &alloc, 0, INT64_MAX), 1);
    expect_all_done();
    end();
}

/* Twice is once; what went away with its page is not found again, and does no harm. */
static void test_twice(void **state)
{
    (void)state;
    begin();
    note(0, 2);
    done(1);
    done(1);
    assert_int_equal(ledger.unacknowledged, 2);
    done(0);
    done(2);
    assert_int_equal(kci_ledger_acknowledge(&ledger, &alloc, 1, 2), 0);
    note(3, 3);
    expect(3, 4);
    end();
}

/* A whole poll at once. */
static void test_range(void **state)
{
    (void)state;
    begin();
    note(0, 5000);
    assert_int_equal(kci_ledger_acknowledge(&ledger, &alloc, 100, 4000), 3900);
    expect(0, 4);
    assert_int_equal(kci_ledger_acknowledge(&ledger, &alloc, 0, 100), 100);
    expect(4000, 5);
    assert_int_equal(kci_ledger_acknowledge(&ledger, &alloc, 4000, 5001), 1001);
    expect_all_done();
    end();
}

/* Against the plainest model: an array of flags. */
static void test_model(void **state)
{
    enum { RECORDS = 6000 };
    static bool there[RECORDS], over[RECORDS];
    struct kci_prng prng;
    int64_t next = 0, oldest = 0;
    (void)state;
    begin();
    kci_prng_seed(&prng, 1);
    memset(there, 0, sizeof there);
    memset(over, 0, sizeof over);
    for (int step = 0; step < 30000; step++) {
        int64_t offset = -1;
        int32_t epoch;
        if (kci_prng_below(&prng, 100) == 0 && next > oldest) {
            int64_t from = oldest + (int64_t)kci_prng_below(&prng, (uint64_t)(next - oldest));
            kci_ledger_forget(&ledger, &alloc, from);
            for (; next > from; next--)
                there[next - 1] = over[next - 1] = false;
        }
        if (kci_prng_below(&prng, 3) == 0 && next < RECORDS - 10) {
            next += (int64_t)kci_prng_below(&prng, 4);
            kci_ledger_note(&ledger, &alloc, next, (int32_t)(next / 700), 0, (uint32_t)kci_prng_below(&prng, 40));
            there[next++] = true;
        } else if (next > oldest) {
            int64_t at = oldest + (int64_t)kci_prng_below(&prng, (uint64_t)(next - oldest));
            kci_ledger_acknowledge(&ledger, &alloc, at, at + 1);
            over[at] = true;
        }
        while (oldest < next && (!there[oldest] || over[oldest]))
            oldest++;
        bool pending = kci_ledger_progress(&ledger, &offset, &epoch);
        assert_int_equal(pending, oldest < next);
        if (pending)
            assert_int_equal(offset, oldest);
    }
    end();
}

/* What was noted and then not returned after all is not waited for, and its offsets may come again. */
static void test_forgotten(void **state)
{
    (void)state;
    begin();
    note(0, 3000);
    assert_int_equal(kci_ledger_acknowledge(&ledger, &alloc, 1, 2500), 2499);
    kci_ledger_forget(&ledger, &alloc, 2100);
    assert_int_equal(ledger.unacknowledged, 1);
    done(0);
    expect_all_done();
    note(2100, 2101);
    assert_int_equal(ledger.unacknowledged, 2);
    done(2100);
    expect(2101, 5);
    kci_ledger_forget(&ledger, &alloc, 0);
    expect_all_done();
    end();
}

/* Without memory for a page a record is not noted, which is told: it is not returned. Then it goes on where it was. */
static void test_memory(void **state)
{
    (void)state;
    begin();
    note(0, 15);
    memory.fail_at = memory.count + 1;
    assert_false(kci_ledger_note(&ledger, &alloc, 16, 5, 5, 0));
    memory.fail_at = 0;
    note(16, 20);
    assert_int_equal(kci_ledger_acknowledge(&ledger, &alloc, 0, 18), 18);
    expect(18, 5);
    assert_int_equal(kci_ledger_acknowledge(&ledger, &alloc, 18, 30), 3);
    assert_int_equal(ledger.unacknowledged, 0);
    end();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_out_of_order), cmocka_unit_test(test_holes), cmocka_unit_test(test_twice),
        cmocka_unit_test(test_range),        cmocka_unit_test(test_model), cmocka_unit_test(test_memory),
        cmocka_unit_test(test_forgotten),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
