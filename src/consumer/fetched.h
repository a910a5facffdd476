/* Fetched bytes on their way to the application.
 *
 *   kci_fetched   one fetch response: its frame and the bytes it counts for
 *   kci_part      the share of one partition in it, still to be judged; belongs to the I/O thread
 *   kci_run       some batches of a part, judged and readable; handed to the application, shared by the kc_records made from it */
#ifndef KCI_CONSUMER_FETCHED_H
#define KCI_CONSUMER_FETCHED_H

#include "base/list.h"
#include "base/map.h"
#include "consumer/fetch_response.h"
#include "consumer/shared.h"
#include "protocol/frame.h"
#include "protocol/records.h"

struct kci_fetched {
    _Atomic int32_t references;
    struct kci_frame *frame;   /* owned reference */
    struct kci_shared *shared; /* owned reference */
    int64_t bytes;             /* counted in shared until released */
};
/* Takes over `counted` bytes of the ceiling (not on failure) and its own reference to the frame. NULL: out of memory.
 */
struct kci_fetched *kci_fetched_new(struct kci_shared *shared, struct kci_frame *frame, int64_t counted);
void kci_fetched_release(struct kci_fetched *fetched); /* any thread */

/* One batch, judged. */
struct kci_ready {
    const uint8_t *first;   /* the first record to be returned; in the frame or in plain */
    int64_t base_offset;    /* of the batch */
    int64_t base_timestamp; /* ms; of the batch, or the append time */
    int64_t next_offset;    /* the offset behind the batch */
    uint8_t *plain;         /* decompressed bytes, owned; NULL: read in the frame */
    int64_t plain_size;     /* bytes counted in shared */
    _Atomic int32_t users;  /* of plain: the run and every kc_records that has a slice of it */
    int32_t leader_epoch;
    int32_t count;        /* records from `first` on; 0: nothing to return, only the position moves */
    bool log_append_time; /* all records have the time base_timestamp */
};

#define KCI_RUN_BATCHES_MAX 64u        /* bounds the side memory of a run, ~5 KB */
#define KCI_RUN_BYTES_MAX   (1u << 20) /* and how long one judging takes: well under a millisecond */

struct kci_run {
    struct kci_list link; /* in the queue of its partition */
    _Atomic int32_t references;
    struct kci_fetched *fetched; /* owned reference */
    const char *topic;           /* in this block */
    int64_t bytes;               /* of its batches as fetched, for the partition's quota */
    int64_t size;                /* bytes of this block, counted in shared */
    uint64_t ticket;             /* of the position when it was queued: see kci_assigned */
    int32_t partition;
    uint32_t count;    /* of batches */
    uint32_t next;     /* first batch that is not returned yet; the application's side */
    const uint8_t *at; /* where the next poll goes on in batch `next`; NULL: at its first record */
    int32_t left;      /* records from there on */
    struct kci_ready batches[];
};
struct kci_run *kci_run_ref(struct kci_run *run);
void kci_run_release(struct kci_run *run); /* any thread */
/* The run or a kc_records has done with a batch: the last one frees its decompressed bytes. */
void kci_ready_done(struct kci_run *run, uint32_t batch);

struct kci_aborted {
    int64_t producer_id, first_offset;
};

struct kci_part {
    struct kci_list link;        /* in the queue of parts to be judged */
    struct kci_fetched *fetched; /* owned reference */
    struct kci_reader rest;      /* batches that are not judged yet */
    int64_t topic_key;           /* of the partition: see kci_subscription_find */
    uint64_t version;            /* of the position that was fetched from */
    int64_t next_offset;         /* records below it were not asked for */
    int32_t partition;
    bool check_crcs;
    bool alone;    /* its first batch was fetched alone: all of the ceiling that is left is for it */
    int64_t needs; /* of KCI_PART_LARGE: bytes of the ceiling that have to be free for another attempt */
    int plant;     /* enum kci_consumer_plant; 0 after kci_part_new() */
    size_t aborted_count, aborted_next; /* entries; first one that has not begun yet */
    struct kci_map aborted_now;         /* producer ids inside an aborted transaction */
    const char *topic;                  /* in this block */
    enum kci_batch_error error;         /* sticky: why the batch at next_offset cannot be read */
    struct kci_aborted aborted[];       /* by rising first_offset */
};

struct kci_part_options {
    const char *topic;
    int64_t topic_key;
    uint64_t version;
    int64_t fetch_offset;
    bool read_committed, check_crcs, alone;
};
/* NULL: out of memory, or a malformed list of aborted transactions (*malformed tells). */
struct kci_part *kci_part_new(struct kci_fetched *fetched, const struct kci_fetch_partition *from,
                              const struct kci_part_options *options, bool *malformed);
void kci_part_destroy(struct kci_part *part);

enum kci_part_result {
    KCI_PART_RUN,     /* *run is yours */
    KCI_PART_END,     /* nothing is left */
    KCI_PART_NO_ROOM, /* the ceiling does not permit to decompress now */
    KCI_PART_LARGE, /* a batch needs more than plain_max, or more than is left: fetch it alone, when part->needs are free */
    KCI_PART_BAD, /* part->error says what is wrong with the batch at part->next_offset */
};
/* Judge the next batches. plain_max: bytes that one batch may have decompressed beside others. */
enum kci_part_result kci_part_next(struct kci_part *part, int64_t plain_max, struct kci_run **run);

#endif
