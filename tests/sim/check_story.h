/* How the tests of the checks tell a history: two partitions, one sender, a step a line. */
#ifndef SIM_CHECK_STORY_H
#define SIM_CHECK_STORY_H

#include "support/unit.h"

#include "check.h"
#include "support/test_alloc.h"

#include <kclient/error.h>
#include <stdio.h>
#include <string.h>

#define MS 1000

static struct test_alloc memory;
static struct kci_alloc alloc;
static struct sim_history history;

/* Two partitions, one sender, nothing happened. */
static inline void begin(void)
{
    memory = (struct test_alloc){ 0 };
    alloc = test_alloc_counting(&memory);
    sim_history_init(&history, &alloc, 2);
    history.delivery_us = 1000 * MS;
    history.attempts_max = INT32_MAX;
    assert_int_equal(sim_history_sender(&history), 0);
}

static inline void end(void)
{
    sim_history_destroy(&history);
    assert_int_equal(memory.live_blocks, 0);
}

static inline struct sim_value value_of(uint32_t counter, int32_t partition)
{
    uint8_t bytes[SIM_VALUE_HEAD + 10];
    sim_value_write(bytes, sizeof bytes, 0, counter, partition);
    return sim_value_read(bytes, sizeof bytes);
}

/* The sender sends its next record. */
static inline uint32_t sent(int32_t partition, int64_t at)
{
    struct sim_send *send = sim_history_send(&history, 0);
    uint32_t counter = (uint32_t)history.senders.items[0].sends.count - 1;
    send->partition = partition;
    send->checksum = value_of(counter, partition).checksum;
    send->sent_at = at;
    return counter;
}

static inline void reported(uint32_t counter, int32_t partition, kc_err code, uint32_t traits, int64_t offset,
                            int64_t at)
{
    kc_delivery delivery = { .partition = partition, .code = code, .traits = traits, .offset = offset };
    sim_history_report(&history, 0, counter, &delivery, at);
}

static inline void logged(int32_t partition, int64_t offset, uint32_t counter)
{
    sim_history_logged(&history, partition,
                       (struct sim_logged){ .value = value_of(counter, partition), .offset = offset });
}

/* Sent, acknowledged and in the log. */
static inline uint32_t stored(int32_t partition, int64_t offset)
{
    uint32_t counter = sent(partition, 0);
    reported(counter, partition, KC_OK, 0, offset, MS);
    logged(partition, offset, counter);
    return counter;
}

static inline uint32_t held(int32_t consumer, int32_t partition, int32_t generation, int64_t position)
{
    return sim_history_hold(&history, (struct sim_hold){ .consumer = consumer,
                                                         .partition = partition,
                                                         .generation = generation,
                                                         .to = INT64_MAX,
                                                         .position = position });
}

static inline void delivered(uint32_t hold, int64_t offset, uint32_t counter, int64_t at)
{
    struct sim_value value = value_of(counter, history.holds.items[hold].partition);
    sim_history_deliver(&history, (struct sim_delivery){ .hold = hold, .offset = offset, .at = at, .value = value });
}

/* What the checks say: the property that is violated, or "" */
static inline const char *verdict(void)
{
    static struct sim_verdict found;
    found = (struct sim_verdict){ 0 };
    sim_check_all(&history, &found);
    return found.violations ? found.property : "";
}

#define ASSERT_VERDICT(property) assert_string_equal(verdict(), property)

#endif
