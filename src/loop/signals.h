/* signals.h -- signals as the loop and the floor above see them; asyncio_lowlevel.h has what a watch is. */
#pragma once

#include "loop.h"

/* As asyncio_watch_signal, for the time in which the signal would have its default action: the watch is told of one
 * signal, and only while no other watch of it is there; the second has the default action. Returns: as there; -EBUSY
 * when the signal is handled or ignored. */
int asyncio__watch_default_signal(struct asyncio_signal_watch *watch, struct asyncio_loop *loop, int number);
