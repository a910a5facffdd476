/* Configuration: string keys and values with the Java client's names (librdkafka's are accepted as aliases).  The full
 * table is docs/configuration.md. */
#ifndef KCLIENT_CONFIG_H
#define KCLIENT_CONFIG_H

#include <kclient/plugin.h>

#ifdef __cplusplus
extern "C" {
#endif

/* An empty configuration: every key has its default. NULL: out of memory. Yours until kc_config_destroy(). One thread
 * at a time. */
KC_EXPORT kc_config *kc_config_new(void);
/* Free; NULL is fine. Handles that were created from it live on. */
KC_EXPORT void kc_config_destroy(kc_config *config);
/* An independent copy, or NULL when out of memory. */
KC_EXPORT kc_config *kc_config_copy(const kc_config *config);

/* Set one property; parsed and range-checked here, so that a typo fails at start-up and not at the first send.
 *   key     one of docs/configuration.md, or an alias
 *   value   text, copied; replaces an earlier value; NULL is refused
 *   error   may be NULL
 *   KC_ERR_CONFIG   unknown key or bad value: the text names the key, the accepted range and the nearest known key */
KC_EXPORT kc_err kc_config_set(kc_config *config, const char *key, const char *value, kc_error *error);
/* Set one property from "key=value", as it comes from a command line or a file. Errors as above. */
KC_EXPORT kc_err kc_config_set_pair(kc_config *config, const char *pair, kc_error *error);
/* Set `count` properties, keys[i] to values[i], in this order: what a map of another language becomes.  All or nothing:
 * on an error the configuration is as before.  Errors as above.
 *   KC_ERR_NO_MEMORY   nothing was set */
KC_EXPORT kc_err kc_config_set_many(kc_config *config, const char *const *keys, const char *const *values, size_t count,
                                    kc_error *error);
/* The effective value of a key as text.
 *   value   `size` bytes of yours; NUL-terminated, cut to size; secrets read as "[hidden]"
 *   KC_ERR_CONFIG   unknown key */
KC_EXPORT kc_err kc_config_get(const kc_config *config, const char *key, char *value, size_t size);

/* The function that learns the fate of records: of every record with an opaque pointer, and of every record that failed.
 *   fn             called on the sender thread (kc_delivery_fn); NULL: none
 *   context        handed to fn; yours, and must live as long as the producers
 *   every_record   1: of all records, which costs memory per record in flight */
KC_EXPORT void kc_config_set_delivery(kc_config *config, kc_delivery_fn fn, void *context, int every_record);

/* Deliveries are not called back but kept for kc_producer_poll_deliveries(); excludes kc_config_set_delivery(): the
 * last call counts. */
KC_EXPORT void kc_config_set_delivery_polled(kc_config *config, int every_record);

/* Log lines: level is syslog's number (3 error, 4 warning, 6 info, 7 debug); facility and text are borrowed for the
 * call. Called on any thread of the library, also while a lock of it is held: it must not call the handle that logs. A
 * consumer refuses with KC_ERR_IN_CALLBACK. Nothing is ever printed. */
typedef void (*kc_log_fn)(void *context, int level, const char *facility, const char *text);
KC_EXPORT void kc_config_set_log(kc_config *config, kc_log_fn fn, void *context, int level);

/* Append to the chain of interceptors. KC_ERR_NO_MEMORY. */
KC_EXPORT kc_err kc_config_add_producer_interceptor(kc_config *config, const kc_producer_interceptor *interceptor);
/* Append to the chain of interceptors. KC_ERR_NO_MEMORY. */
KC_EXPORT kc_err kc_config_add_consumer_interceptor(kc_config *config, const kc_consumer_interceptor *interceptor);
/* Comes before key.serializer. NULL: what key.serializer says (serializer.h). */
KC_EXPORT void kc_config_set_key_serializer(kc_config *config, const kc_serializer *serializer);
/* Comes before value.serializer. NULL: what value.serializer says (serializer.h). */
KC_EXPORT void kc_config_set_value_serializer(kc_config *config, const kc_serializer *serializer);
/* The function that turns the keys of a consumer's records into what the application works with; copied.  Comes before
 * key.deserializer. NULL: keys stay the bytes of the record. */
KC_EXPORT void kc_config_set_key_deserializer(kc_config *config, const kc_deserializer *deserializer);
/* The same for values; comes before value.deserializer. */
KC_EXPORT void kc_config_set_value_deserializer(kc_config *config, const kc_deserializer *deserializer);
/* Comes before partitioner.class. NULL: what partitioner.class says; its default is Kafka's (murmur2 of the key, sticky
 * without one). */
KC_EXPORT void kc_config_set_partitioner(kc_config *config, const kc_partitioner *partitioner);
/* Make an assignor known, for partition.assignment.strategy to name it.  The table is copied, its context is not.
 *   KC_ERR_ARGUMENT    no name, no function, or a comma in the name
 *   KC_ERR_NO_MEMORY   it is not known */
KC_EXPORT kc_err kc_config_add_assignor(kc_config *config, const kc_assignor *assignor);
/* Who is told of resets and stalls of a consumer; NULL: they are only logged. */
KC_EXPORT void kc_config_set_notice(kc_config *config, kc_notice_fn fn, void *context);
/* Default listener of subscribe; NULL: none. */
KC_EXPORT void kc_config_set_rebalance_listener(kc_config *config, const kc_rebalance_listener *listener);

/* The whole table of keys as a Markdown page, in the caller's memory; returns the bytes needed without the NUL (as
 * snprintf). */
KC_EXPORT size_t kc_config_describe(char *text, size_t size);

#ifdef __cplusplus
}
#endif
#endif
