/* The words of the stories about faults: arm one by its JSON, look at its counts. */
#ifndef TEST_SUPPORT_FAULT_STORY_H
#define TEST_SUPPORT_FAULT_STORY_H

#include "mockbroker/core/fault.h"
#include "mockbroker/core/journal.h"
#include "support/mock_world.h"

static inline int32_t world_fault(struct world *world, const char *json)
{
    char why[600];
    int32_t id = 0;
    if (mb_fault_add(world->cluster, kci_str_of(json), &id, why, sizeof why, world->now) != 0)
        fail_msg("%s: %s", json, why);
    return id;
}

static inline void world_bad_fault(struct world *world, const char *json, const char *expected)
{
    char why[600] = "";
    assert_int_equal(mb_fault_add(world->cluster, kci_str_of(json), NULL, why, sizeof why, world->now), -1);
    if (!strstr(why, expected))
        fail_msg("%s: \"%s\" does not say \"%s\"", json, why, expected);
}

/* The list of faults as text, in the arena. */
static inline const char *world_faults(struct world *world, int32_t id)
{
    struct kci_writer w = kci_writer_of(&world->alloc, 1 << 20);
    assert_true(mb_fault_print(world->cluster, id, &w));
    const char *text = kci_arena_text(&world->arena, (struct kci_str){ (const char *)w.data, w.size });
    kci_writer_destroy(&w);
    return text;
}

static inline int64_t world_fault_number(struct world *world, int32_t id, const char *name)
{
    char why[100];
    const struct mb_json *root = mb_json_parse(&world->arena, kci_str_of(world_faults(world, id)), why, sizeof why);
    assert_non_null(root);
    return mb_json_get(root, name)->integer;
}

static inline int64_t world_hits(struct world *world, int32_t id)
{
    return world_fault_number(world, id, "hits");
}

#endif
