/* The world: see world.h.  Every event is a struct with a timer first, told apart by `kind`.
 *
 * A stream keeps its order: a piece never arrives before the one that was sent earlier.  Room is bounded, so engines
 * see short sends; pieces are handed to the receiver in random portions, so engines see frames cut anywhere. */
#include "world.h"
#include <assert.h>
#include <stdio.h>

#define ROOM_BYTES   (256 * 1024) /* of one direction of a link, in flight */
#define SIM_SPIN_MAX 100000       /* steps of one instant before it counts as a busy loop */
#define NAME_BYTES   48

enum kind { KIND_ALARM, KIND_WAKE, KIND_ATTEMPT, KIND_PIECE, KIND_CLOSED, KIND_RESOLVED };

struct event { /* common beginning of all but the host's wake */
    struct kci_timer timer;
    uint8_t kind;
};

struct listener {
    struct kci_list link;
    struct sim_host *host;
    char name[NAME_BYTES];
    uint16_t port;
    void *user;
    bool open;
};

struct end { /* of a link */
    struct sim_host *host;
    kci_conn conn;
    void *user;
    bool connected; /* told so */
    bool gone;      /* closed it itself, or was told */
    bool short_send;
    size_t in_flight;     /* bytes on their way to the other end */
    int64_t last_arrival; /* of what it sent: keeps the order */
};

struct link {
    struct kci_list link;
    struct end ends[2]; /* 0: who connected */
    struct listener *listener;
    int references; /* events under way, + 1 while open */
    bool broken;
};

struct attempt {
    struct event event;
    struct link *link;
    bool answer; /* on the way back: opened or refused */
    bool refused;
};

struct piece {
    struct event event;
    struct link *link;
    int to;
    size_t size, taken;
    uint8_t bytes[];
};

struct closed {
    struct event event;
    struct link *link;
    int to;
};

struct resolved {
    struct event event;
    struct sim_host *host;
    void *user;
    struct kci_address address;
    bool found;
};

void sim_trace(struct sim_world *world, uint64_t value)
{
    uint64_t x = world->trace ^ value;
    x ^= x >> 32;
    x *= UINT64_C(0xd6e8feb86659fd93);
    x ^= x >> 29;
    world->trace = x * UINT64_C(0x9e3779b97f4a7c15) + 1;
}

static void *make(struct sim_world *world, size_t size, uint8_t kind)
{
    struct event *event = kci_alloc_zero(world->alloc, 1, size);
    assert(event);
    event->kind = kind;
    return event;
}

static void schedule(struct sim_world *world, struct event *event, int64_t at)
{
    bool ok = kci_heap_set(&world->events, &event->timer, at < world->now ? world->now : at);
    assert(ok);
    (void)ok;
}

static int64_t delay(struct sim_world *world)
{
    const struct sim_faults *f = &world->faults;
    return f->delay_min + (int64_t)kci_prng_below(&world->prng, (uint64_t)(f->delay_max - f->delay_min + 1));
}

static bool chance(struct sim_world *world, uint32_t millionths)
{
    return millionths && kci_prng_chance(&world->prng, millionths, 1000000);
}

/* ---- links
 * ------------------------------------------------------------------------------------------------------------- */

static void drop_link(struct sim_world *world, struct link *link)
{
    if (--link->references == 0) {
        kci_list_remove(&link->link);
        kci_alloc_free(world->alloc, link);
    }
}

static void tell_closed(struct sim_world *world, struct link *link, int to)
{
    struct closed *closed = make(world, sizeof *closed, KIND_CLOSED);
    closed->link = link;
    closed->to = to;
    link->references++;
    int64_t at = world->now + delay(world);
    /* what was sent before still arrives before */
    if (at < link->ends[!to].last_arrival)
        at = link->ends[!to].last_arrival;
    schedule(world, &closed->event, at);
}

static void break_link(struct sim_world *world, struct link *link)
{
    if (link->broken)
        return;
    link->broken = true;
    for (int i = 0; i < 2; i++)
        if (!link->ends[i].gone)
            tell_closed(world, link, i);
    drop_link(world, link);
}

static struct link *find_link(struct sim_world *world, kci_conn conn, int *end)
{
    KCI_LIST_EACH(node, &world->links)
    {
        struct link *link = KCI_CONTAINER(node, struct link, link);
        for (int i = 0; i < 2; i++)
            if (link->ends[i].conn == conn) {
                *end = i;
                return link;
            }
    }
    return NULL;
}

/* ---- the transport
 * ----------------------------------------------------------------------------------------------------- */

static struct listener *find_listener(struct sim_world *world, const char *name, uint16_t port)
{
    KCI_LIST_EACH(node, &world->listeners)
    {
        struct listener *listener = KCI_CONTAINER(node, struct listener, link);
        if (strcmp(listener->name, name) == 0 && (port == 0 || listener->port == port))
            return listener;
    }
    return NULL;
}

static kci_conn transport_open(void *context, const struct kci_address *address, void *user)
{
    struct sim_host *host = context;
    struct sim_world *world = host->world;
    struct link *link = kci_alloc_zero(world->alloc, 1, sizeof *link);
    struct attempt *attempt = make(world, sizeof *attempt, KIND_ATTEMPT);
    assert(link && address->size == sizeof link->listener);
    memcpy(&link->listener, address->bytes, sizeof link->listener);
    link->ends[0] = (struct end){ .host = host, .conn = ++world->next_conn, .user = user };
    link->ends[1] = (struct end){ .host = link->listener->host, .conn = ++world->next_conn };
    link->references = 2; /* open, and the attempt */
    kci_list_push(&world->links, &link->link);
    attempt->link = link;
    schedule(world, &attempt->event, world->now + delay(world));
    return link->ends[0].conn;
}

static size_t transport_send(void *context, kci_conn conn, const struct kci_iov *pieces, size_t count)
{
    struct sim_host *host = context;
    struct sim_world *world = host->world;
    int from;
    struct link *link = find_link(world, conn, &from);
    assert(link && !link->ends[from].gone);
    struct end *end = &link->ends[from];
    size_t total = 0, room = link->broken ? 0 : ROOM_BYTES - end->in_flight;
    for (size_t i = 0; i < count; i++)
        total += pieces[i].size;
    size_t size = total < room ? total : room;
    /* a short send now and then, whatever the room */
    if (size > 1 && kci_prng_chance(&world->prng, 1, 16))
        size = 1 + (size_t)kci_prng_below(&world->prng, size);
    end->short_send = size < total;
    if (size == 0)
        return 0;
    struct piece *piece = make(world, sizeof *piece + size, KIND_PIECE);
    piece->link = link;
    piece->to = !from;
    for (size_t i = 0; i < count && piece->size < size; i++) {
        size_t n = pieces[i].size < size - piece->size ? pieces[i].size : size - piece->size;
        if (n)
            memcpy(piece->bytes + piece->size, pieces[i].data, n);
        piece->size += n;
    }
    end->in_flight += size;
    link->references++;
    int64_t at = world->now + delay(world);
    if (chance(world, world->faults.stall))
        at += (int64_t)kci_prng_below(&world->prng, (uint64_t)world->faults.stall_max + 1);
    end->last_arrival = at > end->last_arrival ? at : end->last_arrival;
    schedule(world, &piece->event, end->last_arrival);
    return size;
}

static void transport_close(void *context, kci_conn conn)
{
    struct sim_host *host = context;
    int from;
    struct link *link = find_link(host->world, conn, &from);
    if (!link || link->ends[from].gone)
        return;
    link->ends[from].gone = true;
    break_link(host->world, link);
}

static void transport_resolve(void *context, const char *name, uint16_t port, void *user)
{
    struct sim_host *host = context;
    struct sim_world *world = host->world;
    struct resolved *resolved = make(world, sizeof *resolved, KIND_RESOLVED);
    struct listener *listener = find_listener(world, name, port);
    resolved->host = host;
    resolved->user = user;
    resolved->found = listener != NULL;
    memcpy(resolved->address.bytes, &listener, sizeof listener);
    resolved->address.size = sizeof listener;
    snprintf(resolved->address.text, sizeof resolved->address.text, "%.40s:%u", name, port);
    schedule(world, &resolved->event, world->now + delay(world));
}

static void transport_want_read(void *context, kci_conn conn)
{
    (void)context; /* a piece that found no space is offered again at every step of its receiver */
    (void)conn;
}

/* ---- events
 * ------------------------------------------------------------------------------------------------------------ */

static bool alive(const struct sim_host *host)
{
    return host->engine.self != NULL;
}

static void on_attempt(struct sim_world *world, struct attempt *attempt)
{
    struct link *link = attempt->link;
    struct end *client = &link->ends[0], *server = &link->ends[1];
    if (!attempt->answer) { /* arrives at the listener */
        attempt->refused = !link->listener->open || !alive(server->host) || chance(world, world->faults.refuse);
        if (!attempt->refused && !link->broken) {
            struct kci_address peer = { .size = 0 };
            snprintf(peer.text, sizeof peer.text, "%.40s:1", client->host->name);
            server->user = server->host->engine.ops->on_accept(server->host->engine.self, server->conn,
                                                               link->listener->user, &peer, &peer, world->now);
            server->connected = true;
            server->host->due = true;
            attempt->refused = server->user == NULL;
        }
        server->gone |= attempt->refused;
        attempt->answer = true;
        schedule(world, &attempt->event, world->now + delay(world));
        return;
    }
    if (!client->gone && alive(client->host)) {
        if (attempt->refused) {
            client->gone = true;
            break_link(world, link);
            client->host->engine.ops->on_close(client->host->engine.self, client->conn, client->user,
                                               "connection refused", world->now);
        } else if (!link->broken) {
            client->connected = true;
            client->host->engine.ops->on_open(client->host->engine.self, client->conn, client->user, world->now);
        }
        client->host->due = true;
    }
    sim_trace(world, client->conn << 1 | attempt->refused);
    drop_link(world, link);
    kci_alloc_free(world->alloc, attempt);
}

/* Hand over one random portion; the rest comes in the same instant, or later if there was no space. */
static void on_piece(struct sim_world *world, struct piece *piece)
{
    struct link *link = piece->link;
    struct end *to = &link->ends[piece->to], *from = &link->ends[!piece->to];
    if (piece->taken == 0 && chance(world, world->faults.cut))
        break_link(world, link);
    bool lost = to->gone || !alive(to->host) || (link->broken && from->gone == false);
    while (!lost && piece->taken < piece->size) {
        size_t space = 0;
        void *where = to->host->engine.ops->on_space(to->host->engine.self, to->conn, to->user, &space);
        if (!where) { /* offered again after a pause of the receiver */
            schedule(world, &piece->event, world->now + SIM_MS);
            return;
        }
        size_t left = piece->size - piece->taken, n = left < space ? left : space;
        if (n > 1 && kci_prng_chance(&world->prng, 1, 4))
            n = 1 + (size_t)kci_prng_below(&world->prng, n);
        memcpy(where, piece->bytes + piece->taken, n);
        piece->taken += n;
        sim_trace(world, to->conn * 1000003 + n);
        to->host->engine.ops->on_bytes(to->host->engine.self, to->conn, to->user, n, world->now);
        to->host->due = true;
        lost = to->gone || !alive(to->host);
    }
    from->in_flight -= piece->size;
    if (from->short_send && !from->gone && !link->broken && alive(from->host)) {
        from->short_send = false;
        from->host->engine.ops->on_sent(from->host->engine.self, from->conn, from->user, world->now);
        from->host->due = true;
    }
    drop_link(world, link);
    kci_alloc_free(world->alloc, piece);
}

static void on_closed(struct sim_world *world, struct closed *closed)
{
    struct end *end = &closed->link->ends[closed->to];
    if (!end->gone && alive(end->host) && (closed->to == 0 || end->connected)) {
        end->gone = true;
        sim_trace(world, end->conn * 7 + 3);
        end->host->engine.ops->on_close(end->host->engine.self, end->conn, end->user, "connection reset by peer",
                                        world->now);
        end->host->due = true;
    }
    end->gone = true;
    drop_link(world, closed->link);
    kci_alloc_free(world->alloc, closed);
}

static void on_resolved(struct sim_world *world, struct resolved *resolved)
{
    struct sim_host *host = resolved->host;
    if (alive(host)) {
        host->engine.ops->on_resolved(host->engine.self, resolved->user, &resolved->address, resolved->found,
                                      resolved->found ? NULL : "no such host", world->now);
        host->due = true;
    }
    kci_alloc_free(world->alloc, resolved);
}

static void run_event(struct sim_world *world, struct kci_timer *timer)
{
    struct event *event = (struct event *)(void *)timer;
    world->event_count++;
    switch ((enum kind)event->kind) {
    case KIND_ALARM:
        sim_trace(world, (uint64_t)world->now);
        ((struct sim_alarm *)(void *)event)->fire(((struct sim_alarm *)(void *)event)->owner, world->now);
        break;
    case KIND_WAKE:
        break; /* the host is found by its deadline */
    case KIND_ATTEMPT:
        on_attempt(world, (struct attempt *)event);
        break;
    case KIND_PIECE:
        on_piece(world, (struct piece *)event);
        break;
    case KIND_CLOSED:
        on_closed(world, (struct closed *)event);
        break;
    case KIND_RESOLVED:
        on_resolved(world, (struct resolved *)event);
        break;
    }
}

static bool step_due_hosts(struct sim_world *world)
{
    bool any = false;
    KCI_LIST_EACH(node, &world->hosts)
    {
        struct sim_host *host = KCI_CONTAINER(node, struct sim_host, link);
        if (!alive(host) || (!host->due && host->engine.ops->deadline(host->engine.self) > world->now))
            continue;
        host->due = false;
        any = true;
        host->engine.ops->step(host->engine.self, world->now);
    }
    return any;
}

static int64_t next_instant(struct sim_world *world)
{
    struct kci_timer *first = kci_heap_first(&world->events);
    int64_t at = first ? first->at : KCI_NEVER;
    KCI_LIST_EACH(node, &world->hosts)
    {
        struct sim_host *host = KCI_CONTAINER(node, struct sim_host, link);
        if (!alive(host))
            continue;
        int64_t deadline = host->due ? world->now : host->engine.ops->deadline(host->engine.self);
        at = deadline < at ? deadline : at;
    }
    return at;
}

bool sim_world_run(struct sim_world *world, int64_t until, bool (*done)(void *owner), void *owner)
{
    for (;;) {
        int64_t at = next_instant(world);
        if (done && done(owner))
            return true;
        if (at > until) {
            world->now = until;
            return false;
        }
        if (at > world->now) {
            world->now = at;
            world->spin_count = 0;
        } else if (++world->spin_count > SIM_SPIN_MAX) {
            world->spinning = true;
            return false;
        }
        struct kci_timer *timer = kci_heap_pop_due(&world->events, world->now);
        if (timer)
            run_event(world, timer);
        step_due_hosts(world);
    }
}

/* ---- making and ending
 * ------------------------------------------------------------------------------------------------- */

void sim_world_init(struct sim_world *world, const struct kci_alloc *alloc, uint64_t seed)
{
    memset(world, 0, sizeof *world);
    world->alloc = alloc;
    world->now = SIM_S;
    world->events = kci_heap_of(alloc);
    world->faults = (struct sim_faults){ .delay_min = 20, .delay_max = 800 };
    kci_prng_seed(&world->prng, seed);
    kci_list_init(&world->hosts);
    kci_list_init(&world->links);
    kci_list_init(&world->listeners);
}

static void free_event(struct sim_world *world, struct event *event)
{
    if (event->kind == KIND_PIECE)
        drop_link(world, ((struct piece *)event)->link);
    else if (event->kind == KIND_ATTEMPT)
        drop_link(world, ((struct attempt *)event)->link);
    else if (event->kind == KIND_CLOSED)
        drop_link(world, ((struct closed *)event)->link);
    if (event->kind != KIND_ALARM)
        kci_alloc_free(world->alloc, event);
}

void sim_world_destroy(struct sim_world *world)
{
    KCI_LIST_EACH(node, &world->links)
    {
        struct link *link = KCI_CONTAINER(node, struct link, link);
        link->ends[0].gone = link->ends[1].gone = true;
        break_link(world, link);
    }
    for (struct kci_timer *timer; (timer = kci_heap_first(&world->events)) != NULL;) {
        kci_heap_remove(&world->events, timer);
        free_event(world, (struct event *)(void *)timer);
    }
    for (struct kci_list *node; (node = kci_list_pop(&world->listeners)) != NULL;)
        kci_alloc_free(world->alloc, KCI_CONTAINER(node, struct listener, link));
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
    *transport = (struct kci_transport){ .context = host,
                                         .open = transport_open,
                                         .send = transport_send,
                                         .close = transport_close,
                                         .resolve = transport_resolve,
                                         .want_read = transport_want_read };
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
    KCI_LIST_EACH(node, &host->world->links)
    {
        struct link *link = KCI_CONTAINER(node, struct link, link);
        for (int i = 0; i < 2; i++)
            if (link->ends[i].host == host) {
                link->ends[i].gone = true;
                break_link(host->world, link);
                break;
            }
    }
}

void sim_host_wake(struct sim_host *host)
{
    host->due = true;
}

void sim_listen(struct sim_host *host, const char *name, uint16_t port, void *user)
{
    struct listener *listener = kci_alloc_zero(host->world->alloc, 1, sizeof *listener);
    assert(listener);
    listener->host = host;
    listener->port = port;
    listener->user = user;
    listener->open = true;
    snprintf(listener->name, sizeof listener->name, "%s", name);
    kci_list_push(&host->world->listeners, &listener->link);
}

void sim_listener_open(struct sim_world *world, const char *name, bool open)
{
    struct listener *listener = find_listener(world, name, 0);
    assert(listener);
    listener->open = open;
}

void sim_alarm_set(struct sim_world *world, struct sim_alarm *alarm, int64_t at)
{
    alarm->kind = KIND_ALARM;
    schedule(world, (struct event *)(void *)alarm, at);
}

void sim_alarm_stop(struct sim_world *world, struct sim_alarm *alarm)
{
    kci_heap_remove(&world->events, &alarm->timer);
}
