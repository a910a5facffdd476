/* The disks of the brokers: files in memory that know which of their bytes were synced.  When the power fails, what was
 * not is lost from some byte on, and that byte need not be where a write ended; a bit may have rotted.  Names are
 * durable at once, as are truncations: what the brokers do to them they do with a sync or can do again. */
#ifndef SIM_DISK_H
#define SIM_DISK_H

#include "base/alloc.h"
#include "base/prng.h"
#include "base/storage.h"

struct sim_disk {
    struct kci_storage face;
    const struct kci_alloc *alloc;
    struct sim_file {
        char path[120]; /* "": the place is free */
        uint8_t *data;  /* owned */
        size_t size, capacity, synced;
    } * files; /* owned; a handle is an index + 1 */
    size_t count, capacity;
    size_t open_files;
    bool off; /* the power is: every write fails */
};

void sim_disk_init(struct sim_disk *disk, const struct kci_alloc *alloc);
void sim_disk_destroy(struct sim_disk *disk);
/* Part of what was not synced is gone; the rest of the last write may be there in pieces. */
void sim_disk_lose(struct sim_disk *disk, struct kci_prng *prng);
/* One bit of a segment of this broker's topic-partition folder "NAME-N" flips. false: it has none. */
bool sim_disk_rot(struct sim_disk *disk, int32_t broker, const char *folder, struct kci_prng *prng);

#endif
