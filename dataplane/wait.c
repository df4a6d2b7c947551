/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How an idle worker waits: busy, then with pauses, then asleep in the kernel until its next event, or until somebody
 * wakes it: a queue with packets in it, another worker's burst, a command of control's.
 *
 * Only who is asleep is woken, and nothing is missed: the worker first says that it is going to sleep (`asleep`, and
 * its queues' interrupts are on), then looks once more at all that it polls, and sleeps only if there was nothing. What
 * comes after that look finds the flag, or interrupts.
 */
#include <errno.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "machine.h"

#define IDLE_BUSY_LOOPS  64 /* polls without a pause after the last packet: a burst often has a successor */
#define IDLE_PAUSE_LOOPS 192 /* then polls with a pause, for about what a sleep and a wake-up cost; then sleep */
#define SLEEP_MIN_NS     UINT64_C(5000)
#define NAP_MAX_NS       UINT64_C(50000) /* where a queue cannot wake its worker, no packet waits longer */
/* What a sleep takes longer than it should: for an event so near a worker stays awake, lest a shaper loses its rate. */
#define WAKE_UP_NS     20000
#define SLACK_SHIFT    9 /* the kernel lets a poll be late by 1/1000 of its timeout: twice that is taken off */
#define FRUITLESS_MAX  4 /* descriptors that were ready, and no packet: so many in a row, and they are not believed */
#define EVENTS_AT_ONCE 16

int
wait_create(struct worker_machine *wm, struct error *err)
{
	wm->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	wm->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	wm->wake_event.epdata.event = EPOLLIN;
	if (wm->epoll_fd < 0 || wm->wake_fd < 0 ||
		rte_epoll_ctl(wm->epoll_fd, EPOLL_CTL_ADD, wm->wake_fd, &wm->wake_event) != 0)
		return error_set(err, errno, "cannot make the descriptors that wake worker %u", wm->w.index);
	return 0;
}

void
wait_destroy(struct worker_machine *wm)
{
	if (wm->wake_fd >= 0)
		close(wm->wake_fd);
	if (wm->epoll_fd >= 0)
		close(wm->epoll_fd);
}

bool
wait_watch(struct worker_machine *wm, struct port *port, uint16_t queue, bool on)
{
	return port->ops->watch != NULL && port->ops->watch(port, queue, wm->epoll_fd, on);
}

void
worker_wake_up(struct worker_machine *wm)
{
	uint64_t one = 1;

	if (atomic_exchange(&wm->asleep, false) && write(wm->wake_fd, &one, sizeof(one)) < 0)
		atomic_store(&wm->asleep, true);
}

static void
set_interrupts(struct worker_machine *wm, bool on)
{
	for (unsigned int i = 0; i < wm->polled_count; i++) {
		struct port *port = wm->polled[i].port;

		if (wm->polled[i].wakes && port->ops->interrupt != NULL)
			port->ops->interrupt(port, wm->polled[i].queue, on);
	}
}

static void
lie_down(struct worker_machine *wm)
{
	wm->drowsy = true;
	atomic_store(&wm->asleep, true);
	set_interrupts(wm, true);
}

static void
get_up(struct worker_machine *wm)
{
	wm->drowsy = false;
	atomic_store_explicit(&wm->asleep, false, memory_order_relaxed);
	set_interrupts(wm, false);
}

/* Has EAL take the interrupts, and takes the rest itself. */
static void
take_events(struct worker_machine *wm)
{
	struct rte_epoll_event events[EVENTS_AT_ONCE];
	int n = rte_epoll_wait(wm->epoll_fd, events, EVENTS_AT_ONCE, 0), error;
	socklen_t length = sizeof(error);
	bool queues = false;
	uint64_t count;

	for (int i = 0; i < n; i++) {
		if (events[i].fd == wm->wake_fd) {
			if (read(wm->wake_fd, &count, sizeof(count)) == sizeof(count))
				continue;
		}
		queues = true;
		/* A socket whose interface went down is ready until somebody has asked why. */
		if ((events[i].epdata.event & EPOLLERR) != 0)
			getsockopt(events[i].fd, SOL_SOCKET, SO_ERROR, &error, &length);
	}
	if (queues)
		wm->fruitless++;
}

static void
sleep_for(struct worker_machine *wm, uint64_t ns)
{
	struct rte_rcu_qsbr *qsbr = wm->w.router->rcu->qsbr;
	struct pollfd fd = { .fd = wm->epoll_fd, .events = POLLIN };
	const struct timespec time = {
		.tv_sec = (time_t)(ns / NS_PER_SECOND),
		.tv_nsec = (long)(ns % NS_PER_SECOND),
	};

	if (wm->fruitless >= FRUITLESS_MAX)
		fd.fd = -1;
	rte_rcu_qsbr_thread_offline(qsbr, wm->w.index);
	int ready = ppoll(&fd, 1, ns != SCHED_NEVER ? &time : NULL, NULL);
	rte_rcu_qsbr_thread_online(qsbr, wm->w.index);
	if (ready > 0)
		take_events(wm);
	count(&wm->info.sleeps, 1);
}

static inline bool
naps(const struct worker_machine *wm)
{
	return wm->napping != 0 || wm->fruitless >= FRUITLESS_MAX;
}

/* ns; 0: not at all, SCHED_NEVER: until it is woken. */
static uint64_t
time_to_sleep(struct worker_machine *wm, uint32_t idle_loops)
{
	uint64_t now = clock_ns(wm->w.router), next = worker_next_event_ns(wm), most = SCHED_NEVER;

	/* Longer each time, up to the limit: who had traffic a moment ago is likely to have more. */
	if (naps(wm))
		most = RTE_MIN(NAP_MAX_NS, SLEEP_MIN_NS * (1 + (idle_loops - IDLE_PAUSE_LOOPS) / 16));
	if (next == SCHED_NEVER)
		return most;
	uint64_t ahead = next > now ? next - now : 0, early = WAKE_UP_NS + (ahead >> SLACK_SHIFT);
	if (ahead < early + SLEEP_MIN_NS)
		return 0;
	return RTE_MIN(most, ahead - early);
}

void
worker_idle(struct worker_machine *wm, uint32_t idle_loops)
{
	if (wm->w.router->conf.poll == POLL_BUSY)
		return;
	if (idle_loops < IDLE_PAUSE_LOOPS) {
		if (wm->drowsy)
			get_up(wm);
		if (idle_loops == 0)
			wm->fruitless = 0;
		else if (idle_loops >= IDLE_BUSY_LOOPS)
			rte_pause();
		return;
	}
	/* A nap is so short that nobody needs to wake it. */
	if (!wm->drowsy && !naps(wm)) {
		lie_down(wm);
		return;
	}
	uint64_t ns = time_to_sleep(wm, idle_loops);
	if (ns == 0)
		return;
	sleep_for(wm, ns);
	if (wm->drowsy)
		get_up(wm);
}
