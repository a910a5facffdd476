/* Copies of partition lists.  The texts follow the entries in the same block, so that freeing is one call. */
#include "consumer/partition_list.h"

static size_t text_size(const char *text)
{
    return text ? strlen(text) + 1 : 0;
}

static const char *put_text(char **at, const char *text)
{
    if (!text)
        return NULL;
    size_t size = strlen(text) + 1;
    char *copy = memcpy(*at, text, size);
    *at += size;
    return copy;
}

bool kci_partition_list_copy(const struct kci_alloc *alloc, struct kci_partition_list *out,
                             const kc_topic_partition *items, size_t count)
{
    size_t size = count * sizeof *items;
    *out = (struct kci_partition_list){ NULL, 0 };
    if (count > KCI_PARTITIONS_MAX)
        return false;
    if (count == 0)
        return true;
    for (size_t i = 0; i < count; i++)
        size += text_size(items[i].topic) + text_size(items[i].metadata);
    kc_topic_partition *copy = kci_alloc_new(alloc, size);
    if (!copy)
        return false;
    char *at = (char *)(copy + count);
    for (size_t i = 0; i < count; i++) {
        copy[i] = items[i];
        copy[i].topic = put_text(&at, items[i].topic);
        copy[i].metadata = put_text(&at, items[i].metadata);
    }
    *out = (struct kci_partition_list){ copy, count };
    return true;
}

void kci_partition_list_free(const struct kci_alloc *alloc, struct kci_partition_list *list)
{
    kci_alloc_free(alloc, list->items);
    *list = (struct kci_partition_list){ NULL, 0 };
}
