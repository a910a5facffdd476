/* Links: made, found, broken, freed.  A link lives as long as one of its ends has not gone or an event of it is under
 * way (`references`); its two ends are named by consecutive connection numbers, which are never used again. */
#include "links.h"

#include <assert.h>

/* ---- chance and events ---- */

void *sim_event_make(struct sim_world *world, size_t size, uint8_t kind)
{
    struct event *event = kci_alloc_zero(world->alloc, 1, size);
    assert(event);
    event->kind = kind;
    return event;
}

int64_t sim_link_delay(struct sim_world *world)
{
    const struct sim_faults *f = &world->faults;
    return f->delay_min + (int64_t)kci_prng_below(&world->prng, (uint64_t)(f->delay_max - f->delay_min + 1));
}

bool sim_chance(struct sim_world *world, uint32_t millionths)
{
    return millionths && kci_prng_chance(&world->prng, millionths, 1000000);
}

/* ---- links ---- */

struct link *sim_link_find(struct sim_world *world, kci_conn conn, int *end)
{
    size_t index = (size_t)(conn - 1) / 2;
    *end = (int)((conn - 1) & 1);
    return conn && index < world->table_size ? world->table[index] : NULL;
}

struct link *sim_link_new(struct sim_world *world)
{
    if (world->table_size == world->table_capacity) {
        world->table_capacity = world->table_capacity ? world->table_capacity * 2 : 64;
        world->table = kci_alloc_resize(world->alloc, world->table, world->table_capacity * sizeof *world->table);
        assert(world->table);
    }
    struct link *link = kci_alloc_zero(world->alloc, 1, sizeof *link);
    assert(link);
    for (int i = 0; i < 2; i++) {
        struct end *end = &link->ends[i];
        end->conn = 2 * (kci_conn)world->table_size + (kci_conn)i + 1;
        end->arrival = (struct arrival){ .event = { .kind = KIND_ARRIVAL }, .of = link, .to = i };
        kci_list_init(&end->incoming);
    }
    world->table[world->table_size++] = link;
    kci_list_push(&world->links, &link->link);
    return link;
}

void sim_link_lose_incoming(struct sim_world *world, struct end *end)
{
    for (struct kci_list *node; (node = kci_list_pop(&end->incoming)) != NULL;)
        kci_alloc_free(world->alloc, KCI_CONTAINER(node, struct piece, link));
    kci_heap_remove(&world->events, &end->arrival.event.timer);
}

void sim_link_free(struct sim_world *world, struct link *link)
{
    for (int i = 0; i < 2; i++) {
        sim_link_lose_incoming(world, &link->ends[i]);
        kci_alloc_free(world->alloc, link->ends[i].rest);
    }
    world->table[(link->ends[0].conn - 1) / 2] = NULL;
    kci_list_remove(&link->link);
    kci_alloc_free(world->alloc, link);
}

void sim_link_drop(struct sim_world *world, struct link *link)
{
    if (--link->references == 0 && link->ends[0].gone && link->ends[1].gone)
        sim_link_free(world, link);
}

static void tell_closed(struct sim_world *world, struct link *link, int to)
{
    struct closed *closed = sim_event_make(world, sizeof *closed, KIND_CLOSED);
    int64_t at = world->now + sim_link_delay(world), last = link->ends[!to].last_at;
    closed->link = link;
    closed->to = to;
    link->references++;
    sim_schedule(world, &closed->event, at < last ? last : at);
}

void sim_link_tell_ends(struct sim_world *world, struct link *link)
{
    for (int i = 0; i < 2; i++)
        if (!link->ends[i].gone && !link->hole)
            tell_closed(world, link, i);
}

void sim_link_break(struct sim_world *world, struct link *link, bool lose)
{
    if (link->broken)
        return;
    link->broken = true;
    for (int i = 0; i < 2; i++)
        if (lose || link->ends[i].gone)
            sim_link_lose_incoming(world, &link->ends[i]);
    sim_link_tell_ends(world, link);
}

/* ---- a host that is cut off ---- */

enum sim_cut sim_link_cut(const struct sim_world *world, const struct link *link)
{
    const struct sim_host *host = link->ends[0].host;
    bool cut = host->cut_until > world->now && (!host->cut_port || host->cut_port == link->listener->port);
    return cut ? host->cut : SIM_CUT_NONE;
}

void sim_host_cut(struct sim_host *host, enum sim_cut how, uint16_t port, int64_t until)
{
    struct sim_world *world = host->world;
    host->cut = how;
    host->cut_port = port;
    host->cut_until = until;
    KCI_LIST_EACH(node, &world->links)
    {
        struct link *link = KCI_CONTAINER(node, struct link, link);
        if (link->ends[0].host != host || sim_link_cut(world, link) == SIM_CUT_NONE)
            continue;
        if (how == SIM_CUT_LOSE) {
            link->hole = true;
            sim_link_lose_incoming(world, &link->ends[0]);
            sim_link_lose_incoming(world, &link->ends[1]);
        } else if (how == SIM_CUT_REFUSE) {
            sim_link_break(world, link, true);
        }
    }
}
