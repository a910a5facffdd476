/* A disk per test, for stories of brokers that keep their logs on it.
 *
 * Included by one test file. */
#ifndef TEST_SUPPORT_DISK_STORY_H
#define TEST_SUPPORT_DISK_STORY_H

#include "support/faulty_disk.h"

static struct disk_storage disk;

static int setup(void **state)
{
    (void)state;
    disk_storage_init(&disk);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    disk_storage_free(&disk);
    return 0;
}

#endif
