/* list.h -- circular doubly linked lists whose links live in their elements.
 *
 * The head is a link of its own. A link that is on no list points at itself, so that taking it off again is harmless
 * and "is it on a list?" has an answer. The link's type is public, because callers' structures embed it. */
#pragma once

#include "base.h"

#define LIST_ENTRY(link, type, member) CONTAINER_OF(link, type, member)

/* Visits each link; the visited one may be taken off its list in the body. */
#define LIST_FOR_EACH(link, next_link, head) \
    for (link = (head)->next, next_link = link->next; link != (head); link = next_link, next_link = link->next)

static inline void list_init(struct asyncio_link *link)
{
    link->next = link;
    link->prev = link;
}

/* A head in zeroed memory counts as an empty list: primitives are valid when zeroed. */
static inline void list_ready(struct asyncio_link *head)
{
    if (!head->next)
        list_init(head);
}

static inline bool list_empty(const struct asyncio_link *head)
{
    return head->next == head || !head->next;
}

static inline void list_push_back(struct asyncio_link *head, struct asyncio_link *link)
{
    struct asyncio_link *last = head->prev;

    link->prev = last;
    last->next = link;
    link->next = head;
    head->prev = link;
}

static inline void list_push_front(struct asyncio_link *head, struct asyncio_link *link)
{
    struct asyncio_link *first = head->next;

    link->prev = head;
    link->next = first;
    first->prev = link;
    head->next = link;
}

/* Takes the link off its list and leaves it pointing at its old neighbours: for links that go elsewhere at once. */
static inline void list_unlink(struct asyncio_link *link)
{
    link->prev->next = link->next;
    link->next->prev = link->prev;
}

static inline void list_remove(struct asyncio_link *link)
{
    list_unlink(link);
    list_init(link);
}

static inline bool list_linked(const struct asyncio_link *link)
{
    return link->next && link->next != link;
}

/* Takes the first link off, or returns NULL. */
static inline struct asyncio_link *list_pop_front(struct asyncio_link *head)
{
    struct asyncio_link *link = head->next;

    if (list_empty(head))
        return NULL;
    list_remove(link);
    return link;
}

/* Moves all of `from` behind the last of `to`; `from` is empty afterwards. */
static inline void list_splice_back(struct asyncio_link *to, struct asyncio_link *from)
{
    if (list_empty(from))
        return;
    from->next->prev = to->prev;
    to->prev->next = from->next;
    from->prev->next = to;
    to->prev = from->prev;
    list_init(from);
}

static inline size_t list_count(const struct asyncio_link *head)
{
    size_t count = 0;

    if (head->next)
        for (const struct asyncio_link *link = head->next; link != head; link = link->next)
            count++;
    return count;
}
