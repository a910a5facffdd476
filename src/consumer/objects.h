/* What a user's deserializers make of the records of one poll (kc_deserializer of plugin.h). */
#ifndef KCI_CONSUMER_OBJECTS_H
#define KCI_CONSUMER_OBJECTS_H

#include "cluster/settings.h"
#include "consumer/records.h"

#define KCI_OBJECT_NAME_MAX 60 /* characters of a deserializer's name in texts */

/* A record that was refused: its place, and by whom. Everything is borrowed for the call. */
struct kci_unreadable {
    const char *topic;
    int32_t partition;
    int32_t epoch_before; /* leader epoch of the record before it; -1: unknown */
    int64_t offset;
    uint64_t ticket;  /* of the position that it was returned under: see kci_assigned */
    size_t dropped;   /* records of the set that are not returned because of it, itself too */
    const char *what; /* "key" or "value" */
    const char *name; /* of the deserializer */
    kc_err code;      /* what the deserializer returned */
    bool next_time;   /* nobody refused it: there is no room for its object beside those of the same poll */
};

/* True if records have to go this way at all. */
static inline bool kci_objects_needed(const struct kci_settings *settings)
{
    return settings->key_deserializer.deserialize || settings->value_deserializer.deserialize;
}
/* Run the deserializers over a set that nobody has visited yet, no lock held.  `refused` is called for the first
 * record of each partition that one of them refuses, or that finds no room; that one and what follows it in its
 * partition is taken out of the set. false: out of memory; what is left of the set is to be put back. */
bool kci_objects_make(struct kc_records *records, const struct kci_settings *settings,
                      void (*refused)(void *context, const struct kci_unreadable *record), void *context);
/* What stands for the record with this number in the order of the walk; null stays null. */
void kci_objects_show(const struct kci_objects *objects, size_t number, kc_record_view *view);
/* Give everything back; NULL is fine. Any thread. */
void kci_objects_release(struct kci_objects *objects, struct kci_shared *shared);

#endif
