/* Administration of what brokers call configuration: of topics, brokers, groups and client metrics. Thread-safe, like
 * kc_admin; every call waits up to timeout_ms.
 *
 * Errors of all of them:
 *   KC_ERR_UNKNOWN_TOPIC_OR_PARTITION               there is no such topic
 *   KC_ERR_INVALID_CONFIG, KC_ERR_INVALID_REQUEST   with the broker's own text: correct the name or the value
 *   KC_ERR_TOPIC_AUTHORIZATION_FAILED, KC_ERR_CLUSTER_AUTHORIZATION_FAILED
 *                                                   the broker's rules forbid it
 *   KC_ERR_TIMED_OUT                                may be applied when something is changed
 *   KC_ERR_NO_VERSION                               the broker is too old
 *   KC_ERR_ARGUMENT                                 a NULL, or a number that is no resource type */
#ifndef KCLIENT_SETTINGS_H
#define KCLIENT_SETTINGS_H

#include <kclient/admin.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Whose settings; the numbers are Kafka's. */
typedef enum kc_resource_type {
    KC_RESOURCE_TOPIC = 2,
    KC_RESOURCE_BROKER = 4,          /* the name is the broker's id; "" means all brokers */
    KC_RESOURCE_CLIENT_METRICS = 16, /* subscriptions of KIP-714 */
    KC_RESOURCE_GROUP = 32
} kc_resource_type;

typedef struct kc_setting {
    const char *name;
    const char *value;  /* NULL: not set, or a secret */
    const char *source; /* "topic", "broker", "all brokers", "file", "default", "client metrics", "group" ... */
    int is_default;     /* 1: nobody has set it */
    int read_only;      /* 1: cannot be altered while the broker runs */
    int sensitive;      /* 1: a secret; value is NULL */
} kc_setting;
typedef struct kc_setting_list {
    const kc_setting *settings; /* sorted by name */
    size_t count;
} kc_setting_list;
/* The settings of one resource.
 *   names   the `count` that are wanted; NULL: all; a name that the broker does not have is left out
 *   out     yours: kc_setting_list_release()
 * Source: DescribeConfigs, KIP-133. */
KC_EXPORT kc_err kc_admin_describe_settings(kc_admin *admin, kc_resource_type type, const char *name,
                                            const char *const *names, size_t count, int32_t timeout_ms,
                                            kc_setting_list **out, kc_error *error);
/* Free; NULL is fine. */
KC_EXPORT void kc_setting_list_release(kc_setting_list *list);

typedef enum kc_setting_change {
    KC_SETTING_SET = 0,
    KC_SETTING_DELETE = 1,  /* back to the default; value is not looked at */
    KC_SETTING_APPEND = 2,  /* to a list */
    KC_SETTING_SUBTRACT = 3 /* from a list */
} kc_setting_change;
typedef struct kc_setting_alteration {
    const char *name;
    kc_setting_change change;
    const char *value;
} kc_setting_alteration;
/* Alter settings of one resource, all or none; what is not named stays as it is.
 *   alterations     `count` of them, 1 to 200
 *   validate_only   1: only look whether it would be possible
 * Source: IncrementalAlterConfigs, KIP-339 (brokers from 2.3 on). */
KC_EXPORT kc_err kc_admin_alter_settings(kc_admin *admin, kc_resource_type type, const char *name,
                                         const kc_setting_alteration *alterations, size_t count, int validate_only,
                                         int32_t timeout_ms, kc_error *error);

#ifdef __cplusplus
}
#endif
#endif
