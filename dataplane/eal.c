/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * DPDK's start, once in a process: no files, no sockets, no device that nobody named, and no core that workers would
 * miss.
 */
#include <pthread.h>
#include <sched.h>
#include <string.h>

#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_lcore.h>

#include "machine.h"

#define EAL_ARGS_MAX    20
#define SPARE_MEMORY_MB 192 /* rings, devices' queues and what drivers keep; it costs nothing until it is touched */

struct eal_args {
	char text[EAL_ARGS_MAX][48];
	char *argv[EAL_ARGS_MAX + 1];
	int argc;
};

__attribute__((format(printf, 2, 3))) static void
add(struct eal_args *args, const char *format, ...)
{
	va_list list;

	va_start(list, format);
	vsnprintf(args->text[args->argc], sizeof(args->text[0]), format, list);
	va_end(list);
	args->argv[args->argc] = args->text[args->argc];
	args->argv[++args->argc] = NULL;
}

static int
first_cpu(const cpu_set_t *set)
{
	for (int cpu = 0; cpu < CPU_SETSIZE; cpu++)
		if (CPU_ISSET(cpu, set))
			return cpu;
	return 0;
}

static void
fill(struct eal_args *args, const struct router_conf *conf, uint64_t pool_bytes, int cpu)
{
	add(args, "weird");
	/*
	 * Workers are threads of our own that register themselves: EAL's main lcore is the control thread, which
	 * sleeps.
	 */
	add(args, "--lcores");
	add(args, "0@%d", cpu);
	add(args, "--no-telemetry");
	add(args, "--log-level=4");
	if (conf->hugepages) {
		add(args, "--in-memory");
	} else {
		/* Without hugepages all memory is anonymous; --in-memory says the same, and EAL does not take both. */
		add(args, "--no-huge");
		add(args, "--no-shconf");
		add(args, "-m");
		add(args, "%llu", (unsigned long long)(pool_bytes >> 20) + SPARE_MEMORY_MB);
	}
	if (conf->replay) {
		add(args, "--no-pci");
	} else {
		/*
		 * A list of allowed devices that names none: a NIC is taken when a port asks for it, not because it is
		 * there.
		 */
		add(args, "-a");
		add(args, "ffff:ff:1f.7");
	}
}

int
dpdk_start(const struct router_conf *conf, uint64_t pool_bytes, struct error *err)
{
	static bool started;
	struct eal_args args = { .argc = 0 };
	cpu_set_t before;

	if (started || rte_lcore_count() != 0) /* by this, or by the program itself */
		return 0;
	if (pthread_getaffinity_np(pthread_self(), sizeof(before), &before) != 0)
		return error_set(err, errno, "cannot read which processors this process may use");
	fill(&args, conf, pool_bytes, first_cpu(&before));
	int rc = rte_eal_init(args.argc, args.argv);
	/* EAL binds the calling thread to its lcore; the control thread may run anywhere. */
	pthread_setaffinity_np(pthread_self(), sizeof(before), &before);
	if (rc < 0)
		return error_set(err, rte_errno > 0 ? rte_errno : ENOMEM, "DPDK did not start: %s%s",
			rte_strerror(rte_errno),
			conf->hugepages
				? "; are there free hugepages (see /proc/meminfo)? Without --hugepages none are needed"
				: "; is there enough memory for --buffers?");
	started = true;
	return 0;
}
