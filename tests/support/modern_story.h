/* Words for stories about a member by the KIP-848 protocol: a test's one consumer, `sc`, in the world of `peer`. */
#ifndef TEST_SUPPORT_MODERN_STORY_H
#define TEST_SUPPORT_MODERN_STORY_H

#include "support/script_group.h"

static struct script_peer peer;
static struct script_consumer sc;

static inline void prepare(void)
{
    script_consumer_init(&sc, &peer);
    sc.settings.group_protocol_consumer = 1;
}

static inline void begin(void)
{
    prepare();
    script_consumer_create(&sc);
}

static inline void expect_state(const char *state)
{
    assert_string_equal(kci_consumer_group_state(sc.core), state);
}

/* The partitions that a heartbeat says are owned: "01", "" for none, "-" when it does not say. */
static inline const char *owned(const struct kci_consumer_group_heartbeat_request *r)
{
    static char text[SC_PARTITIONS + 1];
    size_t n = 0;
    if (r->topic_partitions_count < 0)
        return "-";
    for (int32_t t = 0; t < r->topic_partitions_count; t++)
        for (int32_t p = 0; p < r->topic_partitions[t].partitions_count; p++)
            text[n++] = (char)('0' + r->topic_partitions[t].partitions[p]);
    text[n] = 0;
    return text;
}

/* A member with these partitions, all of it acknowledged; notes are cleared. */
static inline void join(const char *partitions)
{
    script_subscribe(&sc);
    script_poll(&sc);
    script_answer_modern(&sc, KCI_NONE, 1, partitions);
    script_poll_all(&sc);
    script_answer_modern(&sc, KCI_NONE, 1, NULL);
    expect_state("STABLE");
    script_poll_all(&sc);
    sc.seen[0] = 0;
}

#endif
