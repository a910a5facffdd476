/* Clusters of mock brokers that clients ask for by configuration.
 *
 *      join: name known? -> one more client         leave: one client less -> none left: stop, free
 *            else load libmockbroker, start
 *
 * libkclient is not linked to libmockbroker: it is loaded when the key is set and not before, so that nobody who does
 * without needs it.  Clusters stand in one list of the process, under one lock; what a forked child finds there belongs
 * to its parent, and is neither joined nor stopped. */
#include "api/mock_cluster.h"
#include "base/list.h"
#include "cluster/cluster.h"
#include "runtime/runtime.h"
#include <mockbroker/mockbroker.h>

#include <pthread.h>

#ifdef __APPLE__
#define LIBRARY "libmockbroker.0.dylib"
#else
#define LIBRARY "libmockbroker.so.0"
#endif
#define OPTIONS_BYTES 512 /* room for members that a later version of the library may add: zero is their default */

struct kci_mock_cluster {
    struct kci_list link; /* of clusters */
    char *name;           /* test.mock.cluster, owned; NULL: private */
    char *topics;         /* as it was started with; owned; NULL: none */
    char *config;         /* likewise */
    int32_t brokers;
    uint32_t generation; /* of the process that started it */
    size_t clients;      /* that have joined and not left */
    kc_mock *mock;
    void (*stop)(kc_mock *mock); /* of the library */
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* guards the list and all that is in it */
static struct kci_list clusters = { &clusters, &clusters };

/* A copy in *to; false: no memory. An empty text is none. */
static bool copy_text(char **to, const char *text)
{
    if (text && !*text)
        text = NULL;
    *to = text ? kci_alloc_new(kci_heap_alloc(), strlen(text) + 1) : NULL;
    if (*to)
        memcpy(*to, text, strlen(text) + 1);
    return *to || !text;
}

static void free_cluster(struct kci_mock_cluster *cluster)
{
    kci_alloc_free(kci_heap_alloc(), cluster->name);
    kci_alloc_free(kci_heap_alloc(), cluster->topics);
    kci_alloc_free(kci_heap_alloc(), cluster->config);
    kci_alloc_free(kci_heap_alloc(), cluster);
}

static kc_err no_memory(kc_error *error)
{
    return kci_fail(error, KC_ERR_NO_MEMORY, 0, "out of memory for the cluster of test.mock.num.brokers");
}

/* ---- starting ---- */

struct library {
    int (*start)(kc_mock **out, const kc_mock_options *options, char *text, size_t text_size);
    void (*stop)(kc_mock *mock);
    const char *(*bootstrap)(const kc_mock *mock);
};

static kc_err load(struct library *out, kc_error *error)
{
    char why[300];
    void *library = kci_library_open(LIBRARY, why, sizeof why);
    if (!library)
        return kci_fail(error, KC_ERR_CONFIG, 0,
                        "test.mock.num.brokers needs " LIBRARY ", which cannot be loaded: %s. Install it next to "
                        "libkclient, or add its folder to LD_LIBRARY_PATH",
                        why);
    void *start = kci_library_symbol(library, "kc_mock_start"), *stop = kci_library_symbol(library, "kc_mock_stop");
    void *bootstrap = kci_library_symbol(library, "kc_mock_bootstrap");
    if (!start || !stop || !bootstrap)
        return kci_fail(error, KC_ERR_CONFIG, 0,
                        "the " LIBRARY " that was found lacks kc_mock_start, kc_mock_stop or kc_mock_bootstrap");
    memcpy(&out->start, &start, sizeof start); /* POSIX: a symbol's address is that of its function */
    memcpy(&out->stop, &stop, sizeof stop);
    memcpy(&out->bootstrap, &bootstrap, sizeof bootstrap);
    return KC_OK;
}

static kc_err start(struct kci_mock_cluster *cluster, const struct library *library, kc_error *error)
{
    char text[300] = "";
    union {
        kc_mock_options given;
        char room[OPTIONS_BYTES];
    } options;
    memset(&options, 0, sizeof options);
    options.given = (kc_mock_options)KC_MOCK_OPTIONS_INIT;
    options.given.brokers = cluster->brokers;
    options.given.topics = cluster->topics;
    options.given.config = cluster->config;
    if (library->start(&cluster->mock, &options.given, text, sizeof text))
        return kci_fail(error, KC_ERR_CONFIG, 0, "the cluster of test.mock.num.brokers cannot be started: %s", text);
    cluster->stop = library->stop;
    return KC_OK;
}

static kc_err start_new(struct kci_mock_cluster **out, const struct library *library,
                        const struct kci_settings *settings, kc_error *error)
{
    struct kci_mock_cluster *cluster = kci_alloc_zero(kci_heap_alloc(), 1, sizeof *cluster);
    if (!cluster)
        return no_memory(error);
    cluster->brokers = settings->test_mock_num_brokers;
    cluster->generation = kci_process_generation();
    kc_err err = copy_text(&cluster->name, settings->test_mock_cluster) &&
                         copy_text(&cluster->topics, settings->test_mock_topics) &&
                         copy_text(&cluster->config, settings->test_mock_config)
                     ? start(cluster, library, error)
                     : no_memory(error);
    if (err) {
        free_cluster(cluster);
        return err;
    }
    kci_list_push(&clusters, &cluster->link);
    *out = cluster;
    return KC_OK;
}

/* ---- joining ---- */

static struct kci_mock_cluster *find(const char *name)
{
    KCI_LIST_EACH(node, &clusters)
    {
        struct kci_mock_cluster *cluster = KCI_CONTAINER(node, struct kci_mock_cluster, link);
        if (name && cluster->name && cluster->generation == kci_process_generation() &&
            strcmp(name, cluster->name) == 0)
            return cluster;
    }
    return NULL;
}

/* Who leaves it open takes what there is. */
static bool agrees(const char *asked, const char *is)
{
    return !asked || !*asked || (is && strcmp(asked, is) == 0);
}

static kc_err join(struct kci_mock_cluster **out, const struct library *library, const struct kci_settings *settings,
                   kc_error *error)
{
    struct kci_mock_cluster *cluster = find(settings->test_mock_cluster);
    if (!cluster)
        return start_new(out, library, settings, error);
    if (cluster->brokers != settings->test_mock_num_brokers || !agrees(settings->test_mock_topics, cluster->topics) ||
        !agrees(settings->test_mock_config, cluster->config))
        return kci_fail(error, KC_ERR_CONFIG, 0,
                        "test.mock.cluster=%.60s runs already, with another test.mock.num.brokers, test.mock.topics or "
                        "test.mock.config (its brokers: %d)",
                        cluster->name, cluster->brokers);
    *out = cluster;
    return KC_OK;
}

kc_err kci_mock_cluster_join(struct kci_mock_cluster **out, struct kci_settings *settings, kc_error *error)
{
    struct library library;
    char *bootstrap = NULL;
    *out = NULL;
    if (!settings->test_mock_num_brokers)
        return KC_OK;
    kc_err err = load(&library, error);
    if (err)
        return err;
    pthread_mutex_lock(&lock);
    err = join(out, &library, settings, error);
    if (err == KC_OK)
        (*out)->clients++;
    pthread_mutex_unlock(&lock);
    if (err)
        return err;
    if (!copy_text(&bootstrap, library.bootstrap((*out)->mock))) {
        kci_mock_cluster_leave(*out);
        *out = NULL;
        return no_memory(error);
    }
    kci_alloc_free(kci_heap_alloc(), (void *)(uintptr_t)settings->bootstrap_servers);
    settings->bootstrap_servers = bootstrap;
    return KC_OK;
}

void kci_mock_cluster_leave(struct kci_mock_cluster *cluster)
{
    if (!cluster)
        return;
    pthread_mutex_lock(&lock);
    bool last = --cluster->clients == 0;
    if (last)
        kci_list_remove(&cluster->link);
    pthread_mutex_unlock(&lock);
    if (!last)
        return;
    cluster->stop(cluster->mock);
    free_cluster(cluster);
}
