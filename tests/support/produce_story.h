/* Words for stories of one client that produces to partition 0 of "orders", on a broker of its own.
 *
 * Included by one test file. */
#ifndef TEST_SUPPORT_PRODUCE_STORY_H
#define TEST_SUPPORT_PRODUCE_STORY_H

#include "support/mock_world.h"

static struct world world;
static struct client *client;

static int setup(void **state)
{
    (void)state;
    world_open(&world, 1, NULL);
    world_topic(&world, "orders", 1, 1, NULL);
    client = world_client(&world, 1);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    world_close(&world);
    return 0;
}

static struct kci_produce_response__partition_produce_response *produce(const char *topic, struct kci_bytes batch)
{
    client_produce(client, topic, 0, -1, batch);
    struct kci_produce_response__partition_produce_response *produced = client_produced(client);
    assert_non_null(produced);
    return produced;
}

#endif
