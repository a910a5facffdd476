/* The loop as other threads see it: its own thread, waking it, and functions posted to it.
 *
 * Waking costs one atomic exchange unless the loop sleeps (the drawing in loop.h): only the thread that takes the state
 * out of SLEEPING writes to the descriptor.  No wake is lost: the loop goes to sleep with a compare-and-swap from
 * AWAKE, and both sides' exchanges on the one word order what the waker wrote before what the loop reads afterwards. */
#ifdef __linux__
#define _GNU_SOURCE /* pthread_setname_np */
#endif
#include "runtime/loop.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>
#ifdef __linux__
#include <sys/eventfd.h>
#endif

#define THREAD_NAME_MAX 16 /* with the NUL: the kernel's limit */

struct thread {
    pthread_t id;
    struct kci_loop *loop;
    char name[THREAD_NAME_MAX];
};

/* ---- wake ---- */

int kci_wake_create(struct kci_loop *loop)
{
#ifdef __linux__
    loop->wake_fd = loop->wake_write_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    return loop->wake_fd < 0 ? errno : 0;
#else
    int fds[2];
    if (pipe(fds))
        return errno;
    for (int i = 0; i < 2; i++) {
        fcntl(fds[i], F_SETFD, FD_CLOEXEC);
        fcntl(fds[i], F_SETFL, O_NONBLOCK);
    }
    loop->wake_fd = fds[0];
    loop->wake_write_fd = fds[1];
    return 0;
#endif
}

void kci_wake_destroy(struct kci_loop *loop)
{
    close(loop->wake_fd);
    if (loop->wake_write_fd != loop->wake_fd)
        close(loop->wake_write_fd);
}

void kci_loop_wake(struct kci_loop *loop)
{
    if (atomic_exchange(&loop->state, KCI_LOOP_WOKEN) != KCI_LOOP_SLEEPING)
        return;
    uint64_t one = 1;
    while (write(loop->wake_write_fd, &one, sizeof one) < 0 && errno == EINTR)
        ; /* EAGAIN: full, so it is readable */
}

/* ---- posted functions ---- */

int kci_loop_post(struct kci_loop *loop, void (*posted)(void *context, int64_t now), void *context)
{
    struct kci_post *post = kci_alloc_new(loop->alloc, sizeof *post);
    if (!post)
        return ENOMEM;
    *post = (struct kci_post){ NULL, posted, context };
    kci_lock_take(&loop->post_lock);
    bool late = loop->posts_end;
    if (!late) {
        *loop->posted_tail = post;
        loop->posted_tail = &post->next;
    }
    kci_lock_release(&loop->post_lock);
    if (late) {
        kci_alloc_free(loop->alloc, post);
        return ESHUTDOWN;
    }
    kci_loop_wake(loop);
    return 0;
}

static void end_posts(struct kci_loop *loop, bool end)
{
    kci_lock_take(&loop->post_lock);
    loop->posts_end = end;
    kci_lock_release(&loop->post_lock);
}

static struct kci_post *take_posted(struct kci_loop *loop)
{
    kci_lock_take(&loop->post_lock);
    struct kci_post *first = loop->posted;
    loop->posted = NULL;
    loop->posted_tail = &loop->posted;
    kci_lock_release(&loop->post_lock);
    return first;
}

void kci_post_run(struct kci_loop *loop)
{
    for (struct kci_post *post = take_posted(loop), *next; post; post = next) {
        next = post->next;
        post->run(post->context, loop->now);
        kci_alloc_free(loop->alloc, post);
    }
}

void kci_post_drop(struct kci_loop *loop)
{
    for (struct kci_post *post = take_posted(loop), *next; post; post = next) {
        next = post->next;
        kci_alloc_free(loop->alloc, post);
    }
}

/* ---- the thread ---- */

static void *run_thread(void *argument)
{
    struct thread *thread = argument;
    struct kci_loop *loop = thread->loop;
#ifdef __linux__
    pthread_setname_np(pthread_self(), thread->name);
#endif
    while (!atomic_load(&loop->stopping))
        kci_loop_turn(loop, KCI_NEVER);
    kci_loop_turn(loop, 0); /* what was posted before the stop is done */
    return NULL;
}

int kci_loop_start(struct kci_loop *loop, const char *name)
{
    struct thread *thread = loop->thread ? NULL : kci_alloc_zero(loop->alloc, 1, sizeof *thread);
    if (!thread)
        return loop->thread ? EBUSY : ENOMEM;
    thread->loop = loop;
    snprintf(thread->name, sizeof thread->name, "%s", name);
    atomic_store(&loop->stopping, 0);
    end_posts(loop, false);

    /* Signals belong to the application's threads. */
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int error = pthread_create(&thread->id, NULL, run_thread, thread);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (error) {
        kci_alloc_free(loop->alloc, thread);
        return error;
    }
    loop->thread = thread;
    return 0;
}

void kci_loop_stop(struct kci_loop *loop)
{
    atomic_store(&loop->stopping, 1);
    if (kci_loop_on_thread(loop)) /* looked at when this turn ends; destroy, or a stop from outside, joins */
        return;
    struct thread *thread = loop->thread;
    if (!thread)
        return;
    kci_loop_wake(loop);
    pthread_join(thread->id, NULL);
    loop->thread = NULL;
    kci_alloc_free(loop->alloc, thread);
    end_posts(loop, true);
    kci_post_run(loop); /* what came behind its last turn; the engines are ours now */
}
