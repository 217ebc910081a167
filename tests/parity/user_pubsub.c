/* A user's program: publish and subscribe. Each subscriber has a bounded queue; who is too slow loses messages. */

#include "parity.h"

#define END  (-1)
#define MOST 3

struct subscriber {
    const char *name;
    struct asyncio_queue queue;
    double pause;
    int most, lost;
};

struct topic {
    struct subscriber *subscribers[MOST];
    int n;
};

static void subscribe(struct topic *topic, struct subscriber *subscriber)
{
    topic->subscribers[topic->n++] = subscriber;
}

static void unsubscribe(struct topic *topic, const struct subscriber *subscriber)
{
    int kept = 0;

    for (int i = 0; i < topic->n; i++)
        if (topic->subscribers[i] != subscriber)
            topic->subscribers[kept++] = topic->subscribers[i];
    topic->n = kept;
}

static void publish(struct topic *topic, int message)
{
    for (int i = 0; i < topic->n; i++) {
        struct subscriber *subscriber = topic->subscribers[i];
        if (asyncio_queue_put_nowait(&subscriber->queue, item_of(message)) == -ASYNCIO_EQUEUEFULL) {
            subscriber->lost++;
            say("%s loses %d", subscriber->name, message);
        }
    }
}

static int close_topic(struct topic *topic)
{
    for (int i = 0; i < topic->n; i++)
        TRY(asyncio_queue_put(&topic->subscribers[i]->queue, item_of(END)));
    return 0;
}

static int reads(void *arg)
{
    struct subscriber *me = arg;
    int received = 0;
    void *message;

    while (received < me->most) {
        TRY(asyncio_queue_get(&me->queue, &message));
        if (number_of(message) == END)
            break;
        received++;
        say("%s receives %d", me->name, number_of(message));
        TRY(asyncio_sleep(me->pause));
    }
    say("%s is done: %d received, %d lost", me->name, received, me->lost);
    return received;
}

static int publishes(struct topic *topic, struct asyncio_taskgroup *group, struct subscriber *brief,
                     struct asyncio_future **ret_brief_task)
{
    for (int message = 0; message < 8; message++) {
        if (message == 3) {
            subscribe(topic, brief);
            *ret_brief_task = asyncio_future_ref(asyncio_taskgroup_create_task(group, reads, brief));
        }
        if (message == 6)
            unsubscribe(topic, brief);
        publish(topic, message);
        TRY(asyncio_sleep(0.1));
    }
    say("the publisher closes the topic");
    return close_topic(topic);
}

static int main_task(void *arg)
{
    struct subscriber quick = {"quick", ASYNCIO_QUEUE_INIT(4), 0.01, 100, 0};
    struct subscriber slow = {"slow", ASYNCIO_QUEUE_INIT(2), 0.36, 100, 0};
    struct subscriber brief = {"brief", ASYNCIO_QUEUE_INIT(4), 0.02, 2, 0};
    struct topic topic = {{&quick, &slow}, 2};
    struct asyncio_taskgroup group = {0};
    struct asyncio_future *tasks[3];
    int received = 0;

    (void)arg;
    TRY(asyncio_taskgroup_enter(&group));
    tasks[0] = asyncio_future_ref(asyncio_taskgroup_create_task(&group, reads, &quick));
    tasks[1] = asyncio_future_ref(asyncio_taskgroup_create_task(&group, reads, &slow));
    TRY(asyncio_taskgroup_exit(&group, publishes(&topic, &group, &brief, &tasks[2])));
    for (size_t i = 0; i < COUNT(tasks); i++)
        received += asyncio_future_result(tasks[i]);
    say("received %d", received);
    drop_all(tasks, COUNT(tasks));
    asyncio_queue_fini(&quick.queue);
    asyncio_queue_fini(&slow.queue);
    asyncio_queue_fini(&brief.queue);
    return 0;
}

int main(void)
{
    return asyncio_run(main_task, NULL) < 0;
}
