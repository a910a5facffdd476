/* kc_config: the user's functions and objects.  Tables are copied; their contexts stay the user's. */
#include "api/config_handle.h"

#define PLUGINS_MAX 64 /* interceptors in one chain */

void kc_config_set_delivery(kc_config *config, kc_delivery_fn fn, void *context, int every_record)
{
    config->settings.delivery = fn;
    config->settings.delivery_context = context;
    config->settings.delivery_polled = false;
    config->settings.delivery_every_record = every_record != 0;
}

void kc_config_set_delivery_polled(kc_config *config, int every_record)
{
    config->settings.delivery = NULL;
    config->settings.delivery_context = NULL;
    config->settings.delivery_polled = true;
    config->settings.delivery_every_record = every_record != 0;
}

void kc_config_set_log(kc_config *config, kc_log_fn fn, void *context, int level)
{
    config->settings.log = fn;
    config->settings.log_context = context;
    config->settings.log_level = level;
}

static kc_err append_plugin(void **array, size_t *count, const void *item, size_t item_size)
{
    if (!item || *count >= PLUGINS_MAX)
        return KC_ERR_ARGUMENT;
    void *grown = kci_alloc_resize(kci_heap_alloc(), *array, (*count + 1) * item_size);
    if (!grown)
        return KC_ERR_NO_MEMORY;
    memcpy((char *)grown + *count * item_size, item, item_size);
    *array = grown;
    ++*count;
    return KC_OK;
}

kc_err kc_config_add_producer_interceptor(kc_config *config, const kc_producer_interceptor *interceptor)
{
    void *array = config->settings.producer_interceptors;
    kc_err err = append_plugin(&array, &config->settings.producer_interceptor_count, interceptor, sizeof *interceptor);
    config->settings.producer_interceptors = array;
    return err;
}

kc_err kc_config_add_consumer_interceptor(kc_config *config, const kc_consumer_interceptor *interceptor)
{
    void *array = config->settings.consumer_interceptors;
    kc_err err = append_plugin(&array, &config->settings.consumer_interceptor_count, interceptor, sizeof *interceptor);
    config->settings.consumer_interceptors = array;
    return err;
}

void kc_config_set_key_serializer(kc_config *config, const kc_serializer *serializer)
{
    config->settings.key_serializer = serializer ? *serializer : (kc_serializer){ 0 };
}

void kc_config_set_value_serializer(kc_config *config, const kc_serializer *serializer)
{
    config->settings.value_serializer = serializer ? *serializer : (kc_serializer){ 0 };
}

void kc_config_set_key_deserializer(kc_config *config, const kc_deserializer *deserializer)
{
    config->settings.key_deserializer = deserializer ? *deserializer : (kc_deserializer){ 0 };
}

void kc_config_set_value_deserializer(kc_config *config, const kc_deserializer *deserializer)
{
    config->settings.value_deserializer = deserializer ? *deserializer : (kc_deserializer){ 0 };
}

void kc_config_set_partitioner(kc_config *config, const kc_partitioner *partitioner)
{
    config->settings.partitioner = partitioner ? *partitioner : (kc_partitioner){ 0 };
}

void kc_config_set_rebalance_listener(kc_config *config, const kc_rebalance_listener *listener)
{
    config->settings.rebalance_listener = listener ? *listener : (kc_rebalance_listener){ 0 };
}

kc_err kc_config_add_assignor(kc_config *config, const kc_assignor *assignor)
{
    if (!assignor || !assignor->assign || !assignor->name || !*assignor->name || strpbrk(assignor->name, ", "))
        return KC_ERR_ARGUMENT;
    void *array = config->settings.assignors;
    kc_err err = append_plugin(&array, &config->settings.assignor_count, assignor, sizeof *assignor);
    config->settings.assignors = array;
    return err;
}

void kc_config_set_notice(kc_config *config, kc_notice_fn fn, void *context)
{
    config->settings.notice = fn;
    config->settings.notice_context = context;
}
