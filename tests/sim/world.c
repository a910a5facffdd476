/* The world: time, who is stepped when, what is written down.  See world.h; the network is in network.c and links.c. */
#include "network.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>

#define SIM_SPIN_MAX 20000 /* rounds of one instant before it counts as a busy loop */

_Static_assert(offsetof(struct sim_alarm, kind) == offsetof(struct event, kind), "an alarm is an event");

/* ---- what is written down ---- */

void sim_trace(struct sim_world *world, uint64_t value)
{
    uint64_t x = world->trace ^ value;
    x ^= x >> 32;
    x *= UINT64_C(0xd6e8feb86659fd93);
    x ^= x >> 29;
    world->trace = x * UINT64_C(0x9e3779b97f4a7c15) + 1;
}

void sim_note(struct sim_world *world, const char *format, ...)
{
    struct sim_tail *tail = world->tail;
    va_list arguments;
    if (!tail || tail->closed)
        return;
    char *line = tail->lines[tail->count++ % SIM_TAIL_LINES];
    int used = snprintf(line, SIM_TAIL_BYTES, "%9.3f  ", (double)world->now / 1e6);
    va_start(arguments, format);
    vsnprintf(line + used, SIM_TAIL_BYTES - (size_t)used, format, arguments);
    va_end(arguments);
    if (tail->print)
        fprintf(stderr, "%s\n", line);
}

static void write_log(void *context, enum kci_log_level level, const char *facility, const char *text)
{
    struct sim_host *host = context;
    (void)level;
    sim_note(host->world, "%-4s %s: %s", host->name, facility, text);
}

struct kci_logger sim_logger(struct sim_host *host)
{
    if (!host->world->tail || !host->world->tail->engine_logs)
        return (struct kci_logger){ NULL, NULL, KCI_LOG_ERROR };
    return (struct kci_logger){ write_log, host, KCI_LOG_DEBUG };
}

/* ---- time ---- */

void sim_schedule(struct sim_world *world, struct event *event, int64_t at)
{
    bool ok = kci_heap_set(&world->events, &event->timer, at < world->now ? world->now : at);
    assert(ok);
    (void)ok;
}

bool sim_alive(const struct sim_host *host)
{
    return host->engine.self != NULL;
}

static void run_event(struct sim_world *world, struct kci_timer *timer)
{
    struct event *event = (struct event *)(void *)timer;
    struct sim_alarm *alarm = (struct sim_alarm *)(void *)timer;
    world->event_count++;
    if (event->kind == KIND_ALARM) {
        sim_trace(world, (uint64_t)world->now);
        alarm->fire(alarm->owner, world->now);
    } else {
        sim_network_event(world, event);
    }
}

/* Step who is due; the time at which the next one is. */
static int64_t step_hosts(struct sim_world *world)
{
    int64_t next = KCI_NEVER;
    KCI_LIST_EACH(node, &world->hosts)
    {
        struct sim_host *host = KCI_CONTAINER(node, struct sim_host, link);
        if (!sim_alive(host))
            continue;
        if (host->paused_until > world->now) {
            next = host->paused_until < next ? host->paused_until : next;
            continue;
        }
        if (host->due || host->deadline <= world->now) {
            host->due = false;
            host->steps++;
            host->burst = host->stepped_at == world->now ? host->burst + 1 : 1;
            host->stepped_at = world->now;
            host->engine.ops->step(host->engine.self, world->now);
            host->deadline = host->engine.ops->deadline(host->engine.self);
        }
        if (host->due)
            next = world->now;
        else if (host->deadline < next)
            next = host->deadline;
    }
    return next;
}

bool sim_world_run(struct sim_world *world, int64_t until)
{
    for (;;) {
        struct kci_timer *timer = kci_heap_pop_due(&world->events, world->now);
        if (timer)
            run_event(world, timer);
        int64_t at = step_hosts(world);
        KCI_LIST_EACH(node, &world->hosts) /* one that was stepped may have woken one before it */
        {
            const struct sim_host *host = KCI_CONTAINER(node, struct sim_host, link);
            if (host->due && host->paused_until <= world->now && sim_alive(host))
                at = world->now;
        }
        timer = kci_heap_first(&world->events);
        at = timer && timer->at < at ? timer->at : at;
        if (at > until) {
            world->now = until;
            return true;
        }
        if (at > world->now) {
            world->now = at;
            world->spin_count = 0;
        } else if (++world->spin_count > SIM_SPIN_MAX) {
            world->spinning = true;
            return false;
        }
    }
}

const struct sim_host *sim_world_busiest(const struct sim_world *world)
{
    const struct sim_host *most = NULL;
    KCI_LIST_EACH(node, &world->hosts)
    {
        const struct sim_host *host = KCI_CONTAINER(node, struct sim_host, link);
        if (host->stepped_at == world->now && (!most || host->burst > most->burst))
            most = host;
    }
    return most;
}

/* ---- making and ending ---- */

void sim_world_init(struct sim_world *world, const struct kci_alloc *alloc, uint64_t seed)
{
    memset(world, 0, sizeof *world);
    world->alloc = alloc;
    world->now = SIM_S;
    world->events = kci_heap_of(alloc);
    world->faults = (struct sim_faults){ .delay_min = 20, .delay_max = 800, .room = 256 * 1024 };
    kci_prng_seed(&world->prng, seed);
    kci_list_init(&world->hosts);
    kci_list_init(&world->links);
    kci_list_init(&world->listeners);
}

void sim_world_destroy(struct sim_world *world)
{
    sim_network_destroy(world);
    for (struct kci_list *node; (node = kci_list_pop(&world->hosts)) != NULL;)
        kci_alloc_free(world->alloc, KCI_CONTAINER(node, struct sim_host, link));
    kci_heap_destroy(&world->events);
}

struct sim_host *sim_host_add(struct sim_world *world, const char *name, struct kci_transport *transport)
{
    struct sim_host *host = kci_alloc_zero(world->alloc, 1, sizeof *host);
    assert(host);
    host->world = world;
    host->name = name;
    kci_list_push(&world->hosts, &host->link);
    *transport = sim_network_transport(host);
    return host;
}

void sim_host_set(struct sim_host *host, struct kci_engine engine)
{
    host->engine = engine;
    host->due = true;
}

void sim_host_crash(struct sim_host *host)
{
    host->engine = (struct kci_engine){ NULL, NULL };
    host->incarnation++;
    host->paused_until = 0;
    sim_network_crash(host);
}

void sim_host_wake(struct sim_host *host)
{
    host->due = true;
}

void sim_host_pause(struct sim_host *host, int64_t until)
{
    host->paused_until = until;
    host->due = true; /* then */
}

void sim_alarm_set(struct sim_world *world, struct sim_alarm *alarm, int64_t at)
{
    alarm->kind = KIND_ALARM;
    sim_schedule(world, (struct event *)(void *)alarm, at);
}

void sim_alarm_within(struct sim_world *world, struct sim_alarm *alarm, struct kci_prng *prng, int64_t span_us)
{
    sim_alarm_set(world, alarm, world->now + (int64_t)kci_prng_below(prng, (uint64_t)span_us));
}

void sim_alarm_again(struct sim_world *world, struct sim_alarm *alarm, struct kci_prng *prng, int64_t mean_us)
{
    sim_alarm_set(world, alarm, world->now + 1 + (int64_t)kci_prng_below(prng, 2 * (uint64_t)mean_us));
}

void sim_alarm_stop(struct sim_world *world, struct sim_alarm *alarm)
{
    kci_heap_remove(&world->events, &alarm->timer);
}
