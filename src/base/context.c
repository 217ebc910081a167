#include "context.h"

#include "mem.h"

#include <pthread.h>

struct entry {
    const struct asyncio_contextvar *variable;
    void *value;
};

/* Immutable once made. Programs have a handful of variables, so a search is a short walk and a new map a short copy. */
struct asyncio__map {
    size_t refs;
    size_t n;
    struct entry entries[];
};

/* Outside of any task and callback each thread has a context of its own. */
static _Thread_local struct asyncio_context *thread_context, **thread_slot;
_Thread_local struct asyncio_context ***asyncio__context_at;

/* ------------------------------------------------------------------------------------------------------------ Maps */

static void *value_ref(const struct asyncio_contextvar *variable, void *value)
{
    return variable->ref ? variable->ref(value) : value;
}

static void value_unref(const struct asyncio_contextvar *variable, void *value)
{
    if (variable->unref)
        variable->unref(value);
}

static struct asyncio__map *map_ref(struct asyncio__map *map)
{
    if (map)
        map->refs++;
    return map;
}

static void map_unref(struct asyncio__map *map)
{
    if (!map || --map->refs > 0)
        return;
    for (size_t i = 0; i < map->n; i++)
        value_unref(map->entries[i].variable, map->entries[i].value);
    asyncio__free(map);
}

static struct entry *map_find(struct asyncio__map *map, const struct asyncio_contextvar *variable)
{
    for (size_t i = 0; map && i < map->n; i++)
        if (map->entries[i].variable == variable)
            return &map->entries[i];
    return NULL;
}

/* A copy of `map` without `variable` and, if `value_too`, with this value for it. Returns: 0; -ENOMEM. The empty map
 * is NULL. */
static int map_with(struct asyncio__map *map, const struct asyncio_contextvar *variable, bool value_too, void *value,
                    struct asyncio__map **ret_map)
{
    size_t old_n = map ? map->n : 0, n = 0;
    size_t room = old_n + (value_too ? 1 : 0);
    struct asyncio__map *copy;

    if (room == (map_find(map, variable) && !value_too ? 1U : 0U)) {
        *ret_map = NULL;
        return 0;
    }
    copy = asyncio__malloc(sizeof *copy + room * sizeof copy->entries[0]);
    if (!copy)
        return -ENOMEM;
    for (size_t i = 0; i < old_n; i++) {
        if (map->entries[i].variable == variable)
            continue;
        copy->entries[n].variable = map->entries[i].variable;
        copy->entries[n].value = value_ref(map->entries[i].variable, map->entries[i].value);
        n++;
    }
    if (value_too) {
        copy->entries[n].variable = variable;
        copy->entries[n].value = value_ref(variable, value);
        n++;
    }
    copy->refs = 1;
    copy->n = n;
    *ret_map = copy;
    return 0;
}

/* -------------------------------------------------------------------------------------------------------- Contexts */

static struct asyncio_context *context_new(struct asyncio__map *map)
{
    struct asyncio_context *context = asyncio__malloc(sizeof *context);

    if (context)
        *context = (struct asyncio_context){.refs = 1, .map = map_ref(map)};
    return context;
}

int asyncio__context_capture(struct asyncio_context **ret_copy)
{
    struct asyncio_context *current = asyncio__context_current();

    *ret_copy = NULL;
    if (!current || !current->map)
        return 0;
    *ret_copy = context_new(current->map);
    return *ret_copy ? 0 : -ENOMEM;
}

int asyncio__context_private(struct asyncio_context **ret_copy)
{
    struct asyncio_context *current = asyncio__context_current(), *copy;

    *ret_copy = NULL;
    if (!current || !current->map)
        return 0;
    copy = context_new(NULL);
    /* Without nothing: a plain copy. */
    if (!copy || map_with(current->map, NULL, false, NULL, &copy->map) < 0) {
        asyncio_context_unref(copy);
        return -ENOMEM;
    }
    *ret_copy = copy;
    return 0;
}

struct asyncio_context *asyncio_copy_context(void)
{
    struct asyncio_context *current = asyncio__context_current();

    return context_new(current ? current->map : NULL);
}

struct asyncio_context *asyncio_context_ref(struct asyncio_context *context)
{
    if (context)
        atomic_fetch_add_explicit(&context->refs, 1, memory_order_relaxed);
    return context;
}

struct asyncio_context *asyncio_context_unref(struct asyncio_context *context)
{
    if (!context)
        return NULL;
    /* Whoever has the only reference needs no atomic subtraction, which costs as much as the rest. */
    if (atomic_load_explicit(&context->refs, memory_order_acquire) > 1 &&
        atomic_fetch_sub_explicit(&context->refs, 1, memory_order_acq_rel) > 1)
        return NULL;
    map_unref(context->map);
    asyncio__free(context);
    return NULL;
}

int asyncio_context_run(struct asyncio_context *context, asyncio_coro *fn, void *arg)
{
    struct asyncio__context_entry entry;
    int r;

    if (!context || !fn)
        return -EINVAL;
    if (context->entered || context == asyncio__context_current())
        return -EBUSY;
    context->entered = true;
    asyncio__context_enter(&entry, &context);
    r = fn(arg);
    asyncio__context_leave(&entry);
    context->entered = false;
    return r;
}

/* ------------------------------------------------------------------------------------------------------- Variables */

void *asyncio_contextvar_get(const struct asyncio_contextvar *variable, void *fallback)
{
    struct asyncio_context *context = asyncio__context_current();
    struct entry *entry = context ? map_find(context->map, variable) : NULL;

    return entry ? entry->value : fallback;
}

static pthread_key_t thread_end;
static bool have_thread_end;

static void drop_thread_context(void *arg)
{
    struct asyncio_context **slot = arg, *context = *slot;

    /* What frees the values may set variables once more. */
    *slot = NULL;
    asyncio_context_unref(context);
}

static void make_thread_end(void)
{
    have_thread_end = pthread_key_create(&thread_end, drop_thread_context) == 0;
}

/* A thread's own context ends with it. Where the system has no key for that, it is left behind. */
static void watch_thread(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;

    pthread_once(&once, make_thread_end);
    if (have_thread_end)
        pthread_setspecific(thread_end, &thread_context);
}

/* A library that is unloaded must not be called when a thread ends. */
__attribute__((destructor)) static void forget_threads(void)
{
    if (have_thread_end)
        pthread_key_delete(thread_end);
    have_thread_end = false;
}

/* The current context, made on first use. */
static struct asyncio_context *context_make(void)
{
    struct asyncio_context **slot = asyncio__context_slot();

    if (!slot) {
        slot = thread_slot = &thread_context;
        asyncio__context_at = &thread_slot;
    }
    if (!*slot) {
        *slot = context_new(NULL);
        if (slot == &thread_context && thread_context)
            watch_thread();
    }
    return *slot;
}

int asyncio_contextvar_set(const struct asyncio_contextvar *variable, void *value,
                           struct asyncio_contextvar_token *ret_token)
{
    struct asyncio_context *context;
    struct asyncio__map *map;
    struct entry *old;

    if (!variable)
        return -EINVAL;
    context = context_make();
    if (!context || map_with(context->map, variable, true, value, &map) < 0)
        return -ENOMEM;
    if (ret_token) {
        old = map_find(context->map, variable);
        *ret_token = (struct asyncio_contextvar_token){
            .variable = variable,
            .context = asyncio_context_ref(context),
            .old_value = old ? value_ref(variable, old->value) : NULL,
            .had_value = old != NULL,
        };
    }
    map_unref(context->map);
    context->map = map;
    return 0;
}

int asyncio_contextvar_reset(struct asyncio_contextvar_token *token)
{
    struct asyncio_context *context = asyncio__context_current();
    struct asyncio__map *map;

    if (!token)
        return -EINVAL;
    if (!token->variable)
        return -ASYNCIO_EINVALIDSTATE;
    if (token->context != context)
        return -EINVAL;
    if (map_with(context->map, token->variable, token->had_value, token->old_value, &map) < 0)
        return -ENOMEM;
    map_unref(context->map);
    context->map = map;
    asyncio_contextvar_token_fini(token);
    return 0;
}

void asyncio_contextvar_token_fini(struct asyncio_contextvar_token *token)
{
    if (!token || !token->variable)
        return;
    if (token->had_value)
        value_unref(token->variable, token->old_value);
    asyncio_context_unref(token->context);
    *token = (struct asyncio_contextvar_token){0};
}
