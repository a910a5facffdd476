/* Turns, deadlines, wakes and posted functions. */
#include "support/loop_world.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>

/* A turn sleeps until the engine's deadline: not shorter (it would spin), not much longer. */
static void a_turn_sleeps_until_the_deadline(void **state)
{
    struct world world;
    world_open(&world, world_kind(state));
    kci_loop_turn(world.loop, 0);
    int64_t begin = kci_clock_us();
    world.deadline = begin + 20500;
    int steps = world.steps;
    kci_loop_turn(world.loop, KCI_NEVER);
    assert_int_equal(world.steps, steps + 1);
    assert_true(world.stepped_at >= begin + 20500);
    assert_true(world.deadline == KCI_NEVER); /* it was due in that very step */
    world_close(&world);
}

/* The caller's limit holds when there is no deadline, and a deadline of the past means no sleep at all. */
static void limits_of_a_turn(void **state)
{
    struct world world;
    world_open(&world, world_kind(state));
    int64_t begin = kci_clock_us();
    kci_loop_turn(world.loop, 3000);
    assert_true(kci_clock_us() - begin >= 3000);
    world.deadline = 1;
    kci_loop_turn(world.loop, KCI_NEVER); /* returns */
    assert_int_equal(world.deadline, KCI_NEVER);
    world_close(&world);
}

/* A wake before the sleep is not lost: the turn does not sleep. */
static void a_wake_before_the_turn_is_kept(void **state)
{
    struct world world;
    world_open(&world, world_kind(state));
    kci_loop_turn(world.loop, 0);
    for (int i = 0; i < 3; i++) {
        kci_loop_wake(world.loop);
        kci_loop_turn(world.loop, KCI_NEVER); /* returns */
    }
    int steps = world.steps;
    kci_loop_turn(world.loop, 2000); /* and three wakes are not more than three */
    assert_int_equal(world.steps, steps + 1);
    world_close(&world);
}

struct ping {
    struct world *world;
    struct kci_gate *gate;
    _Atomic int count;
    bool on_thread;
};

static void count_ping(void *context, int64_t now)
{
    struct ping *ping = context;
    (void)now;
    ping->on_thread = kci_loop_on_thread(ping->world->loop);
    atomic_fetch_add(&ping->count, 1);
    kci_gate_open(ping->gate);
}

/* Posted functions run on the loop's thread, in order, whether it sleeps or not. */
static void posted_functions_run_on_the_thread(void **state)
{
    struct world world;
    world_open(&world, world_kind(state));
    struct ping ping = { &world, kci_gate_new(kci_heap_alloc()), 0, false };
    assert_int_equal(kci_loop_start(world.loop, "test loop with a long name"), 0);
    assert_int_equal(kci_loop_start(world.loop, "second"), 16 /* EBUSY */);
    for (int i = 0; i < 1000; i++) {
        uint64_t seen = kci_gate_now(ping.gate);
        assert_int_equal(kci_loop_post(world.loop, count_ping, &ping), 0);
        while (atomic_load(&ping.count) <= i) {
            kci_gate_wait(ping.gate, seen, KCI_NEVER);
            seen = kci_gate_now(ping.gate);
        }
    }
    assert_true(ping.on_thread);
    assert_false(kci_loop_on_thread(world.loop));
    kci_loop_stop(world.loop);
    kci_loop_stop(world.loop);                                 /* twice is fine */
    assert_true(world_turns_in(&world, 20000) <= WORLD_QUIET); /* a wake is not seen again and again */
    world_close(&world);
    kci_gate_destroy(ping.gate);
}

#define POSTERS 4
#define POSTS   5000

static void *post_many(void *argument)
{
    struct ping *ping = argument;
    for (int i = 0; i < POSTS; i++) {
        assert_int_equal(kci_loop_post(ping->world->loop, count_ping, ping), 0);
        kci_loop_wake(ping->world->loop);
    }
    return NULL;
}

/* What was posted before the stop has run when it returns, however many threads post. */
static void nothing_posted_before_the_stop_is_lost(void **state)
{
    struct world world;
    pthread_t threads[POSTERS];
    world_open(&world, world_kind(state));
    struct ping ping = { &world, kci_gate_new(kci_heap_alloc()), 0, false };
    assert_int_equal(kci_loop_start(world.loop, "test"), 0);
    for (int i = 0; i < POSTERS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, post_many, &ping), 0);
    for (int i = 0; i < POSTERS; i++)
        pthread_join(threads[i], NULL);
    kci_loop_stop(world.loop);
    assert_int_equal(atomic_load(&ping.count), POSTERS * POSTS);
    assert_int_equal(kci_loop_post(world.loop, count_ping, &ping), ESHUTDOWN); /* nobody would run it */
    world_close(&world);
    assert_int_equal(atomic_load(&ping.count), POSTERS * POSTS);
    kci_gate_destroy(ping.gate);
}

static void post_and_stop(void *context, int64_t now)
{
    struct ping *ping = context;
    (void)now;
    assert_int_equal(kci_loop_post(ping->world->loop, count_ping, ping), 0);
    kci_loop_stop(ping->world->loop);
}

/* Even what is posted in the very turn that stops the thread. */
static void the_last_turn_runs_what_was_posted(void **state)
{
    struct world world;
    world_open(&world, world_kind(state));
    struct ping ping = { &world, kci_gate_new(kci_heap_alloc()), 0, false };
    assert_int_equal(kci_loop_start(world.loop, "test"), 0);
    assert_int_equal(kci_loop_post(world.loop, post_and_stop, &ping), 0);
    kci_gate_wait(ping.gate, 0, kci_clock_us() + WORLD_PATIENCE_US);
    world_close(&world);
    assert_int_equal(atomic_load(&ping.count), 1);
    kci_gate_destroy(ping.gate);
}

static void stop_itself(void *context, int64_t now)
{
    struct ping *ping = context;
    kci_loop_stop(ping->world->loop); /* does not wait for itself */
    count_ping(context, now);
}

/* The thread may end itself; whoever destroys the loop joins it. */
static void a_loop_may_be_stopped_from_its_own_thread(void **state)
{
    struct world world;
    world_open(&world, world_kind(state));
    struct ping ping = { &world, kci_gate_new(kci_heap_alloc()), 0, false };
    assert_int_equal(kci_loop_start(world.loop, "test"), 0);
    assert_int_equal(kci_loop_post(world.loop, stop_itself, &ping), 0);
    kci_gate_wait(ping.gate, 0, KCI_NEVER);
    world_close(&world);
    kci_gate_destroy(ping.gate);
}

static void remember_mask(void *context, int64_t now)
{
    sigset_t mask;
    pthread_sigmask(SIG_SETMASK, NULL, &mask);
    assert_true(sigismember(&mask, SIGTERM) && sigismember(&mask, SIGPROF));
    count_ping(context, now);
}

/* Signals are the application's: the loop's thread takes none. */
static void the_thread_takes_no_signals(void **state)
{
    struct world world;
    world_open(&world, world_kind(state));
    struct ping ping = { &world, kci_gate_new(kci_heap_alloc()), 0, false };
    assert_int_equal(kci_loop_start(world.loop, "test"), 0);
    assert_int_equal(kci_loop_post(world.loop, remember_mask, &ping), 0);
    kci_gate_wait(ping.gate, 0, KCI_NEVER);
    world_close(&world);
    kci_gate_destroy(ping.gate);
}

/* A loop without any engine still turns; a second engine gets its own steps and events. */
static void several_engines_share_a_loop(void **state)
{
    struct world world, other;
    world_open(&world, world_kind(state));
    memset(&other, 0, sizeof other);
    kci_prng_seed(&other.prng, 1);
    other.loop = world.loop;
    other.deadline = KCI_NEVER;
    kci_loop_transport(world.loop, &other.transport);
    kci_loop_turn(world.loop, 0); /* not bound yet: not stepped */
    assert_int_equal(other.steps, 0);
    kci_loop_set_engine(world.loop, &(struct kci_engine){ &other, &world_ops });
    struct end *client = world_connect_to(&other, world.port);
    world.echo = true;
    end_queue(client, "over there", 10);
    world_until(&world, client->in_size == 10);
    assert_true(other.steps > 0);
    for (int i = 2; i < 8; i++)
        assert_int_equal(kci_loop_add(world.loop, &(struct kci_engine){ &other, &world_ops }, &other.transport), 0);
    assert_int_equal(kci_loop_add(world.loop, &(struct kci_engine){ &other, &world_ops }, &other.transport),
                     28 /* ENOSPC */);
    world_close(&world);
    free(client->in);
    free(client->out);
    free(client);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WORLD_STORY(a_turn_sleeps_until_the_deadline),
        WORLD_STORY(limits_of_a_turn),
        WORLD_STORY(a_wake_before_the_turn_is_kept),
        WORLD_STORY(posted_functions_run_on_the_thread),
        WORLD_STORY(nothing_posted_before_the_stop_is_lost),
        WORLD_STORY(the_last_turn_runs_what_was_posted),
        WORLD_STORY(a_loop_may_be_stopped_from_its_own_thread),
        WORLD_STORY(the_thread_takes_no_signals),
        WORLD_STORY(several_engines_share_a_loop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
