/* Threads that somebody waits for.  Signals belong to the application's threads: ours block them all. */
#include "runtime/runtime.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>

struct kci_thread {
    pthread_t thread;
    void (*run)(void *context);
    void *context;
};

static void *run_thread(void *argument)
{
    struct kci_thread *thread = argument;
    thread->run(thread->context);
    return NULL;
}

int kci_thread_start(struct kci_thread **out, void (*run)(void *context), void *context)
{
    *out = NULL;
    struct kci_thread *thread = kci_alloc_new(kci_heap_alloc(), sizeof *thread);
    if (!thread)
        return ENOMEM;
    thread->run = run;
    thread->context = context;
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int error = pthread_create(&thread->thread, NULL, run_thread, thread);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (error)
        kci_alloc_free(kci_heap_alloc(), thread);
    else
        *out = thread;
    return error;
}

void kci_thread_join(struct kci_thread *thread)
{
    if (!thread)
        return;
    pthread_join(thread->thread, NULL);
    kci_alloc_free(kci_heap_alloc(), thread);
}
