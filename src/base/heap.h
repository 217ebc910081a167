/* heap.h -- 4-ary heaps in arrays: four children share a cache line when an element has 16 bytes.
 *
 * HEAP_DEFINE(name, type) makes name_push and name_remove for arrays of `type`. Their user writes two functions
 * before use: name_before(a, b), the order, and name_moved(element, index), told whenever an element has a new
 * place. */
#pragma once

#include "base.h"

#define HEAP_ARITY 4

#define HEAP_DEFINE(name, type)                                                                  \
    static inline bool name##_before(const type *a, const type *b);                              \
    static inline void name##_moved(type *element, size_t index);                                \
                                                                                                 \
    static inline void name##_put(type *array, size_t index, type element)                       \
    {                                                                                            \
        array[index] = element;                                                                  \
        name##_moved(&array[index], index);                                                      \
    }                                                                                            \
                                                                                                 \
    static inline void name##_up(type *array, size_t index, type element)                        \
    {                                                                                            \
        while (index > 0) {                                                                      \
            size_t parent = (index - 1) / HEAP_ARITY;                                            \
                                                                                                 \
            if (!name##_before(&element, &array[parent]))                                        \
                break;                                                                           \
            name##_put(array, index, array[parent]);                                             \
            index = parent;                                                                      \
        }                                                                                        \
        name##_put(array, index, element);                                                       \
    }                                                                                            \
                                                                                                 \
    static inline void name##_down(type *array, size_t count, size_t index, type element)        \
    {                                                                                            \
        for (;;) {                                                                               \
            size_t first = index * HEAP_ARITY + 1, least = first;                                \
                                                                                                 \
            if (first >= count)                                                                  \
                break;                                                                           \
            for (size_t child = first + 1; child < first + HEAP_ARITY && child < count; child++) \
                if (name##_before(&array[child], &array[least]))                                 \
                    least = child;                                                               \
            if (!name##_before(&array[least], &element))                                         \
                break;                                                                           \
            name##_put(array, index, array[least]);                                              \
            index = least;                                                                       \
        }                                                                                        \
        name##_put(array, index, element);                                                       \
    }                                                                                            \
                                                                                                 \
    /* Adds an element to an array that has room for it. */                                      \
    static inline void name##_push(type *array, size_t *count, type element)                     \
    {                                                                                            \
        name##_up(array, (*count)++, element);                                                   \
    }                                                                                            \
                                                                                                 \
    /* Takes the element at `index` out; the last one fills its place. */                        \
    static inline void name##_remove(type *array, size_t *count, size_t index)                   \
    {                                                                                            \
        type last = array[--*count];                                                             \
                                                                                                 \
        if (index == *count)                                                                     \
            return;                                                                              \
        if (index > 0 && name##_before(&last, &array[(index - 1) / HEAP_ARITY]))                 \
            name##_up(array, index, last);                                                       \
        else                                                                                     \
            name##_down(array, *count, index, last);                                             \
    }
