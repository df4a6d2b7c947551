/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a replay leaves: report.json, packets.csv, and the summary that is printed.
 *
 * Times are nanoseconds, rates bits per second. Everything comes in a fixed order, so that the same run gives the same
 * bytes.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "replay.h"

#define PATH_BYTES 4096

/* ---- the directory ---- */

static int
make_directories(const char *path, struct error *err)
{
	char part[PATH_BYTES];
	struct stat st;

	if (strlen(path) == 0 || strlen(path) >= sizeof(part) - 64)
		return error_set(err, EINVAL, "\"%.60s\": no usable name for the output directory", path);
	strcpy(part, path);
	for (char *slash = part + 1;; slash++) {
		char was = *slash;

		if (was != '/' && was != '\0')
			continue;
		*slash = '\0';
		if (mkdir(part, 0777) != 0 && errno != EEXIST)
			return error_set(err, errno, "cannot make the directory %s: %s", part, strerror(errno));
		*slash = was;
		if (was == '\0')
			break;
	}
	if (stat(path, &st) != 0 || !S_ISDIR(st.st_mode))
		return error_set(err, ENOTDIR, "%s is not a directory", path);
	return access(path, W_OK | X_OK) == 0 ? 0
					      : error_set(err, errno, "cannot write to %s: %s", path, strerror(errno));
}

static void
remove_in(const char *dir, const char *name)
{
	char path[PATH_BYTES];

	if (strchr(name, '/') == NULL && snprintf(path, sizeof(path), "%s/%s", dir, name) < (int)sizeof(path))
		unlink(path);
}

/* The captures that an earlier run's report names go with it: their ports may not exist in this run. */
static void
remove_reported(const char *dir)
{
	static const char key[] = "\"capture\": \"";
	char path[PATH_BYTES], line[1024];

	snprintf(path, sizeof(path), "%s/report.json", dir);
	FILE *report = fopen(path, "r");
	if (report == NULL)
		return;
	while (fgets(line, sizeof(line), report) != NULL) {
		char *name = strstr(line, key), *end;

		if (name == NULL)
			continue;
		name += strlen(key);
		end = strchr(name, '"');
		if (end == NULL || end - name < 5 || strncmp(end - 5, ".pcap", 5) != 0)
			continue;
		*end = '\0';
		remove_in(dir, name);
	}
	fclose(report);
}

int
replay_prepare_directory(struct replay *replay, const char *path, struct error *err)
{
	int rc = make_directories(path, err);

	if (rc != 0)
		return rc;
	replay->out_dir = path;
	remove_reported(path);
	remove_in(path, "report.json");
	remove_in(path, "packets.csv");
	return 0;
}

/* ---- report.json ---- */

static void
write_string(FILE *to, const char *text)
{
	fputc('"', to);
	for (; *text != '\0'; text++) {
		if (*text == '"' || *text == '\\')
			fputc('\\', to);
		if ((unsigned char)*text < 0x20)
			fprintf(to, "\\u%04x", (unsigned char)*text);
		else
			fputc(*text, to);
	}
	fputc('"', to);
}

static void
write_drops(FILE *to, const uint64_t drops[DROP__COUNT])
{
	const char *separator = "";

	fputc('{', to);
	for (unsigned int reason = 0; reason < DROP__COUNT; reason++) {
		if (drops[reason] == 0)
			continue;
		fprintf(to, "%s\"%s\": %" PRIu64, separator, drop_reason_name(reason), drops[reason]);
		separator = ", ";
	}
	fputc('}', to);
}

static const char *
handle_text(char text[16], uint32_t handle)
{
	if ((handle & 0xffff) == 0)
		snprintf(text, 16, "%x:", handle >> 16);
	else
		snprintf(text, 16, "%x:%x", handle >> 16, handle & 0xffff);
	return text;
}

static uint64_t
rate_bps(const struct watched_queue *queue)
{
	if (queue->busy_ns == 0)
		return 0;
	return (uint64_t)((unsigned __int128)queue->busy_bytes * 8 * NS_PER_SECOND / queue->busy_ns);
}

static void
write_delays(FILE *to, struct delays *d)
{
	static const struct {
		const char *name;
		unsigned int ten_thousandths;
	} quantiles[] = { { "p50", 5000 }, { "p90", 9000 }, { "p99", 9900 }, { "p99.9", 9990 } };

	fprintf(to, "\"delay_ns\": {\"min\": %" PRIu64, d->min);
	for (unsigned int i = 0; i < RTE_DIM(quantiles); i++)
		fprintf(to, ", \"%s\": %" PRIu64, quantiles[i].name, delays_quantile(d, quantiles[i].ten_thousandths));
	fprintf(to, ", \"max\": %" PRIu64 ", \"mean\": %" PRIu64 ", \"exact\": %s}", d->max, delays_mean(d),
		d->buckets == NULL ? "true" : "false");
}

static void
write_queue(FILE *to, const struct watched_port *wp, struct watched_queue *queue)
{
	char handle[16], above[16];

	fprintf(to, "\n        \"%s\": {\"kind\": \"%s\", ", handle_text(handle, queue->handle), queue->kind);
	if (queue->above != 0)
		fprintf(to, "\"parent\": \"%s\", ", handle_text(above, wp->queues[queue->above - 1].handle));
	fprintf(to,
		"\"packets\": %" PRIu64 ", \"bytes\": %" PRIu64 ", \"offered_packets\": %" PRIu64
		", \"offered_bytes\": %" PRIu64 ", \"backlog_packets\": %" PRIu64 ", \"overlimits\": %" PRIu64
		",\n          \"drops\": ",
		queue->packets, queue->bytes, queue->offered_packets, queue->offered_bytes, queue->backlog,
		queue->overlimits);
	write_drops(to, queue->drops);
	fprintf(to, ", \"backlogged_ns\": %" PRIu64 ", \"backlogged_rate_bps\": %" PRIu64 ",\n          ",
		queue->busy_ns, rate_bps(queue));
	write_delays(to, &queue->delays);
	fputc('}', to);
}

/*
 * In order of handle; an old qdisc's kind, replaced under the same handle, after that of the one that replaced it last.
 */
static int
compare_queues(const void *a, const void *b)
{
	const struct watched_queue *x = *(struct watched_queue *const *)a, *y = *(struct watched_queue *const *)b;

	if (x->handle != y->handle)
		return x->handle < y->handle ? -1 : 1;
	return x < y ? 1 : -1;
}

/* The caller frees it. */
static struct watched_queue **
sorted_queues(const struct watched_port *wp)
{
	struct watched_queue **list = malloc((wp->queue_count + 1) * sizeof(struct watched_queue *));

	if (list == NULL)
		abort();
	for (uint32_t i = 0; i < wp->queue_count; i++)
		list[i] = &wp->queues[i];
	qsort(list, wp->queue_count, sizeof(struct watched_queue *), compare_queues);
	return list;
}

static void
write_queues(FILE *to, const struct watched_port *wp, bool classes)
{
	struct watched_queue **list = sorted_queues(wp);
	const char *separator = "";
	bool any = false;
	const struct watched_queue *before = NULL;

	fprintf(to, "      \"%s\": {", classes ? "classes" : "qdiscs");
	for (uint32_t i = 0; i < wp->queue_count; i++) {
		if (list[i]->is_class != classes)
			continue;
		/* JSON has one value a key: of several kinds that had this handle in turn, the last one's. */
		if (before != NULL && before->handle == list[i]->handle)
			continue;
		fputs(separator, to);
		write_queue(to, wp, list[i]);
		separator = ",";
		before = list[i];
		any = true;
	}
	fprintf(to, "%s}", any ? "\n      " : "");
	free(list);
}

static void
write_port(FILE *to, const struct replay *replay, const struct watched_port *wp, const struct port *port)
{
	struct port_counters sum;
	const char *output = port_is_capture(port) ? capture_output(port) : NULL;
	const char *complaint = port_is_capture(port) ? capture_complaint(port) : NULL;

	port_counters_sum(port, &sum);
	fputs("\n    ", to);
	write_string(to, port->name);
	fprintf(to,
		": {\n      \"received\": %" PRIu64 ", \"sent\": %" PRIu64 ", \"bytes\": %" PRIu64
		", \"received_bytes\": %" PRIu64 ", \"generated\": %" PRIu64 ", \"delivered\": %" PRIu64 ",\n",
		sum.rx_packets, sum.tx_packets, sum.tx_bytes, sum.rx_bytes, sum.generated, sum.delivered);
	if (output != NULL) {
		size_t length = replay->out_dir != NULL ? strlen(replay->out_dir) : 0;
		bool inside = length != 0 && strncmp(output, replay->out_dir, length) == 0 && output[length] == '/';

		fputs("      \"capture\": ", to);
		write_string(to, inside ? output + length + 1 : output);
		fputs(",\n", to);
	}
	if (complaint != NULL) {
		fputs("      \"input_error\": ", to);
		write_string(to, complaint);
		fputs(",\n", to);
	}
	fputs("      \"drops\": ", to);
	write_drops(to, sum.sink.drops);
	fputs(",\n", to);
	write_queues(to, wp, false);
	fputs(",\n", to);
	write_queues(to, wp, true);
	fputs("\n    }", to);
}

void
replay_write_report(struct router *router, FILE *to)
{
	const struct replay *replay = router->replay;
	struct router_totals t;
	const char *separator = "";

	router_totals(router, &t);
	fprintf(to,
		"{\n  \"totals\": {\"received\": %" PRIu64 ", \"generated\": %" PRIu64 ", \"sent\": %" PRIu64
		", \"delivered\": %" PRIu64 ", \"dropped\": %" PRIu64 ", \"queued\": %" PRIu64 "},\n  \"drops\": ",
		t.received, t.generated, t.sent, t.delivered, t.dropped, t.queued);
	write_drops(to, t.drops);
	fprintf(to,
		",\n  \"timestamps_clamped\": %" PRIu64 ",\n  \"start_ns\": %" PRIu64 ",\n  \"duration_ns\": %" PRIu64
		",\n  \"seed\": %" PRIu64 ",\n  \"ports\": {",
		replay->timestamps_clamped, replay->epoch_ns, replay->end_ns - CLOCK_START, router->conf.seed);
	for (const struct watched_port *wp = replay->ports; wp != NULL; wp = wp->next) {
		const struct port *port = port_find(router, wp->ifindex);

		if (port == NULL)
			continue;
		fputs(separator, to);
		write_port(to, replay, wp, port);
		separator = ",";
	}
	fputs("\n  }\n}\n", to);
}

/* ---- packets.csv ---- */

static const char *
port_name(const struct replay *replay, uint32_t ifindex)
{
	for (const struct watched_port *wp = replay->ports; wp != NULL && ifindex != 0; wp = wp->next)
		if (wp->ifindex == ifindex)
			return wp->name;
	return "";
}

static void
write_record(FILE *to, const struct replay *replay, const struct packet_record *record)
{
	char handle[16] = "";

	if (record->in_port == 0 && record->state == RECORD_WAITS && record->length == 0)
		return; /* made, and never sent off */
	if (record->class_handle != 0)
		handle_text(handle, record->class_handle);
	fprintf(to, "%s,%" PRIu64 ",%u,%s,%s,", port_name(replay, record->in_port),
		replay_absolute(replay, record->arrival_ns), record->length, port_name(replay, record->out_port),
		handle);
	switch ((enum record_state)record->state) {
	case RECORD_SENT:
		fprintf(to, "%" PRIu64 "\n", replay_absolute(replay, record->departure_ns));
		break;
	case RECORD_DROPPED:
		fprintf(to, "%s\n", drop_reason_name(record->reason));
		break;
	case RECORD_DELIVERED:
		fputs("delivered\n", to);
		break;
	case RECORD_WAITS:
		fputs("queued\n", to);
		break;
	}
}

static int
write_file(struct replay *replay, const char *name, void (*fill)(struct replay *replay, FILE *to), struct error *err)
{
	char path[PATH_BYTES];

	snprintf(path, sizeof(path), "%s/%s", replay->out_dir, name);
	FILE *to = fopen(path, "w");
	if (to == NULL)
		return error_set(err, errno, "cannot write %s: %s", path, strerror(errno));
	fill(replay, to);
	bool whole = fflush(to) == 0 && ferror(to) == 0;
	int code = errno;
	return fclose(to) == 0 && whole ? 0 : error_set(err, code, "cannot write %s: %s", path, strerror(code));
}

static void
fill_report(struct replay *replay, FILE *to)
{
	replay_write_report(replay->router, to);
}

static void
fill_packets(struct replay *replay, FILE *to)
{
	fputs("in_port,arrival_ns,length,out_port,class,departure_ns_or_drop_reason\n", to);
	for (uint64_t i = 0; i < replay->record_count; i++)
		write_record(to, replay, &replay->records[i]);
}

int
replay_write_files(struct replay *replay, bool packets, struct error *err)
{
	int rc = write_file(replay, "report.json", fill_report, err);

	return rc != 0 || !packets ? rc : write_file(replay, "packets.csv", fill_packets, err);
}

/* ---- for people ---- */

static const char *
duration_text(char text[24], uint64_t ns)
{
	if (ns < 1000)
		snprintf(text, 24, "%" PRIu64 " ns", ns);
	else if (ns < 1000000)
		snprintf(text, 24, "%.1f us", ns / 1e3);
	else if (ns < NS_PER_SECOND)
		snprintf(text, 24, "%.1f ms", ns / 1e6);
	else
		snprintf(text, 24, "%.2f s", ns / 1e9);
	return text;
}

static const char *
rate_text(char text[24], uint64_t bps)
{
	if (bps == 0)
		snprintf(text, 24, "-");
	else if (bps < 1000000)
		snprintf(text, 24, "%.1f kbit", bps / 1e3);
	else if (bps < 1000000000)
		snprintf(text, 24, "%.2f mbit", bps / 1e6);
	else
		snprintf(text, 24, "%.2f gbit", bps / 1e9);
	return text;
}

static uint64_t
queue_drops(const struct watched_queue *queue)
{
	uint64_t dropped = 0;

	for (unsigned int i = 0; i < DROP__COUNT; i++)
		dropped += queue->drops[i];
	return dropped;
}

/* The discipline below a class that has no other, where its line would say the same as the class's. NULL: none. */
static const struct watched_queue *
echo_of(const struct watched_port *wp, struct watched_queue *const *list, const struct watched_queue *class)
{
	const struct watched_queue *below = NULL;

	for (uint32_t i = 0; i < wp->queue_count; i++) {
		if (list[i]->above == 0 || &wp->queues[list[i]->above - 1] != class)
			continue;
		if (below != NULL || list[i]->is_class)
			return NULL;
		below = list[i];
	}
	bool same = below != NULL && below->offered_packets == class->offered_packets &&
		    below->packets == class->packets && queue_drops(below) == queue_drops(class) &&
		    below->backlog == class->backlog;
	return same ? below : NULL;
}

static void
print_queue(FILE *to, const char *name, struct watched_queue *queue)
{
	char rate[24], p50[24] = "-", p99[24] = "-";

	if (queue->packets != 0) {
		duration_text(p50, delays_quantile(&queue->delays, 5000));
		duration_text(p99, delays_quantile(&queue->delays, 9900));
	}
	fprintf(to, "%-36s %9" PRIu64 " %9" PRIu64 " %9" PRIu64 " %7" PRIu64 " %12s %10s %10s\n", name,
		queue->offered_packets, queue->packets, queue_drops(queue), queue->backlog,
		rate_text(rate, rate_bps(queue)), p50, p99);
}

/* The queues below number `above` (0: the roots), each followed by its own, indented by its depth. */
static void
print_queues(FILE *to, struct watched_port *wp, struct watched_queue **list, uint32_t above, unsigned int depth)
{
	char name[96], handle[16];

	for (uint32_t i = 0; i < wp->queue_count; i++) {
		struct watched_queue *queue = list[i];
		const struct watched_queue *below = queue->is_class ? echo_of(wp, list, queue) : NULL;
		char echo[48] = "";

		if (queue->above != above || queue->offered_packets == 0)
			continue;
		if (below != NULL)
			snprintf(echo, sizeof(echo), " (%.20s %s)", below->kind, handle_text(handle, below->handle));
		snprintf(name, sizeof(name), "%-8s%*s%s %s %s%s", depth == 0 ? wp->name : "", (int)depth * 2, "",
			queue->is_class ? "class" : "qdisc", queue->kind, handle_text(handle, queue->handle), echo);
		print_queue(to, name, queue);
		print_queues(to, wp, list, (uint32_t)((below != NULL ? below : queue) - wp->queues) + 1, depth + 1);
	}
}

static void
print_totals(FILE *to, struct router *router)
{
	struct router_totals t;

	router_totals(router, &t);
	fprintf(to,
		"\nEvery packet: received %" PRIu64 " + generated %" PRIu64 " = sent %" PRIu64 " + delivered %" PRIu64
		" + dropped %" PRIu64 " + queued %" PRIu64 "\n",
		t.received, t.generated, t.sent, t.delivered, t.dropped, t.queued);
	for (unsigned int i = 0; i < DROP__COUNT; i++)
		if (t.drops[i] != 0)
			fprintf(to, "  dropped %9" PRIu64 "  %-20s %s\n", t.drops[i], drop_reason_name(i),
				drop_reason_meaning(i));
	if (router->replay->timestamps_clamped != 0)
		fprintf(to,
			"%" PRIu64 " timestamp%s went backwards: these packets arrived when the one before them did\n",
			router->replay->timestamps_clamped, router->replay->timestamps_clamped != 1 ? "s" : "");
}

void
replay_print_summary(struct router *router, FILE *to)
{
	struct replay *replay = router->replay;
	bool any = false;

	fprintf(to, "%-36s %9s %9s %9s %7s %12s %21s\n", "", "", "", "", "", "rate while", "queueing delay");
	fprintf(to, "%-8s%-28s %9s %9s %9s %7s %12s %10s %10s\n", "port", "packets of", "offered", "sent", "dropped",
		"queued", "backlogged", "p50", "p99");
	for (struct watched_port *wp = replay->ports; wp != NULL; wp = wp->next) {
		struct watched_queue **list = sorted_queues(wp);

		print_queues(to, wp, list, 0, 0);
		free(list);
		for (uint32_t i = 0; i < wp->queue_count; i++)
			any |= wp->queues[i].offered_packets != 0;
	}
	if (!any)
		fputs("no packet came as far as a queue\n", to);
	print_totals(to, router);
}
