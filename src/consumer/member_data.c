/* The embedded consumer protocol.
 *
 *   subscription   version i16 | topics [string] | user data bytes? | (1+) owned [ topic, [i32] ] | (2+) generation i32 | (3+) rack string?
 *   assignment     version i16 | [ topic, [i32] ] | user data bytes?
 *
 * Version 3 is written.  A higher version is read as 3, and what trails is ignored: newer clients may say more.
 * The leader reads bytes that other clients wrote: all bounds are those of the codec and the arena. */
#include "consumer/member_data.h"
#include "protocol/messages.h"

#include <stdlib.h>

#define VERSION 3

static int by_name(const void *a, const void *b)
{
    const struct kci_str *x = a, *y = b;
    int order = memcmp(x->data, y->data, x->size < y->size ? x->size : y->size);
    return order ? order : (x->size > y->size) - (x->size < y->size);
}

static int by_key(const void *a, const void *b)
{
    int64_t x = (*(const struct kci_assigned *const *)a)->key, y = (*(const struct kci_assigned *const *)b)->key;
    return x < y ? -1 : x > y;
}

/* What is assigned to us, by topic. */
static bool fill_owned(const struct kci_subscription *s, struct kci_arena *arena,
                       struct kci_consumer_protocol_subscription *message)
{
    struct kci_consumer_protocol_subscription__topic_partition *to = NULL;
    int32_t *numbers = kci_arena_array(arena, s->assigned_count, sizeof *numbers);
    const struct kci_assigned **sorted = kci_arena_array(arena, s->assigned_count, sizeof *sorted);
    size_t count = 0;
    message->owned_partitions = kci_arena_array(arena, s->assigned_count, sizeof *message->owned_partitions);
    if (!numbers || !sorted || !message->owned_partitions)
        return false;
    KCI_LIST_EACH(link, &s->assigned)
    sorted[count++] = KCI_CONTAINER(link, struct kci_assigned, link);
    qsort(sorted, count, sizeof *sorted, by_key);
    for (size_t i = 0; i < count; i++) {
        numbers[i] = sorted[i]->partition;
        if (i == 0 || sorted[i]->topic != sorted[i - 1]->topic) {
            to = &message->owned_partitions[message->owned_partitions_count++];
            to->topic = sorted[i]->topic->name;
            to->partitions = &numbers[i];
        }
        to->partitions_count++;
    }
    return true;
}

bool kci_member_data_subscription(struct kci_writer *w, const struct kci_subscription *s, struct kci_arena *arena,
                                  int32_t generation, const char *rack, struct kci_bytes user_data)
{
    struct kci_consumer_protocol_subscription message;
    kci_codec_init(&kci_consumer_protocol_subscription_schema, &message);
    message.topics = kci_arena_array(arena, s->subscribed_count, sizeof *message.topics);
    if (!message.topics)
        return false;
    message.topics_count = 0;
    KCI_LIST_EACH(link, &s->topics)
    {
        const struct kci_consumer_topic *topic = KCI_CONTAINER(link, struct kci_consumer_topic, link);
        if (topic->subscribed)
            message.topics[message.topics_count++] = topic->name;
    }
    qsort(message.topics, (size_t)message.topics_count, sizeof *message.topics, by_name);
    if (!fill_owned(s, arena, &message))
        return false;
    message.user_data = user_data;
    message.generation_id = generation;
    message.rack_id = kci_str_of(rack);
    kci_writer_i16(w, VERSION);
    return kci_codec_encode(&kci_consumer_protocol_subscription_schema, VERSION, &message, w);
}

static int16_t read_version(struct kci_reader *r)
{
    int16_t version = kci_reader_i16(r);
    return version > VERSION ? VERSION : version;
}

static bool take_owned(const struct kci_consumer_protocol_subscription *message, struct kci_arena *arena,
                       struct kci_member *member)
{
    int32_t count = message->owned_partitions_count > 0 ? message->owned_partitions_count : 0;
    struct kci_member_owned *owned = kci_arena_array(arena, (size_t)count, sizeof *owned);
    for (int32_t i = 0; owned && i < count; i++)
        owned[i] =
            (struct kci_member_owned){ message->owned_partitions[i].topic, message->owned_partitions[i].partitions,
                                       message->owned_partitions[i].partitions_count };
    member->owned = owned;
    member->owned_count = owned ? count : 0;
    return owned;
}

bool kci_member_data_read(struct kci_bytes data, struct kci_arena *arena, struct kci_member *member)
{
    struct kci_reader r = kci_reader_of(data.data, data.size);
    int16_t version = read_version(&r);
    struct kci_consumer_protocol_subscription *message = kci_arena_take(arena, sizeof *message);
    if (r.failed || version < 0 || !message ||
        !kci_codec_decode(&kci_consumer_protocol_subscription_schema, version, &r, arena, message, NULL))
        return false;
    if (message->topics_count > 1)
        qsort(message->topics, (size_t)message->topics_count, sizeof *message->topics, by_name);
    member->topics = message->topics;
    member->topic_count = message->topics_count > 0 ? message->topics_count : 0;
    member->generation = message->generation_id;
    member->user_data = message->user_data;
    member->rack = message->rack_id.size ? message->rack_id : (struct kci_str){ NULL, 0 };
    return take_owned(message, arena, member);
}

bool kci_member_data_assignment(struct kci_writer *w, const struct kci_member *member,
                                const struct kci_group_topic *topics, struct kci_arena *arena)
{
    struct kci_consumer_protocol_assignment message;
    kci_codec_init(&kci_consumer_protocol_assignment_schema, &message);
    message.assigned_partitions = kci_arena_array(arena, member->assigned_count, sizeof *message.assigned_partitions);
    int32_t *numbers = kci_arena_array(arena, member->assigned_count, sizeof *numbers);
    if (!message.assigned_partitions || !numbers)
        return false;
    message.assigned_partitions_count = 0;
    for (size_t i = 0; i < member->assigned_count; i++) { /* assignors give by topic */
        const struct kci_member_partition *given = &member->assigned[i];
        numbers[i] = given->partition;
        if (i == 0 || given->topic != member->assigned[i - 1].topic) {
            message.assigned_partitions[message.assigned_partitions_count].topic = topics[given->topic].name;
            message.assigned_partitions[message.assigned_partitions_count++].partitions = &numbers[i];
        }
        message.assigned_partitions[message.assigned_partitions_count - 1].partitions_count++;
    }
    kci_writer_i16(w, VERSION);
    return kci_codec_encode(&kci_consumer_protocol_assignment_schema, VERSION, &message, w);
}

bool kci_member_data_read_assignment(struct kci_bytes data, const struct kci_alloc *alloc, struct kci_arena *arena,
                                     struct kci_partition_list *out)
{
    struct kci_reader r = kci_reader_of(data.data, data.size);
    size_t count = 0;
    *out = (struct kci_partition_list){ NULL, 0 };
    if (data.size == 0)
        return true;
    int16_t version = read_version(&r);
    struct kci_consumer_protocol_assignment *message = kci_arena_take(arena, sizeof *message);
    if (r.failed || version < 0 || !message ||
        !kci_codec_decode(&kci_consumer_protocol_assignment_schema, version, &r, arena, message, NULL))
        return false;
    for (int32_t t = 0; t < message->assigned_partitions_count; t++)
        count += (size_t)message->assigned_partitions[t].partitions_count;
    kc_topic_partition *items = count <= KCI_PARTITIONS_MAX ? kci_arena_array(arena, count, sizeof *items) : NULL;
    if (!items)
        return false;
    count = 0;
    for (int32_t t = 0; t < message->assigned_partitions_count; t++) {
        const struct kci_str name = message->assigned_partitions[t].topic;
        const char *text = kci_arena_text(arena, name);
        if (!text || !name.size || memchr(name.data, 0, name.size))
            return false;
        for (int32_t p = 0; p < message->assigned_partitions[t].partitions_count; p++) {
            if (message->assigned_partitions[t].partitions[p] < 0)
                return false;
            items[count++] =
                (kc_topic_partition){ text, message->assigned_partitions[t].partitions[p], KC_OFFSET_NONE, -1, NULL,
                                      KC_OK };
        }
    }
    if (kci_partition_list_copy(alloc, out, items, count))
        return true;
    arena->failed = true; /* who asks the arena means all memory */
    return false;
}
