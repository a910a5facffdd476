/* Time and seeds.  The only readers of the system's clock: everything above gets `now` handed in. */
#include "runtime/runtime.h"

#include <fcntl.h>
#include <time.h>
#include <unistd.h>

#define US_PER_S  1000000
#define NS_PER_US 1000
#define US_PER_MS 1000

int64_t kci_clock_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t); /* cannot fail for this clock */
    return (int64_t)t.tv_sec * US_PER_S + t.tv_nsec / NS_PER_US;
}

int64_t kci_clock_wall_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (int64_t)t.tv_sec * US_PER_S + t.tv_nsec / NS_PER_US;
}

int64_t kci_clock_wall_ms(void)
{
    return kci_clock_wall_us() / US_PER_MS;
}

uint64_t kci_random_seed(void)
{
    uint64_t seed = 0;
    int fd = open("/dev/urandom", O_RDONLY | O_CLOEXEC);
    ssize_t got = fd >= 0 ? read(fd, &seed, sizeof seed) : 0;
    if (fd >= 0)
        close(fd);
    if (got == (ssize_t)sizeof seed)
        return seed;
    /* No /dev (a bare chroot): two processes that start at once still differ in pid. The seed guards against
     * collisions, not against attackers. */
    return (uint64_t)kci_clock_us() * 0x9E3779B97F4A7C15u ^ (uint64_t)kci_clock_wall_ms() << 20 ^ (uint64_t)getpid();
}
