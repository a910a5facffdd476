/* The list of faults: arming, matching, counting, removing, telling.
 *
 * A fault is armed until its count is used up or its duration is over; then it stays in the list with its counts until
 * it is removed.  Requests that it holds (fault_plan.c) point to it; when it is removed they go on. */
#include "mockbroker/core/fault.h"

#include "mockbroker/core/connection.h"

#include <stdio.h>

bool mb_fault_name_matches(const char *pattern, struct kci_str name)
{
    size_t size = strlen(pattern);
    if (size && pattern[size - 1] == '*')
        return name.size >= size - 1 && (size == 1 || memcmp(pattern, name.data, size - 1) == 0);
    return kci_str_equal(name, (struct kci_str){ pattern, size });
}

bool mb_fault_has_api(const struct mb_fault_match *match, int16_t key)
{
    if (!match->apis[0] && !match->apis[1])
        return true;
    return key >= 0 && key < 128 && match->apis[key / 64] >> (key % 64) & 1;
}

static void disarm(struct mb_fault *fault)
{
    fault->armed = false;
    mb_alarm_stop(fault->faults->cluster, &fault->end);
    if (fault->action.kind == MB_FAULT_BLACK_HOLE || fault->action.kind == MB_FAULT_SLOW_READ)
        mb_connections_wake(fault->faults->cluster);
}

bool mb_fault_hit(struct mb_fault *fault)
{
    fault->seen++;
    if (fault->seen < fault->match.nth || (fault->match.probability_ppm < 1000000 &&
                                           !kci_prng_chance(&fault->prng, fault->match.probability_ppm, 1000000)))
        return false;
    bool planted = fault->faults->cluster->options.plant == MB_PLANT_UNCOUNTED && fault->used % 2; /* defect */
    fault->hits += !planted;
    fault->used++;
    if (fault->used == fault->count)
        disarm(fault);
    return true;
}

/* ---- arming ---- */

static void end_fires(void *owner, int64_t now)
{
    (void)now;
    disarm(owner);
}

struct mb_faults *mb_faults_of(struct mb_cluster *cluster)
{
    if (!cluster->faults) {
        cluster->faults = kci_alloc_zero(cluster->alloc, 1, sizeof *cluster->faults);
        if (!cluster->faults)
            return NULL;
        cluster->faults->cluster = cluster;
        kci_list_init(&cluster->faults->all);
        kci_list_init(&cluster->faults->plans);
    }
    return cluster->faults;
}

static void free_fault(struct mb_fault *fault)
{
    const struct kci_alloc *alloc = fault->faults->cluster->alloc;
    mb_alarm_stop(fault->faults->cluster, &fault->end);
    mb_fault_snapshot_free(fault);
    kci_alloc_free(alloc, fault->spec);
    kci_alloc_free(alloc, fault);
}

static struct mb_fault *new_fault(struct mb_faults *faults, const struct mb_json *spec, char *why, size_t why_size)
{
    const struct kci_alloc *alloc = faults->cluster->alloc;
    struct mb_fault *fault = kci_alloc_zero(alloc, 1, sizeof *fault);
    snprintf(why, why_size, "out of memory");
    if (!fault)
        return NULL;
    fault->faults = faults;
    fault->end.fire = end_fires;
    fault->end.owner = fault;
    fault->spec = kci_alloc_new(alloc, spec->raw.size + 1);
    if (!fault->spec) {
        free_fault(fault);
        return NULL;
    }
    memcpy(fault->spec, spec->raw.data, spec->raw.size);
    fault->spec[spec->raw.size] = '\0';
    if (!mb_fault_parse(fault, spec, why, why_size) ||
        (fault->action.kind == MB_FAULT_STALE_METADATA && !mb_fault_snapshot(fault))) {
        free_fault(fault);
        return NULL;
    }
    return fault;
}

static void arm(struct mb_fault *fault, int64_t now)
{
    fault->armed = true;
    fault->used = 0;
    if (fault->duration_us >= 0)
        mb_alarm_set(fault->faults->cluster, &fault->end, now + fault->duration_us);
}

static void add(struct mb_faults *faults, struct mb_fault *fault, int64_t now)
{
    fault->id = ++faults->last_id;
    kci_list_push(&faults->all, &fault->link);
    faults->count++;
    arm(fault, now);
}

static int add_all(struct mb_faults *faults, const struct mb_json *first, size_t count, char *why, size_t why_size,
                   int64_t now)
{
    struct kci_list fresh, *node;
    size_t number = 0;
    bool ok = faults->count + count <= MB_FAULTS_MAX;
    if (!ok)
        snprintf(why, why_size, "more than %d faults", MB_FAULTS_MAX);
    kci_list_init(&fresh);
    for (const struct mb_json *spec = first; ok && spec && number < count; spec = spec->next) {
        char inner[MB_FAULT_WHY_MAX];
        struct mb_fault *fault = new_fault(faults, spec, inner, sizeof inner);
        number++;
        ok = fault != NULL;
        if (ok)
            kci_list_push(&fresh, &fault->link);
        else if (count > 1)
            snprintf(why, why_size, "fault %zu of %zu: %s", number, count, inner);
        else
            snprintf(why, why_size, "%s", inner);
    }
    while ((node = kci_list_pop(&fresh)) != NULL) {
        struct mb_fault *fault = KCI_CONTAINER(node, struct mb_fault, link);
        if (ok)
            add(faults, fault, now);
        else
            free_fault(fault);
    }
    return ok ? 0 : -1;
}

int mb_fault_add(struct mb_cluster *cluster, struct kci_str json, int32_t *first, char *why, size_t why_size,
                 int64_t now)
{
    struct kci_arena arena = kci_arena_of(cluster->alloc, MB_FAULT_ARENA_BYTES);
    struct mb_faults *faults = mb_faults_of(cluster);
    const struct mb_json *root = NULL;
    int result = -1;
    snprintf(why, why_size, "out of memory");
    if (json.size > MB_FAULT_JSON_BYTES_MAX)
        snprintf(why, why_size, "more than %zu bytes of JSON", MB_FAULT_JSON_BYTES_MAX);
    else if (faults)
        root = mb_json_parse(&arena, json, why, why_size);
    if (root) {
        const struct mb_json *list = mb_json_get(root, "faults") ? mb_json_get(root, "faults") : root;
        if (list != root && (root->count != 1 || list->kind != MB_JSON_ARRAY))
            snprintf(why, why_size, "\"faults\" is an array, and nothing is beside it");
        else if (list->kind == MB_JSON_ARRAY)
            result = add_all(faults, list->members, list->count, why, why_size, now);
        else
            result = add_all(faults, root, 1, why, why_size, now);
        if (result == 0 && first)
            *first = faults->last_id - (int32_t)(list->kind == MB_JSON_ARRAY ? list->count : 1) + 1;
    }
    kci_arena_destroy(&arena);
    return result;
}

/* ---- removing ---- */

static struct mb_fault *find(const struct mb_cluster *cluster, int32_t id)
{
    if (cluster->faults)
        KCI_LIST_EACH(node, &cluster->faults->all)
        {
            struct mb_fault *fault = KCI_CONTAINER(node, struct mb_fault, link);
            if (fault->id == id)
                return fault;
        }
    return NULL;
}

static void forget_in(struct mb_fault **faults, size_t count, const struct mb_fault *fault)
{
    for (size_t i = 0; i < count; i++)
        if (faults[i] == fault)
            faults[i] = NULL;
}

/* What it holds goes on. */
static void let_go(struct mb_fault *fault, int64_t now)
{
    struct mb_faults *faults = fault->faults;
    bool again = true;
    while (again) { /* a plan that goes on may end others with its connection: begin anew each time */
        again = false;
        KCI_LIST_EACH(node, &faults->plans)
        {
            struct mb_fault_plan *plan = KCI_CONTAINER(node, struct mb_fault_plan, link);
            if (plan->holder != fault)
                continue;
            mb_fault_plan_go(plan, now);
            again = true;
            break;
        }
    }
}

static void remove_fault(struct mb_fault *fault, int64_t now)
{
    struct mb_faults *faults = fault->faults;
    kci_list_remove(&fault->link);
    faults->count--;
    disarm(fault);
    KCI_LIST_EACH(node, &faults->plans)
    {
        struct mb_fault_plan *plan = KCI_CONTAINER(node, struct mb_fault_plan, link);
        forget_in(plan->before, plan->before_count, fault);
        forget_in(plan->after, plan->after_count, fault);
    }
    let_go(fault, now);
    free_fault(fault);
}

bool mb_fault_remove(struct mb_cluster *cluster, int32_t id, int64_t now)
{
    struct mb_fault *fault = find(cluster, id);
    if (fault)
        remove_fault(fault, now);
    return fault != NULL;
}

bool mb_fault_switch(struct mb_cluster *cluster, int32_t id, bool on, int64_t now)
{
    struct mb_fault *fault = find(cluster, id);
    if (fault && on && !fault->armed) {
        arm(fault, now);
    } else if (fault && !on && fault->armed) {
        disarm(fault);
        let_go(fault, now);
    }
    return fault != NULL;
}

void mb_fault_remove_all(struct mb_cluster *cluster, int64_t now)
{
    struct kci_list *node;
    while (cluster->faults && (node = kci_list_first(&cluster->faults->all)) != NULL)
        remove_fault(KCI_CONTAINER(node, struct mb_fault, link), now);
}

void mb_fault_destroy(struct mb_cluster *cluster)
{
    struct kci_list *node;
    if (!cluster->faults)
        return;
    while ((node = kci_list_pop(&cluster->faults->all)) != NULL)
        free_fault(KCI_CONTAINER(node, struct mb_fault, link));
    kci_alloc_free(cluster->alloc, cluster->faults);
    cluster->faults = NULL;
}

int64_t mb_fault_release(struct mb_cluster *cluster, int32_t id, int64_t most, int64_t now)
{
    struct mb_fault *fault = find(cluster, id);
    int64_t done = 0, held = fault ? fault->held : 0;
    bool found = true;
    if (!fault || fault->action.kind != MB_FAULT_BARRIER)
        return -1;
    if (most < 0 || most > held)
        most = held; /* who comes to the barrier meanwhile stays there */
    while (done < most && found) {
        found = false;
        KCI_LIST_EACH(node, &cluster->faults->plans)
        {
            struct mb_fault_plan *plan = KCI_CONTAINER(node, struct mb_fault_plan, link);
            if (plan->holder != fault)
                continue;
            mb_fault_plan_go(plan, now);
            done++;
            found = true;
            break;
        }
    }
    return done;
}

/* ---- connections ---- */

static bool any_connection_fault(struct mb_cluster *cluster, enum mb_fault_kind kind, int32_t broker)
{
    KCI_LIST_EACH(node, &cluster->faults->all)
    {
        struct mb_fault *fault = KCI_CONTAINER(node, struct mb_fault, link);
        if (fault->armed && fault->action.kind == kind && (!fault->match.broker || fault->match.broker == broker) &&
            mb_fault_hit(fault))
            return true;
    }
    return false;
}

bool mb_fault_refuses(struct mb_cluster *cluster, int32_t broker)
{
    return any_connection_fault(cluster, MB_FAULT_REFUSE, broker);
}

/* Its count is of connections, and those that it met it keeps. */
static bool is_spent(const struct mb_fault *fault)
{
    return fault->used == fault->count && fault->duration_us < 0;
}

/* A connection that fell into the black hole stays there as long as there is one. */
bool mb_fault_deaf(struct mb_connection *connection)
{
    bool hole = false;
    if (!connection->deaf)
        return connection->deaf = any_connection_fault(connection->cluster, MB_FAULT_BLACK_HOLE, connection->broker);
    KCI_LIST_EACH(node, &connection->cluster->faults->all)
    {
        const struct mb_fault *fault = KCI_CONTAINER(node, struct mb_fault, link);
        hole |= fault->action.kind == MB_FAULT_BLACK_HOLE && (fault->armed || is_spent(fault)) &&
                (!fault->match.broker || fault->match.broker == connection->broker);
    }
    return connection->deaf = hole;
}

/* The fault that meets what the connection reads next; NULL: none. */
static struct mb_fault *reading_fault(struct mb_connection *connection)
{
    if (!connection->cluster->faults)
        return NULL;
    KCI_LIST_EACH(node, &connection->cluster->faults->all)
    {
        struct mb_fault *fault = KCI_CONTAINER(node, struct mb_fault, link);
        bool kind = fault->action.kind == MB_FAULT_SLOW_READ || fault->action.kind == MB_FAULT_CUT_READ;
        if (!kind || (fault->match.broker && fault->match.broker != connection->broker))
            continue;
        if (connection->reading_fault == fault->id && (fault->armed || is_spent(fault)))
            return fault;
        if (fault->armed && mb_fault_hit(fault)) {
            connection->reading_fault = fault->id;
            connection->reading_left = fault->action.bytes;
            return fault;
        }
    }
    return NULL;
}

size_t mb_fault_reads(struct mb_connection *connection, size_t size)
{
    const struct mb_fault *fault = reading_fault(connection);
    if (!fault)
        return size;
    if (connection->reading_rests)
        return 0;
    return (size_t)connection->reading_left < size ? (size_t)connection->reading_left : size;
}

static void read_on(void *owner, int64_t now)
{
    struct mb_connection *connection = owner;
    (void)now;
    connection->reading_rests = false;
    mb_connection_read_on(connection);
}

bool mb_fault_has_read(struct mb_connection *connection, size_t size, int64_t now)
{
    const struct mb_fault *fault = reading_fault(connection);
    if (!fault)
        return true;
    connection->reading_left -= (int64_t)size < connection->reading_left ? (int64_t)size : connection->reading_left;
    if (connection->reading_left)
        return true;
    connection->reading_left = fault->action.bytes;
    if (fault->action.kind == MB_FAULT_CUT_READ)
        return false;
    connection->reading_rests = true;
    connection->read_on.fire = read_on;
    connection->read_on.owner = connection;
    mb_alarm_set(connection->cluster, &connection->read_on, now + (fault->action.time_us ? fault->action.time_us : 1));
    return true;
}

/* ---- telling ---- */

static void print_number(struct kci_writer *w, const char *name, int64_t value)
{
    mb_json_put(w, name);
    mb_json_put_integer(w, value);
}

static void print_fault(const struct mb_fault *fault, struct kci_writer *w)
{
    print_number(w, "{\"id\":", fault->id);
    mb_json_put(w, ",\"action\":");
    mb_json_put_string(w, kci_str_of(mb_fault_kind_name(fault->action.kind)));
    mb_json_put(w, fault->armed ? ",\"armed\":true" : ",\"armed\":false");
    print_number(w, ",\"matched\":", fault->seen);
    print_number(w, ",\"hits\":", fault->hits);
    print_number(w, ",\"held\":", fault->held);
    mb_json_put(w, ",\"fault\":");
    mb_json_put(w, fault->spec);
    mb_json_put(w, "}");
}

bool mb_fault_print(const struct mb_cluster *cluster, int32_t id, struct kci_writer *w)
{
    const char *separator = "";
    if (id > 0) {
        const struct mb_fault *fault = find(cluster, id);
        if (fault)
            print_fault(fault, w);
        return fault != NULL;
    }
    mb_json_put(w, "{\"faults\":[");
    if (cluster->faults)
        KCI_LIST_EACH(node, &cluster->faults->all)
        {
            mb_json_put(w, separator);
            separator = ",";
            print_fault(KCI_CONTAINER(node, struct mb_fault, link), w);
        }
    mb_json_put(w, "],\"never_fired\":[");
    separator = "";
    if (cluster->faults)
        KCI_LIST_EACH(node, &cluster->faults->all)
        {
            const struct mb_fault *fault = KCI_CONTAINER(node, struct mb_fault, link);
            if (fault->hits)
                continue;
            print_number(w, separator, fault->id);
            separator = ",";
        }
    mb_json_put(w, "]}");
    return true;
}
