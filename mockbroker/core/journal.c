/* The ring of the journal.  An entry begins when a request is decoded and is completed when its answer leaves; until
 * then request and entry point to each other.  When the ring is over its budget the oldest entries go, whole. */
#include "mockbroker/core/journal.h"

#include "mockbroker/core/connection.h"
#include "mockbroker/core/fault_target.h"

/* ---- the ring ---- */

static void free_entry(struct mb_journal *journal, struct mb_journal_entry *entry)
{
    const struct kci_alloc *alloc = journal->cluster->alloc;
    if (entry->request)
        entry->request->journal = NULL;
    kci_list_remove(&entry->link);
    journal->bytes -= entry->bytes;
    kci_alloc_free(alloc, entry->client_id);
    kci_alloc_free(alloc, entry->client_host);
    kci_alloc_free(alloc, entry->names);
    kci_alloc_free(alloc, entry->request_json);
    kci_alloc_free(alloc, entry->response_json);
    kci_alloc_free(alloc, entry);
}

static void shrink(struct mb_journal *journal, size_t bytes)
{
    struct kci_list *oldest;
    while (journal->bytes > bytes && (oldest = kci_list_first(&journal->entries)) != NULL) {
        free_entry(journal, KCI_CONTAINER(oldest, struct mb_journal_entry, link));
        journal->evicted++;
    }
}

int mb_journal_set(struct mb_cluster *cluster, size_t bytes)
{
    if (bytes && (bytes < MB_JOURNAL_BYTES_MIN || bytes > MB_JOURNAL_BYTES_MAX))
        return -1;
    if (bytes && !cluster->journal) {
        cluster->journal = kci_alloc_zero(cluster->alloc, 1, sizeof *cluster->journal);
        if (!cluster->journal)
            return -1;
        cluster->journal->cluster = cluster;
        kci_list_init(&cluster->journal->entries);
    }
    if (!cluster->journal)
        return 0;
    cluster->journal->bytes_max = bytes;
    shrink(cluster->journal, bytes);
    if (!bytes) {
        kci_alloc_free(cluster->alloc, cluster->journal);
        cluster->journal = NULL;
    }
    return 0;
}

void mb_journal_clear(struct mb_cluster *cluster)
{
    if (cluster->journal)
        shrink(cluster->journal, 0);
}

/* ---- texts ---- */

/* The writer's text as a block of the entry; a writer that failed gives `instead`. */
static char *keep(struct mb_journal *journal, struct mb_journal_entry *entry, struct kci_writer *w, const char *instead)
{
    if (w->failed) {
        kci_writer_destroy(w);
        mb_json_put(w, instead);
    }
    kci_writer_i8(w, 0);
    char *text = w->failed ? NULL : kci_alloc_new(w->alloc, w->size);
    if (text) {
        memcpy(text, w->data, w->size);
        entry->bytes += w->size;
        journal->bytes += w->size;
    }
    kci_writer_destroy(w);
    return text;
}

static char *keep_text(struct mb_journal *journal, struct mb_journal_entry *entry, struct kci_str text)
{
    struct kci_writer w = kci_writer_of(journal->cluster->alloc, MB_JOURNAL_MESSAGE_MAX);
    if (!text.data)
        return NULL;
    kci_writer_bytes(&w, text.data, text.size);
    return keep(journal, entry, &w, "");
}

static char *keep_message(struct mb_journal *journal, struct mb_journal_entry *entry, const struct kci_schema *schema,
                          const void *message)
{
    struct kci_writer w = kci_writer_of(journal->cluster->alloc, MB_JOURNAL_MESSAGE_MAX);
    kci_codec_json(schema, entry->version, message, &w);
    return keep(journal, entry, &w, "{\"left_out\":\"it is larger than 64 KiB of JSON\"}");
}

static void add_name(struct kci_writer *w, const char *kind, struct kci_str name)
{
    mb_json_put(w, kind);
    kci_writer_bytes(w, name.data, name.size);
    kci_writer_i8(w, '\n');
}

static void add_topic(void *user, struct kci_str name)
{
    add_name(user, "t:", name);
}

static void add_group(void *user, struct kci_str name)
{
    add_name(user, "g:", name);
}

/* ---- hooks ---- */

void mb_journal_begin(struct mb_request *request, int64_t now)
{
    struct mb_journal *journal = request->cluster->journal;
    if (!journal)
        return;
    struct mb_journal_entry *entry = kci_alloc_zero(journal->cluster->alloc, 1, sizeof *entry);
    if (!entry)
        return; /* a journal with a hole: the sequence number tells */
    entry->request = request;
    request->journal = entry;
    entry->seq = ++journal->last_seq;
    entry->at_us = now;
    entry->at_wall_ms = mb_cluster_wall_ms(request->cluster, now);
    entry->connection = request->connection->conn;
    entry->broker = request->broker;
    entry->api = request->api;
    entry->version = request->header.version;
    entry->correlation = request->header.correlation;
    entry->bytes = sizeof *entry;
    journal->bytes += entry->bytes;
    kci_list_push(&journal->entries, &entry->link);
    entry->client_id = keep_text(journal, entry, request->header.client_id);
    entry->client_host = keep_text(journal, entry, kci_str_of(request->client_host));
    if (request->body) {
        struct kci_writer names = kci_writer_of(journal->cluster->alloc, MB_JOURNAL_MESSAGE_MAX);
        mb_target_names(request, add_topic, add_group, &names);
        entry->names = keep(journal, entry, &names, "");
        entry->request_json = keep_message(journal, entry, request->api->request, request->body);
    }
    shrink(journal, journal->bytes_max);
}

void mb_journal_fault(struct mb_request *request, int32_t fault)
{
    struct mb_journal_entry *entry = request->journal;
    if (entry && entry->fault_count < MB_FAULT_OF_REQUEST_MAX)
        entry->faults[entry->fault_count++] = fault;
}

void mb_journal_answer(struct mb_request *request, const uint8_t *frame, size_t size, int64_t now)
{
    struct mb_journal_entry *entry = request->journal;
    if (!entry)
        return;
    struct mb_journal *journal = request->cluster->journal;
    struct kci_arena arena = kci_arena_of(request->cluster->alloc, MB_JOURNAL_ANSWER_ARENA);
    struct kci_reader r = kci_reader_of(frame + 4, size < 4 ? 0 : size - 4); /* it may be no frame: the fault raw */
    int16_t version = request->body ? entry->version : 0;
    void *response = kci_arena_take(&arena, kci_schema_size(request->api->response));
    int32_t correlation;
    if (response && kci_response_header_read(&r, request->api, version, &correlation) &&
        kci_codec_decode(request->api->response, version, &r, &arena, response, NULL))
        entry->response_json = keep_message(journal, entry, request->api->response, response);
    else
        entry->response_json = keep_text(journal, entry, kci_str_of("{\"left_out\":\"it cannot be decoded\"}"));
    kci_arena_destroy(&arena);
    mb_journal_end(request, MB_JOURNAL_ANSWERED, now);
}

void mb_journal_outgoing(struct mb_request *request, const struct mb_outgoing *outgoing, int64_t now)
{
    struct kci_writer w = kci_writer_of(request->cluster->alloc, MB_RESPONSE_BYTES_MAX);
    if (!request->journal)
        return;
    kci_writer_bytes(&w, outgoing->body.data, outgoing->body.size);
    for (size_t i = 0; i < outgoing->rope_count; i++)
        kci_writer_bytes(&w, outgoing->rope[i].data, outgoing->rope[i].size);
    if (!w.failed)
        mb_journal_answer(request, w.data, w.size, now);
    kci_writer_destroy(&w);
}

void mb_journal_end(struct mb_request *request, enum mb_journal_outcome outcome, int64_t now)
{
    struct mb_journal_entry *entry = request->journal;
    if (!entry)
        return;
    entry->outcome = outcome;
    entry->took_us = now - entry->at_us;
    entry->request = NULL;
    request->journal = NULL;
    shrink(request->cluster->journal, request->cluster->journal->bytes_max);
}
