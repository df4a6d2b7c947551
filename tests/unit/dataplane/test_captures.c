/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Frames that others found worth keeping, malformed ones among them, through the path: none is lost, what leaves is
 * well-formed.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <dirent.h>
#include <pcap/pcap.h>

#include "eal.h"
#include "world.h"

#define SKIPPED 77 /* meson's */

static int
setup(void **state)
{
	struct router *r = world_make(false);

	r->replay = true;
	r->ports[ETH0].mtu = 65535;
	world_ip(r, "add", 0, 0, RTN_UNICAST, ETH1, GATEWAY);
	*state = r;
	return 0;
}

static int
teardown(void **state)
{
	world_free(*state);
	return 0;
}

/* Returns the frames that were offered. */
static unsigned int
offer(struct router *r, const char *folder, const char *name)
{
	char path[512], why[PCAP_ERRBUF_SIZE];
	struct pcap_pkthdr *header;
	const uint8_t *data;
	unsigned int frames = 0;
	pcap_t *capture;

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	capture = pcap_open_offline(path, why);
	if (capture == NULL)
		fail_msg("%s: %s", path, why);
	while (pcap_datalink(capture) == DLT_EN10MB && pcap_next_ex(capture, &header, &data) == 1) {
		inject_segments(r, ETH0, data, header->caplen, frames % 2 == 0 ? 2048 : 90);
		for (unsigned int i = 0; i < r->sent_count; i++) {
			uint32_t bytes, port = r->sent[i].ifindex;

			if (sent_frame(r, i, port, &bytes)[12] == 8 && sent_frame(r, i, port, &bytes)[13] == 0)
				sent_ip(r, i, port);
		}
		world_forget_sent(r);
		frames++;
	}
	pcap_close(capture);
	return frames;
}

static void
takes_every_capture(void **state)
{
	static const char *const folders[] = { CAPTURES, CAPTURES "/edge" };
	struct router *r = *state;
	unsigned int frames = 0;

	for (unsigned int i = 0; i < RTE_DIM(folders); i++) {
		DIR *dir = opendir(folders[i]);
		struct dirent *entry;

		assert_non_null(dir);
		while ((entry = readdir(dir)) != NULL) {
			size_t length = strlen(entry->d_name);

			if (length > 5 && strcmp(entry->d_name + length - 5, ".pcap") == 0)
				frames += offer(r, folders[i], entry->d_name);
		}
		closedir(dir);
	}
	world_advance(r, 60 * SECOND);
	print_message("%u frames: %lu forwarded, %lu delivered\n", frames, r->counters[ETH1][0].tx_packets,
		world_delivered(r));
	for (int i = 0; i < DROP__COUNT; i++)
		if (world_drops(r, i) != 0)
			print_message("  %-22s %lu\n", drop_reason_name(i), world_drops(r, i));
	assert_true(frames > 1000);
}

static void
names_what_is_wrong(void **state)
{
	static const struct {
		const char *name;
		enum drop_reason reason;
	} cases[] = {
		{ "802.1ad_QinQ.pcap", DROP_UNKNOWN_VLAN },
		{ "arp-too-long-tha.pcap", DROP_UNKNOWN_VLAN }, /* it is in a VLAN, too */
		{ "ip4-bad-chksum.pcap", DROP_IP_CHECKSUM },
		{ "ipv4_invalid_hdr_length.pcap", DROP_IP_MALFORMED },
		{ "ipv4_invalid_length.pcap", DROP_IP_MALFORMED },
		{ "ipv4_invalid_total_length.pcap", DROP_IP_MALFORMED },
		{ "icmpv6.pcap", DROP_UNKNOWN_PROTOCOL },
	};
	struct router *r = *state;

	for (unsigned int i = 0; i < RTE_DIM(cases); i++) {
		uint64_t before = world_drops(r, cases[i].reason);
		unsigned int frames = offer(r, CAPTURES "/edge", cases[i].name);

		if (frames == 0 || world_drops(r, cases[i].reason) - before != frames)
			fail_msg("%s: %lu of %u frames were dropped as %s", cases[i].name,
				world_drops(r, cases[i].reason) - before, frames, drop_reason_name(cases[i].reason));
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(takes_every_capture, setup, teardown),
		cmocka_unit_test_setup_teardown(names_what_is_wrong, setup, teardown),
	};
	DIR *dir = opendir(CAPTURES "/edge");

	if (dir == NULL) {
		printf("skipped: no captures in " CAPTURES "\n");
		return SKIPPED;
	}
	closedir(dir);
	eal_start();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
