/* The settings as a whole, when a handle is created: what excludes each other, and defaults that follow from others.
 * A default steps aside where it must; what was set explicitly is refused, with the keys' names and what to do. */
#include "api/config_handle.h"
#include "cluster/cluster.h"
#include "consumer/assignor.h"
#include "protocol/compress.h"

static kc_err check_idempotence(const kc_config *config, struct kci_settings *s, kc_error *error)
{
    bool explicit_on = kci_config_was_set(config, "enable.idempotence");
    if (!s->enable_idempotence)
        return KC_OK;
    if (s->max_in_flight_requests_per_connection > 5)
        return kci_fail(error, KC_ERR_CONFIG, 0,
                        "max.in.flight.requests.per.connection=%d is more than the 5 that enable.idempotence allows: "
                        "lower it, or set enable.idempotence=false",
                        s->max_in_flight_requests_per_connection);
    if (s->acks == -1 && s->retries > 0)
        return KC_OK;
    if (explicit_on)
        return kci_fail(error, KC_ERR_CONFIG, 0,
                        "enable.idempotence=true needs %s: set it, or set enable.idempotence=false",
                        s->acks != -1 ? "acks=all" : "retries > 0");
    s->enable_idempotence = false;
    return KC_OK;
}

/* What Java's name of the codec's level says, if it was set. */
static int32_t level_of_codec(const kc_config *config, const struct kci_settings *s)
{
    switch (s->compression_type) {
    case KCI_CODEC_GZIP: /* -1 is zlib's own default */
        return s->compression_gzip_level == -1 ? KCI_LEVEL_DEFAULT : s->compression_gzip_level;
    case KCI_CODEC_LZ4:
        return kci_config_was_set(config, "compression.lz4.level") ? s->compression_lz4_level : KCI_LEVEL_DEFAULT;
    case KCI_CODEC_ZSTD:
        return kci_config_was_set(config, "compression.zstd.level") ? s->compression_zstd_level : KCI_LEVEL_DEFAULT;
    default:
        return KCI_LEVEL_DEFAULT;
    }
}

static kc_err check_producer(const kc_config *config, struct kci_settings *s, kc_error *error)
{
    kc_err err = check_idempotence(config, s, error);
    if (err != KC_OK)
        return err;
    if (s->delivery_polled && s->delivery)
        return kci_fail(error, KC_ERR_CONFIG, 0,
                        "delivery.report.polled=true and a delivery function exclude each other: leave one out");
    int64_t least = (int64_t)s->linger_ms + s->request_timeout_ms;
    if (s->delivery_timeout_ms < least) {
        if (kci_config_was_set(config, "delivery.timeout.ms"))
            return kci_fail(error, KC_ERR_CONFIG, 0,
                            "delivery.timeout.ms=%d is less than linger.ms + request.timeout.ms = %lld: raise it, or "
                            "lower request.timeout.ms",
                            s->delivery_timeout_ms, (long long)least);
        s->delivery_timeout_ms = least > INT32_MAX ? INT32_MAX : (int32_t)least;
    }
    if (!kci_codec_built_in(s->compression_type))
        return kci_fail(error, KC_ERR_CONFIG, 0, "compression.type=%s was left out of this build",
                        kci_codec_name(s->compression_type));
    if (s->compression_level == KCI_LEVEL_DEFAULT)
        s->compression_level = level_of_codec(config, s);
    int32_t level = s->compression_level;
    bool level_ok = level == KCI_LEVEL_DEFAULT || (s->compression_type == KCI_CODEC_GZIP && level >= 1 && level <= 9) ||
                    (s->compression_type == KCI_CODEC_LZ4 && level >= 1 && level <= 17) ||
                    (s->compression_type == KCI_CODEC_ZSTD && level <= 22);
    if (!level_ok)
        return kci_fail(
            error, KC_ERR_CONFIG, 0,
            "compression level %d does not exist for compression.type=%s (gzip 1..9, lz4 1..17, zstd -131072..22)",
            level, kci_codec_name(s->compression_type));
    return KC_OK;
}

#define INSTANCE_BYTES_MAX 249 /* Kafka's limit, as of a topic's name */

/* One of the assignors that come with the library, or one that the user has added? */
static bool known_assignor(const struct kci_settings *s, struct kci_str name)
{
    for (size_t i = 0; i < s->assignor_count; i++)
        if (kci_str_equal(name, kci_str_of(s->assignors[i].name)))
            return true;
    return kci_assignor_find(name) != NULL;
}

/* Two names of one assignor? Java's class stands for the name on the wire. */
static bool same_assignor(struct kci_str one, struct kci_str other)
{
    const struct kci_assignor *found = kci_assignor_find(one);
    return kci_str_equal(one, other) || (found && found == kci_assignor_find(other));
}

/* What the coordinator decides with one group protocol, the member decides with the other: as Java, a setting without
 * an effect is refused. */
static kc_err check_group_protocol(const kc_config *config, const struct kci_settings *s, kc_error *error)
{
    static const char *const of_classic[] = { "session.timeout.ms", "heartbeat.interval.ms",
                                              "partition.assignment.strategy" };
    if (!s->group_protocol_consumer && s->group_remote_assignor && s->group_remote_assignor[0])
        return kci_fail(error, KC_ERR_CONFIG, 0,
                        "group.remote.assignor=%.80s needs group.protocol=consumer; with classic, set "
                        "partition.assignment.strategy",
                        s->group_remote_assignor);
    for (size_t i = 0; s->group_protocol_consumer && i < sizeof of_classic / sizeof of_classic[0]; i++)
        if (kci_config_was_set(config, of_classic[i]))
            return kci_fail(error, KC_ERR_CONFIG, 0,
                            "%s cannot be set with group.protocol=consumer: the brokers decide it (%s)", of_classic[i],
                            i == 0   ? "group.consumer.session.timeout.ms"
                            : i == 1 ? "group.consumer.heartbeat.interval.ms"
                                     : "group.remote.assignor names one of theirs");
    return KC_OK;
}

/* All are known, and each stands there once: a second mention would not be the choice that it looks like. */
static kc_err check_assignors(const struct kci_settings *s, kc_error *error)
{
    const char *list = s->partition_assignment_strategy, *name = list;
    for (;;) {
        struct kci_str text = { name, strcspn(name, ",") };
        int shown = (int)(text.size > 80 ? 80 : text.size);
        if (!known_assignor(s, text))
            return kci_fail(error, KC_ERR_CONFIG, 0,
                            "partition.assignment.strategy: \"%.*s\" is not one of range, roundrobin, sticky, "
                            "cooperative-sticky, or a name given to kc_config_add_assignor()",
                            shown, name);
        for (const char *other = list; other < name; other += strcspn(other, ",") + 1)
            if (same_assignor(text, (struct kci_str){ other, strcspn(other, ",") }))
                return kci_fail(error, KC_ERR_CONFIG, 0, "partition.assignment.strategy names \"%.*s\" twice", shown,
                                name);
        if (!name[text.size])
            return KC_OK;
        name += text.size + 1;
    }
}

/* The names that Kafka takes for a static member, which are those of topics: others would fail at the coordinator. */
static kc_err check_instance(const struct kci_settings *s, kc_error *error)
{
    const char *id = s->group_instance_id;
    if (!id)
        return KC_OK;
    size_t size = strlen(id), clean = strspn(id, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-");
    if (size > 0 && size <= INSTANCE_BYTES_MAX && clean == size && strcmp(id, ".") != 0 && strcmp(id, "..") != 0)
        return KC_OK;
    return kci_fail(
        error, KC_ERR_CONFIG, 0,
        "group.instance.id=%.80s: 1 to %d of the characters a-z, A-Z, 0-9, '.', '_' and '-' are needed, and "
        "not \".\" or \"..\"",
        id, INSTANCE_BYTES_MAX);
}

/* An empty text where a name may be left out: as if it had not been set. */
static void drop_empty(const char **text)
{
    if (*text && !**text) {
        kci_alloc_free(kci_heap_alloc(), (void *)(uintptr_t)*text);
        *text = NULL;
    }
}

static kc_err check_consumer(const kc_config *config, struct kci_settings *s, kc_error *error)
{
    drop_empty(&s->group_id);
    drop_empty(&s->client_rack);
    kc_err result = check_group_protocol(config, s, error);
    if (result == KC_OK)
        result = check_instance(s, error);
    if (result != KC_OK)
        return result;
    if (!s->group_id) {
        if (s->enable_auto_commit && kci_config_was_set(config, "enable.auto.commit"))
            return kci_fail(error, KC_ERR_CONFIG, 0, "enable.auto.commit=true needs group.id");
        s->enable_auto_commit = false;
    }
    if (s->heartbeat_interval_ms >= s->session_timeout_ms)
        return kci_fail(error, KC_ERR_CONFIG, 0,
                        "heartbeat.interval.ms=%d must be below session.timeout.ms=%d (a third of it is usual)",
                        s->heartbeat_interval_ms, s->session_timeout_ms);
    return check_assignors(s, error);
}

/* What describes a cluster of mock brokers has no effect without one, so it is a mistake. */
static kc_err check_mock(const struct kci_settings *s, kc_error *error)
{
    const char *given[] = { s->test_mock_cluster, s->test_mock_topics, s->test_mock_config };
    static const char *const keys[] = { "cluster", "topics", "config" };
    for (size_t i = 0; i < 3 && !s->test_mock_num_brokers; i++)
        if (given[i] && *given[i])
            return kci_fail(error, KC_ERR_CONFIG, 0, "test.mock.%s needs test.mock.num.brokers", keys[i]);
    return KC_OK;
}

kc_err kci_config_check(const kc_config *config, enum kci_config_role role, struct kci_settings *settings,
                        kc_error *error)
{
    kc_err err = check_mock(settings, error);
    if (err == KC_OK && role == KCI_ROLE_PRODUCER)
        err = check_producer(config, settings, error);
    else if (err == KC_OK && role == KCI_ROLE_CONSUMER)
        err = check_consumer(config, settings, error);
    return err;
}
