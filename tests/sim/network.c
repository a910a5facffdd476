/* The network: see world.h for what it is.
 *
 *      open -> attempt -> (listener) accept -> answer -> on_open | on_close "refused"
 *      send -> piece, due after a delay -> arrival at the other end, in random portions -> on_sent if there was no room
 *      close -> the other end is told, when all that was sent before has arrived (or is lost with the connection)
 *
 * A stream keeps its order: a piece never arrives before the one that was sent earlier, and once a piece is lost
 * nothing behind it arrives.  Room is bounded, so engines see short sends; pieces are handed to the receiver in random
 * portions, so engines see frames cut anywhere. */
#include "links.h"

#include "base/checksum.h"

#include <assert.h>
#include <stdio.h>

#define ROOM_BYTES    (256 * 1024)   /* of one direction of a link, in flight, when the world is well */
#define REST_BYTES    (16 * 1024)    /* of what a short send left are remembered */
#define HEALED_DELAY  (5 * SIM_MS)   /* most delay of a piece when the world is well */
#define OFFER_AGAIN   SIM_MS         /* after a receiver had no space */
#define SHORT_SEND    16             /* one send in so many takes less than there is room */
#define CUT_PORTION   4              /* one portion in so many is smaller than the space */
#define DRIP_BYTES    40             /* most bytes of a portion of a link that drips */
#define HELD_AGAIN    (100 * SIM_MS) /* what is held by a cut is tried again this often */
#define BELATED       (20 * SIM_MS)  /* what arrives that long after its connection was closed counts as such */
#define LOSE_ON_CLOSE 4              /* one close in so many loses what is under way (a reset, not an orderly end) */

/* ---- the transport ---- */

static struct listener *find_listener(struct sim_world *world, const char *name, uint16_t port)
{
    KCI_LIST_EACH(node, &world->listeners)
    {
        struct listener *listener = KCI_CONTAINER(node, struct listener, link);
        if (strcmp(listener->name, name) == 0 && listener->port == port)
            return listener;
    }
    return NULL;
}

static kci_conn transport_open(void *context, const struct kci_address *address, void *user)
{
    struct sim_host *host = context;
    struct sim_world *world = host->world;
    struct link *link = sim_link_new(world);
    struct attempt *attempt = sim_event_make(world, sizeof *attempt, KIND_ATTEMPT);
    assert(address->size == sizeof link->listener);
    memcpy(&link->listener, address->bytes, sizeof link->listener);
    link->ends[0].host = host;
    link->ends[0].user = user;
    link->ends[1].host = link->listener->host;
    link->references = 1; /* the attempt */
    link->hole = sim_chance(world, world->faults.hole) || sim_link_cut(world, link) == SIM_CUT_LOSE;
    link->drip = sim_chance(world, world->faults.drip);
    attempt->link = link;
    sim_schedule(world, &attempt->event, world->now + sim_link_delay(world));
    return link->ends[0].conn;
}

static struct piece *new_piece(struct sim_world *world, const struct kci_iov *pieces, size_t count, size_t size)
{
    struct piece *piece = kci_alloc_new(world->alloc, sizeof *piece + size);
    assert(piece);
    *piece = (struct piece){ .size = size };
    for (size_t i = 0, at = 0; i < count && at < size; i++) {
        size_t n = pieces[i].size < size - at ? pieces[i].size : size - at;
        if (n)
            memcpy(piece->bytes + at, pieces[i].data, n);
        at += n;
    }
    return piece;
}

/* What an engine could not send of a frame that it has begun stays as it is until it can (R3): the next send begins
 * with it. */
static void compare_rest(struct sim_world *world, struct end *end, const struct kci_iov *pieces, size_t count)
{
    for (size_t i = 0, at = 0; i < count && at < end->rest_size; i++) {
        size_t n = pieces[i].size < end->rest_size - at ? pieces[i].size : end->rest_size - at;
        world->torn |= n && memcmp(pieces[i].data, end->rest + at, n) != 0;
        at += n;
    }
    kci_alloc_free(world->alloc, end->rest);
    end->rest = NULL;
    end->rest_size = 0;
}

/* `size` bytes were sent: where in a frame does that end? */
static void follow_frames(struct end *end, const struct kci_iov *pieces, size_t size)
{
    for (size_t i = 0; size; i++) {
        const uint8_t *at = pieces[i].data;
        size_t left = pieces[i].size < size ? pieces[i].size : size;
        size -= left;
        while (left) {
            if (end->frame_left) {
                uint32_t n = end->frame_left < left ? end->frame_left : (uint32_t)left;
                end->frame_left -= n;
                at += n;
                left -= n;
                continue;
            }
            end->head = end->head << 8 | *at++;
            left--;
            if (++end->head_size == 4) {
                end->frame_left = end->head;
                end->head = end->head_size = 0;
            }
        }
    }
}

static void remember_rest(struct sim_world *world, struct end *end, const struct kci_iov *pieces, size_t count,
                          size_t sent)
{
    size_t most = end->frame_left < REST_BYTES ? end->frame_left : REST_BYTES;
    if (!most)
        return;
    end->rest = kci_alloc_new(world->alloc, most);
    assert(end->rest);
    for (size_t i = 0; i < count && end->rest_size < most; i++) {
        size_t skip = pieces[i].size < sent ? pieces[i].size : sent, n = pieces[i].size - skip;
        sent -= skip;
        n = n < most - end->rest_size ? n : most - end->rest_size;
        if (n)
            memcpy(end->rest + end->rest_size, (const uint8_t *)pieces[i].data + skip, n);
        end->rest_size += n;
    }
}

static size_t transport_send(void *context, kci_conn conn, const struct kci_iov *pieces, size_t count)
{
    struct sim_host *host = context;
    struct sim_world *world = host->world;
    int from;
    struct link *link = sim_link_find(world, conn, &from);
    assert(link && !link->ends[from].gone);
    struct end *end = &link->ends[from], *to = &link->ends[!from];
    size_t total = 0, room = link->broken || host->mute ? 0 : world->faults.room - end->in_flight;
    for (size_t i = 0; i < count; i++)
        total += pieces[i].size;
    size_t size = total < room ? total : room;
    if (size > 1 && kci_prng_chance(&world->prng, 1, SHORT_SEND))
        size = 1 + (size_t)kci_prng_below(&world->prng, size);
    end->short_send = size < total;
    if (end->rest)
        compare_rest(world, end, pieces, count);
    follow_frames(end, pieces, size);
    if (end->short_send && !link->broken)
        remember_rest(world, end, pieces, count, size);
    if (size == 0)
        return 0;
    end->in_flight += size;
    link->hole |= sim_chance(world, world->faults.hole);
    if (link->hole || to->gone)
        return size;
    struct piece *piece = new_piece(world, pieces, count, size);
    piece->at = world->now + sim_link_delay(world);
    if (sim_chance(world, world->faults.stall))
        piece->at += (int64_t)kci_prng_below(&world->prng, (uint64_t)world->faults.stall_max + 1);
    if (piece->at < end->last_at)
        piece->at = end->last_at;
    end->last_at = piece->at;
    if (kci_list_empty(&to->incoming))
        sim_schedule(world, &to->arrival.event, piece->at);
    kci_list_push(&to->incoming, &piece->link);
    return size;
}

static void transport_close(void *context, kci_conn conn)
{
    struct sim_host *host = context;
    int from;
    struct link *link = sim_link_find(host->world, conn, &from);
    if (!link || link->ends[from].gone)
        return;
    link->references++;
    link->ends[from].gone = true;
    if (from == 0)
        link->left_at = host->world->now;
    sim_link_lose_incoming(host->world, &link->ends[from]);
    sim_link_break(host->world, link, kci_prng_chance(&host->world->prng, 1, LOSE_ON_CLOSE));
    sim_link_drop(host->world, link);
}

static void transport_resolve(void *context, const char *name, uint16_t port, void *user)
{
    struct sim_host *host = context;
    struct sim_world *world = host->world;
    struct resolved *resolved = sim_event_make(world, sizeof *resolved, KIND_RESOLVED);
    struct listener *listener = find_listener(world, name, port);
    resolved->host = host;
    resolved->incarnation = host->incarnation;
    resolved->user = user;
    resolved->found = listener != NULL && !sim_chance(world, world->faults.resolve) &&
                      (host->cut_until <= world->now || host->cut_port);
    memcpy(resolved->address.bytes, &listener, sizeof listener);
    resolved->address.size = sizeof listener;
    snprintf(resolved->address.text, sizeof resolved->address.text, "%.40s:%u", name, port);
    sim_schedule(world, &resolved->event, world->now + sim_link_delay(world));
}

static void transport_want_read(void *context, kci_conn conn)
{
    (void)context; /* a piece that found no space is offered again soon */
    (void)conn;
}

/* ---- events ---- */

static void on_arrive_at_listener(struct sim_world *world, struct attempt *attempt)
{
    struct link *link = attempt->link;
    struct end *client = &link->ends[0], *server = &link->ends[1];
    attempt->refused = !sim_alive(server->host) || sim_chance(world, world->faults.refuse) ||
                       sim_link_cut(world, link) == SIM_CUT_REFUSE;
    if (!attempt->refused && !link->broken && !link->hole) {
        struct kci_address peer = { .size = 0 };
        snprintf(peer.text, sizeof peer.text, "%.40s:1", client->host->name);
        server->user = server->host->engine.ops->on_accept(server->host->engine.self, server->conn,
                                                           link->listener->user, &peer, &peer, world->now);
        server->connected = server->user != NULL;
        server->host->due = true;
        attempt->refused = !server->connected;
    }
    server->gone |= !server->connected;
    attempt->answer = true;
    sim_schedule(world, &attempt->event, world->now + sim_link_delay(world));
}

static void on_attempt(struct sim_world *world, struct attempt *attempt)
{
    struct link *link = attempt->link;
    struct end *client = &link->ends[0];
    if (!attempt->answer) {
        on_arrive_at_listener(world, attempt);
        return;
    }
    if (!client->gone && !link->hole) {
        const struct kci_engine *engine = &client->host->engine;
        client->host->due = true;
        if (attempt->refused) {
            client->gone = true;
            sim_link_break(world, link, true);
            engine->ops->on_close(engine->self, client->conn, client->user, "connection refused", world->now);
        } else if (!link->broken) {
            client->connected = true;
            engine->ops->on_open(engine->self, client->conn, client->user, world->now);
        }
    }
    sim_trace(world, client->conn << 1 | attempt->refused);
    sim_link_drop(world, link);
    kci_alloc_free(world->alloc, attempt);
}

/* Hand a piece over in portions. false: the receiver has no space now. */
static bool hand_over(struct sim_world *world, struct end *to, struct piece *piece, bool drip)
{
    const struct kci_engine *engine = &to->host->engine;
    while (piece->taken < piece->size) {
        size_t space = 0;
        void *where = engine->ops->on_space(engine->self, to->conn, to->user, &space);
        if (!where)
            return false;
        size_t left = piece->size - piece->taken, n = left < space ? left : space;
        if (drip && n > DRIP_BYTES)
            n = DRIP_BYTES;
        if (n > 1 && (drip || kci_prng_chance(&world->prng, 1, CUT_PORTION)))
            n = 1 + (size_t)kci_prng_below(&world->prng, n);
        memcpy(where, piece->bytes + piece->taken, n);
        sim_trace(world, to->conn << 32 | kci_crc32c(0, piece->bytes + piece->taken, n));
        piece->taken += n;
        to->host->due = true;
        engine->ops->on_bytes(engine->self, to->conn, to->user, n, world->now);
        if (to->gone) /* by what it read; the piece is freed with the others */
            return true;
    }
    return true;
}

static void on_arrival(struct sim_world *world, struct arrival *arrival)
{
    struct link *link = arrival->of;
    struct end *to = &link->ends[arrival->to], *from = &link->ends[!arrival->to];
    struct piece *piece = KCI_CONTAINER(kci_list_first(&to->incoming), struct piece, link);
    if (piece->taken == 0 && sim_chance(world, world->faults.cut)) {
        sim_note(world, "network: a connection of %s breaks", link->ends[0].host->name);
        sim_link_break(world, link, true);
        return;
    }
    if (link->left_at && world->now > link->left_at + BELATED && !world->belated_at)
        world->belated_at = world->now;
    link->references++; /* whoever is called may close */
    kci_list_remove(&piece->link);
    if (!hand_over(world, to, piece, link->drip)) {
        kci_list_push_front(&to->incoming, &piece->link);
        sim_schedule(world, &arrival->event, world->now + OFFER_AGAIN);
    } else {
        from->in_flight -= piece->size;
        kci_alloc_free(world->alloc, piece);
        if (!kci_list_empty(&to->incoming))
            sim_schedule(world, &arrival->event, KCI_CONTAINER(kci_list_first(&to->incoming), struct piece, link)->at);
        if (from->short_send && !from->gone && !link->broken) {
            from->short_send = false;
            from->host->engine.ops->on_sent(from->host->engine.self, from->conn, from->user, world->now);
            from->host->due = true;
        }
    }
    sim_link_drop(world, link);
}

static void on_closed(struct sim_world *world, struct closed *closed)
{
    struct end *end = &closed->link->ends[closed->to];
    if (!end->gone && !kci_list_empty(&end->incoming)) { /* its bytes come first */
        sim_schedule(world, &closed->event, world->now + OFFER_AGAIN);
        return;
    }
    if (!end->gone && (closed->to == 0 || end->connected)) {
        end->gone = true;
        sim_trace(world, end->conn * 7 + 3);
        end->host->engine.ops->on_close(end->host->engine.self, end->conn, end->user, "connection reset by peer",
                                        world->now);
        end->host->due = true;
    }
    end->gone = true;
    sim_link_drop(world, closed->link);
    kci_alloc_free(world->alloc, closed);
}

static void on_resolved(struct sim_world *world, struct resolved *resolved)
{
    struct sim_host *host = resolved->host;
    if (sim_alive(host) && host->incarnation == resolved->incarnation) {
        host->engine.ops->on_resolved(host->engine.self, resolved->user, &resolved->address, resolved->found,
                                      resolved->found ? NULL : "no such host", world->now);
        host->due = true;
    }
    kci_alloc_free(world->alloc, resolved);
}

/* Whom the event would reach. */
static const struct sim_host *target_of(const struct event *event)
{
    const struct attempt *attempt = (const struct attempt *)event;
    const struct arrival *arrival = (const struct arrival *)event;
    const struct closed *closed = (const struct closed *)event;
    switch ((enum kind)event->kind) {
    case KIND_ATTEMPT:
        return attempt->link->ends[!attempt->answer].host;
    case KIND_ARRIVAL:
        return arrival->of->ends[arrival->to].host;
    case KIND_CLOSED:
        return closed->link->ends[closed->to].host;
    case KIND_RESOLVED:
        return ((const struct resolved *)event)->host;
    case KIND_ALARM:
        break;
    }
    return NULL;
}

static const struct link *link_of(const struct event *event)
{
    switch ((enum kind)event->kind) {
    case KIND_ATTEMPT:
        return ((const struct attempt *)event)->link;
    case KIND_ARRIVAL:
        return ((const struct arrival *)event)->of;
    case KIND_CLOSED:
        return ((const struct closed *)event)->link;
    case KIND_RESOLVED:
    case KIND_ALARM:
        break;
    }
    return NULL;
}

void sim_network_event(struct sim_world *world, struct event *event)
{
    const struct link *link = link_of(event);
    const struct sim_host *host = target_of(event);
    if (host && host->paused_until > world->now) {
        sim_schedule(world, event, host->paused_until);
        return;
    }
    if (link && sim_link_cut(world, link) == SIM_CUT_HOLD) {
        int64_t over = link->ends[0].host->cut_until, again = world->now + HELD_AGAIN;
        sim_schedule(world, event, over < again ? over : again);
        return;
    }
    switch ((enum kind)event->kind) {
    case KIND_ALARM: /* the world's */
        break;
    case KIND_ATTEMPT:
        on_attempt(world, (struct attempt *)event);
        break;
    case KIND_ARRIVAL:
        on_arrival(world, (struct arrival *)event);
        break;
    case KIND_CLOSED:
        on_closed(world, (struct closed *)event);
        break;
    case KIND_RESOLVED:
        on_resolved(world, (struct resolved *)event);
        break;
    }
}

/* ---- for the world ---- */

/* What is held up on its way arrives within the usual delay. */
static void hurry(struct sim_world *world, struct link *link)
{
    int64_t latest = world->now + world->faults.delay_max;
    for (int i = 0; i < 2; i++) {
        struct end *to = &link->ends[i], *from = &link->ends[!i];
        KCI_LIST_EACH(node, &to->incoming)
        {
            struct piece *piece = KCI_CONTAINER(node, struct piece, link);
            piece->at = piece->at < latest ? piece->at : latest;
        }
        from->last_at = from->last_at < latest ? from->last_at : latest;
        if (!kci_list_empty(&to->incoming))
            sim_schedule(world, &to->arrival.event,
                         KCI_CONTAINER(kci_list_first(&to->incoming), struct piece, link)->at);
    }
}

void sim_world_heal(struct sim_world *world)
{
    int64_t delay_min = world->faults.delay_min;
    int64_t delay_max = world->faults.delay_max < HEALED_DELAY ? world->faults.delay_max : HEALED_DELAY;
    world->faults = (struct sim_faults){ .delay_min = delay_min, .delay_max = delay_max, .room = ROOM_BYTES };
    KCI_LIST_EACH(node, &world->hosts)
    {
        KCI_CONTAINER(node, struct sim_host, link)->cut_until = 0;
    }
    KCI_LIST_EACH(node, &world->links)
    {
        struct link *link = KCI_CONTAINER(node, struct link, link);
        bool hole = link->hole;
        hurry(world, link);
        link->hole = false;
        if (hole && link->broken)
            sim_link_tell_ends(world, link);
        else if (hole)
            sim_link_break(world, link, true);
    }
}

void sim_listen(struct sim_host *host, const char *name, uint16_t port, void *user)
{
    struct listener *listener = kci_alloc_zero(host->world->alloc, 1, sizeof *listener);
    assert(listener);
    listener->host = host;
    listener->port = port;
    listener->user = user;
    snprintf(listener->name, sizeof listener->name, "%s", name);
    kci_list_push(&host->world->listeners, &listener->link);
}

struct kci_transport sim_network_transport(struct sim_host *host)
{
    return (struct kci_transport){ .context = host,
                                   .open = transport_open,
                                   .send = transport_send,
                                   .close = transport_close,
                                   .resolve = transport_resolve,
                                   .want_read = transport_want_read };
}

void sim_network_crash(struct sim_host *host)
{
    struct sim_world *world = host->world;
    KCI_LIST_EACH(node, &world->links)
    {
        struct link *link = KCI_CONTAINER(node, struct link, link);
        for (int i = 0; i < 2; i++)
            if (link->ends[i].host == host && !link->ends[i].gone) {
                transport_close(host, link->ends[i].conn);
                break;
            }
    }
}

static void free_event(struct sim_world *world, struct event *event)
{
    if (event->kind == KIND_ATTEMPT)
        sim_link_drop(world, ((struct attempt *)event)->link);
    else if (event->kind == KIND_CLOSED)
        sim_link_drop(world, ((struct closed *)event)->link);
    if (event->kind != KIND_ALARM && event->kind != KIND_ARRIVAL)
        kci_alloc_free(world->alloc, event);
}

void sim_network_destroy(struct sim_world *world)
{
    for (struct kci_timer *timer; (timer = kci_heap_first(&world->events)) != NULL;) {
        kci_heap_remove(&world->events, timer);
        free_event(world, (struct event *)(void *)timer);
    }
    KCI_LIST_EACH(node, &world->links)
    {
        sim_link_free(world, KCI_CONTAINER(node, struct link, link));
    }
    for (struct kci_list *node; (node = kci_list_pop(&world->listeners)) != NULL;)
        kci_alloc_free(world->alloc, KCI_CONTAINER(node, struct listener, link));
    kci_alloc_free(world->alloc, world->table);
}
