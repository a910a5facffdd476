/* What concerns the process as a whole: was it forked, and threads that end by themselves. */
#include "runtime/runtime.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>

static _Atomic uint32_t generation;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void in_child(void)
{
    atomic_fetch_add(&generation, 1);
}

static void watch_forks(void)
{
    pthread_atfork(NULL, NULL, in_child);
}

uint32_t kci_process_generation(void)
{
    pthread_once(&once, watch_forks);
    return atomic_load_explicit(&generation, memory_order_relaxed);
}

struct spawned {
    void (*run)(void *context);
    void *context;
};

static void *run_spawned(void *argument)
{
    struct spawned spawned = *(struct spawned *)argument;
    kci_alloc_free(kci_heap_alloc(), argument);
    spawned.run(spawned.context);
    return NULL;
}

int kci_process_spawn(void (*run)(void *context), void *context)
{
    struct spawned *spawned = kci_alloc_new(kci_heap_alloc(), sizeof *spawned);
    if (!spawned)
        return ENOMEM;
    *spawned = (struct spawned){ run, context };
    pthread_t thread;
    sigset_t all, before; /* signals belong to the application's threads */
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int error = pthread_create(&thread, NULL, run_spawned, spawned);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (error)
        kci_alloc_free(kci_heap_alloc(), spawned);
    else
        pthread_detach(thread);
    return error;
}
