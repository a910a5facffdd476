/* Quotas of clients.
 *
 *      set      (user, client id) -> bytes a second, percent of a thread     mb_quota_set(), kept with the metadata
 *      used     (broker, key, whom the set is for) -> a rate over 11 windows of a second
 *
 * Which set applies to a request is Kafka's order, from the most special to the most general (rules[] below); who
 * shares the set shares the rate, except that a default is a limit for each of those whom it applies to.  When the rate
 * is above the limit, the answer is sent at once and the connection is not read until the rate would be right again
 * (KIP-219):
 *
 *      wait = (rate - limit) / limit * the time that the rate was taken over
 *
 * A rate is taken over at least ten windows, so who was quiet may burst.  Each broker counts for itself, as brokers do.
 *
 * The core has no clock that runs while it works, so the time of a request is a constant, mock.request.time.us.
 * Who makes connections too fast is acceptor.c's business; it is counted here. */
#include "mockbroker/core/quota.h"

#include "mockbroker/core/connection.h"

#define SAMPLES_MAX   100
#define SETS_MAX      10000
#define RATES_MAX     10000             /* 17 MB: a client may call itself something else in each request */
#define WAIT_MS_MAX   INT64_C(86400000) /* no wait is longer: a limit of almost nothing must not overflow a timer */
#define TAG_BYTES_MAX (2 * (MB_QUOTA_NAME_MAX + 4) + 16)
#define SECOND_US     1000000
#define PERCENT_US    10000 /* microseconds of a thread that are one percent of a second */

struct rate {
    double bucket; /* tokens, of MB_QUOTA_MUTATION */
    int64_t bucket_ms;
    int32_t current, count; /* of samples */
    struct {
        int64_t start_ms;
        double sum;
    } samples[SAMPLES_MAX]; /* a ring */
};

struct mb_quotas {
    struct kci_list sets;   /* struct mb_quota_set, owned */
    struct kci_map by_name; /* entity -> struct mb_quota_set */
    struct kci_map rates;   /* broker, key, tag -> struct rate, owned */
};

static const char *const type_names[] = { "user", "client-id", "ip" };
static const char *const key_names[] = { "producer_byte_rate", "consumer_byte_rate", "request_percentage",
                                         "controller_mutation_rate", "connection_creation_rate" };

const char *mb_quota_type_name(enum mb_quota_type type)
{
    return type_names[type];
}

int mb_quota_type_of(struct kci_str name)
{
    for (int i = 0; i < MB_QUOTA_TYPES; i++)
        if (kci_str_equal(kci_str_of(type_names[i]), name))
            return i;
    return -1;
}

const char *mb_quota_key_name(enum mb_quota_key key)
{
    return key_names[key];
}

int mb_quota_key_of(struct kci_str name)
{
    for (int i = 0; i < MB_QUOTA_KEYS; i++)
        if (kci_str_equal(kci_str_of(key_names[i]), name))
            return i;
    return -1;
}

/* ---- what is set
 * ------------------------------------------------------------------------------------------------------- */

struct tag {
    uint8_t bytes[TAG_BYTES_MAX];
    size_t size;
};

static void tag_byte(struct tag *tag, uint8_t byte)
{
    tag->bytes[tag->size++] = byte;
}

/* '-' not given, '*' the default, else '=', length, name. */
static void tag_part(struct tag *tag, bool given, struct kci_str name)
{
    tag_byte(tag, !given ? '-' : !name.data ? '*' : '=');
    if (!given || !name.data)
        return;
    tag_byte(tag, (uint8_t)name.size);
    memcpy(tag->bytes + tag->size, name.data, name.size);
    tag->size += name.size;
}

static struct tag tag_of(const struct mb_quota_entity *entity)
{
    struct tag tag = { .size = 0 };
    for (int i = 0; i < MB_QUOTA_TYPES; i++)
        tag_part(&tag, entity->part[i].given, entity->part[i].name);
    return tag;
}

static void free_set(const struct kci_alloc *alloc, struct mb_quota_set *set)
{
    if (set)
        for (int i = 0; i < MB_QUOTA_TYPES; i++)
            kci_alloc_free(alloc, (char *)(uintptr_t)set->entity.part[i].name.data);
    kci_alloc_free(alloc, set);
}

static struct mb_quota_set *new_set(const struct kci_alloc *alloc, const struct mb_quota_entity *entity)
{
    struct mb_quota_set *set = kci_alloc_zero(alloc, 1, sizeof *set);
    for (int i = 0; set && i < MB_QUOTA_TYPES; i++) {
        struct kci_str name = entity->part[i].name;
        set->entity.part[i].given = entity->part[i].given;
        if (!name.data)
            continue;
        char *copy = kci_alloc_new(alloc, name.size ? name.size : 1);
        if (!copy) {
            free_set(alloc, set);
            return NULL;
        }
        memcpy(copy, name.data, name.size);
        set->entity.part[i].name = (struct kci_str){ copy, name.size };
    }
    return set;
}

static struct mb_quotas *quotas_of(struct mb_cluster *cluster)
{
    if (cluster->quotas)
        return cluster->quotas;
    struct mb_quotas *quotas = kci_alloc_zero(cluster->alloc, 1, sizeof *quotas);
    if (quotas) {
        kci_list_init(&quotas->sets);
        quotas->by_name = kci_map_of(cluster->alloc, 0);
        quotas->rates = kci_map_of(cluster->alloc, 0);
    }
    return cluster->quotas = quotas;
}

static bool is_empty(const struct mb_quota_set *set)
{
    for (int i = 0; i < MB_QUOTA_KEYS; i++)
        if (set->value[i] > 0)
            return false;
    return true;
}

/* Rates begin anew when a limit changes; Kafka keeps them, but nobody can see the difference for more than ten
 * seconds. */
static void forget_rates(struct mb_cluster *cluster)
{
    struct kci_map_entry *entry;
    struct kci_map *rates = &cluster->quotas->rates;
    for (size_t at = 0; (entry = kci_map_next(rates, &at)) != NULL;)
        kci_alloc_free(cluster->alloc, entry->value);
    kci_map_destroy(rates);
    *rates = kci_map_of(cluster->alloc, 0);
}

bool mb_quota_set(struct mb_cluster *cluster, const struct mb_quota_entity *entity, enum mb_quota_key key, double value)
{
    struct mb_quotas *quotas = quotas_of(cluster);
    if (!quotas)
        return false;
    struct tag tag = tag_of(entity);
    struct mb_quota_set *set = kci_map_get(&quotas->by_name, tag.bytes, tag.size);
    if (!set && value <= 0)
        return true;
    if (!set) {
        set = quotas->by_name.count < SETS_MAX ? new_set(cluster->alloc, entity) : NULL;
        if (!set || !kci_map_set(&quotas->by_name, tag.bytes, tag.size, set)) {
            free_set(cluster->alloc, set);
            return false;
        }
        kci_list_push(&quotas->sets, &set->link);
    }
    set->value[key] = value;
    if (is_empty(set)) {
        kci_map_remove(&quotas->by_name, tag.bytes, tag.size);
        kci_list_remove(&set->link);
        free_set(cluster->alloc, set);
    }
    forget_rates(cluster);
    mb_controller_changed(cluster);
    return true;
}

const struct mb_quota_set *mb_quota_next(const struct mb_cluster *cluster, const struct mb_quota_set *after)
{
    const struct mb_quotas *quotas = cluster->quotas;
    if (!quotas)
        return NULL;
    const struct kci_list *next = after ? after->link.next : quotas->sets.next;
    return next == &quotas->sets ? NULL : KCI_CONTAINER(next, struct mb_quota_set, link);
}

void mb_quota_destroy(struct mb_cluster *cluster)
{
    struct mb_quotas *quotas = cluster->quotas;
    struct kci_list *node;
    if (!quotas)
        return;
    forget_rates(cluster);
    while ((node = kci_list_pop(&quotas->sets)) != NULL)
        free_set(cluster->alloc, KCI_CONTAINER(node, struct mb_quota_set, link));
    kci_map_destroy(&quotas->by_name);
    kci_map_destroy(&quotas->rates);
    kci_alloc_free(cluster->alloc, quotas);
    cluster->quotas = NULL;
}

/* ---- which set applies
 * ------------------------------------------------------------------------------------------------- */

enum part { ANY, DEFAULT, NAMED };
static const struct {
    enum part user, client;
} rules[] = { { NAMED, NAMED },     { NAMED, DEFAULT }, { NAMED, ANY }, { DEFAULT, NAMED },
              { DEFAULT, DEFAULT }, { DEFAULT, ANY },   { ANY, NAMED }, { ANY, DEFAULT } };

/* The limit for this request, and in *tag who shares it. 0: none. */
static double limit_of(const struct mb_request *request, enum mb_quota_key key, struct tag *tag)
{
    const struct mb_quotas *quotas = request->cluster->quotas;
    struct kci_str names[] = { mb_request_user(request), request->header.client_id };
    for (int i = 0; i < 2; i++)
        if (names[i].size > MB_QUOTA_NAME_MAX)
            names[i].size = MB_QUOTA_NAME_MAX; /* it has no quota of its own: none that long can be set */
    for (size_t r = 0; r < sizeof rules / sizeof rules[0]; r++) {
        const enum part parts[] = { rules[r].user, rules[r].client };
        struct mb_quota_entity entity = { .part[MB_QUOTA_IP].given = false };
        for (int i = 0; i < 2; i++) {
            entity.part[i].given = parts[i] != ANY;
            entity.part[i].name = parts[i] == NAMED ? names[i] : (struct kci_str){ NULL, 0 };
            if (parts[i] == NAMED && !names[i].data)
                entity.part[i].name = kci_str_of("");
        }
        struct tag wanted = tag_of(&entity);
        const struct mb_quota_set *set = kci_map_get(&quotas->by_name, wanted.bytes, wanted.size);
        if (!set || set->value[key] <= 0)
            continue;
        tag->size = 0;
        for (int i = 0; i < 2; i++)
            tag_part(tag, parts[i] != ANY, names[i].data ? names[i] : kci_str_of(""));
        return set->value[key];
    }
    return 0;
}

static struct rate *rate_of(struct mb_cluster *cluster, int32_t broker, enum mb_quota_key key, struct tag *tag)
{
    struct kci_map *rates = &cluster->quotas->rates;
    tag_byte(tag, (uint8_t)key);
    tag_byte(tag, (uint8_t)broker);
    struct rate *rate = kci_map_get(rates, tag->bytes, tag->size);
    if (rate)
        return rate;
    if (rates->count >= RATES_MAX)
        forget_rates(cluster); /* those who go on are in it again with their next request */
    rate = kci_alloc_zero(cluster->alloc, 1, sizeof *rate);
    if (rate && !kci_map_set(rates, tag->bytes, tag->size, rate)) {
        kci_alloc_free(cluster->alloc, rate);
        rate = NULL;
    }
    return rate; /* without memory nobody is throttled */
}

/* ---- how much was used
 * ------------------------------------------------------------------------------------------------- */

struct window {
    int32_t samples; /* quota.window.num */
    int64_t ms;      /* quota.window.size.seconds */
};

static struct window window_of(const struct mb_cluster *cluster)
{
    int64_t samples = mb_cluster_property(cluster, "quota.window.num");
    return (struct window){ (int32_t)(samples < SAMPLES_MAX ? samples : SAMPLES_MAX),
                            mb_cluster_property(cluster, "quota.window.size.seconds") * 1000 };
}

static void note(struct rate *rate, struct window window, double amount, int64_t now_ms)
{
    if (!rate->count || now_ms - rate->samples[rate->current].start_ms >= window.ms) {
        rate->current = rate->count ? (rate->current + 1) % window.samples : 0;
        rate->count += rate->count < window.samples;
        rate->samples[rate->current].start_ms = now_ms;
        rate->samples[rate->current].sum = 0;
    }
    rate->samples[rate->current].sum += amount;
}

/* Milliseconds until the rate is `limit` a second again. */
static int64_t wait_of(const struct rate *rate, struct window window, double limit, int64_t now_ms)
{
    double sum = 0;
    int64_t oldest = now_ms;
    for (int32_t i = 0; i < rate->count; i++) {
        if (now_ms - rate->samples[i].start_ms >= window.samples * window.ms)
            continue; /* too old to count */
        sum += rate->samples[i].sum;
        oldest = rate->samples[i].start_ms < oldest ? rate->samples[i].start_ms : oldest;
    }
    int64_t elapsed = now_ms - oldest, full = elapsed / window.ms;
    if (full < window.samples - 1)
        elapsed += (window.samples - 1 - full) * window.ms;
    elapsed = elapsed > 0 ? elapsed : 1;
    double value = sum * 1000 / (double)elapsed;
    if (value <= limit)
        return 0;
    double wait = (value - limit) / limit * (double)elapsed + 0.5;
    return wait > (double)WAIT_MS_MAX ? WAIT_MS_MAX : (int64_t)wait;
}

/* Count and judge. */
static int64_t charge(const struct mb_request *request, enum mb_quota_key key, double amount, int64_t now)
{
    struct tag tag;
    double limit = limit_of(request, key, &tag);
    struct rate *rate = limit > 0 ? rate_of(request->cluster, request->broker, key, &tag) : NULL;
    if (!rate)
        return 0;
    struct window window = window_of(request->cluster);
    note(rate, window, amount, now / 1000);
    return wait_of(rate, window, limit, now / 1000);
}

/* Time of threads: at most a window of wait, as Kafka has it. */
static int64_t charge_time(const struct mb_request *request, int64_t now)
{
    double percent = (double)mb_cluster_property(request->cluster, "mock.request.time.us") / PERCENT_US;
    int64_t wait = charge(request, MB_QUOTA_REQUEST, percent, now), most = window_of(request->cluster).ms;
    return wait < most ? wait : most;
}

static int32_t mute(struct mb_request *request, int64_t wait_ms, int64_t now)
{
    if (wait_ms > 0)
        mb_connection_mute(request->connection, now + wait_ms * 1000);
    return (int32_t)wait_ms;
}

int32_t mb_quota_at_answer(struct mb_request *request, int64_t now)
{
    const struct kci_produce_request *body = request->body;
    bool produce = request->header.api_key == KCI_API_PRODUCE;
    if (!request->cluster->quotas || request->header.api_key == KCI_API_FETCH || !body)
        return 0;
    int64_t bytes = produce ? charge(request, MB_QUOTA_PRODUCE, (double)request->frame->size, now) : 0;
    int64_t time = produce && body->acks == 0 ? 0 : charge_time(request, now);
    int64_t wait = bytes > time ? bytes : time;
    return mute(request, wait > request->mutation_wait_ms ? wait : request->mutation_wait_ms, now);
}

int32_t mb_quota_at_fetch(struct mb_request *request, uint64_t bytes, int64_t now)
{
    if (!request->cluster->quotas)
        return 0;
    int64_t time = charge_time(request, now), wait = charge(request, MB_QUOTA_FETCH, (double)bytes, now);
    if (time > wait)
        wait = time;
    if (wait > 0) /* nothing is sent now, so nothing counts */
        charge(request, MB_QUOTA_FETCH, -(double)bytes, now);
    return mute(request, wait, now);
}

uint64_t mb_quota_fetch_max(const struct mb_request *request)
{
    struct tag tag;
    double limit = request->cluster->quotas ? limit_of(request, MB_QUOTA_FETCH, &tag) : 0;
    struct window window = window_of(request->cluster);
    double most = limit * (window.samples - 1) * (double)window.ms / 1000;
    return limit <= 0 || most >= (double)INT64_MAX ? UINT64_MAX : (uint64_t)most;
}

int16_t mb_quota_at_mutation(struct mb_request *request, int32_t count, int16_t strict_since, int64_t now)
{
    bool strict = request->header.version >= strict_since;
    struct tag tag;
    double limit = request->cluster->quotas ? limit_of(request, MB_QUOTA_MUTATION, &tag) : 0;
    struct rate *rate = limit > 0 ? rate_of(request->cluster, request->broker, MB_QUOTA_MUTATION, &tag) : NULL;
    if (!rate)
        return KCI_NONE;
    double burst = limit * (double)mb_cluster_property(request->cluster, "controller.quota.window.num") *
                   (double)mb_cluster_property(request->cluster, "controller.quota.window.size.seconds");
    int64_t now_ms = now / 1000;
    rate->bucket = rate->count ? rate->bucket + limit * (double)(now_ms - rate->bucket_ms) / 1000 : burst;
    rate->bucket = rate->bucket < burst ? rate->bucket : burst;
    rate->bucket_ms = now_ms;
    rate->count = 1;
    bool refused = strict && rate->bucket < 0;
    if (!refused)
        rate->bucket -= count;
    double wait = rate->bucket < 0 && (refused || !strict) ? -rate->bucket / limit * 1000 + 0.5 : 0;
    int32_t wait_ms = wait > (double)WAIT_MS_MAX ? (int32_t)WAIT_MS_MAX : (int32_t)wait;
    if (wait_ms > request->mutation_wait_ms)
        request->mutation_wait_ms = wait_ms;
    return refused ? KCI_THROTTLING_QUOTA_EXCEEDED : KCI_NONE;
}

/* ---- connections
 * --------------------------------------------------------------------------------------------------------- */

double mb_quota_of_address(const struct mb_cluster *cluster, struct kci_str address)
{
    const struct kci_str names[] = { address, { NULL, 0 } };
    for (int i = 0; cluster->quotas && i < 2; i++) {
        struct mb_quota_entity entity = { .part[MB_QUOTA_IP] = { true, names[i] } };
        struct tag wanted = tag_of(&entity);
        const struct mb_quota_set *set = kci_map_get(&cluster->quotas->by_name, wanted.bytes, wanted.size);
        if (set && set->value[MB_QUOTA_CONNECTION] > 0)
            return set->value[MB_QUOTA_CONNECTION];
    }
    return 0;
}

int64_t mb_quota_at_connection(struct mb_cluster *cluster, int32_t broker, struct kci_str address, double amount,
                               double limit, int64_t now)
{
    struct tag tag = { .size = 0 };
    if (!quotas_of(cluster))
        return 0;
    tag_part(&tag, true, address);
    struct rate *rate = rate_of(cluster, broker, MB_QUOTA_CONNECTION, &tag);
    if (!rate)
        return 0;
    struct window window = window_of(cluster);
    note(rate, window, amount, now / 1000);
    int64_t wait = wait_of(rate, window, limit, now / 1000);
    return wait < window.ms ? wait : window.ms;
}
