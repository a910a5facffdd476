/* Positions that jump: consumers tell of it by a notice, or, with auto.offset.reset=none, stop until they are told where
 * to go on.  Either goes into the history, for F5. */
#include "actors.h"

#include "consumer/internal.h"
#include "consumer/unreadable.h"

void sim_resets_notice(void *consumer, const kc_notice *notice)
{
    struct sim_consumer *c = consumer;
    struct sim_stage *stage = c->stage;
    if (notice->kind != KC_NOTICE_RESET || c->hold[notice->partition] < 0)
        return;
    sim_note(&stage->world, "%s (consumer %d) is told: %s", c->name, c->number, notice->text);
    sim_trace(&stage->world, (uint64_t)notice->to_offset);
    sim_history_reset(&stage->history,
                      (struct sim_reset){ .hold = (uint32_t)c->hold[notice->partition],
                                          .before = stage->history.deliveries.count,
                                          .at = stage->world.now,
                                          .from = notice->from_offset < 0 ? -1 : notice->from_offset,
                                          .to = notice->to_offset,
                                          .start = sim_gaps_start(stage->brokers, notice->partition) });
    c->next[notice->partition] = notice->to_offset;
    int64_t *delivered = &stage->delivered_end[!c->reader][notice->partition];
    if (notice->to_offset > *delivered)
        *delivered = notice->to_offset;
}

void sim_resets_seek(struct sim_consumer *c)
{
    struct sim_stage *stage = c->stage;
    struct kci_partition_list failed = { .count = 0 };
    kc_error error;
    kc_err result = kci_consumer_failed(c->core, &failed);
    for (size_t i = 0; result == KC_OK && i < failed.count; i++) {
        const kc_topic_partition *item = &failed.items[i];
        int64_t was = stage->history.holds.items[c->hold[item->partition]].position < 0 ? -1 : c->next[item->partition];
        if (item->code == KC_ERR_OFFSET_OUT_OF_RANGE && was >= sim_gaps_start(stage->brokers, item->partition))
            sim_violation(&stage->verdict, "F5",
                          "consumer %d may not go on at offset %lld of partition %d, which is there", c->number,
                          (long long)was, item->partition);
        sim_note(&stage->world, "%s seeks to the beginning of partition %d: %s", c->name, item->partition,
                 kc_err_name(item->code));
        sim_consumer_hold(c, item->partition, 0);
        result =
            kci_consumer_seek(c->core, item->topic, item->partition, KC_OFFSET_BEGINNING, stage->world.now, &error);
    }
    if (result != KC_OK)
        sim_violation(&stage->verdict, "F6", "seek: %s", kc_err_name(result));
    kci_partition_list_free(c->core->alloc, &failed);
}
