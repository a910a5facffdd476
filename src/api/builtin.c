/* From names to tables of functions.  A function that the user has set comes before what the configuration names. */
#include "api/builtin.h"
#include "cluster/cluster.h"
#include "plugins/partitioners.h"
#include "plugins/serializers.h"
#include "runtime/runtime.h"

kc_err kci_builtin_producer(struct kci_builtin *builtin, struct kci_settings *settings, kc_error *error)
{
    if (!settings->key_serializer.serialize)
        settings->key_serializer = kci_serializers_of((enum kci_format)settings->key_format);
    if (!settings->value_serializer.serialize)
        settings->value_serializer = kci_serializers_of((enum kci_format)settings->value_format);
    if (settings->partitioner.partition)
        return KC_OK;
    enum kci_partitioner which = (enum kci_partitioner)settings->partitioner_class;
    settings->partitioner_ignore_keys |= which == KCI_PARTITIONER_STICKY;
    kc_err err =
        kci_partitioners_make(which, kci_heap_alloc(), kci_lock_system(), kci_random_seed(), &settings->partitioner);
    if (err)
        return kci_fail(error, err, 0, "out of memory for a partitioner");
    builtin->partitioner = true;
    return KC_OK;
}

void kci_builtin_discard(const struct kci_builtin *builtin, const struct kci_settings *settings)
{
    if (builtin->partitioner && settings->partitioner.close)
        settings->partitioner.close(settings->partitioner.context);
}
