/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Inside replay: the engine (replay.c), what it watches packets and queues with (replay_watch.c), the delays'
 * distribution (delays.c), the captures (capture.c) and what is written at the end (replay_report.c).
 */
#ifndef WEIR_DATAPLANE_REPLAY_H
#define WEIR_DATAPLANE_REPLAY_H

#include <rte_mbuf_dyn.h>

#include "machine.h"

/* ---- delays.c: a distribution; exact up to a few million values, then to 1 part in 2,048 ---- */

struct delays {
	uint64_t *samples; /* exact; NULL once there were too many */
	size_t size;
	uint64_t *buckets; /* NULL while exact */
	uint64_t count, min, max;
	unsigned __int128 sum;
	bool sorted;
};

void delays_add(struct delays *d, uint64_t ns);
/* Nearest rank: the least value that at least `per_mille_tenths` of 10,000 do not exceed. 0 where there is none. */
uint64_t delays_quantile(struct delays *d, unsigned int ten_thousandths);
uint64_t delays_mean(const struct delays *d);
void delays_free(struct delays *d);

/* ---- replay_watch.c ---- */

/* What became of the packets of one qdisc or class. */
struct watched_queue {
	const char *kind; /* of the qdisc, or of the one whose class it is */
	uint32_t handle; /* major:0, or the classid */
	bool is_class;
	uint32_t above; /* the queue one level up, as an index + 1; 0: none */
	uint64_t offered_packets, offered_bytes;
	uint64_t packets, bytes; /* that left */
	uint64_t drops[DROP__COUNT];
	uint64_t overlimits; /* filled at the end */
	uint64_t backlog;
	uint64_t busy_since_ns, period_bytes;
	uint64_t busy_ns, busy_bytes;
	struct delays delays;
};

struct watched_port {
	struct watched_port *next;
	struct replay *replay;
	uint32_t ifindex;
	char name[IF_NAMESIZE];
	struct sched_observer observer;
	struct watched_queue *queues;
	uint32_t queue_count, queue_size;
	uint32_t *index; /* open hash of queue numbers + 1, by handle */
	uint32_t index_size;
};

enum record_state { RECORD_WAITS, RECORD_SENT, RECORD_DROPPED, RECORD_DELIVERED };

/* A packet's line in packets.csv. */
struct packet_record {
	uint64_t arrival_ns, departure_ns; /* virtual */
	uint32_t length;
	uint16_t in_port, out_port; /* ifindex; in_port 0: made here */
	uint32_t class_handle;
	uint8_t state, reason;
};

/* Travels with the packet, in the mbuf. */
struct packet_tag {
	uint32_t record; /* number + 1 */
	uint32_t queue; /* that holds it, or held it last on its way up; number + 1 */
};

struct replay {
	struct router *router;
	int tag_offset;
	uint64_t epoch_ns; /* of the captures, at virtual CLOCK_START */
	bool keep_records;
	struct packet_record *records;
	uint64_t record_count, record_size;
	uint64_t timestamps_clamped;
	struct watched_port *ports;
	struct error error; /* of a capture that could not be written */
	const char *out_dir;
	uint64_t end_ns;
	bool ran;
};

static inline struct packet_tag *
packet_tag(const struct replay *replay, struct rte_mbuf *m)
{
	return RTE_MBUF_DYNFIELD(m, replay->tag_offset, struct packet_tag *);
}

/* A packet comes in: its line is begun. m NULL: it was lost before it had a buffer, for `reason`. */
void replay_arrived(
	struct replay *replay, const struct port *port, struct rte_mbuf *m, uint32_t length, enum drop_reason reason);
/* The periods that are still open end at replay->end_ns, and the qdiscs' own counters are read. */
void replay_close_books(struct replay *replay);
static inline uint64_t
replay_absolute(const struct replay *replay, uint64_t virtual_ns)
{
	return replay->epoch_ns + (virtual_ns - CLOCK_START);
}

/* ---- capture.c ---- */

/*
 * When the next packet of the port's in= file was captured, never before the one in front of it. false: there is none
 * (any more).
 */
bool capture_peek(struct port *port, uint64_t *at_ns);
/*
 * At most n packets, received now, that were captured at at_ns. Lost ones (cut off, no buffer) are counted. Returns how
 * many there are in pkts; *more: some were taken.
 */
uint16_t capture_take(struct port *port, uint64_t at_ns, struct rte_mbuf **pkts, uint16_t n);
/* The file was written, closed and is whole. */
int capture_close(struct port *port, struct error *err);
/* The path of what was written, relative to the output directory if it is in there; NULL: nothing. */
const char *capture_output(const struct port *port);
/* What was wrong with the input, NULL: nothing. */
const char *capture_complaint(const struct port *port);
bool port_is_capture(const struct port *port);

/* ---- replay_report.c ---- */

/* Makes the directory (with those above it) and removes an earlier run's files. */
int replay_prepare_directory(struct replay *replay, const char *path, struct error *err);
int replay_write_files(struct replay *replay, bool packets, struct error *err);

#endif
