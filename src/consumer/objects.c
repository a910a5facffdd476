/* Deserializers, applied to the records of one poll before the application sees them.
 *
 *      collect ---> kc_records ---> deserializers ---> kc_records with objects ---> interceptors, the application
 *                                        |refused: the position goes back to that record, its partition stops (FAILED)
 *
 * It is done here and not while the records are visited, so that a refusal is known when poll returns: the position
 * then stands at the record (KIP-334), nothing behind it is returned or committed, and a seek goes on.  An object is
 * made once, however often the set is visited.
 *
 * All objects of a set lie in one arena, so they live and die with the set; their bytes are counted against
 * fetch.memory.max while they do, and further fetches wait for them.  Without deserializers nothing of this exists:
 * the walk asks one flag per record that it asks for interceptors anyway.
 *
 * A set whose objects do not all find room ends where it is full, and the rest comes with the next poll; only a record
 * that is above the limit in an empty one counts as refused.  When the machine has no memory, nobody is to blame: the
 * set ends before that record, and if it was the first one all of it goes back.
 *
 * Left to others: where the position goes (unreadable.c). */
#include "consumer/objects.h"
#include "cluster/buffer.h"
#include "consumer/record_walk.h"

struct kci_object {
    kc_bytes key, value; /* in the arena, or in the bytes of the record when there is no deserializer for it */
};

struct kci_objects {
    const struct kci_alloc *under; /* borrowed */
    struct kci_alloc memory;       /* the same, but its failures are seen here: a limit is none */
    bool starved;                  /* one failed since this was cleared */
    struct kci_arena arena;
    struct kc_buffer buffer; /* what the deserializer at work appends; empty otherwise */
    int64_t counted;         /* bytes in shared */
    struct kci_object items[];
};

/* One set on its way through the deserializers. */
struct pass {
    struct kc_records *records;
    struct kci_objects *objects; /* owned */
    const struct kci_settings *settings;
    size_t made;  /* objects */
    bool starved; /* there was no memory for the very first one */
};

static void *resize(void *context, void *block, size_t size)
{
    struct kci_objects *objects = context;
    void *got = objects->under->resize(objects->under->context, block, size);
    objects->starved |= size && !got;
    return got;
}

/* Turn *bytes into an object, if there is a deserializer for it. *room is false when it could not be kept. */
static kc_err make(struct kci_objects *objects, const kc_deserializer *by, const kc_record_view *view, kc_bytes *bytes,
                   bool *room)
{
    struct kci_writer *w = &objects->buffer.writer;
    if (!by->deserialize || !bytes->data)
        return KC_OK;
    w->size = 0;
    w->failed = false;
    kc_err code = by->deserialize(by->context, view, *bytes, &objects->buffer);
    if (code == KC_OK && w->failed)
        code = KC_ERR_NO_MEMORY;
    if (code != KC_OK)
        return code;
    void *object = kci_arena_take(&objects->arena, w->size ? w->size : 1);
    if (!object) {
        *room = false;
        return KC_ERR_NO_MEMORY;
    }
    if (w->size)
        memcpy(object, w->data, w->size);
    *bytes = (kc_bytes){ object, w->size };
    return KC_OK;
}

/* The next record of a slice, as the application would see it; returns the one behind it. */
static const uint8_t *view_of(const struct kci_slice *slice, const uint8_t *at, kc_record_view *view)
{
    const struct kci_run *run = slice->run;
    const struct kci_ready *ready = &run->batches[slice->batch];
    at = kci_walk_record(at, view);
    view->topic = run->topic;
    view->partition = run->partition;
    view->ticket = run->ticket;
    view->leader_epoch = ready->leader_epoch;
    view->offset += ready->base_offset;
    view->timestamp_ms = kci_walk_timestamp(ready->log_append_time, ready->base_timestamp, view->timestamp_ms);
    return at;
}

/* The objects of one record. KC_OK, or who refused it is in *place. */
static kc_err make_both(struct pass *pass, const kc_record_view *view, struct kci_unreadable *place)
{
    struct kci_object *object = &pass->objects->items[pass->made];
    const kc_deserializer *by = &pass->settings->key_deserializer;
    bool room = true;
    pass->objects->starved = false;
    *object = (struct kci_object){ view->key, view->value };
    place->what = "key";
    place->code = make(pass->objects, by, view, &object->key, &room);
    if (place->code == KC_OK) {
        by = &pass->settings->value_deserializer;
        place->what = "value";
        place->code = make(pass->objects, by, view, &object->value, &room);
    }
    bool starved = place->code != KC_OK && pass->objects->starved;
    place->next_time = (!room || starved) && pass->made > 0;
    pass->starved = starved && pass->made == 0;
    place->name = by->name ? by->name : "(without name)";
    return place->code;
}

/* Slice i. true: all of its records have objects; false: *place is the one that was refused, number *n of the slice. */
static bool make_slice(struct pass *pass, size_t i, int32_t *n, struct kci_unreadable *place)
{
    const struct kci_slice *slice = &pass->records->slices[i];
    const uint8_t *at = slice->at;
    kc_record_view view;
    for (*n = 0; *n < slice->count; ++*n, pass->made++) {
        at = view_of(slice, at, &view);
        if (make_both(pass, &view, place) == KC_OK)
            continue;
        place->topic = view.topic;
        place->partition = view.partition;
        place->offset = view.offset;
        place->ticket = view.ticket;
        place->epoch_before = *n ? view.leader_epoch : slice->epoch_before;
        return false;
    }
    return true;
}

bool kci_objects_make(struct kc_records *records, const struct kci_settings *settings,
                      void (*refused)(void *context, const struct kci_unreadable *record), void *context)
{
    const struct kci_alloc *alloc = records->shared->alloc;
    size_t most = (size_t)settings->fetch_memory_max, size = records->count * sizeof(struct kci_object);
    struct pass pass = { records, kci_alloc_zero(alloc, 1, sizeof *pass.objects + size), settings, 0, false };
    if (!pass.objects)
        return false;
    pass.objects->under = alloc;
    pass.objects->memory = (struct kci_alloc){ resize, pass.objects };
    pass.objects->arena = kci_arena_of(&pass.objects->memory, most);
    pass.objects->buffer.writer = kci_writer_of(&pass.objects->memory, most);
    for (size_t i = 0; i < records->slice_count;) {
        struct kci_unreadable place;
        int32_t n;
        if (make_slice(&pass, i, &n, &place)) {
            i++;
            continue;
        }
        if (pass.starved)
            break;
        struct kci_run *run = kci_run_ref(records->slices[i].run); /* has the topic's name */
        place.dropped = kci_records_cut(records, i, n, place.offset);
        refused(context, &place);
        kci_run_release(run);
        i += n > 0;
    }
    kci_writer_destroy(&pass.objects->buffer.writer);
    if (pass.starved) {
        kci_arena_destroy(&pass.objects->arena);
        kci_alloc_free(alloc, pass.objects);
        return false;
    }
    pass.objects->counted = (int64_t)(sizeof *pass.objects + size + pass.objects->arena.used);
    kci_shared_count(records->shared, pass.objects->counted);
    records->objects = pass.objects;
    records->watched = true;
    return true;
}

void kci_objects_show(const struct kci_objects *objects, size_t number, kc_record_view *view)
{
    view->key = objects->items[number].key;
    view->value = objects->items[number].value;
}

void kci_objects_release(struct kci_objects *objects, struct kci_shared *shared)
{
    if (!objects)
        return;
    int64_t counted = objects->counted;
    kci_arena_destroy(&objects->arena);
    kci_alloc_free(shared->alloc, objects);
    kci_shared_give_back(shared, counted);
}
